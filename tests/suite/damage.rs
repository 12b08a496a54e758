//! Data files damaged in place: every value of every column of a device's and a branch's file in turn,
//! pages, cut files. A clear error or right work, no panic, and other records go on.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tempfile::TempDir;
use xunyuan_core::error::Error;
use xunyuan_core::id::UserId;
use xunyuan_core::limits::REQUEST_BYTES_MAX;
use xunyuan_core::replica::Replica;
use xunyuan_core::wire::frame;
use xunyuan_core::wire::message::Reply;
use xunyuan_server::hub::{AuthFailure, ExchangeFailure, Hub, HubOptions};
use xunyuan_tests::forge::{Forger, push};
use xunyuan_tests::hostile::quiet::{quietly, words};
use xunyuan_tests::hostile::stores::{
    HARMS, Steps, device_file, device_world, harm, is_clear, moment_of_work, places, work_on,
};
use xunyuan_tests::people::text;
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
            Ok(steps) => judge(&mut tally, &what, steps),
            Err(payload) => tally.wrong.push(format!("{what}: a panic: {}", words(payload.as_ref()))),
        }
    }
    eprintln!("{tally:#?}");
    assert!(tally.wrong.is_empty(), "{:#?}", tally.wrong);
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
