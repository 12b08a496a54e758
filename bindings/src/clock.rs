//! The device's clock: the only place of the device side that reads time and randomness.
//!
//! `XUNYUAN_CLOCK` sets another clock for rehearsals: an RFC 3339 time (`2026-11-23T09:00:00+08:00`)
//! at which the command starts, from where time goes on; or a shift of the real clock (`+2h`,
//! `-400d`).

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::time::Instant;
use xunyuan_core::time::{Moment, rfc3339};

use crate::failure::Failure;

/// The environment variable that sets the clock for a rehearsal.
pub const CLOCK_VARIABLE: &str = "XUNYUAN_CLOCK";

/// Tells what time it is on this device.
#[derive(Clone, Debug)]
pub struct Clock {
    base: Base,
    rehearsal: bool,
}

#[derive(Clone, Debug)]
enum Base {
    /// The machine's clock, moved by `shift`.
    Machine { shift: SignedDuration, zone: TimeZone },
    /// A given time when the process started, in a fixed offset.
    Given { start_ms: i64, utc_offset_min: i16, since: Instant },
}

impl Clock {
    /// The clock that `setting` (the value of [`CLOCK_VARIABLE`]) asks for, in the time zone with this
    /// IANA name where the platform knows it better than the system.
    ///
    /// # Errors
    /// `Invalid` when the setting is neither a time with an offset nor a shift, or the zone is unknown.
    pub fn from_setting(setting: Option<&str>, zone: Option<&str>) -> Result<Self, Failure> {
        let zone = match zone {
            Some(name) => TimeZone::get(name).map_err(|_| no_zone(name))?,
            None => TimeZone::system(),
        };
        let machine = |shift| Base::Machine { shift, zone };
        let Some(text) = setting.map(str::trim).filter(|text| !text.is_empty()) else {
            return Ok(Self { base: machine(SignedDuration::ZERO), rehearsal: false });
        };
        if let Some(shift) = parse_shift(text) {
            return Ok(Self { base: machine(shift), rehearsal: true });
        }
        let (Ok(start), Some(utc_offset_min)) = (text.parse::<Timestamp>(), offset_minutes(text)) else {
            return Err(Failure::invalid(
                "clock_invalid",
                format!(
                    "{CLOCK_VARIABLE} 应为带时区的 RFC 3339 时间(如 2026-11-23T09:00:00+08:00)或偏移(如 +2h)"
                ),
                format!(
                    "{CLOCK_VARIABLE} must be an RFC 3339 time with its offset (2026-11-23T09:00:00+08:00) or a shift (+2h)"
                ),
            ));
        };
        let base = Base::Given { start_ms: start.as_millisecond(), utc_offset_min, since: Instant::now() };
        Ok(Self { base, rehearsal: true })
    }

    /// The time now with fresh random bytes, for one action.
    ///
    /// # Errors
    /// `Storage` when the system gives no randomness: nothing may be written then.
    pub fn moment(&self) -> Result<Moment, Failure> {
        let (unix_ms, utc_offset_min) = self.read();
        let mut entropy = [0; 32];
        getrandom::fill(&mut entropy).map_err(|_| {
            Failure::storage(
                "no_randomness",
                "系统没有提供随机数;本次操作没有保存",
                "the system gives no random bytes; this action was not saved",
            )
        })?;
        Ok(Moment { unix_ms, utc_offset_min, entropy })
    }

    /// Milliseconds since 1970 and minutes from UTC.
    pub fn read(&self) -> (i64, i16) {
        match &self.base {
            Base::Given { start_ms, utc_offset_min, since } => {
                let passed = i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX);
                (start_ms.saturating_add(passed), *utc_offset_min)
            }
            Base::Machine { shift, zone } => {
                let now = Timestamp::now();
                let now = now.checked_add(*shift).unwrap_or(now);
                let minutes = zone.to_offset(now).seconds() / 60;
                (now.as_millisecond(), i16::try_from(minutes).unwrap_or(0))
            }
        }
    }

    /// What to tell the person before the first action: a rehearsal never goes unnoticed.
    pub fn notice(&self) -> Option<(String, String)> {
        if !self.rehearsal {
            return None;
        }
        let (unix_ms, utc_offset_min) = self.read();
        let time = rfc3339(unix_ms, utc_offset_min);
        Some((
            format!("注意:演练时钟({CLOCK_VARIABLE}),现在当作 {time}"),
            format!("note: rehearsal clock ({CLOCK_VARIABLE}), it is taken to be {time}"),
        ))
    }
}

