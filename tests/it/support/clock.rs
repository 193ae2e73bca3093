//! Both clocks on tokio's time, so that paused time rules them.

use mailbell::clock::Clock;
use mailbell::model::Timestamp;
use tokio::time::Instant;

/// 2026-02-02T02:40:00Z, a Monday morning in Shanghai.
const BEGIN_MS: i64 = 1_770_000_000_000;

/// Wall and steady clock of a test; both begin at the same moment.
#[derive(Debug)]
pub struct PausedClock {
    begin: Instant,
}

impl PausedClock {
    /// Begins now.
    pub fn new() -> Self {
        Self { begin: Instant::now() }
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        Timestamp(BEGIN_MS).plus(self.begin.elapsed())
    }
}

impl Clock for PausedClock {
    fn wall(&self) -> Timestamp {
        self.now()
    }

    fn steady(&self) -> Timestamp {
        self.now()
    }
}
