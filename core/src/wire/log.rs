//! What proves a log: the chain over its rows, the digest over its content, the signed head.

use sha2::{Digest as _, Sha256};

use crate::id::{ChangeHash, DefinitionRef, DeviceId, DocumentId, ScopeId, UserId, hash_parts, short_hash};
use crate::wire::message::Record;

/// The chain of a scope's log at some seq: zeros before the first row.
///
/// c_n = SHA-256 over (c_{n-1}, scope, seq, kind, document, last hash, device, user, received_at): the
/// server cannot change, drop or reorder a row that a device has a head for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Chain(pub [u8; 32]);

/// The part of a log row that the chain covers.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    /// Place in the log, from 1.
    pub seq: u64,
    /// 1 a run, 2 a definition.
    pub kind: u8,
    /// The document, or the id derived from a definition.
    pub document: DocumentId,
    /// Hash of the last change, or content hash of a definition.
    pub last_hash: ChangeHash,
    /// Who signed.
    pub device: DeviceId,
    /// For whom.
    pub user: &'a UserId,
    /// Server clock on arrival, milliseconds since 1970.
    pub received_at_ms: i64,
}

impl<'a> Link<'a> {
    /// The link of a record as it travels.
    #[must_use]
    pub const fn of(record: &'a Record) -> Self {
        Self {
            seq: record.seq,
            kind: record.body.kind(),
            document: record.document,
            last_hash: record.body.last_hash(),
            device: record.device,
            user: &record.user,
            received_at_ms: record.received_at_ms,
        }
    }
}

impl Chain {
    /// The chain after one more row.
    #[must_use]
    pub fn next(&self, scope: &ScopeId, link: &Link<'_>) -> Self {
        Self(hash_parts(
            "xunyuan/chain/1",
            &[
                &self.0,
                scope.as_str().as_bytes(),
                &link.seq.to_be_bytes(),
                &[link.kind],
                link.document.as_bytes(),
                link.last_hash.as_bytes(),
                link.device.as_bytes(),
                link.user.as_str().as_bytes(),
                &link.received_at_ms.to_be_bytes(),
            ],
        ))
    }
}

/// Most bad places that one walk names; what is beyond them is found by the next one.
const WALK_BAD_MAX: usize = 100_000;

/// Walks along the stored rows of a log and finds the places at which it is damaged: rows that are missing,
/// do not hold what they name, or do not follow from the row before.
#[derive(Clone, Debug)]
pub struct Walk<'a> {
    scope: &'a ScopeId,
    last: u64,
    chain: Option<Chain>,
    bad: Vec<u64>,
}

impl<'a> Walk<'a> {
    /// A walk from the beginning of a scope's log.
    #[must_use]
    pub const fn new(scope: &'a ScopeId) -> Self {
        Self { scope, last: 0, chain: Some(Chain([0; 32])), bad: Vec::new() }
    }

    /// The next row with the chain that stands in it; `sound` says whether it holds what it names. True
    /// when the row is good.
    pub fn row(&mut self, link: &Link<'_>, chain: &Chain, sound: bool) -> bool {
        self.step(link.seq);
        let follows = self.chain.is_none_or(|before| before.next(self.scope, link) == *chain);
        self.chain = follows.then_some(*chain);
        if !(follows && sound) {
            self.bad.push(link.seq);
        }
        follows && sound
    }

    /// The next row, of which only its place and chain are here.
    pub fn stub(&mut self, seq: u64, chain: &Chain) {
        self.step(seq);
        self.chain = Some(*chain);
    }

    /// The next row, of which not even that can be read.
    pub fn unreadable(&mut self, seq: u64) {
        self.step(seq);
        self.chain = None;
        self.bad.push(seq);
    }

    /// The end of the log as it is known from elsewhere: the bad places, in order.
    #[must_use]
    pub fn end(mut self, seq: u64, chain: &Chain) -> Vec<u64> {
        self.step(seq.saturating_add(1));
        if seq > 0 && self.bad.last() != Some(&seq) && self.chain.is_some_and(|last| last != *chain) {
            self.bad.push(seq);
        }
        self.bad
    }

    fn step(&mut self, seq: u64) {
        let next = self.last.saturating_add(1);
        if seq > next {
            // A damaged number may claim any gap.
            let room = WALK_BAD_MAX.saturating_sub(self.bad.len());
            self.bad.extend((next..seq).take(room));
            self.chain = None;
        }
        self.last = seq;
    }
}

/// What a scope holds, whatever the order it came in: how many changes and definitions, and the sum of
/// SHA-256(document, hash) modulo 2^256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Digest {
    /// Number of changes and definitions.
    pub count: u64,
    /// Their sum, big-endian.
    pub sum: [u8; 32],
}

