//! The service's side of the socket: takes questions, a few at a time, bounded in size and time.

use super::status::{Selection, Service};
use super::{ASK_LIMIT, Bound, MAX_REQUEST_BYTES, Refusal, Reply, Request, TAKE_LIMIT, nearest};
use crate::model::{AccountId, By, Who};
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::warn;
use zeroize::Zeroizing;

/// Questions answered at one time; who comes then waits in the socket's queue.
const AT_ONCE: usize = 8;
/// After a connection that could not be taken (no more file descriptors).
const PAUSE: Duration = Duration::from_secs(1);

/// Answers until `stop`.
pub async fn serve(bound: Arc<Bound>, service: Arc<Service>, stop: CancellationToken) {
    let mut talks = FuturesUnordered::new();
    let mut told = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            Some(()) = talks.next(), if !talks.is_empty() => {}
            came = bound.listener.accept(), if talks.len() < AT_ONCE => match came {
                Ok((stream, _)) => {
                    told = false;
                    talks.push(talk(stream, &service));
                }
                Err(reason) => {
                    if !std::mem::replace(&mut told, true) {
                        warn!(%reason, "commands cannot be taken at the control socket");
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
}

/// One question and its answer. Who asks too slowly, too much, or goes away, is left.
async fn talk(stream: UnixStream, service: &Service) {
    let by = By { who: Who::Operator(uid_of(&stream)), from: "socket".to_owned() };
    let (read, mut write) = stream.into_split();
    // There may be a password in it.
    let mut line = Zeroizing::new(Vec::new());
    let mut reader = BufReader::new(read).take(MAX_REQUEST_BYTES);
    let Ok(Ok(_)) = timeout(ASK_LIMIT, reader.read_until(b'\n', &mut line)).await else { return };
    if line.is_empty() {
        return;
    }
    let text = match serde_json::from_slice::<Request>(&line) {
        Ok(request) => match timeout(request.limit(), service.answer(request, &by)).await {
            Ok(Ok(text)) => text,
            Ok(Err(refusal)) => refused(refusal),
            Err(_) => refused(Refusal::Failed("no answer in time".to_owned())),
        },
        Err(_) => refused(Refusal::UnknownRequest { version: env!("CARGO_PKG_VERSION").to_owned() }),
    };
    let _ = timeout(TAKE_LIMIT, async {
        write.write_all(&text).await?;
        write.shutdown().await
    })
    .await;
}

/// Who is at the other end.
fn uid_of(stream: &UnixStream) -> String {
    stream.peer_cred().map_or_else(|_| "unknown".to_owned(), |peer| format!("uid {}", peer.uid()))
}

impl Service {
    /// Answers one question: the line to send.
    async fn answer(&self, request: Request, by: &By) -> Result<Vec<u8>, Refusal> {
        match request {
            Request::Status { account, state } => {
                let wanted = account.map(|typed| self.known(&typed)).transpose()?;
                let wanted = Selection { account: wanted.as_ref(), state: state.as_deref(), ..Selection::default() };
                answered(self.status(&wanted).await)
            }
            of_records => self.records.answer(of_records, by).await,
        }
    }

    /// The account of this address.
    fn known(&self, typed: &str) -> Result<AccountId, Refusal> {
        let (wanted, accounts) = (AccountId::new(typed), self.accounts());
        if accounts.iter().any(|account| account.id == wanted) {
            return Ok(wanted);
        }
        Err(Refusal::UnknownAccount { nearest: nearest(typed, accounts.iter().map(|account| &*account.id.0)) })
    }
}

/// The line that tells what was asked for.
pub(super) fn answered<T: Serialize, E: ToString>(answer: Result<T, E>) -> Result<Vec<u8>, Refusal> {
    let answer = answer.map_err(|error| Refusal::Failed(error.to_string()))?;
    line(&Reply::Answer(answer)).map_err(|error| Refusal::Failed(error.to_string()))
}

/// The line that tells why there is no answer.
fn refused(refusal: Refusal) -> Vec<u8> {
    line(&Reply::<()>::Refusal(refusal)).unwrap_or_default()
}

fn line<T: Serialize>(reply: &Reply<T>) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    Ok(line)
}
