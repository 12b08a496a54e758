//! Comparison: which rows of a scope's log does one side hold that the other does not?
//!
//! Range-based set reconciliation by the `negentropy` crate over items (seq, chain at the row), in the
//! order of the log. The chain covers document, last hash, author and receipt of its row and of every
//! row before it, so the comparison proves the order as well as the content; it stands in each row on
//! both sides, so that items come out of one walk along an index and nothing is hashed. Over (document,
//! change hash) the set would be as many times larger as runs have changes, and positions unknown.
//!
//! Receives rows' places and the other side's frames; hands on frames and places. Forbids stores. Every
//! frame is foreign: `coding` reads it under caps before the crate sees it. An item takes 40 bytes of
//! memory while a frame is worked on, 8 MB for 200,000 rows; nothing is kept between frames.

mod coding;

use negentropy::{Id, Negentropy, NegentropyStorageVector};

use crate::error::{Error, ErrorKind};
use crate::limits::COMPARED_ROWS_MAX;
use crate::wire::log::Chain;

/// Size at which the crate ends a frame and leaves the rest to the next, bytes before coding.
const FRAME_LIMIT: u64 = 48 * 1024;

/// The rows that one side holds, as the comparison sees them.
#[derive(Debug, Default)]
pub struct Held {
    items: NegentropyStorageVector,
    last: u64,
    count: usize,
}

/// What a frame of the other side tells the side that opened the comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Places of rows that only the other side holds.
    pub lacking: Vec<u64>,
    /// Places of rows that only this side holds.
    pub extra: Vec<u64>,
    /// The next frame; `None` when the comparison is over.
    pub next: Option<Vec<u8>>,
}

impl Held {
    /// Adds a row; rows come in the order of their places.
    ///
    /// # Errors
    /// `Invalid` when there are more than `COMPARED_ROWS_MAX`, or out of order.
    pub fn add(&mut self, seq: u64, chain: &Chain) -> Result<(), Error> {
        if seq <= self.last || self.count >= COMPARED_ROWS_MAX {
            return Err(Error::new(
                ErrorKind::Invalid,
                "范围过大或行序错误,无法逐项比对",
                "the scope is too large, or its rows out of order, to be compared row by row",
            ));
        }
        (self.last, self.count) = (seq, self.count + 1);
        self.items.insert(seq, id(seq, chain)).map_err(unreadable)
    }

    /// Number of rows.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// True when no row is held.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The first frame of a comparison.
    ///
    /// # Errors
    /// None that these rows can cause; what the crate would say.
    pub fn open(mut self) -> Result<Vec<u8>, Error> {
        self.items.seal().map_err(unreadable)?;
        let raw = Negentropy::borrowed(&self.items, FRAME_LIMIT)
            .and_then(|mut side| side.initiate())
            .map_err(unreadable)?;
        coding::encode(&raw)
    }

    /// The answer to a frame of the side that opened the comparison.
    ///
    /// # Errors
    /// `Protocol` when the frame is malformed or beyond its caps.
    pub fn answer(mut self, frame: &[u8]) -> Result<Vec<u8>, Error> {
        self.items.seal().map_err(unreadable)?;
        let raw = coding::decode(frame, &self.items)?;
        let raw = Negentropy::borrowed(&self.items, FRAME_LIMIT)
            .and_then(|mut side| side.reconcile(&raw))
            .map_err(unreadable)?;
        coding::encode(&raw)
    }

    /// What an answer says, and the frame that asks on.
    ///
    /// # Errors
    /// `Protocol` when the frame is malformed or beyond its caps.
    pub fn resume(mut self, frame: &[u8]) -> Result<Difference, Error> {
        self.items.seal().map_err(unreadable)?;
        let raw = coding::decode(frame, &self.items)?;
        let (mut have, mut need) = (Vec::new(), Vec::new());
        let mut side = Negentropy::borrowed(&self.items, FRAME_LIMIT).map_err(unreadable)?;
        side.set_initiator();
        let next = side.reconcile_with_ids(&raw, &mut have, &mut need).map_err(unreadable)?;
        let places = |ids: Vec<Id>| {
            let mut seqs: Vec<u64> = ids.iter().map(|id| seq_of(id.as_bytes())).collect();
            seqs.sort_unstable();
            seqs.dedup();
            seqs
        };
        Ok(Difference {
            lacking: places(need),
            extra: places(have),
            next: next.map(|raw| coding::encode(&raw)).transpose()?,
        })
    }
}

/// The id of a row: its place, then the first 24 bytes of the chain there.
fn id(seq: u64, chain: &Chain) -> Id {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seq.to_be_bytes());
    bytes[8..].copy_from_slice(&chain.0[..24]);
    Id::from_byte_array(bytes)
}

/// The place that an id names.
fn seq_of(id: &[u8; 32]) -> u64 {
    let mut seq = [0; 8];
    seq.copy_from_slice(&id[..8]);
    u64::from_be_bytes(seq)
}

fn unreadable(cause: negentropy::Error) -> Error {
    malformed().caused_by(cause)
}

