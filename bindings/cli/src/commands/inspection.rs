//! Commands on checklists.

use serde_json::{Value as Json, json};
use std::path::Path;
use xunyuan_core::definition::Item;
use xunyuan_core::document::model::Value;
use xunyuan_core::id::DocumentId;
use xunyuan_core::projection::RowKind;
use xunyuan_core::replica::{Answer, Answered};
use xunyuan_core::rules::codes::INCOMPLETE;
use xunyuan_core::rules::sheet::{InspectionView, ItemView};

use super::Fields;
use super::photos::keep;
use crate::args::{AmendArgs, AnswerArgs, StartArgs};
use crate::device::Device;
use crate::failure::Failure;
use crate::input::{assignments, parts};
use crate::output::{Report, Tone};
use crate::show::{
    Listed, header_text, inspection_json, item_json, item_text, missing_json, missing_lines, row_json,
    rows_text, score_json, score_text, slots_json, slots_text,
};

/// Today's slots with their state.
pub(super) fn slots(device: &mut Device<'_>) -> Result<Report, Failure> {
    let moment = device.moment()?;
    let slots = device.replica.slots(&moment)?;
    let page = device.page();
    Ok(Report::done(slots_json(&page, &slots), slots_text(&page, &slots)))
}

/// Starts a slot or a free inspection.
pub(super) fn start(device: &mut Device<'_>, args: &StartArgs) -> Result<Report, Failure> {
    let moment = device.moment()?;
    let project = args.project.as_deref().map(|text| device.reader().project(text));
    let document = match (&args.slot, &args.checklist, &project) {
        (Some(slot), _, project) => device.replica.start_slot(slot, project.as_deref(), &moment)?,
        (None, Some(checklist), Some(project)) => {
            device.replica.start_inspection(checklist, project, &moment)?
        }
        (None, _, _) => unreachable!("clap asks for a slot or for a checklist with its project"),
    };
    let view = device.replica.inspection(document)?;
    Ok(sheet_report(device, &view, device.output.pick("已开始", "started")))
}

/// Sets a header field; a set takes several elements.
pub(super) fn set(device: &mut Device<'_>, record: &str, field: &str, text: &str) -> Result<Report, Failure> {
    let document = sheet(device, record)?;
    let view = device.replica.inspection(document)?;
    let checklist = device.replica.catalog().checklist(&view.checklist);
    let known = checklist.and_then(|list| list.header_fields.iter().find(|known| known.id == field)).cloned();
    let known = known.ok_or_else(|| {
        let ids: Vec<&str> = view.header.iter().map(|field| field.id.as_str()).collect();
        unknown("field", field, &ids)
    })?;
    let value = device.reader().field(&known, text)?;
    let values: Vec<Value> = match value.as_text() {
        Some(elements) if known.kind.is_many() => {
            parts(elements).map(|element| Value::Text(element.to_owned())).collect()
        }
        _ => vec![value],
    };
    let mut view = view;
    for value in values {
        let moment = device.moment()?;
        view = device.replica.set_header(document, field, value, &moment)?;
    }
    let mut report = sheet_report(device, &view, device.output.pick("已保存", "saved"));
    let shown = view.header.iter().filter(|shown| shown.id == field);
    report.text = shown.map(|shown| header_text(&device.page(), &view.checklist, shown)).collect();
    Ok(report)
}

/// Answers an item, with note and photos in the same action.
pub(super) fn answer(device: &mut Device<'_>, args: &AnswerArgs) -> Result<Report, Failure> {
    let document = sheet(device, &args.record)?;
    let item = item_of(device, document, &args.item)?;
    let value = Some(device.reader().item(&item, &args.value)?);
    let photos = args.photo.iter().map(|file| keep(device, file)).collect::<Result<_, _>>()?;
    let answer = Answer { value, note: args.note.clone(), photos };
    let moment = device.moment()?;
    let answered = device.replica.answer(document, &args.item, answer, &moment)?;
    answered_report(device, &answered, &[&args.item])
}

/// Writes the note of an item.
pub(super) fn note(device: &mut Device<'_>, record: &str, item: &str, text: &str) -> Result<Report, Failure> {
    let document = sheet(device, record)?;
    item_of(device, document, item)?;
    let answer = Answer { value: None, note: Some(text.to_owned()), photos: Vec::new() };
    let moment = device.moment()?;
    let answered = device.replica.answer(document, item, answer, &moment)?;
    answered_report(device, &answered, &[item])
}

