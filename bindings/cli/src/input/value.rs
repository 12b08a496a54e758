//! A typed text as the value that a field or an item holds.

use xunyuan_core::definition::{Catalog, Element, Field, FieldType, Item, ItemKind, Target, Title};
use xunyuan_core::document::model::Value;

use super::when::{self, Now};
use crate::failure::Failure;

/// Reads values against the device's clock and the names that the catalogue knows: people type names,
/// records hold ids.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'r> {
    catalog: &'r Catalog,
    now: Now,
}

impl<'r> Reader<'r> {
    /// A reader for this moment.
    pub(crate) const fn new(catalog: &'r Catalog, now: Now) -> Self {
        Self { catalog, now }
    }

    /// The value of a field; an empty text withdraws it.
    ///
    /// # Errors
    /// A usage failure that names the form asked for.
    pub(crate) fn field(&self, field: &Field, text: &str) -> Result<Value, Failure> {
        if text.is_empty() {
            return Ok(Value::Null);
        }
        let named = |zh: &str, en: &str| wrong(&field.id, zh, en);
        match &field.kind {
            FieldType::Bool => truth(text).map(Value::Bool).ok_or_else(|| named("是 或 否", "yes or no")),
            FieldType::Int => whole(text).map(Value::Int).ok_or_else(|| named("整数", "a whole number")),
            FieldType::Number => number(text).map(Value::Number).ok_or_else(|| named("数值", "a number")),
            FieldType::Date => when::day(text, self.now)
                .map(Value::Text)
                .ok_or_else(|| named("日期,如 2026-11-25、明天、+3d", "a day: 2026-11-25, tomorrow, +3d")),
            FieldType::Month => when::month(text, self.now)
                .map(Value::Text)
                .ok_or_else(|| named("月份,如 2026-11", "a month: 2026-11")),
            FieldType::DeviceTime => when::moment(text, self.now).map(Value::Int).ok_or_else(|| {
                named(
                    "时间,如 2026-11-25 17:30、17:30、+2h、now",
                    "a time: 2026-11-25 17:30, 17:30, +2h, now",
                )
            }),
            FieldType::Choice(None) => Ok(Value::Text(option_id(field, text))),
            FieldType::Choice(Some(set)) => Ok(Value::Text(self.answer_id(Some(set), text))),
            FieldType::Ref(target) => Ok(Value::Text(self.id_of(target, text))),
            FieldType::Set(Element::Ref(target)) => Ok(Value::Text(
                parts(text).map(|part| self.id_of(target, part)).collect::<Vec<_>>().join(" "),
            )),
            FieldType::HumanNo(_)
            | FieldType::Text
            | FieldType::Time
            | FieldType::Phone
            | FieldType::Set(Element::Text)
            | FieldType::Photos
            | FieldType::Signature
            | FieldType::Entries
            | FieldType::Events => Ok(Value::Text(text.to_owned())),
        }
    }

    /// The value of an item's answer; `-` withdraws it.
    ///
    /// # Errors
    /// A usage failure when a number is asked for and the text is none.
    pub(crate) fn item(&self, item: &Item, text: &str) -> Result<Value, Failure> {
        match item.kind {
            _ if text == "-" => Ok(Value::Null),
            ItemKind::Number => {
                number(text).map(Value::Number).ok_or_else(|| wrong(&item.id, "数值", "a number"))
            }
            ItemKind::Choice => Ok(Value::Text(self.answer_id(item.response_set.as_deref(), text))),
            ItemKind::Date => when::day(text, self.now)
                .map(Value::Text)
                .ok_or_else(|| wrong(&item.id, "日期,如 2026-11-25", "a day: 2026-11-25")),
            ItemKind::Text | ItemKind::Time => Ok(Value::Text(text.to_owned())),
        }
    }

    /// A value that an event carries beside fields: days may be written as words.
    pub(crate) fn event_data(&self, name: &str, text: &str) -> Value {
        let day = if name.ends_with("due") { when::day(text, self.now) } else { None };
        match day {
            _ if text.is_empty() => Value::Null,
            Some(day) => Value::Text(day),
            None => Value::Text(text.to_owned()),
        }
    }

