//! What the branch refused: look at it, apply it again, take it out, give it up.

use std::path::Path;
use xunyuan_core::id::ActorId;

use super::{Replica, SyncError};
use crate::export::write_new;
use crate::failure::Failure;
use crate::screens::{DraftCard, DraftScreen};

#[uniffi::export]
impl Replica {
    /// What the branch refused, oldest first; nothing of it was dropped.
    pub fn drafts(&self) -> Result<Vec<DraftCard>, SyncError> {
        self.look(|scene| {
            let drafts = scene.replica.drafts()?;
            let card = |draft: &xunyuan_core::replica::RefusedDraft| {
                let row = scene.replica.record(draft.document).ok();
                DraftCard::of(&scene.words, draft, row.as_ref())
            };
            Ok(drafts.iter().map(card).collect())
        })
    }

    /// One draft with what it says.
    pub fn draft(&self, id: String) -> Result<DraftScreen, SyncError> {
        self.look(|scene| {
            let view = scene.replica.draft_view(draft_id(&id)?)?;
            let row = scene.replica.record(view.draft.document).ok();
            Ok(DraftScreen::of(&scene.words, &view, row.as_ref()))
        })
    }

    /// Writes a draft again onto the record as it is today; then the draft leaves. Says how many changes
    /// now wait for the branch.
    pub fn apply_draft(&self, id: String) -> Result<u32, SyncError> {
        self.act(|scene| {
            let id = draft_id(&id)?;
            let document = scene.replica.draft_view(id)?.draft.document;
            Ok((scene.replica.apply_draft(id, scene.moment)?, vec![document]))
        })
    }

    /// Takes a draft out as a new file that support and programs can read.
    pub fn export_draft(&self, id: String, file: String) -> Result<(), SyncError> {
        self.look(|scene| {
            let bytes = scene.replica.export_draft(draft_id(&id)?)?;
            write_new(Path::new(&file), &bytes)
        })
    }

    /// Gives a draft up for good. Says how many changes those were.
    pub fn discard_draft(&self, id: String) -> Result<u32, SyncError> {
        self.act(|scene| {
            let id = draft_id(&id)?;
            let document = scene.replica.draft_view(id)?.draft.document;
            Ok((scene.replica.discard_draft(id, scene.moment)?, vec![document]))
        })
    }
}

fn draft_id(text: &str) -> Result<ActorId, Failure> {
    text.parse().map_err(|_| {
        Failure::invalid("draft_invalid", "草稿编号有误", "this is no draft id; use one that the list gave")
    })
}
