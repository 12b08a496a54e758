//! Definitions, group commit, backup, verification and the lock.

use super::*;
use crate::hub::FILE;
use xunyuan_core::error::ErrorKind;

#[test]
fn definitions_are_immutable_and_loading_twice_is_no_change() {
    let (_dir, hub) = branch();
    let again = hub.publish(&everything(), NINE + 5).unwrap();
    assert!(again.iter().all(|publication| !publication.is_new));
    assert_eq!(hub.definitions().unwrap().len(), everything().len());
    let mut value: serde_json::Value = serde_json::from_slice(
        &embedded().iter().find(|one| one.reference.id == "tpl.park_patrol").unwrap().json,
    )
    .unwrap();
    value["title"]["en"] = "Another title".into();
    let changed = Definition::parse(value.to_string().as_bytes()).unwrap();
    let known = hub.catalog().reference_of("tpl.park_patrol").unwrap().clone();
    let error = hub.publish(std::slice::from_ref(&changed), NINE).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains(&known.hash.to_string()));
    assert!(error.to_string().contains(&changed.reference.hash.to_string()));
    value["version"] = 9.into();
    let next = Definition::parse(value.to_string().as_bytes()).unwrap();
    assert!(hub.publish(&[next], NINE).unwrap()[0].is_new);
    assert_eq!(hub.catalog().reference_of("tpl.park_patrol").unwrap().version, 9);
    assert!(hub.catalog().holds(&known));
}

#[test]
fn the_organisation_takes_the_next_version_when_it_changes() {
    let dir = dir();
    let hub = open(&dir);
    let alone = hub.publish(embedded(), NINE).unwrap_err();
    assert_eq!(alone.kind(), ErrorKind::Refused);
    let first = hub.load_organisation(&sample_organisation().json, NINE).unwrap();
    assert!(first.is_new);
    assert!(!hub.load_organisation(&sample_organisation().json, NINE).unwrap().is_new);
    let mut value: serde_json::Value = serde_json::from_slice(&sample_organisation().json).unwrap();
    value["note_zh"] = "改".into();
    let second = hub.load_organisation(value.to_string().as_bytes(), NINE).unwrap();
    assert_eq!(second.reference.version, first.reference.version + 1);
    assert!(!hub.load_organisation(value.to_string().as_bytes(), NINE).unwrap().is_new);
    value["branch"]["id"] = "br.elsewhere".into();
    assert_eq!(
        hub.load_organisation(value.to_string().as_bytes(), NINE).unwrap_err().kind(),
        ErrorKind::Refused
    );
    assert_eq!(hub.branch().as_deref(), Some("br.hz"));
}

#[test]
fn a_backup_serves_on_under_a_new_epoch() {
    let (_dir, hub) = branch();
    let mut one = Phone::enroll(&hub, "u.pt01", 1);
    one.open_sheet(&hub, 9);
    one.sync_all(&hub);
    let restored = dir();
    std::fs::create_dir_all(&restored.0).unwrap();
    let mut seen = 0;
    hub.backup(&restored.0.join(FILE), |progress| seen = progress.total).unwrap();
    assert!(seen > 0);
    assert_eq!(hub.backup(&restored.0.join(FILE), |_| ()).unwrap_err().kind(), ErrorKind::Refused);
    let copy = Hub::open(&restored.0, &HubOptions::new([2; 32])).unwrap();
    assert_ne!(copy.epoch(), hub.epoch());
    assert_eq!(copy.public_key(), hub.public_key());
    assert_eq!(copy.verify(|_| ()).unwrap().first_bad, None);
    let epoch = copy.epoch();
    copy.close().unwrap();
    let copy = Hub::open(&restored.0, &HubOptions::new([3; 32])).unwrap();
    assert_eq!(copy.epoch(), epoch, "only the first opening of a backup starts an epoch");
}

