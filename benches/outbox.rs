//! A full outbox and a long memory: 1,000,000 letters that wait (how long until the first can be sent after a start, and
//! what memory that takes), and what the store needs on the disk per 1,000 letters. Takes minutes; prints a line for each
//! thing measured. With words: only the parts whose name holds one of them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod common;

use common::{BOTH, Growing, compose, memory_kib, size_of, user};
use mailbell::model::Now;
use mailbell::rules::retry::Next;
use mailbell::state::{Compose, State, Store};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Letters that wait.
const WAITING: u32 = 1_000_000;
/// Letters whose size is measured.
const LETTERS: u32 = 10_000;
/// Letters in one commit.
const SCAN: u32 = 100;
/// Where a store is to be opened by a process of its own, so that nothing else counts as its memory.
const OPEN: &str = "MAILBELL_BENCH_OPEN";

fn main() {
    if let Some(path) = std::env::var_os(OPEN) {
        return open(Path::new(&path));
    }
    let words: Vec<_> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |part: &str| words.is_empty() || words.iter().any(|word| part.contains(word.as_str()));
    if wanted("size") {
        size();
    }
    for recipients in [10_000, 1_000] {
        if wanted(&format!("full {recipients}")) {
            full(recipients);
        }
    }
}

/// The outbox is filled, and opened by another process.
fn full(recipients: u32) {
    let runtime = Runtime::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let store = Store::open(directory.path()).unwrap();
    let folder = Growing::of("all@corp.example");
    runtime.block_on(async {
        store.commit_scan(folder.bind(), BOTH).await.unwrap();
        for _ in 0..WAITING / SCAN {
            let to = |uid: u32| vec![user(&format!("user{:05}", uid % recipients))];
            store.commit_scan(folder.scan_for(SCAN, to), BOTH).await.unwrap();
        }
        store.close().await.unwrap();
    });
    drop(store);
    let filled = begun.elapsed();
    println!(
        "full: {WAITING} letters for {recipients} recipients stored in {filled:.1?}, {SCAN} a scan; {}",
        on_disk(directory.path())
    );
    for _ in 0..3 {
        let status = Command::new(std::env::current_exe().unwrap()).env(OPEN, directory.path()).status().unwrap();
        assert!(status.success());
    }
}

/// Opens a full store and claims from it, as a start does.
fn open(path: &Path) {
    let runtime = Runtime::new().unwrap();
    let composer: Arc<Compose> = Arc::new(compose);
    let begun = Instant::now();
    let store = Store::open(path).unwrap();
    let (opened, after_open) = (begun.elapsed(), memory_kib("VmRSS"));
    let first = runtime.block_on(store.claim(BOTH, 16, composer.clone())).unwrap();
    let claimed = begun.elapsed() - opened;
    let mut later = Vec::new();
    for _ in 0..10 {
        let begun = Instant::now();
        let claims = runtime.block_on(store.claim(BOTH, 16, composer.clone())).unwrap();
        assert_eq!((first.len(), claims.len()), (16, 16));
        later.push(begun.elapsed());
    }
    later.sort();
    let most = memory_kib("VmHWM") / 1024;
    println!(
        "  open {opened:.2?}, first claim of 16 {claimed:.2?}, later ones {:.2?}; resident {} MiB, at most {most} MiB",
        later[later.len() / 2],
        after_open / 1024,
    );
}

fn on_disk(path: &Path) -> String {
    let (bytes, taken) = size_of(path);
    format!("{:.1} MiB in files, {:.1} MiB on the disk", bytes as f64 / 1_048_576.0, taken as f64 / 1_048_576.0)
}

/// Letters stored, told and settled, one after the other as in life; then all of them are forgotten.
fn size() {
    let runtime = Runtime::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let tell = |what: &str| {
        let (bytes, taken) = size_of(directory.path());
        let per_thousand = |n: u64| n as f64 / f64::from(LETTERS / 1000) / 1024.0;
        println!(
            "size: {what}: {:.0} KiB in files, {:.0} KiB on the disk per 1,000 letters",
            per_thousand(bytes),
            per_thousand(taken)
        );
    };
    let store = Store::open(directory.path()).unwrap();
    let folder = Growing::of("all@corp.example");
    let composer: Arc<Compose> = Arc::new(compose);
    let mut now = BOTH;
    runtime.block_on(async {
        store.commit_scan(folder.bind(), BOTH).await.unwrap();
        for n in 0..LETTERS {
            let to = |uid: u32| vec![user(&format!("user{:05}", uid % 1000))];
            store.commit_scan(folder.scan_for(1, to), now).await.unwrap();
            for claim in store.claim(now, 16, composer.clone()).await.unwrap() {
                store.settle(claim.id, Next::Done.into(), now).await.unwrap();
            }
            if n % 10 == 9 {
                now = later(now, Duration::from_secs(10));
            }
        }
        assert_eq!(store.outbox().await.unwrap().waiting, 0);
        store.close().await.unwrap();
    });
    tell("committed, claimed, settled");
    drop(store);
    tell("closed");
    let store = Store::open(directory.path()).unwrap();
    tell("opened again");
    now = later(now, Duration::from_secs(31 * 86_400));
    runtime.block_on(async {
        let mut rounds = 1;
        while store.prune(now.steady).await.unwrap() {
            rounds += 1;
        }
        store.close().await.unwrap();
        tell(&format!("all forgotten after 30 days, in {rounds} rounds"));
    });
    drop(store);
    let store = Store::open(directory.path()).unwrap();
    runtime.block_on(store.close()).unwrap();
    drop(store);
    tell("opened and closed again");
}

fn later(now: Now, by: Duration) -> Now {
    Now { steady: now.steady.plus(by), wall: now.wall.plus(by) }
}
