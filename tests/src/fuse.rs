//! A fuse in a store: the file takes so many writes and no more, as if the process died before the next.
//!
//! What the transaction under way had written is undone with it; earlier transactions stand.

use std::path::Path;

use rusqlite::Connection;

/// Tables of search that cannot have triggers of their own.
const WITHOUT: &str = "projected_index%";

/// Lets the file take `writes` more rows inserted, changed or deleted.
///
/// # Panics
/// When the file is no store.
pub fn arm(path: &Path, writes: u32) {
    let conn = Connection::open(path).expect("the file opens");
    let mut sql = format!("CREATE TABLE fuse (left INTEGER); INSERT INTO fuse VALUES ({writes});");
    for table in tables(&conn) {
        for event in ["INSERT", "UPDATE", "DELETE"] {
            sql.push_str(&format!(
                "CREATE TRIGGER fuse_{table}_{event} BEFORE {event} ON {table} BEGIN
                   UPDATE fuse SET left = left - 1;
                   SELECT RAISE(ABORT, 'the fuse has blown') FROM fuse WHERE left < 0;
                 END;"
            ));
        }
    }
    conn.execute_batch(&sql).expect("triggers can be made");
}

/// Takes the fuse out again.
///
/// # Panics
/// When there is none.
pub fn disarm(path: &Path) {
    let conn = Connection::open(path).expect("the file opens");
    let mut sql = String::from("DROP TABLE fuse;");
    for table in tables(&conn).iter().filter(|table| *table != "fuse") {
        for event in ["INSERT", "UPDATE", "DELETE"] {
            sql.push_str(&format!("DROP TRIGGER fuse_{table}_{event};"));
        }
    }
    conn.execute_batch(&sql).expect("triggers can be dropped");
}

fn tables(conn: &Connection) -> Vec<String> {
    let mut select = conn
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE ?1")
        .expect("the schema can be read");
    let names = select.query_map([WITHOUT], |row| row.get(0)).expect("the schema can be read");
    names.map(|name| name.expect("a table has a name")).collect()
}
