//! The replica's tables. Each step was released as it stands and never changes; new ones are added.

/// The first step: identity, scopes, log records, outbox, definitions.
pub const STEP_1: &str = "
CREATE TABLE identity (
  -- who this replica is: one person on one device; exactly one row once enrolled
  id INTEGER PRIMARY KEY CHECK (id = 1),
  user TEXT NOT NULL,
  device BLOB NOT NULL,
  device_code TEXT NOT NULL,       -- first part of temporary numbers
  seed BLOB NOT NULL,              -- Ed25519 secret; signs every run
  token TEXT NOT NULL,             -- bearer token of the exchange
  server_url TEXT NOT NULL,
  server_key BLOB NOT NULL,        -- Ed25519 public key that signed heads are checked against
  branch TEXT NOT NULL,
  clock_offset_ms INTEGER          -- server clock minus device clock at the last exchange
) STRICT;

CREATE TABLE scope (
  -- where this replica stands in each scope it was ever granted
  scope TEXT PRIMARY KEY,
  granted INTEGER NOT NULL,        -- 0 once the grant was withdrawn
  epoch INTEGER NOT NULL,          -- of the server; 0 before the first contact (bits of a u64)
  cursor INTEGER NOT NULL,         -- last seq held; moves only together with its records
  chain BLOB NOT NULL,             -- at the cursor
  count INTEGER NOT NULL,          -- digest over the records up to the cursor
  sum BLOB NOT NULL,
  want_own INTEGER NOT NULL,       -- 1 when own runs must travel too, because they are not here
  proven_at_ms INTEGER             -- when cursor, chain and digest last equalled a signed head
) STRICT, WITHOUT ROWID;

CREATE TABLE document (
  -- every document held, and the author id under which this replica writes it
  document BLOB PRIMARY KEY,
  scope TEXT NOT NULL,
  definition_id TEXT NOT NULL,
  definition_version INTEGER NOT NULL,
  definition_hash BLOB NOT NULL,
  actor BLOB,                      -- null until this replica first writes it, or must write afresh
  projected INTEGER NOT NULL       -- 0 while its rows wait to be rebuilt: definition late, long catch-up
) STRICT, WITHOUT ROWID;

CREATE TABLE record (
  -- rows of the branch's logs that carry changes, as signed: proof, and what can be given back
  scope TEXT NOT NULL,
  seq INTEGER NOT NULL,
  document BLOB NOT NULL,
  actor BLOB NOT NULL,
  device BLOB NOT NULL,
  user TEXT NOT NULL,
  received_at_ms INTEGER NOT NULL,
  last_hash BLOB NOT NULL,
  changes BLOB NOT NULL,           -- packed run, see wire::run
  signature BLOB NOT NULL,
  chain BLOB NOT NULL,             -- the scope's chain at this row: where a restored log was cut
  former INTEGER NOT NULL,         -- 1 for a row that the server has lost: given back until it has it
                                   -- again; 2 where it then refused the row, kept for the person
  UNIQUE (scope, seq, former, last_hash)
) STRICT;
CREATE INDEX record_document ON record (document);

