//! From one format of the store to the next, one step at a time. Each step moves records in batches and can be repeated
//! where a process died in it; the version is written at its end.

use super::StateError;
use super::keys;
use super::kv::{Batch, Kv, SLICE};
use super::record::{AlertRecord, Gate, LetterRecord, Remembered, STORE_VERSION, WaitingRecord, from_bytes, to_bytes};
use crate::model::{
    AccountId, AlertId, AlertKind, Fate, Item, Letter, LetterId, LetterNo, Now, Recipient, Sender, Sighting, Timestamp,
    Urgency,
};
use crate::rules::governor;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tracing::{error, info};

/// Brings a store of an older format to the present one.
pub(super) fn forward(kv: &mut dyn Kv, found: u8) -> Result<(), StateError> {
    for version in found..STORE_VERSION {
        info!(from = version, to = version + 1, "the store is brought to a newer format");
        match version {
            1 => first_to_second(kv)?,
            other => return Err(StateError::Record(format!("format {other}"))),
        }
        let mut batch = Batch::default();
        batch.put(keys::VERSION.to_vec(), vec![version + 1]);
        kv.apply(batch)?;
        kv.sync()?;
    }
    Ok(())
}

/// Waiting letters, alerts and gates as the first format kept them: under their own letters, with whole items inside.
const FIRST_WAITING: &[u8] = b"w";
const FIRST_ALERTS: &[u8] = b"a";
const FIRST_GATES: &[u8] = b"g";

/// An item of the first format.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct FirstItem {
    account: AccountId,
    folder: Arc<str>,
    letter: FirstLetter,
    told_at: Timestamp,
}

/// A letter of the first format.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct FirstLetter {
    id: LetterId,
    from: Sender,
    subject: Option<String>,
    time: Timestamp,
    size: u64,
    attachment: bool,
    seen: bool,
    readable: bool,
}

/// An alert of the first format.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct FirstAlert {
    recipient: Recipient,
    kind: AlertKind,
    items: Vec<FirstItem>,
    body: Vec<u8>,
    tries: u32,
    made_at: Timestamp,
    next_at: Timestamp,
    dead: Option<String>,
}

impl FirstItem {
    fn sighting(self, recipient: &Recipient) -> Sighting {
        let FirstLetter { id, from, subject, time, size, attachment, seen, readable } = self.letter;
        Sighting {
            item: Item {
                account: self.account,
                folder: self.folder,
                letter: Letter { id, from, subject, time, size, attachment, seen, readable, ..Letter::default() },
                told_at: self.told_at,
                away: None,
                card: None,
            },
            uid: 0,
            subscription: 1,
            urgency: Urgency::Normal,
            apart: Vec::new(),
            fate: Fate::Announce(vec![recipient.clone()]),
        }
    }
}

/// What a step writes, and the numbers it gives.
struct Step<'a> {
    kv: &'a mut dyn Kv,
    next: u64,
}

impl Step<'_> {
    /// Stores a letter of its own for one recipient; its number.
    fn letter(&mut self, batch: &mut Batch, recipient: &Recipient, item: FirstItem) -> Result<LetterNo, StateError> {
        let no = LetterNo(self.number());
        let (told_at, time) = (item.told_at, item.letter.time);
        let account = item.account.clone();
        let record = LetterRecord {
            sighting: item.sighting(recipient),
            seen_at: Now { steady: told_at, wall: time },
            deferred_ms: 0,
            known: Vec::new(),
        };
        batch.put(keys::letter(no), to_bytes(&record)?);
        batch.put(keys::letter_of(&account, no), Vec::new());
        batch.put(
            keys::remembered(recipient, record.sighting.item.letter.id),
            to_bytes(&Remembered { at: told_at, letter: Some(no) })?,
        );
        Ok(no)
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// Moves all records of a prefix, a slice at a time. What cannot be read is kept aside.
    fn each(
        &mut self,
        prefix: &[u8],
        mut one: impl FnMut(&mut Self, &mut Batch, &[u8], &[u8]) -> Result<(), StateError>,
    ) -> Result<(), StateError> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let pairs = self.kv.scan(prefix, after.as_deref(), SLICE)?;
            let Some((last, _)) = pairs.last().cloned() else { return Ok(()) };
            let mut batch = Batch::default();
            for (key, value) in &pairs {
                match one(self, &mut batch, key, value) {
                    Ok(()) => {}
                    Err(StateError::Record(reason)) => {
                        error!(reason, "a stored record cannot be read and is set aside");
                        batch.put([keys::ASIDE, key].concat(), value.clone());
                    }
                    Err(other) => return Err(other),
                }
            }
            // The numbers that were given, in the same step.
            batch.put(keys::NUMBER.to_vec(), to_bytes(&self.next)?);
            self.kv.apply(batch)?;
            after = Some(last);
        }
    }
}

