//! One replica without signal, on the shipped definitions.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::*;
use crate::definition::{embedded, sample_organisation};
use crate::document::model::Value;
use crate::error::Refusal;
use crate::id::ScopeId;
use crate::projection::Filter;
use crate::replica::inspection::Answer;
use crate::wire::message::EnrollReply;
use crate::wire::pin::{Pin, Voucher};

const DAY_MS: i64 = 86_400_000;
/// 2026-11-23T09:06+08:00.
const NOW_MS: i64 = 1_795_395_960_000;

mod branch;
mod later;
mod plans;
mod verdicts;

struct Device {
    replica: Replica,
    path: PathBuf,
    ticks: u8,
}

impl Device {
    fn of(user: &str, name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("xunyuan-replica-{}-{name}", std::process::id()));
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
        }
        let entropy = [name.bytes().fold(7, u8::wrapping_add); 32];
        let moment = Moment { unix_ms: NOW_MS, utc_offset_min: 480, entropy };
        let enrollment = Enrollment::prepare("http://localhost/enroll#x", "test/1", &moment).unwrap();
        let mut device = Self { replica: enrolled(&path, user, &enrollment), path, ticks: 0 };
        device.load_definitions();
        device
    }

    fn load_definitions(&mut self) {
        let definitions: Vec<_> = embedded().iter().chain([sample_organisation()]).collect();
        self.replica
            .store
            .write(|connection| {
                definitions.iter().try_for_each(|definition| {
                    identity::insert_definition(connection, &definition.reference, &definition.json, 1)
                })
            })
            .unwrap();
        self.replica.catalog = load_catalog(self.replica.store.reader()).unwrap();
    }

    fn now(&mut self) -> Moment {
        self.ticks += 1;
        let unix_ms = NOW_MS + i64::from(self.ticks) * 1_000;
        Moment { unix_ms, utc_offset_min: 480, entropy: [self.ticks; 32] }
    }

    fn reopened(self) -> Self {
        let Self { replica, path, ticks } = self;
        drop(replica);
        Self { replica: Replica::open(&path).unwrap(), path, ticks }
    }
}

fn enrolled(path: &Path, user: &str, enrollment: &Enrollment) -> Replica {
    let reply = EnrollReply {
        token: "t".to_owned(),
        user: UserId::new(user),
        device_code: "A7".to_owned(),
        branch: "br.hz".to_owned(),
        server_key: "00".repeat(32),
        server_time_ms: NOW_MS,
        grants: vec![ScopeId::of("pj.lanyuan", "patrol"), ScopeId::of("pj.lanyuan", "finding")],
        certificate: None,
    };
    Replica::create(path, enrollment, &reply).unwrap()
}

