//! The slots of a day: which inspections a person is due to make, and how far they are.
//!
//! Computed from the organisation's schedules alone, so that a device without signal knows them; a slot
//! names the document that every device would open for it.

use jiff::ToSpan as _;
use jiff::civil::{Date, DateTime, Time};

use super::sheet::InspectionState;
use crate::definition::{AssignMode, Catalog, Frequency, RoleScope, Schedule, Title};
use crate::id::{DefinitionRef, DocumentId, UserId};

/// How far a slot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotState {
    /// Its window has not opened.
    Upcoming,
    /// It may be started.
    Open,
    /// Its sheet is being filled in.
    InProgress,
    /// Its sheet is finished.
    Done,
    /// Nobody started in time; it still may be.
    Late,
    /// Nobody started at all.
    Missed,
    /// The window is over and this device has heard of no sheet: somebody else may hold one that is not
    /// synchronised yet.
    Unknown,
}

impl SlotState {
    /// Stable id in snake case.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Upcoming => "upcoming",
            Self::Open => "open",
            Self::InProgress => "in_progress",
            Self::Done => "done",
            Self::Late => "late",
            Self::Missed => "missed",
            Self::Unknown => "unknown",
        }
    }
}

/// One inspection that is due.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// `<schedule>@<local start>`, e.g. `sch.patrol_daily@2026-11-23T09:00`.
    pub key: String,
    /// The schedule's id.
    pub schedule: String,
    /// The checklist version that a sheet opened now pins.
    pub checklist: DefinitionRef,
    /// The checklist's name.
    pub title: Title,
    /// The project.
    pub project: String,
    /// The document that every device opens for this slot.
    pub document: DocumentId,
    /// Local start.
    pub starts: DateTime,
    /// From here it may be started.
    pub opens: DateTime,
    /// From here it is late.
    pub late: DateTime,
    /// From here it is missed.
    pub missed: DateTime,
    /// True when only this person can have made it, so that silence means missed.
    pub is_own: bool,
}

impl Slot {
    /// How far the slot is at the local time `now`, given the state of its sheet where one is held.
    ///
    /// `knows_all` is true at the branch once every device of the project has synchronised; a device
    /// passes false.
    #[must_use]
    pub fn state(&self, now: DateTime, sheet: Option<InspectionState>, knows_all: bool) -> SlotState {
        match sheet {
            Some(InspectionState::Completed | InspectionState::Reviewed) => SlotState::Done,
            Some(InspectionState::Open) => SlotState::InProgress,
            None if now < self.opens => SlotState::Upcoming,
            None if now < self.late => SlotState::Open,
            None if now < self.missed => SlotState::Late,
            None if knows_all || self.is_own => SlotState::Missed,
            None => SlotState::Unknown,
        }
    }
}

/// The slots that concern a person at the local time `now`, by start: those that start today, and
/// earlier ones whose window is not over.
#[must_use]
pub fn slots(catalog: &Catalog, user: &UserId, now: DateTime) -> Vec<Slot> {
    let mut slots = Vec::new();
    for schedule in catalog.schedules() {
        for project in projects(catalog, user, schedule) {
            for starts in starts(schedule, now.date()) {
                slots.extend(slot(catalog, schedule, &project, starts, user));
            }
        }
    }
    slots.retain(|slot| slot.starts.date() == now.date() || (slot.opens <= now && now < slot.missed));
    slots.sort_by(|a, b| (a.starts, &a.key, &a.project).cmp(&(b.starts, &b.key, &b.project)));
    slots
}

/// The slot with this key in a project; `None` when no schedule makes it.
#[must_use]
pub fn find(catalog: &Catalog, user: &UserId, key: &str, project: &str) -> Option<Slot> {
    let (schedule, start) = key.split_once('@')?;
    let schedule = catalog.schedules().find(|known| known.id == schedule)?;
    let start: DateTime = start.parse().ok()?;
    let is_made = starts(schedule, start.date()).contains(&start);
    let is_theirs = projects(catalog, user, schedule).iter().any(|theirs| theirs == project);
    if is_made && is_theirs { slot(catalog, schedule, project, start, user) } else { None }
}

