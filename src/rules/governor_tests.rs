//! One recipient and what WeCom would count of it.

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
fn what_left_late_counts_from_then_on() {
    let mut sent = Sent::default();
    for _ in 0..27 {
        note(&mut sent, false, secs(0));
    }
    assert!(!ended(&mut sent, secs(0), secs(2)), "as usual");
    for _ in 0..27 {
        assert!(ended(&mut sent, secs(0), secs(20)));
    }
    assert!(!ended(&mut sent, secs(0), secs(30)), "all have ended");
    assert_eq!((room(&sent, false, secs(63)), used(&sent, secs(63))), (Err(secs(83)), (27, 27)));
    assert_eq!(room(&sent, false, secs(83)), Ok(()));
    // Longer on their way than the window: what went since has made the governor forget them.
    let mut sent = Sent::default();
    for _ in 0..27 {
        note(&mut sent, false, secs(0));
    }
    note(&mut sent, false, secs(64));
    assert_eq!(used(&sent, secs(64)).0, 1);
    for _ in 0..27 {
        assert!(ended(&mut sent, secs(0), secs(80)));
    }
    assert_eq!((used(&sent, secs(80)).0, room(&sent, false, secs(80))), (28, Err(secs(127))));
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
