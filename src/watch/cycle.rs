//! One session: wait, ask for a permit, sync, for ever; any error but a single command's refusal ends it.
//!
//! The main folder is open. How we are told of it and of the others is the mode (`mode.rs`); what is done then, or when
//! the sweep is due, is a sync (`sync.rs`).

use super::bells::Bells;
use super::folders::Chosen;
use super::owner::Turn;
use super::{End, Memory, Watcher, hosts};
use crate::health::{AccountState, FolderHealth, Reason, WatchMode};
use crate::imap::{MailSession, Wake};
use crate::metrics;
use crate::model::{Folder, Lang, Look, Mark, RawName, Timestamp, Uid};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info};

/// Timers are shortened by up to this part, so that many accounts do not act together.
const JITTER: f64 = 0.1;

/// After a server has ended IDLE by itself, it is asked again not before; some end it at once, each time.
pub(super) const ENDED_IDLE: Duration = Duration::from_secs(10);

/// A token that is hardly alive is used until its server ends it: no session is left sooner than this.
const LEAST_SESSION: Duration = Duration::from_secs(10);

/// After so long without a proof of life all folders are looked at, at once.
const AWAY: Duration = Duration::from_secs(30);

/// Sessions are left at most so long before their access token ends.
const BEFORE_EXPIRY: Duration = Duration::from_secs(300);

/// A folder and what is known of it.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    pub(super) folder: Folder,
    /// Whether it deserves a connection of its own.
    pub(super) realtime: bool,
    pub(super) mark: Option<Mark>,
    /// What the server said when the folder was last brought up to date: as long as it says the same, there is nothing
    /// to fetch, though the mark may lie behind UIDNEXT (letters gone again, or not yet to be seen) or the server may
    /// give no UIDNEXT.
    pub(super) settled: Option<Look>,
    /// The letters of the last window, where the server gives no UIDNEXT: UID, INTERNALDATE, size.
    pub(super) window: HashSet<(Uid, Option<Timestamp>, Option<u64>)>,
    /// When it was last looked at with success (steady clock).
    pub(super) fresh_at: Option<Timestamp>,
    /// What the server said when it last refused it.
    pub(super) said: Option<String>,
    /// How often in a row the server refused it.
    pub(super) refused: u32,
    /// Sweeps to go before it is tried again.
    pub(super) parked: u32,
    /// How many lists in a row it was missing from.
    pub(super) missing: u32,
    /// NOTIFY was asked for it and does not tell of it.
    pub(super) untold: bool,
    /// How often in a row it was found to have letters that NOTIFY did not tell of.
    pub(super) missed: u32,
    /// The places of the subscriptions that take it.
    pub(super) subscriptions: std::sync::Arc<[usize]>,
}

impl Watched {
    pub(super) fn new(chosen: Chosen, mark: Option<Mark>) -> Self {
        Self {
            folder: chosen.folder,
            realtime: chosen.realtime,
            mark,
            settled: None,
            window: HashSet::new(),
            fresh_at: None,
            said: None,
            refused: 0,
            parked: 0,
            missing: 0,
            untold: false,
            missed: 0,
            subscriptions: chosen.subscriptions,
        }
    }
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
    /// The account's rules, as the folders' subscriptions mean them.
    pub(super) rules: std::sync::Arc<crate::config::Account>,
    pub(super) memory: &'a mut Memory,
    pub(super) session: Box<dyn MailSession>,
    pub(super) bells: &'a Bells,
    pub(super) folders: Vec<Watched>,
    /// Marks of folders that the server does not list any more: one of them may have been renamed.
    pub(super) orphans: Vec<Mark>,
    /// Folders that the config names and the server does not list.
    pub(super) missing: Vec<std::sync::Arc<str>>,
    pub(super) main: usize,
    /// EXAMINE gives no UIDNEXT here.
    pub(super) no_uid_next: bool,
    pub(super) mode: WatchMode,
    pub(super) why: Option<Reason>,
    pub(super) sweep_at: Timestamp,
    /// From then on the next sync is a thorough one, whatever starts it.
    pub(super) thorough_at: Timestamp,
    /// Something is to be fetched, since when the server told us.
    pub(super) pushed_at: Option<Timestamp>,
    /// In which folders, and what it said of them.
    pub(super) due: HashMap<RawName, Option<Look>>,
    /// When a new session is to begin, because this one's access token ends soon after.
    pub(super) leave_at: Option<Timestamp>,
    /// What the next sync is started by, for metrics.
    pub(super) asked: bool,
    /// How long the present sync waited for its permit.
    pub(super) deferred: Duration,
    /// Many letters are being found at once.
    pub(super) many: bool,
}

