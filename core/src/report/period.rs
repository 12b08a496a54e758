//! Periods in the organisation's time zone: a day, week, month, quarter, year, or from one day to another.

use jiff::civil::{Date, ISOWeekDate, Time, Weekday, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::table::LocalTime;
use crate::definition::Catalog;
use crate::error::{Error, ErrorKind};

/// Days from the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    first: Date,
    last: Date,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Day,
    Week,
    Month,
    Quarter,
    Year,
    Days,
}

impl Period {
    /// Reads a period: `2026-11-23`, `2026-W47`, `2026-11`, `2026Q4` or `2026-Q4`, `2026`,
    /// `2026-11-01..2026-11-15`.
    ///
    /// # Errors
    /// `Invalid` with the forms that exist, for anything else and for days that no calendar has.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let parsed = match text.split_once("..") {
            Some((from, to)) => Self::of_days(from, to),
            None => Self::of_unit(text),
        };
        parsed.ok_or_else(|| {
            Error::new(
                ErrorKind::Invalid,
                "周期写法不对;可用:2026-11-23(日)、2026-W47(周)、2026-11(月)、2026Q4(季)、2026(年)、2026-11-01..2026-11-15",
                "no such period; write 2026-11-23 (day), 2026-W47 (week), 2026-11 (month), 2026Q4 (quarter), 2026 (year) or 2026-11-01..2026-11-15",
            )
        })
    }

    /// Its first millisecond and the first one after it, in the organisation's time zone.
    #[must_use]
    pub fn span_ms(&self, catalog: &Catalog) -> (i64, i64) {
        let zone = Zone::of(catalog);
        (zone.start_ms(self.first), zone.end_ms(self.last))
    }

    /// The period of a report's kind that `day` lies in; a month for kinds that are no length of time.
    #[must_use]
    pub fn around(kind: &str, day: Date) -> Self {
        let kind = match kind {
            "day" => Kind::Day,
            "week" => Kind::Week,
            "quarter" => Kind::Quarter,
            "year" => Kind::Year,
            _ => Kind::Month,
        };
        Self::of_kind(kind, day).unwrap_or(Self { first: day, last: day, kind: Kind::Day })
    }

    /// The days from one to another.
    pub(super) const fn between(first: Date, last: Date) -> Self {
        Self { first, last, kind: Kind::Days }
    }

    /// The first day.
    #[must_use]
    pub const fn first(&self) -> Date {
        self.first
    }

    /// The last day.
    #[must_use]
    pub const fn last(&self) -> Date {
        self.last
    }

    /// The period of the same kind before this one; as many days before it, for a period of days.
    #[must_use]
    pub fn before(&self) -> Self {
        let Ok(day) = self.first.yesterday() else { return *self };
        if self.kind == Kind::Days {
            let length = self.first.until(self.last).map_or(0, |span| span.get_days());
            let first = day.checked_sub(length.days()).unwrap_or(day);
            return Self { first, last: day, kind: Kind::Days };
        }
        Self::of_kind(self.kind, day).unwrap_or(*self)
    }

    /// Its name: what [`Period::parse`] reads.
    #[must_use]
    pub fn name(&self) -> String {
        let (first, last) = (self.first, self.last);
        match self.kind {
            Kind::Day => first.to_string(),
            Kind::Week => {
                let week = first.iso_week_date();
                format!("{}-W{:02}", week.year(), week.week())
            }
            Kind::Month => first.strftime("%Y-%m").to_string(),
            Kind::Quarter => format!("{}Q{}", first.year(), (first.month() + 2) / 3),
            Kind::Year => first.year().to_string(),
            Kind::Days => format!("{first}..{last}"),
        }
    }

    fn of_days(from: &str, to: &str) -> Option<Self> {
        let (first, last) = (day_of(from.trim())?, day_of(to.trim())?);
        (first <= last).then_some(Self { first, last, kind: Kind::Days })
    }

    fn of_unit(text: &str) -> Option<Self> {
        let upper = text.to_ascii_uppercase();
        let (year, rest) = upper.split_at_checked(4)?;
        let year: i16 = year.bytes().all(|byte| byte.is_ascii_digit()).then(|| year.parse().ok())??;
        let rest = rest.strip_prefix('-').unwrap_or(rest);
        let number = |digits: &str| digits.parse::<i8>().ok().filter(|_| !digits.starts_with('+'));
        if rest.is_empty() {
            return Self::of_kind(Kind::Year, Date::new(year, 1, 1).ok()?);
        }
        if let Some(quarter) = rest.strip_prefix('Q') {
            let quarter = number(quarter).filter(|quarter| (1..=4).contains(quarter))?;
            return Self::of_kind(Kind::Quarter, Date::new(year, quarter * 3 - 2, 1).ok()?);
        }
        if let Some(week) = rest.strip_prefix('W') {
            let monday = ISOWeekDate::new(year, number(week)?, Weekday::Monday).ok()?;
            return Self::of_kind(Kind::Week, monday.date());
        }
        if rest.len() == 2 {
            return Self::of_kind(Kind::Month, Date::new(year, number(rest)?, 1).ok()?);
        }
        let day = day_of(text)?;
        Some(Self { first: day, last: day, kind: Kind::Day })
    }

    fn of_kind(kind: Kind, day: Date) -> Option<Self> {
        let (first, last) = match kind {
            Kind::Day | Kind::Days => (day, day),
            Kind::Week => {
                let monday = day.checked_sub(i64::from(day.weekday().to_monday_zero_offset()).days()).ok()?;
                (monday, monday.checked_add(6.days()).ok()?)
            }
            Kind::Month => (day.first_of_month(), day.last_of_month()),
            Kind::Quarter => {
                let month = (day.month() - 1) / 3 * 3 + 1;
                let first = Date::new(day.year(), month, 1).ok()?;
                (first, Date::new(day.year(), month + 2, 1).ok()?.last_of_month())
            }
            Kind::Year => (day.first_of_year(), day.last_of_year()),
        };
        Some(Self { first, last, kind })
    }
}

