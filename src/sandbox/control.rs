//! `POST /sandbox/control`: faults and changes a test orders.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State as Shares;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::answer::Refusal;
use super::options::{Member, well_formed};
use super::state::{Person, Shared, State};

/// A call of WeCom's that the sandbox knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Call {
    /// `GET /cgi-bin/gettoken`
    Gettoken,
    /// `POST /cgi-bin/message/send`
    Send,
    /// `GET /cgi-bin/agent/get`
    AgentGet,
}

impl Call {
    /// The name used in orders and events.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gettoken => "gettoken",
            Self::Send => "send",
            Self::AgentGet => "agent_get",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FailNext {
    call: Call,
    errcode: i64,
    #[serde(default = "once")]
    times: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StatusNext {
    status: u16,
    #[serde(default = "once")]
    times: u64,
    call: Option<Call>,
}

fn once() -> u64 {
    1
}

/// One order; several keys may stand in it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    #[serde(default)]
    invalidate_tokens: bool,
    #[serde(default)]
    lift_bans: bool,
    fail_next: Option<FailNext>,
    http_status_next: Option<StatusNext>,
    lose_answers: Option<u64>,
    drop_before: Option<u64>,
    delay_ms: Option<u64>,
    down: Option<bool>,
    remove_member: Option<String>,
    add_member: Option<Member>,
    close_app: Option<bool>,
    unlicense_member: Option<String>,
    license_member: Option<String>,
}

/// Faults still to be played.
#[derive(Default)]
pub(super) struct Faults {
    fail: Vec<FailNext>,
    status: Vec<StatusNext>,
    lose_answers: u64,
    drop_before: u64,
    pub(super) delay_ms: u64,
    down: bool,
}

/// What happens to a call before it is looked at.
pub(super) enum Before {
    /// It is handled.
    Handle,
    /// Its connection is closed.
    Cut,
    /// Another HTTP status is answered.
    Status(StatusCode),
    /// It is refused.
    Refuse(Refusal),
}

impl Faults {
    /// Takes the next fault for a call. Order: down, drop_before, http_status_next, fail_next.
    pub(super) fn before(&mut self, call: Call) -> Before {
        if self.down {
            return Before::Cut;
        }
        if call == Call::Send && take(&mut self.drop_before) {
            return Before::Cut;
        }
        let status = self.status.iter_mut().find(|fault| fault.times > 0 && fault.call.is_none_or(|only| only == call));
        if let Some(fault) = status {
            fault.times -= 1;
            return Before::Status(StatusCode::from_u16(fault.status).unwrap_or(StatusCode::BAD_GATEWAY));
        }
        match self.fail.iter_mut().find(|fault| fault.times > 0 && fault.call == call) {
            Some(fault) => {
                fault.times -= 1;
                Before::Refuse(Refusal::new(fault.errcode))
            }
            None => Before::Handle,
        }
    }

    /// Whether the answer of a send just accepted gets lost.
    pub(super) fn lose_answer(&mut self) -> bool {
        take(&mut self.lose_answers)
    }
}

fn take(left: &mut u64) -> bool {
    let some = *left > 0;
    *left = left.saturating_sub(1);
    some
}

impl Order {
    fn check(&self) -> Result<(), String> {
        if let Some(fault) = &self.http_status_next
            && !(200..=599).contains(&fault.status)
        {
            return Err(format!("http_status_next: {} is no status of an answer; use 200 to 599", fault.status));
        }
        if let Some(member) = &self.add_member
            && !well_formed(&member.userid)
        {
            return Err(format!("add_member: {:?} is no userid", member.userid));
        }
        Ok(())
    }

    fn apply(self, state: &mut State) -> Result<(), String> {
        self.check()?;
        if let Some(userid) = &self.remove_member {
            known(state, "remove_member", userid)?.removed = true;
        }
        if let Some(member) = &self.add_member {
            add_member(state, member);
        }
        for (order, userid, unlicensed) in
            [("unlicense_member", &self.unlicense_member, true), ("license_member", &self.license_member, false)]
        {
            if let Some(userid) = userid {
                known(state, order, userid)?.unlicensed = unlicensed;
            }
        }
        if self.invalidate_tokens {
            state.tokens.invalidate();
        }
        if self.lift_bans {
            state.tokens.lift_bans();
        }
        if let Some(closed) = self.close_app {
            state.app_closed = closed;
        }
        self.apply_faults(&mut state.faults);
        Ok(())
    }

    fn apply_faults(self, faults: &mut Faults) {
        if let Some(fault) = self.fail_next {
            faults.fail.retain(|old| old.times > 0 && (fault.times > 0 || old.call != fault.call));
            faults.fail.push(fault);
        }
        if let Some(fault) = self.http_status_next {
            faults.status.retain(|old| old.times > 0 && fault.times > 0);
            faults.status.push(fault);
        }
        let numbers = [
            (&mut faults.lose_answers, self.lose_answers),
            (&mut faults.drop_before, self.drop_before),
            (&mut faults.delay_ms, self.delay_ms),
        ];
        for (number, new) in numbers {
            *number = new.unwrap_or(*number);
        }
        faults.down = self.down.unwrap_or(faults.down);
    }
}

fn known<'a>(state: &'a mut State, order: &str, userid: &str) -> Result<&'a mut Person, String> {
    let mut people = state.members.iter_mut();
    people
        .find(|person| person.member.userid.eq_ignore_ascii_case(userid))
        .ok_or_else(|| format!("{order}: nobody is called {userid:?}"))
}

fn add_member(state: &mut State, member: &Member) {
    let known = state.members.iter_mut().find(|person| person.member.userid.eq_ignore_ascii_case(&member.userid));
    match known {
        Some(person) => {
            person.removed = false;
            person.member.name.clone_from(&member.name);
        }
        None => state.members.push(Person::new(&member.userid, &member.name)),
    }
}

/// Takes an order. 200 `{"ok":true}`, or 400 with what is wrong; a refused order changes nothing.
pub(super) async fn control(Shares(shared): Shares<Arc<Shared>>, body: Bytes) -> Response {
    let now = shared.now();
    let mut state = shared.lock();
    let done = serde_json::from_slice::<Order>(&body)
        .map_err(|error| format!("the order is not understood: {error}"))
        .and_then(|order| order.apply(&mut state));
    match done {
        Ok(()) => {
            let order = serde_json::from_slice(&body).unwrap_or_default();
            state.note("control", now, json!({ "order": serde_json::Value::clone(&order) }));
            axum::Json(json!({ "ok": true })).into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, axum::Json(json!({ "ok": false, "error": error }))).into_response(),
    }
}
