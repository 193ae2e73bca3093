//! The pages: a desk with one phone per member, and one member's chat alone.

use std::sync::Arc;

use axum::extract::{Path, Query, State as Shares};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::Value;

use super::markup::{self, escape};
use super::state::{Message, Person, Sent, Shared, State};

/// A chat opens with this many of its newest messages.
const CHAT_MESSAGES: usize = 100;
/// The desk shows this many phones at once; the others are reached through the list.
const DESK_PHONES: usize = 6;
const PREVIEW_CHARS: usize = 24;

const DESK: &str = include_str!("desk.html");
const CHAT: &str = include_str!("chat.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Only the sandbox's own style and script run; frames around a page are welcome.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'";

/// Which phones the desk shows.
#[derive(Deserialize)]
pub(super) struct Chosen {
    member: Option<String>,
}

/// `GET /`, all members or `?member=ID`
pub(super) async fn desk(Shares(shared): Shares<Arc<Shared>>, Query(chosen): Query<Chosen>) -> Response {
    let now = shared.now();
    let state = shared.lock();
    let member = chosen.member.as_deref().and_then(|userid| state.person(userid));
    let phones: String = match member {
        Some(person) => phone(&shared, &state, person, now),
        None => {
            let people = state.members.iter().filter(|person| person.in_range());
            people.take(DESK_PHONES).map(|person| phone(&shared, &state, person, now)).collect()
        }
    };
    let only = member.map_or("", |person| person.member.userid.as_str());
    let list: String = state.members.iter().map(|person| list_entry(person, only, now)).collect();
    let page = fill(
        DESK,
        &[
            ("app", &escape(&shared.options.app_name)),
            ("corp", &escape(&shared.options.corp_id)),
            ("agent", &shared.options.agent_id.to_string()),
            ("run", &shared.run),
            ("since", &state.newest().0.to_string()),
            ("all_chosen", if only.is_empty() { "chosen" } else { "" }),
            ("list", &list),
            ("phones", &phones),
        ],
    );
    html(StatusCode::OK, page)
}

/// `GET /chat/{userid}`
pub(super) async fn chat(Shares(shared): Shares<Arc<Shared>>, Path(userid): Path<String>) -> Response {
    let now = shared.now();
    let state = shared.lock();
    let Some(person) = state.person(&userid) else {
        let text =
            format!("<!doctype html><meta charset=\"utf-8\"><p>没有这个成员 / no such member: {}</p>", escape(&userid));
        return html(StatusCode::NOT_FOUND, text);
    };
    let page = fill(
        CHAT,
        &[
            ("app", &escape(&shared.options.app_name)),
            ("name", &escape(&person.member.name)),
            ("userid", &escape(&person.member.userid)),
            ("run", &shared.run),
            ("since", &state.newest().0.to_string()),
            ("screen", &screen(&shared, &state, person, now)),
        ],
    );
    html(StatusCode::OK, page)
}

/// `GET /sandbox/page.css`
pub(super) async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)
}

/// `GET /sandbox/page.js`
pub(super) async fn script() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], SCRIPT)
}

fn html(status: StatusCode, page: String) -> Response {
    let headers: [(HeaderName, &str); 3] = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (status, headers, Html(page)).into_response()
}

/// Puts values into `{{name}}` places, in one pass, so that a value's own braces stay text.
pub(super) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut page = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        page.push_str(before);
        let Some((name, after)) = after.split_once("}}") else {
            rest = after;
            break;
        };
        let value = values.iter().find(|(known, _)| *known == name);
        page.push_str(value.map_or("", |(_, value)| value));
        rest = after;
    }
    page.push_str(rest);
    page
}

fn phone(shared: &Shared, state: &State, person: &Person, now: u64) -> String {
    let userid = escape(&person.member.userid);
    format!(
        "<section class=\"phone\"><h2 class=\"owner\">{} <small>{userid}</small></h2><div class=\"case\">{}</div></section>",
        escape(&person.member.name),
        screen(shared, state, person, now),
    )
}

