//! The shape of files and the words in them. Receives the tree; hands on findings.

use crate::source::{Kind, Source, product};
use crate::tree::{Finding, Tree};
use std::collections::BTreeSet;

/// Longest source file, lines.
const FILE_LINES_MAX: usize = 600;
const PRODUCT: &[&str] = &["core/", "sync-server/", "bindings/"];
const RUST: &[&str] = &["core/", "sync-server/", "bindings/", "tests/"];
const TOP: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "core",
    "sync-server",
    "bindings",
    "tests",
    "README.md",
    "README.zh-CN.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "LICENSE",
    ".ci",
    ".clippy.toml",
    ".config",
    ".deny.toml",
    ".gitignore",
    ".rustfmt.toml",
];

/// No source file over 600 lines.
pub(crate) fn file_size(tree: &Tree) -> Vec<Finding> {
    let code = [".rs", ".py", ".kt", ".swift", ".sh", ".sql", "tests/run"];
    tree.all()
        .filter(|(file, _)| code.iter().any(|suffix| file.ends_with(suffix)))
        .filter_map(|(file, text)| {
            let lines = text.lines().count();
            let message = format!("{lines} lines, {FILE_LINES_MAX} at most: split it by what it is about");
            (lines > FILE_LINES_MAX).then(|| Finding::new(file, FILE_LINES_MAX + 1, message))
        })
        .collect()
}

/// Every folder of a crate opens with a `mod.rs` (the root with `lib.rs` or `main.rs`) whose first line
/// is its doc.
pub(crate) fn rooms_open_with_a_doc(tree: &Tree) -> Vec<Finding> {
    let mut folders = BTreeSet::new();
    let mut findings = Vec::new();
    for (file, text) in product(tree, PRODUCT).into_iter().chain(tree.under(&["tests/src/"], ".rs")) {
        let Some((folder, _)) = file.rsplit_once('/') else { continue };
        if !folder.contains("/src") {
            continue;
        }
        folders.insert(folder.to_owned());
        if !text.starts_with("//!") {
            findings.push(Finding::new(file, 1, "open the file with a `//!` doc"));
        }
    }
    for folder in folders {
        let doors = ["mod.rs", "lib.rs", "main.rs"];
        if !folder.ends_with("/bin") && !doors.iter().any(|door| tree.holds(&format!("{folder}/{door}"))) {
            findings.push(Finding::new(&format!("{folder}/mod.rs"), 1, "a folder opens with mod.rs"));
        }
    }
    findings
}

/// Words that have no place in a product: unfinished work, panics on other people's bytes, loose names.
pub(crate) fn banned_words(tree: &Tree) -> Vec<Finding> {
    let unfinished = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let mut findings = Vec::new();
    for (file, text) in tree.all().filter(|(file, _)| !file.ends_with("Cargo.lock")) {
        for (at, line) in text.lines().enumerate() {
            let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            if words.into_iter().any(|word| unfinished.contains(&word)) {
                findings.push(Finding::new(file, at + 1, "finish it, or write it down as an issue"));
            }
        }
    }
    for (file, text) in product(tree, PRODUCT) {
        let source = Source::read(text);
        let tokens: Vec<_> = source.product().collect();
        for three in tokens.windows(3) {
            let [before, word, after] = [&three[0].text, &three[1].text, &three[2].text].map(String::as_str);
            let message = match (before, word, after) {
                (".", "unwrap", "(") => "no unwrap: return an Error, or expect(reason) for an own invariant",
                (_, "todo" | "unimplemented" | "dbg", "!") => "no placeholder macros",
                ("#" | "!", "[", "allow") => "waive a lint with #[expect(.., reason = \"..\")]",
                (":" | "::", "*", ";") => "no glob imports or re-exports",
                ("fn", name, _) if name.starts_with(concat!("ge", "t_")) => "name it without its get_",
                ("struct" | "enum" | "trait", name, _) if is_loose(name) => "name it for what it is",
                _ => continue,
            };
            findings.push(Finding::new(file, three[1].line, message));
        }
    }
    findings
}

