//! What a run of the courier does, in order: asks which files the branch lacks, sends those, fetches what is wanted,
//! and clears what may go. A file that cannot be carried holds up no other; a line that breaks is taken up again
//! where it broke, as long as something moves.

use data_encoding::HEXLOWER;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::time::Duration;
use xunyuan_core::error::{Error, Refusal};
use xunyuan_core::id::FileHash;
use xunyuan_core::replica::{FileNote, Replica};
use xunyuan_core::wire::offer::{OfferReply, OfferRequest, Proof, ProofRequest};

use super::Shelf;
use super::shelf::BLOCK_BYTES;
use super::way::Way;
use crate::failure::Failure;
use crate::net::{CarryFailure, Method};
use crate::sync::{Hold, Line};

/// Rounds of asking and sending in one run: two hundred files each.
const ROUNDS_MAX: u32 = 100;

/// What a run carried.
#[derive(Debug, Default)]
pub struct Carried {
    /// Files that the branch has confirmed.
    pub sent: u32,
    /// Bytes of files that left this device, those that had to be sent again included.
    pub bytes_sent: u64,
    /// Files that cannot be sent until the person does something.
    pub refused: Vec<(FileHash, Refusal)>,
    /// Originals that came.
    pub fetched: u32,
    /// Thumbnails that came.
    pub thumbnails: u32,
    /// Bytes that came.
    pub bytes_received: u64,
    /// Files that are still to be sent in this run, and their bytes.
    pub left: (u32, u64),
    /// How long the branch asked to wait, milliseconds.
    pub retry_after_ms: Option<u64>,
    /// True when all was done that could be done now; false when the caller or the time ended the run, or a failure.
    pub is_finished: bool,
    /// Why the run ended early.
    pub failure: Option<Failure>,
}

impl Carried {
    /// True when something moved: worth telling a person about.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.sent + self.fetched > 0 || !self.refused.is_empty()
    }
}

/// A run under way.
pub(super) struct Run<'r, 'h> {
    pub(super) shelf: &'r Shelf,
    pub(super) hold: &'r mut Hold<'h>,
    pub(super) go_on: &'r mut dyn FnMut(&Carried) -> bool,
    pub(super) carried: Carried,
    pub(super) way: Way<'r>,
}

/// Why a run does not go on.
pub(super) enum Stop {
    /// The caller, or the time.
    Asked,
    /// The line, the branch or this device.
    Failed(CarryFailure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(CarryFailure { failure, status: None, retry_after_ms: None, shown: None })
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Failure::from(error).into()
    }
}

impl Line<'_> {
    /// Carries files between the shelf and the branch until nothing is left to do, `go_on` says no, the time is up, or
    /// line, branch or disk fail; what was done until then is done. Exchange first: a file goes after its record.
    ///
    /// `go_on` hears how far it is, between two pieces.
    pub fn files(
        &self,
        shelf: &Shelf,
        hold: &mut Hold<'_>,
        go_on: &mut dyn FnMut(&Carried) -> bool,
    ) -> Carried {
        let way = Way { line: self, url: String::new(), pin: None, token: String::new() };
        let mut run = Run { shelf, hold, go_on, carried: Carried::default(), way };
        match run.all() {
            Ok(()) => run.carried.is_finished = true,
            Err(Stop::Asked) => {}
            Err(Stop::Failed(failed)) => {
                run.carried.retry_after_ms = failed.retry_after_ms;
                run.carried.failure = Some(failed.failure);
            }
        }
        run.carried
    }
}

impl Run<'_, '_> {
    fn all(&mut self) -> Result<(), Stop> {
        let (url, pin, token, erased) = self.with(|replica, _| {
            let identity = replica.identity();
            let (url, token) = (identity.server_url.clone(), identity.token.clone());
            Ok((url, identity.pin, token, replica.is_erased()))
        })?;
        self.way = Way { line: self.way.line, url, pin, token };
        if erased {
            self.shelf.clear().map_err(|error| super::capture::not_kept(&error))?;
            return Ok(());
        }
        self.send_all()?;
        self.fetch_all()?;
        self.clear()
    }

    /// Asks and sends in turns, until asking brings nothing new.
    fn send_all(&mut self) -> Result<(), Stop> {
        let mut asked = BTreeSet::new();
        for _ in 0..ROUNDS_MAX {
            let questions = self.with(|replica, moment| replica.file_questions(moment))?;
            let is_new = questions.iter().any(|hash| !asked.contains(hash));
            if questions.is_empty() || !is_new {
                break;
            }
            self.ask(&questions)?;
            asked.extend(questions.iter().copied());
            let mut uploads = self.with(|replica, moment| replica.uploads(moment))?;
            uploads.retain(|row| questions.contains(&row.hash));
            self.send_files(&uploads)?;
        }
        Ok(())
    }