/// What one phone shows: heading and chat.
fn screen(shared: &Shared, state: &State, person: &Person, now: u64) -> String {
    let newest: Vec<&Message> =
        state.messages_since(0, Some(&person.member.userid)).rev().take(CHAT_MESSAGES).collect();
    let messages: String = newest.iter().rev().map(|shown| message(shown, now)).collect();
    format!(
        "<div class=\"screen\"><header class=\"bar\"><span class=\"back\"></span><span class=\"name\">{}</span>\
         <span class=\"more\"></span></header><div class=\"chat\" data-member=\"{}\">{messages}</div>\
         <footer class=\"foot\"><span>应用消息 <small>app messages</small></span></footer></div>",
        escape(&shared.options.app_name),
        escape(&person.member.userid),
    )
}

fn list_entry(person: &Person, only: &str, now: u64) -> String {
    let userid = &person.member.userid;
    let last = person.last.as_ref();
    let preview = last.map_or_else(String::new, |last| preview(&last.sent));
    let time = last.map_or_else(String::new, |last| clock_time(last.time_ms, now));
    let initial: String = person.member.name.chars().take(1).collect();
    format!(
        "<li><a class=\"person {}{}\" data-person=\"{id}\" href=\"/?member={id}\"><span class=\"face\">{}</span>\
         <span class=\"who\"><b>{}</b> <small>{id}</small><span class=\"preview\">{}</span></span>\
         <span class=\"side\"><time>{time}</time><i class=\"unread\"></i></span></a></li>",
        if userid == only { "chosen " } else { "" },
        if person.in_range() { "" } else { "removed" },
        escape(&initial),
        escape(&person.member.name),
        escape(&preview),
        id = escape(userid),
    )
}

/// A message's first words, unescaped.
pub(super) fn preview(sent: &Sent) -> String {
    let field = |path: &str| sent.shown.pointer(path).and_then(Value::as_str);
    let text = ["/title", "/main_title/title", "/sub_title_text", "/content"]
        .into_iter()
        .find_map(|path| field(path).filter(|text| !text.is_empty()))
        .unwrap_or_default();
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let line = line.trim_start_matches(['#', '>', ' ']);
    let line = if sent.msgtype == "markdown" { markup::bare(line) } else { line.to_owned() };
    line.chars().take(PREVIEW_CHARS).collect()
}

/// The time as a chat writes it: the clock, with the date when it was not today.
pub(super) fn clock_time(time_ms: u64, now: u64) -> String {
    let zoned = |ms: u64| {
        let ms = i64::try_from(ms).unwrap_or(i64::MAX);
        let time = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX);
        time.to_zoned(TimeZone::system())
    };
    let time = zoned(time_ms);
    let clock = format!("{:02}:{:02}", time.hour(), time.minute());
    if time.date() == zoned(now).date() { clock } else { format!("{}月{}日 {clock}", time.month(), time.day()) }
}

/// One message as it stands in the chat.
pub(super) fn message(message: &Message, now: u64) -> String {
    let shown = &message.sent.shown;
    let content = || shown.get("content").and_then(Value::as_str).unwrap_or_default();
    let body = match message.sent.msgtype.as_str() {
        "text" => format!("<div class=\"bubble text\">{}</div>", markup::text(content())),
        "markdown" => format!("<div class=\"bubble markdown\">{}</div>", markup::markdown(content())),
        "textcard" => textcard(shown),
        _ => super::page_card::template_card(shown),
    };
    let time = if message.time_above {
        format!("<div class=\"time\">{}</div>", clock_time(message.time_ms, now))
    } else {
        String::new()
    };
    format!("{time}<div class=\"message\" data-seq=\"{}\"><span class=\"avatar\"></span>{body}</div>", message.seq)
}

fn textcard(card: &Value) -> String {
    let field = |key: &str| card.get(key).and_then(Value::as_str).unwrap_or_default();
    let button = Some(field("btntxt")).filter(|text| !text.is_empty()).unwrap_or("详情");
    format!(
        "<div class=\"card\"><h3>{}</h3><div class=\"description\">{}</div>{}</div>",
        escape(field("title")),
        markup::description(field("description")),
        markup::link(field("url"), &escape(button), "button whole"),
    )
}
