//! What is new for a device: the page of each scope after its cursor.

use rusqlite::Connection;
use std::collections::{BTreeSet, HashMap};
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::id::{DefinitionRef, DeviceId, DocumentId, ScopeId};
use xunyuan_core::limits::{PAGE_BYTES_MAX, REQUEST_WANTED_MAX};
use xunyuan_core::projection;
use xunyuan_core::wire::log::{Chain, Digest, head_signing_bytes};
use xunyuan_core::wire::message::{
    Body, Cut, Directive, Head, Record, Restored, Run, ScopeReply, ScopeRequest,
};
use xunyuan_core::wire::repair::{Placed, Repair, Repaired, Rung};

use super::repair::{self, Loss, link};
use super::shared::{Identity, Shared};
use super::store::{self, log::LogRow, scope::HeadRow};

/// Bytes that a record takes beside its changes, roughly.
const RECORD_OVERHEAD: usize = 220;
/// Bytes of a record that names only a hash, roughly.
const OWN_OVERHEAD: usize = 120;
/// Most rows of one scope that are put into one answer of a repair.
const NEED_MAX: usize = 512;
/// The stream that carries definitions: read before the records that need them.
const DEFINITIONS: &str = "definitions";

/// One reply's worth of records.
#[derive(Default)]
pub(super) struct Page {
    pub(super) scopes: Vec<ScopeReply>,
    /// What the runs' documents are records of.
    pub(super) definitions: Vec<DefinitionRef>,
    pub(super) directives: Vec<Directive>,
    /// Records of wanted documents.
    pub(super) restored: Vec<Restored>,
    /// Answers to repairs.
    pub(super) repairs: Vec<Repaired>,
}

/// What a device asks to be sent.
pub(super) struct Wish<'a> {
    pub(super) device: DeviceId,
    /// The scopes granted to its person, sorted.
    pub(super) grants: &'a [ScopeId],
    pub(super) scopes: &'a [ScopeRequest],
    /// Documents that it holds as stubs and needs in full.
    pub(super) wanted: &'a [DocumentId],
    pub(super) keep_after_ms: Option<i64>,
    pub(super) max_bytes: u32,
    /// What it says of scopes that it repairs.
    pub(super) repairs: &'a [Repair],
    pub(super) now_ms: i64,
}

/// What is known of a cursor.
enum Start {
    /// It belongs to this log, whose chain there is this.
    At(Chain),
    /// It belongs to another log.
    Elsewhere,
    /// The rows that would tell are lost.
    Lost,
}

/// Collects a page while its bytes last.
struct Pager<'a> {
    conn: &'a Connection,
    shared: &'a Shared,
    identity: &'a Identity,
    now_ms: i64,
    device: DeviceId,
    keep_after_ms: Option<i64>,
    /// Documents looked at: true for those that ended long ago.
    resting: HashMap<DocumentId, bool>,
    left: usize,
    any: bool,
    places: HashMap<DefinitionRef, u32>,
    page: Page,
}

/// The records after the cursors of every requested scope that is granted. A scope that is not granted
/// is passed over in silence: whether it exists is nobody's business.
pub(super) fn page(conn: &Connection, shared: &Shared, wish: &Wish<'_>) -> Result<Page, Error> {
    let mut pager = Pager {
        conn,
        shared,
        identity: &shared.identity,
        now_ms: wish.now_ms,
        device: wish.device,
        keep_after_ms: wish.keep_after_ms,
        resting: HashMap::new(),
        left: usize::try_from(wish.max_bytes.min(PAGE_BYTES_MAX)).unwrap_or(usize::MAX),
        any: false,
        places: HashMap::new(),
        page: Page::default(),
    };
    let is_granted = |scope: &ScopeId| wish.grants.binary_search(scope).is_ok();
    for document in wish.wanted.iter().take(REQUEST_WANTED_MAX) {
        let row = store::document::find(conn, *document)?;
        if let Some(row) = row.filter(|row| is_granted(&row.scope)) {
            pager.restore(*document, &row.scope)?;
        }
    }
    for repair in wish.repairs.iter().filter(|repair| is_granted(&repair.scope)) {
        pager.repair(repair)?;
    }
    let mut order: Vec<&ScopeRequest> =
        wish.scopes.iter().filter(|request| is_granted(&request.scope)).collect();
    order.sort_by_key(|request| request.scope.stream() != DEFINITIONS);
    for request in order {
        match pager.scope(request) {
            // A damaged row holds up its own scope: the others go on, and the device asks again.
            Err(error) if error.kind() == ErrorKind::Damaged => {
                tracing::error!(%error, "a scope's log cannot be read; run verify");
            }
            paged => paged?,
        }
    }
    Ok(pager.page)
}

