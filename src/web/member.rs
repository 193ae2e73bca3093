//! WeCom's sign-in for the console.

use super::sign_in::SignIn;
use crate::config::Wecom;
use crate::model::Lang;
use futures_util::future::BoxFuture;
use url::Url;

/// Members sign in at the WeCom of this config.
pub struct Members {
    wecom: Wecom,
}

impl Members {
    /// The app of this config.
    pub fn new(wecom: &Wecom) -> Self {
        Self { wecom: wecom.clone() }
    }
}

impl SignIn for Members {
    fn login_url(&self, back: &Url, state: &str, _inside: bool, lang: Lang) -> Url {
        let mut url = self.wecom.api_base.clone();
        url.set_path("/wwlogin/sso/login");
        url.query_pairs_mut()
            .append_pair("login_type", "CorpApp")
            .append_pair("appid", &self.wecom.corp_id)
            .append_pair("agentid", &self.wecom.agent_id.to_string())
            .append_pair("redirect_uri", back.as_str())
            .append_pair("state", state)
            .append_pair("lang", lang.pick("zh", "en"));
        url
    }

    fn who(&self, _code: &str) -> BoxFuture<'_, Result<Option<String>, String>> {
        Box::pin(async { Err("WeCom was not asked".to_owned()) })
    }
}
