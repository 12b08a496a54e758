//! Signed runs: the changes of one actor without what the receiver can recompute.
//!
//! An Automerge change chunk is magic, checksum, type, length and a body that opens with deps, actor and
//! seq. Of a run the receiver knows the actor, can count the seqs on, can hash each rebuilt change for its
//! checksum and for the dep by which the next one names it. Only the rest travels. Rebuilding is exact:
//! only canonical bytes (shortest LEB128, deps sorted, no doubles) are packed and accepted, so a run has one form.
//!
//! Packed: count; then for each change: number of carried deps and their 32 bytes each (all deps for the
//! first, all but the previous change for the others), the seq (first change only), the length of the rest
//! and the rest from `start_op` on. All numbers are unsigned LEB128.

use sha2::{Digest as _, Sha256};

use crate::error::{Error, ErrorKind};
use crate::id::{ActorId, ChangeHash, DocumentId, ScopeId, UserId, hash_parts};
use crate::limits::{CHANGE_BYTES_MAX, RUN_CHANGES_MAX};

/// What every Automerge chunk opens with.
const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
/// The chunk type of an uncompressed change, the only one that travels.
const TYPE_CHANGE: u8 = 1;
/// Most deps of one change that are read: a document has no more actors, so no more heads.
const DEPS_MAX: u64 = 1_024;

/// Packs the raw chunks of a run, in order.
///
/// # Errors
/// `Protocol` when there are none or too many, when one is no canonical uncompressed change chunk with a
/// right checksum or is too large, or when they are not consecutive changes of one actor, each depending
/// directly on the one before.
pub fn pack(changes: &[&[u8]]) -> Result<Vec<u8>, Error> {
    check_count(changes.len())?;
    let mut packed = Vec::new();
    put_number(&mut packed, changes.len() as u64);
    let mut previous: Option<(ChangeHash, [u8; 16], u64)> = None;
    for chunk in changes {
        let header = Header::read(chunk)?;
        let mut deps = header.deps;
        if let Some((hash, actor, seq)) = previous {
            if header.actor != actor || Some(header.seq) != seq.checked_add(1) {
                return Err(malformed("its changes are not consecutive changes of one actor"));
            }
            let at = deps.binary_search(&hash).map_err(|_| unlinked())?;
            deps.remove(at);
        }
        put_number(&mut packed, deps.len() as u64);
        for dep in &deps {
            packed.extend_from_slice(dep.as_bytes());
        }
        if previous.is_none() {
            put_number(&mut packed, header.seq);
        }
        put_number(&mut packed, header.rest.len() as u64);
        packed.extend_from_slice(header.rest);
        previous = Some((header.hash, header.actor, header.seq));
    }
    Ok(packed)
}

/// Rebuilds the raw chunks of a run by `actor`, each with its checksum and its dep on the one before.
///
/// The caller compares the hash of the last one with the signed hash: it vouches for all of them.
///
/// # Errors
/// `Protocol` when the bytes are not exactly what [`pack`] writes.
pub fn unpack(packed: &[u8], actor: ActorId) -> Result<Vec<Vec<u8>>, Error> {
    let mut chunks = Vec::new();
    rebuild(packed, actor, |chunk, _, _| chunks.push(chunk))?;
    Ok(chunks)
}

/// As [`unpack`], each chunk with its hash.
///
/// # Errors
/// As [`unpack`].
pub fn unpack_hashed(packed: &[u8], actor: ActorId) -> Result<Vec<(Vec<u8>, ChangeHash)>, Error> {
    let mut chunks = Vec::new();
    rebuild(packed, actor, |chunk, hash, _| chunks.push((chunk, hash)))?;
    Ok(chunks)
}

/// The hashes of a run's changes and the seq of the last, without reading what they say.
///
/// # Errors
/// As [`unpack`].
pub fn hashes(packed: &[u8], actor: ActorId) -> Result<(Vec<ChangeHash>, u64), Error> {
    let (mut hashes, mut last_seq) = (Vec::new(), 0);
    rebuild(packed, actor, |_, hash, seq| {
        hashes.push(hash);
        last_seq = seq;
    })?;
    Ok((hashes, last_seq))
}

