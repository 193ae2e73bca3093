//! Making messages: of what waits for a recipient and for all who wait for the same, and of alerts that have no body.

use super::claim::Round;
use super::engine::Engine;
use super::index::{Open, letter_no, readable};
use super::queue::{Class, HOLD};
use super::record::{AlertRecord, LetterRecord, WaitingRecord, from_bytes, to_bytes};
use super::{Compose, Content, Draft, Shape, StateError, keys};
use crate::model::{AlertId, AlertKind, Item, LetterNo, Now, Recipient, Timestamp, Urgency};
use crate::rules::quota;
use crate::unwind::caught;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tracing::error;

/// Letters composed at one time for one recipient; more wait for the next round, and so do others once a round has composed so
/// many.
pub(super) const COMPOSE_AT_ONCE: usize = 5000;
/// Letters that are taken out of the queue together, each counted for each recipient: of very many recipients of very many
/// letters some are for the next round.
const TAKEN_TOGETHER: usize = 50_000;
/// How often an equal body is numbered anew before it is sent as it is.
const MOST_NUMBERED: u32 = 100;
/// `message/send` takes so many users, parties and tags (p90236).
const USERS: usize = 1000;
const PARTIES: usize = 100;
const TAGS: usize = 100;
/// WeCom's duplicate check forgets after four hours (p90236); a margin on top.
pub(super) const BODY_MEMORY: Duration = Duration::from_secs(4 * 3600 + 600);

impl Engine {
    /// Turns the letters that wait for a recipient into alerts, for all who wait for the same letters and may have them
    /// now; as many as the limits let through are tried at once.
    pub(super) fn compose_waiting(
        &mut self,
        round: &mut Round,
        recipient: &Recipient,
        class: Class,
        compose: &Compose,
    ) -> Result<(), StateError> {
        let numbers = self.waiting_letters(recipient, class, round.now.steady)?;
        if numbers.is_empty() && class == Class::Held {
            // Those that were due are on their way; the others have their time.
            let next = self.next_held(recipient, round.now.steady)?;
            round.later.push((recipient.clone(), class, next));
            return Ok(());
        }
        let (letters, items) = self.items(round, &numbers)?;
        let companions = self.companions(round, recipient, class, &numbers)?;
        let recipients: Vec<_> = std::iter::once(recipient.clone()).chain(companions).collect();
        round.composed += numbers.len() * recipients.len();
        for other in &recipients {
            for no in &numbers {
                round.batch.delete(keys::waiting(other, class.byte(), *no));
            }
            round.taken.push((other.clone(), class, numbers.clone()));
            round.served.insert((other.clone(), class));
        }
        if letters.is_empty() {
            return Ok(());
        }
        let shape = Shape { urgent: class == Class::Urgent, ..Shape::default() };
        let drafts = self.unlike_any_sent(round, &recipients, Content::Letters(&items), shape, compose)?;
        let base = AlertRecord {
            told_at: items.iter().map(|item| item.told_at).min().unwrap_or(round.now.steady),
            ..AlertRecord::new(recipients, class.urgency(), letters, round.now)
        };
        self.open_drafts(round, None, &base, drafts)
    }

    /// Composes an open alert that has no body, of exactly its letters.
    pub(super) fn compose_again(
        &mut self,
        round: &mut Round,
        id: AlertId,
        record: AlertRecord,
        compose: &Compose,
    ) -> Result<(), StateError> {
        let (letters, items) = self.items(round, &record.letters)?;
        round.composed += letters.len();
        let content = match &record.text {
            Some(text) => Content::Text(text),
            None => Content::Letters(&items),
        };
        if record.text.is_none() && items.is_empty() {
            let reason = "its letters are not kept any more".to_owned();
            round.batch.put(keys::alert(id), to_bytes(&AlertRecord { dead: Some(reason), ..record })?);
            round.gone.push((id, true));
            return Ok(());
        }
        let shape = Shape { plain: record.plain, urgent: record.urgency == Urgency::Urgent, ..Shape::default() };
        let drafts = self.unlike_any_sent(round, &record.recipients, content, shape, compose)?;
        self.open_drafts(round, Some(id), &AlertRecord { letters, ..record }, drafts)
    }

