//! What a person looks up, and the decision of a conflict.

use xunyuan_core::projection::{ClashRow, Filter, Row};

use super::{Replica, SyncError, document};
use crate::failure::Failure;
use crate::screens::{Card, CardFilter, CardPage, Conflict, Duty, HistoryLine, Reminder};

/// Most records of one page.
const PAGE_MAX: u32 = 500;
/// Most days that reminders are computed for.
const DAYS_MAX: u32 = 366;

#[uniffi::export]
impl Replica {
    /// A page of records that fit, newest first, from `offset` on.
    #[uniffi::method(default(offset = 0, limit = 50))]
    pub fn list(&self, filter: CardFilter, offset: u32, limit: u32) -> Result<CardPage, SyncError> {
        self.look(|scene| {
            let filter = filter.into_core(scene.replica.user(), scene.moment.unix_ms);
            let total = scene.replica.count(&filter)?;
            let limit = limit.clamp(1, PAGE_MAX);
            let rows = scene.replica.list(&Filter { limit: Some(limit), offset, ..filter })?;
            let end = offset.saturating_add(u32::try_from(rows.len()).unwrap_or(u32::MAX));
            let next = (u64::from(end) < total && !rows.is_empty()).then_some(end);
            Ok(CardPage { cards: scene.cards(&rows)?, total, next })
        })
    }

    /// Records in which a text occurs, Chinese and numbers included.
    #[uniffi::method(default(limit = 50))]
    pub fn search(&self, text: String, limit: u32) -> Result<Vec<Card>, SyncError> {
        self.look(|scene| {
            let rows = scene.replica.search(&text, limit.clamp(1, PAGE_MAX))?;
            scene.cards(&rows)
        })
    }

    /// Records that a number, or the start of a document id, may mean.
    pub fn find(&self, text: String) -> Result<Vec<Card>, SyncError> {
        self.look(|scene| {
            let rows = scene.replica.find(&text)?;
            scene.cards(&rows)
        })
    }

    /// The card of one record.
    pub fn card(&self, document: String) -> Result<Card, SyncError> {
        self.look(|scene| {
            let row = scene.replica.record(self::document(&document)?)?;
            let mut cards = scene.cards(std::slice::from_ref(&row))?;
            Ok(cards.remove(0))
        })
    }

    /// What happened to a record, with who and when.
    pub fn history(&self, document: String) -> Result<Vec<HistoryLine>, SyncError> {
        self.look(|scene| {
            let document = self::document(&document)?;
            let row = scene.replica.record(document)?;
            let lines = scene.replica.history(document)?;
            let texts = scene.replica.model(document)?.texts;
            Ok(lines.iter().map(|line| HistoryLine::of(&scene.words, &row, line, &texts)).collect())
        })
    }

    /// What the person owes and has not done, the most urgent first.
    pub fn duties(&self) -> Result<Vec<Duty>, SyncError> {
        self.look(|scene| {
            let duties = scene.replica.duties(scene.moment)?;
            Ok(duties.iter().map(|view| Duty::of(&scene.words, view)).collect())
        })
    }

    /// What this device would remind of in the next days, computed without signal.
    #[uniffi::method(default(days = 7))]
    pub fn reminders(&self, days: u32) -> Result<Vec<Reminder>, SyncError> {
        self.look(|scene| {
            let reminders = scene.replica.reminders(scene.moment, days.min(DAYS_MAX))?;
            Ok(reminders.iter().map(|reminder| Reminder::of(&scene.words, reminder)).collect())
        })
    }

    /// What two people wrote differently and nobody has decided.
    pub fn conflicts(&self) -> Result<Vec<Conflict>, SyncError> {
        self.look(|scene| {
            let clashes = scene.replica.conflicts()?;
            let one = |clash: &ClashRow| {
                let row: Option<Row> = scene.replica.record(clash.document).ok();
                Conflict::of(&scene.words, clash, row.as_ref())
            };
            Ok(clashes.iter().map(one).collect())
        })
    }

    /// Decides a conflict: `choice` is the place of the value to keep, from 0, as `conflicts` lists them.
    /// Says how many conflicts are left.
    pub fn resolve(&self, document: String, key: String, choice: u32) -> Result<u32, SyncError> {
        self.about(&document, |scene, document| {
            let place = usize::try_from(choice).unwrap_or(usize::MAX);
            scene.replica.resolve(document, &key, place, scene.moment)?;
            let left = scene.replica.status()?.conflicts;
            Ok::<_, Failure>((left, vec![document]))
        })
    }
}
