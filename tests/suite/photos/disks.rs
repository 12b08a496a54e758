//! Full disks, real ones: a small file system in memory below the device's photos, or below the branch's files.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use xunyuan_tests::photos;
use xunyuan_tests::process::{Branch, xunyuan};
use xunyuan_tests::skip::skipped;

use super::{ITEM, counts, pending, sheet_with, verified};

/// A small disk at a folder; taken away when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where this machine lets nobody mount one.
    fn at(folder: &Path, mebibytes: u32) -> Option<Self> {
        std::fs::create_dir_all(folder).unwrap();
        let size = format!("size={mebibytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(folder).output();
        if !mounted.is_ok_and(|done| done.status.success()) {
            skipped("a full disk under photos: this machine lets nobody mount a small disk");
            return None;
        }
        Some(Self(folder.to_owned()))
    }

    fn grow(&self, mebibytes: u32) {
        let size = format!("remount,size={mebibytes}m");
        let done = Command::new("mount").args(["-o", &size]).arg(&self.0).output().unwrap();
        assert!(done.status.success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[test]
fn a_full_device_saves_nothing_half_and_goes_on_when_there_is_room() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let a = branch.enroll("u.pt01", &dir.path().join("a"));
    let folder = a.with_extension("xunyuan.photos");
    let Some(_disk) = SmallDisk::at(&folder, 2) else { return };
    let camera = photos::folder(&dir.path().join("camera"), 4, 800_000);
    let sheet = sheet_with(&a, &camera[..2]);
    let refused = xunyuan(&a, &["attach", &sheet, ITEM, camera[2].to_str().unwrap()]);
    assert_eq!((refused.code, &refused.json["error"]["code"]), (Some(4), &"full".into()), "{}", refused.out);
    let listed = xunyuan(&a, &["photos", "list", &sheet]).good().json;
    assert_eq!(listed["counts"]["all"], 2, "the record names nothing that is not here");
    // Once the branch has the others they make room by themselves, and their thumbnails stay.
    let _ = xunyuan(&a, &["sync"]).good();
    let _ = xunyuan(&a, &["attach", &sheet, ITEM, camera[2].to_str().unwrap()]).good();
    let thumbnails = std::fs::read_dir(&folder).unwrap().flatten();
    let thumbnails = thumbnails.filter(|file| file.path().extension().is_some_and(|end| end == "thumbnail"));
    assert_eq!(thumbnails.count(), 3);
    let _ = xunyuan(&a, &["sync"]).good();
    assert_eq!(counts(&branch, &sheet), (3, 3));
    verified(&branch, 3);
}

#[test]
fn a_full_branch_says_so_and_goes_on_when_there_is_room() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("branch");
    let Some(disk) = SmallDisk::at(&data.join("files"), 2) else { return };
    let branch = Branch::founded(&data);
    let a = branch.enroll("u.pt01", &dir.path().join("a"));
    let sheet = sheet_with(&a, &photos::folder(&dir.path().join("camera"), 5, 700_000));
    let full = xunyuan(&a, &["sync"]);
    assert_eq!((full.code, &full.json["error"]["code"]), (Some(3), &"disk_full".into()), "{}", full.out);
    let (here, _) = counts(&branch, &sheet);
    assert!(here < 5 && pending(&a) == 5 - here, "{here} are there");
    disk.grow(20);
    let _ = xunyuan(&a, &["sync"]).good();
    assert_eq!(counts(&branch, &sheet), (5, 5));
    verified(&branch, 5);
}
