//! The steps of the branch's schema. A step that was released never changes; the opener stamps how many
//! were taken.

use xunyuan_core::projection;

/// All steps, oldest first.
pub(super) const STEPS: &[&str] = &[
    BRANCH,
    projection::SCHEMA,
    EVIDENCE,
    EPOCHS,
    projection::FACTS_SCHEMA,
    UPKEEP,
    DUTIES,
    projection::LEAN_SCHEMA,
    projection::FILES_SCHEMA,
    FILES,
    UPKEEP_IN_STEPS,
    projection::SEARCH_SCHEMA,
    COMPACTION,
    projection::GRADE_SCHEMA,
    CONSOLE,
    PROGRAMS,
    HOOKS,
    LISTS,
];

/// The log and what stands around it.
const BRANCH: &str = "
CREATE TABLE server (
    -- What this branch server is: made once, when the file is made.
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seed BLOB NOT NULL,                -- secret seed of the server's signing key, 32 bytes
    epoch BLOB NOT NULL,               -- 8 bytes; drawn anew when a backup is opened
    is_backup INTEGER NOT NULL,        -- 1 in a file that backup wrote, until it is opened to serve
    branch TEXT                        -- unit id of the branch; null until an organisation is loaded
) STRICT;

CREATE TABLE scope (
    -- The head of each scope's log; moves in the transaction that appends a row.
    scope TEXT PRIMARY KEY,            -- unit/stream
    seq INTEGER NOT NULL,              -- last row of the log, dense from 1
    chain BLOB NOT NULL,               -- chain at that row
    count INTEGER NOT NULL,            -- changes and definitions in the scope
    sum BLOB NOT NULL,                 -- digest over them
    cut_seq INTEGER NOT NULL DEFAULT 0,-- where the log ended when this epoch began: devices that hold
    cut_chain BLOB                     -- more go back to here and give the rest back
) STRICT, WITHOUT ROWID;

CREATE TABLE log (
    -- One row per signed run or definition version, in order of arrival per scope. Never changes.
    id INTEGER PRIMARY KEY,
    scope TEXT NOT NULL,
    seq INTEGER NOT NULL,              -- place in the scope, dense from 1
    kind INTEGER NOT NULL,             -- 1 run, 2 definition
    document BLOB NOT NULL,            -- document id, or the id derived from a definition version
    actor BLOB,                        -- author id inside the changes; null for a definition
    first_seq INTEGER,                 -- seq of the first change of the run
    last_seq INTEGER,                  -- seq of the last
    device BLOB NOT NULL,              -- who signed
    user TEXT NOT NULL,                -- for whom
    received_at_ms INTEGER NOT NULL,   -- server clock on arrival
    last_hash BLOB NOT NULL,           -- hash of the last change, or content hash
    chain BLOB NOT NULL,               -- chain at this row
    signature BLOB NOT NULL,           -- Ed25519 by the device; empty for a definition
    hashes BLOB NOT NULL,              -- hash of each change, 32 bytes each
    max_ops BLOB NOT NULL,             -- last operation counter of each change, 4 bytes big-endian each
    changes BLOB NOT NULL,             -- the packed run as it travels; empty for a definition
    UNIQUE (scope, seq)
) STRICT;
CREATE INDEX log_by_document ON log (document, seq);
-- One actor cannot have two changes of one seq: a copied phone is found out here at the latest.
CREATE UNIQUE INDEX log_by_actor ON log (document, actor, first_seq) WHERE actor IS NOT NULL;

CREATE TABLE document (
    -- What a document is; it belongs to one scope and one definition version for ever.
    document BLOB PRIMARY KEY,
    scope TEXT NOT NULL,
    definition TEXT NOT NULL,
    definition_version INTEGER NOT NULL,
    definition_hash BLOB NOT NULL,
    changes INTEGER NOT NULL,          -- changes in the log
    actors INTEGER NOT NULL            -- actors among them
) STRICT, WITHOUT ROWID;
CREATE INDEX document_by_scope ON document (scope, document);

