//! Stored forms: a version byte, then postcard.

use super::StateError;
use crate::model::{AlertKind, Item, Mark, Recipient, Timestamp, Uid, UidValidity};
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

/// The format of a mark; the first had no `mailbox_id`.
const MARK_VERSION: u8 = 2;

/// A mark as the first format wrote it.
#[derive(Deserialize)]
struct FirstMark {
    uid_validity: UidValidity,
    next: Uid,
    bound_at: Timestamp,
    looked_at: Timestamp,
}

pub(super) fn mark_to_bytes(mark: &Mark) -> Result<Vec<u8>, StateError> {
    postcard::to_extend(mark, vec![MARK_VERSION]).map_err(|e| StateError::Record(e.to_string()))
}

pub(super) fn mark_from_bytes(bytes: &[u8]) -> Result<Mark, StateError> {
    match bytes.split_first() {
        Some((&MARK_VERSION, rest)) => postcard::from_bytes(rest).map_err(|e| StateError::Record(e.to_string())),
        Some((found, _)) if *found > MARK_VERSION => Err(StateError::Newer { found: *found, known: MARK_VERSION }),
        _ => {
            let FirstMark { uid_validity, next, bound_at, looked_at } = from_bytes(bytes)?;
            Ok(Mark { uid_validity, next, bound_at, looked_at, mailbox_id: None })
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A mark of mailbell 0.1.0 as it first was: five bytes and more, without MAILBOXID.
    #[test]
    fn marks_of_the_first_format_are_read() {
        let first = (7_u32, 300_u32, Timestamp(1), Timestamp(2));
        let bytes = to_bytes(&first).unwrap();
        let mark = mark_from_bytes(&bytes).unwrap();
        let same =
            Mark { uid_validity: 7, next: 300, bound_at: Timestamp(1), looked_at: Timestamp(2), mailbox_id: None };
        assert_eq!(mark, same);
        let now = Mark { mailbox_id: Some(9), ..same };
        assert_eq!(mark_from_bytes(&mark_to_bytes(&now).unwrap()).unwrap(), now);
        assert!(matches!(mark_from_bytes(&[3, 1]), Err(StateError::Newer { found: 3, known: 2 })));
        assert!(matches!(mark_from_bytes(&[]), Err(StateError::Record(_))));
    }
}
