//! Duties at the branch: judged on arrival and by time, escalated once, whatever is restarted or restored.

use super::*;
use crate::hub::{DutyFilter, DutyView, HookEvent};
use xunyuan_core::duty::Status;
use xunyuan_core::projection::{self, Filter};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// 17:30 of the same Monday: off duty.
const OFF: i64 = NINE + 8 * HOUR + 30 * MINUTE;

impl Phone {
    /// Exchanges at a time, and has nothing left to say afterwards.
    fn sync_at(&mut self, hub: &Hub, now_ms: i64) {
        loop {
            let mut request = self.request();
            request.health.pending_changes = 0;
            request.device_time_ms = now_ms;
            let reply = hub.exchange(&self.device, &frame::encode(&request), now_ms).unwrap();
            let reply: Reply = frame::decode(&reply, 64 << 20).unwrap();
            for verdict in &reply.verdicts {
                assert!(
                    matches!(verdict, Verdict::Accepted { .. } | Verdict::Duplicate { .. }),
                    "{verdict:?}"
                );
            }
            self.unsigned.clear();
            self.receive(hub, &reply);
            if reply.scopes.iter().all(|scope| !scope.more) {
                return;
            }
        }
    }

    /// Records an event at a time of this phone's clock.
    fn act(&mut self, document: DocumentId, kind: &str, from: &str, at_ms: i64, data: &[(&str, &str)]) {
        let Edit::Event(mut event) = self.event(document, kind, from) else { unreachable!() };
        event.at_ms = at_ms;
        for (name, value) in data {
            event.data.insert((*name).to_owned(), Value::Text((*value).to_owned()));
        }
        let mut edits = vec![Edit::Event(event)];
        if kind == "assign" {
            edits.push(self.put("field/handler", Value::Text("u.eng01".to_owned())));
        }
        self.edit(document, &edits);
    }
}

/// A front-desk entry that u.eng01 is to handle since ten o'clock, at the branch and on both phones.
fn assigned(hub: &Hub) -> (Phone, Phone, DocumentId) {
    let mut desk = Phone::enroll(hub, "u.fd01", 1);
    let mut engineer = Phone::enroll(hub, "u.eng01", 2);
    hub.look_all(NINE).unwrap();
    let entry = desk.open_entry(hub, 5);
    desk.act(entry, "assign", "received", NINE + HOUR, &[]);
    desk.sync_at(hub, NINE + HOUR);
    engineer.sync_at(hub, NINE + HOUR + MINUTE);
    hub.look_all(NINE + HOUR + MINUTE).unwrap();
    (desk, engineer, entry)
}

fn of(hub: &Hub, rule: &str, now_ms: i64) -> Vec<DutyView> {
    hub.duties(&DutyFilter { rule: Some(rule.to_owned()), ..DutyFilter::default() }, now_ms).unwrap()
}

fn statuses(hub: &Hub, rule: &str, now_ms: i64) -> Vec<(String, Status)> {
    of(hub, rule, now_ms).into_iter().map(|view| (view.duty.period, view.status)).collect()
}

fn day(period: &str, status: Status) -> (String, Status) {
    (period.to_owned(), status)
}

/// Events by which the branch escalated, in the history of a record: rule, roles, mark.
fn escalations(hub: &Hub, document: DocumentId) -> Vec<(String, String, String)> {
    let lines = hub.inner.shared.read(|conn| projection::history(conn, document)).unwrap();
    let text = |value: Option<&Value>| value.and_then(Value::as_text).unwrap_or_default().to_owned();
    let written = lines.iter().filter(|line| line.data.contains_key("rule"));
    written.map(|l| (text(l.data.get("rule")), text(l.data.get("to")), text(l.data.get("mark")))).collect()
}

/// Entries that the branch made itself.
fn notes(hub: &Hub) -> Vec<(String, String)> {
    let filter = Filter { definition: Some("led.notice".to_owned()), ..Filter::default() };
    let rows = hub.inner.shared.read(|conn| projection::list(conn, &filter)).unwrap();
    rows.into_iter().map(|row| (row.project, row.summary)).collect()
}

const FEEDBACK: &str = "rule.daily_feedback";

#[test]
fn feedback_made_before_off_duty_and_synced_next_morning_is_met() {
    let (_dir, hub) = branch();
    let (_desk, mut engineer, entry) = assigned(&hub);
    engineer.act(entry, "feedback", "assigned", OFF - 20 * MINUTE, &[("note", "已换阀门")]);
    hub.look_all(OFF + MINUTE).unwrap();
    assert_eq!(statuses(&hub, FEEDBACK, OFF + MINUTE)[0], day("2026-11-23", Status::Unknown));
    assert!(escalations(&hub, entry).is_empty(), "never missed on missing data");
    let morning = OFF + 15 * HOUR;
    engineer.sync_at(&hub, morning);
    hub.look_all(morning).unwrap();
    assert_eq!(
        statuses(&hub, FEEDBACK, morning),
        [day("2026-11-23", Status::MetSyncedLate), day("2026-11-24", Status::Open)]
    );
    assert!(escalations(&hub, entry).is_empty());
}

