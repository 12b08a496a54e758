//! What a person does with a ledger: record an entry, edit its fields, move it along its lifecycle.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::inspection::no_definition;
use super::{Replica, identity};
use crate::action::{self, Draft};
use crate::definition::{FieldType, Ledger};
use crate::document::model::Value;
use crate::error::{Error, ErrorKind};
use crate::id::{DefinitionRef, DocumentId, ScopeId};
use crate::rules::entry::{self, EntryView};
use crate::rules::number;
use crate::time::Moment;

/// Name of the running count behind temporary numbers.
const TEMPORARY_NUMBERS: &str = "temporary_numbers";

impl Replica {
    /// Records a new entry; it has a temporary number at once and an official one when the branch
    /// answers.
    ///
    /// A set field takes its elements separated by spaces.
    ///
    /// # Errors
    /// `NotFound` for an unknown ledger, `Refused` by a rule.
    pub fn create_entry(
        &mut self,
        ledger: &str,
        project: &str,
        fields: BTreeMap<String, Value>,
        moment: &Moment,
    ) -> Result<DocumentId, Error> {
        let ledger = self.catalog.latest_ledger(ledger).cloned().ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!("本机没有台帐 {ledger};请检查编号,或先同步"),
                format!("there is no ledger {ledger} on the device; check the id, or sync first"),
            )
        })?;
        let document = DocumentId::random(&moment.entropy);
        let scope = ScopeId::of(project, &ledger.stream);
        let mut draft = self.draft_new(document, scope, ledger.reference.clone(), moment)?;
        let number = self.temporary_number()?;
        self.tell(&mut draft, &ledger, &fields)?;
        action::begin_entry(&mut draft, &ledger, project, number, fields);
        self.perform(vec![draft.into_work()], moment)?;
        Ok(document)
    }

    /// Tells a draft what the files are that its fields name.
    fn tell(
        &self,
        draft: &mut Draft,
        ledger: &Ledger,
        fields: &BTreeMap<String, Value>,
    ) -> Result<(), Error> {
        let is_files = |id: &str| ledger.field(id).is_some_and(|field| field.kind == FieldType::Photos);
        let named = fields.iter().filter(|(id, _)| is_files(id)).filter_map(|(_, value)| value.as_text());
        for element in named.flat_map(str::split_whitespace) {
            draft.note_element(element, self.element_value(element)?);
        }
        Ok(())
    }

    /// The next temporary number of this device.
    pub(super) fn temporary_number(&mut self) -> Result<Value, Error> {
        let number = self.store.write(|connection| {
            let running = identity::next_number(connection, TEMPORARY_NUMBERS)?;
            Ok(number::temporary(&identity::device_code(connection)?, running))
        })?;
        Ok(Value::Text(number))
    }

    /// Writes fields of an entry under their merge policies.
    ///
    /// # Errors
    /// `Refused` by a rule, `NotFound` when the entry is not here.
    pub fn edit_entry(
        &mut self,
        document: DocumentId,
        fields: BTreeMap<String, Value>,
        moment: &Moment,
    ) -> Result<EntryView, Error> {
        let ledger = self.ledger_of(document)?;
        let mut draft = self.draft(document, moment)?;
        self.tell(&mut draft, &ledger, &fields)?;
        action::edit_fields(&mut draft, &ledger, fields);
        self.finish(draft, moment)
    }

    /// Adds a line, such as a corrective action or a return visit, to a field that holds lines.
    ///
    /// # Errors
    /// `Refused` by a rule, `NotFound` when the entry is not here.
    pub fn add_entry_line(
        &mut self,
        document: DocumentId,
        field: &str,
        values: BTreeMap<String, Value>,
        moment: &Moment,
    ) -> Result<EntryView, Error> {
        let mut draft = self.draft(document, moment)?;
        action::add_line(&mut draft, field, values);
        self.finish(draft, moment)
    }

    /// Writes into a line that is there: an action's completion date, its evidence.
    ///
    /// # Errors
    /// `Refused` by a rule, `NotFound` when the entry is not here.
    pub fn edit_entry_line(
        &mut self,
        document: DocumentId,
        field: &str,
        line: &str,
        values: BTreeMap<String, Value>,
        moment: &Moment,
    ) -> Result<EntryView, Error> {
        let mut draft = self.draft(document, moment)?;
        action::edit_line(&mut draft, field, line, values);
        self.finish(draft, moment)
    }

    /// Records an event of the lifecycle. Data that names a field of the ledger is written to the
    /// field as well, so that one call assigns, handles or closes.
    ///
    /// # Errors
    /// `Refused` by a rule, `NotFound` when the entry is not here.
    pub fn record_event(
        &mut self,
        document: DocumentId,
        event: &str,
        data: BTreeMap<String, Value>,
        moment: &Moment,
    ) -> Result<EntryView, Error> {
        let ledger = self.ledger_of(document)?;
        let mut draft = self.draft(document, moment)?;
        self.tell(&mut draft, &ledger, &data)?;
        action::record_event(&mut draft, &ledger, event, data);
        self.finish(draft, moment)
    }

    /// The entry as people see it.
    ///
    /// # Errors
    /// `NotFound` when the entry or its ledger version is not here.
    pub fn entry(&mut self, document: DocumentId) -> Result<EntryView, Error> {
        let ledger = self.ledger_of(document)?;
        let model = self.model(document)?;
        Ok(entry::view(&self.catalog, &ledger, &model))
    }

    pub(super) fn finish(&mut self, draft: Draft, moment: &Moment) -> Result<EntryView, Error> {
        let document = draft.model.document;
        if !draft.is_empty() {
            self.perform(vec![draft.into_work()], moment)?;
        }
        self.entry(document)
    }

    pub(super) fn ledger_of(&self, document: DocumentId) -> Result<Arc<Ledger>, Error> {
        let row = self.row(document)?;
        self.ledger(&row.definition)
    }

    pub(super) fn ledger(&self, definition: &DefinitionRef) -> Result<Arc<Ledger>, Error> {
        self.catalog.ledger(definition).cloned().ok_or_else(|| no_definition(definition))
    }
}
