//! Every way to log in but the everyday one: master users, AUTHENTICATE, access tokens; and that no secret goes where it
//! must not.

use super::connect;
use crate::support::server::{Peer, PipeDial};
use crate::support::{account, imap, secs};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use mailbell::config::{Account, Auth, Credential, Oauth, OauthFlow, Tls};
use mailbell::imap::{
    AccessToken, Bearer, Dial, ImapError, ImapSource, LoginTrouble, MailSession, MailSource, TcpDial, TokenTrouble,
};
use mailbell::model::Secret;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use url::Url;

const GREETING: &str = "* OK [CAPABILITY IMAP4rev1] hi\r\n";
/// `{"status":"invalid_token","scope":"mail"}`
const CHALLENGE: &str = "eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIiwic2NvcGUiOiJtYWlsIn0=";

fn with(auth: Auth, credential: Credential) -> Account {
    Account { auth, credential, ..account() }
}

fn password(text: &str) -> Credential {
    Credential::Password(Secret::new(text))
}

fn master() -> Credential {
    Credential::Master { user: "mailbell".to_owned(), password: Secret::new("ma ster\"") }
}

fn oauth() -> Credential {
    let flow = OauthFlow::ClientCredentials { client_id: "app".to_owned(), client_secret: Secret::new("s") };
    let token_url = Url::parse("https://login.example/token").unwrap();
    Credential::Oauth(Arc::new(Oauth { name: "corp".to_owned(), token_url, scope: None, flow }))
}

/// Gives the tokens of a list, one after the other; what it gave at last is given again.
#[derive(Default)]
struct Purse {
    tokens: Mutex<Vec<Result<&'static str, TokenTrouble>>>,
    given: Mutex<u64>,
    asked_instead: Mutex<u32>,
}

impl Purse {
    fn of(tokens: &[&'static str]) -> Arc<Self> {
        Arc::new(Self { tokens: Mutex::new(tokens.iter().rev().map(|t| Ok(*t)).collect()), ..Self::default() })
    }

    fn next(&self) -> Option<Result<AccessToken, TokenTrouble>> {
        let next = self.tokens.lock().unwrap().pop()?;
        let mut given = self.given.lock().unwrap();
        *given += 1;
        Some(next.map(|token| AccessToken {
            token: Secret::new(token),
            lives_for: Some(Duration::from_secs(3600)),
            generation: *given,
        }))
    }
}

impl Bearer for Purse {
    fn token<'a>(&'a self, _account: &'a Account) -> BoxFuture<'a, Result<AccessToken, TokenTrouble>> {
        std::future::ready(self.next().expect("no more tokens")).boxed()
    }

    fn instead_of<'a>(
        &'a self,
        _account: &'a Account,
        refused: &'a AccessToken,
    ) -> BoxFuture<'a, Result<Option<AccessToken>, TokenTrouble>> {
        assert_eq!(refused.generation, *self.given.lock().unwrap());
        *self.asked_instead.lock().unwrap() += 1;
        std::future::ready(self.next().transpose()).boxed()
    }
}

/// Connects with access tokens; `server` plays all connections.
async fn connect_with(
    purse: &Arc<Purse>,
    auth: Auth,
    server: impl AsyncFnOnce(&PipeDial),
) -> Result<Box<dyn MailSession>, ImapError> {
    let dial = PipeDial::default();
    let source = ImapSource::new(Arc::new(dial.clone()), imap()).with_bearer(purse.clone());
    let account = with(auth, oauth());
    tokio::join!(source.connect(&account), server(&dial)).0
}

/// Plays AUTHENTICATE up to the client's message, whose golden base64 is `message`.
async fn take_message(peer: &mut Peer, mechanism: &str, message: &str) {
    peer.send(GREETING).await;
    peer.expect(&format!("AUTHENTICATE {mechanism}")).await;
    peer.send("+ \r\n").await;
    peer.expect_raw(message.as_bytes()).await;
}

async fn finish(peer: &mut Peer) {
    peer.send("{tag} OK in\r\n").await;
    peer.answer("CAPABILITY", "* CAPABILITY IMAP4rev1 IDLE\r\n").await;
}

fn login_error(session: Result<Box<dyn MailSession>, ImapError>) -> (LoginTrouble, String) {
    match session.err().expect("an error") {
        ImapError::Login { trouble, text } => (trouble, text),
        other => panic!("{other:?}"),
    }
}