#[test]
fn verification_names_the_first_bad_row() {
    let (_dir, hub) = branch();
    let mut one = Phone::enroll(&hub, "u.pt01", 1);
    let sheet = one.open_sheet(&hub, 9);
    one.sync_all(&hub);
    one.answer(sheet, "pp.green.01", "pass");
    one.sync_all(&hub);
    hub.close().unwrap();
    let tampers = [
        ("UPDATE log SET user = 'u.pt02' WHERE seq = 2 AND kind = 1", 2),
        ("UPDATE log SET received_at_ms = received_at_ms + 1 WHERE seq = 1 AND kind = 1", 1),
        ("UPDATE log SET signature = zeroblob(64) WHERE seq = 2 AND kind = 1", 2),
        (
            "UPDATE log SET changes = cast(substr(changes, 1, 60) || x'00' || substr(changes, 62) AS BLOB) WHERE seq = 2 AND kind = 1",
            2,
        ),
        ("DELETE FROM log WHERE seq = 1 AND kind = 1", 1),
        ("UPDATE scope SET sum = zeroblob(32) WHERE scope = 'pj.lanyuan/patrol'", 0),
        ("UPDATE projected SET summary = summary || '改'", 0),
    ];
    let file = _dir.0.join(FILE);
    let good = std::fs::read(&file).unwrap();
    for (sql, seq) in tampers {
        let conn = rusqlite::Connection::open(&file).unwrap();
        assert!(conn.execute(sql, []).unwrap() > 0, "{sql}");
        drop(conn);
        let hub = open(&_dir);
        let bad = hub.verify(|_| ()).unwrap().first_bad;
        hub.close().unwrap();
        let bad = bad.unwrap_or_else(|| panic!("not found: {sql}"));
        assert_eq!((bad.scope.as_str(), bad.seq), (PATROL, seq), "{sql}: {}", bad.reason);
        std::fs::write(&file, &good).unwrap();
    }
    assert_eq!(open(&_dir).verify(|_| ()).unwrap().first_bad, None);
}

#[test]
fn records_leave_as_lines_of_json() {
    let (_dir, hub) = branch();
    let mut one = Phone::enroll(&hub, "u.pt01", 1);
    one.open_sheet(&hub, 9);
    one.sync_all(&hub);
    let mut lines = Vec::new();
    let count = hub
        .export_records(|line| {
            lines.push(serde_json::from_str::<serde_json::Value>(line).unwrap());
            Ok(())
        })
        .unwrap();
    assert_eq!(count, hub.stats().unwrap().records);
    let run = lines.iter().find(|line| line["kind"] == "run").unwrap();
    assert_eq!((run["scope"].as_str(), run["user"].as_str()), (Some(PATROL), Some("u.pt01")));
    assert_eq!(run["definition"]["id"], "tpl.park_patrol");
}

#[test]
fn a_second_server_on_the_directory_is_refused_by_name() {
    let (_dir, hub) = branch();
    let error = Hub::open(&_dir.0, &HubOptions::new([1; 32])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().contains(&std::process::id().to_string()));
    hub.close().unwrap();
    hub.close().unwrap();
    assert_eq!(hub.healthy().unwrap_err().kind(), ErrorKind::Busy);
    let again = open(&_dir);
    again.healthy().unwrap();
    assert_eq!(again.branch().as_deref(), Some("br.hz"));
}

#[test]
fn a_command_beside_the_serving_process_is_noticed() {
    let (dir, hub) = branch();
    let options = HubOptions { beside: true, ..HubOptions::new([9; 32]) };
    let beside = Hub::open(&dir.0, &options).unwrap();
    assert_eq!((beside.epoch(), beside.public_key()), (hub.epoch(), hub.public_key()));
    let invitation = beside.invite(&UserId::new("u.pt01"), 1_000, NINE, [5; 32]).unwrap();
    let key = Key::from_seed(&[1; 32]);
    hub.enroll(&enroll_request(&key, &invitation.secret), NINE, [6; 32]).unwrap();
    assert_eq!(beside.devices().unwrap().len(), 1);
    let mut pokes = hub.subscribe();
    let mut value: serde_json::Value = serde_json::from_slice(&sample_organisation().json).unwrap();
    for user in value["users"].as_array_mut().unwrap() {
        if user["id"] == "u.pt01" {
            user["retired"] = true.into();
        }
    }
    beside.load_organisation(value.to_string().as_bytes(), NINE).unwrap();
    beside.close().unwrap();
    hub.healthy().unwrap();
    assert_eq!(hub.grants(&UserId::new("u.pt01")).unwrap(), []);
    assert_eq!(pokes.try_recv().unwrap().scope.as_str(), "br.hz/definitions");
}

