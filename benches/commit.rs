//! The store on sled in a directory of its own: letters in, alerts out, each step durable when it returns; one caller
//! after another, and many at one time, who share what the disk costs.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod common;

use common::{BOTH, Growing, compose};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures_util::future::join_all;
use mailbell::rules::retry::Next;
use mailbell::state::{Compose, State, Store};
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Callers at one time: accounts that commit, messages that are settled.
const CALLERS: [usize; 3] = [1, 16, 64];

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

/// A store with the folders of so many accounts.
fn store(runtime: &Runtime, accounts: usize) -> (TempDir, Store, Vec<Growing>) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let folders: Vec<_> = (0..accounts).map(|n| Growing::of(&format!("{n}@corp.example"))).collect();
    for folder in &folders {
        runtime.block_on(store.commit_scan(folder.bind(), BOTH)).unwrap();
    }
    (directory, store, folders)
}

fn commit(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = c.benchmark_group("commit");
    for count in [1, 100] {
        let (_directory, store, folders) = store(&runtime, 1);
        group.throughput(Throughput::Elements(u64::from(count)));
        group.bench_function(format!("a scan of {count}"), |b| {
            let commit = |scan| runtime.block_on(store.commit_scan(scan, BOTH)).unwrap();
            b.iter_batched(|| folders[0].scan(count), commit, BatchSize::PerIteration);
        });
    }
    group.throughput(Throughput::Elements(1));
    for callers in CALLERS {
        let (_directory, store, folders) = store(&runtime, callers);
        group.bench_function(BenchmarkId::new("scans of 1 by callers at one time", callers), |b| {
            b.iter_custom(|letters| {
                let rounds = letters.div_ceil(callers as u64);
                let each = async |folder: &Growing| {
                    for _ in 0..rounds {
                        store.commit_scan(folder.scan(1), BOTH).await.unwrap();
                    }
                };
                let begun = Instant::now();
                runtime.block_on(join_all(folders.iter().map(each)));
                per_letter(begun.elapsed(), letters, rounds * callers as u64)
            });
        });
    }
    group.finish();
}

/// The time of `asked` letters, where `done` took so long.
fn per_letter(time: Duration, asked: u64, done: u64) -> Duration {
    time.mul_f64(asked as f64 / done as f64)
}

fn deliver(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let composer: Arc<Compose> = Arc::new(compose);
    let mut group = c.benchmark_group("deliver");
    group.throughput(Throughput::Elements(1));
    let (_directory, one, folders) = store(&runtime, 1);
    group.bench_function("claim and settle one alert", |b| {
        let ready = || {
            runtime.block_on(one.commit_scan(folders[0].scan(1), BOTH)).unwrap();
        };
        let send = |()| {
            runtime.block_on(async {
                let claims = one.claim(BOTH, 16, composer.clone()).await.unwrap();
                assert_eq!(claims.len(), 1);
                one.settle(claims[0].id, Next::Done.into(), BOTH).await.unwrap();
            });
        };
        b.iter_batched(ready, send, BatchSize::PerIteration);
    });
    for callers in CALLERS {
        let (_directory, store, folders) = store(&runtime, 1);
        group.bench_function(BenchmarkId::new("settles by callers at one time", callers), |b| {
            b.iter_custom(|alerts| {
                let rounds = alerts.div_ceil(callers as u64);
                let mut time = Duration::ZERO;
                for _ in 0..rounds {
                    let scan = folders[0].scan(u32::try_from(callers).unwrap());
                    runtime.block_on(store.commit_scan(scan, BOTH)).unwrap();
                    let claims = runtime.block_on(store.claim(BOTH, callers, composer.clone())).unwrap();
                    assert_eq!(claims.len(), callers);
                    let begun = Instant::now();
                    let settles = claims.iter().map(|claim| store.settle(claim.id, Next::Done.into(), BOTH));
                    runtime.block_on(join_all(settles)).into_iter().for_each(|settled| settled.unwrap());
                    time += begun.elapsed();
                }
                per_letter(time, alerts, rounds * callers as u64)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, disk, commit, deliver);
criterion_main!(benches);
