//! The IMAP side of the fleet: one mailbox per login name, over TLS, no more than mailbell and its peers need of RFC 3501
//! and RFC 2177, and as lean as can be. Letters are made when they are fetched. It runs as a process of its own and is
//! led over a plain connection, a line each.

use crate::stub_letters::header;
use crate::ticks::now_ns;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

/// One mailbox.
#[derive(Default)]
struct Mailbox {
    /// Letters in it; their UIDs are 1 to this.
    letters: AtomicU64,
    /// Something is to be told, or the connection is to be dropped.
    stir: Notify,
    idles: AtomicBool,
    connections: AtomicU64,
    most: AtomicU64,
}

/// The server.
struct Server {
    mailboxes: Mutex<HashMap<String, Arc<Mailbox>>>,
    /// Connections of an older generation end.
    generation: AtomicU64,
    /// Letters that are there before the first login.
    old: u64,
    /// When each letter's EXISTS was written, or, where nobody was in IDLE, when it came to be.
    told: Mutex<Vec<(String, u64)>>,
    /// When each login was.
    logins: Mutex<Vec<u64>>,
}

/// What a connection is doing.
struct Session {
    stream: TlsStream<TcpStream>,
    server: Arc<Server>,
    mailbox: Option<Arc<Mailbox>>,
    name: String,
    /// Letters that were told of.
    told: u64,
    idle_tag: Option<String>,
}

/// Serves until the process ends. `lead` takes the plain connection that leads; `old` letters are in each mailbox before.
pub async fn serve(tls: Arc<ServerConfig>, listeners: Vec<TcpListener>, lead: TcpListener, old: u64) -> io::Result<()> {
    let server = Arc::new(Server {
        mailboxes: Mutex::default(),
        generation: AtomicU64::new(0),
        old,
        told: Mutex::default(),
        logins: Mutex::default(),
    });
    let acceptor = TlsAcceptor::from(tls);
    for listener in listeners {
        let (server, acceptor) = (server.clone(), acceptor.clone());
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let _ = tcp.set_nodelay(true);
                let (server, acceptor) = (server.clone(), acceptor.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(tcp).await {
                        let session =
                            Session { stream, server, mailbox: None, name: String::new(), told: 0, idle_tag: None };
                        let _ = Box::pin(session.run()).await;
                    }
                });
            }
        });
    }
    loop {
        let (stream, _) = lead.accept().await?;
        tokio::spawn(led(server.clone(), stream));
    }
}

/// Where a listener can be bound with room for many that wait.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(8192)
}

impl Session {
    async fn run(mut self) -> io::Result<()> {
        let generation = self.server.generation.load(Ordering::SeqCst);
        self.stream.write_all(b"* OK [CAPABILITY IMAP4rev1 IDLE ID NAMESPACE LIST-STATUS UIDPLUS] ready\r\n").await?;
        let mut line = Vec::new();
        let done = self.lines(generation, &mut line).await;
        if let Some(mailbox) = self.mailbox.take() {
            mailbox.connections.fetch_sub(1, Ordering::SeqCst);
            mailbox.idles.store(false, Ordering::SeqCst);
        }
        if self.server.generation.load(Ordering::SeqCst) != generation {
            // A server that goes down resets.
            let _ = socket2::SockRef::from(self.stream.get_ref().0).set_linger(Some(std::time::Duration::ZERO));
        }
        done
    }

    async fn lines(&mut self, generation: u64, line: &mut Vec<u8>) -> io::Result<()> {
        loop {
            let Some(end) = line.iter().position(|b| *b == b'\n') else {
                let mailbox = self.mailbox.clone();
                let stirred = async {
                    match &mailbox {
                        Some(mailbox) => mailbox.stir.notified().await,
                        None => std::future::pending().await,
                    }
                };
                let mut chunk = [0_u8; 512];
                tokio::select! {
                    read = self.stream.read(&mut chunk) => match read? {
                        0 => return Ok(()),
                        n => line.extend_from_slice(&chunk[..n]),
                    },
                    () = stirred => {
                        if self.server.generation.load(Ordering::SeqCst) != generation {
                            return Ok(());
                        }
                        if self.idle_tag.is_some() {
                            self.tell().await?;
                        }
                    }
                }
                continue;
            };
            let text = String::from_utf8_lossy(&line[..end]).trim_end().to_owned();
            line.drain(..=end);
            if line.is_empty() {
                *line = Vec::new();
            }
            if !self.command(&text).await? {
                return Ok(());
            }
        }
    }

