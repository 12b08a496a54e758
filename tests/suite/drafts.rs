//! What the branch does not take is not lost: stores that were copied, roles that were narrowed, work
//! that a rule refuses.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, params};
use xunyuan_core::definition::sample_organisation;
use xunyuan_core::document::model::{Edit, Event, Model, Value};
use xunyuan_core::document::{Document, RawChange, line_id};
use xunyuan_core::error::ErrorKind;
use xunyuan_core::id::{ActorId, DocumentId};
use xunyuan_core::replica::DraftContent;
use xunyuan_tests::fuse;
use xunyuan_tests::laws::{check_always, check_settled, chunks, status};
use xunyuan_tests::people::{PROJECT, fields};
use xunyuan_tests::process::xunyuan;
use xunyuan_tests::revisions::patrol_version_2;
use xunyuan_tests::seed::Seed;
use xunyuan_tests::world::World;

fn model(world: &mut World, device: usize, document: DocumentId) -> Model {
    world.replica(device).model(document).unwrap()
}

fn kinds(model: &Model) -> Vec<&str> {
    model.events.iter().map(|event| event.kind.as_str()).collect()
}

fn visit(world: &mut World, device: usize, entry: DocumentId, note: &str) {
    world.record(device, entry, "visit", &[("channel", "phone"), ("satisfaction", "s4"), ("note", note)]);
}

fn edit(world: &mut World, device: usize, entry: DocumentId, values: &[(&str, &str)]) {
    world.act(device, |replica, moment| replica.edit_entry(entry, fields(values), moment));
}

#[test]
fn a_cloned_phone_and_its_original_both_converge() {
    let mut world = World::new(Seed::or(301));
    let (original, other) = (world.enroll("u.fd01"), world.enroll("u.fd02"));
    let entry = world.take_call(original, "咨询物业费");
    world.settle();
    // Some work waits when the phone is cloned: both have it.
    world.record(original, entry, "assign", &[("owner_dept", "dept.eng")]);
    world.record(original, entry, "handle", &[("result", "已当面说明")]);
    let unsent = world.take_call(original, "报修门禁");
    let clone = world.copy(original);

    visit(&mut world, original, entry, "原机登记");
    edit(&mut world, original, entry, &[("content", "咨询物业费,原机补充")]);
    edit(&mut world, original, unsent, &[("urgency", "urgent")]);
    visit(&mut world, clone, entry, "克隆机登记");
    edit(&mut world, clone, entry, &[("content", "克隆机补充:咨询物业费"), ("handler", "u.eng01")]);
    edit(&mut world, clone, unsent, &[("handler", "u.sec01")]);
    let own = world.take_call(clone, "克隆机新登记");

    world.sync(original);
    let progress = world.sync(clone);
    assert!(progress.iter().all(|step| step.refused.is_empty()), "nothing is put before the person");
    assert!(progress.iter().map(|step| step.renewed).sum::<u32>() >= 3);
    // Both go on, again under what was one author id.
    visit(&mut world, original, entry, "原机再次登记");
    visit(&mut world, clone, entry, "克隆机再次登记");
    world.settle();
    check_settled(&mut world);
    for device in [original, clone, other] {
        let merged = model(&mut world, device, entry);
        assert_eq!(
            kinds(&merged),
            ["create", "assign", "handle", "visit", "visit", "visit", "visit"],
            "each step once"
        );
        let notes: BTreeSet<_> = merged
            .events
            .iter()
            .filter_map(|event| event.data.get("note").and_then(Value::as_text))
            .collect();
        assert_eq!(notes.len(), 4, "{notes:?}");
        assert_eq!(merged.texts["content"], "克隆机补充:咨询物业费,原机补充");
        assert_eq!(merged.text("field/handler"), Some("u.eng01"));
        let merged = model(&mut world, device, unsent);
        assert_eq!(kinds(&merged), ["create"]);
        assert_eq!(
            (merged.text("field/urgency"), merged.text("field/handler")),
            (Some("urgent"), Some("u.sec01"))
        );
        assert_eq!(kinds(&model(&mut world, device, own)), ["create"]);
        assert_eq!(status(&mut world, device).refused_changes, 0);
    }
}

