//! The store as mailbell sees it in a run: the real one over memory, with points at which the process may die, a disk
//! that may be full, and eyes on what is given out.

use super::office::Office;
use super::time::HOUR;
use super::wecom::WeCom;
use super::witness::Witness;
use futures_util::future::BoxFuture;
use mailbell::clock::Anchor;
use mailbell::model::{AccountId, AlertId, AlertKind, Fingerprint, LetterId, Mark, Now, Owner, RawName, Timestamp};
use mailbell::rules::budget::{Allowance, Permit, Spent};
use mailbell::rules::line::Line;
use mailbell::rules::retry::Next;
use mailbell::state::{
    Claim, Committed, Compose, Disk, Fails, Known, Limits, Outbox, Report, Scan, Settled, Stale, State, StateError,
    Store, Troubles, Usage,
};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::futures::Notified;

/// Bodies may be the same again after so long.
const DUPLICATES: i64 = 4 * HOUR;

/// What was given out, over all processes.
#[derive(Default)]
pub struct Given {
    /// The permits of the last hour, by owner.
    permits: HashMap<Owner, VecDeque<i64>>,
    /// The most that an owner got in an hour.
    pub most_permits: usize,
    /// Bodies: whose they are, and when they were last given out.
    bodies: HashMap<Vec<u8>, (AlertId, i64)>,
    /// What each alert's letters are told as.
    pub kinds: HashMap<AlertId, (AlertKind, usize)>,
    /// Alerts that WeCom took, as the store has acknowledged.
    done: HashSet<AlertId>,
    /// The alerts of the bodies that WeCom has seen, by their text.
    pub alerts: HashMap<Vec<u8>, AlertId>,
}

/// What the faces of all processes share.
pub struct Eyes {
    pub witness: Arc<Witness>,
    pub office: Arc<Office>,
    pub wecom: Arc<WeCom>,
    pub given: Mutex<Given>,
    /// How often in a thousand a durable step fails: the disk is full.
    pub full: AtomicU32,
    pub disk: Disk,
}

/// See the module's text.
pub struct Face {
    pub store: Arc<Store>,
    pub eyes: Arc<Eyes>,
}

impl Face {
    /// One step that the disk must take.
    async fn durable<T>(
        &self,
        step: &'static str,
        work: impl Future<Output = Result<T, StateError>>,
    ) -> Result<T, StateError> {
        let witness = &self.eyes.witness;
        witness.point(step, false).await;
        let full = self.eyes.full.load(Ordering::Relaxed);
        let fails = self.eyes.office.roll(|dice| match dice.often(full) {
            true => dice.pick(&[Fails::Writes, Fails::Syncs]),
            false => Fails::Nothing,
        });
        self.eyes.disk.fail(fails);
        let done = work.await;
        self.eyes.disk.fail(Fails::Nothing);
        witness.note(|| format!("{step}{}", if done.is_ok() { "" } else { " FAILED" }));
        witness.point(step, true).await;
        done
    }

    fn saw_permit(&self, owner: &Owner) {
        let now = self.eyes.witness.time.now();
        self.eyes.office.permit(owner, now);
        let mut given = self.eyes.given.lock().unwrap();
        let permits = given.permits.entry(owner.clone()).or_default();
        while permits.front().is_some_and(|at| now - at >= HOUR) {
            permits.pop_front();
        }
        permits.push_back(now);
        let count = permits.len();
        given.most_permits = given.most_permits.max(count);
        if count > 50 {
            self.eyes.witness.broken(format!("{count} syncs in an hour for {owner:?}"));
        }
    }

    fn saw_claim(&self, claim: &Claim) {
        let now = self.eyes.witness.time.now();
        let witness = &self.eyes.witness;
        witness
            .note(|| format!("claimed {} {:?} try {} for {:?}", claim.id, claim.kind, claim.tries, claim.recipients));
        let mut given = self.eyes.given.lock().unwrap();
        if let Some((other, at)) = given.bodies.insert(claim.body.clone(), (claim.id, now))
            && other != claim.id
            && now - at < DUPLICATES
        {
            witness.broken(format!("alerts {other} and {} have equal bodies within four hours", claim.id));
        }
        if given.done.contains(&claim.id) {
            witness.broken(format!("alert {} is tried again, though it was settled", claim.id));
        }
        if claim.kind == AlertKind::CatchUp && claim.letters > 0 && claim.letters <= 60 {
            witness.broken(format!("alert {} does not name its {} letters", claim.id, claim.letters));
        }
        given.kinds.insert(claim.id, (claim.kind, claim.letters));
        given.alerts.insert(claim.body.clone(), claim.id);
    }
}

