//! The runs of one message, coded together: alike parts of all changes side by side.
//!
//! The changes of a checklist differ in a key, a value and a time; the rest of each, Automerge's layout of
//! columns, is one of a few dozen shapes. So the packed runs of a message travel as streams: which shape,
//! keys, texts, numbers, times as differences. Exact for every run: one that is not laid out as expected
//! goes in as it is. Tried on the inspections of the benchmark with zstd level 3: packed runs one after the
//! other 1,081 B a record, their columns side by side 957 B, stamped values taken apart as well 745 B; a
//! transposition within each run alone gains a third of that.

use std::collections::HashMap;

use super::run::{Reader, malformed, put_number};
use crate::error::Error;
use crate::id::ActorId;
use crate::limits::{CHANGE_BYTES_MAX, RUN_CHANGES_MAX};

/// Automerge's column of key strings.
const KEYS: u64 = 0x15;
/// Automerge's column of value bytes.
const VALUES: u64 = 0x57;
/// Stands where a value's first byte would: the rest of the column follows as it is. No CBOR begins so.
const AS_IT_IS: u8 = 0xff;
/// Opens a stamped value: a CBOR array of three.
const STAMPED: u8 = 0x83;
/// Most columns of a change and most authors that it names beside its own.
const PARTS_MAX: u64 = 64;

/// Number of streams.
const STREAMS: usize = 9;
/// Per run: how it is coded, and what its first change does not share. Whole runs that do not fit.
const RUNS: usize = 0;
/// Per change: the number of its shape; the next number is a new one.
const CHOICES: usize = 1;
/// The shapes, each where it is first needed.
const SHAPES: usize = 2;
/// Hashes and authors that nothing predicts.
const IDS: usize = 3;
/// Key columns.
const KEY_BYTES: usize = 4;
/// First bytes of values, and numbers.
const HEADS: usize = 5;
/// Texts of values.
const TEXTS: usize = 6;
/// Authors of values, where they change.
const PEOPLE: usize = 7;
/// Times of values, each as the difference to the one before in its run.
const TIMES: usize = 8;

/// Codes packed runs, each with the actor of its document's genesis.
#[must_use]
pub(super) fn split(runs: &[(&[u8], ActorId)]) -> Vec<u8> {
    let mut writer = Writer::default();
    for (packed, genesis) in runs {
        writer.run(packed, *genesis);
    }
    let mut out = Vec::with_capacity(writer.streams.iter().map(|stream| stream.len() + 3).sum());
    for stream in &writer.streams {
        put_number(&mut out, stream.len() as u64);
    }
    writer.streams.iter().for_each(|stream| out.extend_from_slice(stream));
    out
}

/// The packed runs that [`split`] coded, for the same actors in the same order.
///
/// # Errors
/// `Protocol` for anything that [`split`] does not write, and when the runs come to more than `bytes_max`.
pub(super) fn join(coded: &[u8], genesis: &[ActorId], bytes_max: usize) -> Result<Vec<Vec<u8>>, Error> {
    let mut reader = Reader(coded);
    let mut lengths = [0_usize; STREAMS];
    for length in &mut lengths {
        *length = size(&mut reader)?;
    }
    let mut streams = [(); STREAMS].map(|()| Reader(&[]));
    for (stream, length) in streams.iter_mut().zip(lengths) {
        *stream = Reader(reader.take(length)?);
    }
    let mut rebuilder = Rebuilder { streams, shapes: Vec::new(), person: &[], left: bytes_max };
    let runs = genesis.iter().map(|genesis| rebuilder.run(*genesis)).collect::<Result<_, Error>>()?;
    let is_used = reader.0.is_empty() && rebuilder.streams.iter().all(|stream| stream.0.is_empty());
    if is_used { Ok(runs) } else { Err(malformed("bytes follow its last run")) }
}