#[test]
fn temporary_numbers_of_a_cloned_phone_go_apart_once_the_copy_is_noticed() {
    let mut world = World::new(Seed::or(306));
    let (original, other) = (world.enroll("u.fd01"), world.enroll("u.fd02"));
    world.settle();
    let clone = world.copy(original);
    let number = |world: &mut World, device: usize, entry| {
        world.replica(device).record(entry).unwrap().temp_number.unwrap()
    };
    // No record is written on both: nothing of it is refused. Both give the same number without signal.
    let twins = [world.take_call(original, "原机登记"), world.take_call(clone, "克隆机登记")];
    let shared = number(&mut world, original, twins[0]);
    assert_eq!(number(&mut world, clone, twins[1]), shared);
    world.settle();
    for device in [original, clone, other] {
        let found = world.replica(device).find(&shared).unwrap();
        let found: BTreeSet<DocumentId> = found.iter().map(|row| row.document).collect();
        assert_eq!(found, BTreeSet::from(twins), "both stay searchable");
        assert_eq!(world.replica(device).search(&shared, 5).unwrap().len(), 2);
    }
    // From then on they count under codes of their own.
    let mut numbers = BTreeSet::new();
    for round in 0..3 {
        for device in [original, clone] {
            let entry = world.take_call(device, &format!("第{round}轮"));
            assert!(numbers.insert(number(&mut world, device, entry)), "{numbers:?}");
            world.restart(device);
        }
    }
    let codes: BTreeSet<String> =
        [original, clone].map(|device| world.replica(device).identity().device_code.clone()).into();
    assert_eq!(codes.len(), 2);
    let (base, _) = shared.split_once('-').unwrap();
    assert!(codes.iter().all(|code| code.starts_with(base)), "still told by the device: {codes:?}");
    world.settle();
    check_settled(&mut world);
}

#[test]
fn a_draft_is_applied_whole_or_not_at_all_wherever_the_process_dies() {
    let mut world = World::new(Seed::or(307));
    republish(&mut world, 2, "u.eng01", "role.cs_staff");
    let (other, phone) = (world.enroll("u.fd01"), world.enroll("u.eng01"));
    let entry = world.take_call(other, "报修门禁");
    world.record(other, entry, "assign", &[("owner_dept", "dept.eng")]);
    world.settle();
    world.record(phone, entry, "accept", &[]);
    edit(&mut world, phone, entry, &[("urgency", "urgent")]);
    let edited_at_ms = world.now_ms;
    world.record(phone, entry, "handle", &[("result", "已更换读卡器")]);
    republish(&mut world, 3, "u.eng01", "role.patrol");
    world.settle();
    republish(&mut world, 4, "u.eng01", "role.cs_staff");
    world.settle();
    let draft = world.replica(phone).drafts().unwrap().remove(0);
    assert_eq!(draft.changes, 3);
    let model_before = model(&mut world, phone, entry);
    let (mut deaths, mut writes) = (0, 0);
    loop {
        world.closed(phone, |path| fuse::arm(path, writes));
        let applied = world.attempt(phone, |replica, moment| replica.apply_draft(draft.id, moment));
        world.closed(phone, fuse::disarm);
        check_always(&mut world);
        let Err(error) = applied else { break };
        assert_ne!(error.kind(), ErrorKind::Refused, "{error}");
        deaths += 1;
        writes += 1 + writes / 6;
        assert_eq!(world.replica(phone).drafts().unwrap(), std::slice::from_ref(&draft));
        assert_eq!(model(&mut world, phone, entry), model_before);
        assert_eq!(status(&mut world, phone).pending_changes, 0);
    }
    assert!(deaths > 10, "{deaths}");
    assert!(world.replica(phone).drafts().unwrap().is_empty());
    assert_eq!(status(&mut world, phone).pending_changes, 3);
    world.settle();
    check_settled(&mut world);
    let merged = model(&mut world, other, entry);
    assert_eq!(kinds(&merged), ["create", "assign", "accept", "handle"]);
    assert_eq!(merged.texts["result"], "已更换读卡器");
    assert_eq!(merged.registers["field/urgency"].winner.at_ms, edited_at_ms, "with the time of writing");
}

