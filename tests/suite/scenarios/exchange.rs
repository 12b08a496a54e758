//! sc.05, sc.12, sc.14, sc.19: lost replies, shared devices, first sync, long histories.

use std::time::{Duration, Instant};

use xunyuan_core::definition::{Catalog, embedded, sample_organisation};
use xunyuan_core::document::Document;
use xunyuan_core::document::model::{Edit, Stamped, Value};
use xunyuan_core::id::{ActorId, DocumentId, ScopeId, UserId};
use xunyuan_core::limits::{DOCUMENT_CHANGES_MAX, REQUEST_BYTES_MAX};
use xunyuan_core::projection::{Filter, project};
use xunyuan_core::replica::{Failure, Progress};
use xunyuan_core::wire::frame;
use xunyuan_core::wire::message::Request;
use xunyuan_tests::laws::{Saved, check_settled, status};
use xunyuan_tests::people::FRONT_DESK;
use xunyuan_tests::seed::Seed;
use xunyuan_tests::world::{DAY_MS, World};

/// The branch hears a device, and the device never hears the answer.
fn lose_reply(world: &mut World, device: usize) {
    world.replica(device).wake_now();
    let body = world.request(device).unwrap();
    world.deliver(device, &body).unwrap();
    let moment = world.moment(device);
    world.replica(device).handle_failure(&Failure::Unreachable, &moment);
}

#[test]
fn sc_05() {
    let mut world = World::new(Seed::or(5));
    let (a, b) = (world.enroll("u.pt01"), world.enroll("u.pt02"));
    let sheet = world.start_patrol(a);
    for item in ["pp.green.01", "pp.green.03", "pp.clean.01"] {
        world.choose(a, sheet, item, "pass");
    }
    let waiting = status(&mut world, a).pending_changes;
    assert_eq!(waiting, 4);
    let mut saved = Saved::default();
    saved.check(&mut world);
    let before = world.hub.stats().unwrap().records;
    for _ in 0..3 {
        lose_reply(&mut world, a);
        saved.check(&mut world);
        assert_eq!(status(&mut world, a).pending_changes, waiting, "law 1: still pending");
    }
    let after = world.hub.stats().unwrap().records;
    assert_eq!(after - before, 1, "three uploads of one run leave one record");
    world.restart(a);
    world.settle();
    check_settled(&mut world);
    saved.check(&mut world);
    assert_eq!(world.hub.stats().unwrap().records, after, "nothing was logged twice");
    assert_eq!(status(&mut world, a).pending_changes, 0, "A shows everything as synchronised");
    assert_eq!(world.sheet(a, sheet), world.sheet(b, sheet));
}

#[test]
fn sc_12() {
    // One tablet, a replica file for each person.
    let mut world = World::new(Seed::or(12));
    let first = world.enroll("u.pt01");
    let desk = world.enroll("u.fd01");
    let sheet = world.start_patrol(first);
    for item in 1..=7 {
        world.choose(first, sheet, &format!("pp.clean.0{}", item.min(5)), "pass");
        if item > 5 {
            world.choose(first, sheet, &format!("pp.green.0{}", item - 5), "pass");
        }
    }
    let waiting = status(&mut world, first).pending_changes;
    assert!(waiting >= 8, "{waiting}");
    let call = world.take_call(desk, "卫生间滴水");
    world.sync(desk);

    // The second person logs in on the same tablet, looks and synchronises.
    let second = world.enroll("u.pt02");
    assert_eq!(status(&mut world, first).pending_changes, waiting, "the first person's work still waits");
    let everything = Filter { limit: Some(1_000), ..Filter::default() };
    let seen = world.replica(second).list(&everything).unwrap();
    assert!(seen.iter().all(|row| row.scope.stream() != "desk"), "a patrol officer sees no desk");
    assert!(world.replica(second).record(call).is_err());
    assert!(world.replica(second).search("滴水", 10).unwrap().is_empty());

    // Synchronising carries everybody's work, each under their own name.
    world.settle();
    check_settled(&mut world);
    assert_eq!(status(&mut world, first).pending_changes, 0);
    let model = world.replica(second).model(sheet).unwrap();
    let authors: Vec<&UserId> =
        model.registers.values().flat_map(|register| register.all()).map(|stamped| &stamped.by).collect();
    assert!(authors.iter().all(|by| by.as_str() == "u.pt01"), "the name stays");
    let owner = world.replica(first).identity().device;
    let mut lines = Vec::new();
    world
        .hub
        .export_records(|line| {
            lines.push(line.to_owned());
            Ok(())
        })
        .unwrap();
    let own: Vec<&String> = lines.iter().filter(|line| line.contains(&sheet.to_string())).collect();
    assert!(!own.is_empty());
    assert!(own.iter().all(|line| line.contains(&owner.to_string()) && line.contains("u.pt01")), "{own:?}");
}

