//! Guards of transitions and filters of rules: a small language over named facts.
//!
//! `not` binds tighter than `and`, `and` tighter than `or`. A name alone asks whether the fact is there
//! and not false. Comparisons: `= != < <= > >=`; membership: `in [a,b]`, `not in [a,b]`, and
//! `in name` / `not in name` where the fact is a list.

use serde::Deserialize;

use super::guard_syntax;
use super::label::Fault;

/// A comparison between a fact and a written value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Equal; for a list: one element equals.
    Equal,
    /// Not equal, also when the fact is absent.
    NotEqual,
    /// Below.
    Less,
    /// Below or equal.
    AtMost,
    /// Above.
    Greater,
    /// Above or equal.
    AtLeast,
}

/// A guard, parsed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Guard {
    /// The fact is there and not false, empty or zero.
    Holds(String),
    /// The fact compares with a written value; a list compares by its length with `<` and `>`.
    Compare(String, Comparison, String),
    /// The fact, or one element of it, is among the written values.
    InList(String, Vec<String>),
    /// The fact, or one element of it, is among the elements of another fact.
    InFact(String, String),
    /// All hold.
    And(Vec<Self>),
    /// At least one holds.
    Or(Vec<Self>),
    /// It does not hold.
    Not(Box<Self>),
}

/// A fact that a guard asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// Nothing is known.
    Absent,
    /// Yes or no.
    Bool(bool),
    /// A number or a count.
    Number(f64),
    /// Text, an option id, a reference.
    Text(String),
    /// Several: roles, elements of a set, owners.
    Many(Vec<String>),
}

impl TryFrom<String> for Guard {
    type Error = Fault;

    fn try_from(text: String) -> Result<Self, Fault> {
        guard_syntax::parse(&text)
    }
}

impl Guard {
    /// Parses a guard.
    ///
    /// # Errors
    /// A fault with the character position, from 1.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        guard_syntax::parse(text)
    }

    /// Whether the guard holds; `fact` answers by name.
    #[must_use]
    pub fn holds(&self, fact: &dyn Fn(&str) -> Fact) -> bool {
        match self {
            Self::Holds(name) => fact(name).is_true(),
            Self::Compare(name, comparison, value) => compare(&fact(name), *comparison, value),
            Self::InList(name, values) => fact(name).elements().iter().any(|e| values.contains(e)),
            Self::InFact(name, other) => {
                let others = fact(other).elements();
                fact(name).elements().iter().any(|element| others.contains(element))
            }
            Self::And(parts) => parts.iter().all(|part| part.holds(fact)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(fact)),
            Self::Not(inner) => !inner.holds(fact),
        }
    }

    /// Visits this guard and every guard inside it.
    pub fn each(&self, visit: &mut dyn FnMut(&Self)) {
        visit(self);
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.each(visit)),
            Self::Not(inner) => inner.each(visit),
            Self::Holds(_) | Self::Compare(..) | Self::InList(..) | Self::InFact(..) => {}
        }
    }

    /// The names of all facts that the guard asks for, in order of appearance.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Holds(name) | Self::Compare(name, ..) | Self::InList(name, _) => vec![name],
            Self::InFact(name, other) => vec![name, other],
            Self::And(parts) | Self::Or(parts) => parts.iter().flat_map(Self::names).collect(),
            Self::Not(inner) => inner.names(),
        }
    }
}

impl Fact {
    fn is_true(&self) -> bool {
        match self {
            Self::Absent => false,
            Self::Bool(yes) => *yes,
            Self::Number(number) => *number != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::Many(elements) => !elements.is_empty(),
        }
    }

    fn elements(&self) -> Vec<String> {
        match self {
            Self::Absent => Vec::new(),
            Self::Bool(yes) => vec![yes.to_string()],
            Self::Number(number) => vec![number.to_string()],
            Self::Text(text) => vec![text.clone()],
            Self::Many(elements) => elements.clone(),
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            #[expect(clippy::cast_precision_loss, reason = "counts of lines stay far below 2^53")]
            Self::Many(elements) => Some(elements.len() as f64),
            Self::Text(text) => text.parse().ok(),
            Self::Absent | Self::Bool(_) => None,
        }
    }
}

