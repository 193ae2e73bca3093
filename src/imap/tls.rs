//! TLS for IMAP: rustls with the machine's roots and those of `ca_file`, never without verification.

use super::certificate;
use super::error::{ImapError, TlsTrouble};
use crate::config::{MinTls, Server};
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio_rustls::rustls::client::ClientConfig;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error as RustlsError, OtherError, SignatureScheme,
};
use tracing::warn;

/// The client configurations in use: one per `min_tls` and `ca_file`, shared by all connections, so that sessions
/// are resumed and roots are held once. A `ca_file` that has changed is read anew.
#[derive(Debug, Default)]
pub(super) struct TlsConfigs {
    made: Mutex<HashMap<Key, Made>>,
}

/// Whether TLS 1.3 only, and `ca_file`.
type Key = (bool, Option<PathBuf>);

/// What a file looked like from outside: device, number, size, and the moments (with nanoseconds) of the last changes
/// of its bytes and of itself. Differs if anything was done to it.
type Look = (u64, u64, u64, (i64, i64), (i64, i64));

#[derive(Debug)]
struct Made {
    /// `None` where there is no `ca_file`, or it was not there.
    look: Option<Look>,
    config: Arc<ClientConfig>,
}

impl TlsConfigs {
    /// The configuration for `server`. Where a `ca_file` changed into one that cannot be read, the former one stays in
    /// use, and the log tells once.
    ///
    /// # Errors
    /// `ca_file` that cannot be read or holds no certificate.
    pub(super) fn get(&self, server: &Server) -> Result<Arc<ClientConfig>, ImapError> {
        let only_13 = server.min_tls == MinTls::V13;
        let key = (only_13, server.ca_file.clone());
        let look = server.ca_file.as_deref().and_then(look);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = made.get(&key).filter(|known| known.look == look) {
            return Ok(known.config.clone());
        }
        let config = match (make(server.ca_file.as_deref(), only_13), made.get(&key)) {
            (Ok(config), _) => Arc::new(config),
            (Err(reason), Some(known)) => {
                warn!(reason, "ca_file has changed and cannot be used; what was read from it before stays in use");
                known.config.clone()
            }
            (Err(reason), None) => {
                return Err(ImapError::Tls { host: server.host.clone(), trouble: TlsTrouble::Other(reason) });
            }
        };
        made.insert(key, Made { look, config: config.clone() });
        Ok(config)
    }
}

fn look(file: &Path) -> Option<Look> {
    let known = std::fs::metadata(file).ok()?;
    let (written, changed) = ((known.mtime(), known.mtime_nsec()), (known.ctime(), known.ctime_nsec()));
    Some((known.dev(), known.ino(), known.size(), written, changed))
}

fn make(ca_file: Option<&Path>, only_13: bool) -> Result<ClientConfig, String> {
    let mut roots = crate::tls::public_roots();
    if let Some(file) = ca_file {
        let trouble = |reason: &dyn std::fmt::Display| format!("ca_file {}: {reason}", file.display());
        let bytes = std::fs::read(file).map_err(|e| trouble(&e))?;
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(&bytes) {
            let certificate = certificate.map_err(|e| trouble(&e))?;
            roots.add(certificate).map_err(|e| trouble(&e))?;
        }
        if roots.len() == before {
            return Err(trouble(&"holds no certificate in PEM form"));
        }
    }
    crate::tls::config_observed(roots, only_13, |verifier| Arc::new(Witness(verifier))).map_err(|e| e.to_string())
}

/// Asks the real verifier everything and believes it; adds only to one refusal what was shown to it.
#[derive(Debug)]
struct Witness(Arc<dyn ServerCertVerifier>);

/// A chain that ends at nobody known.
#[derive(Debug, thiserror::Error)]
#[error("signed by {issuer}, which is not known here")]
struct Stranger {
    issuer: String,
    fingerprint: String,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, RustlsError> {
        let verdict = self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        verdict.map_err(|error| match error {
            // The last two: an authority of the same name with another key is known, an older one mostly.
            RustlsError::InvalidCertificate(
                CertificateError::UnknownIssuer
                | CertificateError::BadSignature
                | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. },
            ) => {
                let issuer = certificate::issuer(intermediates.last().unwrap_or(end_entity)).unwrap_or_default();
                let stranger = Stranger { issuer, fingerprint: certificate::fingerprint(end_entity) };
                RustlsError::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(stranger))))
            }
            other => other,
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.0.requires_raw_public_keys()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        self.0.root_hint_subjects()
    }
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
        RustlsError::InvalidMessage(_) => TlsTrouble::NoTls,
        other => TlsTrouble::Other(other.to_string()),
    })
}

fn certificate_trouble(error: &CertificateError) -> TlsTrouble {
    match error {
        CertificateError::Expired => TlsTrouble::Expired(String::new()),
        CertificateError::ExpiredContext { not_after, .. } => TlsTrouble::Expired(date(not_after)),
        CertificateError::NotValidYet => TlsTrouble::NotYetValid(String::new()),
        CertificateError::NotValidYetContext { not_before, .. } => TlsTrouble::NotYetValid(date(not_before)),
        CertificateError::NotValidForName => TlsTrouble::WrongName(Vec::new()),
        CertificateError::NotValidForNameContext { presented, .. } => {
            TlsTrouble::WrongName(presented.iter().filter_map(|name| plain_name(name)).collect())
        }
        CertificateError::Other(OtherError(other)) => match other.downcast_ref::<Stranger>() {
            Some(Stranger { issuer, fingerprint }) => {
                TlsTrouble::UnknownCa { issuer: issuer.clone(), fingerprint: fingerprint.clone() }
            }
            None if format!("{other:?}").contains("CaUsedAsEndEntity") => TlsTrouble::CaAsServer,
            None => TlsTrouble::Other(format!("the certificate is not accepted: {other}")),
        },
        other => TlsTrouble::Other(format!("the certificate is not accepted: {other}")),
    }
}

/// `2021-01-01`; empty where the time is out of all range.
fn date(time: &UnixTime) -> String {
    let moment = i64::try_from(time.as_secs()).ok().and_then(|s| jiff::Timestamp::from_second(s).ok());
    moment.map(|m| m.strftime("%Y-%m-%d").to_string()).unwrap_or_default()
}

/// A name out of `DnsName("mail.corp.example")` or `IpAddress(192.0.2.1)`, as the verifier lists them; other kinds of
/// names are no host's.
fn plain_name(listed: &str) -> Option<String> {
    let inside = ["DnsName(", "IpAddress("].into_iter().find_map(|kind| listed.strip_prefix(kind))?;
    let name = inside.trim_end_matches(')').trim_matches('"');
    let name: String = name.chars().filter(|c| !c.is_control()).take(253).collect();
    (!name.is_empty()).then_some(name)
}
