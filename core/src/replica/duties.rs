//! What the person owes, as this device knows it: duties, reminders ahead, marks on records.
//!
//! A hint, computed from what is here: what others did and have not synchronised is unknown to it. What the
//! branch has judged arrives as events on the records.

use std::collections::{BTreeMap, BTreeSet};

use super::Replica;
use crate::definition::{Deadline, Evaluation, Rule, Title};
use crate::duty::{
    self, Days, Duty, Outcome, Owner, Record, Reminder, Status, Subject, fulfilment, of_record, of_slot,
    overlaps, part_of, people, settle, silence, slots_of, stays, unit_duties, units,
};
use crate::error::Error;
use crate::id::{DefinitionRef, DocumentId};
use crate::projection::{self, Filter, Row};
use crate::store::identity;
use crate::time::Moment;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// How long a duty of a period that nobody fulfilled stays on the list.
const OVERDUE_PERIOD_MS: i64 = 60 * DAY_MS;
/// How long it is told what happened on a record that the person follows: who was off for days hears it too.
const NEWS_MS: i64 = 7 * DAY_MS;
/// Most records of one ledger that are read for a duty of a unit.
const RECORDS_MAX: u32 = 2_000;

/// A duty as this device sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DutyView {
    /// The duty.
    pub duty: Duty,
    /// How it stands, as far as is known here.
    pub status: Status,
    /// What the record is called: its number, else its first words; empty where it is about none.
    pub name: String,
    /// The item or line of the record that it is about; `None` where it is about the whole.
    pub part: Option<Title>,
    /// True where the person owes it, alone or with others of the role.
    pub is_own: bool,
}

/// A duty with what it takes to speak of it. One is told after the other: a desk may have thousands.
struct Found<'f> {
    rule: &'f Rule,
    duty: Duty,
    record: Option<&'f Record>,
}

