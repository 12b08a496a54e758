//! The stream of pokes, heard for as long as somebody wants to.

use std::io::Read as _;
use std::thread;
use std::time::{Duration, Instant};
use xunyuan_core::wire::pin::Pin;

use super::backoff::Backoff;
use super::http::Carrier;
use super::sse::EventReader;

/// How often a waiting listener looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(500);

/// Where pokes come from.
#[derive(Clone, Debug)]
pub struct Pokes {
    /// The branch, without trailing slash.
    pub server_url: String,
    /// The device's token.
    pub token: String,
    /// The one key that the branch may show in TLS; `None` where public certificates are trusted.
    pub pin: Option<Pin>,
    /// The network.
    pub carrier: Carrier,
}

impl Pokes {
    /// Listens until the branch shuts this device out, shows another key, or `is_wanted` says no, and calls
    /// `heard` for every poke. Once connected, after every break again, and when it ends by what the branch
    /// says, it calls `heard` as well, because a poke may have been missed before.
    ///
    /// `is_wanted` is asked whenever anything comes from the branch, which says something every few
    /// seconds, and while waiting.
    pub fn listen(&self, is_wanted: impl Fn() -> bool, heard: impl Fn()) {
        let url = format!("{}/v1/pokes", self.server_url);
        let mut backoff = Backoff::default();
        loop {
            let mut asked = None;
            match self.carrier.pokes(&url, &self.token, self.pin) {
                Ok(mut stream) => {
                    backoff.reset();
                    heard();
                    let mut reader = EventReader::default();
                    let mut buffer = [0; 4096];
                    while let Ok(count @ 1..) = stream.read(&mut buffer) {
                        if !is_wanted() {
                            return;
                        }
                        if !reader.take(buffer.get(..count).unwrap_or_default()).is_empty() {
                            heard();
                        }
                    }
                }
                Err(failed) if failed.status == Some(404) => return,
                // The next exchange finds out whose key it is, or that this device is shut out; who listens then
                // knows the new key or token.
                Err(failed) if failed.shown.is_some() || matches!(failed.status, Some(401 | 403)) => {
                    thread::sleep(LOOK);
                    heard();
                    return;
                }
                Err(failed) => asked = failed.retry_after_ms,
            }
            let until = Instant::now() + backoff.next(asked);
            while Instant::now() < until {
                if !is_wanted() {
                    return;
                }
                thread::sleep(LOOK.min(until.saturating_duration_since(Instant::now())));
            }
        }
    }
}
