//! What the product does with a change that may be anything, and whether that keeps its promises: no panic
//! gets out, and what is accepted applies, loads again and says exactly what the check said it says.

use automerge::{Automerge, Change};
use xunyuan_core::document::model::Edit;
use xunyuan_core::document::{Document, RawChange};
use xunyuan_core::id::{DefinitionRef, DocumentId};

use super::mutate::{Damage, damaged};
use super::quiet::{quietly, words};
use crate::oracle::{Said, genesis, read};
use crate::seed::Seed;

/// How a change fared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Refused before the document was looked at, with the rule that refused it.
    Unparsed(String),
    /// Refused by the check against the document, with the rule that refused it.
    Refused(String),
    /// Taken in.
    Accepted,
}

/// How plain Automerge breaks on a change that nobody checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breakage {
    /// It panics while it takes the change in.
    Panics,
    /// It takes the change in, and panics when the document is saved or loaded.
    PanicsLater,
    /// It takes the change in and saves a document that does not load.
    Unloadable,
}

/// A document as it stood before a change, in the product and in plain Automerge.
#[derive(Clone, Debug)]
pub struct Past {
    document: Document,
    text_keys: Vec<String>,
    twin: Automerge,
    changes: Vec<RawChange>,
}

impl Past {
    /// A document that holds nothing yet.
    #[must_use]
    pub fn new(id: DocumentId, definition: &DefinitionRef, text_keys: &[String]) -> Self {
        Self {
            document: Document::new(id, definition, text_keys),
            text_keys: text_keys.to_vec(),
            twin: genesis(id, definition, text_keys),
            changes: Vec::new(),
        }
    }

    /// The document.
    #[must_use]
    pub const fn document(&self) -> &Document {
        &self.document
    }

    /// Takes in an honest change, which the check must accept.
    ///
    /// # Errors
    /// What is wrong with the change or with the product.
    pub fn extend(&mut self, bytes: &[u8]) -> Result<RawChange, String> {
        let change = RawChange::parse(bytes.to_vec()).map_err(|error| error.to_string())?;
        self.document.examine(std::slice::from_ref(&change)).map_err(|misfit| misfit.error.to_string())?;
        self.document.apply(std::slice::from_ref(&change)).map_err(|error| error.to_string())?;
        self.twin.apply_changes([plain(bytes)?]).map_err(|error| error.to_string())?;
        self.changes.push(change.clone());
        Ok(change)
    }

    /// Puts a change, honest or not, through parse, examine, apply, save and load.
    ///
    /// `thorough` also builds the document once more from nothing, in one batch.
    ///
    /// # Errors
    /// Which promise the product broke.
    pub fn judge(&self, bytes: &[u8], thorough: bool) -> Result<Outcome, String> {
        quietly(|| self.judged(bytes, thorough))
            .unwrap_or_else(|payload| Err(format!("a panic got out: {}", words(payload.as_ref()))))
    }

    /// How plain Automerge breaks on the change when nobody checks it first; `None` when it does not, or
    /// refuses the change itself.
    #[must_use]
    pub fn unchecked(&self, bytes: &[u8]) -> Option<Breakage> {
        // What claims more than it holds would not break Automerge but keep it busy for ever.
        RawChange::parse(bytes.to_vec()).ok()?;
        let mut twin = self.twin.clone();
        match quietly(|| plain(bytes).map(|change| twin.apply_changes([change]).is_ok())) {
            Err(_) => return Some(Breakage::Panics),
            Ok(Ok(true)) => {}
            Ok(_) => return None,
        }
        match quietly(|| reloaded(&twin).is_ok()) {
            Err(_) => Some(Breakage::PanicsLater),
            Ok(false) => Some(Breakage::Unloadable),
            Ok(true) => None,
        }
    }

