//! The sheets of a paper form: boxes, tables, places for photos and signatures.

use serde_json::Value as Json;

use super::read::{Frame, Subject};
use super::record::Record;
use super::table::{Block, BoxedText, Sheet, Table};
use crate::definition::{Paper, PaperBox, Part, Report, ReportColumn, Title};

/// The sheets of a report: one for each record, or one for all of it.
pub(super) fn sheets(
    frame: &Frame<'_>,
    report: &Report,
    paper: &Paper,
    table: &Table,
    records: &[Record],
) -> Vec<Sheet> {
    let title = paper.title.as_ref().unwrap_or(&report.title).text(frame.english).to_owned();
    if paper.per.is_none() {
        let blocks = paper.parts.iter().filter_map(|part| of_table(frame, part, table)).collect();
        return vec![Sheet { title, record: None, blocks }];
    }
    let sheet = |record: &Record| Sheet {
        title: title.clone(),
        record: Some(record.document),
        blocks: paper.parts.iter().flat_map(|part| of_record(frame, part, record)).collect(),
    };
    records.iter().map(sheet).collect()
}

/// A part of the sheet of a whole report.
fn of_table(frame: &Frame<'_>, part: &Part, table: &Table) -> Option<Block> {
    let boxed = |place: &PaperBox| {
        let text = if place.show.is_some() { table.projects.join("、") } else { String::new() };
        let title = place.title.text(frame.english).to_owned();
        BoxedText { title, text, wide: place.wide, drawn: None }
    };
    match part {
        Part::Boxes(boxes) => Some(Block::Boxes(boxes.iter().map(boxed).collect())),
        Part::Table => Some(Block::Table),
        Part::Signatures(places) => Some(Block::Signatures(places.iter().map(boxed).collect())),
        Part::Items | Part::Lines(_) | Part::Findings(_) | Part::Photos(_) => None,
    }
}

/// A part of the sheet of one record.
fn of_record(frame: &Frame<'_>, part: &Part, record: &Record) -> Vec<Block> {
    let boxed = |place: &PaperBox| {
        let shown = place.show.as_ref().map(|reading| frame.read(Subject::Record(record), reading, true));
        let text = shown.map(|datum| datum.words(&frame.zone, frame.english)).unwrap_or_default();
        let drawn = place.show.as_ref().and_then(|reading| frame.drawn(record, reading));
        let title = place.title.text(frame.english).to_owned();
        BoxedText { title, text, wide: place.wide, drawn }
    };
    match part {
        Part::Boxes(boxes) => vec![Block::Boxes(boxes.iter().map(boxed).collect())],
        Part::Table => vec![Block::Table],
        Part::Items => items(frame, record),
        Part::Lines(field) => lines(frame, record, field).into_iter().collect(),
        Part::Findings(columns) => vec![findings(frame, record, columns)],
        Part::Photos(fields) => {
            let photos = frame.places(record, &frame.photos(record, fields));
            if photos.is_empty() { Vec::new() } else { vec![Block::Photos(photos)] }
        }
        Part::Signatures(places) => vec![Block::Signatures(places.iter().map(boxed).collect())],
    }
}

/// The items of a sheet, a table for each section.
fn items(frame: &Frame<'_>, record: &Record) -> Vec<Block> {
    let Some(checklist) = frame.checklist(record) else { return Vec::new() };
    let tasks = checklist.items().any(|item| item.task.is_some());
    let mut blocks = Vec::new();
    for section in &checklist.sections {
        let rows: Vec<Vec<String>> = section
            .items
            .iter()
            .filter(|item| !item.retired)
            .filter_map(|item| {
                let fact = record.facts.items.iter().find(|fact| fact.item == item.id);
                // An item that is hidden and was never answered is no line of the sheet.
                if fact.is_none() && item.visible_if.is_some() {
                    return None;
                }
                let answer =
                    fact.map(|fact| frame.answer(record, fact, true).words(&frame.zone, frame.english));
                let notes = fact.map(|fact| fact.notes.join(";"));
                let photos = fact.map(|fact| fact.photos.join(" "));
                let mut row = vec![item.title.text(frame.english).to_owned()];
                if tasks {
                    row.extend(task(frame, record, item));
                }
                row.extend([answer, notes, photos].map(Option::unwrap_or_default));
                Some(row)
            })
            .collect();
        let mut heads = vec![pick(frame, "检查项", "Item")];
        if tasks {
            heads.extend([pick(frame, "责任岗位", "Owner"), pick(frame, "完成日", "Due")]);
        }
        heads.extend([
            pick(frame, "结果", "Result"),
            pick(frame, "说明", "Note"),
            pick(frame, "照片", "Photos"),
        ]);
        let caption = section.title.text(frame.english).to_owned();
        blocks.push(Block::Grid { caption, heads, rows });
    }
    blocks
}

/// Who owns an item of a plan, and its day counted from the anchor.
fn task(frame: &Frame<'_>, record: &Record, item: &crate::definition::Item) -> [String; 2] {
    let Some(task) = &item.task else { return [String::new(), String::new()] };
    let owner = frame.catalog.role(&task.owner_role);
    let owner = owner.map_or(task.owner_role.as_str(), |role| role.title.text(frame.english)).to_owned();
    let anchor = record.facts.fields.get(&task.anchor).and_then(Json::as_str).and_then(super::period::day_of);
    let day =
        anchor.and_then(|day| day.checked_add(jiff::Span::new().try_days(task.due_offset_days).ok()?).ok());
    [owner, day.map(|day| day.to_string()).unwrap_or_default()]
}

fn lines(frame: &Frame<'_>, record: &Record, id: &str) -> Option<Block> {
    let lines = record.facts.lines.get(id)?;
    let fields = frame.subfields(record, id);
    let heads = fields.iter().map(|field| title(frame, field.title.as_ref(), &field.id)).collect();
    let cell = |line: &std::collections::BTreeMap<String, Json>, field: &crate::definition::Field| {
        let value = line.get(&field.id)?;
        Some(frame.names.value(field, value, true).words(&frame.zone, frame.english))
    };
    let rows =
        lines.iter().map(|line| fields.iter().map(|f| cell(line, f).unwrap_or_default()).collect()).collect();
    let caption = frame.checklist(record).and_then(|checklist| checklist.group(id));
    let caption = caption.map(|group| group.title.text(frame.english).to_owned()).unwrap_or_default();
    Some(Block::Grid { caption, heads, rows })
}

fn findings(frame: &Frame<'_>, record: &Record, columns: &[ReportColumn]) -> Block {
    let heads = columns.iter().map(|column| column.title.text(frame.english).to_owned()).collect();
    let row = |finding: &Record| {
        let cell = |column: &ReportColumn| {
            let shown =
                column.show.as_ref().map(|reading| frame.read(Subject::Record(finding), reading, true));
            shown
                .map(|d| d.cell(column.kind, &frame.zone, frame.english).text(frame.english))
                .unwrap_or_default()
        };
        columns.iter().map(cell).collect()
    };
    let rows = frame.findings(record).iter().map(row).collect();
    Block::Grid { caption: pick(frame, "不符合项", "Findings"), heads, rows }
}

fn title(frame: &Frame<'_>, title: Option<&Title>, id: &str) -> String {
    title.map_or(id, |title| title.text(frame.english)).to_owned()
}

fn pick(frame: &Frame<'_>, zh: &str, en: &str) -> String {
    (if frame.english { en } else { zh }).to_owned()
}
