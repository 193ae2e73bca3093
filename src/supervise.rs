//! The tasks of the service: one per account and the delivery loop. The only file that spawns them.
//!
//! A task that panics is begun anew after a pause: one bad thing stops one thing.

use crate::clock::Clock;
use crate::config::{Account, Config, Imap};
use crate::health::{AccountState, Health};
use crate::imap::MailSource;
use crate::model::{AccountId, Owner, Timestamp};
use crate::people::People;
use crate::rules::budget::Allowance;
use crate::rules::life::Deadlines;
use crate::state::State;
use crate::watch::{Hosts, OwnerBudget, Rules, Seat, Watcher, log_name};
use futures_util::FutureExt;
use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info};

/// Before a task that panicked begins anew.
const AFTER_PANIC: Duration = Duration::from_secs(5);

/// What the workers of all accounts share.
pub struct Shared {
    /// How IMAP is spoken.
    pub imap: Imap,
    /// Whether addresses may stand in the log.
    pub personal: bool,
    /// The budget of each owner.
    pub allowance: Allowance,
    /// Opens sessions.
    pub source: Arc<dyn MailSource>,
    /// Marks and outbox.
    pub state: Arc<dyn State>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where states are shown.
    pub health: Arc<Health>,
    /// How people want to be told.
    pub people: Arc<People>,
    /// The pace of logins.
    pub hosts: Arc<Hosts>,
    /// The most connections of one account at one time.
    pub connections: u32,
    /// When the service last lived before this process (wall clock); `None`: never, as far as is known.
    pub last_beat: Option<Timestamp>,
}

/// Carries something through that must not stop in the middle, whoever waits for it or goes away.
///
/// # Errors
/// It failed by a fault of mailbell's, in words.
pub async fn finish<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T, String> {
    tokio::spawn(work).await.map_err(|error| error.to_string())
}

impl Shared {
    /// When accounts, folders and workers count as silent for too long.
    pub fn deadlines(imap: &Imap) -> Deadlines {
        Deadlines {
            blind_after: imap.blind_after,
            poll_interval: imap.poll_interval,
            idle_renew: imap.idle_renew,
            command_timeout: imap.command_timeout,
        }
    }

    /// The budget that a config gives each owner.
    pub fn allowance(config: &Config) -> Allowance {
        Allowance { syncs: config.limits.syncs_per_hour, free: config.limits.free_syncs, settle: config.imap.settle }
    }
}

/// The worker of one account.
struct Worker {
    account: Arc<Account>,
    rules: Arc<Rules>,
    seat: Arc<Seat>,
    stop: CancellationToken,
}

/// The running tasks.
pub struct Supervisor {
    shared: Arc<Shared>,
    tracker: TaskTracker,
    stop: CancellationToken,
    workers: HashMap<AccountId, Worker>,
    owners: HashMap<Owner, Arc<OwnerBudget>>,
    /// The accounts that are shown and not watched.
    disabled: HashSet<AccountId>,
    /// Whether the first accounts are watched: those that come or change later were not away with the service.
    begun: bool,
}

impl Supervisor {
    /// Nothing runs yet. Cancelling `stop` ends all.
    pub fn new(shared: Shared, stop: CancellationToken) -> Self {
        Self {
            shared: Arc::new(shared),
            tracker: TaskTracker::new(),
            stop,
            workers: HashMap::new(),
            owners: HashMap::new(),
            disabled: HashSet::new(),
            begun: false,
        }
    }

