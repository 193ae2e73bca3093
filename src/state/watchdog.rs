//! Looks from outside at the calls of the backend: sled reads a damaged page for ever, without an error (crates 5),
//! and nobody in the store's own thread could tell.
//!
//! A call that lasts too long *and* burns the processor reads in a circle: the page is damaged. One that only waits is
//! the disk's affair: that is told, and only after a long time given up.

use super::StateError;
use super::kv::{Batch, Kv, Nudge, Pairs};
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tracing::error;

/// How long one call of the backend may last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// One that has lasted so long and was busy half of it reads in a circle.
    pub(super) circle: Duration,
    /// One that has lasted so long, busy or not, is given up.
    pub(super) hang: Duration,
    /// How often it is looked at.
    pub(super) look: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { circle: Duration::from_secs(30), hang: Duration::from_secs(300), look: Duration::from_secs(1) }
    }
}

/// Why nothing can be done with the backend any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A call is busy and does not end: a damaged page.
    Circle,
    /// A call waits and does not end: the disk does not answer.
    Hang,
    /// A call said that a page is damaged.
    Damaged(StateError),
}

/// The call of the backend that runs just now.
#[derive(Default)]
pub(super) struct Pulse(Mutex<Running>);

#[derive(Default)]
struct Running {
    /// Calls so far.
    number: u64,
    since: Option<Instant>,
    /// The kernel's accounts of the thread that calls.
    accounts: Option<PathBuf>,
    nudge: Option<Nudge>,
}

impl Pulse {
    fn lock(&self) -> MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on the calls are this thread's.
    pub(super) fn is_of_this_thread(&self) {
        let link = std::fs::read_link("/proc/thread-self").ok();
        self.lock().accounts = link.map(|thread| PathBuf::from("/proc").join(thread).join("stat"));
    }

    fn during<T>(&self, call: impl FnOnce() -> T) -> T {
        {
            let mut running = self.lock();
            running.number += 1;
            running.since = Some(Instant::now());
        }
        let result = call();
        self.lock().since = None;
        result
    }

    /// The number of the call that runs, and how long it has.
    fn running(&self) -> Option<(u64, Duration)> {
        let running = self.lock();
        running.since.map(|since| (running.number, since.elapsed()))
    }

    /// Processor time of the calling thread; `None` where the system does not tell.
    fn busy(&self) -> Option<Duration> {
        let path = self.lock().accounts.clone()?;
        busy_in(&std::fs::read_to_string(path).ok()?)
    }
}

/// User and system time in a line of `/proc/PID/task/TID/stat` (proc(5)): in ticks, a hundred to the second on Linux.
fn busy_in(stat: &str) -> Option<Duration> {
    // The name may hold anything, and ends with the last parenthesis.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut times = rest.split_ascii_whitespace().skip(11);
    let (user, system): (u64, u64) = (times.next()?.parse().ok()?, times.next()?.parse().ok()?);
    Some(Duration::from_millis((user + system) * 10))
}

/// A backend whose calls are looked at.
pub(super) struct Watched {
    kv: Box<dyn Kv>,
    pulse: Arc<Pulse>,
}

impl Watched {
    pub(super) fn new(kv: Box<dyn Kv>, pulse: Arc<Pulse>) -> Self {
        pulse.lock().nudge = kv.nudge();
        Self { kv, pulse }
    }
}

impl Drop for Watched {
    /// A nudge may hold the backend open.
    fn drop(&mut self) {
        self.pulse.lock().nudge = None;
    }
}

impl Kv for Watched {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        self.pulse.during(|| self.kv.get(key))
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, most: usize) -> Result<Pairs, StateError> {
        self.pulse.during(|| self.kv.scan(prefix, after, most))
    }

    fn apply(&mut self, batch: Batch) -> Result<(), StateError> {
        self.pulse.during(|| self.kv.apply(batch))
    }

    fn sync(&mut self) -> Result<(), StateError> {
        self.pulse.during(|| self.kv.sync())
    }
}

