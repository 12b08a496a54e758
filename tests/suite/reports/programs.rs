//! Reports and history by the programs that people run: every report in every format at both terminals, what
//! goes wrong, and the history of a record with what proves it.

use std::path::Path;

use calamine::{Reader, Xlsx};
use data_encoding::HEXLOWER;
use serde_json::Value as Json;
use tempfile::TempDir;
use xunyuan_core::id::{ChangeHash, DeviceId, DocumentId, ScopeId, UserId};
use xunyuan_core::wire::log::{Chain, Link};
use xunyuan_tests::process::{Branch, Done, terminal, xunyuan};

const FORMATS: [&str; 5] = ["table", "json", "csv", "xlsx", "html"];

/// A branch and the front desk's device, with one complaint that both hold.
fn complained(dir: &TempDir) -> (Branch, std::path::PathBuf, String) {
    let branch = Branch::founded(&dir.path().join("branch"));
    let desk = branch.enroll("u.fd01", dir.path());
    let fields = [
        "entry",
        "new",
        "led.complaint",
        "category=cp.eng.slow",
        "level=general",
        "content=门禁报修三天未修",
        "first_contact=u.fd01",
        "owner_dept=dept.eng",
    ];
    let made = xunyuan(&desk, &fields).good();
    let record = made.json["document"].as_str().unwrap().to_owned();
    let _ = xunyuan(&desk, &["sync"]).good();
    (branch, desk, record)
}

/// Asks for every report in every format and looks at what is in the files.
fn all_formats(dir: &Path, ask: impl Fn(&[&str]) -> Done) {
    let listed = ask(&["report", "list"]).good().json;
    let reports = listed["reports"].as_array().unwrap();
    assert_eq!(reports.len(), 15);
    for report in reports {
        let (id, title) = (report["id"].as_str().unwrap(), report["en"].as_str().unwrap());
        for format in FORMATS {
            let file = dir.join(format!("{id}.{format}"));
            let path = file.to_str().unwrap();
            let made = ask(&["report", id, "--format", format, "-o", path]).good();
            assert_eq!(made.json["file"], path, "{id} {format}");
            let bytes = std::fs::read(&file).unwrap();
            match format {
                "xlsx" => {
                    let mut book: Xlsx<_> = calamine::open_workbook(&file).unwrap();
                    let range = book.worksheet_range_at(0).unwrap().unwrap();
                    assert!(range.get_value((0, 0)).unwrap().to_string().starts_with(title), "{id}");
                }
                "json" => {
                    let json: Json = serde_json::from_slice(&bytes).unwrap();
                    assert_eq!(
                        (&json["report"], &json["title"]["en"]),
                        (&Json::from(id), &Json::from(title))
                    );
                    assert!(
                        json["as_of"].is_string() && json["notes"].as_array().unwrap().len() >= 2,
                        "{id}"
                    );
                }
                "csv" => assert!(bytes.starts_with(b"\xEF\xBB\xBF") && bytes.ends_with(b"\r\n"), "{id}"),
                "html" => {
                    assert!(bytes.starts_with(b"<!DOCTYPE html>") && bytes.ends_with(b"</html>\n"), "{id}")
                }
                _ => assert!(String::from_utf8(bytes).unwrap().starts_with(title), "{id}"),
            }
        }
    }
}

#[test]
fn every_report_is_written_in_every_format_at_both_terminals() {
    let dir = TempDir::new().unwrap();
    let (branch, desk, _) = complained(&dir);
    let (at_branch, on_device) = (dir.path().join("at-branch"), dir.path().join("on-device"));
    std::fs::create_dir(&at_branch).unwrap();
    std::fs::create_dir(&on_device).unwrap();
    all_formats(&at_branch, |arguments| branch.command(arguments));
    all_formats(&on_device, |arguments| xunyuan(&desk, arguments));
    // The same complaint in both, and each says for whom it speaks.
    let read = |dir: &Path| std::fs::read_to_string(dir.join("rep.complaint_monthly.csv")).unwrap();
    let (theirs, own) = (read(&at_branch), read(&on_device));
    assert!(theirs.contains("门禁报修三天未修") && own.contains("门禁报修三天未修"));
    assert!(theirs.contains("every device concerned had synced"), "{theirs}");
    assert!(own.contains("only records of the scopes that this device holds"), "{own}");
}

