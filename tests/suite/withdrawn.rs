//! Roles that change: what a person may no longer hold leaves the device, work that was never taken in
//! stays, and what is granted comes back whole.

use std::fs;
use std::path::Path;

use serde_json::Value as Json;
use xunyuan_core::definition::sample_organisation;
use xunyuan_core::document::model::Value;
use xunyuan_core::error::ErrorKind;
use xunyuan_core::id::{DocumentId, ScopeId};
use xunyuan_core::projection::Filter;
use xunyuan_core::replica::{DraftContent, Failure};
use xunyuan_tests::fuse;
use xunyuan_tests::laws::{Saved, check_always, check_settled, status};
use xunyuan_tests::people::{PROJECT, fields};
use xunyuan_tests::process::xunyuan;
use xunyuan_tests::seed::Seed;
use xunyuan_tests::world::World;

const RESULT: &str = "已更换读卡器并试刷三次";
const SECRET: &str = "业主反映门禁失灵,电话已核";

/// The branch publishes its organisation again, changed.
fn reorganise(world: &mut World, version: u32, change: impl FnOnce(&mut Json)) {
    let mut json: Json = serde_json::from_slice(&sample_organisation().json).unwrap();
    json["version"] = version.into();
    change(&mut json);
    world.pass(1_000);
    world.hub.load_organisation(&serde_json::to_vec(&json).unwrap(), world.now_ms).unwrap();
    world.note_grants();
}

fn person<'j>(json: &'j mut Json, user: &str) -> &'j mut Json {
    json["users"].as_array_mut().unwrap().iter_mut().find(|person| person["id"] == user).unwrap()
}

fn role(world: &mut World, version: u32, user: &str, role: &str) {
    reorganise(world, version, |json| person(json, user)["role"] = role.into());
}

fn desk() -> ScopeId {
    ScopeId::of(PROJECT, "desk")
}

/// True when the file of a store, or its write-ahead log, has this text in it.
fn mentions(path: &Path, text: &str) -> bool {
    let wal = path.with_file_name(format!("{}-wal", path.file_name().unwrap().to_str().unwrap()));
    [path.to_owned(), wal]
        .iter()
        .filter_map(|file| fs::read(file).ok())
        .any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
}

/// A member of staff handles a call without signal while the role is narrowed; the call and another
/// record of the desk are on the device.
struct Narrowed {
    world: World,
    front: usize,
    staff: usize,
    entry: DocumentId,
    saved: Saved,
}

fn narrowed(seed: u64) -> Narrowed {
    let mut world = World::new(Seed::or(seed));
    role(&mut world, 2, "u.eng01", "role.cs_staff");
    let (front, staff) = (world.enroll("u.fd01"), world.enroll("u.eng01"));
    let entry = world.take_call(front, SECRET);
    let other = world.take_call(front, "咨询装修押金");
    world.record(front, entry, "assign", &[("owner_dept", "dept.eng")]);
    world.record(front, other, "assign", &[("owner_dept", "dept.eng")]);
    world.settle();
    world.record(staff, entry, "accept", &[]);
    world.record(staff, entry, "handle", &[("result", RESULT)]);
    let mut saved = Saved::default();
    saved.check(&mut world);
    role(&mut world, 3, "u.eng01", "role.patrol");
    Narrowed { world, front, staff, entry, saved }
}

