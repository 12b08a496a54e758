//! Taking connections in: a place for each, handshakes beside each other, and a word to who forgot TLS.

use axum::serve::Listener;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use xunyuan_core::error::Error;

use super::certificate::Shown;
use super::connection::{Connection, Place, Stream};
use crate::config::LimitConfig;
use crate::metrics::Metrics;
use crate::problem::{MEDIA_TYPE, Problem};

/// How much longer than a request a connection may be without a byte either way.
const QUIET: Duration = Duration::from_secs(60);
/// Pause after the system refused to hand over a connection: no files left, no memory.
const EXHAUSTED: Duration = Duration::from_millis(500);
/// Most bytes that are read of a plain request to a TLS port, so that its sender hears the answer.
const PLAIN_BYTES_MAX: u64 = 64 * 1024;

/// A bound socket that hands out connections.
pub struct Door {
    outside: Outside,
    acceptor: Option<TlsAcceptor>,
    handshakes: JoinSet<Option<(Connection, SocketAddr)>>,
    handshake_time: Duration,
    quiet: Duration,
}

/// Where callers wait, and the places that are left inside.
struct Outside {
    socket: TcpListener,
    places: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

impl Door {
    /// A door over a bound socket, with TLS where there is something to show.
    ///
    /// # Errors
    /// `Storage` when TLS cannot be set up.
    pub fn new(
        socket: TcpListener,
        shown: Option<&Arc<Shown>>,
        limits: &LimitConfig,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, Error> {
        let acceptor = match shown {
            Some(shown) => Some(TlsAcceptor::from(Arc::new(shown.tls()?))),
            None => None,
        };
        let places = Arc::new(Semaphore::new(limits.connections_max));
        Ok(Self {
            outside: Outside { socket, places, metrics: Arc::clone(metrics) },
            acceptor,
            handshakes: JoinSet::new(),
            handshake_time: Duration::from_secs(limits.handshake_timeout_s),
            quiet: Duration::from_secs(limits.request_timeout_s) + QUIET,
        })
    }

    /// Begins the handshake of a caller; it goes on beside the others.
    fn begin(&mut self, acceptor: TlsAcceptor, stream: TcpStream, from: SocketAddr, place: Place) {
        let (limit, quiet, metrics) = (self.handshake_time, self.quiet, Arc::clone(&self.outside.metrics));
        self.handshakes.spawn(async move {
            match tokio::time::timeout(limit, secured(&acceptor, stream)).await {
                Ok(Ok(stream)) => Some((Connection::new(stream, quiet, place), from)),
                Ok(Err(error)) => {
                    metrics.handshake_failed();
                    tracing::debug!(%error, "a handshake failed");
                    None
                }
                Err(_) => {
                    metrics.handshake_failed();
                    tracing::debug!("a handshake took too long");
                    None
                }
            }
        });
    }
}

impl Outside {
    /// The next caller, once a place is free.
    async fn caller(&self) -> (TcpStream, SocketAddr, Place) {
        let permit = loop {
            // The semaphore is never closed.
            if let Ok(permit) = Arc::clone(&self.places).acquire_owned().await {
                break permit;
            }
        };
        loop {
            match self.socket.accept().await {
                Ok((stream, from)) => {
                    // Only speed would be lost.
                    let _ = stream.set_nodelay(true);
                    return (stream, from, (permit, self.metrics.connected()));
                }
                Err(error) if is_callers(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "no connection can be taken in");
                    tokio::time::sleep(EXHAUSTED).await;
                }
            }
        }
    }
}

impl Listener for Door {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            tokio::select! {
                Some(ended) = self.handshakes.join_next() => {
                    if let Ok(Some(connection)) = ended {
                        return connection;
                    }
                }
                (stream, from, place) = self.outside.caller() => match self.acceptor.clone() {
                    Some(acceptor) => self.begin(acceptor, stream, from, place),
                    None => return (Connection::new(Stream::Plain(stream), self.quiet, place), from),
                },
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.outside.socket.local_addr()
    }
}

async fn secured(acceptor: &TlsAcceptor, stream: TcpStream) -> io::Result<Stream> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    // Every method of HTTP begins with a capital letter, no TLS record does.
    if first.iter().all(u8::is_ascii_uppercase) {
        tell_of_tls(stream).await?;
        return Err(io::Error::other("plain HTTP on a TLS port"));
    }
    Ok(Stream::Tls(Box::new(acceptor.accept(stream).await?)))
}

/// Answers a request that came without TLS, in the shape of every other error.
async fn tell_of_tls(mut stream: TcpStream) -> io::Result<()> {
    let problem = Problem::https_only();
    let body = problem.body("").to_string();
    let status = problem.status();
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    // A socket that is closed over unread bytes takes the answer back.
    let mut rest = stream.take(PLAIN_BYTES_MAX);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    Ok(())
}

/// True for a caller who was gone before being taken in.
fn is_callers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}
