//! Sheets and entries as people see them.

use crate::document::model::Value;
use crate::rules::inspection::view;
use crate::rules::sheet::{InspectionState, InspectionView, MissingKind};
use crate::rules::testing::{Record, catalog, put, text};
use crate::rules::{conflicts, entry, keys};

fn seen(record: &Record) -> InspectionView {
    view(catalog(), catalog().checklist(&record.model.definition).unwrap(), &record.model)
}

fn entry_seen(record: &Record) -> entry::EntryView {
    entry::view(catalog(), catalog().ledger(&record.model.definition).unwrap(), &record.model)
}

fn item(view: &InspectionView, id: &str) -> crate::rules::sheet::ItemView {
    view.sections.iter().flat_map(|section| &section.items).find(|item| item.id == id).unwrap().clone()
}

fn answer_all(sheet: &mut Record, by: &str, option: &str) {
    let checklist = catalog().checklist(&sheet.model.definition).unwrap();
    for item in checklist.items() {
        let value = match item.response_set.as_deref() {
            Some("rs.pass_fail_na") => text(option),
            Some(set) => text(&catalog().response_set(set).unwrap().options[0].id),
            None => Value::Number(0.5),
        };
        sheet.write(by, &keys::item(&item.id), value).unwrap();
    }
}

#[test]
fn an_all_pass_patrol_scores_full_and_lists_what_it_still_lacks() {
    let mut sheet = Record::patrol();
    let empty = seen(&sheet);
    assert_eq!((empty.score.percent, empty.score.passed), (None, None));
    answer_all(&mut sheet, "u.pt01", "pass");
    let full = seen(&sheet);
    assert_eq!((full.score.percent, full.score.passed), (Some(100.0), Some(true)));
    let kinds: Vec<MissingKind> = full.missing.iter().map(|missing| missing.kind).collect();
    assert!(kinds.contains(&MissingKind::Header), "shift, inspectors and start are required");
    assert!(kinds.contains(&MissingKind::Scan) && kinds.contains(&MissingKind::Signoff));
    assert!(!kinds.contains(&MissingKind::Answer));
    for checkpoint in catalog().checkpoints("pj.lanyuan") {
        sheet.write("u.pt02", &keys::scan(&checkpoint.id), text(&checkpoint.tag.code)).unwrap();
    }
    let rest = [
        put("u.pt01", "header/shift", text("day")),
        put("u.pt01", "header/inspectors/u.pt01", Value::Bool(true)),
        put("u.pt01", "header/started_at", Value::Int(1)),
        put("u.pt01", "signoff/inspector_sign", text("signed")),
    ];
    sheet.act("u.pt01", &rest).unwrap();
    assert_eq!(seen(&sheet).missing, vec![]);
    assert!(crate::rules::missing::incomplete(&seen(&sheet)).is_none());
}

#[test]
fn a_failing_answer_asks_for_note_and_photo_and_a_critical_one_fails_the_sheet() {
    let mut sheet = Record::patrol();
    answer_all(&mut sheet, "u.pt01", "pass");
    sheet.write("u.pt01", "item/pp.clean.01", text("fail")).unwrap();
    let view = seen(&sheet);
    let kinds: Vec<MissingKind> = item(&view, "pp.clean.01").missing.iter().map(|m| m.kind).collect();
    assert_eq!(kinds, [MissingKind::Note, MissingKind::Photo]);
    assert_eq!(view.score.passed, Some(true));
    sheet.write("u.pt01", "note/pp.clean.01", text("烟头五处")).unwrap();
    sheet.write("u.pt01", &keys::photo("pp.clean.01", &"ab".repeat(32)), text("image/jpeg")).unwrap();
    assert_eq!(item(&seen(&sheet), "pp.clean.01").missing, vec![]);
    sheet.write("u.pt01", "item/pp.green.02", text("fail")).unwrap();
    let view = seen(&sheet);
    assert_eq!((view.score.critical_failed, view.score.passed), (1, Some(false)));
    assert!(view.score.percent.unwrap() > 90.0);
}

