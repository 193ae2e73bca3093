//! A small token server: takes one request per connection, checks its form strictly, and answers what a test says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// One request for a token.
#[derive(Clone, Debug)]
pub struct Asked {
    pub head: String,
    pub body: String,
    pub form: BTreeMap<String, String>,
}

impl Asked {
    pub fn get(&self, key: &str) -> &str {
        self.form.get(key).map_or("", String::as_str)
    }

    pub fn keys(&self) -> Vec<&str> {
        self.form.keys().map(String::as_str).collect()
    }
}

/// What comes back.
pub enum Reply {
    /// A whole answer.
    Json(u16, String),
    /// With a header line more.
    With(u16, &'static str, String),
    /// The end.
    Cut,
    /// Nothing, for ever.
    Hang,
    /// An answer that goes on until the client has enough.
    Endless,
}

/// An answer with this token and life.
pub fn token(token: &str, expires_in: u64) -> Reply {
    Reply::Json(
        200,
        serde_json::json!({"access_token": token, "token_type": "Bearer", "expires_in": expires_in}).to_string(),
    )
}

pub fn error(status: u16, error: &str, description: &str) -> Reply {
    Reply::Json(status, serde_json::json!({"error": error, "error_description": description}).to_string())
}

/// A running server; it ends with the test's runtime.
pub struct TokenServer {
    pub url: Url,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl TokenServer {
    /// `answer` is told how many requests came before this one.
    pub async fn start(answer: impl Fn(usize, &Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/tenant/token", listener.local_addr().unwrap())).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (Arc::clone(&asked), Arc::new(answer));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                tokio::spawn(async move {
                    let Some((stream, asked)) = read(stream).await else { return };
                    let before = {
                        let mut log = log.lock().unwrap();
                        log.push(asked.clone());
                        log.len() - 1
                    };
                    write(stream, answer(before, &asked)).await;
                });
            }
        });
        Self { url, asked }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// The last request, which must be in the form of RFC 6749 appendix B.
    pub fn last(&self) -> Asked {
        let asked = self.asked().pop().expect("nobody asked");
        let head = asked.head.to_ascii_lowercase();
        assert!(asked.head.starts_with("POST /tenant/token HTTP/1.1\r\n"), "{}", asked.head);
        assert!(head.contains("\r\ncontent-type: application/x-www-form-urlencoded\r\n"), "{head}");
        assert!(head.contains("\r\naccept: application/json\r\n"), "{head}");
        assert!(!head.contains("\r\nauthorization:"), "one way of client authentication only (RFC 6749 2.3): {head}");
        let fine = |b: u8| b.is_ascii_alphanumeric() || b"*-._+%&=".contains(&b);
        assert!(asked.body.bytes().all(fine), "{}", asked.body);
        assert_eq!(asked.form.len(), asked.body.split('&').count(), "no parameter twice (RFC 6749 3.2)");
        assert!(asked.form.values().all(|value| !value.is_empty()), "{:?}", asked.form);
        asked
    }
}

async fn read(stream: TcpStream) -> Option<(TcpStream, Asked)> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let lower = head.to_ascii_lowercase();
    let length = lower.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).await.ok()?;
    let form = url::form_urlencoded::parse(&body).into_owned().collect();
    Some((reader.into_inner(), Asked { head, body: String::from_utf8(body).unwrap(), form }))
}

async fn write(mut stream: TcpStream, reply: Reply) {
    let (status, header, body) = match reply {
        Reply::Json(status, body) => (status, "content-type: application/json", body),
        Reply::With(status, header, body) => (status, header, body),
        Reply::Cut => return,
        Reply::Hang => return std::future::pending().await,
        Reply::Endless => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"access_token\": \"").await;
            while stream.write_all(&[b'x'; 65_536]).await.is_ok() {}
            return;
        }
    };
    let length = body.len();
    let head = format!("HTTP/1.1 {status} Word\r\n{header}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    let _ = stream.write_all((head + &body).as_bytes()).await;
    let _ = stream.shutdown().await;
}
