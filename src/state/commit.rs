//! What watching stores: letters and marks in one step, and what is known of folders from their binding.

use super::engine::Engine;
use super::kv::Batch;
use super::queue::{Class, HOLD};
use super::record::{LetterRecord, Remembered, WaitingRecord, from_bytes, mark_from_bytes, mark_to_bytes, to_bytes};
use super::{Committed, Scan, StateError, keys};
use crate::model::{
    AccountId, Apart, Fate, LetterId, LetterNo, Mark, Now, RawName, Recipient, Sighting, Silence, Timestamp, Urgency,
};
use std::collections::HashMap;

/// A letter that a recipient is to be told of.
struct News {
    recipient: Recipient,
    class: Class,
    no: LetterNo,
    due: Timestamp,
}

impl Engine {
    pub(super) fn commit_scan(&mut self, scan: Scan, now: Now) -> Result<Committed, StateError> {
        let key = keys::mark(&scan.account, &scan.folder);
        let stored = self.kv.get(&key)?.map(|bytes| mark_from_bytes(&bytes)).transpose()?;
        // The time of the last look moves without a commit (`touch`), the rest does not.
        let place = |mark: &Mark| (mark.uid_validity, mark.next, mark.bound_at);
        if stored.as_ref().map(place) != scan.from.as_ref().map(place) {
            return Ok(Committed::Stale);
        }
        let mut batch = Batch::default();
        let mut fresh = HashMap::new();
        let mut news = Vec::new();
        for sighting in scan.letters {
            let no = LetterNo(self.number()?);
            let (record, told) = self.judge(&scan.account, &scan.folder, sighting, no, &fresh, now)?;
            if told.is_empty() && self.is_found_again(&record)? {
                continue;
            }
            let class = Class::of(record.sighting.urgency);
            // Urgent ones wait for nobody.
            let held = scan.catching_up && class != Class::Urgent;
            let due = if held { now.steady.plus(HOLD) } else { now.steady };
            let at_once = (class, due);
            for recipient in told {
                let id = record.sighting.item.letter.id;
                let (class, due) = match record.sighting.apart(&recipient) {
                    Some(Apart::Later(wall)) => (Class::Held, now.steady_at(wall)),
                    _ => at_once,
                };
                batch
                    .put(keys::remembered(&recipient, id), to_bytes(&Remembered { at: now.steady, letter: Some(no) })?);
                batch.put(keys::waiting(&recipient, class.byte(), no), to_bytes(&WaitingRecord { came: now, due })?);
                fresh.insert((recipient.clone(), id), no);
                news.push(News { recipient, class, no, due });
            }
            let deferred_ms = u64::try_from(scan.deferred.as_millis()).unwrap_or(u64::MAX);
            batch.put(keys::letter(no), to_bytes(&LetterRecord { deferred_ms, ..record })?);
            batch.put(keys::letter_of(&scan.account, no), Vec::new());
        }
        self.meet(&scan.met, now.steady, &mut batch)?;
        batch.put(key, mark_to_bytes(&scan.to)?);
        self.apply(batch)?;
        let count = news.len();
        for News { recipient, class, no, due } in news {
            self.index.queue.add(&recipient, class, no, now, due, self.limits.digest_every);
        }
        Ok(Committed::Stored(count))
    }

    /// The ledger's record of a letter, and who is to be told of it.
    fn judge(
        &self,
        account: &AccountId,
        folder: &RawName,
        mut sighting: Sighting,
        no: LetterNo,
        fresh: &HashMap<(Recipient, LetterId), LetterNo>,
        now: Now,
    ) -> Result<(LetterRecord, Vec<Recipient>), StateError> {
        let id = sighting.item.letter.id;
        if matches!(sighting.fate, Fate::Announce(_)) && self.kv.get(&keys::bound(account, folder, id))?.is_some() {
            sighting.fate = Fate::Silent(Silence::Bound);
        }
        if sighting.urgency == Urgency::Silent && matches!(sighting.fate, Fate::Announce(_)) {
            sighting.fate = Fate::Silent(Silence::Asked);
        }
        let (mut known, mut told) = (Vec::new(), Vec::new());
        for recipient in sighting.recipients() {
            if told.contains(recipient) {
                continue;
            }
            if let Some(other) = fresh.get(&(recipient.clone(), id)).filter(|other| **other != no) {
                known.push((recipient.clone(), Some(*other)));
                continue;
            }
            match self.kv.get(&keys::remembered(recipient, id))? {
                None if matches!(sighting.apart(recipient), Some(Apart::Muted(_))) => {}
                None => told.push(recipient.clone()),
                // What cannot be read is a letter that was told, all the same.
                Some(bytes) => {
                    let remembered = from_bytes::<Remembered>(&bytes).ok();
                    known.push((recipient.clone(), remembered.and_then(|r| r.letter)));
                }
            }
        }
        Ok((LetterRecord { sighting, seen_at: now, deferred_ms: 0, known }, told))
    }

    /// Whether a letter is no news to the ledger either: where UIDs mean nothing, each look by date finds again what is known
    /// from that folder.
    fn is_found_again(&self, record: &LetterRecord) -> Result<bool, StateError> {
        let sighting = &record.sighting;
        match &sighting.fate {
            _ if sighting.uid != 0 => return Ok(false),
            Fate::Silent(silence) => return Ok(*silence == Silence::Bound),
            Fate::Announce(_) => {}
        }
        // Muted for everybody: the ledger does not have it yet.
        if record.known.is_empty() {
            return Ok(false);
        }
        for (_, known) in &record.known {
            let Some(no) = known else { return Ok(false) };
            let other = self.letter(*no)?.map(|other| other.sighting.item);
            if other
                .is_none_or(|other| (&other.account, &other.folder) != (&sighting.item.account, &sighting.item.folder))
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn remember(
        &mut self,
        account: &AccountId,
        folder: &RawName,
        letters: &[LetterId],
        now: Timestamp,
    ) -> Result<(), StateError> {
        let mut batch = Batch::default();
        for letter in letters {
            batch.put(keys::bound(account, folder, *letter), to_bytes(&now)?);
        }
        self.apply(batch)
    }
}
