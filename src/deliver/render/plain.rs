//! What is left of an alert that WeCom refused as too long or as harmful (45002, 82004, 40033 and their like): a short
//! `text` of characters that every phone draws one by one.

use super::words::{address, exact, name, numbered, place, subject};
use super::{Rendered, Style};
use crate::deliver::cut::cut;
use crate::model::{AlertKind, Item};
use crate::state::Shape;
use crate::wecom::Message;

/// What was refused as too long is not that any more.
pub(super) const PLAIN_BYTES: usize = 512;
/// Parts of it.
const SUBJECT_BYTES: usize = 120;
const SENDER_BYTES: usize = 100;
const PLACE_BYTES: usize = 100;

/// One letter each: none can hold up another.
pub(super) fn letters(items: &[Item], order: &[usize], style: &Style, shape: Shape) -> Vec<Rendered> {
    let of = order.len();
    let one = |(at, index): (usize, &usize)| {
        let part = if of > 1 { format!(" ({}/{of})", at + 1) } else { String::new() };
        let message = letter(items.get(*index)?, style, &(part + &numbered(shape.number)), shape.urgent);
        Some(Rendered { kind: AlertKind::Letter, message, items: vec![*index] })
    };
    order.iter().enumerate().filter_map(one).collect()
}

fn letter(item: &Item, style: &Style, mark: &str, urgent: bool) -> Message {
    let (lang, letter) = (style.lang, &item.letter);
    let subject = harmless(&subject(letter, lang), SUBJECT_BYTES)
        .unwrap_or_else(|| lang.pick("（主题无法显示）", "(the subject cannot be shown)").to_owned());
    let sender = [name(letter, style), address(&letter.from)].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let place = harmless(&place(item, lang), PLACE_BYTES).unwrap_or_default();
    let new = if urgent { lang.pick("紧急新邮件", "Urgent new mail") } else { lang.pick("新邮件", "New mail") };
    let lines = [
        format!("{}{mark}{}{subject}", new, lang.pick("：", ": ")),
        harmless(&sender, SENDER_BYTES).unwrap_or_default(),
        exact(letter.time, style),
        place,
        lang.pick("（企业微信不接受原来的样式，这是简版）", "(WeCom did not take the full form of this)").to_owned(),
    ];
    let lines: Vec<_> = lines.into_iter().filter(|line| !line.is_empty()).collect();
    Message::Text { content: cut(&lines.join("\n"), PLAIN_BYTES) }
}

/// A report; `mark` stands at its end whatever is cut.
pub(super) fn report(text: &str, mark: &str) -> Message {
    let lines: Vec<_> = text.lines().filter_map(|line| harmless(line, PLAIN_BYTES)).collect();
    let text = if lines.is_empty() { "mailbell 邮铃".to_owned() } else { lines.join("\n") };
    Message::Text { content: cut(&text, PLAIN_BYTES.saturating_sub(mark.len())) + mark }
}

/// A line with blanks in place of all that may do harm, at most so long; `None` where not a letter or digit is left.
fn harmless(line: &str, most: usize) -> Option<String> {
    let line: String = line.chars().map(|c| if is_harmless(c) { c } else { ' ' }).collect();
    let words: Vec<_> = line.split_whitespace().collect();
    let line = words.join(" ");
    line.contains(char::is_alphanumeric).then(|| cut(&line, most))
}

/// Characters of scripts in which each stands for itself, and the plainest marks. No combining marks, no emoji, nothing
/// that is markup anywhere.
fn is_harmless(c: char) -> bool {
    match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' => true,
        '\u{c0}'..='\u{24f}' | '\u{370}'..='\u{3ff}' | '\u{400}'..='\u{481}' | '\u{48a}'..='\u{52f}' => {
            c.is_alphanumeric()
        }
        '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fc}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' => true,
        '\u{ac00}'..='\u{d7a3}' | '０'..='９' | 'Ａ'..='Ｚ' | 'ａ'..='ｚ' => true,
        _ => " .,:;!?@-_/#()+%·…，。、；：！？（）《》“”【】".contains(c),
    }
}
