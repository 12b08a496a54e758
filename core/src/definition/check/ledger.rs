//! Ledgers: fields, number, states and the steps between them.

use std::collections::BTreeSet;

use super::super::field::{FieldType, Target};
use super::super::guard::Guard;
use super::super::ledger::{BY_RULE, EVENT_DATA, Ledger, Transition};
use super::super::number::NumberPart;
use super::super::rulebook::ESCALATION;
use super::faults::{Faults, Noun};
use super::field;
use super::guard::{self, OPTION};
use super::known::{Known, ROLE, STATE};

/// Event kinds that the engine itself records in every ledger.
const OWN_EVENTS: [&str; 3] = ["resolve", "late_edit", ESCALATION];

/// The field of the temporary number, which every ledger has without naming it.
const TEMPORARY_NUMBER: &str = "temp_no";

/// Checks one ledger; what leads where is only checked when `whole` of it could be read.
pub(crate) fn check(ledger: &Ledger, whole: bool, known: &Known, faults: &mut Faults) {
    if !ledger.id.starts_with("led.") {
        faults.say("/id", "台账编号应以 led. 开头", "the id of a ledger begins with led.");
    }
    known.stream(faults, "/stream", &ledger.stream);
    known.roles(faults, "/who", &ledger.who);
    for (at, rule) in ledger.rules.iter().enumerate() {
        known.rule(faults, format!("/rules/{at}"), rule);
    }
    field::check_all("/fields", &ledger.fields, known, faults);
    for (at, field) in ledger.fields.iter().enumerate() {
        if !field.names_policy() {
            faults.say(format!("/fields/{at}"), "台账字段缺少“merge”", "a ledger field needs \"merge\"");
        }
    }
    base_fields(ledger, whole, faults);
    number(ledger, faults);
    states(ledger, faults);
    for (at, state) in ledger.states.iter().enumerate() {
        let place = format!("/states/{at}");
        performers(&format!("{place}/by"), &state.by, known, faults);
        conditions(
            &place,
            &state.requires,
            state.guard.as_ref().map(|g| ("guard", g)),
            ledger,
            known,
            faults,
        );
    }
    fast_path(ledger, known, faults);
    for (place, step) in steps(ledger) {
        check_step(&place, step, ledger, known, faults);
    }
    if whole {
        once_per_state(ledger, faults);
        reachable(ledger, faults);
    }
}

/// Fields and event names that the engine counts on, or keeps for itself, in every ledger.
fn base_fields(ledger: &Ledger, whole: bool, faults: &mut Faults) {
    let needed = [
        ("no", "human_no", FieldType::HumanNo(None)),
        ("project_id", "ref:project", FieldType::Ref(Target::Project)),
        ("created_by", "ref:user", FieldType::Ref(Target::User)),
        ("created_at", "device_time", FieldType::DeviceTime),
    ];
    for (id, spelling, kind) in needed {
        if whole && !ledger.field(id).is_some_and(|field| field.kind == kind) {
            faults.say(
                "/fields",
                format!("台账须有类型为 {spelling} 的字段“{id}”"),
                format!("a ledger needs the field \"{id}\" of type {spelling}"),
            );
        }
    }
    if let Some(at) = ledger.fields.iter().position(|field| field.id == TEMPORARY_NUMBER) {
        let (zh, en) = ("该字段名归引擎使用", "the engine keeps this field for itself");
        faults.say(format!("/fields/{at}/id"), zh, en);
    }
    let names = ledger.transitions.iter().map(|step| step.id.as_str()).chain([ledger.create_event.as_str()]);
    for name in names.filter(|name| OWN_EVENTS.contains(name)) {
        faults.say(
            if ledger.linear { "/states" } else { "/transitions" },
            format!("事件名“{name}”归引擎使用"),
            format!("the engine keeps the event \"{name}\" for itself"),
        );
    }
}

/// Steps that the file lists, with their pointers; steps of linear ledgers come from their states.
fn steps(ledger: &Ledger) -> Vec<(String, &Transition)> {
    let listed = if ledger.linear { 0 } else { ledger.transitions.len() };
    let fast = ledger.fast_path.as_ref().and_then(|path| path.event.as_deref());
    ledger
        .transitions
        .iter()
        .take(listed)
        .enumerate()
        .map(|(at, step)| {
            let is_fast = at + 1 == listed && fast == Some(step.id.as_str());
            (if is_fast { "/fast_path".to_owned() } else { format!("/transitions/{at}") }, step)
        })
        .collect()
}

