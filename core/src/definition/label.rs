//! The small shapes that every definition file shares: titles, named things and where a rule came from.

use serde::Deserialize;
use std::fmt;

/// A name or heading in both languages of the product.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Title {
    /// zh-CN.
    #[serde(rename = "zh-CN")]
    pub zh: String,
    /// English.
    pub en: String,
}

impl Title {
    /// The title in the asked language: Chinese unless `english`.
    #[must_use]
    pub fn text(&self, english: bool) -> &str {
        if english { &self.en } else { &self.zh }
    }
}

/// Something with a stable id and a title: a department, a level, a nature of nonconformity.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// Stable id.
    pub id: String,
    /// Its name.
    pub title: Title,
}

/// Where the founding paper of the organisation asks for something.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedRef {
    /// Line numbers, from 1.
    #[serde(default)]
    pub lines: Vec<u32>,
    /// The words themselves, errors included.
    pub quote: String,
    /// A remark on how the words were read.
    pub note: Option<String>,
}

/// Whether a number comes from the founding paper or is a default of the trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProvenanceKind {
    /// Written in the founding paper.
    Seed,
    /// A usual value of the trade, to be confirmed by the branch.
    DomainDefault,
}

/// Where a rule or a number comes from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Founding paper or default.
    pub kind: ProvenanceKind,
    /// Lines of the founding paper, from 1.
    #[serde(default)]
    pub lines: Vec<u32>,
    /// Its words.
    pub quote: Option<String>,
    /// A remark, Chinese.
    pub note_zh: Option<String>,
}

/// What is wrong with one value of a definition, and what would be right.
///
/// Travels through serde as text (see [`fmt::Display`]) and is read back by the checker, so that a
/// fault found deep inside a file still names its pointer, both languages and the allowed values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong, Chinese.
    pub zh: String,
    /// What is wrong, English.
    pub en: String,
    /// What is allowed instead; empty when the sentence says it all.
    pub allowed: Vec<String>,
}

impl Fault {
    pub(crate) fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { zh: zh.into(), en: en.into(), allowed: Vec::new() }
    }

    pub(crate) fn allowing<'a>(mut self, allowed: impl IntoIterator<Item = &'a str>) -> Self {
        self.allowed = allowed.into_iter().map(str::to_owned).collect();
        self
    }

    /// The fault of a key that a definition does not have.
    pub(crate) fn unknown_key(key: &str) -> Self {
        Self::new(format!("{UNKNOWN_KEY_ZH}“{key}”"), format!("unknown key \"{key}\""))
    }

    /// The fault of a key that is not there.
    pub(crate) fn missing(key: &str) -> Self {
        Self::new(format!("缺少“{key}”"), format!("\"{key}\"{MISSING_EN}"))
    }

    pub(crate) fn is_unknown_key(&self) -> bool {
        self.zh.starts_with(UNKNOWN_KEY_ZH)
    }

    /// The key, where the fault is that it is not there.
    pub(crate) fn missing_key(&self) -> Option<&str> {
        self.en.strip_suffix(MISSING_EN)?.strip_prefix('"')?.strip_suffix('"')
    }

    /// Reads a fault back from the text of a serde error; `None` when serde wrote the text itself.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let mut parts = text.split(SEPARATOR);
        let (en, zh, allowed) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self {
            zh: zh.to_owned(),
            en: en.to_owned(),
            allowed: allowed.split('\u{1e}').filter(|a| !a.is_empty()).map(str::to_owned).collect(),
        })
    }
}

const UNKNOWN_KEY_ZH: &str = "未知的键";
const MISSING_EN: &str = " is missing";

/// Between the parts of a fault's text: a control character that no definition holds.
const SEPARATOR: char = '\u{1f}';

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{SEPARATOR}{}{SEPARATOR}{}", self.en, self.zh, self.allowed.join("\u{1e}"))
    }
}

/// The version of a definition that names none.
pub(crate) const fn first_version() -> u32 {
    1
}
