//! What is asked for, by whom and when, as filters and requests.

use jiff::civil::Date;
use std::str::FromStr as _;
use xunyuan_core::definition::Report;
use xunyuan_core::duty::Status;
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::id::{DocumentId, UserId};
use xunyuan_core::projection::{Filter, RowKind};
use xunyuan_core::report::{Period, Request, Zone};

use super::{Asked, refused};
use crate::hub::{DutyWish, Sight};
use crate::problem::Problem;

/// Prefix of a filter by a field of the ledger.
pub(crate) const FIELD: &str = "f.";

/// An address, and who looks at it when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look<'l> {
    /// What is asked for.
    pub(crate) asked: &'l Asked,
    /// What whoever asks may see.
    pub(crate) sight: &'l Sight,
    /// The branch's clock on the wall.
    pub(crate) zone: &'l Zone,
    /// The time, milliseconds since 1970.
    pub(crate) now_ms: i64,
}

impl Look<'_> {
    /// The filter over records that is asked for: rows of the page that begins at `offset`.
    ///
    /// # Errors
    /// 400 where something cannot be understood.
    pub(crate) fn records(
        &self,
        kind: Option<RowKind>,
        definition: Option<&str>,
        (offset, limit): (u32, u32),
    ) -> Result<Filter, Problem> {
        let asked = self.asked;
        let (order, reversed) = asked.order()?;
        let mut filter = Filter {
            kind,
            definition: definition.map(str::to_owned),
            project: self.unit()?,
            state: asked.text("state").map(str::to_owned),
            overdue_at_ms: asked.flag("overdue").then_some(self.now_ms),
            mine: asked.flag("mine").then(|| self.sight.user().clone()),
            handler: asked.text("handler").map(UserId::new),
            owner_dept: asked.text("dept").map(str::to_owned),
            since_ms: self.day("since")?.map(|day| self.zone.start_ms(day)),
            until_ms: self.day("until")?.map(|day| self.zone.end_ms(day)),
            open_only: asked.flag("open"),
            undecided_only: asked.flag("undecided"),
            result: asked.one_of("result", &["pass", "fail"])?.map(str::to_owned),
            text: asked.text("q").map(str::to_owned),
            order,
            reversed,
            limit: Some(limit),
            offset,
            ..Filter::default()
        };
        let ledger = definition.and_then(|id| self.sight.catalog().latest_ledger(id));
        for field in ledger.iter().flat_map(|ledger| &ledger.fields) {
            if let Some(value) = asked.text(&format!("{FIELD}{}", field.id)) {
                filter.fields.push((field.id.clone(), value.to_owned()));
            }
        }
        Ok(filter)
    }

    /// The unit that is asked for: one of those that the person sees.
    ///
    /// # Errors
    /// 400 for any other.
    pub(crate) fn unit(&self) -> Result<Option<String>, Problem> {
        match self.asked.text("project") {
            Some(unit) if !self.sight.units().contains(&unit) => Err(refused("project", "project")),
            unit => Ok(unit.map(str::to_owned)),
        }
    }

    /// The duties that are asked for; what is settled is asked for by name.
    ///
    /// # Errors
    /// 400 where something cannot be understood.
    pub(crate) fn duties(&self) -> Result<DutyWish, Problem> {
        let asked = self.asked;
        let status = |id: &str| Status::of_id(id).ok_or_else(|| refused("status", "status"));
        let statuses = match asked.text("status").map(status).transpose()? {
            Some(status) => vec![status],
            None if asked.flag("all") => Vec::new(),
            None => vec![Status::Open, Status::AtRisk, Status::Breached, Status::Unknown],
        };
        let rule = asked.text("rule");
        if rule.is_some_and(|id| self.sight.catalog().rule(id).is_none()) {
            return Err(refused("rule", "rule"));
        }
        Ok(DutyWish {
            unit: self.unit()?,
            rules: rule.map(str::to_owned).into_iter().collect(),
            statuses,
            mine: asked.flag("mine"),
            due_since_ms: self.day("since")?.map(|day| self.zone.start_ms(day)),
            due_until_ms: self.day("until")?.map(|day| self.zone.end_ms(day)),
            ..DutyWish::default()
        })
    }

    /// The report of that id, with the units for which the person may ask for it.
    ///
    /// # Errors
    /// 404 where there is none for the person.
    pub(crate) fn report(&self, id: &str) -> Result<(Report, Vec<String>), Problem> {
        let found = self.sight.reports().into_iter().find(|(report, _)| report.id == id);
        found.map(|(report, units)| (report.clone(), units)).ok_or_else(no_report)
    }

    /// What is asked for of a report: one unit of `units`, the first where the whole is more than the person sees.
    ///
    /// # Errors
    /// 400 where something cannot be understood, 404 for another unit.
    pub(crate) fn report_request(
        &self,
        report: &str,
        units: &[String],
        english: bool,
    ) -> Result<Request, Problem> {
        let asked = self.asked;
        let project = match asked.text("project") {
            Some(project) if !units.iter().any(|unit| unit == project) => return Err(no_report()),
            Some(project) => Some(project.to_owned()),
            None if self.sight.is_whole(units) => None,
            None => units.first().cloned(),
        };
        let period = asked.text("period").map(Period::parse).transpose();
        let record = asked.text("record").map(DocumentId::from_str).transpose();
        Ok(Request {
            report: report.to_owned(),
            project,
            period: period.map_err(|error| Problem::of(&error))?,
            record: record.map_err(|_| refused("record", "record"))?,
            now_ms: self.now_ms,
            english,
            sheets: false,
        })
    }

    fn day(&self, name: &str) -> Result<Option<Date>, Problem> {
        self.asked.day(name)
    }
}

fn no_report() -> Problem {
    Problem::of(&Error::new(
        ErrorKind::NotFound,
        "没有这份报表,或其内容超出您的权限范围",
        "there is no such report, or it reaches beyond what you may see",
    ))
}
