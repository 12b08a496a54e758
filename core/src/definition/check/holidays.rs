//! Public holidays: no year left out, no day twice, make-up days on weekends.

use jiff::civil::{Date, Weekday};
use std::collections::BTreeSet;

use super::super::holidays::{HolidayStatus, HolidayYear, Holidays};
use super::faults::Faults;

/// Checks the holidays of all years.
pub(crate) fn check(holidays: &Holidays, faults: &mut Faults) {
    if holidays.years.is_empty() {
        faults.say("/years", "节假日表没有年份", "the holidays name no year");
    }
    let mut before: Option<i16> = None;
    let mut off = BTreeSet::new();
    for (at, year) in holidays.years.iter().enumerate() {
        let pointer = format!("/years/{at}");
        if let Some(before) = before.filter(|before| i32::from(*before) + 1 != i32::from(year.year)) {
            let (missing, after) = (i32::from(before) + 1, year.year);
            faults.say(
                format!("{pointer}/year"),
                format!("年份不连续:{before} 年之后应为 {missing} 年,而不是 {after} 年"),
                format!("a year is missing: {missing} should follow {before}, not {after}"),
            );
        }
        before = Some(year.year);
        days_off(&pointer, year, &mut off, faults);
        make_up_days(&pointer, year, &off, faults);
    }
}

fn days_off(pointer: &str, year: &HolidayYear, seen: &mut BTreeSet<Date>, faults: &mut Faults) {
    if year.off.is_empty() {
        faults.say(
            format!("{pointer}/off"),
            format!("{} 年没有任何节假日", year.year),
            format!("{} has no holiday at all", year.year),
        );
    }
    for (at, off) in year.off.iter().enumerate() {
        let place = format!("{pointer}/off/{at}");
        if off.from > off.to {
            faults.say(format!("{place}/to"), "放假的末日早于首日", "the last day off is before the first");
            continue;
        }
        if off.from.0.year() != year.year && off.to.0.year() != year.year {
            outside(&place, year, faults);
        }
        let days = off.from.0.series(jiff::Span::new().days(1)).take_while(|day| *day <= off.to.0);
        for day in days {
            if !seen.insert(day) {
                let message = format!("{day} 已是另一个节假日");
                faults.say(&place, message, format!("{day} is already another holiday"));
                break;
            }
        }
    }
}

fn make_up_days(pointer: &str, year: &HolidayYear, off: &BTreeSet<Date>, faults: &mut Faults) {
    let mut seen = BTreeSet::new();
    for (at, day) in year.workdays.iter().enumerate() {
        let place = format!("{pointer}/workdays/{at}");
        let day = day.0;
        if !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) {
            faults.say(&place, format!("{day} 本来就是工作日"), format!("{day} is a working day anyway"));
        }
        if off.contains(&day) {
            faults.say(&place, format!("{day} 同时是节假日"), format!("{day} is a holiday as well"));
        }
        if day.year() != year.year {
            outside(&place, year, faults);
        }
        if !seen.insert(day) {
            faults.say(&place, format!("{day} 写了两次"), format!("{day} is there twice"));
        }
    }
    if year.status == HolidayStatus::Statutory && !year.workdays.is_empty() {
        faults.say(
            format!("{pointer}/workdays"),
            "只列法定节日的年份没有调休上班日",
            "a year of which only the statutory days are known has no make-up days",
        );
    }
}

fn outside(place: &str, year: &HolidayYear, faults: &mut Faults) {
    faults.say(place, format!("不在 {} 年内", year.year), format!("not within {}", year.year));
}
