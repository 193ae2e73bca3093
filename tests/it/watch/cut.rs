//! One session ended after every single byte that the server says, from the greeting to the renewal: what the next
//! sessions then announce.

use crate::support::desk::Watch;
use crate::support::mailbox::header;
use crate::support::secs;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use mailbell::config::{Mode, Server};
use mailbell::imap::{Dial, ImapError, ImapSource, Stream};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::sync::watch;
use tokio::time::sleep;

/// 项目 in modified UTF-7.
const PROJECT: &str = "&mHl27g-";
/// Far above what one session says.
const UNCUT: usize = usize::MAX;

/// A server of two folders, as Dovecot talks.
#[derive(Clone)]
struct Office(Arc<Inner>);

struct Inner {
    /// The ids of each folder's letters; the UID of the first is 1.
    folders: Mutex<BTreeMap<&'static str, Vec<&'static str>>>,
    capabilities: &'static str,
    /// Counts arrivals and closings.
    changed: watch::Sender<u32>,
    /// What the next session may say before it ends, and what the last one said.
    limit: Mutex<usize>,
    said: Mutex<usize>,
    sessions: Mutex<usize>,
    /// Sessions up to this one are closed.
    closed: Mutex<usize>,
}

impl Office {
    fn new(capabilities: &'static str) -> Self {
        Self(Arc::new(Inner {
            folders: Mutex::new(BTreeMap::from([("INBOX", vec!["old"]), (PROJECT, Vec::new())])),
            capabilities,
            changed: watch::channel(0).0,
            limit: Mutex::new(UNCUT),
            said: Mutex::default(),
            sessions: Mutex::default(),
            closed: Mutex::default(),
        }))
    }

    fn arrive(&self, folder: &str, id: &'static str) {
        self.0.folders.lock().unwrap().get_mut(folder).unwrap().push(id);
        self.0.changed.send_modify(|n| *n += 1);
    }

    /// Ends all sessions; the next one is cut after so many bytes, those behind it are whole.
    fn cut_next_after(&self, limit: usize) {
        *self.0.limit.lock().unwrap() = limit;
        *self.0.closed.lock().unwrap() = *self.0.sessions.lock().unwrap();
        self.0.changed.send_modify(|n| *n += 1);
    }

    fn letters(&self, folder: &str) -> Vec<&'static str> {
        self.0.folders.lock().unwrap().get(folder).cloned().unwrap_or_default()
    }

    fn status(&self, folder: &str) -> String {
        let count = self.letters(folder).len();
        format!("* STATUS \"{folder}\" (MESSAGES {count} UIDNEXT {} UIDVALIDITY 7)\r\n", count + 1)
    }
}

impl Dial for Office {
    fn dial<'a>(&'a self, _server: &'a Server) -> BoxFuture<'a, Result<Box<dyn Stream>, ImapError>> {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let number = {
            let mut sessions = self.0.sessions.lock().unwrap();
            *sessions += 1;
            *sessions
        };
        let left = std::mem::replace(&mut *self.0.limit.lock().unwrap(), UNCUT);
        let session = Session { office: self.clone(), number, left, open: String::new(), known: 0, notify: false };
        tokio::spawn(session.serve(far));
        std::future::ready(Ok(Box::new(near) as Box<dyn Stream>)).boxed()
    }

    fn protect<'a>(
        &'a self,
        stream: Box<dyn Stream>,
        _server: &'a Server,
    ) -> BoxFuture<'a, Result<Box<dyn Stream>, ImapError>> {
        std::future::ready(Ok(stream)).boxed()
    }
}

/// One connection.
struct Session {
    office: Office,
    number: usize,
    /// The bytes that may still be said.
    left: usize,
    open: String,
    /// How many letters of the open folder the client was told of.
    known: usize,
    notify: bool,
}

impl Session {
    async fn serve(mut self, stream: DuplexStream) {
        let mut changed = self.office.0.changed.subscribe();
        let mut stream = BufReader::new(stream);
        let greeting = format!("* OK [CAPABILITY IMAP4rev1 {}] ready\r\n", self.office.0.capabilities);
        let mut idling = None;
        let mut line = String::new();
        let mut told: BTreeMap<String, usize> = BTreeMap::new();
        let mut goes_on = self.say(&mut stream, &greeting).await;
        while goes_on {
            let text = tokio::select! {
                biased;
                read = stream.read_line(&mut line) => {
                    if read.unwrap_or(0) == 0 {
                        return;
                    }
                    let said = std::mem::take(&mut line);
                    match (said.trim_end(), idling.take()) {
                        ("DONE", Some(tag)) => format!("{tag} OK Idle completed\r\n"),
                        (said, _) => {
                            let (tag, command) = said.split_once(' ').unwrap();
                            if command == "IDLE" {
                                idling = Some(tag.to_owned());
                            }
                            self.answer(tag, command)
                        }
                    }
                }
                _ = changed.changed() => {
                    if self.number <= *self.office.0.closed.lock().unwrap() {
                        return;
                    }
                    if idling.is_some() { self.news(&mut told) } else { String::new() }
                }
            };
            goes_on = self.say(&mut stream, &text).await;
        }
    }

    /// Says as much as it may; whether it may go on.
    async fn say(&mut self, stream: &mut BufReader<DuplexStream>, text: &str) -> bool {
        let part = &text.as_bytes()[..text.len().min(self.left)];
        self.left -= part.len();
        if self.number == 2 {
            *self.office.0.said.lock().unwrap() += part.len();
        }
        stream.get_mut().write_all(part).await.is_ok() && self.left > 0
    }

