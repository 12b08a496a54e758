//! One hash over all rows of a scope, or of one document: law 5 compares it between replicas and the branch.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, ToSql};
use sha2::{Digest as _, Sha256};

use crate::error::Error;
use crate::id::{DocumentId, ScopeId};

/// Every table with its columns in a fixed order; `id` stays out, because it is local.
const TABLES: [&str; 7] = [
    "SELECT p.document, p.kind, p.definition, p.definition_version, p.definition_hash, p.project, p.state, \
     p.terminal, p.title, p.summary, p.number, p.temp_number, p.created_by, p.created_at_ms, \
     p.updated_at_ms, p.listed_at_ms, p.due_ms, p.handler, p.first_contact, p.owner_dept, p.score, \
     p.result, p.clashes, p.contested, p.grade, p.ended_at_ms FROM projected AS p WHERE {} ORDER BY p.document",
    "SELECT n.document, n.user FROM projected_person AS n JOIN projected AS p USING (document) \
     WHERE {} ORDER BY n.document, n.user",
    "SELECT p.document, h.lines FROM projected AS p JOIN projected_history AS h ON h.id = p.id \
     WHERE {} ORDER BY p.document",
    "SELECT c.document, c.place, c.choice, c.key, c.reason, c.value, c.user, c.at_ms \
     FROM projected_clash AS c JOIN projected AS p USING (document) \
     WHERE {} ORDER BY c.document, c.place, c.choice",
    "SELECT p.document, t.body FROM projected AS p JOIN projected_body AS t ON t.id = p.id \
     WHERE {} ORDER BY p.document",
    "SELECT p.document, f.facts FROM projected AS p JOIN projected_facts AS f ON f.id = p.id \
     WHERE {} ORDER BY p.document",
    "SELECT p.document, n.place, n.hash, n.key, n.bytes, n.media_type, n.taken_at_ms, n.user, n.at_ms \
     FROM projected AS p JOIN projected_file AS n ON n.id = p.id \
     WHERE {} ORDER BY p.document, n.place",
];

/// SHA-256 over every row of `scope`, table by table, document by document.
///
/// Two stores that hold the same documents of the scope have the same fingerprint, however the
/// documents came.
///
/// # Errors
/// `Busy`, `Corrupt` or `Storage` when reading fails.
pub fn fingerprint(conn: &Connection, scope: &ScopeId) -> Result<[u8; 32], Error> {
    over(conn, "p.scope = ?1", scope.as_str())
}

/// SHA-256 over the rows of one document.
///
/// # Errors
/// `Busy`, `Corrupt` or `Storage` when reading fails.
pub fn fingerprint_of(conn: &Connection, document: DocumentId) -> Result<[u8; 32], Error> {
    over(conn, "p.document = ?1", document.as_bytes())
}

fn over(conn: &Connection, condition: &str, value: impl ToSql) -> Result<[u8; 32], Error> {
    let mut hasher = Sha256::new();
    for (table, sql) in (0_u8..).zip(TABLES) {
        hasher.update([0xff, table]);
        let mut select = conn.prepare_cached(&sql.replace("{}", condition))?;
        let columns = select.column_count();
        let mut rows = select.query([&value])?;
        while let Some(row) = rows.next()? {
            hasher.update([0xfe]);
            for column in 0..columns {
                absorb(&mut hasher, row.get_ref(column)?);
            }
        }
    }
    Ok(hasher.finalize().into())
}

/// Takes one value in with its type and length, so that no two rows look alike.
fn absorb(hasher: &mut Sha256, value: ValueRef<'_>) {
    let (tag, bytes): (u8, &[u8]) = match value {
        ValueRef::Null => (0, &[]),
        ValueRef::Integer(number) => (1, &number.to_be_bytes()),
        ValueRef::Real(number) => (2, &number.to_bits().to_be_bytes()),
        ValueRef::Text(text) => (3, text),
        ValueRef::Blob(blob) => (4, blob),
    };
    hasher.update([tag]);
    hasher.update((bytes.len() as u64).to_be_bytes());
    hasher.update(bytes);
}