fn rebuild(
    packed: &[u8],
    actor: ActorId,
    mut take: impl FnMut(Vec<u8>, ChangeHash, u64),
) -> Result<(), Error> {
    let mut reader = Reader(packed);
    let count = usize::try_from(reader.number()?).unwrap_or(usize::MAX);
    check_count(count)?;
    let mut previous: Option<(ChangeHash, u64)> = None;
    for _ in 0..count {
        let mut deps = reader.deps()?;
        let seq = match previous {
            None => reader.number()?,
            Some((hash, seq)) => {
                let Err(at) = deps.binary_search(&hash) else {
                    return Err(malformed("it carries a dep that is to be recomputed"));
                };
                deps.insert(at, hash);
                seq.checked_add(1).ok_or_else(|| malformed("its seq is too large"))?
            }
        };
        let rest = reader.sized()?;
        let (chunk, hash) = build(&deps, actor, seq, rest)?;
        take(chunk, hash, seq);
        previous = Some((hash, seq));
    }
    if reader.0.is_empty() { Ok(()) } else { Err(malformed("bytes follow its last change")) }
}

/// What a device signs for a run.
#[must_use]
pub fn signing_bytes(
    scope: &ScopeId,
    document: &DocumentId,
    actor: &ActorId,
    user: &UserId,
    last_hash: &ChangeHash,
) -> [u8; 32] {
    hash_parts(
        "xunyuan/run/1",
        &[
            scope.as_str().as_bytes(),
            document.as_bytes(),
            actor.as_bytes(),
            user.as_str().as_bytes(),
            last_hash.as_bytes(),
        ],
    )
}

/// The opening of a change chunk, and the rest of its body from `start_op` on.
struct Header<'a> {
    hash: ChangeHash,
    deps: Vec<ChangeHash>,
    actor: [u8; 16],
    seq: u64,
    rest: &'a [u8],
}

impl<'a> Header<'a> {
    fn read(chunk: &'a [u8]) -> Result<Self, Error> {
        if chunk.len() > CHANGE_BYTES_MAX {
            return Err(too_large());
        }
        let mut reader = Reader(chunk);
        if reader.take(4)? != MAGIC {
            return Err(malformed("a change does not open as an Automerge chunk"));
        }
        let checksum = reader.take(4)?;
        if reader.take(1)? != [TYPE_CHANGE] {
            return Err(malformed("only uncompressed changes are taken"));
        }
        let body = reader.sized()?;
        if !reader.0.is_empty() {
            return Err(malformed("bytes follow a change"));
        }
        let hash = chunk_hash(body);
        if hash.as_bytes().get(..4) != Some(checksum) {
            return Err(malformed("the checksum of a change is wrong"));
        }
        let mut reader = Reader(body);
        let deps = reader.deps()?;
        let actor =
            <[u8; 16]>::try_from(reader.sized()?).map_err(|_| malformed("an actor id has not 16 bytes"))?;
        let seq = reader.number()?;
        Ok(Self { hash, deps, actor, seq, rest: reader.0 })
    }
}

/// Reads forward through foreign bytes; every step can fail, none can panic.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let (head, tail) = self.0.split_at_checked(length).ok_or_else(|| malformed("it is cut short"))?;
        self.0 = tail;
        Ok(head)
    }

    /// An unsigned LEB128 number in its shortest form.
    pub(super) fn number(&mut self) -> Result<u64, Error> {
        let mut value = 0_u64;
        for place in 0..10_u32 {
            let byte = *self.take(1)?.first().ok_or_else(|| malformed("it is cut short"))?;
            let bits = u64::from(byte & 0x7f);
            if place == 9 && bits > 1 {
                break;
            }
            value |= bits << (7 * place);
            if byte & 0x80 == 0 {
                if byte == 0 && place > 0 {
                    break;
                }
                return Ok(value);
            }
        }
        Err(malformed("a number is not in its shortest form"))
    }

    /// Bytes behind their length.
    pub(super) fn sized(&mut self) -> Result<&'a [u8], Error> {
        let length = usize::try_from(self.number()?).map_err(|_| too_large())?;
        if length > CHANGE_BYTES_MAX {
            return Err(too_large());
        }
        self.take(length)
    }

    /// Hashes behind their count, strictly ascending.
    fn deps(&mut self) -> Result<Vec<ChangeHash>, Error> {
        let count = self.number()?;
        if count > DEPS_MAX {
            return Err(malformed("a change has too many deps"));
        }
        let mut deps: Vec<ChangeHash> = Vec::new();
        for _ in 0..count {
            let dep = ChangeHash::from_slice(self.take(32)?)?;
            if deps.last().is_some_and(|last| *last >= dep) {
                return Err(malformed("the deps of a change are not sorted"));
            }
            deps.push(dep);
        }
        Ok(deps)
    }
}

