//! The files that records name, as this device knows them: the queue of those to send, and what is here.
//!
//! Rows and pure functions over them; the bytes lie in files beside the store, which the shell reads and writes.
//! A row that says "here" was written after its bytes were on disk; one whose bytes are to leave says so first.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::bytes;
use crate::error::{Error, Refusal, Sentence};
use crate::id::{FileHash, UserId};
use crate::rules::file::NamedFile;

/// Whether a thumbnail lies beside the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thumbnail {
    /// Not yet.
    Absent,
    /// It does.
    Here,
    /// The file has none: it is no picture, or none that is read.
    None,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRow {
    /// SHA-256 of its bytes.
    pub hash: FileHash,
    /// Size, bytes.
    pub bytes: u64,
    /// Media type.
    pub media_type: String,
    /// When it was taken, milliseconds since 1970.
    pub taken_at_ms: Option<i64>,
    /// When it was added on this device; `None` where it came from the branch.
    pub kept_at_ms: Option<i64>,
    /// True while its bytes are here.
    pub is_here: bool,
    /// Its thumbnail.
    pub thumbnail: Thumbnail,
    /// When the branch said that it has it.
    pub branch_at_ms: Option<i64>,
    /// Bytes that the branch has of it, as it last said.
    pub sent: u64,
    /// Why it cannot be sent.
    pub refusal: Option<Refusal>,
    /// Failed tries in a row.
    pub tries: u32,
    /// Not tried again before, milliseconds since 1970.
    pub due_ms: i64,
    /// True while its bytes are to be fetched.
    pub is_wanted: bool,
    /// When the person gave it up.
    pub given_up_at_ms: Option<i64>,
}

/// How a file stands, in the words of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileState {
    /// Here, and nothing of it was sent.
    Waiting,
    /// Here, and the branch has so many bytes of it.
    Partly(u64),
    /// All of it was sent and the branch has not said that it is whole.
    Sent,
    /// The branch has it, and so has this device.
    Confirmed,
    /// It cannot be sent: the person must do something.
    Refused(Refusal),
    /// The person gave it up before it was sent.
    GivenUp,
    /// The branch has it; its bytes are not here.
    AtBranch,
    /// Neither here nor, as far as is known, at the branch: on somebody else's device.
    Elsewhere,
}

impl FileRow {
    /// How the file stands.
    #[must_use]
    pub fn state(&self) -> FileState {
        match (self.branch_at_ms, self.is_here) {
            (Some(_), true) => FileState::Confirmed,
            (Some(_), false) => FileState::AtBranch,
            (None, _) if self.given_up_at_ms.is_some() => FileState::GivenUp,
            (None, false) => FileState::Elsewhere,
            (None, true) => match &self.refusal {
                Some(refusal) => FileState::Refused(refusal.clone()),
                None if self.sent == 0 => FileState::Waiting,
                None if self.sent >= self.bytes => FileState::Sent,
                None => FileState::Partly(self.sent),
            },
        }
    }
}

const COLUMNS: &str = "hash, bytes, media_type, taken_at_ms, kept_at_ms, here, thumbnail, branch_at_ms, sent, \
     refusal_code, refusal_zh, refusal_en, tries, due_ms, wanted, given_up_at_ms";

/// Notes a file whose bytes were just put beside the store. One that was refused or given up begins anew.
pub(crate) fn keep(connection: &Connection, file: &FileRow) -> Result<(), Error> {
    connection
        .prepare_cached(
            "INSERT INTO file (hash, bytes, media_type, taken_at_ms, kept_at_ms, here, thumbnail)
             VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6)
             ON CONFLICT (hash) DO UPDATE SET bytes = ?2, media_type = ?3, taken_at_ms = ?4,
               kept_at_ms = coalesce(kept_at_ms, ?5), here = 1, thumbnail = max(thumbnail, ?6),
               refusal_code = NULL, refusal_zh = NULL, refusal_en = NULL, tries = 0, due_ms = 0, wanted = 0,
               given_up_at_ms = NULL",
        )?
        .execute(params![
            file.hash.as_bytes(),
            file.bytes.cast_signed(),
            file.media_type,
            file.taken_at_ms,
            file.kept_at_ms,
            thumbnail_code(file.thumbnail),
        ])?;
    Ok(())
}

