//! What can be filled in: checklists, ledgers, the fields of a form and what they take.

use xunyuan_core::definition::{Element, Field, FieldType, Ledger, MergePolicy, Target};

use super::value::Choice;
use crate::words::Words;

/// What a reference points to: what [`crate::facade::Replica::choices`] lists.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Reference {
    /// A project.
    Project,
    /// A person.
    Person,
    /// A dwelling.
    Unit,
    /// A department.
    Department,
    /// A checkpoint, or free text where there is none.
    Checkpoint,
    /// A category.
    Category {
        /// The set of categories.
        set: String,
    },
    /// An entry of a ledger, by its document id.
    Entry {
        /// The ledger.
        ledger: String,
    },
    /// Something else, written as text: a clause, a form, an item.
    Other,
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum FieldKind {
    /// The number of the record, which the branch gives.
    RecordNumber,
    /// A text.
    Text,
    /// A telephone number.
    Phone,
    /// Yes or no.
    YesNo,
    /// A whole number.
    Whole,
    /// A measured number.
    Number,
    /// A day, `YYYY-MM-DD`.
    Date,
    /// A month, `YYYY-MM`.
    Month,
    /// A time of day, `HH:MM`.
    TimeOfDay,
    /// A moment, milliseconds since 1970 as a whole number.
    Moment,
    /// One of the field's options.
    Choice,
    /// The id of something.
    Reference {
        /// What it points to.
        to: Reference,
    },
    /// A set of ids.
    References {
        /// What they point to.
        to: Reference,
    },
    /// A set of words.
    Words,
    /// Photos.
    Photos,
    /// A drawn signature, kept as a photo.
    Signature,
    /// Lines with fields of their own.
    Lines,
    /// The history; nothing to fill in.
    Events,
}

/// One field of a form.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct FieldForm {
    /// Its id: the key under which a value is given.
    pub id: String,
    /// Its name; the id where it has none.
    pub title: String,
    /// What it holds.
    pub kind: FieldKind,
    /// Options of a choice, retired ones left out.
    pub options: Vec<Choice>,
    /// True when a complete record must have it.
    pub is_required: bool,
    /// True when people fill it in; false for what the branch or the history gives.
    pub is_written: bool,
    /// Smallest number, or fewest elements.
    pub min: Option<f64>,
    /// Largest number, or most elements.
    pub max: Option<f64>,
    /// Longest text, characters.
    pub length_max: Option<u32>,
    /// Fields of a line.
    #[expect(clippy::use_self, reason = "the derive writes the type down where there is no Self")]
    pub line: Vec<FieldForm>,
}

/// A checklist or a ledger.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct DefinitionCard {
    /// Its id.
    pub id: String,
    /// Its newest version.
    pub version: u32,
    /// Its name.
    pub title: String,
}

/// What this person's device can begin.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Catalogue {
    /// Checklists.
    pub checklists: Vec<DefinitionCard>,
    /// Ledgers.
    pub ledgers: Vec<DefinitionCard>,
    /// Projects.
    pub projects: Vec<Choice>,
}

/// What a new entry of a ledger takes.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct LedgerForm {
    /// The ledger's id.
    pub id: String,
    /// Its newest version.
    pub version: u32,
    /// Its name.
    pub title: String,
    /// Its fields in order.
    pub fields: Vec<FieldForm>,
    /// Its states in order.
    pub states: Vec<Choice>,
}

impl FieldForm {
    /// What a field takes.
    pub(crate) fn of(words: &Words<'_>, field: &Field) -> Self {
        let is_derived =
            matches!(field.merge(), MergePolicy::ServerAssigned | MergePolicy::DerivedFromLastVisit);
        Self {
            id: field.id.clone(),
            title: words.label(&field.id, Some(field)).to_owned(),
            kind: kind_of(&field.kind),
            options: options_of(words, field),
            is_required: field.required,
            is_written: !is_derived && !field.retired && field.kind != FieldType::Events,
            min: field.min,
            max: field.max,
            length_max: field.max_len,
            line: field.entry_fields.iter().map(|field| Self::of(words, field)).collect(),
        }
    }

    /// A field that no definition here describes.
    pub(super) fn unknown(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            title: id.to_owned(),
            kind: FieldKind::Text,
            options: Vec::new(),
            is_required: false,
            is_written: false,
            min: None,
            max: None,
            length_max: None,
            line: Vec::new(),
        }
    }
}

impl LedgerForm {
    /// What a new entry takes.
    pub(crate) fn of(words: &Words<'_>, ledger: &Ledger) -> Self {
        let state = |state: &xunyuan_core::definition::State| Choice {
            id: state.id.clone(),
            title: words.title(&state.title).to_owned(),
        };
        Self {
            id: ledger.id.clone(),
            version: ledger.version,
            title: words.title(&ledger.title).to_owned(),
            fields: ledger.fields.iter().map(|field| FieldForm::of(words, field)).collect(),
            states: ledger.states.iter().map(state).collect(),
        }
    }
}

