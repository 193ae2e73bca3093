//! One session: wait, ask for a permit, sync, for ever; any error but a single command's refusal ends it.
//!
//! The first folder is open and watched by IDLE; the others are looked at by STATUS in each sync, so a sync that a
//! push started is a sweep too, and the sweep's timer begins anew.

use super::folders::{self, Chosen};
use super::hosts;
use super::owner::Turn;
use super::{End, Memory, Watcher};
use crate::config::Mode;
use crate::health::AccountState;
use crate::imap::{MailSession, Wake};
use crate::model::{Folder, Look, Mark, Timestamp, Uid};
use crate::rules::pattern;
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

/// Timers are shortened by up to this part, so that many accounts do not act together.
const JITTER: f64 = 0.1;

/// After a server has ended IDLE by itself, it is asked again not before; some end it at once, each time.
const ENDED_IDLE: Duration = Duration::from_secs(10);

/// The most sweeps that a refused folder waits.
const PARK_SWEEPS: u32 = 4;

/// A folder and what is known of it.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    pub(super) folder: Folder,
    pub(super) mark: Option<Mark>,
    /// What the server said when the folder was last brought up to date: as long as it says the same, there is nothing
    /// to fetch, though the mark may lie behind UIDNEXT (letters gone again, or not yet to be seen) or the server may
    /// give no UIDNEXT.
    pub(super) settled: Option<Look>,
    /// The letters of the last window, where the server gives no UIDNEXT: UID, INTERNALDATE, size.
    pub(super) window: HashSet<(Uid, Option<Timestamp>, Option<u64>)>,
    /// How often in a row the server refused it.
    refused: u32,
    /// Sweeps to go before it is tried again.
    parked: u32,
}

/// When a look was made and when the server told us to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Wall clock, before the look.
    pub(super) looked_at: Timestamp,
    /// Steady clock, of the push or of the look.
    pub(super) told_at: Timestamp,
    /// Whether to look again where nothing was found before: in a sweep, and in the folder that a push was about.
    pub(super) thorough: bool,
}

/// See the module's text.
pub(super) struct Cycle<'a> {
    pub(super) watcher: &'a Watcher,
    pub(super) memory: &'a mut Memory,
    pub(super) session: Box<dyn MailSession>,
    pub(super) folders: Vec<Watched>,
    main: usize,
    /// EXAMINE gives no UIDNEXT here.
    no_uid_next: bool,
    idle: bool,
    sweep_at: Timestamp,
    /// From then on the next sync is a thorough one, whatever starts it.
    thorough_at: Timestamp,
    /// Something is to be fetched, since when the server told us.
    pushed_at: Option<Timestamp>,
}

impl<'a> Cycle<'a> {
    /// Finds the folders and opens the first.
    pub(super) async fn begin(
        watcher: &'a Watcher,
        memory: &'a mut Memory,
        session: Box<dyn MailSession>,
    ) -> Result<Self, End> {
        watcher.seat.forget_permits();
        let idle = session.offer().idle && watcher.account.mode != Mode::Poll;
        let now = watcher.clock.steady();
        let mut cycle = Self {
            watcher,
            memory,
            session,
            folders: Vec::new(),
            main: 0,
            no_uid_next: false,
            idle,
            sweep_at: now,
            thorough_at: now,
            pushed_at: None,
        };
        cycle.find_folders().await?;
        let look = cycle.open_main().await?;
        cycle.note_state();
        if cycle.has_news(cycle.main, &look) {
            cycle.pushed_at = Some(cycle.watcher.clock.steady());
        }
        // A lone folder was just looked at; others wait for their sweep, at a fresh start for none.
        cycle.sweep_at = match cycle.memory.swept_at {
            Some(swept) => swept.plus(cycle.sweep_interval()),
            None if cycle.folders.len() > 1 => now,
            None => now.plus(cycle.sweep_interval()),
        };
        cycle.thorough_at = cycle.sweep_at;
        Ok(cycle)
    }

    /// The life of the session.
    pub(super) async fn run(mut self) -> Result<std::convert::Infallible, End> {
        loop {
            let mut permit_at = None;
            let now = self.watcher.clock.steady();
            if self.pushed_at.is_some() || self.sweep_at <= now {
                match self.watcher.budget.ask(&self.watcher.seat).await? {
                    Turn::Go => {
                        self.sync().await?;
                        continue;
                    }
                    Turn::Wait(until) => permit_at = Some(until),
                }
            }
            self.wait(permit_at.unwrap_or(self.sweep_at)).await?;
        }
    }

