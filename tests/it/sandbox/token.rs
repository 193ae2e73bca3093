//! Tokens: who gets one, how long it lives, who is banned.

use mailbell::sandbox::Options;
use serde_json::json;

use super::{TOKEN, assert_errcode, start, text, with};

#[tokio::test]
async fn gettoken_checks_in_order() {
    let wecom = start(Options::default()).await;
    for (query, errcode) in [
        ("", 41004),
        ("corpid=&corpsecret=", 41004),
        ("corpid=ww0123456789abcdef", 41004),
        ("corpsecret=sandbox-secret", 41002),
        ("corpid=wx1&corpsecret=sandbox-secret", 40013),
        ("corpid=wx1&corpsecret=wrong", 40013),
        ("corpid=ww0123456789abcdef&corpsecret=wrong", 40001),
        ("corpid=ww0123456789abcdef&corpsecret=sandbox-secret", 0),
    ] {
        let answer = wecom.get(&format!("/cgi-bin/gettoken?{query}")).await;
        assert_errcode(query, &answer, errcode);
        assert_eq!(answer.get("access_token").is_some(), errcode == 0, "{query}");
    }
    assert_eq!(wecom.count("gettoken").await, 8);
    let told = wecom.get("/sandbox/events").await.to_string();
    assert!(!told.contains("sandbox-secret") && !told.contains(&wecom.token().await));
}

#[tokio::test]
async fn a_token_lives_its_time_and_comes_back_inside_it() {
    let wecom = start(Options::default()).await;
    let first = wecom.get(TOKEN).await;
    assert_eq!(first["expires_in"], 7200);
    let old = first["access_token"].as_str().unwrap().to_owned();
    assert!(old.len() <= 512);
    wecom.advance(7000);
    let again = wecom.get(TOKEN).await;
    assert_eq!((&again["access_token"], &again["expires_in"]), (&json!(old), &json!(200)));

    let path = |token: &str| format!("/cgi-bin/message/send?access_token={token}");
    let body = text("lisi", "在").to_string();
    assert_errcode("alive", &wecom.post(&path(&old), body.clone()).await, 0);
    wecom.advance(200);
    assert_errcode("too old", &wecom.post(&path(&old), body.clone()).await, 42001);
    let fresh = wecom.token().await;
    assert_ne!(fresh, old);
    assert_errcode("still too old", &wecom.post(&path(&old), body.clone()).await, 42001);
    assert_errcode("never issued", &wecom.post(&path("abc"), body.clone()).await, 40014);

    wecom.order(json!({"invalidate_tokens": true})).await;
    assert_errcode("taken back", &wecom.post(&path(&fresh), body.clone()).await, 40014);
    let newest = wecom.token().await;
    assert_ne!(newest, fresh);
    assert_errcode("renewed", &wecom.post(&path(&newest), body).await, 0);
}

#[tokio::test]
async fn wrong_secrets_ban_the_address_for_an_hour() {
    let wecom = start(Options { max_wrong_secrets: 3, ..Options::default() }).await;
    let wrong = "/cgi-bin/gettoken?corpid=ww0123456789abcdef&corpsecret=wrong";
    for _ in 0..3 {
        assert_errcode("wrong", &wecom.get(wrong).await, 40001);
    }
    assert_errcode("banned", &wecom.get(wrong).await, 45009);
    assert_errcode("banned with the right one", &wecom.get(TOKEN).await, 45009);
    wecom.advance(3599);
    assert_errcode("still banned", &wecom.get(TOKEN).await, 45009);
    wecom.advance(1);
    assert_errcode("over", &wecom.get(TOKEN).await, 0);

    for _ in 0..2 {
        assert_errcode("wrong", &wecom.get(wrong).await, 40001);
    }
    wecom.advance(3600);
    assert_errcode("an hour forgets", &wecom.get(wrong).await, 40001);
    assert_errcode("not banned", &wecom.get(TOKEN).await, 0);
    for _ in 0..2 {
        wecom.get(wrong).await;
    }
    assert_errcode("banned again", &wecom.get(TOKEN).await, 45009);
    wecom.order(json!({"lift_bans": true})).await;
    assert_errcode("lifted", &wecom.get(TOKEN).await, 0);
}

#[tokio::test]
async fn the_token_counts_in_the_url_only_and_unknown_paths_are_404() {
    let wecom = start(Options::default()).await;
    let token = wecom.token().await;
    let body = with(&text("lisi", "x"), json!({"access_token": token}));
    let answer = wecom.post("/cgi-bin/message/send", body.to_string()).await;
    assert_errcode("in the body", &answer, 41001);
    let answer = wecom.post("/cgi-bin/message/send?access_token=", body.to_string()).await;
    assert_errcode("empty", &answer, 41001);
    let url = format!("{}/cgi-bin/message/send", wecom.base);
    let request = wecom.client.post(url).header("authorization", format!("Bearer {token}"));
    let answer = request.body(text("lisi", "x").to_string()).send().await.unwrap();
    let answer = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_errcode("in a header", &answer, 41001);
    assert_eq!(wecom.events("violation").await.len(), 1);

    for path in ["/cgi-bin/", "/cgi-bin/message/recall", "/cgi-bin/message/send/", "/CGI-BIN/gettoken", "/x"] {
        assert_eq!(wecom.page(path).await.0, 404, "{path}");
    }
    let path = wecom.send_path().await;
    assert_errcode("GET for POST", &wecom.get(&path).await, 40058);
    assert_errcode("POST for GET", &wecom.post(TOKEN, "").await, 40058);
}
