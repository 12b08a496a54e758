//! Work that the branch refused: kept as drafts until the person decides.
//!
//! A draft is what was refused of one record from one author id on, and what builds on it. The record is
//! shown without it. It can be looked at, written again onto the record as it is today, taken out as a
//! file, or given up; only the person does any of these.

use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

use super::Replica;
use super::build;
use super::draft::Draft;
use crate::definition::{MergePolicy, Title};
use crate::document::model::{Edit, Event, Model, Stamped, Value};
use crate::document::{Document, RawChange};
use crate::error::{Error, ErrorKind, Refusal};
use crate::id::{ActorId, ChangeHash, DefinitionRef, DocumentId, ScopeId};
use crate::rules::keys::{self, Key};
use crate::rules::{entry, inspection, title};
use crate::store::documents::DocumentRow;
use crate::store::outbox::{self, DiscardedRow, OutboxRow};
use crate::time::Moment;

/// A draft in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedDraft {
    /// Names the draft: the author id under which its first change was written.
    pub id: ActorId,
    /// The record it is for.
    pub document: DocumentId,
    /// The record's scope.
    pub scope: ScopeId,
    /// The record's definition.
    pub definition: DefinitionRef,
    /// How many changes it holds.
    pub changes: u32,
    /// Device time of its first change, milliseconds since 1970.
    pub first_written_at_ms: i64,
    /// Device time of its last change, milliseconds since 1970.
    pub last_written_at_ms: i64,
    /// Why the branch refused it.
    pub refusal: Refusal,
}

/// A draft with what it says.
#[derive(Clone, Debug, PartialEq)]
pub struct DraftView {
    /// The draft.
    pub draft: RefusedDraft,
    /// What was written, in the order of writing.
    pub steps: Vec<DraftStep>,
    /// False when a part of it cannot be read here; it can still be taken out as a file.
    pub is_readable: bool,
}

/// One thing that was written.
#[derive(Clone, Debug, PartialEq)]
pub struct DraftStep {
    /// What it is called: the field, the item, the step of the lifecycle.
    pub title: Title,
    /// Device time of writing, milliseconds since 1970.
    pub at_ms: i64,
    /// What was written.
    pub content: DraftContent,
}

/// What one step of a draft wrote.
#[derive(Clone, Debug, PartialEq)]
pub enum DraftContent {
    /// A value under a key of the record.
    Value {
        /// The key.
        key: String,
        /// The value.
        value: Value,
    },
    /// A shared text, as it then read.
    Text {
        /// The field.
        field: String,
        /// The whole text.
        text: String,
    },
    /// An event of the lifecycle.
    Event {
        /// Its kind.
        kind: String,
        /// What it carries.
        data: BTreeMap<String, Value>,
    },
}

/// A draft's changes, and how the record reads after each when they are put onto it as it is today.
struct Reading {
    row: DocumentRow,
    changes: Vec<Said>,
    is_readable: bool,
}

/// One change of a draft.
struct Said {
    written_at_ms: i64,
    edits: Vec<Edit>,
}

impl Replica {
    /// What the branch refused, oldest first; nothing of it was dropped.
    ///
    /// # Errors
    /// Storage errors.
    pub fn drafts(&self) -> Result<Vec<RefusedDraft>, Error> {
        self.grouped()?.values().map(|rows| self.summary(rows)).collect::<Result<Vec<_>, _>>().map(
            |mut all| {
                all.sort_by_key(|draft| (draft.first_written_at_ms, draft.id));
                all
            },
        )
    }

