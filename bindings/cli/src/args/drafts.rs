//! The commands for what the branch refused.

use clap::Subcommand;
use std::path::PathBuf;

/// One action on drafts.
#[derive(Debug, Subcommand)]
pub(crate) enum DraftsCommand {
    /// List the drafts: what was refused, why, when
    List,
    /// Show what a draft says
    Show {
        /// The draft, at least 4 digits of its id
        draft: String,
    },
    /// Write a draft again onto the record as it is today; the draft stays where a rule still refuses it
    Apply {
        /// The draft, at least 4 digits of its id
        draft: String,
    },
    /// Write a draft to a file
    Export {
        /// The draft, at least 4 digits of its id
        draft: String,
        /// The file to write; never overwrites
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Give a draft up for good; a note that it was there stays
    Discard {
        /// The draft, at least 4 digits of its id
        draft: String,
        /// It shall really go
        #[arg(long)]
        yes: bool,
    },
}
