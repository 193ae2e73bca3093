//! A mailbox in memory behind the face of `imap`: folders with letters, UIDVALIDITY, UIDNEXT or none, and faults.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use mailbell::config::Account;
use mailbell::imap::{Detail, Heard, ImapError, Listed, MailSession, MailSource, Offer, RawLetter, UidSet, Wake};
use mailbell::model::{Look, RawName, Timestamp, Uid};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

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
    pub letters: Vec<Mail>,
    /// How many letters ever came.
    arrivals: u64,
}

impl Default for Cabinet {
    fn default() -> Self {
        Self { uid_validity: Some(7), next: 1, tells_next: true, refused: false, letters: Vec::new(), arrivals: 0 }
    }
}

impl Cabinet {
    /// As if a letter had come: a push, without one.
    pub fn touch(&mut self) {
        self.arrivals += 1;
    }
}

/// The server.
#[derive(Debug, Default)]
pub struct Office {
    pub folders: BTreeMap<String, Cabinet>,
    pub idle: bool,
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
        let mut office = self.office();
        office.connects.push(Instant::now());
        let connected = match &office.refuses {
            Some(error) => Err(error.clone()),
            None => Ok(Box::new(Desk {
                mailbox: self.clone(),
                generation: office.generation,
                ends_at: office.lives.map(|d| Instant::now() + d),
                open: None,
                known: 0,
                changed: self.changed.subscribe(),
            }) as Box<dyn MailSession>),
        };
        std::future::ready(connected).boxed()
    }
}

/// One session.
struct Desk {
    mailbox: Mailbox,
    generation: u64,
    ends_at: Option<Instant>,
    open: Option<String>,
    known: u64,
    changed: watch::Receiver<()>,
}

impl Desk {
    /// Notes what is asked; whether the session still lives.
    fn say(&self, what: String) -> Result<MutexGuard<'_, Office>, ImapError> {
        let mut office = self.mailbox.office();
        office.said.push((Instant::now(), what));
        self.alive(&office)?;
        Ok(office)
    }

    fn alive(&self, office: &Office) -> Result<(), ImapError> {
        let over = self.ends_at.is_some_and(|at| at <= Instant::now());
        if office.generation != self.generation || over {
            return Err(ImapError::Lost(String::new()));
        }
        Ok(())
    }

    fn look(&mut self, command: &'static str, folder: &RawName) -> Result<(Look, u64), ImapError> {
        let name = String::from_utf8_lossy(&folder.0).into_owned();
        let office = self.say(format!("{command} {name}"))?;
        match office.folders.get(&name) {
            Some(cabinet) if !cabinet.refused => {
                let visible = cabinet.letters.iter().filter(|m| m.fault != Fault::Hidden).count();
                let look = Look {
                    uid_validity: cabinet.uid_validity,
                    uid_next: cabinet.tells_next.then_some(cabinet.next),
                    exists: u32::try_from(visible).ok(),
                    mailbox_id: None,
                };
                Ok((look, cabinet.arrivals))
            }
            _ => Err(ImapError::No { command, text: "no such folder".to_owned() }),
        }
    }

    /// Whether letters came to the open folder since the last call.
    fn grown(&mut self) -> Result<bool, ImapError> {
        let office = self.mailbox.office();
        self.alive(&office)?;
        let arrivals = self.open.as_ref().and_then(|name| office.folders.get(name)).map_or(0, |c| c.arrivals);
        drop(office);
        let grown = arrivals > self.known;
        self.known = arrivals;
        Ok(grown)
    }

    fn fetched(&mut self, set: &UidSet, detail: Detail) -> Result<Vec<RawLetter>, ImapError> {
        let mut office = self.say(format!("FETCH {detail:?} {set:?}"))?;
        let name = self.open.clone().unwrap_or_default();
        let cabinet = office.folders.get(&name).cloned().unwrap_or_default();
        let asked = |uid: Uid| match set {
            UidSet::Range(from, to) => (*from..=*to).contains(&uid),
            UidSet::From(from) => uid >= *from,
            UidSet::These(list) => list.contains(&uid),
        };
        let found: Vec<_> = cabinet.letters.iter().filter(|m| asked(m.uid) && m.fault != Fault::Hidden).collect();
        let any = |fault: Fault| found.iter().any(|m| m.fault == fault);
        let kills = match detail {
            Detail::Brief => false,
            Detail::Header => any(Fault::Kills) || (found.len() == 1 && any(Fault::RefusedThenKills)),
            Detail::WholeHeader => any(Fault::Kills) || any(Fault::KillsWhole) || any(Fault::RefusedThenKills),
        };
        if kills {
            office.generation += 1;
            return Err(ImapError::Lost("killed".to_owned()));
        }
        if detail != Detail::Brief && (any(Fault::Refused) || any(Fault::RefusedThenKills)) {
            return Err(ImapError::No { command: "UID FETCH", text: "cannot be read".to_owned() });
        }
        let letter = |mail: &&Mail| RawLetter {
            uid: Some(mail.uid),
            seen: Some(mail.seen),
            internal_date: Some(mail.date),
            size: Some(2048),
            header: (detail != Detail::Brief).then(|| match mail.fault {
                Fault::KillsWhole => Vec::new(),
                _ => mail.header.clone().into_bytes(),
            }),
        };
        Ok(found.iter().map(letter).collect())
    }
}

