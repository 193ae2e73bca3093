//! `[oauth.NAME]`: where access tokens come from. Which keys are needed, and which mean nothing, is decided by `flow`.

use super::key_file::{self, KeyFile};
use super::net;
use super::reader::{Choice, Reader};
use super::reading::{quoted, say};
use super::secret;
use super::used::{Oauth, OauthFlow};
use super::words::nearest;
use std::collections::BTreeMap;
use std::sync::Arc;
use url::Url;

/// All sections, by their names; `None` for one in which something is wrong, which was told.
pub(super) struct Oauths(BTreeMap<String, Option<Arc<Oauth>>>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    ClientCredentials,
    ServiceAccount,
    RefreshToken,
}

impl Flow {
    fn word(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::ServiceAccount => "service_account",
            Self::RefreshToken => "refresh_token",
        }
    }

    /// The keys that must stand there. `token_url` is told by most key files.
    fn needs(self) -> &'static [&'static str] {
        match self {
            Self::ClientCredentials => &["token_url", "client_id", "client_secret"],
            Self::ServiceAccount => &["key_file"],
            Self::RefreshToken => &["token_url", "client_id", "refresh_token"],
        }
    }

    /// The keys that mean nothing there.
    fn has_no(self) -> &'static [&'static str] {
        match self {
            Self::ClientCredentials => &["key_file", "refresh_token"],
            Self::ServiceAccount => &["client_secret", "refresh_token"],
            Self::RefreshToken => &["key_file"],
        }
    }
}

