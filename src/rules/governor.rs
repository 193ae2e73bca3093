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
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: i64 = 60_000;
    const HOUR: i64 = 3_600_000;

    fn secs(n: i64) -> Timestamp {
        Timestamp(n * 1000)
    }

    /// The stored form, written and read again: a restart.
    fn restarted(sent: &Sent) -> Sent {
        postcard::from_bytes(&postcard::to_stdvec(sent).unwrap()).unwrap()
    }

    /// The most that fall into any window of this length.
    fn most_in(window: i64, times: &[i64]) -> usize {
        let mut times = times.to_vec();
        times.sort_unstable();
        let mut begin = 0;
        (0..times.len())
            .map(|end| {
                while times[end] - times[begin] >= window {
                    begin += 1;
                }
                end - begin + 1
            })
            .max()
            .unwrap_or(0)
    }

    /// What WeCom counts must stay within its limits.
    fn keeps_wecoms_limits(arrived: &[i64]) {
        assert!(most_in(MINUTE, arrived) <= 30, "{} in a minute", most_in(MINUTE, arrived));
        assert!(most_in(HOUR, arrived) <= 1000, "{} in an hour", most_in(HOUR, arrived));
    }

    /// One recipient: letters come, what waits of a class goes as one message as soon as there is room, urgent ones
    /// first. `stored(n)`: whether the process is restarted after the n-th message; `late(n)`: how late it arrives.
    struct Run {
        sent: Vec<i64>,
        arrived: Vec<i64>,
        /// The longest wait of an urgent one, and of another one.
        longest: (i64, i64),
    }

    fn run(letters: &[(i64, bool)], stored: impl Fn(usize) -> bool, late: impl Fn(usize) -> i64) -> Run {
        let mut run = Run { sent: Vec::new(), arrived: Vec::new(), longest: (0, 0) };
        let (mut sent, mut clock) = (Sent::default(), letters[0].0);
        let (mut urgent, mut other): (Option<i64>, Option<i64>) = (None, None);
        let mut coming = letters.iter().peekable();
        loop {
            while let Some((at, is_urgent)) = coming.next_if(|(at, _)| *at <= clock) {
                let class = if *is_urgent { &mut urgent } else { &mut other };
                class.get_or_insert(*at);
            }
            let waiting = [(true, urgent), (false, other)].into_iter().filter(|(_, first)| first.is_some());
            let asked: Vec<_> = waiting.map(|(class, _)| (class, room(&sent, class, Timestamp(clock)))).collect();
            if let Some((is_urgent, _)) = asked.iter().find(|(_, room)| room.is_ok()) {
                match is_urgent {
                    true => run.longest.0 = run.longest.0.max(clock - urgent.take().unwrap()),
                    false => run.longest.1 = run.longest.1.max(clock - other.take().unwrap()),
                }
                note(&mut sent, *is_urgent, Timestamp(clock));
                if stored(run.sent.len()) {
                    sent = restarted(&sent);
                }
                run.arrived.push(clock + late(run.sent.len()));
                run.sent.push(clock);
                continue;
            }
            let opens = asked.iter().filter_map(|(_, room)| room.err()).map(|opens| opens.0).min();
            assert!(opens.is_none_or(|opens| opens > clock), "a wait goes forward");
            let next = coming.peek().map(|(at, _)| *at);
            match opens.into_iter().chain(next).min() {
                Some(time) => clock = time,
                None => return run,
            }
        }
    }

    #[test]
    fn a_storm_takes_turns() {
        for (is_urgent, at_once) in [(true, 28), (false, 27)] {
            let letters: Vec<_> = (0..4 * HOUR / 500).map(|n| (n * 500, is_urgent)).collect();
            let run = run(&letters, |_| false, |n| if n % 2 == 0 { 2000 } else { 0 });
            keeps_wecoms_limits(&run.arrived);
            assert_eq!(run.sent.iter().filter(|t| **t < 63_000).count(), at_once);
            let in_hour = most_in(HOUR, &run.sent);
            assert!((750..970).contains(&in_hour), "{in_hour}");
            assert!(run.longest.0.max(run.longest.1) <= 63_000, "{:?}", run.longest);
        }
    }

    #[test]
    fn urgent_ones_without_end_leave_a_place_to_the_others() {
        let letters: Vec<_> = (0..4 * HOUR / 500).map(|n| (n * 500, n % 240 != 100)).collect();
        let run = run(&letters, |_| false, |n| if n % 2 == 0 { 2000 } else { 0 });
        keeps_wecoms_limits(&run.arrived);
        assert!(most_in(HOUR, &run.sent) < 970, "{}", most_in(HOUR, &run.sent));
        assert!(run.longest.0 <= 63_000 && run.longest.1 <= 66_750, "{:?}", run.longest);
    }

    #[test]
    fn a_few_are_never_held_back() {
        let letters: Vec<_> = (0..3000).map(|n| (n * 7500, n % 3 == 0)).collect();
        assert_eq!(run(&letters, |_| false, |_| 0).longest, (0, 0));
        let some: Vec<_> = (0..20 * 27).map(|n| (n / 27 * 240_000 + n % 27 * 100, false)).collect();
        assert_eq!(run(&some, |_| false, |_| 0).longest, (0, 0), "27 at once, every four minutes");
    }

    #[test]
    fn two_of_a_minute_and_the_pace_are_kept_for_urgent_ones() {
        let mut sent = Sent::default();
        for _ in 0..27 {
            assert_eq!(room(&sent, false, secs(5)), Ok(()));
            note(&mut sent, false, secs(5));
        }
        assert_eq!(room(&sent, false, secs(6)), Err(secs(68)));
        note(&mut sent, false, secs(6));
        note(&mut sent, false, secs(6));
        assert_eq!(room(&sent, true, secs(6)), Err(secs(68)));
        assert_eq!((room(&sent, true, secs(68)), room(&sent, false, secs(68))), (Ok(()), Ok(())));
        // 500 of the hour: paced for others, not yet for urgent ones; 620: for all.
        let mut at = 0;
        let mut fill = |sent: &mut Sent, to: u32| {
            while used(sent, secs(at)).1 < to {
                at += 3;
                note(sent, false, secs(at));
            }
            secs(at)
        };
        let now = fill(&mut sent, 500);
        assert_eq!(room(&sent, false, now), Err(now.plus(PACE)));
        assert_eq!((room(&sent, true, now), room(&sent, false, now.plus(PACE))), (Ok(()), Ok(())));
        let now = fill(&mut sent, 620);
        assert_eq!(room(&sent, true, now), Err(now.plus(PACE)));
    }

    #[test]
    fn the_hour_is_full_at_last_and_opens_when_its_first_minute_has_gone() {
        // More than the pace lets through: only what was noted without asking.
        let mut sent = Sent::default();
        for n in 0..970 {
            note(&mut sent, false, secs(n * 3));
        }
        let now = secs(2950);
        assert_eq!(used(&sent, now).1, 970);
        let opens = Timestamp(62 * MINUTE);
        assert_eq!(room(&sent, false, now), Err(opens));
        assert_eq!(room(&sent, true, now), Ok(()), "urgent ones have ten more");
        assert_eq!(room(&sent, false, opens), Ok(()));
        for n in 0..10 {
            note(&mut sent, false, secs(2950 + n * 8));
        }
        assert_eq!(room(&sent, true, secs(3100)), Err(opens));
    }

    #[test]
    fn nothing_counts_for_ever() {
        let mut sent = Sent::default();
        assert!(is_idle(&sent, secs(0)));
        note(&mut sent, false, secs(59));
        assert_eq!((used(&sent, secs(59)), sent.last()), ((1, 1), Some(secs(59))));
        assert_eq!(used(&sent, secs(122)), (0, 1), "63 s later");
        assert!(!is_idle(&sent, Timestamp(62 * MINUTE - 1)));
        assert!(is_idle(&sent, Timestamp(62 * MINUTE)));
        note(&mut sent, false, secs(1_000_000));
        assert_eq!(sent.counts, [1]);
        assert!(!set_back(&mut sent, secs(1_000_000)), "nothing is later");
    }

    #[test]
    fn odd_records_and_clocks_do_no_harm() {
        let far = [i64::MIN, -1, 0, i64::MAX];
        for (first_minute, now) in far.into_iter().flat_map(|minute| far.map(|now| (minute, Timestamp(now)))) {
            let recent = vec![Timestamp(i64::MIN), Timestamp(i64::MAX)];
            let mut sent = Sent { recent, first_minute, counts: vec![u16::MAX; 100], other: Some(now) };
            let _ = (room(&sent, true, now), room(&sent, false, now), is_idle(&sent, now), used(&sent, now));
            note(&mut sent, true, now);
            note(&mut sent, false, now);
            assert!(sent.last() == Some(now) && sent.counts.len() <= 62, "{sent:?}");
        }
    }

    #[test]
    fn a_clock_set_back_gives_nothing_away_and_ends_its_wait() {
        let mut sent = Sent::default();
        for n in 0..29 {
            note(&mut sent, false, secs(10_000 + n));
        }
        let now = secs(5000);
        assert_eq!(room(&sent, true, now), Err(secs(5063)));
        assert_eq!(room(&sent, true, secs(5063)), Err(secs(5126)), "until the clock is where it was");
        assert!(set_back(&mut sent, now) && !set_back(&mut sent, now));
        assert_eq!((room(&sent, true, secs(5063)), used(&sent, now)), (Ok(()), (29, 29)));
    }

    /// Letters with gaps of every size, some of them in storms.
    fn letters() -> impl Strategy<Value = Vec<(i64, bool)>> {
        let storm = (1_usize..400, prop_oneof![Just(0_i64), 1_i64..3000, 3000_i64..12_000], 0_u32..=100);
        let quiet = prop_oneof![Just(0_i64), 0_i64..120_000, 0_i64..2 * HOUR];
        proptest::collection::vec((quiet, storm), 1..12).prop_map(|storms| {
            let mut at = 1_770_000_000_000;
            let mut letters = Vec::new();
            for (quiet, (count, gap, urgent)) in storms {
                at += quiet;
                for n in 0..u32::try_from(count).unwrap() {
                    at += gap;
                    letters.push((at, n * 37 % 100 < urgent));
                }
            }
            letters
        })
    }

    proptest! {
        #[test]
        fn wecom_never_counts_too_many_and_nobody_waits_long(
            letters in letters(),
            late in proptest::collection::vec(0_i64..=2000, 61),
            stored in proptest::collection::vec(any::<bool>(), 7),
        ) {
            prop_assert_eq!(LATE.as_millis(), 2000);
            let run = run(&letters, |n| stored[n % 7], |n| late[n % 61]);
            keeps_wecoms_limits(&run.arrived);
            prop_assert!(run.longest.0 <= 63_000 && run.longest.1 <= 66_750, "{:?}", run.longest);
        }

        /// A message at each moment at which there is room, of whichever class has room.
        #[test]
        fn the_greediest_sender_stays_within(
            urgent in proptest::collection::vec(any::<bool>(), 97),
            pauses in proptest::collection::vec(prop_oneof![Just(0_i64), 0_i64..9000, 0_i64..600_000], 53),
            late in proptest::collection::vec(0_i64..=2000, 61),
        ) {
            let (mut sent, mut clock, mut arrived, mut asked) = (Sent::default(), 0, Vec::new(), 0);
            while arrived.len() < 2500 {
                asked += 1;
                match room(&sent, urgent[asked % 97], Timestamp(clock)) {
                    Ok(()) => {
                        note(&mut sent, urgent[asked % 97], Timestamp(clock));
                        arrived.push(clock + late[arrived.len() % 61]);
                        clock += pauses[arrived.len() / 40 % 53] / 20;
                    }
                    Err(opens) => {
                        prop_assert!(opens.0 > clock && opens.0 - clock <= 63_000);
                        prop_assert_eq!(room(&sent, urgent[asked % 97], opens), Ok(()));
                        prop_assert!(room(&sent, urgent[asked % 97], Timestamp(opens.0 - 1)).is_err());
                        clock = opens.0;
                    }
                }
            }
            keeps_wecoms_limits(&arrived);
            prop_assert!(postcard::to_stdvec(&sent).unwrap().len() <= 320);
        }

        /// At restarts the clock leaps forward with time that has passed, or falls behind it, as far as one likes.
        #[test]
        fn clock_steps_never_allow_more(
            steps in proptest::collection::vec((0_i64..4000, 0_u8..60, 0_i64..2 * HOUR, any::<bool>()), 1..1500),
        ) {
            let (mut real, mut behind, mut sent, mut arrived) = (0_i64, 0_i64, Sent::default(), Vec::new());
            for (pass, what, span, urgent) in steps {
                real += pass;
                match what {
                    0 => behind += span,
                    1 => real += span,
                    2 => {
                        real += span;
                        behind += 2 * span;
                    }
                    _ => {}
                }
                let now = Timestamp(4_000_000_000 + real - behind);
                if what < 3 {
                    sent = restarted(&sent);
                    set_back(&mut sent, now);
                }
                while room(&sent, urgent, now).is_ok() {
                    note(&mut sent, urgent, now);
                    arrived.push(real);
                }
            }
            keeps_wecoms_limits(&arrived);
        }
    }
}