#[test]
fn another_key_of_the_server_is_trusted_on_the_newest_word_of_the_branch_alone() {
    let pins = [Pin([1; 32]), Pin([2; 32]), Pin([3; 32])];
    let mut device = Device::of("u.pt01", "voucher");
    let branch = Key::from_seed(&[9; 32]);
    device.replica.identity.server_key = branch.public();
    let word = |pin, at_ms| Voucher::signed(pin, at_ms, &branch);
    assert!(!device.replica.take_voucher(&word(pins[1], NOW_MS + 5), pins[1]).unwrap(), "it has no pin");
    device.replica.identity.pin = Some(pins[0]);
    assert_eq!(device.replica.identity().pin_at_ms, NOW_MS, "as of the enrolment");
    for (voucher, shown) in [
        (word(pins[1], NOW_MS), pins[1]),
        (word(pins[1], NOW_MS + 5), pins[2]),
        (Voucher::signed(pins[1], NOW_MS + 5, &Key::from_seed(&[8; 32])), pins[1]),
    ] {
        assert!(!device.replica.take_voucher(&voucher, shown).unwrap(), "{voucher:?}");
    }
    assert!(device.replica.take_voucher(&word(pins[1], NOW_MS + 5), pins[1]).unwrap());
    assert!(!device.replica.take_voucher(&word(pins[0], NOW_MS + 4), pins[0]).unwrap(), "an older word");
    let Device { replica, path, .. } = device;
    drop(replica);
    let kept = Replica::open(&path).unwrap();
    assert_eq!((kept.identity().pin, kept.identity().pin_at_ms), (Some(pins[1]), NOW_MS + 5));
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

fn failing(note: &str) -> Answer {
    Answer { value: Some(text("fail")), note: Some(note.to_owned()), photos: Vec::new() }
}

#[test]
fn a_failing_answer_is_saved_raises_its_finding_once_and_survives_reopening() {
    let mut device = Device::of("u.pt01", "failing");
    let now = device.now();
    let slots = device.replica.slots(&now).unwrap();
    let slot = slots.iter().find(|view| view.slot.key.contains("09:00")).unwrap();
    let key = slot.slot.key.clone();
    let sheet = device.replica.start_slot(&key, None, &now).unwrap();
    assert_eq!(sheet, slot.slot.document);
    assert_eq!(device.replica.start_slot(&key, None, &now).unwrap(), sheet, "started once");

    let now = device.now();
    let answered = device.replica.answer(sheet, "pp.green.02", failing("南门香樟断枝悬挂"), &now).unwrap();
    assert_eq!(answered.raised.len(), 1);
    let finding = answered.raised[0];
    let now = device.now();
    let again = device.replica.answer(sheet, "pp.green.02", failing("断枝仍在"), &now).unwrap();
    assert!(again.raised.is_empty());

    let pending = device.replica.status().unwrap();
    assert_eq!((pending.pending_changes, pending.pending_records), (4, 2));
    let mut device = device.reopened();
    assert_eq!(device.replica.status().unwrap().pending_changes, 4);
    assert_eq!(device.replica.entry(finding).unwrap().temporary_number.as_deref(), Some("A7-0001"));
    assert_eq!(device.replica.find("A7-0001").unwrap()[0].document, finding);
    assert_eq!(device.replica.search("香樟断枝", 10).unwrap().len(), 1);
    let view = device.replica.inspection(sheet).unwrap();
    assert!(view.sections.iter().flat_map(|section| &section.items).any(|item| item.is_fail));
}

#[test]
fn rules_refuse_before_anything_is_written() {
    let mut device = Device::of("u.pt01", "refused");
    let now = device.now();
    let sheet = device.replica.start_inspection("tpl.park_patrol", "pj.lanyuan", &now).unwrap();
    let before = device.replica.status().unwrap().pending_changes;
    let over = Answer { value: Some(Value::Number(9.0)), ..Answer::default() };
    let unknown = Answer { value: Some(text("perhaps")), ..Answer::default() };
    for (item, answer) in [("pp.fire.06", over), ("pp.green.01", unknown), ("pp.none.01", failing(""))] {
        let now = device.now();
        let error = device.replica.answer(sheet, item, answer, &now).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{item}");
    }
    let now = device.now();
    assert_eq!(device.replica.complete(sheet, false, &now).unwrap_err().code(), "incomplete");
    let elsewhere = device.replica.start_inspection("tpl.park_patrol", "pj.xiyuan", &now).unwrap_err();
    assert_eq!(elsewhere.kind(), ErrorKind::Refused);
    assert_eq!(device.replica.status().unwrap().pending_changes, before);
    device.replica.answer(sheet, "pp.green.01", failing("裸露"), &now).unwrap();
}

#[test]
fn an_entry_moves_along_its_lifecycle() {
    let mut device = Device::of("u.fd01", "entry");
    let now = device.now();
    let fields = BTreeMap::from(
        [
            ("channel", "phone"),
            ("category", "fd.repair.leak"),
            ("content", "卫生间顶部滴水"),
            ("first_contact", "u.fd01"),
            ("urgency", "urgent"),
            ("owner_dept", "dept.eng"),
        ]
        .map(|(field, value)| (field.to_owned(), text(value))),
    );
    let entry = device.replica.create_entry("led.front_desk", "pj.lanyuan", fields, &now).unwrap();
    let now = device.now();
    let view = device.replica.record_event(entry, "assign", BTreeMap::new(), &now).unwrap();
    assert_eq!(view.state, "assigned");
    let now = device.now();
    let refused = device.replica.record_event(entry, "accept", BTreeMap::new(), &now).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Refused);
    let result = BTreeMap::from([("result".to_owned(), text("已更换软管"))]);
    let now = device.now();
    let view = device.replica.record_event(entry, "handle", result, &now).unwrap();
    assert_eq!(view.state, "handled");
    let listed =
        device.replica.list(&Filter { definition: Some("led.front_desk".to_owned()), ..Filter::default() });
    assert_eq!(listed.unwrap()[0].state, "handled");
    let kinds: Vec<String> =
        device.replica.history(entry).unwrap().into_iter().map(|line| line.what).collect();
    assert!(["create", "assign", "handle"].iter().all(|kind| kinds.iter().any(|known| known == kind)));
    assert!(device.replica.export().unwrap()[0].pending.len() == 3);
}

#[test]
fn a_slot_of_yesterday_is_not_offered_today() {
    let mut device = Device::of("u.pt01", "yesterday");
    let mut now = device.now();
    now.unix_ms += DAY_MS;
    let slots = device.replica.slots(&now).unwrap();
    assert!(slots.iter().all(|view| view.slot.starts.date() == now.local_date()));
}

