//! Time, by the clock on the wall: midnights, week ends, make-up days, clocks that are set; and a slow model that goes
//! minute by minute.

use super::*;
use jiff::civil::{date, time};
use proptest::prelude::*;

const MINUTE: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;

fn hours(texts: &[&str]) -> Hours {
    Hours::parse(texts).unwrap()
}

fn quiet(zone: &str, quiet: &[&str], work: Option<&[&str]>) -> Quiet {
    Quiet {
        quiet_hours: hours(quiet),
        work_hours: work.map(hours),
        zone: TimeZone::get(zone).unwrap(),
        days: Arc::new(Workdays::built_in()),
    }
}

/// A moment, written with its offset.
fn at(text: &str) -> Timestamp {
    Timestamp(text.parse::<Moment>().unwrap().as_millisecond())
}

/// Each row: a moment, and when quiet ends then.
fn ends(quiet: &Quiet, rows: &[(&str, Option<&str>)]) {
    for (now, end) in rows {
        assert_eq!(quiet.until(at(now)).map(|t| t.to_string()), end.map(|e| at(e).to_string()), "{now} {quiet:?}");
    }
}

#[test]
fn windows_hold_at_civil_times() {
    let days = Workdays::built_in();
    for (window, rows) in [
        (
            "09:00-18:00",
            vec![("2026-11-23T08:59:59.999", false), ("2026-11-23T09:00", true), ("2026-11-23T18:00", false)],
        ),
        ("18:00-24:00", vec![("2026-11-23T23:59:59.999", true), ("2026-11-24T00:00", false)]),
        // Friday is 2026-11-27; the window is Friday's.
        (
            "fri 22:00-08:00",
            vec![
                ("2026-11-27T07:00", false),
                ("2026-11-27T22:00", true),
                ("2026-11-28T07:59", true),
                ("2026-11-28T08:00", false),
                ("2026-11-28T23:00", false),
            ],
        ),
        ("sun 22:00-08:00", vec![("2026-11-30T07:00", true), ("2026-11-29T07:00", false)]),
        (
            "fri-mon",
            vec![
                ("2026-11-26T23:59", false),
                ("2026-11-27T00:00", true),
                ("2026-11-30T23:59", true),
                ("2026-12-01T00:00", false),
            ],
        ),
        // 2026-02-14 is a working Saturday, 02-15 a free Sunday, 02-16 a free Monday.
        (
            "workday 09:00-18:00",
            vec![("2026-02-14T09:00", true), ("2026-02-15T09:00", false), ("2026-02-16T09:00", false)],
        ),
        (
            "restday",
            vec![
                ("2026-02-14T12:00", false),
                ("2026-02-15T12:00", true),
                ("2026-02-16T12:00", true),
                ("2026-02-24T12:00", false),
            ],
        ),
        // Over midnight it is the day of the begin that is worked.
        (
            "workday 22:00-08:00",
            vec![("2026-02-15T07:00", true), ("2026-02-15T22:00", false), ("2026-02-24T07:00", false)],
        ),
        // A year that is missing: 2023-10-02 was a Monday and a holiday.
        ("workday", vec![("2023-10-02T12:00", true), ("2023-10-07T12:00", false)]),
        ("daily", vec![("-009999-01-01T00:00", true), ("9999-12-31T12:00", false)]),
    ] {
        let read = hours(&[window]);
        for (at, holds) in rows {
            // The last day of all has no midnight after it.
            assert_eq!(read.holds(at.parse().unwrap(), &days), holds, "{window} at {at}");
        }
    }
    let both = hours(&["mon 09:00-12:00", "mon 13:00-18:00"]);
    for (hour, holds) in [(8, false), (9, true), (12, false), (13, true), (18, false)] {
        assert_eq!(both.holds(date(2026, 11, 23).at(hour, 0, 0, 0), &days), holds, "{hour}");
    }
    assert!(!Hours::default().holds(date(2026, 11, 23).at(9, 0, 0, 0), &days), "no window never holds");
}

