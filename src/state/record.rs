//! Stored forms: a version byte, then postcard.

use super::kv::Batch;
use super::{StateError, keys};
use crate::model::{
    AlertId, AlertKind, LetterNo, Mark, Now, Recipient, Sighting, Timestamp, Uid, UidValidity, Urgency,
};
use crate::rules::governor::Sent;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The format of the whole store.
pub(super) const STORE_VERSION: u8 = 2;
/// The format of each record.
const RECORD_VERSION: u8 = 1;

/// A letter in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LetterRecord {
    pub(super) sighting: Sighting,
    /// When it was stored.
    pub(super) seen_at: Now,
    /// How long its sync waited for a permit.
    pub(super) deferred_ms: u64,
    /// Who knew it already, and as which letter.
    pub(super) known: Vec<(Recipient, Option<LetterNo>)>,
}

/// A letter that waits for one recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WaitingRecord {
    /// When it came.
    pub(super) came: Now,
    /// Not to be sent before (steady clock).
    pub(super) due: Timestamp,
}

/// That a recipient knows a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Remembered {
    /// Since when (steady clock).
    pub(super) at: Timestamp,
    /// As which letter; `None` for what the first format remembered.
    pub(super) letter: Option<LetterNo>,
}

/// An alert: a message for one or more recipients, with a fixed body once it was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AlertRecord {
    pub(super) recipients: Vec<Recipient>,
    pub(super) kind: AlertKind,
    pub(super) urgency: Urgency,
    pub(super) letters: Vec<LetterNo>,
    /// What a report says.
    pub(super) text: Option<String>,
    /// The exact bytes of each try; empty: to be composed of exactly these letters.
    pub(super) body: Vec<u8>,
    /// To be composed as a short `text` without anything special: WeCom refused it otherwise.
    pub(super) plain: bool,
    pub(super) tries: u32,
    /// Tries that met a code which nobody here knows.
    pub(super) strange: u32,
    pub(super) made_at: Now,
    /// When the server told us of the earliest letter (steady clock).
    pub(super) told_at: Timestamp,
    pub(super) next_at: Timestamp,
    /// A try that was begun and is not settled.
    pub(super) trying: Option<Now>,
    pub(super) first_try: Option<Now>,
    /// The earliest try that WeCom may have taken without our knowing.
    pub(super) unsure: Option<Now>,
    /// It was tried again after WeCom's duplicate check had forgotten a try that it may have taken.
    pub(super) maybe_twice: bool,
    /// WeCom's last answer.
    pub(super) answer: String,
    /// Why it is dead.
    pub(super) dead: Option<String>,
    /// Set once it is settled.
    pub(super) end: Option<End>,
}

/// How an alert ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct End {
    pub(super) at: Now,
    /// Dropped by a person, rather than sent.
    pub(super) dropped: bool,
}

impl AlertRecord {
    /// A new alert, not composed yet.
    pub(super) fn new(recipients: Vec<Recipient>, urgency: Urgency, letters: Vec<LetterNo>, now: Now) -> Self {
        Self {
            recipients,
            kind: AlertKind::Letter,
            urgency,
            letters,
            text: None,
            body: Vec::new(),
            plain: false,
            tries: 0,
            strange: 0,
            made_at: now,
            told_at: now.steady,
            next_at: now.steady,
            trying: None,
            first_try: None,
            unsure: None,
            maybe_twice: false,
            answer: String::new(),
            dead: None,
            end: None,
        }
    }

    /// Whether it may be made anew in parts: WeCom cannot have taken it, and there is something to make it of.
    pub(super) fn may_be_parted(&self) -> bool {
        self.unsure.is_none() && self.trying.is_none() && (self.text.is_some() || !self.letters.is_empty())
    }

    /// Says of each of its letters that it is in the alert `id`.
    pub(super) fn link(&self, id: AlertId, batch: &mut Batch) {
        for no in &self.letters {
            batch.put(keys::link(*no, id), Vec::new());
        }
    }

    /// The same again for other recipients or letters, never tried; but what was tried before may have been taken.
    pub(super) fn part(&self, recipients: Vec<Recipient>, letters: Vec<LetterNo>) -> Self {
        Self {
            recipients,
            letters,
            body: Vec::new(),
            tries: 0,
            strange: 0,
            trying: None,
            first_try: None,
            unsure: None,
            maybe_twice: self.maybe_twice || self.unsure.is_some(),
            dead: None,
            end: None,
            ..self.clone()
        }
    }
}

/// What one recipient was sent, and whether WeCom refuses to reach them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Gate {
    pub(super) sent: Sent,
    pub(super) parked: Option<Parked>,
}

impl Gate {
    /// Until when this recipient is left alone, if that is still so at `now`.
    pub(super) fn parked_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.parked.map(|parked| parked.until).filter(|until| *until > now)
    }
}

/// A recipient whom WeCom does not reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parked {
    /// Tried again then (steady clock).
    pub(super) until: Timestamp,
    /// How often in a row.
    pub(super) times: u32,
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
