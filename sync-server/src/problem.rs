//! How an error leaves the server: RFC 9457 `application/problem+json`, once, in one place.
//!
//! Handlers return a [`Problem`] as a value; turning it into a response has no side effect. The layer
//! [`render`] writes the body with the request id, and gives every other error of the stack (unknown
//! route, wrong method, timeout) the same shape. A body of status 5xx says nothing of the inside; the
//! cause stays in the response's extensions for the one layer that logs.

use axum::Json;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use tower_http::request_id::RequestId;
use xunyuan_core::error::{Error, ErrorKind, Refusal, Sentence};

/// Media type of a problem body.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// One error as the caller sees it, and its cause as the log sees it.
#[derive(Clone, Debug)]
pub struct Problem(Arc<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    status: StatusCode,
    code: String,
    title: Sentence,
    members: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<String>,
}

impl Problem {
    /// A problem with its status, stable code and title.
    pub fn new(status: StatusCode, code: &str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self(Arc::new(Parts {
            status,
            code: code.to_owned(),
            title: Sentence::new(zh, en),
            members: Map::new(),
            headers: Vec::new(),
            cause: None,
        }))
    }

    /// What a rule refused: its own code and sentence.
    #[must_use]
    pub fn refused(refusal: Refusal) -> Self {
        Self::new(StatusCode::FORBIDDEN, &refusal.code, refusal.sentence.zh, refusal.sentence.en)
    }

    /// Input that cannot be read or does not keep to the protocol.
    #[must_use]
    pub fn malformed(error: &Error) -> Self {
        let sentence = error.sentence().clone();
        Self::new(StatusCode::BAD_REQUEST, "malformed", sentence.zh, sentence.en)
    }

    /// A body above the limit.
    #[must_use]
    pub fn too_large(bytes_max: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!("请求过大:上限 {bytes_max} 字节,请分批发送"),
            format!("the request is too large: the limit is {bytes_max} bytes, send less at once"),
        )
        .with("bytes_max", json!(bytes_max))
    }

    /// HTTP without TLS came to a port that speaks TLS.
    #[must_use]
    pub fn https_only() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "https_only",
            "此地址只接受 HTTPS;请使用 https:// 开头的地址",
            "this address speaks HTTPS only; use an address that begins with https://",
        )
    }

    /// No slot became free in time, or the server is stopping: come back after a jittered pause.
    #[must_use]
    pub fn busy() -> Self {
        let seconds = 1 + u64::from(random_byte() % 8);
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "服务器繁忙,数据未丢失,稍后会自动重试",
            "the server is busy; nothing was lost, try again shortly",
        )
        .header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Something inside went wrong; `cause` is for the log only.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        let mut problem = Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "服务器内部错误,请把请求编号告知管理员",
            "the server failed; give the request id to its operator",
        );
        Arc::make_mut(&mut problem.0).cause = Some(cause.to_string());
        problem
    }

    /// An error of the core: a rule's refusal, bad input, or a failure inside.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        let sentence = error.sentence().clone();
        let known = |status| Self::new(status, error.code(), sentence.zh.clone(), sentence.en.clone());
        match error.kind() {
            ErrorKind::Refused => known(StatusCode::FORBIDDEN),
            ErrorKind::Invalid | ErrorKind::Protocol => known(StatusCode::BAD_REQUEST),
            ErrorKind::NotFound => known(StatusCode::NOT_FOUND),
            ErrorKind::Busy | ErrorKind::Full => {
                let mut problem = Self::busy();
                Arc::make_mut(&mut problem.0).cause = Some(error.to_string());
                problem
            }
            ErrorKind::Newer
            | ErrorKind::Key
            | ErrorKind::Corrupt
            | ErrorKind::Damaged
            | ErrorKind::Storage => Self::internal(error),
        }
    }

    /// The same problem with one more member in its body.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        Arc::make_mut(&mut self.0).members.insert(name.to_owned(), value);
        self
    }

    /// The same problem with a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        Arc::make_mut(&mut self.0).headers.push((name, value));
        self
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// What went wrong inside, for the log.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// What happened and what to do, in one of the two languages.
    #[must_use]
    pub fn sentence(&self, english: bool) -> &str {
        if english { &self.0.title.en } else { &self.0.title.zh }
    }

    /// The body for a request.
    #[must_use]
    pub fn body(&self, request_id: &str) -> Value {
        let parts = &self.0;
        let mut body = parts.members.clone();
        body.insert("type".to_owned(), json!(format!("urn:xunyuan:problem:{}", parts.code)));
        body.insert("title".to_owned(), json!(parts.title.en));
        body.insert("zh".to_owned(), json!(parts.title.zh));
        body.insert("en".to_owned(), json!(parts.title.en));
        body.insert("status".to_owned(), json!(parts.status.as_u16()));
        body.insert("code".to_owned(), json!(parts.code));
        body.insert("request_id".to_owned(), json!(request_id));
        Value::Object(body)
    }

    /// The problem that stands for an error status of the stack without a body of ours.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let (code, zh, en) = match status {
            StatusCode::NOT_FOUND => ("no_route", "没有这个地址", "there is nothing at this address"),
            StatusCode::METHOD_NOT_ALLOWED => {
                ("wrong_method", "此地址不支持该方法", "this address does not take that method")
            }
            StatusCode::REQUEST_TIMEOUT => (
                "timeout",
                "请求超时,数据未丢失,可重试",
                "the request took too long; nothing was lost, try again",
            ),
            _ if status.is_server_error() => return Self(Arc::new(Parts { status, ..internal_parts() })),
            _ => ("bad_request", "请求有误", "the request is not valid"),
        };
        Self::new(status, code, zh, en)
    }
}

