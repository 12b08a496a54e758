//! The check of a whole set of definition files, before anything of it is published.
//!
//! Receives files, hands on definitions or every problem found: broken JSON with its place, unknown keys,
//! wrong types, ids used twice, references to nothing, states that nothing leads to, guards and
//! expressions that the engine does not know. Forbidden here: changing what the files say.

mod checklist;
mod faults;
mod field;
mod fulfil;
mod guard;
mod holidays;
mod known;
mod layout;
mod ledger;
mod manifest;
mod organisation;
mod reading;
mod rules;
mod shape;
mod tables;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_reports;
#[cfg(test)]
mod tests_rules;
mod tiles;

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

use super::body::{Body, Misplaced, Parsed};
use super::label::Fault;
use super::{Catalog, Definition, Problem, SourceFile, canonical, embedded};
use crate::error::{Error, Sentence};
use crate::limits::DEFINITION_BYTES_MAX;
use faults::Faults;
use known::Known;

pub use guard::GUARD_FACTS;

/// Largest file, bytes: a file of ledgers holds several definitions.
const FILE_BYTES_MAX: usize = 16 * DEFINITION_BYTES_MAX;

/// Reads a set of files that must stand by itself.
///
/// Files that lie beside definitions without being any (samples, scenarios) are read as JSON and left
/// out. Without an organisation in the set, references to projects, people and schedules are not checked.
///
/// # Errors
/// Every problem found, in the order of the files.
pub fn parse_files(files: &[SourceFile]) -> Result<Vec<Definition>, Vec<Problem>> {
    check(files, Known::default())
}

/// Reads files that may refer to definitions which are already published, e.g. one new checklist.
///
/// # Errors
/// As [`parse_files`], and `Err` of the outer result when `base` itself is damaged.
pub fn parse_files_onto(
    base: &[Definition],
    files: &[SourceFile],
) -> Result<Result<Vec<Definition>, Vec<Problem>>, Error> {
    Catalog::new(base)?;
    let mut known = Known::default();
    for definition in base {
        let value = canonical::read(&definition.json).unwrap_or(Value::Null);
        let parsed = super::body::parse(&value).map_err(Misplaced::into_error)?;
        known.add(&parsed.body);
    }
    Ok(check(files, known))
}

/// A definition of a file, with the pointer where it begins and what of it could not be read.
struct Placed {
    file: String,
    base: String,
    parsed: Parsed,
    whole: bool,
    removed: shape::Removed,
}

fn check(files: &[SourceFile], mut known: Known) -> Result<Vec<Definition>, Vec<Problem>> {
    let mut problems: Vec<(usize, Problem)> = Vec::new();
    let mut placed: Vec<(usize, Placed)> = Vec::new();
    let mut forgiven = BTreeSet::new();
    for (at, file) in files.iter().enumerate() {
        let mut found = Vec::new();
        match read(file) {
            Err(problem) => found.push(problem),
            Ok(value) => read_file(file, value, files, &mut forgiven, &mut |outcome| match outcome {
                Ok(definition) => placed.push((at, definition)),
                Err(problem) => found.push(problem),
            }),
        }
        problems.extend(found.into_iter().map(|problem| (at, problem)));
        known.files.insert(file.name.clone());
    }
    for (_, definition) in &placed {
        known.add(&definition.parsed.body);
    }
    for (at, definition) in &placed {
        let mut faults = Faults::new(forgiven.clone());
        content(definition, &known, &mut faults);
        let wrong = faults.into_list().into_iter().map(|wrong| definition.problem(wrong));
        problems.extend(wrong.map(|problem| (*at, problem)));
    }
    problems.extend(published_twice(&placed));
    if problems.is_empty() {
        return Ok(placed.into_iter().map(|(_, placed)| placed.parsed.definition).collect());
    }
    problems.sort_by_key(|(at, _)| *at);
    Err(problems.into_iter().map(|(_, problem)| problem).collect())
}

fn read(file: &SourceFile) -> Result<Value, Problem> {
    if file.bytes.len() > FILE_BYTES_MAX {
        return Err(problem(
            &file.name,
            "",
            Fault::new(
                format!("文件超过 {FILE_BYTES_MAX} 字节的上限"),
                format!("the file is larger than the limit of {FILE_BYTES_MAX} bytes"),
            ),
        ));
    }
    canonical::read(&file.bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        let what = text.split(" at line ").next().unwrap_or_default();
        problem(
            &file.name,
            "",
            Fault::new(
                format!("JSON 有误,第 {line} 行第 {column} 列:{what}"),
                format!("broken JSON at line {line}, column {column}: {what}"),
            ),
        )
    })
}

