//! The ledger: what became of each letter, per recipient, for 30 days.

use super::alerts::AlertState;
use super::engine::Engine;
use super::kv::SLICE;
use super::queue::Class;
use super::record::{AlertRecord, LetterRecord, from_bytes};
use super::{StateError, keys};
use crate::model::{AccountId, AlertId, AlertKind, Apart, Letter, LetterNo, Recipient, Sighting, Timestamp};
use serde::{Deserialize, Serialize};

/// What is asked of the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// Whose letters.
    pub account: Option<AccountId>,
    /// Only those stored since (wall clock).
    pub since: Option<Timestamp>,
    /// Only those whose sender's name or address holds this, in any case.
    pub from: Option<String>,
    /// Only those whose subject holds this, in any case.
    pub subject: Option<String>,
    /// At most so many.
    pub most: usize,
}

impl Why {
    /// Whether sender and subject of a letter fit.
    pub fn fits(&self, letter: &Letter) -> bool {
        let holds = |text: Option<&str>, wanted: &str| {
            text.is_some_and(|text| text.to_lowercase().contains(&wanted.trim().to_lowercase()))
        };
        let from = &letter.from;
        let sent = |wanted: &str| holds(from.name.as_deref(), wanted) || holds(from.address.as_deref(), wanted);
        self.from.as_deref().is_none_or(sent)
            && self.subject.as_deref().is_none_or(|wanted| holds(letter.subject.as_deref(), wanted))
    }
}

/// One letter and what became of it. Times by the wall clock unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Story {
    /// Its number in the store.
    pub no: LetterNo,
    /// The letter, where it was found, and who was to be told or why nobody was.
    pub sighting: Sighting,
    /// When it was stored.
    pub seen_at: Timestamp,
    /// How long it was on its way with us before: from the server's telling to the store, in milliseconds.
    pub took_ms: u64,
    /// How much of that its sync waited for a permit, in milliseconds.
    pub deferred_ms: u64,
    /// What each recipient got.
    pub tellings: Vec<Telling>,
}

/// What one recipient got of a letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telling {
    /// Who.
    pub recipient: Recipient,
    /// What.
    pub what: Told,
}

/// See [`Telling`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// Nothing yet: it waits in the outbox.
    Waits {
        /// Not before (wall clock), because of WeCom's limits per member, the day's quota or a digest's time; `None`: it
        /// is due.
        until: Option<Timestamp>,
        /// Whether WeCom refused to reach this recipient and is asked again later.
        parked: bool,
    },
    /// Nothing yet: it is held for their quiet hours, a vacation or a digest's time.
    Held {
        /// Until then (wall clock).
        until: Timestamp,
    },
    /// Nothing: they had muted it.
    Muted {
        /// The end of that (wall clock).
        until: Timestamp,
    },
    /// Nothing: they knew it already, as this letter if it is still kept.
    Known {
        /// Its number.
        letter: Option<LetterNo>,
        /// The account it was found in.
        account: Option<AccountId>,
        /// The folder it was found in.
        folder: Option<String>,
        /// When it was stored.
        seen_at: Option<Timestamp>,
    },
    /// It is in an alert.
    Alert {
        /// Its number.
        id: AlertId,
        /// What the alert has come to.
        state: AlertState,
        /// Its form.
        kind: AlertKind,
        /// How many letters it is about.
        letters: usize,
        /// When it was made.
        made_at: Timestamp,
        /// When it was first tried.
        first_try: Option<Timestamp>,
        /// When it was settled.
        ended_at: Option<Timestamp>,
        /// How often it was tried.
        tries: u32,
        /// WeCom's last answer, or why it is dead.
        answer: String,
        /// WeCom may have shown it twice.
        maybe_twice: bool,
    },
    /// No record tells: it was kept for a shorter time than the letter.
    Unknown,
}

impl Engine {
    pub(super) fn letter(&self, no: LetterNo) -> Result<Option<LetterRecord>, StateError> {
        // One that cannot be read was told as such when it was needed.
        Ok(self.kv.get(&keys::letter(no))?.and_then(|bytes| from_bytes(&bytes).ok()))
    }

    /// A slice of an account's letters, ascending, behind the key `after`; behind which the next slice begins, if there is one.
    pub(super) fn letters_of(
        &self,
        account: &AccountId,
        after: Option<&[u8]>,
    ) -> Result<(Vec<LetterNo>, Option<Vec<u8>>), StateError> {
        let pairs = self.kv.scan(&keys::letters_of(account), after, SLICE)?;
        let next = pairs.last().filter(|_| pairs.len() == SLICE).map(|(key, _)| key.clone());
        Ok((pairs.iter().filter_map(|(key, _)| keys::number_of(key)).map(LetterNo).collect(), next))
    }