    /// One draft with what it says.
    ///
    /// # Errors
    /// `NotFound` for an unknown draft, storage errors.
    pub fn draft_view(&self, id: ActorId) -> Result<DraftView, Error> {
        let rows = self.draft_rows(id)?;
        let reading = self.read(&rows)?;
        let definition = &reading.row.definition;
        let mut steps = Vec::new();
        for said in &reading.changes {
            let is_marker = |key: &str| {
                let field = key.strip_prefix("field/");
                said.edits
                    .iter()
                    .any(|edit| matches!(edit, Edit::Text { key, .. } if Some(key.as_str()) == field))
            };
            for edit in &said.edits {
                let (title, at_ms, content) = match edit {
                    Edit::Put { key, .. } if is_marker(key) => continue,
                    Edit::Put { key, stamped: Stamped { value, at_ms, .. } } => {
                        let content = DraftContent::Value { key: key.clone(), value: value.clone() };
                        (title::of_key(&self.catalog, definition, key), *at_ms, content)
                    }
                    Edit::Text { key, to } => {
                        let text = to.clone().unwrap_or_default();
                        let content = DraftContent::Text { field: key.clone(), text };
                        let title = title::of_key(&self.catalog, definition, &keys::field(key));
                        (title, said.written_at_ms, content)
                    }
                    Edit::Event(Event { kind, at_ms, data, .. }) => {
                        let content = DraftContent::Event { kind: kind.clone(), data: data.clone() };
                        (title::of_event(&self.catalog, definition, kind), *at_ms, content)
                    }
                };
                steps.push(DraftStep { title, at_ms, content });
            }
        }
        Ok(DraftView { draft: self.summary(&rows)?, steps, is_readable: reading.is_readable })
    }

    /// Writes a draft again onto the record as it is today, in the person's name and with the times of
    /// its writing; then the draft leaves. Says how many changes now wait for the branch.
    ///
    /// Shared texts merge character by character. Where somebody else has begun the record meanwhile,
    /// what is written only once stays as it is there.
    ///
    /// # Errors
    /// `NotFound` for an unknown draft, `Refused` when a rule still says no, `Invalid` when a part cannot
    /// be read; nothing is written then and the draft stays.
    pub fn apply_draft(&mut self, id: ActorId, moment: &Moment) -> Result<u32, Error> {
        let rows = self.draft_rows(id)?;
        let reading = self.read(&rows)?;
        if !reading.is_readable {
            return Err(Error::new(
                ErrorKind::Invalid,
                "草稿中有本机读不出的内容,不能重新提交;请导出后联系分公司",
                "a part of the draft cannot be read here, so it cannot be applied; export it and tell the branch",
            ));
        }
        let mut draft = self.draft(reading.row.document, moment)?;
        let mut works = Vec::new();
        for said in &reading.changes {
            self.write_again(&mut draft, said);
            let following = draft.following();
            let done = std::mem::replace(&mut draft, following);
            if !done.is_empty() {
                works.push(done.into_work());
            }
        }
        let written = u32::try_from(works.len()).unwrap_or(u32::MAX);
        self.perform_with(works, moment, |connection| leave(connection, &rows))?;
        Ok(written)
    }

    /// A draft as a file that support and programs can read: its words and its change chunks.
    ///
    /// # Errors
    /// `NotFound` for an unknown draft, storage errors.
    pub fn export_draft(&self, id: ActorId) -> Result<Vec<u8>, Error> {
        let rows = self.draft_rows(id)?;
        let view = self.draft_view(id)?;
        let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
        let changes = rows.iter().map(|row| {
            json!({
                "actor": row.actor.to_string(),
                "seq": row.seq,
                "hash": row.hash.to_string(),
                "written_at_ms": row.written_at_ms,
                "refusal": row.refusal.as_ref().map(refusal_json),
                "bytes": hex(&row.bytes),
            })
        });
        let draft = &view.draft;
        let file = json!({
            "draft": 1,
            "id": draft.id.to_string(),
            "document": draft.document.to_string(),
            "scope": draft.scope.as_str(),
            "definition": draft.definition.id,
            "version": draft.definition.version,
            "hash": draft.definition.hash.to_string(),
            "user": self.identity.user.as_str(),
            "device": self.identity.device.to_string(),
            "refusal": refusal_json(&draft.refusal),
            "says": view.steps.iter().map(step_json).collect::<Vec<_>>(),
            "changes": changes.collect::<Vec<_>>(),
        });
        Ok(format!("{file:#}\n").into_bytes())
    }

