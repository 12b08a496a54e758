//! What a person looks up: lists, search, history, clashes, standing, and the file for support.

use super::Replica;
use super::refused::changes_of;
use crate::action;
use crate::error::{Error, ErrorKind, Refusal};
use crate::id::{ActorId, DefinitionRef, DocumentId, ScopeId, UserId};
use crate::limits::CLOCK_SKEW_SUSPICIOUS_MS;
use crate::projection::{self, ClashRow, Filter, HistoryLine, Row};
use crate::store::damaged;
use crate::store::documents::{self, RecordRow};
use crate::store::former;
use crate::store::outbox;
use crate::store::scopes::{self, ScopeRow};
use crate::time::Moment;

/// How a replica stands: what waits, what was refused, how far each scope is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Changes that the branch has not answered for.
    pub pending_changes: u32,
    /// Records that those changes belong to.
    pub pending_records: u32,
    /// Changes that the branch refused; they wait for a decision of the person.
    pub refused_changes: u32,
    /// Photos and other files that the branch lacks.
    pub pending_files: u32,
    /// Their bytes.
    pub pending_file_bytes: u64,
    /// Unsent changes that a damage of the file took; they stand among the drafts.
    pub damaged_changes: u32,
    /// Records that the server has lost and gets back with the next exchanges.
    pub to_give_back: u32,
    /// Clashes that wait for a decision.
    pub conflicts: u32,
    /// Records whose rows for lists wait to be rebuilt.
    pub unprojected: u32,
    /// When the oldest scope was last proven equal to the branch, milliseconds since 1970.
    pub last_exchange_ms: Option<i64>,
    /// Server clock minus device clock, milliseconds.
    pub clock_offset_ms: Option<i64>,
    /// True when the device's clock is too far off to be evidence.
    pub is_clock_suspicious: bool,
    /// Failed exchanges in a row.
    pub failures: u32,
    /// The standing in each scope.
    pub scopes: Vec<ScopeRow>,
}

/// A change that the branch refused, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedChange {
    /// The record it belongs to.
    pub document: DocumentId,
    /// Its definition.
    pub definition: DefinitionRef,
    /// When it was written, device time, milliseconds since 1970.
    pub written_at_ms: i64,
    /// Why the branch refused it.
    pub refusal: Refusal,
    /// The whole change chunk.
    pub bytes: Vec<u8>,
}

/// One run of a record's log; without the actor its changes could not be unpacked again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedRun {
    /// Its place in the scope's log.
    pub seq: u64,
    /// Author id of the changes.
    pub actor: ActorId,
    /// The person it was signed for.
    pub user: UserId,
    /// Server clock on arrival, milliseconds since 1970.
    pub received_at_ms: i64,
    /// The packed changes.
    pub changes: Vec<u8>,
}

/// Everything of one record, for support.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedRecord {
    /// Which document.
    pub document: DocumentId,
    /// Its scope.
    pub scope: ScopeId,
    /// Its definition.
    pub definition: DefinitionRef,
    /// Runs of the log.
    pub runs: Vec<ExportedRun>,
    /// Change chunks of the outbox that no cursor covers.
    pub pending: Vec<Vec<u8>>,
}

impl Replica {
    /// Records that match a filter, newest first.
    ///
    /// # Errors
    /// Storage errors.
    pub fn list(&self, filter: &Filter) -> Result<Vec<Row>, Error> {
        projection::list(self.store.reader(), filter)
    }

    /// How many records match a filter, whatever its limit and offset.
    ///
    /// # Errors
    /// Storage errors.
    pub fn count(&self, filter: &Filter) -> Result<u64, Error> {
        Ok(u64::try_from(projection::count(self.store.reader(), filter)?).unwrap_or(0))
    }

    /// Records in which a text occurs, Chinese included.
    ///
    /// # Errors
    /// Storage errors.
    pub fn search(&self, text: &str, limit: u32) -> Result<Vec<Row>, Error> {
        projection::search(self.store.reader(), text, limit)
    }

    /// Records that a number, temporary or official, or the start of an id may mean.
    ///
    /// # Errors
    /// Storage errors.
    pub fn find(&self, text: &str) -> Result<Vec<Row>, Error> {
        projection::find(self.store.reader(), text)
    }

