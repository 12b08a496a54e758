//! Days and moments as people type them.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use xunyuan_core::time::civil;

/// The time that relative words are read against: milliseconds since 1970, minutes from UTC.
pub(crate) type Now = (i64, i16);

/// A moment: `now`, `+2h`, `17:30` (today), `2026-11-25 17:30`, `2026-11-25` (its first minute), or
/// RFC 3339; civil times are the device's local time. Milliseconds since 1970.
pub(crate) fn moment(text: &str, now: Now) -> Option<i64> {
    let text = text.trim();
    if text == "now" || text == "现在" {
        return Some(now.0);
    }
    if let Some(later) = text.strip_prefix('+') {
        let later = i64::try_from(later.parse::<SignedDuration>().ok()?.as_millis()).ok()?;
        return now.0.checked_add(later);
    }
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp.as_millisecond());
    }
    let local = match (text.parse::<DateTime>(), text.parse::<Time>(), day_of(text, now)) {
        (Ok(both), _, _) => both,
        (_, Ok(time), _) => civil(now.0, now.1).date().to_datetime(time),
        (_, _, Some(day)) => day.to_datetime(Time::midnight()),
        _ => return None,
    };
    let offset = Offset::from_seconds(i32::from(now.1) * 60).ok()?;
    Some(offset.to_timestamp(local).ok()?.as_millisecond())
}

/// A day as the definitions hold it, `YYYY-MM-DD`: also `today`, `tomorrow` and `+3d`.
pub(crate) fn day(text: &str, now: Now) -> Option<String> {
    day_of(text.trim(), now).map(|day| day.to_string())
}

/// A month as the definitions hold it, `YYYY-MM`.
pub(crate) fn month(text: &str, now: Now) -> Option<String> {
    let text = text.trim();
    if text == "now" || text == "本月" {
        return Some(civil(now.0, now.1).date().strftime("%Y-%m").to_string());
    }
    let first: Date = format!("{text}-01").parse().ok()?;
    Some(first.strftime("%Y-%m").to_string())
}

fn day_of(text: &str, now: Now) -> Option<Date> {
    let today = civil(now.0, now.1).date();
    match text {
        "today" | "今天" => Some(today),
        "tomorrow" | "明天" => today.tomorrow().ok(),
        _ => match text.strip_prefix('+').and_then(|rest| rest.strip_suffix('d')) {
            Some(days) => today.checked_add(days.trim().parse::<i64>().ok()?.min(36_500).days()).ok(),
            None => text.parse().ok(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-23T09:00:00+08:00.
    const NOW: Now = (1_795_395_600_000, 480);

    #[test]
    fn moments_are_read_in_local_time() {
        let at = |text| moment(text, NOW).map(|ms| (ms - NOW.0) / 60_000);
        assert_eq!(at("now"), Some(0));
        assert_eq!(at("+2h"), Some(120));
        assert_eq!(at("17:30"), Some(510));
        assert_eq!(at("2026-11-23 10:00"), Some(60));
        assert_eq!(at("2026-11-23T10:00"), Some(60));
        assert_eq!(at("2026-11-23T10:00:00+09:00"), Some(0));
        assert_eq!(at("2026-11-24"), Some(15 * 60));
        assert_eq!(at("soon"), None);
    }

    #[test]
    fn days_and_months_come_out_as_the_definitions_hold_them() {
        assert_eq!(day("2026-11-25", NOW).as_deref(), Some("2026-11-25"));
        assert_eq!(day("明天", NOW).as_deref(), Some("2026-11-24"));
        assert_eq!(day("+3d", NOW).as_deref(), Some("2026-11-26"));
        assert_eq!(day("25.11.", NOW), None);
        assert_eq!(month("2026-10", NOW).as_deref(), Some("2026-10"));
        assert_eq!(month("now", NOW).as_deref(), Some("2026-11"));
        assert_eq!(month("2026-13", NOW), None);
    }
}
