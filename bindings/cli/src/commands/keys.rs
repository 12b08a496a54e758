//! Encrypting a replica file, decrypting it, and changing its key.

use serde_json::json;
use std::path::Path;
use xunyuan_core::replica::Replica;
use xunyuan_ffi::clock::Clock;

use crate::failure::{Failure, FailureKind};
use crate::key::{KeyFile, unnamed};
use crate::output::{Output, Report};

/// Encrypts a plain replica file under the key of the key file, which is made where it is not there.
pub(super) fn encrypt(
    file: &Path,
    key_file: &KeyFile,
    clock: &Clock,
    output: &Output,
) -> Result<Report, Failure> {
    let key = key_file.key_or_made(clock.moment()?.entropy)?;
    let outcome = Replica::rekey(file, None, Some(&key)).map_err(Failure::from);
    match outcome {
        // Asked for twice: it is as it should be.
        Err(failure)
            if failure.kind() == FailureKind::Key && Replica::open_with(file, Some(&key)).is_ok() => {}
        outcome => outcome?,
    }
    Ok(done(
        file,
        true,
        output.pick(
            "已加密。请妥善保管密钥文件:丢失后数据打不开。旁边的照片没有加密",
            "encrypted. Keep the key file safe: without it the data does not open. Photos beside it are not encrypted",
        ),
    ))
}

/// Decrypts a replica file.
pub(super) fn decrypt(file: &Path, key_file: &KeyFile, output: &Output) -> Result<Report, Failure> {
    Replica::rekey(file, Some(key_file.key().ok_or_else(unnamed)?), None)?;
    Ok(done(file, false, output.pick("已解密", "decrypted")))
}

/// Gives an encrypted replica file the key of another key file, which is made where it is not there.
pub(super) fn rekey(
    file: &Path,
    key_file: &KeyFile,
    new: &Path,
    clock: &Clock,
    output: &Output,
) -> Result<Report, Failure> {
    let from = key_file.key().ok_or_else(unnamed)?;
    let to = KeyFile::named(Some(new))?.key_or_made(clock.moment()?.entropy)?;
    Replica::rekey(file, Some(from), Some(&to))?;
    Ok(done(file, true, output.pick("已更换密钥", "the key was changed")))
}

fn done(file: &Path, is_encrypted: bool, text: &str) -> Report {
    let json = json!({ "replica": file.display().to_string(), "encrypted": is_encrypted });
    Report::done(json, format!("{}: {text}", file.display()))
}
