//! The outbox: what waits, what is due, what is claimed.
//!
//! Waiting items of one recipient merge into as few alerts as they fit in when they are composed; from then on an
//! alert's body is fixed. Due alerts are found through an index in memory, built when the store is opened.

use super::engine::Engine;
use super::index::readable;
use super::kv::{Batch, SLICE};
use super::record::{AlertRecord, from_bytes, to_bytes};
use super::{Claim, Compose, Draft, Stale, StateError, keys};
use crate::model::{AlertId, Item, Recipient, Timestamp};
use crate::rules::gate;
use crate::rules::retry::Next;
use std::collections::{HashMap, HashSet};

/// Items composed at one time for one recipient; more wait for the next round.
const COMPOSE_AT_ONCE: usize = 5000;
/// How often an equal body is numbered anew before it is sent as it is.
const MOST_NUMBERED: u32 = 100;

/// What one round of claiming has changed, applied to index and store at its end.
struct Round {
    batch: Batch,
    claims: Vec<Claim>,
    gates: HashMap<Recipient, Vec<Timestamp>>,
}

impl Engine {
    /// Claims at most `most` due alerts: first those with a body, then the waiting items of each recipient whose gate
    /// is open, composed. One batch, so that nothing is half done.
    pub(super) fn claim(&mut self, now: Timestamp, most: usize, compose: &Compose) -> Result<Vec<Claim>, StateError> {
        self.last_claimed.clear();
        let mut round = Round { batch: Batch::default(), claims: Vec::new(), gates: HashMap::new() };
        let open = self.index.open.iter().filter(|(id, (_, at))| *at <= now && !self.index.claimed.contains(id));
        let mut due: Vec<_> = open.map(|(id, (recipient, at))| (*at, *id, recipient.clone())).collect();
        // The longest due first, so that one that fails again and again does not stand before the others.
        due.sort();
        for (_, id, recipient) in due {
            if round.claims.len() >= most {
                break;
            }
            if self.room(&mut round, &recipient, now) > 0 {
                let key = keys::alert(id);
                let value = self.kv.get(&key)?.unwrap_or_default();
                match readable(from_bytes(&value), &mut round.batch, &key, &value)? {
                    Some(record) => self.try_once(&mut round, id, record, now)?,
                    None => drop(self.index.open.remove(&id)),
                }
            }
        }
        let waiting: Vec<_> = self.index.waiting.keys().cloned().collect();
        let mut composed = Vec::new();
        for recipient in waiting {
            if round.claims.len() >= most {
                break;
            }
            if self.room(&mut round, &recipient, now) > 0 {
                composed.push(self.compose(&mut round, &recipient, now, most, compose)?);
            }
        }
        self.apply(std::mem::take(&mut round.batch))?;
        for (recipient, taken, left_open) in composed {
            let emptied = self.index.waiting.get_mut(&recipient).is_none_or(|count| {
                *count = count.saturating_sub(taken);
                *count == 0
            });
            if emptied {
                self.index.waiting.remove(&recipient);
            }
            for id in left_open {
                self.index.open.insert(id, (recipient.clone(), now));
            }
        }
        for claim in &round.claims {
            self.index.open.insert(claim.id, (claim.recipient.clone(), now));
            self.index.claimed.insert(claim.id);
        }
        self.index.gates.extend(round.gates);
        self.last_claimed = round.claims.iter().map(|claim| claim.id).collect();
        Ok(round.claims)
    }

    /// Takes back the claims of the last round: they were not given out.
    pub(super) fn unclaim_last(&mut self) -> Result<(), StateError> {
        for id in self.last_claimed.drain(..) {
            self.index.claimed.remove(&id);
        }
        Ok(())
    }

    fn alert(&self, id: AlertId) -> Result<AlertRecord, StateError> {
        let bytes = self.kv.get(&keys::alert(id))?;
        from_bytes(&bytes.ok_or_else(|| StateError::Record(format!("alert {id} is missing")))?)
    }

    fn room(&self, round: &mut Round, recipient: &Recipient, now: Timestamp) -> usize {
        let sent = match round.gates.get(recipient) {
            Some(times) => times,
            None => self.index.gates.get(recipient).map_or(&[][..], Vec::as_slice),
        };
        gate::room(sent, now).unwrap_or(0)
    }

    /// Counts a try, before it is made.
    fn try_once(
        &self,
        round: &mut Round,
        id: AlertId,
        mut record: AlertRecord,
        now: Timestamp,
    ) -> Result<(), StateError> {
        record.tries = record.tries.saturating_add(1);
        record.next_at = now;
        let known = || self.index.gates.get(&record.recipient).cloned().unwrap_or_default();
        let times = round.gates.entry(record.recipient.clone()).or_insert_with(known);
        gate::prune(times, now);
        times.push(now);
        round.batch.put(keys::gate(&record.recipient), to_bytes(times)?);
        round.batch.put(keys::alert(id), to_bytes(&record)?);
        // WeCom compares with what it took, and that may be any of the tries.
        round.batch.put(keys::body(&record.body), to_bytes(&now)?);
        round.claims.push(Claim {
            id,
            recipient: record.recipient.clone(),
            told_at: record.told_at(),
            tries: record.tries,
            body: record.body,
        });
        Ok(())
    }

