//! One worker per account. It knows the faces of `imap` and `state`, no crate behind them.
//!
//! Connect, watch until something goes wrong, wait, begin again: there is no other way of repair.

mod acquaintance;
mod away;
mod bells;
mod bind;
mod cycle;
mod find;
pub mod folders;
mod hosts;
mod mode;
mod owner;
mod quiet;
mod read;
mod route;
mod rules;
mod scan;
mod since;
mod sync;

pub use hosts::Hosts;
pub use owner::{OwnerBudget, Seat};
pub use route::{Passed, Route, passed, route};
pub use rules::Rules;

use crate::clock::Clock;
use crate::config::{Account, Imap};
use crate::health::{AccountState, Health};
use crate::imap::{ImapError, LoginTrouble, MailSource};
use crate::model::{RawName, Timestamp};
use crate::people::People;
use crate::rules::backoff::Backoff;
use crate::state::{State, StateError};
use bells::Bells;
use cycle::Cycle;
use mode::Trust;
use read::Fragile;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// After a session that broke or could not begin.
const RECONNECT: Backoff = Backoff { first: Duration::from_secs(1), most: Duration::from_secs(300) };
/// After a login that was refused, in seconds: one try soon, for a server may be wrong for a moment, then rarely, for
/// each may bring the account nearer to a lock (imap-servers A.4, B.6).
const REFUSED: [u64; 4] = [60, 600, 3600, 4 * 3600];
/// People are told of a login that was refused so often in a row, where the server says clearly that it is wrong ...
const SURE: u32 = 2;
/// ... and where its words may mean anything (QQ, imap-servers A.1).
const UNSURE: u32 = 3;
/// After too many connections an account has only its first one for so long.
const FEWER: Duration = Duration::from_secs(3600);
/// After too many connections, or a login that is out of order for now.
const LOGIN_LATER: Backoff = Backoff { first: Duration::from_secs(30), most: Duration::from_secs(900) };
/// After a session that was left because its access token ends soon: a new one is all that is needed.
const AFTER_TOKEN: Duration = Duration::from_secs(1);
/// A session that lived so long resets the delays; a greeting does not.
const SURVIVED: Duration = Duration::from_secs(60);
/// While the store cannot be read or written; it is asked before the server is bothered.
const STORE_AGAIN: Backoff = Backoff { first: Duration::from_secs(1), most: Duration::from_secs(10) };

/// What a worker works with.
pub struct Watcher {
    /// The account, as its connections are made.
    pub account: Arc<Account>,
    /// Its rules, which may change while it is watched.
    pub rules: Arc<Rules>,
    /// How people want to be told.
    pub people: Arc<People>,
    /// How IMAP is spoken.
    pub imap: Imap,
    /// Whether addresses and folders may stand in the log.
    pub personal: bool,
    /// Opens sessions.
    pub source: Arc<dyn MailSource>,
    /// Marks and outbox.
    pub state: Arc<dyn State>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where its state is shown.
    pub health: Arc<Health>,
    /// What it shares with the other accounts of its host.
    pub hosts: Arc<Hosts>,
    /// What it shares with the other accounts of its owner.
    pub budget: Arc<OwnerBudget>,
    /// Its place there.
    pub seat: Arc<Seat>,
    /// The most connections of the account at one time.
    pub connections: u32,
    /// When the account was last watched before this process, as far as is known (wall clock).
    pub last_alive: Option<Timestamp>,
}

/// What a worker knows beyond a session.
#[derive(Debug, Default)]
struct Memory {
    fragile: HashMap<RawName, Fragile>,
    /// When the last sync was (steady clock).
    swept_at: Option<Timestamp>,
    /// When all folders were last looked at (steady clock).
    thorough_at: Option<Timestamp>,
    told_missing: bool,
    failures: u32,
    /// How often in a row the login was refused.
    refusals: u32,
    /// Whether the way of being told is believed.
    notify: Trust,
    idle: Trust,
    /// LIST-STATUS was refused.
    no_list_status: bool,
    /// Until then the account has one connection only.
    fewer_until: Option<Timestamp>,
    alerts_told: HashSet<String>,
    /// Folders that NOTIFY does not tell of, though it is asked to.
    untold: HashSet<RawName>,
    /// Folders that open, and whose letters the server refuses: what it said.
    unread: HashMap<RawName, String>,
    /// When the present session had its first folder open.
    begun_at: Option<Instant>,
    /// The end of the last session that did not simply fall silent (steady clock): until then all was well.
    well_until: Option<Timestamp>,
    /// Folders that were not looked at since an outage, from when to when that was (wall clock).
    away: HashMap<RawName, (Timestamp, Timestamp)>,
    /// The account's folders that were ever listed, and when there last was a list (wall clock).
    listed: HashSet<RawName>,
    listed_at: Option<Timestamp>,
    /// Folders that came to be while the account was watched, and are not bound yet: since when (wall clock).
    made: HashMap<RawName, Timestamp>,
    /// The kind of the failure that was last told, so that it is told once.
    told: Option<&'static str>,
}

