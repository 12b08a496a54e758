//! Replica files that are damaged, newer, full or under a wrong clock.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use xunyuan_core::error::ErrorKind;
use xunyuan_core::replica::Replica;
use xunyuan_tests::laws::{Saved, check_settled, status};
use xunyuan_tests::seed::Seed;
use xunyuan_tests::world::{DAY_MS, World};

/// What happens to the bytes of a file.
type Damage = fn(&mut Vec<u8>);

fn with_unsynced_work() -> (World, usize) {
    let mut world = World::new(Seed::or(430));
    let device = world.enroll("u.pt01");
    let sheet = world.start_patrol(device);
    world.choose(device, sheet, "pp.green.01", "pass");
    (world, device)
}

#[test]
fn a_file_of_a_newer_version_is_refused_and_left_as_it_is() {
    let (mut world, device) = with_unsynced_work();
    world.closed(device, |path| {
        let version: i64 = Connection::open(path)
            .unwrap()
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        Connection::open(path).unwrap().pragma_update(None, "user_version", version + 1).unwrap();
        let before = fs::read(path).unwrap();
        let error = Replica::open(path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Newer, "{error}");
        assert_eq!(fs::read(path).unwrap(), before);
        Connection::open(path).unwrap().pragma_update(None, "user_version", version).unwrap();
    });
    assert_eq!(status(&mut world, device).pending_changes, 2);
}

#[test]
fn a_damaged_file_is_never_deleted() {
    let (mut world, device) = with_unsynced_work();
    let damaged: [(&str, Damage); 3] = [
        ("no database", |bytes| bytes[..100].fill(b'x')),
        ("another program's", |bytes| bytes[68..72].copy_from_slice(&[1, 2, 3, 4])),
        ("cut off", |bytes| bytes.truncate(3_000)),
    ];
    for (name, damage) in damaged {
        world.closed(device, |path| {
            let whole = fs::read(path).unwrap();
            let mut bytes = whole.clone();
            damage(&mut bytes);
            fs::write(path, &bytes).unwrap();
            let error = Replica::open(path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{name}: {error}");
            let kept = every_copy(path);
            assert!(kept.contains(&bytes), "{name}: the damaged bytes are still there");
            fs::write(path, &whole).unwrap();
        });
        assert_eq!(status(&mut world, device).pending_changes, 2, "{name}");
    }
}

/// The contents of the file and of whatever was set aside next to it.
fn every_copy(path: &Path) -> Vec<Vec<u8>> {
    fs::read_dir(path.parent().unwrap())
        .unwrap()
        .filter_map(|entry| fs::read(entry.unwrap().path()).ok())
        .collect()
}

#[test]
fn clocks_that_are_years_off_neither_lose_nor_block_anything() {
    let mut world = World::new(Seed::or(431));
    let devices = [world.enroll("u.pt01"), world.enroll("u.pt02"), world.enroll("u.fd01")];
    let years = 365 * DAY_MS;
    for (device, ahead_ms) in devices.into_iter().zip([-56 * years, 73 * years, 0]) {
        world.devices[device].ahead_ms = ahead_ms;
    }
    let mut saved = Saved::default();
    let mut sheets = Vec::new();
    for device in &devices[..2] {
        let sheet = world.act(*device, |replica, moment| {
            replica.start_inspection("tpl.park_patrol", "pj.lanyuan", moment)
        });
        world.choose(*device, sheet, "pp.green.01", "pass");
        world.fail(*device, sheet, "pp.green.02", "断枝", 1);
        saved.check(&mut world);
        sheets.push(sheet);
    }
    world.settle();
    saved.check(&mut world);
    check_settled(&mut world);
    for device in &devices[..2] {
        assert!(status(&mut world, *device).is_clock_suspicious, "the person is told");
        for sheet in &sheets {
            assert!(world.replica(*device).record(*sheet).is_ok());
        }
    }
    let suspicious = world.hub.devices().unwrap().iter().filter(|device| device.skew_suspicious).count();
    assert_eq!(suspicious, 2, "the branch sees both");
}
