//! A letter: what is known of one mail, never its body.

use super::{LetterId, Timestamp};
use serde::{Deserialize, Serialize};

/// Who a letter says it is from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// The display name, decoded and cleaned.
    pub name: Option<String>,
    /// The address.
    pub address: Option<String>,
}

/// What is known of one mail. Texts are valid UTF-8 without control or direction characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// What tells it from other letters.
    pub id: LetterId,
    /// The first From, or what stands in for it.
    pub from: Sender,
    /// The subject, decoded and cleaned; `None` where there is none.
    pub subject: Option<String>,
    /// INTERNALDATE: when the server received it (wall clock).
    pub time: Timestamp,
    /// RFC822.SIZE in bytes, 0 where the server gave none.
    pub size: u64,
    /// Whether the Content-Type hints at attachments (`multipart/mixed`).
    pub attachment: bool,
    /// Whether it carries \Seen.
    pub seen: bool,
    /// False where the header could not be read at all.
    pub readable: bool,
}
