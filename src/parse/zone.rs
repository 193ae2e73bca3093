//! The time zones that an invitation names: by a name that is known, by the end of a longer one, or by what the calendar
//! itself says of it (VTIMEZONE, RFC 5545 3.6.5).

use super::invitation::{civil_time, values};
use calcard::common::PartialDateTime;
use calcard::common::timezone::Tz;
use calcard::icalendar::{
    ICalendar, ICalendarComponent, ICalendarComponentType, ICalendarFrequency, ICalendarProperty,
    ICalendarRecurrenceRule, ICalendarValue, ICalendarWeekday,
};
use jiff::civil;
use jiff::tz::{Offset, TimeZone};
use std::str::FromStr;

/// A zone of a name that is known: IANA's, one of Windows, or one of these behind the name of whoever wrote it
/// (`/example.org/Asia/Tokyo`).
pub(super) fn known(name: &str) -> Option<Tz> {
    let name = name.trim_matches('"').trim();
    let ends = name.match_indices('/').filter(|_| name.starts_with('/')).map(|(at, _)| at + 1);
    let named = std::iter::once(0).chain(ends).filter_map(|at| name.get(at..));
    named.filter_map(|name| Tz::from_str(name).ok()).find(|zone| !zone.is_floating())
}

/// The zone that the calendar describes under this name, as it is at this time.
pub(super) fn described(calendar: &ICalendar, name: &str, at: civil::DateTime) -> Option<TimeZone> {
    let name = name.trim_matches('"').trim();
    let is_named = |zone: &&ICalendarComponent| {
        let id = values(zone, &ICalendarProperty::Tzid).and_then(ICalendarValue::as_text);
        zone.component_type == ICalendarComponentType::VTimezone && id.is_some_and(|id| id.trim() == name)
    };
    let zone = calendar.components.iter().find(is_named)?;
    let parts = zone.component_ids.iter().filter_map(|id| calendar.components.get(usize::try_from(*id).ok()?));
    let all: Vec<Observance> = parts.filter_map(observance).collect();
    let latest = |is_daylight: bool| {
        let of_kind = all.iter().filter(|o| o.is_daylight == is_daylight && o.from <= at);
        of_kind.filter(|o| o.until.is_none_or(|until| at <= until)).max_by_key(|o| o.from)
    };
    let offset = match (latest(false), latest(true)) {
        (Some(standard), Some(daylight)) => match (standard.change.as_deref(), daylight.change.as_deref()) {
            (Some(to_standard), Some(to_daylight)) => {
                let (one, other) = (posix(standard.offset), posix(daylight.offset));
                return TimeZone::posix(&format!("<STD>{one}<DST>{other},{to_daylight},{to_standard}")).ok();
            }
            _ if standard.from > daylight.from => standard.offset,
            _ => daylight.offset,
        },
        (Some(one), None) | (None, Some(one)) => one.offset,
        // Nothing says what was before the first: if there is but one, it is that.
        (None, None) => all.first().filter(|_| all.len() == 1)?.offset,
    };
    Some(TimeZone::fixed(Offset::from_seconds(offset).ok()?))
}

/// One of the times that a zone has: STANDARD or DAYLIGHT.
#[derive(Debug)]
struct Observance {
    is_daylight: bool,
    /// When it began first, and the last time that it did.
    from: civil::DateTime,
    until: Option<civil::DateTime>,
    /// Seconds ahead of UTC.
    offset: i32,
    /// When it begins each year, as POSIX writes it: `M10.5.0/3:0:0`.
    change: Option<String>,
}

fn observance(component: &ICalendarComponent) -> Option<Observance> {
    let is_daylight = match component.component_type {
        ICalendarComponentType::Standard => false,
        ICalendarComponentType::Daylight => true,
        _ => return None,
    };
    let offset = seconds(values(component, &ICalendarProperty::Tzoffsetto)?.as_partial_date_time()?)?;
    let start = values(component, &ICalendarProperty::Dtstart).and_then(ICalendarValue::as_partial_date_time);
    let from = start.and_then(civil_time).unwrap_or(civil::DateTime::MIN);
    let rule = match values(component, &ICalendarProperty::Rrule) {
        Some(ICalendarValue::RecurrenceRule(rule)) => Some(rule),
        _ => None,
    };
    let until = rule.and_then(|rule| rule.until.as_ref()).and_then(civil_time);
    Some(Observance { is_daylight, from, until, offset, change: rule.and_then(|rule| change(rule, from.time())) })
}

/// A weekday of a month each year: the forms that zones really have.
fn change(rule: &ICalendarRecurrenceRule, time: civil::Time) -> Option<String> {
    let ([month], [day]) = (rule.bymonth.as_slice(), rule.byday.as_slice()) else { return None };
    let week = match (day.ordwk, rule.bymonthday.as_slice()) {
        (Some(-1), []) => 5,
        (Some(week @ 1..=4), []) => i32::from(week),
        // The first such day among seven.
        (None, [first @ (1 | 8 | 15 | 22), _, _, _, _, _, _]) => i32::from(*first) / 7 + 1,
        _ => return None,
    };
    let weekday = match day.weekday {
        ICalendarWeekday::Sunday => 0,
        ICalendarWeekday::Monday => 1,
        ICalendarWeekday::Tuesday => 2,
        ICalendarWeekday::Wednesday => 3,
        ICalendarWeekday::Thursday => 4,
        ICalendarWeekday::Friday => 5,
        ICalendarWeekday::Saturday => 6,
    };
    let is_yearly = rule.freq == ICalendarFrequency::Yearly && rule.interval.is_none_or(|interval| interval == 1);
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    is_yearly.then(|| format!("M{}.{week}.{weekday}/{hour}:{minute:02}:{second:02}", month.month()))
}

/// An offset in seconds ahead of UTC.
fn seconds(offset: &PartialDateTime) -> Option<i32> {
    let size = i32::from(offset.tz_hour?) * 3600 + i32::from(offset.tz_minute.unwrap_or(0)) * 60;
    (size < 24 * 3600).then_some(if offset.tz_minus { -size } else { size })
}

/// POSIX counts the other way.
fn posix(offset: i32) -> String {
    let size = offset.abs();
    format!("{}{:02}:{:02}", if offset > 0 { '-' } else { '+' }, size / 3600, size / 60 % 60)
}
