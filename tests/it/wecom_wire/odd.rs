//! Answers that no WeCom should give, and ways to it that are not straight.

use super::raw::{Asked, Raw, Reply, TOKEN, json, token};
use super::{client, config, text, through, user};
use mailbell::model::Recipient;
use mailbell::rules::retry::Outcome;
use mailbell::wecom::{Client, Push};

async fn send(client: &Client, to: &Recipient) -> Outcome {
    client.send(std::slice::from_ref(to), &text(client, to, "会议")).await.outcome
}

/// What one answer to a send comes to.
async fn outcome(to: &Recipient, answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Outcome {
    let wecom = Raw::wecom(answer).await;
    send(&client(&config(&wecom.base)), to).await
}

#[tokio::test]
async fn the_errcode_decides_whatever_the_status() {
    let cases = [
        (500, "{\"errcode\": 0, \"errmsg\": \"ok\", \"msgid\": \"m\"}", "Sent"),
        (200, "{\"msgid\": \"m\"}", "Sent"),
        (200, "{\"errcode\": 0}", "Sent"),
        (503, "{\"errcode\": 45009, \"errmsg\": \"limit\"}", "Quota"),
        (404, "{\"errcode\": 81013}", "Recipient"),
        (200, "{\"errcode\": -1, \"errmsg\": \"system busy\", \"msgid\": \"m\"}", "Busy"),
        (200, "{}", "Unknown"),
        (502, "{\"msgid\": \"m\"}", "Unknown"),
        (200, "{\"errcode\": \"0\"}", "Unknown"),
        (200, "{\"errcode\": null, \"msgid\": \"m\"}", "Unknown"),
        (200, "{\"errcode\": 0.5}", "Unknown"),
        (200, "[{\"errcode\": 0}]", "Unknown"),
        (200, "0", "Unknown"),
        (200, "", "Unknown"),
        (200, "{\"errcode\": 0", "Unknown"),
        (200, "<html><body>请登录 errcode 0</body></html>", "Unknown"),
        (200, "\u{0}\u{1}garbage", "Unknown"),
    ];
    for (status, body, expected) in cases {
        let outcome = outcome(&user("zhangsan"), move |_| Reply::Http(status, body.to_owned())).await;
        assert!(format!("{outcome:?}").starts_with(expected), "HTTP {status} {body}: {outcome:?}");
        assert!(outcome == Outcome::Sent || outcome.reason().starts_with("message/send: "), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_success_that_names_the_recipient_is_none() {
    let cases = [
        ("zhangsan", "\"invaliduser\": \"lisi|ZhangSan\"", false),
        ("zhangsan", "\"invaliduser\": \" ZHANGSAN\"", false),
        ("zhangsan", "\"unlicenseduser\": \"zhangsan\"", false),
        ("zhangsan", "\"invaliduser\": \"zhangsan2|zhang\"", true),
        ("zhangsan", "\"invaliduser\": \"\"", true),
        ("zhangsan", "\"invaliduser\": null", true),
        ("zhangsan", "\"invalidparty\": \"zhangsan\"", true),
        ("party:12", "\"invalidparty\": \"1|12\"", false),
        ("party:12", "\"invalidparty\": \"112|2\"", true),
        ("tag:12", "\"invalidtag\": \"12\"", false),
        ("tag:12", "\"invalidparty\": \"12\"", true),
    ];
    for (to, field, reached) in cases {
        let to = user(to);
        let body = format!("{{\"errcode\": 0, \"errmsg\": \"ok\", \"msgid\": \"m\", {field}}}");
        let outcome = outcome(&to, move |_| json(&body)).await;
        assert_eq!(outcome == Outcome::Sent, reached, "{to} {field}: {outcome:?}");
        assert!(reached || matches!(outcome, Outcome::Recipient(_)), "{to} {field}: {outcome:?}");
    }
}

#[tokio::test]
async fn odd_answers_to_gettoken_are_no_token() {
    let cases = [
        ("{\"errcode\": 0, \"errmsg\": \"ok\"}", "Unknown"),
        ("{\"errcode\": 0, \"access_token\": \"\"}", "Unknown"),
        ("{\"errcode\": 0, \"access_token\": 5}", "Unknown"),
        ("{}", "Unknown"),
        ("<html>", "Unknown"),
        ("{\"errcode\": -1}", "Busy"),
        ("{\"errcode\": 45009}", "Quota"),
        ("{\"errcode\": 40013}", "Channel"),
        ("{\"errcode\": 60020}", "Channel"),
        ("{\"errcode\": 77777}", "Channel"),
    ];
    for (body, expected) in cases {
        let wecom = Raw::start(move |_| json(body)).await;
        let outcome = send(&client(&config(&wecom.base)), &user("zhangsan")).await;
        assert!(format!("{outcome:?}").starts_with(expected), "{body}: {outcome:?}");
        assert_eq!(wecom.asked().len(), 1, "{body}: one call and no send");
    }
}

#[tokio::test]
async fn a_token_of_no_life_is_used_and_not_hammered_for() {
    for life in ["0", "-5", "\"x\"", "null", "1"] {
        let wecom = Raw::start(move |asked| match asked.target().contains("gettoken") {
            true => json(&format!("{{\"errcode\": 0, \"access_token\": \"t\", \"expires_in\": {life}}}")),
            false => json("{\"errcode\": 0}"),
        })
        .await;
        let client = client(&config(&wecom.base));
        for _ in 0..20 {
            assert_eq!(send(&client, &user("zhangsan")).await, Outcome::Sent);
        }
        assert_eq!((wecom.count("gettoken"), wecom.count("message/send")), (1, 20), "expires_in {life}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Raw::start(|_| json("{\"errcode\": 0, \"msgid\": \"m\"}")).await;
    for status in [301, 302, 307, 308] {
        let to = format!("HTTP/1.1 {status} Moved\r\nlocation: {}/x\r\ncontent-length: 0\r\n\r\n", elsewhere.base);
        let wecom = Raw::wecom(move |_| Reply::Bytes(to.clone())).await;
        let outcome = send(&client(&config(&wecom.base)), &user("zhangsan")).await;
        assert!(matches!(&outcome, Outcome::Unknown(text) if text.contains(&status.to_string())), "{outcome:?}");
    }
    assert!(elsewhere.asked().is_empty());
}

#[tokio::test]
async fn a_huge_answer_is_not_read_to_its_end() {
    let wecom = Raw::wecom(|_| Reply::Endless).await;
    let outcome = send(&client(&config(&wecom.base)), &user("zhangsan")).await;
    assert!(matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
    // What sockets hold comes on top of the client's 1 MiB.
    assert!(wecom.written() < 32 * 1024 * 1024, "{}", wecom.written());
}

#[tokio::test]
async fn a_path_in_the_base_is_kept() {
    for (path, expected) in [("", ""), ("/", ""), ("/proxy", "/proxy"), ("/proxy/", "/proxy"), ("/a/b/", "/a/b")] {
        let wecom = Raw::wecom(|_| json("{\"errcode\": 0, \"name\": \"x\"}")).await;
        let client = client(&config(&format!("{}{path}", wecom.base)));
        assert_eq!(send(&client, &user("zhangsan")).await, Outcome::Sent);
        client.agent().await.unwrap();
        let paths: Vec<_> = wecom.asked().iter().map(|a| a.target().split('?').next().unwrap().to_owned()).collect();
        let calls = ["gettoken", "message/send", "agent/get"].map(|call| format!("{expected}/cgi-bin/{call}"));
        assert_eq!(paths, calls, "{path}");
    }
}

#[tokio::test]
async fn a_request_is_as_the_page_says() {
    let wecom = Raw::wecom(|_| json("{\"errcode\": 0}")).await;
    let client = client(&config(&wecom.base));
    let to = user("ZhangSan");
    let body = text(&client, &to, "会议");
    assert_eq!(client.send(std::slice::from_ref(&to), &body).await.outcome, Outcome::Sent);
    let asked = wecom.asked();
    let query = |at: usize| {
        let url = url::Url::parse(&format!("http://x{}", asked[at].target())).unwrap();
        url.query_pairs().into_owned().collect::<Vec<_>>()
    };
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(query(0), [pair("corpid", "ww0123456789abcdef"), pair("corpsecret", super::SECRET)]);
    assert_eq!(query(1), [pair("access_token", TOKEN)]);
    assert!(asked[0].head.starts_with("GET ") && asked[1].head.starts_with("POST "));
    assert!(!asked[1].head.to_ascii_lowercase().contains("authorization"), "the token is in the query only");
    assert_eq!(asked[1].body.as_bytes(), body, "the stored bytes, as they are");
    assert!(asked[1].body.contains("会议"), "no escapes");
}

#[tokio::test]
async fn a_proxy_is_gone_through() {
    let proxy = Raw::start(|asked| match asked.target().contains("/gettoken?") {
        true => token(),
        false => json("{\"errcode\": 0}"),
    })
    .await;
    let address = proxy.base.replace("http://", "http://proxyuser:proxypass@");
    let client = client(&through(&address, "http://wecom.invalid/base"));
    assert_eq!(send(&client, &user("zhangsan")).await, Outcome::Sent);
    let asked = proxy.asked();
    assert!(asked[0].target().starts_with("http://wecom.invalid/base/cgi-bin/gettoken?"), "{}", asked[0].head);
    assert!(asked[1].target().starts_with("http://wecom.invalid/base/cgi-bin/message/send?"), "{}", asked[1].head);
    assert!(asked[1].head.to_ascii_lowercase().contains("proxy-authorization: basic "));
}
