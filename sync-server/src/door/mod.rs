//! The server's door: a bound socket becomes connections, with TLS where the settings ask for it.
//!
//! Receives a socket, limits and the certificate to show; hands on connections that are ready for HTTP, never
//! more than a fixed number at a time. Who is slow waits alone: every handshake runs by itself and has a time
//! limit, and a connection on which nothing moves ends. Forbidden here: HTTP beyond one answer to whoever
//! speaks it to a TLS port, and addresses of callers in the log.

mod accept;
mod certificate;
mod connection;
mod made;

pub use accept::Door;
pub use certificate::Shown;
