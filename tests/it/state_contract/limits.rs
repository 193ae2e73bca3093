//! S6 and the gates: what is counted is counted over restarts.

use super::{Place, T0, after, arrive, at, counts, each, on_both_backends};
use mailbell::model::{AccountId, Owner, Timestamp};
use mailbell::rules::budget::{Allowance, HOUR, Permit};
use mailbell::rules::retry::Next;
use mailbell::state::State;
use proptest::prelude::*;
use std::time::Duration;

on_both_backends!(
    a_permit_is_durable_before_it_is_given,
    owners_have_budgets_of_their_own,
    a_recipient_gets_27_in_63_seconds_and_urgent_ones_besides,
    the_anchor_and_the_latest_time_come_back,
);

const FIFTY: Allowance = Allowance { syncs: 50, free: 25, settle: Duration::ZERO };

async fn a_permit_is_durable_before_it_is_given(place: Place) {
    let owner = Owner::User("zhangsan".into());
    let mut given = 0;
    for second in 0..30 {
        // Each permit is the last deed of a process.
        let store = place.open();
        match store.admit_sync(&owner, FIFTY, after(second)).await.unwrap() {
            Permit::Go(spent) => {
                given += 1;
                drop(store);
                assert_eq!(place.open().spent(&owner).await.unwrap(), spent);
            }
            Permit::WaitUntil(at) => assert_eq!(at, after(144), "the next paced one"),
        }
    }
    assert_eq!(given, 26, "25 free ones and a paced one");
}

async fn owners_have_budgets_of_their_own(place: Place) {
    let store = place.open();
    let owners = [
        Owner::User("a@b".into()),
        Owner::User("a@b.c".into()),
        Owner::Shared(AccountId::new("a@b")),
        Owner::Shared(AccountId::new("user:a@b")),
    ];
    let one = Allowance { syncs: 1, free: 0, settle: Duration::ZERO };
    for owner in &owners {
        assert!(matches!(store.admit_sync(owner, one, T0).await.unwrap(), Permit::Go(_)), "{owner:?}");
    }
    for owner in &owners {
        let next = store.admit_sync(owner, one, after(1)).await.unwrap();
        assert_eq!(next, Permit::WaitUntil(after(3600)), "{owner:?}");
    }
}

async fn a_recipient_gets_27_in_63_seconds_and_urgent_ones_besides(place: Place) {
    let store = place.open();
    let subjects: Vec<_> = (0..40).map(|number| number.to_string()).collect();
    let mut letters: Vec<_> = (0..40).map(|number| ("zhangsan", number as u64, subjects[number].as_str())).collect();
    letters.push(("lisi", 99, "x"));
    arrive(&store, T0, &letters).await;
    let first = store.claim(at(T0), super::ALL, each()).await.unwrap();
    let of = |name: &str| first.iter().filter(|claim| claim.recipients == [super::user(name)]).count();
    assert_eq!((of("zhangsan"), of("lisi")), (27, 1), "one full gate closes no other");
    assert_eq!(store.outbox().await.unwrap(), counts(0, 41, 0));
    for claim in first {
        store.settle(claim.id, Next::Done.into(), at(T0)).await.unwrap();
    }
    arrive(&store, after(1), &[("zhangsan", 100, "later")]).await;
    drop(store);
    let store = place.open();
    assert_eq!(store.claim(at(after(62)), super::ALL, each()).await.unwrap().len(), 0, "also for another process");
    assert_eq!(store.next_due(at(after(62))).await.unwrap(), Some(after(63)));
    assert_eq!(store.claim(at(after(63)), super::ALL, each()).await.unwrap().len(), 14);
}

async fn the_anchor_and_the_latest_time_come_back(place: Place) {
    let store = place.open();
    assert_eq!(store.anchor().await.unwrap(), (None, Timestamp(0)));
    let anchor = mailbell::clock::Anchor { boot_id: "b".to_owned(), offset_ms: -5 };
    store.set_anchor(&anchor).await.unwrap();
    store.admit_sync(&Owner::User("a".into()), FIFTY, after(10)).await.unwrap();
    drop(store);
    let store = place.open();
    assert_eq!(store.anchor().await.unwrap(), (Some(anchor.clone()), after(10)));
    arrive(&store, after(20), &[("zhangsan", 1, "x")]).await;
    store.claim(at(after(20)), 1, each()).await.unwrap();
    drop(store);
    assert_eq!(place.open().anchor().await.unwrap(), (Some(anchor), after(20)), "a try counts too");
}

/// What happens before a sync is asked for.
#[derive(Clone, Debug)]
enum Event {
    Nothing,
    Reopened,
    /// Reopened with another `free_syncs`.
    Free(u32),
    /// Reopened after the clock was set back so far.
    SetBack(i64),
}

fn events() -> impl Strategy<Value = Vec<(i64, Event)>> {
    let event = prop_oneof![
        6 => Just(Event::Nothing),
        2 => Just(Event::Reopened),
        1 => (0_u32..50).prop_map(Event::Free),
        1 => (0_i64..10_000_000).prop_map(Event::SetBack),
    ];
    // Most come in bursts.
    let gap = prop_oneof![4 => 0_i64..3000, 2 => 0_i64..100_000, 1 => 0_i64..2_000_000];
    proptest::collection::vec((gap, event), 1..250)
}

fn most_in_an_hour(times: &[i64]) -> usize {
    let within = |end: &i64| times.iter().filter(|time| **time <= *end && end - **time < 3_600_000).count();
    times.iter().map(within).max().unwrap_or(0)
}

#[tokio::test]
async fn another_share_of_free_ones_gives_no_second_budget() {
    let place = Place::memory();
    for (first, second) in [(49, 0), (0, 49)] {
        let owner = Owner::User(format!("user{first}").into());
        let (mut given, mut now, mut store) = (Vec::new(), T0, place.open());
        for number in 0..300 {
            if number == 150 {
                drop(store);
                store = place.open();
            }
            let free = if number < 150 { first } else { second };
            let allowance = Allowance { free, ..FIFTY };
            match store.admit_sync(&owner, allowance, now).await.unwrap() {
                Permit::Go(_) => given.push(now.0),
                Permit::WaitUntil(at) => now = at.min(now.plus(Duration::from_secs(30))),
            }
        }
        assert!(most_in_an_hour(&given) <= 50, "from {first} to {second}: {}", most_in_an_hour(&given));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn never_more_than_fifty_permits_in_any_hour(events in events(), free in 0_u32..50) {
        let mut allowance = Allowance { free, ..FIFTY };
        let mut changed = false;
        let owner = Owner::Shared(AccountId::new("info@corp.example"));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let place = Place::memory();
        let mut store = place.open();
        // `real` is time as it passes, `shift` what the clock is behind it.
        let (mut real, mut shift, mut given) = (0_i64, 0_i64, Vec::new());
        for (gap, event) in events {
            real += gap;
            if !matches!(event, Event::Nothing) {
                drop(store);
                store = place.open();
            }
            match event {
                Event::SetBack(by) => (shift, changed) = (shift + by, true),
                Event::Free(free) => (allowance.free, changed) = (free, true),
                Event::Nothing | Event::Reopened => {}
            }
            let now = Timestamp(T0.0 + real - shift);
            match runtime.block_on(store.admit_sync(&owner, allowance, now)).unwrap() {
                Permit::Go(_) => given.push(real),
                Permit::WaitUntil(at) => {
                    let longest = if changed { HOUR } else { allowance.pace() };
                    prop_assert!(at > now && at <= now.plus(longest));
                }
            }
        }
        prop_assert!(most_in_an_hour(&given) <= 50, "{given:?}");
    }
}
