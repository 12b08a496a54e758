//! What every language gets: an object, a few records, one error.
//!
//! The same facade for Kotlin, Swift and Python; no logic in any wrapper. Calls are coarse (a screen, a
//! page, an action with the screen after it), block for as long as the file takes, and are safe from any
//! thread. Receives plain values, hands on the records of [`crate::screens`]. Decides nothing.

mod drafts;
mod entries;
mod error;
mod files;
mod listener;
mod lookup;
mod reports;
mod scene;
mod settings;
mod sheets;
mod syncing;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use xunyuan_core::id::DocumentId;
use xunyuan_core::replica;
use xunyuan_core::sqlite::FileKey;

use crate::export;
use crate::failure::Failure;
use crate::held::Held;
use crate::place::{self, Place};
use crate::screens::{Identity, Standing};
use crate::sync;
use crate::words::Lang;

pub use error::{Explanation, SyncError};
pub use listener::{Listener, ListenerError, LogLevel, LogSink};
pub use reports::{ReportCard, ReportFile, ReportFormat, ReportRequest};
pub use settings::{Language, Network, Settings};
pub use sheets::AnswerInput;

use scene::Scene;

/// One person's records on this device: inspect, keep ledgers, look up, sync.
///
/// One object for one file; hold it for as long as the app runs. Every call is safe from any thread and
/// blocks for as long as the file takes, usually a few milliseconds, so call it off the main thread.
/// Saved means on disk. A thread of its own exchanges with the branch.
#[derive(uniffi::Object)]
pub struct Replica {
    held: Arc<Held>,
    is_english: Arc<AtomicBool>,
    app: String,
}

/// The replica files of a directory: one for each person who shares the device.
#[uniffi::export]
#[must_use]
pub fn replicas_in(directory: String) -> Vec<String> {
    place::replicas_in(Path::new(&directory)).iter().map(|file| file.display().to_string()).collect()
}

/// Encrypts a closed replica file under `to` (`from` left out), decrypts it (`to` left out) or gives it
/// another key. A kill at any moment leaves the file as it was or finished. Photos beside it are not touched.
#[uniffi::export]
pub fn change_key(
    file: String,
    from: Option<Vec<u8>>,
    to: Option<Vec<u8>>,
    language: Language,
) -> Result<(), SyncError> {
    settled(language.lang(), || {
        let (from, to) = (file_key(from)?, file_key(to)?);
        Ok(replica::Replica::rekey(Path::new(&file), from.as_ref(), to.as_ref())?)
    })
}

/// The error for a text that is none, such as one with half of a surrogate pair: what the wrapper of a
/// language raises where it cannot hand the text over.
#[uniffi::export]
pub fn refuse_text(language: Language) -> Result<(), SyncError> {
    Err(SyncError::of(
        language.lang(),
        &Failure::invalid(
            "text_invalid",
            "文字中有无法识别的字符;请重新输入",
            "the text holds a character that is none; type it again",
        ),
    ))
}

#[uniffi::export]
impl Replica {
    /// Turns a one-time link into a replica in `directory` (needs signal) and begins to fetch what the
    /// person may see.
    ///
    /// Everything that can be wrong on this side is found out before the link is used up. With a key, 32
    /// random bytes that the app keeps in the platform's keystore, the file is encrypted.
    #[uniffi::constructor(default(key = None))]
    pub fn enroll(
        link: String,
        directory: String,
        settings: Settings,
        key: Option<Vec<u8>>,
    ) -> Result<Arc<Self>, SyncError> {
        let lang = settings.lang();
        settled(lang, || {
            let (clock, carrier, key) = (settings.clock()?, settings.carrier()?, file_key(key)?);
            let place = Place::Dir(PathBuf::from(directory));
            let enrolled = sync::enroll(&link, &place, key.as_ref(), &settings.app, &carrier, &clock)?;
            Self::hold(enrolled.replica, &enrolled.file, key, &settings)
        })
    }

    /// Opens a replica file that was enrolled before, with its key where it is encrypted.
    #[uniffi::constructor(default(key = None))]
    pub fn open(file: String, settings: Settings, key: Option<Vec<u8>>) -> Result<Arc<Self>, SyncError> {
        let lang = settings.lang();
        settled(lang, || {
            let (path, key) = (PathBuf::from(file), file_key(key)?);
            let replica = place::open(&path, key.as_ref(), &settings.clock()?)?;
            Self::hold(replica, &path, key, &settings)
        })
    }

    /// Closes the file and ends the exchange; every later call fails as closed. A second time is harmless.
    pub fn shut(&self) {
        self.held.close();
    }

