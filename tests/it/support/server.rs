//! A scripted IMAP server over a pipe. The script is a test's own code: it waits for the line that it expects before it
//! answers, and a client that says something else fails the test with the whole conversation. So does, in every test, a
//! command that could change a mailbox.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use mailbell::config::Server;
use mailbell::imap::{Dial, ImapError, Stream};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

/// What fits into a pipe; a client that writes more waits for the server to read.
const PIPE_BYTES: usize = 256 * 1024;
/// No step of a client may take longer: above every time-out in use.
const PATIENCE: Duration = Duration::from_secs(2 * 86_400);

/// All that may ever be said: none of it changes a mailbox.
const HARMLESS: [&str; 15] = [
    "CAPABILITY",
    "STARTTLS",
    "LOGIN ",
    "AUTHENTICATE ",
    "ID (",
    "NAMESPACE",
    "LIST ",
    "EXAMINE ",
    "STATUS ",
    "NOTIFY SET ",
    "UID FETCH ",
    "UID SEARCH ",
    "NOOP",
    "IDLE",
    "LOGOUT",
];

/// Whether a command leaves every mailbox as it is: nothing but [`HARMLESS`], and no FETCH that sets \\Seen.
pub fn is_harmless(command: &str) -> bool {
    let fetched = command.replace("BODY.PEEK[", "").replace("RFC822.SIZE", "");
    let sets_seen =
        command.starts_with("UID FETCH ") && ["BODY[", "RFC822", "BINARY["].iter().any(|w| fetched.contains(w));
    HARMLESS.iter().any(|word| command.starts_with(word)) && !sets_seen
}

/// A dial whose far ends are given to the test.
#[derive(Clone, Debug, Default)]
pub struct PipeDial(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    far: Mutex<VecDeque<DuplexStream>>,
    came: Notify,
    dials: Mutex<Vec<Instant>>,
    protected: Mutex<u32>,
    /// When set, no connection comes to be.
    down: Mutex<Option<ImapError>>,
    /// Whether nothing answers at all: packets are lost.
    silent: Mutex<bool>,
}

impl PipeDial {
    /// Waits for the next connection.
    pub async fn accept(&self) -> Peer {
        loop {
            let came = self.0.came.notified();
            if let Some(stream) = self.0.far.lock().unwrap().pop_front() {
                return Peer::new(stream);
            }
            came.await;
        }
    }

    /// When it was dialled.
    pub fn dials(&self) -> Vec<Instant> {
        self.0.dials.lock().unwrap().clone()
    }

    /// How often TLS was started by STARTTLS.
    pub fn protected(&self) -> u32 {
        *self.0.protected.lock().unwrap()
    }

    /// From now on dialling fails so, or with `None` works again.
    pub fn set_down(&self, error: Option<ImapError>) {
        *self.0.down.lock().unwrap() = error;
    }

    /// From now on dialling hangs, or works again.
    pub fn set_silent(&self, silent: bool) {
        *self.0.silent.lock().unwrap() = silent;
    }
}

impl Dial for PipeDial {
    fn dial<'a>(&'a self, _server: &'a Server) -> BoxFuture<'a, Result<Box<dyn Stream>, ImapError>> {
        async move {
            self.0.dials.lock().unwrap().push(Instant::now());
            if let Some(error) = self.0.down.lock().unwrap().clone() {
                return Err(error);
            }
            if *self.0.silent.lock().unwrap() {
                return std::future::pending().await;
            }
            let (near, far) = tokio::io::duplex(PIPE_BYTES);
            self.0.far.lock().unwrap().push_back(far);
            self.0.came.notify_one();
            Ok(Box::new(near) as Box<dyn Stream>)
        }
        .boxed()
    }

    /// The stream stays as it is: what is tried here is what is said around it.
    fn protect<'a>(
        &'a self,
        stream: Box<dyn Stream>,
        _server: &'a Server,
    ) -> BoxFuture<'a, Result<Box<dyn Stream>, ImapError>> {
        *self.0.protected.lock().unwrap() += 1;
        std::future::ready(Ok(stream)).boxed()
    }
}

/// The server's end of one connection. Dropping it closes the connection.
#[derive(Debug)]
pub struct Peer {
    stream: BufReader<DuplexStream>,
    /// The tag of the last command.
    tag: String,
    /// Whether each byte goes out alone.
    trickle: bool,
    said: Vec<String>,
}

impl Peer {
    fn new(stream: DuplexStream) -> Self {
        Self { stream: BufReader::new(stream), tag: String::new(), trickle: false, said: Vec::new() }
    }

    /// From now on one byte at a time.
    pub fn trickle(&mut self) {
        self.trickle = true;
    }

    /// The tag of the last command.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// All that was said so far, for messages and for tests that judge a whole session.
    pub fn conversation(&self) -> String {
        self.said.join("\n")
    }