#[test]
fn quiet_ends_where_no_window_holds_any_more() {
    ends(
        &quiet("Asia/Shanghai", &["22:00-08:00", "sat,sun"], None),
        &[
            ("2026-11-23T21:59:59.999+08", None),
            ("2026-11-23T22:00:00+08", Some("2026-11-24T08:00:00+08")),
            ("2026-11-24T07:59:59.999+08", Some("2026-11-24T08:00:00+08")),
            ("2026-11-24T08:00:00+08", None),
            // Friday evening flows into the weekend, and that into Sunday's night.
            ("2026-11-27T23:00:00+08", Some("2026-11-30T08:00:00+08")),
            ("2026-11-29T12:34:56.789+08", Some("2026-11-30T08:00:00+08")),
        ],
    );
}

#[test]
fn outside_work_hours_it_is_quiet() {
    let work = quiet("Asia/Shanghai", &["12:00-13:30"], Some(&["workday 09:00-18:00"]));
    ends(
        &work,
        &[
            ("2026-11-23T08:00:00+08", Some("2026-11-23T09:00:00+08")),
            ("2026-11-23T11:59:00+08", None),
            ("2026-11-23T12:00:00+08", Some("2026-11-23T13:30:00+08")),
            ("2026-11-27T18:00:00+08", Some("2026-11-30T09:00:00+08")),
            // The Friday before the Spring Festival: Saturday is worked, then nine days are free.
            ("2026-02-13T19:00:00+08", Some("2026-02-14T09:00:00+08")),
            ("2026-02-14T18:00:00+08", Some("2026-02-24T09:00:00+08")),
            ("2026-10-07T10:00:00+08", Some("2026-10-08T09:00:00+08")),
            ("2026-10-09T18:30:00+08", Some("2026-10-10T09:00:00+08")),
        ],
    );
    // A quiet window over the begin of work, and work that begins in it.
    let early = quiet("Asia/Shanghai", &["22:00-10:00"], Some(&["mon-fri 09:00-18:00", "sat 08:00-09:30"]));
    ends(
        &early,
        &[
            ("2026-11-24T08:00:00+08", Some("2026-11-24T10:00:00+08")),
            ("2026-11-27T20:00:00+08", Some("2026-11-30T10:00:00+08")),
        ],
    );
    // The first of several begins is the next.
    let halves =
        quiet("Asia/Shanghai", &[], Some(&["mon-fri 13:00-18:00", "mon-fri 09:00-12:00", "mon-fri 15:00-19:00"]));
    ends(
        &halves,
        &[
            ("2026-11-23T08:00:00+08", Some("2026-11-23T09:00:00+08")),
            ("2026-11-23T12:00:00+08", Some("2026-11-23T13:00:00+08")),
            ("2026-11-23T18:30:00+08", None),
        ],
    );
    // None given: by nothing, or by an empty list.
    for none in [None, Some(&[][..])] {
        ends(&quiet("Asia/Shanghai", &[], none), &[("2026-11-23T03:00:00+08", None)]);
    }
}

#[test]
fn hours_that_stay_quiet_end_after_fourteen_days() {
    let from = "2026-11-23T08:00:00.5+08";
    let end = Some("2026-12-07T08:00:00+08");
    for always in [
        quiet("Asia/Shanghai", &["daily"], None),
        quiet("Asia/Shanghai", &["08:00-20:00", "20:00-08:00"], None),
        quiet("Europe/Berlin", &["workday", "restday"], None),
        quiet("Asia/Shanghai", &["fri"], Some(&["fri 09:00-18:00"])),
        quiet("Asia/Shanghai", &["08:00-09:00"], Some(&["08:00-09:00"])),
    ] {
        ends(&always, &[(from, end)]);
    }
    // Beginning to be heard exactly then, and a second later.
    ends(
        &quiet("Asia/Shanghai", &["mon-sun 08:00-07:00"], Some(&["mon 07:30-08:00"])),
        &[("2026-11-23T08:00:00+08", Some("2026-11-30T07:30:00+08"))],
    );
}

