//! Work that the branch refused: kept as drafts until the person decides.
//!
//! A draft is what was refused of one record from one author id on, and what builds on it. Unsent work that a
//! damage of the file took stands among the drafts as well (see `heal`). The record is shown without it. It can be looked at, written again onto the record as it is today, taken out as a
//! file, or given up; only the person does any of these.

use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

use super::Replica;
use super::build;
use super::heal;
use super::refused::Group;
use crate::action::{self, Draft};
use crate::definition::{MergePolicy, Title};
use crate::document::RawChange;
use crate::document::model::{Edit, Event, Model, Stamped, Value};
use crate::error::{Error, ErrorKind, Refusal};
use crate::id::{ActorId, ChangeHash, DefinitionRef, DocumentId, ScopeId, UserId};
use crate::rules::keys::{self, Key};
use crate::rules::{codes, title};
use crate::store::documents::DocumentRow;
use crate::store::outbox::{self, DiscardedRow, OutboxRow};
use crate::store::{former, scopes, withdrawn};
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
    /// Who wrote it, where it is work that the branch had lost and then did not take back; `None` for
    /// what was written here and never taken.
    pub given_back_for: Option<UserId>,
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
    /// Where a part of it cannot be read: text that can be made out in its bytes.
    pub words: Vec<String>,
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
pub(super) struct Reading {
    row: DocumentRow,
    pub(super) changes: Vec<Said>,
    /// True when everything can be shown.
    is_readable: bool,
    /// True when the record as it is here takes all of it in.
    is_whole: bool,
}

/// One change of a draft.
pub(super) struct Said {
    written_at_ms: i64,
    pub(super) edits: Vec<Edit>,
}

impl Reading {
    /// True when it can be written again: the record takes it in, or it is all values and events, which say by
    /// themselves what they are.
    fn is_applicable(&self) -> bool {
        let edits = || self.changes.iter().flat_map(|said| &said.edits);
        self.is_whole || (self.is_readable && !edits().any(|edit| matches!(edit, Edit::Text { .. })))
    }
}

impl Replica {
    /// What the branch refused, oldest first; nothing of it was dropped.
    ///
    /// # Errors
    /// Storage errors.
    pub fn drafts(&self) -> Result<Vec<RefusedDraft>, Error> {
        let mut all =
            self.grouped()?.values().map(|group| self.summary(group)).collect::<Result<Vec<_>, _>>()?;
        all.extend(self.damaged_drafts()?);
        all.sort_by_key(|draft| (draft.first_written_at_ms, draft.id));
        Ok(all)
    }

    /// One draft with what it says.
    ///
    /// # Errors
    /// `NotFound` for an unknown draft, storage errors.
    pub fn draft_view(&self, id: ActorId) -> Result<DraftView, Error> {
        if let Some(row) = self.damaged(id)? {
            return Ok(heal::view(&row));
        }
        let group = self.draft_group(id)?;
        let reading = self.read(&group.rows)?;
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
        let unread: Vec<&OutboxRow> = group.rows.iter().filter(|_| !reading.is_readable).collect();
        let words = unread.into_iter().flat_map(|row| heal::words_in(&row.bytes)).collect();
        Ok(DraftView { draft: self.summary(&group)?, steps, is_readable: reading.is_readable, words })
    }

