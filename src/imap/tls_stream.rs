//! TLS over a stream, without a buffer while nothing comes or goes: a connection in IDLE is silent for minutes, and
//! rustls with buffers of its own (as tokio-rustls has it) keeps 4 KiB for each. So its unbuffered face is used, and
//! what is read before it makes a whole record, or written before it is sent, is kept here for as long as that takes.

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_rustls::rustls::Error as RustlsError;
use tokio_rustls::rustls::client::{ClientConfig, UnbufferedClientConnection};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus,
};

/// Read from the stream below at one time; a record has at most 16 KiB and a little (RFC 8446 5.1, 5.2).
const READ_BYTES: usize = 16 * 1024;
/// Encrypted at one time: one record.
const RECORD_BYTES: usize = 16 * 1024;
/// Bytes that are to be sent and are not; more are not taken.
const MAX_OUTGOING_BYTES: usize = 64 * 1024;
/// Bytes that came and make no whole record or handshake message; rustls takes handshake messages of up to 64 KiB.
const MAX_INCOMING_BYTES: usize = 128 * 1024;

/// See the module's text.
pub(super) struct TlsStream<S> {
    inner: S,
    tls: UnbufferedClientConnection,
    /// Records that are not whole yet.
    incoming: Vec<u8>,
    /// What they said and nobody has read, from `plain_at`.
    plain: Vec<u8>,
    plain_at: usize,
    /// Records that are to be sent.
    outgoing: Vec<u8>,
    /// The server has said that no more comes.
    ended: bool,
    /// There was an error, and nothing is to be asked of rustls any more.
    failed: bool,
}

/// Where a connection stands once all that came is taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// The server has to say more before anything can be sent.
    Handshake,
    /// Data can be sent.
    Open,
    /// Both sides have said that no more comes.
    Closed,
}

/// What is to be sent once that is possible.
#[derive(Clone, Copy, Debug)]
enum Send<'a> {
    Nothing,
    Data(&'a [u8]),
    Close,
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    /// Shakes hands with the server of this name.
    ///
    /// # Errors
    /// The stream's own, and rustls' as the inner error of one of kind `InvalidData`; the server was told of those.
    pub(super) async fn connect(inner: S, config: Arc<ClientConfig>, name: ServerName<'static>) -> io::Result<Self> {
        let tls = UnbufferedClientConnection::new(config, name).map_err(broken)?;
        let (incoming, plain, outgoing) = (Vec::new(), Vec::new(), Vec::new());
        let mut stream = Self { inner, tls, incoming, plain, plain_at: 0, outgoing, ended: false, failed: false };
        loop {
            let standing = stream.take_in(Send::Nothing);
            if !stream.outgoing.is_empty() {
                let sent = stream.inner.write_all(&stream.outgoing).await;
                stream.outgoing = Vec::new();
                // What is wrong with the server's words matters more than whether it still listens.
                standing.as_ref().map_or(Ok(()), |_| sent)?;
                stream.inner.flush().await?;
            }
            match standing? {
                Standing::Open => return Ok(stream),
                Standing::Handshake if stream.inner.read_buf(&mut stream.incoming).await? > 0 => {}
                _ => return Err(cut_off()),
            }
        }
    }
}

impl<S> TlsStream<S> {
    /// Takes in the records that came, and puts into `outgoing` what is to be answered, then what is to be sent. An error
    /// is told to the server by what is in `outgoing` then.
    fn take_in(&mut self, send: Send<'_>) -> io::Result<Standing> {
        if self.failed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let mut send = send;
        loop {
            let UnbufferedStatus { mut discard, state, .. } = self.tls.process_tls_records(&mut self.incoming);
            let outgoing = &mut self.outgoing;
            let mut standing = None;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(broken)?;
                        discard += record.discard;
                        self.plain.extend_from_slice(record.payload);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => append(outgoing, |room| data.encode(room))?,
                // It is in `outgoing`, and goes before all that is put there later.
                Ok(ConnectionState::TransmitTlsData(sent)) => sent.done(),
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    match std::mem::replace(&mut send, Send::Nothing) {
                        Send::Nothing => {}
                        Send::Data(data) => append(outgoing, |room| traffic.encrypt(data, room))?,
                        Send::Close => append(outgoing, |room| traffic.queue_close_notify(room))?,
                    }
                    standing = Some(Standing::Open);
                }
                Ok(ConnectionState::BlockedHandshake) => standing = Some(Standing::Handshake),
                Ok(ConnectionState::PeerClosed) => self.ended = true,
                Ok(ConnectionState::Closed) => {
                    self.ended = true;
                    standing = Some(Standing::Closed);
                }
                Ok(other) => return Err(io::Error::other(format!("{other:?} is no state of a client"))),
                Err(error) => {
                    self.forget(discard);
                    self.put_alerts();
                    self.failed = true;
                    return Err(broken(error));
                }
            }
            self.forget(discard);
            if let Some(standing) = standing {
                return Ok(standing);
            }
        }
    }

    /// What the server is told of an error: an alert, perhaps behind what was to be said before it.
    fn put_alerts(&mut self) {
        while self.tls.wants_write() {
            let UnbufferedStatus { discard, state, .. } = self.tls.process_tls_records(&mut self.incoming);
            let Ok(ConnectionState::EncodeTlsData(mut alert)) = state else { return };
            if append(&mut self.outgoing, |room| alert.encode(room)).is_err() {
                return;
            }
            self.forget(discard);
        }
    }

    /// These bytes are taken in.
    fn forget(&mut self, bytes: usize) {
        if bytes >= self.incoming.len() {
            self.incoming = Vec::new();
        } else {
            self.incoming.drain(..bytes);
        }
    }
}

