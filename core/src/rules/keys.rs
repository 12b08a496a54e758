//! The keys and event kinds that rules know: how a register's key is built and read.
//!
//! Set fields of a sheet's header take one key per element (`header/<field>/<element>`), so that two
//! people adding themselves never clash; photos in a line of a group take
//! `group/<group>/<line>/<field>/<sha256>`. A scan holds the code that was read, or
//! [`BYPASS`] and the reason where the tag could not be read. Who edits a shared text of an entry also
//! writes `field/<field>`: true, or false where the text was emptied; it says who did and when.

/// Event kind: the record begins. Ledgers may name their own.
pub const CREATE: &str = "create";
/// Event kind: the sheet is finished.
pub const COMPLETE: &str = "complete";
/// Event kind: a supervisor looked at the finished sheet.
pub const REVIEW: &str = "review";
/// Event kind: a finished sheet is corrected; carries [`DATA_REASON`].
pub const AMEND: &str = "amend";
/// Event kind: an open sheet moves to a newer checklist; carries [`DATA_VERSION`] and [`DATA_HASH`].
pub const UPGRADE: &str = "upgrade";
/// Event kind: a clash was decided; carries [`DATA_KEY`].
pub const RESOLVE: &str = "resolve";
/// Event kind: the branch saw that content changed after a final state that its author had not seen.
pub const LATE_EDIT: &str = "late_edit";

/// Data of the first event of a record that continues a sealed one: which one.
pub const CONTINUES: &str = "continues";

/// Event kind: the branch saw that a rule was not kept; carries [`DATA_RULE`], [`DATA_DUTY`], [`DATA_TO`].
pub const ESCALATION: &str = crate::definition::ESCALATION;

/// Event data: the rule that was not kept.
pub const DATA_RULE: &str = "rule";
/// Event data: the duty that was not fulfilled.
pub const DATA_DUTY: &str = "duty";
/// Event data: the roles that are told, separated by spaces.
pub const DATA_TO: &str = "to";
/// Event data: the mark that the record shows.
pub const DATA_MARK: &str = "mark";
/// Event data: the item or line of the record that it is about, in its words.
pub const DATA_PART: &str = "part";
/// Event data: when it was due, milliseconds since 1970.
pub const DATA_DUE: &str = "due_at";
/// Event data: why.
pub const DATA_REASON: &str = "reason";
/// Event data: the key of the register, or `event/<id>`, that a `resolve` decides.
pub const DATA_KEY: &str = "key";
/// Event data: the version of the newer checklist.
pub const DATA_VERSION: &str = "version";
/// Event data: the content hash of the newer checklist, hexadecimal.
pub const DATA_HASH: &str = "hash";
/// Event data: the keys that a late edit touched, separated by spaces.
pub const DATA_KEYS: &str = "keys";

/// Field that every record has: the project or branch it belongs to.
pub const PROJECT: &str = "project_id";
/// Field that every ledger has: the official number.
pub const NUMBER: &str = "no";
/// Field that every ledger takes: the number given before the branch answered.
pub const TEMPORARY_NUMBER: &str = "temp_no";
/// Field that every ledger has: who recorded the entry.
pub const CREATED_BY: &str = "created_by";
/// Field that every ledger has: when the entry was recorded, by the device's clock.
pub const CREATED_AT: &str = "created_at";

/// Opens the value of a scan that was bypassed; the reason follows.
pub const BYPASS: &str = "bypass:";

