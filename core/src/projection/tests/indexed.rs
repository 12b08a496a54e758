//! Search over texts that are in the index and texts that are not yet.

use rusqlite::Connection;

use super::super::{Row, forget_removed, index_some, is_behind, remove, search};
use super::{opened, sample};
use crate::id::DocumentId;

/// So many records that the index has work to do.
const RECORDS: u32 = 4_010;

fn id(number: u32) -> DocumentId {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    DocumentId(id)
}

fn store(conn: &Connection, number: u32, text: &str) {
    let mut projected = sample(1);
    projected.row.document = id(number);
    (projected.row.number, projected.row.temp_number) = (None, None);
    projected.clashes.clear();
    text.clone_into(&mut projected.text);
    projected.store(conn).unwrap();
}

fn found(conn: &Connection, text: &str) -> Vec<DocumentId> {
    search(conn, text, 50).unwrap().into_iter().map(|row: Row| row.document).collect()
}

fn one(conn: &Connection, sql: &str) -> i64 {
    conn.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_record_is_found_whether_its_text_is_in_the_index_or_not() {
    let conn = opened();
    conn.execute_batch("BEGIN").unwrap();
    for number in 0..RECORDS {
        store(&conn, number, &format!("消防栓水压不足 编号{number:05}"));
    }
    assert!(is_behind(&conn).unwrap());
    assert_eq!(found(&conn, "编号00003"), [id(3)], "not indexed yet");
    assert!(index_some(&conn, 5).unwrap(), "more is to be done");
    assert!(!index_some(&conn, 100).unwrap());
    let left = one(&conn, "SELECT count(*) FROM projected_unindexed");
    assert_eq!(left, i64::from(RECORDS) - 105);
    for number in [3, 103, 105, RECORDS - 1] {
        assert_eq!(found(&conn, &format!("编号{number:05}")), [id(number)]);
        assert_eq!(found(&conn, &format!("消防栓 编号{number:05}")), [id(number)]);
    }
    assert_eq!(search(&conn, "水压不足", 50).unwrap().len(), 50);

    // A text that changes is found as it reads now, and nowhere as it read before.
    store(&conn, 3, "灭火器过期");
    assert_eq!(found(&conn, "灭火器"), [id(3)]);
    assert!(found(&conn, "编号00003").is_empty());
    // One that does not change stays in the index.
    let before = one(&conn, "SELECT count(*) FROM projected_unindexed");
    store(&conn, 4, "消防栓水压不足 编号00004");
    assert_eq!(one(&conn, "SELECT count(*) FROM projected_unindexed"), before);
    remove(&conn, id(4)).unwrap();
    assert!(found(&conn, "编号00004").is_empty());

    let matches = "SELECT count(*) FROM projected_index WHERE projected_index MATCH '消防栓'";
    assert_eq!(one(&conn, matches), 103, "105 were indexed, two are no longer there");

    forget_removed(&conn).unwrap();
    assert_eq!(one(&conn, "SELECT count(*) FROM projected_unindexed"), i64::from(RECORDS) - 1);
    assert_eq!(found(&conn, "编号00104"), [id(104)]);
    assert!(found(&conn, "编号00004").is_empty());
    while index_some(&conn, 1_000).unwrap() {}
    assert_eq!(found(&conn, "编号00104"), [id(104)]);
    assert_eq!(found(&conn, "灭火器"), [id(3)]);
}
