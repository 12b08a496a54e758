//! The organisation: people in their roles and projects, checkpoints and schedules.

use std::collections::{BTreeMap, BTreeSet};

use super::super::field::FieldType;
use super::super::organisation::{Frequency, MonthPlan, Organisation, RoleScope, Schedule, User};
use super::faults::{Faults, Noun};
use super::known::Known;

const PROJECT: Noun = Noun("项目", "project");

/// Checks one organisation.
pub(crate) fn check(organisation: &Organisation, known: &Known, faults: &mut Faults) {
    faults.dotted_id("/branch/id", &organisation.branch.id);
    faults.unique("/districts", organisation.districts.iter().map(|district| district.id.as_str()));
    projects(organisation, faults);
    faults.unique("/users", organisation.users.iter().map(|user| user.id.as_str()));
    for (at, user) in organisation.users.iter().enumerate() {
        check_user(&format!("/users/{at}"), user, organisation, known, faults);
    }
    faults.unique("/units", organisation.units.iter().map(|unit| unit.id.as_str()));
    for (at, unit) in organisation.units.iter().enumerate() {
        faults.dotted_id(format!("/units/{at}/id"), &unit.id);
        project(&format!("/units/{at}/project"), &unit.project, organisation, faults);
    }
    checkpoints(organisation, known, faults);
    faults.unique("/schedules", organisation.schedules.iter().map(|schedule| schedule.id.as_str()));
    for (at, schedule) in organisation.schedules.iter().enumerate() {
        check_schedule(&format!("/schedules/{at}"), schedule, organisation, known, faults);
    }
}

fn projects(organisation: &Organisation, faults: &mut Faults) {
    faults.unique("/projects", organisation.projects.iter().map(|project| project.id.as_str()));
    let mut codes: BTreeSet<String> = BTreeSet::new();
    for (at, project) in organisation.projects.iter().enumerate() {
        let pointer = format!("/projects/{at}");
        faults.dotted_id(format!("{pointer}/id"), &project.id);
        if let Some(district) = &project.district {
            let districts = organisation.districts.iter().map(|district| district.id.as_str());
            faults.refers(format!("{pointer}/district"), Noun("片区", "district"), district, districts);
        }
        let code = project.number_code();
        let fits = !code.is_empty() && code.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
        if !fits && project.code.is_some() {
            faults.say(
                format!("{pointer}/code"),
                "项目代码只能用大写字母和数字",
                "a project code is capital letters and digits",
            );
        }
        if !codes.insert(code) {
            faults.say(
                format!("{pointer}/code"),
                "项目代码重复,编号会相撞",
                "two projects have the same code; their numbers would collide",
            );
        }
        if let Some(day) = &project.delivered_on {
            faults.day(format!("{pointer}/delivered_on"), day);
        }
    }
}

fn check_user(pointer: &str, user: &User, organisation: &Organisation, known: &Known, faults: &mut Faults) {
    faults.dotted_id(format!("{pointer}/id"), &user.id);
    known.role(faults, format!("{pointer}/role"), &user.role);
    known.roles(faults, &format!("{pointer}/more_roles"), &user.more_roles);
    if let Some(id) = &user.project {
        project(&format!("{pointer}/project"), id, organisation, faults);
    }
    for (at, posting) in user.lent.iter().enumerate() {
        let place = format!("{pointer}/lent/{at}");
        project(&format!("{place}/project"), &posting.project, organisation, faults);
        known.role(faults, format!("{place}/role"), &posting.role);
        if matches!(known.roles.get(&posting.role), Some(RoleScope::Branch | RoleScope::Audit)) {
            let zh = "借调岗位应是项目岗位";
            faults.say(format!("{place}/role"), zh, "a person is lent in a role of a project");
        }
    }
    if let Some(department) = &user.dept {
        known.department(faults, format!("{pointer}/dept"), department);
    }
    let local = |role: &str| matches!(known.roles.get(role), Some(RoleScope::Project | RoleScope::Event));
    if user.project.is_none() && user.roles().any(local) {
        faults.say(
            format!("{pointer}/project"),
            "项目级角色须写明项目",
            "a role of a project needs a project",
        );
    }
}

