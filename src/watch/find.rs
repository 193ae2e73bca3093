//! Which folders there are: found by patterns at the beginning and in each sweep, known again after a rename, left when
//! they are gone.

use super::End;
use super::cycle::{Cycle, Watched};
use super::folders;
use crate::imap::Listed;
use crate::model::{Look, Mark, RawName, UidValidity};
use crate::rules::pattern;
use std::collections::{HashMap, HashSet};
use tracing::{info, warn};

/// One unusable LIST answer is no deletion (imap-servers C.4).
const MISSING_LISTS: u32 = 2;

/// UIDVALIDITY made of the time (RFC 3501 2.3.1.1) lies above; NetEase gives 1 to every folder (imap-servers A.3).
const TIMELIKE: UidValidity = 1_000_000;

impl Cycle<'_> {
    /// Lists the folders where the patterns need it; known ones stay, with what is known of them. Whether something
    /// changed.
    pub(super) async fn find_folders(&mut self) -> Result<bool, End> {
        let rules = self.rules.clone();
        let subscriptions = &rules.subscriptions;
        let marks = self.watcher.state.marks(&self.watcher.account.id).await?;
        let (listing_at, before) = (self.watcher.clock.wall(), self.memory.listed_at);
        let chosen = if let Some(inbox) = folders::inbox_only(subscriptions) {
            vec![inbox]
        } else {
            let listed = match self.session.folders().await {
                Err(error) if error.is_answer() && !self.folders.is_empty() => return Ok(false),
                listed => listed?,
            };
            let missing = folders::missing(subscriptions, &listed);
            if !missing.is_empty() && !self.memory.told_missing {
                let names = if self.watcher.personal { missing.join(", ") } else { missing.len().to_string() };
                warn!(account = %self.watcher.log_name(), missing = names, "folders of the config do not exist (yet)");
            }
            self.memory.told_missing = !missing.is_empty();
            self.missing = missing.iter().filter(|name| !pattern::is_wild(name)).map(|name| (*name).into()).collect();
            self.orphans = orphans(&marks, &listed);
            let chosen = folders::choose(subscriptions, &listed);
            self.note_made(&chosen, before);
            self.memory.listed_at = Some(listing_at);
            chosen
        };
        if chosen.is_empty() && self.folders.is_empty() {
            return Err(End::NoFolder);
        }
        let mut known: HashSet<RawName> = self.folders.iter().map(|watched| watched.folder.raw.clone()).collect();
        let left = !chosen.is_empty() && self.leave_missing(&chosen.iter().map(|c| c.folder.raw.clone()).collect());
        let mut found = left;
        // Kept as long as the session, and mostly one.
        self.folders.reserve_exact(chosen.len());
        for chosen in chosen {
            if known.insert(chosen.folder.raw.clone()) {
                let mark = marks.get(&chosen.folder.raw).copied();
                let mut watched = Watched::new(chosen, mark);
                watched.said = self.memory.unread.get(&watched.folder.raw).cloned();
                self.folders.push(watched);
                found = true;
            }
        }
        Ok(found)
    }

    /// Folders that a pattern took and that are gone from two lists are not watched any more; those named in the config
    /// stay, refused by the server, for somebody wants them.
    fn leave_missing(&mut self, there: &HashSet<RawName>) -> bool {
        let main = self.folders.get(self.main).map(|watched| watched.folder.raw.clone());
        let before = self.folders.len();
        let rules = self.rules.clone();
        let patterns = || rules.subscriptions.iter().flat_map(|s| &s.folders);
        self.folders.retain_mut(|watched| {
            watched.missing = if there.contains(&watched.folder.raw) { 0 } else { watched.missing + 1 };
            let named = watched.folder.is_inbox() || patterns().any(|p| **p == *watched.folder.shown);
            watched.missing < MISSING_LISTS || named || main.as_ref() == Some(&watched.folder.raw)
        });
        self.main = self.folders.iter().position(|w| Some(&w.folder.raw) == main.as_ref()).unwrap_or(0);
        let left = before - self.folders.len();
        if left > 0 {
            info!(account = %self.watcher.log_name(), folders = left, "folders are gone from the server");
        }
        left > 0
    }

    /// Whether folders may have come, or gone, that the patterns take.
    pub(super) fn may_find_more(&self) -> bool {
        let mut patterns = self.rules.subscriptions.iter().flat_map(|s| &s.folders);
        self.memory.told_missing || patterns.any(|p| pattern::is_wild(p))
    }

    /// The folder that is best held open: the first that is to be told of at once.
    pub(super) fn best_main(&self) -> usize {
        self.folders.iter().position(|watched| watched.realtime).unwrap_or(0)
    }

    /// The mark of a folder that was renamed to this one: the same MAILBOXID (RFC 8474) under a name that is gone; where
    /// there is none, the same UIDVALIDITY, if it is one that no two folders have by chance, and no lower UIDNEXT.
    pub(super) fn renamed(&self, look: &Look) -> Option<Mark> {
        let same = |mark: &&Mark| match (look.mailbox_id, mark.mailbox_id) {
            (Some(now), Some(then)) => now == then,
            _ => {
                look.uid_validity.is_some_and(|now| now >= TIMELIKE && now == mark.uid_validity)
                    && look.uid_next >= Some(mark.next)
            }
        };
        self.orphans.iter().filter(same).max_by_key(|mark| mark.looked_at).copied()
    }
}

/// The marks whose folders are not listed any more.
fn orphans(marks: &HashMap<RawName, Mark>, listed: &[Listed]) -> Vec<Mark> {
    let names: HashSet<&RawName> = listed.iter().map(|mailbox| &mailbox.raw).collect();
    marks.iter().filter(|(name, _)| !names.contains(name)).map(|(_, mark)| *mark).collect()
}
