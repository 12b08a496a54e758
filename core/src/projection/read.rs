//! Lists, search, history and clashes, read from the rows alone.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::Value as Json;

use crate::error::Error;
use crate::id::{DocumentId, UserId};
use crate::projection::coding;
use crate::projection::facts::Facts;
use crate::projection::filter::Filter;
use crate::projection::row::{Choice, ClashRow, HistoryLine, ROW_COLUMNS, Row, read_row};

/// Rows that a list gives when nobody says how many.
const LIMIT_DEFAULT: u32 = 100;

/// Fewest characters of a document id that name it.
const PREFIX_CHARS_MIN: usize = 4;

/// The rows that fit, in the order that is asked for.
///
/// # Errors
/// `Busy`, `Corrupt` or `Storage` when reading fails.
pub fn list(conn: &Connection, filter: &Filter) -> Result<Vec<Row>, Error> {
    let (conditions, values) = filter.conditions();
    let order = filter.order.sql(filter.reversed);
    // Whole rows are read of those alone that are shown, however many have to be put in order.
    let sql = format!(
        "SELECT {ROW_COLUMNS} FROM (SELECT p.id FROM projected AS p {conditions} ORDER BY {order} \
         LIMIT {} OFFSET {}) AS k JOIN projected AS p ON p.id = k.id ORDER BY {order}",
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
    let (conditions, values) = filter.conditions();
    let values: Vec<&dyn ToSql> = values.iter().map(|value| &**value).collect();
    Ok(conn
        .prepare_cached(&format!("SELECT count(*) FROM projected AS p {conditions}"))?
        .query_row(values.as_slice(), |row| row.get(0))?)
}

/// As [`count`], but stops at `most`: that there are more is all one may then want to know.
///
/// # Errors
/// As [`count`].
pub fn count_up_to(conn: &Connection, filter: &Filter, most: u32) -> Result<u32, Error> {
    let (conditions, values) = filter.conditions();
    let values: Vec<&dyn ToSql> = values.iter().map(|value| &**value).collect();
    let sql = format!("SELECT count(*) FROM (SELECT 1 FROM projected AS p {conditions} LIMIT {most})");
    Ok(conn.prepare_cached(&sql)?.query_row(values.as_slice(), |row| row.get(0))?)
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

/// What the fields of a document hold: single values and shared texts, and as an array the elements of a set;
/// empty for an unknown document.
///
/// # Errors
/// `Busy`, `Corrupt` or `Storage` when reading fails.
pub fn fields(conn: &Connection, document: DocumentId) -> Result<BTreeMap<String, Json>, Error> {
    let mut select = conn.prepare_cached(
        "SELECT f.facts FROM projected AS p JOIN projected_facts AS f ON f.id = p.id WHERE p.document = ?1",
    )?;
    let facts: Option<String> = select.query_row([document.as_bytes()], |row| row.get(0)).optional()?;
    let Some(facts) = facts else { return Ok(BTreeMap::new()) };
    let Facts { mut fields, sets, .. } = Facts::of_text(&facts)?;
    fields.extend(sets.into_iter().map(|(field, elements)| (field, Json::from(elements))));
    Ok(fields)
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
