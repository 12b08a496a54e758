//! Inputs that once broke something, and tens of thousands of damaged ones, through the functions that
//! the fuzzers call.

use std::fs;
use std::path::Path;

use xunyuan_core::definition::embedded;
use xunyuan_core::wire::frame;
use xunyuan_core::wire::message::PushedRun;
use xunyuan_tests::forge::{Forger, request};
use xunyuan_tests::hostile::chunk::hex;
use xunyuan_tests::hostile::mutate::anything;
use xunyuan_tests::hostile::quiet::{quietly, words};
use xunyuan_tests::hostile::targets::{TARGETS, changes, definitions, frames, fuzzed, honest_changes, runs};
use xunyuan_tests::people::text;
use xunyuan_tests::seed::Seed;
use xunyuan_tests::world::World;

/// Damages honest inputs again and again and hands them to a target.
fn hammer(seed: &mut Seed, target: fn(&[u8]), honest: &[Vec<u8>], times: usize) {
    for time in 0..times {
        let mut bytes = seed.pick(honest).clone();
        for _ in 0..=seed.below(4) {
            anything(seed, &mut bytes);
        }
        if let Err(payload) = quietly(|| target(&bytes)) {
            panic!("seed {}, input {time}: {}: {}", seed.number(), words(payload.as_ref()), hex(&bytes));
        }
    }
}

/// A run with several changes, as it is pushed.
fn pushed() -> (World, Vec<PushedRun>) {
    let mut world = World::new(Seed::of(302_000));
    let device = world.enroll("u.pt01");
    let sheet = world.start_patrol(device);
    world.settle();
    let mut forger = Forger::on(&mut world, device, sheet);
    for item in ["pp.green.01", "pp.green.03", "pp.clean.01"] {
        let edit = forger.put(&format!("item/{item}"), text("pass"));
        forger.write(&[edit]);
    }
    let runs = vec![forger.run(0), forger.run(1)];
    (world, runs)
}

#[test]
fn inputs_that_once_broke_something_break_nothing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/crashes");
    let mut played = 0;
    for (name, target) in TARGETS {
        let folder = root.join(name);
        let mut inputs: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        inputs.sort();
        assert!(!inputs.is_empty(), "{name} has an input to play");
        for input in inputs {
            fuzzed(target, &fs::read(&input).unwrap());
            played += 1;
        }
    }
    let folders = fs::read_dir(&root).unwrap().count();
    assert!(folders == TARGETS.len() && played >= folders, "every folder belongs to a target");
}

#[test]
fn damaged_frames_are_read_or_refused() {
    let mut seed = Seed::or(302_001);
    let (mut world, runs) = pushed();
    let definition = Forger::on(&mut world, 0, runs[0].document).definition;
    let request = request(vec![definition], runs);
    let plain = minicbor::to_vec(&request).unwrap();
    let body = frame::encode(&request);
    let reply = world.deliver(0, &body).unwrap();
    let unpacked = zstd::stream::decode_all(reply.as_slice()).unwrap();
    hammer(&mut seed, frames, &[body, plain, reply, unpacked], 30_000);
}

#[test]
fn damaged_runs_are_unpacked_or_refused() {
    let mut seed = Seed::or(302_002);
    let (_, pushed) = pushed();
    let honest: Vec<Vec<u8>> =
        pushed.iter().map(|run| [run.run.actor.as_bytes(), &run.run.changes].concat()).collect();
    hammer(&mut seed, runs, &honest, 40_000);
    hammer(&mut seed, changes, &honest_changes(), 10_000);
}

#[test]
fn damaged_definitions_are_read_or_refused() {
    let mut seed = Seed::or(302_003);
    let mut honest: Vec<Vec<u8>> = embedded().iter().map(|definition| definition.json.clone()).collect();
    // The smaller ones are read through in a moment and hold every kind of expression.
    honest.sort_by_key(Vec::len);
    honest.truncate(honest.len() * 2 / 3);
    hammer(&mut seed, definitions, &honest, 1_500);
    let guards = ["not (status = closed and level in [a,b]) or owner not in team", "a >= 3 and (b or not c)"];
    hammer(&mut seed, definitions, &guards.map(|guard| guard.as_bytes().to_vec()), 40_000);
    let words = ["\"version\":1", "\"id\":", "null", "true", "1e999", "[]", "{}", "\"\"", ":", ",", "-1"];
    for _ in 0..3_500 {
        let json = String::from_utf8(seed.pick(&honest).clone()).unwrap();
        let tokens: Vec<&str> = json.split_inclusive([',', ':', '{', '[']).collect();
        let mut tokens: Vec<String> = tokens.into_iter().map(str::to_owned).collect();
        let at = seed.below(tokens.len());
        let from = seed.below(tokens.len());
        match seed.below(4) {
            0 => tokens[at] = tokens[from].clone(),
            1 => drop(tokens.remove(at)),
            2 => tokens.swap(at, from),
            _ => tokens[at] = format!("{},", seed.pick(&words)),
        }
        let changed = tokens.concat();
        if let Err(payload) = quietly(|| definitions(changed.as_bytes())) {
            panic!("seed {}: {}: {changed}", seed.number(), words_of(payload));
        }
    }
}

fn words_of(payload: Box<dyn std::any::Any + Send>) -> String {
    words(payload.as_ref())
}
