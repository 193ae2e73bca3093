//! The only folder that knows storage. It knows no IMAP and no WeCom.
//!
//! [`State`] speaks in steps of the product, not in keys and values; [`Store`] is the state of one node, over a
//! small key-value face with two backends (sled in life, memory in tests).
//!
//! Promises:
//! - **S1** A mark never runs ahead: once [`State::commit_scan`] has returned, and after any crash, every letter below
//!   the stored mark is stored or was settled.
//! - **S2** The same letter for the same recipient is stored once.
//! - **S3** A commit carries the mark it started from; if the stored one differs, it changes nothing and says `Stale`.
//! - **S4** A claimed alert is given to nobody else; a claim of a dead process is void when the store is opened.
//! - **S5** `settle` needs the claim.
//! - **S6** A permit is durable before it is given.
//! - **S8** A crash loses nothing that was acknowledged; the body of a try is durable before the try.
//!
//! Beside the outbox stands the ledger ([`Ledger`]): what became of each letter, for 30 days.
//!
//! (S7, one node per account, comes with the second node.)

mod acquaintance;
mod alerts;
mod aside;
mod claim;
mod commit;
mod compose;
mod engine;
mod error;
mod export;
pub mod exports;
mod index;
mod keys;
mod kv;
mod ledger;
mod line;
mod look;
mod memory;
mod migrate;
mod mutes;
mod prune;
mod queue;
mod record;
mod registry;
mod reports;
mod restore;
mod sessions;
mod settle;
mod sled_kv;
mod steps;
mod store;
#[cfg(test)]
mod store_tests;
mod watchdog;
mod worker;

pub use alerts::{AlertState, AlertView, Named};
pub use error::StateError;
pub use export::{ExportError, Flaw, Head, Summary, import, verify};
pub use ledger::{Story, Telling, Told as WasTold, Why};
pub use look::could_be_opened;
pub use memory::{Disk, Fails, MemoryKv};
pub use registry::{Kept, Page, Wanted};
pub use restore::{Restored, put_in_place, restore_damaged};
pub use sessions::{Session, SessionKey, Sessions};
pub use store::Store;

use crate::clock::Anchor;
use crate::model::{
    AccountId, AlertId, AlertKind, BusyMinutes, Fingerprint, Item, LetterId, Mark, Mute, MuteId, Now, Owner, RawName,
    Recipient, Sighting, Timestamp, Told, Trouble,
};
use crate::rules::budget::{Allowance, Permit, Spent};
use crate::rules::line::Line;
use crate::rules::retry::Next;
use futures_util::future::BoxFuture;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::futures::Notified;

/// What one look at a folder found.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The account.
    pub account: AccountId,
    /// The folder.
    pub folder: RawName,
    /// The mark it started from.
    pub from: Option<Mark>,
    /// The mark it comes to.
    pub to: Mark,
    /// The letters found, those that nobody is told of among them.
    pub letters: Vec<Sighting>,
    /// Who is met by them.
    pub met: Met,
    /// How long the sync waited for its permit.
    pub deferred: Duration,
    /// Many letters are coming in, or after an outage: they wait a little for each other.
    pub catching_up: bool,
}

/// Who is met by letters: to be remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Met {
    /// By whom; `None`: nobody is remembered.
    pub owner: Option<Owner>,
    /// The senders' addresses.
    pub senders: Vec<Fingerprint>,
    /// The names of colleagues among them.
    pub colleagues: Vec<Fingerprint>,
}

/// Who is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Since when the owner's senders are remembered (steady clock); `None`: no letter of the owner's was stored yet.
    pub since: Option<Timestamp>,
    /// Senders that the owner has met.
    pub senders: HashSet<Fingerprint>,
    /// Names that are a colleague's.
    pub colleagues: HashSet<Fingerprint>,
}

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// Stored; so many letters were new to their recipients.
    Stored(usize),
    /// Somebody else moved the mark: nothing was changed.
    Stale,
}