CREATE TABLE actor (
    -- Whose an actor of a document is: the device of its first change, for ever.
    document BLOB NOT NULL,
    actor BLOB NOT NULL,
    device BLOB NOT NULL,
    user TEXT NOT NULL,
    last_seq INTEGER NOT NULL,         -- seq of its last change in the log
    PRIMARY KEY (document, actor)
) STRICT, WITHOUT ROWID;

CREATE TABLE device (
    -- One enrolled replica: one person on one device.
    device BLOB PRIMARY KEY,           -- from the public key
    public_key BLOB NOT NULL,
    user TEXT NOT NULL,
    code TEXT NOT NULL UNIQUE,         -- part of temporary numbers
    token_hash BLOB NOT NULL UNIQUE,   -- SHA-256 of the bearer token; the token itself is nowhere
    enrolled_at_ms INTEGER NOT NULL,
    revoked_at_ms INTEGER,             -- null while it may exchange
    app TEXT NOT NULL,                 -- as it last said
    last_seen_ms INTEGER,              -- server clock at its last exchange; null before the first
    store_schema INTEGER,              -- schema version of its store, as it last said
    skew_ms INTEGER,                   -- its clock minus the server's
    pending_changes INTEGER NOT NULL DEFAULT 0,   -- what it still held back, as it last said
    pending_photos INTEGER NOT NULL DEFAULT 0,
    conflicts INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE invitation (
    -- A link that makes one device.
    secret_hash BLOB PRIMARY KEY,      -- SHA-256 of the secret; the secret itself is nowhere
    user TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    used_at_ms INTEGER,                -- null until a device came with it
    device BLOB                        -- that device
) STRICT, WITHOUT ROWID;

CREATE TABLE definition (
    -- Every published version of every definition; immutable.
    document BLOB PRIMARY KEY,         -- derived id: joins log.document
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    hash BLOB NOT NULL,                -- SHA-256 of json
    json BLOB NOT NULL,                -- canonical bytes
    seq INTEGER NOT NULL,              -- its row in the definitions scope
    published_at_ms INTEGER NOT NULL,
    UNIQUE (id, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE counter (
    -- Official numbers: the last one given per number series.
    key TEXT PRIMARY KEY,
    last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE refusal (
    -- Refused runs, kept with their bytes: what was refused is visible to the branch.
    id INTEGER PRIMARY KEY,
    scope TEXT NOT NULL,
    document BLOB NOT NULL,
    device BLOB NOT NULL,
    user TEXT NOT NULL,
    last_hash BLOB NOT NULL,
    code TEXT NOT NULL,                -- stable code of the refusal
    zh TEXT NOT NULL,
    en TEXT NOT NULL,
    at_ms INTEGER NOT NULL,            -- server clock of the first attempt
    times INTEGER NOT NULL,            -- attempts with the same run and the same answer
    bytes BLOB NOT NULL,               -- the packed run; empty once a device has used up its share
    UNIQUE (device, document, last_hash, code)
) STRICT;
";

/// What it takes to read and check refused runs; null in rows that were kept before this step.
const EVIDENCE: &str = "
ALTER TABLE refusal ADD COLUMN actor BLOB;               -- author id of the changes
ALTER TABLE refusal ADD COLUMN definition TEXT;          -- what the document is a record of
ALTER TABLE refusal ADD COLUMN definition_version INTEGER;
ALTER TABLE refusal ADD COLUMN definition_hash BLOB;
ALTER TABLE refusal ADD COLUMN signature BLOB;           -- as it was pushed; whether it is good is not said
ALTER TABLE refusal ADD COLUMN author_device BLOB;       -- who wrote it, where another device gave it back
ALTER TABLE refusal ADD COLUMN author_user TEXT;
";

/// What tells a file that was put back in silence from one that serves on.
const EPOCHS: &str = "
CREATE TABLE epoch (
    -- Epochs of which devices may hold signed heads: every one that this file has lived in.
    epoch BLOB PRIMARY KEY             -- 8 bytes
) STRICT, WITHOUT ROWID;
";

/// The rows that reports read came later than the documents.
const UPKEEP: &str = "
CREATE TABLE upkeep (
    -- What a step left to be done once, at the next opening.
    task TEXT PRIMARY KEY              -- project: write the rows of every document again
) STRICT, WITHOUT ROWID;
INSERT INTO upkeep (task) VALUES ('project');
";

/// Rows are written again in steps, because the writer must not be kept for all of them; publications leave
/// the task as well.
const UPKEEP_IN_STEPS: &str = "
-- the last document whose rows are written again, in the order of ids; empty before the first
ALTER TABLE upkeep ADD COLUMN place BLOB NOT NULL DEFAULT x'';
";

/// Who owes what, and how far the branch has looked.
const DUTIES: &str = "
CREATE TABLE duty (
    -- One thing that somebody owes, as last judged. Rows follow from records, rules and time, but for what
    -- was escalated and when something arrived, which are kept.
    key TEXT PRIMARY KEY,              -- the duty's name for ever
    rule TEXT NOT NULL,
    unit TEXT NOT NULL,                -- project or branch
    kind INTEGER NOT NULL,             -- 1 record, 2 slot, 3 ledger or report of a unit, 4 device
    subject TEXT NOT NULL,             -- document, slot, ledger or report, device
    document BLOB,                     -- the record or sheet
    owners TEXT NOT NULL,              -- u:<person> or r:<role>, separated by spaces
    period TEXT NOT NULL,
    opens_ms INTEGER NOT NULL,
    due_ms INTEGER,                    -- null where it has no time
    outcome INTEGER NOT NULL,          -- 0 waiting, 1 done, 2 broken
    event TEXT NOT NULL,               -- what fulfilled it; empty where nothing did
    at_ms INTEGER,                     -- when it was done or broken
    received_ms INTEGER,               -- server clock when that arrived
    suspicious INTEGER NOT NULL,       -- 1 where the clock of the deed is no evidence
    status TEXT NOT NULL,              -- as last judged
    steps INTEGER NOT NULL,            -- steps of the escalation that were taken, one bit each
    next_ms INTEGER                    -- when to judge it again; null where time changes nothing
) STRICT, WITHOUT ROWID;
CREATE INDEX duty_by_next ON duty (next_ms) WHERE next_ms IS NOT NULL;
CREATE INDEX duty_by_document ON duty (document) WHERE document IS NOT NULL;
CREATE INDEX duty_by_rule ON duty (rule, unit, opens_ms);
CREATE INDEX duty_by_unit ON duty (unit, status, due_ms);

CREATE TABLE duty_deed (
    -- What of a record fulfils a duty that is not its own.
    key TEXT NOT NULL,
    document BLOB NOT NULL,
    event TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    received_ms INTEGER,
    suspicious INTEGER NOT NULL,
    PRIMARY KEY (key, document)
) STRICT, WITHOUT ROWID;

CREATE TABLE duty_clock (
    -- How far the branch has looked: everything after it is caught up with at the next look.
    id INTEGER PRIMARY KEY CHECK (id = 1),
    born_ms INTEGER NOT NULL,          -- nothing that was due before is escalated
    looked_ms INTEGER NOT NULL,        -- units, slots and devices were looked at until then
    log_id INTEGER NOT NULL,           -- records in the log up to here were looked at
    rules TEXT NOT NULL,               -- the definitions that were in force
    sweep_id INTEGER                   -- rows of the projection up to here were looked at again; null when done
) STRICT;
";

/// The files that records name: what of them is here. The bytes lie elsewhere, by hash.
const FILES: &str = "
CREATE TABLE file (
    -- A file that is here whole: a row is written after its bytes are on disk.
    hash BLOB PRIMARY KEY,             -- SHA-256 of the bytes
    bytes INTEGER NOT NULL,
    media_type TEXT NOT NULL,          -- told by the bytes
    received_at_ms INTEGER NOT NULL,   -- server clock
    device BLOB NOT NULL,              -- who brought it
    thumbnail INTEGER NOT NULL,        -- 0 not made yet, 1 made, 2 there is none
    loose_at_ms INTEGER                -- since when no record names it; null while one does
) STRICT, WITHOUT ROWID;
CREATE INDEX file_loose ON file (loose_at_ms) WHERE loose_at_ms IS NOT NULL;

CREATE TABLE file_total (
    -- How many there are, so that nobody counts them.
    id INTEGER PRIMARY KEY CHECK (id = 1),
    count INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) STRICT;
INSERT INTO file_total (id, count, bytes) VALUES (1, 0, 0);
CREATE TRIGGER file_came AFTER INSERT ON file BEGIN
    UPDATE file_total SET count = count + 1, bytes = bytes + new.bytes;
END;
CREATE TRIGGER file_went AFTER DELETE ON file BEGIN
    UPDATE file_total SET count = count - 1, bytes = bytes - old.bytes;
END;

CREATE TABLE file_holder (
    -- People who showed that they hold a file's bytes: by giving them, or by hashing them behind a challenge.
    hash BLOB NOT NULL,
    user TEXT NOT NULL,
    PRIMARY KEY (hash, user)
) STRICT, WITHOUT ROWID;

CREATE TABLE file_scope (
    -- Scopes in which a file may be read: a record there names it, and whoever put it there had the bytes or
    -- could read them elsewhere. Naming a hash alone opens nothing.
    hash BLOB NOT NULL,
    scope TEXT NOT NULL,
    PRIMARY KEY (hash, scope)
) STRICT, WITHOUT ROWID;

CREATE TABLE file_missing (
    -- What records wait for.
    document BLOB NOT NULL,
    hash BLOB NOT NULL,
    scope TEXT NOT NULL,
    user TEXT NOT NULL,                -- who put it there
    since_ms INTEGER NOT NULL,         -- server clock when the record came
    PRIMARY KEY (document, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX file_missing_by_hash ON file_missing (hash);
CREATE INDEX file_missing_by_time ON file_missing (since_ms);

INSERT OR IGNORE INTO upkeep (task) VALUES ('project');
";

/// How far the log lies in its form at rest.
const COMPACTION: &str = "
CREATE TABLE compaction (
    -- At most one row; none before the first step.
    id INTEGER PRIMARY KEY CHECK (id = 1),
    log_id INTEGER NOT NULL            -- id of the last row of the log that was looked at
) STRICT;
";

/// People who sign in to the console.
const CONSOLE: &str = "
ALTER TABLE device ADD COLUMN is_console INTEGER NOT NULL DEFAULT 0;  -- 1: a person writes under it in the console

CREATE TABLE account (
    -- What a person signs in with; a person without a row has never been given a link.
    user TEXT PRIMARY KEY,
    password TEXT,                     -- argon2id, PHC form; null until the person has set one
    second_factor BLOB,                -- secret of the one-time codes; null without a second factor
    code_step INTEGER NOT NULL DEFAULT 0,     -- time step of the last code that was taken: none works twice
    failures INTEGER NOT NULL DEFAULT 0,      -- wrong attempts since the last good one
    locked_until_ms INTEGER NOT NULL DEFAULT 0-- no attempt is looked at before
) STRICT, WITHOUT ROWID;

CREATE TABLE password_link (
    -- A link with which a person sets a password, once.
    secret_hash BLOB PRIMARY KEY,      -- SHA-256 of the secret; the secret itself is nowhere
    user TEXT NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    used_at_ms INTEGER                 -- null until it was used
) STRICT, WITHOUT ROWID;

CREATE TABLE session (
    -- A browser in which a person is signed in.
    token_hash BLOB PRIMARY KEY,       -- SHA-256 of the cookie; the cookie itself is nowhere
    user TEXT NOT NULL,
    is_half INTEGER NOT NULL,          -- 1 while the second factor is missing: opens nothing else
    browser TEXT NOT NULL,             -- as it names itself
    created_at_ms INTEGER NOT NULL,
    seen_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_by_user ON session (user);

-- The rows that lists read say more than before.
INSERT INTO upkeep (task) VALUES ('project') ON CONFLICT (task) DO UPDATE SET place = x'';
-- What the console's lists are put in order and counted by.
CREATE INDEX projected_by_state ON projected (definition, scope, terminal, state, due_ms, listed_at_ms, grade);
CREATE INDEX projected_by_update ON projected (definition, updated_at_ms, document);
CREATE INDEX duty_by_status ON duty (status, rule, unit, due_ms);
CREATE INDEX projected_undecided ON projected (definition, scope) WHERE clashes > 0 OR contested > 0;
";

/// Programs of others: what they read with, and where they are told of events.
const PROGRAMS: &str = "
CREATE TABLE token (
    -- What a program reads with, in the name of a person.
    id TEXT PRIMARY KEY,               -- names it where it is listed; opens nothing
    token_hash BLOB NOT NULL UNIQUE,   -- SHA-256 of the token; the token itself is nowhere
    user TEXT NOT NULL,
    name TEXT NOT NULL,                -- what it is for, in the person's words
    rights TEXT NOT NULL,              -- separated by spaces
    units TEXT NOT NULL,               -- projects that it is limited to, separated by spaces; empty for all
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    used_at_ms INTEGER,                -- to a few minutes; null before the first use
    revoked_at_ms INTEGER              -- null while it opens anything
) STRICT, WITHOUT ROWID;
CREATE INDEX token_by_user ON token (user, created_at_ms);
";

/// Where programs are told of events, and what they still have to be told.
const HOOKS: &str = "
CREATE TABLE hook (
    -- A target.
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    secret BLOB NOT NULL,              -- key of the signatures: it is needed as it is
    events TEXT NOT NULL,              -- kinds, separated by spaces
    units TEXT NOT NULL,               -- of these alone; empty for all
    ledgers TEXT NOT NULL,             -- of records of these alone; empty for all
    form TEXT NOT NULL,                -- standard or text
    created_at_ms INTEGER NOT NULL,
    rests_until_ms INTEGER NOT NULL DEFAULT 0,  -- nothing is sent before, after a failure
    skipped INTEGER NOT NULL DEFAULT 0          -- events that were not noted because too many waited
) STRICT, WITHOUT ROWID;

CREATE TABLE delivery (
    -- One event for one target: written in the transaction of what it tells of.
    id INTEGER PRIMARY KEY,
    hook TEXT NOT NULL,
    message TEXT NOT NULL,             -- the message's name, the same at every attempt
    event TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    data TEXT NOT NULL,                -- JSON
    state INTEGER NOT NULL,            -- 0 waiting, 1 delivered, 2 given up
    attempts INTEGER NOT NULL,
    next_ms INTEGER,                   -- null unless it waits
    tried_ms INTEGER,
    outcome TEXT NOT NULL,             -- of the last attempt, in a few words
    UNIQUE (hook, message)
) STRICT;
CREATE INDEX delivery_waiting ON delivery (hook, next_ms) WHERE next_ms IS NOT NULL;
CREATE INDEX delivery_by_state ON delivery (state, tried_ms);
";

/// Lists, counts and filters over a year's records read nothing but the index until they know what is shown.
const LISTS: &str = "
DROP INDEX projected_by_definition;
DROP INDEX projected_by_state;
DROP INDEX projected_by_update;
CREATE INDEX projected_by_list ON projected (
    definition, listed_at_ms DESC, document,
    -- what is filtered, counted and put in order by
    scope, state, terminal, project, due_ms, updated_at_ms, ended_at_ms, number, temp_number, handler,
    owner_dept, grade, kind, score, result, clashes, contested
);
-- with what is asked of a file's hash
DROP INDEX projected_file_by_hash;
CREATE INDEX projected_file_by_hash ON projected_file (hash, id, user);
-- duties by the record that they name second, at the end of their key
CREATE INDEX duty_by_second ON duty (substr(key, -33));
";
