//! Which days are worked: Monday to Friday, or the Chinese working calendar with its holidays and make-up days (调休,
//! `config/workdays-cn.toml`, compiled in), or what a company says of its own years.

use crate::model::Lang;
use jiff::civil::{Date, Weekday};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What a data file says of one year, as it is written there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Year {
    /// Free days: "2026-05-01", or first and last "2026-05-01/2026-05-05".
    #[serde(default)]
    pub holidays: Vec<String>,
    /// Days that are worked although they may be Saturdays or Sundays, written like the holidays.
    #[serde(default)]
    pub workdays: Vec<String>,
    /// Where this is from.
    #[serde(default)]
    pub source: String,
}

/// Which days are worked. The default is [`Workdays::plain`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "BTreeMap<String, Year>")]
pub struct Workdays {
    /// The days that are not as the week has them, and whether they are worked. `None`: there are none in any year.
    years: Option<BTreeMap<i16, BTreeMap<Date, bool>>>,
}

/// Why a text is no calendar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text(Lang::En))]
pub enum WorkdaysError {
    /// Not TOML, or not of this form: the parser's words, with line and column.
    Form(String),
    /// The name of a table is no year.
    Year(String),
    /// No day and no first and last day.
    Day(i16, String),
    /// The last day is before the first one.
    Backwards(i16, String),
    /// A day of another year.
    OtherYear(i16, String),
    /// A day is said to be free and to be worked.
    Both(i16, Date),
}

impl WorkdaysError {
    /// What is wrong and what to write instead.
    pub fn text(&self, lang: Lang) -> String {
        let (zh, en, said) = match self {
            Self::Form(said) => (
                "不是工作日历：{}。每年一个表，例如 [2026] 及其 holidays = [\"2026-10-01/2026-10-07\"]、workdays = [\"2026-10-10\"]",
                "this is no working calendar: {}; write a table per year, for example [2026] with holidays = [\"2026-10-01/2026-10-07\"] and workdays = [\"2026-10-10\"]",
                said.trim_end().to_owned(),
            ),
            Self::Year(said) => {
                ("[{}] 不是年份：请写成 [2026]", "[{}] is no year: write [2026], for example", said.clone())
            }
            Self::Day(_, said) => (
                "\"{}\" 不是日期：请写成 \"2026-10-10\"，或首日与末日 \"2026-10-01/2026-10-07\"",
                "\"{}\" is no day: write \"2026-10-10\", or the first and the last day, \"2026-10-01/2026-10-07\"",
                said.clone(),
            ),
            Self::Backwards(_, said) => (
                "\"{}\" 的末日早于首日：请写成 \"2026-10-01/2026-10-07\"",
                "\"{}\" ends before it begins: write the first day first, \"2026-10-01/2026-10-07\"",
                said.clone(),
            ),
            Self::OtherYear(_, said) => (
                "\"{}\" 不在这一年：每一天都写在它自己年份的表中",
                "\"{}\" is not in this year: each day stands in the table of its own year",
                said.clone(),
            ),
            Self::Both(_, day) => (
                "{} 既写为放假又写为上班：请删去其一",
                "{} is said to be free and to be worked: take one of them out",
                day.to_string(),
            ),
        };
        let said = lang.pick(zh, en).replace("{}", &said);
        match self {
            Self::Day(year, _) | Self::Backwards(year, _) | Self::OtherYear(year, _) | Self::Both(year, _) => {
                format!("[{year}] {said}")
            }
            Self::Form(_) | Self::Year(_) => said,
        }
    }
}

/// That the file can be read is held by a test.
static BUILT_IN: LazyLock<Workdays> =
    LazyLock::new(|| Workdays::parse(include_str!("../../config/workdays-cn.toml")).unwrap_or_default());

impl Workdays {
    /// Monday to Friday, whatever the year.
    pub fn plain() -> Self {
        Self::default()
    }

    /// The Chinese working calendar as far as it was published when this was built.
    pub fn built_in() -> Self {
        BUILT_IN.clone()
    }

    /// Reads a file of the form of `config/workdays-cn.toml`.
    pub fn parse(text: &str) -> Result<Self, WorkdaysError> {
        let file: BTreeMap<String, Year> =
            toml::from_str(text).map_err(|error| WorkdaysError::Form(error.to_string()))?;
        file.try_into()
    }

    /// A calendar of these years.
    pub fn from_years(years: BTreeMap<i16, Year>) -> Result<Self, WorkdaysError> {
        let read = |(year, said): (i16, Year)| Ok((year, exceptions(year, &said)?));
        Ok(Self { years: Some(years.into_iter().map(read).collect::<Result<_, _>>()?) })
    }

    /// Adds the years of `other`. A year that both know is as `other` has it, whole.
    pub fn merge(&mut self, other: Self) {
        if let Some(years) = other.years {
            self.years.get_or_insert_default().extend(years);
        }
    }

    /// Whether people work on this day. In a year that is not known: Monday to Friday.
    pub fn is_workday(&self, date: Date) -> bool {
        let of_year = self.years.as_ref().and_then(|years| years.get(&date.year()));
        let said = of_year.and_then(|days| days.get(&date)).copied();
        said.unwrap_or_else(|| !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday))
    }

    /// Whether the calendar has this year. Where it has not, people should be warned that holidays of that year count as
    /// workdays. The plain calendar knows every year.
    pub fn knows(&self, year: i16) -> bool {
        self.years.as_ref().is_none_or(|years| years.contains_key(&year))
    }
}

impl TryFrom<BTreeMap<String, Year>> for Workdays {
    type Error = WorkdaysError;

    fn try_from(file: BTreeMap<String, Year>) -> Result<Self, WorkdaysError> {
        let read = |(name, said): (String, Year)| match year_named(&name) {
            Some(year) => Ok((year, said)),
            None => Err(WorkdaysError::Year(name)),
        };
        Self::from_years(file.into_iter().map(read).collect::<Result<_, _>>()?)
    }
}

/// Four digits, so that no year has two names.
fn year_named(name: &str) -> Option<i16> {
    let is_year = name.len() == 4 && name.bytes().all(|b| b.is_ascii_digit());
    if is_year { name.parse().ok() } else { None }
}

/// The days of a year that are not as the week has them.
fn exceptions(year: i16, said: &Year) -> Result<BTreeMap<Date, bool>, WorkdaysError> {
    let mut days = BTreeMap::new();
    for (texts, worked) in [(&said.holidays, false), (&said.workdays, true)] {
        for text in texts {
            let (first, last) = span(year, text)?;
            for day in first.series(jiff::Span::new().days(1)).take_while(|day| *day <= last) {
                if days.insert(day, worked).is_some_and(|before| before != worked) {
                    return Err(WorkdaysError::Both(year, day));
                }
            }
        }
    }
    Ok(days)
}

/// The first and the last day of "2026-05-01/2026-05-05", or the same day twice.
fn span(year: i16, text: &str) -> Result<(Date, Date), WorkdaysError> {
    let day = |part: &str| {
        let day = part.trim().parse::<Date>().ok().filter(|day| day.to_string() == part.trim());
        day.ok_or_else(|| WorkdaysError::Day(year, text.to_owned()))
    };
    let (first, last) = text.split_once('/').unwrap_or((text, text));
    let (first, last) = (day(first)?, day(last)?);
    if first.year() != year || last.year() != year {
        return Err(WorkdaysError::OtherYear(year, text.to_owned()));
    }
    if last < first {
        return Err(WorkdaysError::Backwards(year, text.to_owned()));
    }
    Ok((first, last))
}

#[cfg(test)]
#[path = "workdays_tests.rs"]
mod tests;
