//! When people are rung, and how each of them is told: quiet and work hours, times of digests, `[user.NAME]`.

use super::people::one_user;
use super::reader::{Choice, Reader};
use super::reading::{quoted, say};
use super::sections;
use super::used::{Person, Times};
use crate::model::{Card, Lang, Recipient};
use crate::rules::hours::{Digests, Hours, HoursError};
use crate::rules::workdays::Workdays;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The forms of a card, as the config writes them.
pub(super) const CARDS: [Choice<Card>; 4] = [
    ("textcard", Some(Card::Textcard)),
    ("template_card", Some(Card::TemplateCard)),
    ("markdown", Some(Card::Markdown)),
    ("text", Some(Card::Text)),
];

/// The languages, as the config writes them.
pub(super) const LANGS: [Choice<Lang>; 2] = [("zh-CN", Some(Lang::ZhCn)), ("en", Some(Lang::En))];

/// `quiet_hours`, `work_hours` and `digest_at` of a section, as far as they are there; `None` if one is wrong.
pub(super) fn times(r: &Reader<'_>) -> Option<Times> {
    let quiet_hours = hours(r, "quiet_hours");
    let work_hours = hours(r, "work_hours");
    let digest_at = digest_at(r);
    let wrong = |key: &str, is_none: bool| r.has(key) && is_none;
    if wrong("quiet_hours", quiet_hours.is_none())
        || wrong("work_hours", work_hours.is_none())
        || wrong("digest_at", digest_at.is_none())
    {
        return None;
    }
    Some(Times { quiet_hours, work_hours, digest_at })
}

fn hours(r: &Reader<'_>, key: &str) -> Option<Hours> {
    let texts = r.texts_or_none(key)?;
    let (places, texts): (Vec<_>, Vec<_>) = texts.into_iter().unzip();
    match Hours::parse(&texts) {
        Ok(hours) => Some(hours),
        Err(first) => {
            let each = texts.iter().zip(&places).filter_map(|(text, at)| Some((*at, Hours::parse(&[text]).err()?)));
            let mut wrong: Vec<_> = each.collect();
            if wrong.is_empty() {
                wrong.push((r.place(key), first));
            }
            wrong.into_iter().for_each(|(at, error)| told(r, key, at, &error));
            None
        }
    }
}

fn digest_at(r: &Reader<'_>) -> Option<Vec<String>> {
    let texts = r.texts_or_none("digest_at")?;
    if texts.is_empty() {
        return Some(Vec::new());
    }
    let words: Vec<_> = texts.iter().map(|(_, text)| *text).collect();
    if let Err(error) = Digests::at(&words, TimeZone::UTC) {
        let wrong = texts.iter().find(|(_, text)| Digests::at(&[*text], TimeZone::UTC).is_err());
        told(r, "digest_at", wrong.map_or_else(|| r.place("digest_at"), |(at, _)| *at), &error);
        return None;
    }
    Some(words.into_iter().map(str::to_owned).collect())
}

fn told(r: &Reader<'_>, key: &str, at: usize, error: &HoursError) {
    r.wrong_item(key, at, say(error.text(Lang::En), error.text(Lang::ZhCn)));
}

/// The people of `[user.NAME]`; those that are wrong are left out, and told.
pub(super) fn people(sections: &[(&str, Reader<'_>)]) -> BTreeMap<Recipient, Person> {
    sections.iter().filter_map(|(name, r)| Some((one_user(r, name)?, person(r)?))).collect()
}

fn person(r: &Reader<'_>) -> Option<Person> {
    let lang = r.choice("lang", &LANGS);
    let card = r.choice("card", &CARDS);
    let zone = r.text("time_zone").and_then(|name| sections::time_zone(r, name));
    let times = times(r);
    let wrong = |key: &str, is_none: bool| r.has(key) && is_none;
    if wrong("lang", lang.is_none()) || wrong("card", card.is_none()) || wrong("time_zone", zone.is_none()) {
        return None;
    }
    Some(Person { lang, time_zone: zone, card, times: times? })
}

/// The working calendar: the one that is built in, with the years of `workdays_file` added.
pub(super) fn workdays(r: &Reader<'_>) -> Option<Arc<Workdays>> {
    let mut days = Workdays::built_in();
    if r.has("workdays_file") {
        let path = r.path("workdays_file")?;
        let read = std::fs::read_to_string(&path).map_err(|error| {
            let (en, zh) = super::secret::io_words(&error);
            (format!("cannot be read: {en}"), format!("无法读取：{zh}"))
        });
        let parsed = read
            .and_then(|text| Workdays::parse(&text).map_err(|error| (error.text(Lang::En), error.text(Lang::ZhCn))));
        match parsed {
            Ok(more) => days.merge(more),
            Err((en, zh)) => {
                let shown = quoted(&path.display().to_string());
                r.wrong("workdays_file", say(format!("{shown}: {en}"), format!("{shown}：{zh}")));
                return None;
            }
        }
    }
    Some(Arc::new(days))
}
