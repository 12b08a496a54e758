//! A record that holds as many changes as one may is sealed and goes on in another.

use rusqlite::{Connection, params};
use xunyuan_core::document::model::{Edit, Stamped, Value};
use xunyuan_core::document::{Document, RawChange};
use xunyuan_core::error::ErrorKind;
use xunyuan_core::id::{ActorId, DocumentId};
use xunyuan_core::limits::DOCUMENT_CHANGES_MAX;
use xunyuan_tests::laws::{chunks, status};
use xunyuan_tests::people::fields;
use xunyuan_tests::process::xunyuan;
use xunyuan_tests::seed::Seed;
use xunyuan_tests::world::World;

/// Years of changes, past the front door into the outbox: by the hand of the same person.
fn fill(world: &mut World, device: usize, entry: DocumentId) {
    let user = world.devices[device].user.clone();
    let replica = world.replica(device);
    let record = replica.export().unwrap().into_iter().find(|record| record.document == entry).unwrap();
    let text_keys = replica.catalog().text_keys(&record.definition).unwrap();
    let mut document = Document::new(entry, &record.definition, &text_keys);
    let known: Vec<_> = chunks(&record).into_iter().map(|chunk| RawChange::parse(chunk).unwrap()).collect();
    document.apply(&known).unwrap();
    let actor = ActorId([7; 16]);
    let written: Vec<RawChange> = (known.len()..DOCUMENT_CHANGES_MAX as usize)
        .map(|number| {
            let value = Value::Text(["u.eng01", "u.sec01"][number % 2].to_owned());
            let stamped = Stamped { value, by: user.clone(), at_ms: world.now_ms };
            document.edit(actor, &[Edit::Put { key: "field/handler".to_owned(), stamped }]).unwrap()
        })
        .collect();
    world.closed(device, |file| {
        let mut connection = Connection::open(file).unwrap();
        let transaction = connection.transaction().unwrap();
        for change in &written {
            transaction
                .execute(
                    "INSERT INTO outbox (document, scope, actor, seq, hash, follows, bytes, written_at_ms)
                     VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, 0)",
                    params![
                        entry.as_bytes(),
                        record.scope.as_str(),
                        actor.as_bytes(),
                        i64::try_from(change.seq).unwrap(),
                        change.hash.as_bytes(),
                        change.bytes,
                    ],
                )
                .unwrap();
        }
        transaction.commit().unwrap();
    });
}

#[test]
fn a_full_record_takes_no_more_and_goes_on_in_its_continuation() {
    let mut world = World::new(Seed::or(501));
    let phone = world.enroll("u.fd01");
    let entry = world.take_call(phone, "咨询停车月卡");
    let early = world.attempt(phone, |replica, moment| replica.continue_record(entry, moment));
    assert_eq!(early.unwrap_err().kind(), ErrorKind::Invalid, "it still takes changes");
    fill(&mut world, phone, entry);
    let pending = status(&mut world, phone).pending_changes;
    assert_eq!(pending, DOCUMENT_CHANGES_MAX);

    let urgent = fields(&[("urgency", "urgent")]);
    let full = world.attempt(phone, |replica, moment| replica.edit_entry(entry, urgent.clone(), moment));
    let full = full.unwrap_err();
    let next = DocumentId::of_continuation(entry);
    assert_eq!(full.code(), "document_full");
    assert!(full.sentence().en.contains(&next.to_string()), "it names the continuation: {full}");
    assert_eq!(status(&mut world, phone).pending_changes, pending, "nothing was written");

    let made = world.act(phone, |replica, moment| replica.continue_record(entry, moment));
    let again = world.act(phone, |replica, moment| replica.continue_record(entry, moment));
    assert_eq!((made, again), (next, next), "once, whoever asks");
    assert_eq!(world.replica(phone).continuation(entry), Some(next));
    let (old, new) = (world.replica(phone).model(entry).unwrap(), world.replica(phone).model(next).unwrap());
    assert_eq!(new.texts, old.texts);
    for key in ["field/handler", "field/urgency", "field/category", "field/project"] {
        assert_eq!(new.value(key), old.value(key), "{key}");
    }
    assert_ne!(new.text("field/temp_no"), old.text("field/temp_no"));
    assert_eq!(new.events[0].data["continues"], Value::Text(entry.to_string()));
    world.act(phone, |replica, moment| replica.edit_entry(next, urgent, moment));
    world.closed(phone, |replica| {
        let name = entry.to_string();
        let shown = xunyuan(replica, &["show", &name]).good().json;
        let listed = xunyuan(replica, &["list"]).good().json;
        let number = new.text("field/temp_no").unwrap();
        assert_eq!(shown["continued_in"], number);
        let rows = listed["records"].as_array().unwrap();
        assert_eq!(rows.len(), 2);
        assert!(rows.iter().any(|row| row["continued_in"] == number), "{listed}");
        assert_eq!(xunyuan(replica, &["continue", &name]).good().json["record"], number);
    });
}

#[test]
fn what_two_wrote_beyond_the_limit_is_refused_by_the_branch_and_the_continuation_is_taken() {
    let mut world = World::new(Seed::or(502));
    let (phone, other) = (world.enroll("u.fd01"), world.enroll("u.fd02"));
    let entry = world.take_call(phone, "咨询停车月卡");
    world.settle();
    // The branch counts the record as full; this device has not seen all of it.
    let full = world.dir().join("full.sqlite3");
    world.hub.backup(&full, |_| {}).unwrap();
    let connection = Connection::open(&full).unwrap();
    connection.execute("UPDATE document SET changes = 5000 WHERE document = ?1", [entry.as_bytes()]).unwrap();
    drop(connection);
    world.restore(&full);
    world.act(phone, |replica, moment| replica.edit_entry(entry, fields(&[("urgency", "urgent")]), moment));
    world.sync(phone);
    let draft = world.replica(phone).drafts().unwrap().remove(0);
    assert_eq!((draft.document, draft.refusal.code.as_str()), (entry, "document_full"));
    assert_eq!(status(&mut world, phone).pending_changes, 0);
    // Other records flow on.
    let next = world.take_call(phone, "另一条");
    world.sync(phone);
    world.sync(other);
    assert!(world.replica(other).record(next).is_ok());
}
