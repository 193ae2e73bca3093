//! Items to messages: a card for one letter, a digest for several, a catch-up for very many. Pure.

mod catch_up;
mod digest;
mod head;
mod markdown;
mod notice;
mod plain;
mod single;
mod truth;
mod words;

use super::cut::cut;
use crate::model::{AlertKind, Card, Item, Lang, Timestamp};
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
    /// Whether there is to be no other form than `text`, whatever else is asked for.
    pub text_only: bool,
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
    let order = newest_first(items);
    match items {
        [] => Vec::new(),
        _ if shape.plain => plain::letters(items, &order, style, shape),
        [one] => {
            let message = single::single(one, style, usable(one, link), shape);
            vec![Rendered { kind: AlertKind::Letter, message, items: order }]
        }
        many => {
            let head = Head::new(many, style, link, shape);
            if many.len() <= DIGEST_LETTERS {
                digest::digest(many, &order, style, &head)
            } else {
                vec![catch_up::catch_up(many, &order, style, &head)]
            }
        }
    }
}

/// What of a look makes a difference to the alerts for these items; where it is the same, so are the alerts.
pub fn look(
    items: &[Item],
    style: &Style,
    link: &dyn Fn(&Item) -> Option<String>,
    shape: Shape,
) -> (Lang, TimeZone, Option<Card>) {
    let card = match items {
        [one] if !shape.plain => Some(single::form(one, style, usable(one, link).is_some(), shape.urgent)),
        _ => None,
    };
    (style.lang, style.time_zone.clone(), card)
}

fn usable(item: &Item, link: &dyn Fn(&Item) -> Option<String>) -> Option<String> {
    link(item).filter(|link| link.len() <= URL_BYTES)
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

fn newest_first(items: &[Item]) -> Vec<usize> {
    let mut order: Vec<(Timestamp, usize)> = items.iter().enumerate().map(|(i, item)| (item.letter.time, i)).collect();
    order.sort_by(|a, b| b.cmp(a));
    order.into_iter().map(|(_, i)| i).collect()
}

#[cfg(test)]
#[path = "render_form_tests.rs"]
mod forms;
#[cfg(test)]
#[path = "render_marks_tests.rs"]
mod marks;
#[cfg(test)]
#[path = "render_property_tests.rs"]
mod properties;
#[cfg(test)]
#[path = "render_tests.rs"]
pub(crate) mod tests;