/// One exchange over a narrow link: the device asks for small pages.
fn exchange_narrowly(world: &mut World, device: usize) -> Progress {
    world.replica(device).wake_now();
    let body = world.request(device).unwrap();
    let asked: Request = frame::decode(&body, REQUEST_BYTES_MAX).unwrap();
    let narrow = frame::encode(&Request { max_bytes: 16_384, ..asked });
    let reply = world.deliver(device, &narrow).unwrap();
    let moment = world.moment(device);
    world.replica(device).handle_reply(&reply, &moment).unwrap()
}

#[test]
fn sc_14() {
    let mut world = World::new(Seed::or(14));
    let (a, lead) = (world.enroll("u.fd01"), world.enroll("u.csl01"));
    // Of what happened a hundred days ago some is closed and some still open.
    let mut ended = Vec::new();
    for number in 0..60 {
        let entry = world.take_call(a, &format!("早先登记第{number}条:咨询物业费"));
        if number % 2 == 0 {
            ended.push(entry);
        }
    }
    world.settle();
    for entry in &ended {
        world.record(lead, *entry, "cancel", &[("reason", "重复登记")]);
    }
    world.settle();
    world.pass(100 * DAY_MS);
    for number in 0..90 {
        let entry = world.take_call(a, &format!("近期登记第{number}条:咨询物业费"));
        world.record(a, entry, "assign", &[("owner_dept", "dept.eng")]);
    }
    world.settle();
    let entries = 30 + 90;

    // A new tablet is enrolled; its first synchronisation is cut off again and again.
    let b = world.enroll_only("u.fd02");
    let began = Instant::now();
    let desk = Filter { definition: Some(FRONT_DESK.to_owned()), limit: Some(1_000), ..Filter::default() };
    let (mut first_list, mut pages, mut known) = (None, 0, 0);
    loop {
        // A reply is lost on the way, then the app is closed, then a page arrives.
        lose_reply(&mut world, b);
        world.restart(b);
        let progress = exchange_narrowly(&mut world, b);
        let rows = world.replica(b).list(&desk).unwrap().len();
        assert!(rows >= known, "what had arrived stays");
        pages += u32::from(rows > known);
        known = rows;
        if rows > 0 && first_list.is_none() {
            first_list = Some(began.elapsed());
        }
        if !progress.more {
            break;
        }
        assert!(pages < 60, "the first synchronisation does not end: {known} of {entries}");
    }
    assert_eq!(known, entries, "open and recent ones came, and nothing else");
    for entry in &ended {
        assert!(world.replica(b).record(*entry).is_err(), "what ended long ago stays at the branch");
    }
    assert!(pages > 3, "so much does not fit one page");
    let first_list = first_list.unwrap();
    assert!(first_list < Duration::from_secs(20), "the first list takes {first_list:?}");
    world.settle();
    check_settled(&mut world);
    assert_eq!(world.replica(b).list(&desk).unwrap(), world.replica(a).list(&desk).unwrap());
}

#[test]
fn sc_19() {
    let mut definitions = embedded().to_vec();
    definitions.push(sample_organisation().clone());
    let catalog = Catalog::new(&definitions).unwrap();
    let definition = catalog.reference_of(FRONT_DESK).unwrap().clone();
    let text_keys = catalog.text_keys(&definition).unwrap();
    let id = DocumentId([0x19; 16]);
    let mut entry = Document::new(id, &definition, &text_keys);
    let mut changes = Vec::new();
    for number in 0..DOCUMENT_CHANGES_MAX {
        let field = ["handler", "owner_dept", "unit_id", "category"][number as usize % 4];
        let stamped = Stamped {
            value: Value::Text(format!("x{}", number % 50)),
            by: UserId::new("u.fd01"),
            at_ms: i64::from(number),
        };
        let edit = Edit::Put { key: format!("field/{field}"), stamped };
        changes.push(entry.edit(ActorId([7; 16]), &[edit]).unwrap());
    }
    let bytes: usize = changes.iter().map(|change| change.bytes.len()).sum();
    assert!(bytes < 2_000_000, "a year of one entry takes {bytes} bytes");
    let began = Instant::now();
    let mut cold = Document::new(id, &definition, &text_keys);
    cold.apply(&changes).unwrap();
    let model = cold.model().unwrap();
    let loaded = began.elapsed();
    assert!(loaded < Duration::from_secs(10), "a cold start takes {loaded:?}");
    assert_eq!(model, entry.model().unwrap());
    let scope = ScopeId::new("pj.lanyuan/desk");
    assert_eq!(project(&catalog, &scope, &model).unwrap().row.updated_at_ms, 4_999);
}