/// Looks until the other end of `end` is gone, or until a call does not end: then says so.
pub(super) fn watch(pulse: &Pulse, limits: Limits, end: &Receiver<Infallible>) -> Option<Verdict> {
    // The call seen last, how busy its thread was then, and whether it was told of.
    let mut seen = (0, None, false);
    while let Err(RecvTimeoutError::Timeout) = end.recv_timeout(limits.look) {
        let Some((number, lasts)) = pulse.running() else { continue };
        let busy = pulse.busy();
        if seen.0 != number {
            seen = (number, busy, false);
        }
        if lasts >= limits.circle / 6 {
            let nudge = pulse.lock().nudge.clone();
            if let Some(nudge) = nudge {
                nudge();
            }
        }
        if lasts < limits.circle {
            continue;
        }
        let burnt = busy.zip(seen.1).map(|(now, then)| now.saturating_sub(then));
        if burnt.is_some_and(|burnt| burnt >= limits.circle / 2) {
            return Some(Verdict::Circle);
        }
        if lasts >= limits.hang {
            return Some(Verdict::Hang);
        }
        if !std::mem::replace(&mut seen.2, true) {
            error!(
                seconds = lasts.as_secs(),
                "the disk of the store does not answer; look into the system's log (dmesg)"
            );
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::memory::{Disk, MemoryKv};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc;

    const SHORT: Limits = Limits {
        circle: Duration::from_millis(200),
        hang: Duration::from_millis(800),
        look: Duration::from_millis(10),
    };

    /// Runs one call of a backend on a thread of its own and looks at it.
    fn verdict_on(call: impl FnOnce(&AtomicBool) + Send + 'static) -> Option<Verdict> {
        let pulse = Arc::new(Pulse::default());
        let over = Arc::new(AtomicBool::new(false));
        let (open, end) = mpsc::channel();
        let worker = std::thread::spawn({
            let (pulse, over) = (pulse.clone(), over.clone());
            move || {
                pulse.is_of_this_thread();
                pulse.during(|| call(&over));
                drop(open);
            }
        });
        let verdict = watch(&pulse, SHORT, &end);
        over.store(true, Ordering::SeqCst);
        worker.join().unwrap();
        verdict
    }

    #[test]
    fn a_call_that_burns_the_processor_goes_in_a_circle() {
        let circle = |over: &AtomicBool| while !over.load(Ordering::SeqCst) {};
        assert_eq!(verdict_on(circle), Some(Verdict::Circle));
    }

    #[test]
    fn a_call_that_waits_is_given_up_later() {
        let wait = |over: &AtomicBool| {
            while !over.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(20));
            }
        };
        assert_eq!(verdict_on(wait), Some(Verdict::Hang));
    }

    #[test]
    fn a_call_that_ends_is_no_fault() {
        assert_eq!(verdict_on(|_| std::thread::sleep(Duration::from_millis(100))), None);
    }

    #[test]
    fn the_kernels_accounts_are_read_whatever_the_thread_is_called() {
        let line = "77 (a) b (c) R 1 1 1 0 -1 4194304 5 0 0 0 120 30 0 0 20 0 9 0 1 2 3";
        assert_eq!(busy_in(line), Some(Duration::from_millis(1500)));
        assert_eq!(busy_in("77 (store"), None);
        let pulse = Pulse::default();
        assert_eq!(pulse.busy(), None);
        pulse.is_of_this_thread();
        assert!(pulse.busy().is_some());
    }

    #[test]
    fn a_watched_backend_is_the_backend() {
        let (disk, pulse) = (Disk::default(), Arc::new(Pulse::default()));
        let mut kv = Watched::new(Box::new(MemoryKv::open(&disk)), pulse.clone());
        let mut batch = Batch::default();
        batch.put(b"k".to_vec(), b"v".to_vec());
        kv.apply(batch).unwrap();
        kv.sync().unwrap();
        assert_eq!(kv.get(b"k").unwrap().as_deref(), Some(&b"v"[..]));
        assert_eq!(kv.scan(b"k", None, 9).unwrap().len(), 1);
        assert_eq!(pulse.lock().number, 4);
        assert_eq!(pulse.running(), None);
    }
}
