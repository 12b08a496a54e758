//! What a person does with a checklist.

use std::collections::HashMap;
use xunyuan_core::document::model;
use xunyuan_core::id::DocumentId;
use xunyuan_core::replica::{Answer, Answered as Said};
use xunyuan_core::rules::codes;
use xunyuan_core::rules::file::FileRef;
use xunyuan_core::rules::sheet::InspectionView;

use super::scene::{Scene, fields};
use super::{Replica, SyncError, document};
use crate::failure::Failure;
use crate::screens::{Answered, SheetScreen, SlotCard, Value};

/// An answer with what belongs to it, saved in one go.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct AnswerInput {
    /// The option's id, the number or the text; left out, the answer stays as it is.
    #[uniffi(default = None)]
    pub value: Option<Value>,
    /// A remark; left out, the note stays as it is.
    #[uniffi(default = None)]
    pub note: Option<String>,
    /// Files of photos taken for it; each is kept beside the replica before the sheet names it.
    #[uniffi(default = [])]
    pub photos: Vec<String>,
}

#[uniffi::export]
impl Replica {
    /// Today's slots of the schedule that concern the person, with what is known of them.
    pub fn slots(&self) -> Result<Vec<SlotCard>, SyncError> {
        self.look(|scene| {
            let slots = scene.replica.slots(scene.moment)?;
            Ok(slots.iter().map(|view| SlotCard::of(&scene.words, view)).collect())
        })
    }

    /// Starts, or joins, the sheet of a slot: the same document on every device. The project may be left
    /// out where only one has the slot.
    #[uniffi::method(default(project = None))]
    pub fn start_slot(&self, key: String, project: Option<String>) -> Result<SheetScreen, SyncError> {
        self.act(|scene| {
            let document = scene.replica.start_slot(&key, project.as_deref(), scene.moment)?;
            let view = scene.replica.inspection(document)?;
            Ok((scene.sheet(&view)?, vec![document]))
        })
    }

    /// Starts a sheet that no schedule asked for.
    #[uniffi::method(default(header))]
    pub fn start_sheet(
        &self,
        checklist: String,
        project: String,
        header: HashMap<String, Value>,
    ) -> Result<SheetScreen, SyncError> {
        self.act(|scene| {
            let header = fields(header)?;
            let document = scene.replica.start_inspection_with(&checklist, &project, header, scene.moment)?;
            let view = scene.replica.inspection(document)?;
            Ok((scene.sheet(&view)?, vec![document]))
        })
    }

    /// A sheet.
    pub fn sheet(&self, document: String) -> Result<SheetScreen, SyncError> {
        self.look(|scene| {
            let view = scene.replica.inspection(self::document(&document)?)?;
            scene.sheet(&view)
        })
    }

    /// Writes a header field; of a set, adds one element.
    pub fn set_header(
        &self,
        document: String,
        field: String,
        value: Value,
    ) -> Result<SheetScreen, SyncError> {
        self.on_sheet(&document, |scene, document| {
            let value = value.into_core()?;
            Ok(scene.replica.set_header(document, &field, value, scene.moment)?)
        })
    }

    /// Answers an item; a failing answer raises the finding that the checklist asks for.
    pub fn answer(&self, document: String, item: String, answer: AnswerInput) -> Result<Answered, SyncError> {
        let photos = self.keep_files(&answer.photos)?;
        self.answered(&document, |scene, document| {
            let answer = read_answer(answer, photos)?;
            Ok(scene.replica.answer(document, &item, answer, scene.moment)?)
        })
    }

    /// Writes the note of an item.
    pub fn note(&self, document: String, item: String, text: String) -> Result<Answered, SyncError> {
        self.answered(&document, |scene, document| {
            let answer = Answer { note: Some(text), ..Answer::default() };
            Ok(scene.replica.answer(document, &item, answer, scene.moment)?)
        })
    }

    /// Adds a photo to an item; the file is kept beside the replica first.
    pub fn attach_photo(&self, document: String, item: String, file: String) -> Result<Answered, SyncError> {
        let photos = self.keep_files(&[file])?;
        self.answered(&document, |scene, document| {
            let answer = Answer { photos, ..Answer::default() };
            Ok(scene.replica.answer(document, &item, answer, scene.moment)?)
        })
    }

    /// Notes that the person was at a checkpoint: by the code of its tag, or by hand with the reason why
    /// the tag could not be read.
    #[uniffi::method(default(damaged_because = None))]
    pub fn scan(
        &self,
        document: String,
        code: String,
        damaged_because: Option<String>,
    ) -> Result<SheetScreen, SyncError> {
        self.on_sheet(&document, |scene, document| {
            Ok(scene.replica.scan(document, &code, damaged_because.as_deref(), scene.moment)?)
        })
    }

