//! A small mail server over the wire: folders with letters behind real IMAP words, and a switch for each thing that real
//! servers get wrong. Sessions as many as come.

use super::mailbox::header;
use super::server::{Peer, PipeDial};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use mailbell::model::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

/// What is wrong with a letter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Odd {
    #[default]
    Nothing,
    /// Counted by UIDNEXT and EXISTS, not in any FETCH.
    Hidden,
    /// In place of its header this is said, and then nothing.
    Poison(Vec<u8>),
}

/// A letter.
#[derive(Clone, Debug)]
pub struct Post {
    pub uid: u32,
    pub id: String,
    pub date: Timestamp,
    pub odd: Odd,
}

/// A folder.
#[derive(Clone, Debug)]
pub struct Folder {
    /// `None`: not said.
    pub uid_validity: Option<u32>,
    pub uid_next: u32,
    pub letters: Vec<Post>,
}

/// The switches.
#[derive(Clone, Debug, Default)]
pub struct Ways {
    pub capabilities: String,
    /// EXAMINE and STATUS are refused until ID was said (NetEase).
    pub wants_id: bool,
    /// The answer to ID.
    pub id_answer: Option<String>,
    /// EXAMINE does not tell UIDNEXT, and STATUS says `()` (NetEase).
    pub no_uid_next: bool,
    /// UIDNEXT is told as this.
    pub uid_next_is: Option<u32>,
    /// Said before each line that completes a command, and before `+`.
    pub noise: String,
}

/// See the module's text.
#[derive(Debug, Default)]
pub struct Wired {
    pub folders: Mutex<BTreeMap<String, Folder>>,
    pub ways: Mutex<Ways>,
    /// Every command that came.
    pub said: Mutex<Vec<String>>,
    ends: tokio::sync::watch::Sender<u32>,
}

impl Wired {
    /// A server with these empty folders; their UIDs begin at 1, in UIDVALIDITY 7.
    pub fn new(folders: &[&str], ways: Ways) -> Self {
        let empty = Folder { uid_validity: Some(7), uid_next: 1, letters: Vec::new() };
        let folders = folders.iter().map(|name| ((*name).to_owned(), empty.clone())).collect();
        Self { folders: Mutex::new(folders), ways: Mutex::new(ways), ..Self::default() }
    }

    /// A folder, to change it.
    pub fn change<T>(&self, folder: &str, change: impl FnOnce(&mut Folder) -> T) -> T {
        change(self.folders.lock().unwrap().get_mut(folder).unwrap())
    }

