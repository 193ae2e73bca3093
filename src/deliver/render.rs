//! Items to messages: a card for one letter, a digest for several, a catch-up for very many. Pure.
//!
//! What senders wrote is never markup: `<` and `>` become their full-width forms, because how WeCom would unescape
//! entities is not confirmed (wecom-api 3.3).

use super::cut::cut;
use crate::config::Card;
use crate::model::{AlertKind, Item, Lang, Letter, Sender, Timestamp};
use crate::state::Shape;
use crate::wecom::Message;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

/// Limits in bytes (p90236); staying below them in bytes fits both readings of their unit.
const TITLE_BYTES: usize = 128;
const DESCRIPTION_BYTES: usize = 512;
const TEXT_BYTES: usize = 2048;
const URL_BYTES: usize = 2048;
/// What was refused as too long is not that any more.
const PLAIN_BYTES: usize = 512;
/// More letters than these for one recipient become a catch-up (design: "Promises", 4).
const DIGEST_LETTERS: usize = 60;
/// How many of them a catch-up names.
const CATCH_UP_NAMES: usize = 20;
/// Parts of a line.
const SUBJECT_BYTES: usize = 96;
const NAME_BYTES: usize = 60;
const ADDRESS_BYTES: usize = 96;
const FOLDER_BYTES: usize = 48;
const ACCOUNT_BYTES: usize = 72;
/// Kept free in each digest for its first line.
const HEAD_BYTES: usize = 160;

/// How alerts look.
#[derive(Clone, Debug)]
pub struct Style {
    /// Their language.
    pub lang: Lang,
    /// The zone of their times.
    pub time_zone: TimeZone,
    /// The form for one letter.
    pub card: Card,
}

/// A message and which of the items it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// Its form.
    pub kind: AlertKind,
    /// What to send.
    pub message: Message,
    /// Indexes into the items.
    pub items: Vec<usize>,
}

/// Makes messages of one recipient's items; every item is in one of them. `link` is where an account's card leads.
/// A number above 0 is shown, so that two alerts are never equal.
pub fn render(items: &[Item], style: &Style, link: &dyn Fn(&Item) -> Option<String>, shape: Shape) -> Vec<Rendered> {
    let number = shape.number;
    match items {
        [] => Vec::new(),
        [one] if shape.plain => {
            let message = plain(&text_of(&single(one, style, None, number)));
            vec![Rendered { kind: AlertKind::Letter, message, items: vec![0] }]
        }
        [one] => {
            let message = single(one, style, link(one).filter(|l| l.len() <= URL_BYTES), number);
            vec![Rendered { kind: AlertKind::Letter, message, items: vec![0] }]
        }
        many if many.len() <= DIGEST_LETTERS => digest(many, style, number),
        many => catch_up(many, style, number),
    }
}

/// The text of a report.
pub fn report(text: &str, shape: Shape) -> Rendered {
    let text = text.to_owned() + &numbered(shape.number);
    let message = if shape.plain { plain(&text) } else { Message::Text { content: cut(&text, TEXT_BYTES) } };
    Rendered { kind: AlertKind::Report, message, items: Vec::new() }
}

fn text_of(message: &Message) -> String {
    match message {
        Message::Text { content } => content.clone(),
        Message::Textcard { title, description, .. } => format!("{title}\n{description}"),
    }
}

/// Short, and letters, digits and the plainest marks only: for what WeCom refused as too long or as harmful.
fn plain(text: &str) -> Message {
    let harmless =
        |c: char| if c.is_alphanumeric() || " \n.,:@-_/#()·：，。、（）".contains(c) { c } else { ' ' };
    let text: String = text.chars().map(harmless).collect();
    Message::Text { content: cut(&text, PLAIN_BYTES) }
}

