//! The console for programs: the same in JSON.

use super::alerts::{Decision, decide, state_of};
use super::console::Console;
use super::visit::Visit;
use super::{overview, reply};
use crate::control::Selection;
use crate::model::{AccountId, AlertId, Recipient};
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

pub(super) async fn account(
    State(console): State<Arc<Console>>,
    Extension(visit): Extension<Arc<Visit>>,
    Path(address): Path<String>,
) -> Response {
    let id = AccountId::new(&address);
    let wanted = Selection { account: Some(&id), ..Selection::default() };
    match console.parts.service.status(&wanted).await {
        Ok(status) => status.accounts.first().map_or_else(|| reply::missing(&visit), reply::json_of),
        Err(reason) => reply::broken(&visit, &reason),
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
    answer(visit, decide(console, visit, ids, decision).await.map(|done| json!({ "done": done })))
}

pub(super) async fn retry(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Response {
    act(&console, &visit, Decision::Retry).await
}

pub(super) async fn discard(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Response {
    act(&console, &visit, Decision::Drop).await
}
