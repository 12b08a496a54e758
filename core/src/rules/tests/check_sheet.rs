//! What may be written on a sheet.

use crate::document::model::{Edit, Event, Value};
use crate::error::Refusal;
use crate::id::{ContentHash, DefinitionRef, ScopeId, UserId};
use crate::rules::testing::{Record, catalog, put, text};
use crate::rules::{Author, check, codes, keys};

fn code(result: Result<(), Refusal>) -> String {
    result.map_or_else(|refusal| refusal.code, |()| "ok".to_owned())
}

#[test]
fn people_answer_where_their_role_and_grant_reach() {
    let mut sheet = Record::patrol();
    let mut write = |by: &str| code(sheet.write(by, "item/pp.green.01", text("pass")));
    assert_eq!(write("u.pt02"), "ok");
    assert_eq!(write("u.pm01"), codes::ROLE_NOT_ALLOWED);
    assert_eq!(write("u.fd01"), codes::SCOPE_NOT_GRANTED);
    assert_eq!(write("u.pm02"), codes::SCOPE_NOT_GRANTED);
    assert_eq!(write("u.ghost"), codes::UNKNOWN_USER);
}

#[test]
fn a_record_begins_once_and_in_its_own_project() {
    let mut sheet = Record::of("tpl.park_patrol", "pj.lanyuan");
    assert_eq!(code(sheet.write("u.pt01", "item/pp.green.01", text("pass"))), codes::CREATION);
    let create = sheet.event("u.pt01", keys::CREATE, &[]);
    assert_eq!(code(sheet.act("u.pt01", std::slice::from_ref(&create))), codes::WRONG_PROJECT);
    let elsewhere = put("u.pt01", "header/project_id", text("pj.xiyuan"));
    assert_eq!(code(sheet.act("u.pt01", &[create, elsewhere])), codes::WRONG_PROJECT);
    sheet.open("u.pt01").unwrap();
    assert_eq!(code(sheet.open("u.pt01")), codes::CREATION);
    assert_eq!(code(sheet.write("u.pt01", "header/project_id", text("pj.xiyuan"))), codes::WRONG_PROJECT);
}

#[test]
fn unknown_versions_and_foreign_streams_are_refused() {
    let sheet = Record::patrol();
    let user = UserId::new("u.pt01");
    let author = Author { user: &user, is_server: false };
    let mut unknown = sheet.model.clone();
    unknown.definition = DefinitionRef { hash: ContentHash([9; 32]), ..unknown.definition };
    let edits = [put("u.pt01", "item/pp.green.01", text("pass"))];
    assert_eq!(code(check(catalog(), &sheet.scope, &author, &unknown, &edits)), codes::UNKNOWN_DEFINITION);
    let finding = ScopeId::of("pj.lanyuan", "finding");
    assert_eq!(code(check(catalog(), &finding, &author, &sheet.model, &edits)), codes::WRONG_STREAM);
}

#[test]
fn only_what_the_checklist_declares_is_written() {
    let mut sheet = Record::patrol();
    let mut write = |key: &str, value: Value| code(sheet.write("u.pt01", key, value));
    assert_eq!(write("item/pp.green.99", text("pass")), codes::UNKNOWN_ITEM);
    assert_eq!(write("item/pp.green.01", text("maybe")), codes::UNKNOWN_OPTION);
    assert_eq!(write("item/pp.green.01", Value::Number(1.0)), codes::WRONG_TYPE);
    assert_eq!(write("item/pp.fire.06", Value::Number(9.0)), codes::NUMBER_OUT_OF_RANGE);
    assert_eq!(write("item/pp.fire.06", Value::Number(0.123_456)), codes::NUMBER_OUT_OF_RANGE);
    assert_eq!(write("item/pp.fire.06", Value::Number(f64::NAN)), codes::NUMBER_OUT_OF_RANGE);
    assert_eq!(write("item/pp.fire.06", Value::Number(0.12)), "ok");
    assert_eq!(write("note/pp.green.01", text(&"字".repeat(10_001))), codes::TEXT_TOO_LONG);
    assert_eq!(write("photo/pp.green.01/abc", text("image/jpeg")), codes::UNKNOWN_KEY);
    assert_eq!(write("header/mood", text("good")), codes::UNKNOWN_KEY);
    assert_eq!(write("header/shift", text("noon")), codes::UNKNOWN_OPTION);
    assert_eq!(write("header/inspectors/u.nobody", Value::Bool(true)), codes::UNKNOWN_OPTION);
    assert_eq!(write("header/inspectors", text("u.pt01,u.pt02")), "ok");
    assert_eq!(write("field/urgency", text("normal")), codes::UNKNOWN_KEY);
    assert_eq!(write("scan/cp.nowhere", text("X")), codes::UNKNOWN_KEY);
    assert_eq!(write("scan/cp.lanyuan.01", text("bypass: ")), codes::REQUIREMENT_MISSING);
    assert_eq!(write("scan/cp.lanyuan.01", text("bypass:标签脱落")), "ok");
    assert_eq!(write("group/pp.other/l1/desc", text("地面破损")), "ok");
    assert_eq!(write("group/pp.other/l1/colour", text("red")), codes::UNKNOWN_KEY);
    assert_eq!(write("signoff/supervisor_review", text("x")), codes::UNKNOWN_KEY);
}

