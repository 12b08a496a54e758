//! How a run reaches the branch: what every request about a file needs.

use std::io;
use std::time::{Duration, Instant};
use xunyuan_core::wire::pin::Pin;

use crate::net::{CarryFailure, Letter, Method, Parcel, Receipt};
use crate::sync::Line;

/// Longest wait for one request about a file.
const REQUEST: Duration = Duration::from_secs(120);

/// The line, the branch's address and what the device shows there.
#[derive(Clone, Debug)]
pub(super) struct Way<'l> {
    pub(super) line: &'l Line<'l>,
    pub(super) url: String,
    pub(super) pin: Option<Pin>,
    pub(super) token: String,
}

impl Way<'_> {
    /// Sends JSON and takes the answer to it.
    pub(super) fn post(&self, path: &str, body: &[u8]) -> Result<Vec<u8>, CarryFailure> {
        let url = format!("{}{path}", self.url);
        let letter = Letter {
            url: &url,
            pin: self.pin,
            token: Some(&self.token),
            content_type: "application/json",
            body,
        };
        self.line.carrier.post(&letter, Some(self.time_left()))
    }

    /// A request whose every answer is looked at; a line that breaks is said so.
    pub(super) fn carry(
        &self,
        method: Method,
        path: &str,
        headers: Vec<(&'static str, String)>,
        body: Option<(&mut dyn io::Read, u64)>,
    ) -> Result<Receipt, CarryFailure> {
        let url = format!("{}{path}", self.url);
        let (pin, token, most) = (self.pin, self.token.as_str(), self.time_left());
        let parcel = Parcel { method, url: &url, pin, token, headers, body, most };
        self.line.carrier.parcel(parcel)
    }

    /// True when the time of the run is over.
    pub(super) fn is_over(&self) -> bool {
        self.line.until.is_some_and(|until| Instant::now() >= until)
    }

    fn time_left(&self) -> Duration {
        let left = self.line.until.map(|until| until.saturating_duration_since(Instant::now()));
        left.map_or(REQUEST, |left| left.min(REQUEST)).max(Duration::from_millis(1))
    }
}
