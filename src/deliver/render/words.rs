//! The words that alerts are made of: subjects, senders, places, times. What senders wrote is never markup here, and
//! nothing is longer than it says.

use super::Style;
use super::truth::{hides, is_external};
use crate::deliver::cut::{cut, cut_front};
use crate::model::{Item, Lang, Letter, Sender, Timestamp, Verdict};
use jiff::Zoned;
use jiff::civil::{Date, Weekday};
use std::borrow::Cow;
use std::collections::BTreeSet;
use unicode_segmentation::UnicodeSegmentation;

/// Limits in bytes.
const NAME_BYTES: usize = 60;
const ADDRESS_BYTES: usize = 96;
const FOLDER_BYTES: usize = 48;
const ACCOUNT_BYTES: usize = 72;

/// Text of others without anything that WeCom could take as markup: `<` and `>` become their full-width forms, and so
/// does an `&` that could begin an entity, because how WeCom would unescape those is not confirmed (wecom-api 3.3).
/// Control characters become blanks. A mark that would adorn our own text stands on a dotted circle.
pub(super) fn safe(text: &str) -> String {
    let one = |(at, c): (usize, char)| match c {
        '<' => '＜',
        '>' => '＞',
        '&' if text.get(at + 1..).is_some_and(begins_entity) => '＆',
        '\u{2028}' | '\u{2029}' => ' ',
        c if c.is_control() => ' ',
        c => c,
    };
    let safe = text.char_indices().map(one);
    if joins_what_is_before(text) { std::iter::once(BASE).chain(safe).collect() } else { safe.collect() }
}

/// What a mark stands on that has no letter (the dotted circle of Unicode charts).
const BASE: char = '\u{25cc}';

/// Whether a text begins with something that would join or adorn what stands before it, as accents do.
fn joins_what_is_before(text: &str) -> bool {
    let mut begin = String::from("：");
    begin.extend(text.chars().next());
    begin.graphemes(true).count() == 1 && !text.is_empty()
}

/// Whether what follows an `&` makes an entity of it, for a lenient reader.
fn begins_entity(rest: &str) -> bool {
    let lenient = ["#", "lt", "gt", "amp", "quot", "apos"];
    if lenient.iter().any(|name| rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))) {
        return true;
    }
    let name = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
    name > 0 && rest.as_bytes().get(name) == Some(&b';')
}

/// The whole subject, or what stands in for it; never empty.
pub(super) fn subject(letter: &Letter, lang: Lang) -> String {
    match letter.subject.as_deref().map(safe).filter(|subject| !subject.trim().is_empty()) {
        Some(subject) => subject,
        None if letter.readable => lang.pick("（无主题）", "(no subject)").to_owned(),
        None => lang.pick("新邮件（邮件头无法读取）", "New mail, header unreadable").to_owned(),
    }
}

/// A sender's name, unless it hides who they are.
pub(super) fn name(letter: &Letter, style: &Style) -> Option<String> {
    let name = letter.from.name.as_deref()?;
    let shown = letter.from.address.is_none() || !hides(name, letter, style);
    shown.then(|| cut(&safe(name), NAME_BYTES))
}

/// A sender's address.
pub(super) fn address(sender: &Sender) -> Option<String> {
    sender.address.as_deref().map(|address| cut(&safe(&honest(address)), ADDRESS_BYTES))
}

/// An address whose domain mixes scripts, such as Cyrillic letters among Latin ones that look the same, shows what it is:
/// `xn--...` (UTS 39, 5.2: what goes together in Chinese, Japanese and Korean is no mixture).
pub(super) fn honest(address: &str) -> Cow<'_, str> {
    match address.rsplit_once('@') {
        Some((local, domain)) if domain.split('.').any(mixes_scripts) => match idna::domain_to_ascii(domain) {
            Ok(ascii) => Cow::Owned(format!("{local}@{ascii}")),
            Err(_) => Cow::Owned(format!("{local}@{}", domain.escape_unicode())),
        },
        _ => Cow::Borrowed(address),
    }
}

fn mixes_scripts(label: &str) -> bool {
    use unicode_script::{Script, UnicodeScript};
    let mut scripts = BTreeSet::new();
    for c in label.chars() {
        match c.script() {
            Script::Common | Script::Inherited => {}
            Script::Hiragana | Script::Katakana | Script::Bopomofo | Script::Hangul => {
                scripts.insert("Hani");
            }
            script => {
                scripts.insert(script.short_name());
            }
        }
    }
    scripts.len() > 1 && scripts != BTreeSet::from(["Hani", "Latn"])
}

