//! The one error of the core: a kind to act on and a sentence in both languages to show.
//!
//! One opaque type, because callers act on the kind and people read the sentence; nobody matches on
//! thirty variants. Messages say what happened and what to do, and carry no names of people and no
//! field values. What the protocol or a rule refuses is a [`Refusal`], a value.

use minicbor::{Decode, Encode};
use std::fmt;

/// What a caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// A rule of the organisation does not allow this action: tell the person.
    Refused,
    /// The input is malformed: correct it.
    Invalid,
    /// The named thing does not exist here.
    NotFound,
    /// Another process holds the store.
    Busy,
    /// The store was written by a newer version of the product: update first.
    Newer,
    /// The store is encrypted and the key is missing or another one; or it is not, and a key was given.
    Key,
    /// The store's file is damaged.
    Corrupt,
    /// A value in the store is not what was written there: what needs it cannot be done, the rest can.
    Damaged,
    /// The disk is full: nothing was changed; make room and try again.
    Full,
    /// Reading or writing the store failed.
    Storage,
    /// The other side does not keep to the protocol.
    Protocol,
}

/// A sentence in Chinese and English.
#[derive(Clone, Debug, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(map)]
pub struct Sentence {
    /// zh-CN.
    #[n(0)]
    pub zh: String,
    /// English.
    #[n(1)]
    pub en: String,
}

impl Sentence {
    /// A sentence in both languages.
    pub fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { zh: zh.into(), en: en.into() }
    }
}

/// Why a rule or the branch said no: a value that travels, not an error.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Refusal {
    /// Stable machine code in snake case, e.g. `transition_not_allowed`.
    #[n(0)]
    pub code: String,
    /// What happened and what to do.
    #[n(1)]
    pub sentence: Sentence,
}

impl Refusal {
    /// A refusal with its code and sentence.
    pub fn new(code: &str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { code: code.to_owned(), sentence: Sentence::new(zh, en) }
    }
}

/// Everything that can go wrong in the core.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    code: String,
    sentence: Sentence,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error with its sentence in both languages.
    pub fn new(kind: ErrorKind, zh: impl Into<String>, en: impl Into<String>) -> Self {
        let code = match kind {
            ErrorKind::Refused => "refused",
            ErrorKind::Invalid => "invalid",
            ErrorKind::NotFound => "not_found",
            ErrorKind::Busy => "busy",
            ErrorKind::Newer => "newer",
            ErrorKind::Key => "key",
            ErrorKind::Corrupt => "corrupt",
            ErrorKind::Damaged => "damaged",
            ErrorKind::Full => "full",
            ErrorKind::Storage => "storage",
            ErrorKind::Protocol => "protocol",
        };
        Self { kind, code: code.to_owned(), sentence: Sentence::new(zh, en), source: None }
    }

    /// The same error with the underlying cause attached.
    #[must_use]
    pub fn caused_by(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// What the caller can do about it.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Stable machine code: that of the refusal, or the kind in snake case.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// What happened and what to do, in both languages.
    #[must_use]
    pub const fn sentence(&self) -> &Sentence {
        &self.sentence
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence.en)?;
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self { kind: ErrorKind::Refused, code: refusal.code, sentence: refusal.sentence, source: None }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        if is_wrong_value(&error) {
            return damaged().caused_by(error);
        }
        let code = error.sqlite_error_code();
        let made = match code {
            // Everything that is written was checked before: what it does not fit is damaged.
            Some(ErrorCode::ConstraintViolation) => damaged(),
            Some(ErrorCode::DiskFull) => Self::new(
                ErrorKind::Full,
                "磁盘已满:本次操作没有保存,原有数据完好;请清理空间后重试",
                "the disk is full: this action was not saved and existing data is intact; free some space and try again",
            ),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::new(
                ErrorKind::Busy,
                "数据文件正被另一个进程使用;请关闭后重试",
                "another process is using this data file; close it and try again",
            ),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::new(ErrorKind::Corrupt, "数据文件已损坏", "the data file is damaged")
            }
            _ => Self::new(
                ErrorKind::Storage,
                "读写数据文件失败;本次操作没有保存",
                "reading or writing the data file failed; this action was not saved",
            ),
        };
        made.caused_by(error)
    }
}

/// True when a column, or the index of a full-text search, holds what no version of the product wrote there.
fn is_wrong_value(error: &rusqlite::Error) -> bool {
    let is_bad_index =
        matches!(error, rusqlite::Error::SqliteFailure(_, Some(text)) if text.contains("fts5"));
    is_bad_index
        || matches!(
            error,
            rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::Utf8Error(..)
        )
}

fn damaged() -> Error {
    Error::new(
        ErrorKind::Damaged,
        "数据文件中的一处内容已损坏,用到它的操作无法完成;其他记录不受影响。请重建列表,仍不行请把文件交给支持人员",
        "one value in the data file is damaged and what needs it cannot be done; other records are not affected. Rebuild the lists, and if that does not help give the file to support",
    )
}
