//! Letters to messages: one card, a digest, a catch-up.
#![allow(clippy::unwrap_used, missing_docs)]

use criterion::{Criterion, criterion_group, criterion_main};
use mailbell::deliver::render::{Style, render};
use mailbell::model::{AccountId, Card, Item, Lang, Letter, LetterId, Sender, Timestamp};
use mailbell::state::Shape;
use std::hint::black_box;
use std::time::Duration;

fn shape(number: u32) -> Shape {
    Shape { number, ..Shape::default() }
}

fn items(count: u8) -> Vec<Item> {
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

fn messages(c: &mut Criterion) {
    let time_zone = jiff::tz::TimeZone::get("Asia/Shanghai").unwrap();
    let style = Style {
        lang: Lang::ZhCn,
        time_zone,
        card: Card::Textcard,
        text_only: false,
        own_domains: Vec::new().into(),
        first_time_after: Duration::ZERO,
    };
    let link = |_: &Item| Some("https://mail.corp.example/".to_owned());
    let mut group = c.benchmark_group("render");
    for (name, count) in [("a card for one letter", 1), ("a digest of 60", 60), ("a catch-up of 200", 200)] {
        let items = items(count);
        group.bench_function(name, |b| b.iter(|| render(black_box(&items), &style, &link, shape(0))));
    }
    group.finish();
}

criterion_group!(benches, messages);
criterion_main!(benches);
