//! Reports that a person may ask for: over records that the person sees, all of them or one project's.

use xunyuan_core::definition::Report;
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::id::ScopeId;
use xunyuan_core::report::{Request, Table};

use super::Sight;

impl Sight {
    /// The reports that the person may ask for, each with the units for which; an empty list of units means
    /// the whole branch at once.
    #[must_use]
    pub fn reports(&self) -> Vec<(&Report, Vec<String>)> {
        self.catalog.reports().filter_map(|report| Some((report, self.report_units(report)?))).collect()
    }

    /// Works a report out.
    ///
    /// # Errors
    /// `NotFound` for a report that is not there or that the person may not ask for, and as `report::make`.
    pub fn report(&self, request: &Request) -> Result<Table, Error> {
        let report = self.catalog.report(&request.report);
        let units = report.and_then(|report| self.report_units(report)).ok_or_else(no_report)?;
        let is_whole = units.len() == self.all_units().len();
        let is_seen = match (&request.project, request.record) {
            (Some(project), _) => units.contains(project),
            (None, Some(record)) => is_whole || self.holds_record(record)?,
            (None, None) => is_whole,
        };
        if !is_seen {
            return Err(no_report());
        }
        self.hub.report(request, &mut |_| ())
    }

    /// True when the person may ask for a report over all units at once.
    #[must_use]
    pub fn is_whole(&self, units: &[String]) -> bool {
        units.len() == self.all_units().len()
    }

    /// The units for which the person may ask for a report; `None` where there is none.
    fn report_units(&self, report: &Report) -> Option<Vec<String>> {
        let mut units = self.all_units();
        for of in &report.from {
            match self.catalog.reference_of(of).and_then(|reference| self.catalog.stream_of(reference)) {
                Some(stream) => units.retain(|unit| self.holds(&ScopeId::of(unit, stream))),
                // Devices and the staffing standard are the branch's to know.
                None if self.reaches_branch() => {}
                None => return None,
            }
        }
        (!units.is_empty()).then_some(units)
    }

    fn all_units(&self) -> Vec<String> {
        let organisation = self.catalog.organisation();
        let branch = organisation.map(|org| org.branch.id.clone());
        let projects =
            organisation.into_iter().flat_map(|org| &org.projects).map(|project| project.id.clone());
        branch.into_iter().chain(projects).collect()
    }
}

fn no_report() -> Error {
    Error::new(
        ErrorKind::NotFound,
        "没有这份报表,或其内容超出您的权限范围;请换一个项目再试",
        "there is no such report, or it reaches beyond what you may see; try it for one project",
    )
}
