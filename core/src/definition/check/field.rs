//! Fields: types that point somewhere, options, limits and merge policies that fit the type.

use super::super::field::{Element, Field, FieldType, MergePolicy, Target};
use super::faults::{Faults, Noun};
use super::known::{CHECKLIST, Known, LEDGER};

/// Checks a list of fields at `pointer`.
pub(crate) fn check_all(pointer: &str, fields: &[Field], known: &Known, faults: &mut Faults) {
    faults.unique(pointer, fields.iter().map(|field| field.id.as_str()));
    for (at, field) in fields.iter().enumerate() {
        check(&format!("{pointer}/{at}"), field, known, faults);
    }
}

fn check(pointer: &str, field: &Field, known: &Known, faults: &mut Faults) {
    faults.plain_id(format!("{pointer}/id"), &field.id);
    faults.ordered(pointer, field.min, field.max);
    if field.kind.is_many() {
        faults.not_negative(format!("{pointer}/min"), field.min);
    }
    let kind = format!("{pointer}/type");
    match &field.kind {
        FieldType::Choice(None) if field.options.is_empty() => {
            faults.say(format!("{pointer}/options"), "选择字段没有选项", "a choice has no options");
        }
        FieldType::Choice(Some(set)) => response_set(&kind, set, known, faults),
        FieldType::Ref(target) | FieldType::Set(Element::Ref(target)) => {
            points_at(&kind, target, known, faults)
        }
        FieldType::Choice(None)
        | FieldType::HumanNo(_)
        | FieldType::Text
        | FieldType::Phone
        | FieldType::Bool
        | FieldType::Int
        | FieldType::Number
        | FieldType::Date
        | FieldType::Month
        | FieldType::Time
        | FieldType::DeviceTime
        | FieldType::Set(Element::Text)
        | FieldType::Photos
        | FieldType::Signature
        | FieldType::Entries
        | FieldType::Events => {}
    }
    known.roles(faults, &format!("{pointer}/by"), &field.by);
    if field.own && field.kind != FieldType::Ref(Target::User) {
        let (zh, en) = ("只有 ref:user 字段可写 own", "own is for fields of type ref:user");
        faults.say(format!("{pointer}/own"), zh, en);
    }
    options(pointer, field, known, faults);
    lines(pointer, field, known, faults);
    defaults(pointer, field, known, faults);
    policy(pointer, field, faults);
}

/// A response set must exist.
pub(crate) fn response_set(pointer: &str, id: &str, known: &Known, faults: &mut Faults) {
    Known::among(faults, pointer, Noun("选项集", "response set"), id, known.response_sets.keys());
}

fn points_at(pointer: &str, target: &Target, known: &Known, faults: &mut Faults) {
    match target {
        Target::Category(set) => {
            Known::among(faults, pointer, Noun("分类", "category set"), set, &known.category_sets);
        }
        Target::Ledger(ledger) => Known::among(faults, pointer, LEDGER, ledger, known.ledgers.keys()),
        Target::Form(file) if known.files.contains(file) => {}
        Target::Form(form) => Known::among(faults, pointer, Noun("表单", "form"), form, known.forms.keys()),
        Target::TrainingTopic if known.topics.is_empty() => {
            faults.say(pointer, "没有培训主题可供引用", "there are no training topics to refer to");
        }
        Target::InspectionItem if known.checklists.is_empty() => {
            let Noun(zh, en) = CHECKLIST;
            faults.say(pointer, format!("没有{zh}可供引用"), format!("there is no {en} to refer to"));
        }
        Target::TrainingTopic
        | Target::InspectionItem
        | Target::Project
        | Target::User
        | Target::Unit
        | Target::Department
        | Target::Clause
        | Target::Standard
        | Target::Item
        | Target::CheckpointOrText => {}
    }
}

