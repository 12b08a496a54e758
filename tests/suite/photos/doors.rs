//! The door of files as a stranger finds it: raw requests with a device's token.

use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest as _, Sha256};
use std::io::Write as _;
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use ureq::http::{Method, Request, Response};
use ureq::{Agent, Body};
use xunyuan_core::media;
use xunyuan_tests::photos;
use xunyuan_tests::process::{Branch, xunyuan};

use super::{ITEM, counts, sheet_with, token};

/// A device's token at a branch, and what it sends.
struct Caller {
    url: String,
    token: String,
    agent: Agent,
}

impl Caller {
    fn new(branch: &Branch, token: String) -> Self {
        let agent =
            Agent::config_builder().http_status_as_error(false).max_idle_connections(0).build().into();
        Self { url: branch.url(), token, agent }
    }

    fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        request = request.header("Authorization", format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.agent.run(request.body(body).unwrap()).unwrap()
    }

    /// Begins an upload with the bytes in the same request.
    fn begin(&self, hash: &str, length: usize, body: &[u8]) -> Response<Body> {
        let metadata =
            format!("filename {},sha256 {}", BASE64.encode(b"../../a.jpg"), BASE64.encode(hash.as_bytes()));
        let length = length.to_string();
        let mut headers = vec![
            ("Tus-Resumable", "1.0.0"),
            ("Upload-Length", length.as_str()),
            ("Upload-Metadata", metadata.as_str()),
        ];
        if !body.is_empty() {
            headers.push(("Content-Type", "application/offset+octet-stream"));
        }
        self.send(Method::POST, "/v1/files", &headers, body)
    }

    fn patch(&self, path: &str, offset: usize, sum: Option<&str>, body: &[u8]) -> Response<Body> {
        let offset = offset.to_string();
        let mut headers = vec![
            ("Tus-Resumable", "1.0.0"),
            ("Upload-Offset", offset.as_str()),
            ("Content-Type", "application/offset+octet-stream"),
        ];
        headers.extend(sum.map(|sum| ("Upload-Checksum", sum)));
        self.send(Method::PATCH, path, &headers, body)
    }

    fn tus(&self, method: Method, path: &str) -> Response<Body> {
        self.send(method, path, &[("Tus-Resumable", "1.0.0")], b"")
    }
}

fn hash(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

fn code(response: Response<Body>) -> (u16, String) {
    let status = response.status().as_u16();
    let body: serde_json::Value =
        serde_json::from_str(&response.into_body().read_to_string().unwrap()).unwrap_or_default();
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}

fn header<'r>(response: &'r Response<Body>, name: &str) -> &'r str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// A branch, a device with a sheet that names these files, none of them sent.
fn stage(dir: &TempDir, files: &[Vec<u8>]) -> (Branch, PathBuf, String) {
    let branch = Branch::founded(&dir.path().join("branch"));
    let a = branch.enroll("u.pt01", &dir.path().join("a"));
    let folder = dir.path().join("camera");
    std::fs::create_dir_all(&folder).unwrap();
    let paths: Vec<_> = (0..)
        .zip(files)
        .map(|(number, bytes)| {
            let path = folder.join(format!("{number}.jpg"));
            std::fs::write(&path, bytes).unwrap();
            path
        })
        .collect();
    let sheet = sheet_with(&a, &paths);
    // The text goes, the photos are taken from the device before they can.
    std::fs::rename(a.with_extension("xunyuan.photos"), dir.path().join("taken")).unwrap();
    let _ = xunyuan(&a, &["sync"]);
    (branch, a, sheet)
}

