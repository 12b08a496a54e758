//! Checklists: items, conditions, what failing asks for, groups and sign-off.

use std::collections::BTreeSet;

use super::super::catalogues::ResponseSet;
use super::super::checklist::{Checklist, Item, ItemKind, OnFail, RepeatGroup, ScoringMethod};
use super::super::expr::{Expr, Limit, Subject};
use super::super::field::FieldType;
use super::faults::{Faults, Noun};
use super::field;
use super::guard::OPTION;
use super::known::{FIELD, Known};

const ITEM: Noun = Noun("检查项", "item");

/// Checks one checklist.
pub(crate) fn check(checklist: &Checklist, known: &Known, faults: &mut Faults) {
    known.stream(faults, "/stream", &checklist.stream);
    known.roles(faults, "/who", &checklist.who);
    if let Some(schedule) = &checklist.default_schedule {
        known.schedule(faults, "/default_schedule", schedule);
    }
    finding_source(checklist, known, faults);
    scoring(checklist, known, faults);
    field::check_all("/header_fields", &checklist.header_fields, known, faults);
    sections(checklist, known, faults);
    groups(&checklist.repeat_groups, known, faults);
    faults.unique("/signoff", checklist.signoff.iter().map(|signoff| signoff.id.as_str()));
    for (at, signoff) in checklist.signoff.iter().enumerate() {
        faults.plain_id(format!("/signoff/{at}/id"), &signoff.id);
        known.role(faults, format!("/signoff/{at}/role"), &signoff.role);
    }
}

fn finding_source(checklist: &Checklist, known: &Known, faults: &mut Faults) {
    let Some(source) = &checklist.finding_source else { return };
    let ledger = known.finding_ledger.as_ref().and_then(|id| known.ledgers.get(id));
    let options = ledger.and_then(|ledger| ledger.field("source")).map(|field| &field.options);
    if let Some(options) = options {
        faults.refers("/finding_source", OPTION, source, options.iter().map(|option| option.id.as_str()));
    }
}

fn scoring(checklist: &Checklist, known: &Known, faults: &mut Faults) {
    let scoring = &checklist.scoring;
    if scoring.pass_threshold_percent.is_some_and(|percent| !(0.0..=100.0).contains(&percent)) {
        faults.say("/scoring/pass_threshold_percent", "应在 0 到 100 之间", "must be from 0 to 100");
    }
    for (at, severity) in scoring.report_counts.iter().enumerate() {
        known.severity(faults, format!("/scoring/report_counts/{at}"), severity);
    }
    let weighted = scoring.method == ScoringMethod::WeightedPercent;
    if weighted && !checklist.items().any(|item| item.weight > 0.0) {
        faults.say(
            "/scoring/method",
            "加权计分但没有带权重的检查项",
            "a weighted score without any item that has a weight",
        );
    }
}

fn sections(checklist: &Checklist, known: &Known, faults: &mut Faults) {
    faults.unique("/sections", checklist.sections.iter().map(|section| section.id.as_str()));
    let mut seen = BTreeSet::new();
    for (at, section) in checklist.sections.iter().enumerate() {
        let pointer = format!("/sections/{at}");
        faults.dotted_id(format!("{pointer}/id"), &section.id);
        if section.items.is_empty() {
            faults.say(format!("{pointer}/items"), "分区没有检查项", "a section has no items");
        }
        for (at, item) in section.items.iter().enumerate() {
            let pointer = format!("{pointer}/items/{at}");
            faults.dotted_id(format!("{pointer}/id"), &item.id);
            faults.once(format!("{pointer}/id"), &item.id, &mut seen);
            check_item(&pointer, item, checklist, known, faults);
        }
    }
}

