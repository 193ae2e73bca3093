//! Tables for a terminal: columns aligned by what is seen (Chinese characters are two cells wide, UAX 11), and nothing in
//! them that a terminal would act upon.

pub(super) use crate::control::words::{local, local_beside, people, plain, rfc3339, span};
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Lang, Recipient, Timestamp};
    use jiff::tz::TimeZone;

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
