//! Plain Automerge as the judge: the same changes, merged without any of the product's code.
//!
//! The oracle knows only what the format promises: how a genesis is computed and that a value is the
//! CBOR array `[value, author, time]`. It shares no code with the document room of the core.

use std::collections::BTreeMap;

use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{
    Automerge, Change, ObjType, ROOT, ReadDoc as _, ScalarValue, TextEncoding, Value as AmValue,
};
use minicbor::Decoder;
use minicbor::data::Type;
use xunyuan_core::document::model::{Model, Stamped, Value};
use xunyuan_core::id::{DefinitionRef, DocumentId, UserId, short_hash};

use crate::seed::Seed;

/// What a document says, as far as the oracle reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Every current value of every key, the winner first.
    pub registers: BTreeMap<String, Vec<Stamped>>,
    /// Shared texts that are not empty.
    pub texts: BTreeMap<String, String>,
    /// Ids of the events, in the order of their operations.
    pub events: Vec<String>,
}

impl Said {
    /// The same of a document that the product has read.
    #[must_use]
    pub fn of(model: &Model) -> Self {
        let values = |key: &str| model.registers[key].all().cloned().collect();
        Self {
            registers: model.registers.keys().map(|key| (key.clone(), values(key))).collect(),
            texts: model.texts.clone(),
            events: model.events.iter().map(|event| event.id.clone()).collect(),
        }
    }
}

/// Merges the changes of one document in two random halves and a random order, and reads the result.
///
/// # Panics
/// When Automerge refuses a change, or a value does not have the promised form.
#[must_use]
pub fn merged(
    seed: &mut Seed,
    document: DocumentId,
    definition: &DefinitionRef,
    text_keys: &[String],
    changes: &[Vec<u8>],
) -> Said {
    let mut parsed: Vec<Change> = changes
        .iter()
        .map(|bytes| Change::from_bytes(bytes.clone()).expect("a stored change parses"))
        .collect();
    seed.shuffle(&mut parsed);
    let cut = seed.below(parsed.len() + 1);
    let mut one = genesis(document, definition, text_keys);
    let mut two = genesis(document, definition, text_keys);
    one.apply_changes(parsed[..cut].to_vec()).expect("Automerge takes the first half");
    two.apply_changes(parsed[cut..].to_vec()).expect("Automerge takes the second half");
    // What waits for the other half's changes is in neither yet: give both everything, then merge.
    one.apply_changes(parsed.clone()).expect("Automerge takes all changes");
    one.merge(&mut two).expect("Automerge merges the halves");
    read(&one)
}

/// A document that holds only its genesis, made as the format says.
///
/// # Panics
/// Never: an empty document takes the containers.
#[must_use]
pub fn genesis(document: DocumentId, definition: &DefinitionRef, text_keys: &[String]) -> Automerge {
    let actor = short_hash(
        "xunyuan/genesis/1",
        &[definition.id.as_bytes(), definition.hash.as_bytes(), document.as_bytes()],
    );
    let mut automerge =
        Automerge::new_with_encoding(TextEncoding::UnicodeCodePoint).with_actor(actor.as_slice().into());
    let mut transaction = automerge.transaction();
    transaction.put_object(ROOT, "registers", ObjType::Map).expect("an empty document takes a map");
    let texts = transaction.put_object(ROOT, "texts", ObjType::Map).expect("an empty document takes a map");
    transaction.put_object(ROOT, "events", ObjType::Map).expect("an empty document takes a map");
    for key in text_keys {
        transaction.put_object(&texts, key, ObjType::Text).expect("a map takes a text");
    }
    transaction.commit_with(CommitOptions::default().with_time(0));
    automerge
}

