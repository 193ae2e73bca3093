//! The mail servers of a run: accounts with folders and letters in memory, quick, and lying where they are told to.
//! They also watch the watcher: no letters are read without a permit.

use super::dice::Dice;
use super::time::SECOND;
use super::witness::Witness;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use mailbell::config::Account;
use mailbell::imap::{ImapError, LoginTrouble, MailSession, MailSource, Offer};
use mailbell::model::{AccountId, Owner, Recipient, Urgency};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

/// A mail as the world knows it: the same in whichever folder it lies.
#[derive(Clone, Debug)]
pub struct Letter {
    /// What its subject begins with; nothing else holds it.
    pub token: String,
    pub header: String,
    /// What WeCom thinks of a message that shows it.
    pub harm: Harm,
    /// Several letters look the same: to people this and that other one cannot be told apart.
    pub alike: bool,
    /// The one whose token it shows: itself, or the first of those that look the same.
    pub shows: usize,
}

/// See [`Letter::harm`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    None,
    /// Refused unless the message is plain.
    UnlessPlain,
    /// Refused always.
    Always,
}

/// A stay of a letter in a folder.
#[derive(Clone, Debug)]
pub struct Stay {
    pub letter: usize,
    pub post: usize,
    pub folder: String,
    /// When it came (true time), and its INTERNALDATE.
    pub came: i64,
    pub date: i64,
    /// Read before it came, or afterwards.
    pub seen_at: Option<i64>,
    pub left_at: Option<i64>,
}

/// A letter in a folder.
#[derive(Clone, Debug)]
pub struct Mail {
    pub uid: u32,
    pub stay: usize,
    /// Counted by UIDNEXT, not to be seen before.
    pub visible_at: i64,
}

/// A folder, and what its subscription says.
#[derive(Clone, Debug)]
pub struct Cabinet {
    pub validity: u32,
    pub next: u32,
    pub mails: Vec<Mail>,
    pub arrivals: u64,
    /// Whether UIDNEXT is told, and by how much too high.
    pub tells_next: bool,
    pub too_high: u32,
    pub refused: bool,
    pub audience: Vec<Recipient>,
    pub urgency: Urgency,
    /// When it was last opened; and its binding: the look that began it, and when it was stored.
    pub opened_at: i64,
    pub bound: Option<(i64, i64)>,
}

/// Why connecting fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Unreachable,
    Temporary,
    WrongPassword,
}

/// One account's server.
pub struct Post {
    pub owner: Owner,
    pub folders: BTreeMap<String, Cabinet>,
    pub offer: Offer,
    pub refusal: Option<Refusal>,
    /// Nothing is answered.
    pub silent: bool,
    /// IDLE and NOTIFY tell nothing.
    pub deaf: bool,
    /// Commands in a thousand that end the session.
    pub drops: u32,
    pub generation: u64,
    pub changed: Arc<watch::Sender<()>>,
    /// The permit under which letters were last read.
    pub read_under: u64,
}

#[derive(Default)]
pub struct Inner {
    pub letters: Vec<Letter>,
    pub stays: Vec<Stay>,
    pub posts: Vec<Post>,
    /// How often asking for a letter alone has ended a session: after two times its header is not asked for any more.
    pub ended: HashMap<usize, u32>,
    /// When mailbell's wall clock was ahead by hours, from and to.
    pub wrong: Vec<(i64, i64)>,
    pub names: HashMap<AccountId, usize>,
    /// Permits that were given: how many ever, and when the last.
    pub permits: HashMap<Owner, (u64, i64)>,
}

/// All servers.
pub struct Office {
    pub witness: Arc<Witness>,
    pub inner: Mutex<Inner>,
    pub dice: Mutex<Dice>,
}

impl Office {
    pub fn new(witness: Arc<Witness>, dice: Dice) -> Self {
        Self { witness, inner: Mutex::default(), dice: Mutex::new(dice) }
    }

