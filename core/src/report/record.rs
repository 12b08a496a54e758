//! Records of one ledger or checklist, read from the projection one after the other.

use rusqlite::types::ToSql;
use rusqlite::{Connection, Row as SqlRow};

use crate::error::Error;
use crate::id::{ContentHash, DefinitionRef, DocumentId};
use crate::projection::facts::Facts;

/// One record with everything that a report may read of it.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) document: DocumentId,
    pub(super) definition: DefinitionRef,
    pub(super) project: String,
    pub(super) state: String,
    pub(super) terminal: bool,
    pub(super) number: Option<String>,
    pub(super) temp_number: Option<String>,
    pub(super) begun_by: Option<String>,
    pub(super) begun_at_ms: i64,
    pub(super) due_ms: Option<i64>,
    pub(super) score: Option<f64>,
    pub(super) verdict: Option<String>,
    pub(super) facts: Facts,
}

/// Which records to look at; the rest is decided by reading them.
#[derive(Clone, Debug, Default)]
pub(super) struct Window<'w> {
    /// Id of the ledger or checklist.
    pub(super) definition: &'w str,
    /// One project only.
    pub(super) project: Option<&'w str>,
    /// Begun at this time or later.
    pub(super) begun_from_ms: Option<i64>,
    /// Begun before this time.
    pub(super) begun_before_ms: Option<i64>,
    /// Touched at this time or later.
    pub(super) touched_from_ms: Option<i64>,
    /// Not ended, or touched at this time or later.
    pub(super) open_from_ms: Option<i64>,
}

const COLUMNS: &str = "p.document, p.definition, p.definition_version, p.definition_hash, p.project, p.state, \
     p.terminal, p.number, p.temp_number, p.created_by, p.created_at_ms, p.due_ms, p.score, p.result, f.facts";

/// Hands on every record of the window, oldest first. When a record began is when lists sort it: not later
/// than the branch numbered it, whatever the device's clock said.
pub(super) fn each(
    conn: &Connection,
    window: &Window<'_>,
    mut take: impl FnMut(Record) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut parts = vec!["p.definition = ?"];
    let mut values: Vec<&dyn ToSql> = vec![&window.definition];
    if let Some(project) = &window.project {
        parts.push("p.project = ?");
        values.push(project);
    }
    let bounds = [
        ("p.listed_at_ms >= ?", &window.begun_from_ms),
        ("p.listed_at_ms < ?", &window.begun_before_ms),
        ("p.updated_at_ms >= ?", &window.touched_from_ms),
        ("(p.terminal = 0 OR p.updated_at_ms >= ?)", &window.open_from_ms),
    ];
    for (condition, bound) in bounds {
        if let Some(bound) = bound {
            parts.push(condition);
            values.push(bound);
        }
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM projected AS p JOIN projected_facts AS f ON f.id = p.id WHERE {} \
         ORDER BY p.listed_at_ms, p.document",
        parts.join(" AND ")
    );
    let mut select = conn.prepare_cached(&sql)?;
    let mut rows = select.query(values.as_slice())?;
    while let Some(row) = rows.next()? {
        take(read(row)?)?;
    }
    Ok(())
}

/// One record; `None` where it is not here.
pub(super) fn one(conn: &Connection, document: DocumentId) -> Result<Option<Record>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM projected AS p JOIN projected_facts AS f ON f.id = p.id WHERE p.document = ?1"
    );
    let mut select = conn.prepare_cached(&sql)?;
    let mut rows = select.query([document.as_bytes()])?;
    rows.next()?.map(read).transpose()
}

fn read(row: &SqlRow<'_>) -> Result<Record, Error> {
    let document: Vec<u8> = row.get(0)?;
    let hash: Vec<u8> = row.get(3)?;
    let facts = row.get_ref(14)?.as_str().map_err(|_| damaged())?;
    Ok(Record {
        document: DocumentId::from_slice(&document)?,
        definition: DefinitionRef {
            id: row.get(1)?,
            version: row.get(2)?,
            hash: ContentHash::from_slice(&hash)?,
        },
        project: row.get(4)?,
        state: row.get(5)?,
        terminal: row.get(6)?,
        number: row.get(7)?,
        temp_number: row.get(8)?,
        begun_by: row.get(9)?,
        begun_at_ms: row.get(10)?,
        due_ms: row.get(11)?,
        score: row.get(12)?,
        verdict: row.get(13)?,
        facts: Facts::of_text(facts)?,
    })
}

fn damaged() -> Error {
    crate::projection::facts::damaged()
}
