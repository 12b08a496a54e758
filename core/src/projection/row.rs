//! The records that rows are made of, and how they enter and leave the tables.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::document::model::Value;
use crate::error::Error;
use crate::id::{ContentHash, DefinitionRef, DocumentId, ScopeId, UserId};
use crate::projection::{coding, files, index};
use crate::rules::file::NamedFile;

/// What sort of record a row stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowKind {
    /// A checklist being answered.
    Inspection,
    /// One line of a ledger.
    Entry,
}

impl RowKind {
    pub(crate) const fn code(self) -> i64 {
        match self {
            Self::Inspection => 1,
            Self::Entry => 2,
        }
    }

    pub(crate) fn of_code(code: i64) -> Result<Self, Error> {
        match code {
            1 => Ok(Self::Inspection),
            2 => Ok(Self::Entry),
            _ => Err(coding::damaged()),
        }
    }
}

/// One document in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Which document.
    pub document: DocumentId,
    /// The scope it is replicated in.
    pub scope: ScopeId,
    /// Inspection or ledger entry.
    pub kind: RowKind,
    /// The definition it pins.
    pub definition: DefinitionRef,
    /// The project it is about; the branch where it names none.
    pub project: String,
    /// Derived lifecycle state.
    pub state: String,
    /// True where the state ends the lifecycle.
    pub terminal: bool,
    /// Title of the checklist or ledger, zh-CN.
    pub title: String,
    /// One line that tells the record from its neighbours.
    pub summary: String,
    /// Official number, once the branch gave one.
    pub number: Option<String>,
    /// Number given offline.
    pub temp_number: Option<String>,
    /// Person of the first event.
    pub created_by: Option<UserId>,
    /// Device time of the first event, milliseconds since 1970.
    pub created_at_ms: i64,
    /// Latest device time of any value or event, milliseconds since 1970.
    pub updated_at_ms: i64,
    /// Where lists sort it: creation, but not later than the branch numbered it, so that a device
    /// clock that runs ahead does not keep a record on top.
    pub listed_at_ms: i64,
    /// When it is due, milliseconds since 1970.
    pub due_ms: Option<i64>,
    /// Person who works on it.
    pub handler: Option<UserId>,
    /// Person who answers for it to the caller.
    pub first_contact: Option<UserId>,
    /// Department in charge.
    pub owner_dept: Option<String>,
    /// How grave an entry is: the option of the field of which the highest counts.
    pub grade: Option<String>,
    /// When its lifecycle ended, device time, milliseconds since 1970; `None` while it has not.
    pub ended_at_ms: Option<i64>,
    /// Everyone who may call it "mine", sorted.
    pub people: Vec<UserId>,
    /// Score of a sheet.
    pub score: Option<f64>,
    /// Result of a sheet.
    pub result: Option<String>,
    /// Clashes that wait for a decision.
    pub clashes: u32,
    /// Events that the merge left contested.
    pub contested: u32,
}

impl Row {
    /// How people name the record: official number, else temporary, else the start of the document id.
    #[must_use]
    pub fn name(&self) -> String {
        let number = self.number.as_ref().or(self.temp_number.as_ref());
        number.cloned().unwrap_or_else(|| self.document.short())
    }
}

/// Whether a line of a history is an event or a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// Something that happened: creation, a transition, completion, review.
    Event,
    /// A value as it stands.
    Value,
}

/// One line of a document's history.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryLine {
    /// Event or value.
    pub kind: LineKind,
    /// Kind of the event, or key of the value.
    pub what: String,
    /// Id of the event; empty for a value.
    pub event: String,
    /// Who.
    pub by: UserId,
    /// Device time, milliseconds since 1970.
    pub at_ms: i64,
    /// Lifecycle state after the event; empty where it has none.
    pub state: String,
    /// True where the merge left the event contested.
    pub contested: bool,
    /// What the event carried; for a value its `value`.
    pub data: BTreeMap<String, Value>,
}

/// One of the values, or events, that clash.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// What was written.
    pub value: Value,
    /// Who wrote it.
    pub by: UserId,
    /// Device time, milliseconds since 1970.
    pub at_ms: i64,
}

/// A clash that waits for a decision.
#[derive(Clone, Debug, PartialEq)]
pub struct ClashRow {
    /// Which document.
    pub document: DocumentId,
    /// Key of the value, or id of the contested event: what `resolve` takes.
    pub key: String,
    /// Why it waits: a stable code.
    pub reason: String,
    /// The choices; the first is the one that stands until the decision.
    pub choices: Vec<Choice>,
}

/// Everything that the projection knows of one document.
#[derive(Clone, Debug, PartialEq)]
pub struct Projected {
    /// Its row.
    pub row: Row,
    /// Its history, in the order to show.
    pub history: Vec<HistoryLine>,
    /// Its clashes, in a fixed order.
    pub clashes: Vec<ClashRow>,
    /// The text that search looks through.
    pub text: String,
    /// What reports read of it, as JSON.
    pub facts: String,
    /// The files that it names.
    pub files: Vec<NamedFile>,
}

