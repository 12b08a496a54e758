//! One server process per data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use xunyuan_core::error::{Error, ErrorKind};

/// Holds the directory's `lock` file until it is dropped. The operating system lets go of it when the
/// process ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock and writes this process' id into it.
    ///
    /// # Errors
    /// `Busy` naming the process that holds it; `Storage` when the file cannot be made.
    pub(super) fn take(dir: &Path) -> Result<Self, Error> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(dir.join("lock"))
            .map_err(storage)?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0).and_then(|()| file.rewind()).map_err(storage)?;
                write!(file, "{}", std::process::id()).and_then(|()| file.flush()).map_err(storage)?;
                Ok(Self { _file: file })
            }
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                file.read_to_string(&mut pid).map_err(storage)?;
                let pid = pid.trim();
                Err(Error::new(
                    ErrorKind::Busy,
                    format!("数据目录正被进程 {pid} 使用;请先停止该进程"),
                    format!("process {pid} is using this data directory; stop it first"),
                ))
            }
            Err(TryLockError::Error(cause)) => Err(storage(cause)),
        }
    }
}

fn storage(cause: std::io::Error) -> Error {
    Error::new(ErrorKind::Storage, "无法锁定数据目录", "the data directory cannot be locked").caused_by(cause)
}
