//! One Automerge change as bytes that were checked for form and hash.

use automerge::{Change, ExpandedChange};
use sha2::{Digest as _, Sha256};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use super::columns;
use super::plain::PlainChange;
use crate::error::{Error, ErrorKind};
use crate::id::{ActorId, ChangeHash};
use crate::limits::{CHANGE_BYTES_MAX, CHANGE_OPS_MAX, FOLLOWING_OPS_MAX};

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const UNCOMPRESSED_CHANGE: u8 = 1;

/// A parsed change chunk: uncompressed, within the limits, its checksum right.
///
/// Parsing says nothing about whether its operations fit a document.
#[derive(Clone, Debug)]
pub struct RawChange {
    /// The whole chunk.
    pub bytes: Vec<u8>,
    /// SHA-256 as Automerge defines it.
    pub hash: ChangeHash,
    /// Its author.
    pub actor: ActorId,
    /// Its place among the author's changes of the document, from 1.
    pub seq: u64,
    /// Counter of its first operation.
    pub start_op: u64,
    /// Counter of its last operation; `start_op - 1` when it has none.
    pub max_op: u64,
    /// The changes it directly builds on, sorted.
    pub deps: Vec<ChangeHash>,
    /// Other actors that its operations name.
    pub other_actors: Vec<ActorId>,
    /// True when nothing rides along: no message, no time, no extra bytes.
    pub is_bare: bool,
    /// What it says, where it is of the commonest form.
    pub(super) plain: Option<Box<PlainChange>>,
    /// Automerge's reading of it: at once where it is of any other form, when it is needed where it is of that.
    parsed: OnceLock<Change>,
}

/// What the beginning of a chunk says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// SHA-256 as Automerge defines it.
    pub hash: ChangeHash,
    /// Its author.
    pub actor: ActorId,
    /// Its place among the author's changes of the document, from 1.
    pub seq: u64,
}