/// An alert given out for one try.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The alert.
    pub id: AlertId,
    /// Its form.
    pub kind: AlertKind,
    /// Whom it is for; one at least.
    pub recipients: Vec<Recipient>,
    /// The exact request body; the same at every try.
    pub body: Vec<u8>,
    /// How many tries there were, this one included.
    pub tries: u32,
    /// How many of those before met a code that nobody here knows.
    pub strange: u32,
    /// How many letters it is about.
    pub letters: usize,
    /// Whether it was made plain because WeCom refused its form.
    pub plain: bool,
    /// When the server told us of its earliest letter (steady clock).
    pub told_at: Timestamp,
}

/// What came of a try.
#[derive(Clone, Debug)]
pub struct Settled {
    /// What becomes of the alert.
    pub next: Next,
    /// WeCom's words.
    pub answer: String,
    /// Whether WeCom may have taken it all the same.
    pub unsure: bool,
    /// Whether it was a code that nobody here knows.
    pub strange: bool,
}

impl From<Next> for Settled {
    fn from(next: Next) -> Self {
        let unsure = matches!(next, Next::Again(_));
        Self { next, answer: String::new(), unsure, strange: false }
    }
}

/// One message made of waiting items.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Whom it is for, of those who were asked about; one at least.
    pub to: Vec<Recipient>,
    /// Its form.
    pub kind: AlertKind,
    /// Its request body.
    pub body: Vec<u8>,
    /// Which of the items it is about (indexes).
    pub items: Vec<usize>,
}

/// What messages are made of.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// Letters.
    Letters(&'a [Item]),
    /// The text of a report.
    Text(&'a str),
}

/// How messages are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Tells otherwise equal messages apart: 0 for the first, 1 for one whose body was already sent, and so on.
    pub number: u32,
    /// Short, and nothing special in it: WeCom refused it otherwise.
    pub plain: bool,
    /// Of urgent letters.
    pub urgent: bool,
}

/// Makes messages for these recipients, of whom some may get others than the rest do: for each recipient, every item is in
/// exactly one of the messages that are for them, and there is one such message at least.
pub type Compose = dyn Fn(&[Recipient], Content<'_>, Shape) -> Vec<Draft> + Send + Sync;

/// Whether a stored body can never be taken any more.
pub type Stale = dyn Fn(&[u8]) -> bool + Send + Sync;

/// Troubles, and that people were told of them.
pub type Troubles = BTreeMap<(AccountId, Trouble), Told>;

/// What people are told of troubles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What changes; `None`: it is over.
    pub troubles: Vec<(AccountId, Trouble, Option<Told>)>,
    /// What each message says, and to whom.
    pub alerts: Vec<(Vec<Recipient>, String)>,
}

/// What the outbox keeps to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// 账号上限数: the day's quota is 200 times this; `None`: no cap of ours.
    pub account_cap: Option<u32>,
    /// What avoids the minutes :00 and :30.
    pub busy_minutes: BusyMinutes,
    /// How often letters of urgency digest are told.
    pub digest_every: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { account_cap: None, busy_minutes: BusyMinutes::Off, digest_every: Duration::from_secs(3600) }
    }
}

/// How much of WeCom's limits is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Persons told today, by WeCom's day (UTC+8).
    pub today: u64,
    /// How many it will be by midnight, if it goes on as on the days before.
    pub forecast: u64,
    /// How many it may be; `None`: no cap is known.
    pub quota: Option<u64>,
    /// Recipients whose alerts wait because of WeCom's limits per member.
    pub held: usize,
    /// Recipients whom WeCom does not reach.
    pub parked: usize,
    /// Persons told in each of the last 24 hours, the oldest first, the one that is not over yet last.
    pub by_hour: [u32; 24],
}

