//! Claiming: what is due and may go is given out for one try, urgent ones first.
//!
//! One round is one batch, so that nothing is half done; the index changes when the batch is applied.

use super::compose::COMPOSE_AT_ONCE;
use super::engine::Engine;
use super::index::{Open, readable};
use super::kv::Batch;
use super::queue::Class;
use super::record::{AlertRecord, Gate, from_bytes, to_bytes};
use super::{Claim, Compose, StateError, keys};
use crate::model::{AlertId, AlertKind, LetterNo, Now, Recipient, Timestamp, Urgency};
use crate::rules::quota::{self, Used};
use crate::rules::{busy, governor, retry};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// More letters than these for one recipient are a catch-up: nobody waits for that one.
pub(super) const MANY: usize = 60;
/// WeCom remembers a body for 14,400 s (p90236). A try that it may have taken is counted on for an hour less: after a start
/// of the machine no clock knows how long it was away, if the wall clock was wrong before.
const DUPLICATE_CHECK: Duration = Duration::from_secs(14_400 - 3600);
/// What has no room in what is left of the day's quota, and others have, is looked at again after so long.
const LOOK_AGAIN: Duration = Duration::from_secs(600);
/// What is looked at in one round beyond what is asked for, because some may not go: the rest is found by the next one.
const LOOKED_AT: usize = 256;

/// What one round of claiming changes, applied to store and index at its end.
pub(super) struct Round {
    pub(super) now: Now,
    pub(super) most: usize,
    /// Letters that were composed, each counted for each recipient: a round is one step of the store, and all others wait for
    /// its end.
    pub(super) composed: usize,
    pub(super) batch: Batch,
    pub(super) claims: Vec<Claim>,
    pub(super) gates: HashMap<Recipient, Gate>,
    pub(super) quota: Used,
    /// Alerts that are open now: claimed, or waiting for their time.
    pub(super) opened: Vec<(AlertId, Open, bool)>,
    /// Alerts that are gone, or dead now.
    pub(super) gone: Vec<(AlertId, bool)>,
    /// Letters that do not wait any more.
    pub(super) taken: Vec<(Recipient, Class, Vec<LetterNo>)>,
    /// What may not go before some time.
    pub(super) later: Vec<(Recipient, Class, Timestamp)>,
    later_alerts: Vec<(AlertId, Timestamp)>,
    /// Who was served by somebody else's alert in this round.
    pub(super) served: HashSet<(Recipient, Class)>,
    bodies: HashSet<Vec<u8>>,
}

impl Engine {
    /// Claims at most `most` due alerts: urgent ones first, those with a body before letters that wait.
    pub(super) fn claim(&mut self, now: Now, most: usize, compose: &Compose) -> Result<Vec<Claim>, StateError> {
        self.last_claimed.clear();
        let mut round = Round {
            now,
            most,
            composed: 0,
            batch: Batch::default(),
            claims: Vec::new(),
            gates: HashMap::new(),
            quota: self.index.quota.clone(),
            opened: Vec::new(),
            gone: Vec::new(),
            taken: Vec::new(),
            later: Vec::new(),
            later_alerts: Vec::new(),
            served: HashSet::new(),
            bodies: HashSet::new(),
        };
        for urgent in [true, false] {
            self.claim_open(&mut round, urgent, compose)?;
            self.claim_waiting(&mut round, urgent, compose)?;
        }
        if !round.claims.is_empty() {
            round.batch.put(keys::QUOTA.to_vec(), to_bytes(&round.quota)?);
        }
        self.apply(std::mem::take(&mut round.batch))?;
        Ok(self.enter(round))
    }

    /// Takes back the claims of the last round: they were not given out.
    pub(super) fn unclaim_last(&mut self) -> Result<(), StateError> {
        for id in std::mem::take(&mut self.last_claimed) {
            self.index.unclaim(id);
        }
        Ok(())
    }

    /// The index after a round whose batch was applied.
    fn enter(&mut self, round: Round) -> Vec<Claim> {
        for (recipient, class, letters) in &round.taken {
            self.index.queue.remove(recipient, *class, letters);
            // Who has more comes after those who have had nothing yet.
            self.index.queue.put_off(recipient, *class, round.now.steady);
        }
        for (id, dead) in round.gone {
            self.index.take(id);
            if dead {
                self.index.dead.insert(id);
            }
        }
        for (id, open, claimed) in round.opened {
            if claimed {
                self.index.claim(id, open);
            } else {
                self.index.put(id, open);
            }
        }
        for (recipient, class, at) in round.later {
            self.index.queue.put_off(&recipient, class, at);
        }
        for (id, at) in round.later_alerts {
            self.index.put_off(id, at);
        }
        self.index.gates.extend(round.gates);
        self.index.quota = round.quota;
        self.last_claimed = round.claims.iter().map(|claim| claim.id).collect();
        round.claims
    }

