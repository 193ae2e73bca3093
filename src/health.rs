//! What each account and the channel to WeCom are doing now, for `/readyz`, logs and `status`.

use crate::model::{AccountId, Timestamp};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What an account is doing (design: "Commands", `status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountState {
    /// On its way to a session.
    Connecting,
    /// Told by the server (IDLE).
    Watching,
    /// Asking the server now and then.
    Polling,
    /// Waiting to connect again.
    Waiting,
    /// The login was refused; tried again rarely.
    LoginRefused,
}

/// What is known of one account.
#[derive(Clone, Debug)]
pub struct AccountHealth {
    /// What it is doing.
    pub state: AccountState,
    /// When the server last answered (steady clock).
    pub heard_at: Option<Timestamp>,
    /// The last error, in words.
    pub last_error: Option<String>,
    /// Whether a first session came to its first wait (its folders are bound by then), or failed.
    pub tried: bool,
}

/// The channel to WeCom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Channel {
    /// Nothing was sent yet.
    #[default]
    Unknown,
    /// It takes messages.
    Open,
    /// It does not, with the reason.
    Resting(String),
}

/// The health of the service.
#[derive(Debug, Default)]
pub struct Health {
    accounts: Mutex<BTreeMap<AccountId, AccountHealth>>,
    channel: Mutex<Channel>,
    token: AtomicBool,
    sent: AtomicU64,
    dead: AtomicU64,
}

impl Health {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<AccountId, AccountHealth>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An account is to be watched.
    pub fn add(&self, id: &AccountId) {
        let fresh = AccountHealth { state: AccountState::Connecting, heard_at: None, last_error: None, tried: false };
        self.lock().insert(id.clone(), fresh);
    }

    /// An account is not watched any more.
    pub fn remove(&self, id: &AccountId) {
        self.lock().remove(id);
    }

    /// Notes a change of an account.
    pub fn note(&self, id: &AccountId, change: impl FnOnce(&mut AccountHealth)) {
        if let Some(account) = self.lock().get_mut(id) {
            change(account);
        }
    }

    /// All accounts.
    pub fn accounts(&self) -> BTreeMap<AccountId, AccountHealth> {
        self.lock().clone()
    }

    /// Notes the state of the channel.
    pub fn channel(&self, state: Channel) {
        *self.channel.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// A token is held.
    pub fn token_held(&self) {
        self.token.store(true, Ordering::Relaxed);
    }

    /// An alert was taken, so long after the server had told us.
    pub fn sent(&self, _latency: Duration) {
        self.sent.fetch_add(1, Ordering::Relaxed);
        self.token_held();
    }

    /// An alert became a dead one.
    pub fn died(&self) {
        self.dead.fetch_add(1, Ordering::Relaxed);
    }

    /// Why the service is not ready yet; empty when it is: a token is held and each account's first login was tried.
    pub fn not_ready(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if !self.token.load(Ordering::Relaxed) {
            reasons.push("no WeCom token yet".to_owned());
        }
        let waiting = self.lock().values().filter(|a| !a.tried).count();
        if waiting > 0 {
            reasons.push(format!("first login still to come: {waiting}"));
        }
        reasons
    }
}
