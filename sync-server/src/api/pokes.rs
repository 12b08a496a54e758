//! `GET /v1/pokes`: a stream of hints that a scope moved; the device then runs an ordinary exchange.
//!
//! A poke carries no data and may be lost: that costs delay, never a record. A stream ends as soon as its
//! device is revoked, hears of other scopes as soon as its grants change, and ends after [`STREAM_LIFE`].

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, KeepAliveStream, Sse};
use serde_json::json;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use xunyuan_core::id::ScopeId;

use crate::app::App;
use crate::auth::{Caller, revoked};
use crate::hub::{Device, Poke};
use crate::problem::Problem;

/// Longest life of one stream; devices reconnect.
const STREAM_LIFE: Duration = Duration::from_secs(15 * 60);
/// A comment line this often keeps middle boxes from closing a quiet stream.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Pokes that wait for a slow reader; more are dropped, the next exchange brings everything anyway.
const WAITING_MAX: usize = 64;

/// Opens the stream for the scopes that the caller is granted.
pub(crate) async fn listen(
    State(app): State<App>,
    Caller(device): Caller,
) -> Result<Sse<KeepAliveStream<ReceiverStream<Result<Event, Infallible>>>>, Problem> {
    let place = app.listen()?;
    let mut pokes = app.hub.subscribe();
    let mut rights = app.hub.rights();
    let mut granted = hears(&app, &device).await?;
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    tokio::spawn(async move {
        let _place = place;
        let stopped = app.stopped();
        let life = tokio::time::sleep(STREAM_LIFE);
        tokio::pin!(stopped, life);
        loop {
            let poke = tokio::select! {
                () = &mut stopped => return,
                () = &mut life => return,
                () = sender.closed() => return,
                changed = rights.changed() => match (changed, hears(&app, &device).await) {
                    (Ok(()), Ok(scopes)) => {
                        granted = scopes;
                        continue;
                    }
                    // Revoked, or it cannot be told: the device comes back and is asked who it is.
                    _ => return,
                },
                poke = pokes.recv() => poke,
            };
            match poke {
                Ok(poke) if granted.contains(&poke.scope) => {
                    if sender.try_send(Ok(event(&poke))).is_ok() {
                        app.metrics.poked();
                    }
                }
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    });
    Ok(Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// The scopes of which the device may hear now; a problem once it is revoked.
async fn hears(app: &App, device: &Device) -> Result<BTreeSet<ScopeId>, Problem> {
    let device = device.clone();
    let scopes = app.call(move |hub, _| hub.hears(&device)).await?.map_err(|error| Problem::of(&error))?;
    Ok(scopes.ok_or_else(revoked)?.into_iter().collect())
}

fn event(poke: &Poke) -> Event {
    Event::default().event("poke").data(json!({"scope": poke.scope, "seq": poke.seq}).to_string())
}
