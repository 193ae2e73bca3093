//! The web surface: for now only whether the service lives and is ready. What is not listed here is 404.

use crate::health::Health;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long answers on their way may take at the end.
const LINGER: Duration = Duration::from_secs(1);

/// Serves until `stop`.
///
/// # Errors
/// The listener fails.
pub async fn serve(listener: TcpListener, health: Arc<Health>, stop: CancellationToken) -> std::io::Result<()> {
    let server = axum::serve(listener, router(health)).with_graceful_shutdown(stop.clone().cancelled_owned());
    tokio::select! {
        served = server.into_future() => served,
        // Somebody who holds half a request open does not hold up the end.
        () = async { stop.cancelled().await; tokio::time::sleep(LINGER).await } => Ok(()),
    }
}

/// All routes.
fn router(health: Arc<Health>) -> Router {
    Router::new().route("/healthz", get(|| async { "ok\n" })).route("/readyz", get(ready)).with_state(health)
}

/// 200 when the store is open (it is, once this answers), a token is held and first logins are done; else 503 with
/// what is missing.
async fn ready(State(health): State<Arc<Health>>) -> (StatusCode, String) {
    let missing = health.not_ready();
    if missing.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, missing.join("\n") + "\n")
    }
}
