//! Times of the week in which people may be rung, or not: windows as people write them ("mon-fri 09:00-18:00",
//! "工作日 22:00-08:00"), quiet hours and work hours made of them, and when digests are told.
//!
//! A window is civil time. Where the clocks of a zone are set, nothing is cut short: an edge at a time that does not exist
//! is the first moment after the gap; of a time that comes twice, a window begins at the first and ends at the second.

mod text;
pub use text::HoursError;

use super::workdays::Workdays;
use crate::model::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp as Moment};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use text::{WEEK, Wrong};

/// Nobody is left alone for longer than this, whatever the hours say.
pub const LONGEST_QUIET: Duration = Duration::from_secs(14 * 86_400);
/// More windows in one list are refused: nobody wrote these by hand.
pub const MOST_WINDOWS: usize = 50;

const DAY: u16 = 24 * 60;
/// Clocks were set by as much as a day, where a country changed its side of the date line.
const DAYS_THAT_REACH_NOW: std::ops::RangeInclusive<i64> = -2..=1;
/// Digests are told so long after the full hour (or whatever their interval is), off the minutes :00 and :30.
const DIGEST_OFFSET_MS: i64 = 5 * 60_000;

/// Windows of time: they hold where any of them does. The default has none and never holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hours(Vec<Window>);

/// One window: it begins on these days, so many minutes after their midnight, and is over at `end`, which may be on the
/// day after (more than [`DAY`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    days: Days,
    begin: u16,
    end: u16,
}

/// Days of the week (bit 0 is Monday), and those that are worked or are not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Days {
    week: u8,
    workdays: bool,
    restdays: bool,
}

impl Hours {
    /// Reads windows, each written `[DAYS] [HH:MM-HH:MM]` with at least one of both.
    ///
    /// DAYS is a list with commas of `mon` to `sun` (`周一` to `周日`), ranges of them that may go over the week's end
    /// (`fri-mon`), `workday` (`工作日`), `restday` (`休息日`) and `daily` (`每天`), which is meant when no day is named. Days
    /// alone are meant whole. An end before the begin is on the next day, and the window belongs to the day on which it
    /// begins; `24:00` is an end. Letters in any case, blanks anywhere between words; the full-width `，` `、` `：` `－`
    /// and `至` are understood. The error is that of the first text that is none. Linear in the length of the texts.
    pub fn parse<S: AsRef<str>>(texts: &[S]) -> Result<Self, HoursError> {
        if let Some(text) = texts.get(MOST_WINDOWS) {
            return Err(HoursError::new(text.as_ref(), Wrong::Many));
        }
        let window = |text: &S| text::window(text.as_ref()).map_err(|wrong| HoursError::new(text.as_ref(), wrong));
        texts.iter().map(window).collect::<Result<_, _>>().map(Self)
    }

    /// Whether there is no window at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether these hours ask the calendar: then a year that it does not know is worth a warning.
    pub fn use_workdays(&self) -> bool {
        self.0.iter().any(|window| window.days.workdays || window.days.restdays)
    }

    /// Whether a window holds at this civil time. Which of two equal times it is where clocks are set back is not asked:
    /// [`Quiet`] knows the zone.
    pub fn holds(&self, at: DateTime, days: &Workdays) -> bool {
        let dates = [Some(at.date()), at.date().yesterday().ok()];
        let covers =
            |window: &Window, date| window.civil(date, days).is_some_and(|(begin, end)| begin <= at && at < end);
        self.0.iter().any(|window| dates.iter().flatten().any(|date| covers(window, *date)))
    }

    /// Until when a window holds that holds at this moment: the longest.
    fn held_until(&self, at: Moment, place: &Place<'_>) -> Option<Moment> {
        let today = place.zone.to_datetime(at).date();
        let dates = DAYS_THAT_REACH_NOW.filter_map(|by| today.checked_add(SignedDuration::from_hours(by * 24)).ok());
        let spans = dates.flat_map(|date| self.0.iter().filter_map(move |window| window.span(date, place)));
        spans.filter(|(begin, end)| *begin <= at && at < *end).map(|(_, end)| end).max()
    }