/// The slots of a schedule in a project that start from `first` on, or a window earlier, to `last`.
pub(crate) fn between(
    catalog: &Catalog,
    schedule: &Schedule,
    project: &str,
    first: Date,
    last: Date,
) -> Vec<Slot> {
    let nobody = UserId::new("");
    let mut slots: Vec<Slot> = Vec::new();
    let mut day = first;
    loop {
        for starts in starts(schedule, day) {
            let is_new = slots.iter().all(|slot| slot.starts != starts);
            slots.extend(slot(catalog, schedule, project, starts, &nobody).filter(|_| is_new));
        }
        match day.tomorrow() {
            Ok(next) if next <= last => day = next,
            _ => break,
        }
    }
    slots
}

/// The projects in which the schedule makes slots for this person.
fn projects(catalog: &Catalog, user: &UserId, schedule: &Schedule) -> Vec<String> {
    let Some(organisation) = catalog.organisation() else { return Vec::new() };
    let Some(person) = catalog.user(user).filter(|person| !person.retired) else { return Vec::new() };
    let Some(role) = catalog.role(&schedule.assign.role) else { return Vec::new() };
    let reaches = |project: &str| match role.scope {
        RoleScope::Branch | RoleScope::Audit => person.roles().any(|held| held == role.id),
        RoleScope::Project | RoleScope::Event => person.roles_at(project).any(|held| held == role.id),
        RoleScope::External => false,
    };
    let in_use = organisation.projects.iter().filter(|project| !project.retired);
    in_use
        .map(|project| project.id.as_str())
        .filter(|id| schedule.covers(id) && reaches(id))
        .map(str::to_owned)
        .collect()
}

/// The starts around `day`: of the day and the day before for a daily schedule, of the month or the
/// year for the others.
fn starts(schedule: &Schedule, day: Date) -> Vec<DateTime> {
    let recur = &schedule.recur;
    match recur.freq {
        Frequency::Daily => {
            let days = [day.yesterday().unwrap_or(day), day];
            let times: Vec<Time> = recur.times.iter().filter_map(|time| time.parse().ok()).collect();
            days.iter().flat_map(|day| times.iter().map(|time| day.to_datetime(*time))).collect()
        }
        Frequency::Monthly => {
            let first = day.first_of_month();
            let before = first.yesterday().map_or(first, Date::first_of_month);
            [before, first]
                .iter()
                .flat_map(|month| spread(*month, month.days_in_month(), recur.count))
                .collect()
        }
        Frequency::Yearly => {
            let month = recur.month.and_then(|month| i8::try_from(month).ok()).unwrap_or(1);
            let years = [day.year() - 1, day.year()];
            let firsts = years.iter().filter_map(|year| Date::new(*year, month, 1).ok());
            firsts.flat_map(|first| spread(first, first.days_in_month(), recur.count)).collect()
        }
    }
}

/// `count` starts spread evenly over a period, the first on its first day.
fn spread(first: Date, days: i8, count: Option<u32>) -> Vec<DateTime> {
    let count = count.unwrap_or(1).max(1);
    let offset = |place: u32| i64::from(days) * i64::from(place) / i64::from(count);
    let starts = (0..count).filter_map(|place| first.checked_add(offset(place).days()).ok());
    starts.map(|date| date.to_datetime(Time::midnight())).collect()
}

fn slot(
    catalog: &Catalog,
    schedule: &Schedule,
    project: &str,
    starts: DateTime,
    user: &UserId,
) -> Option<Slot> {
    let checklist = catalog.latest_checklist(&schedule.template)?;
    let key = format!("{}@{}", schedule.id, starts.strftime("%Y-%m-%dT%H:%M"));
    let later = |minutes: u32| starts.saturating_add(i64::from(minutes).minutes());
    Some(Slot {
        document: DocumentId::of_slot(&checklist.id, checklist.version, project, &key),
        key,
        schedule: schedule.id.clone(),
        checklist: checklist.reference.clone(),
        title: checklist.title.clone(),
        project: project.to_owned(),
        opens: starts.saturating_sub(i64::from(schedule.window_min.open_before).minutes()),
        late: later(schedule.window_min.late_after),
        missed: later(schedule.window_min.missed_after),
        starts,
        is_own: is_own(catalog, schedule, project, user),
    })
}

