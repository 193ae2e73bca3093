//! The first lines of an alert for several letters: how many, since when, where from.

use super::Style;
use super::words::{account, folder, in_inbox, numbered, place, span, urgent, zoned};
use crate::model::{Item, Lang, Timestamp};
use crate::state::Shape;
use jiff::civil::Date;
use std::collections::BTreeSet;

/// A longer one is not worth its place.
const LINK_BYTES: usize = 160;

/// What an alert for several letters begins and ends with.
pub(super) struct Head {
    count: usize,
    /// The outage of all of them, in words.
    away: Option<String>,
    /// Of only some of them: a line of its own.
    some_away: Option<String>,
    shape: Shape,
    lang: Lang,
    /// Where they are, as far as that is the same for all: a line of its own.
    pub(super) place: Option<String>,
    /// What each letter's line says of its place.
    pub(super) places: Places,
    /// Where they are read, if that is the same for all, as markup; else empty.
    pub(super) link: String,
}

/// What the lines say of the letters' places.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Places {
    /// Nothing: all are in one.
    Nothing,
    /// Their folders, all of one account.
    Folders,
    /// Folder and account; `short`: without the domain, where that still tells the accounts apart.
    Both {
        /// See above.
        short: bool,
    },
}

impl Head {
    pub(super) fn new(items: &[Item], style: &Style, link: &dyn Fn(&Item) -> Option<String>, shape: Shape) -> Self {
        let (count, lang) = (items.len(), style.lang);
        let days: BTreeSet<Date> = items.iter().map(|item| zoned(item.letter.time, style).date()).collect();
        let day = days.first().copied().filter(|_| days.len() == 1);
        let outages: Vec<_> = items.iter().filter_map(|item| item.away).collect();
        let away = outage(&outages).map(|(from, to)| span(&zoned(from, style), &zoned(to, style), day, lang));
        let all = outages.len() == count;
        let some = away.as_deref().filter(|_| !all).map(|span| match lang {
            Lang::ZhCn => format!("其中 {} 封来自邮铃离线期间（{span}）", outages.len()),
            Lang::En => format!("{} of them came while mailbell was away, {span}", outages.len()),
        });
        let (place, places) = places(items, lang);
        let away = away.filter(|_| all);
        Self { count, away, some_away: some, shape, lang, place, places, link: common_link(items, link, lang) }
    }

    /// The first line (and a second one where an outage concerns only some of the letters). `part` and `of`: the
    /// message's place among those that it takes.
    pub(super) fn first(&self, part: usize, of: usize) -> String {
        let Self { count, shape, .. } = self;
        let loud = if shape.urgent { urgent(self.lang) } else { "" };
        let part = match self.lang {
            _ if of < 2 => String::new(),
            Lang::ZhCn => format!("（{part}/{of}）"),
            Lang::En => format!(" ({part}/{of})"),
        };
        let end = part + &numbered(shape.number);
        let first = match (self.lang, &self.away) {
            (Lang::ZhCn, Some(span)) => format!("{loud}邮铃离线期间（{span}）：{count} 封新邮件{end}"),
            (Lang::En, Some(span)) => format!("{loud}while mailbell was away, {span}: {count} letters{end}"),
            (Lang::ZhCn, None) => format!("{loud}{count} 封新邮件{end}"),
            (Lang::En, None) => format!("{loud}{count} new letters{end}"),
        };
        match &self.some_away {
            Some(line) => format!("{first}\n{line}"),
            None => first,
        }
    }
}

/// From the beginning of the first to the end of the last.
fn outage(outages: &[(Timestamp, Timestamp)]) -> Option<(Timestamp, Timestamp)> {
    let from = outages.iter().map(|(from, _)| *from).min()?;
    let to = outages.iter().map(|(_, to)| *to).max()?;
    Some((from, to.max(from)))
}

fn places(items: &[Item], lang: Lang) -> (Option<String>, Places) {
    let accounts: BTreeSet<_> = items.iter().map(|item| &item.account).collect();
    let folders: BTreeSet<_> = items.iter().map(|item| if in_inbox(item) { "INBOX" } else { &*item.folder }).collect();
    match items.first() {
        Some(item) if accounts.len() == 1 && folders.len() == 1 => (Some(place(item, lang)), Places::Nothing),
        Some(item) if accounts.len() == 1 => (Some(account(item)), Places::Folders),
        _ => {
            let names: BTreeSet<_> = accounts.iter().map(|account| account.0.split('@').next()).collect();
            let short = names.len() == accounts.len() && !names.contains(&Some(""));
            (None, Places::Both { short })
        }
    }
}

/// What a letter's line says of its place; empty where that goes without saying.
pub(super) fn aside(item: &Item, places: Places, lang: Lang) -> String {
    match places {
        Places::Nothing => String::new(),
        Places::Folders if in_inbox(item) => String::new(),
        Places::Folders => format!(" [{}]", folder(item, lang)),
        Places::Both { short } if in_inbox(item) => format!(" [{}]", account_name(item, short)),
        Places::Both { .. } => format!(" [{}]", counted(item, places, lang)),
    }
}

/// The name of a letter's place where places are counted.
pub(super) fn counted(item: &Item, places: Places, lang: Lang) -> String {
    match places {
        Places::Nothing | Places::Folders => folder(item, lang),
        Places::Both { short } => format!("{} · {}", folder(item, lang), account_name(item, short)),
    }
}

fn account_name(item: &Item, short: bool) -> String {
    let name = account(item);
    match name.split_once('@') {
        Some((name, _)) if short => name.to_owned(),
        _ => name,
    }
}

fn common_link(items: &[Item], link: &dyn Fn(&Item) -> Option<String>, lang: Lang) -> String {
    let mut links = items.iter().map(link);
    let first = links.next().flatten().filter(|url| url.len() <= LINK_BYTES);
    match first.filter(|first| links.all(|other| other.as_ref() == Some(first))) {
        Some(url) => format!("<a href=\"{url}\">{}</a>", lang.pick("打开邮箱", "Open mailbox")),
        None => String::new(),
    }
}
