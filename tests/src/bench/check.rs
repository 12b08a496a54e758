//! CHECK: what it costs to make sure that a foreign change fits its document, beside what Automerge itself
//! costs to parse and apply it. One thread, no files, no server.

use std::time::Instant;

use automerge::Change;
use xunyuan_core::document::model::{Edit, Stamped, Value};
use xunyuan_core::document::{Document, RawChange};
use xunyuan_core::id::{ActorId, ContentHash, DefinitionRef, DocumentId, UserId};

use super::stage::ms_since;
use super::table::{Line, Table, count};
use crate::oracle::genesis;

/// Changes of a record, each one answer.
const CHANGES: usize = 31;
/// What the check of a map change may cost, microseconds.
const CHECK_US_MAX: f64 = 25.0;

/// Measures the check over `records` records: as the runs that devices push, and change by change.
pub(super) fn measure(table: &mut Table, records: usize) {
    let definition = DefinitionRef { id: "tpl.check".to_owned(), version: 1, hash: ContentHash([7; 32]) };
    let all: Vec<Vec<Vec<u8>>> = (0..records).map(|number| written(number, &definition)).collect();
    let (mut parse_ms, mut run_ms, mut single_ms, mut apply_ms) = (0.0, 0.0, 0.0, 0.0);
    let (mut bare_parse_ms, mut bare_apply_ms) = (0.0, 0.0);
    for (number, record) in all.iter().enumerate() {
        let mut document = Document::new(id(number), &definition, &[]);
        let began = Instant::now();
        let changes: Vec<RawChange> = record
            .iter()
            .map(|bytes| RawChange::parse(bytes.clone()).expect("an honest change parses"))
            .collect();
        parse_ms += ms_since(began);
        let began = Instant::now();
        let said = document.examine(&changes).expect("an honest run fits");
        run_ms += ms_since(began);
        assert_eq!(said.len(), changes.len());
        let mut single = document.clone();
        for change in &changes {
            let change = std::slice::from_ref(change);
            let began = Instant::now();
            single.examine(change).expect("an honest change fits");
            single_ms += ms_since(began);
            single.apply(change).expect("an honest change applies");
        }
        let began = Instant::now();
        document.apply(&changes).expect("an honest run applies");
        apply_ms += ms_since(began);

        let mut bare = genesis(id(number), &definition, &[]);
        let began = Instant::now();
        let changes: Vec<Change> =
            record.iter().map(|bytes| Change::from_bytes(bytes.clone()).expect("it parses")).collect();
        bare_parse_ms += ms_since(began);
        let began = Instant::now();
        bare.apply_changes(changes).expect("it applies");
        bare_apply_ms += ms_since(began);
    }
    let each_us = |ms: f64| ms * 1e3 / count(records * CHANGES);
    let (run_us, single_us) = (each_us(run_ms), each_us(single_ms));
    table.add(
        Line::new(format!("CHECK of {} map changes", records * CHANGES))
            .with("check in a run µs", run_us)
            .with("check alone µs", single_us)
            .with("parse µs", each_us(parse_ms))
            .with("apply µs", each_us(apply_ms))
            .with("floor Automerge parse µs", each_us(bare_parse_ms))
            .with("floor Automerge apply µs", each_us(bare_apply_ms))
            .mark(run_us <= CHECK_US_MAX && single_us <= CHECK_US_MAX, "25 µs a change"),
    );
}

/// One record: answers, every fifth with a note, some given twice.
fn written(number: usize, definition: &DefinitionRef) -> Vec<Vec<u8>> {
    let mut document = Document::new(id(number), definition, &[]);
    let put = |key: String, value: String, at: usize| Edit::Put {
        key,
        stamped: Stamped {
            value: Value::Text(value),
            by: UserId::new("u.pt01"),
            at_ms: 1_795_395_600_000 + i64::try_from(at * 1_000).unwrap_or(0),
        },
    };
    let change = |at: usize| {
        let item = (at * 7 + number) % 28;
        let mut edits = vec![put(format!("item/bench.{item:02}"), "pass".to_owned(), at)];
        if at.is_multiple_of(5) {
            edits.push(put(format!("note/bench.{item:02}"), format!("第{number}处护栏松动,已通知"), at));
        }
        document.edit(ActorId([9; 16]), &edits).expect("the document takes the edit").bytes
    };
    (0..CHANGES).map(change).collect()
}

fn id(number: usize) -> DocumentId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&(number as u64).to_be_bytes());
    DocumentId(id)
}
