//! Duties that a person may know of: those of the person's scopes, and of the fleet for the branch.

use xunyuan_core::definition::{Rule, WatchedObject};
use xunyuan_core::duty::{Days, Status};
use xunyuan_core::error::Error;
use xunyuan_core::id::ScopeId;

use super::{COUNT_MAX, Page, Sight};
use crate::hub::duties::DutyView;
use crate::hub::store::owed::{self, Owed};

/// Which duties to look at; `Default` looks at all that are seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DutyWish {
    /// Of this project, or the branch.
    pub unit: Option<String>,
    /// Of these rules; empty: of all.
    pub rules: Vec<String>,
    /// With one of these; empty: any.
    pub statuses: Vec<Status>,
    /// Only what the person or one of the person's roles owes.
    pub mine: bool,
    /// Opened from this time on, milliseconds since 1970.
    pub opens_since_ms: Option<i64>,
    /// Opened before this time.
    pub opens_until_ms: Option<i64>,
    /// Due from this time on.
    pub due_since_ms: Option<i64>,
    /// Due before this time.
    pub due_until_ms: Option<i64>,
}

impl Sight {
    /// Duties that fit, by due time, as they were last judged.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn duties(
        &self,
        wish: &DutyWish,
        offset: u32,
        limit: u32,
        now_ms: i64,
    ) -> Result<Page<DutyView>, Error> {
        let owed = self.owed(wish);
        let shared = &self.hub.inner.shared;
        let days = Days::of(&self.catalog);
        shared.read(|conn| {
            let count = owed::count(conn, &owed, COUNT_MAX + 1)?;
            let rows = owed::list(conn, &owed, offset, limit)?;
            let rows = DutyView::of_rows(conn, shared, &days, rows, now_ms)?;
            Ok(Page { rows, count: count.min(COUNT_MAX), is_more: count > COUNT_MAX })
        })
    }

    /// How many duties fit, by unit and by how they stand.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn duty_standing(&self, wish: &DutyWish) -> Result<Vec<(String, Status, u32)>, Error> {
        let owed = self.owed(wish);
        self.hub.inner.shared.read(|conn| owed::standing(conn, &owed))
    }

    /// The rules of which the person sees anything.
    #[must_use]
    pub fn rules(&self) -> Vec<&Rule> {
        self.catalog.rules().filter(|rule| !self.units_of(rule).is_empty()).collect()
    }

    fn owed(&self, wish: &DutyWish) -> Owed {
        let is_wanted = |rule: &&Rule| wish.rules.is_empty() || wish.rules.contains(&rule.id);
        let rules = self.catalog.rules().filter(is_wanted).filter_map(|rule| {
            let mut units = self.units_of(rule);
            units.retain(|unit| wish.unit.as_ref().is_none_or(|wanted| wanted == unit));
            (!units.is_empty()).then(|| (rule.id.clone(), units))
        });
        let roles = self.catalog.user_roles(&self.user).into_iter().map(|role| format!("r:{}", role.id));
        let owners = roles.chain([format!("u:{}", self.user)]);
        Owed {
            rules: rules.collect(),
            statuses: wish.statuses.clone(),
            owners: if wish.mine { owners.collect() } else { Vec::new() },
            opens_since_ms: wish.opens_since_ms,
            opens_until_ms: wish.opens_until_ms,
            due_since_ms: wish.due_since_ms,
            due_until_ms: wish.due_until_ms,
        }
    }

    /// The units in which the person may know of a rule's duties: where the records that it is about are seen.
    fn units_of(&self, rule: &Rule) -> Vec<String> {
        let applies = &rule.applies_to;
        if applies.object == Some(WatchedObject::Device) {
            let branch = self.catalog.organisation().filter(|_| self.reaches_branch());
            return branch
                .map(|org| org.branch.id.clone())
                .into_iter()
                .chain(self.projects_of_branch())
                .collect();
        }
        let mut streams: Vec<&str> = Vec::new();
        let schedule =
            applies.schedule.as_ref().and_then(|id| self.catalog.schedules().find(|one| one.id == *id));
        let kinds = [applies.ledger.as_ref(), applies.template.as_ref(), schedule.map(|one| &one.template)];
        let report = applies.report.as_ref().and_then(|id| self.catalog.report(id));
        let reported = report.into_iter().flat_map(|report| &report.from);
        for id in kinds.into_iter().flatten().chain(reported) {
            let reference = self.catalog.reference_of(id);
            streams.extend(reference.and_then(|reference| self.catalog.stream_of(reference)));
        }
        let units = self.units();
        let sees = |unit: &&str| {
            streams.iter().all(|stream| self.holds(&ScopeId::of(unit, stream))) && !streams.is_empty()
        };
        units.into_iter().filter(sees).map(str::to_owned).collect()
    }

    fn projects_of_branch(&self) -> Vec<String> {
        let organisation = self.catalog.organisation().filter(|_| self.reaches_branch());
        organisation.into_iter().flat_map(|org| &org.projects).map(|project| project.id.clone()).collect()
    }
}
