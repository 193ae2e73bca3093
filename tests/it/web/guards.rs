//! Every route of the console without, with wrong and with right credentials, and in each role; and that what changes
//! something was meant.

use super::bench::{Answer, Bench, Browser, TOKEN};
use mailbell::web::{Guard, ROUTES, Route, Verb};
use reqwest::{Method, StatusCode};
use serde_json::Value;

/// A path of this route.
fn path(route: &Route) -> String {
    route.path.replace("{address}", "zhangsan%40corp.example").replace("{number}", "7")
}

fn method(route: &Route) -> Method {
    match route.verb {
        Verb::Get => Method::GET,
        Verb::Post => Method::POST,
    }
}

/// What a browser that was led there sends, `csrf` being the token of its pages.
async fn ask(browser: &mut Browser<'_>, route: &Route, csrf: &str) -> Answer {
    let path = path(route);
    match (route.verb, route.is_api()) {
        (Verb::Get, _) => browser.get(&path).await,
        (Verb::Post, false) => browser.post(&path, &[("csrf", csrf), ("id", "7"), ("token", "wrong")]).await,
        (Verb::Post, true) => {
            browser.header("x-mailbell-csrf", csrf);
            let answer = browser.send(Method::POST, &path, "{\"ids\": [7]}".to_owned(), "application/json").await;
            browser.headers.remove("x-mailbell-csrf");
            answer
        }
    }
}

