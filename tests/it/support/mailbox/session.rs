//! One session of the server in memory.

use super::{ANSWER_LIMIT, DONE_LIMIT, Fault, Mail, Mailbox, Office};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use mailbell::imap::{Detail, Heard, ImapError, Listed, MailSession, Offer, RawLetter, UidSet, Wake};
use mailbell::model::{Look, RawName, Timestamp, Uid};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};

/// See the module's text.
pub(super) struct Desk {
    mailbox: Mailbox,
    number: usize,
    generation: u64,
    ends_at: Option<Instant>,
    /// Whether a letter has ended it.
    dead: bool,
    open: Option<String>,
    known: u64,
    changed: watch::Receiver<()>,
    heard: Option<Heard>,
    heard_at: Instant,
    /// NOTIFY: the folders, and how many arrivals of each are known.
    notified: Option<BTreeMap<String, u64>>,
    overflows: u64,
    notify_ended: bool,
    told: Vec<(RawName, Look)>,
}

impl Desk {
    pub(super) fn new(mailbox: &Mailbox, office: &Office, number: usize) -> Self {
        Self {
            mailbox: mailbox.clone(),
            number,
            generation: office.generation,
            ends_at: office.lives.map(|d| Instant::now() + d),
            dead: false,
            open: None,
            known: 0,
            changed: mailbox.changed.subscribe(),
            heard: None,
            heard_at: Instant::now(),
            notified: None,
            overflows: office.overflows,
            notify_ended: false,
            told: Vec::new(),
        }
    }

    /// Notes what is asked, and waits for the answer: an error if the session is over, or the server silent.
    async fn say(&mut self, what: String) -> Result<(), ImapError> {
        self.mailbox.office().said.push((Instant::now(), what));
        if self.mailbox.office().hangs {
            std::future::pending::<()>().await;
        }
        if self.mailbox.office().silent {
            sleep(ANSWER_LIMIT).await;
            self.dead = true;
            return Err(ImapError::Timeout { step: "a command", limit: ANSWER_LIMIT });
        }
        self.check()?;
        self.hear();
        Ok(())
    }

    /// An error if the session is over.
    fn check(&self) -> Result<(), ImapError> {
        let over = self.dead || self.ends_at.is_some_and(|at| at <= Instant::now());
        if self.mailbox.office().generation != self.generation || over {
            return Err(ImapError::Lost(String::new()));
        }
        Ok(())
    }

    /// The server has answered; what NOTIFY tells comes with it.
    fn hear(&mut self) {
        self.heard_at = Instant::now();
        if let Some(heard) = &self.heard {
            heard();
        }
        self.gather();
    }

    /// Takes in what NOTIFY tells.
    fn gather(&mut self) {
        let office = self.mailbox.office();
        if office.overflows > self.overflows {
            self.overflows = office.overflows;
            self.notify_ended |= self.notified.take().is_some();
        }
        let Some(notified) = &mut self.notified else { return };
        for (name, known) in notified {
            let Some(cabinet) = office.folders.get(name).filter(|c| !c.unnoticed) else { continue };
            if self.open.as_ref() != Some(name) && cabinet.arrivals > *known {
                let look = Look { mailbox_id: None, ..office.look(name).unwrap_or_default() };
                let raw = RawName::new(name.as_bytes());
                self.told.retain(|(told, _)| *told != raw);
                self.told.push((raw, look));
            }
            *known = cabinet.arrivals;
        }
    }

    /// Changes what the server shows of this session.
    fn show(&self, change: impl FnOnce(&mut super::Seen)) {
        if let Some(seen) = self.mailbox.office().sessions.get_mut(&self.number) {
            change(seen);
        }
    }

    async fn look(&mut self, command: &'static str, folder: &RawName) -> Result<(Look, u64), ImapError> {
        let name = text(folder);
        self.say(format!("{command} {name}")).await?;
        let office = self.mailbox.office();
        match (office.look(&name), office.folders.get(&name)) {
            (Some(look), Some(cabinet)) => Ok((look, cabinet.arrivals)),
            _ => Err(ImapError::No { command, text: "no such folder".to_owned() }),
        }
    }

    /// Whether letters came to the open folder since the last call.
    fn grown(&mut self) -> Result<bool, ImapError> {
        self.check()?;
        let office = self.mailbox.office();
        let arrivals = self.open.as_ref().and_then(|name| office.folders.get(name)).map_or(0, |c| c.arrivals);
        drop(office);
        let grown = arrivals > self.known;
        self.known = arrivals;
        Ok(grown)
    }

