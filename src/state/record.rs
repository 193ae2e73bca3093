//! Stored forms: a version byte, then postcard.

use super::StateError;
use crate::model::{AlertKind, Item, Recipient, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The format of the whole store.
pub(super) const STORE_VERSION: u8 = 1;
/// The format of each record.
const RECORD_VERSION: u8 = 1;

/// An alert: a message with a fixed body.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct AlertRecord {
    pub(super) recipient: Recipient,
    pub(super) kind: AlertKind,
    pub(super) items: Vec<Item>,
    pub(super) body: Vec<u8>,
    pub(super) tries: u32,
    pub(super) made_at: Timestamp,
    pub(super) next_at: Timestamp,
    pub(super) dead: Option<String>,
}

impl AlertRecord {
    /// When the server told us of the earliest letter.
    pub(super) fn told_at(&self) -> Timestamp {
        self.items.iter().map(|i| i.told_at).min().unwrap_or(self.made_at)
    }
}

pub(super) fn to_bytes<T: Serialize>(value: &T) -> Result<Vec<u8>, StateError> {
    postcard::to_extend(value, vec![RECORD_VERSION]).map_err(|e| StateError::Record(e.to_string()))
}

pub(super) fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StateError> {
    match bytes.split_first() {
        Some((&RECORD_VERSION, rest)) => postcard::from_bytes(rest).map_err(|e| StateError::Record(e.to_string())),
        Some((found, _)) if *found > RECORD_VERSION => Err(StateError::Newer { found: *found, known: RECORD_VERSION }),
        _ => Err(StateError::Record("no version".to_owned())),
    }
}