impl RawChange {
    /// Reads one chunk.
    ///
    /// # Errors
    /// `Protocol` when the bytes are not exactly one uncompressed change with a right checksum, are
    /// larger than [`CHANGE_BYTES_MAX`], claim more than [`CHANGE_OPS_MAX`] operations, or make
    /// Automerge panic.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, Error> {
        let hash = intact(&bytes)?;
        Self::of_rebuilt(bytes, hash)
    }

    /// Who a stored chunk says that it is, where its bytes are those that it was stored with.
    ///
    /// # Errors
    /// `Protocol` when the checksum is not right or the beginning cannot be read.
    pub fn seal(bytes: &[u8]) -> Result<Seal, Error> {
        let hash = intact(bytes)?;
        let mut reader = columns::Reader::of_chunk(bytes)?;
        for _ in 0..reader.number()? {
            reader.take(32)?;
        }
        Ok(Seal { hash, actor: ActorId::from_slice(reader.sized()?)?, seq: reader.number()? })
    }

    /// Reads one chunk that was rebuilt from a packed run, with the hash that was computed there.
    ///
    /// # Errors
    /// As [`RawChange::parse`], but for form and size of the chunk and its checksum.
    pub fn of_rebuilt(bytes: Vec<u8>, hash: ChangeHash) -> Result<Self, Error> {
        if let Some(plain) = PlainChange::read(&bytes) {
            return Ok(Self {
                hash,
                actor: plain.actor,
                seq: plain.seq,
                start_op: plain.start_op,
                max_op: plain.start_op.saturating_add(plain.puts.len() as u64).saturating_sub(1),
                deps: plain.deps.clone(),
                other_actors: plain.other_actors.clone(),
                is_bare: true,
                plain: Some(Box::new(plain)),
                bytes,
                parsed: OnceLock::new(),
            });
        }
        columns::check(&bytes)?;
        let parsed = read(&bytes)?;
        Self::checked(parsed, bytes, hash)
    }

    /// Wraps a change that this process made itself.
    pub(super) fn of_own(parsed: Change) -> Result<Self, Error> {
        let bytes = parsed.raw_bytes().to_vec();
        if bytes.len() > CHANGE_BYTES_MAX || parsed.len() as u64 > CHANGE_OPS_MAX {
            return Err(Error::new(
                ErrorKind::Invalid,
                "一次保存的内容过多,没有保存;请分几次填写",
                "this is too much to save at once and was not saved; write it in several steps",
            ));
        }
        let hash = ChangeHash(parsed.hash().0);
        Self::checked(parsed, bytes, hash)
    }

    /// How many operations it holds.
    #[must_use]
    pub const fn ops(&self) -> u64 {
        (self.max_op + 1).saturating_sub(self.start_op)
    }

    /// True when it may stand behind another change in a signed run; a larger one begins a run.
    #[must_use]
    pub const fn may_follow(&self) -> bool {
        self.ops() <= FOLLOWING_OPS_MAX
    }

    fn checked(parsed: Change, bytes: Vec<u8>, hash: ChangeHash) -> Result<Self, Error> {
        if parsed.hash().0 != hash.0 || parsed.raw_bytes() != bytes {
            return Err(malformed("变更字节不规范", "the change's bytes are not canonical"));
        }
        if parsed.len() as u64 > CHANGE_OPS_MAX {
            return Err(malformed("变更操作数超过上限", "the change has more operations than allowed"));
        }
        let mut deps: Vec<ChangeHash> = parsed.deps().iter().map(|dep| ChangeHash(dep.0)).collect();
        deps.sort_unstable();
        Ok(Self {
            hash,
            actor: ActorId::from_slice(parsed.actor_id().to_bytes())?,
            seq: parsed.seq(),
            start_op: parsed.start_op().get(),
            max_op: parsed.max_op(),
            deps,
            other_actors: parsed
                .other_actor_ids()
                .iter()
                .map(|actor| ActorId::from_slice(actor.to_bytes()))
                .collect::<Result<_, _>>()?,
            is_bare: parsed.extra_bytes().is_empty() && parsed.message().is_none() && parsed.timestamp() == 0,
            plain: PlainChange::read(&bytes).map(Box::new),
            bytes,
            parsed: OnceLock::from(parsed),
        })
    }

    /// Automerge's reading of the change.
    pub(super) fn parsed(&self) -> Result<&Change, Error> {
        if let Some(parsed) = self.parsed.get() {
            return Ok(parsed);
        }
        let parsed = read(&self.bytes)?;
        Ok(self.parsed.get_or_init(|| parsed))
    }

    /// The operations, decoded.
    pub(super) fn decode(&self) -> Result<ExpandedChange, Error> {
        let parsed = self.parsed()?;
        catch_unwind(AssertUnwindSafe(|| parsed.decode()))
            .map_err(|_| malformed("变更内容无法解码", "the change's operations cannot be decoded"))
    }
}

/// The hash of an uncompressed change chunk whose checksum is right.
fn intact(bytes: &[u8]) -> Result<ChangeHash, Error> {
    if bytes.len() > CHANGE_BYTES_MAX {
        return Err(malformed("变更超过大小上限", "the change is larger than allowed"));
    }
    if bytes.len() < 10 || bytes[..4] != MAGIC || bytes[8] != UNCOMPRESSED_CHANGE {
        return Err(malformed("不是未压缩的变更块", "not an uncompressed change chunk"));
    }
    let hash: [u8; 32] = Sha256::digest(&bytes[8..]).into();
    if bytes[4..8] != hash[..4] {
        return Err(malformed("变更校验和不符", "the change's checksum is wrong"));
    }
    Ok(ChangeHash(hash))
}

fn read(bytes: &[u8]) -> Result<Change, Error> {
    catch_unwind(AssertUnwindSafe(|| Change::from_bytes(bytes.to_vec())))
        .map_err(|_| malformed("变更无法解析", "the change cannot be parsed"))?
        .map_err(|error| malformed("变更无法解析", "the change cannot be parsed").caused_by(error))
}

pub(super) fn malformed(zh: &str, en: &str) -> Error {
    Error::new(ErrorKind::Protocol, zh, en)
}
