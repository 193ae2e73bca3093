//! What an administrator does with one account: tries its login, looks now, disables, enables, sets a password, unbinds.

use super::console::Console;
use super::reply::{self, declined, fault, go, json_of};
use super::rows::account_link;
use super::visit::Visit;
use super::{account, add};
use crate::model::{AccountId, Secret};
use crate::office::{OfficeError, Tested};
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

type Here = State<Arc<Console>>;
type Asks = Extension<Arc<Visit>>;

/// Back to the account's page, with what was done.
fn done(visit: &Visit, account: &AccountId, word: &str) -> Response {
    if visit.path.starts_with("/admin/api/") {
        return json_of(&json!({ "done": word }));
    }
    go(&format!("{}?done={word}", account_link(&account.0)))
}

/// What a request to the API says.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Said {
    why: String,
    password: Option<String>,
}

/// Why something is done: of a form, or of a request to the API, which may be empty.
fn why(visit: &Visit) -> Result<Said, Box<Response>> {
    if !visit.path.starts_with("/admin/api/") {
        return Ok(Said { why: visit.form.text("why").chars().take(200).collect(), password: None });
    }
    if visit.body.is_empty() {
        return Ok(Said::default());
    }
    serde_json::from_slice(&visit.body).map_err(|_| {
        Box::new(fault(
            visit,
            StatusCode::BAD_REQUEST,
            "",
            "send {}, {\"why\": \"...\"}, or for a password {\"password\": \"...\"}",
        ))
    })
}

async fn tested(console: &Console, visit: &Visit, account: &AccountId) -> Result<Tested, OfficeError> {
    console.parts.office.test(account, &visit.by()).await
}

pub(super) async fn test(State(console): Here, Extension(visit): Asks, Path(address): Path<String>) -> Response {
    let account = AccountId::new(&address);
    match tested(&console, &visit, &account).await {
        Ok(tested) => account::show_tested(&console, &visit, &account, &tested).await,
        Err(reason) => declined(&visit, &reason),
    }
}

pub(super) async fn api_test(State(console): Here, Extension(visit): Asks, Path(address): Path<String>) -> Response {
    match tested(&console, &visit, &AccountId::new(&address)).await {
        Ok(tested) => json_of(&tested),
        Err(reason) => declined(&visit, &reason),
    }
}

pub(super) async fn sync(State(console): Here, Extension(visit): Asks, Path(address): Path<String>) -> Response {
    let account = AccountId::new(&address);
    if console.parts.service.account(&account).is_none() {
        return declined(&visit, &OfficeError::Unknown(account));
    }
    match console.parts.office.look_now(&account, &visit.by()).await {
        Ok(()) => done(&visit, &account, "sync"),
        Err(reason) => declined(&visit, &reason),
    }
}

async fn stand(console: &Console, visit: &Visit, address: &str, disable: bool) -> Response {
    let account = AccountId::new(address);
    let why = match why(visit) {
        Ok(said) => disable.then_some(said.why),
        Err(refusal) => return *refusal,
    };
    match console.parts.office.disable(std::slice::from_ref(&account), why, &visit.by()).await {
        Ok(_) => done(visit, &account, if disable { "disabled" } else { "enabled" }),
        Err(reason) => declined(visit, &reason),
    }
}

pub(super) async fn disable(State(console): Here, Extension(visit): Asks, Path(address): Path<String>) -> Response {
    stand(&console, &visit, &address, true).await
}

pub(super) async fn enable(State(console): Here, Extension(visit): Asks, Path(address): Path<String>) -> Response {
    stand(&console, &visit, &address, false).await
}

async fn set(console: &Console, visit: &Visit, account: AccountId, password: &str) -> Response {
    if password.is_empty() {
        return fault(visit, StatusCode::BAD_REQUEST, "密码不能为空。", "The password must not be empty.");
    }
    match console.parts.office.set_password(&account, Secret::new(password), &visit.by()).await {
        Ok(()) => done(visit, &account, "password"),
        Err(reason) => declined(visit, &reason),
    }
}

pub(super) async fn password(State(console): Here, Extension(visit): Asks, Path(address): Path<String>) -> Response {
    set(&console, &visit, AccountId::new(&address), visit.form.raw("password")).await
}

pub(super) async fn api_password(
    State(console): Here,
    Extension(visit): Asks,
    Path(address): Path<String>,
) -> Response {
    match why(&visit) {
        Ok(said) => {
            let password = zeroize::Zeroizing::new(said.password.unwrap_or_default());
            set(&console, &visit, AccountId::new(&address), &password).await
        }
        Err(refusal) => *refusal,
    }
}

/// Whose account of the registry it is, in words.
async fn whose(console: &Console, account: &AccountId) -> Result<String, OfficeError> {
    match console.parts.office.show(account).await? {
        Some(listed) if listed.account.entry.is_shared() => Ok(listed.account.entry.recipients.join(" ")),
        Some(listed) => Ok(listed.account.entry.user),
        None if console.settings().of_file(account).is_some() => Err(OfficeError::OfFile(account.clone())),
        None => Err(OfficeError::Unknown(account.clone())),
    }
}

pub(super) async fn ask_unbind(State(console): Here, Extension(visit): Asks, Path(address): Path<String>) -> Response {
    let account = AccountId::new(&address);
    match whose(&console, &account).await {
        Ok(whose) => add::unbind(&visit, &account.0, whose, false),
        Err(reason) => declined(&visit, &reason),
    }
}

pub(super) async fn unbind(State(console): Here, Extension(visit): Asks, Path(address): Path<String>) -> Response {
    let account = AccountId::new(&address);
    let whose = match whose(&console, &account).await {
        Ok(whose) => whose,
        Err(reason) => return declined(&visit, &reason),
    };
    if AccountId::new(visit.form.text("address")) != account {
        return add::unbind(&visit, &account.0, whose, true);
    }
    let why: String = visit.form.text("why").chars().take(200).collect();
    match console.parts.office.remove(&[account], &why, &visit.by()).await {
        Ok(_) => go("/admin/accounts?done=unbound"),
        Err(reason) => declined(&visit, &reason),
    }
}

pub(super) async fn api_unbind(State(console): Here, Extension(visit): Asks, Path(address): Path<String>) -> Response {
    let account = AccountId::new(&address);
    let said = match why(&visit) {
        Ok(said) => said,
        Err(refusal) => return *refusal,
    };
    match console.parts.office.remove(&[account], &said.why, &visit.by()).await {
        Ok(gone) if gone.is_empty() => reply::missing(&visit),
        Ok(gone) => json_of(&json!({ "unbound": gone })),
        Err(reason) => declined(&visit, &reason),
    }
}
