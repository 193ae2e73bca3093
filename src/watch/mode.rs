//! How an account is watched: chosen from what the server offers, changed when it turns out otherwise.

use super::cycle::Cycle;
use crate::config::Mode;
use crate::health::{Reason, WatchMode};
use crate::imap::Offer;
use crate::model::Timestamp;
use std::collections::HashSet;
use std::time::Duration;

/// A way of being told that failed so often in a row is believed no more. Dovecot 2.3 misses a letter now and then
/// (imap-servers B.5), a server that does not push misses all of them.
pub(super) const MISSES: u32 = 3;
/// For so long; then it may show again what it can.
const DISTRUST: Duration = Duration::from_secs(24 * 3600);

/// What experience says of one way of being told.
#[derive(Debug, Default)]
pub(super) struct Trust {
    misses: u32,
    broken: Option<(Timestamp, Reason)>,
}

impl Trust {
    /// It told us of a letter.
    pub(super) fn told(&mut self) {
        self.misses = 0;
    }

    /// A letter was found that it did not tell us of; whether that was once too often.
    pub(super) fn missed(&mut self, now: Timestamp, why: Reason) -> bool {
        self.misses += 1;
        if self.misses < MISSES {
            return false;
        }
        self.refused(now, why);
        true
    }

    /// The server does not do it.
    pub(super) fn refused(&mut self, now: Timestamp, why: Reason) {
        self.misses = 0;
        self.broken = Some((now.plus(DISTRUST), why));
    }

    /// Why it is not to be used now, if so.
    fn broken(&self, now: Timestamp) -> Option<&Reason> {
        self.broken.as_ref().filter(|(until, _)| now < *until).map(|(_, why)| why)
    }
}

/// The choice, and why.
pub(super) fn choose(
    wanted: Mode,
    offer: Offer,
    folders: usize,
    (notify, idle): (&Trust, &Trust),
    now: Timestamp,
) -> (WatchMode, Reason) {
    if wanted == Mode::Poll {
        return (WatchMode::Poll, Reason::Said("mode = \"poll\"".to_owned()));
    }
    let notify_lacks = match (wanted, notify.broken(now)) {
        (Mode::Idle, _) => Some(Reason::Said("mode = \"idle\"".to_owned())),
        _ if !offer.notify || !offer.idle => Some(Reason::NoNotify),
        (_, Some(why)) => Some(why.clone()),
        // One folder is told of by IDLE as well, and some servers can put an idle connection to sleep more cheaply.
        (Mode::Auto, None) if folders < 2 => Some(Reason::OneFolder),
        _ => None,
    };
    let Some(notify_lacks) = notify_lacks else { return (WatchMode::Notify, Reason::HasNotify) };
    let idle_lacks = match idle.broken(now) {
        _ if !offer.idle => Some(Reason::NoIdle),
        broken => broken.cloned(),
    };
    match idle_lacks {
        None => (WatchMode::Idle, notify_lacks),
        Some(why) => (WatchMode::Poll, why),
    }
}

