//! A sheet with a heading in its first row, read by the names of its columns.

use std::collections::BTreeMap;
use xunyuan_core::definition::Named;

use super::origin::{Place, Problems};
use super::workbook::Sheet;

/// A column that a table may have: its key and every heading that it goes by, in lower case.
pub(super) struct Column {
    pub(super) key: &'static str,
    pub(super) names: &'static [&'static str],
    pub(super) is_required: bool,
}

/// A row under the heading.
pub(super) struct Row<'s> {
    sheet: &'s Sheet,
    columns: &'s BTreeMap<&'static str, u32>,
    number: u32,
    cells: &'s BTreeMap<u32, String>,
}

/// A sheet whose columns are known.
pub(super) struct Table<'s> {
    sheet: &'s Sheet,
    columns: BTreeMap<&'static str, u32>,
    heading: u32,
}

impl<'s> Table<'s> {
    /// Finds the columns. Unknown headings are left out with a warning, missing ones are problems.
    pub(super) fn read(sheet: &'s Sheet, known: &[Column], problems: &mut Problems) -> Option<Self> {
        let Some((&heading, cells)) = sheet.rows.iter().next() else {
            problems.fault(&sheet.place(0, None), "这张表是空的", "the sheet is empty");
            return None;
        };
        let mut columns = BTreeMap::new();
        for (&column, text) in cells {
            let heading_text = text.to_lowercase();
            let place = sheet.place(heading, Some(column));
            match known.iter().find(|known| known.names.contains(&heading_text.as_str())) {
                None => problems.warn(&place, "不认识这一列,未读取", "unknown column, left out"),
                Some(found) if columns.insert(found.key, column).is_some() => {
                    problems.fault(
                        &place,
                        format!("“{text}”列出现两次"),
                        format!("the column \"{text}\" is there twice"),
                    );
                }
                Some(_) => {}
            }
        }
        let row = sheet.place(heading, None);
        for missing in known.iter().filter(|known| known.is_required && !columns.contains_key(known.key)) {
            let names = missing.names.iter().map(|name| (*name).to_owned()).collect();
            let (zh, en) = (missing.names.first().copied().unwrap_or(missing.key), missing.key);
            problems.choose(&row, format!("缺少“{zh}”列"), format!("the column \"{en}\" is missing"), names);
        }
        let is_whole = known.iter().all(|known| !known.is_required || columns.contains_key(known.key));
        is_whole.then_some(Self { sheet, columns, heading })
    }

    /// The rows under the heading that hold anything.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let rows = self.sheet.rows.range(self.heading + 1..);
        rows.map(|(&number, cells)| Row { sheet: self.sheet, columns: &self.columns, number, cells })
    }
}

impl Row<'_> {
    /// The text under a column; empty where there is none.
    pub(super) fn text(&self, key: &str) -> &str {
        let column = self.columns.get(key);
        column.and_then(|column| self.cells.get(column)).map_or("", String::as_str)
    }

    /// The cell under a column, or the row where the sheet has no such column.
    pub(super) fn place(&self, key: &str) -> Place {
        self.sheet.place(self.number, self.columns.get(key).copied())
    }

    /// The whole row.
    pub(super) fn row(&self) -> Place {
        self.sheet.place(self.number, None)
    }

    /// Yes or no; empty is no.
    pub(super) fn flag(&self, key: &str, problems: &mut Problems) -> bool {
        let text = self.text(key).to_lowercase();
        match text.as_str() {
            "" | "no" | "n" | "0" | "false" | "false()" | "否" | "不" | "无" => false,
            "yes" | "y" | "1" | "true" | "true()" | "是" | "√" | "有" => true,
            _ => {
                let allowed = vec!["是 yes".to_owned(), "否 no".to_owned()];
                problems.choose(&self.place(key), "应写是或否", "must be yes or no", allowed);
                false
            }
        }
    }

    /// A number; empty is `None`.
    pub(super) fn number(&self, key: &str, problems: &mut Problems) -> Option<f64> {
        let text = self.text(key);
        if text.is_empty() {
            return None;
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Some(number),
            Ok(_) | Err(_) => {
                problems.fault(
                    &self.place(key),
                    format!("“{text}”不是数"),
                    format!("\"{text}\" is not a number"),
                );
                None
            }
        }
    }

    /// The id of something that is named by its id or its title; empty is `None`.
    pub(super) fn one_of<'n>(
        &self,
        key: &str,
        known: impl Iterator<Item = &'n Named> + Clone,
        problems: &mut Problems,
    ) -> Option<String> {
        let text = self.text(key);
        if text.is_empty() { None } else { one_of(&self.place(key), text, known, problems) }
    }
}

/// The id of what is named by its id or by its title in either language.
pub(super) fn one_of<'n>(
    place: &Place,
    text: &str,
    known: impl Iterator<Item = &'n Named> + Clone,
    problems: &mut Problems,
) -> Option<String> {
    let is_meant = |named: &&Named| {
        named.id == text || named.title.zh == text || named.title.en.to_lowercase() == text.to_lowercase()
    };
    let found = known.clone().find(is_meant).map(|named| named.id.clone());
    if found.is_none() {
        let allowed = known.map(|named| format!("{} {}", named.id, named.title.zh)).collect();
        problems.choose(place, format!("没有“{text}”"), format!("there is no \"{text}\""), allowed);
    }
    found
}

/// The parts of a cell that lists several things.
pub(super) fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', '\u{ff0c}', ';', '\u{ff1b}', '、', '\n']).map(str::trim).filter(|part| !part.is_empty())
}
