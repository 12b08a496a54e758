//! Reports over what this device holds, with or without signal.

use xunyuan_core::report::{Format, Period, Request, Screen, fill};

use super::{Replica, SyncError, document};
use crate::files::Printed;
use crate::words::Lang;

/// Columns of a report as plain text.
const COLUMNS: usize = 120;
/// Bytes of photos that a page holds.
const PICTURES_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// A report that can be made.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct ReportCard {
    /// Its id.
    pub id: String,
    /// Its name.
    pub title: String,
    /// The kind of period it is about.
    pub period: String,
    /// True where it fills in the paper form.
    pub has_paper: bool,
}

/// What a report is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum ReportFormat {
    /// Aligned text.
    Text,
    /// One JSON object.
    Json,
    /// Comma-separated values with a byte order mark.
    Csv,
    /// A page to show or print; with the paper form where the report has one.
    Html,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct ReportRequest {
    /// Id of the report.
    pub report: String,
    /// What it is written as.
    pub format: ReportFormat,
    /// One project only.
    #[uniffi(default = None)]
    pub project: Option<String>,
    /// `2026-11-23`, `2026-W47`, `2026-11`, `2026Q4`, `2026` or `FROM..TO`; else the period that contains now.
    #[uniffi(default = None)]
    pub period: Option<String>,
    /// One record only, by its document id.
    #[uniffi(default = None)]
    pub record: Option<String>,
}

/// A report that was made.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct ReportFile {
    /// Its content.
    pub bytes: Vec<u8>,
    /// Its media type.
    pub media_type: String,
    /// How many rows it has.
    pub rows: u32,
}

#[uniffi::export]
impl Replica {
    /// The reports that can be made.
    pub fn reports(&self) -> Result<Vec<ReportCard>, SyncError> {
        self.look(|scene| {
            let card = |report: &xunyuan_core::definition::Report| ReportCard {
                id: report.id.clone(),
                title: scene.words.title(&report.title).to_owned(),
                period: report.period.clone(),
                has_paper: report.paper.is_some(),
            };
            Ok(scene.words.catalog.reports().map(card).collect())
        })
    }

    /// Makes a report over the records on this device. It says as of when it is, and what it cannot know.
    pub fn report(&self, request: ReportRequest) -> Result<ReportFile, SyncError> {
        self.look(|scene| {
            let (format, media_type) = match request.format {
                ReportFormat::Text => (Format::Table, "text/plain; charset=utf-8"),
                ReportFormat::Json => (Format::Json, "application/json"),
                ReportFormat::Csv => (Format::Csv, "text/csv; charset=utf-8"),
                ReportFormat::Html => (Format::Html, "text/html; charset=utf-8"),
            };
            let asked = Request {
                report: request.report,
                project: request.project,
                period: request.period.as_deref().map(Period::parse).transpose()?,
                record: request.record.as_deref().map(document).transpose()?,
                now_ms: scene.moment.unix_ms,
                english: scene.words.lang == Lang::En,
                sheets: format == Format::Html,
            };
            let table = scene.replica.report(&asked, &self.app, &mut |_| ())?;
            let mut bytes = format.write(&table, Screen { columns: COLUMNS })?;
            if format == Format::Html {
                let (page, shelf) = (String::from_utf8_lossy(&bytes).into_owned(), self.shelf());
                let (english, offset) = (asked.english, scene.moment.utc_offset_min);
                let mut printed = Printed::new(&shelf, scene.replica, english, offset, PICTURES_BYTES_MAX);
                bytes.clear();
                fill(&page, &mut bytes, &mut |mark| printed.filling(mark))?;
            }
            let rows = u32::try_from(table.rows.len()).unwrap_or(u32::MAX);
            Ok(ReportFile { bytes, media_type: media_type.to_owned(), rows })
        })
    }
}