CREATE TABLE stub (
  -- records of documents that ended long ago and left this device: what proves the log without them
  scope TEXT NOT NULL,
  seq INTEGER NOT NULL,
  document BLOB NOT NULL,
  last_hash BLOB NOT NULL,
  chain BLOB NOT NULL,
  PRIMARY KEY (scope, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX stub_document ON stub (document);

CREATE TABLE outbox (
  -- changes written here that no cursor covers yet; a row without answer is the pending mark
  ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
  document BLOB NOT NULL,
  scope TEXT NOT NULL,
  actor BLOB NOT NULL,
  seq INTEGER NOT NULL,
  hash BLOB NOT NULL UNIQUE,
  follows INTEGER NOT NULL,        -- 1 when it directly builds on the row of the previous seq
  bytes BLOB NOT NULL,             -- the whole change chunk
  written_at_ms INTEGER NOT NULL,
  logged_seq INTEGER,              -- set when the server answered accepted or duplicate
  refusal_code TEXT,               -- set when the server refused it or what it builds on
  refusal_zh TEXT,
  refusal_en TEXT,
  UNIQUE (document, actor, seq)
) STRICT;

CREATE TABLE definition (
  -- published definition versions, as canonical JSON
  id TEXT NOT NULL,
  version INTEGER NOT NULL,
  hash BLOB NOT NULL,
  json BLOB NOT NULL,
  PRIMARY KEY (id, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE counter (
  -- running numbers of this device: temporary record numbers
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Work that the branch did not take: held back until it has another author id, or given up.
pub const STEP_2: &str = "
-- 1 once the branch asked for another author id: not offered until it is known what of it arrived
ALTER TABLE outbox ADD COLUMN forked INTEGER NOT NULL DEFAULT 0;

CREATE TABLE discarded (
  -- refused work that the person gave up: that it was there, never what it said
  document BLOB NOT NULL,
  actor BLOB NOT NULL,             -- author id of the changes, as the branch lists the refusal
  changes INTEGER NOT NULL,        -- how many
  refusal_code TEXT NOT NULL,      -- why the branch had refused them
  at_ms INTEGER NOT NULL,          -- device time of giving up, milliseconds since 1970
  PRIMARY KEY (document, actor)
) STRICT, WITHOUT ROWID;
";

/// What it takes to read drafts whose records have left, and why the branch did not take lost work back.
pub const STEP_3: &str = "
CREATE TABLE draft_text (
  -- shared texts as they read with a refused change, kept when the record leaves the device
  hash BLOB NOT NULL,              -- of the change
  field TEXT NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (hash, field)
) STRICT, WITHOUT ROWID;

CREATE TABLE not_taken (
  -- why the branch refused a record that was given back: the reason behind former = 2
  scope TEXT NOT NULL,
  last_hash BLOB NOT NULL,
  code TEXT NOT NULL,
  zh TEXT NOT NULL,
  en TEXT NOT NULL,
  PRIMARY KEY (scope, last_hash)
) STRICT, WITHOUT ROWID;
";

/// The receipts of the branch: what tells a branch whose file was put back that it knew more.
pub const STEP_4: &str = "
CREATE TABLE proof (
  -- the last head that the branch signed for a scope, coded as it is shown to the branch
  scope TEXT PRIMARY KEY,
  head BLOB NOT NULL
) STRICT, WITHOUT ROWID;
";

/// The rows that reports read came later than the documents: all rows are written again, in portions.
pub const STEP_5: &str = "
UPDATE document SET projected = 0;
";

/// What a branch that has forgotten this device takes it in again for.
pub const STEP_6: &str = "
CREATE TABLE certificate (
  -- the enrolment as the branch signed it, lower-case hex; no row where it gave none
  id INTEGER PRIMARY KEY CHECK (id = 1),
  text TEXT NOT NULL
) STRICT;
";

/// Nothing that a reconnection or an action looks up is found by reading a whole table.
pub const STEP_7: &str = "
-- when the branch took the document's last record, milliseconds since 1970; 0 while it holds none
ALTER TABLE document ADD COLUMN received_at_ms INTEGER NOT NULL DEFAULT 0;
-- 1 while it is here although some of its records are stubs: it was touched again, they are asked for
ALTER TABLE document ADD COLUMN wanted INTEGER NOT NULL DEFAULT 0;
UPDATE document SET
  received_at_ms = coalesce((SELECT max(received_at_ms) FROM record
                             WHERE record.document = document.document), 0),
  wanted = EXISTS (SELECT 1 FROM stub WHERE stub.document = document.document);

CREATE INDEX document_received ON document (received_at_ms);
-- each of these holds only what waits
CREATE INDEX document_waiting ON document (received_at_ms DESC, document) WHERE projected = 0;
CREATE INDEX document_wanted ON document (document) WHERE wanted = 1;
CREATE INDEX record_former ON record (scope, last_hash) WHERE former > 0;
CREATE INDEX record_lost ON record (scope, seq, former) WHERE former > 0;
CREATE INDEX outbox_pending ON outbox (ordinal) WHERE logged_seq IS NULL AND refusal_code IS NULL;
CREATE INDEX outbox_refused ON outbox (ordinal) WHERE refusal_code IS NOT NULL;
CREATE INDEX outbox_forked ON outbox (scope, document, ordinal) WHERE forked = 1;
";

/// Which key the branch's server shows in TLS.
pub const STEP_8: &str = "
-- SHA-256 of the key's SubjectPublicKeyInfo, from the invitation or the branch's voucher; null where the
-- server is reached without TLS, or trusted as public certificates are
ALTER TABLE identity ADD COLUMN pin BLOB;
-- server clock when the branch last vouched for it, milliseconds since 1970
ALTER TABLE identity ADD COLUMN pin_at_ms INTEGER NOT NULL DEFAULT 0;
";

/// The files that records name: what of them is here and what of them the branch has.
pub const STEP_9: &str = "
CREATE TABLE file (
  -- one file; of one that nobody here has to do with there is no row
  ordinal INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of sending
  hash BLOB NOT NULL UNIQUE,
  bytes INTEGER NOT NULL,
  media_type TEXT NOT NULL,
  taken_at_ms INTEGER,
  kept_at_ms INTEGER,              -- when it was added on this device; null where it came from the branch
  here INTEGER NOT NULL DEFAULT 0, -- 1 while its bytes lie beside this file
  thumbnail INTEGER NOT NULL DEFAULT 0,  -- 1 while its thumbnail does, 2 where there is none
  branch_at_ms INTEGER,            -- when the branch said that it has it; null: not, as far as is known
  asked_at_ms INTEGER,             -- when the branch was last asked about it
  listed_at_ms INTEGER,            -- where lists sort the newest record that names it; null while none does
  sent INTEGER NOT NULL DEFAULT 0, -- bytes that the branch has of it, as it last said
  refusal_code TEXT,               -- set when it cannot be sent: it waits for the person
  refusal_zh TEXT,
  refusal_en TEXT,
  tries INTEGER NOT NULL DEFAULT 0,-- failed tries in a row
  due_ms INTEGER NOT NULL DEFAULT 0,  -- not tried again before
  wanted INTEGER NOT NULL DEFAULT 0,  -- 1 while its bytes are to be fetched
  given_up_at_ms INTEGER           -- when the person gave it up before it was sent
) STRICT;
-- each of these holds only what there is to do
CREATE INDEX file_waiting ON file (ordinal) WHERE here = 1 AND branch_at_ms IS NULL AND given_up_at_ms IS NULL;
CREATE INDEX file_wanted ON file (ordinal) WHERE wanted = 1;
CREATE INDEX file_here ON file (kept_at_ms) WHERE here = 1 AND branch_at_ms IS NOT NULL;
CREATE INDEX file_bare ON file (listed_at_ms) WHERE thumbnail = 0 AND here = 0 AND branch_at_ms IS NOT NULL;
CREATE INDEX file_unknown ON file (listed_at_ms) WHERE here = 0 AND branch_at_ms IS NULL;

CREATE TABLE person_seen (
  -- when the branch last heard of the device of a colleague whose files it lacks
  user TEXT PRIMARY KEY,
  seen_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

UPDATE document SET projected = 0;
";

/// What a damage of the file left of changes that nobody else has.
pub const STEP_10: &str = "
CREATE TABLE damaged (
  -- unsent changes whose bytes are not those that were written: kept until their author decides
  ordinal INTEGER PRIMARY KEY,     -- its place in the outbox
  id BLOB NOT NULL,                -- names it to the person, 16 bytes
  document BLOB NOT NULL,          -- the record it was written into; zeros where that is not known either
  scope TEXT NOT NULL,
  definition_id TEXT NOT NULL,
  definition_version INTEGER NOT NULL,
  definition_hash BLOB NOT NULL,
  hash BLOB,                       -- under which the branch may have it
  written_at_ms INTEGER NOT NULL,
  bytes BLOB NOT NULL              -- the chunk as it is now
) STRICT;
";

/// How far the records lie in their form at rest.
pub const STEP_11: &str = "
CREATE TABLE compaction (
  -- at most one row; none before the first step
  id INTEGER PRIMARY KEY CHECK (id = 1),
  last INTEGER NOT NULL            -- rowid of the last record that was looked at
) STRICT;
";

/// Rows say how grave an entry is and when it ended: every document's are written again.
pub const STEP_12: &str = "
UPDATE document SET projected = 0;
";

/// Since when a rule is in force: nobody owes what was due before.
pub const STEP_13: &str = "
-- server clock when the branch published it, milliseconds since 1970; 0 where that was not kept
ALTER TABLE definition ADD COLUMN published_at_ms INTEGER NOT NULL DEFAULT 0;
";
