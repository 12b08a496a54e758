//! The plain sheet of a checklist: one row per item.

use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use xunyuan_core::definition::{Catalog, Definition, Named, Severity};

use super::origin::{Origins, Place, Problems};
use super::table::{Column, Row, Table, one_of, parts};
use super::workbook::{Sheet, Workbook};
use super::{Base, Draft};

/// What a checklist says of itself: from the command line, else from the sheet `设置` (settings).
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    /// Its id, e.g. `chk.pool`.
    pub(crate) id: Option<String>,
    /// Its name.
    pub(crate) title: Option<String>,
    /// The stream whose scope holds its inspections.
    pub(crate) stream: Option<String>,
    /// Roles that fill it in, by id or name.
    pub(crate) roles: Vec<String>,
}

pub(super) const SHEETS: [&str; 3] = ["检查表", "checklist", "items"];
pub(super) const SETTINGS: [&str; 2] = ["设置", "settings"];

pub(super) const COLUMNS: [Column; 17] = [
    column("section", &["分区", "section"], true),
    column("item", &["检查项", "item"], true),
    column("type", &["类型", "type"], false),
    column("response_set", &["选项集", "response set", "response_set"], false),
    column("weight", &["权重", "weight"], false),
    column("critical", &["关键项", "critical"], false),
    column("photo", &["照片", "photo"], false),
    column("clause", &["条款", "clause"], false),
    column("department", &["责任部门", "department"], false),
    column("days", &["整改天数", "days"], false),
    column("item_en", &["英文", "item (en)", "english"], false),
    column("help", &["检查方法", "help"], false),
    column("required", &["必填", "required"], false),
    column("unit", &["单位", "unit"], false),
    column("min", &["最小值", "min"], false),
    column("max", &["最大值", "max"], false),
    column("id", &["编号", "id"], false),
];

