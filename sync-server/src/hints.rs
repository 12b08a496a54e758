//! Hints that a scope moved, as a stream of server-sent events: for devices and for pages.
//!
//! A hint carries no data and may be lost: that costs delay, never a record. A stream hears of other scopes
//! as soon as the rights of its listener change, and ends with them.

use axum::response::sse::{Event, KeepAlive, KeepAliveStream, Sse};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use xunyuan_core::id::ScopeId;

use crate::app::App;
use crate::hub::Poke;
use crate::problem::Problem;

/// Longest life of one stream; whoever listens connects again.
const STREAM_LIFE: Duration = Duration::from_secs(15 * 60);
/// A comment line this often keeps middle boxes from closing a quiet stream.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Hints that wait for a slow reader; more are dropped, the next look brings everything anyway.
const WAITING_MAX: usize = 64;

/// What a browser or a device reads.
pub(crate) type Stream = Sse<KeepAliveStream<ReceiverStream<Result<Event, Infallible>>>>;

/// Whoever listens.
pub(crate) trait Listener: Send + Sync + 'static {
    /// The scopes of which it may hear now; a problem once it may hear nothing.
    fn hears(&self, app: &App) -> impl Future<Output = Result<BTreeSet<ScopeId>, Problem>> + Send;

    /// What it is told of a hint; `None` in place of the hint where some were lost.
    fn told(&self, poke: Option<&Poke>) -> Option<Event>;

    /// What comes within so short a time is one hint.
    fn gather(&self) -> Duration;
}

/// Opens a stream.
pub(crate) async fn open(app: App, listener: impl Listener) -> Result<Stream, Problem> {
    let place = app.listen()?;
    let heard = Heard { pokes: app.hub.subscribe(), rights: app.hub.rights() };
    let scopes = listener.hears(&app).await?;
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    tokio::spawn(async move {
        let _place = place;
        run(&app, &listener, heard, scopes, &sender).await;
    });
    Ok(Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// What a stream hears of the branch.
struct Heard {
    pokes: broadcast::Receiver<Poke>,
    rights: watch::Receiver<u64>,
}

async fn run(
    app: &App,
    listener: &impl Listener,
    mut heard: Heard,
    mut scopes: BTreeSet<ScopeId>,
    sender: &mpsc::Sender<Result<Event, Infallible>>,
) {
    let stopped = app.stopped();
    let life = tokio::time::sleep(STREAM_LIFE);
    tokio::pin!(stopped, life);
    loop {
        let poke = tokio::select! {
            () = &mut stopped => return,
            () = &mut life => return,
            () = sender.closed() => return,
            changed = heard.rights.changed() => match (changed, listener.hears(app).await) {
                (Ok(()), Ok(now)) => {
                    scopes = now;
                    continue;
                }
                // Shut out, or it cannot be told: whoever listens comes back and is asked who it is.
                _ => return,
            },
            poke = heard.pokes.recv() => poke,
        };
        let event = match &poke {
            Ok(poke) if scopes.contains(&poke.scope) => listener.told(Some(poke)),
            Err(RecvError::Lagged(_)) => listener.told(None),
            Ok(_) => None,
            Err(RecvError::Closed) => return,
        };
        let Some(event) = event else { continue };
        if !listener.gather().is_zero() {
            tokio::time::sleep(listener.gather()).await;
            while heard.pokes.try_recv().is_ok() {}
        }
        if sender.try_send(Ok(event)).is_ok() {
            app.metrics.poked();
        }
    }
}
