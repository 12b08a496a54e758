//! What people do at work, as one call each: the steps that scenarios are told in.

use std::collections::BTreeMap;

use xunyuan_core::definition::ItemKind;
use xunyuan_core::document::model::Value;
use xunyuan_core::error::Error;
use xunyuan_core::id::{DocumentId, FileHash};
use xunyuan_core::replica::{Answer, Replica};
use xunyuan_core::rules::entry::EntryView;
use xunyuan_core::rules::file::FileRef;
use xunyuan_core::rules::sheet::{InspectionView, MissingKind};
use xunyuan_core::time::Moment;

use crate::world::World;

/// The slot of the morning patrol on the day that worlds begin.
pub const MORNING_SLOT: &str = "sch.patrol_daily@2026-11-23T09:00";
/// The project that most people of the sample organisation work in.
pub const PROJECT: &str = "pj.lanyuan";
/// The ledger of the front desk.
pub const FRONT_DESK: &str = "led.front_desk";

/// Items that the app of the power-cut scenario answers in turn.
pub const WRITER_ITEMS: [&str; 4] = ["pp.green.01", "pp.green.03", "pp.clean.01", "pp.clean.02"];

/// A text value.
#[must_use]
pub fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

/// Named text values.
#[must_use]
pub fn fields(values: &[(&str, &str)]) -> BTreeMap<String, Value> {
    values.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect()
}

/// A photo that is told from others by a number.
#[must_use]
pub fn photo(number: u8) -> FileRef {
    FileRef {
        hash: FileHash([number; 32]),
        bytes: 100_000,
        media_type: "image/jpeg".to_owned(),
        taken_at_ms: None,
    }
}

/// An option chosen, with nothing else.
#[must_use]
pub fn chosen(option: &str) -> Answer {
    Answer { value: Some(text(option)), note: None, photos: Vec::new() }
}

/// A failing answer with the note and the photo that it asks for.
#[must_use]
pub fn failing(note: &str, number: u8) -> Answer {
    Answer { value: Some(text("fail")), note: Some(note.to_owned()), photos: vec![photo(number)] }
}

impl World {
    /// Opens, or joins, the morning patrol.
    pub fn start_patrol(&mut self, device: usize) -> DocumentId {
        self.act(device, |replica, moment| replica.start_slot(MORNING_SLOT, Some(PROJECT), moment))
    }

    /// Answers an item with an option.
    pub fn choose(&mut self, device: usize, sheet: DocumentId, item: &str, option: &str) {
        self.act(device, |replica, moment| replica.answer(sheet, item, chosen(option), moment));
    }

    /// Fails an item with note and photo, and says which findings that raised.
    pub fn fail(
        &mut self,
        device: usize,
        sheet: DocumentId,
        item: &str,
        note: &str,
        number: u8,
    ) -> Vec<DocumentId> {
        self.act(device, |replica, moment| replica.answer(sheet, item, failing(note, number), moment)).raised
    }

    /// A sheet as a device sees it.
    pub fn sheet(&mut self, device: usize, sheet: DocumentId) -> InspectionView {
        self.replica(device).inspection(sheet).expect("the sheet is on the device")
    }

    /// An entry as a device sees it.
    pub fn entry(&mut self, device: usize, entry: DocumentId) -> EntryView {
        self.replica(device).entry(entry).expect("the entry is on the device")
    }

    /// Somebody at the front desk takes a call.
    pub fn take_call(&mut self, device: usize, content: &str) -> DocumentId {
        let user = self.devices[device].user.as_str().to_owned();
        let call = fields(&[
            ("channel", "phone"),
            ("category", "fd.consult.fee"),
            ("content", content),
            ("first_contact", &user),
            ("urgency", "normal"),
            ("owner_dept", "dept.eng"),
        ]);
        self.act(device, |replica, moment| replica.create_entry(FRONT_DESK, PROJECT, call, moment))
    }

    /// Records an event of an entry's lifecycle.
    pub fn record(
        &mut self,
        device: usize,
        entry: DocumentId,
        event: &str,
        data: &[(&str, &str)],
    ) -> EntryView {
        self.act(device, |replica, moment| replica.record_event(entry, event, fields(data), moment))
    }

    /// Fills in whatever a sheet still lacks but signatures.
    ///
    /// # Panics
    /// When more than signatures is missing after a few rounds.
    pub fn fill_sheet(&mut self, device: usize, sheet: DocumentId) -> InspectionView {
        for _ in 0..6 {
            let view = self.sheet(device, sheet);
            let mut lacking = view.missing.iter().filter(|lack| lack.kind != MissingKind::Signoff).peekable();
            if lacking.peek().is_none() {
                return view;
            }
            for lack in lacking {
                self.act(device, |replica, moment| supply(replica, &view, lack.kind, &lack.id, moment));
            }
        }
        panic!("the sheet lacks {:?}", self.sheet(device, sheet).missing);
    }

    /// Fills in whatever a sheet still lacks, signs it with the device's person, and completes it.
    ///
    /// # Panics
    /// When the sheet is not complete after that.
    pub fn finish_sheet(&mut self, device: usize, sheet: DocumentId) -> InspectionView {
        let view = self.fill_sheet(device, sheet);
        for lack in &view.missing {
            self.act(device, |replica, moment| supply(replica, &view, lack.kind, &lack.id, moment));
        }
        self.act(device, |replica, moment| replica.complete(sheet, false, moment))
    }
}

/// Gives a sheet one thing that it lacks.
fn supply(
    replica: &mut Replica,
    view: &InspectionView,
    kind: MissingKind,
    id: &str,
    moment: &Moment,
) -> Result<(), Error> {
    let sheet = view.document;
    match kind {
        MissingKind::Answer => {
            let item = view.sections.iter().flat_map(|section| &section.items).find(|item| item.id == id);
            let set = item.and_then(|item| item.response_set.clone());
            let option = set.and_then(|set| replica.catalog().response_set(&set).cloned()).and_then(|set| {
                set.options.iter().find(|option| !option.fail).map(|option| option.id.clone())
            });
            let unasked = match item.map(|item| item.kind) {
                Some(ItemKind::Text | ItemKind::Choice) | None => text("如实填写"),
                Some(ItemKind::Number) => Value::Number(1.0),
                Some(ItemKind::Date) => text("2026-12-01"),
                Some(ItemKind::Time) => text("09:30"),
            };
            let value = option.map_or(unasked, Value::Text);
            replica.answer(sheet, id, Answer { value: Some(value), ..Answer::default() }, moment).map(drop)
        }
        MissingKind::Photo | MissingKind::Evidence => replica
            .answer(sheet, id, Answer { photos: vec![photo(7)], ..Answer::default() }, moment)
            .map(drop),
        MissingKind::Note => replica
            .answer(sheet, id, Answer { note: Some("补记".to_owned()), ..Answer::default() }, moment)
            .map(drop),
        MissingKind::Header => {
            let user = replica.user().as_str().to_owned();
            let value = match id {
                "shift" => text("day"),
                "started_at" => Value::Int(moment.unix_ms),
                _ => text(&user),
            };
            replica.set_header(sheet, id, value, moment).map(drop)
        }
        MissingKind::Scan => replica.scan(sheet, id, Some("标签损坏"), moment).map(drop),
        MissingKind::Signoff => replica.sign(sheet, id, moment).map(drop),
        MissingKind::Group | MissingKind::Field => Ok(()),
    }
}
