//! Where programs are told of events, and what still has to be told.

use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};
use xunyuan_core::error::Error;

use super::{damaged, unsigned};

/// What programs are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookEvent {
    /// A duty was not fulfilled, and a rule says who is told.
    Escalation,
    /// A finding was raised.
    Finding,
    /// A record came to the highest grade of its ledger: a major complaint, a severe finding.
    Grave,
    /// The branch refused what a device sent.
    Refusal,
    /// Somebody tries whether a target takes anything; nothing happened.
    Test,
}

impl HookEvent {
    /// Every kind of event that a target may ask for.
    pub const ALL: [Self; 4] = [Self::Escalation, Self::Finding, Self::Grave, Self::Refusal];

    /// Its stable id.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Escalation => "duty.escalated",
            Self::Finding => "finding.created",
            Self::Grave => "record.grave",
            Self::Refusal => "change.refused",
            Self::Test => "test",
        }
    }

    /// The kind of that id.
    #[must_use]
    pub fn of_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.id() == id)
    }
}

/// What a body looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookForm {
    /// The event as JSON, for programs.
    Standard,
    /// A line of text, as the robots of 企业微信 and 钉钉 take it.
    Text,
}

impl HookForm {
    /// Both forms.
    pub const ALL: [Self; 2] = [Self::Standard, Self::Text];

    /// Its stable id.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Text => "text",
        }
    }

    /// The form of that id.
    #[must_use]
    pub fn of_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.id() == id)
    }
}

/// Where a program is told of events.
#[derive(Clone, PartialEq, Eq)]
pub struct Hook {
    /// Names it.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// The address; robots' addresses hold their key.
    pub url: String,
    /// The key of the signatures.
    pub secret: Vec<u8>,
    /// What it is told of.
    pub events: Vec<HookEvent>,
    /// Of these units; empty for all.
    pub units: Vec<String>,
    /// Of records of these ledgers; empty for all.
    pub ledgers: Vec<String>,
    /// What a body looks like.
    pub form: HookForm,
    /// When it was added, milliseconds since 1970.
    pub created_at_ms: i64,
    /// Nothing is sent before, after an attempt that failed.
    pub rests_until_ms: i64,
    /// Events that were not noted because too many waited.
    pub skipped: u64,
}

impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hook").field("id", &self.id).field("events", &self.events).finish_non_exhaustive()
    }
}

/// How a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is tried, or tried again.
    Waiting,
    /// The receiver took it.
    Delivered,
    /// The last attempt failed; a person may have it sent again.
    Dead,
}

impl DeliveryState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Delivered, Self::Dead];

    /// Its stable id.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    /// The state of that id.
    #[must_use]
    pub fn of_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.id() == id)
    }

    const fn code(self) -> u8 {
        match self {
            Self::Waiting => 0,
            Self::Delivered => 1,
            Self::Dead => 2,
        }
    }
}

/// One event on its way to one program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its place.
    pub id: i64,
    /// To whom.
    pub hook: String,
    /// The message's name, the same at every attempt.
    pub message: String,
    /// Of what.
    pub event: HookEvent,
    /// When it happened, milliseconds since 1970.
    pub at_ms: i64,
    /// What is told, as JSON.
    pub data: String,
    /// How it stands.
    pub state: DeliveryState,
    /// Attempts since it was last handed over.
    pub attempts: u32,
    /// When it is tried next, while it waits.
    pub next_ms: Option<i64>,
    /// When it was last tried.
    pub tried_ms: Option<i64>,
    /// How the last attempt ended.
    pub outcome: String,
}

const HOOK: &str = "SELECT id, name, url, secret, events, units, ledgers, form, created_at_ms, rests_until_ms, skipped \
     FROM hook";

/// Writes a target down.
pub(crate) fn insert(conn: &Connection, hook: &Hook) -> Result<(), Error> {
    let events: Vec<&str> = hook.events.iter().map(|event| event.id()).collect();
    conn.execute(
        "INSERT INTO hook (id, name, url, secret, events, units, ledgers, form, created_at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            hook.id,
            hook.name,
            hook.url,
            hook.secret,
            events.join(" "),
            hook.units.join(" "),
            hook.ledgers.join(" "),
            hook.form.id(),
            hook.created_at_ms
        ],
    )?;
    Ok(())
}

