//! Whether a value fits its field or item: type, options, limits, lengths.

use super::{Change, unknown_key};
use crate::definition::{Catalog, Element, Field, FieldType, Item, ItemKind, Target};
use crate::document::model::Value;
use crate::error::Refusal;
use crate::limits::NOTE_CHARS_MAX;
use crate::rules::codes;
use crate::rules::form;
use crate::rules::keys;
use crate::rules::missing::named;

/// Longest reference, phone number or other short text, characters.
const SHORT_CHARS_MAX: usize = 200;

/// Checks an answer; withdrawing one is always possible, and so is repeating an old option.
pub(super) fn answer(change: &Change<'_>, item: &Item, value: &Value) -> Result<(), Refusal> {
    let (zh, en) = (item.title.zh.as_str(), item.title.en.as_str());
    match (item.kind, value) {
        (_, Value::Null) => Ok(()),
        (ItemKind::Choice, Value::Text(id)) => {
            let current = change.before.register(&keys::item(&item.id));
            let is_current = current.is_some_and(|r| r.all().any(|stamped| stamped.value == *value));
            response(change.catalog, item.response_set.as_deref(), id, is_current, zh, en)
        }
        (ItemKind::Number, Value::Int(_) | Value::Number(_)) => {
            number(value, item.min, item.max, item.decimals, zh, en)
        }
        (ItemKind::Text, Value::Text(text)) => length(text, NOTE_CHARS_MAX, zh, en),
        (ItemKind::Date, Value::Text(text)) if is_day(text) => Ok(()),
        (ItemKind::Time, Value::Text(text)) if is_time_of_day(text) => Ok(()),
        (ItemKind::Choice | ItemKind::Number | ItemKind::Text | ItemKind::Date | ItemKind::Time, _) => {
            Err(wrong_type(zh, en))
        }
    }
}

/// Checks one value of a field, or one element of a set field.
pub(super) fn field(change: &Change<'_>, field: &Field, value: &Value, current: bool) -> Result<(), Refusal> {
    let (zh, en) = named(field.title.as_ref(), &field.id);
    if field.retired && !current {
        return Err(retired(zh, en));
    }
    let is_own = change.author.is_server || value.as_text() == Some(change.author.user.as_str());
    if field.own && !current && !value.is_null() && !is_own {
        return Err(Refusal::new(
            codes::FOREIGN_AUTHOR,
            format!("“{zh}”只能由本人填写"),
            format!("\"{en}\" is filled in by each person for themself"),
        ));
    }
    match (&field.kind, value) {
        (_, Value::Null) => Ok(()),
        (FieldType::Bool, Value::Bool(_)) | (FieldType::DeviceTime, Value::Int(_)) => Ok(()),
        (FieldType::Int, Value::Int(_)) | (FieldType::Number, Value::Int(_) | Value::Number(_)) => {
            number(value, field.min, field.max, None, zh, en)
        }
        (FieldType::Text, Value::Text(text)) => {
            let most = field.max_len.and_then(|max| usize::try_from(max).ok()).unwrap_or(NOTE_CHARS_MAX);
            length(text, most.min(NOTE_CHARS_MAX), zh, en)
        }
        (FieldType::Phone | FieldType::HumanNo(_) | FieldType::Signature, Value::Text(text)) => {
            length(text, SHORT_CHARS_MAX, zh, en)
        }
        (FieldType::Date, Value::Text(text)) if is_day(text) => Ok(()),
        (FieldType::Month, Value::Text(text)) if is_day(&format!("{text}-01")) => Ok(()),
        (FieldType::Time, Value::Text(text)) if is_time_of_day(text) => Ok(()),
        (FieldType::Choice(None), Value::Text(id)) => match field.option(id) {
            Some(option) if option.retired && !current => Err(retired(zh, en)),
            Some(_) => Ok(()),
            None => Err(unknown_option(zh, en)),
        },
        (FieldType::Choice(set), Value::Text(id)) => {
            response(change.catalog, set.as_deref(), id, current, zh, en)
        }
        // The branch server is no person of the organisation; what it records, it recorded.
        (FieldType::Ref(Target::User), Value::Text(id))
            if change.author.is_server && *id == change.author.user.as_str() =>
        {
            Ok(())
        }
        (FieldType::Ref(Target::Form(_)), Value::Text(text)) => filled(change, field, text),
        (FieldType::Ref(target), Value::Text(id)) => reference(change.catalog, target, id, current, zh, en),
        (FieldType::Set(Element::Ref(target)), Value::Text(id)) => {
            reference(change.catalog, target, id, current, zh, en)
        }
        (FieldType::Set(Element::Text), Value::Text(text)) => length(text, SHORT_CHARS_MAX, zh, en),
        (FieldType::Photos, Value::Text(hash)) if keys::is_sha256(hash) => Ok(()),
        _ => Err(wrong_type(zh, en)),
    }
}

/// Checks a filled form: what it says by the names of its fields. What another version of the form asked for
/// stays as it is.
fn filled(change: &Change<'_>, owner: &Field, text: &str) -> Result<(), Refusal> {
    let (zh, en) = named(owner.title.as_ref(), &owner.id);
    length(text, NOTE_CHARS_MAX, zh, en)?;
    let Some(said) = form::said(change.catalog, owner, text) else {
        return Err(Refusal::new(
            codes::WRONG_TYPE,
            format!("“{zh}”是一张表单,请逐项填写"),
            format!("\"{en}\" is a form: fill in its fields one by one"),
        ));
    };
    said.iter()
        .flat_map(|(asked, values)| values.iter().map(move |value| (asked, value)))
        .try_for_each(|(asked, value)| field(change, asked, value, true))
}

