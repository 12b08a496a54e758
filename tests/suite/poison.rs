//! Poison: changes over which Automerge panics, or which break the document they are applied to. Whoever
//! sends one harms nobody else, and where one got into a signed log its record alone stands still.

use sha2::{Digest as _, Sha256};
use xunyuan_core::document::model::Edit;
use xunyuan_core::id::{ActorId, ChangeHash, DocumentId};
use xunyuan_core::wire::message::{PushedRun, Run, Verdict};
use xunyuan_core::wire::run;
use xunyuan_server::hub::RefusedRun;
use xunyuan_tests::forge::{Forger, push};
use xunyuan_tests::hostile::chunk::Chunk;
use xunyuan_tests::hostile::door::{Smuggled, smuggle};
use xunyuan_tests::hostile::judge::{Breakage, Past};
use xunyuan_tests::hostile::mutate::{DAMAGES, damaged};
use xunyuan_tests::hostile::quiet::quietly;
use xunyuan_tests::laws::{check_settled, chunks};
use xunyuan_tests::people::{fields, text};
use xunyuan_tests::seed::Seed;
use xunyuan_tests::world::World;

const BREAKAGES: [Breakage; 3] = [Breakage::Panics, Breakage::PanicsLater, Breakage::Unloadable];

/// A world in which two people at the desk share an entry and each has another one.
fn desk(seed: u64) -> (World, [usize; 2], [DocumentId; 3]) {
    let mut world = World::new(Seed::or(seed));
    let devices = [world.enroll("u.fd01"), world.enroll("u.fd02")];
    let shared = world.take_call(devices[0], "卫生间滴水");
    world.settle();
    world.act(devices[1], |r, m| r.edit_entry(shared, fields(&[("content", "卫生间滴水,很急")]), m));
    let others = devices.map(|device| world.take_call(device, "咨询物业费"));
    world.settle();
    (world, devices, [shared, others[0], others[1]])
}

/// The record as a device holds it, and an honest change of another author that comes next.
fn past(world: &mut World, device: usize, record: DocumentId) -> (Past, Forger, Vec<u8>) {
    let exported = world.replica(device).export().unwrap();
    let held = exported.iter().find(|held| held.document == record).unwrap();
    let text_keys = world.replica(device).catalog().text_keys(&held.definition).unwrap();
    let mut past = Past::new(record, &held.definition, &text_keys);
    chunks(held).iter().for_each(|bytes| drop(past.extend(bytes).unwrap()));
    let mut forger = Forger::on(world, device, record);
    let words = Edit::Text { key: "content".to_owned(), to: Some("渗水".to_owned()) };
    let edits = [forger.put("field/urgency", text("urgent")), words];
    forger.write(&edits);
    let run = forger.run(0);
    let honest = run::unpack(&run.run.changes, run.run.actor).unwrap().remove(0);
    (past, forger, honest)
}

/// A run of exactly these bytes, signed by the forger's device.
fn signed(forger: &Forger, record: DocumentId, bytes: &[u8]) -> Option<PushedRun> {
    let actor = ActorId(Chunk::read(bytes).actor.try_into().ok()?);
    let changes = run::pack(&[bytes]).ok()?;
    let last_hash = ChangeHash(Sha256::digest(&bytes[8..]).into());
    let signing = run::signing_bytes(&forger.scope, &record, &actor, &forger.user, &last_hash);
    let signature = forger.key.sign(&signing);
    let run = Run { definition: 0, actor, changes, last_hash, signature };
    Some(PushedRun { scope: forger.scope.clone(), document: record, run, author: None })
}

