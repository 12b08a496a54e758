//! Texts of full length: accepted in one action on the device and by the branch, read everywhere; beyond it a
//! clear answer, and nothing half written.

use std::collections::BTreeMap;

use xunyuan_core::document::model::{Edit, Value};
use xunyuan_core::error::ErrorKind;
use xunyuan_core::id::DocumentId;
use xunyuan_core::limits::{FOLLOWING_OPS_MAX, NOTE_CHARS_MAX};
use xunyuan_core::replica::Answer;
use xunyuan_core::wire::message::Verdict;
use xunyuan_tests::forge::{Forger, push};
use xunyuan_tests::laws::{check_settled, status};
use xunyuan_tests::people::{PROJECT, fields, text};
use xunyuan_tests::seed::Seed;
use xunyuan_tests::world::World;

/// As many Chinese characters as a text may have, others for each `turn`.
fn full(turn: u32) -> String {
    let first = 0x4e00 + 97 * turn;
    (0..).take(NOTE_CHARS_MAX).map(|at| char::from_u32(first + (at * 31) % 9_000).unwrap()).collect()
}

fn complaint(world: &mut World, device: usize, texts: &[(&str, &str)]) -> DocumentId {
    let mut call = fields(&[
        ("complainant", "业主"),
        ("category", "cp.eng.slow"),
        ("level", "general"),
        ("first_contact", "u.fd01"),
        ("owner_dept", "dept.eng"),
    ]);
    call.extend(fields(texts));
    world.act(device, |replica, moment| replica.create_entry("led.complaint", PROJECT, call, moment))
}

#[test]
fn shared_texts_of_full_length_are_written_and_rewritten_in_one_action() {
    let mut world = World::new(Seed::or(601));
    let (phone, other) = (world.enroll("u.fd01"), world.enroll("u.fd02"));
    let (content, cause, solution) = (full(1), full(2), full(3));
    let entry =
        complaint(&mut world, phone, &[("content", &content), ("cause", &cause), ("solution", &solution)]);
    assert_eq!(status(&mut world, phone).pending_changes, 1, "one action is one change");
    world.settle();
    let model = world.replica(other).model(entry).unwrap();
    assert_eq!(
        [&model.texts["content"], &model.texts["cause"], &model.texts["solution"]],
        [&content, &cause, &solution]
    );

    // Written anew from end to end, without signal, together with smaller work before and after.
    let again = full(50);
    for edit in [
        ("complainant", "业主家属"),
        ("content", again.as_str()),
        ("complainant", "租户"),
        ("cause", again.as_str()),
    ] {
        let edit = fields(&[edit]);
        world.act(phone, |replica, moment| replica.edit_entry(entry, edit, moment));
    }
    world.act(other, |replica, moment| {
        replica.edit_entry(
            entry,
            fields(&[("solution", &solution.replace(solution.chars().next().unwrap(), "改"))]),
            moment,
        )
    });
    world.settle();
    let model = world.replica(other).model(entry).unwrap();
    assert_eq!([&model.texts["content"], &model.texts["cause"]], [&again, &again]);
    assert!(world.hub.refusals(10).unwrap().is_empty());
    world.restart(phone);
    assert_eq!(world.replica(phone).model(entry).unwrap(), model);
    check_settled(&mut world);
}

#[test]
fn notes_and_answers_of_full_length_are_taken_by_device_and_branch() {
    let mut world = World::new(Seed::or(602));
    let (phone, other) = (world.enroll("u.pt01"), world.enroll("u.pt02"));
    let sheet = world.start_patrol(phone);
    let note = full(4);
    let answer = Answer { value: Some(text("pass")), note: Some(note.clone()), photos: Vec::new() };
    world.act(phone, |replica, moment| replica.answer(sheet, "pp.green.01", answer, moment));
    world.settle();
    assert_eq!(world.replica(other).model(sheet).unwrap().text("note/pp.green.01"), Some(note.as_str()));
    let longer = Answer { value: None, note: Some(format!("{note}长")), photos: Vec::new() };
    let refused =
        world.attempt(phone, |replica, moment| replica.answer(sheet, "pp.green.01", longer, moment));
    assert_eq!(refused.unwrap_err().code(), "text_too_long");
    check_settled(&mut world);
}

#[test]
fn more_than_one_action_may_hold_is_refused_whole_and_the_outbox_flows_on() {
    let mut world = World::new(Seed::or(603));
    let phone = world.enroll("u.fd01");
    let entry = complaint(&mut world, phone, &[("content", "漏水")]);
    world.settle();
    let before = world.replica(phone).model(entry).unwrap();
    for (name, value) in [("content", format!("{}长", full(1))), ("cause", format!("{}长", full(1)))] {
        let edit = fields(&[(name, &value)]);
        let refused = world.attempt(phone, |replica, moment| replica.edit_entry(entry, edit, moment));
        assert_eq!(refused.unwrap_err().code(), "text_too_long");
    }
    // More bytes than a change may have: each text is within its limit, all of them are not.
    let data: BTreeMap<String, Value> =
        (0..12).map(|at| (format!("note{at}"), Value::Text(full(at)))).collect();
    let refused = world.attempt(phone, |replica, moment| replica.record_event(entry, "assign", data, moment));
    let refused = refused.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::Invalid | ErrorKind::Refused), "{refused}");
    assert_eq!(world.replica(phone).model(entry).unwrap(), before);
    assert_eq!(status(&mut world, phone).pending_changes, 0, "nothing was written");
    world.act(phone, |replica, moment| replica.edit_entry(entry, fields(&[("content", &full(7))]), moment));
    world.settle();
    check_settled(&mut world);
}

#[test]
fn a_large_change_begins_its_run() {
    let mut world = World::new(Seed::or(604));
    let phone = world.enroll("u.fd01");
    let entry = complaint(&mut world, phone, &[("content", "漏水")]);
    world.settle();
    let mut forger = Forger::on(&mut world, phone, entry);
    let edit = forger.put("field/complainant", text("租户"));
    forger.write(&[edit]);
    let large: String = full(9).chars().take(usize::try_from(FOLLOWING_OPS_MAX).unwrap() + 1).collect();
    forger.write(&[Edit::Text { key: "cause".to_owned(), to: Some(large) }]);
    let definition = forger.definition.clone();
    let reply = push(&mut world, phone, &definition, vec![forger.run(0)]);
    assert!(
        matches!(&reply.verdicts[0], Verdict::Rejected { refusal, from_change: 1 } if refusal.code == "change_misplaced"),
        "{:?}",
        reply.verdicts
    );
    world.settle();
    check_settled(&mut world);
}
