//! Catalogues and papers: ids once, numbers in range, references to something.

use std::collections::BTreeSet;

use super::super::catalogues::{CategoryNode, CategorySet, ClauseCatalogue, ResponseSets};
use super::super::organisation::{Role, RoleBook};
use super::super::papers::{Form, Nonconformity, Training};
use super::super::staffing::{PerHouseholds, Staffing, SurgeFormula};
use super::faults::{Faults, Noun};
use super::field;
use super::guard::OPTION;
use super::known::{Known, ROLE};

const TOPIC: Noun = Noun("培训主题", "training topic");
const INPUT: Noun = Noun("输入项", "input");

pub(crate) fn response_sets(sets: &ResponseSets, known: &Known, faults: &mut Faults) {
    faults.unique("/sets", sets.sets.iter().map(|set| set.id.as_str()));
    for (at, set) in sets.sets.iter().enumerate() {
        let pointer = format!("/sets/{at}");
        faults.dotted_id(format!("{pointer}/id"), &set.id);
        let pointer = format!("{pointer}/options");
        if set.options.is_empty() {
            faults.say(&pointer, "选项集没有选项", "a response set has no options");
        }
        faults.unique(&pointer, set.options.iter().map(|option| option.id.as_str()));
        for (at, option) in set.options.iter().enumerate() {
            let pointer = format!("{pointer}/{at}");
            faults.plain_id(format!("{pointer}/id"), &option.id);
            if option.score.is_some_and(|score| !(0.0..=1.0).contains(&score)) {
                faults.say(format!("{pointer}/score"), "分值应在 0 到 1 之间", "a score is from 0 to 1");
            }
            if option.score.is_none() != option.excluded_from_score {
                faults.say(
                    format!("{pointer}/excluded_from_score"),
                    "没有分值的选项须标明不计分,有分值的不能",
                    "an option without a score must be excluded from the score, one with a score must not",
                );
            }
            if let Some(severity) = &option.finding_severity {
                known.severity(faults, format!("{pointer}/finding_severity"), severity);
            }
        }
    }
}

pub(crate) fn categories(set: &CategorySet, known: &Known, faults: &mut Faults) {
    known.ledger(faults, "/used_by", &set.used_by);
    let mut seen = BTreeSet::new();
    nodes("/categories", &set.categories, known, &mut seen, faults);
    faults.unique("/levels", set.levels.iter().map(|level| level.id.as_str()));
    let field = known.ledgers.get(&set.used_by).and_then(|ledger| ledger.field("level"));
    for (at, level) in set.levels.iter().enumerate() {
        let pointer = format!("/levels/{at}");
        if let Some(field) = field {
            let options = field.options.iter().map(|option| option.id.as_str());
            faults.refers(format!("{pointer}/id"), OPTION, &level.id, options);
        }
        faults.not_negative(format!("{pointer}/first_reply_h"), level.first_reply_h);
        faults.not_negative(format!("{pointer}/resolve_h"), level.resolve_h);
        known.roles(faults, &format!("{pointer}/notify"), &level.notify);
    }
}

fn nodes<'c>(
    pointer: &str,
    list: &'c [CategoryNode],
    known: &Known,
    seen: &mut BTreeSet<&'c str>,
    faults: &mut Faults,
) {
    for (at, node) in list.iter().enumerate() {
        let pointer = format!("{pointer}/{at}");
        faults.dotted_id(format!("{pointer}/id"), &node.id);
        faults.once(format!("{pointer}/id"), &node.id, seen);
        if let Some(department) = &node.default_dept {
            known.department(faults, format!("{pointer}/default_dept"), department);
        }
        faults.not_negative(format!("{pointer}/response_h"), node.response_h);
        faults.not_negative(format!("{pointer}/resolve_h"), node.resolve_h);
        if let Some(ledger) = &node.creates {
            known.ledger(faults, format!("{pointer}/creates"), ledger);
        }
        nodes(&format!("{pointer}/children"), &node.children, known, seen, faults);
    }
}

