//! Time as data: the core reads no clock, the caller says what time it is.

/// What an action takes from the outside world: the time and random bytes.
///
/// Wall-clock time orders nothing in the product; it is evidence. `entropy` must be fresh
/// cryptographic randomness for every action; ids and actors are derived from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Device time, milliseconds since 1970-01-01T00:00:00Z.
    pub unix_ms: i64,
    /// Offset of the device's local time from UTC, minutes (Shanghai: 480).
    pub utc_offset_min: i16,
    /// Fresh random bytes.
    pub entropy: [u8; 32],
}

impl Moment {
    /// The device's local calendar day.
    #[must_use]
    pub fn local_date(&self) -> jiff::civil::Date {
        self.local_datetime().date()
    }

    /// The device's local civil time.
    ///
    /// A time outside the calendar that jiff knows (years -9999 to 9999) reads as the epoch.
    #[must_use]
    pub fn local_datetime(&self) -> jiff::civil::DateTime {
        civil(self.unix_ms, self.utc_offset_min)
    }
}

/// Civil time of `unix_ms` at `utc_offset_min`; the epoch where it is outside the calendar.
#[must_use]
pub fn civil(unix_ms: i64, utc_offset_min: i16) -> jiff::civil::DateTime {
    let timestamp = jiff::Timestamp::from_millisecond(unix_ms).unwrap_or_default();
    let offset =
        jiff::tz::Offset::from_seconds(i32::from(utc_offset_min) * 60).unwrap_or(jiff::tz::Offset::UTC);
    offset.to_datetime(timestamp)
}

/// RFC 3339 text of `unix_ms` at `utc_offset_min`, to the second: `2026-11-23T09:06:00+08:00`.
#[must_use]
pub fn rfc3339(unix_ms: i64, utc_offset_min: i16) -> String {
    let civil = civil(unix_ms, utc_offset_min);
    let sign = if utc_offset_min < 0 { '-' } else { '+' };
    let minutes = utc_offset_min.unsigned_abs();
    format!("{}{sign}{:02}:{:02}", civil.strftime("%Y-%m-%dT%H:%M:%S"), minutes / 60, minutes % 60)
}
