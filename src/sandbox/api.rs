//! The calls under `/cgi-bin/`: faults first, then the call itself, then the answer or its loss.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Request, State as Shares};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::answer::Refusal;
use super::call::Call;
use super::contacts::{self, Question};
use super::control::Before;
use super::state::{Person, Shared, State};
use super::token::Holder;
use super::wire::Peer;
use super::{check, send};

/// No call needs a larger body.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Everything else: 404, as the real front end answers.
pub(super) async fn unknown(Shares(shared): Shares<Arc<Shared>>, request: Request) -> Response {
    let now = shared.now();
    let detail = json!({ "path": request.uri().path(), "method": request.method().as_str() });
    shared.lock().note("not_found", now, detail);
    (StatusCode::NOT_FOUND, "404 Not Found\n").into_response()
}

/// A request taken apart.
struct Asked {
    method: Method,
    query: HashMap<String, String>,
    headers: HeaderMap,
    /// `None` when it was larger than any call needs.
    body: Option<Bytes>,
}

impl Asked {
    fn param(&self, key: &str) -> &str {
        self.query.get(key).map_or("", String::as_str)
    }
}

/// What the lock leaves to do.
enum Outcome {
    Answer(Value),
    Status(StatusCode),
    Cut,
}

/// A call that the sandbox knows.
pub(super) async fn call(call: Call, shared: Arc<Shared>, peer: &Peer, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MAX_BODY_BYTES).await.ok();
    let query = parts.uri.query().unwrap_or_default();
    let asked = Asked {
        method: parts.method,
        query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        headers: parts.headers,
        body,
    };
    let outcome = decide(call, &shared, peer, &asked);
    wait(&shared).await;
    match outcome {
        Outcome::Answer(value) => axum::Json(value).into_response(),
        Outcome::Status(status) => (status, format!("{status}\n")).into_response(),
        Outcome::Cut => {
            peer.cut();
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

fn decide(call: Call, shared: &Shared, peer: &Peer, asked: &Asked) -> Outcome {
    let now = shared.now();
    let mut state = shared.lock();
    *state.counts.calls.entry(call.name()).or_default() += 1;
    let done = match state.faults.before(call) {
        Before::Cut => {
            state.note("cut", now, json!({ "call": call.name(), "accepted": false }));
            return Outcome::Cut;
        }
        Before::Status(status) => {
            state.note("http_status", now, json!({ "call": call.name(), "status": status.as_u16() }));
            return Outcome::Status(status);
        }
        Before::Refuse(refusal) => Err(refusal),
        Before::Handle => handle(call, shared, peer, asked, &mut state, now),
    };
    match done {
        Ok(mut fields) => {
            if call == Call::Send {
                shared.newest.send_replace(state.newest().0);
                if state.faults.lose_answer() {
                    state.note(
                        "cut",
                        now,
                        json!({ "call": call.name(), "accepted": true, "msgid": fields.get("msgid") }),
                    );
                    return Outcome::Cut;
                }
            }
            fields.insert("errcode".to_owned(), json!(0));
            fields.insert("errmsg".to_owned(), json!("ok"));
            Outcome::Answer(Value::Object(fields))
        }
        Err(refusal) => {
            let detail = json!({ "call": call.name(), "errcode": refusal.errcode, "text": refusal.text });
            state.note("error", now, detail);
            Outcome::Answer(refusal.answer(peer.ip))
        }
    }
}

fn handle(
    call: Call,
    shared: &Shared,
    peer: &Peer,
    asked: &Asked,
    state: &mut State,
    now: u64,
) -> Result<Map<String, Value>, Refusal> {
    let method = call.method();
    if asked.method != method {
        return Err(Refusal::illegal(format!("this call is made by {method}, not {}", asked.method)));
    }
    let options = &shared.options;
    if call == Call::Gettoken {
        let (corp_id, secret) = (asked.param("corpid"), asked.param("corpsecret"));
        if state.app_closed && secret == options.secret {
            // A stopped app's secret is refused like a wrong one, but it does not count towards the ban.
            return Err(Refusal::because(40001, "invalid credential: app disabled"));
        }
        if options.gettoken_checks_ip {
            trusted(state, peer)?;
        }
        let contacts_secret = state.contacts_secret.clone();
        let granted = state.tokens.grant(options, &contacts_secret, (corp_id, secret), peer.ip, now)?;
        state.note("gettoken", now, json!({ "expires_in": granted.expires_in }));
        return Ok(Map::from_iter([
            ("access_token".to_owned(), json!(granted.access_token)),
            ("expires_in".to_owned(), json!(granted.expires_in)),
        ]));
    }
    if asked.headers.contains_key(header::AUTHORIZATION) {
        let detail = json!({ "call": call.name(), "text": "an Authorization header is ignored" });
        state.note("violation", now, detail);
    }
    let token = asked.query.get("access_token").map(String::as_str);
    let holder = state.tokens.check(token, now)?;
    trusted(state, peer)?;
    let body = asked.body.as_ref().ok_or_else(|| Refusal::illegal("the body is too large"))?;
    match (call, holder) {
        // A token of contacts sync redeems no codes (p90313, 50001), and may not act for the app.
        (Call::Getuserinfo, Holder::Contacts) => Err(Refusal::new(50001)),
        (Call::AgentGet | Call::Send, Holder::Contacts) => Err(Refusal::new(48002)),
        (Call::AgentGet, Holder::App) => agent(shared, state, asked.param("agentid")),
        (Call::Send, Holder::App) => send::send(state, options, body, now),
        (Call::Getuserinfo, Holder::App) => state.codes.redeem(asked.param("code"), now),
        _ => {
            let body = if method == Method::POST { check::parse(body)? } else { Value::Null };
            let param = |key: &str| asked.param(key);
            contacts::answer(state, &Question { call, holder, options, now, param: &param, body })
        }
    }
}

/// 60020 for a caller whose address is not among those that may call (wecom-api.md section 8.4).
fn trusted(state: &State, peer: &Peer) -> Result<(), Refusal> {
    match &state.trusted_ips {
        Some(ips) if !ips.contains(&peer.ip) => Err(Refusal::new(60020)),
        _ => Ok(()),
    }
}

/// `agent/get` (p90227): 41011 without an agentid, 40056 for no number, 301002 for another app's.
fn agent(shared: &Shared, state: &State, agentid: &str) -> Result<Map<String, Value>, Refusal> {
    if agentid.is_empty() {
        return Err(Refusal::new(41011));
    }
    let id: i64 = agentid.parse().map_err(|_| Refusal::new(40056))?;
    if id != shared.options.agent_id {
        return Err(Refusal::new(301_002));
    }
    // Who is visible by a party or a tag is not named.
    let direct = |person: &&Person| match &shared.options.visible_members {
        None => true,
        Some(direct) => direct.iter().any(|userid| userid.eq_ignore_ascii_case(&person.member.userid)),
    };
    let users = state.members.iter().filter(|person| person.in_range()).filter(direct);
    let users: Vec<Value> = users.map(|person| json!({ "userid": person.member.userid })).collect();
    let answer = json!({
        "agentid": id,
        "name": shared.options.app_name,
        "square_logo_url": "",
        "description": "",
        "allow_userinfos": { "user": users },
        "allow_partys": { "partyid": shared.options.parties },
        "allow_tags": { "tagid": shared.options.tags },
        "close": i64::from(state.app_closed),
        "redirect_domain": state.redirect_domain,
        "report_location_flag": 0,
        "isreportenter": 0,
        "home_url": state.home_url,
    });
    match answer {
        Value::Object(fields) => Ok(fields),
        _ => Ok(Map::new()),
    }
}

/// The slow answer that was ordered; a stopping server does not wait for it.
async fn wait(shared: &Shared) {
    let delay_ms = shared.lock().faults.delay_ms;
    if delay_ms > 0 {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(delay_ms)) => {}
            () = shared.closing.cancelled() => {}
        }
    }
}