impl Oauths {
    /// Reads the sections.
    pub fn read(sections: &[(&str, Reader<'_>)]) -> Self {
        Self(sections.iter().map(|(name, r)| ((*name).to_owned(), oauth(name, r).map(Arc::new))).collect())
    }

    /// What the account's `oauth` names; `None` if there is none, or if something is wrong, which is told.
    pub fn of_account(&self, r: &Reader<'_>) -> Option<Arc<Oauth>> {
        let name = r.text("oauth")?;
        if let Some(found) = self.0.get(name) {
            return found.clone();
        }
        let shown = quoted(name);
        let near = nearest(name, self.0.keys().map(String::as_str));
        let there: Vec<_> = self.0.keys().map(|name| quoted(name)).collect();
        let said = match near {
            Some(near) => say(
                format!("there is no section [oauth.{name}]; did you mean \"{near}\"?"),
                format!("没有 [oauth.{name}] 这一节；是否想写 \"{near}\"？"),
            ),
            None if there.is_empty() => say(
                format!(
                    "names {shown}, but there is no [oauth.NAME] section; write one, with flow = \"client_credentials\" and its keys"
                ),
                format!(
                    "指向 {shown}，但没有任何 [oauth.NAME]；请写一节，其中有 flow = \"client_credentials\" 及相应各项"
                ),
            ),
            None => say(
                format!("there is no OAuth section {shown}; write one of: {}", there.join(", ")),
                format!("没有名为 {shown} 的 OAuth 一节；请写以下之一：{}", there.join("、")),
            ),
        };
        r.wrong("oauth", said);
        None
    }
}

fn oauth(name: &str, r: &Reader<'_>) -> Option<Oauth> {
    let flows: [Choice<Flow>; 3] =
        [Flow::ClientCredentials, Flow::ServiceAccount, Flow::RefreshToken].map(|flow| (flow.word(), Some(flow)));
    if !r.has("flow") {
        r.missing("flow", Some(say("; or service_account, or refresh_token", "；或 service_account、refresh_token")));
    }
    let kind = r.choice("flow", &flows);
    if let Some(kind) = kind {
        fit(r, kind);
    }
    let token_url = net::token_url(r, "token_url");
    let client_id = r.text("client_id").map(str::to_owned);
    let client_secret = secret::read(r, "client_secret");
    let refresh_token = secret::read(r, "refresh_token");
    let scope = r.text("scope").map(str::to_owned);
    let kind = kind?;
    let (token_url, flow) = match kind {
        Flow::ClientCredentials => {
            (token_url, OauthFlow::ClientCredentials { client_id: client_id?, client_secret: client_secret? })
        }
        Flow::ServiceAccount => {
            let key = key_file::read(r)?;
            let (url, issuer) = (token_url_of(r, token_url, &key), issuer(r, client_id, &key));
            let KeyFile { key_id, private_key, .. } = key;
            (url, OauthFlow::ServiceAccount { issuer: issuer?, key_id, private_key })
        }
        Flow::RefreshToken => {
            if r.has("client_secret") && client_secret.is_none() {
                return None;
            }
            let (client_id, refresh_token) = (client_id?, refresh_token?);
            (token_url, OauthFlow::RefreshToken { client_id, client_secret, refresh_token })
        }
    };
    if scope.is_none() && r.has("scope") {
        return None;
    }
    let token_url = token_url?;
    if scope.is_none() {
        warn_of_scope(r, kind, &token_url);
    }
    Some(Oauth { name: name.to_owned(), token_url, scope, flow })
}

/// Tells which keys the flow misses, and which it has no use for.
fn fit(r: &Reader<'_>, flow: Flow) {
    let word = flow.word();
    for key in flow.needs().iter().filter(|key| !r.has(key)) {
        let hint = say(format!("; flow = \"{word}\" needs it"), format!("；flow = \"{word}\" 需要此项"));
        r.missing(key, Some(hint));
    }
    for key in flow.has_no().iter().filter(|key| r.has(key)) {
        let said = say(
            format!("means nothing to flow = \"{word}\"; remove it, or write another flow"),
            format!("flow = \"{word}\" 用不到此项；请删去，或改写 flow"),
        );
        r.wrong(key, said);
    }
}

/// Where a service account's tokens are asked for: `token_url`, else what the key file says.
fn token_url_of(r: &Reader<'_>, said: Option<Url>, key: &KeyFile) -> Option<Url> {
    if r.has("token_url") {
        return said;
    }
    let Some(text) = &key.token_uri else {
        let hint = say("; the key file does not tell it", "；密钥文件中没有给出");
        r.missing("token_url", Some(hint));
        return None;
    };
    let url = Url::parse(text).ok().filter(|url| net::unfit_token_url(url).is_none());
    if url.is_none() {
        let said = say(
            "token_uri in the key file is no https address; write token_url here, or download the key file anew",
            "密钥文件中的 token_uri 不是 https 地址；请在这里写 token_url，或重新下载密钥文件",
        );
        r.wrong("key_file", said);
    }
    url
}

/// Who signs: `client_id`, else what the key file says.
fn issuer(r: &Reader<'_>, client_id: Option<String>, key: &KeyFile) -> Option<String> {
    if !r.has("client_id") && key.issuer.is_none() {
        let hint = say(
            "; the key file does not tell whose it is: write the service account's address",
            "；密钥文件中没有给出所属账号：请写服务账号的地址",
        );
        r.missing("client_id", Some(hint));
    }
    if r.has("client_id") { client_id } else { key.issuer.clone() }
}

/// Providers that are known to give no useful token without a scope (imap-servers F.4, F.5).
fn warn_of_scope(r: &Reader<'_>, flow: Flow, token_url: &Url) {
    let scope = match (token_url.host_str().unwrap_or_default(), flow) {
        ("login.microsoftonline.com", Flow::ClientCredentials) => "https://outlook.office365.com/.default",
        ("oauth2.googleapis.com" | "accounts.google.com" | "www.googleapis.com", Flow::ServiceAccount) => {
            "https://mail.google.com/"
        }
        _ => return,
    };
    r.warn(
        "scope",
        say(
            format!("not set, but this provider wants it for mail; write scope = \"{scope}\""),
            format!("没有设置，而该服务商收取邮件需要它；请写 scope = \"{scope}\""),
        ),
    );
}
