//! A file in which single values are damaged: what can be made good is, what cannot be is shown.
//!
//! Looked for when the file is opened, before anything reads it. A damaged definition is taken out and
//! fetched again, because the branch has it. Of unsent work this file is the only holder: a row whose chunk is
//! intact is written anew from the chunk; a damaged chunk leaves the outbox and is kept beside it, as something
//! its author is shown with the words that can still be read. What builds on it becomes a draft. All other
//! work goes on.

use rusqlite::Connection;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

use super::drafts::{DraftView, RefusedDraft, refusal_json};
use super::{Replica, load_catalog};
use crate::definition::Catalog;
use crate::document::RawChange;
use crate::error::{Error, ErrorKind, Refusal};
use crate::id::{ActorId, ChangeHash, ContentHash, DefinitionRef, DocumentId, ScopeId, short_hash};
use crate::rules::codes;
use crate::store::damaged::{self, DamagedRow, RawRow};
use crate::store::documents::{self, DocumentRow};
use crate::store::outbox::{self, DiscardedRow};
use crate::store::scopes::{self, ScopeRow};
use crate::store::{Store, identity};
use crate::time::Moment;

/// Fewest characters of a piece of text that is shown of damaged bytes: shorter ones are mostly chance.
const WORDS_CHARS_MIN: usize = 2;
/// The same for pieces of plain ASCII.
const WORDS_ASCII_MIN: usize = 5;

/// The definitions held. Damaged ones are taken out, and the branch is asked for all of them again.
pub(super) fn definitions(store: &mut Store) -> Result<Catalog, Error> {
    match load_catalog(store.reader()) {
        Err(error) if is_of_a_value(&error) => {}
        loaded => return loaded,
    }
    let is_sound = |(reference, json): &(DefinitionRef, Vec<u8>)| {
        Catalog::stored([(reference, json.as_slice())]).is_ok()
    };
    let mut sound = identity::readable_definitions(store.reader())?;
    sound.retain(is_sound);
    store.write(|connection| {
        identity::replace_definitions(connection, &sound)?;
        for row in scopes::all(connection)?.into_iter().filter(|row| row.scope.stream() == "definitions") {
            scopes::save(connection, &ScopeRow { granted: row.granted, ..ScopeRow::new(row.scope) })?;
        }
        Ok(())
    })?;
    load_catalog(store.reader())
}

/// True for an error over one value, and not over the file as a whole.
fn is_of_a_value(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Damaged | ErrorKind::Corrupt | ErrorKind::Invalid | ErrorKind::Protocol => true,
        ErrorKind::Refused
        | ErrorKind::NotFound
        | ErrorKind::Busy
        | ErrorKind::Newer
        | ErrorKind::Key
        | ErrorKind::Full
        | ErrorKind::Storage => false,
    }
}

/// Looks through the outbox and settles what is damaged in it.
pub(super) fn outbox(store: &mut Store) -> Result<(), Error> {
    let mut wrong = Vec::new();
    damaged::each(store.reader(), |row| {
        if !is_sound(&row) {
            wrong.push(row);
        }
    })?;
    if wrong.is_empty() { Ok(()) } else { store.write(|connection| settle(connection, wrong)) }
}

/// True for a row that says what its chunk says.
fn is_sound(row: &RawRow) -> bool {
    RawChange::seal(&row.bytes).is_ok_and(|seal| {
        row.is_whole
            && row.is_held
            && row.scope.is_some()
            && row.written_at_ms.is_some()
            && (row.actor, row.seq, row.hash) == (Some(seal.actor), Some(seal.seq), Some(seal.hash))
    })
}

/// Puts rows with an intact chunk right and sets the others aside.
fn settle(connection: &Connection, wrong: Vec<RawRow>) -> Result<(), Error> {
    let mut gone: BTreeMap<DocumentId, Gone> = BTreeMap::new();
    for mut row in wrong {
        let seal = RawChange::seal(&row.bytes).ok();
        let actor = seal.map_or(row.actor, |seal| Some(seal.actor));
        let known = match (row.document.filter(|_| row.is_held), actor) {
            (Some(document), _) => Some(document),
            (None, Some(actor)) => damaged::document_of(connection, actor)?,
            (None, None) => None,
        };
        let home = known.map_or(Ok(None), |document| documents::find(connection, document))?;
        if let (Some(seal), Some(home)) = (seal, &home) {
            row.document = Some(home.document);
            row.scope = Some(home.scope.clone());
            (row.actor, row.seq, row.hash) = (Some(seal.actor), Some(seal.seq), Some(seal.hash));
            damaged::put_right(connection, &row)?;
            continue;
        }
        if let Some(home) = &home {
            let gone = gone.entry(home.document).or_default();
            gone.hashes.extend(row.hash);
            if let (Some(actor), Some(seq)) = (row.actor, row.seq) {
                let first = gone.from.entry(actor).or_insert(seq);
                *first = seq.min(*first);
            }
        }
        damaged::set_aside(connection, &left_of(row, home))?;
    }
    gone.into_iter().try_for_each(|(document, gone)| without(connection, document, gone))
}

/// What a record has lost.
#[derive(Default)]
struct Gone {
    hashes: BTreeSet<ChangeHash>,
    /// The first lost change of each author.
    from: BTreeMap<ActorId, u64>,
}

