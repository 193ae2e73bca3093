//! An alert: one message in WeCom, and the letters waiting to be put into one.

use super::{AccountId, Card, Letter, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// An alert's number in the outbox, rising.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AlertId(pub u64);

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A letter's number in the store, rising.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LetterNo(pub u64);

impl fmt::Display for LetterNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One letter as it was found in a folder: what alerts are made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Where the letter was found.
    pub account: AccountId,
    /// The folder's name for people.
    pub folder: Arc<str>,
    /// The letter.
    pub letter: Letter,
    /// When the server told us, by push or answer (steady clock).
    pub told_at: Timestamp,
    /// The outage in which it came, from and to (wall clock): mailbell did not look meanwhile.
    pub away: Option<(Timestamp, Timestamp)>,
    /// The form that its subscription wants; `None`: the recipient's.
    pub card: Option<Card>,
}

/// What form an alert takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlertKind {
    /// A card (or text) for one letter.
    Letter,
    /// Several letters, each named.
    Digest,
    /// More than 60 letters: counts per folder and the newest 20.
    CatchUp,
    /// No letters: what is wrong with an account, or is well again.
    Report,
}
