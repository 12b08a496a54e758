//! Readings and tests over one record.

use jiff::civil::Date;
use rusqlite::Connection;
use serde_json::Value as Json;
use std::cell::RefCell;

use super::datum::{Datum, Line};
use super::names::Names;
use super::period::{Period, Zone};
use super::record::Record;
use super::sheet::failing;
use crate::definition::{Catalog, Checklist, EventReading, Field, Happened, Ledger, Reading, Test, Which};
use crate::error::Error;
use crate::id::UserId;
use crate::projection::facts::EventFact;
use crate::rules::sheet::InspectionState;

/// Most names in one cell; the rest is counted.
pub(super) const NAMES_MAX: usize = 100;
const HOUR_MS: f64 = 3_600_000.0;
const DAY_MS: i64 = 86_400_000;

/// Everything that readings look at beside the record: definitions, period, language.
pub(super) struct Frame<'f> {
    pub(super) conn: &'f Connection,
    pub(super) catalog: &'f Catalog,
    pub(super) names: Names<'f>,
    pub(super) zone: Zone,
    pub(super) english: bool,
    pub(super) period: Period,
    /// The first millisecond of the period.
    pub(super) start_ms: i64,
    /// The first millisecond after it.
    pub(super) end_ms: i64,
    /// As of when: now, or the end of a period that is over.
    pub(super) as_of_ms: i64,
    /// The period is over.
    pub(super) is_over: bool,
    /// The one project that was asked for.
    pub(super) project: Option<&'f str>,
    /// The first error while linked records were read; a reading itself does not fail.
    pub(super) failed: RefCell<Option<Error>>,
}

