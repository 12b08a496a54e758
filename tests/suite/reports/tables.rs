//! Each report against figures worked out by hand.

use super::*;

const NOON: &str = "2026-11-23T12:00+08:00";

#[test]
fn complaint_monthly_lists_the_month_with_its_times() {
    let table = Office::new().table("rep.complaint_monthly", "2026-11", NOON);
    let lines = rows(&table);
    assert_eq!(lines.len(), 4);
    assert_eq!(
        lines[0],
        [
            "1",
            "TS-XY-202611-001",
            "2026-11-05 10:00",
            "2幢301",
            "账单错误",
            "重大",
            "账单多收三个月公摊水费,5 户联名",
            "客户服务部",
            "退费并书面致歉",
            "1小时30分",
            "3天",
            "满意",
            "已关闭"
        ]
    );
    assert_eq!(lines[1][9], "2天", "replied after 48 hours");
    assert_eq!(lines[2][1], "TS-LY-202611-003");
    assert_eq!(lines[2][12], "处理中");
    // The mean of 1.5 h and 48 h is 24.75 h; one was closed after three days.
    assert_eq!(table.foot.as_ref().unwrap()[9], Cell::Duration(89_100_000));
    assert_eq!(&lines[3][..2], ["合计/平均", "共 3 项"]);
    assert_eq!(lines[3][10], "3天");
}

#[test]
fn complaint_analysis_compares_projects_and_months() {
    let office = Office::new();
    let table = office.table("rep.complaint_analysis", "2026-11", NOON);
    let lines = rows(&table);
    // October: one in Lanyuan. November: two there, one in Xiyuan.
    assert_eq!(
        lines[0],
        ["澜园", "2", "100%", "工程维修类 1、秩序安全类 1", "设备 1", "0%", "0%", "", "", "升级道闸识别程序"]
    );
    assert_eq!(
        lines[1],
        ["溪苑", "1", "", "收费类 1", "人员 1", "100%", "100%", "100%", "TS-XY-202611-001", "退费并书面致歉"]
    );
    assert_eq!(lines[2], ["江湾里", "0", "", "", "", "", "", "", "", ""]);
    assert_eq!(lines[3][..3], ["合计", "3", "200%"]);
    assert_eq!(lines[3][5..8], ["33.33%", "50%", "100%"]);

    let october = rows(&office.table("rep.complaint_analysis", "2026-10", NOON));
    assert_eq!(october[0][..2], ["澜园", "1"]);
    assert_eq!(october[0][5..8], ["100%", "100%", "100%"], "replied after 20 h of 24 allowed");
}

#[test]
fn the_front_desk_list_knows_what_was_open_on_that_day() {
    let office = Office::new();
    let then = rows(&office.table("rep.fd_daily", "2026-11-20", NOON));
    assert_eq!(then.len(), 2);
    assert_eq!(then[0][0], "QT-LY-20261120-0007");
    assert_eq!(then[0][3..5], ["14小时17分", "已关楼上支管,待厂家更换软管,预计明日上午完成"]);
    let now = rows(&office.table("rep.fd_daily", "2026-11-23", NOON));
    let numbers: Vec<&str> = now.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(numbers, ["QT-LY-20261120-0007", "QT-XY-20261121-0001", "A7-0014", "共 3 项"]);
    assert_eq!(now[2][3], "14小时25分");
    assert!(now[..3].iter().all(|row| row[4].is_empty() && row[6] == "否"), "no feedback yet today");
}

#[test]
fn return_visits_are_counted_by_category() {
    let lines = rows(&Office::new().table("rep.return_visit", "2026-11", NOON));
    assert_eq!(lines[0], ["收费类", "1", "1", "100%", "100%", "1"]);
    assert_eq!(lines[1], ["秩序安全类", "1", "0", "0%", "", "0"]);
    assert_eq!(lines[2], ["求助", "1", "1", "100%", "100%", "0"]);
    assert_eq!(lines[3], ["合计", "3", "2", "66.67%", "100%", "1"]);
}

