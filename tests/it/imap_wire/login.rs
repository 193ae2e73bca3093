//! From the connection to the login: greetings, capabilities, LOGIN, ID, STARTTLS.

use super::{connect, session_with};
use crate::support::server::{Peer, PipeDial};
use crate::support::{account, imap, secs};
use mailbell::config::{Credential, Mode, Tls};
use mailbell::imap::{ImapError, ImapSource, LoginTrouble, MailSource};
use mailbell::model::{RawName, Secret};
use std::sync::Arc;
use tokio::time::Instant;

const LOGIN: &str = "LOGIN \"zhangsan@corp.example\" \"se\\\"cr\\\\et\"";

async fn refused(server: impl AsyncFnOnce(&mut Peer)) -> ImapError {
    let (session, _peer) = connect(&account(), server).await;
    session.err().expect("an error")
}

/// The answer to LOGIN.
async fn login_answered(answer: &str) -> ImapError {
    refused(async |peer: &mut Peer| {
        peer.send("* OK [CAPABILITY IMAP4rev1] hi\r\n").await;
        peer.expect(LOGIN).await;
        peer.send(answer).await;
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn capabilities_are_asked_again_after_login() {
    let (session, _peer) = connect(&account(), async |peer: &mut Peer| {
        peer.send("* OK hi\r\n").await;
        peer.answer("CAPABILITY", "* CAPABILITY IMAP4rev1 STARTTLS\r\n").await;
        peer.answer(LOGIN, "").await;
        peer.answer("CAPABILITY", "* CAPABILITY IMAP4rev1 IDLE\r\n").await;
    })
    .await;
    assert!(session.unwrap().offer().idle);
    let (session, _peer) = session_with("NAMESPACE").await;
    assert!(!session.offer().idle);
}

#[tokio::test(start_paused = true)]
async fn capabilities_that_cannot_be_asked_are_those_of_the_greeting() {
    for answer in ["{tag} BAD what\r\n", "{tag} OK nothing\r\n", "{tag} NO\r\n"] {
        let (session, _peer) = connect(&account(), async |peer: &mut Peer| {
            peer.send("* OK [CAPABILITY IMAP4rev1 IDLE] hi\r\n").await;
            peer.answer(LOGIN, "").await;
            peer.expect("CAPABILITY").await;
            peer.send(answer).await;
        })
        .await;
        assert!(session.unwrap().offer().idle, "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn preauth_needs_no_login() {
    for greeting in ["* PREAUTH hi\r\n", "* PREAUTH [CAPABILITY IMAP4rev1 IDLE] hi\r\n"] {
        let (session, _peer) = connect(&account(), async |peer: &mut Peer| {
            peer.send(greeting).await;
            while let Some(command) = tokio::time::timeout(secs(1), peer.command()).await.ok().flatten() {
                assert_eq!(command, "CAPABILITY", "{greeting}");
                peer.send("* CAPABILITY IMAP4rev1 IDLE\r\n{tag} OK\r\n").await;
            }
        })
        .await;
        assert!(session.unwrap().offer().idle, "{greeting}");
    }
}

#[tokio::test(start_paused = true)]
async fn greetings_that_are_none() {
    let bye = refused(async |peer: &mut Peer| peer.send("* BYE shutting down\r\n").await).await;
    assert_eq!(bye, ImapError::Bye("shutting down".to_owned()));
    let busy = refused(async |peer: &mut Peer| peer.send("* BYE Too many connections\r\n").await).await;
    assert!(matches!(busy, ImapError::Login { trouble: LoginTrouble::TooMany, .. }), "{busy:?}");
    let odd = refused(async |peer: &mut Peer| peer.send("* 3 EXISTS\r\n").await).await;
    assert!(matches!(odd, ImapError::Protocol(_)), "{odd:?}");
    let no = refused(async |peer: &mut Peer| peer.send("* NO go away\r\n").await).await;
    assert!(matches!(no, ImapError::Protocol(_)), "{no:?}");
}

#[tokio::test(start_paused = true)]
async fn another_protocol_ends_in_time() {
    for garbage in ["SSH-2.0-OpenSSH_9\r\n", "220 mail.corp.example ESMTP\r\n", "+OK POP3\r\n", "\u{15}\u{3}\u{1}\r\n"]
    {
        let began = Instant::now();
        let error = refused(async |peer: &mut Peer| {
            peer.send(garbage).await;
            peer.expect_closed().await;
        })
        .await;
        assert!(matches!(error, ImapError::Protocol(_) | ImapError::Timeout { step: "connecting", .. }), "{error:?}");
        assert!(began.elapsed() <= secs(20), "{garbage}");
    }
    let closed = refused(async |peer: &mut Peer| peer.send("HTTP/1.0 400 Bad Request\r\n\r\n").await).await;
    assert!(matches!(closed, ImapError::Lost(_) | ImapError::Timeout { .. }), "{closed:?}");
}

#[tokio::test(start_paused = true)]
async fn no_greeting_ends_in_time() {
    let began = Instant::now();
    let error = refused(async |peer: &mut Peer| peer.expect_closed().await).await;
    assert_eq!(error, ImapError::Timeout { step: "connecting", limit: secs(20) });
    assert_eq!(began.elapsed(), secs(20));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_closes_is_lost() {
    for step in 0..5 {
        let dial = PipeDial::default();
        let source = ImapSource::new(Arc::new(dial.clone()), imap());
        let server = async {
            let mut peer = dial.accept().await;
            for (at, words) in ["* OK hi\r\n", "* CAPABILITY IMAP4rev1 ID\r\n", "", "* CAPABILITY IMAP4rev1 ID\r\n", ""]
                .into_iter()
                .enumerate()
            {
                if at > 0 {
                    peer.command().await.unwrap();
                }
                if at == step {
                    return;
                }
                peer.send(words).await;
                if at > 0 {
                    peer.send("{tag} OK\r\n").await;
                }
            }
        };
        let account = account();
        let (session, ()) = tokio::join!(source.connect(&account), server);
        assert!(matches!(session.err(), Some(ImapError::Lost(_))), "step {step}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_no_password_gets_none() {
    let error = refused(async |peer: &mut Peer| {
        peer.send("* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] hi\r\n").await;
        peer.expect_closed().await;
    })
    .await;
    assert!(matches!(error, ImapError::Login { trouble: LoginTrouble::Disabled, .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_chinese_password_goes_as_a_literal_that_waits() {
    let mut account = account();
    account.credential = Credential::Password(Secret::new("密码 1"));
    let (session, _peer) = connect(&account, async |peer: &mut Peer| {
        peer.send("* OK [CAPABILITY IMAP4rev1] hi\r\n").await;
        peer.expect("LOGIN \"zhangsan@corp.example\" {8}").await;
        peer.expect_silence(secs(30)).await;
        peer.send("* OK still here\r\n+\r\n").await;
        peer.expect_raw("密码 1".as_bytes()).await;
        peer.send("{tag} OK\r\n").await;
        peer.answer("CAPABILITY", "").await;
    })
    .await;
    session.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_chinese_name_and_password_are_two_literals() {
    let mut account = account();
    account.login = "张三".to_owned();
    account.credential = Credential::Password(Secret::new("密码"));
    let (session, _peer) = connect(&account, async |peer: &mut Peer| {
        peer.send("* OK [CAPABILITY IMAP4rev1] hi\r\n").await;
        peer.expect("LOGIN {6}").await;
        peer.send("+ go on\r\n").await;
        peer.expect_raw("张三 {6}".as_bytes()).await;
        peer.send("+ \r\n").await;
        peer.expect_raw("密码".as_bytes()).await;
        peer.send("{tag} OK\r\n").await;
        peer.answer("CAPABILITY", "").await;
    })
    .await;
    session.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refused_literal_is_a_refused_login() {
    let mut account = account();
    account.credential = Credential::Password(Secret::new("密码"));
    let (session, _peer) = connect(&account, async |peer: &mut Peer| {
        peer.send("* OK [CAPABILITY IMAP4rev1] hi\r\n").await;
        peer.expect_start("LOGIN ").await;
        peer.send("{tag} BAD no literals here\r\n").await;
        peer.expect_closed().await;
    })
    .await;
    let error = session.err().unwrap();
    assert!(matches!(error, ImapError::Login { trouble: LoginTrouble::Refused, .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn answers_to_login_by_code_and_words() {
    use LoginTrouble::{Refused, Temporary, TooMany, WrongPassword};
    let gbk = encoding_rs::GBK.encode("登录失败").0.into_owned();
    let cases = [
        ("{tag} NO [AUTHENTICATIONFAILED] Authentication failed.\r\n", WrongPassword),
        ("{tag} NO [AUTHENTICATIONFAILED] Too many failed attempts.\r\n", WrongPassword),
        ("{tag} NO\r\n", Refused),
        ("{tag} BAD\r\n", Refused),
        ("{tag} NO LOGIN Login error or password error\r\n", WrongPassword),
        ("{tag} NO [UNAVAILABLE] Temporary authentication failure.\r\n", Temporary),
        ("{tag} NO [INUSE] locked\r\n", Temporary),
        ("{tag} NO [LIMIT] enough\r\n", TooMany),
        ("{tag} NO [ALERT] Too many simultaneous connections. (Failure)\r\n", TooMany),
        ("{tag} BAD User is authenticated but not connected.\r\n", TooMany),
        ("{tag} BAD Request is throttled. Suggested Backoff Time: 1000 milliseconds\r\n", Temporary),
        ("* BYE Too many connections\r\n", TooMany),
    ];
    for (answer, expected) in cases {
        match login_answered(answer).await {
            ImapError::Login { trouble, text } => {
                assert_eq!(trouble, expected, "{answer}");
                assert!(!text.contains("cr\\et"), "{text}");
            }
            other => panic!("{answer}: {other:?}"),
        }
    }
    let error = refused(async |peer: &mut Peer| {
        peer.send("* OK [CAPABILITY IMAP4rev1] hi\r\n").await;
        peer.expect(LOGIN).await;
        let line = [format!("{} NO ", peer.tag()).as_bytes(), &gbk, b"\r\n"].concat();
        peer.send_bytes(&line).await;
    })
    .await;
    assert_eq!(error, ImapError::Login { trouble: Refused, text: "登录失败".to_owned() });
}

#[tokio::test(start_paused = true)]
async fn no_answer_to_login_ends_in_time() {
    let began = Instant::now();
    let error = refused(async |peer: &mut Peer| {
        peer.send("* OK [CAPABILITY IMAP4rev1] hi\r\n").await;
        peer.expect(LOGIN).await;
        peer.expect_closed().await;
    })
    .await;
    assert_eq!(error, ImapError::Timeout { step: "LOGIN", limit: secs(60) });
    assert_eq!(began.elapsed(), secs(60));
}

/// NetEase refuses every mailbox before ID, so it comes right behind LOGIN and the capabilities.
#[tokio::test(start_paused = true)]
async fn id_is_said_before_anything_is_opened() {
    let id = format!(
        "ID (\"name\" \"mailbell\" \"version\" \"{}\" \"vendor\" \"mailbell\" \"support-email\" \"postmaster@localhost\")",
        env!("CARGO_PKG_VERSION")
    );
    let answers = [
        "* ID (\"name\" \"Coremail\")\r\n{tag} OK\r\n",
        "* ID NIL\r\n{tag} OK\r\n",
        "* ID ()\r\n{tag} OK\r\n",
        "{tag} BAD Parse command error\r\n",
        "{tag} NO\r\n",
    ];
    for answer in answers {
        for (before, after) in [("ID", "ID"), ("ID", "IDLE"), ("IDLE", "ID")] {
            let (session, mut peer) = connect(&account(), async |peer: &mut Peer| {
                peer.send(&format!("* OK [CAPABILITY IMAP4rev1 {before}] hi\r\n")).await;
                peer.answer(LOGIN, "").await;
                peer.answer("CAPABILITY", &format!("* CAPABILITY IMAP4rev1 {after}\r\n")).await;
                peer.expect(&id).await;
                peer.send(answer).await;
            })
            .await;
            let mut session = session.unwrap();
            let inbox = RawName::new(b"INBOX");
            tokio::join!(session.examine(&inbox), peer.answer("EXAMINE \"INBOX\"", "")).0.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn starttls_protects_before_login() {
    let mut account = account();
    account.provider.server.tls = Tls::Starttls;
    let dial = PipeDial::default();
    let source = ImapSource::new(Arc::new(dial.clone()), imap());
    let server = async {
        let mut peer = dial.accept().await;
        peer.send("* OK [CAPABILITY IMAP4rev1] no STARTTLS in the list\r\n").await;
        peer.answer("STARTTLS", "").await;
        peer.answer("CAPABILITY", "* CAPABILITY IMAP4rev1 IDLE\r\n").await;
        assert_eq!(dial.protected(), 1);
        peer.answer(LOGIN, "").await;
        peer.answer("CAPABILITY", "* CAPABILITY IMAP4rev1 IDLE\r\n").await;
        peer
    };
    assert!(tokio::join!(source.connect(&account), server).0.unwrap().offer().idle);
}

#[tokio::test(start_paused = true)]
async fn no_word_in_the_clear_when_starttls_is_refused() {
    let mut account = account();
    account.provider.server.tls = Tls::Starttls;
    for answer in ["{tag} NO not here\r\n", "{tag} BAD what\r\n"] {
        let (session, _peer) = connect(&account, async |peer: &mut Peer| {
            peer.send("* OK [CAPABILITY IMAP4rev1] hi\r\n").await;
            peer.expect("STARTTLS").await;
            peer.send(answer).await;
            peer.expect_closed().await;
        })
        .await;
        assert!(matches!(session.err(), Some(ImapError::Protocol(_))), "{answer}");
    }
    for greeting in ["* PREAUTH hi\r\n", "* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n"] {
        let (session, _peer) = connect(&account, async |peer: &mut Peer| {
            peer.send(greeting).await;
            peer.expect_closed().await;
        })
        .await;
        assert!(matches!(session.err(), Some(ImapError::Protocol(_))), "{greeting}");
    }
}

/// A man in the middle puts an answer behind the one to STARTTLS, to be taken for one after the handshake.
#[tokio::test(start_paused = true)]
async fn words_before_the_handshake_are_an_error() {
    let mut account = account();
    account.provider.server.tls = Tls::Starttls;
    for injected in ["* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n", "* OK x\r\n", "M2 OK", "\r\n* LIST () \"/\" x\r\n"] {
        let (session, _peer) = connect(&account, async |peer: &mut Peer| {
            peer.send("* OK hi\r\n").await;
            peer.expect("STARTTLS").await;
            peer.send(&format!("{{tag}} OK begin\r\n{injected}")).await;
            peer.expect_closed().await;
        })
        .await;
        let error = session.err().expect(injected);
        assert!(matches!(&error, ImapError::Protocol(text) if text.contains("STARTTLS")), "{injected}: {error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn mode_idle_does_not_ask_the_list() {
    let mut account = account();
    account.mode = Mode::Idle;
    let (session, _peer) = connect(&account, async |peer: &mut Peer| peer.log_in("").await).await;
    assert!(session.unwrap().offer().idle);
}