impl Projected {
    /// Replaces the document's rows by these; what has not changed is not written.
    ///
    /// # Errors
    /// `Full`, `Busy` or `Storage` when writing fails; the caller's transaction then rolls back.
    pub fn store(&self, conn: &Connection) -> Result<(), Error> {
        let (id, is_new) = put_row(conn, &self.row)?;
        index::put_text(conn, id, &self.text, is_new)?;
        conn.prepare_cached(
            "INSERT INTO projected_facts (id, facts) VALUES (?1, ?2)
             ON CONFLICT (id) DO UPDATE SET facts = ?2",
        )?
        .execute(params![id, self.facts])?;
        conn.prepare_cached(
            "INSERT INTO projected_history (id, lines) VALUES (?1, ?2)
             ON CONFLICT (id) DO UPDATE SET lines = ?2",
        )?
        .execute(params![id, coding::lines_text(&self.history)])?;
        put_people(conn, &self.row, is_new)?;
        if !is_new {
            conn.prepare_cached("DELETE FROM projected_clash WHERE document = ?1")?
                .execute([self.row.document.as_bytes()])?;
        }
        if !is_new {
            conn.prepare_cached("DELETE FROM projected_file WHERE id = ?1")?.execute([id])?;
        }
        files::insert(conn, id, &self.files)?;
        insert_clashes(conn, self.row.document, &self.clashes)
    }
}

/// Takes a document out of every table: it left the device.
///
/// # Errors
/// `Full`, `Busy` or `Storage` when writing fails.
pub fn remove(conn: &Connection, document: DocumentId) -> Result<(), Error> {
    let document = document.as_bytes();
    let id: Option<i64> = conn
        .prepare_cached("SELECT id FROM projected WHERE document = ?1")?
        .query_row([document], |row| row.get(0))
        .optional()?;
    let Some(id) = id else { return Ok(()) };
    index::remove_text(conn, id)?;
    for sql in [
        "DELETE FROM projected_facts WHERE id = ?1",
        "DELETE FROM projected_history WHERE id = ?1",
        "DELETE FROM projected_file WHERE id = ?1",
    ] {
        conn.prepare_cached(sql)?.execute([id])?;
    }
    for sql in [
        "DELETE FROM projected WHERE document = ?1",
        "DELETE FROM projected_person WHERE document = ?1",
        "DELETE FROM projected_clash WHERE document = ?1",
    ] {
        conn.prepare_cached(sql)?.execute([document])?;
    }
    Ok(())
}

/// The columns of `projected` in the order that [`read_row`] takes them.
pub(crate) const ROW_COLUMNS: &str = "p.document, p.scope, p.kind, p.definition, p.definition_version, \
     p.definition_hash, p.project, p.state, p.terminal, p.title, p.summary, p.number, p.temp_number, \
     p.created_by, p.created_at_ms, p.updated_at_ms, p.listed_at_ms, p.due_ms, p.handler, \
     p.first_contact, p.owner_dept, p.score, p.result, p.clashes, p.contested, p.grade, p.ended_at_ms, \
     (SELECT group_concat(user, char(10)) FROM (SELECT user FROM projected_person AS n \
      WHERE n.document = p.document ORDER BY user))";

/// Reads one row selected by [`ROW_COLUMNS`].
pub(crate) fn read_row(row: &rusqlite::Row<'_>) -> Result<Row, Error> {
    let people: Option<String> = row.get(27)?;
    let people = people.unwrap_or_default();
    Ok(Row {
        document: DocumentId::from_slice(row.get_ref(0)?.as_blob().map_err(|_| coding::damaged())?)?,
        scope: ScopeId::new(row.get::<_, String>(1)?),
        kind: RowKind::of_code(row.get(2)?)?,
        definition: DefinitionRef {
            id: row.get(3)?,
            version: row.get(4)?,
            hash: ContentHash::from_slice(row.get_ref(5)?.as_blob().map_err(|_| coding::damaged())?)?,
        },
        project: row.get(6)?,
        state: row.get(7)?,
        terminal: row.get(8)?,
        title: row.get(9)?,
        summary: row.get(10)?,
        number: row.get(11)?,
        temp_number: row.get(12)?,
        created_by: row.get::<_, Option<String>>(13)?.map(UserId),
        created_at_ms: row.get(14)?,
        updated_at_ms: row.get(15)?,
        listed_at_ms: row.get(16)?,
        due_ms: row.get(17)?,
        handler: row.get::<_, Option<String>>(18)?.map(UserId),
        first_contact: row.get::<_, Option<String>>(19)?.map(UserId),
        owner_dept: row.get(20)?,
        grade: row.get(25)?,
        ended_at_ms: row.get(26)?,
        people: people.lines().map(UserId::new).collect(),
        score: row.get(21)?,
        result: row.get(22)?,
        clashes: row.get(23)?,
        contested: row.get(24)?,
    })
}

