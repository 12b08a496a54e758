//! What operators and programmers ask the server about itself: health, metrics, the API's document.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::app::App;
use crate::metrics;
use crate::problem::Problem;

/// The hand-written OpenAPI document of all routes.
pub(crate) const OPENAPI: &str = include_str!("../../openapi.json");

/// `GET /healthz`: 200 while the store answers.
pub(crate) async fn health(State(app): State<App>) -> Result<Json<Value>, Problem> {
    app.call(|hub, _| hub.healthy()).await?.map_err(|error| Problem::of(&error))?;
    Ok(Json(json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")})))
}

/// `GET /metrics`: Prometheus text.
pub(crate) async fn counters(State(app): State<App>) -> Result<Response, Problem> {
    let stats = app.call(|hub, _| hub.stats()).await?.map_err(|error| Problem::of(&error))?;
    app.metrics.note(&stats);
    let text = app.metrics.text().map_err(Problem::internal)?;
    Ok(([(header::CONTENT_TYPE, metrics::MEDIA_TYPE)], text).into_response())
}

/// `GET /v1/openapi.json`.
pub(crate) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}
