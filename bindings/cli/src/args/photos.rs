//! The commands for photos and other files of records.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Files put into a record.
#[derive(Debug, Args)]
pub(crate) struct AttachArgs {
    /// Inspection or ledger entry
    pub(crate) record: String,
    /// Item, photo or signature field, sign-off, or GROUP/LINE/FIELD
    pub(crate) place: String,
    /// Photos (JPEG, PNG, WebP, HEIC, GIF), PDF, sound, or a drawn signature (SVG, PNG); - reads one from stdin
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Why, where the sheet is completed already
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

/// One action on photos and files.
#[derive(Debug, Subcommand)]
pub(crate) enum PhotosCommand {
    /// List the files of a record, or all that wait for the branch or for you
    List {
        /// Inspection or ledger entry; left out: everything that waits
        record: Option<String>,
    },
    /// Try files again that could not be sent; left out: all of them
    Retry {
        /// Files, at least 4 digits of their hash each
        files: Vec<String>,
    },
    /// Put another file in the place of one
    Replace {
        /// Inspection or ledger entry
        record: String,
        /// The file to be replaced, at least 4 digits of its hash
        file: String,
        /// The new file; - reads it from stdin
        new: PathBuf,
        /// Why, where the sheet is completed already
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Take a file out of a record; the history keeps that it was there
    Discard {
        /// Inspection or ledger entry
        record: String,
        /// The file, at least 4 digits of its hash
        file: String,
        /// Why, where the sheet is completed already
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// It shall really go
        #[arg(long)]
        yes: bool,
    },
    /// Fetch the originals of a record, or one file, from the branch, and say where they lie
    Fetch {
        /// Inspection or ledger entry
        record: String,
        /// One file only, at least 4 digits of its hash
        file: Option<String>,
    },
    /// Write the files of a record as a ZIP with a list of what is in it
    Export {
        /// Inspection or ledger entry
        record: String,
        /// The file to write; never overwrites
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
}
