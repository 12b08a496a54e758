//! No statement that a reconnection or an action runs reads through a table that grows with what the
//! device holds.

use rusqlite::trace::{TraceEvent, TraceEventCodes};
use std::cell::RefCell;
use std::collections::BTreeSet;

use super::branch::Branch;
use super::*;

/// Tables that grow with the records on the device; the outbox grows with what waits alone.
const GROWING: [&str; 9] = [
    "record",
    "stub",
    "document",
    "outbox",
    "projected",
    "projected_person",
    "projected_history",
    "projected_file",
    "file",
];
/// Indexes that hold nothing but what waits.
const SMALL: [&str; 9] = [
    "document_waiting",
    "document_wanted",
    "record_former",
    "record_lost",
    "outbox_pending",
    "outbox_refused",
    "outbox_forked",
    "file_waiting",
    "file_wanted",
];

thread_local! {
    static RUN: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

fn note(event: TraceEvent<'_>) {
    if let TraceEvent::Stmt(_, sql) = event {
        RUN.with_borrow_mut(|run| run.insert(sql.to_owned()));
    }
}

#[test]
fn reconnecting_and_acting_read_through_no_growing_table() {
    let mut branch = Branch::new();
    let mut one = Device::of_branch("u.pt01", "plans-1", &branch);
    let mut two = Device::of_branch("u.pt02", "plans-2", &branch);
    for device in [&mut one, &mut two] {
        device.replica.store.watched().trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(note)).unwrap();
    }
    let now = one.now();
    let sheet = one.replica.start_inspection("tpl.park_patrol", "pj.lanyuan", &now).unwrap();
    let finding = one.replica.answer(sheet, "pp.green.02", failing("南门香樟断枝"), &now).unwrap().raised[0];
    assert_eq!(one.exchange(&mut branch).acknowledged, 3);
    assert!(two.exchange(&mut branch).touched.contains(&sheet));
    let now = two.now();
    two.replica.answer(sheet, "pp.green.03", failing("草坪裸露"), &now).unwrap();
    assert_eq!(two.exchange(&mut branch).acknowledged, 2);
    assert!(!one.exchange(&mut branch).touched.is_empty());
    assert_eq!(one.exchange(&mut branch), Progress::default());
    for device in [&one.replica, &two.replica] {
        assert_eq!(device.status().unwrap().pending_changes, 0);
        assert_eq!(device.list(&Filter::default()).unwrap().len(), 3);
        assert_eq!(device.search("香樟断枝", 5).unwrap().len(), 2);
        assert!(!device.history(finding).unwrap().is_empty());
        assert!(device.conflicts().unwrap().is_empty());
    }
    let run = RUN.take();
    assert!(run.len() > 40, "the statements were seen: {}", run.len());
    let connection = one.replica.store.reader();
    // Rows are counted once after a store was opened: a lost one is missed by nothing else.
    let is_counting = |sql: &str| sql.contains("cursor != (SELECT count(*)");
    for sql in run.iter().filter(|sql| !sql.starts_with("--") && !is_counting(sql)) {
        for step in plan(connection, sql) {
            assert!(!reads_through(&step), "{step}\nis how this runs:\n{sql}");
        }
    }
}

fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let Ok(mut plan) = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")) else { return Vec::new() };
    let mut steps = plan.raw_query();
    let mut found = Vec::new();
    while let Some(step) = steps.next().unwrap() {
        found.push(step.get(3).unwrap());
    }
    found
}

/// True for a step like `SCAN record`, `SCAN p USING INDEX projected_by_scope`, or `SEARCH record USING INDEX i
/// (scope=?)`, which walks a whole scope; the first page of a list is read along its index and no further.
fn reads_through(step: &str) -> bool {
    let whole_scope = step.strip_prefix("SEARCH ").and_then(|rest| rest.strip_suffix(" (scope=?)"));
    let Some(rest) = step.strip_prefix("SCAN ").or(whole_scope) else { return false };
    let table = rest.split(' ').next().unwrap_or_default();
    let is_growing = GROWING.contains(&table) || ["p", "n", "h", "b"].contains(&table);
    let is_first_page = step == "SCAN p USING COVERING INDEX projected_by_listing";
    is_growing && !is_first_page && !SMALL.iter().any(|index| rest.ends_with(index))
}
