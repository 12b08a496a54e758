//! Counts over the rows of one ledger or checklist: what tiles and charts show.

use std::collections::BTreeMap;

use rusqlite::types::ToSql;
use rusqlite::{Connection, params_from_iter};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::coding;
use crate::error::Error;
use crate::id::ScopeId;

/// Records of one ledger or checklist in some scopes.
#[derive(Clone, Copy, Debug)]
pub struct Within<'w> {
    /// Id of the ledger or checklist.
    pub definition: &'w str,
    /// Only these scopes; nothing where there is none.
    pub scopes: &'w [ScopeId],
}

/// How many records began and how many ended in one span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Began.
    pub begun: u32,
    /// Ended.
    pub ended: u32,
}

impl Within<'_> {
    fn condition(&self) -> (String, Vec<Box<dyn ToSql>>) {
        let places = vec!["?"; self.scopes.len()].join(", ");
        let scopes = self.scopes.iter().map(|scope| Box::new(scope.as_str().to_owned()) as Box<dyn ToSql>);
        let values = std::iter::once(Box::new(self.definition.to_owned()) as Box<dyn ToSql>).chain(scopes);
        (format!("p.definition = ? AND p.scope IN ({places})"), values.collect())
    }
}

/// Records that are not ended, by how grave they are and by age: place 0 holds those listed after the first
/// of `bounds_ms` (the latest first), the last place those before all of them.
///
/// # Errors
/// `Busy`, `Corrupt` or `Storage` when reading fails.
pub fn ages(
    conn: &Connection,
    within: Within<'_>,
    bounds_ms: &[i64],
) -> Result<Vec<(Option<String>, usize, u32)>, Error> {
    let (condition, values) = within.condition();
    let cases: Vec<String> =
        (0..bounds_ms.len()).map(|place| format!("WHEN p.listed_at_ms >= ? THEN {place}")).collect();
    let age = if cases.is_empty() {
        "0".to_owned()
    } else {
        format!("CASE {} ELSE {} END", cases.join(" "), bounds_ms.len())
    };
    let sql = format!(
        "SELECT p.grade, {age} AS age, count(*) FROM projected AS p \
         WHERE {condition} AND p.terminal = 0 GROUP BY p.grade, age ORDER BY p.grade, age"
    );
    let bounds = bounds_ms.iter().map(|bound| Box::new(*bound) as Box<dyn ToSql>);
    let mut select = conn.prepare_cached(&sql)?;
    let rows = select.query_map(params_from_iter(bounds.chain(values)), |row| {
        Ok((row.get(0)?, row.get::<_, u32>(1)?, row.get(2)?))
    })?;
    rows.map(|row| row.map(|(grade, age, count)| (grade, usize::try_from(age).unwrap_or(0), count)))
        .collect::<Result<_, _>>()
        .map_err(Error::from)
}

/// How many records began and ended in each of `count` spans of `span_ms` from `start_ms` on.
///
/// # Errors
/// `Busy`, `Corrupt` or `Storage` when reading fails.
pub fn flows(
    conn: &Connection,
    within: Within<'_>,
    start_ms: i64,
    span_ms: i64,
    count: usize,
) -> Result<Vec<Flow>, Error> {
    let (condition, values) = within.condition();
    let span_ms = span_ms.max(1);
    let end_ms = start_ms.saturating_add(span_ms.saturating_mul(i64::try_from(count).unwrap_or(i64::MAX)));
    let mut flows = vec![Flow::default(); count];
    for column in ["listed_at_ms", "ended_at_ms"] {
        let sql = format!(
            "SELECT (p.{column} - {start_ms}) / {span_ms} AS span, count(*) FROM projected AS p \
             WHERE {condition} AND p.{column} >= {start_ms} AND p.{column} < {end_ms} GROUP BY span"
        );
        let mut select = conn.prepare(&sql)?;
        let values = values.iter().map(|value| &**value);
        let rows =
            select.query_map(params_from_iter(values), |row| Ok((row.get::<_, u32>(0)?, row.get(1)?)))?;
        for row in rows {
            let (span, counted) = row?;
            if let Some(flow) = flows.get_mut(usize::try_from(span).unwrap_or(usize::MAX)) {
                if column == "listed_at_ms" { flow.begun = counted } else { flow.ended = counted }
            }
        }
    }
    Ok(flows)
}

/// How many records hold one value in one field and another in a second; a set counts under each of its
/// elements, a field without anything under an empty text.
///
/// # Errors
/// `Busy`, `Corrupt` or `Storage` when reading fails.
pub fn pairs(
    conn: &Connection,
    within: Within<'_>,
    (rows, columns): (&str, &str),
    open_only: bool,
) -> Result<BTreeMap<(String, String), u32>, Error> {
    let mut counts = BTreeMap::new();
    each_facts(conn, within, if open_only { "AND p.terminal = 0" } else { "" }, |facts: Fields| {
        let (rows, columns) = (facts.held(rows), facts.held(columns));
        for row in rows {
            for column in &columns {
                *counts.entry((row.clone(), column.clone())).or_insert(0) += 1;
            }
        }
    })?;
    Ok(counts)
}

/// When somebody was at which checkpoint, by the sheets listed since a time: `None` where a sheet asked for
/// the checkpoint and nobody was there.
///
/// # Errors
/// `Busy`, `Corrupt` or `Storage` when reading fails.
pub fn scans(
    conn: &Connection,
    within: Within<'_>,
    since_ms: i64,
) -> Result<Vec<(String, Option<i64>)>, Error> {
    let mut scans = Vec::new();
    each_facts(conn, within, &format!("AND p.listed_at_ms >= {since_ms}"), |facts: Scans| {
        scans.extend(facts.scans);
    })?;
    Ok(scans)
}

/// What is counted of a document's [`Facts`](super::facts::Facts): reading all of them is most of the time of a chart.
#[derive(Deserialize)]
struct Fields {
    #[serde(rename = "f", default)]
    fields: BTreeMap<String, Json>,
    #[serde(rename = "s", default)]
    sets: BTreeMap<String, Vec<String>>,
}

/// Likewise.
#[derive(Deserialize)]
struct Scans {
    #[serde(rename = "c", default)]
    scans: Vec<(String, Option<i64>)>,
}

fn each_facts<T: DeserializeOwned>(
    conn: &Connection,
    within: Within<'_>,
    more: &str,
    mut take: impl FnMut(T),
) -> Result<(), Error> {
    let (condition, values) = within.condition();
    let sql = format!(
        "SELECT f.facts FROM projected AS p JOIN projected_facts AS f ON f.id = p.id WHERE {condition} {more}"
    );
    let mut select = conn.prepare(&sql)?;
    let mut rows = select.query(params_from_iter(values.iter().map(|value| &**value)))?;
    while let Some(row) = rows.next()? {
        let facts = row.get_ref(0)?.as_str().map_err(|_| coding::damaged())?;
        take(serde_json::from_str(facts).map_err(|_| coding::damaged())?);
    }
    Ok(())
}

impl Fields {
    /// What a field or a set holds, as texts.
    fn held(&self, field: &str) -> Vec<String> {
        if let Some(elements) = self.sets.get(field).filter(|elements| !elements.is_empty()) {
            return elements.clone();
        }
        match self.fields.get(field) {
            Some(Json::String(text)) => vec![text.clone()],
            Some(Json::Null) | None => vec![String::new()],
            Some(other) => vec![other.to_string()],
        }
    }
}
