//! Expressions of checklists: when an item is visible, when a number fails.
//!
//! Only eight operators exist: `answer_is`, `attr_true`, `lt`, `gt`, `between`, `and`, `or`, `not`.
//! Written as objects: `{"op": "and", "args": [..]}`, `{"op": "not", "arg": {..}}`,
//! `{"op": "lt", "param": "project.x"}`. Evaluated in the core only.

use serde::Deserialize;

use super::label::Fault;

/// The operators that exist.
pub const EXPRESSION_OPS: [&str; 8] = ["answer_is", "attr_true", "lt", "gt", "between", "and", "or", "not"];

/// A number to compare with: written, or looked up in the project's parameters.
#[derive(Clone, Debug, PartialEq)]
pub enum Limit {
    /// Written in the definition.
    Value(f64),
    /// A parameter of the project, without the `project.` prefix.
    Param(String),
}

/// An expression, parsed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Written")]
pub enum Expr {
    /// The item's answer is this option.
    AnswerIs {
        /// Item id.
        item: String,
        /// Option id.
        option: String,
    },
    /// The project has this attribute (named without the `project.` prefix).
    AttrTrue(String),
    /// The number is below the limit.
    Lt(Subject, Limit),
    /// The number is above the limit.
    Gt(Subject, Limit),
    /// The number is from the first to the second limit, both included.
    Between(Subject, Limit, Limit),
    /// All hold.
    And(Vec<Self>),
    /// At least one holds.
    Or(Vec<Self>),
    /// It does not hold.
    Not(Box<Self>),
}

/// Whose number is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The item that carries the expression.
    Own,
    /// Another item of the sheet.
    Item(String),
}

/// What an expression may ask. A missing fact makes the comparison false.
pub struct Facts<'a> {
    /// True when the option is among the current answers of the item.
    pub answer_is: &'a dyn Fn(&str, &str) -> bool,
    /// The number answered at an item.
    pub number_of: &'a dyn Fn(&str) -> Option<f64>,
    /// The number answered at the item that carries the expression.
    pub own_number: Option<f64>,
    /// An attribute of the project, without prefix.
    pub attr: &'a dyn Fn(&str) -> bool,
    /// A number among the project's parameters, without prefix.
    pub param: &'a dyn Fn(&str) -> Option<f64>,
}

impl Expr {
    /// Whether the expression holds for these facts.
    #[must_use]
    pub fn holds(&self, facts: &Facts<'_>) -> bool {
        match self {
            Self::AnswerIs { item, option } => (facts.answer_is)(item, option),
            Self::AttrTrue(attr) => (facts.attr)(attr),
            Self::Lt(subject, limit) => compare(facts, subject, limit, |number, limit| number < limit),
            Self::Gt(subject, limit) => compare(facts, subject, limit, |number, limit| number > limit),
            Self::Between(subject, low, high) => {
                compare(facts, subject, low, |number, low| number >= low)
                    && compare(facts, subject, high, |number, high| number <= high)
            }
            Self::And(parts) => parts.iter().all(|part| part.holds(facts)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(facts)),
            Self::Not(inner) => !inner.holds(facts),
        }
    }
}

fn compare(facts: &Facts<'_>, subject: &Subject, limit: &Limit, holds: fn(f64, f64) -> bool) -> bool {
    let number = match subject {
        Subject::Own => facts.own_number,
        Subject::Item(item) => (facts.number_of)(item),
    };
    let limit = match limit {
        Limit::Value(value) => Some(*value),
        Limit::Param(name) => (facts.param)(name),
    };
    number.zip(limit).is_some_and(|(number, limit)| holds(number, limit))
}

/// An expression as written: one object with an operator and what that operator takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    op: String,
    item: Option<String>,
    option: Option<String>,
    attr: Option<String>,
    param: Option<String>,
    value: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    args: Option<Vec<Expr>>,
    arg: Option<Box<Expr>>,
}

impl TryFrom<Written> for Expr {
    type Error = Fault;

    fn try_from(mut written: Written) -> Result<Self, Fault> {
        let op = std::mem::take(&mut written.op);
        let made = match op.as_str() {
            "answer_is" => Self::AnswerIs {
                item: needed(written.item.take(), &op, "item")?,
                option: needed(written.option.take(), &op, "option")?,
            },
            "attr_true" => Self::AttrTrue(project_name(needed(written.attr.take(), &op, "attr")?)?),
            "lt" | "gt" => {
                let limit = written.limit(&op)?;
                let subject = written.subject();
                if op == "lt" { Self::Lt(subject, limit) } else { Self::Gt(subject, limit) }
            }
            "between" => {
                let low = Limit::Value(needed(written.min.take(), &op, "min")?);
                let high = Limit::Value(needed(written.max.take(), &op, "max")?);
                Self::Between(written.subject(), low, high)
            }
            "and" => Self::And(needed(written.args.take(), &op, "args")?),
            "or" => Self::Or(needed(written.args.take(), &op, "args")?),
            "not" => Self::Not(needed(written.arg.take(), &op, "arg")?),
            unknown => {
                return Err(Fault::new(
                    format!("未知的表达式运算“{unknown}”"),
                    format!("unknown expression operator \"{unknown}\""),
                )
                .allowing(EXPRESSION_OPS));
            }
        };
        written.nothing_left(&op)?;
        Ok(made)
    }
}

