//! The hub under test, with phones made of documents alone.

mod admission;
mod desk;
mod duties;
mod enrolment;
mod exchange;
mod files;
mod hooks;
mod upkeep;
mod writing;

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use xunyuan_core::definition::{Definition, embedded, sample_organisation};
use xunyuan_core::document::model::{Edit, Event, Stamped, Value};
use xunyuan_core::document::{Document, RawChange, line_id};
use xunyuan_core::id::{
    ActorId, ChangeHash, DefinitionRef, DocumentId, ScopeId, UserId, hash_parts, short_hash,
};
use xunyuan_core::wire::key::{self, Key};
use xunyuan_core::wire::log::{Chain, Digest, Link, grants_tag, head_signing_bytes};
use xunyuan_core::wire::message::{
    Body, EnrollReply, EnrollRequest, Health, PROTOCOL, PushedRun, Record, Reply, Request, Run, ScopeReply,
    ScopeRequest, Verdict,
};
use xunyuan_core::wire::{frame, run};

use super::{Device, Hub, HubOptions};

/// Monday 2026-11-23, 09:00 in Shanghai.
const NINE: i64 = 1_795_395_600_000;
const PATROL: &str = "pj.lanyuan/patrol";
const DESK: &str = "pj.lanyuan/desk";

/// A directory that is taken away again.
struct Dir(PathBuf);

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn dir() -> Dir {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("xunyuan-hub-{}-{number}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    Dir(path)
}

fn open(dir: &Dir) -> Hub {
    Hub::open(&dir.0, &HubOptions::new([1; 32])).unwrap()
}

fn everything() -> Vec<Definition> {
    let mut all = embedded().to_vec();
    all.push(sample_organisation().clone());
    all
}

/// A branch with the shipped definitions and the sample organisation.
fn branch() -> (Dir, Hub) {
    let dir = dir();
    let hub = open(&dir);
    hub.publish(&everything(), NINE).unwrap();
    (dir, hub)
}

fn enroll_request(key: &Key, invitation: &str) -> EnrollRequest {
    EnrollRequest {
        invitation: invitation.to_owned(),
        public_key: data_encoding::HEXLOWER.encode(&key.public()),
        proof: data_encoding::HEXLOWER.encode(&key.sign(&key::enroll_bytes(invitation))),
        app: "test/1".to_owned(),
    }
}

/// Where a phone stands in a scope, computed from what it received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Standing {
    epoch: u64,
    cursor: u64,
    chain: Chain,
    digest: Digest,
}

/// A device of the test: real documents, real signatures, no store.
struct Phone {
    key: Key,
    device: Device,
    token: String,
    actor: ActorId,
    standing: BTreeMap<ScopeId, Standing>,
    documents: BTreeMap<DocumentId, Document>,
    scopes: BTreeMap<DocumentId, ScopeId>,
    unsigned: BTreeMap<DocumentId, Vec<RawChange>>,
    written: BTreeMap<DocumentId, Vec<ChangeHash>>,
    counted: HashSet<(DocumentId, ChangeHash)>,
    max_bytes: u32,
}

impl Phone {
    fn enroll(hub: &Hub, user: &str, number: u8) -> Self {
        let key = Key::from_seed(&[number; 32]);
        let invitation = hub.invite(&UserId::new(user), 60_000, NINE, hash_parts("i", &[&[number]])).unwrap();
        let reply: EnrollReply = hub
            .enroll(&enroll_request(&key, &invitation.secret), NINE, hash_parts("e", &[&[number]]))
            .unwrap();
        assert_eq!(reply.grants, hub.grants(&UserId::new(user)).unwrap());
        let device = hub.authenticate(&reply.token).unwrap();
        let standing = reply.grants.into_iter().map(|scope| (scope, Standing::default())).collect();
        Self {
            actor: ActorId(short_hash("actor", &[&[number]])),
            key,
            device,
            token: reply.token,
            standing,
            documents: BTreeMap::new(),
            scopes: BTreeMap::new(),
            unsigned: BTreeMap::new(),
            written: BTreeMap::new(),
            counted: HashSet::new(),
            max_bytes: 2 << 20,
        }
    }

    fn user(&self) -> &str {
        self.device.user.as_str()
    }

    fn put(&self, key: &str, value: Value) -> Edit {
        let stamped = Stamped { value, by: self.device.user.clone(), at_ms: NINE };
        Edit::Put { key: key.to_owned(), stamped }
    }