    async fn fetched(&mut self, set: &UidSet, detail: Detail) -> Result<Vec<RawLetter>, ImapError> {
        self.say(format!("FETCH {detail:?} {set:?}")).await?;
        let name = self.open.clone().unwrap_or_default();
        let cabinet = self.mailbox.office().folders.get(&name).cloned().unwrap_or_default();
        if cabinet.unreadable {
            return Err(ImapError::No { command: "UID FETCH", text: "cannot be read".to_owned() });
        }
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
            Detail::Structure => any(Fault::KillsParts),
            Detail::WholeHeader => any(Fault::Kills) || any(Fault::KillsWhole) || any(Fault::RefusedThenKills),
        };
        if detail == Detail::Structure && any(Fault::SilentParts) {
            std::future::pending::<()>().await;
        }
        if kills {
            self.dead = true;
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
            parts: Vec::new(),
            header: (detail != Detail::Brief).then(|| match mail.fault {
                Fault::KillsWhole => Vec::new(),
                Fault::KillsParts | Fault::SilentParts => {
                    format!("Content-Type: multipart/mixed; boundary=b\r\n{}", mail.header).into_bytes()
                }
                _ => mail.header.clone().into_bytes(),
            }),
        };
        Ok(found.iter().map(letter).collect())
    }

    /// The looks of those of `folders` that can be looked at.
    fn looks(&self, folders: &[RawName], shown: impl Fn(&super::Cabinet) -> bool) -> Vec<(RawName, Look)> {
        let office = self.mailbox.office();
        let look = |raw: &RawName| {
            let name = text(raw);
            let look = office.look(&name).filter(|_| office.folders.get(&name).is_some_and(&shown))?;
            Some((raw.clone(), look))
        };
        folders.iter().filter_map(look).collect()
    }

    async fn set_notify(&mut self, folders: &[RawName]) -> Result<Vec<(RawName, Look)>, ImapError> {
        self.say(format!("NOTIFY {}", folders.len())).await?;
        let refused = self.mailbox.office().refuses_notify.clone();
        if let Some(error) = refused {
            return Err(error);
        }
        let names: Vec<_> = folders.iter().map(text).collect();
        let arrivals = |name: &String| self.mailbox.office().folders.get(name).map(|c| (name.clone(), c.arrivals));
        self.notified = Some(names.iter().filter_map(arrivals).collect());
        self.notify_ended = false;
        self.show(|seen| seen.notified_of = names);
        let others: Vec<_> = folders.iter().filter(|raw| Some(text(raw)) != self.open).cloned().collect();
        Ok(self.looks(&others, |cabinet| !cabinet.unnoticed))
    }

    /// IDLE, from `+` to the answer to DONE.
    async fn wait(&mut self, until: Instant, asked: &Notify) -> Result<Wake, ImapError> {
        self.say("IDLE".to_owned()).await?;
        let ends = self.mailbox.office().ends_idle;
        let wake = loop {
            let (deaf, silent) = {
                let office = self.mailbox.office();
                (office.idle_is_deaf, office.silent)
            };
            if !silent {
                self.check()?;
                if !deaf {
                    let overflows = self.overflows;
                    self.gather();
                    if self.grown()? {
                        break Wake::Pushed;
                    }
                    if !self.told.is_empty() || self.overflows > overflows {
                        break Wake::Told;
                    }
                }
                if ends {
                    break Wake::Quiet;
                }
            }
            let ends_at = self.ends_at.unwrap_or(until + Duration::from_secs(1));
            tokio::select! {
                biased;
                _ = self.changed.changed() => {}
                () = sleep_until(ends_at) => {}
                () = asked.notified() => break Wake::Asked,
                () = sleep_until(until) => break Wake::Quiet,
            }
        };
        if self.mailbox.office().silent {
            sleep(DONE_LIMIT).await;
            self.dead = true;
            return Err(ImapError::Timeout { step: "DONE", limit: DONE_LIMIT });
        }
        self.check()?;
        self.hear();
        Ok(wake)
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.mailbox.office().sessions.remove(&self.number);
    }
}

impl Office {
    /// What is said of a folder; `None` if it is refused or not there.
    fn look(&self, name: &str) -> Option<Look> {
        let cabinet = self.folders.get(name).filter(|c| !c.refused)?;
        let visible = cabinet.letters.iter().filter(|m| m.fault != Fault::Hidden).count();
        Some(Look {
            uid_validity: cabinet.uid_validity,
            uid_next: cabinet.tells_next.then_some(cabinet.next),
            exists: u32::try_from(visible).ok(),
            mailbox_id: cabinet.mailbox_id,
        })
    }
}