    /// The id of a project named by id or title.
    pub(crate) fn project(&self, text: &str) -> String {
        self.id_of(&Target::Project, text)
    }

    /// An option of a response set by its id or title; the text itself where there is no such title.
    fn answer_id(&self, set: Option<&str>, text: &str) -> String {
        let set = set.and_then(|id| self.catalog.response_set(id));
        let titled = set.and_then(|set| set.options.iter().find(|option| is_titled(&option.title, text)));
        titled.map_or_else(|| text.to_owned(), |option| option.id.clone())
    }

    /// The id behind a name of the organisation; the text itself where nothing has that name.
    fn id_of(&self, target: &Target, text: &str) -> String {
        let organisation = self.catalog.organisation();
        let found = match target {
            Target::Project => organisation
                .and_then(|org| org.projects.iter().find(|project| is_titled(&project.title, text)))
                .map(|project| project.id.clone()),
            Target::User => organisation
                .and_then(|org| org.users.iter().find(|user| user.name == text))
                .map(|user| user.id.clone()),
            Target::Unit => organisation
                .and_then(|org| org.units.iter().find(|unit| unit.label == text))
                .map(|unit| unit.id.clone()),
            Target::CheckpointOrText => organisation
                .and_then(|org| org.checkpoints.iter().find(|place| is_titled(&place.title, text)))
                .map(|place| place.id.clone()),
            Target::Department => self
                .catalog
                .departments()
                .iter()
                .find(|department| is_titled(&department.title, text))
                .map(|department| department.id.clone()),
            Target::Category(set) => self
                .catalog
                .category_set(set)
                .and_then(|set| set.flatten().into_iter().find(|category| is_titled(&category.title, text)))
                .map(|category| category.id),
            Target::Clause
            | Target::Standard
            | Target::Ledger(_)
            | Target::InspectionItem
            | Target::Item
            | Target::TrainingTopic
            | Target::Form(_) => None,
        };
        found.unwrap_or_else(|| text.to_owned())
    }
}

/// `FIELD=VALUE` words as pairs, in order.
///
/// # Errors
/// A usage failure for a word without `=`, or a field named twice.
pub(crate) fn assignments(words: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for word in words {
        let Some((field, value)) = word.split_once('=').filter(|(field, _)| !field.trim().is_empty()) else {
            return Err(Failure::invalid(
                "assignment_expected",
                format!("应写成 字段=内容:{word}"),
                format!("write FIELD=VALUE: {word}"),
            ));
        };
        let field = field.trim();
        if pairs.iter().any(|(known, _)| known == field) {
            return Err(Failure::invalid(
                "field_twice",
                format!("字段写了两次:{field}"),
                format!("the field is given twice: {field}"),
            ));
        }
        pairs.push((field.to_owned(), value.to_owned()));
    }
    Ok(pairs)
}

fn wrong(id: &str, zh: &str, en: &str) -> Failure {
    Failure::invalid("value_form", format!("{id} 应为{zh}"), format!("{id} takes {en}"))
}

/// An option by its id, or by its title in either language.
fn option_id(field: &Field, text: &str) -> String {
    let titled = |title: Option<&Title>| title.is_some_and(|title| is_titled(title, text));
    let option = field.options.iter().find(|option| titled(option.title.as_ref()));
    option.map_or_else(|| text.to_owned(), |option| option.id.clone())
}

fn is_titled(title: &Title, text: &str) -> bool {
    title.zh == text || title.en.eq_ignore_ascii_case(text)
}

/// The elements of a set as people separate them.
pub(crate) fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ',', '、', ' ']).map(str::trim).filter(|part| !part.is_empty())
}

fn truth(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "yes" | "y" | "true" | "1" | "是" => Some(true),
        "no" | "n" | "false" | "0" | "否" => Some(false),
        _ => None,
    }
}

fn whole(text: &str) -> Option<i64> {
    text.trim().parse().ok()
}

