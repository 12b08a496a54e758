//! sc.20: the power goes while someone answers.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use xunyuan_core::id::DocumentId;
use xunyuan_core::replica::Replica;
use xunyuan_tests::laws::{check_settled, status};
use xunyuan_tests::people::{PROJECT, WRITER_ITEMS};
use xunyuan_tests::seed::Seed;
use xunyuan_tests::world::World;

const ROUNDS: u32 = 200;
/// Rounds on one sheet; then a new one is opened, so that no document grows without end.
const ROUNDS_PER_SHEET: u32 = 20;

/// When the power goes: so long after the app was started, or after its first answer was saved. Both are
/// wanted, and a machine that is busy must not turn the second into the first.
#[derive(Clone, Copy)]
enum Cut {
    AfterStart(Duration),
    AfterFirstAnswer(Duration),
}

/// Lets the app answer from `first` on, kills it at the cut, and returns the last number that it
/// reported as saved.
fn write_until_killed(path: &Path, sheet: DocumentId, first: i64, cut: Cut) -> Option<i64> {
    let mut app = Command::new(env!("CARGO_BIN_EXE_xunyuan-writer"))
        .arg(path)
        .args([sheet.to_string(), first.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(app.stdout.take().unwrap());
    let (began, has_begun) = channel();
    let reader = std::thread::spawn(move || {
        let said = out.lines().map_while(Result::ok);
        said.inspect(|_| {
            let _ = began.send(());
        })
        .last()
    });
    match cut {
        Cut::AfterStart(time) => std::thread::sleep(time),
        Cut::AfterFirstAnswer(time) => {
            has_begun.recv_timeout(Duration::from_secs(60)).expect("the app answers");
            std::thread::sleep(time);
        }
    }
    // SIGKILL: nothing of the process runs after it.
    app.kill().unwrap();
    app.wait().unwrap();
    reader.join().unwrap().map(|line| line.parse().unwrap())
}

/// Every answer that was reported is in the file; at most the one in the making is there besides.
fn check(path: &Path, sheet: DocumentId, saved: i64) -> i64 {
    let mut replica = Replica::open(path).unwrap();
    let model = replica.model(sheet).unwrap();
    let note = |item: &str| model.text(&format!("note/{item}")).and_then(|text| text.parse::<i64>().ok());
    let turns = i64::try_from(WRITER_ITEMS.len()).unwrap();
    let last = WRITER_ITEMS.iter().filter_map(|item| note(item)).max().unwrap_or(-1);
    assert!(last == saved || last == saved + 1, "reported {saved}, in the file {last}");
    for number in (saved - turns + 1).max(0)..=saved {
        let item = WRITER_ITEMS[usize::try_from(number % turns).unwrap()];
        let kept = note(item).unwrap();
        assert!(kept >= number, "answer {number} was reported as saved and is gone: {kept}");
        assert!(model.text(&format!("item/{item}")).is_some());
    }
    // The row of the list is as new as the document.
    let row = replica.record(sheet).unwrap();
    assert_eq!(row.updated_at_ms, model.registers.values().map(|r| r.winner.at_ms).max().unwrap());
    last
}

#[test]
fn sc_20() {
    let mut world = World::new(Seed::or(20));
    let device = world.enroll("u.pt01");
    let (mut sheet, mut next, mut total) = (DocumentId([0; 16]), 0, 0);
    let mut cuts = Vec::new();
    for _ in 0..ROUNDS {
        let time = Duration::from_micros(u64::try_from(world.seed.below(40_000)).unwrap());
        cuts.push(if world.seed.chance(25) { Cut::AfterStart(time) } else { Cut::AfterFirstAnswer(time) });
    }
    for (round, cut) in (0..ROUNDS).zip(cuts) {
        if round % ROUNDS_PER_SHEET == 0 {
            sheet = world
                .act(device, |replica, moment| replica.start_inspection("tpl.park_patrol", PROJECT, moment));
            total += next;
            next = 0;
        }
        let first = next;
        next = world.closed(device, |path| {
            let saved = write_until_killed(path, sheet, first, cut).unwrap_or(first - 1);
            check(path, sheet, saved) + 1
        });
    }
    total += next;
    assert!(total > i64::from(ROUNDS / 2), "the app hardly wrote anything: {total}");
    assert!(status(&mut world, device).pending_changes > u32::try_from(total).unwrap());
    // What was saved between two cuts reaches the branch whole.
    world.settle();
    check_settled(&mut world);
}
