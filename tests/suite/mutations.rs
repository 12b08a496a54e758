//! Changes mutated with right checksums through parse, examine, apply, save and load: no panic gets out,
//! no document is left that does not load, nothing is accepted that says something else than the check
//! said; and everything that the product itself makes is accepted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::thread;

use xunyuan_core::document::model::{Edit, Stamped};
use xunyuan_core::document::{Document, RawChange};
use xunyuan_core::id::{ActorId, ContentHash, DefinitionRef, DocumentId, UserId};
use xunyuan_tests::hostile::chunk::{Chunk, hex, put_number, put_signed, unhex};
use xunyuan_tests::hostile::corpus::{Case, Corpus, TRAITS, Trait};
use xunyuan_tests::hostile::judge::{Breakage, Outcome, Past};
use xunyuan_tests::hostile::mutate::{DAMAGES, Damage, damaged};
use xunyuan_tests::people::text;
use xunyuan_tests::seed::Seed;

/// Mutated changes of one run.
const MUTANTS: usize = 204_000;
/// Honest changes that are mutated.
const CASES: usize = 60;
const THREADS: usize = 2;

/// How often each rule must refuse something, or the run does not show that the rule bites.
const RULES: [(&str, u32); 17] = [
    ("not an uncompressed change chunk", 1_000),
    ("the change is cut short or its numbers are not canonical", 1_000),
    ("the change holds a column that the product does not make", 500),
    ("the change claims more operations than allowed", 1_000),
    ("the change cannot be parsed", 1_000),
    ("the change builds on nothing", 100),
    ("predecessors of the change are missing", 100),
    ("the change does not build on its author's earlier changes", 50),
    ("the change's seq is not its author's next", 100),
    ("the change counts its operations wrongly", 100),
    ("the change carries what it must not", 1_000),
    ("the change's operations cannot be decoded", 1),
    ("the change's bytes are not canonical", 100),
    ("the change holds an operation that the product does not make", 1_000),
    ("the change refers to content that its author cannot have seen", 1_000),
    ("a value inside the record cannot be read: it does not have the agreed form", 100),
    ("an id of 16 bytes was expected", 10),
];

/// What became of the mutants.
#[derive(Debug, Default)]
struct Tally {
    mutants: u32,
    accepted: u32,
    refused: BTreeMap<String, u32>,
    accepted_by: BTreeMap<Damage, u32>,
}

impl Tally {
    fn add(&mut self, damage: Damage, outcome: Outcome) {
        self.mutants += 1;
        match outcome {
            Outcome::Accepted => {
                self.accepted += 1;
                *self.accepted_by.entry(damage).or_default() += 1;
            }
            Outcome::Unparsed(said) | Outcome::Refused(said) => {
                let rule = said.split(',').next().unwrap_or_default();
                *self.refused.entry(rule.to_owned()).or_default() += 1;
            }
        }
    }

    fn merge(&mut self, other: Self) {
        self.mutants += other.mutants;
        self.accepted += other.accepted;
        other.refused.into_iter().for_each(|(rule, count)| *self.refused.entry(rule).or_default() += count);
        for (damage, count) in other.accepted_by {
            *self.accepted_by.entry(damage).or_default() += count;
        }
    }
}

/// Honest changes to mutate: small documents first, every trait among them.
fn cases(corpus: &Corpus) -> (u32, Vec<Case>) {
    let mut all = Vec::new();
    let walked = corpus.walk(|case| all.push(case)).expect("everything that the product makes is accepted");
    let shown: BTreeSet<Trait> = all.iter().flat_map(|case| case.traits.iter().copied()).collect();
    assert_eq!(shown, TRAITS.into_iter().collect(), "the corpus shows every kind of change");
    let mut seen: BTreeMap<BTreeSet<Trait>, usize> = BTreeMap::new();
    all.sort_by_cached_key(|case| {
        let place = seen.entry(case.traits.clone()).or_default();
        *place += 1;
        *place
    });
    all.truncate(CASES);
    (walked, all)
}

/// The mutants of one honest change.
fn mutate(number: u64, at: usize, cases: &[Case], tally: &mut Tally) {
    let case = &cases[at];
    let mut seed = Seed::of(number.wrapping_mul(1_000).wrapping_add(at as u64));
    for place in 0..MUTANTS / cases.len() {
        let damage = *seed.pick(&DAMAGES);
        let other = &cases[seed.below(cases.len())].bytes;
        let mutant = damaged(&mut seed, damage, &case.bytes, other);
        match case.past.judge(&mutant, place % 8 == 0) {
            Ok(outcome) => tally.add(damage, outcome),
            Err(fault) => panic!("{fault}\nseed {number}, case {at}, {damage:?}: {}", hex(&mutant)),
        }
    }
}