#[test]
fn what_came_over_a_slow_line_is_written_before_more_comes() {
    let dir = TempDir::new().unwrap();
    let photo = photos::jpeg(1, 60_000);
    let (branch, a, _) = stage(&dir, std::slice::from_ref(&photo));
    let caller = Caller::new(&branch, token(&a));
    let begun = caller.begin(&hash(&photo), photo.len(), b"");
    let place = header(&begun, "location").to_owned();
    let mut line = TcpStream::connect(branch.url().trim_start_matches("http://")).unwrap();
    let head = format!(
        "PATCH {place} HTTP/1.1\r\nHost: branch\r\nAuthorization: Bearer {}\r\nTus-Resumable: 1.0.0\r\n\
         Upload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: {}\r\n\r\n",
        caller.token,
        photo.len()
    );
    line.write_all(head.as_bytes()).unwrap();
    line.write_all(&photo[..10_000]).unwrap();
    // The line stays open and silent. Asking over HTTP would take the upload over, so the disk is looked at.
    let devices = dir.path().join("branch/files/incoming").read_dir().unwrap();
    let parts: Vec<PathBuf> = devices
        .flat_map(|device| device.unwrap().path().read_dir().unwrap())
        .map(|part| part.unwrap().path())
        .collect();
    let (began, written) = (Instant::now(), || parts[0].metadata().unwrap().len());
    while written() < 10_000 {
        assert!(began.elapsed() < Duration::from_secs(20), "{} bytes are written", written());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_upload_follows_tus_from_its_creation_to_its_end() {
    let dir = TempDir::new().unwrap();
    let (one, two) = (photos::jpeg(1, 60_000), photos::jpeg(2, 50_000));
    let (branch, a, sheet) = stage(&dir, &[one.clone(), two.clone()]);
    let caller = Caller::new(&branch, token(&a));
    let described = caller.send(Method::OPTIONS, "/v1/files", &[], b"");
    assert_eq!(described.status().as_u16(), 204);
    assert_eq!(header(&described, "tus-version"), "1.0.0");
    for extension in ["creation", "checksum", "termination", "expiration"] {
        assert!(header(&described, "tus-extension").split(',').any(|one| one == extension), "{extension}");
    }
    let begun = caller.begin(&hash(&one), one.len(), b"");
    assert_eq!((begun.status().as_u16(), header(&begun, "upload-offset")), (201, "0"));
    assert!(header(&begun, "upload-expires").ends_with(" GMT"), "{:?}", begun.headers());
    let place = header(&begun, "location").to_owned();
    // Part by part; what is not where it should be is not taken.
    assert_eq!(caller.patch(&place, 0, None, &one[..20_000]).status().as_u16(), 204);
    assert_eq!(code(caller.patch(&place, 0, None, &one[..20_000])), (409, "offset_mismatch".to_owned()));
    let sum = |bytes: &[u8]| format!("sha256 {}", BASE64.encode(&Sha256::digest(bytes)));
    let part = &one[20_000..40_000];
    assert_eq!(
        code(caller.patch(&place, 20_000, Some(&sum(b"other")), part)),
        (460, "checksum_mismatch".to_owned())
    );
    assert_eq!(code(caller.patch(&place, 20_000, Some("crc32 AAAA"), part)).0, 400);
    let state = caller.tus(Method::HEAD, &place);
    assert_eq!((state.status().as_u16(), header(&state, "upload-offset")), (200, "20000"));
    assert_eq!(header(&state, "cache-control"), "no-store");
    assert_eq!(caller.patch(&place, 20_000, Some(&sum(part)), part).status().as_u16(), 204);
    assert_eq!(code(caller.patch(&place, 40_000, None, &one[..30_000])).0, 400, "more than it has");
    // Beginning again goes on, also with bytes from the first one.
    let again = caller.begin(&hash(&one), one.len(), &one[..50_000]);
    assert_eq!((again.status().as_u16(), header(&again, "upload-offset")), (201, "50000"));
    let ended = caller.patch(&place, 50_000, None, &one[50_000..]);
    assert_eq!((ended.status().as_u16(), header(&ended, "upload-offset")), (204, "60000"));
    assert_eq!(header(&caller.tus(Method::HEAD, &place), "upload-offset"), "60000");
    // Giving up.
    let begun = caller.begin(&hash(&two), two.len(), &two[..10_000]);
    let other = header(&begun, "location").to_owned();
    assert_eq!(caller.tus(Method::DELETE, &other).status().as_u16(), 204);
    assert_eq!(caller.tus(Method::HEAD, &other).status().as_u16(), 404);
    assert_eq!(code(caller.send(Method::HEAD, &place, &[], b"")).0, 412);
    assert_eq!(counts(&branch, &sheet), (1, 2));
}

#[test]
fn what_must_not_come_in_stays_outside() {
    let dir = TempDir::new().unwrap();
    let good = photos::jpeg(1, 60_000);
    let (branch, a, sheet) = stage(&dir, std::slice::from_ref(&good));
    let caller = Caller::new(&branch, token(&a));
    let stranger = photos::jpeg(9, 50_000);
    assert_eq!(code(caller.begin(&hash(&stranger), stranger.len(), b"")), (403, "file_not_named".to_owned()));
    assert_eq!(code(caller.begin(&hash(&good), 0, b"")), (400, "file_empty".to_owned()));
    assert_eq!(code(caller.begin(&hash(&good), 25 * 1024 * 1024, b"")), (413, "file_too_large".to_owned()));
    let mut other = good.clone();
    other[40_000] ^= 1;
    assert_eq!(code(caller.begin(&hash(&good), good.len(), &other)), (460, "file_damaged".to_owned()));
    for path in [
        "/v1/files/uploads/..%2F..%2Fbranch.sqlite3",
        "/v1/files/uploads/%2Fetc%2Fpasswd.5",
        "/v1/files/..%2Fbranch.sqlite3",
        "/v1/files/zz",
    ] {
        let method = if path.contains("uploads") { Method::HEAD } else { Method::GET };
        assert_eq!(caller.tus(method, path).status().as_u16(), 404, "{path}");
    }
    for name in ["../../x", &"0".repeat(63), &format!("{}/..", hash(&good))] {
        assert_eq!(code(caller.begin(name, 5, b"")).0, 400, "{name}");
    }
    let nobody = Caller::new(&branch, "nobody".to_owned());
    assert_eq!(code(nobody.begin(&hash(&good), good.len(), &good)).0, 401);
    assert_eq!(nobody.tus(Method::GET, &format!("/v1/files/{}", hash(&good))).status().as_u16(), 401);
    assert_eq!(counts(&branch, &sheet), (0, 1));
    // Nothing of all that lies about, and the right one still comes in.
    assert_eq!(caller.begin(&hash(&good), good.len(), &good).status().as_u16(), 201);
    assert_eq!(counts(&branch, &sheet), (1, 1));
    let report = branch.command(&["verify"]).good().json;
    assert_eq!((&report["files"], &report["files_unknown"]), (&1.into(), &0.into()));
}

#[test]
fn a_file_is_handed_out_whole_or_in_part_to_whom_it_may_concern() {
    let dir = TempDir::new().unwrap();
    let good = photos::jpeg(1, 60_000);
    let (branch, a, _) = stage(&dir, std::slice::from_ref(&good));
    let caller = Caller::new(&branch, token(&a));
    let path = format!("/v1/files/{}", hash(&good));
    assert_eq!(code(caller.send(Method::GET, &path, &[], b"")), (404, "file_unknown".to_owned()));
    assert_eq!(caller.begin(&hash(&good), good.len(), &good).status().as_u16(), 201);
    let whole = caller.send(Method::GET, &path, &[], b"");
    assert_eq!(whole.status().as_u16(), 200);
    assert_eq!(header(&whole, "content-type"), "image/jpeg");
    assert_eq!(header(&whole, "x-content-type-options"), "nosniff");
    let tag = header(&whole, "etag").to_owned();
    assert_eq!(whole.into_body().read_to_vec().unwrap(), good);
    let part = caller.send(Method::GET, &path, &[("Range", "bytes=1000-1999")], b"");
    assert_eq!((part.status().as_u16(), header(&part, "content-range")), (206, "bytes 1000-1999/60000"));
    assert_eq!(part.into_body().read_to_vec().unwrap(), good[1_000..2_000]);
    assert_eq!(caller.send(Method::GET, &path, &[("Range", "bytes=60000-")], b"").status().as_u16(), 416);
    assert_eq!(caller.send(Method::GET, &path, &[("If-None-Match", &tag)], b"").status().as_u16(), 304);
    let small = caller.send(Method::GET, &format!("{path}/thumbnail"), &[], b"");
    assert_eq!((small.status().as_u16(), header(&small, "content-type")), (200, "image/jpeg"));
    let small = small.into_body().read_to_vec().unwrap();
    assert!(small.len() < 20_000 && media::sniff(&small).is_some());
    // A colleague of the same scope may read it, the front desk may not, and a revoked device may nothing.
    let b = branch.enroll("u.pt02", &dir.path().join("b"));
    let colleague = Caller::new(&branch, token(&b));
    assert_eq!(colleague.send(Method::GET, &path, &[], b"").status().as_u16(), 200);
    let desk = branch.enroll("u.fd01", &dir.path().join("desk"));
    let desk = Caller::new(&branch, token(&desk));
    assert_eq!(code(desk.send(Method::GET, &path, &[], b"")), (404, "file_unknown".to_owned()));
    assert_eq!(desk.send(Method::GET, &format!("{path}/thumbnail"), &[], b"").status().as_u16(), 404);
    let devices = branch.command(&["devices"]).good().json;
    let second = devices.as_array().unwrap().iter().find(|d| d["user"] == "u.pt02").unwrap();
    let _ = branch.command(&["revoke", second["code"].as_str().unwrap()]).good();
    assert_eq!(code(colleague.send(Method::GET, &path, &[], b"")), (403, "device_revoked".to_owned()));
}

#[test]
fn a_device_that_is_revoked_in_the_middle_of_an_upload_goes_no_further() {
    let dir = TempDir::new().unwrap();
    let good = photos::jpeg(1, 60_000);
    let (branch, a, sheet) = stage(&dir, std::slice::from_ref(&good));
    let caller = Caller::new(&branch, token(&a));
    let begun = caller.begin(&hash(&good), good.len(), &good[..30_000]);
    let place = header(&begun, "location").to_owned();
    let devices = branch.command(&["devices"]).good().json;
    let _ = branch.command(&["revoke", devices[0]["code"].as_str().unwrap()]).good();
    assert_eq!(code(caller.patch(&place, 30_000, None, &good[30_000..])), (403, "device_revoked".to_owned()));
    assert_eq!(counts(&branch, &sheet), (0, 1));
    // The device learns it, and its photos go with everything else.
    let photos = a.with_extension("xunyuan.photos");
    std::fs::create_dir_all(&photos).unwrap();
    std::fs::write(photos.join("x"), b"x").unwrap();
    let wiped = xunyuan(&a, &["sync"]);
    assert_eq!(wiped.code, Some(5), "{}", wiped.out);
    assert!(!photos.exists());
}

#[test]
fn a_bomb_is_refused_before_it_takes_memory() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let a = branch.enroll("u.pt01", &dir.path().join("a"));
    let sheet = sheet_with(&a, &photos::folder(&dir.path().join("camera"), 1, 60_000));
    // A PNG of a few kilobytes that says it is 30,000 by 30,000.
    let bomb = dir.path().join("bomb.png");
    std::fs::write(&bomb, photos::bomb()).unwrap();
    let refused = xunyuan(&a, &["attach", &sheet, ITEM, bomb.to_str().unwrap()]);
    assert_eq!(refused.code, Some(1), "{}", refused.out);
    assert_eq!(refused.json["error"]["code"], "file_too_many_pixels");
}

#[test]
fn an_upload_whose_last_answer_was_lost_is_checked_before_it_counts() {
    let dir = TempDir::new().unwrap();
    let photo = photos::jpeg(9, 60_000);
    let (branch, a, sheet) = stage(&dir, std::slice::from_ref(&photo));
    let caller = Caller::new(&branch, token(&a));
    let begun = caller.begin(&hash(&photo), photo.len(), b"");
    assert_eq!(header(&begun, "upload-offset"), "0");
    // The branch died between the last byte and the check: all of it is here, and once one bit of it is wrong.
    let folders = std::fs::read_dir(dir.path().join("branch/files/incoming")).unwrap();
    let folder = folders.map(|entry| entry.unwrap().path()).next().unwrap();
    let part = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let mut wrong = photo.clone();
    wrong[30_000] ^= 1;
    std::fs::write(&part, wrong).unwrap();
    assert_eq!(code(caller.begin(&hash(&photo), photo.len(), b"")), (460, "file_damaged".to_owned()));
    assert!(!part.exists());
    let _ = caller.begin(&hash(&photo), photo.len(), b"");
    std::fs::write(&part, &photo).unwrap();
    for body in [b"".as_slice(), &photo] {
        let begun = caller.begin(&hash(&photo), photo.len(), body);
        let length = photo.len().to_string();
        assert_eq!((begun.status().as_u16(), header(&begun, "upload-offset")), (201, length.as_str()));
        assert_eq!(counts(&branch, &sheet), (1, 1));
    }
    assert!(!part.exists());
}
