//! Duties as last judged, what fulfils them, and how far the branch has looked.

use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use std::collections::BTreeMap;
use xunyuan_core::document::line_id;
use xunyuan_core::duty::{Arrival, Deed, Outcome, Owner, Status, Subject};
use xunyuan_core::error::Error;
use xunyuan_core::id::{ActorId, DeviceId, DocumentId, UserId};

use super::damaged;

/// A duty with how it was last judged.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DutyRow {
    pub(crate) key: String,
    pub(crate) rule: String,
    pub(crate) unit: String,
    pub(crate) subject: Subject,
    pub(crate) owners: Vec<Owner>,
    pub(crate) period: String,
    pub(crate) opens_ms: i64,
    pub(crate) due_ms: Option<i64>,
    pub(crate) outcome: Outcome,
    pub(crate) status: Status,
    pub(crate) steps: u32,
    pub(crate) next_ms: Option<i64>,
}

/// How far the branch has looked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClockRow {
    pub(crate) born_ms: i64,
    pub(crate) looked_ms: i64,
    pub(crate) log_id: i64,
    pub(crate) rules: String,
    pub(crate) sweep_id: Option<i64>,
}

/// Which duties to list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted<'a> {
    pub(crate) unit: Option<&'a str>,
    pub(crate) rule: Option<&'a str>,
    pub(crate) document: Option<DocumentId>,
}

pub(super) const COLUMNS: &str = "key, rule, unit, kind, subject, document, owners, period, opens_ms, due_ms, outcome, \
     event, at_ms, received_ms, suspicious, status, steps, next_ms";

/// A duty by name.
pub(crate) fn find(conn: &Connection, key: &str) -> Result<Option<DutyRow>, Error> {
    let found = conn
        .prepare_cached(&format!("SELECT {COLUMNS} FROM duty WHERE key = ?1"))?
        .query_row([key], |row| Ok(read(row)))
        .optional()?;
    found.transpose()
}

/// Writes a duty down, new or judged again.
pub(crate) fn put(conn: &Connection, row: &DutyRow) -> Result<(), Error> {
    let (kind, document) = match &row.subject {
        Subject::Record(document) => (1, Some(document.0)),
        Subject::Slot { document, .. } => (2, Some(document.0)),
        Subject::Unit(_) => (3, None),
        Subject::Device(_) => (4, None),
    };
    let (outcome, event, at_ms, received_ms, suspicious) = match &row.outcome {
        Outcome::Waiting => (0, "", None, None, false),
        Outcome::Done(deed) => {
            (1, deed.event.as_str(), Some(deed.at_ms), deed.received_ms, deed.is_suspicious)
        }
        Outcome::Broken { at_ms } => (2, "", Some(*at_ms), None, false),
    };
    let owners: Vec<String> = row
        .owners
        .iter()
        .map(|owner| match owner {
            Owner::User(user) => format!("u:{user}"),
            Owner::Role(role) => format!("r:{role}"),
        })
        .collect();
    conn.prepare_cached(&format!(
        "INSERT OR REPLACE INTO duty ({COLUMNS})
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)"
    ))?
    .execute(params![
        row.key,
        row.rule,
        row.unit,
        kind,
        row.subject.id(),
        document,
        owners.join(" "),
        row.period,
        row.opens_ms,
        row.due_ms,
        outcome,
        event,
        at_ms,
        received_ms,
        suspicious,
        row.status.id(),
        row.steps,
        row.next_ms,
    ])?;
    Ok(())
}

/// Takes a duty away that nothing makes any more, with what fulfilled it.
pub(crate) fn remove(conn: &Connection, key: &str) -> Result<(), Error> {
    conn.prepare_cached("DELETE FROM duty WHERE key = ?1")?.execute([key])?;
    conn.prepare_cached("DELETE FROM duty_deed WHERE key = ?1")?.execute([key])?;
    Ok(())
}

/// Duties whose time to be judged again has come, earliest first.
pub(crate) fn waiting_until(conn: &Connection, now_ms: i64, most: u32) -> Result<Vec<DutyRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM duty WHERE next_ms <= ?1 ORDER BY next_ms LIMIT ?2");
    select(conn, &sql, &[&now_ms, &most])
}

/// Duties of a rule in a unit that opened after a time.
pub(crate) fn of_rule(
    conn: &Connection,
    rule: &str,
    unit: &str,
    after_ms: i64,
) -> Result<Vec<DutyRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM duty WHERE rule = ?1 AND unit = ?2 AND opens_ms >= ?3");
    select(conn, &sql, &[&rule, &unit, &after_ms])
}

