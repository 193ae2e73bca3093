//! The day's quota: an app may send its account cap (账号上限数) x 200 messages in a day, each counted once per person;
//! beyond that WeCom refuses until the natural day ends (wecom-api 4, p90454), and its days are those of UTC+8. What
//! would exceed it waits until midnight. The clock is the wall clock.
//!
//! Kept below it: 2 % of the cap, and 0.5 % for what is urgent. Our clock and WeCom's may differ, and a message arrives
//! after it left, so what is sent within [`EDGE`] of a midnight counts for the days on both sides of it.

use crate::model::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How far our midnight may be from WeCom's.
pub const EDGE: Duration = Duration::from_secs(60);

/// Person-sends a day for each account of the cap; of 200, what is not urgent may use 196.
const PER_ACCOUNT: u64 = 196;
/// What urgent ones may use of the 200.
const PER_ACCOUNT_URGENT: u64 = 199;

const HOUR_MS: i64 = 3_600_000;
const HOURS: i64 = 24;
const DAY_MS: i64 = HOURS * HOUR_MS;
/// WeCom's days begin so long before those of UTC.
const AHEAD_MS: i64 = 8 * HOUR_MS;
/// Hours that are remembered: 8 days, today among them.
const MOST_HOURS: usize = 192;
/// Hours by which the clock may have been set back.
const MOST_LATER: i64 = 48;
/// Days before today that a forecast goes by.
const PAST_DAYS: i64 = 7;
/// A forecast follows the last days at most so many times over.
const MOST_LIKE_PAST: f64 = 4.0;

/// Persons sent to, by the hour: the newest 192 hours in which there were any (so at least the last 8 days), below 2 KiB
/// when stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// Hours (since 1970-01-01T00:00+08:00) and persons, ascending.
    hours: Vec<(i64, u32)>,
    /// Days (as the hours) and persons that count for them as well, for they were sent close to their midnight.
    edges: Vec<(i64, u32)>,
}

/// Counts persons sent to at `wall`, to be stored before the try is made.
///
/// Hours later than `wall` are of a clock that was set back since, nobody knows when rightly: they count for today and
/// for their own day. Those more than two days later become the hour of `wall`, or they would count for long.
pub fn add(used: &mut Used, wall: Timestamp, persons: u32) {
    let (hour, day) = (hour_of(wall), day_of(wall));
    let believed = ..=hour.saturating_add(MOST_LATER);
    let beyond = used.hours.iter().filter(|(h, _)| !believed.contains(h));
    let beyond = beyond.fold(0_u32, |sum, (_, n)| sum.saturating_add(*n));
    used.hours.retain(|(h, _)| believed.contains(h));
    raise(&mut used.hours, hour, persons.saturating_add(beyond));
    used.hours.drain(..used.hours.len().saturating_sub(MOST_HOURS));
    // Yesterday's still matter for the first minute of today.
    used.edges.retain(|(d, _)| (day.saturating_sub(1)..=day.saturating_add(1)).contains(d));
    if let Some(other) = other_day(wall) {
        raise(&mut used.edges, other, persons);
    }
}

/// Takes back what [`add`] counted at `wall` (the same time): WeCom did not take it.
pub fn give_back(used: &mut Used, wall: Timestamp, persons: u32) {
    lower(&mut used.hours, hour_of(wall), persons);
    if let Some(other) = other_day(wall) {
        lower(&mut used.edges, other, persons);
    }
}

/// How many persons WeCom lets an app send to in a day.
pub fn of_the_day(cap: u32) -> u64 {
    u64::from(cap) * 200
}

/// Persons sent to today; those of later hours, of a clock that was set back, among them.
pub fn today(used: &Used, wall: Timestamp) -> u64 {
    let midnight = day_of(wall).saturating_mul(HOURS);
    used.hours.iter().filter(|(hour, _)| *hour >= midnight).map(|(_, n)| u64::from(*n)).sum()
}

