//! Alerts that are not settled, the dead ones first of all: why, what to do, and sending them again or giving them up.

use super::console::Console;
use super::reply::{self, Frame, fault, go, page};
use super::rows::alert_tone;
use super::visit::Visit;
use crate::control::words::{alert_word, kind_word, local, people, plain};
use crate::model::{AlertId, Deed, Lang, What};
use crate::office::OfficeError;
use crate::state::{AlertState, AlertView};
use crate::wecom::advice_on;
use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::Arc;

/// Alerts in a list.
const ROWS: usize = 100;
/// Alerts that a record of the audit names.
const NAMED: usize = 50;

/// What may be asked for.
pub(super) const STATES: [AlertState; 6] = [
    AlertState::Dead,
    AlertState::Again,
    AlertState::Ready,
    AlertState::Sending,
    AlertState::Sent,
    AlertState::Dropped,
];

#[derive(Template)]
#[template(path = "alerts.html")]
struct AlertsPage {
    frame: Frame,
    states: Vec<(String, &'static str, bool)>,
    rows: Vec<AlertRow>,
    more: bool,
    said: Option<String>,
    can_act: bool,
}

struct AlertRow {
    id: u64,
    state: &'static str,
    tone: &'static str,
    to: String,
    form: &'static str,
    about: String,
    made_at: String,
    tries: u32,
    answer: String,
    advice: Option<&'static str>,
}

/// The word of a state in a query.
pub(super) fn word_of(state: AlertState) -> String {
    serde_json::to_value(state).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

pub(super) fn state_of(word: &str) -> Option<AlertState> {
    STATES.into_iter().find(|state| word_of(*state) == word)
}

pub(super) async fn list(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Response {
    let wanted = state_of(visit.query.text("state")).unwrap_or(AlertState::Dead);
    let mut views = match console.parts.ledger.alerts(Some(wanted), ROWS + 1).await {
        Ok(views) => views,
        Err(reason) => return reply::broken(&visit, &reason),
    };
    let more = views.len() > ROWS;
    views.truncate(ROWS);
    let lang = visit.lang;
    let state = |state: AlertState| (word_of(state), alert_word(state, lang), state == wanted);
    page(&AlertsPage {
        frame: Frame::of(&visit),
        states: STATES.into_iter().map(state).collect(),
        rows: views.iter().map(|view| row(view, &visit)).collect(),
        more,
        said: said(&visit),
        can_act: visit.may_act() && !matches!(wanted, AlertState::Sent | AlertState::Dropped | AlertState::Sending),
    })
}

/// What the last action did, as its own answer said.
fn said(visit: &Visit) -> Option<String> {
    let count: usize = visit.query.text("count").parse().ok()?;
    match (visit.query.text("done"), visit.lang) {
        ("retry", Lang::ZhCn) => Some(format!("已重新发送 {count} 条提醒。")),
        ("retry", Lang::En) => Some(format!("{count} alert(s) are sent again.")),
        ("drop", Lang::ZhCn) => Some(format!("已放弃 {count} 条提醒；记录保留 30 天。")),
        ("drop", Lang::En) => Some(format!("{count} alert(s) were dropped; the ledger remembers them for 30 days.")),
        _ => None,
    }
}

fn row(view: &AlertView, visit: &Visit) -> AlertRow {
    let lang = visit.lang;
    AlertRow {
        id: view.id.0,
        state: alert_word(view.state, lang),
        tone: alert_tone(view.state),
        to: people(&view.recipients, lang),
        form: kind_word(view.kind, lang),
        about: about(view, lang),
        made_at: local(view.made_at, &visit.settings.zone),
        tries: view.tries,
        answer: plain(&view.answer),
        advice: advice_on(&view.answer, lang).filter(|_| matches!(view.state, AlertState::Dead | AlertState::Again)),
    }
}

/// Which accounts and folders it is about, and of how many letters; nothing out of these.
fn about(view: &AlertView, lang: Lang) -> String {
    let mut places: Vec<String> =
        view.named.iter().map(|named| format!("{} {}", named.account, named.folder)).collect();
    places.dedup();
    let place = places.first().map(|place| plain(place)).unwrap_or_default();
    let more = if places.len() > 1 { "…" } else { "" };
    match (view.letters, lang) {
        (0, _) => lang.pick("邮箱状况报告", "a report on accounts").to_owned(),
        (count, Lang::ZhCn) => format!("{count} 封 {place}{more}"),
        (1, Lang::En) => format!("1 letter {place}{more}"),
        (count, Lang::En) => format!("{count} letters {place}{more}"),
    }
}

#[derive(Template)]
#[template(path = "alert.html")]
struct AlertPage {
    frame: Frame,
    id: u64,
    state: &'static str,
    tone: &'static str,
    facts: Vec<(&'static str, String)>,
    answer: String,
    advice: Option<&'static str>,
    letters: Vec<(String, String, String, String)>,
    personal: bool,
    can_act: bool,
}

pub(super) async fn show(
    State(console): State<Arc<Console>>,
    Extension(visit): Extension<Arc<Visit>>,
    Path(number): Path<String>,
) -> Response {
    let Ok(id) = number.parse().map(AlertId) else { return reply::missing(&visit) };
    match console.parts.ledger.alert(id).await {
        Ok(Some(view)) => page(&made(&visit, &view)),
        Ok(None) => reply::missing(&visit),
        Err(reason) => reply::broken(&visit, &reason),
    }
}

fn made(visit: &Visit, view: &AlertView) -> AlertPage {
    let (lang, zone) = (visit.lang, &visit.settings.zone);
    let all = view.recipients.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut facts = vec![
        (lang.pick("接收人", "To"), all.join(lang.pick("、", ", "))),
        (lang.pick("形式", "Form"), kind_word(view.kind, lang).to_owned()),
        (lang.pick("紧急程度", "Urgency"), view.urgency.word().to_owned()),
        (lang.pick("邮件数", "Letters"), view.letters.to_string()),
        (lang.pick("创建时间", "Made at"), local(view.made_at, zone)),
    ];
    facts.extend(view.first_try.map(|at| (lang.pick("首次尝试", "First try"), local(at, zone))));
    facts.push((lang.pick("尝试次数", "Tries"), view.tries.to_string()));
    facts.extend(view.ended_at.map(|at| (lang.pick("完成时间", "Ended at"), local(at, zone))));
    let personal = visit.settings.personal;
    let letters = view.named.iter().map(|letter| {
        let from = letter.from.name.as_deref().or(letter.from.address.as_deref()).unwrap_or_default();
        let about = format!("{from}{}{}", lang.pick("：", ": "), letter.subject.as_deref().unwrap_or_default());
        let about = if personal { plain(&about) } else { String::new() };
        (local(letter.time, zone), letter.account.clone(), plain(&letter.folder), about)
    });
    AlertPage {
        frame: Frame::of(visit),
        id: view.id.0,
        state: alert_word(view.state, lang),
        tone: alert_tone(view.state),
        facts,
        answer: plain(&view.answer),
        advice: advice_on(&view.answer, lang).filter(|_| matches!(view.state, AlertState::Dead | AlertState::Again)),
        letters: letters.collect(),
        personal,
        can_act: visit.may_act() && matches!(view.state, AlertState::Dead | AlertState::Again | AlertState::Ready),
    }
}

/// What is done to alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Retry,
    Drop,
}

impl Decision {
    fn what(self) -> What {
        match self {
            Self::Retry => What::AlertRetry,
            Self::Drop => What::AlertDrop,
        }
    }
}

/// Does it to these, or (with `None`) to all dead ones: those for which it was done. Noted in the audit first.
pub(super) async fn decide(
    console: &Console,
    visit: &Visit,
    ids: Option<Vec<AlertId>>,
    decision: Decision,
) -> Result<Vec<AlertId>, OfficeError> {
    let whom = match &ids {
        None => "all dead ones".to_owned(),
        Some(ids) => ids.iter().take(NAMED).map(ToString::to_string).collect::<Vec<_>>().join(" "),
    };
    let mut deed = Deed::done(decision.what(), whom);
    if let Some(ids) = ids.as_ref().filter(|ids| ids.len() > NAMED) {
        deed = deed.with("count", ids.len().to_string());
    }
    console.note(&visit.by(), deed).await?;
    let (ledger, now) = (&console.parts.ledger, console.parts.clock.now());
    Ok(match decision {
        Decision::Retry => ledger.retry(ids, now).await?,
        Decision::Drop => ledger.discard(ids, now).await?,
    })
}

/// The alerts that a form names; all dead ones if it says so.
fn named(visit: &Visit) -> Option<Option<Vec<AlertId>>> {
    if visit.form.text("all") == "yes" {
        return Some(None);
    }
    let ids: Vec<_> = visit.form.all("id").filter_map(|id| id.parse().ok().map(AlertId)).collect();
    (!ids.is_empty()).then_some(Some(ids))
}

async fn act(console: &Console, visit: &Visit, decision: Decision) -> Response {
    let Some(ids) = named(visit) else {
        return fault(
            visit,
            StatusCode::BAD_REQUEST,
            "没有选中提醒。请返回，勾选后再试。",
            "No alert was chosen. Go back and tick some.",
        );
    };
    match decide(console, visit, ids, decision).await {
        Ok(done) => {
            let word = if decision == Decision::Retry { "retry" } else { "drop" };
            go(&format!("/admin/alerts?done={word}&count={}", done.len()))
        }
        Err(reason) => reply::declined(visit, &reason),
    }
}

pub(super) async fn retry(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Response {
    act(&console, &visit, Decision::Retry).await
}

pub(super) async fn discard(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Response {
    act(&console, &visit, Decision::Drop).await
}
