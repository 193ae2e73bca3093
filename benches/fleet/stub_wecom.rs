//! The WeCom side of the fleet: takes every message, notes when it was read and which letters it names. It runs as a
//! process of its own. `/fleet/posts` hands out what came since the last time, `/fleet/down/SECONDS` makes it fail.

use crate::stub_letters::names;
use crate::ticks::now_ns;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

#[derive(Default)]
struct Wecom {
    /// Which letter, and when it was read.
    posts: Mutex<Vec<(String, u64)>>,
    messages: AtomicU64,
    /// Until then (monotonic) each request fails.
    down_until: AtomicU64,
}

impl Wecom {
    fn is_down(&self) -> bool {
        now_ns() < self.down_until.load(Ordering::Relaxed)
    }
}

/// Serves until the process ends.
pub async fn serve(listener: TcpListener) -> io::Result<()> {
    let app = Router::new()
        .route("/cgi-bin/gettoken", get(token))
        .route("/cgi-bin/message/send", post(send))
        .route("/fleet/posts", get(posts))
        .route("/fleet/down/{seconds}", get(down))
        .with_state(Arc::new(Wecom::default()));
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, app).await
}

async fn token(State(wecom): State<Arc<Wecom>>) -> Result<Json<Value>, StatusCode> {
    if wecom.is_down() {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    Ok(Json(json!({ "errcode": 0, "errmsg": "ok", "access_token": "fleet-token", "expires_in": 7200 })))
}

async fn send(State(wecom): State<Arc<Wecom>>, body: String) -> Result<Json<Value>, StatusCode> {
    let at = now_ns();
    if wecom.is_down() {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    let number = wecom.messages.fetch_add(1, Ordering::Relaxed);
    // A card names its letter more than once.
    let named: BTreeSet<_> = names(&body).collect();
    wecom.posts.lock().unwrap().extend(named.into_iter().map(|name| (name.to_owned(), at)));
    Ok(Json(json!({ "errcode": 0, "errmsg": "ok", "msgid": format!("m{number}") })))
}

async fn posts(State(wecom): State<Arc<Wecom>>) -> Json<Value> {
    let posts = std::mem::take(&mut *wecom.posts.lock().unwrap());
    Json(json!({ "messages": wecom.messages.load(Ordering::Relaxed), "letters": posts }))
}

async fn down(State(wecom): State<Arc<Wecom>>, Path(seconds): Path<u64>) {
    wecom.down_until.store(now_ns() + seconds * 1_000_000_000, Ordering::Relaxed);
}
