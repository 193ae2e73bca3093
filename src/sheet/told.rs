//! What is told of a sheet: sentences in both languages, each with its line and column.

use super::MOST_TOLD;
use crate::model::Lang;
use serde::{Deserialize, Serialize};

/// Something about a line, in words: what is wrong and what to write, or what was taken for what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// The line, from 1, as an editor counts; that of the header where a whole column is meant.
    pub line: usize,
    /// The column by its name in the file's header; empty where the line or the file as a whole is meant.
    pub column: String,
    /// In English.
    pub en: String,
    /// In Chinese.
    pub zh: String,
}

impl Trouble {
    /// What is said, without line and column.
    pub fn said(&self, lang: Lang) -> &str {
        lang.pick(&self.zh, &self.en)
    }

    /// The whole sentence with line and column.
    pub fn text(&self, lang: Lang) -> String {
        let (Self { line, column, .. }, said) = (self, self.said(lang));
        match (lang, column.is_empty()) {
            (Lang::En, true) => format!("line {line}: {said}"),
            (Lang::En, false) => format!("line {line}, {column}: {said}"),
            (Lang::ZhCn, true) => format!("第 {line} 行：{said}"),
            (Lang::ZhCn, false) => format!("第 {line} 行，{column}：{said}"),
        }
    }
}

/// One sentence in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub en: String,
    pub zh: String,
}

pub(super) fn say(en: impl Into<String>, zh: impl Into<String>) -> Said {
    Said { en: en.into(), zh: zh.into() }
}

/// What was told so far.
#[derive(Debug, Default)]
pub(super) struct Told {
    problems: Vec<Trouble>,
    warnings: Vec<Trouble>,
}

impl Told {
    /// Tells of a mistake. The last one that is told says that there are more.
    pub fn wrong(&mut self, line: usize, column: &str, said: Said) {
        match self.problems.len() + 1 {
            room if room < MOST_TOLD => self.problems.push(trouble(line, column, said)),
            MOST_TOLD => {
                let said = say(
                    "there are too many mistakes; from here on the file was not read. Correct the ones above first",
                    "错误太多，从这里起不再读取；请先改正前面的错误",
                );
                self.problems.push(trouble(line, "", said));
            }
            _ => {}
        }
    }

    /// Tells of something that was repaired or left out.
    pub fn warn(&mut self, line: usize, column: &str, said: Said) {
        if self.warnings.len() < MOST_TOLD {
            self.warnings.push(trouble(line, column, said));
        }
    }

    /// Whether no more mistakes are told.
    pub fn is_full(&self) -> bool {
        self.problems.len() >= MOST_TOLD
    }

    /// Problems and warnings, by line.
    pub fn sorted(mut self) -> (Vec<Trouble>, Vec<Trouble>) {
        self.problems.sort_by_key(|trouble| trouble.line);
        self.warnings.sort_by_key(|trouble| trouble.line);
        (self.problems, self.warnings)
    }
}

fn trouble(line: usize, column: &str, said: Said) -> Trouble {
    Trouble { line, column: column.to_owned(), en: said.en, zh: said.zh }
}

/// A text of the file inside a sentence: on one line, without invisible characters, and short.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", short(text))
}

/// The same without quotes.
pub(super) fn short(text: &str) -> String {
    let mut chars = text.chars();
    let odd = |c: char| c.is_control() || (c.is_whitespace() && c != ' ') || super::cell::is_invisible(c);
    let mut shown: String = chars.by_ref().take(60).map(|c| if odd(c) { '\u{fffd}' } else { c }).collect();
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_texts_stay_short_and_on_one_line() {
        assert_eq!(quoted("a\nb\u{200b}\u{a0}c"), "\"a\u{fffd}b\u{fffd}\u{fffd}c\"");
        assert_eq!(quoted(&"x".repeat(200)).chars().count(), 63);
    }

    #[test]
    fn no_more_is_told_than_anybody_reads() {
        let mut told = Told::default();
        for line in 1..=MOST_TOLD + 5 {
            told.wrong(line, "email", say("a", "b"));
            told.warn(line, "email", say("a", "b"));
        }
        assert!(told.is_full());
        let (problems, warnings) = told.sorted();
        assert_eq!((problems.len(), warnings.len()), (MOST_TOLD, MOST_TOLD));
        let last = problems.last().unwrap();
        assert_eq!(last.text(Lang::ZhCn), format!("第 {MOST_TOLD} 行：错误太多，从这里起不再读取；请先改正前面的错误"));
    }

    #[test]
    fn a_sentence_names_line_and_column() {
        let trouble = trouble(3, "邮箱", say("a", "b"));
        assert_eq!(trouble.text(Lang::En), "line 3, 邮箱: a");
        assert_eq!(trouble.text(Lang::ZhCn), "第 3 行，邮箱：b");
    }
}
