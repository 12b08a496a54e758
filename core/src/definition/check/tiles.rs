//! Tiles of the console: each names what there is, once.

use std::collections::BTreeSet;

use super::super::tiles::{Show, Tiles};
use super::faults::Faults;
use super::known::{FIELD, Known};

/// Longest span of a chart, days or weeks.
const SPAN_MAX: u32 = 400;

/// Checks every tile.
pub(crate) fn check(tiles: &Tiles, known: &Known, faults: &mut Faults) {
    let mut ids = BTreeSet::new();
    for (at, tile) in tiles.tiles.iter().enumerate() {
        let pointer = format!("/tiles/{at}");
        if !ids.insert(&tile.id) {
            faults.say(format!("{pointer}/id"), "编号重复", "the id is used twice");
        }
        let show = |key: &str| format!("{pointer}/show/{key}");
        match &tile.show {
            Show::Slots { rule } => known.rule(faults, show("slots/rule"), rule),
            Show::Duties { rules } => {
                for (place, rule) in rules.iter().enumerate() {
                    known.rule(faults, show(&format!("duties/rules/{place}")), rule);
                }
            }
            Show::Ages { of, days } => {
                known.ledger(faults, show("ages/of"), of);
                if days.is_empty() || !days.is_sorted_by(|one, next| one < next) {
                    faults.say(
                        show("ages/days"),
                        "天数应递增且不为空",
                        "the days must rise, and there must be some",
                    );
                }
            }
            Show::Matrix { of, rows, columns, .. } => {
                known.ledger(faults, show("matrix/of"), of);
                if let Some(ledger) = known.ledgers.get(of) {
                    let fields = || ledger.fields.iter().map(|field| field.id.as_str());
                    faults.refers(show("matrix/rows"), FIELD, rows, fields());
                    faults.refers(show("matrix/columns"), FIELD, columns, fields());
                }
            }
            Show::Change { of } => kind(known, faults, &show("change/of"), of),
            Show::Standing { of } => kind(known, faults, &show("standing/of"), of),
            Show::Trend { of, weeks } => {
                kind(known, faults, &show("trend/of"), of);
                span(faults, &show("trend/weeks"), *weeks);
            }
            Show::Coverage { of, days } => {
                known.checklist(faults, show("coverage/of"), of);
                span(faults, &show("coverage/days"), *days);
            }
            Show::Fleet {} => {}
        }
    }
}

fn kind(known: &Known, faults: &mut Faults, pointer: &str, of: &str) {
    if !known.checklists.contains_key(of) {
        known.ledger(faults, pointer, of);
    }
}

fn span(faults: &mut Faults, pointer: &str, span: u32) {
    if !(1..=SPAN_MAX).contains(&span) {
        faults.say(pointer, format!("应为 1 至 {SPAN_MAX}"), format!("it must be 1 to {SPAN_MAX}"));
    }
}
