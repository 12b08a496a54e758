//! The replica's side of the exchange: what it asks and pushes.

use rusqlite::Connection;
use std::collections::BTreeMap;

use super::Replica;
use super::apply::unasked;
use crate::error::{Error, ErrorKind, Refusal, Sentence};
use crate::exchange::mending::Mending;
use crate::exchange::{Asked, SentRun};
use crate::id::{ActorId, DefinitionRef, DeviceId, DocumentId, ScopeId};
use crate::limits::{
    PAGE_BYTES_MAX, REQUEST_BYTES_MAX, REQUEST_SCOPES_MAX, REQUEST_WANTED_MAX, RUN_CHANGES_MAX,
};
use crate::projection;
use crate::store::documents::{self, RecordRow};
use crate::store::former;
use crate::store::outbox::{self, OutboxRow};
use crate::store::scopes::{self, ScopeRow};
use crate::store::{Durability, Store, identity, stubs};
use crate::time::Moment;
use crate::wire::key::Key;
use crate::wire::log::{Digest, grants_tag};
use crate::wire::message::{Author, Health, PROTOCOL, PushedRun, Reply, Request, Run, ScopeRequest};
use crate::wire::{frame, run};

/// Most bytes of one kind that are pushed in a request beside others, as they are stored; the rest follows.
const PUSH_BYTES_MAX: usize = REQUEST_BYTES_MAX / 4;
/// Most bytes of unsent work in a request that carries nothing else: a thousand records are three round trips,
/// and the server's limit is not reached however they are cut into runs.
const OUTBOX_BYTES_MAX: usize = REQUEST_BYTES_MAX / 16 * 9;

/// Why no usable answer came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection, a timeout, an answer that breaks off.
    Unreachable,
    /// The server asks to come back later.
    Busy {
        /// Its wish, milliseconds.
        retry_after_ms: Option<i64>,
    },
}

/// What one answer brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Pushed changes that the server now holds.
    pub acknowledged: u32,
    /// Pushed changes that the server refused, with the reasons.
    pub refused: Vec<Refusal>,
    /// Changes made again under a fresh author id, because another copy of this store went on under the
    /// old one.
    pub renewed: u32,
    /// Records received.
    pub received: u32,
    /// Documents that changed through others' work.
    pub touched: Vec<DocumentId>,
    /// Records given back to a server that had lost them.
    pub given_back: u32,
    /// Pushed runs that wait for predecessors the server lacks.
    pub parked: u32,
    /// True when another request should follow at once.
    pub more: bool,
    /// Scopes that had to start again, because cursor, chain or digest did not fit.
    pub reset: Vec<ScopeId>,
    /// Scopes that the person no longer holds and whose records left the device; drafts stayed.
    pub left: Vec<ScopeId>,
    /// Rows of the log that had been lost here and are back, and rows that were given to a server which
    /// lacked them.
    pub repaired: u32,
    /// True when a comparison with the server went on by a message.
    pub is_comparing: bool,
    /// What the server says must be done about this app or device.
    pub notices: Vec<Sentence>,
    /// True when the device was revoked and its data erased.
    pub wiped: bool,
}

impl Replica {
    /// Asks for an exchange as soon as waiting after failures allows.
    pub const fn wake(&mut self) {
        self.exchange.wake();
    }

    /// Asks for an exchange now: a person wants it, or signal came back.
    pub const fn wake_now(&mut self) {
        self.exchange.wake_now();
    }

    /// Asks for pages of at most so many bytes from now on: what takes in one page is one step, which a
    /// background task of a phone must finish in time.
    pub fn ask_in_pages_of(&mut self, bytes: u32) {
        self.page_bytes = bytes.min(PAGE_BYTES_MAX);
    }

    /// The body to `POST` to `/v1/exchange` now, if an exchange is due; if none is, a part of the rows
    /// that a long catch-up left for later is written.
    ///
    /// # Errors
    /// Storage errors.
    pub fn poll_request(&mut self, moment: &Moment) -> Result<Option<Vec<u8>>, Error> {
        if self.is_erased() {
            return Ok(None);
        }
        if !self.exchange.is_due(moment.unix_ms) {
            self.write_rows()?;
            return Ok(None);
        }
        self.look_after_store()?;
        let (request, asked) = self.request(moment)?;
        self.exchange.sent(asked);
        Ok(Some(frame::encode(&request)))
    }

