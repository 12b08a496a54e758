//! A record that holds as many changes as one may: it is sealed, and gone on with in another.
//!
//! The continuation has an id that follows from the sealed record, so that everyone who goes on with it
//! goes on with the same one. It begins with the values as they stand, under the name of who continues;
//! the sealed record keeps its history and is named in the first event.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Replica;
use crate::action::{Draft, Work};
use crate::definition::{Ledger, MergePolicy};
use crate::document::Document;
use crate::document::model::{Edit, Model, Stamped, Value};
use crate::error::{Error, ErrorKind, Refusal};
use crate::id::{ActorId, DocumentId};
use crate::limits::{DOCUMENT_ACTORS_MAX, DOCUMENT_CHANGES_MAX};
use crate::rules::keys::{self, Key};
use crate::rules::{self, Author, codes};
use crate::time::Moment;

/// Most values copied in one change.
const COPIED_TOGETHER_MAX: usize = 32;
/// Most bytes of text copied in one change, but for the last value.
const COPIED_BYTES_MAX: usize = 64 * 1024;
/// A text of more bytes is copied after the beginning, where it need not stand there.
const BEGINNING_TEXT_BYTES_MAX: usize = 2_000;

impl Replica {
    /// Goes on with a sealed record in its continuation: the one that is here already, or a new one that
    /// begins with the values as they stand. Its lifecycle begins anew.
    ///
    /// What can no longer be written, such as an option that was retired, stays in the sealed record alone.
    ///
    /// # Errors
    /// `NotFound` when the record is not here, `Invalid` when it still takes changes, `Refused` by a rule.
    pub fn continue_record(&mut self, document: DocumentId, moment: &Moment) -> Result<DocumentId, Error> {
        let row = self.row(document)?;
        let next = DocumentId::of_continuation(document);
        if self.row(next).is_ok() {
            return Ok(next);
        }
        let actor = row.actor;
        let sealed = self.load(document, &row.definition)?;
        if room(sealed, actor).is_ok() {
            return Err(Error::new(
                ErrorKind::Invalid,
                "这条记录还能继续填写,不需要续录",
                "this record still takes changes and needs no continuation",
            ));
        }
        let old = sealed.model()?;
        let mut draft = self.draft_new(next, row.scope, row.definition.clone(), moment)?;
        let data = BTreeMap::from([(keys::CONTINUES.to_owned(), Value::Text(document.to_string()))]);
        let mut works = Vec::new();
        let rest = match self.catalog.ledger(&row.definition).cloned() {
            Some(ledger) => self.begin_entry(&mut draft, &ledger, &old, data, moment)?,
            None => begin_sheet(&mut draft, &old, data),
        };
        for chunk in together(&rest) {
            works.push(close(&mut draft));
            for (key, value) in chunk {
                if self.may_put(&draft, key, value, moment) {
                    draft.put(key.clone(), value.clone());
                }
            }
        }
        works.push(close(&mut draft));
        works.retain(|work: &Work| !work.edits.is_empty());
        self.perform(works, moment)?;
        Ok(next)
    }

    /// The record in which a sealed one goes on, where it is here.
    #[must_use]
    pub fn continuation(&self, document: DocumentId) -> Option<DocumentId> {
        let next = DocumentId::of_continuation(document);
        self.row(next).is_ok().then_some(next)
    }

