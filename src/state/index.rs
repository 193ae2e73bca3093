//! What is due when, in memory: built when the store is opened, kept up by each step.

use super::kv::{Batch, Kv, all};
use super::queue::{Class, Queue};
use super::record::{AlertRecord, Gate, WaitingRecord, from_bytes};
use super::{Outbox, StateError, keys};
use crate::model::{AlertId, AlertKind, LetterNo, Now, Recipient, Timestamp, Urgency};
use crate::rules::governor;
use crate::rules::quota::Used;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;
use tracing::error;

/// An alert that is not settled and not dead.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) recipients: Vec<Recipient>,
    pub(super) urgent: bool,
    pub(super) kind: AlertKind,
    /// Not to be tried before.
    pub(super) at: Timestamp,
    /// A try was begun, and nobody has said what came of it.
    pub(super) trying: bool,
}

impl Open {
    pub(super) fn of(record: &AlertRecord) -> Self {
        Self {
            recipients: record.recipients.clone(),
            urgent: record.urgency == Urgency::Urgent,
            kind: record.kind,
            at: record.next_at,
            trying: record.trying.is_some(),
        }
    }
}

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) queue: Queue,
    open: HashMap<AlertId, Open>,
    urgent: BTreeSet<(Timestamp, AlertId)>,
    others: BTreeSet<(Timestamp, AlertId)>,
    /// Alerts that somebody is just trying: they are in `open`, and in neither order.
    claimed: HashSet<AlertId>,
    pub(super) dead: BTreeSet<AlertId>,
    pub(super) gates: HashMap<Recipient, Gate>,
    pub(super) quota: Used,
}

impl Index {
    /// Builds the index. Records that cannot be read are put into `aside`: they stop nothing.
    pub(super) fn load(kv: &dyn Kv, aside: &mut Batch) -> Result<Self, StateError> {
        let mut index = Self::default();
        for prefix in [keys::WAITING, keys::ALERTS, keys::GATES] {
            all(kv, prefix, |pairs| {
                for (key, value) in pairs {
                    readable(index.load_one(&key, &value), aside, &key, &value)?;
                }
                Ok(())
            })?;
        }
        if let Some(bytes) = kv.get(keys::QUOTA)? {
            index.quota = readable(from_bytes(&bytes), aside, keys::QUOTA, &bytes)?.unwrap_or_default();
        }
        Ok(index)
    }

    fn load_one(&mut self, key: &[u8], value: &[u8]) -> Result<(), StateError> {
        let wrong = |what: &str| StateError::Record(what.to_owned());
        match key.get(..1) {
            Some(keys::WAITING) => {
                let (recipient, class, no) = keys::waiting_parts(key).ok_or_else(|| wrong("a waiting letter's key"))?;
                let WaitingRecord { came, due } = from_bytes(value)?;
                self.queue.add(&recipient, Class::from_byte(class), no, came, due, Duration::from_secs(3600));
            }
            Some(keys::GATES) => {
                let recipient = keys::recipient_of(key).ok_or_else(|| wrong("a recipient's key"))?;
                self.gates.insert(recipient, from_bytes(value)?);
            }
            _ => {
                let record: AlertRecord = from_bytes(value)?;
                let id = keys::number_of(key).ok_or_else(|| wrong("an alert's key"))?;
                match record.dead {
                    Some(_) => drop(self.dead.insert(AlertId(id))),
                    None => self.put(AlertId(id), Open::of(&record)),
                }
            }
        }
        Ok(())
    }

    /// Letters of urgency digest are told so often from now on.
    pub(super) fn plan_digests(&mut self, every: Duration, now: Now) {
        self.queue.plan_digests(every, now);
    }

    /// An alert is open, and nobody is trying it.
    pub(super) fn put(&mut self, id: AlertId, open: Open) {
        self.take(id);
        self.order(open.urgent).insert((open.at, id));
        self.open.insert(id, open);
    }

    /// Somebody is trying it.
    pub(super) fn claim(&mut self, id: AlertId, open: Open) {
        self.take(id);
        self.open.insert(id, open);
        self.claimed.insert(id);
    }

    /// Nobody is trying it any more.
    pub(super) fn unclaim(&mut self, id: AlertId) {
        if self.claimed.contains(&id)
            && let Some(open) = self.open.get(&id).cloned()
        {
            self.put(id, open);
        }
    }

    /// Nobody is trying anything any more.
    pub(super) fn unclaim_all(&mut self) {
        for id in self.claimed.iter().copied().collect::<Vec<_>>() {
            self.unclaim(id);
        }
    }

