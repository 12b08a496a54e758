//! Duties of schedules and of devices: a patrol in its window, an exchange every few days.

use super::{Days, Deed, Duty, Outcome, Record, Subject, key, owners};
use crate::definition::{Deadline, Rule};
use crate::id::{DeviceId, UserId};
use crate::rules::keys;
use crate::rules::schedule::{self, Slot};

/// The slots of a rule's schedule in a unit whose window ends after `since_ms` and that open by `now_ms`.
#[must_use]
pub fn slots_of(days: &Days<'_>, rule: &Rule, unit: &str, since_ms: i64, now_ms: i64) -> Vec<Slot> {
    let (Deadline::ScheduleWindow, Some(id)) = (&rule.deadline, &rule.applies_to.schedule) else {
        return Vec::new();
    };
    let Some(schedule) = days.catalog.schedules().find(|known| known.id == *id && known.covers(unit)) else {
        return Vec::new();
    };
    let (since, now) = (days.local(since_ms), days.local(now_ms));
    let slots = schedule::between(days.catalog, schedule, unit, since.date(), now.date());
    slots.into_iter().filter(|slot| slot.missed > since && slot.opens <= now).collect()
}

/// The duty of a slot, with its sheet where there is one; none where nobody holds the role.
#[must_use]
pub fn of_slot(days: &Days<'_>, rule: &Rule, slot: &Slot, sheet: Option<&Record>) -> Option<Duty> {
    let owners = owners::owes(days.catalog, rule, &slot.project, None);
    if owners.is_empty() {
        return None;
    }
    Some(Duty {
        key: key(&rule.id, &slot.project, &slot.key),
        rule: rule.id.clone(),
        title: rule.title.clone(),
        unit: slot.project.clone(),
        subject: Subject::Slot { slot: slot.key.clone(), document: slot.document },
        owners,
        period: slot.starts.date().to_string(),
        opens_ms: days.ms(slot.opens),
        due_ms: Some(days.ms(slot.missed)),
        outcome: sheet.and_then(begun).map_or(Outcome::Waiting, Outcome::Done),
    })
}

/// The beginning of a sheet: a sheet that was begun is a patrol that was made; whether it is finished is its
/// own affair.
#[must_use]
pub fn begun(sheet: &Record) -> Option<Deed> {
    let place = sheet.model.events.iter().position(|event| event.kind == keys::CREATE)?;
    let event = &sheet.model.events[place];
    Some(Deed {
        event: event.id.clone(),
        at_ms: sheet.at_ms(place),
        received_ms: sheet.received_ms(&event.id),
        is_suspicious: sheet.is_suspicious(event),
    })
}

/// The duty of a device to be heard of again after its last exchange; `None` for another kind of rule.
#[must_use]
pub fn silence(days: &Days<'_>, rule: &Rule, device: DeviceId, user: &UserId, last_ms: i64) -> Option<Duty> {
    let Deadline::MaxSilence { days: most } = rule.deadline else { return None };
    let person = days.catalog.user(user)?;
    let branch = days.catalog.organisation().map(|organisation| organisation.branch.id.clone());
    let unit = person.project.clone().or(branch)?;
    Some(Duty {
        key: key(&rule.id, &device.to_string(), &last_ms.to_string()),
        rule: rule.id.clone(),
        title: rule.title.clone(),
        unit,
        subject: Subject::Device(device),
        owners: vec![super::Owner::User(user.clone())],
        period: days.day(last_ms).to_string(),
        opens_ms: last_ms,
        due_ms: Some(last_ms.saturating_add(i64::from(most) * 86_400_000)),
        outcome: Outcome::Waiting,
    })
}