fn single(item: &Item, style: &Style, link: Option<String>, number: u32) -> Message {
    let letter = &item.letter;
    let title = cut(&subject(letter, style.lang), TITLE_BYTES - 8) + &numbered(number);
    let time = local(letter.time, style, "%Y-%m-%d %H:%M:%S");
    let from = from(&letter.from, style.lang);
    let place = format!("{} · {}", folder(item, style.lang), cut(&safe(&item.account.0), ACCOUNT_BYTES));
    let mut about = size(letter.size);
    if letter.attachment {
        about += style.lang.pick(" · 可能有附件", " · attachments likely");
    }
    match (style.card, link) {
        (Card::Textcard, Some(url)) => {
            let description = format!(
                "<div class=\"gray\">{time}</div><div class=\"normal\">{from}</div><div class=\"gray\">{place}</div>\
                 <div class=\"gray\">{about}</div>"
            );
            Message::Textcard {
                title,
                description: cut(&description, DESCRIPTION_BYTES),
                url,
                button: style.lang.pick("打开邮箱", "Open").to_owned(),
            }
        }
        (_, link) => {
            let mut content = format!("{title}\n{from}\n{time}\n{place}\n{about}");
            if let Some(url) = link.filter(|url| content.len() + url.len() + 40 <= TEXT_BYTES) {
                content += &format!("\n<a href=\"{url}\">{}</a>", style.lang.pick("打开邮箱", "Open mailbox"));
            }
            Message::Text { content: cut(&content, TEXT_BYTES) }
        }
    }
}

/// Several letters, newest first, each with a line of its own, in as many messages as that takes.
fn digest(items: &[Item], style: &Style, number: u32) -> Vec<Rendered> {
    let order = newest_first(items);
    let lines: Vec<_> = order.iter().filter_map(|i| items.get(*i).map(|item| (*i, line(item, style)))).collect();
    let parts = pack(lines, TEXT_BYTES - HEAD_BYTES);
    let (total, of) = (items.len(), parts.len());
    let day = order.first().and_then(|i| items.get(*i)).map(|i| local(i.letter.time, style, "%Y-%m-%d"));
    let head = |at: usize| {
        let part = if of > 1 { format!(" ({}/{of})", at + 1) } else { String::new() };
        let day = day.as_deref().unwrap_or_default();
        match style.lang {
            Lang::ZhCn => format!("{total} 封新邮件{part} · {day}{}", numbered(number)),
            Lang::En => format!("{total} new letters{part} · {day}{}", numbered(number)),
        }
    };
    parts
        .into_iter()
        .enumerate()
        .map(|(at, part)| {
            let (indexes, lines): (Vec<_>, Vec<_>) = part.into_iter().unzip();
            let content = format!("{}\n{}", head(at), lines.join("\n"));
            Rendered { kind: AlertKind::Digest, message: Message::Text { content }, items: indexes }
        })
        .collect()
}

/// Counts per folder and the newest letters.
fn catch_up(items: &[Item], style: &Style, number: u32) -> Vec<Rendered> {
    let order = newest_first(items);
    let time = |i: Option<&usize>| {
        i.and_then(|i| items.get(*i)).map(|i| local(i.letter.time, style, "%Y-%m-%d %H:%M:%S")).unwrap_or_default()
    };
    let (newest, oldest) = (time(order.first()), time(order.last()));
    let total = items.len();
    let head = match style.lang {
        Lang::ZhCn => format!("{total} 封新邮件{}\n{oldest} – {newest}", numbered(number)),
        Lang::En => format!("{total} new letters{}\n{oldest} – {newest}", numbered(number)),
    };
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for item in items {
        let place = (cut(&item.account.0, ACCOUNT_BYTES), folder(item, style.lang));
        *counts.entry(place).or_default() += 1;
    }
    let mut lines: Vec<_> =
        counts.into_iter().map(|((account, name), n)| (n, format!("{name} · {}: {n}", safe(&account)))).collect();
    lines.sort_by(|a, b| b.cmp(a));
    let more = lines.len().saturating_sub(CATCH_UP_NAMES);
    let mut lines: Vec<_> = lines.into_iter().take(CATCH_UP_NAMES).map(|(_, text)| (0, text)).collect();
    if more > 0 {
        lines.push((0, style.lang.pick("还有其他文件夹…", "and more folders…").to_owned()));
    }
    lines.push((0, style.lang.pick("最新的邮件：", "The newest:").to_owned()));
    lines.extend(order.iter().take(CATCH_UP_NAMES).filter_map(|i| items.get(*i)).map(|item| (0, line(item, style))));
    let parts = pack(lines, TEXT_BYTES - HEAD_BYTES);
    let of = parts.len();
    let mut all: Vec<_> = (0..items.len()).collect();
    parts
        .into_iter()
        .enumerate()
        .map(|(at, part)| {
            let part_of = if of > 1 { format!(" ({}/{of})", at + 1) } else { String::new() };
            let lines: Vec<_> = part.into_iter().map(|(_, line)| line).collect();
            let content = format!("{head}{part_of}\n{}", lines.join("\n"));
            // All the letters belong to the first message: they are announced when it is.
            Rendered { kind: AlertKind::CatchUp, message: Message::Text { content }, items: std::mem::take(&mut all) }
        })
        .collect()
}