#[test]
fn clocks_that_are_set_forward_cut_no_window_short() {
    // 2026-03-29 02:00 CET is 03:00 CEST.
    ends(
        &quiet("Europe/Berlin", &["22:00-08:00"], None),
        &[("2026-03-28T22:00:00+01", Some("2026-03-29T08:00:00+02"))],
    );
    let in_the_gap = quiet("Europe/Berlin", &["02:30-04:00"], None);
    ends(&in_the_gap, &[("2026-03-29T01:59:59+01", None), ("2026-03-29T03:00:00+02", Some("2026-03-29T04:00:00+02"))]);
    ends(
        &quiet("Europe/Berlin", &["00:00-02:30"], None),
        &[("2026-03-29T01:00:00+01", Some("2026-03-29T03:00:00+02"))],
    );
    ends(
        &quiet("Europe/Berlin", &["00:00-02:00"], None),
        &[("2026-03-29T01:00:00+01", Some("2026-03-29T03:00:00+02"))],
    );
    // All of it is left out.
    ends(&quiet("Europe/Berlin", &["02:10-02:50"], None), &[("2026-03-29T03:00:00+02", None)]);
    ends(
        &quiet("Europe/Berlin", &[], Some(&["02:10-02:50"])),
        &[("2026-03-29T00:00:00+01", Some("2026-03-30T02:10:00+02"))],
    );
    // After the years that the zone's table has.
    ends(
        &quiet("Europe/Berlin", &["01:00-02:30"], None),
        &[("2050-03-27T01:30:00+01", Some("2050-03-27T03:00:00+02"))],
    );
    ends(
        &quiet("America/New_York", &["00:00-02:30"], None),
        &[("2026-03-08T00:00:00-05", Some("2026-03-08T03:00:00-04"))],
    );
    // Half an hour: 2026-10-04 02:00 is 02:30.
    ends(
        &quiet("Australia/Lord_Howe", &["02:10-02:40"], None),
        &[("2026-10-04T02:30:00+11", Some("2026-10-04T02:40:00+11")), ("2026-10-04T01:59:59+10:30", None)],
    );
    // A whole day: Samoa had no 2011-12-30, a Friday.
    ends(&quiet("Pacific/Apia", &["thu", "fri"], None), &[("2011-12-29T12:00:00-10", Some("2011-12-31T00:00:00+14"))]);
    ends(&quiet("Pacific/Apia", &[], Some(&["fri"])), &[("2011-12-29T12:00:00-10", Some("2012-01-06T00:00:00+14"))]);
}

#[test]
fn clocks_that_are_set_back_cut_no_window_short() {
    // 2026-10-25 03:00 CEST is 02:00 CET.
    ends(
        &quiet("Europe/Berlin", &["22:00-08:00"], None),
        &[("2026-10-24T22:00:00+02", Some("2026-10-25T08:00:00+01"))],
    );
    let from = quiet("Europe/Berlin", &["02:30-04:00"], None);
    ends(
        &from,
        &[
            ("2026-10-25T02:29:59+02", None),
            ("2026-10-25T02:30:00+02", Some("2026-10-25T04:00:00+01")),
            ("2026-10-25T02:10:00+01", Some("2026-10-25T04:00:00+01")),
        ],
    );
    let to = quiet("Europe/Berlin", &["01:00-02:30"], None);
    ends(
        &to,
        &[
            ("2026-10-25T02:50:00+02", Some("2026-10-25T02:30:00+01")),
            ("2026-10-25T02:29:59+01", Some("2026-10-25T02:30:00+01")),
            ("2026-10-25T02:30:00+01", None),
        ],
    );
    ends(
        &quiet("America/New_York", &["00:00-01:30"], None),
        &[("2026-11-01T01:45:00-04", Some("2026-11-01T01:30:00-05"))],
    );
    ends(
        &quiet("Australia/Lord_Howe", &["00:00-01:45"], None),
        &[("2026-04-05T01:50:00+11", Some("2026-04-05T01:45:00+10:30"))],
    );
    // Havana's 00:00 to 01:00 comes twice: Saturday ends at the second midnight.
    ends(&quiet("America/Havana", &["sat"], None), &[("2026-11-01T00:30:00-04", Some("2026-11-01T00:00:00-05"))]);
    // Over midnight: in Newfoundland 2010-11-07 00:01, a Sunday, was Saturday 23:01.
    let sunday = quiet("America/St_Johns", &["sun"], None);
    ends(
        &sunday,
        &[("2010-11-06T23:30:00-03:30", Some("2010-11-08T00:00:00-03:30")), ("2010-11-06T23:30:00-02:30", None)],
    );
    let friday = quiet("America/St_Johns", &["fri 23:59-23:58"], None);
    ends(&friday, &[("2010-11-07T00:00:30-02:30", Some("2010-11-06T23:58:00-03:30"))]);
}

