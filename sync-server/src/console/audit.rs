//! The log: every signed row with its chain, and the check of all of it.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use xunyuan_core::definition::Title;
use xunyuan_core::id::ScopeId;

use super::answer::Page;
use super::grid::{FilterPart, Grid, GridCell, GridRow, Head};
use super::listing::{self, address};
use super::nav::Area;
use super::visit::{Sent, Visit};
use crate::app::App;
use crate::auth::{Policy as _, ReadAudit};
use crate::hub::{LogLine, Sight, Standing, VerifyReport};
use crate::problem::Problem;

/// How the last check ended.
#[derive(Clone, Debug)]
struct Checked {
    at_ms: i64,
    is_good: bool,
    said: String,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage<'v> {
    v: &'v Visit,
    area: Area,
    grid: Grid,
    head: Option<(u64, u64, String)>,
    may_verify: bool,
    running: Option<u64>,
    checked: Option<Checked>,
}

/// `GET /audit?scope=..`
pub(crate) async fn log(State(app): State<App>, visit: Visit) -> Result<Response, Problem> {
    let standings = visit.read(&app, Sight::standings).await?;
    let scope = match visit.asked.text("scope") {
        Some(text) => ScopeId::new(text),
        None => standings.first().map_or_else(|| ScopeId::new(""), |standing| standing.scope.clone()),
    };
    let (offset, limit) = Grid::window(&visit.asked)?;
    let (rows, count) = if standings.is_empty() && visit.asked.text("scope").is_none() {
        (Vec::new(), 0)
    } else {
        let wanted = scope.clone();
        let read = move |sight: &Sight| {
            let found = sight.log(&wanted, offset, limit)?;
            let known = found.rows.iter().map(|line| sight.holds_record(line.document));
            let known = known.collect::<Result<Vec<_>, _>>()?;
            Ok((found.rows.into_iter().zip(known).collect::<Vec<_>>(), found.count))
        };
        visit.read(&app, read).await?
    };
    let codes = app.call(|hub, _| hub.devices()).await?.map_err(|error| Problem::of(&error))?;
    let code = |line: &LogLine| {
        codes.iter().find(|device| device.id == line.device).map(|device| device.code.clone())
    };
    let rows = rows.iter().map(|(line, is_known)| row(&visit, line, code(line), *is_known)).collect();
    let title = Title { zh: format!("流水 {scope}"), en: format!("Log {scope}") };
    let mut grid = Grid::plain(&visit, title, heads(), rows)?;
    (grid.count, grid.filters) = (count, filters(&visit, &standings, &scope));
    let head = standings.iter().find(|standing| standing.scope == scope);
    let head = head.map(|head| (head.seq, head.count, data_encoding::HEXLOWER.encode(&head.chain)));
    let running = app.verification.is_running.load(Ordering::Acquire);
    let running = running.then(|| app.verification.records.load(Ordering::Acquire));
    let last = app.verification.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let checked = last.map(|(at_ms, report)| of_report(&visit, at_ms, report));
    let may_verify = ReadAudit::allows(visit.catalog(), visit.user());
    grid.answer(&visit, |grid| {
        let page = AuditPage { v: &visit, area: Area::Audit, grid, head, may_verify, running, checked };
        Page(page).into_response()
    })
}

fn filters(visit: &Visit, standings: &[Standing], scope: &ScopeId) -> Vec<FilterPart> {
    let options = standings.iter().map(|standing| {
        let label =
            format!("{} · {} ({})", visit.unit(standing.scope.unit()), standing.scope.stream(), standing.seq);
        (standing.scope.to_string(), label)
    });
    let mut part = listing::select("scope", visit.t("范围", "Scope"), options.collect(), &visit.asked);
    if let FilterPart::Select { chosen, .. } = &mut part {
        *chosen = scope.to_string();
    }
    vec![part]
}

fn heads() -> Vec<Head> {
    vec![
        Head::count("seq", "行", "Row"),
        Head::time("received", "收到", "Received"),
        Head::text("kind", "种类", "Kind"),
        Head::text("record", "记录", "Record"),
        Head::text("user", "签名人", "Signed for"),
        Head::text("device", "设备", "Device"),
        Head::count("changes", "变更", "Changes"),
        Head::text("hash", "末变更", "Last change"),
        Head::text("chain", "链值", "Chain"),
    ]
}

fn row(visit: &Visit, line: &LogLine, code: Option<String>, is_known: bool) -> GridRow {
    let kind = if line.is_definition { visit.t("定义", "definition") } else { visit.t("变更", "run") };
    let short: String = line.document.to_string().chars().take(8).collect();
    let record = GridCell::text(short);
    let cells = vec![
        GridCell::count(i64::try_from(line.seq).unwrap_or(i64::MAX)),
        GridCell::time(visit, Some(line.received_at_ms)),
        GridCell::text(kind),
        if is_known { record.to(format!("{}/proof", address(line.document))) } else { record },
        GridCell::text(visit.person(&line.user)),
        GridCell::text(code.unwrap_or_else(|| visit.t("服务器", "server").to_owned())),
        GridCell::count(i64::from(line.changes)),
        GridCell::text(line.last_hash.to_string().chars().take(16).collect::<String>()),
        GridCell::text(data_encoding::HEXLOWER.encode(&line.chain).chars().take(16).collect::<String>()),
    ];
    GridRow { key: line.seq.to_string(), href: None, cells }
}

fn of_report(visit: &Visit, at_ms: i64, report: Option<VerifyReport>) -> Checked {
    let Some(report) = report else {
        let said = visit
            .t("核验未能完成;请查看服务器日志。", "The check could not be finished; see the server's log.");
        return Checked { at_ms, is_good: false, said: said.to_owned() };
    };
    let VerifyReport { scopes, records, changes, signatures, documents, waiting_rows, first_bad } = report;
    let mut counted = if visit.lang.english {
        format!(
            "{scopes} scopes, {records} rows, {changes} changes, {signatures} signatures, {documents} records"
        )
    } else {
        format!("{scopes} 个范围、{records} 行、{changes} 个变更、{signatures} 个签名、{documents} 条记录")
    };
    if waiting_rows > 0 {
        counted.push_str(&if visit.lang.english {
            format!("; the lists of {waiting_rows} records are being written again and were not compared")
        } else {
            format!(";{waiting_rows} 条记录的列表正在重写,未作比较")
        });
    }
    match first_bad {
        None => Checked {
            at_ms,
            is_good: true,
            said: format!("{}{counted}", visit.t("全部相符:", "All is well: ")),
        },
        Some(bad) => Checked {
            at_ms,
            is_good: false,
            said: format!(
                "{} {} #{}: {}",
                visit.t("发现第一处不符:", "The first thing that is wrong:"),
                bad.scope,
                bad.seq,
                bad.reason
            ),
        },
    }
}

/// `POST /audit/verify`
pub(crate) async fn verify(State(app): State<App>, _sent: Sent<ReadAudit>) -> Response {
    app.verify();
    Redirect::to("/audit").into_response()
}