    /// Alerts that were made before.
    fn claim_open(&mut self, round: &mut Round, urgent: bool, compose: &Compose) -> Result<(), StateError> {
        let due: Vec<_> = self
            .index
            .open_due(urgent, round.now.steady)
            .take(round.most.saturating_add(LOOKED_AT))
            .map(|(id, open)| (id, open.clone()))
            .collect();
        for (id, open) in due {
            if round.is_full() || round.is_long() || self.day_is_full(round, urgent) {
                return Ok(());
            }
            let class = if urgent { Class::Urgent } else { Class::Normal };
            if let Err(at) = self.may_go(round, &open.recipients, class, open.kind == AlertKind::CatchUp) {
                round.later_alerts.push((id, at));
                continue;
            }
            let key = keys::alert(id);
            let value = self.kv.get(&key)?.unwrap_or_default();
            match readable::<AlertRecord>(from_bytes(&value), &mut round.batch, &key, &value)? {
                Some(record) if record.may_be_parted() && self.has_parked(round, &record) => {
                    self.part(round, id, &record)?;
                }
                Some(record) if record.body.is_empty() => self.compose_again(round, id, record, compose)?,
                Some(record) => self.try_once(round, id, record)?,
                None => round.gone.push((id, false)),
            }
        }
        Ok(())
    }

    fn is_parked(&self, round: &Round, recipient: &Recipient) -> bool {
        self.gate(round, recipient).is_some_and(|gate| gate.parked_until(round.now.steady).is_some())
    }

    fn has_parked(&self, round: &Round, record: &AlertRecord) -> bool {
        record.recipients.iter().any(|recipient| self.is_parked(round, recipient))
    }

    /// Those who are left alone get an alert of their own, so that the others get theirs now.
    fn part(&mut self, round: &mut Round, id: AlertId, record: &AlertRecord) -> Result<(), StateError> {
        let (alone, others) = record.recipients.iter().cloned().partition(|r| self.is_parked(round, r));
        for (id, recipients) in [(id, others), (AlertId(self.number()?), alone)] {
            let part = record.part(recipients, record.letters.clone());
            part.link(id, &mut round.batch);
            round.batch.put(keys::alert(id), to_bytes(&part)?);
            round.opened.push((id, Open::of(&part), false));
        }
        Ok(())
    }

    /// Letters that wait.
    fn claim_waiting(&mut self, round: &mut Round, urgent: bool, compose: &Compose) -> Result<(), StateError> {
        let now = round.now.steady;
        let most = round.most.saturating_add(LOOKED_AT);
        let own = |(recipient, class): (&Recipient, Class)| (recipient.clone(), class);
        let due: Vec<_> = match urgent {
            true => self.index.queue.urgent_due(now).take(most).map(own).collect(),
            false => self.index.queue.others_due(now).take(most).map(own).collect(),
        };
        for (recipient, class) in due {
            if round.is_full() || round.is_long() || self.day_is_full(round, urgent) {
                return Ok(());
            }
            if round.served.contains(&(recipient.clone(), class)) {
                continue;
            }
            let many = self.index.queue.get(&recipient, class).is_some_and(|waiting| waiting.count > MANY);
            match self.may_go(round, std::slice::from_ref(&recipient), class, many) {
                Ok(()) => self.compose_waiting(round, &recipient, class, compose)?,
                Err(at) => round.later.push((recipient, class, at)),
            }
        }
        Ok(())
    }

    /// Whether the day's quota has no room for anybody. What waits is not put off then, so that it is found again as soon as
    /// something is given back.
    fn day_is_full(&self, round: &Round, urgent: bool) -> bool {
        quota::room(&round.quota, self.limits.account_cap, 1, urgent, round.now.wall).is_err()
    }

