//! The catalogue: every definition version held, and what the latest ones say.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Definition;
use super::body::{self, Body};
use super::catalogues::{Category, CategorySet, Clause, Level, ResponseSet, Standard};
use super::checklist::Checklist;
use super::field::{Field, FieldType, Target};
use super::holidays::Holidays;
use super::label::Named;
use super::ledger::Ledger;
use super::organisation::{
    Checkpoint, DevicePolicy, Organisation, Project, Role, RoleBook, Schedule, Unit, User,
};
use super::papers::{Form, Nonconformity, Severity, Topic};
use super::report::Report;
use super::rulebook::{Rule, RuleBook};
use super::staffing::Staffing;
use super::tiles::{Tile, Tiles};
use crate::error::Error;
use crate::id::{DefinitionRef, UserId};

/// All definitions that a device or the branch holds, read once; cloning shares them.
///
/// Inspections and entries pin a version: [`Catalog::checklist`] and [`Catalog::ledger`] find it by its
/// full reference. Everything else (response sets, categories, roles, the organisation) is read from the
/// latest version, because its ids are never reused.
#[derive(Clone, Debug)]
pub struct Catalog {
    held: Arc<Held>,
}

#[derive(Debug, Default)]
struct Held {
    versions: BTreeMap<DefinitionRef, Body>,
    latest: BTreeMap<String, DefinitionRef>,
    response_sets: BTreeMap<String, ResponseSet>,
    category_sets: BTreeMap<String, Arc<CategorySet>>,
    categories: BTreeMap<String, Category>,
    standards: BTreeMap<String, Standard>,
    forms: BTreeMap<String, Arc<Form>>,
    rules: BTreeMap<String, Rule>,
    rule_book: Option<Arc<RuleBook>>,
    reports: BTreeMap<String, Report>,
    topics: BTreeMap<String, Topic>,
    nonconformity: Option<Arc<Nonconformity>>,
    roles: Option<Arc<RoleBook>>,
    holidays: Option<Arc<Holidays>>,
    tiles: Option<Arc<Tiles>>,
    organisation: Option<Arc<Organisation>>,
    staffing: Option<Arc<Staffing>>,
}

impl Catalog {
    /// Reads definitions into a catalogue. Several versions of one id may be given.
    ///
    /// # Errors
    /// As [`Catalog::stored`].
    pub fn new(definitions: &[Definition]) -> Result<Self, Error> {
        Self::stored(definitions.iter().map(|known| (&known.reference, known.json.as_slice())))
    }

