//! Letters that become messages, and how these look.

use mailbell::deliver::render::Style;
use mailbell::model::{AccountId, Card, Item, Lang, Letter, LetterId, Sender, Timestamp};
use std::time::Duration;

/// So many letters of one folder.
pub fn items(count: u8) -> Vec<Item> {
    let item = |n: u8| Item {
        account: AccountId::new("zhangsan@corp.example"),
        folder: "INBOX".into(),
        letter: Letter {
            id: LetterId([n; 16]),
            from: Sender { name: Some("张三".to_owned()), address: Some("zs@partner.example".to_owned()) },
            subject: Some(format!("关于第四季度合同付款安排的通知（请各部门于本周五前确认）{n}")),
            time: Timestamp(1_795_223_287_000 + i64::from(n) * 1000),
            size: 20_480,
            attachment: true,
            seen: false,
            readable: true,
            ..Letter::default()
        },
        told_at: Timestamp(0),
        away: None,
        card: None,
    };
    (0..count).map(item).collect()
}

/// Cards in Chinese.
pub fn style() -> Style {
    Style {
        lang: Lang::ZhCn,
        time_zone: jiff::tz::TimeZone::get("Asia/Shanghai").unwrap(),
        card: Card::Textcard,
        text_only: false,
        own_domains: Vec::new().into(),
        first_time_after: Duration::ZERO,
    }
}

/// Where a card leads.
pub fn link(_: &Item) -> Option<String> {
    Some("https://mail.corp.example/".to_owned())
}
