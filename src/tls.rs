//! What IMAP and WeCom share of TLS: the roots and the one crypto library. Verification cannot be switched off.

use std::sync::Arc;
use tokio_rustls::rustls::client::ClientConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::{Error, RootCertStore, version};

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
    let versions: &[_] = if only_13 { &[&version::TLS13] } else { &[&version::TLS13, &version::TLS12] };
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider())).with_protocol_versions(versions)?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// A client configuration that trusts the public roots.
///
/// # Errors
/// As [`config_with`].
pub fn client_config() -> Result<ClientConfig, Error> {
    config_with(public_roots(), false)
}
