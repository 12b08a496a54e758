//! `POST /v1/files/offers` and `POST /v1/files/proofs`: which files the branch has, JSON.
//!
//! The bytes travel by the tus protocol at `/v1/files`; here a device asks first, so that nothing is sent that the
//! branch has already. Knowing a hash is no right to the file: who wants a file that is there for somebody else
//! shows that the own device holds the bytes, by hashing them behind a challenge.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::id::{FileHash, UserId};

/// Most files of one request.
pub const OFFERED_MAX: usize = 200;

/// What a device asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfferRequest {
    /// SHA-256 of each file, lower-case hex.
    pub files: Vec<String>,
}

/// The answer, in the order of the question.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferReply {
    /// One standing for each file.
    pub files: Vec<Standing>,
    /// When the branch last heard of the people whose files it lacks.
    pub people: Vec<PersonSeen>,
}

/// How one file stands at the branch, for the device that asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Standing {
    /// The branch has it, and the device may read it.
    Here,
    /// The branch lacks it.
    Lacking {
        /// Bytes that it has of it from this device.
        received: u64,
    },
    /// Somebody else gave it to the branch: the device shows that it holds it too.
    Prove {
        /// What to hash before the bytes, lower-case hex.
        challenge: String,
    },
    /// No record that the device may read names it.
    Unnamed,
}

/// When the branch last heard of a person's devices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonSeen {
    /// The person.
    pub user: UserId,
    /// The server's clock then, milliseconds since 1970.
    pub seen_ms: i64,
}

/// A device shows that it holds the bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofRequest {
    /// SHA-256 of the file, lower-case hex.
    pub file: String,
    /// SHA-256 over the challenge and then the bytes, lower-case hex.
    pub proof: String,
}

/// The hash that shows that its maker holds the bytes of a file; the bytes follow by [`Proof::add`].
#[derive(Clone, Debug)]
pub struct Proof(Sha256);

impl Proof {
    /// Begins with a challenge.
    #[must_use]
    pub fn of(challenge: &[u8]) -> Self {
        Self(Sha256::new_with_prefix(challenge))
    }

    /// Takes the next bytes of the file.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The proof.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// The hashes of a request; `None` where one of them is none, or there are too many.
#[must_use]
pub fn hashes(request: &OfferRequest) -> Option<Vec<FileHash>> {
    if request.files.len() > OFFERED_MAX {
        return None;
    }
    request.files.iter().map(|text| text.parse().ok()).collect()
}