/// Fills messages with lines, in order, none above `room` bytes.
fn pack(lines: Vec<(usize, String)>, room: usize) -> Vec<Vec<(usize, String)>> {
    let mut parts: Vec<Vec<(usize, String)>> = Vec::new();
    let mut used = 0;
    for (index, line) in lines {
        let line = cut(&line, room);
        match parts.last_mut() {
            Some(part) if used + line.len() < room => {
                used += line.len() + 1;
                part.push((index, line));
            }
            _ => {
                used = line.len() + 1;
                parts.push(vec![(index, line)]);
            }
        }
    }
    parts
}

fn newest_first(items: &[Item]) -> Vec<usize> {
    let mut order: Vec<(Timestamp, usize)> = items.iter().enumerate().map(|(i, item)| (item.letter.time, i)).collect();
    order.sort_by(|a, b| b.cmp(a));
    order.into_iter().map(|(_, i)| i).collect()
}

/// A letter in a digest: time, sender, subject, and the folder if it is not the INBOX.
fn line(item: &Item, style: &Style) -> String {
    let letter = &item.letter;
    let time = local(letter.time, style, "%H:%M:%S");
    let who = letter.from.name.as_deref().or(letter.from.address.as_deref());
    let who =
        who.map_or_else(|| style.lang.pick("未知发件人", "unknown sender").to_owned(), |w| cut(&safe(w), NAME_BYTES));
    let place = if item.folder.eq_ignore_ascii_case("INBOX") {
        String::new()
    } else {
        format!(" [{}]", folder(item, style.lang))
    };
    format!("· {time} {who}: {}{place}", cut(&subject(letter, style.lang), SUBJECT_BYTES))
}

fn subject(letter: &Letter, lang: Lang) -> String {
    match &letter.subject {
        Some(subject) => safe(subject),
        None if letter.readable => lang.pick("（无主题）", "(no subject)").to_owned(),
        None => lang.pick("新邮件（邮件头无法读取）", "New mail, header unreadable").to_owned(),
    }
}

fn from(sender: &Sender, lang: Lang) -> String {
    let name = sender.name.as_deref().map(|n| cut(&safe(n), NAME_BYTES));
    let address = sender.address.as_deref().map(|a| cut(&safe(a), ADDRESS_BYTES));
    match (name, address) {
        // A name that looks like an address hides the real one (imap-servers E.3).
        (Some(name), Some(address)) if !name.contains('@') => format!("{name} ({address})"),
        (_, Some(address)) => address,
        (Some(name), None) => name,
        (None, None) => lang.pick("未知发件人", "unknown sender").to_owned(),
    }
}

fn folder(item: &Item, lang: Lang) -> String {
    if item.folder.eq_ignore_ascii_case("INBOX") {
        return lang.pick("收件箱", "Inbox").to_owned();
    }
    cut(&safe(&crate::parse::clean(&item.folder)), FOLDER_BYTES)
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KB", bytes / 1024),
        _ => format!("{}.{} MB", bytes / 1_048_576, bytes % 1_048_576 * 10 / 1_048_576),
    }
}

fn numbered(number: u32) -> String {
    if number == 0 { String::new() } else { format!(" #{}", number + 1) }
}

fn local(time: Timestamp, style: &Style, format: &str) -> String {
    let time = jiff::Timestamp::from_millisecond(time.0).unwrap_or_default();
    time.to_zoned(style.time_zone.clone()).strftime(format).to_string()
}

fn safe(text: &str) -> String {
    text.replace('<', "＜").replace('>', "＞")
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
