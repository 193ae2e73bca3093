//! The governor: what one recipient may get. WeCom drops what one member gets of an app beyond 30 messages in a minute
//! or 1,000 in an hour, without an error (wecom-api 4, p90236), so we never send more. What finds no room waits, and
//! merges with what comes after it.
//!
//! Four rules, each with a margin for what we cannot see (a message arrives there up to [`LATE`] after it left here):
//!
//! | rule | urgent ones | others |
//! | --- | --- | --- |
//! | in 63 s | 28, and one that is not urgent | 27 |
//! | in 61 minutes | 980 | 970 |
//! | once so many of the hour are used, one per 7.5 s at most | 620 | 500 |
//!
//! One place of each 63 s is the others' own, so that urgent letters without end do not silence them: when none of them
//! was sent for 63 s, one may go as soon as half of the 7.5 s has passed.
//!
//! The third keeps a busy hour from ending in silence: 620 sent as fast as the first rule lets them take more than 22
//! minutes, and one per 7.5 s over the rest of 62 minutes, with the others' own places between them, makes less than 970
//! with them. So the second rule, whose waits would be long, is reached only by what was set back with the clock, and
//! whoever waits waits at most 63 s, or 67 s if not urgent.
//!
//! The clock is the steady one (`clock.rs`): it never runs ahead of the time that has passed, which no rule that knows
//! one clock alone could see. Times later than `now` count as `now`: that may wait too long, never send too often.

use crate::model::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A message is counted by WeCom at most so long after it left here.
pub const LATE: Duration = Duration::from_secs(2);
/// WeCom's minute and a margin that is longer than [`LATE`].
pub const WINDOW: Duration = Duration::from_secs(63);
/// The time between two messages once a good part of the hour is used.
pub const PACE: Duration = Duration::from_millis(7500);

const MINUTE_MS: i64 = 60_000;
/// Tries of a minute count until so many minutes after it have passed: at least 61 minutes, less than 62.
const MINUTES: i64 = 61;

/// What one class may use.
struct Allowance {
    /// In [`WINDOW`]: WeCom's 30 less one in reserve; urgent ones leave one to the others, and those leave two to them.
    in_window: usize,
    /// In 61 minutes: WeCom's 1,000 less 20 in reserve, and ten more that only urgent ones may use.
    in_hour: u32,
    /// From so many in the hour on they are paced.
    free: u32,
}

const URGENT: Allowance = Allowance { in_window: MOST_RECENT - 1, in_hour: 980, free: 620 };
const OTHERS: Allowance = Allowance { in_window: 27, in_hour: 970, free: 500 };

/// More of the newest tries are never asked for.
const MOST_RECENT: usize = 29;

/// What was sent to one recipient, as far as it still counts: at most 29 times and 62 counts, some 300 bytes when
/// stored. Each try is one, for WeCom may have counted it whatever became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The newest tries of the last [`WINDOW`], ascending; the last try of all is always there.
    recent: Vec<Timestamp>,
    /// The minute (of the clock) of the first count.
    first_minute: i64,
    /// Tries in that minute and in each one after it.
    counts: Vec<u16>,
    /// The last try that was not urgent.
    other: Option<Timestamp>,
}

impl Sent {
    /// The last try; `None` if there was none.
    pub fn last(&self) -> Option<Timestamp> {
        self.recent.last().copied()
    }

    /// The minutes that count at `now`, ascending, and the tries in each; later ones stand as the minute of `now`.
    fn hour(&self, now: Timestamp) -> impl Iterator<Item = (i64, u32)> {
        let present = minute_of(now);
        let minutes = (0_i64..).map(move |n| self.first_minute.saturating_add(n).min(present));
        let counted = minutes.zip(self.counts.iter().map(|count| u32::from(*count)));
        counted.filter(move |(minute, _)| present.saturating_sub(*minute) <= MINUTES)
    }

    fn in_hour(&self, now: Timestamp) -> u32 {
        self.hour(now).fold(0, |sum, (_, count)| sum.saturating_add(count))
    }

    /// When fewer than `most` of the hour count; `None`: now already.
    fn hour_opens(&self, most: u32, now: Timestamp) -> Option<Timestamp> {
        let mut left = self.in_hour(now);
        if left < most {
            return None;
        }
        let over = |minute: i64| Timestamp(minute.saturating_add(MINUTES + 1).saturating_mul(MINUTE_MS));
        self.hour(now).find_map(|(minute, count)| {
            left = left.saturating_sub(count);
            (left < most).then(|| over(minute))
        })
    }

    /// When fewer than `most` of the window count; without `beside`, if that is given.
    fn window_opens(&self, most: usize, beside: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let mut beside = beside;
        let counted = |time: &&Timestamp| beside.take_if(|other| *other == **time).is_none();
        let recent: Vec<_> = self.recent.iter().filter(counted).collect();
        let leaving = recent.len().checked_sub(most).and_then(|i| recent.get(i))?;
        later_than(now, (**leaving).min(now).plus(WINDOW))
    }

    /// When the pace lets the next one go.
    fn pace_opens(&self, free: u32, pace: Duration, now: Timestamp) -> Option<Timestamp> {
        let relaxed = self.hour_opens(free, now)?;
        later_than(now, self.last()?.min(now).plus(pace)).map(|due| due.min(relaxed))
    }

