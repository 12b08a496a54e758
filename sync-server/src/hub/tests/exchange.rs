//! Push, pull and what both ends can prove.

use super::*;
use xunyuan_core::error::ErrorKind;
use xunyuan_core::wire::message::{Directive, Head};

use crate::hub::ExchangeFailure;

fn exchange_error(hub: &Hub, phone: &Phone, body: &[u8]) -> ExchangeFailure {
    hub.exchange(&phone.device, body, NINE).unwrap_err()
}

#[test]
fn two_phones_end_with_equal_documents_chains_and_digests() {
    let (_dir, hub) = branch();
    let mut one = Phone::enroll(&hub, "u.pt01", 1);
    let mut two = Phone::enroll(&hub, "u.pt02", 2);
    // Both open the same sheet without signal, answer different items and one item differently.
    let sheet = one.open_sheet(&hub, 9);
    two.open_sheet(&hub, 9);
    one.answer(sheet, "pp.green.01", "pass");
    one.answer(sheet, "pp.green.02", "pass");
    two.answer(sheet, "pp.green.02", "fail");
    two.answer(sheet, "pp.green.03", "pass");
    one.sync_all(&hub);
    two.sync_all(&hub);
    one.sync_all(&hub);
    assert_eq!(one.standing, two.standing);
    let model = one.documents[&sheet].model().unwrap();
    assert_eq!(model, two.documents[&sheet].model().unwrap());
    assert!(model.register("item/pp.green.02").unwrap().clashes());
    // A later answer on top of both, and everyone has it after one more round.
    two.answer(sheet, "pp.green.01", "fail");
    two.sync_all(&hub);
    one.sync_all(&hub);
    assert_eq!(one.standing, two.standing);
    assert_eq!(one.documents[&sheet].heads(), two.documents[&sheet].heads());
    let report = hub.verify(|_| ()).unwrap();
    assert_eq!(report.first_bad, None);
    assert_eq!((report.documents, report.signatures), (1, 3));
}

#[test]
fn entries_get_official_numbers_and_late_edits_are_noted() {
    let (_dir, hub) = branch();
    let mut desk = Phone::enroll(&hub, "u.fd01", 1);
    let mut lead = Phone::enroll(&hub, "u.csl01", 2);
    let entry = desk.open_entry(&hub, 5);
    desk.sync_all(&hub);
    let model = desk.documents[&entry].model().unwrap();
    assert_eq!(model.text("field/no"), Some("QT-LY-20261123-0001"));
    assert_eq!(model.register("field/no").unwrap().winner.by.as_str(), "sys.server");
    let second = desk.open_entry(&hub, 6);
    desk.sync_all(&hub);
    assert_eq!(desk.documents[&second].model().unwrap().text("field/no"), Some("QT-LY-20261123-0002"));

    lead.sync_all(&hub);
    let Edit::Event(mut cancel) = lead.event(entry, "cancel", "received") else { unreachable!() };
    cancel.data.insert("reason".to_owned(), Value::Text("重复登记".to_owned()));
    lead.edit(entry, &[Edit::Event(cancel)]);
    lead.sync_all(&hub);
    let late = desk.put("field/urgency", Value::Text("urgent".to_owned()));
    desk.edit(entry, &[late]);
    desk.sync_all(&hub);
    lead.sync_all(&hub);
    assert_eq!(desk.standing[&ScopeId::new(DESK)], lead.standing[&ScopeId::new(DESK)]);
    let model = lead.documents[&entry].model().unwrap();
    let noted = model.events.iter().find(|event| event.kind == "late_edit").unwrap();
    assert_eq!(noted.by.as_str(), "sys.server");
    assert_eq!(hub.verify(|_| ()).unwrap().first_bad, None);
}

#[test]
fn a_small_page_gets_everyone_on_record_by_record() {
    let (_dir, hub) = branch();
    let mut one = Phone::enroll(&hub, "u.pt01", 1);
    let sheet = one.open_sheet(&hub, 9);
    for round in 0..5 {
        one.answer(sheet, "pp.green.01", if round % 2 == 0 { "pass" } else { "fail" });
        one.sync_all(&hub);
    }
    let mut two = Phone::enroll(&hub, "u.pt02", 2);
    two.max_bytes = 1;
    two.sync_all(&hub);
    assert_eq!(one.standing, two.standing);
    assert_eq!(one.documents[&sheet].heads(), two.documents[&sheet].heads());
}