    /// Makes alerts of drafts, each for exactly those whom its draft is for; the first one is `id`, if that is given.
    fn open_drafts(
        &mut self,
        round: &mut Round,
        mut id: Option<AlertId>,
        base: &AlertRecord,
        drafts: Vec<Draft>,
    ) -> Result<(), StateError> {
        each_gets_all(base, &drafts)?;
        for draft in drafts {
            let id = match id.take() {
                Some(id) => id,
                None => AlertId(self.number()?),
            };
            let letters: Vec<_> = draft.items.iter().filter_map(|at| base.letters.get(*at).copied()).collect();
            let record =
                AlertRecord { recipients: draft.to, kind: draft.kind, body: draft.body, letters, ..base.clone() };
            record.link(id, &mut round.batch);
            let class = Class::of(record.urgency);
            let nobody_waits = record.kind == AlertKind::CatchUp;
            if !round.is_full() && self.may_go(round, &record.recipients, class, nobody_waits).is_ok() {
                self.try_once(round, id, record)?;
            } else {
                round.batch.put(keys::alert(id), to_bytes(&record)?);
                round.opened.push((id, Open::of(&record), false));
            }
        }
        Ok(())
    }

    /// What waits for a recipient in a class, the earliest first.
    fn waiting_letters(
        &self,
        recipient: &Recipient,
        class: Class,
        now: Timestamp,
    ) -> Result<Vec<LetterNo>, StateError> {
        let pairs = self.kv.scan(&keys::waiting_of(recipient, class.byte()), None, COMPOSE_AT_ONCE)?;
        // One that cannot be read has waited long enough.
        let due = |value: &[u8]| from_bytes::<WaitingRecord>(value).map_or(true, |waiting| waiting.due <= now);
        let due = pairs.iter().filter(|(_, value)| class != Class::Held || due(value));
        due.map(|(key, _)| letter_no(key)).collect()
    }

    /// When the first of the letters that are held for a recipient is due.
    fn next_held(&self, recipient: &Recipient, now: Timestamp) -> Result<Timestamp, StateError> {
        let pairs = self.kv.scan(&keys::waiting_of(recipient, Class::Held.byte()), None, COMPOSE_AT_ONCE)?;
        let dues = pairs.iter().filter_map(|(_, value)| from_bytes::<WaitingRecord>(value).ok().map(|w| w.due));
        Ok(dues.min().unwrap_or_else(|| now.plus(HOLD)))
    }

    /// The letters of these numbers that are there and can be read.
    fn items(&self, round: &mut Round, numbers: &[LetterNo]) -> Result<(Vec<LetterNo>, Vec<Item>), StateError> {
        let (mut letters, mut items) = (Vec::new(), Vec::new());
        for no in numbers {
            let key = keys::letter(*no);
            let Some(value) = self.kv.get(&key)? else { continue };
            if let Some(record) = readable::<LetterRecord>(from_bytes(&value), &mut round.batch, &key, &value)? {
                letters.push(*no);
                items.push(record.sighting.item);
            }
        }
        Ok((letters, items))
    }

    /// Who waits for exactly these letters, and may have them now: as many as fit into one message with `recipient`.
    fn companions(
        &self,
        round: &Round,
        recipient: &Recipient,
        class: Class,
        numbers: &[LetterNo],
    ) -> Result<Vec<Recipient>, StateError> {
        let mut found: Vec<Recipient> = Vec::new();
        let mut room = (USERS, PARTIES, TAGS);
        let mut take = |recipient: &Recipient| {
            let left = match recipient {
                Recipient::User(_) => &mut room.0,
                Recipient::Party(_) => &mut room.1,
                Recipient::Tag(_) => &mut room.2,
            };
            let fits = *left > 0;
            *left = left.saturating_sub(1);
            fits
        };
        take(recipient);
        for other in self.index.queue.companions(recipient, class, round.now.steady) {
            if (found.len() + 2) * numbers.len() > TAKEN_TOGETHER {
                break;
            }
            if round.served.contains(&(other.clone(), class))
                || self.room(round, &other, class == Class::Urgent).is_err()
                || self.waiting_letters(&other, class, round.now.steady)? != *numbers
            {
                continue;
            }
            // The day's quota counts persons.
            let persons = u32::try_from(found.len() + 2).unwrap_or(u32::MAX);
            let urgent = class == Class::Urgent;
            if quota::room(&round.quota, self.limits.account_cap, persons, urgent, round.now.wall).is_err() {
                break;
            }
            if take(&other) {
                found.push(other);
            }
        }
        Ok(found)
    }

