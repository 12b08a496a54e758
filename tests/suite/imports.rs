//! Spreadsheets at the branch's terminal: what is wrong with a file is told by cell and nothing of it is
//! published; a survey of the XLSForm standard is filled in on a device.

use std::path::{Path, PathBuf};

use rust_xlsxwriter::{Format, Formula, Workbook};
use serde_json::Value as Json;
use tempfile::TempDir;
use xunyuan_tests::process::{Branch, Done, xunyuan};

/// Rows of a checklist, the heading first.
const HEADING: [&str; 6] = ["分区", "检查项", "类型", "选项集", "责任部门", "整改天数"];

/// A workbook of one sheet.
fn sheet(name: &str, fill: impl FnOnce(&mut rust_xlsxwriter::Worksheet)) -> Vec<u8> {
    let mut book = Workbook::new();
    fill(book.add_worksheet().set_name(name).unwrap());
    book.save_to_buffer().unwrap()
}

fn lines(name: &str, heading: &[&str], rows: &[&[&str]]) -> Vec<u8> {
    sheet(name, |sheet| {
        for (at, row) in (0..).zip(std::iter::once(&heading).chain(rows)) {
            sheet.write_row(at, 0, row.iter().copied()).unwrap();
        }
    })
}

fn good(items: u32) -> Vec<Vec<String>> {
    let row = |n: u32| {
        ["泵房", &format!("第 {n} 项"), "选择", "rs.pass_fail_na", "dept.eng", "7"]
            .map(str::to_owned)
            .to_vec()
    };
    (1..=items).map(row).collect()
}

/// Fifty good rows and one with a department that is not there.
fn one_bad_row() -> Vec<u8> {
    sheet("检查表", |sheet| {
        sheet.write_row(0, 0, HEADING).unwrap();
        for (at, row) in (1..).zip(good(50)) {
            sheet.write_row(at, 0, row).unwrap();
        }
        sheet.write_row(51, 0, ["泵房", "最后一项", "选择", "rs.pass_fail_na", "dept.moon", "7"]).unwrap();
    })
}

/// Files that people take for a checklist, and a word of what they are told.
fn hostile() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let whole = lines("检查表", &HEADING, &[&["泵房", "无渗漏", "选择", "rs.pass_fail_na", "dept.eng", "7"]]);
    let half = whole[..whole.len() / 2].to_vec();
    let merged = sheet("检查表", |sheet| {
        sheet.write_row(0, 0, HEADING).unwrap();
        sheet.merge_range(1, 0, 3, 0, "泵房", &Format::new()).unwrap();
        sheet.write(1, 1, "无渗漏").unwrap();
    });
    let formula = sheet("检查表", |sheet| {
        sheet.write_row(0, 0, HEADING).unwrap();
        sheet.write_row(1, 0, ["泵房", "无渗漏"]).unwrap();
        sheet.write_formula(1, 5, Formula::new("=3+4").set_result("7")).unwrap();
    });
    let endless = sheet("检查表", |sheet| {
        sheet.write_row(0, 0, HEADING).unwrap();
        for row in 1..200_000 {
            sheet.write(row, 1, "项").unwrap();
        }
    });
    vec![
        ("empty.xlsx", Vec::new(), "not an .xlsx file"),
        ("list.xlsx", "分区,检查项\n泵房,无渗漏\n".as_bytes().to_vec(), "not an .xlsx file"),
        ("gbk.xlsx", b"\xB7\xD6\xC7\xF8,\xBC\xEC\xB2\xE9\xCF\xEE\n".to_vec(), "not an .xlsx file"),
        ("old.xlsx", vec![0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1, 0, 0], "old .xls file"),
        ("half.xlsx", half, "cannot be read"),
        ("missing.xlsx", lines("检查表", &["分区", "权重"], &[&["泵房", "1"]]), "is missing"),
        ("merged.xlsx", merged, "检查表!A2"),
        ("formula.xlsx", formula, "检查表!F2"),
        ("endless.xlsx", endless, "20000 rows"),
        ("row.xlsx", one_bad_row(), "检查表!E52"),
    ]
}

fn import(branch: &Branch, what: &str, file: &Path) -> Done {
    let file = file.to_str().unwrap();
    let head = ["--id", "chk.pump", "--title", "泵房", "--stream", "patrol", "--role", "role.patrol"];
    let mut arguments = vec![what, "import", file];
    if what == "definitions" {
        arguments.extend(head);
    }
    branch.command(&arguments)
}

fn written(dir: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let file = dir.path().join(name);
    std::fs::write(&file, bytes).unwrap();
    file
}