    /// When the next window begins, looked for up to the day of `last`.
    fn next_begin(&self, at: Moment, last: Moment, place: &Place<'_>) -> Option<Moment> {
        let (today, last_day) = (place.zone.to_datetime(at).date(), place.zone.to_datetime(last).date());
        let mut dates =
            std::iter::successors(Some(today), |date| date.tomorrow().ok()).take_while(|date| *date <= last_day);
        let next_on = |date| {
            let begins = self.0.iter().filter_map(|window| window.span(date, place)).map(|(begin, _)| begin);
            begins.filter(|begin| *begin > at).min()
        };
        dates.find_map(next_on)
    }
}

impl fmt::Display for Hours {
    /// As [`Hours::parse`] reads them, with `; ` between the windows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let windows: Vec<_> = self.0.iter().map(Window::to_string).collect();
        f.write_str(&windows.join("; "))
    }
}

/// Where and by which calendar hours are meant.
struct Place<'a> {
    zone: &'a TimeZone,
    days: &'a Workdays,
}

/// Which of two equal times is meant where clocks are set back.
#[derive(Clone, Copy)]
enum Which {
    First,
    Second,
}

impl Window {
    /// The window of this day, if it has one.
    fn civil(&self, date: Date, days: &Workdays) -> Option<(DateTime, DateTime)> {
        let at = |minutes: u16| date.at(0, 0, 0, 0).checked_add(SignedDuration::from_mins(minutes.into())).ok();
        if self.days.have(date, days) { Some((at(self.begin)?, at(self.end)?)) } else { None }
    }

    /// The moments from which and before which the window of this day holds; the same twice if all of it is left out.
    fn span(&self, date: Date, place: &Place<'_>) -> Option<(Moment, Moment)> {
        let (begin, end) = self.civil(date, place.days)?;
        Some((moment(begin, Which::First, place.zone)?, moment(end, Which::Second, place.zone)?))
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.days.fmt(f)?;
        if (self.begin, self.end) == (0, DAY) {
            return Ok(());
        }
        let end = if self.end > DAY { self.end - DAY } else { self.end };
        write!(f, " {:02}:{:02}-{:02}:{:02}", self.begin / 60, self.begin % 60, end / 60, end % 60)
    }
}

/// The moment of a civil time. Of a time that a zone leaves out: the first moment after the gap.
fn moment(civil: DateTime, which: Which, zone: &TimeZone) -> Option<Moment> {
    let moments = zone.to_ambiguous_timestamp(civil);
    match (moments.offset(), which) {
        (AmbiguousOffset::Unambiguous { .. }, _) => moments.compatible().ok(),
        (AmbiguousOffset::Fold { .. }, Which::First) => moments.earlier().ok(),
        (AmbiguousOffset::Fold { .. }, Which::Second) => moments.later().ok(),
        (AmbiguousOffset::Gap { .. }, _) => {
            let later = moments.later().ok()?;
            let changes = zone.preceding(later.checked_add(SignedDuration::from_secs(1)).ok()?);
            let after = changes.map(|change| change.timestamp()).take_while(|at| zone.to_datetime(*at) >= civil);
            Some(after.last().unwrap_or(later))
        }
    }
}

impl Days {
    const WHOLE_WEEK: u8 = 0x7f;

    fn have(self, date: Date, days: &Workdays) -> bool {
        self.week >> date.weekday().to_monday_zero_offset() & 1 == 1
            || ((self.workdays || self.restdays) && self.workdays_are(days.is_workday(date)))
    }

    fn workdays_are(self, worked: bool) -> bool {
        if worked { self.workdays } else { self.restdays }
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = Vec::new();
        match self.week {
            Self::WHOLE_WEEK => names.push("daily"),
            week => names.extend((0_u8..).zip(WEEK).filter(|(day, _)| week >> day & 1 == 1).map(|(_, names)| names.0)),
        }
        names.extend(self.workdays.then_some("workday"));
        names.extend(self.restdays.then_some("restday"));
        f.write_str(&names.join(","))
    }
}

/// When somebody is not to be rung: in `quiet_hours`, and outside `work_hours` where there are any.
///
/// Work hours without a window count as none given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quiet {
    /// It is quiet while these hold.
    pub quiet_hours: Hours,
    /// It is quiet while these do not hold.
    pub work_hours: Option<Hours>,
    /// Where these hours are meant.
    pub zone: TimeZone,
    /// By which calendar.
    pub days: Arc<Workdays>,
}

