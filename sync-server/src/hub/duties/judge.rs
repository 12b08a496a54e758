//! How duties stand, with everything that the branch knows: what arrived when, and who has not exchanged.

use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};
use xunyuan_core::definition::{Catalog, Deadline, Rule};
use xunyuan_core::duty::{
    self as engine, Days, Deed, Duty, Outcome, Record, Status, Subject, next_look_ms, people, risk_from_ms,
    status, steps,
};
use xunyuan_core::error::Error;
use xunyuan_core::id::{DeviceId, DocumentId, UserId};
use xunyuan_core::limits::CLOCK_SKEW_SUSPICIOUS_MS;
use xunyuan_core::projection::{self, Row};

use super::{escalate, records};
use crate::hub::hooks;
use crate::hub::shared::Shared;
use crate::hub::store;
use crate::hub::store::duty::{self, DutyRow};
use crate::hub::writer::Writer;

const DAY_MS: i64 = 86_400_000;
/// How soon a duty is judged again while a device that should know is not heard of.
const UNKNOWN_AGAIN_MS: i64 = 60_000;
/// How far back days of a daily rule are computed again; older ones stay as they were judged.
pub(super) const DAILY_BACK_MS: i64 = 60 * DAY_MS;

/// A device as judging sees it.
#[derive(Clone, Debug)]
struct Known {
    user: UserId,
    /// Up to when everything written on it has arrived; nothing is sure while it holds work back.
    until_ms: i64,
    last_seen_ms: Option<i64>,
}

/// One look's view of the branch.
pub(super) struct Bench<'c> {
    pub(super) days: &'c Days<'c>,
    pub(super) now_ms: i64,
    pub(super) born_ms: i64,
    pub(super) escalated: u64,
    devices: BTreeMap<DeviceId, Known>,
    skews: BTreeMap<DeviceId, i64>,
    /// People of whom a device's clock is no evidence.
    doubted: BTreeSet<UserId>,
}

impl<'c> Bench<'c> {
    /// Reads how the devices stand, to judge and to write.
    pub(super) fn new(writer: &Writer, days: &'c Days<'c>, now_ms: i64, born_ms: i64) -> Result<Self, Error> {
        Ok(Self { born_ms, ..Self::reading(&writer.conn, &writer.shared, days, now_ms)? })
    }

    /// Reads how the devices stand, to judge only.
    pub(super) fn reading(
        conn: &Connection,
        shared: &Shared,
        days: &'c Days<'c>,
        now_ms: i64,
    ) -> Result<Self, Error> {
        let (mut devices, mut skews, mut doubted) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        for row in store::device::all(conn)? {
            let mark = shared.seen.of(&row.device);
            let seen = mark.as_ref().map_or(&row.seen, |mark| &mark.seen);
            let last_seen_ms = mark.as_ref().map(|mark| mark.at_ms).or(row.last_seen_ms);
            skews.insert(row.device, seen.skew_ms);
            // What is written in the console has arrived: nobody waits for it.
            if row.revoked_at_ms.is_none() && !row.is_console {
                if seen.skew_ms.saturating_abs() > CLOCK_SKEW_SUSPICIOUS_MS {
                    doubted.insert(row.user.clone());
                }
                let until_ms = last_seen_ms.filter(|_| seen.pending_changes == 0).unwrap_or(i64::MIN);
                devices.insert(row.device, Known { user: row.user.clone(), until_ms, last_seen_ms });
            }
        }
        Ok(Self { days, now_ms, born_ms: i64::MAX, escalated: 0, devices, skews, doubted })
    }

