//! One letter as `markdown` (p90236): headings, bold, links, code, quotes and three colours are markup there. Colour is for
//! our own words alone, and what senders wrote is none of it.

use super::TEXT_BYTES;
use super::single::Facts;
use super::truth::{Said, Tone};
use crate::deliver::cut::cut;
use crate::model::Lang;
use crate::wecom::Message;

/// Bytes of a subject.
const SUBJECT_BYTES: usize = 384;

/// Each line begins with our own words, so that none begins a heading, a list or a quote of the sender's.
pub(super) fn markdown(facts: &Facts, lang: Lang, link: Option<String>, mark: &str, urgent: bool) -> Message {
    let mut content = String::new();
    if urgent {
        content += &format!("{}\n", coloured("warning", lang.pick("紧急邮件", "Urgent mail")));
    }
    let subject = harmless(&facts.subject);
    content += &format!("**{}{mark}**", cut(subject.trim(), SUBJECT_BYTES));
    let label = |zh, en, text: &str| format!("\n>{}{}", coloured("comment", lang.pick(zh, en)), harmless(text));
    content += &label("发件人：", "From: ", &facts.from);
    content += &label("时间：", "At: ", &facts.time);
    content += &label("文件夹：", "In: ", &facts.place);
    let end = link.map(|url| format!("\n\n[{}]({})", lang.pick("打开邮箱", "Open mailbox"), target(&url)));
    let end = end.filter(|end| content.len() + end.len() <= TEXT_BYTES).unwrap_or_default();
    for line in more(facts) {
        if content.len() + line.len() + 2 + end.len() <= TEXT_BYTES {
            content += &format!("\n>{line}");
        }
    }
    Message::Markdown { content: content + &end }
}

fn more(facts: &Facts) -> impl Iterator<Item = String> {
    let truth: Vec<_> = facts.truth.iter().map(toned).collect();
    let about = [&facts.size, &facts.kinds].into_iter().flatten().map(|ours| coloured("comment", ours));
    let about: Vec<_> = about.chain(facts.attachments.as_deref().map(harmless)).collect();
    let late = facts.late.as_deref().map(|late| coloured("comment", late));
    let lines = [facts.invitation.as_deref().map(harmless), Some(truth.join(" · ")), late, Some(about.join(" · "))];
    lines.into_iter().flatten().filter(|line| !line.is_empty())
}

fn toned(said: &Said) -> String {
    match said.tone {
        Tone::Good => coloured("info", &said.text),
        Tone::Usual => coloured("comment", &said.text),
        Tone::Loud => coloured("warning", &said.text),
        Tone::Theirs => harmless(&said.text),
    }
}

/// Our own words.
fn coloured(colour: &str, ours: &str) -> String {
    format!("<font color=\"{colour}\">{ours}</font>")
}

/// A link's target: a bracket would end it.
fn target(url: &str) -> String {
    url.replace('(', "%28").replace(')', "%29")
}

/// Text of others, which `words::safe` has freed of tags and control characters, without anything that begins or ends
/// markup. Marks become their full-width forms: they look nearly the same and mean nothing to any reader, while nobody
/// promises that a backslash takes a mark's meaning away (p90236 does not name it). Round brackets stay: without square ones
/// they are no link. So do signs that count at the beginning of a line alone, `-`, `+`, `=` and digits, for no line
/// begins with text of others; `#` does not stay, for it is also what a list or a heading in a quote would begin with.
/// `://` and `www.` would become links by themselves, and are written wide, too. Bare domains stay, as in every address:
/// where a phone makes links of these, it does so in any message.
pub(super) fn harmless(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let rest = text.get(at..).unwrap_or_default();
        harmless.push(match c {
            '*' => '＊',
            '_' => '＿',
            '`' => '｀',
            '~' => '～',
            '[' => '［',
            ']' => '］',
            '#' => '＃',
            '!' => '！',
            '|' => '｜',
            '\\' => '＼',
            '<' => '＜',
            '>' => '＞',
            ':' if rest.starts_with("://") => '：',
            'w' | 'W' if starts_www(rest) => 'ｗ',
            c => c,
        });
    }
    harmless
}

fn starts_www(text: &str) -> bool {
    text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("www."))
}