#[test]
fn no_mutated_change_breaks_a_document() {
    let seed = Seed::or(301_301);
    let number = seed.number();
    let corpus = Corpus::worked(seed);
    let (walked, cases) = cases(&corpus);
    assert_eq!(cases.len(), CASES, "of {walked} honest changes");
    let mut tally = Tally::default();
    thread::scope(|scope| {
        let cases = &cases;
        let work = |first: usize| {
            move || {
                let mut tally = Tally::default();
                (first..cases.len()).step_by(THREADS).for_each(|at| mutate(number, at, cases, &mut tally));
                tally
            }
        };
        let threads: Vec<_> = (0..THREADS).map(|first| scope.spawn(work(first))).collect();
        for thread in threads {
            match thread.join() {
                Ok(part) => tally.merge(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    eprintln!("{walked} honest changes, all accepted; {tally:#?}");
    assert!(tally.mutants >= 200_000);
    for (rule, least) in RULES {
        let bitten = tally.refused.get(rule).copied().unwrap_or_default();
        assert!(bitten >= least, "\"{rule}\" refused {bitten} of {least}");
    }
    assert!(tally.accepted > 1_000, "the run reaches apply, save and load: {}", tally.accepted);
}

#[test]
fn an_honest_change_is_taken_apart_and_put_together_to_the_byte() {
    let corpus = Corpus::worked(Seed::or(301_302));
    let walked = corpus.walk(|case| assert_eq!(Chunk::read(&case.bytes).bytes(), case.bytes)).unwrap();
    assert!(walked > 50, "{walked}");
}

/// The document that the kept changes break, and the changes that it holds.
fn broken_by() -> (Document, Vec<RawChange>) {
    let definition = DefinitionRef { id: "led.x".to_owned(), version: 1, hash: ContentHash([7; 32]) };
    let texts = ["content".to_owned(), "result".to_owned()];
    let new = || Document::new(DocumentId([1; 16]), &definition, &texts);
    let stamped = |value: &str| Stamped { value: text(value), by: UserId::new("u.a"), at_ms: 5 };
    let put = |key: &str, value: &str| Edit::Put { key: key.to_owned(), stamped: stamped(value) };
    let text = |to: &str| Edit::Text { key: "content".to_owned(), to: Some(to.to_owned()) };
    let (mut one, mut two) = (new(), new());
    let first = one.edit(ActorId([0xa; 16]), &[put("field/x", "1"), text("卫生间漏水")]).unwrap();
    let second = two.edit(ActorId([0xb; 16]), &[put("field/x", "2"), text("急")]).unwrap();
    one.apply(std::slice::from_ref(&second)).unwrap();
    let third = one.edit(ActorId([0xa; 16]), &[put("field/x", "3"), text("漏水,很急")]).unwrap();
    (new(), vec![first, second, third])
}

/// Ways in which Automerge breaks, and where a change is kept that does it. `BLESS=1` looks for another
/// one where a file is missing.
const KEPT: [(Breakage, &str); 3] = [
    (Breakage::Panics, "panics"),
    (Breakage::PanicsLater, "panics-later"),
    (Breakage::Unloadable, "unloadable"),
];

#[test]
fn without_the_check_the_kept_changes_break_automerge() {
    let (document, changes) = broken_by();
    let mut past =
        Past::new(document.id(), document.definition(), &["content".to_owned(), "result".to_owned()]);
    let (last, before) = changes.split_last().unwrap();
    before.iter().for_each(|change| drop(past.extend(&change.bytes).unwrap()));
    assert_eq!(past.judge(&last.bytes, true), Ok(Outcome::Accepted));
    let mut seed = Seed::of(301_303);
    for (breakage, name) in KEPT {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/poison/{name}.hex"));
        if !file.exists() && std::env::var_os("BLESS").is_some() {
            let mut found = hex(&past.poison(&mut seed, &last.bytes, breakage));
            found.push('\n');
            fs::write(&file, found).unwrap();
        }
        let poison = unhex(&fs::read_to_string(&file).unwrap());
        assert_eq!(past.unchecked(&poison), Some(breakage), "{name}");
        let judged = past.judge(&poison, true).unwrap();
        assert!(matches!(judged, Outcome::Refused(_)), "{name}: {judged:?}");
    }
}

/// Sixty bytes that say they hold 2^60 operations: Automerge would count them for years.
#[test]
fn a_change_that_claims_more_than_it_holds_is_refused_at_once() {
    let (_, changes) = broken_by();
    let mut chunk = Chunk::read(&changes[0].bytes);
    for (column, content) in &mut chunk.columns {
        content.clear();
        match *column & 7 {
            4 => put_number(content, 1 << 60),
            7 => {}
            _ => put_signed(content, 1 << 60),
        }
        if *column & 7 != 4 && *column & 7 != 7 {
            content.push(0);
        }
    }
    let error = RawChange::parse(chunk.bytes()).unwrap_err();
    assert!(error.to_string().contains("claims more operations"), "{error}");
}