pub(crate) fn clauses(book: &ClauseCatalogue, faults: &mut Faults) {
    let ids = || book.standards.iter().map(|standard| standard.id.as_str());
    faults.unique("/standards", ids());
    for (at, standard) in book.standards.iter().enumerate() {
        let pointer = format!("/standards/{at}");
        faults.plain_id(format!("{pointer}/id"), &standard.id);
        if let Some(next) = &standard.superseded_by {
            faults.refers(format!("{pointer}/superseded_by"), Noun("标准", "standard"), next, ids());
        }
        let pointer = format!("{pointer}/clauses");
        faults.unique(&pointer, standard.clauses.iter().map(|clause| clause.id.as_str()));
        for (at, clause) in standard.clauses.iter().enumerate() {
            let expected = format!("{}.{}", standard.id, clause.clause);
            if clause.id != expected {
                let noun = Noun("条款编号", "id for this clause:");
                faults.refers(format!("{pointer}/{at}/id"), noun, &clause.id, [expected.as_str()]);
            }
        }
    }
}

pub(crate) fn roles(book: &RoleBook, faults: &mut Faults) {
    faults.unique("/org_levels", book.org_levels.iter().map(|level| level.id.as_str()));
    faults.unique("/departments", book.departments.iter().map(|department| department.id.as_str()));
    for (at, department) in book.departments.iter().enumerate() {
        faults.dotted_id(format!("/departments/{at}/id"), &department.id);
    }
    faults.unique("/roles", book.roles.iter().map(|role| role.id.as_str()));
    for (at, role) in book.roles.iter().enumerate() {
        let pointer = format!("/roles/{at}");
        faults.dotted_id(format!("{pointer}/id"), &role.id);
        if let Some(above) = &role.reports_to {
            let place = format!("{pointer}/reports_to");
            faults.refers(&place, ROLE, above, book.roles.iter().map(|role| role.id.as_str()));
            if answers_to_itself(book, role) {
                let zh = "上下级关系成环:这个角色最终向自己汇报";
                faults.say(place, zh, "the lines run in a circle: this role answers to itself in the end");
            }
        }
        for (at, stream) in role.streams.iter().enumerate() {
            let place = format!("{pointer}/streams/{at}");
            faults.plain_id(&place, stream);
            if stream == "definitions" {
                faults.say(
                    place,
                    "数据流 definitions 归分公司专用",
                    "the stream \"definitions\" is the branch's own",
                );
            }
        }
    }
    let policy = &book.device_policy;
    if policy.stale_device_warn_days > policy.stale_device_alert_days {
        faults.say(
            "/device_policy/stale_device_warn_days",
            "提醒天数大于告警天数",
            "the days to the warning are more than the days to the alert",
        );
    }
}

/// True for a role from which the way up comes back to it.
fn answers_to_itself(book: &RoleBook, role: &Role) -> bool {
    let above = |role: &Role| book.roles.iter().find(|other| Some(&other.id) == role.reports_to.as_ref());
    let mut at = above(role);
    for _ in &book.roles {
        match at {
            Some(found) if found.id == role.id => return true,
            Some(found) => at = above(found),
            None => return false,
        }
    }
    false
}

pub(crate) fn nonconformity(model: &Nonconformity, known: &Known, faults: &mut Faults) {
    known.ledger(faults, "/ledger", &model.ledger);
    faults.unique("/severities", model.severities.iter().map(|severity| severity.id.as_str()));
    faults.unique("/classify_by_nature", model.classify_by_nature.iter().map(|nature| nature.id.as_str()));
    let field = known.ledgers.get(&model.ledger).and_then(|ledger| ledger.field("severity"));
    for (at, severity) in model.severities.iter().enumerate() {
        if let Some(field) = field {
            let options = field.options.iter().map(|option| option.id.as_str());
            faults.refers(format!("/severities/{at}/id"), OPTION, &severity.id, options);
        }
        known.roles(faults, &format!("/severities/{at}/notify"), &severity.notify);
    }
    for (at, upgrade) in model.auto_upgrade.iter().enumerate() {
        known.roles(faults, &format!("/auto_upgrade/{at}/needs_confirm_by"), &upgrade.needs_confirm_by);
    }
}

