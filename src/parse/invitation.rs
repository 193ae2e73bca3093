//! What an invitation says (iCalendar, RFC 5545): what it wants, when and where.

use super::charset::Charset;
use super::guess::Hint;
use super::{params, short, words, zone};
use crate::model::{Invitation, Method, Part, Start, Timestamp};
use crate::unwind::caught;
use calcard::common::PartialDateTime;
use calcard::common::timezone::Tz;
use calcard::icalendar::{
    ICalendar, ICalendarComponent, ICalendarComponentType, ICalendarEntry, ICalendarMethod, ICalendarProperty,
    ICalendarValue,
};
use jiff::civil;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;

/// Whether a part of this type is an invitation.
pub fn is_one(mime: &str) -> bool {
    matches!(mime, "text/calendar" | "application/ics")
}

/// The invitation among the parts of a mail, as far as its content was asked for.
pub(super) fn read(parts: &[Part], hint: Hint<'_>) -> Option<Invitation> {
    let of_type = || parts.iter().filter(|part| is_one(&part.mime));
    let part = of_type().find(|part| part.content.is_some()).or_else(|| of_type().next())?;
    let method = params::text(&part.parameters, "method", hint);
    let labelled = part.parameters.iter().find(|(name, _)| name == "charset").map(|(_, label)| Charset::of(label));
    let content = part.content.as_deref().map(|content| match part.encoding.as_str() {
        "base64" => words::base64(content),
        "quoted-printable" => quoted_printable_decode(content).unwrap_or_else(|| content.to_vec()),
        _ => content.to_vec(),
    });
    let said = content.and_then(|content| {
        let content = unfolded(&content);
        // UTF-8 unless it says otherwise (RFC 5545 3.1.4), and most of those that do.
        let text = match std::str::from_utf8(&content) {
            Ok(text) => text.to_owned(),
            Err(_) => labelled.unwrap_or(Charset::Unknown).text(&content, hint),
        };
        caught(|| calendar(&text)).flatten()
    });
    let named = method.map(|word| method_of(&word));
    Some(match said {
        Some((said, invitation)) => Invitation { method: said.or(named).unwrap_or_default(), ..invitation },
        None => Invitation { method: named.unwrap_or_default(), ..Invitation::default() },
    })
}

/// Lines may be folded inside a character, so they are put together before it is decoded (RFC 5545 3.1).
fn unfolded(content: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::with_capacity(content.len()), content);
    while let Some((first, more)) = rest.split_first() {
        rest = match rest {
            [b'\r', b'\n', b' ' | b'\t', after @ ..] | [b'\n', b' ' | b'\t', after @ ..] => after,
            _ => {
                out.push(*first);
                more
            }
        };
    }
    out
}

fn method_of(word: &str) -> Method {
    match word.trim().to_ascii_uppercase().as_str() {
        "REQUEST" | "ADD" | "PUBLISH" => Method::Request,
        "CANCEL" => Method::Cancel,
        "REPLY" => Method::Reply,
        "COUNTER" => Method::Counter,
        _ => Method::Other,
    }
}

/// What a calendar's first event says. It may be cut off anywhere behind its beginning.
fn calendar(text: &str) -> Option<(Option<Method>, Invitation)> {
    // Without its end it would be thrown away whole.
    let calendar =
        ICalendar::parse(text).or_else(|_| ICalendar::parse(format!("{text}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")));
    let calendar = calendar.ok()?;
    let method = calendar.components.iter().find_map(|component| match values(component, &ICalendarProperty::Method) {
        Some(ICalendarValue::Method(ICalendarMethod::Request | ICalendarMethod::Add | ICalendarMethod::Publish)) => {
            Some(Method::Request)
        }
        Some(ICalendarValue::Method(ICalendarMethod::Cancel)) => Some(Method::Cancel),
        Some(ICalendarValue::Method(ICalendarMethod::Reply)) => Some(Method::Reply),
        Some(ICalendarValue::Method(ICalendarMethod::Counter)) => Some(Method::Counter),
        Some(ICalendarValue::Method(_)) => Some(Method::Other),
        Some(ICalendarValue::Text(word)) => Some(method_of(word)),
        _ => None,
    });
    let is_event = |component: &&ICalendarComponent| {
        matches!(component.component_type, ICalendarComponentType::VEvent | ICalendarComponentType::VTodo)
    };
    let event = calendar.components.iter().find(is_event)?;
    let start = event.property(&ICalendarProperty::Dtstart).and_then(|entry| start(entry, &calendar));
    let place = match values(event, &ICalendarProperty::Location) {
        Some(ICalendarValue::Text(text)) => Some(short(text)).filter(|text| !text.is_empty()),
        _ => None,
    };
    Some((method, Invitation { method: method.unwrap_or_default(), start, place }))
}

