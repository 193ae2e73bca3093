//! A mail server in memory behind the face of `imap`: folders with letters, UIDVALIDITY, UIDNEXT or none, IDLE, NOTIFY
//! and LIST-STATUS where it has them, several sessions at once, and faults.

mod session;
mod tests;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use mailbell::config::Account;
use mailbell::imap::{ImapError, LoginTrouble, MailSession, MailSource};
use mailbell::model::{Timestamp, Uid};
use session::Desk;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// How long a session waits for an answer of a silent server.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(60);
/// How long it waits for the answer to DONE.
pub const DONE_LIMIT: Duration = Duration::from_secs(15);
/// How long connecting waits.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(20);

/// What is wrong with a letter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Counted by UIDNEXT, not yet to be seen.
    Hidden,
    /// Asking for its header ends the session.
    Kills,
    /// Its list of header fields comes back empty, and asking for the whole header ends the session.
    KillsWhole,
    /// It may have attachments, and asking for its parts ends the session.
    KillsParts,
    /// The same, and asking for its parts is never answered.
    SilentParts,
    /// A FETCH of headers with it is refused.
    Refused,
    /// A FETCH of headers with others is refused; alone it ends the session.
    RefusedThenKills,
}

/// A letter of a folder.
#[derive(Clone, Debug)]
pub struct Mail {
    pub uid: Uid,
    pub date: Timestamp,
    pub seen: bool,
    pub header: String,
    pub fault: Fault,
}

/// A folder.
#[derive(Clone, Debug)]
pub struct Cabinet {
    pub uid_validity: Option<u32>,
    pub next: Uid,
    /// Whether the server tells UIDNEXT.
    pub tells_next: bool,
    /// Whether opening and looking is refused.
    pub refused: bool,
    /// Whether it opens, and every FETCH in it is refused.
    pub unreadable: bool,
    /// Whether LIST-STATUS leaves it out, with OK all the same (RFC 5819 section 2).
    pub left_out: bool,
    /// Whether NOTIFY keeps silent about it.
    pub unnoticed: bool,
    /// Its MAILBOXID, digested.
    pub mailbox_id: Option<u64>,
    /// Its special uses (`\\junk`); the INBOX has its own by itself.
    pub uses: Vec<String>,
    pub letters: Vec<Mail>,
    /// How many letters ever came.
    arrivals: u64,
}

impl Default for Cabinet {
    fn default() -> Self {
        Self {
            uid_validity: Some(7),
            next: 1,
            tells_next: true,
            refused: false,
            unreadable: false,
            left_out: false,
            unnoticed: false,
            mailbox_id: None,
            uses: Vec::new(),
            letters: Vec::new(),
            arrivals: 0,
        }
    }
}

impl Cabinet {
    /// As if a letter had come: a push, without one.
    pub fn touch(&mut self) {
        self.arrivals += 1;
    }
}

/// What a session that lives is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The open folder.
    pub open: Option<String>,
    /// Whether it waits in IDLE.
    pub idling: bool,
    /// The folders that NOTIFY was set for.
    pub notified_of: Vec<String>,
}

/// The server.
#[derive(Debug, Default)]
pub struct Office {
    pub folders: BTreeMap<String, Cabinet>,
    pub idle: bool,
    /// Whether it has NOTIFY (RFC 5465).
    pub notify: bool,
    /// Whether it has LIST-STATUS (RFC 5819).
    pub list_status: bool,
    /// When set, NOTIFY is answered so.
    pub refuses_notify: Option<ImapError>,
    /// When set, LIST-STATUS is answered so.
    pub refuses_list_status: Option<ImapError>,
    /// Whether IDLE is taken and announces nothing.
    pub idle_is_deaf: bool,
    /// Whether nothing is answered any more: a black hole. Sessions end with their own time-outs.
    pub silent: bool,
    /// Whether a command never returns, as no real session does: each of its waits ends.
    pub hangs: bool,
    /// When set, one session more than so many is refused with "too many connections".
    pub most_sessions: Option<usize>,
    /// Texts for the administrator (ALERT); the next session that asks takes them.
    pub server_alerts: Vec<String>,
    /// The sessions that live, by their number (from 1, in the order of their logins).
    pub sessions: BTreeMap<usize, Seen>,
    /// When set, connecting fails so.
    pub refuses: Option<ImapError>,
    /// Whether each IDLE is ended by the server at once.
    pub ends_idle: bool,
    /// When set, each session ends so many seconds after it began.
    pub lives: Option<Duration>,
    pub connects: Vec<Instant>,
    /// What was asked for, in short.
    pub said: Vec<(Instant, String)>,
    generation: u64,
    /// How often NOTIFY was ended for all.
    overflows: u64,
}

