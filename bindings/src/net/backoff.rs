//! How long to wait after a failed try: doubling, with jitter, so that a branch that comes back is
//! not met by every phone in the same second.

use std::time::Duration;

/// First wait.
const FIRST_MS: u64 = 1_000;
/// Longest wait.
const LONGEST_MS: u64 = 60_000;

/// Waits that grow with each failure and start again after a success.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait before the next try, after one more failure: between half and the whole of the
    /// doubled step, never less than the branch asked for.
    pub fn next(&mut self, asked_ms: Option<u64>) -> Duration {
        let step = FIRST_MS.saturating_mul(1 << self.failures.min(10)).min(LONGEST_MS);
        self.failures = self.failures.saturating_add(1);
        let wait = step / 2 + random_below(step / 2 + 1);
        let floor = asked_ms.unwrap_or(0);
        Duration::from_millis(if floor > wait { floor + random_below(FIRST_MS) } else { wait })
    }

    /// A try succeeded.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }
}

/// A random number below `bound`; 0 where the system gives no randomness, because a wait without
/// jitter is still a wait.
fn random_below(bound: u64) -> u64 {
    let mut bytes = [0; 8];
    if getrandom::fill(&mut bytes).is_err() || bound == 0 {
        return 0;
    }
    u64::from_le_bytes(bytes) % bound
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute_and_start_again() {
        let mut backoff = Backoff::default();
        for step in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000] {
            let wait = u64::try_from(backoff.next(None).as_millis()).unwrap();
            assert!((step / 2..=step).contains(&wait), "{wait} for {step}");
        }
        backoff.reset();
        assert!(backoff.next(None) <= Duration::from_secs(1));
    }

    #[test]
    fn the_branch_can_ask_for_longer() {
        let wait = Backoff::default().next(Some(30_000));
        assert!((30_000..31_000).contains(&wait.as_millis()));
    }
}