#[test]
fn a_patrol_shows_its_scores_failures_and_findings() {
    let table = Office::new().table("rep.patrol", "2026-11", NOON);
    let row = &rows(&table)[0];
    assert_eq!(row[..2], ["2026-11-23 09:00", "巡查员子、巡查员丑"]);
    assert!(row[2].starts_with("2/14 缺 中心水景、"), "{}", row[2]);
    // Weights 1 of 1 + 3; 0 of 2; 0 of 2; together 1 of 8.
    assert_eq!(row[3], "绿化 25、保洁 0、消防 0");
    assert!(row[4].contains("断枝、倾倒风险(南门香樟断枝悬挂,高约 4 米)、雨水口"), "{}", row[4]);
    assert_eq!(row[5..9], ["4", "NC-PAT-2026-0112", "12.5", ""]);
}

#[test]
fn an_audit_counts_findings_by_clause_and_department() {
    let row = rows(&Office::new().table("rep.audit", "2026-05", NOON)).remove(0);
    assert_eq!(row[1], "溪苑 / 客户服务部 / ISO 9001:2015");
    assert_eq!(row[2], "组长 内审员戊;组员 内审员戊、内审员己");
    assert_eq!(row[3], "首次会议 2026-05-18 09:00;末次会议 2026-05-18 16:30;访谈记录 1");
    assert_eq!(row[4..6], ["ISO 9001:2015 7.2×客户服务部 1", "0/1/0"]);
    // Of four judged items two conform and the observation scores in full.
    assert_eq!(row[6], "符合率(%) 75");
    assert!(row[7].contains("统计表缺环比"));
}

#[test]
fn the_nonconformity_form_has_every_line_of_the_model() {
    let office = Office::new();
    let table = office.table("rep.nc_form", "2026", NOON);
    let titles: Vec<&str> = table.columns.iter().map(|column| column.title.zh.as_str()).collect();
    assert_eq!(titles, office.catalog.nonconformity().unwrap().report_form_fields_zh);
    let row = &rows(&table)[0];
    assert_eq!(row[..5], ["NC-AUD-2026-0031", "客户服务部", "2026-05-18", "内审员戊", "项目经理辰"]);
    assert_eq!(
        row[6..10],
        ["照片 1", "ISO 9001:2015 7.2", "岗位能力要求明确,集中培训每季度不少于一次且有效果评价", "轻微"]
    );
    assert_eq!(
        row[13..15],
        ["培训计划增加备份讲师 客服负责人辛 2026-06-10", "培训计划增加备份讲师 2026-06-05"]
    );
    assert_eq!(row[15..17], ["抽查二季度记录,有效", "内审员戊 2026-06-08 14:00"]);
}

#[test]
fn ageing_lists_open_findings_with_whole_days_late() {
    let office = Office::new();
    let lines = rows(&office.table("rep.capa_aging", "2026-W48", "2026-11-25T12:00+08:00"));
    assert_eq!(
        lines[0],
        ["NC-GBC-2026-0007", "贯标检查", "轻微", "客户服务部", "2026-11-20", "已确认", "5", ""]
    );
    assert_eq!(lines[1], ["NC-PAT-2026-0112", "巡查", "严重", "绿化部", "2026-11-24", "已开具", "1", ""]);
    assert_eq!(lines[2][0], "共 2 项");
    // On the day itself nothing is late yet, and what was closed later was open then.
    let due = rows(&office.table("rep.capa_aging", "2026-11-24", "2026-11-24T23:00+08:00"));
    assert_eq!(due[1][6], "");
    let june = rows(&office.table("rep.capa_aging", "2026-06-05", NOON));
    assert_eq!(june[0][..6], ["NC-AUD-2026-0031", "内审", "轻微", "客户服务部", "2026-06-15", "措施已定"]);
}