impl Quiet {
    /// `None` when it is not quiet at `now` (wall clock). Else the first moment at which it is not quiet any more, to the
    /// second; with hours that stay quiet for longer than [`LONGEST_QUIET`] the moment so long after `now`, so that nothing
    /// waits for ever.
    pub fn until(&self, now: Timestamp) -> Option<Timestamp> {
        let start = Moment::from_millisecond(now.0).ok()?;
        let last = Moment::from_second(now.plus(LONGEST_QUIET).0.div_euclid(1000)).ok()?;
        let mut at = start;
        while let Some(next) = self.quiet_to(at, last) {
            at = next.min(last);
            if at == last {
                break;
            }
        }
        (at > start).then(|| Timestamp(at.as_millisecond()))
    }

    /// A moment up to which it is quiet from `at` on, if it is quiet.
    fn quiet_to(&self, at: Moment, last: Moment) -> Option<Moment> {
        let place = Place { zone: &self.zone, days: &self.days };
        if let Some(end) = self.quiet_hours.held_until(at, &place) {
            return Some(end);
        }
        let work = self.work_hours.as_ref().filter(|hours| !hours.is_empty())?;
        match work.held_until(at, &place) {
            Some(_) => None,
            None => Some(work.next_begin(at, last, &place).unwrap_or(last)),
        }
    }
}

/// When letters of urgency digest are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Digests {
    /// So often (at least a minute), on a grid of the wall clock five minutes past.
    Every(Duration),
    /// At these times of each day. [`Digests::at`] makes one that has a time; without any it is each hour.
    At {
        /// Of the day, in whatever order.
        times: Vec<Time>,
        /// Where these times are meant.
        zone: TimeZone,
    },
}

impl Digests {
    /// Each day at these times, written "09:00". The error is that of the first text that is none, or of no text at all.
    pub fn at<S: AsRef<str>>(texts: &[S], zone: TimeZone) -> Result<Self, HoursError> {
        if let Some(text) = texts.get(MOST_WINDOWS) {
            return Err(HoursError::new(text.as_ref(), Wrong::Many));
        }
        let time = |text: &S| {
            let text = text.as_ref();
            text::time(text).ok_or_else(|| HoursError::new(text, Wrong::NoTimeOfDay))
        };
        let mut times = texts.iter().map(time).collect::<Result<Vec<_>, _>>()?;
        times.sort_unstable();
        times.dedup();
        if times.is_empty() {
            return Err(HoursError::new("", Wrong::NoTimeOfDay));
        }
        Ok(Self::At { times, zone })
    }

    /// When the next digest is told (wall clock): always after `now`. Of a time that comes twice where clocks are set
    /// back the first counts, for one that does not come the first moment after the gap.
    pub fn next(&self, now: Timestamp) -> Timestamp {
        match self {
            Self::Every(every) => on_the_grid(now, *every),
            Self::At { times, zone } => {
                next_time(now, times, zone).unwrap_or_else(|| on_the_grid(now, Duration::from_secs(3600)))
            }
        }
    }
}

fn on_the_grid(now: Timestamp, every: Duration) -> Timestamp {
    let every = i64::try_from(every.as_millis()).unwrap_or(i64::MAX).max(60_000);
    let past = now.0.saturating_sub(DIGEST_OFFSET_MS).rem_euclid(every);
    Timestamp(now.0.saturating_add(every - past))
}

/// In three days there is a whole one, even where a country leaves one out.
fn next_time(now: Timestamp, times: &[Time], zone: &TimeZone) -> Option<Timestamp> {
    let at = Moment::from_millisecond(now.0).ok()?;
    let today = zone.to_datetime(at).date();
    let mut dates = std::iter::successors(Some(today), |date| date.tomorrow().ok()).take(3);
    let next_on = |date: Date| {
        let moments = times.iter().filter_map(|time| moment(date.to_datetime(*time), Which::First, zone));
        moments.filter(|moment| *moment > at).min()
    };
    dates.find_map(next_on).map(|moment| Timestamp(moment.as_millisecond()))
}

#[cfg(test)]
#[path = "hours_tests.rs"]
mod tests;
