//! TLS with a real server: STARTTLS, versions, and certificates that are wrong in every way.

use super::{PASSWORD, account, connect, dovecot, is_2_4, is_in, open_dir, password, source, write};
use mailbell::config::{Auth, MinTls, Tls};
use mailbell::demo::dovecot::{CertKind, Options};
use mailbell::imap::{ImapError, MailSource, TlsTrouble};
use sha2::{Digest, Sha256};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

fn trouble(result: Result<Box<dyn mailbell::imap::MailSession>, ImapError>) -> TlsTrouble {
    match result.err().expect("a refusal") {
        ImapError::Tls { trouble, .. } => trouble,
        other => panic!("{other:?}"),
    }
}

async fn with(cert: CertKind) -> (tempfile::TempDir, mailbell::demo::dovecot::Dovecot) {
    dovecot(Options { cert, ..Options::default() }).await
}

#[tokio::test]
async fn implicit_and_starttls_by_name_and_by_address() {
    let (_dir, dovecot) = with(CertKind::Good).await;
    for host in ["localhost", "127.0.0.1"] {
        for min_tls in [MinTls::V12, MinTls::V13] {
            let mut account = account(&dovecot, Auth::Login, password(PASSWORD));
            account.provider.server.host = host.to_owned();
            account.provider.server.min_tls = min_tls;
            is_in(connect(&account).await).await;
            account.provider.server.tls = Tls::Starttls;
            account.provider.server.port = dovecot.imap_port();
            is_in(connect(&account).await).await;
        }
    }
}

#[tokio::test]
async fn tls_1_2_alone_is_not_enough_where_1_3_is_asked_for() {
    let conf =
        "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = limits\n[limits]\nMaxProtocol = TLSv1.2\n";
    let dir = open_dir();
    let conf = write(dir.path(), "openssl.cnf", conf);
    let extra = match is_2_4() {
        false => format!("import_environment = $import_environment OPENSSL_CONF={}\n", conf.display()),
        true => format!("import_environment {{\n  OPENSSL_CONF = {}\n}}\n", conf.display()),
    };
    let (_home, dovecot) = dovecot(Options { extra, ..Options::default() }).await;
    let mut account = account(&dovecot, Auth::Login, password(PASSWORD));
    is_in(connect(&account).await).await;
    account.provider.server.min_tls = MinTls::V13;
    let told = trouble(connect(&account).await);
    assert!(matches!(told, TlsTrouble::NoCommonVersion(_)), "{told:?}");
}

#[tokio::test]
async fn each_wrong_certificate_is_told_by_what_is_wrong() {
    let (_a, expired) = with(CertKind::Expired).await;
    let told = trouble(connect(&account(&expired, Auth::Login, password(PASSWORD))).await);
    assert_eq!(told, TlsTrouble::Expired("2021-01-01".to_owned()));
    let (_b, young) = with(CertKind::NotYetValid).await;
    let told = trouble(connect(&account(&young, Auth::Login, password(PASSWORD))).await);
    assert_eq!(told, TlsTrouble::NotYetValid("2090-01-01".to_owned()));
    let (_c, other) = with(CertKind::OtherHost).await;
    let told = trouble(connect(&account(&other, Auth::Login, password(PASSWORD))).await);
    assert_eq!(told, TlsTrouble::WrongName(vec!["imap.other.example".to_owned()]));
    let (_d, authority) = with(CertKind::Authority).await;
    let told = trouble(connect(&account(&authority, Auth::Login, password(PASSWORD))).await);
    assert_eq!(told, TlsTrouble::CaAsServer);
    // The same over STARTTLS, and by an address that the certificate has not.
    let mut account = account(&other, Auth::Login, password(PASSWORD));
    account.provider.server.tls = Tls::Starttls;
    account.provider.server.port = other.imap_port();
    account.provider.server.host = "127.0.0.1".to_owned();
    let told = trouble(connect(&account).await);
    assert_eq!(told, TlsTrouble::WrongName(vec!["imap.other.example".to_owned()]));
}

