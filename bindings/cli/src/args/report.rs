//! The arguments of `report`.

use clap::Args;
use std::path::PathBuf;
use xunyuan_core::report::Format;

/// Which report, over what, and as what.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The report's id, or `list` for all there are
    pub(crate) report: String,
    /// One project only
    #[arg(long, value_name = "ID")]
    pub(crate) project: Option<String>,
    /// 2026-11-23, 2026-W47, 2026-11, 2026Q4, 2026 or FROM..TO (default: the current one)
    #[arg(long, value_name = "PERIOD", conflicts_with = "record")]
    pub(crate) period: Option<String>,
    /// One record only: an inspection, an audit, a finding
    #[arg(long, value_name = "RECORD")]
    pub(crate) record: Option<String>,
    /// table, json, csv, xlsx or html (default: by the file's name)
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// The file to write (default: the terminal)
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long, requires = "output")]
    pub(crate) overwrite: bool,
}
