//! One folder: from what the server says of it to a commit of its mark and letters.

use super::cycle::{Cycle, Moment, Watched};
use super::read::{self, Fragile};
use super::{End, folders};
use crate::imap::{Detail, ImapError, RawLetter, UidSet};
use crate::metrics;
use crate::model::{Fate, Item, Look, Mark, Sighting, Timestamp, Uid};
use crate::parse::{self, Source};
use crate::rules::scan::{self, OLD_AFTER, Plan};
use crate::state::{Committed, Scan};
use std::collections::HashSet;
use std::time::Duration;
use tracing::{debug, info};

/// In a window, letters received so shortly before its newest one are looked at again: INTERNALDATE has whole seconds,
/// and a letter that takes over another's UID may have its second and its size.
const LOOK_ALIKES: Duration = Duration::from_secs(10);
/// UIDs of a search in one command: sparse ones have ten digits, and Exchange takes some 10 kB.
const SEARCHED_AT_ONCE: usize = 500;
/// So many of the newest letters are remembered when a folder is bound.
const REMEMBERED_AT_BINDING: usize = 1000;

/// Whether an answer to one command is about the whole session.
fn is_about_all(error: &ImapError) -> bool {
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
        let mark = watched.mark;
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

    /// First sight: what is there is not news.
    async fn bind(&mut self, at: usize, look: &Look, next: Uid, moment: Moment) -> Result<(), End> {
        let now = moment.looked_at;
        let mark = Mark {
            uid_validity: look.uid_validity.unwrap_or(0),
            next,
            bound_at: now,
            looked_at: now,
            mailbox_id: look.mailbox_id,
        };
        self.remember_recent(at, look, &mark, moment).await?;
        self.commit(at, mark, Vec::new()).await
    }

    /// What was received in the hour before the binding would count as news if the folder were numbered anew: it is
    /// remembered as known in this folder (in this one only: in another one, bound before, it may be news).
    async fn remember_recent(&mut self, at: usize, look: &Look, mark: &Mark, moment: Moment) -> Result<(), End> {
        let mut recent = match look.exists {
            Some(0) => Vec::new(),
            _ => self.received_since(mark.looked_at.minus(OLD_AFTER), 1).await?,
        };
        let was_there = |l: &RawLetter| look.uid_next.is_none_or(|next| l.uid < Some(next));
        recent.retain(|l| l.internal_date.is_some() && scan::is_news(mark, l.internal_date) && was_there(l));
        let mut rest = recent.split_off(recent.len().saturating_sub(REMEMBERED_AT_BINDING));
        let mut known = Vec::new();
        while !rest.is_empty() {
            let (batch, _) = self.next_batch(at, &rest);
            let batch = batch.to_vec();
            known.extend(self.letters(at, look, &batch, mark, moment).await?.into_iter().map(|item| item.letter.id));
            rest.drain(..batch.len().max(1).min(rest.len()));
        }
        if known.is_empty() {
            return Ok(());
        }
        let Some(raw) = self.folders.get(at).map(|watched| watched.folder.raw.clone()) else { return Ok(()) };
        let now = self.watcher.clock.steady();
        Ok(self.watcher.state.remember(&self.watcher.account.id, &raw, known, now).await?)
    }

    /// What is known of the letters received since a moment (and up to two days before it). From a server that refuses
    /// to search, all from the UID `else_from` on.
    async fn received_since(&mut self, since: Timestamp, else_from: Uid) -> Result<Vec<RawLetter>, End> {
        match self.session.search_since(since).await {
            Ok(uids) => {
                let mut found = Vec::new();
                for uids in uids.chunks(SEARCHED_AT_ONCE) {
                    found.extend(self.session.fetch(&UidSet::These(uids.to_vec()), Detail::Brief).await?);
                }
                Ok(found)
            }
            Err(error) if error.is_answer() => Ok(self.session.fetch(&UidSet::From(else_from), Detail::Brief).await?),
            Err(error) => Err(error.into()),
        }
    }

    /// Letters of a server without UIDNEXT: those received since the last good look that were not seen in the window
    /// before. Sameness keeps the known ones silent.
    async fn window(&mut self, at: usize, look: &Look, mark: Mark, moment: Moment) -> Result<(), End> {
        let mut found = self.received_since(mark.looked_at.minus(OLD_AFTER), mark.next).await?;
        found.retain(|l| scan::is_news(&mark, l.internal_date));
        let key = |l: &RawLetter| (l.uid.unwrap_or(0), l.internal_date, l.size);
        let now: HashSet<_> = found.iter().map(key).collect();
        if let Some(watched) = self.folders.get(at) {
            found.retain(|l| !watched.window.contains(&key(l)));
        }
        let highest = now.iter().map(|(uid, ..)| *uid).max().unwrap_or(0);
        let mut going = Mark { uid_validity: look.uid_validity.unwrap_or(mark.uid_validity), ..mark };
        let mut rest = found.as_slice();
        while !rest.is_empty() {
            let (batch, after) = self.next_batch(at, rest);
            rest = after;
            let items = self.items(at, look, batch, &mark, moment).await?;
            self.commit(at, going, items).await?;
        }
        going.next = going.next.max(highest.saturating_add(1));
        let newest = now.iter().filter_map(|(_, date, _)| *date).max().unwrap_or_default();
        if let Some(watched) = self.folders.get_mut(at) {
            watched.window = now.into_iter().filter(|(_, date, _)| *date < Some(newest.minus(LOOK_ALIKES))).collect();
        }
        self.commit(at, Mark { looked_at: moment.looked_at, ..going }, Vec::new()).await
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

    /// Letters behind the mark.
    async fn range(
        &mut self,
        at: usize,
        look: &Look,
        mark: Mark,
        (from, to): (Uid, Uid),
        moment: Moment,
    ) -> Result<(), End> {
        let mut start = from;
        let mut going = mark;
        if mark.uid_validity == 0 {
            going.uid_validity = look.uid_validity.unwrap_or(0);
        }
        loop {
            let (found, more) = read::list(&mut *self.session, start, to).await?;
            going = self.take(at, look, &found, going, moment).await?;
            match more {
                Some(last) => start = last.saturating_add(1),
                None => break,
            }
        }
        if let Some(watched) = self.folders.get_mut(at) {
            watched.mark = Some(going);
        }
        self.looked(at, look, moment).await
    }

    /// Fetches and commits letters in batches; the mark moves past each batch.
    async fn take(
        &mut self,
        at: usize,
        look: &Look,
        found: &[RawLetter],
        mut mark: Mark,
        moment: Moment,
    ) -> Result<Mark, End> {
        let mut rest = found;
        while !rest.is_empty() {
            let (batch, after) = self.next_batch(at, rest);
            rest = after;
            let items = self.items(at, look, batch, &mark, moment).await?;
            let last = batch.last().and_then(|l| l.uid).unwrap_or(mark.next);
            mark.next = last.saturating_add(1);
            self.commit(at, mark, items).await?;
            self.fragile(at).forget_below(mark.next);
        }
        Ok(mark)
    }

    /// The letters to be fetched together, and the rest.
    fn next_batch<'b>(&mut self, at: usize, letters: &'b [RawLetter]) -> (&'b [RawLetter], &'b [RawLetter]) {
        let uids: Vec<Uid> = letters.iter().map(|l| l.uid.unwrap_or(0)).collect();
        let size = self.fragile(at).batch(&uids).len().max(1);
        letters.split_at(size.min(letters.len()))
    }

    fn fragile(&mut self, at: usize) -> &mut Fragile {
        let raw = self.folders.get(at).map_or_else(|| folders::inbox().raw, |w| w.folder.raw.clone());
        self.memory.fragile.entry(raw).or_default()
    }

    /// The letters of a batch that are news and are to be announced.
    async fn items(
        &mut self,
        at: usize,
        look: &Look,
        batch: &[RawLetter],
        mark: &Mark,
        moment: Moment,
    ) -> Result<Vec<Item>, End> {
        let alert_seen = self.watcher.imap.alert_seen;
        let wanted: Vec<_> = batch
            .iter()
            .filter(|l| scan::is_news(mark, l.internal_date) && (alert_seen || l.seen != Some(true)))
            .cloned()
            .collect();
        let old = batch.iter().filter(|l| !scan::is_news(mark, l.internal_date)).count();
        if old > 0 {
            info!(account = %self.watcher.log_name(), old, "letters were received before the last look; not announced");
        }
        self.letters(at, look, &wanted, mark, moment).await
    }

    /// Letters with their headers.
    async fn letters(
        &mut self,
        at: usize,
        look: &Look,
        wanted: &[RawLetter],
        mark: &Mark,
        moment: Moment,
    ) -> Result<Vec<Item>, End> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let mut fragile = self.fragile(at).clone();
        let letters = read::headers(&mut *self.session, wanted, &mut fragile).await;
        *self.fragile(at) = fragile;
        let Some(watched) = self.folders.get(at) else { return Ok(Vec::new()) };
        let account = &self.watcher.account.id;
        let item = |raw: &RawLetter| Item {
            account: account.clone(),
            folder: watched.folder.shown.clone(),
            letter: parse::letter(&Source {
                account,
                uid_validity: look.uid_next.and(look.uid_validity.or(Some(mark.uid_validity))).unwrap_or(0),
                uid: look.uid_next.and(raw.uid).unwrap_or(0),
                time: raw.internal_date.unwrap_or(moment.looked_at),
                size: raw.size.unwrap_or(0),
                seen: raw.seen == Some(true),
                header: raw.header.as_deref(),
            }),
            told_at: moment.told_at,
            away: None,
        };
        Ok(letters?.iter().map(item).collect())
    }

    /// The UIDs began anew: letters since the last good look are news, unless they are known by their sameness.
    async fn rebase(&mut self, at: usize, look: &Look, mark: Mark, next: Uid, moment: Moment) -> Result<(), End> {
        info!(account = %self.watcher.log_name(), "the server has numbered a folder anew; looking by date");
        let found = self.received_since(mark.looked_at.minus(OLD_AFTER), 1).await?;
        let mut items = Vec::new();
        let mut rest = found.as_slice();
        while !rest.is_empty() {
            let (batch, after) = self.next_batch(at, rest);
            rest = after;
            items.extend(self.items(at, look, batch, &mark, moment).await?);
        }
        let highest = found.iter().filter_map(|l| l.uid).max().unwrap_or(0);
        let mark = Mark {
            uid_validity: look.uid_validity.unwrap_or(mark.uid_validity),
            next: next.max(highest.saturating_add(1)),
            looked_at: moment.looked_at,
            mailbox_id: look.mailbox_id,
            ..mark
        };
        self.commit(at, mark, items).await?;
        *self.fragile(at) = Fragile::default();
        Ok(())
    }

    /// What is to become of letters found in a folder.
    fn sightings(&self, at: usize, items: Vec<Item>) -> Vec<Sighting> {
        let account = &self.watcher.account;
        let place = self.folders.get(at).map_or(0, |watched| watched.subscription);
        let subscription = account.subscriptions.get(place);
        let recipients = subscription.and_then(|s| s.recipients.as_ref()).unwrap_or(&account.recipients);
        let urgency = subscription.map(|s| s.urgency).unwrap_or_default();
        let sighting = |item: Item| Sighting {
            item,
            uid: 0,
            subscription: u16::try_from(place + 1).unwrap_or(u16::MAX),
            urgency,
            fate: Fate::Announce(recipients.clone()),
        };
        items.into_iter().map(sighting).collect()
    }

    /// Stores the mark and the letters in one step.
    async fn commit(&mut self, at: usize, to: Mark, items: Vec<Item>) -> Result<(), End> {
        let letters = self.sightings(at, items);
        let Some(watched) = self.folders.get_mut(at) else { return Ok(()) };
        let scan = Scan {
            account: self.watcher.account.id.clone(),
            folder: watched.folder.raw.clone(),
            from: watched.mark,
            to,
            letters,
            deferred: Duration::ZERO,
            catching_up: false,
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