fn check_item(pointer: &str, item: &Item, checklist: &Checklist, known: &Known, faults: &mut Faults) {
    answer(pointer, item, known, faults);
    faults.not_negative(format!("{pointer}/weight"), Some(item.weight));
    faults.ordered(pointer, item.min, item.max);
    if let Some(expr) = &item.visible_if {
        expression(&format!("{pointer}/visible_if"), expr, item, checklist, known, faults);
    }
    if let Some(expr) = &item.fail_if {
        expression(&format!("{pointer}/fail_if"), expr, item, checklist, known, faults);
        if item.kind != ItemKind::Number {
            faults.say(
                format!("{pointer}/fail_if"),
                "只有数值项有不合格条件",
                "only a number has a failing condition",
            );
        }
    }
    if let Some(on_fail) = &item.on_fail {
        failing(&format!("{pointer}/on_fail"), on_fail, item, known, faults);
    }
    for (at, clause) in item.clauses.iter().enumerate() {
        let noun = Noun("条款", "clause");
        let clauses = known.clauses.iter().filter(|id| id.starts_with(&format!("{}.", clause.std)));
        Known::among(faults, format!("{pointer}/clauses/{at}"), noun, &clause.id(), clauses);
    }
    if let Some(task) = &item.task {
        let noun = Noun("填写该检查表的角色", "role that fills in this checklist:");
        let who = checklist.who.iter().map(String::as_str);
        faults.refers(format!("{pointer}/task/owner_role"), noun, &task.owner_role, who);
        let days = checklist.header_fields.iter().filter(|field| field.kind == FieldType::Date);
        let noun = Noun("表头日期字段", "header field with a day:");
        faults.refers(
            format!("{pointer}/task/anchor"),
            noun,
            &task.anchor,
            days.map(|field| field.id.as_str()),
        );
    }
}

fn answer(pointer: &str, item: &Item, known: &Known, faults: &mut Faults) {
    let place = format!("{pointer}/response_set");
    match (item.kind, &item.response_set) {
        (ItemKind::Choice, Some(set)) => field::response_set(&place, set, known, faults),
        (ItemKind::Choice, None) => faults.say(place, "选择项没有选项集", "a choice has no response set"),
        (ItemKind::Number | ItemKind::Text | ItemKind::Date | ItemKind::Time, Some(_)) => {
            faults.say(place, "只有选择项有选项集", "only a choice has a response set");
        }
        (ItemKind::Number | ItemKind::Text | ItemKind::Date | ItemKind::Time, None) => {}
    }
    let limits = item.min.is_some() || item.max.is_some() || item.decimals.is_some() || item.unit.is_some();
    if limits && item.kind != ItemKind::Number {
        faults.say(pointer, "只有数值项有单位和上下限", "only a number has a unit and limits");
    }
    if item.decimals.is_some_and(|decimals| decimals > 6) {
        faults.say(format!("{pointer}/decimals"), "小数位不超过 6", "at most 6 decimals");
    }
}

fn expression(
    pointer: &str,
    expr: &Expr,
    item: &Item,
    checklist: &Checklist,
    known: &Known,
    faults: &mut Faults,
) {
    match expr {
        Expr::AnswerIs { item: of, option } => {
            other_item(&format!("{pointer}/item"), of, item, checklist, faults);
            let set = checklist.item(of).and_then(|of| of.response_set.as_ref());
            if let Some(set) = set.and_then(|set| known.response_sets.get(set)) {
                let options = set.options.iter().map(|option| option.id.as_str());
                faults.refers(format!("{pointer}/option"), OPTION, option, options);
            }
        }
        Expr::AttrTrue(attr) => known.project_attr(faults, format!("{pointer}/attr"), attr),
        Expr::Lt(subject, limit) | Expr::Gt(subject, limit) => {
            subject_of(pointer, subject, item, checklist, faults);
            if let Limit::Param(name) = limit {
                known.project_param(faults, format!("{pointer}/param"), name);
            }
        }
        Expr::Between(subject, low, high) => {
            subject_of(pointer, subject, item, checklist, faults);
            if let (Limit::Value(low), Limit::Value(high)) = (low, high) {
                faults.ordered(pointer, Some(*low), Some(*high));
            }
        }
        Expr::And(parts) | Expr::Or(parts) => {
            for (at, part) in parts.iter().enumerate() {
                expression(&format!("{pointer}/args/{at}"), part, item, checklist, known, faults);
            }
        }
        Expr::Not(inner) => expression(&format!("{pointer}/arg"), inner, item, checklist, known, faults),
    }
}

