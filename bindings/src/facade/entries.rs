//! What a person does with a ledger.

use std::collections::HashMap;
use xunyuan_core::id::DocumentId;
use xunyuan_core::rules::entry::EntryView;

use super::scene::{Scene, fields};
use super::{Replica, SyncError, document};
use crate::failure::Failure;
use crate::forms;
use crate::screens::{Catalogue, Choice, EntryScreen, LedgerForm, Reference, Value, choices};

#[uniffi::export]
impl Replica {
    /// The checklists, ledgers and projects that this device knows.
    pub fn catalogue(&self) -> Result<Catalogue, SyncError> {
        self.look(|scene| Ok(Catalogue::of(&scene.words)))
    }

    /// What a new entry of a ledger takes.
    pub fn ledger_form(&self, ledger: String) -> Result<LedgerForm, SyncError> {
        self.look(|scene| Ok(LedgerForm::of(&scene.words, &*forms::ledger(scene.replica, &ledger)?)))
    }

    /// What a reference may point to, where `text` occurs in its name: people, projects, dwellings,
    /// departments, checkpoints, categories.
    #[uniffi::method(default(text = ""))]
    pub fn choices(&self, to: Reference, text: String) -> Result<Vec<Choice>, SyncError> {
        self.look(|scene| Ok(choices(&scene.words, &to, &text)))
    }

    /// Records a new entry: it has a temporary number at once and an official one when the branch answers.
    /// The person's own project is taken where none is named.
    #[uniffi::method(default(project = None))]
    pub fn create_entry(
        &self,
        ledger: String,
        values: HashMap<String, Value>,
        project: Option<String>,
    ) -> Result<EntryScreen, SyncError> {
        self.act(|scene| {
            let values = fields(values)?;
            let definition = forms::ledger(scene.replica, &ledger)?;
            let new = forms::new_entry(scene.replica, &definition, project.as_deref(), values)?;
            let document = scene.replica.create_entry(&ledger, &new.project, new.fields, scene.moment)?;
            let view = scene.replica.entry(document)?;
            Ok((scene.entry(&view)?, vec![document]))
        })
    }

    /// An entry.
    pub fn entry(&self, document: String) -> Result<EntryScreen, SyncError> {
        self.look(|scene| {
            let view = scene.replica.entry(self::document(&document)?)?;
            scene.entry(&view)
        })
    }

    /// Writes fields of an entry; `Nothing` withdraws one.
    pub fn edit_entry(
        &self,
        document: String,
        values: HashMap<String, Value>,
    ) -> Result<EntryScreen, SyncError> {
        self.on_entry(&document, |scene, document| {
            Ok(scene.replica.edit_entry(document, fields(values)?, scene.moment)?)
        })
    }

    /// Adds a line to a field that holds lines.
    pub fn add_entry_line(
        &self,
        document: String,
        field: String,
        values: HashMap<String, Value>,
    ) -> Result<EntryScreen, SyncError> {
        self.on_entry(&document, |scene, document| {
            Ok(scene.replica.add_entry_line(document, &field, fields(values)?, scene.moment)?)
        })
    }

    /// Writes into a line that is there.
    pub fn edit_entry_line(
        &self,
        document: String,
        field: String,
        line: String,
        values: HashMap<String, Value>,
    ) -> Result<EntryScreen, SyncError> {
        self.on_entry(&document, |scene, document| {
            Ok(scene.replica.edit_entry_line(document, &field, &line, fields(values)?, scene.moment)?)
        })
    }

    /// Adds photos to a field of photos; each file is kept beside the replica first.
    pub fn attach_entry_photos(
        &self,
        document: String,
        field: String,
        files: Vec<String>,
    ) -> Result<EntryScreen, SyncError> {
        let photos = self.keep_files(&files)?;
        self.on_entry(&document, |scene, document| {
            scene.replica.attach(document, &field, &photos, None, scene.moment)?;
            Ok(scene.replica.entry(document)?)
        })
    }

    /// Records an event of the life cycle: dispatch, feedback, close. Values that name a field are
    /// written to it as well.
    pub fn record_event(
        &self,
        document: String,
        event: String,
        values: HashMap<String, Value>,
    ) -> Result<EntryScreen, SyncError> {
        self.on_entry(&document, |scene, document| {
            Ok(scene.replica.record_event(document, &event, fields(values)?, scene.moment)?)
        })
    }

    /// Goes on with a sealed record in its continuation, the same one for everybody; its document id.
    pub fn continue_record(&self, document: String) -> Result<String, SyncError> {
        self.about(&document, |scene, document| {
            let next = scene.replica.continue_record(document, scene.moment)?;
            Ok((next.to_string(), vec![document, next]))
        })
    }
}

impl Replica {
    fn on_entry(
        &self,
        text: &str,
        act: impl FnOnce(&mut Scene<'_>, DocumentId) -> Result<EntryView, Failure>,
    ) -> Result<EntryScreen, SyncError> {
        self.about(text, |scene, document| {
            let view = act(scene, document)?;
            Ok((scene.entry(&view)?, vec![document]))
        })
    }
}
