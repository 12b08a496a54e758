//! The server's clock: the system's, or for rehearsals a set start that moves on with real time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use xunyuan_core::error::{Error, ErrorKind};

/// The variable that sets the clock.
pub const VARIABLE: &str = "XUNYUAN_CLOCK";

/// What time it is for this process; clones show the same time.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    start: Option<(i64, Instant)>,
    ahead_ms: Arc<AtomicI64>,
}

impl Clock {
    /// A clock that reads `start_ms` now and moves on with real time.
    #[must_use]
    pub fn set_to(start_ms: i64) -> Self {
        Self { start: Some((start_ms, Instant::now())), ahead_ms: Arc::default() }
    }

    /// Winds a set clock forward, for rehearsals that skip hours.
    pub fn skip(&self, ms: i64) {
        self.ahead_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// The clock that the value of `XUNYUAN_CLOCK` asks for; the system's without one.
    ///
    /// # Errors
    /// `Invalid` when the text is not an RFC 3339 time with an offset.
    pub fn from_variable(text: Option<&str>) -> Result<Self, Error> {
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            return Ok(Self::default());
        };
        let timestamp: jiff::Timestamp = text.parse().map_err(|e: jiff::Error| {
            Error::new(
                ErrorKind::Invalid,
                format!("{VARIABLE} 应为带时区的 RFC 3339 时间,例如 2026-11-23T09:00:00+08:00"),
                format!("{VARIABLE} must be an RFC 3339 time with an offset, e.g. 2026-11-23T09:00:00+08:00"),
            )
            .caused_by(e)
        })?;
        Ok(Self::set_to(timestamp.as_millisecond()))
    }

    /// True when a rehearsal set the clock.
    #[must_use]
    pub const fn is_set(&self) -> bool {
        self.start.is_some()
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        let (start, elapsed) = match self.start {
            Some((start, since)) => (start, since.elapsed()),
            // A system clock before 1970 reads as 1970.
            None => (0, SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()),
        };
        let elapsed = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
        start.saturating_add(elapsed).saturating_add(self.ahead_ms.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_clock_starts_where_it_was_set_and_moves_on() {
        let clock = Clock::from_variable(Some("2026-11-23T09:00:00+08:00")).unwrap();
        assert!(clock.is_set());
        let first = clock.now_ms();
        assert!((1_795_395_600_000..1_795_395_660_000).contains(&first), "{first}");
        std::thread::sleep(std::time::Duration::from_millis(5));
        assert!(clock.now_ms() >= first + 5);
    }

    #[test]
    fn a_wound_clock_is_ahead_in_every_clone() {
        let clock = Clock::set_to(1_000);
        let clone = clock.clone();
        clock.skip(60_000);
        assert!((61_000..62_000).contains(&clone.now_ms()));
    }

    #[test]
    fn without_the_variable_the_system_clock_counts() {
        for text in [None, Some("")] {
            let clock = Clock::from_variable(text).unwrap();
            assert!(!clock.is_set());
            assert!(clock.now_ms() > 1_700_000_000_000);
        }
    }

    #[test]
    fn anything_but_a_full_time_is_refused() {
        for text in ["yesterday", "2026-11-23", "2026-11-23T09:00:00", "09:00"] {
            let error = Clock::from_variable(Some(text)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
            assert!(error.sentence().en.contains(VARIABLE));
        }
    }
}
