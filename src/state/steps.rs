//! The faces of the state, as steps of the engine: which of them wait for the disk, and which ring that something may be
//! due.

use super::alerts::{AlertState, AlertView};
use super::engine::Engine;
use super::export::{ExportError, Summary, export};
use super::ledger::{Story, Why};
use super::store::Store;
use super::{
    Claim, Committed, Compose, Known, Ledger, Limits, Outbox, Report, Scan, Settled, Stale, State, StateError,
    Troubles, Usage,
};
use crate::clock::Anchor;
use crate::model::{
    AccountId, AlertId, Fingerprint, LetterId, Mark, Mute, MuteId, Now, Owner, RawName, Recipient, Timestamp,
};
use crate::rules::budget::{Allowance, Permit, Spent};
use crate::rules::line::Line;
use crate::rules::quota;
use futures_util::future::BoxFuture;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::futures::Notified;

/// Letters of the ledger that one step looks at.
const LOOKED_AT_ONCE: usize = 500;

impl State for Store {
    fn marks(&self, account: &AccountId) -> BoxFuture<'_, Result<HashMap<RawName, Mark>, StateError>> {
        let account = account.clone();
        Box::pin(self.step(false, move |engine| engine.marks(&account)))
    }

    fn admit_sync(
        &self,
        owner: &Owner,
        allowance: Allowance,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Permit, StateError>> {
        let owner = owner.clone();
        Box::pin(self.step(true, move |engine| engine.admit_sync(&owner, &allowance, now)))
    }

    fn spent(&self, owner: &Owner) -> BoxFuture<'_, Result<Spent, StateError>> {
        let owner = owner.clone();
        Box::pin(self.step(false, move |engine| engine.spent(&owner)))
    }

    fn known(
        &self,
        owner: &Owner,
        senders: Vec<Fingerprint>,
        names: Vec<Fingerprint>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Known, StateError>> {
        let owner = owner.clone();
        Box::pin(self.step(false, move |engine| engine.known(&owner, senders, names, now)))
    }

    fn commit_scan(&self, scan: Scan, now: Now) -> BoxFuture<'_, Result<Committed, StateError>> {
        Box::pin(async move {
            let committed = self.step(true, move |engine| engine.commit_scan(scan, now)).await?;
            if matches!(committed, Committed::Stored(n) if n > 0) {
                self.changed.notify_waiters();
            }
            Ok(committed)
        })
    }

    fn remember(
        &self,
        account: &AccountId,
        folder: &RawName,
        letters: Vec<LetterId>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<(), StateError>> {
        let (account, folder) = (account.clone(), folder.clone());
        Box::pin(self.step(true, move |engine| engine.remember(&account, &folder, &letters, now)))
    }

    fn touch(&self, account: &AccountId, folder: &RawName, mark: Mark) -> BoxFuture<'_, Result<(), StateError>> {
        let (account, folder) = (account.clone(), folder.clone());
        Box::pin(self.step(false, move |engine| engine.touch(&account, &folder, mark)))
    }

    fn govern(&self, limits: Limits, now: Now) -> BoxFuture<'_, Result<(), StateError>> {
        Box::pin(async move {
            self.step(false, move |engine| {
                engine.govern(limits, now);
                Ok(())
            })
            .await?;
            self.changed.notify_waiters();
            Ok(())
        })
    }

    fn claim(&self, now: Now, most: usize, compose: Arc<Compose>) -> BoxFuture<'_, Result<Vec<Claim>, StateError>> {
        Box::pin(async move {
            let claims = self.step(true, move |engine| engine.claim(now, most, &*compose)).await;
            if claims.is_err() {
                // Nobody has them: they are due again. On a thread the worker sees to it.
                let _ = self.step(false, Engine::unclaim_last).await;
            }
            claims
        })
    }

    fn recall(&self, stale: Arc<Stale>) -> BoxFuture<'_, Result<usize, StateError>> {
        Box::pin(self.step(true, move |engine| engine.recall(&*stale)))
    }

    fn next_due(&self, now: Now) -> BoxFuture<'_, Result<Option<Timestamp>, StateError>> {
        Box::pin(self.step(false, move |engine| Ok(engine.next_due(now))))
    }

    fn settle(&self, id: AlertId, settled: Settled, now: Now) -> BoxFuture<'_, Result<(), StateError>> {
        Box::pin(async move {
            self.step(true, move |engine| engine.settle(id, settled, now)).await?;
            self.changed.notify_waiters();
            Ok(())
        })
    }

    fn begin_sending(&self, now: Now) -> BoxFuture<'_, Result<Line, StateError>> {
        Box::pin(self.step(false, move |engine| {
            engine.index.unclaim_all();
            engine.count_unended(now.steady)?;
            engine.line()
        }))
    }

    fn set_line(&self, line: Line) -> BoxFuture<'_, Result<(), StateError>> {
        Box::pin(self.step(true, move |engine| engine.set_line(&line)))
    }

    fn last_beat(&self) -> BoxFuture<'_, Result<Option<Timestamp>, StateError>> {
        Box::pin(self.step(false, |engine| Ok(engine.last_beat)))
    }

    fn beat(&self, wall: Timestamp) -> BoxFuture<'_, Result<(), StateError>> {
        Box::pin(self.step(false, move |engine| engine.beat(wall)))
    }

    fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    fn troubles(&self) -> BoxFuture<'_, Result<Troubles, StateError>> {
        Box::pin(self.step(false, Engine::troubles))
    }

    fn report(&self, report: Report, now: Now) -> BoxFuture<'_, Result<(), StateError>> {
        Box::pin(async move {
            self.step(true, move |engine| engine.report(report, now)).await?;
            self.changed.notify_waiters();
            Ok(())
        })
    }

    fn usage(&self, now: Now) -> BoxFuture<'_, Result<Usage, StateError>> {
        Box::pin(self.step(false, move |engine| {
            let (held, parked) = engine.index.held(now.steady);
            let used = &engine.index.quota;
            Ok(Usage {
                today: quota::today(used, now.wall),
                forecast: quota::forecast(used, now.wall),
                quota: engine.limits.account_cap.map(quota::of_the_day),
                held,
                parked,
                by_hour: quota::by_hour(used, now.wall),
            })
        }))
    }

    fn outbox(&self) -> BoxFuture<'_, Result<Outbox, StateError>> {
        Box::pin(self.step(false, |engine| Ok(engine.index.outbox())))
    }

    fn prune(&self, now: Timestamp) -> BoxFuture<'_, Result<bool, StateError>> {
        Box::pin(self.step(false, move |engine| engine.prune(now)))
    }

    fn anchor(&self) -> BoxFuture<'_, Result<(Option<Anchor>, Timestamp), StateError>> {
        Box::pin(self.step(false, |engine| engine.anchor()))
    }

    fn set_anchor(&self, anchor: &Anchor) -> BoxFuture<'_, Result<(), StateError>> {
        let anchor = anchor.clone();
        Box::pin(self.step(true, move |engine| engine.set_anchor(&anchor)))
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StateError>> {
        Box::pin(self.step(true, |_| Ok(())))
    }
}

