//! The messages of `POST /v1/exchange`.
//!
//! CBOR (RFC 8949) maps with integer keys; unknown keys are ignored, so that a newer peer may add
//! some. The body is zstd-coded. A key number is never used again for another meaning.

use minicbor::{Decode, Encode};

use crate::error::{Refusal, Sentence};
use crate::id::{ActorId, ChangeHash, ContentHash, DefinitionRef, DeviceId, DocumentId, ScopeId, UserId};
use crate::wire::repair::{Repair, Repaired, Rung};

/// The protocol version this build speaks.
pub const PROTOCOL: u16 = 1;
/// The oldest protocol version this build still understands.
pub const PROTOCOL_OLDEST: u16 = 1;

/// What a device asks and pushes in one exchange.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Request {
    /// Protocol version; another one is answered with status 426.
    #[n(0)]
    pub protocol: u16,
    /// App name and version, for the branch's device list, e.g. `xunyuan-cli/0.1.0`.
    #[n(1)]
    pub app: String,
    /// Schema version of the replica's store.
    #[n(2)]
    pub schema: u32,
    /// The device's clock when it built the request, milliseconds since 1970.
    #[n(3)]
    pub device_time_ms: i64,
    /// Largest reply wanted, bytes before compression.
    #[n(4)]
    pub max_bytes: u32,
    /// First 8 bytes of SHA-256 over the sorted granted scopes as the device knows them; another
    /// value at the server makes it send [`Reply::grants`].
    #[n(5)]
    #[cbor(with = "minicbor::bytes")]
    pub grants_tag: [u8; 8],
    /// Where the device stands in each scope.
    #[n(6)]
    pub scopes: Vec<ScopeRequest>,
    /// Definitions that the pushed runs are records of; runs name them by index.
    #[n(7)]
    pub definitions: Vec<DefinitionRef>,
    /// Unacknowledged work, in causal order.
    #[n(8)]
    pub push: Vec<PushedRun>,
    /// Changes still waiting on the device after this push, and conflicts it shows.
    #[n(9)]
    pub health: Health,
    /// Records of documents that ended their lifecycle and were last touched before this time (server
    /// clock, milliseconds since 1970) may come as [`Body::Stub`]; `None` for everything in full.
    #[n(10)]
    pub keep_after_ms: Option<i64>,
    /// Documents of which the device holds stubs and now needs the changes, at most
    /// `REQUEST_WANTED_MAX`.
    #[n(11)]
    pub wanted: Vec<DocumentId>,
    /// Scopes in which device and server do not hold the same, and what is done about it.
    #[n(12)]
    pub repairs: Option<Vec<Repair>>,
}

/// What a device reports of itself, for the branch's "who has not synced".
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Health {
    /// Changes not yet acknowledged when the request was built.
    #[n(0)]
    pub pending_changes: u32,
    /// Photos not yet uploaded.
    #[n(1)]
    pub pending_photos: u32,
    /// Clashes that wait for a decision.
    #[n(2)]
    pub conflicts: u32,
}

/// Where a device stands in one scope.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ScopeRequest {
    /// Which scope.
    #[n(0)]
    pub scope: ScopeId,
    /// The server epoch the cursor belongs to; 0 before the first contact.
    #[n(1)]
    pub epoch: u64,
    /// The last seq the device holds; 0 for nothing.
    #[n(2)]
    pub cursor: u64,
    /// The chain at the cursor; zeros at 0.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub chain: [u8; 32],
    /// True when the device wants its own runs with their changes too (its store was lost).
    #[n(4)]
    pub full: bool,
    /// Where the device keeps a signed head of this epoch at the cursor: the tag of the digest in it. While it
    /// still holds, the server does not repeat the head.
    #[n(5)]
    pub held: Option<u64>,
}

/// One signed run as a device pushes it.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct PushedRun {
    /// The scope the document belongs to.
    #[n(0)]
    pub scope: ScopeId,
    /// Which document.
    #[n(1)]
    pub document: DocumentId,
    /// The run.
    #[n(2)]
    pub run: Run,
    /// Who signed it, where the pushing device gives back what the server has lost; `None` for its own.
    #[n(3)]
    pub author: Option<Author>,
}

/// The device and person that signed a run.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Author {
    /// The device.
    #[n(0)]
    pub device: DeviceId,
    /// The person; the branch server itself for its own runs.
    #[n(1)]
    pub user: UserId,
}

/// Where a log was cut: everything up to here is as it was, what came after is gone.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Cut {
    /// The server's epoch from here on.
    #[n(0)]
    pub epoch: u64,
    /// The last seq that is still there.
    #[n(1)]
    pub seq: u64,
    /// The chain at it.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub chain: [u8; 32],
}

