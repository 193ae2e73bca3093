//! `POST /sandbox/control`: faults and changes a test orders.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State as Shares;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Deserializer};
use serde_json::json;

use super::answer::Refusal;
use super::call::Call;
use super::corp::{Member, STATUSES};
use super::options::well_formed;
use super::state::{Person, Shared, State};

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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetStatus {
    userid: String,
    status: i64,
}

/// Tells a null from a key that is missing.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
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
    hide_member: Option<String>,
    show_member: Option<String>,
    set_status: Option<SetStatus>,
    /// `null` ends it.
    #[serde(default, deserialize_with = "given")]
    trusted_ips: Option<Option<Vec<IpAddr>>>,
    redirect_domain: Option<String>,
    home_url: Option<String>,
    contacts_secret: Option<String>,
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
        let statuses = [self.add_member.as_ref().map(|m| m.status), self.set_status.as_ref().map(|set| set.status)];
        if let Some(status) = statuses.into_iter().flatten().find(|status| !STATUSES.contains(status)) {
            return Err(format!("{status} is no status of a member; use 1, 2, 4 or 5"));
        }
        Ok(())
    }

    fn apply(self, state: &mut State) -> Result<(), String> {
        self.check()?;
        self.apply_people(state)?;
        if self.invalidate_tokens {
            state.tokens.invalidate();
        }
        if self.lift_bans {
            state.tokens.lift_bans();
        }
        state.app_closed = self.close_app.unwrap_or(state.app_closed);
        if let Some(ips) = &self.trusted_ips {
            state.trusted_ips.clone_from(ips);
        }
        let texts = [
            (&mut state.redirect_domain, &self.redirect_domain),
            (&mut state.home_url, &self.home_url),
            (&mut state.contacts_secret, &self.contacts_secret),
        ];
        for (text, new) in texts {
            if let Some(new) = new {
                text.clone_from(new);
            }
        }
        self.apply_faults(&mut state.faults);
        Ok(())
    }

    /// Who is named must be known, before anything is changed.
    fn apply_people(&self, state: &mut State) -> Result<(), String> {
        let named = [
            ("remove_member", self.remove_member.as_ref()),
            ("unlicense_member", self.unlicense_member.as_ref()),
            ("license_member", self.license_member.as_ref()),
            ("hide_member", self.hide_member.as_ref()),
            ("show_member", self.show_member.as_ref()),
            ("set_status", self.set_status.as_ref().map(|set| &set.userid)),
        ];
        let named: Vec<_> = named.into_iter().filter_map(|(order, userid)| Some((order, userid?))).collect();
        for (order, userid) in &named {
            known(state, order, userid)?;
        }
        for (order, userid) in named {
            let person = known(state, order, userid)?;
            match order {
                "remove_member" => person.removed = true,
                "unlicense_member" => person.unlicensed = true,
                "license_member" => person.unlicensed = false,
                "hide_member" => person.hidden = true,
                "show_member" => person.hidden = false,
                _ => person.member.status = self.set_status.as_ref().map_or(1, |set| set.status),
            }
        }
        if let Some(member) = &self.add_member {
            add_member(state, member);
        }
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
            let userid = std::mem::take(&mut person.member.userid);
            person.member = Member { userid, ..member.clone() };
            (person.removed, person.hidden) = (false, false);
        }
        None => state.members.push(Person::new(member)),
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
            let mut order: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
            if let Some(secret) = order.get_mut("contacts_secret") {
                *secret = json!("<secret>");
            }
            state.note("control", now, json!({ "order": order }));
            axum::Json(json!({ "ok": true })).into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, axum::Json(json!({ "ok": false, "error": error }))).into_response(),
    }
}
