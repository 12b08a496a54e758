//! Random days with every kind of trouble, from thousands of seeds; the laws hold after every step, and
//! once the trouble ends all come to rest and agree.
//!
//! `SEED=n` plays one seed and prints its story; `XUNYUAN_SEEDS` says how many are played (usually 1,000);
//! `XUNYUAN_FIRST=1` ends with the first that fails and names it, without a story.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use xunyuan_tests::sim::{Failure, Morning};

/// Name of the threads in which seeds are played.
const SIMULATED: &str = "simulated";
/// Seeds that are played when nothing else is asked for.
const SEEDS: u64 = 1_000;
/// Failures after which no more seeds are played.
const FAILURES_MAX: usize = 20;
/// Failures whose plans are made smaller; the others are named.
const STORIES_MAX: usize = 2;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Says what failed and how to see it again, with as few steps as still fail.
fn report(morning: &Morning, failure: Failure) -> String {
    let seed = failure.plan.number;
    let (message, length) = (failure.message.clone(), failure.plan.steps.len());
    let smaller = morning.smaller(failure);
    let story = smaller.trace.lines().join("\n");
    format!(
        "seed {seed}: {message}\nplay it again with: SEED={seed} tests/run\n\
         {} of its {length} steps are enough for: {}\n{story}",
        smaller.plan.steps.len(),
        smaller.message
    )
}

/// Plays seeds on all cores and returns the failures in the order of their seeds.
fn play(morning: &Morning, first: u64, count: u64, most: usize) -> Vec<Failure> {
    let next = AtomicU64::new(first);
    let failures = Mutex::new(Vec::new());
    let threads = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            let work = || {
                while failures.lock().expect("no thread dies with it").len() < most {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        break;
                    }
                    if let Err(failure) = morning.play(seed) {
                        failures.lock().expect("no thread dies with it").push(*failure);
                    }
                }
            };
            thread::Builder::new()
                .name(SIMULATED.to_owned())
                .spawn_scoped(scope, work)
                .expect("a thread starts");
        }
    });
    let mut failures = failures.into_inner().expect("no thread dies with it");
    failures.sort_by_key(|failure: &Failure| failure.plan.number);
    failures
}

/// Runs in a thread whose panics are not told by themselves.
fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let named = thread::Builder::new().name(SIMULATED.to_owned());
        let thread = named.spawn_scoped(scope, work).expect("a thread starts");
        thread.join().expect("failures are values")
    })
}

/// Laws that do not hold are told with their story; a line for each panic on the way would hide it.
fn quiet() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if thread::current().name() != Some(SIMULATED) {
            usual(panic);
        }
    }));
}

#[test]
fn the_laws_hold_in_any_trouble() {
    quiet();
    let morning = Morning::dawn();
    if let Some(seed) = number("SEED") {
        let (trace, told) = apart(|| match morning.play(seed) {
            Ok(trace) => (trace, None),
            Err(failure) => (failure.trace.clone(), Some(report(&morning, *failure))),
        });
        eprintln!("{}\nhash {}", trace.lines().join("\n"), trace.hash());
        assert!(told.is_none(), "{}", told.unwrap_or_default());
        return;
    }
    let count = number("XUNYUAN_SEEDS").unwrap_or(SEEDS);
    if number("XUNYUAN_FIRST").is_some() {
        let failures = play(&morning, 1, count, 1);
        let first =
            failures.first().map(|failure| format!("\nseed {}: {}", failure.plan.number, failure.message));
        assert!(first.is_none(), "{}", first.unwrap_or_default());
        return;
    }
    let mut failures = play(&morning, 1, count, FAILURES_MAX);
    let rest = failures.split_off(failures.len().min(STORIES_MAX));
    let named = rest.iter().map(|failure| format!("seed {}: {}", failure.plan.number, failure.message));
    let stories = apart(|| failures.into_iter().map(|failure| report(&morning, failure)).collect::<Vec<_>>());
    let told: Vec<String> = stories.into_iter().chain(named).collect();
    assert!(told.is_empty(), "{}", told.join("\n\n"));
}

#[test]
fn a_seed_plays_the_same_run_again() {
    quiet();
    let morning = Morning::dawn();
    for seed in 1..=6 {
        let (one, two) = apart(|| (morning.play(seed).unwrap(), morning.play(seed).unwrap()));
        assert_eq!(one.lines(), two.lines(), "seed {seed}");
        assert_eq!(one.hash(), two.hash(), "seed {seed}");
    }
}
