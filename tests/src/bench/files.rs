//! W12: an inspection with photos goes to the branch, over a good line, and over one that breaks every 5 MB.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value as Json, json};
use xunyuan_core::replica::Replica;
use xunyuan_ffi::clock::Clock;
use xunyuan_ffi::files::{Shelf, keep};
use xunyuan_ffi::net::Carrier;
use xunyuan_ffi::sync::Line as Way;

use super::device;
use super::record::{self, CHECKLIST};
use super::stage::{Stage, moment, ms_since};
use super::table::{Line, Table, count};
use super::upload::figure;
use super::usage::mb;
use crate::cutter::Cutter;
use crate::photos;

/// A photo as phones take them.
const PHOTO_BYTES: usize = 2_500_000;
/// After so many bytes the line breaks.
const BREAK_BYTES: u64 = 5_000_000;
/// The smallest and the largest file of the memory measurement.
const SMALL_BYTES: usize = 1_000_000;
const LARGE_BYTES: usize = 20_000_000;

/// A device with a sheet and photos that nobody has.
struct Loaded {
    file: PathBuf,
    bytes: u64,
}

/// Measures `photos` photos over both lines, and what `small` small files and a few large ones take of memory.
pub(super) fn measure(table: &mut Table, photos: usize, small: usize) {
    let mut stage = Stage::new(record::organisation(1, 5, "role.patrol"));
    let (good, broken) = (Cutter::start(stage.port()), Cutter::start(stage.port()));
    let even = load(&mut stage, 0, good.port, photos, PHOTO_BYTES);
    let uneven = load(&mut stage, 1, broken.port, photos, PHOTO_BYTES);
    let many = load(&mut stage, 2, good.port, small, SMALL_BYTES);
    let few = load(&mut stage, 3, good.port, small.div_ceil(5), LARGE_BYTES);
    let served = stage.snapshot("files").serve(None);
    let sink = Sink::start(stage.dir());
    let plain_line = Cutter::start(sink);
    let plain_ms = plain(&plain_line, &even.file, photos);
    let before = served.begin();
    let done = device::run("files", &even.file, served.url());
    let used = served.since(&before);
    assert_eq!(done["sent"], count(photos), "{done}");
    let (files_ms, plain_rate) = (figure(&done, "files_ms"), mb(even.bytes) / plain_ms * 1e3);
    let rate = mb(even.bytes) / files_ms * 1e3;
    table.add(
        Line::new(format!("W12 {photos} photos of 2.5 MB over a good line"))
            .with("photos ms", files_ms)
            .with("MB/s", rate)
            .with("floor plain upload ms", plain_ms)
            .with("floor MB/s", plain_rate)
            .with("text ms", figure(&done, "exchange_ms"))
            .used(&done, &used)
            .mark(rate >= 0.7 * plain_rate, "70 % of a plain upload that waits for the disk as well"),
    );

    broken.break_every(BREAK_BYTES);
    let up = broken.sent();
    let began = Instant::now();
    let mut runs = 0;
    loop {
        runs += 1;
        let done = device::run("files", &uneven.file, served.url());
        if done["waiting"] == 0 {
            break;
        }
        assert!(runs < 100, "{done}");
    }
    let sent = broken.sent() - up;
    #[expect(clippy::cast_precision_loss, reason = "bytes of a benchmark stay far below 2^53")]
    let twice = sent.saturating_sub(uneven.bytes) as f64 / uneven.bytes as f64;
    table.add(
        Line::new(format!("W12 {photos} photos of 2.5 MB, the line breaks every 5 MB"))
            .with("wall ms", ms_since(began))
            .with("breaks", count(usize::try_from(broken.breaks()).unwrap_or(0)))
            .with("runs of the app", f64::from(runs))
            .with("MB up", mb(sent))
            .with("sent twice, heads and text included %", twice * 100.0)
            .mark(twice <= 0.02, "2 % of the bytes"),
    );

    let small_done = device::run("files", &many.file, served.url());
    let large_done = device::run("files", &few.file, served.url());
    let (small_mb, large_mb) = (figure(&small_done, "peak_mb"), figure(&large_done, "peak_mb"));
    table.add(
        Line::new("W12 memory of a device that sends")
            .with("files of 1 MB, peak MB", small_mb)
            .with("files of 20 MB, peak MB", large_mb)
            .mark(large_mb <= small_mb + 4.0, "as much for large files as for small ones, within 4 MB"),
    );
}

