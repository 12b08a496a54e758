//! A device's app that answers without pause and says after each answer that it is saved, until
//! somebody pulls the plug: `xunyuan-writer REPLICA SHEET FIRST_NUMBER`.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use xunyuan_core::document::model::Value;
use xunyuan_core::id::{DocumentId, hash_parts};
use xunyuan_core::replica::{Answer, Replica};
use xunyuan_core::time::Moment;
use xunyuan_tests::people::WRITER_ITEMS;
use xunyuan_tests::world::MORNING_MS;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, path, sheet, first] = arguments.as_slice() else { return ExitCode::from(2) };
    let (Ok(sheet), Ok(first)) = (sheet.parse::<DocumentId>(), first.parse::<i64>()) else {
        return ExitCode::from(2);
    };
    let mut replica = match Replica::open(Path::new(path)) {
        Ok(replica) => replica,
        Err(error) => return failed(&error),
    };
    let mut out = std::io::stdout().lock();
    for number in first.. {
        let item = WRITER_ITEMS[usize::try_from(number).unwrap_or(0) % WRITER_ITEMS.len()];
        let moment = Moment {
            unix_ms: MORNING_MS + number,
            utc_offset_min: 480,
            entropy: hash_parts(
                "xunyuan-writer",
                &[&std::process::id().to_be_bytes(), &number.to_be_bytes()],
            ),
        };
        let answer = Answer {
            value: Some(Value::Text("pass".to_owned())),
            note: Some(number.to_string()),
            photos: Vec::new(),
        };
        if let Err(error) = replica.answer(sheet, item, answer, &moment) {
            return failed(&error);
        }
        // The screen says "saved" only now.
        if writeln!(out, "{number}").and_then(|()| out.flush()).is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn failed(error: &xunyuan_core::error::Error) -> ExitCode {
    eprintln!("{error}");
    ExitCode::FAILURE
}
