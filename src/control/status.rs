//! What `mailbell status` is told, and what it is read from.

use super::{Records, words};
use crate::clock::Clock;
use crate::config::Account;
use crate::health::{AccountHealth, AccountState, Channel, FolderHealth, Health};
use crate::model::{AccountId, Lang, Owner, Recipient, Timestamp};
use crate::office::Office;
use crate::people::People;
use crate::rules::budget::{self, Allowance};
use crate::state::{Ledger, Outbox, State, StateError, Usage};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Owners asked for at one time.
const OWNERS_AT_ONCE: usize = 64;

/// What questions are answered from.
pub struct Service {
    pub(super) records: Records,
    state: Arc<dyn State>,
    clock: Arc<dyn Clock>,
    health: Arc<Health>,
    allowance: Allowance,
    started: Timestamp,
    accounts: RwLock<Arc<[Arc<Account>]>>,
}

/// Which accounts a [`Status`] is asked for; by default all, by address.
#[derive(Clone, Copy, Debug, Default)]
pub struct Selection<'a> {
    /// Only this one.
    pub account: Option<&'a AccountId>,
    /// Only those in this state, by its word.
    pub state: Option<&'a str>,
    /// Only those that need a person.
    pub in_trouble: bool,
    /// Only those whose address, or a recipient's userid, holds this (in lower case).
    pub text: Option<&'a str>,
    /// Only those of this provider, by its name or host.
    pub provider: Option<&'a str>,
    /// Only these.
    pub among: Option<&'a BTreeSet<AccountId>>,
    /// Only those behind this address.
    pub after: Option<&'a str>,
    /// At most so many.
    pub most: Option<usize>,
    /// What needs a person comes first.
    pub worst_first: bool,
}

/// The answer to `status`. All durations in whole seconds; null where there was none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The accounts that were asked for, by address.
    pub accounts: Vec<AccountStatus>,
    /// How many of all accounts are in which state; every state is named.
    pub states: BTreeMap<String, usize>,
    /// The outbox.
    pub outbox: OutboxStatus,
    /// The channel to WeCom.
    pub channel: ChannelStatus,
    /// How much of WeCom's limits is used.
    #[serde(default)]
    pub wecom: WecomStatus,
    /// The service's version.
    pub version: String,
    /// How long it has been running.
    pub uptime_seconds: u64,
}

/// One account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountStatus {
    /// Its address.
    pub account: String,
    /// Whose it is; null for a shared one.
    pub user: Option<String>,
    /// Who is told.
    pub recipients: Vec<String>,
    /// `connecting`, `watching`, `polling`, `waiting`, `blind`, `login_refused` or `disabled`.
    pub state: String,
    /// `notify`, `idle` or `poll`; null without a session.
    pub mode: Option<String>,
    /// Why this mode.
    pub why: Option<String>,
    /// How long ago its server last answered.
    pub proof_of_life_seconds: Option<u64>,
    /// How long it has been blind.
    pub blind_seconds: Option<u64>,
    /// How long ago its last sync ended.
    pub last_sync_seconds: Option<u64>,
    /// How many syncs its owner may still begin in the hour that ends now.
    pub budget_left: u32,
    /// IMAP connections that are open.
    pub connections: u32,
    /// The last error.
    pub last_error: Option<String>,
    /// How long ago that was.
    pub last_error_seconds: Option<u64>,
    /// In how long a connection is tried again.
    pub next_try_seconds: Option<u64>,
    /// The last text that the server wanted a person to see (`ALERT`).
    pub server_alert: Option<String>,
    /// Its folders.
    pub folders: Vec<FolderStatus>,
}

/// One folder that is watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderStatus {
    /// Its name for people.
    pub folder: String,
    /// How long ago it was last known to hold nothing unread by mailbell.
    pub fresh_seconds: Option<u64>,
    /// Whether the server tells of it at once, now.
    pub pushed: bool,
    /// Why the server does not open it.
    pub refused: Option<String>,
}

/// Counts of the outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxStatus {
    /// Letters waiting to become alerts.
    pub waiting: usize,
    /// Alerts tried or ready, not settled.
    pub open: usize,
    /// Dead alerts.
    pub dead: usize,
}

