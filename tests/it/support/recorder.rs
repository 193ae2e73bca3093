//! The state of one node in memory, with a record of permits and commits.

use futures_util::future::BoxFuture;
use mailbell::clock::Anchor;
use mailbell::model::{
    AccountId, AlertId, AlertKind, Fingerprint, Item, LetterId, Mark, Now, Owner, RawName, Recipient, Timestamp,
};
use mailbell::rules::budget::{Allowance, Permit, Spent};
use mailbell::rules::line::Line;
use mailbell::rules::retry::Next;
use mailbell::state::{
    Claim, Committed, Compose, Content, Disk, Draft, Known, Ledger, Limits, MemoryKv, Outbox, Report, Scan, Settled,
    Shape, Stale, State, StateError, Store, Troubles, Usage,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::sync::futures::Notified;
use tokio::time::Instant;

/// See the module's text.
pub struct Recorder {
    store: Store,
    /// When a sync was allowed.
    pub syncs: Mutex<Vec<Instant>>,
    /// When letters that somebody is told of were stored, and which.
    pub stored: Mutex<Vec<(Instant, Item)>>,
    /// How many letters each commit had.
    pub commits: Mutex<Vec<usize>>,
}

impl Recorder {
    /// An empty one.
    pub fn new() -> Self {
        let store = Store::in_place(MemoryKv::open(&Disk::default())).unwrap();
        Self { store, syncs: Mutex::default(), stored: Mutex::default(), commits: Mutex::default() }
    }

    /// What became of the letters.
    pub fn ledger(&self) -> &dyn Ledger {
        &self.store
    }

    /// How many syncs were allowed.
    pub fn syncs(&self) -> usize {
        self.syncs.lock().unwrap().len()
    }

    /// Takes the waiting letters out of the outbox, as delivery would.
    pub async fn take(&self, now: Now) -> Vec<Item> {
        let taken = Arc::new(Mutex::new(Vec::new()));
        let sink = taken.clone();
        let compose = move |to: &[Recipient], content: Content<'_>, Shape { number, .. }: Shape| {
            let Content::Letters(items) = content else { return Vec::new() };
            if number == 0 {
                sink.lock().unwrap().extend_from_slice(items);
            }
            let body = format!("{number} {items:?}").into_bytes();
            vec![Draft { to: to.to_vec(), kind: AlertKind::Digest, body, items: (0..items.len()).collect() }]
        };
        for claim in self.store.claim(now, 1000, Arc::new(compose)).await.unwrap() {
            self.store.settle(claim.id, Next::Done.into(), now).await.unwrap();
        }
        std::mem::take(&mut *taken.lock().unwrap())
    }
}

impl State for Recorder {
    fn marks(&self, account: &AccountId) -> BoxFuture<'_, Result<HashMap<RawName, Mark>, StateError>> {
        self.store.marks(account)
    }

    fn admit_sync(
        &self,
        owner: &Owner,
        allowance: Allowance,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Permit, StateError>> {
        let asked = self.store.admit_sync(owner, allowance, now);
        Box::pin(async move {
            let permit = asked.await?;
            if matches!(permit, Permit::Go(_)) {
                self.syncs.lock().unwrap().push(Instant::now());
            }
            Ok(permit)
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
        let letters = scan.letters.clone();
        let committed = self.store.commit_scan(scan, now);
        Box::pin(async move {
            let committed = committed.await?;
            if committed != Committed::Stale {
                self.commits.lock().unwrap().push(letters.len());
                let announced = letters.into_iter().filter(|sighting| !sighting.recipients().is_empty());
                let stored = announced.map(|sighting| (Instant::now(), sighting.item));
                self.stored.lock().unwrap().extend(stored);
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
        self.store.remember(account, folder, letters, now)
    }

    fn touch(&self, account: &AccountId, folder: &RawName, mark: Mark) -> BoxFuture<'_, Result<(), StateError>> {
        self.store.touch(account, folder, mark)
    }

    fn govern(&self, limits: Limits, now: Now) -> BoxFuture<'_, Result<(), StateError>> {
        self.store.govern(limits, now)
    }

    fn claim(&self, now: Now, most: usize, compose: Arc<Compose>) -> BoxFuture<'_, Result<Vec<Claim>, StateError>> {
        self.store.claim(now, most, compose)
    }

    fn recall(&self, stale: Arc<Stale>) -> BoxFuture<'_, Result<usize, StateError>> {
        self.store.recall(stale)
    }

    fn next_due(&self, now: Now) -> BoxFuture<'_, Result<Option<Timestamp>, StateError>> {
        self.store.next_due(now)
    }

    fn settle(&self, id: AlertId, settled: Settled, now: Now) -> BoxFuture<'_, Result<(), StateError>> {
        self.store.settle(id, settled, now)
    }

    fn begin_sending(&self, now: Now) -> BoxFuture<'_, Result<Line, StateError>> {
        self.store.begin_sending(now)
    }

    fn set_line(&self, line: Line) -> BoxFuture<'_, Result<(), StateError>> {
        self.store.set_line(line)
    }

    fn last_beat(&self) -> BoxFuture<'_, Result<Option<Timestamp>, StateError>> {
        self.store.last_beat()
    }

    fn beat(&self, wall: Timestamp) -> BoxFuture<'_, Result<(), StateError>> {
        self.store.beat(wall)
    }

    fn usage(&self, now: Now) -> BoxFuture<'_, Result<Usage, StateError>> {
        self.store.usage(now)
    }

    fn changed(&self) -> Notified<'_> {
        self.store.changed()
    }

    fn troubles(&self) -> BoxFuture<'_, Result<Troubles, StateError>> {
        self.store.troubles()
    }

    fn report(&self, report: Report, now: Now) -> BoxFuture<'_, Result<(), StateError>> {
        self.store.report(report, now)
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
