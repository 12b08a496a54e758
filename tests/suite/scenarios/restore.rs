//! sc.21: the branch is put back to an older backup, and the phones give the rest back.

use std::collections::BTreeSet;

use xunyuan_core::id::{DocumentId, ScopeId};
use xunyuan_core::wire::frame;
use xunyuan_core::wire::key::Key;
use xunyuan_core::wire::message::{Health, PROTOCOL, Request};
use xunyuan_core::wire::repair::{Proof, Repair};
use xunyuan_tests::damage::at_branch;
use xunyuan_tests::laws::{check_settled, status};
use xunyuan_tests::seed::Seed;
use xunyuan_tests::world::World;

fn number(world: &mut World, device: usize, entry: DocumentId) -> String {
    world.replica(device).record(entry).unwrap().number.unwrap()
}

#[test]
fn sc_21() {
    let mut world = World::new(Seed::or(21));
    let (a, b, c) = (world.enroll("u.fd01"), world.enroll("u.fd02"), world.enroll("u.csl01"));
    let kept = world.take_call(a, "备份之前登记");
    world.settle();
    let backup = world.dir().join("yesterday.sqlite3");
    world.hub.backup(&backup, |_| {}).unwrap();

    // The day that will be lost: entries of two desks, a step on an older one, all with numbers.
    let lost = [world.take_call(a, "丢失的一天,甲"), world.take_call(b, "丢失的一天,乙")];
    world.record(a, kept, "assign", &[]);
    world.settle();
    let given: Vec<String> = lost.iter().map(|entry| number(&mut world, b, *entry)).collect();
    let waiting = world.take_call(a, "断网时登记,还没上传");

    world.restore(&backup);
    assert_eq!(world.hub.verify(|_| {}).unwrap().first_bad, None);
    // Before anybody gives anything back, a new device gets a number that was given already.
    let d = world.enroll("u.fd01");
    let newer = world.take_call(d, "恢复之后登记");
    world.sync(d);
    assert_eq!(number(&mut world, d, newer), given[0]);

    // A stays away: the others hold its signed work and give it back for it.
    let before = (world.devices[b].bytes, world.devices[b].exchanges);
    world.sync(b);
    world.sync(c);
    world.sync(d);
    for entry in [kept, lost[0], lost[1]] {
        assert_eq!(world.entry(d, entry), world.entry(b, entry), "what A wrote is back without A");
    }
    assert!(world.devices[b].exchanges - before.1 <= 6, "going back costs a few exchanges");
    let sent = world.devices[b].bytes.0 - before.0.0;
    assert!(sent < 10_000, "giving back costs what was lost, not what exists: {sent} B");

    // A comes back with its own work; everybody agrees, and no number is there twice.
    world.settle();
    check_settled(&mut world);
    for device in [a, b, c, d] {
        assert_eq!(status(&mut world, device).to_give_back, 0);
    }
    for (entry, known) in lost.iter().zip(&given) {
        assert_eq!(number(&mut world, a, *entry), *known, "numbers that were given stay");
    }
    let all = [kept, lost[0], lost[1], waiting, newer];
    let numbers: BTreeSet<String> = all.iter().map(|entry| number(&mut world, a, *entry)).collect();
    assert_eq!(numbers.len(), all.len(), "no number twice: {numbers:?}");
    let was = world.replica(c).search(&given[0], 10).unwrap();
    assert!(was.iter().any(|row| row.document == lost[0]));
    assert!(world.entry(a, newer).events.iter().any(|event| event.event.data.contains_key("was")));
    assert_eq!(world.hub.verify(|_| {}).unwrap().first_bad, None);
}

#[test]
fn numbers_go_on_after_those_that_were_given_back() {
    let mut world = World::new(Seed::or(2122));
    let a = world.enroll("u.fd01");
    let backup = world.dir().join("numbers.sqlite3");
    world.hub.backup(&backup, |_| {}).unwrap();
    let mut calls: Vec<_> = (0..3).map(|call| world.take_call(a, &format!("丢失的一天{call}"))).collect();
    world.settle();
    world.restore(&backup);
    world.settle();
    calls.extend((0..3).map(|call| world.take_call(a, &format!("恢复之后{call}"))));
    world.settle();
    let numbers: BTreeSet<String> = calls.iter().map(|call| number(&mut world, a, *call)).collect();
    assert_eq!(numbers.len(), calls.len(), "no number twice: {numbers:?}");
    check_settled(&mut world);
}

#[test]
fn a_second_restore_is_as_harmless_as_the_first() {
    let mut world = World::new(Seed::or(2121));
    let (a, b) = (world.enroll("u.pt01"), world.enroll("u.pt02"));
    let backup = world.dir().join("morning.sqlite3");
    world.hub.backup(&backup, |_| {}).unwrap();
    let sheet = world.start_patrol(a);
    world.choose(a, sheet, "pp.green.01", "pass");
    world.settle();
    for item in ["pp.green.03", "pp.clean.01"] {
        world.restore(&backup);
        world.choose(b, sheet, item, "pass");
        world.settle();
        check_settled(&mut world);
        assert_eq!(world.sheet(a, sheet), world.sheet(b, sheet));
    }
    let view = world.sheet(a, sheet);
    let answered: u32 = view.sections.iter().map(|section| section.answered).sum();
    assert_eq!(answered, 3);
}