    pub(super) fn days_catalog(&self) -> &'c Catalog {
        self.days.catalog()
    }

    /// When a device was last heard of.
    pub(super) fn last_seen_ms(&self, device: DeviceId) -> Option<i64> {
        self.devices.get(&device)?.last_seen_ms
    }

    /// A record with what is known of its arrival.
    pub(super) fn record(&self, writer: &Writer, row: Row) -> Result<Record, Error> {
        let arrivals = duty::arrivals(&writer.conn, row.document, &self.skews)?;
        Ok(self.plain(writer, row)?.with_arrivals(arrivals).with_doubts(self.doubted.clone()))
    }

    /// A record as its rows say.
    pub(super) fn plain(&self, writer: &Writer, row: Row) -> Result<Record, Error> {
        let lines = projection::history(&writer.conn, row.document)?;
        Ok(Record::of(row, &lines))
    }

    /// Judges a duty, takes the steps that are due and writes down how it stands.
    pub(super) fn judge(&mut self, writer: &mut Writer, rule: &Rule, mut duty: Duty) -> Result<(), Error> {
        let before = duty::find(&writer.conn, &duty.key)?;
        if records::is_from_outside(rule) {
            duty.outcome = Outcome::Waiting;
            let deeds = duty::deeds(&writer.conn, &duty.key)?;
            engine::settle(rule, &mut duty, deeds);
        }
        self.keep_evidence(before.as_ref(), &mut duty);
        let status = self.status(rule, &duty);
        let mut taken = before.map_or(0, |row| row.steps);
        for step in steps(rule, &duty, status, self.now_ms) {
            let bit = 1_u32.checked_shl(u32::try_from(step.place).unwrap_or(u32::MAX)).unwrap_or(0);
            if bit == 0 || taken & bit != 0 {
                continue;
            }
            taken |= bit;
            // What was late before the branch began to look is known to people already.
            if step.at_ms >= self.born_ms && escalate::write(writer, self, rule, &duty, &step)? {
                self.escalated += 1;
                hooks::escalated(writer, &duty, &step, self.now_ms)?;
            }
        }
        let again = (status == Status::Unknown && duty.is_waiting()).then(|| self.now_ms + UNKNOWN_AGAIN_MS);
        let by_time = next_look_ms(self.days, rule, &duty, status, self.now_ms);
        duty::put(&writer.conn, &row_of(duty, status, taken, [again, by_time].into_iter().flatten().min()))
    }

    /// Judges a duty whose time has come.
    pub(super) fn judge_again(&mut self, writer: &mut Writer, row: DutyRow) -> Result<(), Error> {
        let Some(rule) = self.days_catalog().rule(&row.rule).cloned() else {
            return duty::remove(&writer.conn, &row.key);
        };
        let is_daily = matches!(rule.deadline, Deadline::DailyAt { .. });
        let is_recent = row.due_ms.is_some_and(|due_ms| due_ms > self.now_ms - DAILY_BACK_MS);
        match &row.subject {
            // The day after it begins when a day ends.
            Subject::Record(document) if is_daily && is_recent => {
                records::look(writer, self, *document)?;
                self.judge_left(writer, &rule, &row.key)
            }
            Subject::Record(_) | Subject::Slot { .. } | Subject::Unit(_) | Subject::Device(_) => {
                self.judge(writer, &rule, of_row(&row, &rule))
            }
        }
    }

    /// Judges a row that its record no longer speaks of, so that its time does not come for ever.
    fn judge_left(&mut self, writer: &mut Writer, rule: &Rule, key: &str) -> Result<(), Error> {
        match duty::find(&writer.conn, key)? {
            Some(row) if row.next_ms.is_some_and(|next_ms| next_ms <= self.now_ms) => {
                self.judge(writer, rule, of_row(&row, rule))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// A sheet arrived that may be the one of a slot.
    pub(super) fn sheet_arrived(
        &mut self,
        writer: &mut Writer,
        rule: &Rule,
        record: &Record,
    ) -> Result<(), Error> {
        for row in duty::of_document(&writer.conn, &rule.id, record.row.document)? {
            let mut duty = of_row(&row, rule);
            duty.outcome = engine::begun(record).map_or(Outcome::Waiting, Outcome::Done);
            self.judge(writer, rule, duty)?;
        }
        Ok(())
    }

    /// Keeps a device's silence while it lasts and is worth a row; one that has ended was broken by `duty`'s
    /// opening exchange.
    pub(super) fn only_silence(&mut self, writer: &mut Writer, rule: &Rule, duty: Duty) -> Result<(), Error> {
        for row in duty::of_rule(&writer.conn, &rule.id, &duty.unit, self.now_ms - 400 * DAY_MS)? {
            let is_over =
                row.subject == duty.subject && row.key != duty.key && row.outcome == Outcome::Waiting;
            if !is_over {
                continue;
            }
            let mut ended = of_row(&row, rule);
            ended.outcome = Outcome::Done(Deed {
                event: duty.key.clone(),
                at_ms: duty.opens_ms,
                received_ms: Some(duty.opens_ms),
                is_suspicious: false,
            });
            if self.status(rule, &ended).is_settled() {
                duty::remove(&writer.conn, &ended.key)?;
            } else {
                self.judge(writer, rule, ended)?;
            }
        }
        if self.now_ms < risk_from_ms(self.days, rule, &duty) {
            return Ok(());
        }
        self.judge(writer, rule, duty)
    }

    /// How a duty stands now.
    pub(super) fn status(&self, rule: &Rule, duty: &Duty) -> Status {
        status(self.days, rule, duty, self.now_ms, self.known_until_ms(duty))
    }

    /// Up to when everything has arrived from those who owe a duty. After the days of the device policy a
    /// silent device counts no more.
    fn known_until_ms(&self, duty: &Duty) -> i64 {
        let catalog = self.days_catalog();
        let patience = catalog.device_policy().map_or(0, |policy| policy.stale_device_alert_days);
        let is_over = duty.due_ms.is_none_or(|due_ms| self.now_ms > due_ms + i64::from(patience) * DAY_MS);
        if is_over || matches!(duty.subject, Subject::Device(_)) {
            return i64::MAX;
        }
        let owing: Vec<UserId> =
            duty.owners.iter().flat_map(|owner| people(catalog, owner, &duty.unit)).collect();
        let theirs = self.devices.values().filter(|device| owing.contains(&device.user));
        theirs.map(|device| device.until_ms).min().unwrap_or(i64::MAX)
    }

    /// What was found out about a deed when it arrived stays; a deed without an arrival arrives now.
    fn keep_evidence(&self, before: Option<&DutyRow>, duty: &mut Duty) {
        let Outcome::Done(deed) = &mut duty.outcome else { return };
        match before.map(|row| &row.outcome) {
            // A clock that went wrong later takes nothing from what was proven before, and one that was put
            // right proves nothing of what came earlier.
            Some(Outcome::Done(known)) if known.event == deed.event => {
                if known.is_suspicious || deed.is_suspicious {
                    *deed = known.clone();
                } else {
                    deed.received_ms = known.received_ms;
                }
            }
            _ if deed.received_ms.is_none() => {
                deed.received_ms = Some(self.now_ms);
                // Only its arrival is evidence then.
                if deed.is_suspicious {
                    deed.at_ms = self.now_ms;
                }
            }
            _ => {}
        }
    }
}

/// A duty as its row has it.
pub(super) fn of_row(row: &DutyRow, rule: &Rule) -> Duty {
    Duty {
        key: row.key.clone(),
        rule: row.rule.clone(),
        title: rule.title.clone(),
        unit: row.unit.clone(),
        subject: row.subject.clone(),
        owners: row.owners.clone(),
        period: row.period.clone(),
        opens_ms: row.opens_ms,
        due_ms: row.due_ms,
        outcome: row.outcome.clone(),
    }
}

fn row_of(duty: Duty, status: Status, steps: u32, next_ms: Option<i64>) -> DutyRow {
    DutyRow {
        key: duty.key,
        rule: duty.rule,
        unit: duty.unit,
        subject: duty.subject,
        owners: duty.owners,
        period: duty.period,
        opens_ms: duty.opens_ms,
        due_ms: duty.due_ms,
        outcome: duty.outcome,
        status,
        steps,
        next_ms,
    }
}

/// The record that a duty is about, where it is about one.
pub(super) const fn document_of(duty: &Duty) -> Option<DocumentId> {
    if let Subject::Record(document) = &duty.subject { Some(*document) } else { None }
}