fn no_zone(name: &str) -> Failure {
    Failure::invalid(
        "time_zone_unknown",
        format!("没有这个时区:{name};请使用 IANA 名称,如 Asia/Shanghai"),
        format!("there is no time zone {name}; give an IANA name such as Asia/Shanghai"),
    )
}

/// `+2h`, `-400d`, `+1h 30m`: days are counted as 24 hours.
fn parse_shift(text: &str) -> Option<SignedDuration> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+')?),
    };
    if let Some(days) = rest.strip_suffix('d') {
        let hours = days.trim().parse::<i64>().ok()?.checked_mul(24)?;
        return SignedDuration::try_from_hours(hours)?.checked_mul(sign);
    }
    rest.parse::<SignedDuration>().ok()?.checked_mul(sign)
}

/// The offset written at the end of an RFC 3339 time, minutes.
fn offset_minutes(text: &str) -> Option<i16> {
    if text.ends_with(['Z', 'z']) {
        return Some(0);
    }
    let at = text.rfind(['+', '-']).filter(|&at| at > 10)?;
    let (_, offset) = text.split_at_checked(at)?;
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let (hours, minutes) = (hours.parse::<i16>().ok()?, minutes.parse::<i16>().ok()?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_time_starts_the_clock_in_its_own_offset() {
        let clock = Clock::from_setting(Some("2026-11-23T09:00:00+08:00"), None).unwrap();
        let (unix_ms, utc_offset_min) = clock.read();
        assert_eq!(utc_offset_min, 480);
        assert!((1_795_395_600_000..1_795_395_605_000).contains(&unix_ms), "{unix_ms}");
        let moment = clock.moment().unwrap();
        assert_eq!(moment.local_date().to_string(), "2026-11-23");
        assert!(clock.notice().unwrap().0.contains("2026-11-23T09:00:0"));
    }

    #[test]
    fn time_goes_on_and_randomness_is_fresh() {
        let clock = Clock::from_setting(Some("2026-11-23T09:00:00Z"), None).unwrap();
        let first = clock.moment().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(5));
        let second = clock.moment().unwrap();
        assert!(second.unix_ms > first.unix_ms);
        assert_ne!(second.entropy, first.entropy);
    }

    #[test]
    fn offsets_west_and_half_hours_are_read() {
        assert_eq!(offset_minutes("2026-11-23T09:00:00-03:30"), Some(-210));
        assert_eq!(offset_minutes("2026-11-23T09:00:00Z"), Some(0));
        assert_eq!(offset_minutes("2026-11-23"), None);
    }

    #[test]
    fn a_shift_moves_the_machine_clock() {
        let real = Clock::from_setting(None, None).unwrap();
        assert!(real.notice().is_none());
        let shifted = Clock::from_setting(Some("-400d"), None).unwrap();
        let days = (real.read().0 - shifted.read().0) / 86_400_000;
        assert!((399..=400).contains(&days));
        assert_eq!(parse_shift("+1h 30m"), Some(SignedDuration::from_mins(90)));
    }

    #[test]
    fn anything_else_is_a_usage_failure() {
        for wrong in ["yesterday", "2026-11-23", "2026-11-23T09:00:00", "+soon"] {
            assert_eq!(
                Clock::from_setting(Some(wrong), None).unwrap_err().code(),
                "clock_invalid",
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_named_zone_is_read_in_its_own_offset() {
        assert_eq!(Clock::from_setting(None, Some("Asia/Shanghai")).unwrap().read().1, 480);
        assert_eq!(Clock::from_setting(None, Some("Mars/Base")).unwrap_err().code(), "time_zone_unknown");
    }
}
