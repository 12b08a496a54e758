//! A question of a survey as an item, or within a repeat as a field.

use serde_json::{Map, Value, json};

use super::super::origin::Problems;
use super::super::table::Row;
use super::choices::{Choice, Choices};
use super::{condition, label};

/// How a question is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    Decimal,
    Date,
    Time,
    Image,
    /// One of a list.
    One(String),
    /// Any of a list.
    Many(String),
}

/// The types that are read, for messages.
const TYPES: [&str; 15] = [
    "text",
    "integer",
    "decimal",
    "select_one <list>",
    "select_multiple <list>",
    "date",
    "time",
    "image",
    "note",
    "begin_group",
    "end_group",
    "begin_repeat",
    "end_repeat",
    "calculate (left out)",
    "start, end, today … (left out)",
];

impl Kind {
    /// Reads the column `type`; a type or list that does not exist is told.
    pub(super) fn read(
        row: &Row<'_>,
        kind: &str,
        choices: &Choices,
        problems: &mut Problems,
    ) -> Option<Self> {
        let place = row.place("type");
        let mut words = row.text("type").split_whitespace().skip(1);
        let list = words.next().unwrap_or_default();
        if words.next().is_some_and(|word| word == "or_other") {
            problems.warn(
                &place,
                "未采用 or_other:请在选项表中加一个选项",
                "or_other is left out: add a choice",
            );
        }
        let head = kind.split_whitespace().next().unwrap_or_default();
        let found = match head {
            "text" => Self::Text,
            "integer" | "int" => Self::Integer,
            "decimal" => Self::Decimal,
            "date" => Self::Date,
            "time" => Self::Time,
            "image" | "photo" => Self::Image,
            "select_one" | "select_multiple" => {
                if choices.list(list).is_none() {
                    let (zh, en) =
                        (format!("choices 表中没有列表“{list}”"), format!("no list \"{list}\" in choices"));
                    problems.choose(&place, zh, en, choices.names());
                    return None;
                }
                if head == "select_one" { Self::One(list.to_owned()) } else { Self::Many(list.to_owned()) }
            }
            _ => {
                let allowed = TYPES.iter().map(|name| (*name).to_owned()).collect();
                problems.choose(
                    &place,
                    format!("不支持类型“{kind}”"),
                    format!("type \"{kind}\" is not supported"),
                    allowed,
                );
                return None;
            }
        };
        Some(found)
    }
}

/// The items of a question: one, or one per choice of a `select_multiple`.
pub(super) fn items(
    row: &Row<'_>,
    name: &str,
    kind: &Kind,
    notes: Vec<String>,
    choices: &Choices,
    problems: &mut Problems,
) -> Vec<Map<String, Value>> {
    let (zh, en) = label(row);
    let hint = Some(row.text("hint").to_owned()).filter(|hint| !hint.is_empty());
    let help: Vec<String> = notes.into_iter().chain(hint).collect();
    let is_required = row.flag("required", problems);
    let mut item = Map::new();
    item.insert("id".to_owned(), json!(format!("q.{name}")));
    item.insert("title".to_owned(), json!({"zh-CN": zh, "en": en}));
    item.insert("required".to_owned(), json!(is_required));
    if !help.is_empty() {
        item.insert("help_zh".to_owned(), json!(help.join("\n")));
    }
    let said = match kind {
        Kind::Text => "text",
        Kind::Date => "date",
        Kind::Time => "time",
        Kind::Integer | Kind::Decimal => "number",
        Kind::One(_) | Kind::Many(_) => "choice",
        Kind::Image => {
            // The photo is the answer; words beside it are free.
            item.insert("photo_required".to_owned(), json!(is_required));
            item.insert("required".to_owned(), json!(false));
            "text"
        }
    };
    item.insert("type".to_owned(), json!(said));
    if *kind == Kind::Integer {
        item.insert("decimals".to_owned(), json!(0));
    }
    for (key, number) in condition::limits(row, kind, problems) {
        item.insert(key.to_owned(), json!(number));
    }
    match kind {
        Kind::One(list) => {
            item.insert("response_set".to_owned(), json!(choices.set_id(list)));
            vec![item]
        }
        Kind::Many(list) => {
            let tick = |choice: &Choice| {
                let mut item = item.clone();
                item.insert("id".to_owned(), json!(format!("q.{name}.{}", choice.id)));
                let title =
                    json!({"zh-CN": format!("{zh}:{}", choice.zh), "en": format!("{en}: {}", choice.en)});
                item.insert("title".to_owned(), title);
                item.insert("response_set".to_owned(), json!(choices.tick_set_id()));
                item
            };
            choices.list(list).unwrap_or_default().iter().map(tick).collect()
        }
        Kind::Text | Kind::Integer | Kind::Decimal | Kind::Date | Kind::Time | Kind::Image => vec![item],
    }
}

/// The field of a question within a repeat.
pub(super) fn field(
    row: &Row<'_>,
    name: &str,
    kind: &Kind,
    choices: &Choices,
    problems: &mut Problems,
) -> Option<Map<String, Value>> {
    let (zh, en) = label(row);
    let said = match kind {
        Kind::Text => "text".to_owned(),
        Kind::Integer => "int".to_owned(),
        Kind::Decimal => "number".to_owned(),
        Kind::Date => "date".to_owned(),
        Kind::Time => "time".to_owned(),
        Kind::One(list) => format!("choice:{}", choices.set_id(list)),
        Kind::Image => "photos".to_owned(),
        Kind::Many(_) => {
            problems.fault(
                &row.place("type"),
                "重复中不支持多选:请移到重复之外",
                "select_multiple cannot be kept in a repeat: move it out of it",
            );
            return None;
        }
    };
    if !row.text("relevant").is_empty() {
        problems.warn(&row.place("relevant"), "重复中未采用 relevant", "relevant is left out in a repeat");
    }
    let mut field = Map::new();
    field.insert("id".to_owned(), json!(name));
    field.insert("title".to_owned(), json!({"zh-CN": zh, "en": en}));
    field.insert("type".to_owned(), json!(said));
    field.insert("required".to_owned(), json!(row.flag("required", problems)));
    for (key, number) in condition::limits(row, kind, problems) {
        field.insert(key.to_owned(), json!(number));
    }
    Some(field)
}