    /// One sync: the open folder first, then the others.
    async fn sync(&mut self) -> Result<(), End> {
        let (wall, steady) = (self.watcher.clock.wall(), self.watcher.clock.steady());
        // Pushes put the sweep off, but not for ever what only a thorough look finds.
        let thorough = self.sweep_at.min(self.thorough_at) <= steady;
        let moment = Moment { looked_at: wall, told_at: self.pushed_at.take().unwrap_or(steady), thorough };
        if thorough && self.memory.swept_at.is_some() {
            // The first folder may have been refused only for a moment.
            self.main = 0;
        }
        let look = self.open_main().await?;
        debug!(account = %self.watcher.log_name(), ?look, thorough, "sync");
        // A push may be about a letter that could not be seen when UIDNEXT had counted it already.
        self.scan(self.main, &look, Moment { thorough: true, ..moment }).await?;
        if thorough && self.may_find_more() {
            self.find_folders().await?;
        }
        let mut left_main = false;
        for at in 0..self.folders.len() {
            if at != self.main {
                left_main |= self.look_aside(at, moment).await?;
            }
        }
        if left_main {
            let look = self.open_main().await?;
            if self.has_news(self.main, &look) {
                self.pushed_at = Some(self.watcher.clock.steady());
            }
        }
        if thorough {
            self.thorough_at = steady.plus(self.sweep_interval());
        }
        self.memory.swept_at = Some(steady);
        self.sweep_at = steady.plus(self.sweep_interval());
        self.heard();
        Ok(())
    }

    /// Looks at a folder that is not open; whether it had to be opened.
    async fn look_aside(&mut self, at: usize, moment: Moment) -> Result<bool, End> {
        let Some(watched) = self.folders.get_mut(at) else { return Ok(false) };
        if watched.refused > 0 && (!moment.thorough || watched.parked > 0) {
            watched.parked = watched.parked.saturating_sub(u32::from(moment.thorough));
            return Ok(false);
        }
        let raw = watched.folder.raw.clone();
        let looked = self.session.status(&raw).await;
        let Some(told) = self.or_refused(at, looked)? else { return Ok(false) };
        // No UIDNEXT from STATUS (NetEase, imap-servers A.3), or from EXAMINE (Courier): only opening tells.
        let look_again = moment.thorough && (self.is_behind(at, &told) || self.no_uid_next);
        if told.uid_next.is_some() && !self.has_news(at, &told) && !look_again {
            if moment.thorough {
                self.scan(at, &told, moment).await?;
            }
            return Ok(false);
        }
        let opened = self.session.examine(&raw).await;
        if let Some(look) = self.or_refused(at, opened)? {
            match self.scan(at, &look, moment).await {
                // One folder whose letters the server refuses does not stop the others.
                Err(End::Imap(error)) if error.is_answer() => drop(self.or_refused(at, Err(error))?),
                scanned => scanned?,
            }
            // The next STATUS is compared with this one: the two commands may tell different things of one folder.
            if let Some(watched) = self.folders.get_mut(at) {
                watched.settled = Some(told);
            }
        }
        Ok(true)
    }