fn malformed() -> Error {
    Error::new(
        ErrorKind::Protocol,
        "比对消息无法读取;将从头获取该范围",
        "the message of the comparison cannot be read; the scope will be fetched from its beginning",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn chain(seq: u64) -> Chain {
        Chain(crate::id::hash_parts("test", &[&seq.to_be_bytes()]))
    }

    fn held(seqs: impl IntoIterator<Item = u64>) -> Held {
        let mut held = Held::default();
        seqs.into_iter().for_each(|seq| held.add(seq, &chain(seq)).unwrap());
        held
    }

    /// Plays a comparison to its end: what it found, messages and bytes.
    fn played(one: &BTreeSet<u64>, other: &BTreeSet<u64>) -> (Difference, usize, usize) {
        let mut found = Difference::default();
        let mut frame = held(one.iter().copied()).open().unwrap();
        let (mut messages, mut bytes) = (0, 0);
        loop {
            let answer = held(other.iter().copied()).answer(&frame).unwrap();
            messages += 2;
            bytes += frame.len() + answer.len();
            let difference = held(one.iter().copied()).resume(&answer).unwrap();
            found.lacking.extend(difference.lacking);
            found.extra.extend(difference.extra);
            match difference.next {
                Some(next) => frame = next,
                None => {
                    found.lacking.sort_unstable();
                    found.extra.sort_unstable();
                    return (found, messages, bytes);
                }
            }
            assert!(messages < 200, "no end");
        }
    }

    #[test]
    fn ten_among_two_hundred_thousand_cost_a_few_kilobytes() {
        let whole: BTreeSet<u64> = (1..=200_000).collect();
        let lost: Vec<u64> = (0..10).map(|n| 7_919 + n * 19_483).collect();
        let holed: BTreeSet<u64> = whole.iter().copied().filter(|seq| !lost.contains(seq)).collect();
        let (found, messages, bytes) = played(&holed, &whole);
        assert_eq!(found.lacking, lost);
        assert_eq!(found.extra, [] as [u64; 0]);
        assert!(messages <= 8 && bytes < 5_500, "{messages} messages, {bytes} B");
        let (found, _, back) = played(&whole, &holed);
        assert_eq!((found.extra, found.lacking), (lost, vec![]));
        assert!(back < 5_500, "{back} B");
    }

    #[test]
    fn a_long_difference_is_told_in_capped_frames() {
        let whole: BTreeSet<u64> = (1..=20_000).collect();
        let odd: BTreeSet<u64> = (1..=20_000).filter(|seq| seq % 2 == 1).collect();
        let (found, _, _) = played(&odd, &whole);
        assert_eq!(found.lacking.len(), 10_000);
        assert_eq!(played(&BTreeSet::new(), &whole).0.lacking.len(), 20_000);
        assert_eq!(played(&whole, &BTreeSet::new()).0.extra.len(), 20_000);
        let first = held(1..=20_000).open().unwrap();
        assert!(first.len() <= coding::FRAME_BYTES_MAX);
    }

    #[test]
    fn rows_are_taken_in_order_only() {
        let mut held = held([4]);
        assert_eq!(held.add(4, &chain(4)).unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(held.len(), 1);
    }

    #[test]
    fn hostile_frames_are_refused() {
        let good = held(1..=500).open().unwrap();
        for length in 0..good.len() {
            let _ = held(1..=500).answer(&good[..length]);
        }
        let long = vec![1; coding::FRAME_BYTES_MAX + 1];
        for (number, bad) in
            [&[][..], &[9], &[1, 7], &[1, 2, 255, 255, 255, 255, 127], &long].iter().enumerate()
        {
            let error = held(1..=500).answer(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Protocol, "case {number}");
            assert_eq!(held(1..=500).resume(bad).unwrap_err().kind(), ErrorKind::Protocol, "case {number}");
        }
    }

    proptest! {
        #[test]
        fn any_two_sets_are_told_apart(
            base in 0_u64..3_000,
            one in proptest::collection::btree_set(1_u64..3_000, 0..40),
            other in proptest::collection::btree_set(1_u64..3_000, 0..40),
        ) {
            let without = |gone: &BTreeSet<u64>| -> BTreeSet<u64> {
                (1..=base).filter(|seq| !gone.contains(seq)).collect()
            };
            let (one, other) = (without(&one), without(&other));
            let (found, _, _) = played(&one, &other);
            prop_assert_eq!(found.extra, one.difference(&other).copied().collect::<Vec<_>>());
            prop_assert_eq!(found.lacking, other.difference(&one).copied().collect::<Vec<_>>());
        }

        #[test]
        fn random_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = held(1..=200).answer(&bytes);
            let _ = held(1..=200).resume(&bytes);
            bytes.insert(0, 1);
            let _ = held(1..=200).answer(&bytes);
            let _ = held(1..=200).resume(&bytes);
        }

        #[test]
        fn an_altered_frame_never_panics(at in any::<proptest::sample::Index>(), flip in 1_u8..) {
            let lost = held((1..=900).filter(|seq| seq % 90 != 0));
            let mut frame = lost.open().unwrap();
            let at = at.index(frame.len());
            frame[at] ^= flip;
            if let Ok(answer) = held(1..=900).answer(&frame) {
                let _ = held((1..=900).filter(|seq| seq % 90 != 0)).resume(&answer);
            }
        }
    }
}
