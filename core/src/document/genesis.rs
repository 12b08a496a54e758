//! The first change of every document is computed, not received.
//!
//! Two devices that create the same record offline get the same bytes and the same hash, so their
//! work merges; containers are made here and nowhere later, because two `make` operations under one
//! key would hide a subtree. The wire never carries a genesis.

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{Automerge, ObjType, ROOT, TextEncoding};
use sha2::{Digest as _, Sha256};

use crate::id::{ActorId, ChangeHash, DefinitionRef, DocumentId, short_hash};

/// Root key and operation counter of the containers that a genesis makes, in this order; texts
/// follow, one per key in sorted order.
pub(super) const REGISTERS: (&str, u64) = ("registers", 1);
pub(super) const TEXTS: (&str, u64) = ("texts", 2);
pub(super) const EVENTS: (&str, u64) = ("events", 3);
/// Counter of the first text object.
pub(super) const FIRST_TEXT: u64 = 4;

/// What the hash of a genesis without texts covers, its author's sixteen bytes left out.
const PLAIN: &[u8] = b"\x01\x41\x00\x10\x01\x01\x00\x00\x00\x05\x15\x18\x34\x01\x42\x02\x56\x02\x70\x02\
    \x7d\x09registers\x05texts\x06events\x03\x03\x00\x03\x00\x03\x00";
/// Where the author stands in it.
const AUTHOR_AT: usize = 4;

/// The author of a document's genesis.
#[must_use]
pub fn genesis_actor(document: DocumentId, definition: &DefinitionRef) -> ActorId {
    ActorId(short_hash(
        "xunyuan/genesis/1",
        &[definition.id.as_bytes(), definition.hash.as_bytes(), document.as_bytes()],
    ))
}

/// A document that holds its genesis and nothing else, and the hash of that change.
pub(super) fn genesis(
    document: DocumentId,
    definition: &DefinitionRef,
    text_keys: &[String],
) -> (Automerge, ChangeHash) {
    let actor = automerge::ActorId::from(genesis_actor(document, definition).as_bytes());
    let mut automerge = Automerge::new_with_encoding(TextEncoding::UnicodeCodePoint).with_actor(actor);
    let mut transaction = automerge.transaction();
    let mut make = |parent: &automerge::ObjId, key: &str, kind: ObjType| {
        transaction.put_object(parent, key, kind).expect("a map of an empty document takes any key")
    };
    make(&ROOT, REGISTERS.0, ObjType::Map);
    let texts = make(&ROOT, TEXTS.0, ObjType::Map);
    make(&ROOT, EVENTS.0, ObjType::Map);
    for key in text_keys {
        make(&texts, key, ObjType::Text);
    }
    let (hash, _) = transaction.commit_with(CommitOptions::default().with_time(0));
    let hash = hash.expect("the genesis has operations");
    (automerge, ChangeHash(hash.0))
}

/// The hash of the genesis of a document whose definition has no shared texts, without making it.
///
/// Such geneses differ in nothing but their author.
pub(super) fn plain_hash(document: DocumentId, definition: &DefinitionRef) -> ChangeHash {
    let actor = genesis_actor(document, definition);
    let mut hash = Sha256::new();
    for part in [&PLAIN[..AUTHOR_AT], actor.as_bytes(), &PLAIN[AUTHOR_AT..]] {
        hash.update(part);
    }
    ChangeHash(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ContentHash;

    #[test]
    fn the_hash_of_a_plain_genesis_needs_no_document() {
        for seed in 0..3 {
            let definition =
                DefinitionRef { id: format!("x.{seed}"), version: 1, hash: ContentHash([seed; 32]) };
            let (_, hash) = genesis(DocumentId([seed; 16]), &definition, &[]);
            assert_eq!(plain_hash(DocumentId([seed; 16]), &definition), hash);
        }
    }
}
