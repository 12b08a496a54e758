//! The stage that processes are played on: a branch with the sample organisation, a device for each
//! person who appears, a clock that tests set by local time.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use xunyuan_core::definition::{Definition, embedded, sample_organisation};
use xunyuan_core::document::model::Value;
use xunyuan_core::duty::{Days, Status};
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::id::DocumentId;
use xunyuan_core::projection::Filter;
use xunyuan_core::replica::{Answer, Replica};
use xunyuan_core::report::{Period, Request, Table};
use xunyuan_core::rules::entry::{EntryView, FieldContent, LineView};
use xunyuan_core::rules::file::FileRef;
use xunyuan_core::rules::sheet::InspectionView;
use xunyuan_core::time::Moment;
use xunyuan_server::hub::{DutyFilter, DutyView};
use xunyuan_tests::laws::check_settled;
use xunyuan_tests::records::ms;
use xunyuan_tests::seed::Seed;
use xunyuan_tests::world::World;

/// How long the branch takes to judge what arrived, at most.
const MINUTE_MS: i64 = 61_000;

/// A branch at work.
pub(super) struct Stage {
    /// Devices, network and branch.
    pub(super) world: World,
    devices: BTreeMap<String, usize>,
}

/// What the branch escalated on a record: the rule, whom it told, and the mark.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) rule: String,
    pub(super) to: String,
    pub(super) mark: String,
}

impl Told {
    fn of(data: &BTreeMap<String, Value>) -> Self {
        let text = |name: &str| data.get(name).and_then(Value::as_text).unwrap_or_default().to_owned();
        Self { rule: text("rule"), to: text("to"), mark: text("mark") }
    }
}

/// When the play is over everybody has signal once more, and the laws hold.
impl Drop for Stage {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.settle();
            check_settled(&mut self.world);
        }
    }
}

impl Stage {
    /// Monday, 2026-11-23, nine o'clock; the branch is open.
    pub(super) fn open() -> Self {
        Self::on(World::new(Seed::or(1)))
    }

    /// A world as a stage; from now on the branch looks at duties.
    pub(super) fn on(world: World) -> Self {
        let stage = Self { world, devices: BTreeMap::new() };
        stage.look();
        stage
    }

    /// The device of a person, enrolled when they first appear.
    pub(super) fn of(&mut self, user: &str) -> usize {
        if let Some(device) = self.devices.get(user) {
            return *device;
        }
        let device = self.world.enroll(user);
        self.devices.insert(user.to_owned(), device);
        device
    }

    /// The clock goes on to a local time, `2026-11-24T08:00`, and the branch looks at what came due.
    pub(super) fn at(&mut self, local: &str) {
        let at_ms = ms(&format!("{local}+08:00"));
        assert!(at_ms >= self.world.now_ms, "{local} is over");
        self.world.now_ms = at_ms;
        self.look();
    }

    /// The branch looks at what arrived and what came due.
    pub(super) fn look(&self) {
        self.world.hub.look_all(self.world.branch_ms()).unwrap();
    }

    /// These people have signal: what they wrote reaches the branch, and what it has reaches them. The branch
    /// judges within a minute.
    pub(super) fn sync(&mut self, users: &[&str]) {
        for user in users {
            let device = self.of(user);
            self.world.sync(device);
        }
        self.world.pass(MINUTE_MS);
        self.look();
        for user in users {
            let device = self.of(user);
            self.world.sync(device);
        }
    }

    /// Everybody has signal.
    pub(super) fn meet(&mut self) {
        self.settle();
        self.world.pass(MINUTE_MS);
        self.look();
        self.settle();
    }

    /// All exchange until nobody has anything new, and write down what a long absence left to be written.
    fn settle(&mut self) {
        self.world.settle();
        for device in self.world.live() {
            while self.world.replica(device).write_rows().unwrap() {}
        }
    }

