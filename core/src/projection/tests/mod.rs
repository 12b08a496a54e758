//! Rows by hand: what goes in comes back, filters, search, fingerprint.

mod counted;
mod indexed;
mod written;

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::{Choice, ClashRow, Filter, HistoryLine, LineKind, Projected, Row, RowKind, STEPS};
use super::{conflicts, count, files_of, find, fingerprint, history, list, remove, row, search, uses_of};
use crate::document::model::Value;
use crate::id::{ContentHash, DefinitionRef, DocumentId, FileHash, ScopeId, UserId};
use crate::rules::file::{FileRef, NamedFile};

fn opened() -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    for step in STEPS {
        conn.execute_batch(step).unwrap();
    }
    conn
}

fn sample_row(seed: u8) -> Row {
    let user = UserId::new("u.fd01");
    Row {
        document: DocumentId([seed; 16]),
        scope: ScopeId::new("pj.lanyuan/desk"),
        kind: RowKind::Entry,
        definition: DefinitionRef { id: "led.front_desk".to_owned(), version: 1, hash: ContentHash([7; 32]) },
        project: "pj.lanyuan".to_owned(),
        state: "received".to_owned(),
        terminal: false,
        title: "前台台帐".to_owned(),
        summary: "卫生间顶部滴水".to_owned(),
        number: Some(format!("QT-LY-20261120-000{seed}")),
        temp_number: Some(format!("A7-000{seed}")),
        created_by: Some(user.clone()),
        created_at_ms: 1_000 * i64::from(seed),
        updated_at_ms: 1_000 * i64::from(seed) + 5,
        listed_at_ms: 1_000 * i64::from(seed),
        due_ms: Some(50_000),
        handler: None,
        first_contact: Some(user.clone()),
        owner_dept: Some("dept.eng".to_owned()),
        grade: None,
        ended_at_ms: None,
        people: vec![user.clone()],
        score: None,
        result: None,
        clashes: 1,
        contested: 0,
    }
}

fn sample(seed: u8) -> Projected {
    let document = DocumentId([seed; 16]);
    let user = UserId::new("u.fd01");
    Projected {
        row: sample_row(seed),
        history: vec![HistoryLine {
            kind: LineKind::Event,
            what: "create".to_owned(),
            event: "aa/1".to_owned(),
            by: user.clone(),
            at_ms: 1_000,
            state: "received".to_owned(),
            contested: false,
            data: BTreeMap::from([
                ("note".to_owned(), Value::Text("先关阀".to_owned())),
                ("hours".to_owned(), Value::Number(2.0)),
                ("times".to_owned(), Value::Int(3)),
            ]),
        }],
        clashes: vec![ClashRow {
            document,
            key: "field/category".to_owned(),
            reason: "value".to_owned(),
            choices: vec![
                Choice { value: Value::Text("fd.repair.leak".to_owned()), by: user.clone(), at_ms: 1 },
                Choice { value: Value::Null, by: UserId::new("u.fd02"), at_ms: 2 },
            ],
        }],
        text: format!("QT-LY-20261120-000{seed}\nA7-000{seed}\n卫生间顶部滴水,怀疑楼上漏水 50%_off"),
        facts: format!("{{\"f\":{{\"seed\":{seed}}}}}"),
        files: vec![NamedFile {
            key: "set/photos/x".to_owned(),
            file: FileRef {
                hash: FileHash([seed; 32]),
                bytes: 2_500_000,
                media_type: "image/jpeg".to_owned(),
                taken_at_ms: Some(1_000),
            },
            by: user.clone(),
            at_ms: 1_000 * i64::from(seed),
        }],
    }
}

fn documents(rows: &[Row]) -> Vec<u8> {
    rows.iter().map(|row| row.document.0[0]).collect()
}

#[test]
fn stored_records_come_back_as_they_went_in() {
    let conn = opened();
    let projected = sample(3);
    projected.store(&conn).unwrap();
    assert_eq!(row(&conn, projected.row.document).unwrap(), Some(projected.row.clone()));
    assert_eq!(history(&conn, projected.row.document).unwrap(), projected.history);
    assert_eq!(conflicts(&conn).unwrap(), projected.clashes);
}

#[test]
fn files_are_found_by_record_and_by_hash() {
    let conn = opened();
    let one = sample(3);
    one.store(&conn).unwrap();
    assert_eq!(files_of(&conn, one.row.document).unwrap(), one.files);
    let uses = uses_of(&conn, FileHash([3; 32])).unwrap();
    assert_eq!(uses.len(), 1);
    assert_eq!((uses[0].document, uses[0].scope.as_str()), (one.row.document, "pj.lanyuan/desk"));
    remove(&conn, one.row.document).unwrap();
    assert!(uses_of(&conn, FileHash([3; 32])).unwrap().is_empty());
}

