//! Stores that earlier versions wrote are opened, stepped up and gone on with.
//!
//! `fixtures/store` keeps a device and its branch as schema version 2 wrote them, the device with work
//! that waits. They were made when that was the newest version and are never made again.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::TempDir;
use xunyuan_core::document::model::Value;
use xunyuan_core::id::DocumentId;
use xunyuan_core::projection::Filter;
use xunyuan_core::replica::{Answer, Replica};
use xunyuan_core::time::Moment;
use xunyuan_server::hub::{Hub, HubOptions};
use xunyuan_tests::people::chosen;
use xunyuan_tests::world::{DAY_MS, MORNING_MS};

/// The pair of files in a folder: the device's and its branch's.
fn unpacked(dir: &Path) -> (PathBuf, PathBuf) {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/store");
    let kept = [fixtures.join("replica-2.sqlite3.zst"), fixtures.join("branch-2.sqlite3.zst")];
    let here = [dir.join("old.xunyuan"), dir.join("branch.sqlite3")];
    for (kept, here) in kept.iter().zip(&here) {
        fs::write(here, zstd::stream::decode_all(fs::File::open(kept).unwrap()).unwrap()).unwrap();
    }
    let [replica, branch] = here;
    (replica, branch)
}

/// The patrol sheet that the device of the fixture holds.
fn sheet_of(replica: &Replica) -> DocumentId {
    let patrols = Filter { definition: Some("tpl.park_patrol".to_owned()), ..Filter::default() };
    replica.list(&patrols).unwrap()[0].document
}

fn version(path: &Path) -> u32 {
    let conn = Connection::open(path).unwrap();
    conn.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

fn moment(number: u8) -> Moment {
    Moment { unix_ms: MORNING_MS + DAY_MS + i64::from(number), utc_offset_min: 480, entropy: [number; 32] }
}

#[test]
fn a_replica_of_schema_2_steps_up_with_everything_in_it() {
    let dir = TempDir::new().unwrap();
    let (path, _) = unpacked(dir.path());
    assert_eq!(version(&path), 2);
    let mut replica = Replica::open(&path).unwrap();
    assert_eq!(replica.user().as_str(), "u.pt01");
    assert_eq!(replica.status().unwrap().pending_changes, 1, "unsynced work is still there");
    let ledgers: Vec<String> =
        replica.list(&Filter::default()).unwrap().into_iter().map(|row| row.definition.id).collect();
    assert_eq!(ledgers.len(), 2);
    let sheet = sheet_of(&replica);
    let view = replica.inspection(sheet).unwrap();
    assert_eq!(view.sections[0].items[0].answer(), Some(&Value::Text("fail".to_owned())));
    assert_eq!(replica.search("草坪裸露", 5).unwrap().len(), 2);
    replica.answer(sheet, "pp.green.03", chosen("pass"), &moment(1)).unwrap();
    drop(replica);
    assert!(version(&path) > 2, "the steps are stamped");
    assert_eq!(Replica::open(&path).unwrap().status().unwrap().pending_changes, 2);
}

#[test]
fn a_device_and_a_branch_of_schema_2_go_on_together() {
    let dir = TempDir::new().unwrap();
    let (path, _) = unpacked(dir.path());
    let hub = Hub::open(dir.path(), &HubOptions::new([5; 32])).unwrap();
    let before = hub.verify(|_| ()).unwrap();
    assert_eq!(before.first_bad, None);
    let mut replica = Replica::open(&path).unwrap();
    let device = hub.authenticate(&replica.identity().token.clone()).unwrap();
    let sheet = sheet_of(&replica);
    let note = Answer { note: Some("升级后继续巡查".to_owned()), ..chosen("pass") };
    replica.answer(sheet, "pp.green.03", note, &moment(1)).unwrap();
    for number in 2..10 {
        replica.wake_now();
        let Some(body) = replica.poll_request(&moment(number)).unwrap() else { break };
        let reply = hub.exchange(&device, &body, moment(number).unix_ms).unwrap();
        let progress = replica.handle_reply(&reply, &moment(number)).unwrap();
        assert!(progress.refused.is_empty() && progress.reset.is_empty(), "{progress:?}");
    }
    let standing = replica.status().unwrap();
    assert_eq!((standing.pending_changes, standing.refused_changes), (0, 0));
    assert!(standing.scopes.iter().all(|row| row.proven_at_ms == standing.scopes[0].proven_at_ms));
    assert_eq!(replica.search("升级后继续", 5).unwrap().len(), 1);
    for row in standing.scopes.iter().filter(|row| row.granted) {
        let rows = replica.fingerprint(&row.scope).unwrap();
        assert_eq!(
            rows,
            hub.fingerprint(&row.scope).unwrap(),
            "rows that the steps rewrote are as any others"
        );
    }
    let after = hub.verify(|_| ()).unwrap();
    assert_eq!((after.first_bad, after.records), (None, before.records + 1));
}