    /// Reads definitions, as they were checked before and stored, into a catalogue.
    ///
    /// # Errors
    /// `Corrupt` when a definition's bytes do not have the hash it is named by, `Invalid` when they do
    /// not parse.
    pub fn stored<'d>(
        definitions: impl IntoIterator<Item = (&'d DefinitionRef, &'d [u8])>,
    ) -> Result<Self, Error> {
        let mut held = Held::default();
        for (reference, json) in definitions {
            held.versions.insert(reference.clone(), body::stored(reference, json)?);
        }
        for reference in held.versions.keys() {
            // The order of references is id, version, hash: the last one of an id is its latest.
            held.latest.insert(reference.id.clone(), reference.clone());
        }
        held.index();
        Ok(Self { held: Arc::new(held) })
    }

    /// The checklist version that an inspection pins.
    #[must_use]
    pub fn checklist(&self, reference: &DefinitionRef) -> Option<&Arc<Checklist>> {
        let Body::Checklist(checklist) = self.held.versions.get(reference)? else { return None };
        Some(checklist)
    }

    /// The newest version of a checklist.
    #[must_use]
    pub fn latest_checklist(&self, id: &str) -> Option<&Arc<Checklist>> {
        self.checklist(self.reference_of(id)?)
    }

    /// The newest version of each checklist, by id.
    pub fn checklists(&self) -> impl Iterator<Item = &Arc<Checklist>> {
        self.held.latest.values().filter_map(|reference| self.checklist(reference))
    }

    /// The ledger version that an entry pins.
    #[must_use]
    pub fn ledger(&self, reference: &DefinitionRef) -> Option<&Arc<Ledger>> {
        let Body::Ledger(ledger) = self.held.versions.get(reference)? else { return None };
        Some(ledger)
    }

    /// The newest version of a ledger.
    #[must_use]
    pub fn latest_ledger(&self, id: &str) -> Option<&Arc<Ledger>> {
        self.ledger(self.reference_of(id)?)
    }

    /// The newest version of each ledger, by id.
    pub fn ledgers(&self) -> impl Iterator<Item = &Arc<Ledger>> {
        self.held.latest.values().filter_map(|reference| self.ledger(reference))
    }

    /// The newest version of the definition with this id, whatever it defines.
    #[must_use]
    pub fn reference_of(&self, id: &str) -> Option<&DefinitionRef> {
        self.held.latest.get(id)
    }

    /// The latest version of every id that records do not pin, by id: what holds for all of them at once.
    pub fn in_force(&self) -> impl Iterator<Item = &DefinitionRef> {
        let is_pinned = |reference: &DefinitionRef| {
            matches!(self.held.versions.get(reference), Some(Body::Checklist(_) | Body::Ledger(_)))
        };
        self.held.latest.values().filter(move |reference| !is_pinned(reference))
    }

    /// True when exactly this version is held.
    #[must_use]
    pub fn holds(&self, reference: &DefinitionRef) -> bool {
        self.held.versions.contains_key(reference)
    }

    /// Sorted ids of the fields whose text merges character by character: the Text objects that the
    /// genesis of a record creates. Inspections have none; their texts are ordinary answers.
    #[must_use]
    pub fn text_keys(&self, reference: &DefinitionRef) -> Option<Vec<String>> {
        if self.checklist(reference).is_some() {
            return Some(Vec::new());
        }
        self.ledger(reference).map(|ledger| ledger.text_fields())
    }

    /// The stream of the records of a checklist or ledger version.
    #[must_use]
    pub fn stream_of(&self, reference: &DefinitionRef) -> Option<&str> {
        if let Some(checklist) = self.checklist(reference) {
            return Some(&checklist.stream);
        }
        self.ledger(reference).map(|ledger| ledger.stream.as_str())
    }
}

/// What items, fields and rules point into.
impl Catalog {
    /// A response set.
    #[must_use]
    pub fn response_set(&self, id: &str) -> Option<&ResponseSet> {
        self.held.response_sets.get(id)
    }

    /// Every response set, in the order of their ids.
    pub fn response_sets(&self) -> impl Iterator<Item = &ResponseSet> {
        self.held.response_sets.values()
    }

    /// A category, with what it inherits from the one above it.
    #[must_use]
    pub fn category(&self, id: &str) -> Option<&Category> {
        self.held.categories.get(id)
    }

    /// A category tree.
    #[must_use]
    pub fn category_set(&self, id: &str) -> Option<&Arc<CategorySet>> {
        self.held.category_sets.get(id)
    }

    /// A level of gravity among the category trees that a ledger uses.
    #[must_use]
    pub fn level(&self, ledger: &str, id: &str) -> Option<&Level> {
        self.held
            .category_sets
            .values()
            .filter(|set| set.used_by == ledger)
            .flat_map(|set| &set.levels)
            .find(|level| level.id == id)
    }

    /// A standard of the clause catalogue.
    #[must_use]
    pub fn standard(&self, id: &str) -> Option<&Standard> {
        self.held.standards.get(id)
    }

    /// Every standard of the clause catalogue.
    pub fn standards(&self) -> impl Iterator<Item = &Standard> {
        self.held.standards.values()
    }

    /// A clause by its id, `<standard>.<clause>`.
    #[must_use]
    pub fn clause(&self, id: &str) -> Option<&Clause> {
        let (standard, _) = id.split_once('.')?;
        self.standard(standard)?.clauses.iter().find(|clause| clause.id == id)
    }

    /// A paper form.
    #[must_use]
    pub fn form(&self, id: &str) -> Option<&Arc<Form>> {
        self.held.forms.get(id)
    }

    /// All paper forms, by id.
    pub fn forms(&self) -> impl Iterator<Item = &Form> {
        self.held.forms.values().map(|form| &**form)
    }

