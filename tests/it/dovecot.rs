//! The private Dovecot: mail in by LMTP, out by IMAP over TLS; restarts; nothing left behind.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mailbell::demo::compose::Mail;
use mailbell::demo::dovecot::{CertKind, Dovecot, DovecotError, Options};
use mailbell::demo::lmtp::{LmtpError, deliver};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

const USER: &str = "zhangsan@corp.example";
const PASSWORD: &str = "a:b c\"密码";

fn options() -> Options {
    Options::of([(USER, PASSWORD), ("lisi@corp.example", "x")])
}

async fn started() -> (tempfile::TempDir, Dovecot) {
    let dir = tempfile::tempdir().unwrap();
    let dovecot = Dovecot::start(dir.path(), &options()).await.unwrap();
    (dir, dovecot)
}

fn mail(id: &str, subject: &str) -> Vec<u8> {
    let date = jiff::Zoned::now();
    let (from, body) = ("boss@partner.example", "你好\n.\n.点\n");
    Mail { from_name: "老板", from, to: USER, subject, body, id, date: &date }.to_bytes()
}

async fn send(dovecot: &Dovecot, id: &str) {
    deliver(dovecot.lmtp_addr(), "boss@partner.example", USER, &mail(id, "测试")).await.unwrap();
}

/// A conversation in IMAP, line by line.
struct Imap<S> {
    stream: BufReader<S>,
    tag: u32,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Imap<S> {
    async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = tokio::time::timeout(Duration::from_secs(10), self.stream.read_line(&mut line));
        read.await.expect("no answer within 10 s").unwrap();
        line
    }

    /// Sends a command and reads up to its tagged answer, which is given too.
    async fn ask(&mut self, command: &str) -> String {
        self.tag += 1;
        let tag = format!("a{} ", self.tag);
        let stream = self.stream.get_mut();
        stream.write_all(format!("{tag}{command}\r\n").as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        let mut all = String::new();
        loop {
            let line = self.line().await;
            assert!(!line.is_empty(), "closed after {command:?}: {all}");
            all.push_str(&line);
            if line.starts_with(&tag) {
                return all;
            }
        }
    }

    async fn login(&mut self) {
        let password = PASSWORD;
        self.tag += 1;
        let login = format!("a{} LOGIN {USER} {{{}+}}\r\n{password}\r\n", self.tag, password.len());
        self.stream.get_mut().write_all(login.as_bytes()).await.unwrap();
        self.stream.get_mut().flush().await.unwrap();
        let tag = format!("a{} ", self.tag);
        loop {
            let line = self.line().await;
            if line.starts_with(&tag) {
                assert!(line.starts_with(&format!("{tag}OK")), "{line}");
                return;
            }
        }
    }
}

async fn tls(dovecot: &Dovecot) -> Result<Imap<TlsStream<TcpStream>>, std::io::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(dovecot.ca_file()).unwrap()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, dovecot.imaps_port())).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let mut imap = Imap { stream: BufReader::new(stream), tag: 0 };
    assert!(imap.line().await.starts_with("* OK"));
    Ok(imap)
}

async fn logged_in(dovecot: &Dovecot) -> Imap<TlsStream<TcpStream>> {
    let mut imap = tls(dovecot).await.unwrap();
    imap.login().await;
    imap
}

async fn plain(dovecot: &Dovecot) -> (Imap<TcpStream>, String) {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, dovecot.imap_port())).await.unwrap();
    let mut imap = Imap { stream: BufReader::new(stream), tag: 0 };
    let greeting = imap.line().await;
    (imap, greeting)
}

#[tokio::test]
async fn mail_goes_in_by_lmtp_and_is_there_over_tls() {
    let (_dir, dovecot) = started().await;
    let accepted = deliver(dovecot.lmtp_addr(), "", USER, &mail("one", "第一封")).await.unwrap();
    assert!(accepted.reply.starts_with("250"), "{}", accepted.reply);
    let mut imap = logged_in(&dovecot).await;
    let examined = imap.ask("EXAMINE INBOX").await;
    assert!(examined.contains("* 1 EXISTS"), "{examined}");
    let fetched = imap.ask("UID FETCH 1 (BODY.PEEK[])").await;
    assert!(fetched.contains("<one@demo.mailbell.example>"), "{fetched}");
    soon(|| dovecot.log().contains("Command finished: EXAMINE").then_some(())).await;
    assert_eq!(dovecot.logins(USER), 1);
    let error = deliver(dovecot.lmtp_addr(), "", "nobody@corp.example", b"x").await.unwrap_err();
    assert!(matches!(error, LmtpError::Refused { command: "RCPT TO", .. }), "{error}");
}

