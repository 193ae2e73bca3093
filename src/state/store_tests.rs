//! The store over backends that fail in every way that sled does, and does not come back.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::aside;
use super::kv::{Batch, Kv, Pairs};
use super::memory::{Disk, MemoryKv};
use super::store::Store;
use super::watchdog::{Limits, Verdict};
use super::{
    Claim, Committed, Compose, Content, Draft, Limits as Rules, Scan, Shape, State, StateError, restore_damaged,
};
use crate::model::{
    AccountId, AlertKind, Fate, Item, Letter, LetterId, Mark, Now, Owner, RawName, Recipient, Sender, Sighting,
    Timestamp, Urgency,
};
use crate::rules::retry::Next;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const SHORT: Limits =
    Limits { circle: Duration::from_millis(200), hang: Duration::from_secs(600), look: Duration::from_millis(10) };
const REOPEN_EVERY: Duration = Duration::from_millis(30);
const PATIENCE: Duration = Duration::from_secs(30);

/// Later than a try of a dead process is put off.
const LATER: Now = Now { steady: Timestamp(3_600_000), wall: Timestamp(3_600_000) };

const WELL: u8 = 0;
/// Reads never end.
const CIRCLE: u8 = 1;
/// A read finds damage.
const DAMAGED: u8 = 2;
/// What is applied cannot be synced, until it is opened anew.
const FULL: u8 = 3;

/// A disk whose ailments the test chooses.
#[derive(Clone, Default)]
struct Ill {
    disk: Disk,
    with: Arc<AtomicU8>,
    opened: Arc<AtomicUsize>,
    told: Arc<Mutex<Vec<Verdict>>>,
}

struct IllKv {
    kv: MemoryKv,
    ill: Ill,
    /// As sled: after one failure nothing is written any more.
    failed: bool,
}

impl Ill {
    fn is(&self, ailment: u8) {
        self.with.store(ailment, Ordering::SeqCst);
    }

    fn store(&self) -> Result<Store, StateError> {
        let (ill, told) = (self.clone(), self.told.clone());
        let open = Box::new(move || -> Result<Box<dyn Kv>, StateError> {
            ill.opened.fetch_add(1, Ordering::SeqCst);
            if ill.with.load(Ordering::SeqCst) == FULL {
                return Err(full());
            }
            Ok(Box::new(IllKv { kv: MemoryKv::open(&ill.disk), ill: ill.clone(), failed: false }))
        });
        let give_up = move |verdict: &Verdict| {
            told.lock().unwrap().push(verdict.clone());
            stuck()
        };
        Store::on_thread(open, Arc::new(give_up), SHORT, REOPEN_EVERY)
    }

    /// What a read does to the caller.
    fn strike(&self) -> Result<(), StateError> {
        while self.with.load(Ordering::SeqCst) == CIRCLE {}
        match self.with.load(Ordering::SeqCst) {
            DAMAGED => Err(StateError::Damaged { path: PathBuf::from("state"), reason: "a page".to_owned() }),
            _ => Ok(()),
        }
    }
}

impl Kv for IllKv {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        self.ill.strike()?;
        self.kv.get(key)
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, most: usize) -> Result<Pairs, StateError> {
        self.ill.strike()?;
        self.kv.scan(prefix, after, most)
    }

    fn apply(&mut self, batch: Batch) -> Result<(), StateError> {
        if self.failed { Err(full()) } else { self.kv.apply(batch) }
    }

    fn sync(&mut self) -> Result<(), StateError> {
        self.failed |= self.ill.with.load(Ordering::SeqCst) == FULL;
        if self.failed { Err(full()) } else { self.kv.sync() }
    }
}

fn full() -> StateError {
    StateError::Write("no space left on device".to_owned())
}

fn stuck() -> StateError {
    StateError::Stuck { path: PathBuf::from("state"), reason: None }
}

fn account() -> AccountId {
    AccountId::new("zhangsan@corp.example")
}

async fn arrive(store: &Store, number: u8) -> Result<Committed, StateError> {
    let letter = Letter {
        id: LetterId([number; 16]),
        from: Sender::default(),
        subject: Some(number.to_string()),
        time: Timestamp(0),
        size: 0,
        attachment: false,
        seen: false,
        readable: true,
        ..Letter::default()
    };
    let item =
        Item { account: account(), folder: "INBOX".into(), letter, told_at: Timestamp(0), away: None, card: None };
    let to = Mark { uid_validity: 1, next: 2, bound_at: Timestamp(0), looked_at: Timestamp(0), mailbox_id: None };
    let fate = Fate::Announce(vec![Recipient::User(format!("u{number}").into())]);
    let letters = vec![Sighting { item, uid: 1, subscription: 1, urgency: Urgency::Normal, fate, apart: Vec::new() }];
    let folder = RawName::new(&[number]);
    let scan = Scan {
        account: account(),
        folder,
        from: None,
        to,
        letters,
        deferred: Duration::ZERO,
        met: super::Met::default(),
        catching_up: false,
    };
    store.commit_scan(scan, Now::default()).await
}

async fn claim(store: &Store) -> Result<Vec<Claim>, StateError> {
    let compose: Arc<Compose> = Arc::new(|to: &[Recipient], content: Content<'_>, _: Shape| {
        let Content::Letters(items) = content else { return Vec::new() };
        let body = format!("{} {}", to[0], items[0].letter.subject.as_deref().unwrap()).into_bytes();
        vec![Draft { to: to.to_vec(), kind: AlertKind::Letter, body, items: (0..items.len()).collect() }]
    });
    store.claim(LATER, 100, compose).await
}