/// A register's key, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key<'k> {
    /// `header/<field>`.
    Header(&'k str),
    /// `header/<field>/<element>` of a set field.
    HeaderElement(&'k str, &'k str),
    /// `item/<item>`: the answer.
    Item(&'k str),
    /// `note/<item>`.
    Note(&'k str),
    /// `photo/<item>/<sha256>`.
    Photo(&'k str, &'k str),
    /// `scan/<checkpoint>`.
    Scan(&'k str),
    /// `group/<group>/<line>/<field>`.
    Group(&'k str, &'k str, &'k str),
    /// `group/<group>/<line>/<field>/<sha256>`.
    GroupPhoto(&'k str, &'k str, &'k str, &'k str),
    /// `signoff/<signoff>`.
    Signoff(&'k str),
    /// `field/<field>` of an entry.
    Field(&'k str),
    /// `set/<field>/<element>` of an entry.
    Set(&'k str, &'k str),
    /// `line/<field>/<line>/<subfield>` of an entry.
    Line(&'k str, &'k str, &'k str),
}

impl<'k> Key<'k> {
    /// Takes a key apart; `None` for anything that is not a key of a record.
    #[must_use]
    pub fn parse(key: &'k str) -> Option<Self> {
        let parts: Vec<&str> = key.split('/').collect();
        if parts.iter().any(|part| part.is_empty()) {
            return None;
        }
        match parts.as_slice() {
            ["header", field] => Some(Self::Header(field)),
            ["header", field, element] => Some(Self::HeaderElement(field, element)),
            ["item", item] => Some(Self::Item(item)),
            ["note", item] => Some(Self::Note(item)),
            ["photo", item, hash] => Some(Self::Photo(item, hash)),
            ["scan", checkpoint] => Some(Self::Scan(checkpoint)),
            ["group", group, line, field] => Some(Self::Group(group, line, field)),
            ["group", group, line, field, hash] => Some(Self::GroupPhoto(group, line, field, hash)),
            ["signoff", signoff] => Some(Self::Signoff(signoff)),
            ["field", field] => Some(Self::Field(field)),
            ["set", field, element] => Some(Self::Set(field, element)),
            ["line", field, line, subfield] => Some(Self::Line(field, line, subfield)),
            _ => None,
        }
    }
}

/// Key of a sheet's header field.
#[must_use]
pub fn header(field: &str) -> String {
    format!("header/{field}")
}

/// Key of an item's answer.
#[must_use]
pub fn item(item: &str) -> String {
    format!("item/{item}")
}

/// Key of an item's note.
#[must_use]
pub fn note(item: &str) -> String {
    format!("note/{item}")
}

/// Key of one photo of an item.
#[must_use]
pub fn photo(item: &str, sha256: &str) -> String {
    format!("photo/{item}/{sha256}")
}

/// Key of a checkpoint's scan.
#[must_use]
pub fn scan(checkpoint: &str) -> String {
    format!("scan/{checkpoint}")
}

/// Key of one field in a line of a repeat group.
#[must_use]
pub fn group(group: &str, line: &str, field: &str) -> String {
    format!("group/{group}/{line}/{field}")
}

/// Key of a signature.
#[must_use]
pub fn signoff(signoff: &str) -> String {
    format!("signoff/{signoff}")
}

/// Key of an entry's field.
#[must_use]
pub fn field(field: &str) -> String {
    format!("field/{field}")
}

/// Key of one element of an entry's set field.
#[must_use]
pub fn set(field: &str, element: &str) -> String {
    format!("set/{field}/{element}")
}

/// Key of one subfield in a line of an entry.
#[must_use]
pub fn line(field: &str, line: &str, subfield: &str) -> String {
    format!("line/{field}/{line}/{subfield}")
}

/// How a `resolve` event and the list of clashes name a contested event.
#[must_use]
pub fn event(id: &str) -> String {
    format!("event/{id}")
}

/// True for 64 lower-case hexadecimal digits.
#[must_use]
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// True for an id that a device may choose for a line or an element: 1 to 80 visible characters.
#[must_use]
pub(crate) fn is_name(text: &str) -> bool {
    let length = text.chars().count();
    (1..=80).contains(&length) && !text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_reads_back_as_what_it_was_built_from() {
        assert_eq!(Key::parse(&header("shift")), Some(Key::Header("shift")));
        assert_eq!(Key::parse(&item("pp.fire.06")), Some(Key::Item("pp.fire.06")));
        assert_eq!(Key::parse(&photo("a.b", "00")), Some(Key::Photo("a.b", "00")));
        assert_eq!(Key::parse(&group("g", "l", "f")), Some(Key::Group("g", "l", "f")));
        assert_eq!(Key::parse(&line("actions", "l1", "due")), Some(Key::Line("actions", "l1", "due")));
        assert_eq!(Key::parse(&set("photos", "ff")), Some(Key::Set("photos", "ff")));
        assert_eq!(Key::parse("header/inspectors/u.pt01"), Some(Key::HeaderElement("inspectors", "u.pt01")));
    }

    #[test]
    fn anything_else_is_no_key() {
        for key in ["", "item", "item/", "item//", "field/a/b", "state", "item/a/b", "/item/a"] {
            assert_eq!(Key::parse(key), None, "{key}");
        }
        assert!(is_sha256(&"0f".repeat(32)));
        assert!(!is_sha256(&"0F".repeat(32)));
        assert!(!is_name("a b"));
    }
}