impl<'a> Cycle<'a> {
    /// Finds the folders and opens the first.
    pub(super) async fn begin(
        watcher: &'a Watcher,
        memory: &'a mut Memory,
        session: Box<dyn MailSession>,
        bells: &'a Bells,
    ) -> Result<Self, End> {
        watcher.seat.forget_permits();
        let now = watcher.clock.steady();
        let mut cycle = Self {
            watcher,
            rules: watcher.rules.now(),
            memory,
            session,
            bells,
            folders: Vec::new(),
            orphans: Vec::new(),
            missing: Vec::new(),
            main: 0,
            no_uid_next: false,
            mode: WatchMode::Poll,
            why: None,
            sweep_at: now,
            thorough_at: now,
            pushed_at: None,
            due: HashMap::new(),
            leave_at: None,
            asked: false,
            deferred: Duration::ZERO,
            many: false,
        };
        cycle.leave_at = cycle.session.expires_in().map(|left| now.plus(before_expiry(left, watcher.clock.jitter())));
        cycle.find_folders().await?;
        cycle.main = cycle.best_main();
        let look = cycle.open_main().await?;
        cycle.note_outages();
        let silent = cycle.live();
        if cycle.has_news(cycle.main, &look) {
            cycle.push(cycle.main, None);
        }
        cycle.settle_mode().await?;
        // A lone folder was just looked at; others wait for their sweep, at a fresh start for none.
        cycle.sweep_at = match cycle.memory.swept_at {
            // Who was away looks at what nobody told of meanwhile.
            Some(_) if silent > AWAY && cycle.folders.len() > 1 => now,
            Some(swept) => swept.plus(cycle.sweep_interval()),
            None if cycle.folders.len() > 1 => now,
            None => now.plus(cycle.sweep_interval()),
        };
        // Sessions put it off no more than pushes do.
        let due = cycle.memory.thorough_at.map(|last| last.plus(cycle.sweep_interval()));
        cycle.thorough_at = due.map_or(cycle.sweep_at, |due| due.min(cycle.sweep_at));
        Ok(cycle)
    }

    /// From now on each response of the server is a proof of life: a folder is open. How long there was none.
    fn live(&mut self) -> Duration {
        let (clock, pulse) = (self.watcher.clock.clone(), self.watcher.health.pulse(&self.watcher.account.id));
        let silent = pulse.last().map_or(Duration::ZERO, |last| clock.steady().since(last));
        self.session.on_heard(std::sync::Arc::new(move || pulse.beat(clock.steady())));
        self.heard();
        silent
    }

    /// The life of the session. All that is done now and then is boxed: what is in this future lies in memory as long as
    /// nothing happens, once for each account.
    pub(super) async fn run(&mut self) -> Result<std::convert::Infallible, End> {
        let mut waits_since = None;
        loop {
            if self.has_other_rules() {
                Box::pin(self.take_rules()).await?;
            }
            let mut permit_at = None;
            let now = self.watcher.clock.steady();
            if self.pushed_at.is_some() || self.sweep_at <= now {
                match Box::pin(self.watcher.budget.ask(&self.watcher.seat)).await? {
                    Turn::Go => {
                        // What was told later did not wait from the beginning.
                        let since =
                            waits_since.take().map(|since| self.pushed_at.map_or(since, |told| told.max(since)));
                        self.deferred = since.map_or(Duration::ZERO, |since: Timestamp| now.since(since));
                        Box::pin(self.sync()).await?;
                        self.tell_server_alerts();
                        continue;
                    }
                    Turn::Wait(until) => {
                        if waits_since.is_none() {
                            metrics::deferred();
                            waits_since = Some(now);
                        }
                        permit_at = Some(until);
                    }
                }
            }
            if self.leave_at.is_some_and(|at| at <= now) {
                return Err(End::TokenEnds);
            }
            let until = permit_at.unwrap_or(self.sweep_at);
            self.wait(self.leave_at.map_or(until, |leave_at| leave_at.min(until))).await?;
            if self.mode == WatchMode::Notify && self.session.notify_ended() {
                let now = self.watcher.clock.steady();
                self.memory.notify.refused(now, Reason::NotifyEnded);
                Box::pin(self.settle_mode()).await?;
            }
            self.tell_server_alerts();
        }
    }

    /// Notes that a folder is to be looked at, and what is already known of it.
    pub(super) fn push(&mut self, at: usize, look: Option<Look>) {
        let Some(watched) = self.folders.get(at) else { return };
        self.due.insert(watched.folder.raw.clone(), look);
        self.pushed_at.get_or_insert(self.watcher.clock.steady());
    }

