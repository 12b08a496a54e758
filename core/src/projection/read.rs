//! Lists, search, history and clashes, read from the rows alone.

use std::str::FromStr as _;

use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::error::Error;
use crate::id::{DocumentId, ScopeId, UserId};
use crate::projection::coding;
use crate::projection::row::{Choice, ClashRow, HistoryLine, ROW_COLUMNS, Row, RowKind, read_row};

/// Rows that a list gives when nobody says how many.
const LIMIT_DEFAULT: u32 = 100;

/// Fewest characters of a document id that name it.
const PREFIX_CHARS_MIN: usize = 4;

/// Which rows to list; `Default` lists the newest of everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// One record only.
    pub document: Option<DocumentId>,
    /// Inspections or entries only.
    pub kind: Option<RowKind>,
    /// Id of a ledger or checklist.
    pub definition: Option<String>,
    /// One scope only.
    pub scope: Option<ScopeId>,
    /// One project only.
    pub project: Option<String>,
    /// One lifecycle state only.
    pub state: Option<String>,
    /// Only records that are not ended and were due before this time, milliseconds since 1970.
    pub overdue_at_ms: Option<i64>,
    /// Only records that this person may call "mine".
    pub mine: Option<UserId>,
    /// Only records that are not ended.
    pub open_only: bool,
    /// Only records with something to decide: clashes or contested events.
    pub undecided_only: bool,
    /// Most rows to return; 100 where not set.
    pub limit: Option<u32>,
    /// Rows to pass over first.
    pub offset: u32,
}

/// The rows that fit, newest first.
///
/// # Errors
/// `Busy`, `Corrupt` or `Storage` when reading fails.
pub fn list(conn: &Connection, filter: &Filter) -> Result<Vec<Row>, Error> {
    let (conditions, values) = conditions(filter);
    let sql = format!(
        "SELECT {ROW_COLUMNS} FROM projected AS p {conditions} \
         ORDER BY p.listed_at_ms DESC, p.document LIMIT {} OFFSET {}",
        filter.limit.unwrap_or(LIMIT_DEFAULT),
        filter.offset
    );
    rows(conn, &sql, &values)
}

/// How many rows fit, whatever `limit` and `offset` say.
///
/// # Errors
/// `Busy`, `Corrupt` or `Storage` when reading fails.
pub fn count(conn: &Connection, filter: &Filter) -> Result<i64, Error> {
    let (conditions, values) = conditions(filter);
    let values: Vec<&dyn ToSql> = values.iter().map(|value| &**value).collect();
    Ok(conn
        .prepare_cached(&format!("SELECT count(*) FROM projected AS p {conditions}"))?
        .query_row(values.as_slice(), |row| row.get(0))?)
}

/// The row of one document.
///
/// # Errors
/// `Busy`, `Corrupt` or `Storage` when reading fails.
pub fn row(conn: &Connection, document: DocumentId) -> Result<Option<Row>, Error> {
    let sql = format!("SELECT {ROW_COLUMNS} FROM projected AS p WHERE p.document = ?1");
    let mut found = rows(conn, &sql, &[Box::new(document.0.to_vec())])?;
    Ok(found.pop())
}

/// Rows named by an official number, a temporary number, or the first characters of a document id.
///
/// Numbers are taken whole and without regard to case; a prefix needs at least four characters. More
/// than one row means that the text does not say enough.
///
/// # Errors
/// `Busy`, `Corrupt` or `Storage` when reading fails.
pub fn find(conn: &Connection, text: &str) -> Result<Vec<Row>, Error> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let upper = text.to_uppercase();
    let sql = format!(
        "SELECT {ROW_COLUMNS} FROM projected AS p WHERE p.number IN (?1, ?2) OR p.temp_number IN (?1, ?2) \
         ORDER BY p.listed_at_ms DESC, p.document"
    );
    let found = rows(conn, &sql, &[Box::new(text.to_owned()), Box::new(upper)])?;
    let hex = text.to_lowercase();
    if !found.is_empty() || hex.len() < PREFIX_CHARS_MIN {
        return Ok(found);
    }
    let (Ok(first), Ok(last)) =
        (DocumentId::from_str(&format!("{hex:0<32}")), DocumentId::from_str(&format!("{hex:f<32}")))
    else {
        return Ok(found);
    };
    let sql = format!(
        "SELECT {ROW_COLUMNS} FROM projected AS p WHERE p.document BETWEEN ?1 AND ?2 ORDER BY p.document \
         LIMIT 20"
    );
    rows(conn, &sql, &[Box::new(first.0.to_vec()), Box::new(last.0.to_vec())])
}