const fn column(key: &'static str, names: &'static [&'static str], is_required: bool) -> Column {
    Column { key, names, is_required }
}

/// The settings that stand in a sheet of two columns.
const SETTING_NAMES: [(&str, &[&str]); 6] = [
    ("id", &["编号", "id"]),
    ("title", &["名称", "title"]),
    ("title_en", &["英文名称", "title (en)"]),
    ("stream", &["数据流", "stream"]),
    ("roles", &["填写角色", "roles"]),
    ("pass_percent", &["合格线", "pass percent"]),
];

/// Reads the sheet; nothing is returned when a problem was told.
pub(super) fn read(workbook: &Workbook, head: &Head, base: &Base<'_>, problems: &mut Problems) -> Vec<Draft> {
    let catalog = base.catalog;
    let Some(sheet) = workbook.sheet(&SHEETS).or_else(|| workbook.first()) else {
        problems.file("工作簿中没有工作表", "the workbook has no sheet");
        return Vec::new();
    };
    let Some(table) = Table::read(sheet, &COLUMNS, problems) else { return Vec::new() };
    let settings = Settings::read(workbook.sheet(&SETTINGS), problems);
    let Some((mut json, mut origins)) = settings.head(head, sheet, catalog, problems) else {
        return Vec::new();
    };
    let mut sections = Sections::new(base.latest(json["id"].as_str().unwrap_or_default()));
    for row in table.rows() {
        item(&row, catalog, &mut sections, problems);
    }
    if sections.made.is_empty() {
        problems.fault(&sheet.place(0, None), "没有检查项", "there is no item");
    }
    let (made, is_weighted, has_critical) = sections.finish(&mut origins);
    json["sections"] = made;
    if !is_weighted {
        json["scoring"] = json!({"method": "none"});
    } else if has_critical {
        json["scoring"]["critical_fail_result"] = json!("fail");
    }
    vec![Draft { json, origins }]
}

/// The keys and values of the sheet `设置`, each with its cell.
#[derive(Default)]
pub(super) struct Settings(Vec<(&'static str, String, Place)>);

impl Settings {
    fn read(sheet: Option<&Sheet>, problems: &mut Problems) -> Self {
        let mut found = Vec::new();
        let Some(sheet) = sheet else { return Self::default() };
        for (&row, cells) in &sheet.rows {
            let text = cells.get(&0).map(|text| text.to_lowercase()).unwrap_or_default();
            let Some((key, _)) = SETTING_NAMES.iter().find(|(_, names)| names.contains(&text.as_str()))
            else {
                problems.warn(&sheet.place(row, Some(0)), "不认识这一行,未读取", "unknown row, left out");
                continue;
            };
            if let Some(value) = cells.get(&1) {
                found.push((*key, value.clone(), sheet.place(row, Some(1))));
            }
        }
        Self(found)
    }

    fn value(&self, key: &str) -> Option<(&str, &Place)> {
        self.0.iter().find(|(known, ..)| *known == key).map(|(_, value, place)| (value.as_str(), place))
    }

    /// The checklist without its sections.
    fn head(
        &self,
        head: &Head,
        sheet: &Sheet,
        catalog: &Catalog,
        problems: &mut Problems,
    ) -> Option<(Value, Origins)> {
        let whole = sheet.place(0, None);
        let mut origins = Origins::default();
        origins.note("", &whole);
        let mut said = |key: &'static str, flag: Option<&String>| {
            let (value, place) = flag
                .map(|value| (value.as_str(), &whole))
                .or_else(|| self.value(key))
                .unwrap_or(("", &whole));
            origins.note(format!("/{key}"), place);
            (value.to_owned(), place.clone())
        };
        let (id, id_place) = said("id", head.id.as_ref());
        let (title, title_place) = said("title", head.title.as_ref());
        let (stream, stream_place) = said("stream", head.stream.as_ref());
        for (name, flag, value, place) in [
            ("编号 id", "--id", &id, &id_place),
            ("名称 title", "--title", &title, &title_place),
            ("数据流 stream", "--stream", &stream, &stream_place),
        ] {
            if value.is_empty() {
                let (zh, en) = (
                    format!("缺少“{name}”:写在“设置”表中,或用 {flag} 给出"),
                    format!("\"{name}\" is missing: write it in the sheet \"settings\" or give {flag}"),
                );
                problems.fault(place, zh, en);
            }
        }
        let who = self.roles(head, &whole, catalog, problems);
        if !problems.faults.is_empty() {
            return None;
        }
        let title_en = self.value("title_en").map_or(title.as_str(), |(text, _)| text).to_owned();
        let mut scoring = json!({"method": "weighted_percent", "na_excluded": true});
        if let Some((percent, place)) = self.value("pass_percent") {
            origins.note("/scoring", place);
            match percent.trim_end_matches('%').parse::<f64>() {
                Ok(percent) => scoring["pass_threshold_percent"] = json!(percent),
                Err(_) => problems.fault(
                    place,
                    "合格线应为 0 到 100 的数",
                    "the pass mark is a number from 0 to 100",
                ),
            }
        }
        let json = json!({
            "schema": "xy/template@1",
            "id": id,
            "kind": "inspection",
            "stream": stream,
            "title": {"zh-CN": title, "en": title_en},
            "scoring": scoring,
            "who": who,
            "header_fields": [project_field()],
        });
        Some((json, origins))
    }

    fn roles(&self, head: &Head, whole: &Place, catalog: &Catalog, problems: &mut Problems) -> Vec<String> {
        let known: Vec<Named> = roles(catalog);
        let written = self.value("roles");
        let place = written.map_or(whole, |(_, place)| place);
        let texts: Vec<&str> = if head.roles.is_empty() {
            written.iter().flat_map(|(text, _)| parts(text)).collect()
        } else {
            head.roles.iter().map(String::as_str).collect()
        };
        if texts.is_empty() {
            let allowed = known.iter().map(|role| format!("{} {}", role.id, role.title.zh)).collect();
            problems.choose(
                place,
                "缺少“填写角色 roles”:写在“设置”表中,或用 --role 给出",
                "\"roles\" is missing: write it in the sheet \"settings\" or give --role",
                allowed,
            );
        }
        texts.into_iter().filter_map(|text| one_of(place, text, known.iter(), problems)).collect()
    }
}

/// The field that every sheet of the product has at its head.
pub(super) fn project_field() -> Value {
    json!({"id": "project_id", "title": {"zh-CN": "项目", "en": "Project"}, "type": "ref:project", "required": true})
}

/// Roles as ids with titles.
pub(super) fn roles(catalog: &Catalog) -> Vec<Named> {
    catalog.roles().iter().map(|role| Named { id: role.id.clone(), title: role.title.clone() }).collect()
}

/// Sections with their items, under the ids of the version before where section and item are the same by name.
struct Sections {
    /// The sections of the version before, as written.
    earlier: Vec<Value>,
    made: Vec<MadeSection>,
    taken: BTreeSet<String>,
}

struct MadeSection {
    id: String,
    title: String,
    place: Place,
    items: Vec<(Map<String, Value>, Place)>,
}

impl Sections {
    fn new(earlier: Option<&Definition>) -> Self {
        let json = earlier.and_then(|definition| serde_json::from_slice::<Value>(&definition.json).ok());
        let sections =
            json.as_ref().and_then(|json| json["sections"].as_array()).cloned().unwrap_or_default();
        let named = sections.iter().chain(sections.iter().flat_map(items_of));
        let taken = named.filter_map(|thing| thing["id"].as_str().map(str::to_owned)).collect();
        Self { earlier: sections, made: Vec::new(), taken }
    }

    /// The section of a row: an empty cell goes on with the one above.
    fn of(&mut self, title: &str, place: Place) -> Option<usize> {
        if title.is_empty() {
            return self.made.len().checked_sub(1);
        }
        if let Some(at) = self.made.iter().position(|section| section.title == title) {
            return Some(at);
        }
        let known = self.earlier.iter().find(|section| section["title"]["zh-CN"] == title);
        let id = known.and_then(|section| section["id"].as_str().map(str::to_owned));
        let id = id.unwrap_or_else(|| fresh("s", &mut self.taken));
        self.made.push(MadeSection { id, title: title.to_owned(), place, items: Vec::new() });
        Some(self.made.len() - 1)
    }

    /// The id of an item: as written, as before, or the next one of its section.
    fn item_id(&mut self, section: usize, title: &str, written: &str) -> String {
        if !written.is_empty() {
            return written.to_owned();
        }
        let id = self.made[section].id.clone();
        let before = self.earlier.iter().filter(|section| section["id"] == id.as_str()).flat_map(items_of);
        let mut known = before.filter(|item| item["title"]["zh-CN"] == title);
        let known = known.next().and_then(|item| item["id"].as_str().map(str::to_owned));
        known.unwrap_or_else(|| fresh(&id, &mut self.taken))
    }

    /// The sections as JSON, and whether any item has a weight, whether any is critical. Items of the version
    /// before that the file no longer has stay as retired, since an id is never used again.
    fn finish(self, origins: &mut Origins) -> (Value, bool, bool) {
        let (mut is_weighted, mut has_critical) = (false, false);
        let mut sections = Vec::new();
        for (at, section) in self.made.iter().enumerate() {
            origins.note(format!("/sections/{at}"), &section.place);
            let mut items = Vec::new();
            for (n, (item, place)) in section.items.iter().enumerate() {
                origins.note(format!("/sections/{at}/items/{n}"), place);
                is_weighted |= item.get("weight").and_then(Value::as_f64).is_some_and(|weight| weight > 0.0);
                has_critical |= item.get("critical") == Some(&Value::Bool(true));
                items.push(Value::Object(item.clone()));
            }
            let title = json!({"zh-CN": section.title, "en": section.title});
            sections.push(json!({"id": section.id, "title": title, "items": items}));
        }
        let kept: BTreeSet<String> = sections
            .iter()
            .flat_map(items_of)
            .filter_map(|item| item["id"].as_str().map(str::to_owned))
            .collect();
        for before in &self.earlier {
            let gone =
                items_of(before).filter(|item| item["id"].as_str().is_some_and(|id| !kept.contains(id)));
            let gone: Vec<Value> = gone.map(retired).collect();
            match sections.iter_mut().find(|section| section["id"] == before["id"]) {
                _ if gone.is_empty() => {}
                Some(section) => {
                    if let Some(items) = section["items"].as_array_mut() {
                        items.extend(gone);
                    }
                }
                None => {
                    sections.push(json!({"id": before["id"], "title": before["title"], "items": gone}));
                }
            }
        }
        (Value::Array(sections), is_weighted, has_critical)
    }
}

fn items_of(section: &Value) -> impl Iterator<Item = &Value> {
    section["items"].as_array().into_iter().flatten()
}

fn retired(item: &Value) -> Value {
    let mut item = item.clone();
    item["retired"] = Value::Bool(true);
    item
}

/// The next free id under a head: `s.01`, `s.02` …
fn fresh(head: &str, taken: &mut BTreeSet<String>) -> String {
    let mut n = 1_u32;
    loop {
        let id = format!("{head}.{n:02}");
        if taken.insert(id.clone()) {
            return id;
        }
        n += 1;
    }
}

fn item(row: &Row<'_>, catalog: &Catalog, sections: &mut Sections, problems: &mut Problems) {
    let title = row.text("item").to_owned();
    if title.is_empty() {
        return problems.fault(&row.place("item"), "没有写检查项", "the item is missing");
    }
    let Some(section) = sections.of(row.text("section"), row.place("section")) else {
        return problems.fault(&row.place("section"), "没有写分区", "the section is missing");
    };
    let id = sections.item_id(section, &title, row.text("id"));
    let Some(kind) = kind(row, problems) else { return };
    let english = Some(row.text("item_en")).filter(|text| !text.is_empty()).unwrap_or(&title);
    let is_choice = kind == "choice";
    let is_critical = row.flag("critical", problems);
    let mut made = Map::new();
    made.insert("id".to_owned(), json!(id));
    made.insert("title".to_owned(), json!({"zh-CN": title, "en": english}));
    made.insert("type".to_owned(), json!(kind));
    made.insert("critical".to_owned(), json!(is_critical));
    made.insert("photo_required".to_owned(), json!(row.flag("photo", problems)));
    let is_required = row.text("required").is_empty() || row.flag("required", problems);
    made.insert("required".to_owned(), json!(is_required));
    let weight = row.number("weight", problems).unwrap_or(if is_choice { 1.0 } else { 0.0 });
    made.insert("weight".to_owned(), json!(weight));
    let sets: Vec<Named> =
        catalog.response_sets().map(|set| Named { id: set.id.clone(), title: set.title.clone() }).collect();
    if let Some(set) = row.one_of("response_set", sets.iter(), problems) {
        made.insert("response_set".to_owned(), json!(set));
    }
    for key in ["min", "max"] {
        if let Some(number) = row.number(key, problems) {
            made.insert(key.to_owned(), json!(number));
        }
    }
    for (key, column) in [("unit", "unit"), ("help_zh", "help")] {
        if !row.text(column).is_empty() {
            made.insert(key.to_owned(), json!(row.text(column)));
        }
    }
    made.insert("clauses".to_owned(), clauses(row, catalog, problems));
    if let Some(on_fail) = on_fail(row, is_critical, catalog, &made, problems) {
        made.insert("on_fail".to_owned(), on_fail);
    }
    sections.made[section].items.push((made, row.row()));
}

const KINDS: [(&str, &[&str]); 5] = [
    ("choice", &["选择", "choice"]),
    ("number", &["数值", "number"]),
    ("text", &["文字", "text"]),
    ("date", &["日期", "date"]),
    ("time", &["时刻", "time"]),
];

/// How the item is answered; without a type, a response set makes it a choice.
fn kind(row: &Row<'_>, problems: &mut Problems) -> Option<&'static str> {
    let text = row.text("type").to_lowercase();
    if text.is_empty() {
        return Some(if row.text("response_set").is_empty() { "text" } else { "choice" });
    }
    let found = KINDS.iter().find(|(_, names)| names.contains(&text.as_str())).map(|(kind, _)| *kind);
    if found.is_none() {
        let allowed = KINDS.iter().map(|(_, names)| names.join(" ")).collect();
        problems.choose(
            &row.place("type"),
            format!("没有类型“{text}”"),
            format!("there is no type \"{text}\""),
            allowed,
        );
    }
    found
}

fn clauses(row: &Row<'_>, catalog: &Catalog, problems: &mut Problems) -> Value {
    let mut found = Vec::new();
    for id in parts(row.text("clause")) {
        let standard = id.split_once('.').map_or(id, |(standard, _)| standard);
        match (catalog.clause(id), id.split_once('.')) {
            (Some(_), Some((standard, clause))) => found.push(json!({"std": standard, "clause": clause})),
            _ => {
                let known = catalog.standard(standard);
                let allowed = known.into_iter().flat_map(|s| &s.clauses).map(|clause| clause.id.clone());
                let (zh, en) =
                    (format!("条款目录中没有“{id}”"), format!("no clause \"{id}\" in the catalogue"));
                problems.choose(&row.place("clause"), zh, en, allowed.collect());
            }
        }
    }
    Value::Array(found)
}

/// A department makes failing raise a finding: the mildest severity that asks for correction, the gravest one
/// for a critical item, unless the options carry severities themselves.
fn on_fail(
    row: &Row<'_>,
    is_critical: bool,
    catalog: &Catalog,
    item: &Map<String, Value>,
    problems: &mut Problems,
) -> Option<Value> {
    let days = row.number("days", problems);
    let department = row.one_of("department", catalog.departments().iter(), problems);
    let Some(department) = department else {
        if days.is_some() && row.text("department").is_empty() {
            problems.fault(
                &row.place("days"),
                "有整改天数,但没有责任部门",
                "days to correct, but no department",
            );
        }
        return None;
    };
    let set = item.get("response_set").and_then(Value::as_str).and_then(|id| catalog.response_set(id));
    let failing = || set.into_iter().flat_map(|set| &set.options).filter(|option| option.fail);
    let by_option = failing().count() > 0 && failing().all(|option| option.finding_severity.is_some());
    let mut finding = json!({"default_owner_dept": department, "severity_from_option": by_option});
    if !by_option {
        let model = catalog.nonconformity();
        let severities: &[Severity] = model.map_or(&[], |model| &model.severities);
        let mildest = severities.iter().find(|severity| severity.corrective_action_required);
        let severity = if is_critical { severities.last() } else { mildest };
        finding["default_severity"] = json!(severity.map(|severity| &severity.id));
    }
    if let Some(days) = days {
        finding["default_due_hours"] = json!(days * 24.0);
    }
    Some(json!({"require_note": true, "create_finding": finding}))
}
