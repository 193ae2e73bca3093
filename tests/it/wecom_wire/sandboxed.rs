//! The client and the sandbox: two readings of the same documentation.

use super::{Hand, SECRET, client, config, text, user};
use futures_util::future::join_all;
use mailbell::clock::Clock;
use mailbell::deliver::render::{Style, render};
use mailbell::model::{AccountId, Attachment, Card, Item, Lang, Letter, Recipient, Secret, Sender, Timestamp};
use mailbell::rules::retry::Outcome;
use mailbell::sandbox::{self, Options};
use mailbell::state::Shape;
use mailbell::wecom::{Client, Message, Push, advice_for};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

struct Sandbox {
    base: String,
    hand: Hand,
    http: reqwest::Client,
}

impl Sandbox {
    async fn start() -> Self {
        let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let hand = Hand::new();
        let options = Options { secret: SECRET.to_owned(), member_per_minute: 10_000, ..Options::default() };
        let clock = hand.clone();
        let clock: sandbox::Clock = Arc::new(move || clock.steady().0.unsigned_abs());
        tokio::spawn(sandbox::serve_with_clock(listener, options, clock, std::future::pending()));
        Self { base, hand, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    fn client(&self) -> Client {
        Client::new(&config(&self.base), Arc::new(self.hand.clone())).unwrap()
    }

    async fn order(&self, order: Value) {
        let asked = self.http.post(format!("{}/sandbox/control", self.base)).body(order.to_string());
        let answer = asked.send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    async fn look(&self, at: &str) -> Value {
        let answer = self.http.get(format!("{}/sandbox/{at}", self.base)).send().await.unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }

    async fn count(&self, what: &str) -> u64 {
        self.look("events").await["counts"][what].as_u64().unwrap()
    }
}

async fn send(client: &Client, to: &str, content: &str) -> Outcome {
    let to = user(to);
    client.send(std::slice::from_ref(&to), &text(client, &to, content)).await.outcome
}

#[tokio::test]
async fn what_is_encoded_is_taken_without_a_remark() {
    let sandbox = Sandbox::start().await;
    let client = sandbox.client();
    client.ready().await.unwrap();
    let agent = client.agent().await.unwrap();
    assert_eq!((agent.name.as_str(), agent.closed), ("邮铃", false));
    let card = Message::Textcard {
        title: "关于 <b> \"引号\" 与 \\".to_owned(),
        description: "<div class=\"gray\">2026年</div>".to_owned(),
        url: "https://mail.corp.example/?a=1&b=2".to_owned(),
        button: "打开邮箱".to_owned(),
    };
    let content = "新邮件 👍🏽\n<a href=\"https://mail.corp.example\">打开</a>".to_owned();
    for to in [user("zhangsan"), Recipient::Party(12), Recipient::Tag(3)] {
        for message in [&card, &Message::Text { content: content.clone() }] {
            let body = client.encode(std::slice::from_ref(&to), message);
            assert_eq!(client.send(std::slice::from_ref(&to), &body).await.outcome, Outcome::Sent);
            assert_eq!(client.encode(std::slice::from_ref(&to), message), body, "the same bytes each time");
        }
    }
    let shown = sandbox.look("messages?member=zhangsan").await;
    assert_eq!(shown["messages"].as_array().unwrap().len(), 6);
    assert_eq!(shown["messages"][0]["title"], "关于 <b> \"引号\" 与 \\");
    assert_eq!(shown["messages"][1]["content"], content);
    let events = sandbox.look("events").await;
    assert_eq!((&events["counts"]["violations"], &events["counts"]["errors"]), (&json!(0), &json!(0)), "{events}");
    assert_eq!(sandbox.count("gettoken").await, 1);
}

/// Alerts as they are made, in each form: WeCom finds nothing to say, not even about what it only suggests.
#[tokio::test]
async fn alerts_of_every_form_are_taken_without_a_remark() {
    let sandbox = Sandbox::start().await;
    let client = sandbox.client();
    let long = Letter {
        from: Sender {
            name: Some("很长的名字".repeat(9)), address: Some(format!("{}@a.example", "x".repeat(80)))
        },
        subject: Some("**很长的主题**[x](http://evil)".repeat(12)),
        reply_to: Some("y@b.example".to_owned()),
        dated: Some(Timestamp(0)),
        size: 1 << 21,
        attachments: vec![Attachment { name: Some("附件".repeat(30)), size: 7 }; 20],
        ..Letter::default()
    };
    let account = AccountId::new(&format!("{}@corp.example", "z".repeat(60)));
    let folder = "项目/".repeat(30).as_str().into();
    let item = Item { account, folder, letter: long, told_at: Timestamp(0), away: None, card: None };
    let to = [user("lisi")];
    let mut kinds = Vec::new();
    for (card, lang, urgent) in Card::ALL.into_iter().flat_map(|card| {
        [(Lang::ZhCn, false), (Lang::ZhCn, true), (Lang::En, false), (Lang::En, true)].map(|(l, u)| (card, l, u))
    }) {
        let style = Style {
            lang,
            time_zone: jiff::tz::TimeZone::UTC,
            card,
            text_only: false,
            own_domains: vec!["corp.example".to_owned()].into(),
            first_time_after: Duration::ZERO,
        };
        let link = |_: &Item| Some("https://mail.corp.example/".to_owned());
        let shape = Shape { urgent, number: 7, plain: false };
        for rendered in render(std::slice::from_ref(&item), &style, &link, shape) {
            let body = client.encode(&to, &rendered.message);
            assert_eq!(client.send(&to, &body).await.outcome, Outcome::Sent);
            kinds.push(serde_json::from_slice::<Value>(&body).unwrap()["msgtype"].as_str().unwrap().to_owned());
        }
    }
    let count = |kind: &str| kinds.iter().filter(|other| *other == kind).count();
    let counted = ["textcard", "template_card", "markdown", "text"].map(count);
    assert_eq!(counted, [2, 6, 4, 4], "urgent textcards are template cards");
    let events = sandbox.look("events").await;
    let remarks = events["events"].as_array().unwrap().iter();
    let remarks: Vec<_> =
        remarks.filter(|e| !["send", "gettoken", "duplicate"].contains(&e["kind"].as_str().unwrap())).collect();
    assert!(remarks.is_empty(), "{remarks:?}");
}

#[tokio::test]
async fn fifty_at_once_share_one_token() {
    let sandbox = Sandbox::start().await;
    let client = sandbox.client();
    let contents: Vec<_> = (0..50).map(|number| number.to_string()).collect();
    let outcomes = join_all(contents.iter().map(|content| send(&client, "lisi", content))).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Sent), "{outcomes:?}");
    assert_eq!((sandbox.count("gettoken").await, sandbox.count("send").await), (1, 50));

    sandbox.order(json!({"invalidate_tokens": true})).await;
    let outcomes = join_all(contents.iter().map(|content| send(&client, "wangwu", content))).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Sent), "{outcomes:?}");
    assert_eq!(sandbox.count("gettoken").await, 2, "and one new one");
    assert!(sandbox.count("send").await <= 150, "each is repeated at most once");
}

