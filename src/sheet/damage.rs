//! Traces of what spreadsheets do to cells on their own: numbers cut down, texts made dates, formulas gone wrong.

use super::told::{Said, say};

/// What a spreadsheet did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// `#REF!` and its like, or `####`.
    Error,
    /// A long number in scientific form: its last digits are lost.
    Scientific,
    /// What looked like a date was made one.
    Date,
}

const ERRORS: [&str; 11] = [
    "#REF!",
    "#N/A",
    "#NAME?",
    "#VALUE!",
    "#DIV/0!",
    "#NUM!",
    "#NULL!",
    "#SPILL!",
    "#CALC!",
    "#FIELD!",
    "#GETTING_DATA",
];

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

impl Damage {
    /// What was done to this text, if it bears a trace.
    pub fn of(text: &str) -> Option<Self> {
        let text = text.trim();
        if is_error(text) {
            Some(Self::Error)
        } else if is_scientific(text) {
            Some(Self::Scientific)
        } else {
            is_date(text).then_some(Self::Date)
        }
    }

    /// What happened to a text, as sentences show it (or not: then it is empty), and what to do.
    pub fn said(self, shown: &str) -> Said {
        let (en, zh) = if shown.is_empty() {
            ("this".to_owned(), "该值".to_owned())
        } else {
            (shown.to_owned(), format!("{shown} "))
        };
        match self {
            Self::Error => say(
                format!("{en} is an error of the spreadsheet; write the value itself in place of the formula"),
                format!("{zh}是表格软件的错误值；请把公式改成实际的值"),
            ),
            Self::Scientific => say(
                format!(
                    "{en} is a number that the spreadsheet has shortened; format the column as text and enter the value again"
                ),
                format!("{zh}是被表格软件改成科学计数法的数字，末尾几位已丢失；请把该列设为“文本”格式后重新填写"),
            ),
            Self::Date => say(
                format!(
                    "{en} looks like a date that the spreadsheet made of something else; format the column as text and enter the value again"
                ),
                format!("{zh}像是被表格软件改成了日期；请把该列设为“文本”格式后重新填写"),
            ),
        }
    }
}

/// Whether a cell is an error value of a spreadsheet, or was too narrow to be shown when it was copied.
pub(super) fn is_error(text: &str) -> bool {
    ERRORS.iter().any(|error| error.eq_ignore_ascii_case(text)) || (text.len() >= 3 && text.bytes().all(|b| b == b'#'))
}

/// `1.38E+10`
fn is_scientific(text: &str) -> bool {
    let Some((number, power)) = text.split_once(['E', 'e']) else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    whole.len() == 1 && digits(whole) && digits(part) && power.strip_prefix('+').is_some_and(digits)
}

/// `2024/1/5`, `2024-01-05 0:00`, `5-Jan`, `Jan-05`, `5-Jan-24`, `1月5日`, `2024年1月`
fn is_date(text: &str) -> bool {
    let digits = |part: &str| (1..=4).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    if text.contains('月') && !text.contains(|c: char| !c.is_ascii_digit() && !"年月日".contains(c)) {
        return text.starts_with(|c: char| c.is_ascii_digit());
    }
    let day = match text.split_once(' ') {
        Some((day, time)) if time.contains(':') && time.bytes().all(|b| b.is_ascii_digit() || b == b':') => day,
        Some(_) => return false,
        None => text,
    };
    let sign = if day.contains('/') { '/' } else { '-' };
    let parts: Vec<&str> = day.splitn(4, sign).collect();
    let month = |part: &&str| MONTHS.iter().any(|month| month.eq_ignore_ascii_case(part));
    let named = parts.iter().filter(|part| month(part)).count();
    let numbers = parts.iter().filter(|part| digits(part)).count();
    match parts.as_slice() {
        [_, _] => named == 1 && numbers == 1,
        [first, _, last] => (named == 1 && numbers == 2) || (numbers == 3 && (first.len() == 4 || last.len() == 4)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_are_seen() {
        for (text, damage) in [
            ("#REF!", Damage::Error),
            ("#n/a", Damage::Error),
            ("########", Damage::Error),
            ("1.38E+10", Damage::Scientific),
            ("1E+11", Damage::Scientific),
            ("1.38001E+10", Damage::Scientific),
            ("2024/1/5", Damage::Date),
            ("2024-01-05 00:00:00", Damage::Date),
            ("1/5/2024", Damage::Date),
            ("5-Jan", Damage::Date),
            ("Mar-03", Damage::Date),
            ("5-Jan-24", Damage::Date),
            ("1月5日", Damage::Date),
            ("2024年1月", Damage::Date),
        ] {
            assert_eq!(Damage::of(text), Some(damage), "{text}");
        }
    }

    #[test]
    fn what_people_write_is_no_trace() {
        for text in [
            "", "zhangsan", "1-5", "5-x", "jan", "may-lee", "li-jan", "E+1", "1.5", "##", "#项目", "12E+1x", "月",
            "3/5", "a/b/2024",
        ] {
            assert_eq!(Damage::of(text), None, "{text}");
        }
    }
}
