//! Messages against WeCom's limits, with Chinese text, hostile text and many letters.

use super::*;
use crate::model::{AccountId, LetterId};
use proptest::prelude::*;

fn shape(number: u32) -> Shape {
    Shape { number, plain: false }
}

fn style(card: Card) -> Style {
    Style { lang: Lang::ZhCn, time_zone: TimeZone::get("Asia/Shanghai").unwrap(), card }
}

fn item(n: usize, subject: &str, name: &str, folder: &str) -> Item {
    Item {
        account: AccountId::new("zhangsan@corp.example"),
        folder: folder.into(),
        letter: Letter {
            id: LetterId([0; 16]),
            from: Sender { name: Some(name.into()), address: Some("lisi@corp.example".into()) },
            subject: Some(subject.into()),
            time: Timestamp(1_700_000_000_000 + 1000 * n as i64),
            size: 12_345,
            attachment: true,
            seen: false,
            readable: true,
        },
        told_at: Timestamp(0),
        away: None,
    }
}

fn link(_: &Item) -> Option<String> {
    Some("https://mail.corp.example".into())
}

fn content(message: &Message) -> &str {
    match message {
        Message::Text { content } => content,
        Message::Textcard { .. } => panic!("a card"),
    }
}

#[test]
fn one_letter_is_a_card_with_sender_subject_and_time() {
    let rendered = render(&[item(0, "会议通知", "李四", "INBOX")], &style(Card::Textcard), &link, shape(0));
    let Message::Textcard { title, description, url, button } = &rendered[0].message else { panic!("no card") };
    assert_eq!((title.as_str(), url.as_str(), button.as_str()), ("会议通知", "https://mail.corp.example", "打开邮箱"));
    for part in ["2023-11-15 06:13:20", "李四 (lisi@corp.example)", "收件箱 · zhangsan@corp.example", "12 KB"] {
        assert!(description.contains(part), "{description}");
    }
}

#[test]
fn without_a_link_it_is_a_text() {
    let rendered = render(&[item(0, "会议", "李四", "INBOX")], &style(Card::Textcard), &|_| None, shape(1));
    assert!(content(&rendered[0].message).starts_with("会议 #2\n李四 (lisi@corp.example)\n2023-11-15 06:13:20"));
}

#[test]
fn a_digest_names_every_letter_newest_first() {
    let items: Vec<_> =
        (0..60).map(|n| item(n, &format!("主题{n:02}，{}", "很长".repeat(40)), "李四", "项目/甲")).collect();
    let rendered = render(&items, &style(Card::Textcard), &link, shape(0));
    assert!(rendered.len() > 1);
    let mut named: Vec<_> = rendered.iter().flat_map(|r| r.items.clone()).collect();
    assert_eq!(named.first(), Some(&59));
    named.sort_unstable();
    assert_eq!(named, (0..60).collect::<Vec<_>>());
    let all: String = rendered.iter().map(|r| content(&r.message)).collect();
    for n in 0..60 {
        assert!(all.contains(&format!("主题{n:02}，")));
    }
    assert!(rendered.iter().all(|r| r.kind == AlertKind::Digest && content(&r.message).len() <= 2048));
}

#[test]
fn very_many_letters_are_counted_and_the_newest_named() {
    let items: Vec<_> =
        (0..150).map(|n| item(n, &format!("主题{n:03}"), "李四", if n % 3 == 0 { "项目" } else { "INBOX" })).collect();
    let rendered = render(&items, &style(Card::Textcard), &link, shape(0));
    let all: String = rendered.iter().map(|r| content(&r.message)).collect();
    assert!(all.contains("150 封新邮件") && all.contains("收件箱 · zhangsan@corp.example: 100"), "{all}");
    assert!(all.contains("主题149") && all.contains("主题130") && !all.contains("主题129"));
    assert_eq!(rendered.iter().map(|r| r.items.len()).sum::<usize>(), 150);
}

#[test]
fn a_subject_is_never_markup() {
    let hostile = "<a href=\"http://evil\">x</a></div><div class=\"highlight\">";
    let single = render(&[item(0, hostile, hostile, hostile)], &style(Card::Textcard), &link, shape(0));
    let Message::Textcard { title, description, .. } = &single[0].message else { panic!("no card") };
    assert!(!title.contains('<') && !description.contains("highlight\">"), "{description}");
    let digest =
        render(&[item(0, hostile, "a", "b"), item(1, "c", hostile, hostile)], &style(Card::Text), &link, shape(0));
    assert!(!content(&digest[0].message).contains('<'));
}

proptest! {
    #[test]
    fn every_message_fits(
        texts in proptest::collection::vec(("\\PC{0,400}", "\\PC{0,100}", "\\PC{0,100}"), 1..80),
        textcard in any::<bool>(), number in 0_u32..200,
    ) {
        let items: Vec<_> = texts.iter().enumerate().map(|(n, (s, f, d))| item(n, s, f, d)).collect();
        let card = if textcard { Card::Textcard } else { Card::Text };
        let rendered = render(&items, &style(card), &link, shape(number));
        prop_assert_eq!(rendered.iter().map(|r| r.items.len()).sum::<usize>(), items.len());
        for r in rendered {
            match r.message {
                Message::Text { content } => prop_assert!(!content.is_empty() && content.len() <= 2048),
                Message::Textcard { title, description, button, .. } => {
                    prop_assert!(!title.is_empty() && title.len() <= 128);
                    prop_assert!(description.len() <= 512 && description.ends_with("</div>"));
                    prop_assert!(button.chars().count() <= 4);
                }
            }
        }
    }
}
