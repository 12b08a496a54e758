//! What a document holds: its history as it reads while that is plain, an Automerge document otherwise.
//!
//! Most documents are written by one person after the other. Such a history is checked and read from its
//! bytes, in a tenth of the time and memory that Automerge takes; the first thing that is not plain, or that
//! only Automerge can do, has it built from the same bytes.

use automerge::{Automerge, Change};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use super::RawChange;
use super::change::malformed;
use super::genesis;
use super::replay::Replay;
use crate::error::Error;

/// One of the two forms.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// A history without concurrency.
    Plain(Box<Plain>),
    /// Any other.
    Whole(Box<Automerge>),
}

/// A history without concurrency and the changes that it was read from.
#[derive(Clone, Debug)]
pub(super) struct Plain {
    pub(super) replay: Replay,
    chunks: Vec<Vec<u8>>,
    /// The same in Automerge, where something asked for that.
    whole: OnceLock<Box<Automerge>>,
}

impl Content {
    /// The history of a document that holds only its genesis.
    pub(super) fn plain(replay: Replay) -> Self {
        Self::Plain(Box::new(Plain { replay, chunks: Vec::new(), whole: OnceLock::new() }))
    }

    /// The document in Automerge.
    pub(super) fn automerge(&self) -> Result<&Automerge, Error> {
        match self {
            Self::Whole(automerge) => Ok(automerge),
            Self::Plain(plain) => match plain.whole.get() {
                Some(automerge) => Ok(automerge),
                None => {
                    let built = plain.build()?;
                    Ok(plain.whole.get_or_init(|| Box::new(built)))
                }
            },
        }
    }

    /// The document in Automerge, to be written to: from now on that is what it holds.
    pub(super) fn automerge_mut(&mut self) -> Result<&mut Automerge, Error> {
        if let Self::Plain(plain) = self {
            let automerge = match plain.whole.take() {
                Some(automerge) => automerge,
                None => Box::new(plain.build()?),
            };
            *self = Self::Whole(automerge);
        }
        match self {
            Self::Whole(automerge) => Ok(automerge),
            Self::Plain(_) => Err(broken()),
        }
    }

    /// Takes changes into a plain history; false when it does not hold all of them. Then only
    /// [`Content::automerge_mut`] may follow.
    pub(super) fn follow(&mut self, changes: &[RawChange]) -> bool {
        let Self::Plain(plain) = self else { return false };
        plain.whole = OnceLock::new();
        changes.iter().all(|change| {
            if plain.replay.holds(&change.hash) {
                return true;
            }
            let is_taken = plain.replay.follow(change);
            if is_taken {
                plain.chunks.push(change.bytes.clone());
            }
            is_taken
        })
    }
}

impl Plain {
    fn build(&self) -> Result<Automerge, Error> {
        let build = || {
            let (mut automerge, _) = genesis::genesis(self.replay.document(), self.replay.definition(), &[]);
            let changes = self.chunks.iter().map(|chunk| Change::from_bytes(chunk.clone()));
            let changes = changes.collect::<Result<Vec<_>, _>>().ok()?;
            automerge.apply_changes(changes).ok()?;
            Some(automerge)
        };
        catch_unwind(AssertUnwindSafe(build)).ok().flatten().ok_or_else(broken)
    }
}

fn broken() -> Error {
    malformed("文档无法读取", "the document cannot be read")
}

#[cfg(test)]
mod tests {
    use super::super::Document;
    use super::super::model::{Edit, Event, Stamped, Value};
    use super::*;
    use crate::id::{ActorId, ContentHash, DefinitionRef, DocumentId, UserId};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn sheet() -> Document {
        let definition = DefinitionRef { id: "x.sheet".to_owned(), version: 1, hash: ContentHash([7; 32]) };
        Document::new(DocumentId([1; 16]), &definition, &[])
    }