/// A sender in short: the name, with the address beside it unless it is one's own company's; else the address. Marked
/// where the receiving server found it false.
pub(super) fn who(letter: &Letter, style: &Style, most: usize) -> String {
    let mark = if letter.verdict == Some(Verdict::Fail) { "⚠ " } else { "" };
    let most = most.saturating_sub(mark.len());
    let who = match (name(letter, style), address(&letter.from)) {
        (Some(name), Some(address)) if style.own_domains.is_empty() || is_external(letter, style) => {
            // What the name leaves belongs to the address, and the end of that is what counts.
            let name = cut(&name, most / 2);
            let address = cut_front(&address, most.saturating_sub(name.len() + 3));
            format!("{name} ({address})")
        }
        (Some(name), _) => cut(&name, most),
        (None, Some(address)) => cut_front(&address, most),
        (None, None) => unknown(style.lang),
    };
    format!("{mark}{who}")
}

/// A sender in full.
pub(super) fn from(letter: &Letter, style: &Style) -> String {
    match (name(letter, style), address(&letter.from)) {
        (Some(name), Some(address)) => format!("{name} ({address})"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => unknown(style.lang),
    }
}

fn unknown(lang: Lang) -> String {
    lang.pick("未知发件人", "unknown sender").to_owned()
}

/// Whether a letter was found in the INBOX.
pub(super) fn in_inbox(item: &Item) -> bool {
    item.folder.eq_ignore_ascii_case("INBOX")
}

/// A folder's name.
pub(super) fn folder(item: &Item, lang: Lang) -> String {
    if in_inbox(item) {
        return lang.pick("收件箱", "Inbox").to_owned();
    }
    cut(&safe(&crate::parse::clean(&item.folder)), FOLDER_BYTES)
}

/// An account's name.
pub(super) fn account(item: &Item) -> String {
    cut(&safe(&item.account.0), ACCOUNT_BYTES)
}

/// Folder and account.
pub(super) fn place(item: &Item, lang: Lang) -> String {
    format!("{} · {}", folder(item, lang), account(item))
}

/// A letter's size; `None` where the server gave none.
pub(super) fn size(bytes: u64) -> Option<String> {
    match bytes {
        0 => None,
        1..1024 => Some(format!("{bytes} B")),
        1024..1_048_576 => Some(format!("{} KB", bytes / 1024)),
        _ => Some(format!("{}.{} MB", bytes / 1_048_576, bytes % 1_048_576 * 10 / 1_048_576)),
    }
}

/// The number that tells an alert from another with the same words; nothing for the first.
pub(super) fn numbered(number: u32) -> String {
    if number == 0 { String::new() } else { format!(" #{}", u64::from(number) + 1) }
}

/// What stands before all else where there are no colours.
pub(super) fn urgent(lang: Lang) -> &'static str {
    lang.pick("【紧急】", "[Urgent] ")
}

/// A time in the zone of the config.
pub(super) fn zoned(time: Timestamp, style: &Style) -> Zoned {
    jiff::Timestamp::from_millisecond(time.0).unwrap_or_default().to_zoned(style.time_zone.clone())
}

/// Date and time to the second.
pub(super) fn exact(time: Timestamp, style: &Style) -> String {
    zoned(time, style).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Hours and minutes.
pub(super) fn clock(time: &Zoned) -> String {
    time.strftime("%H:%M").to_string()
}

/// A day: "11月22日", "22 Nov".
pub(super) fn day(date: Date, lang: Lang) -> String {
    match lang {
        Lang::ZhCn => format!("{}月{}日", date.month(), date.day()),
        Lang::En => date.strftime("%-d %b").to_string(),
    }
}

/// A day with its name: "11月22日 周日", "Sun 22 Nov".
pub(super) fn weekday(date: Date, lang: Lang) -> String {
    let name = match date.weekday() {
        Weekday::Monday => ("周一", "Mon"),
        Weekday::Tuesday => ("周二", "Tue"),
        Weekday::Wednesday => ("周三", "Wed"),
        Weekday::Thursday => ("周四", "Thu"),
        Weekday::Friday => ("周五", "Fri"),
        Weekday::Saturday => ("周六", "Sat"),
        Weekday::Sunday => ("周日", "Sun"),
    };
    match lang {
        Lang::ZhCn => format!("{} {}", day(date, lang), name.0),
        Lang::En => format!("{} {}", name.1, day(date, lang)),
    }
}

/// From when to when; with days unless both are on `known`, the day that everything else is about.
pub(super) fn span(from: &Zoned, to: &Zoned, known: Option<Date>, lang: Lang) -> String {
    let to_word = lang.pick("至", "to");
    let (first, last) = (clock(from), clock(to));
    if from.date() != to.date() {
        return format!("{} {first} {to_word} {} {last}", day(from.date(), lang), day(to.date(), lang));
    }
    if known == Some(from.date()) {
        return format!("{first} {to_word} {last}");
    }
    format!("{} {first} {to_word} {last}", day(from.date(), lang))
}
