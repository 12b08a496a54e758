//! The server's table of contents: every route on one screen, and the stack around them.
//!
//! Conventions: JSON routes speak `application/json`, the exchange CBOR (zstd-coded); ids of requests
//! come from `x-request-id` or are made here; every error is a problem document with a code, titles in
//! Chinese and English, and the request id. Known quirk: the exchange answers 200 also when runs were
//! refused, since each run carries its own verdict.

use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{MethodRouter, delete, get, head, options, patch, post};
use axum::{Router, middleware};
use std::time::Duration;
use tower_http::request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;
use tracing::{Span, error, info, info_span, warn};

use crate::api::files::{download, offer, upload};
use crate::api::read::{duties, records, reports};
use crate::api::{enroll, exchange, pokes, readmit, service};
use crate::app::App;
use crate::console;
use crate::problem::{self, Problem};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Every route of devices and programs: method, path, handler. Those of people are in the console.
fn table() -> Vec<(&'static str, &'static str, MethodRouter<App>)> {
    vec![
        ("post", "/v1/enroll", post(enroll::create).layer(DefaultBodyLimit::max(enroll::ENROLL_BYTES_MAX))),
        ("post", "/v1/readmit", post(readmit::create).layer(DefaultBodyLimit::max(enroll::ENROLL_BYTES_MAX))),
        ("post", "/v1/exchange", post(exchange::create)),
        ("get", "/v1/pokes", get(pokes::listen)),
        ("get", "/v1/voucher", get(service::voucher)),
        (
            "post",
            "/v1/files/offers",
            post(offer::create).layer(DefaultBodyLimit::max(offer::OFFER_BYTES_MAX)),
        ),
        ("post", "/v1/files/proofs", post(offer::prove).layer(DefaultBodyLimit::max(offer::OFFER_BYTES_MAX))),
        ("get", "/v1/records", get(records::list)),
        ("get", "/v1/records/{id}", get(records::one)),
        ("get", "/v1/duties", get(duties::list)),
        ("get", "/v1/reports", get(reports::list)),
        ("get", "/v1/reports/{id}", get(reports::one)),
        ("get", "/v1/openapi.json", get(service::openapi)),
        ("get", "/healthz", get(service::health)),
        ("get", "/metrics", get(service::counters)),
    ]
}

/// Routes whose requests take as long as the line needs: they end when nothing moves any more.
fn long_table() -> Vec<(&'static str, &'static str, MethodRouter<App>)> {
    vec![
        ("options", "/v1/files", options(upload::describe)),
        ("post", "/v1/files", post(upload::create)),
        ("head", "/v1/files/uploads/{upload}", head(upload::status)),
        ("patch", "/v1/files/uploads/{upload}", patch(upload::append)),
        ("delete", "/v1/files/uploads/{upload}", delete(upload::end)),
        ("get", "/v1/files/{sha256}", get(download::file)),
        ("get", "/v1/files/{sha256}/thumbnail", get(download::thumbnail)),
    ]
}

/// The server as a service that tests can call without a process.
pub fn router(app: App) -> Router {
    let timeout = Duration::from_secs(app.limits.request_timeout_s);
    let timed = || TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, timeout);
    let mut router = Router::new();
    for (_, path, handler) in table() {
        router = router.route(path, handler.layer(timed()));
    }
    for (_, path, handler) in long_table() {
        router = router.route(path, handler);
    }
    let router = router.merge(console::routes()).fallback(console::nowhere);
    stack(router, &app).with_state(app)
}

/// The layers around the routes, the innermost first.
fn stack(router: Router<App>, app: &App) -> Router<App> {
    let metrics = std::sync::Arc::clone(&app.metrics);
    router
        .layer(middleware::from_fn(problem::render))
        .layer(middleware::from_fn(move |request: Request, next: middleware::Next| {
            let metrics = std::sync::Arc::clone(&metrics);
            async move {
                let route = route_of(&request);
                let response = next.run(request).await;
                metrics.answered(&route, response.status().as_u16());
                response
            }
        }))
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(|request: &Request| {
                    let (id, route) = (problem::request_id(request), route_of(request));
                    info_span!("request", method = %request.method(), route, id)
                })
                .on_request(())
                .on_response(|response: &Response, took: Duration, _: &Span| log(response, took))
                .on_failure(()),
        )
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(SetRequestIdLayer::new(REQUEST_ID, RandomId))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-store"),
        ))
}

/// The one place that logs requests: route, status, time, code and inner cause, never who or what.
fn log(response: &Response, took: Duration) {
    let status = response.status().as_u16();
    let ms = took.as_millis();
    match response.extensions().get::<Problem>() {
        Some(problem) if response.status().is_server_error() => {
            error!(status, ms, code = problem.code(), cause = problem.cause(), "failed");
        }
        Some(problem) => warn!(status, ms, code = problem.code(), "refused"),
        None => info!(status, ms, "answered"),
    }
}

/// The route's pattern; the path itself may carry anything.
fn route_of(request: &Request) -> String {
    request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned()
}

/// Request ids of 8 random bytes in hex.
#[derive(Clone, Copy)]
struct RandomId;

impl MakeRequestId for RandomId {
    fn make_request_id<B>(&mut self, _: &axum::http::Request<B>) -> Option<RequestId> {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).ok()?;
        HeaderValue::from_str(&data_encoding::HEXLOWER.encode(&bytes)).ok().map(RequestId::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::BTreeSet;

    #[test]
    fn the_document_describes_every_route_and_no_other() {
        let document: Value = serde_json::from_str(service::OPENAPI).unwrap();
        let mut described = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            let operations = methods.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters");
            for (method, operation) in operations {
                assert!(operation["summary"].is_string(), "{method} {path} has no summary");
                described.insert((method.clone(), path.clone()));
            }
        }
        let all = table().into_iter().chain(long_table());
        let routed: BTreeSet<(String, String)> =
            all.map(|(method, path, _)| (method.to_owned(), path.to_owned())).collect();
        assert_eq!(routed, described);
    }

    #[test]
    fn every_reference_of_the_document_leads_somewhere() {
        let document: Value = serde_json::from_str(service::OPENAPI).unwrap();
        let mut open = vec![&document];
        let mut references = 0;
        while let Some(value) = open.pop() {
            match value {
                Value::Object(map) => {
                    if let Some(Value::String(to)) = map.get("$ref") {
                        references += 1;
                        assert!(document.pointer(to.trim_start_matches('#')).is_some(), "{to}");
                    }
                    open.extend(map.values());
                }
                Value::Array(list) => open.extend(list),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        assert!(references > 5);
    }
}