pub(crate) fn staffing(staffing: &Staffing, known: &Known, faults: &mut Faults) {
    let posts = || staffing.posts.iter().map(|post| post.id.as_str());
    let inputs = || staffing.inputs.iter().map(String::as_str);
    faults.unique("/posts", posts());
    for (at, post) in staffing.posts.iter().enumerate() {
        let pointer = format!("/posts/{at}");
        faults.dotted_id(format!("{pointer}/id"), &post.id);
        let divisors = match &post.formula.per_households {
            None => Vec::new(),
            Some(PerHouseholds::Flat(households)) => vec![*households],
            Some(PerHouseholds::ByFeeLevel(table)) => table.values().copied().collect(),
        };
        if divisors.iter().any(|households| *households <= 0.0) {
            faults.say(
                format!("{pointer}/formula/per_households"),
                "每人户数须大于 0",
                "households for each person must be above 0",
            );
        }
        faults.not_negative(format!("{pointer}/formula/shift_factor"), post.formula.shift_factor);
    }
    for (at, surge) in staffing.surge.iter().enumerate() {
        let pointer = format!("/surge/{at}");
        faults.refers(format!("{pointer}/when"), INPUT, &surge.when, inputs());
        for (kind, formula) in &surge.formula {
            if let SurgeFormula::Quotient { input, .. } = formula {
                faults.refers(format!("{pointer}/formula/{kind}"), INPUT, input, inputs());
            }
        }
    }
    for (at, example) in staffing.examples.iter().enumerate() {
        let pointer = format!("/examples/{at}");
        known.project(faults, format!("{pointer}/project"), &example.project);
        for input in example.input.keys() {
            faults.refers(format!("{pointer}/input/{input}"), INPUT, input, inputs());
        }
        for post in example.expect.keys() {
            faults.refers(format!("{pointer}/expect/{post}"), Noun("岗位", "post"), post, posts());
        }
    }
}

pub(crate) fn training(plan: &Training, known: &Known, faults: &mut Faults) {
    let topics = || plan.topics.iter().map(|topic| &topic.id);
    faults.unique("/topics", topics().map(String::as_str));
    for (at, topic) in plan.topics.iter().enumerate() {
        faults.dotted_id(format!("/topics/{at}/id"), &topic.id);
        for (weak, id) in topic.weak.iter().enumerate().filter(|(_, id)| !known.is_weak_point(id)) {
            faults.say(
                format!("/topics/{at}/weak/{weak}"),
                format!("没有以“{id}”开头的类别、检查项或条款"),
                format!("no category, item or clause begins with \"{id}\""),
            );
        }
    }
    for (at, planned) in plan.plan_sample.iter().enumerate() {
        let pointer = format!("/plan_sample/{at}");
        Known::among(faults, format!("{pointer}/topic"), TOPIC, &planned.topic, topics());
        faults.day(format!("{pointer}/planned_on"), &planned.planned_on);
        for (at, project) in planned.target_projects.iter().enumerate() {
            known.project(faults, format!("{pointer}/target_projects/{at}"), project);
        }
    }
    faults.unique("/quiz_sample", plan.quiz_sample.iter().map(|question| question.id.as_str()));
    for (at, question) in plan.quiz_sample.iter().enumerate() {
        Known::among(faults, format!("/quiz_sample/{at}/topic"), TOPIC, &question.topic, topics());
    }
}

pub(crate) fn form(form: &Form, known: &Known, faults: &mut Faults) {
    if !form.id.starts_with("form.") {
        faults.say("/id", "表单编号应以 form. 开头", "the id of a form begins with form.");
    }
    known.ledger(faults, "/ledger", &form.ledger);
    field::check_all("/fields", &form.fields, known, faults);
    faults.unique("/ambiguities", form.ambiguities.iter().map(|ambiguity| ambiguity.id.as_str()));
    for (at, step) in form.flow.iter().enumerate() {
        known.role(faults, format!("/flow/{at}/who"), &step.who);
        if let Some(rule) = &step.deadline_rule {
            known.rule(faults, format!("/flow/{at}/deadline_rule"), rule);
        }
    }
}