fn names(claims: &[Claim]) -> Vec<String> {
    let mut names: Vec<_> = claims.iter().map(|claim| claim.recipients[0].to_string()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_page_that_reads_for_ever_is_told_to_all_and_holds_nobody_up() {
    let ill = Ill::default();
    let store = ill.store().unwrap();
    arrive(&store, 1).await.unwrap();
    ill.is(CIRCLE);
    let owner = Owner::User("zhangsan".into());
    let (first, second) = tokio::join!(store.spent(&owner), arrive(&store, 2));
    assert_eq!((first.unwrap_err(), second.unwrap_err()), (stuck(), stuck()));
    assert_eq!(store.stuck().await, stuck());
    let began = Instant::now();
    assert_eq!(arrive(&store, 3).await, Err(stuck()));
    assert_eq!(store.close().await, Err(stuck()));
    drop(store);
    assert!(began.elapsed() < Duration::from_secs(5), "nobody waits for the thread that does not come back");
    assert_eq!(*ill.told.lock().unwrap(), [Verdict::Circle]);
    ill.is(WELL);
}

#[test]
fn an_opening_that_reads_for_ever_ends() {
    let ill = Ill::default();
    ill.is(CIRCLE);
    assert_eq!(ill.store().err(), Some(stuck()));
    ill.is(WELL);
}

#[tokio::test]
async fn a_page_that_gives_an_error_is_as_bad() {
    let ill = Ill::default();
    let store = ill.store().unwrap();
    ill.is(DAMAGED);
    store.marks(&account()).await.unwrap_err();
    assert_eq!(store.stuck().await, stuck());
    ill.is(WELL);
    assert_eq!(arrive(&store, 1).await, Err(stuck()), "the next process restores it");
    assert!(matches!(&ill.told.lock().unwrap()[..], [Verdict::Damaged(StateError::Damaged { .. })]));
    assert_eq!(ill.opened.load(Ordering::SeqCst), 1);
}

/// S4 over an opening in the same process.
#[tokio::test]
async fn claims_outlive_a_full_disk_if_they_were_given_out() {
    let ill = Ill::default();
    let store = ill.store().unwrap();
    store.govern(Rules { account_cap: Some(5), ..Rules::default() }, Now::default()).await.unwrap();
    for number in 1..=2 {
        arrive(&store, number).await.unwrap();
    }
    let given = claim(&store).await.unwrap();
    assert_eq!(names(&given), ["u1", "u2"]);
    arrive(&store, 3).await.unwrap();
    ill.is(FULL);
    assert_eq!(claim(&store).await.unwrap_err(), full(), "u3 is claimed in vain");
    for number in 4..=6 {
        assert_eq!(arrive(&store, number).await, Err(full()));
    }
    let done = |claim: &Claim| store.settle(claim.id, Next::Done.into(), LATER);
    assert_eq!(done(&given[0]).await, Err(full()));
    ill.is(WELL);
    let began = Instant::now();
    while let Err(error) = done(&given[0]).await {
        assert_eq!(error, full());
        assert!(began.elapsed() < PATIENCE, "it stays closed");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(ill.opened.load(Ordering::SeqCst) >= 2);
    assert_eq!(store.usage(LATER).await.unwrap().quota, Some(1000), "the limits are what they were");
    assert_eq!(names(&claim(&store).await.unwrap()), ["u3"], "u2 is on its way, u4 was never acknowledged");
    done(&given[1]).await.unwrap();
    assert_eq!(store.outbox().await.unwrap().open, 1, "both are settled, u3 is claimed");
    drop(store);
    assert_eq!(ill.store().unwrap().outbox().await.unwrap().open, 1, "nothing else was stored");
}

/// A settle whose sync failed is a settle in vain: the alert stays with who has it.
#[tokio::test]
async fn what_was_settled_in_vain_is_still_claimed() {
    let ill = Ill::default();
    let store = ill.store().unwrap();
    arrive(&store, 1).await.unwrap();
    let given = claim(&store).await.unwrap();
    ill.is(FULL);
    assert_eq!(store.settle(given[0].id, Next::Done.into(), LATER).await, Err(full()));
    ill.is(WELL);
    let began = Instant::now();
    let claims = loop {
        match claim(&store).await {
            Ok(claims) => break claims,
            Err(error) => assert_eq!(error, full()),
        }
        assert!(began.elapsed() < PATIENCE, "it stays closed");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(names(&claims), Vec::<String>::new(), "it would go out twice");
    store.settle(given[0].id, Next::Done.into(), LATER).await.unwrap();
    assert_eq!(store.outbox().await.unwrap().open, 0);
}

#[test]
fn a_marked_store_is_moved_aside_and_never_opened() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    drop(Store::open(&path).unwrap());
    assert_eq!(restore_damaged(&path, Timestamp(0)), Ok(None), "all is well");
    let mut kept = Vec::new();
    for _ in 0..2 {
        aside::mark(&path).unwrap();
        let error = Store::open(&path).err().unwrap();
        assert!(matches!(error, StateError::Damaged { .. }), "{error}");
        let to = restore_damaged(&path, Timestamp(1_795_321_800_000)).unwrap().unwrap();
        assert_eq!(to.from, None);
        let to = to.kept;
        assert!(to.join("db").exists() && !path.exists());
        kept.push(to.file_name().unwrap().to_string_lossy().into_owned());
        drop(Store::open(&path).unwrap());
    }
    assert_eq!(kept, ["state.damaged-20261122T043000Z", "state.damaged-20261122T043000Z-2"]);
}
