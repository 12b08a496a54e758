//! Packed runs at rest: what nobody has read for a while lies in the store as messages are coded, each run on
//! its own, in a third of its bytes.
//!
//! The coded form says of itself that it is one: no run opens with a count of zero. It is only ever put in the
//! place of a run once it was read back and compared: to the byte, by the number of changes and by the last
//! hash, which covers all of them.

use super::columns;
use super::run::{self, Reader, put_number};
use crate::id::{ActorId, ChangeHash};
use crate::limits::{CHANGE_BYTES_MAX, RUN_CHANGES_MAX};

/// Opens the coded form.
const MARK: u8 = 0;
/// zstd level: written once, read for years.
const LEVEL: i32 = 9;
/// Runs below this size stay as they are: there is nothing to share inside them.
const BYTES_MIN: usize = 512;
/// What a run comes to at most.
const RUN_BYTES_MAX: usize = CHANGE_BYTES_MAX * RUN_CHANGES_MAX;
/// In the place of the genesis' author, which is not known to a store: it is coded as any other.
const NOBODY: ActorId = ActorId([0; 16]);

/// A run of so many changes up to `last_hash` in its coded form, read back and compared; none where it is in
/// that form already, gains less than a quarter, or does not come back as it was.
#[must_use]
pub fn compacted(
    packed: &[u8],
    actor: ActorId,
    changes: Option<usize>,
    last_hash: &ChangeHash,
) -> Option<Vec<u8>> {
    if packed.len() < BYTES_MIN || packed.first() == Some(&MARK) {
        return None;
    }
    let coded = columns::split(&[(packed, NOBODY)]);
    let mut compacted = vec![MARK];
    put_number(&mut compacted, coded.len() as u64);
    compacted.extend(zstd::bulk::compress(&coded, LEVEL).ok()?);
    let is_gain = compacted.len() < packed.len() / 4 * 3;
    let back = is_gain.then(|| read(&compacted)).flatten()?;
    let (hashes, _) = run::hashes(&back, actor).ok()?;
    let is_whole = hashes.last() == Some(last_hash) && changes.is_none_or(|changes| changes == hashes.len());
    (is_whole && back == packed).then_some(compacted)
}

/// The packed run that is stored in either form. What is damaged comes back as it is: no run, as whoever unpacks
/// it will see.
#[must_use]
pub fn restored(stored: Vec<u8>) -> Vec<u8> {
    if stored.first() != Some(&MARK) {
        return stored;
    }
    read(&stored).unwrap_or(stored)
}

fn read(compacted: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader(compacted.strip_prefix(&[MARK])?);
    let length = usize::try_from(reader.number().ok()?).ok().filter(|length| *length <= RUN_BYTES_MAX)?;
    let coded = zstd::bulk::decompress(reader.0, length).ok().filter(|coded| coded.len() == length)?;
    columns::join(&coded, &[NOBODY], RUN_BYTES_MAX).ok()?.pop()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;
    use crate::document::model::{Edit, Stamped, Value};
    use crate::id::{ContentHash, DefinitionRef, DocumentId, UserId};
    use proptest::prelude::*;

    const ACTOR: ActorId = ActorId([7; 16]);

    /// A run of so many answers, its last hash.
    fn sample(answers: u8) -> (Vec<u8>, ChangeHash) {
        let definition = DefinitionRef { id: "x.sheet".to_owned(), version: 1, hash: ContentHash([7; 32]) };
        let mut document = Document::new(DocumentId([1; 16]), &definition, &[]);
        let answer = |number: u8| {
            let value = Value::Text(["pass", "灭火器压力不足"][usize::from(number % 2)].to_owned());
            let stamped =
                Stamped { value, by: UserId::new("u.pt01"), at_ms: 1_795_000_000 + i64::from(number) };
            Edit::Put { key: format!("item/bench.{number:02}"), stamped }
        };
        let changes: Vec<_> =
            (0..answers).map(|number| document.edit(ACTOR, &[answer(number)]).unwrap()).collect();
        let raw: Vec<&[u8]> = changes.iter().map(|change| change.bytes.as_slice()).collect();
        (run::pack(&raw).unwrap(), changes.last().unwrap().hash)
    }

    #[test]
    fn a_run_comes_back_to_the_byte_from_a_third_of_its_size() {
        let (packed, last_hash) = sample(30);
        let small = compacted(&packed, ACTOR, Some(30), &last_hash).unwrap();
        assert!(small.len() * 3 < packed.len(), "{} of {}", small.len(), packed.len());
        assert_eq!(restored(small.clone()), packed);
        assert_eq!(restored(packed.clone()), packed, "a run as it came stays");
        assert_eq!(compacted(&small, ACTOR, Some(30), &last_hash), None, "once is enough");
    }

    #[test]
    fn what_is_not_the_run_that_it_should_be_stays_as_it_is() {
        let (packed, last_hash) = sample(30);
        assert_eq!(compacted(&packed, ACTOR, Some(29), &last_hash), None);
        assert_eq!(compacted(&packed, ACTOR, Some(30), &ChangeHash([1; 32])), None);
        assert_eq!(compacted(&packed, ActorId([8; 16]), Some(30), &last_hash), None);
        let (short, last_hash) = sample(1);
        assert_eq!(compacted(&short, ACTOR, Some(1), &last_hash), None, "too short to gain");
    }

    proptest! {
        #[test]
        fn damage_is_no_run_and_never_panics(at in any::<prop::sample::Index>(), mask in 1_u8.., cut in 0_usize..9) {
            let (packed, last_hash) = sample(20);
            let mut small = compacted(&packed, ACTOR, None, &last_hash).unwrap();
            let place = at.index(small.len());
            small[place] ^= mask;
            small.truncate(small.len() - cut);
            let back = restored(small.clone());
            let is_other_run = back != small && back != packed;
            let hashes = run::hashes(&back, ACTOR).map(|(hashes, _)| hashes).unwrap_or_default();
            prop_assert!(!is_other_run || hashes.last() != Some(&last_hash));
        }
    }
}
