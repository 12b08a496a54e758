//! Damage to the files of a world: what a failing disk, a copied file or a careless hand does to them.

use std::path::Path;

use rusqlite::{Connection, params};
use xunyuan_core::id::ScopeId;
use xunyuan_server::hub::{Hub, HubOptions};

use crate::world::World;

/// What happens to one row of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// It is gone.
    Gone,
    /// Its changes are other bytes.
    Content,
    /// It names another time of arrival.
    Receipt,
    /// It holds another chain.
    Chain,
}

impl Harm {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Gone, Self::Content, Self::Receipt, Self::Chain];

    fn sql(self, table: &str) -> String {
        let place = "WHERE scope = ?1 AND seq = ?2";
        match self {
            Self::Gone => format!("DELETE FROM {table} {place}"),
            Self::Content => format!("UPDATE {table} SET changes = x'0102' {place}"),
            Self::Receipt => format!("UPDATE {table} SET received_at_ms = received_at_ms + 1 {place}"),
            Self::Chain => format!("UPDATE {table} SET chain = zeroblob(32) {place}"),
        }
    }
}

/// Closes the branch, does something with its file, and opens it again; only for a branch that was never
/// restored to another folder.
///
/// # Panics
/// When the file does not open again.
pub fn at_branch<T>(world: &mut World, work: impl FnOnce(&Path) -> T) -> T {
    let dir = world.dir().join("branch");
    world.hub.close().expect("the branch closes");
    let done = work(&dir.join("branch.sqlite3"));
    world.hub = Hub::open(&dir, &HubOptions::new(world.seed.bytes())).expect("the branch opens again");
    done
}

/// Damages rows of the branch's log.
///
/// # Panics
/// When the file cannot be written.
pub fn harm_branch(world: &mut World, scope: &ScopeId, rows: &[(u64, Harm)]) {
    at_branch(world, |file| harm(file, "log", scope, rows));
}

/// Damages rows that a device holds.
///
/// # Panics
/// When the file cannot be written.
pub fn harm_device(world: &mut World, device: usize, scope: &ScopeId, rows: &[(u64, Harm)]) {
    world.closed(device, |file| harm(file, "record", scope, rows));
}

fn harm(file: &Path, table: &str, scope: &ScopeId, rows: &[(u64, Harm)]) {
    let connection = Connection::open(file).expect("the file opens");
    for (seq, harm) in rows {
        let seq = i64::try_from(*seq).expect("a place is small");
        let hit = connection.execute(&harm.sql(table), params![scope.as_str(), seq]);
        assert_eq!(hit.expect("the row can be damaged"), 1, "{harm:?} of row {seq}");
    }
}