    /// Those of which nobody has said what came of the last try.
    pub(super) fn trying(&self) -> Vec<AlertId> {
        self.open.iter().filter(|(_, open)| open.trying).map(|(id, _)| *id).collect()
    }

    /// It is not open any more.
    pub(super) fn take(&mut self, id: AlertId) -> Option<Open> {
        let open = self.open.remove(&id)?;
        if !self.claimed.remove(&id) {
            self.order(open.urgent).remove(&(open.at, id));
        }
        Some(open)
    }

    /// All that somebody is trying.
    pub(super) fn claimed(&self) -> &HashSet<AlertId> {
        &self.claimed
    }

    /// Those of them that are still open are claimed here, too.
    pub(super) fn take_over(&mut self, claimed: &HashSet<AlertId>) {
        for id in claimed {
            if let Some(open) = self.open.get(id).cloned() {
                self.claim(*id, open);
            }
        }
    }

    pub(super) fn is_claimed(&self, id: AlertId) -> bool {
        self.claimed.contains(&id)
    }

    /// Not to be tried before `at`.
    pub(super) fn put_off(&mut self, id: AlertId, at: Timestamp) {
        if let Some(open) = self.open.get(&id).filter(|_| !self.claimed.contains(&id)).cloned() {
            self.put(id, Open { at: at.max(open.at), ..open });
        }
    }

    /// What waits for this recipient, letters and alerts for nobody else, may be looked at again at once.
    pub(super) fn wake(&mut self, recipient: &Recipient, now: Timestamp) {
        self.queue.wake(recipient, now);
        let own = |(id, open): (&AlertId, &Open)| {
            let alone = open.recipients == [recipient.clone()] && !self.claimed.contains(id) && open.at > now;
            alone.then(|| (*id, open.clone()))
        };
        let woken: Vec<_> = self.open.iter().filter_map(own).collect();
        for (id, open) in woken {
            self.put(id, Open { at: now, ..open });
        }
    }

    fn order(&mut self, urgent: bool) -> &mut BTreeSet<(Timestamp, AlertId)> {
        if urgent { &mut self.urgent } else { &mut self.others }
    }

    /// Open alerts that are due, the longest first: one that fails again and again does not stand before the others.
    pub(super) fn open_due(&self, urgent: bool, now: Timestamp) -> impl Iterator<Item = (AlertId, &Open)> {
        let order = if urgent { &self.urgent } else { &self.others };
        let due = order.iter().take_while(move |(at, _)| *at <= now);
        due.filter_map(|(_, id)| Some((*id, self.open.get(id)?)))
    }

    /// All open alerts, those that somebody is trying among them.
    pub(super) fn open_all(&self) -> impl Iterator<Item = AlertId> {
        self.open.keys().copied()
    }

    /// All open alerts that nobody is trying.
    pub(super) fn open_ids(&self) -> Vec<AlertId> {
        self.open.keys().filter(|id| !self.claimed.contains(id)).copied().collect()
    }

    /// When the first urgent alert or letter may go, and the first of the others.
    pub(super) fn first(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        let (urgent, others) = self.queue.first();
        let earlier = |a: Option<Timestamp>, b: Option<Timestamp>| a.into_iter().chain(b).min();
        let first = |order: &BTreeSet<(Timestamp, AlertId)>| order.first().map(|(at, _)| *at);
        (earlier(urgent, first(&self.urgent)), earlier(others, first(&self.others)))
    }

    pub(super) fn latest_sent(&self) -> Timestamp {
        self.gates.values().filter_map(|gate| gate.sent.last()).max().unwrap_or_default()
    }

    pub(super) fn outbox(&self) -> Outbox {
        Outbox { waiting: self.queue.total(), open: self.open.len(), dead: self.dead.len() }
    }

    /// Recipients whose alerts wait because of WeCom's limits per member, and those whom it does not reach.
    pub(super) fn held(&self, now: Timestamp) -> (usize, usize) {
        let parked = self.gates.values().filter(|gate| gate.parked.is_some()).count();
        let held: HashSet<_> = self
            .queue
            .all()
            .filter(|(recipient, class, _)| {
                let sent = self.gates.get(recipient).filter(|gate| gate.parked.is_none()).map(|gate| &gate.sent);
                sent.is_some_and(|sent| governor::room(sent, *class == Class::Urgent, now).is_err())
            })
            .map(|(recipient, ..)| recipient)
            .collect();
        (held.len(), parked)
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

/// The number of a letter, by the key of something that is about it.
pub(super) fn letter_no(key: &[u8]) -> Result<LetterNo, StateError> {
    keys::number_of(key).map(LetterNo).ok_or_else(|| StateError::Record("a letter's key".to_owned()))
}