const XOAUTH2: &str = "dXNlcj16aGFuZ3NhbkBjb3JwLmV4YW1wbGUBYXV0aD1CZWFyZXIgeWEyOS50b2tlbgEB";
const XOAUTH2_SECOND: &str = "dXNlcj16aGFuZ3NhbkBjb3JwLmV4YW1wbGUBYXV0aD1CZWFyZXIgeWEyOS5uZXdlcgEB";
const OAUTHBEARER: &str =
    "bixhPXpoYW5nc2FuQGNvcnAuZXhhbXBsZSwBaG9zdD1pbWFwLmNvcnAuZXhhbXBsZQFwb3J0PTk5MwFhdXRoPUJlYXJlciB5YTI5LnRva2VuAQE=";

/// `\0zhangsan@corp.example\0se"cr\et`
const PLAIN: &str = "AHpoYW5nc2FuQGNvcnAuZXhhbXBsZQBzZSJjclxldA==";

#[tokio::test(start_paused = true)]
async fn plain_waits_for_whatever_stands_behind_the_plus() {
    let account = with(Auth::Plain, account().credential);
    for go_on in ["+ \r\n", "+\r\n", "+ go ahead\r\n", "+ VXNlcm5hbWU6\r\n", "+ [x] 请继续\r\n"] {
        let (session, _peer) = connect(&account, async |peer: &mut Peer| {
            // SASL-IR is announced by servers that break on it (imap-servers A.3).
            peer.send("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n").await;
            peer.expect("AUTHENTICATE PLAIN").await;
            peer.expect_silence(secs(30)).await;
            peer.send(&format!("* OK still here\r\n{go_on}")).await;
            peer.expect_raw(PLAIN.as_bytes()).await;
            finish(peer).await;
        })
        .await;
        assert!(session.expect(go_on).offer().idle);
    }
}

#[tokio::test(start_paused = true)]
async fn plain_takes_any_password() {
    let cases = [
        // "\0zhangsan@corp.example\0密码 1"
        ("密码 1", "AHpoYW5nc2FuQGNvcnAuZXhhbXBsZQDlr4bnoIEgMQ=="),
        // "\0zhangsan@corp.example\0"
        ("", "AHpoYW5nc2FuQGNvcnAuZXhhbXBsZQA="),
    ];
    for (secret, message) in cases {
        let (session, _peer) = connect(&with(Auth::Plain, password(secret)), async |peer: &mut Peer| {
            take_message(peer, "PLAIN", message).await;
            finish(peer).await;
        })
        .await;
        session.expect(secret);
    }
}