#[tokio::test]
async fn idle_tells_of_new_mail() {
    let (_dir, dovecot) = started().await;
    let mut imap = logged_in(&dovecot).await;
    imap.ask("EXAMINE INBOX").await;
    imap.stream.get_mut().write_all(b"i IDLE\r\n").await.unwrap();
    imap.stream.get_mut().flush().await.unwrap();
    assert!(imap.line().await.starts_with('+'));
    send(&dovecot, "one").await;
    while !imap.line().await.contains("1 EXISTS") {}
}

#[tokio::test]
async fn a_restart_keeps_mail_ports_and_certificate() {
    let (_dir, mut dovecot) = started().await;
    let ports = (dovecot.imap_port(), dovecot.imaps_port(), dovecot.lmtp_port());
    send(&dovecot, "one").await;
    let before = logged_in(&dovecot).await.ask("STATUS INBOX (UIDVALIDITY UIDNEXT)").await;
    dovecot.restart().await.unwrap();
    assert_eq!(ports, (dovecot.imap_port(), dovecot.imaps_port(), dovecot.lmtp_port()));
    assert_eq!(
        logged_in(&dovecot).await.ask("STATUS INBOX (UIDVALIDITY UIDNEXT)").await.lines().next(),
        before.lines().next()
    );
    dovecot.kill().await;
    assert!(dovecot.processes().is_empty());
    dovecot.restart().await.unwrap();
    send(&dovecot, "two").await;
    let examined = logged_in(&dovecot).await.ask("EXAMINE INBOX").await;
    assert!(examined.contains("* 2 EXISTS"), "{examined}");
}

#[tokio::test]
async fn stopping_leaves_no_process_and_dropping_no_file() {
    let (dir, mut dovecot) = started().await;
    let _connected = logged_in(&dovecot).await;
    let processes = dovecot.processes();
    assert!(processes.len() > 3, "{processes:?}");
    dovecot.stop().await;
    assert!(!processes.iter().any(|id| lives(*id)), "{processes:?}");
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, dovecot.imap_port())).await.is_err());
    dovecot.restart().await.unwrap();
    let processes = dovecot.processes();
    let home = dovecot.ca_file().parent().unwrap().to_owned();
    drop(dovecot);
    assert!(!processes.iter().any(|id| lives(*id)), "{processes:?}");
    assert!(!home.exists());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

