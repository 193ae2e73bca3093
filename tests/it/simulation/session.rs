//! One session of a mail server in memory.

use super::office::{Cabinet, Office};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use mailbell::imap::{Detail, Heard, ImapError, Listed, MailSession, Offer, RawLetter, UidSet, Wake};
use mailbell::model::{Look, RawName, Timestamp, Uid};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};

/// How long an answer is waited for, and the answer to DONE.
const ANSWER: Duration = Duration::from_secs(60);
const DONE: Duration = Duration::from_secs(15);

/// See the module's text.
pub struct Session {
    office: Arc<Office>,
    post: usize,
    generation: u64,
    over: bool,
    open: Option<String>,
    known: u64,
    changed: watch::Receiver<()>,
    heard: Option<Heard>,
    heard_at: Instant,
    notified: Option<BTreeMap<String, u64>>,
    told: Vec<(RawName, Look)>,
    /// Whether letters were read since the last wait.
    reading: bool,
}

impl Session {
    pub fn new(office: Arc<Office>, post: usize) -> Self {
        let inner = office.open();
        let (generation, changed) = (inner.posts[post].generation, inner.posts[post].changed.subscribe());
        drop(inner);
        Self {
            office,
            post,
            generation,
            over: false,
            open: None,
            known: 0,
            changed,
            heard: None,
            heard_at: Instant::now(),
            notified: None,
            told: Vec::new(),
            reading: false,
        }
    }

    /// A command is said; what may go wrong with any of them.
    async fn say(&mut self, what: &'static str) -> Result<(), ImapError> {
        let post = self.post;
        self.office.witness.note(|| format!("imap {post} {what}"));
        if matches!(what, "FETCH" | "SEARCH" | "STATUS" | "LIST-STATUS") && !self.reading {
            self.reading = true;
            self.office.round(self.post);
        }
        self.office.witness.point("imap", false).await;
        let drops = self.office.open().posts[self.post].drops;
        let (lost, pause) =
            self.office.roll(|dice| (dice.often(drops), if dice.often(200) { dice.between(1, 300) } else { 0 }));
        if pause > 0 {
            sleep(Duration::from_millis(pause.unsigned_abs())).await;
        }
        if self.office.open().posts[self.post].silent {
            sleep(ANSWER).await;
            self.over = true;
            return Err(ImapError::Timeout { step: "a command", limit: ANSWER });
        }
        self.over |= lost;
        self.check()?;
        self.hear();
        Ok(())
    }

    fn check(&self) -> Result<(), ImapError> {
        if self.over || self.office.open().posts[self.post].generation != self.generation {
            return Err(ImapError::Lost(String::new()));
        }
        Ok(())
    }

    fn hear(&mut self) {
        self.heard_at = Instant::now();
        if let Some(heard) = &self.heard {
            heard();
        }
        self.gather();
    }

    /// Takes in what NOTIFY tells.
    fn gather(&mut self) {
        let now = self.office.witness.time.now();
        let inner = self.office.open();
        let post = &inner.posts[self.post];
        let Some(notified) = self.notified.as_mut().filter(|_| !post.deaf) else { return };
        for (name, known) in notified {
            let Some(cabinet) = post.folders.get(name) else { continue };
            if self.open.as_ref() != Some(name) && cabinet.arrivals > *known {
                let raw = RawName::new(name.as_bytes());
                self.told.retain(|(told, _)| *told != raw);
                self.told.push((raw, look_of(cabinet, now)));
            }
            *known = cabinet.arrivals;
        }
    }

    fn look(&self, command: &'static str, folder: &RawName) -> Result<(Look, u64), ImapError> {
        let now = self.office.witness.time.now();
        let inner = self.office.open();
        match inner.posts[self.post].folders.get(&name_of(folder)).filter(|c| !c.refused) {
            Some(cabinet) => Ok((look_of(cabinet, now), cabinet.arrivals)),
            None => Err(ImapError::No { command, text: "no such folder".to_owned() }),
        }
    }

