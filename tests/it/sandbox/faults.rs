//! The faults that `/sandbox/control` orders, and the app's own data.

use std::time::{Duration, Instant};

use mailbell::sandbox::Options;
use serde_json::json;

use super::pages::Live;
use super::{TOKEN, assert_errcode, start, text, with};

#[tokio::test]
async fn ordered_errcodes_come_and_end() {
    let wecom = start(Options::default()).await;
    let path = wecom.send_path().await;
    wecom.order(json!({"fail_next": {"call": "send", "errcode": -1, "times": 2}})).await;
    wecom.order(json!({"fail_next": {"call": "send", "errcode": 45009}})).await;
    wecom.order(json!({"fail_next": {"call": "gettoken", "errcode": 60020}})).await;
    let body = text("lisi", "x").to_string();
    for errcode in [-1, -1, 45009, 0] {
        assert_errcode("send", &wecom.post(&path, body.clone()).await, errcode);
    }
    for errcode in [60020, 0] {
        assert_errcode("gettoken", &wecom.get(TOKEN).await, errcode);
    }
    let errors = wecom.events("error").await;
    let told: Vec<_> = errors.iter().map(|event| (&event["call"], &event["errcode"])).collect();
    assert_eq!(told[0], (&json!("send"), &json!(-1)));
    assert_eq!(told[3], (&json!("gettoken"), &json!(60020)));
    assert_eq!(wecom.count("errors").await, 4);
    assert_eq!((wecom.count("send").await, wecom.count("accepted").await), (4, 1));

    wecom.order(json!({"fail_next": {"call": "send", "errcode": -1, "times": 9}})).await;
    wecom.order(json!({"fail_next": {"call": "send", "errcode": -1, "times": 0}})).await;
    assert_errcode("taken back", &wecom.post(&path, body).await, 0);
}

#[tokio::test]
async fn ordered_statuses_come_and_end() {
    let wecom = start(Options::default()).await;
    let path = wecom.send_path().await;
    let order = json!({"status": 502, "times": 2});
    wecom.order(json!({"http_status_next": order})).await;
    for status in [502, 502, 200] {
        let answer = wecom.try_post(&path, text("lisi", "x").to_string()).await.unwrap();
        assert_eq!(answer.0, status);
    }
    assert_eq!(wecom.messages("").await.len(), 1);
    let order = with(&order, json!({"call": "send", "times": 1}));
    wecom.order(json!({"http_status_next": order})).await;
    assert_errcode("not this call", &wecom.get(TOKEN).await, 0);
    assert_eq!(wecom.try_post(&path, "").await.unwrap().0, 502);
}

#[tokio::test]
async fn answers_get_lost() {
    let wecom = start(Options::default()).await;
    let path = wecom.send_path().await;
    let body = with(&text("lisi", "x"), json!({"enable_duplicate_check": 1})).to_string();

    wecom.order(json!({"drop_before": 2})).await;
    for _ in 0..2 {
        assert!(wecom.try_post(&path, body.clone()).await.is_err());
    }
    assert!(wecom.messages("").await.is_empty(), "not accepted");

    wecom.order(json!({"lose_answers": 1})).await;
    assert_errcode("refused, so nothing to lose", &wecom.post(&path, "{}").await, 41011);
    assert!(wecom.try_post(&path, body.clone()).await.is_err());
    assert_eq!(wecom.messages("").await.len(), 1, "accepted and shown");
    assert_errcode("again", &wecom.post(&path, body).await, 0);
    assert_eq!(wecom.messages("").await.len(), 1, "not shown again");

    let cut = wecom.events("cut").await;
    let accepted: Vec<_> = cut.iter().map(|event| event["accepted"].as_bool().unwrap()).collect();
    assert_eq!(accepted, [false, false, true]);
}

#[tokio::test]
async fn down_answers_nothing_until_up() {
    let wecom = start(Options::default()).await;
    let path = wecom.send_path().await;
    wecom.order(json!({"down": true})).await;
    for _ in 0..2 {
        assert!(wecom.try_post(&path, text("lisi", "x").to_string()).await.is_err());
        assert!(wecom.client.get(format!("{}{TOKEN}", wecom.base)).send().await.is_err());
    }
    assert!(wecom.messages("").await.is_empty(), "scripts still look");
    wecom.order(json!({"down": false})).await;
    assert_errcode("up", &wecom.post(&path, text("lisi", "x").to_string()).await, 0);
}