#[test]
fn what_is_missing_is_escalated_once_step_by_step_and_marked_for_ever() {
    let (dir, hub) = branch();
    let (mut desk, mut engineer, entry) = assigned(&hub);
    hub.add_hook(hooks::wish(&[HookEvent::Escalation]), NINE, [1; 32]).unwrap();
    engineer.sync_at(&hub, OFF + MINUTE);
    hub.look_all(OFF + MINUTE).unwrap();
    let told = hooks::told(&hub).into_iter().map(|one| one.data);
    let told: Vec<String> = told.filter(|data| data.contains(FEEDBACK)).collect();
    assert_eq!(told.len(), 1, "programs are told as often as the record says so");
    assert!(told[0].contains(&entry.to_string()), "{told:?}");
    let first = (FEEDBACK.to_owned(), "role.front_desk".to_owned(), "feedback_missing".to_owned());
    assert_eq!(escalations(&hub, entry), std::slice::from_ref(&first));
    // Restarted in between, looked at again and again: nothing is said twice.
    hub.close().unwrap();
    let hub = open(&dir);
    for minute in 2..6 {
        hub.look_all(OFF + minute * MINUTE).unwrap();
    }
    assert_eq!(escalations(&hub, entry), std::slice::from_ref(&first));
    // The second step falls due while the server is off, and the next day begins.
    hub.close().unwrap();
    let hub = open(&dir);
    hub.look_all(OFF + DAY - HOUR).unwrap();
    let second = (FEEDBACK.to_owned(), "role.cs_lead".to_owned(), String::new());
    assert_eq!(escalations(&hub, entry)[..2], [first, second]);
    // Late feedback does not take back what was said; a phone sees the mark.
    engineer.sync_at(&hub, OFF + DAY - HOUR);
    engineer.act(entry, "feedback", "assigned", OFF + DAY - HOUR, &[("note", "今天修好")]);
    engineer.sync_at(&hub, OFF + DAY - HOUR);
    hub.look_all(OFF + DAY).unwrap();
    assert_eq!(
        statuses(&hub, FEEDBACK, OFF + DAY)[..2],
        [day("2026-11-23", Status::Breached), day("2026-11-24", Status::Met)]
    );
    desk.sync_at(&hub, OFF + DAY);
    let model = desk.documents[&entry].model().unwrap();
    assert!(model.events.iter().any(|event| event.kind == "escalation" && event.by.as_str() == "sys.server"));
    assert_eq!(hub.verify(|_| ()).unwrap().first_bad, None);
}

#[test]
fn a_restore_says_nothing_twice() {
    let (dir, hub) = branch();
    let (mut desk, mut engineer, entry) = assigned(&hub);
    let copy = dir.0.with_extension("copy");
    std::fs::create_dir_all(&copy).unwrap();
    let _gone = Dir(copy.clone());
    hub.backup(&copy.join("branch.sqlite3"), |_| ()).unwrap();
    engineer.sync_at(&hub, OFF + MINUTE);
    hub.look_all(OFF + MINUTE).unwrap();
    desk.sync_at(&hub, OFF + 2 * MINUTE);
    let said: Vec<String> =
        desk.documents[&entry].model().unwrap().events.iter().map(|e| e.id.clone()).collect();
    hub.close().unwrap();
    // The restored branch writes it again; its id is the same, so on a phone that has both they are one.
    let hub = Hub::open(&copy, &HubOptions::new([7; 32])).unwrap();
    let mut other = Phone::enroll(&hub, "u.eng01", 3);
    other.sync_at(&hub, OFF + 3 * MINUTE);
    engineer.standing.values_mut().for_each(|at| *at = Standing::default());
    hub.look_all(OFF + 8 * DAY).unwrap();
    other.sync_at(&hub, OFF + 8 * DAY);
    let again = other.documents[&entry].model().unwrap();
    let ids: Vec<&str> = again.events.iter().map(|event| event.id.as_str()).collect();
    assert!(said.iter().all(|id| ids.contains(&id.as_str())), "{said:?} {ids:?}");
    let unique: HashSet<&&str> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len());
}

#[test]
fn a_clock_that_is_days_ahead_proves_nothing() {
    let (_dir, hub) = branch();
    let (_desk, mut engineer, entry) = assigned(&hub);
    // By the phone it is Thursday; it comes in on Monday evening.
    engineer.act(entry, "feedback", "assigned", OFF + 3 * DAY - HOUR, &[("note", "已修")]);
    let evening = OFF + 2 * HOUR;
    engineer.sync_at(&hub, evening);
    hub.look_all(evening).unwrap();
    let monday = &of(&hub, FEEDBACK, evening)[0];
    assert_eq!((monday.status, monday.is_suspicious), (Status::Unknown, true));
    assert!(escalations(&hub, entry).is_empty());
}

