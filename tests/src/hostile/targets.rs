//! What fuzzers call, and what the tests call with the inputs that once broke something: any bytes in,
//! a panic where a law is broken.

use std::cell::OnceCell;

use xunyuan_core::definition::{Catalog, Definition, Guard, embedded};
use xunyuan_core::document::RawChange;
use xunyuan_core::document::model::{Edit, Event, Stamped, Value};
use xunyuan_core::id::{ActorId, ContentHash, DefinitionRef, DocumentId, UserId};
use xunyuan_core::limits::REQUEST_BYTES_MAX;
use xunyuan_core::wire::message::{Reply, Request};
use xunyuan_core::wire::{frame, run};

use super::chunk::{body, sealed};
use super::judge::Past;
use super::quiet::{quietly, words};
use super::stores;

/// A target by name: the fuzzer's, and the folder of its crash inputs.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 5] = [
    ("changes", changes),
    ("frames", frames),
    ("runs", runs),
    ("definitions", definitions),
    ("stores", stores::damaged_device),
];

/// Calls a target as a fuzzer must: panics that the product catches are none of its business, one that gets out
/// ends the process.
///
/// # Panics
/// When the target does.
pub fn fuzzed(target: fn(&[u8]), data: &[u8]) {
    if let Err(payload) = quietly(|| target(data)) {
        panic!("{}", words(payload.as_ref()));
    }
}

/// The body of a change, sealed with a right checksum, at one of several pasts of a document: the first
/// byte says which.
///
/// # Panics
/// When a panic gets out of the product, or what it accepts breaks the document.
pub fn changes(data: &[u8]) {
    let Some((which, rest)) = data.split_first() else { return };
    PASTS.with(|pasts| {
        let pasts = pasts.get_or_init(pasts_of_a_record);
        let past = &pasts[usize::from(*which) % pasts.len()].0;
        if let Err(fault) = past.judge(&sealed(1, rest), true) {
            panic!("{fault}");
        }
    });
}

/// Honest inputs for [`changes`].
#[must_use]
pub fn honest_changes() -> Vec<Vec<u8>> {
    let pasts = pasts_of_a_record();
    let input = |(at, (_, bytes)): (usize, &(Past, Vec<u8>))| {
        [&[u8::try_from(at).unwrap_or(0)], body(bytes)].concat()
    };
    pasts.iter().enumerate().map(input).collect()
}

/// Message frames as they come from a socket, and the same bytes as CBOR inside a frame.
///
/// # Panics
/// When a panic gets out, or a message that was read is not the same after writing and reading it again.
pub fn frames(data: &[u8]) {
    let packed = zstd::stream::encode_all(data, 1).expect("compressing in memory cannot fail");
    for bytes in [data, packed.as_slice()] {
        let _ = frame::protocol_of(bytes, REQUEST_BYTES_MAX);
        if let Ok(request) = frame::decode::<Request>(bytes, REQUEST_BYTES_MAX) {
            assert_eq!(frame::decode::<Request>(&frame::encode(&request), usize::MAX).ok(), Some(request));
        }
        if let Ok(reply) = frame::decode::<Reply>(bytes, REQUEST_BYTES_MAX) {
            assert_eq!(frame::decode::<Reply>(&frame::encode(&reply), usize::MAX).ok(), Some(reply));
        }
    }
}

/// A packed run; the first 16 bytes are its author's id. What unpacks packs to the same bytes, and each of its
/// changes is either read or refused.
///
/// # Panics
/// When a panic gets out, or a run has two forms.
pub fn runs(data: &[u8]) {
    let Some((actor, packed)) = data.split_first_chunk::<16>() else { return };
    if let Ok(chunks) = run::unpack(packed, ActorId(*actor)) {
        let raw: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        assert_eq!(run::pack(&raw).ok().as_deref(), Some(packed), "a run has one form");
        for chunk in chunks {
            if let Ok(change) = RawChange::parse(chunk.clone()) {
                assert_eq!(change.bytes, chunk);
            }
        }
    }
    let _ = run::pack(&[data]);
    let _ = RawChange::parse(data.to_vec());
}

/// A definition as JSON, and the same bytes as the text of a guard.
///
/// # Panics
/// When a panic gets out, or a definition that was read is another one when it is read again.
pub fn definitions(data: &[u8]) {
    if let Ok(definition) = Definition::parse(data) {
        assert_eq!(Definition::parse(&definition.json).ok().as_ref(), Some(&definition));
        let mut all = embedded().to_vec();
        all.retain(|known| known.reference.id != definition.reference.id);
        all.push(definition);
        if let Ok(catalog) = Catalog::new(&all) {
            all.iter().for_each(|known| drop(catalog.text_keys(&known.reference)));
        }
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(guard) = Guard::parse(text)
    {
        drop(guard.names());
    }
}

thread_local! {
    static PASTS: OnceCell<Vec<(Past, Vec<u8>)>> = const { OnceCell::new() };
}

/// A small record at several moments, each with the honest change that came next.
fn pasts_of_a_record() -> Vec<(Past, Vec<u8>)> {
    let definition = DefinitionRef { id: "led.x".to_owned(), version: 1, hash: ContentHash([7; 32]) };
    let texts = ["content".to_owned(), "result".to_owned()];
    let by = || UserId::new("u.a");
    let put = |key: &str, value: &str| Edit::Put {
        key: key.to_owned(),
        stamped: Stamped { value: Value::Text(value.to_owned()), by: by(), at_ms: 5 },
    };
    let text = |to: &str| Edit::Text { key: "content".to_owned(), to: Some(to.to_owned()) };
    let event = |id: &str, after: &[&str]| {
        Edit::Event(Event {
            id: id.to_owned(),
            kind: "assign".to_owned(),
            by: by(),
            at_ms: 5,
            from: "received".to_owned(),
            after: after.iter().map(|&id| id.to_owned()).collect(),
            data: [("note".to_owned(), Value::Number(0.5))].into(),
        })
    };
    let mut past = Past::new(DocumentId([1; 16]), &definition, &texts);
    let mut beside = past.document().clone();
    let mut pasts = Vec::new();
    let mut take = |past: &mut Past, change: RawChange| {
        let before = past.clone();
        past.extend(&change.bytes).expect("an honest change is accepted");
        pasts.push((before, change.bytes));
    };
    let (one, two) = (ActorId([0xa; 16]), ActorId([0xb; 16]));
    let mut edit = |past: &mut Past, actor: ActorId, edits: &[Edit]| {
        let change = past.document().clone().edit(actor, edits).expect("the document takes the edit");
        take(past, change);
    };
    edit(&mut past, one, &[put("field/x", "1"), text("卫生间漏水"), event("e1", &[])]);
    let other = beside.edit(two, &[put("field/x", "2"), text("急")]).expect("the document takes the edit");
    let before = past.clone();
    past.extend(&other.bytes).expect("an honest change is accepted");
    edit(&mut past, one, &[put("field/x", "3"), put("line/visits/a1/note", "复查"), put("field/x", "4")]);
    edit(&mut past, two, &[text("卫生间漏水,很急"), event("e2", &["e1"]), put("set/photos/ab", "")]);
    edit(&mut past, one, &[text("漏"), put("field/y", "")]);
    edit(&mut past, ActorId([0xc; 16]), &[]);
    pasts.push((before, other.bytes));
    pasts
}
