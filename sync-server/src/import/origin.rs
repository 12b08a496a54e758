//! Where a value stands in a spreadsheet, and what is wrong there.

use std::collections::BTreeMap;
use std::fmt;
use xunyuan_core::definition::Problem;
use xunyuan_core::error::Sentence;

/// A cell, a row or a whole sheet, as people name it: `检查表!B7`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) sheet: String,
    /// Row, from 1; 0 for the whole sheet.
    pub(super) row: u32,
    /// Column, from 0; `None` for the whole row.
    pub(super) column: Option<u32>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sheet)?;
        if self.row == 0 {
            return Ok(());
        }
        let letters = self.column.map(letters).unwrap_or_default();
        write!(f, "!{letters}{}", self.row)
    }
}

/// A column by its letters: 0 is `A`, 26 is `AA`.
fn letters(column: u32) -> String {
    let mut rest = column;
    let mut reversed = Vec::new();
    loop {
        reversed.push(char::from(b'A' + u8::try_from(rest % 26).unwrap_or(0)));
        if rest < 26 {
            break;
        }
        rest = rest / 26 - 1;
    }
    reversed.iter().rev().collect()
}

/// The cells that the values of a JSON text came from, by JSON pointer.
#[derive(Clone, Debug, Default)]
pub(super) struct Origins(BTreeMap<String, Place>);

impl Origins {
    pub(super) fn note(&mut self, pointer: impl Into<String>, place: &Place) {
        self.0.insert(pointer.into(), place.clone());
    }

    /// True when the pointer itself came from the spreadsheet.
    pub(super) fn has(&self, pointer: &str) -> bool {
        self.0.contains_key(pointer)
    }

    /// The cell of a pointer, or of what encloses it.
    pub(super) fn cell(&self, pointer: &str) -> Option<&Place> {
        let mut pointer = pointer;
        loop {
            if let Some(place) = self.0.get(pointer) {
                return Some(place);
            }
            pointer = pointer.rsplit_once('/')?.0;
        }
    }
}

/// What is wrong with a file, and what is left out of it.
#[derive(Debug)]
pub(super) struct Problems {
    pub(super) file: String,
    pub(super) faults: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
}

/// Most problems that are told of one file: a wrong column must not print 5,000 lines.
const PROBLEMS_MAX: usize = 100;

impl Problems {
    pub(super) fn new(file: &str) -> Self {
        Self { file: file.to_owned(), faults: Vec::new(), warnings: Vec::new() }
    }

    /// A problem of the whole file.
    pub(super) fn file(&mut self, zh: impl Into<String>, en: impl Into<String>) {
        let problem = self.problem(String::new(), zh, en, Vec::new());
        self.faults.push(problem);
    }

    /// A problem of a cell.
    pub(super) fn fault(&mut self, place: &Place, zh: impl Into<String>, en: impl Into<String>) {
        self.choose(place, zh, en, Vec::new());
    }

    /// A problem of a cell, with what may stand there.
    pub(super) fn choose(
        &mut self,
        place: &Place,
        zh: impl Into<String>,
        en: impl Into<String>,
        allowed: Vec<String>,
    ) {
        if self.faults.len() < PROBLEMS_MAX {
            let problem = self.problem(place.to_string(), zh, en, allowed);
            self.faults.push(problem);
        }
    }

    /// Something that the file says and that is left out.
    pub(super) fn warn(&mut self, place: &Place, zh: impl Into<String>, en: impl Into<String>) {
        if self.warnings.len() < PROBLEMS_MAX {
            let problem = self.problem(place.to_string(), zh, en, Vec::new());
            self.warnings.push(problem);
        }
    }

    fn problem(
        &self,
        pointer: String,
        zh: impl Into<String>,
        en: impl Into<String>,
        allowed: Vec<String>,
    ) -> Problem {
        Problem { file: self.file.clone(), pointer, sentence: Sentence::new(zh.into(), en.into()), allowed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_as_a_spreadsheet_names_it() {
        let place = |row, column| Place { sheet: "检查表".to_owned(), row, column }.to_string();
        assert_eq!(place(7, Some(1)), "检查表!B7");
        assert_eq!(place(7, None), "检查表!7");
        assert_eq!(place(0, None), "检查表");
        assert_eq!((letters(0), letters(25), letters(26), letters(701), letters(702)), {
            let text = |s: &str| s.to_owned();
            (text("A"), text("Z"), text("AA"), text("ZZ"), text("AAA"))
        });
    }

    #[test]
    fn a_pointer_finds_the_cell_of_what_encloses_it() {
        let mut origins = Origins::default();
        origins.note("/sections/0", &Place { sheet: "s".to_owned(), row: 2, column: None });
        assert_eq!(origins.cell("/sections/0/items/3/weight").map(|p| p.row), Some(2));
        assert_eq!(origins.cell("/title"), None);
    }
}
