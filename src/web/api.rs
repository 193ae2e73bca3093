//! The console for programs: the same in JSON.

use super::accounts::{self, Asked, Known};
use super::alerts::{Decision, decide, state_of};
use super::console::Console;
use super::visit::Visit;
use super::{account, overview, reply};
use crate::model::{AccountId, AlertId, Entry, Recipient, Secret};
use crate::office::{How, Outcome, Row, Turned};
use crate::state::{AlertView, StateError};
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Alerts that are told of at one time.
const ALERTS: usize = 1000;

fn answer<T: serde::Serialize>(visit: &Visit, answer: Result<T, StateError>) -> Response {
    match answer {
        Ok(value) => reply::json_of(&value),
        Err(reason) => reply::broken(visit, &reason),
    }
}

pub(super) async fn description() -> Response {
    reply::json_of(&super::openapi::description())
}

pub(super) async fn status(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Response {
    answer(&visit, console.parts.service.status(&overview::WANTED).await)
}

/// Accounts, a page at a time.
pub(super) async fn accounts(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Response {
    match accounts::gather(&console, &Asked::of(&visit)).await {
        Ok((found, next)) => {
            let found: Vec<_> = found.iter().map(told).collect();
            reply::json_of(&json!({ "accounts": found, "next": next }))
        }
        Err(reason) => reply::declined(&visit, &reason),
    }
}

fn told(known: &Known) -> Value {
    json!({ "account": known.id, "of_file": known.of_file.is_some(), "watched": known.status, "registered": known.listed })
}

/// The keys of `[[account]]`; what is left out is empty.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Told {
    email: String,
    user: String,
    recipients: Vec<String>,
    provider: String,
    host: String,
    port: Option<u16>,
    tls: String,
    login: String,
    password: Option<String>,
    oauth: String,
    folders: Vec<String>,
    mode: String,
    note: String,
}

impl From<Told> for Row {
    fn from(told: Told) -> Self {
        let Told { email, user, recipients, provider, host, port, tls, login, password, oauth, folders, mode, note } =
            told;
        let entry = Entry { email, user, recipients, provider, host, port, tls, login, oauth, folders, mode, note };
        Self { entry, password: password.map(Secret::new), disabled: None }
    }
}

/// Binds an account.
pub(super) async fn add(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Response {
    let told: Told = match serde_json::from_slice(&visit.body) {
        Ok(told) => told,
        // What was sent is not repeated: there may be a password in it.
        Err(error) => {
            let said =
                format!("line {}, column {}: this is not {{\"email\": \"...\", ...}}", error.line(), error.column());
            return reply::fault(&visit, StatusCode::BAD_REQUEST, "", &said);
        }
    };
    let how = How { only_new: true, ..How::default() };
    match console.parts.office.tell(vec![told.into()], how, &visit.by()).await {
        Ok(outcomes) => match outcomes.into_iter().next() {
            Some(Outcome { turned: Turned::Wrong(words), .. }) => {
                reply::fault(&visit, StatusCode::BAD_REQUEST, &words.zh, &words.en)
            }
            Some(outcome) => reply::json_of(&json!({ "added": outcome.account })),
            None => reply::missing(&visit),
        },
        Err(reason) => reply::declined(&visit, &reason),
    }
}

pub(super) async fn account(
    State(console): State<Arc<Console>>,
    Extension(visit): Extension<Arc<Visit>>,
    Path(address): Path<String>,
) -> Response {
    match account::known(&console, &AccountId::new(&address)).await {
        Ok(known) => known.map_or_else(|| reply::missing(&visit), |known| reply::json_of(&told(&known))),
        Err(reason) => reply::declined(&visit, &reason),
    }
}

/// An alert without what is in its letters.
fn shown(view: &AlertView) -> Value {
    json!({
        "id": view.id.0,
        "state": view.state,
        "kind": view.kind,
        "urgency": view.urgency.word(),
        "recipients": view.recipients.iter().map(Recipient::to_string).collect::<Vec<_>>(),
        "letters": view.letters,
        "made_at": view.made_at.to_string(),
        "first_try": view.first_try.map(|at| at.to_string()),
        "ended_at": view.ended_at.map(|at| at.to_string()),
        "tries": view.tries,
        "answer": view.answer,
    })
}

pub(super) async fn alerts(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Response {
    let word = visit.query.text("state");
    let state = state_of(word);
    if state.is_none() && !word.is_empty() {
        let said = "state is one of ready, sending, again, dead, sent, dropped";
        return reply::fault(&visit, StatusCode::BAD_REQUEST, "", said);
    }
    let views = console.parts.ledger.alerts(state, ALERTS).await;
    answer(&visit, views.map(|views| json!({ "alerts": views.iter().map(shown).collect::<Vec<_>>() })))
}

pub(super) async fn alert(
    State(console): State<Arc<Console>>,
    Extension(visit): Extension<Arc<Visit>>,
    Path(number): Path<String>,
) -> Response {
    let Ok(id) = number.parse().map(AlertId) else { return reply::missing(&visit) };
    match console.parts.ledger.alert(id).await {
        Ok(Some(view)) => reply::json_of(&shown(&view)),
        Ok(None) => reply::missing(&visit),
        Err(reason) => reply::broken(&visit, &reason),
    }
}

/// Which alerts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    /// These.
    #[serde(default)]
    ids: Vec<u64>,
    /// All dead ones.
    #[serde(default)]
    all: bool,
}

async fn act(console: &Console, visit: &Visit, decision: Decision) -> Response {
    let which: Which = match serde_json::from_slice(&visit.body) {
        Ok(which) => which,
        Err(_) => return reply::fault(visit, StatusCode::BAD_REQUEST, "", "send {\"ids\": [1, 2]} or {\"all\": true}"),
    };
    if which.all != which.ids.is_empty() {
        return reply::fault(visit, StatusCode::BAD_REQUEST, "", "send {\"ids\": [1, 2]} or {\"all\": true}");
    }
    let ids = (!which.all).then(|| which.ids.into_iter().map(AlertId).collect());
    match decide(console, visit, ids, decision).await {
        Ok(done) => reply::json_of(&json!({ "done": done })),
        Err(reason) => reply::declined(visit, &reason),
    }
}

pub(super) async fn retry(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Response {
    act(&console, &visit, Decision::Retry).await
}

pub(super) async fn discard(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Response {
    act(&console, &visit, Decision::Drop).await
}
