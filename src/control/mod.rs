//! The control socket: how commands ask the running service. A Unix socket in the state directory that only the
//! service's own user may use; one JSON line asks, one JSON line answers.
//!
//! A new command is a variant of [`Request`], an arm in `Service::answer` and a type for what it says.

mod client;
mod office;
mod place;
mod records;
mod server;
mod status;
pub mod words;

pub use client::{AskError, ask, ask_records};
pub use office::Ask;
pub use place::{BindError, Bound, bind};
pub use records::{AlertList, FolderMark, Records};
pub use server::serve;
pub use status::{AccountStatus, ChannelStatus, FolderStatus, OutboxStatus, Selection, Service, Status, WecomStatus};

use crate::model::{AccountId, AlertId, By, Mute, MuteId, Recipient};
use crate::state::{AlertState, Why};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// The socket's name in the state directory.
pub const SOCKET: &str = "control.sock";

/// The longest question.
const MAX_REQUEST_BYTES: u64 = 4 * 1024 * 1024;
/// The longest answer: 10,000 accounts with 20 folders each come to some 20 MiB.
const MAX_ANSWER_BYTES: u64 = 256 * 1024 * 1024;
/// How long who has connected may take to ask, and how long to take the answer.
const ASK_LIMIT: Duration = Duration::from_secs(5);
const TAKE_LIMIT: Duration = Duration::from_secs(30);
/// How long the service may take to have its answer ready.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// The same for a login that waits for its turn.
const TEST_LIMIT: Duration = Duration::from_secs(600);
/// The same for an export, which reads everything.
const EXPORT_LIMIT: Duration = Duration::from_secs(3600);

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Request {
    /// A [`Status`].
    Status {
        /// Only this account, by its address in any case.
        #[serde(default)]
        account: Option<String>,
        /// Only accounts in this state, by its word.
        #[serde(default)]
        state: Option<String>,
    },
    /// An [`AlertList`]: alerts, the newest first.
    Alerts {
        /// Only those in this state; else all that are not settled.
        state: Option<AlertState>,
        /// At most so many.
        most: usize,
    },
    /// One alert, an [`crate::state::AlertView`], or null.
    Alert {
        /// Its number.
        id: AlertId,
    },
    /// Has dead alerts sent again, those that wait at once: the numbers of those for which that was done.
    Retry {
        /// These; `None`: all dead ones.
        ids: Option<Vec<AlertId>>,
    },
    /// Drops alerts: the numbers of those for which that was done.
    Drop {
        /// These; `None`: all dead ones.
        ids: Option<Vec<AlertId>>,
    },
    /// What became of letters: [`crate::state::Story`] after story, the newest first.
    Why {
        /// Which letters.
        letters: Why,
    },
    /// Writes an export of the store: a [`crate::state::Summary`].
    Export {
        /// Into this file, as the service sees it.
        to: PathBuf,
        /// With the ledger; else only what is needed to go on.
        whole: bool,
    },
    /// The mutes that are not over: their numbers, and what they are.
    Mutes,
    /// Mutes something for a user: the number.
    Mute {
        /// What, for whom, until when.
        mute: Mute,
    },
    /// Ends mutes of a user: the numbers of those that were ended.
    Unmute {
        /// Whose.
        user: Recipient,
        /// These; `None`: all.
        ids: Option<Vec<MuteId>>,
    },
    /// Something of the registry: `Ok` with what [`Ask`] says, or [`crate::office::Words`] that say why not.
    Office {
        /// Who asks.
        by: By,
        /// What.
        ask: Ask,
    },
    /// How far the folders of an account have been read: [`FolderMark`]s.
    Marks {
        /// Which account.
        account: AccountId,
    },
}

impl Request {
    /// How long the service may take to have its answer ready.
    fn limit(&self) -> Duration {
        match self {
            Self::Export { .. } => EXPORT_LIMIT,
            // A login in its host's turn.
            Self::Office { ask: Ask::Test { .. } | Ask::Userids { .. }, .. } => TEST_LIMIT,
            // Ten members a second.
            Self::Office { ask: Ask::Reconcile { .. }, .. } => EXPORT_LIMIT,
            _ => ANSWER_LIMIT,
        }
    }
}

/// What the service says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply<T> {
    /// What was asked for.
    Answer(T),
    /// Why there is no answer.
    Refusal(Refusal),
}

/// Why the service does not answer a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// It has no such account; these resemble it.
    UnknownAccount {
        /// At most three addresses, the nearest first.
        nearest: Vec<String>,
    },
    /// It does not understand the question: the command is of another version.
    UnknownRequest {
        /// The service's version.
        version: String,
    },
    /// It failed to answer, in its words.
    Failed(String),
}

/// The addresses that most resemble `wanted`, at most three, the nearest first.
pub fn nearest<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Vec<String> {
    let wanted = wanted.trim().to_lowercase();
    if wanted.chars().count() > 320 {
        return Vec::new();
    }
    let mut scored: Vec<_> = known
        .map(|address| {
            let name = address.split('@').next().unwrap_or_default();
            let whole = strsim::jaro_winkler(&wanted, address);
            (if wanted == name { 1.0 } else { whole }, address)
        })
        .filter(|(score, _)| *score >= 0.8)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.into_iter().take(3).map(|(_, address)| address.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistyped_addresses_find_their_account() {
        let known = ["zhangsan@corp.example", "lisi@corp.example", "sales@corp.example"];
        assert_eq!(nearest("zhangsna@corp.example", known.into_iter())[0], "zhangsan@corp.example");
        assert_eq!(nearest("LiSi", known.into_iter())[0], "lisi@corp.example");
        assert!(nearest("", known.into_iter()).is_empty());
        assert!(nearest(&"x".repeat(10_000), known.into_iter()).is_empty());
    }

    #[test]
    fn a_question_is_one_small_object() {
        let asked: Request = serde_json::from_str(r#"{"command":"status"}"#).unwrap();
        assert_eq!(asked, Request::Status { account: None, state: None });
        assert!(serde_json::from_str::<Request>(r#"{"command":"dance"}"#).is_err());
    }
}
