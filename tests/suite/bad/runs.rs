//! Runs that a modified app pushes: refused one by one with a code, kept as evidence, and never in
//! the way of good work in the same request.

use xunyuan_core::document::model::{Edit, Value};
use xunyuan_core::error::ErrorKind;
use xunyuan_core::id::{ActorId, DocumentId, ScopeId, UserId};
use xunyuan_core::replica::Answer;
use xunyuan_core::wire::message::{Directive, PushedRun, Verdict};
use xunyuan_tests::forge::{Forger, push};
use xunyuan_tests::laws::{check_always, check_settled};
use xunyuan_tests::people::{chosen, fields, text};
use xunyuan_tests::seed::Seed;
use xunyuan_tests::world::World;

/// What happens to packed bytes on their way.
type Alteration = fn(&mut Vec<u8>);

fn code(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Rejected { refusal, .. } => {
            assert!(!refusal.sentence.zh.is_empty() && !refusal.sentence.en.is_empty());
            &refusal.code
        }
        Verdict::Accepted { .. } => "accepted",
        Verdict::Duplicate { .. } => "duplicate",
        Verdict::Parked { .. } => "parked",
    }
}

/// A patrol officer with an open sheet, and another one.
fn patrol() -> (World, usize, usize, DocumentId) {
    let mut world = World::new(Seed::or(426));
    let (a, b) = (world.enroll("u.pt01"), world.enroll("u.pt02"));
    let sheet = world.start_patrol(a);
    world.settle();
    world.choose(b, sheet, "pp.green.01", "pass");
    world.settle();
    (world, a, b, sheet)
}

/// Pushes a bad run between two good ones of other actors, and returns the bad one's code.
fn pushed_among_good(
    world: &mut World,
    device: usize,
    sheet: DocumentId,
    bad: &Forger,
    run: PushedRun,
) -> String {
    let good = |world: &mut World, note: &str| {
        let mut good = Forger::on(world, device, sheet);
        let edit = good.put("note/pp.green.03", text(note));
        good.write(&[edit]);
        good.run(0)
    };
    let runs = vec![good(world, "先"), run, good(world, "后")];
    let reply = push(world, device, &bad.definition, runs);
    let codes: Vec<&str> = reply.verdicts.iter().map(code).collect();
    assert_eq!((codes[0], codes[2]), ("accepted", "accepted"), "one bad run blocks nothing else");
    codes[1].to_owned()
}

#[test]
fn what_a_rule_forbids_on_a_sheet_is_refused_by_the_branch_too() {
    let (mut world, a, _, sheet) = patrol();
    let long = "长".repeat(10_001);
    let cases: Vec<(&str, &str, Value)> = vec![
        ("unknown_item", "item/pp.nope.01", text("pass")),
        ("unknown_option", "item/pp.green.01", text("perhaps")),
        ("number_out_of_range", "item/pp.fire.06", Value::Number(99.0)),
        ("number_out_of_range", "item/pp.fire.06", Value::Number(-1.0)),
        ("wrong_type", "item/pp.fire.06", text("0.2")),
        ("text_too_long", "note/pp.green.01", text(&long)),
        ("unknown_key", "state", text("completed")),
        ("unknown_key", "field/no", text("QT-1")),
    ];
    for (expected, key, value) in cases {
        let mut forger = Forger::on(&mut world, a, sheet);
        let edit = forger.put(key, value);
        forger.write(&[edit]);
        let run = forger.run(0);
        let found = pushed_among_good(&mut world, a, sheet, &forger, run);
        assert_eq!(found, expected, "{key}");
    }
    let mut forger = Forger::on(&mut world, a, sheet);
    let Edit::Put { key, mut stamped } = forger.put("item/pp.green.01", text("fail")) else { return };
    stamped.by = UserId::new("u.pt02");
    forger.write(&[Edit::Put { key, stamped }]);
    let run = forger.run(0);
    assert_eq!(pushed_among_good(&mut world, a, sheet, &forger, run), "foreign_author");
    let refused = world.hub.refusals(100).unwrap();
    assert_eq!(refused.len(), 9, "the branch sees every attempt");
    assert!(refused.iter().all(|run| !run.bytes.is_empty()));
    world.settle();
    check_settled(&mut world);
}

