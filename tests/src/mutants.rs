//! Deliberate faults of the product, each as one replacement in one file: `tests/mutants.json`.

use serde_json::Value;
use std::fs;
use std::path::PathBuf;

/// A deliberate fault.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// What is wrong then.
    pub fault: String,
    /// The law that it breaks.
    pub law: u64,
    /// The file, from the root of the repository.
    pub file: String,
    /// What stands there.
    pub from: String,
    /// What is put there instead.
    pub to: String,
}

/// The root of the repository.
#[must_use]
pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// All of them.
///
/// # Panics
/// When the list cannot be read.
#[must_use]
pub fn all() -> Vec<Mutant> {
    let text = fs::read_to_string(root().join("tests/mutants.json")).expect("the list of mutants is there");
    let list: Vec<Value> = serde_json::from_str(&text).expect("the list of mutants is JSON");
    let one = |value: &Value| {
        let text = |key: &str| value[key].as_str().expect("a mutant has all its keys").to_owned();
        Mutant {
            fault: text("fault"),
            law: value["law"].as_u64().expect("a mutant breaks a law"),
            file: text("file"),
            from: text("from"),
            to: text("to"),
        }
    };
    list.iter().map(one).collect()
}
