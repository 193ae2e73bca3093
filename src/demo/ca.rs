//! Certificates for the private Dovecot: a fresh authority for each server, and a server certificate that is good or
//! wrong in one known way.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};

/// What kind of certificate the server shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CertKind {
    /// For `localhost`, `127.0.0.1` and `::1`, signed by the authority of the CA file.
    #[default]
    Good,
    /// As good, but it ended in 2021.
    Expired,
    /// As good, but it begins in 2090.
    NotYetValid,
    /// As good, but for `imap.other.example` alone.
    OtherHost,
    /// Signed by its own key; the CA file holds an authority that has nothing to do with it.
    SelfSigned,
    /// An authority's certificate, shown as the server's own and named in the CA file, as is soon made by hand.
    Authority,
}

/// The PEM files made by [`write()`].
#[derive(Clone, Debug)]
pub struct CertFiles {
    /// The authority's certificate: what a client is told to trust.
    pub ca: PathBuf,
    /// The server's certificate.
    pub cert: PathBuf,
    /// The server's private key, readable by its owner alone.
    pub key: PathBuf,
}

/// Why no certificate could be made.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// The certificate library refused.
    #[error("cannot make the demo's certificates: {0}")]
    Make(#[from] rcgen::Error),
    /// A file could not be written.
    #[error("cannot write the demo's certificate file {}: {source}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Makes an authority and a server certificate of this kind, and writes `ca.pem`, `cert.pem` and `key.pem` into `dir`.
///
/// The authority's key is forgotten at once, so nothing else can ever be signed with it.
///
/// # Errors
/// When a file cannot be written.
pub fn write(dir: &Path, kind: CertKind) -> Result<CertFiles, CaError> {
    let issuer = CertifiedIssuer::self_signed(authority(), KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let params = server(kind)?;
    let cert = match kind {
        CertKind::SelfSigned | CertKind::Authority => params.self_signed(&key)?,
        _ => params.signed_by(&key, &issuer)?,
    };
    let ca = if kind == CertKind::Authority { cert.pem() } else { issuer.pem() };
    let files = CertFiles { ca: dir.join("ca.pem"), cert: dir.join("cert.pem"), key: dir.join("key.pem") };
    write_file(&files.ca, &ca, 0o644)?;
    write_file(&files.cert, &cert.pem(), 0o644)?;
    write_file(&files.key, &key.serialize_pem(), 0o600)?;
    Ok(files)
}

fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name("mailbell demo CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2100, 1, 1);
    params
}

fn server(kind: CertKind) -> Result<CertificateParams, rcgen::Error> {
    let hosts: &[&str] = match kind {
        CertKind::OtherHost => &["imap.other.example"],
        _ => &["localhost", "127.0.0.1", "::1"],
    };
    let mut params = CertificateParams::new(hosts.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    params.distinguished_name = name(hosts.first().copied().unwrap_or("localhost"));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = kind != CertKind::SelfSigned;
    let (from, to) = match kind {
        CertKind::Expired => (2020, 2021),
        CertKind::NotYetValid => (2090, 2099),
        _ => (2020, 2099),
    };
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
    if kind == CertKind::Authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    Ok(params)
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

fn write_file(path: &Path, text: &str, mode: u32) -> Result<(), CaError> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| CaError::Write { path: path.to_owned(), source })
}
