//! Fields: what a header line, a ledger entry, a repeated line or a form may hold, and how two people's
//! values merge.

use serde::de::{self, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer};
use std::fmt;

use super::label::{Fault, Title};

/// What a reference points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A project (estate) of the organisation.
    Project,
    /// A person of the organisation.
    User,
    /// A dwelling of a project.
    Unit,
    /// A department.
    Department,
    /// A clause of a standard, `<standard>.<clause>`.
    Clause,
    /// A standard of the clause catalogue.
    Standard,
    /// A category of the named category set.
    Category(String),
    /// An entry of the named ledger.
    Ledger(String),
    /// `<inspection>/<item>`: the answer that raised something.
    InspectionItem,
    /// An item of the same checklist.
    Item,
    /// A checkpoint, or free text where there is none.
    CheckpointOrText,
    /// A topic of the training plan.
    TrainingTopic,
    /// A filled form: the id of the form, or the name of its file.
    Form(String),
}

/// What a set holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Element {
    /// Free text.
    Text,
    /// References.
    Ref(Target),
}

/// The type of a field, parsed from its short text form, e.g. `ref:project`, `set:user`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum FieldType {
    /// The number people use, given by the branch; with an own prefix where it is not the ledger's.
    HumanNo(Option<String>),
    /// Text.
    Text,
    /// A telephone number.
    Phone,
    /// Yes or no.
    Bool,
    /// A whole number.
    Int,
    /// A measured number.
    Number,
    /// A day, `YYYY-MM-DD`.
    Date,
    /// A month, `YYYY-MM`.
    Month,
    /// A time of day, `HH:MM`.
    Time,
    /// A moment by the device's clock, milliseconds since 1970.
    DeviceTime,
    /// One of the field's own options (`None`) or of the named response set.
    Choice(Option<String>),
    /// A reference.
    Ref(Target),
    /// A set whose elements merge one by one.
    Set(Element),
    /// Photos, by SHA-256.
    Photos,
    /// A drawn signature, kept as a photo.
    Signature,
    /// Lines with the field's `entry_fields`.
    Entries,
    /// The event log of the record.
    Events,
}

/// The spellings of [`FieldType`], for error messages.
pub(crate) const FIELD_TYPES: [&str; 29] = [
    "human_no",
    "human_no:<prefix>",
    "text",
    "phone",
    "bool",
    "int",
    "number",
    "date",
    "month",
    "time",
    "device_time",
    "choice",
    "choice:<response set>",
    "photos",
    "signature",
    "entries",
    "events",
    "ref:project",
    "ref:user",
    "ref:unit",
    "ref:department",
    "ref:inspection_item",
    "ref:item",
    "ref:checkpoint_or_text",
    "ref:training_topic",
    "ref:category:<category set>",
    "ref:<ledger or form>",
    "set:text",
    "set:user|project|clause|std|ref:<target>",
];

impl TryFrom<String> for FieldType {
    type Error = Fault;

    fn try_from(text: String) -> Result<Self, Fault> {
        let (head, rest) = text.split_once(':').map_or((text.as_str(), None), |(h, r)| (h, Some(r)));
        let parsed = match (head, rest) {
            ("human_no", prefix) => Some(Self::HumanNo(prefix.map(str::to_owned))),
            ("choice", set) => Some(Self::Choice(set.map(str::to_owned))),
            ("ref", Some(target)) => Target::parse(target).map(Self::Ref),
            ("set", Some("text")) => Some(Self::Set(Element::Text)),
            ("set", Some(target)) => Target::parse(target.strip_prefix("ref:").unwrap_or(target))
                .map(|t| Self::Set(Element::Ref(t))),
            (plain, None) => Self::plain(plain),
            (_, Some(_)) => None,
        };
        parsed.ok_or_else(|| {
            Fault::new(format!("未知的字段类型“{text}”"), format!("unknown field type \"{text}\""))
                .allowing(FIELD_TYPES)
        })
    }
}

impl FieldType {
    fn plain(text: &str) -> Option<Self> {
        Some(match text {
            "text" => Self::Text,
            "phone" => Self::Phone,
            "bool" => Self::Bool,
            "int" => Self::Int,
            "number" => Self::Number,
            "date" => Self::Date,
            "month" => Self::Month,
            "time" => Self::Time,
            "device_time" => Self::DeviceTime,
            "photos" => Self::Photos,
            "signature" => Self::Signature,
            "entries" => Self::Entries,
            "events" => Self::Events,
            _ => return None,
        })
    }