impl State for Face {
    fn marks(&self, account: &AccountId) -> BoxFuture<'_, Result<HashMap<RawName, Mark>, StateError>> {
        self.store.marks(account)
    }

    fn admit_sync(
        &self,
        owner: &Owner,
        allowance: Allowance,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Permit, StateError>> {
        let owner = owner.clone();
        Box::pin(async move {
            let asked = async {
                let permit = self.store.admit_sync(&owner, allowance, now).await?;
                if matches!(permit, Permit::Go(_)) {
                    self.saw_permit(&owner);
                }
                Ok(permit)
            };
            self.durable("admit", asked).await
        })
    }

    fn spent(&self, owner: &Owner) -> BoxFuture<'_, Result<Spent, StateError>> {
        self.store.spent(owner)
    }

    fn known(
        &self,
        owner: &Owner,
        senders: Vec<Fingerprint>,
        names: Vec<Fingerprint>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Known, StateError>> {
        self.store.known(owner, senders, names, now)
    }

    fn commit_scan(&self, scan: Scan, now: Now) -> BoxFuture<'_, Result<Committed, StateError>> {
        Box::pin(async move {
            let (account, folder, binds) = (scan.account.clone(), scan.folder.clone(), scan.from.is_none());
            self.eyes.witness.note(|| {
                format!(
                    "commit {account} {:?} {} letters, next {}",
                    scan.from.map(|m| m.next),
                    scan.letters.len(),
                    scan.to.next
                )
            });
            let work = async {
                let done = self.store.commit_scan(scan, now).await?;
                if binds && done != Committed::Stale {
                    self.eyes.office.bound(&account, &folder.0, self.eyes.witness.time.now());
                }
                Ok(done)
            };
            self.durable("commit", work).await
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
        Box::pin(async move { self.durable("remember", self.store.remember(&account, &folder, letters, now)).await })
    }

    fn touch(&self, account: &AccountId, folder: &RawName, mark: Mark) -> BoxFuture<'_, Result<(), StateError>> {
        self.store.touch(account, folder, mark)
    }

    fn govern(&self, limits: Limits, now: Now) -> BoxFuture<'_, Result<(), StateError>> {
        self.store.govern(limits, now)
    }

    fn claim(&self, now: Now, most: usize, compose: Arc<Compose>) -> BoxFuture<'_, Result<Vec<Claim>, StateError>> {
        Box::pin(async move {
            // Most rounds find nothing, and need no disk.
            let work = async {
                let claims = self.store.claim(now, most, compose).await?;
                claims.iter().for_each(|claim| self.saw_claim(claim));
                Ok(claims)
            };
            self.durable("claim", work).await
        })
    }

    fn recall(&self, stale: Arc<Stale>) -> BoxFuture<'_, Result<usize, StateError>> {
        self.store.recall(stale)
    }

    fn next_due(&self, now: Now) -> BoxFuture<'_, Result<Option<Timestamp>, StateError>> {
        self.store.next_due(now)
    }

    fn settle(&self, id: AlertId, settled: Settled, now: Now) -> BoxFuture<'_, Result<(), StateError>> {
        Box::pin(async move {
            self.eyes.witness.note(|| format!("alert {id} -> {:?}", settled.next));
            let done = matches!(settled.next, Next::Done);
            self.durable("settle", self.store.settle(id, settled, now)).await?;
            if done {
                self.eyes.given.lock().unwrap().done.insert(id);
            }
            Ok(())
        })
    }

    fn begin_sending(&self, now: Now) -> BoxFuture<'_, Result<Line, StateError>> {
        self.store.begin_sending(now)
    }

    fn set_line(&self, line: Line) -> BoxFuture<'_, Result<(), StateError>> {
        Box::pin(async move {
            let work = async {
                self.store.set_line(line).await?;
                self.eyes.wecom.rest_was_stored();
                Ok(())
            };
            self.durable("set_line", work).await
        })
    }

    fn last_beat(&self) -> BoxFuture<'_, Result<Option<Timestamp>, StateError>> {
        self.store.last_beat()
    }

    fn beat(&self, wall: Timestamp) -> BoxFuture<'_, Result<(), StateError>> {
        self.store.beat(wall)
    }

    fn changed(&self) -> Notified<'_> {
        self.store.changed()
    }

    fn troubles(&self) -> BoxFuture<'_, Result<Troubles, StateError>> {
        self.store.troubles()
    }

    fn report(&self, report: Report, now: Now) -> BoxFuture<'_, Result<(), StateError>> {
        Box::pin(async move { self.durable("report", self.store.report(report, now)).await })
    }

    fn usage(&self, now: Now) -> BoxFuture<'_, Result<Usage, StateError>> {
        self.store.usage(now)
    }

    fn outbox(&self) -> BoxFuture<'_, Result<Outbox, StateError>> {
        self.store.outbox()
    }

    fn prune(&self, now: Timestamp) -> BoxFuture<'_, Result<bool, StateError>> {
        self.store.prune(now)
    }

    fn anchor(&self) -> BoxFuture<'_, Result<(Option<Anchor>, Timestamp), StateError>> {
        self.store.anchor()
    }

    fn set_anchor(&self, anchor: &Anchor) -> BoxFuture<'_, Result<(), StateError>> {
        self.store.set_anchor(anchor)
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StateError>> {
        self.store.close()
    }
}