    /// The client's next line without its end, as it came; `None`: it has closed.
    pub async fn line(&mut self) -> Option<Vec<u8>> {
        let mut line = Vec::new();
        let read = timeout(PATIENCE, self.stream.read_until(b'\n', &mut line)).await;
        let Ok(read) = read else {
            panic!("the client said nothing for {PATIENCE:?}, after:\n{}", self.conversation());
        };
        if read.unwrap_or(0) == 0 {
            self.said.push("C: (closed)".to_owned());
            return None;
        }
        self.said.push(format!("C: {}", String::from_utf8_lossy(&line).trim_end()));
        let Some(line) = line.strip_suffix(b"\r\n") else {
            panic!("a line that does not end in CR LF:\n{}", self.conversation());
        };
        Some(line.to_vec())
    }

    /// The client's next command without its tag; `None`: it has closed.
    pub async fn command(&mut self) -> Option<String> {
        let line = String::from_utf8_lossy(&self.line().await?).into_owned();
        match line.split_once(' ') {
            Some((tag, command)) => {
                self.tag = tag.to_owned();
                assert!(is_harmless(command), "this may change a mailbox:\n{}", self.conversation());
                Some(command.to_owned())
            }
            None => Some(line),
        }
    }

    /// Waits for exactly this command.
    #[track_caller]
    pub fn expect<'a>(&'a mut self, wanted: &'a str) -> impl Future<Output = ()> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let command = self.command().await.unwrap_or_else(|| "(closed)".to_owned());
            assert!(command == wanted, "{caller}: {wanted:?} was expected; the conversation:\n{}", self.conversation());
        }
    }

    /// Waits for a command that begins so; answers what comes behind.
    #[track_caller]
    pub fn expect_start<'a>(&'a mut self, wanted: &'a str) -> impl Future<Output = String> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let command = self.command().await.unwrap_or_else(|| "(closed)".to_owned());
            match command.strip_prefix(wanted) {
                Some(rest) => rest.to_owned(),
                None => panic!("{caller}: {wanted:?}… was expected; the conversation:\n{}", self.conversation()),
            }
        }
    }

    /// Waits for exactly this line, which has no tag: the rest of a literal, or DONE.
    #[track_caller]
    pub fn expect_raw<'a>(&'a mut self, wanted: &'a [u8]) -> impl Future<Output = ()> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let line = self.line().await;
            let shown = String::from_utf8_lossy(wanted).into_owned();
            assert!(
                line.as_deref() == Some(wanted),
                "{caller}: {shown:?} was expected; the conversation:\n{}",
                self.conversation()
            );
        }
    }

    /// The client must close without another word.
    #[track_caller]
    pub fn expect_closed(&mut self) -> impl Future<Output = ()> + '_ {
        let caller = std::panic::Location::caller();
        async move {
            let line = self.line().await;
            assert!(line.is_none(), "{caller}: the end was expected; the conversation:\n{}", self.conversation());
        }
    }

    /// The client must say nothing for so long.
    #[track_caller]
    pub fn expect_silence(&mut self, length: Duration) -> impl Future<Output = ()> + '_ {
        let caller = std::panic::Location::caller();
        async move {
            let line = timeout(length, self.stream.fill_buf()).await.map(|b| b.map(<[u8]>::to_vec));
            assert!(line.is_err(), "{caller}: silence was expected, {line:?} came after:\n{}", self.conversation());
        }
    }

    /// Says something; `{tag}` is the tag of the last command. Lines end in `\r\n` as written by the caller. A client
    /// that is gone does not matter here.
    pub async fn send(&mut self, text: &str) {
        let text = text.replace("{tag}", &self.tag);
        self.send_bytes(text.as_bytes()).await;
    }

    /// The same with bytes as they are.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        let shown: String = String::from_utf8_lossy(bytes).trim_end().chars().take(400).collect();
        self.said.push(format!("S: {}", shown.replace("\r\n", "\nS: ")));
        let stream = self.stream.get_mut();
        if self.trickle {
            for byte in bytes {
                let _ = stream.write_all(&[*byte]).await;
                tokio::task::yield_now().await;
            }
        } else {
            let _ = stream.write_all(bytes).await;
        }
    }

    /// Waits for a command and answers it with OK, after some untagged lines.
    pub async fn answer(&mut self, wanted: &str, untagged: &str) {
        self.expect(wanted).await;
        self.send(&format!("{untagged}{{tag}} OK done\r\n")).await;
    }

    /// Greets, and takes a login of [`super::account`] at a server with these capabilities.
    pub async fn log_in(&mut self, capabilities: &str) {
        let list = format!("CAPABILITY IMAP4rev1 {capabilities}").trim_end().to_owned();
        self.send(&format!("* OK [{list}] ready\r\n")).await;
        self.expect_start("LOGIN ").await;
        self.send("{tag} OK logged in\r\n").await;
        self.answer("CAPABILITY", &format!("* {list}\r\n")).await;
    }
}
