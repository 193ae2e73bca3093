//! What can be wrong with an account so that people are told of it, once.

use super::{Recipient, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A trouble that lasts until it is over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Trouble {
    /// No proof of life within the deadline.
    Blind,
    /// The login is refused.
    LoginRefused,
    /// One folder, by its name for people, could not be looked at within the deadline.
    Folder(Arc<str>),
    /// WeCom refuses to reach one of those who are told of its letters.
    Recipient(Recipient),
}

/// That people were told of a trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Since when it lasts (wall clock).
    pub since: Timestamp,
    /// Whether the administrator was told as well.
    pub admin: bool,
}
