//! The text of a document that search looks through: what people wrote, the numbers, the names of
//! things; never hashes, options or times.

use crate::definition::ItemKind;
use crate::definition::Ledger;
use crate::definition::{FieldType, Target};
use crate::document::model::Value;
use crate::rules::entry::{EntryView, FieldContent};
use crate::rules::sheet::InspectionView;

/// The text of a sheet: title, notes, written answers, lines of groups.
pub(crate) fn of_inspection(view: &InspectionView) -> String {
    let mut words = Words::default();
    words.add(&view.title.zh);
    words.add(&view.title.en);
    for item in view.sections.iter().flat_map(|section| &section.items) {
        if item.is_fail {
            words.add(&item.title.zh);
        }
        if item.kind == ItemKind::Text {
            item.answers.iter().for_each(|answer| words.value(&answer.value));
        }
        item.notes.iter().for_each(|note| words.value(&note.value));
    }
    for line in view.groups.iter().flat_map(|group| &group.lines) {
        line.fields.iter().for_each(|(_, stamped)| words.value(&stamped.value));
    }
    words.0
}

/// The text of an entry: numbers, title, text fields, lines, and what its events carried.
pub(crate) fn of_entry(ledger: &Ledger, view: &EntryView) -> String {
    let mut words = Words::default();
    for number in [&view.number, &view.temporary_number].into_iter().flatten() {
        words.add(number);
    }
    words.add(&view.title.zh);
    words.add(&view.title.en);
    for shown in &view.fields {
        let is_read = ledger.field(&shown.id).is_some_and(|field| is_read(&field.kind));
        match &shown.content {
            FieldContent::Text(text) => words.add(text),
            FieldContent::One(_) if is_read => {
                shown.values.iter().for_each(|stamped| words.value(&stamped.value));
            }
            FieldContent::Lines(lines) => {
                for line in lines {
                    line.fields.values().for_each(|stamped| words.value(&stamped.value));
                }
            }
            FieldContent::Empty | FieldContent::One(_) | FieldContent::Set(_) => {}
        }
    }
    for event in &view.events {
        event.event.data.values().for_each(|value| words.value(value));
    }
    words.0
}

/// True for fields whose value a person would type into a search.
fn is_read(kind: &FieldType) -> bool {
    matches!(
        kind,
        FieldType::Text | FieldType::Phone | FieldType::Ref(Target::Unit | Target::CheckpointOrText)
    )
}

/// Pieces of text, one per line.
#[derive(Default)]
struct Words(String);

impl Words {
    fn add(&mut self, text: &str) {
        let text = text.trim();
        if !text.is_empty() {
            if !self.0.is_empty() {
                self.0.push('\n');
            }
            self.0.push_str(text);
        }
    }

    fn value(&mut self, value: &Value) {
        if let Some(text) = value.as_text() {
            self.add(text);
        }
    }
}
