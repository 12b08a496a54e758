//! The conditions of a survey: `relevant` as the expression of an item, `constraint` as the limits of a number.
//!
//! Of XPath, what forms use: `${name}`, texts and numbers, `= != < <= > >=`, `and`, `or`, `not(…)`,
//! `selected(${name}, 'choice')`, brackets, and `.` in a constraint.

use serde_json::{Value, json};
use std::iter::Peekable;
use std::vec::IntoIter;

use super::super::origin::Problems;
use super::super::table::Row;
use super::choices::{Choices, TICKED};
use super::question::Kind;

/// Deepest nesting of brackets.
const DEPTH_MAX: usize = 32;

/// A question that later ones may depend on.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    item: String,
    kind: Kind,
    /// Names of its choices with their option ids.
    options: Vec<(String, String)>,
}

impl Asked {
    pub(super) fn of(name: &str, kind: &Kind, choices: &Choices) -> Self {
        let list = match kind {
            Kind::One(list) | Kind::Many(list) => choices.list(list).unwrap_or_default(),
            Kind::Text | Kind::Integer | Kind::Decimal | Kind::Date | Kind::Time | Kind::Image => &[],
        };
        let options = list.iter().map(|choice| (choice.name.clone(), choice.id.clone())).collect();
        Self { item: format!("q.{name}"), kind: kind.clone(), options }
    }

    /// The expression that this choice is chosen.
    fn chosen(&self, name: &str) -> Result<Value, Wrong> {
        let (_, option) =
            self.options.iter().find(|(known, _)| known == name).ok_or_else(|| {
                Wrong(format!("没有选项“{name}”"), format!("there is no choice \"{name}\""))
            })?;
        Ok(match self.kind {
            Kind::Many(_) => {
                json!({"op": "answer_is", "item": format!("{}.{option}", self.item), "option": TICKED})
            }
            Kind::One(_)
            | Kind::Text
            | Kind::Integer
            | Kind::Decimal
            | Kind::Date
            | Kind::Time
            | Kind::Image => json!({"op": "answer_is", "item": self.item, "option": option}),
        })
    }

    /// The expression that anything is answered.
    fn answered(&self) -> Result<Value, Wrong> {
        match self.kind {
            Kind::One(_) | Kind::Many(_) => {
                let names = self.options.iter().map(|(name, _)| self.chosen(name));
                Ok(json!({"op": "or", "args": names.collect::<Result<Vec<_>, _>>()?}))
            }
            Kind::Integer | Kind::Decimal => {
                Ok(json!({"op": "between", "item": self.item, "min": f64::MIN, "max": f64::MAX}))
            }
            Kind::Text | Kind::Date | Kind::Time | Kind::Image => Err(unsupported()),
        }
    }

    fn is_number(&self) -> bool {
        matches!(self.kind, Kind::Integer | Kind::Decimal)
    }
}

/// Why a condition cannot be kept, in Chinese and English.
struct Wrong(String, String);

fn unsupported() -> Wrong {
    Wrong(
        "这个条件不支持;可用:${题} = '选项'、selected(${题}, '选项')、${数} 与数的比较、and、or、not()、括号".to_owned(),
        "this condition is not supported; use ${question} = 'choice', selected(${question}, 'choice'), comparisons of ${number} with a number, and, or, not(), brackets".to_owned(),
    )
}

/// The expression of the column `relevant`; a condition that cannot be kept is a problem, since leaving it out
/// would ask the wrong questions.
pub(super) fn relevant(
    row: &Row<'_>,
    asked: &std::collections::BTreeMap<String, Asked>,
    problems: &mut Problems,
) -> Option<Value> {
    let text = row.text("relevant");
    if text.is_empty() {
        return None;
    }
    let parsed = tokens(text).and_then(|tokens| {
        let mut parser = Parser { tokens: tokens.into_iter().peekable(), asked, depth: 0 };
        let expression = parser.or()?;
        if parser.tokens.next().is_some() { Err(unsupported()) } else { Ok(expression) }
    });
    match parsed {
        Ok(expression) => Some(expression),
        Err(Wrong(zh, en)) => {
            problems.fault(&row.place("relevant"), zh, en);
            None
        }
    }
}

