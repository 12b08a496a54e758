//! Why a command did not do what was asked: one sentence in both languages, a code for programs and
//! the exit status that scripts act on.

use serde::Serialize;
use serde_json::{Map, Value as Json};
use xunyuan_core::error::{Error, ErrorKind};

/// The action was done.
pub(crate) const EXIT_DONE: u8 = 0;
/// A rule of the organisation or of the branch refused it.
pub(crate) const EXIT_REFUSED: u8 = 1;
/// The command was not understood: wrong arguments, an unknown record.
pub(crate) const EXIT_USAGE: u8 = 2;
/// The branch could not be reached, or did not answer as it should.
pub(crate) const EXIT_NO_CONNECTION: u8 = 3;
/// The replica file could not be read or written.
pub(crate) const EXIT_STORE: u8 = 4;
/// The branch revoked this device and had its data erased.
pub(crate) const EXIT_ERASED: u8 = 5;

/// A failed command.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Failure {
    code: String,
    zh: String,
    en: String,
    #[serde(flatten)]
    more: Option<Box<More>>,
    #[serde(skip)]
    exit: u8,
}

/// What some failures say beside code and sentences.
#[derive(Clone, Debug, Default, Serialize)]
struct More {
    /// For programs.
    #[serde(flatten)]
    details: Map<String, Json>,
    /// For the person, a line each.
    #[serde(skip)]
    lines: Vec<String>,
}

impl Failure {
    /// Refused by a rule: exit 1.
    pub(crate) fn refused(code: &str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::new(code, zh.into(), en.into(), EXIT_REFUSED)
    }

    /// Not understood: exit 2.
    pub(crate) fn usage(code: &str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::new(code, zh.into(), en.into(), EXIT_USAGE)
    }

    /// No connection: exit 3.
    pub(crate) fn no_connection(code: &str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::new(code, zh.into(), en.into(), EXIT_NO_CONNECTION)
    }

    /// The replica file: exit 4.
    pub(crate) fn store(code: &str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::new(code, zh.into(), en.into(), EXIT_STORE)
    }

    /// The replica was erased by order of the branch: exit 5.
    pub(crate) fn erased(code: &str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::new(code, zh.into(), en.into(), EXIT_ERASED)
    }

    /// The same failure with more to say: `json` under `key` for programs, `lines` for the person.
    #[must_use]
    pub(crate) fn with(mut self, key: &str, json: Json, lines: Vec<String>) -> Self {
        let more = self.more.get_or_insert_default();
        more.details.insert(key.to_owned(), json);
        more.lines.extend(lines);
        self
    }

    fn new(code: &str, zh: String, en: String, exit: u8) -> Self {
        Self { code: code.to_owned(), zh, en, more: None, exit }
    }

    /// More for the person, a line each.
    pub(crate) fn lines(&self) -> &[String] {
        self.more.as_ref().map_or(&[], |more| &more.lines)
    }

    /// The exit status of the process.
    pub(crate) const fn exit(&self) -> u8 {
        self.exit
    }

    /// Stable machine code in snake case.
    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    /// The sentence in Chinese and in English.
    pub(crate) fn sentences(&self) -> (&str, &str) {
        (&self.zh, &self.en)
    }

    /// The same failure with more to say at its end, in both languages.
    #[must_use]
    pub(crate) fn and(mut self, zh: &str, en: &str) -> Self {
        self.zh.push_str(zh);
        self.en.push_str(en);
        self
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = match error.kind() {
            ErrorKind::Refused => EXIT_REFUSED,
            ErrorKind::Invalid | ErrorKind::NotFound => EXIT_USAGE,
            ErrorKind::Protocol => EXIT_NO_CONNECTION,
            ErrorKind::Busy
            | ErrorKind::Newer
            | ErrorKind::Corrupt
            | ErrorKind::Damaged
            | ErrorKind::Full
            | ErrorKind::Storage => EXIT_STORE,
        };
        let sentence = error.sentence();
        Self::new(error.code(), sentence.zh.clone(), sentence.en.clone(), exit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xunyuan_core::error::Refusal;

    #[test]
    fn every_kind_of_error_has_its_exit_status() {
        let cases = [
            (ErrorKind::Refused, 1),
            (ErrorKind::Invalid, 2),
            (ErrorKind::NotFound, 2),
            (ErrorKind::Protocol, 3),
            (ErrorKind::Busy, 4),
            (ErrorKind::Newer, 4),
            (ErrorKind::Corrupt, 4),
            (ErrorKind::Damaged, 4),
            (ErrorKind::Full, 4),
            (ErrorKind::Storage, 4),
        ];
        for (kind, exit) in cases {
            assert_eq!(Failure::from(Error::new(kind, "中", "en")).exit(), exit, "{kind:?}");
        }
    }

    #[test]
    fn a_refusal_keeps_its_code_and_sentences() {
        let refusal = Refusal::new("transition_not_allowed", "不允许", "not allowed");
        let failure = Failure::from(Error::from(refusal));
        assert_eq!((failure.exit(), failure.code()), (1, "transition_not_allowed"));
        assert_eq!(failure.sentences(), ("不允许", "not allowed"));
        let json = serde_json::to_value(&failure).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"code": "transition_not_allowed", "zh": "不允许", "en": "not allowed"})
        );
    }
}
