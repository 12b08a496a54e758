//! What a call has in hand while it holds the replica, and the screens it makes of it.

use std::collections::BTreeMap;
use xunyuan_core::document::model;
use xunyuan_core::id::DocumentId;
use xunyuan_core::projection::Row;
use xunyuan_core::replica::Replica;
use xunyuan_core::rules::entry::EntryView;
use xunyuan_core::rules::sheet::InspectionView;
use xunyuan_core::time::Moment;

use crate::failure::Failure;
use crate::screens::{Beside, Card, CardBeside, Duty, EntryScreen, SheetScreen, Value};
use crate::words::{Lang, Words};

/// The replica, the moment and the words for what is shown.
pub(super) struct Scene<'s> {
    /// The replica.
    pub(super) replica: &'s mut Replica,
    /// The moment of the call.
    pub(super) moment: &'s Moment,
    /// Names and titles in the language that was chosen.
    pub(super) words: Words<'s>,
}

impl Scene<'_> {
    /// Plays one call.
    pub(super) fn with<T>(
        replica: &mut Replica,
        moment: &Moment,
        lang: Lang,
        play: impl FnOnce(&mut Scene<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        // Cloning shares: what it says must outlive every hold of the records.
        let catalog = replica.catalog().clone();
        let words = Words { lang, catalog: &catalog, utc_offset_min: moment.utc_offset_min };
        play(&mut Scene { replica, moment, words })
    }

    /// The screen of a sheet.
    pub(super) fn sheet(&mut self, view: &InspectionView) -> Result<SheetScreen, Failure> {
        let beside = self.beside(view.document)?;
        Ok(SheetScreen::of(&self.words, view, beside))
    }

    /// The screen of an entry.
    pub(super) fn entry(&mut self, view: &EntryView) -> Result<EntryScreen, Failure> {
        let beside = self.beside(view.document)?;
        let roles = self.words.catalog.user_roles(self.replica.user());
        let roles: Vec<String> = roles.iter().map(|role| role.id.clone()).collect();
        Ok(EntryScreen::of(&self.words, &roles, view, beside))
    }

    /// Rows as cards.
    pub(super) fn cards(&mut self, rows: &[Row]) -> Result<Vec<Card>, Failure> {
        let documents: Vec<DocumentId> = rows.iter().map(|row| row.document).collect();
        let marks = self.replica.duty_marks(&documents, self.moment)?;
        let card = |row: &Row| {
            let beside = CardBeside {
                is_pending: self.replica.is_pending(row.document)?,
                continued_in: self.replica.continuation(row.document).map(|next| next.to_string()),
                duty: marks.get(&row.document).copied(),
                now_ms: self.moment.unix_ms,
            };
            Ok(Card::of(&self.words, row, beside))
        };
        rows.iter().map(card).collect()
    }

    fn beside(&self, document: DocumentId) -> Result<Beside, Failure> {
        let owed = self.replica.duties_of(document, self.moment)?;
        let open = owed.iter().filter(|view| !view.status.is_settled() && view.duty.is_waiting());
        Ok(Beside {
            duties: open.map(|view| Duty::of(&self.words, view)).collect(),
            is_pending: self.replica.is_pending(document)?,
            continued_in: self.replica.continuation(document).map(|next| next.to_string()),
        })
    }
}

/// Named values as the core takes them.
pub(super) fn fields(
    values: impl IntoIterator<Item = (String, Value)>,
) -> Result<BTreeMap<String, model::Value>, Failure> {
    values.into_iter().map(|(id, value)| Ok((id, value.into_core()?))).collect()
}
