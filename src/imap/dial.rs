//! Reaching a server: name, TCP, TLS.

use super::error::{ImapError, TlsTrouble};
use super::tls::{TlsConfigs, trouble};
use super::tls_stream::TlsStream;
use crate::config::{MinTls, Server, Tls};
use futures_util::future::BoxFuture;
use socket2::{SockRef, TcpKeepalive};
use std::fmt;
use std::io::ErrorKind;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::ServerName;

/// A connection, whatever it is made of.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + fmt::Debug {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + fmt::Debug> Stream for T {}

/// First probe of a silent connection: well below the four minutes after which middle boxes forget one
/// (imap-servers B.1).
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(20);
const KEEPALIVE_PROBES: u32 = 3;
/// Sent bytes without an acknowledgement for so long end the connection.
const USER_TIMEOUT: Duration = Duration::from_secs(60);

/// How servers are reached: TCP and TLS in life, a pipe in tests.
pub trait Dial: Send + Sync {
    /// Connects; with TLS at once where the server has it implicit. The caller limits the time.
    fn dial<'a>(&'a self, server: &'a Server) -> BoxFuture<'a, Result<Box<dyn Stream>, ImapError>>;
    /// Starts TLS on a connection (STARTTLS).
    fn protect<'a>(
        &'a self,
        stream: Box<dyn Stream>,
        server: &'a Server,
    ) -> BoxFuture<'a, Result<Box<dyn Stream>, ImapError>>;
}

/// TCP and rustls.
#[derive(Debug, Default)]
pub struct TcpDial {
    configs: TlsConfigs,
}

impl Dial for TcpDial {
    fn dial<'a>(&'a self, server: &'a Server) -> BoxFuture<'a, Result<Box<dyn Stream>, ImapError>> {
        Box::pin(async move {
            let tcp = connect(server).await?;
            match server.tls {
                Tls::Implicit => self.protect(Box::new(tcp), server).await,
                Tls::Starttls | Tls::None => Ok(Box::new(tcp) as Box<dyn Stream>),
            }
        })
    }

    fn protect<'a>(
        &'a self,
        stream: Box<dyn Stream>,
        server: &'a Server,
    ) -> BoxFuture<'a, Result<Box<dyn Stream>, ImapError>> {
        Box::pin(async move {
            let failed = |trouble| ImapError::Tls { host: server.host.clone(), trouble };
            let config = self.configs.get(server)?;
            let name = ServerName::try_from(server.host.clone())
                .map_err(|_| failed(TlsTrouble::Other("the host is no name that a certificate can have".into())))?;
            let tls = TlsStream::connect(stream, config, name).await.map_err(|error| match trouble(&error) {
                Some(trouble) => failed(trouble),
                // Dovecot closes without an alert where no version fits.
                None if server.min_tls == MinTls::V13 && error.kind() == ErrorKind::UnexpectedEof => {
                    let text = "the server closed the connection in the handshake, as those do that have no TLS 1.3";
                    failed(TlsTrouble::NoCommonVersion(text.to_owned()))
                }
                // The connection broke: a server that is just going down or coming up.
                None => ImapError::Connect {
                    address: format!("{}:{}", server.host, server.port),
                    reason: error.to_string(),
                },
            })?;
            Ok(Box::new(tls) as Box<dyn Stream>)
        })
    }
}

async fn connect(server: &Server) -> Result<TcpStream, ImapError> {
    let resolved = tokio::net::lookup_host((server.host.as_str(), server.port)).await;
    let addresses: Vec<_> =
        resolved.map_err(|e| ImapError::Resolve { host: server.host.clone(), reason: e.to_string() })?.collect();
    let mut reason = "the name has no address".to_owned();
    for address in addresses {
        // The last guard: what comes over this connection is secret (config and login say so before).
        if server.tls == Tls::None && !address.ip().is_loopback() {
            reason = format!("tls = \"none\" is for this machine alone, and {} is not", address.ip());
            continue;
        }
        match TcpStream::connect(address).await {
            Ok(stream) => {
                keep_alive(&stream);
                return Ok(stream);
            }
            Err(error) => reason = error.to_string(),
        }
    }
    Err(ImapError::Connect { address: format!("{}:{}", server.host, server.port), reason })
}

/// Makes the kernel find dead peers. A system that knows one of these options not goes without it: the renewals of
/// IDLE find a dead peer as well, only later.
fn keep_alive(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let probes =
        TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY).with_retries(KEEPALIVE_PROBES);
    let _ = socket.set_tcp_keepalive(&probes);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(USER_TIMEOUT));
    let _ = stream.set_nodelay(true);
}