    /// Who this replica writes for, and where.
    pub fn identity(&self) -> Result<Identity, SyncError> {
        self.look(|scene| Identity::of(&scene.words, scene.replica, self.held.file()))
    }

    /// How the replica stands: what waits, what was refused, why the branch is not reached.
    pub fn standing(&self) -> Result<Standing, SyncError> {
        settled(self.lang(), || Ok(Standing::of(self.lang(), &self.held.standing()?)))
    }

    /// Speaks another language from now on.
    pub fn set_language(&self, language: Language) {
        self.is_english.store(language == Language::English, Ordering::Relaxed);
    }

    /// Reads the clock in another time zone from now on, by its IANA name.
    pub fn set_time_zone(&self, name: String) -> Result<(), SyncError> {
        settled(self.lang(), || {
            self.held.set_clock(settings::clock(Some(&name))?);
            Ok(())
        })
    }

    /// Writes everything of the replica to a new file for support, without key and token. Says how many
    /// records it holds.
    pub fn export(&self, file: String) -> Result<u32, SyncError> {
        self.look(
            |scene| Ok(export::write(scene.replica, &self.app, scene.moment, Path::new(&file))?.records),
        )
    }
}

impl Replica {
    fn hold(
        replica: replica::Replica,
        file: &Path,
        key: Option<FileKey>,
        settings: &Settings,
    ) -> Result<Arc<Self>, Failure> {
        let (clock, carrier) = (settings.clock()?, settings.carrier()?);
        let held = Held::new(replica, file, key, clock, carrier, settings.habits())?;
        let is_english = Arc::new(AtomicBool::new(settings.lang() == Lang::En));
        Ok(Arc::new(Self { held, is_english, app: settings.app.clone() }))
    }

    /// The language that was chosen.
    fn lang(&self) -> Lang {
        lang_of(&self.is_english)
    }

    /// Looks something up and puts it in words.
    fn look<T>(&self, look: impl FnOnce(&mut Scene<'_>) -> Result<T, Failure>) -> Result<T, SyncError> {
        let (mut look, mut seen) = (Some(look), None);
        self.play(false, &mut |scene| {
            if let Some(look) = look.take() {
                seen = Some(look(scene)?);
            }
            Ok(Vec::new())
        })?;
        seen.ok_or_else(|| self.defect())
    }

    /// Does one thing for the person and puts what came of it in words; `act` also says which documents it
    /// touched.
    fn act<T>(
        &self,
        act: impl FnOnce(&mut Scene<'_>) -> Result<(T, Vec<DocumentId>), Failure>,
    ) -> Result<T, SyncError> {
        let (mut act, mut done) = (Some(act), None);
        self.play(true, &mut |scene| {
            let Some(act) = act.take() else { return Ok(Vec::new()) };
            let (value, touched) = act(scene)?;
            done = Some(value);
            Ok(touched)
        })?;
        done.ok_or_else(|| self.defect())
    }

    /// Plays one call: all that surrounds it is here once, not in each of fifty functions of an app's library.
    fn play(
        &self,
        acts: bool,
        part: &mut dyn FnMut(&mut Scene<'_>) -> Result<Vec<DocumentId>, Failure>,
    ) -> Result<(), SyncError> {
        let lang = self.lang();
        settled(lang, || {
            if acts {
                return self
                    .held
                    .act(|replica, moment| Ok(((), Scene::with(replica, moment, lang, &mut *part)?)));
            }
            let moment = self.held.clock().moment()?;
            self.held.read(|replica| Scene::with(replica, &moment, lang, &mut *part).map(drop))
        })
    }

    fn defect(&self) -> SyncError {
        SyncError::of(self.lang(), &Failure::defect())
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.held.close();
    }
}

fn file_key(bytes: Option<Vec<u8>>) -> Result<Option<FileKey>, Failure> {
    Ok(bytes.as_deref().map(FileKey::from_slice).transpose()?)
}

/// The language that was chosen.
fn lang_of(is_english: &AtomicBool) -> Lang {
    if is_english.load(Ordering::Relaxed) { Lang::En } else { Lang::Zh }
}

/// A result in the language that was chosen. A panic outside the core becomes an error too.
fn settled<T>(lang: Lang, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, SyncError> {
    let work = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    let result = work.unwrap_or_else(|_| Err(Failure::defect()));
    result.map_err(|failure| SyncError::of(lang, &failure))
}

/// A document id as apps hold it.
fn document(text: &str) -> Result<DocumentId, Failure> {
    text.parse().map_err(|_| {
        Failure::invalid(
            "record_invalid",
            "记录编号有误;请使用列表给出的编号",
            "this is no document id; use one that a list gave",
        )
    })
}