/// The first value of a property.
pub(super) fn values<'a>(
    component: &'a ICalendarComponent,
    property: &ICalendarProperty,
) -> Option<&'a ICalendarValue> {
    component.property(property).and_then(|entry| entry.values.first())
}

fn start(entry: &ICalendarEntry, calendar: &ICalendar) -> Option<Start> {
    let time = entry.values.first()?.as_partial_date_time()?;
    if time.hour.is_none() {
        return civil_date(time).map(Start::Day);
    }
    let local = civil_time(time)?;
    let is_fixed = time.tz_hour.is_some();
    let name = entry.tz_id().filter(|_| !is_fixed);
    let zones = calendar.build_tz_resolver();
    let of_calendar = |name| zones.resolve(name).filter(|zone| !zone.is_floating());
    let zone = name.and_then(|name| of_calendar(name).or_else(|| zone::known(name)));
    if let (None, Some(name)) = (zone, name)
        && let Some(zone) = zone::described(calendar, name, local)
    {
        let moment = local.to_zoned(zone).ok()?.timestamp();
        return Some(Start::At(Timestamp(moment.as_millisecond())));
    }
    let moment = (is_fixed || zone.is_some()).then(|| time.to_date_time_with_tz(zone.unwrap_or(Tz::UTC))).flatten();
    Some(moment.map_or(Start::Local(local), |moment| Start::At(Timestamp(moment.timestamp_millis()))))
}

fn civil_date(time: &PartialDateTime) -> Option<civil::Date> {
    let narrow = |n: u8| i8::try_from(n).ok();
    civil::Date::new(i16::try_from(time.year?).ok()?, narrow(time.month?)?, narrow(time.day?)?).ok()
}