#[test]
fn not_applicable_leaves_the_score_and_numbers_fail_by_the_projects_limit() {
    let mut sheet = Record::patrol();
    sheet.write("u.pt01", "item/pp.green.01", text("pass")).unwrap();
    sheet.write("u.pt01", "item/pp.green.02", text("na")).unwrap();
    assert_eq!(seen(&sheet).score.percent, Some(100.0));
    assert_eq!(seen(&sheet).score.excluded, 1);
    sheet.write("u.pt02", "item/pp.fire.06", Value::Number(0.08)).unwrap();
    let pressure = item(&seen(&sheet), "pp.fire.06");
    assert!(pressure.is_fail && pressure.score == Some(0.0));
    sheet.write("u.pt02", "item/pp.fire.06", Value::Number(0.12)).unwrap();
    assert!(!item(&seen(&sheet), "pp.fire.06").is_fail);
}

#[test]
fn a_clash_keeps_both_answers_scores_nothing_and_is_resolved_by_an_event() {
    let base = Record::patrol();
    let (mut one, mut two) = (base.clone(), base.clone());
    one.write("u.pt01", "item/pp.fire.02", text("pass")).unwrap();
    two.write("u.pt02", "item/pp.fire.02", text("fail")).unwrap();
    two.write("u.pt02", &keys::photo("pp.fire.02", &"cd".repeat(32)), text("image/jpeg")).unwrap();
    one.merge(&base, &two);
    let view = seen(&one);
    let clashing = item(&view, "pp.fire.02");
    assert!(clashing.is_clash && clashing.is_fail && clashing.score == Some(0.0));
    assert_eq!((clashing.answers.len(), clashing.photos.len()), (2, 1));
    assert_eq!(view.score.passed, Some(false));
    assert_eq!(view.clashes, ["item/pp.fire.02"]);
    let clash = conflicts(catalog(), &one.model).remove(0);
    assert_eq!(clash.sides.iter().map(|side| side.by.as_str()).collect::<Vec<_>>(), ["u.pt01", "u.pt02"]);
    let key = text("item/pp.fire.02");
    let resolve = one.event("u.csl01", keys::RESOLVE, &[(keys::DATA_KEY, key)]);
    one.act("u.csl01", &[put("u.csl01", "item/pp.fire.02", text("fail")), resolve]).unwrap();
    assert_eq!(conflicts(catalog(), &one.model), vec![]);
}

#[test]
fn a_clash_of_passing_answers_still_counts_as_a_failure_until_decided() {
    let base = Record::patrol();
    let (mut one, mut two) = (base.clone(), base.clone());
    one.write("u.pt01", "item/pp.green.01", text("pass")).unwrap();
    two.write("u.pt02", "item/pp.green.01", text("na")).unwrap();
    one.merge(&base, &two);
    assert!(item(&seen(&one), "pp.green.01").is_fail);
    assert_eq!(seen(&one).score.percent, Some(0.0));
}

#[test]
fn conditional_items_follow_answers_and_the_project() {
    let mut sheet = Record::patrol();
    assert!(item(&seen(&sheet), "pp.fac.06").is_visible, "Lanyuan has a pond");
    let depends = catalog()
        .checklist(&sheet.model.definition)
        .unwrap()
        .items()
        .find(|item| matches!(item.visible_if, Some(crate::definition::Expr::AnswerIs { .. })))
        .unwrap()
        .id
        .clone();
    assert!(!item(&seen(&sheet), &depends).is_visible);
    sheet.write("u.pt01", "item/pp.lift.02", text("fail")).unwrap();
    assert!(item(&seen(&sheet), &depends).is_visible);
    let mut dry = Record::of("tpl.park_patrol", "pj.xiyuan");
    dry.model.apply(&put("u.x", "header/project_id", text("pj.xiyuan")));
    assert!(!item(&seen(&dry), "pp.fac.06").is_visible);
}