#[test]
fn the_ends_of_time_are_no_trouble() {
    let always = quiet("Europe/Berlin", &["daily"], Some(&["workday 09:00-18:00"]));
    for ms in [i64::MIN, i64::MAX, Moment::MIN.as_millisecond(), Moment::MAX.as_millisecond()] {
        assert!(always.until(Timestamp(ms)).is_none_or(|end| end.0 > ms), "{ms}");
        let digests = Digests::at(&["00:00"], TimeZone::get("Europe/Berlin").unwrap()).unwrap();
        assert!(digests.next(Timestamp(ms)).0 > ms || ms == i64::MAX);
        assert!(Digests::Every(Duration::MAX).next(Timestamp(ms)).0 > ms || ms == i64::MAX);
    }
}

#[test]
fn digests_come_five_minutes_past_and_once_in_their_interval() {
    let hourly = Digests::Every(Duration::from_secs(3600));
    for (now, next) in [(0, 5), (5, 65), (64, 65), (65, 125)] {
        assert_eq!(hourly.next(Timestamp(now * MINUTE)), Timestamp(next * MINUTE));
    }
    assert_eq!(Digests::Every(Duration::from_secs(600)).next(Timestamp(51 * MINUTE)), Timestamp(55 * MINUTE));
    assert_eq!(Digests::Every(Duration::ZERO).next(Timestamp(1)), Timestamp(MINUTE), "not without a pause");
    assert_eq!(hourly.next(Timestamp(-1)), Timestamp(5 * MINUTE));
}

#[test]
fn digests_come_at_their_times_of_each_day() {
    let next = |zone: &str, times: &[&str], rows: &[(&str, &str)]| {
        let digests = Digests::at(times, TimeZone::get(zone).unwrap()).unwrap();
        for (now, then) in rows {
            assert_eq!(digests.next(at(now)), at(then), "{zone} {times:?} {now}");
        }
    };
    next(
        "Asia/Shanghai",
        &["14:00", "09:00"],
        &[
            ("2026-11-23T08:59:59.999+08", "2026-11-23T09:00:00+08"),
            ("2026-11-23T09:00:00+08", "2026-11-23T14:00:00+08"),
            ("2026-11-23T14:00:00+08", "2026-11-24T09:00:00+08"),
            ("2026-12-31T23:00:00+08", "2027-01-01T09:00:00+08"),
        ],
    );
    // A gap: the first moment after it. A fold: once.
    next(
        "Europe/Berlin",
        &["02:30"],
        &[
            ("2026-03-29T01:00:00+01", "2026-03-29T03:00:00+02"),
            ("2026-03-29T03:00:00+02", "2026-03-30T02:30:00+02"),
            ("2026-10-25T02:00:00+02", "2026-10-25T02:30:00+02"),
            ("2026-10-25T02:30:00+02", "2026-10-26T02:30:00+01"),
            ("2026-10-25T02:10:00+01", "2026-10-26T02:30:00+01"),
        ],
    );
    next(
        "Pacific/Apia",
        &["12:00"],
        &[("2011-12-29T12:00:00-10", "2011-12-31T00:00:00+14"), ("2011-12-31T00:00:00+14", "2011-12-31T12:00:00+14")],
    );
    let none = Digests::At { times: Vec::new(), zone: TimeZone::UTC };
    assert_eq!(none.next(Timestamp(0)), Timestamp(5 * MINUTE), "hourly");
    let unsorted = Digests::At { times: vec![time(9, 0, 0, 0), time(8, 0, 0, 0)], zone: TimeZone::UTC };
    assert_eq!(unsorted.next(Timestamp(0)), Timestamp(8 * 60 * MINUTE));
}