#[test]
fn a_major_complaint_is_reported_when_the_branch_learns_of_it() {
    let (_dir, hub) = branch();
    let mut lead = Phone::enroll(&hub, "u.csl01", 1);
    hub.look_all(NINE).unwrap();
    let graded = |lead: &mut Phone, number: u8| {
        let document = DocumentId([number; 16]);
        let definition = hub.catalog().reference_of("led.complaint").unwrap().clone();
        lead.hold(&hub, document, &definition, &ScopeId::new(DESK));
        let text = |value: &str| Value::Text(value.to_owned());
        let mut edits = vec![lead.event(document, "create", "")];
        for (field, value) in [
            ("project_id", text("pj.lanyuan")),
            ("created_by", text("u.csl01")),
            ("created_at", Value::Int(NINE)),
            ("category", text("cp.eng.slow")),
            ("level", text("major")),
            ("first_contact", text("u.csl01")),
            ("owner_dept", text("dept.cs")),
        ] {
            edits.push(lead.put(&format!("field/{field}"), value));
        }
        edits.push(Edit::Text { key: "content".to_owned(), to: Some("电梯困人".to_owned()) });
        lead.edit(document, &edits);
        lead.act(document, "classify", "received", NINE + MINUTE, &[]);
        document
    };
    let soon = graded(&mut lead, 11);
    lead.sync_at(&hub, NINE + 5 * MINUTE);
    hub.look_all(NINE + 5 * MINUTE).unwrap();
    let reported = |document: DocumentId| {
        let lines = hub.inner.shared.read(|conn| projection::history(conn, document)).unwrap();
        lines.into_iter().filter(|line| line.what == "escalate_gm").map(|line| line.at_ms).collect::<Vec<_>>()
    };
    assert_eq!(reported(soon), [NINE + 5 * MINUTE]);
    // Graded without signal and synced five hours later: reported then, and too late.
    let late = graded(&mut lead, 12);
    lead.sync_at(&hub, NINE + 5 * HOUR);
    hub.look_all(NINE + 5 * HOUR).unwrap();
    assert_eq!(reported(late), [NINE + 5 * HOUR]);
    let found: BTreeMap<DocumentId, Status> = of(&hub, "rule.major_to_gm", NINE + 5 * HOUR)
        .into_iter()
        .map(|view| (view.duty.subject.document().unwrap(), view.status))
        .collect();
    assert_eq!((found[&soon], found[&late]), (Status::Met, Status::Breached));
}

#[test]
fn a_report_that_nobody_sent_and_a_patrol_that_nobody_made_become_notes() {
    let (dir, hub) = branch();
    let mut patrol = Phone::enroll(&hub, "u.pt01", 1);
    patrol.sync_at(&hub, NINE);
    hub.look_all(NINE).unwrap();
    // The server is off when the morning's window ends; the phone comes by in the evening.
    hub.close().unwrap();
    let hub = open(&dir);
    patrol.sync_at(&hub, OFF);
    hub.look_all(OFF).unwrap();
    let about: Vec<(String, Status)> = of(&hub, "rule.patrol_missed", OFF)
        .into_iter()
        .map(|view| (view.duty.subject.id(), view.status))
        .collect();
    assert_eq!(
        about,
        [
            ("sch.patrol_daily@2026-11-23T09:00".to_owned(), Status::Breached),
            ("sch.patrol_daily@2026-11-23T15:00".to_owned(), Status::Open),
        ]
    );
    assert_eq!(notes(&hub).len(), 1, "{:?}", notes(&hub));
    assert_eq!(notes(&hub)[0].0, "pj.lanyuan");
    assert!(notes(&hub)[0].1.contains("2026-11-23 09:00"), "{:?}", notes(&hub));
    // The summary for November is due on 3 December.
    hub.look_all(NINE + 12 * DAY).unwrap();
    let missed = |notes: &[(String, String)]| notes.iter().filter(|note| note.1.contains("2026-11")).count();
    let before = missed(&notes(&hub));
    assert!(
        notes(&hub).iter().any(|note| note.1.contains("投诉") && note.1.ends_with("2026-11")),
        "{:?}",
        notes(&hub)
    );
    for day in 13..16 {
        hub.look_all(NINE + day * DAY).unwrap();
    }
    assert!(missed(&notes(&hub)) >= before);
    let all: Vec<(String, String)> = notes(&hub);
    let unique: HashSet<&(String, String)> = all.iter().collect();
    assert_eq!(unique.len(), all.len(), "{all:?}");
    assert_eq!(hub.verify(|_| ()).unwrap().first_bad, None);
}

#[test]
fn a_look_takes_in_what_is_new_and_nothing_else() {
    let (_dir, hub) = branch();
    let (mut desk, mut engineer, _entry) = assigned(&hub);
    engineer.sync_at(&hub, NINE + HOUR + MINUTE);
    assert!(!hub.is_behind().unwrap());
    for number in 20..60 {
        desk.open_entry(&hub, number);
    }
    desk.sync_at(&hub, NINE + HOUR + 2 * MINUTE);
    assert!(hub.is_behind().unwrap());
    let look = hub.look_all(NINE + HOUR + 2 * MINUTE).unwrap();
    assert!((40..=80).contains(&look.records), "{look:?}");
    let idle = hub.look_all(NINE + HOUR + 2 * MINUTE + 1).unwrap();
    assert_eq!((idle.records, idle.duties, idle.escalated), (0, 0, 0));
}
