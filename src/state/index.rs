//! What is due when, in memory: built when the store is opened, kept up by each step.

use super::kv::{Batch, Kv, all};
use super::record::{AlertRecord, from_bytes};
use super::{Outbox, StateError, keys};
use crate::model::{AlertId, Recipient, Timestamp};
use crate::rules::gate;
use std::collections::{BTreeMap, HashMap, HashSet};
use tracing::error;

/// What is due when, rebuilt at opening.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Recipients with waiting items, and how many.
    pub(super) waiting: BTreeMap<Recipient, usize>,
    /// Alerts not settled, not dead: when they are next due.
    pub(super) open: BTreeMap<AlertId, (Recipient, Timestamp)>,
    /// Alerts that somebody is just trying.
    pub(super) claimed: HashSet<AlertId>,
    pub(super) dead: usize,
    pub(super) gates: HashMap<Recipient, Vec<Timestamp>>,
}

impl Index {
    /// Builds the index. Records that cannot be read are put into `aside`: they stop nothing.
    pub(super) fn load(kv: &dyn Kv, aside: &mut Batch) -> Result<Self, StateError> {
        let mut index = Self::default();
        for prefix in [keys::WAITING, keys::ALERTS, keys::GATES] {
            all(kv, prefix, |pairs| {
                for (key, value) in pairs {
                    readable(index.add(&key, &value), aside, &key, &value)?;
                }
                Ok(())
            })?;
        }
        Ok(index)
    }

    fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), StateError> {
        match key.get(..1) {
            Some(keys::WAITING) => self.add_waiting(&recipient_of(key)?, 1),
            Some(keys::GATES) => drop(self.gates.insert(recipient_of(key)?, from_bytes(value)?)),
            _ => {
                let record: AlertRecord = from_bytes(value)?;
                let id = key.get(1..).and_then(|k| k.try_into().ok()).map(u64::from_be_bytes);
                let id = AlertId(id.ok_or_else(|| StateError::Record("an alert's key".to_owned()))?);
                match record.dead {
                    Some(_) => self.dead += 1,
                    // Not later than now: a try of a dead process is repeated at once, with the same body.
                    None => drop(self.open.insert(id, (record.recipient, record.next_at))),
                }
            }
        }
        Ok(())
    }

    pub(super) fn add_waiting(&mut self, recipient: &Recipient, count: usize) {
        *self.waiting.entry(recipient.clone()).or_default() += count;
    }

    pub(super) fn latest_gate(&self) -> Timestamp {
        self.gates.values().filter_map(|times| times.last().copied()).max().unwrap_or_default()
    }

    pub(super) fn outbox(&self) -> Outbox {
        Outbox { waiting: self.waiting.values().sum(), open: self.open.len(), dead: self.dead }
    }

    pub(super) fn room(&self, recipient: &Recipient, now: Timestamp) -> Result<usize, Timestamp> {
        gate::room(self.gates.get(recipient).map(Vec::as_slice).unwrap_or_default(), now)
    }

    /// The earliest time at which something can be claimed.
    pub(super) fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let gated = |recipient: &Recipient, at: Timestamp| match self.room(recipient, now) {
            Ok(_) => at,
            Err(opens) => at.max(opens),
        };
        let waiting = self.waiting.keys().map(|recipient| gated(recipient, now));
        let open = self.open.iter().filter(|(id, _)| !self.claimed.contains(id));
        waiting.chain(open.map(|(_, (recipient, at))| gated(recipient, *at))).min()
    }
}

/// What was read; `None` if the record cannot be understood: then it is kept under another key, told, and in nobody's
/// way. A record of a newer mailbell is an error all the same.
pub(super) fn readable<T>(
    read: Result<T, StateError>,
    aside: &mut Batch,
    key: &[u8],
    value: &[u8],
) -> Result<Option<T>, StateError> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(StateError::Record(reason)) => {
            error!(reason, "a stored record cannot be read and is set aside");
            aside.put([keys::ASIDE, key].concat(), value.to_vec());
            aside.delete(key.to_vec());
            Ok(None)
        }
        Err(other) => Err(other),
    }
}

fn recipient_of(key: &[u8]) -> Result<Recipient, StateError> {
    keys::recipient_of(key).ok_or_else(|| StateError::Record("a recipient's key".to_owned()))
}