/// Persons sent to in each of the last 24 hours, the oldest first, the one that is not over yet last.
pub fn by_hour(used: &Used, wall: Timestamp) -> [u32; 24] {
    let mut hour = hour_of(wall).saturating_sub(HOURS);
    [0_u32; 24].map(|_| {
        hour = hour.saturating_add(1);
        at(&used.hours, hour)
    })
}

/// To how many persons may still be sent today; `None`: without a cap there is no limit.
pub fn left(used: &Used, cap: Option<u32>, urgent: bool, wall: Timestamp) -> Option<u64> {
    let limit = u64::from(cap?) * if urgent { PER_ACCOUNT_URGENT } else { PER_ACCOUNT };
    let day = day_of(wall);
    let edge = |day: i64| used.edges.iter().filter(|(d, _)| *d == day).map(|(_, n)| u64::from(*n)).sum::<u64>();
    let other = other_day(wall).map(|other| match other < day {
        true => of_day(used, other) + edge(other),
        false => edge(other),
    });
    let counted = (today(used, wall) + edge(day)).max(other.unwrap_or(0));
    Some(limit.saturating_sub(counted))
}

/// Whether so many persons may be sent to now; if not, when to ask again (wall clock): when the next day begins, or when
/// the minute is over in which yesterday's may still count. Without a cap always. More
/// persons than a whole day's limit never find room: see [`left`] for how many would.
pub fn room(used: &Used, cap: Option<u32>, persons: u32, urgent: bool, wall: Timestamp) -> Result<(), Timestamp> {
    match left(used, cap, urgent, wall) {
        Some(left) if left < u64::from(persons) => Err(opens(wall)),
        _ => Ok(()),
    }
}

/// How many persons will have been sent to by midnight, if the day goes on like the last ones: what was sent today, and
/// for each hour that is left the mean of the last seven days' same hours, as much more or less as today was more or less
/// than they. Where none of them is known (before mailbell was first used), the hour is expected to be like today's.
pub fn forecast(used: &Used, wall: Timestamp) -> u64 {
    let (day, so_far) = (day_of(wall), today(used, wall));
    let Some((first, _)) = used.hours.first() else { return 0 };
    let passed = hours_since_midnight(wall);
    let (mut past, mut compared, mut coming, mut unknown, mut whole_day) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for hour in 0..HOURS {
        // How much of the hour is over, 0.0 to 1.0.
        let over = (passed - as_f64(hour)).clamp(0.0, 1.0);
        match mean(used, day, hour, *first) {
            Some(mean) => {
                past += mean * over;
                compared += as_f64(i64::from(at(&used.hours, day.saturating_mul(HOURS).saturating_add(hour))));
                coming += mean * (1.0 - over);
                whole_day += mean;
            }
            None => unknown += 1.0 - over,
        }
    }
    // A tenth of a day on both sides: little tells little.
    let little = whole_day / 10.0;
    let like_past = if little > 0.0 { ((compared + little) / (past + little)).min(MOST_LIKE_PAST) } else { 0.0 };
    let begun = as_f64((*first).saturating_sub(day.saturating_mul(HOURS)).clamp(0, HOURS));
    let pace = so_far as f64 / (passed - begun).max(1.0);
    so_far.saturating_add((coming * like_past + unknown * pace).round() as u64)
}

