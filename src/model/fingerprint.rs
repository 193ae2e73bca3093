//! What the store keeps of addresses and names that it must know again, but need not be able to say.

use super::id::{hex, unhex};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Half of a SHA-256. Serialised as hexadecimal digits where people may read it, as 16 bytes elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 16]);

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

impl Serialize for Fingerprint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return self.0.serialize(serializer);
        }
        serializer.serialize_str(&hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return Deserialize::deserialize(deserializer).map(Self);
        }
        let text = String::deserialize(deserializer)?;
        let bytes = unhex(&text).and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| serde::de::Error::custom("32 hexadecimal digits are wanted"))
    }
}
