//! (二), (三)1: the management system, its audit, its papers, its plan and its checks: sp.07 to sp.11.

use serde_json::json;
use xunyuan_core::definition::Catalog;
use xunyuan_core::document::model::Value;
use xunyuan_core::duty::Status;
use xunyuan_core::id::{DocumentId, UserId};

use super::stage::{Stage, Told, rows, shown};

/// 三标内审: an auditor of another project audits, findings run to their end, the report counts them.
#[test]
fn sp_07_an_audit_raises_findings_that_are_planned_verified_and_reported() {
    let mut stage = Stage::open();
    for user in ["u.aud01", "u.aud02", "u.pm02", "u.gm01", "u.bcm01"] {
        stage.of(user);
    }
    let head = json!({ "dept_id": "dept.cs", "lead_auditor": "u.aud01" });
    let audit = stage.sheet("u.aud01", "tpl.ims_internal_audit", "pj.xiyuan", head);
    stage.answer("u.aud01", audit, "ia.ctx.01", "minor", "未识别周边施工对出入口的影响");
    stage.answer("u.aud01", audit, "ia.lead.01", "major", "服务承诺未公示,亦无替代做法");
    stage.answer("u.aud01", audit, "ia.lead.02", "obs", "目标分解表可按月更新");
    stage.fill("u.aud01", audit);
    stage.meet();
    stage.sign(audit, &[("u.aud01", "lead_auditor_sign"), ("u.pm02", "auditee_sign")]);
    stage.complete("u.aud01", audit);
    stage.meet();
    // Nobody audits the own project.
    let own = stage.refused("u.aud02", |replica, moment| {
        replica.start_inspection("tpl.ims_internal_audit", "pj.xiyuan", moment)
    });
    assert_eq!(own, "own_work");

    let findings = stage.list("u.pm02", "led.finding");
    assert_eq!(findings.len(), 3);
    let of = |stage: &mut Stage, severity: &str| {
        let found =
            findings.iter().copied().find(|one| shown(&stage.view("u.pm02", *one), "severity") == severity);
        found.unwrap()
    };
    let (minor, major) = (of(&mut stage, "minor"), of(&mut stage, "major"));
    // A major one is reported at once, to the branch's manager and the general manager.
    let told = stage.told("u.gm01", major);
    assert!(
        told.iter().any(|t| t.rule == "rule.finding_major_report" && t.to.contains("role.gm")),
        "{told:?}"
    );
    assert!(stage.standing("rule.finding_major_report").iter().all(|(_, status)| *status == Status::Met));
    // Measures are due after three working days for the minor one, after one for the major one.
    let due = |stage: &Stage, finding: DocumentId| {
        let duties = stage.duties("rule.finding_plan");
        let duty =
            duties.into_iter().find(|view| view.duty.subject.document() == Some(finding)).unwrap().duty;
        (stage.day(duty.due_ms.unwrap()), duty.owners[0].id().to_owned())
    };
    assert_eq!(due(&stage, minor), ("2026-11-26".to_owned(), "role.project_manager".to_owned()));
    assert_eq!(due(&stage, major).0, "2026-11-24");

    // The minor one: cause, action, due day; done; verified by the auditor, never by whoever acted.
    let plan = json!({ "root_cause": "未建立周边变化的收集渠道", "due": "2026-12-04" });
    assert_eq!(stage.step_refused("u.pm02", minor, "plan", plan.clone()), "guard_failed");
    let action = json!({ "desc": "每月一次周边巡访", "owner": "u.pm02", "due": "2026-12-01" });
    stage.line("u.pm02", minor, "actions", action);
    stage.step("u.pm02", minor, "plan", plan);
    let line = stage.lines("u.pm02", minor, "actions").remove(0);
    stage.edit_line("u.pm02", minor, "actions", &line.id, json!({ "done_at": "2026-11-30" }));
    stage.step("u.pm02", minor, "submit", json!({ "evidence": "ab".repeat(32) }));
    stage.meet();
    let proof = json!({ "verification": "巡访记录两次,有效", "note": "有效" });
    assert_eq!(stage.step_refused("u.pm02", minor, "verify_ok", proof.clone()), "role_not_allowed");
    stage.step("u.aud01", minor, "verify_ok", proof);
    stage.meet();
    assert!(stage.view("u.pm02", minor).is_final);

    let report = rows(&stage.report("rep.audit", None, "2026-11"));
    assert_eq!(report.len(), 1, "{report:?}");
    assert!(report[0][1].starts_with("溪苑 / 客户服务部"), "{:?}", report[0]);
    assert_eq!(report[0][5], "1/1/1");
    let forms = stage.report("rep.nc_form", None, "2026-11");
    assert_eq!(forms.sheets.len(), 3, "a form for each finding");
}

