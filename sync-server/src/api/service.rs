//! What operators and programmers ask the server about itself: health, metrics, the API's document; and what devices
//! ask before they trust it.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use xunyuan_core::wire::pin::Voucher;

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

/// `GET /v1/voucher`: the branch's word for the key that it shows in TLS, for a device that knows another one.
pub(crate) async fn voucher(State(app): State<App>) -> Result<Json<Voucher>, Problem> {
    let shown = app.shown.as_ref().ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "no_tls",
            "此服务器没有使用 TLS",
            "this server does not speak TLS itself",
        )
    })?;
    Ok(Json(app.hub.vouch_for(shown.pin(), app.clock.now_ms())))
}

/// `GET /v1/openapi.json`.
pub(crate) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}