/// What builds on lost changes of a record becomes a draft; its author goes on without them.
fn without(connection: &Connection, document: DocumentId, mut gone: Gone) -> Result<(), Error> {
    let refusal = Refusal::new(
        codes::BUILDS_ON_DAMAGED,
        "这部分内容建立在本机文件损坏处之上,没有提交;请查看后重新提交",
        "this builds on work that a damage of the device's file took, and was not sent; look at it and apply it again",
    );
    for row in outbox::of_document(connection, document)? {
        let change = RawChange::parse(row.bytes)?;
        let is_later = gone.from.get(&change.actor).is_some_and(|first| change.seq > *first);
        if is_later || change.deps.iter().any(|dep| gone.hashes.contains(dep)) {
            damaged::refuse(connection, row.ordinal, &refusal)?;
            gone.hashes.insert(change.hash);
        }
    }
    documents::set_actor(connection, document, None)?;
    documents::set_projected(connection, document, false)
}

/// What is kept of a row that cannot be read.
fn left_of(row: RawRow, home: Option<DocumentRow>) -> DamagedRow {
    let unknown = || DefinitionRef { id: String::new(), version: 0, hash: ContentHash([0; 32]) };
    DamagedRow {
        id: ActorId(short_hash("xunyuan/damaged/1", &[&row.ordinal.to_be_bytes(), &row.bytes])),
        ordinal: row.ordinal,
        document: home.as_ref().map(|home| home.document).or(row.document).unwrap_or(DocumentId([0; 16])),
        scope: home.as_ref().map(|home| home.scope.clone()).or(row.scope).unwrap_or_else(|| ScopeId::new("")),
        definition: home.map_or_else(unknown, |home| home.definition),
        hash: row.hash,
        written_at_ms: row.written_at_ms.unwrap_or_default(),
        bytes: row.bytes,
    }
}

/// Text that can still be made out in bytes: characters that people write, in pieces long enough to be no
/// chance.
pub(super) fn words_in(bytes: &[u8]) -> Vec<String> {
    let pieces = bytes.utf8_chunks().flat_map(|chunk| chunk.valid().split(char::is_control));
    let is_words = |piece: &&str| {
        let count = piece.chars().count();
        let foreign = piece.chars().filter(|one| !one.is_ascii() && one.is_alphanumeric()).count();
        foreign >= WORDS_CHARS_MIN || (count >= WORDS_ASCII_MIN && piece.is_ascii())
    };
    pieces.filter(is_words).map(str::to_owned).collect()
}

impl Replica {
    /// Damaged work as it stands among the drafts.
    pub(super) fn damaged_drafts(&self) -> Result<Vec<RefusedDraft>, Error> {
        Ok(damaged::all(self.store.reader())?.iter().map(as_draft).collect())
    }

    /// The damaged work that a draft's id names.
    pub(super) fn damaged(&self, id: ActorId) -> Result<Option<DamagedRow>, Error> {
        Ok(damaged::all(self.store.reader())?.into_iter().find(|row| row.id == id))
    }

    /// Gives damaged work up; that it was there stays written down.
    pub(super) fn discard_damaged(&mut self, row: &DamagedRow, moment: &Moment) -> Result<u32, Error> {
        let note = DiscardedRow {
            document: row.document,
            actor: row.id,
            changes: 1,
            refusal_code: codes::DAMAGED.to_owned(),
            at_ms: moment.unix_ms,
        };
        self.store.write(|connection| {
            outbox::note_discarded(connection, &note)?;
            damaged::remove(connection, row.ordinal)
        })?;
        Ok(note.changes)
    }
}

/// Damaged work with the words that can be made out of it.
pub(super) fn view(row: &DamagedRow) -> DraftView {
    DraftView { draft: as_draft(row), steps: Vec::new(), is_readable: false, words: words_in(&row.bytes) }
}

/// Damaged work as a file for support: its bytes and what can be made out of them.
pub(super) fn exported(row: &DamagedRow) -> Vec<u8> {
    let draft = as_draft(row);
    let file = json!({
        "draft": 1,
        "id": row.id.to_string(),
        "document": row.document.to_string(),
        "scope": row.scope.as_str(),
        "definition": row.definition.id,
        "version": row.definition.version,
        "hash": row.definition.hash.to_string(),
        "refusal": refusal_json(&draft.refusal),
        "words": words_in(&row.bytes),
        "changes": [{
            "hash": row.hash.map(|hash| hash.to_string()),
            "written_at_ms": row.written_at_ms,
            "bytes": data_encoding::HEXLOWER.encode(&row.bytes),
        }],
    });
    format!("{file:#}\n").into_bytes()
}

fn as_draft(row: &DamagedRow) -> RefusedDraft {
    RefusedDraft {
        id: row.id,
        document: row.document,
        scope: row.scope.clone(),
        definition: row.definition.clone(),
        changes: 1,
        first_written_at_ms: row.written_at_ms,
        last_written_at_ms: row.written_at_ms,
        refusal: Refusal::new(
            codes::DAMAGED,
            "本机文件损坏,这次填写已读不出来,没有提交;能辨认的文字见下,请重新填写,需要时导出交支持人员",
            "the device's file was damaged and this can no longer be read or sent; see the words that can be made out, write it again, and export it for support if need be",
        ),
        given_back_for: None,
    }
}

#[cfg(test)]
mod tests {
    use super::words_in;

    #[test]
    fn words_are_made_out_of_damaged_bytes() {
        let mut bytes = b"\x85\x6f\x4a\x83\x00\x01field/content".to_vec();
        bytes.extend("\u{1}卫生间渗水".as_bytes());
        bytes.extend([0xff, 0xe6, 0x00, b'a', b'b', 0x00]);
        bytes.extend("好".as_bytes());
        assert_eq!(words_in(&bytes), ["field/content", "卫生间渗水"]);
        assert!(words_in(&[]).is_empty());
    }
}
