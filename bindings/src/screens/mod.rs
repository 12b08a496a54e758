//! What an app shows: one plain record for each screen, in the language of the reader.
//!
//! Receives the views and rows of the core with the words for them; hands on records that every
//! language can hold: texts, numbers, lists, no references. Decides nothing.

mod card;
mod draft;
mod duty;
mod entry;
mod file;
mod form;
mod sheet;
mod standing;
mod value;

pub(crate) use card::Beside as CardBeside;
pub use card::{Card, CardFilter, CardKind, CardPage, Conflict, HistoryLine};
pub use draft::{DraftCard, DraftLine, DraftScreen};
pub use duty::{Duty, DutyStatus, Reminder, SlotCard, SlotStatus};
pub use entry::{EntryContent, EntryEvent, EntryField, EntryLine, EntryScreen, Step};
pub use file::{FileCard, FileState, FilesScreen};
pub(crate) use form::choices;
pub use form::{Catalogue, DefinitionCard, FieldForm, FieldKind, LedgerForm, Reference};
pub(crate) use sheet::Beside;
pub use sheet::{
    Amendment, Answered, Group, GroupLine, HeaderField, Item, ItemKind, Kept, Scan, Score, Section,
    SheetScreen, SheetState, Signature, Signoff,
};
pub use standing::{Activity, Identity, Scope, Standing, SyncReport};
pub use value::{Choice, Lack, LackKind, Value, Written};
