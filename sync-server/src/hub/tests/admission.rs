//! What does not become a row of the log.

use super::*;
use xunyuan_core::wire::message::Directive;

fn code(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Rejected { refusal, .. } => &refusal.code,
        Verdict::Accepted { .. } | Verdict::Duplicate { .. } | Verdict::Parked { .. } => {
            panic!("not refused: {verdict:?}")
        }
    }
}

/// Pushes one run with its request's definitions and says the verdict.
fn push(hub: &Hub, phone: &Phone, run: PushedRun) -> (Verdict, Vec<Directive>) {
    let mut request = phone.request();
    request.definitions = vec![phone.documents[&run.document].definition().clone()];
    request.push = vec![run];
    let mut reply = phone.send(hub, &request);
    (reply.verdicts.remove(0), reply.directives)
}

#[test]
fn forged_signatures_and_people_are_refused() {
    let (_dir, hub) = branch();
    let mut one = Phone::enroll(&hub, "u.pt01", 1);
    let sheet = one.open_sheet(&hub, 9);
    let changes = one.unsigned[&sheet].clone();
    let good = one.sign(sheet, &changes, 0);
    let mut flipped = good.clone();
    flipped.run.signature[3] ^= 1;
    assert_eq!(code(&push(&hub, &one, flipped).0), "signature_invalid");
    // Signed for another person.
    let mut other = good.clone();
    let user = UserId::new("u.pt02");
    let signed = run::signing_bytes(&other.scope, &sheet, &one.actor, &user, &other.run.last_hash);
    other.run.signature = one.key.sign(&signed);
    assert_eq!(code(&push(&hub, &one, other).0), "signature_invalid");
    // Signed rightly, but the values name another person.
    let second = one.open_sheet(&hub, 8);
    let forged = Edit::Put {
        key: "item/pp.green.01".to_owned(),
        stamped: Stamped { value: Value::Text("pass".to_owned()), by: user, at_ms: NINE },
    };
    one.edit(second, &[forged]);
    let forged = one.sign(second, &one.unsigned[&second].clone(), 0);
    let (verdict, _) = push(&hub, &one, forged);
    assert_eq!(code(&verdict), "foreign_author");
    assert!(matches!(verdict, Verdict::Rejected { from_change: 1, .. }));
    assert_eq!(hub.stats().unwrap().documents, 0);
    let refused = hub.refusals(10).unwrap();
    assert_eq!(refused.len(), 2, "the same answer to the same run is counted, not listed twice");
    assert_eq!(refused[1].times, 2);
    assert!(!refused[0].bytes.is_empty());
    assert_eq!(push(&hub, &one, good).0, Verdict::Accepted { seq: 1 });
}

#[test]
fn an_actor_belongs_to_its_first_device() {
    let (_dir, hub) = branch();
    let mut one = Phone::enroll(&hub, "u.pt01", 1);
    let mut two = Phone::enroll(&hub, "u.pt02", 2);
    let sheet = one.open_sheet(&hub, 9);
    one.sync_all(&hub);
    two.sync_all(&hub);
    two.actor = one.actor;
    two.answer(sheet, "pp.green.01", "pass");
    let stolen = two.sign(sheet, &two.unsigned[&sheet].clone(), 0);
    let (verdict, directives) = push(&hub, &two, stolen);
    assert_eq!(code(&verdict), "actor_not_yours");
    assert_eq!(directives, [Directive::NewActor { document: sheet }]);
}

#[test]
fn a_copied_phone_is_told_to_take_a_new_actor() {
    let (_dir, hub) = branch();
    let mut one = Phone::enroll(&hub, "u.pt01", 1);
    let sheet = one.open_sheet(&hub, 9);
    one.sync_all(&hub);
    let copy = one.documents[&sheet].clone();
    one.answer(sheet, "pp.green.01", "pass");
    one.sync_all(&hub);
    one.documents.insert(sheet, copy);
    one.answer(sheet, "pp.green.01", "fail");
    let forked = one.sign(sheet, &one.unsigned[&sheet].clone(), 0);
    let (verdict, directives) = push(&hub, &one, forked);
    assert_eq!(code(&verdict), "actor_forked");
    assert_eq!(directives, [Directive::NewActor { document: sheet }]);
    one.actor = ActorId([77; 16]);
    one.unsigned.clear();
    one.answer(sheet, "pp.green.01", "fail");
    let forked = one.sign(sheet, &one.unsigned[&sheet].clone(), 0);
    let missing = push(&hub, &one, forked).0;
    assert!(matches!(missing, Verdict::Parked { .. }), "it builds on the refused change: {missing:?}");
}