#[test]
fn a_spreadsheet_with_anything_wrong_publishes_nothing() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let published = || branch.command(&["definitions", "list"]).good().out;
    let before = published();
    for (name, bytes, words) in hostile() {
        let done = import(&branch, "definitions", &written(&dir, name, &bytes));
        assert_eq!(done.code, Some(1), "{name}: {} {}", done.out, done.err);
        assert!(done.out.contains(words), "{name}: “{words}” is not in {}", done.out);
        let problems = done.json["problems"].as_array().unwrap();
        assert!(problems.iter().all(|one| one["file"] == name), "{name}: {}", done.out);
        assert_eq!(published(), before, "{name}");
    }
    let gone = import(&branch, "definitions", &dir.path().join("gone.xlsx"));
    assert!(gone.code == Some(1) && gone.out.contains("gone.xlsx cannot be read"), "{}", gone.out);

    // Nine people and a tenth with a role that nobody knows: none of them may be invited.
    let people = sheet("人员", |sheet| {
        sheet.write_row(0, 0, ["编号", "姓名", "角色", "项目"]).unwrap();
        for at in 1..=9 {
            let (id, name) = (format!("u.new{at:02}"), format!("新人{at}"));
            sheet.write_row(at, 0, [id.as_str(), name.as_str(), "role.patrol", "pj.lanyuan"]).unwrap();
        }
        sheet.write_row(10, 0, ["u.new10", "新人十", "role.pilot", "pj.lanyuan"]).unwrap();
    });
    let done = import(&branch, "org", &written(&dir, "people.xlsx", &people));
    assert!(done.code == Some(1) && done.out.contains("人员!C11"), "{}", done.out);
    assert_eq!(published(), before);
    assert_eq!(branch.command(&["invite", "--user", "u.new01"]).code, Some(2), "not a person of the branch");
}

/// A survey as other apps write it: a choice, a condition, a limit, a repeat, what is left out.
fn survey() -> Vec<u8> {
    let mut book = Workbook::new();
    let survey: [&[&str]; 10] = [
        &["type", "name", "label", "required", "relevant", "constraint", "appearance", "calculation"],
        &["calculate", "twice", "", "", "", "", "", "2 * 2"],
        &["begin_group", "pump", "水泵"],
        &["select_one yn", "leak", "有无渗漏", "yes", "", "", "minimal"],
        &["integer", "drops", "每分钟滴数", "yes", "${leak} = 'yes'", ". >= 1 and . <= 300"],
        &["date", "served", "上次保养日"],
        &["end_group"],
        &["begin_repeat", "parts", "更换件"],
        &["text", "part", "名称"],
        &["end_repeat"],
    ];
    let choices: [&[&str]; 3] = [&["list_name", "name", "label"], &["yn", "yes", "有"], &["yn", "no", "无"]];
    let settings: [&[&str]; 2] = [&["form_title", "form_id"], &["水泵点检", "Pump"]];
    for (name, rows) in [("survey", &survey[..]), ("choices", &choices[..]), ("settings", &settings[..])] {
        let sheet = book.add_worksheet().set_name(name).unwrap();
        for (at, row) in (0..).zip(rows) {
            sheet.write_row(at, 0, row.iter().copied()).unwrap();
        }
    }
    book.save_to_buffer().unwrap()
}

#[test]
fn a_survey_of_the_standard_is_published_once_and_filled_in_on_a_device() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let file = written(&dir, "pump.xlsx", &survey());
    let arguments =
        ["definitions", "import", file.to_str().unwrap(), "--stream", "patrol", "--role", "role.patrol"];
    let tried = branch.command(&[&arguments[..], &["--dry-run"]].concat()).good();
    assert!(!branch.command(&["definitions", "list"]).good().out.contains("chk.pump"), "{}", tried.out);
    let done = branch.command(&arguments).good();
    let warned: Vec<&str> =
        done.json["warnings"].as_array().unwrap().iter().map(|w| w["pointer"].as_str().unwrap()).collect();
    assert!(["survey!2", "survey!G4", "survey!H2"].iter().all(|cell| warned.contains(cell)), "{warned:?}");
    // The same file again is no new version.
    let again = branch.command(&arguments).good();
    assert!(!again.out.contains("\"version\":2") && !again.out.contains("\"version\": 2"), "{}", again.out);

    let device = branch.enroll("u.pt01", dir.path());
    let started = xunyuan(&device, &["start", "--checklist", "chk.pump", "--project", "pj.lanyuan"]).good();
    let record = started.json["document"].as_str().unwrap().to_owned();
    let missing = |device: &Path| -> Vec<String> {
        let view = xunyuan(device, &["show", &record]).good().json;
        let lacks = view["missing"].as_array().unwrap();
        lacks.iter().map(|lack| lack["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(missing(&device), ["q.leak"], "the drops are asked for only where it leaks");
    let _ = xunyuan(&device, &["answer", &record, "q.leak", "yes"]).good();
    assert_eq!(missing(&device), ["q.drops"]);
    let wild = xunyuan(&device, &["answer", &record, "q.drops", "4000"]);
    assert_eq!((wild.code, &wild.json["error"]["code"]), (Some(1), &Json::from("number_out_of_range")));
    let _ = xunyuan(&device, &["answer", &record, "q.drops", "12"]).good();
    let _ = xunyuan(&device, &["line", &record, "r.parts", "part=机械密封"]).good();
    let _ = xunyuan(&device, &["complete", &record]).good();
    let _ = xunyuan(&device, &["sync"]).good();
    let history = branch.command(&["history", &record]).good();
    assert!(history.out.contains("机械密封") && history.out.contains("event/complete"), "{}", history.out);
}
