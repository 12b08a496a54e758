//! The branch's logs as a run has seen them: read on with every step, each row against what came before it.
//!
//! Chain, digest, hashes, signatures and causes are computed here again, so that after every step the whole log
//! is verified from zero although only new rows are read; so are the rows that lists show of each record.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use data_encoding::{BASE64, HEXLOWER};
use serde_json::Value as Json;
use xunyuan_core::document::{Document, RawChange};
use xunyuan_core::id::{ActorId, ChangeHash, DefinitionRef, DeviceId, DocumentId, ScopeId, UserId};
use xunyuan_core::wire::log::{Chain, Digest, Link};
use xunyuan_core::wire::{key, run};

use super::rows::Rows;
use crate::world::World;

/// All logs of the branch.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    scopes: BTreeMap<ScopeId, Vec<Rc<Row>>>,
    records: BTreeMap<DocumentId, Record>,
    /// Public keys of everyone who may sign.
    keys: BTreeMap<DeviceId, [u8; 32]>,
    /// Records whose rows for lists are to be looked at.
    dirty: BTreeSet<DocumentId>,
    /// Published definitions when those rows were last looked at.
    definitions: usize,
}

/// One row.
#[derive(Debug)]
struct Row {
    document: DocumentId,
    definition: Option<DefinitionRef>,
    changes: Vec<RawChange>,
    last_hash: ChangeHash,
    chain: Chain,
    /// Over all rows up to this one.
    digest: Digest,
}

/// A record as the log has it.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) scope: ScopeId,
    definition: DefinitionRef,
    document: Document,
    known: BTreeSet<ChangeHash>,
    /// Fingerprint of its rows for lists, once they were looked at.
    rows: Option<[u8; 32]>,
}

impl Log {
    /// Notes the key of a device that was enrolled.
    pub(super) fn note_key(&mut self, public: [u8; 32]) {
        self.keys.insert(DeviceId::of_key(&public), public);
    }

    /// Law 4: reads on, and checks every new row.
    ///
    /// # Panics
    /// When a log was cut, or a row does not follow.
    pub(super) fn follow(&mut self, world: &World) {
        for standing in world.hub.standings().expect("the branch knows how its logs stand") {
            let scope = &standing.scope;
            let seen = self.length(scope);
            assert!(standing.seq >= seen, "law 4: the log of {scope} was cut");
            if standing.seq > seen {
                self.note_key(world.hub.public_key());
                let read = |line: &str| {
                    self.take(world, scope, &serde_json::from_str(line).expect("a line is JSON"));
                    Ok(())
                };
                world.hub.export_after(scope, seen, read).expect("the branch hands out its log");
            }
            let (chain, digest) = self.end(scope);
            let says = (standing.chain, standing.count, standing.sum);
            assert_eq!(says, (chain.0, digest.count, digest.sum), "law 4: the head of {scope}");
        }
    }

    /// The branch was put back: what it has now is a beginning of what was seen, or something else.
    pub(super) fn put_back(&mut self, world: &World) {
        let standings = world.hub.standings().expect("the branch knows how its logs stand");
        let mut scopes = BTreeMap::new();
        for standing in standings {
            let mut rows = self.scopes.remove(&standing.scope).unwrap_or_default();
            rows.truncate(usize::try_from(standing.seq).expect("a log is short"));
            if rows.last().is_none_or(|row| row.chain.0 != standing.chain) {
                rows.clear();
            }
            scopes.insert(standing.scope, rows);
        }
        self.scopes = scopes;
        self.records.clear();
        self.dirty.clear();
        for (scope, rows) in self.scopes.clone() {
            rows.iter().for_each(|row| self.keep(world, &scope, row));
        }
    }