/// The limits of a number from the column `constraint`: bounds on `.` joined by `and`. Anything else is left
/// out with a warning: the answer is then wider than the form wanted.
pub(super) fn limits(row: &Row<'_>, kind: &Kind, problems: &mut Problems) -> Vec<(&'static str, f64)> {
    let text = row.text("constraint");
    if text.is_empty() {
        return Vec::new();
    }
    let read = || {
        let tokens = tokens(text).ok()?;
        let step = match kind {
            Kind::Integer => Some(1.0),
            Kind::Decimal => None,
            Kind::Text | Kind::Date | Kind::Time | Kind::Image | Kind::One(_) | Kind::Many(_) => return None,
        };
        let mut limits = Vec::new();
        for (at, bound) in tokens.split(|token| *token == Token::Word("and".to_owned())).enumerate() {
            let [Token::Own, Token::Sign(sign), Token::Number(number)] = bound else { return None };
            let limit = match (sign.as_str(), step) {
                (">=", _) => ("min", *number),
                ("<=", _) => ("max", *number),
                (">", Some(step)) => ("min", number + step),
                ("<", Some(step)) => ("max", number - step),
                _ => return None,
            };
            if at > 1 || limits.iter().any(|(key, _)| *key == limit.0) {
                return None;
            }
            limits.push(limit);
        }
        Some(limits)
    };
    read().unwrap_or_else(|| {
        problems.warn(
            &row.place("constraint"),
            "未采用这个约束:只支持数值的 . >= 下限 and . <= 上限",
            "the constraint is left out: only . >= number and . <= number of a number are kept",
        );
        Vec::new()
    })
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// `${name}`
    Question(String),
    /// `.`
    Own,
    Text(String),
    Number(f64),
    Word(String),
    Sign(String),
    Open,
    Close,
    Comma,
}

impl Token {
    /// The text or number to compare with.
    fn plain(&self) -> Option<String> {
        if let Self::Text(text) = self {
            return Some(text.clone());
        }
        if let Self::Number(number) = self { Some(number.to_string()) } else { None }
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, Wrong> {
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    let until = |from: usize, end: char| chars.iter().skip(from).position(|c| *c == end).map(|n| from + n);
    while let Some(&c) = chars.get(at) {
        let run = |from: usize, fits: fn(char) -> bool| {
            chars.iter().skip(from).take_while(|c| fits(**c)).collect::<String>()
        };
        let (token, next) = match c {
            _ if c.is_whitespace() => {
                at += 1;
                continue;
            }
            '$' if chars.get(at + 1) == Some(&'{') => {
                let end = until(at, '}').ok_or_else(unsupported)?;
                let name: String = chars[at + 2..end].iter().collect();
                (Token::Question(name.trim().to_owned()), end + 1)
            }
            '\'' | '"' => {
                let end = until(at + 1, c).ok_or_else(unsupported)?;
                (Token::Text(chars[at + 1..end].iter().collect()), end + 1)
            }
            '(' => (Token::Open, at + 1),
            ')' => (Token::Close, at + 1),
            ',' => (Token::Comma, at + 1),
            '=' | '!' | '<' | '>' => {
                let sign = run(at, |c| matches!(c, '=' | '!' | '<' | '>'));
                let length = sign.chars().count();
                (Token::Sign(sign), at + length)
            }
            '.' if !chars.get(at + 1).is_some_and(char::is_ascii_digit) => (Token::Own, at + 1),
            _ if c.is_ascii_digit() || matches!(c, '-' | '.') => {
                let digits: String = std::iter::once(c)
                    .chain(run(at + 1, |c| c.is_ascii_digit() || c == '.').chars())
                    .collect();
                let number = digits.parse().map_err(|_| unsupported())?;
                (Token::Number(number), at + digits.chars().count())
            }
            _ if c.is_alphabetic() => {
                let word = run(at, |c| c.is_alphanumeric() || matches!(c, '-' | '_'));
                let length = word.chars().count();
                (Token::Word(word), at + length)
            }
            _ => return Err(unsupported()),
        };
        found.push(token);
        at = next;
    }
    Ok(found)
}

struct Parser<'a> {
    tokens: Peekable<IntoIter<Token>>,
    asked: &'a std::collections::BTreeMap<String, Asked>,
    depth: usize,
}

impl Parser<'_> {
    fn or(&mut self) -> Result<Value, Wrong> {
        self.joined("or", Self::and)
    }

