//! Days, working days and times of the organisation: its zone, its calendars, its projects' hours.

use jiff::ToSpan as _;
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;

use crate::definition::Catalog;

/// Most days that a search for a working day goes on: longer than any holiday.
const SEARCH_DAYS_MAX: u32 = 3_660;
/// Off-duty time where neither project nor rule name one.
const OFF_DUTY: (i8, i8) = (17, 30);

/// The days of an organisation.
#[derive(Clone, Debug)]
pub struct Days<'c> {
    pub(crate) catalog: &'c Catalog,
    zone: TimeZone,
}

impl<'c> Days<'c> {
    /// The days in the time zone that the rules name; in UTC where they name none.
    #[must_use]
    pub fn of(catalog: &'c Catalog) -> Self {
        let zone = catalog.timezone().and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
        Self { catalog, zone }
    }

    /// The definitions behind them.
    #[must_use]
    pub const fn catalog(&self) -> &'c Catalog {
        self.catalog
    }

    /// Local time; the epoch where `at_ms` is outside the calendar.
    #[must_use]
    pub fn local(&self, at_ms: i64) -> DateTime {
        let at = jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default();
        self.zone.to_datetime(at)
    }

    /// Local day.
    #[must_use]
    pub fn day(&self, at_ms: i64) -> Date {
        self.local(at_ms).date()
    }

    /// Milliseconds since 1970 of a local time; of two readings around a change of the clocks the earlier.
    #[must_use]
    pub fn ms(&self, local: DateTime) -> i64 {
        self.zone.to_timestamp(local).map_or(0, jiff::Timestamp::as_millisecond)
    }

    /// Milliseconds since 1970 of a time of a day.
    #[must_use]
    pub fn at(&self, day: Date, time: Time) -> i64 {
        self.ms(day.to_datetime(time))
    }

    /// The last millisecond of a day.
    #[must_use]
    pub fn end_of(&self, day: Date) -> i64 {
        self.at(after(day, 1), Time::midnight()) - 1
    }

    /// The first millisecond of a day.
    #[must_use]
    pub fn start_of(&self, day: Date) -> i64 {
        self.at(day, Time::midnight())
    }

    /// Whether people of the project work on this day: on the weekdays that the project names for the
    /// calendar; else from Monday to Friday, as public holidays and make-up days change them.
    #[must_use]
    pub fn is_workday(&self, day: Date, calendar: Option<&str>, project: &str) -> bool {
        if let Some(own) = self.own_week(calendar, project) {
            return own.contains(&day.weekday());
        }
        let week = !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
        self.catalog.holidays().and_then(|holidays| holidays.works(day)).unwrap_or(week)
    }

    /// The day that is so many working days after `day`.
    #[must_use]
    pub fn workdays_after(&self, day: Date, count: u32, project: &str) -> Date {
        let (mut at, mut left) = (day, count);
        for _ in 0..SEARCH_DAYS_MAX {
            if left == 0 {
                break;
            }
            at = after(at, 1);
            left -= u32::from(self.is_workday(at, None, project));
        }
        at
    }

    /// When a project goes off duty on a day.
    #[must_use]
    pub fn off_duty(&self, day: Date, project: &str, param: &str, default: Option<&str>) -> i64 {
        let own = self.catalog.project(project).and_then(|project| project.text_param(param));
        let time = own.and_then(parse).or_else(|| default.and_then(parse));
        self.at(day, time.unwrap_or_else(|| Time::constant(OFF_DUTY.0, OFF_DUTY.1, 0, 0)))
    }

    fn own_week(&self, calendar: Option<&str>, project: &str) -> Option<Vec<Weekday>> {
        let book = self.catalog.rule_book()?;
        let calendar = match calendar {
            Some(id) => book.calendars.iter().find(|calendar| calendar.id == id)?,
            None => book.calendars.first()?,
        };
        let text = self.catalog.project(project)?.text_param(calendar.weekdays_param.as_deref()?)?;
        let days: Vec<Weekday> = text.split_whitespace().filter_map(weekday).collect();
        (!days.is_empty()).then_some(days)
    }
}

/// The day so many days later; the last day there is beyond the calendar.
pub(crate) fn after(day: Date, days: u32) -> Date {
    day.checked_add(i64::from(days).days()).unwrap_or(Date::MAX)
}

/// The day so many days earlier.
pub(crate) fn before(day: Date, days: u32) -> Date {
    day.checked_sub(i64::from(days).days()).unwrap_or(Date::MIN)
}