#[test]
fn a_store_restored_from_an_old_copy_goes_on_where_it_stands() {
    let mut world = World::new(Seed::or(302));
    let (phone, other) = (world.enroll("u.fd01"), world.enroll("u.fd02"));
    let entry = world.take_call(phone, "咨询停车");
    world.settle();
    let old = world.copy(phone);
    world.record(phone, entry, "assign", &[("owner_dept", "dept.eng")]);
    world.record(phone, entry, "handle", &[("result", "已办理")]);
    edit(&mut world, phone, entry, &[("content", "咨询停车月卡")]);
    world.sync(phone);
    // The phone is lost; its old copy does not know of the last steps and takes others, before and after
    // it hears of them.
    edit(&mut world, old, entry, &[("handler", "u.eng01")]);
    world.restart(old);
    world.sync(old);
    visit(&mut world, old, entry, "已联系");
    world.settle();
    check_settled(&mut world);
    for device in [old, other] {
        let merged = model(&mut world, device, entry);
        assert_eq!(kinds(&merged), ["create", "assign", "handle", "visit"]);
        assert_eq!(merged.texts["content"], "咨询停车月卡");
        assert_eq!(merged.text("field/handler"), Some("u.eng01"));
    }
}

/// The branch publishes its organisation again with one person in another role.
fn republish(world: &mut World, version: u32, user: &str, role: &str) {
    let mut value: serde_json::Value = serde_json::from_slice(&sample_organisation().json).unwrap();
    value["version"] = version.into();
    for person in value["users"].as_array_mut().unwrap() {
        if person["id"] == user {
            person["role"] = role.into();
        }
    }
    world.pass(1_000);
    world.hub.load_organisation(&serde_json::to_vec(&value).unwrap(), world.now_ms).unwrap();
}

