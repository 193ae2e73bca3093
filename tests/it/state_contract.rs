//! The promises of `mailbell::state`, as one suite that runs on every backend: memory (dropping a store without a sync
//! is a crash there) and sled.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod apart;
mod claims;
mod commits;
mod copied;
mod damaged;
mod exports;
mod full;
mod held;
mod killed;
mod ledger;
mod limits;
mod looks;
mod met;
mod opening;
mod outbox;
mod reports;
mod sessions;

use mailbell::model::{
    AccountId, AlertKind, Fate, Item, Letter, LetterId, Mark, Now, RawName, Recipient, Sender, Sighting, Timestamp,
    Urgency,
};
use mailbell::state::{
    Claim, Committed, Compose, Content, Disk, Draft, MemoryKv, Met, Outbox, Scan, Shape, State, Store,
};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// Some time on the steady clock.
const T0: Timestamp = Timestamp(1_760_000_000_000);
/// More than there is in any test.
const ALL: usize = 1_000_000;

/// Where a store lives over its deaths.
enum Place {
    Memory(Disk),
    Sled(TempDir),
}

impl Place {
    fn memory() -> Self {
        Self::Memory(Disk::default())
    }

    fn sled() -> Self {
        Self::Sled(tempfile::tempdir().unwrap())
    }

    /// Opens it; whoever had it open before has dropped it.
    fn open(&self) -> Store {
        match self {
            Self::Memory(disk) => Store::in_place(MemoryKv::open(disk)).unwrap(),
            Self::Sled(dir) => open_dir(dir.path()),
        }
    }
}

fn open_dir(path: &Path) -> Store {
    Store::open(path).unwrap()
}

/// One test per promise and backend.
macro_rules! on_both_backends {
    ($($promise:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test] async fn $promise() { super::$promise(super::Place::memory()).await; })*
        }
        mod sled {
            $(#[tokio::test] async fn $promise() { super::$promise(super::Place::sled()).await; })*
        }
    };
}
use on_both_backends;

fn after(seconds: u64) -> Timestamp {
    T0.plus(Duration::from_secs(seconds))
}

/// The same moment by both clocks.
fn at(time: Timestamp) -> Now {
    Now { steady: time, wall: time }
}

fn user(name: &str) -> Recipient {
    Recipient::parse(name).unwrap()
}

fn account() -> AccountId {
    AccountId::new("zhangsan@corp.example")
}

fn inbox() -> RawName {
    RawName::new(b"INBOX")
}

fn mark(next: u32) -> Mark {
    Mark { uid_validity: 7, next, bound_at: Timestamp(1), looked_at: Timestamp(2), mailbox_id: None }
}

fn item(number: u64, subject: &str) -> Item {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    let letter = Letter {
        id: LetterId(id),
        from: Sender { name: Some("李四".to_owned()), address: None },
        subject: Some(subject.to_owned()),
        time: Timestamp(1_760_000_000_000),
        size: 1,
        attachment: false,
        seen: false,
        readable: true,
        ..Letter::default()
    };
    Item { account: account(), folder: "INBOX".into(), letter, told_at: T0, away: None, card: None }
}

fn sighting(to: Vec<Recipient>, urgency: Urgency, item: Item) -> Sighting {
    Sighting { item, uid: 1, subscription: 1, urgency, fate: Fate::Announce(to), apart: Vec::new() }
}

fn scan(from: Option<u32>, to: u32, letters: Vec<(Recipient, Item)>) -> Scan {
    let letters = letters.into_iter().map(|(to, item)| sighting(vec![to], Urgency::Normal, item)).collect();
    Scan {
        account: account(),
        folder: inbox(),
        from: from.map(mark),
        to: mark(to),
        letters,
        met: Met::default(),
        deferred: Duration::ZERO,
        catching_up: false,
    }
}

/// Stores letters in a folder of their own, so that no mark is in the way.
async fn arrive(store: &Store, now: Timestamp, letters: &[(&str, u64, &str)]) -> usize {
    let folder = format!("{:?} {letters:?}", now);
    let letters = letters.iter().map(|(to, number, subject)| (user(to), item(*number, subject))).collect();
    let scan = Scan { folder: RawName::new(folder.as_bytes()), ..scan(None, 2, letters) };
    match store.commit_scan(scan, at(now)).await.unwrap() {
        Committed::Stored(count) => count,
        Committed::Stale => panic!("a folder seen for the first time is not stale"),
    }
}

fn body(to: &[Recipient], items: &[Item], shape: Shape) -> Vec<u8> {
    let to: Vec<_> = to.iter().map(ToString::to_string).collect();
    let subjects: Vec<_> = items.iter().map(|item| item.letter.subject.clone().unwrap_or_default()).collect();
    let count = if shape.number == 0 { String::new() } else { format!(" #{}", shape.number) };
    let plain = if shape.plain { " plain" } else { "" };
    format!("{}: {}{count}{plain}", to.join("|"), subjects.join(" + ")).into_bytes()
}

fn report(to: &[Recipient], text: &str) -> Vec<Draft> {
    let asked = to.to_vec();
    let to: Vec<_> = to.iter().map(ToString::to_string).collect();
    let body = format!("{}: {text}", to.join("|")).into_bytes();
    vec![Draft { to: asked, kind: AlertKind::Report, body, items: Vec::new() }]
}

/// One message for all that waits.
fn together() -> Arc<Compose> {
    Arc::new(|to, content, shape| match content {
        Content::Text(text) => report(to, text),
        Content::Letters(items) => {
            let kind = if items.len() > 1 { AlertKind::Digest } else { AlertKind::Letter };
            vec![Draft { to: to.to_vec(), kind, body: body(to, items, shape), items: (0..items.len()).collect() }]
        }
    })
}

/// A message for each letter.
fn each() -> Arc<Compose> {
    Arc::new(|to, content, shape| {
        let Content::Letters(items) = content else { return Vec::new() };
        let draft = |(at, item): (usize, &Item)| {
            let body = body(to, std::slice::from_ref(item), shape);
            Draft { to: to.to_vec(), kind: AlertKind::Letter, body, items: vec![at] }
        };
        items.iter().enumerate().map(draft).collect()
    })
}

async fn claim(store: &Store, now: Timestamp) -> Vec<Claim> {
    store.claim(at(now), ALL, together()).await.unwrap()
}

fn texts(claims: &[Claim]) -> Vec<String> {
    let mut texts: Vec<_> = claims.iter().map(|claim| String::from_utf8(claim.body.clone()).unwrap()).collect();
    texts.sort();
    texts
}

fn counts(waiting: usize, open: usize, dead: usize) -> Outbox {
    Outbox { waiting, open, dead }
}
