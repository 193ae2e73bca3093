//! The web surface: whether the service lives and is ready, counts for Prometheus, and the administrator's console below
//! `/admin`, whose routes stand in one table (`routes.rs`), each with its guard. What is not listed is 404.

mod account;
mod accounts;
mod add;
mod alerts;
mod api;
mod audit;
mod console;
mod cookie;
mod deeds;
mod door;
mod gauges;
mod guard;
mod import;
mod member;
mod openapi;
mod overview;
mod pending;
mod reply;
mod routes;
mod rows;
mod sign_in;
mod uploads;
mod visit;

pub use console::{Console, Parts};
pub use member::Members;
pub use routes::{Guard, ROUTES, Route, Verb};
pub use sign_in::SignIn;

use crate::clock::Clock;
use crate::health::Health;
use crate::metrics;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use door::{Door, Peer};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long answers on their way may take at the end.
const LINGER: Duration = Duration::from_secs(1);

/// How long the store may take to answer.
const STORE_LIMIT: Duration = Duration::from_secs(5);

/// What the pages are made from.
#[derive(Clone)]
pub struct Sources {
    /// The accounts and the channel.
    pub health: Arc<Health>,
    /// The outbox.
    pub state: Arc<dyn crate::state::State>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The administrator's console, open or not.
    pub console: Arc<Console>,
}

/// Serves until `stop`.
///
/// # Errors
/// The listener fails.
pub async fn serve(listener: TcpListener, sources: Sources, stop: CancellationToken) -> std::io::Result<()> {
    let door = Door::new(listener, sources.console.certificate());
    let made = router(sources).into_make_service_with_connect_info::<Peer>();
    let server = axum::serve(door, made).with_graceful_shutdown(stop.clone().cancelled_owned());
    tokio::select! {
        served = server.into_future() => served,
        // Somebody who holds half a request open does not hold up the end.
        () = async { stop.cancelled().await; tokio::time::sleep(LINGER).await } => Ok(()),
    }
}

/// All routes.
fn router(sources: Sources) -> Router {
    let console = routes::router(&sources.console);
    let plain = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(counts))
        .with_state(sources);
    plain.merge(console)
}

/// 200 when the store is open, a token is held and first logins are done; else 503 with what is missing.
async fn ready(State(sources): State<Sources>) -> (StatusCode, String) {
    let mut missing = sources.health.not_ready();
    // A full disk closes it, until there is space again.
    if !matches!(tokio::time::timeout(STORE_LIMIT, sources.state.outbox()).await, Ok(Ok(_))) {
        missing.push("the store is closed or does not answer; the log says why".to_owned());
    }
    if missing.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, missing.join("\n") + "\n")
    }
}

/// The counters and gauges for Prometheus; no line names a person.
async fn counts(State(sources): State<Sources>) -> impl IntoResponse {
    let gauges = gauges::now(&sources).await;
    ([(CONTENT_TYPE, metrics::MEDIA_TYPE)], metrics::scrape(&gauges))
}