fn options(pointer: &str, field: &Field, known: &Known, faults: &mut Faults) {
    let pointer = format!("{pointer}/options");
    if !field.options.is_empty() && field.kind != FieldType::Choice(None) {
        faults.say(&pointer, "只有 choice 字段有选项", "only a field of type choice has options");
    }
    faults.unique(&pointer, field.options.iter().map(|option| option.id.as_str()));
    for (at, option) in field.options.iter().enumerate() {
        faults.plain_id(format!("{pointer}/{at}"), &option.id);
        let place = format!("{pointer}/{at}/lowered_by");
        if !option.lowered_by.is_empty() && field.merge() != MergePolicy::Max {
            let (zh, en) =
                ("只有 merge 为 max 的字段可写 lowered_by", "lowered_by is for fields that merge by max");
            faults.say(&place, zh, en);
        }
        known.roles(faults, &place, &option.lowered_by);
    }
}

fn lines(pointer: &str, field: &Field, known: &Known, faults: &mut Faults) {
    let pointer = format!("{pointer}/entry_fields");
    if !field.entry_fields.is_empty() && field.kind != FieldType::Entries {
        faults.say(&pointer, "只有 entries 字段有子字段", "only a field of type entries has sub-fields");
    }
    check_all(&pointer, &field.entry_fields, known, faults);
}

fn defaults(pointer: &str, field: &Field, known: &Known, faults: &mut Faults) {
    for (at, id) in field.default.iter().enumerate() {
        let place = format!("{pointer}/default/{at}");
        match &field.kind {
            FieldType::Choice(None) => {
                let options = field.options.iter().map(|option| option.id.as_str());
                faults.refers(place, super::guard::OPTION, id, options);
            }
            FieldType::Ref(Target::Standard) | FieldType::Set(Element::Ref(Target::Standard)) => {
                Known::among(faults, place, Noun("标准", "standard"), id, &known.standards);
            }
            FieldType::Ref(Target::Clause) | FieldType::Set(Element::Ref(Target::Clause)) => {
                Known::among(faults, place, Noun("条款", "clause"), id, &known.clauses);
            }
            FieldType::Choice(Some(_))
            | FieldType::Ref(_)
            | FieldType::Set(_)
            | FieldType::HumanNo(_)
            | FieldType::Text
            | FieldType::Phone
            | FieldType::Bool
            | FieldType::Int
            | FieldType::Number
            | FieldType::Date
            | FieldType::Month
            | FieldType::Time
            | FieldType::DeviceTime
            | FieldType::Photos
            | FieldType::Signature
            | FieldType::Entries
            | FieldType::Events => {}
        }
    }
}

/// The policies that make sense for a type.
fn policy(pointer: &str, field: &Field, faults: &mut Faults) {
    use MergePolicy::{
        AppendOnly, DerivedFromLastVisit, Lww, LwwFlag, Max, Min, ServerAssigned, SetUnion, TextCrdt,
        WriteOnce,
    };
    let fitting: &[MergePolicy] = match &field.kind {
        FieldType::HumanNo(_) => &[ServerAssigned],
        FieldType::Text => &[WriteOnce, Lww, LwwFlag, TextCrdt],
        FieldType::Choice(_) => &[WriteOnce, Lww, LwwFlag, Max, Min, DerivedFromLastVisit],
        FieldType::Int
        | FieldType::Number
        | FieldType::Date
        | FieldType::Month
        | FieldType::Time
        | FieldType::DeviceTime => &[WriteOnce, Lww, LwwFlag, Max, Min],
        FieldType::Phone | FieldType::Bool | FieldType::Ref(_) | FieldType::Signature => {
            &[WriteOnce, Lww, LwwFlag]
        }
        FieldType::Set(_) | FieldType::Photos => &[SetUnion],
        FieldType::Entries => &[SetUnion, AppendOnly],
        FieldType::Events => &[AppendOnly],
    };
    let named = field.merge();
    if !fitting.contains(&named) {
        faults.refers(
            format!("{pointer}/merge"),
            Noun("适合该字段类型的合并策略", "merge policy for this type of field:"),
            named.as_str(),
            fitting.iter().map(|policy| policy.as_str()),
        );
    }
}