/// Notes the files that a record names, listed at a time; those that are known stay as they are.
pub(crate) fn note_named(
    connection: &Connection,
    files: &[NamedFile],
    listed_at_ms: i64,
) -> Result<(), Error> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO file (hash, bytes, media_type, taken_at_ms, listed_at_ms) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (hash) DO UPDATE SET listed_at_ms = max(coalesce(listed_at_ms, ?5), ?5)",
    )?;
    for NamedFile { file, .. } in files {
        insert.execute(params![
            file.hash.as_bytes(),
            file.bytes.cast_signed(),
            file.media_type,
            file.taken_at_ms,
            listed_at_ms,
        ])?;
    }
    Ok(())
}

/// A file.
pub(crate) fn find(connection: &Connection, hash: FileHash) -> Result<Option<FileRow>, Error> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM file WHERE hash = ?1"))?;
    Ok(statement.query_row([hash.as_bytes()], file_row).optional()?)
}

/// Files whose hash begins with these hexadecimal digits, a few at most.
pub(crate) fn beginning_with(connection: &Connection, digits: &str) -> Result<Vec<FileRow>, Error> {
    let (first, last) = (format!("{digits:0<64}"), format!("{digits:f<64}"));
    let (Ok(first), Ok(last)) = (first.parse::<FileHash>(), last.parse::<FileHash>()) else {
        return Ok(Vec::new());
    };
    select(
        connection,
        "WHERE hash BETWEEN ?1 AND ?2 ORDER BY hash LIMIT 20",
        params![first.as_bytes(), last.as_bytes()],
    )
}

/// Files here that the branch lacks, those to be given up left out, in the order of sending.
pub(crate) fn unsent(connection: &Connection) -> Result<Vec<FileRow>, Error> {
    select(
        connection,
        "WHERE here = 1 AND branch_at_ms IS NULL AND given_up_at_ms IS NULL ORDER BY ordinal",
        [],
    )
}