/// The streams while they are written.
#[derive(Default)]
struct Writer<'a> {
    streams: [Vec<u8>; STREAMS],
    shapes: HashMap<Vec<u8>, u64>,
    person: &'a [u8],
}

impl<'a> Writer<'a> {
    fn run(&mut self, packed: &'a [u8], genesis: ActorId) {
        match Parsed::of(packed) {
            Ok(parsed) => {
                self.streams[RUNS].push(1);
                put_number(&mut self.streams[RUNS], parsed.changes.len() as u64);
                put_number(&mut self.streams[RUNS], parsed.seq);
                let (mut last_op, mut last_time) = (0, 0);
                for change in &parsed.changes {
                    self.change(change, genesis, &mut last_op, &mut last_time);
                }
            }
            Err(_) => {
                self.streams[RUNS].push(0);
                put_number(&mut self.streams[RUNS], packed.len() as u64);
                self.streams[RUNS].extend_from_slice(packed);
            }
        }
    }

    fn change(&mut self, change: &Part<'a>, genesis: ActorId, last_op: &mut u64, last_time: &mut i64) {
        let mut shape = Vec::with_capacity(96);
        put_number(&mut shape, change.deps.len() as u64 / 32);
        self.streams[IDS].extend_from_slice(change.deps);
        if *last_op == 0 || change.start_op <= *last_op {
            shape.push(0);
            put_number(&mut self.streams[RUNS], change.start_op);
        } else {
            put_number(&mut shape, change.start_op - *last_op);
        }
        *last_op = change.start_op;
        put_number(&mut shape, change.actors.len() as u64);
        for actor in &change.actors {
            let is_genesis = *actor == genesis.as_bytes();
            shape.push(u8::from(is_genesis));
            if !is_genesis {
                self.streams[IDS].extend_from_slice(actor);
            }
        }
        put_number(&mut shape, change.columns.len() as u64);
        for (column, bytes) in &change.columns {
            put_number(&mut shape, *column);
            put_number(&mut shape, bytes.len() as u64);
            match *column {
                KEYS => self.streams[KEY_BYTES].extend_from_slice(bytes),
                VALUES => self.values(bytes, last_time),
                _ => shape.extend_from_slice(bytes),
            }
        }
        let next = self.shapes.len() as u64;
        let choice = self.shapes.get(&shape).copied().unwrap_or(next);
        put_number(&mut self.streams[CHOICES], choice);
        if choice == next {
            self.streams[SHAPES].extend_from_slice(&shape);
            self.shapes.insert(shape, next);
        }
    }

    fn values(&mut self, column: &'a [u8], last_time: &mut i64) {
        let mut rest = column;
        while !rest.is_empty() {
            let Some((stamped, after)) = Stamped::of(rest) else {
                self.streams[HEADS].push(AS_IT_IS);
                self.streams[TEXTS].extend_from_slice(rest);
                return;
            };
            self.streams[HEADS].extend_from_slice(stamped.head);
            self.streams[TEXTS].extend_from_slice(stamped.text);
            if stamped.by == self.person {
                self.streams[PEOPLE].push(0);
            } else {
                put_number(&mut self.streams[PEOPLE], stamped.by.len() as u64 + 1);
                self.streams[PEOPLE].extend_from_slice(stamped.by);
                self.person = stamped.by;
            }
            put_number(&mut self.streams[TIMES], zigzag(stamped.at.wrapping_sub(*last_time)));
            *last_time = stamped.at;
            rest = after;
        }
    }
}

/// A packed run, taken apart.
struct Parsed<'a> {
    seq: u64,
    changes: Vec<Part<'a>>,
}

/// One change of it.
struct Part<'a> {
    deps: &'a [u8],
    start_op: u64,
    actors: Vec<&'a [u8]>,
    columns: Vec<(u64, &'a [u8])>,
}