/// Consecutive changes to one document by one actor, signed once.
///
/// Each change but the first depends directly on the one before it, so the signature over the last
/// hash vouches for all of them.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Run {
    /// Index into the message's `definitions`: what the document is a record of.
    #[n(0)]
    pub definition: u32,
    /// Author id of the changes.
    #[n(1)]
    pub actor: ActorId,
    /// The changes without what the receiver can recompute; see `wire::run`.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub changes: Vec<u8>,
    /// Hash of the last change.
    #[n(3)]
    pub last_hash: ChangeHash,
    /// Ed25519 over the run's signing bytes by the device key.
    #[n(4)]
    #[cbor(with = "minicbor::bytes")]
    pub signature: [u8; 64],
}

/// What the server answers.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Reply {
    /// The server's clock, milliseconds since 1970.
    #[n(0)]
    pub server_time_ms: i64,
    /// One verdict per pushed run, in the order of the push.
    #[n(1)]
    pub verdicts: Vec<Verdict>,
    /// What is new in each requested scope.
    #[n(2)]
    pub scopes: Vec<ScopeReply>,
    /// Definitions that the records' runs are of; runs name them by index.
    #[n(3)]
    pub definitions: Vec<DefinitionRef>,
    /// The scopes granted now, sorted, when they differ from what the device knows.
    #[n(4)]
    pub grants: Option<Vec<ScopeId>>,
    /// What the server orders the device to do.
    #[n(5)]
    pub directives: Vec<Directive>,
    /// The records of wanted documents, in full; no cursor moves by them.
    #[n(6)]
    pub restored: Vec<Restored>,
    /// Answers to [`Request::repairs`], and wishes of the server to be compared with.
    #[n(7)]
    pub repairs: Option<Vec<Repaired>>,
}

/// A record that the device held as a stub, in full.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Restored {
    /// The scope of its log.
    #[n(0)]
    pub scope: ScopeId,
    /// The record.
    #[n(1)]
    pub record: Record,
}

/// The server's answer to one pushed run.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum Verdict {
    /// In the log at this seq; a run that was partly known is logged from its first new change.
    #[n(0)]
    Accepted {
        /// Its place in the scope's log.
        #[n(0)]
        seq: u64,
    },
    /// Every change was already in the log; the last one at this seq.
    #[n(1)]
    Duplicate {
        /// Place of the last change.
        #[n(0)]
        seq: u64,
    },
    /// Predecessors are missing: push those first, then this again.
    #[n(2)]
    Parked {
        /// The missing hashes.
        #[n(0)]
        missing: Vec<ChangeHash>,
    },
    /// Refused from this change of the run on; the changes before it may be pushed again alone.
    #[n(3)]
    Rejected {
        /// Why.
        #[n(0)]
        refusal: Refusal,
        /// Index of the first refused change in the run.
        #[n(1)]
        from_change: u32,
    },
}

/// What is new in one scope.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct ScopeReply {
    /// Which scope.
    #[n(0)]
    pub scope: ScopeId,
    /// The server's epoch: new after every restore from a backup.
    #[n(1)]
    pub epoch: u64,
    /// The records after the device's cursor, a contiguous range of seqs.
    #[n(2)]
    pub records: Vec<Record>,
    /// The cursor once these records are applied.
    #[n(3)]
    pub next_cursor: u64,
    /// The chain at `next_cursor`; zeros when that is the cursor that was asked with: then it is the chain
    /// that was asked with too.
    #[n(4)]
    #[cbor(with = "minicbor::bytes")]
    pub chain: [u8; 32],
    /// The signed head, when `next_cursor` is the head of the log; all zeros when it is the one that the
    /// device said it holds.
    #[n(5)]
    pub head: Option<Head>,
    /// True when more records wait behind `next_cursor`.
    #[n(6)]
    pub more: bool,
}

/// The server's signed statement of what a scope holds: the device's receipt.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Head {
    /// Number of changes and definitions in the scope.
    #[n(0)]
    pub count: u64,
    /// Their sum: SHA-256(document, hash) modulo 2^256, big-endian.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub sum: [u8; 32],
    /// Ed25519 by the server key over the head's signing bytes.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub signature: [u8; 64],
}

impl Head {
    /// Stands for the head that the device holds already.
    pub const HELD: Self = Self { count: 0, sum: [0; 32], signature: [0; 64] };
}

