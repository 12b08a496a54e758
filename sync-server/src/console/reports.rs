//! Reports: choose, look, take home as a workbook, print as the paper form.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{Html, IntoResponse as _, Response};
use data_encoding::BASE64;
use sha2::{Digest as _, Sha256};
use xunyuan_core::definition::Report;
use xunyuan_core::error::ErrorKind;
use xunyuan_core::report::{self, Request, Table};

use super::answer::{Page, download};
use super::nav::Area;
use super::visit::Visit;
use crate::app::App;
use crate::asked::Asked;
use crate::problem::Problem;

/// Rows of a report that its preview shows.
const PREVIEW_ROWS: usize = 200;

/// A report among the others.
#[derive(Clone, Debug)]
struct Choice {
    href: String,
    title: String,
    periods: String,
    to: String,
}

#[derive(Template)]
#[template(path = "reports.html")]
struct ReportsPage<'v> {
    v: &'v Visit,
    area: Area,
    choices: Vec<Choice>,
}

/// `GET /reports`
pub(crate) async fn all(visit: Visit) -> Response {
    let choice = |report: &Report| {
        let role = visit.catalog().role(&report.to).map(|role| visit.title(&role.title).to_owned());
        let periods: Vec<&str> = report.period.split('|').map(|kind| period_title(&visit, kind)).collect();
        Choice {
            href: format!("/reports/{}", report.id),
            title: visit.title(&report.title).to_owned(),
            periods: periods.join(visit.t("、", ", ")),
            to: role.unwrap_or_else(|| visit.branch().to_owned()),
        }
    };
    let choices = visit.sight.reports().into_iter().map(|(report, _)| choice(report)).collect();
    Page(ReportsPage { v: &visit, area: Area::Reports, choices }).into_response()
}

fn period_title<'t>(visit: &Visit, kind: &'t str) -> &'t str {
    match kind {
        "day" => visit.t("日", "day"),
        "week" => visit.t("周", "week"),
        "month" => visit.t("月", "month"),
        "quarter" => visit.t("季", "quarter"),
        "year" => visit.t("年", "year"),
        "per_inspection" => visit.t("单次检查", "one inspection"),
        "per_audit" => visit.t("单次审核", "one audit"),
        "per_finding" => visit.t("单个问题", "one finding"),
        other => other,
    }
}

/// A row of the preview: what is said, and whether it is a number.
type Line = Vec<(String, bool)>;

#[derive(Template)]
#[template(path = "report.html")]
struct ReportPage<'v> {
    v: &'v Visit,
    area: Area,
    title: String,
    asked: Asked,
    units: Vec<(String, String)>,
    is_whole: bool,
    project: String,
    period: String,
    record: String,
    heads: Vec<(String, bool)>,
    rows: Vec<Line>,
    foot: Option<Line>,
    more: usize,
    notes: Vec<String>,
    shown_period: String,
    failed: Option<String>,
}

/// `GET /reports/{id}`
pub(crate) async fn one(
    State(app): State<App>,
    Path(id): Path<String>,
    visit: Visit,
) -> Result<Response, Problem> {
    let look = visit.look();
    let (report, units) = look.report(&id)?;
    let format = visit.asked.one_of("format", &["xlsx", "csv", "html"])?.map(str::to_owned);
    let request = look.report_request(&id, &units, visit.lang.english)?;
    let project = request.project.clone();
    let request = Request { sheets: format.as_deref() == Some("html"), ..request };
    let made = visit.read(&app, move |sight| Ok(sight.report(&request))).await?;
    match (made, format) {
        (Ok(table), Some(format)) => as_file(&visit, &table, &format),
        (Ok(table), None) => Ok(preview(&visit, &report, &units, project, Some(&table), None)),
        // What is wrong with the period is said where it can be put right.
        (Err(error), None) if error.kind() == ErrorKind::Invalid => {
            let said = visit.lang.sentence(error.sentence()).to_owned();
            Ok(preview(&visit, &report, &units, project, None, Some(said)))
        }
        (Err(error), _) => Err(Problem::of(&error)),
    }
}

fn preview(
    visit: &Visit,
    report: &Report,
    units: &[String],
    project: Option<String>,
    table: Option<&Table>,
    failed: Option<String>,
) -> Response {
    let english = visit.lang.english;
    let is_number = |place: usize| {
        let kind = table.and_then(|table| table.columns.get(place)).map(|column| column.kind);
        kind.is_some_and(super::grid::is_figure)
    };
    let line = |cells: &Vec<report::Cell>| -> Line {
        cells.iter().enumerate().map(|(place, cell)| (cell.text(english), is_number(place))).collect()
    };
    let rows = table.map_or(&[][..], |table| &table.rows);
    let columns = table.map_or(&[][..], |table| &table.columns);
    let page = ReportPage {
        v: visit,
        area: Area::Reports,
        title: visit.title(&report.title).to_owned(),
        asked: visit.asked.clone(),
        units: units.iter().map(|unit| (unit.clone(), visit.unit(unit))).collect(),
        is_whole: visit.sight.is_whole(units),
        project: project.unwrap_or_default(),
        period: visit.asked.shown("period").to_owned(),
        record: visit.asked.shown("record").to_owned(),
        heads: columns
            .iter()
            .enumerate()
            .map(|(at, column)| (visit.title(&column.title).to_owned(), is_number(at)))
            .collect(),
        rows: rows.iter().take(PREVIEW_ROWS).map(line).collect(),
        foot: table.and_then(|table| table.foot.as_ref()).map(line),
        more: rows.len().saturating_sub(PREVIEW_ROWS),
        notes: table.map_or_else(Vec::new, |table| {
            table.notes.iter().map(|note| visit.lang.sentence(note).to_owned()).collect()
        }),
        shown_period: table.and_then(|table| table.period.clone()).unwrap_or_default(),
        failed,
    };
    Page(page).into_response()
}

fn as_file(visit: &Visit, table: &Table, format: &str) -> Result<Response, Problem> {
    let name = format!("{} {}", visit.title(&table.title), table.period.clone().unwrap_or_default());
    Ok(match format {
        "csv" => download(&format!("{name}.csv"), "text/csv; charset=utf-8", report::csv(table).into_bytes()),
        "html" => paper(&report::html(table))?,
        _ => {
            let bytes = report::xlsx(table).map_err(|error| Problem::of(&error))?;
            let media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
            download(&format!("{name}.xlsx"), media_type, bytes)
        }
    })
}

/// The page to print: its own style stands inside it, and nothing else may; the policy names it by its hash.
fn paper(page: &str) -> Result<Response, Problem> {
    let style =
        page.split_once("<style>").and_then(|(_, rest)| rest.split_once("</style>")).map(|(style, _)| style);
    let hash = BASE64.encode(&Sha256::digest(style.unwrap_or_default().as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let policy = HeaderValue::from_str(&policy).map_err(Problem::internal)?;
    let name: HeaderName = header::CONTENT_SECURITY_POLICY;
    Ok(([(name, policy)], Html(page.to_owned())).into_response())
}
