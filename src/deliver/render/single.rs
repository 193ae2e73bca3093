//! One letter, in the form that its recipients and its subscription want.

use super::{DESCRIPTION_BYTES, Style, TEXT_BYTES, TITLE_BYTES, markdown, notice, truth, words};
use crate::deliver::cut::cut;
use crate::model::{Card, Item, Lang, Timestamp};
use crate::state::Shape;
use crate::wecom::Message;

/// The form that one letter takes. `text` is for who sees nothing else; a subscription's form goes before the recipient's;
/// what is urgent is a card that can be loud, and a card needs a link.
pub(super) fn form(item: &Item, style: &Style, is_linked: bool, urgent: bool) -> Card {
    let wanted = if style.text_only { Card::Text } else { item.card.unwrap_or(style.card) };
    match wanted {
        Card::Textcard | Card::TemplateCard if !is_linked => Card::Text,
        Card::Textcard if urgent => Card::TemplateCard,
        wanted => wanted,
    }
}

/// What is told of a letter; nothing of it is markup of `text` and `textcard`.
pub(super) struct Facts {
    /// Not cut.
    pub(super) subject: String,
    pub(super) from: String,
    pub(super) time: String,
    pub(super) place: String,
    pub(super) invitation: Option<String>,
    pub(super) truth: Vec<truth::Said>,
    /// That it came while mailbell was away.
    pub(super) late: Option<String>,
    pub(super) size: Option<String>,
    pub(super) kinds: Option<String>,
    pub(super) attachments: Option<String>,
}

impl Facts {
    fn of(item: &Item, style: &Style) -> Self {
        let (letter, lang) = (&item.letter, style.lang);
        Self {
            subject: words::subject(letter, lang),
            from: words::from(letter, style),
            time: words::exact(letter.time, style),
            place: words::place(item, lang),
            invitation: truth::invitation(letter, style),
            truth: truth::said(item, style),
            late: item.away.map(|away| came_late(away, letter.time, style)),
            size: words::size(letter.size),
            kinds: truth::kinds(letter, lang),
            attachments: truth::attachments(letter, lang),
        }
    }

    /// Lines beside who, when and where; what matters more comes first.
    fn more(&self) -> impl Iterator<Item = String> {
        let about = [&self.size, &self.kinds, &self.attachments];
        let about: Vec<_> = about.into_iter().flatten().map(String::as_str).collect();
        let lines = [self.invitation.clone(), truth::line(&self.truth), self.late.clone(), Some(about.join(" · "))];
        lines.into_iter().flatten().filter(|line| !line.is_empty())
    }
}

/// `link`: where the letter is read.
pub(super) fn single(item: &Item, style: &Style, link: Option<String>, shape: Shape) -> Message {
    let facts = Facts::of(item, style);
    let mark = words::numbered(shape.number);
    match (form(item, style, link.is_some(), shape.urgent), link) {
        (Card::Textcard, Some(url)) => textcard(&facts, style.lang, url, &mark),
        (Card::TemplateCard, Some(url)) => notice::notice(item, &facts, style, url, &mark, shape.urgent),
        (Card::Markdown, link) => markdown::markdown(&facts, style.lang, link, &mark, shape.urgent),
        (_, link) => text(facts, style.lang, link, &mark, shape.urgent),
    }
}

fn title(facts: &Facts, mark: &str) -> String {
    cut(&facts.subject, TITLE_BYTES.saturating_sub(mark.len())) + mark
}

fn textcard(facts: &Facts, lang: Lang, url: String, mark: &str) -> Message {
    let Facts { from, time, place, .. } = facts;
    let mut description =
        format!("<div class=\"gray\">{time}</div><div class=\"normal\">{from}</div><div class=\"gray\">{place}</div>");
    for line in facts.more() {
        let line = format!("<div class=\"gray\">{line}</div>");
        if description.len() + line.len() <= DESCRIPTION_BYTES {
            description += &line;
        }
    }
    let button = lang.pick("打开邮箱", "Open").to_owned();
    Message::Textcard { title: title(facts, mark), description, url, button }
}

/// An urgent one says so in a line of its own, which no subject can be.
fn text(facts: Facts, lang: Lang, link: Option<String>, mark: &str, urgent: bool) -> Message {
    let loud = urgent.then(|| words::urgent(lang).trim_end().to_owned());
    let title = title(&facts, mark);
    let more: Vec<_> = facts.more().collect();
    let lines = loud.into_iter().chain([title, facts.from, facts.time, facts.place]).chain(more);
    let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    let mut content = lines.join("\n");
    if let Some(url) = link.filter(|url| content.len() + url.len() + 40 <= TEXT_BYTES) {
        content += &format!("\n<a href=\"{url}\">{}</a>", lang.pick("打开邮箱", "Open mailbox"));
    }
    Message::Text { content: cut(&content, TEXT_BYTES) }
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
