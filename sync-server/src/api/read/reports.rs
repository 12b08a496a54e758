//! Reports: which there are for the program, and one of them worked out.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use serde_json::{Value, json};
use xunyuan_core::report;

use super::Query;
use super::params::{self, Kind, Param};
use crate::app::App;
use crate::auth::{Program, ReadReports};
use crate::problem::Problem;

const ONE: &[Param] = &[
    ("project", Kind::Text, "project"),
    ("period", Kind::Text, "period"),
    ("record", Kind::Text, "record"),
    ("lang", Kind::Text, "lang"),
];

/// `GET /v1/reports`
pub(crate) async fn list(
    State(app): State<App>,
    uri: Uri,
    program: Program<ReadReports>,
) -> Result<Json<Value>, Problem> {
    let query = Query::new(&app, program.sight, params::read(&uri, &[])?);
    let sight = &query.sight;
    let reports = sight.reports().into_iter().map(|(report, units)| {
        json!({
            "id": report.id,
            "title": { "zh": report.title.zh, "en": report.title.en },
            "periods": report.period.split('|').collect::<Vec<_>>(),
            "is_whole": sight.is_whole(&units),
            "projects": units,
        })
    });
    Ok(Json(json!({ "reports": reports.collect::<Vec<_>>() })))
}

/// `GET /v1/reports/{id}`
pub(crate) async fn one(
    State(app): State<App>,
    uri: Uri,
    Path(id): Path<String>,
    program: Program<ReadReports>,
) -> Result<Json<Value>, Problem> {
    let query = Query::new(&app, program.sight, params::read(&uri, ONE)?);
    let (_, units) = query.look().report(&id)?;
    let english = query.asked.one_of("lang", &["zh", "en"])? == Some("en");
    let request = query.look().report_request(&id, &units, english)?;
    let table = app.see(&query.sight, move |sight| sight.report(&request)).await?;
    Ok(Json(report::json(&table)))
}