#[test]
fn a_file_that_was_put_back_in_silence_is_found_out_by_a_signed_head() {
    let mut world = World::new(Seed::or(2122));
    let (a, b) = (world.enroll("u.fd01"), world.enroll("u.fd02"));
    // Away since the morning: the first to come after the file was put back.
    let away = world.enroll("u.fd01");
    let kept = world.take_call(a, "拷贝之前登记");
    world.sync(a);
    let copy = world.dir().join("copy.sqlite3");
    at_branch(&mut world, |file| std::fs::copy(file, &copy).unwrap());
    let epoch = world.hub.epoch();
    let lost = [world.take_call(a, "丢失的一天,甲"), world.take_call(b, "丢失的一天,乙")];
    world.record(a, kept, "assign", &[]);
    world.sync(a);
    world.sync(b);
    world.sync(a);
    let given: Vec<String> = lost.iter().map(|entry| number(&mut world, a, *entry)).collect();
    let counts = world.hub.standings().unwrap();

    at_branch(&mut world, |file| std::fs::copy(&copy, file).unwrap());
    assert_eq!(world.hub.epoch(), epoch, "nothing in the file tells");
    let newer = world.take_call(away, "放回之后登记");
    world.sync(away);
    assert_eq!(world.hub.epoch(), epoch);
    assert_eq!(number(&mut world, away, newer), given[0], "given twice, for the time being");

    world.pass(60_000);
    world.sync(b);
    assert_ne!(world.hub.epoch(), epoch, "a signed head that the file cannot account for");
    world.settle();
    check_settled(&mut world);
    for (entry, known) in lost.iter().zip(&given) {
        assert_eq!(number(&mut world, away, *entry), *known, "numbers that were given stay");
    }
    let numbers: BTreeSet<String> =
        [kept, lost[0], lost[1], newer].iter().map(|entry| number(&mut world, b, *entry)).collect();
    assert_eq!(numbers.len(), 4, "no number twice: {numbers:?}");
    let found = world.replica(b).search(&given[0], 10).unwrap();
    assert!(found.iter().any(|row| row.document == lost[0]));
    assert!(world.entry(b, newer).events.iter().any(|event| event.event.data.contains_key("was")));
    for before in counts {
        let now = world.hub.standings().unwrap();
        let now = now.iter().find(|now| now.scope == before.scope).unwrap();
        assert!(now.count >= before.count, "{}", before.scope);
    }

    // The same copy once more: the epoch that began meanwhile is one that it has never heard of.
    let second = world.hub.epoch();
    at_branch(&mut world, |file| std::fs::copy(&copy, file).unwrap());
    world.pass(60_000);
    let last = world.take_call(a, "第二次放回之后");
    world.settle();
    assert!(![epoch, second].contains(&world.hub.epoch()));
    check_settled(&mut world);
    assert_eq!(world.entry(away, lost[1]), world.entry(a, lost[1]));
    assert_ne!(number(&mut world, b, last), number(&mut world, b, newer));
}

#[test]
fn only_the_servers_own_signature_begins_an_epoch() {
    let mut world = World::new(Seed::or(2123));
    let a = world.enroll("u.fd01");
    world.take_call(a, "一个来电");
    world.sync(a);
    let epoch = world.hub.epoch();
    let scope = ScopeId::new("pj.lanyuan/desk");
    let standing =
        world.hub.standings().unwrap().into_iter().find(|standing| standing.scope == scope).unwrap();
    let signed = |world: &mut World, key: &Key, epoch: u64, seq: u64, scope: &ScopeId| {
        let (chain, sum) = ([7; 32], standing.sum);
        let mut proof = Proof { epoch, seq, chain, count: 1, sum, signature: [0; 64] };
        proof.signature = key.sign(&proof.signing_bytes(scope));
        shown(world, a, scope, proof);
    };
    let stranger = Key::from_seed(&[9; 32]);
    let device = Key::from_seed(&world.replica(a).identity().seed.clone());
    for key in [&stranger, &device] {
        for (epoch, seq) in [(epoch, standing.seq + 9), (epoch, 1), (epoch + 1, 5)] {
            signed(&mut world, key, epoch, seq, &scope);
        }
    }
    assert_eq!(world.hub.epoch(), epoch, "a head that somebody else signed is nothing");
    // The server's own heads of this log, old and new, begin nothing either.
    world.take_call(a, "又一个来电");
    world.sync(a);
    world.sync(a);
    assert_eq!(world.hub.epoch(), epoch);
}

/// Shows the branch a head, as a modified app would.
fn shown(world: &mut World, device: usize, scope: &ScopeId, proof: Proof) {
    let repair = Repair {
        scope: scope.clone(),
        up_to: 0,
        frame: None,
        need: vec![],
        give: vec![],
        proof: Some(proof),
    };
    let request = Request {
        protocol: PROTOCOL,
        app: "test/1".to_owned(),
        schema: 1,
        device_time_ms: world.now_ms,
        max_bytes: 1_000,
        grants_tag: [0; 8],
        scopes: Vec::new(),
        definitions: Vec::new(),
        push: Vec::new(),
        health: Health::default(),
        keep_after_ms: None,
        wanted: Vec::new(),
        repairs: Some(vec![repair]),
    };
    world.deliver(device, &frame::encode(&request)).unwrap();
}
