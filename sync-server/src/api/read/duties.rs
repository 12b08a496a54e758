//! Duties as they were last judged.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde_json::{Value, json};

use super::params::{self, Kind, Param};
use super::{Query, next_of};
use crate::app::App;
use crate::auth::{Program, ReadDuties};
use crate::hub::DutyView;
use crate::problem::Problem;

const LIST: &[Param] = &[
    ("status", Kind::Text, "status"),
    ("all", Kind::Flag, "all"),
    ("rule", Kind::Text, "rule"),
    ("project", Kind::Text, "project"),
    ("mine", Kind::Flag, "mine"),
    ("due_from", Kind::Text, "since"),
    ("due_until", Kind::Text, "until"),
    ("limit", Kind::Text, "limit"),
    ("cursor", Kind::Text, "cursor"),
];

/// `GET /v1/duties`: duties by due time; settled ones are asked for by name.
pub(crate) async fn list(
    State(app): State<App>,
    uri: Uri,
    program: Program<ReadDuties>,
) -> Result<Json<Value>, Problem> {
    let query = Query::new(&app, program.sight, params::read(&uri, LIST)?);
    let (offset, limit) = query.window()?;
    let wish = query.look().duties()?;
    let now_ms = query.now_ms;
    let found = app.see(&query.sight, move |sight| sight.duties(&wish, offset, limit, now_ms)).await?;
    let next = next_of(offset, found.rows.len(), limit);
    Ok(Json(json!({
        "duties": found.rows.iter().map(DutyView::to_json).collect::<Vec<_>>(),
        "count": found.count,
        "is_more_than_count": found.is_more,
        "more": next.is_some(),
        "next": next,
    })))
}
