//! What is known of a sender beside what they say of themselves: modest, for people who are in a hurry.

use super::Style;
use super::words::{clock, day, honest, safe, zoned};
use crate::deliver::cut::cut;
use crate::model::{Item, Kind, Lang, Letter, Verdict};

/// Bytes of an address in the line.
const ADDRESS_BYTES: usize = 64;
/// Bytes of a file's name, and of all of them.
const FILE_BYTES: usize = 60;
const FILES_BYTES: usize = 200;

/// Whether a domain is one of one's own, or below it.
fn is_own(domain: &str, style: &Style) -> bool {
    let domain = domain.to_lowercase();
    let below =
        |own: &String| domain.strip_suffix(own.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    style.own_domains.iter().any(below)
}

/// Whether the sender is not of one's own company, as far as one knows that.
fn is_external(letter: &Letter, style: &Style) -> bool {
    let domain = letter.from.address.as_deref().and_then(|address| address.rsplit_once('@')).map(|(_, domain)| domain);
    !style.own_domains.is_empty() && !domain.is_some_and(|domain| is_own(domain, style))
}

/// Whether a name hides the address: one that looks like an address, or like one's own company where it is somebody
/// else's (imap-servers E.3).
pub(super) fn hides(name: &str, letter: &Letter, style: &Style) -> bool {
    let name = name.to_lowercase();
    let pretends = |own: &String| name.contains(own.as_str());
    name.contains(['@', '＠', '﹫']) || is_external(letter, style) && style.own_domains.iter().any(pretends)
}

/// The sender truth line; `None` where there is nothing that one should know.
pub(super) fn line(item: &Item, style: &Style) -> Option<String> {
    let (letter, lang) = (&item.letter, style.lang);
    let mut said = Vec::new();
    match letter.verdict {
        Some(Verdict::Fail) => {
            said.push(lang.pick("⚠ 发件人身份验证未通过", "⚠ sender failed authentication").to_owned());
        }
        Some(Verdict::Pass) => said.push(lang.pick("发件人已验证", "sender verified").to_owned()),
        None => {}
    }
    if is_external(letter, style) {
        said.push(lang.pick("外部发件人", "external sender").to_owned());
    }
    if let Some(reply_to) = letter.reply_to.as_deref().filter(|reply_to| is_elsewhere(reply_to, letter)) {
        let address = cut(&safe(&honest(reply_to)), ADDRESS_BYTES);
        said.push(format!("{}{address}", lang.pick("回复将发往 ", "replies go to ")));
    }
    if let Some(dated) = letter.dated {
        let dated = zoned(dated, style);
        let at = format!("{} {} {}", dated.year(), day(dated.date(), lang), clock(&dated));
        said.push(format!("{}{at}", lang.pick("邮件自称写于 ", "says it was written ")));
    }
    (!said.is_empty()).then(|| said.join(" · "))
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
    let names: Vec<_> = letter.kinds.iter().map(name).collect();
    (!names.is_empty()).then(|| names.join(" · "))
}

/// Its attachments by name and size, or that there may be some.
pub(super) fn attachments(letter: &Letter, lang: Lang) -> Option<String> {
    let mut files = letter.attachments.iter().map(|file| {
        let name = file.name.as_deref().map(|name| cut(&safe(name), FILE_BYTES));
        let name = name.unwrap_or_else(|| lang.pick("未命名", "unnamed").to_owned());
        match super::words::size(file.size) {
            Some(size) => format!("{name} ({size})"),
            None => name,
        }
    });
    let Some(mut said) = files.next() else {
        return letter.attachment.then(|| lang.pick("可能有附件", "attachments likely").to_owned());
    };
    let count = letter.attachments.len();
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
