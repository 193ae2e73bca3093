//! What IMAP, WeCom, the token sources and the web surface share of TLS: the roots and the one crypto library.
//! Verification cannot be switched off.

use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::client::{ClientConfig, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::ring::{default_provider, sign};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::ServerConfig;
use tokio_rustls::rustls::sign::SigningKey;
use tokio_rustls::rustls::{Error, RootCertStore, SignatureScheme, SupportedProtocolVersion, version};
use tokio_rustls::server::TlsStream;

/// The machine's CA store or, where it is empty (small containers), Mozilla's roots as they were at build time.
pub fn public_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

/// A client configuration that trusts `roots`, with TLS 1.3 and, unless `only_13`, 1.2.
///
/// # Errors
/// None in practice: the versions and the crypto library are fixed.
pub fn config_with(roots: RootCertStore, only_13: bool) -> Result<ClientConfig, Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_protocol_versions(versions(only_13))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The same, with `observe` around the verifier: for whoever tells more of what was refused. It must hand every question
/// on and let no refusal pass.
///
/// # Errors
/// `roots` is empty.
pub fn config_observed(
    roots: RootCertStore,
    only_13: bool,
    observe: impl FnOnce(Arc<dyn ServerCertVerifier>) -> Arc<dyn ServerCertVerifier>,
) -> Result<ClientConfig, Error> {
    let provider = Arc::new(default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let verifier = verifier.build().map_err(|e| Error::General(e.to_string()))?;
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions(only_13))?;
    Ok(builder.dangerous().with_custom_certificate_verifier(observe(verifier)).with_no_client_auth())
}

static FROM_12: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
static FROM_13: [&SupportedProtocolVersion; 1] = [&version::TLS13];

fn versions(only_13: bool) -> &'static [&'static SupportedProtocolVersion] {
    if only_13 { &FROM_13 } else { &FROM_12 }
}

/// A client configuration that trusts the public roots.
///
/// # Errors
/// As [`config_with`].
pub fn client_config() -> Result<ClientConfig, Error> {
    config_with(public_roots(), false)
}

/// Takes connections with a certificate of one's own: TLS 1.2 and 1.3, HTTP/1.1 inside.
#[derive(Clone)]
pub struct Acceptor(TlsAcceptor);

impl Acceptor {
    /// Reads a certificate chain, the server's own first, and its private key, both in PEM form.
    ///
    /// # Errors
    /// In English, without anything of the key: none there, or they do not fit together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, String> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
        let chain = chain.map_err(|_| "the certificate file is no PEM file".to_owned())?;
        if chain.is_empty() {
            return Err("the certificate file holds no certificate (-----BEGIN CERTIFICATE-----)".to_owned());
        }
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| "the key file holds no private key (-----BEGIN PRIVATE KEY-----)".to_owned())?;
        let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_protocol_versions(versions(false)).map_err(|e| e.to_string())?;
        let config = builder.with_no_client_auth().with_single_cert(chain, key);
        let mut config = config.map_err(|e| format!("certificate and key do not fit together: {e}"))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// Shakes hands.
    ///
    /// # Errors
    /// The other side does not.
    pub async fn accept(&self, tcp: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        self.0.accept(tcp).await
    }
}

/// A private RSA key that signs with PKCS #1 v1.5 and SHA-256 (`RS256`, RFC 7518 3.3).
#[derive(Debug)]
pub struct Rs256(Arc<dyn SigningKey>);

impl Rs256 {
    /// Reads the first private key of a PEM text, in PKCS #8 or PKCS #1 form.
    ///
    /// # Errors
    /// In words, without anything of the key: none there, or no RSA key of 2048 to 4096 bits.
    pub fn from_pem(pem: &str) -> Result<Self, String> {
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| "holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)".to_owned())?;
        let key =
            sign::RsaSigningKey::new(&der).map_err(|_| "the key is no RSA key of 2048 to 4096 bits".to_owned())?;
        Ok(Self(Arc::new(key)))
    }

    /// The signature of a message.
    ///
    /// # Errors
    /// The random number generator fails.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let signer = self.0.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]);
        let signer = signer.ok_or_else(|| "the key cannot sign with RS256".to_owned())?;
        signer.sign(message).map_err(|e| e.to_string())
    }
}