/// A weekday by its first three letters.
pub(crate) fn weekday(text: &str) -> Option<Weekday> {
    Some(match text {
        "mon" => Weekday::Monday,
        "tue" => Weekday::Tuesday,
        "wed" => Weekday::Wednesday,
        "thu" => Weekday::Thursday,
        "fri" => Weekday::Friday,
        "sat" => Weekday::Saturday,
        "sun" => Weekday::Sunday,
        _ => return None,
    })
}

/// A local time of day, `HH:MM`.
pub(crate) fn parse(time: &str) -> Option<Time> {
    time.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{Definition, embedded, sample_organisation};
    use crate::rules::testing::catalog;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn holidays_and_make_up_days_change_the_week() {
        let days = Days::of(catalog());
        let works = |day: &str| days.is_workday(date(day), Some("project_workdays"), "pj.lanyuan");
        assert!(works("2026-11-23"), "a Monday");
        assert!(!works("2026-11-28"), "a Saturday");
        assert!(!works("2026-10-01"), "National Day, a Thursday");
        assert!(works("2026-10-10"), "a Saturday that pays for it");
        assert!(works("2026-09-20"), "a Sunday that pays for it");
        assert!(!works("2027-02-05"), "New Year's Eve of 2027");
        assert!(works("2031-10-01"), "beyond what is known the week alone decides");
    }

    #[test]
    fn working_days_are_counted_over_weekends_and_holidays() {
        let days = Days::of(catalog());
        let after = |day: &str, count| days.workdays_after(date(day), count, "pj.lanyuan").to_string();
        assert_eq!(after("2026-11-23", 3), "2026-11-26");
        assert_eq!(after("2026-11-26", 3), "2026-12-01");
        assert_eq!(after("2026-09-30", 1), "2026-10-08", "over the National Day week");
        assert_eq!(after("2026-02-13", 2), "2026-02-24", "a make-up Saturday counts");
        assert_eq!(after("2026-11-23", 0), "2026-11-23");
    }

    #[test]
    fn shanghai_knows_no_summer_time_and_other_zones_do() {
        let days = Days::of(catalog());
        for day in ["2026-03-29", "2026-07-01", "2026-10-25", "2026-12-31"] {
            assert_eq!(days.end_of(date(day)) - days.start_of(date(day)), 86_400_000 - 1, "{day}");
        }
        assert_eq!(
            days.local(days.at(date("2026-07-01"), parse("17:30").unwrap())).to_string(),
            "2026-07-01T17:30:00"
        );
        let elsewhere = with("rules", |text| text.replace("Asia/Shanghai", "Europe/Berlin"));
        let days = Days::of(&elsewhere);
        assert_eq!(days.end_of(date("2026-03-29")) - days.start_of(date("2026-03-29")), 23 * 3_600_000 - 1);
        assert_eq!(days.end_of(date("2026-10-25")) - days.start_of(date("2026-10-25")), 25 * 3_600_000 - 1);
    }

    #[test]
    fn a_project_may_work_on_weekdays_of_its_own_and_leave_at_its_own_time() {
        let own = with("org", |text| {
            text.replace(
                r#""off_duty_time":"18:00""#,
                r#""off_duty_time":"18:00","weekdays":"tue wed thu fri sat sun""#,
            )
        });
        let days = Days::of(&own);
        let works = |day: &str| days.is_workday(date(day), Some("project_workdays"), "pj.jiangwan");
        assert!(works("2026-11-28") && works("2026-11-29") && !works("2026-11-23"));
        assert!(!days.is_workday(date("2026-11-28"), Some("project_workdays"), "pj.lanyuan"));
        let leaves =
            |project| days.local(days.off_duty(date("2026-11-24"), project, "off_duty_time", None)).time();
        assert_eq!(leaves("pj.jiangwan").to_string(), "18:00:00");
        assert_eq!(leaves("pj.lanyuan").to_string(), "17:30:00");
        assert_eq!(leaves("pj.nowhere").to_string(), "17:30:00");
    }

    /// The shipped definitions with those changed whose schema begins with `xy/<kind>` or the sample's.
    fn with(kind: &str, change: impl Fn(&str) -> String) -> Catalog {
        let schema = if kind == "org" { "xy/sample-org@1".to_owned() } else { format!("xy/{kind}@1") };
        let mut all = embedded().to_vec();
        all.push(sample_organisation().clone());
        for definition in &mut all {
            let text = String::from_utf8(definition.json.clone()).unwrap();
            if text.contains(&schema) {
                *definition = Definition::parse(change(&text).as_bytes()).unwrap();
            }
        }
        Catalog::new(&all).unwrap()
    }
}