impl Cycle<'_> {
    /// Chooses how to be told, and asks for it.
    pub(super) async fn settle_mode(&mut self) -> Result<(), super::End> {
        let now = self.watcher.clock.steady();
        let trust = (&self.memory.notify, &self.memory.idle);
        let wanted = self.watcher.account.mode;
        let chosen = choose(wanted, self.session.offer(), self.folders.len(), trust, now);
        (self.mode, self.why) = (chosen.0, Some(chosen.1));
        if self.mode == WatchMode::Notify {
            self.ask_notify().await?;
        }
        self.want_bells();
        self.note_state();
        Ok(())
    }

    /// In a sweep: what was not believed, or had no room, for a time is tried again after it. Whether that is NOTIFY, and
    /// so takes a new connection.
    pub(super) async fn settle_again(&mut self) -> Result<bool, super::End> {
        let now = self.watcher.clock.steady();
        let trust = (&self.memory.notify, &self.memory.idle);
        let wanted = self.watcher.account.mode;
        let (mode, _) = choose(wanted, self.session.offer(), self.folders.len(), trust, now);
        match mode {
            mode if mode == self.mode => self.want_bells(),
            WatchMode::Notify => return Ok(true),
            _ => self.settle_mode().await?,
        }
        Ok(false)
    }

    /// Whether NOTIFY, once asked, tells of any folder but the main one.
    pub(super) fn is_told_of_another(&self) -> bool {
        self.folders.iter().enumerate().any(|(at, watched)| at != self.main && !watched.untold)
    }

    /// NOTIFY for all folders; what it says of them is looked at like a push. Refused: the next best way.
    pub(super) async fn ask_notify(&mut self) -> Result<(), super::End> {
        let names: Vec<_> = self.folders.iter().map(|watched| watched.folder.raw.clone()).collect();
        match self.session.notify(&names).await {
            Ok(looks) => {
                let told: HashSet<_> = looks.iter().map(|(name, _)| name).collect();
                for watched in &mut self.folders {
                    let raw = &watched.folder.raw;
                    watched.untold = !told.contains(raw) || self.memory.untold.contains(raw);
                }
                if let Some(main) = self.folders.get_mut(self.main) {
                    // Of the open folder STATUS says nothing.
                    main.untold = false;
                }
                self.take_told(looks);
                if self.folders.len() < 2 || self.is_told_of_another() {
                    return Ok(());
                }
                self.memory.untold.clear();
                self.memory.notify.refused(self.watcher.clock.steady(), Reason::NotifyTellsNothing);
                Box::pin(self.settle_mode()).await
            }
            Err(error) if error.is_answer() => {
                let now = self.watcher.clock.steady();
                let said = self.watcher.plain(&error.to_string(), "");
                tracing::info!(account = %self.watcher.log_name(), said, "NOTIFY is refused; going on without it");
                self.memory.notify.refused(now, Reason::Said(format!("NOTIFY: {error}")));
                Box::pin(self.settle_mode()).await
            }
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Offer = Offer { idle: true, notify: true, list_status: true };
    const IDLE: Offer = Offer { idle: true, notify: false, list_status: false };
    const NONE: Offer = Offer { idle: false, notify: false, list_status: false };

    fn chosen(wanted: Mode, offer: Offer, folders: usize) -> WatchMode {
        choose(wanted, offer, folders, (&Trust::default(), &Trust::default()), Timestamp(0)).0
    }

    #[test]
    fn the_best_way_that_there_is() {
        assert_eq!(chosen(Mode::Auto, ALL, 5), WatchMode::Notify);
        assert_eq!(chosen(Mode::Auto, ALL, 1), WatchMode::Idle);
        assert_eq!(chosen(Mode::Notify, ALL, 1), WatchMode::Notify);
        assert_eq!(chosen(Mode::Idle, ALL, 5), WatchMode::Idle);
        assert_eq!(chosen(Mode::Poll, ALL, 5), WatchMode::Poll);
        assert_eq!(chosen(Mode::Auto, IDLE, 5), WatchMode::Idle);
        assert_eq!(chosen(Mode::Auto, NONE, 5), WatchMode::Poll);
        assert_eq!(chosen(Mode::Notify, IDLE, 5), WatchMode::Idle);
    }

    #[test]
    fn who_misses_three_in_a_row_is_not_believed_for_a_day() {
        let mut idle = Trust::default();
        let now = Timestamp(0);
        for _ in 0..2 {
            assert!(!idle.missed(now, Reason::IdleMisses));
        }
        idle.told();
        for missed in [false, false, true] {
            assert_eq!(idle.missed(now, Reason::IdleMisses), missed);
        }
        let choice = |at: Timestamp| choose(Mode::Auto, IDLE, 1, (&Trust::default(), &idle), at);
        assert_eq!(choice(now), (WatchMode::Poll, Reason::IdleMisses));
        assert_eq!(choice(now.plus(DISTRUST)).0, WatchMode::Idle);
    }
}