    /// Law 4: every row is still what it was when it was first seen.
    ///
    /// # Panics
    /// When one is another now.
    pub(super) fn is_unchanged(&self, world: &World) {
        let mut counts: BTreeMap<ScopeId, usize> = BTreeMap::new();
        let read = |line: &str| {
            let row: Json = serde_json::from_str(line).expect("a line is JSON");
            let scope = ScopeId::new(text(&row["scope"]));
            let place = counts.entry(scope.clone()).or_default();
            let was = self.scopes.get(&scope).and_then(|rows| rows.get(*place));
            let was = was.unwrap_or_else(|| panic!("law 4: row {place} of {scope} was never seen"));
            *place += 1;
            assert_eq!(HEXLOWER.encode(&was.chain.0), text(&row["chain"]), "law 4: row {place} of {scope}");
            assert_eq!(was.last_hash.to_string(), text(&row["last_hash"]), "law 4: row {place} of {scope}");
            Ok(())
        };
        world.hub.export_records(read).expect("the branch hands out its log");
        for (scope, rows) in &self.scopes {
            assert_eq!(
                counts.get(scope).copied().unwrap_or(0),
                rows.len(),
                "law 4: rows of {scope} are gone"
            );
        }
    }

    /// Law 3 at the branch: the rows of every record that moved are those of its changes.
    ///
    /// # Panics
    /// When they are not.
    pub(super) fn rows_follow(&mut self, world: &World, rows: &Rows) {
        if world.hub.waiting_rows().expect("the branch counts the rows that wait") > 0 {
            return;
        }
        let catalog = world.hub.catalog();
        let definitions = catalog.definitions_scope().map_or(0, |scope| self.length(&scope));
        if usize::try_from(definitions).is_ok_and(|count| count != self.definitions) {
            self.definitions = usize::try_from(definitions).expect("a log is short");
            self.dirty = self.records.keys().copied().collect();
        }
        for document in std::mem::take(&mut self.dirty) {
            let record = self.records.get_mut(&document).expect("it was read from the log");
            let model = record.document.model().expect("a logged document can be read");
            let wanted = rows.of(&catalog, &record.scope, &model);
            let here = world.hub.fingerprint_of(document).expect("rows can be read");
            assert_eq!(wanted, here, "law 3: rows of {document} at the branch");
            record.rows = Some(here);
        }
    }

    /// Has everything of the branch looked at again.
    pub(super) fn forget_rows(&mut self) {
        self.dirty = self.records.keys().copied().collect();
    }

    /// How many rows a scope has.
    pub(super) fn length(&self, scope: &ScopeId) -> u64 {
        self.scopes.get(scope).map_or(0, |rows| rows.len() as u64)
    }

    /// Chain and digest at a place of a scope's log, where the log is that long.
    pub(super) fn at(&self, scope: &ScopeId, seq: u64) -> Option<(Chain, Digest)> {
        let Some(place) = seq.checked_sub(1) else { return Some((Chain::default(), Digest::default())) };
        let row = self.scopes.get(scope)?.get(usize::try_from(place).ok()?)?;
        Some((row.chain, row.digest))
    }

    /// Fingerprints of the rows of a scope's records, where all were looked at.
    pub(super) fn rows(&self, scope: &ScopeId) -> Option<BTreeMap<DocumentId, [u8; 32]>> {
        let of_scope = self.records.iter().filter(|(_, record)| record.scope == *scope);
        of_scope
            .map(|(document, record)| {
                let rows = record.rows.filter(|_| !self.dirty.contains(document))?;
                Some((*document, rows))
            })
            .collect()
    }

    fn end(&self, scope: &ScopeId) -> (Chain, Digest) {
        self.at(scope, self.length(scope)).expect("the end of a log is in it")
    }

