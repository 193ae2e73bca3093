//! The state of one node: the engine on a thread of its own (sled blocks), under the eyes of a watchdog.

use super::StateError;
use super::engine::Engine;
use super::kv::Kv;
use super::sled_kv::{self, SledKv};
use super::watchdog::{self, Limits, Pulse, Verdict};
use super::worker::{Answer, Backend, Opener, Step, Worker};
use super::{aside, keys};
use futures_util::future::BoxFuture;
use std::convert::Infallible;
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

/// Steps that may wait for the engine; who comes later waits outside.
const QUEUE: usize = 1024;
/// Between two tries to open a store that could not be written.
const REOPEN_EVERY: Duration = Duration::from_secs(3);

/// How long the store's thread may take to end: it syncs, and sled lets go of its files.
const LET_GO: Duration = Duration::from_secs(7);
/// The same where it may be reading for ever.
const LET_GO_OF_DAMAGED: Duration = Duration::from_secs(1);

enum Place {
    /// On a thread, over sled.
    Thread { steps: mpsc::Sender<Step>, ended: Mutex<Receiver<Infallible>>, stuck: Stuck },
    /// In place, over memory: for tests under paused time.
    Here(Box<Mutex<Engine>>),
}

/// What it means that nothing can be done with a backend any more.
pub(super) type GiveUp = dyn Fn(&Verdict) -> StateError + Send + Sync;

/// Whether a step failed for a reason that the next one will meet, too.
fn is_of_the_backend(error: &StateError) -> bool {
    matches!(error, StateError::Write(_) | StateError::Damaged { .. })
}

/// Set once the store's thread does not come back from a call of the backend.
#[derive(Clone, Default)]
struct Stuck {
    why: Arc<OnceLock<StateError>>,
    told: CancellationToken,
}

impl Stuck {
    /// Tells everybody, also who waits.
    fn tell(&self, why: StateError) {
        error!("{why}");
        let _ = self.why.set(why);
        self.told.cancel();
    }

    fn why(&self) -> StateError {
        self.why.get().cloned().unwrap_or(StateError::Closed)
    }

    /// Resolves when it is told.
    async fn wait(&self) -> StateError {
        self.told.cancelled().await;
        self.why()
    }
}

/// The state of one node.
pub struct Store {
    place: Place,
    pub(super) changed: Arc<Notify>,
}

