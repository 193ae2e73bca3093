//! A typed reader over one section of the config file: it hands out values of the asked type and records every
//! mistake with its line, its key and what to write instead.

use super::duration;
use super::keys::Section;
use super::reading::{Reading, Said, key_part, quoted, say};
use super::words::{bad_path, control_characters, either, type_name, unknown_key, wrong_section};
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value that a key can be chosen from; `None` stands for one whose feature is not built yet.
pub(super) type Choice<T> = (&'static str, Option<T>);

/// One section, being read.
pub(super) struct Reader<'a> {
    pub cx: &'a Reading<'a>,
    table: &'a DeTable<'a>,
    section: &'static Section,
    /// The dotted key of the section: `imap`, `provider.corp`, `account[2]`.
    path: String,
    /// Where the section begins.
    pub at: usize,
}

impl<'a> Reader<'a> {
    /// Opens a section. Keys that are unknown are told at once.
    pub fn new(
        cx: &'a Reading<'a>,
        section: &'static Section,
        table: &'a DeTable<'a>,
        path: String,
        at: usize,
    ) -> Self {
        let reader = Self { cx, table, section, path, at };
        for key in table.keys() {
            reader.know(key);
        }
        reader
    }

    fn know(&self, key: &Spanned<std::borrow::Cow<'_, str>>) {
        let at = key.span().start;
        let dotted = format!("{}.{}", self.path, key_part(key.get_ref()));
        if self.section.key(key.get_ref()).is_none() {
            self.cx.if_whole(at, dotted, unknown_key(self.section, key.get_ref()));
        }
    }

    /// Whether the key stands in the file, with whatever value.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The dotted key.
    pub fn dotted(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    /// Where the key stands, else where its section begins.
    pub fn place(&self, key: &str) -> usize {
        self.table.get_key_value(key).map_or(self.at, |(key, _)| key.span().start)
    }

    /// The value as it stands; `None` also where broken syntax makes it doubtful.
    pub fn value(&self, key: &str) -> Option<&'a DeValue<'a>> {
        let (name, value) = self.table.get_key_value(key)?;
        let span = name.span().start..value.span().end.max(name.span().end);
        if self.cx.is_broken_in(&span) {
            return None;
        }
        Some(value.get_ref())
    }

    /// A mistake in this key's value.
    pub fn wrong(&self, key: &str, said: Said) {
        self.cx.mistake(self.place(key), self.dotted(key), said);
    }

    /// A mistake in one element of this key's list.
    pub fn wrong_item(&self, key: &str, at: usize, said: Said) {
        self.cx.mistake(at, self.dotted(key), said);
    }

    /// Something unwise about this key.
    pub fn warn(&self, key: &str, said: Said) {
        self.cx.warn(Some(self.place(key)), self.dotted(key), said);
    }

    /// How the key is written.
    pub fn example(&self, key: &str) -> String {
        format!("{key} = {}", self.section.key(key).map_or("", |known| known.value))
    }

    /// Tells that the key is missing, how to write it, and where its value is found.
    pub fn missing(&self, key: &str, hint: Option<Said>) {
        let hint = hint.unwrap_or_else(|| say("", ""));
        let example = self.example(key);
        let said = say(
            format!("missing; write for example: {example}{}", hint.en),
            format!("缺少此项；请写，例如：{example}{}", hint.zh),
        );
        self.cx.if_whole(self.at, self.dotted(key), said);
    }

    fn wrong_type(&self, key: &str, wanted: (&str, &str), found: &DeValue<'_>) {
        let (en, zh) = type_name(found);
        let example = self.example(key);
        self.wrong(
            key,
            say(
                format!("must be {}, not {en}; write for example: {example}", wanted.0),
                format!("应为{}，不是{zh}；请写，例如：{example}", wanted.1),
            ),
        );
    }

    /// A text that is not blank and holds no control characters.
    pub fn text(&self, key: &str) -> Option<&'a str> {
        match self.value(key)? {
            DeValue::String(text) if text.trim().is_empty() => {
                let example = self.example(key);
                self.wrong(
                    key,
                    say(
                        format!("must not be empty; write for example: {example}"),
                        format!("不能为空；请写，例如：{example}"),
                    ),
                );
                None
            }
            DeValue::String(text) if text.chars().any(char::is_control) => {
                self.wrong(key, control_characters());
                None
            }
            DeValue::String(text) => Some(text),
            other => {
                self.wrong_type(key, ("a text in double quotes", "用英文双引号括起来的文字"), other);
                None
            }
        }
    }