/// One row of a scope's log.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Record {
    /// Its place: dense, from 1.
    #[n(0)]
    pub seq: u64,
    /// The document, or the id derived from a definition's id and version.
    #[n(1)]
    pub document: DocumentId,
    /// The device that signed it.
    #[n(2)]
    pub device: DeviceId,
    /// The person it was signed for.
    #[n(3)]
    pub user: UserId,
    /// Server clock when it arrived, milliseconds since 1970.
    #[n(4)]
    pub received_at_ms: i64,
    /// What it carries.
    #[n(5)]
    pub body: Body,
}

/// What a log row carries.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum Body {
    /// A signed run of changes.
    #[n(0)]
    Run(#[n(0)] Run),
    /// A run that this device itself pushed: it holds the changes, only the last hash is named.
    #[n(1)]
    Own(#[n(0)] ChangeHash),
    /// A run of a document that ended long ago: its share of the digest instead of its changes.
    #[n(3)]
    Stub {
        /// Hash of the last change.
        #[n(0)]
        last_hash: ChangeHash,
        /// Number of changes.
        #[n(1)]
        changes: u32,
        /// Their digest sum.
        #[n(2)]
        #[cbor(with = "minicbor::bytes")]
        sum: [u8; 32],
    },
    /// A definition version, as canonical JSON.
    #[n(2)]
    Definition {
        /// Its id, version and hash.
        #[n(0)]
        reference: DefinitionRef,
        /// Canonical JSON bytes.
        #[n(1)]
        #[cbor(with = "minicbor::bytes")]
        json: Vec<u8>,
    },
}

impl Body {
    /// The hash that chain and digest take for this row: last change hash or content hash.
    #[must_use]
    pub const fn last_hash(&self) -> ChangeHash {
        match self {
            Self::Run(run) => run.last_hash,
            Self::Own(hash) | Self::Stub { last_hash: hash, .. } => *hash,
            Self::Definition { reference, .. } => {
                let ContentHash(bytes) = reference.hash;
                ChangeHash(bytes)
            }
        }
    }

    /// The number that stands for the kind of row in the chain: 1 a run, 2 a definition.
    #[must_use]
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Run(_) | Self::Own(_) | Self::Stub { .. } => 1,
            Self::Definition { .. } => 2,
        }
    }
}

/// An order of the server to one device.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Directive {
    /// This actor is in use elsewhere: continue the document under a new one.
    #[n(0)]
    NewActor {
        /// The document in question.
        #[n(0)]
        document: DocumentId,
    },
    /// The cursor does not belong to this log: go back, keep all data and give back what is missing.
    #[n(1)]
    ResetScope {
        /// The scope in question.
        #[n(0)]
        scope: ScopeId,
        /// Where the log was cut when the server was restored from a backup: a device whose chain
        /// agrees there goes back to it, any other starts again from 0.
        #[n(1)]
        cut: Option<Cut>,
        /// Places of the log, highest first, for a device whose chain does not agree at the cut: it goes
        /// back to the first at which it does.
        #[n(2)]
        rungs: Option<Vec<Rung>>,
    },
    /// The app is too old to go on.
    #[n(2)]
    Upgrade {
        /// What to tell the person.
        #[n(0)]
        sentence: Sentence,
    },
    /// The device is revoked: erase what it holds.
    #[n(3)]
    Wipe {
        /// What to tell the person.
        #[n(0)]
        sentence: Sentence,
    },
}

/// `POST /v1/enroll`: a one-time invitation becomes a device.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrollRequest {
    /// The secret of the invitation link.
    pub invitation: String,
    /// The device's Ed25519 public key, lower-case hex.
    pub public_key: String,
    /// Ed25519 over `"xunyuan/enroll/1" ‖ invitation`, lower-case hex: proof that the device holds the key.
    pub proof: String,
    /// App name and version.
    pub app: String,
}

/// The answer to a valid invitation.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct EnrollReply {
    /// Bearer token of the device; shown once, stored hashed at the branch.
    pub token: String,
    /// The person the device now writes for.
    pub user: UserId,
    /// Short code of the device, part of its temporary numbers, e.g. `A7`.
    pub device_code: String,
    /// The branch, e.g. `br.hz`.
    pub branch: String,
    /// The server's Ed25519 public key, lower-case hex: heads are checked against it.
    pub server_key: String,
    /// The server's clock, milliseconds since 1970.
    pub server_time_ms: i64,
    /// The scopes granted now.
    pub grants: Vec<ScopeId>,
    /// What a branch that was restored from an older backup takes this device in again for, lower-case
    /// hex of a `wire::certificate`; a server of before it gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

/// `POST /v1/readmit`, with the device's token: a branch that has forgotten the device takes it in again.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadmitRequest {
    /// The certificate of its enrolment, lower-case hex.
    pub certificate: String,
}

/// The answer to a good certificate.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ReadmitReply {
    /// Short code of the device: another one where its own was given away meanwhile.
    pub device_code: String,
}
