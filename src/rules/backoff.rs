//! How long to wait after failures. Pure: the jitter is a number given by the caller.

use std::time::Duration;

/// A delay that doubles from `first` to `most`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The delay after the first failure.
    pub first: Duration,
    /// No delay is longer.
    pub most: Duration,
}

impl Backoff {
    /// The delay after `failures` failures in a row (at least 1). `jitter` in 0.0..=1.0 spreads it over its upper half,
    /// so that many that failed together do not come back together.
    pub fn delay(&self, failures: u32, jitter: f64) -> Duration {
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(30)));
        let full = doubled.min(self.most);
        full.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn stays_in_its_range(failures in 0_u32..1000, jitter in -1.0_f64..2.0) {
            let backoff = Backoff { first: Duration::from_secs(1), most: Duration::from_secs(300) };
            let delay = backoff.delay(failures, jitter);
            prop_assert!(delay >= Duration::from_millis(500) && delay <= backoff.most);
            prop_assert!(backoff.delay(failures + 1, jitter) >= delay);
        }
    }

    #[test]
    fn begins_small_and_ends_at_the_most() {
        let backoff = Backoff { first: Duration::from_secs(1), most: Duration::from_secs(300) };
        assert_eq!(backoff.delay(1, 1.0), Duration::from_secs(1));
        assert_eq!(backoff.delay(2, 1.0), Duration::from_secs(2));
        assert_eq!(backoff.delay(40, 1.0), Duration::from_secs(300));
    }
}