    fn grown(&mut self) -> bool {
        let inner = self.office.open();
        let folders = &inner.posts[self.post].folders;
        let arrivals = self.open.as_ref().and_then(|name| folders.get(name)).map_or(0, |c| c.arrivals);
        let grown = arrivals > self.known;
        self.known = arrivals;
        grown
    }

    fn letters(&self, set: &UidSet, detail: Detail) -> Vec<RawLetter> {
        let time = &self.office.witness.time;
        let now = time.now();
        let asked = |uid: Uid| match set {
            UidSet::Range(from, to) => (*from..=*to).contains(&uid),
            UidSet::From(from) => uid >= *from,
            UidSet::These(list) => list.binary_search(&uid).is_ok(),
        };
        let inner = self.office.open();
        let Some(cabinet) = self.open.as_ref().and_then(|name| inner.posts[self.post].folders.get(name)) else {
            return Vec::new();
        };
        let visible = cabinet.mails.iter().take_while(|mail| mail.visible_at <= now).filter(|mail| asked(mail.uid));
        let letter = |mail: &super::office::Mail| {
            let stay = &inner.stays[mail.stay];
            RawLetter {
                uid: Some(mail.uid),
                seen: Some(stay.seen_at.is_some()),
                internal_date: Some(time.right(stay.date)),
                size: Some(2048),
                parts: Vec::new(),
                header: (detail != Detail::Brief).then(|| inner.letters[stay.letter].header.clone().into_bytes()),
            }
        };
        visible.map(letter).collect()
    }

    /// Asking for one letter has ended the session.
    fn blame(&self, set: &UidSet, detail: Detail) {
        let UidSet::These(uids) = set else { return };
        let mut inner = self.office.open();
        let cabinet = self.open.as_ref().and_then(|name| inner.posts[self.post].folders.get(name));
        let mail = cabinet.and_then(|c| c.mails.iter().find(|mail| uids[..] == [mail.uid]));
        if let Some(letter) = mail.map(|mail| inner.stays[mail.stay].letter).filter(|_| detail != Detail::Brief) {
            *inner.ended.entry(letter).or_default() += 1;
        }
    }

    async fn wait(&mut self, until: Instant, asked: &Notify) -> Result<Wake, ImapError> {
        self.say("IDLE").await?;
        let wake = loop {
            let (deaf, silent) = {
                let post = &self.office.open().posts[self.post];
                (post.deaf, post.silent)
            };
            if !silent {
                self.check()?;
                self.gather();
                if !deaf && self.grown() {
                    break Wake::Pushed;
                }
                if !self.told.is_empty() {
                    break Wake::Told;
                }
            }
            tokio::select! {
                biased;
                _ = self.changed.changed() => {}
                () = asked.notified() => break Wake::Asked,
                () = sleep_until(until) => break Wake::Quiet,
            }
        };
        if self.office.open().posts[self.post].silent {
            sleep(DONE).await;
            self.over = true;
            return Err(ImapError::Timeout { step: "DONE", limit: DONE });
        }
        self.check()?;
        self.hear();
        Ok(wake)
    }
}

fn look_of(cabinet: &Cabinet, now: i64) -> Look {
    let visible = cabinet.mails.iter().take_while(|mail| mail.visible_at <= now).count();
    Look {
        uid_validity: Some(cabinet.validity),
        uid_next: cabinet.tells_next.then_some(cabinet.next + cabinet.too_high),
        exists: u32::try_from(visible).ok(),
        mailbox_id: None,
    }
}

fn name_of(raw: &RawName) -> String {
    String::from_utf8_lossy(&raw.0).into_owned()
}

impl MailSession for Session {
    fn offer(&self) -> Offer {
        self.office.open().posts[self.post].offer
    }

    fn on_heard(&mut self, heard: Heard) {
        self.heard = Some(heard);
    }

