//! The duties of one record, and what it fulfils of others'.

use std::collections::BTreeSet;
use xunyuan_core::definition::{Deadline, Rule};
use xunyuan_core::duty::{Duty, Record, fulfilment, of_record, overlaps, stays};
use xunyuan_core::error::Error;
use xunyuan_core::id::DocumentId;
use xunyuan_core::projection;

use super::judge::{Bench, DAILY_BACK_MS, of_row};
use crate::hub::store::duty::{self, DutyRow};
use crate::hub::writer::Writer;

/// How long a period's duty can still be fulfilled by records that arrive: longer than any retention of
/// unsynchronised work.
const LATE_MS: i64 = 400 * 86_400_000;

/// Looks at one record: its own duties, the units' that it fulfils, the slot that it is the sheet of.
pub(super) fn look(writer: &mut Writer, bench: &mut Bench<'_>, document: DocumentId) -> Result<(), Error> {
    let Some(row) = projection::row(&writer.conn, document)? else { return Ok(()) };
    let id = row.definition.id.clone();
    let rules: Vec<Rule> =
        bench.days_catalog().rules().filter(|rule| concerns(bench, rule, &id)).cloned().collect();
    // Most sheets belong to no slot that anybody waits for: nothing more is read of them.
    let is_awaited = |rule: &Rule| {
        Ok::<_, Error>(
            rule.applies_to.schedule.is_none()
                || !duty::of_document(&writer.conn, &rule.id, document)?.is_empty(),
        )
    };
    let mut awaited = false;
    for rule in &rules {
        awaited = awaited || is_awaited(rule)?;
    }
    if !awaited {
        return Ok(());
    }
    let record = bench.record(writer, row)?;
    for rule in &rules {
        let is_own = rule.applies_to.ledger.as_ref().or(rule.applies_to.template.as_ref()) == Some(&id);
        if is_own {
            own(writer, bench, rule, &record)?;
        }
        if rule.applies_to.schedule.is_some() {
            bench.sheet_arrived(writer, rule, &record)?;
        } else {
            others(writer, bench, rule, &record)?;
        }
    }
    Ok(())
}

/// True when records of a definition make or fulfil duties of a rule.
fn concerns(bench: &Bench<'_>, rule: &Rule, definition: &str) -> bool {
    let applies = &rule.applies_to;
    let by = rule.satisfied_by.as_ref().and_then(|by| by.ledger.as_deref());
    let sheet = applies.schedule.as_ref().and_then(|id| {
        bench.days_catalog().schedules().find(|schedule| schedule.id == *id).map(|s| s.template.as_str())
    });
    [applies.ledger.as_deref(), applies.template.as_deref(), by, sheet].contains(&Some(definition))
}

/// The duties that a rule makes of the record; those it no longer makes go.
fn own(writer: &mut Writer, bench: &mut Bench<'_>, rule: &Rule, record: &Record) -> Result<(), Error> {
    let known = duty::of_document(&writer.conn, &rule.id, record.row.document)?;
    let since_ms = since(&known, bench.born_ms).max(bench.now_ms - DAILY_BACK_MS);
    let mut found = of_record(bench.days, rule, record, since_ms, bench.now_ms);
    if let Deadline::Invariant { no_overlap: Some(_), .. } = &rule.deadline {
        found = double_booked(writer, bench, rule, record)?;
    }
    let names: BTreeSet<&str> = found.iter().map(|duty| duty.key.as_str()).collect();
    let is_daily = matches!(rule.deadline, Deadline::DailyAt { .. });
    for row in &known {
        let is_past = is_daily && row.due_ms.is_some_and(|due_ms| due_ms <= since_ms);
        if !names.contains(row.key.as_str()) && !is_past {
            duty::remove(&writer.conn, &row.key)?;
        }
    }
    let is_period = matches!(
        rule.deadline,
        Deadline::Monthly(_) | Deadline::Yearly { .. } | Deadline::CountPerPeriod { .. }
    );
    for duty in found {
        let key = duty.key.clone();
        let is_new = known.iter().all(|row| row.key != key);
        bench.judge(writer, rule, duty)?;
        if is_new && !is_period {
            gather(writer, bench, rule, &key)?;
        }
    }
    Ok(())
}

