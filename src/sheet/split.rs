//! From characters to lines of cells (RFC 4180, and how files differ from it). Nothing here prints what a cell holds.

use super::cell::trimmed;
use super::damage::is_error;
use super::text::line_ends;
use super::{MOST_CELL, MOST_CELLS};
use memchr::{memchr, memchr2, memchr3};
use std::borrow::Cow;

/// One cell, as it stands in the file.
#[derive(Clone, Copy)]
pub(super) struct Cell<'t> {
    /// What stands between the quotes, or between the delimiters where there are none.
    raw: &'t str,
    /// Whether there are quotes, so that two of them inside stand for one.
    quoted: bool,
}

impl<'t> Cell<'t> {
    /// What it holds. A copy is made in one piece, so that whoever takes it over can wipe all of it.
    pub fn text(&self) -> Cow<'t, str> {
        if !self.quoted || memchr(b'"', self.raw.as_bytes()).is_none() {
            return Cow::Borrowed(self.raw);
        }
        let mut text = String::with_capacity(self.raw.len());
        let mut second = false;
        for piece in self.raw.split_inclusive('"') {
            // The second quote of two ends a piece of its own.
            if second && piece == "\"" {
                second = false;
                continue;
            }
            text.push_str(piece);
            second = piece.ends_with('"');
        }
        Cow::Owned(text)
    }

    /// Whether it is longer than a cell may be.
    pub fn is_too_long(&self) -> bool {
        self.raw.len() > MOST_CELL
    }

    /// Whether it holds nothing but blanks.
    pub fn is_blank(&self) -> bool {
        self.raw.chars().all(super::cell::is_blank)
    }
}

/// What a quote can do to a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is not closed before the end of the file, or of the longest cell.
    Unclosed,
    /// Something stands between the closing quote and the end of the cell.
    TextBehind,
}

/// The cells up to the end of a line, or of several where quotes hold line ends.
pub(super) struct Record<'t> {
    /// The line where it begins, or that of the quote that is wrong.
    pub line: usize,
    /// The first cells; the rest is only counted.
    pub cells: Vec<Cell<'t>>,
    /// How many cells there are.
    pub count: usize,
    /// What is wrong with its quotes; then what follows is read from the next line on.
    pub fault: Option<Fault>,
}

impl Record<'_> {
    /// Whether it says nothing: no cell holds anything, or the first one begins with `#`.
    pub fn is_empty(&self) -> bool {
        self.is_comment() || (self.fault.is_none() && self.cells.iter().all(Cell::is_blank))
    }

    /// A spreadsheet puts a comment with commas in quotes.
    fn is_comment(&self) -> bool {
        let Some((first, rest)) = self.cells.split_first() else { return false };
        is_comment(&first.text(), || rest.iter().any(|cell| cell.raw.contains('@')))
    }
}

/// Whether what begins with this cell is a comment, and no error value of a spreadsheet in an account's line.
fn is_comment(first: &str, has_address: impl FnOnce() -> bool) -> bool {
    let first = trimmed(first);
    let only_signs = || first.bytes().all(|b| b == b'#');
    first.starts_with('#') && !(is_error(first) && (!only_signs() || has_address()))
}

/// The records of a text, one after the other, without the lines that begin with `#`.
#[derive(Clone)]
pub(super) struct Records<'t> {
    rest: &'t str,
    line: usize,
    delimiter: u8,
}

impl<'t> Records<'t> {
    /// From the beginning of `text`, which is line `line`.
    pub fn new(text: &'t str, line: usize, delimiter: u8) -> Self {
        Self { rest: text, line, delimiter }
    }

    /// Leaves out lines that are comments, whatever quotes they hold.
    fn skip_comments(&mut self) {
        while trimmed(self.line_ahead()).starts_with('#') {
            let line = self.line_ahead();
            let end = memchr(self.delimiter, line.as_bytes()).unwrap_or(line.len());
            let (first, rest) = line.split_at_checked(end).unwrap_or((line, ""));
            if !is_comment(first, || rest.contains('@')) {
                return;
            }
            self.rest = next_line(self.rest);
            self.line += 1;
        }
    }

    fn line_ahead(&self) -> &'t str {
        let end = memchr2(b'\r', b'\n', self.rest.as_bytes()).unwrap_or(self.rest.len());
        self.rest.get(..end).unwrap_or_default()
    }

    /// Takes one cell off `text`; what stands behind it is a delimiter, a line end, or nothing.
    fn cell(&self, text: &'t str) -> Result<(Cell<'t>, &'t str), Fault> {
        let inner = text.trim_start_matches(' ');
        if let Some(inside) = inner.strip_prefix('"') {
            let end = closing(inside).ok_or(Fault::Unclosed)?;
            let (raw, behind) = inside.split_at_checked(end).unwrap_or((inside, ""));
            let behind = behind.get(1..).unwrap_or_default().trim_start_matches(' ');
            let ends = behind.bytes().next().is_none_or(|b| b == self.delimiter || b == b'\r' || b == b'\n');
            return if ends { Ok((Cell { raw, quoted: true }, behind)) } else { Err(Fault::TextBehind) };
        }
        let end = memchr3(self.delimiter, b'\r', b'\n', text.as_bytes()).unwrap_or(text.len());
        let (raw, behind) = text.split_at_checked(end).unwrap_or((text, ""));
        Ok((Cell { raw, quoted: false }, behind))
    }
}

