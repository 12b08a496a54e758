//! Spreadsheets as definitions: a checklist, a survey of the XLSForm standard, an organisation.
//!
//! Receives the bytes of an `.xlsx` file and what is published already; hands on the JSON that a person would
//! have written by hand, each value with the cell it came from, so that what the checker of definitions finds
//! is told as sheet, row and column. Nothing is published here: an import is one publication, whole or not at all.
//! Forbidden: guessing. A cell that cannot be kept is a problem; what a standard allows and the product does
//! without is a warning.

mod checklist;
mod organisation;
mod origin;
mod survey;
mod table;
mod template;
#[cfg(test)]
mod tests;
mod workbook;

use serde_json::Value;
use xunyuan_core::definition::{Catalog, Definition, Problem, SourceFile, parse_files_onto};
use xunyuan_core::error::Error;

pub(crate) use checklist::Head;
pub(crate) use template::{checklist_template, organisation_template};

use origin::{Origins, Problems};
use workbook::Workbook;

/// Definitions made from a spreadsheet.
#[derive(Debug)]
pub(crate) struct Imported {
    /// The definitions, checked against what is published.
    pub(crate) definitions: Vec<Definition>,
    /// What the file says and the product does without, each with its cell.
    pub(crate) warnings: Vec<Problem>,
}

/// One definition as JSON, and where its values stand in the spreadsheet.
struct Draft {
    json: Value,
    origins: Origins,
}

/// What is published already, and what an import goes on top of.
#[derive(Clone, Copy)]
pub(crate) struct Base<'b> {
    /// Every version of every definition.
    pub(crate) published: &'b [Definition],
    /// The same, read.
    pub(crate) catalog: &'b Catalog,
}

impl Base<'_> {
    fn latest(&self, id: &str) -> Option<&Definition> {
        let versions = self.published.iter().filter(|definition| definition.reference.id == id);
        versions.max_by_key(|definition| definition.reference.version)
    }
}

/// Reads a checklist: the plain sheet of `definitions template`, or an XLSForm (a workbook with a sheet `survey`).
///
/// # Errors
/// Those of the catalog; what is wrong with the file is the inner `Err`, a problem per cell.
pub(crate) fn checklist(
    name: &str,
    bytes: &[u8],
    head: &Head,
    base: &Base<'_>,
) -> Result<Result<Imported, Vec<Problem>>, Error> {
    let mut problems = Problems::new(name);
    let Some(workbook) = Workbook::read(bytes, &mut problems) else { return Ok(Err(problems.faults)) };
    let drafts = if workbook.sheet(&["survey"]).is_some() {
        survey::read(&workbook, head, base, &mut problems)
    } else {
        checklist::read(&workbook, head, base, &mut problems)
    };
    finish(drafts, base, problems)
}

/// Reads projects, people and their roles, on top of the organisation that is published.
///
/// # Errors
/// As [`checklist()`].
pub(crate) fn organisation(
    name: &str,
    bytes: &[u8],
    base: &Base<'_>,
) -> Result<Result<Imported, Vec<Problem>>, Error> {
    let mut problems = Problems::new(name);
    let Some(workbook) = Workbook::read(bytes, &mut problems) else { return Ok(Err(problems.faults)) };
    let drafts = organisation::read(&workbook, base, &mut problems);
    finish(drafts, base, problems)
}

/// Gives the drafts their versions and has them checked; problems are told by cell.
fn finish(
    drafts: Vec<Draft>,
    base: &Base<'_>,
    mut problems: Problems,
) -> Result<Result<Imported, Vec<Problem>>, Error> {
    if !problems.faults.is_empty() {
        return Ok(Err(problems.faults));
    }
    let mut files = Vec::new();
    for (at, draft) in drafts.iter().enumerate() {
        let bytes = versioned(&draft.json, base).to_string().into_bytes();
        files.push(SourceFile { name: format!("{at}.json"), bytes });
    }
    match parse_files_onto(base.published, &files)? {
        Ok(definitions) => Ok(Ok(Imported { definitions, warnings: problems.warnings })),
        Err(found) => {
            for problem in found {
                let draft = problem.file.strip_suffix(".json").and_then(|at| at.parse::<usize>().ok());
                let cell = draft.and_then(|at| drafts.get(at)).and_then(|d| d.origins.cell(&problem.pointer));
                let pointer = cell.map_or_else(|| problem.pointer.clone(), ToString::to_string);
                problems.faults.push(Problem { file: problems.file.clone(), pointer, ..problem });
            }
            Ok(Err(problems.faults))
        }
    }
}

/// The draft under the version that is published when it says the same, else under the next one.
fn versioned(json: &Value, base: &Base<'_>) -> Value {
    let mut json = json.clone();
    let Some(latest) = base.latest(json["id"].as_str().unwrap_or_default()) else {
        json["version"] = Value::from(1);
        return json;
    };
    json["version"] = Value::from(latest.reference.version);
    let is_same = Definition::parse(json.to_string().as_bytes())
        .is_ok_and(|parsed| parsed.reference.hash == latest.reference.hash);
    if !is_same {
        json["version"] = Value::from(latest.reference.version + 1);
    }
    json
}