/// Lets something be written behind what is there, in as much room as it asks for.
fn append<E: Into<Failed>>(
    outgoing: &mut Vec<u8>,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, E>,
) -> io::Result<()> {
    let at = outgoing.len();
    let written = match write(&mut []).map_err(Into::into) {
        Err(Failed::Room(InsufficientSizeError { required_size })) => {
            outgoing.resize(at + required_size, 0);
            write(outgoing.get_mut(at..).unwrap_or_default()).map_err(Into::into)
        }
        other => other,
    };
    let written = written.map_err(|failed| match failed {
        Failed::Room(_) => io::Error::other("TLS asks for more room each time"),
        Failed::Other(text) => io::Error::other(text),
    })?;
    outgoing.truncate(at + written);
    Ok(())
}

/// Why nothing was written.
enum Failed {
    Room(InsufficientSizeError),
    Other(String),
}

impl From<EncodeError> for Failed {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::InsufficientSize(room) => Self::Room(room),
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<EncryptError> for Failed {
    fn from(error: EncryptError) -> Self {
        match error {
            EncryptError::InsufficientSize(room) => Self::Room(room),
            other => Self::Other(other.to_string()),
        }
    }
}

fn broken(error: RustlsError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection without a TLS close_notify")
}

impl<S: AsyncWrite + Unpin> TlsStream<S> {
    /// Sends all that is to be sent.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_empty() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.outgoing))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outgoing.drain(..written);
        }
        self.outgoing = Vec::new();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            let ready_bytes = this.plain.get(this.plain_at..).unwrap_or_default();
            if !ready_bytes.is_empty() {
                let take = ready_bytes.len().min(buf.remaining());
                buf.put_slice(ready_bytes.get(..take).unwrap_or_default());
                this.plain_at += take;
                if this.plain_at >= this.plain.len() {
                    (this.plain, this.plain_at) = (Vec::new(), 0);
                }
                return Poll::Ready(Ok(()));
            }
            if this.ended {
                return Poll::Ready(Ok(()));
            }
            let mut scratch = [MaybeUninit::uninit(); READ_BYTES];
            let mut read = ReadBuf::uninit(&mut scratch);
            ready!(Pin::new(&mut this.inner).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Err(cut_off()));
            }
            this.incoming.extend_from_slice(read.filled());
            if this.incoming.len() > MAX_INCOMING_BYTES {
                return Poll::Ready(Err(io::Error::other("the server sent a TLS record or message without end")));
            }
            let standing = this.take_in(Send::Nothing);
            // Answers of TLS itself, alerts among them; what does not go now goes with the next write.
            if let Poll::Ready(Err(error)) = this.poll_drain(cx) {
                standing?;
                return Poll::Ready(Err(error));
            }
            standing?;
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.outgoing.len() >= MAX_OUTGOING_BYTES {
            ready!(self.poll_drain(cx))?;
        }
        let bytes = bytes.get(..RECORD_BYTES).unwrap_or(bytes);
        match self.take_in(Send::Data(bytes))? {
            Standing::Open => Poll::Ready(Ok(bytes.len())),
            _ => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Asked again while the bytes are on their way, TLS has nothing more to say.
        self.take_in(Send::Close)?;
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<S> fmt::Debug for TlsStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").field("ended", &self.ended).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "tls_stream_tests.rs"]
mod tests;
