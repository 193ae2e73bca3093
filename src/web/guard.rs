//! What stands before every page of the console: whether there is one, who asks, whether they may, and whether what
//! changes something was meant by them. What browsers are told goes out here, too.

use super::console::{Console, Settings};
use super::cookie::Cookie;
use super::door::Peer;
use super::reply::{self, fault, go, with_cookie};
use super::routes::{Route, Verb};
use super::visit::{Fields, User, Visit, csrf_of};
use crate::model::{Deed, Lang, Role, Secret, What, Who};
use crate::state::SessionKey;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, FromRequest, Multipart, Request, State};
use axum::http::header::{
    ACCEPT_LANGUAGE, AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, ORIGIN,
    REFERRER_POLICY, RETRY_AFTER, STRICT_TRANSPORT_SECURITY, USER_AGENT, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio::time::timeout;

/// How long the store may take to tell of a session.
const STORE_LIMIT: Duration = Duration::from_secs(5);
/// How long a request's body may take to come.
const BODY_LIMIT: Duration = Duration::from_secs(60);
/// The choice of a language is kept for a year.
const LANG_KEPT: u64 = 365 * 86_400;

/// No script, nothing from elsewhere, in nobody's frame.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const FOR_ALL: [(HeaderName, &str); 7] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_FRAME_OPTIONS, "DENY"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // Not `no-referrer`: with it browsers send `Origin: null` with forms (Fetch 3.2).
    (REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
];

/// A route and the console it belongs to.
#[derive(Clone)]
pub(super) struct Guarded {
    pub(super) console: Arc<Console>,
    pub(super) route: &'static Route,
}

/// Before all: where there is no console nothing is here; and the headers of every answer.
pub(super) async fn front(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    let settings = console.settings();
    if !settings.is_open() {
        return StatusCode::NOT_FOUND.into_response();
    }
    if !is_host(&settings, request.headers(), request.uri()) {
        return (StatusCode::MISDIRECTED_REQUEST, "this is not the address in [web] public_url\n").into_response();
    }
    let chosen = request.uri().query().and_then(|query| lang_of(Fields::of(query.as_bytes()).text("lang")));
    let mut response = next.run(request).await;
    if let Some(lang) = chosen {
        response = with_cookie(response, Cookie::Lang.set(lang.pick("zh-CN", "en"), Some(LANG_KEPT), &settings));
    }
    let headers = response.headers_mut();
    for (name, value) in FOR_ALL {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if settings.is_secure {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    response
}

/// Whether the request was meant for `public_url`, where that is set.
fn is_host(settings: &Settings, headers: &HeaderMap, uri: &Uri) -> bool {
    let Some(url) = &settings.public_url else { return true };
    let mut lines = headers.get_all(HOST).iter();
    let told = match (lines.next(), lines.next()) {
        (Some(one), None) => one.to_str().unwrap_or_default(),
        (None, _) => uri.authority().map_or("", |authority| authority.as_str()),
        _ => return false,
    };
    let wanted = host_of(url);
    let usual = if url.scheme() == "https" { ":443" } else { ":80" };
    let told = told.strip_suffix(usual).unwrap_or(told);
    told.eq_ignore_ascii_case(&wanted)
}

/// Host and, where it is not the usual one, port.
fn host_of(url: &url::Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// No route is here.
pub(super) async fn nowhere(State(console): State<Arc<Console>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    match visit(&console, &parts).await {
        Ok(visit) => reply::missing(&visit),
        Err(response) => *response,
    }
}

/// Lets a request through to its page, or says why not.
pub(super) async fn guard(State(guarded): State<Guarded>, request: Request, next: Next) -> Response {
    let Guarded { console, route } = guarded;
    let (mut parts, body) = request.into_parts();
    let mut visit = match visit(&console, &parts).await {
        Ok(visit) => visit,
        Err(response) => return *response,
    };
    if let Some(refusal) = credentials(&console, route, &parts.headers, &mut visit).await {
        return refusal;
    }
    if let Some(refusal) = role(route, &visit) {
        return refusal;
    }
    if route.verb == Verb::Post {
        if let Some(refusal) = same_origin(&parts.headers, &visit) {
            return refusal;
        }
        match timeout(BODY_LIMIT, read(route, &parts, body, &mut visit)).await {
            Ok(Ok(())) => {}
            Ok(Err(())) | Err(_) => return too_much(&visit),
        }
        if let Some(refusal) = was_meant(route, &parts.headers, &visit) {
            return refusal;
        }
    }
    parts.extensions.insert(Arc::new(visit));
    next.run(Request::from_parts(parts, Body::empty())).await
}

/// What can be said of a request before anybody looks at credentials.
async fn visit(console: &Arc<Console>, parts: &Parts) -> Result<Visit, Box<Response>> {
    let settings = console.settings();
    let headers = &parts.headers;
    let peer = parts.extensions.get::<ConnectInfo<Peer>>().map(|info| info.0.0.ip());
    let forwarded: Vec<_> = headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok()).collect();
    let from = settings.origin(peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), &forwarded);
    let query = Fields::of(parts.uri.query().unwrap_or_default().as_bytes());
    let lang = lang_of(query.text("lang"))
        .or_else(|| lang_of(&Cookie::Lang.read(headers, &settings)?))
        .or_else(|| accepted(headers.get(ACCEPT_LANGUAGE)?.to_str().ok()?))
        .unwrap_or(settings.lang);
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let browser = Cookie::Browser.read(headers, &settings);
    let mut visit = Visit {
        lang,
        from,
        user: None,
        csrf: browser.as_deref().map(csrf_of).unwrap_or_default(),
        browser: browser.map(|value| Sha256::digest(value.as_bytes()).into()),
        path: parts.uri.path_and_query().map(|path| path.as_str().to_owned()).unwrap_or_default(),
        query,
        form: Fields::default(),
        body: Bytes::new(),
        inside: agent.to_ascii_lowercase().contains("wxwork"),
        settings,
    };
    if let Some(token) = Cookie::Session.read(headers, &visit.settings) {
        let key = SessionKey::of(token.as_bytes());
        let now = console.parts.clock.steady();
        let session = match timeout(STORE_LIMIT, console.parts.sessions.session(key, now)).await {
            Ok(Ok(session)) => session,
            Ok(Err(reason)) => return Err(Box::new(reply::broken(&visit, &reason))),
            Err(_) => return Err(Box::new(reply::broken(&visit, &"no answer in time"))),
        };
        let role = session.as_ref().and_then(|session| visit.settings.still(&session.who, &session.proof));
        // Given back later, a role does not wake a session that it was taken away from.
        if session.is_some() && role.is_none() {
            let _ = console.parts.sessions.end_session(key).await;
        }
        if let (Some(session), Some(role)) = (session, role) {
            visit.user = Some(User { who: session.who, role, session: Some(key) });
            visit.csrf = csrf_of(&token);
        }
    }
    Ok(visit)
}

/// Takes a token that comes along with a request to the API. A wrong one is a wrong try to sign in.
async fn credentials(
    console: &Arc<Console>,
    route: &Route,
    headers: &HeaderMap,
    visit: &mut Visit,
) -> Option<Response> {
    let header = headers.get(AUTHORIZATION).filter(|_| route.is_api())?;
    let typed = header.to_str().ok().and_then(|text| text.split_once(' '));
    let typed = typed.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    let typed = Secret::new(typed.unwrap_or_default());
    let now = console.parts.clock.steady();
    let checked = {
        let mut tries = console.tries.lock().unwrap_or_else(PoisonError::into_inner);
        match tries.wait(visit.from, now) {
            Some(wait) => Err(wait),
            None if visit.settings.is_token(&typed) => Ok(true),
            None => {
                tries.failed(visit.from, now);
                Ok(false)
            }
        }
    };
    match checked {
        Ok(true) => {
            visit.user = Some(User { who: Who::Token, role: Role::Administrator, session: None });
            None
        }
        Ok(false) => {
            visit.user = None;
            console.note_refusal(&visit.by(), Deed::refused(What::SignIn, "", "wrong token for the API")).await;
            Some(fault(
                visit,
                StatusCode::UNAUTHORIZED,
                "",
                "the token is wrong; it is [web] admin_token of the config",
            ))
        }
        Err(wait) => Some(please_wait(visit, wait)),
    }
}

/// Somebody must wait before the next try.
pub(super) fn please_wait(visit: &Visit, wait: Duration) -> Response {
    let seconds = wait.as_secs() + 1;
    let zh = format!("尝试次数过多，请在 {seconds} 秒后再试。");
    let en = format!("Too many tries; try again in {seconds} s.");
    let mut response = fault(visit, StatusCode::TOO_MANY_REQUESTS, &zh, &en);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// Whether this person may.
fn role(route: &Route, visit: &Visit) -> Option<Response> {
    if route.guard == super::routes::Guard::Open {
        return None;
    }
    let Some(user) = &visit.user else {
        if route.is_api() {
            let said = "sign in, or send the header Authorization: Bearer TOKEN with [web] admin_token";
            return Some(fault(visit, StatusCode::UNAUTHORIZED, "", said));
        }
        let next = if route.verb == Verb::Get { visit.path.as_str() } else { "/admin" };
        let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
        return Some(go(&format!("/admin/sign-in?next={next}")));
    };
    (!route.guard.allows(user.role)).then(|| {
        fault(
            visit,
            StatusCode::FORBIDDEN,
            "您的角色不能做这件事；角色在配置的 [web] 中设定。",
            "Your role may not do this; roles are set in [web] of the config.",
        )
    })
}

/// Whether a form comes from a page of this console: by what browsers tell of it, where they do.
fn same_origin(headers: &HeaderMap, visit: &Visit) -> Option<Response> {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?").to_owned());
    let site = text(HeaderName::from_static("sec-fetch-site"));
    let from_here = site.as_deref().is_none_or(|site| site == "same-origin" || site == "none");
    let fits = |origin: &str| match &visit.settings.public_url {
        Some(url) => origin == url.origin().ascii_serialization(),
        None => {
            let host = text(HOST).unwrap_or_default();
            origin.split_once("://").is_some_and(|(_, told)| told.eq_ignore_ascii_case(&host))
        }
    };
    let origin = text(ORIGIN).is_none_or(|origin| fits(&origin));
    (!from_here || !origin).then(|| not_meant(visit))
}

fn not_meant(visit: &Visit) -> Response {
    fault(
        visit,
        StatusCode::FORBIDDEN,
        "此操作不是从本页面发出的，或页面已过期。请返回，刷新页面后再试。",
        "This did not come from a page of this console, or the page is too old. Go back, reload it and try again.",
    )
}

/// Whether somebody who signed in with a browser meant it: the token of the page comes along. Who sends the bootstrap
/// token by hand is no browser that was led astray.
fn was_meant(route: &Route, headers: &HeaderMap, visit: &Visit) -> Option<Response> {
    if visit.user.as_ref().is_some_and(|user| user.session.is_none()) {
        return None;
    }
    let told = match route.is_api() {
        true => headers.get("x-mailbell-csrf").and_then(|value| value.to_str().ok()).unwrap_or_default(),
        false => visit.form.text("csrf"),
    };
    let meant = !visit.csrf.is_empty() && bool::from(told.as_bytes().ct_eq(visit.csrf.as_bytes()));
    (!meant).then(|| not_meant(visit))
}

/// Reads what was sent along.
async fn read(route: &Route, parts: &Parts, body: Body, visit: &mut Visit) -> Result<(), ()> {
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if route.takes_file() && !route.is_api() && kind.starts_with("multipart/form-data") {
        let mut request = Request::new(body);
        *request.headers_mut() = parts.headers.clone();
        *request.extensions_mut() = parts.extensions.clone();
        *request.method_mut() = Method::POST;
        let mut form = Multipart::from_request(request, &()).await.map_err(|_| ())?;
        while let Some(field) = form.next_field().await.map_err(|_| ())? {
            let name = field.name().unwrap_or_default().to_owned();
            if let Some(file) = field.file_name() {
                visit.form.push(format!("{name}-name"), file.as_bytes().to_vec());
            }
            visit.form.push(name, field.bytes().await.map_err(|_| ())?.to_vec());
        }
        return Ok(());
    }
    let bytes = to_bytes(body, route.limit()).await.map_err(|_| ())?;
    if route.is_api() {
        visit.body = bytes;
    } else {
        visit.form = Fields::of(&bytes);
    }
    Ok(())
}

fn too_much(visit: &Visit) -> Response {
    fault(
        visit,
        StatusCode::PAYLOAD_TOO_LARGE,
        "发送的内容过大，或没有完整送达；请检查后再试。",
        "What was sent is too large, or did not come whole; check it and try again.",
    )
}

fn lang_of(word: &str) -> Option<Lang> {
    match word.to_ascii_lowercase().as_str() {
        "zh" | "zh-cn" => Some(Lang::ZhCn),
        "en" => Some(Lang::En),
        _ => None,
    }
}

/// The first of the languages that a browser accepts (RFC 9110 12.5.4) which is spoken here, the most wanted first.
fn accepted(header: &str) -> Option<Lang> {
    let mut wanted: Vec<(f32, Lang)> = Vec::new();
    for range in header.split(',') {
        let (tag, quality) = range.split_once(';').unwrap_or((range, "q=1"));
        let quality: f32 = quality.trim().strip_prefix("q=").and_then(|q| q.parse().ok()).unwrap_or(0.0);
        let lang = lang_of(tag.trim().split('-').next().unwrap_or_default());
        wanted.extend(lang.filter(|_| quality > 0.0).map(|lang| (quality, lang)));
    }
    wanted.into_iter().rev().max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, lang)| lang)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_wanted_language_that_is_spoken_here() {
        for (header, lang) in [
            ("zh-CN,zh;q=0.9,en;q=0.8", Some(Lang::ZhCn)),
            ("en-GB,en;q=0.9,zh;q=0.8", Some(Lang::En)),
            ("de-DE, de;q=0.9, zh-TW;q=0.5, en;q=0.4", Some(Lang::ZhCn)),
            ("zh, en", Some(Lang::ZhCn)),
            ("en;q=0, zh;q=0.1", Some(Lang::ZhCn)),
            ("fr", None),
            ("", None),
            ("*", None),
        ] {
            assert_eq!(accepted(header), lang, "{header}");
        }
    }
}