/// 三标文件修改: what the audit and the software show goes into the papers, by the branch.
#[test]
fn sp_08_a_change_of_the_papers_is_proposed_reviewed_accepted_and_issued() {
    let mut stage = Stage::open();
    for user in ["u.pm02", "u.csl01", "u.bcs01", "u.bcm01"] {
        stage.of(user);
    }
    let proposal = json!({
        "doc_code": "HZ-CS-07", "problem": "回访要求与新视窗工单状态不一致",
        "proposal": "以工单完成时间起算 48 小时内回访", "related_newsee": true,
    });
    let change = stage.enter("u.pm02", "led.doc_change", "pj.xiyuan", proposal.clone());
    let other = stage.enter(
        "u.csl01",
        "led.doc_change",
        "pj.lanyuan",
        json!({
            "doc_code": "HZ-CS-02", "problem": "巡查表过长", "proposal": "取消夜间巡查",
        }),
    );
    stage.meet();
    assert_eq!(stage.step_refused("u.pm02", change, "review", json!({})), "role_not_allowed");
    stage.step("u.bcs01", change, "review", json!({ "note": "与系统流程核对一致" }));
    stage.step("u.bcs01", other, "review", json!({}));
    assert_eq!(stage.step_refused("u.bcs01", change, "accept", json!({})), "role_not_allowed");
    stage.meet();
    stage.step("u.bcm01", change, "accept", json!({}));
    stage.step("u.bcm01", change, "issue", json!({}));
    assert_eq!(stage.step_refused("u.bcm01", other, "reject", json!({})), "requirement_missing");
    stage.step("u.bcm01", other, "reject", json!({ "reason": "与安全管理要求不符" }));
    stage.meet();
    let states = [stage.view("u.pm02", change).state, stage.view("u.csl01", other).state];
    assert_eq!(states, ["issued", "rejected"]);
    let number = stage.view("u.pm02", change).number.unwrap();
    assert!(number.starts_with("WJ-2026-"), "{number}");
    assert_eq!(stage.edit_refused("u.pm02", change, json!({ "doc_code": "HZ-CS-08" })), "final_state");
}

/// A year's plan of Lanyuan, approved by its manager: papers in February, training in March.
fn plan(stage: &mut Stage) -> DocumentId {
    let plan = stage.enter("u.csl01", "led.guanbiao_plan", "pj.lanyuan", json!({ "year": 2027 }));
    for (month, what, owner) in
        [("2027-02", "现场文件换版", "u.csl01"), ("2027-03", "服务标准与三标培训", "u.pm01")]
    {
        stage.line("u.csl01", plan, "items", json!({ "month": month, "what": what, "owner": owner }));
    }
    assert_eq!(stage.step_refused("u.csl01", plan, "approve", json!({})), "role_not_allowed");
    stage.meet();
    stage.step("u.pm01", plan, "approve", json!({}));
    stage.meet();
    plan
}

