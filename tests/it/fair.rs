//! Fairness, start and storms: the real supervisor with many accounts on several hosts, on paused time. What one account, one
//! server or one host does is not to be felt by the others.

mod burst;
mod hosts;
mod huge;
mod storm;

use crate::support::account;
use crate::support::clock::PausedClock;
use crate::support::recorder::Recorder;
use crate::support::{imap, secs};
use mailbell::config::Account;
use mailbell::health::{AccountState, Health};
use mailbell::imap::MailSource;
use mailbell::model::{AccountId, Owner, Recipient};
use mailbell::rules::budget::Allowance;
use mailbell::supervise::{Shared, Supervisor};
use mailbell::watch::Hosts;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Logins per second and host, as the config has them by default.
const LOGINS: u32 = 5;

/// Many accounts, and what they share.
struct Town {
    accounts: Vec<Arc<Account>>,
    clock: Arc<PausedClock>,
    state: Arc<Recorder>,
    health: Arc<Health>,
}

impl Town {
    fn of(accounts: Vec<Account>) -> Self {
        Self {
            accounts: accounts.into_iter().map(Arc::new).collect(),
            clock: Arc::new(PausedClock::new()),
            state: Arc::new(Recorder::new()),
            health: Arc::default(),
        }
    }

    /// The service over this source while `story` goes on; how long it took to stop then.
    async fn during(&self, source: Arc<dyn MailSource>, story: impl Future<Output = ()>) -> Duration {
        let stop = CancellationToken::new();
        let shared = Shared {
            people: Arc::default(),
            imap: imap(),
            personal: true,
            allowance: Allowance { syncs: 50, free: 25, settle: secs(1) },
            source,
            state: self.state.clone(),
            clock: self.clock.clone(),
            health: self.health.clone(),
            hosts: Arc::new(Hosts::new(LOGINS)),
            connections: 1,
            last_beat: None,
        };
        let mut supervisor = Supervisor::new(shared, stop.clone());
        supervisor.apply(&self.accounts);
        story.await;
        let began = tokio::time::Instant::now();
        assert!(supervisor.stop(secs(8)).await, "the service does not stop in time");
        began.elapsed()
    }

    /// How many accounts of a host are watched just now.
    fn watched(&self, host: &str) -> usize {
        let of_host = |account: &&Arc<Account>| account.provider.server.host == host;
        let ids = self.accounts.iter().filter(of_host).map(|account| account.id.clone());
        self.health.read(|all| ids.filter(|id| all.get(id).is_some_and(|a| a.state == AccountState::Watching)).count())
    }
}

/// An account of its own user at a host.
fn at_host(host: &str, n: usize) -> Account {
    let user = format!("user{n}-{host}");
    let mut account = account();
    account.id = AccountId::new(&format!("{user}@corp.example"));
    account.login = account.id.0.to_string();
    account.owner = Owner::User(user.as_str().into());
    account.recipients = vec![Recipient::User(user.as_str().into())];
    account.provider.server.host = host.to_owned();
    account
}
