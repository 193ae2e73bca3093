//! What one reading of a config file gathers: mistakes and warnings with their places, and what is needed beside
//! the text (the file's folder, the environment).

use super::used::Problem;
use crate::model::Recipient;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A sentence in both languages.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub en: String,
    pub zh: String,
}

/// The same thing said in English and in Chinese.
pub(super) fn say(en: impl Into<String>, zh: impl Into<String>) -> Said {
    Said { en: en.into(), zh: zh.into() }
}

/// A text of the file as it may stand in a message: quoted, short, on one line.
pub(super) fn quoted(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    let shown: String = short.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    format!("\"{shown}{more}\"")
}

/// A key as part of a dotted key: bare where TOML lets it, else quoted.
pub(super) fn key_part(key: &str) -> String {
    let bare = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    if !key.is_empty() && key.chars().count() <= 60 && key.chars().all(bare) {
        return key.to_owned();
    }
    quoted(key)
}

/// Where the lines of a text begin.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub fn new(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at).collect())
    }

    /// The line, from 1, that holds this byte.
    pub fn line(&self, at: usize) -> usize {
        self.0.partition_point(|end| *end < at) + 1
    }
}

/// One reading of a config file.
pub(super) struct Reading<'a> {
    /// The absolute folder of the config file.
    folder: PathBuf,
    env: &'a dyn Fn(&str) -> Option<String>,
    lines: Lines,
    /// Where the syntax is broken. Then what seems missing or unknown may only look so, and is not told.
    broken: Vec<Range<usize>>,
    mistakes: RefCell<Vec<(usize, Problem)>>,
    warnings: RefCell<Vec<(usize, Problem)>>,
    /// The first secret that stands in the file itself.
    pub literal_secret: Cell<Option<usize>>,
    /// The lists of `[recipients.NAME]`.
    pub lists: RefCell<Lists>,
}

/// Recipients by the name of their list.
pub(super) type Lists = HashMap<String, Vec<Recipient>>;

impl<'a> Reading<'a> {
    pub fn new(file: &Path, text: &str, env: &'a dyn Fn(&str) -> Option<String>) -> Self {
        let whole = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        Self {
            folder: whole.parent().map(Path::to_owned).unwrap_or_default(),
            env,
            lines: Lines::new(text),
            broken: Vec::new(),
            mistakes: RefCell::default(),
            warnings: RefCell::default(),
            literal_secret: Cell::new(None),
            lists: RefCell::default(),
        }
    }

    /// Says that the syntax is broken there.
    pub fn break_at(&mut self, span: Range<usize>) {
        self.broken.push(span);
    }

    /// Whether the syntax is broken anywhere.
    pub fn is_broken(&self) -> bool {
        !self.broken.is_empty()
    }

    /// How many broken lines are known.
    pub fn broken_lines(&self) -> usize {
        self.broken.len()
    }

    /// Whether the syntax is broken inside this span or on its first line.
    pub fn is_broken_in(&self, span: &Range<usize>) -> bool {
        self.broken
            .iter()
            .any(|b| (b.start <= span.end && span.start <= b.end) || self.line(b.start) == self.line(span.start))
    }

    pub fn line(&self, at: usize) -> usize {
        self.lines.line(at)
    }

    /// A variable of the environment.
    pub fn env(&self, name: &str) -> Option<String> {
        (self.env)(name)
    }

    /// A path of the file: relative ones begin at the file's folder.
    pub fn path(&self, text: &str) -> PathBuf {
        self.folder.join(text)
    }

    /// A mistake at this byte of the file.
    pub fn mistake(&self, at: usize, key: String, said: Said) {
        let problem = Problem { line: self.line(at), key, en: said.en, zh: said.zh };
        self.mistakes.borrow_mut().push((at, problem));
    }

    /// A mistake that may only follow from broken syntax: told where the syntax is whole.
    pub fn if_whole(&self, at: usize, key: String, said: Said) {
        if !self.is_broken() {
            self.mistake(at, key, said);
        }
    }

    /// A mistake of the whole file.
    pub fn of_file(&self, key: &str, said: Said) {
        if !self.is_broken() {
            let problem = Problem { line: 0, key: key.to_owned(), en: said.en, zh: said.zh };
            self.mistakes.borrow_mut().push((0, problem));
        }
    }

    /// A warning at this byte of the file; `None` for the whole file.
    pub fn warn(&self, at: Option<usize>, key: String, said: Said) {
        let line = at.map_or(0, |at| self.line(at));
        let problem = Problem { line, key, en: said.en, zh: said.zh };
        self.warnings.borrow_mut().push((at.unwrap_or(0), problem));
    }

    /// The mistakes and the warnings, each in the order of the file.
    pub fn finish(self) -> (Vec<Problem>, Vec<Problem>) {
        (in_order(self.mistakes.into_inner()), in_order(self.warnings.into_inner()))
    }
}

fn in_order(mut list: Vec<(usize, Problem)>) -> Vec<Problem> {
    list.sort_by_key(|(at, problem)| (problem.line, *at));
    list.into_iter().map(|(_, problem)| problem).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn lines_count_from_one() {
        let lines = Lines::new("ab\nc\n\nd");
        let at: Vec<_> = (0..8).map(|at| lines.line(at)).collect();
        assert_eq!(at, [1, 1, 1, 2, 2, 3, 4, 4]);
    }

    #[test]
    fn quoted_texts_stay_short_and_on_one_line() {
        assert_eq!(quoted("a\nb\u{1b}"), "\"a\u{fffd}b\u{fffd}\"");
        assert_eq!(quoted(&"x".repeat(200)).chars().count(), 63);
        assert_eq!(key_part("a b"), "\"a b\"");
        assert_eq!(key_part("账号"), "账号");
    }
}