/// 贯标实施与培训: each project plans its year, carries the plan out and trains; who has no plan is asked for it.
#[test]
fn sp_09_a_project_plans_its_year_and_keeps_to_it() {
    const PLAN: &str = "rule.guanbiao_plan_due";
    const ITEM: &str = "rule.guanbiao_item";
    let mut stage = Stage::open();
    for user in ["u.csl01", "u.pm01", "u.pm02", "u.bcs01", "u.bcm01"] {
        stage.of(user);
    }
    stage.at("2027-01-20T09:00");
    let plan = plan(&mut stage);
    stage.at("2027-02-01T09:00");
    stage.meet();
    let found: Vec<(String, Status)> = stage.standing(PLAN);
    assert!(found.contains(&("pj.lanyuan".to_owned(), Status::Met)), "{found:?}");
    assert!(found.contains(&("pj.xiyuan".to_owned(), Status::Breached)), "{found:?}");
    assert!(!found.iter().any(|(unit, _)| unit == "pj.jiangwan"), "nobody there yet to owe a plan");
    let notes = stage.list("u.bcm01", "led.notice");
    let told: Vec<Told> = notes.into_iter().flat_map(|note| stage.told("u.bcm01", note)).collect();
    assert!(told.iter().any(|told| told.rule == PLAN && told.to == "role.branch_cs_mgr"), "{told:?}");

    // Each item is owed by its person at the end of its month; the device reminds a week before.
    let owed: Vec<(String, String, String)> = stage
        .duties(ITEM)
        .iter()
        .map(|view| {
            let duty = &view.duty;
            let part = view.part.as_ref().unwrap().zh.clone();
            (part, duty.owners[0].id().to_owned(), stage.day(duty.due_ms.unwrap()))
        })
        .collect();
    let item = |what: &str, who: &str, day: &str| (what.to_owned(), who.to_owned(), day.to_owned());
    assert_eq!(
        owed,
        [item("现场文件换版", "u.csl01", "2027-02-28"), item("服务标准与三标培训", "u.pm01", "2027-03-31")]
    );
    stage.at("2027-02-20T09:00");
    let soon = stage.act("u.csl01", |replica, moment| replica.reminders(moment, 3));
    assert!(soon.iter().any(|one| one.sentence.zh.contains("现场文件换版")), "{soon:?}");
    let line = stage
        .lines("u.csl01", plan, "items")
        .into_iter()
        .find(|line| line.fields["month"].value.as_text() == Some("2027-02"))
        .unwrap();
    stage.edit_line("u.csl01", plan, "items", &line.id, json!({ "done_at": "2027-02-20" }));

    // The training of March is held, but nobody ticks the item off: the plan shows it late.
    stage.at("2027-03-12T14:00");
    let training = stage.enter("u.csl01", "led.training", "pj.lanyuan", json!({
        "topic": "tr.ims", "kind": "project", "held_at": xunyuan_tests::records::ms("2027-03-12T14:00+08:00"),
        "attendees": "u.csl01 u.fd01 u.fd02",
    }));
    stage.step("u.csl01", training, "hold", json!({}));
    stage.meet();
    stage.at("2027-04-01T09:00");
    stage.meet();
    let statuses: Vec<Status> = stage.standing(ITEM).into_iter().map(|(_, status)| status).collect();
    assert_eq!(statuses, [Status::MetSyncedLate, Status::Breached], "ticked off in time, synced in March");
    let told = stage.told("u.pm01", plan);
    assert!(told.iter().any(|told| told.rule == ITEM && told.mark == "plan_item_late"), "{told:?}");
    // The front desk holds no papers of the system.
    let other = stage.enter_refused("u.fd01", "led.guanbiao_plan", "pj.lanyuan", json!({ "year": 2027 }));
    assert_eq!(other, "scope_not_granted");
}

/// Whose device has a slot of the implementation check now: the projects.
fn slots(stage: &mut Stage, user: &str) -> Vec<(String, String)> {
    let slots = stage.act(user, |replica, moment| replica.slots(moment));
    let checks = slots.into_iter().filter(|view| view.slot.schedule == "sch.guanbiao");
    let current = checks.filter(|view| view.slot.starts.day() == 1);
    current.map(|view| (view.slot.project.clone(), view.slot.key.clone())).collect()
}

/// A check of Lanyuan by its plan in March: two items fail, both parties sign.
fn check(stage: &mut Stage, plan: Option<DocumentId>) -> DocumentId {
    let found = slots(stage, "u.bcs01");
    let key = found.iter().find(|(project, _)| project == "pj.lanyuan").unwrap().1.clone();
    let sheet = stage.act("u.bcs01", |replica, moment| replica.start_slot(&key, Some("pj.lanyuan"), moment));
    if let Some(plan) = plan {
        let plan = Value::Text(plan.to_string());
        stage.act("u.bcs01", |replica, moment| replica.set_header(sheet, "plan_id", plan, moment));
    }
    stage.answer("u.bcs01", sheet, "gb.exec.02", "fail", "两次抽查均无工程部下班前反馈");
    stage.answer("u.bcs01", sheet, "gb.exec.06", "fail", "抽问三人,收费标准均答错");
    stage.fill("u.bcs01", sheet);
    stage.meet();
    stage.sign(sheet, &[("u.bcm01", "branch_sign"), ("u.pm01", "project_ack")]);
    stage.complete("u.bcs01", sheet);
    stage.meet();
    sheet
}

