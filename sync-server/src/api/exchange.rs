//! `POST /v1/exchange`: one request pushes what is unsent and pulls what is new.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::time::Instant;
use tokio_stream::StreamExt as _;
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::wire::message::{PROTOCOL, PROTOCOL_OLDEST};

use crate::app::App;
use crate::auth::Contact;
use crate::hub::ExchangeFailure;
use crate::problem::Problem;

/// Media type of request and reply.
const MEDIA_TYPE: &str = "application/cbor";
/// A body above the limit is read on up to this multiple of it, so that the sender, still writing,
/// gets to read why it was refused.
const DRAIN_FACTOR: usize = 4;

/// Carries one exchange to the hub and its reply back.
pub(crate) async fn create(
    State(app): State<App>,
    Contact(device): Contact,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let bytes_max = app.limits.body_bytes_max;
    let body = read(body, bytes_max).await?;
    if !headers.get(header::CONTENT_TYPE).is_some_and(is_cbor) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "media_type",
            "请求应为 application/cbor",
            "the body must be application/cbor",
        ));
    }
    let bytes_in = body.len();
    let (outcome, took) = app
        .call(move |hub, now_ms| {
            let since = Instant::now();
            (hub.exchange(&device, &body, now_ms), since.elapsed())
        })
        .await?;
    let reply = outcome.map_err(|failure| refused(failure, bytes_max))?;
    app.metrics.exchanged(bytes_in, reply.len(), took);
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], reply).into_response())
}

/// The whole body, or 413.
async fn read(body: Body, bytes_max: usize) -> Result<Bytes, Problem> {
    let mut stream = body.into_data_stream();
    let mut bytes = Vec::new();
    let mut seen = 0_usize;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|e| {
            Problem::malformed(
                &Error::new(ErrorKind::Invalid, "请求没有传完", "the request broke off before its end")
                    .caused_by(e),
            )
        })?;
        seen = seen.saturating_add(chunk.len());
        if seen <= bytes_max {
            bytes.extend_from_slice(&chunk);
        } else if seen > bytes_max.saturating_mul(DRAIN_FACTOR) {
            break;
        }
    }
    if seen > bytes_max { Err(Problem::too_large(bytes_max)) } else { Ok(bytes.into()) }
}

fn is_cbor(value: &HeaderValue) -> bool {
    let text = value.to_str().unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(MEDIA_TYPE)
}

fn refused(failure: ExchangeFailure, bytes_max: usize) -> Problem {
    match failure {
        ExchangeFailure::TooLarge => Problem::too_large(bytes_max),
        ExchangeFailure::UnsupportedVersion { .. } => Problem::new(
            StatusCode::UPGRADE_REQUIRED,
            "unsupported_version",
            "应用版本与服务器不兼容,请更新应用",
            "this server does not speak the app's protocol version; update the app",
        )
        .with("supported", json!({"oldest": PROTOCOL_OLDEST, "newest": PROTOCOL}))
        .header(header::UPGRADE, HeaderValue::from_static("xunyuan/1")),
        ExchangeFailure::Malformed(error) => Problem::malformed(&error),
        ExchangeFailure::Overloaded => Problem::busy(),
        ExchangeFailure::Internal(error) => Problem::of(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_may_carry_parameters() {
        assert!(is_cbor(&HeaderValue::from_static("application/cbor")));
        assert!(is_cbor(&HeaderValue::from_static("Application/CBOR; x=1")));
        assert!(!is_cbor(&HeaderValue::from_static("application/json")));
    }

    #[test]
    fn an_old_app_learns_which_versions_are_spoken() {
        let body = refused(ExchangeFailure::UnsupportedVersion { asked: 9 }, 1).body("r");
        assert_eq!(body["status"], 426);
        assert_eq!(body["supported"]["newest"], PROTOCOL);
        assert_eq!(body["supported"]["oldest"], PROTOCOL_OLDEST);
    }

    #[test]
    fn a_body_is_read_up_to_the_limit() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            assert_eq!(read(Body::from("abcd"), 4).await.unwrap(), "abcd");
            assert_eq!(read(Body::from("abcde"), 4).await.unwrap_err().status().as_u16(), 413);
        });
    }
}