    /// The form that a field holds filled in, where it names one by id.
    #[must_use]
    pub fn form_of(&self, field: &Field) -> Option<&Form> {
        let FieldType::Ref(Target::Form(id)) = &field.kind else { return None };
        self.held.forms.get(id).map(|form| &**form)
    }

    /// A deadline rule.
    #[must_use]
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.held.rules.get(id)
    }

    /// All deadline rules, by id.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.held.rules.values()
    }

    /// The time zone in which days are counted.
    #[must_use]
    pub fn timezone(&self) -> Option<&str> {
        self.held.rule_book.as_ref().map(|book| book.timezone.as_str())
    }

    /// The versions of rule sets that hold a rule.
    pub fn versions_with_rule<'c>(&'c self, rule: &'c str) -> impl Iterator<Item = &'c DefinitionRef> {
        let holds =
            move |body: &Body| matches!(body, Body::Rules(book) if book.rules.iter().any(|r| r.id == rule));
        self.held.versions.iter().filter(move |(_, body)| holds(body)).map(|(reference, _)| reference)
    }

    /// The versions of the organisation that a project, or the branch itself, belongs to.
    pub fn versions_with_unit<'c>(&'c self, unit: &'c str) -> impl Iterator<Item = &'c DefinitionRef> {
        let holds = move |body: &Body| {
            matches!(body, Body::Organisation(organisation)
                if organisation.branch.id == unit || organisation.projects.iter().any(|p| p.id == unit))
        };
        self.held.versions.iter().filter(move |(_, body)| holds(body)).map(|(reference, _)| reference)
    }

    /// The rules as a whole: time zone, calendars, the form of notes.
    #[must_use]
    pub fn rule_book(&self) -> Option<&RuleBook> {
        self.held.rule_book.as_deref()
    }

    /// The tiles of the console in the order to show.
    #[must_use]
    pub fn tiles(&self) -> &[Tile] {
        self.held.tiles.as_deref().map_or(&[], |tiles| &tiles.tiles)
    }

    /// Public holidays; `None` where nobody published any.
    #[must_use]
    pub fn holidays(&self) -> Option<&Holidays> {
        self.held.holidays.as_deref()
    }

    /// A report.
    #[must_use]
    pub fn report(&self, id: &str) -> Option<&Report> {
        self.held.reports.get(id)
    }

    /// All reports, by id.
    pub fn reports(&self) -> impl Iterator<Item = &Report> {
        self.held.reports.values()
    }

    /// A topic of the training plan.
    #[must_use]
    pub fn training_topic(&self, id: &str) -> Option<&Topic> {
        self.held.topics.get(id)
    }

    /// All topics of the training plan, by id.
    pub fn training_topics(&self) -> impl Iterator<Item = &Topic> {
        self.held.topics.values()
    }

    /// The model of findings.
    #[must_use]
    pub fn nonconformity(&self) -> Option<&Arc<Nonconformity>> {
        self.held.nonconformity.as_ref()
    }

    /// The ledger whose entries are findings.
    #[must_use]
    pub fn finding_ledger(&self) -> Option<&Arc<Ledger>> {
        self.latest_ledger(&self.nonconformity()?.ledger)
    }

    /// The staffing formulas.
    #[must_use]
    pub fn staffing(&self) -> Option<&Staffing> {
        self.held.staffing.as_deref()
    }

    /// A severity of findings.
    #[must_use]
    pub fn severity(&self, id: &str) -> Option<&Severity> {
        self.nonconformity()?.severity(id)
    }
}

/// Who works where.
impl Catalog {
    /// A role.
    #[must_use]
    pub fn role(&self, id: &str) -> Option<&Role> {
        self.held.roles.as_ref()?.roles.iter().find(|role| role.id == id)
    }

    /// Roles, departments and levels as one.
    #[must_use]
    pub fn role_book(&self) -> Option<&RoleBook> {
        self.held.roles.as_deref()
    }

    /// Every role, in the order of the file.
    #[must_use]
    pub fn roles(&self) -> &[Role] {
        self.held.roles.as_ref().map_or(&[], |book| &book.roles)
    }