#[test]
fn what_a_rule_forbids_on_an_entry_is_refused_by_the_branch_too() {
    let mut world = World::new(Seed::or(427));
    let (desk, engineer) = (world.enroll("u.fd01"), world.enroll("u.eng01"));
    let entry = world.take_call(desk, "卫生间滴水");
    world.settle();
    // The state is "received": closing is no step from there, accepting is not for the front desk.
    let cases: [(&str, usize, &str, &str); 4] = [
        ("transition_not_allowed", desk, "close", "received"),
        ("role_not_allowed", engineer, "assign", "received"),
        ("unknown_event", desk, "explode", "received"),
        ("state_mismatch", desk, "close", "handled"),
    ];
    for (expected, device, event, from) in cases {
        let mut forger = Forger::on(&mut world, device, entry);
        let edit = forger.event(event, from, &[("note", "x"), ("owner_dept", "dept.eng")]);
        forger.write(&[edit]);
        let reply = push(&mut world, device, &forger.definition.clone(), vec![forger.run(0)]);
        assert_eq!(code(&reply.verdicts[0]), expected, "{event}");
    }
    let fields: [(&str, &str, Value); 3] = [
        ("write_once", "field/first_contact", text("u.fd02")),
        ("server_only", "field/no", text("QT-LY-20261123-9999")),
        ("unknown_key", "field/nothing", text("x")),
    ];
    for (expected, key, value) in fields {
        let mut forger = Forger::on(&mut world, desk, entry);
        let edit = forger.put(key, value);
        forger.write(&[edit]);
        let reply = push(&mut world, desk, &forger.definition.clone(), vec![forger.run(0)]);
        assert_eq!(code(&reply.verdicts[0]), expected, "{key}");
    }
    let before = world.replica(desk).model(entry).unwrap();
    world.settle();
    check_settled(&mut world);
    assert_eq!(world.replica(desk).model(entry).unwrap(), before, "nothing of it got in");
}

#[test]
fn the_replica_refuses_the_same_before_it_writes() {
    let mut world = World::new(Seed::or(428));
    let (patrol, desk) = (world.enroll("u.pt01"), world.enroll("u.fd01"));
    let sheet = world.start_patrol(patrol);
    let entry = world.take_call(desk, "卫生间滴水");
    world.settle();
    let mut refused = Vec::new();
    let number = |value| Answer { value: Some(Value::Number(value)), ..Answer::default() };
    for (item, answer) in
        [("pp.nope.01", chosen("pass")), ("pp.green.01", chosen("perhaps")), ("pp.fire.06", number(99.0))]
    {
        refused.push(world.attempt(patrol, |r, moment| r.answer(sheet, item, answer, moment)).map(drop));
    }
    for (event, data) in [("close", fields(&[])), ("explode", fields(&[])), ("accept", fields(&[]))] {
        refused.push(world.attempt(desk, |r, moment| r.record_event(entry, event, data, moment)).map(drop));
    }
    for edit in
        [fields(&[("first_contact", "u.fd02")]), fields(&[("no", "QT-1")]), fields(&[("nothing", "x")])]
    {
        refused.push(world.attempt(desk, |r, moment| r.edit_entry(entry, edit, moment)).map(drop));
    }
    let codes: Vec<String> = refused
        .into_iter()
        .map(|outcome| {
            let error = outcome.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
            error.code().to_owned()
        })
        .collect();
    let expected = [
        "unknown_item",
        "unknown_option",
        "number_out_of_range",
        "transition_not_allowed",
        "unknown_event",
        "transition_not_allowed",
        "write_once",
        "server_only",
        "unknown_key",
    ];
    assert_eq!(codes, expected);
    for device in [patrol, desk] {
        assert_eq!(world.replica(device).status().unwrap().pending_changes, 0, "nothing was written");
    }
    check_always(&mut world);
}

