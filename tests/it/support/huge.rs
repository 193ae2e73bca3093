//! A mail server over the wire with one folder of as many letters as are wanted: what it says of them is made when it is asked,
//! and counted.

use super::mailbox::header;
use super::server::{Peer, PipeDial};
use futures_util::FutureExt;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use mailbell::config::Server;
use mailbell::imap::{Dial, ImapError, Stream};
use mailbell::model::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// What the folder is like.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Letters, numbered from 1; the number makes the Message-ID.
    pub letters: u32,
    pub uid_validity: u32,
    /// A letter's UID is its number and this.
    pub shift: u32,
    /// All but the newest so many letters were received long ago.
    pub fresh: u32,
    /// When these were received.
    pub now: Timestamp,
    /// SEARCH is refused.
    pub no_search: bool,
    /// A connection ends at the next FETCH of headers after so many.
    pub ends_after: Option<u32>,
}

/// See the module's text.
#[derive(Debug)]
pub struct Huge {
    shape: watch::Sender<Shape>,
    /// Every command that came.
    pub said: Mutex<Vec<String>>,
    /// Bytes that were said in answer to SEARCH and FETCH.
    sent: Mutex<usize>,
}

impl Huge {
    /// A folder of so many old letters.
    pub fn of(letters: u32, now: Timestamp) -> Self {
        let shape = Shape { letters, uid_validity: 7, shift: 0, fresh: 0, now, no_search: false, ends_after: None };
        Self { shape: watch::channel(shape).0, said: Mutex::default(), sent: Mutex::default() }
    }

    /// Changes it; sessions in IDLE are told how many letters there are.
    pub fn change(&self, change: impl FnOnce(&mut Shape)) {
        self.shape.send_modify(change);
    }

    /// Letters come, at this time.
    pub fn arrive(&self, letters: u32, now: Timestamp) {
        self.change(|shape| {
            shape.letters += letters;
            shape.fresh += letters;
            shape.now = now;
        });
    }

    /// The bytes since the last call.
    pub fn take_sent(&self) -> usize {
        std::mem::take(&mut *self.sent.lock().unwrap())
    }

    /// Plays the server for ever.
    pub async fn serve(&self, dial: &PipeDial) {
        let mut sessions = FuturesUnordered::new();
        loop {
            tokio::select! {
                peer = dial.accept() => sessions.push(self.session(peer)),
                Some(()) = sessions.next() => {}
            }
        }
    }

    async fn session(&self, mut peer: Peer) {
        peer.send("* OK [CAPABILITY IMAP4rev1 IDLE] ready\r\n").await;
        let mut changed = self.shape.subscribe();
        let mut idles = false;
        loop {
            let command = tokio::select! {
                biased;
                command = peer.command() => command,
                _ = changed.changed(), if idles => {
                    let letters = self.shape.borrow().letters;
                    peer.send(&format!("* {letters} EXISTS\r\n")).await;
                    continue;
                }
            };
            let Some(command) = command else { return };
            self.said.lock().unwrap().push(command.clone());
            changed.mark_unchanged();
            idles = command == "IDLE";
            if !self.answer(&mut peer, &command).await {
                return;
            }
        }
    }

    /// Whether the connection goes on.
    async fn answer(&self, peer: &mut Peer, command: &str) -> bool {
        let shape = *self.shape.borrow();
        let done = "{tag} OK done\r\n";
        match command {
            "IDLE" => peer.send("+ idling\r\n").await,
            "CAPABILITY" => peer.send(&format!("* CAPABILITY IMAP4rev1 IDLE\r\n{done}")).await,
            c if c.starts_with("EXAMINE ") => {
                let (validity, next) = (shape.uid_validity, shape.letters + shape.shift + 1);
                let codes = format!("* OK [UIDVALIDITY {validity}] x\r\n* OK [UIDNEXT {next}] x\r\n");
                peer.send(&format!("* {} EXISTS\r\n{codes}{done}", shape.letters)).await;
            }
            c if c.starts_with("UID SEARCH ") && shape.no_search => peer.send("{tag} BAD no\r\n").await,
            c if c.starts_with("UID SEARCH ") => {
                let found = shape.search(c.strip_prefix("UID SEARCH ").unwrap());
                self.say(peer, &format!("* SEARCH{found}\r\n")).await;
                peer.send(done).await;
            }
            c if c.starts_with("UID FETCH ") => {
                let (set, items) = c.strip_prefix("UID FETCH ").unwrap().split_once(' ').unwrap();
                if items.contains("HEADER") && shape.ends_after == Some(0) {
                    self.shape.send_modify(|shape| shape.ends_after = None);
                    return false;
                }
                let left = shape.ends_after.map(|left| left.saturating_sub(u32::from(items.contains("HEADER"))));
                self.shape.send_if_modified(|shape| {
                    shape.ends_after = left;
                    false
                });
                for numbers in shape.numbers(set).chunks(100) {
                    self.say(peer, &numbers.iter().map(|n| shape.line(*n, items)).collect::<String>()).await;
                }
                peer.send(done).await;
            }
            _ => peer.send(done).await,
        }
        true
    }

