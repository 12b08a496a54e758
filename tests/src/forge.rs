//! A modified app: it writes what it likes and signs it with the key of an enrolled device.

use xunyuan_core::document::model::{Edit, Event, Model, Stamped, Value};
use xunyuan_core::document::{Document, RawChange};
use xunyuan_core::id::{ActorId, DefinitionRef, DocumentId, ScopeId, UserId};
use xunyuan_core::limits::{PAGE_BYTES_MAX, REQUEST_BYTES_MAX};
use xunyuan_core::replica::ExportedRecord;
use xunyuan_core::wire::key::Key;
use xunyuan_core::wire::log::grants_tag;
use xunyuan_core::wire::message::{Health, PROTOCOL, PushedRun, Reply, Request, Run};
use xunyuan_core::wire::{frame, run};

use crate::laws::chunks;
use crate::world::World;

/// Work on one record behind the app's back.
#[derive(Clone, Debug)]
pub struct Forger {
    /// The key that signs.
    pub key: Key,
    /// For whom it signs.
    pub user: UserId,
    /// Into which scope it pushes.
    pub scope: ScopeId,
    /// The definition that it names.
    pub definition: DefinitionRef,
    /// The author id of its changes.
    pub actor: ActorId,
    document: Document,
    written: Vec<RawChange>,
}

impl Forger {
    /// A forger with the key of `device` and all that the device holds of a record.
    ///
    /// # Panics
    /// When the device does not hold the record.
    #[must_use]
    pub fn on(world: &mut World, device: usize, record: DocumentId) -> Self {
        let actor = ActorId(world.seed.bytes()[..16].try_into().expect("sixteen bytes"));
        let replica = world.replica(device);
        let exported: Vec<ExportedRecord> = replica.export().expect("the replica exports");
        let held = exported.into_iter().find(|held| held.document == record).expect("the record is here");
        let text_keys = replica.catalog().text_keys(&held.definition).expect("the definition is here");
        let mut document = Document::new(record, &held.definition, &text_keys);
        let changes: Vec<RawChange> = chunks(&held)
            .into_iter()
            .map(|chunk| RawChange::parse(chunk).expect("a stored change"))
            .collect();
        document.apply(&changes).expect("stored changes apply");
        Self {
            key: Key::from_seed(&replica.identity().seed),
            user: replica.user().clone(),
            scope: held.scope,
            definition: held.definition,
            actor,
            document,
            written: Vec::new(),
        }
    }

    /// What the forger's copy says.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn model(&self) -> Model {
        self.document.model().expect("the forger's copy can be read")
    }

    /// A value under a key, in the forger's person's name.
    #[must_use]
    pub fn put(&self, key: &str, value: Value) -> Edit {
        Edit::Put { key: key.to_owned(), stamped: Stamped { value, by: self.user.clone(), at_ms: 1 } }
    }

    /// An event with the ancestry that an honest app would name.
    #[must_use]
    pub fn event(&self, kind: &str, from: &str, data: &[(&str, &str)]) -> Edit {
        let data = data.iter().map(|(key, value)| ((*key).to_owned(), Value::Text((*value).to_owned())));
        Edit::Event(Event {
            id: format!("f{}", self.written.len()),
            kind: kind.to_owned(),
            by: self.user.clone(),
            at_ms: 1,
            from: from.to_owned(),
            after: self.model().latest_events(),
            data: data.collect(),
        })
    }

    /// Writes a change.
    ///
    /// # Panics
    /// When even the document room refuses it.
    pub fn write(&mut self, edits: &[Edit]) {
        self.written.push(self.document.edit(self.actor, edits).expect("the document takes the edit"));
    }

    /// What was written, from the change with index `first` on, packed and signed.
    ///
    /// # Panics
    /// When nothing was written.
    #[must_use]
    pub fn run(&self, first: usize) -> PushedRun {
        let raw: Vec<&[u8]> = self.written[first..].iter().map(|change| change.bytes.as_slice()).collect();
        let last_hash = self.written.last().expect("something was written").hash;
        let document = self.document.id();
        let signed = run::signing_bytes(&self.scope, &document, &self.actor, &self.user, &last_hash);
        let run = Run {
            definition: 0,
            actor: self.actor,
            changes: run::pack(&raw).expect("own changes pack"),
            last_hash,
            signature: self.key.sign(&signed),
        };
        PushedRun { scope: self.scope.clone(), document, run, author: None }
    }
}

/// A request that pushes runs and asks for nothing.
#[must_use]
pub fn request(definitions: Vec<DefinitionRef>, push: Vec<PushedRun>) -> Request {
    Request {
        protocol: PROTOCOL,
        app: "modified/1".to_owned(),
        schema: 1,
        device_time_ms: 0,
        max_bytes: PAGE_BYTES_MAX,
        grants_tag: grants_tag(&[]),
        scopes: Vec::new(),
        definitions,
        push,
        health: Health::default(),
        keep_after_ms: None,
        wanted: Vec::new(),
        repairs: None,
    }
}

/// Pushes runs that are records of one definition, and returns the branch's reply.
///
/// # Panics
/// When the branch refuses the exchange as a whole.
pub fn push(world: &mut World, device: usize, definition: &DefinitionRef, runs: Vec<PushedRun>) -> Reply {
    let body = frame::encode(&request(vec![definition.clone()], runs));
    let reply = world.deliver(device, &body).expect("the branch answers");
    frame::decode(&reply, REQUEST_BYTES_MAX).expect("the reply can be read")
}
