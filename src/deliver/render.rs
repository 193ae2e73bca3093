//! Items to messages: a card for one letter, a digest for several, a catch-up for very many. Pure.

mod catch_up;
mod digest;
mod head;
mod plain;
mod truth;
mod words;

use super::cut::cut;
use crate::config::Card;
use crate::model::{AlertKind, Item, Lang, Timestamp};
use crate::state::Shape;
use crate::wecom::Message;
use head::Head;
use jiff::tz::TimeZone;
use std::sync::Arc;
use std::time::Duration;

/// Limits in bytes (p90236); staying below them in bytes fits both readings of their unit.
const TITLE_BYTES: usize = 128;
const DESCRIPTION_BYTES: usize = 512;
const TEXT_BYTES: usize = 2048;
const URL_BYTES: usize = 2048;
/// More letters than these for one recipient become a catch-up (design: "Promises", 4).
const DIGEST_LETTERS: usize = 60;

/// How alerts look.
#[derive(Clone, Debug)]
pub struct Style {
    /// Their language.
    pub lang: Lang,
    /// The zone of their times.
    pub time_zone: TimeZone,
    /// The form for one letter.
    pub card: Card,
    /// Whose mail is one's own.
    pub own_domains: Arc<[String]>,
    /// A sender is told as a stranger once senders are remembered for so long.
    pub first_time_after: Duration,
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

/// Makes messages of one recipient's items; every item is in exactly one of them, newest first. `link` is where an
/// account's letters are read. A number above 0 is shown in each, so that two alerts are never equal.
pub fn render(items: &[Item], style: &Style, link: &dyn Fn(&Item) -> Option<String>, shape: Shape) -> Vec<Rendered> {
    let Shape { number, plain } = shape;
    let order = newest_first(items);
    match items {
        [] => Vec::new(),
        _ if plain => plain::letters(items, &order, style, number),
        [one] => {
            let message = single(one, style, link(one).filter(|l| l.len() <= URL_BYTES), number);
            vec![Rendered { kind: AlertKind::Letter, message, items: order }]
        }
        many => {
            let head = Head::new(many, style, link, number);
            if many.len() <= DIGEST_LETTERS {
                digest::digest(many, &order, style, &head)
            } else {
                vec![catch_up::catch_up(many, &order, style, &head)]
            }
        }
    }
}

/// The text of a report; the number stands at its end whatever is cut.
pub fn report(text: &str, shape: Shape) -> Rendered {
    let mark = words::numbered(shape.number);
    let message = if shape.plain {
        plain::report(text, &mark)
    } else {
        Message::Text { content: cut(text, TEXT_BYTES.saturating_sub(mark.len())) + &mark }
    };
    Rendered { kind: AlertKind::Report, message, items: Vec::new() }
}

fn single(item: &Item, style: &Style, link: Option<String>, number: u32) -> Message {
    let (letter, lang) = (&item.letter, style.lang);
    let mark = words::numbered(number);
    let title = cut(&words::subject(letter, lang), TITLE_BYTES.saturating_sub(mark.len())) + &mark;
    let time = words::exact(letter.time, style);
    let from = words::from(letter, style);
    let place = words::place(item, lang);
    let invitation = truth::invitation(letter, style);
    let about = [words::size(letter.size), truth::kinds(letter, lang), truth::attachments(letter, lang)];
    let about = about.into_iter().flatten().collect::<Vec<_>>().join(" · ");
    let truth = truth::line(item, style);
    let late = item.away.map(|away| came_late(away, letter.time, style));
    match (style.card, link) {
        (Card::Textcard, Some(url)) => {
            let mut description = format!(
                "<div class=\"gray\">{time}</div><div class=\"normal\">{from}</div><div class=\"gray\">{place}</div>"
            );
            for line in [invitation, truth, late, Some(about)].into_iter().flatten().filter(|line| !line.is_empty()) {
                let line = format!("<div class=\"gray\">{line}</div>");
                if description.len() + line.len() <= DESCRIPTION_BYTES {
                    description += &line;
                }
            }
            Message::Textcard { title, description, url, button: lang.pick("打开邮箱", "Open").to_owned() }
        }
        (_, link) => {
            let lines = [Some(title), Some(from), Some(time), Some(place), invitation, truth, late, Some(about)];
            let lines: Vec<_> = lines.into_iter().flatten().filter(|line| !line.is_empty()).collect();
            let mut content = lines.join("\n");
            if let Some(url) = link.filter(|url| content.len() + url.len() + 40 <= TEXT_BYTES) {
                content += &format!("\n<a href=\"{url}\">{}</a>", lang.pick("打开邮箱", "Open mailbox"));
            }
            Message::Text { content: cut(&content, TEXT_BYTES) }
        }
    }
}

/// Why a single letter was not announced at once.
fn came_late((from, to): (Timestamp, Timestamp), time: Timestamp, style: &Style) -> String {
    let day = words::zoned(time, style).date();
    let span = words::span(&words::zoned(from, style), &words::zoned(to, style), Some(day), style.lang);
    match style.lang {
        Lang::ZhCn => format!("邮铃离线期间（{span}）收到"),
        Lang::En => format!("Came while mailbell was away, {span}"),
    }
}

fn newest_first(items: &[Item]) -> Vec<usize> {
    let mut order: Vec<(Timestamp, usize)> = items.iter().enumerate().map(|(i, item)| (item.letter.time, i)).collect();
    order.sort_by(|a, b| b.cmp(a));
    order.into_iter().map(|(_, i)| i).collect()
}

#[cfg(test)]
#[path = "render_property_tests.rs"]
mod properties;
#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
