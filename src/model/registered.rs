//! An account of the registry: what was told of it, and whether it is watched.

use super::{AccountId, Timestamp};
use serde::{Deserialize, Serialize};

/// What an administrator tells of one account: the keys of `[[account]]` in words as they were typed, without the
/// password. What is empty or `None` was not told. Whether it makes sense is said where it becomes an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// `email`: the address, as typed.
    pub email: String,
    /// `user`: the userid of the WeCom member whose account it is; empty for a shared one.
    pub user: String,
    /// `recipients` of a shared account (公共邮箱): userids, `party:ID`, `tag:ID`.
    pub recipients: Vec<String>,
    /// `provider`: a built-in one or a `[provider.NAME]` of the config.
    pub provider: String,
    /// `host`, where the provider has none or none is named.
    pub host: String,
    /// `port`
    pub port: Option<u16>,
    /// `tls`
    pub tls: String,
    /// `login`, where it is not the address.
    pub login: String,
    /// `oauth`: an `[oauth.NAME]` of the config.
    pub oauth: String,
    /// `folders`: patterns; none: the INBOX.
    pub folders: Vec<String>,
    /// `mode`
    pub mode: String,
    /// Whose it is, for people: a name, a department. Means nothing to mailbell.
    pub note: String,
}

impl Entry {
    /// The account that it is about.
    pub fn account(&self) -> AccountId {
        AccountId::new(&self.email)
    }

    /// Whether it is a shared account (公共邮箱).
    pub fn is_shared(&self) -> bool {
        self.user.is_empty()
    }
}

/// One account of the registry, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// What was told.
    pub entry: Entry,
    /// Whether the vault holds a password for it.
    pub has_password: bool,
    /// Whether it is watched.
    pub standing: Standing,
    /// When it was first told of (wall clock).
    pub added: Timestamp,
    /// When anything of it last changed, its password among that (wall clock).
    pub changed: Timestamp,
}

/// Whether an account of the registry is watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It is.
    Enabled,
    /// An administrator said no.
    Disabled {
        /// Since when (wall clock).
        since: Timestamp,
        /// Why, in the administrator's words; may be empty.
        why: String,
    },
    /// Its user was not found in WeCom; it is watched until it is unbound.
    Leaving {
        /// Since when (wall clock).
        since: Timestamp,
    },
}

impl Standing {
    /// Its word in commands, exports and pages.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled { .. } => "disabled",
            Self::Leaving { .. } => "leaving",
        }
    }
}
