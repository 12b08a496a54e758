//! Files put into records, exchanged for others, taken out again: each an action with its trace in the history.

use std::collections::{BTreeMap, BTreeSet};

use super::Replica;
use super::inspection::Answer;
use crate::action::Draft;
use crate::definition::FieldType;
use crate::document::model::Value;
use crate::error::{Error, ErrorKind, Refusal};
use crate::id::{DocumentId, FileHash};
use crate::projection;
use crate::rules::file::{self, FileRef, NamedFile};
use crate::rules::keys::{self, Key};
use crate::rules::sheet::InspectionState;
use crate::rules::{codes, inspection};
use crate::store::files;
use crate::time::Moment;

/// How a place of a record holds files.
enum Place {
    /// An item of a sheet.
    Item,
    /// Elements under this key.
    Elements(String),
    /// One file as the value of this key.
    Single(String),
    /// Several files as the lines of the value of this key.
    Lines(String),
}

impl Replica {
    /// Puts files that were kept into a record: photos of an item, a field of photos, a drawn signature of a field
    /// or of a place to sign, a field of a line (`<group>/<line>/<field>`). A completed sheet takes them as an
    /// amendment with its reason. Returns entries that this raised or added to.
    ///
    /// # Errors
    /// `NotFound` when the record has no such place, `Invalid` when a place for one file is given several, `Refused`
    /// by a rule.
    pub fn attach(
        &mut self,
        document: DocumentId,
        place: &str,
        files: &[FileRef],
        reason: Option<&str>,
        moment: &Moment,
    ) -> Result<Vec<DocumentId>, Error> {
        let found = self.place(document, place)?;
        if let Place::Item = found {
            let answer = Answer { photos: files.to_vec(), ..Answer::default() };
            let answers = vec![(place.to_owned(), answer)];
            return Ok(self.answer_all(document, answers, reason, moment)?.raised);
        }
        let mut draft = self.draft(document, moment)?;
        self.amend_completed(&mut draft, reason);
        match (found, files) {
            (Place::Elements(prefix), files) => {
                for file in files {
                    draft.put(format!("{prefix}/{}", file.hash), file.element());
                }
            }
            (Place::Single(key), [file]) => draft.put(key, file.value()),
            (Place::Lines(key), files) => {
                let before = draft.model.text(&key).filter(|text| !text.is_empty()).map(str::to_owned);
                let lines = files.iter().map(FileRef::line);
                let text = before.into_iter().chain(lines).collect::<Vec<_>>().join("\n");
                draft.put(key, Value::Text(text));
            }
            (Place::Single(_) | Place::Item, _) => {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    "这里只能放一个文件",
                    "this place takes one file",
                ));
            }
        }
        self.perform(vec![draft.into_work()], moment)?;
        Ok(Vec::new())
    }

    /// Where in a record a person means.
    fn place(&mut self, document: DocumentId, place: &str) -> Result<Place, Error> {
        let row = self.row(document)?;
        let parts: Vec<&str> = place.split('/').collect();
        let found = if self.catalog.checklist(&row.definition).is_some() {
            let checklist = self.checklist_of(document)?;
            match parts.as_slice() {
                [id] if checklist.item(id).is_some() => Some(Place::Item),
                [id] if checklist.signoff(id).is_some() => Some(Place::Single(keys::signoff(id))),
                [id] => checklist.header_field(id).and_then(|field| of_field(&field.kind, keys::header(id))),
                [group, line, id] => {
                    let field = checklist.group(group).and_then(|group| group.field(id));
                    let is_line =
                        inspection::group_lines(&self.model(document)?, group).iter().any(|l| l.id == *line);
                    field.filter(|_| is_line).and_then(|f| of_field(&f.kind, keys::group(group, line, id)))
                }
                _ => None,
            }
        } else {
            let ledger = self.ledger_of(document)?;
            match parts.as_slice() {
                [id] => ledger.field(id).and_then(|field| {
                    let is_set = field.kind == FieldType::Photos;
                    of_field(&field.kind, if is_set { format!("set/{id}") } else { keys::field(id) })
                }),
                [id, line, subfield] => ledger
                    .field(id)
                    .filter(|field| field.kind == FieldType::Entries)
                    .map(|_| Place::Lines(keys::line(id, line, subfield))),
                _ => None,
            }
        };
        found.ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!("记录中没有可放文件的位置“{place}”;请用 describe 查看项目与字段"),
                format!("the record has no place for files called \"{place}\"; look at its items and fields with describe"),
            )
        })
    }

    /// Takes a file out of a record: it is withdrawn with who and when, and never sent if it was not. A completed
    /// sheet takes that as an amendment with its reason.
    ///
    /// # Errors
    /// `NotFound` when the record does not name the file, `Refused` by a rule.
    pub fn discard_file(
        &mut self,
        document: DocumentId,
        hash: FileHash,
        reason: Option<&str>,
        moment: &Moment,
    ) -> Result<(), Error> {
        self.exchange_file(document, hash, None, reason, moment)
    }

    /// Puts another file, kept before, in the place of one.
    ///
    /// # Errors
    /// As [`Replica::discard_file`].
    pub fn replace_file(
        &mut self,
        document: DocumentId,
        old: FileHash,
        new: &FileRef,
        reason: Option<&str>,
        moment: &Moment,
    ) -> Result<(), Error> {
        self.exchange_file(document, old, Some(new), reason, moment)
    }

    fn exchange_file(
        &mut self,
        document: DocumentId,
        old: FileHash,
        new: Option<&FileRef>,
        reason: Option<&str>,
        moment: &Moment,
    ) -> Result<(), Error> {
        let mut draft = self.draft(document, moment)?;
        let keys: BTreeSet<String> = file::named(&draft.model)
            .into_iter()
            .filter(|named| named.file.hash == old)
            .map(|NamedFile { key, .. }| key)
            .collect();
        if keys.is_empty() {
            return Err(Error::new(
                ErrorKind::NotFound,
                "这条记录中没有这个文件",
                "this record does not name such a file",
            ));
        }
        if self.is_completed(&draft) && reason.is_none() {
            return Err(Error::from(Refusal::new(
                codes::AMENDMENT_NEEDED,
                "检查表已完成;更换或撤回照片须写明原因",
                "the sheet is completed; give the reason for exchanging or withdrawing a photo",
            )));
        }
        self.amend_completed(&mut draft, reason);
        for key in &keys {
            exchange_at(&mut draft, key, old, new);
        }
        let is_used_elsewhere =
            projection::uses_of(self.store.reader(), old)?.iter().any(|used| used.document != document);
        self.perform_with(vec![draft.into_work()], moment, |connection| {
            if is_used_elsewhere { Ok(()) } else { files::put_given_up(connection, old, moment.unix_ms) }
        })
    }

    /// True for a sheet that changes by amendments alone.
    fn is_completed(&self, draft: &Draft) -> bool {
        self.catalog.checklist(&draft.model.definition).is_some()
            && inspection::state(&draft.model) != InspectionState::Open
    }

    /// Begins the amendment of a completed sheet; everywhere else a reason is no part of the record.
    fn amend_completed(&self, draft: &mut Draft, reason: Option<&str>) {
        if let Some(reason) = reason.filter(|_| self.is_completed(draft)) {
            let data = BTreeMap::from([(keys::DATA_REASON.to_owned(), Value::Text(reason.to_owned()))]);
            let from = inspection::state(&draft.model).id();
            draft.event(keys::AMEND, from, data);
        }
    }

    /// What an element of a set field holds: for a file that was kept here, what it is.
    pub(super) fn element_value(&self, element: &str) -> Result<Value, Error> {
        let kept = match element.parse::<FileHash>() {
            Ok(hash) => self.kept(hash)?,
            Err(_) => None,
        };
        Ok(kept.map_or(Value::Bool(true), |file| file.element()))
    }
}

fn of_field(kind: &FieldType, key: String) -> Option<Place> {
    if *kind == FieldType::Photos {
        return Some(Place::Elements(key));
    }
    (*kind == FieldType::Signature).then_some(Place::Single(key))
}

/// Withdraws a file at one key, and puts the other one there.
fn exchange_at(draft: &mut Draft, key: &str, old: FileHash, new: Option<&FileRef>) {
    let hash = old.to_string();
    if let Some(prefix) = key.strip_suffix(&hash).filter(|_| Key::parse(key).is_some()) {
        draft.put(key.to_owned(), Value::Null);
        if let Some(new) = new {
            draft.put(format!("{prefix}{}", new.hash), new.element());
        }
        return;
    }
    let text = draft.model.text(key).unwrap_or_default();
    let mut lines: Vec<String> =
        text.lines().filter(|line| !line.starts_with(&hash)).map(str::to_owned).collect();
    lines.extend(new.map(FileRef::line));
    let value = if lines.is_empty() { Value::Null } else { Value::Text(lines.join("\n")) };
    draft.put(key.to_owned(), value);
}
