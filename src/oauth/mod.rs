//! Access tokens for accounts that log in with them: the only folder that knows OAuth 2.0 (RFC 6749, RFC 7523).
//!
//! Promises: one token for each source (for each account where a service account speaks for it), however many accounts
//! ask; one request at a time for it; renewed some minutes before it ends, not all at the same moment; a refusal is
//! remembered, so that a thousand accounts do not ask a source a thousand times what it has just refused; errors hold no
//! secret. Tokens live in memory alone. So does a refresh token that a source gives in place of the configured one: after
//! a restart the configured one is used again, which a source that rotates them may refuse.

mod http;
mod jwt;
mod request;
mod source;

use crate::clock::Clock;
use crate::config::{Account, Credential, Oauth};
use crate::imap::{AccessToken, Bearer, TokenTrouble};
use futures_util::future::BoxFuture;
use http::Http;
use source::Source;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// All token sources in use.
pub struct Tokens {
    clock: Arc<dyn Clock>,
    /// Made when the first token is asked for: most have no account that needs one.
    http: OnceLock<Result<Http, String>>,
    /// By the name of the section.
    sources: Mutex<HashMap<String, Arc<Source>>>,
}

impl Tokens {
    /// None is fetched before somebody asks.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, http: OnceLock::new(), sources: Mutex::new(HashMap::new()) }
    }

    /// The source of a section. A section that has changed since is a new source: nothing of the old one is kept.
    fn source(&self, oauth: &Arc<Oauth>) -> Arc<Source> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        match sources.get(&oauth.name) {
            Some(source) if source.is_of(oauth) => source.clone(),
            _ => {
                let source = Arc::new(Source::new(oauth.clone(), self.clock.clone()));
                sources.insert(oauth.name.clone(), source.clone());
                source
            }
        }
    }

    async fn get(&self, account: &Account, refused: Option<&AccessToken>) -> Result<Option<AccessToken>, TokenTrouble> {
        let Credential::Oauth(oauth) = &account.credential else {
            return Err(TokenTrouble::Refused("the account has no oauth".to_owned()));
        };
        let http = self.http.get_or_init(Http::new).as_ref();
        let http = http.map_err(|reason| TokenTrouble::Refused(format!("the HTTP client cannot be made: {reason}")))?;
        self.source(oauth).token(http, &account.id.0, refused).await
    }
}

impl Bearer for Tokens {
    fn token<'a>(&'a self, account: &'a Account) -> BoxFuture<'a, Result<AccessToken, TokenTrouble>> {
        Box::pin(async move {
            let token = self.get(account, None).await?;
            token.ok_or_else(|| TokenTrouble::Down("there is no token just now".to_owned()))
        })
    }

    fn instead_of<'a>(
        &'a self,
        account: &'a Account,
        refused: &'a AccessToken,
    ) -> BoxFuture<'a, Result<Option<AccessToken>, TokenTrouble>> {
        Box::pin(self.get(account, Some(refused)))
    }
}
