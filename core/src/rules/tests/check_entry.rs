//! What may be written on a ledger entry.

use crate::document::model::{Edit, Value};
use crate::error::Refusal;
use crate::rules::testing::{Record, catalog, put, text};
use crate::rules::{codes, entry, keys};

fn code(result: Result<(), Refusal>) -> String {
    result.map_or_else(|refusal| refusal.code, |()| "ok".to_owned())
}

fn finding(source: &str, severity: &str) -> Record {
    let mut finding = Record::of("led.finding", "pj.lanyuan");
    let by = if source == "audit" { "u.aud01" } else { "u.pt01" };
    let mut edits = vec![finding.event(by, "raise", &[])];
    for (id, value) in [
        ("project_id", "pj.lanyuan"),
        ("created_by", by),
        ("source", source),
        ("severity", severity),
        ("owner_dept", "dept.green"),
        ("due", "2026-11-24"),
    ] {
        edits.push(put(by, &keys::field(id), text(value)));
    }
    edits.push(put(by, "field/created_at", Value::Int(1)));
    edits.push(Edit::Text { key: "statement".into(), to: Some("断枝".into()) });
    finding.act(by, &edits).unwrap();
    finding
}

#[test]
fn a_new_entry_holds_what_its_ledger_requires() {
    let mut entry = Record::of("led.care_visit", "pj.lanyuan");
    let create = entry.event("u.fd01", keys::CREATE, &[]);
    let mut edits = vec![create, put("u.fd01", "field/project_id", text("pj.lanyuan"))];
    assert_eq!(code(entry.act("u.fd01", &edits)), codes::FIELD_REQUIRED);
    edits.push(put("u.fd01", "field/created_by", text("u.fd01")));
    edits.push(put("u.fd01", "field/created_at", Value::Int(1)));
    edits.push(put("u.fd01", "field/group", text("elder_alone")));
    entry.act("u.fd01", &edits).unwrap();
}

#[test]
fn fields_keep_their_policy() {
    let mut desk = Record::desk();
    let mut write = |key: &str, value: Value| code(desk.write("u.fd01", key, value));
    assert_eq!(write("field/first_contact", text("u.fd02")), codes::WRITE_ONCE);
    assert_eq!(write("field/first_contact", text("u.fd01")), "ok");
    assert_eq!(write("field/no", text("QT-1")), codes::SERVER_ONLY);
    assert_eq!(write("field/satisfaction", text("s5")), codes::DERIVED);
    assert_eq!(write("field/events", text("x")), codes::UNKNOWN_KEY);
    assert_eq!(write("field/content", text("x")), codes::UNKNOWN_KEY);
    assert_eq!(write("field/mood", text("x")), codes::UNKNOWN_KEY);
    assert_eq!(write("field/channel", text("pigeon")), codes::UNKNOWN_OPTION);
    assert_eq!(write("field/category", text("cp.sec")), codes::UNKNOWN_OPTION);
    assert_eq!(write("field/handler", text("u.nobody")), codes::UNKNOWN_OPTION);
    assert_eq!(write("field/promised_at", text("soon")), codes::WRONG_TYPE);
    assert_eq!(write("field/temp_no", text("A7-0012")), "ok");
    assert_eq!(write("field/temp_no", text("A7-0013")), codes::WRITE_ONCE);
    assert_eq!(write(&keys::set("photos", "abc"), Value::Bool(true)), codes::WRONG_TYPE);
    assert_eq!(write(&keys::set("photos", &"0a".repeat(32)), Value::Bool(true)), "ok");
    assert_eq!(write("item/pp.green.01", text("pass")), codes::UNKNOWN_KEY);
    desk.write("sys.server", "field/no", text("QT-LY-20261120-0007")).unwrap();
}

#[test]
fn lines_that_are_only_added_to_stay_as_written() {
    let mut desk = Record::desk();
    desk.write("u.fd01", "line/visits/v1/note", text("已回访")).unwrap();
    assert_eq!(code(desk.write("u.fd02", "line/visits/v1/note", text("改"))), codes::WRITE_ONCE);
    assert_eq!(code(desk.write("u.fd02", "line/visits/v1/note", Value::Null)), codes::WRITE_ONCE);
    assert_eq!(code(desk.write("u.fd02", "line/visits/v2/colour", text("x"))), codes::UNKNOWN_KEY);
    desk.write("u.fd02", "line/visits/v2/note", text("再访")).unwrap();
}

