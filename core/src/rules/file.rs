//! How records name files: photos of items, elements of photo fields, drawn signatures.
//!
//! An element is named by its key (`photo/<item>/<sha256>`), and its value says what the file is; a value that is a
//! file says its hash first, a file a line. Which files a record names is a function of the record alone.

use std::str::FromStr as _;

use super::keys::{self, Key};
use crate::document::model::{Model, Register, Stamped, Value};
use crate::error::Sentence;
use crate::id::{FileHash, UserId};

/// A file as a record names it; the bytes travel on their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRef {
    /// SHA-256 of its bytes.
    pub hash: FileHash,
    /// Size, bytes, as its author said.
    pub bytes: u64,
    /// Media type, e.g. `image/jpeg`, as its author said.
    pub media_type: String,
    /// When it was taken, milliseconds since 1970, as its author said.
    pub taken_at_ms: Option<i64>,
}

impl FileRef {
    /// What the value of an element says: `<bytes> <media type>` and, where it is known, the time of taking.
    #[must_use]
    pub fn element(&self) -> Value {
        Value::Text(self.said())
    }

    fn said(&self) -> String {
        let taken = self.taken_at_ms.map(|at_ms| format!(" {at_ms}")).unwrap_or_default();
        format!("{} {}{taken}", self.bytes, self.media_type)
    }

    /// A line of a value: the hash of the file, then what it is.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{} {}", self.hash, self.said())
    }

    /// A value that is the file itself: its hash, then as an element.
    #[must_use]
    pub fn value(&self) -> Value {
        Value::Text(self.line())
    }

    /// The file of an element; one that says nothing of itself is taken as it is.
    fn of_element(hash: &str, value: &Value) -> Option<Self> {
        let hash = FileHash::from_str(hash).ok()?;
        let said = value.as_text().and_then(|text| said(hash, text));
        Some(said.unwrap_or_else(|| Self { hash, bytes: 0, media_type: String::new(), taken_at_ms: None }))
    }

    /// The files of a value, a line each; none where it is another text.
    fn of_value(value: &Value) -> Vec<Self> {
        let lines = value.as_text().unwrap_or_default().lines();
        let file = |line: &str| {
            let (hash, rest) = line.split_once(' ')?;
            if !keys::is_sha256(hash) {
                return None;
            }
            said(FileHash::from_str(hash).ok()?, rest)
        };
        lines.map_while(file).collect()
    }
}

/// Reads `<bytes> <media type> [<taken at>]`.
fn said(hash: FileHash, text: &str) -> Option<FileRef> {
    let mut parts = text.split(' ');
    let bytes = parts.next()?.parse().ok()?;
    let media_type = parts.next().filter(|media_type| media_type.contains('/'))?.to_owned();
    let taken_at_ms = parts.next().and_then(|at_ms| at_ms.parse().ok());
    Some(FileRef { hash, bytes, media_type, taken_at_ms })
}

/// A place of a record that names a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    /// The key of the register.
    pub key: String,
    /// The file.
    pub file: FileRef,
    /// Who put it there.
    pub by: UserId,
    /// When, device time, milliseconds since 1970.
    pub at_ms: i64,
}

/// The files that a register names by its key and one of its values.
#[must_use]
pub fn named_by(key: &str, value: &Value) -> Vec<FileRef> {
    match Key::parse(key) {
        Some(
            Key::Photo(_, hash)
            | Key::GroupPhoto(_, _, _, hash)
            | Key::Set(_, hash)
            | Key::HeaderElement(_, hash),
        ) if keys::is_sha256(hash) && !value.is_null() => {
            FileRef::of_element(hash, value).into_iter().collect()
        }
        Some(Key::Signoff(_) | Key::Field(_) | Key::Header(_) | Key::Group(..) | Key::Line(..)) => {
            FileRef::of_value(value)
        }
        _ => Vec::new(),
    }
}

/// Every file that a record names, in the order of the keys. What was withdrawn is not named any more; where values
/// clash, the files of all of them are.
#[must_use]
pub fn named(model: &Model) -> Vec<NamedFile> {
    let mut files = Vec::new();
    for (key, register) in &model.registers {
        // Most registers are answers and texts: told apart before their keys are.
        if !may_name(key, register) {
            continue;
        }
        for stamped in register.all() {
            for file in named_by(key, &stamped.value) {
                // The values of an element differ in what they say of one file.
                let is_known = |known: &NamedFile| known.key == *key && known.file.hash == file.hash;
                if !files.iter().rev().any(is_known) {
                    let (key, by, at_ms) = (key.clone(), stamped.by.clone(), stamped.at_ms);
                    files.push(NamedFile { key, file, by, at_ms });
                }
            }
        }
    }
    files
}

/// True for a register of which a key, or a value, is long enough to hold a hash.
fn may_name(key: &str, register: &Register) -> bool {
    const HASH_CHARS: usize = 64;
    let is_long = |stamped: &Stamped| stamped.value.as_text().is_some_and(|text| text.len() > HASH_CHARS);
    key.len() > HASH_CHARS || register.all().any(is_long)
}

/// How many of a record's files the branch has, and who has the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileCounts {
    /// Files that the record names.
    pub all: u32,
    /// Those that the branch has.
    pub at_branch: u32,
    /// Those that wait on this device to be sent; none at the branch.
    pub waiting: u32,
    /// Those that cannot be sent until the person does something.
    pub refused: u32,
    /// The others, by who put them there.
    pub still_with: Vec<StillWith>,
}

