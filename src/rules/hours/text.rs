//! How people write windows of time, and what they are told when it is none.

use super::{DAY, Days, MOST_WINDOWS, Window};
use crate::model::Lang;
use jiff::civil::Time;

/// So much of a text is repeated in an error.
const MOST_REPEATED: usize = 60;

/// The days of the week from Monday on: short, long, and what follows 周 or 星期.
pub(super) const WEEK: [(&str, &str, &[&str]); 7] = [
    ("mon", "monday", &["一"]),
    ("tue", "tuesday", &["二"]),
    ("wed", "wednesday", &["三"]),
    ("thu", "thursday", &["四"]),
    ("fri", "friday", &["五"]),
    ("sat", "saturday", &["六"]),
    ("sun", "sunday", &["日", "天"]),
];

/// Why a text is no window of time, or no time of day.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text(Lang::En))]
pub struct HoursError {
    said: String,
    wrong: Wrong,
}

/// What is wrong; the words are those that were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    Empty,
    NoDay(String),
    DayMissing,
    NoRange(String),
    NoTime(String),
    NoEnd(String),
    LateBegin,
    SameTimes(String),
    TooMuch(String),
    Many,
    NoTimeOfDay,
}

impl HoursError {
    pub(super) fn new(said: &str, wrong: Wrong) -> Self {
        Self { said: clipped(said), wrong }
    }

    /// What was written, what is wrong with it, and an example.
    pub fn text(&self, lang: Lang) -> String {
        let (zh, en, word) = match &self.wrong {
            Wrong::Empty => ("没有日子，也没有时间", "there is neither a day nor a time", ""),
            Wrong::NoDay(word) => ("“{}”不是星期几，也不是工作日、休息日或每天", "'{}' is no day", &**word),
            Wrong::DayMissing => ("最后的逗号之后缺少日子", "a day is missing after the last comma", ""),
            Wrong::NoRange(word) => (
                "“{}”不能作为范围的一端，范围只能从星期几到星期几",
                "a range goes from one of mon to sun to another, and '{}' is none",
                &**word,
            ),
            Wrong::NoTime(word) => ("“{}”不是时间", "'{}' is no time", &**word),
            Wrong::NoEnd(word) => ("{} 之后缺少结束时间", "there is no end to what begins at {}", &**word),
            Wrong::LateBegin => ("24:00 只能作为结束时间", "24:00 can only be an end", ""),
            Wrong::SameTimes(word) => (
                "开始和结束都是 {}；如果是全天，请只写日子，或写 00:00-24:00",
                "it begins and ends at {}; for the whole day write the day alone, or 00:00-24:00",
                &**word,
            ),
            Wrong::TooMuch(word) => ("“{}”是多余的", "'{}' is too much", &**word),
            Wrong::Many => ("太多了，最多 {} 个", "there are too many, {} are the most", ""),
            Wrong::NoTimeOfDay => {
                let said = lang.pick(
                    "\"{}\" 不是一天中的时间：请写 00:00 到 23:59，例如 \"09:00\"",
                    "\"{}\" is no time of day: write one from 00:00 to 23:59, for example \"09:00\"",
                );
                return said.replace("{}", &self.said);
            }
        };
        let most = MOST_WINDOWS.to_string();
        let why = lang.pick(zh, en).replace("{}", if self.wrong == Wrong::Many { &most } else { word });
        let example = lang.pick(
            "请写 [日子] [HH:MM-HH:MM]，例如 \"周一至周五 09:00-18:00\"、\"工作日 22:00-08:00\"、\"周六,周日\"",
            "write [DAYS] [HH:MM-HH:MM], for example \"mon-fri 09:00-18:00\", \"workday 22:00-08:00\" or \"sat,sun\"",
        );
        match lang {
            Lang::ZhCn => format!("\"{}\" 不是时段：{why}。{example}", self.said),
            Lang::En => format!("\"{}\" are no hours: {why}; {example}", self.said),
        }
    }
}

fn clipped(text: &str) -> String {
    match text.char_indices().nth(MOST_REPEATED) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// What a text is made of. Blanks are nowhere of meaning.
#[derive(Clone, Copy, Debug)]
enum Piece<'a> {
    Comma(&'a str),
    Dash(&'a str),
    Word(&'a str),
}

impl<'a> Piece<'a> {
    fn text(self) -> &'a str {
        match self {
            Self::Comma(text) | Self::Dash(text) | Self::Word(text) => text,
        }
    }
}

/// A word ends at a blank or a sign, and where a number follows letters ("周一09:00").
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (piece, after) = match rest.find(|c: char| is_sign(c) || c.is_whitespace()) {
            Some(0) => rest.split_at(first.len_utf8()),
            end => rest.split_at(end.unwrap_or(rest.len())),
        };
        match first {
            ',' | '，' | '、' => found.push(Piece::Comma(piece)),
            c if is_sign(c) => found.push(Piece::Dash(piece)),
            c if c.is_whitespace() => {}
            c if c.is_ascii_digit() => found.push(Piece::Word(piece)),
            _ => {
                let (letters, number) = piece.split_at(piece.find(|c: char| c.is_ascii_digit()).unwrap_or(piece.len()));
                found.push(Piece::Word(letters));
                found.extend((!number.is_empty()).then_some(Piece::Word(number)));
            }
        }
        rest = after;
    }
    found
}

