//! The command's side of the socket: asks the running service and says why there is no answer.

use super::{MAX_ANSWER_BYTES, Records, Refusal, Reply, Request, TAKE_LIMIT, place};
use crate::model::By;
use serde::de::DeserializeOwned;
use std::io::ErrorKind;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskError {
    /// Nobody made a socket: no service runs on this store, or it is just starting.
    Absent,
    /// Whoever made the socket is dead.
    Dead,
    /// The socket is not for this user.
    NotAllowed,
    /// The service did not answer in time.
    Silent,
    /// The service refuses the question.
    Refused(Refusal),
    /// Something else, in words.
    Other(String),
}

/// Asks the service whose state is in `directory`.
///
/// # Errors
/// See [`AskError`].
pub async fn ask<T: DeserializeOwned>(directory: &Path, request: &Request) -> Result<T, AskError> {
    let stream = place::connect(directory).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => AskError::Absent,
        ErrorKind::ConnectionRefused => AskError::Dead,
        ErrorKind::PermissionDenied => AskError::NotAllowed,
        ErrorKind::WouldBlock => AskError::Silent,
        _ => AskError::Other(error.to_string()),
    })?;
    let stream = UnixStream::from_std(stream).map_err(|e| AskError::Other(e.to_string()))?;
    // There may be a password in it.
    let line = serde_json::to_vec(request).map_err(|e| AskError::Other(e.to_string()))?;
    let mut line = Zeroizing::new(line);
    line.push(b'\n');
    let answered = timeout(request.limit() + TAKE_LIMIT, exchange(stream, &line)).await;
    let bytes = answered.map_err(|_| AskError::Silent)?.map_err(|e| AskError::Other(e.to_string()))?;
    // A service that stops in between closes without a word.
    if bytes.is_empty() {
        return Err(AskError::Dead);
    }
    read(&bytes)
}

/// Asks records that this process holds itself, where no service does.
///
/// # Errors
/// The store's words, as [`Refusal::Failed`].
pub async fn ask_records<T: DeserializeOwned>(records: &Records, request: Request, by: &By) -> Result<T, AskError> {
    read(&records.answer(request, by).await.map_err(AskError::Refused)?)
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, AskError> {
    match serde_json::from_slice::<Reply<T>>(bytes) {
        Ok(Reply::Answer(answer)) => Ok(answer),
        Ok(Reply::Refusal(refusal)) => Err(AskError::Refused(refusal)),
        Err(error) => Err(AskError::Other(error.to_string())),
    }
}

async fn exchange(mut stream: UnixStream, line: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(line).await?;
    let mut bytes = Vec::new();
    stream.take(MAX_ANSWER_BYTES).read_to_end(&mut bytes).await?;
    Ok(bytes)
}