/// The rule said in another way: a window from B to E holds at a moment when a clock on the wall has shown B or later by
/// then, and shows a time before E from then on, or E later. Around a fold that is more than what it shows now.
struct Model<'a> {
    quiet: &'a Quiet,
    first: i64,
    /// The latest time shown by each minute, and the earliest that will be shown from it on.
    shown: Vec<(DateTime, DateTime)>,
}

impl<'a> Model<'a> {
    fn new(quiet: &'a Quiet, now: i64, days: i64) -> Self {
        let first = now - DAY_MS / 2;
        let minutes = (now + days * DAY_MS - first) / MINUTE;
        let civil = |minute| quiet.zone.to_datetime(Moment::from_millisecond(first + minute * MINUTE).unwrap());
        let mut shown: Vec<_> = (0..=minutes).map(civil).map(|civil| (civil, civil)).collect();
        for i in 1..shown.len() {
            shown[i].0 = shown[i].0.max(shown[i - 1].0);
        }
        for i in (1..shown.len()).rev() {
            shown[i - 1].1 = shown[i - 1].1.min(shown[i].1);
        }
        Self { quiet, first, shown }
    }

    fn holds(&self, hours: &Hours, (latest, earliest, later): (DateTime, DateTime, DateTime)) -> bool {
        let dates = [earliest.date().yesterday().unwrap(), earliest.date(), latest.date()];
        hours.0.iter().any(|window| {
            dates.iter().any(|date| {
                let days = window.days;
                let worked = self.quiet.days.is_workday(*date);
                let of_week = days.week & (1 << (date.weekday().to_monday_one_offset() - 1)) != 0;
                let minute = |n: u16| {
                    let on = if n / DAY == 0 { *date } else { date.tomorrow().unwrap() };
                    on.at((n % DAY / 60) as i8, (n % 60) as i8, 0, 0)
                };
                (of_week || (worked && days.workdays) || (!worked && days.restdays))
                    && minute(window.begin) <= latest
                    && (earliest < minute(window.end) || later <= minute(window.end))
            })
        })
    }

    fn is_quiet(&self, ms: i64) -> bool {
        let minute = usize::try_from((ms - self.first) / MINUTE).unwrap();
        let shown = (self.shown[minute].0, self.shown[minute].1, self.shown[minute + 1].1);
        let work = self.quiet.work_hours.as_ref().filter(|work| !work.is_empty());
        self.holds(&self.quiet.quiet_hours, shown) || work.is_some_and(|work| !self.holds(work, shown))
    }
}

