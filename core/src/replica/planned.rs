//! Slots that a project plans for itself: a schedule may take its months from the lines of a ledger.

use super::Replica;
use crate::definition::{MonthPlan, Schedule};
use crate::duty::Record;
use crate::error::Error;
use crate::projection::{self, Filter};
use crate::rules::schedule::Slot;

impl Replica {
    /// True for a slot that takes place: in a month that the project's own plan names, where the schedule asks
    /// for one and the project has it for that year; else always.
    pub(super) fn is_planned(&self, slot: &Slot) -> Result<bool, Error> {
        let schedule = self.catalog.schedules().find(|schedule: &&Schedule| schedule.id == slot.schedule);
        let Some(plan) = schedule.and_then(|schedule| schedule.recur.plan.as_ref()) else { return Ok(true) };
        let year = slot.starts.strftime("%Y-").to_string();
        let months = self.months(plan, &slot.project)?;
        let mut of_year = months.iter().filter(|month| month.starts_with(&year)).peekable();
        let month = slot.starts.strftime("%Y-%m").to_string();
        Ok(of_year.peek().is_none() || of_year.any(|planned| planned.starts_with(&month)))
    }

    /// The months of a project's plans that are more than a draft.
    fn months(&self, plan: &MonthPlan, project: &str) -> Result<Vec<String>, Error> {
        let Some(ledger) = self.catalog.latest_ledger(&plan.ledger) else { return Ok(Vec::new()) };
        let filter = Filter {
            definition: Some(ledger.id.clone()),
            project: Some(project.to_owned()),
            limit: Some(u32::MAX),
            ..Filter::default()
        };
        let mut months = Vec::new();
        for row in projection::list(self.store.reader(), &filter)? {
            if row.state == ledger.initial_state().id {
                continue;
            }
            let lines = projection::history(self.store.reader(), row.document)?;
            for line in Record::of(row, &lines).lines(&plan.lines) {
                let month = line.fields.get(&plan.month).and_then(|stamped| stamped.value.as_text());
                months.extend(month.map(str::to_owned));
            }
        }
        Ok(months)
    }
}