#[test]
fn steps_ask_for_role_state_and_requirements() {
    let mut desk = Record::desk();
    assert_eq!(code(desk.record("u.eng01", "assign", &[])), codes::ROLE_NOT_ALLOWED);
    assert_eq!(code(desk.record("u.fd01", "close", &[])), codes::TRANSITION_NOT_ALLOWED);
    assert_eq!(code(desk.record("u.csl01", "cancel", &[])), codes::REQUIREMENT_MISSING);
    desk.record("u.fd01", "assign", &[]).unwrap();
    assert_eq!(code(desk.record("u.eng01", "handle", &[])), codes::REQUIREMENT_MISSING);
    let handle = desk.event("u.eng01", "handle", &[]);
    let result = Edit::Text { key: "result".into(), to: Some("已换管".into()) };
    desk.act("u.eng01", &[result, handle]).unwrap();
    assert_eq!(code(desk.record("u.fd01", "close", &[])), codes::GUARD_FAILED, "suggestions are all visited");
    let visit = [("channel", text("phone")), ("satisfaction", text("s4"))];
    desk.record("u.fd01", "visit", &visit).unwrap();
    desk.record("u.fd01", "close", &[]).unwrap();
    assert_eq!(desk.state(), "closed");
}

#[test]
fn a_text_read_back_from_operations_counts_as_written() {
    let mut desk = Record::desk();
    desk.record("u.fd01", "assign", &[]).unwrap();
    let handle = desk.event("u.eng01", "handle", &[]);
    desk.act("u.eng01", &[Edit::Text { key: "result".into(), to: None }, handle]).unwrap();
}

#[test]
fn a_final_state_that_was_seen_opens_only_by_its_own_step() {
    let mut desk = Record::desk();
    desk.record("u.csl01", "cancel", &[("reason", text("重复"))]).unwrap();
    assert_eq!(code(desk.write("u.fd01", "field/urgency", text("urgent"))), codes::FINAL_STATE);
    assert_eq!(code(desk.record("u.fd01", "assign", &[])), codes::FINAL_STATE);
    let mut closed = finding("patrol", "minor");
    closed.record("u.bcm01", "void", &[("reason", text("误判"))]).unwrap();
    let text_edit = Edit::Text { key: "correction".into(), to: Some("x".into()) };
    assert_eq!(code(closed.act("u.pt01", &[text_edit])), codes::FINAL_STATE);
}

#[test]
fn reopening_may_bring_its_changes_along() {
    let mut desk = Record::desk();
    desk.record("u.fd01", "assign", &[]).unwrap();
    desk.record("u.eng01", "handle", &[("result", text("完成"))]).unwrap();
    desk.record("u.fd01", "visit", &[("channel", text("phone")), ("satisfaction", text("s4"))]).unwrap();
    desk.record("u.fd01", "close", &[]).unwrap();
    let reopen = desk.event("u.csl01", "reopen", &[("reason", text("又漏"))]);
    desk.act("u.csl01", &[reopen, put("u.csl01", "field/urgency", text("urgent"))]).unwrap();
    assert_eq!(desk.state(), "in_progress");
}

#[test]
fn a_small_patrol_finding_takes_the_short_way_and_a_major_one_does_not() {
    let evidence = keys::set("evidence", &"ee".repeat(32));
    let short = |record: &mut Record| {
        record.write("u.pt01", &evidence, Value::Bool(true)).unwrap();
        let fix = record.event("u.pt01", "fix_on_spot", &[]);
        let correction = Edit::Text { key: "correction".into(), to: Some("已锯除".into()) };
        code(record.act("u.pt01", &[correction, fix]))
    };
    assert_eq!(short(&mut finding("patrol", "minor")), "ok");
    assert_eq!(short(&mut finding("patrol", "major")), codes::GUARD_FAILED);
    assert_eq!(short(&mut finding("audit", "minor")), codes::GUARD_FAILED);
}

