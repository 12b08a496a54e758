//! The server's life: from a bound socket to the last running exchange.

use std::future::Future;
use std::time::Duration;
use tracing::{info, warn};
use xunyuan_core::error::{Error, ErrorKind};

use crate::app::{App, Stop};
use crate::courier;
use crate::door::Door;
use crate::hub::Hub;
use crate::routes;

/// Serves until `until` resolves, then finishes what runs.
///
/// Stopping: poke streams end, new hub calls get 503, running ones finish within
/// `limits.stop_grace_s`. A call that still runs after that is not torn: its transaction either
/// commits or is rolled back by the store when the process ends. The hub stays open; closing it is
/// up to the caller.
///
/// # Errors
/// `Storage` when the socket fails.
pub async fn serve(
    door: Door,
    app: App,
    stop: Stop,
    until: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    let router = routes::router(app.clone());
    let looking = tokio::spawn(look_after_duties(app.clone()));
    let clearing = tokio::spawn(clear_files(app.clone()));
    let carrying = tokio::spawn(courier::carry(app.clone()));
    let stopped = app.stopped();
    let serving = axum::serve(door, router).with_graceful_shutdown(async move {
        until.await;
        info!("stopping");
        stop.now();
    });
    let grace = Duration::from_secs(app.limits.stop_grace_s);
    let overdue = async {
        stopped.await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        served = serving => served.map_err(|e| {
            Error::new(ErrorKind::Storage, "网络监听出错,服务已停止", "the listening socket failed; the server stopped")
                .caused_by(e)
        })?,
        () = overdue => warn!("connections were still open after the grace period"),
    }
    looking.abort();
    clearing.abort();
    carrying.abort();
    if !app.idle().await {
        warn!("calls of the hub were still running after the grace period");
    }
    Ok(())
}

/// How often duties are looked at when nothing arrives.
const LOOK_EVERY: Duration = Duration::from_secs(20);
/// How long arrivals are gathered before they are looked at.
const GATHER: Duration = Duration::from_millis(400);

/// Writes the rows that a publication left for later, and judges duties when records arrive and when time
/// passes, until the server stops. What was left or due while it was off is caught up with at the first look.
async fn look_after_duties(app: App) {
    let mut pokes = app.hub.subscribe();
    loop {
        let looked =
            |hub: &Hub, now_ms| Ok::<_, Error>(if hub.write_rows()? { true } else { hub.look(now_ms)?.more });
        let more = match app.call(looked).await {
            Ok(Ok(more)) => more,
            Ok(Err(error)) => {
                warn!(%error, "duties were not looked at");
                false
            }
            // Too busy, or stopping: the next turn will do.
            Err(_) => false,
        };
        if more {
            tokio::task::yield_now().await;
            continue;
        }
        tokio::select! {
            () = app.stopped() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
            // Missed pokes and a closed channel only mean another look.
            _ = pokes.recv() => tokio::time::sleep(GATHER).await,
        }
        while pokes.try_recv().is_ok() {}
    }
}

/// How often the next files are looked at for clearing.
const CLEAR_EVERY: Duration = Duration::from_secs(60);
const DAY_S: u64 = 24 * 60 * 60;

/// Lets files go that no record names any more, and uploads that nobody goes on with, a few at a time, until the
/// server stops.
async fn clear_files(app: App) {
    let keep = Duration::from_secs(app.limits.loose_file_days.saturating_mul(DAY_S));
    let part_life = Duration::from_secs(app.limits.upload_days.saturating_mul(DAY_S));
    loop {
        tokio::select! {
            () = app.stopped() => return,
            () = tokio::time::sleep(CLEAR_EVERY) => {}
        }
        match app.call(move |hub, now_ms| hub.clear_files(now_ms, keep, part_life)).await {
            Ok(Ok(cleared)) if cleared.files + cleared.parts > 0 => {
                info!(files = cleared.files, uploads = cleared.parts, "files were cleared");
            }
            Ok(Err(error)) => warn!(%error, "files were not looked at"),
            // Too busy, or stopping: the next turn will do.
            Ok(Ok(_)) | Err(_) => {}
        }
    }
}

/// Resolves on SIGINT or SIGTERM.
///
/// # Errors
/// `Storage` when the system does not let the process listen for signals.
pub fn signalled() -> Result<impl Future<Output = ()> + Send + 'static, Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let hooked = |kind| {
        signal(kind).map_err(|e| {
            Error::new(ErrorKind::Storage, "无法接收系统信号", "signals of the system cannot be received")
                .caused_by(e)
        })
    };
    let mut interrupt = hooked(SignalKind::interrupt())?;
    let mut terminate = hooked(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