#[test]
fn an_audit_counts_by_severity_and_takes_notes_as_evidence() {
    let mut sheet = Record::of("tpl.ims_internal_audit", "pj.xiyuan");
    sheet.open("u.aud01").unwrap();
    for (id, option) in
        [("ia.ctx.01", "conform"), ("ia.ctx.02", "obs"), ("ia.lead.01", "minor"), ("ia.lead.02", "na")]
    {
        sheet.write("u.aud01", &keys::item(id), text(option)).unwrap();
    }
    let view = seen(&sheet);
    assert_eq!(view.score.percent, Some(66.67));
    assert_eq!(
        view.score.counts,
        [("major".to_owned(), 0), ("minor".to_owned(), 1), ("observation".to_owned(), 1)]
    );
    let kinds: Vec<MissingKind> = item(&view, "ia.lead.01").missing.iter().map(|m| m.kind).collect();
    assert_eq!(kinds, [MissingKind::Note, MissingKind::Evidence]);
}

#[test]
fn a_sheet_is_completed_reviewed_and_amended() {
    let mut sheet = Record::patrol();
    assert_eq!(seen(&sheet).state, InspectionState::Open);
    sheet.record("u.pt01", keys::COMPLETE, &[]).unwrap();
    sheet.record("u.csl01", keys::REVIEW, &[]).unwrap();
    assert_eq!(seen(&sheet).state, InspectionState::Reviewed);
    assert_eq!(seen(&sheet).reviewed.unwrap().by.as_str(), "u.csl01");
    let amend = sheet.event("u.pt01", keys::AMEND, &[("reason", text("漏看一处"))]);
    sheet.act("u.pt01", &[amend, put("u.pt01", "item/pp.green.01", text("fail"))]).unwrap();
    let view = seen(&sheet);
    assert_eq!((view.state, view.amendments[0].reason.as_str()), (InspectionState::Completed, "漏看一处"));
}

#[test]
fn an_unseen_amendment_takes_the_review_back() {
    let mut base = Record::patrol();
    base.record("u.pt01", keys::COMPLETE, &[]).unwrap();
    let (mut one, mut two) = (base.clone(), base.clone());
    one.record("u.csl01", keys::REVIEW, &[]).unwrap();
    two.record("u.pt02", keys::AMEND, &[("reason", text("补充"))]).unwrap();
    one.merge(&base, &two);
    assert_eq!(seen(&one).state, InspectionState::Completed);
}

#[test]
fn concurrent_fields_follow_their_policy() {
    let base = Record::desk();
    let (mut one, mut two) = (base.clone(), base.clone());
    for (record, by, urgency, dept) in
        [(&mut one, "u.fd01", "urgent", "dept.sec"), (&mut two, "u.fd02", "emergency", "dept.clean")]
    {
        record.write(by, "field/urgency", text(urgency)).unwrap();
        record.write(by, "field/owner_dept", text(dept)).unwrap();
        record.write(by, "field/caller_name", text(by)).unwrap();
    }
    one.merge(&base, &two);
    let view = entry_seen(&one);
    let field = |id: &str| view.fields.iter().find(|field| field.id == id).unwrap().clone();
    assert_eq!(field("urgency").content, entry::FieldContent::One(text("emergency")));
    assert!(!field("urgency").is_clash && field("owner_dept").is_clash && !field("caller_name").is_clash);
    assert_eq!(view.clashes, ["field/owner_dept"]);
    assert!(view.needs_decision);
    assert_eq!(conflicts(catalog(), &one.model).len(), 1);
}

#[test]
fn write_once_keeps_the_earliest_and_lists_the_other() {
    let base = Record::desk();
    let mut merged = base.clone();
    let mut others = base.clone();
    let stamp = |by: &str, at_ms: i64| crate::document::model::Stamped {
        value: text(by),
        by: crate::id::UserId::new(by),
        at_ms,
    };
    let mine =
        crate::document::model::Edit::Put { key: "field/first_contact".into(), stamped: stamp("u.fd02", 9) };
    let theirs =
        crate::document::model::Edit::Put { key: "field/first_contact".into(), stamped: stamp("u.fd01", 5) };
    merged.model.apply(&mine);
    others.model.apply(&theirs);
    merged.merge(&base, &others);
    let view = entry_seen(&merged);
    assert_eq!(view.first_contact.as_deref(), Some("u.fd01"));
    assert_eq!(view.clashes, ["field/first_contact"]);
}