fn lives(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

#[tokio::test]
async fn two_at_once_do_not_meet() {
    let ((_a, one), (_b, two)) = tokio::join!(started(), started());
    send(&one, "one").await;
    let (mut at_one, mut at_two) = tokio::join!(logged_in(&one), logged_in(&two));
    assert!(at_one.ask("EXAMINE INBOX").await.contains("* 1 EXISTS"));
    assert!(at_two.ask("EXAMINE INBOX").await.contains("* 0 EXISTS"));
    drop(one);
    assert!(at_two.ask("NOOP").await.contains("OK"));
}

#[tokio::test]
async fn capabilities_are_as_asked_for() {
    let (_dir, dovecot) = started().await;
    let (mut imap, greeting) = plain(&dovecot).await;
    assert!(greeting.contains("STARTTLS") && greeting.contains("IDLE"), "{greeting}");
    imap.login().await;
    let all = imap.ask("CAPABILITY").await;
    let dir = tempfile::tempdir().unwrap();
    let without = Options { idle: false, hibernate: Some(Duration::from_secs(1)), ..options() };
    let dovecot = Dovecot::start(dir.path(), &without).await.unwrap();
    let (mut imap, greeting) = plain(&dovecot).await;
    assert!(greeting.contains("STARTTLS") && !greeting.contains("IDLE"), "{greeting}");
    imap.login().await;
    let fewer = imap.ask("CAPABILITY").await;
    let words = |answer: &str| {
        let first = answer.lines().next().unwrap().to_owned();
        let mut words: Vec<String> = first.split(' ').map(str::to_owned).collect();
        words.sort();
        words
    };
    let all: Vec<String> = words(&all).into_iter().filter(|word| word != "IDLE").collect();
    assert_eq!(words(&fewer), all);
}

#[tokio::test]
async fn doveadm_makes_chinese_folders_and_saves_mail() {
    let (_dir, dovecot) = started().await;
    dovecot.doveadm(&["mailbox", "create", "-u", USER, "项目/归档"]).unwrap();
    dovecot.doveadm_with(&["save", "-u", USER, "-m", "项目/归档"], &mail("saved", "存")).unwrap();
    let status = dovecot.doveadm(&["mailbox", "status", "-u", USER, "messages", "项目/*"]).unwrap();
    assert!(status.contains("messages=1"), "{status}");
    let listed = logged_in(&dovecot).await.ask("LIST \"\" *").await;
    // "项目/归档" in modified UTF-7 (RFC 3501 section 5.1.3)
    assert!(listed.contains("&mHl27g-/&X1JoYw-"), "{listed}");
    assert!(listed.contains("\"/\""), "{listed}");
    let error = dovecot.doveadm(&["mailbox", "delete", "-u", USER, "none"]).unwrap_err();
    assert!(error.to_string().contains("none"), "{error}");
}

#[tokio::test]
async fn passwords_are_checked_at_once_and_can_change() {
    let (_dir, mut dovecot) = started().await;
    let (mut imap, _) = plain(&dovecot).await;
    let begun = Instant::now();
    assert!(imap.ask(&format!("LOGIN {USER} wrong")).await.contains("NO [AUTHENTICATIONFAILED]"));
    assert!(imap.ask(&format!("LOGIN {USER} wrong")).await.contains("NO [AUTHENTICATIONFAILED]"));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    soon(|| (dovecot.refused_logins(USER) == 2).then_some(())).await;
    dovecot.set_password(USER, "wrong").unwrap();
    let (mut imap, _) = plain(&dovecot).await;
    let until = Instant::now() + Duration::from_secs(5);
    while !imap.ask(&format!("LOGIN {USER} wrong")).await.contains(" OK ") {
        assert!(Instant::now() < until);
        imap = plain(&dovecot).await.0;
    }
}

#[tokio::test]
async fn bad_certificates_are_bad_in_the_way_asked_for() {
    let cases = [
        (CertKind::Expired, "Expired"),
        (CertKind::NotYetValid, "NotValidYet"),
        (CertKind::OtherHost, "NotValidForName"),
        (CertKind::SelfSigned, "UnknownIssuer"),
    ];
    for (cert, words) in cases {
        let dir = tempfile::tempdir().unwrap();
        let dovecot = Dovecot::start(dir.path(), &Options { cert, ..options() }).await.unwrap();
        let error = tls(&dovecot).await.err().expect("a refusal");
        assert!(format!("{error:?}").contains(words), "{cert:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_mistake_in_extra_lines_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let wrong = Options { extra: "no_such_setting = 1".to_owned(), ..options() };
    let error = Dovecot::start(dir.path(), &wrong).await.unwrap_err();
    assert!(matches!(error, DovecotError::NotReady { .. }));
    assert!(error.to_string().contains("no_such_setting"), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn logins_that_would_break_the_password_file_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for login in ["", "a:b", "a/b", "..", "A@b", "a b", "a\nb"] {
        let error = Dovecot::start(dir.path(), &Options::of([(login, "x")])).await.unwrap_err();
        assert!(matches!(error, DovecotError::Login(_)), "{login:?}: {error}");
    }
}

/// Not a test of its own: the process that [`the_death_of_its_parent_ends_it`] kills.
#[tokio::test]
async fn parent_that_is_killed() {
    let Ok(dir) = std::env::var("MAILBELL_TEST_PARENT_DIR") else {
        return;
    };
    let dovecot = Dovecot::start(Path::new(&dir), &options()).await.unwrap();
    let told = format!("{:?} {}", dovecot.processes(), dovecot.imap_port());
    std::fs::write(Path::new(&dir).join("told.part"), told).unwrap();
    std::fs::rename(Path::new(&dir).join("told.part"), Path::new(&dir).join("told")).unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn the_death_of_its_parent_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "dovecot::parent_that_is_killed"])
        .env("MAILBELL_TEST_PARENT_DIR", dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let told = dir.path().join("told");
    let text = soon(|| std::fs::read_to_string(&told).ok()).await;
    parent.kill().unwrap();
    parent.wait().unwrap();
    let processes: Vec<u32> = text.split(|c: char| !c.is_ascii_digit()).filter_map(|id| id.parse().ok()).collect();
    let (_port, processes) = processes.split_last().unwrap();
    soon(|| (!processes.iter().any(|id| lives(*id))).then_some(())).await;
    std::fs::remove_file(told).unwrap();
    let left = || -> Vec<PathBuf> { std::fs::read_dir(dir.path()).unwrap().flatten().map(|e| e.path()).collect() };
    soon(|| left().is_empty().then_some(())).await;
}

/// Waits until this gives something, for 40 s at most.
async fn soon<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(40);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "it did not come");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
