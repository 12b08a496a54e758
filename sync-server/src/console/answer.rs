//! How a page leaves: a template as HTML under a strict policy, an error as a plain page.

use askama::Template;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};

use super::lang::Lang;
use crate::problem::{self, Problem};

/// Nothing but our own files, no script and no style inside a page, and no page inside another's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A page that a template makes.
#[derive(Debug)]
pub(crate) struct Page<T>(pub(crate) T);

impl<T: Template> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        match self.0.render() {
            Ok(text) => Html(text).into_response(),
            Err(error) => Problem::internal(error).into_response(),
        }
    }
}

/// A page with another status than 200.
pub(crate) fn with_status(status: StatusCode, page: impl IntoResponse) -> Response {
    let mut response = page.into_response();
    if response.status() == StatusCode::OK {
        *response.status_mut() = status;
    }
    response
}

/// A file to keep: its name in both forms that browsers read.
pub(crate) fn download(name: &str, media_type: &'static str, bytes: Vec<u8>) -> Response {
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' }).collect();
    let coded: String = name
        .bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() || b == b'.' {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect();
    let how = format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{coded}");
    ([(header::CONTENT_TYPE, media_type.to_owned()), (header::CONTENT_DISPOSITION, how)], bytes)
        .into_response()
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'p> {
    lang: Lang,
    status: u16,
    sentence: &'p str,
    code: &'p str,
    request_id: &'p str,
}

/// The layer around the console: errors become plain pages in the person's language, and every response
/// carries the headers that keep a page to itself.
pub(crate) async fn dress(request: Request, next: Next) -> Response {
    let (lang, id) = (Lang::of(request.headers()), problem::request_id(&request));
    let mut response = next.run(request).await;
    let failed = response.status().is_client_error() || response.status().is_server_error();
    let is_page = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if failed && !is_page {
        let problem = response.extensions().get::<Problem>().cloned();
        let problem = problem.unwrap_or_else(|| Problem::of_status(response.status()));
        response = page_of(&problem, lang, &id);
    }
    let headers = response.headers_mut();
    let fixed: [(HeaderName, &'static str); 5] = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// An error as a page: what happened and what to do, nothing of the inside.
fn page_of(problem: &Problem, lang: Lang, request_id: &str) -> Response {
    let page = ErrorPage {
        lang,
        status: problem.status().as_u16(),
        sentence: problem.sentence(lang.english),
        code: problem.code(),
        request_id,
    };
    let mut response = with_status(problem.status(), Page(page));
    // The one place that logs requests finds there what went wrong inside.
    response.extensions_mut().insert(problem.clone());
    response
}

/// The page for an address that leads nowhere, for a browser; a program gets its problem document.
pub(crate) async fn nowhere(lang: Lang, request: Request) -> Response {
    let problem = Problem::of_status(StatusCode::NOT_FOUND);
    let accepts = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if accepts.is_some_and(|accepts| accepts.contains("text/html")) {
        page_of(&problem, lang, &problem::request_id(&request))
    } else {
        problem.into_response()
    }
}
