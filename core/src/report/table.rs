//! What a report comes to: one table of typed cells, with what it says about itself.

use crate::definition::{ColumnKind, Title};
use crate::error::Sentence;
use crate::id::{DocumentId, FileHash};
use jiff::civil::Date;

/// A report as it was worked out: the same table for a screen, a sheet, a file and paper.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Which report.
    pub report: String,
    /// Its name.
    pub title: Title,
    /// The period's name, e.g. `2026-11`; `None` where one record was asked for.
    pub period: Option<String>,
    /// The branch whose report it is; `None` before its organisation is here.
    pub branch: Option<String>,
    /// Names of the projects that it covers; empty: all that are held.
    pub projects: Vec<String>,
    /// As of when it is.
    pub as_of: LocalTime,
    /// The columns in order.
    pub columns: Vec<Column>,
    /// The rows, a cell for each column.
    pub rows: Vec<Vec<Cell>>,
    /// What stands under the columns; `None` where no column has anything under it.
    pub foot: Option<Vec<Cell>>,
    /// As of when, and which devices had not synced then.
    pub notes: Vec<Sentence>,
    /// The sheets of the paper form, where it was asked for and the report has one.
    pub sheets: Vec<Sheet>,
    /// The language of its cells: English where true, else Chinese.
    pub english: bool,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Stable id.
    pub id: String,
    /// The heading.
    pub title: Title,
    /// What kind of thing stands in it.
    pub kind: ColumnKind,
}

/// A moment with the local time that it is shown in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalTime {
    /// Milliseconds since 1970.
    pub unix_ms: i64,
    /// Offset of the organisation's time from UTC then, minutes.
    pub utc_offset_min: i16,
}

impl LocalTime {
    /// Local time to the minute: `2026-11-20 17:40`.
    #[must_use]
    pub fn minute(&self) -> String {
        self.civil().strftime("%Y-%m-%d %H:%M").to_string()
    }

    /// Local time.
    #[must_use]
    pub fn civil(&self) -> jiff::civil::DateTime {
        crate::time::civil(self.unix_ms, self.utc_offset_min)
    }
}

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing.
    Empty,
    /// Words.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A measured number.
    Decimal(f64),
    /// A share: 0.5 is shown as 50 %.
    Percent(f64),
    /// A day.
    Date(Date),
    /// A moment.
    Time(LocalTime),
    /// A length of time, milliseconds.
    Duration(i64),
}

impl Cell {
    /// The cell as people read it.
    #[must_use]
    pub fn text(&self, english: bool) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(text) => text.clone(),
            Self::Integer(number) => number.to_string(),
            Self::Decimal(number) => decimal(*number),
            Self::Percent(share) => format!("{}%", decimal(share * 100.0)),
            Self::Date(day) => day.to_string(),
            Self::Time(instant) => instant.minute(),
            Self::Duration(ms) => duration(*ms, english),
        }
    }
}

/// A sheet of paper.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet {
    /// The heading.
    pub title: String,
    /// The record that it is about; none for one about the whole report.
    pub record: Option<DocumentId>,
    /// What stands on it, from top to bottom.
    pub blocks: Vec<Block>,
}

/// A part of a sheet.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// Boxes with a name each.
    Boxes(Vec<BoxedText>),
    /// The table of the report.
    Table,
    /// Another table.
    Grid {
        /// What stands above it; empty for nothing.
        caption: String,
        /// Headings.
        heads: Vec<String>,
        /// Rows.
        rows: Vec<Vec<String>>,
    },
    /// A place for each photo.
    Photos(Vec<PhotoPlace>),
    /// Places to sign: the name of the place, and who signed when, where somebody did.
    Signatures(Vec<BoxedText>),
}

/// A named box of a sheet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoxedText {
    /// Its name.
    pub title: String,
    /// What stands in it.
    pub text: String,
    /// It takes the whole width.
    pub wide: bool,
    /// A drawn signature that stands in it.
    pub drawn: Option<FileHash>,
}

/// A place for a photo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhotoPlace {
    /// What the photo is called: the beginning of its hash.
    pub name: String,
    /// The photo, where the record names it in full.
    pub file: Option<FileHash>,
}

/// A number with at most two decimals.
fn decimal(number: f64) -> String {
    let text = format!("{number:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// A length of time in its two largest units.
fn duration(ms: i64, english: bool) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let minutes = ms.unsigned_abs() / 60_000;
    let (days, hours, minutes) = (minutes / 1_440, minutes / 60 % 24, minutes % 60);
    let (day, hour, minute) = if english { ("d", "h", "min") } else { ("天", "小时", "分") };
    let parts = match (days, hours, minutes) {
        (0, 0, minutes) => format!("{minutes}{minute}"),
        (0, hours, 0) => format!("{hours}{hour}"),
        (0, hours, minutes) => format!("{hours}{hour}{minutes}{minute}"),
        (days, 0, _) => format!("{days}{day}"),
        (days, hours, _) => format!("{days}{day}{hours}{hour}"),
    };
    format!("{sign}{parts}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_read_as_people_write_them() {
        let cases = [
            (Cell::Decimal(85.0), "85"),
            (Cell::Decimal(66.666), "66.67"),
            (Cell::Decimal(-0.001), "0"),
            (Cell::Percent(0.5), "50%"),
            (Cell::Percent(2.0 / 3.0), "66.67%"),
            (Cell::Duration(1_410_000), "23分"),
            (Cell::Duration(90 * 60_000), "1小时30分"),
            (Cell::Duration(49 * 3_600_000), "2天1小时"),
            (Cell::Duration(-60_000), "-1分"),
            (Cell::Date(jiff::civil::date(2026, 2, 28)), "2026-02-28"),
            (Cell::Time(LocalTime { unix_ms: 0, utc_offset_min: 480 }), "1970-01-01 08:00"),
            (Cell::Empty, ""),
        ];
        for (cell, expected) in cases {
            assert_eq!(cell.text(false), expected);
        }
        assert_eq!(Cell::Duration(49 * 3_600_000).text(true), "2d1h");
    }
}
