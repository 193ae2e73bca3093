//! The state of one node: the engine on a thread of its own (sled blocks), one sync of the disk for all that came
//! in meanwhile.

use super::StateError;
use super::engine::Engine;
use super::kv::Kv;
use super::sled_kv::{self, SledKv};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use tokio::sync::{Notify, mpsc, oneshot};
use tracing::error;

/// Steps that may wait for the engine; who comes later waits outside.
const QUEUE: usize = 1024;
/// Steps done before the disk is synced for all of them.
const GROUP: usize = 256;

/// One step: does its work and answers later, when the disk is synced.
type Step = Box<dyn FnOnce(&mut Engine) -> Answer + Send>;
/// Called with the outcome of the sync; `durable` steps wait for it.
struct Answer {
    durable: bool,
    give: Box<dyn FnOnce(Result<(), StateError>) + Send>,
}

enum Place {
    /// On a thread, over sled.
    Thread { steps: mpsc::Sender<Step>, thread: Mutex<Option<std::thread::JoinHandle<()>>> },
    /// In place, over memory: for tests under paused time.
    Here(Box<Mutex<Engine>>),
}

/// The state of one node.
pub struct Store {
    place: Place,
    pub(super) changed: Notify,
}

impl Store {
    /// Opens the store in a directory.
    ///
    /// # Errors
    /// See [`StateError`]: in use, not allowed, damaged, newer.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let engine = Engine::open(Box::new(SledKv::open(path)?))?;
        let (steps, queue) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || work(engine, queue))
            .map_err(|e| StateError::Write(e.to_string()))?;
        Ok(Self { place: Place::Thread { steps, thread: Mutex::new(Some(thread)) }, changed: Notify::new() })
    }

    /// Whether a running mailbell has the store in a directory open. Changes nothing.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn in_use(path: &Path) -> Result<bool, StateError> {
        sled_kv::in_use(path)
    }

    /// Opens the state over a backend of a test.
    ///
    /// # Errors
    /// What the backend holds cannot be read.
    pub fn in_place(kv: impl Kv + 'static) -> Result<Self, StateError> {
        Ok(Self { place: Place::Here(Box::new(Mutex::new(Engine::open(Box::new(kv))?))), changed: Notify::new() })
    }

    /// Runs one step; a durable one answers after the sync.
    pub(super) async fn step<T: Send + 'static>(
        &self,
        durable: bool,
        work: impl FnOnce(&mut Engine) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, StateError> {
        match &self.place {
            Place::Here(engine) => {
                let mut engine = engine.lock().unwrap_or_else(PoisonError::into_inner);
                let result = work(&mut engine)?;
                if durable {
                    engine.sync()?;
                }
                Ok(result)
            }
            Place::Thread { steps, .. } => {
                let (answer, answered) = oneshot::channel();
                let step: Step = Box::new(move |engine| {
                    let result = work(engine);
                    let durable = durable && result.is_ok();
                    Answer { durable, give: Box::new(move |synced| drop(answer.send(synced.and(result)))) }
                });
                steps.send(step).await.map_err(|_| StateError::Closed)?;
                answered.await.map_err(|_| StateError::Closed)?
            }
        }
    }
}

/// One step. If it panics, its caller is told that the store is closed, and the others go on.
fn one(engine: &mut Engine, step: Step) -> Option<Answer> {
    let done = catch_unwind(AssertUnwindSafe(|| step(engine)));
    if done.is_err() {
        error!("a step of the store has failed by a fault of mailbell's. Please report this");
    }
    done.ok()
}

/// The thread: takes what is there, does it, syncs once, answers.
fn work(mut engine: Engine, mut queue: mpsc::Receiver<Step>) {
    let mut group = Vec::new();
    while let Some(first) = queue.blocking_recv() {
        let mut answers: Vec<_> = one(&mut engine, first).into_iter().collect();
        while group.len() < GROUP {
            match queue.try_recv() {
                Ok(step) => group.push(step),
                Err(_) => break,
            }
        }
        answers.extend(group.drain(..).filter_map(|step| one(&mut engine, step)));
        let synced = if answers.iter().any(|a| a.durable) { engine.sync() } else { Ok(()) };
        for answer in answers {
            let outcome = if answer.durable { synced.clone() } else { Ok(()) };
            (answer.give)(outcome);
        }
    }
}

impl Drop for Store {
    /// Waits for the thread, so that the directory is free when the store is gone.
    fn drop(&mut self) {
        if let Place::Thread { steps, thread } = &mut self.place {
            let (closed, _) = mpsc::channel(1);
            drop(std::mem::replace(steps, closed));
            if let Some(thread) = thread.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
                let _ = thread.join();
            }
        }
    }
}