fn subject_of(pointer: &str, subject: &Subject, item: &Item, checklist: &Checklist, faults: &mut Faults) {
    if let Subject::Item(of) = subject {
        other_item(&format!("{pointer}/item"), of, item, checklist, faults);
    }
}

/// An item may depend on items before it only: that rules out cycles and keeps the sheet readable.
fn other_item(pointer: &str, of: &str, item: &Item, checklist: &Checklist, faults: &mut Faults) {
    let before = checklist.items().take_while(|earlier| earlier.id != item.id);
    if checklist.item(of).is_none() {
        faults.refers(pointer, ITEM, of, checklist.items().map(|item| item.id.as_str()));
    } else if !before.into_iter().any(|earlier| earlier.id == of) {
        faults.say(
            pointer,
            format!("条件引用的“{of}”不在本项之前"),
            format!("the condition refers to \"{of}\", which is not before this item"),
        );
    }
}

fn failing(pointer: &str, on_fail: &OnFail, item: &Item, known: &Known, faults: &mut Faults) {
    if !matches!(item.kind, ItemKind::Choice | ItemKind::Number) {
        faults.say(pointer, "只有选择项和数值项会不合格", "only a choice or a number can fail");
    }
    let Some(finding) = &on_fail.create_finding else { return };
    let pointer = format!("{pointer}/create_finding");
    known.department(faults, format!("{pointer}/default_owner_dept"), &finding.default_owner_dept);
    faults.not_negative(format!("{pointer}/default_due_hours"), finding.default_due_hours);
    if let Some(severity) = &finding.default_severity {
        known.severity(faults, format!("{pointer}/default_severity"), severity);
    } else if !finding.severity_from_option {
        faults.say(
            format!("{pointer}/default_severity"),
            "既没有默认严重程度,也不取自选项",
            "neither a default severity nor one taken from the option",
        );
    }
    let set = item.response_set.as_ref().and_then(|set| known.response_sets.get(set));
    let silent = |set: &ResponseSet| set.options.iter().any(|o| o.fail && o.finding_severity.is_none());
    if finding.default_severity.is_none() && finding.severity_from_option && set.is_some_and(silent) {
        faults.say(
            format!("{pointer}/severity_from_option"),
            "选项集中有不合格选项没有严重程度",
            "a failing option of the response set has no severity",
        );
    }
}

fn groups(groups: &[RepeatGroup], known: &Known, faults: &mut Faults) {
    faults.unique("/repeat_groups", groups.iter().map(|group| group.id.as_str()));
    for (at, group) in groups.iter().enumerate() {
        let pointer = format!("/repeat_groups/{at}");
        faults.dotted_id(format!("{pointer}/id"), &group.id);
        faults.ordered(&pointer, Some(f64::from(group.min)), Some(f64::from(group.max)));
        field::check_all(&format!("{pointer}/fields"), &group.fields, known, faults);
        if let Some(ledger) = &group.creates_entry {
            known.ledger(faults, format!("{pointer}/creates_entry"), ledger);
        }
        for (from, to) in &group.carries {
            let place = format!("{pointer}/carries/{from}");
            faults.refers(&place, FIELD, from, group.fields.iter().map(|field| field.id.as_str()));
            let ledger = group.creates_entry.as_ref().and_then(|id| known.ledgers.get(id));
            let fields = ledger.map_or([].as_slice(), |ledger| &ledger.fields);
            faults.refers(&place, FIELD, to, fields.iter().map(|field| field.id.as_str()));
        }
    }
}