/// Checks a subfield of a line; one that the definition names without a type takes any plain value.
pub(super) fn subfield(change: &Change<'_>, owner: &Field, id: &str, value: &Value) -> Result<(), Refusal> {
    let (zh, en) = named(owner.title.as_ref(), &owner.id);
    match owner.entry_field(id) {
        Some(declared) if declared.kind != FieldType::Text => field(change, declared, value, false),
        None if !owner.entry_fields.is_empty() || !keys::is_name(id) => Err(unknown_key()),
        Some(_) | None => length(value.as_text().unwrap_or_default(), NOTE_CHARS_MAX, zh, en),
    }
}

/// True for `YYYY-MM-DD`.
fn is_day(text: &str) -> bool {
    text.len() == "2026-11-23".len() && text.parse::<jiff::civil::Date>().is_ok()
}

/// True for `HH:MM`.
fn is_time_of_day(text: &str) -> bool {
    text.len() == "17:30".len() && text.parse::<jiff::civil::Time>().is_ok()
}

/// Checks a free text.
pub(super) fn length(text: &str, most: usize, zh: &str, en: &str) -> Result<(), Refusal> {
    if text.chars().count() <= most {
        return Ok(());
    }
    Err(Refusal::new(
        codes::TEXT_TOO_LONG,
        format!("“{zh}”的文字太长,最多 {most} 字"),
        format!("the text of \"{en}\" is too long; it may have {most} characters"),
    ))
}

fn response(
    catalog: &Catalog,
    set: Option<&str>,
    id: &str,
    current: bool,
    zh: &str,
    en: &str,
) -> Result<(), Refusal> {
    match set.and_then(|set| catalog.response_set(set)).and_then(|set| set.option(id)) {
        Some(option) if option.retired && !current => Err(retired(zh, en)),
        Some(_) => Ok(()),
        None => Err(unknown_option(zh, en)),
    }
}

fn reference(
    catalog: &Catalog,
    target: &Target,
    id: &str,
    current: bool,
    zh: &str,
    en: &str,
) -> Result<(), Refusal> {
    let is_known = match target {
        Target::User => catalog.user(&crate::id::UserId::new(id)).is_some(),
        Target::Project => {
            catalog.project(id).is_some() || catalog.organisation().is_some_and(|org| org.branch.id == id)
        }
        Target::Category(set) => match catalog.category(id) {
            Some(category) if category.retired && !current => return Err(retired(zh, en)),
            found => found.is_some_and(|category| category.set == *set),
        },
        Target::Unit
        | Target::Department
        | Target::Clause
        | Target::Standard
        | Target::Ledger(_)
        | Target::InspectionItem
        | Target::Item
        | Target::CheckpointOrText
        | Target::TrainingTopic
        | Target::Form(_) => !id.trim().is_empty(),
    };
    if is_known { length(id, SHORT_CHARS_MAX, zh, en) } else { Err(unknown_option(zh, en)) }
}

fn number(
    value: &Value,
    min: Option<f64>,
    max: Option<f64>,
    decimals: Option<u32>,
    zh: &str,
    en: &str,
) -> Result<(), Refusal> {
    let number = value.as_number().unwrap_or(f64::NAN);
    let is_inside = min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max);
    let is_exact = decimals.and_then(|d| i32::try_from(d).ok()).is_none_or(|decimals| {
        let scaled = number * 10_f64.powi(decimals);
        (scaled - scaled.round()).abs() < 1e-6
    });
    if number.is_finite() && is_inside && is_exact {
        return Ok(());
    }
    let bound = |bound: Option<f64>| bound.map_or_else(|| "…".to_owned(), |bound| bound.to_string());
    let (low, high) = (bound(min), bound(max));
    let places = decimals.map_or_else(|| "…".to_owned(), |decimals| decimals.to_string());
    Err(Refusal::new(
        codes::NUMBER_OUT_OF_RANGE,
        format!("“{zh}”的数值应在 {low} 到 {high} 之间,小数不超过 {places} 位;请核对"),
        format!(
            "the number of \"{en}\" must be from {low} to {high} with at most {places} decimals; check it"
        ),
    ))
}

fn wrong_type(zh: &str, en: &str) -> Refusal {
    Refusal::new(
        codes::WRONG_TYPE,
        format!("“{zh}”的内容类型不对;请按表单要求填写"),
        format!("\"{en}\" takes another kind of value; fill it in as the form asks"),
    )
}

fn unknown_option(zh: &str, en: &str) -> Refusal {
    Refusal::new(
        codes::UNKNOWN_OPTION,
        format!("“{zh}”没有这个选项;请重新选择"),
        format!("\"{en}\" has no such option; choose again"),
    )
}

fn retired(zh: &str, en: &str) -> Refusal {
    Refusal::new(
        codes::RETIRED,
        format!("“{zh}”的这一项已停用;请另选"),
        format!("this choice of \"{en}\" is no longer in use; choose another"),
    )
}
