//! Signing in with WeCom, played: the pages where a browser or a phone asks who is there, and the codes they hand out
//! (wecom-api.md section 8). In life the member scans or is signed in already; here the tester says who it is.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use axum::extract::{Query, State as Shares};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde_json::{Map, Value, json};
use url::Url;

use super::answer::Refusal;
use super::markup::escape;
use super::page::fill;
use super::state::{Shared, State, random_text};

/// A code lives five minutes (p91023).
const CODE_MS: u64 = 300_000;
/// No more codes are remembered at one time.
const CODES_KEPT: usize = 1000;
const MAX_STATE_BYTES: usize = 128;

const PAGE: &str = include_str!("sign_in.html");

/// The page leads away from here, so it may be framed by nobody and runs no script.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

struct Code {
    text: String,
    /// A userid in lower case; `None`: somebody outside the corp.
    member: Option<String>,
    given_ms: u64,
}

/// The codes that were handed out and not redeemed yet.
#[derive(Default)]
pub(super) struct Codes(VecDeque<Code>);

impl Codes {
    fn give(&mut self, member: Option<String>, now: u64) -> String {
        self.0.retain(|code| now < code.given_ms + CODE_MS);
        if self.0.len() >= CODES_KEPT {
            self.0.pop_front();
        }
        let text = random_text(43);
        self.0.push_back(Code { text: text.clone(), member, given_ms: now });
        text
    }

    /// `auth/getuserinfo` (p91023): 41008 without a code, 40029 for one that is unknown, used or too old. A member is told
    /// by `userid`, anybody else by an `openid`.
    pub(super) fn redeem(&mut self, code: &str, now: u64) -> Result<Map<String, Value>, Refusal> {
        if code.is_empty() {
            return Err(Refusal::new(41008));
        }
        let at = self.0.iter().position(|known| known.text == code);
        let known = at.and_then(|at| self.0.remove(at)).filter(|known| now < known.given_ms + CODE_MS);
        let known = known.ok_or_else(|| Refusal::new(40029))?;
        Ok(match known.member {
            Some(userid) => Map::from_iter([("userid".to_owned(), json!(userid))]),
            None => Map::from_iter([("openid".to_owned(), json!(random_text(28)))]),
        })
    }
}

/// Which page asks.
#[derive(Clone, Copy)]
pub(super) enum Door {
    /// `GET /wwlogin/sso/login`: a browser (p98152).
    Browser,
    /// `GET /wwopen/sso/qrConnect`: a browser, the older page (p91019).
    OldBrowser,
    /// `GET /connect/oauth2/authorize`: inside WeCom (p91022).
    Inside,
}

type Asked = HashMap<String, String>;

/// A page that asks who is there.
pub(super) fn ask(door: Door, shared: &Shared, asked: &Asked) -> Response {
    let now = shared.now();
    let mut state = shared.lock();
    let back = match checked(door, shared, &state, asked) {
        Ok(back) => back,
        Err(text) => {
            state.note("sign_in_refused", now, json!({ "text": text }));
            return refused(shared, &text);
        }
    };
    let lang = asked.get("lang").map_or("zh", String::as_str);
    // Who left or is disabled has no WeCom to scan with; who is outside the visible range has (p91023).
    let members = state.members.iter().filter(|person| !person.removed && matches!(person.member.status, 1 | 4));
    let link = |userid: &str| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("redirect_uri", back.as_str());
        query.append_pair("state", param(asked, "state")).append_pair("userid", userid);
        escape(&format!("/sandbox/scan?{}", query.finish()))
    };
    let mut people = String::from("<p><small>谁来扫码？ Who scans?</small></p>\n<ul>\n");
    for person in members {
        let (userid, name) = (&person.member.userid, &person.member.name);
        people += &entry(&format!("scan-{userid}"), &link(userid), name, userid);
    }
    people += &entry("scan-outsider", &link(""), "外部人员", "somebody outside the corp");
    people += "</ul>";
    let page = fill(
        PAGE,
        &[
            ("lang", if lang == "en" { "en" } else { "zh-CN" }),
            ("title", if lang == "en" { "Sign in with WeCom" } else { "企业微信登录" }),
            ("app", &escape(&shared.options.app_name)),
            ("host", &escape(&host_of(&back))),
            ("body", &people),
        ],
    );
    html(StatusCode::OK, page)
}