impl Memory {
    /// How long the session lived: from its first folder to its end, without waiting for an answer that did not come.
    fn lived(&self, end: &End) -> Duration {
        let waited = match end {
            End::Imap(ImapError::Timeout { limit, .. }) => *limit,
            _ => Duration::ZERO,
        };
        self.begun_at.map_or(Duration::ZERO, |begun_at| begun_at.elapsed()).saturating_sub(waited)
    }
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error(transparent)]
    Imap(#[from] ImapError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error("no folder on the server matches the config")]
    NoFolder,
    #[error("another worker has moved the mark")]
    Stale,
    #[error("the access token of the session ends soon")]
    TokenEnds,
    #[error("NOTIFY is to be asked for other folders, or again")]
    OtherFolders,
}

impl Watcher {
    /// What the account is called in the log: its address where that is allowed, else a short digest of it.
    pub fn log_name(&self) -> String {
        log_name(&self.account.id.0, self.personal)
    }

    /// What a server said, as it may stand in the log.
    fn plain(&self, text: &str, folder: &str) -> String {
        if self.personal { text.to_owned() } else { without(text, &[&self.account.login, folder]) }
    }

    /// Watches until `stop`.
    pub async fn run(&self, stop: &CancellationToken) {
        let mut memory = Memory::default();
        while !stop.is_cancelled() {
            memory.begun_at = None;
            let ended = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                end = self.session(&mut memory) => match end { Err(end) => end, Ok(never) => match never {} },
            };
            if memory.begun_at.is_some() && ended.is_orderly() {
                memory.well_until = Some(self.clock.steady());
            }
            if memory.lived(&ended) >= SURVIVED {
                memory.failures = 0;
            }
            // An outage of the host is no failure of the account's; the probe keeps its pace.
            if !matches!(&ended, End::Imap(error) if is_unreachable(error))
                && !matches!(ended, End::TokenEnds | End::OtherFolders)
            {
                memory.failures = memory.failures.saturating_add(1);
            }
            let delay = self.learn(&mut memory, &ended);
            hosts::pause(delay, stop.cancelled()).await;
        }
    }

    /// One session from the connection to its end.
    async fn session(&self, memory: &mut Memory) -> Result<Infallible, End> {
        let down = || {
            self.health.note(&self.account.id, |account| {
                account.state = AccountState::Waiting;
                account.stirred_at = None;
                account.tried = true;
            });
        };
        // Without it nothing can be done there.
        self.state.marks(&self.account.id).await?;
        let connected = self.connect(down).await;
        let session = connected?;
        memory.refusals = 0;
        let _open = self.count_connection();
        let bells = Bells::default();
        let mut cycle = Box::pin(Cycle::begin(self, memory, session, &bells)).await?;
        cycle.memory.begun_at = Some(Instant::now());
        if cycle.memory.told.take().is_some() {
            info!(account = %self.log_name(), "the account is watched again");
        }
        tokio::select! {
            biased;
            end = cycle.run() => end,
            never = bells.hold(self) => match never {},
        }
    }

    /// Counts a connection as long as the answer lives.
    fn count_connection(&self) -> OpenConnection<'_> {
        self.health.note(&self.account.id, |account| account.connections += 1);
        OpenConnection(self)
    }

    /// Tells of a failure, once, and answers how long to wait.
    fn learn(&self, memory: &mut Memory, end: &End) -> Duration {
        let jitter = self.clock.jitter();
        let (kind, state, delay) = match end {
            End::Imap(ImapError::Login { trouble, .. }) => match trouble {
                trouble if trouble.is_refusal() => {
                    memory.refusals += 1;
                    ("login_refused", AccountState::LoginRefused, after_refusal(memory.refusals, jitter))
                }
                trouble => {
                    if *trouble == LoginTrouble::TooMany {
                        memory.fewer_until = Some(self.clock.steady().plus(FEWER));
                    }
                    ("login", AccountState::Waiting, LOGIN_LATER.delay(memory.failures, jitter))
                }
            },
            // The probe of the host keeps the pace.
            End::Imap(error) if is_unreachable(error) => ("unreachable", AccountState::Waiting, Duration::ZERO),
            // A new one may be no better in the eyes of its server.
            End::Imap(error) if error.is_token_expiry() => {
                ("token", AccountState::Waiting, RECONNECT.delay(memory.failures, jitter))
            }
            End::OtherFolders => ("folders", AccountState::Waiting, Duration::ZERO),
            End::TokenEnds => ("token", AccountState::Waiting, AFTER_TOKEN.mul_f64(jitter)),
            End::Imap(error) => (error.kind(), AccountState::Waiting, RECONNECT.delay(memory.failures, jitter)),
            End::State(_) => ("state", AccountState::Waiting, STORE_AGAIN.delay(memory.failures, jitter)),
            End::NoFolder => ("no_folder", AccountState::Waiting, RECONNECT.delay(memory.failures, jitter)),
            End::Stale => ("stale", AccountState::Waiting, RECONNECT.delay(memory.failures, jitter)),
        };
        let delay = delay.max(match end {
            End::Imap(error) => error.suggested_wait().unwrap_or_default(),
            _ => Duration::ZERO,
        });
        let now = self.clock.steady();
        let next_try = if kind == "unreachable" { hosts::PROBE_EVERY } else { delay };
        let sure = matches!(end, End::Imap(ImapError::Login { trouble, .. }) if trouble.is_definite());
        self.health.note(&self.account.id, |account| {
            account.state = state;
            account.mode = None;
            account.why = None;
            account.last_error = Some(end.to_string());
            account.error_at = Some(now);
            account.next_try = Some(now.plus(next_try));
            account.stirred_at = None;
            account.refusals = memory.refusals;
            account.refused_since = (memory.refusals > 0).then(|| account.refused_since.unwrap_or(now));
            account.refusal_is_sure =
                state == AccountState::LoginRefused && memory.refusals >= if sure { SURE } else { UNSURE };
            account.tried = true;
        });
        let account = self.log_name();
        let reason = self.plain(&end.to_string(), "");
        // A connection that ends is everyday; told when it happens again before a session survived.
        let everyday = matches!(kind, "lost" | "bye" | "token" | "folders") && memory.failures < 3;
        if memory.told != Some(kind) && !everyday {
            memory.told = Some(kind);
            let next_try_s = next_try.as_secs();
            match kind {
                "state" => error!(account, reason, next_try_s, "the account cannot be watched"),
                _ => warn!(account, reason, next_try_s, "the account cannot be watched"),
            }
        }
        delay
    }
}