#[test]
fn forged_names_keys_and_places_are_refused() {
    let (mut world, a, b, sheet) = patrol();
    let answer = |forger: &mut Forger| {
        let edit = forger.put("item/pp.green.03", text("pass"));
        forger.write(&[edit]);
    };
    let mut cases: Vec<(&str, Forger, PushedRun)> = Vec::new();
    let mut case =
        |world: &mut World, expected, alter: &dyn Fn(&mut Forger), after: &dyn Fn(&mut PushedRun)| {
            let mut forger = Forger::on(world, a, sheet);
            alter(&mut forger);
            answer(&mut forger);
            let mut run = forger.run(0);
            after(&mut run);
            cases.push((expected, forger, run));
        };
    let keep = |_: &mut Forger| ();
    let whole = |_: &mut PushedRun| ();
    case(&mut world, "scope_not_granted", &|f| f.scope = ScopeId::new("pj.lanyuan/desk"), &whole);
    case(&mut world, "document_elsewhere", &|f| f.scope = ScopeId::new("pj.lanyuan/finding"), &whole);
    case(&mut world, "signature_invalid", &|f| f.user = UserId::new("u.pt02"), &whole);
    case(&mut world, "signature_invalid", &keep, &|run| run.run.signature[5] ^= 1);
    case(&mut world, "signature_invalid", &keep, &|run| run.run.last_hash.0[0] ^= 1);
    for (expected, forger, run) in cases {
        assert_eq!(pushed_among_good(&mut world, a, sheet, &forger, run), expected);
    }

    // Another device's actor: refused, and the app is told to take a new one.
    let theirs = world.replica(b).export().unwrap();
    let theirs = theirs.iter().find(|record| record.document == sheet).unwrap();
    let id = world.replica(b).identity().device;
    let actor: ActorId = theirs.runs.iter().find(|run| run.user.as_str() == "u.pt02").unwrap().actor;
    let mut forger = Forger::on(&mut world, a, sheet);
    forger.actor = actor;
    answer(&mut forger);
    let reply = push(&mut world, a, &forger.definition.clone(), vec![forger.run(0)]);
    assert_eq!(code(&reply.verdicts[0]), "actor_not_yours");
    assert_eq!(reply.directives, [Directive::NewActor { document: sheet }]);
    assert_ne!(world.replica(a).identity().device, id);

    // A definition version that was never published.
    let mut forger = Forger::on(&mut world, a, sheet);
    answer(&mut forger);
    let mut definition = forger.definition.clone();
    definition.version = 99;
    let reply = push(&mut world, a, &definition, vec![forger.run(0)]);
    assert!(["unknown_definition", "definition_mismatch"].contains(&code(&reply.verdicts[0])));

    // The second change without the first waits for it, and nothing more.
    let mut forger = Forger::on(&mut world, a, sheet);
    answer(&mut forger);
    answer(&mut forger);
    let definition = forger.definition.clone();
    let reply = push(&mut world, a, &definition, vec![forger.run(1)]);
    assert!(matches!(&reply.verdicts[0], Verdict::Parked { missing } if missing.len() == 1), "{reply:?}");
    let reply = push(&mut world, a, &definition, vec![forger.run(0)]);
    assert_eq!(code(&reply.verdicts[0]), "accepted");
    let reply = push(&mut world, a, &definition, vec![forger.run(1), forger.run(0)]);
    assert_eq!([code(&reply.verdicts[0]), code(&reply.verdicts[1])], ["duplicate", "duplicate"]);
    world.settle();
    check_settled(&mut world);
}

#[test]
fn packed_bytes_that_are_no_changes_are_refused() {
    let (mut world, a, _, sheet) = patrol();
    let alterations: [(&str, Alteration); 5] = [
        ("empty", |bytes| bytes.clear()),
        ("cut short", |bytes| bytes.truncate(bytes.len() / 2)),
        ("padded", |bytes| bytes.push(0)),
        ("noise", |bytes| bytes.iter_mut().for_each(|byte| *byte = byte.wrapping_mul(31).wrapping_add(7))),
        ("one bit", |bytes| *bytes.last_mut().unwrap() ^= 1),
    ];
    for (name, alter) in alterations {
        let mut forger = Forger::on(&mut world, a, sheet);
        let edit = forger.put("item/pp.green.03", text("pass"));
        forger.write(&[edit]);
        let mut run = forger.run(0);
        alter(&mut run.run.changes);
        let found = pushed_among_good(&mut world, a, sheet, &forger, run);
        assert!(!["accepted", "duplicate", "parked"].contains(&found.as_str()), "{name}: {found}");
    }
    world.settle();
    check_settled(&mut world);
}

#[test]
fn a_revoked_device_gets_nothing_and_gives_nothing() {
    let (mut world, a, b, sheet) = patrol();
    let token = world.replica(a).identity().token.clone();
    let id = world.replica(a).identity().device;
    let caller = world.hub.authenticate(&token).unwrap();
    world.choose(a, sheet, "pp.green.03", "pass");
    let body = {
        world.replica(a).wake_now();
        world.request(a).unwrap()
    };
    world.hub.revoke(id, world.now_ms).unwrap();
    assert!(world.hub.authenticate(&token).is_err(), "the token is worth nothing");
    // A connection that was authenticated a moment before the revocation.
    let before = world.hub.stats().unwrap().records;
    let reply = world.hub.exchange(&caller, &body, world.now_ms).unwrap();
    assert_eq!(world.hub.stats().unwrap().records, before, "its work is not taken in");
    let moment = world.moment(a);
    let progress = world.replica(a).handle_reply(&reply, &moment).unwrap();
    assert!(progress.wiped && progress.touched.is_empty());
    assert!(world.replica(a).record(sheet).is_err(), "the device is emptied");
    assert!(world.replica(b).record(sheet).is_ok(), "other devices keep what they have");
    assert!(!world.hub.refusals(10).unwrap().is_empty(), "the branch sees what it did not take");
}
