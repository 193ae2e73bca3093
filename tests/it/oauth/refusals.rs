//! A source that refuses, is down, or talks nonsense: what is said, how often it is asked again, and that no secret is in it.

use super::jwt::{KEY, verified};
use super::server::{Reply, TokenServer, error, token};
use super::{SECRET, client_credentials, get, oauth, text, tokens};
use futures_util::future::join_all;
use mailbell::config::OauthFlow;
use mailbell::imap::TokenTrouble;
use mailbell::model::Secret;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use url::Url;

/// What the first account to ask is told by a source that answers so.
async fn told(reply: impl Fn() -> Reply + Send + Sync + 'static) -> TokenTrouble {
    let server = TokenServer::start(move |_, _| reply()).await;
    let (tokens, _) = tokens();
    get(&tokens, "zhangsan", &client_credentials(&server.url)).await.unwrap_err()
}

#[tokio::test]
async fn a_thousand_accounts_ask_once_about_a_wrong_secret() {
    let server = TokenServer::start(|_, _| error(401, "invalid_client", "AADSTS7000215: Invalid client secret.")).await;
    let (tokens, hand) = tokens();
    let source = client_credentials(&server.url);
    let names: Vec<_> = (0..1000).map(|n| format!("user{n}")).collect();
    let all = join_all(names.iter().map(|name| get(&tokens, name, &source))).await;
    for answer in all {
        let Err(TokenTrouble::Refused(text)) = answer else { panic!("{answer:?}") };
        for words in ["[oauth.corp]", "127.0.0.1", "invalid_client", "client_secret is wrong", "AADSTS7000215"] {
            assert!(text.contains(words), "{words} is missing in {text}");
        }
    }
    assert_eq!(server.count(), 1);
    // Rarer and rarer, and hourly at last.
    let mut asked_at = vec![0_u64];
    for second in 1..=4 * 3600_u64 {
        hand.move_on(1);
        if second % 10 == 0 {
            get(&tokens, "zhangsan", &source).await.unwrap_err();
            if server.count() > asked_at.len() {
                asked_at.push(second);
            }
        }
    }
    let gaps: Vec<_> = asked_at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!((30..=70).contains(&gaps[0]), "{gaps:?}");
    assert!((8..=14).contains(&gaps.len()), "{gaps:?}");
    assert!(gaps.iter().all(|gap| *gap <= 3610), "{gaps:?}");
}

