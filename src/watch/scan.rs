//! One folder: from what the server says of it to a commit of its mark and letters.

use super::cycle::{Cycle, Moment, Watched};
use super::quiet::Quiet;
use super::read::{self, Fragile};
use super::route::Route;
use super::since::Since;
use super::{End, folders, route};
use crate::config::Subscription;
use crate::imap::{ImapError, RawLetter};
use crate::metrics;
use crate::model::{Apart, Fate, Item, Letter, Look, Mark, Recipient, Sighting, Silence, Uid};
use crate::parse::{self, Source};
use crate::people::About;
use crate::rules::scan::{self, OLD_AFTER, Plan};
use crate::state::{Committed, Scan};
use std::collections::HashSet;
use std::time::Duration;
use tracing::{debug, info};

/// In a window, letters received so shortly before its newest one are looked at again: INTERNALDATE has whole seconds,
/// and a letter that takes over another's UID may have its second and its size.
const LOOK_ALIKES: Duration = Duration::from_secs(10);
/// Letters that are found by their date and stored at one time. Of more than these in a folder that is numbered anew some
/// are stored before its mark is, and known by their sameness if it has to be looked at again.
const STORED_AT_ONCE: usize = 500;
/// The same, each letter counted for each of its recipients: the store writes as much, and all others wait for it.
const WRITTEN_AT_ONCE: usize = 10_000;
/// More letters than so many at once wait for each other in the outbox (design: "Promises", 4).
pub(super) const MANY: usize = 60;

/// Whether an answer to one command is about the whole session.
pub(super) fn is_about_all(error: &ImapError) -> bool {
    error.is_token_expiry() || error.suggested_wait().is_some()
}

