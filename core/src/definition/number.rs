//! The pattern of the numbers that people use for ledger entries, e.g. `QT-{project}-{yyyymmdd}-{seq4}`.

use serde::Deserialize;

use super::label::Fault;

/// A piece of a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NumberPart {
    /// Fixed text.
    Literal(String),
    /// The project's short code.
    Project,
    /// The year, four digits.
    Year,
    /// Year and month, six digits.
    YearMonth,
    /// Year, month and day, eight digits.
    Day,
    /// The quarter, 1 to 4.
    Quarter,
    /// The running number among numbers that are equal otherwise, with at least this many digits.
    Sequence(usize),
    /// The code that the ledger's `number_codes` give the option of this choice field.
    Field(String),
}

/// A number pattern, parsed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct NumberPattern {
    /// As written.
    pub text: String,
    /// Its pieces in order.
    pub parts: Vec<NumberPart>,
}

/// The placeholders that exist besides choice fields.
pub(crate) const PLACEHOLDERS: [&str; 7] =
    ["{project}", "{yyyy}", "{yyyymm}", "{yyyymmdd}", "{q}", "{seq1}..{seq9}", "{<choice field>}"];

impl TryFrom<String> for NumberPattern {
    type Error = Fault;

    fn try_from(text: String) -> Result<Self, Fault> {
        let wrong = |zh: &str, en: &str| Fault::new(zh, en).allowing(PLACEHOLDERS);
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (literal, after) = rest.split_once('{').map_or((rest, None), |(l, a)| (l, Some(a)));
            if literal.contains('}') {
                return Err(wrong("编号规则中多了“}”", "the number pattern has a stray \"}\""));
            }
            if !literal.is_empty() {
                parts.push(NumberPart::Literal(literal.to_owned()));
            }
            let Some(after) = after else { break };
            let Some((name, next)) = after.split_once('}') else {
                return Err(wrong("编号规则中的“{”没有闭合", "a \"{\" of the number pattern is not closed"));
            };
            parts.push(placeholder(name).ok_or_else(|| {
                Fault::new(
                    format!("编号规则中的占位符“{{{name}}}”未知"),
                    format!("unknown placeholder \"{{{name}}}\" in the number pattern"),
                )
                .allowing(PLACEHOLDERS)
            })?);
            rest = next;
        }
        if parts.iter().filter(|part| matches!(part, NumberPart::Sequence(_))).count() > 1 {
            return Err(wrong("编号规则只能有一个流水号", "a number pattern has at most one running number"));
        }
        Ok(Self { text, parts })
    }
}

impl NumberPattern {
    /// Digits of the running number; `None` when the pattern has none.
    #[must_use]
    pub fn sequence_digits(&self) -> Option<usize> {
        self.parts.iter().find_map(|part| match part {
            NumberPart::Sequence(digits) => Some(*digits),
            NumberPart::Literal(_)
            | NumberPart::Project
            | NumberPart::Year
            | NumberPart::YearMonth
            | NumberPart::Day
            | NumberPart::Quarter
            | NumberPart::Field(_) => None,
        })
    }
}

fn placeholder(name: &str) -> Option<NumberPart> {
    Some(match name {
        "project" => NumberPart::Project,
        "yyyy" => NumberPart::Year,
        "yyyymm" => NumberPart::YearMonth,
        "yyyymmdd" => NumberPart::Day,
        "q" => NumberPart::Quarter,
        other => match other.strip_prefix("seq").map(str::parse::<usize>) {
            Some(Ok(digits @ 1..=9)) => NumberPart::Sequence(digits),
            Some(_) => return None,
            None if !other.is_empty() && other.chars().all(|c| c.is_ascii_lowercase() || c == '_') => {
                NumberPart::Field(other.to_owned())
            }
            None => return None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_split_into_their_pieces() {
        let pattern = NumberPattern::try_from("PX-{yyyy}Q{q}-{seq2}".to_owned()).unwrap();
        assert_eq!(
            pattern.parts,
            [
                NumberPart::Literal("PX-".into()),
                NumberPart::Year,
                NumberPart::Literal("Q".into()),
                NumberPart::Quarter,
                NumberPart::Literal("-".into()),
                NumberPart::Sequence(2),
            ]
        );
        assert_eq!(pattern.sequence_digits(), Some(2));
        let yearly = NumberPattern::try_from("GB-{project}-{yyyy}".to_owned()).unwrap();
        assert_eq!(yearly.sequence_digits(), None);
    }

    #[test]
    fn mistakes_in_patterns_are_refused() {
        for text in ["A-{yyy y}", "A-{seq0}", "A-{seqx}", "A-{project", "A}", "{seq2}{seq3}", "{}"] {
            assert!(NumberPattern::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
