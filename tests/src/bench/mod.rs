//! The benchmark of the exchange: a real server process, real HTTP on the loopback, real files.
//!
//! Receives the names of workloads; hands on a table and, where asked, JSON. Next to each figure stands
//! the floor that the same run measured on the same machine. Forbids: ways into hub or replica that a
//! device does not have, but for preparing the branch before the server starts.

mod check;
mod console;
mod crowd;
mod device;
mod files;
mod floor;
mod line;
mod live;
mod record;
mod repair;
mod reports;
mod rest;
mod seed;
mod shared;
mod shelves;
mod stage;
mod table;
mod upload;
mod usage;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use shared::Shared;
use table::Table;
use upload::Upload;

/// The hidden command of the process that plays one device.
const DEVICE: &str = "device";

/// What was asked for.
#[derive(Debug, Default)]
struct Asked {
    workloads: Vec<String>,
    json: Option<PathBuf>,
    quick: bool,
}

impl Asked {
    fn of(arguments: &[String]) -> Result<Self, String> {
        let mut asked = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "--quick" => asked.quick = true,
                "--json" => {
                    let file = rest.next().ok_or("--json needs a file")?;
                    asked.json = Some(PathBuf::from(file));
                }
                name if WORKLOADS.contains(&name.to_uppercase().as_str()) => {
                    asked.workloads.push(name.to_uppercase());
                }
                other => return Err(format!("unknown argument {other}; workloads: {WORKLOADS:?}")),
            }
        }
        Ok(asked)
    }

    fn wants(&self, workload: &str) -> bool {
        self.workloads.is_empty() || self.workloads.iter().any(|one| one == workload)
    }
}

/// What there is to measure.
const WORKLOADS: [&str; 15] =
    ["CHECK", "W1", "W2", "W3", "W4", "W5", "W6", "W7", "W8", "W9", "W10", "W11", "W12", "W13", "W14"];

/// Runs the benchmark, or one device of it.
#[must_use]
pub fn main(arguments: Vec<String>) -> ExitCode {
    if arguments.first().is_some_and(|first| first == DEVICE) {
        device::play(&arguments[1..]);
        return ExitCode::SUCCESS;
    }
    match Asked::of(&arguments) {
        Ok(asked) => {
            run(&asked);
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::from(2)
        }
    }
}

fn run(asked: &Asked) {
    if cfg!(debug_assertions) {
        eprintln!("this is a debug build; its figures mean nothing: use --release");
    }
    let mut table = Table::default();
    let scale = |full: usize| if asked.quick { full.div_ceil(10) } else { full };
    if asked.wants("CHECK") {
        check::measure(&mut table, scale(1_000));
    }
    let needs_server = |workload: &String| !["CHECK", "W10"].contains(&workload.as_str());
    if asked.workloads.iter().any(needs_server) || asked.workloads.is_empty() {
        stage::build_server();
    }
    let sizes: &[usize] = if asked.quick { &[100, 1_000] } else { &[100, 1_000, 5_000, 20_000] };
    let far = asked.wants("W9");
    let wants_upload = asked.wants("W1") || far;
    let wants_shared = ["W2", "W3", "W5", "W6", "W9"].iter().any(|workload| asked.wants(workload));
    // Preparing takes longer than measuring: both at once, before anything is measured.
    let (upload, shared) = std::thread::scope(|scope| {
        let upload = wants_upload.then(|| scope.spawn(|| Upload::prepare(scale(1_000))));
        let shared = wants_shared.then(|| Shared::prepare(sizes, far));
        (upload.map(|upload| upload.join().expect("the device is prepared")), shared)
    });
    if let Some(upload) = upload {
        upload.measure(&mut table, far);
    }
    if let Some(shared) = shared {
        shared.measure(&mut table);
    }
    if asked.wants("W4") {
        crowd::measure(&mut table, scale(50), 20, 5);
        crowd::measure(&mut table, scale(1_000), 2, 100);
    }
    if asked.wants("W7") {
        live::measure(&mut table, scale(50));
    }
    if asked.wants("W8") {
        repair::measure(&mut table, scale(200_000));
    }
    if asked.wants("W10") {
        reports::measure(&mut table, scale(100_000));
    }
    if asked.wants("W11") {
        console::measure(&mut table, scale(100_000));
    }
    if asked.wants("W12") {
        files::measure(&mut table, scale(60), scale(20));
    }
    if asked.wants("W13") {
        shelves::measure(&mut table, scale(1_000_000));
    }
    if asked.wants("W14") {
        rest::measure(&mut table, scale(5_000));
    }
    let mut out = std::io::stdout().lock();
    write!(out, "{table}").expect("stdout takes the table");
    if let Some(file) = &asked.json {
        std::fs::write(file, table.json()).expect("the JSON file can be written");
    }
}