/// How much of WeCom's limits is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WecomStatus {
    /// Persons told today, by WeCom's day (UTC+8).
    pub today: u64,
    /// How many it will be by midnight, if it goes on as on the days before.
    pub forecast: u64,
    /// How many it may be: 200 times `wecom.account_cap`; null where that is not set.
    pub quota: Option<u64>,
    /// Recipients whose alerts wait because of WeCom's limits per member.
    pub held_recipients: usize,
    /// Recipients whom WeCom does not reach.
    pub parked_recipients: usize,
}

/// The channel to WeCom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelStatus {
    /// `unknown` (nothing was sent yet), `open` or `resting`.
    pub state: String,
    /// Why it rests.
    pub reason: Option<String>,
    /// Whether a token is held.
    pub token_held: bool,
}

impl Service {
    /// A service that has just begun, with no accounts yet.
    pub fn new(
        (state, ledger): (Arc<dyn State>, Arc<dyn Ledger>),
        clock: Arc<dyn Clock>,
        (health, people): (Arc<Health>, Arc<People>),
        allowance: Allowance,
    ) -> Self {
        let started = clock.steady();
        let records = Records::new(state.clone(), ledger, clock.clone()).with_people(people);
        Self { records, state, clock, health, allowance, started, accounts: RwLock::new(Arc::from([])) }
    }

    /// The same, with the registry.
    #[must_use]
    pub fn with_office(self, office: Arc<Office>) -> Self {
        Self { records: self.records.with_office(office), ..self }
    }

    /// These are the accounts from now on.
    pub fn update(&self, accounts: &[Arc<Account>]) {
        *self.accounts.write().unwrap_or_else(PoisonError::into_inner) = accounts.into();
    }

    pub(super) fn accounts(&self) -> Arc<[Arc<Account>]> {
        self.accounts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The account of this address, as it is watched.
    pub fn account(&self, id: &AccountId) -> Option<Arc<Account>> {
        self.accounts().iter().find(|account| account.id == *id).cloned()
    }

    /// The records of its store.
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// How many of all accounts are in which state (every state is named); the store
    /// is not asked.
    pub fn states(&self) -> BTreeMap<String, usize> {
        let accounts = self.accounts();
        self.health.read(|known| {
            let mut states = no_states();
            for account in accounts.iter() {
                let word = known.get(&account.id).map_or(AccountState::Connecting, AccountHealth::state_told).word();
                *states.entry(word.to_owned()).or_default() += 1;
            }
            states
        })
    }

    /// The status of the accounts that are asked for; the counts are always of all.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn status(&self, wanted: &Selection<'_>) -> Result<Status, StateError> {
        let (accounts, now) = (self.accounts(), self.clock.steady());
        let mut states = no_states();
        let unknown = AccountHealth::new(now);
        let mut found: Vec<(usize, &Arc<Account>)> = Vec::new();
        let mut shown: Vec<(Owner, AccountStatus)> = self.health.read(|known| {
            let health = |account: &Account| known.get(&account.id).unwrap_or(&unknown);
            for account in accounts.iter() {
                let word = health(account).state_told().word();
                *states.entry(word.to_owned()).or_default() += 1;
                if wanted.takes(account, word) {
                    found.push((if wanted.worst_first { words::rank(word) } else { 0 }, account));
                }
            }
            found.sort_by(|a, b| (a.0, &a.1.id).cmp(&(b.0, &b.1.id)));
            found.truncate(wanted.most.unwrap_or(usize::MAX));
            found.iter().map(|(_, a)| (a.owner.clone(), account_status(a, health(a), now))).collect()
        });
        let left = self.budgets(shown.iter().map(|(owner, _)| owner), now).await?;
        for (owner, account) in &mut shown {
            account.budget_left = left.get(owner).copied().unwrap_or_default();
        }
        let Outbox { waiting, open, dead } = self.state.outbox().await?;
        let Usage { today, forecast, quota, held, parked, .. } = self.state.usage(self.clock.now()).await?;
        Ok(Status {
            accounts: shown.into_iter().map(|(_, account)| account).collect(),
            states,
            outbox: OutboxStatus { waiting, open, dead },
            channel: channel_status(&self.health),
            wecom: WecomStatus { today, forecast, quota, held_recipients: held, parked_recipients: parked },
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: now.since(self.started).as_secs(),
        })
    }