    /// Does something on a person's device that must be possible.
    pub(super) fn act<T>(
        &mut self,
        user: &str,
        action: impl FnOnce(&mut Replica, &Moment) -> Result<T, Error>,
    ) -> T {
        let device = self.of(user);
        self.world.act(device, action)
    }

    /// Tries something on a person's device that a rule refuses, and says by which code.
    pub(super) fn refused<T>(
        &mut self,
        user: &str,
        action: impl FnOnce(&mut Replica, &Moment) -> Result<T, Error>,
    ) -> String {
        let device = self.of(user);
        let Err(error) = self.world.attempt(device, action) else { panic!("{user} could do it") };
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        assert!(!error.sentence().zh.is_empty() && !error.sentence().en.is_empty());
        error.code().to_owned()
    }

    /// A new entry of a ledger.
    pub(super) fn enter(&mut self, user: &str, ledger: &str, project: &str, fields: Json) -> DocumentId {
        self.act(user, |replica, moment| replica.create_entry(ledger, project, values(fields), moment))
    }

    /// An event of an entry's lifecycle.
    pub(super) fn step(&mut self, user: &str, entry: DocumentId, event: &str, data: Json) -> EntryView {
        self.act(user, |replica, moment| replica.record_event(entry, event, values(data), moment))
    }

    /// The code by which an event is refused.
    pub(super) fn step_refused(&mut self, user: &str, entry: DocumentId, event: &str, data: Json) -> String {
        self.refused(user, |replica, moment| replica.record_event(entry, event, values(data), moment))
    }

    /// The code by which a new entry is refused.
    pub(super) fn enter_refused(&mut self, user: &str, ledger: &str, project: &str, fields: Json) -> String {
        self.refused(user, |replica, moment| replica.create_entry(ledger, project, values(fields), moment))
    }

    /// Writes into a line of an entry.
    pub(super) fn edit_line(&mut self, user: &str, entry: DocumentId, field: &str, line: &str, to: Json) {
        self.act(user, |replica, moment| replica.edit_entry_line(entry, field, line, values(to), moment));
    }

    /// The lines of an entry as a person's device shows them.
    pub(super) fn lines(&mut self, user: &str, entry: DocumentId, field: &str) -> Vec<LineView> {
        let view = self.view(user, entry);
        let content = view.fields.into_iter().find(|one| one.id == field).map(|one| one.content);
        let Some(FieldContent::Lines(lines)) = content else { return Vec::new() };
        lines
    }

    /// Puts files into a place of a record.
    pub(super) fn attach(&mut self, user: &str, record: DocumentId, place: &str, files: &[FileRef]) {
        self.act(user, |replica, moment| replica.attach(record, place, files, None, moment));
    }

    /// Edits fields of an entry.
    pub(super) fn edit(&mut self, user: &str, entry: DocumentId, fields: Json) -> EntryView {
        self.act(user, |replica, moment| replica.edit_entry(entry, values(fields), moment))
    }

    /// The code by which an edit is refused.
    pub(super) fn edit_refused(&mut self, user: &str, entry: DocumentId, fields: Json) -> String {
        self.refused(user, |replica, moment| replica.edit_entry(entry, values(fields), moment))
    }

    /// The code by which a line is refused.
    pub(super) fn line_refused(&mut self, user: &str, entry: DocumentId, field: &str, line: Json) -> String {
        self.refused(user, |replica, moment| replica.add_entry_line(entry, field, values(line), moment))
    }

    /// A line of an entry.
    pub(super) fn line(&mut self, user: &str, entry: DocumentId, field: &str, line: Json) -> EntryView {
        self.act(user, |replica, moment| replica.add_entry_line(entry, field, values(line), moment))
    }

    /// A new sheet of a checklist that no schedule asked for.
    pub(super) fn sheet(&mut self, user: &str, checklist: &str, project: &str, header: Json) -> DocumentId {
        let header = values(header);
        self.act(user, |replica, moment| replica.start_inspection_with(checklist, project, header, moment))
    }

