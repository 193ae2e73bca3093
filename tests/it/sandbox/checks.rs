//! What a send is refused for, and what is only remarked on.

use mailbell::sandbox::Options;
use serde_json::{Value, json};

use super::{Wecom, assert_errcode, news, notice, start, text, textcard, with};

fn ids(count: usize) -> String {
    (0..count).map(|n| format!("{n}")).collect::<Vec<_>>().join("|")
}

/// Sends each body and expects its errcode.
async fn assert_errcodes(wecom: &Wecom, cases: Vec<(&str, Value, i64)>) {
    for (what, body, errcode) in cases {
        assert_errcode(what, &wecom.send(&body).await, errcode);
    }
}

#[tokio::test]
async fn broken_bodies_are_refused() {
    let wecom = start(Options::default()).await;
    let path = wecom.send_path().await;
    let good = text("lisi", "in a \\ string \"quoted\", not escaped: \\u4e2d").to_string();
    let escaped = good.replace("quoted", "\\u4e2d");
    let control = text("lisi", "a\u{1}b").to_string();
    for (what, body, errcode) in [
        ("empty", Vec::new(), 40058),
        ("no JSON", b"{\"touser\":".to_vec(), 40058),
        ("an array", b"[]".to_vec(), 40058),
        ("not UTF-8", b"{\"touser\":\"\xff\"}".to_vec(), 40058),
        ("too deep", "[".repeat(5000).into_bytes(), 40058),
        ("too large", vec![b' '; 2 << 20], 40058),
        ("a backslash before u", good.into_bytes(), 0),
        ("an escape", escaped.into_bytes(), 40033),
        ("an escaped control character", control.into_bytes(), 40033),
    ] {
        let answer = wecom.post(&path, body).await;
        assert_errcode(what, &answer, errcode);
        let warned = answer["errmsg"].as_str().unwrap().contains("Warning: wrong json format.");
        assert_eq!(warned, ["empty", "no JSON", "not UTF-8", "too deep"].contains(&what), "{what}: {answer}");
    }
}

#[tokio::test]
async fn the_envelope_is_checked() {
    let wecom = start(Options::default()).await;
    let base = text("zhangsan", "你好");
    let users = |count: usize| vec!["zhangsan"; count].join("|");
    for (changes, errcode) in [
        (json!({}), 0),
        (json!({"agentid": null}), 41011),
        (json!({"agentid": 1_000_003}), 301_002),
        (json!({"agentid": "1000002"}), 40058),
        (json!({"agentid": 1_000_002.5}), 40058),
        (json!({"touser": null}), 82001),
        (json!({"touser": "", "toparty": "", "totag": ""}), 82001),
        (json!({"touser": "|"}), 82001),
        (json!({"touser": ["zhangsan"]}), 40058),
        (json!({"toparty": 1}), 40058),
        (json!({"totag": 3}), 40058),
        (json!({"touser": users(1000)}), 0),
        (json!({"touser": users(1001)}), 40032),
        (json!({"toparty": ids(100)}), 0),
        (json!({"toparty": ids(101)}), 82002),
        (json!({"totag": ids(100)}), 0),
        (json!({"totag": ids(101)}), 82003),
        (json!({"touser": "@all", "toparty": ids(101), "totag": ids(101)}), 0),
        (json!({"msgtype": null}), 40008),
        (json!({"msgtype": "fax"}), 40008),
        (json!({"msgtype": "image"}), 40008),
        (json!({"msgtype": 1}), 40058),
        (json!({"safe": 1}), 0),
        (json!({"safe": 2}), 40058),
        (json!({"safe": "0"}), 40058),
        (json!({"enable_id_trans": true}), 40058),
        (json!({"enable_duplicate_check": "1"}), 40058),
        (json!({"enable_duplicate_check": 1, "duplicate_check_interval": 14400}), 0),
        (json!({"enable_duplicate_check": 1, "duplicate_check_interval": 14401}), 40058),
        (json!({"enable_duplicate_check": 1, "duplicate_check_interval": -1}), 40058),
        (json!({"enable_duplicate_check": 1, "duplicate_check_interval": "1800"}), 40058),
    ] {
        let answer = wecom.send(&with(&base, changes.clone())).await;
        let what: String = changes.to_string().chars().take(100).collect();
        assert_errcode(&what, &answer, errcode);
    }
    let mut remarks = Vec::new();
    for event in wecom.events("violation").await {
        remarks.push(event["text"].as_str().unwrap().to_owned());
    }
    let other = "unknown field text"; // in a message of another type
    assert_eq!(remarks, ["touser holds an empty id", other, other, other]);
}