#[test]
fn implementation_checks_are_ranked() {
    let lines = rows(&Office::new().table("rep.guanbiao", "2026-11", NOON));
    // 20 of 22 and 17 of 22 by weight.
    assert_eq!(lines[0], ["澜园", "90.91", "1", "各部门每天下班前向前台反馈处理情况 1", ""]);
    assert_eq!(lines[1][..3], ["溪苑", "77.27", "2"]);
    assert_eq!(lines[1][4], "NC-GBC-2026-0007 2026-11-20");
    assert_eq!(lines[2], ["江湾里", "", "", "", ""]);
    assert_eq!(lines[3][1], "84.09");
}

#[test]
fn training_counts_what_was_held() {
    let office = Office::new();
    let lines = rows(&office.table("rep.training", "2026Q4", NOON));
    // One central training held, one of the project held, one only planned. Six people trained, five of
    // them in customer service.
    assert_eq!(lines[0][..4], ["2026Q4", "1", "投诉处理技巧、服务礼仪", "6"]);
    assert_eq!(lines[0][5], "88.5");
    let users = &office.catalog.organisation().unwrap().users;
    let service =
        users.iter().filter(|u| matches!(u.dept.as_deref(), Some("dept.cs" | "dept.branch_cs"))).count();
    assert_eq!(service, 8);
    assert_eq!(lines[0][4], "62.5%", "five of eight");
    let empty = rows(&office.table("rep.training", "2026Q1", NOON));
    assert_eq!(empty[0], ["2026Q1", "0", "", "0", "0%", "", "", ""]);
}

#[test]
fn a_quarters_training_is_advised_by_what_was_weak_in_the_one_before() {
    let office = Office::new();
    let line = rows(&office.table("rep.training", "2027Q1", "2027-01-05T09:00+08:00")).remove(0);
    // Four complaints and two findings, each once: alike ones stand by name.
    assert!(line[6].contains("反复报修 1") && line[6].contains("账单错误 1"), "{}", line[6]);
    assert_eq!(line[7], "三标体系实施、前期物业管理服务协议与临时管理规约、园区巡查方法");
    // Of one project alone: what its own records ask for.
    let asked = Request {
        project: Some("pj.xiyuan".to_owned()),
        ..asked("rep.training", Some("2027Q1"), "2027-01-05T09:00+08:00")
    };
    let line = rows(&office.make(&asked, &[]).unwrap()).remove(0);
    assert_eq!(line[7], "三标体系实施、前期物业管理服务协议与临时管理规约");
}

#[test]
fn the_star_is_read_from_the_filled_form() {
    let lines = rows(&Office::new().table("rep.star", "2026Q4", NOON));
    assert_eq!(lines.len(), 1);
    assert_eq!(
        lines[0],
        ["前台壬", "澜园", "前台客服", "11 月 8 日暴雨夜协助 12 户转移车辆,次日回访全部满意", "奖金 300 元"]
    );
}

#[test]
fn staffing_follows_the_worked_examples() {
    let office = Office::new();
    let lines = rows(&office.table("rep.staffing", "2026-11", NOON));
    let staffing = office.catalog.staffing().unwrap();
    for example in &staffing.examples {
        let project = office.catalog.project(&example.project).unwrap();
        for post in &staffing.posts {
            assert_eq!(post.formula.people(project), example.expect.get(&post.id).copied());
        }
    }
    assert_eq!(lines[1], ["澜园", "前台客服", "3", "2", "-1", "否"]);
    assert_eq!(lines[3], ["澜园", "资料员", "0", "0", "0", "是"]);
    assert_eq!(lines[12], ["合计", "", "22", "3", "-19", ""]);
}

