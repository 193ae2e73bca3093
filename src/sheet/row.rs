//! The lines below the header, one after the other: what is wrong with a line as a whole, or with two of them.

use super::column::Column;
use super::header::Header;
use super::line::Line;
use super::split::{Fault, Record};
use super::told::{Said, Told, quoted, say};
use super::{MOST_CELL, MOST_ROWS, Row};
use crate::model::AccountId;
use std::collections::hash_map::Entry as Slot;
use std::collections::{HashMap, HashSet};

/// The accounts of a sheet, as its lines are read.
pub(super) struct Rows<'o> {
    header: &'o Header,
    told: &'o mut Told,
    rows: Vec<Row>,
    /// On which line an account was named first.
    lines: HashMap<AccountId, usize>,
    /// Accounts that were named again.
    twice: HashSet<AccountId>,
    /// The first line that ends before the last column, and how many there are.
    short: Option<(usize, usize)>,
    /// Whether a line was there that says something.
    any: bool,
    unnamed_told: bool,
}

impl<'o> Rows<'o> {
    pub fn new(header: &'o Header, told: &'o mut Told) -> Self {
        Self {
            header,
            told,
            rows: Vec::new(),
            lines: HashMap::new(),
            twice: HashSet::new(),
            short: None,
            any: false,
            unnamed_told: false,
        }
    }

    /// Reads one line; whether the next one is to be read too.
    pub fn take(&mut self, record: &Record<'_>) -> bool {
        if record.is_empty() {
            return true;
        }
        if self.is_header(record) {
            let said = say("names the columns again and was left out", "这一行又是表头，已忽略");
            self.told.warn(record.line, "", said);
            return true;
        }
        self.any = true;
        if self.rows.len() >= MOST_ROWS {
            self.told.wrong(
                record.line,
                "",
                say(
                    format!("there are more than {MOST_ROWS} accounts; from here on the file was not read. Split it"),
                    format!("账号超过 {MOST_ROWS} 个，从这里起不再读取；请拆成几个文件"),
                ),
            );
            return false;
        }
        if let Some(said) = record.fault.map(broken).or_else(|| self.wrong_count(record)) {
            self.told.wrong(record.line, "", said);
        } else {
            self.unnamed(record);
            self.read(record);
        }
        !self.told.is_full()
    }

    /// Whether it is a header: files are put together from several.
    fn is_header(&self, record: &Record<'_>) -> bool {
        let address = self.header.place(Column::Email).and_then(|place| record.cells.get(place));
        address.is_some_and(|cell| Column::of(&cell.text()) == Some(Column::Email))
    }

    fn read(&mut self, record: &Record<'_>) {
        let mut line = Line::new(self.header, record, &mut *self.told);
        let row = line.row();
        let (id, good) = (row.entry.account(), line.is_good());
        if row.entry.email.is_empty() {
            return;
        }
        match self.lines.entry(id) {
            Slot::Vacant(free) => drop(free.insert(record.line)),
            Slot::Occupied(first) => {
                let (first, here, shown) = (first.get(), record.line, quoted(&row.entry.email));
                line.wrong(
                    Column::Email,
                    say(
                        format!("the account {shown} stands in line {first} already, and again in line {here}; remove one of the two"),
                        format!("账号 {shown} 已在第 {first} 行出现，第 {here} 行又出现一次；请删去其一"),
                    ),
                );
                self.twice.insert(row.entry.account());
                return;
            }
        }
        if good {
            self.rows.push(row);
        }
    }

    /// The accounts whose lines are well.
    pub fn finish(self) -> Vec<Row> {
        let Self { header, told, mut rows, twice, short, any, .. } = self;
        if let Some((line, count)) = short {
            told.warn(
                line,
                "",
                say(
                    format!(
                        "lines that end before the last column: {count}, of which this is the first; the missing cells were taken as empty"
                    ),
                    format!("从这一行起共有 {count} 行列数不足；缺少的单元格按空白处理"),
                ),
            );
        }
        if !any {
            told.wrong(
                header.line,
                "",
                say(
                    "there is a header and no account below it; write one line for each account",
                    "只有表头，没有账号；请在其下每个账号写一行",
                ),
            );
        }
        rows.retain(|row| !twice.contains(&row.entry.account()));
        rows
    }

    /// What is wrong with the number of cells, if something is.
    fn wrong_count(&mut self, record: &Record<'_>) -> Option<Said> {
        let (count, wanted, sign) = (record.count, self.header.names.len(), self.header.delimiter);
        let more = record.cells.get(wanted..).unwrap_or_default();
        if more.iter().any(|cell| !cell.is_blank()) || count > record.cells.len() {
            return Some(say(
                format!(
                    "has {count} cells and the header {wanted}; a value with {sign} in it needs double quotes around it"
                ),
                format!("有 {count} 个单元格，而表头有 {wanted} 列；含有 {sign} 的值需要用英文双引号括起来"),
            ));
        }
        if count >= wanted {
            return None;
        }
        let there = |column| self.header.place(column).is_some_and(|place| place < count);
        let somebody = there(Column::User) || there(Column::Recipients) || !self.header.userid_needed;
        if there(Column::Email) && somebody {
            // Excel leaves out the last delimiters of a line where the cells before them are empty.
            let (_, lines) = self.short.get_or_insert((record.line, 0));
            *lines += 1;
            return None;
        }
        Some(say(
            format!(
                "has {count} of the header's {wanted} cells; put {sign} between the values, and double quotes around one that holds a line end"
            ),
            format!(
                "只有 {count} 个单元格，而表头有 {wanted} 列；值之间请用 {sign} 分隔，含有换行的值需要用英文双引号括起来"
            ),
        ))
    }

    /// Tells once of cells under a column without a name.
    fn unnamed(&mut self, record: &Record<'_>) {
        let names = self.header.names.iter().zip(&record.cells);
        if !self.unnamed_told && names.clone().any(|(name, cell)| name.is_empty() && !cell.is_blank()) {
            self.unnamed_told = true;
            let said = say(
                "holds something in a column that has no name in the header; such columns were left out",
                "有内容的这一列在表头中没有名称；这样的列已忽略",
            );
            self.told.warn(record.line, "", said);
        }
    }
}

fn broken(fault: Fault) -> Said {
    match fault {
        Fault::Unclosed => say(
            format!(
                "a double quote begins here and is not closed within {MOST_CELL} bytes; close it, or write \"\" for one that is part of the value, with double quotes around the whole"
            ),
            format!(
                "这里开始的双引号在 {MOST_CELL} 字节内没有结束；请补上结束引号；如引号是值的一部分，请写两个 \"\"，并把整个值用双引号括起来"
            ),
        ),
        Fault::TextBehind => say(
            "a double quote begins here, and something stands behind the one that closes it (perhaps it closes in a later line); write \"\" for a quote that is part of the value",
            "这里开始的双引号，其结束引号之后还有内容（结束引号可能在后面的行）；如引号是值的一部分，请写两个 \"\"",
        ),
    }
}
