//! What opens by time alone: periods of units, slots of schedules, silences of devices.

use xunyuan_core::definition::{Deadline, Rule};
use xunyuan_core::duty::{of_slot, silence, slots_of, unit_duties, units};
use xunyuan_core::error::Error;
use xunyuan_core::projection;

use super::judge::Bench;
use super::records::gather;
use crate::hub::store::{self, duty};
use crate::hub::writer::Writer;

/// How far back slots are made up for after the server was off.
const SLOTS_BACK_MS: i64 = 31 * 86_400_000;

/// Opens what time has opened since `looked_ms`.
pub(super) fn look(writer: &mut Writer, bench: &mut Bench<'_>, looked_ms: i64) -> Result<(), Error> {
    let rules: Vec<Rule> = bench.days_catalog().rules().cloned().collect();
    for rule in &rules {
        match &rule.deadline {
            Deadline::Monthly(_) | Deadline::Yearly { .. } | Deadline::CountPerPeriod { .. } => {
                periods(writer, bench, rule, looked_ms)?;
            }
            Deadline::ScheduleWindow => slots(writer, bench, rule, looked_ms)?,
            Deadline::MaxSilence { .. } => devices(writer, bench, rule)?,
            Deadline::DailyAt { .. }
            | Deadline::AfterEvent { .. }
            | Deadline::FieldDate { .. }
            | Deadline::LineDate(_)
            | Deadline::TaskDate
            | Deadline::Guard { .. }
            | Deadline::Invariant { .. }
            | Deadline::Retain { .. } => {}
        }
    }
    Ok(())
}

fn periods(writer: &mut Writer, bench: &mut Bench<'_>, rule: &Rule, looked_ms: i64) -> Result<(), Error> {
    for unit in units(bench.days_catalog(), rule) {
        for duty in unit_duties(bench.days, rule, &unit, looked_ms, bench.now_ms) {
            let key = duty.key.clone();
            if duty::find(&writer.conn, &key)?.is_none() {
                bench.judge(writer, rule, duty)?;
                gather(writer, bench, rule, &key)?;
            }
        }
    }
    Ok(())
}

fn slots(writer: &mut Writer, bench: &mut Bench<'_>, rule: &Rule, looked_ms: i64) -> Result<(), Error> {
    let from_ms = looked_ms.max(bench.now_ms - SLOTS_BACK_MS);
    let organisation = bench.days_catalog().organisation();
    let projects: Vec<String> = organisation
        .into_iter()
        .flat_map(|organisation| organisation.projects.iter().filter(|project| !project.retired))
        .map(|project| project.id.clone())
        .collect();
    for unit in projects {
        for slot in slots_of(bench.days, rule, &unit, from_ms, bench.now_ms) {
            let sheet = projection::row(&writer.conn, slot.document)?;
            let sheet = sheet.map(|row| bench.record(writer, row)).transpose()?;
            let Some(duty) = of_slot(bench.days, rule, &slot, sheet.as_ref()) else { continue };
            if duty::find(&writer.conn, &duty.key)?.is_none() {
                bench.judge(writer, rule, duty)?;
            }
        }
    }
    Ok(())
}

/// Each device owes to be heard of again; when it was, its last silence is over and another one begins.
fn devices(writer: &mut Writer, bench: &mut Bench<'_>, rule: &Rule) -> Result<(), Error> {
    for device in store::device::all(&writer.conn)? {
        if device.revoked_at_ms.is_some() || device.is_console {
            continue;
        }
        let last_ms = bench.last_seen_ms(device.device).unwrap_or(device.enrolled_at_ms);
        let Some(duty) = silence(bench.days, rule, device.device, &device.user, last_ms) else { continue };
        bench.only_silence(writer, rule, duty)?;
    }
    Ok(())
}
