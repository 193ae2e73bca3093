//! One account: how it is watched, folder by folder, what went wrong and what to do, and what became of its last letters.

use super::console::Console;
use super::reply::{self, Frame, page};
use super::rows::{LetterRow, tone_of};
use super::visit::Visit;
use crate::config::{Account, Part};
use crate::control::words::{plain, rank, span, state_word};
use crate::control::{AccountStatus, Selection};
use crate::health::Reason;
use crate::model::{AccountId, Lang};
use crate::state::Why;
use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use std::sync::Arc;

/// Letters that are shown.
const LETTERS: usize = 20;

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Frame,
    address: String,
    state: String,
    tone: &'static str,
    facts: Vec<(&'static str, String)>,
    error: Option<String>,
    advice: Vec<String>,
    folders: Vec<FolderRow>,
    letters: Vec<LetterRow>,
    personal: bool,
}

struct FolderRow {
    name: String,
    fresh: String,
    pushed: &'static str,
    refused: String,
}

pub(super) async fn show(
    State(console): State<Arc<Console>>,
    Extension(visit): Extension<Arc<Visit>>,
    Path(address): Path<String>,
) -> Response {
    let id = AccountId::new(&address);
    let Some(account) = console.parts.service.account(&id) else { return reply::missing(&visit) };
    let wanted = Selection { account: Some(&id), ..Selection::default() };
    let status = match console.parts.service.status(&wanted).await {
        Ok(status) => status,
        Err(reason) => return reply::broken(&visit, &reason),
    };
    let why = Why { account: Some(id.clone()), most: LETTERS, ..Why::default() };
    let stories = match console.parts.ledger.why(why).await {
        Ok(stories) => stories,
        Err(reason) => return reply::broken(&visit, &reason),
    };
    let Some(told) = status.accounts.first() else { return reply::missing(&visit) };
    let settings = &visit.settings;
    let letters = stories.iter().map(|s| LetterRow::of(s, settings.personal, visit.lang, &settings.zone)).collect();
    page(&made(&visit, &account, told, letters))
}

fn made(visit: &Visit, account: &Account, told: &AccountStatus, letters: Vec<LetterRow>) -> AccountPage {
    let lang = visit.lang;
    let in_trouble = rank(&told.state) < crate::control::words::TROUBLES;
    let error = told.last_error.as_deref().map(|error| match told.last_error_seconds {
        Some(seconds) => {
            let ago = lang.pick("（{} 前）", " ({} ago)").replace("{}", &span(Some(seconds)));
            format!("{}{ago}", plain(error))
        }
        None => plain(error),
    });
    let folder = |folder: &crate::control::FolderStatus| FolderRow {
        name: plain(&folder.folder),
        fresh: span(folder.fresh_seconds),
        pushed: if folder.pushed { lang.pick("是", "yes") } else { lang.pick("否", "no") },
        refused: folder.refused.as_deref().map(plain).unwrap_or_default(),
    };
    AccountPage {
        frame: Frame::of(visit),
        address: told.account.clone(),
        state: state_word(&told.state, lang).to_owned(),
        tone: tone_of(&told.state),
        facts: facts(account, told, lang),
        advice: if in_trouble { advice(account, told, lang) } else { Vec::new() },
        error,
        folders: told.folders.iter().map(folder).collect(),
        letters,
        personal: visit.settings.personal,
    }
}

/// What is known, in pairs.
fn facts(account: &Account, told: &AccountStatus, lang: Lang) -> Vec<(&'static str, String)> {
    let server = &account.provider.server;
    let host = format!("{}:{}", server.host, server.port);
    let provider = match &account.provider.name {
        Some(name) => format!("{name} ({host})"),
        None => host,
    };
    let mode = told.mode.clone().unwrap_or_else(|| "-".to_owned());
    let why = told.why.as_deref().map(|why| Reason::of(why).text(lang).to_owned());
    let mut facts = vec![
        (lang.pick("接收人", "Recipients"), told.recipients.join(lang.pick("、", ", "))),
        (lang.pick("服务器", "Server"), provider),
        (
            lang.pick("方式", "Mode"),
            why.map_or_else(|| mode.clone(), |why| format!("{mode}{}{why}", lang.pick("：", ": "))),
        ),
        (lang.pick("最近应答", "Proof of life"), ago(told.proof_of_life_seconds, lang)),
        (lang.pick("最近同步", "Last sync"), ago(told.last_sync_seconds, lang)),
        (lang.pick("本小时剩余同步", "Budget left this hour"), told.budget_left.to_string()),
        (lang.pick("连接", "Connections"), told.connections.to_string()),
    ];
    if told.blind_seconds.is_some() {
        facts.push((lang.pick("无应答已有", "Blind for"), span(told.blind_seconds)));
    }
    if told.next_try_seconds.is_some() {
        facts.push((lang.pick("下次重试", "Next try in"), span(told.next_try_seconds)));
    }
    if let Some(alert) = &told.server_alert {
        facts.push((lang.pick("服务器的通知", "The server says"), plain(alert)));
    }
    facts
}

fn ago(seconds: Option<u64>, lang: Lang) -> String {
    match seconds {
        None => "-".to_owned(),
        some => lang.pick("{} 前", "{} ago").replace("{}", &span(some)),
    }
}

/// What to do about the last error: what the server's words are known to mean; of a refused login else what the provider
/// wants.
fn advice(account: &Account, told: &AccountStatus, lang: Lang) -> Vec<String> {
    let error = told.last_error.as_deref().unwrap_or_default();
    let known = account.answer_to(error, lang);
    let parts = match &known {
        Some(meaning) => meaning.then.clone(),
        None if told.state == "login_refused" => vec![account.proof(), Part::Admin],
        None => Vec::new(),
    };
    let mut lines = known.map(|meaning| meaning.steps).unwrap_or_default();
    for part in parts {
        lines.extend(account.provider.steps(part, lang));
    }
    if lines.is_empty() {
        let said = lang.pick(
            "在服务器上执行 mailbell check，它会逐步检查此邮箱并说明处理办法。",
            "Run mailbell check on the server: it tries this account step by step and says what to do.",
        );
        lines.push(said.to_owned());
    }
    lines
}