/// Where duties are told.
type Tell<'t> = &'t mut dyn FnMut(Found<'_>);

impl Replica {
    /// What the person owes and has not done, the most urgent first.
    ///
    /// # Errors
    /// Storage errors.
    pub fn duties(&self, moment: &Moment) -> Result<Vec<DutyView>, Error> {
        let (days, mut views) = (Days::of(&self.catalog), Vec::new());
        self.find_duties(&days, moment.unix_ms, moment.unix_ms, None, &mut |found| {
            let view = self.view(&days, found, moment.unix_ms);
            if view.is_own && !view.status.is_settled() && !is_done(&view.duty) {
                views.push(view);
            }
        })?;
        let due_ms = |view: &DutyView| view.duty.due_ms.unwrap_or(i64::MAX);
        views.sort_by(|a, b| due_ms(a).cmp(&due_ms(b)).then_with(|| a.duty.key.cmp(&b.duty.key)));
        Ok(views)
    }

    /// The duties of one record, whoever owes them.
    ///
    /// # Errors
    /// Storage errors.
    pub fn duties_of(&self, document: DocumentId, moment: &Moment) -> Result<Vec<DutyView>, Error> {
        let (days, mut views) = (Days::of(&self.catalog), Vec::new());
        let only = BTreeSet::from([document]);
        self.find_duties(&days, moment.unix_ms, moment.unix_ms, Some(&only), &mut |found| {
            views.push(self.view(&days, found, moment.unix_ms));
        })?;
        Ok(views)
    }

    /// The most urgent status of what is not done on each of these records; nothing for the others.
    ///
    /// # Errors
    /// Storage errors.
    pub fn duty_marks(
        &self,
        documents: &[DocumentId],
        moment: &Moment,
    ) -> Result<BTreeMap<DocumentId, Status>, Error> {
        let wanted: BTreeSet<DocumentId> = documents.iter().copied().collect();
        let mut marks: BTreeMap<DocumentId, Status> = BTreeMap::new();
        let urgency = |status: Status| match status {
            Status::Breached => 3,
            Status::Unknown => 2,
            Status::AtRisk => 1,
            Status::Open | Status::Met | Status::MetSyncedLate => 0,
        };
        let days = Days::of(&self.catalog);
        self.find_duties(&days, moment.unix_ms, moment.unix_ms, Some(&wanted), &mut |found| {
            let view = self.view(&days, found, moment.unix_ms);
            let Some(document) = view.duty.subject.document() else { return };
            if view.status.is_settled() || is_done(&view.duty) {
                return;
            }
            let mark = marks.entry(document).or_insert(view.status);
            if urgency(view.status) > urgency(*mark) {
                *mark = view.status;
            }
        })?;
        Ok(marks)
    }

    /// What this device should say to the person in the next `days` days, earliest first: computed without
    /// signal, for the app to schedule. News of the last week of records that the person follows come with the
    /// time they happened.
    ///
    /// # Errors
    /// Storage errors.
    pub fn reminders(&self, moment: &Moment, days: u32) -> Result<Vec<Reminder>, Error> {
        let now_ms = moment.unix_ms;
        let until_ms = now_ms.saturating_add(i64::from(days) * DAY_MS);
        let calendar = Days::of(&self.catalog);
        let user = &self.identity.user;
        let mut all = Vec::new();
        self.find_duties(&calendar, now_ms, until_ms, None, &mut |found| {
            let name = found.record.map(|record| name_of(&record.row));
            let about = found.record.zip(name.as_deref());
            all.extend(duty::reminders(&calendar, found.rule, &found.duty, user, about));
        })?;
        all.retain(|reminder| (now_ms..=until_ms).contains(&reminder.at_ms));
        all.extend(self.news(&calendar, now_ms - NEWS_MS)?);
        all.sort_by(|a, b| (a.at_ms, &a.key).cmp(&(b.at_ms, &b.key)));
        all.dedup_by(|a, b| a.key == b.key);
        Ok(all)
    }

    /// What happened since `since_ms` on records that the person follows.
    fn news(&self, days: &Days<'_>, since_ms: i64) -> Result<Vec<Reminder>, Error> {
        let mut news = Vec::new();
        let rules = self.catalog.rules().filter(|rule| rule.remind.iter().any(|told| told.on.is_some()));
        for rule in rules {
            let Some(ledger) = rule.applies_to.ledger.clone() else { continue };
            let mine = Some(self.identity.user.clone());
            let filter =
                Filter { definition: Some(ledger), mine, limit: Some(RECORDS_MAX), ..Filter::default() };
            for row in projection::list(self.store.reader(), &filter)? {
                if row.updated_at_ms < since_ms {
                    continue;
                }
                let name = name_of(&row);
                let record = self.record_of(row)?;
                news.extend(duty::news(days, rule, &record, &self.identity.user, &name, since_ms));
            }
        }
        Ok(news)
    }

    /// Tells everything that the rules make of what is here, due until `until_ms`; of some records only where
    /// they are named.
    fn find_duties(
        &self,
        days: &Days<'_>,
        now_ms: i64,
        until_ms: i64,
        only: Option<&BTreeSet<DocumentId>>,
        tell: Tell<'_>,
    ) -> Result<(), Error> {
        let hinted = |rule: &&Rule| rule.evaluate_on.contains(&Evaluation::DeviceHint);
        let rules: Vec<&Rule> = self.catalog.rules().filter(hinted).collect();
        self.of_records(days, &rules, (now_ms, until_ms), only, tell)?;
        if only.is_some() {
            return Ok(());
        }
        for rule in rules {
            match &rule.deadline {
                Deadline::Monthly(_) | Deadline::Yearly { .. } | Deadline::CountPerPeriod { .. } => {
                    self.of_units(days, rule, now_ms, until_ms, tell)?;
                }
                Deadline::ScheduleWindow => self.of_slots(days, rule, now_ms, until_ms, tell)?,
                Deadline::MaxSilence { .. } => {
                    let last_ms = self.status()?.last_exchange_ms.unwrap_or(now_ms);
                    let duty = silence(days, rule, self.identity.device, &self.identity.user, last_ms);
                    if let Some(duty) = duty {
                        tell(Found { rule, duty, record: None });
                    }
                }
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

    fn of_records(
        &self,
        days: &Days<'_>,
        rules: &[&Rule],
        (now_ms, until_ms): (i64, i64),
        only: Option<&BTreeSet<DocumentId>>,
        tell: Tell<'_>,
    ) -> Result<(), Error> {
        let mut by_definition: BTreeMap<&str, Vec<&Rule>> = BTreeMap::new();
        for rule in rules {
            let subject = rule.applies_to.ledger.as_deref().or(rule.applies_to.template.as_deref());
            if let Some(subject) = subject {
                by_definition.entry(subject).or_default().push(rule);
            }
        }
        // Of a daily rule yesterday's day still counts: it is what is overdue this morning.
        let since_ms = days.start_of(days.day(now_ms - DAY_MS));
        for (definition, rules) in by_definition {
            for row in self.rows(definition, only)? {
                let record = self.record_of(row)?;
                for rule in &rules {
                    self.double_booked(days, rule, &record, tell)?;
                    for mut duty in of_record(days, rule, &record, since_ms, until_ms) {
                        self.settle_from_others(days, rule, &mut duty)?;
                        tell(Found { rule, duty, record: Some(&record) });
                    }
                }
            }
        }
        Ok(())
    }

    /// Where people of a record are in two places at once, as far as this device holds the other.
    fn double_booked(
        &self,
        days: &Days<'_>,
        rule: &Rule,
        record: &Record,
        tell: Tell<'_>,
    ) -> Result<(), Error> {
        let own = stays(days, rule, record);
        if own.is_empty() {
            return Ok(());
        }
        let mut all = Vec::new();
        for row in self.rows(&record.row.definition.id, None)? {
            all.extend(stays(days, rule, &self.record_of(row)?));
        }
        let about = Subject::Record(record.row.document);
        let duties = overlaps(days, rule, &own, &all).into_iter().filter(|duty| duty.subject == about);
        duties.for_each(|duty| tell(Found { rule, duty, record: Some(record) }));
        Ok(())
    }

    /// Rows of a ledger or checklist that duties are made of: open entries, all sheets of a rule's checklist.
    fn rows(&self, definition: &str, only: Option<&BTreeSet<DocumentId>>) -> Result<Vec<Row>, Error> {
        let connection = self.store.reader();
        if let Some(only) = only {
            let rows = only.iter().filter_map(|document| projection::row(connection, *document).transpose());
            let rows = rows.filter(|row| row.as_ref().map_or(true, |row| row.definition.id == definition));
            return rows.collect();
        }
        let is_ledger = self.catalog.latest_ledger(definition).is_some();
        let filter = Filter {
            definition: Some(definition.to_owned()),
            open_only: is_ledger,
            limit: Some(if is_ledger { u32::MAX } else { RECORDS_MAX }),
            ..Filter::default()
        };
        projection::list(connection, &filter)
    }

    fn settle_from_others(&self, days: &Days<'_>, rule: &Rule, duty: &mut Duty) -> Result<(), Error> {
        let Some(ledger) = rule.satisfied_by.as_ref().and_then(|by| by.ledger.as_ref()) else {
            return Ok(());
        };
        let deeds = self.deeds(days, rule, duty, ledger)?;
        settle(rule, duty, deeds);
        Ok(())
    }

    fn deeds(
        &self,
        days: &Days<'_>,
        rule: &Rule,
        duty: &Duty,
        ledger: &str,
    ) -> Result<Vec<duty::Deed>, Error> {
        let filter =
            Filter { definition: Some(ledger.to_owned()), limit: Some(RECORDS_MAX), ..Filter::default() };
        let mut deeds = Vec::new();
        for row in projection::list(self.store.reader(), &filter)? {
            if row.updated_at_ms >= duty.opens_ms {
                deeds.extend(fulfilment(days, rule, duty, &self.record_of(row)?));
            }
        }
        Ok(deeds)
    }

    fn of_units(
        &self,
        days: &Days<'_>,
        rule: &Rule,
        now_ms: i64,
        until_ms: i64,
        tell: Tell<'_>,
    ) -> Result<(), Error> {
        let by = rule.satisfied_by.as_ref().and_then(|by| by.ledger.as_ref());
        let ledger = by.or(rule.applies_to.ledger.as_ref());
        for unit in units(&self.catalog, rule) {
            let since_ms = self.in_force_ms(rule, &unit)?.max(now_ms - OVERDUE_PERIOD_MS);
            for mut duty in unit_duties(days, rule, &unit, since_ms, until_ms) {
                if self.owes(&duty)
                    && let Some(ledger) = ledger
                {
                    let deeds = self.deeds(days, rule, &duty, ledger)?;
                    settle(rule, &mut duty, deeds);
                }
                tell(Found { rule, duty, record: None });
            }
        }
        Ok(())
    }

    /// Since when a unit can owe what a rule asks for: the branch had published both, the rule and the unit.
    fn in_force_ms(&self, rule: &Rule, unit: &str) -> Result<i64, Error> {
        let first_ms = |versions: Vec<&DefinitionRef>| -> Result<i64, Error> {
            let mut first_ms = i64::MAX;
            for version in versions {
                let at_ms = identity::published_at_ms(self.store.reader(), version)?;
                first_ms = first_ms.min(at_ms.unwrap_or(i64::MIN));
            }
            Ok(first_ms)
        };
        let of_rule = first_ms(self.catalog.versions_with_rule(&rule.id).collect())?;
        let of_unit = first_ms(self.catalog.versions_with_unit(unit).collect())?;
        Ok(of_rule.max(of_unit))
    }

    fn of_slots(
        &self,
        days: &Days<'_>,
        rule: &Rule,
        now_ms: i64,
        until_ms: i64,
        tell: Tell<'_>,
    ) -> Result<(), Error> {
        let projects = self.catalog.organisation().map_or([].as_slice(), |org| &org.projects);
        for project in projects.iter().filter(|project| !project.retired) {
            for slot in slots_of(days, rule, &project.id, now_ms, until_ms) {
                let sheet = projection::row(self.store.reader(), slot.document)?;
                let sheet = sheet.map(|row| self.record_of(row)).transpose()?;
                if let Some(duty) = of_slot(days, rule, &slot, sheet.as_ref()) {
                    tell(Found { rule, duty, record: None });
                }
            }
        }
        Ok(())
    }

    fn record_of(&self, row: Row) -> Result<Record, Error> {
        let lines = projection::history(self.store.reader(), row.document)?;
        Ok(Record::of(row, &lines))
    }

    fn view(&self, days: &Days<'_>, found: Found<'_>, now_ms: i64) -> DutyView {
        let Found { rule, duty, record } = found;
        // Others of the role may have done it without signal; the branch's word settles it.
        let owing: BTreeSet<_> =
            duty.owners.iter().flat_map(|owner| people(&self.catalog, owner, &duty.unit)).collect();
        let is_alone = owing.len() == 1 && owing.contains(&self.identity.user);
        let is_told = record.is_some_and(|record| record.is_escalated(&duty.key));
        let is_known = is_alone || is_told || matches!(duty.subject, Subject::Device(_));
        let known_until_ms = if is_known { i64::MAX } else { i64::MIN };
        let status = duty::status(days, rule, &duty, now_ms, known_until_ms);
        DutyView {
            is_own: owing.contains(&self.identity.user),
            part: record.and_then(|record| part_of(&self.catalog, rule, &duty, record)),
            name: record.map(|record| name_of(&record.row)).unwrap_or_default(),
            duty,
            status,
        }
    }

    fn owes(&self, duty: &Duty) -> bool {
        let is_mine = |owner: &Owner| people(&self.catalog, owner, &duty.unit).contains(&self.identity.user);
        duty.owners.iter().any(is_mine)
    }
}

const fn is_done(duty: &Duty) -> bool {
    matches!(duty.outcome, Outcome::Done(_))
}

/// What a person calls a record.
fn name_of(row: &Row) -> String {
    row.number
        .clone()
        .or_else(|| row.temp_number.clone())
        .unwrap_or_else(|| if row.summary.is_empty() { row.title.clone() } else { row.summary.clone() })
}