    /// When there is room within `may`.
    fn opens(&self, may: &Allowance, beside: Option<Timestamp>, pace: Duration, now: Timestamp) -> Option<Timestamp> {
        let window = self.window_opens(may.in_window, beside, now);
        let others = [window, self.hour_opens(may.in_hour, now), self.pace_opens(may.free, pace, now)];
        others.into_iter().flatten().max()
    }

    /// When the others' own place is free.
    fn own_opens(&self, now: Timestamp) -> Option<Timestamp> {
        let place = self.other.and_then(|other| later_than(now, other.min(now).plus(WINDOW)));
        let may = Allowance { in_window: MOST_RECENT, free: URGENT.free, ..OTHERS };
        place.max(self.opens(&may, None, PACE / 2, now))
    }
}

/// Whether one more message may go to this recipient at `now`; if not, when, should nothing be sent until then. Ask for
/// the urgent ones first: they may use what the others may not.
pub fn room(sent: &Sent, urgent: bool, now: Timestamp) -> Result<(), Timestamp> {
    let opens = match urgent {
        true => sent.opens(&URGENT, sent.other, PACE, now),
        false => sent.opens(&OTHERS, None, PACE, now).min(sent.own_opens(now)),
    };
    opens.map_or(Ok(()), Err)
}

/// Counts a try, to be stored before it is made. What counts no more is forgotten.
pub fn note(sent: &mut Sent, urgent: bool, now: Timestamp) {
    set_back(sent, now);
    if !urgent {
        sent.other = Some(now);
    }
    sent.recent.retain(|t| now.since(*t) < WINDOW);
    sent.recent.push(now);
    sent.recent.drain(..sent.recent.len().saturating_sub(MOST_RECENT));
    let present = minute_of(now);
    let gone = present.saturating_sub(MINUTES).saturating_sub(sent.first_minute).max(0);
    let gone = usize::try_from(gone).unwrap_or(usize::MAX);
    if gone >= sent.counts.len() {
        sent.counts.clear();
        sent.first_minute = present;
    } else {
        sent.counts.drain(..gone);
        sent.first_minute = sent.first_minute.saturating_add(i64::try_from(gone).unwrap_or(i64::MAX));
    }
    let at = usize::try_from(present.saturating_sub(sent.first_minute)).unwrap_or(0);
    if sent.counts.len() <= at {
        sent.counts.resize(at + 1, 0);
    }
    if let Some(count) = sent.counts.get_mut(at) {
        *count = count.saturating_add(1);
    }
}

/// A try that was counted at `noted` ended only `now`: WeCom may have counted it as late as that, where the message had
/// to wait for a token or for a connection. Tells whether that changed anything, and is to be stored.
pub fn ended(sent: &mut Sent, noted: Timestamp, now: Timestamp) -> bool {
    let at = sent.recent.iter().position(|t| *t == noted);
    // One that took longer than the window may be forgotten by now.
    if now.since(noted) <= LATE || at.is_none() && now.since(noted) < WINDOW {
        return false;
    }
    if let Some(at) = at {
        sent.recent.remove(at);
    }
    sent.recent.push(now);
    sent.recent.sort_unstable();
    sent.recent.drain(..sent.recent.len().saturating_sub(MOST_RECENT));
    if sent.other == Some(noted) {
        sent.other = Some(now);
    }
    true
}

/// Makes times later than `now` (of a clock that was set back while nobody ran) `now` for good, so that they end their
/// wait; tells whether there were any. Worth a call when the store is opened, for [`room`] takes them as `now` whenever
/// it is asked.
pub fn set_back(sent: &mut Sent, now: Timestamp) -> bool {
    let before = (sent.last(), sent.first_minute, sent.counts.len());
    for time in sent.recent.iter_mut().chain(&mut sent.other) {
        *time = (*time).min(now);
    }
    let present = minute_of(now);
    sent.first_minute = sent.first_minute.min(present);
    let kept = usize::try_from(present.saturating_sub(sent.first_minute)).unwrap_or(usize::MAX);
    if let Some(later) = kept.checked_add(1).filter(|from| *from < sent.counts.len()) {
        let sum = sent.counts.drain(later..).fold(0_u16, u16::saturating_add);
        if let Some(last) = sent.counts.last_mut() {
            *last = last.saturating_add(sum);
        }
    }
    before != (sent.last(), sent.first_minute, sent.counts.len())
}

/// Whether nothing of it counts any more: then it need not be kept.
pub fn is_idle(sent: &Sent, now: Timestamp) -> bool {
    used(sent, now) == (0, 0)
}

/// What counts at `now`: messages in the last 63 s (no more than 29 are known) and in the last 61 minutes.
pub fn used(sent: &Sent, now: Timestamp) -> (usize, u32) {
    let recent = sent.recent.iter().filter(|t| now.since((**t).min(now)) < WINDOW).count();
    (recent, sent.in_hour(now))
}

fn minute_of(time: Timestamp) -> i64 {
    time.0.div_euclid(MINUTE_MS)
}

fn later_than(now: Timestamp, time: Timestamp) -> Option<Timestamp> {
    (time > now).then_some(time)
}

#[cfg(test)]
#[path = "governor_tests.rs"]
mod tests;
