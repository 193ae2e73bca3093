//! Copies of the directory, made while it is written: each opens, and holds what was acknowledged before the copying
//! began, as after a power cut.

use super::damaged::copy;
use super::{ALL, T0, account, after, at, each, inbox, item, open_dir, scan, user};
use mailbell::rules::retry::Next;
use mailbell::state::{Committed, State, Store};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

const COPIES: usize = 12;

/// What is safe, as told by the store.
#[derive(Default)]
struct Safe {
    committed: AtomicU32,
    settled: Mutex<BTreeSet<String>>,
    over: AtomicBool,
}

/// Letters in, alerts out, until it is told to end.
async fn work(store: &Store, safe: &Safe) {
    let mut next = 1;
    while !safe.over.load(Ordering::SeqCst) {
        let letters = vec![(user(&format!("u{next}")), item(u64::from(next), "会议"))];
        let from = (next > 1).then_some(next);
        assert_eq!(store.commit_scan(scan(from, next + 1, letters), at(T0)).await.unwrap(), Committed::Stored(1));
        safe.committed.store(next, Ordering::SeqCst);
        next += 1;
        if next % 4 == 0 {
            for claim in store.claim(at(T0), 2, each()).await.unwrap() {
                store.settle(claim.id, Next::Done.into(), at(T0)).await.unwrap();
                safe.settled.lock().unwrap().insert(claim.recipients[0].to_string());
            }
        }
    }
}

/// The copy is as the store was at some moment after `committed` and `settled` were safe.
async fn check(path: &Path, committed: u32, settled: &BTreeSet<String>, claimed_later: &BTreeSet<String>) {
    let store = open_dir(path);
    let marks = store.marks(&account()).await.unwrap();
    let next = marks.get(&inbox()).map_or(1, |mark| mark.next);
    assert!(next > committed, "letter {committed} was safe, the mark of the copy is {next}");
    let claims = store.claim(at(after(3600)), ALL, each()).await.unwrap();
    let found: BTreeSet<_> = claims.iter().map(|claim| claim.recipients[0].to_string()).collect();
    assert_eq!(found.len(), claims.len(), "one alert per letter");
    for number in 1..next {
        let to = format!("u{number}");
        assert!(!(found.contains(&to) && settled.contains(&to)), "{to} was settled and is there");
        assert!(found.contains(&to) || claimed_later.contains(&to), "{to} is below the mark {next} and missing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_of_a_store_that_is_written_open_and_miss_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let store = open_dir(&path);
    let safe = Safe::default();
    let copies = async {
        let mut made = Vec::new();
        for number in 0..COPIES {
            let enough = u32::try_from(60 * (number + 1)).unwrap();
            while safe.committed.load(Ordering::SeqCst) < enough {
                tokio::task::yield_now().await;
            }
            let committed = safe.committed.load(Ordering::SeqCst);
            let settled = safe.settled.lock().unwrap().clone();
            let to = dir.path().join(format!("copy{number}"));
            tokio::task::spawn_blocking({
                let (path, to) = (path.clone(), to.clone());
                move || copy(&path, &to)
            })
            .await
            .unwrap();
            made.push((to, committed, settled));
        }
        safe.over.store(true, Ordering::SeqCst);
        made
    };
    let ((), made) = tokio::join!(work(&store, &safe), copies);
    let in_the_end = safe.settled.lock().unwrap().clone();
    for (to, committed, settled) in made {
        check(&to, committed, &settled, &in_the_end).await;
    }
}