impl Store {
    /// Opens the store in a directory. From then on a failed write closes the store: steps answer the reason until it
    /// could be opened again, which is tried every few seconds.
    ///
    /// # Errors
    /// See [`StateError`]: in use, not allowed, damaged, newer.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        if aside::is_marked(path) {
            return Err(aside::marked(path));
        }
        let (here, there) = (path.to_owned(), path.to_owned());
        let open: Opener = Box::new(move || {
            let kv = SledKv::open(&here)?;
            if aside::was_begun(&here) && kv.get(keys::VERSION)?.is_none() {
                let reason = "it was written before, and is empty".to_owned();
                return Err(StateError::Damaged { path: here.clone(), reason });
            }
            Ok(Box::new(kv))
        });
        let give_up = move |verdict: &Verdict| {
            let reason = match verdict {
                Verdict::Hang => return StateError::Silent(there.clone()),
                Verdict::Damaged(StateError::Damaged { reason, .. }) => Some(reason.clone()),
                Verdict::Damaged(_) | Verdict::Circle => None,
            };
            if let Err(reason) = aside::mark(&there) {
                error!(%reason, "the damaged store cannot be marked");
            }
            StateError::Stuck { path: there.clone(), reason }
        };
        let store = Self::on_thread(open, Arc::new(give_up), Limits::default(), REOPEN_EVERY)?;
        if let Err(reason) = aside::note_begun(path) {
            warn!(%reason, "it cannot be noted that the store was begun");
        }
        Ok(store)
    }

    /// Opens a backend on a thread of its own. `give_up` is asked, once, what it means that nothing can be done with it
    /// any more.
    pub(super) fn on_thread(
        open: Opener,
        give_up: Arc<GiveUp>,
        limits: Limits,
        reopen_every: Duration,
    ) -> Result<Self, StateError> {
        let failed = |e: std::io::Error| StateError::Write(e.to_string());
        let (steps, queue) = mpsc::channel(QUEUE);
        let (changed, pulse, stuck) = (Arc::new(Notify::new()), Arc::new(Pulse::default()), Stuck::default());
        // Opening reads a lot, so the thread that may get stuck does it.
        let (opened, is_open) = std::sync::mpsc::sync_channel::<Result<(), StateError>>(2);
        let (alive, end) = std::sync::mpsc::channel();
        let (lives, ended) = std::sync::mpsc::channel();
        let (to_opener, watched, notify) = (opened.clone(), pulse.clone(), changed.clone());
        let (to_worker, for_worker) = (stuck.clone(), give_up.clone());
        let doom = Box::new(move |verdict| to_worker.tell(for_worker(&verdict)));
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(move || {
            let (_alive, _lives) = (alive, lives);
            match Worker::begin(Backend { open, pulse: watched, doom }, reopen_every, notify) {
                Ok(worker) => {
                    let _ = to_opener.send(Ok(()));
                    worker.run(queue);
                }
                Err(reason) => drop(to_opener.send(Err(reason))),
            }
        });
        thread.map_err(failed)?;
        let to_tell = stuck.clone();
        let watchdog = std::thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
            if let Some(verdict) = watchdog::watch(&pulse, limits, &end) {
                to_tell.tell(give_up(&verdict));
                let _ = opened.try_send(Err(to_tell.why()));
            }
        });
        watchdog.map_err(failed)?;
        let store = Self { place: Place::Thread { steps, ended: Mutex::new(ended), stuck }, changed };
        // If it could not be opened, dropping the store waits for the thread.
        is_open.recv().unwrap_or(Err(StateError::Closed)).map(|()| store)
    }

    /// Resolves when the store's thread does not come back from a call of the backend; then all steps answer this
    /// error, and only another process can help. Otherwise never.
    pub fn stuck(&self) -> BoxFuture<'static, StateError> {
        match &self.place {
            Place::Thread { stuck, .. } => {
                let stuck = stuck.clone();
                Box::pin(async move { stuck.wait().await })
            }
            Place::Here(_) => Box::pin(std::future::pending()),
        }
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
        let engine = Engine::open(Box::new(kv))?;
        Ok(Self { place: Place::Here(Box::new(Mutex::new(engine))), changed: Arc::new(Notify::new()) })
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
            Place::Thread { steps, stuck, .. } => {
                if stuck.told.is_cancelled() {
                    return Err(stuck.why());
                }
                let (answer, answered) = oneshot::channel();
                let step: Step = Box::new(move |engine| {
                    let result = engine.and_then(work);
                    let failed = result.as_ref().err().filter(|e| is_of_the_backend(e)).cloned();
                    let durable = durable && result.is_ok();
                    Answer { durable, failed, give: Box::new(move |synced| drop(answer.send(synced.and(result)))) }
                });
                let answered = async {
                    steps.send(step).await.map_err(|_| StateError::Closed)?;
                    answered.await.map_err(|_| StateError::Closed)?
                };
                tokio::select! {
                    biased;
                    answer = answered => answer,
                    why = stuck.wait() => Err(why),
                }
            }
        }
    }
}

impl Drop for Store {
    /// Waits for the thread, so that the directory is free when the store is gone; unless it never comes back.
    fn drop(&mut self) {
        if let Place::Thread { steps, ended, stuck } = &mut self.place {
            let (closed, _) = mpsc::channel(1);
            drop(std::mem::replace(steps, closed));
            let limit = if stuck.told.is_cancelled() { LET_GO_OF_DAMAGED } else { LET_GO };
            let _ = ended.get_mut().unwrap_or_else(PoisonError::into_inner).recv_timeout(limit);
        }
    }
}
