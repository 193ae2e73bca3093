//! Message to request body (p90236). The order of the keys never changes: the duplicate check compares the content.

use super::Message;
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

/// Those of the recipients that `id` is about, joined as WeCom wants them; `None`: there are none.
fn joined(to: &[Recipient], id: impl Fn(&Recipient) -> Option<String>) -> Option<String> {
    let ids: Vec<_> = to.iter().filter_map(id).collect();
    (!ids.is_empty()).then(|| ids.join("|"))
}

/// The body for these recipients. Nobody sees who else is told.
pub(super) fn body(agent_id: i64, to: &[Recipient], message: &Message) -> Vec<u8> {
    let (text, textcard) = match message {
        Message::Text { content } => (Some(Text { content }), None),
        Message::Textcard { title, description, url, button } => {
            (None, Some(Textcard { title, description, url, btntxt: button }))
        }
    };
    let envelope = Envelope {
        touser: joined(to, |r| if let Recipient::User(user) = r { Some(user.to_string()) } else { None }),
        toparty: joined(to, |r| if let Recipient::Party(id) = r { Some(id.to_string()) } else { None }),
        totag: joined(to, |r| if let Recipient::Tag(id) = r { Some(id.to_string()) } else { None }),
        msgtype: if text.is_some() { "text" } else { "textcard" },
        agentid: agent_id,
        text,
        textcard,
        enable_duplicate_check: 1,
        duplicate_check_interval: DUPLICATE_CHECK_S,
    };
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
    fn several_recipients_are_joined_by_kind() {
        let user = |name: &str| Recipient::User(name.into());
        let to = [user("a"), Recipient::Tag(3), user("b"), Recipient::Party(1), Recipient::Party(2)];
        let body = String::from_utf8(body(1, &to, &Message::Text { content: "x".into() })).unwrap();
        assert!(body.starts_with("{\"touser\":\"a|b\",\"toparty\":\"1|2\",\"totag\":\"3\","), "{body}");
    }
}
