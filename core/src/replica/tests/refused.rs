//! What builds on refused work belongs to its draft, whatever author id it was written under.

use super::branch::Branch;
use super::*;

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
