//! What browsers are told: headers, cookies, languages, and that nothing of others' becomes part of a page.

use super::bench::{Bench, HOST, TOKEN};
use crate::support::account;
use mailbell::demo::ca::{self, CertKind};
use mailbell::health::AccountState;
use mailbell::web::{ROUTES, Verb};
use reqwest::{Method, StatusCode};

#[tokio::test]
async fn every_answer_says_how_it_may_be_used() {
    let bench = Bench::new().await;
    let mut browser = bench.signed_in("wangwu").await;
    let mut paths: Vec<_> = ROUTES.iter().map(|route| (route.verb, route.path.to_owned())).collect();
    paths.extend([(Verb::Get, "/admin/nowhere".to_owned()), (Verb::Get, "/elsewhere".to_owned())]);
    for (verb, path) in paths {
        let path = path.replace("{address}", "zhangsan@corp.example").replace("{number}", "1");
        let answer = match verb {
            Verb::Get => browser.get(&path).await,
            Verb::Post => browser.post(&path, &[]).await,
        };
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{path}: {policy}");
        for directive in ["frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"] {
            assert!(policy.contains(directive), "{path}: {policy}");
        }
        assert!(!policy.contains("script-src"), "there is no script at all");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(answer.header("strict-transport-security"), "max-age=31536000", "{path}");
        let kept = answer.header("cache-control");
        assert_eq!(
            kept,
            if path.ends_with("/style.css") || path.ends_with(".svg") { "public, max-age=600" } else { "no-store" },
            "{path}"
        );
        if path.ends_with(".svg") || path.contains("export") {
            continue;
        }
        for part in ["<script", "<style", " style=", " onclick=", "javascript:", "http://", "https://"] {
            assert!(!answer.text.contains(part), "{path} holds {part}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn cookies_are_for_this_host_and_no_script() {
    let bench = Bench::new().await;
    let mut browser = bench.browser();
    let first = browser.get("/admin/sign-in?lang=en").await.cookies();
    let second = browser.sign_in_by_token(TOKEN).await.cookies();
    let all = [first, second].concat();
    assert_eq!(all.len(), 4, "{all:?}");
    for cookie in &all {
        assert!(cookie.starts_with("__Host-mailbell"), "{cookie}");
        for part in ["; Path=/", "; HttpOnly", "; SameSite=Lax", "; Secure"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert!(!cookie.contains("Domain"), "{cookie}");
    }
    let session = all.iter().find(|cookie| cookie.starts_with("__Host-mailbell=")).unwrap();
    let value = session.split(['=', ';']).nth(1).unwrap();
    assert_eq!(value.len(), 43, "256 bits in base64");
    assert!(!session.contains("Max-Age"), "it ends with the browser");
}

#[tokio::test]
async fn without_tls_cookies_have_no_names_that_browsers_refuse() {
    let bench = Bench::with(&format!("admin_token = \"{TOKEN}\"")).await;
    let mut browser = bench.browser();
    let answer = browser.get("/admin/sign-in").await;
    assert!(answer.cookies().iter().all(|cookie| cookie.starts_with("mailbell") && !cookie.contains("Secure")));
    assert_eq!(answer.header("strict-transport-security"), "");
    assert_eq!(browser.sign_in_by_token(TOKEN).await.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.get("/admin").await.status, StatusCode::OK);
    // Its own name is what the browser typed.
    let csrf = browser.csrf().await;
    browser.header("origin", &format!("http://{HOST}"));
    let answer = browser.post("/admin/alerts/retry", &[("csrf", &csrf), ("all", "yes")]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    browser.header("origin", "http://evil.example");
    let answer = browser.post("/admin/alerts/retry", &[("csrf", &csrf), ("all", "yes")]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn only_the_public_host_is_answered() {
    let bench = Bench::new().await;
    for (host, fits) in [
        (HOST, true),
        ("MAIL.corp.example", true),
        ("mail.corp.example:443", true),
        ("mail.corp.example:8443", false),
        ("evil.example", false),
        ("127.0.0.1:8025", false),
    ] {
        let url = format!("http://{}/admin/sign-in", bench.address);
        let answer = bench.client.get(url).header("host", host).send().await.unwrap();
        let wanted = if fits { StatusCode::OK } else { StatusCode::MISDIRECTED_REQUEST };
        assert_eq!(answer.status(), wanted, "{host}");
        // A load balancer asks by address.
        let url = format!("http://{}/healthz", bench.address);
        assert_eq!(bench.client.get(url).header("host", host).send().await.unwrap().status(), 200, "{host}");
    }
}

#[tokio::test]
async fn people_read_their_language() {
    let bench = Bench::new().await;
    let mut browser = bench.browser();
    let is_chinese = |text: &str| text.contains("lang=\"zh-CN\"") && text.contains("登录管理后台");
    assert!(is_chinese(&browser.get("/admin/sign-in").await.text), "alerts.lang");
    browser.header("accept-language", "en-GB,en;q=0.9");
    assert!(!is_chinese(&browser.get("/admin/sign-in").await.text), "as the browser asks");
    assert!(is_chinese(&browser.get("/admin/sign-in?lang=zh-CN").await.text), "as was chosen");
    assert!(is_chinese(&browser.get("/admin/sign-in").await.text), "and remembered");
    browser.sign_in("wangwu").await;
    let text = browser.get("/admin/alerts?state=sent").await.text;
    assert!(text.contains("href=\"/admin/alerts?state=sent&#38;lang=en\""), "{text}");
    let text = browser.get("/admin?lang=en").await.text;
    assert!(text.contains("Overview") && text.contains("lang=\"en\""));
    assert!(!text.contains('邮'), "nothing is left in Chinese: {text}");
}

#[tokio::test]
async fn nothing_of_others_becomes_part_of_a_page() {
    let bench = Bench::new().await;
    let evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>";
    bench.health.note(&account().id, |health| {
        health.state = AccountState::LoginRefused;
        health.last_error = Some(format!("login: refused: {evil}"));
        health.server_alert = Some(evil.to_owned());
    });
    let mut browser = bench.signed_in("lisi").await;
    let evil: String = url::form_urlencoded::byte_serialize(evil.as_bytes()).collect();
    let paths = [
        "/admin".to_owned(),
        "/admin/accounts/zhangsan@corp.example".to_owned(),
        format!("/admin/alerts?state={evil}&done={evil}&count=1"),
        format!("/admin/{evil}"),
        format!("/admin/accounts/{evil}"),
    ];
    for path in &paths {
        let answer = browser.get(path).await;
        assert!(!answer.text.contains("<script") && !answer.text.contains("<img"), "{path}: {}", answer.text);
    }
    let text = browser.get(&paths[0]).await.text;
    assert!(text.contains("&#60;script&#62;"), "{text}");
    let text = bench.browser().get(&format!("/admin/sign-in?next={evil}")).await.text;
    assert!(!text.contains("<img"), "{text}");
}

#[tokio::test]
async fn too_much_is_refused() {
    let bench = Bench::new().await;
    let mut browser = bench.signed_in("wangwu").await;
    let csrf = browser.csrf().await;
    let long = "x".repeat(70_000);
    let answer = browser.post("/admin/alerts/retry", &[("csrf", &csrf), ("id", &long)]).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let answer = browser.get(&format!("/admin/alerts?state={}", "x".repeat(30_000))).await;
    assert!(answer.status == StatusCode::OK || answer.status.is_client_error(), "{}", answer.status);
    browser.header("authorization", &format!("Bearer {TOKEN}"));
    for body in
        ["", "{}", "[]", "{\"ids\": []}", "{\"ids\": [1], \"all\": true}", "{\"all\": true, \"more\": 1}", "\u{0}"]
    {
        let answer = browser.send(Method::POST, "/admin/api/alerts/retry", body.to_owned(), "application/json").await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
    }
}

#[tokio::test]
async fn with_a_certificate_of_its_own_it_speaks_tls() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (first, second) =
        (ca::write(dir.path(), CertKind::Good).unwrap(), ca::write(other.path(), CertKind::Good).unwrap());
    let web = |files: &ca::CertFiles| {
        let (cert, key) = (files.cert.display(), files.key.display());
        format!("admin_token = \"{TOKEN}\"\ncert = \"{cert}\"\nkey = \"{key}\"")
    };
    let trusting = |files: &ca::CertFiles| {
        let pem = std::fs::read(&files.ca).unwrap();
        reqwest::Client::builder().tls_certs_only([reqwest::Certificate::from_pem(&pem).unwrap()])
    };
    let bench = Bench::over("https", &web(&first), trusting(&first)).await;
    let mut browser = bench.browser();
    let answer = browser.sign_in_by_token(TOKEN).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert!(answer.cookies()[0].contains("; Secure"));
    // Who does not shake hands holds nobody up.
    let idle = tokio::net::TcpStream::connect(bench.address).await.unwrap();
    assert_eq!(browser.get("/admin").await.status, StatusCode::OK);
    drop(idle);
    // A renewed certificate is shown to who comes next, and one that is broken changes nothing.
    bench.console.follow(&bench.config(&web(&second)));
    let fresh = trusting(&second).no_proxy().build().unwrap();
    let url = format!("https://{}/healthz", bench.address);
    assert_eq!(fresh.get(&url).send().await.unwrap().status(), StatusCode::OK);
    std::fs::write(&second.cert, "broken").unwrap();
    bench.console.follow(&bench.config(&web(&second)));
    let fresh = trusting(&second).no_proxy().build().unwrap();
    assert_eq!(fresh.get(&url).send().await.unwrap().status(), StatusCode::OK);
}
