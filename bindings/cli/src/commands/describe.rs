//! `describe`: what can be filled in, for a person who does not know the definitions by heart.

use serde_json::{Value as Json, json};
use xunyuan_core::definition::{Checklist, Field, FieldType, Item, ItemKind, Ledger};
use xunyuan_core::rules::form;
use xunyuan_ffi::words::Lang;

use crate::device::Device;
use crate::failure::Failure;
use crate::output::{Report, Table, Tone};
use crate::show::{Page, title_json};

/// The checklists and ledgers, or the parts of one.
pub(super) fn describe(device: &Device<'_>, id: Option<&str>) -> Result<Report, Failure> {
    let page = device.page();
    let catalog = device.replica.catalog();
    let Some(id) = id else { return Ok(overview(&page)) };
    if let Some(checklist) = catalog.latest_checklist(id) {
        return Ok(checklist_report(&page, checklist));
    }
    if let Some(ledger) = catalog.latest_ledger(id) {
        return Ok(ledger_report(&page, ledger));
    }
    Err(Failure::invalid(
        "definition_not_found",
        format!("本机没有检查表或台帐 {id};不带参数运行 describe 可列出全部"),
        format!("there is no checklist or ledger {id} here; describe without an id lists them"),
    ))
}

fn overview(page: &Page<'_>) -> Report {
    let out = page.output;
    let mut table = Table::new(match out.lang() {
        Lang::Zh => ["编号", "种类", "名称", "版本"],
        Lang::En => ["id", "kind", "name", "version"],
    });
    let mut json = Vec::new();
    let checklists = page
        .words
        .catalog
        .checklists()
        .map(|list| ("checklist", &list.id, &list.title, list.version, &list.stream));
    let ledgers = page
        .words
        .catalog
        .ledgers()
        .map(|ledger| ("ledger", &ledger.id, &ledger.title, ledger.version, &ledger.stream));
    for (kind, id, title, version, stream) in checklists.chain(ledgers) {
        let name = if kind == "checklist" {
            out.pick("检查表", "checklist")
        } else {
            out.pick("台帐", "ledger")
        };
        table.row([id.clone(), name.to_owned(), page.words.title(title).to_owned(), version.to_string()]);
        json.push(json!({ "id": id, "kind": kind, "title": title_json(title), "version": version, "stream": stream }));
    }
    let text = if table.is_empty() {
        out.pick("还没有定义;请先同步", "no definitions yet; sync first").to_owned()
    } else {
        table.lines(out.columns()).join("\n")
    };
    Report::done(json!({ "definitions": json }), text)
}