/// True when everyone must take part, or nobody else holds the role in this project.
fn is_own(catalog: &Catalog, schedule: &Schedule, project: &str, user: &UserId) -> bool {
    let others = catalog.organisation().into_iter().flat_map(|organisation| &organisation.users);
    schedule.assign.mode == AssignMode::All
        || !others
            .filter(|other| other.id != user.as_str())
            .any(|other| projects(catalog, &UserId::new(&other.id), schedule).iter().any(|id| id == project))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::catalog;

    fn at(text: &str) -> DateTime {
        text.parse().unwrap()
    }

    fn keys(user: &str, now: &str) -> Vec<String> {
        slots(catalog(), &UserId::new(user), at(now)).into_iter().map(|slot| slot.key).collect()
    }

    #[test]
    fn a_patrol_officer_has_three_slots_in_one_project() {
        assert_eq!(
            keys("u.pt01", "2026-11-23T08:00"),
            [
                "sch.patrol_daily@2026-11-23T09:00",
                "sch.patrol_daily@2026-11-23T15:00",
                "sch.patrol_night@2026-11-23T21:00",
            ]
        );
        assert!(keys("u.fd01", "2026-11-23T08:00").is_empty());
    }

    #[test]
    fn last_nights_slot_stays_until_its_window_is_over() {
        assert_eq!(keys("u.pt01", "2026-11-23T02:00")[0], "sch.patrol_night@2026-11-22T21:00");
    }

    #[test]
    fn a_slot_opens_runs_late_and_is_missed() {
        let slot = slots(catalog(), &UserId::new("u.pt01"), at("2026-11-23T08:00")).remove(0);
        let state = |now: &str, sheet| slot.state(at(now), sheet, false);
        assert_eq!(state("2026-11-23T08:29", None), SlotState::Upcoming);
        assert_eq!(state("2026-11-23T08:30", None), SlotState::Open);
        assert_eq!(state("2026-11-23T11:00", None), SlotState::Late);
        assert_eq!(state("2026-11-23T13:00", None), SlotState::Unknown, "u.pt02 may have made it");
        assert_eq!(slot.state(at("2026-11-23T13:00"), None, true), SlotState::Missed);
        assert_eq!(state("2026-11-23T13:00", Some(InspectionState::Open)), SlotState::InProgress);
        assert_eq!(state("2026-11-23T09:30", Some(InspectionState::Completed)), SlotState::Done);
    }

    #[test]
    fn every_device_opens_the_same_document_for_a_slot() {
        let one = find(catalog(), &UserId::new("u.pt01"), "sch.patrol_daily@2026-11-23T09:00", "pj.lanyuan");
        let two = find(catalog(), &UserId::new("u.pt02"), "sch.patrol_daily@2026-11-23T09:00", "pj.lanyuan");
        assert_eq!(one.unwrap().document, two.unwrap().document);
        let key = "sch.patrol_daily@2026-11-23T09:01";
        assert_eq!(find(catalog(), &UserId::new("u.pt01"), key, "pj.lanyuan"), None);
        let key = "sch.patrol_daily@2026-11-23T09:00";
        assert_eq!(find(catalog(), &UserId::new("u.pt01"), key, "pj.xiyuan"), None);
    }

    #[test]
    fn monthly_and_yearly_slots_show_while_their_window_is_open() {
        let visits = keys("u.bcm01", "2026-11-05T10:00");
        assert_eq!(visits, ["sch.visit@2026-11-01T00:00"; 3]);
        assert!(keys("u.bcm01", "2026-11-23T10:00").is_empty());
        assert_eq!(keys("u.aud01", "2026-05-20T10:00"), ["sch.audit@2026-05-01T00:00"; 3]);
    }
}
