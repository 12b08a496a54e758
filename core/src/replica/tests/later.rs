//! A long catch-up: stored and proven first, its rows in steps, whatever happens between two of them.

use super::branch::Branch;
use super::*;

/// More than are written with the answer, and more than one step.
const RECORDS: u32 = 230;
const STEP: u32 = 200;

#[test]
fn rows_of_a_long_catch_up_come_newest_first_and_survive_being_killed() {
    let mut branch = Branch::new();
    let mut one = Device::of_branch("u.pt01", "later-1", &branch);
    let mut sheets = Vec::new();
    for number in 0..RECORDS {
        let entropy = [u8::try_from(number).unwrap(); 32];
        let moment = Moment { unix_ms: NOW_MS + i64::from(number), utc_offset_min: 480, entropy };
        sheets.push(one.replica.start_inspection("tpl.park_patrol", "pj.lanyuan", &moment).unwrap());
    }
    assert_eq!(one.exchange(&mut branch).acknowledged, RECORDS);
    let mut two = Device::of_branch("u.pt02", "later-2", &branch);
    assert_eq!(two.exchange(&mut branch).touched.len(), sheets.len());
    let scope = ScopeId::of("pj.lanyuan", "patrol");
    let standing = |device: &Device| {
        let status = device.replica.status().unwrap();
        assert!(status.scopes.iter().find(|row| row.scope == scope).unwrap().proven_at_ms.is_some());
        status.unprojected
    };
    assert_eq!(standing(&two), RECORDS, "everything is here and proven before any row is");
    assert_eq!(two.replica.poll_timeout(), Some(0), "and there is something to do at once");

    let mut two = two.reopened();
    assert_eq!(standing(&two), RECORDS);
    assert!(two.replica.write_rows().unwrap());
    assert_eq!(standing(&two), RECORDS - STEP);
    let everything = Filter { limit: Some(1_000), ..Filter::default() };
    let listed: Vec<DocumentId> =
        two.replica.list(&everything).unwrap().into_iter().map(|row| row.document).collect();
    let newest: Vec<DocumentId> = sheets.iter().rev().take(STEP as usize).copied().collect();
    assert_eq!(listed, newest, "the newest first");
    let oldest = sheets[0];
    assert_eq!(two.replica.record(oldest).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(two.replica.inspection(oldest).is_ok(), "what has no row yet can be opened all the same");
    two.replica.answer(oldest, "pp.green.03", failing("草坪裸露"), &one.now()).unwrap();
    assert_eq!(standing(&two), RECORDS - STEP - 1, "work on it writes its rows");

    let mut two = two.reopened();
    let now = two.now();
    two.replica.exchange.sent(crate::exchange::Asked::default());
    two.replica.exchange.answered();
    while two.replica.poll_timeout() == Some(0) {
        assert_eq!(two.replica.poll_request(&now).unwrap(), None);
    }
    assert_eq!(standing(&two), 0);
    two.exchange(&mut branch);
    one.exchange(&mut branch);
    assert_eq!(one.replica.fingerprint(&scope).unwrap(), two.replica.fingerprint(&scope).unwrap());
}