/// From when on daily duties are looked at again: the first that is not settled, or behind the last.
fn since(known: &[DutyRow], born_ms: i64) -> i64 {
    let unsettled = known.iter().filter(|row| !row.status.is_settled()).filter_map(|row| row.due_ms).min();
    let last = known.iter().filter_map(|row| row.due_ms).max();
    unsettled.map(|due_ms| due_ms - 1).or(last).unwrap_or(born_ms)
}

fn double_booked(
    writer: &Writer,
    bench: &Bench<'_>,
    rule: &Rule,
    record: &Record,
) -> Result<Vec<Duty>, Error> {
    let own = stays(bench.days, rule, record);
    if own.is_empty() {
        return Ok(Vec::new());
    }
    let mut all = Vec::new();
    for other in duty::records_of(&writer.conn, &record.row.definition.id, None, i64::MIN, true)? {
        if let Some(row) = projection::row(&writer.conn, other)? {
            all.extend(stays(bench.days, rule, &bench.plain(writer, row)?));
        }
    }
    Ok(overlaps(bench.days, rule, &own, &all))
}

/// What the record fulfils of duties that are not its own: a unit's, or another record's.
fn others(writer: &mut Writer, bench: &mut Bench<'_>, rule: &Rule, record: &Record) -> Result<(), Error> {
    let branch = bench.days_catalog().organisation().map(|organisation| organisation.branch.id.clone());
    let units: BTreeSet<String> = branch.into_iter().chain([record.row.project.clone()]).collect();
    for unit in units {
        if !is_from_outside(rule) {
            break;
        }
        for row in duty::of_rule(&writer.conn, &rule.id, &unit, bench.now_ms - LATE_MS)? {
            let duty = of_row(&row, rule);
            let deed = fulfilment(bench.days, rule, &duty, record);
            duty::put_deed(&writer.conn, &row.key, record.row.document, deed.as_ref())?;
            bench.judge(writer, rule, duty)?;
        }
    }
    Ok(())
}

/// True for rules whose duties are fulfilled by records other than the one they are about.
pub(super) fn is_from_outside(rule: &Rule) -> bool {
    rule.satisfied_by.as_ref().is_some_and(|by| by.ledger.is_some())
        || matches!(
            rule.deadline,
            Deadline::Monthly(_) | Deadline::Yearly { .. } | Deadline::CountPerPeriod { .. }
        )
}

/// Looks for records that were here before the duty was.
pub(super) fn gather(
    writer: &mut Writer,
    bench: &mut Bench<'_>,
    rule: &Rule,
    key: &str,
) -> Result<(), Error> {
    let Some(row) = duty::find(&writer.conn, key)?.filter(|_| is_from_outside(rule)) else { return Ok(()) };
    let by = rule.satisfied_by.as_ref().and_then(|by| by.ledger.as_ref()).or(rule.applies_to.ledger.as_ref());
    let Some(ledger) = by else { return Ok(()) };
    let is_branch = bench.days_catalog().organisation().is_some_and(|org| org.branch.id == row.unit);
    let unit = (!is_branch).then_some(row.unit.as_str());
    let duty = of_row(&row, rule);
    for document in duty::records_of(&writer.conn, ledger, unit, row.opens_ms, false)? {
        let Some(found) = projection::row(&writer.conn, document)? else { continue };
        let record = bench.record(writer, found)?;
        let deed = fulfilment(bench.days, rule, &duty, &record);
        duty::put_deed(&writer.conn, key, document, deed.as_ref())?;
    }
    bench.judge(writer, rule, duty)
}
