//! An account's rules while it is watched: a config that is read anew changes them without a new connection.

use super::End;
use super::cycle::{Cycle, Watched};
use super::folders;
use crate::config::Account;
use crate::health::WatchMode;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use tracing::info;

/// The account as the config has it now.
#[derive(Debug)]
pub struct Rules(RwLock<Arc<Account>>);

impl Rules {
    /// As it is at the beginning.
    pub fn new(account: Arc<Account>) -> Self {
        Self(RwLock::new(account))
    }

    /// From now on. To be told to the worker with [`super::OwnerBudget::wake`].
    pub fn change(&self, account: Arc<Account>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = account;
    }

    pub(super) fn now(&self) -> Arc<Account> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Cycle<'_> {
    /// Whether the rules have changed.
    pub(super) fn has_other_rules(&self) -> bool {
        !Arc::ptr_eq(&self.watcher.rules.now(), &self.rules)
    }

    /// Takes over rules that have changed. Folders that no subscription takes any more are left, new ones are bound in the
    /// next sync, which is due at once; the others keep what is known of them. Only where NOTIFY would have to be asked for
    /// other folders a new session is needed.
    pub(super) async fn take_rules(&mut self) -> Result<(), End> {
        self.rules = self.watcher.rules.now();
        let main = self.folders.get(self.main).map(|watched| watched.folder.raw.clone());
        let chosen = match folders::inbox_only(&self.rules.subscriptions) {
            Some(inbox) => vec![inbox],
            None => folders::choose(&self.rules.subscriptions, &self.session.folders().await?),
        };
        let marks = self.watcher.state.marks(&self.watcher.account.id).await?;
        let mut known: HashMap<_, _> =
            self.folders.drain(..).map(|watched| (watched.folder.raw.clone(), watched)).collect();
        let mut fresh = 0;
        for chosen in chosen {
            self.folders.push(match known.remove(&chosen.folder.raw) {
                Some(watched) => Watched { realtime: chosen.realtime, subscriptions: chosen.subscriptions, ..watched },
                None => {
                    fresh += 1;
                    // It was not made meanwhile: nobody asked for it before.
                    self.memory.listed.insert(chosen.folder.raw.clone());
                    let mark = marks.get(&chosen.folder.raw).copied();
                    Watched::new(chosen, mark)
                }
            });
        }
        if self.folders.is_empty() {
            return Err(End::NoFolder);
        }
        info!(account = %self.watcher.log_name(), left = known.len(), fresh, "the account's rules have changed");
        let there = self.folders.iter().position(|watched| Some(&watched.folder.raw) == main.as_ref());
        self.main = there.unwrap_or_else(|| self.best_main());
        if there.is_none() {
            self.open_main().await?;
        }
        if fresh > 0 {
            self.sweep_at = self.watcher.clock.steady();
        }
        let others = fresh > 0 || !known.is_empty();
        if others && self.mode == WatchMode::Notify {
            return Err(End::OtherFolders);
        }
        self.settle_mode().await?;
        self.note_state();
        Ok(())
    }
}
