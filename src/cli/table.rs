//! Tables for a terminal: columns aligned by what is seen (Chinese characters are two cells wide, UAX 11), and nothing in
//! them that a terminal would act upon.

use crate::model::{Lang, Recipient, Timestamp};
use jiff::tz::TimeZone;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Between two columns.
const GAP: &str = "  ";

/// The lines of a table. A cell beyond `widest` cells is cut with `…`; the last column is not.
pub(super) fn lines(head: &[&str], rows: &[Vec<String>], widest: usize) -> Vec<String> {
    let head: Vec<String> = head.iter().map(|title| (*title).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(&head)
        .chain(rows)
        .map(|row| {
            let cell = |(at, text): (usize, &String)| {
                if at + 1 == head.len() { plain(text) } else { cut(&plain(text), widest) }
            };
            row.iter().enumerate().map(cell).collect()
        })
        .collect();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max();
    let widths: Vec<usize> = (0..head.len()).map(|column| width(column).unwrap_or_default()).collect();
    rows.iter().map(|row| line(row, &widths)).collect()
}

fn line(row: &[String], widths: &[usize]) -> String {
    let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| padded(cell, *width)).collect();
    cells.join(GAP).trim_end().to_owned()
}

fn padded(cell: &str, width: usize) -> String {
    format!("{cell}{}", " ".repeat(width.saturating_sub(cell.width())))
}

/// A text as it may reach a terminal: on one line, without control characters (a server's words may hold any) and without
/// those that turn the direction of writing.
pub(super) fn plain(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).filter(|c| !turns(*c)).collect()
}

fn cut(text: &str, widest: usize) -> String {
    if text.width() <= widest {
        return text.to_owned();
    }
    let (mut kept, mut width) = (String::new(), 1);
    for c in text.chars() {
        width += c.width().unwrap_or_default();
        if width > widest {
            break;
        }
        kept.push(c);
    }
    kept + "…"
}

/// A time span as people say it, in its two largest units.
pub(super) fn span(seconds: Option<u64>) -> String {
    let Some(seconds) = seconds else { return "-".to_owned() };
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{}s", seconds % 60),
        (0, _, _) => format!("{hours}h{minutes}m"),
        _ => format!("{days}d{hours}h"),
    }
}

/// A time of the wall clock as people in this zone read it, to the second.
pub(super) fn local(time: Timestamp, zone: &TimeZone) -> String {
    written(time, zone, "%Y-%m-%d %H:%M:%S")
}

/// The same without its day where that is the day of `beside`.
pub(super) fn local_beside(time: Timestamp, beside: Timestamp, zone: &TimeZone) -> String {
    let day = |time| written(time, zone, "%Y-%m-%d");
    if day(time) == day(beside) { written(time, zone, "%H:%M:%S") } else { local(time, zone) }
}

fn written(time: Timestamp, zone: &TimeZone, form: &str) -> String {
    let time = jiff::Timestamp::from_millisecond(time.0).unwrap_or_default();
    time.to_zoned(zone.clone()).strftime(form).to_string()
}

/// A time of the wall clock for programs: RFC 3339, UTC.
pub(super) fn rfc3339(time: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(time.0).unwrap_or_default().to_string()
}

/// Recipients in a few words: three by name, of more the first and how many others.
pub(super) fn people(recipients: &[Recipient], lang: Lang) -> String {
    match recipients {
        [first, others @ ..] if others.len() > 2 => match lang {
            Lang::ZhCn => format!("{first} 等 {} 个接收人", recipients.len()),
            Lang::En => format!("{first} and {} others", others.len()),
        },
        few => few.iter().map(ToString::to_string).collect::<Vec<_>>().join(lang.pick("、", ", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_and_latin_stand_in_line() {
        let rows = [
            vec!["项目/甲".to_owned(), "3".to_owned(), "a".to_owned()],
            vec!["INBOX".to_owned(), "12000".to_owned(), String::new()],
        ];
        let lines = lines(&["文件夹", "邮件", "x"], &rows, 60);
        assert_eq!(lines, ["文件夹   邮件   x", "项目/甲  3      a", "INBOX    12000"]);
    }

    #[test]
    fn long_cells_are_cut_but_the_last() {
        let long = "很".repeat(50);
        let lines = lines(&["a", "b"], &[vec![long.clone(), long.clone()]], 11);
        assert_eq!(lines[1], format!("{}…  {long}", "很".repeat(5)));
        assert_eq!(lines[0], "a            b");
    }

    #[test]
    fn a_terminal_is_not_steered() {
        assert_eq!(plain("a\x1b[2Jb\r\nc\u{202e}d\u{9b}"), "a [2Jb  cd ");
    }

    #[test]
    fn a_time_stands_in_its_zone_and_without_its_day_where_that_is_known() {
        let zone = TimeZone::fixed(jiff::tz::offset(8));
        let (late, soon) = (Timestamp(1_795_191_000_000), Timestamp(1_795_191_005_000));
        assert_eq!(local(late, &zone), "2026-11-21 00:10:00");
        assert_eq!(local_beside(soon, late, &zone), "00:10:05");
        assert_eq!(local_beside(Timestamp(late.0 - 1_200_000), late, &zone), "2026-11-20 23:50:00");
        assert_eq!(rfc3339(late), "2026-11-20T16:10:00Z");
    }

    #[test]
    fn many_recipients_are_one_and_a_number() {
        let all: Vec<_> = ["a", "b", "c", "party:4"].map(|name| Recipient::parse(name).unwrap()).into();
        assert_eq!(people(&all[..1], Lang::En), "a");
        assert_eq!(people(&all[..3], Lang::ZhCn), "a、b、c");
        assert_eq!(
            (people(&all, Lang::En), people(&all, Lang::ZhCn)),
            ("a and 3 others".into(), "a 等 4 个接收人".into())
        );
    }

    #[test]
    fn spans_are_short() {
        let cases = [(0, "0s"), (59, "59s"), (61, "1m1s"), (3_700, "1h1m"), (90_000, "1d1h")];
        for (seconds, shown) in cases {
            assert_eq!(span(Some(seconds)), shown);
        }
        assert_eq!(span(None), "-");
    }
}
