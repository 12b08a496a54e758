//! The tables of the projection, the same on a device and at the branch.

/// All steps of the projection's tables, in order: what it takes to write rows into an empty file.
pub const STEPS: [&str; 6] = [SCHEMA, FACTS_SCHEMA, LEAN_SCHEMA, FILES_SCHEMA, SEARCH_SCHEMA, GRADE_SCHEMA];

/// Creates the projection's tables; an early step of both stores' schemas runs it, [`LEAN_SCHEMA`] a later.
///
/// The comments stand inside the statements, so that `.schema` shows them. No column holds anything
/// that is not in a document: rows can be dropped and written again to the same bytes.
pub const SCHEMA: &str = "
CREATE TABLE projected (
    -- One row per document: what lists, counts and filters need without loading a document.
    id INTEGER PRIMARY KEY,            -- joins projected_text; local, no part of the fingerprint
    document BLOB NOT NULL UNIQUE,     -- document id, 16 bytes
    scope TEXT NOT NULL,               -- unit/stream that the document is replicated in
    kind INTEGER NOT NULL,             -- 1 inspection, 2 ledger entry
    definition TEXT NOT NULL,          -- id of the checklist or ledger
    definition_version INTEGER NOT NULL,
    definition_hash BLOB NOT NULL,     -- with id and version: the definition the document pins
    project TEXT NOT NULL,             -- project the record is about; the branch where it names none
    state TEXT NOT NULL,               -- derived lifecycle state
    terminal INTEGER NOT NULL,         -- 1 where that state ends the lifecycle: never overdue
    title TEXT NOT NULL,               -- title of the checklist or ledger, zh-CN
    summary TEXT NOT NULL,             -- one line that tells the record from its neighbours
    number TEXT,                       -- official number, given by the branch
    temp_number TEXT,                  -- number given offline; stays searchable for ever
    created_by TEXT,                   -- person of the first event
    created_at_ms INTEGER NOT NULL,    -- device time of the first event
    updated_at_ms INTEGER NOT NULL,    -- latest device time of any value or event
    listed_at_ms INTEGER NOT NULL,     -- order of lists: creation, but not later than the branch's number
    due_ms INTEGER,                    -- when it is due: end of the due day, or the promised time
    handler TEXT,                      -- person who works on it
    first_contact TEXT,                -- person who answers for it to the caller
    owner_dept TEXT,                   -- department in charge
    score REAL,                        -- score of a sheet, percent or count as its method says
    result TEXT,                       -- result of a sheet: pass, fail, open
    clashes INTEGER NOT NULL,          -- clashes that wait for a decision
    contested INTEGER NOT NULL         -- events that the merge left contested
);
CREATE INDEX projected_by_scope ON projected (scope, document);
CREATE INDEX projected_by_definition ON projected (definition, listed_at_ms DESC, document);
CREATE INDEX projected_by_listing ON projected (listed_at_ms DESC, document);
CREATE INDEX projected_by_project ON projected (project, definition, listed_at_ms DESC);
CREATE INDEX projected_by_due ON projected (due_ms) WHERE due_ms IS NOT NULL AND terminal = 0;
CREATE INDEX projected_by_number ON projected (number) WHERE number IS NOT NULL;
CREATE INDEX projected_by_temp_number ON projected (temp_number) WHERE temp_number IS NOT NULL;

CREATE TABLE projected_person (
    -- Who may call a document mine: its author, and everyone its fields or answers name or come from.
    document BLOB NOT NULL,
    user TEXT NOT NULL,
    PRIMARY KEY (user, document)
) WITHOUT ROWID;
CREATE INDEX projected_person_by_document ON projected_person (document, user);

