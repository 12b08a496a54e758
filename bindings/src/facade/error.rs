//! The one error of the facade: a case for each thing that an app can do something about.

use xunyuan_core::id::DocumentId;
use xunyuan_core::rules::codes;

use crate::failure::{Failure, FailureKind};
use crate::screens::Lack;
use crate::words::Lang;

/// Why a call was not done. Nothing was saved then, and nothing that was saved before is lost.
///
/// `code` is stable, for programs; `sentence` says what happened and what to do, in the language that
/// was chosen.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Error)]
pub enum SyncError {
    /// A rule of the organisation, or the branch, said no: show the sentence.
    Refused {
        /// Stable code.
        code: String,
        /// For the person.
        sentence: String,
    },
    /// The sheet lacks something: show what, or complete it with gaps.
    Incomplete {
        /// Stable code.
        code: String,
        /// For the person.
        sentence: String,
        /// What it lacks.
        missing: Vec<Lack>,
    },
    /// The record holds as many changes as one may: go on in its continuation.
    Sealed {
        /// Stable code.
        code: String,
        /// For the person.
        sentence: String,
        /// The document that `continue_record` makes or finds.
        continuation: String,
    },
    /// What was given is malformed: correct it.
    Invalid {
        /// Stable code.
        code: String,
        /// For the person.
        sentence: String,
    },
    /// What was named is not on this device: sync, or check it.
    NotFound {
        /// Stable code.
        code: String,
        /// For the person.
        sentence: String,
    },
    /// The branch was not reached, or did not answer as it should: try later.
    NoConnection {
        /// Stable code.
        code: String,
        /// For the person.
        sentence: String,
    },
    /// The server is not the branch that this device was enrolled at: do not go on.
    NotTrusted {
        /// Stable code.
        code: String,
        /// For the person.
        sentence: String,
    },
    /// The branch does not know this device: enrol again.
    NotRecognised {
        /// Stable code.
        code: String,
        /// For the person.
        sentence: String,
    },
    /// The branch wants a newer version of this app: update it.
    Outdated {
        /// Stable code.
        code: String,
        /// For the person.
        sentence: String,
    },
    /// Somebody else holds the replica file: close it there.
    InUse {
        /// Stable code.
        code: String,
        /// For the person.
        sentence: String,
    },
    /// A newer version of this app wrote the replica file: update this one.
    Newer {
        /// Stable code.
        code: String,
        /// For the person.
        sentence: String,
    },
    /// The replica file is encrypted under another key, or is not encrypted although a key was given.
    WrongKey {
        /// Stable code.
        code: String,
        /// For the person.
        sentence: String,
    },
    /// The replica file is damaged and was set aside: enrol again, give the file to support.
    Corrupt {
        /// Stable code.
        code: String,
        /// For the person.
        sentence: String,
    },
    /// One value of the replica file is damaged: other records go on.
    Damaged {
        /// Stable code.
        code: String,
        /// For the person.
        sentence: String,
    },
    /// The disk is full: make room and try again.
    DiskFull {
        /// Stable code.
        code: String,
        /// For the person.
        sentence: String,
    },
    /// A file could not be read or written.
    Storage {
        /// Stable code.
        code: String,
        /// For the person.
        sentence: String,
    },
    /// The branch shut this device out and its data was erased.
    Erased {
        /// Stable code.
        code: String,
        /// For the person.
        sentence: String,
    },
    /// The replica was closed: open it again.
    Closed {
        /// Stable code.
        code: String,
        /// For the person.
        sentence: String,
    },
    /// A defect of this library: try again, tell support.
    Internal {
        /// Stable code.
        code: String,
        /// For the person.
        sentence: String,
    },
}

/// What every case says.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Explanation {
    /// Stable code in snake case.
    pub code: String,
    /// What happened and what to do, in the language that was chosen.
    pub sentence: String,
}

impl SyncError {
    /// A failure in the language that was chosen.
    pub(super) fn of(lang: Lang, failure: &Failure) -> Self {
        let (zh, en) = failure.sentences();
        let (code, sentence) = (failure.code().to_owned(), lang.pick(zh, en).to_owned());
        match failure.kind() {
            FailureKind::Refused => Self::Refused { code, sentence },
            FailureKind::Invalid => Self::Invalid { code, sentence },
            FailureKind::NotFound => Self::NotFound { code, sentence },
            FailureKind::NoConnection => Self::NoConnection { code, sentence },
            FailureKind::NotTrusted => Self::NotTrusted { code, sentence },
            FailureKind::NotRecognised => Self::NotRecognised { code, sentence },
            FailureKind::Outdated => Self::Outdated { code, sentence },
            FailureKind::InUse => Self::InUse { code, sentence },
            FailureKind::Newer => Self::Newer { code, sentence },
            FailureKind::Key => Self::WrongKey { code, sentence },
            FailureKind::Corrupt => Self::Corrupt { code, sentence },
            FailureKind::Damaged => Self::Damaged { code, sentence },
            FailureKind::Full => Self::DiskFull { code, sentence },
            FailureKind::Storage => Self::Storage { code, sentence },
            FailureKind::Erased => Self::Erased { code, sentence },
            FailureKind::Closed => Self::Closed { code, sentence },
            FailureKind::Internal => Self::Internal { code, sentence },
        }
    }

    /// The same about a record: a full one is named with its continuation.
    pub(super) fn about(self, document: DocumentId) -> Self {
        if let Self::Refused { code, sentence } = &self
            && code == codes::DOCUMENT_FULL
        {
            let continuation = DocumentId::of_continuation(document).to_string();
            return Self::Sealed { code: code.clone(), sentence: sentence.clone(), continuation };
        }
        self
    }
}

#[uniffi::export]
impl SyncError {
    /// The code and the sentence of whatever case it is.
    #[must_use]
    pub fn explain(&self) -> Explanation {
        let (code, sentence) = match self {
            Self::Refused { code, sentence }
            | Self::Incomplete { code, sentence, .. }
            | Self::Sealed { code, sentence, .. }
            | Self::Invalid { code, sentence }
            | Self::NotFound { code, sentence }
            | Self::NoConnection { code, sentence }
            | Self::NotTrusted { code, sentence }
            | Self::NotRecognised { code, sentence }
            | Self::Outdated { code, sentence }
            | Self::InUse { code, sentence }
            | Self::Newer { code, sentence }
            | Self::WrongKey { code, sentence }
            | Self::Corrupt { code, sentence }
            | Self::Damaged { code, sentence }
            | Self::DiskFull { code, sentence }
            | Self::Storage { code, sentence }
            | Self::Erased { code, sentence }
            | Self::Closed { code, sentence }
            | Self::Internal { code, sentence } => (code, sentence),
        };
        Explanation { code: code.clone(), sentence: sentence.clone() }
    }
}

impl std::fmt::Display for SyncError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.explain().sentence)
    }
}

impl std::error::Error for SyncError {}
