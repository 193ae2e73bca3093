//! Whatever goes wrong, neither the corp secret nor the token nor the proxy's password is told.

use super::raw::{Asked, Raw, Reply, TOKEN, json};
use super::{SECRET, client, config, text, through, user};
use mailbell::config::Wecom;
use mailbell::rules::retry::Outcome;
use mailbell::wecom::Push;
use std::io::Write;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::rustls;
use tracing_subscriber::util::SubscriberInitExt;

const PROXY_PASSWORD: &str = "proxy-pass-5Wm";

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// In each form in which a URL or a text may hold it.
fn assert_silent(what: &str, text: &str) {
    for secret in [SECRET, TOKEN, PROXY_PASSWORD] {
        let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        for form in [secret, encoded.as_str(), &secret[secret.len() - 6..], &secret[..8]] {
            assert!(!text.contains(form), "{what} tells {form}: {text}");
        }
    }
}

/// Sends once; nothing in the outcome or in the log, whatever its level, may tell a secret.
async fn check(what: &str, config: &Wecom, expected: &str) -> Outcome {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
    let subscriber = subscriber.with_writer(move || writer.clone()).finish();
    let client = client(config);
    let to = user("zhangsan");
    let body = text(&client, &to, "x");
    let (outcome, agent) = {
        let _guard = subscriber.set_default();
        tracing::trace!("the log is read");
        (client.send(std::slice::from_ref(&to), &body).await.outcome, client.agent().await)
    };
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("the log is read") && logged.contains("reqwest::connect"), "what libraries log is read");
    assert_silent(what, &format!("{outcome:?} {agent:?} {config:?}"));
    assert_silent(&format!("the log of {what}"), &logged);
    assert!(format!("{outcome:?}").starts_with(expected), "{what}: {outcome:?}");
    assert!(outcome.reason().len() > 10 && !outcome.reason().contains('\n'), "{what}: {outcome:?}");
    outcome
}

/// Both calls answer alike, and then the send alone.
async fn check_both(what: &str, expected: &str, answer: impl Fn(&Asked) -> Reply + Clone + Send + Sync + 'static) {
    for server in [Raw::start(answer.clone()).await, Raw::wecom(answer).await] {
        check(what, &config(&server.base), expected).await;
    }
}

async fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

#[tokio::test]
async fn of_broken_connections() {
    check("a refused connection", &config(&format!("http://{}", closed_port().await)), "Unknown").await;
    check_both("a connection closed at once", "Unknown", |_| Reply::Cut).await;
    let cases = [
        "HTTP/1.1 200 O",
        "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"errcode\": 0, ",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzzz\r\n",
        "220 smtp.corp.example ESMTP\r\n",
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
    ];
    for bytes in cases {
        check_both(bytes, "Unknown", |_| Reply::Bytes(bytes.to_owned())).await;
    }
}

#[tokio::test]
async fn of_refusals() {
    check_both("a refusal", "Channel", |_| json("{\"errcode\": 60020, \"errmsg\": \"not allow to access\"}")).await;
    check_both("a token refused for ever", "Channel", |_| json("{\"errcode\": 40014, \"errmsg\": \"bad\"}")).await;
}

#[tokio::test]
async fn of_answers_that_repeat_the_question() {
    let page = |asked: &Asked| Reply::Http(500, format!("<html>cannot GET {}</html>", asked.target()));
    check_both("a page that repeats the URL", "Unknown", page).await;
    for before in [0, 280, 290] {
        // Also where the errmsg is too long and cut in the middle of it.
        check_both("an errmsg that repeats the question", "Channel", move |asked| {
            let url = url::Url::parse(&format!("http://x{}", asked.target())).unwrap();
            let values: Vec<_> = url.query_pairs().map(|(_, value)| value.into_owned()).collect();
            let errmsg = format!("{}{} {}", "x".repeat(before), values.join(" "), asked.target());
            json(&serde_json::json!({"errcode": 60020, "errmsg": errmsg}).to_string())
        })
        .await;
    }
}

#[tokio::test]
async fn of_tls() {
    let plain = Raw::start(|_| Reply::Cut).await;
    check("no TLS", &config(&plain.base.replace("http:", "https:")), "Unknown").await;

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("https://{}", listener.local_addr().unwrap());
    let acceptor = self_signed();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(acceptor.accept(stream).await);
        }
    });
    let outcome = check("a certificate nobody knows", &config(&base), "Unknown").await;
    assert!(outcome.reason().contains("certificate"), "says what is wrong: {outcome:?}");
}

fn self_signed() -> tokio_rustls::TlsAcceptor {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    tokio_rustls::TlsAcceptor::from(Arc::new(config))
}

#[tokio::test]
async fn of_proxies() {
    let with_password = |address: &str| format!("http://proxyuser:{PROXY_PASSWORD}@{address}");
    let gone = with_password(&closed_port().await);
    check("a proxy that is not there", &through(&gone, "http://wecom.invalid"), "Unknown").await;
    check("a proxy that is not there, TLS", &through(&gone, "https://wecom.invalid"), "Unknown").await;

    for answer in
        ["HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 502 Bad\r\n\r\n"]
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = with_password(&listener.local_addr().unwrap().to_string());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        check(answer, &through(&address, "https://wecom.invalid"), "Unknown").await;
        check(answer, &through(&address, "http://wecom.invalid"), "Unknown").await;
    }
}
