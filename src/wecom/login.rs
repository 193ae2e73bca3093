//! Where a browser is sent so that WeCom tells who sits before it (wecom-api 8). Pure.

use crate::config::Wecom;
use crate::model::Lang;
use url::Url;

/// In any browser: the page with the QR code (p98152). WeCom sends the browser back to `back`, whose host must be the
/// app's trusted domain, port included, with `code` and `state` added. `state`: letters and digits, at most 128 bytes.
pub fn browser_login(wecom: &Wecom, back: &Url, state: &str, lang: Lang) -> Url {
    let mut url = below(&wecom.login_base, "/wwlogin/sso/login");
    url.query_pairs_mut()
        .append_pair("login_type", "CorpApp")
        .append_pair("appid", &wecom.corp_id)
        .append_pair("agentid", &wecom.agent_id.to_string())
        .append_pair("redirect_uri", back.as_str())
        .append_pair("state", state)
        .append_pair("lang", lang.pick("zh", "en"));
    url
}

/// In the browser inside WeCom: no page is shown (p91022, `snsapi_base`). Otherwise as [`browser_login`].
pub fn inside_login(wecom: &Wecom, back: &Url, state: &str) -> Url {
    let mut url = below(&wecom.oauth_base, "/connect/oauth2/authorize");
    url.query_pairs_mut()
        .append_pair("appid", &wecom.corp_id)
        .append_pair("redirect_uri", back.as_str())
        .append_pair("response_type", "code")
        .append_pair("scope", "snsapi_base")
        .append_pair("state", state)
        .append_pair("agentid", &wecom.agent_id.to_string());
    url.set_fragment(Some("wechat_redirect"));
    url
}

/// The host of an address as the console wants a trusted domain written: with the port where it is not the usual one
/// (wecom-api 8.3).
pub fn domain_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}