    /// Answers an item with an option; a failing one with the note that it asks for.
    pub(super) fn answer(&mut self, user: &str, sheet: DocumentId, item: &str, option: &str, note: &str) {
        let note = Some(note.to_owned()).filter(|note| !note.is_empty());
        let answer = Answer { value: Some(Value::Text(option.to_owned())), note, photos: Vec::new() };
        self.act(user, |replica, moment| replica.answer(sheet, item, answer, moment));
    }

    /// Fills in whatever a sheet still lacks but signatures.
    pub(super) fn fill(&mut self, user: &str, sheet: DocumentId) {
        let device = self.of(user);
        self.world.fill_sheet(device, sheet);
    }

    /// Signs a sheet, each person on their own device, once it has reached them.
    pub(super) fn sign(&mut self, sheet: DocumentId, places: &[(&str, &str)]) {
        for (user, place) in places {
            self.act(user, |replica, moment| replica.sign(sheet, place, moment));
            self.meet();
        }
    }

    /// Completes a sheet that lacks nothing.
    pub(super) fn complete(&mut self, user: &str, sheet: DocumentId) -> InspectionView {
        self.act(user, |replica, moment| replica.complete(sheet, false, moment))
    }

    /// Publishes a changed version of a shipped definition at the branch, as its own people would.
    pub(super) fn publish(&mut self, id: &str, change: impl FnOnce(&mut Json)) {
        let mut known = embedded().iter().chain([sample_organisation()]);
        let shipped = known.find(|one| one.reference.id == id).unwrap_or_else(|| panic!("no {id}"));
        let mut json: Json = serde_json::from_slice(&shipped.json).unwrap();
        let held = self.world.hub.catalog().reference_of(id).map_or(0, |held| held.version);
        json["version"] = Json::from(held + 1);
        change(&mut json);
        let definition = Definition::parse(&serde_json::to_vec(&json).unwrap()).unwrap();
        self.world.publish(&[definition]);
        self.look();
    }

    /// An entry as a person's device shows it.
    pub(super) fn view(&mut self, user: &str, entry: DocumentId) -> EntryView {
        self.act(user, |replica, _| replica.entry(entry))
    }

    /// The records of a ledger or checklist that a person's device lists, newest first.
    pub(super) fn list(&mut self, user: &str, definition: &str) -> Vec<DocumentId> {
        let filter = Filter { definition: Some(definition.to_owned()), ..Filter::default() };
        let rows = self.act(user, |replica, _| replica.list(&filter));
        rows.into_iter().map(|row| row.document).collect()
    }

    /// What a rule made of it at the branch, by due time.
    pub(super) fn duties(&self, rule: &str) -> Vec<DutyView> {
        let filter = DutyFilter { rule: Some(rule.to_owned()), ..DutyFilter::default() };
        self.world.hub.duties(&filter, self.world.branch_ms()).unwrap()
    }

    /// Unit and status of the duties of a rule at the branch, by due time.
    pub(super) fn standing(&self, rule: &str) -> Vec<(String, Status)> {
        self.duties(rule).into_iter().map(|view| (view.duty.unit, view.status)).collect()
    }

    /// How what a person owes by a rule stands, as their own device says it, the most urgent first.
    pub(super) fn owes(&mut self, user: &str, rule: &str) -> Vec<Status> {
        let duties = self.act(user, |replica, moment| replica.duties(moment));
        duties.into_iter().filter(|view| view.duty.rule == rule).map(|view| view.status).collect()
    }

    /// The same about one record.
    pub(super) fn owes_on(&mut self, user: &str, rule: &str, record: DocumentId) -> Vec<Status> {
        let duties = self.act(user, |replica, moment| replica.duties(moment));
        let is_meant = |view: &xunyuan_core::replica::DutyView| {
            view.duty.rule == rule && view.duty.subject.document() == Some(record)
        };
        duties.into_iter().filter(is_meant).map(|view| view.status).collect()
    }