impl IntoResponse for Problem {
    /// A response without body; [`render`] adds it, since only there the request id is known.
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        for (name, value) in &self.0.headers {
            response.headers_mut().insert(name.clone(), value.clone());
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// The layer that gives every error response its problem body.
pub async fn render(request: Request, next: Next) -> Response {
    let id = request_id(&request);
    let response = next.run(request).await;
    let status = response.status();
    // A page says what went wrong by itself.
    let is_page = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if is_page || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let problem =
        response.extensions().get::<Problem>().cloned().unwrap_or_else(|| Problem::of_status(status));
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    let mut rendered = Json(problem.body(&id)).into_response();
    for (name, value) in &parts.headers {
        if *name != header::CONTENT_TYPE {
            rendered.headers_mut().insert(name.clone(), value.clone());
        }
    }
    rendered.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    let body = std::mem::replace(rendered.body_mut(), Body::empty());
    let mut response = (status, body).into_response();
    *response.headers_mut() = std::mem::take(rendered.headers_mut());
    response.extensions_mut().insert(problem);
    response
}

/// The id of a request as text; empty outside of the stack that sets it.
#[must_use]
pub fn request_id(request: &Request) -> String {
    request
        .extensions()
        .get::<RequestId>()
        .and_then(|id| id.header_value().to_str().ok())
        .unwrap_or_default()
        .to_owned()
}

fn internal_parts() -> Parts {
    let Problem(parts) = Problem::internal("an error of the stack");
    Arc::unwrap_or_clone(parts)
}

fn random_byte() -> u8 {
    let mut byte = [0];
    // Without randomness every device gets the same pause: worse spread, still correct.
    let _ = getrandom::fill(&mut byte);
    byte[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_names_code_titles_and_request() {
        let body = Problem::too_large(10).body("r1");
        assert_eq!(body["status"], 413);
        assert_eq!(body["code"], "body_too_large");
        assert_eq!(body["type"], "urn:xunyuan:problem:body_too_large");
        assert_eq!(body["request_id"], "r1");
        assert_eq!(body["bytes_max"], 10);
        assert!(body["title"].as_str().unwrap().contains("too large"));
        assert!(body["zh"].as_str().unwrap().contains("请求过大"));
    }

    #[test]
    fn failures_inside_stay_inside() {
        let cause = Error::new(ErrorKind::Storage, "内情", "the inside story");
        let problem = Problem::of(&cause);
        assert_eq!(problem.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!problem.body("r1").to_string().contains("inside story"));
        assert!(problem.cause().unwrap().contains("inside story"));
        assert_eq!(Problem::of_status(StatusCode::BAD_GATEWAY).code(), "internal");
    }

    #[test]
    fn a_refusal_keeps_its_code_and_sentence() {
        let problem = Problem::refused(Refusal::new("invitation_used", "链接已用过", "the link was used"));
        assert_eq!(problem.status(), StatusCode::FORBIDDEN);
        assert_eq!(problem.code(), "invitation_used");
        assert_eq!(problem.body("")["title"], "the link was used");
    }

    #[test]
    fn a_busy_server_names_a_pause_between_one_and_eight_seconds() {
        for _ in 0..50 {
            let response = Problem::busy().into_response();
            let pause: u64 = response.headers()[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
            assert!((1..=8).contains(&pause));
        }
    }

    #[test]
    fn errors_of_the_core_find_their_status() {
        for (kind, status) in [
            (ErrorKind::Refused, 403),
            (ErrorKind::Invalid, 400),
            (ErrorKind::Protocol, 400),
            (ErrorKind::NotFound, 404),
            (ErrorKind::Busy, 503),
            (ErrorKind::Full, 503),
            (ErrorKind::Corrupt, 500),
            (ErrorKind::Damaged, 500),
        ] {
            assert_eq!(Problem::of(&Error::new(kind, "某事", "something")).status().as_u16(), status);
        }
    }
}
