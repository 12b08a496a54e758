//! The same report on a device and at the branch, and the history that the log proves.

use xunyuan_core::rules::keys;
use xunyuan_tests::seed::Seed;
use xunyuan_tests::world::World;

use super::*;

/// A patrol of one device that has synced, with its failing item.
fn patrolled() -> (World, usize, xunyuan_core::id::DocumentId) {
    let mut world = World::new(Seed::of(21));
    let device = world.enroll("u.pt01");
    let sheet = world.start_patrol(device);
    world.fail(device, sheet, "pp.green.01", "草坪裸露两平方米", 1);
    world.settle();
    (world, device, sheet)
}

fn request(report: &str, now_ms: i64) -> Request {
    Request { now_ms, period: None, ..asked(report, None, "2026-11-23T12:00+08:00") }
}

#[test]
fn device_and_branch_work_out_the_same_table() {
    let (mut world, device, _) = patrolled();
    let now_ms = world.moment(device).unix_ms;
    for report in ["rep.patrol", "rep.capa_aging", "rep.nc_form"] {
        let asked = request(report, now_ms);
        let at_branch = world.hub.report(&asked, &mut |_| ()).unwrap();
        let on_device = world.replica(device).report(&asked, "test", &mut |_| ()).unwrap();
        assert_eq!(at_branch.rows, on_device.rows, "{report}");
        assert_eq!((at_branch.rows.len(), at_branch.foot), (1, on_device.foot), "{report}");
        assert!(on_device.notes.iter().any(|note| note.en.contains("this device holds")));
    }
    let health = world.hub.report(&request("rep.sync_health", now_ms), &mut |_| ()).unwrap();
    assert_eq!(health.rows.len(), 1);
}

#[test]
fn unsynced_work_is_in_the_devices_report_and_named_at_the_branch() {
    let (mut world, device, sheet) = patrolled();
    world.fail(device, sheet, "pp.clean.01", "积水", 2);
    let now_ms = world.moment(device).unix_ms;
    let asked = request("rep.capa_aging", now_ms);
    let on_device = world.replica(device).report(&asked, "test", &mut |_| ()).unwrap();
    assert_eq!(on_device.rows.len(), 2);
    assert!(on_device.notes[1].zh.contains("待上传"), "{:?}", on_device.notes);
    let later = Request { now_ms: now_ms + 3 * 3_600_000, ..asked };
    let at_branch = world.hub.report(&later, &mut |_| ()).unwrap();
    assert_eq!(at_branch.rows.len(), 1);
    assert!(at_branch.notes[1].zh.contains("尚未同步") && at_branch.notes[1].zh.contains("巡查员子"));
}

#[test]
fn history_names_every_change_with_the_row_that_proves_it() {
    let (world, _, sheet) = patrolled();
    let changes = world.hub.history(sheet).unwrap();
    let said: Vec<&str> =
        changes.iter().flat_map(|change| &change.said).map(|said| said.what.as_str()).collect();
    assert_eq!(said.iter().filter(|what| **what == "event/create").count(), 1);
    for key in [keys::item("pp.green.01"), keys::note("pp.green.01")] {
        assert!(said.contains(&key.as_str()), "{key} in {said:?}");
    }
    assert!(changes.iter().all(|change| change.user.as_str() == "u.pt01" && change.device.is_some()));
    assert!(changes.iter().all(|change| change.received_at_ms > 0));
    let standing =
        world.hub.standings().unwrap().into_iter().find(|one| one.scope == changes[0].scope).unwrap();
    assert!(changes.iter().all(|change| change.seq <= standing.seq));
    let last = changes.iter().find(|change| change.seq == standing.seq);
    assert_eq!(last.map(|change| change.chain), Some(standing.chain), "the head's chain is the last row's");

    // The finding's shared text, and the number that the branch gave.
    let row = world.hub.find("NC-PAT-2026-0001").unwrap().remove(0);
    let changes = world.hub.history(row.document).unwrap();
    let said: Vec<_> = changes.iter().flat_map(|change| &change.said).collect();
    let statement = said.iter().find(|said| said.what == "text/statement").unwrap();
    assert!(statement.value.as_text().unwrap().contains("草坪裸露两平方米"));
    let numbered =
        changes.iter().find(|change| change.said.iter().any(|said| said.what == keys::field("no")));
    assert_eq!(numbered.map(|change| change.device.clone()), Some(None), "by the branch's own actor");
    assert_eq!(world.hub.history(document("nothing")).unwrap_err().kind(), ErrorKind::NotFound);
}
