//! Outages: from when to when an account, or one of its folders, was not looked at. Letters that came meanwhile carry it.

use super::End;
use super::cycle::Cycle;
use crate::imap::ImapError;
use crate::model::Timestamp;
use crate::rules::life::Deadlines;
use std::time::Duration;

/// An account without proof of life for so long was away, and people are told so with the letters of that time.
const OUTAGE: Duration = Duration::from_secs(120);

impl End {
    /// Whether the server, or we, ended the session while the line between us was well: until then we would have been
    /// told of letters.
    pub(super) fn is_orderly(&self) -> bool {
        match self {
            Self::Imap(ImapError::Lost(said)) => said.is_empty(),
            Self::Imap(error) => error.is_answer() || matches!(error, ImapError::Bye(_)),
            Self::TokenEnds | Self::OtherFolders | Self::Stale | Self::State(_) | Self::NoFolder => true,
        }
    }
}

impl Cycle<'_> {
    /// At the beginning of a session, before the first answer of an open folder counts as a proof of life: whether there
    /// was an outage, of the account or of single folders.
    pub(super) fn note_outages(&mut self) {
        let (steady, wall) = (self.watcher.clock.steady(), self.watcher.clock.wall());
        let last = self.watcher.health.pulse(&self.watcher.account.id).last().max(self.memory.well_until);
        let silent = match last {
            Some(last) => steady.since(last),
            None => self.watcher.last_alive.map_or(Duration::ZERO, |last| wall.since(last)),
        };
        let began = (silent >= OUTAGE).then(|| wall.minus(silent));
        let imap = &self.watcher.imap;
        let deadlines = Deadlines {
            blind_after: imap.blind_after,
            poll_interval: imap.poll_interval,
            idle_renew: imap.idle_renew,
            command_timeout: imap.command_timeout,
        };
        for at in 0..self.folders.len() {
            // The service, and the account, may have lived without a look at this folder for longer than sweeps explain.
            let looked_at = self.folders.get(at).and_then(|watched| watched.mark).map(|mark| mark.looked_at);
            let well_at = began.unwrap_or(wall);
            let stale = looked_at.filter(|looked_at| deadlines.is_folder_blind(well_at.since(*looked_at)));
            if let Some(from) = stale.or(began) {
                self.was_away(at, from);
            }
        }
    }

    /// A folder that was refused opens again.
    pub(super) fn note_folder_outage(&mut self, at: usize) {
        let looked_at = self.folders.get(at).and_then(|watched| watched.mark).map(|mark| mark.looked_at);
        let wall = self.watcher.clock.wall();
        if let Some(from) = looked_at.filter(|looked_at| wall.since(*looked_at) >= OUTAGE) {
            self.was_away(at, from);
        }
    }

    /// Nobody looked at a folder from then until now.
    fn was_away(&mut self, at: usize, from: Timestamp) {
        let wall = self.watcher.clock.wall();
        let Some(watched) = self.folders.get(at) else { return };
        let away = self.memory.away.entry(watched.folder.raw.clone()).or_insert((from, wall));
        *away = (away.0.min(from), wall);
    }

    /// The outage in which a letter came that this look at a folder finds: the first one after it.
    pub(super) fn away(&self, at: usize, received: Option<Timestamp>) -> Option<(Timestamp, Timestamp)> {
        let away = self.folders.get(at).and_then(|watched| self.memory.away.get(&watched.folder.raw)).copied();
        away.filter(|(_, to)| received.is_none_or(|received| received <= *to))
    }

    /// A folder was looked at with success.
    pub(super) fn caught_up(&mut self, at: usize) {
        if let Some(watched) = self.folders.get(at) {
            self.memory.away.remove(&watched.folder.raw);
        }
    }
}