fn checklist_report(page: &Page<'_>, checklist: &Checklist) -> Report {
    let out = page.output;
    let mut lines = vec![out.tone(
        Tone::Strong,
        &format!("{}  {}  v{}", page.words.title(&checklist.title), checklist.id, checklist.version),
    )];
    lines.push(out.tone(Tone::Strong, out.pick("表头", "header")));
    lines.extend(checklist.header_fields.iter().map(|field| field_line(page, field)));
    for section in &checklist.sections {
        lines.push(out.tone(Tone::Strong, page.words.title(&section.title)));
        lines.extend(section.items.iter().filter(|item| !item.retired).map(|item| item_line(page, item)));
    }
    for group in &checklist.repeat_groups {
        lines.push(out.tone(Tone::Strong, &format!("{}  {}", page.words.title(&group.title), group.id)));
        lines.extend(group.fields.iter().map(|field| field_line(page, field)));
    }
    let items =
        checklist.sections.iter().flat_map(|section| &section.items).map(|item| item_json(page, item));
    let json = json!({
        "id": checklist.id,
        "kind": "checklist",
        "version": checklist.version,
        "title": title_json(&checklist.title),
        "header": checklist.header_fields.iter().map(|field| field_json(page, field)).collect::<Vec<_>>(),
        "items": items.collect::<Vec<_>>(),
        "groups": checklist.repeat_groups.iter().map(|group| json!({
            "id": group.id,
            "title": title_json(&group.title),
            "fields": group.fields.iter().map(|field| field_json(page, field)).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "signoffs": checklist.signoff.iter().map(|signoff| &signoff.id).collect::<Vec<_>>(),
    });
    Report::done(json, lines.join("\n"))
}

fn ledger_report(page: &Page<'_>, ledger: &Ledger) -> Report {
    let out = page.output;
    let mut lines = vec![
        out.tone(
            Tone::Strong,
            &format!("{}  {}  v{}", page.words.title(&ledger.title), ledger.id, ledger.version),
        ) + &roles_text(page, &ledger.who),
    ];
    let typed = ledger.fields.iter().filter(|field| is_typed(field));
    let typed: Vec<Field> = typed.flat_map(|field| form::parts(page.words.catalog, field)).collect();
    lines.extend(typed.iter().map(|field| field_line(page, field)));
    lines.push(out.tone(Tone::Strong, out.pick("流转", "events")));
    for step in &ledger.transitions {
        let state = |id: &String| page.words.state(&ledger.reference, id);
        let from: Vec<String> = step.from.iter().map(state).collect();
        let to = step.to.as_ref().map_or_else(|| out.pick("(不变)", "(stays)").to_owned(), state);
        let needs =
            if step.requires.is_empty() { String::new() } else { format!("  {}", step.requires.join(" ")) };
        let roles = roles_text(page, &step.by);
        let arrow = page.faint(&format!("{} → {to}", from.join("/")));
        lines.push(format!("  {}  {}  {arrow}{needs}{roles}", step.id, page.words.title(&step.title)));
    }
    let json = json!({
        "id": ledger.id,
        "kind": "ledger",
        "version": ledger.version,
        "title": title_json(&ledger.title),
        "who": ledger.who,
        "fields": typed.iter().map(|field| field_json(page, field)).collect::<Vec<_>>(),
        "states": ledger.states.iter().map(|state| json!({
            "id": state.id, "title": title_json(&state.title), "final": state.terminal,
        })).collect::<Vec<_>>(),
        "events": ledger.transitions.iter().map(|step| json!({
            "event": step.id, "title": title_json(&step.title), "from": step.from, "to": step.to,
            "by": step.by, "needs": step.requires,
        })).collect::<Vec<_>>(),
    });
    Report::done(json, lines.join("\n"))
}

/// Who may; nothing where everybody may who writes the ledger.
fn roles_text(page: &Page<'_>, roles: &[String]) -> String {
    let names: Vec<String> = roles.iter().map(|role| page.words.role(role)).collect();
    if names.is_empty() {
        return String::new();
    }
    page.faint(&format!("  ({})", names.join(page.output.pick("、", ", "))))
}

/// Fields that a person fills in; the branch and the events fill in the others.
fn is_typed(field: &Field) -> bool {
    !field.retired && !matches!(field.kind, FieldType::HumanNo(_) | FieldType::Events)
}

fn field_line(page: &Page<'_>, field: &Field) -> String {
    let title = field.title.as_ref().map_or("", |title| page.words.title(title));
    let required = if field.required { page.output.pick(" 必填", " required") } else { "" };
    let options: Vec<String> =
        options(page, field).into_iter().map(|(id, title)| option_text(&id, &title)).collect();
    let subs: Vec<&str> = field.entry_fields.iter().map(|sub| sub.id.as_str()).collect();
    let line = format!(
        "  {}  {title}  {}{}  {}{}",
        field.id,
        page.faint(field_kind(&field.kind)),
        page.output.tone(Tone::Warn, required),
        options.join(" "),
        subs.join(" "),
    );
    format!("{}{}", line.trim_end(), roles_text(page, &field.by))
}

fn item_line(page: &Page<'_>, item: &Item) -> String {
    let asks = match item.kind {
        ItemKind::Choice => set_options(page, item.response_set.as_deref())
            .into_iter()
            .map(|(id, title)| option_text(&id, &title))
            .collect::<Vec<_>>()
            .join(" "),
        ItemKind::Number => {
            format!("{} {}", page.output.pick("数值", "number"), item.unit.as_deref().unwrap_or_default())
        }
        ItemKind::Text => page.output.pick("文字", "text").to_owned(),
        ItemKind::Date => page.output.pick("日期", "day").to_owned(),
        ItemKind::Time => page.output.pick("时刻", "time of day").to_owned(),
    };
    let critical = if item.critical { page.output.pick(" [关键]", " [critical]") } else { "" };
    format!("  {}  {}{critical}  {}", item.id, page.words.title(&item.title), page.faint(&asks))
}

fn option_text(id: &str, title: &str) -> String {
    if title.is_empty() { id.to_owned() } else { format!("{id}={title}") }
}

fn options(page: &Page<'_>, field: &Field) -> Vec<(String, String)> {
    if let FieldType::Choice(Some(set)) = &field.kind {
        return set_options(page, Some(set));
    }
    let offered = field.options.iter().filter(|option| !option.retired);
    let title = |option: &xunyuan_core::definition::Choice| {
        option.title.as_ref().map_or_else(String::new, |title| page.words.title(title).to_owned())
    };
    offered.map(|option| (option.id.clone(), title(option))).collect()
}

fn set_options(page: &Page<'_>, set: Option<&str>) -> Vec<(String, String)> {
    let set = set.and_then(|id| page.words.catalog.response_set(id));
    let options = set.into_iter().flat_map(|set| &set.options).filter(|option| !option.retired);
    options.map(|option| (option.id.clone(), page.words.title(&option.title).to_owned())).collect()
}

fn field_json(page: &Page<'_>, field: &Field) -> Json {
    let options = options(page, field).into_iter().map(|(id, title)| json!({ "id": id, "title": title }));
    json!({
        "id": field.id,
        "title": field.title.as_ref().map(title_json),
        "type": field_kind(&field.kind),
        "required": field.required,
        "by": field.by,
        "options": options.collect::<Vec<_>>(),
        "lines": field.entry_fields.iter().map(|sub| field_json(page, sub)).collect::<Vec<_>>(),
    })
}

fn item_json(page: &Page<'_>, item: &Item) -> Json {
    let options = set_options(page, item.response_set.as_deref());
    json!({
        "id": item.id,
        "title": title_json(&item.title),
        "type": item.kind.as_str(),
        "required": item.required,
        "critical": item.critical,
        "unit": item.unit,
        "min": item.min,
        "max": item.max,
        "options": options.into_iter().map(|(id, title)| json!({ "id": id, "title": title })).collect::<Vec<_>>(),
    })
}

/// The kind of a field in one word.
const fn field_kind(kind: &FieldType) -> &'static str {
    match kind {
        FieldType::HumanNo(_) => "number_of_record",
        FieldType::Text => "text",
        FieldType::Phone => "phone",
        FieldType::Bool => "bool",
        FieldType::Int => "int",
        FieldType::Number => "number",
        FieldType::Date => "date",
        FieldType::Month => "month",
        FieldType::Time => "time_of_day",
        FieldType::DeviceTime => "time",
        FieldType::Choice(_) => "choice",
        FieldType::Ref(_) => "ref",
        FieldType::Set(_) => "set",
        FieldType::Photos => "photos",
        FieldType::Signature => "signature",
        FieldType::Entries => "lines",
        FieldType::Events => "events",
    }
}