    /// What NOTIFY told of other folders.
    pub(super) fn take_told(&mut self, told: Vec<(RawName, Look)>) {
        for (name, look) in told {
            let found = self.folders.iter().position(|watched| watched.folder.raw == name);
            // Without UIDNEXT it tells of letters that left (RFC 5465 5.2), except where the server never gives it.
            let knows_next =
                |at: &usize| self.folders.get(*at).is_some_and(|w| w.settled.is_some_and(|s| s.uid_next.is_some()));
            let is_about_new = |at: &usize| look.uid_next.is_some() || !knows_next(at);
            if let Some(at) = found.filter(|at| is_about_new(at) && self.has_news(*at, &look)) {
                if let Some(watched) = self.folders.get_mut(at) {
                    watched.missed = 0;
                }
                self.push(at, Some(look));
            }
        }
    }

    /// Waits for a push, for somebody who asks, or for `until`; renewals and proofs of life come in between.
    async fn wait(&mut self, until: Timestamp) -> Result<(), End> {
        self.watcher.health.note(&self.watcher.account.id, |account| account.tried = true);
        let now = self.watcher.clock.steady();
        let renewal = self.watcher.shortened(self.renewal());
        let limit = until.since(now).min(renewal);
        let deadline = Instant::now() + limit;
        let seat = &self.watcher.seat;
        let mut ended_early = false;
        let wake = if self.mode == WatchMode::Poll {
            tokio::select! {
                biased;
                () = sleep_until(deadline) => Wake::Quiet,
                () = seat.wake.notified() => Wake::Asked,
            }
        } else {
            match self.session.idle(deadline, &seat.wake).await {
                Err(error) if error.is_answer() => {
                    info!(account = %self.watcher.log_name(), %error, "the server refuses IDLE; polling");
                    self.memory.idle.refused(now, Reason::Said(format!("IDLE: {error}")));
                    self.memory.notify.refused(now, Reason::Said(format!("IDLE: {error}")));
                    return Box::pin(self.settle_mode()).await;
                }
                Ok(Wake::Quiet) if Instant::now() < deadline => {
                    Box::pin(hosts::pause(ENDED_IDLE.min(deadline - Instant::now()), seat.wake.notified())).await;
                    ended_early = true;
                    Wake::Quiet
                }
                wake => wake?,
            }
        };
        debug!(account = %self.watcher.log_name(), ?wake, "woken");
        match wake {
            Wake::Pushed => {
                self.memory.idle.told();
                self.push(self.main, None);
            }
            Wake::Quiet if ended_early || limit == renewal => Box::pin(self.renew(!ended_early)).await?,
            _ => {}
        }
        let told = self.session.take_told();
        self.take_told(told);
        for folder in self.bells.take() {
            if let Some(at) = self.folders.iter().position(|watched| watched.folder.raw == folder) {
                self.push(at, None);
            }
        }
        if (wake == Wake::Asked || ended_early) && seat.take_look() {
            self.asked = true;
            self.push(self.main, None);
        }
        self.heard();
        Ok(())
    }

    /// The look that comes with a renewal; no sync. Whether letters came that nobody told us of: from a server that is
    /// to tell (`counts`) that is a miss.
    async fn renew(&mut self, counts: bool) -> Result<(), End> {
        // Where NOOP does not count as activity, the folder is opened anew (imap-servers A.3, NetEase).
        let found = match self.watcher.account.provider.renew {
            None => self.session.noop().await?,
            Some(_) => {
                let look = self.open_main().await?;
                self.has_news(self.main, &look)
            }
        };
        if !found {
            return Ok(());
        }
        self.push(self.main, None);
        if counts && self.mode != WatchMode::Poll {
            self.missed().await?;
        }
        Ok(())
    }

    /// IDLE did not tell of a letter; after a few of those it is not believed any more.
    pub(super) async fn missed(&mut self) -> Result<(), End> {
        let now = self.watcher.clock.steady();
        if self.memory.idle.missed(now, Reason::IdleMisses) {
            let why = Reason::IdleMisses;
            info!(account = %self.watcher.log_name(), "{}; polling", why.text(Lang::En));
            self.memory.notify.refused(now, why);
            self.settle_mode().await?;
        }
        Ok(())
    }

