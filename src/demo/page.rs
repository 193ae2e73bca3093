//! The page of the demo: a form that sends a mail to one of the demo's users, beside the WeCom chat of that user.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{FromRequest as _, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use jiff::Zoned;
use serde::{Deserialize, Serialize};

use super::compose::Mail;
use super::lmtp::{LmtpError, deliver};
use super::samples::Sample;

const PAGE: &str = include_str!("page.html");
/// Who writes the mails of the form.
const FORM_SENDER: &str = "visitor@partner.example";

/// A user of the demo.
#[derive(Clone, Debug)]
pub struct DemoUser {
    /// The WeCom userid, which the chat's address ends with.
    pub userid: String,
    /// The name to show.
    pub name: String,
    /// The mail address, which the private Dovecot knows as a login.
    pub address: String,
}

/// What the page needs to know.
#[derive(Clone, Debug)]
pub struct DemoState {
    /// Who can be written to; the first is chosen when the page opens.
    pub users: Vec<DemoUser>,
    /// Where mail is delivered by LMTP.
    pub lmtp: SocketAddr,
    /// The sandbox, such as `http://127.0.0.1:8080`; a user's chat is at `/chat/{userid}` there.
    pub chat: String,
}

impl DemoState {
    fn user(&self, who: &str) -> Option<&DemoUser> {
        self.users.iter().find(|user| user.userid == who || user.address == who)
    }

    fn chat_of(&self, user: &DemoUser) -> String {
        let Ok(mut chat) = url::Url::parse(&self.chat) else {
            return "about:blank".to_owned();
        };
        if let Ok(mut path) = chat.path_segments_mut() {
            path.pop_if_empty().extend(["chat", &user.userid]);
        }
        chat.into()
    }
}

/// The page at `/` (`?user=` chooses one), and `POST /send`, which takes a form (and answers with the page) or JSON (and
/// answers `{"ok": ..., "zh": ..., "en": ...}`).
///
/// The fields of both are `to` (a userid or address), and either `sample` (a [`Sample`]'s key) or `from_name`, `subject`
/// and `body`. To be served on a loopback address: it has no authentication.
pub fn router(state: DemoState) -> Router {
    Router::new().route("/", get(show)).route("/send", post(send)).with_state(Arc::new(state))
}

#[derive(Debug, Default, Deserialize)]
struct Chosen {
    user: Option<String>,
}

