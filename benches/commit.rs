//! The store on sled in a directory of its own: letters in, alerts out, each step durable when it returns.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mailbell::model::{
    AccountId, AlertKind, Fate, Item, Letter, LetterId, Mark, Now, RawName, Recipient, Sender, Sighting, Timestamp,
    Urgency,
};
use mailbell::rules::retry::Next;
use mailbell::state::{Compose, Content, Draft, Scan, Shape, State, Store};
use std::cell::Cell;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Some moment; the steps are about its order only.
const NOW: Timestamp = Timestamp(1_795_223_287_000);
const BOTH: Now = Now { steady: NOW, wall: NOW };

/// A folder that grows: each scan goes on where the last one ended.
struct Growing {
    account: AccountId,
    next: Cell<u32>,
}

impl Growing {
    fn new() -> Self {
        Self { account: AccountId::new("zhangsan@corp.example"), next: Cell::new(1) }
    }

    fn mark(&self) -> Mark {
        Mark { uid_validity: 7, next: self.next.get(), bound_at: NOW, looked_at: NOW, mailbox_id: None }
    }

    /// The first look: the folder is bound.
    fn bind(&self) -> Scan {
        Scan { from: None, ..self.scan(0) }
    }

    /// `count` new letters, each for a member of its own, so that no gate closes.
    fn scan(&self, count: u32) -> Scan {
        let from = Some(self.mark());
        let first = self.next.replace(self.next.get() + count);
        let letters = (first..first + count).map(|uid| Sighting {
            item: self.item(uid),
            uid,
            subscription: 1,
            urgency: Urgency::Normal,
            fate: Fate::Announce(vec![Recipient::User(format!("u{uid}").into())]),
        });
        let folder = RawName::new(b"INBOX");
        Scan {
            account: self.account.clone(),
            folder,
            from,
            to: self.mark(),
            letters: letters.collect(),
            deferred: Duration::ZERO,
            catching_up: false,
        }
    }

    fn item(&self, uid: u32) -> Item {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&uid.to_be_bytes());
        let letter = Letter {
            id: LetterId(id),
            from: Sender { name: Some("张三".to_owned()), address: Some("zs@partner.example".to_owned()) },
            subject: Some("关于第四季度合同付款安排的通知（请各部门于本周五前确认）".to_owned()),
            time: NOW,
            size: 20_480,
            attachment: true,
            seen: false,
            readable: true,
        };
        Item { account: self.account.clone(), folder: "INBOX".into(), letter, told_at: NOW, away: None }
    }
}

/// A body of a card's size for each recipient.
fn compose(to: &[Recipient], content: Content<'_>, Shape { number, .. }: Shape) -> Vec<Draft> {
    let Content::Letters(items) = content else { return Vec::new() };
    let body = format!("{to:?} {number} {}", "邮".repeat(250)).into_bytes();
    vec![Draft { kind: AlertKind::Letter, body, items: (0..items.len()).collect() }]
}

/// What the disk itself costs: 4 KiB written and made durable, in the same place.
fn disk(c: &mut Criterion) {
    let directory = tempfile::tempdir().unwrap();
    let mut file = File::create(directory.path().join("file")).unwrap();
    c.bench_function("the disk alone: write 4 KiB and fsync", |b| {
        b.iter(|| {
            file.seek(SeekFrom::Start(0)).unwrap();
            file.write_all(&[7; 4096]).unwrap();
            file.sync_all().unwrap();
        });
    });
}

fn commit(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = c.benchmark_group("commit");
    for count in [1, 100] {
        let directory = tempfile::tempdir().unwrap();
        let (store, folder) = (Store::open(directory.path()).unwrap(), Growing::new());
        runtime.block_on(store.commit_scan(folder.bind(), BOTH)).unwrap();
        group.throughput(Throughput::Elements(u64::from(count)));
        group.bench_function(format!("a scan of {count}"), |b| {
            let commit = |scan| runtime.block_on(store.commit_scan(scan, BOTH)).unwrap();
            b.iter_batched(|| folder.scan(count), commit, BatchSize::PerIteration);
        });
    }
    group.finish();
}

fn deliver(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (store, folder) = (Store::open(directory.path()).unwrap(), Growing::new());
    runtime.block_on(store.commit_scan(folder.bind(), BOTH)).unwrap();
    let composer: Arc<Compose> = Arc::new(compose);
    let mut group = c.benchmark_group("deliver");
    group.throughput(Throughput::Elements(1));
    group.bench_function("claim and settle one alert", |b| {
        let ready = || {
            runtime.block_on(store.commit_scan(folder.scan(1), BOTH)).unwrap();
        };
        let send = |()| {
            runtime.block_on(async {
                let claims = store.claim(BOTH, 16, composer.clone()).await.unwrap();
                assert_eq!(claims.len(), 1);
                store.settle(claims[0].id, Next::Done.into(), BOTH).await.unwrap();
            });
        };
        b.iter_batched(ready, send, BatchSize::PerIteration);
    });
    group.finish();
}

criterion_group!(benches, disk, commit, deliver);
criterion_main!(benches);
