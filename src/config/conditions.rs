//! The conditions of a subscription: which of a folder's letters it takes.

use super::keys;
use super::reader::Reader;
use super::reading::{Said, quoted, say};
use super::words::{either, nearest};
use crate::model::{Kind, Lang, Priority, Verdict};
use crate::rules::filter::{AddressPatterns, Condition, Filter, PatternError, Test, TextPatterns};
use toml::de::DeValue;

/// Conditions inside conditions, at most so deep.
const DEEPEST: usize = 8;

/// The keys that are conditions.
const KEYS: [&str; 16] = [
    "from",
    "to",
    "cc",
    "subject",
    "list_id",
    "attachment",
    "has_attachment",
    "larger_than",
    "priority",
    "kind",
    "seen",
    "first_time",
    "authentication",
    "all",
    "any",
    "not",
];

/// Reads the conditions of a section; `None` if one of them is wrong, which is told.
pub(super) fn filter(r: &Reader<'_>) -> Option<Filter> {
    nested(r, 0)
}

fn nested(r: &Reader<'_>, depth: usize) -> Option<Filter> {
    let mut list = Vec::new();
    let mut fits = true;
    for key in KEYS.into_iter().filter(|key| r.has(key)) {
        match test(r, key, depth) {
            Some(test) => list.push(Condition { key, test }),
            None => fits = false,
        }
    }
    fits.then(|| Filter::new(list))
}

fn test(r: &Reader<'_>, key: &'static str, depth: usize) -> Option<Test> {
    Some(match key {
        "from" => Test::From(people(r, key)?),
        "to" => Test::To(people(r, key)?),
        "cc" => Test::Cc(people(r, key)?),
        "subject" => Test::Subject(texts(r, key)?),
        "list_id" => Test::ListId(texts(r, key)?),
        "attachment" => Test::Attachment(texts(r, key)?),
        "has_attachment" => Test::HasAttachment(r.flag(key)?),
        "larger_than" => Test::LargerThan(size(r, key)?),
        "priority" => Test::Priority(words(r, key, &Priority::ALL.map(|p| (p.word(), p)))?),
        "kind" => kinds(r, key)?,
        "seen" => Test::Seen(r.flag(key)?),
        "first_time" => Test::FirstTime(r.flag(key)?),
        "authentication" => {
            let known = [("pass", Some(Verdict::Pass)), ("fail", Some(Verdict::Fail)), ("none", None)];
            Test::Authentication(words(r, key, &known)?)
        }
        "not" => Test::Not(Box::new(inner(r, key, &r.section(key, &keys::CONDITION)?, depth)?)),
        key => {
            let is_tables = |value: &DeValue<'_>| {
                let list = value.as_array().filter(|list| !list.is_empty());
                list.is_some_and(|list| list.iter().all(|item| item.get_ref().is_table()))
            };
            if !is_tables(r.value(key)?) {
                let example = r.example(key);
                r.wrong(
                    key,
                    say(
                        format!("must be a list of tables with conditions; write for example: {example}"),
                        format!("应为由条件组成的列表；请写，例如：{example}"),
                    ),
                );
                return None;
            }
            let sections = r.sections(key, &keys::CONDITION)?;
            let filters: Vec<_> = sections.iter().map(|section| inner(r, key, section, depth)).collect();
            let filters = filters.into_iter().collect::<Option<Vec<_>>>()?;
            if key == "all" { Test::All(filters) } else { Test::Any(filters) }
        }
    })
}

fn inner(r: &Reader<'_>, key: &str, section: &Reader<'_>, depth: usize) -> Option<Filter> {
    if depth + 1 >= DEEPEST {
        r.wrong(
            key,
            say(
                format!("conditions stand inside each other more than {DEEPEST} deep; write them flatter"),
                format!("条件嵌套超过 {DEEPEST} 层；请写得平一些"),
            ),
        );
        return None;
    }
    nested(section, depth + 1)
}

/// One text or a list of them, each with its place.
fn listed<'a>(r: &Reader<'a>, key: &str) -> Option<Vec<(usize, &'a str)>> {
    match r.value(key)? {
        DeValue::String(_) => r.text(key).map(|text| vec![(r.place(key), text)]),
        _ => r.texts(key),
    }
}