    /// Runs a task to its end; what `make` makes is begun anew after a panic.
    pub fn run<F>(&self, name: &'static str, stop: CancellationToken, make: impl Fn() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tracker.spawn(async move {
            while AssertUnwindSafe(make()).catch_unwind().await.is_err() && !stop.is_cancelled() {
                error!(task = name, "a task has failed by a fault of mailbell's; it begins anew. Please report this");
                tokio::time::sleep(AFTER_PANIC).await;
            }
        });
    }

    /// Brings the workers in line with the accounts of a config: who is gone stops, who is new or connects otherwise begins,
    /// the others keep their connections, and get their new rules.
    pub fn apply(&mut self, accounts: &[Arc<Account>]) {
        let wanted: HashMap<&AccountId, &Arc<Account>> = accounts.iter().map(|a| (&a.id, a)).collect();
        let stays =
            |id: &AccountId, worker: &Worker| wanted.get(id).is_some_and(|now| now.connects_as(&worker.account));
        let gone: Vec<_> =
            self.workers.iter().filter(|(id, worker)| !stays(id, worker)).map(|(id, _)| id.clone()).collect();
        for id in &gone {
            if let Some(worker) = self.workers.remove(id) {
                worker.stop.cancel();
                self.shared.health.remove(id);
            }
        }
        let mut changed = 0;
        for (id, worker) in &mut self.workers {
            let Some(now) = wanted.get(id).filter(|now| ****now != *worker.account) else { continue };
            worker.account = (*now).clone();
            worker.rules.change((*now).clone());
            if let Some(budget) = self.owners.get(&now.owner) {
                budget.wake();
            }
            changed += 1;
        }
        let fresh: Vec<_> = accounts.iter().filter(|a| !self.workers.contains_key(&a.id)).cloned().collect();
        if !gone.is_empty() || !fresh.is_empty() || changed > 0 {
            info!(stopped = gone.len(), started = fresh.len(), changed, "accounts");
        }
        for account in fresh {
            self.watch(account);
        }
        self.begun = true;
    }

    /// These accounts are shown as disabled, and no others.
    pub fn disable(&mut self, accounts: &[Arc<Account>]) {
        let now = self.shared.clock.steady();
        let wanted: HashSet<AccountId> = accounts.iter().map(|account| account.id.clone()).collect();
        for id in self.disabled.difference(&wanted).filter(|id| !self.workers.contains_key(*id)) {
            self.shared.health.remove(id);
        }
        for id in wanted.difference(&self.disabled) {
            self.shared.health.disable(id, now);
        }
        self.disabled = wanted;
    }

    /// Has the worker of an account look now.
    pub fn look_now(&self, account: &AccountId) {
        if let Some(worker) = self.workers.get(account) {
            worker.seat.look_now();
        }
    }

    /// Looks at every account's proof of life, from outside its worker: who has shown none within the deadline is blind,
    /// and a worker that hangs begins anew.
    pub fn check_life(&mut self) {
        let now = self.shared.clock.steady();
        let deadlines = Shared::deadlines(&self.shared.imap);
        let mut hanging = Vec::new();
        self.shared.health.each(|id, account| {
            if account.state == AccountState::Disabled {
                return;
            }
            // A refused login has a name of its own, and is told as such; what comes after it is not that any more.
            let blind = account.state != AccountState::LoginRefused && deadlines.is_blind(account.silent_for(now));
            match (blind, account.blind_since) {
                (true, None) => account.blind_since = Some(account.pulse.last().unwrap_or(account.since)),
                (false, Some(_)) => account.blind_since = None,
                _ => {}
            }
            let Some(stirred_at) = account.stirred_at else { return };
            if deadlines.hangs(now.since(account.pulse.last().map_or(stirred_at, |beat| beat.max(stirred_at)))) {
                // The new one waits for its turn first.
                account.stirred_at = None;
                hanging.push(id.clone());
            }
        });
        for id in hanging {
            let Some(Worker { account, stop, .. }) = self.workers.remove(&id) else { continue };
            error!(account = %log_name(&id.0, self.shared.personal), "a worker hangs and begins anew. Please report this");
            stop.cancel();
            self.watch(account);
        }
    }

    fn watch(&mut self, account: Arc<Account>) {
        let shared = self.shared.clone();
        let stop = self.stop.child_token();
        let budget = self.owners.entry(account.owner.clone()).or_insert_with(|| {
            let (state, clock) = (shared.state.clone(), shared.clock.clone());
            Arc::new(OwnerBudget::new(account.owner.clone(), shared.allowance, state, clock))
        });
        let (budget, stop_worker) = (budget.clone(), stop.clone());
        let last_alive = shared.last_beat.filter(|_| !self.begun);
        let rules = Arc::new(Rules::new(account.clone()));
        let seat = budget.seat();
        let worker = Worker { account: account.clone(), rules: rules.clone(), seat: seat.clone(), stop: stop.clone() };
        self.workers.insert(account.id.clone(), worker);
        shared.health.add(&account.id, shared.clock.steady());
        self.run("watch", stop, move || {
            let watcher = Watcher {
                account: account.clone(),
                rules: rules.clone(),
                people: shared.people.clone(),
                imap: shared.imap,
                personal: shared.personal,
                source: shared.source.clone(),
                state: shared.state.clone(),
                clock: shared.clock.clone(),
                health: shared.health.clone(),
                hosts: shared.hosts.clone(),
                seat: seat.clone(),
                budget: budget.clone(),
                connections: shared.connections,
                last_alive,
            };
            let stop = stop_worker.clone();
            async move { watcher.run(&stop).await }
        });
    }

    /// Stops everything; whether all tasks ended within `limit`.
    pub async fn stop(self, limit: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        tokio::time::timeout(limit, self.tracker.wait()).await.is_ok()
    }
}
