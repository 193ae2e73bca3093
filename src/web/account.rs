//! One account: how it is watched, folder by folder, what went wrong and what to do, and what became of its last letters;
//! of an account of the registry also what is registered, and what can be done with it.

use super::accounts::Known;
use super::console::Console;
use super::reply::{self, Frame, page};
use super::rows::{LetterRow, account_link};
use super::visit::Visit;
use crate::config::{Account, Part};
use crate::control::words::{local, plain, rank, span};
use crate::control::{AccountStatus, FolderStatus, Selection};
use crate::health::Reason;
use crate::model::{AccountId, Entry, Lang, Standing};
use crate::office::{Listed, OfficeError, Tested};
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
    link: String,
    state: String,
    tone: &'static str,
    /// What was just done.
    said: Option<(&'static str, String)>,
    steps: Vec<String>,
    trouble: Option<String>,
    facts: Vec<(&'static str, String)>,
    entry: Vec<(&'static str, String)>,
    error: Option<String>,
    advice: Vec<String>,
    folders: Vec<FolderRow>,
    letters: Vec<LetterRow>,
    personal: bool,
    of_file: bool,
    may_act: bool,
    is_registered: bool,
    is_disabled: bool,
    is_watched: bool,
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
    let said = done_word(visit.query.text("done"), visit.lang).map(|text| ("", text.to_owned()));
    made(&console, &visit, &AccountId::new(&address), said, Vec::new()).await
}

/// The page with what came of a login that was tried.
pub(super) async fn show_tested(console: &Console, visit: &Visit, account: &AccountId, tested: &Tested) -> Response {
    let lang = visit.lang;
    let (said, steps) = match &tested.error {
        None => {
            let text = lang.pick("登录成功，看到 {} 个文件夹。", "The login is good; it sees {} folder(s).");
            (("", text.replace("{}", &tested.folders.to_string())), Vec::new())
        }
        Some(error) => {
            let text = format!("{}{}", lang.pick("登录失败：", "The login failed: "), plain(error));
            (("bad", text), tested.advice.text(lang).lines().map(str::to_owned).collect())
        }
    };
    made(console, visit, account, Some(said), steps).await
}

fn done_word(word: &str, lang: Lang) -> Option<&'static str> {
    match word {
        "added" => Some(lang.pick("已添加，正在连接。", "The account was added and is being connected.")),
        "sync" => Some(lang.pick("已请求立即查看。", "It is being looked into now.")),
        "disabled" => Some(lang.pick("已停用。", "The account is disabled.")),
        "enabled" => Some(lang.pick("已启用，正在连接。", "The account is enabled and is being connected.")),
        "password" => {
            Some(lang.pick("密码已更换，原密码已销毁。", "The password is set; the one before is destroyed."))
        }
        _ => None,
    }
}

/// An account as it is known, if it is.
pub(super) async fn known(console: &Console, id: &AccountId) -> Result<Option<Known>, OfficeError> {
    let wanted = Selection { account: Some(id), ..Selection::default() };
    let status = console.parts.service.status(&wanted).await?.accounts.into_iter().next();
    let of_file = console.settings().of_file(id);
    let listed = if of_file.is_some() { None } else { console.parts.office.show(id).await? };
    let is_known = status.is_some() || listed.is_some() || of_file.is_some();
    Ok(is_known.then(|| Known { id: id.clone(), status, listed, of_file }))
}

async fn made(
    console: &Console,
    visit: &Visit,
    id: &AccountId,
    said: Option<(&'static str, String)>,
    steps: Vec<String>,
) -> Response {
    let known = match known(console, id).await {
        Ok(Some(known)) => known,
        Ok(None) => return reply::missing(visit),
        Err(reason) => return reply::declined(visit, &reason),
    };
    let why = Why { account: Some(id.clone()), most: LETTERS, ..Why::default() };
    let stories = match console.parts.ledger.why(why).await {
        Ok(stories) => stories,
        Err(reason) => return reply::broken(visit, &reason),
    };
    let (lang, settings) = (visit.lang, &visit.settings);
    let letters = stories.iter().map(|s| LetterRow::of(s, settings.personal, lang, &settings.zone)).collect();
    let (state, tone) = known.state(lang);
    let account = console.parts.service.account(id);
    let told = known.status.as_ref();
    let in_trouble = told.filter(|told| rank(&told.state) < crate::control::words::TROUBLES);
    let listed = known.listed.as_ref();
    page(&AccountPage {
        frame: Frame::of(visit),
        address: id.to_string(),
        link: account_link(&id.0),
        state,
        tone,
        said,
        steps,
        trouble: listed.and_then(|listed| listed.trouble.as_ref()).map(|words| words.text(lang).to_owned()),
        facts: account.as_ref().zip(told).map(|(account, told)| facts(account, told, lang)).unwrap_or_default(),
        entry: listed.map(|listed| registered(listed, visit)).unwrap_or_default(),
        error: told.and_then(|told| error(told, lang)),
        advice: account.as_ref().zip(in_trouble).map(|(a, told)| advice(a, told, lang)).unwrap_or_default(),
        folders: told.map(|told| told.folders.iter().map(|f| folder(f, lang)).collect()).unwrap_or_default(),
        letters,
        personal: settings.personal,
        of_file: known.of_file.is_some(),
        may_act: visit.may_act(),
        is_registered: listed.is_some(),
        is_disabled: listed.is_some_and(|listed| matches!(listed.account.standing, Standing::Disabled { .. })),
        is_watched: told.is_some_and(|told| told.state != "disabled"),
    })
}

fn error(told: &AccountStatus, lang: Lang) -> Option<String> {
    let error = told.last_error.as_deref().map(plain)?;
    let ago = |seconds| lang.pick("（{} 前）", " ({} ago)").replace("{}", &span(Some(seconds)));
    Some(format!("{error}{}", told.last_error_seconds.map(ago).unwrap_or_default()))
}

fn folder(folder: &FolderStatus, lang: Lang) -> FolderRow {
    FolderRow {
        name: plain(&folder.folder),
        fresh: span(folder.fresh_seconds),
        pushed: if folder.pushed { lang.pick("是", "yes") } else { lang.pick("否", "no") },
        refused: folder.refused.as_deref().map(plain).unwrap_or_default(),
    }
}

/// What the registry has of it, in pairs.
fn registered(listed: &Listed, visit: &Visit) -> Vec<(&'static str, String)> {
    let (lang, zone) = (visit.lang, &visit.settings.zone);
    let account = &listed.account;
    let Entry { user, recipients, provider, host, port, tls, login, oauth, folders, mode, note, .. } = &account.entry;
    let server = port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
    let password = if account.has_password { lang.pick("已保存", "stored") } else { lang.pick("无", "none") };
    let standing = match &account.standing {
        Standing::Enabled => lang.pick("启用", "enabled").to_owned(),
        Standing::Disabled { since, why } => {
            format!("{} {} {why}", lang.pick("停用，自", "disabled since"), local(*since, zone))
        }
        Standing::Leaving { since } => {
            format!("{} {}", lang.pick("成员已离开，自", "the member left, noticed"), local(*since, zone))
        }
    };
    let all = [
        (lang.pick("成员", "Member"), user.clone()),
        (lang.pick("接收人", "Recipients"), recipients.join(lang.pick("、", ", "))),
        (lang.pick("服务商", "Provider"), provider.clone()),
        (lang.pick("服务器", "Host"), server),
        (lang.pick("加密方式", "TLS"), tls.clone()),
        (lang.pick("登录名", "Login"), login.clone()),
        ("OAuth", oauth.clone()),
        (lang.pick("文件夹", "Folders"), folders.join(lang.pick("、", ", "))),
        (lang.pick("监视方式", "Mode"), mode.clone()),
        (lang.pick("密码", "Password"), password.to_owned()),
        (lang.pick("登记状态", "Standing"), standing),
        (lang.pick("备注", "Note"), note.clone()),
        (lang.pick("登记于", "Added"), local(account.added, zone)),
        (lang.pick("修改于", "Changed"), local(account.changed, zone)),
    ];
    all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
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