CREATE TABLE projected_history (
    -- What happened to a document, in the order to show: events in causal order, and between them
    -- the values as they stand with who wrote them and when.
    document BLOB NOT NULL,
    place INTEGER NOT NULL,            -- order within the document, from 0
    kind INTEGER NOT NULL,             -- 1 event, 2 value
    what TEXT NOT NULL,                -- kind of the event, or key of the value
    event TEXT NOT NULL,               -- id of the event; empty for a value
    user TEXT NOT NULL,                -- who
    at_ms INTEGER NOT NULL,            -- device time
    state TEXT NOT NULL,               -- lifecycle state after the event, where it has one
    contested INTEGER NOT NULL,        -- 1 where the merge left the event contested
    data TEXT NOT NULL,                -- JSON object: what the event carried; {\"value\": ..} for a value
    PRIMARY KEY (document, place)
) WITHOUT ROWID;

CREATE TABLE projected_clash (
    -- One choice of one clash that waits for a decision.
    document BLOB NOT NULL,
    place INTEGER NOT NULL,            -- order of the clash within the document, from 0
    choice INTEGER NOT NULL,           -- order of the choice within the clash, from 0; 0 is the winner
    key TEXT NOT NULL,                 -- key of the value, or id of the contested event
    reason TEXT NOT NULL,              -- why it waits, a stable code
    value TEXT NOT NULL,               -- JSON: what was written
    user TEXT NOT NULL,                -- who wrote it
    at_ms INTEGER NOT NULL,            -- device time
    PRIMARY KEY (document, place, choice)
) WITHOUT ROWID;

CREATE VIRTUAL TABLE projected_text USING fts5(
    -- Full text of a document; rowid is projected.id. Trigrams, because Chinese has no spaces.
    body,
    tokenize = 'trigram'
);
";

/// Adds the table that reports read; a later step of both stores' schemas runs it. Rows that were written
/// before must be written again.
pub const FACTS_SCHEMA: &str = "
CREATE TABLE projected_facts (
    -- What reports read of a document in one piece: values, texts, lines, events, answers.
    id INTEGER PRIMARY KEY,            -- projected.id
    facts TEXT NOT NULL                -- JSON object, see projection::facts
);
";

/// The same rows in fewer writes: they were most of the time of a fresh device's fetch. A history is one row
/// instead of one per line; the index of the text knows which records hold a trigram, not where.
pub const LEAN_SCHEMA: &str = "
ALTER TABLE projected_history RENAME TO projected_line;

CREATE TABLE projected_history (
    -- What happened to a document, in the order to show: events in causal order, and between them
    -- the values as they stand with who wrote them and when.
    id INTEGER PRIMARY KEY,            -- projected.id
    lines TEXT NOT NULL                -- JSON array: an event is [kind, id, user, device time, lifecycle state
                                       -- after it or empty, 1 where the merge left it contested, {data}],
                                       -- a value is [key, user, device time, value]
);

INSERT INTO projected_history (id, lines)
SELECT p.id, '[' || group_concat(
    CASE l.kind
        WHEN 1 THEN json_array(l.what, l.event, l.user, l.at_ms, l.state, l.contested, json(l.data))
        ELSE json_array(l.what, l.user, l.at_ms, l.data -> '$.value')
    END, ',' ORDER BY l.place) || ']'
FROM projected_line AS l JOIN projected AS p USING (document)
GROUP BY p.id;

DROP TABLE projected_line;

CREATE VIRTUAL TABLE projected_word USING fts5(
    -- Full text of a document; rowid is projected.id. Trigrams, because Chinese has no spaces.
    body,
    tokenize = 'trigram', detail = none, columnsize = 0
);
INSERT INTO projected_word (rowid, body) SELECT rowid, body FROM projected_text;
DROP TABLE projected_text;
ALTER TABLE projected_word RENAME TO projected_text;
";

/// Adds the files that documents name; a later step of both stores' schemas runs it. Rows that were written before
/// must be written again.
pub const FILES_SCHEMA: &str = "
CREATE TABLE projected_file (
    -- A place of a document that names a file; a document may name one file at several places.
    id INTEGER NOT NULL,               -- projected.id
    place INTEGER NOT NULL,            -- order within the document, from 0
    hash BLOB NOT NULL,                -- SHA-256 of the file
    key TEXT NOT NULL,                 -- the register that names it
    bytes INTEGER NOT NULL,            -- its size as the author said; 0 where that was not said
    media_type TEXT NOT NULL,          -- as the author said; empty where that was not said
    taken_at_ms INTEGER,               -- when it was taken, as the author said
    user TEXT NOT NULL,                -- who put it there
    at_ms INTEGER NOT NULL,            -- device time
    PRIMARY KEY (id, place)
) WITHOUT ROWID;
CREATE INDEX projected_file_by_hash ON projected_file (hash);
";

/// The text apart from its index, which follows when nobody waits: writing it was the largest part of storing
/// a record.
pub const SEARCH_SCHEMA: &str = "
CREATE TABLE projected_body (
    -- Full text of a document: what search compares terms with.
    id INTEGER PRIMARY KEY,            -- projected.id
    body TEXT NOT NULL
);
CREATE TABLE projected_unindexed (
    -- Documents whose text is not in the index as it reads: search looks through each of them.
    id INTEGER PRIMARY KEY             -- projected.id
);
INSERT INTO projected_body (id, body) SELECT rowid, body FROM projected_text;
INSERT INTO projected_unindexed (id) SELECT id FROM projected_body;
DROP TABLE projected_text;

CREATE VIRTUAL TABLE projected_index USING fts5(
    -- Which documents hold a trigram, because Chinese has no spaces; rowid is projected.id.
    body,
    tokenize = 'trigram', content = '', detail = none, columnsize = 0
);
";

/// What charts and lists by weight count without reading facts. Rows that were written before must be written
/// again.
pub const GRADE_SCHEMA: &str = "
-- how grave an entry is: the option of the field of which the highest counts
ALTER TABLE projected ADD COLUMN grade TEXT;
-- when its lifecycle ended, device time; null while it has not
ALTER TABLE projected ADD COLUMN ended_at_ms INTEGER;
";