    pub fn open(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub fn roll<T>(&self, with: impl FnOnce(&mut Dice) -> T) -> T {
        with(&mut self.dice.lock().unwrap())
    }

    /// A letter is written.
    pub fn write(&self, harm: Harm, long: bool, like: Option<usize>) -> usize {
        let mut inner = self.open();
        let no = inner.letters.len();
        let shows = like.unwrap_or(no);
        let token = format!("L{shows:05}z");
        let rest = match (long, shows % 3) {
            (true, _) => format!(" {}", "=?UTF-8?B?5Lya6K6u57qq6KaB5ZKM5LiL5Y2K5bm055qE6K6h5YiS?= ".repeat(6)),
            (false, 0) => " =?UTF-8?B?5Lya6K6u?=".to_owned(),
            (false, 1) => " =?UTF-8?B?8J+RjfCfj70gPGI+?= & <b>bold</b>".to_owned(),
            _ => String::new(),
        };
        let header = format!(
            "From: Li Si <lisi{}@partner.example>\r\nSubject: {token}{rest}\r\nMessage-ID: <{no}@partner.example>\r\n\
             Date: Mon, 2 Feb 2026 10:40:00 +0800\r\n\r\n",
            shows % 7
        );
        if let Some(first) = like {
            inner.letters[first].alike = true;
        }
        inner.letters.push(Letter { token, header, harm, alike: like.is_some(), shows });
        no
    }

    /// A letter comes into a folder. `age`: how old its INTERNALDATE is; `hidden`: how long it is not to be seen.
    pub fn arrive(&self, post: usize, folder: &str, letter: usize, age: i64, seen: bool, hidden: i64) {
        let now = self.witness.time.now();
        let mut inner = self.open();
        let stay = inner.stays.len();
        let date = (now - age).div_euclid(SECOND) * SECOND;
        let Some(cabinet) = inner.posts[post].folders.get_mut(folder) else { return };
        let uid = cabinet.next;
        cabinet.next += 1;
        cabinet.arrivals += 1;
        cabinet.mails.push(Mail { uid, stay, visible_at: now + hidden });
        let seen_at = seen.then_some(now);
        inner.stays.push(Stay { letter, post, folder: folder.to_owned(), came: now, date, seen_at, left_at: None });
        inner.posts[post].changed.send_replace(());
        self.witness
            .note(|| format!("mail {letter} to {post}/{folder} uid {uid} age {age} seen {seen} hidden {hidden}"));
    }

    /// A letter leaves a folder; which one it is.
    pub fn leave(&self, post: usize, folder: &str, place: usize) -> Option<Stay> {
        let now = self.witness.time.now();
        let mut inner = self.open();
        let cabinet = inner.posts[post].folders.get_mut(folder)?;
        if cabinet.mails.is_empty() {
            return None;
        }
        let at = place % cabinet.mails.len();
        let mail = cabinet.mails.remove(at);
        let stay = &mut inner.stays[mail.stay];
        stay.left_at = Some(now);
        self.witness.note(|| format!("mail {} leaves {post}/{folder}", stay.letter));
        Some(stay.clone())
    }

    /// A letter is read elsewhere.
    pub fn read(&self, post: usize, folder: &str, place: usize) {
        let now = self.witness.time.now();
        let mut inner = self.open();
        let Some(cabinet) = inner.posts[post].folders.get(folder).filter(|c| !c.mails.is_empty()) else { return };
        let stay = cabinet.mails[place % cabinet.mails.len()].stay;
        inner.stays[stay].seen_at.get_or_insert(now);
    }

    /// The server numbers a folder anew.
    pub fn renumber(&self, post: usize, folder: &str) {
        let mut inner = self.open();
        let Some(cabinet) = inner.posts[post].folders.get_mut(folder) else { return };
        cabinet.validity += 1;
        for (mail, uid) in cabinet.mails.iter_mut().zip(1..) {
            mail.uid = uid;
        }
        cabinet.next = u32::try_from(cabinet.mails.len()).unwrap() + 1;
        cabinet.arrivals += 1;
        inner.posts[post].changed.send_replace(());
        self.witness.note(|| format!("{post}/{folder} is numbered anew"));
    }

    /// Changes a server; its sessions end if `cut`.
    pub fn change(&self, post: usize, cut: bool, change: impl FnOnce(&mut Post)) {
        let mut inner = self.open();
        let post = &mut inner.posts[post];
        change(post);
        post.generation += u64::from(cut);
        post.changed.send_replace(());
    }

    /// A permit was given.
    pub fn permit(&self, owner: &Owner, now: i64) {
        let mut inner = self.open();
        let permit = inner.permits.entry(owner.clone()).or_default();
        *permit = (permit.0 + 1, now);
    }

    /// Letters are read, or folders looked at, in a new round: that takes a permit, and each permit is good for one.
    pub fn round(&self, post: usize) {
        let now = self.witness.time.now();
        let mut inner = self.open();
        let owner = inner.posts[post].owner.clone();
        let (number, given_at) = inner.permits.get(&owner).copied().unwrap_or_default();
        let before = std::mem::replace(&mut inner.posts[post].read_under, number);
        drop(inner);
        if number == 0 || number == before || now - given_at > 200 * SECOND {
            self.witness
                .broken(format!("account {post} reads letters without a permit ({number}, {before}, {given_at})"));
        }
    }

    /// A binding was stored.
    pub fn bound(&self, account: &AccountId, folder: &[u8], now: i64) {
        let mut inner = self.open();
        let post = inner.names[account];
        let name = String::from_utf8_lossy(folder).into_owned();
        if let Some(cabinet) = inner.posts[post].folders.get_mut(&name) {
            cabinet.bound.get_or_insert((cabinet.opened_at, now));
        }
    }
}

/// The servers' face.
pub struct Servers(pub Arc<Office>);

impl MailSource for Servers {
    fn connect<'a>(&'a self, account: &'a Account) -> BoxFuture<'a, Result<Box<dyn MailSession>, ImapError>> {
        async move {
            let post = self.0.open().names[&account.id];
            self.0.witness.point("imap", false).await;
            let (refusal, silent) = {
                let inner = self.0.open();
                (inner.posts[post].refusal, inner.posts[post].silent)
            };
            if silent {
                let limit = Duration::from_secs(20);
                sleep(limit).await;
                return Err(ImapError::Timeout { step: "connecting", limit });
            }
            let login = |trouble| ImapError::Login { trouble, text: "not now".to_owned() };
            match refusal {
                Some(Refusal::Unreachable) => Err(ImapError::Connect {
                    address: account.provider.server.host.clone(),
                    reason: "refused".to_owned(),
                }),
                Some(Refusal::Temporary) => Err(login(LoginTrouble::Temporary)),
                Some(Refusal::WrongPassword) => Err(login(LoginTrouble::WrongPassword)),
                None => Ok(Box::new(super::session::Session::new(self.0.clone(), post)) as Box<dyn MailSession>),
            }
        }
        .boxed()
    }
}