    /// Adds a line to a repeated group.
    pub fn add_line(
        &self,
        document: String,
        group: String,
        values: HashMap<String, Value>,
    ) -> Result<SheetScreen, SyncError> {
        self.on_sheet(&document, |scene, document| {
            scene.replica.add_line(document, &group, fields(values)?, scene.moment)?;
            Ok(scene.replica.inspection(document)?)
        })
    }

    /// Signs at one of the sheet's places.
    pub fn sign(&self, document: String, signoff: String) -> Result<SheetScreen, SyncError> {
        self.on_sheet(&document, |scene, document| {
            Ok(scene.replica.sign(document, &signoff, scene.moment)?)
        })
    }

    /// Finishes the sheet; with gaps although something is missing.
    #[uniffi::method(default(with_gaps = false))]
    pub fn complete(&self, document: String, with_gaps: bool) -> Result<SheetScreen, SyncError> {
        let completed = self.on_sheet(&document, |scene, document| {
            Ok(scene.replica.complete(document, with_gaps, scene.moment)?)
        });
        match completed {
            Err(SyncError::Refused { code, sentence }) if code == codes::INCOMPLETE => {
                let missing = self.sheet(document)?.missing;
                Err(SyncError::Incomplete { code, sentence, missing })
            }
            other => other,
        }
    }

    /// Notes a supervisor's review.
    #[uniffi::method(default(note = ""))]
    pub fn review(&self, document: String, note: String) -> Result<SheetScreen, SyncError> {
        self.on_sheet(&document, |scene, document| Ok(scene.replica.review(document, &note, scene.moment)?))
    }

    /// Corrects answers of a finished sheet, with the reason.
    pub fn amend(
        &self,
        document: String,
        reason: String,
        answers: HashMap<String, AnswerInput>,
    ) -> Result<Answered, SyncError> {
        let mut kept = Vec::with_capacity(answers.len());
        for (item, answer) in answers {
            let photos = self.keep_files(&answer.photos)?;
            kept.push((item, answer, photos));
        }
        self.answered(&document, |scene, document| {
            let mut read = Vec::with_capacity(kept.len());
            for (item, answer, photos) in kept {
                read.push((item, read_answer(answer, photos)?));
            }
            read.sort_by(|(a, _), (b, _)| a.cmp(b));
            Ok(scene.replica.amend(document, &reason, read, scene.moment)?)
        })
    }

    /// Moves an open sheet to the newest version of its checklist; every answer is kept.
    pub fn upgrade(&self, document: String) -> Result<SheetScreen, SyncError> {
        self.on_sheet(&document, |scene, document| Ok(scene.replica.upgrade_sheet(document, scene.moment)?))
    }
}

impl Replica {
    fn on_sheet(
        &self,
        text: &str,
        act: impl FnOnce(&mut Scene<'_>, DocumentId) -> Result<InspectionView, Failure>,
    ) -> Result<SheetScreen, SyncError> {
        self.about(text, |scene, document| {
            let view = act(scene, document)?;
            Ok((scene.sheet(&view)?, vec![document]))
        })
    }

    fn answered(
        &self,
        text: &str,
        act: impl FnOnce(&mut Scene<'_>, DocumentId) -> Result<Said, Failure>,
    ) -> Result<Answered, SyncError> {
        self.about(text, |scene, document| {
            let said = act(scene, document)?;
            let rows = said.raised.iter().map(|&raised| Ok(scene.replica.record(raised)?));
            let rows = rows.collect::<Result<Vec<_>, Failure>>()?;
            let answered = Answered { sheet: scene.sheet(&said.view)?, raised: scene.cards(&rows)? };
            let touched = std::iter::once(document).chain(said.raised).collect();
            Ok((answered, touched))
        })
    }

    /// One action on a record; the error of a full one names its continuation.
    pub(super) fn about<T>(
        &self,
        text: &str,
        act: impl FnOnce(&mut Scene<'_>, DocumentId) -> Result<(T, Vec<DocumentId>), Failure>,
    ) -> Result<T, SyncError> {
        let document = document(text);
        let about = document.as_ref().ok().copied();
        let done = self.act(|scene| act(scene, document?));
        done.map_err(|error| about.map_or_else(|| error.clone(), |about| error.clone().about(about)))
    }
}

fn read_answer(answer: AnswerInput, photos: Vec<FileRef>) -> Result<Answer, Failure> {
    let value = match answer.value {
        // A set is no answer of an item.
        Some(value) => Some(value.into_core()?),
        None => None::<model::Value>,
    };
    Ok(Answer { value, note: answer.note, photos })
}