#[test]
fn signatures_are_given_by_their_role_and_the_owners_on_the_guides_device() {
    let mut sheet = Record::patrol();
    assert_eq!(code(sheet.write("u.csl01", "signoff/inspector_sign", text("x"))), codes::ROLE_NOT_ALLOWED);
    let mut unit = Record::of("tpl.handover_unit", "pj.jiangwan");
    unit.open("u.hg01").unwrap();
    unit.write("u.hg01", "signoff/owner_sign", text("sha")).unwrap();
}

#[test]
fn nobody_writes_in_anothers_name() {
    let mut sheet = Record::patrol();
    let forged = put("u.pt02", "item/pp.green.01", text("pass"));
    assert_eq!(code(sheet.act("u.pt01", &[forged])), codes::FOREIGN_AUTHOR);
}

#[test]
fn events_name_what_their_author_saw() {
    let mut sheet = Record::patrol();
    let honest = sheet.event("u.pt01", keys::COMPLETE, &[]);
    let Edit::Event(event) = honest else { unreachable!() };
    let blind = Edit::Event(Event { after: vec![], ..event.clone() });
    assert_eq!(code(sheet.act("u.pt01", &[blind])), codes::EVENT_ANCESTRY);
    let invented =
        Edit::Event(Event { after: vec!["u.x-9".into(), event.after[0].clone()], ..event.clone() });
    assert_eq!(code(sheet.act("u.pt01", &[invented])), codes::EVENT_ANCESTRY);
    let elsewhere = Edit::Event(Event { from: "reviewed".into(), ..event.clone() });
    assert_eq!(code(sheet.act("u.pt01", &[elsewhere])), codes::STATE_MISMATCH);
    let unknown = Edit::Event(Event { kind: "explode".into(), ..event });
    assert_eq!(code(sheet.act("u.pt01", &[unknown])), codes::UNKNOWN_EVENT);
}

#[test]
fn a_finished_sheet_changes_by_amendment_only() {
    let mut sheet = Record::patrol();
    sheet.record("u.pt01", keys::COMPLETE, &[]).unwrap();
    assert_eq!(code(sheet.write("u.pt01", "item/pp.green.01", text("fail"))), codes::AMENDMENT_NEEDED);
    assert_eq!(code(sheet.record("u.pt01", keys::AMEND, &[])), codes::REQUIREMENT_MISSING);
    assert_eq!(code(sheet.record("u.pt01", keys::COMPLETE, &[])), codes::TRANSITION_NOT_ALLOWED);
    assert_eq!(code(sheet.write("u.pt01", "signoff/inspector_sign", text("x"))), "ok");
    let amend = sheet.event("u.pt01", keys::AMEND, &[("reason", text("补判"))]);
    sheet.act("u.pt01", &[put("u.pt01", "item/pp.green.01", text("fail")), amend]).unwrap();
}

#[test]
fn reviews_are_for_supervisors_and_finished_sheets() {
    let mut sheet = Record::patrol();
    assert_eq!(code(sheet.record("u.csl01", keys::REVIEW, &[])), codes::TRANSITION_NOT_ALLOWED);
    sheet.record("u.pt01", keys::COMPLETE, &[]).unwrap();
    assert_eq!(code(sheet.record("u.pt01", keys::REVIEW, &[])), codes::ROLE_NOT_ALLOWED);
    sheet.record("u.csl01", keys::REVIEW, &[]).unwrap();
}

#[test]
fn a_decision_names_something_and_brings_a_value() {
    let mut sheet = Record::patrol();
    sheet.write("u.pt01", "item/pp.green.01", text("pass")).unwrap();
    let alone = [(keys::DATA_KEY, text("item/pp.green.01"))];
    assert_eq!(code(sheet.record("u.pt01", keys::RESOLVE, &alone)), codes::RESOLVE_TARGET);
    assert_eq!(code(sheet.record("u.pt01", keys::RESOLVE, &[])), codes::RESOLVE_TARGET);
    assert_eq!(code(sheet.record("u.pt01", keys::LATE_EDIT, &[])), codes::SERVER_ONLY);
}

#[test]
fn a_decision_chooses_among_what_was_written() {
    let base = Record::patrol();
    let (mut one, mut two) = (base.clone(), base.clone());
    one.write("u.pt01", "item/pp.green.01", text("pass")).unwrap();
    two.write("u.pt02", "item/pp.green.01", text("fail")).unwrap();
    one.merge(&base, &two);
    let key = [(keys::DATA_KEY, text("item/pp.green.01"))];
    let third = one.event("u.pt01", keys::RESOLVE, &key);
    let written = put("u.pt01", "item/pp.green.01", text("na"));
    assert_eq!(code(one.act("u.pt01", &[third, written])), codes::RESOLVE_TARGET);
}

#[test]
fn nobody_audits_the_own_project() {
    let mut own = Record::of("tpl.ims_internal_audit", "pj.xiyuan");
    assert_eq!(code(own.open("u.aud02")), codes::OWN_WORK);
    Record::of("tpl.ims_internal_audit", "pj.lanyuan").open("u.aud02").unwrap();
}

#[test]
fn a_group_takes_no_more_lines_than_it_may() {
    let mut sheet = Record::patrol();
    for line in 0..20 {
        sheet.write("u.pt01", &keys::group("pp.other", &format!("l{line}"), "desc"), text("x")).unwrap();
    }
    let more = keys::group("pp.other", "l20", "desc");
    assert_eq!(code(sheet.write("u.pt01", &more, text("x"))), codes::TOO_MANY);
    sheet.write("u.pt01", &keys::group("pp.other", "l0", "desc"), Value::Null).unwrap();
    sheet.write("u.pt01", &more, text("x")).unwrap();
}
