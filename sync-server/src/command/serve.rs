//! `serve`: the branch server until a signal stops it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::wire::pin::Pin;

use super::Context;
use super::output::{Exit, Report};
use crate::app::{App, Console};
use crate::config::{Config, LogConfig, LogFormat, PinPolicy};
use crate::door::{Door, Shown};
use crate::hub::Hub;
use crate::serve;

/// Serves until SIGINT or SIGTERM; says on stdout where it listens as soon as it does.
pub(super) fn run(context: &Context) -> Result<Report, Error> {
    let config = &context.effective.config;
    if let Err(error) = start_log(&config.log) {
        return Ok(Report { exit: Exit::Usage, ..Report::failed(&error, context.lang) });
    }
    let hub = context.serving_hub()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| {
        Error::new(ErrorKind::Storage, "无法启动线程", "threads cannot be started").caused_by(e)
    })?;
    let served = runtime.block_on(listen(context, &hub));
    // Closed in any case: the lock of the data directory must go with the process's work.
    let closed = hub.close();
    let report = served?;
    closed?;
    Ok(report)
}

async fn listen(context: &Context, hub: &Hub) -> Result<Report, Error> {
    let config = &context.effective.config;
    let lang = context.lang;
    let listener = match TcpListener::bind(config.listen.address).await {
        Ok(listener) => listener,
        Err(e) => {
            let address = config.listen.address;
            let error = Error::new(
                ErrorKind::Storage,
                format!("无法监听 {address}"),
                format!("{address} cannot be listened on"),
            )
            .caused_by(e);
            return Ok(Report { exit: Exit::Connection, ..Report::failed(&error, lang) });
        }
    };
    let address = listener.local_addr().unwrap_or(config.listen.address);
    let shown = Shown::of(config)?;
    let console = console(config, address, shown.is_some());
    let (mut app, stop) = App::new(hub.clone(), context.clock.clone(), config.limits.clone(), console);
    app.shown.clone_from(&shown);
    app.hooks.clone_from(&config.webhooks);
    let door = Door::new(listener, shown.as_ref(), &config.limits, &app.metrics)?;
    let until = serve::signalled()?;
    let here = Here {
        url: format!("{}://{address}", scheme(shown.is_some())),
        pin: shown.as_ref().map(|s| s.pin()),
    };
    let place = Address::note(&config.data.dir, &here)?;
    announce(config, &here);
    make_room(config.limits.connections_max);
    let fresh = shown.map(|shown| {
        let (file, url) = (place.file.clone(), here.url.clone());
        tokio::spawn(shown.keep_fresh(CERTIFICATE_LOOK, move |pin| {
            if here_at(&file, &Here { url: url.clone(), pin: Some(pin) }).is_err() {
                tracing::warn!("links that are made beside the server name the old key: the data directory cannot be written");
            }
        }))
    });
    if hub.branch().is_none() {
        tracing::warn!("no organisation is loaded yet: load one with `org load FILE`, then invite devices");
    }
    say(context, &here);
    let served = serve::serve(door, app, stop, until).await;
    if let Some(fresh) = fresh {
        fresh.abort();
    }
    drop(place);
    served?;
    Ok(Report::done(json!({"stopped": true}), lang.pick("服务已停止", "stopped")))
}

/// How browsers reach the console. Its cookies travel in the open only where all of it stays on this machine.
fn console(config: &Config, address: SocketAddr, has_tls: bool) -> Console {
    let url = match config.listen.public_url.trim_end_matches('/') {
        "" => format!("{}://{address}", scheme(has_tls)),
        public => public.to_owned(),
    };
    Console {
        secure: has_tls || !address.ip().is_loopback() || url.starts_with("https://"),
        url,
        second_factor: config.console.second_factor,
        names_key: config.tls.pin == PinPolicy::Key,
    }
}

const fn scheme(has_tls: bool) -> &'static str {
    if has_tls { "https" } else { "http" }
}