/// True where anybody is told of anything.
pub(crate) fn any(conn: &Connection) -> Result<bool, Error> {
    Ok(conn.prepare_cached("SELECT 1 FROM hook LIMIT 1")?.exists([])?)
}

/// Every target, the oldest first.
pub(crate) fn all(conn: &Connection) -> Result<Vec<Hook>, Error> {
    let mut select = conn.prepare_cached(&format!("{HOOK} ORDER BY created_at_ms, id"))?;
    let rows = select.query_map([], read_hook)?;
    rows.map(|row| row?).collect()
}

/// Takes a target away with what it was told; false where there is none.
pub(crate) fn remove(conn: &Connection, id: &str) -> Result<bool, Error> {
    conn.execute("DELETE FROM delivery WHERE hook = ?1", [id])?;
    Ok(conn.execute("DELETE FROM hook WHERE id = ?1", [id])? == 1)
}

fn read_hook(row: &Row<'_>) -> rusqlite::Result<Result<Hook, Error>> {
    let words = |text: String| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let events = words(row.get(4)?).iter().map(|id| HookEvent::of_id(id)).collect::<Option<Vec<_>>>();
    let form = HookForm::of_id(&row.get::<_, String>(7)?);
    let (Some(events), Some(form), Ok(skipped)) = (events, form, unsigned(row.get(10)?)) else {
        return Ok(Err(damaged("a target of events cannot be read")));
    };
    Ok(Ok(Hook {
        id: row.get(0)?,
        name: row.get(1)?,
        url: row.get(2)?,
        secret: row.get(3)?,
        events,
        units: words(row.get(5)?),
        ledgers: words(row.get(6)?),
        form,
        created_at_ms: row.get(8)?,
        rests_until_ms: row.get(9)?,
        skipped,
    }))
}

const DELIVERY: &str =
    "SELECT id, hook, message, event, at_ms, data, state, attempts, next_ms, tried_ms, outcome FROM delivery";

/// Notes that a program is to be told of an event. It is told of no event twice, and not where `waiting_max` wait.
pub(crate) fn note(
    conn: &Connection,
    (hook, message): (&str, &str),
    (event, at_ms, data): (HookEvent, i64, &str),
    waiting_max: u32,
) -> Result<(), Error> {
    let waiting: u32 = conn
        .prepare_cached("SELECT count(*) FROM delivery WHERE hook = ?1 AND next_ms IS NOT NULL")?
        .query_row([hook], |row| row.get(0))?;
    if waiting >= waiting_max {
        conn.prepare_cached("UPDATE hook SET skipped = skipped + 1 WHERE id = ?1")?.execute([hook])?;
        return Ok(());
    }
    conn.prepare_cached(
        "INSERT OR IGNORE INTO delivery (hook, message, event, at_ms, data, state, attempts, next_ms, outcome)
         VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, ?4, '')",
    )?
    .execute(params![hook, message, event.id(), at_ms, data])?;
    Ok(())
}

/// What a target is to be told now, the oldest first.
pub(crate) fn due(conn: &Connection, hook: &str, now_ms: i64, most: u32) -> Result<Vec<Delivery>, Error> {
    let mut select = conn.prepare_cached(&format!(
        "{DELIVERY} WHERE hook = ?1 AND next_ms <= ?2 ORDER BY next_ms, id LIMIT ?3"
    ))?;
    let rows = select.query_map(params![hook, now_ms, most], read_delivery)?;
    rows.map(|row| row?).collect()
}

/// One delivery.
pub(crate) fn delivery(conn: &Connection, id: i64) -> Result<Option<Delivery>, Error> {
    let mut select = conn.prepare_cached(&format!("{DELIVERY} WHERE id = ?1"))?;
    select.query_row([id], read_delivery).optional()?.transpose()
}

/// Which deliveries to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// To this target.
    pub hook: Option<String>,
    /// In this state.
    pub state: Option<DeliveryState>,
}