#[test]
fn poison_that_is_pushed_is_refused_kept_and_nobody_elses_business() {
    let (mut world, [a, b], [shared, ..]) = desk(304_001);
    let (past, forger, honest) = past(&mut world, a, shared);
    let mut seed = Seed::of(world.seed.number());
    let mut poison: Vec<Vec<u8>> =
        BREAKAGES.iter().map(|&breakage| past.poison(&mut seed, &honest, breakage)).collect();
    while poison.len() < 60 {
        let damage = *seed.pick(&DAMAGES);
        poison.push(damaged(&mut seed, damage, &honest, &honest));
    }
    let mut refused = 0;
    for (number, bytes) in poison.iter().enumerate() {
        let Ok(Some(bad)) = quietly(|| signed(&forger, shared, bytes)) else { continue };
        let good = |world: &mut World| {
            let mut good = Forger::on(world, a, shared);
            let edit = good.put("field/handler", text("u.eng01"));
            good.write(&[edit]);
            good.run(0)
        };
        let runs = vec![good(&mut world), bad.clone(), good(&mut world)];
        let reply = push(&mut world, a, &forger.definition, runs);
        let is_accepted = |place: usize| matches!(reply.verdicts[place], Verdict::Accepted { .. });
        assert!(is_accepted(0) && is_accepted(2), "poison {number} stands in the way of good work");
        if is_accepted(1) {
            assert!(number >= BREAKAGES.len(), "poison {number} was taken in");
            continue;
        }
        refused += 1;
        let kept = world.hub.refusals(1_000).unwrap();
        let is_it = |kept: &RefusedRun| kept.last_hash == bad.run.last_hash && kept.bytes == bad.run.changes;
        assert!(kept.iter().any(is_it), "poison {number} is kept as evidence");
    }
    assert!(refused >= 30, "{refused}");
    world.record(b, shared, "assign", &[("owner_dept", "dept.eng")]);
    world.settle();
    check_settled(&mut world);
    assert_eq!(world.hub.verify(|_| ()).unwrap().first_bad, None);
}

/// Changes that break the shared record: three over which Automerge breaks, one that it cannot even read.
fn poisons(world: &mut World, device: usize, record: DocumentId) -> Vec<Smuggled> {
    let (past, forger, honest) = past(world, device, record);
    let mut seed = Seed::of(world.seed.number());
    let mut bytes: Vec<Vec<u8>> =
        BREAKAGES.iter().map(|&breakage| past.poison(&mut seed, &honest, breakage)).collect();
    let mut unreadable = Chunk::read(&honest);
    unreadable.columns.iter_mut().for_each(|(_, content)| content.insert(0, 0x7e));
    bytes.push(unreadable.bytes());
    let scope = forger.scope;
    bytes.into_iter().map(|bytes| Smuggled { scope: scope.clone(), document: record, bytes }).collect()
}

#[test]
fn poison_in_the_log_of_the_branch_stops_one_record_and_nothing_else() {
    for which in 0..4 {
        let (mut world, [a, _], [shared, own, _]) = desk(304_002);
        let poison = poisons(&mut world, a, shared).remove(which);
        smuggle(&mut world, &[poison]);
        let runs = [shared, own].map(|record| {
            let mut forger = Forger::on(&mut world, a, record);
            let edit = forger.put("field/handler", text("u.eng01"));
            forger.write(&[edit]);
            forger
        });
        let definition = runs[0].definition.clone();
        let reply = push(&mut world, a, &definition, runs.iter().map(|forger| forger.run(0)).collect());
        assert!(matches!(reply.verdicts[1], Verdict::Accepted { .. }), "poison {which}: {reply:?}");
        if let Verdict::Rejected { refusal, .. } = &reply.verdicts[0] {
            assert_eq!(refusal.code, "record_unreadable", "poison {which}");
            let kept = world.hub.refusals(1).unwrap().remove(0);
            assert_eq!((kept.document, kept.bytes), (shared, runs[0].run(0).run.changes), "poison {which}");
        } else {
            // What may yet be mended waits.
            let waits = matches!(reply.verdicts[0], Verdict::Parked { .. });
            assert!(waits || which > 0, "a change that panics was applied: {reply:?}");
        }
        let report = world.hub.verify(|_| ()).unwrap();
        assert!(report.first_bad.is_some() || which > 0, "poison {which}: verify names the row");
        let published = xunyuan_tests::revisions::patrol_version_2();
        world.publish(&[published]);
        assert!(world.hub.stats().unwrap().records > 0, "the branch serves on after {which}");
    }
}