fn checkpoints(organisation: &Organisation, known: &Known, faults: &mut Faults) {
    faults.unique("/checkpoints", organisation.checkpoints.iter().map(|checkpoint| checkpoint.id.as_str()));
    let sections: BTreeSet<&str> = known
        .checklists
        .values()
        .flat_map(|checklist| &checklist.sections)
        .map(|section| section.id.as_str())
        .collect();
    let mut codes: BTreeMap<&str, &str> = BTreeMap::new();
    for (at, checkpoint) in organisation.checkpoints.iter().enumerate() {
        let pointer = format!("/checkpoints/{at}");
        faults.dotted_id(format!("{pointer}/id"), &checkpoint.id);
        project(&format!("{pointer}/project"), &checkpoint.project, organisation, faults);
        for (at, section) in checkpoint.sections.iter().enumerate() {
            let noun = Noun("检查表分区", "section of a checklist");
            faults.refers(format!("{pointer}/sections/{at}"), noun, section, sections.iter().copied());
        }
        let taken = codes.insert(&checkpoint.tag.code, &checkpoint.id).is_some();
        if taken && !checkpoint.retired {
            faults.say(format!("{pointer}/tag/code"), "标签代码重复", "the code of the tag is used twice");
        }
    }
}

fn check_schedule(
    pointer: &str,
    schedule: &Schedule,
    organisation: &Organisation,
    known: &Known,
    faults: &mut Faults,
) {
    faults.dotted_id(format!("{pointer}/id"), &schedule.id);
    known.checklist(faults, format!("{pointer}/template"), &schedule.template);
    known.role(faults, format!("{pointer}/assign/role"), &schedule.assign.role);
    if let Some(checklist) = known.checklists.get(&schedule.template) {
        let noun = Noun("填写该检查表的角色", "role that fills in this checklist:");
        let who = checklist.who.iter().map(String::as_str);
        faults.refers(format!("{pointer}/assign/role"), noun, &schedule.assign.role, who);
    }
    if schedule.project_scope != "all" {
        project(&format!("{pointer}/project_scope"), &schedule.project_scope, organisation, faults);
    }
    for (at, time) in schedule.recur.times.iter().enumerate() {
        faults.time_of_day(format!("{pointer}/recur/times/{at}"), time);
    }
    if schedule.recur.freq == Frequency::Daily && schedule.recur.times.is_empty() {
        faults.say(format!("{pointer}/recur/times"), "每日排程没有时刻", "a daily schedule has no times");
    }
    if let Some(plan) = &schedule.recur.plan {
        planned(&format!("{pointer}/recur/plan"), plan, schedule.recur.freq, known, faults);
    }
    if schedule.recur.month.is_some_and(|month| !(1..=12).contains(&month)) {
        faults.say(format!("{pointer}/recur/month"), "月份应在 1 到 12 之间", "a month is from 1 to 12");
    }
    if schedule.window_min.late_after > schedule.window_min.missed_after {
        faults.say(
            format!("{pointer}/window_min/late_after"),
            "迟到不能晚于漏检",
            "late cannot come after missed",
        );
    }
}

/// A plan of months: a monthly schedule, lines that are there, a subfield that holds a month.
fn planned(pointer: &str, plan: &MonthPlan, freq: Frequency, known: &Known, faults: &mut Faults) {
    if freq != Frequency::Monthly {
        faults.say(
            pointer,
            "只有每月的排程可按计划取月份",
            "only a monthly schedule takes its months from a plan",
        );
    }
    known.ledger(faults, format!("{pointer}/ledger"), &plan.ledger);
    let Some(ledger) = known.ledgers.get(&plan.ledger) else { return };
    let lines = ledger.fields.iter().filter(|field| field.kind == FieldType::Entries);
    let noun = Noun("多行字段", "field with lines");
    faults.refers(format!("{pointer}/lines"), noun, &plan.lines, lines.map(|field| field.id.as_str()));
    let Some(field) = ledger.field(&plan.lines) else { return };
    let months = field.entry_fields.iter().filter(|sub| sub.kind == FieldType::Month);
    let noun = Noun("月份子字段", "sub-field with a month");
    faults.refers(format!("{pointer}/month"), noun, &plan.month, months.map(|sub| sub.id.as_str()));
}

fn project(pointer: &str, id: &str, organisation: &Organisation, faults: &mut Faults) {
    faults.refers(pointer, PROJECT, id, organisation.projects.iter().map(|project| project.id.as_str()));
}
