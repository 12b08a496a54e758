//! Reading Rust without a compiler: words with their lines, comments and strings told apart, test code
//! marked. Receives a file's text, or the tree; hands on [`Source`] and [`product`]; knows no rule.

use crate::tree::Tree;
use std::collections::BTreeSet;

/// One word or mark of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// The word, the punctuation character, or the content of a string literal.
    pub(crate) text: String,
    /// What it is.
    pub(crate) kind: Kind,
    /// Line in the file, from 1.
    pub(crate) line: usize,
    /// Inside `#[cfg(test)]` or `#[test]`.
    pub(crate) in_test: bool,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An identifier, keyword or number.
    Word,
    /// One punctuation character; `::` is one mark.
    Mark,
    /// A string or character literal, without its quotes.
    Literal,
}

/// A Rust file as tokens.
pub(crate) struct Source {
    /// All tokens; comments are left out.
    pub(crate) tokens: Vec<Token>,
}

impl Source {
    /// Splits `text` into tokens and marks those inside test items.
    pub(crate) fn read(text: &str) -> Self {
        let mut tokens = Reader { chars: text.chars().collect(), at: 0, line: 1 }.tokens();
        mark_tests(&mut tokens);
        Self { tokens }
    }

    /// The tokens outside tests.
    pub(crate) fn product(&self) -> impl Iterator<Item = &Token> {
        self.tokens.iter().filter(|token| !token.in_test)
    }

    /// Every path written outside tests (`a::b::c`), groups expanded, with its line.
    pub(crate) fn paths(&self) -> Vec<(usize, Vec<String>)> {
        let tokens: Vec<&Token> = self.product().collect();
        let mut found = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            let starts = tokens[at].kind == Kind::Word
                && mark(&tokens, at + 1) == "::"
                && (at == 0 || mark(&tokens, at - 1) != "::");
            if starts { expand(&tokens, &mut at, &[], &mut found) } else { at += 1 }
        }
        found
    }
}

/// The Rust files below `folders` that are not tests as a whole: neither declared as `#[cfg(test)] mod x;`
/// nor lying in such a module's folder, nor in a crate's `tests/`.
pub(crate) fn product<'a>(tree: &'a Tree, folders: &'a [&'a str]) -> Vec<(&'a str, &'a str)> {
    let mut tests = BTreeSet::new();
    for (file, text) in tree.under(folders, ".rs") {
        let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
        let stem = name.trim_end_matches(".rs");
        let home = match stem {
            "mod" | "lib" | "main" => folder.to_owned(),
            _ => format!("{folder}/{stem}"),
        };
        for three in Source::read(text).tokens.windows(3) {
            if three[0].in_test && three[0].text == "mod" && three[2].text == ";" {
                tests.insert(format!("{home}/{}.rs", three[1].text));
                tests.insert(format!("{home}/{}/", three[1].text));
            }
        }
    }
    let is_test = |file: &str| {
        let beside_src = file.contains("/tests/") && !file.contains("/src/");
        beside_src || tests.iter().any(|test| file.starts_with(test.as_str()))
    };
    tree.under(folders, ".rs").filter(|(file, _)| !is_test(file)).collect()
}

fn mark<'a>(tokens: &'a [&Token], at: usize) -> &'a str {
    tokens.get(at).filter(|token| token.kind == Kind::Mark).map_or("", |token| &token.text)
}

/// Reads one path from `at`, a word, and leaves `at` behind it; `{..}` multiplies.
fn expand(tokens: &[&Token], at: &mut usize, prefix: &[String], found: &mut Vec<(usize, Vec<String>)>) {
    let line = tokens[*at].line;
    let mut path = prefix.to_vec();
    loop {
        match tokens.get(*at) {
            Some(token) if token.kind == Kind::Word => {
                path.push(token.text.clone());
                *at += 1;
                if tokens.get(*at).is_some_and(|next| next.text == "as") {
                    *at += 2;
                }
            }
            _ if mark(tokens, *at) == "{" => {
                *at += 1;
                while *at < tokens.len() && mark(tokens, *at) != "}" {
                    if tokens[*at].kind == Kind::Word {
                        expand(tokens, at, &path, found);
                    } else {
                        *at += 1;
                    }
                }
                *at += 1;
                return;
            }
            _ => break,
        }
        if mark(tokens, *at) != "::" {
            break;
        }
        *at += 1;
    }
    found.push((line, path));
}

/// Marks the tokens of every item that carries `#[cfg(test)]` or `#[test]`.
fn mark_tests(tokens: &mut [Token]) {
    let mut at = 0;
    while at < tokens.len() {
        let words: Vec<&str> = tokens[at..].iter().take(6).map(|token| token.text.as_str()).collect();
        let is_test = words.starts_with(&["#", "[", "cfg", "(", "test", ")"])
            || words.starts_with(&["#", "[", "test", "]"]);
        if !is_test {
            at += 1;
            continue;
        }
        let end = item_end(tokens, at);
        for token in &mut tokens[at..end] {
            token.in_test = true;
        }
        at = end;
    }
}

