//! What scripts and pages read: `/sandbox/messages`, `/sandbox/events`, and the live stream.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State as Shares};
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::Stream;
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::page;
use super::state::Shared;

/// Messages handed to a stream in one go.
const STREAM_BATCH: usize = 100;

/// The query of all three.
#[derive(Deserialize)]
pub(super) struct Wanted {
    member: Option<String>,
    #[serde(default)]
    since: u64,
    limit: Option<usize>,
}

/// `GET /sandbox/messages?member=&since=&limit=`
pub(super) async fn messages(Shares(shared): Shares<Arc<Shared>>, Query(wanted): Query<Wanted>) -> Json<Value> {
    let state = shared.lock();
    let messages: Vec<Value> = state
        .messages_since(wanted.since, wanted.member.as_deref())
        .take(wanted.limit.unwrap_or(usize::MAX))
        .map(super::state::Message::to_json)
        .collect();
    Json(json!({
        "messages": messages,
        "newest_seq": state.newest().0,
        "forgotten": state.counts.forgotten,
    }))
}

/// `GET /sandbox/events?since=&limit=`
pub(super) async fn events(Shares(shared): Shares<Arc<Shared>>, Query(wanted): Query<Wanted>) -> Json<Value> {
    let state = shared.lock();
    let events: Vec<Value> = state
        .events_since(wanted.since)
        .take(wanted.limit.unwrap_or(usize::MAX))
        .map(|event| {
            let mut told = event.detail.clone();
            told.insert("seq".to_owned(), json!(event.seq));
            told.insert("time_ms".to_owned(), json!(event.time_ms));
            told.insert("kind".to_owned(), json!(event.kind));
            Value::Object(told)
        })
        .collect();
    Json(json!({
        "counts": state.counts,
        "events": events,
        "newest_seq": state.newest().1,
    }))
}

struct Watcher {
    shared: Arc<Shared>,
    newest: watch::Receiver<u64>,
    member: Option<String>,
    since: u64,
    ready: VecDeque<Event>,
}

impl Watcher {
    /// The next event; `None` when the server stops.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            self.newest.borrow_and_update();
            self.fill();
            if self.ready.is_empty() {
                tokio::select! {
                    changed = self.newest.changed() => changed.ok()?,
                    () = self.shared.closing.cancelled() => return None,
                }
            }
        }
    }

    fn fill(&mut self) {
        let state = self.shared.lock();
        let messages = state.messages_since(self.since, self.member.as_deref());
        for message in messages.take(STREAM_BATCH) {
            self.since = message.seq;
            let data = json!({
                "seq": message.seq,
                "member": message.member,
                "preview": page::preview(&message.sent),
                "time": page::clock_time(message.time_ms, self.shared.now()),
                "html": page::message(message, self.shared.now()),
            });
            let event = Event::default().id(format!("{}-{}", self.shared.run, message.seq));
            self.ready.push_back(event.data(data.to_string()));
        }
    }
}

/// `GET /sandbox/stream?member=&since=`: server-sent events. The first is `hello` with the run's name, the
/// others hold one message each, ready for the page. A reconnecting page goes on after the last it got.
pub(super) async fn live(
    Shares(shared): Shares<Arc<Shared>>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let resumed = last
        .and_then(|id| id.split_once('-'))
        .filter(|(run, _)| *run == shared.run)
        .and_then(|(_, seq)| seq.parse().ok());
    let hello = Event::default().event("hello").data(json!({ "run": shared.run }).to_string());
    let watcher = Watcher {
        newest: shared.newest.subscribe(),
        member: wanted.member,
        since: resumed.unwrap_or(wanted.since),
        ready: VecDeque::from([hello]),
        shared,
    };
    let events = stream::unfold(watcher, |mut watcher| async move {
        let event = watcher.next().await?;
        Some((Ok(event), watcher))
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}
