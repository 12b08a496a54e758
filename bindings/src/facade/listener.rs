//! What an app's code is told, and by which of its functions.

use std::sync::Arc;

use super::{Replica, SyncError, settled};
use crate::held::{Level, Told};
use crate::screens::Standing;

/// Hears what changes: document ids and how the replica stands, never data.
///
/// Called from a thread of the library, one call at a time. It may take its time, fail, and call back
/// into the replica; what happens meanwhile is told as one.
#[uniffi::export(with_foreign)]
pub trait Listener: Send + Sync {
    /// Records changed, through whomever. With `everything`, load again whatever is shown.
    fn changed(&self, documents: Vec<String>, everything: bool) -> Result<(), ListenerError>;
    /// How the replica stands has changed.
    fn standing(&self, standing: Standing) -> Result<(), ListenerError>;
}

/// Takes lines of the log: counts, codes and durations, nothing about people or records.
#[uniffi::export(with_foreign)]
pub trait LogSink: Send + Sync {
    /// One line.
    fn line(&self, level: LogLevel, text: String) -> Result<(), ListenerError>;
}

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum LogLevel {
    /// For whoever looks for the cause of something.
    Debug,
    /// What was done.
    Info,
    /// What did not work and is tried again.
    Warning,
    /// What must not happen.
    Error,
}

/// An app's code failed while it was told something: noted in the log, harmless otherwise.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Error)]
pub enum ListenerError {
    /// It failed.
    Failed,
}

impl std::fmt::Display for ListenerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the listener failed")
    }
}

impl std::error::Error for ListenerError {}

impl From<uniffi::UnexpectedUniFFICallbackError> for ListenerError {
    fn from(_: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Failed
    }
}

#[uniffi::export]
impl Replica {
    /// Tells changes and standings to `listener` from now on; to nobody without one.
    pub fn set_listener(&self, listener: Option<Arc<dyn Listener>>) -> Result<(), SyncError> {
        settled(self.lang(), || {
            let speaks = Arc::clone(&self.is_english);
            let ear = listener.map(|listener| {
                Arc::new(move |told| tell(&*listener, super::lang_of(&speaks), told))
                    as Arc<dyn Fn(Told) + Send + Sync>
            });
            self.held.news().listen(&self.held, ear);
            Ok(())
        })
    }

    /// Gives lines of the log, from `least` on, to `sink`; to nobody without one.
    pub fn set_log(&self, sink: Option<Arc<dyn LogSink>>, least: LogLevel) -> Result<(), SyncError> {
        settled(self.lang(), || {
            let log = sink.map(|sink| {
                let ear = Arc::new(move |told| {
                    if let Told::Line(level, text) = told {
                        drop(sink.line(LogLevel::of(level), text));
                    }
                });
                (least.level(), ear as Arc<dyn Fn(Told) + Send + Sync>)
            });
            self.held.news().log_to(&self.held, log);
            Ok(())
        })
    }
}

fn tell(listener: &dyn Listener, lang: crate::words::Lang, told: Told) {
    // Whatever an app's code does wrong stays with it.
    let _ = match told {
        Told::Changed { documents, everything } => {
            listener.changed(documents.iter().map(ToString::to_string).collect(), everything)
        }
        Told::Standing(standing) => listener.standing(Standing::of(lang, &standing)),
        Told::Line(..) => Ok(()),
    };
}

impl LogLevel {
    const fn level(self) -> Level {
        match self {
            Self::Debug => Level::Debug,
            Self::Info => Level::Info,
            Self::Warning => Level::Warning,
            Self::Error => Level::Error,
        }
    }

    const fn of(level: Level) -> Self {
        match level {
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warning => Self::Warning,
            Level::Error => Self::Error,
        }
    }
}