const INSERT: &str = "INSERT INTO projected (document, scope, kind, definition, definition_version, definition_hash, \
     project, state, terminal, title, summary, number, temp_number, created_by, created_at_ms, \
     updated_at_ms, listed_at_ms, due_ms, handler, first_contact, owner_dept, score, result, clashes, \
     contested, grade, ended_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, \
     ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27)";

/// What no index of a device looks at.
const UPDATE: &str = "UPDATE projected SET kind = ?3, definition_version = ?5, definition_hash = ?6, \
     state = ?8, title = ?10, summary = ?11, created_by = ?14, created_at_ms = ?15, updated_at_ms = ?16, \
     handler = ?19, first_contact = ?20, owner_dept = ?21, score = ?22, result = ?23, clashes = ?24, \
     contested = ?25, grade = ?26, ended_at_ms = ?27 WHERE document = ?1";

/// What indexes look at: writing one of these columns writes its indexes, whether it changes or not.
const UPDATE_INDEXED: &str = "UPDATE projected SET scope = ?2, definition = ?3, project = ?4, terminal = ?5, \
     number = ?6, temp_number = ?7, listed_at_ms = ?8, due_ms = ?9 WHERE document = ?1";

/// Writes a document's row; says its id and whether it is new.
fn put_row(conn: &Connection, row: &Row) -> Result<(i64, bool), Error> {
    let all = params![
        row.document.as_bytes(),
        row.scope.as_str(),
        row.kind.code(),
        row.definition.id,
        row.definition.version,
        row.definition.hash.as_bytes(),
        row.project,
        row.state,
        row.terminal,
        row.title,
        row.summary,
        row.number,
        row.temp_number,
        row.created_by.as_ref().map(UserId::as_str),
        row.created_at_ms,
        row.updated_at_ms,
        row.listed_at_ms,
        row.due_ms,
        row.handler.as_ref().map(UserId::as_str),
        row.first_contact.as_ref().map(UserId::as_str),
        row.owner_dept,
        row.score,
        row.result,
        row.clashes,
        row.contested,
        row.grade,
        row.ended_at_ms,
    ];
    let indexed = params![
        row.document.as_bytes(),
        row.scope.as_str(),
        row.definition.id,
        row.project,
        row.terminal,
        row.number,
        row.temp_number,
        row.listed_at_ms,
        row.due_ms,
    ];
    let known: Option<(i64, bool)> = conn
        .prepare_cached(
            "SELECT id, scope = ?2 AND definition = ?3 AND project = ?4 AND terminal = ?5 AND number IS ?6
               AND temp_number IS ?7 AND listed_at_ms = ?8 AND due_ms IS ?9
             FROM projected WHERE document = ?1",
        )?
        .query_row(indexed, |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((id, is_in_place)) = known else {
        conn.prepare_cached(INSERT)?.execute(all)?;
        return Ok((conn.last_insert_rowid(), true));
    };
    if !is_in_place {
        conn.prepare_cached(UPDATE_INDEXED)?.execute(indexed)?;
    }
    conn.prepare_cached(UPDATE)?.execute(all)?;
    Ok((id, false))
}

fn put_people(conn: &Connection, row: &Row, is_new: bool) -> Result<(), Error> {
    let document = row.document.as_bytes();
    if !is_new {
        let mut select = conn.prepare_cached("SELECT user FROM projected_person WHERE document = ?1")?;
        let known = select.query_map([document], |row| row.get::<_, String>(0))?;
        let known: Option<BTreeSet<String>> = known.collect::<Result<_, _>>().ok();
        let wanted: BTreeSet<String> = row.people.iter().map(|user| user.0.clone()).collect();
        // What is damaged is written again.
        if known == Some(wanted) {
            return Ok(());
        }
        conn.prepare_cached("DELETE FROM projected_person WHERE document = ?1")?.execute([document])?;
    }
    let mut person =
        conn.prepare_cached("INSERT OR IGNORE INTO projected_person (document, user) VALUES (?1, ?2)")?;
    for user in &row.people {
        person.execute(params![document, user.as_str()])?;
    }
    Ok(())
}

fn insert_clashes(conn: &Connection, document: DocumentId, clashes: &[ClashRow]) -> Result<(), Error> {
    let mut insert = conn.prepare_cached(
        "INSERT INTO projected_clash (document, place, choice, key, reason, value, user, at_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    for (place, clash) in (0_i64..).zip(clashes) {
        for (index, choice) in (0_i64..).zip(&clash.choices) {
            insert.execute(params![
                document.as_bytes(),
                place,
                index,
                clash.key,
                clash.reason,
                coding::value_text(&choice.value),
                choice.by.as_str(),
                choice.at_ms,
            ])?;
        }
    }
    Ok(())
}
