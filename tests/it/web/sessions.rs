//! Sessions: how they end.

use super::bench::{Bench, TOKEN, WEB};
use reqwest::StatusCode;
use std::time::Duration;

#[tokio::test]
async fn a_session_ends_unused_and_after_half_a_day() {
    let bench = Bench::new().await;
    let mut browser = bench.signed_in("lisi").await;
    bench.clock.pass(Duration::from_secs(29 * 60));
    assert_eq!(browser.get("/admin").await.status, StatusCode::OK);
    bench.clock.pass(Duration::from_secs(31 * 60));
    assert_eq!(browser.get("/admin").await.status, StatusCode::SEE_OTHER);
    let mut browser = bench.signed_in("lisi").await;
    for _ in 0..26 {
        bench.clock.pass(Duration::from_secs(1700));
        browser.get("/admin").await;
    }
    assert_eq!(browser.get("/admin").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn signing_out_ends_it_for_whoever_has_the_cookie() {
    let bench = Bench::new().await;
    let mut browser = bench.signed_in("lisi").await;
    let mut thief = bench.browser();
    thief.cookies = browser.cookies.clone();
    assert_eq!(thief.get("/admin").await.status, StatusCode::OK);
    let csrf = browser.csrf().await;
    let answer = browser.post("/admin/sign-out", &[("csrf", &csrf)]).await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/admin/sign-in"));
    assert!(!browser.cookies.contains_key("__Host-mailbell"));
    assert_eq!(thief.get("/admin").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn signing_in_again_makes_another_session() {
    let bench = Bench::new().await;
    let mut browser = bench.signed_in("lisi").await;
    let first = browser.cookies["__Host-mailbell"].clone();
    browser.sign_in("wangwu").await;
    assert_ne!(browser.cookies["__Host-mailbell"], first);
    assert!(browser.get("/admin").await.text.contains("wangwu"));
    let mut before = bench.browser();
    before.cookies.insert("__Host-mailbell".to_owned(), first);
    assert_eq!(before.get("/admin").await.status, StatusCode::SEE_OTHER, "the one of before is over");
}

#[tokio::test]
async fn who_leaves_the_config_is_out_at_once() {
    let bench = Bench::new().await;
    let mut lisi = bench.signed_in("lisi").await;
    let mut wangwu = bench.signed_in("wangwu").await;
    let mut token = bench.browser();
    token.sign_in_by_token(TOKEN).await;
    assert_eq!(token.get("/admin").await.status, StatusCode::OK);
    // Another token, and lisi is an administrator now.
    let other = WEB.replace(TOKEN, "another-token-than-that-of-before").replace("\"wangwu\"", "\"wangwu\", \"lisi\"");
    let other = other.replace("readers = [\"lisi\"]\n", "");
    bench.console.follow(&bench.config(&other));
    assert_eq!(lisi.get("/admin").await.status, StatusCode::SEE_OTHER, "another role is another session");
    assert_eq!(wangwu.get("/admin").await.status, StatusCode::OK);
    assert_eq!(token.get("/admin").await.status, StatusCode::SEE_OTHER);
    bench.console.follow(&bench.config("public_url = \"https://mail.corp.example\""));
    assert_eq!(wangwu.get("/admin").await.status, StatusCode::NOT_FOUND);
}