impl<'a> Parsed<'a> {
    fn of(packed: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader(packed);
        let count = reader.number()?;
        if count == 0 || count > RUN_CHANGES_MAX as u64 {
            return Err(unfit());
        }
        let (mut seq, mut changes) = (0, Vec::new());
        for place in 0..count {
            let deps = few(&mut reader)?;
            let deps = reader.take(usize::try_from(deps).map_err(|_| unfit())? * 32)?;
            if place == 0 {
                seq = reader.number()?;
            }
            changes.push(Part::of(deps, reader.sized()?)?);
        }
        if reader.0.is_empty() { Ok(Self { seq, changes }) } else { Err(unfit()) }
    }
}

impl<'a> Part<'a> {
    fn of(deps: &'a [u8], rest: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader(rest);
        let start_op = reader.number()?;
        // Neither time nor message: the product writes none.
        if start_op == 0 || reader.take(2)? != [0, 0] {
            return Err(unfit());
        }
        let mut actors = Vec::new();
        for _ in 0..few(&mut reader)? {
            let actor = reader.sized()?;
            if actor.len() != 16 {
                return Err(unfit());
            }
            actors.push(actor);
        }
        let mut layout = Vec::new();
        for _ in 0..few(&mut reader)? {
            layout.push((reader.number()?, size(&mut reader)?));
        }
        let columns = layout
            .into_iter()
            .map(|(column, length)| Ok((column, reader.take(length)?)))
            .collect::<Result<_, Error>>()?;
        if reader.0.is_empty() { Ok(Self { deps, start_op, actors, columns }) } else { Err(unfit()) }
    }
}

/// A stamped value as `document` codes it: `[value, by, at]`.
struct Stamped<'a> {
    /// All of a value that is no text; of a text what says its length.
    head: &'a [u8],
    text: &'a [u8],
    by: &'a [u8],
    at: i64,
}

impl<'a> Stamped<'a> {
    /// The first one of `bytes` and what follows it, where it is one that can be written again to the byte.
    fn of(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let rest = bytes.strip_prefix(&[STAMPED])?;
        let (kind, number, opening) = cbor_head(rest)?;
        let length = if kind == 3 { usize::try_from(number).ok()? } else { 0 };
        if !matches!(kind, 0 | 1 | 3 | 7) {
            return None;
        }
        let (head, rest) = rest.split_at_checked(opening)?;
        let (text, rest) = rest.split_at_checked(length)?;
        let (kind, number, opening) = cbor_head(rest)?;
        let (by_head, rest) = rest.split_at_checked(opening)?;
        let (by, rest) = rest.split_at_checked(usize::try_from(number).ok()?)?;
        if kind != 3 || by_head != cbor(3, number) {
            return None;
        }
        let (kind, number, opening) = cbor_head(rest)?;
        let (at_head, rest) = rest.split_at_checked(opening)?;
        let at = i64::try_from(number).ok()?;
        if kind != 0 || at_head != cbor(0, number) {
            return None;
        }
        Some((Self { head, text, by, at }, rest))
    }
}

/// The streams while they are read.
struct Rebuilder<'a> {
    streams: [Reader<'a>; STREAMS],
    shapes: Vec<&'a [u8]>,
    person: &'a [u8],
    /// Bytes that the runs may still come to.
    left: usize,
}

impl<'a> Rebuilder<'a> {
    fn run(&mut self, genesis: ActorId) -> Result<Vec<u8>, Error> {
        let runs = &mut self.streams[RUNS];
        if runs.take(1)? == [0] {
            let length = size(runs)?;
            let packed = runs.take(length)?.to_vec();
            self.spend(packed.len())?;
            return Ok(packed);
        }
        let (count, seq) = (runs.number()?, runs.number()?);
        if count == 0 || count > RUN_CHANGES_MAX as u64 {
            return Err(malformed("it has too many changes"));
        }
        let mut packed = Vec::with_capacity(128 * usize::try_from(count).unwrap_or(0));
        put_number(&mut packed, count);
        let (mut last_op, mut last_time) = (0, 0);
        let mut spent = 0;
        for place in 0..count {
            self.change(&mut packed, (place == 0).then_some(seq), genesis, &mut last_op, &mut last_time)?;
            self.spend(packed.len() - spent)?;
            spent = packed.len();
        }
        Ok(packed)
    }