    /// A department.
    #[must_use]
    pub fn department(&self, id: &str) -> Option<&Named> {
        self.held.roles.as_ref()?.departments.iter().find(|department| department.id == id)
    }

    /// Every department, in the order of the file.
    #[must_use]
    pub fn departments(&self) -> &[Named] {
        self.held.roles.as_ref().map_or(&[], |roles| &roles.departments)
    }

    /// The rules for devices.
    #[must_use]
    pub fn device_policy(&self) -> Option<&DevicePolicy> {
        self.held.roles.as_ref().map(|roles| &roles.device_policy)
    }

    /// The organisation; `None` until one was loaded.
    #[must_use]
    pub fn organisation(&self) -> Option<&Organisation> {
        self.held.organisation.as_deref()
    }

    /// A project.
    #[must_use]
    pub fn project(&self, id: &str) -> Option<&Project> {
        self.organisation()?.projects.iter().find(|project| project.id == id)
    }

    /// A person, retired ones included.
    #[must_use]
    pub fn user(&self, id: &UserId) -> Option<&User> {
        self.organisation()?.users.iter().find(|user| user.id == id.as_str())
    }

    /// What a person is called; the id of one that is not known.
    #[must_use]
    pub fn name_of(&self, id: &UserId) -> String {
        self.user(id).map_or_else(|| id.to_string(), |known| known.name.clone())
    }

    /// The roles of a person; none for someone unknown or retired.
    #[must_use]
    pub fn user_roles(&self, id: &UserId) -> Vec<&Role> {
        let Some(user) = self.user(id).filter(|user| !user.retired) else { return Vec::new() };
        user.roles().filter_map(|role| self.role(role)).collect()
    }

    /// True when one of the person's roles lists the ability.
    #[must_use]
    pub fn may(&self, id: &UserId, ability: &str) -> bool {
        self.user_roles(id).iter().any(|role| role.can.iter().any(|can| can == ability))
    }

    /// A dwelling.
    #[must_use]
    pub fn unit(&self, id: &str) -> Option<&Unit> {
        self.organisation()?.units.iter().find(|unit| unit.id == id)
    }

    /// The checkpoints of a project that are in use.
    pub fn checkpoints<'c>(&'c self, project: &'c str) -> impl Iterator<Item = &'c Checkpoint> {
        let all = self.organisation().map_or([].as_slice(), |organisation| &organisation.checkpoints);
        all.iter().filter(move |checkpoint| checkpoint.project == project && !checkpoint.retired)
    }

    /// The checkpoint with this id, retired ones included.
    #[must_use]
    pub fn checkpoint(&self, id: &str) -> Option<&Checkpoint> {
        self.organisation()?.checkpoints.iter().find(|checkpoint| checkpoint.id == id)
    }

    /// The checkpoint whose tag reads `code`.
    #[must_use]
    pub fn checkpoint_by_code(&self, code: &str) -> Option<&Checkpoint> {
        self.organisation()?
            .checkpoints
            .iter()
            .find(|checkpoint| checkpoint.tag.code == code && !checkpoint.retired)
    }

    /// The schedules in use.
    pub fn schedules(&self) -> impl Iterator<Item = &Schedule> {
        let all = self.organisation().map_or([].as_slice(), |organisation| &organisation.schedules);
        all.iter().filter(|schedule| !schedule.retired)
    }

    /// An attribute of a project, named without the `project.` prefix; false where nothing is said.
    #[must_use]
    pub fn project_attr(&self, project: &str, attr: &str) -> bool {
        self.project(project).and_then(|project| project.attrs.get(attr)).copied().unwrap_or(false)
    }

    /// A number among a project's parameters, named without the `project.` prefix.
    #[must_use]
    pub fn project_param(&self, project: &str, name: &str) -> Option<f64> {
        self.project(project)?.number_param(name)
    }
}

