//! Access tokens from a token server in the tests: what is asked, how often, and what is said when there is none.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod flows;
pub mod jwt;
mod refusals;
pub mod server;
mod sharing;

use crate::support;
use mailbell::clock::Clock;
use mailbell::config::{Account, Auth, Credential, Oauth, OauthFlow};
use mailbell::imap::{AccessToken, Bearer, TokenTrouble};
use mailbell::model::{AccountId, Secret, Timestamp};
use mailbell::oauth::Tokens;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use url::Url;

/// With what a form writes otherwise.
const SECRET: &str = "s3 cr&t=+%é~Zx";

/// A clock that the tests move.
#[derive(Clone)]
struct Hand(Arc<AtomicI64>);

impl Hand {
    fn new() -> Self {
        Self(Arc::new(AtomicI64::new(1_770_000_000_123)))
    }

    fn move_on(&self, seconds: u64) {
        self.0.fetch_add(i64::try_from(seconds * 1000).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for Hand {
    /// Another time of day than the steady time: what is mixed up shows.
    fn wall(&self) -> Timestamp {
        self.steady().plus(Duration::from_secs(10_000_000))
    }

    fn steady(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

fn tokens() -> (Tokens, Hand) {
    let hand = Hand::new();
    (Tokens::new(Arc::new(hand.clone())), hand)
}

fn oauth(url: &Url, flow: OauthFlow) -> Arc<Oauth> {
    let scope = Some("https://outlook.office365.com/.default".to_owned());
    Arc::new(Oauth { name: "corp".to_owned(), token_url: url.clone(), scope, flow })
}

fn client_credentials(url: &Url) -> Arc<Oauth> {
    let flow = OauthFlow::ClientCredentials { client_id: "app id".to_owned(), client_secret: Secret::new(SECRET) };
    oauth(url, flow)
}

fn account(user: &str, oauth: &Arc<Oauth>) -> Account {
    Account {
        id: AccountId::new(&format!("{user}@corp.example")),
        auth: Auth::Xoauth2,
        credential: Credential::Oauth(oauth.clone()),
        ..support::account()
    }
}

async fn get(tokens: &Tokens, user: &str, oauth: &Arc<Oauth>) -> Result<AccessToken, TokenTrouble> {
    tokens.token(&account(user, oauth)).await
}

/// The token itself.
async fn text(tokens: &Tokens, user: &str, oauth: &Arc<Oauth>) -> String {
    get(tokens, user, oauth).await.unwrap().token.expose().to_owned()
}