/// The index behind the item that begins at `start`: behind its block, or its semicolon.
fn item_end(tokens: &[Token], start: usize) -> usize {
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        if token.kind != Kind::Mark {
            continue;
        }
        match token.text.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => {
                depth = depth.saturating_sub(1);
                if depth == 0 && token.text == "}" {
                    return at + 1;
                }
            }
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

struct Reader {
    chars: Vec<char>,
    at: usize,
    line: usize,
}

impl Reader {
    fn tokens(mut self) -> Vec<Token> {
        let mut tokens = Vec::new();
        while let Some(first) = self.peek(0) {
            let line = self.line;
            let (kind, text) = match (first, self.peek(1)) {
                ('/', Some('/')) => {
                    self.skip_while(|c| c != '\n');
                    continue;
                }
                ('/', Some('*')) => {
                    self.block_comment();
                    continue;
                }
                ('"', _) => (Kind::Literal, self.string()),
                ('\'', _) => match self.quoted_char() {
                    Some(text) => (Kind::Literal, text),
                    None => continue,
                },
                (':', Some(':')) => {
                    self.bump();
                    self.bump();
                    (Kind::Mark, "::".to_owned())
                }
                (c, _) if c.is_alphanumeric() || c == '_' => self.word_or_prefixed_string(),
                (c, _) => {
                    self.bump();
                    if c.is_whitespace() {
                        continue;
                    }
                    (Kind::Mark, c.to_string())
                }
            };
            tokens.push(Token { text, kind, line, in_test: false });
        }
        tokens
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn bump(&mut self) -> Option<char> {
        let next = self.peek(0)?;
        self.at += 1;
        self.line += usize::from(next == '\n');
        Some(next)
    }

    fn skip_while(&mut self, wanted: impl Fn(char) -> bool) {
        while self.peek(0).is_some_and(&wanted) {
            self.bump();
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0usize;
        while let Some(c) = self.bump() {
            match (c, self.peek(0)) {
                ('/', Some('*')) => {
                    self.bump();
                    depth += 1;
                }
                ('*', Some('/')) => {
                    self.bump();
                    depth -= 1;
                    if depth == 0 {
                        return;
                    }
                }
                _ => {}
            }
        }
    }

    fn string(&mut self) -> String {
        self.bump();
        let mut text = String::new();
        while let Some(c) = self.bump() {
            match c {
                '"' => break,
                '\\' => text.extend(self.bump()),
                _ => text.push(c),
            }
        }
        text
    }

    /// A character literal; a lifetime or label is skipped and gives nothing.
    fn quoted_char(&mut self) -> Option<String> {
        self.bump();
        if self.peek(0) != Some('\\') && self.peek(1) != Some('\'') {
            self.skip_while(|c| c.is_alphanumeric() || c == '_');
            return None;
        }
        let mut text = String::new();
        while let Some(c) = self.bump() {
            match c {
                '\'' => break,
                '\\' => text.extend(self.bump()),
                _ => text.push(c),
            }
        }
        Some(text)
    }

    fn word_or_prefixed_string(&mut self) -> (Kind, String) {
        let start = self.at;
        self.skip_while(|c| c.is_alphanumeric() || c == '_');
        let word: String = self.chars[start..self.at].iter().collect();
        let raw = matches!(word.as_str(), "r" | "br" | "cr");
        match self.peek(0) {
            Some('"') if raw => (Kind::Literal, self.raw_string(0)),
            Some('"') if matches!(word.as_str(), "b" | "c") => (Kind::Literal, self.string()),
            Some('#') if raw => {
                let hashes = self.chars[self.at..].iter().take_while(|&&c| c == '#').count();
                if self.peek(hashes) == Some('"') {
                    (Kind::Literal, self.raw_string(hashes))
                } else {
                    (Kind::Word, word)
                }
            }
            _ => (Kind::Word, word),
        }
    }

    fn raw_string(&mut self, hashes: usize) -> String {
        for _ in 0..=hashes {
            self.bump();
        }
        let mut text = String::new();
        while let Some(c) = self.bump() {
            if c == '"' && (0..hashes).all(|ahead| self.peek(ahead) == Some('#')) {
                for _ in 0..hashes {
                    self.bump();
                }
                break;
            }
            text.push(c);
        }
        text
    }
}

#[test]
fn strings_comments_and_lifetimes_are_not_words() {
    let text =
        "// unwrap\n/* a /* b */ unwrap */ fn f<'a>(x: &'a str) { r#\"un\"wrap\"#; '\\''; b\"x\\\"\"; }";
    let source = Source::read(text);
    let words: Vec<&str> =
        source.tokens.iter().filter(|t| t.kind == Kind::Word).map(|t| t.text.as_str()).collect();
    assert_eq!(words, ["fn", "f", "x", "str"]);
    let literals: Vec<&str> =
        source.tokens.iter().filter(|t| t.kind == Kind::Literal).map(|t| t.text.as_str()).collect();
    assert_eq!(literals, ["un\"wrap", "'", "x\""]);
    assert!(source.tokens.iter().all(|token| token.line == 2));
}

#[test]
fn groups_expand_and_tests_are_left_out() {
    let text = "use crate::{a, b::{c, d as e}};\nfn f() { super::x::y(); }\n\
        #[cfg(test)]\nmod tests { use crate::z; }\n#[cfg(test)]\nmod more;\nuse std::time::Instant;";
    let paths: Vec<String> =
        Source::read(text).paths().iter().map(|(line, path)| format!("{line} {}", path.join("::"))).collect();
    assert_eq!(
        paths,
        ["1 crate::a", "1 crate::b::c", "1 crate::b::d", "2 super::x::y", "7 std::time::Instant"]
    );
}