/// Number and bytes of the files that [`unsent`] lists.
pub(crate) fn unsent_count(connection: &Connection) -> Result<(u32, u64), Error> {
    let mut statement = connection.prepare_cached(
        "SELECT count(*), coalesce(sum(bytes), 0) FROM file
         WHERE here = 1 AND branch_at_ms IS NULL AND given_up_at_ms IS NULL",
    )?;
    Ok(statement.query_row([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?)
}

/// Files of records listed since a time that are not here and of which the branch was not asked since another.
pub(crate) fn unknown(
    connection: &Connection,
    listed_since_ms: i64,
    asked_before_ms: i64,
    limit: u32,
) -> Result<Vec<FileRow>, Error> {
    select(
        connection,
        "WHERE here = 0 AND branch_at_ms IS NULL AND listed_at_ms >= ?1 AND coalesce(asked_at_ms, 0) < ?2
         ORDER BY listed_at_ms DESC LIMIT ?3",
        params![listed_since_ms, asked_before_ms, limit],
    )
}

/// Files that were confirmed and are still here, of which the branch was not asked since a time: it may have lost
/// them meanwhile, and here they still are.
pub(crate) fn confirmed_before(
    connection: &Connection,
    asked_before_ms: i64,
    limit: u32,
) -> Result<Vec<FileRow>, Error> {
    select(
        connection,
        "WHERE here = 1 AND branch_at_ms IS NOT NULL AND coalesce(asked_at_ms, 0) < ?1 ORDER BY kept_at_ms LIMIT ?2",
        params![asked_before_ms, limit],
    )
}

/// Files of records listed since a time that the branch has and whose thumbnail is not here.
pub(crate) fn without_thumbnail(
    connection: &Connection,
    listed_since_ms: i64,
    now_ms: i64,
    limit: u32,
) -> Result<Vec<FileRow>, Error> {
    select(
        connection,
        "WHERE thumbnail = 0 AND here = 0 AND branch_at_ms IS NOT NULL AND listed_at_ms >= ?1 AND due_ms <= ?2
         ORDER BY listed_at_ms DESC LIMIT ?3",
        params![listed_since_ms, now_ms, limit],
    )
}

/// Files whose bytes are to be fetched.
pub(crate) fn wanted(connection: &Connection) -> Result<Vec<FileRow>, Error> {
    select(connection, "WHERE wanted = 1 ORDER BY ordinal", [])
}

/// Files that the branch has too and whose bytes are here, the oldest first.
pub(crate) fn spare(connection: &Connection) -> Result<Vec<FileRow>, Error> {
    select(connection, "WHERE here = 1 AND branch_at_ms IS NOT NULL ORDER BY kept_at_ms", [])
}

/// Bytes of all files here.
pub(crate) fn bytes_here(connection: &Connection) -> Result<u64, Error> {
    let mut statement =
        connection.prepare_cached("SELECT coalesce(sum(bytes), 0) FROM file WHERE here = 1")?;
    Ok(statement.query_row([], |row| row.get::<_, i64>(0))?.cast_unsigned())
}

/// Every file, in the order in which they came to be known, after a place; with the place of the last.
pub(crate) fn page(connection: &Connection, after: i64, limit: u32) -> Result<Vec<(i64, FileRow)>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS}, ordinal FROM file WHERE ordinal > ?1 ORDER BY ordinal LIMIT ?2"
    ))?;
    let rows = statement.query_map(params![after, limit], |row| Ok((row.get(16)?, file_row(row)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The branch has the file whole.
pub(crate) fn put_confirmed(connection: &Connection, hash: FileHash, at_ms: i64) -> Result<(), Error> {
    connection
        .prepare_cached(
            "UPDATE file SET branch_at_ms = coalesce(branch_at_ms, ?2), asked_at_ms = ?2, sent = bytes, tries = 0,
               refusal_code = NULL, refusal_zh = NULL, refusal_en = NULL WHERE hash = ?1",
        )?
        .execute(params![hash.as_bytes(), at_ms])?;
    Ok(())
}

/// The branch lacks the file; it has so many bytes of it.
pub(crate) fn put_lacking(
    connection: &Connection,
    hash: FileHash,
    sent: u64,
    at_ms: i64,
) -> Result<(), Error> {
    connection
        .prepare_cached("UPDATE file SET branch_at_ms = NULL, asked_at_ms = ?3, sent = ?2 WHERE hash = ?1")?
        .execute(params![hash.as_bytes(), sent.cast_signed(), at_ms])?;
    Ok(())
}

/// So many bytes were sent, or fetched.
pub(crate) fn put_sent(connection: &Connection, hash: FileHash, sent: u64) -> Result<(), Error> {
    connection
        .prepare_cached("UPDATE file SET sent = ?2, tries = 0 WHERE hash = ?1 AND branch_at_ms IS NULL")?
        .execute(params![hash.as_bytes(), sent.cast_signed()])?;
    Ok(())
}

/// A try failed; the next one comes not before a time.
pub(crate) fn put_failed(connection: &Connection, hash: FileHash, due_ms: i64) -> Result<(), Error> {
    connection
        .prepare_cached("UPDATE file SET tries = tries + 1, due_ms = ?2 WHERE hash = ?1")?
        .execute(params![hash.as_bytes(), due_ms])?;
    Ok(())
}

/// The file cannot be sent, or fetched: it waits for the person.
pub(crate) fn put_refused(connection: &Connection, hash: FileHash, refusal: &Refusal) -> Result<(), Error> {
    let Sentence { zh, en } = &refusal.sentence;
    connection
        .prepare_cached(
            "UPDATE file SET refusal_code = ?2, refusal_zh = ?3, refusal_en = ?4, sent = 0, wanted = 0
             WHERE hash = ?1",
        )?
        .execute(params![hash.as_bytes(), refusal.code, zh, en])?;
    Ok(())
}

/// The person wants it tried again, at once.
pub(crate) fn put_again(connection: &Connection, hash: FileHash) -> Result<(), Error> {
    connection
        .prepare_cached(
            "UPDATE file SET refusal_code = NULL, refusal_zh = NULL, refusal_en = NULL, tries = 0, due_ms = 0,
               given_up_at_ms = NULL WHERE hash = ?1",
        )?
        .execute([hash.as_bytes()])?;
    Ok(())
}

/// The person gave it up.
pub(crate) fn put_given_up(connection: &Connection, hash: FileHash, at_ms: i64) -> Result<(), Error> {
    connection
        .prepare_cached("UPDATE file SET given_up_at_ms = ?2 WHERE hash = ?1 AND branch_at_ms IS NULL")?
        .execute(params![hash.as_bytes(), at_ms])?;
    Ok(())
}

/// Its bytes are to be fetched, or no longer.
pub(crate) fn put_wanted(connection: &Connection, hash: FileHash, is_wanted: bool) -> Result<(), Error> {
    connection
        .prepare_cached("UPDATE file SET wanted = ?2, due_ms = 0, tries = 0 WHERE hash = ?1")?
        .execute(params![hash.as_bytes(), is_wanted])?;
    Ok(())
}

/// Its bytes came from the branch and lie beside the store.
pub(crate) fn put_here(connection: &Connection, hash: FileHash) -> Result<(), Error> {
    connection
        .prepare_cached("UPDATE file SET here = 1, wanted = 0 WHERE hash = ?1")?
        .execute([hash.as_bytes()])?;
    Ok(())
}

/// Its bytes are about to leave.
pub(crate) fn put_gone(connection: &Connection, hash: FileHash) -> Result<(), Error> {
    connection.prepare_cached("UPDATE file SET here = 0 WHERE hash = ?1")?.execute([hash.as_bytes()])?;
    Ok(())
}

/// Whether its thumbnail lies beside the store.
pub(crate) fn put_thumbnail(
    connection: &Connection,
    hash: FileHash,
    thumbnail: Thumbnail,
) -> Result<(), Error> {
    connection
        .prepare_cached("UPDATE file SET thumbnail = ?2 WHERE hash = ?1")?
        .execute(params![hash.as_bytes(), thumbnail_code(thumbnail)])?;
    Ok(())
}

/// Takes a file out.
pub(crate) fn remove(connection: &Connection, hash: FileHash) -> Result<(), Error> {
    connection.prepare_cached("DELETE FROM file WHERE hash = ?1")?.execute([hash.as_bytes()])?;
    Ok(())
}

/// Nothing that the branch confirmed counts any more: it was restored from a backup, and is asked again.
pub(crate) fn doubt_all(connection: &Connection) -> Result<(), Error> {
    connection.execute("UPDATE file SET asked_at_ms = NULL WHERE branch_at_ms IS NOT NULL", [])?;
    Ok(())
}

/// When the branch last heard of a person whose files it lacks.
pub(crate) fn put_seen(connection: &Connection, user: &UserId, seen_ms: i64) -> Result<(), Error> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO person_seen (user, seen_ms) VALUES (?1, ?2)")?
        .execute(params![user.as_str(), seen_ms])?;
    Ok(())
}

/// When the branch last heard of a person, as far as it said.
pub(crate) fn seen(connection: &Connection, user: &UserId) -> Result<Option<i64>, Error> {
    let mut statement = connection.prepare_cached("SELECT seen_ms FROM person_seen WHERE user = ?1")?;
    Ok(statement.query_row([user.as_str()], |row| row.get(0)).optional()?)
}

fn select(
    connection: &Connection,
    condition: &str,
    values: impl rusqlite::Params,
) -> Result<Vec<FileRow>, Error> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM file {condition}"))?;
    let rows = statement.query_map(values, file_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn file_row(row: &Row<'_>) -> rusqlite::Result<FileRow> {
    let refusal = match row.get::<_, Option<String>>(9)? {
        Some(code) => Some(Refusal { code, sentence: Sentence { zh: row.get(10)?, en: row.get(11)? } }),
        None => None,
    };
    Ok(FileRow {
        hash: FileHash(bytes(row, 0)?),
        bytes: row.get::<_, i64>(1)?.cast_unsigned(),
        media_type: row.get(2)?,
        taken_at_ms: row.get(3)?,
        kept_at_ms: row.get(4)?,
        is_here: row.get(5)?,
        thumbnail: match row.get::<_, i64>(6)? {
            1 => Thumbnail::Here,
            2 => Thumbnail::None,
            _ => Thumbnail::Absent,
        },
        branch_at_ms: row.get(7)?,
        sent: row.get::<_, i64>(8)?.cast_unsigned(),
        refusal,
        tries: row.get(12)?,
        due_ms: row.get(13)?,
        is_wanted: row.get(14)?,
        given_up_at_ms: row.get(15)?,
    })
}

const fn thumbnail_code(thumbnail: Thumbnail) -> i64 {
    match thumbnail {
        Thumbnail::Absent => 0,
        Thumbnail::Here => 1,
        Thumbnail::None => 2,
    }
}
