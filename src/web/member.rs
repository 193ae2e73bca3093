//! Members of WeCom who sign in to the console.

use super::sign_in::SignIn;
use crate::config::Wecom;
use crate::model::Lang;
use crate::wecom::{Directory, SignedIn, browser_login, inside_login};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use url::Url;

/// Members sign in at the WeCom of this config, who answers whose code it is.
pub struct Members {
    wecom: Wecom,
    directory: Arc<dyn Directory>,
}

impl Members {
    /// Members of the app's corp.
    pub fn new(wecom: &Wecom, directory: Arc<dyn Directory>) -> Self {
        Self { wecom: wecom.clone(), directory }
    }
}

impl SignIn for Members {
    fn login_url(&self, back: &Url, state: &str, inside: bool, lang: Lang) -> Url {
        if inside { inside_login(&self.wecom, back, state) } else { browser_login(&self.wecom, back, state, lang) }
    }

    fn who<'a>(&'a self, code: &'a str) -> BoxFuture<'a, Result<Option<String>, String>> {
        Box::pin(async move {
            match self.directory.who_signed_in(code).await {
                Ok(SignedIn::Member(user)) => Ok(Some(user.to_string())),
                Ok(SignedIn::Outsider) => Ok(None),
                Ok(SignedIn::SpentCode) => Err("the code is wrong, used or too old".to_owned()),
                Err(outcome) => Err(outcome.reason().to_owned()),
            }
        })
    }
}
