//! Identifiers: every id of the product is a newtype, so that a device can never be passed where a
//! document is meant.
//!
//! Byte ids print as lower-case hex. Names (`UserId`, `ScopeId`) are the stable ids of the data set.

use data_encoding::HEXLOWER;
use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind};

/// Declares one fixed-size byte id with hex text, ordering and CBOR coding.
macro_rules! byte_id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
        #[cbor(transparent)]
        pub struct $name(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; $len]);

        impl $name {
            /// The id's bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8] {
                &self.0
            }

            /// Reads an id from bytes of exactly the right length.
            ///
            /// # Errors
            /// `Invalid` when the length differs.
            pub fn from_slice(bytes: &[u8]) -> Result<Self, Error> {
                <[u8; $len]>::try_from(bytes).map(Self).map_err(|_| {
                    Error::new(
                        ErrorKind::Invalid,
                        format!("标识长度应为 {} 字节,实际 {} 字节", $len, bytes.len()),
                        format!("an id of {} bytes was expected, {} were given", $len, bytes.len()),
                    )
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&HEXLOWER.encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| {
                    Error::new(
                        ErrorKind::Invalid,
                        "标识应为小写十六进制",
                        "an id must be lower-case hexadecimal",
                    )
                })?;
                Self::from_slice(&bytes)
            }
        }
    };
}

byte_id!(
    /// One document: an inspection or a ledger entry. Random, or derived from a natural key where two
    /// devices may create the same record offline.
    DocumentId, 16);
byte_id!(
    /// The author id inside Automerge changes: one per (installation, document), never in a backup.
    ActorId, 16);
byte_id!(
    /// SHA-256 of an Automerge change chunk, as Automerge defines it.
    ChangeHash, 32);
byte_id!(
    /// One enrolled replica: the first 16 bytes of SHA-256 over its Ed25519 public key.
    DeviceId, 16);
byte_id!(
    /// SHA-256 of a definition's canonical bytes.
    ContentHash, 32);

byte_id!(
    /// SHA-256 of a file that records name: a photo, a paper, a sound, a drawn signature.
    FileHash, 32);

/// Hashes length-prefixed parts under a label, so that no two different part lists collide.
#[must_use]
pub fn hash_parts(label: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update((label.len() as u64).to_be_bytes());
    hasher.update(label.as_bytes());
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// The first 16 bytes of [`hash_parts`].
#[must_use]
pub fn short_hash(label: &str, parts: &[&[u8]]) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&hash_parts(label, parts)[..16]);
    short
}

impl DocumentId {
    /// The start of the id: enough to name the document to a person.
    #[must_use]
    pub fn short(self) -> String {
        HEXLOWER.encode(&self.0[..4])
    }

    /// The id of a record that only this device can have created: taken from `entropy`.
    #[must_use]
    pub fn random(entropy: &[u8; 32]) -> Self {
        Self(short_hash("xunyuan/document/random/1", &[entropy]))
    }

    /// The id of a scheduled inspection: the same on every device for the same slot.
    ///
    /// `slot` names schedule and local start, e.g. `sch.patrol_daily@2026-11-23T09:00`.
    #[must_use]
    pub fn of_slot(checklist: &str, version: u32, project: &str, slot: &str) -> Self {
        Self(short_hash(
            "xunyuan/document/slot/1",
            &[checklist.as_bytes(), &version.to_be_bytes(), project.as_bytes(), slot.as_bytes()],
        ))
    }

    /// The id of a ledger entry raised by a record: the same on every device for the same source,
    /// e.g. `<inspection id>/pp.green.02`.
    #[must_use]
    pub fn of_source(ledger: &str, source_ref: &str) -> Self {
        Self(short_hash("xunyuan/document/source/1", &[ledger.as_bytes(), source_ref.as_bytes()]))
    }

    /// The id of the record in which a sealed one goes on: the same on every device.
    #[must_use]
    pub fn of_continuation(sealed: Self) -> Self {
        Self(short_hash("xunyuan/document/continuation/1", &[sealed.as_bytes()]))
    }
}

impl DeviceId {
    /// The id of the device that holds this Ed25519 public key.
    #[must_use]
    pub fn of_key(public_key: &[u8; 32]) -> Self {
        Self(short_hash("xunyuan/device/1", &[public_key]))
    }
}

/// Declares one name id: a stable ASCII id of the data set.
macro_rules! name_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode, serde::Serialize,
            serde::Deserialize,
        )]
        #[cbor(transparent)]
        #[serde(transparent)]
        pub struct $name(#[n(0)] pub String);

        impl $name {
            /// Wraps a stable id.
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into())
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name_id!(
    /// A person of the organisation, e.g. `u.pt01`; `sys.server` is the branch server itself.
    UserId);
name_id!(
    /// The unit of replication and authorization: `<organisation unit>/<stream>`, e.g.
    /// `pj.lanyuan/desk`, `br.hz/definitions`.
    ScopeId);

impl ScopeId {
    /// The scope of a stream in a project or branch.
    #[must_use]
    pub fn of(unit: &str, stream: &str) -> Self {
        Self(format!("{unit}/{stream}"))
    }

    /// The organisation unit: a project or the branch.
    #[must_use]
    pub fn unit(&self) -> &str {
        self.0.split_once('/').map_or(self.0.as_str(), |(unit, _)| unit)
    }

    /// The stream: `patrol`, `desk`, `finding`, `system`, `handover`, `people`, `discipline` or
    /// `definitions`.
    #[must_use]
    pub fn stream(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, stream)| stream)
    }
}

/// One immutable version of a definition: its id, its version number and the hash of its canonical
/// bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Encode, Decode)]
#[cbor(map)]
pub struct DefinitionRef {
    /// Stable id, e.g. `tpl.park_patrol`, `led.front_desk`.
    #[n(0)]
    pub id: String,
    /// Version number, from 1.
    #[n(1)]
    pub version: u32,
    /// SHA-256 of the canonical JSON bytes.
    #[n(2)]
    pub hash: ContentHash,
}
