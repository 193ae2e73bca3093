//! What the store keeps of addresses and names that it must know again, but need not be able to say.

use super::id::digits;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Half of a SHA-256. Serialised as hexadecimal digits where people may read it, as 16 bytes elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fingerprint(#[serde(with = "digits")] pub [u8; 16]);

impl Fingerprint {
    /// Of a text, for one purpose: those of other purposes are others.
    pub fn of(purpose: &str, text: &[u8]) -> Self {
        let digest = Sha256::new().chain_update(purpose).chain_update([0]).chain_update(text).finalize();
        let mut half = [0; 16];
        for (to, from) in half.iter_mut().zip(digest) {
            *to = from;
        }
        Self(half)
    }

    /// Of a Message-ID, with or without its angle brackets.
    pub fn of_message_id(id: &[u8]) -> Self {
        let id = id.trim_ascii();
        let id = id.strip_prefix(b"<").unwrap_or(id);
        Self::of("message", id.strip_suffix(b">").unwrap_or(id))
    }
}