/// What a reading is about.
#[derive(Clone, Copy)]
pub(super) enum Subject<'s> {
    Record(&'s Record),
    Line(&'s Line),
}

/// What a record pins.
enum Pinned<'c> {
    Checklist(&'c Checklist),
    Ledger(&'c Ledger),
}

impl Frame<'_> {
    /// What is read: ids as they are, or with `shown` what people read.
    pub(super) fn read(&self, subject: Subject<'_>, reading: &Reading, shown: bool) -> Datum {
        match (subject, reading) {
            (Subject::Line(line), Reading::Field(name)) => {
                line.get(name.as_str()).cloned().unwrap_or(Datum::None)
            }
            (_, Reading::AsOf) => Datum::Time(self.as_of_ms),
            (_, Reading::Period) => Datum::text(self.period.name()),
            (_, Reading::Words(title)) => Datum::text(title.text(self.english)),
            (_, Reading::First(all)) => all
                .iter()
                .map(|one| self.read(subject, one, shown))
                .find(Datum::is_given)
                .unwrap_or(Datum::None),
            (_, Reading::Join(all, between)) => {
                let words =
                    all.iter().map(|one| self.read(subject, one, shown).words(&self.zone, self.english));
                Datum::text(words.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(between))
            }
            (_, Reading::Across(pair)) => {
                let other = self.read(subject, &pair.1, shown).words(&self.zone, self.english);
                let each = self.read(subject, &pair.0, shown).parts().into_iter();
                let pairs = each.map(|one| format!("{}×{other}", one.words(&self.zone, self.english)));
                Datum::Many(pairs.map(Datum::text).collect())
            }
            (_, Reading::Choose(choose)) => {
                let chosen = if self.holds(subject, &choose.when) {
                    Some(&choose.then)
                } else {
                    choose.otherwise.as_ref()
                };
                chosen.map_or(Datum::None, |reading| self.read(subject, reading, shown))
            }
            (_, Reading::Elapsed(between)) => {
                let from = self.read(subject, &between.0, false).moment(&self.zone, false);
                let to = self.read(subject, &between.1, false).moment(&self.zone, false);
                from.zip(to).map_or(Datum::None, |(from, to)| Datum::Length(to - from))
            }
            (_, Reading::DaysLate(between)) => self.days_late(subject, &between.0, &between.1),
            (_, Reading::DayOf(moment)) => {
                let moment = self.read(subject, moment, false).moment(&self.zone, false);
                moment.map_or(Datum::None, |at_ms| Datum::Day(self.zone.day(at_ms)))
            }
            (_, Reading::DaysOf(span)) => self.days_of(subject, &span.0, &span.1),
            (Subject::Record(record), _) => self.of_record(record, reading, shown),
            (Subject::Line(_), _) => Datum::None,
        }
    }

    fn of_record(&self, record: &Record, reading: &Reading, shown: bool) -> Datum {
        let subject = Subject::Record(record);
        match reading {
            Reading::Number => Datum::text(number(record)),
            Reading::Project if shown => Datum::text(self.names.project(&record.project)),
            Reading::Project => Datum::text(&record.project),
            Reading::Kind => self.kind(record, shown),
            Reading::State => self.state(record, shown),
            Reading::BegunAt => Datum::Time(record.begun_at_ms),
            Reading::BegunBy => record.begun_by.as_deref().map_or(Datum::None, |by| self.user(by, shown)),
            Reading::DueAt => record.due_ms.map_or(Datum::None, Datum::Time),
            Reading::Score => record.score.map_or(Datum::None, Datum::Number),
            Reading::Verdict => self.verdict(record, shown),
            Reading::Photos => Datum::count(self.photos(record, &[]).len()),
            Reading::Sections => self.sections(record),
            Reading::Scans => self.scans(record),
            Reading::Field(id) => self.field(record, id, shown),
            Reading::Filled(id, key) => self.filled(record, id, key, shown),
            Reading::Answer(id) => {
                let item = record.facts.items.iter().find(|item| item.item == *id);
                item.map_or(Datum::None, |item| self.answer(record, item, shown))
            }
            Reading::TopCategory(id) => self.top_category(record, id, shown),
            Reading::Allowed(field, what) => self.allowed(record, field, what),
            Reading::RoleOf(person) => {
                let person = self.read(subject, person, false);
                let role = person.as_text().and_then(|user| self.names.role_of(user));
                role.map_or(Datum::None, Datum::text)
            }
            Reading::PeopleOf(people, departments) => {
                let people = self.read(subject, people, false).parts().into_iter();
                let is_meant = |one: &Datum| matches!(one, Datum::Text(id) if self.works_in(id, departments));
                let meant = people.filter(is_meant).map(|one| self.user(&one.words(&self.zone, true), shown));
                Datum::Many(meant.collect())
            }
            Reading::SourceItem => self.source_item(record),
            Reading::Topics => self.topics(record, shown),
            Reading::Event(event) => self.event(record, event, shown),
            Reading::Lines(field, subfields) => self.lines(record, field, subfields, shown),
            Reading::Failures { severities, notes } => self.failures(record, severities, *notes),
            Reading::FailureCount(severities) => Datum::count(failing(record, severities).count()),
            Reading::LineCount(field) => Datum::count(record.facts.lines.get(field).map_or(0, Vec::len)),
            Reading::Signed(place) => match record.facts.signed.get(place) {
                Some((user, at_ms)) if shown => {
                    Datum::text(format!("{} {}", self.names.user(user), self.zone.instant(*at_ms).minute()))
                }
                Some((user, _)) => Datum::text(user),
                None => Datum::None,
            },
            Reading::Findings(tally) => self.over_findings(record, tally),
            Reading::Row
            | Reading::AsOf
            | Reading::Period
            | Reading::Across(_)
            | Reading::Words(_)
            | Reading::First(_)
            | Reading::Join(..)
            | Reading::Choose(_)
            | Reading::Elapsed(_)
            | Reading::DaysLate(_)
            | Reading::DayOf(_)
            | Reading::DaysOf(_) => Datum::None,
        }
    }

    /// Whether a test holds for one record.
    pub(super) fn holds(&self, subject: Subject<'_>, test: &Test) -> bool {
        match test {
            Test::Always => true,
            Test::All(all) => all.iter().all(|one| self.holds(subject, one)),
            Test::Any(any) => any.iter().any(|one| self.holds(subject, one)),
            Test::Not(not) => !self.holds(subject, not),
            Test::Given(reading) => self.read(subject, reading, false).is_given(),
            Test::Is(reading, among) => {
                let parts = self.read(subject, reading, false).parts();
                parts.iter().any(|part| among.contains(&part.words(&self.zone, true)))
            }
            Test::AtMost(lower, upper) => {
                let (lower, upper) = (self.read(subject, lower, false), self.read(subject, upper, false));
                match (lower.number(), upper.number()) {
                    (Some(lower), Some(upper)) => lower <= upper,
                    _ => {
                        let lower = lower.moment(&self.zone, false);
                        lower.zip(upper.moment(&self.zone, true)).is_some_and(|(lower, upper)| lower <= upper)
                    }
                }
            }
            Test::Open => matches!(subject, Subject::Record(record) if self.is_open(record)),
            Test::Overdue => matches!(subject, Subject::Record(record)
                if self.is_open(record) && record.due_ms.is_some_and(|due| due < self.as_of_ms)),
            Test::VisitAsked => matches!(subject, Subject::Record(record) if record.facts.visit_asked),
            Test::Happened(what) => matches!(subject, Subject::Record(record) if self.happened(record, what)),
        }
    }

    /// Subfields of an `entries` field or a repeated group.
    pub(super) fn subfields(&self, record: &Record, id: &str) -> &[Field] {
        match self.pinned(record) {
            Some(Pinned::Checklist(checklist)) => checklist.group(id).map_or(&[], |group| &group.fields),
            Some(Pinned::Ledger(ledger)) => ledger.field(id).map_or(&[], |field| &field.entry_fields),
            None => &[],
        }
    }

    fn pinned(&self, record: &Record) -> Option<Pinned<'_>> {
        if let Some(checklist) = self.catalog.checklist(&record.definition) {
            return Some(Pinned::Checklist(checklist));
        }
        self.catalog.ledger(&record.definition).map(|ledger| Pinned::Ledger(ledger))
    }

    pub(super) fn definition_field(&self, record: &Record, id: &str) -> Option<&Field> {
        match self.pinned(record)? {
            Pinned::Checklist(checklist) => checklist.header_field(id),
            Pinned::Ledger(ledger) => ledger.field(id),
        }
    }

    fn field(&self, record: &Record, id: &str, shown: bool) -> Datum {
        let Some(field) = self.definition_field(record, id) else { return Datum::None };
        if let Some(elements) = record.facts.sets.get(id) {
            if field.is_photos() {
                return Datum::count(elements.len());
            }
            return Datum::Many(elements.iter().map(|one| self.names.element(field, one, shown)).collect());
        }
        record.facts.fields.get(id).map_or(Datum::None, |value| self.names.value(field, value, shown))
    }

    fn filled(&self, record: &Record, id: &str, key: &str, shown: bool) -> Datum {
        let Some(text) = record.facts.fields.get(id).and_then(Json::as_str) else { return Datum::None };
        let Ok(Json::Object(form)) = serde_json::from_str(text) else { return Datum::None };
        let Some(value) = form.get(key) else { return Datum::None };
        let forms = self.catalog.forms().filter(|form| form.ledger == record.definition.id);
        let field = forms.flat_map(|form| &form.fields).find(|field| field.id == key);
        match (field, value) {
            (Some(field), value) => self.names.value(field, value, shown),
            (None, Json::String(text)) => Datum::text(text),
            (None, _) => Datum::None,
        }
    }

    fn top_category(&self, record: &Record, id: &str, shown: bool) -> Datum {
        let category = self.field(record, id, false);
        let Some(id) = category.as_text() else { return Datum::None };
        let top = self.names.top_category(id).unwrap_or_else(|| id.to_owned());
        Datum::text(if shown { self.names.category(&top) } else { top })
    }

    fn user(&self, id: &str, shown: bool) -> Datum {
        Datum::text(if shown { self.names.user(id) } else { id.to_owned() })
    }

    fn kind(&self, record: &Record, shown: bool) -> Datum {
        if !shown {
            return Datum::text(&record.definition.id);
        }
        match self.pinned(record) {
            Some(Pinned::Checklist(checklist)) => Datum::text(checklist.title.text(self.english)),
            Some(Pinned::Ledger(ledger)) => Datum::text(ledger.title.text(self.english)),
            None => Datum::text(&record.definition.id),
        }
    }

    /// The state when the report's time ended: what the last event until then led to.
    fn state_id<'r>(&self, record: &'r Record) -> &'r str {
        if !self.is_over {
            return &record.state;
        }
        let until =
            record.facts.events.iter().filter(|event| !event.contested && event.at_ms <= self.as_of_ms);
        until.last().map_or(record.state.as_str(), |event| event.state.as_str())
    }

    fn is_open(&self, record: &Record) -> bool {
        if !self.is_over {
            return !record.terminal;
        }
        let state = self.state_id(record);
        match self.pinned(record) {
            Some(Pinned::Ledger(ledger)) => !ledger.state(state).is_some_and(|state| state.terminal),
            Some(Pinned::Checklist(_)) | None => state == InspectionState::Open.id(),
        }
    }

    fn state(&self, record: &Record, shown: bool) -> Datum {
        let id = self.state_id(record);
        if !shown {
            return Datum::text(id);
        }
        let states = [InspectionState::Open, InspectionState::Completed, InspectionState::Reviewed];
        match self.pinned(record) {
            Some(Pinned::Ledger(ledger)) => {
                Datum::text(ledger.state(id).map_or(id, |state| state.title.text(self.english)))
            }
            Some(Pinned::Checklist(_)) | None => states
                .iter()
                .find(|state| state.id() == id)
                .map_or_else(|| Datum::text(id), |state| Datum::text(state.title().text(self.english))),
        }
    }

    fn allowed(&self, record: &Record, field: &str, what: &str) -> Datum {
        let Datum::Text(level) = self.field(record, field, false) else { return Datum::None };
        let level = self.catalog.level(&record.definition.id, &level);
        let hours =
            level.and_then(|level| if what == "resolve_h" { level.resolve_h } else { level.first_reply_h });
        #[expect(clippy::cast_possible_truncation, reason = "hours of a deadline")]
        hours.map_or(Datum::None, |hours| Datum::Length((hours * HOUR_MS) as i64))
    }

    fn meant<'r>(
        &'r self,
        record: &'r Record,
        kinds: &'r [String],
        in_period: bool,
    ) -> impl Iterator<Item = &'r EventFact> {
        record.facts.events.iter().filter(move |event| {
            let is_kind = kinds.is_empty() || kinds.contains(&event.kind);
            let is_then = event.at_ms <= self.as_of_ms && (!in_period || event.at_ms >= self.start_ms);
            is_kind && is_then
        })
    }

    fn event(&self, record: &Record, reading: &EventReading, shown: bool) -> Datum {
        let mut carrying = self.meant(record, &reading.kinds, reading.in_period).filter(|event| {
            matches!(reading.take.as_str(), "at" | "by") || event.data.contains_key(&reading.take)
        });
        let event = match reading.which {
            Which::First => carrying.next(),
            Which::Last => carrying.last(),
        };
        let Some(event) = event else { return Datum::None };
        match reading.take.as_str() {
            "at" => Datum::Time(event.at_ms),
            "by" => self.user(&event.by, shown),
            name => match (self.definition_field(record, name), &event.data[name]) {
                (Some(field), value) => self.names.value(field, value, shown),
                (None, Json::String(text)) => Datum::text(self.carried(name, text, shown)),
                (None, Json::Number(number)) => number.as_i64().map_or(Datum::None, Datum::Int),
                (None, _) => Datum::None,
            },
        }
    }

    /// What an event carries beside fields: satisfaction is an option of whatever set has it.
    fn carried(&self, name: &str, text: &str, shown: bool) -> String {
        let lines = || {
            let ledgers = self.catalog.ledgers().flat_map(|ledger| &ledger.fields);
            ledgers
                .flat_map(|field| std::iter::once(field).chain(&field.entry_fields))
                .find(|f| f.id == name && f.is_choice())
        };
        match lines().filter(|_| shown) {
            Some(field) => self.names.value(field, &Json::from(text), true).words(&self.zone, self.english),
            None => text.to_owned(),
        }
    }

    fn happened(&self, record: &Record, what: &Happened) -> bool {
        self.meant(record, &what.kinds, what.in_period).any(|event| {
            what.with.iter().all(|(name, values)| {
                let held = event.data.get(name).and_then(Json::as_str);
                held.is_some_and(|held| values.iter().any(|value| value == held))
            })
        })
    }

    fn works_in(&self, user: &str, departments: &[String]) -> bool {
        let user = self.catalog.user(&UserId::new(user));
        user.and_then(|user| user.dept.as_ref()).is_some_and(|dept| departments.contains(dept))
    }

    fn lines(&self, record: &Record, field: &str, subfields: &[String], shown: bool) -> Datum {
        let Some(lines) = record.facts.lines.get(field) else { return Datum::None };
        let known = self.subfields(record, field);
        let line = |line: &std::collections::BTreeMap<String, Json>| {
            let words = subfields.iter().filter_map(|id| {
                let known = known.iter().find(|field| field.id == *id)?;
                let value = self.names.value(known, line.get(id)?, shown);
                let words = value.words(&self.zone, self.english || !shown);
                Some(words).filter(|words| !words.is_empty())
            });
            Datum::text(words.collect::<Vec<_>>().join(" "))
        };
        Datum::Many(lines.iter().map(line).collect())
    }

    fn days_late(&self, subject: Subject<'_>, from: &Reading, to: &Reading) -> Datum {
        let day = |reading: &Reading| {
            let at_ms = self.read(subject, reading, false).moment(&self.zone, false)?;
            Some(self.zone.day(at_ms))
        };
        let Some((from, to)) = day(from).zip(day(to)) else { return Datum::None };
        let days = (self.zone.start_ms(to) - self.zone.start_ms(from) + DAY_MS / 2) / DAY_MS;
        if days > 0 { Datum::Int(days) } else { Datum::None }
    }

    fn days_of(&self, subject: Subject<'_>, from: &Reading, to: &Reading) -> Datum {
        let day = |reading: &Reading| -> Option<Date> {
            Some(self.zone.day(self.read(subject, reading, false).moment(&self.zone, false)?))
        };
        let Some((from, to)) = day(from).zip(day(to)) else { return Datum::None };
        let (from, to) = (from.max(self.period.first()), to.min(self.period.last()));
        let mut days = Vec::new();
        let mut next = Some(from);
        while let Some(day) = next.filter(|day| *day <= to) {
            days.push(Datum::Day(day));
            next = day.tomorrow().ok();
        }
        Datum::Many(days)
    }
}

/// The number that people use for a record.
pub(super) fn number(record: &Record) -> String {
    let given = record.number.clone().or_else(|| record.temp_number.clone());
    given.unwrap_or_else(|| record.document.to_string().chars().take(8).collect())
}
