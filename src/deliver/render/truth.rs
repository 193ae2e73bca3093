//! What is known of a sender beside what they say of themselves: modest, for people who are in a hurry.

use super::Style;
use super::words::{clock, day, honest, safe, weekday, zoned};
use crate::deliver::cut::cut;
use crate::model::{Attachment, Item, Kind, Lang, Letter, Method, Start, Verdict};
use crate::rules::acquaintance::is_own;
use jiff::civil::Date;
use std::time::Duration;

/// Bytes of an address in the line.
const ADDRESS_BYTES: usize = 64;
/// Bytes of an invitation's place.
const PLACE_BYTES: usize = 96;
/// Bytes of a file's name, and of all of them.
const FILE_BYTES: usize = 60;
const FILES_BYTES: usize = 200;

/// Whether the sender is not of one's own company, as far as one knows that.
pub(super) fn is_external(letter: &Letter, style: &Style) -> bool {
    let is_ours = |address: &str| is_own(address, &style.own_domains);
    !style.own_domains.is_empty() && !letter.from.address.as_deref().is_some_and(is_ours)
}

/// Whether a name hides the address: one that looks like an address, like a colleague's name, or like one's own company
/// where it is somebody else's (imap-servers E.3).
pub(super) fn hides(name: &str, letter: &Letter, style: &Style) -> bool {
    let name = name.to_lowercase();
    let pretends = |own: &String| name.contains(own.as_str());
    let is_external = || is_external(letter, style) && style.own_domains.iter().any(pretends);
    letter.borrowed_name || name.contains(['@', '＠', '﹫']) || is_external()
}

/// One thing that one should know of a sender.
pub(super) struct Said {
    pub(super) text: String,
    pub(super) tone: Tone,
}

/// What kind of news that is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// All is well.
    Good,
    /// Good to know.
    Usual,
    /// Beware.
    Loud,
    /// It holds words of the sender's.
    Theirs,
}

/// The sender truth line; empty where there is nothing that one should know.
pub(super) fn said(item: &Item, style: &Style) -> Vec<Said> {
    let (letter, lang) = (&item.letter, style.lang);
    let say = |tone, zh: &str, en: &str| Said { text: lang.pick(zh, en).to_owned(), tone };
    let mut said = Vec::new();
    match letter.verdict {
        Some(Verdict::Fail) => {
            said.push(say(Tone::Loud, "⚠ 发件人身份验证未通过", "⚠ sender failed authentication"));
        }
        Some(Verdict::Pass) => said.push(say(Tone::Good, "发件人已验证", "sender verified")),
        None => {}
    }
    if is_external(letter, style) {
        said.push(say(Tone::Usual, "外部发件人", "external sender"));
    }
    if letter.borrowed_name {
        said.push(say(Tone::Loud, "⚠ 与同事同名", "⚠ bears a colleague's name"));
    }
    said.extend(first_time(letter, style).map(|text| Said { text, tone: Tone::Usual }));
    if let Some(reply_to) = letter.reply_to.as_deref().filter(|reply_to| is_elsewhere(reply_to, letter)) {
        let address = cut(&safe(&honest(reply_to)), ADDRESS_BYTES);
        let text = format!("{}{address}", lang.pick("回复将发往 ", "replies go to "));
        said.push(Said { text, tone: Tone::Theirs });
    }
    if let Some(dated) = letter.dated {
        let dated = zoned(dated, style);
        let at = format!("{} {} {}", dated.year(), day(dated.date(), lang), clock(&dated));
        let text = format!("{}{at}", lang.pick("邮件自称写于 ", "says it was written "));
        said.push(Said { text, tone: Tone::Usual });
    }
    said
}

/// The same in one line; `None` where there is nothing.
pub(super) fn line(said: &[Said]) -> Option<String> {
    let texts: Vec<_> = said.iter().map(|said| said.text.as_str()).collect();
    (!texts.is_empty()).then(|| texts.join(" · "))
}

/// That nobody has heard of the sender, once senders are remembered for long enough to say so.
fn first_time(letter: &Letter, style: &Style) -> Option<String> {
    let days = letter.unmet_days?;
    let is_told = Duration::from_secs(u64::from(days) * 86_400) >= style.first_time_after;
    is_told.then(|| match (style.lang, days) {
        (Lang::ZhCn, 0 | 1) => "首次来信".to_owned(),
        (Lang::En, 0 | 1) => "first mail from them".to_owned(),
        (Lang::ZhCn, _) => format!("{days} 天来首次来信"),
        (Lang::En, _) => format!("first mail from them in {days} days"),
    })
}

