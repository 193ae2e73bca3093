//! The stream against a server of tokio-rustls, over pipes that are as narrow as can be.

use super::*;
use rcgen::{CertificateParams, KeyPair};
use tokio::io::{DuplexStream, duplex};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

/// A server's config, and that of a client which believes it, or (`believes` not) nobody.
fn configs(version: &'static SupportedProtocolVersion, believes: bool) -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["imap.corp.example".to_owned()]).unwrap().self_signed(&key).unwrap();
    let mut roots = RootCertStore::empty();
    if believes {
        roots.add(certificate.der().clone()).unwrap();
    }
    let provider = Arc::new(default_provider());
    let server = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(&[version]).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let server = server.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    let client = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
    (Arc::new(server), Arc::new(client.with_root_certificates(roots).with_no_client_auth()))
}

fn name() -> ServerName<'static> {
    ServerName::try_from("imap.corp.example").unwrap()
}

/// Takes and gives so many bytes at one time at most.
struct Narrow(DuplexStream, usize);

impl AsyncRead for Narrow {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut scratch = vec![0; self.1.min(buf.remaining())];
        let mut few = ReadBuf::new(&mut scratch);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut few))?;
        buf.put_slice(few.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Narrow {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let few = bytes.len().min(self.1);
        Pin::new(&mut self.0).poll_write(cx, &bytes[..few])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Changes one bit of what is read, after so many bytes.
struct Flip(DuplexStream, usize);

impl AsyncRead for Flip {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.0).poll_read(cx, buf))?;
        let read = buf.filled().len() - before;
        if let Some(byte) = buf.filled_mut().get_mut(before + self.1).filter(|_| self.1 < read) {
            *byte ^= 0x10;
        }
        self.1 = self.1.checked_sub(read).unwrap_or(usize::MAX);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Flip {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

async fn connected(
    version: &'static SupportedProtocolVersion,
    at_once: usize,
) -> (TlsStream<Narrow>, tokio_rustls::server::TlsStream<DuplexStream>) {
    // Room for the tickets that the server sends before anybody reads again.
    let (near, far) = duplex(8192);
    let (server, client) = configs(version, true);
    let near = TlsStream::connect(Narrow(near, at_once), client, name());
    let both = tokio::join!(near, TlsAcceptor::from(server).accept(far));
    (both.0.unwrap(), both.1.unwrap())
}

/// Bytes that do not repeat themselves soon.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8 ^ (at / 251) as u8).collect()
}

#[tokio::test]
async fn all_bytes_pass_both_ways_through_narrow_pipes() {
    for version in [&TLS12, &TLS13] {
        for at_once in [7, 1000, 100_000] {
            let (mut near, mut far) = connected(version, at_once).await;
            let (to, from) = (bytes(70_000), bytes(50_001));
            let ours = async {
                near.write_all(&to).await.unwrap();
                near.flush().await.unwrap();
                let mut got = vec![0; from.len()];
                near.read_exact(&mut got).await.unwrap();
                got
            };
            let theirs = async {
                let mut got = vec![0; to.len()];
                far.read_exact(&mut got).await.unwrap();
                far.write_all(&from).await.unwrap();
                far.flush().await.unwrap();
                got
            };
            let (got, got_there) = tokio::join!(ours, theirs);
            assert!(got == from && got_there == to, "{version:?}, {at_once} bytes at one time");
            assert_eq!((near.incoming.capacity(), near.plain.capacity(), near.outgoing.capacity()), (0, 0, 0));
        }
    }
}

#[tokio::test]
async fn an_end_that_was_said_is_one_and_another_is_an_error() {
    for version in [&TLS12, &TLS13] {
        let (mut near, mut far) = connected(version, 4096).await;
        far.write_all(b"* BYE\r\n").await.unwrap();
        far.shutdown().await.unwrap();
        let mut got = Vec::new();
        near.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, b"* BYE\r\n");

        let (mut near, far) = connected(version, 4096).await;
        drop(far);
        let error = near.read(&mut [0; 10]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{error}");
    }
}

#[tokio::test]
async fn a_shutdown_is_said_to_the_server() {
    let (mut near, mut far) = connected(&TLS13, 4096).await;
    near.shutdown().await.unwrap();
    assert_eq!(far.read(&mut [0; 10]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_server_that_is_not_believed_is_told_why() {
    let (near, far) = duplex(4096);
    let (server, client) = configs(&TLS13, false);
    let (ours, theirs) = tokio::join!(TlsStream::connect(near, client, name()), TlsAcceptor::from(server).accept(far));
    let error = ours.unwrap_err();
    assert!(error.get_ref().is_some_and(|inner| inner.is::<RustlsError>()), "{error}");
    // With TLS 1.3 the server may be through before it hears of it.
    let heard = match theirs {
        Err(error) => error,
        Ok(mut stream) => stream.read(&mut [0; 10]).await.unwrap_err(),
    };
    assert!(heard.to_string().contains("UnknownCA"), "{heard}");
}

/// Whatever a line or a man in the middle does to the server's bytes: no panic, and nothing false is read. A length that is
/// too large has both wait for ever, which is for the callers' time-outs.
#[tokio::test(start_paused = true)]
async fn a_changed_bit_anywhere_is_an_error() {
    for version in [&TLS12, &TLS13] {
        for at in (0..1100).step_by(3) {
            let (near, far) = duplex(8192);
            let (server, client) = configs(version, true);
            let ours = async {
                let mut stream = TlsStream::connect(Flip(near, at), client, name()).await?;
                let mut got = Vec::new();
                stream.read_to_end(&mut got).await?;
                Ok::<_, io::Error>(got)
            };
            let theirs = async {
                let mut stream = TlsAcceptor::from(server).accept(far).await?;
                stream.write_all(b"* OK ready\r\n").await?;
                stream.shutdown().await
            };
            let both = async { tokio::join!(ours, theirs) };
            let Ok((ours, _)) = tokio::time::timeout(std::time::Duration::from_secs(60), both).await else { continue };
            assert!(ours.is_err() || ours.is_ok_and(|got| got == b"* OK ready\r\n"), "{version:?}, byte {at}");
        }
    }
}
