//! One letter as a `template_card` of the type text_notice (p90236). Its lengths are told in characters, and no markup is
//! known in it.

use super::single::Facts;
use super::words::{account, address, clock, day, folder, name, zoned};
use super::{Style, truth};
use crate::deliver::cut::{cut_characters, cut_front_characters};
use crate::model::{Item, Lang, Letter, Start};
use crate::wecom::{Message, Notice};

/// Limits in characters (wecom-api 3.6, 3.7).
const TITLE: usize = 36;
const DESC: usize = 44;
const SUB_TITLE: usize = 160;
const VALUE: usize = 30;
const EMPHASIS_TITLE: usize = 14;
const EMPHASIS_DESC: usize = 22;
/// Rows of a card.
const ROWS: usize = 6;
/// Of a sender who does not fit, the name gets so much.
const NAME: usize = 16;

/// An urgent one is red, and large.
pub(super) fn notice(item: &Item, facts: &Facts, style: &Style, url: String, mark: &str, urgent: bool) -> Message {
    let (letter, lang) = (&item.letter, style.lang);
    let sender = sender(facts, letter, style);
    let file = files(letter, lang);
    let row = |zh: &str, en: &str, value: Option<String>| {
        Some((lang.pick(zh, en).to_owned(), value.filter(|value| !value.is_empty())?))
    };
    // Where not all of the sender fits above, the end of the address has a row.
    let cut_off = (sender != facts.from).then(|| address(&letter.from)).flatten();
    let rows = [
        row("发件人", "From", cut_off.map(|address| cut_front_characters(&address, VALUE))),
        row("时间", "Time", Some(facts.time.clone())),
        row("邮箱", "To", Some(cut_characters(&account(item), VALUE))),
        row("文件夹", "In", Some(cut_characters(&folder(item, lang), VALUE))),
        row("附件", "Files", file),
        row("大小", "Size", facts.size.clone()),
    ];
    let said = [facts.invitation.clone(), truth::line(&facts.truth), facts.late.clone(), facts.kinds.clone()];
    let said: Vec<_> = said.into_iter().flatten().collect();
    let usual = lang.pick("邮铃", "mailbell");
    Message::Template(Box::new(Notice {
        source: if urgent { lang.pick("紧急邮件", "Urgent mail") } else { usual }.to_owned(),
        red: urgent,
        title: cut_characters(&facts.subject, TITLE.saturating_sub(mark.chars().count())) + mark,
        desc: sender,
        emphasis: urgent.then(|| emphasis(letter, style)),
        sub_title: cut_characters(&said.join(" · "), SUB_TITLE),
        rows: rows.into_iter().flatten().take(ROWS).collect(),
        url,
    }))
}

/// Name and address; of a long name the beginning, of a long address the end.
fn sender(facts: &Facts, letter: &Letter, style: &Style) -> String {
    if facts.from.chars().count() <= DESC {
        return facts.from.clone();
    }
    match (name(letter, style), address(&letter.from)) {
        (Some(name), Some(address)) => {
            let name = cut_characters(&name, NAME);
            let room = DESC.saturating_sub(name.chars().count() + 3);
            format!("{name} ({})", cut_front_characters(&address, room))
        }
        (None, Some(address)) => cut_front_characters(&address, DESC),
        _ => cut_characters(&facts.from, DESC),
    }
}

/// When the letter's invitation is for, or that it is urgent: what is read first.
fn emphasis(letter: &Letter, style: &Style) -> (String, String) {
    let lang = style.lang;
    let year = zoned(letter.time, style).year();
    let dated = |date: jiff::civil::Date, clock: &str| match date.year() == year {
        true => format!("{} {clock}", day(date, lang)),
        false => date.to_string(),
    };
    let invitation = letter.invitation.as_ref();
    let start = invitation.and_then(|invitation| invitation.start).map(|start| match start {
        Start::At(time) => {
            let time = zoned(time, style);
            dated(time.date(), &clock(&time))
        }
        Start::Day(date) => dated(date, ""),
        Start::Local(time) => dated(time.date(), &time.strftime("%H:%M").to_string()),
    });
    match (start, invitation) {
        (Some(start), Some(invitation)) => (
            cut_characters(start.trim_end(), EMPHASIS_TITLE),
            cut_characters(truth::method(invitation.method, lang), EMPHASIS_DESC),
        ),
        _ => (lang.pick("紧急", "Urgent").to_owned(), String::new()),
    }
}

/// Its attachments in short: the first, and how many there are.
fn files(letter: &Letter, lang: Lang) -> Option<String> {
    let Some(first) = letter.attachments.first() else {
        return letter.attachment.then(|| lang.pick("可能有附件", "attachments likely").to_owned());
    };
    let name = truth::file_name(first, lang);
    let more = match (letter.attachments.len(), lang) {
        (0 | 1, _) => String::new(),
        (count, Lang::ZhCn) => format!(" 等 {count} 个"),
        (count, Lang::En) => format!(" +{}", count - 1),
    };
    Some(cut_characters(&name, VALUE.saturating_sub(more.chars().count())) + &more)
}