    /// A damaged copy of an honest change on which plain Automerge breaks in this way.
    ///
    /// # Panics
    /// When a hundred thousand tries bring none.
    #[must_use]
    pub fn poison(&self, seed: &mut Seed, honest: &[u8], breakage: Breakage) -> Vec<u8> {
        const DAMAGES: [Damage; 4] = [Damage::Bits, Damage::Bytes, Damage::Column, Damage::Operation];
        let mut tries = (0..100_000).map(|_| {
            let damage = *seed.pick(&DAMAGES);
            damaged(seed, damage, honest, honest)
        });
        tries.find(|bytes| self.unchecked(bytes) == Some(breakage)).expect("some damage breaks it")
    }

    fn judged(&self, bytes: &[u8], thorough: bool) -> Result<Outcome, String> {
        let change = match RawChange::parse(bytes.to_vec()) {
            Ok(change) => change,
            Err(error) => return Ok(Outcome::Unparsed(error.sentence().en.clone())),
        };
        let change = std::slice::from_ref(&change);
        let said = match self.document.examine(change) {
            Ok(said) => said,
            Err(misfit) => return Ok(Outcome::Refused(misfit.error.sentence().en.clone())),
        };
        let broken = |step: &str, error: &dyn std::fmt::Display| format!("accepted, but {step}: {error}");
        let mut after = self.document.clone();
        after.apply(change).map_err(|error| broken("it does not apply", &error))?;
        let model = after.model().map_err(|error| broken("it cannot be read", &error))?;
        self.says(&after, &change[0], &said[0])?;

        let mut twin = self.twin.clone();
        twin.apply_changes([plain(bytes)?]).map_err(|error| broken("Automerge refuses it", &error))?;
        let loaded = reloaded(&twin)?;
        same("the saved document", &read(&loaded), &Said::of(&model))?;
        if thorough {
            let mut rebuilt = Document::new(self.document.id(), self.document.definition(), &self.text_keys);
            let all: Vec<RawChange> = self.changes.iter().chain(change).cloned().collect();
            rebuilt.apply(&all).map_err(|error| broken("it does not apply in one batch", &error))?;
            let again =
                rebuilt.model().map_err(|error| broken("the rebuilt document cannot be read", &error))?;
            same("the rebuilt document", &again, &model)?;
        }
        Ok(Outcome::Accepted)
    }

    /// The document at the change is the one at its past, moved on by what the check said it does.
    fn says(&self, after: &Document, change: &RawChange, said: &[Edit]) -> Result<(), String> {
        let mut expected = after.model_at(&change.deps).map_err(|error| error.to_string())?;
        let found = after.model_at(&[change.hash]).map_err(|error| error.to_string())?;
        for edit in said {
            expected.apply(edit);
            if let Edit::Text { key, .. } = edit {
                match found.texts.get(key) {
                    Some(text) => drop(expected.texts.insert(key.clone(), text.clone())),
                    None => drop(expected.texts.remove(key)),
                }
            }
        }
        same("the document at the change", &found, &expected)
    }
}

fn plain(bytes: &[u8]) -> Result<Change, String> {
    Change::from_bytes(bytes.to_vec()).map_err(|error| format!("Automerge cannot read it: {error}"))
}

/// The document after saving and loading, the same as before.
fn reloaded(document: &Automerge) -> Result<Automerge, String> {
    let saved = document.save();
    let loaded = Automerge::load(&saved).map_err(|error| format!("saved, it does not load: {error}"))?;
    let (mut before, mut after) = (document.get_heads(), loaded.get_heads());
    before.sort_unstable();
    after.sort_unstable();
    if before == after { Ok(loaded) } else { Err("saved and loaded, it has other heads".to_owned()) }
}

/// Compares by what is printed: a NaN in a value equals itself there.
fn same<T: std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    let (found, expected) = (format!("{found:?}"), format!("{expected:?}"));
    if found == expected { Ok(()) } else { Err(format!("{what} says {found}, not {expected}")) }
}