    /// What is asked, of some letters in ascending order, the newest first; whether none that is older need be looked at.
    pub(super) fn stories(&self, why: &Why, letters: &[LetterNo]) -> Result<(Vec<Story>, bool), StateError> {
        let mut found = Vec::new();
        // Numbers rise with time.
        for no in letters.iter().rev() {
            if found.len() >= why.most {
                return Ok((found, true));
            }
            let Some(record) = self.letter(*no)? else { continue };
            if why.since.is_some_and(|since| record.seen_at.wall < since) {
                return Ok((found, true));
            }
            if why.fits(&record.sighting.item.letter) {
                found.push(self.story(*no, record)?);
            }
        }
        Ok((found, false))
    }

    fn story(&self, no: LetterNo, record: LetterRecord) -> Result<Story, StateError> {
        let mut alerts = Vec::new();
        super::kv::all(&*self.kv, &keys::links_of(no), |pairs| {
            alerts.extend(pairs.iter().filter_map(|(key, _)| keys::number_of(key)).map(AlertId));
            Ok(())
        })?;
        let mut records = Vec::new();
        for id in alerts {
            for key in [keys::alert(id), keys::settled(id)] {
                if let Some(alert) = self.kv.get(&key)?.and_then(|bytes| from_bytes::<AlertRecord>(&bytes).ok()) {
                    records.push((id, alert));
                }
            }
        }
        let mut tellings = Vec::new();
        for recipient in record.sighting.recipients() {
            let what = self.told(no, &record, recipient, &records)?;
            tellings.push(Telling { recipient: recipient.clone(), what });
        }
        let told_at = record.sighting.item.told_at;
        let took = record.seen_at.steady.since(told_at);
        Ok(Story {
            no,
            seen_at: record.seen_at.wall,
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            deferred_ms: record.deferred_ms,
            tellings,
            sighting: record.sighting,
        })
    }

    fn told(
        &self,
        no: LetterNo,
        record: &LetterRecord,
        recipient: &Recipient,
        alerts: &[(AlertId, AlertRecord)],
    ) -> Result<Told, StateError> {
        if let Some((_, other)) = record.known.iter().find(|(known, _)| known == recipient) {
            let first = other.map(|other| self.letter(other)).transpose()?.flatten();
            let seen_at = first.as_ref().map(|letter| letter.seen_at.wall);
            let found = first.map(|letter| letter.sighting.item);
            return Ok(Told::Known {
                letter: *other,
                folder: found.as_ref().map(|item| item.folder.to_string()),
                account: found.map(|item| item.account),
                seen_at,
            });
        }
        let mine =
            |(_, alert): &&(AlertId, AlertRecord)| alert.recipients.contains(recipient) && alert.letters.contains(&no);
        // The last one tells: those before it were taken apart.
        if let Some((id, alert)) = alerts.iter().rfind(mine) {
            return Ok(Told::Alert {
                id: *id,
                state: self.state_of(*id, alert),
                kind: alert.kind,
                letters: alert.letters.len(),
                made_at: alert.made_at.wall,
                first_try: alert.first_try.map(|at| at.wall),
                ended_at: alert.end.map(|end| end.at.wall),
                tries: alert.tries,
                answer: alert.answer.clone(),
                maybe_twice: alert.maybe_twice,
            });
        }
        let class = match record.sighting.apart(recipient) {
            Some(Apart::Muted(until)) => return Ok(Told::Muted { until }),
            Some(Apart::Later(until)) => {
                let waits = self.kv.get(&keys::waiting(recipient, Class::Held.byte(), no))?.is_some();
                return Ok(if waits { Told::Held { until } } else { Told::Unknown });
            }
            None => Class::of(record.sighting.urgency),
        };
        if self.kv.get(&keys::waiting(recipient, class.byte(), no))?.is_some() {
            let at = self.index.queue.get(recipient, class).map(|waiting| waiting.at);
            let later = at.map(|at| at.since(record.seen_at.steady)).filter(|later| !later.is_zero());
            let parked = self.index.gates.get(recipient).is_some_and(|gate| gate.parked.is_some());
            return Ok(Told::Waits { until: later.map(|later| record.seen_at.wall.plus(later)), parked });
        }
        Ok(Told::Unknown)
    }
}
