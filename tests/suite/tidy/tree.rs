//! The repository as text. Receives a directory, or files made up by a test; hands on [`Tree`] and
//! [`Finding`]; knows no rule.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// A place where a rule is broken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Path from the repository root.
    pub(crate) file: String,
    /// Line, from 1.
    pub(crate) line: usize,
    /// What is wrong and what to do.
    pub(crate) message: String,
}

impl Finding {
    /// A finding at `file:line`.
    pub(crate) fn new(file: &str, line: usize, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

/// Every text file of the repository by its path from the root, with `/` between the parts.
#[derive(Default)]
pub(crate) struct Tree {
    files: BTreeMap<String, String>,
    /// Names directly under the root.
    pub(crate) top: Vec<String>,
}

impl Tree {
    /// Reads the repository at `root`; build output and version control are left out.
    pub(crate) fn read(root: &Path) -> Self {
        let mut tree = Self::default();
        tree.walk(root, "");
        tree
    }

    /// A made-up repository.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let mut tree = Self::default();
        for (path, text) in files {
            let top = path.split('/').next().unwrap_or_default().to_owned();
            if !tree.top.contains(&top) {
                tree.top.push(top);
            }
            tree.files.insert((*path).to_owned(), (*text).to_owned());
        }
        tree
    }

    /// The text of `path`.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Whether `path` is a file or a folder with files.
    pub(crate) fn holds(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        self.files.contains_key(path) || self.files.keys().any(|file| file.starts_with(&folder))
    }

    /// All files whose path begins with one of `folders` and ends with `suffix`.
    pub(crate) fn under<'a>(
        &'a self,
        folders: &'a [&'a str],
        suffix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.files
            .iter()
            .filter(move |(path, _)| {
                path.ends_with(suffix) && folders.iter().any(|folder| path.starts_with(folder))
            })
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// All files.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    fn walk(&mut self, folder: &Path, prefix: &str) {
        let entries = std::fs::read_dir(folder).expect("the repository is readable");
        for entry in entries {
            let entry = entry.expect("the repository is readable");
            let name = entry.file_name().to_string_lossy().into_owned();
            let built = ["target", "node_modules", "__pycache__"].contains(&name.as_str());
            if name == ".git" || built {
                continue;
            }
            if prefix.is_empty() {
                self.top.push(name.clone());
            }
            let path = format!("{prefix}{name}");
            if entry.file_type().expect("the repository is readable").is_dir() {
                self.walk(&entry.path(), &format!("{path}/"));
                continue;
            }
            let bytes = std::fs::read(entry.path()).expect("the repository is readable");
            // Fixtures of wire and store bytes are no text; they are listed all the same.
            self.files.insert(path, String::from_utf8(bytes).unwrap_or_default());
        }
    }
}
