//! One sync: what was pushed, and whatever else is due.

use super::End;
use super::cycle::{Cycle, Moment};
use super::mode::MISSES;
use crate::health::{Reason, WatchMode};
use crate::imap::ImapError;
use crate::metrics::{self, Trigger};
use crate::model::{Look, RawName};
use std::collections::HashMap;
use tracing::{debug, info, warn};

/// The most sweeps that a refused folder waits.
const PARK_SWEEPS: u32 = 4;
/// So many folders are looked at one by one in a sync that a push started; more wait for their sweep.
const ONE_BY_ONE: usize = 32;

impl Cycle<'_> {
    /// One sync: the main folder first, then the others.
    pub(super) async fn sync(&mut self) -> Result<(), End> {
        let (wall, steady) = (self.watcher.clock.wall(), self.watcher.clock.steady());
        // Pushes put the sweep off, but not for ever what only a thorough look finds.
        let thorough = self.sweep_at.min(self.thorough_at) <= steady;
        self.count(thorough);
        let due = std::mem::take(&mut self.due);
        let moment = Moment { looked_at: wall, told_at: self.pushed_at.take().unwrap_or(steady), thorough };
        if thorough && self.memory.swept_at.is_some() {
            // The best one may have been refused only for a moment.
            self.main = self.best_main();
        }
        let main_is_due = self.folders.get(self.main).is_none_or(|main| due.contains_key(&main.folder.raw));
        let told_of_all = self.mode == WatchMode::Notify && !thorough;
        let mut left_main = told_of_all && !main_is_due && !due.is_empty();
        if !left_main {
            let look = self.open_main().await?;
            debug!(account = %self.watcher.log_name(), ?look, thorough, "sync");
            if thorough && !main_is_due && self.mode != WatchMode::Poll && self.has_known_news(self.main, &look) {
                self.missed().await?;
            }
            // A push may be about a letter that could not be seen when UIDNEXT had counted it already.
            self.try_scan(self.main, &look, Moment { thorough: true, ..moment }).await?;
        }
        let found_others = thorough && self.may_find_more() && self.find_folders().await?;
        if found_others && self.mode != WatchMode::Notify {
            self.settle_mode().await?;
        }
        let ask_again = thorough && !found_others && self.settle_again().await?;
        let others = self.others(thorough, told_of_all, &due);
        let mut looks = self.look_at_many(&others, &due).await?;
        for name in &others {
            let Some(at) = self.folders.iter().position(|watched| watched.folder.raw == *name) else { continue };
            let is_due = due.contains_key(name);
            let known = looks.remove(name);
            let moment = Moment { thorough: thorough || is_due, ..moment };
            left_main |= self.look_aside(at, known, moment, thorough && !is_due).await?;
        }
        if left_main {
            let look = self.open_main().await?;
            if self.has_news(self.main, &look) {
                self.push(self.main, None);
            }
        }
        let told = self.session.take_told();
        self.take_told(told);
        if thorough {
            self.memory.thorough_at = Some(steady);
            self.thorough_at = steady.plus(self.sweep_interval());
        }
        self.memory.swept_at = Some(steady);
        self.sweep_at = steady.plus(self.sweep_interval());
        let ended = self.watcher.clock.steady();
        self.watcher.health.note(&self.watcher.account.id, |account| account.synced_at = Some(ended));
        self.note_state();
        self.heard();
        match ask_again || found_others && self.mode == WatchMode::Notify {
            // A second NOTIFY on one connection is not what it was (see `imap/notify.rs`).
            true => Err(End::OtherFolders),
            false => Ok(()),
        }
    }

    fn count(&mut self, thorough: bool) {
        let asked = std::mem::take(&mut self.asked);
        metrics::sync(match (asked, self.pushed_at.is_some(), thorough && self.mode != WatchMode::Poll) {
            (true, ..) => Trigger::Person,
            (_, true, _) => Trigger::Push,
            (_, _, true) => Trigger::Sweep,
            _ => Trigger::Poll,
        });
    }

    /// Which folders beside the main one are looked at.
    fn others(&self, thorough: bool, told_of_all: bool, due: &HashMap<RawName, Option<Look>>) -> Vec<RawName> {
        let many = !self.has_list_status() && self.folders.len() > ONE_BY_ONE;
        let all = thorough || !(told_of_all || many);
        let others = self.folders.iter().enumerate().filter(|(at, _)| *at != self.main).map(|(_, watched)| watched);
        let wanted = others.filter(|w| all || due.contains_key(&w.folder.raw) || (w.untold && !many));
        wanted.map(|watched| watched.folder.raw.clone()).collect()
    }

    fn has_list_status(&self) -> bool {
        self.session.offer().list_status && !self.memory.no_list_status
    }

    /// What is already known of these folders, or what one command tells of all of them.
    async fn look_at_many(
        &mut self,
        names: &[RawName],
        due: &HashMap<RawName, Option<Look>>,
    ) -> Result<HashMap<RawName, Look>, End> {
        let mut looks: HashMap<RawName, Look> =
            names.iter().filter_map(|name| Some((name.clone(), due.get(name).copied()??))).collect();
        let refused = |name: &RawName| self.folders.iter().any(|w| w.folder.raw == *name && w.refused > 0);
        let rest: Vec<_> = names.iter().filter(|name| !looks.contains_key(*name) && !refused(name)).cloned().collect();
        if rest.len() > 1 && self.has_list_status() {
            // One that the answer leaves out is asked for by STATUS.
            match self.session.list_status(&rest).await {
                Ok(found) => looks.extend(found),
                Err(error) if error.is_answer() => {
                    debug!(account = %self.watcher.log_name(), %error, "LIST-STATUS is refused; STATUS instead");
                    self.memory.no_list_status = true;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(looks)
    }

    /// Looks at a folder that is not open; whether it had to be opened. `counts`: news in it should have been told.
    async fn look_aside(&mut self, at: usize, known: Option<Look>, moment: Moment, counts: bool) -> Result<bool, End> {
        let Some(watched) = self.folders.get_mut(at) else { return Ok(false) };
        if watched.refused > 0 && (!moment.thorough || watched.parked > 0) {
            watched.parked = watched.parked.saturating_sub(u32::from(moment.thorough));
            return Ok(false);
        }
        let raw = watched.folder.raw.clone();
        let looked = match known {
            Some(look) => Ok(look),
            None => self.session.status(&raw).await,
        };
        let Some(told) = self.or_refused(at, looked)? else { return Ok(false) };
        if counts && self.mode == WatchMode::Notify && self.has_known_news(at, &told) {
            self.missed_by_notify(at);
        }
        // No UIDNEXT from STATUS (NetEase, imap-servers A.3), or from EXAMINE (Courier): only opening tells.
        let look_again = moment.thorough && (self.is_behind(at, &told) || self.no_uid_next);
        if told.uid_next.is_some() && !self.has_news(at, &told) && !look_again {
            self.caught_up(at);
            if moment.thorough {
                self.scan(at, &told, moment).await?;
            }
            return Ok(false);
        }
        let opened = self.session.examine(&raw).await;
        if let Some(look) = self.or_refused(at, opened)? {
            self.try_scan(at, &look, moment).await?;
            // The next STATUS is compared with this one: the two commands may tell different things of one folder.
            if let Some(watched) = self.folders.get_mut(at) {
                watched.settled = Some(told);
            }
        }
        Ok(true)
    }

    /// NOTIFY did not tell of a folder. After a few of those it is not believed about this one (Cyrus leaves out special
    /// uses), and when there is none left that it tells of, it is not asked for any more.
    fn missed_by_notify(&mut self, at: usize) {
        let Some(watched) = self.folders.get_mut(at).filter(|watched| !watched.untold) else { return };
        watched.missed += 1;
        if watched.missed < MISSES {
            return;
        }
        watched.untold = true;
        self.memory.untold.insert(watched.folder.raw.clone());
        let folder = if self.watcher.personal { &*watched.folder.shown } else { "<folder>" };
        info!(account = %self.watcher.log_name(), folder, "NOTIFY does not tell of a folder; the sweep does");
        if self.is_told_of_another() {
            return;
        }
        // When it is tried again, it is with all of them.
        self.memory.untold.clear();
        self.memory.notify.refused(self.watcher.clock.steady(), Reason::NotifyMisses);
        // Nothing is lost by what it still tells until the next session.
        self.mode = WatchMode::Idle;
        self.why = Some(Reason::NotifyMisses);
        self.want_bells();
    }

    /// Whether a folder that is bound has news.
    fn has_known_news(&self, at: usize, look: &Look) -> bool {
        self.folders.get(at).is_some_and(|watched| watched.mark.is_some()) && self.has_news(at, look)
    }

    /// A folder that the server refuses is told once and parked: tried in the next sweep, then more and more rarely. The
    /// others go on.
    pub(super) fn or_refused(&mut self, at: usize, looked: Result<Look, ImapError>) -> Result<Option<Look>, End> {
        let now = self.watcher.clock.steady();
        match looked {
            Ok(look) => {
                if self.folders.get(at).is_some_and(|watched| watched.refused > 0) {
                    self.note_folder_outage(at);
                }
                // One that opens and cannot be read is well when it was read; one with news is fresh then, too.
                let has_news = self.has_news(at, &look);
                let unread = &self.memory.unread;
                if let Some(watched) = self.folders.get_mut(at).filter(|w| !unread.contains_key(&w.folder.raw)) {
                    watched.refused = 0;
                    watched.said = None;
                    watched.fresh_at = if has_news { watched.fresh_at } else { Some(now) };
                }
                Ok(Some(look))
            }
            Err(error) if error.is_answer() => {
                let name = self.watcher.log_name();
                if let Some(watched) = self.folders.get_mut(at) {
                    watched.parked = watched.refused.min(PARK_SWEEPS);
                    watched.refused += 1;
                    watched.said = Some(error.to_string());
                }
                if let Some(watched) = self.folders.get(at).filter(|watched| watched.refused == 1) {
                    let folder = if self.watcher.personal { &*watched.folder.shown } else { "<folder>" };
                    let said = self.watcher.plain(&error.to_string(), &watched.folder.shown);
                    warn!(account = %name, folder, said, "a folder cannot be opened; the others go on");
                }
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the main folder or, where that is refused, the first that can be opened.
    pub(super) async fn open_main(&mut self) -> Result<Look, End> {
        let others = (0..self.folders.len()).filter(|at| *at != self.main);
        let order: Vec<usize> = std::iter::once(self.main).chain(others).collect();
        let mut refused = None;
        for at in order {
            let Some(raw) = self.folders.get(at).map(|w| w.folder.raw.clone()) else { continue };
            let opened = self.session.examine(&raw).await;
            if let Err(error) = &opened
                && error.is_answer()
            {
                refused = Some(error.clone());
            }
            if let Some(look) = self.or_refused(at, opened)? {
                self.main = at;
                self.no_uid_next = look.uid_next.is_none();
                return Ok(look);
            }
        }
        Err(refused.map_or(End::NoFolder, End::Imap))
    }
}
