//! What waits, in memory: per recipient and class how many letters and when they may go; and who waits for the same
//! letters, so that one message serves them all.

use crate::model::{LetterNo, Now, Recipient, Timestamp, Urgency};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// While many letters come in, each waits so long for the next ...
pub(super) const HOLD: Duration = Duration::from_secs(10);
/// ... and none longer than this.
const HOLD_MOST: Duration = Duration::from_secs(60);
/// Digests are told so long after the full hour (or whatever their interval is), off the minutes :00 and :30.
const DIGEST_OFFSET_MS: i64 = 5 * 60_000;

/// What kind of letters wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Class {
    Urgent,
    Normal,
    Digest,
    /// Each of them until a moment of its own.
    Held,
}

impl Class {
    /// All of them.
    pub(super) const ALL: [Self; 4] = [Self::Urgent, Self::Normal, Self::Digest, Self::Held];

    pub(super) fn of(urgency: Urgency) -> Self {
        match urgency {
            Urgency::Urgent => Self::Urgent,
            Urgency::Normal => Self::Normal,
            Urgency::Digest | Urgency::Silent => Self::Digest,
        }
    }

    pub(super) fn byte(self) -> u8 {
        match self {
            Self::Urgent => 0,
            Self::Normal => 1,
            Self::Digest => 2,
            Self::Held => 3,
        }
    }

    pub(super) fn from_byte(byte: u8) -> Self {
        match byte {
            0 => Self::Urgent,
            2 => Self::Digest,
            3 => Self::Held,
            _ => Self::Normal,
        }
    }

    pub(super) fn urgency(self) -> Urgency {
        match self {
            Self::Urgent => Urgency::Urgent,
            Self::Normal => Urgency::Normal,
            Self::Digest | Self::Held => Urgency::Digest,
        }
    }
}

/// What waits for one recipient in one class.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) count: usize,
    /// Not to be sent before.
    pub(super) at: Timestamp,
    /// When the first of them came.
    first: Now,
    /// Equal where the letters are equal.
    print: u64,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: HashMap<(Recipient, Class), Waiting>,
    urgent: BTreeSet<(Timestamp, Recipient)>,
    others: BTreeSet<(Timestamp, Recipient, Class)>,
    groups: HashMap<(Class, u64), BTreeSet<Recipient>>,
    total: usize,
}

impl Queue {
    /// One more letter waits.
    pub(super) fn add(
        &mut self,
        recipient: &Recipient,
        class: Class,
        no: LetterNo,
        now: Now,
        due: Timestamp,
        digest_every: Duration,
    ) {
        let before = self.take_out(recipient, class);
        let due = if class == Class::Digest { due.max(digest_at(now, digest_every)) } else { due };
        let entry = match before {
            None => Waiting { count: 1, at: due, first: now, print: print(no) },
            Some(w) => Waiting {
                count: w.count + 1,
                at: match class {
                    Class::Digest => w.at,
                    Class::Held => w.at.min(due),
                    _ => w.at.max(due).min(w.first.steady.plus(HOLD_MOST).max(w.at)),
                },
                first: w.first,
                print: w.print ^ print(no),
            },
        };
        self.total += 1;
        self.put_back(recipient, class, entry);
    }

    /// These letters do not wait any more.
    pub(super) fn remove(&mut self, recipient: &Recipient, class: Class, letters: &[LetterNo]) {
        let Some(mut entry) = self.take_out(recipient, class) else { return };
        entry.count = entry.count.saturating_sub(letters.len());
        self.total = self.total.saturating_sub(letters.len());
        entry.print = letters.iter().fold(entry.print, |print_so_far, no| print_so_far ^ print(*no));
        if entry.count > 0 {
            self.put_back(recipient, class, entry);
        }
    }

    /// Nothing for this recipient in this class before `at`.
    pub(super) fn put_off(&mut self, recipient: &Recipient, class: Class, at: Timestamp) {
        if let Some(entry) = self.take_out(recipient, class) {
            self.put_back(recipient, class, Waiting { at: at.max(entry.at), ..entry });
        }
    }

    /// What waits for this recipient may be looked at again at once.
    pub(super) fn wake(&mut self, recipient: &Recipient, now: Timestamp) {
        for class in [Class::Urgent, Class::Normal] {
            if let Some(entry) = self.take_out(recipient, class) {
                self.put_back(recipient, class, Waiting { at: entry.at.min(now), ..entry });
            }
        }
    }

    /// Letters of urgency digest are told so often from now on.
    pub(super) fn plan_digests(&mut self, every: Duration, now: Now) {
        let digests: Vec<_> = self.waiting.keys().filter(|(_, class)| *class == Class::Digest).cloned().collect();
        for (recipient, class) in digests {
            if let Some(entry) = self.take_out(&recipient, class) {
                let came = Now { steady: now.steady.minus(now.wall.since(entry.first.wall)), wall: entry.first.wall };
                self.put_back(&recipient, class, Waiting { at: digest_at(came, every), ..entry });
            }
        }
    }

    /// The urgent ones that are due, the longest first.
    pub(super) fn urgent_due(&self, now: Timestamp) -> impl Iterator<Item = (&Recipient, Class)> {
        self.urgent.iter().take_while(move |(at, _)| *at <= now).map(|(_, recipient)| (recipient, Class::Urgent))
    }

    /// The others that are due, the longest first.
    pub(super) fn others_due(&self, now: Timestamp) -> impl Iterator<Item = (&Recipient, Class)> {
        self.others.iter().take_while(move |(at, ..)| *at <= now).map(|(_, recipient, class)| (recipient, *class))
    }

