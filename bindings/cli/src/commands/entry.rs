//! Commands on ledgers.

use std::path::Path;
use std::sync::Arc;
use xunyuan_core::definition::{Field, FieldType, Ledger};
use xunyuan_core::document::model::Value;
use xunyuan_core::id::DocumentId;
use xunyuan_core::projection::RowKind;
use xunyuan_core::rules::entry::EntryView;
use xunyuan_core::rules::form;
use xunyuan_ffi::forms;

use super::Fields;
use super::inspection::unknown;
use super::photos::keep;
use crate::args::EntryCommand;
use crate::device::Device;
use crate::failure::Failure;
use crate::input::{assignments, parts};
use crate::output::{Report, Tone};
use crate::show::{entry_json, entry_summary};

/// Carries out one ledger command.
pub(super) fn entry(device: &mut Device<'_>, command: &EntryCommand) -> Result<Report, Failure> {
    match command {
        EntryCommand::New { ledger, project, fields } => new(device, ledger, project.as_deref(), fields),
        EntryCommand::Edit { record, fields } => edit(device, record, fields),
        EntryCommand::Event { record, event, data } => record_event(device, record, event, data),
        EntryCommand::Add { record, field, content } => add(device, record, field, content),
    }
}

/// Creates an entry; what everybody fills in alike (project, first contact) is filled in.
fn new(
    device: &mut Device<'_>,
    ledger: &str,
    project: Option<&str>,
    words: &[String],
) -> Result<Report, Failure> {
    let definition = forms::ledger(&device.replica, ledger)?;
    let fields = read_fields(device, &definition, words)?;
    let project = project.map(|text| device.reader().project(text));
    let new = forms::new_entry(&device.replica, &definition, project.as_deref(), fields)?;
    let moment = device.moment()?;
    let document = device.replica.create_entry(ledger, &new.project, new.fields, &moment)?;
    let view = device.replica.entry(document)?;
    Ok(entry_report(device, &view, device.output.pick("已登记", "recorded")))
}

fn edit(device: &mut Device<'_>, record: &str, words: &[String]) -> Result<Report, Failure> {
    let (document, ledger) = entry_of(device, record)?;
    let fields = read_fields(device, &ledger, words)?;
    let moment = device.moment()?;
    let view = device.replica.edit_entry(document, fields, &moment)?;
    Ok(entry_report(device, &view, device.output.pick("已保存", "saved")))
}

fn record_event(
    device: &mut Device<'_>,
    record: &str,
    event: &str,
    words: &[String],
) -> Result<Report, Failure> {
    let (document, ledger) = entry_of(device, record)?;
    let mut data = Fields::new();
    for (name, text) in assignments(words)? {
        let value = match ledger.field(&name) {
            Some(field) => field_value(device, field, &text)?,
            None => device.reader().event_data(&name, &text),
        };
        data.insert(name, value);
    }
    let moment = device.moment()?;
    let view = device.replica.record_event(document, event, data, &moment)?;
    Ok(entry_report(device, &view, device.output.pick("已记录", "recorded")))
}

/// Adds a line where the words are assignments to a field of lines, else elements of a set.
fn add(device: &mut Device<'_>, record: &str, field: &str, words: &[String]) -> Result<Report, Failure> {
    let (document, ledger) = entry_of(device, record)?;
    let known = field_of(&ledger, field)?;
    let moment = device.moment()?;
    let view = if known.kind == FieldType::Entries {
        let mut values = Fields::new();
        for (id, text) in assignments(words)? {
            let value = match known.entry_field(&id) {
                Some(sub) => field_value(device, sub, &text)?,
                None => device.reader().event_data(&id, &text),
            };
            values.insert(id, value);
        }
        device.replica.add_entry_line(document, field, values, &moment)?
    } else if known.kind.is_many() {
        let text = words.join(if known.kind == FieldType::Photos { "\n" } else { "," });
        let fields = Fields::from([(field.to_owned(), field_value(device, known, &text)?)]);
        device.replica.edit_entry(document, fields, &moment)?
    } else {
        return Err(Failure::invalid(
            "not_a_set",
            format!("{field} 不是集合或明细;请用 entry edit"),
            format!("{field} holds a single value; use entry edit"),
        ));
    };
    Ok(entry_report(device, &view, device.output.pick("已添加", "added")))
}

/// The value of a field; photos are named by file, one on a line, and kept first.
pub(super) fn field_value(device: &mut Device<'_>, field: &Field, text: &str) -> Result<Value, Failure> {
    if field.kind == FieldType::Signature && !text.is_empty() {
        return Ok(keep(device, Path::new(text))?.value());
    }
    if field.kind == FieldType::Photos && !text.is_empty() {
        let mut hashes = Vec::new();
        for file in text.lines() {
            hashes.push(keep(device, Path::new(file))?.hash.to_string());
        }
        return Ok(Value::Text(hashes.join(" ")));
    }
    let value = device.reader().field(field, text)?;
    match value.as_text() {
        Some(elements) if matches!(field.kind, FieldType::Set(_)) => {
            Ok(Value::Text(parts(elements).collect::<Vec<_>>().join(" ")))
        }
        _ => Ok(value),
    }
}

fn read_fields(device: &mut Device<'_>, ledger: &Ledger, words: &[String]) -> Result<Fields, Failure> {
    let catalog = device.replica.catalog();
    let parts: Vec<Field> = ledger.fields.iter().flat_map(|field| form::parts(catalog, field)).collect();
    let mut fields = Fields::new();
    for (id, text) in assignments(words)? {
        let value = match (ledger.field(&id), parts.iter().find(|part| part.id == id)) {
            (Some(field), _) => field_value(device, field, &text)?,
            (None, Some(part)) => device.reader().field(part, &text)?,
            (None, None) => {
                let ids: Vec<&str> = parts.iter().map(|part| part.id.as_str()).collect();
                return Err(unknown("field", &id, &ids));
            }
        };
        fields.insert(id, value);
    }
    Ok(fields)
}

fn field_of<'l>(ledger: &'l Ledger, id: &str) -> Result<&'l Field, Failure> {
    ledger.field(id).ok_or_else(|| {
        let ids: Vec<&str> = ledger.fields.iter().map(|field| field.id.as_str()).collect();
        unknown("field", id, &ids)
    })
}

/// The entry that a text names, with its ledger.
fn entry_of(device: &Device<'_>, record: &str) -> Result<(DocumentId, Arc<Ledger>), Failure> {
    let row = device.record(record)?;
    if row.kind == RowKind::Inspection {
        return Err(Failure::invalid(
            "not_an_entry",
            format!("{} 是检查表,不是台帐条目", row.name()),
            format!("{} is an inspection, not a ledger entry", row.name()),
        ));
    }
    let ledger = device.replica.catalog().ledger(&row.definition).cloned().ok_or_else(|| {
        Failure::invalid(
            "definition_not_here",
            "本机还没有这条记录所用的台帐版本;请先同步",
            "the ledger version of this entry is not on the device yet; sync first",
        )
    })?;
    Ok((row.document, ledger))
}

fn entry_report(device: &Device<'_>, view: &EntryView, said: &str) -> Report {
    let page = device.page();
    let text = format!("{}  {}", device.output.tone(Tone::Good, said), entry_summary(&page, view));
    Report::done(entry_json(&page, view), text)
}
