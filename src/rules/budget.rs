//! The sync budget: at most S syncs per owner in any 60 minutes, so spread that a busy hour never ends in silence
//! (design: "Words", budget).

use crate::model::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The window of the promise.
pub const HOUR: Duration = Duration::from_secs(3600);

/// S and F.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// S: syncs in any 60 minutes, at least 1.
    pub syncs: u32,
    /// F: how many of them need not be paced, below S.
    pub free: u32,
    /// At least so long between two syncs.
    pub settle: Duration,
}

impl Allowance {
    /// The time between two paced syncs: 3600/(S-F) seconds, never rounded down.
    pub fn pace(&self) -> Duration {
        let paced = u64::from(self.syncs.saturating_sub(self.free).max(1));
        Duration::from_millis(3_600_000_u64.div_ceil(paced))
    }
}

/// The syncs that still count, by the steady clock. Never more than S entries, S being the highest of the hour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// The free ones of the last 60 minutes, ascending.
    pub free: Vec<Timestamp>,
    /// The paced ones of the last 60 minutes, ascending.
    pub paced: Vec<Timestamp>,
    /// The last of all.
    pub last: Option<Timestamp>,
}

/// Whether a sync may begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permit {
    /// Yes, once this is stored.
    Go(Spent),
    /// Not before this time.
    WaitUntil(Timestamp),
}

/// Asks for one sync at `now`. Entries later than `now` (a clock that was set back while nobody ran) count as `now`:
/// that may wait too long, never sync too often.
pub fn ask(spent: &Spent, allowance: &Allowance, now: Timestamp) -> Permit {
    let (mut free, mut paced) = (within_the_hour(&spent.free, now), within_the_hour(&spent.paced, now));
    let settled = spent.last.map_or(now, |t| t.min(now).plus(allowance.settle));
    if settled > now {
        return Permit::WaitUntil(settled);
    }
    // With one allowance this never waits; the syncs of an hour in which it was changed count together.
    if let Some(leaving) = nth_last(&free, &paced, allowance.syncs) {
        return Permit::WaitUntil(leaving.plus(HOUR));
    }
    let next_paced = paced.last().map_or(now, |t| t.plus(allowance.pace()));
    if next_paced <= now {
        paced.push(now);
        return Permit::Go(Spent { free, paced, last: Some(now) });
    }
    let room = usize::try_from(allowance.free).unwrap_or(usize::MAX);
    if free.len() < room {
        free.push(now);
        return Permit::Go(Spent { free, paced, last: Some(now) });
    }
    // With the limit lowered there may be more than F: the one whose leaving makes room.
    let leaving = free.len().checked_sub(room).and_then(|i| free.get(i));
    let next_free = leaving.filter(|_| room > 0).map(|t| t.plus(HOUR));
    Permit::WaitUntil(next_free.map_or(next_paced, |t| t.min(next_paced)))
}

fn within_the_hour(times: &[Timestamp], now: Timestamp) -> Vec<Timestamp> {
    times.iter().map(|t| (*t).min(now)).filter(|t| now.since(*t) < HOUR).collect()
}

/// The `n`-th last of both, if there are so many.
fn nth_last(free: &[Timestamp], paced: &[Timestamp], n: u32) -> Option<Timestamp> {
    let mut all = [free, paced].concat();
    all.sort();
    all.len().checked_sub(usize::try_from(n.max(1)).unwrap_or(usize::MAX)).and_then(|i| all.get(i)).copied()
}