    /// Checks one row behind the last and keeps it.
    fn take(&mut self, world: &World, scope: &ScopeId, row: &Json) {
        let (before, mut digest) = self.end(scope);
        let seq = self.length(scope) + 1;
        let wrong = |what: &str| format!("law 4: row {seq} of {scope}: {what}");
        let document: DocumentId = text(&row["document"]).parse().expect("a document id");
        let last_hash: ChangeHash = text(&row["last_hash"]).parse().expect("a hash");
        let (device, user) =
            (text(&row["device"]).parse().expect("a device"), UserId::new(text(&row["user"])));
        let is_run = row["kind"] == "run";
        let link = Link {
            seq: row["seq"].as_u64().expect("a seq"),
            kind: if is_run { 1 } else { 2 },
            document,
            last_hash,
            device,
            user: &user,
            received_at_ms: row["received_at_ms"].as_i64().expect("a time"),
        };
        assert_eq!(link.seq, seq, "{}", wrong("the row before is missing"));
        let chain = before.next(scope, &link);
        assert_eq!(HEXLOWER.encode(&chain.0), text(&row["chain"]), "{}", wrong("its chain"));
        let (mut changes, mut definition) = (Vec::new(), None);
        if is_run {
            let actor: ActorId = text(&row["actor"]).parse().expect("an author id");
            let packed = BASE64.decode(text(&row["changes"]).as_bytes()).expect("bytes in base64");
            let chunks = run::unpack(&packed, actor).expect("a logged run unpacks");
            changes.extend(chunks.into_iter().map(|chunk| RawChange::parse(chunk).expect("a logged change")));
            let hashes = row["hashes"].as_array().expect("hashes").iter().map(text);
            assert!(
                hashes.eq(changes.iter().map(|change| change.hash.to_string())),
                "{}",
                wrong("its hashes")
            );
            let signature = HEXLOWER.decode(text(&row["signature"]).as_bytes()).expect("hex");
            let signature: [u8; 64] = signature.try_into().expect("a signature has 64 bytes");
            let signed = run::signing_bytes(scope, &document, &actor, &user, &last_hash);
            let public = self.keys.get(&device).unwrap_or_else(|| panic!("{}", wrong("an unknown device")));
            assert!(key::verify(public, &signed, &signature), "{}", wrong("its signature"));
            definition = Some(reference(&row["definition"]));
        }
        let last = changes.last().map_or(last_hash, |change| change.hash);
        assert_eq!(last, last_hash, "{}", wrong("its last change"));
        if is_run {
            changes.iter().for_each(|change| digest.add(&document, &change.hash));
        } else {
            digest.add(&document, &last_hash);
        }
        let row = Rc::new(Row { document, definition, changes, last_hash, chain, digest });
        self.keep(world, scope, &row);
        self.scopes.entry(scope.clone()).or_default().push(row);
    }

    /// Adds a row to its record: every change comes after all that it builds on.
    fn keep(&mut self, world: &World, scope: &ScopeId, row: &Rc<Row>) {
        let Some(definition) = &row.definition else { return };
        let record = self.records.entry(row.document).or_insert_with(|| {
            let keys = world.hub.catalog().text_keys(definition).expect("the definition is published");
            let document = Document::new(row.document, definition, &keys);
            let known = BTreeSet::from([document.genesis_hash()]);
            Record { scope: scope.clone(), definition: definition.clone(), document, known, rows: None }
        });
        assert_eq!((&record.scope, &record.definition), (scope, definition), "law 4: {} moved", row.document);
        for change in &row.changes {
            let is_caused =
                !change.deps.is_empty() && change.deps.iter().all(|dep| record.known.contains(dep));
            assert!(is_caused, "law 4: a change of {} comes before what it builds on", row.document);
            assert!(record.known.insert(change.hash), "law 4: a change of {} is there twice", row.document);
        }
        record.document.apply(&row.changes).expect("logged changes apply");
        self.dirty.insert(row.document);
    }
}

fn text(value: &Json) -> &str {
    value.as_str().expect("a text")
}

fn reference(value: &Json) -> DefinitionRef {
    DefinitionRef {
        id: text(&value["id"]).to_owned(),
        version: value["version"]
            .as_u64()
            .and_then(|version| u32::try_from(version).ok())
            .expect("a version"),
        hash: text(&value["hash"]).parse().expect("a hash"),
    }
}
