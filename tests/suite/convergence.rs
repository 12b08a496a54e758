//! Convergence: random edits over the real definitions, delivered in any order, become equal
//! documents, equal digests and equal rows (laws 3 and 5 at the level of documents).

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rusqlite::Connection;
use xunyuan_core::definition::{Catalog, Definition, embedded, sample_organisation};
use xunyuan_core::document::{Document, RawChange};
use xunyuan_core::id::{ActorId, DefinitionRef, DocumentId, ScopeId, UserId};
use xunyuan_core::projection::{self, fingerprint};
use xunyuan_core::wire::log::Digest;
use xunyuan_tests::deeds::{Author, invent};
use xunyuan_tests::oracle::{Said, merged};
use xunyuan_tests::seed::Seed;

const PEOPLE: [&str; 4] = ["u.pt01", "u.pt02", "u.fd01", "u.eng01"];
const RECORD: DocumentId = DocumentId([0x5c; 16]);

fn catalog() -> Catalog {
    let mut definitions: Vec<Definition> = embedded().to_vec();
    definitions.push(sample_organisation().clone());
    Catalog::new(&definitions).unwrap()
}

fn opened() -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch(&projection::STEPS.concat()).unwrap();
    conn
}

/// A record that several people write, each seeing of the others what the network let through.
struct Play {
    catalog: Catalog,
    definition: DefinitionRef,
    text_keys: Vec<String>,
    documents: Vec<Document>,
    /// Every change, causes first.
    changes: Vec<RawChange>,
}

impl Play {
    fn of(seed: &mut Seed, catalog: Catalog, definition: DefinitionRef, people: usize, steps: usize) -> Self {
        let text_keys = catalog.text_keys(&definition).unwrap();
        let documents = vec![Document::new(RECORD, &definition, &text_keys); people];
        let mut play = Self { catalog, definition, text_keys, documents, changes: Vec::new() };
        for step in 0..steps {
            let who = seed.below(people);
            if seed.chance(40) {
                play.listen(seed, who);
            }
            play.write(seed, who, step);
        }
        play
    }

    /// Someone hears a prefix of everything: any prefix is causally closed.
    fn listen(&mut self, seed: &mut Seed, who: usize) {
        let heard = seed.below(self.changes.len() + 1);
        self.documents[who].apply(&self.changes[..heard]).unwrap();
    }

    fn write(&mut self, seed: &mut Seed, who: usize, step: usize) {
        let document = &mut self.documents[who];
        let author = Author {
            by: UserId::new(PEOPLE[who]),
            // Clocks differ by hours and run backwards at times.
            at_ms: 1_795_395_600_000 + i64::try_from(seed.below(40_000_000)).unwrap(),
            id: format!("{who:x}{step:x}"),
        };
        let edits = invent(seed, &self.catalog, &self.definition, &document.model().unwrap(), &author);
        let number = u8::try_from(who).unwrap();
        self.changes.push(document.edit(ActorId([number + 1; 16]), &edits).unwrap());
    }

    /// A random order in which causes still come before effects.
    fn shuffled(&self, seed: &mut Seed) -> Vec<RawChange> {
        let genesis = self.documents[0].genesis_hash();
        let mut waiting: Vec<&RawChange> = self.changes.iter().collect();
        let mut order: Vec<RawChange> = Vec::new();
        seed.shuffle(&mut waiting);
        while !waiting.is_empty() {
            let is_ready = |change: &&RawChange| {
                change.deps.iter().all(|dep| *dep == genesis || order.iter().any(|done| done.hash == *dep))
            };
            let ready = waiting.iter().position(is_ready).unwrap();
            order.push(waiting.remove(ready).clone());
        }
        order
    }
}

fn converges(number: u64, record: usize, people: usize, steps: usize) {
    let mut seed = Seed::of(number);
    let catalog = catalog();
    let mut definitions: Vec<DefinitionRef> =
        catalog.checklists().map(|checklist| checklist.reference.clone()).collect();
    definitions.extend(catalog.ledgers().map(|ledger| ledger.reference.clone()));
    let definition = definitions[record % definitions.len()].clone();
    let scope = ScopeId::of("pj.lanyuan", catalog.stream_of(&definition).unwrap());
    let play = Play::of(&mut seed, catalog, definition, people, steps);

    // The first reader takes everything at once and writes its rows at the end.
    let mut whole = Document::new(RECORD, &play.definition, &play.text_keys);
    whole.apply(&play.changes).unwrap();
    let rows = opened();
    projection::write(&rows, &play.catalog, &scope, &whole.model().unwrap()).unwrap();
    let expected = fingerprint(&rows, &scope).unwrap();
    let mut digest = Digest::default();
    play.changes.iter().for_each(|change| digest.add(&RECORD, &change.hash));

    for _ in 0..2 {
        // The others take change after change in their own order and write rows after each.
        let mut copy = Document::new(RECORD, &play.definition, &play.text_keys);
        let conn = opened();
        let mut sum = Digest::default();
        for change in play.shuffled(&mut seed) {
            copy.apply(std::slice::from_ref(&change)).unwrap();
            sum.add(&RECORD, &change.hash);
            projection::write(&conn, &play.catalog, &scope, &copy.model().unwrap()).unwrap();
        }
        assert_eq!(copy.model().unwrap(), whole.model().unwrap());
        assert_eq!(copy.heads(), whole.heads());
        assert_eq!(sum, digest);
        assert_eq!(fingerprint(&conn, &scope).unwrap(), expected);
    }
    let bytes: Vec<Vec<u8>> = play.changes.iter().map(|change| change.bytes.clone()).collect();
    let said = merged(&mut seed, RECORD, &play.definition, &play.text_keys, &bytes);
    assert_eq!(said, Said::of(&whole.model().unwrap()));
}

#[test]
fn any_order_of_delivery_gives_equal_documents_digests_and_rows() {
    let seed = Seed::or(20_261_123);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.number().to_be_bytes());
    let config = Config { cases: 96, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    runner
        .run(&(any::<u64>(), 0_usize..64, 2_usize..=4, 1_usize..40), |(number, record, people, steps)| {
            converges(number, record, people, steps);
            Ok(())
        })
        .unwrap();
}
