//! Lists: records, history, conflicts.

use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use xunyuan_core::duty::Status;
use xunyuan_core::projection::{ClashRow, HistoryLine, LineKind, Row, RowKind};

use xunyuan_core::rules::keys::Key;
use xunyuan_ffi::words::Lang;

use super::page::{Page, definition_json, value_json};
use crate::output::{Table, Tone};

/// A record in a list, and whether some of it waits for the branch.
#[derive(Debug)]
pub(crate) struct Listed {
    /// The record.
    pub(crate) row: Row,
    /// True when some of its changes were not delivered yet.
    pub(crate) pending: bool,
    /// The name of the record in which this one goes on, where it is sealed.
    pub(crate) continued_in: Option<String>,
    /// The most urgent thing that is owed on it and not done.
    pub(crate) duty: Option<Status>,
}

/// One record for programs.
pub(crate) fn row_json(page: &Page<'_>, row: &Row) -> Json {
    json!({
        "document": row.document.to_string(),
        "scope": row.scope.as_str(),
        "kind": kind_id(row.kind),
        "definition": definition_json(&row.definition),
        "project": row.project,
        "state": row.state,
        "terminal": row.terminal,
        "title": row.title,
        "summary": row.summary,
        "number": row.number,
        "temp_number": row.temp_number,
        "created_by": row.created_by.as_ref().map(|user| user.as_str()),
        "created_at": page.stamp(row.created_at_ms),
        "updated_at": page.stamp(row.updated_at_ms),
        "due_at": row.due_ms.map(|at| page.stamp(at)),
        "handler": row.handler.as_ref().map(|user| user.as_str()),
        "first_contact": row.first_contact.as_ref().map(|user| user.as_str()),
        "owner_dept": row.owner_dept,
        "score": row.score,
        "result": row.result,
        "clashes": row.clashes,
        "contested": row.contested,
    })
}

/// A list for programs.
pub(crate) fn rows_json(page: &Page<'_>, rows: &[Listed]) -> Json {
    let one = |listed: &Listed| {
        let mut record = row_json(page, &listed.row);
        record["pending"] = json!(listed.pending);
        record["continued_in"] = json!(listed.continued_in);
        record["duty"] = json!(listed.duty.map(Status::id));
        record
    };
    json!({ "count": rows.len(), "records": rows.iter().map(one).collect::<Vec<_>>() })
}

/// A list on a page.
pub(crate) fn rows_text(page: &Page<'_>, rows: &[Listed]) -> String {
    let out = page.output;
    if rows.is_empty() {
        return out.pick("没有符合的记录", "nothing fits").to_owned();
    }
    let head = match out.lang() {
        Lang::Zh => ["编号", "类别", "项目", "状态", "到期", "经办", "内容", ""],
        Lang::En => ["number", "kind", "project", "state", "due", "person", "what", ""],
    };
    let mut table = Table::new(head);
    for Listed { row, pending, continued_in, duty } in rows {
        let person = row.handler.as_ref().or(row.created_by.as_ref());
        table.row([
            row.name(),
            page.words.definition_title(&row.definition).unwrap_or(&row.title).to_owned(),
            page.words.project(&row.project),
            page.words.state(&row.definition, &row.state),
            row.due_ms.map_or_else(String::new, |at| due_text(page, row, at)),
            person.map_or_else(String::new, |user| page.words.person(user)),
            match continued_in {
                Some(next) => format!("→ {next}  {}", row.summary),
                None => row.summary.clone(),
            },
            marks(page, row, *pending, *duty),
        ]);
    }
    table.lines(out.columns()).join("\n")
}

/// A history for programs.
pub(crate) fn history_json(page: &Page<'_>, row: &Row, lines: &[HistoryLine]) -> Json {
    let one = |line: &HistoryLine| {
        let data: serde_json::Map<String, Json> =
            line.data.iter().map(|(key, value)| (key.clone(), value_json(value))).collect();
        json!({
            "kind": match line.kind { LineKind::Event => "event", LineKind::Value => "value" },
            "what": line.what,
            "event": line.event,
            "by": line.by.as_str(),
            "at": page.stamp(line.at_ms),
            "state": line.state,
            "contested": line.contested,
            "data": data,
        })
    };
    json!({ "record": row_json(page, row), "history": lines.iter().map(one).collect::<Vec<_>>() })
}