/// A [`MailSource`] over an [`Office`].
#[derive(Clone, Debug)]
pub struct Mailbox {
    office: Arc<Mutex<Office>>,
    changed: Arc<watch::Sender<()>>,
}

impl Mailbox {
    /// A server with these empty folders and IDLE.
    pub fn new(folders: &[&str]) -> Self {
        let folders = folders.iter().map(|name| ((*name).to_owned(), Cabinet::default())).collect();
        let office = Office { folders, idle: true, ..Office::default() };
        Self { office: Arc::new(Mutex::new(office)), changed: Arc::new(watch::channel(()).0) }
    }

    /// The server, to look into and to change; sessions notice at the next [`Mailbox::ring`].
    pub fn office(&self) -> MutexGuard<'_, Office> {
        self.office.lock().unwrap()
    }

    /// Changes a folder.
    pub fn change(&self, folder: &str, change: impl FnOnce(&mut Cabinet)) {
        change(self.office().folders.get_mut(folder).unwrap());
    }

    /// Tells the sessions that wait that something has changed.
    pub fn ring(&self) {
        self.changed.send_replace(());
    }

    /// A letter arrives, with a fault or none; its UID.
    pub fn arrive_with(&self, folder: &str, id: &str, date: Timestamp, fault: Fault) -> Uid {
        let mut uid = 0;
        self.change(folder, |cabinet| {
            uid = cabinet.next;
            let header = header(id);
            cabinet.letters.push(Mail { uid, date, seen: false, header, fault });
            cabinet.next += 1;
            cabinet.arrivals += 1;
        });
        self.ring();
        uid
    }

    /// A letter arrives.
    pub fn arrive(&self, folder: &str, id: &str, date: Timestamp) -> Uid {
        self.arrive_with(folder, id, date, Fault::None)
    }

    /// Ends all sessions.
    pub fn cut(&self) {
        self.office().generation += 1;
        self.ring();
    }

    /// Ends NOTIFY of all sessions (NOTIFICATIONOVERFLOW, RFC 5465 section 5.8).
    pub fn overflow(&self) {
        self.office().overflows += 1;
        self.ring();
    }

    /// The folders in which sessions wait in IDLE just now, sorted.
    pub fn idling(&self) -> Vec<String> {
        let office = self.office();
        let mut idling: Vec<_> = office.sessions.values().filter(|s| s.idling).filter_map(|s| s.open.clone()).collect();
        idling.sort();
        idling
    }

    /// How many sessions live.
    pub fn alive(&self) -> usize {
        self.office().sessions.len()
    }

    /// How often something was asked that begins so.
    pub fn count(&self, what: &str) -> usize {
        self.office().said.iter().filter(|(_, said)| said.starts_with(what)).count()
    }
}

/// A header block whose Message-ID is `id`, and its subject too.
pub fn header(id: &str) -> String {
    format!(
        "From: Li Si <lisi@partner.example>\r\nSubject: {id}\r\nMessage-ID: <{id}@partner.example>\r\n\
         Date: Mon, 2 Feb 2026 10:40:00 +0800\r\n\r\n"
    )
}

impl MailSource for Mailbox {
    fn connect<'a>(&'a self, _account: &'a Account) -> BoxFuture<'a, Result<Box<dyn MailSession>, ImapError>> {
        async move {
            let number = {
                let mut office = self.office();
                office.connects.push(Instant::now());
                office.connects.len()
            };
            if self.office().silent {
                sleep(CONNECT_LIMIT).await;
                return Err(ImapError::Timeout { step: "connecting", limit: CONNECT_LIMIT });
            }
            let mut office = self.office();
            if let Some(error) = &office.refuses {
                return Err(error.clone());
            }
            if office.most_sessions.is_some_and(|most| office.sessions.len() >= most) {
                let text = "[LIMIT] Maximum number of connections from user+IP exceeded".to_owned();
                return Err(ImapError::Login { trouble: LoginTrouble::TooMany, text });
            }
            office.sessions.insert(number, Seen::default());
            Ok(Box::new(Desk::new(self, &office, number)) as Box<dyn MailSession>)
        }
        .boxed()
    }
}