impl Written {
    fn subject(&mut self) -> Subject {
        self.item.take().map_or(Subject::Own, Subject::Item)
    }

    fn limit(&mut self, op: &str) -> Result<Limit, Fault> {
        match (self.value.take(), self.param.take()) {
            (Some(value), None) => Ok(Limit::Value(value)),
            (None, Some(param)) => project_name(param).map(Limit::Param),
            (Some(_), Some(_)) | (None, None) => Err(Fault::new(
                format!("运算“{op}”须且只须有 value 或 param 之一"),
                format!("operator \"{op}\" takes exactly one of value and param"),
            )
            .allowing(["value", "param"])),
        }
    }

    fn nothing_left(&self, op: &str) -> Result<(), Fault> {
        let left = [
            ("item", self.item.is_some()),
            ("option", self.option.is_some()),
            ("attr", self.attr.is_some()),
            ("param", self.param.is_some()),
            ("value", self.value.is_some()),
            ("min", self.min.is_some()),
            ("max", self.max.is_some()),
            ("args", self.args.is_some()),
            ("arg", self.arg.is_some()),
        ];
        match left.iter().find(|(_, present)| *present) {
            Some((key, _)) => Err(Fault::new(
                format!("运算“{op}”不接受“{key}”"),
                format!("operator \"{op}\" does not take \"{key}\""),
            )
            .allowing(takes(op).iter().copied())),
            None => Ok(()),
        }
    }
}

fn takes(op: &str) -> &'static [&'static str] {
    match op {
        "answer_is" => &["item", "option"],
        "attr_true" => &["attr"],
        "lt" | "gt" => &["value", "param", "item"],
        "between" => &["min", "max", "item"],
        "not" => &["arg"],
        _ => &["args"],
    }
}

fn needed<T>(value: Option<T>, op: &str, key: &str) -> Result<T, Fault> {
    value.ok_or_else(|| {
        Fault::new(format!("运算“{op}”缺少“{key}”"), format!("operator \"{op}\" needs \"{key}\""))
            .allowing(takes(op).iter().copied())
    })
}

fn project_name(text: String) -> Result<String, Fault> {
    text.strip_prefix("project.").filter(|name| !name.is_empty()).map(str::to_owned).ok_or_else(|| {
        Fault::new(
            format!("“{text}”应写作 project.<名称>"),
            format!("\"{text}\" must be written project.<name>"),
        )
        .allowing(["project.<name>"])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Expr, serde_json::Error> {
        serde_json::from_str(text)
    }

    fn holds(text: &str, own: Option<f64>) -> bool {
        parse(text).unwrap().holds(&Facts {
            answer_is: &|item, option| item == "a.01" && option == "fail",
            number_of: &|item| (item == "a.02").then_some(3.0),
            own_number: own,
            attr: &|attr| attr == "has_lift",
            param: &|param| (param == "min_mpa").then_some(0.1),
        })
    }

    #[test]
    fn each_operator_evaluates() {
        assert!(holds(r#"{"op":"answer_is","item":"a.01","option":"fail"}"#, None));
        assert!(!holds(r#"{"op":"answer_is","item":"a.01","option":"pass"}"#, None));
        assert!(holds(r#"{"op":"attr_true","attr":"project.has_lift"}"#, None));
        assert!(holds(r#"{"op":"lt","param":"project.min_mpa"}"#, Some(0.08)));
        assert!(!holds(r#"{"op":"lt","param":"project.min_mpa"}"#, Some(0.1)));
        assert!(holds(r#"{"op":"gt","item":"a.02","value":2.5}"#, None));
        assert!(holds(r#"{"op":"between","min":1,"max":3,"item":"a.02"}"#, None));
        assert!(holds(
            r#"{"op":"and","args":[{"op":"attr_true","attr":"project.has_lift"},
                {"op":"not","arg":{"op":"or","args":[{"op":"gt","value":9}]}}]}"#,
            Some(1.0)
        ));
    }

    #[test]
    fn a_missing_number_or_parameter_makes_a_comparison_false() {
        assert!(!holds(r#"{"op":"lt","value":5}"#, None));
        assert!(!holds(r#"{"op":"lt","param":"project.unknown"}"#, Some(0.0)));
    }

    #[test]
    fn unknown_operators_and_wrong_operands_are_refused() {
        for (text, expected) in [
            (r#"{"op":"xor"}"#, "unknown expression operator \"xor\""),
            (r#"{"op":"lt"}"#, "exactly one of value and param"),
            (r#"{"op":"lt","value":1,"param":"project.x"}"#, "exactly one of value and param"),
            (r#"{"op":"not","args":[]}"#, "needs \"arg\""),
            (r#"{"op":"attr_true","attr":"project.x","value":1}"#, "does not take \"value\""),
            (r#"{"op":"attr_true","attr":"has_lift"}"#, "must be written project.<name>"),
            (r#"{"op":"and","args":[{"op":"nor"}]}"#, "unknown expression operator \"nor\""),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