#[test]
fn a_handover_is_counted_by_day() {
    let lines = rows(&Office::new().table("rep.handover_daily", "2026-12", "2026-12-19T12:00+08:00"));
    assert_eq!(lines[0], ["2026-12-18", "20", "2", "1", "1", "2", "1"]);
    assert_eq!(lines[1], ["2026-12-19", "20", "1", "1", "0", "0", "0"], "from midnight on");
    assert_eq!(lines[2], ["2026-12-20", "20", "0", "0", "0", "0", "0"]);
    assert_eq!(lines[3], ["合计", "60", "3", "2", "1", "2", "1"]);
    let day = rows(&Office::new().table("rep.handover_daily", "2026-12-18", "2026-12-19T12:00+08:00"));
    assert_eq!(day[0], ["2026-12-18", "20", "2", "1", "1", "2", "1"]);
    assert_eq!(day.len(), 2);
}

#[test]
fn project_issues_show_their_progress() {
    let lines = rows(&Office::new().table("rep.project_issue", "2026-11", NOON));
    assert_eq!(
        lines[0],
        ["溪苑", "体系层面", "维修资金审批周期长", "审批节点多", "向公司申请小额授权", "已分析"]
    );
    assert_eq!(lines[1][..2], ["澜园", "职能内"]);
    assert_eq!(lines[2][0], "共 2 项");
}

#[test]
fn sync_health_lists_devices_and_every_report_says_who_was_missing() {
    let office = Office::new();
    let device = |code: &str, user: &str, last: Option<&str>, pending: u32| DeviceStanding {
        code: code.to_owned(),
        user: UserId::new(user),
        app: "xunyuan-cli/0.1.0".to_owned(),
        last_contact_ms: last.map(ms),
        pending_changes: pending,
        pending_photos: pending * 2,
        conflicts: 1,
        skew_ms: Some(-90_000),
    };
    let devices = [
        device("A7", "u.fd01", Some("2026-11-23T11:30+08:00"), 0),
        device("B2", "u.aud02", Some("2026-11-20T09:00+08:00"), 3),
        device("C1", "u.hg01", None, 0),
    ];
    let table = office.make(&asked("rep.sync_health", None, NOON), &devices).unwrap();
    let lines = rows(&table);
    assert_eq!(lines[0][..5], ["B2", "内审员己", "2026-11-20 09:00", "3", "6"]);
    assert_eq!(lines[1], ["A7", "前台壬", "2026-11-23 11:30", "0", "0", "-1分", "xunyuan-cli/0.1.0", "1"]);
    assert_eq!(lines[2][..3], ["C1", "验房员巳", ""]);
    assert_eq!(lines[3][3..5], ["3", "6"]);

    let said = |report: &str, period: &str| {
        let table = office.make(&asked(report, Some(period), NOON), &devices).unwrap();
        table.notes.iter().map(|note| note.zh.clone()).collect::<Vec<_>>().join("|")
    };
    // The front desk's device synced half an hour ago; an auditor holds no front-desk entries.
    assert_eq!(said("rep.fd_daily", "2026-11-23"), "数据截至 2026-11-23 12:00|相关设备均已同步");
    let patrol = said("rep.patrol", "2026-11");
    assert!(patrol.contains("B2 内审员己(最近同步 2026-11-20 09:00,待上传 3 条、照片 6 张)"), "{patrol}");
    assert!(!patrol.contains("A7") && !patrol.contains("C1"), "{patrol}");
    let past = said("rep.handover_daily", "2026-11-22");
    assert!(past.starts_with("状态截至 2026-11-22 23:59"), "{past}");
    assert!(past.contains("C1 验房员巳(从未同步)"), "{past}");
}

#[test]
fn every_column_of_the_founding_list_is_there() {
    let office = Office::new();
    assert_eq!(office.catalog.reports().count(), 15);
    for report in office.catalog.reports() {
        let layout = report.layout.as_ref().unwrap();
        let titles: Vec<&str> = layout.columns.iter().map(|column| column.title.zh.as_str()).collect();
        let asked = report.columns_zh.iter().filter(|title| !title.starts_with('见'));
        asked.for_each(|title| assert!(titles.contains(&title.as_str()), "{} lacks {title}", report.id));
    }
    assert_eq!(office.catalog.reports().filter(|report| report.paper.is_some()).count(), 6);
}