/// One open connection of an account.
struct OpenConnection<'a>(&'a Watcher);

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        self.0.health.note(&self.0.account.id, |account| account.connections = account.connections.saturating_sub(1));
    }
}

/// How long to wait after so many refusals in a row; a little longer for some than for others.
fn after_refusal(refusals: u32, jitter: f64) -> Duration {
    let at = usize::try_from(refusals).unwrap_or(usize::MAX).clamp(1, REFUSED.len()) - 1;
    Duration::from_secs(REFUSED.get(at).copied().unwrap_or(600)).mul_f64(1.0 + 0.1 * jitter)
}

/// Whether nobody could be reached at all: that is the host's affair, not the account's.
fn is_unreachable(error: &ImapError) -> bool {
    matches!(
        error,
        ImapError::Resolve { .. } | ImapError::Connect { .. } | ImapError::Timeout { step: "connecting", .. }
    )
}

/// A server's words without addresses and without `names` (the login, a folder), for a log that may not have them.
fn without(text: &str, names: &[&str]) -> String {
    let mut text = text.to_owned();
    for name in names.iter().filter(|name| name.len() > 2) {
        text = text.replace(name, "<...>");
    }
    let words = text.split(' ').map(|word| if word.contains('@') { "<...>" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

/// See [`Watcher::log_name`].
pub fn log_name(address: &str, personal: bool) -> String {
    if personal {
        return address.to_owned();
    }
    let digest = Sha256::digest(address.as_bytes());
    digest.iter().take(4).fold("account-".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_answer<A, B, F>(_: impl Fn(A, B) -> F) -> usize {
        size_of::<F>()
    }

    /// What each account costs as long as nothing happens, beside its connection.
    #[test]
    fn a_worker_is_small() {
        let worker = size_of_answer(|watcher: &'static Watcher, stop| watcher.run(stop)) + size_of::<Watcher>();
        assert!(worker <= 2048, "{worker}");
    }

    #[test]
    fn words_of_servers_lose_addresses_and_names() {
        let said = "Unsafe Login. Please contact kefu@188.com; CORP\\lisi has no 项目/甲";
        assert_eq!(
            without(said, &["CORP\\lisi", "项目/甲", ""]),
            "Unsafe Login. Please contact <...> <...> has no <...>"
        );
    }
}