#[test]
fn a_narrowed_role_takes_its_records_along_and_leaves_unsent_work_as_drafts() {
    let Narrowed { mut world, front, staff, entry, mut saved } = narrowed(401);
    world.closed(staff, |path| assert!(mentions(path, SECRET)));
    let progress = world.sync(staff);
    assert_eq!(progress.iter().flat_map(|step| &step.left).collect::<Vec<_>>(), [&desk()]);
    saved.check(&mut world);
    check_always(&mut world);

    // Nothing of the scope is here any more: no list, no search, no bytes.
    let here = status(&mut world, staff);
    assert!(here.scopes.iter().any(|row| row.scope == desk() && !row.granted && row.cursor == 0));
    assert_eq!((here.pending_changes, here.refused_changes), (0, 2));
    let replica = world.replica(staff);
    let listed = replica.list(&Filter { scope: Some(desk()), ..Filter::default() }).unwrap();
    assert_eq!(listed, []);
    assert_eq!(replica.search("装修押金", 5).unwrap(), []);
    assert!(replica.export().unwrap().iter().all(|record| record.scope != desk()));
    world.closed(staff, |path| assert!(!mentions(path, SECRET), "deleted, and overwritten in the file"));

    // What was never taken in is all here, and the branch has it as evidence.
    let draft = world.replica(staff).drafts().unwrap().remove(0);
    assert_eq!((draft.document, draft.changes, draft.refusal.code.as_str()), (entry, 2, "scope_not_granted"));
    let view = world.replica(staff).draft_view(draft.id).unwrap();
    assert!(view.is_readable);
    let result = DraftContent::Text { field: "result".to_owned(), text: RESULT.to_owned() };
    assert!(view.steps.iter().any(|step| step.content == result), "{:?}", view.steps);
    let file = String::from_utf8(world.replica(staff).export_draft(draft.id).unwrap()).unwrap();
    assert!(file.contains(RESULT));
    let early = world.attempt(staff, |replica, moment| replica.apply_draft(draft.id, moment));
    assert_eq!(early.unwrap_err().code(), "scope_not_granted");
    let mut evidence = Vec::new();
    world
        .hub
        .export_refusals(|line| {
            evidence.push(serde_json::from_str::<Json>(line).unwrap());
            Ok(())
        })
        .unwrap();
    assert_eq!(evidence.len(), 1);
    assert_eq!((&evidence[0]["signature_good"], &evidence[0]["user"]), (&true.into(), &"u.eng01".into()));
    let says = evidence[0]["says"].as_array().unwrap();
    assert!(says.iter().any(|said| said["value"] == RESULT), "{says:?}");

    // Granted again, everything comes back, and the draft goes onto the record as it is then.
    world.act(front, |replica, moment| replica.edit_entry(entry, fields(&[("urgency", "urgent")]), moment));
    role(&mut world, 4, "u.eng01", "role.cs_staff");
    world.settle();
    assert_eq!(world.replica(staff).search("装修押金", 5).unwrap().len(), 1);
    assert_eq!(world.entry(staff, entry), world.entry(front, entry));
    assert_eq!(world.replica(staff).drafts().unwrap(), std::slice::from_ref(&draft));
    world.act(staff, |replica, moment| replica.apply_draft(draft.id, moment));
    world.settle();
    check_settled(&mut world);
    for device in [front, staff] {
        let merged = world.replica(device).model(entry).unwrap();
        assert_eq!(merged.texts["result"], RESULT);
        assert_eq!(merged.text("field/urgency"), Some("urgent"));
        assert_eq!(merged.events.len(), 4);
        assert!(world.replica(device).drafts().unwrap().is_empty());
    }
}

#[test]
fn removal_is_whole_or_not_at_all_wherever_the_process_dies() {
    let Narrowed { mut world, staff, entry, .. } = narrowed(402);
    let before = world.dir().join("before.xunyuan");
    world.closed(staff, |path| fs::copy(path, &before).unwrap());
    let mut writes = 0;
    let mut deaths = 0;
    loop {
        world.closed(staff, |path| {
            fs::copy(&before, path).unwrap();
            fuse::arm(path, writes);
        });
        let died = exchange_until_death(&mut world, staff);
        world.closed(staff, fuse::disarm);
        check_always(&mut world);
        let refused = world.replica(staff).refused().unwrap().len();
        let pending = status(&mut world, staff).pending_changes;
        assert_eq!(refused + pending as usize, 2, "the work is there once, cut after {writes} writes");
        world.sync(staff);
        check_always(&mut world);
        let drafts = world.replica(staff).drafts().unwrap();
        assert_eq!(
            drafts.iter().map(|draft| (draft.document, draft.changes)).collect::<Vec<_>>(),
            [(entry, 2)]
        );
        assert!(world.replica(staff).draft_view(drafts[0].id).unwrap().is_readable);
        assert!(world.replica(staff).export().unwrap().iter().all(|record| record.scope != desk()));
        if !died {
            break;
        }
        deaths += 1;
        // Every early cut, then wider apart: removing search and history takes many alike writes.
        writes += 1 + writes / 12;
    }
    assert!(deaths > 20, "the fuse has blown {deaths} times");
}

