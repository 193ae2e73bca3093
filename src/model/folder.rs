//! A folder: an IMAP mailbox inside an account.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A mailbox's name exactly as the server writes it (bytes: servers send 8-bit names too). It is the key of
/// everything stored about the folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RawName(pub Arc<[u8]>);

impl RawName {
    /// Wraps the bytes of a name.
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

/// A mailbox that can be opened.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Folder {
    /// The name on the wire.
    pub raw: RawName,
    /// The name for people: decoded, `/` between levels, without the personal namespace's prefix.
    pub shown: Arc<str>,
}

impl Folder {
    /// Whether this is the INBOX (in any case, RFC 3501 5.1).
    pub fn is_inbox(&self) -> bool {
        self.raw.0.eq_ignore_ascii_case(b"INBOX")
    }
}