#[tokio::test]
async fn text_and_markdown_are_checked() {
    let wecom = start(Options::default()).await;
    let han = |count: usize| "信".repeat(count);
    let markdown = |content: &str| json!({"touser": "lisi", "agentid": 1_000_002, "msgtype": "markdown", "markdown": {"content": content}});
    let cases = vec![
        ("empty text", text("lisi", ""), 44004),
        ("no text", with(&text("lisi", ""), json!({"text": null})), 44004),
        ("text is a string", with(&text("lisi", ""), json!({"text": "hello"})), 40058),
        ("content is a number", with(&text("lisi", ""), json!({"text": {"content": 1}})), 40058),
        ("2048 bytes", text("lisi", &(han(682) + "ab")), 0),
        ("2049 bytes", text("lisi", &han(683)), 45002),
        ("markdown", markdown("**b**"), 0),
        ("empty markdown", markdown(""), 44004),
        ("markdown of 2048 bytes", markdown(&"x".repeat(2048)), 0),
        ("markdown of 2049 bytes", markdown(&"x".repeat(2049)), 45002),
    ];
    assert_errcodes(&wecom, cases).await;
    assert!(wecom.events("violation").await.is_empty());
}

#[tokio::test]
async fn textcards_are_checked() {
    let wecom = start(Options::default()).await;
    let url = |bytes: usize| format!("https://a.example/{}", "x".repeat(bytes - 18));
    let cases = vec![
        ("card", textcard(json!({})), 0),
        ("no title", textcard(json!({"title": null})), 41016),
        ("empty title", textcard(json!({"title": ""})), 41016),
        ("title is a number", textcard(json!({"title": 7})), 40058),
        ("no description", textcard(json!({"description": null})), 41033),
        ("empty description", textcard(json!({"description": ""})), 41033),
        ("no url", textcard(json!({"url": null})), 45034),
        ("no scheme", textcard(json!({"url": "mail.corp.example"})), 45034),
        ("another scheme", textcard(json!({"url": "javascript:alert(1)"})), 45034),
        ("no host", textcard(json!({"url": "https://"})), 40094),
        ("url of 2048 bytes", textcard(json!({"url": url(2048)})), 0),
        ("url of 2049 bytes", textcard(json!({"url": url(2049)})), 40039),
        ("button is a number", textcard(json!({"btntxt": 1})), 40058),
        ("no card", with(&textcard(json!({})), json!({"textcard": null})), 41016),
    ];
    assert_errcodes(&wecom, cases).await;
    assert!(wecom.events("violation").await.is_empty());
}

#[tokio::test]
async fn template_cards_are_checked() {
    let wecom = start(Options::default()).await;
    let cases = vec![
        ("text_notice", notice(json!({})), 0),
        ("no type", notice(json!({"card_type": null})), 40058),
        ("unknown type", notice(json!({"card_type": "x"})), 40058),
        ("needs a callback", notice(json!({"card_type": "button_interaction"})), 43012),
        ("has a menu", notice(json!({"action_menu": {}, "task_id": "1"})), 43012),
        ("task id", notice(json!({"task_id": "a_b-c@1"})), 0),
        ("task id in Chinese", notice(json!({"task_id": "任务"})), 42014),
        ("task id of 129 bytes", notice(json!({"task_id": "x".repeat(129)})), 42014),
        ("no title", notice(json!({"main_title": null})), 40058),
        ("sub title instead", notice(json!({"main_title": null, "sub_title_text": "x"})), 0),
        ("title is a number", notice(json!({"main_title": {"title": 1}})), 40058),
        ("main_title is a string", notice(json!({"main_title": "x"})), 40058),
        ("no action", notice(json!({"card_action": null})), 42045),
        ("action without type", notice(json!({"card_action": {"url": "https://a.example"}})), 40058),
        ("action without url", notice(json!({"card_action": {"type": 1}})), 42045),
        ("action without appid", notice(json!({"card_action": {"type": 2}})), 42045),
        ("action without scheme", notice(json!({"card_action": {"type": 1, "url": "a.example"}})), 45034),
    ];
    assert_errcodes(&wecom, cases).await;
    assert!(wecom.events("violation").await.is_empty());
}

#[tokio::test]
async fn used_task_ids_and_long_card_titles_are_remarked() {
    let wecom = start(Options::default()).await;
    let long = "长".repeat(37);
    let card = notice(json!({"task_id": "t1", "main_title": {"title": long}}));
    for (sent, used) in [(1, 0), (2, 1)] {
        assert_errcode("card", &wecom.send(&card).await, 0);
        assert_eq!(wecom.events("violation").await.len(), used);
        assert_eq!(wecom.events("advice").await.len(), sent);
    }
}