/// Adds each of the patterns; says of each that is none what is wrong with it.
fn patterns(r: &Reader<'_>, key: &str, mut add: impl FnMut(&str) -> Result<(), PatternError>) -> Option<()> {
    let mut fits = true;
    for (at, text) in listed(r, key)? {
        if let Err(error) = add(text) {
            let shown = quoted(text);
            let said = |lang| format!("{shown}: {}", error.text(lang));
            r.wrong_item(key, at, say(said(Lang::En), said(Lang::ZhCn)));
            fits = false;
        }
    }
    fits.then_some(())
}

fn people(r: &Reader<'_>, key: &str) -> Option<AddressPatterns> {
    let mut found = AddressPatterns::default();
    patterns(r, key, |text| found.add(text))?;
    Some(found)
}

fn texts(r: &Reader<'_>, key: &str) -> Option<TextPatterns> {
    let mut found = TextPatterns::default();
    patterns(r, key, |text| found.add(text))?;
    Some(found)
}

/// Words of a few.
fn words<T: Copy>(r: &Reader<'_>, key: &str, known: &[(&str, T)]) -> Option<Vec<T>> {
    let mut found = Vec::new();
    let mut fits = true;
    for (at, text) in listed(r, key)? {
        match known.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => found.push(*value),
            None => {
                r.wrong_item(key, at, unknown(text, known.iter().map(|(word, _)| *word)));
                fits = false;
            }
        }
    }
    fits.then_some(found)
}

fn unknown<'a>(text: &str, known: impl Iterator<Item = &'a str> + Clone) -> Said {
    let (shown, words) = (quoted(text), known.clone().map(quoted).collect::<Vec<_>>());
    let (en, zh) = (either(&words, ", ", " or "), either(&words, "、", " 或 "));
    match nearest(text, known) {
        Some(near) => say(
            format!("{shown} is not known here; did you mean \"{near}\"?"),
            format!("没有 {shown} 这个选项；是否想写 \"{near}\"？"),
        ),
        None => say(format!("{shown} is not known here; write {en}"), format!("没有 {shown} 这个选项；请写 {zh}")),
    }
}

fn kinds(r: &Reader<'_>, key: &str) -> Option<Test> {
    let (mut any, mut none) = (Vec::new(), Vec::new());
    let mut fits = true;
    for (at, text) in listed(r, key)? {
        let (list, word) = match text.strip_prefix('!') {
            Some(word) => (&mut none, word),
            None => (&mut any, text),
        };
        match Kind::ALL.into_iter().find(|kind| kind.word() == word) {
            Some(kind) => list.push(kind),
            None => {
                r.wrong_item(key, at, unknown(word, Kind::ALL.iter().map(|kind| kind.word())));
                fits = false;
            }
        }
    }
    fits.then_some(Test::Kind(any, none))
}

/// Bytes: a number, or a text with KB, MB or GB (1,024 each).
fn size(r: &Reader<'_>, key: &str) -> Option<u64> {
    let bytes = match r.value(key)? {
        DeValue::Integer(_) => r.number(key).and_then(|number| u64::try_from(number).ok()),
        DeValue::String(text) => {
            let text = text.trim().to_ascii_uppercase();
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            let (number, unit) = text.split_at(digits);
            let unit = match unit.trim() {
                "" | "B" => Some(1),
                "K" | "KB" => Some(1 << 10),
                "M" | "MB" => Some(1 << 20),
                "G" | "GB" => Some(1_u64 << 30),
                _ => None,
            };
            number.parse::<u64>().ok().zip(unit).and_then(|(number, unit)| number.checked_mul(unit))
        }
        _ => None,
    };
    if bytes.is_none() {
        let example = r.example(key);
        r.wrong(
            key,
            say(
                format!("must be a size in bytes, or with KB, MB or GB; write for example: {example}"),
                format!("应为字节数，或带 KB、MB、GB 的大小；请写，例如：{example}"),
            ),
        );
    }
    bytes
}