/// What is in the outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outbox {
    /// Letters waiting to become alerts.
    pub waiting: usize,
    /// Alerts tried or ready, not settled.
    pub open: usize,
    /// Dead alerts.
    pub dead: usize,
}

/// The state. All times are steady unless said otherwise.
pub trait State: Send + Sync {
    /// The marks of an account.
    fn marks(&self, account: &AccountId) -> BoxFuture<'_, Result<HashMap<RawName, Mark>, StateError>>;
    /// Asks for one sync of an owner; a permit is durable when this returns.
    fn admit_sync(
        &self,
        owner: &Owner,
        allowance: Allowance,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Permit, StateError>>;
    /// What an owner has spent of its budget.
    fn spent(&self, owner: &Owner) -> BoxFuture<'_, Result<Spent, StateError>>;
    /// Which of these senders an owner has met within 30 days, and which of these names are a colleague's.
    fn known(
        &self,
        owner: &Owner,
        senders: Vec<Fingerprint>,
        names: Vec<Fingerprint>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Known, StateError>>;
    /// Stores a mark and the letters below it in one step (S1, S2, S3), durably.
    fn commit_scan(&self, scan: Scan, now: Now) -> BoxFuture<'_, Result<Committed, StateError>>;
    /// Remembers letters that were in a folder when it was bound: found in that folder again, under whatever UID, they
    /// are no news. Durable.
    fn remember(
        &self,
        account: &AccountId,
        folder: &RawName,
        letters: Vec<LetterId>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<(), StateError>>;
    /// Notes that nothing was new: only the mark's time moves. Not durable at once.
    fn touch(&self, account: &AccountId, folder: &RawName, mark: Mark) -> BoxFuture<'_, Result<(), StateError>>;
    /// What the outbox keeps to from now on.
    fn govern(&self, limits: Limits, now: Now) -> BoxFuture<'_, Result<(), StateError>>;
    /// Claims at most `most` due alerts, urgent ones first, composing waiting letters on the way. What is returned is
    /// durable: the body, the count of the try, and what it takes of each recipient's and the day's limits.
    fn claim(&self, now: Now, most: usize, compose: Arc<Compose>) -> BoxFuture<'_, Result<Vec<Claim>, StateError>>;
    /// Has the alerts composed anew whose body is `stale`: it can never be taken any more. To be called before anything
    /// is claimed. Answers how many alerts that were.
    fn recall(&self, stale: Arc<Stale>) -> BoxFuture<'_, Result<usize, StateError>>;
    /// When there may be something to claim; `None`: nothing until [`State::changed`].
    fn next_due(&self, now: Now) -> BoxFuture<'_, Result<Option<Timestamp>, StateError>>;
    /// Ends a claim.
    fn settle(&self, id: AlertId, settled: Settled, now: Now) -> BoxFuture<'_, Result<(), StateError>>;
    /// A sender begins: the claims of one before it are void, for it does not send any more, and what it was trying counts
    /// against the limits from now on. How it left the channel to
    /// WeCom.
    fn begin_sending(&self, now: Now) -> BoxFuture<'_, Result<Line, StateError>>;
    /// Notes how the channel is, durably: a rest that WeCom asks for outlives the process.
    fn set_line(&self, line: Line) -> BoxFuture<'_, Result<(), StateError>>;
    /// When the service last lived, before this process (wall clock).
    fn last_beat(&self) -> BoxFuture<'_, Result<Option<Timestamp>, StateError>>;
    /// The service lives. Not durable at once.
    fn beat(&self, wall: Timestamp) -> BoxFuture<'_, Result<(), StateError>>;
    /// Resolves after the next change that may make something due. To be registered before looking.
    fn changed(&self) -> Notified<'_>;
    /// The troubles that people were told of and that are not over.
    fn troubles(&self) -> BoxFuture<'_, Result<Troubles, StateError>>;
    /// Notes troubles as told, or (`None`) as over, and puts the messages that tell so into the outbox: in one step,
    /// durably.
    fn report(&self, report: Report, now: Now) -> BoxFuture<'_, Result<(), StateError>>;
    /// How much of WeCom's limits is used.
    fn usage(&self, now: Now) -> BoxFuture<'_, Result<Usage, StateError>>;
    /// Counts.
    fn outbox(&self) -> BoxFuture<'_, Result<Outbox, StateError>>;
    /// Forgets what need not be remembered any more, a slice at a time; whether there is more to look at.
    fn prune(&self, now: Timestamp) -> BoxFuture<'_, Result<bool, StateError>>;
    /// The steady clock's anchor and the latest steady time used.
    fn anchor(&self) -> BoxFuture<'_, Result<(Option<Anchor>, Timestamp), StateError>>;
    /// Stores the anchor, durably.
    fn set_anchor(&self, anchor: &Anchor) -> BoxFuture<'_, Result<(), StateError>>;
    /// Makes everything durable; the last call before the end.
    fn close(&self) -> BoxFuture<'_, Result<(), StateError>>;
}

/// What became of letters and alerts: for people who ask.
pub trait Ledger: Send + Sync {
    /// The letters of an account that fit a question, the newest first.
    fn why(&self, why: Why) -> BoxFuture<'_, Result<Vec<Story>, StateError>>;
    /// Alerts in this state, or all that are not settled, the newest first, at most `most`.
    fn alerts(&self, state: Option<AlertState>, most: usize) -> BoxFuture<'_, Result<Vec<AlertView>, StateError>>;
    /// One alert, settled ones among them.
    fn alert(&self, id: AlertId) -> BoxFuture<'_, Result<Option<AlertView>, StateError>>;
    /// Has dead alerts sent again, or (with `None`) all of them; those that wait for a later try are due at once. Answers
    /// which.
    fn retry(&self, ids: Option<Vec<AlertId>>, now: Now) -> BoxFuture<'_, Result<Vec<AlertId>, StateError>>;
    /// Writes an export to a file; `whole`: with the ledger, else what is needed to go on.
    fn export(&self, to: PathBuf, whole: bool, wall: Timestamp) -> BoxFuture<'_, Result<Summary, ExportError>>;
    /// The mutes that are not over.
    fn mutes(&self, wall: Timestamp) -> BoxFuture<'_, Result<Vec<(MuteId, Mute)>, StateError>>;
    /// Notes a mute, durably; it takes the place of one of the same user about the same.
    fn mute(&self, mute: Mute) -> BoxFuture<'_, Result<MuteId, StateError>>;
    /// Ends these mutes of a user, or (with `None`) all of them. Answers which.
    fn unmute(
        &self,
        user: &Recipient,
        ids: Option<Vec<MuteId>>,
        wall: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<MuteId>, StateError>>;
    /// Drops alerts that nobody is just sending, or (with `None`) all dead ones; the ledger remembers. Answers which.
    fn discard(&self, ids: Option<Vec<AlertId>>, now: Now) -> BoxFuture<'_, Result<Vec<AlertId>, StateError>>;
}

/// The registry: accounts that administrators told of, beside those of the config.
pub trait Registry: Send + Sync {
    /// The accounts that fit, in the order of their addresses, at most `wanted.most`.
    fn accounts(&self, wanted: Wanted) -> BoxFuture<'_, Result<Page, StateError>>;
    /// One account.
    fn account(&self, account: &AccountId) -> BoxFuture<'_, Result<Option<Kept>, StateError>>;
    /// Stores accounts, each in the place of the one of its address, all or none, durably.
    fn register(&self, accounts: Vec<Kept>) -> BoxFuture<'_, Result<(), StateError>>;
    /// Forgets accounts with how far they were read, durably: bound again, they begin anew. What became of their letters
    /// stays in the ledger for its time.
    fn deregister(&self, accounts: Vec<AccountId>) -> BoxFuture<'_, Result<(), StateError>>;
}
