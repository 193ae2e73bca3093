//! A local WeCom (企业微信), strict about its rules, for demos and tests.
//!
//! It stands on the documented behaviour alone (the pages named as `p90236` and so on) and shares no code with the
//! client: a mistake of one side does not hide in the other. Where the documentation is silent, the stricter
//! reading holds.
//!
//! # Calls
//!
//! `GET /cgi-bin/gettoken`, `POST /cgi-bin/message/send` (text, textcard, markdown, template_card of the types
//! text_notice and news_notice), `GET /cgi-bin/agent/get`; of the contacts `GET user/get`, `POST user/list_id`, `GET
//! user/simplelist`, `POST user/get_userid_by_email`, `GET department/list`, `GET department/simplelist`, `GET tag/list`,
//! `GET tag/get`; and `GET auth/getuserinfo`. Everything else is 404. The app has no callback URL, so cards that need one
//! are refused with 43012. The token of contacts sync (`contacts_secret`) may do only what is known that it may.
//!
//! # Signing in
//!
//! `GET /wwlogin/sso/login` and the older `GET /wwopen/sso/qrConnect` are what a browser is sent to, `GET
//! /connect/oauth2/authorize` what it is sent to inside WeCom: point `wecom.login_base` and `wecom.oauth_base` here. Each
//! checks what it was asked, wants `redirect_domain` to be the host it shall send the browser back to, and shows the
//! members: a click (`#scan-USERID`, or `#scan-outsider`) is their scan. What is wrong is told on the page (400).
//!
//! # For scripts
//!
//! `GET /sandbox/messages`, narrowed by `?member=ID`, `?since=SEQ`, `?limit=N`: what each member sees, one entry per
//! member and message, oldest first.
//!
//! ```json
//! {"messages": [{"seq": 1, "time_ms": 1760000000000, "msgid": "...", "member": "zhangsan", "touser": "ZhangSan",
//!   "msgtype": "textcard", "textcard": {"title": "...", "description": "...", "url": "..."},
//!   "title": "...", "description": "...", "url": "...", "shown": {"title": "..."}}],
//!  "newest_seq": 1, "forgotten": 0}
//! ```
//!
//! The object named by the msgtype is as sent; its `title`, `description`, `content` and `url` (of a template card, its main
//! title and what a tap opens) are repeated beside
//! it; `shown` is the object after WeCom's truncation. `toparty` and `totag` appear when they were sent.
//! `forgotten` counts messages and events that are no longer kept (see [`Options::keep`]).
//!
//! `GET /sandbox/events`, narrowed by `?since=SEQ`, `?limit=N`: everything that happened.
//!
//! ```json
//! {"counts": {"gettoken": 1, "send": 2, "agent_get": 0, "user_get": 0, "accepted": 2, "persons": 2, "shown": 1, "duplicates": 1, "dropped": 0,
//!   "errors": 0, "violations": 0, "forgotten": 0},
//!  "events": [{"seq": 1, "time_ms": 1760000000000, "kind": "gettoken", "expires_in": 7200}], "newest_seq": 1}
//! ```
//!
//! | kind | meaning, and its fields |
//! | --- | --- |
//! | `gettoken` | a token was handed out: `expires_in` |
//! | `send` | a send was accepted: `msgid`, `msgtype`, `touser`, `members` who see it, `invaliduser` and the like |
//! | `duplicate` | accepted, not shown again: `msgid`, `msgtype`, `touser` |
//! | `dropped` | kept from one member by a limit: `msgid`, `msgtype`, `member`, `reason` (`minute` or `hour`) |
//! | `error` | a refusal: `call`, `errcode`, `text` |
//! | `violation` | a rule was broken that WeCom does not refuse: `call`, `touser`, `text` |
//! | `advice` | a merely suggested length was passed: the same fields |
//! | `cut` | a connection was closed without an answer: `call`, `accepted` |
//! | `http_status` | another HTTP status was answered: `call`, `status` |
//! | `not_found` | an unknown path: `method`, `path` |
//! | `control` | an order was taken: `order` |
//! | `scan` | a browser was sent back with a code: `member` (null: an outsider), `host` |
//! | `sign_in_refused` | a page of signing in was asked wrongly: `text` |
//!
//! `counts` counts calls since the start, whatever came of them: `gettoken`, `send`, `agent_get`, `user_get`,
//! `user_list_id`, `user_simplelist`, `user_by_email`, `department_list`, `department_simplelist`, `tag_list`, `tag_get`,
//! `getuserinfo`.
//!
//! `POST /sandbox/control` takes a JSON object of orders; several may stand in one. A refused order (400, with
//! `error`) changes nothing.
//!
//! | order | effect |
//! | --- | --- |
//! | `"invalidate_tokens": true` | the token is 40014 from now on |
//! | `"fail_next": {"call": "send", "errcode": -1, "times": 3}` | the next calls are refused; `call` is a name of `counts`; 1 time when not said, 0 takes it back |
//! | `"http_status_next": {"status": 502, "times": 2}` | the next calls answer this status; `"call"` narrows it |
//! | `"lose_answers": N` | the next N sends that are accepted and shown get no answer |
//! | `"drop_before": N` | the next N sends are not accepted and get no answer |
//! | `"delay_ms": N` | each call is handled at once and answered so much later; 0 ends it |
//! | `"down": true` | every call's connection is closed without an answer, until `false` |
//! | `"remove_member": "lisi"` | the member leaves the corp; the chat stays readable |
//! | `"add_member": {"userid": "...", "name": "..."}` | a member joins, or comes back, and is visible; keys as in the options |
//! | `"hide_member": "lisi"` | the member is put out of the visible range; `show_member` puts them back |
//! | `"set_status": {"userid": "lisi", "status": 2}` | 1 active, 2 disabled, 4 not activated, 5 left |
//! | `"trusted_ips": ["10.0.0.5"]` | only these addresses may call, others get 60020; `null` ends it |
//! | `"redirect_domain": "localhost:8025"`, `"home_url": "https://..."` | as the options of these names |
//! | `"contacts_secret": "..."` | the secret of contacts sync was reset; tokens stay good |
//! | `"unlicense_member": "lisi"` | the member has no interface licence: not reached, named in `unlicenseduser`; `license_member` gives it back |
//! | `"close_app": true` | the app is stopped: gettoken 40001, send 50003, `agent/get` `close` 1 |
//! | `"lift_bans": true` | wrong secrets are forgotten |
//!
//! # For people
//!
//! `GET /` is a desk with a phone per member, `GET /chat/ID` one chat alone, both live. `GET /sandbox/stream` feeds
//! them.

