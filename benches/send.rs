//! Delivery: the real loop and the real client against an HTTP server of its own that answers as WeCom does, after 50 ms
//! and at once. One alert per letter, and one per letter for 50 members each. What limits is 16 sends at one time, so no
//! more than 320 a second where an answer takes 50 ms. Prints a line for each; with words, only those that hold one.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod common;

use axum::Router;
use axum::extract::State as Shared;
use axum::routing::{get, post};
use common::{BOTH, Growing, user};
use mailbell::clock::{Clock, SystemClock};
use mailbell::config;
use mailbell::deliver::{self, Accounts, Delivery, Looks};
use mailbell::health::Health;
use mailbell::model::{Lang, Timestamp};
use mailbell::state::{State, Store};
use mailbell::wecom::Client;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What is measured: letters, members each is for, and how long WeCom takes.
const RUNS: [(&str, u32, u32, u64); 4] = [
    ("50 ms, one member each", 3200, 1, 50),
    ("50 ms, 50 members each", 1600, 50, 50),
    ("at once, one member each", 10_000, 1, 0),
    ("at once, 50 members each", 2000, 50, 0),
];

/// The other side.
#[derive(Default)]
struct Wecom {
    answer_after: Duration,
    sends: AtomicU64,
    connections: AtomicU64,
}

fn main() {
    let words: Vec<_> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    for (name, letters, members, answer_ms) in RUNS {
        if words.is_empty() || words.iter().any(|word| name.contains(word.as_str())) {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(run(name, letters, members, Duration::from_millis(answer_ms)));
        }
    }
}

async fn run(name: &str, letters: u32, members: u32, answer_after: Duration) {
    let wecom = Arc::new(Wecom { answer_after, ..Wecom::default() });
    let address = serve(wecom.clone()).await;
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(&directory.path().join("state")).unwrap());
    let folder = Growing::of("all@corp.example");
    store.commit_scan(folder.bind(), BOTH).await.unwrap();
    let to = |uid: u32| (0..members).map(|member| user(&format!("user{}", uid * members + member))).collect();
    for _ in 0..letters / 100 {
        store.commit_scan(folder.scan_for(100, to), BOTH).await.unwrap();
    }
    let file = directory.path().join("mailbell.toml");
    std::fs::write(
        &file,
        format!(
            "[wecom]\ncorp_id = \"ww0123456789abcdef\"\nagent_id = 1000002\nsecret = \"secret\"\n\
             api_base = \"http://{address}\"\nlink = \"https://mail.corp.example/\"\n"
        ),
    )
    .unwrap();
    let config = config::load(&file).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new(None, Timestamp(BOTH.steady.0 + 1000)));
    let client = Arc::new(Client::new(&config.wecom, clock.clone()).unwrap());
    client.ready().await.unwrap();
    let looks = Arc::new(Looks::of_config(&config));
    let delivery = Delivery {
        state: store.clone(),
        push: client.clone(),
        clock,
        health: Arc::new(Health::default()),
        compose: deliver::composer(&config, client, Arc::new(Accounts::default()), looks),
        lang: Lang::ZhCn,
        time_zone: jiff::tz::TimeZone::UTC,
        admins: Vec::new(),
    };
    let stop = CancellationToken::new();
    let begun = Instant::now();
    let delivering = deliver::run(delivery, stop.clone());
    let all_settled = async {
        while wecom.sends.load(Ordering::Relaxed) < u64::from(letters) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let taken = begun.elapsed();
        stop.cancel();
        taken
    };
    let ((), taken) = tokio::join!(delivering, all_settled);
    let outbox = store.outbox().await.unwrap();
    assert_eq!((outbox.waiting, outbox.open, outbox.dead), (0, 0, 0));
    let per_second = f64::from(letters) / taken.as_secs_f64();
    println!(
        "{name}: {letters} messages in {taken:.2?}: {per_second:.0} a second, {:.0} members a second; {} connections",
        per_second * f64::from(members),
        wecom.connections.load(Ordering::Relaxed),
    );
}

async fn serve(wecom: Arc<Wecom>) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = Router::new()
        .route("/cgi-bin/gettoken", get(async || r#"{"errcode":0,"errmsg":"ok","access_token":"t","expires_in":7200}"#))
        .route("/cgi-bin/message/send", post(take))
        .with_state(wecom.clone());
    let counted = axum::serve::ListenerExt::tap_io(listener, move |stream| {
        let _ = stream.set_nodelay(true);
        wecom.connections.fetch_add(1, Ordering::Relaxed);
    });
    tokio::spawn(async move { axum::serve(counted, routes).await });
    address
}

async fn take(Shared(wecom): Shared<Arc<Wecom>>, body: String) -> &'static str {
    assert!(body.contains("touser"));
    tokio::time::sleep(wecom.answer_after).await;
    wecom.sends.fetch_add(1, Ordering::Relaxed);
    r#"{"errcode":0,"errmsg":"ok","msgid":"m"}"#
}
