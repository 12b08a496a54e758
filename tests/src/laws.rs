//! The laws of the design, as checks over a whole world; each panics and names the law.
//!
//! Law 6 (a restored server) is checked where restores are played.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;
use xunyuan_core::definition::Catalog;
use xunyuan_core::document::model::{Edit, Event};
use xunyuan_core::document::{Document, RawChange};
use xunyuan_core::id::{ActorId, DefinitionRef, DocumentId, ScopeId};
use xunyuan_core::projection::{self, Filter};
use xunyuan_core::replica::{ExportedRecord, Status};
use xunyuan_core::rules::codes;
use xunyuan_core::store::scopes::ScopeRow;
use xunyuan_core::wire::run;

use crate::oracle::{Said, merged};
use crate::seed::Seed;
use crate::world::World;

/// Something that a person wrote: record, key or kind of event, author, device time and what it says.
///
/// A fact, not a change: work of a cloned phone is written anew under another author id, and says the
/// same.
type Fact = (DocumentId, String);

/// What was ever saved on each device of a world, to find out that nothing of it goes.
#[derive(Debug, Default)]
pub struct Saved {
    by_device: BTreeMap<usize, BTreeSet<Fact>>,
    scopes: BTreeMap<DocumentId, ScopeId>,
}

impl Saved {
    /// Law 1: what a device has saved stays with it, pending until the branch answers for it; refused
    /// work counts as kept. Records of a scope that the person no longer holds may leave, once the branch
    /// has them.
    ///
    /// # Panics
    /// When something that was saved is gone.
    pub fn check(&mut self, world: &mut World) {
        for device in world.live() {
            let replica = world.replica(device);
            let catalog = replica.catalog().clone();
            let mut here = BTreeSet::new();
            for record in replica.export().expect("the replica exports") {
                here.extend(facts(&catalog, record.document, &record.definition, chunks(&record)));
                self.scopes.insert(record.document, record.scope);
            }
            for change in replica.refused().expect("the replica lists what was refused") {
                here.extend(facts(&catalog, change.document, &change.definition, vec![change.bytes]));
            }
            let known = self.by_device.entry(device).or_default();
            let mut lost: Vec<&Fact> = known.difference(&here).collect();
            if !lost.is_empty() {
                let standings = status(world, device).scopes;
                let withdrawn =
                    |scope: &ScopeId| standings.iter().any(|row| !row.granted && row.scope == *scope);
                let at_branch = facts_at_branch(world);
                lost.retain(|fact| !(withdrawn(&self.scopes[&fact.0]) && at_branch.contains(fact)));
            }
            assert!(lost.is_empty(), "law 1: device {device} has lost {lost:?}");
            *known = here;
        }
    }
}

/// Everything that the branch's logs say.
fn facts_at_branch(world: &World) -> BTreeSet<Fact> {
    let catalog = world.hub.catalog();
    let mut all = BTreeSet::new();
    let read = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
        let Some(changes) = row["changes"].as_str() else { return Ok(()) };
        let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
        let actor: ActorId = text(&row["actor"]).parse().expect("an author id");
        let document: DocumentId = text(&row["document"]).parse().expect("a document id");
        let named = &row["definition"];
        let definition = DefinitionRef {
            id: text(&named["id"]),
            version: named["version"].as_u64().and_then(|n| u32::try_from(n).ok()).expect("a version"),
            hash: text(&named["hash"]).parse().expect("a hash"),
        };
        let packed = data_encoding::BASE64.decode(changes.as_bytes()).expect("bytes in base64");
        let chunks = run::unpack(&packed, actor).expect("a logged run unpacks");
        all.extend(facts(&catalog, document, &definition, chunks));
        Ok(())
    };
    world.hub.export_records(read).expect("the branch hands out its log");
    all
}

/// What changes say; shared texts are left to the comparison with Automerge.
fn facts(
    catalog: &Catalog,
    document: DocumentId,
    definition: &DefinitionRef,
    chunks: Vec<Vec<u8>>,
) -> Vec<Fact> {
    let text_keys = catalog.text_keys(definition).expect("the definition is held");
    let reader = Document::new(document, definition, &text_keys);
    let said = |chunk: Vec<u8>| {
        let change = RawChange::parse(chunk).expect("a stored change parses");
        reader.edits_of(&change).expect("a stored change can be read")
    };
    let edits = chunks.into_iter().flat_map(said);
    let facts = edits.filter_map(|edit| match edit {
        Edit::Put { key, stamped } => Some(format!("{key} {stamped:?}")),
        Edit::Event(Event { kind, by, at_ms, data, .. }) => Some(format!("{kind} {by} {at_ms} {data:?}")),
        Edit::Text { .. } => None,
    });
    facts.map(|fact| (document, without_derived_ids(&fact))).collect()
}