fn read_file(
    file: &SourceFile,
    value: Value,
    files: &[SourceFile],
    forgiven: &mut BTreeSet<String>,
    found: &mut dyn FnMut(Result<Placed, Problem>),
) {
    if embedded::not_a_definition(&value) {
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        let wrong = manifest::check(&value, &names);
        wrong.into_iter().for_each(|wrong| found(Err(problem(&file.name, &wrong.pointer, wrong.fault))));
        return;
    }
    for wrong in shape::wrapper(&value) {
        found(Err(problem(&file.name, &wrong.pointer, wrong.fault)));
    }
    for (base, value) in embedded::split(value) {
        let read = shape::read(value);
        for wrong in read.faults {
            found(Err(problem(&file.name, &format!("{base}{}", wrong.pointer), wrong.fault)));
        }
        forgiven.extend(read.left_out);
        if let Some(parsed) = read.parsed {
            found(Ok(Placed {
                file: file.name.clone(),
                base,
                parsed,
                whole: read.whole,
                removed: read.removed,
            }));
        }
    }
}

fn content(placed: &Placed, known: &Known, faults: &mut Faults) {
    faults.dotted_id("/id", &placed.parsed.definition.reference.id);
    if placed.parsed.definition.reference.version == 0 {
        faults.say("/version", "版本号从 1 开始", "versions count from 1");
    }
    match &placed.parsed.body {
        Body::Checklist(checklist) => checklist::check(checklist, known, faults),
        Body::Ledger(ledger) => ledger::check(ledger, placed.whole, known, faults),
        Body::Rules(book) => rules::check(book, known, faults),
        Body::ResponseSets(sets) => tables::response_sets(sets, known, faults),
        Body::Categories(set) => tables::categories(set, known, faults),
        Body::Clauses(book) => tables::clauses(book, faults),
        Body::Roles(book) => tables::roles(book, faults),
        Body::Reports(book) => layout::check(book, known, faults),
        Body::Nonconformity(model) => tables::nonconformity(model, known, faults),
        Body::Staffing(staffing) => tables::staffing(staffing, known, faults),
        Body::Training(plan) => tables::training(plan, known, faults),
        Body::Form(form) => tables::form(form, known, faults),
        Body::Holidays(all) => holidays::check(all, faults),
        Body::Tiles(all) => tiles::check(all, known, faults),
        Body::Later => {}
        Body::Organisation(organisation) => organisation::check(organisation, known, faults),
    }
}

/// One id belongs to one kind, and each of its versions is defined once.
fn published_twice(placed: &[(usize, Placed)]) -> Vec<(usize, Problem)> {
    let mut first: BTreeMap<&str, &Placed> = BTreeMap::new();
    let mut versions: BTreeMap<(&str, u32), &Placed> = BTreeMap::new();
    let mut problems = Vec::new();
    for (at, definition) in placed {
        let reference = &definition.parsed.definition.reference;
        let earlier = versions.insert((&reference.id, reference.version), definition);
        let fault = if let Some(earlier) = earlier {
            Some(Fault::new(
                format!("编号“{}”的第 {} 版已在 {} 中定义", reference.id, reference.version, earlier.file),
                format!(
                    "\"{}\" version {} is already defined in {}",
                    reference.id, reference.version, earlier.file
                ),
            ))
        } else {
            let owner = *first.entry(&reference.id).or_insert(definition);
            (owner.parsed.definition.kind != definition.parsed.definition.kind).then(|| {
                Fault::new(
                    format!("编号“{}”已用于 {} 中的另一类定义", reference.id, owner.file),
                    format!("\"{}\" is already a definition of another kind in {}", reference.id, owner.file),
                )
            })
        };
        if let Some(fault) = fault {
            problems.push((*at, definition.problem(Misplaced { pointer: "/id".to_owned(), fault })));
        }
    }
    problems
}

impl Placed {
    fn problem(&self, wrong: Misplaced) -> Problem {
        let pointer = format!("{}{}", self.base, self.removed.original(&wrong.pointer));
        problem(&self.file, &pointer, wrong.fault)
    }
}

fn problem(file: &str, pointer: &str, fault: Fault) -> Problem {
    Problem {
        file: file.to_owned(),
        pointer: pointer.to_owned(),
        sentence: Sentence::new(fault.zh, fault.en),
        allowed: fault.allowed,
    }
}