/// Corrects a completed sheet.
pub(super) fn amend(device: &mut Device<'_>, args: &AmendArgs) -> Result<Report, Failure> {
    let document = sheet(device, &args.record)?;
    let mut answers: Vec<(String, Answer)> = Vec::new();
    for (item, text) in assignments(&args.answers)? {
        let known = item_of(device, document, &item)?;
        let value = device.reader().item(&known, &text)?;
        answers.push((item, Answer { value: Some(value), ..Answer::default() }));
    }
    for (item, text) in assignments(&args.note)? {
        of_item(&mut answers, &item).note = Some(text);
    }
    for word in &args.photo {
        for (item, file) in assignments(std::slice::from_ref(word))? {
            let photo = keep(device, Path::new(&file))?;
            of_item(&mut answers, &item).photos.push(photo);
        }
    }
    let items: Vec<String> = answers.iter().map(|(item, _)| item.clone()).collect();
    let moment = device.moment()?;
    let answered = device.replica.amend(document, &args.reason, answers, &moment)?;
    answered_report(device, &answered, &items.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Records a checkpoint.
pub(super) fn scan(
    device: &mut Device<'_>,
    record: &str,
    code: &str,
    damaged: Option<&str>,
) -> Result<Report, Failure> {
    let document = sheet(device, record)?;
    let moment = device.moment()?;
    let view = device.replica.scan(document, code, damaged, &moment)?;
    let catalog = device.replica.catalog();
    let place = catalog.checkpoint_by_code(code).or_else(|| catalog.checkpoint(code));
    let name =
        place.map_or_else(|| code.to_owned(), |place| device.page().words.title(&place.title).to_owned());
    let said = format!("{} {name}", device.output.pick("已到点:", "at checkpoint:"));
    Ok(sheet_report(device, &view, &said))
}

/// Adds a line to a repeat group.
pub(super) fn line(
    device: &mut Device<'_>,
    record: &str,
    group: &str,
    words: &[String],
) -> Result<Report, Failure> {
    let document = sheet(device, record)?;
    let view = device.replica.inspection(document)?;
    let checklist = device.replica.catalog().checklist(&view.checklist).cloned();
    let groups = checklist.as_ref().map_or(&[][..], |list| &list.repeat_groups);
    let known = groups.iter().find(|known| known.id == group).ok_or_else(|| {
        unknown("group", group, &groups.iter().map(|known| known.id.as_str()).collect::<Vec<_>>())
    })?;
    let mut fields = Fields::new();
    for (id, text) in assignments(words)? {
        let field = known.field(&id).ok_or_else(|| {
            unknown("field", &id, &known.fields.iter().map(|field| field.id.as_str()).collect::<Vec<_>>())
        })?;
        fields.insert(id, super::entry::field_value(device, field, &text)?);
    }
    let moment = device.moment()?;
    let line = device.replica.add_line(document, group, fields, &moment)?;
    let view = device.replica.inspection(document)?;
    let mut report = sheet_report(device, &view, device.output.pick("已加一行", "line added"));
    report.json["line"] = json!(line);
    Ok(report)
}

/// Signs at a place of the sheet; it may be left out where there is only one.
///
/// With a file the signature is the drawn one.
pub(super) fn sign(
    device: &mut Device<'_>,
    record: &str,
    signoff: Option<&str>,
    drawn: Option<&Path>,
) -> Result<Report, Failure> {
    let document = sheet(device, record)?;
    let view = device.replica.inspection(document)?;
    let places: Vec<&str> =
        view.signoffs.iter().filter(|place| !place.is_review).map(|place| place.id.as_str()).collect();
    let place = match (signoff, places.as_slice()) {
        (Some(place), _) => place,
        (None, [only]) => only,
        (None, _) => return Err(unknown("sign-off", "", &places)),
    };
    let drawn = drawn.map(|file| keep(device, file)).transpose()?;
    let moment = device.moment()?;
    let view = match drawn {
        Some(drawn) => {
            device.replica.attach(document, place, &[drawn], None, &moment)?;
            device.replica.inspection(document)?
        }
        None => device.replica.sign(document, place, &moment)?,
    };
    Ok(sheet_report(device, &view, device.output.pick("已签字", "signed")))
}

/// Completes a sheet; lists what is missing where it cannot be.
pub(super) fn complete(device: &mut Device<'_>, record: &str, with_gaps: bool) -> Result<Report, Failure> {
    let document = sheet(device, record)?;
    let moment = device.moment()?;
    match device.replica.complete(document, with_gaps, &moment) {
        Ok(view) => Ok(sheet_report(device, &view, device.output.pick("已完成", "completed"))),
        Err(error) => {
            let is_incomplete = error.code() == INCOMPLETE;
            let failure = Failure::from(error);
            if !is_incomplete {
                return Err(failure);
            }
            let missing = device.replica.inspection(document)?.missing;
            let mut lines = missing_lines(&device.page(), &missing);
            lines.push(
                device
                    .output
                    .pick("  带缺项完成:--with-gaps", "  to complete it all the same: --with-gaps")
                    .to_owned(),
            );
            Err(failure.with("missing", missing_json(&missing), lines))
        }
    }
}

/// Notes a supervisor's review.
pub(super) fn review(device: &mut Device<'_>, record: &str, note: &str) -> Result<Report, Failure> {
    let document = sheet(device, record)?;
    let moment = device.moment()?;
    let view = device.replica.review(document, note, &moment)?;
    Ok(sheet_report(device, &view, device.output.pick("已复核", "reviewed")))
}

/// Moves a draft to the newest version of its checklist.
pub(super) fn upgrade(device: &mut Device<'_>, record: &str) -> Result<Report, Failure> {
    let document = sheet(device, record)?;
    let moment = device.moment()?;
    let view = device.replica.upgrade_sheet(document, &moment)?;
    let said =
        format!("{} v{}", device.output.pick("已移到新版", "moved to version"), view.checklist.version);
    Ok(sheet_report(device, &view, &said))
}

/// The inspection that a text names.
fn sheet(device: &Device<'_>, record: &str) -> Result<DocumentId, Failure> {
    let row = device.record(record)?;
    match row.kind {
        RowKind::Inspection => Ok(row.document),
        RowKind::Entry => Err(Failure::invalid(
            "not_an_inspection",
            format!("{} 是台帐条目,不是检查表;请用 entry 命令", row.name()),
            format!("{} is a ledger entry, not an inspection; use the entry commands", row.name()),
        )),
    }
}

/// The item of the checklist in force on a sheet.
fn item_of(device: &mut Device<'_>, document: DocumentId, id: &str) -> Result<Item, Failure> {
    let view = device.replica.inspection(document)?;
    let checklist = device.replica.catalog().checklist(&view.checklist);
    let mut items = checklist.into_iter().flat_map(|list| list.sections.iter().flat_map(|s| &s.items));
    items.find(|item| item.id == id).cloned().ok_or_else(|| {
        Failure::invalid(
            "item_not_found",
            format!("检查表里没有这一项:{id};用 xunyuan show {} 查看", document.short()),
            format!("the checklist has no such item: {id}; see xunyuan show {}", document.short()),
        )
    })
}

fn of_item<'a>(answers: &'a mut Vec<(String, Answer)>, item: &str) -> &'a mut Answer {
    let at = answers.iter().position(|(known, _)| known == item).unwrap_or_else(|| {
        answers.push((item.to_owned(), Answer::default()));
        answers.len() - 1
    });
    &mut answers[at].1
}