    /// True for types whose content is many elements or lines with keys of their own.
    #[must_use]
    pub const fn is_many(&self) -> bool {
        matches!(self, Self::Set(_) | Self::Photos | Self::Entries | Self::Events)
    }
}

impl Target {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "project" => Self::Project,
            "user" => Self::User,
            "unit" => Self::Unit,
            "department" => Self::Department,
            "clause" => Self::Clause,
            "std" => Self::Standard,
            "inspection_item" => Self::InspectionItem,
            "item" => Self::Item,
            "checkpoint_or_text" => Self::CheckpointOrText,
            "training_topic" => Self::TrainingTopic,
            other => return Self::parse_named(other),
        })
    }

    fn parse_named(text: &str) -> Option<Self> {
        if let Some(category) = text.strip_prefix("category:") {
            return Some(Self::Category(category.to_owned()));
        }
        let name = text.strip_prefix("ledger_entry:").unwrap_or(text);
        if name.starts_with("led.") {
            return Some(Self::Ledger(name.to_owned()));
        }
        (name.starts_with("form.") || name.ends_with(".json")).then(|| Self::Form(name.to_owned()))
    }
}

/// How values written by different people, without knowing of each other, become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergePolicy {
    /// The first value stays; a second write is refused, two concurrent ones are a conflict.
    WriteOnce,
    /// Only the branch server writes it.
    ServerAssigned,
    /// The later value wins, silently.
    Lww,
    /// The later value wins, and different concurrent values are shown as a conflict.
    LwwFlag,
    /// Elements are kept one by one; removal is a mark.
    SetUnion,
    /// Lines are only added.
    AppendOnly,
    /// Text merges character by character.
    TextCrdt,
    /// The option named later in the list wins.
    Max,
    /// The earliest value wins.
    Min,
    /// Never written: read from the last visit event.
    DerivedFromLastVisit,
}

impl MergePolicy {
    /// The spelling in definitions.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WriteOnce => "write_once",
            Self::ServerAssigned => "server_assigned",
            Self::Lww => "lww",
            Self::LwwFlag => "lww_flag",
            Self::SetUnion => "set_union",
            Self::AppendOnly => "append_only",
            Self::TextCrdt => "text_crdt",
            Self::Max => "max",
            Self::Min => "min",
            Self::DerivedFromLastVisit => "derived_from_last_visit",
        }
    }
}

/// The spellings of [`MergePolicy`].
pub(crate) const MERGE_POLICIES: [&str; 10] = [
    "write_once",
    "server_assigned",
    "lww",
    "lww_flag",
    "set_union",
    "append_only",
    "text_crdt",
    "max",
    "min",
    "derived_from_last_visit",
];

/// An option of a choice field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Stable id, never reused.
    pub id: String,
    /// Its name; a bare id in the file has none.
    pub title: Option<Title>,
    /// Kept for old records, no longer offered.
    pub retired: bool,
    /// Roles that may write a lower option where this one stands and the higher holds; empty: whoever may write.
    pub lowered_by: Vec<String>,
}

/// One field of a header, a ledger, a repeated line or a form.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Stable id, unique within its owner.
    pub id: String,
    /// Its name; header fields and sub-fields may have none.
    pub title: Option<Title>,
    /// What it holds.
    #[serde(rename = "type")]
    pub kind: FieldType,
    /// True when a complete record must have it.
    #[serde(default)]
    pub required: bool,
    merge: Option<MergePolicy>,
    /// Options of a choice, lowest first where the policy is `max`.
    #[serde(default)]
    pub options: Vec<Choice>,
    /// Ids that are filled in at the start.
    #[serde(default)]
    pub default: Vec<String>,
    /// Fewest elements, or the smallest number.
    pub min: Option<f64>,
    /// Most elements, or the largest number.
    pub max: Option<f64>,
    /// Longest text, characters.
    pub max_len: Option<u32>,
    /// Sub-fields of the lines of an `entries` field.
    #[serde(default, deserialize_with = "sub_fields")]
    pub entry_fields: Vec<Self>,
    /// Personal data: stays in the project's scope and out of logs and exports.
    #[serde(default)]
    pub pii: bool,
    /// Shown masked on devices whose person did not record it.
    #[serde(default)]
    pub store_masked_on_other_devices: bool,
    /// Roles that may write it in an entry; empty: every role that writes the ledger.
    #[serde(default)]
    pub by: Vec<String>,
    /// A reference to a person that only names whoever writes it.
    #[serde(default)]
    pub own: bool,
    /// A remark for the people who keep the file, Chinese.
    pub note_zh: Option<String>,
    /// Kept for old records, no longer asked.
    #[serde(default)]
    pub retired: bool,
}

