//! What a person sends: a form or a file, with the proof that it comes from one of our own pages.

use axum::body::Bytes;
use axum::extract::multipart::MultipartError;
use axum::extract::{FromRequest, FromRequestParts as _, Multipart, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use xunyuan_core::error::{Error, ErrorKind};

use super::person::{Half, Person, Policy};
use crate::app::App;
use crate::problem::Problem;

/// Largest form, bytes.
const FORM_BYTES_MAX: usize = 512 * 1024;
/// Largest upload, bytes.
pub(crate) const UPLOAD_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Name of the field that carries the proof.
const CSRF: &str = "csrf";

/// The fields of a form, in order; a name may come several times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields(pub(crate) Vec<(String, String)>);

impl Fields {
    /// The value of a field, without blanks around it; empty where there is none.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// The value of a field as it was typed.
    pub(crate) fn raw(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
    }

    /// Every value of a field.
    pub(crate) fn all<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// True when the field is there at all.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// The fields of an urlencoded text.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Problem> {
        serde_urlencoded::from_bytes(bytes).map(Self).map_err(|_| unreadable())
    }
}

/// A form of one of our pages, sent by a person who may do what `P` says.
#[derive(Clone, Debug)]
pub(crate) struct Posted<P: Policy = ()> {
    pub(crate) person: Person<P>,
    pub(crate) fields: Fields,
}

impl<P: Policy> FromRequest<App> for Posted<P> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let person = Person::<P>::from_request_parts(&mut parts, app).await?;
        let fields = form(Request::from_parts(parts, body)).await.and_then(|(headers, fields)| {
            proven(&headers, fields.text(CSRF), &person.csrf)?;
            Ok(fields)
        });
        Ok(Self { person, fields: fields.map_err(|problem| problem.into_response())? })
    }
}

/// A form of the second step of signing in.
#[derive(Clone, Debug)]
pub(crate) struct HalfSent {
    pub(crate) half: Half,
    pub(crate) fields: Fields,
}

impl FromRequest<App> for HalfSent {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let half = Half::from_request_parts(&mut parts, app).await?;
        let fields = form(Request::from_parts(parts, body)).await.and_then(|(headers, fields)| {
            proven(&headers, fields.text(CSRF), &half.csrf)?;
            Ok(fields)
        });
        Ok(Self { half, fields: fields.map_err(|problem| problem.into_response())? })
    }
}

/// A form of somebody who is not signed in: that it comes from our own page is all that is asked.
impl FromRequest<App> for Fields {
    type Rejection = Response;

    async fn from_request(request: Request, _: &App) -> Result<Self, Response> {
        let read = form(request).await.and_then(|(headers, fields)| same_site(&headers).map(|()| fields));
        read.map_err(|problem| problem.into_response())
    }
}

/// A file that a person sent, with what stood beside it.
#[derive(Clone, Debug)]
pub(crate) struct Uploaded<P: Policy = ()> {
    pub(crate) person: Person<P>,
    pub(crate) fields: Fields,
    pub(crate) files: Vec<File>,
}

/// One file.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// As the person's computer calls it.
    pub(crate) name: String,
    /// What is in it.
    pub(crate) bytes: Bytes,
}

impl<P: Policy> FromRequest<App> for Uploaded<P> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let person = Person::<P>::from_request_parts(&mut parts, app).await?;
        let headers = parts.headers.clone();
        let parts = Multipart::from_request(Request::from_parts(parts, body), app).await;
        let mut parts = parts.map_err(|_| unreadable().into_response())?;
        let (mut fields, mut files) = (Fields::default(), Vec::new());
        loop {
            let next = parts.next_field().await.map_err(|error| broken(&error).into_response())?;
            let Some(field) = next else { break };
            let name = field.name().unwrap_or_default().to_owned();
            let file = field.file_name().map(str::to_owned);
            let bytes = field.bytes().await.map_err(|error| broken(&error).into_response())?;
            match file {
                Some(file) if !bytes.is_empty() => files.push(File { name: file, bytes }),
                Some(_) => {}
                None => fields.0.push((name, String::from_utf8_lossy(&bytes).into_owned())),
            }
        }
        match proven(&headers, fields.text(CSRF), &person.csrf) {
            Ok(()) => Ok(Self { person, fields, files }),
            Err(problem) => Err(problem.into_response()),
        }
    }
}

async fn form(request: Request) -> Result<(HeaderMap, Fields), Problem> {
    let headers = request.headers().clone();
    let bytes = axum::body::to_bytes(request.into_body(), FORM_BYTES_MAX)
        .await
        .map_err(|_| Problem::too_large(FORM_BYTES_MAX))?;
    Ok((headers, Fields::read(&bytes)?))
}

/// The form carries the token of the session, and the browser names no other site as its origin.
fn proven(headers: &HeaderMap, given: &str, wanted: &str) -> Result<(), Problem> {
    same_site(headers)?;
    // The time that comparing takes must not tell how much of it is right.
    let differs = given.bytes().zip(wanted.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b));
    if given.len() == wanted.len() && differs == 0 { Ok(()) } else { Err(forged()) }
}

fn same_site(headers: &HeaderMap) -> Result<(), Problem> {
    let site = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
    let origin = headers.get(header::ORIGIN).and_then(|value| value.to_str().ok());
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_ours = |origin: &str| origin.split_once("://").is_some_and(|(_, rest)| rest == host);
    match (site, origin) {
        (Some("same-origin" | "none"), _) => Ok(()),
        (Some(_), _) => Err(forged()),
        (None, Some(origin)) if !is_ours(origin) => Err(forged()),
        (None, _) => Ok(()),
    }
}

fn forged() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "form_not_ours",
        "这个表单不是从本页发出的,或页面已过期;没有作任何更改,请返回刷新后重试",
        "this form does not come from one of our pages, or the page is out of date; nothing was changed, go back, reload and try again",
    )
}

fn unreadable() -> Problem {
    Problem::malformed(&Error::new(
        ErrorKind::Invalid,
        "表单的格式不正确;没有作任何更改",
        "the form is not in the expected form; nothing was changed",
    ))
}

fn broken(error: &MultipartError) -> Problem {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Problem::too_large(UPLOAD_BYTES_MAX);
    }
    unreadable()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_our_own_pages_send_forms() {
        let host = ("host", "branch.example:7070");
        for good in [
            headers(&[host]),
            headers(&[host, ("sec-fetch-site", "same-origin")]),
            headers(&[host, ("origin", "https://branch.example:7070")]),
        ] {
            assert!(proven(&good, "abc", "abc").is_ok());
            assert_eq!(proven(&good, "abd", "abc").unwrap_err().code(), "form_not_ours");
            assert_eq!(proven(&good, "", "abc").unwrap_err().code(), "form_not_ours");
        }
        for bad in [
            headers(&[host, ("sec-fetch-site", "cross-site")]),
            headers(&[host, ("origin", "https://evil.example")]),
            headers(&[host, ("origin", "null")]),
        ] {
            assert_eq!(proven(&bad, "abc", "abc").unwrap_err().code(), "form_not_ours");
        }
    }

    #[test]
    fn fields_keep_their_order_and_may_come_twice() {
        let fields = Fields::read("a=1&b=%E6%BC%8F%20&a=2".as_bytes()).unwrap();
        assert_eq!(fields.all("a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!((fields.text("b"), fields.raw("b")), ("漏", "漏 "));
        assert_eq!((fields.text("c"), fields.has("c")), ("", false));
    }
}
