//! The form at rest: records that lie in fewer bytes are the same to everybody, also where the power went while
//! they were put into it.

use rusqlite::Connection;
use std::path::Path;

use xunyuan_core::id::{DocumentId, ScopeId};
use xunyuan_core::replica::Answer;
use xunyuan_tests::damage::{Harm, at_branch, harm_branch, harm_device};
use xunyuan_tests::disk::Fault;
use xunyuan_tests::laws::check_settled;
use xunyuan_tests::people::{PROJECT, WRITER_ITEMS, chosen};
use xunyuan_tests::seed::Seed;
use xunyuan_tests::world::World;

fn patrol() -> ScopeId {
    ScopeId::of(PROJECT, "patrol")
}

/// A branch and two devices that hold sheets of some length.
fn busy(seed: u64) -> (World, usize, usize, Vec<DocumentId>) {
    let mut world = World::new(Seed::or(seed));
    let (writer, reader) = (world.enroll("u.pt01"), world.enroll("u.pt01"));
    let sheets = (0..6).map(|_| sheet(&mut world, writer)).collect();
    world.settle();
    (world, writer, reader, sheets)
}

fn sheet(world: &mut World, device: usize) -> DocumentId {
    let sheet =
        world.act(device, |replica, moment| replica.start_inspection("tpl.park_patrol", PROJECT, moment));
    answer(world, device, sheet, "第一遍");
    sheet
}

fn answer(world: &mut World, device: usize, sheet: DocumentId, note: &str) {
    for (number, item) in WRITER_ITEMS.iter().cycle().take(12).enumerate() {
        let answer = Answer { note: Some(format!("{note}第{number}处已看过")), ..chosen("pass") };
        world.act(device, |replica, moment| replica.answer(sheet, item, answer.clone(), moment));
    }
}

/// Rows in the form at rest, and all rows.
fn at_rest(file: &Path, table: &str) -> (i64, i64) {
    let conn = Connection::open(file).unwrap();
    let sql = format!("SELECT sum(hex(substr(changes, 1, 1)) = '00'), count(*) FROM {table}");
    conn.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

fn compacted(world: &mut World, devices: &[usize]) {
    world.hub.compact(0).unwrap();
    for device in devices {
        while world.replica(*device).compact(0).unwrap() {}
    }
}

#[test]
fn everybody_goes_on_with_what_lies_at_rest() {
    let (mut world, writer, reader, sheets) = busy(51);
    let before: Vec<_> = sheets.iter().map(|sheet| world.replica(reader).model(*sheet).unwrap()).collect();
    compacted(&mut world, &[writer, reader]);
    assert!(at_branch(&mut world, |file| at_rest(file, "log")).0 >= 6);
    for device in [writer, reader] {
        assert!(world.closed(device, |file| at_rest(file, "record")).0 >= 6);
        assert_eq!(world.replica(device).check_store().unwrap(), 0);
    }
    assert_eq!(world.hub.verify(|_| ()).unwrap().first_bad, None);
    for (sheet, model) in sheets.iter().zip(&before) {
        assert_eq!(world.replica(reader).model(*sheet).unwrap(), *model);
    }
    // Someone new fetches it, work goes on, what is new joins it.
    world.enroll("u.pt01");
    answer(&mut world, writer, sheets[0], "第二遍");
    answer(&mut world, reader, sheets[1], "第二遍");
    world.settle();
    compacted(&mut world, &[writer, reader]);
    check_settled(&mut world);
    let (resting, all) = world.closed(writer, |file| at_rest(file, "record"));
    assert!(resting >= 8 && all >= resting, "{resting} of {all}");
}

#[test]
fn what_lies_at_rest_is_given_back() {
    let (mut world, writer, reader, sheets) = busy(52);
    compacted(&mut world, &[writer, reader]);
    let standings = world.hub.standings().unwrap();
    harm_branch(&mut world, &patrol(), &[(1, Harm::Gone), (2, Harm::Content), (4, Harm::Gone)]);
    harm_device(&mut world, reader, &patrol(), &[(3, Harm::Gone), (5, Harm::Content)]);
    for _ in 0..4 {
        world.pass(660_000);
        for device in [writer, reader] {
            world.replica(device).check_store().unwrap();
        }
        world.settle();
    }
    assert_eq!((world.hub.lost_rows(), world.replica(reader).check_store().unwrap()), (0, 0));
    assert_eq!(world.hub.standings().unwrap(), standings, "no row has moved");
    assert_eq!(world.hub.verify(|_| ()).unwrap().first_bad, None);
    for sheet in sheets {
        assert_eq!(world.replica(reader).model(sheet).unwrap(), world.replica(writer).model(sheet).unwrap());
    }
    check_settled(&mut world);
}

#[test]
fn power_that_goes_in_the_middle_loses_nothing() {
    let (mut world, writer, reader, sheets) = busy(53);
    let before: Vec<_> = sheets.iter().map(|sheet| world.replica(reader).model(*sheet).unwrap()).collect();
    let (mut cuts, mut after) = (0, 0);
    loop {
        let fault = if after % 2 == 0 { Fault::Power { after } } else { Fault::Kill { after } };
        world.devices[reader].disk.arm(fault);
        let done = loop {
            match world.replica(reader).compact(0) {
                Ok(true) => {}
                Ok(false) => break true,
                Err(_) => break false,
            }
        };
        let has_struck = world.devices[reader].disk.has_struck();
        world.restart(reader);
        assert_eq!(world.replica(reader).check_store().unwrap(), 0, "after {after} writes");
        for (sheet, model) in sheets.iter().zip(&before) {
            assert_eq!(world.replica(reader).model(*sheet).unwrap(), *model);
        }
        if done && !has_struck {
            break;
        }
        cuts += 1;
        after += 1;
    }
    assert!(cuts >= 3, "{cuts} cuts");
    // The last one may have struck while the file was closed.
    compacted(&mut world, &[reader]);
    assert!(world.closed(reader, |file| at_rest(file, "record")).0 >= 6);
    answer(&mut world, writer, sheets[0], "停电以后");
    world.settle();
    check_settled(&mut world);
}

#[test]
fn power_that_goes_at_the_branch_loses_nothing() {
    let (mut world, ..) = busy(54);
    let standings = world.hub.standings().unwrap();
    let (mut cuts, mut after) = (0, 0);
    loop {
        world.branch_disk.arm(Fault::Kill { after });
        let done = world.hub.compact(0).is_ok();
        let has_struck = world.branch_disk.has_struck();
        let _ = world.hub.close();
        let mut seed = Seed::or(u64::from(after));
        world.branch_disk.mend(&mut seed);
        at_branch(&mut world, |_| ());
        assert_eq!(world.hub.verify(|_| ()).unwrap().first_bad, None, "after {after} writes");
        assert_eq!(world.hub.standings().unwrap(), standings);
        if done && !has_struck {
            break;
        }
        (cuts, after) = (cuts + 1, after + 1);
    }
    assert!(cuts >= 3, "{cuts} cuts");
    assert!(at_branch(&mut world, |file| at_rest(file, "log")).0 >= 6);
    world.settle();
    check_settled(&mut world);
}