/// What a command says when it cannot do what it was asked: its exit status, and words in the message.
fn says(done: &Done, code: i32, words: &str) {
    assert_eq!(done.code, Some(code), "{} {}", done.out, done.err);
    let said = format!("{} {}", done.out, done.err);
    assert!(said.contains(words), "“{words}” is not in: {said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn a_report_that_cannot_be_made_says_why_and_touches_nothing() {
    let dir = TempDir::new().unwrap();
    let (branch, desk, record) = complained(&dir);
    let kept = dir.path().join("kept.xlsx");
    std::fs::write(&kept, "last month").unwrap();
    let kept = kept.to_str().unwrap();
    let nowhere = dir.path().join("no such folder/report.csv");
    let nowhere = nowhere.to_str().unwrap();
    let folder = dir.path().to_str().unwrap();
    // What is the matter with the input ends with 1 at the branch, which checked it, and with 2 at a terminal.
    for (arguments, at_branch, on_device, words) in [
        (&["report", "rep.none"][..], 2, 2, "there are: rep.audit"),
        (&["report", "rep.star", "--project", "pj.none"], 2, 2, "there are: pj.lanyuan"),
        (&["report", "rep.complaint_monthly", "--period", "2999-01"], 1, 2, "has not begun"),
        (&["report", "rep.complaint_monthly", "--period", "next week"], 2, 2, "2026-W47"),
        (&["report", "rep.complaint_monthly", "--period", "2026-13"], 2, 2, "2026-W47"),
        (&["report", "rep.audit", "--record", &record], 1, 2, "none that the report is about"),
        (&["report", "rep.audit", "--record", "NC-0000"], 2, 2, "no such record"),
        (&["report", "rep.star", "--format", "pdf"], 2, 2, "there are table, json, csv, xlsx and html"),
        (&["report", "rep.star", "--format", "xlsx"], 2, 2, "-o"),
        (&["report", "rep.complaint_monthly", "-o", kept], 2, 2, "not overwritten"),
        (&["report", "rep.complaint_monthly", "--format", "csv", "-o", nowhere], 4, 4, "no such folder"),
        (&["report", "rep.complaint_monthly", "--overwrite", "-o", folder], 4, 4, folder),
    ] {
        says(&branch.command(arguments), at_branch, words);
        says(&xunyuan(&desk, arguments), on_device, words);
        assert_eq!(std::fs::read_to_string(kept).unwrap(), "last month", "{arguments:?}");
    }
    let parts = std::fs::read_dir(dir.path()).unwrap().filter_map(Result::ok);
    assert!(parts.map(|one| one.file_name()).all(|name| !name.to_string_lossy().contains(".part")));
    let _ = branch.command(&["report", "rep.complaint_monthly", "--overwrite", "-o", kept]).good();
    assert!(std::fs::read(kept).unwrap().starts_with(b"PK"), "asked for, it is replaced");
}

#[test]
fn a_history_can_be_proved_from_the_exported_log() {
    let dir = TempDir::new().unwrap();
    let (branch, _, record) = complained(&dir);
    // A colleague's clock is two hours ahead.
    let lead = branch.enroll("u.csl01", &dir.path().join("lead"));
    let graded = terminal(&lead, &["sync"]).env("XUNYUAN_CLOCK", "+2h").output().unwrap();
    assert!(graded.status.success());
    let step = ["entry", "event", &record, "classify", "level=important", "owner_dept=dept.eng"];
    for arguments in [&step[..], &["sync"]] {
        let done = terminal(&lead, arguments).env("XUNYUAN_CLOCK", "+2h").output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    }
    let history = branch.command(&["history", &record]).good().json;
    let changes = history["changes"].as_array().unwrap();
    let by = |user: &str| changes.iter().filter(|change| change["user"] == user).collect::<Vec<_>>();
    let (desk_changes, lead_changes) = (by("u.fd01"), by("u.csl01"));
    assert!(!desk_changes.is_empty() && lead_changes.len() == 1, "{history}");
    assert_eq!(desk_changes[0]["skew_suspicious"], false);
    let graded = lead_changes[0];
    let skew = graded["skew_ms"].as_i64().unwrap();
    assert!((skew - 7_200_000).abs() < 60_000 && graded["skew_suspicious"] == true, "{graded}");
    let said = graded["said"].as_array().unwrap();
    let event = said.iter().find(|one| one["what"] == "event/classify").unwrap();
    assert!(event["device_time"].as_str().unwrap() > graded["received"].as_str().unwrap(), "{graded}");
    assert!(graded["device"].as_str().is_some_and(|code| !code.is_empty()));
    // The number is the branch's own work.
    let own = changes.iter().find(|change| change["device"].is_null()).unwrap();
    assert!(own["said"].to_string().contains("TS-LY-"), "{own}");

    // Whoever holds the exported log computes the chain anew and finds every row of the history in it.
    let log = dir.path().join("log.jsonl");
    let _ = branch.command(&["export", "records", "-o", log.to_str().unwrap()]).good();
    let log = std::fs::read_to_string(log).unwrap();
    let rows: Vec<Json> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let scope = changes[0]["log"]["scope"].as_str().unwrap();
    let (unit, stream) = scope.split_once('/').unwrap();
    let scope_id = ScopeId::of(unit, stream);
    let mut chain = Chain([0; 32]);
    let mut proved = 0;
    for row in rows.iter().filter(|row| row["scope"] == scope) {
        let text = |key: &str| row[key].as_str().unwrap();
        let bytes = |key: &str| HEXLOWER.decode(text(key).as_bytes()).unwrap();
        chain = chain.next(
            &scope_id,
            &Link {
                seq: row["seq"].as_u64().unwrap(),
                kind: if row["kind"] == "run" { 1 } else { 2 },
                document: DocumentId::from_slice(&bytes("document")).unwrap(),
                last_hash: ChangeHash::from_slice(&bytes("last_hash")).unwrap(),
                device: DeviceId::from_slice(&bytes("device")).unwrap(),
                user: &UserId::new(text("user")),
                received_at_ms: row["received_at_ms"].as_i64().unwrap(),
            },
        );
        for change in changes.iter().filter(|change| change["log"]["seq"] == row["seq"]) {
            assert_eq!(change["log"]["chain"], HEXLOWER.encode(&chain.0), "row {}", row["seq"]);
            let hashes = row["hashes"].as_array().unwrap();
            assert!(hashes.contains(&change["hash"]), "the change is in the row that names it");
            assert_eq!(change["user"], row["user"]);
            proved += 1;
        }
    }
    assert_eq!(proved, changes.len(), "every change of the history is proved");
    says(&branch.command(&["history", "ffffffff"]), 2, "no such record");
}