#[test]
fn a_finding_is_verified_by_someone_else_than_its_owners() {
    let mut finding = finding("patrol", "minor");
    finding.write("u.pm01", "line/actions/a1/desc", text("加固")).unwrap();
    finding.write("u.pm01", "line/actions/a1/owner", text("u.bcs01")).unwrap();
    assert_eq!(code(finding.record("u.pm01", "plan", &[])), codes::GUARD_FAILED, "the cause is missing");
    let plan = finding.event("u.pm01", "plan", &[]);
    finding.act("u.pm01", &[Edit::Text { key: "root_cause".into(), to: Some("台风".into()) }, plan]).unwrap();
    finding.write("u.pm01", &keys::set("evidence", &"ee".repeat(32)), Value::Bool(true)).unwrap();
    assert_eq!(code(finding.record("u.pm01", "submit", &[])), codes::GUARD_FAILED, "an action is open");
    finding.write("u.pm01", "line/actions/a1/done_at", text("2026-11-24")).unwrap();
    finding.record("u.pm01", "submit", &[]).unwrap();
    let verification = [("verification", text("有效"))];
    assert_eq!(code(finding.record("u.bcs01", "verify_ok", &verification)), codes::GUARD_FAILED);
    finding.record("u.aud01", "verify_ok", &verification).unwrap();
    assert_eq!(finding.state(), "closed");
}

#[test]
fn rules_escalate_and_people_with_the_role_do() {
    let mut complaint = Record::of("led.complaint", "pj.lanyuan");
    let mut edits = vec![complaint.event("u.fd01", keys::CREATE, &[])];
    for (id, value) in [
        ("project_id", "pj.lanyuan"),
        ("created_by", "u.fd01"),
        ("category", "cp.eng.repeat"),
        ("level", "important"),
        ("first_contact", "u.fd01"),
        ("owner_dept", "dept.eng"),
    ] {
        edits.push(put("u.fd01", &keys::field(id), text(value)));
    }
    edits.push(put("u.fd01", "field/created_at", Value::Int(1)));
    edits.push(Edit::Text { key: "content".into(), to: Some("第三次漏水".into()) });
    complaint.act("u.fd01", &edits).unwrap();
    complaint.record("sys.server", "escalate_branch", &[]).unwrap();
    assert_eq!(code(complaint.record("sys.server", "classify", &[])), codes::ROLE_NOT_ALLOWED);
    complaint.record("u.csl01", "classify", &[]).unwrap();
    assert_eq!(complaint.state(), "classified");
    let ledger = catalog().ledger(&complaint.model.definition).unwrap();
    assert_eq!(entry::view(catalog(), ledger, &complaint.model).marks, ["escalate_branch"]);
}

#[test]
fn thin_ledgers_run_without_a_line_of_their_own() {
    let mut issue = Record::of("led.project_issue", "pj.lanyuan");
    let mut edits = vec![issue.event("u.bcs01", keys::CREATE, &[])];
    for (id, value) in [("project_id", "pj.lanyuan"), ("created_by", "u.bcs01"), ("class", "external")] {
        edits.push(put("u.bcs01", &keys::field(id), text(value)));
    }
    edits.push(put("u.bcs01", "field/created_at", Value::Int(1)));
    edits.push(Edit::Text { key: "desc".into(), to: Some("开发商遗留".into()) });
    issue.act("u.bcs01", &edits).unwrap();
    for (kind, state) in [("analyse", "analysed"), ("start", "doing"), ("close", "closed")] {
        issue.record("u.bcm01", kind, &[]).unwrap();
        assert_eq!(issue.state(), state);
    }
    assert_eq!(code(issue.record("u.bcm01", "step_back", &[])), codes::REQUIREMENT_MISSING);
    let reason = [("reason", text("未解决"))];
    let by_project = issue.record("u.pm01", "step_back", &reason);
    assert_eq!(code(by_project), codes::ROLE_NOT_ALLOWED, "who may not close it does not take that back");
    issue.record("u.bcm01", "step_back", &reason).unwrap();
    assert_eq!(issue.state(), "doing");
}

