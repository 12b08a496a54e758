//! Readings, tests and tallies of reports: what they name must be there to be read.

use std::sync::Arc;

use super::super::checklist::{Checklist, RepeatGroup};
use super::super::field::{Field, FieldType, Target};
use super::super::ledger::{EVENT_DATA, Ledger};
use super::super::report::{EventReading, Happened, Reading, Tally, Test};
use super::faults::{Faults, Noun};
use super::guard::OPTION;
use super::known::{DEPARTMENT, Known, SEVERITY, STATE};

pub(super) const FIELD: Noun = Noun("字段", "field");
pub(super) const EVENT: Noun = Noun("事件", "event");
const ITEM: Noun = Noun("检查项", "item");
/// Events of a sheet.
const SHEET_EVENTS: [&str; 4] = ["create", "complete", "review", "amend"];
/// States of a sheet.
const SHEET_STATES: [&str; 3] = ["open", "completed", "reviewed"];
/// What every event has.
const EVENT_OWN: [&str; 2] = ["at", "by"];
/// What a level of gravity allows.
const ALLOWANCES: [&str; 2] = ["first_reply_h", "resolve_h"];

/// Something whose records a reading looks at.
#[derive(Clone)]
pub(super) enum Subject<'k> {
    Ledger(&'k Arc<Ledger>),
    Checklist(&'k Arc<Checklist>),
    /// A table that no records make, with its columns.
    Lines(&'static [&'static str]),
}

/// Where readings stand: what they may look at. Empty where the source itself is wrong, which is said once.
#[derive(Clone)]
pub(super) struct Place<'k> {
    pub(super) known: &'k Known,
    pub(super) subjects: Vec<Subject<'k>>,
    /// How many readings group the table.
    pub(super) groups: usize,
    /// Ids of the columns.
    pub(super) columns: Vec<&'k str>,
}

impl<'k> Place<'k> {
    /// The same place over other records.
    pub(super) fn over(&self, subjects: Vec<Subject<'k>>) -> Self {
        Self { subjects, ..self.clone() }
    }

    /// Over the findings of the organisation.
    pub(super) fn over_findings(&self) -> Self {
        let ledger = self.known.finding_ledger.as_ref().and_then(|id| self.known.ledgers.get(id));
        self.over(ledger.map(Subject::Ledger).into_iter().collect())
    }