    /// What is left to these owners.
    async fn budgets<'a>(
        &self,
        owners: impl Iterator<Item = &'a Owner>,
        now: Timestamp,
    ) -> Result<HashMap<Owner, u32>, StateError> {
        let mut owners: Vec<Owner> = owners.cloned().collect();
        owners.sort();
        owners.dedup();
        let asked = stream::iter(owners).map(|owner| async move {
            let spent = self.state.spent(&owner).await?;
            Ok((owner, budget::left(&spent, &self.allowance, now)))
        });
        asked.buffer_unordered(OWNERS_AT_ONCE).try_collect().await
    }
}

impl Selection<'_> {
    fn takes(&self, account: &Account, state: &str) -> bool {
        let text = |text: &str| account.id.0.contains(text) || account.recipients.iter().any(|r| names(r, text));
        self.account.is_none_or(|id| account.id == *id)
            && self.state.is_none_or(|wanted| wanted == state)
            && (!self.in_trouble || words::rank(state) < words::TROUBLES)
            && self.among.is_none_or(|among| among.contains(&account.id))
            && self.provider.is_none_or(|wanted| is_of(account, wanted))
            && self.after.is_none_or(|after| &*account.id.0 > after)
            && self.text.is_none_or(text)
    }
}

/// Whether an account is of this provider, by its name or host.
fn is_of(account: &Account, provider: &str) -> bool {
    let of = &account.provider;
    of.name.as_deref() == Some(provider) || of.server.host == provider
}

fn names(recipient: &Recipient, text: &str) -> bool {
    matches!(recipient, Recipient::User(user) if user.contains(text))
}

fn no_states() -> BTreeMap<String, usize> {
    AccountState::ALL.iter().map(|state| (state.word().to_owned(), 0)).collect()
}

/// What is known of an account, but for its budget.
fn account_status(account: &Account, health: &AccountHealth, now: Timestamp) -> AccountStatus {
    let user = match &account.owner {
        Owner::User(user) => Some(user.to_string()),
        Owner::Shared(_) => None,
    };
    AccountStatus {
        account: account.id.to_string(),
        user,
        recipients: account.recipients.iter().map(ToString::to_string).collect(),
        state: health.state_told().word().to_owned(),
        mode: health.mode.map(|mode| mode.word().to_owned()),
        why: health.why.as_ref().map(|why| why.text(Lang::En).to_owned()),
        proof_of_life_seconds: ago(health.pulse.last(), now),
        blind_seconds: ago(health.blind_since, now),
        last_sync_seconds: ago(health.synced_at, now),
        budget_left: 0,
        connections: health.connections,
        last_error: health.last_error.clone(),
        last_error_seconds: ago(health.error_at, now),
        next_try_seconds: health.next_try.map(|at| at.since(now).as_millis().div_ceil(1000)).map(whole),
        server_alert: health.server_alert.clone(),
        folders: health.folders.iter().map(|folder| folder_status(folder, health.mode.is_some(), now)).collect(),
    }
}

fn folder_status(folder: &FolderHealth, session: bool, now: Timestamp) -> FolderStatus {
    FolderStatus {
        folder: folder.shown.to_string(),
        fresh_seconds: ago(folder.fresh_at, now),
        // Without a session nobody tells of anything, and nobody of a folder that does not open.
        pushed: folder.pushed && session && folder.refused.is_none(),
        refused: folder.refused.clone(),
    }
}

fn channel_status(health: &Health) -> ChannelStatus {
    let (state, reason) = match health.channel_now() {
        Channel::Unknown => ("unknown", None),
        Channel::Open => ("open", None),
        Channel::Resting(reason) => ("resting", Some(reason)),
    };
    ChannelStatus { state: state.to_owned(), reason, token_held: health.holds_token() }
}

fn ago(at: Option<Timestamp>, now: Timestamp) -> Option<u64> {
    at.map(|at| now.since(at)).map(|since: Duration| since.as_secs())
}

fn whole(seconds: u128) -> u64 {
    u64::try_from(seconds).unwrap_or(u64::MAX)
}
