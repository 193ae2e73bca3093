//! Signing in: by the token with growing pauses, and through WeCom, once, in the browser that began it.

use super::bench::{Bench, TOKEN, asked};
use reqwest::StatusCode;
use std::time::Duration;

#[tokio::test]
async fn wrong_tokens_make_an_address_wait_and_the_right_one_too() {
    let bench = Bench::new().await;
    let mut browser = bench.browser();
    for _ in 0..3 {
        let answer = browser.sign_in_by_token("wrong").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(answer.text.contains("令牌不对"), "{}", answer.text);
    }
    let answer = browser.sign_in_by_token(TOKEN).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "in a pause the right one is not taken either");
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=2).contains(&wait), "{wait}");
    // The API and the form are one door.
    browser.header("authorization", &format!("Bearer {TOKEN}"));
    assert_eq!(browser.get("/admin/api/status").await.status, StatusCode::TOO_MANY_REQUESTS);
    browser.headers.clear();
    let mut neighbour = bench.browser();
    assert_eq!(neighbour.sign_in_by_token(TOKEN).await.status, StatusCode::SEE_OTHER, "others need not wait");
    bench.clock.pass(Duration::from_secs(wait));
    assert_eq!(browser.sign_in_by_token(TOKEN).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn an_address_that_is_only_claimed_does_not_help() {
    let bench = Bench::with(&format!("admin_token = \"{TOKEN}\"")).await;
    let mut waited = false;
    for n in 0..6 {
        let mut browser = bench.browser();
        browser.from = format!("203.0.113.{n}");
        waited |= browser.sign_in_by_token("wrong").await.status == StatusCode::TOO_MANY_REQUESTS;
    }
    assert!(waited, "without trusted_proxies X-Forwarded-For is nobody's address");
}

#[tokio::test]
async fn a_member_comes_back_from_wecom_to_the_page_that_was_wanted() {
    let bench = Bench::new().await;
    let mut browser = bench.browser();
    let away = browser.get("/admin/alerts?state=dead").await;
    assert_eq!(away.location(), "/admin/sign-in?next=%2Fadmin%2Falerts%3Fstate%3Ddead");
    let page = browser.get(away.location()).await;
    assert!(page.text.contains("href=\"/admin/sign-in/wecom?next=%2Fadmin%2Falerts%3Fstate%3Ddead\""), "{}", page.text);
    let away = browser.get("/admin/sign-in/wecom?next=%2Fadmin%2Falerts%3Fstate%3Ddead").await;
    assert_eq!(asked(&away, "back"), "https://mail.corp.example/admin/sign-in/wecom/done");
    assert_eq!((asked(&away, "from"), asked(&away, "lang")), ("browser".to_owned(), "zh".to_owned()));
    let state = asked(&away, "state");
    assert!(state.len() == 64 && state.bytes().all(|b| b.is_ascii_alphanumeric()), "{state}");
    let back = browser.get(&format!("/admin/sign-in/wecom/done?code=WangWu&state={state}")).await;
    assert_eq!((back.status, back.location()), (StatusCode::SEE_OTHER, "/admin/alerts?state=dead"));
    let text = browser.get("/admin").await.text;
    assert!(text.contains("wangwu") && text.contains("管理员"), "{text}");
    // Inside WeCom nothing need be scanned.
    let mut inside = bench.browser();
    inside.header("user-agent", "Mozilla/5.0 (Linux) wxwork/4.1.0 MicroMessenger/7.0.1");
    assert_eq!(asked(&inside.get("/admin/sign-in/wecom").await, "from"), "inside");
}

#[tokio::test]
async fn a_sign_in_that_was_not_begun_here_is_refused() {
    let bench = Bench::new().await;
    let (mut mine, mut other) = (bench.browser(), bench.browser());
    let state = asked(&mine.get("/admin/sign-in/wecom").await, "state");
    other.get("/admin/sign-in/wecom").await;
    // Somebody is led to another one's sign-in.
    let answer = other.get(&format!("/admin/sign-in/wecom/done?code=wangwu&state={state}")).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.cookies().is_empty(), "{:?}", answer.cookies());
    let answer = mine.get(&format!("/admin/sign-in/wecom/done?code=wangwu&state={state}")).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "spent by that");
    for path in ["", "?code=wangwu", "?state=", "?code=wangwu&state=0123", "?state[]=1"] {
        let answer = mine.get(&format!("/admin/sign-in/wecom/done{path}")).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
    }
    let state = asked(&mine.get("/admin/sign-in/wecom").await, "state");
    let done = format!("/admin/sign-in/wecom/done?code=wangwu&state={state}");
    assert_eq!(mine.get(&done).await.status, StatusCode::SEE_OTHER);
    assert_eq!(mine.get(&done).await.status, StatusCode::FORBIDDEN, "once");
    let state = asked(&mine.get("/admin/sign-in/wecom").await, "state");
    bench.clock.pass(Duration::from_secs(601));
    let answer = mine.get(&format!("/admin/sign-in/wecom/done?code=wangwu&state={state}")).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "too late");
}

#[tokio::test]
async fn only_those_of_the_lists_come_in() {
    let bench = Bench::new().await;
    for (code, word) in [("zhangsan", "名单"), ("outsider", "名单"), ("error", "没有确认")] {
        let mut browser = bench.browser();
        let answer = browser.sign_in(code).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{code}");
        assert!(answer.text.contains(word) && !answer.text.contains("40029"), "{code}: {}", answer.text);
        assert!(!browser.cookies.contains_key("__Host-mailbell"), "{code}");
        assert!(browser.get("/admin").await.location().starts_with("/admin/sign-in"), "{code}");
    }
}

#[tokio::test]
async fn wecoms_sign_in_is_there_only_with_lists() {
    let bench = Bench::with(&format!("public_url = \"https://mail.corp.example\"\nadmin_token = \"{TOKEN}\"")).await;
    let mut browser = bench.browser();
    assert_eq!(browser.get("/admin/sign-in/wecom").await.status, StatusCode::NOT_FOUND);
    assert!(!browser.get("/admin/sign-in").await.text.contains("/wecom"));
    let lists = "public_url = \"https://mail.corp.example\"\nadministrators = [\"wangwu\"]";
    let bench = Bench::with(lists).await;
    let text = bench.browser().get("/admin/sign-in").await.text;
    assert!(text.contains("/wecom") && !text.contains("name=\"token\""), "{text}");
    let mut browser = bench.browser();
    browser.header("authorization", "Bearer ");
    assert_eq!(browser.get("/admin/api/status").await.status, StatusCode::UNAUTHORIZED, "no token is no token");
}

#[tokio::test]
async fn nobody_is_led_elsewhere_by_signing_in() {
    let bench = Bench::new().await;
    for next in ["//evil.example", "https://evil.example", "/admin/../..//evil.example\\", "/healthz"] {
        let mut browser = bench.browser();
        let csrf = browser.get("/admin/sign-in").await.csrf();
        let answer = browser.post("/admin/sign-in", &[("csrf", &csrf), ("token", TOKEN), ("next", next)]).await;
        assert_eq!(answer.location(), "/admin", "{next}");
    }
}