/// Says on stdout where the server listens.
fn say(context: &Context, here: &Here) {
    let Here { url, pin } = here;
    let line = if context.json {
        json!({"listening": url, "pin": pin.map(|pin| pin.to_string()), "pid": std::process::id()})
            .to_string()
    } else {
        format!("{} {url}", context.lang.pick("服务已启动:", "listening on"))
    };
    let mut stdout = std::io::stdout().lock();
    // A closed stdout must not stop a server.
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

/// Says in the log how the server is reached, and by whom.
fn announce(config: &Config, here: &Here) {
    let is_given = !config.tls.certificate.as_os_str().is_empty();
    match here.pin {
        Some(pin) if is_given => tracing::info!(%pin, "TLS with the given certificate"),
        Some(pin) => tracing::info!(%pin, "TLS with the certificate that was made for this branch"),
        None if config.listen.address.ip().is_loopback() => {
            tracing::info!(
                "plain HTTP, for this machine only: a device elsewhere needs TLS, here or in a proxy"
            );
        }
        None => tracing::warn!(
            "plain HTTP on every address, as listen.plain_http says: whoever is in between reads and changes everything"
        ),
    }
}

/// Asks the system for as many open files as connections and the store take, and says when it allows fewer.
fn make_room(connections: usize) {
    let now = getrlimit(Resource::Nofile);
    let wanted = (connections as u64).saturating_add(FILES_BESIDE);
    if now.current.is_none_or(|current| current >= wanted) {
        return;
    }
    let allowed = now.maximum.map_or(wanted, |maximum| wanted.min(maximum));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(allowed), maximum: now.maximum });
    if raised.is_err() || allowed < wanted {
        tracing::warn!("the system allows fewer open files than limits.connections_max (ulimit -n)");
    }
}

/// How often the files of the certificate are looked at.
const CERTIFICATE_LOOK: Duration = Duration::from_secs(2);
/// Open files that are no connections: the store's readers, the log, libraries.
const FILES_BESIDE: u64 = 128;

/// Where a running server is reached, and the key that it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Here {
    /// Its address, e.g. `https://10.0.0.2:7070`.
    pub(super) url: String,
    /// The pin of its key; `None` without TLS.
    pub(super) pin: Option<Pin>,
}

/// The file in the data directory that says where the server listens while it does, so that links made
/// beside it name the right address and key.
pub(super) struct Address {
    file: PathBuf,
}

impl Address {
    const FILE: &str = "address";

    fn note(dir: &Path, here: &Here) -> Result<Self, Error> {
        let file = dir.join(Self::FILE);
        here_at(&file, here).map_err(|e| {
            Error::new(ErrorKind::Storage, "无法写入数据目录", "the data directory cannot be written")
                .caused_by(e)
        })?;
        Ok(Self { file })
    }

    /// Where the server of this directory listens, as far as it said.
    pub(super) fn of(dir: &Path) -> Option<Here> {
        let text = std::fs::read_to_string(dir.join(Self::FILE)).ok()?;
        let mut lines = text.lines();
        let url = lines.next()?.to_owned();
        let pin = lines.next().and_then(|pin| pin.parse().ok());
        let fits = if pin.is_some() { url.starts_with("https://") } else { url.starts_with("http://") };
        fits.then_some(Here { url, pin })
    }
}

fn here_at(file: &Path, here: &Here) -> std::io::Result<()> {
    let pin = here.pin.map(|pin| pin.to_string()).unwrap_or_default();
    std::fs::write(file, format!("{}\n{pin}\n", here.url))
}

impl Drop for Address {
    fn drop(&mut self) {
        // A file left behind only names where the server last was.
        let _ = std::fs::remove_file(&self.file);
    }
}

fn start_log(config: &LogConfig) -> Result<(), Error> {
    // Automerge opens a span around every applied change: a twentieth of admission's work, read by nobody.
    // Who wants them names the target after all.
    let filter = EnvFilter::try_new(format!("automerge=warn,{}", config.level)).map_err(|e| {
        Error::new(
            ErrorKind::Invalid,
            "日志过滤表达式有误(log.level)",
            "the log filter is not valid (log.level)",
        )
        .caused_by(e)
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Text => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    started.map_err(|e| {
        Error::new(ErrorKind::Storage, format!("无法启动日志:{e}"), format!("the log cannot be started: {e}"))
    })
}