/// The history of a document, in the order to show; empty for an unknown document.
///
/// # Errors
/// `Busy`, `Corrupt` or `Storage` when reading fails.
pub fn history(conn: &Connection, document: DocumentId) -> Result<Vec<HistoryLine>, Error> {
    let mut select = conn.prepare_cached(
        "SELECT h.lines FROM projected AS p JOIN projected_history AS h ON h.id = p.id WHERE p.document = ?1",
    )?;
    let lines: Option<String> = select.query_row([document.as_bytes()], |row| row.get(0)).optional()?;
    lines.map_or_else(|| Ok(Vec::new()), |lines| coding::lines_of(&lines))
}

/// Every clash that waits for a decision, those of the newest records first.
///
/// # Errors
/// `Busy`, `Corrupt` or `Storage` when reading fails.
pub fn conflicts(conn: &Connection) -> Result<Vec<ClashRow>, Error> {
    let mut select = conn.prepare_cached(
        "SELECT c.document, c.choice, c.key, c.reason, c.value, c.user, c.at_ms FROM projected_clash AS c \
         CROSS JOIN projected AS p USING (document) \
         ORDER BY p.listed_at_ms DESC, c.document, c.place, c.choice",
    )?;
    let mut rows = select.query(params![])?;
    let mut clashes: Vec<ClashRow> = Vec::new();
    while let Some(row) = rows.next()? {
        let choice = Choice {
            value: coding::value_of(&row.get::<_, String>(4)?)?,
            by: UserId(row.get(5)?),
            at_ms: row.get(6)?,
        };
        if row.get::<_, i64>(1)? > 0 {
            clashes.last_mut().ok_or_else(coding::damaged)?.choices.push(choice);
            continue;
        }
        let document = row.get_ref(0)?.as_blob().map_err(|_| coding::damaged())?;
        clashes.push(ClashRow {
            document: DocumentId::from_slice(document)?,
            key: row.get(2)?,
            reason: row.get(3)?,
            choices: vec![choice],
        });
    }
    Ok(clashes)
}

/// How many clashes wait for a decision.
///
/// # Errors
/// `Busy`, `Corrupt` or `Storage` when reading fails.
pub fn conflict_count(conn: &Connection) -> Result<u32, Error> {
    let mut select = conn.prepare_cached("SELECT count(*) FROM projected_clash WHERE choice = 0")?;
    Ok(select.query_row([], |row| row.get(0))?)
}

/// Runs a select over [`ROW_COLUMNS`].
pub(crate) fn rows(conn: &Connection, sql: &str, values: &[Box<dyn ToSql>]) -> Result<Vec<Row>, Error> {
    let values: Vec<&dyn ToSql> = values.iter().map(|value| &**value).collect();
    let mut select = conn.prepare_cached(sql)?;
    let mut found = select.query(values.as_slice())?;
    let mut list = Vec::new();
    while let Some(row) = found.next()? {
        list.push(read_row(row)?);
    }
    Ok(list)
}

fn conditions(filter: &Filter) -> (String, Vec<Box<dyn ToSql>>) {
    let mut parts: Vec<&str> = Vec::new();
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    if let Some(kind) = filter.kind {
        parts.push("p.kind = ?");
        values.push(Box::new(kind.code()));
    }
    if let Some(document) = filter.document {
        parts.push("p.document = ?");
        values.push(Box::new(document.0.to_vec()));
    }
    let texts = [
        ("p.definition = ?", filter.definition.as_deref()),
        ("p.scope = ?", filter.scope.as_ref().map(ScopeId::as_str)),
        ("p.project = ?", filter.project.as_deref()),
        ("p.state = ?", filter.state.as_deref()),
        (
            "p.document IN (SELECT document FROM projected_person WHERE user = ?)",
            filter.mine.as_ref().map(UserId::as_str),
        ),
    ];
    for (condition, text) in texts {
        if let Some(text) = text {
            parts.push(condition);
            values.push(Box::new(text.to_owned()));
        }
    }
    if let Some(at_ms) = filter.overdue_at_ms {
        parts.push("p.due_ms IS NOT NULL AND p.terminal = 0 AND p.due_ms < ?");
        values.push(Box::new(at_ms));
    }
    if filter.open_only {
        parts.push("p.terminal = 0");
    }
    if filter.undecided_only {
        parts.push("(p.clashes > 0 OR p.contested > 0)");
    }
    if parts.is_empty() {
        return (String::new(), values);
    }
    (format!("WHERE {}", parts.join(" AND ")), values)
}
