//! Requests with large bodies or answers: files, in pieces, with headers that both sides look at.

use std::io::Read;
use std::time::Duration;
use ureq::http::{self, HeaderMap, Method, Request, Response};
use ureq::{Agent, AsSendBody, Body, SendBody};
use xunyuan_core::wire::pin::Pin;

use super::http::{Carrier, CarryFailure, refused_by, retry_after, unreachable};

/// Most bytes of an answer that says why something was refused.
const SAID_BYTES_MAX: u64 = 64 * 1024;

/// A request about a file.
pub struct Parcel<'p, 'b> {
    /// Its method.
    pub method: Method,
    /// Where to.
    pub url: &'p str,
    /// The one key that the server may show in TLS; `None` where public certificates are trusted.
    pub pin: Option<Pin>,
    /// The device's bearer token.
    pub token: &'p str,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// A body and its length.
    pub body: Option<(&'b mut dyn Read, u64)>,
    /// Longest time until the answer is there.
    pub most: Duration,
}

/// The answer to a parcel, whatever its status.
pub struct Receipt {
    /// The status.
    pub status: u16,
    headers: HeaderMap,
    body: Body,
}

impl Receipt {
    /// A number among the headers.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.headers.get(name)?.to_str().ok()?.trim().parse().ok()
    }

    /// The body as it comes.
    pub fn reader(self) -> impl Read {
        self.body.into_reader()
    }

    /// The body in memory, at most `most` bytes.
    ///
    /// # Errors
    /// When it breaks off or is larger.
    pub fn bytes(self, most: u64) -> Result<Vec<u8>, CarryFailure> {
        self.body.into_with_config().limit(most).read_to_vec().map_err(|error| unreachable(&error))
    }

    /// The answer as a failure, in the branch's own words.
    #[must_use]
    pub fn failure(self) -> CarryFailure {
        let (status, retry_after_ms) = (self.status, retry_after(&self.headers));
        let said = self.body.into_with_config().limit(SAID_BYTES_MAX).read_to_vec().unwrap_or_default();
        refused_by(status, &said, retry_after_ms)
    }
}

impl Carrier {
    /// Sends a parcel; any answer of the branch is an answer.
    ///
    /// # Errors
    /// When the branch is not reached, or the line breaks.
    pub fn parcel(&self, parcel: Parcel<'_, '_>) -> Result<Receipt, CarryFailure> {
        let Parcel { method, url, pin, token, headers, body, most } = parcel;
        let agent = self.agent(pin)?;
        let mut request = Request::builder().method(method).uri(url);
        request = request.header("Authorization", format!("Bearer {token}"));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let response = match body {
            Some((reader, length)) => {
                let request = request.header("Content-Length", length);
                answer(&agent, request.body(SendBody::from_reader(reader)), most)?
            }
            None => answer(&agent, request.body(()), most)?,
        };
        let (head, body) = response.into_parts();
        Ok(Receipt { status: head.status.as_u16(), headers: head.headers, body })
    }
}

fn answer<B: AsSendBody>(
    agent: &Agent,
    request: Result<Request<B>, http::Error>,
    most: Duration,
) -> Result<Response<Body>, CarryFailure> {
    let request = request.map_err(|error| unreachable(&error.into()))?;
    let request = agent.configure_request(request).timeout_global(Some(most)).build();
    agent.run(request).map_err(|error| unreachable(&error))
}
