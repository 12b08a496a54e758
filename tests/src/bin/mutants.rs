//! `mutants`: puts every deliberate fault of `tests/mutants.json` into a copy of the tree, each behind a switch,
//! builds it once, and demands that the simulator, or the tests that a fault names, notice each of them.
//! `cargo run -p xunyuan-tests --bin mutants [N …]`; faults are told in their order in the list, from 1.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use serde_json::Value;
use xunyuan_tests::mutants::{Mutant, SWITCH, all, root};

/// Seeds that each fault is given to show itself, unless `XUNYUAN_SEEDS` says otherwise.
const SEEDS: &str = "1000";
/// Seeds that are played without any fault, to show that the copy is sound.
const SEEDS_WITHOUT: &str = "20";

/// What must notice a fault of which nothing else is said.
const SIMULATION: (&str, &str) = ("simulation", "the_laws");

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let place = root().join("target/mutants");
    let tree = place.join("tree");
    let mutants = all();
    copy(&tree, &mutants);
    let began = Instant::now();
    let chosen: Vec<(usize, &Mutant)> = (1..)
        .zip(&mutants)
        .filter(|(number, _)| wanted.is_empty() || wanted.contains(&number.to_string()))
        .collect();
    let packages: BTreeSet<&str> =
        chosen.iter().map(|(_, mutant)| by(mutant).0).chain([SIMULATION.0]).collect();
    let Some(programs) = build(&tree, &place.join("target"), &packages) else { return ExitCode::FAILURE };
    eprintln!("built in {} s", began.elapsed().as_secs());
    // What fails without any fault would catch every one.
    let tests: BTreeSet<(&str, &str)> =
        chosen.iter().map(|(_, mutant)| by(mutant)).chain([SIMULATION]).collect();
    for (program, filter) in tests {
        if let Some(told) = play(&programs[program], &tree, 0, filter, SEEDS_WITHOUT) {
            eprintln!("the copy fails without any fault: [{program} {filter}] {told}");
            return ExitCode::FAILURE;
        }
    }
    let seeds = std::env::var("XUNYUAN_SEEDS").unwrap_or_else(|_| SEEDS.to_owned());
    let mut survivors = 0;
    for (number, mutant) in chosen {
        let began = Instant::now();
        let (program, filter) = by(mutant);
        let told = play(&programs[program], &tree, number, filter, &seeds);
        survivors += u32::from(told.is_none());
        let word = if told.is_some() { "caught" } else { "SURVIVED" };
        let told = told.unwrap_or_default();
        let seconds = began.elapsed().as_secs();
        eprintln!(
            "{number:>3}  law {}  {word:<8}  {seconds:>3} s  {}  [{program}] {told}",
            mutant.law, mutant.fault
        );
    }
    eprintln!("{survivors} survived, {} s in all", began.elapsed().as_secs());
    if survivors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The test program that must notice a fault, and which of its tests.
fn by(mutant: &Mutant) -> (&str, &str) {
    mutant.caught_by.as_deref().and_then(|named| named.split_once(' ')).unwrap_or(SIMULATION)
}

/// Builds the test programs and says where they are; nothing when they do not build.
fn build(tree: &Path, target: &Path, wanted: &BTreeSet<&str>) -> Option<BTreeMap<String, PathBuf>> {
    let mut programs = BTreeMap::new();
    for name in wanted {
        let what: &[&str] = match *name {
            "core" => &["-p", "xunyuan-core", "--lib"],
            "server" => &["-p", "xunyuan-server", "--lib"],
            test => &["-p", "xunyuan-tests", "--test", test],
        };
        let mut cargo = Command::new("cargo");
        cargo.current_dir(tree).env("CARGO_TARGET_DIR", target).env("RUSTFLAGS", "--cap-lints warn");
        cargo
            .args(["test", "--no-run", "--locked", "--message-format", "json-render-diagnostics"])
            .args(what);
        let built = cargo.stderr(std::process::Stdio::inherit()).output().expect("cargo runs");
        if !built.status.success() {
            eprintln!("the copy does not build: a fault no longer fits its place");
            return None;
        }
        let messages = String::from_utf8_lossy(&built.stdout);
        let of_test = |line: &str| {
            let message: Value = serde_json::from_str(line).ok()?;
            let is_test = message["profile"]["test"] == true;
            message["executable"].as_str().filter(|_| is_test).map(PathBuf::from)
        };
        let program = messages.lines().filter_map(of_test).next_back().expect("cargo names the program");
        programs.insert((*name).to_owned(), program);
    }
    Some(programs)
}

/// Runs tests with one fault on; says what they say where they notice.
fn play(program: &Path, tree: &Path, number: usize, filter: &str, seeds: &str) -> Option<String> {
    let mut test = Command::new(program);
    test.current_dir(tree.join("tests")).arg(filter);
    test.env("XUNYUAN_MUTANT", number.to_string()).env("XUNYUAN_SEEDS", seeds).env("XUNYUAN_FIRST", "1");
    let done = test.output().expect("a test program runs");
    if done.status.success() {
        return None;
    }
    let said = [done.stdout, done.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let line = said
        .lines()
        .find(|line| line.starts_with("seed ") || line.starts_with("test ") && line.ends_with("FAILED"));
    Some(line.unwrap_or("it did not end well").chars().take(160).collect())
}

/// Copies what git knows of the tree, with every fault behind its switch; files that did not change keep their
/// times, so that cargo builds on.
fn copy(tree: &Path, mutants: &[Mutant]) {
    let listed = Command::new("git").current_dir(root()).args(["ls-files", "-z"]).output().expect("git runs");
    let names = String::from_utf8(listed.stdout).expect("names are UTF-8");
    for name in names.split('\0').filter(|name| !name.is_empty()) {
        let (from, to): (PathBuf, PathBuf) = (root().join(name), tree.join(name));
        let mut bytes = fs::read(&from).expect("a file of the tree can be read");
        let here: Vec<(usize, &Mutant)> =
            (1..).zip(mutants).filter(|(_, mutant)| mutant.file == name).collect();
        if !here.is_empty() || name == "core/src/lib.rs" {
            let mut text = String::from_utf8(bytes).expect("a source is UTF-8");
            for (number, mutant) in here {
                assert!(text.contains(&mutant.place()), "fault {number} does not fit {name}");
                text = text.replacen(&mutant.place(), &mutant.switched(number), 1);
            }
            if name == "core/src/lib.rs" {
                text.push_str(SWITCH);
            }
            bytes = text.into_bytes();
        }
        if fs::read(&to).is_ok_and(|held| held == bytes) {
            continue;
        }
        fs::create_dir_all(to.parent().expect("a file is in a folder")).expect("the copy can be written");
        fs::write(&to, bytes).expect("the copy can be written");
    }
}
