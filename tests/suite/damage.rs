//! Data files damaged in place: every value of every column of a device's and a branch's file in turn,
//! pages, cut files. A clear error or right work, no panic, and other records go on. Definitions and unsent
//! work heal: the former from the branch, the latter from what is left of them, or they are shown to their author.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rusqlite::Connection;
use tempfile::TempDir;
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::id::{DocumentId, UserId};
use xunyuan_core::limits::REQUEST_BYTES_MAX;
use xunyuan_core::projection::Filter;
use xunyuan_core::replica::Replica;
use xunyuan_core::wire::frame;
use xunyuan_core::wire::message::Reply;
use xunyuan_server::hub::{AuthFailure, ExchangeFailure, Hub, HubOptions};
use xunyuan_tests::forge::{Forger, push};
use xunyuan_tests::hostile::chunk::hex;
use xunyuan_tests::hostile::quiet::{quietly, words};
use xunyuan_tests::hostile::stores::{
    HARMS, Harm, Steps, device_file, device_world, harm, is_clear, moment_of_work, places, work_on,
};
use xunyuan_tests::laws::{check_settled, status};
use xunyuan_tests::people::{fields, text};
use xunyuan_tests::process::xunyuan;
use xunyuan_tests::revisions::patrol_version_2;
use xunyuan_tests::seed::Seed;
use xunyuan_tests::world::World;

/// What came of all damage, for the log of a failed run.
#[derive(Debug, Default)]
struct Tally {
    done: u32,
    untouched: u32,
    errors: BTreeMap<String, u32>,
    wrong: Vec<String>,
}

/// The exchange of a replica that may be damaged, until it rests.
fn exchange(world: &World, replica: &mut Replica) -> Result<(), Error> {
    replica.wake_now();
    for _ in 0..12 {
        let Some(body) = replica.poll_request(&moment_of_work())? else { return Ok(()) };
        let token = replica.identity().token.clone();
        let Ok(caller) = world.hub.authenticate(&token) else { return Ok(()) };
        let reply = world.hub.exchange(&caller, &body, moment_of_work().unix_ms).expect("the branch answers");
        frame::decode::<Reply>(&reply, REQUEST_BYTES_MAX).expect("the reply can be read");
        if !replica.handle_reply(&reply, &moment_of_work())?.more {
            return Ok(());
        }
    }
    Ok(())
}

fn judge(tally: &mut Tally, what: &str, steps: Steps) {
    let mut fine = true;
    for (name, outcome) in steps {
        if let Err(error) = outcome {
            fine = false;
            let name = name.rsplit(' ').next().unwrap_or_default().to_owned();
            *tally.errors.entry(format!("{name}: {:?}", error.kind())).or_default() += 1;
            if !is_clear(&error) {
                tally.wrong.push(format!("{what}: {name}: {error}"));
            }
        }
    }
    tally.done += 1;
    tally.untouched += u32::from(fine);
}

#[test]
fn a_device_file_with_any_value_damaged_is_worked_on_or_refused() {
    let mut seed = Seed::or(303_001);
    let (world, _) = device_world();
    let whole = device_file();
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("device.xunyuan");
    fs::write(&file, whole).unwrap();
    // Every value takes a third of the harms with one seed, all of them with a few.
    let first = seed.below(HARMS.len());
    let harms = |at: usize| [HARMS[(first + at) % HARMS.len()], HARMS[(first + at + 3) % HARMS.len()]];
    let all = places(&file);
    let all = all.iter().enumerate().flat_map(|(at, place)| harms(at).map(|harm| (place, harm)));
    let mut tally = Tally::default();
    for (place, kind) in all {
        let what = format!("{}.{}[{}] {kind:?}", place.table, place.column, place.row);
        fs::write(&file, whole).unwrap();
        if !harm(&file, place, kind) {
            continue;
        }
        let outcome = quietly(|| {
            let (mut steps, replica) = work_on(&file, &moment_of_work());
            if let Some(mut replica) = replica {
                steps.push(("exchange".to_owned(), exchange(&world, &mut replica)));
            }
            steps
        });
        match outcome {
            Ok(steps) => {
                // These two heal: nothing that a person does says no.
                if ["definition", "outbox"].contains(&place.table.as_str()) {
                    let failed = steps.iter().filter(|(name, outcome)| outcome.is_err() && is_vital(name));
                    tally.wrong.extend(failed.map(|(name, outcome)| format!("{what}: {name}: {outcome:?}")));
                }
                judge(&mut tally, &what, steps);
            }
            Err(payload) => tally.wrong.push(format!("{what}: a panic: {}", words(payload.as_ref()))),
        }
    }
    eprintln!("{tally:#?}");
    assert!(tally.wrong.is_empty(), "{:#?}", tally.wrong);
}