    /// Writes EXISTS if letters came since the last word.
    async fn tell(&mut self) -> io::Result<()> {
        let Some(mailbox) = &self.mailbox else { return Ok(()) };
        let now = mailbox.letters.load(Ordering::SeqCst);
        if now <= self.told {
            return Ok(());
        }
        let text = format!("* {now} EXISTS\r\n");
        let at = now_ns();
        self.stream.write_all(text.as_bytes()).await?;
        self.stream.flush().await?;
        let told = self.told + 1..=now;
        self.server.told.lock().unwrap().extend(told.map(|uid| (format!("{}x{uid}", self.name), at)));
        self.told = now;
        Ok(())
    }

    /// Answers one command; whether the session goes on.
    async fn command(&mut self, text: &str) -> io::Result<bool> {
        if text.eq_ignore_ascii_case("DONE") {
            if let Some(tag) = self.idle_tag.take() {
                if let Some(mailbox) = &self.mailbox {
                    mailbox.idles.store(false, Ordering::SeqCst);
                }
                self.say(&format!("{tag} OK done\r\n")).await?;
            }
            return Ok(true);
        }
        let mut words = text.splitn(3, ' ');
        let (tag, name, rest) = (words.next().unwrap_or(""), words.next().unwrap_or(""), words.next().unwrap_or(""));
        let ok = format!("{tag} OK done\r\n");
        match name.to_ascii_uppercase().as_str() {
            "CAPABILITY" => {
                self.say(&format!("* CAPABILITY IMAP4rev1 IDLE ID NAMESPACE LIST-STATUS UIDPLUS\r\n{ok}")).await?;
            }
            "LOGIN" => self.login(rest, &ok).await?,
            "ID" => self.say(&format!("* ID (\"name\" \"stub\")\r\n{ok}")).await?,
            "NAMESPACE" => self.say(&format!("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n{ok}")).await?,
            "LIST" => {
                let folders = "* LIST (\\HasNoChildren) \"/\" INBOX\r\n* LIST (\\HasNoChildren \\Sent) \"/\" Sent\r\n\
                               * LIST (\\HasNoChildren \\Junk) \"/\" Junk\r\n* LIST (\\HasNoChildren \\Trash) \"/\" Trash\r\n";
                self.say(&format!("{folders}{ok}")).await?;
            }
            "EXAMINE" | "SELECT" => {
                let letters = self.mailbox.as_ref().map_or(0, |m| m.letters.load(Ordering::SeqCst));
                // What came while nobody was in IDLE is told by this.
                self.told = self.told.max(letters);
                self.say(&format!(
                    "* FLAGS (\\Seen)\r\n* OK [PERMANENTFLAGS ()] read-only\r\n* {letters} EXISTS\r\n* 0 RECENT\r\n\
                     * OK [UIDVALIDITY 7] UIDs valid\r\n* OK [UIDNEXT {}] next\r\n{tag} OK [READ-ONLY] done\r\n",
                    letters + 1
                ))
                .await?;
            }
            "NOOP" => {
                self.tell().await?;
                self.say(&ok).await?;
            }
            "IDLE" => {
                self.idle_tag = Some(tag.to_owned());
                self.say("+ idling\r\n").await?;
                if let Some(mailbox) = &self.mailbox {
                    mailbox.idles.store(true, Ordering::SeqCst);
                }
                self.tell().await?;
            }
            "UID" => self.fetch(tag, rest).await?,
            "LOGOUT" => {
                self.say(&format!("* BYE\r\n{ok}")).await?;
                return Ok(false);
            }
            _ => self.say(&format!("{tag} BAD not here\r\n")).await?,
        }
        Ok(true)
    }

    async fn login(&mut self, rest: &str, ok: &str) -> io::Result<()> {
        let name = rest.split(' ').next().unwrap_or("").trim_matches('"').to_owned();
        self.name = name.split('@').next().unwrap_or("").to_owned();
        let fresh = || Arc::new(Mailbox { letters: AtomicU64::new(self.server.old), ..Mailbox::default() });
        let mailbox = self.server.mailboxes.lock().unwrap().entry(self.name.clone()).or_insert_with(fresh).clone();
        let open = mailbox.connections.fetch_add(1, Ordering::SeqCst) + 1;
        mailbox.most.fetch_max(open, Ordering::SeqCst);
        self.told = mailbox.letters.load(Ordering::SeqCst);
        self.mailbox = Some(mailbox);
        self.server.logins.lock().unwrap().push(now_ns());
        self.say(ok).await
    }