/// Writes a whole chunk and says its hash.
fn build(deps: &[ChangeHash], actor: ActorId, seq: u64, rest: &[u8]) -> Result<(Vec<u8>, ChangeHash), Error> {
    let mut body = Vec::with_capacity(rest.len() + 32 * deps.len() + 40);
    put_number(&mut body, deps.len() as u64);
    for dep in deps {
        body.extend_from_slice(dep.as_bytes());
    }
    put_number(&mut body, actor.as_bytes().len() as u64);
    body.extend_from_slice(actor.as_bytes());
    put_number(&mut body, seq);
    body.extend_from_slice(rest);
    let hash = chunk_hash(&body);
    let mut chunk = Vec::with_capacity(body.len() + 16);
    chunk.extend_from_slice(&MAGIC);
    chunk.extend_from_slice(&hash.as_bytes()[..4]);
    chunk.push(TYPE_CHANGE);
    put_number(&mut chunk, body.len() as u64);
    chunk.extend_from_slice(&body);
    if chunk.len() > CHANGE_BYTES_MAX { Err(too_large()) } else { Ok((chunk, hash)) }
}

/// The hash of a change: SHA-256 over type, length and body.
fn chunk_hash(body: &[u8]) -> ChangeHash {
    let mut opening = vec![TYPE_CHANGE];
    put_number(&mut opening, body.len() as u64);
    ChangeHash(Sha256::new_with_prefix(opening).chain_update(body).finalize().into())
}

pub(super) fn put_number(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            out.push(low & 0x7f);
            return;
        }
        out.push(low | 0x80);
    }
}

fn check_count(count: usize) -> Result<(), Error> {
    if count == 0 {
        return Err(malformed("it holds no change"));
    }
    if count > RUN_CHANGES_MAX {
        return Err(Error::new(
            ErrorKind::Protocol,
            format!("一次签名最多包含 {RUN_CHANGES_MAX} 条变更"),
            format!("a signed run holds at most {RUN_CHANGES_MAX} changes"),
        ));
    }
    Ok(())
}

fn unlinked() -> Error {
    malformed("a change does not depend directly on the one before it")
}

fn too_large() -> Error {
    Error::new(
        ErrorKind::Protocol,
        format!("单条变更超过 {CHANGE_BYTES_MAX} 字节上限"),
        format!("a change is larger than {CHANGE_BYTES_MAX} bytes"),
    )
}

pub(super) fn malformed(what: &str) -> Error {
    Error::new(ErrorKind::Protocol, "变更数据格式不正确", format!("the run of changes is malformed: {what}"))
}

#[cfg(test)]
mod tests {
    use super::{build, pack, put_number, signing_bytes, unpack};
    use crate::error::ErrorKind;
    use crate::id::{ActorId, ChangeHash, DocumentId, ScopeId, UserId};
    use automerge::transaction::Transactable as _;
    use automerge::{Automerge, ROOT};
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    const ACTOR: ActorId = ActorId([0xac; 16]);

    fn two() -> Vec<Vec<u8>> {
        let (first, hash) = build(&[ChangeHash([1; 32])], ACTOR, 5, b"first").unwrap();
        let mut deps = vec![ChangeHash([0x80; 32]), hash];
        deps.sort_unstable();
        let (second, _) = build(&deps, ACTOR, 6, b"second").unwrap();
        vec![first, second]
    }

