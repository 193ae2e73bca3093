//! The time of a run: true time goes on over crashes; the clocks that mailbell sees are made of it, and may be wrong.

use super::dice::Dice;
use mailbell::clock::Clock;
use mailbell::model::Timestamp;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// A second, a minute and an hour in milliseconds.
pub const SECOND: i64 = 1000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;

struct Inner {
    /// True time when the present process began, or now, if there is none.
    base: i64,
    /// When the present process began.
    since: Option<Instant>,
    wall_error: i64,
    steady_lag: i64,
    chance: Dice,
}

/// See the module's text. All times in milliseconds since the run's beginning.
pub struct Time {
    /// The run's beginning as the world's clocks show it.
    begin: i64,
    inner: Mutex<Inner>,
}

impl Time {
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 1);
        // Any time of the day, from 2026-02-02T00:00:00+08:00 on.
        let begin = 1_769_961_600_000 + dice.between(0, 86_399) * SECOND;
        let inner = Inner { base: 0, since: None, wall_error: 0, steady_lag: 0, chance: Dice::new(seed, 2) };
        Self { begin, inner: Mutex::new(inner) }
    }

    /// True time.
    pub fn now(&self) -> i64 {
        let inner = self.inner.lock().unwrap();
        inner.base + inner.since.map_or(0, |since| i64::try_from(since.elapsed().as_millis()).unwrap())
    }

    /// A process begins; to be called in its runtime.
    pub fn begin(&self) {
        self.inner.lock().unwrap().since = Some(Instant::now());
    }

    /// The process has ended; to be called in its runtime.
    pub fn end(&self) {
        let now = self.now();
        let mut inner = self.inner.lock().unwrap();
        (inner.base, inner.since) = (now, None);
    }

    /// While no process lives, so much time passes.
    pub fn pass(&self, ms: i64) {
        self.inner.lock().unwrap().base += ms;
    }

    /// The machine was started anew: the steady clock goes on from the latest time that was used.
    pub fn reboot(&self, latest: Timestamp) {
        let now = self.now();
        let mut inner = self.inner.lock().unwrap();
        if latest.0 > 0 {
            inner.steady_lag = inner.steady_lag.max(self.begin + now - latest.0);
        }
    }

    /// The wall clock is wrong by so much from now on.
    pub fn set_wall_error(&self, ms: i64) {
        self.inner.lock().unwrap().wall_error = ms;
    }

    /// True time as a right clock shows it.
    pub fn right(&self, at: i64) -> Timestamp {
        Timestamp(self.begin + at)
    }

    /// Waits in the present process until then.
    pub async fn until(&self, at: i64) {
        let left = u64::try_from(at - self.now()).unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(left)).await;
    }
}

impl Clock for Time {
    fn wall(&self) -> Timestamp {
        let now = self.now();
        Timestamp(self.begin + now + self.inner.lock().unwrap().wall_error)
    }

    fn steady(&self) -> Timestamp {
        let now = self.now();
        Timestamp(self.begin + now - self.inner.lock().unwrap().steady_lag)
    }

    fn jitter(&self) -> f64 {
        self.inner.lock().unwrap().chance.part()
    }
}
