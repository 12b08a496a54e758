//! A ledger entry: its fields, where it stands and what can happen next.

use serde_json::{Value as Json, json};
use xunyuan_core::definition::{Field, FieldType};
use xunyuan_core::document::model::Stamped;
use xunyuan_core::id::DefinitionRef;
use xunyuan_core::rules::entry::{EntryView, EventView, FieldContent, FieldView, LineView, TransitionView};
use xunyuan_core::rules::keys;

use super::inspection::missing_json;
use super::inspection_text::missing_lines;
use super::page::{Page, definition_json, title_json, value_json};
use crate::output::Tone;

/// The entry for programs.
pub(crate) fn entry_json(page: &Page<'_>, view: &EntryView) -> Json {
    json!({
        "kind": "entry",
        "document": view.document.to_string(),
        "ledger": definition_json(&view.ledger),
        "title": title_json(&view.title),
        "project": view.project,
        "number": view.number,
        "temp_number": view.temporary_number,
        "state": view.state,
        "state_title": title_json(&view.state_title),
        "final": view.is_final,
        "fields": view.fields.iter().map(|field| field_json(page, field)).collect::<Vec<_>>(),
        "events": view.events.iter().map(|event| event_json(page, event)).collect::<Vec<_>>(),
        "transitions": view.transitions.iter().map(|step| transition_json(page, step)).collect::<Vec<_>>(),
        "marks": view.marks,
        "contests": view.contests.iter().map(|contest| json!({
            "event": contest.event,
            "against": contest.against,
            "open": contest.is_open,
        })).collect::<Vec<_>>(),
        "needs_decision": view.needs_decision,
        "clashes": view.clashes,
        "due": view.due,
        "promised_at": view.promised_at_ms.map(|at| page.stamp(at)),
        "handler": view.handler,
        "first_contact": view.first_contact,
        "missing": missing_json(&view.missing),
    })
}

/// The entry on a page.
pub(crate) fn entry_text(page: &Page<'_>, view: &EntryView) -> String {
    let out = page.output;
    let number = view.number.as_ref().or(view.temporary_number.as_ref());
    let mut lines = vec![
        format!(
            "{}  {}  {}",
            out.tone(Tone::Strong, number.map_or("", String::as_str)),
            page.words.title(&view.title),
            out.tone(Tone::Strong, page.words.title(&view.state_title)),
        ),
        page.faint(&format!("{}  v{}  {}", view.ledger.id, view.ledger.version, view.document)),
    ];
    let ledger = page.words.catalog.ledger(&view.ledger);
    for field in &view.fields {
        lines.extend(field_text(
            page,
            &view.ledger,
            ledger.and_then(|ledger| ledger.field(&field.id)),
            field,
        ));
    }
    lines.push(String::new());
    lines.push(out.tone(Tone::Strong, out.pick("经过", "history")));
    lines.extend(view.events.iter().map(|event| event_text(page, &view.ledger, event)));
    if !view.transitions.is_empty() {
        lines.push(String::new());
        let (mine, others): (Vec<_>, Vec<_>) =
            view.transitions.iter().partition(|step| step.is_open_to(page.roles));
        lines.push(out.tone(Tone::Strong, out.pick("可做", "next")));
        lines.extend(mine.into_iter().map(|step| transition_text(page, step)));
        lines.extend(
            others.into_iter().map(|step| {
                page.faint(&format!("{}  {}", transition_text(page, step), who_text(page, step)))
            }),
        );
    }
    if !view.missing.is_empty() {
        lines.push(out.tone(Tone::Warn, out.pick("还缺", "still missing")));
        lines.extend(missing_lines(page, &view.missing));
    }
    lines.join("\n")
}

/// The entry on one line: number, ledger, state and what can happen next.
pub(crate) fn entry_summary(page: &Page<'_>, view: &EntryView) -> String {
    let number = view.number.as_ref().or(view.temporary_number.as_ref());
    let open = view.transitions.iter().filter(|step| step.is_open_to(page.roles));
    let next: Vec<&str> = open.map(|step| step.id.as_str()).collect();
    let next = if next.is_empty() {
        String::new()
    } else {
        page.faint(&format!("  {} {}", page.output.pick("可做:", "next:"), next.join(" ")))
    };
    format!(
        "{}  {}  {}{next}",
        page.output.tone(Tone::Strong, number.map_or("", String::as_str)),
        page.words.title(&view.title),
        page.words.title(&view.state_title),
    )
}

fn field_json(page: &Page<'_>, field: &FieldView) -> Json {
    let (value, lines) = match &field.content {
        FieldContent::Empty => (Json::Null, None),
        FieldContent::One(value) => (value_json(value), None),
        FieldContent::Text(text) => (json!(text), None),
        FieldContent::Set(elements) => (json!(elements), None),
        FieldContent::Lines(lines) => (Json::Null, Some(lines)),
    };
    let mut object = json!({
        "id": field.id,
        "title": field.title.as_ref().map(title_json),
        "value": value,
        "values": field.values.iter().map(|stamped| page.stamped_json(stamped)).collect::<Vec<_>>(),
        "clash": field.is_clash,
    });
    if let Some(lines) = lines {
        object["lines"] = lines.iter().map(|line| line_json(page, line)).collect();
    }
    object
}

