//! Signing in and out: by the bootstrap token, or as a member of WeCom.

use super::console::Console;
use super::cookie::Cookie;
use super::guard::please_wait;
use super::pending::{Begun, PATIENCE};
use super::reply::{Frame, declined, fault, go, page_with, with_cookie, without_session};
use super::rows::encoded;
use super::visit::{Visit, csrf_of};
use crate::model::{By, Deed, Lang, Secret, What, Who, hex};
use crate::state::{Session, SessionKey};
use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::BoxFuture;
use rand::RngCore;
use sha2::{Digest, Sha256};
use std::sync::{Arc, PoisonError};
use url::Url;

/// WeCom's sign-in, as the console needs it.
pub trait SignIn: Send + Sync {
    /// Where a browser is sent so that a member signs in: it comes back to `back` with a `code` and this `state`.
    /// `inside`: it is WeCom's own browser, where nothing need be scanned.
    fn login_url(&self, back: &Url, state: &str, inside: bool, lang: Lang) -> Url;
    /// The userid of the member of this code; `None`: somebody who is none. The error in English, without the code.
    fn who<'a>(&'a self, code: &'a str) -> BoxFuture<'a, Result<Option<String>, String>>;
}

/// A browser that has not signed in keeps its cookie so long.
const BROWSER_KEPT: u64 = 3600;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    frame: Frame,
    next: String,
    /// The same as a query.
    asked: String,
    members: bool,
    token: bool,
    wrong: Option<&'static str>,
}

/// The page's style.
pub(super) async fn style() -> Response {
    let text = include_str!("../../templates/style.css");
    ([(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "public, max-age=600")], text).into_response()
}

/// The browser's small picture of the console.
pub(super) async fn icon() -> Response {
    let text = include_str!("../../templates/icon.svg");
    ([(CONTENT_TYPE, "image/svg+xml"), (CACHE_CONTROL, "public, max-age=600")], text).into_response()
}

/// The page to sign in at.
pub(super) async fn show(Extension(visit): Extension<Arc<Visit>>) -> Response {
    if visit.user.is_some() {
        return go(wanted(visit.query.text("next")));
    }
    form(&visit, StatusCode::OK, wanted(visit.query.text("next")), None)
}

/// The page with a browser's cookie, made if it has none.
fn form(visit: &Visit, status: StatusCode, next: &str, wrong: Option<&'static str>) -> Response {
    let mut frame = Frame::of(visit);
    let fresh = visit.browser.is_none().then(token);
    if let Some(fresh) = &fresh {
        frame.csrf = csrf_of(fresh);
    }
    let settings = &visit.settings;
    let asked = format!("?next={}", encoded(next));
    let (members, token) = (settings.takes_members(), settings.takes_token());
    let response = page_with(status, &SignInPage { frame, next: next.to_owned(), asked, members, token, wrong });
    with_cookie(response, fresh.and_then(|fresh| Cookie::Browser.set(&fresh, Some(BROWSER_KEPT), settings)))
}

/// A page of the console to go on to: nothing else is gone to, whatever is asked for.
fn wanted(next: &str) -> &str {
    let plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let here = next == "/admin" || next.starts_with("/admin/") || next.starts_with("/admin?");
    if plain && here && next.len() <= 1024 && !next.starts_with("/admin/sign-") { next } else { "/admin" }
}