#[test]
fn a_ledger_says_who_begins_who_steps_who_writes_and_what_is_ones_own() {
    let mut notice = Record::of("led.notice", "br.hz");
    let begin = |by: &str, notice: &mut Record| {
        let mut edits = vec![notice.event(by, keys::CREATE, &[])];
        for (id, value) in
            [("project_id", "br.hz"), ("created_by", by), ("direction", "down"), ("title_text", "防冻检查")]
        {
            edits.push(put(by, &keys::field(id), text(value)));
        }
        edits.push(put(by, "field/created_at", Value::Int(1)));
        edits.push(put(by, "set/targets/pj.lanyuan", Value::Bool(true)));
        edits.push(Edit::Text { key: "body".into(), to: Some("周五前完成".into()) });
        notice.act(by, &edits)
    };
    assert_eq!(code(begin("u.fd01", &mut notice)), codes::ROLE_NOT_ALLOWED);
    begin("u.bcm01", &mut notice).unwrap();
    assert_eq!(code(notice.record("u.fd01", "publish", &[])), codes::ROLE_NOT_ALLOWED);
    notice.record("u.hr01", "publish", &[]).unwrap();
    // The text belongs to those who lead; whoever received it signs, in the own name only.
    assert_eq!(code(notice.write("u.fd01", "field/title_text", text("改题"))), codes::ROLE_NOT_ALLOWED);
    let other = Edit::Text { key: "body".into(), to: Some("不必".into()) };
    assert_eq!(code(notice.act("u.fd01", &[other])), codes::ROLE_NOT_ALLOWED);
    assert_eq!(
        code(notice.write("u.fd01", "set/targets/pj.xiyuan", Value::Bool(true))),
        codes::ROLE_NOT_ALLOWED
    );
    assert_eq!(code(notice.write("u.fd01", "line/acks/a/user", text("u.csl01"))), codes::FOREIGN_AUTHOR);
    notice.write("u.fd01", "line/acks/a/user", text("u.fd01")).unwrap();
    // A step may ask for conditions and for what must be there.
    let mut order = Record::of("led.dispatch", "pj.lanyuan");
    let mut edits = vec![order.event("u.csl01", keys::CREATE, &[])];
    for (id, value) in [("project_id", "pj.lanyuan"), ("created_by", "u.csl01"), ("event", "handover")] {
        edits.push(put("u.csl01", &keys::field(id), text(value)));
    }
    edits.push(put("u.csl01", "field/created_at", Value::Int(1)));
    order.act("u.csl01", &edits).unwrap();
    assert_eq!(code(order.record("u.bcm01", "approve", &[])), codes::REQUIREMENT_MISSING);
    order.write("u.csl01", "line/need/n/post", text("陪同验房员")).unwrap();
    order.record("u.bcm01", "approve", &[]).unwrap();
    assert_eq!(code(order.write("u.csl01", "line/assigned/a/user", text("u.pt01"))), codes::ROLE_NOT_ALLOWED);
    order.write("u.bcs01", "line/assigned/a/user", text("u.pt01")).unwrap();
}

#[test]
fn two_first_contacts_are_decided_by_an_event_that_names_the_field() {
    let base = Record::desk();
    let (mut one, mut two) = (base.clone(), base.clone());
    one.model.apply(&put("u.csl01", "field/first_contact", text("u.csl01")));
    two.model.apply(&put("u.fd02", "field/first_contact", text("u.fd02")));
    one.merge(&base, &two);
    let choose = put("u.csl01", "field/first_contact", text("u.fd02"));
    assert_eq!(code(one.act("u.csl01", std::slice::from_ref(&choose))), codes::WRITE_ONCE);
    let resolve = one.event("u.csl01", keys::RESOLVE, &[(keys::DATA_KEY, text("field/first_contact"))]);
    one.act("u.csl01", &[choose, resolve]).unwrap();
    assert!(!one.model.register("field/first_contact").unwrap().clashes());
}

#[test]
fn a_grave_finding_is_made_less_grave_by_those_alone_whom_its_ledger_names() {
    let mut grave = finding("audit", "major");
    let to = |record: &mut Record, user: &str, severity: &str| {
        code(record.write(user, "field/severity", text(severity)))
    };
    for less in ["minor", "observation"] {
        assert_eq!(to(&mut grave, "u.pm01", less), codes::ROLE_NOT_ALLOWED);
    }
    assert_eq!(code(grave.write("u.pm01", "field/severity", Value::Null)), codes::ROLE_NOT_ALLOWED);
    assert_eq!(to(&mut grave, "u.pm01", "major"), "ok", "as it is");
    assert_eq!(to(&mut grave, "u.bcm01", "minor"), "ok");
    // A lesser one is anybody's to correct, both ways.
    assert_eq!(to(&mut grave, "u.pm01", "observation"), "ok");
    assert_eq!(to(&mut grave, "u.pm01", "major"), "ok");
    assert_eq!(to(&mut grave, "u.pm01", "minor"), codes::ROLE_NOT_ALLOWED);
}
