//! The service's side of the socket: takes questions, a few at a time, bounded in size and time.

use super::status::Service;
use super::{ANSWER_LIMIT, ASK_LIMIT, Bound, MAX_REQUEST_BYTES, Refusal, Reply, Request, TAKE_LIMIT, nearest};
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Questions answered at one time; who comes then waits in the socket's queue.
const AT_ONCE: usize = 8;
/// After a connection that could not be taken (no more file descriptors).
const PAUSE: Duration = Duration::from_secs(1);

/// Answers until `stop`.
pub async fn serve(bound: Arc<Bound>, service: Arc<Service>, stop: CancellationToken) {
    let mut talks = FuturesUnordered::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            Some(()) = talks.next(), if !talks.is_empty() => {}
            came = bound.listener.accept(), if talks.len() < AT_ONCE => match came {
                Ok((stream, _)) => talks.push(talk(stream, &service)),
                Err(reason) => {
                    warn!(%reason, "a command could not be taken at the control socket");
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
}

/// One question and its answer. Who asks too slowly, too much, or goes away, is left.
async fn talk(stream: UnixStream, service: &Service) {
    let (read, mut write) = stream.into_split();
    let mut line = Vec::new();
    let mut reader = BufReader::new(read).take(MAX_REQUEST_BYTES);
    let Ok(Ok(_)) = timeout(ASK_LIMIT, reader.read_until(b'\n', &mut line)).await else { return };
    if line.is_empty() {
        return;
    }
    let reply = match serde_json::from_slice::<Request>(&line) {
        Ok(request) => timeout(ANSWER_LIMIT, service.answer(request)).await.unwrap_or_else(|_| {
            Reply::Refusal(Refusal::Failed(format!("no answer within {} s", ANSWER_LIMIT.as_secs())))
        }),
        Err(_) => Reply::Refusal(Refusal::UnknownRequest { version: env!("CARGO_PKG_VERSION").to_owned() }),
    };
    let Ok(mut text) = serde_json::to_vec(&reply) else { return };
    text.push(b'\n');
    let _ = timeout(TAKE_LIMIT, async {
        write.write_all(&text).await?;
        write.shutdown().await
    })
    .await;
}

impl Service {
    /// Answers one question.
    async fn answer(&self, request: Request) -> Reply {
        match request {
            Request::Status { account, state } => {
                let accounts = self.accounts();
                let wanted = account.map(|typed| crate::model::AccountId::new(&typed));
                if let Some(wanted) = &wanted
                    && !accounts.iter().any(|a| a.id == *wanted)
                {
                    let nearest = nearest(&wanted.0, accounts.iter().map(|a| &*a.id.0));
                    return Reply::Refusal(Refusal::UnknownAccount { nearest });
                }
                match self.status(wanted.as_ref(), state.as_deref()).await {
                    Ok(status) => serde_json::to_value(status)
                        .map_or_else(|e| Reply::Refusal(Refusal::Failed(e.to_string())), Reply::Answer),
                    Err(error) => Reply::Refusal(Refusal::Failed(error.to_string())),
                }
            }
        }
    }
}
