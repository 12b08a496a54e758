//! Data files damaged in place: every value of every column of a device's and a branch's file in turn,
//! pages, cut files. A clear error or right work, no panic, and other records go on.

use std::collections::BTreeMap;
use std::fs;

use tempfile::TempDir;
use xunyuan_core::limits::REQUEST_BYTES_MAX;
use xunyuan_core::replica::Replica;
use xunyuan_core::wire::frame;
use xunyuan_core::wire::message::Reply;
use xunyuan_tests::hostile::quiet::{quietly, words};
use xunyuan_tests::hostile::stores::{
    HARMS, Steps, device_file, device_world, harm, is_clear, moment_of_work, places, work_on,
};
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
fn exchange(world: &World, replica: &mut Replica) -> Result<(), xunyuan_core::error::Error> {
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