/// What a plain Automerge document says.
///
/// # Panics
/// When it does not have the promised form.
#[must_use]
pub fn read(automerge: &Automerge) -> Said {
    let container = |name: &str| automerge.get(ROOT, name).ok().flatten().expect("the genesis made it").1;
    let (registers, texts, events) = (container("registers"), container("texts"), container("events"));
    let values = |key: &str| {
        let all = automerge.get_all(&registers, key).expect("the key is there");
        all.iter().rev().map(|(value, _)| stamped(value)).collect()
    };
    let text = |key: &str| {
        let (_, object) = automerge.get(&texts, key).ok().flatten().expect("the genesis made it");
        automerge.text(object).expect("a text object holds text")
    };
    let mut ordered: Vec<(u64, Vec<u8>, String)> = automerge
        .keys(&events)
        .map(|key| {
            let (_, id) = automerge.get(&events, &key).ok().flatten().expect("the key is there");
            match id {
                automerge::ObjId::Id(counter, actor, _) => (counter, actor.to_bytes().to_vec(), key),
                automerge::ObjId::Root => (0, Vec::new(), key),
            }
        })
        .collect();
    ordered.sort();
    Said {
        registers: automerge.keys(&registers).map(|key| (key.clone(), values(&key))).collect(),
        texts: automerge
            .keys(&texts)
            .map(|key| (key.clone(), text(&key)))
            .filter(|(_, text)| !text.is_empty())
            .collect(),
        events: ordered.into_iter().map(|(_, _, id)| id).collect(),
    }
}

fn stamped(value: &AmValue<'_>) -> Stamped {
    let AmValue::Scalar(scalar) = value else { panic!("a register holds no object") };
    let ScalarValue::Bytes(bytes) = scalar.as_ref() else { panic!("a register holds bytes") };
    let mut decoder = Decoder::new(bytes);
    let mut read = || -> Result<Stamped, minicbor::decode::Error> {
        decoder.array()?;
        let kind = decoder.datatype()?;
        let value = if kind == Type::Null {
            decoder.null().map(|()| Value::Null)?
        } else if kind == Type::Bool {
            Value::Bool(decoder.bool()?)
        } else if kind == Type::F64 {
            Value::Number(decoder.f64()?)
        } else if kind == Type::String {
            Value::Text(decoder.str()?.to_owned())
        } else {
            Value::Int(decoder.i64()?)
        };
        Ok(Stamped { value, by: UserId::new(decoder.str()?), at_ms: decoder.i64()? })
    };
    read().expect("a register holds [value, author, time]")
}

#[cfg(test)]
mod tests {
    use super::*;
    use xunyuan_core::document::Document;
    use xunyuan_core::document::model::{Edit, Event};
    use xunyuan_core::id::{ActorId, ContentHash};

    #[test]
    fn the_oracle_reads_what_the_product_writes() {
        let definition = DefinitionRef { id: "led.x".to_owned(), version: 1, hash: ContentHash([3; 32]) };
        let id = DocumentId([1; 16]);
        let texts = ["content".to_owned(), "result".to_owned()];
        let (mut one, mut two) =
            (Document::new(id, &definition, &texts), Document::new(id, &definition, &texts));
        let put = |text: &str, at_ms| Edit::Put {
            key: "field/handler".to_owned(),
            stamped: Stamped { value: Value::Text(text.to_owned()), by: UserId::new("u.a"), at_ms },
        };
        let event = Event {
            id: "e1".to_owned(),
            kind: "create".to_owned(),
            by: UserId::new("u.a"),
            at_ms: 1,
            from: String::new(),
            after: Vec::new(),
            data: BTreeMap::new(),
        };
        let text = Edit::Text { key: "content".to_owned(), to: Some("漏水".to_owned()) };
        let changes = [
            one.edit(ActorId([1; 16]), &[put("a", 1), Edit::Event(event)]).unwrap(),
            two.edit(ActorId([2; 16]), &[put("b", 2), text]).unwrap(),
        ];
        one.apply(&changes[1..]).unwrap();
        let bytes: Vec<Vec<u8>> = changes.iter().map(|change| change.bytes.clone()).collect();
        for number in 0..8 {
            let said = merged(&mut Seed::of(number), id, &definition, &texts, &bytes);
            assert_eq!(said, Said::of(&one.model().unwrap()));
        }
    }
}