    /// When to poll again, milliseconds since 1970; `None` when nothing is waited for. While rows wait
    /// to be written that is at once, unless the branch's answer is awaited.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<i64> {
        if self.has_late_rows() && !self.exchange.is_under_way() {
            return Some(0);
        }
        self.exchange.poll_timeout()
    }

    /// Notes that no usable answer came. Nothing is lost.
    pub fn handle_failure(&mut self, failure: &Failure, moment: &Moment) {
        let retry_after_ms = match failure {
            Failure::Unreachable => None,
            Failure::Busy { retry_after_ms } => *retry_after_ms,
        };
        let [a, b, c, d, ..] = moment.entropy;
        self.exchange.failed(moment.unix_ms, retry_after_ms, u32::from_be_bytes([a, b, c, d]));
    }

    /// Takes the server's answer: verdicts, records, directives.
    ///
    /// Everything that an answer brings is one transaction: verdicts, and for each scope records, cursor,
    /// chain and digest. A scope whose page does not check out stays where it was.
    ///
    /// # Errors
    /// `Protocol` when the answer cannot be read (counted as a failure), storage errors.
    pub fn handle_reply(&mut self, body: &[u8], moment: &Moment) -> Result<Progress, Error> {
        let reply: Reply = match frame::decode(body, REQUEST_BYTES_MAX) {
            Ok(reply) => reply,
            Err(error) => {
                self.handle_failure(&Failure::Unreachable, moment);
                return Err(error);
            }
        };
        let Some(asked) = self.exchange.answered() else {
            return Err(unasked());
        };
        if reply.verdicts.len() != asked.runs.len() {
            self.handle_failure(&Failure::Unreachable, moment);
            return Err(unasked());
        }
        let mut progress = Progress::default();
        // Nobody relies on what an answer without news leaves behind, so nobody waits for the disk.
        let has_news = is_news(&reply) || outbox::has_forked(self.store.reader())?;
        let durability = if has_news { Durability::OnDisk } else { Durability::Soon };
        let before = (self.catalog.clone(), self.identity.clone());
        let result =
            Store::together(self, durability, |replica| replica.settle(&asked, reply, moment, &mut progress));
        if let Err(error) = result {
            (self.catalog, self.identity) = before;
            self.key = Key::from_seed(&self.identity.seed);
            self.mending = Mending::default();
            self.loaded.clear();
            self.rows_wait();
            return Err(error);
        }
        self.store.fold_in()?;
        if progress.more {
            self.exchange.wake();
        }
        Ok(progress)
    }

    fn settle(
        &mut self,
        asked: &Asked,
        reply: Reply,
        moment: &Moment,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        let offset = reply.server_time_ms - moment.unix_ms;
        self.store.write(|connection| identity::set_clock_offset(connection, offset))?;
        self.identity.clock_offset_ms = Some(offset);
        if let Some(grants) = &reply.grants {
            self.take_grants(grants)?;
            progress.more = true;
        }
        self.take_verdicts(&asked.runs, &reply, progress)?;
        let mut proven = Vec::new();
        let was_blank = self.catalog.organisation().is_none();
        let Reply { scopes, definitions, directives, restored, verdicts, repairs, .. } = reply;
        self.take_repairs(asked, repairs.unwrap_or_default(), &definitions, moment, progress)?;
        let (first, rest): (Vec<_>, Vec<_>) =
            scopes.into_iter().partition(|page| page.scope.stream() == "definitions");
        for page in first.into_iter().chain(rest) {
            let scope = page.scope.clone();
            if self.take_page(asked, page, &definitions, moment, progress)? {
                proven.push(scope);
            }
        }
        for (sent, verdict) in asked.runs.iter().zip(&verdicts) {
            if let Some(scope) = &sent.back_to {
                self.take_back_verdict(sent, scope, verdict, progress)?;
            }
        }
        self.take_restored(restored, &definitions, moment, progress)?;
        self.renew_forked(&proven, moment, progress)?;
        if progress.renewed > 0 {
            self.identity = identity::load(self.store.reader())?;
        }
        self.follow(asked, &directives, progress)?;
        self.leave_withdrawn(progress)?;
        self.write_few_rows()?;
        progress.more |= !stubs::wanted(self.store.reader(), 1)?.is_empty() && !asked.wanted_any;
        if !progress.more {
            self.clear_old(moment)?;
        }
        let waiting = outbox::pending_count(self.store.reader())? > 0;
        let gave_back = asked.runs.iter().any(|sent| sent.back_to.is_some());
        let is_lost = !former::waiting(self.store.reader(), 1)?.is_empty();
        progress.more |= is_lost && (!gave_back || progress.given_back > 0);
        let moved_on = progress.acknowledged > 0 || !progress.refused.is_empty();
        // A blank replica asked for the organisation alone; the other scopes follow at once.
        progress.more |= was_blank && self.catalog.organisation().is_some();
        progress.more |= (waiting && moved_on) || self.exchange.is_mid_turn(REQUEST_SCOPES_MAX - 1);
        Ok(())
    }

    fn request(&mut self, moment: &Moment) -> Result<(Request, Asked), Error> {
        let connection = self.store.reader();
        let granted: Vec<ScopeRow> = scopes::all(connection)?.into_iter().filter(|row| row.granted).collect();
        let names: Vec<ScopeId> = granted.iter().map(|row| row.scope.clone()).collect();
        let (first, rest): (Vec<_>, Vec<_>) =
            granted.into_iter().partition(|row| row.scope.stream() == "definitions");
        // Until the organisation is known, neither rows nor retention can be right: ask for it first.
        let most = if self.catalog.organisation().is_some() { REQUEST_SCOPES_MAX - 1 } else { 0 };
        let turn = self.exchange.take_turn(&rest, most);
        let scopes: Vec<ScopeRequest> =
            first.into_iter().chain(turn).map(|row| self.scope_request(row)).collect::<Result<_, _>>()?;
        let is_alone = former::waiting(connection, 1)?.is_empty() && self.mending.sessions.is_empty();
        let pending = outbox::pending(connection, if is_alone { OUTBOX_BYTES_MAX } else { PUSH_BYTES_MAX })?;
        // What the server has lost goes first: later work builds on it, and so do official numbers.
        let Push { mut definitions, runs: push, sent: runs } = {
            let mut push = Push::default();
            for record in former::waiting(connection, PUSH_BYTES_MAX)? {
                push.give_back(connection, record, self.identity.device)?;
            }
            for rows in as_runs(&pending) {
                let row = documents::find(connection, rows[0].document)?.ok_or_else(lost_document)?;
                let run = self.signed_run(&row.scope, &rows, push.place(&row.definition))?;
                let hashes = rows.iter().map(|row| row.hash).collect();
                push.sent.push(SentRun {
                    document: row.document,
                    hashes,
                    back_to: None,
                    run: Some(run.clone()),
                    last_seq: rows.last().map_or(0, |row| row.seq),
                });
                push.runs.push(PushedRun { scope: row.scope, document: row.document, run, author: None });
            }
            push
        };
        let (repairs, repairing) = self.repairs(&mut definitions)?;
        let wanted = stubs::wanted(connection, REQUEST_WANTED_MAX)?;
        let wanted_any = !wanted.is_empty();
        let request = Request {
            protocol: PROTOCOL,
            app: concat!("xunyuan/", env!("CARGO_PKG_VERSION")).to_owned(),
            schema: self.store.schema_version(),
            device_time_ms: moment.unix_ms,
            max_bytes: self.page_bytes,
            grants_tag: grants_tag(&names),
            scopes: scopes.clone(),
            definitions,
            push,
            health: Health {
                pending_changes: outbox::pending_count(connection)?
                    .saturating_sub(u32::try_from(pending.len()).unwrap_or(u32::MAX)),
                pending_photos: self.unsent_file_count()?.0,
                conflicts: projection::conflict_count(connection)?,
            },
            keep_after_ms: self.keep_after_ms(moment),
            wanted,
            repairs: (!repairs.is_empty()).then_some(repairs),
        };
        Ok((request, Asked { scopes, runs, wanted_any, repairs: repairing }))
    }

    /// Where the replica stands in a scope.
    fn scope_request(&self, row: ScopeRow) -> Result<ScopeRequest, Error> {
        let digest = Digest { count: row.count, sum: row.sum };
        let mut at = ScopeRequest {
            scope: row.scope,
            epoch: row.epoch,
            cursor: row.cursor,
            chain: row.chain,
            full: row.want_own,
            held: None,
        };
        let kept = self.kept_head(&at)?.filter(|head| (head.count, head.sum) == (row.count, row.sum));
        at.held = kept.map(|_| digest.tag());
        Ok(at)
    }

    /// Packs and signs consecutive changes of one document.
    pub(super) fn signed_run(
        &self,
        scope: &ScopeId,
        rows: &[&OutboxRow],
        definition: u32,
    ) -> Result<Run, Error> {
        let chunks: Vec<&[u8]> = rows.iter().map(|row| row.bytes.as_slice()).collect();
        let (first, last) = (rows.first(), rows.last());
        let (Some(first), Some(last)) = (first, last) else { return Err(lost_document()) };
        let signing =
            run::signing_bytes(scope, &first.document, &first.actor, &self.identity.user, &last.hash);
        Ok(Run {
            definition,
            actor: first.actor,
            changes: run::pack(&chunks)?,
            last_hash: last.hash,
            signature: self.key.sign(&signing),
        })
    }
}