#[test]
fn runs_without_their_predecessors_wait_and_block_nothing() {
    let (_dir, hub) = branch();
    let mut one = Phone::enroll(&hub, "u.pt01", 1);
    let sheet = one.open_sheet(&hub, 9);
    one.answer(sheet, "pp.green.01", "pass");
    one.answer(sheet, "pp.green.02", "pass");
    let changes = one.unsigned[&sheet].clone();
    let last = one.sign(sheet, &changes[2..], 0);
    let (verdict, _) = push(&hub, &one, last.clone());
    assert_eq!(verdict, Verdict::Parked { missing: vec![changes[1].hash] });
    let mut request = one.request();
    let first = one.sign(sheet, &changes[..2], 0);
    request.push = vec![last.clone(), first, last];
    let reply = one.send(&hub, &request);
    assert_eq!(reply.verdicts[1..], [Verdict::Accepted { seq: 1 }, Verdict::Accepted { seq: 2 }]);
    assert!(matches!(reply.verdicts[0], Verdict::Parked { .. }));
}

#[test]
fn a_refused_change_lets_the_ones_before_it_pass_alone() {
    let (_dir, hub) = branch();
    let mut one = Phone::enroll(&hub, "u.pt01", 1);
    let sheet = one.open_sheet(&hub, 9);
    one.answer(sheet, "pp.green.01", "pass");
    one.answer(sheet, "pp.none.99", "pass");
    one.answer(sheet, "pp.green.02", "pass");
    let changes = one.unsigned[&sheet].clone();
    let all = one.sign(sheet, &changes, 0);
    let (verdict, _) = push(&hub, &one, all);
    assert!(matches!(&verdict, Verdict::Rejected { from_change: 2, .. }), "{verdict:?}");
    assert_eq!(hub.stats().unwrap().documents, 0);
    let alone = one.sign(sheet, &changes[..2], 0);
    assert_eq!(push(&hub, &one, alone).0, Verdict::Accepted { seq: 1 });
}

#[test]
fn scopes_and_definitions_are_for_ever() {
    let (_dir, hub) = branch();
    let mut one = Phone::enroll(&hub, "u.pt01", 1);
    let sheet = one.open_sheet(&hub, 9);
    let changes = one.unsigned[&sheet].clone();
    let mut run = one.sign(sheet, &changes, 0);
    run.scope = ScopeId::new(DESK);
    assert_eq!(code(&push(&hub, &one, run.clone()).0), "scope_not_granted");
    run.scope = ScopeId::new("pj.xiyuan/patrol");
    assert_eq!(code(&push(&hub, &one, run).0), "scope_not_granted");
    let mut auditor = Phone::enroll(&hub, "u.aud01", 2);
    let everywhere = hub.grants(&UserId::new("u.aud01")).unwrap();
    one.sync_all(&hub);
    auditor.sync_all(&hub);
    let other = everywhere.iter().find(|scope| !scope.as_str().ends_with("patrol")).unwrap().clone();
    auditor.documents.insert(sheet, one.documents[&sheet].clone());
    auditor.scopes.insert(sheet, other);
    auditor.answer(sheet, "pp.green.01", "pass");
    let moved = auditor.sign(sheet, &auditor.unsigned[&sheet].clone(), 0);
    assert_eq!(code(&push(&hub, &auditor, moved).0), "document_elsewhere");
    let mut request = one.request();
    request.definitions.clear();
    let another = one.open_sheet(&hub, 8);
    let unknown = one.sign(another, &one.unsigned[&another].clone(), 5);
    request.push = vec![unknown];
    assert_eq!(code(&one.send(&hub, &request).verdicts[0]), "unknown_definition");
}

#[test]
fn damaged_runs_are_refused_one_by_one() {
    let (_dir, hub) = branch();
    let mut one = Phone::enroll(&hub, "u.pt01", 1);
    let sheet = one.open_sheet(&hub, 9);
    one.answer(sheet, "pp.green.01", "pass");
    let changes = one.unsigned[&sheet].clone();
    let good = one.sign(sheet, &changes, 0);
    let mut request = one.request();
    request.push.clear();
    for at in 0..good.run.changes.len() {
        let mut bad = good.clone();
        bad.run.changes[at] ^= 0x11;
        request.push.push(bad);
    }
    request.push.push(good);
    let mut reply = one.send(&hub, &request);
    assert_eq!(reply.verdicts.pop(), Some(Verdict::Accepted { seq: 1 }));
    assert!(reply.verdicts.iter().all(|verdict| ["malformed", "hash_mismatch"].contains(&code(verdict))));
}

#[test]
fn a_revoked_device_writes_nothing_and_is_wiped() {
    let (_dir, hub) = branch();
    let mut one = Phone::enroll(&hub, "u.pt01", 1);
    let sheet = one.open_sheet(&hub, 9);
    hub.revoke(one.device.id, NINE).unwrap();
    let run = one.sign(sheet, &one.unsigned[&sheet].clone(), 0);
    let (verdict, directives) = push(&hub, &one, run);
    assert_eq!(code(&verdict), "device_revoked");
    assert!(!hub.refusals(1).unwrap()[0].bytes.is_empty(), "the branch keeps what it refused");
    assert!(matches!(directives[..], [Directive::Wipe { .. }]));
    assert!(matches!(hub.authenticate(&one.token), Err(crate::hub::AuthFailure::Revoked(_))));
}