    fn folders(&mut self) -> BoxFuture<'_, Result<Vec<Listed>, ImapError>> {
        async move {
            self.say("LIST").await?;
            let listed = |name: &String| Listed {
                raw: RawName::new(name.as_bytes()),
                separator: Some(b'/'),
                can_open: true,
                uses: if name == "INBOX" { vec!["\\inbox".to_owned()] } else { Vec::new() },
                prefix: None,
            };
            Ok(self.office.open().posts[self.post].folders.keys().map(listed).collect())
        }
        .boxed()
    }

    fn examine<'a>(&'a mut self, folder: &'a RawName) -> BoxFuture<'a, Result<Look, ImapError>> {
        async move {
            self.open = None;
            self.say("EXAMINE").await?;
            let (look, arrivals) = self.look("EXAMINE", folder)?;
            let name = name_of(folder);
            let now = self.office.witness.time.now();
            if let Some(cabinet) = self.office.open().posts[self.post].folders.get_mut(&name) {
                cabinet.opened_at = now;
            }
            (self.open, self.known) = (Some(name), arrivals);
            Ok(look)
        }
        .boxed()
    }

    fn status<'a>(&'a mut self, folder: &'a RawName) -> BoxFuture<'a, Result<Look, ImapError>> {
        assert_ne!(self.open.as_deref().map(str::as_bytes), Some(&*folder.0), "STATUS of the open folder");
        async move {
            self.say("STATUS").await?;
            Ok(self.look("STATUS", folder)?.0)
        }
        .boxed()
    }

    fn list_status<'a>(&'a mut self, folders: &'a [RawName]) -> BoxFuture<'a, Result<Vec<(RawName, Look)>, ImapError>> {
        async move {
            self.say("LIST-STATUS").await?;
            let look = |raw: &RawName| Some((raw.clone(), self.look("LIST-STATUS", raw).ok()?.0));
            Ok(folders.iter().filter_map(look).collect())
        }
        .boxed()
    }

    fn notify<'a>(&'a mut self, folders: &'a [RawName]) -> BoxFuture<'a, Result<Vec<(RawName, Look)>, ImapError>> {
        async move {
            self.say("NOTIFY").await?;
            let arrivals = |raw: &RawName| Some((name_of(raw), self.look("NOTIFY", raw).ok()?.1));
            self.notified = Some(folders.iter().filter_map(arrivals).collect());
            let others = folders.iter().filter(|raw| Some(name_of(raw)) != self.open);
            Ok(others.filter_map(|raw| Some((raw.clone(), self.look("NOTIFY", raw).ok()?.0))).collect())
        }
        .boxed()
    }

    fn take_told(&mut self) -> Vec<(RawName, Look)> {
        std::mem::take(&mut self.told)
    }

    fn notify_ended(&self) -> bool {
        false
    }

    fn take_server_alerts(&mut self) -> Vec<String> {
        Vec::new()
    }

    fn fetch<'a>(&'a mut self, set: &'a UidSet, detail: Detail) -> BoxFuture<'a, Result<Vec<RawLetter>, ImapError>> {
        async move {
            if let Err(error) = self.say("FETCH").await {
                self.blame(set, detail);
                return Err(error);
            }
            Ok(self.letters(set, detail))
        }
        .boxed()
    }

    fn part<'a>(
        &'a mut self,
        _uid: Uid,
        _section: &'a str,
        _most: u32,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, ImapError>> {
        async { Ok(None) }.boxed()
    }

    fn search_since(&mut self, since: Timestamp) -> BoxFuture<'_, Result<Vec<Uid>, ImapError>> {
        async move {
            self.say("SEARCH").await?;
            let since = since.minus(Duration::from_secs(86_400));
            let all = self.letters(&UidSet::From(1), Detail::Brief);
            Ok(all.iter().filter(|l| l.internal_date >= Some(since)).filter_map(|l| l.uid).collect())
        }
        .boxed()
    }

    fn noop(&mut self) -> BoxFuture<'_, Result<bool, ImapError>> {
        async move {
            self.say("NOOP").await?;
            Ok(self.grown())
        }
        .boxed()
    }

    fn idle<'a>(&'a mut self, until: Instant, asked: &'a Notify) -> BoxFuture<'a, Result<Wake, ImapError>> {
        self.reading = false;
        self.wait(until, asked).boxed()
    }

    fn silent_for(&self) -> Duration {
        self.heard_at.elapsed()
    }

    fn logout(self: Box<Self>) -> BoxFuture<'static, ()> {
        std::future::ready(()).boxed()
    }
}
