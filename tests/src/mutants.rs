//! Deliberate faults of the product, each as one replacement in one file: `tests/mutants.json`.
//!
//! All of them are built at once, each behind a switch, so that trying one costs no build of its own.

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
    /// What stands before it there, where the text alone stands there more than once.
    pub before: String,
    /// What stands there: statements, or one expression.
    pub from: String,
    /// What is put there instead.
    pub to: String,
    /// The tests that must notice, `suite FILTER`, `core FILTER` or `server FILTER`; usually the simulator.
    pub caught_by: Option<String>,
}

impl Mutant {
    /// The place as it stands in the file.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}{}", self.before, self.from)
    }

    /// The same place with the fault behind switch `number`.
    #[must_use]
    pub fn switched(&self, number: usize) -> String {
        let Self { before, from, to, .. } = self;
        let both = format!("if ::xunyuan_core::mutant({number}) {{ {to} }} else {{ {from} }}");
        if from.ends_with(';') { format!("{before}{both}") } else { format!("{before}({both})") }
    }
}

/// Appended to the core: which fault is switched on.
pub const SWITCH: &str = "
extern crate self as xunyuan_core;

/// True for the deliberate fault that this process is asked for.
pub fn mutant(number: u32) -> bool {
    static ASKED: std::sync::OnceLock<Option<u32>> = std::sync::OnceLock::new();
    let asked = || std::env::var(\"XUNYUAN_MUTANT\").ok().and_then(|text| text.parse().ok());
    *ASKED.get_or_init(asked) == Some(number)
}
";

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
            before: value["in"].as_str().unwrap_or_default().to_owned(),
            from: text("from"),
            to: text("to"),
            caught_by: value["caught_by"].as_str().map(str::to_owned),
        }
    };
    list.iter().map(one).collect()
}
