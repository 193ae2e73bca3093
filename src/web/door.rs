//! Where connections come in: plain, or through TLS with a certificate of mailbell's own, which can be changed while it
//! listens.

use crate::tls::Acceptor;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tracing::warn;

/// Handshakes at one time; who comes then waits in the system's queue.
const SHAKING: usize = 256;
/// A handshake takes no longer.
const SHAKE: Duration = Duration::from_secs(10);
/// Connections at one time; who comes then waits in the system's queue.
const MOST: usize = 1024;
/// Who connects must have asked something by then, to the end of its headers (RFC 9112 2.1).
const ASK: Duration = Duration::from_secs(20);
/// A connection without a byte in either direction for so long is closed: longer than any answer takes.
const IDLE: Duration = Duration::from_secs(11 * 60);
/// After a connection that could not be taken (no more file descriptors).
const PAUSE: Duration = Duration::from_secs(1);

/// The certificate that is shown to who comes next; `None`: connections are plain.
#[derive(Clone, Default)]
pub struct Certificate(Arc<RwLock<Option<Acceptor>>>);

impl Certificate {
    /// From now on this one.
    pub fn set(&self, acceptor: Option<Acceptor>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = acceptor;
    }

    /// Whether there is one.
    pub fn is_set(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn now(&self) -> Option<Acceptor> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A listener.
pub(super) struct Door {
    tcp: TcpListener,
    certificate: Certificate,
    shaking: FuturesUnordered<BoxFuture<'static, Option<(Line, SocketAddr)>>>,
    seats: Arc<Semaphore>,
}

impl Door {
    pub(super) fn new(tcp: TcpListener, certificate: Certificate) -> Self {
        Self { tcp, certificate, shaking: FuturesUnordered::new(), seats: Arc::new(Semaphore::new(MOST)) }
    }
}

impl Listener for Door {
    type Io = Line;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Line, SocketAddr) {
        loop {
            tokio::select! {
                Some(shaken) = self.shaking.next(), if !self.shaking.is_empty() => {
                    if let Some(taken) = shaken {
                        return taken;
                    }
                }
                came = take(&self.tcp, &self.seats), if self.shaking.len() < SHAKING => match came {
                    Ok((stream, peer, seat)) => match self.certificate.now() {
                        None => return (Line::new(Box::new(stream), seat), peer),
                        Some(acceptor) => self.shaking.push(Box::pin(shake(acceptor, stream, peer, seat))),
                    },
                    Err(reason) => {
                        warn!(%reason, "connections to the web surface cannot be taken");
                        tokio::time::sleep(PAUSE).await;
                    }
                },
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// The next connection, once there is a seat for it.
async fn take(tcp: &TcpListener, seats: &Arc<Semaphore>) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let seat = seats.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = tcp.accept().await?;
    Ok((stream, peer, seat))
}

/// Who does not shake hands is left alone.
async fn shake(
    acceptor: Acceptor,
    stream: TcpStream,
    peer: SocketAddr,
    seat: OwnedSemaphorePermit,
) -> Option<(Line, SocketAddr)> {
    let shaken = tokio::time::timeout(SHAKE, acceptor.accept(stream)).await;
    shaken.ok()?.ok().map(|stream| (Line::new(Box::new(stream), seat), peer))
}

/// Bytes both ways.
trait Both: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Both for T {}

/// A connection, which ends when nothing comes of it.
pub(super) struct Line {
    stream: Box<dyn Both>,
    /// The last bytes that were read, until the first headers have ended.
    asking: Option<[u8; 4]>,
    ends: Pin<Box<Sleep>>,
    _seat: OwnedSemaphorePermit,
}

impl Line {
    fn new(stream: Box<dyn Both>, seat: OwnedSemaphorePermit) -> Self {
        Self { stream, asking: Some([0; 4]), ends: Box::pin(tokio::time::sleep(ASK)), _seat: seat }
    }

    /// Bytes came, or went.
    fn moved(&mut self, read: &[u8]) {
        if let Some(last) = &mut self.asking {
            for byte in read {
                let [_, b, c, d] = *last;
                *last = [b, c, d, *byte];
                if last == b"\r\n\r\n" {
                    self.asking = None;
                    break;
                }
            }
        }
        if self.asking.is_none() {
            self.ends = Box::pin(tokio::time::sleep(IDLE));
        }
    }

    /// Nothing moves: perhaps for too long.
    fn waits<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        self.ends.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Pending => self.waits(cx),
            Poll::Ready(done) => {
                self.moved(buf.filled().get(before..).unwrap_or_default());
                Poll::Ready(done)
            }
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(cx, buf) {
            Poll::Pending => self.waits(cx),
            Poll::Ready(done) => {
                self.moved(&[]);
                Poll::Ready(done)
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

impl Connected<IncomingStream<'_, Door>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        Self(*stream.remote_addr())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    fn line() -> (tokio::io::DuplexStream, Line) {
        let (client, server) = duplex(1024);
        let seat = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        (client, Line::new(Box::new(server), seat))
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_ask_to_the_end_is_left_however_often_something_comes() {
        let (mut client, mut line) = line();
        let dribble = async {
            loop {
                client.write_all(b"X-A: b\r\n").await.unwrap();
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
        };
        let mut bytes = Vec::new();
        let ended = tokio::select! { ended = line.read_to_end(&mut bytes) => ended, () = dribble => Ok(0) };
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(bytes.len() < 50, "{}", bytes.len());
    }

    #[tokio::test(start_paused = true)]
    async fn who_asked_may_wait_for_a_long_answer_and_not_for_ever() {
        let (mut client, mut line) = line();
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r").await.unwrap();
        client.write_all(b"\n").await.unwrap();
        let mut bytes = [0; 64];
        let mut read = 0;
        while read < 27 {
            read += line.read(&mut bytes).await.unwrap();
        }
        let waited = tokio::time::timeout(Duration::from_secs(600), line.read(&mut bytes)).await;
        assert!(waited.is_err(), "still there after ten minutes");
        let ended = tokio::time::timeout(Duration::from_secs(600), line.read(&mut bytes)).await.unwrap();
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