#[test]
fn satisfaction_follows_from_the_last_visit() {
    let mut entry = Record::desk();
    entry.record("u.fd01", "assign", &[]).unwrap();
    entry.record("u.eng01", "handle", &[("result", text("完成"))]).unwrap();
    let visit = |level: &str| [("satisfaction", text(level)), ("channel", text("phone"))];
    entry.record("u.fd01", "visit", &visit("s3")).unwrap();
    let base = entry.clone();
    entry.record("u.fd01", "visit", &visit("s5")).unwrap();
    let mut other = base.clone();
    other.record("u.fd02", "visit", &visit("s4")).unwrap();
    entry.merge(&base, &other);
    let view = entry_seen(&entry);
    let satisfaction = view.fields.iter().find(|field| field.id == "satisfaction").unwrap();
    assert_eq!(satisfaction.content, entry::FieldContent::One(text("s4")), "the worse of two unseen visits");
    assert_eq!(view.state, "visited");
}

#[test]
fn extensions_move_the_due_day_and_escalations_stay() {
    let mut finding = Record::of("led.finding", "pj.lanyuan");
    finding.model.apply(&put("u.pt01", "field/project_id", text("pj.lanyuan")));
    finding.model.apply(&put("u.pt01", "field/due", text("2026-12-01")));
    let create = finding.event("u.pt01", "raise", &[]);
    finding.model.apply(&create);
    let plan = finding.event("u.pm01", "plan", &[]);
    finding.model.apply(&plan);
    finding.record("u.pm01", "extend", &[("new_due", text("2026-12-20")), ("reason", text("等料"))]).unwrap();
    let view = entry_seen(&finding);
    assert_eq!(view.due.as_deref(), Some("2026-12-20"));
    assert_eq!((view.state.as_str(), view.marks.as_slice()), ("planned", ["extend".to_owned()].as_slice()));
    assert!(view.transitions.iter().any(|step| step.id == "submit" && step.missing == ["evidence"]));
}

#[test]
fn content_that_arrives_after_a_final_state_is_marked_late() {
    let base = Record::desk();
    let mut closed = base.clone();
    closed.record("u.csl01", "cancel", &[("reason", text("重复"))]).unwrap();
    let late = [put("u.fd01", "field/caller_name", text("王*"))];
    let mut own = base.clone();
    own.act("u.fd01", &late).unwrap();
    let before = base.model.clone();
    let mut after = closed.clone();
    after.merge(&base, &own);
    let ledger = catalog().ledger(&before.definition).unwrap();
    let data = entry::late_edit(ledger, &before, &after.model, &late).unwrap();
    assert_eq!(data[keys::DATA_KEYS], text("field/caller_name"));
    after.record("sys.server", keys::LATE_EDIT, &[(keys::DATA_KEYS, data[keys::DATA_KEYS].clone())]).unwrap();
    assert!(entry_seen(&after).events.iter().any(|event| event.title.en == "Late edit"));
    let mut cancelling = base.clone();
    let cancel = cancelling.event("u.csl01", "cancel", &[("reason", text("重复"))]);
    assert_eq!(entry::late_edit(ledger, &before, &closed.model, &[cancel]), None, "closing is not late");
}

#[test]
fn an_entry_says_who_may_do_what_next() {
    let mut desk = Record::desk();
    desk.record("u.fd01", "assign", &[]).unwrap();
    desk.record("u.eng01", "handle", &[("result", text("完成"))]).unwrap();
    let view = entry_seen(&desk);
    let step = |id: &str| view.transitions.iter().find(|step| step.id == id).unwrap();
    let front = ["role.front_desk".to_owned()];
    assert_eq!(step("close").guard_holds, Some(false), "a return visit comes first");
    assert!(!step("close").is_open_to(&front));
    assert_eq!(
        (step("visit").missing.as_slice(), step("visit").guard_holds),
        (["satisfaction".to_owned()].as_slice(), Some(true))
    );
    assert!(step("visit").is_open_to(&front) && !step("visit").is_open_to(&["role.eng_lead".to_owned()]));
    assert_eq!(step("visit_bad").guard_holds, None);
}