const ZONES: [(&str, &str); 11] = [
    ("Asia/Shanghai", "2026-02-14T00:00:00Z"),
    ("Asia/Shanghai", "2026-12-31T00:00:00Z"),
    ("Europe/Berlin", "2026-03-29T01:00:00Z"),
    ("Europe/Berlin", "2026-10-25T01:00:00Z"),
    ("America/New_York", "2026-03-08T07:00:00Z"),
    ("America/New_York", "2026-11-01T06:00:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
    ("America/Havana", "2026-11-01T05:00:00Z"),
    ("Africa/Cairo", "2026-10-29T21:00:00Z"),
    ("America/St_Johns", "2010-11-07T02:31:00Z"),
];

/// Windows, many with edges in the small hours, where clocks are set.
fn windows(most: usize) -> impl Strategy<Value = Hours> {
    let edge = prop_oneof![0..=300_u16, 0..DAY, Just(0), Just(120), Just(150)];
    let days = (prop_oneof![Just(0x7f_u8), 1..0x80_u8, Just(0)], any::<bool>(), any::<bool>());
    let one = (days, edge.clone(), edge).prop_filter_map("no window", |((week, workdays, restdays), begin, end)| {
        let days = Days { week, workdays, restdays };
        let end = if end <= begin { end + DAY } else { end };
        (days != Days::default() && end - begin <= DAY).then_some(Window { days, begin, end })
    });
    prop::collection::vec(one, 0..=most).prop_map(Hours)
}

fn quiets() -> impl Strategy<Value = (Quiet, i64)> {
    let place = prop::sample::select(&ZONES[..]);
    (place, windows(3), prop::option::of(windows(3)), -4000..1500_i64).prop_map(
        |((zone, change), quiet, work, minutes)| {
            let days = Arc::new(Workdays::built_in());
            let quiet = Quiet { quiet_hours: quiet, work_hours: work, zone: TimeZone::get(zone).unwrap(), days };
            (quiet, at(change).0 + minutes * MINUTE)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// For four days, which has all edges that there are in it; longer waits are rows of the tables above.
    #[test]
    fn quiet_is_what_the_slow_model_says((quiet, now) in quiets(), sub_minute in 0..MINUTE) {
        let model = Model::new(&quiet, now, 5);
        let span = (now..now + 4 * DAY_MS).step_by(60_000);
        let found = quiet.until(Timestamp(now + sub_minute));
        prop_assert_eq!(found.is_some(), model.is_quiet(now));
        match span.clone().find(|ms| !model.is_quiet(*ms)) {
            Some(end) if end > now => prop_assert_eq!(found, Some(Timestamp(end))),
            Some(_) => prop_assert_eq!(found, None),
            None => prop_assert!(found.is_some_and(|end| end.0 >= now + 4 * DAY_MS)),
        }
    }

    #[test]
    fn an_end_is_an_end_and_never_moves_back((quiet, now) in quiets(), later in 1..4 * DAY_MS) {
        let (now, later) = (Timestamp(now), Timestamp(now + later));
        if let Some(end) = quiet.until(now) {
            let longest = now.plus(LONGEST_QUIET);
            prop_assert!(end > now && end <= longest && end.0 % 1000 == 0);
            prop_assert!(end == longest || quiet.until(end).is_none());
            match quiet.until(later) {
                Some(_) if later < end => prop_assert!(quiet.until(later) >= Some(end)),
                None if later < end => prop_assert!(false, "quiet until {end}, but not at {later}"),
                _ => {}
            }
            if end < longest && later < end {
                prop_assert_eq!(quiet.until(later), Some(end));
            }
        }
    }

    /// In a zone whose clocks are never set, the civil rule and the rule of moments are one.
    #[test]
    fn hours_hold_as_they_are_quiet(hours in windows(4), minutes in 0..10_000_000_i64) {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let now = at("2010-01-01T00:00:00Z").0 + minutes * MINUTE;
        let civil = zone.to_datetime(Moment::from_millisecond(now).unwrap());
        let days = Arc::new(Workdays::built_in());
        let holds = hours.holds(civil, &days);
        let quiet = Quiet { quiet_hours: hours, work_hours: None, zone, days };
        prop_assert_eq!(quiet.until(Timestamp(now)).is_some(), holds);
    }

    #[test]
    fn digests_come_after_now_and_none_is_left_out(
        (zone, change) in prop::sample::select(&ZONES[..]),
        times in prop::collection::vec((0..24_i8, 0..60_i8), 1..4),
        minutes in -3000..3000_i64,
        sub_minute in 0..MINUTE,
    ) {
        let times: Vec<_> = times.into_iter().map(|(hour, minute)| time(hour, minute, 0, 0)).collect();
        let digests = Digests::At { times: times.clone(), zone: TimeZone::get(zone).unwrap() };
        let now = Timestamp(at(change).0 + minutes * MINUTE + sub_minute);
        let next = digests.next(now);
        prop_assert!(next > now && next <= now.plus(Duration::from_secs(25 * 3600)));
        let before = Timestamp(now.0.midpoint(next.0));
        prop_assert!(before == now || digests.next(before) == next);
        let shown = digests.next(next) > next;
        prop_assert!(shown);
    }
}
