//! A door behind admission: runs written straight into the log of a closed branch, signed with its own key,
//! with chain, digest and head as they should be. What a signed head covers is then anything at all.

use rusqlite::{Connection, OptionalExtension as _, params};
use sha2::{Digest as _, Sha256};
use xunyuan_core::id::{ActorId, ChangeHash, DocumentId, ScopeId, UserId};
use xunyuan_core::wire::key::Key;
use xunyuan_core::wire::log::{Chain, Digest, Link};
use xunyuan_core::wire::run;
use xunyuan_server::hub::{Hub, HubOptions, SERVER_USER};

use super::chunk::Chunk;
use crate::world::World;

/// A change behind the branch's back.
#[derive(Clone, Debug)]
pub struct Smuggled {
    /// The scope of its record.
    pub scope: ScopeId,
    /// Its record, which the branch knows.
    pub document: DocumentId,
    /// The whole change chunk.
    pub bytes: Vec<u8>,
}

/// Appends changes to the log, each as a run of the branch's own; the branch is closed for it and opened again.
///
/// # Panics
/// When the branch's file does not let it be done.
pub fn smuggle(world: &mut World, changes: &[Smuggled]) {
    behind(world, |conn| changes.iter().for_each(|change| append(conn, change)));
}

/// Does something with the data file of the closed branch.
///
/// # Panics
/// When the branch does not close or open.
pub fn behind<T>(world: &mut World, work: impl FnOnce(&Connection) -> T) -> T {
    world.hub.close().expect("the branch closes");
    let dir = world.dir().join("branch");
    let conn = Connection::open(dir.join("branch.sqlite3")).expect("the branch's file opens");
    let done = work(&conn);
    drop(conn);
    world.hub = Hub::open(&dir, &HubOptions::new(world.seed.bytes())).expect("the branch opens again");
    done
}

fn append(conn: &Connection, change: &Smuggled) {
    let Smuggled { scope, document, bytes } = change;
    let chunk = Chunk::read(bytes);
    let hash = ChangeHash(Sha256::digest(&bytes[8..]).into());
    let actor = ActorId(chunk.actor.as_slice().try_into().expect("an actor of 16 bytes"));
    let seed: [u8; 32] =
        conn.query_row("SELECT seed FROM server", [], |row| row.get(0)).expect("the branch has a key");
    let key = Key::from_seed(&seed);
    let (device, user) = (key.device_id(), UserId::new(SERVER_USER));
    let head = conn
        .query_row("SELECT seq, chain, count, sum FROM scope WHERE scope = ?1", [scope.as_str()], |row| {
            Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get::<_, i64>(2)?, row.get(3)?))
        })
        .optional()
        .expect("heads can be read");
    let (seq, chain, count, sum) = head.expect("the scope has a log");
    let (seq, count) = (seq + 1, u64::try_from(count).expect("a count"));
    let received_at_ms = 1_795_395_600_000;
    let link = Link {
        seq: u64::try_from(seq).expect("a seq"),
        kind: 1,
        document: *document,
        last_hash: hash,
        device,
        user: &user,
        received_at_ms,
    };
    let chain = Chain(chain).next(scope, &link);
    let mut digest = Digest { count, sum };
    digest.add(document, &hash);
    let signature = key.sign(&run::signing_bytes(scope, document, &actor, &user, &hash));
    let first_seq = i64::try_from(chunk.seq).expect("a seq");
    conn.execute(
        "INSERT INTO log (scope, seq, kind, document, actor, first_seq, last_seq, device, user, received_at_ms,
                          last_hash, chain, signature, hashes, max_ops, changes)
         VALUES (?1, ?2, 1, ?3, ?4, ?5, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?9, ?12, ?13)",
        params![
            scope.as_str(),
            seq,
            document.0,
            actor.0,
            first_seq,
            device.0,
            SERVER_USER,
            received_at_ms,
            hash.0,
            chain.0,
            signature,
            u32::try_from(chunk.start_op).expect("small").to_be_bytes(),
            run::pack(&[bytes]).expect("the chunk packs"),
        ],
    )
    .expect("the log takes a row");
    conn.execute(
        "UPDATE scope SET seq = ?2, chain = ?3, count = ?4, sum = ?5 WHERE scope = ?1",
        params![scope.as_str(), seq, chain.0, i64::try_from(digest.count).expect("a count"), digest.sum],
    )
    .expect("the head moves");
    conn.execute(
        "INSERT OR REPLACE INTO actor (document, actor, device, user, last_seq) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![document.0, actor.0, device.0, SERVER_USER, first_seq],
    )
    .expect("the actor is noted");
    conn.execute("UPDATE document SET changes = changes + 1 WHERE document = ?1", params![document.0])
        .expect("the document is counted");
}
