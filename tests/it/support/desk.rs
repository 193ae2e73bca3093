//! One account under watch: everything that a worker needs, in memory, on paused time.

use super::clock::PausedClock;
use super::recorder::Recorder;
use mailbell::config::{Account, Imap, Subscription};
use mailbell::health::Health;
use mailbell::imap::MailSource;
use mailbell::model::Item;
use mailbell::rules::budget::Allowance;
use mailbell::state::{Story, Why};
use mailbell::watch::{Hosts, OwnerBudget, Rules, Seat, Watcher};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// See the module's text.
pub struct Watch {
    pub account: Account,
    pub imap: Imap,
    pub allowance: Allowance,
    pub clock: Arc<PausedClock>,
    pub state: Arc<Recorder>,
    pub health: Arc<Health>,
    pub seat: Arc<Seat>,
    pub connections: u32,
    /// When the process before this one last lived.
    pub last_alive: Option<mailbell::model::Timestamp>,
}

impl Watch {
    /// The INBOX of [`super::account`], with the defaults of the config.
    pub fn new() -> Self {
        Self {
            account: super::account(),
            imap: super::imap(),
            allowance: Allowance { syncs: 50, free: 25, settle: Duration::from_secs(1) },
            clock: Arc::new(PausedClock::new()),
            state: Arc::new(Recorder::new()),
            health: Arc::new(Health::default()),
            seat: Arc::new(Seat::default()),
            connections: 2,
            last_alive: None,
        }
    }

    /// The same for these folders.
    pub fn of(folders: &[&str]) -> Self {
        let mut watch = Self::new();
        watch.account.subscriptions = vec![Subscription::to(folders)];
        watch
    }

    /// Runs a worker while `story` goes on; its end stops the worker.
    pub async fn during<T>(&self, source: impl MailSource + 'static, story: impl Future<Output = T>) -> T {
        self.health.add(&self.account.id, self.clock.now());
        let owner = self.account.owner.clone();
        let budget = OwnerBudget::new(owner, self.allowance, self.state.clone(), self.clock.clone());
        let watcher = Watcher {
            rules: Arc::new(Rules::new(Arc::new(self.account.clone()))),
            people: Arc::default(),
            account: Arc::new(self.account.clone()),
            imap: self.imap,
            personal: true,
            source: Arc::new(source),
            state: self.state.clone(),
            clock: self.clock.clone(),
            health: self.health.clone(),
            hosts: Arc::new(Hosts::new(5)),
            budget: Arc::new(budget),
            seat: self.seat.clone(),
            connections: self.connections,
            last_alive: self.last_alive,
        };
        let stop = CancellationToken::new();
        tokio::select! {
            () = watcher.run(&stop) => panic!("the worker has ended by itself"),
            told = story => told,
        }
    }

    /// The letters stored since the last call.
    pub async fn news(&self) -> Vec<Item> {
        self.state.take(mailbell::clock::Clock::now(&*self.clock)).await
    }

    /// What the ledger tells of the account's letters, in the order in which they were stored.
    pub async fn stories(&self) -> Vec<Story> {
        let why = Why { account: Some(self.account.id.clone()), most: 1000, ..Why::default() };
        let mut stories = self.state.ledger().why(why).await.unwrap();
        stories.reverse();
        stories
    }

    /// Their subjects; `?` for one that could not be read.
    pub async fn subjects(&self) -> Vec<String> {
        let subject = |item: Item| match item.letter.readable {
            true => item.letter.subject.unwrap_or_default(),
            false => "?".to_owned(),
        };
        self.news().await.into_iter().map(subject).collect()
    }
}
