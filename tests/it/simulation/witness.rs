//! Who writes down what happens: the log of a run, broken promises, and the points at which the process may die.

use super::time::Time;
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// A place at which the process dies: the `left`-th time that `step` is reached, before or after it is done.
#[derive(Clone, Copy, Debug)]
pub struct Trap {
    pub step: &'static str,
    pub after: bool,
    pub left: u32,
}

#[derive(Default)]
struct Inner {
    log: String,
    broken: Vec<String>,
    trap: Option<Trap>,
}

/// See the module's text.
pub struct Witness {
    pub time: Arc<Time>,
    /// Whether a log is kept.
    pub loud: bool,
    inner: Mutex<Inner>,
    dies: Notify,
    dead: AtomicBool,
}

impl Witness {
    pub fn new(time: Arc<Time>, loud: bool) -> Self {
        Self { time, loud, inner: Mutex::default(), dies: Notify::new(), dead: AtomicBool::new(false) }
    }

    /// Writes a line, if a log is kept.
    pub fn note(&self, line: impl FnOnce() -> String) {
        if self.loud {
            let now = self.time.now();
            let line = line();
            let mut inner = self.inner.lock().unwrap();
            let (ms, s, min) = (now % 1000, now / 1000 % 60, now / 60_000);
            writeln!(inner.log, "{min:5}:{s:02}.{ms:03} {line}").unwrap();
        }
    }

    /// A promise was broken.
    pub fn broken(&self, what: impl Into<String>) {
        let what = what.into();
        self.note(|| format!("BROKEN {what}"));
        let now = self.time.now();
        let mut inner = self.inner.lock().unwrap();
        if inner.broken.len() < 20 {
            inner.broken.push(format!("{:.3} min: {what}", now as f64 / 60_000.0));
        }
    }

    pub fn is_broken(&self) -> bool {
        !self.inner.lock().unwrap().broken.is_empty()
    }

    pub fn take(&self) -> (Vec<String>, String) {
        let mut inner = self.inner.lock().unwrap();
        (std::mem::take(&mut inner.broken), std::mem::take(&mut inner.log))
    }

    /// Sets a trap, in place of the one before.
    pub fn set(&self, trap: Option<Trap>) {
        self.inner.lock().unwrap().trap = trap;
    }

    /// The process dies here, if a trap is set.
    pub async fn point(&self, step: &'static str, after: bool) {
        {
            let mut inner = self.inner.lock().unwrap();
            let Some(trap) = inner.trap.as_mut().filter(|trap| trap.step == step && trap.after == after) else {
                return;
            };
            trap.left = trap.left.saturating_sub(1);
            if trap.left > 0 {
                return;
            }
            inner.trap = None;
        }
        self.note(|| format!("dies {} {step}", if after { "after" } else { "before" }));
        self.dead.store(true, Ordering::Relaxed);
        self.dies.notify_one();
        std::future::pending::<()>().await;
    }

    /// Resolves when the process has died.
    pub async fn death(&self) {
        self.dies.notified().await;
    }

    /// Whether the process has died; a new one begins.
    pub fn take_death(&self) -> bool {
        self.dead.swap(false, Ordering::Relaxed)
    }
}
