//! What is written into the audit: who did what to whom, from where, and with what result. Never a secret.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Who does something, and from where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct By {
    /// Who.
    pub who: Who,
    /// From where: an address of the network, `socket`, `terminal`; empty for the service itself.
    pub from: String,
}

impl By {
    /// The service itself.
    pub fn service() -> Self {
        Self { who: Who::Service, from: String::new() }
    }
}

/// Who does something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// mailbell.
    Service,
    /// Whoever uses the command line: the name of the system's user.
    Operator(String),
    /// A WeCom member who signed in, by userid, in this role.
    Member(String, Role),
    /// Whoever holds the bootstrap token (`web.admin_token`).
    Token,
    /// Somebody who is not known: a refused sign-in.
    Stranger,
}

/// What somebody who signed in may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Administrator,
    /// Look at everything but the audit.
    Reader,
    /// Look at everything, the audit too.
    Auditor,
}

impl Role {
    /// Its word in the audit and on pages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Reader => "reader",
            Self::Auditor => "auditor",
        }
    }
}

macro_rules! deeds {
    ($($(#[doc = $text:literal])* $name:ident = $word:literal,)*) => {
        /// What was done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum What {
            $($(#[doc = $text])* #[serde(rename = $word)] $name,)*
        }

        impl What {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its word in the audit.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

deeds! {
    /// An account was bound.
    AccountAdd = "account.add",
    /// What is told of an account changed.
    AccountChange = "account.change",
    /// An account got a new password.
    AccountPassword = "account.set_password",
    /// An account is not watched any more.
    AccountDisable = "account.disable",
    /// An account is watched again.
    AccountEnable = "account.enable",
    /// An account was unbound: its credential is destroyed.
    AccountRemove = "account.remove",
    /// A login was tried.
    AccountTest = "account.test",
    /// A sync was asked for.
    AccountSync = "account.sync",
    /// Many accounts were told of at once.
    AccountImport = "account.import",
    /// The registry was written to a file.
    AccountExport = "account.export",
    /// WeCom's members were compared with the registry.
    Reconcile = "directory.reconcile",
    /// A user was not found in WeCom any more.
    Leaver = "directory.leaver",
    /// A leaver came back in time.
    Return = "directory.return",
    /// Dead alerts are sent again.
    AlertRetry = "alert.retry",
    /// Alerts were dropped.
    AlertDrop = "alert.drop",
    /// A mute was set.
    Mute = "mute.set",
    /// A mute was ended.
    Unmute = "mute.end",
    /// Somebody signed in to the console, or was refused.
    SignIn = "console.sign_in",
    /// Somebody signed out of the console.
    SignOut = "console.sign_out",
    /// Data keys were wrapped by a new master key.
    VaultRotate = "vault.rotate",
    /// The store was written to a file.
    Backup = "state.export",
    /// The store was made of an export.
    Restore = "state.import",
    /// The audit was written to a file.
    AuditExport = "audit.export",
    /// Records of the audit are missing.
    AuditGap = "audit.gap",
    /// Old audit files were removed.
    AuditRotate = "audit.rotate",
    /// The service began.
    Start = "service.start",
    /// The service ended.
    Stop = "service.stop",
    /// The config was read anew.
    Reload = "service.reload",
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    /// It was done.
    Ok,
    /// It was not, and why, in English.
    Refused(String),
}

/// One thing that was done, or tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// What.
    pub what: What,
    /// Whom or what it concerns: an account's address, a userid; may be empty.
    pub whom: String,
    /// What came of it.
    pub result: Done,
    /// More, in pairs; never a secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub detail: BTreeMap<String, String>,
}

impl Deed {
    /// Something that was done.
    pub fn done(what: What, whom: impl Into<String>) -> Self {
        Self { what, whom: whom.into(), result: Done::Ok, detail: BTreeMap::new() }
    }

    /// Something that was refused or failed.
    pub fn refused(what: What, whom: impl Into<String>, why: impl Into<String>) -> Self {
        Self { result: Done::Refused(why.into()), ..Self::done(what, whom) }
    }

    /// With one more pair of detail.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.detail.insert(name.to_owned(), value.into());
        self
    }
}
