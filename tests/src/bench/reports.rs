//! W10: every report over a branch's year of 100,000 entries, in a file, by the process that asks.

use std::time::Instant;

use rusqlite::Connection;
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use xunyuan_core::projection;
use xunyuan_core::report::{Period, Request, make};

use super::table::{Line, Table};
use super::usage;
use crate::records::{catalog, load, ms};

/// What any report may take, milliseconds of CPU time.
const MARK_MS: f64 = 2_000.0;
/// What any report may add to the memory of the process, MB.
const MARK_MB: f64 = 400.0;

/// Measures every report over the year and over its last month.
pub(super) fn measure(table: &mut Table, entries: usize) {
    let dir = TempDir::new().expect("a directory");
    let conn = Connection::open(dir.path().join("rows.sqlite3")).expect("a file");
    conn.execute_batch(&projection::STEPS.concat()).expect("the projection's schema");
    let catalog = catalog();
    conn.execute_batch("PRAGMA journal_mode = WAL; BEGIN").expect("a transaction");
    for at in 0..entries {
        load(&conn, &catalog, &[record(at)]);
    }
    conn.execute_batch("COMMIT").expect("the rows are kept");
    let own = std::process::id();
    for report in catalog.reports() {
        for period in ["2026", "2026-11"] {
            let request = Request {
                report: report.id.clone(),
                project: None,
                period: Some(Period::parse(period).expect("a period")),
                record: None,
                now_ms: ms("2026-12-31T12:00+08:00"),
                english: false,
                sheets: false,
            };
            usage::forget_peak(own);
            let (before, begun) = (usage::of(own), Instant::now());
            let made = make(&conn, &catalog, &request, &[], &mut |_| ()).expect("a report");
            let (wall_ms, after) = (begun.elapsed().as_secs_f64() * 1e3, usage::of(own));
            let cpu_ms = after.cpu_ms - before.cpu_ms;
            let grown_mb = after.peak_mb - before.peak_mb;
            #[expect(clippy::cast_precision_loss, reason = "rows of a table")]
            let rows = made.rows.len() as f64;
            let line = Line::new(format!("W10 {} {period} of {entries} entries", report.id))
                .with("cpu_ms", cpu_ms)
                .with("wall_ms", wall_ms)
                .with("rows", rows)
                .with("peak_growth_mb", grown_mb)
                .mark(cpu_ms <= MARK_MS && grown_mb <= MARK_MB, "2 s CPU and 400 MB each");
            table.add(line);
        }
    }
}

/// One of a year's entries: half front desk, a quarter each complaints and findings, over all projects.
pub(super) fn record(at: usize) -> Json {
    let (month, day) = (at % 12 + 1, at / 12 % 28 + 1);
    let time = |hour: usize| format!("2026-{month:02}-{day:02}T{hour:02}:{:02}+08:00", at % 60);
    let project = ["pj.lanyuan", "pj.xiyuan", "pj.jiangwan"][at % 3];
    let content = "卫生间顶部滴水,怀疑楼上漏水,已关楼上支管,待厂家更换软管,预计明日上午完成";
    match at % 4 {
        0 | 1 => json!({
            "of": "led.front_desk", "id": at.to_string(), "project": project, "no": format!("QT-{at}"),
            "fields": {
                "channel": "phone", "category": "fd.help.elder", "content": content, "result": "已处理",
                "first_contact": "u.fd01", "urgency": "urgent", "owner_dept": "dept.eng", "handler": "u.eng01",
            },
            "events": [
                ["create", "u.fd01", time(8), {}], ["assign", "u.fd01", time(9), {}],
                ["accept", "u.eng01", time(10), {}], ["feedback", "u.eng01", time(11), { "note": "进行中" }],
                ["handle", "u.eng01", time(12), {}],
                ["visit", "u.fd01", time(13), { "satisfaction": "s4", "channel": "phone" }],
            ],
        }),
        2 => json!({
            "of": "led.complaint", "id": at.to_string(), "project": project, "no": format!("TS-{at}"),
            "fields": {
                "category": "cp.eng.slow", "level": "general", "content": content, "owner_dept": "dept.eng",
                "first_contact": "u.fd01", "cause_class": "process", "solution": "增设固定岗", "reply_at": time(14),
            },
            "events": [
                ["create", "u.fd01", time(8), {}], ["classify", "u.csl01", time(9), {}],
                ["start", "u.csl01", time(10), {}], ["reply", "u.csl01", time(14), {}],
                ["visit", "u.fd01", time(16), { "satisfaction": "s5" }],
            ],
        }),
        _ => json!({
            "of": "led.finding", "id": at.to_string(), "project": project, "no": format!("NC-{at}"),
            "fields": {
                "source": "manual", "statement": content, "severity": "minor", "owner_dept": "dept.eng",
                "clauses": ["q9_2015.7.2"], "due": format!("2026-{month:02}-{day:02}"),
            },
            "events": [["raise", "u.aud01", time(9), {}], ["confirm", "u.pm01", time(11), {}]],
        }),
    }
}