async fn show(State(state): State<Arc<DemoState>>, Query(chosen): Query<Chosen>) -> Response {
    page(&state, chosen.user.as_deref().unwrap_or_default(), None)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SendRequest {
    to: String,
    sample: String,
    from_name: String,
    subject: String,
    body: String,
}

/// What became of a request to send.
#[derive(Debug, Serialize)]
struct Outcome {
    ok: bool,
    zh: String,
    en: String,
    #[serde(skip)]
    status: StatusCode,
}

impl Outcome {
    fn refused(status: StatusCode, zh: impl Into<String>, en: impl Into<String>) -> Outcome {
        Outcome { ok: false, zh: zh.into(), en: en.into(), status }
    }
}

async fn send(State(state): State<Arc<DemoState>>, headers: HeaderMap, request: Request) -> Response {
    let is = |name, value: &str| headers.get(name).is_some_and(|given| given.as_bytes().starts_with(value.as_bytes()));
    let json = is(header::CONTENT_TYPE, "application/json");
    if is(header::HeaderName::from_static("sec-fetch-site"), "cross-site") {
        return (StatusCode::FORBIDDEN, "mailbell demo: this form cannot be sent from another site\n").into_response();
    }
    let read = if json {
        Json::<SendRequest>::from_request(request, &()).await.map(|Json(read)| read).map_err(|why| why.body_text())
    } else {
        Form::<SendRequest>::from_request(request, &()).await.map(|Form(read)| read).map_err(|why| why.body_text())
    };
    let (to, outcome) = match read {
        Ok(request) => (request.to.clone(), deliver_request(&state, &request).await),
        Err(why) => {
            let zh = format!("请求无法读取：{why}");
            (String::new(), Outcome::refused(StatusCode::BAD_REQUEST, zh, format!("The request cannot be read: {why}")))
        }
    };
    if json { (outcome.status, Json(outcome)).into_response() } else { page(&state, &to, Some(&outcome)) }
}

async fn deliver_request(state: &DemoState, request: &SendRequest) -> Outcome {
    let Some(user) = state.user(&request.to) else {
        let (zh, en) = (format!("没有用户 {:?}", request.to), format!("There is no user {:?}", request.to));
        return Outcome::refused(StatusCode::BAD_REQUEST, zh, en);
    };
    let id = format!("{:016x}", rand::random::<u64>());
    let date = Zoned::now();
    let (from, mails) = if request.sample.is_empty() {
        let mail = Mail {
            from_name: &request.from_name,
            from: FORM_SENDER,
            to: &user.address,
            subject: &request.subject,
            body: &request.body,
            id: &id,
            date: &date,
        };
        (FORM_SENDER, vec![mail.to_bytes()])
    } else if let Some(sample) = Sample::of_key(&request.sample) {
        (sample.from(), sample.build(&user.address, &id, &date))
    } else {
        let (zh, en) = (format!("没有样例 {:?}", request.sample), format!("There is no sample {:?}", request.sample));
        return Outcome::refused(StatusCode::BAD_REQUEST, zh, en);
    };
    match deliver_all(state.lmtp, from, &user.address, &mails).await {
        Ok(took) => delivered(user, mails.len(), took),
        Err(error) => {
            let (zh, en) = (format!("未能投递：{error}"), format!("Not delivered: {error}"));
            Outcome::refused(StatusCode::BAD_GATEWAY, zh, en)
        }
    }
}

/// Delivers the mails one after the other, and gives the milliseconds it took.
async fn deliver_all(lmtp: SocketAddr, from: &str, to: &str, mails: &[Vec<u8>]) -> Result<u128, LmtpError> {
    let begun = Instant::now();
    for mail in mails {
        deliver(lmtp, from, to, mail).await?;
    }
    Ok(begun.elapsed().as_millis())
}

fn delivered(user: &DemoUser, count: usize, took: u128) -> Outcome {
    let DemoUser { name, address, .. } = user;
    let mails = if count == 1 { "1 mail".to_owned() } else { format!("{count} mails") };
    Outcome {
        ok: true,
        zh: format!("已投递 {count} 封给 {name}（{address}），用时 {took} 毫秒"),
        en: format!("Delivered {mails} to {address} in {took} ms"),
        status: StatusCode::OK,
    }
}

/// The page with this user chosen (the first when there is none such).
fn page(state: &DemoState, who: &str, outcome: Option<&Outcome>) -> Response {
    let chosen = state.user(who).or(state.users.first());
    let chat = chosen.map_or_else(|| "about:blank".to_owned(), |user| state.chat_of(user));
    let users: String = state
        .users
        .iter()
        .map(|user| {
            let selected = if chosen.is_some_and(|chosen| chosen.userid == user.userid) { " selected" } else { "" };
            let (id, chat) = (escaped(&user.userid), escaped(&state.chat_of(user)));
            let (name, address) = (escaped(&user.name), escaped(&user.address));
            format!("<option value=\"{id}\" data-chat=\"{chat}\"{selected}>{name} · {address}</option>\n")
        })
        .collect();
    let samples: String = Sample::ALL
        .iter()
        .map(|sample| {
            let ((zh, en), key) = (sample.label(), sample.key());
            format!("<button class=\"sample\" name=\"sample\" value=\"{key}\">{zh}<small>{en}</small></button>\n")
        })
        .collect();
    let sent = outcome.map(line).unwrap_or_default();
    let html = filled(&[("users", &users), ("samples", &samples), ("sent", &sent), ("chat", &escaped(&chat))]);
    let status = outcome.map_or(StatusCode::OK, |outcome| outcome.status);
    let origin = url::Url::parse(&state.chat).map(|chat| chat.origin().ascii_serialization()).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'; frame-src {origin}"
    );
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (status, headers, Html(html)).into_response()
}

