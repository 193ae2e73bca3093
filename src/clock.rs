//! The only file that reads the system's time, and where chance comes from.
//!
//! Two clocks. The *wall* clock is the time of day; it can be set. The *steady* clock only goes forward, over
//! restarts of the process and steps of the wall clock, and through sleep of the machine; budgets, gates and delays
//! go by it. It is CLOCK_BOOTTIME plus an offset that is stored with the id of the boot; after a reboot it goes on
//! from the last time that was used.

use crate::model::{Now, Timestamp};
use serde::{Deserialize, Serialize};

/// The time.
pub trait Clock: Send + Sync {
    /// The time of day.
    fn wall(&self) -> Timestamp;
    /// The steady time.
    fn steady(&self) -> Timestamp;
    /// A number in 0.0..1.0 by chance: what spreads apart what many would do at the same moment. Whoever hands down
    /// the clock of a test hands down its chance as well, so that a run can be replayed.
    fn jitter(&self) -> f64 {
        rand::random()
    }
    /// Both.
    fn now(&self) -> Now {
        Now { steady: self.steady(), wall: self.wall() }
    }
}

/// What must be stored for the steady clock to go on after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// The boot it belongs to; empty where the system does not tell.
    pub boot_id: String,
    /// Steady time less CLOCK_BOOTTIME, in milliseconds.
    pub offset_ms: i64,
}

/// The clocks of this machine.
#[derive(Clone, Debug)]
pub struct SystemClock {
    anchor: Anchor,
}

impl SystemClock {
    /// Goes on from a stored anchor; `at_least` is the latest steady time known to have been used.
    pub fn new(stored: Option<&Anchor>, at_least: Timestamp) -> Self {
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let boot_id = boot_id.trim().to_owned();
        // After a reboot the wall clock may be wrong until it is set; the last time used is safe: a budget then waits too
        // long rather than too short.
        let start = if at_least.0 > 0 { at_least.0 } else { wall_ms() };
        let anchor = match stored {
            Some(stored) if stored.boot_id == boot_id && !boot_id.is_empty() => stored.clone(),
            _ => Anchor { boot_id, offset_ms: start.saturating_sub(boot_ms()) },
        };
        Self { anchor }
    }

    /// What to store.
    pub fn anchor(&self) -> &Anchor {
        &self.anchor
    }
}

impl Clock for SystemClock {
    fn wall(&self) -> Timestamp {
        Timestamp(wall_ms())
    }

    fn steady(&self) -> Timestamp {
        Timestamp(boot_ms().saturating_add(self.anchor.offset_ms))
    }
}

fn wall_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn boot_ms() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    time.tv_sec.saturating_mul(1000).saturating_add(time.tv_nsec / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_on_within_a_boot_and_never_back_over_one() {
        let first = SystemClock::new(None, Timestamp(0));
        let mut shifted = first.anchor().clone();
        shifted.offset_ms += 5_000_000;
        let second = SystemClock::new(Some(&shifted), Timestamp(0));
        assert!(second.steady().since(first.steady()).as_secs() >= 4_999, "the stored offset is kept");
        let other_boot = Anchor { boot_id: "another".into(), offset_ms: 0 };
        let ahead = second.wall().plus(std::time::Duration::from_secs(86_400));
        let third = SystemClock::new(Some(&other_boot), ahead);
        assert!(third.steady() >= ahead);
    }
}