/// Duties about a record, and those that name it second.
pub(crate) fn of_document(
    conn: &Connection,
    rule: &str,
    document: DocumentId,
) -> Result<Vec<DutyRow>, Error> {
    let second = format!("|{document}");
    // As the index `duty_by_second` has it.
    let sql = format!(
        "SELECT {COLUMNS} FROM duty WHERE document = ?1 AND rule = ?2
         UNION SELECT {COLUMNS} FROM duty WHERE substr(key, -33) = ?3 AND rule = ?2"
    );
    select(conn, &sql, &[&document.0, &rule, &second])
}

/// Duties as asked for, by due time.
pub(crate) fn list(conn: &Connection, wanted: &Wanted<'_>) -> Result<Vec<DutyRow>, Error> {
    let document = wanted.document.map(|document| document.0);
    let (mut conditions, mut values): (Vec<&str>, Vec<&dyn ToSql>) = (vec!["1"], Vec::new());
    if let Some(document) = &document {
        conditions.push("document = ?");
        values.push(document);
    }
    if let Some(unit) = &wanted.unit {
        conditions.push("unit = ?");
        values.push(unit);
    }
    if let Some(rule) = &wanted.rule {
        conditions.push("rule = ?");
        values.push(rule);
    }
    let conditions = conditions.join(" AND ");
    let sql = format!("SELECT {COLUMNS} FROM duty WHERE {conditions} ORDER BY due_ms IS NULL, due_ms, key");
    select(conn, &sql, &values)
}

pub(super) fn select(conn: &Connection, sql: &str, values: &[&dyn ToSql]) -> Result<Vec<DutyRow>, Error> {
    let mut select = conn.prepare_cached(sql)?;
    let rows = select.query_map(values, |row| Ok(read(row)))?;
    rows.map(|row| row?).collect()
}

fn read(row: &Row<'_>) -> Result<DutyRow, Error> {
    let document: Option<[u8; 16]> = row.get(5)?;
    let document = || document.map(DocumentId).ok_or_else(|| damaged("a duty names no record"));
    let subject: String = row.get(4)?;
    let at_ms: Option<i64> = row.get(12)?;
    let at_ms = || at_ms.ok_or_else(|| damaged("a duty was done at no time"));
    let owners: String = row.get(6)?;
    let status: String = row.get(15)?;
    Ok(DutyRow {
        key: row.get(0)?,
        rule: row.get(1)?,
        unit: row.get(2)?,
        subject: match row.get::<_, i64>(3)? {
            1 => Subject::Record(document()?),
            2 => Subject::Slot { slot: subject, document: document()? },
            3 => Subject::Unit(subject),
            _ => Subject::Device(subject.parse::<DeviceId>()?),
        },
        owners: owners
            .split_whitespace()
            .filter_map(|owner| match owner.split_once(':')? {
                ("u", user) => Some(Owner::User(UserId::new(user))),
                (_, role) => Some(Owner::Role(role.to_owned())),
            })
            .collect(),
        period: row.get(7)?,
        opens_ms: row.get(8)?,
        due_ms: row.get(9)?,
        outcome: match row.get::<_, i64>(10)? {
            0 => Outcome::Waiting,
            1 => Outcome::Done(Deed {
                event: row.get(11)?,
                at_ms: at_ms()?,
                received_ms: row.get(13)?,
                is_suspicious: row.get(14)?,
            }),
            _ => Outcome::Broken { at_ms: at_ms()? },
        },
        status: Status::of_id(&status).ok_or_else(|| damaged("a duty has an unknown status"))?,
        steps: row.get(16)?,
        next_ms: row.get(17)?,
    })
}