/// The page's text with what is between doubled braces replaced, once and in one pass: what is filled in is not searched.
fn filled(values: &[(&str, &str)]) -> String {
    let mut html = String::with_capacity(PAGE.len() + 4096);
    let mut rest = PAGE;
    while let Some((before, tail)) = rest.split_once("{{") {
        let (name, after) = tail.split_once("}}").unwrap_or((tail, ""));
        html.push_str(before);
        html.push_str(values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value));
        rest = after;
    }
    html.push_str(rest);
    html
}

fn line(outcome: &Outcome) -> String {
    let class = if outcome.ok { "ok" } else { "bad" };
    format!("<li class=\"{class}\">{}<small>{}</small></li>", escaped(&outcome.zh), escaped(&outcome.en))
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
    use super::*;
    use axum::body::to_bytes;
    use tokio::net::TcpListener;

    fn state(lmtp: SocketAddr) -> DemoState {
        let user = |userid: &str, name: &str| DemoUser {
            userid: userid.to_owned(),
            name: name.to_owned(),
            address: format!("{userid}@corp.example"),
        };
        let users = vec![user("zhangsan", "张<三>"), user("li si", "{{chat}}")];
        DemoState { users, lmtp, chat: "http://127.0.0.1:8080".to_owned() }
    }

    /// Serves one connection over TCP, as in the demo.
    async fn ask(state: DemoState, request: &str) -> String {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut stream = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, router(state)).await });
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        server.abort();
        answer
    }

    fn post(kind: &str, body: &str) -> String {
        let length = body.len();
        format!(
            "POST /send HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    }

    fn nowhere() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 1))
    }

    #[tokio::test]
    async fn the_page_shows_users_samples_and_the_chat() {
        let response = page(&state(nowhere()), "li si", None);
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        assert!(policy.ends_with("frame-src http://127.0.0.1:8080"), "{policy}");
        let html = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let html = String::from_utf8(html.to_vec()).unwrap();
        assert!(html.contains("<title>邮铃 mailbell demo</title>"));
        assert!(html.contains("张&lt;三&gt; · zhangsan@corp.example"), "{html}");
        assert!(html.contains("src=\"http://127.0.0.1:8080/chat/li%20si\""), "{html}");
        // a value that looks like a place to fill in stays what it is
        assert!(html.contains(" selected>{{chat}} · li si@corp.example"), "{html}");
        assert!(Sample::ALL.iter().all(|sample| html.contains(&format!("value=\"{}\"", sample.key()))));
        assert!(!html.contains("https://") && !html.contains("{{users}}"));
    }

    #[tokio::test]
    async fn mistakes_are_told_in_both_forms() {
        let cases = [
            (post("application/json", r#"{"to":"nobody"}"#), "400", r#"{"ok":false,"zh":"没有用户"#),
            (post("application/json", r#"{"to":"zhangsan","sample":"x"}"#), "400", "There is no sample"),
            (post("application/json", "{"), "400", "The request cannot be read"),
            (post("application/json", r#"{"to":"zhangsan"}"#), "502", "Not delivered: LMTP server 127.0.0.1:1"),
            (post("application/x-www-form-urlencoded", "to=%3Cb%3E"), "400", "没有用户 &quot;&lt;b&gt;&quot;"),
            (post("text/plain", "to=zhangsan"), "400", "The request cannot be read"),
        ];
        for (request, status, words) in cases {
            let answer = ask(state(nowhere()), &request).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request}: {answer}");
            assert!(answer.contains(words), "{request}: {answer}");
        }
        let foreign = post("application/json", "{}").replace("Host: x", "Host: x\r\nSec-Fetch-Site: cross-site");
        assert!(ask(state(nowhere()), &foreign).await.starts_with("HTTP/1.1 403"));
    }
}