/// Ids of lines and events are derived from the author id: twelve hexadecimal digits, behind a slash.
fn without_derived_ids(fact: &str) -> String {
    let is_id = |text: &str| text.len() >= 12 && text.bytes().take(12).all(|byte| byte.is_ascii_hexdigit());
    let masked = fact.split('/').map(|part| match part.split_at_checked(12) {
        Some((_, rest)) if is_id(part) && !rest.starts_with(|c: char| c.is_ascii_hexdigit()) => {
            format!("*{rest}")
        }
        _ => part.to_owned(),
    });
    masked.collect::<Vec<_>>().join("/")
}

/// Laws 2, 3, 4, 7 and 8, which hold after every step.
///
/// # Panics
/// With the number of the law that does not hold.
pub fn check_always(world: &mut World) {
    for device in world.live() {
        cursors_cover_their_records(world, device);
        rows_are_a_function_of_documents(world, device);
        nothing_foreign_is_here(world, device);
    }
    log_verifies(world);
    refusals_are_visible(world);
}

/// Law 2: the records of a scope on a device are exactly those up to its cursor, those of records that
/// ended long ago as stubs, those that the branch has lost not counted.
pub(crate) fn cursors_cover_their_records(world: &mut World, device: usize) {
    let status = status(world, device);
    let mut seqs = seqs(world, device);
    for row in status.scopes.iter().filter(|row| row.scope.stream() != "definitions") {
        let held = seqs.remove(&row.scope).unwrap_or_default();
        if !held.into_iter().eq(1..=row.cursor) {
            places_are_covered(world, device, row);
        }
    }
}

/// Law 2 for one scope, read from the file.
pub(crate) fn places_are_covered(world: &mut World, device: usize, row: &ScopeRow) {
    let covered: BTreeSet<u64> = (1..=row.cursor).collect();
    let held = places(world, device, &row.scope);
    assert_eq!(held, covered, "law 2: device {device}, scope {}", row.scope);
}

/// Places of the log records that a device holds in full.
fn seqs(world: &mut World, device: usize) -> BTreeMap<ScopeId, BTreeSet<u64>> {
    let mut seqs: BTreeMap<ScopeId, BTreeSet<u64>> = BTreeMap::new();
    for record in world.replica(device).export().expect("the replica exports") {
        seqs.entry(record.scope).or_default().extend(record.runs.iter().map(|run| run.seq));
    }
    seqs
}

/// Places of the log that a device holds, stubs among them: no call of the front door tells these, or which
/// records the branch has lost.
fn places(world: &mut World, device: usize, scope: &ScopeId) -> BTreeSet<u64> {
    world.closed(device, |path| {
        let conn = Connection::open(path).expect("the replica file opens");
        let sql = "SELECT seq FROM record WHERE scope = ?1 AND former = 0
                   UNION SELECT seq FROM stub WHERE scope = ?1";
        let mut select = conn.prepare(sql).expect("the store has records and stubs");
        let seqs = select.query_map([scope.as_str()], |row| row.get(0)).expect("places can be read");
        let seqs = seqs.map(|seq: rusqlite::Result<i64>| seq.expect("a place is a seq"));
        seqs.map(|seq| u64::try_from(seq).expect("a seq is positive")).collect()
    })
}

/// Law 3: rows written anew from the documents are the rows that are there.
pub(crate) fn rows_are_a_function_of_documents(world: &mut World, device: usize) {
    let replica = world.replica(device);
    let catalog = replica.catalog().clone();
    let records = replica.export().expect("the replica exports");
    let scopes: BTreeSet<ScopeId> = records.iter().map(|record| record.scope.clone()).collect();
    in_empty_tables(|fresh| {
        for record in &records {
            let model = replica.model(record.document).expect("the document can be read");
            if !model.events.is_empty() {
                projection::write(fresh, &catalog, &record.scope, &model).expect("rows can be written");
            }
        }
        for scope in scopes {
            let rebuilt = projection::fingerprint(fresh, &scope).expect("rows can be read");
            let here = replica.fingerprint(&scope).expect("rows can be read");
            if rebuilt != here {
                let filter = Filter { scope: Some(scope.clone()), limit: Some(10_000), ..Filter::default() };
                assert_eq!(
                    projection::list(fresh, &filter).expect("rows can be read"),
                    replica.list(&filter).expect("rows can be read"),
                    "law 3: rows of device {device}, scope {scope}"
                );
                panic!("law 3: history, clashes or text of device {device}, scope {scope}");
            }
        }
    });
}

thread_local! {
    static TABLES: Connection = {
        let conn = Connection::open_in_memory().expect("a database in memory opens");
        conn.execute_batch(&projection::STEPS.concat()).expect("the projection's tables can be made");
        conn
    };
}

/// Does something with the projection's tables, empty and in memory; making them takes longer than most uses.
fn in_empty_tables(work: impl FnOnce(&Connection)) {
    TABLES.with(|conn| {
        let transaction = conn.unchecked_transaction().expect("a database in memory works");
        work(&transaction);
        transaction.rollback().expect("a database in memory works");
    });
}

/// Law 4: the log of every scope verifies from zero, rows and signatures included.
pub(crate) fn log_verifies(world: &World) {
    let report = world.hub.verify(|_| ()).expect("the branch reads its log");
    assert_eq!(report.first_bad, None, "law 4");
}