#[test]
fn lists_filter_page_and_put_the_newest_first() {
    let conn = opened();
    for seed in [2, 1, 3] {
        sample(seed).store(&conn).unwrap();
    }
    let mut closed = sample(4);
    closed.row.terminal = true;
    closed.row.state = "closed".to_owned();
    closed.row.project = "pj.xiyuan".to_owned();
    closed.row.clashes = 0;
    closed.row.people = vec![UserId::new("u.pt01"), UserId::new("u.pt02")];
    closed.store(&conn).unwrap();

    let all = Filter::default();
    assert_eq!(documents(&list(&conn, &all).unwrap()), [4, 3, 2, 1]);
    assert_eq!(count(&conn, &Filter { limit: Some(1), ..all.clone() }).unwrap(), 4);
    let page = Filter { limit: Some(2), offset: 1, ..all.clone() };
    assert_eq!(documents(&list(&conn, &page).unwrap()), [3, 2]);
    let mine = Filter { mine: Some(UserId::new("u.pt02")), ..all.clone() };
    assert_eq!(documents(&list(&conn, &mine).unwrap()), [4]);
    let state = Filter { state: Some("received".to_owned()), ..all.clone() };
    assert_eq!(documents(&list(&conn, &state).unwrap()), [3, 2, 1]);
    let project = Filter { project: Some("pj.xiyuan".to_owned()), ..all.clone() };
    assert_eq!(documents(&list(&conn, &project).unwrap()), [4]);
    let ledger = Filter { definition: Some("led.complaint".to_owned()), ..all.clone() };
    assert!(list(&conn, &ledger).unwrap().is_empty());
    let kind = Filter { kind: Some(RowKind::Inspection), ..all.clone() };
    assert!(list(&conn, &kind).unwrap().is_empty());
    let open = Filter { open_only: true, undecided_only: true, ..all };
    assert_eq!(documents(&list(&conn, &open).unwrap()), [3, 2, 1]);
}

#[test]
fn overdue_counts_from_the_time_given_and_never_for_ended_records() {
    let conn = opened();
    sample(1).store(&conn).unwrap();
    let mut closed = sample(2);
    closed.row.terminal = true;
    closed.store(&conn).unwrap();
    let overdue = |at_ms| Filter { overdue_at_ms: Some(at_ms), ..Filter::default() };
    assert!(list(&conn, &overdue(50_000)).unwrap().is_empty());
    assert_eq!(documents(&list(&conn, &overdue(50_001)).unwrap()), [1]);
}

#[test]
fn search_finds_long_and_short_terms_and_takes_signs_literally() {
    let conn = opened();
    sample(1).store(&conn).unwrap();
    let mut other = sample(2);
    other.text = "A7-0002 大堂电动自行车充电".to_owned();
    other.store(&conn).unwrap();
    let found = |text: &str| documents(&search(&conn, text, 10).unwrap());
    assert_eq!(found("漏水"), [1]);
    assert_eq!(found("电动自行车"), [2]);
    assert_eq!(found("电动自行车 大堂"), [2]);
    assert_eq!(found("电动自行车 漏水"), [0; 0]);
    assert_eq!(found("a7-0001"), [1]);
    assert_eq!(found("A7"), [2, 1]);
    assert_eq!(found("%_"), [1]);
    assert_eq!(found("\"滴\" OR"), [0; 0]);
    assert_eq!(found("  "), [0; 0]);
    assert_eq!(found(&"水".repeat(3_000_000)), [0; 0], "no pattern is too long");
    assert_eq!(found(&format!("{}漏水", " ".repeat(300))), [1]);
}

#[test]
fn a_record_is_found_by_its_numbers_and_by_the_start_of_its_id() {
    let conn = opened();
    sample(1).store(&conn).unwrap();
    sample(0x12).store(&conn).unwrap();
    let found = |text: &str| documents(&find(&conn, text).unwrap());
    assert_eq!(found("qt-ly-20261120-0001"), [1]);
    assert_eq!(found("A7-0001"), [1]);
    assert_eq!(found("1212"), [0x12]);
    assert_eq!(found("12121"), [0x12]);
    assert_eq!(found("121"), [0; 0]);
    assert_eq!(found("zzzz"), [0; 0]);
    assert_eq!(found(""), [0; 0]);
}

#[test]
fn the_fingerprint_depends_on_content_and_not_on_the_way_there() {
    let scope = ScopeId::new("pj.lanyuan/desk");
    let there = opened();
    for seed in [1, 2, 3] {
        sample(seed).store(&there).unwrap();
    }
    let back = opened();
    for seed in [3, 9, 2, 1, 3, 1] {
        sample(seed).store(&back).unwrap();
    }
    remove(&back, DocumentId([9; 16])).unwrap();
    assert_eq!(fingerprint(&there, &scope).unwrap(), fingerprint(&back, &scope).unwrap());

    let mut changed = sample(2);
    changed.text.push('改');
    changed.store(&back).unwrap();
    assert_ne!(fingerprint(&there, &scope).unwrap(), fingerprint(&back, &scope).unwrap());
    assert_eq!(
        fingerprint(&there, &ScopeId::new("pj.xiyuan/desk")).unwrap(),
        fingerprint(&opened(), &scope).unwrap()
    );
}

#[test]
fn removing_leaves_nothing_behind() {
    let conn = opened();
    sample(1).store(&conn).unwrap();
    remove(&conn, DocumentId([1; 16])).unwrap();
    remove(&conn, DocumentId([1; 16])).unwrap();
    for table in [
        "projected",
        "projected_person",
        "projected_history",
        "projected_clash",
        "projected_body",
        "projected_unindexed",
        "projected_facts",
    ] {
        let left: i64 =
            conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
        assert_eq!(left, 0, "{table}");
    }
}