/// How many syncs may still begin in the hour that ends `now`: S less those of the last 60 minutes. Some of them at
/// once, the others paced (see [`ask`]).
pub fn left(spent: &Spent, allowance: &Allowance, now: Timestamp) -> u32 {
    let used = within_the_hour(&spent.free, now).len() + within_the_hour(&spent.paced, now).len();
    allowance.syncs.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const S: u32 = 50;
    const F: u32 = 25;

    fn allowance(settle_ms: u64) -> Allowance {
        Allowance { syncs: S, free: F, settle: Duration::from_millis(settle_ms) }
    }

    fn most_in_an_hour(times: &[i64]) -> usize {
        times.iter().map(|end| times.iter().filter(|t| **t <= *end && end - **t < 3_600_000).count()).max().unwrap_or(0)
    }

    /// Runs a day of arrivals; answers the times of syncs and the longest wait.
    fn run(arrivals: &[i64], allowance: &Allowance, restart: impl Fn(usize, Spent) -> Spent) -> (Vec<i64>, i64) {
        let (mut spent, mut syncs, mut longest, mut clock) = (Spent::default(), Vec::new(), 0, 0);
        for (i, arrival) in arrivals.iter().enumerate() {
            clock = clock.max(*arrival);
            let asked = clock;
            loop {
                match ask(&spent, allowance, Timestamp(clock)) {
                    Permit::Go(after) => {
                        spent = restart(i, after);
                        syncs.push(clock);
                        longest = longest.max(clock - asked);
                        break;
                    }
                    Permit::WaitUntil(t) => {
                        assert!(t.0 > clock, "a wait goes forward");
                        clock = t.0;
                    }
                }
            }
        }
        (syncs, longest)
    }

    #[test]
    fn a_storm_waits_at_most_144_seconds() {
        let arrivals: Vec<i64> = (0..400).map(|i| i * 10).collect();
        let (syncs, longest) = run(&arrivals, &allowance(1000), |_, s| s);
        assert!(most_in_an_hour(&syncs) <= 50);
        assert_eq!(longest, 144_000);
        assert_eq!(syncs.iter().filter(|t| **t < 30_000).count(), 26, "25 free and one paced at once");
    }

    #[test]
    fn polling_every_72_seconds_holds_for_ever() {
        let arrivals: Vec<i64> = (0..1000).map(|i| i * 72_000).collect();
        let (syncs, longest) = run(&arrivals, &allowance(1000), |_, s| s);
        assert_eq!((longest, syncs.len()), (0, 1000));
        assert_eq!(most_in_an_hour(&syncs), 50);
    }

    #[test]
    fn one_sync_an_hour_is_one() {
        let small = Allowance { syncs: 1, free: 0, settle: Duration::ZERO };
        let (syncs, _) = run(&[0, 1, 2], &small, |_, s| s);
        assert_eq!(syncs, [0, 3_600_000, 7_200_000]);
    }

    #[test]
    fn what_is_left_goes_down_by_one_with_each_sync_and_comes_back_after_an_hour() {
        let (mut spent, mut now) = (Spent::default(), 0);
        assert_eq!(left(&spent, &allowance(0), Timestamp(now)), S);
        for n in 1..=F + 1 {
            let Permit::Go(after) = ask(&spent, &allowance(0), Timestamp(now)) else { panic!("no room for {n}") };
            spent = after;
            assert_eq!(left(&spent, &allowance(0), Timestamp(now)), S - n);
            now += 10;
        }
        assert_eq!(left(&spent, &allowance(0), Timestamp(3_599_999)), S - F - 1);
        assert_eq!(left(&spent, &allowance(0), Timestamp(now + 3_600_000)), S);
        let lowered = Allowance { syncs: 10, free: 5, settle: Duration::ZERO };
        assert_eq!(left(&spent, &lowered, Timestamp(now)), 0, "never below nothing");
        assert_eq!(left(&spent, &allowance(0), Timestamp(-5_000_000)), S - F - 1, "a clock set back gives nothing");
    }

    #[test]
    fn a_clock_set_back_gives_nothing_away() {
        let mut spent = Spent::default();
        let mut now = 10_000_000;
        while let Permit::Go(after) = ask(&spent, &allowance(0), Timestamp(now)) {
            spent = after;
            now += 1;
        }
        let Permit::WaitUntil(t) = ask(&spent, &allowance(0), Timestamp(5_000_000)) else { panic!("no room") };
        assert!(t.0 > 5_000_000 && t.0 <= 5_000_000 + 144_000);
    }

    proptest! {
        #[test]
        fn never_more_than_s_in_any_hour_and_never_silent(
            gaps in proptest::collection::vec(0_i64..400_000, 1..300),
            s in 1_u32..=50,
            f_share in 0_u32..100,
            settle in 0_u64..5000,
            stored in proptest::collection::vec(any::<bool>(), 300),
        ) {
            let limits = Allowance { syncs: s, free: (s - 1) * f_share / 100, settle: Duration::from_millis(settle) };
            let arrivals: Vec<i64> = gaps.iter().scan(0, |t, g| { *t += g; Some(*t) }).collect();
            // A restart is a trip through the stored form.
            let restart = |i: usize, spent: Spent| if stored[i] {
                postcard::from_bytes(&postcard::to_stdvec(&spent).unwrap()).unwrap()
            } else { spent };
            let (syncs, longest) = run(&arrivals, &limits, restart);
            prop_assert!(most_in_an_hour(&syncs) <= s as usize);
            let longest_allowed = limits.pace().as_millis() as i64 + settle as i64;
            prop_assert!(longest <= longest_allowed, "waited {longest} ms");
        }

        #[test]
        fn clock_steps_between_runs_never_allow_more(
            steps in proptest::collection::vec((0_i64..200_000, -10_000_000_i64..0), 1..60),
        ) {
            // `real` is time as it passes; the clock is set back now and then, never forward.
            let (mut real, mut shift, mut spent, mut syncs) = (0_i64, 0_i64, Spent::default(), Vec::new());
            for (pass, back) in steps {
                real += pass;
                if back % 7 == 0 { shift += back; }
                if let Permit::Go(after) = ask(&spent, &allowance(0), Timestamp(real + shift + 1_000_000_000)) {
                    spent = after;
                    syncs.push(real);
                }
            }
            prop_assert!(most_in_an_hour(&syncs) <= 50);
        }
    }
}