#[tokio::test]
async fn an_unknown_authority_is_named_with_the_fingerprint_to_compare() {
    let (_dir, dovecot) = with(CertKind::Good).await;
    let mut account = account(&dovecot, Auth::Login, password(PASSWORD));
    let shown = dovecot.ca_file().with_file_name("cert.pem");
    let shown = Sha256::digest(CertificateDer::from_pem_file(shown).unwrap());
    let shown: Vec<_> = shown.iter().map(|byte| format!("{byte:02X}")).collect();
    let expected = TlsTrouble::UnknownCa { issuer: "CN=mailbell demo CA".to_owned(), fingerprint: shown.join(":") };
    // None known; and an authority of the same name with another key, as after a renewal.
    let (_other_dir, other) = with(CertKind::Good).await;
    for ca_file in [None, Some(other.ca_file().to_owned())] {
        account.provider.server.ca_file = ca_file;
        assert_eq!(trouble(connect(&account).await), expected);
    }
    // Its own key signed it.
    let (_own_dir, own) = with(CertKind::SelfSigned).await;
    let told = trouble(connect(&super::account(&own, Auth::Login, password(PASSWORD))).await);
    assert!(matches!(&told, TlsTrouble::UnknownCa { issuer, .. } if issuer == "CN=localhost"), "{told:?}");
}

#[tokio::test]
async fn a_ca_file_that_changes_in_place_is_read_again() {
    let (_dir, dovecot) = with(CertKind::Good).await;
    let (_other_dir, other) = with(CertKind::Good).await;
    let (right, wrong) = [&dovecot, &other].map(|it| std::fs::read_to_string(it.ca_file()).unwrap()).into();
    let dir = open_dir();
    let source = source();
    let mut account = account(&dovecot, Auth::Login, password(PASSWORD));
    account.provider.server.ca_file = Some(write(dir.path(), "ca.pem", &wrong));
    assert!(matches!(trouble(source.connect(&account).await), TlsTrouble::UnknownCa { .. }));
    write(dir.path(), "ca.pem", &right);
    is_in(source.connect(&account).await).await;
    // Half written, empty, gone: what was known stays.
    for broken in ["-----BEGIN CERTIFICATE-----\nMIIB", "", "{}"] {
        write(dir.path(), "ca.pem", broken);
        is_in(source.connect(&account).await).await;
    }
    std::fs::remove_file(dir.path().join("ca.pem")).unwrap();
    is_in(source.connect(&account).await).await;
    // Put aside and renamed, as careful writers do.
    let other_place = write(dir.path(), "new.pem", &wrong);
    std::fs::rename(other_place, dir.path().join("ca.pem")).unwrap();
    assert!(matches!(trouble(source.connect(&account).await), TlsTrouble::UnknownCa { .. }));
}

#[tokio::test]
async fn a_ca_file_that_cannot_be_used_is_named() {
    let (_dir, dovecot) = with(CertKind::Good).await;
    let dir = open_dir();
    let mut account = account(&dovecot, Auth::Login, password(PASSWORD));
    let missing = dir.path().join("missing.pem");
    for file in [missing, write(dir.path(), "a.pem", ""), write(dir.path(), "b.pem", "-----BEGIN CERTIFICATE-----\n")] {
        let name = file.display().to_string();
        account.provider.server.ca_file = Some(file);
        let told = trouble(connect(&account).await);
        assert!(matches!(&told, TlsTrouble::Other(text) if text.contains(&name)), "{told:?}");
    }
}

#[tokio::test]
async fn no_tls_on_a_port_is_told() {
    let (_dir, dovecot) = with(CertKind::Good).await;
    let mut account = account(&dovecot, Auth::Login, password(PASSWORD));
    account.provider.server.port = dovecot.imap_port();
    assert_eq!(trouble(connect(&account).await), TlsTrouble::NoTls);
}
