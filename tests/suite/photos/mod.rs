//! Files between real processes: killed at any moment, damaged on the way, full disks, wrong doors, strangers.

mod disks;
mod doors;
mod printed;
mod strangers;
mod transfer;

use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use xunyuan_core::replica::Replica;
use xunyuan_tests::process::{Branch, patrol, xunyuan};

pub(crate) const ITEM: &str = "pp.green.02";

/// A free patrol with photos in one of its items.
pub(crate) fn sheet_with(replica: &Path, files: &[PathBuf]) -> String {
    let sheet = patrol(replica, &[]);
    let mut arguments = vec!["attach", &sheet, ITEM];
    arguments.extend(files.iter().map(|file| file.to_str().unwrap()));
    let _ = xunyuan(replica, &arguments).good();
    sheet
}

pub(crate) fn pending(replica: &Path) -> u64 {
    xunyuan(replica, &["status"]).good().json["pending_files"].as_u64().unwrap()
}

/// Photos of a record at the branch, and all that it names.
fn counts(branch: &Branch, sheet: &str) -> (u64, u64) {
    let said = branch.command(&["photos", "--record", sheet]).good().json;
    let of = |name: &str| said["counts"][name].as_u64().unwrap();
    (of("here"), of("all"))
}

/// Every file at the branch has its hash, and so does everything else.
fn verified(branch: &Branch, files: u64) {
    let report = branch.command(&["verify"]).good().json;
    assert_eq!((&report["files"], &report["first_bad"]), (&Json::from(files), &Json::Null), "{report}");
    assert_eq!(report["files_unknown"], 0, "{report}");
}

/// The token of a device, as an app would hold it.
fn token(replica: &Path) -> String {
    Replica::open(replica).unwrap().identity().token.clone()
}