    /// Composes until no body equals one that was made within the duplicate window: WeCom would swallow it.
    fn unlike_any_sent(
        &self,
        round: &mut Round,
        recipients: &[Recipient],
        content: Content<'_>,
        shape: Shape,
        compose: &Compose,
    ) -> Result<Vec<Draft>, StateError> {
        for number in 0..MOST_NUMBERED {
            let drafts = composed(compose, recipients, content, Shape { number, ..shape })?;
            let digests: Vec<_> = drafts.iter().map(|d| keys::body(&d.body)).collect();
            let distinct: HashSet<_> = digests.iter().collect();
            let mut used = distinct.len() < digests.len();
            for key in &digests {
                used = used || round.has_made(key) || self.body_was_used(key, round.now)?;
            }
            if !used || number + 1 == MOST_NUMBERED {
                for key in digests {
                    round.batch.put(key.clone(), to_bytes(&round.now.steady)?);
                    round.made(key);
                }
                return Ok(drafts);
            }
        }
        Ok(Vec::new())
    }

    /// Whether a body was sent within WeCom's duplicate window.
    fn body_was_used(&self, key: &[u8], now: Now) -> Result<bool, StateError> {
        Ok(match self.kv.get(key)? {
            Some(bytes) => now.steady.since(from_bytes(&bytes)?) <= BODY_MEMORY,
            None => false,
        })
    }
}

/// Holds the composer to its word: of the alert's letters, or of its text, each recipient gets everything, once, and
/// nobody else gets anything.
fn each_gets_all(base: &AlertRecord, drafts: &[Draft]) -> Result<(), StateError> {
    let nothing = || (0_usize, vec![false; base.letters.len()]);
    let mut got: HashMap<&Recipient, (usize, Vec<bool>)> = base.recipients.iter().map(|to| (to, nothing())).collect();
    for draft in drafts {
        if draft.to.is_empty() {
            return Err(StateError::Record("a message is for nobody".to_owned()));
        }
        for to in &draft.to {
            let Some((messages, letters)) = got.get_mut(to) else {
                return Err(StateError::Record("a message is for somebody who is not to get it".to_owned()));
            };
            *messages += 1;
            for at in &draft.items {
                let is_new = letters.get_mut(*at).is_some_and(|named| !std::mem::replace(named, true));
                if !is_new {
                    return Err(StateError::Record("a letter is in two alerts, or is none of theirs".to_owned()));
                }
            }
        }
    }
    match got.values().find(|(messages, letters)| *messages == 0 || letters.contains(&false)) {
        Some((_, letters)) => {
            let missing = letters.iter().filter(|named| !**named).count();
            Err(StateError::Record(format!("{missing} letters are in no alert for one of its recipients")))
        }
        None => Ok(()),
    }
}

/// Composes. If that panics, which is a fault of mailbell's, the plain form has to do: one letter is not to stop all.
fn composed(
    compose: &Compose,
    recipients: &[Recipient],
    content: Content<'_>,
    shape: Shape,
) -> Result<Vec<Draft>, StateError> {
    if let Some(drafts) = caught(|| compose(recipients, content, shape)) {
        return Ok(drafts);
    }
    error!(plain = shape.plain, "an alert cannot be composed by a fault of mailbell's. Please report this");
    let plain = caught(|| compose(recipients, content, Shape { plain: true, ..shape }));
    plain.ok_or_else(|| StateError::Record("an alert cannot be composed".to_owned()))
}
