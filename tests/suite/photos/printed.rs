//! Photos and drawn signatures on paper: where they are here, else who has them.

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use xunyuan_core::replica::Replica;
use xunyuan_tests::photos;
use xunyuan_tests::process::{Branch, xunyuan};

use super::{counts, sheet_with};

const PICTURE: &str = "<img alt=\"\" src=\"data:image/jpeg;base64,";
const DRAWING: &str = "<img alt=\"\" src=\"data:image/svg+xml;base64,";

fn times(page: &str, text: &str) -> usize {
    page.matches(text).count()
}

#[test]
fn a_printed_sheet_shows_its_photos_and_says_who_has_the_others() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let a = branch.enroll("u.pt01", &dir.path().join("a"));
    let sheet = sheet_with(&a, &photos::folder(&dir.path().join("camera"), 3, 60_000));
    let drawing = dir.path().join("name.svg");
    fs::write(
        &drawing,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 9 9\"><path d=\"M0 0L9 9\"/></svg>",
    )
    .unwrap();
    let _ = xunyuan(&a, &["sign", &sheet, "inspector_sign", "--drawn", drawing.to_str().unwrap()]).good();

    let paper = |name: &str| dir.path().join(name);
    let words = |file: &Path| {
        let file = file.to_str().unwrap().to_owned();
        ["report", "rep.patrol", "--record", &sheet, "-o", &file].map(str::to_owned)
    };
    let file = paper("device.html");
    let _ = xunyuan(&a, &words(&file).each_ref().map(String::as_str)).good();
    let page = fs::read_to_string(&file).unwrap();
    assert_eq!((times(&page, PICTURE), times(&page, DRAWING)), (3, 1), "offline, with nothing at the branch");
    assert!(page.contains("of 4 photos and files the branch has 0, 4 wait on this device"), "{page}");
    assert_eq!(times(&page, "<!--"), 0);

    // One photo is lost before it can be sent.
    let lost = fs::read_dir(photos_of(&a)).unwrap().map(|entry| entry.unwrap().path());
    let lost = lost.filter(|path| path.extension().is_none() && fs::metadata(path).unwrap().len() > 10_000);
    fs::remove_file(lost.into_iter().next().unwrap()).unwrap();
    let _ = xunyuan(&a, &["sync"]);
    assert_eq!(counts(&branch, &sheet), (3, 4));
    let who = name_of(&a, "u.pt01");
    let file = paper("branch.html");
    let _ = branch.command(&words(&file).each_ref().map(String::as_str)).good();
    let page = fs::read_to_string(&file).unwrap();
    assert_eq!((times(&page, PICTURE), times(&page, DRAWING)), (2, 1), "{page}");
    assert!(page.contains(&format!("<p>on the device of {who}</p>")), "{page}");
    assert!(page.contains(&format!("the branch has 3, 1 on the device of {who}")), "{page}");
}

fn photos_of(replica: &Path) -> std::path::PathBuf {
    let mut name = replica.as_os_str().to_owned();
    name.push(".photos");
    name.into()
}

fn name_of(replica: &Path, user: &str) -> String {
    Replica::open(replica).unwrap().catalog().name_of(&xunyuan_core::id::UserId::new(user))
}
