//! Reminders: what a person's device says before something is due, computed ahead without signal.

use jiff::civil::Time;

use super::days::before;
use super::owners::ASSIGNEE;
use super::{Days, Duty, Owner, Record, Subject, part_of, people};
use crate::definition::Rule;
use crate::error::Sentence;
use crate::id::{DocumentId, UserId};

const MINUTE_MS: i64 = 60_000;
/// When a reminder of days before is shown: people are at work, and the day is young.
const MORNING: Time = Time::constant(9, 0, 0, 0);

/// One reminder for a person, to be shown at its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reminder {
    /// Its name: the same each time it is computed, so that an app schedules it once.
    pub key: String,
    /// When to show it, milliseconds since 1970.
    pub at_ms: i64,
    /// What to say.
    pub sentence: Sentence,
    /// The record or sheet it is about.
    pub document: Option<DocumentId>,
    /// The duty behind it.
    pub duty: String,
}

/// The reminders of a duty for a person.
///
/// `name` is what the record is called where it is about one. Nothing is said of a duty that was done.
#[must_use]
pub fn reminders(
    days: &Days<'_>,
    rule: &Rule,
    duty: &Duty,
    user: &UserId,
    record: Option<(&Record, &str)>,
) -> Vec<Reminder> {
    let Some(due_ms) = duty.due_ms.filter(|_| duty.is_waiting()) else { return Vec::new() };
    let mut found = Vec::new();
    for (place, reminder) in rule.remind.iter().enumerate() {
        let is_told = |id: &String| told(days, duty, id, user, record.map(|(record, _)| record));
        if !reminder.to.iter().any(is_told) {
            continue;
        }
        // A slot is spoken of when it may be begun, not when it is over.
        let of_ms = match duty.subject {
            Subject::Slot { .. } => duty.opens_ms,
            Subject::Record(_) | Subject::Unit(_) | Subject::Device(_) => due_ms,
        };
        let at_ms = match (reminder.before_min, reminder.before_days) {
            (Some(minutes), _) => of_ms.saturating_sub(i64::from(minutes) * MINUTE_MS),
            (None, Some(count)) => days.at(before(days.day(of_ms), count), MORNING),
            (None, None) => continue,
        };
        found.push(Reminder {
            key: format!("{}#{place}", duty.key),
            at_ms,
            sentence: sentence(days, rule, duty, due_ms, record),
            document: duty.subject.document(),
            duty: duty.key.clone(),
        });
    }
    found
}

/// What others did on a record since `since_ms` that moved it on, for a person whom its rule keeps informed.
#[must_use]
pub fn news(
    days: &Days<'_>,
    rule: &Rule,
    record: &Record,
    user: &UserId,
    name: &str,
    since_ms: i64,
) -> Vec<Reminder> {
    let follows = |id: &String| record.text(id) == Some(user.as_str());
    let is_told = rule.remind.iter().any(|told| told.on.is_some() && told.to.iter().any(follows));
    let Some(ledger) = record.ledger(days.catalog).filter(|_| is_told) else { return Vec::new() };
    let mut news = Vec::new();
    for (event, state) in record.model.events.iter().zip(&record.states).skip(1) {
        let is_move = event.from != *state && event.by != *user && event.at_ms >= since_ms;
        let Some(state) = ledger.state(state).filter(|_| is_move) else { continue };
        news.push(Reminder {
            key: format!("{}|{}|{}", rule.id, record.row.document, event.id),
            at_ms: event.at_ms,
            sentence: Sentence::new(
                format!("{}:{name} 现在是“{}”", rule.title.zh, state.title.zh),
                format!("{}: {name} is now \"{}\"", rule.title.en, state.title.en),
            ),
            document: Some(record.row.document),
            duty: rule.id.clone(),
        });
    }
    news
}

fn told(days: &Days<'_>, duty: &Duty, id: &str, user: &UserId, record: Option<&Record>) -> bool {
    let catalog = days.catalog;
    if catalog.role(id).is_some() {
        return people(catalog, &Owner::Role(id.to_owned()), &duty.unit).contains(user);
    }
    if record.and_then(|record| record.text(id)) == Some(user.as_str()) {
        return true;
    }
    // The people of a slot, a device or a part are those who owe it.
    let is_subject = !matches!(duty.subject, Subject::Record(_)) || id == ASSIGNEE;
    is_subject && duty.owners.iter().any(|owner| people(catalog, owner, &duty.unit).contains(user))
}

fn sentence(
    days: &Days<'_>,
    rule: &Rule,
    duty: &Duty,
    due_ms: i64,
    record: Option<(&Record, &str)>,
) -> Sentence {
    let due = days.local(due_ms).strftime("%Y-%m-%d %H:%M").to_string();
    let about = record.map(|(_, name)| name.to_owned()).unwrap_or_else(|| match &duty.subject {
        Subject::Slot { slot, .. } => slot.clone(),
        Subject::Record(_) | Subject::Unit(_) | Subject::Device(_) => duty.period.clone(),
    });
    let part = record.and_then(|(record, _)| part_of(days.catalog, rule, duty, record));
    let (zh, en) =
        part.map_or_else(Default::default, |part| (format!(" {}", part.zh), format!(" {}", part.en)));
    Sentence::new(
        format!("{}:{about}{zh},期限 {due}", duty.title.zh),
        format!("{}: {about}{en}, due {due}", duty.title.en),
    )
}
