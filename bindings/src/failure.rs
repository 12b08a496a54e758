//! Why something was not done: a kind to act on, one sentence in both languages, a code for programs.

use serde::Serialize;
use serde_json::{Map, Value as Json};
use xunyuan_core::error::{Error, ErrorKind};

/// What can be done about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// A rule of the organisation or the branch said no: tell the person.
    Refused,
    /// What was given is malformed: correct it.
    Invalid,
    /// What was named is not here.
    NotFound,
    /// The branch was not reached, or did not answer as it should: later by itself.
    NoConnection,
    /// The other side is not the branch that this device was enrolled at: do not go on.
    NotTrusted,
    /// The branch does not know this device: enrol again.
    NotRecognised,
    /// The branch wants a newer version of this program: update it.
    Outdated,
    /// Somebody else holds the replica file: close it there.
    InUse,
    /// A newer version of the product wrote the replica file: update this program.
    Newer,
    /// The replica file is encrypted and the key is missing or another one, or it is not and there is a key.
    Key,
    /// The replica file is damaged: it is set aside, enrol again.
    Corrupt,
    /// One value of the replica file is damaged: the rest goes on.
    Damaged,
    /// The disk is full: make room and try again.
    Full,
    /// The replica file, or one beside it, could not be read or written.
    Storage,
    /// The branch revoked this device and its data was erased.
    Erased,
    /// The replica was closed: open it again.
    Closed,
    /// A defect of this program.
    Internal,
}

/// Something that was not done.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    code: String,
    zh: String,
    en: String,
    #[serde(flatten)]
    more: Option<Box<More>>,
    #[serde(skip)]
    kind: FailureKind,
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
    /// A failure with its code in snake case and its sentence in both languages.
    pub fn new(kind: FailureKind, code: &str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { code: code.to_owned(), zh: zh.into(), en: en.into(), more: None, kind }
    }

    /// Refused by a rule or by the branch.
    pub fn refused(code: &str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::new(FailureKind::Refused, code, zh, en)
    }

    /// Not understood as it was given.
    pub fn invalid(code: &str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::new(FailureKind::Invalid, code, zh, en)
    }

    /// No usable answer of the branch.
    pub fn no_connection(code: &str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::new(FailureKind::NoConnection, code, zh, en)
    }

    /// Files of this device.
    pub fn storage(code: &str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::new(FailureKind::Storage, code, zh, en)
    }

    /// A file of this device that could not be read or written: `Full` where the disk is.
    pub fn file(error: &std::io::Error, code: &str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        let is_full =
            matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded);
        Self::new(if is_full { FailureKind::Full } else { FailureKind::Storage }, code, zh, en)
    }

    /// What every call on a closed replica is answered with.
    #[must_use]
    pub fn closed() -> Self {
        Self::new(
            FailureKind::Closed,
            "closed",
            "数据文件已关闭;请重新打开",
            "this replica is closed; open it again",
        )
    }

    /// What a panic is answered with.
    #[must_use]
    pub fn defect() -> Self {
        Self::new(
            FailureKind::Internal,
            "defect",
            "程序内部出错,本次操作没有保存;原有数据完好,请重试,仍不行请联系支持人员",
            "a defect of this program: this action was not saved and existing data is intact; try again, and if that does not help tell support",
        )
    }

    /// What every action on an erased replica is answered with.
    #[must_use]
    pub fn erased() -> Self {
        Self::new(
            FailureKind::Erased,
            "device_revoked",
            "分公司已停用本设备,本机数据已按要求清除;要继续使用,请向分公司要新链接重新开通",
            "the branch revoked this device and its data was erased as ordered; to go on, ask the branch for a new link and enrol again",
        )
    }

    /// The same failure with more to say: `json` under `key` for programs, `lines` for the person.
    #[must_use]
    pub fn with(mut self, key: &str, json: Json, lines: Vec<String>) -> Self {
        let more = self.more.get_or_insert_default();
        more.details.insert(key.to_owned(), json);
        more.lines.extend(lines);
        self
    }

    /// The same failure with more to say at its end, in both languages.
    #[must_use]
    pub fn and(mut self, zh: &str, en: &str) -> Self {
        self.zh.push_str(zh);
        self.en.push_str(en);
        self
    }

    /// What can be done about it.
    #[must_use]
    pub const fn kind(&self) -> FailureKind {
        self.kind
    }

    /// Stable machine code in snake case.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The sentence in Chinese and in English.
    #[must_use]
    pub fn sentences(&self) -> (&str, &str) {
        (&self.zh, &self.en)
    }

    /// More for the person, a line each.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        self.more.as_ref().map_or(&[], |more| &more.lines)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::Refused => FailureKind::Refused,
            ErrorKind::Invalid => FailureKind::Invalid,
            ErrorKind::NotFound => FailureKind::NotFound,
            ErrorKind::Protocol => FailureKind::NoConnection,
            ErrorKind::Busy => FailureKind::InUse,
            ErrorKind::Newer => FailureKind::Newer,
            ErrorKind::Key => FailureKind::Key,
            ErrorKind::Corrupt => FailureKind::Corrupt,
            ErrorKind::Damaged => FailureKind::Damaged,
            ErrorKind::Full => FailureKind::Full,
            ErrorKind::Storage => FailureKind::Storage,
        };
        let sentence = error.sentence();
        Self::new(kind, error.code(), sentence.zh.clone(), sentence.en.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xunyuan_core::error::Refusal;

    #[test]
    fn a_refusal_keeps_its_code_and_sentences() {
        let refusal = Refusal::new("transition_not_allowed", "不允许", "not allowed");
        let failure = Failure::from(Error::from(refusal));
        assert_eq!((failure.kind(), failure.code()), (FailureKind::Refused, "transition_not_allowed"));
        assert_eq!(failure.sentences(), ("不允许", "not allowed"));
        let json = serde_json::to_value(&failure).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"code": "transition_not_allowed", "zh": "不允许", "en": "not allowed"})
        );
    }
}
