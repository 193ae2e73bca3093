//! Binding one account: what a person types, checked by the same rules as everything else.

use super::console::Console;
use super::reply::{self, Frame, go, page, page_with};
use super::rows::account_link;
use super::visit::{Fields, Visit};
use crate::config::built_in_providers;
use crate::model::{Entry, Secret};
use crate::office::{How, Row, Turned};
use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "add.html")]
struct AddPage {
    frame: Frame,
    entry: Entry,
    recipients: String,
    folders: String,
    port: String,
    providers: Vec<(String, String)>,
    tls: [(&'static str, bool); 4],
    modes: [(&'static str, bool); 5],
    wrong: Option<String>,
}

/// What a form says of an account.
fn entry(form: &Fields) -> Entry {
    let text = |name: &str| form.text(name).to_owned();
    let list = |name: &str| {
        let parts = form.text(name).split([';', '；', '、', ',', '，', '\n']);
        parts.map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    };
    Entry {
        email: text("email"),
        user: text("user"),
        recipients: list("recipients"),
        provider: text("provider"),
        host: text("host"),
        port: form.text("port").parse().ok(),
        tls: text("tls"),
        login: text("login"),
        oauth: text("oauth"),
        folders: list("folders"),
        mode: text("mode"),
        note: text("note"),
    }
}

fn form(visit: &Visit, status: StatusCode, entry: Entry, wrong: Option<String>) -> Response {
    let lang = visit.lang;
    let title = |name: &str| built_in_providers().get(name).map_or(name, |known| known.title(lang)).to_owned();
    let providers = visit.settings.providers.iter().map(|name| (name.clone(), title(name))).collect();
    let chosen = |word: &'static str, now: &str| (word, word == now);
    let page = AddPage {
        frame: Frame::of(visit),
        recipients: entry.recipients.join("; "),
        folders: entry.folders.join("; "),
        port: entry.port.map(|port| port.to_string()).unwrap_or_default(),
        providers,
        tls: ["", "implicit", "starttls", "none"].map(|word| chosen(word, &entry.tls)),
        modes: ["", "auto", "notify", "idle", "poll"].map(|word| chosen(word, &entry.mode)),
        entry,
        wrong,
    };
    page_with(status, &page)
}

pub(super) async fn show(Extension(visit): Extension<Arc<Visit>>) -> Response {
    form(&visit, StatusCode::OK, Entry::default(), None)
}

pub(super) async fn add(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Response {
    let entry = entry(&visit.form);
    let port = visit.form.text("port");
    if entry.port.is_none() && !port.is_empty() {
        let said = visit.pick("端口应为 1 到 65535 的数字", "the port is a number from 1 to 65535").to_owned();
        return form(&visit, StatusCode::BAD_REQUEST, entry, Some(said));
    }
    let password = Some(visit.form.raw("password")).filter(|text| !text.is_empty()).map(Secret::new);
    let row = Row { entry: entry.clone(), password, disabled: None };
    let how = How { only_new: true, ..How::default() };
    match console.parts.office.tell(vec![row], how, &visit.by()).await {
        Ok(outcomes) => match outcomes.into_iter().next().map(|outcome| outcome.turned) {
            Some(Turned::Wrong(words)) => {
                form(&visit, StatusCode::BAD_REQUEST, entry, Some(words.text(visit.lang).to_owned()))
            }
            _ => go(&format!("{}?done=added", account_link(&entry.account().0))),
        },
        Err(reason) => reply::declined(&visit, &reason),
    }
}

#[derive(Template)]
#[template(path = "unbind.html")]
pub(super) struct UnbindPage {
    pub(super) frame: Frame,
    pub(super) address: String,
    pub(super) link: String,
    pub(super) whose: String,
    pub(super) wrong: Option<&'static str>,
}

/// The page that asks whether an account is really to be unbound.
pub(super) fn unbind(visit: &Visit, address: &str, whose: String, is_wrong: bool) -> Response {
    let wrong = visit.lang.pick("输入的地址不一致，没有解绑。", "The address differs; nothing was unbound.");
    let shown = UnbindPage {
        frame: Frame::of(visit),
        address: address.to_owned(),
        link: account_link(address),
        whose,
        wrong: is_wrong.then_some(wrong),
    };
    if is_wrong { page_with(StatusCode::BAD_REQUEST, &shown) } else { page(&shown) }
}
