//! Values as apps give and get them.

use xunyuan_core::document::model::{self, Stamped};
use xunyuan_core::rules::sheet::{Missing, MissingKind};

use crate::failure::Failure;
use crate::words::Words;

/// A value of an answer, a field or an event.
#[derive(Clone, Debug, PartialEq, uniffi::Enum)]
pub enum Value {
    /// Nothing: withdraws what was written.
    Nothing,
    /// Yes or no.
    YesNo {
        /// True for yes.
        value: bool,
    },
    /// A whole number; a time as milliseconds since 1970.
    Whole {
        /// The number.
        value: i64,
    },
    /// A measured number.
    Number {
        /// The number.
        value: f64,
    },
    /// A text, the id of an option or of somebody, a day `YYYY-MM-DD`, a time of day `HH:MM`.
    Text {
        /// The text.
        value: String,
    },
    /// Elements of a set: ids or words, none of them with a space.
    Many {
        /// The elements.
        values: Vec<String>,
    },
}

impl Value {
    /// The value as the core takes it.
    ///
    /// # Errors
    /// `Invalid` for a number that is none, or an element with a space.
    pub(crate) fn into_core(self) -> Result<model::Value, Failure> {
        Ok(match self {
            Self::Nothing => model::Value::Null,
            Self::YesNo { value } => model::Value::Bool(value),
            Self::Whole { value } => model::Value::Int(value),
            Self::Number { value } if value.is_finite() => model::Value::Number(value),
            Self::Number { .. } => {
                return Err(Failure::invalid("not_a_number", "不是有效的数值", "this is no number"));
            }
            Self::Text { value } => model::Value::Text(value),
            Self::Many { values } => {
                let is_wrong = |value: &String| value.is_empty() || value.contains(char::is_whitespace);
                if values.iter().any(is_wrong) {
                    return Err(Failure::invalid(
                        "element_invalid",
                        "多选内容的每一项不能为空或含空格",
                        "an element of a set is empty or has a space in it",
                    ));
                }
                model::Value::Text(values.join(" "))
            }
        })
    }

    pub(super) fn of(value: &model::Value) -> Self {
        match value {
            model::Value::Null => Self::Nothing,
            model::Value::Bool(value) => Self::YesNo { value: *value },
            model::Value::Int(value) => Self::Whole { value: *value },
            model::Value::Number(value) => Self::Number { value: *value },
            model::Value::Text(value) => Self::Text { value: value.clone() },
        }
    }
}

/// A value as it stands, with who wrote it and when.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Written {
    /// The value.
    pub value: Value,
    /// The value in words: an option, a person, a place by its name.
    pub text: String,
    /// The person's id.
    pub by: String,
    /// The person's name.
    pub by_name: String,
    /// When, by their clock, milliseconds since 1970.
    pub at_ms: i64,
}

impl Written {
    /// A stamped value with its words.
    pub(super) fn of(words: &Words<'_>, stamped: &Stamped, text: String) -> Self {
        Self {
            value: Value::of(&stamped.value),
            text,
            by: stamped.by.to_string(),
            by_name: words.person(&stamped.by),
            at_ms: stamped.at_ms,
        }
    }
}

/// Something to choose, or that a value refers to.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Choice {
    /// Its id: what is written.
    pub id: String,
    /// Its name: what is shown.
    pub title: String,
}

/// What kind of thing is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum LackKind {
    /// A required header field.
    Header,
    /// A required answer.
    Answer,
    /// A note that the answer asks for.
    Note,
    /// Photos that the item or the answer asks for.
    Photo,
    /// A note or a photo that the answer asks for.
    Evidence,
    /// A scan of a checkpoint.
    Scan,
    /// Lines of a group, or a required field of a line.
    Group,
    /// A signature.
    Signoff,
    /// A required field of an entry.
    Field,
}

/// One thing that a complete record lacks.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Lack {
    /// What kind.
    pub kind: LackKind,
    /// Id of the item, field, checkpoint, group or sign-off.
    pub id: String,
    /// What to do.
    pub sentence: String,
}

impl Lack {
    /// What is missing, in words.
    pub(crate) fn all(words: &Words<'_>, missing: &[Missing]) -> Vec<Self> {
        let one = |lack: &Missing| Self {
            kind: match lack.kind {
                MissingKind::Header => LackKind::Header,
                MissingKind::Answer => LackKind::Answer,
                MissingKind::Note => LackKind::Note,
                MissingKind::Photo => LackKind::Photo,
                MissingKind::Evidence => LackKind::Evidence,
                MissingKind::Scan => LackKind::Scan,
                MissingKind::Group => LackKind::Group,
                MissingKind::Signoff => LackKind::Signoff,
                MissingKind::Field => LackKind::Field,
            },
            id: lack.id.clone(),
            sentence: words.sentence(&lack.sentence).to_owned(),
        };
        missing.iter().map(one).collect()
    }
}