    /// `true` or `false`.
    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.value(key)? {
            DeValue::Boolean(value) => Some(*value),
            other => {
                self.wrong_type(key, ("true or false, without quotes", " true 或 false（不加引号）"), other);
                None
            }
        }
    }

    /// A whole number.
    pub fn number(&self, key: &str) -> Option<i64> {
        match self.value(key)? {
            DeValue::Integer(number) => {
                let read = i64::from_str_radix(number.as_str(), number.radix()).ok();
                if read.is_none() {
                    let example = self.example(key);
                    self.wrong(
                        key,
                        say(
                            format!("this number is too large; write for example: {example}"),
                            format!("数字过大；请写，例如：{example}"),
                        ),
                    );
                }
                read
            }
            other => {
                self.wrong_type(key, ("a whole number without quotes", "不加引号的整数"), other);
                None
            }
        }
    }

    /// A whole number within the range.
    pub fn number_in(&self, key: &str, range: RangeInclusive<i64>) -> Option<i64> {
        let number = self.number(key)?;
        if range.contains(&number) {
            return Some(number);
        }
        let (low, high) = (range.start(), range.end());
        self.wrong(
            key,
            say(
                format!("{number} is out of range; write a number from {low} to {high}"),
                format!("{number} 超出范围；请写 {low} 到 {high} 之间的数字"),
            ),
        );
        None
    }

    /// A duration within the range.
    pub fn span(&self, key: &str, range: RangeInclusive<Duration>) -> Option<Duration> {
        let (low, high) = (duration::show(*range.start()), duration::show(*range.end()));
        let example = self.example(key);
        let read = match self.value(key)? {
            DeValue::String(text) => duration::parse(text),
            _ => None,
        };
        let Some(read) = read else {
            self.wrong(
                key,
                say(
                    format!("must be a duration in quotes, a number with ms, s, m or h; write for example: {example}"),
                    format!("应为带引号的时长，数字后跟 ms、s、m 或 h；请写，例如：{example}"),
                ),
            );
            return None;
        };
        if range.contains(&read) {
            return Some(read);
        }
        let shown = duration::show(read);
        self.wrong(
            key,
            say(
                format!("\"{shown}\" is out of range; write \"{low}\" to \"{high}\""),
                format!("\"{shown}\" 超出范围；请写 \"{low}\" 到 \"{high}\""),
            ),
        );
        None
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&self, key: &str, choices: &[Choice<T>]) -> Option<T> {
        let text = self.text(key)?;
        let known = choices.iter().find(|(word, _)| *word == text);
        if let Some((_, Some(value))) = known {
            return Some(*value);
        }
        let words: Vec<_> = choices.iter().filter(|(_, value)| value.is_some()).map(|(word, _)| quoted(word)).collect();
        let (en, zh) = (either(&words, ", ", " or "), either(&words, "、", " 或 "));
        let shown = quoted(text);
        self.wrong(
            key,
            if known.is_some() {
                say(format!("{shown} is not available yet; write {en}"), format!("{shown} 尚未支持；请写 {zh}"))
            } else {
                say(format!("{shown} is not known here; write {en}"), format!("没有 {shown} 这个选项；请写 {zh}"))
            },
        );
        None
    }

    /// The same, where the list may be empty.
    pub fn texts_or_none(&self, key: &str) -> Option<Vec<(usize, &'a str)>> {
        match self.value(key)? {
            DeValue::Array(list) if list.is_empty() => Some(Vec::new()),
            _ => self.texts(key),
        }
    }

    /// A list of texts, each with its place; at least one, none blank.
    pub fn texts(&self, key: &str) -> Option<Vec<(usize, &'a str)>> {
        let wanted = ("a list of texts", "文字列表");
        let list = match self.value(key)? {
            DeValue::Array(list) => list,
            other => {
                self.wrong_type(key, wanted, other);
                return None;
            }
        };
        let example = self.example(key);
        if list.is_empty() {
            self.wrong(
                key,
                say(
                    format!("the list is empty; write for example: {example}"),
                    format!("列表为空；请写，例如：{example}"),
                ),
            );
            return None;
        }
        let mut texts = Vec::new();
        for item in list.iter() {
            let at = item.span().start;
            match item.get_ref() {
                DeValue::String(text) if text.chars().any(char::is_control) => {
                    self.wrong_item(key, at, control_characters());
                }
                DeValue::String(text) if !text.trim().is_empty() => texts.push((at, text.as_ref())),
                other => {
                    let (en, zh) = match other {
                        DeValue::String(_) => ("an empty text", "空文字"),
                        other => type_name(other),
                    };
                    let said = say(
                        format!(
                            "every element must be a text in double quotes, not {en}; write for example: {example}"
                        ),
                        format!("列表中每一项应为用英文双引号括起来的文字，不是{zh}；请写，例如：{example}"),
                    );
                    self.wrong_item(key, at, said);
                }
            }
        }
        (texts.len() == list.len()).then_some(texts)
    }

    /// The section `[path.key]` below this one, also written inside `{ }`; `None` where it is not written as such.
    pub fn section(&self, key: &str, section: &'static Section) -> Option<Reader<'a>> {
        match self.value(key)? {
            DeValue::Table(table) => Some(Reader::new(self.cx, section, table, self.dotted(key), self.place(key))),
            other => {
                self.wrong_type(key, ("a table", "表"), other);
                None
            }
        }
    }

    /// The sections `[[path.key]]` below this one; `None` where they are not written as such.
    pub fn sections(&self, key: &str, section: &'static Section) -> Option<Vec<Reader<'a>>> {
        let list = match self.value(key)? {
            DeValue::Array(list) if !list.is_empty() => list,
            _ => {
                self.wrong(key, wrong_section(section));
                return None;
            }
        };
        let mut readers = Vec::new();
        for (index, item) in list.iter().enumerate() {
            let path = format!("{}[{}]", self.dotted(key), index + 1);
            match item.get_ref() {
                DeValue::Table(table) => {
                    readers.push(Reader::new(self.cx, section, table, path, item.span().start));
                }
                _ => self.cx.if_whole(item.span().start, path, wrong_section(section)),
            }
        }
        (readers.len() == list.len()).then_some(readers)
    }

    /// A path; relative ones begin at the config file's folder.
    pub fn path(&self, key: &str) -> Option<PathBuf> {
        let text = self.text(key)?;
        if let Some(said) = bad_path(text) {
            self.wrong(key, said);
            return None;
        }
        Some(self.cx.path(text))
    }
}

/// The header's place of a top-level entry, and what stands there.
pub(super) struct Entry<'a> {
    pub name: &'a str,
    pub span: Range<usize>,
    pub value: &'a DeValue<'a>,
}

/// All entries of a table.
pub(super) fn entries<'a>(table: &'a DeTable<'a>) -> impl Iterator<Item = Entry<'a>> {
    table.iter().map(|(key, value)| Entry { name: key.get_ref().as_ref(), span: key.span(), value: value.get_ref() })
}