/// A date with its time of day, whatever its zone; midnight where it has none.
pub(super) fn civil_time(time: &PartialDateTime) -> Option<civil::DateTime> {
    let (minute, second) = (time.minute.unwrap_or(0), time.second.unwrap_or(0).min(59));
    let narrow = |n: u8| i8::try_from(n).ok();
    let of_day = civil::Time::new(narrow(time.hour.unwrap_or(0))?, narrow(minute)?, narrow(second)?, 0).ok()?;
    Some(civil_date(time)?.to_datetime(of_day))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]
    use super::*;
    use crate::model::Locale;

    fn invitation(content: &str) -> Invitation {
        let part =
            Part { mime: "text/calendar".to_owned(), content: Some(content.as_bytes().to_vec()), ..Part::default() };
        read(&[part], Hint { locale: Locale::Mainland, ..Hint::default() }).unwrap()
    }

    fn event(lines: &str) -> String {
        format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1\r\n{lines}END:VEVENT\r\nEND:VCALENDAR\r\n"
        )
    }

    #[test]
    fn starts_are_read_in_any_zone_that_is_known() {
        let moment = Some(Start::At(Timestamp(1_764_640_800_000)));
        let windows = "BEGIN:VTIMEZONE\r\nTZID:Somewhere\r\nX-LIC-LOCATION:Asia/Shanghai\r\nEND:VTIMEZONE\r\n";
        for line in [
            "DTSTART:20251202T020000Z\r\n",
            "DTSTART;TZID=Asia/Shanghai:20251202T100000\r\n",
            "DTSTART;TZID=\"China Standard Time\":20251202T100000\r\n",
            "DTSTART;TZID=China Standard Time:20251202T100000\r\n",
        ] {
            assert_eq!(invitation(&event(line)).start, moment, "{line}");
        }
        let named = event("DTSTART;TZID=Somewhere:20251202T100000\r\n").replacen(
            "BEGIN:VEVENT",
            &format!("{windows}BEGIN:VEVENT"),
            1,
        );
        assert_eq!(invitation(&named).start, moment);
        let tail = "DTSTART;TZID=/mozilla.org/20050126_1/Asia/Shanghai:20251202T100000\r\n";
        assert_eq!(invitation(&event(tail)).start, moment);
        let local = civil::datetime(2025, 12, 2, 10, 0, 0, 0);
        assert_eq!(invitation(&event("DTSTART;TZID=Nowhere:20251202T100000\r\n")).start, Some(Start::Local(local)));
        assert_eq!(invitation(&event("DTSTART:20251202T100000\r\n")).start, Some(Start::Local(local)));
        let day = Some(Start::Day(local.date()));
        assert_eq!(invitation(&event("DTSTART;VALUE=DATE:20251202\r\n")).start, day);
        assert_eq!(invitation(&event("DTSTART:20251399T990000\r\n")).start, None);
    }

    #[test]
    fn zones_are_as_the_calendar_itself_describes_them() {
        let part = |kind: &str, begin: &str, to: &str, rule: &str| {
            let rule = if rule.is_empty() { String::new() } else { format!("RRULE:FREQ=YEARLY;{rule}\r\n") };
            format!("BEGIN:{kind}\r\nDTSTART:{begin}\r\nTZOFFSETFROM:+0000\r\nTZOFFSETTO:{to}\r\n{rule}END:{kind}\r\n")
        };
        let at = |zone: &str, time: &str| {
            let zone = format!("BEGIN:VTIMEZONE\r\nTZID:Ours\r\n{zone}END:VTIMEZONE\r\nBEGIN:VEVENT");
            let text = event(&format!("DTSTART;TZID=Ours:{time}\r\n")).replacen("BEGIN:VEVENT", &zone, 1);
            match invitation(&text).start {
                Some(Start::At(moment)) => jiff::Timestamp::from_millisecond(moment.0).unwrap().to_string(),
                other => format!("{other:?}"),
            }
        };
        let only = part("STANDARD", "20500101T000000", "+0545", "");
        assert_eq!(at(&only, "20250905T143000"), "2025-09-05T08:45:00Z");
        let paris = [
            part("STANDARD", "16010101T030000", "+0100", "BYDAY=-1SU;BYMONTH=10"),
            part("DAYLIGHT", "16010101T020000", "+0200", "BYDAY=-1SU;BYMONTH=3"),
        ]
        .concat();
        assert_eq!(at(&paris, "20250701T090000"), "2025-07-01T07:00:00Z");
        assert_eq!(at(&paris, "20251201T090000"), "2025-12-01T08:00:00Z");
        assert_eq!(at(&paris, "20251026T120000"), "2025-10-26T11:00:00Z");
        let new_york = [
            part("STANDARD", "19671029T020000", "-0500", "BYDAY=-1SU;BYMONTH=10;UNTIL=20061029T060000Z"),
            part("DAYLIGHT", "19870405T020000", "-0400", "BYDAY=1SU;BYMONTH=4;UNTIL=20060402T070000Z"),
            part("DAYLIGHT", "20070311T020000", "-0400", "BYMONTHDAY=8,9,10,11,12,13,14;BYDAY=SU;BYMONTH=3"),
            part("STANDARD", "20071104T020000", "-0500", "BYDAY=1SU;BYMONTH=11"),
        ]
        .concat();
        assert_eq!(at(&new_york, "20250310T090000"), "2025-03-10T13:00:00Z");
        assert_eq!(at(&new_york, "20250307T090000"), "2025-03-07T14:00:00Z");
        let changed =
            [part("STANDARD", "20000101T000000", "+0900", ""), part("STANDARD", "20200101T000000", "+0830", "")];
        assert_eq!(at(&changed.concat(), "20250101T090000"), "2025-01-01T00:30:00Z");
        assert_eq!(at("", "20250101T090000"), "Some(Local(2025-01-01T09:00:00))");
        assert_eq!(at(&part("STANDARD", "x", "+9999", ""), "20250101T090000"), "Some(Local(2025-01-01T09:00:00))");
    }

    #[test]
    fn lines_may_be_folded_inside_a_character() {
        let folded = event("LOCATION:北京市海淀区\r\nDTSTART:20251202T020000Z\r\n").into_bytes();
        let at = folded.windows(3).position(|three| three == "海".as_bytes()).unwrap();
        let (before, after) = folded.split_at(at + 1);
        for fold in [&b"\r\n "[..], b"\n\t"] {
            let content = Some([before, fold, after].concat());
            let part = Part { mime: "text/calendar".to_owned(), content, ..Part::default() };
            let said = read(&[part], Hint::default()).unwrap();
            assert_eq!(said.place.as_deref(), Some("北京市海淀区"));
        }
    }

    #[test]
    fn places_are_clean_and_methods_known() {
        let said = invitation(&event("LOCATION:三楼\\,\r\n 会议室\\n<b>\r\nDTSTART:20251202T020000Z\r\n"));
        assert_eq!(said.place.as_deref(), Some("三楼,会议室 <b>"));
        assert_eq!(said.method, Method::Request);
        for (word, method) in [("CANCEL", Method::Cancel), ("reply", Method::Reply), ("X-NEW", Method::Other)] {
            let text = event("DTSTART:20251202T020000Z\r\n").replace("REQUEST", word);
            assert_eq!(invitation(&text).method, method, "{word}");
        }
    }

    #[test]
    fn what_is_cut_off_or_no_calendar_says_what_it_can() {
        let whole = event("DTSTART:20251202T020000Z\r\nLOCATION:A\r\nDESCRIPTION:very long and\r\n longer\r\n");
        let (cut, _) = whole.split_at(whole.find(" longer").unwrap());
        assert_eq!(invitation(cut).place.as_deref(), Some("A"));
        for text in ["", "hello", "BEGIN:VCALENDAR", "BEGIN:VEVENT\r\nEND:VEVENT", "\u{0}\u{feff}:;=\"\r\n"] {
            assert_eq!(invitation(text), Invitation::default(), "{text}");
        }
    }
}
