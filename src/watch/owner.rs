//! One owner's permits: its accounts share the budget, and who already waits goes along with the next permit.

use crate::clock::Clock;
use crate::model::{Owner, Timestamp};
use crate::rules::budget::{Allowance, Permit};
use crate::state::{State, StateError};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::Notify;

/// An owner and its accounts.
pub struct OwnerBudget {
    owner: Owner,
    allowance: Allowance,
    state: Arc<dyn State>,
    clock: Arc<dyn Clock>,
    seats: Mutex<Vec<Weak<Seat>>>,
}

/// One account's place among the accounts of its owner, and the bell that wakes its worker.
#[derive(Debug, Default)]
pub struct Seat {
    /// Wakes the worker: a permit to share, or somebody who asks to look now.
    pub wake: Notify,
    waits: AtomicBool,
    shares: AtomicBool,
    look: AtomicBool,
}

impl Seat {
    /// Asks the worker to look now. Any number of calls before it does are one.
    pub fn look_now(&self) {
        self.look.store(true, Ordering::Relaxed);
        self.wake.notify_one();
    }

    /// A permit that was to be shared with an earlier session is no permit any more.
    pub(super) fn forget_permits(&self) {
        self.waits.store(false, Ordering::Relaxed);
        self.shares.store(false, Ordering::Relaxed);
    }

    /// Whether somebody asked since the last call.
    pub fn take_look(&self) -> bool {
        self.look.swap(false, Ordering::Relaxed)
    }
}

/// What came of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Sync now.
    Go,
    /// Not before then (steady clock), unless woken.
    Wait(Timestamp),
}

impl OwnerBudget {
    /// The budget of `owner`.
    pub fn new(owner: Owner, allowance: Allowance, state: Arc<dyn State>, clock: Arc<dyn Clock>) -> Self {
        Self { owner, allowance, state, clock, seats: Mutex::new(Vec::new()) }
    }

    /// A place for one more account.
    pub fn seat(&self) -> Arc<Seat> {
        let seat = Arc::new(Seat::default());
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        seats.retain(|s| s.strong_count() > 0);
        seats.push(Arc::downgrade(&seat));
        seat
    }

    /// Wakes the workers of all accounts: their rules may have changed.
    pub fn wake(&self) {
        let seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        seats.iter().filter_map(Weak::upgrade).for_each(|seat| seat.wake.notify_one());
    }

    /// Asks for a sync. A permit that another account of the owner has just got is shared by all who waited.
    ///
    /// # Errors
    /// The state cannot be read or written.
    pub async fn ask(&self, seat: &Arc<Seat>) -> Result<Turn, StateError> {
        if seat.shares.swap(false, Ordering::Relaxed) && seat.waits.swap(false, Ordering::Relaxed) {
            return Ok(Turn::Go);
        }
        match self.state.admit_sync(&self.owner, self.allowance, self.clock.steady()).await? {
            Permit::Go(_) => {
                seat.forget_permits();
                let seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
                for other in seats.iter().filter_map(Weak::upgrade).filter(|other| !Arc::ptr_eq(other, seat)) {
                    if other.waits.load(Ordering::Relaxed) {
                        other.shares.store(true, Ordering::Relaxed);
                        other.wake.notify_one();
                    }
                }
                Ok(Turn::Go)
            }
            Permit::WaitUntil(t) => {
                seat.waits.store(true, Ordering::Relaxed);
                Ok(Turn::Wait(t))
            }
        }
    }
}
