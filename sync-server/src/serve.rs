//! The server's life: from a bound socket to the last running exchange.

use std::future::Future;
use std::time::Duration;
use tokio::net::TcpListener;
use tracing::{info, warn};
use xunyuan_core::error::{Error, ErrorKind};

use crate::app::{App, Stop};
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
    listener: TcpListener,
    app: App,
    stop: Stop,
    until: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    let router = routes::router(app.clone());
    let stopped = app.stopped();
    let serving = axum::serve(listener, router).with_graceful_shutdown(async move {
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
    if !app.idle().await {
        warn!("calls of the hub were still running after the grace period");
    }
    Ok(())
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
