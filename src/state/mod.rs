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
//! (S7, one node per account, comes with the second node.)

mod alerts;
mod engine;
mod error;
mod index;
mod keys;
mod kv;
mod memory;
mod record;
mod reports;
mod sled_kv;
mod store;

pub use error::StateError;
pub use memory::{Disk, MemoryKv};
pub use store::Store;

use crate::clock::Anchor;
use crate::model::{
    AccountId, AlertId, AlertKind, Item, LetterId, Mark, Owner, RawName, Recipient, Timestamp, Told, Trouble,
};
use crate::rules::budget::{Allowance, Permit, Spent};
use crate::rules::retry::Next;
use futures_util::future::BoxFuture;
use std::collections::HashMap;
use std::sync::Arc;
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
    /// New letters and who is to be told of each.
    pub letters: Vec<(Recipient, Item)>,
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
    /// Whom it is for.
    pub recipient: Recipient,
    /// The exact request body; the same at every try.
    pub body: Vec<u8>,
    /// How many tries there were, this one included.
    pub tries: u32,
    /// When the server told us of its earliest letter (steady clock).
    pub told_at: Timestamp,
}

/// One message made of waiting items.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Its form.
    pub kind: AlertKind,
    /// Its request body.
    pub body: Vec<u8>,
    /// Which of the items it is about (indexes).
    pub items: Vec<usize>,
}

/// Makes messages of one recipient's waiting items, all of them named. The number tells otherwise equal messages
/// apart: 0 for the first, 1 for one whose body was already sent, and so on.
pub type Compose = dyn Fn(&Recipient, &[Item], u32) -> Vec<Draft> + Send + Sync;

/// Whether a stored body can never be taken any more.
pub type Stale = dyn Fn(&[u8]) -> bool + Send + Sync;

/// Troubles, and that people were told of them.
pub type Troubles = HashMap<(AccountId, Trouble), Told>;

/// What people are told of troubles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What changes; `None`: it is over.
    pub troubles: Vec<(AccountId, Trouble, Option<Told>)>,
    /// The request body of each message.
    pub alerts: Vec<(Recipient, Vec<u8>)>,
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
    /// Stores a mark and the letters below it in one step (S1, S2, S3), durably.
    fn commit_scan(&self, scan: Scan, now: Timestamp) -> BoxFuture<'_, Result<Committed, StateError>>;
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
    /// Claims at most `most` due alerts, composing waiting letters on the way. What is returned is durable: the body,
    /// the count of the try and its place in the recipient's gate.
    fn claim(
        &self,
        now: Timestamp,
        most: usize,
        compose: Arc<Compose>,
    ) -> BoxFuture<'_, Result<Vec<Claim>, StateError>>;
    /// Puts the letters of open alerts whose body is `stale` back to waiting: the body can never be taken any more. To be
    /// called before anything is claimed. Answers how many alerts that were.
    fn recall(&self, stale: Arc<Stale>) -> BoxFuture<'_, Result<usize, StateError>>;
    /// When there may be something to claim; `None`: nothing until [`State::changed`].
    fn next_due(&self, now: Timestamp) -> BoxFuture<'_, Result<Option<Timestamp>, StateError>>;
    /// Ends a claim.
    fn settle(&self, id: AlertId, next: Next, now: Timestamp) -> BoxFuture<'_, Result<(), StateError>>;
    /// Resolves after the next change that may make something due. To be registered before looking.
    fn changed(&self) -> Notified<'_>;
    /// The troubles that people were told of and that are not over.
    fn troubles(&self) -> BoxFuture<'_, Result<Troubles, StateError>>;
    /// Notes troubles as told, or (`None`) as over, and puts the messages that tell so into the outbox: in one step,
    /// durably.
    fn report(&self, report: Report, now: Timestamp) -> BoxFuture<'_, Result<(), StateError>>;
    /// Counts.
    fn outbox(&self) -> BoxFuture<'_, Result<Outbox, StateError>>;
    /// Forgets what need not be remembered any more, a slice at a time.
    fn prune(&self, now: Timestamp) -> BoxFuture<'_, Result<(), StateError>>;
    /// The steady clock's anchor and the latest steady time used.
    fn anchor(&self) -> BoxFuture<'_, Result<(Option<Anchor>, Timestamp), StateError>>;
    /// Stores the anchor, durably.
    fn set_anchor(&self, anchor: &Anchor) -> BoxFuture<'_, Result<(), StateError>>;
    /// Makes everything durable; the last call before the end.
    fn close(&self) -> BoxFuture<'_, Result<(), StateError>>;
}
