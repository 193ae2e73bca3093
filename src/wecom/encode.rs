//! Message to request body (p90236). The order of the keys never changes: the duplicate check compares the content.

use super::{Message, Notice};
use crate::model::Recipient;
use serde::Serialize;

/// The longest that WeCom remembers for its duplicate check (p90236), in seconds.
const DUPLICATE_CHECK_S: u32 = 14_400;

#[derive(Serialize)]
struct Envelope<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    touser: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    toparty: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    totag: Option<String>,
    msgtype: &'static str,
    agentid: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    textcard: Option<Textcard<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    markdown: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    template_card: Option<Card<'a>>,
    enable_duplicate_check: u8,
    duplicate_check_interval: u32,
}

#[derive(Serialize)]
struct Text<'a> {
    content: &'a str,
}

#[derive(Serialize)]
struct Textcard<'a> {
    title: &'a str,
    description: &'a str,
    url: &'a str,
    btntxt: &'a str,
}

#[derive(Serialize)]
struct Card<'a> {
    card_type: &'static str,
    source: Source<'a>,
    main_title: Titled<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    emphasis_content: Option<Titled<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    sub_title_text: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    horizontal_content_list: Vec<Row<'a>>,
    card_action: Action<'a>,
}

#[derive(Serialize)]
struct Source<'a> {
    desc: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    desc_color: Option<u8>,
}

#[derive(Serialize)]
struct Titled<'a> {
    title: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    desc: &'a str,
}

#[derive(Serialize)]
struct Row<'a> {
    keyname: &'a str,
    value: &'a str,
}

#[derive(Serialize)]
struct Action<'a> {
    r#type: u8,
    url: &'a str,
}

/// `source.desc_color` (wecom-api 3.6).
const RED: u8 = 2;
/// `card_action.type`: a url.
const OPENS_URL: u8 = 1;

impl<'a> Card<'a> {
    fn of(notice: &'a Notice) -> Self {
        let titled = |title: &'a str, desc: &'a str| Titled { title, desc };
        let rows = notice.rows.iter().map(|(keyname, value)| Row { keyname, value });
        Self {
            card_type: "text_notice",
            source: Source { desc: &notice.source, desc_color: notice.red.then_some(RED) },
            main_title: titled(&notice.title, &notice.desc),
            emphasis_content: notice.emphasis.as_ref().map(|(title, desc)| titled(title, desc)),
            sub_title_text: &notice.sub_title,
            horizontal_content_list: rows.collect(),
            card_action: Action { r#type: OPENS_URL, url: &notice.url },
        }
    }
}

/// Those of the recipients that `id` is about, joined as WeCom wants them; `None`: there are none.
fn joined(to: &[Recipient], id: impl Fn(&Recipient) -> Option<String>) -> Option<String> {
    let ids: Vec<_> = to.iter().filter_map(id).collect();
    (!ids.is_empty()).then(|| ids.join("|"))
}

/// The body for these recipients. Nobody sees who else is told.
pub(super) fn body(agent_id: i64, to: &[Recipient], message: &Message) -> Vec<u8> {
    let mut envelope = Envelope {
        touser: joined(to, |r| if let Recipient::User(user) = r { Some(user.to_string()) } else { None }),
        toparty: joined(to, |r| if let Recipient::Party(id) = r { Some(id.to_string()) } else { None }),
        totag: joined(to, |r| if let Recipient::Tag(id) = r { Some(id.to_string()) } else { None }),
        msgtype: "text",
        agentid: agent_id,
        text: None,
        textcard: None,
        markdown: None,
        template_card: None,
        enable_duplicate_check: 1,
        duplicate_check_interval: DUPLICATE_CHECK_S,
    };
    match message {
        Message::Text { content } => envelope.text = Some(Text { content }),
        Message::Textcard { title, description, url, button } => {
            envelope.msgtype = "textcard";
            envelope.textcard = Some(Textcard { title, description, url, btntxt: button });
        }
        Message::Markdown { content } => {
            envelope.msgtype = "markdown";
            envelope.markdown = Some(Text { content });
        }
        Message::Template(notice) => {
            envelope.msgtype = "template_card";
            envelope.template_card = Some(Card::of(notice));
        }
    }
    // serde_json writes other scripts as they are; `\uXXXX` would be refused (40033). It cannot fail on strings.
    serde_json::to_vec(&envelope).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_as_the_page_says() {
        let message = Message::Text { content: "新邮件\n一".into() };
        let body = String::from_utf8(body(1_000_002, &[Recipient::Party(12)], &message)).unwrap();
        assert_eq!(
            body,
            "{\"toparty\":\"12\",\"msgtype\":\"text\",\"agentid\":1000002,\"text\":{\"content\":\"新邮件\\n一\"},\
             \"enable_duplicate_check\":1,\"duplicate_check_interval\":14400}"
        );
    }

    #[test]
    fn markdown_and_template_cards_are_as_the_page_says() {
        let to = [Recipient::User("a".into())];
        let text = |message: &Message| String::from_utf8(body(1, &to, message)).unwrap();
        let markdown = text(&Message::Markdown { content: "**会议**".into() });
        let head = "{\"touser\":\"a\",\"msgtype\":";
        let tail = ",\"enable_duplicate_check\":1,\"duplicate_check_interval\":14400}";
        let content = "\"markdown\",\"agentid\":1,\"markdown\":{\"content\":\"**会议**\"}";
        assert_eq!(markdown, format!("{head}{content}{tail}"));
        let mut notice =
            Notice { source: "邮铃".into(), title: "会议".into(), url: "https://a".into(), ..Notice::default() };
        let action = "\"card_action\":{\"type\":1,\"url\":\"https://a\"}}";
        let content = "\"template_card\",\"agentid\":1,\"template_card\":{\"card_type\":\"text_notice\",\"source\":{\"desc\":\"邮铃\"";
        let least = format!("{head}{content}}},\"main_title\":{{\"title\":\"会议\"}},{action}{tail}");
        assert_eq!(text(&Message::Template(Box::new(notice.clone()))), least);
        notice.red = true;
        notice.desc = "李四".into();
        notice.emphasis = Some(("紧急".into(), String::new()));
        notice.sub_title = "外部发件人".into();
        notice.rows = vec![("时间".into(), "14:03".into())];
        let most = format!(
            "{head}{content},\"desc_color\":2}},\"main_title\":{{\"title\":\"会议\",\"desc\":\"李四\"}},\
             \"emphasis_content\":{{\"title\":\"紧急\"}},\"sub_title_text\":\"外部发件人\",\
             \"horizontal_content_list\":[{{\"keyname\":\"时间\",\"value\":\"14:03\"}}],{action}{tail}"
        );
        assert_eq!(text(&Message::Template(Box::new(notice))), most);
    }

    #[test]
    fn several_recipients_are_joined_by_kind() {
        let user = |name: &str| Recipient::User(name.into());
        let to = [user("a"), Recipient::Tag(3), user("b"), Recipient::Party(1), Recipient::Party(2)];
        let body = String::from_utf8(body(1, &to, &Message::Text { content: "x".into() })).unwrap();
        assert!(body.starts_with("{\"touser\":\"a|b\",\"toparty\":\"1|2\",\"totag\":\"3\","), "{body}");
    }
}
