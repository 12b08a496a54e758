//! A survey of the XLSForm standard (xlsform.org; ODK, Kobo) as a checklist.
//!
//! Groups become sections, repeats become repeated groups, questions become items under the names that the form
//! gives them. A `select_multiple` becomes one yes-or-no item per choice, so that two people's ticks merge one by
//! one. What the standard leaves to its own apps (appearance, calculation, metadata) is left out with a warning.

mod choices;
mod condition;
mod question;

use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

use super::checklist::{Head, project_field};
use super::origin::{Origins, Place, Problems};
use super::table::{Column, Row, Table, one_of, parts};
use super::workbook::{Sheet, Workbook};
use super::{Base, Draft};
use choices::Choices;
use condition::Asked;

const COLUMNS: [Column; 19] = [
    column("type", &["type"], true),
    column("name", &["name"], true),
    column("label", &["label"], false),
    column(
        "zh",
        &[
            "label::中文",
            "label::中文 (zh)",
            "label::chinese",
            "label::chinese (zh)",
            "label::zh",
            "label::中文(zh)",
        ],
        false,
    ),
    column("en", &["label::english", "label::english (en)", "label::en"], false),
    column("hint", &["hint", "hint::中文 (zh)", "hint::chinese (zh)", "hint::english (en)"], false),
    column("required", &["required"], false),
    column("relevant", &["relevant"], false),
    column("constraint", &["constraint"], false),
    column("constraint_message", &["constraint_message"], false),
    column("appearance", &["appearance"], false),
    column("calculation", &["calculation"], false),
    column("default", &["default"], false),
    column("choice_filter", &["choice_filter"], false),
    column("repeat_count", &["repeat_count"], false),
    column("parameters", &["parameters"], false),
    column("read_only", &["read_only", "readonly"], false),
    column("trigger", &["trigger"], false),
    column("note", &["note", "notes", "comment", "comments"], false),
];

/// Columns that other apps use and the product does without.
const LEFT_OUT: [&str; 8] = [
    "appearance",
    "calculation",
    "constraint_message",
    "default",
    "choice_filter",
    "parameters",
    "read_only",
    "trigger",
];

const SETTING_COLUMNS: [Column; 5] = [
    column("form_title", &["form_title"], false),
    column("form_id", &["form_id", "id_string"], false),
    column("version", &["version"], false),
    column("default_language", &["default_language"], false),
    column("style", &["style", "instance_name", "public_key", "submission_url"], false),
];