impl Cycle<'_> {
    /// Whether a look shows something to fetch (or to bind) that was not looked for before.
    pub(super) fn has_news(&self, at: usize, look: &Look) -> bool {
        let settled = |watched: &Watched| watched.settled.is_some_and(|known| scan::same(&known, look));
        self.is_behind(at, look) && self.folders.get(at).is_some_and(|watched| !settled(watched))
    }

    /// Whether the mark lies behind what the server says.
    pub(super) fn is_behind(&self, at: usize, look: &Look) -> bool {
        self.folders.get(at).is_some_and(|watched| scan::plan(watched.mark.as_ref(), look) != Plan::Nothing)
    }

    /// Brings the open folder up to date.
    pub(super) async fn scan(&mut self, at: usize, look: &Look, moment: Moment) -> Result<(), End> {
        let Some(watched) = self.folders.get(at) else { return Ok(()) };
        let mark = watched.mark.map(|mark| scan::believed(mark, moment.looked_at));
        self.many = false;
        let again = moment.thorough || self.has_news(at, look);
        match (scan::plan(mark.as_ref(), look), mark) {
            (Plan::Bind(next), _) => match self.renamed(look) {
                Some(mark) => {
                    info!(account = %self.watcher.log_name(), "a folder was renamed; its mark goes with it");
                    self.commit(at, mark, Vec::new()).await?;
                    return Box::pin(self.scan(at, look, moment)).await;
                }
                None => self.bind(at, look, next, moment).await,
            },
            (Plan::Range(from, to), Some(mark)) if again => self.range(at, look, mark, (from, to), moment).await,
            (Plan::Window, Some(mark)) if again => self.window(at, look, mark, moment).await,
            (Plan::Rebase(next), Some(mark)) => self.rebase(at, look, mark, next, moment).await,
            _ => self.looked(at, look, moment).await,
        }?;
        self.caught_up(at);
        let now = self.watcher.clock.steady();
        if let Some(watched) = self.folders.get_mut(at) {
            watched.settled = Some(*look);
            self.memory.unread.remove(&watched.folder.raw);
            (watched.refused, watched.said, watched.fresh_at) = (0, None, Some(now));
        }
        Ok(())
    }

    /// Brings the open folder up to date, if the server lets us: one whose letters it refuses stops no other. A server
    /// that wants to be left alone for a while, or another token, says so of all.
    pub(super) async fn try_scan(&mut self, at: usize, look: &Look, moment: Moment) -> Result<(), End> {
        let refused = match self.scan(at, look, moment).await {
            Err(End::Imap(error)) if error.is_answer() && !is_about_all(&error) => error,
            scanned => return scanned,
        };
        if let Some(watched) = self.folders.get_mut(at) {
            watched.settled = Some(*look);
            self.memory.unread.insert(watched.folder.raw.clone(), refused.to_string());
        }
        let _ = self.or_refused(at, Err(refused))?;
        Ok(())
    }

    /// Letters of a server without UIDNEXT: those received since the last good look that were not seen in the window
    /// before. Sameness keeps the known ones silent.
    async fn window(&mut self, at: usize, look: &Look, mark: Mark, moment: Moment) -> Result<(), End> {
        let mut going = scan::in_epoch(mark, look);
        let mut since = Since::ask(&mut *self.session, mark.looked_at.minus(OLD_AFTER), going.next, None).await?;
        let key = |l: &RawLetter| (l.uid.unwrap_or(0), l.internal_date, l.size);
        let (mut now, mut quiet) = (HashSet::new(), Quiet::default());
        while let Some(mut found) = since.next(&mut *self.session).await? {
            found.retain(|l| scan::is_news(&mark, l.internal_date));
            now.extend(found.iter().map(key));
            if let Some(watched) = self.folders.get(at) {
                found.retain(|l| !watched.window.contains(&key(l)));
            }
            let news = self.sort(&found, &mark, &mut quiet, |l| came_since(&mark, l));
            self.many |= news.len() > MANY;
            let mut rest = news.as_slice();
            while !rest.is_empty() {
                let (batch, after) = self.next_batch(at, rest);
                rest = after;
                let letters = self.letters(at, look, batch, &mark, moment).await?;
                self.commit(at, going, letters).await?;
            }
        }
        let highest = now.iter().map(|(uid, ..)| *uid).max().unwrap_or(0);
        going.next = going.next.max(highest.saturating_add(1));
        let newest = now.iter().filter_map(|(_, date, _)| *date).max().unwrap_or_default();
        if let Some(watched) = self.folders.get_mut(at) {
            watched.window = now.into_iter().filter(|(_, date, _)| *date < Some(newest.minus(LOOK_ALIKES))).collect();
        }
        let (silent, ended) = self.silent(at, look, quiet, &mark, moment).await;
        self.commit(at, Mark { looked_at: moment.looked_at, ..going }, silent).await?;
        ended
    }

    /// Nothing new: the time of the look is noted.
    async fn looked(&mut self, at: usize, look: &Look, moment: Moment) -> Result<(), End> {
        let Some(watched) = self.folders.get_mut(at) else { return Ok(()) };
        let Some(mark) = watched.mark.as_mut() else { return Ok(()) };
        mark.looked_at = moment.looked_at;
        if mark.uid_validity == 0 {
            mark.uid_validity = look.uid_validity.unwrap_or(0);
        }
        mark.mailbox_id = look.mailbox_id.or(mark.mailbox_id);
        let (mark, raw) = (*mark, watched.folder.raw.clone());
        self.watcher.state.touch(&self.watcher.account.id, &raw, mark).await?;
        Ok(())
    }

    /// Letters behind the mark; those that nobody is told of come last.
    async fn range(&mut self, at: usize, look: &Look, mark: Mark, uids: (Uid, Uid), moment: Moment) -> Result<(), End> {
        let mut quiet = Quiet::default();
        let going = match self.take_all(at, look, mark, uids, moment, &mut quiet).await {
            Ok(going) => going,
            Err(End::Imap(error)) => {
                let passed = self.folders.get(at).and_then(|watched| watched.mark).unwrap_or(mark);
                let silent = self.silent_below(at, look, quiet, &passed, moment);
                if !silent.is_empty() {
                    self.commit(at, passed, silent).await?;
                }
                return Err(error.into());
            }
            Err(end) => return Err(end),
        };
        let (silent, ended) = self.silent(at, look, quiet, &mark, moment).await;
        let stored = self.folders.get(at).and_then(|watched| watched.mark).map(|mark| mark.next);
        if !silent.is_empty() || stored != Some(going.next) {
            self.commit(at, going, silent).await?;
        }
        ended?;
        if let Some(watched) = self.folders.get_mut(at) {
            watched.mark = Some(going);
        }
        self.looked(at, look, moment).await
    }

    /// Commits the news of a range. The mark that is answered is not stored yet, where it lies behind the last of them.
    async fn take_all(
        &mut self,
        at: usize,
        look: &Look,
        mark: Mark,
        (from, to): (Uid, Uid),
        moment: Moment,
        quiet: &mut Quiet,
    ) -> Result<Mark, End> {
        let mut start = from;
        let mut going = mark;
        if mark.uid_validity == 0 {
            going.uid_validity = look.uid_validity.unwrap_or(0);
        }
        loop {
            let (found, more) = read::list(&mut *self.session, start, to).await?;
            going = self.take(at, look, &found, going, moment, quiet).await?;
            let Some(last) = more else { return Ok(going) };
            self.commit(at, going, Vec::new()).await?;
            start = last.saturating_add(1);
        }
    }

    /// Fetches and commits news in batches; the mark moves past each batch.
    async fn take(
        &mut self,
        at: usize,
        look: &Look,
        found: &[RawLetter],
        mut mark: Mark,
        moment: Moment,
        quiet: &mut Quiet,
    ) -> Result<Mark, End> {
        let news = self.sort(found, &mark, quiet, |_| true);
        self.many |= news.len() > MANY;
        let mut rest = news.as_slice();
        while !rest.is_empty() {
            let (batch, after) = self.next_batch(at, rest);
            rest = after;
            let letters = self.letters(at, look, batch, &mark, moment).await?;
            let last = batch.last().and_then(|l| l.uid).unwrap_or(mark.next);
            mark.next = last.saturating_add(1);
            self.commit(at, mark, letters).await?;
            self.fragile(at).forget_below(mark.next);
        }
        let last = found.last().and_then(|l| l.uid).map_or(mark.next, |last| last.saturating_add(1));
        mark.next = mark.next.max(last);
        Ok(mark)
    }

    /// The letters that are news and to be announced; of the others, `quiet` gets those that are `noted`.
    pub(super) fn sort(
        &self,
        found: &[RawLetter],
        mark: &Mark,
        quiet: &mut Quiet,
        noted: impl Fn(&RawLetter) -> bool,
    ) -> Vec<RawLetter> {
        let mut news = Vec::new();
        for letter in found {
            let silence = if !scan::is_news(mark, letter.internal_date) {
                Silence::Old
            } else if letter.seen == Some(true) && !self.watcher.imap.alert_seen {
                Silence::Seen
            } else {
                news.push(letter.clone());
                continue;
            };
            if noted(letter) {
                quiet.add(letter.clone(), silence);
            }
        }
        news
    }

    /// The letters to be fetched together, and the rest.
    pub(super) fn next_batch<'b>(&mut self, at: usize, letters: &'b [RawLetter]) -> (&'b [RawLetter], &'b [RawLetter]) {
        let uids: Vec<Uid> = letters.iter().map(|l| l.uid.unwrap_or(0)).collect();
        let size = self.fragile(at).batch(&uids).len().min(self.most_stored()).max(1);
        letters.split_at(size.min(letters.len()))
    }

    /// How many letters are stored in one step.
    pub(super) fn most_stored(&self) -> usize {
        let told =
            |subscription: &Subscription| subscription.recipients.as_ref().unwrap_or(&self.rules.recipients).len();
        let recipients = self.rules.subscriptions.iter().map(told).max().unwrap_or(1).max(1);
        (WRITTEN_AT_ONCE / recipients).clamp(1, STORED_AT_ONCE)
    }

    fn fragile(&mut self, at: usize) -> &mut Fragile {
        let raw = self.folders.get(at).map_or_else(|| folders::inbox().raw, |w| w.folder.raw.clone());
        self.memory.fragile.entry(raw).or_default()
    }

    /// Letters with their headers, for who is to be told of them.
    pub(super) async fn letters(
        &mut self,
        at: usize,
        look: &Look,
        wanted: &[RawLetter],
        mark: &Mark,
        moment: Moment,
    ) -> Result<Vec<Sighting>, End> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let mut fragile = self.fragile(at).clone();
        let letters = match read::headers(&mut *self.session, wanted, &mut fragile).await {
            Ok(mut letters) => {
                let asked = read::structures(&mut *self.session, &mut letters, &mut fragile).await;
                asked.map(|()| letters)
            }
            Err(end) => Err(end),
        };
        *self.fragile(at) = fragile;
        let raw = letters?;
        let mut letters: Vec<_> = raw.iter().map(|raw| self.read(look, raw, (mark, moment))).collect();
        self.acquaint(&mut letters).await?;
        let found = raw.iter().zip(letters);
        Ok(found.map(|(raw, letter)| self.sighting(at, look, (raw, letter), None, moment)).collect())
    }

    /// A letter as it is known now.
    pub(super) fn read(&self, look: &Look, raw: &RawLetter, (mark, moment): (&Mark, Moment)) -> Letter {
        let account = &self.rules;
        parse::letter(&Source {
            account: &account.id,
            uid_validity: look.uid_next.and(look.uid_validity.or(Some(mark.uid_validity))).unwrap_or(0),
            uid: look.uid_next.and(raw.uid).unwrap_or(0),
            time: raw.internal_date.unwrap_or(moment.looked_at),
            size: raw.size.unwrap_or(0),
            seen: raw.seen == Some(true),
            locale: account.locale,
            trusted: &account.trusted_authserv,
            names: account.asks_names(),
            parts: &raw.parts,
            header: raw.header.as_deref(),
        })
    }

    /// A letter of a folder, and what is to become of it.
    pub(super) fn sighting(
        &self,
        at: usize,
        look: &Look,
        (raw, letter): (&RawLetter, Letter),
        silence: Option<Silence>,
        moment: Moment,
    ) -> Sighting {
        let account = &self.rules;
        let watched = self.folders.get(at);
        let uid = look.uid_next.and(raw.uid).unwrap_or(0);
        let places = watched.map(|watched| watched.subscriptions.clone()).unwrap_or_default();
        let route = route::route(account, &places, &letter);
        let fate = match (silence, &route) {
            (Some(silence), _) => Fate::Silent(silence),
            (None, None) => Fate::Silent(Silence::Unmatched),
            (None, Some(route)) => Fate::Announce(route.recipients.to_vec()),
        };
        let card = route.and_then(|route| self.rules.subscriptions.get(route.place)?.card);
        let folder: std::sync::Arc<str> = watched.map_or_else(|| "".into(), |watched| watched.folder.shown.clone());
        let apart = match (&fate, &route) {
            (Fate::Announce(_), Some(route)) => self.apart(route, &folder, &letter),
            _ => Vec::new(),
        };
        Sighting {
            uid,
            subscription: route.map_or(0, |route| u16::try_from(route.place + 1).unwrap_or(u16::MAX)),
            urgency: route.map(|route| route.urgency).unwrap_or_default(),
            fate,
            apart,
            item: Item {
                account: account.id.clone(),
                folder,
                letter,
                told_at: moment.told_at,
                away: self.away(at, raw.internal_date),
                card,
            },
        }
    }

    /// Which of a letter's recipients are told otherwise than its urgency says.
    fn apart(&self, route: &Route<'_>, folder: &str, letter: &Letter) -> Vec<(Recipient, Apart)> {
        let Some(subscription) = self.rules.subscriptions.get(route.place) else { return Vec::new() };
        let about = About { account: &self.rules.id, folder, letter, subscription };
        self.watcher.people.apart(route.recipients, &about, self.watcher.clock.wall())
    }

    /// The UIDs began anew: letters since the last good look are news, unless they are known by their sameness.
    async fn rebase(&mut self, at: usize, look: &Look, mark: Mark, next: Uid, moment: Moment) -> Result<(), End> {
        info!(account = %self.watcher.log_name(), "the server has numbered a folder anew; looking by date");
        let mut since = Since::ask(&mut *self.session, mark.looked_at.minus(OLD_AFTER), 1, look.uid_next).await?;
        let (mut quiet, mut letters, mut highest) = (Quiet::default(), Vec::new(), None);
        self.many = true;
        while let Some(found) = since.next(&mut *self.session).await? {
            highest = found.iter().filter_map(|l| l.uid).max().max(highest);
            let news = self.sort(&found, &mark, &mut quiet, |l| came_since(&mark, l));
            let mut rest = news.as_slice();
            while !rest.is_empty() {
                let (batch, after) = self.next_batch(at, rest);
                rest = after;
                letters.extend(self.letters(at, look, batch, &mark, moment).await?);
                if letters.len() >= self.most_stored() {
                    // The mark stays in the old epoch until all of them are stored.
                    let stays = self.folders.get(at).and_then(|watched| watched.mark).unwrap_or(mark);
                    self.commit(at, stays, std::mem::take(&mut letters)).await?;
                }
            }
        }
        let going = Mark {
            uid_validity: look.uid_validity.unwrap_or(mark.uid_validity),
            next: scan::seen_up_to(highest, next),
            looked_at: moment.looked_at,
            mailbox_id: look.mailbox_id,
            ..mark
        };
        self.commit(at, going, letters).await?;
        *self.fragile(at) = Fragile::default();
        let (silent, ended) = self.silent(at, look, quiet, &mark, moment).await;
        if !silent.is_empty() {
            self.commit(at, going, silent).await?;
        }
        ended
    }

    /// Letters with their headers, however many.
    pub(super) async fn letters_of_all(
        &mut self,
        at: usize,
        look: &Look,
        wanted: &[RawLetter],
        mark: &Mark,
        moment: Moment,
    ) -> Result<Vec<Sighting>, End> {
        let (mut letters, mut rest) = (Vec::new(), wanted);
        while !rest.is_empty() {
            let (batch, after) = self.next_batch(at, rest);
            rest = after;
            letters.extend(self.letters(at, look, batch, mark, moment).await?);
        }
        Ok(letters)
    }

    /// Stores the mark and the letters in one step.
    pub(super) async fn commit(&mut self, at: usize, to: Mark, letters: Vec<Sighting>) -> Result<(), End> {
        let met = self.met(&letters);
        let Some(watched) = self.folders.get_mut(at) else { return Ok(()) };
        let scan = Scan {
            account: self.watcher.account.id.clone(),
            folder: watched.folder.raw.clone(),
            from: watched.mark,
            to,
            met,
            catching_up: self.many || letters.iter().any(|sighting| sighting.item.away.is_some()),
            letters,
            deferred: self.deferred,
        };
        match self.watcher.state.commit_scan(scan, self.watcher.clock.now()).await? {
            Committed::Stored(new) => {
                debug!(account = %self.watcher.log_name(), new, next = to.next, "committed");
                metrics::letters(new);
                watched.mark = Some(to);
                Ok(())
            }
            Committed::Stale => Err(End::Stale),
        }
    }
}

/// Whether a letter that is found by its date came after the folder's last good look, so that it was not found then.
fn came_since(mark: &Mark, letter: &RawLetter) -> bool {
    letter.internal_date.is_some_and(|date| date > mark.looked_at)
}