/// A history on a page: what happened first, then the values as they stand.
/// `texts` are the record's shared texts by field, which the lines only mark.
pub(crate) fn history_text(
    page: &Page<'_>,
    row: &Row,
    lines: &[HistoryLine],
    texts: &BTreeMap<String, String>,
) -> String {
    let out = page.output;
    let mut text = vec![out.tone(Tone::Strong, &format!("{}  {}", row.name(), row.summary))];
    let mut table = Table::new(match out.lang() {
        Lang::Zh => ["时间", "人员", "事项", "之后状态", "内容"],
        Lang::En => ["time", "person", "what", "state after", "content"],
    });
    for line in lines {
        let contested = if line.contested { out.pick(" [有争议]", " [contested]") } else { "" };
        table.row([
            page.words.time(line.at_ms),
            page.words.person(&line.by),
            page.words.what(&row.definition, line),
            format!("{}{contested}", page.words.state(&row.definition, &line.state)),
            page.words.said(&row.definition, line, texts),
        ]);
    }
    text.extend(table.lines(out.columns()));
    text.join("\n")
}

/// Conflicts for programs.
pub(crate) fn clashes_json(page: &Page<'_>, clashes: &[(Option<Row>, ClashRow)]) -> Json {
    let one = |(row, clash): &(Option<Row>, ClashRow)| {
        let choices = clash.choices.iter().enumerate().map(|(at, choice)| {
            json!({
                "choice": at + 1,
                "value": value_json(&choice.value),
                "by": choice.by.as_str(),
                "at": page.stamp(choice.at_ms),
            })
        });
        json!({
            "document": clash.document.to_string(),
            "record": row.as_ref().map(|row| row_json(page, row)),
            "key": clash.key,
            "reason": clash.reason,
            "choices": choices.collect::<Vec<_>>(),
        })
    };
    json!({ "count": clashes.len(), "conflicts": clashes.iter().map(one).collect::<Vec<_>>() })
}

/// Conflicts on a page, with the command that decides each.
pub(crate) fn clashes_text(page: &Page<'_>, clashes: &[(Option<Row>, ClashRow)]) -> String {
    let out = page.output;
    if clashes.is_empty() {
        return out.pick("没有待裁决的冲突", "nothing to decide").to_owned();
    }
    let mut text = Vec::new();
    for (row, clash) in clashes {
        let name = row.as_ref().map_or_else(|| clash.document.short(), Row::name);
        let summary = row.as_ref().map_or("", |row| row.summary.as_str());
        let about =
            row.as_ref().and_then(|row| page.words.key_name(&row.definition, &clash.key)).unwrap_or_default();
        text.push(format!(
            "{}  {summary}  {about} {}",
            out.tone(Tone::Strong, &name),
            page.faint(&clash.key)
        ));
        for (at, choice) in clash.choices.iter().enumerate() {
            let stands = if at == 0 { out.pick("  ← 暂时有效", "  <- stands for now") } else { "" };
            let who =
                page.faint(&format!("({} {})", page.words.person(&choice.by), page.words.time(choice.at_ms)));
            let value = row.as_ref().map_or_else(
                || page.words.value(&choice.value),
                |row| page.words.key_value(&row.definition, &clash.key, &choice.value),
            );
            text.push(format!("  {}. {value} {who}{stands}", at + 1));
        }
        if matches!(Key::parse(&clash.key), Some(Key::Item(_))) {
            text.push(out.pick("  裁决前按不合格计分", "  until then it scores as failing").to_owned());
        }
        text.push(page.faint(&format!("  xunyuan resolve {name} {} N", clash.key)));
    }
    text.join("\n")
}

fn kind_id(kind: RowKind) -> &'static str {
    match kind {
        RowKind::Inspection => "inspection",
        RowKind::Entry => "entry",
    }
}

fn due_text(page: &Page<'_>, row: &Row, at_ms: i64) -> String {
    let overdue =
        if !row.terminal && at_ms < page.now_ms { page.output.pick(" 超期", " overdue") } else { "" };
    format!("{}{overdue}", page.words.time(at_ms))
}

fn marks(page: &Page<'_>, row: &Row, pending: bool, duty: Option<Status>) -> String {
    let undecided = row.clashes + row.contested;
    let mut marks = Vec::new();
    if let Some(status) = duty.filter(|status| *status != Status::Open) {
        marks.push(page.words.duty_status(status).to_owned());
    }
    if pending {
        marks.push(page.output.pick("待上传", "to deliver").to_owned());
    }
    if undecided > 0 {
        marks.push(format!("{} {undecided}", page.output.pick("冲突", "conflicts")));
    }
    marks.join(" ")
}