    /// Begins the continuation of an entry; hands on what is copied after its beginning.
    fn begin_entry(
        &mut self,
        draft: &mut Draft,
        ledger: &Arc<Ledger>,
        old: &Model,
        data: BTreeMap<String, Value>,
        moment: &Moment,
    ) -> Result<Vec<(String, Value)>, Error> {
        let number = self.temporary_number()?;
        draft.put(keys::field(keys::CREATED_BY), Value::Text(self.identity.user.as_str().to_owned()));
        draft.put(keys::field(keys::CREATED_AT), Value::Int(moment.unix_ms));
        draft.put(keys::field(keys::TEMPORARY_NUMBER), number);
        let mut rest = Vec::new();
        for (key, value) in values(old) {
            match Key::parse(&key) {
                Some(Key::Field(keys::CREATED_BY | keys::CREATED_AT | keys::TEMPORARY_NUMBER)) => {}
                Some(Key::Field(id)) => match ledger.field(id).map(|field| field.merge()) {
                    Some(MergePolicy::ServerAssigned | MergePolicy::DerivedFromLastVisit) | None => {}
                    Some(MergePolicy::TextCrdt) => {
                        draft.put_text(id, key.clone(), old.texts.get(id).map_or("", String::as_str));
                    }
                    Some(_) if !ledger.field(id).is_some_and(|field| field.required) && is_long(&value) => {
                        rest.push((key, value));
                    }
                    Some(_) => draft.put(key, value),
                },
                Some(_) => rest.push((key, value)),
                None => {}
            }
        }
        draft.event(&ledger.create_event, "", data);
        Ok(rest)
    }

    /// True when the rules let the person write this now.
    fn may_put(&self, draft: &Draft, key: &str, value: &Value, moment: &Moment) -> bool {
        let stamped = Stamped { value: value.clone(), by: self.identity.user.clone(), at_ms: moment.unix_ms };
        let edit = Edit::Put { key: key.to_owned(), stamped };
        let author = Author { user: &self.identity.user, is_server: false };
        rules::check(&self.catalog, draft.scope(), &author, &draft.model, &[edit]).is_ok()
    }
}

/// Values in groups that one change each takes.
fn together(mut values: &[(String, Value)]) -> Vec<&[(String, Value)]> {
    let mut groups = Vec::new();
    while !values.is_empty() {
        let mut bytes = 0;
        let fits = values.iter().take(COPIED_TOGETHER_MAX).take_while(|(key, value)| {
            let is_within = bytes <= COPIED_BYTES_MAX;
            bytes += key.len() + value.as_text().map_or(0, str::len);
            is_within
        });
        let (group, rest) = values.split_at(fits.count());
        groups.push(group);
        values = rest;
    }
    groups
}

fn is_long(value: &Value) -> bool {
    value.as_text().is_some_and(|text| text.len() > BEGINNING_TEXT_BYTES_MAX)
}

/// Refuses one more change where the document holds as many as it may.
pub(super) fn room(document: &Document, actor: Option<ActorId>) -> Result<(), Error> {
    let size = document.size();
    let actors = size.actors + u64::from(actor.is_none_or(|actor| document.next_seq(actor) == 1));
    if size.changes < u64::from(DOCUMENT_CHANGES_MAX) && actors <= u64::from(DOCUMENT_ACTORS_MAX) {
        return Ok(());
    }
    let next = DocumentId::of_continuation(document.id());
    Err(Refusal::new(
        codes::DOCUMENT_FULL,
        format!("这条记录的变更已达上限,已封存;请用 continue 在续录 {next} 中继续"),
        format!("this record holds as many changes as it may and is sealed; continue it in {next}"),
    )
    .into())
}

/// Begins the continuation of a sheet; hands on what is copied after its beginning.
fn begin_sheet(draft: &mut Draft, old: &Model, data: BTreeMap<String, Value>) -> Vec<(String, Value)> {
    let (header, rest): (Vec<_>, Vec<_>) = values(old)
        .partition(|(key, _)| matches!(Key::parse(key), Some(Key::Header(_) | Key::HeaderElement(..))));
    for (key, value) in header {
        draft.put(key, value);
    }
    draft.event(keys::CREATE, "", data);
    // Whoever signed signed the sealed sheet.
    rest.into_iter().filter(|(key, _)| !matches!(Key::parse(key), Some(Key::Signoff(_)))).collect()
}

/// The values of a record as they stand.
fn values(model: &Model) -> impl Iterator<Item = (String, Value)> {
    let all = model.registers.iter().map(|(key, register)| (key.clone(), register.winner.value.clone()));
    all.filter(|(_, value)| !value.is_null())
}

/// Ends one change of the draft and goes on with the next.
fn close(draft: &mut Draft) -> Work {
    let following = draft.following();
    std::mem::replace(draft, following).into_work()
}
