//! Devices that one side has forgotten: enrolled after the backup, deleted, put back to an old copy, cloned.

use xunyuan_core::id::DocumentId;
use xunyuan_core::replica::Answer;
use xunyuan_core::wire::certificate::Certificate;
use xunyuan_core::wire::key::Key;
use xunyuan_server::hub::EnrollFailure;
use xunyuan_tests::laws::{check_settled, status};
use xunyuan_tests::people::chosen;
use xunyuan_tests::seed::Seed;
use xunyuan_tests::world::World;

fn number(world: &mut World, device: usize, entry: DocumentId) -> Option<String> {
    world.replica(device).record(entry).unwrap().number
}

#[test]
fn a_device_enrolled_after_the_backup_is_taken_in_again_with_its_work() {
    let mut world = World::new(Seed::or(41));
    let a = world.enroll("u.fd01");
    let backup = world.dir().join("yesterday.sqlite3");
    world.hub.backup(&backup, |_| {}).unwrap();
    let late = world.enroll("u.fd02");
    let entry = world.take_call(late, "登记于备份之后");
    world.settle();
    let given = number(&mut world, a, entry);
    let waiting = world.take_call(late, "还没上传");

    world.restore(&backup);
    // Its code goes to somebody else before it is back.
    let other = world.enroll("u.csl01");
    let code = |world: &mut World, device: usize| world.replica(device).identity().device_code.clone();
    assert_eq!(code(&mut world, other), code(&mut world, late));
    world.settle();
    world.settle();
    check_settled(&mut world);
    assert_ne!(code(&mut world, other), code(&mut world, late), "no two devices go by one code");
    assert_eq!(number(&mut world, other, entry), given);
    assert!(number(&mut world, a, waiting).is_some());
    for device in [a, late, other] {
        assert_eq!(status(&mut world, device).to_give_back, 0);
    }
    assert_eq!(world.hub.devices().unwrap().len(), 3);
}

#[test]
fn only_a_certificate_of_this_branch_with_its_own_token_is_good() {
    let mut world = World::new(Seed::or(42));
    let a = world.enroll("u.fd01");
    let backup = world.dir().join("yesterday.sqlite3");
    world.hub.backup(&backup, |_| {}).unwrap();
    let late = world.enroll("u.fd02");
    let token = world.replica(late).identity().token.clone();
    let text = world.replica(late).readmission().unwrap().unwrap().certificate;
    world.restore(&backup);
    let refused = |world: &World, token: &str, text: &str| match world.hub.readmit(token, text) {
        Err(EnrollFailure::Refused(refusal)) => refusal.code,
        other => panic!("{other:?}"),
    };
    let good = Certificate::of_hex(&text).unwrap();
    let forged = Certificate { user: xunyuan_core::id::UserId::new("u.mgr01"), ..good.clone() };
    let own = forged.clone().signed(&Key::from_seed(&[4; 32]));
    for bad in [forged.to_hex(), own.to_hex(), String::new(), text.to_uppercase()] {
        assert_eq!(refused(&world, &token, &bad), "certificate_invalid");
    }
    let others = world.replica(a).identity().token.clone();
    assert_eq!(
        refused(&world, &others, &text),
        "certificate_invalid",
        "whoever has seen it has not the token"
    );
    assert_eq!(world.hub.devices().unwrap().len(), 1);
    world.hub.readmit(&token, &text).unwrap();
    world.hub.readmit(&token, &text).unwrap();
    let id = good.device();
    world.hub.revoke(id, world.now_ms).unwrap();
    assert_eq!(refused(&world, &token, &text), "device_revoked");
}

#[test]
fn a_deleted_device_enrols_again_and_what_it_had_sent_comes_back() {
    let mut world = World::new(Seed::or(43));
    let (a, b) = (world.enroll("u.pt01"), world.enroll("u.pt02"));
    let sent = world.start_patrol(a);
    world.choose(a, sent, "pp.green.01", "pass");
    world.sync(a);
    // More than one request holds: the device dies after the first, the rest never left it.
    let long = "水".repeat(9_900);
    for _ in 0..100 {
        let noted = Answer { note: Some(long.clone()), ..chosen("pass") };
        world.act(a, |replica, moment| replica.answer(sent, "pp.green.03", noted, moment));
    }
    let id = world.replica(a).identity().device;
    world.replica(a).wake_now();
    world.exchange(a).unwrap();
    let left = status(&mut world, a).pending_changes;
    assert!(left > 0);
    world.sync(b);
    let known = world.hub.devices().unwrap();
    let lost = known.iter().find(|device| device.id == id).unwrap();
    assert_eq!(lost.health.pending_changes, left, "the branch sees what is gone with the device");
    world.hub.revoke(id, world.now_ms).unwrap();
    let again = world.enroll("u.pt01");
    world.sync(again);
    world.sync(b);
    assert_eq!(world.sheet(again, sent), world.sheet(b, sent));
}

#[test]
fn a_device_put_back_to_an_old_copy_catches_up_and_doubles_nothing() {
    let mut world = World::new(Seed::or(44));
    let (a, b) = (world.enroll("u.fd01"), world.enroll("u.fd02"));
    let first = world.take_call(a, "拷贝之前");
    world.settle();
    let old = world.dir().join("old.xunyuan");
    world.closed(a, |file| std::fs::copy(file, &old)).unwrap();
    let second = world.take_call(a, "拷贝之后,已上传");
    world.record(a, first, "assign", &[]);
    world.settle();
    world.closed(a, |file| std::fs::copy(&old, file)).unwrap();
    let third = world.take_call(a, "放回之后");
    world.settle();
    check_settled(&mut world);
    for entry in [first, second, third] {
        assert_eq!(world.entry(a, entry), world.entry(b, entry));
        assert!(number(&mut world, b, entry).is_some());
    }
    // The clone of a phone: both go on, and both end with everything.
    let clone = world.copy(a);
    world.record(a, second, "assign", &[]);
    world.record(clone, third, "assign", &[]);
    let fourth = world.take_call(clone, "克隆机登记");
    world.settle();
    world.settle();
    check_settled(&mut world);
    assert_eq!(world.entry(a, fourth), world.entry(clone, fourth));
}