    /// Gives a draft up for good. That it was there, when it was given up and how many changes it held
    /// stays written down; what it said does not. Says how many changes those were.
    ///
    /// # Errors
    /// `NotFound` for an unknown draft, storage errors.
    pub fn discard_draft(&mut self, id: ActorId, moment: &Moment) -> Result<u32, Error> {
        let rows = self.draft_rows(id)?;
        let draft = self.summary(&rows)?;
        let note = DiscardedRow {
            document: draft.document,
            actor: id,
            changes: draft.changes,
            refusal_code: draft.refusal.code,
            at_ms: moment.unix_ms,
        };
        self.store.write(|connection| {
            outbox::note_discarded(connection, &note)?;
            leave(connection, &rows)
        })?;
        Ok(note.changes)
    }

    /// The drafts that were given up, latest first.
    ///
    /// # Errors
    /// Storage errors.
    pub fn discarded(&self) -> Result<Vec<DiscardedRow>, Error> {
        outbox::discarded(self.store.reader())
    }

    /// Refused changes by draft: what builds on a refused change belongs to its draft, whoever wrote it.
    fn grouped(&self) -> Result<BTreeMap<(DocumentId, ActorId), Vec<OutboxRow>>, Error> {
        let mut owners: BTreeMap<ChangeHash, ActorId> = BTreeMap::new();
        let mut drafts: BTreeMap<(DocumentId, ActorId), Vec<OutboxRow>> = BTreeMap::new();
        for row in outbox::refused(self.store.reader())? {
            let deps = RawChange::parse(row.bytes.clone())?.deps;
            let id = deps.iter().find_map(|dep| owners.get(dep)).copied().unwrap_or(row.actor);
            owners.insert(row.hash, id);
            drafts.entry((row.document, id)).or_default().push(row);
        }
        Ok(drafts)
    }

    fn draft_rows(&self, id: ActorId) -> Result<Vec<OutboxRow>, Error> {
        let found = self.grouped()?.into_iter().find(|((_, actor), _)| *actor == id);
        found.map(|(_, rows)| rows).ok_or_else(no_draft)
    }

    fn summary(&self, rows: &[OutboxRow]) -> Result<RefusedDraft, Error> {
        let (first, last) = rows.first().zip(rows.last()).ok_or_else(no_draft)?;
        let row = self.row(first.document)?;
        Ok(RefusedDraft {
            id: first.actor,
            document: row.document,
            scope: row.scope,
            definition: row.definition,
            changes: u32::try_from(rows.len()).unwrap_or(u32::MAX),
            first_written_at_ms: first.written_at_ms,
            last_written_at_ms: last.written_at_ms,
            refusal: first.refusal.clone().ok_or_else(no_draft)?,
        })
    }

    /// Reads a draft on a copy of the record that takes it in, so that its texts are what they become.
    fn read(&self, rows: &[OutboxRow]) -> Result<Reading, Error> {
        let row = self.row(rows.first().ok_or_else(no_draft)?.document)?;
        let mut copy = build(self.store.reader(), &self.catalog, row.document, &row.definition)?;
        let (mut changes, mut is_readable) = (Vec::new(), true);
        for refused in rows {
            let change = RawChange::parse(refused.bytes.clone())?;
            let read = if is_readable { read_on(&mut copy, &change) } else { copy.edits_of(&change) };
            let edits = read.or_else(|_| {
                // What the record does not take in can still be shown, all but its texts.
                is_readable = false;
                copy.edits_of(&change)
            });
            changes.push(Said { written_at_ms: refused.written_at_ms, edits: edits.unwrap_or_default() });
        }
        Ok(Reading { row, changes, is_readable })
    }