/// No id of the data set in the product: what a branch does comes from its definitions.
pub(crate) fn data_stays_data(tree: &Tree) -> Vec<Finding> {
    let mut ids = BTreeSet::new();
    for (_, text) in tree.under(&["core/data/"], ".json") {
        let quoted = text.split('"').skip(1).step_by(2);
        ids.extend(quoted.filter(|word| is_data_id(word)));
    }
    let mut findings = Vec::new();
    for (file, text) in product(tree, &["core/src/", "sync-server/src/"]) {
        for token in Source::read(text).product().filter(|token| token.kind == Kind::Literal) {
            let mut words = token.text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.');
            if let Some(id) = words.find(|word| ids.contains(word)) {
                findings.push(Finding::new(file, token.line, format!("`{id}` belongs to the definitions")));
            }
        }
    }
    findings
}

/// Nothing lies at the top of the repository but what belongs there.
pub(crate) fn top_level(tree: &Tree) -> Vec<Finding> {
    let strangers = tree.top.iter().filter(|name| !TOP.contains(&name.as_str()));
    strangers.map(|name| Finding::new(name, 1, "does not belong at the top of the repository")).collect()
}

/// The changelog speaks of the version in Cargo.toml.
pub(crate) fn changelog(tree: &Tree) -> Vec<Finding> {
    let manifest = tree.text("Cargo.toml").unwrap_or_default();
    let version = manifest.lines().find_map(|line| line.strip_prefix("version = ")).unwrap_or_default();
    let version = version.trim_matches('"');
    let log = tree.text("CHANGELOG.md").unwrap_or_default();
    let told = log.lines().any(|line| {
        line.starts_with("## ") && line.split([' ', '[', ']']).any(|word| !word.is_empty() && word == version)
    });
    if told { vec![] } else { vec![Finding::new("CHANGELOG.md", 1, format!("no entry for {version}"))] }
}

/// Links of the documents lead to files of the repository.
pub(crate) fn links(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, text) in tree.all().filter(|(file, _)| file.ends_with(".md")) {
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (at, line) in text.lines().enumerate() {
            for link in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                let path = link.split('#').next().unwrap_or_default();
                if path.is_empty() || path.contains("://") {
                    continue;
                }
                let full = if folder.is_empty() { path.to_owned() } else { format!("{folder}/{path}") };
                if !tree.holds(&full) {
                    findings.push(Finding::new(file, at + 1, format!("the link to `{path}` leads nowhere")));
                }
            }
        }
    }
    findings
}

/// Every variable of the environment that the product reads stands in both READMEs.
pub(crate) fn settings_are_documented(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, text) in product(tree, PRODUCT) {
        for token in Source::read(text).product().filter(|token| token.kind == Kind::Literal) {
            let words = token.text.split(|c: char| !c.is_ascii_uppercase() && c != '_');
            for name in words.filter(|word| word.starts_with("XUNYUAN_")) {
                for readme in ["README.md", "README.zh-CN.md"] {
                    if !tree.text(readme).is_some_and(|text| text.contains(name)) {
                        findings.push(Finding::new(file, token.line, format!("{name} is not in {readme}")));
                    }
                }
            }
        }
    }
    findings
}

/// No path of the machine it was written on.
pub(crate) fn foreign_paths(tree: &Tree) -> Vec<Finding> {
    let foreign = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("../sha", "red/")];
    let mut findings = Vec::new();
    for (file, text) in tree.all() {
        for (at, line) in text.lines().enumerate() {
            if foreign.iter().any(|path| line.contains(path)) {
                findings.push(Finding::new(file, at + 1, "a path of somebody's machine"));
            }
        }
    }
    findings
}

/// Waivers of lints say why.
pub(crate) fn waivers(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, text) in tree.under(RUST, ".rs") {
        let source = Source::read(text);
        for (at, three) in source.tokens.windows(3).enumerate() {
            let is_waiver = [0, 1, 2].map(|i| three[i].text.as_str()) == ["[", "expect", "("];
            let mut inside = source.tokens[at..].iter().take_while(|token| token.text != "]");
            if is_waiver && !inside.any(|token| token.text == "reason") {
                findings.push(Finding::new(file, three[1].line, "say why: reason = \"..\""));
            }
        }
    }
    findings
}

fn is_loose(name: &str) -> bool {
    ["Manager", "Helper", "Helpers", "Util", "Utils"].iter().any(|tail| name.ends_with(tail))
}

fn is_data_id(word: &str) -> bool {
    let plain = word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '.');
    plain
        && ["led.", "tpl.", "rule.", "rep."]
            .iter()
            .any(|head| word.starts_with(head) && word.len() > head.len())
}
