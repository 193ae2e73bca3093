//! XOAUTH2 and OAUTHBEARER against Dovecot's oauth2 passdb, which judges JWTs by itself.

use super::{USER, account, connect_with, dovecot, is_2_4, is_in, login_error, open_dir, soon, write};
use crate::oauth::jwt::{KEY, PUBLIC, signed, verified};
use crate::oauth::server::{TokenServer, token};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use mailbell::clock::SystemClock;
use mailbell::config::{Account, Auth, Credential, Oauth, OauthFlow};
use mailbell::demo::dovecot::{Dovecot, Options};
use mailbell::imap::{AccessToken, Bearer, LoginTrouble, TokenTrouble};
use mailbell::model::{RawName, Secret, Timestamp};
use mailbell::oauth::Tokens;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use url::Url;

/// Lines for a Dovecot that takes JWTs signed by the tests' key, whose `email` is the user; its files lie in `dir`.
pub fn judge(dir: &Path) -> String {
    write(dir, "keys/default/RS256/default", PUBLIC);
    let keys = dir.join("keys");
    if is_2_4() {
        return format!(
            "auth_mechanisms = plain login xoauth2 oauthbearer\n\
             oauth2 {{\n  introspection_mode = local\n  username_attribute = email\n  scope = mail\n}}\n\
             oauth2_local_validation {{\n  dict fs {{\n    fs posix {{\n      prefix = {}/\n    }}\n  }}\n}}\n\
             passdb oauth2 {{\n  mechanisms_filter = xoauth2 oauthbearer\n}}\n",
            keys.display()
        );
    }
    let conf = format!(
        "introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix={}/\nusername_attribute = email\nscope = mail\n",
        keys.display()
    );
    let conf = write(dir, "oauth2.conf", &conf);
    format!(
        "auth_mechanisms = plain login xoauth2 oauthbearer\npassdb {{\n  driver = oauth2\n  mechanisms = xoauth2 oauthbearer\n  args = {}\n}}\n",
        conf.display()
    )
}

async fn judging() -> (TempDir, TempDir, Dovecot) {
    let dir = open_dir();
    let (home, dovecot) = dovecot(Options { extra: judge(dir.path()), ..Options::default() }).await;
    (dir, home, dovecot)
}

fn oauth() -> Credential {
    let flow = OauthFlow::ClientCredentials { client_id: "app".to_owned(), client_secret: Secret::new("s") };
    let token_url = Url::parse("https://login.example/token").unwrap();
    Credential::Oauth(Arc::new(Oauth { name: "corp".to_owned(), token_url, scope: None, flow }))
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// A token for this user that ends in so many seconds.
pub fn jwt(email: &str, lives: i64) -> String {
    let now = now();
    signed(&serde_json::json!({
        "sub": email, "email": email, "scope": "mail", "iat": now - 100, "nbf": now - 100, "exp": now + lives,
    }))
}

/// Gives these tokens, one after the other.
struct Given(Mutex<Vec<String>>);

impl Given {
    fn of(tokens: impl IntoIterator<Item = String>) -> Arc<dyn Bearer> {
        let mut tokens: Vec<_> = tokens.into_iter().collect();
        tokens.reverse();
        Arc::new(Self(Mutex::new(tokens)))
    }

    fn next(&self) -> Option<AccessToken> {
        let mut tokens = self.0.lock().unwrap();
        let generation = tokens.len() as u64;
        let token = Secret::new(tokens.pop()?);
        Some(AccessToken { token, lives_for: Some(Duration::from_secs(60)), generation })
    }
}

impl Bearer for Given {
    fn token<'a>(&'a self, _: &'a Account) -> BoxFuture<'a, Result<AccessToken, TokenTrouble>> {
        std::future::ready(Ok(self.next().expect("a token"))).boxed()
    }

    fn instead_of<'a>(
        &'a self,
        _: &'a Account,
        _: &'a AccessToken,
    ) -> BoxFuture<'a, Result<Option<AccessToken>, TokenTrouble>> {
        std::future::ready(Ok(self.next())).boxed()
    }
}

#[tokio::test]
async fn both_mechanisms_are_taken() {
    let (_dir, _home, dovecot) = judging().await;
    for auth in [Auth::Xoauth2, Auth::Oauthbearer] {
        is_in(connect_with(&Given::of([jwt(USER, 600)]), &account(&dovecot, auth, oauth())).await).await;
    }
    soon(|| dovecot.logins(USER) == 2).await;
}

#[tokio::test]
async fn tokens_that_are_wrong_are_refused_and_told() {
    let (_dir, _home, dovecot) = judging().await;
    let mut forged = jwt(USER, 600);
    forged.replace_range(forged.len() - 8..forged.len() - 4, "AAAA");
    for auth in [Auth::Xoauth2, Auth::Oauthbearer] {
        let account = account(&dovecot, auth, oauth());
        for token in [jwt(USER, -10), jwt("lisi@corp.example", 600), forged.clone(), "opaque".to_owned()] {
            let (trouble, text) = login_error(connect_with(&Given::of([token.clone()]), &account).await);
            assert_eq!(trouble, LoginTrouble::TokenRefused, "{text}");
            // By a challenge before 2.4, at once since.
            assert!(is_2_4() || text.contains("status"), "{text}");
            assert!(!text.contains(&token[..6]), "{text}");
        }
        // One that has run out is replaced, and nobody notices.
        is_in(connect_with(&Given::of([jwt(USER, -10), jwt(USER, 600)]), &account).await).await;
    }
}

/// Dovecot lets a session live on when its token ends (Exchange and Gmail do not); what counts is that we know, and
/// that the next login needs a new token and gets it.
#[tokio::test]
async fn a_token_may_end_during_the_session() {
    let (_dir, _home, dovecot) = judging().await;
    let account = account(&dovecot, Auth::Xoauth2, oauth());
    let short = jwt(USER, 2);
    let ends_at = now() + 2;
    let bearer = Given::of([short.clone(), short, jwt(USER, 600)]);
    let mut session = connect_with(&bearer, &account).await.unwrap();
    assert!(session.expires_in().unwrap() <= Duration::from_secs(60));
    while now() <= ends_at {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    session.examine(&RawName::new(b"INBOX")).await.unwrap();
    is_in(connect_with(&bearer, &account).await).await;
    session.logout().await;
}

/// Google's way from end to end: an assertion for the user, a token for it, a login with that.
#[tokio::test]
async fn a_service_account_logs_in_by_its_own_token() {
    let (_dir, _home, dovecot) = judging().await;
    let server = TokenServer::start(|_, asked| {
        let (_, claims) = verified(asked.get("assertion"));
        token(&jwt(claims["sub"].as_str().unwrap(), 3600), 3600)
    })
    .await;
    let flow = OauthFlow::ServiceAccount {
        issuer: "bell@corp.iam.example".to_owned(),
        key_id: None,
        private_key: Secret::new(KEY),
    };
    let source = Oauth { name: "corp".to_owned(), token_url: server.url.clone(), scope: Some("mail".to_owned()), flow };
    let account = account(&dovecot, Auth::Oauthbearer, Credential::Oauth(Arc::new(source)));
    let bearer: Arc<dyn Bearer> = Arc::new(Tokens::new(Arc::new(SystemClock::new(None, Timestamp(0)))));
    for _ in 0..3 {
        let session = connect_with(&bearer, &account).await;
        let left = session.as_ref().unwrap().expires_in().unwrap();
        assert!(left > Duration::from_secs(3500) && left <= Duration::from_secs(3600), "{left:?}");
        is_in(session).await;
    }
    assert_eq!(server.count(), 1);
}