/// Notes what of a record fulfils a duty, or that nothing does any more.
pub(crate) fn put_deed(
    conn: &Connection,
    key: &str,
    document: DocumentId,
    deed: Option<&Deed>,
) -> Result<(), Error> {
    let Some(deed) = deed else {
        conn.prepare_cached("DELETE FROM duty_deed WHERE key = ?1 AND document = ?2")?
            .execute(params![key, document.0])?;
        return Ok(());
    };
    conn.prepare_cached(
        "INSERT OR REPLACE INTO duty_deed (key, document, event, at_ms, received_ms, suspicious)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![key, document.0, deed.event, deed.at_ms, deed.received_ms, deed.is_suspicious])?;
    Ok(())
}

/// Everything that fulfils a duty.
pub(crate) fn deeds(conn: &Connection, key: &str) -> Result<Vec<Deed>, Error> {
    let mut select =
        conn.prepare_cached("SELECT event, at_ms, received_ms, suspicious FROM duty_deed WHERE key = ?1")?;
    let rows = select.query_map([key], |row| {
        Ok(Deed {
            event: row.get(0)?,
            at_ms: row.get(1)?,
            received_ms: row.get(2)?,
            is_suspicious: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// How far the branch has looked; `None` before the first look.
pub(crate) fn clock(conn: &Connection) -> Result<Option<ClockRow>, Error> {
    Ok(conn
        .prepare_cached("SELECT born_ms, looked_ms, log_id, rules, sweep_id FROM duty_clock")?
        .query_row([], |row| {
            Ok(ClockRow {
                born_ms: row.get(0)?,
                looked_ms: row.get(1)?,
                log_id: row.get(2)?,
                rules: row.get(3)?,
                sweep_id: row.get(4)?,
            })
        })
        .optional()?)
}

/// Writes down how far the branch has looked.
pub(crate) fn put_clock(conn: &Connection, clock: &ClockRow) -> Result<(), Error> {
    conn.prepare_cached(
        "INSERT OR REPLACE INTO duty_clock (id, born_ms, looked_ms, log_id, rules, sweep_id)
         VALUES (1, ?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![clock.born_ms, clock.looked_ms, clock.log_id, clock.rules, clock.sweep_id])?;
    Ok(())
}

/// The last row over all logs.
pub(crate) fn last_log_id(conn: &Connection) -> Result<i64, Error> {
    Ok(conn.prepare_cached("SELECT coalesce(max(id), 0) FROM log")?.query_row([], |row| row.get(0))?)
}

/// Records that got rows of the log after `id`, each once, and the last row looked at.
pub(crate) fn arrived(conn: &Connection, id: i64, most: u32) -> Result<(Vec<DocumentId>, i64), Error> {
    let mut select =
        conn.prepare_cached("SELECT id, kind, document FROM log WHERE id > ?1 ORDER BY id LIMIT ?2")?;
    let mut rows = select.query(params![id, most])?;
    let (mut documents, mut last) = (Vec::new(), id);
    while let Some(row) = rows.next()? {
        last = row.get(0)?;
        let document = DocumentId(row.get(2)?);
        if row.get::<_, u8>(1)? == super::log::RUN && !documents.contains(&document) {
            documents.push(document);
        }
    }
    Ok((documents, last))
}

/// Records that have not ended, by their place in the projection after `id`, and the last place looked at.
pub(crate) fn open_after(conn: &Connection, id: i64, most: u32) -> Result<Vec<(i64, DocumentId)>, Error> {
    let mut select = conn.prepare_cached(
        "SELECT id, document FROM projected WHERE id > ?1 AND terminal = 0 ORDER BY id LIMIT ?2",
    )?;
    let rows = select.query_map(params![id, most], |row| Ok((row.get(0)?, DocumentId(row.get(1)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Records of a ledger that were touched after a time, of one project where one is named.
pub(crate) fn records_of(
    conn: &Connection,
    definition: &str,
    unit: Option<&str>,
    after_ms: i64,
    is_open: bool,
) -> Result<Vec<DocumentId>, Error> {
    let mut select = conn.prepare_cached(
        "SELECT document FROM projected WHERE definition = ?1 AND (?2 IS NULL OR project = ?2)
         AND updated_at_ms >= ?3 AND terminal <= ?4",
    )?;
    let terminal = i64::from(!is_open);
    let rows =
        select.query_map(params![definition, unit, after_ms, terminal], |row| Ok(DocumentId(row.get(0)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Ids that a change may have derived for its events; the first few of one change.
const IDS_PER_CHANGE: u32 = 4;

/// When the events of a record arrived, and by what clock they were written.
pub(crate) fn arrivals(
    conn: &Connection,
    document: DocumentId,
    skews: &BTreeMap<DeviceId, i64>,
) -> Result<BTreeMap<String, Arrival>, Error> {
    let mut select = conn.prepare_cached(
        "SELECT actor, first_seq, last_seq, device, received_at_ms FROM log
         WHERE document = ?1 AND actor IS NOT NULL ORDER BY seq DESC",
    )?;
    let mut rows = select.query([document.0])?;
    let mut arrivals = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let actor = ActorId(row.get(0)?);
        let (first, last): (i64, i64) = (row.get(1)?, row.get(2)?);
        let device = DeviceId(row.get(3)?);
        let skew_ms = skews.get(&device).copied().unwrap_or(0);
        let arrival = Arrival { received_ms: row.get(4)?, skew_ms };
        for seq in first..=last {
            for index in 0..IDS_PER_CHANGE {
                arrivals.insert(line_id(actor, super::unsigned(seq)?, index), arrival);
            }
        }
    }
    Ok(arrivals)
}