    fn edits(keys: &[u8], at: usize) -> Vec<Edit> {
        let at_ms = i64::try_from(at).unwrap();
        let by = UserId::new("u.a");
        let put = |key: &u8| {
            let stamped = Stamped { value: Value::Int(at_ms), by: by.clone(), at_ms };
            Edit::Put { key: format!("item/{key}"), stamped }
        };
        let event = Edit::Event(Event {
            id: format!("e{at}"),
            kind: "create".to_owned(),
            by: by.clone(),
            at_ms,
            from: String::new(),
            after: Vec::new(),
            data: BTreeMap::new(),
        });
        keys.iter().map(put).chain((at.is_multiple_of(3)).then_some(event)).collect()
    }

    /// The same document in Automerge.
    fn whole(document: &Document) -> Document {
        let mut whole = document.clone();
        whole.content.automerge_mut().unwrap();
        whole
    }

    fn assert_alike(plain: &Document) {
        let whole = whole(plain);
        assert_eq!(plain.model().unwrap(), whole.model().unwrap());
        assert_eq!(plain.heads(), whole.heads());
        assert_eq!(plain.size(), whole.size());
        assert_eq!(plain.model_at(&plain.heads()).unwrap(), whole.model_at(&plain.heads()).unwrap());
        for actor in 0..4 {
            assert_eq!(plain.next_seq(ActorId([actor; 16])), whole.next_seq(ActorId([actor; 16])));
        }
    }

    proptest! {
        #[test]
        fn both_forms_say_and_take_the_same(
            steps in prop::collection::vec((0..3_u8, prop::collection::vec(0..9_u8, 1..6)), 1..12),
            from in any::<prop::sample::Index>(),
            beside in prop::bool::ANY,
        ) {
            let (mut author, mut plain) = (sheet(), sheet());
            let mut changes = Vec::new();
            for (at, (actor, keys)) in steps.iter().enumerate() {
                changes.push(author.edit(ActorId([*actor; 16]), &edits(keys, at)).unwrap());
            }
            let from = from.index(changes.len());
            plain.apply(&changes[..from]).unwrap();
            assert_alike(&plain);
            // The rest of one author as it is pushed, then everything.
            let run: Vec<_> =
                changes[from..].iter().take_while(|one| one.actor == changes[from].actor).cloned().collect();
            let said = plain.examine(&run).unwrap();
            prop_assert_eq!(&said, &whole(&plain).examine(&run).unwrap());
            for (change, said) in run.iter().zip(&said) {
                prop_assert_eq!(&plain.edits_of(change).unwrap(), said);
            }
            if beside {
                let other = plain.clone().edit(ActorId([9; 16]), &edits(&[1, 2], 50)).unwrap();
                plain.apply(std::slice::from_ref(&other)).unwrap();
                author.apply(std::slice::from_ref(&other)).unwrap();
                prop_assert!(plain.examine(std::slice::from_ref(&other)).is_err(), "it was taken in");
            }
            plain.apply(&changes).unwrap();
            assert_alike(&plain);
            prop_assert_eq!(plain.model().unwrap(), author.model().unwrap());
            prop_assert_eq!(plain.heads(), author.heads());
            prop_assert_eq!(matches!(plain.content, Content::Plain(_)), !beside);
        }
    }

    #[test]
    fn an_edit_goes_on_where_a_plain_history_ends() {
        let (mut author, mut other) = (sheet(), sheet());
        let first = author.edit(ActorId([1; 16]), &edits(&[1, 2], 0)).unwrap();
        other.apply(std::slice::from_ref(&first)).unwrap();
        let second = other.edit(ActorId([2; 16]), &edits(&[2, 3], 1)).unwrap();
        assert_eq!(second.deps, [first.hash]);
        author.apply(std::slice::from_ref(&second)).unwrap();
        assert_eq!(author.model().unwrap(), other.model().unwrap());
        assert!(sheet().apply(&[second]).is_err(), "what it builds on is missing");
    }
}
