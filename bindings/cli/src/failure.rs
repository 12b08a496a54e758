//! Why a command did not do what was asked: one sentence in both languages, a code for programs and
//! the exit status that scripts act on.

use serde::Serialize;
use xunyuan_core::error::{Error, ErrorKind, Refusal};

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

/// A failed command.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Failure {
    code: String,
    zh: String,
    en: String,
    #[serde(skip)]
    exit: u8,
}

impl Failure {
    /// Refused by a rule: exit 1.
    pub(crate) fn refused(code: &str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { code: code.to_owned(), zh: zh.into(), en: en.into(), exit: EXIT_REFUSED }
    }

    /// Not understood: exit 2.
    pub(crate) fn usage(code: &str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { code: code.to_owned(), zh: zh.into(), en: en.into(), exit: EXIT_USAGE }
    }

    /// No connection: exit 3.
    pub(crate) fn no_connection(code: &str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { code: code.to_owned(), zh: zh.into(), en: en.into(), exit: EXIT_NO_CONNECTION }
    }

    /// The replica file: exit 4.
    pub(crate) fn store(code: &str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { code: code.to_owned(), zh: zh.into(), en: en.into(), exit: EXIT_STORE }
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
            | ErrorKind::Full
            | ErrorKind::Storage => EXIT_STORE,
        };
        let sentence = error.sentence();
        Self { code: error.code().to_owned(), zh: sentence.zh.clone(), en: sentence.en.clone(), exit }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::refused(&refusal.code, refusal.sentence.zh, refusal.sentence.en)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            (ErrorKind::Full, 4),
            (ErrorKind::Storage, 4),
        ];
        for (kind, exit) in cases {
            assert_eq!(Failure::from(Error::new(kind, "中", "en")).exit(), exit, "{kind:?}");
        }
    }

    #[test]
    fn a_refusal_keeps_its_code_and_sentences() {
        let failure = Failure::from(Refusal::new("transition_not_allowed", "不允许", "not allowed"));
        assert_eq!((failure.exit(), failure.code()), (1, "transition_not_allowed"));
        assert_eq!(failure.sentences(), ("不允许", "not allowed"));
        let json = serde_json::to_value(&failure).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"code": "transition_not_allowed", "zh": "不允许", "en": "not allowed"})
        );
    }
}