    fn change(
        &mut self,
        packed: &mut Vec<u8>,
        seq: Option<u64>,
        genesis: ActorId,
        last_op: &mut u64,
        last_time: &mut i64,
    ) -> Result<(), Error> {
        let choice = usize::try_from(self.streams[CHOICES].number()?).unwrap_or(usize::MAX);
        let is_new = choice == self.shapes.len();
        let before = self.streams[SHAPES].0;
        let mut shape = match self.shapes.get(choice) {
            Some(shape) => Reader(shape),
            None if is_new => Reader(before),
            None => return Err(malformed("it names a shape that is not there")),
        };
        let deps = few(&mut shape)?;
        put_number(packed, deps);
        packed.extend_from_slice(self.streams[IDS].take(usize::try_from(deps).unwrap_or(0) * 32)?);
        if let Some(seq) = seq {
            put_number(packed, seq);
        }
        let mut rest = Vec::with_capacity(128);
        let step = shape.number()?;
        let start_op = if step == 0 { Some(self.streams[RUNS].number()?) } else { last_op.checked_add(step) };
        *last_op = start_op.ok_or_else(|| malformed("it counts its operations too far"))?;
        put_number(&mut rest, *last_op);
        rest.extend_from_slice(&[0, 0]);
        let actors = few(&mut shape)?;
        put_number(&mut rest, actors);
        for _ in 0..actors {
            let is_genesis = shape.take(1)? == [1];
            rest.push(16);
            let actor = if is_genesis { genesis.as_bytes() } else { self.streams[IDS].take(16)? };
            rest.extend_from_slice(actor);
        }
        self.columns(&mut shape, &mut rest, last_time)?;
        if is_new {
            let used = before.len() - shape.0.len();
            self.shapes.push(self.streams[SHAPES].take(used)?);
        }
        put_number(packed, rest.len() as u64);
        packed.extend_from_slice(&rest);
        Ok(())
    }

    /// Writes layout and columns of one change.
    fn columns(
        &mut self,
        shape: &mut Reader<'a>,
        rest: &mut Vec<u8>,
        last_time: &mut i64,
    ) -> Result<(), Error> {
        let count = few(shape)?;
        put_number(rest, count);
        let mut data = Vec::with_capacity(96);
        for _ in 0..count {
            let (column, length) = (shape.number()?, size(shape)?);
            put_number(rest, column);
            put_number(rest, length as u64);
            match column {
                KEYS => data.extend_from_slice(self.streams[KEY_BYTES].take(length)?),
                VALUES => self.values(&mut data, length, last_time)?,
                _ => data.extend_from_slice(shape.take(length)?),
            }
        }
        rest.extend_from_slice(&data);
        if rest.len() > CHANGE_BYTES_MAX { Err(malformed("a change is too large")) } else { Ok(()) }
    }

