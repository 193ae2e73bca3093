//! What people do not want to be told of, and until when.

use super::{AccountId, Fingerprint, Recipient, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A mute's number, rising.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MuteId(pub u64);

impl fmt::Display for MuteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// See the module's text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mute {
    /// Whose it is.
    pub user: Recipient,
    /// What is muted.
    pub what: Muted,
    /// Its end (wall clock).
    pub until: Timestamp,
    /// Its begin (wall clock).
    pub since: Timestamp,
}

/// What is muted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Muted {
    /// A vacation: all that is not urgent waits for its end.
    All,
    /// Letters of senders whom this names: an address, `@domain`, or a name, as conditions write it.
    Sender(String),
    /// Letters of a thread, by a Message-ID in it; as it was typed, too.
    Thread(String, Fingerprint),
    /// Letters of a mailing list, by a part of its List-Id.
    List(String),
    /// Letters of a folder, by its name for people; of one account, or of all.
    Folder(String, Option<AccountId>),
}
