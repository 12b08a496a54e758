//! Projects, people and their roles from a workbook with the sheets `项目` (projects) and `人员` (people).
//!
//! Goes on top of the organisation that is published: a row replaces what has the same id, everything that the
//! file does not name stays, and who left is marked, not removed.

use serde_json::{Map, Value, json};
use xunyuan_core::definition::{DefinitionKind, Named};

use super::checklist::roles;
use super::origin::{Origins, Place, Problems};
use super::table::{Column, Row, Table, one_of, parts};
use super::workbook::Workbook;
use super::{Base, Draft};

pub(super) const PROJECT_SHEETS: [&str; 2] = ["项目", "projects"];
pub(super) const PEOPLE_SHEETS: [&str; 2] = ["人员", "people"];

pub(super) const PROJECT_COLUMNS: [Column; 10] = [
    column("id", &["编号", "id"], true),
    column("title", &["名称", "name"], true),
    column("title_en", &["英文名称", "name (en)"], false),
    column("code", &["简码", "code"], false),
    column("district", &["片区", "district"], false),
    column("households", &["户数", "households"], false),
    column("buildings", &["楼栋数", "buildings"], false),
    column("delivered_on", &["交付日期", "delivered on"], false),
    column("off_duty_time", &["下班时间", "off duty"], false),
    column("retired", &["停用", "retired"], false),
];

pub(super) const PEOPLE_COLUMNS: [Column; 6] = [
    column("id", &["编号", "id"], true),
    column("name", &["姓名", "name"], true),
    column("roles", &["角色", "roles"], true),
    column("project", &["项目", "project"], false),
    column("dept", &["部门", "department"], false),
    column("retired", &["停用", "retired"], false),
];

const fn column(key: &'static str, names: &'static [&'static str], is_required: bool) -> Column {
    Column { key, names, is_required }
}

/// Reads the sheets onto the organisation of `base`.
pub(super) fn read(workbook: &Workbook, base: &Base<'_>, problems: &mut Problems) -> Vec<Draft> {
    let current = base.published.iter().rfind(|definition| definition.kind == DefinitionKind::Organisation);
    let current = current.and_then(|definition| serde_json::from_slice::<Value>(&definition.json).ok());
    let Some(mut json) = current else {
        problems.file(
            "还没有组织:请先用 org load 载入分公司(xunyuan-server init --organisation)",
            "there is no organisation yet: load the branch first with org load (xunyuan-server init --organisation)",
        );
        return Vec::new();
    };
    let mut origins = Origins::default();
    let (projects, people) = (workbook.sheet(&PROJECT_SHEETS), workbook.sheet(&PEOPLE_SHEETS));
    if projects.is_none() && people.is_none() {
        problems.file("没有名为“项目”或“人员”的工作表", "there is no sheet named \"projects\" or \"people\"");
        return Vec::new();
    }
    if let Some(table) = projects.and_then(|sheet| Table::read(sheet, &PROJECT_COLUMNS, problems)) {
        let districts = named(&json["districts"]);
        for row in table.rows() {
            let made = project(&row, &districts, problems);
            put(&mut json["projects"], "/projects", made, row.row(), &mut origins, problems);
        }
    }
    if let Some(table) = people.and_then(|sheet| Table::read(sheet, &PEOPLE_COLUMNS, problems)) {
        let projects = named(&json["projects"]);
        for row in table.rows() {
            let made = person(&row, &projects, base, problems);
            put(&mut json["users"], "/users", made, row.row(), &mut origins, problems);
        }
    }
    vec![Draft { json, origins }]
}

/// The things of a list by id and title.
fn named(list: &Value) -> Vec<Named> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(|thing| {
            let part = json!({"id": thing["id"], "title": thing["title"]});
            serde_json::from_value(part).ok()
        })
        .collect()
}

