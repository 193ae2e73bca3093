//! Forgetting what need not be remembered any more, a slice at a time.

use super::compose::BODY_MEMORY;
use super::engine::Engine;
use super::kv::{Batch, Pairs};
use super::queue::Class;
use super::record::{AlertRecord, Gate, LetterRecord, Remembered, from_bytes};
use super::{StateError, keys};
use crate::model::{AlertId, LetterNo, Recipient, Timestamp};
use crate::rules::acquaintance::REMEMBERED;
use crate::rules::governor;
use std::time::Duration;

/// How long letters are remembered, so that they are announced once, and what became of them.
pub(super) const REMEMBER: Duration = Duration::from_secs(30 * 86_400);
/// How many records of a kind are looked at in one pruning.
const PRUNED_AT_ONCE: usize = 1_000;

impl Engine {
    /// Forgets one slice of what is older than it need be; whether there is more to look at.
    pub(super) fn prune(&mut self, now: Timestamp) -> Result<bool, StateError> {
        let mut batch = Batch::default();
        for (prefix, keep) in [
            (keys::BOUND, REMEMBER),
            (keys::BODIES, BODY_MEMORY),
            (keys::SENDERS, REMEMBERED),
            (keys::COLLEAGUES, REMEMBERED),
        ] {
            for (key, value) in self.slice(prefix)? {
                // One that cannot be read is of no use either.
                if from_bytes(&value).map_or(true, |at| now.since(at) > keep) {
                    batch.delete(key);
                }
            }
        }
        for (key, value) in self.slice(keys::REMEMBERED)? {
            if from_bytes::<Remembered>(&value).map_or(true, |known| now.since(known.at) > REMEMBER) {
                batch.delete(key);
            }
        }
        for (key, value) in self.slice(keys::SETTLED)? {
            let ended = from_bytes::<AlertRecord>(&value).ok().and_then(|record| record.end);
            if ended.is_none_or(|end| now.since(end.at.steady) > REMEMBER) {
                batch.delete(key);
            }
        }
        self.prune_letters(&mut batch, now)?;
        let idle = self.prune_gates(&mut batch, now)?;
        self.apply(batch)?;
        for recipient in idle {
            self.index.gates.remove(&recipient);
        }
        Ok(!self.pruned.is_empty())
    }

    /// Letters after their 30 days, unless they still wait or are in an alert that is open, or dead
    /// and not composed: with all that hangs on them.
    fn prune_letters(&mut self, batch: &mut Batch, now: Timestamp) -> Result<(), StateError> {
        for (key, value) in self.slice(keys::LETTERS)? {
            let record = from_bytes::<LetterRecord>(&value).ok();
            if record.as_ref().is_some_and(|record| now.since(record.seen_at.steady) <= REMEMBER) {
                continue;
            }
            let Some(no) = keys::number_of(&key).map(LetterNo) else { continue };
            let links = self.kv.scan(&keys::links_of(no), None, PRUNED_AT_ONCE)?;
            if self.is_needed(no, record.as_ref(), &links)? {
                continue;
            }
            if let Some(record) = record {
                batch.delete(keys::letter_of(&record.sighting.item.account, no));
            }
            for (link, _) in links {
                batch.delete(link);
            }
            batch.delete(key);
        }
        Ok(())
    }

    fn is_needed(&self, no: LetterNo, record: Option<&LetterRecord>, links: &Pairs) -> Result<bool, StateError> {
        let Some(record) = record else { return Ok(false) };
        for recipient in record.sighting.recipients() {
            for class in Class::ALL {
                if self.kv.get(&keys::waiting(recipient, class.byte(), no))?.is_some() {
                    return Ok(true);
                }
            }
        }
        for (link, _) in links {
            let Some(id) = keys::number_of(link).map(AlertId) else { continue };
            let Some(bytes) = self.kv.get(&keys::alert(id))? else { continue };
            // A dead one can be sent again from its body, if it has one.
            let has_body = || from_bytes::<AlertRecord>(&bytes).is_ok_and(|alert| !alert.body.is_empty());
            if !(self.index.dead.contains(&id) && has_body()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Recipients that have got nothing for an hour, and are not parked, or have been for long without a new try.
    fn prune_gates(&mut self, batch: &mut Batch, now: Timestamp) -> Result<Vec<Recipient>, StateError> {
        let mut idle = Vec::new();
        for (key, value) in self.slice(keys::GATES)? {
            let gate = from_bytes::<Gate>(&value).unwrap_or_default();
            let is_parked = gate.parked.is_some_and(|parked| now.since(parked.until) <= REMEMBER);
            if !is_parked && governor::is_idle(&gate.sent, now) {
                idle.extend(keys::recipient_of(&key));
                batch.delete(key);
            }
        }
        Ok(idle)
    }

    /// The next slice of a kind of records.
    fn slice(&mut self, prefix: &'static [u8]) -> Result<Pairs, StateError> {
        let after = self.pruned.remove(prefix);
        let pairs = self.kv.scan(prefix, after.as_deref(), PRUNED_AT_ONCE)?;
        if let Some((key, _)) = pairs.last().filter(|_| pairs.len() == PRUNED_AT_ONCE) {
            self.pruned.insert(prefix, key.clone());
        }
        Ok(pairs)
    }
}
