//! The numbers that people use: a temporary one from the device, the official one from the branch.

use jiff::civil::Date;

use super::keys;
use crate::definition::{Catalog, Ledger, NumberPart};
use crate::document::model::Model;
use crate::id::short_hash;

/// Stands for the running number in a counter's key.
const RUNNING: &str = "{seq}";

/// Digits and letters without look-alikes.
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The code of a copy of a device's store, e.g. `A7KX3` for `A7`: the branch never gives one like it.
#[must_use]
pub fn copy_code(device_code: &str, entropy: &[u8; 32]) -> String {
    let digit = device_code.find(|c: char| c.is_ascii_digit()).map_or(device_code.len(), |place| place + 1);
    let (given, _) = device_code.split_at(digit);
    let mark = short_hash("xunyuan/copy/1", &[entropy]);
    let letters = mark.iter().take(3).map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
    given.chars().chain(letters).collect()
}

/// The number that a device gives before the branch has answered, e.g. `A7KX-0012`.
///
/// `device_code` is the code that the branch gave at enrolment, unique among its devices.
#[must_use]
pub fn temporary(device_code: &str, running: u32) -> String {
    format!("{device_code}-{running:04}")
}

/// The counter that numbers an entry: its ledger's pattern, filled in but for the running number.
///
/// `day` is the local day that the number names. `None` while the entry lacks what the pattern asks
/// for, e.g. its project.
#[must_use]
pub fn counter_key(catalog: &Catalog, ledger: &Ledger, model: &Model, day: Date) -> Option<String> {
    let mut key = String::new();
    for part in &ledger.number.parts {
        let piece = match part {
            NumberPart::Literal(text) => text.clone(),
            NumberPart::Project => project_code(catalog, model.text(&keys::field(keys::PROJECT))?),
            NumberPart::Year => format!("{:04}", day.year()),
            NumberPart::YearMonth => format!("{:04}{:02}", day.year(), day.month()),
            NumberPart::Day => format!("{:04}{:02}{:02}", day.year(), day.month(), day.day()),
            NumberPart::Quarter => ((day.month() + 2) / 3).to_string(),
            NumberPart::Sequence(_) => RUNNING.to_owned(),
            NumberPart::Field(field) => {
                let option = model.text(&keys::field(field))?;
                ledger.number_codes.get(option).cloned().unwrap_or_else(|| option.to_ascii_uppercase())
            }
        };
        key.push_str(&piece);
    }
    Some(key)
}

/// The counter and running number behind an official number; `None` where the ledger's numbers do not
/// end in a running one.
///
/// A branch that was restored from a backup learns from it how far its counters had come.
#[must_use]
pub fn series_of(ledger: &Ledger, official: &str) -> Option<(String, u32)> {
    let Some(NumberPart::Sequence(_)) = ledger.number.parts.last() else { return None };
    let stem = official.trim_end_matches(|c: char| c.is_ascii_digit());
    let running = official.strip_prefix(stem)?.parse().ok()?;
    Some((format!("{stem}{RUNNING}"), running))
}

/// The official number: the counter's key with its running number, from 1.
///
/// Where the pattern has no running number, a second entry of the same key gets `-2`, a third `-3`.
#[must_use]
pub fn official(ledger: &Ledger, counter_key: &str, running: u32) -> String {
    match ledger.number.sequence_digits() {
        Some(digits) => counter_key.replacen(RUNNING, &format!("{running:0digits$}"), 1),
        None if running > 1 => format!("{counter_key}-{running}"),
        None => counter_key.to_owned(),
    }
}

fn project_code(catalog: &Catalog, unit: &str) -> String {
    match catalog.project(unit) {
        Some(project) => project.number_code(),
        None => unit.rsplit('.').next().unwrap_or(unit).to_ascii_uppercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{Record, catalog, put, text};

    fn day() -> Date {
        Date::constant(2026, 11, 20)
    }

    #[test]
    fn a_front_desk_number_counts_per_project_and_day() {
        let entry = Record::desk();
        let ledger = catalog().ledger(&entry.model.definition).unwrap();
        let key = counter_key(catalog(), ledger, &entry.model, day()).unwrap();
        assert_eq!(key, "QT-LY-20261120-{seq}");
        assert_eq!(official(ledger, &key, 7), "QT-LY-20261120-0007");
        assert_eq!(official(ledger, &key, 12_345), "QT-LY-20261120-12345");
    }

    #[test]
    fn a_finding_number_names_its_source_and_a_plan_has_no_running_number() {
        let mut entry = Record::of("led.finding", "pj.xiyuan");
        let ledger = catalog().ledger(&entry.model.definition).unwrap();
        assert_eq!(counter_key(catalog(), ledger, &entry.model, day()), None, "the source is not known yet");
        entry.model.apply(&put("u.aud01", "field/source", text("audit")));
        let key = counter_key(catalog(), ledger, &entry.model, day()).unwrap();
        assert_eq!(official(ledger, &key, 31), "NC-AUD-2026-0031");

        let plan = catalog().latest_ledger("led.guanbiao_plan").unwrap();
        entry.model.apply(&put("u.pm02", "field/project_id", text("pj.xiyuan")));
        let key = counter_key(catalog(), plan, &entry.model, day()).unwrap();
        assert_eq!(
            (official(plan, &key, 1), official(plan, &key, 2)),
            ("GB-XY-2026".into(), "GB-XY-2026-2".into())
        );
        let training = catalog().latest_ledger("led.training").unwrap();
        let key = counter_key(catalog(), training, &entry.model, day()).unwrap();
        assert_eq!(official(training, &key, 3), "PX-2026Q4-03");
    }

    #[test]
    fn a_number_names_its_series() {
        let ledger = catalog().latest_ledger("led.front_desk").unwrap();
        let series = ("QT-LY-20261123-{seq}".to_owned(), 12);
        assert_eq!(series_of(ledger, "QT-LY-20261123-0012"), Some(series));
        assert_eq!(series_of(ledger, "QT-LY-"), None);
        let plan = catalog().latest_ledger("led.guanbiao_plan").unwrap();
        assert_eq!(series_of(plan, "GB-XY-2026-2"), None);
    }

    #[test]
    fn temporary_numbers_carry_the_device() {
        assert_eq!(temporary("A7Z0", 12), "A7Z0-0012");
    }

    #[test]
    fn a_copy_counts_under_a_code_that_the_branch_never_gives() {
        let (one, two) = (copy_code("AB7", &[1; 32]), copy_code("AB7", &[2; 32]));
        assert!(one != two && one.len() == 6 && one.starts_with("AB7"));
        // A copy of a copy is still told by its device, and no longer than the first.
        assert_eq!(copy_code(&one, &[2; 32]), two);
    }
}