    /// The texts that the server wants a person to see: kept for `status`, and told once.
    fn tell_server_alerts(&mut self) {
        for text in self.session.take_server_alerts() {
            if self.memory.alerts_told.len() < 100 && self.memory.alerts_told.insert(text.clone()) {
                let said = self.watcher.plain(&text, "");
                tracing::warn!(account = %self.watcher.log_name(), said, "the server has something to tell (ALERT)");
            }
            self.watcher.health.note(&self.watcher.account.id, |account| account.server_alert = Some(text));
        }
    }

    /// How long at most the server is not asked anything.
    fn renewal(&self) -> Duration {
        let (usual, here) = (self.watcher.imap.idle_renew, self.watcher.account.provider.renew);
        here.map_or(usual, |renew| renew.min(usual))
    }

    pub(super) fn sweep_interval(&self) -> Duration {
        self.watcher.shortened(self.watcher.imap.poll_interval)
    }

    /// The server has answered, or would have told us.
    pub(super) fn heard(&self) {
        let now = self.watcher.clock.steady();
        let heard_at = now.minus(self.session.silent_for());
        self.watcher.health.note(&self.watcher.account.id, |account| {
            account.pulse.beat(heard_at);
            account.stirred_at = Some(now);
            for folder in account.folders.iter_mut().filter(|folder| folder.pushed && folder.refused.is_none()) {
                folder.fresh_at = folder.fresh_at.max(Some(heard_at));
            }
        });
    }

    /// Shows mode and folders.
    pub(super) fn note_state(&self) {
        let state = if self.mode == WatchMode::Poll { AccountState::Polling } else { AccountState::Watching };
        let now = self.watcher.clock.steady();
        let folders = self.folders.iter().enumerate().map(|(at, watched)| FolderHealth {
            shown: watched.folder.shown.clone(),
            since: now,
            fresh_at: watched.fresh_at,
            pushed: match self.mode {
                WatchMode::Notify => at == self.main || !watched.untold,
                WatchMode::Idle => at == self.main || self.bells.hears(&watched.folder.raw),
                WatchMode::Poll => false,
            },
            refused: watched.said.clone(),
        });
        let named: HashSet<_> = self.folders.iter().map(|watched| &watched.folder.shown).collect();
        // Somebody wants them: they are shown, and in time reported.
        let missing = self.missing.iter().filter(|name| !named.contains(name)).map(|name| FolderHealth {
            shown: name.clone(),
            since: now,
            fresh_at: None,
            pushed: false,
            refused: Some("the server lists no such folder".to_owned()),
        });
        let mut folders: Vec<_> = folders.chain(missing).collect();
        folders.shrink_to_fit();
        self.watcher.health.note(&self.watcher.account.id, |account| {
            account.state = state;
            account.mode = Some(self.mode);
            account.why.clone_from(&self.why);
            account.next_try = None;
            account.last_error = None;
            account.error_at = None;
            account.refusals = 0;
            account.refused_since = None;
            account.refusal_is_sure = false;
            // A session that has not looked at all of them yet takes over what the one before knew.
            let known: HashMap<_, _> = account.folders.iter().map(|f| (&f.shown, (f.since, f.fresh_at))).collect();
            for folder in &mut folders {
                if let Some((since, fresh_at)) = known.get(&folder.shown) {
                    folder.since = *since;
                    folder.fresh_at = folder.fresh_at.max(*fresh_at);
                }
            }
            account.folders = folders;
        });
    }

    /// The folders that are to have connections of their own.
    pub(super) fn want_bells(&self) {
        let now = self.watcher.clock.steady();
        let most = usize::try_from(self.watcher.connections).unwrap_or(1).saturating_sub(1);
        let none = self.mode != WatchMode::Idle || self.memory.fewer_until.is_some_and(|until| now < until);
        let others = self.folders.iter().enumerate().filter(|(at, w)| *at != self.main && w.realtime && w.refused == 0);
        let mut wanted: Vec<_> =
            others.map(|(_, watched)| (watched.subscriptions.first(), watched.folder.clone())).collect();
        // The first of the config come first.
        wanted.sort_by_key(|(first, _)| *first);
        wanted.truncate(if none { 0 } else { most });
        self.bells.want(wanted.into_iter().map(|(_, folder)| folder).collect());
    }
}

/// When to leave a session whose token lives so long: a little before, and not all sessions at one time.
fn before_expiry(left: Duration, jitter: f64) -> Duration {
    let early = BEFORE_EXPIRY.min(left / 4).mul_f64(0.5 + 0.5 * jitter);
    left.saturating_sub(early).max(LEAST_SESSION)
}

impl Watcher {
    /// A little less than `full`.
    pub(super) fn shortened(&self, full: Duration) -> Duration {
        full.mul_f64(1.0 - JITTER * self.clock.jitter())
    }
}