impl Ledger for Store {
    fn why(&self, why: Why) -> BoxFuture<'_, Result<Vec<Story>, StateError>> {
        // In many steps: one through all letters of a large account would keep everybody else waiting.
        Box::pin(async move {
            let Some(account) = why.account.clone() else { return Ok(Vec::new()) };
            let (mut letters, mut after) = (Vec::new(), None);
            loop {
                let (account, from): (_, Option<Vec<u8>>) = (account.clone(), after.take());
                let (some, next) = self.step(false, move |engine| engine.letters_of(&account, from.as_deref())).await?;
                letters.extend(some);
                after = next;
                if after.is_none() {
                    break;
                }
            }
            let mut found = Vec::new();
            while !letters.is_empty() {
                let some = letters.split_off(letters.len().saturating_sub(LOOKED_AT_ONCE));
                let why = Why { most: why.most.saturating_sub(found.len()), ..why.clone() };
                let (stories, enough) = self.step(false, move |engine| engine.stories(&why, &some)).await?;
                found.extend(stories);
                if enough {
                    break;
                }
            }
            Ok(found)
        })
    }

    fn alerts(&self, state: Option<AlertState>, most: usize) -> BoxFuture<'_, Result<Vec<AlertView>, StateError>> {
        Box::pin(self.step(false, move |engine| engine.alerts(state, most)))
    }

    fn alert(&self, id: AlertId) -> BoxFuture<'_, Result<Option<AlertView>, StateError>> {
        Box::pin(self.step(false, move |engine| engine.view(id)))
    }

    fn retry(&self, ids: Option<Vec<AlertId>>, now: Now) -> BoxFuture<'_, Result<Vec<AlertId>, StateError>> {
        Box::pin(async move {
            let done = self.step(true, move |engine| engine.retry(ids, now)).await?;
            self.changed.notify_waiters();
            Ok(done)
        })
    }

    fn export(&self, to: PathBuf, whole: bool, wall: Timestamp) -> BoxFuture<'_, Result<Summary, ExportError>> {
        Box::pin(async move { export(self, &to, whole, wall).await })
    }

    fn mutes(&self, wall: Timestamp) -> BoxFuture<'_, Result<Vec<(MuteId, Mute)>, StateError>> {
        Box::pin(self.step(false, move |engine| engine.mutes(wall)))
    }

    fn mute(&self, mute: Mute) -> BoxFuture<'_, Result<MuteId, StateError>> {
        Box::pin(self.step(true, move |engine| engine.mute(&mute)))
    }

    fn unmute(
        &self,
        user: &Recipient,
        ids: Option<Vec<MuteId>>,
        wall: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<MuteId>, StateError>> {
        let user = user.clone();
        Box::pin(self.step(true, move |engine| engine.unmute(&user, ids.as_deref(), wall)))
    }

    fn discard(&self, ids: Option<Vec<AlertId>>, now: Now) -> BoxFuture<'_, Result<Vec<AlertId>, StateError>> {
        Box::pin(self.step(true, move |engine| engine.discard(ids, now)))
    }
}