/// Whether the guard let it through, whatever came of it then.
fn is_through(answer: &Answer) -> bool {
    let away = answer.location().starts_with("/admin/sign-in?next=");
    !away && !matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

#[tokio::test]
async fn nobody_comes_in_without_credentials() {
    let bench = Bench::new().await;
    for route in ROUTES {
        let answer = ask(&mut bench.browser(), route, "wrong").await;
        let place = format!("{:?} {}: {} {}", route.verb, route.path, answer.status, answer.text);
        match (route.guard, route.is_api()) {
            (Guard::Open, _) => {}
            (_, false) => {
                assert_eq!(answer.status, StatusCode::SEE_OTHER, "{place}");
                assert!(answer.location().starts_with("/admin/sign-in?next=%2Fadmin"), "{place}");
                assert!(answer.text.is_empty(), "{place}");
            }
            (_, true) => {
                assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{place}");
                let said: Value = serde_json::from_str(&answer.text).unwrap();
                assert!(said["error"].as_str().unwrap().contains("Bearer"), "{place}");
                assert_eq!(said.as_object().unwrap().len(), 1, "{place}");
            }
        }
    }
}

#[tokio::test]
async fn nobody_comes_in_with_wrong_credentials() {
    let bench = Bench::new().await;
    let wrong = [
        ("authorization", "Bearer wrong".to_owned()),
        ("authorization", "Bearer ".to_owned()),
        ("authorization", format!("Basic {TOKEN}")),
        ("authorization", format!("Bearer {TOKEN}x")),
        ("cookie", "__Host-mailbell=wrong".to_owned()),
        ("cookie", format!("__Host-mailbell={TOKEN}")),
        ("cookie", "__Host-mailbell=".to_owned()),
    ];
    for route in ROUTES.iter().filter(|route| route.guard != Guard::Open) {
        for (header, value) in &wrong {
            let mut browser = bench.browser();
            browser.header(header, value);
            let answer = ask(&mut browser, route, "wrong").await;
            // So many wrong tries hold up everybody; that is not through either.
            let held = answer.status == StatusCode::TOO_MANY_REQUESTS;
            assert!(!is_through(&answer) || held, "{} {value}: {} {}", route.path, answer.status, answer.text);
            assert!(!answer.text.contains("zhangsan"), "{} {value}", route.path);
        }
    }
}

#[tokio::test]
async fn each_role_comes_as_far_as_it_may() {
    let bench = Bench::new().await;
    for (user, may) in [
        ("wangwu", vec![Guard::Open, Guard::Reader, Guard::Auditor, Guard::Administrator]),
        ("zhaoliu", vec![Guard::Open, Guard::Reader, Guard::Auditor]),
        ("lisi", vec![Guard::Open, Guard::Reader]),
    ] {
        for route in ROUTES.iter().filter(|route| route.guard != Guard::Open) {
            let mut browser = bench.signed_in(user).await;
            let csrf = browser.csrf().await;
            let answer = ask(&mut browser, route, &csrf).await;
            let place = format!("{user} {:?} {}: {} {}", route.verb, route.path, answer.status, answer.text);
            assert_eq!(is_through(&answer), may.contains(&route.guard), "{place}");
            assert!(!answer.status.is_server_error(), "{place}");
        }
    }
}

#[tokio::test]
async fn the_token_opens_the_api_and_the_console() {
    let bench = Bench::new().await;
    for route in ROUTES.iter().filter(|route| route.is_api()) {
        let mut browser = bench.browser();
        browser.header("authorization", &format!("Bearer {TOKEN}"));
        let answer = ask(&mut browser, route, "").await;
        assert!(is_through(&answer), "{}: {} {}", route.path, answer.status, answer.text);
        serde_json::from_str::<Value>(&answer.text).unwrap();
    }
    // Pages do not take it along: they are for browsers.
    let mut browser = bench.browser();
    browser.header("authorization", &format!("Bearer {TOKEN}"));
    assert!(!is_through(&browser.get("/admin").await));
    let mut browser = bench.browser();
    let answer = browser.sign_in_by_token(TOKEN).await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/admin"));
    assert!(browser.get("/admin").await.text.contains("初始令牌"));
}

#[tokio::test]
async fn what_changes_something_wants_the_token_of_a_page() {
    let bench = Bench::new().await;
    let mut other = bench.signed_in("wangwu").await;
    let foreign = other.csrf().await;
    for route in ROUTES.iter().filter(|route| route.verb == Verb::Post) {
        let mut browser = bench.signed_in("wangwu").await;
        for wrong in ["", "wrong", &foreign] {
            let answer = ask(&mut browser, route, wrong).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{} {wrong}: {}", route.path, answer.text);
        }
        assert!(is_through(&browser.get("/admin").await), "it is still signed in");
    }
    // Nobody signed in: the sign-in itself.
    let mut browser = bench.browser();
    browser.get("/admin/sign-in").await;
    let answer = browser.post("/admin/sign-in", &[("token", TOKEN)]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let answer = bench.browser().post("/admin/sign-in", &[("token", TOKEN), ("csrf", &foreign)]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "without the browser's cookie");
}

#[tokio::test]
async fn what_changes_something_comes_from_a_page_of_the_console() {
    let bench = Bench::new().await;
    let mut browser = bench.signed_in("wangwu").await;
    let csrf = browser.csrf().await;
    let route = ROUTES.iter().find(|route| route.path == "/admin/alerts/retry").unwrap();
    for (header, value, fits) in [
        ("origin", "https://mail.corp.example", true),
        ("origin", "http://mail.corp.example", false),
        ("origin", "https://mail.corp.example:8443", false),
        ("origin", "https://evil.example", false),
        ("origin", "null", false),
        ("sec-fetch-site", "same-origin", true),
        ("sec-fetch-site", "same-site", false),
        ("sec-fetch-site", "cross-site", false),
    ] {
        browser.header(header, value);
        let answer = ask(&mut browser, route, &csrf).await;
        browser.headers.remove(header);
        assert_eq!(is_through(&answer), fits, "{header}: {value}: {}", answer.status);
    }
    // By GET nothing is changed.
    let has_page = |path: &str| ROUTES.iter().any(|route| route.verb == Verb::Get && route.path == path);
    for route in ROUTES.iter().filter(|route| route.verb == Verb::Post && !has_page(route.path)) {
        let answer = browser.get(&path(route)).await;
        let not_that = answer.status == StatusCode::METHOD_NOT_ALLOWED || answer.status == StatusCode::NOT_FOUND;
        assert!(not_that, "{}: {}", route.path, answer.status);
    }
}

#[tokio::test]
async fn other_methods_are_refused_and_head_is_get_without_a_body() {
    let bench = Bench::new().await;
    let mut browser = bench.signed_in("wangwu").await;
    for route in ROUTES.iter().filter(|route| route.verb == Verb::Get && !route.path.contains("wecom")) {
        let get = browser.get(&path(route)).await.status;
        let head = browser.send(Method::HEAD, &path(route), String::new(), "").await;
        assert_eq!((head.status, head.text.as_str()), (get, ""), "{}", route.path);
    }
    for name in [Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS, Method::TRACE] {
        for route in ROUTES {
            let answer = browser.send(name.clone(), &path(route), String::new(), "").await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{name} {}", route.path);
            let allowed = answer.header("allow");
            assert!(allowed.contains(method(route).as_str()), "{name} {}: {allowed}", route.path);
        }
    }
}

#[tokio::test]
async fn where_nobody_may_sign_in_there_is_no_console() {
    let bench = Bench::with("public_url = \"https://mail.corp.example\"").await;
    for route in ROUTES {
        let mut browser = bench.browser();
        browser.header("authorization", &format!("Bearer {TOKEN}"));
        let answer = ask(&mut browser, route, "").await;
        assert_eq!((answer.status, answer.text.as_str()), (StatusCode::NOT_FOUND, ""), "{}", route.path);
    }
    assert_eq!(bench.browser().get("/healthz").await.text, "ok\n");
    assert_eq!(bench.browser().get("/elsewhere").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_description_names_every_route_of_the_api() {
    let bench = Bench::new().await;
    let mut browser = bench.signed_in("lisi").await;
    let told: Value = serde_json::from_str(&browser.get("/admin/api/openapi.json").await.text).unwrap();
    assert_eq!(told["openapi"], "3.1.0");
    let paths = told["paths"].as_object().unwrap();
    for route in ROUTES.iter().filter(|route| route.is_api()) {
        let verb = method(route).as_str().to_lowercase();
        assert!(paths[route.path][&verb]["summary"].is_string(), "{}", route.path);
    }
    let told: usize = paths.values().map(|path| path.as_object().unwrap().len()).sum();
    assert_eq!(told, ROUTES.iter().filter(|route| route.is_api()).count());
}
