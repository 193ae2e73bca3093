//! What each flow asks, to the letter of its RFC.

use super::jwt::{KEY, KEY_PKCS1, verified};
use super::server::{Reply, TokenServer, token};
use super::{SECRET, client_credentials, get, oauth, text, tokens};
use mailbell::config::{Oauth, OauthFlow};
use mailbell::imap::TokenTrouble;
use mailbell::model::Secret;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

fn refresh(url: &Url, client_secret: Option<&str>) -> Arc<Oauth> {
    let client_secret = client_secret.map(Secret::new);
    let refresh_token = Secret::new("0.AXoA/first+one");
    oauth(url, OauthFlow::RefreshToken { client_id: "app".to_owned(), client_secret, refresh_token })
}

fn service(url: &Url, key_id: Option<&str>, key: &str) -> Arc<Oauth> {
    let (issuer, key_id) = ("bell@corp.iam.example".to_owned(), key_id.map(str::to_owned));
    oauth(url, OauthFlow::ServiceAccount { issuer, key_id, private_key: Secret::new(key) })
}

/// RFC 6749 4.4.2.
#[tokio::test]
async fn client_credentials_to_the_letter() {
    let server = TokenServer::start(|_, _| token("T0ken", 3600)).await;
    let (tokens, _) = tokens();
    let got = get(&tokens, "zhangsan", &client_credentials(&server.url)).await.unwrap();
    assert_eq!(got.token.expose(), "T0ken");
    assert_eq!(got.lives_for, Some(Duration::from_secs(3600)));
    let asked = server.last();
    assert_eq!(asked.keys(), ["client_id", "client_secret", "grant_type", "scope"]);
    assert_eq!(asked.get("grant_type"), "client_credentials");
    assert_eq!(asked.get("client_id"), "app id");
    assert_eq!(asked.get("client_secret"), SECRET);
    assert_eq!(asked.get("scope"), "https://outlook.office365.com/.default");
}

#[tokio::test]
async fn a_scope_that_is_not_set_is_left_out() {
    let server = TokenServer::start(|_, _| token("t", 3600)).await;
    let (tokens, _) = tokens();
    let oauth = Arc::new(Oauth { scope: None, ..(*client_credentials(&server.url)).clone() });
    text(&tokens, "zhangsan", &oauth).await;
    assert_eq!(server.last().keys(), ["client_id", "client_secret", "grant_type"]);
}

/// RFC 6749 6. A newer refresh token takes the place of the one that was used.
#[tokio::test]
async fn refresh_tokens_to_the_letter_and_rotated() {
    let server = TokenServer::start(|before, asked| {
        let used = if before == 0 { "0.AXoA/first+one" } else { "second" };
        if asked.get("refresh_token") != used {
            return super::server::error(400, "invalid_grant", "used twice");
        }
        let body = serde_json::json!({
            "access_token": format!("t{before}"), "token_type": "bearer", "expires_in": 100, "refresh_token": "second",
        });
        Reply::Json(200, body.to_string())
    })
    .await;
    let (tokens, hand) = tokens();
    let source = refresh(&server.url, Some(SECRET));
    assert_eq!(text(&tokens, "zhangsan", &source).await, "t0");
    let asked = server.last();
    assert_eq!(asked.keys(), ["client_id", "client_secret", "grant_type", "refresh_token", "scope"]);
    assert_eq!(asked.get("grant_type"), "refresh_token");
    for expected in ["t1", "t2"] {
        hand.move_on(100);
        assert_eq!(text(&tokens, "lisi", &source).await, expected);
    }
    // A section that has changed begins with what it says.
    let changed = refresh(&server.url, None);
    let error = get(&tokens, "zhangsan", &changed).await.unwrap_err();
    assert!(matches!(&error, TokenTrouble::Refused(text) if text.contains("was revoked")), "{error}");
    let asked = server.last();
    assert_eq!(asked.keys(), ["client_id", "grant_type", "refresh_token", "scope"]);
    assert_eq!(asked.get("refresh_token"), "0.AXoA/first+one");
}

/// RFC 7523 2.1 and 3; the scope as a claim, as Google wants it.
#[tokio::test]
async fn service_accounts_to_the_letter() {
    for (key, key_id) in [(KEY, Some("7f3a")), (KEY_PKCS1, None)] {
        let server = TokenServer::start(|_, _| token("t", 3600)).await;
        let (tokens, hand) = tokens();
        text(&tokens, "zhangsan", &service(&server.url, key_id, key)).await;
        let asked = server.last();
        assert_eq!(asked.keys(), ["assertion", "grant_type"]);
        assert_eq!(asked.get("grant_type"), "urn:ietf:params:oauth:grant-type:jwt-bearer");
        let (header, claims) = verified(asked.get("assertion"));
        assert_eq!(header["alg"], "RS256");
        assert_eq!(header["typ"], "JWT");
        assert_eq!(header.get("kid").and_then(|kid| kid.as_str()), key_id);
        assert_eq!(claims["iss"], "bell@corp.iam.example");
        assert_eq!(claims["sub"], "zhangsan@corp.example");
        assert_eq!(claims["scope"], "https://outlook.office365.com/.default");
        assert_eq!(claims["aud"], server.url.as_str());
        let (iat, exp) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
        let now = mailbell::clock::Clock::wall(&hand).0 / 1000;
        assert!((now - 60..=now).contains(&iat), "{iat} at {now}");
        assert!(exp > now && exp - iat <= 3600, "Google takes an hour at most: {iat} to {exp}");
        assert_eq!(claims.as_object().unwrap().len(), 6);
    }
}

#[tokio::test]
async fn each_account_of_a_service_account_has_its_own_token() {
    let server = TokenServer::start(|_, asked| {
        let (_, claims) = verified(asked.get("assertion"));
        token(&format!("for-{}", claims["sub"].as_str().unwrap()), 3600)
    })
    .await;
    let (tokens, _) = tokens();
    let source = service(&server.url, None, KEY);
    for user in ["zhangsan", "lisi", "zhangsan", "lisi"] {
        assert_eq!(text(&tokens, user, &source).await, format!("for-{user}@corp.example"));
    }
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn a_key_that_is_none_is_told_and_nothing_is_asked() {
    let server = TokenServer::start(|_, _| token("t", 3600)).await;
    // An elliptic curve key: RS256 needs RSA.
    let curve = "-----BEGIN PRIVATE KEY-----\n\
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgpfwoQdBGGE5QUFQu\n\
        bbUooW7gLdKId4vBuGS+iBeOz6yhRANCAASTLzlOXm0R6OUqllXTcL4x8WHxU8Dk\n\
        h5AcIEl3VI5XhCcwEqf4LSfp4+xlfi/CjFeIzVEfJHAWlwSFXKs2BhQP\n\
        -----END PRIVATE KEY-----\n";
    for (key, words) in [(curve, "RSA"), ("", "PEM"), ("{\"private_key\": 1}", "PEM"), (&KEY[..800], "PEM")] {
        let (tokens, _) = tokens();
        let error = get(&tokens, "zhangsan", &service(&server.url, None, key)).await.unwrap_err();
        assert!(matches!(&error, TokenTrouble::Refused(text) if text.contains(words)), "{error}");
        assert!(error.to_string().contains("[oauth.corp]") && error.to_string().contains("key_file"), "{error}");
    }
    assert_eq!(server.count(), 0);
}