/// 贯标检查: the branch checks in the months that the project's plan names.
#[test]
fn sp_10_the_branch_checks_by_the_projects_plan() {
    let mut stage = Stage::open();
    for user in ["u.csl01", "u.pm01", "u.bcs01", "u.bcm01"] {
        stage.of(user);
    }
    stage.at("2027-01-05T09:00");
    let projects =
        |stage: &mut Stage| slots(stage, "u.bcs01").into_iter().map(|(p, _)| p).collect::<Vec<_>>();
    assert_eq!(
        projects(&mut stage),
        ["pj.jiangwan", "pj.lanyuan", "pj.xiyuan"],
        "without a plan every month"
    );
    let plan = plan(&mut stage);
    assert_eq!(projects(&mut stage), ["pj.jiangwan", "pj.xiyuan"], "January is not in the plan");
    stage.at("2027-03-02T09:00");
    assert_eq!(projects(&mut stage), ["pj.jiangwan", "pj.lanyuan", "pj.xiyuan"]);

    check(&mut stage, Some(plan));
    let findings = stage.list("u.pm01", "led.finding");
    assert_eq!(findings.len(), 2, "what fails is corrected");
    for finding in findings {
        let view = stage.view("u.pm01", finding);
        assert_eq!(
            (shown(&view, "source"), view.due.as_deref()),
            ("guanbiao".to_owned(), Some("2027-03-09"))
        );
    }
    let report = rows(&stage.report("rep.guanbiao", None, "2027-03"));
    let lanyuan = report.iter().find(|row| row[0] == "澜园").unwrap();
    assert_eq!(lanyuan[2], "1", "{report:?}");
    assert!(lanyuan[3].contains("收费标准"), "{lanyuan:?}");
    let own = stage.refused("u.csl01", |replica, moment| {
        replica.start_inspection("tpl.guanbiao_check", "pj.lanyuan", moment)
    });
    assert_eq!(own, "role_not_allowed", "a project does not check itself");
}

/// 贯标处理与上报: results go to the general manager within three working days; what is not kept has consequences.
#[test]
fn sp_11_results_are_reported_and_dealt_with_by_the_rules() {
    const REPORT: &str = "rule.guanbiao_report_gm";
    let mut stage = Stage::open();
    for user in ["u.csl01", "u.pm01", "u.bcs01", "u.bcm01", "u.gm01", "u.pm02", "u.hr01"] {
        stage.of(user);
    }
    stage.at("2027-03-05T09:00");
    check(&mut stage, None);
    let duty = stage.duties(REPORT).remove(0);
    assert_eq!((duty.status, stage.day(duty.duty.due_ms.unwrap())), (Status::Open, "2027-03-10".to_owned()));
    assert!(!stage.owes("u.bcm01", REPORT).is_empty());
    stage.at("2027-03-08T10:00");
    let up = stage.enter(
        "u.bcm01",
        "led.notice",
        "pj.lanyuan",
        json!({
            "direction": "up", "title_text": "三月贯标检查结果", "body": "澜园两项不合格,已开整改单",
            "targets": "br.hz", "report_id": "rep.guanbiao", "period": "2027-03",
        }),
    );
    stage.step("u.bcm01", up, "publish", json!({}));
    stage.meet();
    assert_eq!(stage.standing(REPORT)[0].1, Status::Met);
    assert!(stage.list("u.gm01", "led.notice").contains(&up));

    // A measure by the rules: proposed by the branch, approved by the general manager, open to appeal.
    let case = stage.enter(
        "u.bcm01",
        "led.discipline",
        "pj.lanyuan",
        json!({
            "subject": "澜园客户服务部", "basis": "《贯标管理制度》(条款由分公司填写)",
            "fact": "连续两次检查同一项不合格", "measure": "通报,限期整改",
        }),
    );
    stage.meet();
    assert_eq!(stage.step_refused("u.bcm01", case, "approve", json!({})), "role_not_allowed");
    stage.step("u.gm01", case, "approve", json!({}));
    stage.meet();
    stage.line("u.pm01", case, "appeal", json!({ "note": "已于当日整改,申请从轻" }));
    stage.step("u.hr01", case, "execute", json!({}));
    stage.meet();
    assert_eq!(stage.view("u.gm01", case).state, "executed");
    // It is nobody's business but those named by the role book.
    let catalog = stage.world.hub.catalog();
    let holds = |catalog: &Catalog, user: &str| {
        catalog.grants(&UserId::new(user)).iter().any(|scope| scope.0 == "pj.lanyuan/discipline")
    };
    assert!(["u.csl01", "u.bcs01", "u.pm02", "u.fd01"].iter().all(|user| !holds(&catalog, user)));
    assert!(stage.list("u.csl01", "led.discipline").is_empty());
    let none = json!({ "subject": "x", "basis": "x", "fact": "x", "measure": "x" });
    assert_eq!(stage.enter_refused("u.csl01", "led.discipline", "pj.lanyuan", none), "scope_not_granted");
}