    fn and(&mut self) -> Result<Value, Wrong> {
        self.joined("and", Self::one)
    }

    fn joined(&mut self, word: &str, part: fn(&mut Self) -> Result<Value, Wrong>) -> Result<Value, Wrong> {
        let mut parts = vec![part(self)?];
        while self.tokens.next_if_eq(&Token::Word(word.to_owned())).is_some() {
            parts.push(part(self)?);
        }
        match parts.len() {
            1 => parts.pop().ok_or_else(unsupported),
            _ => Ok(json!({"op": word, "args": parts})),
        }
    }

    fn one(&mut self) -> Result<Value, Wrong> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(unsupported());
        }
        let made = match self.tokens.next() {
            Some(Token::Open) => {
                let inner = self.or()?;
                self.expect(&Token::Close)?;
                inner
            }
            Some(Token::Word(word)) if word == "not" => {
                self.expect(&Token::Open)?;
                let inner = self.or()?;
                self.expect(&Token::Close)?;
                json!({"op": "not", "arg": inner})
            }
            Some(Token::Word(word)) if word == "selected" => {
                self.expect(&Token::Open)?;
                let Some(Token::Question(name)) = self.tokens.next() else { return Err(unsupported()) };
                self.expect(&Token::Comma)?;
                let Some(Token::Text(choice)) = self.tokens.next() else { return Err(unsupported()) };
                self.expect(&Token::Close)?;
                self.question(&name)?.chosen(&choice)?
            }
            Some(Token::Question(name)) => self.comparison(&name)?,
            _ => return Err(unsupported()),
        };
        self.depth -= 1;
        Ok(made)
    }

    fn comparison(&mut self, name: &str) -> Result<Value, Wrong> {
        let question = self.question(name)?.clone();
        let Some(Token::Sign(sign)) = self.tokens.next() else { return Err(unsupported()) };
        let value = self.tokens.next().ok_or_else(unsupported)?;
        let not = |inner: Value| json!({"op": "not", "arg": inner});
        match (sign.as_str(), &value) {
            ("=", Token::Text(text)) if text.is_empty() => return question.answered().map(not),
            ("!=", Token::Text(text)) if text.is_empty() => return question.answered(),
            _ => {}
        }
        if !question.is_number() {
            let choice = value.plain().ok_or_else(unsupported)?;
            return match sign.as_str() {
                "=" => question.chosen(&choice),
                "!=" => question.chosen(&choice).map(not),
                _ => Err(unsupported()),
            };
        }
        let number: f64 = value.plain().and_then(|text| text.trim().parse().ok()).ok_or_else(unsupported)?;
        let item = &question.item;
        let equal = json!({"op": "between", "item": item, "min": number, "max": number});
        let side = |op: &str| json!({"op": op, "item": item, "value": number});
        Ok(match sign.as_str() {
            "=" => equal,
            "!=" => not(equal),
            "<" => side("lt"),
            ">" => side("gt"),
            // Not the opposite of `>`: without an answer neither holds.
            "<=" => json!({"op": "or", "args": [side("lt"), equal]}),
            ">=" => json!({"op": "or", "args": [side("gt"), equal]}),
            _ => return Err(unsupported()),
        })
    }

    fn question(&self, name: &str) -> Result<&Asked, Wrong> {
        self.asked.get(name).ok_or_else(|| {
            Wrong(
                format!("“{name}”不是前面的问题(重复中的问题不能引用)"),
                format!("\"{name}\" is no earlier question (one within a repeat cannot be referred to)"),
            )
        })
    }

    fn expect(&mut self, token: &Token) -> Result<(), Wrong> {
        if self.tokens.next().as_ref() == Some(token) { Ok(()) } else { Err(unsupported()) }
    }
}
