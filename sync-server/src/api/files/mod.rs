//! Files of records over HTTP: uploads by the tus protocol, questions before them, downloads.
//!
//! `POST /v1/files` begins an upload and `/v1/files/uploads/<sha256>.<length>` goes on with it (tus 1.0: core,
//! creation, creation-with-upload, checksum, termination, expiration); the metadata `sha256` names the file. An
//! upload belongs to its device: beginning it again goes on with it. `/v1/files/<sha256>` hands a file out.

pub(crate) mod download;
pub(crate) mod offer;
pub(crate) mod upload;

use axum::http::{HeaderValue, StatusCode, header};
use xunyuan_core::error::{Error, ErrorKind, Refusal};
use xunyuan_core::id::FileHash;

use crate::hub::FileFailure;
use crate::problem::Problem;

/// Seconds after which a device tries again when the branch's disk was full.
const FULL_RETRY_S: u64 = 60;

/// The problem of a file that is not taken, or of a branch that failed.
fn problem(failure: FileFailure) -> Problem {
    let Refusal { code, sentence } = match failure {
        FileFailure::Refused(refusal) => refusal,
        FileFailure::Internal(error) => return failed(&error),
    };
    let status = match code.as_str() {
        "file_empty" => StatusCode::BAD_REQUEST,
        "file_too_large" => StatusCode::PAYLOAD_TOO_LARGE,
        "file_kind_unknown" => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "file_damaged" => checksum_mismatch(),
        "too_many_uploads" => StatusCode::TOO_MANY_REQUESTS,
        "upload_unknown" => StatusCode::NOT_FOUND,
        _ => StatusCode::FORBIDDEN,
    };
    Problem::new(status, &code, sentence.zh, sentence.en)
}

/// The problem of a branch that failed; a full disk is said, since nothing else can be done about it.
fn failed(error: &Error) -> Problem {
    if error.kind() != ErrorKind::Full {
        return Problem::of(error);
    }
    let sentence = error.sentence().clone();
    Problem::new(StatusCode::INSUFFICIENT_STORAGE, "disk_full", sentence.zh, sentence.en)
        .header(header::RETRY_AFTER, HeaderValue::from(FULL_RETRY_S))
}

/// The status of tus for bytes that do not have the hash they should.
fn checksum_mismatch() -> StatusCode {
    StatusCode::from_u16(460).unwrap_or(StatusCode::BAD_REQUEST)
}

/// The file that a path names.
fn hash_of(text: &str) -> Result<FileHash, Problem> {
    text.parse().map_err(|_| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "file_unknown",
            "没有这个文件",
            "there is no such file, or you may not read it",
        )
    })
}