fn compare(fact: &Fact, comparison: Comparison, value: &str) -> bool {
    let equals = || match (fact.number(), value.parse::<f64>()) {
        (Some(number), Ok(value)) if !matches!(fact, Fact::Many(_)) => number == value,
        _ => fact.elements().iter().any(|element| element == value),
    };
    let ordered = |holds: fn(&f64, &f64) -> bool| {
        fact.number().zip(value.parse().ok()).is_some_and(|(number, value)| holds(&number, &value))
    };
    match comparison {
        Comparison::Equal => equals(),
        Comparison::NotEqual => !equals(),
        Comparison::Less => ordered(f64::lt),
        Comparison::AtMost => ordered(f64::le),
        Comparison::Greater => ordered(f64::gt),
        Comparison::AtLeast => ordered(f64::ge),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str, facts: &[(&str, Fact)]) -> bool {
        Guard::parse(text).unwrap().holds(&|name| {
            facts.iter().find(|(known, _)| *known == name).map_or(Fact::Absent, |(_, fact)| fact.clone())
        })
    }

    fn text(value: &str) -> Fact {
        Fact::Text(value.to_owned())
    }

    fn many(values: &[&str]) -> Fact {
        Fact::Many(values.iter().map(|v| (*v).to_owned()).collect())
    }

    #[test]
    fn the_guards_of_the_ledgers_evaluate() {
        assert!(holds("satisfaction in [s1,s2]", &[("satisfaction", text("s2"))]));
        assert!(!holds("satisfaction in [s1,s2]", &[("satisfaction", text("s3"))]));
        assert!(!holds("satisfaction in [s1,s2]", &[]));
        assert!(holds(
            "return_visit_done_or_not_required",
            &[("return_visit_done_or_not_required", Fact::Bool(true))]
        ));
        let level = "level!=major or by in [role.branch_cs_mgr,role.gm]";
        assert!(holds(level, &[("level", text("general"))]));
        assert!(holds(level, &[("level", text("major")), ("by", many(&["role.cs_lead", "role.gm"]))]));
        assert!(!holds(level, &[("level", text("major")), ("by", many(&["role.cs_lead"]))]));
        let plan = "severity=observation or root_cause and actions";
        assert!(holds(plan, &[("severity", text("observation"))]));
        assert!(!holds(plan, &[("severity", text("minor")), ("root_cause", text("x"))]));
        assert!(holds(
            plan,
            &[("severity", text("minor")), ("root_cause", text("x")), ("actions", many(&["1"]))]
        ));
        let verifier = "verifier not in action_owners";
        assert!(holds(verifier, &[("verifier", text("u.a")), ("action_owners", many(&["u.b"]))]));
        assert!(!holds(verifier, &[("verifier", text("u.b")), ("action_owners", many(&["u.b"]))]));
        assert!(holds(
            "kind=central and state in [held,evaluated]",
            &[("kind", text("central")), ("state", text("held"))]
        ));
        assert!(holds("severity!=major", &[]));
        assert!(holds("visits>=1", &[("visits", many(&["v1"]))]));
        assert!(!holds("visits>=1", &[("visits", many(&[]))]));
    }

    #[test]
    fn not_binds_tighter_than_and_and_tighter_than_or() {
        let facts = [("a", Fact::Bool(true)), ("b", Fact::Bool(false)), ("c", Fact::Bool(true))];
        assert!(holds("not b and a", &facts));
        assert!(!holds("not (b or a)", &facts));
        assert!(holds("b and a or c", &facts));
        assert!(!holds("b and (a or c)", &facts));
        assert!(holds("c or a and b", &facts));
    }

    #[test]
    fn names_lists_every_fact_asked_for() {
        let guard = Guard::parse("a=1 or not (b in [x] and c not in d)").unwrap();
        assert_eq!(guard.names(), ["a", "b", "c", "d"]);
    }
}
