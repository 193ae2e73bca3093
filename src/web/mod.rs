//! The web surface: whether the service lives and is ready, and counts for Prometheus. What is not listed here is 404.

mod gauges;

use crate::clock::Clock;
use crate::health::Health;
use crate::metrics;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
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
}

/// Serves until `stop`.
///
/// # Errors
/// The listener fails.
pub async fn serve(listener: TcpListener, sources: Sources, stop: CancellationToken) -> std::io::Result<()> {
    let server = axum::serve(listener, router(sources)).with_graceful_shutdown(stop.clone().cancelled_owned());
    tokio::select! {
        served = server.into_future() => served,
        // Somebody who holds half a request open does not hold up the end.
        () = async { stop.cancelled().await; tokio::time::sleep(LINGER).await } => Ok(()),
    }
}

/// All routes.
fn router(sources: Sources) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(counts))
        .with_state(sources)
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