#[test]
fn rows_are_written_again_in_steps_and_other_work_gets_its_turn() {
    let (dir, hub) = branch();
    let mut one = Phone::enroll(&hub, "u.pt01", 1);
    for number in 1..=250 {
        one.open_sheet(&hub, number);
    }
    one.sync_all(&hub);
    hub.close().unwrap();
    // Rows as other definitions might have made them.
    let conn = rusqlite::Connection::open(dir.0.join(FILE)).unwrap();
    let stale = "SELECT count(*) FROM projected WHERE summary = '旧'";
    conn.execute("UPDATE projected SET summary = '旧'", []).unwrap();
    let count = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, u32>(0)).unwrap();
    let hub = open(&dir);
    let mut value: serde_json::Value = serde_json::from_slice(&sample_organisation().json).unwrap();
    value["note_zh"] = "改".into();
    hub.load_organisation(value.to_string().as_bytes(), NINE).unwrap();
    assert_eq!((hub.waiting_rows().unwrap(), count(stale)), (150, 150), "the publication did one step of it");
    assert_eq!(hub.stats().unwrap().waiting_rows, 150);
    let report = hub.verify(|_| ()).unwrap();
    assert_eq!((report.first_bad, report.waiting_rows), (None, 150), "what waits is told, and no fault");
    // Work of people goes on and has its rows at once; one of those that wait as well.
    one.answer(DocumentId([250; 16]), "pp.green.01", "pass");
    one.sync_all(&hub);
    assert_eq!(count(stale), 149);
    assert!(hub.write_rows().unwrap());
    assert_eq!(hub.waiting_rows().unwrap(), 50);
    // The process dies, and the next one goes on where this one was.
    hub.close().unwrap();
    conn.execute("UPDATE projected SET summary = '新' WHERE document < ?1", [[201_u8; 16]]).unwrap();
    let hub = open(&dir);
    hub.write_all_rows().unwrap();
    assert_eq!((hub.waiting_rows().unwrap(), count(stale)), (0, 0));
    assert_eq!(count("SELECT count(*) FROM projected WHERE summary = '新'"), 200, "nothing is done twice");
    assert!(!hub.write_rows().unwrap());
    // A publication in the middle begins anew.
    value["note_zh"] = "再改".into();
    hub.load_organisation(value.to_string().as_bytes(), NINE).unwrap();
    hub.write_rows().unwrap();
    value["note_zh"] = "又改".into();
    hub.load_organisation(value.to_string().as_bytes(), NINE).unwrap();
    assert_eq!(hub.waiting_rows().unwrap(), 150);
    hub.write_all_rows().unwrap();
    assert_eq!(hub.verify(|_| ()).unwrap().first_bad, None);
}

#[test]
fn nothing_is_judged_by_rows_that_wait() {
    let (_dir, hub) = branch();
    let mut one = Phone::enroll(&hub, "u.pt01", 1);
    for number in 1..=150 {
        one.open_sheet(&hub, number);
    }
    one.sync_all(&hub);
    hub.look_all(NINE).unwrap();
    let mut value: serde_json::Value = serde_json::from_slice(&sample_organisation().json).unwrap();
    value["note_zh"] = "改".into();
    hub.load_organisation(value.to_string().as_bytes(), NINE).unwrap();
    assert_eq!(hub.look(NINE + 1).unwrap(), crate::hub::Look::default());
    hub.write_all_rows().unwrap();
    assert!(hub.look(NINE + 1).unwrap().records > 0, "then every open record is looked at again");
}
