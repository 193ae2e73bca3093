//! S1, S4, S8 on a full disk: clear errors, nothing acknowledged, and when there is space again all goes on without a
//! restart.

use super::{ALL, T0, account, after, at, each, inbox, item, open_dir, scan, user};
use crate::support::tmpfs::Tmpfs;
use mailbell::rules::retry::Next;
use mailbell::state::{Committed, State, StateError, Store};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const DISK_BYTES: u64 = 12 * 1024 * 1024;
const ROUNDS: usize = 3;
/// Opening is tried every few seconds.
const PATIENCE: Duration = Duration::from_secs(60);

async fn next_of(store: &Store) -> Result<u32, StateError> {
    Ok(store.marks(&account()).await?.get(&inbox()).map_or(1, |mark| mark.next))
}

/// Stores the next letter, for a recipient of its own; its number.
async fn commit_next(store: &Store) -> Result<u32, StateError> {
    let next = next_of(store).await?;
    let letters = vec![(user(&format!("u{next}")), item(u64::from(next), "会议"))];
    let from = (next > 1).then_some(next);
    assert_eq!(store.commit_scan(scan(from, next + 1, letters), at(T0)).await?, Committed::Stored(1));
    Ok(next)
}

fn is_clear(error: &StateError) {
    let text = error.to_string();
    assert!(matches!(error, StateError::Write(_)), "{error:?}");
    assert!(text.contains("No space left on device") && text.contains("free some space"), "{text}");
    assert!(!text.contains('\n'), "{text}");
}

#[tokio::test]
async fn all_that_was_acknowledged_is_there_when_there_is_space_again() {
    let Some(disk) = Tmpfs::mount(DISK_BYTES) else { return };
    let path = disk.path().join("state");
    let store = open_dir(&path);
    let mut acknowledged = BTreeSet::new();
    let mut settled = BTreeSet::new();
    for round in 0..ROUNDS {
        for _ in 0..20 {
            acknowledged.insert(commit_next(&store).await.unwrap());
        }
        let on_their_way = store.claim(at(T0), 2, each()).await.unwrap();
        assert_eq!(on_their_way.len(), 2);
        disk.fill();
        let error = loop {
            match commit_next(&store).await {
                Ok(number) => assert!(acknowledged.insert(number)),
                Err(error) => break error,
            }
        };
        is_clear(&error);
        for _ in 0..5 {
            is_clear(&commit_next(&store).await.unwrap_err());
            is_clear(&store.claim(at(T0), ALL, each()).await.unwrap_err());
            is_clear(&store.settle(on_their_way[0].id, Next::Done.into(), at(T0)).await.unwrap_err());
        }
        disk.free();
        let began = Instant::now();
        // As the delivery loop does it.
        while let Err(error) = store.settle(on_their_way[0].id, Next::Done.into(), at(T0)).await {
            is_clear(&error);
            assert!(began.elapsed() < PATIENCE, "round {round}: the store stays closed: {error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        settled.insert(on_their_way[0].recipients[0].to_string());
        let again = store.claim(at(T0), ALL, each()).await.unwrap();
        let again: BTreeSet<_> = again.iter().map(|claim| claim.id).collect();
        assert!(on_their_way.iter().all(|claim| !again.contains(&claim.id)), "somebody else has it (S4)");
        for id in again {
            store.settle(id, Next::Again(T0).into(), at(T0)).await.unwrap();
        }
        store.settle(on_their_way[1].id, Next::Again(T0).into(), at(T0)).await.unwrap();
    }
    drop(store);
    let store = open_dir(&path);
    let next = next_of(&store).await.unwrap();
    assert!(acknowledged.iter().all(|number| *number < next));
    // Later than a try of a dead process is put off.
    let later = at(after(3600));
    let mut found: Vec<String> = settled.into_iter().collect();
    loop {
        let claims = store.claim(later, ALL, each()).await.unwrap();
        if claims.is_empty() {
            break;
        }
        found.extend(claims.iter().map(|claim| claim.recipients[0].to_string()));
    }
    found.sort();
    let mut wanted: Vec<_> = (1..next).map(|number| format!("u{number}")).collect();
    wanted.sort();
    assert_eq!(found, wanted, "each letter below the mark is there, or settled, once");
}

#[test]
fn a_store_is_not_begun_on_a_full_disk() {
    let Some(disk) = Tmpfs::mount(DISK_BYTES) else { return };
    drop(open_dir(&disk.path().join("state")));
    disk.fill();
    let error = Store::open(&disk.path().join("state")).err().expect("there is no room");
    is_clear(&error);
    disk.free();
    drop(open_dir(&disk.path().join("state")));
}
