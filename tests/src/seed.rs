//! One seed decides everything random in a run, and a run says its seed.
//!
//! `SEED=n cargo test -p xunyuan-tests name` plays the same run again.

use fastrand::Rng;

/// The seed of a run and the randomness that comes from it.
#[derive(Clone, Debug)]
pub struct Seed {
    number: u64,
    rng: Rng,
}

impl Seed {
    /// The seed named by the environment variable `SEED`, or `usual` where it is not set.
    ///
    /// Says it on stderr, which the test runner shows for a failed test.
    #[must_use]
    pub fn or(usual: u64) -> Self {
        let number = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
        eprintln!("seed {number} (play it again with SEED={number})");
        Self::of(number)
    }

    /// Exactly this seed, whatever the environment says.
    #[must_use]
    pub fn of(number: u64) -> Self {
        Self { number, rng: Rng::with_seed(number) }
    }

    /// The number that plays the run again.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// 32 random bytes: what an action takes as entropy.
    pub fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.rng.fill(&mut bytes);
        bytes
    }

    /// A number below `end`.
    ///
    /// # Panics
    /// When `end` is 0: nothing is below it.
    pub fn below(&mut self, end: usize) -> usize {
        self.rng.usize(..end)
    }

    /// True `percent` times of a hundred.
    pub fn chance(&mut self, percent: u8) -> bool {
        self.rng.u8(..100) < percent
    }

    /// One of `choices`.
    ///
    /// # Panics
    /// When there is nothing to choose from.
    pub fn pick<'c, T>(&mut self, choices: &'c [T]) -> &'c T {
        &choices[self.below(choices.len())]
    }

    /// Puts `things` into a random order.
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        self.rng.shuffle(things);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_play_the_same_run() {
        let (mut one, mut two) = (Seed::of(7), Seed::of(7));
        assert_eq!(one.bytes(), two.bytes());
        assert_eq!(one.below(1_000), two.below(1_000));
        assert_ne!(Seed::of(8).bytes(), Seed::of(7).bytes());
    }
}
