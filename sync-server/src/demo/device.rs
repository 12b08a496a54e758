//! One person's device: a real replica in its own file and an HTTP client, nothing else.
//!
//! The shell of `replica` over HTTP: it carries bytes, tells the replica what time it is and what went
//! wrong, and decides nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;
use ureq::Agent;
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::replica::{Enrollment, Failure, Replica};
use xunyuan_core::time::Moment;
use xunyuan_core::wire::message::EnrollReply;

use crate::clock::Clock;

/// How the devices of the demonstration name themselves to the branch.
const APP: &str = concat!("xunyuan-demo/", env!("CARGO_PKG_VERSION"));
/// Exchanges in one sync before something must be wrong.
const EXCHANGES_MAX: u32 = 100;

/// What a device counted of itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Meter {
    /// Actions saved on the device, none of which waited for the network.
    pub(super) saved: u32,
    /// Requests sent.
    pub(super) requests: u32,
    /// Body bytes sent.
    pub(super) bytes_up: u64,
    /// Body bytes received.
    pub(super) bytes_down: u64,
    /// Records that came from others.
    pub(super) received: u32,
    /// Changes that the branch acknowledged.
    pub(super) acknowledged: u32,
    /// Changes that the branch refused.
    pub(super) refused: u32,
    /// Most clashes seen at a time.
    pub(super) conflicts: u32,
}

/// A device.
pub(super) struct Device {
    /// What it counted.
    pub(super) meter: Meter,
    path: PathBuf,
    replica: Option<Replica>,
    agent: Agent,
    clock: Clock,
    utc_offset_min: i16,
}

impl Device {
    /// Enrols a new device with an invitation link.
    pub(super) fn enrolled(
        link: &str,
        path: &Path,
        clock: Clock,
        utc_offset_min: i16,
    ) -> Result<Self, Error> {
        let agent = agent();
        let enrollment = Enrollment::prepare(link, APP, &moment(&clock, utc_offset_min)?)?;
        let request = serde_json::to_vec(&enrollment.request).map_err(not_understood)?;
        let mut meter = Meter::default();
        let sent = agent.post(&enrollment.url).content_type("application/json").send(&request[..]);
        let body = accepted(sent, &mut meter, request.len())?;
        let reply: EnrollReply = serde_json::from_slice(&body).map_err(not_understood)?;
        let replica = Replica::create(path, &enrollment, &reply)?;
        Ok(Self { meter, path: path.to_owned(), replica: Some(replica), agent, clock, utc_offset_min })
    }

    /// Opens a device whose file is there.
    pub(super) fn opened(path: &Path, clock: Clock, utc_offset_min: i16) -> Result<Self, Error> {
        let replica = Some(Replica::open(path)?);
        Ok(Self {
            meter: Meter::default(),
            path: path.to_owned(),
            replica,
            agent: agent(),
            clock,
            utc_offset_min,
        })
    }

    /// The replica.
    pub(super) fn replica(&mut self) -> &mut Replica {
        self.replica.as_mut().expect("a device is open outside of `closed`")
    }

    /// Lets another process have the file meanwhile, then opens it again.
    pub(super) fn closed<T>(&mut self, work: impl FnOnce(&Path) -> Result<T, Error>) -> Result<T, Error> {
        self.replica = None;
        let outcome = work(&self.path);
        self.replica = Some(Replica::open(&self.path)?);
        outcome
    }

    /// Now, with fresh randomness.
    pub(super) fn moment(&self) -> Result<Moment, Error> {
        moment(&self.clock, self.utc_offset_min)
    }

    /// Exchanges until nothing is left to say.
    pub(super) fn sync(&mut self) -> Result<(), Error> {
        self.replica().wake_now();
        for _ in 0..EXCHANGES_MAX {
            let now = self.moment()?;
            let Some(body) = self.replica().poll_request(&now)? else {
                let open = u32::try_from(self.replica().conflicts()?.len()).unwrap_or(u32::MAX);
                self.meter.conflicts = self.meter.conflicts.max(open);
                return Ok(());
            };
            let reply = match self.post(&body) {
                Ok(reply) => reply,
                Err(error) => {
                    self.replica().handle_failure(&Failure::Unreachable, &now);
                    return Err(error);
                }
            };
            let now = self.moment()?;
            let progress = self.replica().handle_reply(&reply, &now)?;
            self.meter.received += progress.received;
            self.meter.acknowledged += progress.acknowledged;
            self.meter.refused += u32::try_from(progress.refused.len()).unwrap_or(u32::MAX);
        }
        Err(Error::new(ErrorKind::Protocol, "同步没有收敛", "the exchange did not come to rest"))
    }

    /// Exchanges once; the server answers, the answer never arrives.
    pub(super) fn sync_losing_reply(&mut self) -> Result<(), Error> {
        self.replica().wake_now();
        let now = self.moment()?;
        if let Some(body) = self.replica().poll_request(&now)? {
            drop(self.post(&body)?);
            self.replica().handle_failure(&Failure::Unreachable, &now);
        }
        Ok(())
    }

    fn post(&mut self, body: &[u8]) -> Result<Vec<u8>, Error> {
        let identity = self.replica().identity();
        let url = format!("{}/v1/exchange", identity.server_url);
        let token = format!("Bearer {}", identity.token);
        let request = self.agent.post(&url).header("Authorization", token).content_type("application/cbor");
        accepted(request.send(body), &mut self.meter, body.len())
    }
}

fn agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(30)))
        .build()
        .into()
}

fn accepted(
    outcome: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    meter: &mut Meter,
    sent: usize,
) -> Result<Vec<u8>, Error> {
    let response = outcome.map_err(not_understood)?;
    let status = response.status();
    let body = response.into_body().read_to_vec().map_err(not_understood)?;
    meter.requests += 1;
    meter.bytes_up += sent as u64;
    meter.bytes_down += body.len() as u64;
    if status.is_success() {
        return Ok(body);
    }
    let said = String::from_utf8_lossy(&body).into_owned();
    Err(Error::new(
        ErrorKind::Protocol,
        format!("服务器返回 {status}:{said}"),
        format!("the server answered {status}: {said}"),
    ))
}

fn moment(clock: &Clock, utc_offset_min: i16) -> Result<Moment, Error> {
    Ok(Moment { unix_ms: clock.now_ms(), utc_offset_min, entropy: crate::command::entropy()? })
}

fn not_understood(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Protocol, "与服务器的通信失败", "talking to the server failed").caused_by(cause)
}