#[test]
fn a_fresh_device_gets_its_records_grouped_by_document() {
    let (_dir, hub) = branch();
    let mut one = Phone::enroll(&hub, "u.pt01", 1);
    for number in [3, 2, 3, 1, 2] {
        let sheet = DocumentId([number; 16]);
        if one.documents.contains_key(&sheet) {
            one.answer(sheet, "pp.green.01", "pass");
        } else {
            one.open_sheet(&hub, number);
        }
        one.sync_all(&hub);
    }
    let mut two = Phone::enroll(&hub, "u.pt02", 2);
    let reply = two.sync(&hub);
    assert_eq!(one.standing, two.standing);
    let page = reply.scopes.iter().find(|scope| scope.scope.as_str() == PATROL).unwrap();
    let order: Vec<u8> = page.records.iter().map(|record| record.document.0[0]).collect();
    assert_eq!(order, [3, 3, 2, 2, 1]);
}

#[test]
fn a_lost_reply_is_harmless_and_loads_no_document() {
    let (_dir, hub) = branch();
    let mut one = Phone::enroll(&hub, "u.pt01", 1);
    let sheet = one.open_sheet(&hub, 9);
    one.answer(sheet, "pp.green.01", "pass");
    let request = one.request();
    let first = one.send(&hub, &request);
    assert_eq!(first.verdicts, [Verdict::Accepted { seq: 1 }]);
    hub.close().unwrap();
    let hub = open(&_dir);
    let again = one.send(&hub, &request);
    assert_eq!(again.verdicts, [Verdict::Duplicate { seq: 1 }]);
    assert_eq!(hub.stats().unwrap().documents_in_memory, 0);
    one.sync_all(&hub);
    // A run that is known in part is logged from its first new change.
    one.unsigned.insert(sheet, Vec::new());
    let known = one.answer(sheet, "pp.green.02", "pass");
    one.sync_all(&hub);
    let fresh = one.answer(sheet, "pp.green.03", "pass");
    one.unsigned.insert(sheet, vec![known, fresh]);
    let reply = one.sync(&hub);
    assert_eq!(reply.verdicts, [Verdict::Accepted { seq: 3 }]);
    assert_eq!(one.standing[&ScopeId::new(PATROL)].digest.count, 4);
    assert_eq!(hub.verify(|_| ()).unwrap().first_bad, None);
}

#[test]
fn an_idle_exchange_writes_nothing_but_is_seen() {
    let (_dir, hub) = branch();
    let mut one = Phone::enroll(&hub, "u.pt01", 1);
    one.sync_all(&hub);
    let before = hub.stats().unwrap().writes;
    one.sync(&hub);
    assert_eq!(hub.stats().unwrap().writes, before);
    let status = hub.devices().unwrap().remove(0);
    assert_eq!((status.last_seen_ms, status.skew_ms), (Some(NINE), 1_000));
    assert_eq!((status.health.pending_changes, status.health.conflicts), (3, 1));
    hub.close().unwrap();
    let status = open(&_dir).devices().unwrap().remove(0);
    assert_eq!(status.last_seen_ms, Some(NINE));
}

#[test]
fn nothing_outside_the_grants_leaves() {
    let (_dir, hub) = branch();
    let mut desk = Phone::enroll(&hub, "u.fd01", 1);
    desk.open_entry(&hub, 5);
    desk.sync_all(&hub);
    let mut patrol = Phone::enroll(&hub, "u.pt01", 2);
    assert!(!patrol.standing.contains_key(&ScopeId::new(DESK)));
    patrol.standing.insert(ScopeId::new(DESK), Standing::default());
    let reply = patrol.send(&hub, &patrol.request());
    assert!(reply.scopes.iter().all(|scope| scope.scope.as_str() != DESK));
    assert_eq!(reply.grants, Some(hub.grants(&UserId::new("u.pt01")).unwrap()), "the device is told");
}