    /// Turns a recipient's waiting items into alerts; as many as the gate lets through are tried at once. Answers the
    /// number of items taken and the alerts that must wait.
    fn compose(
        &mut self,
        round: &mut Round,
        recipient: &Recipient,
        now: Timestamp,
        most: usize,
        compose: &Compose,
    ) -> Result<(Recipient, usize, Vec<AlertId>), StateError> {
        let pairs = self.kv.scan(&keys::waiting_of(recipient), None, COMPOSE_AT_ONCE.max(SLICE))?;
        let mut items: Vec<Item> = Vec::new();
        for (key, value) in &pairs {
            items.extend(readable(from_bytes(value), &mut round.batch, key, value)?);
        }
        let drafts = self.unlike_any_sent(round, recipient, &items, now, compose)?;
        let named: usize = drafts.iter().map(|draft| draft.items.len()).sum();
        if named < items.len() {
            return Err(StateError::Record(format!("{} letters were put into no alert", items.len() - named)));
        }
        for (key, _) in &pairs {
            round.batch.delete(key.clone());
        }
        let mut left_open = Vec::new();
        for draft in drafts {
            let id = AlertId(self.number()?);
            let record = AlertRecord {
                recipient: recipient.clone(),
                kind: draft.kind,
                items: draft.items.iter().filter_map(|i| items.get(*i).cloned()).collect(),
                body: draft.body,
                tries: 0,
                made_at: now,
                next_at: now,
                dead: None,
            };
            if round.claims.len() < most && self.room(round, recipient, now) > 0 {
                self.try_once(round, id, record, now)?;
            } else {
                round.batch.put(keys::alert(id), to_bytes(&record)?);
                left_open.push(id);
            }
        }
        Ok((recipient.clone(), pairs.len(), left_open))
    }

    /// Composes until no body equals one that was made within the duplicate window: WeCom would swallow it.
    fn unlike_any_sent(
        &self,
        round: &mut Round,
        recipient: &Recipient,
        items: &[Item],
        now: Timestamp,
        compose: &Compose,
    ) -> Result<Vec<Draft>, StateError> {
        for number in 0..MOST_NUMBERED {
            let drafts = compose(recipient, items, number);
            let digests: Vec<_> = drafts.iter().map(|d| keys::body(&d.body)).collect();
            let distinct: HashSet<_> = digests.iter().collect();
            let mut used = distinct.len() < digests.len();
            for key in &digests {
                used = used || self.body_was_used(key, now)?;
            }
            if !used || number + 1 == MOST_NUMBERED {
                for key in digests {
                    round.batch.put(key, to_bytes(&now)?);
                }
                return Ok(drafts);
            }
        }
        Ok(Vec::new())
    }

    /// Takes open alerts apart whose body can never be taken: their letters wait again.
    pub(super) fn recall(&mut self, stale: &Stale) -> Result<usize, StateError> {
        let mut batch = Batch::default();
        let mut recalled = Vec::new();
        let open: Vec<_> = self.index.open.keys().filter(|id| !self.index.claimed.contains(id)).copied().collect();
        for id in open {
            let key = keys::alert(id);
            let value = self.kv.get(&key)?.unwrap_or_default();
            let Some(record) = readable::<AlertRecord>(from_bytes(&value), &mut batch, &key, &value)? else { continue };
            if !stale(&record.body) {
                continue;
            }
            for item in &record.items {
                let number = self.number()?;
                batch.put(keys::waiting(&record.recipient, number), to_bytes(item)?);
            }
            batch.delete(key);
            recalled.push((id, record.recipient, record.items.len()));
        }
        self.apply(batch)?;
        for (id, recipient, letters) in &recalled {
            self.index.open.remove(id);
            if *letters > 0 {
                self.index.add_waiting(recipient, *letters);
            }
        }
        Ok(recalled.len())
    }

    /// Ends a claim; without the claim nothing happens.
    pub(super) fn settle(&mut self, id: AlertId, next: &Next) -> Result<(), StateError> {
        if !self.index.claimed.contains(&id) {
            return Ok(());
        }
        let mut batch = Batch::default();
        match next {
            Next::Done => batch.delete(keys::alert(id)),
            Next::Again(at) => {
                let mut record = self.alert(id)?;
                record.next_at = *at;
                batch.put(keys::alert(id), to_bytes(&record)?);
            }
            Next::Dead(reason) => {
                let mut record = self.alert(id)?;
                record.dead = Some(reason.clone());
                batch.put(keys::alert(id), to_bytes(&record)?);
            }
        }
        self.apply(batch)?;
        self.index.claimed.remove(&id);
        match next {
            Next::Done => drop(self.index.open.remove(&id)),
            Next::Again(at) => {
                if let Some((_, due)) = self.index.open.get_mut(&id) {
                    *due = *at;
                }
            }
            Next::Dead(_) => {
                self.index.open.remove(&id);
                self.index.dead += 1;
            }
        }
        Ok(())
    }
}