/// A finite number.
fn number(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::exit_of;
    use std::sync::LazyLock;
    use xunyuan_core::definition::{embedded, sample_organisation};

    fn reader() -> Reader<'static> {
        static CATALOG: LazyLock<Catalog> = LazyLock::new(|| {
            let mut definitions = embedded().to_vec();
            definitions.push(sample_organisation().clone());
            Catalog::new(&definitions).unwrap()
        });
        Reader::new(&CATALOG, (1_795_395_600_000, 480))
    }

    fn field(json: &str) -> Field {
        serde_json::from_str(json).unwrap()
    }

    fn read(kind: &str, text: &str) -> Result<Value, u8> {
        let field = field(&format!(r#"{{"id":"f","type":"{kind}"}}"#));
        reader().field(&field, text).map_err(|failure| exit_of(&failure))
    }

    #[test]
    fn texts_become_the_type_of_the_field() {
        assert_eq!(read("text", "滴水"), Ok(Value::Text("滴水".into())));
        assert_eq!(read("bool", "是"), Ok(Value::Bool(true)));
        assert_eq!(read("int", "12"), Ok(Value::Int(12)));
        assert_eq!(read("int", "1.5"), Err(2));
        assert_eq!(read("number", "0.08"), Ok(Value::Number(0.08)));
        assert_eq!(read("number", "NaN"), Err(2));
        assert_eq!(read("date", "今天"), Ok(Value::Text("2026-11-23".into())));
        assert_eq!(read("device_time", "10:00"), Ok(Value::Int(1_795_399_200_000)));
        assert_eq!(read("ref:department", ""), Ok(Value::Null));
    }

    #[test]
    fn an_option_may_be_typed_by_its_title() {
        let shift = field(
            r#"{"id":"shift","type":"choice","options":[{"id":"day","title":{"zh-CN":"白班","en":"Day"}}]}"#,
        );
        for text in ["day", "白班", "DAY"] {
            assert_eq!(reader().field(&shift, text).unwrap(), Value::Text("day".into()));
        }
        assert_eq!(
            reader().field(&shift, "dusk").unwrap(),
            Value::Text("dusk".into()),
            "the core refuses it"
        );
        assert_eq!(read("choice:rs.satisfaction5", "满意"), Ok(Value::Text("s4".into())));
    }

    #[test]
    fn people_and_places_may_be_typed_by_name() {
        let text = |id: &str| Ok(Value::Text(id.to_owned()));
        assert_eq!(read("ref:project", "澜园"), text("pj.lanyuan"));
        assert_eq!(read("ref:user", "前台壬"), text("u.fd01"));
        assert_eq!(read("ref:unit", "3幢1单元502"), text("un.lanyuan.3-1-502"));
        assert_eq!(read("ref:department", "dept.eng"), text("dept.eng"));
        assert_eq!(read("set:user", "巡查员子,u.pt02"), text("u.pt01 u.pt02"));
    }

    #[test]
    fn answers_follow_the_kind_of_item() {
        let catalog = reader().catalog;
        let items = || catalog.checklists().flat_map(|list| list.sections.iter().flat_map(|s| &s.items));
        let number = items().find(|item| item.kind == ItemKind::Number).unwrap();
        let choice = items().find(|item| item.response_set.as_deref() == Some("rs.pass_fail_na")).unwrap();
        assert_eq!(reader().item(number, "-0.5").unwrap(), Value::Number(-0.5));
        assert_eq!(reader().item(number, "-").unwrap(), Value::Null);
        assert_eq!(exit_of(&reader().item(number, "many").unwrap_err()), 2);
        for text in ["fail", "不合格", "Fail"] {
            assert_eq!(reader().item(choice, text).unwrap(), Value::Text("fail".into()));
        }
    }

    #[test]
    fn assignments_split_at_the_first_equals_sign() {
        let words = ["a=1".to_owned(), "note=x=y".to_owned(), "b=".to_owned()];
        let pairs = assignments(&words).unwrap();
        assert_eq!(pairs[1], ("note".to_owned(), "x=y".to_owned()));
        assert_eq!(pairs[2].1, "");
        assert_eq!(exit_of(&assignments(&["novalue".to_owned()]).unwrap_err()), 2);
        assert_eq!(assignments(&["a=1".to_owned(), "a=2".to_owned()]).unwrap_err().code(), "field_twice");
    }
}