#[test]
fn a_cursor_of_another_log_is_reset() {
    let (_dir, hub) = branch();
    let mut one = Phone::enroll(&hub, "u.pt01", 1);
    one.open_sheet(&hub, 9);
    one.sync_all(&hub);
    let scope = ScopeId::new(PATROL);
    let good = one.standing[&scope].clone();
    let bad = [
        Standing { epoch: good.epoch + 1, ..good.clone() },
        Standing { cursor: good.cursor + 1, ..good.clone() },
        Standing { chain: Chain([7; 32]), ..good.clone() },
    ];
    for standing in bad {
        one.standing.insert(scope.clone(), standing);
        let reply = one.send(&hub, &one.request());
        let [Directive::ResetScope { scope: reset, .. }] = reply.directives.as_slice() else { panic!() };
        assert_eq!(*reset, scope);
        assert!(reply.scopes.iter().all(|other| other.scope != scope));
    }
    one.standing.insert(scope.clone(), Standing { epoch: 77, ..Standing::default() });
    let mut request = one.request();
    request.scopes.iter_mut().for_each(|scope| scope.full = true);
    let reply = one.send(&hub, &request);
    let back = reply.scopes.iter().find(|other| other.scope == scope).unwrap();
    assert!(matches!(back.records[0].body, Body::Run(_)), "a lost store gets its own work back");
}

#[test]
fn bodies_that_are_no_request_are_told_apart() {
    let (_dir, hub) = branch();
    let one = Phone::enroll(&hub, "u.pt01", 1);
    let error = exchange_error(&hub, &one, b"nonsense");
    assert!(matches!(&error, ExchangeFailure::Malformed(error) if error.kind() == ErrorKind::Protocol));
    assert!(matches!(exchange_error(&hub, &one, &vec![0; (4 << 20) + 1]), ExchangeFailure::TooLarge));
    let mut request = one.request();
    request.app = "x".repeat(5 << 20);
    assert!(matches!(exchange_error(&hub, &one, &frame::encode(&request)), ExchangeFailure::TooLarge));
    let mut request = one.request();
    request.protocol = 9;
    let error = exchange_error(&hub, &one, &frame::encode(&request));
    assert!(matches!(error, ExchangeFailure::UnsupportedVersion { asked: 9 }));
    let mut request = one.request();
    request.scopes = vec![request.scopes[0].clone(); 65];
    assert!(matches!(exchange_error(&hub, &one, &frame::encode(&request)), ExchangeFailure::Malformed(_)));
}

#[test]
fn listeners_hear_of_growing_logs_after_the_commit() {
    let (_dir, hub) = branch();
    let mut one = Phone::enroll(&hub, "u.pt01", 1);
    let mut pokes = hub.subscribe();
    one.open_sheet(&hub, 9);
    one.sync_all(&hub);
    let poke = pokes.try_recv().unwrap();
    assert_eq!((poke.scope.as_str(), poke.seq), (PATROL, 1));
    assert!(pokes.try_recv().is_err());
}

#[test]
fn a_head_that_the_device_holds_is_not_repeated() {
    let (_dir, hub) = branch();
    let mut one = Phone::enroll(&hub, "u.pt01", 1);
    one.open_sheet(&hub, 9);
    one.sync_all(&hub);
    one.sync_all(&hub);
    let heads = |request: &Request| -> Vec<Option<Head>> {
        one.send(&hub, request).scopes.into_iter().map(|scope| scope.head).collect()
    };
    let plain = one.request();
    let known = heads(&plain);
    assert!(known.iter().all(|head| head.as_ref().is_some_and(|head| *head != Head::HELD)));
    let mut held = plain.clone();
    for scope in &mut held.scopes {
        scope.held = Some(one.standing[&scope.scope].digest.tag());
    }
    assert!(heads(&held).iter().all(|head| *head == Some(Head::HELD)));
    held.scopes.iter_mut().for_each(|scope| scope.held = scope.held.map(|tag| tag ^ 1));
    assert_eq!(heads(&held), known, "another digest");
}
