//! Verdicts that change what the device holds: what builds on refused work belongs to its draft, whatever author id it
//! was written under; what must be written under another one, or was forgotten, is offered again.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::branch::Branch;
use super::*;
use crate::store::Durability;

#[test]
fn what_builds_on_refused_work_under_another_author_id_leaves_the_record_with_it() {
    let mut branch = Branch::new();
    let mut device = Device::of_branch("u.pt01", "builds-on", &branch);
    let now = device.now();
    let sheet = device.replica.start_inspection("tpl.park_patrol", "pj.lanyuan", &now).unwrap();
    // The branch ordered a new author id meanwhile: the next answer begins a run of its own.
    device.replica.store.write(|connection| documents::set_actor(connection, sheet, None)).unwrap();
    let now = device.now();
    let passing = Answer { value: Some(text("pass")), ..Answer::default() };
    device.replica.answer(sheet, "pp.green.02", passing, &now).unwrap();
    branch.refused.insert(sheet);
    let progress = device.exchange_refused(&mut branch);
    assert_eq!((progress.refused.len(), progress.parked), (1, 1), "{progress:?}");

    let status = device.replica.status().unwrap();
    assert_eq!((status.pending_changes, status.refused_changes), (0, 2), "nothing of it is offered again");
    assert!(device.replica.list(&Filter::default()).unwrap().is_empty(), "no row shows what was refused");
    let drafts = device.replica.drafts().unwrap();
    assert_eq!((drafts.len(), drafts[0].changes), (1, 2), "one draft: {drafts:?}");
    assert_eq!(drafts[0].refusal.code, "role_not_allowed");
}

#[test]
fn work_under_an_author_id_that_must_be_left_is_made_again_where_nothing_takes_its_place() {
    let mut branch = Branch::new();
    let mut device = Device::of_branch("u.pt01", "left", &branch);
    let now = device.now();
    let sheet = device.replica.start_inspection("tpl.park_patrol", "pj.lanyuan", &now).unwrap();
    let now = device.now();
    let passing = Answer { value: Some(text("pass")), ..Answer::default() };
    device.replica.answer(sheet, "pp.green.02", passing, &now).unwrap();
    let before = device.replica.model(sheet).unwrap();
    branch.forked.insert(sheet);
    let progress = device.exchange_refused(&mut branch);
    assert_eq!((progress.renewed, progress.refused.len()), (2, 0), "nothing is put before the person");

    branch.forked.clear();
    assert_eq!(device.exchange(&mut branch).acknowledged, 2);
    assert_eq!(device.replica.status().unwrap().pending_changes, 0);
    assert_eq!(device.replica.model(sheet).unwrap().registers, before.registers, "it says the same");
}

#[test]
fn accepted_work_that_no_page_has_brought_yet_is_offered_again_to_a_branch_that_forgot_it() {
    let mut branch = Branch::new();
    let mut device = Device::of_branch("u.pt01", "forgot", &branch);
    let now = device.now();
    let sheet = device.replica.start_inspection("tpl.park_patrol", "pj.lanyuan", &now).unwrap();
    // The answer said yes, and its page ended before this row.
    let written = outbox::unaccepted(device.replica.store.reader(), sheet).unwrap();
    device.replica.store.write(|connection| outbox::set_logged(connection, written[0].hash, 7)).unwrap();
    assert_eq!(device.replica.status().unwrap().pending_changes, 0);

    let scope = ScopeId::of("pj.lanyuan", "patrol");
    device.replica.reset_scope(&scope, None, &mut Progress::default()).unwrap();
    assert_eq!(device.replica.status().unwrap().pending_changes, 1);
    assert_eq!(device.exchange(&mut branch).acknowledged, 1);
}

#[test]
fn an_answer_that_cannot_be_taken_to_its_end_is_not_taken_at_all() {
    let mut device = Device::of("u.pt01", "half");
    let now = device.now();
    let sheet = device.replica.start_inspection("tpl.park_patrol", "pj.lanyuan", &now).unwrap();
    let written = outbox::unaccepted(device.replica.store.reader(), sheet).unwrap();
    let take = |replica: &mut Replica| {
        replica.store.write(|connection| outbox::set_logged(connection, written[0].hash, 7)).unwrap();
        assert_eq!(replica.status().unwrap().pending_changes, 0);
    };
    let failed = Store::together(&mut device.replica, Durability::OnDisk, |replica| {
        take(replica);
        Err::<(), Error>(missing())
    });
    assert_eq!(failed.unwrap_err().kind(), missing().kind());
    assert_eq!(device.replica.status().unwrap().pending_changes, 1, "after an error");
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        Store::together(&mut device.replica, Durability::OnDisk, |replica| -> Result<(), Error> {
            take(replica);
            panic!("half way")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(device.replica.status().unwrap().pending_changes, 1, "after a panic");
}

#[test]
fn what_is_written_while_an_answer_is_under_way_waits_for_its_own() {
    let mut branch = Branch::new();
    let mut device = Device::of_branch("u.pt01", "under-way", &branch);
    let now = device.now();
    let sheet = device.replica.start_inspection("tpl.park_patrol", "pj.lanyuan", &now).unwrap();
    let sent = outbox::unaccepted(device.replica.store.reader(), sheet).unwrap();
    let now = device.now();
    let passing = Answer { value: Some(text("pass")), ..Answer::default() };
    device.replica.answer(sheet, "pp.green.02", passing, &now).unwrap();
    // The answer that comes is for what was sent, and its page ended before this row.
    device.replica.store.write(|connection| outbox::set_logged(connection, sent[0].hash, 7)).unwrap();
    assert_eq!(device.replica.status().unwrap().pending_changes, 1);
    assert_eq!(device.exchange(&mut branch).acknowledged, 1);
}

#[test]
fn a_withdrawn_scope_leaves_only_when_nothing_of_it_waits() {
    let mut branch = Branch::new();
    let mut device = Device::of_branch("u.pt01", "waits", &branch);
    let now = device.now();
    device.replica.start_inspection("tpl.park_patrol", "pj.lanyuan", &now).unwrap();
    assert_eq!(device.exchange(&mut branch).acknowledged, 1);
    let now = device.now();
    let unsent = device.replica.start_inspection("tpl.park_patrol", "pj.lanyuan", &now).unwrap();
    device.replica.take_grants(&[ScopeId::of("pj.lanyuan", "finding")]).unwrap();
    let mut progress = Progress::default();
    device.replica.leave_withdrawn(&mut progress).unwrap();
    assert_eq!(progress.left, []);
    assert_eq!(device.replica.status().unwrap().pending_changes, 1, "it is still to be offered");
    assert_eq!(device.replica.list(&Filter::default()).unwrap().len(), 2);

    refuse(&mut device, unsent, 0);
    device.replica.leave_withdrawn(&mut progress).unwrap();
    assert_eq!(progress.left, [ScopeId::of("pj.lanyuan", "patrol")]);
    assert!(device.replica.list(&Filter::default()).unwrap().is_empty());
    assert_eq!(device.replica.drafts().unwrap()[0].changes, 1);
}