/// One who may be said to be there.
fn entry(id: &str, link: &str, name: &str, more: &str) -> String {
    let initial: String = name.chars().take(1).collect();
    format!(
        "<li><a class=\"person\" id=\"{}\" href=\"{link}\"><span class=\"face\">{}</span>\
         <span class=\"who\"><b>{}</b> <small>{}</small></span></a></li>\n",
        escape(id),
        escape(&initial),
        escape(name),
        escape(more),
    )
}

/// `GET /sandbox/scan`: a member scans, or nobody of the corp; the browser is sent back with a code.
pub(super) async fn scan(Shares(shared): Shares<Arc<Shared>>, Query(asked): Query<Asked>) -> Response {
    let now = shared.now();
    let mut state = shared.lock();
    let mut back = match redirect(&state, &asked) {
        Ok(back) => back,
        Err(text) => return refused(&shared, &text),
    };
    let userid = param(&asked, "userid");
    let member = match userid {
        "" => None,
        userid => match state.person(userid).filter(|person| !person.removed) {
            Some(person) => Some(person.member.userid.clone()),
            None => return refused(&shared, &format!("no such member: {userid}")),
        },
    };
    state.note("scan", now, json!({ "member": member, "host": host_of(&back) }));
    let code = state.codes.give(member, now);
    back.query_pairs_mut().append_pair("code", &code).append_pair("state", param(&asked, "state"));
    let headers: [(HeaderName, String); 3] = [
        (header::LOCATION, back.to_string()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
    ];
    (StatusCode::FOUND, headers).into_response()
}

fn param<'a>(asked: &'a Asked, key: &str) -> &'a str {
    asked.get(key).map_or("", String::as_str)
}

/// Where to go back to, if everything is as it should be.
fn checked(door: Door, shared: &Shared, state: &State, asked: &Asked) -> Result<Url, String> {
    let must = |key: &str, wanted: &str| match param(asked, key) {
        value if value == wanted => Ok(()),
        value => Err(format!("{key} is {value:?}, not {wanted:?}")),
    };
    let agent_id = shared.options.agent_id.to_string();
    must("appid", &shared.options.corp_id)?;
    let given = param(asked, "state");
    if given.len() > MAX_STATE_BYTES {
        return Err("state is longer than 128 bytes".to_owned());
    }
    match door {
        Door::Browser => {
            must("login_type", "CorpApp")?;
            must("agentid", &agent_id)?;
            if !matches!(param(asked, "lang"), "" | "zh" | "en") {
                return Err("lang must be zh or en".to_owned());
            }
        }
        Door::OldBrowser => must("agentid", &agent_id)?,
        Door::Inside => {
            must("response_type", "code")?;
            let private = match param(asked, "scope") {
                "snsapi_base" => false,
                "snsapi_privateinfo" => true,
                other => return Err(format!("scope is {other:?}, not \"snsapi_base\" or \"snsapi_privateinfo\"")),
            };
            if private || !param(asked, "agentid").is_empty() {
                must("agentid", &agent_id)?;
            }
            if !given.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err("state must be letters and digits".to_owned());
            }
        }
    }
    redirect(state, asked)
}

/// The address to go back to: its host, with its port, must be the one that was set (wecom-api.md section 8.3).
fn redirect(state: &State, asked: &Asked) -> Result<Url, String> {
    let text = param(asked, "redirect_uri");
    let url = Url::parse(text).map_err(|error| format!("redirect_uri {text:?}: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(format!("redirect_uri {text:?} is no http or https address"));
    }
    let (host, domain) = (host_of(&url), &state.redirect_domain);
    if domain.is_empty() {
        return Err(format!("50001: the app has no trusted domain (redirect_domain), so not {host:?} either"));
    }
    if !host.eq_ignore_ascii_case(domain) {
        return Err(format!("50001: the host of redirect_uri is {host:?}, but the trusted domain is {domain:?}"));
    }
    Ok(url)
}

/// The host, with the port where it is not the scheme's own.
fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn refused(shared: &Shared, text: &str) -> Response {
    let error = format!("<p class=\"refused\" id=\"refused\">{}</p>", escape(text));
    let page = fill(
        PAGE,
        &[
            ("lang", "zh-CN"),
            ("title", "无法登录 / cannot sign in"),
            ("app", &escape(&shared.options.app_name)),
            ("body", &error),
        ],
    );
    html(StatusCode::BAD_REQUEST, page)
}

fn html(status: StatusCode, page: String) -> Response {
    let headers: [(HeaderName, &str); 3] = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (status, headers, Html(page)).into_response()
}