    async fn say(&self, peer: &mut Peer, text: &str) {
        *self.sent.lock().unwrap() += text.len();
        peer.send_bytes(text.as_bytes()).await;
    }
}

impl Shape {
    fn is_fresh(&self, number: u32) -> bool {
        number > self.letters - self.fresh
    }

    /// The UIDs for `[from:to ]SINCE day`; what is old is older than any day that is asked for.
    fn search(&self, criteria: &str) -> String {
        let (from, to) = match criteria.split_once(" SINCE ") {
            Some((place, _)) => place.split_once(':').map(|(a, b)| (a.parse().unwrap(), b.parse().unwrap())).unwrap(),
            None => (1, self.letters),
        };
        assert!(to <= self.letters, "{criteria}: only {} letters are there", self.letters);
        let first = (self.letters - self.fresh + 1).max(from);
        (first..=to).map(|n| format!(" {}", n + self.shift)).collect()
    }

    /// The numbers of the letters with these UIDs.
    fn numbers(&self, set: &str) -> Vec<u32> {
        let number = |text: &str| match text {
            "*" => self.letters,
            uid => uid.parse::<u32>().unwrap().saturating_sub(self.shift).min(self.letters + 1),
        };
        let range = |part: &str| {
            let (from, to) = part.split_once(':').unwrap_or((part, part));
            number(from).max(1)..=number(to).min(self.letters)
        };
        set.split(',').flat_map(range).collect()
    }

    fn line(&self, number: u32, items: &str) -> String {
        let mut said = format!("UID {}", number + self.shift);
        if items.contains("INTERNALDATE") {
            let date = if self.is_fresh(number) { self.now } else { self.now.minus(super::secs(90 * 86_400)) };
            let date = jiff::Timestamp::from_millisecond(date.0).unwrap().to_zoned(jiff::tz::TimeZone::UTC);
            said += &format!(" FLAGS () INTERNALDATE \"{}\" RFC822.SIZE 99", date.strftime("%d-%b-%Y %H:%M:%S +0000"));
        }
        if items.contains("HEADER") {
            let header = header(&format!("letter{number}"));
            said += &format!(" BODY[HEADER] {{{}}}\r\n{header}", header.len());
        }
        format!("* {number} FETCH ({said})\r\n")
    }
}

/// Pipes to several hosts.
#[derive(Clone, Debug, Default)]
pub struct HostDial(Arc<Mutex<HashMap<String, PipeDial>>>);

impl HostDial {
    /// The connections to a host.
    pub fn host(&self, host: &str) -> PipeDial {
        self.0.lock().unwrap().entry(host.to_owned()).or_default().clone()
    }
}

impl Dial for HostDial {
    fn dial<'a>(&'a self, server: &'a Server) -> BoxFuture<'a, Result<Box<dyn Stream>, ImapError>> {
        async move { self.host(&server.host).dial(server).await }.boxed()
    }

    fn protect<'a>(
        &'a self,
        stream: Box<dyn Stream>,
        server: &'a Server,
    ) -> BoxFuture<'a, Result<Box<dyn Stream>, ImapError>> {
        async move { self.host(&server.host).protect(stream, server).await }.boxed()
    }
}