/// Signs in by the bootstrap token.
pub(super) async fn by_token(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Response {
    let typed = Secret::new(visit.form.text("token"));
    let now = console.parts.clock.steady();
    let checked = {
        let mut tries = console.tries.lock().unwrap_or_else(PoisonError::into_inner);
        match tries.wait(visit.from, now) {
            Some(wait) => Err(wait),
            None if visit.settings.is_token(&typed) => {
                tries.succeeded(visit.from);
                Ok(true)
            }
            None => {
                tries.failed(visit.from, now);
                Ok(false)
            }
        }
    };
    let next = wanted(visit.form.text("next"));
    match checked {
        Err(wait) => please_wait(&visit, wait),
        Ok(true) => begin(&console, &visit, Who::Token, next).await,
        Ok(false) => {
            console.note_refusal(&visit.by(), Deed::refused(What::SignIn, "", "wrong token")).await;
            let said = match visit.lang {
                Lang::ZhCn => "令牌不对；它是配置中 [web] admin_token 的内容。",
                Lang::En => "The token is wrong; it is what [web] admin_token of the config says.",
            };
            form(&visit, StatusCode::FORBIDDEN, next, Some(said))
        }
    }
}

/// Begins a session; one that the browser had before ends.
async fn begin(console: &Console, visit: &Visit, who: Who, next: &str) -> Response {
    let whom = match &who {
        Who::Member(user, _) => user.clone(),
        _ => String::new(),
    };
    if let Some(before) = visit.user.as_ref().and_then(|user| user.session) {
        let _ = console.parts.sessions.end_session(before).await;
    }
    let now = console.parts.clock.steady();
    let proof = if who == Who::Token { visit.settings.proof() } else { Vec::new() };
    let from = visit.from.to_string();
    let session = Session { who: who.clone(), proof, began: now, used: now, from: from.clone() };
    let token = token();
    if let Err(reason) = console.note(&By { who, from }, Deed::done(What::SignIn, whom)).await {
        return declined(visit, &reason);
    }
    if let Err(reason) = console.parts.sessions.begin_session(SessionKey::of(token.as_bytes()), session).await {
        return super::reply::broken(visit, &reason);
    }
    let response = with_cookie(go(next), Cookie::Session.set(&token, None, &visit.settings));
    with_cookie(response, Cookie::Browser.clear(&visit.settings))
}

/// Ends the session.
pub(super) async fn out(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Response {
    if let Some(key) = visit.user.as_ref().and_then(|user| user.session) {
        // Whoever wants out gets out, also where that cannot be noted.
        console.note_refusal(&visit.by(), Deed::done(What::SignOut, "")).await;
        if let Err(reason) = console.parts.sessions.end_session(key).await {
            return super::reply::broken(&visit, &reason);
        }
    }
    without_session(go("/admin/sign-in"), &visit)
}

/// To WeCom's sign-in.
pub(super) async fn to_wecom(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Response {
    let back = visit.settings.public_url.as_ref().and_then(|url| url.join("/admin/sign-in/wecom/done").ok());
    let Some(back) = back.filter(|_| visit.settings.takes_members()) else { return super::reply::missing(&visit) };
    let now = console.parts.clock.steady();
    let (state, cookie) = (digits(), token());
    let browser = Sha256::digest(cookie.as_bytes()).into();
    let begun = Begun { browser, at: now, next: wanted(visit.query.text("next")).to_owned() };
    console.pending.lock().unwrap_or_else(PoisonError::into_inner).begin(state.clone(), begun);
    let url = console.parts.sign_in.login_url(&back, &state, visit.inside, visit.lang);
    let response = match HeaderValue::from_str(url.as_str()) {
        Ok(to) => (StatusCode::FOUND, [(axum::http::header::LOCATION, to)]).into_response(),
        Err(_) => return super::reply::missing(&visit),
    };
    with_cookie(response, Cookie::Browser.set(&cookie, Some(PATIENCE.as_secs()), &visit.settings))
}

/// Back from WeCom's sign-in.
pub(super) async fn from_wecom(
    State(console): State<Arc<Console>>,
    Extension(visit): Extension<Arc<Visit>>,
) -> Response {
    let now = console.parts.clock.steady();
    let begun = visit.browser.and_then(|browser| {
        let mut pending = console.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.end(visit.query.text("state"), browser, now)
    });
    let Some(next) = begun else {
        return refused(
            &visit,
            "这次登录已过期，或不是在此浏览器中开始的。请重新登录。",
            "This sign-in is too old, or was not begun in this browser. Sign in again.",
        );
    };
    if let Some(wait) = console.tries.lock().unwrap_or_else(PoisonError::into_inner).wait(visit.from, now) {
        return please_wait(&visit, wait);
    }
    let code = visit.query.text("code");
    // Counted before WeCom is asked: many at one time must not pass together. A right one is taken away again.
    console.tries.lock().unwrap_or_else(PoisonError::into_inner).failed(visit.from, now);
    let user = match console.parts.sign_in.who(code).await {
        Ok(user) => user.map(|user| user.to_lowercase()),
        Err(reason) => {
            console.note_refusal(&visit.by(), Deed::refused(What::SignIn, "", reason)).await;
            return refused(
                &visit,
                "企业微信没有确认您的身份。请重新登录；若仍如此，请管理员查看服务日志。",
                "WeCom did not confirm who you are. Sign in again; if it stays, ask the administrator to look at the service's log.",
            );
        }
    };
    let role = user.as_deref().and_then(|user| visit.settings.role(user));
    let (Some(user), Some(role)) = (user.clone(), role) else {
        let deed = Deed::refused(What::SignIn, user.unwrap_or_default(), "not in the lists of [web]");
        console.note_refusal(&visit.by(), deed).await;
        return refused(
            &visit,
            "您不在可登录的名单里；请管理员把您的账号加入配置的 [web] administrators、readers 或 auditors。",
            "You are not among those who may sign in; ask the administrator to add you to administrators, readers or auditors in [web] of the config.",
        );
    };
    console.tries.lock().unwrap_or_else(PoisonError::into_inner).was_right(visit.from, now);
    begin(&console, &visit, Who::Member(user, role), &next).await
}

fn refused(visit: &Visit, zh: &str, en: &str) -> Response {
    fault(visit, StatusCode::FORBIDDEN, zh, en)
}

/// 256 bits that nobody can guess.
fn chance() -> [u8; 32] {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

fn token() -> String {
    URL_SAFE_NO_PAD.encode(chance())
}

/// The same as WeCom takes it for `state`: letters and digits, 128 bytes at most (p91022).
pub(super) fn digits() -> String {
    hex(&chance())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_elsewhere() {
        for next in ["/admin", "/admin/alerts/7", "/admin/accounts?after=a%40corp.example", "/admin?lang=en"] {
            assert_eq!(wanted(next), next);
        }
        for next in [
            "",
            "//evil.example",
            "https://evil.example/admin",
            "/adminevil",
            "/admin/\\evil",
            "/admin/sign-out",
            "/healthz",
            "/admin/\r\nSet-Cookie: a=b",
        ] {
            assert_eq!(wanted(next), "/admin", "{next}");
        }
    }

    #[test]
    fn tokens_differ_and_are_long() {
        assert_ne!(token(), token());
        assert_eq!((token().len(), digits().len()), (43, 64));
        assert!(digits().bytes().all(|b| b.is_ascii_alphanumeric()));
    }
}