impl DeliveryFilter {
    fn clause(&self) -> (String, Vec<String>) {
        let mut parts = vec!["1 = 1".to_owned()];
        let mut values = Vec::new();
        if let Some(hook) = &self.hook {
            parts.push("hook = ?".to_owned());
            values.push(hook.clone());
        }
        if let Some(state) = self.state {
            parts.push(format!("state = {}", state.code()));
        }
        (parts.join(" AND "), values)
    }
}

/// Deliveries, the newest first.
pub(crate) fn list(
    conn: &Connection,
    filter: &DeliveryFilter,
    offset: u32,
    limit: u32,
) -> Result<Vec<Delivery>, Error> {
    let (clause, values) = filter.clause();
    let mut select = conn.prepare_cached(&format!(
        "{DELIVERY} WHERE {clause} ORDER BY id DESC LIMIT {limit} OFFSET {offset}"
    ))?;
    let rows = select.query_map(params_from_iter(values), read_delivery)?;
    rows.map(|row| row?).collect()
}

/// How many deliveries fit.
pub(crate) fn count(conn: &Connection, filter: &DeliveryFilter) -> Result<u32, Error> {
    let (clause, values) = filter.clause();
    let mut select = conn.prepare_cached(&format!("SELECT count(*) FROM delivery WHERE {clause}"))?;
    Ok(select.query_row(params_from_iter(values), |row| row.get(0))?)
}

/// Writes down how an attempt ended; the target rests until `rests_until_ms`.
pub(crate) fn put(conn: &Connection, delivery: &Delivery, rests_until_ms: i64) -> Result<(), Error> {
    conn.prepare_cached(
        "UPDATE delivery SET state = ?2, attempts = ?3, next_ms = ?4, tried_ms = ?5, outcome = ?6 WHERE id = ?1",
    )?
    .execute(params![
        delivery.id,
        delivery.state.code(),
        delivery.attempts,
        delivery.next_ms,
        delivery.tried_ms,
        delivery.outcome
    ])?;
    conn.prepare_cached("UPDATE hook SET rests_until_ms = ?2 WHERE id = ?1")?
        .execute(params![delivery.hook, rests_until_ms])?;
    Ok(())
}

/// Hands deliveries over again: one of any state, or all that were given up of a target.
pub(crate) fn again(
    conn: &Connection,
    id: Option<i64>,
    hook: Option<&str>,
    now_ms: i64,
) -> Result<usize, Error> {
    let changed = conn.execute(
        "UPDATE delivery SET state = 0, attempts = 0, next_ms = ?3
         WHERE (?2 IS NULL OR hook = ?2) AND CASE WHEN ?1 IS NULL THEN state = 2 ELSE id = ?1 END",
        params![id, hook, now_ms],
    )?;
    conn.execute("UPDATE hook SET rests_until_ms = 0 WHERE ?1 IS NULL OR id = ?1", [hook])?;
    Ok(changed)
}

/// Takes away what was delivered, and what was given up, before these times.
pub(crate) fn clear(conn: &Connection, delivered_ms: i64, dead_ms: i64) -> Result<(), Error> {
    conn.prepare_cached(
        "DELETE FROM delivery WHERE (state = 1 AND tried_ms < ?1) OR (state = 2 AND tried_ms < ?2)",
    )?
    .execute(params![delivered_ms, dead_ms])?;
    Ok(())
}

fn read_delivery(row: &Row<'_>) -> rusqlite::Result<Result<Delivery, Error>> {
    let code: u8 = row.get(6)?;
    let state = DeliveryState::ALL.into_iter().find(|state| state.code() == code);
    let (Some(event), Some(state)) = (HookEvent::of_id(&row.get::<_, String>(3)?), state) else {
        return Ok(Err(damaged("a delivery cannot be read")));
    };
    Ok(Ok(Delivery {
        id: row.get(0)?,
        hook: row.get(1)?,
        message: row.get(2)?,
        event,
        at_ms: row.get(4)?,
        data: row.get(5)?,
        state,
        attempts: row.get(7)?,
        next_ms: row.get(8)?,
        tried_ms: row.get(9)?,
        outcome: row.get(10)?,
    }))
}
