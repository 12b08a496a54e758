//! What people write at the branch: through the door of a phone, for every phone, whatever is restored.

use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::projection::Filter;
use xunyuan_core::time::Moment;
use xunyuan_core::wire::message::Author;

use super::*;
use crate::hub::{ActFailure, Action, Deed, Seen};

fn moment(number: u8) -> Moment {
    Moment { unix_ms: NINE + i64::from(number), utc_offset_min: 480, entropy: hash_parts("m", &[&[number]]) }
}

fn entry(project: &str) -> Action {
    let fields = [
        ("channel", "phone"),
        ("category", "fd.suggest.service"),
        ("content", "门禁失灵"),
        ("first_contact", "u.fd01"),
        ("urgency", "normal"),
        ("owner_dept", "dept.eng"),
    ];
    let fields =
        fields.map(|(field, value)| (field.to_owned(), Value::Text(value.to_owned()))).into_iter().collect();
    Action::Begin { ledger: "led.front_desk".to_owned(), project: project.to_owned(), fields }
}

fn edit(seen: &Seen, field: &str, value: &str) -> Action {
    let fields = BTreeMap::from([(field.to_owned(), Value::Text(value.to_owned()))]);
    Action::On { document: seen.row.document, seen: seen.heads.clone(), deed: Deed::Edit(fields, Vec::new()) }
}

fn begin(hub: &Hub, user: &str, number: u8) -> DocumentId {
    hub.sight(&UserId::new(user)).act(entry("pj.lanyuan"), moment(number)).unwrap()
}

fn seen(hub: &Hub, user: &str, document: DocumentId) -> Seen {
    hub.sight(&UserId::new(user)).record(document).unwrap()
}

fn caller(seen: &Seen) -> String {
    seen.model.text("field/caller_name").unwrap().to_owned()
}

#[test]
fn a_phone_receives_what_was_written_at_the_branch_and_the_log_verifies() {
    let (_dir, hub) = branch();
    let document = begin(&hub, "u.fd01", 1);
    let looked = seen(&hub, "u.fd01", document);
    assert!(looked.row.number.as_ref().is_some_and(|number| number.starts_with("QT-")), "{looked:?}");
    hub.sight(&UserId::new("u.fd01")).act(edit(&looked, "caller_name", "王先生"), moment(2)).unwrap();
    let mut phone = Phone::enroll(&hub, "u.fd02", 7);
    phone.sync_all(&hub);
    let model = phone.documents[&document].model().unwrap();
    let name = &model.register("field/caller_name").unwrap().winner;
    assert_eq!((&name.value, name.by.as_str()), (&Value::Text("王先生".to_owned()), "u.fd01"));
    assert_eq!(hub.verify(|_| ()).unwrap().first_bad, None);
    let desks = hub.devices().unwrap().into_iter().filter(|device| device.is_console);
    assert_eq!(desks.map(|desk| desk.user).collect::<Vec<_>>(), [UserId::new("u.fd01")]);
}

#[test]
fn nothing_is_written_over_what_the_person_has_not_seen() {
    let (_dir, hub) = branch();
    let document = begin(&hub, "u.fd01", 1);
    let looked = seen(&hub, "u.fd01", document);
    let sight = hub.sight(&UserId::new("u.fd02"));
    sight.act(edit(&looked, "caller_name", "王先生"), moment(2)).unwrap();
    let late = sight.act(edit(&looked, "caller_name", "李女士"), moment(3));
    assert!(matches!(late, Err(ActFailure::Moved)), "{late:?}");
    // Elsewhere in the same record nothing was moved.
    sight.act(edit(&looked, "caller_phone", "13800138000"), moment(4)).unwrap();
    let unheard = Action::On {
        document,
        seen: vec![ChangeHash([9; 32])],
        deed: Deed::Edit(BTreeMap::from([("caller_phone".to_owned(), Value::Null)]), Vec::new()),
    };
    assert!(matches!(sight.act(unheard, moment(5)), Err(ActFailure::Moved)));
    assert_eq!(caller(&seen(&hub, "u.fd01", document)), "王先生");
}