    /// What a rule made of one record at the branch, by due time.
    pub(super) fn duties_on(&self, rule: &str, record: DocumentId) -> Vec<DutyView> {
        let all = self.duties(rule).into_iter();
        all.filter(|view| view.duty.subject.document() == Some(record)).collect()
    }

    /// What the branch escalated on an entry, as a person's device shows it.
    pub(super) fn told(&mut self, user: &str, entry: DocumentId) -> Vec<Told> {
        let events = self.view(user, entry).events.into_iter().map(|view| view.event);
        events.filter(|event| event.data.contains_key("duty")).map(|event| Told::of(&event.data)).collect()
    }

    /// A report as the branch makes it now.
    pub(super) fn report(&self, report: &str, project: Option<&str>, period: &str) -> Table {
        let request = self.asked(report, project, period);
        self.world.hub.report(&request, &mut |_| ()).unwrap()
    }

    /// A report as a person's device makes it, without signal.
    pub(super) fn report_of(&mut self, user: &str, report: &str, period: &str) -> Table {
        let request = self.asked(report, None, period);
        self.act(user, |replica, _| replica.report(&request, "stage", &mut |_| ()))
    }

    /// What the branch escalated on a sheet, as a person's device holds it.
    pub(super) fn told_of(&mut self, user: &str, sheet: DocumentId) -> Vec<Told> {
        let history = self.act(user, |replica, _| replica.history(sheet));
        history
            .iter()
            .filter(|line| line.data.contains_key("duty"))
            .map(|line| Told::of(&line.data))
            .collect()
    }

    /// The local day of a time.
    pub(super) fn day(&self, at_ms: i64) -> String {
        Days::of(&self.world.hub.catalog()).day(at_ms).to_string()
    }

    /// A report asked for now, in Chinese, with its papers.
    pub(super) fn asked(&self, report: &str, project: Option<&str>, period: &str) -> Request {
        Request {
            report: report.to_owned(),
            project: project.map(str::to_owned),
            period: Some(Period::parse(period).unwrap()),
            record: None,
            now_ms: self.world.branch_ms(),
            english: false,
            sheets: true,
        }
    }
}

/// Values as a person gives them: text, whole and measured numbers, yes and no.
pub(super) fn values(json: Json) -> BTreeMap<String, Value> {
    let Json::Object(fields) = json else { panic!("values stand in an object: {json}") };
    let value = |value: Json| match value {
        Json::Bool(flag) => Value::Bool(flag),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Number(number.as_f64().unwrap()),
        },
        Json::String(text) => Value::Text(text),
        Json::Null => Value::Null,
        Json::Array(_) | Json::Object(_) => panic!("no plain value: {value}"),
    };
    fields.into_iter().map(|(name, given)| (name, value(given))).collect()
}

/// A local time as devices keep it.
pub(super) fn time(local: &str) -> Json {
    Json::from(ms(&format!("{local}+08:00")))
}

/// What a field of an entry shows: one value, a shared text, the elements of a set or how many lines.
pub(super) fn shown(view: &EntryView, field: &str) -> String {
    let field = view.fields.iter().find(|one| one.id == field).unwrap_or_else(|| panic!("no {field}"));
    match &field.content {
        FieldContent::Empty => String::new(),
        FieldContent::One(Value::Text(text)) | FieldContent::Text(text) => text.clone(),
        FieldContent::One(value) => format!("{value:?}"),
        FieldContent::Set(elements) => elements.join(" "),
        FieldContent::Lines(lines) => lines.len().to_string(),
    }
}

/// The rows of a report as people read them, the foot last.
pub(super) fn rows(table: &Table) -> Vec<Vec<String>> {
    let all = table.rows.iter().chain(&table.foot);
    all.map(|row| row.iter().map(|cell| cell.text(table.english)).collect()).collect()
}
