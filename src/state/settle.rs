//! What becomes of alerts after a try, and of those that a person decides about.

use super::engine::Engine;
use super::index::{Open, readable};
use super::kv::Batch;
use super::record::{AlertRecord, End, Gate, Parked, from_bytes, to_bytes};
use super::{Settled, Stale, StateError, keys};
use crate::model::{AlertId, Now, Recipient, Timestamp};
use crate::rules::retry::{Next, PARKED};
use crate::rules::{governor, quota};
use std::time::Duration;

/// No try goes on for longer: a token and an answer, and both once more where the token was refused, each up to 20 s.
const LONGEST_TRY: Duration = Duration::from_secs(80);

/// What settling changes in the index, once its batch is applied.
#[derive(Default)]
struct After {
    opened: Vec<(AlertId, Open)>,
    dead: Vec<AlertId>,
    gates: Vec<(Recipient, Gate)>,
}

impl Engine {
    pub(super) fn alert_record(&self, id: AlertId) -> Result<AlertRecord, StateError> {
        let bytes = self.kv.get(&keys::alert(id))?;
        from_bytes(&bytes.ok_or_else(|| StateError::Record(format!("alert {id} is missing")))?)
    }

    /// Ends a claim; without the claim nothing happens.
    pub(super) fn settle(&mut self, id: AlertId, settled: Settled, now: Now) -> Result<(), StateError> {
        if !self.index.is_claimed(id) {
            return Ok(());
        }
        let mut record = self.alert_record(id)?;
        let (mut batch, mut after) = (Batch::default(), After::default());
        self.count_late(&record, now.steady, &mut batch)?;
        let mut used = None;
        // What is sent again because its answer was lost is the same message: it counts once, however long WeCom is away.
        let is_repeated = settled.unsure && record.unsure.is_some();
        if settled.unsure {
            record.unsure = record.unsure.or(record.trying);
        }
        if is_repeated || !(settled.unsure || matches!(settled.next, Next::Done | Next::Partly(_))) {
            let persons = u32::try_from(record.recipients.len()).unwrap_or(u32::MAX);
            let mut given_back = self.index.quota.clone();
            quota::give_back(&mut given_back, record.trying.map_or(now.wall, |at| at.wall), persons);
            batch.put(keys::QUOTA.to_vec(), to_bytes(&given_back)?);
            used = Some(given_back);
        }
        record.trying = None;
        record.strange += u32::from(settled.strange);
        record.answer = settled.answer;
        match settled.next {
            Next::Done => self.done(&mut batch, &mut after, id, record, now)?,
            Next::Partly(refused) => self.partly(&mut batch, &mut after, (id, record), refused, now)?,
            Next::Again(at) => {
                record.next_at = at;
                batch.put(keys::alert(id), to_bytes(&record)?);
                after.opened.push((id, Open::of(&record)));
            }
            Next::Halve => self.halve(&mut batch, &mut after, id, record, true, now)?,
            Next::Fewer => self.halve(&mut batch, &mut after, id, record, false, now)?,
            Next::Plain if record.letters.is_empty() && record.text.is_none() => {
                let reason = record.answer.clone();
                self.bury(&mut batch, &mut after, id, record, reason, now)?;
            }
            Next::Plain => {
                record.plain = true;
                record.body.clear();
                record.maybe_twice |= record.unsure.take().is_some();
                record.next_at = now.steady;
                batch.put(keys::alert(id), to_bytes(&record)?);
                after.opened.push((id, Open::of(&record)));
            }
            Next::Dead(reason) => self.bury(&mut batch, &mut after, id, record, reason, now)?,
        }
        self.apply(batch)?;
        self.index.take(id);
        if let Some(used) = used {
            self.index.quota = used;
        }
        self.enter_after(after, now.steady);
        Ok(())
    }

    /// A try that took long may have reached WeCom as late as now: it counts from then on.
    pub(super) fn count_late(
        &mut self,
        record: &AlertRecord,
        now: Timestamp,
        batch: &mut Batch,
    ) -> Result<(), StateError> {
        let Some(tried) = record.trying else { return Ok(()) };
        for recipient in &record.recipients {
            if let Some(gate) = self.index.gates.get_mut(recipient)
                && governor::ended(&mut gate.sent, tried.steady, now)
            {
                batch.put(keys::gate(recipient), to_bytes(gate)?);
            }
        }
        Ok(())
    }

    /// The tries of a sender that is gone: each may have reached WeCom as late as it would have been waited for.
    pub(super) fn count_unended(&mut self, now: Timestamp) -> Result<(), StateError> {
        let mut batch = Batch::default();
        for id in self.index.trying() {
            let record = self.alert_record(id)?;
            if let Some(tried) = record.trying {
                self.count_late(&record, now.min(tried.steady.plus(LONGEST_TRY)), &mut batch)?;
            }
        }
        self.apply(batch)
    }