/// True for a step that must succeed whatever became of one definition or one unsent change.
fn is_vital(name: &str) -> bool {
    ["open", "status", "list", "search", "find", "refused", "drafts", "export", "exchange"].contains(&name)
}

/// What a branch is asked for, by name, with what came of it; an exchange has work of a device with it.
fn serve(dir: &Path, token: &str, body: &[u8]) -> Steps {
    let mut steps = Steps::new();
    let hub = match Hub::open(dir, &HubOptions::new([5; 32])) {
        Ok(hub) => hub,
        Err(error) => return vec![("open".to_owned(), Err(error))],
    };
    let now_ms = moment_of_work().unix_ms;
    let mut step = |name: &str, outcome: Result<(), Error>| steps.push((name.to_owned(), outcome));
    for round in 0..2 {
        match hub.authenticate(token) {
            Ok(caller) => match hub.exchange(&caller, body, now_ms + round) {
                Ok(reply) => step("exchange", frame::decode::<Reply>(&reply, REQUEST_BYTES_MAX).map(drop)),
                Err(ExchangeFailure::Internal(error) | ExchangeFailure::Malformed(error)) => {
                    step("exchange", Err(error));
                }
                Err(failure) => panic!("an honest request: {failure:?}"),
            },
            Err(AuthFailure::Internal(error)) => step("authenticate", Err(error)),
            Err(_) => {}
        }
    }
    step("standings", hub.standings().map(drop));
    step("devices", hub.devices().map(drop));
    step("refusals", hub.refusals(100).map(drop));
    step("stats", hub.stats().map(drop));
    step("verify", hub.verify(|_| ()).map(drop));
    step("publish", hub.publish(&[patrol_version_2()], now_ms).map(drop));
    step("invite", hub.invite(&UserId::new("u.pt01"), 1, now_ms, [6; 32]).map(drop));
    step("close", hub.close());
    steps
}

#[test]
fn a_branch_file_with_any_value_damaged_serves_or_says_why_not() {
    let mut seed = Seed::or(303_002);
    let (mut world, device) = device_world();
    world.replica(device).wake_now();
    let body = world.request(device).unwrap();
    let token = world.replica(device).identity().token.clone();
    let refused = {
        let entry = world.take_call(device, "待拒收");
        let mut forger = Forger::on(&mut world, device, entry);
        let edit = forger.put("field/nothing", text("x"));
        forger.write(&[edit]);
        push(&mut world, device, &forger.definition.clone(), vec![forger.run(0)])
    };
    assert_eq!(refused.verdicts.len(), 1);
    world.hub.close().unwrap();
    let whole = fs::read(world.dir().join("branch/branch.sqlite3")).unwrap();
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("branch.sqlite3");
    let mut tally = Tally::default();
    fs::write(&file, &whole).unwrap();
    for place in places(&file) {
        let kind = *seed.pick(&HARMS);
        let what = format!("{}.{} {kind:?}", place.table, place.column);
        for beside in ["branch.sqlite3-wal", "branch.sqlite3-shm"] {
            let _ = fs::remove_file(dir.path().join(beside));
        }
        fs::write(&file, &whole).unwrap();
        if !harm(&file, &place, kind) {
            continue;
        }
        match quietly(|| serve(dir.path(), &token, &body)) {
            Ok(steps) => judge(&mut tally, &what, steps),
            Err(payload) => tally.wrong.push(format!("{what}: a panic: {}", words(payload.as_ref()))),
        }
    }
    eprintln!("{tally:#?}");
    assert!(tally.wrong.is_empty(), "{:#?}", tally.wrong);
    assert!(tally.done > 60 && tally.untouched > 10, "{tally:?}");
}

#[test]
fn pages_that_are_not_what_sqlite_wrote_break_nothing_else() {
    let mut seed = Seed::or(303_003);
    let (world, _) = device_world();
    let whole = device_file();
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("device.xunyuan");
    let mut tally = Tally::default();
    for round in 0..60 {
        let mut bytes = whole.to_vec();
        match round % 3 {
            0 => bytes.truncate(4_096 * (1 + seed.below(bytes.len() / 4_096))),
            1 => {
                let page = 4_096 * (1 + seed.below(bytes.len() / 4_096 - 1));
                let with = seed.bytes();
                bytes[page..page + 4_096].iter_mut().zip(with.iter().cycle()).for_each(|(b, w)| *b = *w);
            }
            _ => (0..8).for_each(|_| {
                let at = 100 + seed.below(bytes.len() - 100);
                bytes[at] ^= 1 << seed.below(8);
            }),
        }
        for beside in ["device.xunyuan-wal", "device.xunyuan-shm"] {
            let _ = fs::remove_file(dir.path().join(beside));
        }
        fs::write(&file, &bytes).unwrap();
        let outcome = quietly(|| {
            let (mut steps, replica) = work_on(&file, &moment_of_work());
            if let Some(mut replica) = replica {
                steps.push(("exchange".to_owned(), exchange(&world, &mut replica)));
            }
            steps
        });
        match outcome {
            Ok(steps) => judge(&mut tally, &format!("round {round}"), steps),
            Err(payload) => tally.wrong.push(format!("round {round}: a panic: {}", words(payload.as_ref()))),
        }
        assert!(file.exists(), "a damaged file stays");
    }
    eprintln!("{tally:#?}");
    assert!(tally.wrong.is_empty(), "{:#?}", tally.wrong);
}

