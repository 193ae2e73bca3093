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
use tracing::warn;

/// Handshakes at one time; who comes then waits in the system's queue.
const SHAKING: usize = 256;
/// A handshake takes no longer.
const SHAKE: Duration = Duration::from_secs(10);
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
}

impl Door {
    pub(super) fn new(tcp: TcpListener, certificate: Certificate) -> Self {
        Self { tcp, certificate, shaking: FuturesUnordered::new() }
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
                came = self.tcp.accept(), if self.shaking.len() < SHAKING => match came {
                    Ok((stream, peer)) => match self.certificate.now() {
                        None => return (Line::Plain(stream), peer),
                        Some(acceptor) => self.shaking.push(Box::pin(shake(acceptor, stream, peer))),
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

/// Who does not shake hands is left alone.
async fn shake(acceptor: Acceptor, stream: TcpStream, peer: SocketAddr) -> Option<(Line, SocketAddr)> {
    let shaken = tokio::time::timeout(SHAKE, acceptor.accept(stream)).await;
    shaken.ok()?.ok().map(|stream| (Line::Tls(Box::new(stream)), peer))
}

/// Bytes both ways.
pub(super) trait Both: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Both for T {}

/// A connection.
pub(super) enum Line {
    Plain(TcpStream),
    Tls(Box<dyn Both>),
}

impl Line {
    fn both(self: Pin<&mut Self>) -> Pin<&mut dyn Both> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream),
            Self::Tls(stream) => Pin::new(&mut **stream),
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.both().poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.both().poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.both().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.both().poll_shutdown(cx)
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