/// Where the quoted text ends.
fn closing(inside: &str) -> Option<usize> {
    let bytes = inside.as_bytes();
    let bytes = bytes.get(..MOST_CELL + 1).unwrap_or(bytes);
    let mut from = 0;
    loop {
        let at = from + memchr(b'"', bytes.get(from..)?)?;
        if inside.as_bytes().get(at + 1) != Some(&b'"') {
            return Some(at);
        }
        from = at + 2;
    }
}

/// What follows the next line end.
fn next_line(text: &str) -> &str {
    match memchr2(b'\r', b'\n', text.as_bytes()) {
        Some(at) => after_line_end(text.get(at..).unwrap_or_default()),
        None => "",
    }
}

fn after_line_end(text: &str) -> &str {
    ["\r\n", "\n", "\r"].iter().find_map(|end| text.strip_prefix(end)).unwrap_or(text)
}

impl<'t> Iterator for Records<'t> {
    type Item = Record<'t>;

    fn next(&mut self) -> Option<Record<'t>> {
        self.skip_comments();
        if self.rest.is_empty() {
            return None;
        }
        let mut record = Record { line: self.line, cells: Vec::new(), count: 0, fault: None };
        loop {
            let (cell, behind) = match self.cell(self.rest) {
                Ok(found) => found,
                Err(fault) => {
                    record.line = self.line;
                    record.fault = Some(fault);
                    self.rest = next_line(self.rest);
                    self.line += 1;
                    return Some(record);
                }
            };
            record.count += 1;
            if record.cells.len() < MOST_CELLS {
                record.cells.push(cell);
            }
            if cell.quoted {
                self.line += line_ends(cell.raw);
            }
            match behind.bytes().next() {
                Some(b) if b == self.delimiter => self.rest = behind.get(1..).unwrap_or_default(),
                _ => {
                    self.rest = after_line_end(behind);
                    self.line += 1;
                    return Some(record);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &str) -> Vec<(usize, Vec<String>, Option<Fault>)> {
        let texts = |record: &Record<'_>| record.cells.iter().map(|cell| cell.text().into_owned()).collect();
        Records::new(text, 1, b',').map(|record| (record.line, texts(&record), record.fault)).collect()
    }

    fn line(number: usize, cells: &[&str]) -> (usize, Vec<String>, Option<Fault>) {
        (number, cells.iter().map(|&cell| cell.to_owned()).collect(), None)
    }

    #[test]
    fn cells_end_where_they_end() {
        assert_eq!(cells("a,b\n"), [line(1, &["a", "b"])]);
        assert_eq!(cells("a,\r\n,b\r\rc"), [line(1, &["a", ""]), line(2, &["", "b"]), line(3, &[""]), line(4, &["c"])]);
        assert_eq!(cells("a,"), [line(1, &["a", ""])]);
        assert_eq!(cells("5\" disk,x"), [line(1, &["5\" disk", "x"])]);
        assert_eq!(cells(" a , b"), [line(1, &[" a ", " b"])]);
    }

    #[test]
    fn quotes_hold_what_ends_cells_elsewhere() {
        assert_eq!(cells("\"a,b\",\"c\r\nd\"\ne"), [line(1, &["a,b", "c\r\nd"]), line(3, &["e"])]);
        assert_eq!(cells("a, \"b, c\" ,d"), [line(1, &["a", "b, c", "d"])]);
        for (raw, text) in [
            ("\"\"", ""),
            ("\"\"\"\"", "\""),
            ("\"\"\"\"\"\"", "\"\""),
            ("\"a\"\"b\"", "a\"b"),
            ("\"\"\"a\"\"\"", "\"a\""),
        ] {
            assert_eq!(cells(raw), [line(1, &[text])], "{raw}");
        }
    }

    #[test]
    fn a_wrong_quote_costs_its_line() {
        let found = cells("x\n\"a,b\n\"c\"d,e\nf,g\n");
        assert_eq!(found[1], (2, vec![], Some(Fault::TextBehind)));
        assert_eq!(found[2], (3, vec![], Some(Fault::TextBehind)));
        assert_eq!(found[3], line(4, &["f", "g"]));
        let found = cells("x,\"y\nz\",\"a\nb,c\n");
        assert_eq!(found[0], (2, vec!["x".into(), "y\nz".into()], Some(Fault::Unclosed)));
        assert_eq!(found[1], line(3, &["b", "c"]));
    }

    #[test]
    fn comments_are_left_out_with_their_quotes() {
        assert_eq!(cells("# a, \"b\n#c\n d,e\n#"), [line(3, &[" d", "e"])]);
        assert_eq!(cells("#REF!,a@b\n####,a@b\n"), [line(1, &["#REF!", "a@b"]), line(2, &["####", "a@b"])]);
        assert!(cells("##### accounts #####\n").is_empty());
        assert!(Records::new("\"# a, b\",c", 1, b',').all(|record| record.is_empty()));
    }

    #[test]
    fn a_quote_is_looked_for_in_one_cell_only() {
        let long = format!("\"{}\"\nb\n", "a".repeat(MOST_CELL + 1));
        assert_eq!(cells(&long)[0].2, Some(Fault::Unclosed));
        let fits = format!("\"{}\"\nb\n", "a".repeat(MOST_CELL));
        assert_eq!(cells(&fits)[0].2, None);
    }
}