fn text(raw: &RawName) -> String {
    String::from_utf8_lossy(&raw.0).into_owned()
}

impl MailSession for Desk {
    fn offer(&self) -> Offer {
        let office = self.mailbox.office();
        Offer { idle: office.idle, notify: office.notify, list_status: office.list_status }
    }

    fn on_heard(&mut self, heard: Heard) {
        self.heard = Some(heard);
    }

    fn list_status<'a>(&'a mut self, folders: &'a [RawName]) -> BoxFuture<'a, Result<Vec<(RawName, Look)>, ImapError>> {
        async move {
            let open = self.open.clone();
            assert!(folders.iter().all(|raw| Some(text(raw)) != open), "STATUS of the open folder");
            self.say(format!("LIST-STATUS {}", folders.len())).await?;
            let refused = self.mailbox.office().refuses_list_status.clone();
            refused.map_or_else(|| Ok(self.looks(folders, |cabinet| !cabinet.left_out)), Err)
        }
        .boxed()
    }

    fn notify<'a>(&'a mut self, folders: &'a [RawName]) -> BoxFuture<'a, Result<Vec<(RawName, Look)>, ImapError>> {
        self.set_notify(folders).boxed()
    }

    fn take_told(&mut self) -> Vec<(RawName, Look)> {
        std::mem::take(&mut self.told)
    }

    fn notify_ended(&self) -> bool {
        self.notify_ended
    }

    fn take_server_alerts(&mut self) -> Vec<String> {
        std::mem::take(&mut self.mailbox.office().server_alerts)
    }

    fn folders(&mut self) -> BoxFuture<'_, Result<Vec<Listed>, ImapError>> {
        async move {
            self.say("LIST".to_owned()).await?;
            let office = self.mailbox.office();
            let listed = |(name, cabinet): (&String, &super::Cabinet)| {
                let mut uses = cabinet.uses.clone();
                if name.eq_ignore_ascii_case("INBOX") {
                    uses.push("\\inbox".to_owned());
                }
                let raw = RawName::new(name.as_bytes());
                Listed { raw, separator: Some(b'/'), can_open: true, uses, prefix: None }
            };
            Ok(office.folders.iter().map(listed).collect())
        }
        .boxed()
    }

    fn examine<'a>(&'a mut self, folder: &'a RawName) -> BoxFuture<'a, Result<Look, ImapError>> {
        async move {
            self.open = None;
            self.show(|seen| seen.open = None);
            let (look, arrivals) = self.look("EXAMINE", folder).await?;
            let name = text(folder);
            self.show(|seen| seen.open = Some(name.clone()));
            self.open = Some(name);
            self.known = arrivals;
            Ok(look)
        }
        .boxed()
    }

    fn status<'a>(&'a mut self, folder: &'a RawName) -> BoxFuture<'a, Result<Look, ImapError>> {
        assert_ne!(self.open.as_deref().map(str::as_bytes), Some(&*folder.0), "STATUS of the open folder");
        async move { Ok(self.look("STATUS", folder).await?.0) }.boxed()
    }

    fn fetch<'a>(&'a mut self, set: &'a UidSet, detail: Detail) -> BoxFuture<'a, Result<Vec<RawLetter>, ImapError>> {
        self.fetched(set, detail).boxed()
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
            self.say(format!("SEARCH {}", since.0)).await?;
            let office = self.mailbox.office();
            let cabinet = self.open.as_ref().and_then(|name| office.folders.get(name));
            let since = since.minus(Duration::from_secs(86_400));
            let letters = cabinet.map(|c| c.letters.clone()).unwrap_or_default();
            Ok(letters.iter().filter(|m| m.date >= since && m.fault != Fault::Hidden).map(|m| m.uid).collect())
        }
        .boxed()
    }

    fn noop(&mut self) -> BoxFuture<'_, Result<bool, ImapError>> {
        async move {
            self.say("NOOP".to_owned()).await?;
            self.grown()
        }
        .boxed()
    }

    fn idle<'a>(&'a mut self, until: Instant, asked: &'a Notify) -> BoxFuture<'a, Result<Wake, ImapError>> {
        async move {
            self.show(|seen| seen.idling = true);
            let wake = self.wait(until, asked).await;
            self.show(|seen| seen.idling = false);
            wake
        }
        .boxed()
    }

    fn silent_for(&self) -> Duration {
        self.heard_at.elapsed()
    }

    fn logout(self: Box<Self>) -> BoxFuture<'static, ()> {
        std::future::ready(()).boxed()
    }
}