#[test]
fn a_full_disk_fails_the_action_and_leaves_everything_saved_before() {
    let mut device = Device::of("u.pt01", "full");
    let now = device.now();
    let sheet = device.replica.start_inspection("tpl.park_patrol", "pj.lanyuan", &now).unwrap();
    let pages: i64 =
        device.replica.store.reader().pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    device.replica.store.reader().pragma_update(None, "max_page_count", pages + 4).unwrap();
    let mut saved = 0;
    let error = loop {
        let note = Answer { note: Some(format!("第{saved}次").repeat(400)), ..Answer::default() };
        let now = device.now();
        match device.replica.answer(sheet, "pp.green.01", note, &now) {
            Ok(_) => saved += 1,
            Err(error) => break error,
        }
        assert!(saved < 100, "the disk does not fill");
    };
    assert_eq!(error.kind(), ErrorKind::Full, "{error}");
    let expected = saved + 1;
    assert_eq!(device.replica.status().unwrap().pending_changes, expected);
    let before = device.replica.model(sheet).unwrap();

    // With room again the person goes on where they were.
    let mut device = device.reopened();
    assert_eq!(device.replica.model(sheet).unwrap(), before);
    assert_eq!(device.replica.status().unwrap().pending_changes, expected);
    let now = device.now();
    device.replica.answer(sheet, "pp.green.01", failing("断枝"), &now).unwrap();
    assert!(device.replica.status().unwrap().pending_changes > expected);
}

/// What a device does when the branch refuses a document's work from its `index`-th waiting change on.
fn refuse(device: &mut Device, document: DocumentId, index: usize) {
    let rows = outbox::unaccepted(device.replica.store.reader(), document).unwrap();
    let refusal = Refusal::new("role_not_allowed", "岗位不允许", "the role may not");
    device
        .replica
        .store
        .write(|connection| {
            outbox::set_refused(connection, rows[index].hash, &refusal)?;
            documents::set_actor(connection, document, None)
        })
        .unwrap();
    device.replica.loaded.clear();
}

fn call(device: &mut Device) -> DocumentId {
    let fields = BTreeMap::from(
        [
            ("channel", "phone"),
            ("category", "fd.repair.leak"),
            ("content", "卫生间滴水"),
            ("first_contact", "u.fd01"),
            ("urgency", "normal"),
            ("owner_dept", "dept.eng"),
        ]
        .map(|(field, value)| (field.to_owned(), text(value))),
    );
    let now = device.now();
    device.replica.create_entry("led.front_desk", "pj.lanyuan", fields, &now).unwrap()
}

fn edit(device: &mut Device, entry: DocumentId, field: &str, value: &str) {
    let now = device.now();
    let fields = BTreeMap::from([(field.to_owned(), text(value))]);
    device.replica.edit_entry(entry, fields, &now).unwrap();
}

#[test]
fn a_draft_says_what_was_refused_and_is_written_again_onto_the_record_of_today() {
    let mut device = Device::of("u.fd01", "draft-apply");
    let entry = call(&mut device);
    edit(&mut device, entry, "content", "卫生间滴水,很急");
    let assign = BTreeMap::from([("owner_dept".to_owned(), text("dept.eng"))]);
    let now = device.now();
    device.replica.record_event(entry, "assign", assign, &now).unwrap();
    let assigned_at_ms = now.unix_ms;
    refuse(&mut device, entry, 1);
    assert_eq!(device.replica.entry(entry).unwrap().state, "received", "shown without the refused part");
    edit(&mut device, entry, "content", "主卧卫生间滴水");

    let drafts = device.replica.drafts().unwrap();
    assert_eq!((drafts.len(), drafts[0].changes, drafts[0].document), (1, 2, entry));
    let view = device.replica.draft_view(drafts[0].id).unwrap();
    assert!(view.is_readable);
    let words: Vec<&str> = view.steps.iter().map(|step| step.title.zh.as_str()).collect();
    assert_eq!(words.len(), 3, "{words:?}");
    let merged =
        DraftContent::Text { field: "content".to_owned(), text: "主卧卫生间滴水,很急".to_owned() };
    assert!(view.steps.iter().any(|step| step.content == merged), "{:?}", view.steps);
    let file = device.replica.export_draft(drafts[0].id).unwrap();
    let file: serde_json::Value = serde_json::from_slice(&file).unwrap();
    assert_eq!(file["changes"].as_array().map(Vec::len), Some(2));
    assert_eq!(file["refusal"]["code"], "role_not_allowed");

    let now = device.now();
    assert_eq!(device.replica.apply_draft(drafts[0].id, &now).unwrap(), 2);
    let mut device = device.reopened();
    assert!(device.replica.drafts().unwrap().is_empty());
    let model = device.replica.model(entry).unwrap();
    assert_eq!(model.texts["content"], "主卧卫生间滴水,很急");
    let assigned = model.events.last().unwrap();
    assert_eq!((assigned.kind.as_str(), assigned.at_ms), ("assign", assigned_at_ms));
    let rows = outbox::unaccepted(device.replica.store.reader(), entry).unwrap();
    let seqs: Vec<(u64, bool)> = rows.iter().map(|row| (row.seq, row.follows)).collect();
    assert_eq!(seqs, [(1, false), (1, false), (2, true), (3, true)]);
    assert_eq!(device.replica.status().unwrap().refused_changes, 0);
    let unknown = device.replica.draft_view(drafts[0].id).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
}