    /// An event as an honest author writes it now.
    fn event(&self, document: DocumentId, kind: &str, from: &str) -> Edit {
        let held = &self.documents[&document];
        Edit::Event(Event {
            id: line_id(self.actor, held.next_seq(self.actor), 0),
            kind: kind.to_owned(),
            by: self.device.user.clone(),
            at_ms: NINE,
            from: from.to_owned(),
            after: held.model().unwrap().latest_events(),
            data: BTreeMap::new(),
        })
    }

    fn edit(&mut self, document: DocumentId, edits: &[Edit]) -> RawChange {
        let change = self.documents.get_mut(&document).unwrap().edit(self.actor, edits).unwrap();
        self.unsigned.entry(document).or_default().push(change.clone());
        self.written.entry(document).or_default().push(change.hash);
        change
    }

    fn hold(&mut self, hub: &Hub, document: DocumentId, definition: &DefinitionRef, scope: &ScopeId) {
        let keys = hub.catalog().text_keys(definition).unwrap();
        self.documents.entry(document).or_insert_with(|| Document::new(document, definition, &keys));
        self.scopes.insert(document, scope.clone());
    }

    /// Opens a patrol sheet; equal numbers make the same sheet on every phone.
    fn open_sheet(&mut self, hub: &Hub, number: u8) -> DocumentId {
        let document = DocumentId([number; 16]);
        let definition = hub.catalog().reference_of("tpl.park_patrol").unwrap().clone();
        self.hold(hub, document, &definition, &ScopeId::new(PATROL));
        let create = self.event(document, "create", "");
        let project = self.put("header/project_id", Value::Text("pj.lanyuan".to_owned()));
        self.edit(document, &[create, project]);
        document
    }

    /// Answers an item of a sheet.
    fn answer(&mut self, document: DocumentId, item: &str, option: &str) -> RawChange {
        let edit = self.put(&format!("item/{item}"), Value::Text(option.to_owned()));
        self.edit(document, &[edit])
    }

    /// Records a front-desk entry.
    fn open_entry(&mut self, hub: &Hub, number: u8) -> DocumentId {
        let document = DocumentId([number; 16]);
        let definition = hub.catalog().reference_of("led.front_desk").unwrap().clone();
        self.hold(hub, document, &definition, &ScopeId::new(DESK));
        let text = |value: &str| Value::Text(value.to_owned());
        let mut edits = vec![self.event(document, "create", "")];
        for (field, value) in [
            ("project_id", text("pj.lanyuan")),
            ("created_by", text(self.user())),
            ("created_at", Value::Int(NINE)),
            ("channel", text("phone")),
            ("category", text("fd.suggest.service")),
            ("first_contact", text(self.user())),
            ("urgency", text("normal")),
            ("owner_dept", text("dept.eng")),
        ] {
            edits.push(self.put(&format!("field/{field}"), value));
        }
        edits.push(Edit::Text { key: "content".to_owned(), to: Some("卫生间顶部滴水".to_owned()) });
        self.edit(document, &edits);
        document
    }

    /// Signs consecutive changes as a run; `definition` indexes the request's list.
    fn sign(&self, document: DocumentId, changes: &[RawChange], definition: u32) -> PushedRun {
        let scope = self.scopes[&document].clone();
        let last_hash = changes.last().unwrap().hash;
        let actor = changes[0].actor;
        let signed = run::signing_bytes(&scope, &document, &actor, &self.device.user, &last_hash);
        let raw: Vec<&[u8]> = changes.iter().map(|change| change.bytes.as_slice()).collect();
        let run = Run {
            definition,
            actor,
            changes: run::pack(&raw).unwrap(),
            last_hash,
            signature: self.key.sign(&signed),
        };
        PushedRun { scope, document, run, author: None }
    }

