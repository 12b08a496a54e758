//! Records that are in the branch before something is measured, written without replicas.

use std::ops::Range;

use xunyuan_core::id::{DefinitionRef, ScopeId, UserId};
use xunyuan_core::replica::Replica;
use xunyuan_core::store::identity::Identity;
use xunyuan_core::wire::frame;
use xunyuan_core::wire::key::Key;
use xunyuan_core::wire::log::grants_tag;
use xunyuan_core::wire::message::{Health, PROTOCOL, PushedRun, Reply, Request, Run, Verdict};
use xunyuan_core::wire::run::{pack, signing_bytes};
use xunyuan_server::hub::Hub;

use super::device::{Carry as _, Http};
use super::record::{self, Content, Written};
use super::stage::now_ms;

/// Records in one request.
const PUSH_RECORDS: usize = 150;
/// Records that are written and pushed before the next are begun.
const BATCH: usize = 600;
/// Threads that write records.
const THREADS: usize = 2;

/// A device that fills the branch: it speaks the exchange and nothing else.
pub(super) struct Seeder {
    key: Key,
    identity: Identity,
    definition: DefinitionRef,
    project: String,
}

impl Seeder {
    /// Takes over what a freshly enrolled replica is.
    pub(super) fn of(replica: &Replica, definition: &DefinitionRef, project: &str) -> Self {
        let identity = replica.identity().clone();
        let key = Key::from_seed(&identity.seed);
        Self { key, identity, definition: definition.clone(), project: project.to_owned() }
    }

    /// Writes records, on several threads; each of `seed` and its place.
    pub(super) fn write(&self, seed: u64, records: usize) -> Vec<Written> {
        let one = |thread: usize| {
            let mut content = Content::of(seed.wrapping_mul(31).wrapping_add(thread as u64));
            let share = records / THREADS + usize::from(thread < records % THREADS);
            let by = &self.identity.user;
            let write = |_| record::write(&mut content, &self.definition, &self.project, by, now_ms());
            (0..share).map(write).collect::<Vec<Written>>()
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || one(thread))).collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("no record fails")).collect()
        })
    }

    /// Fills the branch from `held` up to `wanted` records; the first ones written come back.
    pub(super) fn fill(&self, hub: &Hub, held: usize, wanted: usize) -> Vec<Written> {
        let mut first = Vec::new();
        for start in (held..wanted).step_by(BATCH) {
            let part = self.write(start as u64 + 1, BATCH.min(wanted - start));
            self.push(&part, 0, |body| {
                let device = hub.authenticate(&self.identity.token).expect("the device is enrolled");
                hub.exchange(&device, body, now_ms()).expect("the branch takes the records")
            });
            if start == held {
                first = part;
            }
        }
        first
    }

    /// Edits records and pushes the edits over the network: work of someone else.
    pub(super) fn edit(&self, content: &mut Content, records: &mut [Written], edits: usize, url: &str) {
        let from = records.first().map_or(0, |written| written.changes.len());
        for written in records.iter_mut() {
            for number in 0..edits {
                written.answer(content, number * 3, &self.identity.user, now_ms());
            }
        }
        let mut http = Http::of(&self.identity, url);
        self.push(records, from, |body| http.post(body).expect("the branch answers"));
    }

    /// Fills the branch with at least `rows` rows of its log: every change of a record is a run of its own. Says
    /// how many they are.
    pub(super) fn fill_rows(&self, hub: &Hub, rows: usize) -> usize {
        let device = hub.authenticate(&self.identity.token).expect("the device is enrolled");
        let mut held = 0;
        while held < rows {
            let wanted = (rows - held).div_ceil(record::CHANGES).min(BATCH);
            for part in self.write(held as u64 + 1, wanted).chunks(PUSH_RECORDS / 6) {
                let runs: Vec<PushedRun> = part
                    .iter()
                    .flat_map(|written| {
                        (0..written.changes.len()).map(|place| self.run(written, place..place + 1))
                    })
                    .collect();
                held += runs.len();
                self.carry(runs, |body| {
                    hub.exchange(&device, body, now_ms()).expect("the branch takes the records")
                });
            }
        }
        held
    }

    fn push(&self, records: &[Written], from: usize, mut carry: impl FnMut(&[u8]) -> Vec<u8>) {
        for part in records.chunks(PUSH_RECORDS) {
            let runs = part.iter().map(|written| self.run(written, from..written.changes.len()));
            self.carry(runs.collect(), &mut carry);
        }
    }

    fn carry(&self, push: Vec<PushedRun>, mut carry: impl FnMut(&[u8]) -> Vec<u8>) {
        let request = Request {
            protocol: PROTOCOL,
            app: "bench/1".to_owned(),
            schema: 2,
            device_time_ms: now_ms(),
            max_bytes: 1,
            grants_tag: grants_tag(&[]),
            scopes: Vec::new(),
            definitions: vec![self.definition.clone()],
            push,
            health: Health::default(),
            keep_after_ms: None,
            wanted: Vec::new(),
            repairs: None,
        };
        let reply: Reply = frame::decode(&carry(&frame::encode(&request)), 1 << 24).expect("it is a reply");
        for verdict in &reply.verdicts {
            assert!(matches!(verdict, Verdict::Accepted { .. }), "not accepted: {verdict:?}");
        }
    }

    fn run(&self, written: &Written, changes: Range<usize>) -> PushedRun {
        let last_hash = written.changes[changes.end - 1].hash;
        let changes: Vec<&[u8]> = written.changes[changes].iter().map(|change| &change.bytes[..]).collect();
        let scope = ScopeId::of(&self.project, "patrol");
        let (document, user): (_, &UserId) = (written.document.id(), &self.identity.user);
        let signed = signing_bytes(&scope, &document, &written.actor, user, &last_hash);
        PushedRun {
            scope,
            document,
            run: Run {
                definition: 0,
                actor: written.actor,
                changes: pack(&changes).expect("consecutive changes of one actor"),
                last_hash,
                signature: self.key.sign(&signed),
            },
            author: None,
        }
    }
}
