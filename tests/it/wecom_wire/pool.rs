//! Messages at one time and the connections that they go over.

use super::{client, config, text, user};
use axum::Router;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use futures_util::future::join_all;
use mailbell::rules::retry::Outcome;
use mailbell::wecom::Push;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::TcpListener;
use tokio::sync::Barrier;

/// As many as the delivery loop has on their way.
const AT_ONE_TIME: usize = 16;
const ROUNDS: usize = 5;

/// Answered all at one time, so that each needs a connection of its own, which the next round uses again.
#[tokio::test(flavor = "multi_thread")]
async fn messages_at_one_time_keep_their_connections() {
    let all = Arc::new(Barrier::new(AT_ONE_TIME));
    let routes = Router::new()
        .route("/cgi-bin/gettoken", get(async || r#"{"errcode":0,"access_token":"t","expires_in":7200}"#))
        .route(
            "/cgi-bin/message/send",
            post(async move || {
                all.wait().await;
                r#"{"errcode":0,"msgid":"m"}"#
            }),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let opened = Arc::new(AtomicUsize::new(0));
    let count = opened.clone();
    let counted = listener.tap_io(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    tokio::spawn(async move { axum::serve(counted, routes).await });
    let (client, to) = (client(&config(&base)), user("zhangsan"));
    let body = text(&client, &to, "会议");
    for _ in 0..ROUNDS {
        let sends = (0..AT_ONE_TIME).map(|_| client.send(std::slice::from_ref(&to), &body));
        assert!(join_all(sends).await.iter().all(|sent| sent.outcome == Outcome::Sent));
    }
    let opened = opened.load(Ordering::Relaxed);
    // One that is not quite back when the next round begins is no reason to worry; half of them each time would be.
    assert!(opened < AT_ONE_TIME * 2, "{opened} connections");
}
