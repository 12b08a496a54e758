//! The syntax of guards: text to [`Guard`], with the position of what is wrong.

use super::guard::{Comparison, Guard};
use super::label::Fault;

/// Deepest nesting of brackets and `not`: bounds the parser's stack.
const DEPTH_MAX: usize = 32;

const COMPARISONS: [(&str, Comparison); 6] = [
    ("!=", Comparison::NotEqual),
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("=", Comparison::Equal),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

const ALLOWED: [&str; 6] =
    ["name", "name = value", "name != value", "name in [a,b]", "name not in name", "and / or / not / ( )"];

/// Parses a whole guard.
pub(crate) fn parse(text: &str) -> Result<Guard, Fault> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens, at: 0, end: text.chars().count() + 1, depth: 0 };
    let guard = parser.or()?;
    match parser.peek() {
        None => Ok(guard),
        Some(_) => Err(parser.unexpected("and / or")),
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Compare(Comparison),
    Punct(char),
}

/// Tokens with their position, in characters from 1.
fn tokens(text: &str) -> Result<Vec<(Token, usize)>, Fault> {
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        if c.is_whitespace() {
            at += 1;
            continue;
        }
        let rest: String = chars.iter().skip(at).take(2).collect();
        if let Some((sign, comparison)) = COMPARISONS.iter().find(|(sign, _)| rest.starts_with(sign)) {
            found.push((Token::Compare(*comparison), at + 1));
            at += sign.len();
        } else if matches!(c, '(' | ')' | '[' | ']' | ',') {
            found.push((Token::Punct(c), at + 1));
            at += 1;
        } else if is_word(c) {
            let word: String = chars.iter().skip(at).take_while(|c| is_word(**c)).collect();
            let start = at + 1;
            at += word.chars().count();
            found.push((Token::Word(word), start));
        } else {
            return Err(Fault::new(
                format!("条件表达式第 {} 个字符“{c}”无法识别", at + 1),
                format!("guard: unexpected character \"{c}\" at position {}", at + 1),
            )
            .allowing(ALLOWED));
        }
    }
    Ok(found)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

struct Parser {
    tokens: Vec<(Token, usize)>,
    at: usize,
    end: usize,
    depth: usize,
}

impl Parser {
    fn or(&mut self) -> Result<Guard, Fault> {
        let mut parts = vec![self.and()?];
        while self.keyword("or") {
            parts.push(self.and()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Guard::Or(parts) })
    }

    fn and(&mut self) -> Result<Guard, Fault> {
        let mut parts = vec![self.not()?];
        while self.keyword("and") {
            parts.push(self.not()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Guard::And(parts) })
    }

    fn not(&mut self) -> Result<Guard, Fault> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Fault::new(
                format!("条件表达式嵌套超过 {DEPTH_MAX} 层"),
                format!("guard: nested deeper than {DEPTH_MAX}"),
            ));
        }
        let made = if self.keyword("not") {
            Guard::Not(Box::new(self.not()?))
        } else if self.punct('(') {
            let inner = self.or()?;
            self.close(')')?;
            inner
        } else {
            self.test()?
        };
        self.depth -= 1;
        Ok(made)
    }

    fn test(&mut self) -> Result<Guard, Fault> {
        let name = self.word("name")?;
        if let Some(Token::Compare(comparison)) = self.peek() {
            let comparison = *comparison;
            self.at += 1;
            return Ok(Guard::Compare(name, comparison, self.word("value")?));
        }
        if self.keyword("in") {
            return self.members(name);
        }
        if self.peek_keyword("not") {
            self.at += 1;
            if !self.keyword("in") {
                return Err(self.unexpected("in"));
            }
            return Ok(Guard::Not(Box::new(self.members(name)?)));
        }
        Ok(Guard::Holds(name))
    }

    fn members(&mut self, name: String) -> Result<Guard, Fault> {
        if !self.punct('[') {
            return Ok(Guard::InFact(name, self.word("name or [")?));
        }
        let mut values = vec![self.word("value")?];
        while self.punct(',') {
            values.push(self.word("value")?);
        }
        self.close(']')?;
        Ok(Guard::InList(name, values))
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    fn peek_keyword(&self, keyword: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(word)) if word == keyword)
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        let found = self.peek_keyword(keyword);
        self.at += usize::from(found);
        found
    }

    fn punct(&mut self, punct: char) -> bool {
        let found = matches!(self.peek(), Some(Token::Punct(c)) if *c == punct);
        self.at += usize::from(found);
        found
    }

    fn close(&mut self, punct: char) -> Result<(), Fault> {
        if self.punct(punct) { Ok(()) } else { Err(self.unexpected(&punct.to_string())) }
    }

    fn word(&mut self, what: &str) -> Result<String, Fault> {
        match self.peek() {
            Some(Token::Word(word)) if !matches!(word.as_str(), "and" | "or" | "not" | "in") => {
                let word = word.clone();
                self.at += 1;
                Ok(word)
            }
            _ => Err(self.unexpected(what)),
        }
    }

    fn unexpected(&self, expected: &str) -> Fault {
        let position = self.tokens.get(self.at).map_or(self.end, |(_, position)| *position);
        Fault::new(
            format!("条件表达式第 {position} 个字符处应为 {expected}"),
            format!("guard: {expected} expected at position {position}"),
        )
        .allowing(ALLOWED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_position() {
        for (text, expected) in [
            ("", "name expected at position 1"),
            ("a =", "value expected at position 4"),
            ("a in [x,]", "value expected at position 9"),
            ("a in [x", "] expected at position 8"),
            ("(a or b", ") expected at position 8"),
            ("a b", "and / or expected at position 3"),
            ("a not b", "in expected at position 7"),
            ("a and or b", "name expected at position 7"),
            ("a ~ b", "unexpected character \"~\" at position 3"),
        ] {
            let fault = parse(text).unwrap_err();
            assert!(fault.en.contains(expected), "{text}: {}", fault.en);
            assert!(!fault.allowed.is_empty());
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = format!("{}a", "not ".repeat(100));
        assert!(parse(&deep).unwrap_err().en.contains("nested deeper"));
    }

    #[test]
    fn chinese_text_is_refused_not_split_inside_a_character() {
        assert!(parse("级别=重大").unwrap_err().en.contains("position 1"));
    }
}