    /// Whether one more message may go to all of these now, by every limit; else when to look again. Those whom WeCom does
    /// not reach hold up nobody else: only where there is nobody else, they are waited for.
    pub(super) fn may_go(
        &self,
        round: &Round,
        recipients: &[Recipient],
        class: Class,
        nobody_waits: bool,
    ) -> Result<(), Timestamp> {
        let urgent = class == Class::Urgent;
        let held_as = if nobody_waits && !urgent { Urgency::Digest } else { class.urgency() };
        if let Some(over) = busy::held(self.limits.busy_minutes, held_as, round.now.wall) {
            return Err(round.now.steady_at(over));
        }
        let persons = u32::try_from(recipients.len()).unwrap_or(u32::MAX);
        quota::room(&round.quota, self.limits.account_cap, persons, urgent, round.now.wall)
            .map_err(|midnight| round.now.steady_at(midnight).min(round.now.steady.plus(LOOK_AGAIN)))?;
        let gates = || recipients.iter().map(|recipient| self.gate(round, recipient));
        let parked: Option<Vec<_>> = gates().map(|gate| gate?.parked_until(round.now.steady)).collect();
        if let Some(first) = parked.and_then(|times| times.into_iter().min()) {
            return Err(first);
        }
        let full = gates().flatten().filter_map(|gate| governor::room(&gate.sent, urgent, round.now.steady).err());
        full.max().map_or(Ok(()), Err)
    }

    /// Whether one more message may go to this recipient.
    pub(super) fn room(&self, round: &Round, recipient: &Recipient, urgent: bool) -> Result<(), Timestamp> {
        let Some(gate) = self.gate(round, recipient) else { return Ok(()) };
        gate.parked_until(round.now.steady).map_or(Ok(()), Err)?;
        governor::room(&gate.sent, urgent, round.now.steady)
    }

    fn gate<'a>(&'a self, round: &'a Round, recipient: &Recipient) -> Option<&'a Gate> {
        round.gates.get(recipient).or_else(|| self.index.gates.get(recipient))
    }

    /// Counts a try, before it is made.
    pub(super) fn try_once(&self, round: &mut Round, id: AlertId, mut record: AlertRecord) -> Result<(), StateError> {
        let now = round.now;
        // A sender that died in its try, or before it could say what came of it.
        record.unsure = record.unsure.or(record.trying);
        let forgotten = |then: &Now| now.steady.since(then.steady).max(now.wall.since(then.wall)) > DUPLICATE_CHECK;
        record.maybe_twice |= record.unsure.as_ref().is_some_and(forgotten);
        record.tries = record.tries.saturating_add(1);
        record.trying = Some(now);
        record.first_try.get_or_insert(now);
        record.next_at = now.steady.plus(retry::after_death(record.tries));
        for recipient in &record.recipients {
            let known = || self.index.gates.get(recipient).cloned().unwrap_or_default();
            let gate = round.gates.entry(recipient.clone()).or_insert_with(known);
            governor::note(&mut gate.sent, record.urgency == Urgency::Urgent, now.steady);
            round.batch.put(keys::gate(recipient), to_bytes(gate)?);
        }
        let persons = u32::try_from(record.recipients.len()).unwrap_or(u32::MAX);
        quota::add(&mut round.quota, now.wall, persons);
        round.batch.put(keys::alert(id), to_bytes(&record)?);
        // WeCom compares with what it took, and that may be any of the tries.
        let body = keys::body(&record.body);
        round.batch.put(body.clone(), to_bytes(&now.steady)?);
        round.bodies.insert(body);
        round.opened.push((id, Open { at: now.steady, ..Open::of(&record) }, true));
        round.claims.push(Claim {
            id,
            kind: record.kind,
            recipients: record.recipients,
            body: record.body,
            tries: record.tries,
            strange: record.strange,
            letters: record.letters.len(),
            plain: record.plain,
            told_at: record.told_at,
        });
        Ok(())
    }

    /// When there may be something to claim.
    pub(super) fn next_due(&self, now: Now) -> Option<Timestamp> {
        let (urgent, others) = self.index.first();
        let blocked = |urgent: bool| {
            let room = quota::room(&self.index.quota, self.limits.account_cap, 1, urgent, now.wall);
            room.err().map_or(now.steady, |midnight| now.steady_at(midnight))
        };
        let urgent = urgent.map(|at| at.max(blocked(true)));
        let others = others.map(|at| at.max(blocked(false)));
        urgent.into_iter().chain(others).min()
    }
}

impl Round {
    pub(super) fn is_full(&self) -> bool {
        self.claims.len() >= self.most
    }

    /// Whether it has composed so much that the rest is for the next one.
    fn is_long(&self) -> bool {
        self.composed >= COMPOSE_AT_ONCE
    }

    /// Whether a body was made in this round.
    pub(super) fn has_made(&self, body: &[u8]) -> bool {
        self.bodies.contains(body)
    }

    pub(super) fn made(&mut self, body: Vec<u8>) {
        self.bodies.insert(body);
    }
}