fn check_step(pointer: &str, step: &Transition, ledger: &Ledger, known: &Known, faults: &mut Faults) {
    let states = || ledger.states.iter().map(|state| state.id.as_str());
    faults.plain_id(format!("{pointer}/id"), &step.id);
    if step.id == ledger.create_event {
        faults.say(
            format!("{pointer}/id"),
            format!("“{}”是登记事件的名称", step.id),
            format!("\"{}\" is the name of the event that begins an entry", step.id),
        );
    }
    if step.from.is_empty() {
        faults.say(format!("{pointer}/from"), "没有起始状态", "no state to start from");
    }
    for (at, state) in step.from.iter().enumerate() {
        faults.refers(format!("{pointer}/from/{at}"), STATE, state, states());
    }
    if let Some(state) = &step.to {
        faults.refers(format!("{pointer}/to"), STATE, state, states());
    }
    performers(&format!("{pointer}/by"), &step.by, known, faults);
    let key = if pointer == "/fast_path" { "enabled_when" } else { "guard" };
    conditions(pointer, &step.requires, step.guard.as_ref().map(|guard| (key, guard)), ledger, known, faults);
}

/// What a step asks for: what must be there, and what must hold.
fn conditions(
    pointer: &str,
    requires: &[String],
    guard: Option<(&str, &Guard)>,
    ledger: &Ledger,
    known: &Known,
    faults: &mut Faults,
) {
    for (at, needed) in requires.iter().enumerate() {
        let fields = ledger.fields.iter().map(|field| field.id.as_str()).chain(EVENT_DATA);
        let noun = Noun("必填的字段或事件数据", "field or event data to require:");
        faults.refers(format!("{pointer}/requires/{at}"), noun, needed, fields);
    }
    if let Some((key, condition)) = guard {
        guard::check(&format!("{pointer}/{key}"), condition, ledger, known, faults);
    }
}

/// Who may take a step: roles, and rules.
fn performers(pointer: &str, by: &[String], known: &Known, faults: &mut Faults) {
    for (at, role) in by.iter().enumerate() {
        let roles = known.roles.keys().map(String::as_str).chain([BY_RULE]);
        faults.refers(format!("{pointer}/{at}"), ROLE, role, roles);
    }
}

fn number(ledger: &Ledger, faults: &mut Faults) {
    let mut choices = 0;
    for part in &ledger.number.parts {
        match part {
            NumberPart::Project => {
                let found = ledger.fields.iter().any(|field| field.kind == FieldType::Ref(Target::Project));
                if !found {
                    faults.say(
                        "/number_pattern",
                        "编号含 {project},但台账没有 ref:project 字段",
                        "the number holds {project}, but the ledger has no field of type ref:project",
                    );
                }
            }
            NumberPart::Field(name) => {
                choices += 1;
                number_codes(name, ledger, faults);
            }
            NumberPart::Literal(_)
            | NumberPart::Year
            | NumberPart::YearMonth
            | NumberPart::Day
            | NumberPart::Quarter
            | NumberPart::Sequence(_) => {}
        }
    }
    if choices == 0 && !ledger.number_codes.is_empty() {
        faults.say(
            "/number_codes",
            "编号规则没有用到这些代码",
            "the number pattern does not use these codes",
        );
    }
}

fn number_codes(name: &str, ledger: &Ledger, faults: &mut Faults) {
    let choices = ledger.fields.iter().filter(|field| field.kind == FieldType::Choice(None));
    let Some(field) = ledger.field(name).filter(|field| field.kind == FieldType::Choice(None)) else {
        let noun = Noun("编号所用的选择字段", "choice field for the number:");
        faults.refers("/number_pattern", noun, name, choices.map(|field| field.id.as_str()));
        return;
    };
    let options = || field.options.iter().map(|option| option.id.as_str());
    for option in options().filter(|option| !ledger.number_codes.contains_key(*option)) {
        // The option itself stands in the number then; a code is shorter, but not required.
        if ledger.number_codes.is_empty() {
            break;
        }
        faults.say(
            "/number_codes",
            format!("选项“{option}”没有编号代码"),
            format!("the option \"{option}\" has no code for the number"),
        );
    }
    for option in ledger.number_codes.keys() {
        faults.refers(format!("/number_codes/{option}"), OPTION, option, options());
    }
}