/// A push in the making.
#[derive(Default)]
struct Push {
    definitions: Vec<DefinitionRef>,
    runs: Vec<PushedRun>,
    sent: Vec<SentRun>,
}

impl Push {
    /// The place of a definition in the request's list.
    fn place(&mut self, definition: &DefinitionRef) -> u32 {
        place_in(&mut self.definitions, definition)
    }

    /// Adds a record that the server has lost, under the name of whoever signed it.
    fn give_back(&mut self, connection: &Connection, record: RecordRow, own: DeviceId) -> Result<(), Error> {
        let row = documents::find(connection, record.document)?.ok_or_else(lost_document)?;
        let author = Author { device: record.device, user: record.user };
        self.sent.push(SentRun {
            document: record.document,
            hashes: vec![record.last_hash],
            back_to: Some(record.scope.clone()),
            run: None,
            last_seq: 0,
        });
        let run = Run {
            definition: self.place(&row.definition),
            actor: record.actor,
            changes: record.changes,
            last_hash: record.last_hash,
            signature: record.signature,
        };
        let author = (author.device != own).then_some(author);
        self.runs.push(PushedRun { scope: record.scope, document: record.document, run, author });
        Ok(())
    }
}

/// The place of a definition in a list of a message.
pub(super) fn place_in(definitions: &mut Vec<DefinitionRef>, definition: &DefinitionRef) -> u32 {
    let place = definitions.iter().position(|held| held == definition).unwrap_or_else(|| {
        definitions.push(definition.clone());
        definitions.len() - 1
    });
    u32::try_from(place).unwrap_or(u32::MAX)
}