    /// When the first of the urgent ones may go, and of the others.
    pub(super) fn first(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        (self.urgent.first().map(|(at, _)| *at), self.others.first().map(|(at, ..)| *at))
    }

    pub(super) fn get(&self, recipient: &Recipient, class: Class) -> Option<&Waiting> {
        self.waiting.get(&(recipient.clone(), class))
    }

    /// Who else seems to wait for the same letters and may have them now.
    pub(super) fn companions(&self, recipient: &Recipient, class: Class, now: Timestamp) -> Vec<Recipient> {
        let Some(own) = self.get(recipient, class) else { return Vec::new() };
        let group = self.groups.get(&(class, own.print)).into_iter().flatten();
        let same = |other: &&Recipient| {
            *other != recipient && self.get(other, class).is_some_and(|w| w.count == own.count && w.at <= now)
        };
        group.filter(same).cloned().collect()
    }

    /// Letters that wait, each counted for each recipient.
    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// Recipients for whom something waits, and when it may go.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Recipient, Class, &Waiting)> {
        self.waiting.iter().map(|((recipient, class), waiting)| (recipient, *class, waiting))
    }

    fn take_out(&mut self, recipient: &Recipient, class: Class) -> Option<Waiting> {
        let entry = self.waiting.remove(&(recipient.clone(), class))?;
        match class {
            Class::Urgent => self.urgent.remove(&(entry.at, recipient.clone())),
            _ => self.others.remove(&(entry.at, recipient.clone(), class)),
        };
        if let Some(group) = self.groups.get_mut(&(class, entry.print)) {
            group.remove(recipient);
            if group.is_empty() {
                self.groups.remove(&(class, entry.print));
            }
        }
        Some(entry)
    }

    fn put_back(&mut self, recipient: &Recipient, class: Class, entry: Waiting) {
        match class {
            Class::Urgent => self.urgent.insert((entry.at, recipient.clone())),
            _ => self.others.insert((entry.at, recipient.clone(), class)),
        };
        self.groups.entry((class, entry.print)).or_default().insert(recipient.clone());
        self.waiting.insert((recipient.clone(), class), entry);
    }
}

/// A letter's part of the print: numbers spread over all bits (the finaliser of splitmix64), so that sets of letters
/// that differ have prints that differ. Whether they are equal is looked at again before anything is sent.
fn print(no: LetterNo) -> u64 {
    let mut x = no.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// When letters of urgency digest that come now are told (steady clock): at the next point of a grid of the wall clock.
fn digest_at(now: Now, every: Duration) -> Timestamp {
    let every = i64::try_from(every.as_millis()).unwrap_or(i64::MAX).max(60_000);
    let past = (now.wall.0 - DIGEST_OFFSET_MS).rem_euclid(every);
    Timestamp(now.steady.0.saturating_add(every - past))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> Recipient {
        Recipient::User(name.into())
    }

    fn at(ms: i64) -> Now {
        Now { steady: Timestamp(ms), wall: Timestamp(ms) }
    }

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn who_waits_for_the_same_letters_is_found() {
        let mut queue = Queue::default();
        for name in ["a", "b", "c"] {
            for no in [1, 2] {
                queue.add(&user(name), Class::Normal, LetterNo(no), at(0), Timestamp(0), HOUR);
            }
        }
        queue.add(&user("c"), Class::Normal, LetterNo(3), at(0), Timestamp(0), HOUR);
        assert_eq!(queue.companions(&user("a"), Class::Normal, Timestamp(0)), [user("b")]);
        queue.remove(&user("c"), Class::Normal, &[LetterNo(3)]);
        assert_eq!(queue.companions(&user("a"), Class::Normal, Timestamp(0)), [user("b"), user("c")]);
        queue.put_off(&user("b"), Class::Normal, Timestamp(5));
        assert_eq!(queue.companions(&user("a"), Class::Normal, Timestamp(4)), [user("c")]);
        assert_eq!(queue.total(), 6);
    }

    #[test]
    fn what_comes_in_a_flood_waits_for_its_like_but_not_for_ever() {
        let mut queue = Queue::default();
        for second in 0..100 {
            let now = at(second * 1000);
            queue.add(&user("a"), Class::Normal, LetterNo(1), now, now.steady.plus(HOLD), HOUR);
        }
        assert_eq!(queue.get(&user("a"), Class::Normal).unwrap().at, Timestamp(60_000));
        // One that comes alone waits for nobody, and does not wait less because others wait already.
        queue.add(&user("b"), Class::Normal, LetterNo(1), at(7), Timestamp(7), HOUR);
        assert_eq!(queue.get(&user("b"), Class::Normal).unwrap().at, Timestamp(7));
    }

    #[test]
    fn digests_come_five_minutes_past_and_once_in_their_interval() {
        let minute = 60_000;
        assert_eq!(digest_at(at(0), HOUR), Timestamp(5 * minute));
        assert_eq!(digest_at(at(5 * minute), HOUR), Timestamp(65 * minute));
        assert_eq!(digest_at(at(64 * minute), HOUR), Timestamp(65 * minute));
        let mut queue = Queue::default();
        queue.add(&user("a"), Class::Digest, LetterNo(1), at(6 * minute), Timestamp(6 * minute), HOUR);
        queue.add(&user("a"), Class::Digest, LetterNo(2), at(50 * minute), Timestamp(50 * minute), HOUR);
        assert_eq!(queue.first(), (None, Some(Timestamp(65 * minute))));
        queue.plan_digests(Duration::from_secs(600), at(51 * minute));
        assert_eq!(queue.first().1, Some(Timestamp(15 * minute)), "long due");
    }
}
