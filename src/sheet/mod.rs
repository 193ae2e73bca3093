//! Sheets of accounts for the registry: CSV files as spreadsheets and people write them, read into entries with
//! everything that is wrong told by line, and written from what is registered.
//!
//! Bytes in, values out: no file is opened here, no config asked. Three decisions:
//!
//! - Cells are found by [`split`], not by the `csv` crate, which writes alone: a quote that is never closed is told with
//!   the line where it began and costs that line, lines are counted as editors count them (a lone CR ends one), and
//!   passwords are not copied into buffers that nobody wipes.
//! - What is repaired is told; what could mean two things is not repaired.
//! - No sentence shows a password, or a cell that may have slipped out of the password's column.

mod address;
mod cell;
mod column;
mod damage;
mod header;
mod line;
mod list;
mod member;
mod password;
mod row;
mod split;
mod text;
mod told;
mod words;
mod write;

pub use told::Trouble;
pub use write::{template, write};

use crate::model::{Entry, Secret};

/// The largest file that is read, in bytes.
const MOST_BYTES: usize = 100_000_000;
/// The longest cell, in bytes as written.
const MOST_CELL: usize = 8_000;
/// The most cells of a line that are looked at.
const MOST_CELLS: usize = 500;
/// The most lines with accounts.
const MOST_ROWS: usize = 100_000;
/// The most problems, and the most warnings, that are told of one file.
const MOST_TOLD: usize = 10_000;

/// What old programs write behind the last line.
const END: char = '\u{1a}';

/// What a file said.
///
/// A line with a problem has no row, nor has any of the lines that name one account twice. So whoever takes away accounts
/// that a file does not name may do so only where [`Sheet::problems`] is empty.
#[derive(Debug)]
pub struct Sheet {
    /// The accounts of the lines that are well, in the order of the file; no two of the same address.
    pub rows: Vec<Row>,
    /// What must be changed, in the order of the lines.
    pub problems: Vec<Trouble>,
    /// What was repaired or left out, in the order of the lines; the rows are used as they are.
    pub warnings: Vec<Trouble>,
    /// How the characters were written.
    pub encoding: Encoding,
}

/// One account of a sheet.
#[derive(Debug)]
pub struct Row {
    /// The line on which it begins, from 1, as an editor counts.
    pub line: usize,
    /// What is told of the account; address and userid are in form (the provider, say, may still be unknown).
    pub entry: Entry,
    /// Its password, if the cell holds one; blanks are part of it.
    pub password: Option<Secret>,
    /// Whether it is to be disabled (`Some(true)`) or enabled (`Some(false)`), if the file says so.
    pub disabled: Option<bool>,
}

/// How the characters of a file are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, with a byte order mark or without.
    Utf8,
    /// GB 18030, and so GBK and GB 2312: what spreadsheets in China write.
    Gb18030,
    /// UTF-16, low byte first, with a byte order mark: "Unicode text" of Excel.
    Utf16Le,
    /// UTF-16, high byte first, with a byte order mark.
    Utf16Be,
}

impl Encoding {
    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Gb18030 => "GB18030",
            Self::Utf16Le => "UTF-16LE",
            Self::Utf16Be => "UTF-16BE",
        }
    }
}

/// Reads a sheet; never fails, for whatever is wrong stands in [`Sheet::problems`]. The time it takes is linear in the
/// length of `bytes`, which the caller wipes if there are passwords in it.
pub fn read(bytes: &[u8]) -> Sheet {
    read_whole(bytes, true)
}

/// The same where lines need not say whose an account is: the caller finds that out, and such rows name nobody.
pub fn read_without_owners(bytes: &[u8]) -> Sheet {
    read_whole(bytes, false)
}

fn read_whole(bytes: &[u8], userid_needed: bool) -> Sheet {
    let mut told = told::Told::default();
    let (encoding, rows) = match text::decode(bytes) {
        Ok((text, encoding)) => (encoding, rows(&text, userid_needed, &mut told)),
        Err(wrong) => {
            told.wrong(wrong.line, "", wrong.said);
            (wrong.encoding, Vec::new())
        }
    };
    let (problems, warnings) = told.sorted();
    Sheet { rows, problems, warnings, encoding }
}

/// The rows of a file that could be decoded.
fn rows(text: &str, userid_needed: bool, told: &mut told::Told) -> Vec<Row> {
    let Some((header, records)) = header::find(text.trim_end_matches(END), userid_needed, told) else {
        return Vec::new();
    };
    let mut rows = row::Rows::new(&header, told);
    for record in records {
        if !rows.take(&record) {
            break;
        }
    }
    rows.finish()
}