    /// Writes again what one change of a draft said.
    fn write_again(&self, draft: &mut Draft, said: &Said) {
        let create_event =
            self.catalog.ledger(&draft.model.definition).map_or(keys::CREATE, |l| &l.create_event);
        let begins = |edit: &Edit| matches!(edit, Edit::Event(event) if event.kind == create_event);
        let is_begun = !draft.model.events.is_empty() && said.edits.iter().any(begins);
        for edit in &said.edits {
            match edit {
                Edit::Put { key, .. } if is_begun && self.stays(&draft.model, key) => {}
                Edit::Put { key, stamped } => {
                    draft.written_at(stamped.at_ms);
                    draft.put(key.clone(), stamped.value.clone());
                }
                Edit::Text { .. } => draft.push(edit.clone()),
                Edit::Event(_) if is_begun && begins(edit) => {}
                Edit::Event(event) => {
                    let from = self.state_of(&draft.model);
                    draft.written_at(event.at_ms);
                    draft.event(&event.kind, &from, event.data.clone());
                }
            }
        }
    }

    /// True for what a record is begun with and then keeps, where it has been begun already.
    fn stays(&self, model: &Model, key: &str) -> bool {
        let is_kept = |policy| matches!(policy, MergePolicy::WriteOnce | MergePolicy::Min | MergePolicy::Max);
        let definition = &model.definition;
        let policy = match Key::parse(key) {
            Some(Key::Field(keys::TEMPORARY_NUMBER)) => return model.value(key).is_some(),
            Some(Key::Field(id)) => {
                self.catalog.ledger(definition).and_then(|l| l.field(id)).map(|f| f.merge())
            }
            Some(Key::Header(id)) => {
                self.catalog.checklist(definition).and_then(|c| c.header_field(id)).map(|f| f.merge())
            }
            Some(_) | None => None,
        };
        model.value(key).is_some() && policy.is_some_and(is_kept)
    }

    /// The state that the next event of a record names as the one it was written in.
    pub(super) fn state_of(&self, model: &Model) -> String {
        if model.events.is_empty() {
            return String::new();
        }
        match self.catalog.ledger(&model.definition) {
            Some(ledger) => entry::state(ledger, model).to_owned(),
            None => inspection::state(model).id().to_owned(),
        }
    }
}

/// Puts a change onto the copy and reads it there, with its texts as they then are.
fn read_on(copy: &mut Document, change: &RawChange) -> Result<Vec<Edit>, Error> {
    let mut edits = copy.edits_of(change)?;
    copy.apply(std::slice::from_ref(change))?;
    if edits.iter().any(|edit| matches!(edit, Edit::Text { .. })) {
        let model = copy.model()?;
        for edit in &mut edits {
            if let Edit::Text { key, to } = edit {
                *to = Some(model.texts.get(key).cloned().unwrap_or_default());
            }
        }
    }
    Ok(edits)
}

/// Takes a draft's changes out of the outbox.
fn leave(connection: &rusqlite::Connection, rows: &[OutboxRow]) -> Result<(), Error> {
    rows.iter().try_for_each(|row| outbox::remove(connection, row.hash))
}

fn refusal_json(refusal: &Refusal) -> Json {
    json!({ "code": refusal.code, "zh": refusal.sentence.zh, "en": refusal.sentence.en })
}

fn step_json(step: &DraftStep) -> Json {
    let (key, value) = match &step.content {
        DraftContent::Value { key, value } => (key, value_json(value)),
        DraftContent::Text { field, text } => (field, json!(text)),
        DraftContent::Event { kind, data } => {
            let data = data.iter().map(|(name, value)| (name.clone(), value_json(value)));
            (kind, Json::Object(data.collect()))
        }
    };
    json!({ "zh": step.title.zh, "en": step.title.en, "at_ms": step.at_ms, "key": key, "value": value })
}

fn value_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => json!(flag),
        Value::Int(number) => json!(number),
        Value::Number(number) => json!(number),
        Value::Text(text) => json!(text),
    }
}

fn no_draft() -> Error {
    Error::new(
        ErrorKind::NotFound,
        "没有这份草稿;请用 drafts 查看",
        "there is no such draft; list them with drafts",
    )
}