/// The first format had an item per recipient; the second keeps each letter once and names it by number.
fn first_to_second(kv: &mut dyn Kv) -> Result<(), StateError> {
    let next = kv.get(keys::NUMBER)?.map(|bytes| from_bytes(&bytes)).transpose()?.unwrap_or(1);
    let mut step = Step { kv, next };
    let wrong = || StateError::Record("a key".to_owned());
    step.each(keys::REMEMBERED, |_, batch, key, value| {
        // One that was moved before is longer and reads as no time alone.
        if from_bytes::<Remembered>(value).is_err() {
            let at = from_bytes(value)?;
            batch.put(key.to_vec(), to_bytes(&Remembered { at, letter: None })?);
        }
        Ok(())
    })?;
    step.each(FIRST_WAITING, |step, batch, key, value| {
        batch.delete(key.to_vec());
        let recipient = keys::recipient_of(key).ok_or_else(wrong)?;
        let item: FirstItem = from_bytes(value)?;
        let (came, due) = (Now { steady: item.told_at, wall: item.letter.time }, item.told_at);
        let no = step.letter(batch, &recipient, item)?;
        batch.put(keys::waiting(&recipient, 1, no), to_bytes(&WaitingRecord { came, due })?);
        Ok(())
    })?;
    step.each(FIRST_ALERTS, |step, batch, key, value| {
        batch.delete(key.to_vec());
        let first: FirstAlert = from_bytes(value)?;
        let id = AlertId(keys::number_of(key).ok_or_else(wrong)?);
        let mut letters = Vec::new();
        for item in first.items {
            let no = step.letter(batch, &first.recipient, item)?;
            batch.put(keys::link(no, id), Vec::new());
            letters.push(no);
        }
        let made = Now { steady: first.made_at, wall: first.made_at };
        let now = Now { steady: first.made_at, wall: first.made_at };
        let tried = (first.tries > 0).then_some(made);
        let record = AlertRecord {
            kind: first.kind,
            body: first.body,
            tries: first.tries,
            next_at: first.next_at,
            first_try: tried,
            unsure: tried.filter(|_| first.dead.is_none()),
            answer: first.dead.clone().unwrap_or_default(),
            dead: first.dead,
            ..AlertRecord::new(vec![first.recipient], Urgency::Normal, letters, now)
        };
        batch.put(keys::alert(id), to_bytes(&record)?);
        Ok(())
    })?;
    step.each(FIRST_GATES, |_, batch, key, value| {
        batch.delete(key.to_vec());
        let recipient = keys::recipient_of(key).ok_or_else(wrong)?;
        let mut gate = Gate::default();
        for at in from_bytes::<Vec<Timestamp>>(value)? {
            governor::note(&mut gate.sent, false, at);
        }
        batch.put(keys::gate(&recipient), to_bytes(&gate)?);
        Ok(())
    })
}

#[cfg(test)]
#[path = "migrate_tests.rs"]
mod tests;