/// Exchanges until the store takes no more; false when it took everything.
fn exchange_until_death(world: &mut World, device: usize) -> bool {
    world.replica(device).wake_now();
    while let Some(body) = world.request(device) {
        let reply = world.deliver(device, &body).unwrap();
        let moment = world.moment(device);
        match world.replica(device).handle_reply(&reply, &moment) {
            Ok(progress) if progress.more => {}
            Ok(_) => return false,
            Err(error) => {
                assert_ne!(error.kind(), ErrorKind::Protocol, "{error}");
                return true;
            }
        }
    }
    false
}

#[test]
fn work_that_was_taken_in_before_the_role_was_narrowed_is_no_refused_attempt() {
    let mut world = World::new(Seed::or(403));
    role(&mut world, 2, "u.eng01", "role.cs_staff");
    let (front, staff) = (world.enroll("u.fd01"), world.enroll("u.eng01"));
    let entry = world.take_call(front, SECRET);
    world.record(front, entry, "assign", &[("owner_dept", "dept.eng")]);
    world.settle();
    world.record(staff, entry, "accept", &[]);
    // The branch takes it, the reply is lost; more is written, and the role is narrowed.
    let body = world.request(staff).unwrap();
    world.deliver(staff, &body).unwrap();
    let moment = world.moment(staff);
    world.replica(staff).handle_failure(&Failure::Unreachable, &moment);
    world.record(staff, entry, "handle", &[("result", RESULT)]);
    role(&mut world, 3, "u.eng01", "role.patrol");
    world.settle();
    check_settled(&mut world);
    let drafts = world.replica(staff).drafts().unwrap();
    assert_eq!(
        drafts.iter().map(|draft| draft.changes).collect::<Vec<_>>(),
        [1],
        "only what was never taken"
    );
    assert_eq!(world.entry(front, entry).state, "in_progress");
}

#[test]
fn a_project_that_is_dropped_leaves_and_the_others_stay() {
    let mut world = World::new(Seed::or(404));
    let (manager, front) = (world.enroll("u.pm01"), world.enroll("u.fd01"));
    let boss = world.enroll("u.bcm01");
    let entry = world.take_call(front, SECRET);
    world.settle();
    assert_eq!(world.replica(boss).record(entry).unwrap().document, entry);
    let before = status(&mut world, boss).scopes.iter().filter(|row| row.granted).count();
    world.act(front, |replica, moment| replica.edit_entry(entry, fields(&[("urgency", "urgent")]), moment));
    reorganise(&mut world, 2, |json| {
        for key in ["projects", "users", "units", "checkpoints", "schedules"] {
            let all = json[key].as_array_mut().unwrap();
            all.retain(|one| one["id"] != PROJECT && one["project"] != PROJECT);
        }
    });
    world.settle();
    for device in [manager, front, boss] {
        assert!(world.replica(device).export().unwrap().iter().all(|record| record.scope.unit() != PROJECT));
    }
    let after = status(&mut world, boss);
    assert!(after.scopes.iter().filter(|row| row.granted).count() < before);
    assert!(after.scopes.iter().all(|row| row.granted || row.cursor == 0));

    // Who is no longer in the organisation keeps no list of its people, but can read the own draft.
    assert!(world.replica(front).catalog().organisation().is_none());
    let draft = world.replica(front).drafts().unwrap().remove(0);
    let view = world.replica(front).draft_view(draft.id).unwrap();
    assert!(view.is_readable);
    let urgent = Value::Text("urgent".to_owned());
    assert!(
        view.steps
            .iter()
            .any(|step| matches!(&step.content, DraftContent::Value { value, .. } if *value == urgent))
    );
    world.closed(front, |path| assert!(!mentions(path, "项目经理庚")));
    world.restart(front);
    world.sync(front);

    // The project comes back, and with it everything.
    reorganise(&mut world, 3, |_| ());
    world.settle();
    world.act(front, |replica, moment| replica.apply_draft(draft.id, moment));
    world.settle();
    check_settled(&mut world);
    assert_eq!(world.replica(boss).model(entry).unwrap().text("field/urgency"), Some("urgent"));
}