#[test]
fn a_draft_that_a_rule_still_refuses_stays_and_leaves_only_when_it_is_given_up() {
    let mut device = Device::of("u.fd01", "draft-discard");
    let entry = call(&mut device);
    let assign = BTreeMap::from([("owner_dept".to_owned(), text("dept.eng"))]);
    let now = device.now();
    device.replica.record_event(entry, "assign", assign.clone(), &now).unwrap();
    refuse(&mut device, entry, 1);
    // The same step is taken again; the record is beyond it now.
    let now = device.now();
    device.replica.record_event(entry, "assign", assign, &now).unwrap();
    let draft = device.replica.drafts().unwrap().remove(0);
    let pending = device.replica.status().unwrap().pending_changes;
    let now = device.now();
    let error = device.replica.apply_draft(draft.id, &now).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Refused, "transition_not_allowed"));
    assert_eq!(device.replica.drafts().unwrap(), std::slice::from_ref(&draft));
    assert_eq!(device.replica.status().unwrap().pending_changes, pending);
    assert_eq!(device.replica.entry(entry).unwrap().state, "assigned");

    let now = device.now();
    assert_eq!(device.replica.discard_draft(draft.id, &now).unwrap(), 1);
    assert!(device.replica.drafts().unwrap().is_empty());
    let noted = device.replica.discarded().unwrap();
    assert_eq!((noted.len(), noted[0].changes, noted[0].at_ms), (1, 1, now.unix_ms));
    assert_eq!((noted[0].document, noted[0].actor), (entry, draft.id));
}

#[test]
fn a_record_whose_beginning_was_refused_can_be_begun_again() {
    let mut device = Device::of("u.fd01", "draft-begin");
    let entry = call(&mut device);
    edit(&mut device, entry, "urgency", "urgent");
    refuse(&mut device, entry, 0);
    assert!(device.replica.model(entry).unwrap().events.is_empty());
    let draft = device.replica.drafts().unwrap().remove(0);
    assert_eq!(draft.changes, 2);
    let now = device.now();
    device.replica.apply_draft(draft.id, &now).unwrap();
    let view = device.replica.entry(entry).unwrap();
    assert_eq!((view.state.as_str(), view.temporary_number.as_deref()), ("received", Some("A7-0001")));
    assert_eq!(device.replica.model(entry).unwrap().text("field/urgency"), Some("urgent"));
}

#[test]
fn nobody_owes_a_month_that_was_due_before_the_branch_had_the_rule_or_the_project() {
    let mut device = Device::of("u.csl01", "in-force");
    let periods = |device: &mut Device| -> Vec<String> {
        let now = device.now();
        let duties = device.replica.duties(&now).unwrap();
        let monthly = duties.into_iter().filter(|view| view.duty.rule == "rule.complaint_monthly");
        monthly.map(|view| view.duty.period).collect()
    };
    assert_eq!(periods(&mut device), ["2026-09", "2026-10", "2026-11"], "in force for years");
    let (rules, organisation) = (catalog_of("set.rules"), sample_organisation());
    for (definition, days_ago, left) in
        [(&rules, 25, &["2026-10", "2026-11"][..]), (organisation, 1, &["2026-11"])]
    {
        let (reference, json) = (&definition.reference, &definition.json);
        let at_ms = NOW_MS - days_ago * DAY_MS;
        let again = |connection: &Connection| {
            identity::remove_definition(connection, reference)?;
            identity::insert_definition(connection, reference, json, at_ms)?;
            // It arrives again, as after a restore: when it was first published stays.
            identity::insert_definition(connection, reference, json, NOW_MS)
        };
        device.replica.store.write(again).unwrap();
        assert_eq!(periods(&mut device), left);
    }
}

fn catalog_of(id: &str) -> crate::definition::Definition {
    embedded().iter().find(|known| known.reference.id == id).unwrap().clone()
}