    /// The outbox as a request: runs end where a change does not follow directly on the one before.
    fn request(&self) -> Request {
        let mut definitions: Vec<DefinitionRef> = Vec::new();
        let mut push = Vec::new();
        for (document, changes) in &self.unsigned {
            definitions.push(self.documents[document].definition().clone());
            let index = u32::try_from(definitions.len() - 1).unwrap();
            for part in changes.chunk_by(|before, after| after.deps.contains(&before.hash)) {
                push.push(self.sign(*document, part, index));
            }
        }
        let scopes = self.standing.iter().map(|(scope, at)| ScopeRequest {
            scope: scope.clone(),
            epoch: at.epoch,
            cursor: at.cursor,
            chain: at.chain.0,
            full: false,
            held: None,
        });
        let grants: Vec<ScopeId> = self.standing.keys().cloned().collect();
        Request {
            protocol: PROTOCOL,
            app: "test/1".to_owned(),
            schema: 1,
            device_time_ms: NINE + 1_000,
            max_bytes: self.max_bytes,
            grants_tag: grants_tag(&grants),
            scopes: scopes.collect(),
            definitions,
            push,
            health: Health { pending_changes: 3, pending_photos: 0, conflicts: 1 },
            keep_after_ms: None,
            wanted: Vec::new(),
            repairs: None,
        }
    }

    fn send(&self, hub: &Hub, request: &Request) -> Reply {
        let reply = hub.exchange(&self.device, &frame::encode(request), NINE).unwrap();
        frame::decode(&reply, 64 << 20).unwrap()
    }

    /// One whole exchange: everything pushed must be taken, everything received must check out.
    fn sync(&mut self, hub: &Hub) -> Reply {
        let request = self.request();
        let reply = self.send(hub, &request);
        assert_eq!(reply.verdicts.len(), request.push.len());
        for verdict in &reply.verdicts {
            assert!(matches!(verdict, Verdict::Accepted { .. } | Verdict::Duplicate { .. }), "{verdict:?}");
        }
        self.unsigned.clear();
        self.receive(hub, &reply);
        reply
    }

    fn sync_all(&mut self, hub: &Hub) {
        while self.sync(hub).scopes.iter().any(|scope| scope.more) {}
    }

    fn receive(&mut self, hub: &Hub, reply: &Reply) {
        for scope in &reply.scopes {
            let mut at = self.standing[&scope.scope].clone();
            at.epoch = scope.epoch;
            let mut records: Vec<&Record> = scope.records.iter().collect();
            records.sort_by_key(|record| record.seq);
            for record in records {
                assert_eq!(record.seq, at.cursor + 1);
                at.cursor = record.seq;
                at.chain = at.chain.next(&scope.scope, &Link::of(record));
                self.record(hub, reply, scope, record, &mut at.digest);
            }
            // Where nothing is new the chain is not repeated.
            let chain = if scope.records.is_empty() { [0; 32] } else { at.chain.0 };
            assert_eq!((at.cursor, chain), (scope.next_cursor, scope.chain));
            assert_eq!(scope.head.is_none(), scope.more);
            if let Some(head) = &scope.head {
                assert_eq!((at.digest.count, at.digest.sum), (head.count, head.sum));
                let bytes = head_signing_bytes(&scope.scope, at.epoch, at.cursor, &at.chain, &at.digest);
                assert!(key::verify(&hub.public_key(), &bytes, &head.signature));
            }
            self.standing.insert(scope.scope.clone(), at);
        }
    }

    fn record(&mut self, hub: &Hub, reply: &Reply, scope: &ScopeReply, record: &Record, digest: &mut Digest) {
        let document = record.document;
        let hashes = match &record.body {
            Body::Run(run) => {
                let definition = &reply.definitions[usize::try_from(run.definition).unwrap()];
                self.hold(hub, document, definition, &scope.scope);
                let chunks = run::unpack(&run.changes, run.actor).unwrap();
                let changes: Vec<RawChange> =
                    chunks.into_iter().map(|chunk| RawChange::parse(chunk).unwrap()).collect();
                self.documents.get_mut(&document).unwrap().apply(&changes).unwrap();
                changes.iter().map(|change| change.hash).collect()
            }
            Body::Own(last) => self.own_until(document, last),
            Body::Definition { .. } => vec![record.body.last_hash()],
            Body::Stub { .. } => panic!("nothing was asked to be left out"),
        };
        for hash in hashes {
            if self.counted.insert((document, hash)) {
                digest.add(&document, &hash);
            }
        }
    }

    /// Hashes of this phone's changes of a document, up to one.
    fn own_until(&self, document: DocumentId, last: &ChangeHash) -> Vec<ChangeHash> {
        let held = &self.written[&document];
        let place = held.iter().position(|hash| hash == last).unwrap();
        held[..=place].to_vec()
    }
}
