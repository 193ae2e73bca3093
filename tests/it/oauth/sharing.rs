//! How often a source is asked: once for everybody, early, and not for everybody at the same moment.

use super::server::{Reply, TokenServer, error, token};
use super::{account, client_credentials, get, text, tokens};
use futures_util::future::join_all;
use mailbell::config::Oauth;
use mailbell::imap::{Bearer, TokenTrouble};
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn a_hundred_who_ask_at_once_are_one_request() {
    let server = TokenServer::start(|before, _| token(&format!("t{before}"), 3600)).await;
    let (tokens, _) = tokens();
    let source = client_credentials(&server.url);
    let names: Vec<_> = (0..100).map(|n| format!("user{n}")).collect();
    let got = join_all(names.iter().map(|name| text(&tokens, name, &source))).await;
    assert!(got.iter().all(|token| token == "t0"), "{got:?}");
    // The same section, read anew, is the same source.
    let same = Arc::new((*source).clone());
    assert_eq!(text(&tokens, "lisi", &same).await, "t0");
    assert_eq!(server.count(), 1);
    let other = Arc::new(Oauth { name: "other".to_owned(), ..(*source).clone() });
    assert_eq!(text(&tokens, "lisi", &other).await, "t1");
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    // The life; when it is not yet renewed, and when it surely is.
    for (life, not_yet, surely) in [(3600, 2999, 3301), (1200, 599, 901), (100, 49, 76)] {
        let server = TokenServer::start(move |before, _| token(&format!("t{before}"), life)).await;
        let (tokens, hand) = tokens();
        let source = client_credentials(&server.url);
        assert_eq!(text(&tokens, "zhangsan", &source).await, "t0");
        hand.move_on(not_yet);
        let got = get(&tokens, "zhangsan", &source).await.unwrap();
        assert_eq!(got.token.expose(), "t0");
        assert_eq!(got.lives_for, Some(Duration::from_secs(life - not_yet)));
        hand.move_on(surely - not_yet);
        let got = get(&tokens, "zhangsan", &source).await.unwrap();
        assert_eq!(got.token.expose(), "t1", "of {life} s");
        assert_eq!(got.lives_for, Some(Duration::from_secs(life)));
        assert_eq!(server.count(), 2);
    }
}

#[tokio::test]
async fn renewals_are_spread() {
    let server = TokenServer::start(|_, _| token("t", 3600)).await;
    let (tokens, hand) = tokens();
    let sources: Vec<_> = (0..60)
        .map(|n| Arc::new(Oauth { name: format!("s{n}"), ..(*client_credentials(&server.url)).clone() }))
        .collect();
    for source in &sources {
        text(&tokens, "zhangsan", source).await;
    }
    hand.move_on(3150);
    for source in &sources {
        text(&tokens, "zhangsan", source).await;
    }
    let renewed = server.count() - 60;
    assert!((1..60).contains(&renewed), "{renewed} of 60 in the middle of the time");
}

#[tokio::test]
async fn lives_in_every_form() {
    let cases = [
        ("\"3599\"", Some(3599)),
        ("3599.0", Some(3599)),
        ("0", Some(2)),
        ("null", None),
        ("-5", None),
        ("\"soon\"", None),
        ("18446744073709551615", Some(u64::MAX / 1000)),
    ];
    for (life, expected) in cases {
        let body = format!("{{\"access_token\": \"t\", \"expires_in\": {life}}}");
        let server = TokenServer::start(move |_, _| Reply::Json(200, body.clone())).await;
        let (tokens, _) = tokens();
        let got = get(&tokens, "zhangsan", &client_credentials(&server.url)).await.unwrap();
        match expected {
            Some(seconds) if seconds < 1_000_000 => {
                assert_eq!(got.lives_for, Some(Duration::from_secs(seconds)), "{life}");
            }
            Some(_) => assert!(got.lives_for.unwrap() > Duration::from_secs(1_000_000), "{life}"),
            None => assert_eq!(got.lives_for, None, "{life}"),
        }
        assert_eq!(text(&tokens, "zhangsan", &client_credentials(&server.url)).await, "t");
    }
}

#[tokio::test]
async fn a_renewal_that_fails_costs_nothing_while_the_old_one_lives() {
    let server = TokenServer::start(|before, _| match before {
        0 => token("old", 3600),
        1 | 2 => error(503, "temporarily_unavailable", ""),
        _ => token("new", 3600),
    })
    .await;
    let (tokens, hand) = tokens();
    let source = client_credentials(&server.url);
    text(&tokens, "zhangsan", &source).await;
    hand.move_on(3301);
    let all = join_all((0..50).map(|_| text(&tokens, "zhangsan", &source))).await;
    assert!(all.iter().all(|token| token == "old"));
    assert_eq!(server.count(), 2, "one try, and no hurry");
    for (seconds, count) in [(20, 2), (11, 3)] {
        hand.move_on(seconds);
        assert_eq!(text(&tokens, "zhangsan", &source).await, "old");
        assert_eq!(server.count(), count);
    }
    // Dead now, and the source is left alone for a moment more.
    hand.move_on(269);
    assert_eq!(text(&tokens, "zhangsan", &source).await, "new");
}

#[tokio::test]
async fn a_token_that_a_mail_server_refuses_is_replaced_once() {
    let server = TokenServer::start(|before, _| token(&format!("t{before}"), 3600)).await;
    let (tokens, hand) = tokens();
    let source = client_credentials(&server.url);
    let accounts: Vec<_> = (0..50).map(|n| account(&format!("user{n}"), &source)).collect();
    let first = tokens.token(&accounts[0]).await.unwrap();
    // Fresh from the source: it is the mailbox's fault, and the other mailboxes keep it.
    assert_eq!(tokens.instead_of(&accounts[0], &first).await, Ok(None));
    hand.move_on(301);
    let others = join_all(accounts.iter().map(|account| tokens.instead_of(account, &first))).await;
    assert!(others.iter().all(|t| t.as_ref().unwrap().as_ref().unwrap().token.expose() == "t1"));
    assert_eq!(server.count(), 2);
    let second = tokens.token(&accounts[1]).await.unwrap();
    assert_eq!(tokens.instead_of(&accounts[1], &second).await, Ok(None));
    assert_eq!(text(&tokens, "user2", &source).await, "t1");
    assert_eq!(server.count(), 2);
}

/// One mailbox's refusal must not take the token from the others when the source is down.
#[tokio::test]
async fn a_refused_token_stays_until_there_is_another() {
    let server =
        TokenServer::start(|before, _| if before == 0 { token("t0", 3600) } else { error(500, "server_error", "") })
            .await;
    let (tokens, hand) = tokens();
    let source = client_credentials(&server.url);
    let account = account("zhangsan", &source);
    let first = tokens.token(&account).await.unwrap();
    hand.move_on(301);
    let error = tokens.instead_of(&account, &first).await.unwrap_err();
    assert!(matches!(error, TokenTrouble::Down(_)), "{error}");
    assert_eq!(text(&tokens, "lisi", &source).await, "t0");
    assert_eq!(server.count(), 2);
}
