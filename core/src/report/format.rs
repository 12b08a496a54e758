//! What a report is written as.

use std::path::Path;
use std::str::FromStr;

use super::table::Table;
use super::text::{Screen, text};
use super::{csv, html, json};
use crate::error::{Error, ErrorKind};

/// A format of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Aligned text for a terminal.
    Table,
    /// One JSON object.
    Json,
    /// Comma-separated values with a byte order mark.
    Csv,
    /// An Excel workbook.
    Xlsx,
    /// A page to print.
    Html,
}

impl Format {
    /// The format that a file's name asks for.
    #[must_use]
    pub fn of_file(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "txt" => Some(Self::Table),
            "htm" => Some(Self::Html),
            ending => ending.parse().ok(),
        }
    }

    /// The table in this format.
    ///
    /// # Errors
    /// `Invalid` when a workbook was asked for and cannot be written, or this build writes none.
    pub fn write(self, table: &Table, screen: Screen) -> Result<Vec<u8>, Error> {
        Ok(match self {
            Self::Table => text(table, screen).into_bytes(),
            Self::Json => format!("{:#}\n", json(table)).into_bytes(),
            Self::Csv => csv(table).into_bytes(),
            Self::Html => html(table).into_bytes(),
            #[cfg(feature = "xlsx")]
            Self::Xlsx => super::xlsx(table)?,
            #[cfg(not(feature = "xlsx"))]
            Self::Xlsx => {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    "本程序没有 Excel 输出;请用 CSV",
                    "this program writes no workbooks; take CSV",
                ));
            }
        })
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.to_ascii_lowercase().as_str() {
            "table" => Ok(Self::Table),
            "json" => Ok(Self::Json),
            "csv" => Ok(Self::Csv),
            "xlsx" => Ok(Self::Xlsx),
            "html" => Ok(Self::Html),
            _ => Err(Error::new(
                ErrorKind::Invalid,
                "没有这种格式;可用:table、json、csv、xlsx、html",
                "no such format; there are table, json, csv, xlsx and html",
            )),
        }
    }
}