fn states(ledger: &Ledger, faults: &mut Faults) {
    faults.unique("/states", ledger.states.iter().map(|state| state.id.as_str()));
    for (at, state) in ledger.states.iter().enumerate() {
        let pointer = format!("/states/{at}");
        faults.plain_id(format!("{pointer}/id"), &state.id);
        let asks = !state.by.is_empty() || state.guard.is_some() || !state.requires.is_empty();
        let steers = state.event.is_some() || state.optional || asks;
        if steers && (!ledger.linear || at == 0) {
            faults.say(
                &pointer,
                "event、optional、by、guard、requires 只用于直线流转台账的后续状态",
                "event, optional, by, guard and requires are for the later states of linear ledgers",
            );
        }
        if state.optional && state.terminal {
            faults.say(format!("{pointer}/optional"), "终态不能跳过", "a terminal state cannot be skipped");
        }
    }
    if ledger.initial_state().terminal {
        faults.say("/states/0/terminal", "起始状态不能是终态", "the first state cannot be terminal");
    }
    if !ledger.states.iter().any(|state| state.terminal) {
        faults.say("/states", "没有终态", "there is no terminal state");
    }
}

fn fast_path(ledger: &Ledger, known: &Known, faults: &mut Faults) {
    let Some(path) = &ledger.fast_path else { return };
    let options = ledger.field("source").map_or([].as_slice(), |field| &field.options);
    for (at, source) in path.for_sources.iter().enumerate() {
        let place = format!("/fast_path/for_sources/{at}");
        faults.refers(place, OPTION, source, options.iter().map(|option| option.id.as_str()));
    }
    if path.event.is_some() != path.to.is_some() || path.event.is_some() == path.from.is_empty() {
        faults.say("/fast_path", "event、from、to 须一起写", "event, from and to belong together");
    }
    if path.event.is_none() {
        guard::check("/fast_path/enabled_when", &path.enabled_when, ledger, known, faults);
    }
}

/// Two steps of one name from one state would leave open which one an event means.
fn once_per_state(ledger: &Ledger, faults: &mut Faults) {
    let mut seen = BTreeSet::new();
    for (at, step) in ledger.transitions.iter().enumerate() {
        for state in &step.from {
            if !seen.insert((step.id.as_str(), state.as_str())) {
                let pointer =
                    if ledger.linear { "/states".to_owned() } else { format!("/transitions/{at}/id") };
                faults.say(
                    pointer,
                    format!("从“{state}”出发的步骤“{}”重复", step.id),
                    format!("the step \"{}\" from \"{state}\" is there twice", step.id),
                );
            }
        }
    }
}

/// Every state must be reachable from the first, and an end from every state.
fn reachable(ledger: &Ledger, faults: &mut Faults) {
    let edges: Vec<(&str, &str)> = ledger
        .transitions
        .iter()
        .filter_map(|step| step.to.as_deref().map(|to| (step, to)))
        .flat_map(|(step, to)| step.from.iter().map(move |from| (from.as_str(), to)))
        .collect();
    let first = ledger.initial_state().id.as_str();
    let ends: Vec<&str> = ledger.states.iter().filter(|s| s.terminal).map(|s| s.id.as_str()).collect();
    let forward = closure(&[first], |state| {
        edges.iter().filter(|(from, _)| *from == state).map(|(_, to)| *to).collect()
    });
    let backward =
        closure(&ends, |state| edges.iter().filter(|(_, to)| *to == state).map(|(from, _)| *from).collect());
    for (at, state) in ledger.states.iter().enumerate() {
        let id = state.id.as_str();
        if !forward.contains(id) {
            faults.say(
                format!("/states/{at}"),
                format!("从“{first}”到不了状态“{id}”"),
                format!("the state \"{id}\" cannot be reached from \"{first}\""),
            );
        } else if !ends.is_empty() && !backward.contains(id) {
            faults.say(
                format!("/states/{at}"),
                format!("从状态“{id}”到不了任何终态"),
                format!("no terminal state can be reached from \"{id}\""),
            );
        }
    }
}

fn closure<'s>(start: &[&'s str], next: impl Fn(&str) -> Vec<&'s str>) -> BTreeSet<&'s str> {
    let mut found: BTreeSet<&str> = start.iter().copied().collect();
    let mut open: Vec<&str> = start.to_vec();
    while let Some(state) = open.pop() {
        for state in next(state) {
            if found.insert(state) {
                open.push(state);
            }
        }
    }
    found
}