#[test]
fn months_begin_and_end_at_midnight_of_the_organisation() {
    let complaint = |id: &str, at: &str| {
        json!({
            "of": "led.complaint", "id": id, "project": "pj.lanyuan",
            "fields": { "category": "cp.sec.ebike", "level": "general", "content": id, "owner_dept": "dept.sec" },
            "events": [["create", "u.fd01", at, {}]],
        })
    };
    let office = Office::of(&[
        complaint("a", "2026-10-31T23:59:59.999+08:00"),
        complaint("b", "2026-11-01T00:00:00+08:00"),
        complaint("c", "2026-11-30T23:59:59.999+08:00"),
        complaint("d", "2026-12-01T00:00:00+08:00"),
    ]);
    let listed = |period: &str| {
        let table = office.table("rep.complaint_monthly", period, "2026-12-05T12:00+08:00");
        let lines = rows(&table);
        lines[..lines.len() - 1].iter().map(|row| row[6].clone()).collect::<String>()
    };
    assert_eq!(listed("2026-10"), "a");
    assert_eq!(listed("2026-11"), "bc");
    assert_eq!(listed("2026-12"), "d");
    assert_eq!(listed("2026-W49"), "cd", "the week of Monday, 30 November");
    assert_eq!(listed("2026-11-01..2026-12-01"), "bcd");
    assert_eq!(listed("2026"), "abcd");
}

#[test]
fn what_cannot_be_reported_is_a_clear_error() {
    let office = Office::new();
    let failed = |request: Request| office.make(&request, &[]).unwrap_err();
    let future = failed(asked("rep.complaint_monthly", Some("2026-12"), NOON));
    assert_eq!(future.kind(), ErrorKind::Invalid);
    assert!(future.sentence().zh.contains("2026-12 还没有开始(今天是 2026-11-23)"));
    let unknown = failed(asked("rep.none", None, NOON));
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
    assert!(unknown.sentence().en.contains("rep.training"));
    let project = failed(Request { project: Some("pj.none".to_owned()), ..asked("rep.star", None, NOON) });
    assert_eq!(project.kind(), ErrorKind::NotFound);
    assert!(project.sentence().zh.contains("pj.lanyuan"));
    let foreign = Request { record: Some(document("e.cp.0001")), ..asked("rep.audit", None, NOON) };
    assert_eq!(failed(foreign).kind(), ErrorKind::Invalid);
}

#[test]
fn a_period_without_records_is_an_empty_table_that_says_so() {
    let office = Office::new();
    let table = office.table("rep.complaint_monthly", "2025-01", NOON);
    assert!(table.rows.is_empty());
    assert_eq!(rows(&table)[0][..2], ["合计/平均", "共 0 项"]);
    assert!(text(&table, Screen { columns: 120 }).contains("(没有内容)"));
    assert!(office.table("rep.patrol", "2025-01", NOON).sheets.is_empty());
}

#[test]
fn one_project_or_one_record_alone() {
    let office = Office::new();
    let request = Request {
        project: Some("pj.xiyuan".to_owned()),
        ..asked("rep.complaint_analysis", Some("2026-11"), NOON)
    };
    let table = office.make(&request, &[]).unwrap();
    assert_eq!(table.projects, ["溪苑"]);
    let lines = rows(&table);
    assert_eq!((lines.len(), lines[0][0].as_str(), lines[1][1].as_str()), (2, "溪苑", "1"));

    // A nomination that was not selected is in no bulletin, but its form can be printed.
    let request = Request { record: Some(document("e.st.0002")), ..asked("rep.star", None, NOON) };
    let table = office.make(&request, &[]).unwrap();
    assert_eq!(rows(&table)[0], ["内审员己", "溪苑", "内审员", "认真负责", ""]);
    assert_eq!((table.sheets.len(), table.period), (1, None));
}
