//! The commands of ledgers and lists.

use clap::{Args, Subcommand};

/// One action on a ledger entry.
#[derive(Debug, Subcommand)]
pub(crate) enum EntryCommand {
    /// Create an entry
    New {
        /// The ledger id
        ledger: String,
        /// The project (default: the person's own)
        #[arg(long, value_name = "ID")]
        project: Option<String>,
        /// Fields of the entry
        #[arg(value_name = "FIELD=VALUE")]
        fields: Vec<String>,
    },
    /// Change fields
    Edit {
        /// The entry
        record: String,
        /// The new values; `FIELD=` withdraws one
        #[arg(required = true, value_name = "FIELD=VALUE")]
        fields: Vec<String>,
    },
    /// Record an event of the life cycle: dispatch, feedback, close, ...
    Event {
        /// The entry
        record: String,
        /// The event id, as `show` offers it
        event: String,
        /// What the event carries
        #[arg(value_name = "FIELD=VALUE")]
        data: Vec<String>,
    },
    /// Add values to a set, photos by file name, or a line to a list of lines (FIELD=VALUE ...)
    Add {
        /// The entry
        record: String,
        /// The field id
        field: String,
        /// Values of the set, photo files, or the fields of a line
        #[arg(required = true, value_name = "VALUE|FIELD=VALUE")]
        content: Vec<String>,
    },
}

/// Which records to list.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only this ledger
    #[arg(long, value_name = "ID", conflicts_with = "checklist")]
    pub(crate) ledger: Option<String>,
    /// Only inspections of this checklist
    #[arg(long, value_name = "ID")]
    pub(crate) checklist: Option<String>,
    /// Only this project
    #[arg(long, value_name = "ID")]
    pub(crate) project: Option<String>,
    /// Only this state
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Option<String>,
    /// Only what is past its due time
    #[arg(long)]
    pub(crate) overdue: bool,
    /// Only what concerns me
    #[arg(long)]
    pub(crate) mine: bool,
    /// At most so many
    #[arg(long, default_value_t = 50)]
    pub(crate) limit: u32,
}