#[tokio::test]
async fn a_token_that_was_taken_back_costs_one_fetch_and_one_repeat() {
    let sandbox = Sandbox::start().await;
    let client = sandbox.client();
    assert_eq!(send(&client, "lisi", "1").await, Outcome::Sent);
    sandbox.order(json!({"invalidate_tokens": true})).await;
    assert_eq!(send(&client, "lisi", "2").await, Outcome::Sent);
    assert_eq!((sandbox.count("gettoken").await, sandbox.count("send").await), (2, 3));
    sandbox.order(json!({"invalidate_tokens": true})).await;
    assert!(!client.agent().await.is_ok_and(|agent| agent.closed));

    for errcode in [40014, 42001, 40001] {
        let (tokens, sends) = (sandbox.count("gettoken").await, sandbox.count("send").await);
        sandbox.order(json!({"fail_next": {"call": "send", "errcode": errcode, "times": 9}})).await;
        let outcome = send(&client, "lisi", "refused for ever").await;
        assert!(matches!(&outcome, Outcome::Channel(text) if text.contains(&errcode.to_string())), "{outcome:?}");
        sandbox.order(json!({"fail_next": {"call": "send", "errcode": 0, "times": 0}})).await;
        assert!(sandbox.count("gettoken").await <= tokens + 2, "no loop");
        assert_eq!(sandbox.count("send").await, sends + 2);
    }
}

#[tokio::test]
async fn a_token_is_renewed_five_minutes_early_and_not_hammered_for() {
    let sandbox = Sandbox::start().await;
    let client = sandbox.client();
    client.ready().await.unwrap();
    sandbox.hand.move_on(Duration::from_secs(6895));
    assert_eq!(send(&client, "lisi", "before").await, Outcome::Sent);
    assert_eq!(sandbox.count("gettoken").await, 1);
    // From here on the sandbox gives the same token with what is left of it, until it ends.
    for second in 6895..7300 {
        sandbox.hand.move_on(Duration::from_secs(1));
        assert_eq!(send(&client, "lisi", &second.to_string()).await, Outcome::Sent, "at {second} s");
    }
    let fetches = sandbox.count("gettoken").await;
    assert!((3..=12).contains(&fetches), "{fetches} fetches around the end of a token");
    assert_eq!(sandbox.count("errors").await, 0, "never refused");
}

