//! Plays steps on a device: the same code in the main process and in the one that is killed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use xunyuan_core::document::model::Value;
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::id::{DocumentId, FileHash, hash_parts};
use xunyuan_core::replica::Answer;
use xunyuan_core::rules::file::FileRef;
use xunyuan_core::rules::schedule::SlotState;

use super::device::Device;
use super::script::{Fields, Plain, Step};

/// The script's word for the time of the action.
const NOW: &str = "@now";

/// The script's names of documents, shared by all devices.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(Arc<Mutex<BTreeMap<String, DocumentId>>>);

impl Names {
    /// Names that were noted before.
    pub(super) fn of(known: BTreeMap<String, DocumentId>) -> Self {
        Self(Arc::new(Mutex::new(known)))
    }

    /// Everything noted so far.
    pub(super) fn all(&self) -> BTreeMap<String, DocumentId> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes a name; two devices that give the same name must mean the same document.
    fn note(&self, name: &str, document: DocumentId) -> Result<(), Error> {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = *names.entry(name.to_owned()).or_insert(document);
        if known == document {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Protocol,
            format!("两台设备上的“{name}”不是同一份记录"),
            format!("`{name}` is not the same record on two devices"),
        ))
    }

    fn find(&self, name: &str) -> Result<DocumentId, Error> {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.get(name).copied().ok_or_else(|| {
            Error::new(
                ErrorKind::Invalid,
                format!("演示脚本没有给出“{name}”"),
                format!("the script does not introduce `{name}`"),
            )
        })
    }
}

/// Performs one action; when it returns, the action is saved.
pub(super) fn perform(device: &mut Device, step: &Step, names: &Names) -> Result<(), Error> {
    match step {
        Step::Sync => device.sync()?,
        Step::SyncLosingReply => device.sync_losing_reply()?,
        Step::StartSlot { .. }
        | Step::Start { .. }
        | Step::Header { .. }
        | Step::Scan { .. }
        | Step::Answer { .. }
        | Step::Line { .. }
        | Step::Sign { .. }
        | Step::Complete { .. } => on_sheet(device, step, names)?,
        Step::Create { .. } | Step::Edit { .. } | Step::Event { .. } | Step::Resolve { .. } => {
            on_ledger(device, step, names)?;
        }
    }
    if !step.is_exchange() {
        device.meter.saved += 1;
    }
    Ok(())
}

fn on_sheet(device: &mut Device, step: &Step, names: &Names) -> Result<(), Error> {
    let now = device.moment()?;
    let replica = device.replica();
    match step {
        Step::StartSlot { checklist, name } => {
            let views = replica.slots(&now)?;
            let open = views.into_iter().find(|view| {
                view.slot.checklist.id == *checklist
                    && matches!(view.state, SlotState::Open | SlotState::InProgress)
            });
            let slot = open.map(|view| view.slot).ok_or_else(|| {
                Error::new(
                    ErrorKind::NotFound,
                    "现在没有该检查表的时段",
                    "no slot of this checklist is open now",
                )
            })?;
            let document = replica.start_slot(&slot.key, Some(&slot.project), &now)?;
            names.note(name, document)?;
        }
        Step::Start { checklist, project, name } => {
            names.note(name, replica.start_inspection(checklist, project, &now)?)?;
        }
        Step::Header { doc, field, value } => {
            let is_now = matches!(value, Plain::Text(text) if text == NOW);
            let value = if is_now { Value::Int(now.unix_ms) } else { value.value() };
            replica.set_header(names.find(doc)?, field, value, &now)?;
        }
        Step::Scan { doc, code } => {
            replica.scan(names.find(doc)?, code, None, &now)?;
        }
        Step::Answer { doc, value, items, note, photo } => {
            let answer = Answer {
                value: Some(value.value()),
                note: note.clone(),
                photos: photo.iter().map(|label| photograph(label)).collect(),
            };
            for item in items {
                replica.answer(names.find(doc)?, item, answer.clone(), &now)?;
            }
        }
        Step::Line { doc, group, fields } => {
            replica.add_line(names.find(doc)?, group, values(fields), &now)?;
        }
        Step::Sign { doc, signoff } => {
            replica.sign(names.find(doc)?, signoff, &now)?;
        }
        Step::Complete { doc } => {
            replica.complete(names.find(doc)?, false, &now)?;
        }
        Step::Sync
        | Step::SyncLosingReply
        | Step::Create { .. }
        | Step::Edit { .. }
        | Step::Event { .. }
        | Step::Resolve { .. } => unreachable!("`perform` sends only steps on sheets here"),
    }
    Ok(())
}

fn on_ledger(device: &mut Device, step: &Step, names: &Names) -> Result<(), Error> {
    let now = device.moment()?;
    let replica = device.replica();
    match step {
        Step::Create { ledger, project, name, fields } => {
            names.note(name, replica.create_entry(ledger, project, values(fields), &now)?)?;
        }
        Step::Edit { doc, fields } => {
            replica.edit_entry(names.find(doc)?, values(fields), &now)?;
        }
        Step::Event { doc, event, data } => {
            replica.record_event(names.find(doc)?, event, values(data), &now)?;
        }
        Step::Resolve { doc, item, value } => {
            let (document, key, value) = (names.find(doc)?, format!("item/{item}"), value.value());
            let clashes = replica.conflicts()?;
            let choice = clashes
                .iter()
                .find(|clash| clash.document == document && clash.key == key)
                .and_then(|clash| clash.choices.iter().position(|choice| choice.value == value))
                .ok_or_else(|| Error::new(ErrorKind::NotFound, "没有这个冲突", "there is no such clash"))?;
            replica.resolve(document, &key, choice, &now)?;
        }
        Step::Sync
        | Step::SyncLosingReply
        | Step::StartSlot { .. }
        | Step::Start { .. }
        | Step::Header { .. }
        | Step::Scan { .. }
        | Step::Answer { .. }
        | Step::Line { .. }
        | Step::Sign { .. }
        | Step::Complete { .. } => unreachable!("`perform` sends only steps on ledgers here"),
    }
    Ok(())
}

fn values(fields: &Fields) -> BTreeMap<String, Value> {
    fields.iter().map(|(field, plain)| (field.clone(), plain.value())).collect()
}

/// A photo as a record refers to it; the demonstration has no camera, so its hash is that of a label.
fn photograph(label: &str) -> FileRef {
    FileRef {
        hash: FileHash(hash_parts("xunyuan/demo/photo", &[label.as_bytes()])),
        bytes: 480_000,
        media_type: "image/jpeg".to_owned(),
        taken_at_ms: None,
    }
}