/// Answers within a company go to many addresses; to another domain they are worth a word.
fn is_elsewhere(reply_to: &str, letter: &Letter) -> bool {
    let domain = |address: &str| address.rsplit_once('@').map(|(_, domain)| domain.to_lowercase());
    domain(reply_to) != letter.from.address.as_deref().and_then(domain)
}

/// What a letter is beside a letter.
pub(super) fn kinds(letter: &Letter, lang: Lang) -> Option<String> {
    let name = |kind: &Kind| match kind {
        Kind::Calendar => lang.pick("会议邀请", "invitation"),
        Kind::Encrypted => lang.pick("加密邮件", "encrypted"),
        Kind::Signed => lang.pick("带数字签名", "signed"),
        Kind::Bulk => lang.pick("群发邮件", "bulk mail"),
        Kind::Auto => lang.pick("自动发送", "sent by a program"),
        Kind::Bounce => lang.pick("退信", "not delivered"),
    };
    // An invitation has a line of its own.
    let is_said = |kind: &&Kind| **kind != Kind::Calendar || letter.invitation.is_none();
    let names: Vec<_> = letter.kinds.iter().filter(is_said).map(name).collect();
    (!names.is_empty()).then(|| names.join(" · "))
}

/// What its invitation wants, when and where.
pub(super) fn invitation(letter: &Letter, style: &Style) -> Option<String> {
    let (invitation, lang) = (letter.invitation.as_ref()?, style.lang);
    let what = method(invitation.method, lang);
    let dated = |date: Date| match date.year() == zoned(letter.time, style).year() {
        true => weekday(date, lang),
        false => format!("{} {}", date.year(), weekday(date, lang)),
    };
    let start = invitation.start.map(|start| match start {
        Start::At(time) => {
            let time = zoned(time, style);
            format!("{} {}", dated(time.date()), clock(&time))
        }
        Start::Day(date) => dated(date),
        Start::Local(time) => {
            let clock = time.strftime("%H:%M");
            format!("{} {clock}{}", dated(time.date()), lang.pick("（时区不明）", " (zone unknown)"))
        }
    });
    let place = invitation.place.as_deref().map(|place| cut(&safe(place), PLACE_BYTES));
    let said: Vec<_> = std::iter::once(what.to_owned()).chain(start).chain(place).collect();
    Some(said.join(" · "))
}

/// What an invitation wants.
pub(super) fn method(method: Method, lang: Lang) -> &'static str {
    match method {
        Method::Request => lang.pick("会议邀请", "invitation"),
        Method::Cancel => lang.pick("会议取消", "called off"),
        Method::Reply => lang.pick("会议答复", "answer to an invitation"),
        Method::Counter => lang.pick("会议改期建议", "another time is proposed"),
        Method::Other => lang.pick("日程", "calendar"),
    }
}

/// A file's name, or that it has none.
pub(super) fn file_name(file: &Attachment, lang: Lang) -> String {
    let name = file.name.as_deref().map(|name| cut(&safe(name), FILE_BYTES));
    name.unwrap_or_else(|| lang.pick("未命名", "unnamed").to_owned())
}

/// Its attachments by name and size, or that there may be some.
pub(super) fn attachments(letter: &Letter, lang: Lang) -> Option<String> {
    let mut files = letter.attachments.iter().map(|file| {
        let name = file_name(file, lang);
        match super::words::size(file.size) {
            Some(size) => format!("{name} ({size})"),
            None => name,
        }
    });
    let Some(mut said) = files.next() else {
        return letter.attachment.then(|| lang.pick("可能有附件", "attachments likely").to_owned());
    };
    let count = letter.attachments.len().max(usize::try_from(letter.attachment_count).unwrap_or(0));
    for file in files {
        if said.len() + file.len() > FILES_BYTES {
            said += &match lang {
                Lang::ZhCn => format!(" 等 {count} 个附件"),
                Lang::En => format!(" and others, {count} in all"),
            };
            break;
        }
        said += lang.pick("、", ", ");
        said += &file;
    }
    Some(format!("{}{said}", lang.pick("附件：", "Attached: ")))
}
