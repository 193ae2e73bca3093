//! Signing in: what the pages take, whom they show, and what a code is worth.

use mailbell::sandbox::Options;
use serde_json::{Value, json};
use url::Url;

use super::{Wecom, assert_errcode, start};

const DOMAIN: &str = "mail.corp.example:8443";
const BACK: &str = "https%3A%2F%2Fmail.corp.example%3A8443%2Fdone%3Fa%3D1";

fn options() -> Options {
    Options { redirect_domain: DOMAIN.to_owned(), ..Options::default() }
}

fn browser(changes: &[(&str, &str)]) -> String {
    let usual = [
        ("login_type", "CorpApp"),
        ("appid", "ww0123456789abcdef"),
        ("agentid", "1000002"),
        ("redirect_uri", BACK),
        ("state", "s1"),
    ];
    query("/wwlogin/sso/login", &usual, changes)
}

fn inside(changes: &[(&str, &str)]) -> String {
    let usual = [
        ("appid", "ww0123456789abcdef"),
        ("redirect_uri", BACK),
        ("response_type", "code"),
        ("scope", "snsapi_base"),
        ("state", "s1"),
    ];
    query("/connect/oauth2/authorize", &usual, changes)
}

/// Values stand as they are written in a URL.
fn query(path: &str, usual: &[(&str, &str)], changes: &[(&str, &str)]) -> String {
    let usual = usual.iter().filter(|(key, _)| changes.iter().all(|(changed, _)| changed != key));
    let pairs: Vec<_> = usual.chain(changes).map(|(key, value)| format!("{key}={value}")).collect();
    format!("{path}?{}", pairs.join("&"))
}

/// Where a click on one of the page leads to.
async fn click(wecom: &Wecom, page: &str, id: &str) -> Url {
    let (_, after) = page.split_once(&format!("id=\"scan-{id}\"")).unwrap();
    let href = after.split_once("href=\"").unwrap().1.split_once('"').unwrap().0.replace("&amp;", "&");
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let answer = client.get(format!("{}{href}", wecom.base)).send().await.unwrap();
    assert_eq!(answer.status(), 302);
    Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap()
}

fn param(url: &Url, key: &str) -> String {
    url.query_pairs().find(|(name, _)| name == key).unwrap().1.into_owned()
}

async fn redeem(wecom: &Wecom, code: &str) -> Value {
    let token = wecom.token().await;
    wecom.get(&format!("/cgi-bin/auth/getuserinfo?access_token={token}&code={code}")).await
}

#[tokio::test]
async fn a_member_scans_and_the_code_works_once() {
    let wecom = start(options()).await;
    for path in [browser(&[]), browser(&[("lang", "en")]), inside(&[]), inside(&[("agentid", "1000002")])] {
        let (status, page) = wecom.page(&path).await;
        assert_eq!(status, 200, "{page}");
        let back = click(&wecom, &page, "lisi").await;
        assert!(back.as_str().starts_with("https://mail.corp.example:8443/done?a=1&code="), "{back}");
        assert_eq!(param(&back, "state"), "s1");
        let code = param(&back, "code");
        let who = redeem(&wecom, &code).await;
        assert_eq!((&who["errcode"], &who["userid"]), (&json!(0), &json!("lisi")));
        assert!(who.get("user_ticket").is_none());
        assert_errcode("twice", &redeem(&wecom, &code).await, 40029);
        assert!(!wecom.get("/sandbox/events").await.to_string().contains(&code));
    }
    assert_eq!(wecom.events("scan").await.len(), 4);
    assert_errcode("no code", &redeem(&wecom, "").await, 41008);
    assert_errcode("unknown", &redeem(&wecom, "x").await, 40029);
}

#[tokio::test]
async fn a_code_ends_after_five_minutes_and_outsiders_are_told_apart() {
    let wecom = start(options()).await;
    let (_, page) = wecom.page(&browser(&[])).await;
    let codes = [click(&wecom, &page, "lisi").await, click(&wecom, &page, "outsider").await];
    wecom.advance(299);
    let who = redeem(&wecom, &param(&codes[1], "code")).await;
    assert!(who["errcode"] == 0 && who.get("userid").is_none() && who["openid"].is_string(), "{who}");
    wecom.advance(1);
    assert_errcode("too old", &redeem(&wecom, &param(&codes[0], "code")).await, 40029);
}

#[tokio::test]
async fn who_may_scan_is_who_has_wecom() {
    let wecom = start(options()).await;
    wecom.order(json!({"remove_member": "zhangsan", "set_status": {"userid": "lisi", "status": 2}})).await;
    wecom.order(json!({"hide_member": "wangwu"})).await;
    let (_, page) = wecom.page(&inside(&[])).await;
    for (userid, shown) in [("zhangsan", false), ("lisi", false), ("wangwu", true), ("outsider", true)] {
        assert_eq!(page.contains(&format!("id=\"scan-{userid}\"")), shown, "{userid}");
    }
    let back = click(&wecom, &page, "wangwu").await;
    assert_eq!(redeem(&wecom, &param(&back, "code")).await["userid"], "wangwu", "outside the visible range as well");
}

#[tokio::test]
async fn what_is_asked_wrongly_is_told() {
    let wecom = start(options()).await;
    let long = "s".repeat(129);
    let old = |changes| browser(changes).replace("/wwlogin/sso/login", "/wwopen/sso/qrConnect");
    assert_eq!(wecom.page(&old(&[("login_type", "")])).await.0, 200);
    for (path, word) in [
        (browser(&[("login_type", "ServiceApp")]), "login_type"),
        (browser(&[("appid", "wx1")]), "appid"),
        (browser(&[("agentid", "1")]), "agentid"),
        (old(&[("agentid", "1")]), "agentid"),
        (browser(&[("lang", "fr")]), "lang"),
        (browser(&[("state", &long)]), "state"),
        (browser(&[("redirect_uri", "x")]), "redirect_uri"),
        (browser(&[("redirect_uri", "javascript:alert(1)")]), "redirect_uri"),
        (browser(&[("redirect_uri", "https%3A%2F%2Fmail.corp.example%2F")]), "trusted domain"),
        (browser(&[("redirect_uri", "https%3A%2F%2Fevil.example%3A8443%2F")]), "trusted domain"),
        (inside(&[("response_type", "token")]), "response_type"),
        (inside(&[("scope", "snsapi_login")]), "scope"),
        (inside(&[("scope", "snsapi_privateinfo")]), "agentid"),
        (inside(&[("state", "a-b")]), "state"),
        (inside(&[("redirect_uri", "https%3A%2F%2Fmail.corp.example%3A8444%2F")]), "trusted domain"),
        ("/sandbox/scan?redirect_uri=https%3A%2F%2Fevil.example%2F&userid=lisi".to_owned(), "trusted domain"),
        (format!("/sandbox/scan?redirect_uri={BACK}&userid=%3Cb%3E"), "no such member: &lt;b&gt;"),
    ] {
        let (status, page) = wecom.page(&path).await;
        assert_eq!(status, 400, "{path}");
        assert!(page.contains(word) && !page.contains("scan-lisi"), "{path}: {page}");
    }
    wecom.order(json!({"redirect_domain": ""})).await;
    assert!(wecom.page(&browser(&[])).await.1.contains("no trusted domain"));
    wecom.order(json!({"redirect_domain": "MAIL.corp.example"})).await;
    let usual_port = browser(&[("redirect_uri", "https%3A%2F%2Fmail.corp.example%3A443%2F")]);
    assert_eq!(wecom.page(&usual_port).await.0, 200);
}
