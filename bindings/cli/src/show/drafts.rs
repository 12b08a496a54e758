//! What the branch refused, as drafts.

use serde_json::{Value as Json, json};
use xunyuan_core::projection::Row;
use xunyuan_core::replica::{DraftContent, DraftStep, DraftView, RefusedDraft};
use xunyuan_core::rules::codes;
use xunyuan_ffi::words::Lang;

use super::page::{Page, definition_json, title_json, value_json};
use crate::output::{Table, Tone};

/// Digits of a draft's id that a person sees.
const SHORT_ID: usize = 8;

/// A draft in a list with the row of its record, where the record is here without it.
pub(crate) type ListedDraft = (RefusedDraft, Option<Row>);

/// Drafts for programs.
pub(crate) fn drafts_json(page: &Page<'_>, drafts: &[ListedDraft]) -> Json {
    let all: Vec<Json> = drafts.iter().map(|(draft, row)| draft_json(page, draft, row.as_ref())).collect();
    json!({ "count": all.len(), "drafts": all })
}

/// Drafts on a page, with the commands that settle them.
pub(crate) fn drafts_text(page: &Page<'_>, drafts: &[ListedDraft]) -> String {
    let out = page.output;
    if drafts.is_empty() {
        return out.pick("没有被拒收的内容", "nothing was refused").to_owned();
    }
    let mut table = Table::new(match out.lang() {
        Lang::Zh => ["草稿", "记录", "类别", "填写时间", "更改", "未收原因"],
        Lang::En => ["draft", "record", "kind", "written at", "changes", "not taken because"],
    });
    for (draft, row) in drafts {
        table.row([
            draft_name(draft),
            row.as_ref().map_or_else(|| draft.document.short(), Row::name),
            page.words.definition_title(&draft.definition).unwrap_or(&draft.definition.id).to_owned(),
            page.words.time(draft.first_written_at_ms),
            draft.changes.to_string(),
            page.words.sentence(&draft.refusal.sentence).to_owned(),
        ]);
    }
    let mut lines = table.lines(out.columns());
    lines.push(page.faint("xunyuan drafts show|apply|export|discard …"));
    lines.join("\n")
}

/// A draft with what it says, for programs.
pub(crate) fn draft_view_json(page: &Page<'_>, view: &DraftView, row: Option<&Row>) -> Json {
    let mut json = draft_json(page, &view.draft, row);
    json["readable"] = json!(view.is_readable);
    json["words"] = json!(view.words);
    json["steps"] = view.steps.iter().map(|step| step_json(page, step)).collect();
    json
}

/// A draft with what it says, on a page.
pub(crate) fn draft_view_text(page: &Page<'_>, view: &DraftView, row: Option<&Row>) -> String {
    let (out, draft) = (page.output, &view.draft);
    let record = row.map_or_else(|| draft.document.short(), Row::name);
    let title = page.words.definition_title(&draft.definition).unwrap_or(&draft.definition.id);
    let head = format!("{}  {title} {record}", out.pick("草稿", "draft"));
    let mut lines = vec![
        out.tone(Tone::Strong, &format!("{head}  {}", draft_name(draft))),
        out.tone(
            Tone::Bad,
            &format!("{} {}", why(page, draft), page.words.sentence(&draft.refusal.sentence)),
        ),
    ];
    if let Some(author) = &draft.given_back_for {
        let said =
            out.pick("分公司丢失后未收回,填写人:", "lost by the branch and not taken back, written by");
        lines.push(format!("{said} {}", page.words.person(author)));
    }
    lines.extend(view.steps.iter().map(|step| step_text(page, draft, step)));
    lines.extend(view.words.iter().map(|words| format!("  … {words}")));
    if !view.is_readable {
        let said = out.pick(
            "(有读不出的内容;请导出后联系分公司)",
            "(a part cannot be read here; export it and tell the branch)",
        );
        lines.push(out.tone(Tone::Warn, said));
    }
    lines.join("\n")
}

/// What the reason of a draft is called: not all of them were refused by the branch.
fn why(page: &Page<'_>, draft: &RefusedDraft) -> &'static str {
    let out = page.output;
    match draft.refusal.code.as_str() {
        codes::DAMAGED | codes::BUILDS_ON_DAMAGED => out.pick("未提交:", "not sent:"),
        _ => out.pick("分公司拒收:", "refused by the branch:"),
    }
}

/// How a person names a draft: the start of its id.
pub(crate) fn draft_name(draft: &RefusedDraft) -> String {
    draft.id.to_string().chars().take(SHORT_ID).collect()
}

fn draft_json(page: &Page<'_>, draft: &RefusedDraft, row: Option<&Row>) -> Json {
    json!({
        "draft": draft.id.to_string(),
        "document": draft.document.to_string(),
        "record": row.map(Row::name),
        "scope": draft.scope.as_str(),
        "definition": definition_json(&draft.definition),
        "changes": draft.changes,
        "given_back_for": draft.given_back_for.as_ref().map(|user| user.as_str()),
        "first_written_at": page.stamp(draft.first_written_at_ms),
        "last_written_at": page.stamp(draft.last_written_at_ms),
        "code": draft.refusal.code,
        "zh": draft.refusal.sentence.zh,
        "en": draft.refusal.sentence.en,
    })
}

fn step_json(page: &Page<'_>, step: &DraftStep) -> Json {
    let (kind, key, value) = match &step.content {
        DraftContent::Value { key, value } => ("value", key, value_json(value)),
        DraftContent::Text { field, text } => ("text", field, json!(text)),
        DraftContent::Event { kind, data } => {
            let data = data.iter().map(|(name, value)| (name.clone(), value_json(value)));
            ("event", kind, Json::Object(data.collect()))
        }
    };
    json!({
        "kind": kind,
        "key": key,
        "title": title_json(&step.title),
        "value": value,
        "at": page.stamp(step.at_ms),
    })
}

fn step_text(page: &Page<'_>, draft: &RefusedDraft, step: &DraftStep) -> String {
    let title = page.words.title(&step.title);
    let text = page.words.draft_content(&draft.definition, &step.content);
    let said = match step.content {
        DraftContent::Event { .. } => format!("[{title}]  {text}").trim_end().to_owned(),
        DraftContent::Value { .. } | DraftContent::Text { .. } => format!("{title}: {text}"),
    };
    format!("  {}  {said}", page.faint(&page.words.time(step.at_ms)))
}
