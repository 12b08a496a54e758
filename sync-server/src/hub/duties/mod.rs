//! Who owes what at the branch, judged when records arrive and when time passes.
//!
//! Receives the time; reads the log from where it stopped looking, the rows of records and the standing of
//! devices; keeps one row for each duty, and writes what is to be escalated as changes of the branch's own
//! actor. Bounded: a look takes in what is new in the log and what has become due, never everything.
//! Nothing is lost by a crash or a time that the server was off: the log itself is the queue, and the
//! next look goes on where the last one was committed. Forbids deciding anything that `core::duty` decides.

mod escalate;
mod judge;
mod list;
mod records;
mod units;

use xunyuan_core::duty::Days;
use xunyuan_core::error::Error;

use super::Hub;
use super::rows;
use super::store::duty::{self, ClockRow};
use super::writer::Writer;
use judge::Bench;

pub use list::{DutyFilter, DutyView};

/// Most records, and most duties, that one look takes in: other writes wait for no more than this.
const LOOK_MAX: u32 = 200;

/// What one look came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Records that were looked at.
    pub records: u64,
    /// Duties that were judged because their time had come.
    pub duties: u64,
    /// Steps of escalation that were taken.
    pub escalated: u64,
    /// True when more waits: look again at once.
    pub more: bool,
}

impl Hub {
    /// Looks at what arrived and what became due, once; `more` says to look again.
    ///
    /// # Errors
    /// `Busy` when the hub is closed or overloaded, `Storage` when writing fails; nothing was done then.
    pub fn look(&self, now_ms: i64) -> Result<Look, Error> {
        Ok(self.write(move |writer| look(writer, now_ms))?)
    }

    /// Looks until nothing waits.
    ///
    /// # Errors
    /// As [`Hub::look`].
    pub fn look_all(&self, now_ms: i64) -> Result<Look, Error> {
        let mut sum = Look::default();
        loop {
            let one = self.look(now_ms)?;
            sum.records += one.records;
            sum.duties += one.duties;
            sum.escalated += one.escalated;
            if !one.more {
                return Ok(sum);
            }
        }
    }

    /// True when records have arrived that no look has seen.
    ///
    /// # Errors
    /// `Storage` when reading fails.
    pub fn is_behind(&self) -> Result<bool, Error> {
        self.inner.shared.read(|conn| {
            let seen = duty::clock(conn)?.map_or(0, |clock| clock.log_id);
            Ok(duty::last_log_id(conn)? > seen)
        })
    }
}

fn look(writer: &mut Writer, now_ms: i64) -> Result<Look, Error> {
    let catalog = writer.catalog.clone();
    if catalog.organisation().is_none() || catalog.rules().next().is_none() {
        return Ok(Look::default());
    }
    // Rows that do not say yet what the new definitions make of their records are nothing to judge by.
    if !rows::are_written(&writer.conn)? {
        return Ok(Look::default());
    }
    let days = Days::of(&catalog);
    let mut clock = clock(writer, now_ms)?;
    // A server whose clock was put back does not look at the past again.
    let now_ms = now_ms.max(clock.looked_ms);
    let mut bench = Bench::new(writer, &days, now_ms, clock.born_ms)?;
    let mut look = Look::default();

    let (documents, log_id) = duty::arrived(&writer.conn, clock.log_id, LOOK_MAX)?;
    look.more |= log_id > clock.log_id;
    clock.log_id = log_id;
    for document in &documents {
        records::look(writer, &mut bench, *document)?;
    }
    look.records += documents.len() as u64;
    if let Some(from) = clock.sweep_id {
        let open = duty::open_after(&writer.conn, from, LOOK_MAX)?;
        clock.sweep_id = open.last().map(|(id, _)| *id);
        look.more |= clock.sweep_id.is_some();
        for (_, document) in &open {
            records::look(writer, &mut bench, *document)?;
        }
        look.records += open.len() as u64;
    }
    // Units and slots open and close by time alone; before the records that may fulfil them were seen,
    // nothing is judged.
    if !look.more {
        units::look(writer, &mut bench, clock.looked_ms)?;
        let due = duty::waiting_until(&writer.conn, now_ms, LOOK_MAX)?;
        look.more = due.len() as u64 >= u64::from(LOOK_MAX);
        look.duties += due.len() as u64;
        for row in due {
            bench.judge_again(writer, row)?;
        }
        clock.looked_ms = now_ms;
    }
    look.escalated = bench.escalated;
    // What was written just now is in the log: the next look takes it in.
    look.more |= look.escalated > 0;
    duty::put_clock(&writer.conn, &clock)?;
    Ok(look)
}

/// How far the branch has looked; with other definitions in force every open record is looked at again.
fn clock(writer: &Writer, now_ms: i64) -> Result<ClockRow, Error> {
    let rules = in_force(writer);
    let found = duty::clock(&writer.conn)?;
    let is_same = found.as_ref().is_some_and(|clock| clock.rules == rules);
    let last = duty::last_log_id(&writer.conn)?;
    Ok(match found {
        // Rows of the log were lost: what comes instead of them takes their places.
        Some(clock) if last < clock.log_id => ClockRow { rules, log_id: last, sweep_id: Some(0), ..clock },
        Some(clock) if is_same => clock,
        Some(clock) => ClockRow { rules, sweep_id: Some(0), ..clock },
        None => ClockRow { born_ms: now_ms, looked_ms: now_ms, log_id: last, rules, sweep_id: Some(0) },
    })
}

/// The definitions that duties follow from, in one text.
fn in_force(writer: &Writer) -> String {
    let all = writer.catalog.in_force();
    all.map(|reference| format!("{}@{}", reference.id, reference.version)).collect::<Vec<_>>().join(" ")
}