/// Puts a row into its list: over the one with the same id, whose other values stay, or at the end.
fn put(
    list: &mut Value,
    pointer: &str,
    made: Map<String, Value>,
    place: Place,
    origins: &mut Origins,
    problems: &mut Problems,
) {
    let Some(list) = list.as_array_mut() else { return };
    let found = list.iter().position(|thing| thing.get("id") == made.get("id"));
    let at = found.unwrap_or(list.len());
    let pointer = format!("{pointer}/{at}");
    if origins.has(&pointer) {
        return problems.fault(&place, "编号在本表中出现两次", "the id is there twice in this sheet");
    }
    origins.note(pointer, &place);
    match list.get_mut(at).and_then(Value::as_object_mut) {
        Some(thing) => merge(thing, made),
        None => list.push(Value::Object(made)),
    }
}

fn merge(thing: &mut Map<String, Value>, made: Map<String, Value>) {
    for (key, value) in made {
        match (thing.get_mut(&key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            // Saying nothing where nothing was said makes no new version.
            (None, Value::Null) => {}
            (None, Value::Array(list)) if list.is_empty() => {}
            (_, value) => {
                thing.insert(key, value);
            }
        }
    }
}

fn project(row: &Row<'_>, districts: &[Named], problems: &mut Problems) -> Map<String, Value> {
    let mut made = start(row, "title", problems);
    let english = Some(row.text("title_en")).filter(|text| !text.is_empty());
    let title = row.text("title");
    made.insert("title".to_owned(), json!({"zh-CN": title, "en": english.unwrap_or(title)}));
    for key in ["code", "delivered_on"] {
        if !row.text(key).is_empty() {
            made.insert(key.to_owned(), json!(row.text(key)));
        }
    }
    if let Some(district) = row.one_of("district", districts.iter(), problems) {
        made.insert("district".to_owned(), json!(district));
    }
    for key in ["households", "buildings"] {
        match row.number(key, problems) {
            None => {}
            Some(count) if count >= 0.0 && count.fract() == 0.0 && count <= 1e6 => {
                made.insert(key.to_owned(), json!(format!("{count}").parse::<u32>().unwrap_or_default()));
            }
            Some(_) => {
                problems.fault(&row.place(key), "应为不小于 0 的整数", "must be a whole number from 0")
            }
        }
    }
    let off_duty = row.text("off_duty_time");
    if !off_duty.is_empty() {
        made.insert("params".to_owned(), json!({"off_duty_time": off_duty}));
    }
    made
}

fn person(row: &Row<'_>, projects: &[Named], base: &Base<'_>, problems: &mut Problems) -> Map<String, Value> {
    let mut made = start(row, "name", problems);
    made.insert("name".to_owned(), json!(row.text("name")));
    let known = roles(base.catalog);
    let place = row.place("roles");
    let held: Vec<String> =
        parts(row.text("roles")).filter_map(|text| one_of(&place, text, known.iter(), problems)).collect();
    match held.split_first() {
        Some((role, more)) => {
            made.insert("role".to_owned(), json!(role));
            made.insert("more_roles".to_owned(), json!(more));
        }
        None if row.text("roles").is_empty() => problems.fault(&place, "没有写角色", "the role is missing"),
        None => {}
    }
    made.insert("project".to_owned(), json!(row.one_of("project", projects.iter(), problems)));
    if let Some(dept) = row.one_of("dept", base.catalog.departments().iter(), problems) {
        made.insert("dept".to_owned(), json!(dept));
    }
    made
}

/// Id and mark of leaving; id and name are needed in every row.
fn start(row: &Row<'_>, name: &str, problems: &mut Problems) -> Map<String, Value> {
    for key in ["id", name] {
        if row.text(key).is_empty() {
            problems.fault(&row.place(key), "不能为空", "must not be empty");
        }
    }
    let mut made = Map::new();
    made.insert("id".to_owned(), json!(row.text("id")));
    if !row.text("retired").is_empty() {
        made.insert("retired".to_owned(), json!(row.flag("retired", problems)));
    }
    made
}
