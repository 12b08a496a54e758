//! Programs that other people wrote: a stock tus client against the branch, the branch against an S3 server.
//!
//! `tests/run` installs both from PyPI; without them these are noted as left out.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use xunyuan_tests::photos;
use xunyuan_tests::process::{Branch, xunyuan};
use xunyuan_tests::skip::python;

use super::{counts, sheet_with, token, verified};

const TUS: &str = "
import sys, base64
from tusclient import client
url, token, sha256, path, chunk = sys.argv[1:]
tus = client.TusClient(url, headers={'Authorization': 'Bearer ' + token})
uploader = tus.uploader(path, chunk_size=int(chunk), metadata={'sha256': sha256}, retries=3, retry_delay=1)
uploader.upload()
print(uploader.offset)
";

#[test]
fn a_stock_tus_client_uploads() {
    let Some(python) = python() else { return };
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let a = branch.enroll("u.pt01", &dir.path().join("a"));
    let camera = photos::folder(&dir.path().join("camera"), 2, 900_000);
    let sheet = sheet_with(&a, &camera);
    std::fs::rename(a.with_extension("xunyuan.photos"), dir.path().join("taken")).unwrap();
    let _ = xunyuan(&a, &["sync"]);
    assert_eq!(counts(&branch, &sheet), (0, 2));
    for (photo, chunk) in camera.iter().zip(["100000", "5000000"]) {
        let sha256 = HEXLOWER.encode(&Sha256::digest(std::fs::read(photo).unwrap()));
        let done = Command::new(&python)
            .args(["-c", TUS, &format!("{}/v1/files", branch.url()), &token(&a), &sha256])
            .arg(photo)
            .arg(chunk)
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert_eq!(String::from_utf8_lossy(&done.stdout).trim(), "900000");
    }
    assert_eq!(counts(&branch, &sheet), (2, 2));
    verified(&branch, 2);
}

/// An S3-compatible server of somebody else's; ends with this.
struct Store(Child, u16);

impl Store {
    fn start(python: &Path) -> Self {
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap().port();
        let child = Command::new(python)
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let store = Self(child, port);
        let bucket = format!("http://127.0.0.1:{port}/photos");
        let began = Instant::now();
        while ureq::put(&bucket).send_empty().is_err() {
            assert!(began.elapsed() < Duration::from_secs(60), "the object store does not answer");
            std::thread::sleep(Duration::from_millis(100));
        }
        store
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn files_lie_in_an_object_store_where_the_settings_say_so() {
    let Some(python) = python() else { return };
    let dir = TempDir::new().unwrap();
    let store = Store::start(&python);
    let settings = vec![
        ("XUNYUAN_FILES_STORE", "s3".to_owned()),
        ("XUNYUAN_S3_ENDPOINT", format!("http://127.0.0.1:{}", store.1)),
        ("XUNYUAN_S3_BUCKET", "photos".to_owned()),
        ("XUNYUAN_S3_ACCESS_KEY", "key".to_owned()),
        ("XUNYUAN_S3_SECRET_KEY", "secret".to_owned()),
    ];
    let branch = Branch::founded_with(&dir.path().join("branch"), settings);
    let a = branch.enroll("u.pt01", &dir.path().join("a"));
    let sheet = sheet_with(&a, &photos::folder(&dir.path().join("camera"), 3, 900_000));
    let _ = xunyuan(&a, &["sync"]).good();
    assert_eq!(counts(&branch, &sheet), (3, 3));
    assert!(!dir.path().join("branch/files/originals").exists());
    verified(&branch, 3);
    let b = branch.enroll("u.pt02", &dir.path().join("b"));
    let synced = xunyuan(&b, &["sync"]).good().json;
    assert_eq!(synced["replicas"][0]["files"]["thumbnails"], 3, "{synced}");
    let fetched = xunyuan(&b, &["photos", "fetch", &sheet]).good().json;
    let path = fetched["files"][0]["path"].as_str().unwrap();
    assert_eq!(std::fs::metadata(path).unwrap().len(), 900_000);
    let archive = dir.path().join("photos.zip");
    let packed = branch.command(&["export", "photos", "-o", archive.to_str().unwrap()]).good().json;
    assert_eq!((&packed["files"], &packed["missing"]), (&3.into(), &0.into()));
    // The store goes away: nothing is lost, and the next photo waits for it.
    drop(store);
    let more = sheet_with(&a, &photos::folder(&dir.path().join("more"), 1, 900_001));
    assert_ne!(xunyuan(&a, &["sync"]).code, Some(0));
    assert_eq!(counts(&branch, &more), (0, 1));
}