#[tokio::test]
async fn a_source_that_mends_is_used_at_once_when_it_is_asked() {
    let mended = Arc::new(AtomicBool::new(false));
    let is_mended = mended.clone();
    let server = TokenServer::start(move |_, _| {
        if is_mended.load(Ordering::SeqCst) { token("t", 3600) } else { error(401, "invalid_client", "") }
    })
    .await;
    let (tokens, hand) = tokens();
    let source = client_credentials(&server.url);
    get(&tokens, "zhangsan", &source).await.unwrap_err();
    mended.store(true, Ordering::SeqCst);
    get(&tokens, "zhangsan", &source).await.unwrap_err();
    hand.move_on(61);
    assert_eq!(text(&tokens, "lisi", &source).await, "t");
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn refusal_and_outage_are_told_apart() {
    let refused: [(u16, &str, &str); 6] = [
        (400, "invalid_scope", "scope is wrong"),
        (400, "unauthorized_client", "administrator"),
        (400, "invalid_grant", "invalid_grant"),
        (400, "unsupported_grant_type", "unsupported_grant_type"),
        (401, "invalid_client", "expired"),
        // Some say it with 200.
        (200, "invalid_client", "expired"),
    ];
    for (status, name, words) in refused {
        let trouble = told(move || error(status, name, "because\r\nof")).await;
        assert!(matches!(&trouble, TokenTrouble::Refused(text) if text.contains(words)), "{trouble:?}");
        assert!(!trouble.to_string().contains(['\r', '\n']), "{trouble}");
    }
    for (status, name) in [(503, "temporarily_unavailable"), (400, "slow_down"), (500, "x"), (429, "invalid_request")] {
        let trouble = told(move || error(status, name, "")).await;
        assert!(matches!(trouble, TokenTrouble::Down(_)), "{trouble:?}");
    }
}

#[tokio::test]
async fn nonsense_is_no_token() {
    let page = "<html>login</html>".to_owned();
    let json = |text: &'static str| move || Reply::Json(200, text.to_owned());
    let cases = [
        told({
            let page = page.clone();
            move || Reply::Json(200, page.clone())
        })
        .await,
        told(json("{}")).await,
        told(json("[\"access_token\"]")).await,
        told(json("{\"access_token\": 5}")).await,
        told(json("{\"access_token\": \"\"}")).await,
        told(json("{\"access_token\": \"a\\u0001auth=b\"}")).await,
        told(json("{\"access_token\": \"a b\"}")).await,
        told(json("{\"access_token\": \"密\"}")).await,
        told(|| Reply::Cut).await,
        told(|| Reply::Endless).await,
        told({
            let page = page.clone();
            move || Reply::Json(502, page.clone())
        })
        .await,
    ];
    for trouble in cases {
        assert!(matches!(trouble, TokenTrouble::Down(_)), "{trouble:?}");
    }
    let lost = told(move || Reply::Json(404, page.clone())).await;
    assert!(matches!(&lost, TokenTrouble::Refused(text) if text.contains("token_url")), "{lost:?}");
    let mac = told(json("{\"access_token\": \"t\", \"token_type\": \"mac\"}")).await;
    assert!(matches!(&mac, TokenTrouble::Refused(text) if text.contains("mac")), "{mac:?}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = TokenServer::start(|_, _| token("t", 3600)).await;
    let header: &'static str = Box::leak(format!("location: {}", elsewhere.url).into_boxed_str());
    for status in [301, 302, 307, 308] {
        let trouble = told(move || Reply::With(status, header, String::new())).await;
        assert!(matches!(&trouble, TokenTrouble::Refused(text) if text.contains("token_url")), "{trouble:?}");
    }
    assert_eq!(elsewhere.count(), 0, "the secret goes nowhere else");
}

#[tokio::test]
async fn a_source_that_asks_for_patience_gets_it() {
    let server = TokenServer::start(|_, _| Reply::With(429, "retry-after: 120", "{}".to_owned())).await;
    let (tokens, hand) = tokens();
    let source = client_credentials(&server.url);
    for (seconds, count) in [(0, 1), (119, 1), (2, 2)] {
        hand.move_on(seconds);
        get(&tokens, "zhangsan", &source).await.unwrap_err();
        assert_eq!(server.count(), count);
    }
}

#[tokio::test]
async fn nobody_there_is_told() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/token?x=1", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let (tokens, _) = tokens();
    let trouble = get(&tokens, "zhangsan", &client_credentials(&url)).await.unwrap_err();
    assert!(matches!(&trouble, TokenTrouble::Down(text) if text.contains("refused")), "{trouble:?}");
    assert!(!trouble.to_string().contains("x=1"), "{trouble}");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_is_given_up_for_all() {
    let server = TokenServer::start(|_, _| Reply::Hang).await;
    let (tokens, _) = tokens();
    let source = client_credentials(&server.url);
    let began = tokio::time::Instant::now();
    let all = join_all((0..100).map(|_| get(&tokens, "zhangsan", &source))).await;
    assert!(
        all.iter().all(|got| matches!(got, Err(TokenTrouble::Down(text)) if text.contains("within 20s"))),
        "{all:?}"
    );
    assert!(began.elapsed().as_secs() <= 21, "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_is_wrong_with_one_account_is_not_wrong_with_all() {
    let server = TokenServer::start(|_, asked| {
        let (_, claims) = verified(asked.get("assertion"));
        match claims["sub"].as_str().unwrap() {
            "gone@corp.example" => error(400, "invalid_grant", "Invalid email or User ID"),
            "foreign@corp.example" => error(401, "unauthorized_client", "Client is unauthorized"),
            _ => token("t", 3600),
        }
    })
    .await;
    let (tokens, _) = tokens();
    let (issuer, private_key) = ("bell@corp.iam.example".to_owned(), Secret::new(KEY));
    let source = oauth(&server.url, OauthFlow::ServiceAccount { issuer, key_id: None, private_key });
    for _ in 0..3 {
        let trouble = get(&tokens, "gone", &source).await.unwrap_err();
        assert!(trouble.to_string().contains("this machine's clock"), "{trouble}");
        assert_eq!(text(&tokens, "zhangsan", &source).await, "t");
    }
    assert_eq!(server.count(), 2);
    get(&tokens, "foreign", &source).await.unwrap_err();
    let trouble = get(&tokens, "lisi", &source).await.unwrap_err();
    assert!(trouble.to_string().contains("unauthorized_client"), "nobody may, so nobody else asks: {trouble}");
    assert_eq!(text(&tokens, "zhangsan", &source).await, "t");
    assert_eq!(server.count(), 3);
}

#[tokio::test]
async fn no_secret_comes_back_in_an_error() {
    let server = TokenServer::start(|_, asked| {
        let all =
            format!("you said {} and {} and {}", asked.body, asked.get("client_secret"), asked.get("refresh_token"));
        error(400, "invalid_client", &all)
    })
    .await;
    let (tokens, _) = tokens();
    let flow = OauthFlow::RefreshToken {
        client_id: "app".to_owned(),
        client_secret: Some(Secret::new(SECRET)),
        refresh_token: Secret::new("re/fresh+token="),
    };
    let source = oauth(&server.url, flow);
    let trouble = get(&tokens, "zhangsan", &source).await.unwrap_err();
    let said = format!("{trouble} {trouble:?} {source:?}");
    for secret in [SECRET, "s3+cr%26t%3D", "re/fresh", "re%2Ffresh"] {
        assert!(!said.contains(secret), "{secret} in {said}");
    }
    assert!(said.contains("<secret>"), "{said}");
    // Cut, but never in the middle of one.
    let server = TokenServer::start(|_, asked| {
        let assertion = asked.get("assertion");
        error(400, "invalid_grant", &format!("{}{assertion}", "x".repeat(200)))
    })
    .await;
    let (issuer, private_key) = ("bell@corp.iam.example".to_owned(), Secret::new(KEY));
    let source = oauth(&server.url, OauthFlow::ServiceAccount { issuer, key_id: None, private_key });
    let trouble = get(&tokens, "zhangsan", &source).await.unwrap_err();
    assert!(!trouble.to_string().contains("eyJ"), "{trouble}");
}