#[test]
fn the_rules_of_a_phone_hold_and_what_one_may_not_see_is_not_there() {
    let (_dir, hub) = branch();
    let unknown = |done: Result<DocumentId, ActFailure>| match done {
        Err(ActFailure::Failed(error)) => assert_eq!(error.kind(), ErrorKind::NotFound),
        other => panic!("{other:?}"),
    };
    // Guards write no entries of the front desk, and nobody in a project that is not theirs.
    let guard = hub.sight(&UserId::new("u.pt01")).act(entry("pj.lanyuan"), moment(1));
    assert!(matches!(guard, Err(ActFailure::Refused(_))), "{guard:?}");
    let elsewhere = hub.sight(&UserId::new("u.fd01")).act(entry("pj.xiyuan"), moment(2));
    assert!(matches!(elsewhere, Err(ActFailure::Refused(_))), "{elsewhere:?}");
    let document = begin(&hub, "u.fd01", 3);
    let looked = seen(&hub, "u.fd01", document);
    unknown(hub.sight(&UserId::new("u.pt03")).act(edit(&looked, "caller_phone", "x"), moment(4)));
    let find = |user: &str| -> Result<usize, Error> {
        Ok(hub.sight(&UserId::new(user)).list(&Filter::default())?.rows.len())
    };
    assert_eq!((find("u.fd01").unwrap(), find("u.nobody").unwrap()), (1, 0));
}

#[test]
fn a_restored_branch_takes_back_what_was_written_at_its_console_and_goes_on() {
    let (_dir, hub) = branch();
    let document = begin(&hub, "u.fd01", 1);
    let mut phone = Phone::enroll(&hub, "u.fd02", 7);
    let copy = dir();
    std::fs::create_dir_all(&copy.0).unwrap();
    hub.backup(&copy.0.join("branch.sqlite3"), |_| ()).unwrap();
    // Somebody who had written nothing at the time of the backup.
    let lead = UserId::new("u.pm01");
    hub.sight(&lead).act(edit(&seen(&hub, "u.pm01", document), "caller_name", "王先生"), moment(3)).unwrap();
    let request = phone.request();
    let reply = phone.send(&hub, &request);
    phone.receive(&hub, &reply);
    drop(hub);

    let copy = Hub::open(&copy.0, &HubOptions::new([2; 32])).unwrap();
    assert!(seen(&copy, "u.pm01", document).model.register("field/caller_name").is_none());
    let scope = reply.scopes.iter().find(|scope| scope.scope.as_str() == DESK).unwrap();
    let lost = scope.records.iter().filter(|record| record.user == lead);
    let mut back = Request { scopes: Vec::new(), definitions: reply.definitions.clone(), ..phone.request() };
    for record in lost {
        let Body::Run(run) = &record.body else { panic!("{record:?}") };
        let author = Some(Author { device: record.device, user: record.user.clone() });
        back.push.push(PushedRun { scope: scope.scope.clone(), document, run: run.clone(), author });
    }
    assert_eq!(back.push.len(), 1);
    let reply = phone.send(&copy, &back);
    assert!(matches!(reply.verdicts[0], Verdict::Accepted { .. }), "{:?}", reply.verdicts);
    let looked = seen(&copy, "u.pm01", document);
    assert_eq!(caller(&looked), "王先生");
    copy.sight(&lead).act(edit(&looked, "caller_name", "李女士"), moment(4)).unwrap();
    let now = seen(&copy, "u.pm01", document);
    assert_eq!(caller(&now), "李女士");
    assert!(now.model.register("field/caller_name").unwrap().others.is_empty(), "no clash with oneself");
    assert_eq!(copy.verify(|_| ()).unwrap().first_bad, None);
}
