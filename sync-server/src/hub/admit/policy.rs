//! Policy: the rules of the organisation, asked for each change at its causal past.

use std::panic::{AssertUnwindSafe, catch_unwind};
use xunyuan_core::definition::Catalog;
use xunyuan_core::document::RawChange;
use xunyuan_core::document::model::{Edit, Model};
use xunyuan_core::error::{Error, ErrorKind, Refusal};
use xunyuan_core::id::ChangeHash;
use xunyuan_core::rules::{self, Author};

use super::{Candidate, Stop};
use crate::hub::cache::Held;
use crate::hub::own;

/// The document as the author of the next change of the run saw it, where that is known already: twice,
/// so that one of them can go ahead by a change without being copied.
struct Past {
    before: Model,
    after: Model,
    heads: Vec<ChangeHash>,
}

/// What the rules let pass.
pub(super) struct Judged {
    /// The document with the run.
    pub(super) model: Model,
    /// What the branch has to record about it.
    pub(super) late: own::Late,
}

impl Candidate<'_> {
    /// Asks the rules about every new change; says what the branch has to record about the run.
    ///
    /// `held` is the document before the run, `scratch` the one with it; `said` are the new changes with
    /// their edits.
    pub(super) fn policy(
        &self,
        catalog: &Catalog,
        held: &Held,
        scratch: &Held,
        said: Vec<(&RawChange, Vec<Edit>)>,
        known: usize,
    ) -> Result<Judged, Stop> {
        let asked = AssertUnwindSafe(|| self.ask(catalog, held, scratch, said, known));
        catch_unwind(asked).unwrap_or_else(|_| {
            let error = Error::new(
                ErrorKind::Protocol,
                "变更内容无法读取",
                "the content of the changes cannot be read",
            );
            Err(unreadable(&error, known))
        })
    }

    fn ask(
        &self,
        catalog: &Catalog,
        held: &Held,
        scratch: &Held,
        said: Vec<(&RawChange, Vec<Edit>)>,
        known: usize,
    ) -> Result<Judged, Stop> {
        let author = Author { user: &self.signer.user, is_server: self.signer.is_server };
        // Only an entry can be over before its last change arrives.
        let may_be_late = catalog.ledger(&held.row.definition).is_some();
        let mut past: Option<Past> = None;
        let mut first: Option<Model> = None;
        let mut written: Vec<Edit> = Vec::new();
        for (place, (change, mut edits)) in said.into_iter().enumerate() {
            let refused = |error: Error| unreadable(&error, known + place);
            let (mut before, mut after) = match past.take() {
                Some(past) if past.heads == change.deps => (past.before, past.after),
                _ => {
                    let before = seen_by(change, held, scratch).map_err(refused)?;
                    (before.clone(), before)
                }
            };
            let read = with_texts(&mut edits, change.hash, scratch).map_err(refused)?;
            edits.iter().for_each(|edit| after.apply(edit));
            rules::check_between(catalog, &self.pushed.scope, &author, (&before, &after), &edits)
                .map_err(|refusal| Stop::Refused(refusal, known + place))?;
            if may_be_late && first.is_none() {
                first = Some(before.clone());
            }
            match read {
                Some(read) => (before, after) = (read.clone(), read),
                None => edits.iter().for_each(|edit| before.apply(edit)),
            }
            past = Some(Past { before, after, heads: vec![change.hash] });
            if may_be_late {
                written.extend(edits);
            }
        }
        let model = scratch.document.model().map_err(|error| unreadable(&error, known))?;
        let late = first.and_then(|before| own::late(catalog, &before, &model, &written));
        Ok(Judged { model, late })
    }
}

/// The document at a change's causal past.
fn seen_by(change: &RawChange, held: &Held, scratch: &Held) -> Result<Model, Error> {
    if held.document.heads() == change.deps {
        held.document.model()
    } else {
        scratch.document.model_at(&change.deps)
    }
}

/// An edit of a shared text read from operations says where characters went, not what the text then
/// reads: where a change has one, the document after the change is read, and the edit is told its text.
fn with_texts(edits: &mut [Edit], hash: ChangeHash, scratch: &Held) -> Result<Option<Model>, Error> {
    if !edits.iter().any(|edit| matches!(edit, Edit::Text { .. })) {
        return Ok(None);
    }
    let after = scratch.document.model_at(&[hash])?;
    for edit in edits {
        if let Edit::Text { key, to } = edit {
            *to = after.texts.get(key).cloned();
        }
    }
    Ok(Some(after))
}

fn unreadable(error: &Error, place: usize) -> Stop {
    let sentence = error.sentence().clone();
    Stop::Refused(Refusal { code: "malformed".to_owned(), sentence }, place)
}