#[test]
fn work_under_a_role_that_was_narrowed_meanwhile_waits_as_a_draft_and_can_be_applied_later() {
    let mut world = World::new(Seed::or(303));
    republish(&mut world, 2, "u.eng01", "role.cs_staff");
    let (desk, staff) = (world.enroll("u.fd01"), world.enroll("u.eng01"));
    let entry = world.take_call(desk, "报修门禁");
    world.record(desk, entry, "assign", &[("owner_dept", "dept.eng")]);
    world.settle();
    // Without signal a member of staff handles the call and walks a patrol; meanwhile the role is narrowed.
    world.record(staff, entry, "accept", &[]);
    let handled_at_ms = world.now_ms + 1_000;
    world.record(staff, entry, "handle", &[("result", "已更换读卡器")]);
    let sheet =
        world.act(staff, |replica, moment| replica.start_inspection("tpl.park_patrol", PROJECT, moment));
    republish(&mut world, 3, "u.eng01", "role.patrol");
    edit(&mut world, desk, entry, &[("urgency", "urgent")]);
    world.settle();

    let refused: Vec<_> = world.hub.refusals(10).unwrap();
    assert!(refused.iter().any(|run| run.document == entry && run.refusal.code == "scope_not_granted"));
    assert!(world.replica(staff).record(entry).is_err(), "the record has left with the grant");
    assert_eq!(status(&mut world, staff).refused_changes, 2);
    assert_eq!(status(&mut world, staff).pending_changes, 0, "work on other records flows on");
    assert!(!world.replica(staff).is_pending(sheet).unwrap());
    let draft = world.replica(staff).drafts().unwrap().remove(0);
    assert_eq!((draft.document, draft.changes), (entry, 2));
    let view = world.replica(staff).draft_view(draft.id).unwrap();
    let result = DraftContent::Text { field: "result".to_owned(), text: "已更换读卡器".to_owned() };
    assert!(view.steps.iter().any(|step| step.content == result), "{:?}", view.steps);
    let early = world.attempt(staff, |replica, moment| replica.apply_draft(draft.id, moment));
    assert_eq!(early.unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(world.replica(staff).drafts().unwrap(), std::slice::from_ref(&draft));

    republish(&mut world, 4, "u.eng01", "role.cs_staff");
    world.settle();
    world.act(staff, |replica, moment| replica.apply_draft(draft.id, moment));
    world.settle();
    check_settled(&mut world);
    for device in [desk, staff] {
        let merged = model(&mut world, device, entry);
        assert_eq!(kinds(&merged), ["create", "assign", "accept", "handle"]);
        assert_eq!(merged.events[3].at_ms, handled_at_ms, "the time of the work stays");
        assert_eq!(merged.texts["result"], "已更换读卡器");
        assert_eq!(merged.text("field/urgency"), Some("urgent"));
        assert!(world.replica(device).drafts().unwrap().is_empty());
    }
}

/// A modified app writes what no rule allows: past the front door, straight into the outbox.
fn forge(world: &mut World, device: usize, entry: DocumentId, kind: &str, from: &str) {
    let user = world.devices[device].user.clone();
    let now_ms = world.now_ms;
    let replica = world.replica(device);
    let record = replica.export().unwrap().into_iter().find(|record| record.document == entry).unwrap();
    let text_keys = replica.catalog().text_keys(&record.definition).unwrap();
    let mut document = Document::new(entry, &record.definition, &text_keys);
    let known: Vec<_> = chunks(&record).into_iter().map(|chunk| RawChange::parse(chunk).unwrap()).collect();
    document.apply(&known).unwrap();
    let scope = record.scope;
    world.closed(device, |file| {
        let connection = Connection::open(file).unwrap();
        let actor: Vec<u8> = connection
            .query_row("SELECT actor FROM document WHERE document = ?1", [entry.as_bytes()], |row| row.get(0))
            .unwrap();
        let actor = ActorId::from_slice(&actor).unwrap();
        let event = Event {
            id: line_id(actor, document.next_seq(actor), 0),
            kind: kind.to_owned(),
            by: user,
            at_ms: now_ms,
            from: from.to_owned(),
            after: document.model().unwrap().latest_events(),
            data: BTreeMap::new(),
        };
        let change = document.edit(actor, &[Edit::Event(event)]).unwrap();
        connection
            .execute(
                "INSERT INTO outbox (document, scope, actor, seq, hash, follows, bytes, written_at_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7)",
                params![
                    entry.as_bytes(),
                    scope.as_str(),
                    actor.as_bytes(),
                    i64::try_from(change.seq).unwrap(),
                    change.hash.as_bytes(),
                    change.bytes,
                    now_ms
                ],
            )
            .unwrap();
    });
}

#[test]
fn a_forbidden_step_and_what_builds_on_it_leave_the_record_but_not_the_device() {
    let mut world = World::new(Seed::or(304));
    let (modified, other) = (world.enroll("u.fd01"), world.enroll("u.fd02"));
    let entry = world.take_call(modified, "咨询停车");
    world.settle();
    forge(&mut world, modified, entry, "close", "received");
    edit(&mut world, other, entry, &[("urgency", "urgent")]);
    world.settle();

    assert_eq!(status(&mut world, modified).refused_changes, 1);
    let kept = world.hub.refusals(10).unwrap();
    assert!(kept.iter().any(|run| run.document == entry && !run.bytes.is_empty()), "the branch sees it");
    // The person goes on with the record and with others.
    edit(&mut world, modified, entry, &[("content", "咨询停车月卡")]);
    let next = world.take_call(modified, "咨询装修");
    world.settle();
    check_settled(&mut world);
    for device in [modified, other] {
        let merged = model(&mut world, device, entry);
        assert_eq!(kinds(&merged), ["create"]);
        assert_eq!(
            (merged.texts["content"].as_str(), merged.text("field/urgency")),
            ("咨询停车月卡", Some("urgent"))
        );
        assert_eq!(kinds(&model(&mut world, device, next)), ["create"]);
    }

    let draft = world.replica(modified).drafts().unwrap().remove(0);
    assert_eq!(draft.refusal.code, "transition_not_allowed");
    let refused = world.attempt(modified, |replica, moment| replica.apply_draft(draft.id, moment));
    assert_eq!(refused.unwrap_err().code(), "transition_not_allowed");
    let file = world.replica(modified).export_draft(draft.id).unwrap();
    let file: serde_json::Value = serde_json::from_slice(&file).unwrap();
    assert_eq!(file["says"][0]["key"], "close");
    // The terminal does the same on the same file.
    let copy = world.dir().join("draft.json");
    world.closed(modified, |replica| {
        let listed = xunyuan(replica, &["drafts"]).good().json;
        assert_eq!(
            (&listed["count"], &listed["drafts"][0]["code"]),
            (&1.into(), &"transition_not_allowed".into())
        );
        let name: &str = &draft.id.to_string().chars().take(8).collect::<String>();
        let shown = xunyuan(replica, &["drafts", "show", name]).good().json;
        assert_eq!(shown["steps"][0]["title"]["en"], "Close");
        assert_eq!(xunyuan(replica, &["drafts", "apply", name]).code, Some(1));
        let _ = xunyuan(replica, &["drafts", "export", name, "-o", copy.to_str().unwrap()]).good();
        assert_eq!(xunyuan(replica, &["drafts", "discard", name]).code, Some(2), "only with --yes");
        assert_eq!(xunyuan(replica, &["drafts", "show", "ffffffff"]).code, Some(2));
    });
    let copied: serde_json::Value = serde_json::from_slice(&std::fs::read(copy).unwrap()).unwrap();
    assert_eq!(copied, file);
    world.act(modified, |replica, moment| replica.discard_draft(draft.id, moment));
    assert!(world.replica(modified).drafts().unwrap().is_empty());
    assert_eq!(world.replica(modified).discarded().unwrap()[0].changes, 1);
    assert!(world.hub.refusals(10).unwrap().iter().any(|run| run.document == entry), "the branch keeps it");
    check_always(&mut world);
}

#[test]
fn lost_work_that_a_restored_branch_does_not_take_back_is_a_draft_until_it_does() {
    let mut world = World::new(Seed::or(305));
    let (officer, other) = (world.enroll("u.pt01"), world.enroll("u.pt02"));
    let backup = world.dir().join("morning.sqlite3");
    world.hub.backup(&backup, |_| {}).unwrap();
    // A new version of the checklist, and work under it by two people; the branch forgets all three.
    world.publish(&[patrol_version_2()]);
    world.settle();
    let sheet =
        world.act(officer, |replica, moment| replica.start_inspection("tpl.park_patrol", PROJECT, moment));
    world.choose(officer, sheet, "pp.clean.01", "pass");
    world.settle();
    world.choose(other, sheet, "pp.clean.02", "pass");
    world.settle();
    world.restore(&backup);
    world.settle();

    for (device, author) in [(officer, "u.pt01"), (other, "u.pt01")] {
        let here = status(&mut world, device);
        assert_eq!((here.pending_changes, here.to_give_back), (0, 0), "nothing waits for ever");
        assert!(here.refused_changes >= 3, "{here:?}");
        let drafts = world.replica(device).drafts().unwrap();
        assert_eq!(drafts.len(), 1, "what builds on it belongs to it: {drafts:?}");
        assert_eq!((drafts[0].document, drafts[0].refusal.code.as_str()), (sheet, "unknown_definition"));
        assert_eq!(drafts[0].given_back_for.as_ref().map(|user| user.as_str()), Some(author));
        let view = world.replica(device).draft_view(drafts[0].id).unwrap();
        assert!(view.is_readable && view.steps.len() >= 3, "{view:?}");
        assert!(world.replica(device).record(sheet).is_err(), "shown without it");
    }
    let kept = world.hub.refusals(20).unwrap();
    let given = kept.iter().find(|run| run.document == sheet && run.author.is_some()).unwrap();
    assert!(!given.bytes.is_empty(), "the branch sees who wrote it and who gave it back");
    // What is written under the forgotten version meanwhile is a draft of its own.
    let next = world.start_patrol(other);
    world.settle();
    assert_eq!(status(&mut world, other).pending_changes, 0);
    assert_eq!(world.replica(other).drafts().unwrap().len(), 2);

    world.publish(&[patrol_version_2()]);
    world.settle();
    for draft in world.replica(other).drafts().unwrap() {
        let offered = world.act(other, |replica, moment| replica.apply_draft(draft.id, moment));
        assert_eq!(offered, if draft.given_back_for.is_some() { draft.changes } else { 1 });
    }
    assert!(world.replica(other).record(sheet).is_ok());
    world.settle();
    check_settled(&mut world);
    for device in [officer, other] {
        assert!(world.replica(device).drafts().unwrap().is_empty(), "what the branch has is no draft");
        let answered: u32 = world.sheet(device, sheet).sections.iter().map(|section| section.answered).sum();
        assert_eq!(answered, 2);
        assert!(world.replica(device).record(next).is_ok());
    }
    let signed = world.replica(other).export().unwrap().into_iter().find(|record| record.document == sheet);
    let users: BTreeSet<String> = signed.unwrap().runs.iter().map(|run| run.user.to_string()).collect();
    assert!(users.contains("u.pt01") && users.contains("u.pt02"), "each under the own name: {users:?}");
}