    fn packed(chunks: &[Vec<u8>]) -> Vec<u8> {
        pack(&chunks.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_run_has_these_bytes() {
        let packed = packed(&two());
        assert_eq!(
            HEXLOWER.encode(&packed),
            concat!(
                "02010101010101010101010101010101010101010101010101010101010101010101",
                "0505666972737401",
                "8080808080808080808080808080808080808080808080808080808080808080",
                "067365636f6e64"
            )
        );
        assert_eq!(unpack(&packed, ACTOR).unwrap(), two());
        let signed = signing_bytes(
            &ScopeId::new("pj.a/patrol"),
            &DocumentId([1; 16]),
            &ACTOR,
            &UserId::new("u.a"),
            &ChangeHash([2; 32]),
        );
        assert_eq!(
            HEXLOWER.encode(&signed),
            "d597a5727c5997178df4870602c4d958b447547feac6d1201a87fc737ee893fb"
        );
    }

    #[test]
    fn real_changes_come_back_to_the_byte() {
        let mut one = Automerge::new().with_actor(automerge::ActorId::from([3; 16]));
        one.transact::<_, _, automerge::AutomergeError>(|t| t.put(ROOT, "genesis", 1)).unwrap();
        let mut other = one.fork().with_actor(automerge::ActorId::from([1; 16]));
        other.transact::<_, _, automerge::AutomergeError>(|t| t.put(ROOT, "b", "一二三")).unwrap();
        let known = one.get_heads();
        for number in 0..40 {
            one.transact::<_, _, automerge::AutomergeError>(|t| {
                t.put(ROOT, format!("key{}", number % 7), "文本".repeat(number))
            })
            .unwrap();
        }
        let raw: Vec<Vec<u8>> = one.get_changes(&known).iter().map(|c| c.raw_bytes().to_vec()).collect();
        let small = packed(&raw);
        assert!(small.len() + raw.len() * 50 < raw.concat().len());
        assert_eq!(unpack(&small, ActorId([3; 16])).unwrap(), raw);
        // A change after a merge names its predecessor only through the other actor's change.
        one.merge(&mut other).unwrap();
        one.transact::<_, _, automerge::AutomergeError>(|t| t.put(ROOT, "after", true)).unwrap();
        let after = one.get_last_local_change().unwrap().raw_bytes().to_vec();
        let both = vec![raw.last().unwrap().clone(), after];
        assert_eq!(unpack(&packed(&both), ActorId([3; 16])).unwrap(), both);
        let wrong = unpack(&small, ActorId([4; 16])).unwrap();
        assert_ne!(wrong, raw);
    }

    #[test]
    fn what_is_no_run_is_not_packed() {
        let [first, second] = <[Vec<u8>; 2]>::try_from(two()).unwrap();
        let (stranger, _) = build(&[ChangeHash([1; 32])], ActorId([0; 16]), 6, b"x").unwrap();
        let (unlinked, _) = build(&[ChangeHash([1; 32])], ACTOR, 6, b"x").unwrap();
        let mut deflated = first.clone();
        deflated[8] = 2;
        let mut document = first.clone();
        document[8] = 0;
        let mut checksum = first.clone();
        checksum[5] ^= 1;
        let mut longer = first.clone();
        longer.push(0);
        let refused: Vec<Vec<&[u8]>> = vec![
            vec![],
            vec![&[]],
            vec![&first[..20]],
            vec![&first, &first],
            vec![&second, &first],
            vec![&first, &stranger],
            vec![&first, &unlinked],
            vec![&deflated],
            vec![&document],
            vec![&checksum],
            vec![&longer],
            vec![&first; 257],
        ];
        for (number, run) in refused.iter().enumerate() {
            assert_eq!(pack(run).unwrap_err().kind(), ErrorKind::Protocol, "case {number}");
        }
        let mut large = first[..8].to_vec();
        large.resize(super::CHANGE_BYTES_MAX + 1, 0);
        assert!(pack(&[&large]).unwrap_err().to_string().contains("larger"));
    }

    #[test]
    fn malformed_packed_runs_are_refused() {
        let good = packed(&two());
        for length in 0..good.len() {
            assert!(unpack(&good[..length], ACTOR).is_err(), "cut at {length}");
        }
        let cases: [(&str, Vec<u8>); 8] = [
            ("none", vec![0]),
            ("long count", vec![0x81, 0x00, 0, 1, 0]),
            ("too many", vec![0x81, 0x02]),
            ("huge number", [vec![0xff; 10], vec![1]].concat()),
            ("deps claim", vec![1, 0xff, 0xff, 0xff, 0xff, 0x0f]),
            ("unsorted deps", [vec![1, 2], vec![9; 32], vec![8; 32], vec![1, 0]].concat()),
            ("huge rest", vec![1, 0, 1, 0xff, 0xff, 0xff, 0xff, 0x0f]),
            ("trailing", [good, vec![0]].concat()),
        ];
        for (name, bytes) in cases {
            assert_eq!(unpack(&bytes, ACTOR).unwrap_err().kind(), ErrorKind::Protocol, "{name}");
        }
        let mut carried = vec![2, 0, 1, 1, b'x'];
        let (_, hash) = build(&[], ACTOR, 1, b"x").unwrap();
        carried.push(1);
        carried.extend_from_slice(hash.as_bytes());
        put_number(&mut carried, 1);
        carried.push(b'y');
        assert!(unpack(&carried, ACTOR).unwrap_err().to_string().contains("recomputed"));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = pack(&[&bytes]);
            if let Ok(chunks) = unpack(&bytes, ACTOR) {
                prop_assert_eq!(packed(&chunks), bytes);
            }
        }

        #[test]
        fn every_run_has_one_form(at in 0_usize..120, flip in 1_u8..) {
            let mut bytes = packed(&two());
            let at = at % bytes.len();
            bytes[at] ^= flip;
            if let Ok(chunks) = unpack(&bytes, ACTOR) {
                prop_assert_eq!(packed(&chunks), bytes);
                prop_assert_ne!(chunks, two());
            }
        }
    }
}