/// Files that are still on somebody's device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StillWith {
    /// Who put them there.
    pub user: UserId,
    /// How many.
    pub count: u32,
    /// When the branch last heard of a device of that person, milliseconds since 1970.
    pub seen_ms: Option<i64>,
}

impl FileCounts {
    /// True when the branch has all of them.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.at_branch == self.all
    }

    /// What is here and what is not, as people say it; `None` for a record that names no file. `name` says what a
    /// person is called, `clock` how a time is shown.
    #[must_use]
    pub fn sentence(
        &self,
        name: impl Fn(&UserId) -> String,
        clock: impl Fn(i64) -> String,
    ) -> Option<Sentence> {
        let Self { all, at_branch, waiting, refused, still_with } = self;
        if *all == 0 {
            return None;
        }
        if self.is_complete() {
            return Some(Sentence::new(
                format!("照片与附件 {all} 个,分公司已全部收到"),
                format!("the branch has all {all} photos and files"),
            ));
        }
        let mut zh = format!("照片与附件 {all} 个,分公司已收到 {at_branch} 个");
        let mut en = format!("of {all} photos and files the branch has {at_branch}");
        if *waiting > 0 {
            zh.push_str(&format!(",{waiting} 个待本机上传"));
            en.push_str(&format!(", {waiting} wait on this device"));
        }
        if *refused > 0 {
            zh.push_str(&format!(",{refused} 个无法上传,需要处理"));
            en.push_str(&format!(", {refused} cannot be sent and need a decision"));
        }
        for StillWith { user, count, seen_ms } in still_with {
            let who = name(user);
            zh.push_str(&format!(",{count} 个在{who}的手机上"));
            en.push_str(&format!(", {count} on the device of {who}"));
            if let Some(seen_ms) = seen_ms {
                let when = clock(*seen_ms);
                zh.push_str(&format!("(最近联系 {when})"));
                en.push_str(&format!(" (last seen {when})"));
            }
        }
        Some(Sentence::new(zh, en))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ContentHash, DefinitionRef, DocumentId};

    fn model(values: &[(&str, Value)]) -> Model {
        let definition = DefinitionRef { id: "x".to_owned(), version: 1, hash: ContentHash([0; 32]) };
        let mut model = Model::empty(DocumentId([0; 16]), definition);
        for (key, value) in values {
            let winner = Stamped { value: value.clone(), by: UserId::new("u.a"), at_ms: 7 };
            model.registers.insert((*key).to_owned(), Register { winner, others: Vec::new() });
        }
        model
    }

    fn file(byte: u8) -> FileRef {
        FileRef {
            hash: FileHash([byte; 32]),
            bytes: 2_500_000,
            media_type: "image/jpeg".to_owned(),
            taken_at_ms: Some(1_763_860_000_000),
        }
    }

    #[test]
    fn files_are_named_by_keys_and_by_values() {
        let (a, b, c, d) = (file(1), file(2), file(3), FileRef { taken_at_ms: None, ..file(4) });
        let named = named(&model(&[
            (&keys::photo("i.1", &a.hash.to_string()), a.element()),
            (&keys::set("photos", &b.hash.to_string()), b.element()),
            (&keys::signoff("owner"), c.value()),
            (&format!("group/g/l/photos/{}", d.hash), d.element()),
            (&keys::set("photos", &FileHash([5; 32]).to_string()), Value::Bool(true)),
            // Withdrawn, and texts that only look like one.
            (&keys::set("photos", &FileHash([6; 32]).to_string()), Value::Null),
            (&keys::field("note"), Value::Text(format!("{} is what I saw", a.hash))),
            (&keys::item("i.1"), c.value()),
        ]));
        let files: Vec<&FileRef> = named.iter().map(|named| &named.file).collect();
        let bare =
            FileRef { hash: FileHash([5; 32]), bytes: 0, media_type: String::new(), taken_at_ms: None };
        assert_eq!(files, [&d, &a, &b, &bare, &c]);
        assert_eq!((named[0].by.as_str(), named[0].at_ms), ("u.a", 7));
    }

    #[test]
    fn counts_say_what_is_missing_and_who_has_it() {
        let still_with = vec![StillWith { user: UserId::new("u.a"), count: 12, seen_ms: Some(0) }];
        let counts = FileCounts { all: 60, at_branch: 48, waiting: 0, refused: 0, still_with };
        let said = counts.sentence(|_| "王强".to_owned(), |_| "09:14".to_owned()).unwrap();
        assert_eq!(said.zh, "照片与附件 60 个,分公司已收到 48 个,12 个在王强的手机上(最近联系 09:14)");
        assert_eq!(
            said.en,
            "of 60 photos and files the branch has 48, 12 on the device of 王强 (last seen 09:14)"
        );
        assert_eq!(FileCounts::default().sentence(|_| String::new(), |_| String::new()), None);
    }

    #[test]
    fn a_line_may_name_several() {
        let text = [file(1), file(2)].map(|file| file.line()).join("\n");
        let named = named(&model(&[(&keys::line("verification", "l1", "photos"), Value::Text(text))]));
        assert_eq!(named.len(), 2);
    }
}