    /// Writes a draft again onto the record as it is today, in the person's name and with the times of
    /// its writing; then the draft leaves. Says how many changes now wait for the branch.
    ///
    /// Work that the branch had lost and not taken back is offered once more as it was signed, under the
    /// name of whoever wrote it. Shared texts merge character by character. Where somebody else has begun the record meanwhile,
    /// what is written only once stays as it is there.
    ///
    /// # Errors
    /// `NotFound` for an unknown draft, `Refused` when a rule still says no, `Invalid` when a part cannot
    /// be read; nothing is written then and the draft stays.
    pub fn apply_draft(&mut self, id: ActorId, moment: &Moment) -> Result<u32, Error> {
        if self.damaged(id)?.is_some() {
            return Err(unreadable());
        }
        let group = self.draft_group(id)?;
        let reading = self.read(&group.rows)?;
        self.still_granted(&reading.row.scope)?;
        if !group.lost.is_empty() {
            return self.offer_again(&group);
        }
        if !reading.is_applicable() {
            return Err(unreadable());
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
        self.perform_with(works, moment, |connection| leave(connection, &group))?;
        Ok(written)
    }

    /// A draft as a file that support and programs can read: its words and its change chunks.
    ///
    /// # Errors
    /// `NotFound` for an unknown draft, storage errors.
    pub fn export_draft(&self, id: ActorId) -> Result<Vec<u8>, Error> {
        if let Some(row) = self.damaged(id)? {
            return Ok(heal::exported(&row));
        }
        let rows = self.draft_group(id)?.rows;
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
            "given_back_for": draft.given_back_for.as_ref().map(UserId::as_str),
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
        if let Some(row) = self.damaged(id)? {
            return self.discard_damaged(&row, moment);
        }
        let group = self.draft_group(id)?;
        let draft = self.summary(&group)?;
        let note = DiscardedRow {
            document: draft.document,
            actor: id,
            changes: draft.changes,
            refusal_code: draft.refusal.code,
            at_ms: moment.unix_ms,
        };
        self.store.write(|connection| {
            outbox::note_discarded(connection, &note)?;
            leave(connection, &group)
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

    fn draft_group(&self, id: ActorId) -> Result<Group, Error> {
        let found = self.grouped()?.into_iter().find(|((_, actor), _)| *actor == id);
        found.map(|(_, group)| group).ok_or_else(no_draft)
    }

    fn summary(&self, group: &Group) -> Result<RefusedDraft, Error> {
        let rows = &group.rows;
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
            given_back_for: group.lost.first().map(|record| record.user.clone()),
        })
    }

    /// Reads a draft on a copy of the record that takes it in, so that its texts are what they become.
    /// Where the record has left the device, its texts are as they were kept then.
    pub(super) fn read(&self, rows: &[OutboxRow]) -> Result<Reading, Error> {
        let row = self.row(rows.first().ok_or_else(no_draft)?.document)?;
        let mut copy = build(self.store.reader(), &self.catalog, row.document, &row.definition)?;
        let (mut changes, mut is_readable, mut is_whole) = (Vec::new(), true, true);
        for refused in rows {
            let change = RawChange::parse(refused.bytes.clone())?;
            let read = if is_whole { copy.take_in(&change).ok() } else { None };
            is_whole &= read.is_some();
            let edits = match read {
                Some(edits) => edits,
                None => {
                    let mut edits = copy.edits_of(&change).unwrap_or_default();
                    is_readable &= !edits.is_empty() && self.kept_texts(refused.hash, &mut edits)?;
                    edits
                }
            };
            changes.push(Said { written_at_ms: refused.written_at_ms, edits });
        }
        Ok(Reading { row, changes, is_readable, is_whole })
    }

    /// Gives the texts of a change as they were kept; false when one is missing.
    fn kept_texts(&self, hash: ChangeHash, edits: &mut [Edit]) -> Result<bool, Error> {
        let mut all = true;
        for edit in edits {
            if let Edit::Text { key, to } = edit {
                *to = withdrawn::text(self.store.reader(), hash, key)?;
                all &= to.is_some();
            }
        }
        Ok(all)
    }

    /// Only who holds a scope can write into it.
    fn still_granted(&self, scope: &ScopeId) -> Result<(), Error> {
        match scopes::find(self.store.reader(), scope)? {
            Some(standing) if !standing.granted => Err(Refusal::new(
                codes::SCOPE_NOT_GRANTED,
                "您的岗位现在没有该范围的权限;草稿留在本机,可导出,恢复权限后可重新提交",
                "your role holds no grant for this scope now; the draft stays here, can be exported, and applied once the grant is back",
            )
            .into()),
            Some(_) | None => Ok(()),
        }
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
                    let from = action::state_of(&self.catalog, &draft.model);
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
}

/// Takes a draft's changes out of the outbox, and what was kept to read them.
fn leave(connection: &rusqlite::Connection, group: &Group) -> Result<(), Error> {
    group.rows.iter().try_for_each(|row| outbox::remove(connection, row.document, &[row.hash]))?;
    for record in &group.lost {
        former::remove(connection, &record.scope, record.last_hash)?;
    }
    withdrawn::drop_texts(connection)
}

fn unreadable() -> Error {
    Error::new(
        ErrorKind::Invalid,
        "草稿中有本机读不出的内容,不能重新提交;请导出后联系分公司",
        "a part of the draft cannot be read here, so it cannot be applied; export it and tell the branch",
    )
}

pub(super) fn refusal_json(refusal: &Refusal) -> Json {
    json!({ "code": refusal.code, "zh": refusal.sentence.zh, "en": refusal.sentence.en })
}

fn step_json(step: &DraftStep) -> Json {
    let (key, value) = match &step.content {
        DraftContent::Value { key, value } => (key, value.to_json()),
        DraftContent::Text { field, text } => (field, json!(text)),
        DraftContent::Event { kind, data } => {
            let data = data.iter().map(|(name, value)| (name.clone(), value.to_json()));
            (kind, Json::Object(data.collect()))
        }
    };
    json!({ "zh": step.title.zh, "en": step.title.en, "at_ms": step.at_ms, "key": key, "value": value })
}

fn no_draft() -> Error {
    Error::new(
        ErrorKind::NotFound,
        "没有这份草稿;请用 drafts 查看",
        "there is no such draft; list them with drafts",
    )
}
