//! What a person does with a ledger: record an entry, edit its fields, move it along its lifecycle.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::draft::Draft;
use super::inspection::no_definition;
use super::{Replica, identity};
use crate::definition::{Field, FieldType, Ledger, MergePolicy};
use crate::document::model::Value;
use crate::error::{Error, ErrorKind};
use crate::id::{DefinitionRef, DocumentId, ScopeId};
use crate::rules::entry::{self, EntryView};
use crate::rules::{keys, number};
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
        let mut all = fields;
        all.insert(keys::PROJECT.to_owned(), Value::Text(project.to_owned()));
        let number = self.temporary_number()?;
        draft.put(keys::field(keys::CREATED_BY), Value::Text(self.identity.user.as_str().to_owned()));
        draft.put(keys::field(keys::CREATED_AT), Value::Int(moment.unix_ms));
        draft.put(keys::field(keys::TEMPORARY_NUMBER), number);
        for (field, value) in all {
            self.put_field(&mut draft, &ledger, &field, value)?;
        }
        draft.event(&ledger.create_event, "", BTreeMap::new());
        self.perform(vec![draft.into_work()], moment)?;
        Ok(document)
    }

    /// Writes one field in the form that its type and merge policy ask for.
    fn put_field(&self, draft: &mut Draft, ledger: &Ledger, id: &str, value: Value) -> Result<(), Error> {
        let field = ledger.field(id);
        let is_set = field.is_some_and(|f| matches!(f.kind, FieldType::Set(_) | FieldType::Photos));
        let is_text = field.is_some_and(|f| f.merge() == MergePolicy::TextCrdt);
        match value.as_text() {
            Some(text) if is_text => draft.put_text(id, keys::field(id), text),
            Some(elements) if is_set => {
                for element in elements.split_whitespace() {
                    let said = self.element_value(element)?;
                    draft.put(keys::set(id, element), said);
                }
            }
            _ => draft.put(keys::field(id), value),
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
        for (field, value) in fields {
            self.put_field(&mut draft, &ledger, &field, value)?;
        }
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
        let line = draft.line_id();
        for (subfield, value) in values {
            draft.put(keys::line(field, &line, &subfield), value);
        }
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
        for (subfield, value) in values {
            draft.put(keys::line(field, line, &subfield), value);
        }
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
        let from = entry::state(&ledger, &draft.model).to_owned();
        for (name, value) in &data {
            let is_written = ledger.field(name).is_some_and(is_plain);
            if is_written {
                self.put_field(&mut draft, &ledger, name, value.clone())?;
            }
        }
        draft.event(event, &from, data);
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

/// True for a field that an event's data may write: neither derived nor the branch's nor a list.
fn is_plain(field: &Field) -> bool {
    !matches!(field.merge(), MergePolicy::ServerAssigned | MergePolicy::DerivedFromLastVisit)
        && !matches!(field.kind, FieldType::Entries | FieldType::Events)
}
