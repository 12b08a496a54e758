//! How records look: on a page for people, as an object for programs.
//!
//! Receives the views and rows of the core and hands on a JSON value and lines of text. Keys of the
//! JSON are snake case and stay; the text may change with any version. Decides nothing.

mod drafts;
mod duties;
mod entry;
mod inspection;
mod inspection_text;
mod page;
mod photos;
mod rows;
mod slots;

pub(crate) use drafts::{
    ListedDraft, draft_name, draft_view_json, draft_view_text, drafts_json, drafts_text,
};
pub(crate) use duties::{duties_json, duties_text, duty_json, reminders_json, reminders_text};
pub(crate) use entry::{entry_json, entry_summary, entry_text};
pub(crate) use inspection::{inspection_json, item_json, missing_json, score_json};
pub(crate) use inspection_text::{header_text, inspection_text, item_text, missing_lines, score_text};
pub(crate) use page::{Page, title_json};
pub(crate) use photos::{counts_json, counts_line, file_json, files_lines};
pub(crate) use rows::{
    Listed, clashes_json, clashes_text, history_json, history_text, row_json, rows_json, rows_text,
};
pub(crate) use slots::{slots_json, slots_text};
