//! Linear ledgers: the explicit steps behind the one word `linear`.
//!
//! States follow each other in the order of the file up to the first terminal one. Each step is named
//! by the verb of the state it leads to; optional states may be skipped; whoever may take a step may take it
//! back with a reason. Terminal states after the first are exits, reachable with a reason from every state that is
//! not terminal.

use super::label::Title;
use super::ledger::{STEP_BACK, State, Transition};

/// The steps of a linear ledger. What a state says of the step that leads to it goes with the step.
pub(crate) fn expand(states: &[State]) -> Vec<Transition> {
    let end = states.iter().position(|state| state.terminal).unwrap_or(states.len().saturating_sub(1));
    let line: Vec<&State> = states.iter().take(end + 1).collect();
    let exits = states.iter().skip(end + 1).filter(|state| state.terminal);
    let open: Vec<String> = line.iter().filter(|s| !s.terminal).map(|s| s.id.clone()).collect();

    let mut steps = Vec::new();
    for (at, state) in line.iter().enumerate().skip(1) {
        let from = before(&line, at);
        steps.push(step(state, from, Vec::new()));
    }
    for (at, state) in line.iter().enumerate().skip(1) {
        if let Some(back) = line.iter().take(at).rev().find(|earlier| !earlier.optional) {
            steps.push(Transition {
                id: STEP_BACK.to_owned(),
                title: Title { zh: "退回一级".to_owned(), en: "Step back".to_owned() },
                from: vec![state.id.clone()],
                to: Some(back.id.clone()),
                by: state.by.clone(),
                guard: None,
                requires: vec!["reason".to_owned()],
            });
        }
    }
    steps.extend(exits.map(|state| step(state, open.clone(), vec!["reason".to_owned()])));
    steps
}

/// The states from which the one at `at` is the next: its neighbour, and further back over optional ones.
fn before(line: &[&State], at: usize) -> Vec<String> {
    let mut from = Vec::new();
    for earlier in line.iter().take(at).rev() {
        from.push(earlier.id.clone());
        if !earlier.optional {
            break;
        }
    }
    from.reverse();
    from
}

fn step(state: &State, from: Vec<String>, requires: Vec<String>) -> Transition {
    Transition {
        id: state.event.clone().unwrap_or_else(|| state.id.clone()),
        title: state.title.clone(),
        from,
        to: Some(state.id.clone()),
        by: state.by.clone(),
        guard: state.guard.clone(),
        requires: state.requires.iter().cloned().chain(requires).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Ledger, body, embedded};
    use super::*;

    fn state(id: &str, terminal: bool, optional: bool) -> State {
        State {
            id: id.to_owned(),
            title: Title { zh: id.to_owned(), en: id.to_owned() },
            terminal,
            event: None,
            optional,
            by: Vec::new(),
            guard: None,
            requires: Vec::new(),
        }
    }

    fn shape(states: &[State]) -> Vec<String> {
        expand(states)
            .iter()
            .map(|t| format!("{} {}>{}", t.id, t.from.join(","), t.to.as_deref().unwrap_or("")))
            .collect()
    }

    #[test]
    fn states_follow_each_other_and_go_one_back() {
        let states = [state("a", false, false), state("b", false, false), state("z", true, false)];
        assert_eq!(shape(&states), ["b a>b", "z b>z", "step_back b>a", "step_back z>b"]);
    }

    #[test]
    fn optional_states_may_be_skipped() {
        let states = [state("a", false, false), state("o", false, true), state("z", true, false)];
        assert_eq!(shape(&states), ["o a>o", "z a,o>z", "step_back o>a", "step_back z>a"]);
    }

    #[test]
    fn later_terminal_states_are_exits_with_a_reason() {
        let states = [state("a", false, false), state("y", true, false), state("n", true, false)];
        assert_eq!(shape(&states), ["y a>y", "step_back y>a", "n a>n"]);
        assert_eq!(expand(&states).last().unwrap().requires, ["reason"]);
    }

    fn shipped(id: &str) -> Vec<String> {
        let definition = embedded().iter().find(|definition| definition.reference.id == id).unwrap();
        let ledger: Ledger = body::typed(serde_json::from_slice(&definition.json).unwrap()).unwrap();
        let back = |t: &&Transition| t.id != STEP_BACK;
        let steps = ledger.transitions.iter().filter(back);
        steps.map(|t| format!("{} {}>{}", t.id, t.from.join(","), t.to.as_deref().unwrap_or(""))).collect()
    }

    #[test]
    fn the_thin_ledgers_expand_to_these_steps() {
        let expected: [(&str, &[&str]); 13] = [
            (
                "led.guanbiao_plan",
                &["approve draft>approved", "run approved>running", "close running>closed"],
            ),
            (
                "led.doc_change",
                &[
                    "review proposed>reviewed",
                    "accept reviewed>accepted",
                    "issue accepted>issued",
                    "reject proposed,reviewed,accepted>rejected",
                ],
            ),
            (
                "led.project_issue",
                &[
                    "analyse logged>analysed",
                    "start analysed>doing",
                    "escalate doing>escalated",
                    "close doing,escalated>closed",
                ],
            ),
            ("led.training", &["hold planned>held", "evaluate held>evaluated", "archive evaluated>archived"]),
            (
                "led.star",
                &[
                    "submit draft>submitted",
                    "review submitted>reviewed",
                    "decide reviewed>decided",
                    "publish decided>published",
                ],
            ),
            (
                "led.dispatch",
                &[
                    "approve requested>approved",
                    "arrive approved>on_site",
                    "return on_site>returned",
                    "close returned>closed",
                ],
            ),
            (
                "led.discipline",
                &[
                    "approve proposed>approved",
                    "execute approved>executed",
                    "revoke proposed,approved>revoked",
                ],
            ),
            ("led.care_visit", &["close active>closed"]),
            ("led.newsee_issue", &["answer logged>answered", "fix answered>fixed", "close fixed>closed"]),
            (
                "led.new_service",
                &[
                    "survey idea>surveyed",
                    "approve surveyed>approved",
                    "run approved>running",
                    "stop running>stopped",
                ],
            ),
            ("led.notice", &["publish draft>published", "complete published>done"]),
            ("led.meeting", &["hold planned>held", "close held>closed"]),
            ("led.activity", &["hold planned>held"]),
        ];
        for (id, steps) in expected {
            assert_eq!(shipped(id), steps, "{id}");
        }
    }
}
