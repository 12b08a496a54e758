//! The exit status that scripts act on, by what can be done about a failure.

pub(crate) use xunyuan_ffi::failure::{Failure, FailureKind};

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
/// The server is not the branch that this device belongs to, as far as its key or certificate tells.
pub(crate) const EXIT_NOT_TRUSTED: u8 = 6;

/// The exit status of a process that ends with this failure.
pub(crate) const fn exit_of(failure: &Failure) -> u8 {
    match failure.kind() {
        FailureKind::Refused | FailureKind::NotRecognised | FailureKind::Outdated => EXIT_REFUSED,
        FailureKind::Invalid | FailureKind::NotFound => EXIT_USAGE,
        FailureKind::NoConnection => EXIT_NO_CONNECTION,
        FailureKind::NotTrusted => EXIT_NOT_TRUSTED,
        FailureKind::InUse
        | FailureKind::Newer
        | FailureKind::Key
        | FailureKind::Corrupt
        | FailureKind::Damaged
        | FailureKind::Full
        | FailureKind::Storage
        | FailureKind::Closed
        | FailureKind::Internal => EXIT_STORE,
        FailureKind::Erased => EXIT_ERASED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xunyuan_core::error::{Error, ErrorKind};

    #[test]
    fn every_kind_of_error_has_its_exit_status() {
        let cases = [
            (ErrorKind::Refused, 1),
            (ErrorKind::Invalid, 2),
            (ErrorKind::NotFound, 2),
            (ErrorKind::Protocol, 3),
            (ErrorKind::Busy, 4),
            (ErrorKind::Newer, 4),
            (ErrorKind::Key, 4),
            (ErrorKind::Corrupt, 4),
            (ErrorKind::Damaged, 4),
            (ErrorKind::Full, 4),
            (ErrorKind::Storage, 4),
        ];
        for (kind, exit) in cases {
            assert_eq!(exit_of(&Failure::from(Error::new(kind, "中", "en"))), exit, "{kind:?}");
        }
        assert_eq!(exit_of(&Failure::erased()), 5);
    }
}