    /// The switches, to change them.
    pub fn ways(&self) -> MutexGuard<'_, Ways> {
        self.ways.lock().unwrap()
    }

    /// A letter arrives, with this UID if it is not below UIDNEXT.
    pub fn arrive(&self, folder: &str, uid: u32, id: &str, date: Timestamp) {
        self.arrive_odd(folder, uid, id, date, Odd::Nothing);
    }

    /// The same with something wrong.
    pub fn arrive_odd(&self, folder: &str, uid: u32, id: &str, date: Timestamp, odd: Odd) {
        self.change(folder, |folder| {
            let uid = uid.max(folder.uid_next);
            folder.letters.push(Post { uid, id: id.to_owned(), date, odd });
            folder.uid_next = uid + 1;
        });
    }

    /// How many commands begin so.
    pub fn count(&self, command: &str) -> usize {
        self.said.lock().unwrap().iter().filter(|said| said.starts_with(command)).count()
    }

    /// Closes all sessions at their next command.
    pub fn cut(&self) {
        self.ends.send_modify(|n| *n += 1);
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
        let capabilities = self.ways().capabilities.clone();
        peer.send(&format!("* OK [CAPABILITY IMAP4rev1 {capabilities}] ready\r\n")).await;
        let (mut open, mut said_id, cuts) = (None, false, *self.ends.borrow());
        while let Some(command) = peer.command().await {
            if *self.ends.borrow() != cuts {
                return;
            }
            self.said.lock().unwrap().push(command.clone());
            said_id |= command.starts_with("ID ");
            if let Some(name) = command.strip_prefix("EXAMINE ") {
                open = Some(name.trim_matches('"').to_owned());
            }
            let answer = self.answer(&command, open.as_deref(), said_id);
            match answer {
                Ok(answer) => {
                    let noise = self.ways().noise.clone();
                    let last = if command == "IDLE" { "+ " } else { "{tag} " };
                    match answer.rsplit_once(last) {
                        Some((before, end)) => peer.send(&format!("{before}{noise}{last}{end}")).await,
                        None => peer.send(&answer).await,
                    }
                }
                Err(poison) => {
                    peer.send_bytes(&poison).await;
                    peer.expect_closed().await;
                    return;
                }
            }
        }
    }

    /// The whole answer, or what is said in its place by a letter that is poison.
    fn answer(&self, command: &str, open: Option<&str>, said_id: bool) -> Result<String, Vec<u8>> {
        let ways = self.ways().clone();
        let looks = ["EXAMINE ", "STATUS "].iter().any(|word| command.starts_with(word));
        if looks && ways.wants_id && !said_id {
            return Ok("{tag} NO Unsafe Login. Please contact kefu@188.com for help\r\n".to_owned());
        }
        let folders = self.folders.lock().unwrap();
        let done = "{tag} OK done\r\n";
        let name = command.split(' ').nth(1).unwrap_or_default().trim_matches('"');
        let next = |folder: &Folder| ways.uid_next_is.unwrap_or(folder.uid_next);
        Ok(match command {
            "IDLE" => "+ idling\r\n".to_owned(),
            "CAPABILITY" => format!("* CAPABILITY IMAP4rev1 {}\r\n{done}", ways.capabilities),
            c if c.starts_with("ID ") => ways.id_answer.unwrap_or(format!("* ID NIL\r\n{done}")),
            c if c.starts_with("LIST ") => {
                let list: String = folders.keys().map(|name| format!("* LIST () \"/\" \"{name}\"\r\n")).collect();
                list + done
            }
            c if c.starts_with("EXAMINE ") => {
                let Some(folder) = folders.get(name) else { return Ok("{tag} NO none\r\n".to_owned()) };
                let validity = folder.uid_validity.map(|n| format!("* OK [UIDVALIDITY {n}] x\r\n")).unwrap_or_default();
                let next =
                    if ways.no_uid_next { String::new() } else { format!("* OK [UIDNEXT {}] x\r\n", next(folder)) };
                format!("* {} EXISTS\r\n{validity}{next}{done}", folder.letters.len())
            }
            c if c.starts_with("STATUS ") => {
                let Some(folder) = folders.get(name) else { return Ok("{tag} NO none\r\n".to_owned()) };
                let validity = folder.uid_validity.map(|n| format!(" UIDVALIDITY {n}")).unwrap_or_default();
                let items = format!("MESSAGES {} UIDNEXT {}{validity}", folder.letters.len(), next(folder));
                format!("* STATUS \"{name}\" ({})\r\n{done}", if ways.no_uid_next { "" } else { &items })
            }
            c if c.starts_with("UID ") => {
                let letters = open.and_then(|name| folders.get(name)).map(|f| f.letters.as_slice()).unwrap_or_default();
                match c.strip_prefix("UID FETCH ") {
                    Some(rest) => fetch(letters, rest)? + done,
                    None => {
                        let uids: String =
                            letters.iter().filter(|l| l.odd != Odd::Hidden).map(|l| format!(" {}", l.uid)).collect();
                        format!("* SEARCH{uids}\r\n{done}")
                    }
                }
            }
            _ => done.to_owned(),
        })
    }
}

fn fetch(letters: &[Post], rest: &str) -> Result<String, Vec<u8>> {
    let (set, items) = rest.split_once(' ').unwrap();
    let highest = letters.iter().map(|l| l.uid).max().unwrap_or(0);
    let number = |text: &str| if text == "*" { highest } else { text.parse().unwrap() };
    let asked = |uid: u32| {
        set.split(',').any(|part| {
            let (from, to) = part.split_once(':').unwrap_or((part, part));
            let (from, to) = (number(from), number(to));
            (from.min(to)..=from.max(to)).contains(&uid)
        })
    };
    let mut text = String::new();
    for (at, letter) in letters.iter().enumerate().filter(|(_, l)| asked(l.uid) && l.odd != Odd::Hidden) {
        let mut said = format!("UID {}", letter.uid);
        if items.contains("INTERNALDATE") {
            said.push_str(&format!(" FLAGS () INTERNALDATE \"{}\" RFC822.SIZE 99", date(letter.date)));
        }
        if items.contains("HEADER") {
            if let Odd::Poison(bytes) = &letter.odd {
                return Err([text.as_bytes(), bytes].concat());
            }
            let header = header(&letter.id);
            said.push_str(&format!(" BODY[HEADER] {{{}}}\r\n{header}", header.len()));
        }
        text.push_str(&format!("* {} FETCH ({said})\r\n", at + 1));
    }
    Ok(text)
}

/// A moment as INTERNALDATE writes it.
fn date(moment: Timestamp) -> String {
    let moment = jiff::Timestamp::from_millisecond(moment.0).unwrap();
    moment.to_zoned(jiff::tz::TimeZone::UTC).strftime("%d-%b-%Y %H:%M:%S +0000").to_string()
}
