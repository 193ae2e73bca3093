//! Several letters, newest first, each with a line of its own, in as many messages as that takes (design: "Promises",
//! 4).

use super::head::{Head, aside};
use super::words::{clock, subject, weekday, who, zoned};
use super::{Rendered, Style, TEXT_BYTES};
use crate::deliver::cut::cut;
use crate::model::{AlertKind, Item};
use crate::wecom::Message;
use jiff::civil::Date;

/// Parts of a line.
const WHO_BYTES: usize = 64;
const SUBJECT_BYTES: usize = 96;

/// `order`: the indexes of the items, newest first.
pub(super) fn digest(items: &[Item], order: &[usize], style: &Style, head: &Head) -> Vec<Rendered> {
    let lines = order.iter().filter_map(|index| Some((*index, items.get(*index)?)));
    let lines: Vec<_> = lines.map(|(index, item)| line(index, item, style, head)).collect();
    let place = head.place.as_deref().map(|place| format!("\n{place}")).unwrap_or_default();
    // There are at most as many messages as letters.
    let tail = if head.link.is_empty() { String::new() } else { format!("\n\n{}", head.link) };
    let around = head.first(order.len(), order.len()).len() + place.len() + tail.len();
    let parts = pack(lines, TEXT_BYTES.saturating_sub(around));
    let of = parts.len();
    let message = |(at, part): (usize, Part)| {
        let content = format!("{}{place}{}{}", head.first(at + 1, of), part.text, tail);
        Rendered { kind: AlertKind::Digest, message: Message::Text { content }, items: part.items }
    };
    parts.into_iter().enumerate().map(message).collect()
}

struct Line {
    index: usize,
    date: Date,
    /// The day in words, for above the first line of it.
    day: String,
    text: String,
}

fn line(index: usize, item: &Item, style: &Style, head: &Head) -> Line {
    let (lang, letter) = (style.lang, &item.letter);
    let time = zoned(letter.time, style);
    let text = format!(
        "{} {}{}{}{}",
        clock(&time),
        who(letter, style, WHO_BYTES),
        lang.pick("：", ": "),
        cut(&subject(letter, lang), SUBJECT_BYTES),
        aside(item, head.places, lang),
    );
    Line { index, date: time.date(), day: weekday(time.date(), lang), text }
}

/// Lines of one message; each begins with a line feed.
struct Part {
    text: String,
    items: Vec<usize>,
}

/// Fills messages with lines, in order, none above `room` bytes; the day stands above the first letter of each day.
fn pack(lines: Vec<Line>, room: usize) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut date = None;
    for Line { index, date: of, day, text } in lines {
        let dated = format!("\n\n{day}\n{text}");
        let added = if date == Some(of) { format!("\n{text}") } else { dated.clone() };
        date = Some(of);
        match parts.last_mut() {
            Some(part) if part.text.len() + added.len() <= room => {
                part.text += &added;
                part.items.push(index);
            }
            _ => parts.push(Part { text: cut(&dated, room), items: vec![index] }),
        }
    }
    parts
}
