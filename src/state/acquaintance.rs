//! Who was met: the senders of each owner, the names of colleagues.

use super::engine::Engine;
use super::kv::Batch;
use super::record::{from_bytes, to_bytes};
use super::{Known, Met, StateError, keys};
use crate::model::{Fingerprint, Owner, Timestamp};
use crate::rules::acquaintance::REMEMBERED;

impl Engine {
    /// Which of these were met within the time of memory.
    pub(super) fn known(
        &self,
        owner: &Owner,
        senders: Vec<Fingerprint>,
        names: Vec<Fingerprint>,
        now: Timestamp,
    ) -> Result<Known, StateError> {
        let owner = owner.key();
        let is_met = |key: Vec<u8>| -> Result<bool, StateError> {
            // What cannot be read was met, all the same.
            let at = self.kv.get(&key)?.map(|bytes| from_bytes(&bytes).unwrap_or(now));
            Ok(at.is_some_and(|at| now.since(at) <= REMEMBERED))
        };
        let mut known = Known::default();
        if let Some(bytes) = self.kv.get(&keys::met_since(&owner))? {
            known.since = from_bytes(&bytes).ok();
        }
        for sender in senders {
            if is_met(keys::sender(&owner, sender))? {
                known.senders.insert(sender);
            }
        }
        for name in names {
            if is_met(keys::colleague(name))? {
                known.colleagues.insert(name);
            }
        }
        Ok(known)
    }

    /// Remembers who was met.
    pub(super) fn meet(&self, met: &Met, now: Timestamp, batch: &mut Batch) -> Result<(), StateError> {
        let Some(owner) = &met.owner else { return Ok(()) };
        let (owner, now) = (owner.key(), to_bytes(&now)?);
        let since = keys::met_since(&owner);
        if self.kv.get(&since)?.is_none() {
            batch.put(since, now.clone());
        }
        for sender in &met.senders {
            batch.put(keys::sender(&owner, *sender), now.clone());
        }
        for name in &met.colleagues {
            batch.put(keys::colleague(*name), now.clone());
        }
        Ok(())
    }
}