    /// The row of one record.
    ///
    /// # Errors
    /// `NotFound` when it is not here.
    pub fn record(&self, document: DocumentId) -> Result<Row, Error> {
        projection::row(self.store.reader(), document)?.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "本机没有这条记录", "this record is not on the device")
        })
    }

    /// What happened to a record, with who and when.
    ///
    /// # Errors
    /// Storage errors.
    pub fn history(&self, document: DocumentId) -> Result<Vec<HistoryLine>, Error> {
        projection::history(self.store.reader(), document)
    }

    /// Every clash that waits for a decision, with all values and their authors.
    ///
    /// # Errors
    /// Storage errors.
    pub fn conflicts(&self) -> Result<Vec<ClashRow>, Error> {
        projection::conflicts(self.store.reader())
    }

    /// Decides a clash: `choice` is the place of the value to keep, from 0, as [`Replica::conflicts`]
    /// lists them. The decision is an event; the other values stay in the history.
    ///
    /// # Errors
    /// `NotFound` when there is no such clash or choice, `Refused` by a rule.
    pub fn resolve(
        &mut self,
        document: DocumentId,
        key: &str,
        choice: usize,
        moment: &Moment,
    ) -> Result<(), Error> {
        let clashes = self.conflicts()?;
        let clash = clashes.iter().find(|clash| clash.document == document && clash.key == key);
        let chosen = clash.and_then(|clash| clash.choices.get(choice)).ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                "没有这个冲突或选项;请用 conflicts 查看",
                "there is no such clash or choice; list them with conflicts",
            )
        })?;
        let value = chosen.value.clone();
        let mut draft = self.draft(document, moment)?;
        action::decide(&self.catalog, &mut draft, key, value, "");
        self.perform(vec![draft.into_work()], moment)
    }

    /// How this replica stands.
    ///
    /// # Errors
    /// Storage errors.
    pub fn status(&self) -> Result<Status, Error> {
        let connection = self.store.reader();
        let mut records = outbox::waiting(connection)?;
        let pending = records.len();
        records.sort_unstable();
        records.dedup();
        let scopes = scopes::all(connection)?;
        let granted: Vec<&ScopeRow> = scopes.iter().filter(|row| row.granted).collect();
        let is_proven = !granted.is_empty() && granted.iter().all(|row| row.proven_at_ms.is_some());
        let last_exchange_ms =
            if is_proven { granted.iter().filter_map(|row| row.proven_at_ms).min() } else { None };
        let offset = self.identity.clock_offset_ms;
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let (pending_files, pending_file_bytes) = self.unsent_file_count()?;
        Ok(Status {
            pending_files,
            pending_file_bytes,
            pending_changes: count(pending),
            pending_records: count(records.len()),
            refused_changes: count(self.refused()?.len()),
            damaged_changes: damaged::count(connection)?,
            to_give_back: former::waiting_count(connection)?,
            conflicts: projection::conflict_count(connection)?,
            unprojected: documents::unprojected_count(connection)?,
            last_exchange_ms,
            clock_offset_ms: offset,
            is_clock_suspicious: offset.is_some_and(|ms| ms.abs() > CLOCK_SKEW_SUSPICIOUS_MS),
            failures: self.exchange.failures(),
            scopes,
        })
    }

    /// What the branch refused, with the reasons; nothing of it was dropped.
    ///
    /// # Errors
    /// Storage errors.
    pub fn refused(&self) -> Result<Vec<RefusedChange>, Error> {
        let connection = self.store.reader();
        let mut rows = Vec::new();
        for (record, refusal) in former::refused(connection)? {
            rows.extend(changes_of(&record, Some(&refusal))?);
        }
        rows.extend(outbox::refused(connection)?);
        rows.into_iter()
            .filter_map(|row| Some((row.refusal.clone()?, row)))
            .map(|(refusal, row)| {
                Ok(RefusedChange {
                    document: row.document,
                    definition: self.row(row.document)?.definition,
                    written_at_ms: row.written_at_ms,
                    refusal,
                    bytes: row.bytes,
                })
            })
            .collect()
    }

    /// True when some of the record's changes wait for the branch.
    ///
    /// # Errors
    /// Storage errors.
    pub fn is_pending(&self, document: DocumentId) -> Result<bool, Error> {
        let rows = outbox::of_document(self.store.reader(), document)?;
        Ok(rows.iter().any(|row| row.logged_seq.is_none()))
    }

    /// All documents of the replica with their signed runs and pending changes.
    ///
    /// # Errors
    /// Storage errors.
    pub fn export(&self) -> Result<Vec<ExportedRecord>, Error> {
        self.exported()?.collect()
    }

    /// As [`Replica::export`], one record after the other.
    ///
    /// # Errors
    /// Storage errors.
    pub fn exported(&self) -> Result<impl Iterator<Item = Result<ExportedRecord, Error>> + use<'_>, Error> {
        let connection = self.store.reader();
        let records = documents::all(connection)?
            .into_iter()
            .map(|row| {
                let mut runs = documents::lost_records(connection, row.document)?;
                runs.extend(documents::current_records(connection, row.document)?);
                let pending = outbox::of_document(connection, row.document)?;
                Ok(ExportedRecord {
                    document: row.document,
                    scope: row.scope,
                    definition: row.definition,
                    runs: runs.into_iter().map(exported).collect(),
                    pending: pending.into_iter().map(|row| row.bytes).collect(),
                })
            })
            // Of some records only drafts are here.
            .filter(|record| !matches!(record, Ok(held) if held.runs.is_empty() && held.pending.is_empty()));
        Ok(records)
    }

    /// Hash of all rows of a scope in a fixed order: equal on any two replicas that hold the same.
    ///
    /// # Errors
    /// Storage errors.
    pub fn fingerprint(&self, scope: &ScopeId) -> Result<[u8; 32], Error> {
        projection::fingerprint(self.store.reader(), scope)
    }

    /// Hash of all rows of one record.
    ///
    /// # Errors
    /// Storage errors.
    pub fn fingerprint_of(&self, document: DocumentId) -> Result<[u8; 32], Error> {
        projection::fingerprint_of(self.store.reader(), document)
    }
}

fn exported(run: RecordRow) -> ExportedRun {
    let RecordRow { seq, actor, user, received_at_ms, changes, .. } = run;
    ExportedRun { seq, actor, user, received_at_ms, changes }
}