    fn values(&mut self, data: &mut Vec<u8>, length: usize, last_time: &mut i64) -> Result<(), Error> {
        let end = data.len() + length;
        while data.len() < end {
            let heads = self.streams[HEADS].0;
            if heads.first() == Some(&AS_IT_IS) {
                self.streams[HEADS].take(1)?;
                data.extend_from_slice(self.streams[TEXTS].take(end - data.len())?);
                break;
            }
            let (kind, number, head) = cbor_head(heads).ok_or_else(|| malformed("a value is cut short"))?;
            data.push(STAMPED);
            data.extend_from_slice(self.streams[HEADS].take(head)?);
            if kind == 3 {
                let length = usize::try_from(number).unwrap_or(usize::MAX);
                data.extend_from_slice(self.streams[TEXTS].take(length)?);
            }
            let person = size(&mut self.streams[PEOPLE])?;
            if let Some(length) = person.checked_sub(1) {
                self.person = self.streams[PEOPLE].take(length)?;
            }
            data.extend(cbor(3, self.person.len() as u64));
            data.extend_from_slice(self.person);
            let step = unzigzag(self.streams[TIMES].number()?);
            *last_time = last_time.wrapping_add(step);
            let at = u64::try_from(*last_time).map_err(|_| malformed("a time is before 1970"))?;
            data.extend(cbor(0, at));
        }
        if data.len() == end { Ok(()) } else { Err(malformed("a value is longer than its column")) }
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Error> {
        self.left = self.left.checked_sub(bytes).ok_or_else(super::frame::too_large)?;
        Ok(())
    }
}

/// A small number of things.
fn few(reader: &mut Reader<'_>) -> Result<u64, Error> {
    let count = reader.number()?;
    if count > PARTS_MAX { Err(unfit()) } else { Ok(count) }
}

fn size(reader: &mut Reader<'_>) -> Result<usize, Error> {
    usize::try_from(reader.number()?).map_err(|_| unfit())
}

/// Kind, number and length of the first CBOR head.
fn cbor_head(bytes: &[u8]) -> Option<(u8, u64, usize)> {
    let first = *bytes.first()?;
    let length = match first & 0x1f {
        small @ 0..24 => return Some((first >> 5, u64::from(small), 1)),
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => return None,
    };
    let number = bytes.get(1..=length)?.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    Some((first >> 5, number, length + 1))
}

/// The shortest CBOR head.
fn cbor(kind: u8, number: u64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let (mark, tail): (u8, &[u8]) = match number {
        0..24 => return vec![kind << 5 | bytes[7]],
        24..0x100 => (24, &bytes[7..]),
        0x100..0x1_0000 => (25, &bytes[6..]),
        0x1_0000..0x1_0000_0000 => (26, &bytes[4..]),
        _ => (27, &bytes),
    };
    [&[kind << 5 | mark], tail].concat()
}

const fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

const fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

fn unfit() -> Error {
    malformed("it is not laid out as a run")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;
    use crate::document::genesis_actor;
    use crate::document::model::{Edit, Event, Stamped as StampedValue, Value};
    use crate::id::{ContentHash, DefinitionRef, DocumentId, UserId};
    use crate::wire::run;
    use proptest::prelude::*;

    const BYTES_MAX: usize = 1 << 22;

    fn definition() -> DefinitionRef {
        DefinitionRef { id: "x.sheet".to_owned(), version: 1, hash: ContentHash([7; 32]) }
    }

    /// A packed run with every kind of edit, and the actor of its genesis.
    fn sample(seed: u8) -> (Vec<u8>, ActorId) {
        let document = DocumentId([seed; 16]);
        let mut sheet = Document::new(document, &definition(), &["content".to_owned()]);
        let values = [
            Value::Null,
            Value::Bool(true),
            Value::Int(-5),
            Value::Int(1_795_395_960_000),
            Value::Number(0.08),
            Value::Text("水压偏低".repeat(usize::from(seed % 40))),
            Value::Text(String::new()),
        ];
        let put = |place: usize, value: &Value| Edit::Put {
            key: format!("item/x.{place}"),
            stamped: StampedValue {
                value: value.clone(),
                by: UserId::new(["u.a", "u.b"][place % 2]),
                at_ms: 1_795_395_960_000 - 700 * i64::try_from(place).unwrap_or(0),
            },
        };
        let mut edits: Vec<Vec<Edit>> =
            values.iter().enumerate().map(|(place, value)| vec![put(place, value)]).collect();
        edits.push(values.iter().enumerate().map(|(place, value)| put(place + 3, value)).collect());
        edits.push(vec![Edit::Text { key: "content".to_owned(), to: Some("卫生间漏水".to_owned()) }]);
        edits.push(vec![Edit::Event(Event {
            id: "e1".to_owned(),
            kind: "create".to_owned(),
            by: UserId::new("u.a"),
            at_ms: 5,
            from: String::new(),
            after: vec!["e0".to_owned()],
            data: [("slot".to_owned(), Value::Int(3))].into(),
        })]);
        let actor = ActorId([seed ^ 0xff; 16]);
        let chunks: Vec<Vec<u8>> =
            edits.iter().map(|edits| sheet.edit(actor, edits).unwrap().bytes).collect();
        let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        (run::pack(&chunks).unwrap(), genesis_actor(document, &definition()))
    }

    fn there_and_back(runs: &[(Vec<u8>, ActorId)]) -> Vec<u8> {
        let given: Vec<(&[u8], ActorId)> = runs.iter().map(|(run, actor)| (run.as_slice(), *actor)).collect();
        let actors: Vec<ActorId> = runs.iter().map(|(_, actor)| *actor).collect();
        let coded = split(&given);
        let back = join(&coded, &actors, BYTES_MAX).unwrap();
        assert!(back.iter().zip(runs).all(|(back, (run, _))| back == run));
        assert_eq!(back.len(), runs.len());
        coded
    }

    #[test]
    fn runs_come_back_to_the_byte_and_shapes_are_shared() {
        let runs: Vec<_> = (1..60).map(sample).collect();
        let coded = there_and_back(&runs);
        let plain: usize = runs.iter().map(|(run, _)| run.len()).sum();
        assert!(coded.len() * 3 < plain * 2, "{} of {plain}", coded.len());
        assert!(there_and_back(&[]).iter().all(|byte| *byte == 0));
    }

    #[test]
    fn what_is_no_run_goes_in_as_it_is() {
        let (good, actor) = sample(9);
        let cut = good[..good.len() - 1].to_vec();
        let mut longer = good.clone();
        longer.push(0);
        let odd = [Vec::new(), vec![0], vec![0xff; 40], cut, longer, good];
        there_and_back(&odd.map(|run| (run, actor)));
    }

    #[test]
    fn a_small_frame_cannot_become_a_large_message() {
        let (run, actor) = sample(3);
        let runs: Vec<(&[u8], ActorId)> = vec![(run.as_slice(), actor); 50];
        let coded = split(&runs);
        let actors = vec![actor; 50];
        assert!(join(&coded, &actors, run.len() * 50).is_ok());
        let error = join(&coded, &actors, run.len() * 50 - 1).unwrap_err();
        assert!(super::super::frame::is_too_large(&error));
    }

    #[test]
    fn a_wrong_actor_or_number_of_runs_is_seen_or_changes_the_run() {
        let (run, actor) = sample(3);
        let coded = split(&[(run.as_slice(), actor)]);
        assert_ne!(join(&coded, &[ActorId([0; 16])], BYTES_MAX).unwrap(), [run]);
        assert!(join(&coded, &[], BYTES_MAX).is_err());
        assert!(join(&coded, &[actor, actor], BYTES_MAX).is_err());
    }

    proptest! {
        #[test]
        fn damaged_streams_never_panic(at in any::<prop::sample::Index>(), mask in 1_u8.., cut in 0_usize..40) {
            let runs: Vec<_> = (1..6).map(sample).collect();
            let given: Vec<(&[u8], ActorId)> =
                runs.iter().map(|(run, actor)| (run.as_slice(), *actor)).collect();
            let actors: Vec<ActorId> = runs.iter().map(|(_, actor)| *actor).collect();
            let mut coded = split(&given);
            let place = at.index(coded.len());
            coded[place] ^= mask;
            coded.truncate(coded.len() - cut);
            let _ = join(&coded, &actors, BYTES_MAX);
        }

        #[test]
        fn any_bytes_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            there_and_back(&[(bytes, ActorId([1; 16])), sample(4)]);
        }
    }
}