    /// What has changed in the open folder and, under NOTIFY, in the others.
    fn news(&mut self, told: &mut BTreeMap<String, usize>) -> String {
        let mut text = self.grown();
        let names: Vec<_> = self.office.0.folders.lock().unwrap().keys().copied().collect();
        for name in names.into_iter().filter(|name| self.notify && *name != self.open) {
            let count = self.office.letters(name).len();
            if told.insert(name.to_owned(), count).is_some_and(|before| before != count) || count == 1 {
                text += &self.office.status(name);
            }
        }
        text
    }

    fn grown(&mut self) -> String {
        let count = self.office.letters(&self.open).len();
        if std::mem::replace(&mut self.known, count) < count { format!("* {count} EXISTS\r\n") } else { String::new() }
    }

    fn answer(&mut self, tag: &str, command: &str) -> String {
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        let untagged = match verb {
            "IDLE" => return format!("{}+ idling\r\n", self.grown()),
            "CAPABILITY" => format!("* CAPABILITY IMAP4rev1 {}\r\n", self.office.0.capabilities),
            "NAMESPACE" => "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n".to_owned(),
            "EXAMINE" => {
                self.open = rest.split('"').nth(1).unwrap().to_owned();
                self.known = self.office.letters(&self.open).len();
                format!("* {} EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT {}] x\r\n", self.known, self.known + 1)
            }
            "STATUS" => self.office.status(rest.split('"').nth(1).unwrap()),
            "LIST" => self.list(rest),
            "NOTIFY" => {
                self.notify = rest.starts_with("SET");
                let names: Vec<_> = self.office.0.folders.lock().unwrap().keys().copied().collect();
                names.into_iter().filter(|name| *name != self.open).map(|name| self.office.status(name)).collect()
            }
            "UID" => match rest.strip_prefix("FETCH ") {
                Some(asked) => self.fetch(asked),
                None => "* SEARCH\r\n".to_owned(),
            },
            "NOOP" => self.grown(),
            _ => String::new(),
        };
        format!("{untagged}{tag} OK {verb} completed\r\n")
    }

    fn list(&self, rest: &str) -> String {
        let mut text = String::new();
        let names: Vec<_> = self.office.0.folders.lock().unwrap().keys().copied().collect();
        for name in names {
            writeln!(text, "* LIST (\\HasNoChildren) \"/\" \"{name}\"\r").unwrap();
            if rest.contains("STATUS") {
                text += &self.office.status(name);
            }
        }
        text
    }

    fn fetch(&self, rest: &str) -> String {
        let (set, items) = rest.split_once(' ').unwrap();
        let mut text = String::new();
        for (at, id) in self.office.letters(&self.open).iter().enumerate() {
            let uid = at + 1;
            let within = |part: &str| {
                let (from, to) = part.split_once(':').unwrap_or((part, part));
                (from.parse().unwrap()..=to.parse().unwrap_or(usize::MAX)).contains(&uid)
            };
            if !set.split(',').any(within) {
                continue;
            }
            write!(text, "* {uid} FETCH (UID {uid}").unwrap();
            if items.contains("INTERNALDATE") {
                text += " FLAGS () INTERNALDATE \" 2-Feb-2026 10:40:00 +0800\" RFC822.SIZE 99";
            }
            if items.contains("HEADER") {
                let header = header(id);
                write!(text, " BODY[HEADER] {{{}}}\r\n{header}", header.len()).unwrap();
            }
            text += ")\r\n";
        }
        text
    }
}

/// Runs an account whose second session ends after so many bytes. Answers how many bytes that session said, and how
/// many sessions there were.
async fn cut_after(capabilities: &'static str, mode: Mode, limit: usize) -> (usize, usize) {
    let mut watch = Watch::of(&["INBOX", "项目"]);
    watch.account.mode = mode;
    let office = Office::new(capabilities);
    let source = ImapSource::new(Arc::new(office.clone()), watch.imap);
    let story = async {
        sleep(secs(5)).await;
        assert!(watch.subjects().await.is_empty());
        office.cut_next_after(limit);
        office.arrive("INBOX", "one");
        sleep(secs(30)).await;
        office.arrive("INBOX", "two");
        sleep(secs(10)).await;
        office.arrive(PROJECT, "three");
        // A renewal and a sweep.
        sleep(secs(320)).await;
        let mut subjects = watch.subjects().await;
        subjects.sort();
        assert_eq!(subjects, ["one", "three", "two"], "cut after {limit} bytes");
    };
    watch.during(source, story).await;
    (*office.0.said.lock().unwrap(), *office.0.sessions.lock().unwrap())
}

/// Each byte in a run of its own, each with a paused clock.
fn every_cut(capabilities: &'static str, mode: Mode) {
    let run = |limit| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(cut_after(capabilities, mode, limit))
    };
    let (whole, sessions) = run(UNCUT);
    assert!(whole > 1000 && sessions == 2, "{sessions} sessions, {whole} bytes");
    println!("{whole} bytes");
    for limit in 0..whole {
        let sessions = run(limit).1;
        // Timers are not the same in all runs: the last words may not have been said.
        assert!(sessions == 3 || sessions == 2 && limit > whole / 2, "{sessions} sessions, cut after {limit} bytes");
    }
}

#[test]
fn no_cut_of_a_session_with_idle_loses_or_repeats_a_letter() {
    every_cut("ID IDLE NAMESPACE LIST-STATUS", Mode::Idle);
}

#[test]
fn no_cut_of_a_session_with_notify_loses_or_repeats_a_letter() {
    every_cut("ID IDLE NAMESPACE LIST-STATUS NOTIFY", Mode::Notify);
}

#[test]
fn no_cut_of_a_session_without_push_loses_or_repeats_a_letter() {
    every_cut("NAMESPACE", Mode::Poll);
}
