//! What each account and the channel to WeCom are doing now, for `/readyz`, logs and `status`.

use crate::model::{AccountId, Lang, Recipient, Timestamp};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What an account is doing (design: "Commands", `status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccountState {
    /// On its way to a session.
    Connecting,
    /// Told by the server (NOTIFY, IDLE).
    Watching,
    /// Asking the server now and then.
    Polling,
    /// Waiting to connect again.
    Waiting,
    /// Without proof of life for longer than `imap.blind_after`.
    Blind,
    /// The login was refused; tried again rarely.
    LoginRefused,
    /// Not to be watched.
    Disabled,
}

impl AccountState {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Connecting,
        Self::Watching,
        Self::Polling,
        Self::Waiting,
        Self::Blind,
        Self::LoginRefused,
        Self::Disabled,
    ];

    /// Its word in `status` and in metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Watching => "watching",
            Self::Polling => "polling",
            Self::Waiting => "waiting",
            Self::Blind => "blind",
            Self::LoginRefused => "login_refused",
            Self::Disabled => "disabled",
        }
    }
}

/// How an account is watched just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchMode {
    /// NOTIFY: told of all folders over one connection.
    Notify,
    /// IDLE: told of the open folders.
    Idle,
    /// Asking now and then.
    Poll,
}

impl WatchMode {
    /// Its word in `status`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Notify => "notify",
            Self::Idle => "idle",
            Self::Poll => "poll",
        }
    }
}

/// Why an account is watched as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The best there is.
    HasNotify,
    /// Not offered.
    NoNotify,
    /// Not offered.
    NoIdle,
    /// NOTIFY would bring nothing more.
    OneFolder,
    /// IDLE is not believed any more.
    IdleMisses,
    /// NOTIFY is not believed any more.
    NotifyMisses,
    /// NOTIFY was taken, and concerns nothing.
    NotifyTellsNothing,
    /// NOTIFICATIONOVERFLOW (RFC 5465).
    NotifyEnded,
    /// The config's words, or a server's.
    Said(String),
}

impl Reason {
    /// All but the words of others.
    pub const ALL: [Self; 8] = [
        Self::HasNotify,
        Self::NoNotify,
        Self::NoIdle,
        Self::OneFolder,
        Self::IdleMisses,
        Self::NotifyMisses,
        Self::NotifyTellsNothing,
        Self::NotifyEnded,
    ];

    /// In words.
    pub fn text(&self, lang: Lang) -> &str {
        let (chinese, english) = match self {
            Self::HasNotify => ("服务器有 NOTIFY", "the server has NOTIFY"),
            Self::NoNotify => ("服务器没有 NOTIFY", "the server has no NOTIFY"),
            Self::NoIdle => ("服务器没有 IDLE", "the server has no IDLE"),
            Self::OneFolder => ("只有一个文件夹，IDLE 就够了", "one folder, for which IDLE is enough"),
            Self::IdleMisses => (
                "服务器声称有 IDLE，但来了邮件没有告知",
                "the server has IDLE, but did not tell of letters that were there",
            ),
            Self::NotifyMisses => (
                "服务器声称有 NOTIFY，但来了邮件没有告知",
                "the server has NOTIFY, but did not tell of letters that were there",
            ),
            Self::NotifyTellsNothing => {
                ("服务器声称有 NOTIFY，但不告知其他任何文件夹", "the server has NOTIFY, but tells of no other folder")
            }
            Self::NotifyEnded => {
                ("服务器中止了 NOTIFY（NOTIFICATIONOVERFLOW）", "the server has ended NOTIFY (NOTIFICATIONOVERFLOW)")
            }
            Self::Said(words) => return words,
        };
        lang.pick(chinese, english)
    }

    /// The reason of these English words, as `status` carries them.
    pub fn of(english: &str) -> Self {
        let known = Self::ALL.into_iter().find(|reason| reason.text(Lang::En) == english);
        known.unwrap_or_else(|| Self::Said(english.to_owned()))
    }
}

/// When a server last answered (steady clock): written at each response, by whatever connection of the account.
#[derive(Debug)]
pub struct Pulse(AtomicI64);

impl Default for Pulse {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }
}

impl Pulse {
    /// The server has answered.
    pub fn beat(&self, now: Timestamp) {
        self.0.fetch_max(now.0, Ordering::Relaxed);
    }

    /// When it last did; `None`: not yet.
    pub fn last(&self) -> Option<Timestamp> {
        Some(self.0.load(Ordering::Relaxed)).filter(|at| *at != i64::MIN).map(Timestamp)
    }
}

/// What is known of one folder that is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderHealth {
    /// Its name for people.
    pub shown: Arc<str>,
    /// Since when it is watched in this run (steady clock).
    pub since: Timestamp,
    /// When it was last known to hold nothing unread by us (steady clock): a look, a push, or a proof of life of the
    /// connection that would have told.
    pub fresh_at: Option<Timestamp>,
    /// Whether the server tells of it at once.
    pub pushed: bool,
    /// Why the server does not open it, in its own words.
    pub refused: Option<String>,
}

/// What is known of one account. All times are of the steady clock.
#[derive(Clone, Debug)]
pub struct AccountHealth {
    /// What it is doing.
    pub state: AccountState,
    /// How it is watched; `None` without a session.
    pub mode: Option<WatchMode>,
    /// Why so: what the server offers, lacks or got wrong.
    pub why: Option<Reason>,
    /// When its server last answered.
    pub pulse: Arc<Pulse>,
    /// When it was first to be watched in this run.
    pub since: Timestamp,
    /// When its last sync ended.
    pub synced_at: Option<Timestamp>,
    /// IMAP connections that are open now.
    pub connections: u32,
    /// The last error, in words.
    pub last_error: Option<String>,
    /// When that was.
    pub error_at: Option<Timestamp>,
    /// When a connection is tried again, while there is none.
    pub next_try: Option<Timestamp>,
    /// The last text that the server wanted a person to see (`ALERT`).
    pub server_alert: Option<String>,
    /// Its folders.
    pub folders: Vec<FolderHealth>,
    /// Whether a first session came to its first wait (its folders are bound by then), or failed.
    pub tried: bool,
    /// Since when it is blind.
    pub blind_since: Option<Timestamp>,
    /// How often in a row its login was refused.
    pub refusals: u32,
    /// When that began.
    pub refused_since: Option<Timestamp>,
    /// Whether its login was refused so often, or so clearly, that people are to be told.
    pub refusal_is_sure: bool,
    /// When its worker last went a step, whatever the server did; `None` while it waits for a time of its own choosing.
    pub stirred_at: Option<Timestamp>,
}

impl AccountHealth {
    /// An account that is to be watched from now on.
    pub fn new(since: Timestamp) -> Self {
        Self {
            state: AccountState::Connecting,
            mode: None,
            why: None,
            pulse: Arc::default(),
            since,
            synced_at: None,
            connections: 0,
            last_error: None,
            error_at: None,
            next_try: None,
            server_alert: None,
            folders: Vec::new(),
            tried: false,
            blind_since: None,
            refusals: 0,
            refused_since: None,
            refusal_is_sure: false,
            stirred_at: None,
        }
    }

    /// The state that people are told: who is blind is called so, whatever its worker is doing about it; a login that is
    /// refused is the better word for why.
    pub fn state_told(&self) -> AccountState {
        match self.state {
            AccountState::LoginRefused | AccountState::Disabled => self.state,
            _ if self.blind_since.is_some() => AccountState::Blind,
            other => other,
        }
    }

    /// How long ago its server last answered; never in this run: since when it is watched.
    pub fn silent_for(&self, now: Timestamp) -> Duration {
        now.since(self.pulse.last().unwrap_or(self.since))
    }
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
    reached: Mutex<HashMap<Recipient, Reached>>,
}

/// What WeCom last said of a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reached {
    /// It took a message for them.
    Yes,
    /// It refuses to reach them, since when (steady clock), in its words.
    No(Timestamp, String),
}

impl Health {
    /// WeCom took a message for a recipient, or (with its words) refused to reach them.
    pub fn reached(&self, recipient: &Recipient, refused: Option<&str>, now: Timestamp) {
        let mut known = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        match (known.get(recipient), refused) {
            (Some(Reached::No(..)), Some(_)) | (Some(Reached::Yes), None) => {}
            (_, Some(reason)) => drop(known.insert(recipient.clone(), Reached::No(now, reason.to_owned()))),
            (_, None) => drop(known.insert(recipient.clone(), Reached::Yes)),
        }
    }

    /// What is known of a recipient.
    pub fn is_reached(&self, recipient: &Recipient) -> Option<Reached> {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner).get(recipient).cloned()
    }

    /// Whom WeCom refuses to reach, since when, in its words.
    pub fn unreached(&self) -> Vec<(Recipient, Timestamp, String)> {
        let known = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = known.iter().filter_map(|(recipient, reached)| match reached {
            Reached::No(since, reason) => Some((recipient.clone(), *since, reason.clone())),
            Reached::Yes => None,
        });
        refused.collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<AccountId, AccountHealth>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An account is to be watched from now on (steady clock). What is known of one that was watched already stays.
    pub fn add(&self, id: &AccountId, now: Timestamp) {
        let mut all = self.lock();
        let known = all.entry(id.clone()).or_insert_with(|| AccountHealth::new(now));
        if known.state == AccountState::Disabled {
            *known = AccountHealth::new(now);
        }
    }

    /// An account is not to be watched, and is shown all the same.
    pub fn disable(&self, id: &AccountId, now: Timestamp) {
        let known = AccountHealth { state: AccountState::Disabled, tried: true, ..AccountHealth::new(now) };
        self.lock().insert(id.clone(), known);
    }

    /// Where the proofs of life of an account are noted.
    pub fn pulse(&self, id: &AccountId) -> Arc<Pulse> {
        self.lock().get(id).map(|account| account.pulse.clone()).unwrap_or_default()
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

    /// All accounts. Who is blind is called so, whatever its worker is doing about it.
    pub fn accounts(&self) -> BTreeMap<AccountId, AccountHealth> {
        let mut all = self.lock().clone();
        for account in all.values_mut() {
            account.state = account.state_told();
        }
        all
    }

    /// Looks at every account in place, without a copy of all.
    pub fn each(&self, mut look: impl FnMut(&AccountId, &mut AccountHealth)) {
        for (id, account) in self.lock().iter_mut() {
            look(id, account);
        }
    }

    /// Looks at all accounts without copying them; short work only, for all others wait meanwhile.
    pub fn read<T>(&self, look: impl FnOnce(&BTreeMap<AccountId, AccountHealth>) -> T) -> T {
        look(&self.lock())
    }

    /// Notes the state of the channel.
    pub fn channel(&self, state: Channel) {
        *self.channel.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// The state of the channel.
    pub fn channel_now(&self) -> Channel {
        self.channel.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A token is held.
    pub fn token_held(&self) {
        self.token.store(true, Ordering::Relaxed);
    }

    /// Whether a token is held.
    pub fn holds_token(&self) -> bool {
        self.token.load(Ordering::Relaxed)
    }

    /// Why the service is not ready yet; empty when it is: a token is held and each account's first login was tried.
    pub fn not_ready(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if !self.holds_token() {
            reasons.push("no WeCom token yet".to_owned());
        }
        let waiting = self.lock().values().filter(|a| !a.tried).count();
        if waiting > 0 {
            reasons.push(format!("first login still to come: {waiting}"));
        }
        reasons
    }
}