impl Pager<'_> {
    fn scope(&mut self, request: &ScopeRequest) -> Result<(), Error> {
        let head = store::scope::head(self.conn, &request.scope)?;
        let loss = self.shared.losses.of(&request.scope);
        if let Some(loss) = &loss {
            self.wish(request, loss);
        }
        let holes = loss.map(|loss| loss.holes).unwrap_or_default();
        let chain = match self.start(request, &head, &holes)? {
            Start::At(chain) => chain,
            Start::Elsewhere => {
                let cut = self.cut(request, &head)?;
                let rungs = self.rungs(request, &head)?;
                let scope = request.scope.clone();
                self.page.directives.push(Directive::ResetScope { scope, cut, rungs });
                return Ok(());
            }
            // Nothing can be said of the scope before its log is mended.
            Start::Lost => return Ok(()),
        };
        let mut reply = ScopeReply {
            scope: request.scope.clone(),
            epoch: self.identity.epoch(),
            records: Vec::new(),
            next_cursor: request.cursor,
            chain: chain.0,
            head: None,
            more: false,
        };
        if request.cursor < head.seq {
            let is_whole = self.records(request, &holes, &mut reply)?;
            if !is_whole && reply.records.is_empty() {
                return Ok(());
            }
            group(&mut reply.records);
        }
        let is_news = reply.next_cursor != request.cursor;
        if !is_news {
            // The device knows the chain that it asked with.
            reply.chain = [0; 32];
        }
        reply.more = reply.next_cursor < head.seq;
        if reply.more {
            // Later scopes wait: a page that ends in the middle of one takes nothing of the next.
            self.left = 0;
        } else {
            let is_held = !is_news && request.epoch == reply.epoch && request.held == Some(head.digest.tag());
            reply.head = Some(if is_held { Head::HELD } else { self.signed(&request.scope, &head) });
        }
        self.page.scopes.push(reply);
        Ok(())
    }

    /// Whether the cursor belongs to this log, and the chain there.
    fn start(&self, request: &ScopeRequest, head: &HeadRow, holes: &BTreeSet<u64>) -> Result<Start, Error> {
        let cursor = request.cursor;
        if cursor == 0 {
            return Ok(Start::At(Chain::default()));
        }
        // A cursor of an earlier epoch is still good up to where that epoch's log was cut.
        let last = if request.epoch == self.identity.epoch() {
            head.seq
        } else {
            store::scope::cut(self.conn, &request.scope)?.map_or(0, |(seq, _)| seq)
        };
        if cursor > last {
            return Ok(Start::Elsewhere);
        }
        let stored = if holes.contains(&cursor) {
            None
        } else {
            store::log::chain_at(self.conn, &request.scope, cursor)?
        };
        let asked = Chain(request.chain);
        let fits = match stored {
            Some(stored) => Some(stored == asked),
            // The row itself is lost: the head, or the row behind it, may still prove the chain there.
            None if cursor == head.seq => Some(asked == head.chain),
            None if holes.contains(&(cursor + 1)) => None,
            None => store::log::at(self.conn, &request.scope, cursor + 1)?
                .map(|behind| asked.next(&request.scope, &link(&behind)) == behind.chain),
        };
        Ok(match fits {
            Some(true) => Start::At(asked),
            Some(false) => Start::Elsewhere,
            None => Start::Lost,
        })
    }

    /// Places of the log at growing distances, for a device that looks for the last one at which its own
    /// log is the same.
    fn rungs(&self, request: &ScopeRequest, head: &HeadRow) -> Result<Option<Vec<Rung>>, Error> {
        let top = request.cursor.min(head.seq);
        let steps = std::iter::once(0).chain((0..63).map(|power| 1_u64 << power));
        let mut rungs = Vec::new();
        for seq in steps.map_while(|step| top.checked_sub(step).filter(|seq| *seq > 0)) {
            if let Some(chain) = store::log::chain_at(self.conn, &request.scope, seq)? {
                let mut short = [0; 8];
                short.copy_from_slice(&chain.0[..8]);
                rungs.push(Rung { seq, chain: short });
            }
        }
        Ok((!rungs.is_empty()).then_some(rungs))
    }

    /// Asks a device that has been where the log lacks rows to be compared with.
    fn wish(&mut self, request: &ScopeRequest, loss: &Loss) {
        let is_beyond = loss.holes.first().is_some_and(|first| *first <= request.cursor);
        if is_beyond && !self.page.repairs.iter().any(|repaired| repaired.scope == request.scope) {
            let scope = request.scope.clone();
            self.page.repairs.push(Repaired { scope, frame: None, rows: Vec::new(), wish: Some(loss.wish) });
        }
    }

    /// Answers what a device says of a scope that it repairs.
    fn repair(&mut self, repair: &Repair) -> Result<(), Error> {
        let frame = repair::compare(self.conn, self.shared, repair, self.now_ms)?;
        let loss = self.shared.losses.of(&repair.scope).unwrap_or_default();
        let mut rows = Vec::new();
        for seq in repair.need.iter().take(NEED_MAX).filter(|seq| !loss.holes.contains(seq)) {
            if self.left == 0 && self.any {
                break;
            }
            if let Some(row) = store::log::at(self.conn, &repair.scope, *seq)? {
                let chain = row.chain.0;
                let (record, size) = self.record(row, false)?;
                self.left = self.left.saturating_sub(size);
                self.any = true;
                rows.push(Placed { record, chain });
            }
        }
        let wish = (!loss.holes.is_empty()).then_some(loss.wish);
        self.page.repairs.push(Repaired { scope: repair.scope.clone(), frame, rows, wish });
        Ok(())
    }

    /// Where a device that is ahead of this log, or beside it, may find common ground.
    fn cut(&self, request: &ScopeRequest, head: &HeadRow) -> Result<Option<Cut>, Error> {
        let epoch = self.identity.epoch();
        let at = if request.epoch == epoch {
            // The file was put back without the new epoch that a backup starts: all that is left is the
            // end of the log as it is now.
            (request.cursor > head.seq && head.seq > 0).then_some((head.seq, head.chain))
        } else {
            store::scope::cut(self.conn, &request.scope)?
        };
        Ok(at.map(|(seq, chain)| Cut { epoch, seq, chain: chain.0 }))
    }

    /// The records after the cursor, as many as fit; false when they end at a row that is lost.
    fn records(
        &mut self,
        request: &ScopeRequest,
        holes: &BTreeSet<u64>,
        reply: &mut ScopeReply,
    ) -> Result<bool, Error> {
        let (conn, cursor) = (self.conn, request.cursor);
        if holes.contains(&(cursor + 1)) {
            return Ok(false);
        }
        let (mut next, mut is_gap) = (cursor + 1, true);
        let read = store::log::read_after(conn, &request.scope, cursor, |row| {
            let is_own = row.origin.device == self.device && !request.full;
            let (seq, chain) = (row.seq, row.chain);
            is_gap = seq != next;
            if is_gap {
                return Ok(false);
            }
            let (record, size) = self.record(row, is_own)?;
            // One record always fits: a device that asks for little still gets on.
            if size > self.left && self.any {
                return Ok(false);
            }
            next += 1;
            self.left = self.left.saturating_sub(size);
            self.any = true;
            (reply.next_cursor, reply.chain) = (seq, chain.0);
            reply.records.push(record);
            Ok(self.left > 0 && !holes.contains(&next))
        });
        if let Err(error) = &read {
            // One row that cannot be read must not stop what can.
            tracing::error!(%error, "a row of the log cannot be read");
        }
        let is_lost = is_gap || read.is_err();
        if is_lost {
            repair::look(conn, self.shared, &request.scope, self.now_ms)?;
        }
        Ok(!is_lost)
    }

    /// All records of a wanted document in full; documents are bounded, so they are not cut.
    fn restore(&mut self, document: DocumentId, scope: &ScopeId) -> Result<(), Error> {
        if self.left == 0 && self.any {
            return Ok(());
        }
        self.resting.insert(document, false);
        for row in store::log::of_document(self.conn, document)? {
            let (record, size) = self.record(row, false)?;
            self.left = self.left.saturating_sub(size);
            self.any = true;
            self.page.restored.push(Restored { scope: scope.clone(), record });
        }
        Ok(())
    }

    /// True for a document that ended and was last touched before what the device keeps.
    fn is_resting(&mut self, document: DocumentId) -> Result<bool, Error> {
        let Some(keep_after_ms) = self.keep_after_ms else { return Ok(false) };
        if let Some(known) = self.resting.get(&document) {
            return Ok(*known);
        }
        let is_resting = store::log::last_received_ms(self.conn, document)? < keep_after_ms
            && projection::row(self.conn, document)?.is_some_and(|row| row.terminal && row.clashes == 0);
        self.resting.insert(document, is_resting);
        Ok(is_resting)
    }

    /// A row as it travels, and its size.
    fn record(&mut self, row: LogRow, is_own: bool) -> Result<(Record, usize), Error> {
        let LogRow { seq, document, origin, last_hash, run, definition, .. } = row;
        let (body, size) = match (run, definition) {
            (Some(_), _) if is_own => (Body::Own(last_hash), OWN_OVERHEAD),
            (Some(run), _) if self.is_resting(document)? => {
                let mut share = Digest::default();
                run.changes.iter().for_each(|(hash, _)| share.add(&document, hash));
                let changes = u32::try_from(share.count).unwrap_or(u32::MAX);
                (Body::Stub { last_hash, changes, sum: share.sum }, OWN_OVERHEAD)
            }
            (Some(run), Some(definition)) => {
                let size = RECORD_OVERHEAD + run.packed.len();
                let run = Run {
                    definition: self.place(definition),
                    actor: run.actor,
                    changes: run.packed,
                    last_hash,
                    signature: run.signature,
                };
                (Body::Run(run), size)
            }
            (Some(_), None) => return Err(inconsistent("a run without its document")),
            (None, _) => {
                let (reference, json) = store::definition::of_document(self.conn, document)?
                    .ok_or_else(|| inconsistent("a definition's content is missing"))?;
                let size = RECORD_OVERHEAD + json.len();
                (Body::Definition { reference, json }, size)
            }
        };
        let record = Record {
            seq,
            document,
            device: origin.device,
            user: origin.user,
            received_at_ms: origin.received_at_ms,
            body,
        };
        Ok((record, size))
    }

    /// The definition's place in the reply's list.
    fn place(&mut self, definition: DefinitionRef) -> u32 {
        if let Some(place) = self.places.get(&definition) {
            return *place;
        }
        let place = u32::try_from(self.page.definitions.len()).unwrap_or(u32::MAX);
        self.page.definitions.push(definition.clone());
        self.places.insert(definition, place);
        place
    }

    fn signed(&self, scope: &ScopeId, head: &HeadRow) -> Head {
        let bytes = head_signing_bytes(scope, self.identity.epoch(), head.seq, &head.chain, &head.digest);
        Head { count: head.digest.count, sum: head.digest.sum, signature: self.identity.key.sign(&bytes) }
    }
}

/// Puts the records of a document next to each other, documents in the order of their first record: alike
/// bytes compress better side by side, and a device applies a document's records in one batch. The range
/// of seqs stays contiguous as a whole.
fn group(records: &mut [Record]) {
    let mut first: HashMap<DocumentId, u64> = HashMap::new();
    for record in records.iter() {
        first.entry(record.document).or_insert(record.seq);
    }
    records.sort_by_key(|record| (first.get(&record.document).copied(), record.seq));
}

fn inconsistent(what: &str) -> Error {
    Error::new(
        ErrorKind::Damaged,
        "分公司数据文件的内容不一致;请运行 verify",
        format!("the branch's data file is inconsistent ({what}); run verify"),
    )
}