/// Damages a value of the first row that a condition names, past every check of SQLite.
fn harm_where(file: &Path, table: &str, column: &str, condition: &str, kind: Harm) -> bool {
    let conn = Connection::open(file).unwrap();
    let key = if table == "definition" { "id, version" } else { "ordinal" };
    let before = format!(
        "SELECT count(*) FROM {table} WHERE ({key}) < (SELECT {key} FROM {table} WHERE {condition} LIMIT 1)"
    );
    let row: u32 = conn.query_row(&before, [], |row| row.get(0)).unwrap();
    drop(conn);
    let place = places(file).into_iter().find(|place| place.table == table && place.column == column);
    harm(file, &place.unwrap().of_row(row), kind)
}

fn definition_rows(file: &Path) -> Vec<(String, u32, Vec<u8>)> {
    let conn = Connection::open(file).unwrap();
    let mut select = conn.prepare("SELECT id, version, json FROM definition ORDER BY id, version").unwrap();
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_damaged_definition_is_fetched_again_and_everything_else_goes_on() {
    let mut seed = Seed::or(303_004);
    let (mut world, device) = device_world();
    let whole = world.closed(device, definition_rows);
    let ids = ["led.front_desk", "tpl.park_patrol", "rs.patrol", "rules.core", "cat.front_desk"];
    let known: Vec<&str> = ids.into_iter().filter(|id| whole.iter().any(|(held, ..)| held == id)).collect();
    let organisation = xunyuan_core::definition::sample_organisation().reference.id.clone();
    for (turn, id) in known.into_iter().chain([organisation.as_str()]).enumerate() {
        for column in ["json", "hash", "id", "version"] {
            let kind = *seed.pick(&HARMS);
            let condition = format!("id = '{id}'");
            let hit = world.closed(device, |file| harm_where(file, "definition", column, &condition, kind));
            if !hit {
                continue;
            }
            let what = format!("{id}.{column} {kind:?}");
            // Without signal: the rest works, what needs it says that it is not here.
            assert!(!world.replica(device).list(&Filter::default()).unwrap().is_empty(), "{what}");
            if id == "tpl.park_patrol" {
                let entry = world.take_call(device, &format!("损坏期间的登记 {turn}"));
                world.replica(device).entry(entry).unwrap();
            }
            world.settle();
            assert_eq!(world.closed(device, definition_rows), whole, "{what}");
            check_settled(&mut world);
        }
    }
}

/// A device with unsent work on two records: three changes each, the middle one of the first record damaged.
fn unsent() -> (World, usize, DocumentId, DocumentId) {
    let mut world = World::new(Seed::or(303_005));
    let device = world.enroll("u.fd01");
    let (one, two) = (world.take_call(device, "卫生间渗水"), world.take_call(device, "咨询物业费"));
    world.settle();
    for (record, name) in [(one, "一"), (two, "二")] {
        for (field, value) in [("urgency", "urgent"), ("handler", "u.eng01"), ("caller_name", name)] {
            world.act(device, |r, moment| r.edit_entry(record, fields(&[(field, value)]), moment));
        }
    }
    (world, device, one, two)
}

/// Condition of the change that comes `at`-th in the outbox.
fn nth(at: u32) -> String {
    format!("ordinal = (SELECT ordinal FROM outbox ORDER BY ordinal LIMIT 1 OFFSET {at})")
}

#[test]
fn unsent_work_with_a_damaged_column_is_put_right_from_its_chunk() {
    let columns = ["document", "scope", "actor", "seq", "hash", "written_at_ms", "follows", "logged_seq"];
    let more = ["forked", "refusal_code"];
    for (turn, column) in columns.into_iter().chain(more).enumerate() {
        let kind = HARMS[turn % HARMS.len()];
        for kind in [kind, Harm::Type, Harm::Bit] {
            let (mut world, device, one, two) = unsent();
            let hit = world.closed(device, |file| harm_where(file, "outbox", column, &nth(1), kind));
            if !hit {
                continue;
            }
            let what = format!("{column} {kind:?}");
            world.settle();
            assert_eq!(world.replica(device).drafts().unwrap(), [], "{what}");
            for (record, name) in [(one, "一"), (two, "二")] {
                let model = world.replica(device).model(record).unwrap();
                let said =
                    ["urgency", "handler", "caller_name"].map(|field| model.text(&format!("field/{field}")));
                assert_eq!(said, [Some("urgent"), Some("u.eng01"), Some(name)], "{what}");
            }
            check_settled(&mut world);
        }
    }
}

#[test]
fn unsent_work_with_a_damaged_chunk_is_shown_to_its_author_and_other_work_goes_on() {
    for kind in HARMS {
        let (mut world, device, one, two) = unsent();
        world.act(device, |r, moment| r.edit_entry(one, fields(&[("content", "卫生间渗水严重")]), moment));
        let condition = format!("document = x'{}' ORDER BY ordinal DESC", hex(one.as_bytes()));
        let hit = world.closed(device, |file| {
            // The handler of the first record: what came after it builds on it.
            assert!(harm_where(file, "outbox", "bytes", &condition, Harm::Bit));
            harm_where(file, "outbox", "bytes", &nth(1), kind)
        });
        if !hit {
            continue;
        }
        let standing = status(&mut world, device);
        assert_eq!((standing.damaged_changes, standing.refused_changes), (2, 1), "{kind:?}");
        world.settle();
        assert_eq!(status(&mut world, device).pending_changes, 0);
        let model = world.replica(device).model(two).unwrap();
        assert_eq!(model.text("field/caller_name"), Some("二"), "the other record has all of it");
        let model = world.replica(device).model(one).unwrap();
        assert_eq!((model.text("field/urgency"), model.text("field/handler")), (Some("urgent"), None));

        let drafts = world.replica(device).drafts().unwrap();
        let codes: Vec<&str> = drafts.iter().map(|draft| draft.refusal.code.as_str()).collect();
        assert_eq!(codes, ["damaged", "builds_on_damaged", "damaged"], "{kind:?}");
        assert!(drafts.iter().all(|draft| draft.document == one));
        let text = world.replica(device).draft_view(drafts[2].id).unwrap();
        assert!(text.words.iter().any(|words| words.contains("严重")), "{:?}", text.words);
        assert!(!text.is_readable && text.steps.is_empty());
        let file = String::from_utf8(world.replica(device).export_draft(drafts[2].id).unwrap()).unwrap();
        assert!(file.contains("\"bytes\"") && file.contains("严重"), "{file}");
        let refused = world.attempt(device, |r, moment| r.apply_draft(drafts[2].id, moment));
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
        // What built on it can be written again; what is damaged is given up by its author alone.
        world.act(device, |r, moment| r.apply_draft(drafts[1].id, moment));
        world.act(device, |r, moment| r.discard_draft(drafts[0].id, moment));
        world.act(device, |r, moment| r.discard_draft(drafts[2].id, moment));
        assert_eq!(world.replica(device).discarded().unwrap().len(), 2);
        world.settle();
        let model = world.replica(device).model(one).unwrap();
        assert_eq!(model.text("field/caller_name"), Some("一"));
        assert_eq!(world.replica(device).drafts().unwrap(), []);
        check_settled(&mut world);
    }
}

#[test]
fn damaged_work_that_the_branch_already_has_comes_back() {
    let (mut world, device, one, _) = unsent();
    // The reply that said so was lost.
    world.replica(device).wake_now();
    let body = world.request(device).unwrap();
    world.deliver(device, &body).unwrap();
    assert!(world.closed(device, |file| harm_where(file, "outbox", "bytes", &nth(1), Harm::Cut)));
    assert_eq!(status(&mut world, device).damaged_changes, 1);
    world.settle();
    let model = world.replica(device).model(one).unwrap();
    assert_eq!([model.text("field/handler"), model.text("field/caller_name")], [Some("u.eng01"), Some("一")]);
    assert_eq!(world.replica(device).drafts().unwrap(), []);
    check_settled(&mut world);
}

#[test]
fn the_terminal_names_what_a_damage_took() {
    let (mut world, device, ..) = unsent();
    assert!(world.closed(device, |file| harm_where(file, "outbox", "bytes", &nth(2), Harm::Bit)));
    world.closed(device, |replica| {
        let standing = xunyuan(replica, &["status"]).good();
        assert_eq!(standing.json["damaged_changes"], 1);
        let drafts = xunyuan(replica, &["drafts"]).good().json;
        let draft = drafts["drafts"][0]["draft"].as_str().unwrap();
        assert_eq!(drafts["drafts"][0]["code"], "damaged");
        let shown = xunyuan(replica, &["drafts", "show", draft]).good().json;
        assert_eq!(shown["readable"], false);
        assert!(shown["words"].is_array());
    });
}