    async fn fetch(&mut self, tag: &str, rest: &str) -> io::Result<()> {
        let mut words = rest.splitn(3, ' ');
        let (what, set, items) = (words.next().unwrap_or(""), words.next().unwrap_or(""), words.next().unwrap_or(""));
        let letters = self.mailbox.as_ref().map_or(0, |m| m.letters.load(Ordering::SeqCst));
        if !what.eq_ignore_ascii_case("FETCH") {
            return self.say(&format!("* SEARCH\r\n{tag} OK done\r\n")).await;
        }
        let mut answer = Vec::new();
        for part in set.split(',') {
            let (from, to) = part.split_once(':').unwrap_or((part, part));
            let from: u64 = from.parse().unwrap_or(letters);
            let to = to.parse().unwrap_or(letters).min(letters);
            for uid in from.max(1)..=to {
                self.letter(uid, items, &mut answer);
                if answer.len() > 32 * 1024 {
                    self.stream.write_all(&answer).await?;
                    answer.clear();
                }
            }
        }
        answer.extend_from_slice(format!("{tag} OK done\r\n").as_bytes());
        self.stream.write_all(&answer).await?;
        self.stream.flush().await
    }

    fn letter(&self, uid: u64, items: &str, answer: &mut Vec<u8>) {
        let begun = format!("* {uid} FETCH (UID {uid} FLAGS () INTERNALDATE \"{}\" RFC822.SIZE 4321", internal_date());
        answer.extend_from_slice(begun.as_bytes());
        if let Some(at) = items.find("BODY.PEEK[") {
            let header = header(&self.name, uid);
            let section = items[at + 10..].rfind(']').map_or("HEADER", |end| &items[at + 10..at + 10 + end]);
            answer.extend_from_slice(format!(" BODY[{section}] {{{}}}\r\n", header.len()).as_bytes());
            answer.extend_from_slice(header.as_bytes());
        }
        answer.extend_from_slice(b")\r\n");
    }

    async fn say(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(text.as_bytes()).await?;
        self.stream.flush().await
    }
}

/// Now, as INTERNALDATE has it.
fn internal_date() -> String {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).strftime("%d-%b-%Y %H:%M:%S %z").to_string()
}

/// Goes by what it is told: `ring NAME COUNT`, `drop`, `stats`, `told`, `logins`.
async fn led(server: Arc<Server>, stream: TcpStream) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Some(line) = lines.next_line().await? {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["ring", name, count] => {
                let mailbox = server.mailboxes.lock().unwrap().get(name).cloned();
                if let Some(mailbox) = mailbox {
                    mailbox.letters.fetch_add(count.parse().unwrap_or(1), Ordering::SeqCst);
                    mailbox.stir.notify_one();
                }
            }
            ["drop"] => {
                server.generation.fetch_add(1, Ordering::SeqCst);
                let all: Vec<_> = server.mailboxes.lock().unwrap().values().cloned().collect();
                all.iter().for_each(|mailbox| mailbox.stir.notify_one());
            }
            _ => write.write_all(format!("{}\n", answer(&server, &line)).as_bytes()).await?,
        }
    }
    Ok(())
}

fn answer(server: &Server, what: &str) -> serde_json::Value {
    match what {
        "stats" => {
            let mailboxes = server.mailboxes.lock().unwrap();
            let count = |of: fn(&Mailbox) -> u64| mailboxes.values().map(|m| of(m)).sum::<u64>();
            serde_json::json!({
                "connections": count(|m| m.connections.load(Ordering::SeqCst)),
                "idle": count(|m| u64::from(m.idles.load(Ordering::SeqCst))),
                "most_at_one_mailbox": mailboxes.values().map(|m| m.most.load(Ordering::SeqCst)).max(),
                "logins": server.logins.lock().unwrap().len(),
            })
        }
        "told" => serde_json::json!(std::mem::take(&mut *server.told.lock().unwrap())),
        "logins" => serde_json::json!(std::mem::take(&mut *server.logins.lock().unwrap())),
        other => serde_json::json!({ "unknown": other }),
    }
}
