//! Spreadsheets that people write, good and bad, through the whole import.

use std::io::{Cursor, Write as _};

use rust_xlsxwriter::{Format, Formula, Workbook};
use serde_json::Value;
use xunyuan_core::definition::{Catalog, Definition, Problem, embedded, sample_organisation};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{Base, Head, Imported, checklist, checklist_template, organisation, organisation_template};

/// What ships with the server and the sample organisation.
fn published() -> Vec<Definition> {
    let mut published = embedded().to_vec();
    published.push(sample_organisation().clone());
    published
}

type Sheet<'s> = (&'s str, &'s [&'s [&'s str]]);

fn book(sheets: &[Sheet<'_>]) -> Vec<u8> {
    let mut book = Workbook::new();
    for (name, rows) in sheets {
        let sheet = book.add_worksheet().set_name(*name).unwrap();
        for (at, row) in (0..).zip(*rows) {
            for (column, text) in (0..).zip(*row) {
                match text.parse::<f64>() {
                    Ok(number) => sheet.write(at, column, number).unwrap(),
                    Err(_) => sheet.write(at, column, *text).unwrap(),
                };
            }
        }
    }
    book.save_to_buffer().unwrap()
}

fn head() -> Head {
    Head {
        id: Some("chk.pump".to_owned()),
        title: Some("泵房".to_owned()),
        stream: Some("patrol".to_owned()),
        roles: vec!["role.patrol".to_owned()],
    }
}

fn read(bytes: &[u8], head: &Head, published: &[Definition]) -> Result<Imported, Vec<Problem>> {
    let catalog = Catalog::new(published).unwrap();
    checklist("file.xlsx", bytes, head, &Base { published, catalog: &catalog }).unwrap()
}

fn json(definition: &Definition) -> Value {
    serde_json::from_slice(&definition.json).unwrap()
}

/// The problems as text, one per line.
fn told(outcome: Result<Imported, Vec<Problem>>) -> String {
    outcome.unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

const PUMP: [&[&str]; 4] = [
    &["分区", "检查项", "类型", "选项集", "权重", "关键项", "照片", "责任部门", "整改天数", "单位", "最大值"],
    &["泵房", "无渗漏", "选择", "rs.pass_fail_na", "2", "是", "否", "dept.cs", "7", "", ""],
    &["", "压力", "数值", "", "", "", "是", "", "", "MPa", "1.6"],
    &["机房", "上次保养日", "日期", "", "", "", "", "", "", "", ""],
];

#[test]
fn a_row_becomes_an_item_with_all_it_says() {
    let imported = read(&book(&[("检查表", &PUMP)]), &head(), &published()).unwrap();
    let made = json(&imported.definitions[0]);
    assert_eq!(made["sections"][0]["title"]["zh-CN"], "泵房");
    let leak = &made["sections"][0]["items"][0];
    assert_eq!((&leak["weight"], &leak["critical"]), (&Value::from(2.0), &Value::from(true)), "{leak}");
    let finding = &leak["on_fail"]["create_finding"];
    // A critical item raises the gravest severity; seven days are 168 hours.
    assert_eq!(
        (&finding["default_severity"], &finding["default_due_hours"]),
        (&"major".into(), &Value::from(168.0))
    );
    let pressure = &made["sections"][0]["items"][1];
    assert_eq!((&pressure["unit"], &pressure["max"]), (&"MPa".into(), &Value::from(1.6)));
    assert_eq!(pressure["photo_required"], true);
    assert_eq!(made["sections"][1]["items"][0]["type"], "date");
    assert_eq!(made["scoring"]["critical_fail_result"], "fail");
}

#[test]
fn a_new_version_keeps_the_ids_and_the_same_file_makes_none() {
    let mut published = published();
    let first = read(&book(&[("检查表", &PUMP)]), &head(), &published).unwrap();
    published.extend(first.definitions.clone());
    let again = read(&book(&[("检查表", &PUMP)]), &head(), &published).unwrap();
    assert_eq!(again.definitions[0].reference, first.definitions[0].reference);

    let moved: [&[&str]; 3] = [
        PUMP[0],
        &["泵房", "照明完好", "选择", "合格/不合格/不适用", "1"],
        &["", "无渗漏", "选择", "rs.pass_fail_na", "2"],
    ];
    let second = read(&book(&[("检查表", &moved)]), &head(), &published).unwrap();
    assert_eq!(second.definitions[0].reference.version, 2);
    let (before, after) = (json(&first.definitions[0]), json(&second.definitions[0]));
    assert_eq!(after["sections"][0]["items"][1]["id"], before["sections"][0]["items"][0]["id"]);
    let kept = &after["sections"][0]["items"][2];
    assert_eq!((&kept["id"], &kept["retired"]), (&before["sections"][0]["items"][1]["id"], &true.into()));
    assert_eq!(after["sections"][1]["items"][0]["retired"], true, "the section that is gone keeps its items");
}

#[test]
fn what_is_wrong_is_told_by_sheet_row_and_column() {
    let rows: [&[&str]; 6] = [
        PUMP[0],
        &["泵房", "甲", "选择", "rs.nowhere"],
        &["", "", "选择"],
        &["", "乙", "滑块"],
        &["", "丙", "选择", "rs.pass_fail_na", "两", "也许"],
        &["", "丁", "选择", "rs.pass_fail_na", "", "", "", "", "7"],
    ];
    let text = told(read(&book(&[("检查表", &rows)]), &head(), &published()));
    for expected in ["检查表!D2", "检查表!B3", "检查表!C4", "检查表!E5", "检查表!F5", "检查表!I6"]
    {
        assert!(text.contains(&format!("file.xlsx {expected}: ")), "{expected} is not in\n{text}");
    }
    assert!(text.contains("rs.pass_fail_na"), "what is allowed: {text}");
    // The checker of definitions speaks of cells as well.
    let rows: [&[&str]; 2] = [PUMP[0], &["泵房", "甲", "文字", "rs.pass_fail_na"]];
    let text = told(read(&book(&[("检查表", &rows)]), &head(), &published()));
    assert!(text.contains("检查表!2: ") && text.contains("only a choice has a response set"), "{text}");
}

#[test]
fn files_that_cannot_be_read_say_why() {
    let published = published();
    let refused = |bytes: &[u8]| told(read(bytes, &head(), &published));
    assert!(refused("分区,检查项\n".as_bytes()).contains("not an .xlsx file"));
    assert!(refused(b"PK\x03\x04 and nothing").contains("cannot be read"));
    assert!(refused(&[0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1]).contains("old .xls file"));
    // The same words in the encoding of old Chinese systems.
    assert!(refused(b"\xB7\xD6\xC7\xF8,\xBC\xEC\xB2\xE9\xCF\xEE\n").contains("not an .xlsx file"));
    let mut bomb = ZipWriter::new(Cursor::new(Vec::new()));
    bomb.start_file("xl/sharedStrings.xml", SimpleFileOptions::default()).unwrap();
    let block = vec![b' '; 1 << 20];
    (0..300).for_each(|_| bomb.write_all(&block).unwrap());
    let bomb = bomb.finish().unwrap().into_inner();
    assert!(bomb.len() < 2_000_000, "{}", bomb.len());
    assert!(refused(&bomb).contains("more than 256 MB"));
    assert!(refused(&book(&[("检查表", &[&["分区", "权重"]])])).contains("column \"item\" is missing"));
    assert!(refused(&book(&[("检查表", &[])])).contains("empty"));
    assert!(refused(&book(&[("检查表", &[PUMP[0]])])).contains("no item"));

    let mut merged = Workbook::new();
    let sheet = merged.add_worksheet().set_name("检查表").unwrap();
    sheet.write_row(0, 0, ["分区", "检查项"]).unwrap();
    sheet.merge_range(1, 0, 2, 0, "泵房", &Format::new()).unwrap();
    sheet.write_formula(1, 1, Formula::new("=A1&\"x\"").set_result("x")).unwrap();
    let text = refused(&merged.save_to_buffer().unwrap());
    assert!(text.contains("检查表!A2: ") && text.contains("merged cells"), "{text}");
    assert!(text.contains("检查表!B2: ") && text.contains("a formula"), "{text}");

    let mut long = Workbook::new();
    let sheet = long.add_worksheet();
    for row in 0..200_000 {
        sheet.write(row, 0, "甲").unwrap();
    }
    let text = refused(&long.save_to_buffer().unwrap());
    assert!(text.contains("20000 rows") && text.lines().count() == 1, "{text}");
}

#[test]
fn a_checklist_that_does_not_say_what_it_is_is_told_how_to() {
    let text = told(read(&book(&[("检查表", &PUMP)]), &Head::default(), &published()));
    for flag in ["--id", "--title", "--stream", "--role"] {
        assert!(text.contains(flag), "{flag} is not in\n{text}");
    }
}

const SURVEY: [&[&str]; 14] = [
    &[
        "type",
        "name",
        "label::中文 (zh)",
        "label::English (en)",
        "required",
        "relevant",
        "constraint",
        "appearance",
    ],
    &["start", "start"],
    &["begin_group", "Pump", "泵房", "Pump room"],
    &["note", "hello", "先断电", "Cut the power first"],
    &["select_one yn", "leak", "有无渗漏", "Any leak", "yes"],
    &["select_multiple where", "places", "位置", "Where", "", "${leak} = '1'", "", "minimal"],
    &[
        "decimal",
        "litres",
        "升数",
        "Litres",
        "",
        "selected(${places}, 'seal') or ${leak} != '2'",
        ". >= 0 and . <= 500",
    ],
    &["image", "photo", "照片", "Photo", "yes", "${litres} >= 5"],
    &["end_group", ""],
    &["begin_repeat", "parts", "更换件", "Parts"],
    &["text", "part", "名称", "Name", "yes"],
    &["integer", "count", "数量", "Count", "", "", ". > 0"],
    &["end_repeat", ""],
    &["time", "left", "离开时间", "Left at"],
];
const CHOICES: [&[&str]; 5] = [
    &["list_name", "name", "label::中文 (zh)", "label::English (en)"],
    &["yn", "1", "有", "Yes"],
    &["yn", "2", "无", "No"],
    &["where", "seal", "密封", "Seal"],
    &["where", "pipe", "管道", "Pipe"],
];
const SETTINGS: [&[&str]; 2] = [&["form_title", "form_id"], &["泵房抢修", "Pump Repair"]];

fn survey_head() -> Head {
    Head { id: None, title: None, ..head() }
}

#[test]
fn an_xlsform_becomes_a_checklist_with_its_conditions() {
    let file = book(&[("survey", &SURVEY), ("choices", &CHOICES), ("settings", &SETTINGS)]);
    let imported = read(&file, &survey_head(), &published()).unwrap();
    let warnings: Vec<String> = imported.warnings.iter().map(|warning| warning.pointer.clone()).collect();
    assert_eq!(warnings, ["survey!2", "survey!H6"], "metadata and appearance are left out");
    let made = imported.definitions.iter().map(json).find(|json| json["id"] == "chk.pump_repair").unwrap();
    assert_eq!(made["title"]["zh-CN"], "泵房抢修");
    let group = &made["sections"][0];
    assert_eq!((&group["id"], &group["title"]["en"]), (&"g.pump".into(), &"Pump room".into()));
    let items: Vec<&str> =
        group["items"].as_array().unwrap().iter().map(|i| i["id"].as_str().unwrap()).collect();
    assert_eq!(items, ["q.leak", "q.places.seal", "q.places.pipe", "q.litres", "q.photo"]);
    assert_eq!(group["items"][0]["help_zh"], "先断电");
    let visible = &group["items"][1]["visible_if"];
    assert_eq!((&visible["item"], &visible["option"]), (&"q.leak".into(), &"c_1".into()));
    let litres = &group["items"][3];
    assert_eq!((&litres["min"], &litres["max"]), (&Value::from(0.0), &Value::from(500.0)));
    assert_eq!(litres["visible_if"]["op"], "or");
    assert_eq!(litres["visible_if"]["args"][0]["item"], "q.places.seal");
    assert_eq!(litres["visible_if"]["args"][1]["op"], "not");
    assert_eq!(group["items"][4]["photo_required"], true);
    let parts = &made["repeat_groups"][0];
    assert_eq!((&parts["fields"][1]["type"], &parts["fields"][1]["min"]), (&"int".into(), &Value::from(1.0)));
    assert_eq!(made["sections"][1]["items"][0]["type"], "time");
}

#[test]
fn what_a_survey_cannot_be_kept_in_is_told_by_cell() {
    let rows: [&[&str]; 8] = [
        SURVEY[0],
        &["geopoint", "place", "位置"],
        &["select_one none", "a", "甲"],
        &["text", "b", "乙", "", "", "${nobody} = 'x'"],
        &["text", "c", "丙", "", "", "count(${b}) > 2"],
        &["text", "B", "丁"],
        &["text", "d", "戊", "", "", "", "regex(., '[0-9]+')"],
        &["begin_group", "open", "组"],
    ];
    let file = book(&[("survey", &rows), ("choices", &CHOICES), ("settings", &SETTINGS)]);
    let outcome = read(&file, &survey_head(), &published());
    let text = told(outcome);
    for expected in ["survey!A2", "survey!A3", "survey!F4", "survey!F5", "survey!B6", "survey!8"] {
        assert!(text.contains(&format!("file.xlsx {expected}: ")), "{expected} is not in\n{text}");
    }
}

#[test]
fn what_other_apps_do_with_a_survey_is_left_out_with_a_warning() {
    let rows: [&[&str]; 14] = [
        &[
            "type",
            "name",
            "label",
            "required",
            "relevant",
            "appearance",
            "calculation",
            "repeat_count",
            "constraint_message",
        ],
        &["calculate", "total", "", "", "", "", "${count} * 2"],
        &["select_one yn or_other", "leak", "有无渗漏", "true()"],
        &["begin_repeat", "parts", "更换件", "", "${leak} = '1'", "", "", "${count}"],
        &["image", "shot", "照片"],
        &["begin_group", "inner", "细目"],
        &["text", "part", "名称"],
        &["end_group", ""],
        &["end_repeat", ""],
        &["begin_group", "outer", "外", "", "${leak} = '1'"],
        &["begin_group", "deep", "内", "", "${leak} != '2'"],
        &["integer", "count", "数量", "false()", "", "numbers", "", "", "太大"],
        &["end_group", ""],
        &["note", "bye", "再见"],
    ];
    let rows = [&rows[..], &[&["end_group", ""][..]]].concat();
    let file = book(&[("survey", &rows), ("choices", &CHOICES), ("settings", &SETTINGS)]);
    let imported = read(&file, &survey_head(), &published()).unwrap();
    let mut warned: Vec<&str> = imported.warnings.iter().map(|warning| warning.pointer.as_str()).collect();
    warned.sort_unstable();
    assert_eq!(
        warned,
        [
            "survey!14",
            "survey!2",
            "survey!A3",
            "survey!E4",
            "survey!F12",
            "survey!G2",
            "survey!H4",
            "survey!I12"
        ]
    );
    let made = imported.definitions.iter().map(json).find(|json| json["id"] == "chk.pump_repair").unwrap();
    let group = &made["repeat_groups"][0];
    let kinds: Vec<&Value> = group["fields"].as_array().unwrap().iter().map(|field| &field["type"]).collect();
    assert_eq!((kinds, &group["max"]), (vec![&Value::from("photos"), &"text".into()], &Value::from(200)));
    let count =
        made["sections"].as_array().unwrap().iter().find(|section| section["id"] == "g.deep").unwrap();
    assert_eq!(count["title"]["zh-CN"], "外 / 内");
    let visible = &count["items"][0]["visible_if"];
    assert_eq!((&visible["op"], &visible["args"][1]["op"]), (&"and".into(), &"not".into()), "{visible}");
    assert_eq!(made["sections"][0]["items"][0]["required"], true);
}

#[test]
fn deep_brackets_end_with_a_message() {
    let deep = format!("{}${{a}} = '1'{}", "(".repeat(5_000), ")".repeat(5_000));
    let rows: [&[&str]; 3] =
        [SURVEY[0], &["select_one yn", "a", "甲"], &["text", "b", "乙", "", "", deep.as_str()]];
    let file = book(&[("survey", &rows), ("choices", &CHOICES), ("settings", &SETTINGS)]);
    assert!(told(read(&file, &survey_head(), &published())).contains("survey!F3"));
}

#[test]
fn an_organisation_grows_by_rows_and_keeps_what_the_file_does_not_name() {
    let published = published();
    let catalog = Catalog::new(&published).unwrap();
    let base = Base { published: &published, catalog: &catalog };
    let projects: [&[&str]; 3] = [
        &["编号", "名称", "户数", "下班时间"],
        &["pj.lanyuan", "澜园", "1300"],
        &["pj.new", "新园", "20", "18:30"],
    ];
    let people: [&[&str]; 3] = [
        &["编号", "姓名", "角色", "项目", "停用"],
        &["u.new01", "新人", "role.patrol;前台客服", "新园"],
        &["u.pm01", "项目经理庚", "role.project_manager", "pj.lanyuan", "是"],
    ];
    let file = book(&[("项目", &projects), ("人员", &people)]);
    let imported = organisation("org.xlsx", &file, &base).unwrap().unwrap();
    let (before, after) = (json(published.last().unwrap()), json(&imported.definitions[0]));
    assert_eq!(imported.definitions[0].reference.version, 2);
    assert_eq!(after["projects"][0]["households"], 1300);
    assert_eq!(after["projects"][0]["params"], before["projects"][0]["params"]);
    assert_eq!(after["checkpoints"], before["checkpoints"]);
    let user = |id: &str| after["users"].as_array().unwrap().iter().find(|u| u["id"] == id).cloned().unwrap();
    assert_eq!(
        (&user("u.new01")["role"], &user("u.new01")["project"]),
        (&"role.patrol".into(), &"pj.new".into())
    );
    assert_eq!(user("u.new01")["more_roles"].as_array().map(Vec::len), Some(1));
    assert_eq!(user("u.pm01")["retired"], true);

    let people: [&[&str]; 3] =
        [&["编号", "姓名", "角色"], &["u.x", "某", "role.none"], &["u.x", "某", "role.patrol"]];
    let problems = organisation("org.xlsx", &book(&[("people", &people)]), &base).unwrap().unwrap_err();
    let places: Vec<&str> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
    assert_eq!(places, ["people!C2", "people!3"]);
}

#[test]
fn the_templates_can_be_read_as_they_are() {
    let published = published();
    let catalog = Catalog::new(&published).unwrap();
    let base = Base { published: &published, catalog: &catalog };
    let filled = checklist_template(&catalog).unwrap();
    let imported = checklist("t.xlsx", &filled, &Head::default(), &base).unwrap().unwrap();
    assert_eq!(imported.definitions[0].reference.id, "chk.pump_room");
    assert!(imported.warnings.is_empty());
    let filled = organisation_template(&catalog).unwrap();
    assert!(organisation("t.xlsx", &filled, &base).unwrap().is_ok());
}