impl Held {
    /// Fills the look-up tables from the latest version of each id.
    fn index(&mut self) {
        let latest: Vec<Body> =
            self.latest.values().filter_map(|reference| self.versions.get(reference)).cloned().collect();
        for body in latest {
            match body {
                Body::ResponseSets(sets) => {
                    self.response_sets.extend(sets.sets.iter().map(|set| (set.id.clone(), set.clone())));
                }
                Body::Categories(set) => {
                    self.categories.extend(set.flatten().into_iter().map(|c| (c.id.clone(), c)));
                    self.category_sets.insert(set.id.clone(), set);
                }
                Body::Clauses(book) => {
                    self.standards.extend(book.standards.iter().map(|s| (s.id.clone(), s.clone())));
                }
                Body::Rules(book) => {
                    self.rules.extend(book.rules.iter().map(|rule| (rule.id.clone(), rule.clone())));
                    self.rule_book = Some(book);
                }
                Body::Reports(book) => {
                    self.reports.extend(book.reports.iter().map(|r| (r.id.clone(), r.clone())));
                }
                Body::Training(plan) => {
                    self.topics.extend(plan.topics.iter().map(|t| (t.id.clone(), t.clone())));
                }
                Body::Form(form) => {
                    self.forms.insert(form.id.clone(), form);
                }
                Body::Nonconformity(model) => self.nonconformity = Some(model),
                Body::Roles(book) => self.roles = Some(book),
                Body::Holidays(holidays) => self.holidays = Some(holidays),
                Body::Tiles(tiles) => self.tiles = Some(tiles),
                Body::Later => {}
                Body::Organisation(organisation) => self.organisation = Some(organisation),
                Body::Staffing(staffing) => self.staffing = Some(staffing),
                Body::Checklist(_) | Body::Ledger(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{embedded, sample_organisation};
    use super::*;
    use crate::error::ErrorKind;

    fn shipped() -> Catalog {
        let mut all = embedded().to_vec();
        all.push(sample_organisation().clone());
        Catalog::new(&all).unwrap()
    }

    #[test]
    fn children_inherit_the_hours_of_their_category() {
        let catalog = shipped();
        let leak = catalog.category("fd.repair.leak").unwrap();
        assert_eq!((leak.response_h, leak.resolve_h), (Some(0.5), Some(24.0)));
        assert_eq!(leak.default_dept.as_deref(), Some("dept.eng"));
        assert_eq!(leak.parent.as_deref(), Some("fd.repair"));
    }

    #[test]
    fn projects_checkpoints_and_text_fields_are_found() {
        let catalog = shipped();
        assert_eq!(catalog.checkpoints("pj.lanyuan").count(), 14);
        assert_eq!(catalog.checkpoint_by_code("LY0008").unwrap().id, "cp.lanyuan.08");
        assert_eq!(catalog.project_param("pj.jiangwan", "min_hydrant_pressure_mpa"), Some(0.15));
        assert!(!catalog.project_attr("pj.xiyuan", "has_ev_charging"));
        let desk = catalog.reference_of("led.front_desk").unwrap();
        assert_eq!(catalog.text_keys(desk).unwrap(), ["content", "result"]);
        let patrol = catalog.reference_of("tpl.park_patrol").unwrap();
        assert_eq!(catalog.text_keys(patrol).unwrap(), Vec::<String>::new());
        assert_eq!(catalog.finding_ledger().unwrap().create_event, "raise");
    }

    #[test]
    fn an_older_version_stays_reachable_by_its_reference() {
        let first = embedded().iter().find(|d| d.reference.id == "tpl.park_patrol").unwrap();
        let text = String::from_utf8(first.json.clone()).unwrap();
        let second = Definition::parse(text.replace("\"version\":1", "\"version\":2").as_bytes()).unwrap();
        let catalog = Catalog::new(&[second.clone(), first.clone()]).unwrap();
        assert_eq!(catalog.latest_checklist("tpl.park_patrol").unwrap().version, 2);
        assert_eq!(catalog.checklist(&first.reference).unwrap().version, 1);
        assert_eq!(catalog.reference_of("tpl.park_patrol"), Some(&second.reference));
        assert_eq!(catalog.checklists().count(), 1);
    }

    #[test]
    fn a_definition_whose_hash_is_wrong_is_refused() {
        let mut forged = embedded()[0].clone();
        forged.reference.hash.0[0] ^= 1;
        assert_eq!(Catalog::new(&[forged]).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