#[tokio::test]
async fn rows_of_template_cards_are_checked() {
    let wecom = start(Options::default()).await;
    let row = json!({"keyname": "发件人", "value": "王芳"});
    let rows = |changes: Value| notice(json!({"horizontal_content_list": [with(&row, changes)]}));
    let cases = vec![
        ("six rows", notice(json!({"horizontal_content_list": vec![&row; 6]})), 0),
        ("seven rows", notice(json!({"horizontal_content_list": vec![&row; 7]})), 42035),
        ("row without name", rows(json!({"keyname": null})), 42027),
        ("row without url", rows(json!({"type": 1})), 42028),
        ("row without file", rows(json!({"type": 2})), 42029),
        ("row without member", rows(json!({"type": 3})), 42050),
        ("row of no type", rows(json!({"type": 4})), 40058),
    ];
    assert_errcodes(&wecom, cases).await;
    assert!(wecom.events("violation").await.is_empty());
}

#[tokio::test]
async fn links_and_quotes_of_template_cards_are_checked() {
    let wecom = start(Options::default()).await;
    let jump = json!({"type": 1, "title": "打开", "url": "https://a.example/"});
    let cases = vec![
        ("three links", notice(json!({"jump_list": vec![&jump; 3]})), 0),
        ("four links", notice(json!({"jump_list": vec![&jump; 4]})), 42042),
        ("link without title", notice(json!({"jump_list": [with(&jump, json!({"title": ""}))]})), 40058),
        ("link without url", notice(json!({"jump_list": [with(&jump, json!({"url": null}))]})), 40058),
        ("quote without url", notice(json!({"quote_area": {"type": 1}})), 40058),
        ("quote", notice(json!({"quote_area": {"quote_text": "x"}})), 0),
    ];
    assert_errcodes(&wecom, cases).await;
    assert!(wecom.events("violation").await.is_empty());
}

#[tokio::test]
async fn news_notices_are_checked() {
    let wecom = start(Options::default()).await;
    let cases = vec![
        ("news_notice", news(json!({})), 0),
        ("no picture", news(json!({"card_image": null})), 40058),
        ("ratio", news(json!({"card_image": {"url": "https://a.example", "aspect_ratio": 2.25}})), 0),
        ("flat ratio", news(json!({"card_image": {"url": "https://a.example", "aspect_ratio": 3}})), 40058),
        ("news without title", news(json!({"main_title": {"desc": "x"}})), 40058),
        ("five entries", news(json!({"vertical_content_list": vec![json!({"title": "x"}); 5]})), 40058),
    ];
    assert_errcodes(&wecom, cases).await;
    assert!(wecom.events("violation").await.is_empty());
}

#[tokio::test]
async fn broken_rules_without_an_errcode_are_remarked() {
    let wecom = start(Options::default()).await;
    let han = |count: usize| "信".repeat(count);
    for (what, body, remarks) in [
        ("128 and 512 bytes", textcard(json!({"title": "x".repeat(128), "description": "x".repeat(512)})), 0),
        ("129 bytes", textcard(json!({"title": han(43)})), 1),
        ("both", textcard(json!({"title": han(130), "description": han(513)})), 2),
        ("button", textcard(json!({"btntxt": "打开邮箱"})), 0),
        ("long button", textcard(json!({"btntxt": "打开邮箱吧"})), 1),
        ("tab", text("zhangsan", "a\tb\nc"), 1),
        ("tab in a card", notice(json!({"horizontal_content_list": [{"keyname": "a\tb"}]})), 1),
        ("unknown fields", with(&textcard(json!({"colour": "red"})), json!({"to": "x"})), 2),
        ("safe on a card", with(&textcard(json!({})), json!({"safe": 0})), 1),
        ("interval alone", with(&text("lisi", "x"), json!({"duplicate_check_interval": 60})), 1),
        ("malformed userid", text("zhangsan|@lisi", "x"), 1),
    ] {
        let before = wecom.count("violations").await;
        assert_errcode(what, &wecom.send(&body).await, 0);
        assert_eq!(wecom.count("violations").await - before, remarks, "{what}");
    }
    let both = &wecom.messages("?member=zhangsan&since=2&limit=1").await[0];
    assert_eq!(both["title"], han(130), "as sent");
    assert_eq!(both["textcard"]["description"], han(513), "as sent");
    assert_eq!(both["shown"]["title"], han(128));
    assert_eq!(both["shown"]["description"], han(512));
    let button = &wecom.messages("?since=4&limit=1").await[0];
    assert_eq!(button["shown"]["btntxt"], "打开邮箱");

    let lenient = start(Options { strict: false, ..Options::default() }).await;
    assert_errcode("lenient", &lenient.send(&text("lisi", &han(683))).await, 0);
    assert_eq!(lenient.messages("").await[0]["shown"]["content"], han(682));
    assert_eq!(lenient.count("violations").await, 1);
}
