//! The line of a sheet that names its columns: where it is, what separates cells, and what each column means.

use super::MOST_CELLS;
use super::address;
use super::cell::trimmed;
use super::column::Column;
use super::split::{Fault, Record, Records};
use super::told::{Said, Told, quoted, say, short};
use std::cmp::Reverse;

/// What may separate cells.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

/// How many lines may stand above the header.
const MOST_TITLES: usize = 10;

/// The columns of a sheet.
#[derive(Debug)]
pub(super) struct Header {
    /// Its line, from 1.
    pub line: usize,
    /// The names as sentences show them, one for each column.
    pub names: Vec<String>,
    /// What they mean, one for each column.
    pub columns: Vec<Option<Column>>,
    /// What separates its cells, as sentences show it.
    pub delimiter: &'static str,
    /// Whether each line must say whose the account is.
    pub userid_needed: bool,
}

impl Header {
    /// Where a column stands, from 0.
    pub fn place(&self, column: Column) -> Option<usize> {
        self.columns.iter().position(|found| *found == Some(column))
    }

    /// The name of a column in the file; where it has none, the one that it would have.
    pub fn name(&self, column: Column) -> &str {
        let found = self.place(column).and_then(|place| self.names.get(place));
        found.map_or(column.name(crate::model::Lang::En), String::as_str)
    }
}

/// A line that may be the header.
struct Candidate<'t> {
    record: Record<'t>,
    columns: Vec<Option<Column>>,
    delimiter: u8,
    /// The lines above it that say something, and whether each looks like an account.
    above: Vec<(usize, bool)>,
    /// What follows.
    records: Records<'t>,
}

impl Candidate<'_> {
    fn known(&self) -> usize {
        self.columns.iter().flatten().count()
    }
}

/// Finds the header and what follows it; `None` if there is none with which lines could be read, which is told.
pub(super) fn find<'t>(text: &'t str, userid_needed: bool, told: &mut Told) -> Option<(Header, Records<'t>)> {
    let (text, line, delimiter) = directive(text);
    let delimiters = delimiter.map_or(DELIMITERS.to_vec(), |delimiter| vec![delimiter]);
    let all = delimiters.iter().flat_map(|delimiter| candidates(text, line, *delimiter));
    // The first line that names two columns; else the first that names one.
    let best = all.min_by_key(|found| (found.known() < 2, found.record.line, Reverse(found.known())));
    let Some(best) = best else {
        let (line, said) = without_header(text, line);
        told.wrong(line, "", said);
        return None;
    };
    for (line, is_account) in &best.above {
        titles(*line, *is_account, told);
    }
    let header = Header {
        line: best.record.line,
        names: best.record.cells.iter().map(|cell| short(trimmed(&cell.text()))).collect(),
        columns: best.columns,
        delimiter: shown(best.delimiter),
        userid_needed,
    };
    if best.record.fault.is_some() || best.record.count > MOST_CELLS {
        told.wrong(header.line, "", broken(best.record.fault));
        return None;
    }
    is_usable(&header, told).then_some((header, best.records))
}

/// `sep=;`, with which a file tells Excel what separates its cells.
fn directive(text: &str) -> (&str, usize, Option<u8>) {
    let line_end = text.find(['\r', '\n']).unwrap_or(text.len());
    let (first, rest) = text.split_at_checked(line_end).unwrap_or((text, ""));
    let first = first.trim_matches(['"', ' ']);
    let is_directive = first.get(..4).is_some_and(|begin| begin.eq_ignore_ascii_case("sep="));
    let delimiter = first.as_bytes().get(4).copied().filter(|b| DELIMITERS.contains(b));
    if !is_directive {
        return (text, 1, None);
    }
    (rest.strip_prefix("\r\n").or_else(|| rest.get(1..)).unwrap_or_default(), 2, delimiter)
}

