//! Logins and TLS against a real Dovecot: master users, access tokens, STARTTLS, versions and certificates.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod certificates;
pub mod tokens;

use crate::support;
use mailbell::config::{Account, Auth, Credential, Server, Tls};
use mailbell::demo::dovecot::{Dovecot, Options};
use mailbell::imap::{Bearer, ImapError, ImapSource, LoginTrouble, MailSession, MailSource, TcpDial};
use mailbell::model::{AccountId, RawName, Secret};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const USER: &str = "zhangsan@corp.example";
const PASSWORD: &str = "pass word";

/// A Dovecot with one user and these lines more; and a directory that it can read.
async fn dovecot(options: Options) -> (tempfile::TempDir, Dovecot) {
    let dir = open_dir();
    let options = Options { users: vec![(USER.into(), PASSWORD.into())], ..options };
    let dovecot = Dovecot::start(dir.path(), &options).await.unwrap();
    (dir, dovecot)
}

/// A directory that Dovecot's user may read.
pub fn open_dir() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o755)).tempdir().unwrap()
}

fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path
}

/// The user at this Dovecot, over TLS.
fn account(dovecot: &Dovecot, auth: Auth, credential: Credential) -> Account {
    let mut account = Account { id: AccountId::new(USER), auth, credential, ..support::account() };
    let server = Server { host: "localhost".to_owned(), port: dovecot.imaps_port(), ..account.provider.server.clone() };
    account.provider.server = Server { ca_file: Some(dovecot.ca_file().to_owned()), ..server };
    account
}

fn password(text: &str) -> Credential {
    Credential::Password(Secret::new(text))
}

fn source() -> ImapSource {
    ImapSource::new(Arc::new(TcpDial::default()), support::imap())
}

async fn connect(account: &Account) -> Result<Box<dyn MailSession>, ImapError> {
    source().connect(account).await
}

async fn connect_with(bearer: &Arc<dyn Bearer>, account: &Account) -> Result<Box<dyn MailSession>, ImapError> {
    source().with_bearer(bearer.clone()).connect(account).await
}

/// Whether the session is really in: a mailbox can be opened.
async fn is_in(session: Result<Box<dyn MailSession>, ImapError>) {
    let mut session = session.unwrap();
    session.examine(&RawName::new(b"INBOX")).await.unwrap();
    session.logout().await;
}

/// Waits until this is so: lines reach Dovecot's log a moment after the client its answer.
async fn soon(mut is_so: impl FnMut() -> bool) {
    let until = tokio::time::Instant::now() + support::secs(30);
    while !is_so() {
        assert!(tokio::time::Instant::now() < until, "it did not come");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

fn login_error(session: Result<Box<dyn MailSession>, ImapError>) -> (LoginTrouble, String) {
    match session.err().expect("a refusal") {
        ImapError::Login { trouble, text } => (trouble, text),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn login_and_plain_take_any_password() {
    let (_dir, mut dovecot) = dovecot(Options::default()).await;
    for text in ["pass word", "密码 \"\\ {3}", "🔔"] {
        dovecot.set_password(USER, text).unwrap();
        for auth in [Auth::Login, Auth::Plain] {
            // Dovecot may answer by the former password for a moment.
            let until = tokio::time::Instant::now() + support::secs(10);
            let session = loop {
                match connect(&account(&dovecot, auth, password(text))).await {
                    Err(error) if tokio::time::Instant::now() > until => panic!("{auth:?} {text}: {error}"),
                    Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
                    Ok(session) => break session,
                }
            };
            is_in(Ok(session)).await;
        }
    }
    for auth in [Auth::Login, Auth::Plain] {
        let (trouble, text) = login_error(connect(&account(&dovecot, auth, password("wrong"))).await);
        assert_eq!(trouble, LoginTrouble::WrongPassword, "{text}");
        assert!(!text.contains("wrong"), "{text}");
    }
}

/// Whether this machine's Dovecot is configured as 2.4 is.
pub fn is_2_4() -> bool {
    mailbell::demo::dovecot::find().unwrap().1.is_from_2_4()
}

/// A master user who may log in for everybody (imap-servers F.6).
pub fn master_user() -> String {
    let passdb = match is_2_4() {
        false => "passdb {\n  driver = static\n  args = user=mailbell password=ma*ster\n",
        true => "passdb static {\n  username_filter = mailbell\n  password = ma*ster\n",
    };
    format!("auth_master_user_separator = *\n{passdb}  master = yes\n  result_success = continue\n}}\n")
}

#[tokio::test]
async fn a_master_user_logs_in_for_others_in_both_ways() {
    let (_dir, dovecot) = dovecot(Options { extra: master_user(), ..Options::default() }).await;
    let master = |password: &str| Credential::Master { user: "mailbell".to_owned(), password: Secret::new(password) };
    for auth in [Auth::Login, Auth::Plain] {
        is_in(connect(&account(&dovecot, auth, master("ma*ster"))).await).await;
        let (trouble, text) = login_error(connect(&account(&dovecot, auth, master("wrong"))).await);
        assert_eq!(trouble, LoginTrouble::WrongPassword, "{text}");
        let nobody = Account { login: "nobody@corp.example".to_owned(), ..account(&dovecot, auth, master("ma*ster")) };
        let (trouble, text) = login_error(connect(&nobody).await);
        assert!(trouble.is_refusal(), "{trouble:?} {text}");
        is_in(connect(&account(&dovecot, auth, password(PASSWORD))).await).await;
    }
    assert_eq!(dovecot.logins(USER), 4, "the master reads as the user:");
}

#[tokio::test]
async fn a_server_that_wants_tls_says_so_before_the_password() {
    // Dovecot trusts a connection from an address to itself; from 127.0.0.1 to 127.0.0.2 it does not.
    let no_cleartext = if is_2_4() { "auth_allow_cleartext = no" } else { "disable_plaintext_auth = yes" };
    let extra = format!("listen = 127.0.0.1 127.0.0.2\n{no_cleartext}\n");
    let (_dir, dovecot) = dovecot(Options { extra, ..Options::default() }).await;
    let mut account = account(&dovecot, Auth::Login, password(PASSWORD));
    account.provider.server.port = dovecot.imap_port();
    for auth in [Auth::Login, Auth::Plain] {
        account.auth = auth;
        account.provider.server.tls = Tls::None;
        account.provider.server.host = "127.0.0.2".to_owned();
        let (trouble, text) = login_error(connect(&account).await);
        assert_eq!(trouble, LoginTrouble::Disabled, "{text}");
        account.provider.server.tls = Tls::Starttls;
        account.provider.server.host = "localhost".to_owned();
        is_in(connect(&account).await).await;
    }
    let unsaid = |line: &&str| line.contains("lip=127.0.0.2") && line.contains("no auth attempts");
    soon(|| dovecot.log().lines().filter(unsaid).count() == 2).await;
}