    /// Asks how files stand at the branch, and shows that they are held here where it wants that.
    fn ask(&mut self, questions: &[FileHash]) -> Result<(), Stop> {
        let request = OfferRequest { files: questions.iter().map(ToString::to_string).collect() };
        let answer = self.way.post("/v1/files/offers", &serde_json::to_vec(&request).unwrap_or_default());
        let answer = answer.map_err(Stop::Failed)?;
        let reply: OfferReply = serde_json::from_slice(&answer).map_err(|_| unreadable())?;
        let challenges =
            self.with(|replica, moment| replica.take_standings(questions, reply.clone(), moment))?;
        for (hash, challenge) in challenges {
            self.may_go_on()?;
            let Some(proof) = self.proof(hash, &challenge) else { continue };
            let request = ProofRequest { file: hash.to_string(), proof: HEXLOWER.encode(&proof) };
            let body = serde_json::to_vec(&request).unwrap_or_default();
            let (mut reader, length) = (body.as_slice(), body.len() as u64);
            let headers = vec![("Content-Type", "application/json".to_owned())];
            let receipt =
                self.way.carry(Method::POST, "/v1/files/proofs", headers, Some((&mut reader, length)));
            let receipt = receipt.map_err(Stop::Failed)?;
            // Where it is not taken the bytes are sent.
            if receipt.status == 204 {
                self.note(hash, FileNote::Confirmed)?;
                self.carried.sent += 1;
            }
        }
        Ok(())
    }

    fn proof(&self, hash: FileHash, challenge: &str) -> Option<[u8; 32]> {
        let mut proof = Proof::of(&HEXLOWER.decode(challenge.as_bytes()).ok()?);
        let (mut file, mut block) = (File::open(self.shelf.original(hash)).ok()?, vec![0; BLOCK_BYTES]);
        loop {
            let count = file.read(&mut block).ok()?;
            match block.get(..count) {
                Some(part) if !part.is_empty() => proof.add(part),
                _ => return Some(proof.finish()),
            }
        }
    }

    /// Lets go of what need not be here, and of what no longer belongs to anything.
    fn clear(&mut self) -> Result<(), Stop> {
        let gone = self.with(|replica, _| replica.let_originals_go(false))?;
        for hash in gone {
            self.shelf.remove(hash, false).map_err(|error| super::capture::not_kept(&error))?;
        }
        let Some(forgotten) = self.with(|replica, moment| replica.clear_files(moment))? else {
            return Ok(());
        };
        for hash in forgotten {
            self.shelf.remove(hash, true).map_err(|error| super::capture::not_kept(&error))?;
        }
        self.sweep().map_err(|error| super::capture::not_kept(&error).into())
    }

    /// Once a day, removes what lies on the shelf and is in no list: left behind by a process that was killed between
    /// writing a file and noting it.
    fn sweep(&mut self) -> io::Result<()> {
        let (hashes, rest) = self.shelf.contents()?;
        let day = Duration::from_secs(24 * 60 * 60);
        let is_old = |path: &std::path::Path| {
            path.metadata()
                .and_then(|about| about.modified())
                .is_ok_and(|at| at.elapsed().is_ok_and(|age| age > day))
        };
        for path in rest.iter().filter(|path| is_old(path)) {
            std::fs::remove_file(path)?;
        }
        for hash in hashes {
            let is_known = self.with(|replica, _| Ok(replica.known_file(hash).is_ok()));
            let is_stale = [self.shelf.original(hash), self.shelf.thumbnail(hash)]
                .iter()
                .all(|path| !path.exists() || is_old(path));
            if matches!(is_known, Ok(false)) && is_stale {
                self.shelf.remove(hash, true)?;
            }
        }
        Ok(())
    }

    /// One short piece of work on the replica.
    pub(super) fn with<T>(
        &mut self,
        mut work: impl FnMut(&mut Replica, &xunyuan_core::time::Moment) -> Result<T, Error>,
    ) -> Result<T, Stop> {
        let moment = self.way.line.clock.moment()?;
        let mut made = None;
        (self.hold)(&mut |replica| made = Some(work(replica, &moment)))?;
        match made {
            Some(made) => Ok(made?),
            None => Err(Stop::Asked),
        }
    }

    pub(super) fn note(&mut self, hash: FileHash, note: FileNote) -> Result<(), Stop> {
        if let FileNote::Refused(refusal) = &note {
            self.carried.refused.push((hash, refusal.clone()));
        }
        self.with(|replica, moment| replica.note_file(hash, &note, moment))
    }

    /// Ends the run when the caller or the time wants that.
    pub(super) fn may_go_on(&mut self) -> Result<(), Stop> {
        if self.way.is_over() || !(self.go_on)(&self.carried) { Err(Stop::Asked) } else { Ok(()) }
    }
}

/// The failure of an answer that is none.
pub(super) fn unreadable() -> Failure {
    Failure::no_connection(
        "reply_unreadable",
        "分公司服务器的应答无法识别;稍后再试",
        "the branch server's answer cannot be read; try again later",
    )
}