mod answer;
mod api;
mod call;
mod card;
mod check;
mod contacts;
mod content;
mod control;
mod corp;
mod limits;
mod look;
mod markup;
mod options;
mod page;
mod page_card;
mod send;
mod sign_in;
mod state;
mod token;
mod wire;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::extract::{ConnectInfo, Query, State};
use axum::routing::{any, get, post};
use tokio::net::TcpListener;

use call::Call;
pub use options::{Department, Group, Member, Options, OptionsError, TagName};
use sign_in::Door;
use state::Shared;
use wire::{Gate, Peer};

/// Tells the time in milliseconds since 1970; it must not run backwards.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// After the shutdown, calls under way have this long to end.
const LAST_CALLS: Duration = Duration::from_secs(2);

/// Serves a sandbox until `shutdown` is ready. Each call of this function is a WeCom of its own.
///
/// # Errors
/// What [`Options::check`] finds, and what the listener reports.
pub async fn serve(
    listener: TcpListener,
    options: Options,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    serve_with_clock(listener, options, steady_clock(), shutdown).await
}

/// The same by another clock, for tests of what takes minutes or hours.
///
/// # Errors
/// What [`Options::check`] finds, and what the listener reports.
pub async fn serve_with_clock(
    listener: TcpListener,
    options: Options,
    clock: Clock,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    options.check().map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidInput, error))?;
    let shared = Arc::new(Shared::new(options, clock));
    let closing = shared.closing.clone();
    let app = router(shared).into_make_service_with_connect_info::<Peer>();
    let stop = {
        let closing = closing.clone();
        async move {
            shutdown.await;
            closing.cancel();
        }
    };
    let serving = axum::serve(Gate(listener), app).with_graceful_shutdown(stop);
    tokio::select! {
        done = async { serving.await } => done,
        () = async {
            closing.cancelled().await;
            tokio::time::sleep(LAST_CALLS).await;
        } => Ok(()),
    }
}

fn router(shared: Arc<Shared>) -> Router {
    let mut router = Router::new();
    for call in Call::ALL {
        let answer = move |shared: State<Arc<Shared>>, peer: ConnectInfo<Peer>, request| async move {
            api::call(call, shared.0, &peer.0, request).await
        };
        router = router.route(&format!("/cgi-bin/{}", call.path()), any(answer));
    }
    let doors = [
        ("/wwlogin/sso/login", Door::Browser),
        ("/wwopen/sso/qrConnect", Door::OldBrowser),
        ("/connect/oauth2/authorize", Door::Inside),
    ];
    for (path, door) in doors {
        let ask =
            move |shared: State<Arc<Shared>>, asked: Query<_>| async move { sign_in::ask(door, &shared.0, &asked.0) };
        router = router.route(path, get(ask));
    }
    router
        .route("/sandbox/scan", get(sign_in::scan))
        .route("/sandbox/messages", get(look::messages))
        .route("/sandbox/events", get(look::events))
        .route("/sandbox/stream", get(look::live))
        .route("/sandbox/control", post(control::control))
        .route("/sandbox/page.css", get(page::style))
        .route("/sandbox/page.js", get(page::script))
        .route("/chat/{userid}", get(page::chat))
        .route("/", get(page::desk))
        .fallback(api::unknown)
        .with_state(shared)
}

/// The wall clock of the start, moved on by a clock that nobody sets.
fn steady_clock() -> Clock {
    let start = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let since = Instant::now();
    Arc::new(move || u64::try_from((start + since.elapsed()).as_millis()).unwrap_or(u64::MAX))
}
