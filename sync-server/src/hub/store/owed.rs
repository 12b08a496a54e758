//! Duties as people look at them: page by page, and counted.

use rusqlite::Connection;
use rusqlite::types::ToSql;
use xunyuan_core::duty::Status;
use xunyuan_core::error::Error;

use super::damaged;
use super::duty::{self, DutyRow};

/// Which duties.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owed {
    /// Rules that are seen, each with the units in which it is.
    pub(crate) rules: Vec<(String, Vec<String>)>,
    /// With one of these; empty: any.
    pub(crate) statuses: Vec<Status>,
    /// Owed by one of these, as the table writes them; empty: anybody.
    pub(crate) owners: Vec<String>,
    /// Opened at this time or later, milliseconds since 1970.
    pub(crate) opens_since_ms: Option<i64>,
    /// Opened before this time.
    pub(crate) opens_until_ms: Option<i64>,
    /// Due at this time or later.
    pub(crate) due_since_ms: Option<i64>,
    /// Due before this time.
    pub(crate) due_until_ms: Option<i64>,
}

/// Duties that fit, by due time.
pub(crate) fn list(conn: &Connection, owed: &Owed, offset: u32, limit: u32) -> Result<Vec<DutyRow>, Error> {
    let (condition, values) = owed.condition();
    let sql = format!(
        "SELECT {} FROM duty WHERE {condition} ORDER BY due_ms IS NULL, due_ms, key LIMIT {limit} OFFSET {offset}",
        duty::COLUMNS
    );
    duty::select(conn, &sql, &borrowed(&values))
}

/// How many fit, counted up to `most`.
pub(crate) fn count(conn: &Connection, owed: &Owed, most: u32) -> Result<u32, Error> {
    let (condition, values) = owed.condition();
    let sql = format!("SELECT count(*) FROM (SELECT 1 FROM duty WHERE {condition} LIMIT {most})");
    Ok(conn.prepare_cached(&sql)?.query_row(borrowed(&values).as_slice(), |row| row.get(0))?)
}

/// How many fit, by unit and status.
pub(crate) fn standing(conn: &Connection, owed: &Owed) -> Result<Vec<(String, Status, u32)>, Error> {
    let (condition, values) = owed.condition();
    let sql = format!("SELECT unit, status, count(*) FROM duty WHERE {condition} GROUP BY unit, status");
    let mut select = conn.prepare_cached(&sql)?;
    let rows = select.query_map(borrowed(&values).as_slice(), |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, u32>(2)?))
    })?;
    let mut found = Vec::new();
    for row in rows {
        let (unit, status, count) = row?;
        let status = Status::of_id(&status).ok_or_else(|| damaged("a duty has an unknown status"))?;
        found.push((unit, status, count));
    }
    Ok(found)
}

impl Owed {
    fn condition(&self) -> (String, Vec<Box<dyn ToSql>>) {
        let (mut parts, mut values): (Vec<String>, Vec<Box<dyn ToSql>>) = (Vec::new(), Vec::new());
        if !self.statuses.is_empty() {
            parts.push(format!("status IN ({})", places(self.statuses.len())));
            values.extend(self.statuses.iter().map(|status| Box::new(status.id()) as Box<dyn ToSql>));
        }
        let times = [
            ("opens_ms >= ?", self.opens_since_ms),
            ("opens_ms < ?", self.opens_until_ms),
            ("due_ms >= ?", self.due_since_ms),
            ("due_ms < ?", self.due_until_ms),
        ];
        for (part, at_ms) in times {
            if let Some(at_ms) = at_ms {
                parts.push(part.to_owned());
                values.push(Box::new(at_ms));
            }
        }
        let mut seen = Vec::new();
        for (rule, units) in &self.rules {
            seen.push(format!("(rule = ? AND unit IN ({}))", places(units.len())));
            values.push(Box::new(rule.clone()));
            values.extend(units.iter().map(|unit| Box::new(unit.clone()) as Box<dyn ToSql>));
        }
        parts.push(if seen.is_empty() { "0".to_owned() } else { format!("({})", seen.join(" OR ")) });
        if !self.owners.is_empty() {
            let named = vec!["instr(' ' || owners || ' ', ?) > 0"; self.owners.len()];
            parts.push(format!("({})", named.join(" OR ")));
            values.extend(self.owners.iter().map(|owner| Box::new(format!(" {owner} ")) as Box<dyn ToSql>));
        }
        (parts.join(" AND "), values)
    }
}

fn places(count: usize) -> String {
    vec!["?"; count].join(", ")
}

fn borrowed(values: &[Box<dyn ToSql>]) -> Vec<&dyn ToSql> {
    values.iter().map(|value| &**value).collect()
}