fn candidates(text: &str, line: usize, delimiter: u8) -> Vec<Candidate<'_>> {
    let mut records = Records::new(text, line, delimiter);
    let (mut found, mut above) = (Vec::new(), Vec::new());
    while let Some(record) = records.next() {
        if record.is_empty() {
            continue;
        }
        let columns: Vec<_> = record.cells.iter().map(|cell| Column::of(&cell.text())).collect();
        let is_account = record.cells.iter().any(|cell| address::check(trimmed(&cell.text())).is_ok());
        let line = record.line;
        // A member may be called "mail", and then the line holds a password too: it is none of names.
        let is_line =
            record.cells.iter().zip(&columns).any(|(cell, column)| column.is_none() && cell.text().contains('@'));
        let known = if is_line { 0 } else { columns.iter().flatten().count() };
        if known > 0 {
            found.push(Candidate { record, columns, delimiter, above: above.clone(), records: records.clone() });
        }
        above.push((line, is_account));
        if known > 1 || above.len() > MOST_TITLES {
            break;
        }
    }
    found
}

fn titles(line: usize, is_account: bool, told: &mut Told) {
    if is_account {
        told.wrong(
            line,
            "",
            say("stands above the header and was not read; move it below", "这一行在表头之上，未读取；请移到表头之下"),
        );
    } else {
        told.warn(line, "", say("stands above the header and was left out", "这一行在表头之上，已忽略"));
    }
}

fn broken(fault: Option<Fault>) -> Said {
    match fault {
        Some(_) => say(
            "a double quote in the header is not closed, or something stands behind the closing one; write the names without quotes",
            "表头中的双引号没有配对，或结束引号之后还有内容；列名请不要加引号",
        ),
        None => say(
            format!("the header has more than {MOST_CELLS} columns; remove those without a name"),
            format!("表头超过 {MOST_CELLS} 列；请删去没有名称的列"),
        ),
    }
}

/// Looks at the header itself: what is missing, what is there twice, what is not known.
fn is_usable(header: &Header, told: &mut Told) -> bool {
    let mut usable = true;
    for (place, (name, column)) in header.names.iter().zip(&header.columns).enumerate() {
        let first = column.and_then(|column| header.place(column)).unwrap_or(place);
        if first != place {
            let other = quoted(header.names.get(first).map_or("", String::as_str));
            told.wrong(
                header.line,
                name,
                say(
                    format!("means the same as the column {other}; remove one of the two"),
                    format!("与 {other} 列含义相同；请删去其一"),
                ),
            );
            usable = false;
        }
    }
    if header.place(Column::Email).is_none() {
        told.wrong(header.line, "", say("the header has no column email; add it", "表头中没有“邮箱”列；请加上"));
        usable = false;
    }
    let nobody = header.place(Column::User).is_none() && header.place(Column::Recipients).is_none();
    if nobody && header.userid_needed {
        let said = say(
            "the header has no column userid (the member's 账号 in WeCom); add it, or recipients where all mailboxes are shared ones",
            "表头中没有“成员账号”列（企业微信通讯录中的账号）；请加上；如全部是公共邮箱，则加“接收人”列",
        );
        told.wrong(header.line, "", said);
        usable = false;
    }
    unknown(header, usable, told);
    usable
}

/// Tells of columns that are not known. A line that may be no header is not shown, but for names that are misspelt.
fn unknown(header: &Header, usable: bool, told: &mut Told) {
    for (name, column) in header.names.iter().zip(&header.columns) {
        let near = Column::near(name);
        if column.is_none() && !name.is_empty() && !name.starts_with('#') && (usable || near.is_some()) {
            told.warn(header.line, name, unknown_name(near));
        }
    }
}

fn unknown_name(near: Option<&str>) -> Said {
    match near {
        Some(near) => say(
            format!("is no known column and was left out; did you mean {near}?"),
            format!("不是已知的列，已忽略；是否想写“{near}”？"),
        ),
        None => say(
            "is no known column and was left out; a name that begins with # says that it is meant so",
            "不是已知的列，已忽略；列名以 # 开头则不再提示",
        ),
    }
}

