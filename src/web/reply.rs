//! Answers: pages, moves to another page, JSON, and what went wrong, for people or for programs.

use super::cookie::Cookie;
use super::routes::{Guard, ROUTES, Verb};
use super::visit::Visit;
use crate::model::Lang;
use crate::office::OfficeError;
use askama::Template;
use axum::Json;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, LOCATION, SET_COOKIE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

/// The frame of every page.
pub(super) struct Frame {
    pub(super) lang: Lang,
    /// `zh-CN` or `en`, as HTML has it.
    pub(super) code: &'static str,
    /// The same page in the other language.
    pub(super) other: String,
    /// Who signed in; empty: nobody.
    pub(super) name: String,
    /// Their role, in words.
    pub(super) role: &'static str,
    pub(super) csrf: String,
    /// The pages that this person may open: path, name, whether it is this one.
    pub(super) menu: Vec<(&'static str, &'static str, bool)>,
    pub(super) version: &'static str,
}

const MENU: [(&str, &str, &str); 5] = [
    ("/admin", "概况", "Overview"),
    ("/admin/accounts", "邮箱", "Accounts"),
    ("/admin/alerts", "失败的提醒", "Dead alerts"),
    ("/admin/import", "导入", "Import"),
    ("/admin/audit", "审计", "Audit"),
];

impl Frame {
    pub(super) fn of(visit: &Visit) -> Self {
        let lang = visit.lang;
        let path = visit.path.split('?').next().unwrap_or_default();
        let here = |to: &str| path == to || (to != "/admin" && path.starts_with(&format!("{to}/")));
        let may = |to: &str| visit.user.as_ref().is_some_and(|user| guard_of(to).allows(user.role));
        let menu = MENU.iter().filter(|(to, ..)| may(to)).map(|(to, zh, en)| (*to, lang.pick(zh, en), here(to)));
        Self {
            lang,
            code: lang.pick("zh-CN", "en"),
            other: other_language(page_of(&visit.path), lang),
            name: visit.user.as_ref().map(|user| user.name(lang)).unwrap_or_default(),
            role: visit.user.as_ref().map_or("", |user| role_word(user.role, lang)),
            csrf: visit.csrf.clone(),
            menu: menu.collect(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// The word of a role for people.
pub(super) fn role_word(role: crate::model::Role, lang: Lang) -> &'static str {
    match role {
        crate::model::Role::Administrator => lang.pick("管理员", "administrator"),
        crate::model::Role::Reader => lang.pick("只读", "reader"),
        crate::model::Role::Auditor => lang.pick("审计员", "auditor"),
    }
}

/// How the page of this path is guarded.
fn guard_of(path: &str) -> Guard {
    let found = ROUTES.iter().find(|route| route.verb == Verb::Get && route.path == path);
    found.map_or(Guard::Administrator, |route| route.guard)
}

/// The page at a path, or above it where only deeds are.
fn page_of(path: &str) -> &str {
    let plain = path.split('?').next().unwrap_or_default();
    let is_page = |route: &&super::routes::Route| route.verb == Verb::Get && route.is_at(plain);
    match (ROUTES.iter().any(|route| route.is_at(plain)), ROUTES.iter().find(is_page)) {
        (true, None) => plain.rsplit_once('/').map_or("/admin", |(above, _)| above),
        _ => path,
    }
}

/// The path with `lang` set to the other language.
fn other_language(path: &str, lang: Lang) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let kept = url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "lang");
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    pairs.extend_pairs(kept).append_pair("lang", lang.pick("en", "zh-CN"));
    format!("/{}?{}", path.trim_start_matches('/'), pairs.finish())
}

/// A page.
pub(super) fn page(template: &impl Template) -> Response {
    page_with(StatusCode::OK, template)
}

/// A page with a status of its own.
pub(super) fn page_with(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response(),
        Err(reason) => {
            tracing::error!(%reason, "a page cannot be written. Please report this");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// To another page of the console (RFC 9110 15.4.4: by GET).
pub(super) fn go(path: &str) -> Response {
    let to = HeaderValue::from_str(path).unwrap_or_else(|_| HeaderValue::from_static("/admin"));
    (StatusCode::SEE_OTHER, [(LOCATION, to)]).into_response()
}

/// With one more cookie set or taken away.
pub(super) fn with_cookie(mut response: Response, header: Option<HeaderValue>) -> Response {
    if let Some(header) = header {
        response.headers_mut().append(SET_COOKIE, header);
    }
    response
}

/// With the session's cookie taken away.
pub(super) fn without_session(response: Response, visit: &Visit) -> Response {
    with_cookie(response, Cookie::Session.clear(&visit.settings))
}

/// JSON.
pub(super) fn json_of<T: Serialize>(value: &T) -> Response {
    Json(value).into_response()
}

#[derive(Template)]
#[template(path = "fault.html")]
struct FaultPage {
    frame: Frame,
    title: &'static str,
    text: String,
}

/// What went wrong, and what to do: a page, or JSON for the API. Says nothing of the inside.
pub(super) fn fault(visit: &Visit, status: StatusCode, zh: &str, en: &str) -> Response {
    if visit.path.starts_with("/admin/api") {
        return (status, Json(json!({ "error": en }))).into_response();
    }
    let title = match status {
        StatusCode::NOT_FOUND => visit.lang.pick("没有此页", "No such page"),
        StatusCode::FORBIDDEN => visit.lang.pick("不能这样做", "Not allowed"),
        StatusCode::TOO_MANY_REQUESTS => visit.lang.pick("请稍候", "Please wait"),
        _ => visit.lang.pick("未能完成", "That did not work"),
    };
    page_with(status, &FaultPage { frame: Frame::of(visit), title, text: visit.pick(zh, en).to_owned() })
}

/// The store did not answer.
pub(super) fn broken(visit: &Visit, reason: &impl std::fmt::Display) -> Response {
    tracing::warn!(%reason, "the console was not answered");
    fault(
        visit,
        StatusCode::SERVICE_UNAVAILABLE,
        "存储没有应答，原因见服务的日志；请稍后再试。",
        "The store did not answer; the service's log says why. Try again in a moment.",
    )
}

/// The office did not do what was asked: why, in its words.
pub(super) fn declined(visit: &Visit, error: &OfficeError) -> Response {
    let status = match error {
        OfficeError::Unknown(_) => StatusCode::NOT_FOUND,
        OfficeError::OfFile(_) | OfficeError::NotRunning | OfficeError::NoVault => StatusCode::CONFLICT,
        OfficeError::Wrong(_) => StatusCode::BAD_REQUEST,
        OfficeError::State(_) | OfficeError::Vault(_) | OfficeError::Audit(_) | OfficeError::Failed(_) => {
            tracing::warn!(reason = %error, "the console was not answered");
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    let words = error.words();
    fault(visit, status, &words.zh, &words.en)
}

/// A file to be kept, under this name.
pub(super) fn file(kind: &'static str, name: &str, bytes: Vec<u8>) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    let disposition = HeaderValue::from_str(&disposition).unwrap_or(HeaderValue::from_static("attachment"));
    ([(CONTENT_TYPE, HeaderValue::from_static(kind)), (CONTENT_DISPOSITION, disposition)], bytes).into_response()
}

/// There is no such thing.
pub(super) fn missing(visit: &Visit) -> Response {
    fault(
        visit,
        StatusCode::NOT_FOUND,
        "这里没有要找的内容，可能已被删除。",
        "What you are looking for is not here; it may have been removed.",
    )
}