impl Digest {
    /// Counts one change (or definition) in.
    pub fn add(&mut self, document: &DocumentId, hash: &ChangeHash) {
        self.sum = sum(&self.sum, &share(document, hash));
        self.count = self.count.wrapping_add(1);
    }

    /// Counts in what another digest counted: the share of a stub.
    pub fn add_all(&mut self, other: &Self) {
        self.sum = sum(&self.sum, &other.sum);
        self.count = self.count.wrapping_add(other.count);
    }

    /// First 8 bytes of SHA-256 over count and sum: what a device says of the signed head that it holds.
    #[must_use]
    pub fn tag(&self) -> u64 {
        let hash = hash_parts("xunyuan/held/1", &[&self.count.to_be_bytes(), &self.sum]);
        let [a, b, c, d, e, f, g, h, ..] = hash;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// Takes one change (or definition) out again.
    pub fn remove(&mut self, document: &DocumentId, hash: &ChangeHash) {
        let share = share(document, hash);
        let mut borrow = 0_u16;
        for (byte, other) in self.sum.iter_mut().zip(share).rev() {
            let taken = u16::from(other) + borrow;
            borrow = u16::from(u16::from(*byte) < taken);
            [_, *byte] = (256 + u16::from(*byte) - taken).to_be_bytes();
        }
        self.count = self.count.wrapping_sub(1);
    }
}

/// The sum of two big-endian numbers modulo 2^256.
fn sum(one: &[u8; 32], other: &[u8; 32]) -> [u8; 32] {
    let mut sum = *one;
    let mut carry = 0_u16;
    for (byte, other) in sum.iter_mut().zip(other).rev() {
        carry += u16::from(*byte) + u16::from(*other);
        [_, *byte] = carry.to_be_bytes();
        carry >>= 8;
    }
    sum
}

/// The share of one change in the digest of its scope.
fn share(document: &DocumentId, hash: &ChangeHash) -> [u8; 32] {
    Sha256::new_with_prefix(document.as_bytes()).chain_update(hash.as_bytes()).finalize().into()
}

/// What the server signs when it states a scope's head.
#[must_use]
pub fn head_signing_bytes(scope: &ScopeId, epoch: u64, seq: u64, chain: &Chain, digest: &Digest) -> [u8; 32] {
    hash_parts(
        "xunyuan/head/1",
        &[
            scope.as_str().as_bytes(),
            &epoch.to_be_bytes(),
            &seq.to_be_bytes(),
            &chain.0,
            &digest.count.to_be_bytes(),
            &digest.sum,
        ],
    )
}

/// The id under which a definition version stands in the log of the definitions scope.
#[must_use]
pub fn definition_document(reference: &DefinitionRef) -> DocumentId {
    DocumentId(short_hash(
        "xunyuan/definition/1",
        &[reference.id.as_bytes(), &reference.version.to_be_bytes()],
    ))
}

/// First 8 bytes of SHA-256 over the granted scopes, sorted and joined by line feeds: device and server
/// compare it to learn whether the grants changed.
#[must_use]
pub fn grants_tag(grants: &[ScopeId]) -> [u8; 8] {
    let mut sorted: Vec<&str> = grants.iter().map(ScopeId::as_str).collect();
    sorted.sort_unstable();
    let hash: [u8; 32] = Sha256::digest(sorted.join("\n").as_bytes()).into();
    let mut tag = [0; 8];
    tag.copy_from_slice(&hash[..8]);
    tag
}

#[cfg(test)]
mod tests {
    use super::{Chain, Digest, Link, Walk, definition_document, grants_tag, head_signing_bytes};
    use crate::id::{ChangeHash, ContentHash, DefinitionRef, DeviceId, DocumentId, ScopeId, UserId};
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    fn link(user: &UserId) -> Link<'_> {
        Link {
            seq: 1,
            kind: 1,
            document: DocumentId([1; 16]),
            last_hash: ChangeHash([2; 32]),
            device: DeviceId([3; 16]),
            user,
            received_at_ms: 1_700_000_000_000,
        }
    }

