//! What programs are told: once, of what they asked for, and until they take it.

use xunyuan_core::time::Moment;

use super::*;
use crate::hub::{
    Action, Attempted, Deed, Delivery, DeliveryFilter, DeliveryState, HookEvent, HookForm, HookWish, Patience,
};

const PATIENCE: Patience = Patience { attempts_max: 2, pause_ms: 1_000 };

pub(super) fn wish(events: &[HookEvent]) -> HookWish {
    HookWish {
        name: "test".to_owned(),
        url: "https://told.example/".to_owned(),
        events: events.to_vec(),
        units: Vec::new(),
        ledgers: Vec::new(),
        form: HookForm::Standard,
    }
}

pub(super) fn told(hub: &Hub) -> Vec<Delivery> {
    hub.deliveries(&DeliveryFilter::default(), 0, 100).unwrap().rows
}

fn moment(number: u8) -> Moment {
    Moment { unix_ms: NINE + i64::from(number), utc_offset_min: 480, entropy: hash_parts("m", &[&[number]]) }
}

/// A complaint of this level.
fn complaint(hub: &Hub, level: &str, number: u8) -> DocumentId {
    let fields = [
        ("category", "cp.eng"),
        ("level", level),
        ("content", "电梯困人"),
        ("first_contact", "u.fd01"),
        ("owner_dept", "dept.eng"),
    ];
    let fields = fields.map(|(field, value)| (field.to_owned(), Value::Text(value.to_owned())));
    let (ledger, project) = ("led.complaint".to_owned(), "pj.lanyuan".to_owned());
    let action = Action::Begin { ledger, project, fields: fields.into_iter().collect() };
    hub.sight(&UserId::new("u.fd01")).act(action, moment(number)).unwrap()
}

fn edit(hub: &Hub, document: DocumentId, field: &str, value: &str, number: u8) {
    let sight = hub.sight(&UserId::new("u.fd01"));
    let fields = BTreeMap::from([(field.to_owned(), Value::Text(value.to_owned()))]);
    let seen = sight.record(document).unwrap().heads;
    sight.act(Action::On { document, seen, deed: Deed::Edit(fields, Vec::new()) }, moment(number)).unwrap();
}

#[test]
fn a_complaint_that_becomes_major_is_told_once() {
    let (_dir, hub) = branch();
    // What was major before anybody asked is known to people already.
    let known = complaint(&hub, "major", 1);
    hub.add_hook(wish(&[HookEvent::Grave]), NINE, [1; 32]).unwrap();
    edit(&hub, known, "content", "电梯困人两小时", 2);
    let document = complaint(&hub, "important", 3);
    assert_eq!(told(&hub), []);
    edit(&hub, document, "level", "major", 4);
    edit(&hub, document, "content", "电梯困人三小时", 5);
    hub.write(crate::hub::rows::write_again).unwrap();
    hub.write_all_rows().unwrap();
    let once = told(&hub);
    assert_eq!(once.len(), 1);
    assert!(once[0].data.contains(&document.to_string()) && once[0].data.contains("\"major\""), "{once:?}");
    assert!(!once[0].data.contains("电梯") && !once[0].data.contains("u.fd01"), "{once:?}");
    let straight = complaint(&hub, "major", 6);
    assert!(told(&hub)[0].data.contains(&straight.to_string()));
}

#[test]
fn a_target_that_fails_rests_and_a_message_that_nobody_takes_is_given_up() {
    let (_dir, hub) = branch();
    let hook = hub.add_hook(wish(&[HookEvent::Grave]), NINE, [1; 32]).unwrap();
    let narrow = HookWish { ledgers: vec!["led.finding".to_owned()], ..wish(&[HookEvent::Grave]) };
    hub.add_hook(narrow, NINE, [2; 32]).unwrap();
    complaint(&hub, "major", 1);
    complaint(&hub, "major", 2);
    let now = NINE + 10_000;
    let rounds = hub.rounds(now).unwrap();
    assert_eq!((rounds.len(), rounds[0].hook.id.as_str(), rounds[0].deliveries.len()), (1, &*hook.id, 2));
    let first = rounds[0].deliveries[0].id;
    let failed = || Attempted { is_taken: false, outcome: "HTTP 500".to_owned() };
    hub.attempted(first, failed(), PATIENCE, 0, now).unwrap();
    assert_eq!(hub.rounds(now).unwrap(), [], "the second message waits too");
    assert_eq!(hub.rounds(now + 1_000).unwrap()[0].deliveries.len(), 2);
    hub.attempted(first, failed(), PATIENCE, 0, now + 1_000).unwrap();
    let dead = DeliveryFilter { hook: Some(hook.id.clone()), state: Some(DeliveryState::Dead) };
    assert_eq!(hub.deliveries(&dead, 0, 10).unwrap().count, 1);
    assert!(hub.send_again(Some(first), Some("another"), now).is_err());
    assert_eq!(hub.send_again(None, Some(&hook.id), now + 2_000).unwrap(), 1);
    let again = &hub.rounds(now + 2_000).unwrap()[0].deliveries;
    assert!(again.iter().any(|one| one.id == first && one.attempts == 0));
    let taken = Attempted { is_taken: true, outcome: "HTTP 200".to_owned() };
    hub.attempted(first, taken.clone(), PATIENCE, 0, now + 2_000).unwrap();
    hub.remove_hook(&hook.id).unwrap();
    hub.attempted(first, taken, PATIENCE, 0, now + 3_000).unwrap();
    assert_eq!((told(&hub), hub.rounds(now + 9_000_000).unwrap()), (Vec::new(), Vec::new()));
}