/// A day as people and definitions write it: four, two and two digits.
pub(super) fn day_of(text: &str) -> Option<Date> {
    let shaped = text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    shaped.then(|| text.parse().ok())?
}

/// Local time of the organisation.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

impl Zone {
    /// The zone that the organisation's rules name; UTC where they name none that is known.
    #[must_use]
    pub fn of(catalog: &Catalog) -> Self {
        let zone = catalog.timezone().and_then(|name| TimeZone::get(name).ok());
        Self(zone.unwrap_or(TimeZone::UTC))
    }

    /// The first millisecond of a day.
    #[must_use]
    pub fn start_ms(&self, day: Date) -> i64 {
        self.0.to_timestamp(day.to_datetime(Time::midnight())).map_or(0, Timestamp::as_millisecond)
    }

    /// The first millisecond after a day.
    #[must_use]
    pub fn end_ms(&self, day: Date) -> i64 {
        day.tomorrow().map_or(i64::MAX, |next| self.start_ms(next))
    }

    /// A moment in local time.
    #[must_use]
    pub fn instant(&self, unix_ms: i64) -> LocalTime {
        let timestamp = Timestamp::from_millisecond(unix_ms).unwrap_or_default();
        let seconds = self.0.to_offset(timestamp).seconds();
        LocalTime { unix_ms, utc_offset_min: i16::try_from(seconds / 60).unwrap_or(0) }
    }

    /// The moment of a local time.
    #[must_use]
    pub fn moment(&self, local: jiff::civil::DateTime) -> Option<i64> {
        self.0.to_timestamp(local).ok().map(Timestamp::as_millisecond)
    }

    /// The local day of a moment.
    #[must_use]
    pub fn day(&self, unix_ms: i64) -> Date {
        self.instant(unix_ms).civil().date()
    }
}

/// The refusal of a period that has not begun.
pub(super) fn future(period: &Period, today: Date) -> Error {
    let name = period.name();
    Error::new(
        ErrorKind::Invalid,
        format!("{name} 还没有开始(今天是 {today}),不能出报表"),
        format!("{name} has not begun (today is {today}): there is nothing to report"),
    )
}

/// The earliest day that a report of one record counts from.
pub(super) const BEGINNING: Date = date(1970, 1, 1);

#[cfg(test)]
mod tests {
    use super::*;

    fn days(text: &str) -> (String, String, String) {
        let period = Period::parse(text).unwrap();
        (period.first().to_string(), period.last().to_string(), period.name())
    }

    fn triple(first: &str, last: &str, name: &str) -> (String, String, String) {
        (first.to_owned(), last.to_owned(), name.to_owned())
    }

    #[test]
    fn every_form_reads_as_its_days_and_back() {
        assert_eq!(days("2026-11-23"), triple("2026-11-23", "2026-11-23", "2026-11-23"));
        assert_eq!(days("2026-W47"), triple("2026-11-16", "2026-11-22", "2026-W47"));
        assert_eq!(days("2026-W53"), triple("2026-12-28", "2027-01-03", "2026-W53"));
        assert_eq!(days("2027-w01"), triple("2027-01-04", "2027-01-10", "2027-W01"));
        assert_eq!(days("2028-02"), triple("2028-02-01", "2028-02-29", "2028-02"));
        assert_eq!(days("2026q4"), triple("2026-10-01", "2026-12-31", "2026Q4"));
        assert_eq!(days("2026-Q1"), triple("2026-01-01", "2026-03-31", "2026Q1"));
        assert_eq!(days("2026"), triple("2026-01-01", "2026-12-31", "2026"));
        let spelled = "2026-11-01..2026-11-15";
        assert_eq!(days(spelled), triple("2026-11-01", "2026-11-15", spelled));
        for text in ["2026-11-23", "2026-W53", "2028-02", "2026Q3", "2026", spelled] {
            let period = Period::parse(text).unwrap();
            assert_eq!(Period::parse(&period.name()).unwrap(), period);
        }
    }

    #[test]
    fn what_no_calendar_has_is_refused_with_the_forms() {
        for wrong in [
            "",
            "x",
            "2026-13",
            "2026-02-29",
            "2025-W53",
            "2026Q5",
            "2026-Q0",
            "26",
            "2026-1",
            "2026-11-1",
            "2026-11-15..2026-11-01",
            "2026-11..2026-12",
            "二〇二六",
            "2026-+1",
            "2026年11月",
        ] {
            let error = Period::parse(wrong).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{wrong}");
            assert!(error.to_string().contains("2026Q4"), "{wrong}");
        }
    }

    #[test]
    fn the_period_before_is_of_the_same_kind() {
        let before = |text: &str| Period::parse(text).unwrap().before().name();
        assert_eq!(before("2026-01"), "2025-12");
        assert_eq!(before("2026Q1"), "2025Q4");
        assert_eq!(before("2026-W01"), "2025-W52");
        assert_eq!(before("2024-03-01"), "2024-02-29");
        assert_eq!(before("2026-11-11..2026-11-20"), "2026-11-01..2026-11-10");
    }

    #[test]
    fn the_period_around_a_day_has_the_reports_kind() {
        let day = date(2026, 11, 23);
        for (kind, name) in [
            ("day", "2026-11-23"),
            ("week", "2026-W48"),
            ("month", "2026-11"),
            ("quarter", "2026Q4"),
            ("per_audit", "2026-11"),
        ] {
            assert_eq!(Period::around(kind, day).name(), name);
        }
    }
}
