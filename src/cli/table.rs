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
}