#[test]
fn what_a_restored_branch_lost_comes_from_those_who_may_hold_it() {
    let mut world = World::new(Seed::or(405));
    role(&mut world, 2, "u.eng01", "role.cs_staff");
    let (front, staff) = (world.enroll("u.fd01"), world.enroll("u.eng01"));
    let entry = world.take_call(front, SECRET);
    world.record(front, entry, "assign", &[("owner_dept", "dept.eng")]);
    world.settle();
    let backup = world.dir().join("noon.sqlite3");
    world.hub.backup(&backup, |_| {}).unwrap();
    world.record(staff, entry, "accept", &[]);
    let sheet =
        world.act(staff, |replica, moment| replica.start_inspection("tpl.park_patrol", PROJECT, moment));
    world.sync(staff);
    // The desk has not heard of it yet when the branch is put back, and then narrows the role.
    world.restore(&backup);
    role(&mut world, 3, "u.eng01", "role.patrol");
    world.sync(staff);
    let given: Vec<DocumentId> = world.hub.refusals(10).unwrap().iter().map(|run| run.document).collect();
    assert_eq!(given, [entry], "own work is offered once more and kept as evidence");
    assert_eq!(world.replica(staff).drafts().unwrap()[0].document, entry);
    world.settle();
    check_settled(&mut world);
    assert!(world.replica(staff).export().unwrap().iter().any(|record| record.document == sheet));
    assert_eq!(world.entry(front, entry).state, "assigned");
}

#[test]
fn a_grant_that_a_restored_branch_has_forgotten_takes_nothing_away() {
    let mut world = World::new(Seed::or(406));
    let backup = world.dir().join("morning.sqlite3");
    let (front, staff) = (world.enroll("u.fd01"), world.enroll("u.pt02"));
    world.settle();
    world.hub.backup(&backup, |_| {}).unwrap();
    role(&mut world, 2, "u.pt02", "role.cs_staff");
    let entry = world.take_call(front, SECRET);
    world.settle();
    assert_eq!(world.replica(staff).record(entry).unwrap().document, entry);
    world.restore(&backup);
    world.sync(staff);
    assert!(status(&mut world, staff).scopes.iter().any(|row| row.scope == desk() && !row.granted));
    assert_eq!(world.replica(staff).record(entry).unwrap().document, entry, "perhaps nobody else has it");
    // The branch learns of its organisation again; the one device that is left gives everything back.
    role(&mut world, 2, "u.pt02", "role.cs_staff");
    world.sync(staff);
    let fresh = world.enroll("u.fd02");
    assert_eq!(world.entry(fresh, entry), world.entry(staff, entry));
    world.settle();
    check_settled(&mut world);
}

#[test]
fn the_terminal_shows_drafts_of_records_that_have_left() {
    let Narrowed { mut world, staff, .. } = narrowed(407);
    world.sync(staff);
    let draft = world.replica(staff).drafts().unwrap().remove(0);
    let copy = world.dir().join("draft.json");
    world.closed(staff, |replica| {
        let standing = xunyuan(replica, &["status"]).good().json;
        assert_eq!((&standing["refused_changes"], &standing["pending_changes"]), (&2.into(), &0.into()));
        let listed = xunyuan(replica, &["drafts"]).good().json;
        assert_eq!(listed["drafts"][0]["code"], "scope_not_granted");
        let name: &str = &draft.id.to_string().chars().take(8).collect::<String>();
        let shown = xunyuan(replica, &["drafts", "show", name]).good().json;
        assert_eq!(shown["readable"], true);
        assert!(shown["steps"].as_array().unwrap().iter().any(|step| step["value"] == RESULT));
        let _ = xunyuan(replica, &["drafts", "export", name, "-o", copy.to_str().unwrap()]).good();
        assert_eq!(xunyuan(replica, &["drafts", "apply", name]).code, Some(1));
    });
    assert!(fs::read_to_string(copy).unwrap().contains(RESULT));
}