fn line_json(page: &Page<'_>, line: &LineView) -> Json {
    let fields: serde_json::Map<String, Json> =
        line.fields.iter().map(|(id, stamped)| (id.clone(), page.stamped_json(stamped))).collect();
    json!({ "id": line.id, "fields": fields })
}

fn event_json(page: &Page<'_>, view: &EventView) -> Json {
    let data: serde_json::Map<String, Json> =
        view.event.data.iter().map(|(key, value)| (key.clone(), value_json(value))).collect();
    json!({
        "id": view.event.id,
        "event": view.event.kind,
        "title": title_json(&view.title),
        "by": view.event.by.as_str(),
        "at": page.stamp(view.event.at_ms),
        "from": view.event.from,
        "to": view.to,
        "contested": view.is_contested,
        "data": data,
    })
}

fn transition_json(page: &Page<'_>, step: &TransitionView) -> Json {
    json!({
        "event": step.id,
        "title": title_json(&step.title),
        "to": step.to,
        "by": step.by,
        "needs": step.missing,
        "guard_holds": step.guard_holds,
        "open_to_me": step.is_open_to(page.roles),
    })
}

fn field_text(
    page: &Page<'_>,
    ledger: &DefinitionRef,
    definition: Option<&Field>,
    field: &FieldView,
) -> Vec<String> {
    let out = page.output;
    let label = field.title.as_ref().map_or(field.id.as_str(), |title| page.words.title(title));
    let shown = match &field.content {
        FieldContent::Empty => return Vec::new(),
        FieldContent::One(value) => page.words.field_value(definition, value),
        FieldContent::Text(text) => text.clone(),
        FieldContent::Set(elements) if definition.is_some_and(|field| field.kind == FieldType::Photos) => {
            let short: Vec<&str> = elements.iter().filter_map(|hash| hash.get(..8)).collect();
            format!("{} {}", elements.len(), page.faint(&short.join(" ")))
        }
        FieldContent::Set(elements) => {
            let names: Vec<String> =
                elements.iter().map(|id| page.words.name_of(id).unwrap_or_else(|| id.clone())).collect();
            names.join(out.pick("、", ", "))
        }
        FieldContent::Lines(lines) => {
            return std::iter::once(format!("  {label} {}:", page.faint(&field.id)))
                .chain(lines.iter().map(|line| line_text(page, definition, line)))
                .collect();
        }
    };
    let mut lines = vec![format!("  {label} {}: {shown}", page.faint(&field.id))];
    if field.is_clash {
        let key = keys::field(&field.id);
        lines.push(out.tone(Tone::Bad, out.pick("    [冲突,待裁决]", "    [conflict, to decide]")));
        lines.extend(
            field.values.iter().map(|stamped| format!("    ≠ {}", page.signed_value(ledger, &key, stamped))),
        );
    }
    lines
}

fn line_text(page: &Page<'_>, field: Option<&Field>, line: &LineView) -> String {
    let one = |(id, stamped): (&String, &Stamped)| {
        let sub = field.and_then(|field| field.entry_field(id));
        format!("{}: {}", page.words.label(id, sub), page.words.field_value(sub, &stamped.value))
    };
    let fields: Vec<String> = line.fields.iter().map(one).collect();
    format!("    - {}", fields.join("  "))
}

fn event_text(page: &Page<'_>, ledger: &DefinitionRef, view: &EventView) -> String {
    let out = page.output;
    let data = page.words.event_data(ledger, &view.event.data);
    let contested = if view.is_contested {
        out.tone(Tone::Bad, out.pick(" [有争议]", " [contested]"))
    } else {
        String::new()
    };
    format!(
        "  {}  {}  {}{contested}  {}",
        page.faint(&page.words.time(view.event.at_ms)),
        page.words.person(&view.event.by),
        page.words.title(&view.title),
        data,
    )
    .trim_end()
    .to_owned()
}

fn transition_text(page: &Page<'_>, step: &TransitionView) -> String {
    let needs: Vec<String> = step.missing.iter().map(|id| format!("{id}=…")).collect();
    let needs = if needs.is_empty() { String::new() } else { format!("  {}", needs.join(" ")) };
    format!("  {}  {}{needs}", step.id, page.words.title(&step.title))
}

/// Who may take a step that is not open to this person, or that its condition does not hold yet.
fn who_text(page: &Page<'_>, step: &TransitionView) -> String {
    let out = page.output;
    if step.guard_holds == Some(false) {
        return out.pick("(条件未满足)", "(its condition does not hold)").to_owned();
    }
    let roles: Vec<String> = step.by.iter().map(|role| page.words.role(role)).collect();
    format!("({})", roles.join(out.pick("、", ", ")))
}