#[tokio::test]
async fn while_the_old_token_lives_a_failed_renewal_costs_nothing() {
    let sandbox = Sandbox::start().await;
    let client = sandbox.client();
    client.ready().await.unwrap();
    sandbox.hand.move_on(Duration::from_secs(6950));
    sandbox.order(json!({"fail_next": {"call": "gettoken", "errcode": -1, "times": 3}})).await;
    for second in 0..60 {
        sandbox.hand.move_on(Duration::from_secs(1));
        assert_eq!(send(&client, "lisi", &second.to_string()).await, Outcome::Sent);
    }
    assert!(sandbox.count("gettoken").await <= 4);
}

#[tokio::test]
async fn a_wrong_secret_is_the_channels_and_asked_about_once() {
    let sandbox = Sandbox::start().await;
    let mut wrong = config(&sandbox.base);
    wrong.secret = Secret::new("something else");
    let client = client(&wrong);
    let outcome = send(&client, "lisi", "x").await;
    assert!(matches!(&outcome, Outcome::Channel(text) if text.starts_with("gettoken: 40001")), "{outcome:?}");
    assert!(advice_for(&outcome, Lang::En).unwrap().contains("secret"));
    assert!(advice_for(&outcome, Lang::ZhCn).unwrap().contains("Secret"));
    assert_eq!((sandbox.count("gettoken").await, sandbox.count("send").await), (1, 0));
}

#[tokio::test]
async fn a_wrong_secret_is_not_asked_about_for_each_alert() {
    let sandbox = Sandbox::start().await;
    let mut wrong = config(&sandbox.base);
    wrong.secret = Secret::new("something else");
    let client = Client::new(&wrong, Arc::new(sandbox.hand.clone())).unwrap();
    // One after the other they would ban this address (wecom-api 2).
    let outcomes = join_all((0..50).map(|_| send(&client, "lisi", "x"))).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Channel(_))), "{outcomes:?}");
    assert_eq!(sandbox.count("gettoken").await, 1);
    // It is asked about more and more rarely: after 2, 8, 32 and 60 minutes.
    let mut asked = Vec::new();
    for minute in 1..=170 {
        sandbox.hand.move_on(Duration::from_secs(60));
        let before = sandbox.count("gettoken").await;
        assert!(matches!(send(&client, "lisi", "x").await, Outcome::Channel(_) | Outcome::Quota(_)));
        if sandbox.count("gettoken").await > before {
            asked.push(minute);
        }
    }
    assert_eq!(asked, [2, 10, 42, 102, 162]);
}

#[tokio::test]
async fn refusals_are_told_by_what_they_ask_of_us() {
    let sandbox = Sandbox::start().await;
    let client = sandbox.client();
    client.ready().await.unwrap();
    type Kind = fn(String) -> Outcome;
    let cases: [(i64, Kind); 8] = [
        (-1, Outcome::Busy),
        (45033, Outcome::Busy),
        (45009, Outcome::Quota),
        (60020, Outcome::Channel),
        (81013, Outcome::Recipient),
        (60111, Outcome::Recipient),
        (85002, Outcome::Payload),
        (99_999, Outcome::Strange),
    ];
    for (errcode, kind) in cases {
        sandbox.order(json!({"fail_next": {"call": "send", "errcode": errcode}})).await;
        let outcome = send(&client, "lisi", "x").await;
        assert_eq!(outcome, kind(outcome.reason().to_owned()));
        assert!(outcome.reason().starts_with(&format!("message/send: {errcode} ")), "{outcome:?}");
    }
    assert!(matches!(send(&client, "nobody", "x").await, Outcome::Recipient(_)));
    assert!(matches!(send(&client, "lisi", &"字".repeat(1000)).await, Outcome::Payload(_)));
    assert!(matches!(send(&client, "lisi", "").await, Outcome::Payload(_)));
    sandbox.order(json!({"close_app": true})).await;
    assert!(matches!(send(&client, "lisi", "x").await, Outcome::Channel(_)));
    assert!(client.agent().await.unwrap().closed);
}

#[tokio::test]
async fn a_lost_answer_is_unknown_and_its_repeat_is_not_shown() {
    let sandbox = Sandbox::start().await;
    let client = sandbox.client();
    for order in [
        json!({"lose_answers": 1}),
        json!({"drop_before": 1}),
        json!({"http_status_next": {"status": 502, "call": "send"}}),
        json!({"down": true}),
    ] {
        sandbox.order(order.clone()).await;
        assert!(matches!(send(&client, "lisi", "x").await, Outcome::Unknown(_)), "{order}");
        sandbox.order(json!({"down": false})).await;
    }
    assert_eq!(send(&client, "lisi", "x").await, Outcome::Sent);
    assert_eq!(sandbox.look("messages?member=lisi").await["messages"].as_array().unwrap().len(), 1);
    assert_eq!(sandbox.count("duplicates").await, 1);
}