/// The mean of this hour of the last days; `None` if none of them is known. `first` is the first hour that is.
fn mean(used: &Used, day: i64, hour: i64, first: i64) -> Option<f64> {
    let same_hours = (1..=PAST_DAYS).map(|back| day.saturating_sub(back).saturating_mul(HOURS).saturating_add(hour));
    let known: Vec<_> = same_hours.filter(|h| *h >= first).map(|h| as_f64(i64::from(at(&used.hours, h)))).collect();
    (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
}

fn of_day(used: &Used, day: i64) -> u64 {
    let midnight = day.saturating_mul(HOURS);
    let hours = midnight..midnight.saturating_add(HOURS);
    used.hours.iter().filter(|(hour, _)| hours.contains(hour)).map(|(_, n)| u64::from(*n)).sum()
}

fn at(list: &[(i64, u32)], key: i64) -> u32 {
    list.iter().find(|(k, _)| *k == key).map_or(0, |(_, n)| *n)
}

fn raise(list: &mut Vec<(i64, u32)>, key: i64, by: u32) {
    match list.binary_search_by_key(&key, |(k, _)| *k) {
        Ok(i) => list.get_mut(i).into_iter().for_each(|(_, n)| *n = n.saturating_add(by)),
        Err(i) => list.insert(i, (key, by)),
    }
}

fn lower(list: &mut [(i64, u32)], key: i64, by: u32) {
    for (_, n) in list.iter_mut().filter(|(k, _)| *k == key) {
        *n = n.saturating_sub(by);
    }
}

fn hour_of(wall: Timestamp) -> i64 {
    wall.0.saturating_add(AHEAD_MS).div_euclid(HOUR_MS)
}

fn day_of(wall: Timestamp) -> i64 {
    hour_of(wall).div_euclid(HOURS)
}

fn since_midnight_ms(wall: Timestamp) -> i64 {
    wall.0.saturating_add(AHEAD_MS).rem_euclid(DAY_MS)
}

fn hours_since_midnight(wall: Timestamp) -> f64 {
    since_midnight_ms(wall) as f64 / HOUR_MS as f64
}

/// The next midnight; close behind one, the end of that.
fn opens(wall: Timestamp) -> Timestamp {
    let edge = i64::try_from(EDGE.as_millis()).unwrap_or(0);
    let early = edge.saturating_sub(since_midnight_ms(wall));
    if early > 0 {
        return Timestamp(wall.0.saturating_add(early));
    }
    Timestamp(wall.0.saturating_add(DAY_MS.saturating_sub(since_midnight_ms(wall))))
}

/// The day on the other side of a midnight that is close.
fn other_day(wall: Timestamp) -> Option<i64> {
    let edge = i64::try_from(EDGE.as_millis()).unwrap_or(0);
    match since_midnight_ms(wall) {
        early if early < edge => Some(day_of(wall).saturating_sub(1)),
        late if late >= DAY_MS.saturating_sub(edge) => Some(day_of(wall).saturating_add(1)),
        _ => None,
    }
}

fn as_f64(n: i64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2026-02-02T00:00:00+08:00, a Monday.
    const MONDAY: i64 = 1_769_961_600_000;
    const SECOND: i64 = 1000;

    /// This hour of the day `day` days after [`MONDAY`].
    fn at(day: i64, hour: i64) -> Timestamp {
        Timestamp(MONDAY + day * DAY_MS + hour * HOUR_MS)
    }

    #[test]
    fn the_last_day_is_told_by_the_hour() {
        let mut used = Used::default();
        for (hour, persons) in [(0, 7), (1, 1), (10, 2), (24, 3)] {
            add(&mut used, at(0, hour), persons);
        }
        let told = by_hour(&used, at(1, 0));
        assert_eq!((told[0], told[9], told[23], told.iter().sum::<u32>()), (1, 2, 3, 6));
    }

    fn restarted(used: &Used) -> Used {
        postcard::from_bytes(&postcard::to_stdvec(used).unwrap()).unwrap()
    }

    #[test]
    fn days_are_those_of_china() {
        let mut used = Used::default();
        add(&mut used, Timestamp(MONDAY - 2 * HOUR_MS), 5);
        assert_eq!(today(&used, Timestamp(MONDAY - 1)), 5);
        assert_eq!(today(&used, Timestamp(MONDAY)), 0);
        add(&mut used, at(0, 3), 7);
        assert_eq!((today(&used, at(0, 23)), today(&used, at(1, 0))), (7, 0));
    }

    #[test]
    fn who_asks_at_midnight_is_not_sent_away_for_a_day() {
        let (mut used, evening) = (Used::default(), at(0, 22));
        add(&mut used, evening, 196);
        let midnight = room(&used, Some(1), 1, false, evening).unwrap_err();
        assert_eq!(midnight, at(1, 0));
        let soon = room(&used, Some(1), 1, false, midnight).unwrap_err();
        assert_eq!(soon, midnight.plus(EDGE));
        assert_eq!(room(&used, Some(1), 1, false, soon), Ok(()));
    }

    #[test]
    fn the_reserve_is_for_urgent_ones_and_midnight_opens() {
        let (mut used, noon) = (Used::default(), at(0, 12));
        assert_eq!(room(&used, Some(500), 98_000, false, noon), Ok(()));
        assert_eq!(room(&used, Some(500), 98_001, false, noon), Err(at(1, 0)));
        add(&mut used, noon, 98_000);
        assert_eq!(room(&used, Some(500), 1, false, noon), Err(at(1, 0)));
        assert_eq!((left(&used, Some(500), true, noon), left(&used, Some(500), false, noon)), (Some(1500), Some(0)));
        assert_eq!(room(&used, Some(500), 1500, true, noon), Ok(()));
        assert_eq!(room(&used, Some(500), 1501, true, noon), Err(at(1, 0)));
        assert_eq!(room(&used, Some(501), 1, false, noon), Ok(()), "a raised cap counts at once");
        assert_eq!((room(&used, None, u32::MAX, false, noon), left(&used, None, false, noon)), (Ok(()), None));
        assert_eq!(room(&used, Some(500), 98_000, false, at(1, 1)), Ok(()));
    }

    #[test]
    fn what_was_not_taken_is_given_back() {
        let (mut used, late) = (Used::default(), Timestamp(MONDAY + DAY_MS - 1));
        add(&mut used, late, 30);
        give_back(&mut used, late, 10);
        assert_eq!((today(&used, late), left(&used, Some(1), false, at(1, 0))), (20, Some(176)));
        give_back(&mut used, late, 100);
        assert_eq!((today(&used, late), left(&used, Some(1), false, at(1, 0))), (0, Some(196)));
        give_back(&mut used, at(3, 3), 5);
        assert_eq!(today(&used, at(3, 3)), 0, "never below nothing");
    }

    #[test]
    fn around_midnight_both_days_count() {
        let (before, after) = (Timestamp(MONDAY - 30 * SECOND), Timestamp(MONDAY + 30 * SECOND));
        let mut used = Used::default();
        add(&mut used, before, 150);
        assert_eq!(left(&used, Some(1), false, after), Some(46), "it may have arrived on Monday");
        add(&mut used, after, 40);
        assert_eq!(left(&used, Some(1), false, after), Some(6));
        assert_eq!(left(&used, Some(1), false, at(0, 1)), Some(6), "all through Monday");
        assert_eq!(left(&used, Some(1), false, at(1, 1)), Some(196));
        assert_eq!((today(&used, before), today(&used, after)), (190, 40), "seen from before, later ones count");
        // Sunday was full: for WeCom it may still be Sunday.
        let mut full = Used::default();
        add(&mut full, at(-1, 20), 196);
        assert_eq!(room(&full, Some(1), 1, false, after), Err(Timestamp(MONDAY + 60 * SECOND)));
        assert_eq!(room(&full, Some(1), 196, false, Timestamp(MONDAY + 60 * SECOND)), Ok(()));
    }

    #[test]
    fn a_clock_set_back_gives_nothing_away() {
        let mut used = Used::default();
        add(&mut used, at(0, 12), 100);
        assert_eq!(left(&used, Some(1), false, at(0, 9)), Some(96), "within a day");
        assert_eq!(left(&used, Some(1), false, at(-1, 23)), Some(96), "over midnight");
        add(&mut used, at(-1, 23), 6);
        assert_eq!(left(&used, Some(1), false, at(-1, 23)), Some(90));
        assert_eq!(left(&used, Some(1), false, at(0, 12)), Some(96), "and set right again");
        // The clock had been a year ahead.
        let mut used = Used::default();
        add(&mut used, at(0, 12), 10);
        add(&mut used, at(365, 12), 100);
        add(&mut used, at(0, 13), 6);
        assert_eq!((today(&used, at(0, 14)), today(&used, at(1, 0))), (116, 0));
    }

    #[test]
    fn eight_days_are_remembered_in_little_space() {
        let mut used = Used::default();
        for hour in 0..1000 {
            add(&mut used, at(0, hour), 5000);
        }
        assert_eq!(used.hours.len(), MOST_HOURS);
        assert!(postcard::to_stdvec(&used).unwrap().len() < 2048);
    }

    #[test]
    fn odd_records_and_clocks_do_no_harm() {
        let far = [i64::MIN, -1, 0, i64::MAX];
        for (one, now) in far.into_iter().flat_map(|one| far.map(|now| (one, Timestamp(now)))) {
            let mut used = Used { hours: vec![(one, u32::MAX), (i64::MAX, u32::MAX)], edges: vec![(one, u32::MAX)] };
            let _ = (room(&used, Some(u32::MAX), u32::MAX, true, now), forecast(&used, now));
            add(&mut used, now, u32::MAX);
            give_back(&mut used, now, 1);
            assert!(today(&used, now) > 0);
        }
    }

    #[test]
    fn a_flat_day_goes_on_flat() {
        let mut used = Used::default();
        for hour in 0..7 * HOURS + 12 {
            add(&mut used, at(-7, hour), 100);
        }
        assert_eq!(forecast(&used, at(0, 12)), 2400);
        assert_eq!(forecast(&used, at(0, 12).plus(Duration::from_secs(1800))), 2311, "nothing for half an hour");
        assert_eq!(forecast(&used, Timestamp(at(1, 0).0 - 1)), 1200);
    }

    /// Days of 100 persons an hour from 8 to 18, as far as `now`.
    fn working_days(days: i64, now: i64, per_hour: u32) -> Used {
        let mut used = Used::default();
        for (day, hour) in (-days..0).flat_map(|day| (8..18).map(move |hour| (day, hour))) {
            add(&mut used, at(day, hour), 100);
        }
        for hour in 8..now.clamp(8, 18) {
            add(&mut used, at(0, hour), per_hour);
        }
        used
    }

    #[test]
    fn working_hours_follow_the_last_days() {
        for (hour, expected) in [(0, 1000), (8, 1000), (10, 1000), (13, 1000), (18, 1000), (23, 1000)] {
            assert_eq!(forecast(&working_days(7, hour, 100), at(0, hour)), expected, "at {hour}");
        }
        let busy = forecast(&working_days(7, 12, 300), at(0, 12));
        assert!((2500..3000).contains(&busy), "three times as much: {busy}");
        let holiday = forecast(&working_days(7, 12, 0), at(0, 12));
        assert!(holiday < 200, "a day off: {holiday}");
        assert_eq!(forecast(&working_days(1, 0, 0), at(0, 8)), 1000, "one day is enough");
    }

    #[test]
    fn weekends_count_as_what_they_were() {
        let mut used = Used::default();
        for (day, hour) in [-7, -6, -5, -4, -3].into_iter().flat_map(|day| (8..18).map(move |hour| (day, hour))) {
            add(&mut used, at(day, hour), 70);
        }
        assert_eq!(forecast(&used, at(0, 8)), 500, "five days of 700 in seven");
    }

    #[test]
    fn the_first_day_goes_by_its_own_pace() {
        assert_eq!(forecast(&Used::default(), at(0, 12)), 0);
        let mut used = Used::default();
        add(&mut used, at(0, 14), 50);
        assert_eq!(forecast(&used, at(0, 14)), 550, "the first hour counts as a whole one");
        add(&mut used, at(0, 15), 150);
        assert_eq!(forecast(&used, at(0, 16)), 1000, "two hours of 100, eight to come");
        assert_eq!(forecast(&used, Timestamp(at(1, 0).0 - 1)), 200);
    }

    #[test]
    fn hours_before_the_beginning_are_not_taken_for_quiet_ones() {
        let mut used = Used::default();
        for hour in 12..HOURS + 6 {
            add(&mut used, at(-1, hour), 100);
        }
        // From 6 to 12 by today's pace (600 in 6 hours), from 12 on by yesterday's.
        assert_eq!(forecast(&used, at(0, 6)), 600 + 600 + 1200);
    }

    proptest! {
        /// Whatever is sent, in groups, as soon as there is room: no day of WeCom's, whose clock differs from ours and
        /// where messages arrive up to two seconds late, sees more than the cap.
        #[test]
        fn never_more_than_the_cap_in_a_natural_day(
            cap in 1_u32..40,
            sends in proptest::collection::vec((0_i64..3_000_000, 0_u32..200, any::<bool>(), 0_i64..2000), 1..400),
            begin in 0_i64..DAY_MS,
            skew in -55_000_i64..55_000,
            refused in proptest::collection::vec(0_u8..10, 41),
            stored in proptest::collection::vec(any::<bool>(), 7),
        ) {
            let (mut used, mut now) = (Used::default(), MONDAY + begin);
            let mut taken: Vec<(i64, u64)> = Vec::new();
            for (i, (gap, persons, urgent, late)) in sends.into_iter().enumerate() {
                // Often just before midnight, and several at once.
                now += if gap % 3 == 0 { 0 } else { gap };
                if gap % 10 == 1 {
                    now = now.max(opens(Timestamp(now)).0 - gap % 3000);
                }
                while let Err(at) = room(&used, Some(cap), persons, urgent, Timestamp(now)) {
                    if u64::from(persons) > u64::from(cap) * PER_ACCOUNT {
                        break;
                    }
                    prop_assert!(at.0 > now && at.0 - now <= DAY_MS);
                    // Full at midnight itself while it may still be yesterday there.
                    now = if now < at.0 - DAY_MS + 60_000 { at.0 - DAY_MS + 60_000 } else { at.0 };
                }
                if room(&used, Some(cap), persons, urgent, Timestamp(now)).is_err() {
                    continue;
                }
                add(&mut used, Timestamp(now), persons);
                let refused = persons.min(u32::from(refused[i % 41]));
                taken.push((now + skew + late, u64::from(persons - refused)));
                give_back(&mut used, Timestamp(now), refused);
                if stored[i % 7] {
                    used = restarted(&used);
                }
            }
            let mut days = std::collections::HashMap::new();
            for (time, persons) in taken {
                *days.entry((time + AHEAD_MS).div_euclid(DAY_MS)).or_insert(0) += persons;
            }
            for (day, persons) in days {
                prop_assert!(persons <= u64::from(cap) * 200, "{persons} of {} on {day}", u64::from(cap) * 200);
            }
        }

        /// However often the clock is set within a day, its limit is used once.
        #[test]
        fn steps_of_the_clock_within_a_day_give_nothing_away(
            sends in proptest::collection::vec((0_i64..DAY_MS, 1_u32..50), 1..200),
        ) {
            let (mut used, mut taken) = (Used::default(), 0);
            for (offset, persons) in sends {
                let wall = Timestamp(MONDAY + offset);
                if room(&used, Some(2), persons, false, wall).is_ok() {
                    add(&mut used, wall, persons);
                    taken += u64::from(persons);
                }
            }
            prop_assert!(taken <= 400);
        }

        #[test]
        fn a_forecast_is_never_less_than_what_was_sent_and_ends_as_that(
            sends in proptest::collection::vec((0_i64..9 * DAY_MS, 0_u32..5000), 0..100),
            now in 0_i64..10 * DAY_MS,
        ) {
            let mut used = Used::default();
            for (offset, persons) in sends {
                add(&mut used, Timestamp(MONDAY + offset), persons);
            }
            let wall = Timestamp(MONDAY + now);
            prop_assert!(forecast(&used, wall) >= today(&used, wall));
            let midnight = Timestamp(MONDAY + (now.div_euclid(DAY_MS) + 1) * DAY_MS - 1);
            prop_assert_eq!(forecast(&used, midnight), today(&used, midnight));
        }
    }
}
