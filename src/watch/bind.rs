//! First sight of a folder: what is there is not news, unless the folder came to be while its account was watched.

use super::End;
use super::cycle::{Cycle, Moment};
use super::folders::Chosen;
use super::quiet::Quiet;
use super::scan::MANY;
use super::since::Since;
use crate::imap::RawLetter;
use crate::model::{Look, Mark, RawName, Timestamp, Uid};
use crate::rules::scan::OLD_AFTER;
use std::time::Duration;
use tracing::info;

/// So many of the newest letters are remembered when a folder is bound.
const REMEMBERED_AT_BINDING: usize = 1000;
/// Letters received so shortly before the binding are remembered: the hour of what is old, and an hour by which the wall
/// clock may be set back before the folder is numbered anew.
const RECENT: Duration = OLD_AFTER.saturating_mul(2);
/// How far a server's clock may be behind ours.
const BEHIND: Duration = Duration::from_secs(5);

impl Cycle<'_> {
    /// Notes which of the folders that are listed now were in no list before, though there was one, at `before`: they came
    /// to be since. Their letters that were received since are news; what was moved there is not.
    pub(super) fn note_made(&mut self, listed: &[Chosen], before: Option<Timestamp>) {
        for raw in listed.iter().map(|chosen| &chosen.folder.raw) {
            if self.memory.listed.insert(raw.clone())
                && let Some(before) = before
            {
                self.memory.made.insert(raw.clone(), before.minus(BEHIND));
            }
        }
    }

    /// First sight. A folder that was made just now is read by date.
    pub(super) async fn bind(&mut self, at: usize, look: &Look, next: Uid, moment: Moment) -> Result<(), End> {
        let Some(raw) = self.folders.get(at).map(|watched| watched.folder.raw.clone()) else { return Ok(()) };
        let now = moment.looked_at;
        let mark = Mark {
            uid_validity: look.uid_validity.unwrap_or(0),
            next,
            bound_at: now,
            looked_at: now,
            mailbox_id: look.mailbox_id,
        };
        let made = self.memory.made.get(&raw).copied();
        let since = made.unwrap_or(now).min(now.minus(RECENT));
        let mut there = match look.exists {
            Some(0) => None,
            _ => Some(Since::ask(&mut *self.session, since, 1, look.uid_next).await?),
        };
        let was_there = |l: &RawLetter| look.uid_next.is_none_or(|next| l.uid < Some(next));
        let (mut news, mut recent) = (Vec::new(), Vec::new());
        while let Some(there) = &mut there
            && let Some(found) = there.next(&mut *self.session).await?
        {
            let found = found.into_iter().filter(|l| l.internal_date.is_some() && was_there(l));
            let (came, rest): (Vec<_>, Vec<_>) =
                found.partition(|l| made.is_some_and(|made| l.internal_date >= Some(made)));
            news.extend(came);
            recent.extend(rest.into_iter().filter(|l| l.internal_date >= Some(now.minus(RECENT))));
            // The newest of them.
            recent.drain(..recent.len().saturating_sub(REMEMBERED_AT_BINDING));
        }
        self.remember_recent(at, &raw, look, recent, &mark, moment).await?;
        let mut quiet = Quiet::default();
        // None of them is old.
        let news = self.sort(&news, &Mark { looked_at: since, ..mark }, &mut quiet, |_| true);
        self.many |= news.len() > MANY;
        let found = news.len();
        let mut rest = news.as_slice();
        // Very many are stored some at a time; the mark stands behind them, so that the others are found by their UIDs.
        while rest.len() > self.most_stored() {
            let (some, after) = rest.split_at(self.most_stored());
            rest = after;
            let letters = self.letters_of_all(at, look, some, &mark, moment).await?;
            let next = some.last().and_then(|l| l.uid).map_or(mark.next, |last| last.saturating_add(1));
            self.commit(at, Mark { next, ..mark }, letters).await?;
        }
        let letters = self.letters_of_all(at, look, rest, &mark, moment).await?;
        if made.is_some() {
            info!(account = %self.watcher.log_name(), letters = found, "a folder was made");
        }
        self.commit(at, mark, letters).await?;
        self.memory.made.remove(&raw);
        let (silent, ended) = self.silent(at, look, quiet, &mark, moment).await;
        if !silent.is_empty() {
            self.commit(at, mark, silent).await?;
        }
        ended
    }

    /// What was received shortly before the binding would count as news if the folder were numbered anew: it is
    /// remembered as known in this folder (in this one only: in another one, bound before, it may be news).
    async fn remember_recent(
        &mut self,
        at: usize,
        raw: &RawName,
        look: &Look,
        recent: Vec<RawLetter>,
        mark: &Mark,
        moment: Moment,
    ) -> Result<(), End> {
        let letters = self.letters_of_all(at, look, &recent, mark, moment).await?;
        if letters.is_empty() {
            return Ok(());
        }
        let known = letters.into_iter().map(|sighting| sighting.item.letter.id).collect();
        let now = self.watcher.clock.steady();
        Ok(self.watcher.state.remember(&self.watcher.account.id, raw, known, now).await?)
    }
}