#[tokio::test(start_paused = true)]
async fn a_master_user_is_named_behind_a_star_or_as_the_one_who_proves() {
    let (session, _peer) = connect(&with(Auth::Login, master()), async |peer: &mut Peer| {
        peer.send(GREETING).await;
        peer.expect("LOGIN \"zhangsan@corp.example*mailbell\" \"ma ster\\\"\"").await;
        finish(peer).await;
    })
    .await;
    session.unwrap();
    let (session, _peer) = connect(&with(Auth::Plain, master()), async |peer: &mut Peer| {
        // "zhangsan@corp.example\0mailbell\0ma ster\""
        take_message(peer, "PLAIN", "emhhbmdzYW5AY29ycC5leGFtcGxlAG1haWxiZWxsAG1hIHN0ZXIi").await;
        finish(peer).await;
    })
    .await;
    session.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_broken_delegation_is_no_wrong_password() {
    let (session, _peer) = connect(&with(Auth::Plain, master()), async |peer: &mut Peer| {
        peer.send(GREETING).await;
        peer.expect("AUTHENTICATE PLAIN").await;
        peer.send("+ \r\n").await;
        peer.line().await;
        peer.send("{tag} NO [AUTHORIZATIONFAILED] not for this user\r\n").await;
    })
    .await;
    assert_eq!(login_error(session).0, LoginTrouble::Delegation);
}

#[tokio::test(start_paused = true)]
async fn a_second_question_of_plain_is_cancelled() {
    let (session, _peer) = connect(&with(Auth::Plain, account().credential), async |peer: &mut Peer| {
        take_message(peer, "PLAIN", PLAIN).await;
        peer.send("+ UGFzc3dvcmQ6\r\n").await;
        peer.expect_raw(b"*").await;
        peer.send("{tag} BAD cancelled\r\n").await;
    })
    .await;
    assert_eq!(login_error(session), (LoginTrouble::Refused, "cancelled".to_owned()));
    let (session, _peer) = connect(&with(Auth::Plain, account().credential), async |peer: &mut Peer| {
        take_message(peer, "PLAIN", PLAIN).await;
        peer.send("+ a\r\n+ b\r\n+ c\r\n").await;
    })
    .await;
    assert!(matches!(session.err(), Some(ImapError::Protocol(_))));
}

#[tokio::test(start_paused = true)]
async fn a_mechanism_that_the_server_has_not_is_told_with_those_it_has() {
    let (session, _peer) = connect(&with(Auth::Plain, account().credential), async |peer: &mut Peer| {
        peer.send("* OK [CAPABILITY IMAP4rev1 AUTH=CRAM-MD5 AUTH=xoauth2] hi\r\n").await;
        peer.expect("AUTHENTICATE PLAIN").await;
        peer.send("{tag} NO Unsupported authentication mechanism.\r\n").await;
        peer.expect_closed().await;
    })
    .await;
    let (trouble, text) = login_error(session);
    assert_eq!(trouble, LoginTrouble::Disabled);
    assert!(text.contains("CRAM-MD5, XOAUTH2"), "{text}");
    // An OK before the message is no login.
    let (session, _peer) = connect(&with(Auth::Plain, account().credential), async |peer: &mut Peer| {
        peer.send(GREETING).await;
        peer.expect("AUTHENTICATE PLAIN").await;
        peer.send("{tag} OK come in\r\n").await;
        peer.expect_closed().await;
    })
    .await;
    assert_eq!(login_error(session).0, LoginTrouble::Refused);
}

#[tokio::test(start_paused = true)]
async fn tokens_are_said_as_their_documents_want_it() {
    for (auth, mechanism, message) in
        [(Auth::Xoauth2, "XOAUTH2", XOAUTH2), (Auth::Oauthbearer, "OAUTHBEARER", OAUTHBEARER)]
    {
        let purse = Purse::of(&["ya29.token"]);
        let session = connect_with(&purse, auth, async |dial: &PipeDial| {
            let mut peer = dial.accept().await;
            take_message(&mut peer, mechanism, message).await;
            finish(&mut peer).await;
        })
        .await
        .unwrap();
        let left = session.expires_in().unwrap();
        assert!(left > secs(3590) && left <= secs(3600), "{left:?}");
        tokio::time::advance(secs(3000)).await;
        assert!(session.expires_in().unwrap() <= secs(600));
        tokio::time::advance(secs(3000)).await;
        assert_eq!(session.expires_in(), Some(Duration::ZERO));
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_by_password_does_not_expire() {
    let (session, _peer) = connect(&account(), async |peer: &mut Peer| peer.log_in("").await).await;
    assert_eq!(session.unwrap().expires_in(), None);
}

/// Google asks with JSON and wants a line before its NO; Microsoft says NO at once (imap-servers F.2).
#[tokio::test(start_paused = true)]
async fn both_orders_of_refusal_are_understood() {
    for (auth, mechanism, message, reply) in
        [(Auth::Xoauth2, "XOAUTH2", XOAUTH2, ""), (Auth::Oauthbearer, "OAUTHBEARER", OAUTHBEARER, "AQ==")]
    {
        for challenged in [true, false] {
            let purse = Purse::of(&["ya29.token"]);
            let session = connect_with(&purse, auth, async |dial: &PipeDial| {
                let mut peer = dial.accept().await;
                take_message(&mut peer, mechanism, message).await;
                if challenged {
                    peer.send(&format!("+ {CHALLENGE}\r\n")).await;
                    peer.expect_raw(reply.as_bytes()).await;
                }
                peer.send("{tag} NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)\r\n").await;
                peer.expect_closed().await;
            })
            .await;
            let (trouble, text) = login_error(session);
            assert_eq!(trouble, LoginTrouble::TokenRefused);
            assert_eq!(text.contains("status invalid_token, scope mail"), challenged, "{text}");
            assert!(!text.contains("ya29"), "{text}");
            assert_eq!(*purse.asked_instead.lock().unwrap(), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_replaced_once_over_a_new_connection() {
    let purse = Purse::of(&["ya29.token", "ya29.newer", "ya29.third"]);
    let session = connect_with(&purse, Auth::Xoauth2, async |dial: &PipeDial| {
        let mut peer = dial.accept().await;
        take_message(&mut peer, "XOAUTH2", XOAUTH2).await;
        peer.send("{tag} NO AUTHENTICATE failed.\r\n").await;
        peer.expect_closed().await;
        let mut peer = dial.accept().await;
        take_message(&mut peer, "XOAUTH2", XOAUTH2_SECOND).await;
        finish(&mut peer).await;
    })
    .await;
    session.unwrap();
    let purse = Purse::of(&["ya29.token", "ya29.newer", "ya29.third"]);
    let session = connect_with(&purse, Auth::Xoauth2, async |dial: &PipeDial| {
        for message in [XOAUTH2, XOAUTH2_SECOND] {
            let mut peer = dial.accept().await;
            take_message(&mut peer, "XOAUTH2", message).await;
            peer.send("{tag} NO AUTHENTICATE failed.\r\n").await;
            peer.expect_closed().await;
        }
        assert_eq!(dial.dials().len(), 2);
    })
    .await;
    assert_eq!(login_error(session).0, LoginTrouble::TokenRefused);
    assert_eq!(*purse.asked_instead.lock().unwrap(), 1);
}

/// A mailbox that is out of order says nothing about the token.
#[tokio::test(start_paused = true)]
async fn a_server_out_of_order_does_not_cost_the_token() {
    let cases = [
        ("{tag} NO [UNAVAILABLE] later\r\n", LoginTrouble::Temporary),
        ("{tag} BAD User is authenticated but not connected.\r\n", LoginTrouble::TooMany),
        ("{tag} BAD Request is throttled. Suggested Backoff Time: 100 milliseconds\r\n", LoginTrouble::Temporary),
    ];
    for (answer, expected) in cases {
        let purse = Purse::of(&["ya29.token", "ya29.newer"]);
        let session = connect_with(&purse, Auth::Xoauth2, async |dial: &PipeDial| {
            let mut peer = dial.accept().await;
            take_message(&mut peer, "XOAUTH2", XOAUTH2).await;
            peer.send(answer).await;
            peer.expect_closed().await;
        })
        .await;
        assert_eq!(login_error(session).0, expected, "{answer}");
        assert_eq!(*purse.asked_instead.lock().unwrap(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_token_nobody_is_dialled() {
    let cases = [
        (TokenTrouble::Refused("invalid_client".to_owned()), LoginTrouble::SourceRefused),
        (TokenTrouble::Down("no answer".to_owned()), LoginTrouble::SourceDown),
    ];
    for (trouble, expected) in cases {
        let purse = Arc::new(Purse { tokens: Mutex::new(vec![Err(trouble.clone())]), ..Purse::default() });
        let session = connect_with(&purse, Auth::Xoauth2, async |dial: &PipeDial| {
            assert!(dial.dials().is_empty());
        })
        .await;
        assert_eq!(login_error(session), (expected, trouble.to_string()));
    }
}

/// Refused before anything is dialled.
async fn said_to_nobody(account: &Account, token: &'static str) -> (LoginTrouble, String) {
    let dial = PipeDial::default();
    let source = ImapSource::new(Arc::new(dial.clone()), imap()).with_bearer(Purse::of(&[token]));
    let error = login_error(source.connect(account).await);
    assert!(dial.dials().is_empty(), "{error:?}");
    error
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sent_is_not_sent() {
    let odd = ["a\r\nM9 DELETE INBOX", "a\nb", "a\rb", "a\0b"];
    for text in odd {
        let secret = Credential::Master { user: "mailbell".to_owned(), password: Secret::new(text) };
        let name = Credential::Master { user: text.to_owned(), password: Secret::new("x") };
        for auth in [Auth::Login, Auth::Plain] {
            let mut accounts = [password(text), secret.clone(), name.clone()].map(|it| with(auth, it)).to_vec();
            accounts.push(Account { login: text.to_owned(), ..with(auth, password("x")) });
            for account in accounts {
                let (trouble, said) = said_to_nobody(&account, "t").await;
                assert_eq!(trouble, LoginTrouble::WrongPassword);
                assert!(!said.contains("DELETE"), "{said}");
            }
        }
    }
    for auth in [Auth::Xoauth2, Auth::Oauthbearer] {
        for login in ["a\x01b", "a\nb", "a\0b"] {
            let account = Account { login: login.to_owned(), ..with(auth, oauth()) };
            assert_eq!(said_to_nobody(&account, "t").await.0, LoginTrouble::SourceRefused);
        }
        for token in ["a\x01auth=b", "a b", "a\r\nb", "", "密"] {
            assert_eq!(said_to_nobody(&with(auth, oauth()), token).await.0, LoginTrouble::SourceRefused);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn ways_and_secrets_that_do_not_fit_are_told() {
    for (auth, credential) in
        [(Auth::Login, oauth()), (Auth::Plain, oauth()), (Auth::Xoauth2, password("x")), (Auth::Oauthbearer, master())]
    {
        assert_eq!(said_to_nobody(&with(auth, credential), "t").await.0, LoginTrouble::Disabled);
    }
    let source = ImapSource::new(Arc::new(PipeDial::default()), imap());
    let error = login_error(source.connect(&with(Auth::Xoauth2, oauth())).await);
    assert_eq!(error.0, LoginTrouble::SourceRefused);
}

#[tokio::test(start_paused = true)]
async fn no_secret_without_tls_but_on_the_machine_itself() {
    for (host, fine) in [
        ("imap.corp.example", false),
        ("10.0.0.1", false),
        ("localhost.corp.example", false),
        ("localhost", true),
        ("127.0.0.1", true),
        ("127.9.9.9", true),
        ("::1", true),
    ] {
        let mut account = account();
        account.provider.server.tls = Tls::None;
        account.provider.server.host = host.to_owned();
        if fine {
            let (session, _peer) = connect(&account, async |peer: &mut Peer| peer.log_in("").await).await;
            session.expect(host);
        } else {
            assert_eq!(said_to_nobody(&account, "t").await.0, LoginTrouble::Disabled, "{host}");
        }
    }
}

/// Whatever a name resolves to.
#[tokio::test]
async fn no_connection_without_tls_leaves_the_machine() {
    let mut server = account().provider.server;
    server.tls = Tls::None;
    server.host = "192.0.2.1".to_owned();
    let error = TcpDial::default().dial(&server).await.expect_err("a refusal");
    assert!(matches!(&error, ImapError::Connect { reason, .. } if reason.contains("192.0.2.1 is not")), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn logindisabled_leaves_what_is_offered_over_tls() {
    const NO_LOGIN: &str = "* OK [CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=XOAUTH2] hi\r\n";
    let plain = with(Auth::Plain, account().credential);
    let mut clear = plain.clone();
    clear.provider.server.tls = Tls::None;
    clear.provider.server.host = "localhost".to_owned();
    let offered = "* OK [CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=PLAIN] hi\r\n";
    for (account, greeting) in [(account(), offered), (plain.clone(), NO_LOGIN), (clear, offered)] {
        let (session, _peer) = connect(&account, async |peer: &mut Peer| {
            peer.send(greeting).await;
            peer.expect_closed().await;
        })
        .await;
        assert_eq!(login_error(session).0, LoginTrouble::Disabled, "{greeting}");
    }
    let (session, _peer) = connect(&plain, async |peer: &mut Peer| {
        peer.send(offered).await;
        peer.expect("AUTHENTICATE PLAIN").await;
        peer.send("+\r\n").await;
        peer.expect_raw(PLAIN.as_bytes()).await;
        finish(peer).await;
    })
    .await;
    session.unwrap();
    // Consumer Outlook greets like that (imap-servers A.1).
    let purse = Purse::of(&["ya29.token"]);
    let session = connect_with(&purse, Auth::Xoauth2, async |dial: &PipeDial| {
        let mut peer = dial.accept().await;
        peer.send(NO_LOGIN).await;
        peer.expect("AUTHENTICATE XOAUTH2").await;
        peer.send("+\r\n").await;
        peer.expect_raw(XOAUTH2.as_bytes()).await;
        finish(&mut peer).await;
    })
    .await;
    session.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_close_or_silence_in_the_middle_ends_in_time() {
    let account = with(Auth::Plain, account().credential);
    for steps in 0..3 {
        let (session, _peer) = connect(&account, async |peer: &mut Peer| {
            peer.send(GREETING).await;
            peer.expect("AUTHENTICATE PLAIN").await;
            if steps > 0 {
                peer.send("+\r\n").await;
                peer.expect_raw(PLAIN.as_bytes()).await;
            }
            if steps > 1 {
                peer.send("* BYE Too many connections\r\n").await;
            }
            peer.expect_closed().await;
        })
        .await;
        match steps {
            2 => assert_eq!(login_error(session).0, LoginTrouble::TooMany),
            _ => assert_eq!(session.err(), Some(ImapError::Timeout { step: "AUTHENTICATE", limit: secs(60) })),
        }
    }
}