/// Law 7: what was refused is visible to its author and to the branch; to the branch no longer where it was
/// put back to an older copy, because evidence is not given back.
fn refusals_are_visible(world: &mut World) {
    let kept = world.hub.refusals(10_000).expect("the branch lists what it refused");
    for device in world.live() {
        let id = world.replica(device).identity().device;
        let refused = world.replica(device).refused().expect("the replica lists what was refused");
        // What a damage of the device's file took the ground from, the branch has never seen.
        for change in refused.into_iter().filter(|one| one.refusal.code != codes::BUILDS_ON_DAMAGED) {
            let is_kept = world.was_put_back
                || kept.iter().any(|run| run.device == id && run.document == change.document);
            assert!(is_kept, "law 7: the branch does not see what device {device} was refused");
        }
    }
}

/// Law 8: a device holds records of scopes only that its person was granted when it last heard of it. Once
/// all has settled, those of withdrawn scopes have left too.
pub(crate) fn nothing_foreign_is_here(world: &mut World, device: usize) {
    let granted = world.ever_granted(device).clone();
    for record in world.replica(device).export().expect("the replica exports") {
        assert!(granted.contains(&record.scope), "law 8: device {device} holds {}", record.scope);
    }
}

/// Law 5, once the world has settled: equal cursors and empty outboxes mean equal documents, digests and
/// rows; and every document says what plain Automerge makes of the accepted changes.
///
/// # Panics
/// When two devices differ, work still waits, or Automerge disagrees.
pub fn check_settled(world: &mut World) {
    check_always(world);
    let mut proofs: BTreeMap<ScopeId, (usize, Proof)> = BTreeMap::new();
    let mut rows: BTreeMap<ScopeId, (usize, [u8; 32])> = BTreeMap::new();
    let mut said = Known::new();
    for device in world.live() {
        let status = status(world, device);
        let full = seqs(world, device);
        assert_eq!(status.pending_changes, 0, "law 9: work of device {device} still waits");
        assert_eq!(status.unprojected, 0, "law 9: rows of device {device} still wait");
        let grants = world.hub.grants(&world.devices[device].user).expect("the branch knows its people");
        for record in world.replica(device).export().expect("the replica exports") {
            assert!(grants.contains(&record.scope), "law 8: device {device} still holds {}", record.scope);
        }
        for row in status.scopes.iter().filter(|row| row.granted) {
            let proof = Proof { cursor: row.cursor, chain: row.chain, count: row.count, sum: row.sum };
            let (first, known) = proofs.entry(row.scope.clone()).or_insert_with(|| (device, proof.clone()));
            assert_eq!(*known, proof, "law 5: devices {first} and {device}, scope {}", row.scope);
            // A device that has let go of old records lists fewer rows.
            let held = full.get(&row.scope).map_or(0, BTreeSet::len);
            if row.scope.stream() != "definitions" && u64::try_from(held).ok() == Some(row.cursor) {
                let here = world.replica(device).fingerprint(&row.scope).expect("rows can be read");
                let (first, known) = rows.entry(row.scope.clone()).or_insert((device, here));
                assert_eq!(*known, here, "law 5: rows of devices {first} and {device}, scope {}", row.scope);
            }
        }
        automerge_agrees(world, device, &mut said);
    }
}

/// What plain Automerge makes of changes that it was asked about: most devices hold the same.
type Known = BTreeMap<(DocumentId, BTreeSet<Vec<u8>>), Said>;

/// Everything that must be equal on devices which hold the same.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Proof {
    cursor: u64,
    chain: [u8; 32],
    count: u64,
    sum: [u8; 32],
}

fn automerge_agrees(world: &mut World, device: usize, known: &mut Known) {
    let mut seed = Seed::of(world.seed.number());
    let replica = world.replica(device);
    for record in replica.export().expect("the replica exports") {
        let text_keys = replica.catalog().text_keys(&record.definition).expect("the definition is held");
        let model = replica.model(record.document).expect("the document can be read");
        let changes = chunks(&record);
        let key = (record.document, changes.iter().cloned().collect());
        let said = known
            .entry(key)
            .or_insert_with(|| merged(&mut seed, record.document, &record.definition, &text_keys, &changes));
        assert_eq!(*said, Said::of(&model), "device {device} reads {} otherwise", record.document);
    }
}

/// How a device stands.
///
/// # Panics
/// When the replica cannot read its store.
pub fn status(world: &mut World, device: usize) -> Status {
    world.replica(device).status().expect("the replica knows how it stands")
}

/// The raw change chunks of a record, pending ones last.
///
/// # Panics
/// When a stored run does not unpack.
#[must_use]
pub fn chunks(record: &ExportedRecord) -> Vec<Vec<u8>> {
    let unpack = |run: &xunyuan_core::replica::ExportedRun| {
        run::unpack(&run.changes, run.actor).expect("a stored run unpacks")
    };
    record.runs.iter().flat_map(unpack).chain(record.pending.iter().cloned()).collect()
}