fn is_sign(c: char) -> bool {
    matches!(c, ',' | '，' | '、' | '-' | '－' | '–' | '至')
}

fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
}

/// Reads `[DAYS] [HH:MM-HH:MM]`.
pub(super) fn window(text: &str) -> Result<Window, Wrong> {
    let pieces = pieces(text);
    let (days, rest) = match pieces.as_slice() {
        [] => return Err(Wrong::Empty),
        [Piece::Word(word), ..] if is_number(word) => {
            (Days { week: Days::WHOLE_WEEK, ..Days::default() }, pieces.as_slice())
        }
        list => days(list)?,
    };
    let (begin, end) = match rest {
        [] => return Ok(Window { days, begin: 0, end: DAY }),
        [Piece::Word(begin), Piece::Dash(_), Piece::Word(end)] => (*begin, *end),
        [Piece::Word(_), Piece::Dash(_), Piece::Word(_), more, ..] => return Err(Wrong::TooMuch(clipped(more.text()))),
        [Piece::Word(word), ..] if minutes(word).is_some() => return Err(Wrong::NoEnd(clipped(word))),
        [Piece::Word(word), ..] if is_number(word) => return Err(Wrong::NoTime(clipped(word))),
        [more, ..] => return Err(Wrong::TooMuch(clipped(more.text()))),
    };
    let read = |word: &str| minutes(word).ok_or_else(|| Wrong::NoTime(clipped(word)));
    let (from, to) = (read(begin)?, read(end)?);
    match from.cmp(&to) {
        _ if from == DAY => Err(Wrong::LateBegin),
        std::cmp::Ordering::Equal => Err(Wrong::SameTimes(clipped(begin))),
        std::cmp::Ordering::Less => Ok(Window { days, begin: from, end: to }),
        std::cmp::Ordering::Greater => Ok(Window { days, begin: from, end: to + DAY }),
    }
}

/// Reads the list of days that `rest` begins with, and what comes after it.
fn days<'p, 't>(mut rest: &'p [Piece<'t>]) -> Result<(Days, &'p [Piece<'t>]), Wrong> {
    let mut found = Days::default();
    loop {
        rest = match rest {
            [Piece::Word(first), Piece::Dash(_), Piece::Word(last), after @ ..] => {
                found.add_range(first, last)?;
                after
            }
            [Piece::Word(one), after @ ..] => {
                found.add(one)?;
                after
            }
            [sign, ..] => return Err(Wrong::NoDay(sign.text().to_owned())),
            [] => return Err(Wrong::DayMissing),
        };
        match rest {
            [Piece::Comma(_), after @ ..] => rest = after,
            _ => return Ok((found, rest)),
        }
    }
}

impl Days {
    fn add(&mut self, word: &str) -> Result<(), Wrong> {
        let is = |names: [&str; 2]| names.iter().any(|name| word.eq_ignore_ascii_case(name));
        match weekday(word) {
            Some(day) => self.week |= 1 << day,
            None if is(["daily", "每天"]) => self.week = Self::WHOLE_WEEK,
            None if is(["workday", "工作日"]) => self.workdays = true,
            None if is(["restday", "休息日"]) => self.restdays = true,
            None => return Err(Wrong::NoDay(clipped(word))),
        }
        Ok(())
    }

    fn add_range(&mut self, first: &str, last: &str) -> Result<(), Wrong> {
        let day = |word: &str| match weekday(word) {
            Some(day) => Ok(day),
            None => Err(Self::default().add(word).err().unwrap_or_else(|| Wrong::NoRange(word.to_owned()))),
        };
        let (mut at, last) = (day(first)?, day(last)?);
        self.week |= 1 << at;
        while at != last {
            at = (at + 1) % 7;
            self.week |= 1 << at;
        }
        Ok(())
    }
}

/// The day of the week that a word names; 0 is Monday.
fn weekday(word: &str) -> Option<u8> {
    let chinese = word.strip_prefix('周').or_else(|| word.strip_prefix("星期"));
    let is = |(short, long, han): &(&str, &str, &[&str])| match chinese {
        Some(day) => han.contains(&day),
        None => word.eq_ignore_ascii_case(short) || word.eq_ignore_ascii_case(long),
    };
    (0..).zip(&WEEK).find(|(_, names)| is(names)).map(|(day, _)| day)
}

/// The minutes after midnight of "09:00", at most "24:00".
fn minutes(word: &str) -> Option<u16> {
    let (hour, minute) = word.split_once([':', '：'])?;
    let number = |text: &str| if text.bytes().all(|b| b.is_ascii_digit()) { text.parse::<u16>().ok() } else { None };
    let fits = matches!(hour.len(), 1 | 2) && minute.len() == 2;
    let (hour, minute) = (number(hour).filter(|_| fits)?, number(minute)?);
    let read = hour * 60 + minute;
    (minute < 60 && read <= DAY).then_some(read)
}

/// A time of day, "00:00" to "23:59".
pub(super) fn time(text: &str) -> Option<Time> {
    let read = minutes(text.trim()).filter(|minutes| *minutes < DAY)?;
    Time::new(i8::try_from(read / 60).ok()?, i8::try_from(read % 60).ok()?, 0, 0).ok()
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
