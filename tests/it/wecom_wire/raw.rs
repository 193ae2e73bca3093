//! A tiny HTTP server, one request per connection, that answers whatever a test says.

use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What `gettoken` gives.
pub const TOKEN: &str = "token-7Hq+4/f=";

/// One request.
#[derive(Clone, Debug)]
pub struct Asked {
    pub head: String,
    pub body: String,
}

impl Asked {
    /// Of the first line.
    pub fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }
}

/// What comes back.
pub enum Reply {
    /// A whole answer.
    Http(u16, String),
    /// These bytes and the end.
    Bytes(String),
    /// The end.
    Cut,
    /// An answer that goes on until the client has enough.
    Endless,
}

/// A running server; it ends with the test's runtime.
pub struct Raw {
    pub base: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    written: Arc<Mutex<usize>>,
}

impl Raw {
    pub async fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::new(Mutex::new(0));
        let (answer, log, count) = (Arc::new(answer), Arc::clone(&asked), Arc::clone(&written));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answer, log, count) = (Arc::clone(&answer), Arc::clone(&log), Arc::clone(&count));
                tokio::spawn(async move {
                    let Some((stream, asked)) = read(stream).await else { return };
                    let reply = answer(&asked);
                    Mutex::lock(&log).unwrap().push(asked);
                    write(stream, reply, &count).await;
                });
            }
        });
        Self { base, asked, written }
    }

    /// Gives a token to whoever asks, and `answer` to everything else.
    pub async fn wecom(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(move |asked| if asked.target().contains("/gettoken?") { token() } else { answer(asked) }).await
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// How many requests there were whose target holds this.
    pub fn count(&self, part: &str) -> usize {
        self.asked().iter().filter(|asked| asked.target().contains(part)).count()
    }

    /// Bytes of endless answers that the client took (or the system kept for it).
    pub fn written(&self) -> usize {
        *self.written.lock().unwrap()
    }
}

pub fn token() -> Reply {
    Reply::Http(200, serde_json::json!({"errcode": 0, "access_token": TOKEN, "expires_in": 7200}).to_string())
}

pub fn json(text: &str) -> Reply {
    Reply::Http(200, text.to_owned())
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
    Some((reader.into_inner(), Asked { head, body: String::from_utf8(body).unwrap() }))
}

async fn write(mut stream: TcpStream, reply: Reply, written: &Mutex<usize>) {
    match reply {
        Reply::Http(status, body) => {
            let head = format!("HTTP/1.1 {status} Word\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all((head + &body).as_bytes()).await;
        }
        Reply::Bytes(bytes) => drop(stream.write_all(bytes.as_bytes()).await),
        Reply::Cut => {}
        Reply::Endless => {
            let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"errcode\": 0, \"msgid\": \"";
            let _ = stream.write_all(head.as_bytes()).await;
            while stream.write_all(&[b'x'; 65_536]).await.is_ok() {
                *written.lock().unwrap() += 65_536;
            }
        }
    }
    let _ = stream.shutdown().await;
}
