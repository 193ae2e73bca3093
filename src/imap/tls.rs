//! TLS for IMAP: rustls with the machine's roots and those of `ca_file`, never without verification.

use super::error::{ImapError, TlsTrouble};
use crate::config::{MinTls, Server};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_rustls::rustls::client::ClientConfig;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{CertificateError, Error as RustlsError};

/// The client configurations in use: one per `min_tls` and `ca_file`, shared by all connections, so that sessions
/// are resumed and roots are held once.
#[derive(Debug, Default)]
pub(super) struct TlsConfigs {
    made: Mutex<HashMap<Key, Arc<ClientConfig>>>,
}

/// Whether TLS 1.3 only, and `ca_file`.
type Key = (bool, Option<PathBuf>);

impl TlsConfigs {
    /// The configuration for `server`.
    ///
    /// # Errors
    /// `ca_file` that cannot be read or holds no certificate.
    pub(super) fn get(&self, server: &Server) -> Result<Arc<ClientConfig>, ImapError> {
        let only_13 = server.min_tls == MinTls::V13;
        let key = (only_13, server.ca_file.clone());
        if let Some(config) = self.made.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(config.clone());
        }
        let config = Arc::new(make(server, only_13)?);
        self.made.lock().unwrap_or_else(PoisonError::into_inner).insert(key, config.clone());
        Ok(config)
    }
}

fn make(server: &Server, only_13: bool) -> Result<ClientConfig, ImapError> {
    let trouble = |text: String| ImapError::Tls { host: server.host.clone(), trouble: TlsTrouble::Other(text) };
    let mut roots = crate::tls::public_roots();
    if let Some(file) = &server.ca_file {
        let bytes = std::fs::read(file).map_err(|e| trouble(format!("ca_file {}: {e}", file.display())))?;
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(&bytes) {
            let certificate = certificate.map_err(|e| trouble(format!("ca_file {}: {e}", file.display())))?;
            roots.add(certificate).map_err(|e| trouble(format!("ca_file {}: {e}", file.display())))?;
        }
        if roots.len() == before {
            return Err(trouble(format!("ca_file {} holds no certificate in PEM form", file.display())));
        }
    }
    crate::tls::config_with(roots, only_13).map_err(|e| trouble(e.to_string()))
}

/// What a failed handshake means; `None` where only the connection broke.
pub(super) fn trouble(error: &std::io::Error) -> Option<TlsTrouble> {
    let inner = error.get_ref().and_then(|e| e.downcast_ref::<RustlsError>())?;
    Some(match inner {
        RustlsError::InvalidCertificate(certificate) => certificate_trouble(certificate),
        RustlsError::PeerIncompatible(what) => TlsTrouble::NoCommonVersion(format!("{what:?}")),
        RustlsError::AlertReceived(alert) => match format!("{alert:?}").as_str() {
            text @ ("ProtocolVersion" | "HandshakeFailure" | "InsufficientSecurity") => {
                TlsTrouble::NoCommonVersion(format!("the server answered {text}"))
            }
            text => TlsTrouble::Other(format!("the server answered {text}")),
        },
        RustlsError::InvalidMessage(_) => TlsTrouble::Other("the server does not speak TLS on this port".to_owned()),
        other => TlsTrouble::Other(other.to_string()),
    })
}

fn certificate_trouble(error: &CertificateError) -> TlsTrouble {
    match error {
        CertificateError::UnknownIssuer => TlsTrouble::UnknownCa,
        CertificateError::Expired => TlsTrouble::Expired(String::new()),
        CertificateError::ExpiredContext { not_after, .. } => {
            let since = i64::try_from(not_after.as_secs()).ok().and_then(|s| jiff::Timestamp::from_second(s).ok());
            TlsTrouble::Expired(since.map(|t| format!(" on {}", t.strftime("%Y-%m-%d"))).unwrap_or_default())
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => TlsTrouble::NotYetValid,
        CertificateError::NotValidForName => TlsTrouble::WrongName("unknown".to_owned()),
        CertificateError::NotValidForNameContext { presented, .. } => TlsTrouble::WrongName(presented.join(", ")),
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => TlsTrouble::UnknownCa,
        other => TlsTrouble::Other(format!("the certificate is not accepted: {other}")),
    }
}
