//! A mark: how far a folder has been read; a look: what the server says of it.

use super::{Timestamp, Uid, UidValidity};
use serde::{Deserialize, Serialize};

/// How far a folder has been read, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The epoch in which `next` counts; 0 where the server has none.
    pub uid_validity: UidValidity,
    /// The lowest UID not yet handled.
    pub next: Uid,
    /// When the folder was bound (wall clock): what was there before is not news.
    pub bound_at: Timestamp,
    /// The folder's last good look (wall clock).
    pub looked_at: Timestamp,
    /// A digest of the folder's MAILBOXID, where the server has one.
    pub mailbox_id: Option<u64>,
}

/// What EXAMINE or STATUS said of a folder. `None` is "the server did not say", also for values that no server may
/// send (0; imap-servers C.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// UIDVALIDITY.
    pub uid_validity: Option<UidValidity>,
    /// UIDNEXT.
    pub uid_next: Option<Uid>,
    /// EXISTS or MESSAGES.
    pub exists: Option<u32>,
    /// A digest of MAILBOXID (RFC 8474): the same after a rename, another after the folder was made anew.
    pub mailbox_id: Option<u64>,
}