    fn ledgers(&self) -> impl Iterator<Item = &'k Ledger> {
        self.subjects.iter().filter_map(|subject| match subject {
            Subject::Ledger(ledger) => Some(&***ledger),
            Subject::Checklist(_) | Subject::Lines(_) => None,
        })
    }

    fn checklists(&self) -> impl Iterator<Item = &'k Checklist> {
        self.subjects.iter().filter_map(|subject| match subject {
            Subject::Checklist(checklist) => Some(&***checklist),
            Subject::Ledger(_) | Subject::Lines(_) => None,
        })
    }

    fn fields(&self) -> impl Iterator<Item = &'k Field> {
        let of_ledgers = self.ledgers().flat_map(|ledger| &ledger.fields);
        of_ledgers.chain(self.checklists().flat_map(|checklist| &checklist.header_fields))
    }

    fn groups(&self) -> impl Iterator<Item = &'k RepeatGroup> {
        self.checklists().flat_map(|checklist| &checklist.repeat_groups)
    }

    /// A field of this place that fits, or a column of a table that no records make.
    pub(super) fn field(
        &self,
        pointer: &str,
        id: &str,
        fits: impl Fn(&FieldType) -> bool,
        faults: &mut Faults,
    ) {
        let of_lines = self.subjects.iter().flat_map(|subject| match subject {
            Subject::Lines(columns) => *columns,
            Subject::Ledger(_) | Subject::Checklist(_) => &[],
        });
        let fields = self.fields().filter(|field| fits(&field.kind)).map(|field| field.id.as_str());
        self.among(pointer, FIELD, id, fields.chain(of_lines.copied()), faults);
    }

    /// A field with lines, or a repeated group; its subfields where it is there.
    pub(super) fn lines(&self, pointer: &str, id: &str, faults: &mut Faults) -> Option<&'k [Field]> {
        let of_fields = || self.fields().filter(|field| field.kind == FieldType::Entries);
        let ids =
            of_fields().map(|field| field.id.as_str()).chain(self.groups().map(|group| group.id.as_str()));
        self.among(pointer, Noun("明细字段或重复组", "field with lines or repeated group"), id, ids, faults);
        let field = of_fields().find(|field| field.id == id).map(|field| field.entry_fields.as_slice());
        field.or_else(|| self.groups().find(|group| group.id == id).map(|group| group.fields.as_slice()))
    }

    /// A field, an item or a group that may hold photos.
    pub(super) fn photos(&self, pointer: &str, id: &str, faults: &mut Faults) {
        let fields = self.fields().filter(|field| field.is_photos()).map(|field| field.id.as_str());
        let items = self.checklists().flat_map(Checklist::items).map(|item| item.id.as_str());
        let lines = self.groups().map(|group| group.id.as_str());
        let entries = self.fields().filter(|field| field.kind == FieldType::Entries);
        let ids = fields.chain(items).chain(lines).chain(entries.map(|field| field.id.as_str()));
        self.among(pointer, Noun("照片字段", "field with photos"), id, ids, faults);
    }

    pub(super) fn events(&self, pointer: &str, kinds: &[String], faults: &mut Faults) {
        let steps = self.ledgers().flat_map(|ledger| &ledger.transitions).map(|step| step.id.as_str());
        let begun = self.ledgers().map(|ledger| ledger.create_event.as_str());
        let of_sheets = if self.checklists().next().is_some() { &SHEET_EVENTS[..] } else { &[] };
        let known: Vec<&str> = steps.chain(begun).chain(of_sheets.iter().copied()).collect();
        for (at, kind) in kinds.iter().enumerate() {
            self.among(&format!("{pointer}/{at}"), EVENT, kind, known.iter().copied(), faults);
        }
    }

    fn event(&self, pointer: &str, event: &EventReading, faults: &mut Faults) {
        self.events(&format!("{pointer}/kinds"), &event.kinds, faults);
        let ids = EVENT_OWN.into_iter().chain(self.carried());
        let noun = Noun("事件内容", "part of an event:");
        self.among(&format!("{pointer}/take"), noun, &event.take, ids, faults);
    }

    fn happened(&self, pointer: &str, happened: &Happened, faults: &mut Faults) {
        self.events(&format!("{pointer}/kinds"), &happened.kinds, faults);
        for name in happened.with.keys() {
            let noun = Noun("事件内容", "part of an event:");
            self.among(&format!("{pointer}/with/{name}"), noun, name, self.carried(), faults);
        }
    }

    /// What an event may carry.
    fn carried(&self) -> impl Iterator<Item = &'k str> {
        let fields = self.ledgers().flat_map(|ledger| &ledger.fields).map(|field| field.id.as_str());
        EVENT_DATA.into_iter().chain(fields)
    }

    /// `id` must be among `ids`, where anything is there to look at.
    fn among<'i>(
        &self,
        pointer: &str,
        noun: Noun,
        id: &str,
        ids: impl IntoIterator<Item = &'i str>,
        faults: &mut Faults,
    ) {
        if !self.subjects.is_empty() {
            faults.refers(pointer, noun, id, ids);
        }
    }

    /// Checks a reading.
    pub(super) fn reading(&self, pointer: &str, reading: &Reading, faults: &mut Faults) {
        match reading {
            Reading::Row
            | Reading::Number
            | Reading::Project
            | Reading::Kind
            | Reading::State
            | Reading::BegunAt
            | Reading::BegunBy
            | Reading::DueAt
            | Reading::Score
            | Reading::Verdict
            | Reading::Photos
            | Reading::Sections
            | Reading::Scans
            | Reading::AsOf
            | Reading::Period
            | Reading::SourceItem
            | Reading::Topics
            | Reading::Words(_) => {}
            Reading::RoleOf(of) => self.reading(&format!("{pointer}/role_of"), of, faults),
            Reading::DayOf(of) => self.reading(&format!("{pointer}/day_of"), of, faults),
            Reading::DaysOf(both) => self.both(&format!("{pointer}/days_of"), both, faults),
            Reading::Elapsed(both) => self.both(&format!("{pointer}/elapsed"), both, faults),
            Reading::DaysLate(both) => self.both(&format!("{pointer}/days_late"), both, faults),
            Reading::Across(both) => self.both(&format!("{pointer}/across"), both, faults),
            Reading::Event(event) => self.event(&format!("{pointer}/event"), event, faults),
            Reading::First(all) => self.readings(&format!("{pointer}/first"), all, faults),
            Reading::Join(all, _) => self.readings(&format!("{pointer}/join/0"), all, faults),
            Reading::PeopleOf(of, departments) => {
                self.reading(&format!("{pointer}/people_of/0"), of, faults);
                self.departments(&format!("{pointer}/people_of/1"), departments, faults);
            }
            Reading::Choose(choose) => {
                let pointer = format!("{pointer}/choose");
                self.test(&format!("{pointer}/when"), &choose.when, faults);
                self.reading(&format!("{pointer}/then"), &choose.then, faults);
                if let Some(otherwise) = &choose.otherwise {
                    self.reading(&format!("{pointer}/otherwise"), otherwise, faults);
                }
            }
            Reading::Field(_)
            | Reading::Filled(..)
            | Reading::Answer(_)
            | Reading::TopCategory(_)
            | Reading::Allowed(..)
            | Reading::Lines(..)
            | Reading::LineCount(_)
            | Reading::Failures { .. }
            | Reading::FailureCount(_)
            | Reading::Signed(_) => self.named(pointer, reading, faults),
            Reading::Findings(tally) => {
                self.over_findings().tally(&format!("{pointer}/findings"), tally, faults);
            }
        }
    }

    /// A reading that names a part of the record itself.
    fn named(&self, pointer: &str, reading: &Reading, faults: &mut Faults) {
        if let Reading::Field(id) = reading {
            self.field(&format!("{pointer}/field"), id, |_| true, faults);
        } else if let Reading::Filled(id, key) = reading {
            self.filled(&format!("{pointer}/filled"), id, key, faults);
        } else if let Reading::Answer(id) = reading {
            let items = self.checklists().flat_map(Checklist::items).map(|item| item.id.as_str());
            self.among(&format!("{pointer}/answer"), ITEM, id, items, faults);
        } else if let Reading::TopCategory(id) = reading {
            let fits = |kind: &FieldType| matches!(kind, FieldType::Ref(Target::Category(_)));
            self.field(&format!("{pointer}/top_category"), id, fits, faults);
        } else if let Reading::Allowed(id, what) = reading {
            let fits = |kind: &FieldType| matches!(kind, FieldType::Choice(_));
            self.field(&format!("{pointer}/allowed/0"), id, fits, faults);
            let noun = Noun("时限", "time allowed:");
            faults.refers(format!("{pointer}/allowed/1"), noun, what, ALLOWANCES);
        } else if let Reading::Lines(id, subfields) = reading {
            let fields = self.lines(&format!("{pointer}/lines/0"), id, faults);
            for (at, subfield) in subfields.iter().enumerate() {
                let Some(fields) = fields else { break };
                let ids = fields.iter().map(|field| field.id.as_str());
                faults.refers(format!("{pointer}/lines/1/{at}"), FIELD, subfield, ids);
            }
        } else if let Reading::LineCount(id) = reading {
            self.lines(&format!("{pointer}/line_count"), id, faults);
        } else if let Reading::Failures { severities, .. } = reading {
            self.severities(&format!("{pointer}/failures/severities"), severities, faults);
        } else if let Reading::FailureCount(severities) = reading {
            self.severities(&format!("{pointer}/failure_count"), severities, faults);
        } else if let Reading::Signed(id) = reading {
            let places = self.checklists().flat_map(|checklist| &checklist.signoff);
            let places = places.map(|place| place.id.as_str());
            self.among(&format!("{pointer}/signed"), Noun("签字处", "place to sign"), id, places, faults);
        }
    }

    pub(super) fn readings(&self, pointer: &str, all: &[Reading], faults: &mut Faults) {
        for (at, reading) in all.iter().enumerate() {
            self.reading(&format!("{pointer}/{at}"), reading, faults);
        }
    }

    fn both(&self, pointer: &str, both: &(Reading, Reading), faults: &mut Faults) {
        self.reading(&format!("{pointer}/0"), &both.0, faults);
        self.reading(&format!("{pointer}/1"), &both.1, faults);
    }

    fn filled(&self, pointer: &str, id: &str, key: &str, faults: &mut Faults) {
        let fits = |kind: &FieldType| matches!(kind, FieldType::Ref(Target::Form(_)));
        self.field(&format!("{pointer}/0"), id, fits, faults);
        let forms =
            self.known.forms.values().filter(|form| self.ledgers().any(|ledger| ledger.id == form.ledger));
        let keys = forms.flat_map(|form| &form.fields).map(|field| field.id.as_str());
        self.among(&format!("{pointer}/1"), Noun("表单字段", "field of the form"), key, keys, faults);
    }

    fn departments(&self, pointer: &str, departments: &[String], faults: &mut Faults) {
        for (at, department) in departments.iter().enumerate() {
            Known::among(faults, format!("{pointer}/{at}"), DEPARTMENT, department, &self.known.departments);
        }
    }

    fn severities(&self, pointer: &str, severities: &[String], faults: &mut Faults) {
        for (at, severity) in severities.iter().enumerate() {
            Known::among(faults, format!("{pointer}/{at}"), SEVERITY, severity, &self.known.severities);
        }
    }

    /// Checks a test.
    pub(super) fn test(&self, pointer: &str, test: &Test, faults: &mut Faults) {
        match test {
            Test::Always | Test::Open | Test::Overdue | Test::VisitAsked => {}
            Test::All(all) => self.tests(&format!("{pointer}/all"), all, faults),
            Test::Any(any) => self.tests(&format!("{pointer}/any"), any, faults),
            Test::Not(not) => self.test(&format!("{pointer}/not"), not, faults),
            Test::Given(reading) => self.reading(&format!("{pointer}/given"), reading, faults),
            Test::Is(reading, among) => {
                self.reading(&format!("{pointer}/is/0"), reading, faults);
                self.values(&format!("{pointer}/is/1"), reading, among, faults);
            }
            Test::AtMost(lower, upper) => {
                self.reading(&format!("{pointer}/at_most/0"), lower, faults);
                self.reading(&format!("{pointer}/at_most/1"), upper, faults);
            }
            Test::Happened(happened) => self.happened(&format!("{pointer}/happened"), happened, faults),
        }
    }

    fn tests(&self, pointer: &str, tests: &[Test], faults: &mut Faults) {
        for (at, test) in tests.iter().enumerate() {
            self.test(&format!("{pointer}/{at}"), test, faults);
        }
    }

    /// Values that something is compared with: options of a choice, states.
    fn values(&self, pointer: &str, reading: &Reading, among: &[String], faults: &mut Faults) {
        let (noun, known) = if *reading == Reading::State {
            let states = self.ledgers().flat_map(|ledger| &ledger.states).map(|state| state.id.as_str());
            (STATE, states.chain(SHEET_STATES).collect::<Vec<_>>())
        } else if let Reading::Field(id) = reading {
            let fields: Vec<&Field> = self.fields().filter(|field| field.id == *id).collect();
            if fields.is_empty() || fields.iter().any(|field| !matches!(field.kind, FieldType::Choice(_))) {
                return;
            }
            let options = fields.iter().flat_map(|field| &field.options).map(|option| option.id.as_str());
            let sets = fields.iter().filter_map(|field| {
                let FieldType::Choice(Some(set)) = &field.kind else { return None };
                self.known.response_sets.get(set)
            });
            let of_sets = sets.flat_map(|set| &set.options).map(|option| option.id.as_str());
            (OPTION, options.chain(of_sets).collect())
        } else {
            return;
        };
        for (at, value) in among.iter().enumerate() {
            self.among(&format!("{pointer}/{at}"), noun, value, known.iter().copied(), faults);
        }
    }

    /// Checks a tally.
    pub(super) fn tally(&self, pointer: &str, tally: &Tally, faults: &mut Faults) {
        match tally {
            Tally::Period => {}
            Tally::Key(at) if *at < self.groups => {}
            Tally::Key(at) => faults.say(
                format!("{pointer}/key"),
                format!("没有第 {at} 个分组依据(从 0 数)"),
                format!("nothing groups the table in place {at}, counted from 0"),
            ),
            Tally::Count(test) => self.test(&format!("{pointer}/count"), test, faults),
            Tally::Sum(reading) => self.reading(&format!("{pointer}/sum"), reading, faults),
            Tally::Mean(reading) => self.reading(&format!("{pointer}/mean"), reading, faults),
            Tally::Spread(reading) => self.reading(&format!("{pointer}/spread"), reading, faults),
            Tally::Different(reading) => self.reading(&format!("{pointer}/different"), reading, faults),
            Tally::Share(both) => {
                self.tally(&format!("{pointer}/share/0"), &both.0, faults);
                self.tally(&format!("{pointer}/share/1"), &both.1, faults);
            }
            Tally::Change(of) => self.tally(&format!("{pointer}/change"), of, faults),
            Tally::Before(of) => self.tally(&format!("{pointer}/before"), of, faults),
            Tally::Top(_, reading) => self.reading(&format!("{pointer}/top/1"), reading, faults),
            Tally::List(reading, test) => {
                self.reading(&format!("{pointer}/list/0"), reading, faults);
                self.test(&format!("{pointer}/list/1"), test, faults);
            }
            Tally::Rank(column) => {
                let columns = self.columns.iter().copied();
                faults.refers(format!("{pointer}/rank"), Noun("列", "column"), column, columns);
            }
            Tally::People(departments) => self.departments(&format!("{pointer}/people"), departments, faults),
            Tally::Of(ids, of) => {
                let id_of = |subject: &&Subject<'k>| match subject {
                    Subject::Ledger(ledger) => Some(ledger.id.as_str()),
                    Subject::Checklist(checklist) => Some(checklist.id.as_str()),
                    Subject::Lines(_) => None,
                };
                for (at, id) in ids.iter().enumerate() {
                    let known = self.subjects.iter().filter_map(|subject| id_of(&subject));
                    self.among(&format!("{pointer}/of/0/{at}"), SOURCE, id, known, faults);
                }
                let meant =
                    |subject: &&Subject<'k>| id_of(subject).is_some_and(|id| ids.iter().any(|one| one == id));
                let inner = self.over(self.subjects.iter().filter(meant).cloned().collect());
                inner.tally(&format!("{pointer}/of/1"), of, faults);
            }
        }
    }
}

/// Where the rows of a report come from.
pub(super) const SOURCE: Noun = Noun("数据来源", "source of this report:");
