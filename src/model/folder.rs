//! A folder: an IMAP mailbox inside an account.

use super::id::{hex, unhex};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A mailbox's name exactly as the server writes it (bytes: servers send 8-bit names too). It is the key of
/// everything stored about the folder.
///
/// Serialised as text where people may read it (`hex:` and digits where it is none), as bytes elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RawName(pub Arc<[u8]>);

/// What stands before the digits of a name that is no text.
const HEX: &str = "hex:";

impl Serialize for RawName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return self.0.serialize(serializer);
        }
        match std::str::from_utf8(&self.0) {
            Ok(text) if !text.starts_with(HEX) => serializer.serialize_str(text),
            _ => serializer.serialize_str(&format!("{HEX}{}", hex(&self.0))),
        }
    }
}

impl<'de> Deserialize<'de> for RawName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return Deserialize::deserialize(deserializer).map(Self);
        }
        let text = String::deserialize(deserializer)?;
        match text.strip_prefix(HEX) {
            None => Ok(Self::new(text.as_bytes())),
            Some(digits) => unhex(digits)
                .map(|bytes| Self::new(&bytes))
                .ok_or_else(|| serde::de::Error::custom("hexadecimal digits are wanted behind hex:")),
        }
    }
}

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