/// A usage failure that names what there is.
pub(super) fn unknown(what: &str, id: &str, known: &[&str]) -> Failure {
    let (zh, code) = match what {
        "group" => ("重复组", "group_not_found"),
        "sign-off" => ("签字处", "signoff_not_found"),
        _ => ("字段", "field_not_found"),
    };
    let known = known.join(" ");
    Failure::invalid(
        code,
        format!("没有这个{zh} {id};可用:{known}"),
        format!("no such {what} {id}; there are: {known}"),
    )
}

/// What the person sees after an action on a sheet: what was done, how far it is.
fn sheet_report(device: &Device<'_>, view: &InspectionView, said: &str) -> Report {
    let page = device.page();
    let (answered, visible) = progress(view);
    let text = format!(
        "{}  {}  {}  {answered}/{visible}  {}",
        device.output.tone(Tone::Good, said),
        page.words.title(&view.title),
        page.faint(&view.document.short()),
        score_text(&page, &view.score),
    );
    Report::done(inspection_json(&page, view), text)
}

fn answered_report(device: &Device<'_>, answered: &Answered, items: &[&str]) -> Result<Report, Failure> {
    let page = device.page();
    let view = &answered.view;
    let all = || view.sections.iter().flat_map(|section| &section.items);
    let changed: Vec<&ItemView> = all().filter(|item| items.contains(&item.id.as_str())).collect();
    let widest = changed.iter().map(|item| item.id.len()).max().unwrap_or(0);
    let mut lines: Vec<String> =
        changed.iter().flat_map(|item| item_text(&page, &view.checklist, item, widest)).collect();
    let (done, visible) = progress(view);
    lines.push(format!("  {done}/{visible}  {}", score_text(&page, &view.score)));
    let raised = answered
        .raised
        .iter()
        .map(|&id| {
            Ok(Listed { row: device.replica.record(id)?, pending: true, continued_in: None, duty: None })
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    if !raised.is_empty() {
        lines.push(device.output.tone(Tone::Warn, device.output.pick("已开具整改:", "raised:")));
        lines.push(rows_text(&page, &raised));
    }
    let json = json!({
        "document": view.document.to_string(),
        "state": view.state.id(),
        "items": changed.iter().map(|item| item_json(&page, item)).collect::<Vec<Json>>(),
        "answered": done,
        "visible": visible,
        "score": score_json(&view.score),
        "missing_count": view.missing.len(),
        "raised": raised.iter().map(|listed| row_json(&page, &listed.row)).collect::<Vec<Json>>(),
    });
    Ok(Report::done(json, lines.join("\n")))
}

/// Visible items with an answer, and all visible items.
fn progress(view: &InspectionView) -> (u32, u32) {
    view.sections.iter().fold((0, 0), |(done, all), section| (done + section.answered, all + section.visible))
}