impl Field {
    /// True where one of the roles may write it in an entry.
    #[must_use]
    pub fn is_open_to(&self, roles: &[String]) -> bool {
        self.by.is_empty() || self.by.iter().any(|role| roles.contains(role))
    }

    /// How concurrent values merge: as the file says, or by the type where it says nothing.
    #[must_use]
    pub fn merge(&self) -> MergePolicy {
        self.merge.unwrap_or(match self.kind {
            FieldType::HumanNo(_) => MergePolicy::ServerAssigned,
            FieldType::Set(_) | FieldType::Photos | FieldType::Entries => MergePolicy::SetUnion,
            FieldType::Events => MergePolicy::AppendOnly,
            FieldType::Text
            | FieldType::Phone
            | FieldType::Bool
            | FieldType::Int
            | FieldType::Number
            | FieldType::Date
            | FieldType::Month
            | FieldType::Time
            | FieldType::DeviceTime
            | FieldType::Choice(_)
            | FieldType::Ref(_)
            | FieldType::Signature => MergePolicy::LwwFlag,
        })
    }

    /// True when the file itself names the merge policy, as every ledger field must.
    #[must_use]
    pub const fn names_policy(&self) -> bool {
        self.merge.is_some()
    }

    /// True for photos.
    #[must_use]
    pub fn is_photos(&self) -> bool {
        self.kind == FieldType::Photos
    }

    /// True for a choice.
    #[must_use]
    pub const fn is_choice(&self) -> bool {
        matches!(self.kind, FieldType::Choice(_))
    }

    /// The option with this id, retired ones included.
    #[must_use]
    pub fn option(&self, id: &str) -> Option<&Choice> {
        self.options.iter().find(|option| option.id == id)
    }

    /// The sub-field of an `entries` field.
    #[must_use]
    pub fn entry_field(&self, id: &str) -> Option<&Self> {
        self.entry_fields.iter().find(|field| field.id == id)
    }

    fn bare(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            title: None,
            kind: FieldType::Text,
            required: false,
            merge: None,
            options: Vec::new(),
            default: Vec::new(),
            min: None,
            max: None,
            max_len: None,
            entry_fields: Vec::new(),
            pii: false,
            store_masked_on_other_devices: false,
            by: Vec::new(),
            own: false,
            note_zh: None,
            retired: false,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenChoice {
    id: String,
    title: Title,
    #[serde(default)]
    retired: bool,
    #[serde(default)]
    lowered_by: Vec<String>,
}

impl<'de> Deserialize<'de> for Choice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IdOrObject;

        impl<'de> Visitor<'de> for IdOrObject {
            type Value = Choice;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an option id or an object with id and title")
            }

            fn visit_str<E: de::Error>(self, id: &str) -> Result<Choice, E> {
                Ok(Choice { id: id.to_owned(), title: None, retired: false, lowered_by: Vec::new() })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Choice, A::Error> {
                let written = WrittenChoice::deserialize(MapAccessDeserializer::new(map))?;
                let WrittenChoice { id, title, retired, lowered_by } = written;
                Ok(Choice { id, title: Some(title), retired, lowered_by })
            }
        }

        deserializer.deserialize_any(IdOrObject)
    }
}

/// Sub-fields are written as bare ids (text) or as whole fields.
fn sub_fields<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Field>, D::Error> {
    struct IdOrField(Field);

    struct Seen;

    impl<'de> Visitor<'de> for Seen {
        type Value = IdOrField;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a sub-field id or an object with id and type")
        }

        fn visit_str<E: de::Error>(self, id: &str) -> Result<IdOrField, E> {
            Ok(IdOrField(Field::bare(id)))
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<IdOrField, A::Error> {
            Field::deserialize(MapAccessDeserializer::new(map)).map(IdOrField)
        }
    }

    impl<'de> Deserialize<'de> for IdOrField {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(Seen)
        }
    }

    Ok(Vec::<IdOrField>::deserialize(deserializer)?.into_iter().map(|seen| seen.0).collect())
}
