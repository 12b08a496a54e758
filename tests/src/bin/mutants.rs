//! `mutants`: puts each deliberate fault of `tests/mutants.json` into a copy of the tree and demands that the
//! simulator finds it. Takes a build of the product per fault; `cargo run -p xunyuan-tests --bin mutants`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use xunyuan_tests::mutants::{Mutant, all, root};

/// Seeds that each fault is given to show itself.
const SEEDS: &str = "300";

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let place = root().join("target/mutants");
    let tree = place.join("tree");
    copy(&tree);
    let mut survivors = 0;
    for (at, mutant) in all().iter().enumerate() {
        let number = (at + 1).to_string();
        if !wanted.is_empty() && !wanted.contains(&number) {
            continue;
        }
        let outcome = try_one(mutant, &tree, &place.join("target"));
        survivors += u32::from(outcome != Outcome::Caught);
        eprintln!("{number:>3}  law {}  {:<9}  {}", mutant.law, outcome.word(), mutant.fault);
    }
    if survivors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Caught,
    Survived,
    Unbuilt,
}

impl Outcome {
    const fn word(self) -> &'static str {
        match self {
            Self::Caught => "caught",
            Self::Survived => "SURVIVED",
            Self::Unbuilt => "NOT BUILT",
        }
    }
}

fn try_one(mutant: &Mutant, tree: &Path, target: &Path) -> Outcome {
    let path = tree.join(&mutant.file);
    let source = fs::read_to_string(&path).expect("the copy has the file");
    fs::write(&path, source.replacen(&mutant.from, &mutant.to, 1)).expect("the copy can be written");
    let simulation = |more: &[&str]| {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(tree).env("CARGO_TARGET_DIR", target).env("XUNYUAN_SEEDS", SEEDS);
        cargo.args(["test", "--quiet", "--locked", "-p", "xunyuan-tests", "--test", "simulation"]).args(more);
        cargo.output().expect("cargo runs").status.success()
    };
    let outcome = match simulation(&["--no-run"]) {
        false => Outcome::Unbuilt,
        true if simulation(&["the_laws"]) => Outcome::Survived,
        true => Outcome::Caught,
    };
    fs::write(&path, source).expect("the copy can be written");
    outcome
}

/// Copies what git knows of the tree; files that did not change keep their times, so that cargo builds on.
fn copy(tree: &Path) {
    let listed = Command::new("git").current_dir(root()).args(["ls-files", "-z"]).output().expect("git runs");
    let names = String::from_utf8(listed.stdout).expect("names are UTF-8");
    for name in names.split('\0').filter(|name| !name.is_empty()) {
        let (from, to): (PathBuf, PathBuf) = (root().join(name), tree.join(name));
        let bytes = fs::read(&from).expect("a file of the tree can be read");
        if fs::read(&to).is_ok_and(|held| held == bytes) {
            continue;
        }
        fs::create_dir_all(to.parent().expect("a file is in a folder")).expect("the copy can be written");
        fs::write(&to, bytes).expect("the copy can be written");
    }
}