    /// A folder that the server refuses is told once and parked: tried in the next sweep, then more and more rarely. The
    /// others go on.
    fn or_refused(&mut self, at: usize, looked: Result<Look, crate::imap::ImapError>) -> Result<Option<Look>, End> {
        match looked {
            Ok(look) => {
                if let Some(watched) = self.folders.get_mut(at) {
                    watched.refused = 0;
                }
                Ok(Some(look))
            }
            Err(error) if error.is_answer() => {
                let name = self.watcher.log_name();
                if let Some(watched) = self.folders.get_mut(at) {
                    watched.parked = watched.refused.min(PARK_SWEEPS);
                    watched.refused += 1;
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

    /// Opens the first folder that can be opened.
    async fn open_main(&mut self) -> Result<Look, End> {
        let others = (0..self.folders.len()).filter(|at| *at != self.main);
        let order: Vec<usize> = std::iter::once(self.main).chain(others).collect();
        let mut refused = None;
        for at in order {
            let Some(raw) = self.folders.get(at).map(|w| w.folder.raw.clone()) else { continue };
            match self.session.examine(&raw).await {
                Ok(look) => {
                    self.main = at;
                    self.no_uid_next = look.uid_next.is_none();
                    return Ok(look);
                }
                Err(error) if error.is_answer() => refused = Some(error),
                Err(error) => return Err(error.into()),
            }
        }
        Err(refused.map_or(End::NoFolder, End::Imap))
    }

    /// Lists the folders where the patterns need it; known ones stay, with what is known of them.
    async fn find_folders(&mut self) -> Result<(), End> {
        let patterns = &self.watcher.account.subscriptions;
        let chosen = if let Some(inbox) = folders::inbox_only(patterns) {
            vec![inbox]
        } else {
            let listed = match self.session.folders().await {
                Err(error) if error.is_answer() && !self.folders.is_empty() => return Ok(()),
                listed => listed?,
            };
            let missing = folders::missing(patterns, &listed);
            if !missing.is_empty() && !self.memory.told_missing {
                let names = if self.watcher.personal { missing.join(", ") } else { missing.len().to_string() };
                warn!(account = %self.watcher.log_name(), missing = names, "folders of the config do not exist (yet)");
            }
            self.memory.told_missing = !missing.is_empty();
            folders::choose(patterns, &listed)
        };
        if chosen.is_empty() && self.folders.is_empty() {
            return Err(End::NoFolder);
        }
        let marks = self.watcher.state.marks(&self.watcher.account.id).await?;
        for Chosen { folder, .. } in chosen {
            if !self.folders.iter().any(|w| w.folder.raw == folder.raw) {
                let mark = marks.get(&folder.raw).copied();
                self.folders.push(Watched {
                    folder,
                    mark,
                    settled: None,
                    window: HashSet::new(),
                    refused: 0,
                    parked: 0,
                });
            }
        }
        Ok(())
    }

    /// Whether folders may have come that the patterns take.
    fn may_find_more(&self) -> bool {
        self.memory.told_missing
            || self.watcher.account.subscriptions.iter().flat_map(|s| &s.folders).any(|p| pattern::is_wild(p))
    }

    /// Waits for a push, for somebody who asks, or for `until`; renewals and proofs of life come in between.
    async fn wait(&mut self, until: Timestamp) -> Result<(), End> {
        self.watcher.health.note(&self.watcher.account.id, |account| account.tried = true);
        let now = self.watcher.clock.steady();
        let renewal = shortened(self.watcher.imap.idle_renew);
        let limit = until.since(now).min(renewal);
        let deadline = Instant::now() + limit;
        let seat = &self.watcher.seat;
        let mut ended_early = false;
        let wake = if self.idle {
            match self.session.idle(deadline, &seat.wake).await {
                Err(error) if error.is_answer() => {
                    info!(account = %self.watcher.log_name(), %error, "the server refuses IDLE; polling");
                    self.idle = false;
                    self.note_state();
                    return Ok(());
                }
                Ok(Wake::Quiet) if Instant::now() < deadline => {
                    hosts::pause(ENDED_IDLE.min(deadline - Instant::now()), seat.wake.notified()).await;
                    ended_early = true;
                    Wake::Quiet
                }
                wake => wake?,
            }
        } else {
            tokio::select! {
                () = sleep_until(deadline) => Wake::Quiet,
                () = seat.wake.notified() => Wake::Asked,
            }
        };
        debug!(account = %self.watcher.log_name(), ?wake, "woken");
        let renewed = wake == Wake::Quiet && (limit == renewal || ended_early);
        let grown = wake == Wake::Pushed || (renewed && self.session.noop().await?);
        if grown || ((wake == Wake::Asked || ended_early) && seat.take_look()) {
            self.pushed_at.get_or_insert(self.watcher.clock.steady());
        }
        self.heard();
        Ok(())
    }

    fn sweep_interval(&self) -> Duration {
        shortened(self.watcher.imap.poll_interval)
    }

    fn heard(&self) {
        let heard_at = self.watcher.clock.steady().minus(self.session.silent_for());
        self.watcher.health.note(&self.watcher.account.id, |account| account.pulse.beat(heard_at));
    }

    fn note_state(&self) {
        let state = if self.idle { AccountState::Watching } else { AccountState::Polling };
        self.watcher.health.note(&self.watcher.account.id, |account| {
            account.state = state;
            account.last_error = None;
        });
    }
}

/// A little less than `full`.
fn shortened(full: Duration) -> Duration {
    full.mul_f64(1.0 - JITTER * rand::random::<f64>())
}
