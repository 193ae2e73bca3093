//! Who was met is remembered for 30 days, each owner for themselves, and colleagues' names for all.

use super::{Place, T0, after, at, inbox, mark, on_both_backends, scan};
use mailbell::model::{Fingerprint, Owner, RawName, Timestamp};
use mailbell::state::{Known, Met, Scan, State, Store};
use std::collections::HashSet;

const DAY: u64 = 86_400;
const NEAR: Fingerprint = Fingerprint([1; 16]);
const FAR: Fingerprint = Fingerprint([2; 16]);

fn owner(user: &str) -> Owner {
    Owner::User(user.into())
}

async fn meet(store: &Store, folder: &str, user: &str, sender: Fingerprint, name: Option<Fingerprint>, now: Timestamp) {
    let met = Met { owner: Some(owner(user)), senders: vec![sender], colleagues: name.into_iter().collect() };
    let folder = RawName::new(folder.as_bytes());
    store.commit_scan(Scan { folder, met, ..scan(None, 2, Vec::new()) }, at(now)).await.unwrap();
}

async fn known(store: &Store, user: &str, now: Timestamp) -> Known {
    store.known(&owner(user), vec![NEAR, FAR], vec![NEAR, FAR], now).await.unwrap()
}

async fn senders_are_remembered_per_owner_and_names_for_all(place: Place) {
    let store = place.open();
    assert_eq!(known(&store, "a", T0).await, Known::default());
    meet(&store, "1", "a", NEAR, Some(FAR), T0).await;
    let told = known(&store, "a", after(5)).await;
    assert_eq!(told.since, Some(T0));
    assert_eq!((told.senders, told.colleagues), (HashSet::from([NEAR]), HashSet::from([FAR])));
    let told = known(&store, "b", after(5)).await;
    assert_eq!((told.since, told.senders, told.colleagues), (None, HashSet::new(), HashSet::from([FAR])));
}

async fn a_month_without_a_letter_makes_a_stranger(place: Place) {
    let store = place.open();
    meet(&store, "1", "a", NEAR, None, T0).await;
    meet(&store, "2", "a", FAR, Some(FAR), T0).await;
    meet(&store, "3", "a", NEAR, None, after(20 * DAY)).await;
    let told = known(&store, "a", after(31 * DAY)).await;
    assert_eq!((told.senders, told.colleagues), (HashSet::from([NEAR]), HashSet::new()));
    assert_eq!(told.since, Some(T0), "the memory itself is as old as it was");
    while store.prune(after(31 * DAY)).await.unwrap() {}
    // As if it were earlier: what is pruned does not come back.
    let told = known(&store, "a", after(21 * DAY)).await;
    assert_eq!((told.senders, told.colleagues, told.since), (HashSet::from([NEAR]), HashSet::new(), Some(T0)));
}

async fn a_commit_that_is_stale_meets_nobody(place: Place) {
    let store = place.open();
    meet(&store, "INBOX", "a", NEAR, None, T0).await;
    let met = Met { owner: Some(owner("a")), senders: vec![FAR], colleagues: Vec::new() };
    let scan = Scan { folder: inbox(), from: Some(mark(7)), met, ..scan(None, 9, Vec::new()) };
    store.commit_scan(scan, at(T0)).await.unwrap();
    assert_eq!(known(&store, "a", T0).await.senders, HashSet::from([NEAR]));
}

on_both_backends!(
    senders_are_remembered_per_owner_and_names_for_all,
    a_month_without_a_letter_makes_a_stranger,
    a_commit_that_is_stale_meets_nobody
);