    #[test]
    fn chain_head_digest_and_tag_have_these_bytes() {
        let scope = ScopeId::new("pj.a/patrol");
        let user = UserId::new("u.a");
        let chain = Chain::default().next(&scope, &link(&user));
        assert_eq!(
            HEXLOWER.encode(&chain.0),
            "eb396f99ce941172b2b0a0eef8524666f65df1577effeaa245e3031cf731df85"
        );
        let mut digest = Digest::default();
        digest.add(&DocumentId([1; 16]), &ChangeHash([2; 32]));
        digest.add(&DocumentId([1; 16]), &ChangeHash([3; 32]));
        assert_eq!(digest.count, 2);
        assert_eq!(
            HEXLOWER.encode(&digest.sum),
            "6c31333a03b50816d5753a9fb3d30453b480f49dbdf4f1ff25f46c3ea5028c9a"
        );
        let head = head_signing_bytes(&scope, 5, 1, &chain, &digest);
        assert_eq!(
            HEXLOWER.encode(&head),
            "c5d1ee1510972f4e38eef867fcd27d02271a3e1756c699526df86dfc3b2dc813"
        );
        let tag = grants_tag(&[ScopeId::new("pj.b/desk"), scope]);
        assert_eq!(HEXLOWER.encode(&tag), "19b8afd3e054d53f");
        let reference = DefinitionRef { id: "tpl.a".into(), version: 1, hash: ContentHash([0; 32]) };
        assert_eq!(definition_document(&reference).to_string(), "a67b33b8c199999c6b57e0cf954d45c7");
    }

    #[test]
    fn every_part_of_a_row_is_in_the_chain() {
        let (scope, user, other) = (ScopeId::new("pj.a/desk"), UserId::new("u.a"), UserId::new("u.b"));
        let chain = Chain::default();
        let same = chain.next(&scope, &link(&user));
        let changed = [
            chain.next(&ScopeId::new("pj.a/desl"), &link(&user)),
            Chain([1; 32]).next(&scope, &link(&user)),
            chain.next(&scope, &Link { seq: 2, ..link(&user) }),
            chain.next(&scope, &Link { kind: 2, ..link(&user) }),
            chain.next(&scope, &Link { document: DocumentId([9; 16]), ..link(&user) }),
            chain.next(&scope, &Link { last_hash: ChangeHash([9; 32]), ..link(&user) }),
            chain.next(&scope, &Link { device: DeviceId([9; 16]), ..link(&user) }),
            chain.next(&scope, &link(&other)),
            chain.next(&scope, &Link { received_at_ms: 0, ..link(&user) }),
        ];
        assert!(changed.iter().all(|one| *one != same));
    }

    #[test]
    fn a_damaged_number_names_no_more_bad_places_than_a_walk_may() {
        let scope = ScopeId::of("pj.a", "desk");
        let mut walk = Walk::new(&scope);
        walk.unreadable(u64::MAX);
        walk.unreadable(3);
        assert_eq!(walk.end(u64::MAX, &Chain::default()).len(), super::WALK_BAD_MAX + 2);
    }

    #[test]
    fn a_walk_finds_what_is_missing_or_altered() {
        let (scope, user, other) = (ScopeId::new("pj.a/desk"), UserId::new("u.a"), UserId::new("u.b"));
        let mut rows = Vec::new();
        let mut chain = Chain::default();
        for seq in 1..=9 {
            let link = Link { seq, ..link(&user) };
            chain = chain.next(&scope, &link);
            rows.push((link, chain, true));
        }
        let walked = |rows: &[(Link<'_>, Chain, bool)]| {
            let mut walk = Walk::new(&scope);
            for (link, chain, sound) in rows {
                walk.row(link, chain, *sound);
            }
            walk.end(9, &chain)
        };
        assert_eq!(walked(&rows), [] as [u64; 0]);
        let mut damaged = rows.clone();
        damaged[1].2 = false;
        damaged[3].0.user = &other;
        damaged.remove(8);
        damaged.remove(5);
        assert_eq!(walked(&damaged), [2, 4, 6, 9]);
        assert_eq!(walked(&[]), (1..=9).collect::<Vec<u64>>());
        damaged.clone_from(&rows);
        damaged[8].1 = Chain([7; 32]);
        assert_eq!(walked(&damaged), [9]);
    }

    proptest! {
        #[test]
        fn the_digest_forgets_order_and_undoes(hashes in proptest::collection::vec(any::<[u8; 32]>(), 1..40)) {
            let document = DocumentId([4; 16]);
            let (mut forth, mut back) = (Digest::default(), Digest::default());
            for hash in &hashes {
                forth.add(&document, &ChangeHash(*hash));
            }
            for hash in hashes.iter().rev() {
                back.add(&document, &ChangeHash(*hash));
            }
            prop_assert_eq!(forth, back);
            for hash in &hashes {
                forth.remove(&document, &ChangeHash(*hash));
            }
            prop_assert_eq!(forth, Digest::default());
        }
    }
}
