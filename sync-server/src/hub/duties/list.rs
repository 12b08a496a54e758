//! Duties as the branch lists them.

use rusqlite::Connection;
use serde_json::{Value, json};
use xunyuan_core::definition::Title;
use xunyuan_core::duty::{Days, Duty, Outcome, Record, Status, part_of};
use xunyuan_core::error::Error;
use xunyuan_core::id::DocumentId;
use xunyuan_core::projection::{self, Row};

use super::judge::{Bench, of_row};
use crate::hub::Hub;
use crate::hub::shared::Shared;
use crate::hub::store::duty::{self, DutyRow, Wanted};

/// Which duties to list; `Default` lists all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DutyFilter {
    /// Of this project or the branch.
    pub unit: Option<String>,
    /// Of this rule.
    pub rule: Option<String>,
    /// With one of these; empty: any.
    pub statuses: Vec<Status>,
    /// About this record.
    pub document: Option<DocumentId>,
}

/// A duty and how it stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DutyView {
    /// The duty.
    pub duty: Duty,
    /// The rule's name.
    pub title: Title,
    /// How it stands.
    pub status: Status,
    /// True when the clock of the device that did it is no evidence.
    pub is_suspicious: bool,
    /// When it was done, milliseconds since 1970.
    pub done_ms: Option<i64>,
    /// When the branch heard of that.
    pub received_ms: Option<i64>,
    /// Steps of the escalation that were taken.
    pub steps: u32,
    /// The number of the record that it is about.
    pub number: Option<String>,
    /// The item or line of the record that it is about; `None` where it is about the whole.
    pub part: Option<Title>,
}

impl Hub {
    /// Duties as they stand at `now_ms`, by due time.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn duties(&self, filter: &DutyFilter, now_ms: i64) -> Result<Vec<DutyView>, Error> {
        let catalog = self.catalog();
        let shared = &self.inner.shared;
        let wanted =
            Wanted { unit: filter.unit.as_deref(), rule: filter.rule.as_deref(), document: filter.document };
        shared.read(|conn| {
            let rows = duty::list(conn, &wanted)?;
            let mut views = DutyView::of_rows(conn, shared, &Days::of(&catalog), rows, now_ms)?;
            views.retain(|view| filter.statuses.is_empty() || filter.statuses.contains(&view.status));
            Ok(views)
        })
    }
}

impl DutyView {
    /// For programs: ids and times as they are.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let duty = &self.duty;
        json!({
            "key": duty.key,
            "rule": duty.rule,
            "title": { "zh": self.title.zh, "en": self.title.en },
            "unit": duty.unit,
            "about": duty.subject.id(),
            "document": duty.subject.document().map(|document| document.to_string()),
            "number": self.number,
            "part": self.part.as_ref().map(|part| json!({ "zh": part.zh, "en": part.en })),
            "owners": duty.owners.iter().map(|owner| owner.id()).collect::<Vec<_>>(),
            "period": duty.period,
            "opens_ms": duty.opens_ms,
            "due_ms": duty.due_ms,
            "status": self.status.id(),
            "done_ms": self.done_ms,
            "received_ms": self.received_ms,
            "clock_suspicious": self.is_suspicious,
            "steps": self.steps,
        })
    }

    /// Rows as they stand at `now_ms`; those of rules that are no longer in force are left out.
    pub(in crate::hub) fn of_rows(
        conn: &Connection,
        shared: &Shared,
        days: &Days<'_>,
        rows: Vec<DutyRow>,
        now_ms: i64,
    ) -> Result<Vec<Self>, Error> {
        let catalog = days.catalog();
        let bench = Bench::reading(conn, shared, days, now_ms)?;
        let (mut views, mut whole) = (Vec::new(), None);
        for row in rows {
            let Some(rule) = catalog.rule(&row.rule) else { continue };
            let duty = of_row(&row, rule);
            let status = bench.status(rule, &duty);
            let deed = if let Outcome::Done(deed) = &duty.outcome { Some(deed.clone()) } else { None };
            let record = duty.subject.document().map(|document| projection::row(conn, document));
            let record = record.transpose()?.flatten();
            let part = match record.as_ref().filter(|_| rule.deadline.is_of_parts()) {
                Some(row) => part_of(catalog, rule, &duty, read(conn, &mut whole, row)?),
                None => None,
            };
            views.push(Self {
                part,
                title: rule.title.clone(),
                status,
                is_suspicious: deed.as_ref().is_some_and(|deed| deed.is_suspicious),
                done_ms: deed.as_ref().map(|deed| deed.at_ms),
                received_ms: deed.and_then(|deed| deed.received_ms),
                steps: row.steps.count_ones(),
                number: record.and_then(|row| row.number.or(row.temp_number)),
                duty,
            });
        }
        Ok(views)
    }
}

/// A record as its rows say; the last one is kept: duties of its parts often follow each other.
fn read<'r>(conn: &Connection, last: &'r mut Option<Record>, row: &Row) -> Result<&'r Record, Error> {
    if last.as_ref().is_some_and(|record| record.row.document != row.document) {
        *last = None;
    }
    match last {
        Some(record) => Ok(record),
        None => Ok(last.insert(Record::of(row.clone(), &projection::history(conn, row.document)?))),
    }
}
