//! A branch inside a test of one replica: just enough of it to answer.

use super::*;
use crate::limits::REQUEST_BYTES_MAX;
use crate::wire::frame;
use crate::wire::log::{Chain, Digest, Link, head_signing_bytes};
use crate::wire::message::{Body, Directive, Head, Record, Reply, Request, ScopeReply, Verdict};

/// The branch as far as two devices that agree need it: it takes every run and gives it to everyone.
pub(super) struct Branch {
    key: Key,
    log: Vec<(ScopeId, Record, DefinitionRef)>,
    /// Documents of which it refuses the first run of each push, and parks the others.
    pub(super) refused: BTreeSet<DocumentId>,
    /// Documents that it orders another author id for.
    pub(super) forked: BTreeSet<DocumentId>,
}

impl Branch {
    pub(super) fn new() -> Self {
        Self {
            key: Key::from_seed(&[5; 32]),
            log: Vec::new(),
            refused: BTreeSet::new(),
            forked: BTreeSet::new(),
        }
    }

    fn answer(&mut self, device: &Replica, body: &[u8]) -> Vec<u8> {
        let request: Request = frame::decode(body, REQUEST_BYTES_MAX).unwrap();
        let mut verdicts = Vec::new();
        let mut refused = BTreeSet::new();
        let order = |document: &DocumentId| Directive::NewActor { document: *document };
        let directives = self.forked.iter().map(order).collect();
        for pushed in request.push {
            if self.forked.contains(&pushed.document) {
                verdicts.push(refusal());
                continue;
            }
            if self.refused.contains(&pushed.document) {
                let is_first = refused.insert(pushed.document);
                verdicts.push(if is_first { refusal() } else { Verdict::Parked { missing: Vec::new() } });
                continue;
            }
            let seq = 1 + self.log.iter().filter(|(scope, ..)| *scope == pushed.scope).count() as u64;
            let definition = request.definitions[pushed.run.definition as usize].clone();
            let record = Record {
                seq,
                document: pushed.document,
                device: device.identity().device,
                user: device.user().clone(),
                received_at_ms: NOW_MS + i64::try_from(self.log.len()).unwrap(),
                body: Body::Run(pushed.run),
            };
            self.log.push((pushed.scope, record, definition));
            verdicts.push(Verdict::Accepted { seq });
        }
        let mut definitions = Vec::new();
        let pages = request.scopes.iter().map(|asked| {
            let (mut chain, mut digest) = (Chain::default(), Digest::default());
            let mut records = Vec::new();
            let mut next_cursor = 0;
            for (scope, record, definition) in self.log.iter().filter(|(scope, ..)| *scope == asked.scope) {
                chain = chain.next(scope, &Link::of(record));
                next_cursor = record.seq;
                let Body::Run(run) = &record.body else { unreachable!("only runs are logged") };
                let (hashes, _) = run::hashes(&run.changes, run.actor).unwrap();
                hashes.iter().for_each(|hash| digest.add(&record.document, hash));
                if record.seq > asked.cursor {
                    let mut record = record.clone();
                    if record.device == device.identity().device {
                        record.body = Body::Own(run.last_hash);
                    } else if let Body::Run(run) = &mut record.body {
                        run.definition = u32::try_from(definitions.len()).unwrap();
                        definitions.push(definition.clone());
                    }
                    records.push(record);
                }
            }
            let signed = head_signing_bytes(&asked.scope, 1, next_cursor, &chain, &digest);
            let signature = self.key.sign(&signed);
            let head = Some(Head { count: digest.count, sum: digest.sum, signature });
            let scope = asked.scope.clone();
            ScopeReply { scope, epoch: 1, records, next_cursor, chain: chain.0, head, more: false }
        });
        let scopes = pages.collect();
        frame::encode(&Reply {
            server_time_ms: NOW_MS,
            verdicts,
            scopes,
            definitions,
            grants: None,
            directives,
            restored: Vec::new(),
            repairs: None,
        })
    }
}

fn refusal() -> Verdict {
    let refusal = Refusal::new("role_not_allowed", "岗位不允许", "the role may not");
    Verdict::Rejected { refusal, from_change: 0 }
}

impl Device {
    /// Knows the branch's key and scopes, as if it had enrolled there.
    pub(super) fn of_branch(user: &str, name: &str, branch: &Branch) -> Self {
        let mut device = Self::of(user, name);
        let key = branch.key.public();
        device.replica.identity.server_key = key;
        let stored = device.replica.store.reader().execute("UPDATE identity SET server_key = ?1", [key]);
        assert_eq!(stored.unwrap(), 1);
        device
    }

    pub(super) fn exchange(&mut self, branch: &mut Branch) -> Progress {
        let progress = self.exchange_refused(branch);
        assert!(progress.reset.is_empty() && progress.refused.is_empty(), "{progress:?}");
        progress
    }

    pub(super) fn exchange_refused(&mut self, branch: &mut Branch) -> Progress {
        self.replica.wake_now();
        let now = self.now();
        let body = self.replica.poll_request(&now).unwrap().unwrap();
        let reply = branch.answer(&self.replica, &body);
        self.replica.handle_reply(&reply, &now).unwrap()
    }
}