/// A device whose person has put photos into a sheet, without signal.
fn load(stage: &mut Stage, person: usize, port: u16, count: usize, bytes: usize) -> Loaded {
    let user = record::user(0, person);
    let path = stage.dir().join(format!("files-{person}.xunyuan"));
    let (mut replica, file) = stage.enroll_at(&user, path, port);
    let identity = replica.identity().clone();
    let mut content = record::Content::of(u64::try_from(person).unwrap_or(0) + 40);
    device::sync(&mut replica, &mut device::Direct::of(stage.hub(), &identity), &mut content);
    let at = moment(&mut content);
    let header = content.header(&user, at.unix_ms);
    let sheet = replica.start_inspection_with(CHECKLIST, &record::project(0), header, &at).expect("a sheet");
    let (shelf, clock) =
        (Shelf::beside(&file), Clock::from_setting(None, None).expect("the machine's clock"));
    let mut kept = Vec::with_capacity(count);
    for number in 0..count {
        let seed = u32::try_from(person * 10_000 + number).expect("few photos");
        let hold: &mut xunyuan_ffi::sync::Hold<'_> = &mut |work| {
            work(&mut replica);
            Ok(())
        };
        kept.push(keep(&shelf, photos::jpeg(seed, bytes), &clock, hold).expect("a photo is kept"));
    }
    let item = record::item(0);
    replica.attach(sheet, &item, &kept, None, &moment(&mut content)).expect("the sheet takes photos");
    Loaded { file, bytes: (count * bytes) as u64 }
}

/// The device's side: the text, then the photos.
pub(super) fn send(replica: &mut Replica, file: &Path) -> Json {
    let (carrier, clock) = (Carrier::new("bench/1", None), Clock::from_setting(None, None));
    let (carrier, clock) = (carrier.expect("a client"), clock.expect("the machine's clock"));
    let way = Way { carrier: &carrier, clock: &clock, until: None };
    let began = Instant::now();
    let outcome = way.exchange(
        &mut |work| {
            work(replica);
            Ok(())
        },
        &mut |_| true,
    );
    let exchange_ms = ms_since(began);
    let began = Instant::now();
    let carried = way.files(
        &Shelf::beside(file),
        &mut |work| {
            work(replica);
            Ok(())
        },
        &mut |_| true,
    );
    json!({
        "exchange_ms": exchange_ms,
        "files_ms": ms_since(began),
        "sent": f64::from(carried.sent),
        "bytes_sent": carried.bytes_sent,
        "waiting": replica.status().expect("the replica can be read").pending_files,
        "failed": outcome.failure.or(carried.failure).map(|failure| failure.code().to_owned()),
    })
}

/// A plain upload of the same files: one request each, on one connection, each on the disk before its answer.
fn plain(line: &Cutter, replica: &Path, count: usize) -> f64 {
    let folder = replica.with_extension("xunyuan.photos");
    let files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the photos lie there")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_none())
        .collect();
    assert_eq!(files.len(), count);
    let agent = ureq::Agent::new_with_defaults();
    let began = Instant::now();
    for path in &files {
        let file = File::open(path).expect("a photo opens");
        agent.post(line.url()).send(&file).expect("the sink answers");
    }
    ms_since(began)
}

/// A server that writes what comes, waits for the disk and answers.
struct Sink;

impl Sink {
    fn start(dir: &Path) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
        let port = listener.local_addr().expect("a listener has an address").port();
        let dir = dir.join("sink");
        std::fs::create_dir_all(&dir).expect("a folder can be made");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let dir = dir.clone();
                std::thread::spawn(move || Self::serve(stream, &dir));
            }
        });
        port
    }

    fn serve(stream: TcpStream, dir: &Path) -> Option<()> {
        let mut answers = stream.try_clone().ok()?;
        let mut reader = BufReader::new(stream);
        for number in 0.. {
            let mut length = 0;
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).ok()? == 0 {
                    return None;
                }
                let line = line.trim().to_ascii_lowercase();
                if let Some(value) = line.strip_prefix("content-length:") {
                    length = value.trim().parse().ok()?;
                }
                if line.is_empty() {
                    break;
                }
            }
            let mut file = File::create(dir.join(number.to_string())).ok()?;
            std::io::copy(&mut (&mut reader).take(length), &mut file).ok()?;
            file.sync_all().ok()?;
            answers.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").ok()?;
        }
        None
    }
}