impl Catalogue {
    /// What can be begun here.
    pub(crate) fn of(words: &Words<'_>) -> Self {
        let catalog = words.catalog;
        let checklist = |list: &std::sync::Arc<xunyuan_core::definition::Checklist>| DefinitionCard {
            id: list.id.clone(),
            version: list.version,
            title: words.title(&list.title).to_owned(),
        };
        let ledger = |ledger: &std::sync::Arc<Ledger>| DefinitionCard {
            id: ledger.id.clone(),
            version: ledger.version,
            title: words.title(&ledger.title).to_owned(),
        };
        Self {
            checklists: catalog.checklists().map(checklist).collect(),
            ledgers: catalog.ledgers().map(ledger).collect(),
            projects: choices(words, &Reference::Project, ""),
        }
    }
}

/// What a reference may point to, where `text` occurs in its id or name; nothing for what the catalogue
/// does not list.
pub(crate) fn choices(words: &Words<'_>, to: &Reference, text: &str) -> Vec<Choice> {
    let Some(organisation) = words.catalog.organisation() else { return Vec::new() };
    let choice = |id: &str, title: &str| Choice { id: id.to_owned(), title: title.to_owned() };
    let all: Vec<Choice> = match to {
        Reference::Project => organisation
            .projects
            .iter()
            .filter(|project| !project.retired)
            .map(|project| choice(&project.id, words.title(&project.title)))
            .collect(),
        Reference::Person => organisation
            .users
            .iter()
            .filter(|user| !user.retired)
            .map(|user| choice(&user.id, &user.name))
            .collect(),
        Reference::Unit => organisation
            .units
            .iter()
            .filter(|unit| !unit.retired)
            .map(|unit| choice(&unit.id, &unit.label))
            .collect(),
        Reference::Checkpoint => organisation
            .checkpoints
            .iter()
            .map(|place| choice(&place.id, words.title(&place.title)))
            .collect(),
        Reference::Department => {
            let departments = words.catalog.departments().iter();
            departments.map(|known| choice(&known.id, words.title(&known.title))).collect()
        }
        Reference::Category { set } => {
            let categories = words.catalog.category_set(set).map(|set| set.flatten()).unwrap_or_default();
            categories.iter().map(|known| choice(&known.id, words.title(&known.title))).collect()
        }
        Reference::Entry { .. } | Reference::Other => Vec::new(),
    };
    let text = text.to_lowercase();
    let fits = |one: &Choice| one.title.to_lowercase().contains(&text) || one.id.contains(&text);
    all.into_iter().filter(fits).collect()
}

/// The options of a response set that are offered.
pub(super) fn options_of_set(words: &Words<'_>, set: &str) -> Vec<Choice> {
    let set = words.catalog.response_set(set);
    let options = set.into_iter().flat_map(|set| &set.options).filter(|option| !option.retired);
    options
        .map(|option| Choice { id: option.id.clone(), title: words.title(&option.title).to_owned() })
        .collect()
}

/// The options of a field that are offered.
fn options_of(words: &Words<'_>, field: &Field) -> Vec<Choice> {
    if let FieldType::Choice(Some(set)) = &field.kind {
        return options_of_set(words, set);
    }
    let offered = field.options.iter().filter(|option| !option.retired);
    offered
        .map(|option| {
            let title = option.title.as_ref().map_or(option.id.as_str(), |title| words.title(title));
            Choice { id: option.id.clone(), title: title.to_owned() }
        })
        .collect()
}

fn kind_of(kind: &FieldType) -> FieldKind {
    match kind {
        FieldType::HumanNo(_) => FieldKind::RecordNumber,
        FieldType::Text => FieldKind::Text,
        FieldType::Phone => FieldKind::Phone,
        FieldType::Bool => FieldKind::YesNo,
        FieldType::Int => FieldKind::Whole,
        FieldType::Number => FieldKind::Number,
        FieldType::Date => FieldKind::Date,
        FieldType::Month => FieldKind::Month,
        FieldType::Time => FieldKind::TimeOfDay,
        FieldType::DeviceTime => FieldKind::Moment,
        FieldType::Choice(_) => FieldKind::Choice,
        FieldType::Ref(target) => FieldKind::Reference { to: reference(target) },
        FieldType::Set(Element::Ref(target)) => FieldKind::References { to: reference(target) },
        FieldType::Set(Element::Text) => FieldKind::Words,
        FieldType::Photos => FieldKind::Photos,
        FieldType::Signature => FieldKind::Signature,
        FieldType::Entries => FieldKind::Lines,
        FieldType::Events => FieldKind::Events,
    }
}

fn reference(target: &Target) -> Reference {
    match target {
        Target::Project => Reference::Project,
        Target::User => Reference::Person,
        Target::Unit => Reference::Unit,
        Target::Department => Reference::Department,
        Target::CheckpointOrText => Reference::Checkpoint,
        Target::Category(set) => Reference::Category { set: set.clone() },
        Target::Ledger(ledger) => Reference::Entry { ledger: ledger.clone() },
        Target::Clause
        | Target::Standard
        | Target::InspectionItem
        | Target::Item
        | Target::TrainingTopic
        | Target::Form(_) => Reference::Other,
    }
}