/// What to say of a file in which no line names a column, and of which line.
fn without_header(text: &str, line: usize) -> (usize, Said) {
    let lines = text.split('\n').flat_map(|line| line.trim_end_matches('\r').split('\r')).zip(line..);
    let looked: Vec<_> = lines.filter(|(line, _)| !trimmed(line).is_empty()).take(MOST_TITLES).collect();
    for (text, line) in &looked {
        let text: String = text.chars().take(2000).collect();
        let commented = trimmed(&text).strip_prefix('#').map(|rest| known_in(rest, |c| ",;\t".contains(c)));
        if commented.is_some_and(|known| known >= 2) {
            return (
                *line,
                say(
                    "looks like the header, but begins with # and so counts as a comment; remove the #",
                    "看起来是表头，但以 # 开头，被当作注释；请去掉 #",
                ),
            );
        }
        for sign in ['，', '；', '、', '|', '｜', ' ', '\u{3000}'] {
            if known_in(&text, |c| c == sign) >= 2 {
                let shown =
                    if sign == ' ' || sign == '\u{3000}' { "blanks".to_owned() } else { quoted(&sign.to_string()) };
                let zh = if shown == "blanks" { "空格".to_owned() } else { format!(" {shown}") };
                return (
                    *line,
                    say(
                        format!(
                            "the columns are separated by {shown}; write an English comma (,) between them, here and in every line"
                        ),
                        format!("各列之间用的是{zh}；请在这里和每一行中改用英文逗号 (,)"),
                    ),
                );
            }
        }
    }
    let first = looked.iter().find(|(line, _)| !trimmed(line).starts_with('#'));
    let Some((text, line)) = first.or(looked.first()) else { return (line, no_header()) };
    if text.contains('@') {
        return (
            *line,
            say(
                "looks like an account, but the first line must name the columns; write above it, for example: userid,email,provider,password",
                "看起来是账号，而第一行应为表头；请在其上加一行，例如：成员账号,邮箱,服务商,密码",
            ),
        );
    }
    (*line, no_header())
}

fn no_header() -> Said {
    say(
        "no line names the columns; write as the first line, for example: userid,email,provider,password. If there is such a line, save the file again as \"CSV UTF-8 (comma delimited)\"",
        "没有找到表头；请在第一行写列名，例如：成员账号,邮箱,服务商,密码。如已有表头，请重新另存为“CSV UTF-8（逗号分隔）”",
    )
}

/// How many columns a line names if cells end at these characters.
fn known_in(line: &str, ends: impl Fn(char) -> bool) -> usize {
    line.split(ends).filter(|name| Column::of(name).is_some()).count()
}

fn shown(delimiter: u8) -> &'static str {
    match delimiter {
        b';' => ";",
        b'\t' => "Tab",
        _ => ",",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> (usize, &'static str, usize) {
        let mut told = Told::default();
        let (header, _) = find(text, true, &mut told).unwrap();
        (header.line, header.delimiter, header.columns.iter().flatten().count())
    }

    #[test]
    fn the_header_is_found_with_what_separates_it() {
        assert_eq!(found("userid,email\n"), (1, ",", 2));
        assert_eq!(found("userid;email;note, or so\n"), (1, ";", 2));
        assert_eq!(found("成员账号\t邮箱\r\n"), (1, "Tab", 2));
        assert_eq!(found("\n# 说明\n,,\n\"userid\",\"email\"\n"), (4, ",", 2));
        assert_eq!(found("sep=;\nuserid;email\n"), (2, ";", 2));
        assert_eq!(found("SEP=,\r\nuserid,email,\"a;b\"\n"), (2, ",", 2));
        assert_eq!(found("邮箱,,,\n公司名单,,,\nuserid,email,,\n"), (3, ",", 2));
    }
}
