//! The store's thread: takes the steps that came in, does them, syncs the disk once for all of them, answers.
//!
//! After a failed write sled refuses every other one until it is opened anew (crates 5). So the backend is closed at
//! once, every step is answered with the reason, and every few seconds opening is tried again: service goes on without
//! a restart. The index is built anew then; claims that were given out stay given out (S4), and those whose answer was an
//! error were never given.

use super::StateError;
use super::engine::{Engine, Memory};
use super::kv::Kv;
use super::watchdog::{Pulse, Verdict, Watched};
use crate::model::AlertId;
use crate::unwind::caught;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};
use tracing::{error, info};

/// Steps done before the disk is synced for all of them.
const GROUP: usize = 256;

/// One step: does its work, or is told why it cannot, and answers later, when the disk is synced.
pub(super) type Step = Box<dyn FnOnce(Result<&mut Engine, StateError>) -> Answer + Send>;

/// What one step has come to.
pub(super) struct Answer {
    /// Whether it waits for the sync.
    pub(super) durable: bool,
    /// The backend failed it.
    pub(super) failed: Option<StateError>,
    /// Called with the outcome of the sync.
    pub(super) give: Box<dyn FnOnce(Result<(), StateError>) + Send>,
}

/// Opens the backend; at the beginning and after each failure.
pub(super) type Opener = Box<dyn FnMut() -> Result<Box<dyn Kv>, StateError> + Send>;

/// What the steps work on.
pub(super) struct Backend {
    pub(super) open: Opener,
    pub(super) pulse: Arc<Pulse>,
    /// Called when nothing can be done with it any more.
    pub(super) doom: Box<dyn Fn(Verdict) + Send>,
}

/// See the module's text.
pub(super) struct Worker {
    backend: Backend,
    engine: Result<Engine, StateError>,
    /// The claims that were given out, as of the last sync.
    claimed: HashSet<AlertId>,
    memory: Memory,
    tried_at: Instant,
    /// It is damaged: only another process can help.
    doomed: bool,
    /// Between two openings.
    pause: Duration,
    changed: Arc<Notify>,
}

impl Worker {
    /// Opens the backend for the first time.
    pub(super) fn begin(mut backend: Backend, pause: Duration, changed: Arc<Notify>) -> Result<Self, StateError> {
        backend.pulse.is_of_this_thread();
        let engine = Ok(backend.opened()?);
        Ok(Self {
            backend,
            engine,
            claimed: HashSet::new(),
            memory: Memory::default(),
            tried_at: Instant::now(),
            doomed: false,
            pause,
            changed,
        })
    }

    /// Works until nobody can send steps any more.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Step>) {
        while let Some(first) = queue.blocking_recv() {
            if self.engine.is_err() && !self.doomed && self.tried_at.elapsed() >= self.pause {
                self.mend();
            }
            let mut answers = Vec::new();
            self.one(first, &mut answers);
            for _ in 1..GROUP {
                match queue.try_recv() {
                    Ok(step) => self.one(step, &mut answers),
                    Err(_) => break,
                }
            }
            self.settle(answers);
        }
    }

    /// One step. If it panics, its caller is told that the store is closed, and the others go on.
    fn one(&mut self, step: Step, answers: &mut Vec<Answer>) {
        let engine = self.engine.as_mut().map_err(|reason| reason.clone());
        match catch_unwind(AssertUnwindSafe(|| step(engine))) {
            Ok(answer) => answers.push(answer),
            Err(_) => error!("a step of the store has failed by a fault of mailbell's. Please report this"),
        }
    }

    /// Syncs if one of them waits for it, and answers.
    fn settle(&mut self, answers: Vec<Answer>) {
        let mut synced = Ok(());
        if let Ok(engine) = &mut self.engine {
            if answers.iter().any(|answer| answer.durable) {
                synced = engine.sync();
            }
            // What was claimed in vain was not given out, and what was settled in vain is still claimed.
            if synced.is_ok() {
                self.claimed.clone_from(engine.index.claimed());
            }
            let failed = synced.clone().err().or_else(|| answers.iter().find_map(|answer| answer.failed.clone()));
            if let Some(reason) = failed {
                self.close(reason);
            }
        }
        for answer in answers {
            let outcome = if answer.durable { synced.clone() } else { Ok(()) };
            (answer.give)(outcome);
        }
    }

    /// Gives the backend up: it would refuse everything.
    fn close(&mut self, reason: StateError) {
        if matches!(reason, StateError::Damaged { .. }) {
            self.doomed = true;
            (self.backend.doom)(Verdict::Damaged(reason.clone()));
        } else {
            let every_s = self.pause.as_secs();
            error!(%reason, every_s, "the store is closed; nothing is acknowledged until it can be opened again");
        }
        if let Ok(engine) = &self.engine {
            self.memory = engine.memory();
        }
        // Closed before anybody is answered; closing may fail on the same disk.
        let closed = std::mem::replace(&mut self.engine, Err(reason));
        let _ = caught(|| drop(closed));
        self.tried_at = Instant::now();
    }

    /// Tries to open it again.
    fn mend(&mut self) {
        match self.backend.opened() {
            Ok(mut engine) => {
                engine.take_over(&self.memory, &self.claimed);
                self.engine = Ok(engine);
                info!("the store is open again; nothing that was acknowledged is missing");
                self.changed.notify_waiters();
            }
            Err(reason) => self.engine = Err(reason),
        }
        self.tried_at = Instant::now();
    }
}

impl Backend {
    fn opened(&mut self) -> Result<Engine, StateError> {
        Engine::open(Box::new(Watched::new((self.open)()?, self.pulse.clone())))
    }
}
