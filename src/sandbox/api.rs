//! The calls under `/cgi-bin/`: faults first, then the call itself, then the answer or its loss.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, Request, State as Shares};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::answer::Refusal;
use super::control::{Before, Call};
use super::send;
use super::state::{Shared, State};
use super::wire::Peer;

/// No call needs a larger body.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// `/cgi-bin/gettoken`
pub(super) async fn gettoken(shared: Shares<Arc<Shared>>, peer: ConnectInfo<Peer>, request: Request) -> Response {
    call(Call::Gettoken, shared.0, &peer.0, request).await
}

/// `/cgi-bin/message/send`
pub(super) async fn message_send(shared: Shares<Arc<Shared>>, peer: ConnectInfo<Peer>, request: Request) -> Response {
    call(Call::Send, shared.0, &peer.0, request).await
}

/// `/cgi-bin/agent/get`
pub(super) async fn agent_get(shared: Shares<Arc<Shared>>, peer: ConnectInfo<Peer>, request: Request) -> Response {
    call(Call::AgentGet, shared.0, &peer.0, request).await
}

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

async fn call(call: Call, shared: Arc<Shared>, peer: &Peer, request: Request) -> Response {
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
    let count = match call {
        Call::Gettoken => &mut state.counts.gettoken,
        Call::Send => &mut state.counts.send,
        Call::AgentGet => &mut state.counts.agent_get,
    };
    *count += 1;
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
    let method = if call == Call::Send { Method::POST } else { Method::GET };
    if asked.method != method {
        return Err(Refusal::illegal(format!("this call is made by {method}, not {}", asked.method)));
    }
    let options = &shared.options;
    if call == Call::Gettoken {
        if state.app_closed {
            // A stopped app's secret is refused like a wrong one, but it does not count towards the ban.
            return Err(Refusal::because(40001, "invalid credential: app disabled"));
        }
        let (corp_id, secret) = (asked.param("corpid"), asked.param("corpsecret"));
        let granted = state.tokens.grant(options, corp_id, secret, peer.ip, now)?;
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
    state.tokens.check(token, now)?;
    if call == Call::AgentGet {
        return agent(shared, state, asked.param("agentid"));
    }
    let body = asked.body.as_ref().ok_or_else(|| Refusal::illegal("the body is too large"))?;
    send::send(state, options, body, now)
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
    let users = state.members.iter().filter(|person| !person.removed);
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
        "redirect_domain": "",
        "report_location_flag": 0,
        "isreportenter": 0,
        "home_url": "",
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
