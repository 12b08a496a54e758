//! What this machine cannot play is said aloud: a test that is left out must not look like one that passed.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

/// Notes that a test was left out, and why; `tests/run` names a file for it in `XUNYUAN_SKIPPED` and repeats its
/// lines at the end.
///
/// # Panics
/// When that file cannot be written.
pub fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
    let Some(path) = std::env::var_os("XUNYUAN_SKIPPED") else { return };
    let mut file = OpenOptions::new().append(true).create(true).open(path).expect("the list opens");
    file.write_all(format!("SKIPPED: {why}\n").as_bytes()).expect("the list is written");
}

/// The Python with other people's programs, which `tests/run` installs from PyPI and names in
/// `XUNYUAN_TEST_PYTHON`; where there is none, that is noted.
#[must_use]
pub fn python() -> Option<PathBuf> {
    let python = std::env::var_os("XUNYUAN_TEST_PYTHON").map(PathBuf::from).filter(|path| path.is_file());
    if python.is_none() {
        skipped("other people's programs: XUNYUAN_TEST_PYTHON names no Python that has them");
    }
    python
}