    fn enter_after(&mut self, after: After, now: Timestamp) {
        for (id, open) in after.opened {
            self.index.put(id, open);
        }
        self.index.dead.extend(after.dead);
        for (recipient, gate) in after.gates {
            let is_free = gate.parked.is_none();
            self.index.gates.insert(recipient.clone(), gate);
            if is_free {
                self.index.wake(&recipient, now);
            }
        }
    }

    /// WeCom took it for all.
    fn done(
        &self,
        batch: &mut Batch,
        after: &mut After,
        id: AlertId,
        record: AlertRecord,
        now: Now,
    ) -> Result<(), StateError> {
        self.unpark(batch, after, &record.recipients)?;
        batch.delete(keys::alert(id));
        let end = Some(End { at: now, dropped: false });
        batch.put(keys::settled(id), to_bytes(&AlertRecord { body: Vec::new(), end, ..record })?);
        Ok(())
    }

    /// These are not left alone any more.
    fn unpark(&self, batch: &mut Batch, after: &mut After, recipients: &[Recipient]) -> Result<(), StateError> {
        for recipient in recipients {
            if let Some(gate) = self.index.gates.get(recipient).filter(|gate| gate.parked.is_some()) {
                let free = Gate { parked: None, ..gate.clone() };
                batch.put(keys::gate(recipient), to_bytes(&free)?);
                after.gates.push((recipient.clone(), free));
            }
        }
        Ok(())
    }

    /// WeCom took it, but not for these.
    fn partly(
        &mut self,
        batch: &mut Batch,
        after: &mut After,
        (id, record): (AlertId, AlertRecord),
        refused: Vec<(Recipient, String)>,
        now: Now,
    ) -> Result<(), StateError> {
        let is_refused = |recipient: &Recipient| refused.iter().any(|(other, _)| other == recipient);
        let reached: Vec<_> = record.recipients.iter().filter(|r| !is_refused(r)).cloned().collect();
        if reached.is_empty() && record.recipients.len() > 1 && record.unsure.is_some() {
            // WeCom may have taken an earlier try: the body, which is for all of them, stays one.
            let reason = refused.first().map(|(_, reason)| reason.clone()).unwrap_or_default();
            for recipient in &record.recipients {
                self.park(batch, after, recipient, now)?;
            }
            return self.bury(batch, after, id, record, reason, now);
        }
        let mut own_id = reached.is_empty().then_some(id);
        for (recipient, reason) in refused.iter().filter(|(recipient, _)| record.recipients.contains(recipient)) {
            let part = match own_id.take() {
                Some(id) => (id, AlertRecord { recipients: vec![recipient.clone()], ..record.clone() }),
                None => {
                    let id = AlertId(self.number()?);
                    (id, record.part(vec![recipient.clone()], record.letters.clone()))
                }
            };
            part.1.link(part.0, batch);
            self.bury(batch, after, part.0, part.1, reason.clone(), now)?;
        }
        if !reached.is_empty() {
            self.done(batch, after, id, AlertRecord { recipients: reached, ..record }, now)?;
        }
        Ok(())
    }

    /// Two alerts take its place: each with half of the recipients (where there are several, and `by_recipients`), or with
    /// half of the letters.
    fn halve(
        &mut self,
        batch: &mut Batch,
        after: &mut After,
        id: AlertId,
        record: AlertRecord,
        by_recipients: bool,
        now: Now,
    ) -> Result<(), StateError> {
        let halves: Vec<_> = if by_recipients && record.recipients.len() > 1 {
            let (first, second) = record.recipients.split_at(record.recipients.len() / 2);
            [first, second].map(|half| record.part(half.to_vec(), record.letters.clone())).into()
        } else if record.letters.len() > 1 {
            let (first, second) = record.letters.split_at(record.letters.len() / 2);
            let to = &record.recipients;
            [first, second].map(|half| record.part(to.clone(), half.to_vec())).into()
        } else {
            // It was halved, and what told so failed: this is the first half, which nobody has tried.
            vec![record]
        };
        for (place, half) in halves.into_iter().enumerate() {
            let id = if place == 0 { id } else { AlertId(self.number()?) };
            let half = AlertRecord { next_at: now.steady, ..half };
            half.link(id, batch);
            batch.put(keys::alert(id), to_bytes(&half)?);
            after.opened.push((id, Open::of(&half)));
        }
        Ok(())
    }

    /// It is dead: kept until a person decides. One whom WeCom does not reach is left alone for a while.
    fn bury(
        &self,
        batch: &mut Batch,
        after: &mut After,
        id: AlertId,
        mut record: AlertRecord,
        reason: String,
        now: Now,
    ) -> Result<(), StateError> {
        // What is refused for its form says nothing of the recipient.
        if let ([recipient], false) = (record.recipients.as_slice(), record.plain) {
            self.park(batch, after, recipient, now)?;
        }
        record.answer.clone_from(&reason);
        record.dead = Some(reason);
        batch.put(keys::alert(id), to_bytes(&record)?);
        after.dead.push(id);
        Ok(())
    }

