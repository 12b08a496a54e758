//! The sheet `choices`: lists that questions choose from, as response sets.

use serde_json::{Value, json};
use std::collections::BTreeMap;

use super::super::Draft;
use super::super::origin::{Origins, Place, Problems};
use super::super::table::{Column, Table};
use super::super::workbook::Sheet;
use super::{column, label, slug};

const COLUMNS: [Column; 5] = [
    column("list", &["list_name", "list name"], true),
    column("name", &["name"], true),
    column("label", &["label"], false),
    column(
        "zh",
        &["label::中文", "label::中文 (zh)", "label::chinese", "label::chinese (zh)", "label::zh"],
        false,
    ),
    column("en", &["label::english", "label::english (en)", "label::en"], false),
];

/// A choice.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    /// As the form names it.
    pub(super) name: String,
    /// As an option id.
    pub(super) id: String,
    pub(super) zh: String,
    pub(super) en: String,
}

/// All lists of a form.
#[derive(Debug)]
pub(super) struct Choices {
    /// Part of the ids of the sets that the form makes.
    slug: String,
    lists: BTreeMap<String, (Vec<Choice>, Place)>,
}

impl Choices {
    pub(super) fn read(sheet: Option<&Sheet>, form: &str, problems: &mut Problems) -> Self {
        let mut lists: BTreeMap<String, (Vec<Choice>, Place)> = BTreeMap::new();
        let table = sheet.and_then(|sheet| Table::read(sheet, &COLUMNS, problems));
        for row in table.iter().flat_map(|table| table.rows()) {
            let (list, name) = (row.text("list"), row.text("name"));
            if list.is_empty() || name.is_empty() {
                problems.fault(
                    &row.row(),
                    "list_name 和 name 都不能为空",
                    "list_name and name must not be empty",
                );
                continue;
            }
            let (zh, en) = label(&row);
            let id = slug(name).replace(['.', '-'], "_");
            // An option id begins with a letter; choices are often numbered.
            let id = if id.starts_with(|c: char| c.is_ascii_lowercase()) { id } else { format!("c_{id}") };
            let (choices, _) = lists.entry(list.to_owned()).or_insert_with(|| (Vec::new(), row.row()));
            if choices.iter().any(|choice| choice.id == id) {
                problems.fault(
                    &row.place("name"),
                    "同一列表中有两个相同的选项",
                    "the list has the choice twice",
                );
                continue;
            }
            choices.push(Choice { name: name.to_owned(), id, zh, en });
        }
        Self { slug: form.replace(['.', '-'], "_"), lists }
    }

    pub(super) fn list(&self, name: &str) -> Option<&[Choice]> {
        self.lists.get(name).map(|(choices, _)| choices.as_slice())
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.lists.keys().cloned().collect()
    }

    /// The response set of a list.
    pub(super) fn set_id(&self, list: &str) -> String {
        format!("rs.{}_{}", self.slug, slug(list).replace(['.', '-'], "_"))
    }

    /// The response set of a ticked choice.
    pub(super) fn tick_set_id(&self) -> String {
        format!("rs.{}_tick", self.slug)
    }

    /// The response sets of the form as one definition.
    pub(super) fn draft(&self, form: &str) -> Option<Draft> {
        if self.lists.is_empty() {
            return None;
        }
        let mut origins = Origins::default();
        let mut sets = Vec::new();
        for (list, (choices, place)) in &self.lists {
            origins.note(format!("/sets/{}", sets.len()), place);
            let options = choices.iter().map(|choice| option(&choice.id, &choice.zh, &choice.en));
            sets.push(set(&self.set_id(list), list, options.collect()));
        }
        let ticks = vec![option(TICKED, "是", "Yes"), option("no", "否", "No")];
        sets.push(set(&self.tick_set_id(), "是/否 yes/no", ticks));
        let json = json!({
            "schema": "xy/response-sets@1",
            "id": format!("set.{}", form.replace('.', "_")),
            "sets": sets,
        });
        Some(Draft { json, origins })
    }
}

/// The option of a choice that was ticked.
pub(super) const TICKED: &str = "yes";

fn set(id: &str, title: &str, options: Vec<Value>) -> Value {
    json!({"id": id, "title": {"zh-CN": title, "en": title}, "options": options})
}

fn option(id: &str, zh: &str, en: &str) -> Value {
    json!({"id": id, "title": {"zh-CN": zh, "en": en}, "score": null, "fail": false, "excluded_from_score": true})
}