/// True when an answer says anything but that all is as it was.
fn is_news(reply: &Reply) -> bool {
    !reply.verdicts.is_empty()
        || !reply.directives.is_empty()
        || !reply.restored.is_empty()
        || reply.grants.is_some()
        || reply.repairs.is_some()
        || reply.scopes.iter().any(|page| !page.records.is_empty())
}

/// Cuts pending changes into runs: consecutive changes of one actor on one document, each directly
/// building on the one before, in the order of their first change.
fn as_runs(pending: &[OutboxRow]) -> Vec<Vec<&OutboxRow>> {
    let mut runs: Vec<Vec<&OutboxRow>> = Vec::new();
    let mut open: BTreeMap<(DocumentId, ActorId), usize> = BTreeMap::new();
    for row in pending {
        let key = (row.document, row.actor);
        let joined = open.get(&key).copied().filter(|index| {
            let run = &runs[*index];
            row.follows
                && run.len() < RUN_CHANGES_MAX
                && run.last().is_some_and(|last| last.seq.checked_add(1) == Some(row.seq))
        });
        match joined {
            Some(index) => runs[index].push(row),
            None => {
                open.insert(key, runs.len());
                runs.push(vec![row]);
            }
        }
    }
    runs
}

fn lost_document() -> Error {
    Error::new(
        ErrorKind::Corrupt,
        "待同步的内容缺少所属记录;请导出后联系分公司",
        "pending work lacks its record; export it and tell the branch",
    )
}