const fn column(key: &'static str, names: &'static [&'static str], is_required: bool) -> Column {
    Column { key, names, is_required }
}

/// Most lines of a repeat that names no count.
const REPEAT_MAX: u32 = 200;

/// Reads the sheets `survey`, `choices` and `settings`.
pub(super) fn read(workbook: &Workbook, head: &Head, base: &Base<'_>, problems: &mut Problems) -> Vec<Draft> {
    let Some(sheet) = workbook.sheet(&["survey"]) else { return Vec::new() };
    let Some(table) = Table::read(sheet, &COLUMNS, problems) else { return Vec::new() };
    let Some((id, title)) = identity(workbook, head, sheet, problems) else { return Vec::new() };
    let choices = Choices::read(workbook.sheet(&["choices"]), &id, problems);
    let mut form = Form::new(sheet.place(0, None), &title);
    for row in table.rows() {
        form.row(&row, &choices, problems);
    }
    form.leave_notes(problems);
    if let Some(open) = form.open.last() {
        problems.fault(&open.place.clone(), "这个组或重复没有结束", "this group or repeat is never closed");
    }
    if form.sections.iter().all(|section| section.items.is_empty()) {
        problems.fault(&sheet.place(0, None), "没有可以作答的问题", "there is no question to answer");
    }
    let who = who(head, base, &sheet.place(0, None), problems);
    let Some(stream) = head.stream.clone() else {
        problems.fault(
            &sheet.place(0, None),
            "调查表没有写数据流:请用 --stream 给出",
            "a survey names no stream: give --stream",
        );
        return Vec::new();
    };
    if !problems.faults.is_empty() {
        return Vec::new();
    }
    let mut origins = Origins::default();
    origins.note("", &sheet.place(0, None));
    let (sections, groups) = form.finish(&mut origins);
    let json = json!({
        "schema": "xy/template@1",
        "id": id,
        "kind": "inspection",
        "stream": stream,
        "title": {"zh-CN": title, "en": title},
        "scoring": {"method": "none"},
        "who": who,
        "header_fields": [project_field()],
        "sections": sections,
        "repeat_groups": groups,
    });
    // The sets first: the checklist points into them.
    choices.draft(&id).into_iter().chain([Draft { json, origins }]).collect()
}

/// Id and title: from the command line, else from the sheet `settings`.
fn identity(
    workbook: &Workbook,
    head: &Head,
    sheet: &Sheet,
    problems: &mut Problems,
) -> Option<(String, String)> {
    let settings = workbook.sheet(&["settings"]);
    let table = settings.and_then(|settings| Table::read(settings, &SETTING_COLUMNS, problems));
    let row = table.as_ref().and_then(|table| table.rows().next());
    let said = |key: &str| row.as_ref().map(|row| row.text(key).to_owned()).filter(|text| !text.is_empty());
    let id = head.id.clone().or_else(|| said("form_id").map(|id| form_id(&id)));
    let title = head.title.clone().or_else(|| said("form_title"));
    if id.is_none() {
        problems.fault(
            &sheet.place(0, None),
            "缺少 form_id:写在 settings 表中,或用 --id 给出",
            "form_id is missing: write it in the sheet settings or give --id",
        );
    }
    let id = id?;
    Some((id.clone(), title.unwrap_or(id)))
}

/// A form's id as an id of the product: `Lift Check` is `chk.lift_check`.
fn form_id(text: &str) -> String {
    let slug = slug(text);
    match slug.split_once('.') {
        Some(_) => slug,
        None => format!("chk.{slug}"),
    }
}

/// Lower case, and an underscore for everything that an id cannot hold.
fn slug(text: &str) -> String {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-' | '.');
    text.to_lowercase().chars().map(|c| if fits(c) { c } else { '_' }).collect()
}

fn who(head: &Head, base: &Base<'_>, place: &Place, problems: &mut Problems) -> Vec<String> {
    let known = super::checklist::roles(base.catalog);
    if head.roles.is_empty() {
        let allowed = known.iter().map(|role| format!("{} {}", role.id, role.title.zh)).collect();
        problems.choose(
            place,
            "调查表没有写由谁填:请用 --role 给出",
            "a survey does not say who fills it in: give --role",
            allowed,
        );
    }
    let texts = head.roles.iter().flat_map(|text| parts(text));
    texts.filter_map(|text| one_of(place, text, known.iter(), problems)).collect()
}

/// A form while its rows are read.
struct Form {
    sections: Vec<Part>,
    groups: Vec<Part>,
    /// Groups and repeats that are open, outermost first.
    open: Vec<Open>,
    /// Questions so far, for conditions.
    asked: BTreeMap<String, Asked>,
    /// Notes that wait for the next question of their group.
    notes: Vec<(String, Place)>,
    names: BTreeSet<String>,
}

/// A section or a repeated group.
struct Part {
    id: String,
    title: Value,
    place: Place,
    items: Vec<(Map<String, Value>, Place)>,
    most: u32,
}

/// An open group or repeat.
struct Open {
    is_repeat: bool,
    title: String,
    relevant: Option<Value>,
    place: Place,
}

impl Form {
    fn new(place: Place, title: &str) -> Self {
        let title = json!({"zh-CN": title, "en": title});
        let main = Part { id: "g.main".to_owned(), title, place, items: Vec::new(), most: 0 };
        Self {
            sections: vec![main],
            groups: Vec::new(),
            open: Vec::new(),
            asked: BTreeMap::new(),
            notes: Vec::new(),
            names: BTreeSet::new(),
        }
    }

    fn row(&mut self, row: &Row<'_>, choices: &Choices, problems: &mut Problems) {
        let kind = row.text("type").split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        for column in LEFT_OUT.iter().filter(|column| !row.text(column).is_empty()) {
            let zh = format!("未采用 {column}");
            problems.warn(&row.place(column), zh, format!("{column} is left out"));
        }
        match kind.as_str() {
            "" => problems.warn(&row.row(), "没有 type,这一行未读取", "no type: the row is left out"),
            "begin group" | "begin_group" => self.begin(row, false, problems),
            "begin repeat" | "begin_repeat" => self.begin(row, true, problems),
            "end group" | "end_group" => self.end(row, false, problems),
            "end repeat" | "end_repeat" => self.end(row, true, problems),
            "note" => self.notes.push((label(row).0, row.row())),
            "calculate" | "hidden" | "start" | "end" | "today" | "deviceid" | "username" | "phonenumber"
            | "email" | "audit" | "simserial" | "subscriberid" => {
                let zh = format!("{kind} 未采用:人、设备和时间由系统自行记录");
                let en = format!("{kind} is left out: person, device and time are recorded anyway");
                problems.warn(&row.row(), zh, en);
            }
            _ => self.question(row, &kind, choices, problems),
        }
    }

    fn begin(&mut self, row: &Row<'_>, is_repeat: bool, problems: &mut Problems) {
        let name = self.name(row, problems);
        let (zh, en) = label(row);
        if self.in_repeat() && is_repeat {
            return problems.fault(
                &row.row(),
                "重复中不能再有重复",
                "a repeat inside a repeat cannot be kept",
            );
        }
        let outer = self.open.iter().rev().find_map(|open| open.relevant.clone());
        let own = condition::relevant(row, &self.asked, problems);
        let relevant = match (outer, own) {
            (Some(outer), Some(own)) => Some(json!({"op": "and", "args": [outer, own]})),
            (outer, own) => own.or(outer),
        };
        let path: Vec<&str> = self.open.iter().map(|open| open.title.as_str()).chain([zh.as_str()]).collect();
        let title = json!({"zh-CN": path.join(" / "), "en": en});
        let part = |id: String, most: u32| Part { id, title, place: row.row(), items: Vec::new(), most };
        if is_repeat {
            let most = Self::most(row, problems);
            if relevant.is_some() {
                let (zh, en) =
                    ("重复一直显示,未采用条件", "a repeat is always shown: the condition is left out");
                problems.warn(&row.place("relevant"), zh, en);
            }
            self.groups.push(part(format!("r.{name}"), most));
        } else if !self.in_repeat() {
            self.sections.push(part(format!("g.{name}"), 0));
        }
        self.open.push(Open { is_repeat, title: zh, relevant, place: row.row() });
    }

    fn end(&mut self, row: &Row<'_>, is_repeat: bool, problems: &mut Problems) {
        self.leave_notes(problems);
        match self.open.pop() {
            Some(open) if open.is_repeat == is_repeat => {
                // Questions after a nested group go on in a section of their own.
                if let Some(open) = self.open.last().filter(|_| !self.in_repeat()) {
                    let title = json!({"zh-CN": open.title, "en": open.title});
                    let id = format!("g.more{:02}", self.sections.len());
                    self.sections.push(Part { id, title, place: row.row(), items: Vec::new(), most: 0 });
                } else if self.open.is_empty() {
                    let title = self.sections[0].title.clone();
                    let id = format!("g.more{:02}", self.sections.len());
                    self.sections.push(Part { id, title, place: row.row(), items: Vec::new(), most: 0 });
                }
            }
            Some(_) | None => {
                problems.fault(
                    &row.row(),
                    "这里没有可以结束的组或重复",
                    "there is no such group or repeat to end",
                );
            }
        }
    }

    /// Notes that no question of their group follows.
    fn leave_notes(&mut self, problems: &mut Problems) {
        for (_, place) in self.notes.drain(..) {
            problems.warn(&place, "后面没有问题,未采用这条说明", "no question follows: the note is left out");
        }
    }

    /// The most lines of a repeat.
    fn most(row: &Row<'_>, problems: &mut Problems) -> u32 {
        let count = row.text("repeat_count");
        if !count.is_empty() && count.parse::<u32>().is_err() {
            problems.warn(
                &row.place("repeat_count"),
                "未采用 repeat_count:只支持整数",
                "repeat_count is left out: only a whole number is kept",
            );
        }
        count.parse().unwrap_or(REPEAT_MAX)
    }

    fn in_repeat(&self) -> bool {
        self.open.iter().any(|open| open.is_repeat)
    }

    /// The name of a row as an id; names are unique in a form.
    fn name(&mut self, row: &Row<'_>, problems: &mut Problems) -> String {
        let name = slug(row.text("name")).replace(['.', '-'], "_");
        if !name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_') {
            problems.fault(&row.place("name"), "name 应以字母开头", "a name begins with a letter");
        } else if !self.names.insert(name.clone()) {
            let zh = format!("name“{name}”出现两次(大小写视为相同)");
            problems.fault(
                &row.place("name"),
                zh,
                format!("the name \"{name}\" is there twice (case is ignored)"),
            );
        }
        name
    }

    fn question(&mut self, row: &Row<'_>, kind: &str, choices: &Choices, problems: &mut Problems) {
        let name = self.name(row, problems);
        let Some(kind) = question::Kind::read(row, kind, choices, problems) else { return };
        if self.in_repeat() {
            if let Some((field, group)) =
                question::field(row, &name, &kind, choices, problems).zip(self.groups.last_mut())
            {
                group.items.push((field, row.row()));
            }
            return;
        }
        let relevant = condition::relevant(row, &self.asked, problems);
        let outer = self.open.last().and_then(|open| open.relevant.clone());
        let visible = match (outer, relevant) {
            (Some(outer), Some(own)) => Some(json!({"op": "and", "args": [outer, own]})),
            (outer, own) => own.or(outer),
        };
        let help = self.notes.drain(..).map(|(text, _)| text).collect();
        let items = question::items(row, &name, &kind, help, choices, problems);
        self.asked.insert(row.text("name").to_owned(), Asked::of(&name, &kind, choices));
        let Some(section) = self.sections.last_mut() else { return };
        for mut item in items {
            if let Some(visible) = &visible {
                item.insert("visible_if".to_owned(), visible.clone());
            }
            section.items.push((item, row.row()));
        }
    }

    /// Sections and repeated groups as JSON; groups without questions go.
    fn finish(self, origins: &mut Origins) -> (Value, Value) {
        let sections = self.sections.into_iter().filter(|section| !section.items.is_empty());
        let sections: Vec<Value> = sections
            .enumerate()
            .map(|(at, part)| {
                let items = part.json(&format!("/sections/{at}"), "items", origins);
                json!({"id": part.id, "title": part.title, "items": items})
            })
            .collect();
        let groups = self.groups.into_iter().filter(|group| !group.items.is_empty());
        let groups: Vec<Value> = groups
            .enumerate()
            .map(|(at, part)| {
                let fields = part.json(&format!("/repeat_groups/{at}"), "fields", origins);
                json!({
                    "id": part.id, "title": part.title, "min": 0, "max": part.most,
                    "merge": "set_union_by_entry_id", "fields": fields,
                })
            })
            .collect();
        (Value::Array(sections), Value::Array(groups))
    }
}

impl Part {
    fn json(&self, pointer: &str, list: &str, origins: &mut Origins) -> Vec<Value> {
        origins.note(pointer, &self.place);
        let one = |(at, (item, place)): (usize, &(Map<String, Value>, Place))| {
            origins.note(format!("{pointer}/{list}/{at}"), place);
            Value::Object(item.clone())
        };
        self.items.iter().enumerate().map(one).collect()
    }
}

/// The label in Chinese and English; each stands in for the other, the name for both.
fn label(row: &Row<'_>) -> (String, String) {
    let first = |keys: [&str; 4]| {
        keys.iter().map(|key| row.text(key)).find(|text| !text.is_empty()).unwrap_or_default().to_owned()
    };
    (first(["zh", "label", "en", "name"]), first(["en", "label", "zh", "name"]))
}
