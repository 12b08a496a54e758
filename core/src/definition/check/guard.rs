//! Guards and filters: every fact they ask for must be one that the engine can answer.

use std::collections::BTreeSet;

use super::super::field::FieldType;
use super::super::guard::Guard;
use super::super::ledger::{EVENT_DATA, Ledger};
use super::faults::{Faults, Noun};
use super::known::{Known, ROLE, STATE};

/// Facts that the engine itself answers in guards, besides fields and event data.
///
/// `by`: roles of the acting person; `state`: where the entry is; `verifier`: who verifies now;
/// `action_owners`: owners of the lines of the field `actions`; `all_actions_done`: all these lines have a
/// `done_at`; `return_visit_done_or_not_required`: as the category's return-visit policy has it.
pub const GUARD_FACTS: [&str; 6] =
    ["by", "state", "verifier", "action_owners", "all_actions_done", "return_visit_done_or_not_required"];

/// Facts that are read from the lines of a field named `actions`.
const FROM_ACTIONS: [&str; 2] = ["action_owners", "all_actions_done"];

/// Checks a guard of a ledger.
pub(crate) fn check(pointer: &str, guard: &Guard, ledger: &Ledger, known: &Known, faults: &mut Faults) {
    let mut names: BTreeSet<&str> = ledger.fields.iter().map(|field| field.id.as_str()).collect();
    names.extend(EVENT_DATA);
    names.extend(GUARD_FACTS);
    for name in guard.names() {
        faults.refers(pointer, Noun("条件中的事实", "fact for a guard:"), name, names.iter().copied());
        if FROM_ACTIONS.contains(&name) && ledger.field("actions").is_none() {
            faults.say(
                pointer,
                format!("条件“{name}”需要台账有字段 actions"),
                format!("the guard \"{name}\" needs a field \"actions\" in the ledger"),
            );
        }
    }
    guard.each(&mut |part| match part {
        Guard::Compare(name, _, value) => {
            values(pointer, name, std::slice::from_ref(value), ledger, known, faults)
        }
        Guard::InList(name, listed) => values(pointer, name, listed, ledger, known, faults),
        Guard::Holds(_) | Guard::InFact(..) | Guard::And(_) | Guard::Or(_) | Guard::Not(_) => {}
    });
}

/// Values that are compared with a choice must be options of it.
fn values(pointer: &str, name: &str, values: &[String], ledger: &Ledger, known: &Known, faults: &mut Faults) {
    let (noun, allowed): (Noun, Vec<&str>) = match name {
        "by" => (ROLE, known.roles.keys().map(String::as_str).collect()),
        "state" => (STATE, ledger.states.iter().map(|state| state.id.as_str()).collect()),
        _ => match ledger.field(name).map(|field| (&field.kind, field)) {
            Some((FieldType::Choice(None), field)) => {
                (OPTION, field.options.iter().map(|option| option.id.as_str()).collect())
            }
            Some((FieldType::Choice(Some(set)), _)) => match known.response_sets.get(set) {
                Some(set) => (OPTION, set.options.iter().map(|option| option.id.as_str()).collect()),
                None => return,
            },
            Some(_) | None => return,
        },
    };
    for value in values {
        faults.refers(pointer, noun, value, allowed.iter().copied());
    }
}

/// What options are called in problems.
pub(crate) const OPTION: Noun = Noun("选项", "option");