impl MailSession for Desk {
    fn offer(&self) -> Offer {
        Offer { idle: self.mailbox.office().idle, ..Offer::default() }
    }

    fn on_heard(&mut self, _heard: Heard) {}

    fn list_status<'a>(
        &'a mut self,
        _folders: &'a [RawName],
    ) -> BoxFuture<'a, Result<Vec<(RawName, Look)>, ImapError>> {
        std::future::ready(Ok(Vec::new())).boxed()
    }

    fn notify<'a>(&'a mut self, _folders: &'a [RawName]) -> BoxFuture<'a, Result<Vec<(RawName, Look)>, ImapError>> {
        std::future::ready(Ok(Vec::new())).boxed()
    }

    fn take_told(&mut self) -> Vec<(RawName, Look)> {
        Vec::new()
    }

    fn notify_ended(&self) -> bool {
        false
    }

    fn take_server_alerts(&mut self) -> Vec<String> {
        Vec::new()
    }

    fn folders(&mut self) -> BoxFuture<'_, Result<Vec<Listed>, ImapError>> {
        let listed = self.say("LIST".to_owned()).map(|office| {
            let listed = |name: &String| Listed {
                raw: RawName::new(name.as_bytes()),
                separator: Some(b'/'),
                can_open: true,
                uses: Vec::new(),
                prefix: None,
            };
            office.folders.keys().map(listed).collect()
        });
        std::future::ready(listed).boxed()
    }

    fn examine<'a>(&'a mut self, folder: &'a RawName) -> BoxFuture<'a, Result<Look, ImapError>> {
        self.open = None;
        let looked = self.look("EXAMINE", folder).map(|(look, arrivals)| {
            self.open = Some(String::from_utf8_lossy(&folder.0).into_owned());
            self.known = arrivals;
            look
        });
        std::future::ready(looked).boxed()
    }

    fn status<'a>(&'a mut self, folder: &'a RawName) -> BoxFuture<'a, Result<Look, ImapError>> {
        assert_ne!(self.open.as_deref().map(str::as_bytes), Some(&*folder.0), "STATUS of the open folder");
        let looked = self.look("STATUS", folder).map(|(look, _)| look);
        std::future::ready(looked).boxed()
    }

    fn fetch<'a>(&'a mut self, set: &'a UidSet, detail: Detail) -> BoxFuture<'a, Result<Vec<RawLetter>, ImapError>> {
        std::future::ready(self.fetched(set, detail)).boxed()
    }

    fn search_since(&mut self, since: Timestamp) -> BoxFuture<'_, Result<Vec<Uid>, ImapError>> {
        let found = self.say(format!("SEARCH {}", since.0)).map(|office| {
            let cabinet = self.open.as_ref().and_then(|name| office.folders.get(name));
            let since = since.minus(Duration::from_secs(86_400));
            let letters = cabinet.map(|c| c.letters.clone()).unwrap_or_default();
            letters.iter().filter(|m| m.date >= since && m.fault != Fault::Hidden).map(|m| m.uid).collect()
        });
        std::future::ready(found).boxed()
    }

    fn noop(&mut self) -> BoxFuture<'_, Result<bool, ImapError>> {
        let said = self.say("NOOP".to_owned()).map(drop);
        let grown = said.and_then(|()| self.grown());
        std::future::ready(grown).boxed()
    }

    fn idle<'a>(&'a mut self, until: Instant, asked: &'a Notify) -> BoxFuture<'a, Result<Wake, ImapError>> {
        async move {
            let ends = self.say("IDLE".to_owned())?.ends_idle;
            loop {
                if self.grown()? {
                    return Ok(Wake::Pushed);
                }
                if ends {
                    return Ok(Wake::Quiet);
                }
                let ends_at = self.ends_at.unwrap_or(until + Duration::from_secs(1));
                tokio::select! {
                    biased;
                    _ = self.changed.changed() => {}
                    () = sleep_until(ends_at) => {}
                    () = asked.notified() => return Ok(Wake::Asked),
                    () = sleep_until(until) => return Ok(Wake::Quiet),
                }
            }
        }
        .boxed()
    }

    fn silent_for(&self) -> Duration {
        Duration::ZERO
    }

    fn logout(self: Box<Self>) -> BoxFuture<'static, ()> {
        std::future::ready(()).boxed()
    }
}
