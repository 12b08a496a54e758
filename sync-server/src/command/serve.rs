//! `serve`: the branch server until a signal stops it.

use serde_json::json;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;
use xunyuan_core::error::{Error, ErrorKind};

use super::Context;
use super::output::{Exit, Report};
use crate::app::App;
use crate::config::{LogConfig, LogFormat};
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
    let (app, stop) = App::new(hub.clone(), context.clock.clone(), config.limits.clone());
    let until = serve::signalled()?;
    let place = Address::note(&config.data.dir, &format!("http://{address}"))?;
    if hub.branch().is_none() {
        tracing::warn!("no organisation is loaded yet: load one with `org load FILE`, then invite devices");
    }
    let line = if context.json {
        json!({"listening": format!("http://{address}"), "pid": std::process::id()}).to_string()
    } else {
        format!("{} http://{address}", lang.pick("服务已启动:", "listening on"))
    };
    let mut stdout = std::io::stdout().lock();
    // A closed stdout must not stop a server.
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    drop(stdout);
    let served = serve::serve(listener, app, stop, until).await;
    drop(place);
    served?;
    Ok(Report::done(json!({"stopped": true}), lang.pick("服务已停止", "stopped")))
}

/// The file in the data directory that says where the server listens while it does, so that links made
/// beside it name the right address.
pub(super) struct Address {
    file: PathBuf,
}

impl Address {
    const FILE: &str = "address";

    fn note(dir: &Path, url: &str) -> Result<Self, Error> {
        let file = dir.join(Self::FILE);
        std::fs::write(&file, url).map_err(|e| {
            Error::new(ErrorKind::Storage, "无法写入数据目录", "the data directory cannot be written")
                .caused_by(e)
        })?;
        Ok(Self { file })
    }

    /// Where the server of this directory listens, as far as it said.
    pub(super) fn of(dir: &Path) -> Option<String> {
        let url = std::fs::read_to_string(dir.join(Self::FILE)).ok()?;
        url.starts_with("http://").then_some(url)
    }
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