#[tokio::test]
async fn answers_come_late() {
    let wecom = start(Options::default()).await;
    let path = wecom.send_path().await;
    wecom.order(json!({"delay_ms": 50})).await;
    let started = Instant::now();
    assert_errcode("late", &wecom.post(&path, text("lisi", "x").to_string()).await, 0);
    assert!(started.elapsed() >= Duration::from_millis(50));

    wecom.order(json!({"delay_ms": 600_000})).await;
    let mut live = Live::open(&wecom, "since=1", "").await;
    live.next().await;
    let url = format!("{}{path}", wecom.base);
    let request = wecom.client.post(url).body(text("lisi", "y").to_string());
    let due = tokio::spawn(request.send());
    assert_eq!(live.next().await.1["seq"], 2, "shown before the answer");
    assert!(!due.is_finished());
}

#[tokio::test]
async fn a_stopped_app_sends_nothing() {
    let wecom = start(Options::default()).await;
    let path = wecom.send_path().await;
    let agent = format!("/cgi-bin/agent/get?access_token={}&agentid=1000002", wecom.token().await);
    assert_eq!(wecom.get(&agent).await["close"], 0);
    wecom.order(json!({"close_app": true})).await;
    assert_errcode("send", &wecom.post(&path, text("lisi", "x").to_string()).await, 50003);
    assert_errcode("gettoken", &wecom.get(TOKEN).await, 40001);
    assert_eq!(wecom.get(&agent).await["close"], 1);
    wecom.order(json!({"close_app": false})).await;
    assert_errcode("open again", &wecom.post(&path, text("lisi", "x").to_string()).await, 0);
}

#[tokio::test]
async fn agent_get_tells_of_the_tokens_app() {
    let wecom = start(Options::default()).await;
    let token = wecom.token().await;
    for (query, errcode) in [
        ("agentid=1000002".to_owned(), 41001),
        ("access_token=abc&agentid=1000002".to_owned(), 40014),
        (format!("access_token={token}"), 41011),
        (format!("access_token={token}&agentid=app"), 40056),
        (format!("access_token={token}&agentid=1000003"), 301_002),
        (format!("access_token={token}&agentid=1000002"), 0),
    ] {
        let answer = wecom.get(&format!("/cgi-bin/agent/get?{query}")).await;
        assert_errcode(&query, &answer, errcode);
        if errcode == 0 {
            assert_eq!((&answer["agentid"], &answer["name"]), (&json!(1_000_002), &json!("邮铃")));
            let first = &answer["allow_userinfos"]["user"][0];
            assert_eq!(first["userid"], "zhangsan");
            assert_eq!(answer["allow_partys"]["partyid"], json!([1, 12]));
            assert_eq!(answer["allow_tags"]["tagid"], json!([3]));
        }
    }
    assert_eq!(wecom.count("agent_get").await, 6);
}

#[tokio::test]
async fn senseless_orders_are_refused_and_change_nothing() {
    let wecom = start(Options::default()).await;
    for (order, expected) in [
        ("", "not understood"),
        ("[1]", "not understood"),
        ("{\"dwon\": true}", "unknown field `dwon`"),
        ("{\"down\": true, \"remove_member\": \"nobody\"}", "nobody is called"),
        ("{\"down\": true, \"http_status_next\": {\"status\": 99}}", "99 is no status"),
        ("{\"down\": true, \"add_member\": {\"userid\": \"-\", \"name\": \"x\"}}", "is no userid"),
        ("{\"fail_next\": {\"call\": \"recall\", \"errcode\": 1}}", "unknown variant `recall`"),
    ] {
        let (status, text) = wecom.try_post("/sandbox/control", order).await.unwrap();
        assert_eq!(status, 400, "{order}");
        assert!(text.contains(expected), "{order}: {text}");
    }
    assert_errcode("up", &wecom.get(TOKEN).await, 0);
    assert!(wecom.events("control").await.is_empty());
}