    /// A recipient whom WeCom does not reach is left alone for a while.
    fn park(&self, batch: &mut Batch, after: &mut After, recipient: &Recipient, now: Now) -> Result<(), StateError> {
        let known = self.index.gates.get(recipient).cloned().unwrap_or_default();
        let times = known.parked.map_or(0, |parked| parked.times).saturating_add(1);
        let until = now.steady.plus(PARKED.delay(times, 1.0));
        let gate = Gate { parked: Some(Parked { until, times }), ..known };
        batch.put(keys::gate(recipient), to_bytes(&gate)?);
        after.gates.push((recipient.clone(), gate));
        Ok(())
    }

    /// Has alerts composed anew whose body can never be taken; dead ones when a person has them sent again.
    pub(super) fn recall(&mut self, stale: &Stale) -> Result<usize, StateError> {
        let mut batch = Batch::default();
        let (mut recalled, mut gone) = (Vec::new(), Vec::new());
        for id in self.index.open_ids().into_iter().chain(self.index.dead.iter().copied()) {
            let key = keys::alert(id);
            let value = self.kv.get(&key)?.unwrap_or_default();
            let Some(mut record) = readable::<AlertRecord>(from_bytes(&value), &mut batch, &key, &value)? else {
                gone.push(id);
                continue;
            };
            if record.body.is_empty() || !stale(&record.body) {
                continue;
            }
            // A dead one may have outlived what it could be made of.
            if record.dead.is_some() && record.text.is_none() && !self.has_all_letters(&record)? {
                continue;
            }
            record.body.clear();
            record.maybe_twice |= record.unsure.take().or(record.trying.take()).is_some();
            batch.put(key, to_bytes(&record)?);
            if record.dead.is_none() {
                recalled.push((id, Open::of(&record)));
            }
        }
        self.apply(batch)?;
        for id in gone {
            self.index.take(id);
            self.index.dead.remove(&id);
        }
        let count = recalled.len();
        for (id, open) in recalled {
            self.index.put(id, open);
        }
        Ok(count)
    }

    /// Dead alerts again, those that wait at once: by their numbers, or all dead ones.
    pub(super) fn retry(&mut self, ids: Option<Vec<AlertId>>, now: Now) -> Result<Vec<AlertId>, StateError> {
        let (mut batch, mut after) = (Batch::default(), After::default());
        let mut done = Vec::new();
        for id in ids.unwrap_or_else(|| self.index.dead.iter().copied().collect()) {
            if self.index.is_claimed(id) || self.kv.get(&keys::alert(id))?.is_none() {
                continue;
            }
            let mut record = self.alert_record(id)?;
            if record.dead.take().is_some() {
                record.strange = 0;
                // WeCom said no: it may be said otherwise now, if there is still something to say it from.
                let may_compose = record.text.is_some() || self.has_all_letters(&record)?;
                if record.unsure.is_none() && may_compose {
                    record.body.clear();
                }
            }
            record.next_at = now.steady;
            self.unpark(&mut batch, &mut after, &record.recipients)?;
            batch.put(keys::alert(id), to_bytes(&record)?);
            after.opened.push((id, Open::of(&record)));
            done.push(id);
        }
        self.apply(batch)?;
        for id in &done {
            self.index.dead.remove(id);
        }
        self.enter_after(after, now.steady);
        Ok(done)
    }

    fn has_all_letters(&self, record: &AlertRecord) -> Result<bool, StateError> {
        for no in &record.letters {
            if self.kv.get(&keys::letter(*no))?.is_none() {
                return Ok(false);
            }
        }
        Ok(!record.letters.is_empty())
    }

    /// Alerts that nobody wants any more: by their numbers, or all dead ones. The ledger remembers.
    pub(super) fn discard(&mut self, ids: Option<Vec<AlertId>>, now: Now) -> Result<Vec<AlertId>, StateError> {
        let mut batch = Batch::default();
        let mut done = Vec::new();
        for id in ids.unwrap_or_else(|| self.index.dead.iter().copied().collect()) {
            if self.index.is_claimed(id) || self.kv.get(&keys::alert(id))?.is_none() {
                continue;
            }
            let record = self.alert_record(id)?;
            let end = Some(End { at: now, dropped: true });
            batch.delete(keys::alert(id));
            batch.put(keys::settled(id), to_bytes(&AlertRecord { body: Vec::new(), end, ..record })?);
            done.push(id);
        }
        self.apply(batch)?;
        for id in &done {
            self.index.dead.remove(id);
            self.index.take(*id);
        }
        Ok(done)
    }
}
