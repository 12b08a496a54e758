//! The part of the exchange in which device and server find out what either has lost.
//!
//! It rides in the ordinary messages, in keys that an older peer ignores.

use minicbor::{Decode, Encode};

use super::log::{Chain, Digest, head_signing_bytes};
use super::message::{Record, Run};
use crate::id::{DeviceId, DocumentId, ScopeId, UserId};

/// What a device says and asks about one scope that it repairs.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Repair {
    /// Which scope.
    #[n(0)]
    pub scope: ScopeId,
    /// The last row that is compared.
    #[n(1)]
    pub up_to: u64,
    /// A message of the comparison, see `exchange::compare`; `None` once it is over.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub frame: Option<Vec<u8>>,
    /// Places of rows that the device lacks and wants now.
    #[n(3)]
    pub need: Vec<u64>,
    /// Rows that the server lacks.
    #[n(4)]
    pub give: Vec<Given>,
    /// The last head that the server signed for this device, where the server says that it does not know
    /// the cursor.
    #[n(5)]
    pub proof: Option<Proof>,
}

/// A row of the server's log that a device gives back to the very place it had.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Given {
    /// Its place.
    #[n(0)]
    pub seq: u64,
    /// Which document.
    #[n(1)]
    pub document: DocumentId,
    /// Who signed it.
    #[n(2)]
    pub device: DeviceId,
    /// For whom.
    #[n(3)]
    pub user: UserId,
    /// Server clock when it first arrived, milliseconds since 1970.
    #[n(4)]
    pub received_at_ms: i64,
    /// The run.
    #[n(5)]
    pub run: Run,
}

/// A head that the server signed: where its log was, proven by its own key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Proof {
    /// The epoch.
    #[n(0)]
    pub epoch: u64,
    /// The last row.
    #[n(1)]
    pub seq: u64,
    /// The chain at it.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub chain: [u8; 32],
    /// Number of changes and definitions up to it.
    #[n(3)]
    pub count: u64,
    /// Their digest sum.
    #[n(4)]
    #[cbor(with = "minicbor::bytes")]
    pub sum: [u8; 32],
    /// Ed25519 by the server key over the head's signing bytes.
    #[n(5)]
    #[cbor(with = "minicbor::bytes")]
    pub signature: [u8; 64],
}

impl Proof {
    /// What the signature is over, for the scope that it is said to be of.
    #[must_use]
    pub fn signing_bytes(&self, scope: &ScopeId) -> [u8; 32] {
        let digest = Digest { count: self.count, sum: self.sum };
        head_signing_bytes(scope, self.epoch, self.seq, &Chain(self.chain), &digest)
    }
}

/// What the server answers about one scope.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Repaired {
    /// Which scope.
    #[n(0)]
    pub scope: ScopeId,
    /// The next message of the comparison.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub frame: Option<Vec<u8>>,
    /// Rows that were needed.
    #[n(2)]
    pub rows: Vec<Placed>,
    /// The server lacks rows and asks to be compared with; the same number for the same loss, so that a
    /// device answers each once.
    #[n(3)]
    pub wish: Option<u64>,
}

/// A row of the log with the chain at it.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Placed {
    /// The row.
    #[n(0)]
    pub record: Record,
    /// The chain at it.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub chain: [u8; 32],
}

/// A place of the log, for finding where two logs part.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Rung {
    /// The row.
    #[n(0)]
    pub seq: u64,
    /// First 8 bytes of the chain at it.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub chain: [u8; 8],
}
