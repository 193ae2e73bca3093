//! S1, S2, S3: marks and letters together, each letter once, nothing for a stale look.

use super::{
    Place, T0, account, after, arrive, at, claim, counts, each, inbox, item, mark, on_both_backends, scan, texts, user,
};
use mailbell::model::{Recipient, Timestamp};
use mailbell::rules::retry::Next;
use mailbell::state::{Committed, State, Store};
use std::collections::BTreeSet;
use std::time::Duration;

on_both_backends!(
    a_stale_commit_changes_nothing,
    a_look_without_news_is_no_reason_for_staleness,
    a_letter_is_stored_once_for_each_recipient,
    a_letter_is_remembered_for_thirty_days,
    a_mark_is_never_ahead_wherever_it_crashes,
    marks_are_of_one_account,
);

async fn a_stale_commit_changes_nothing(place: Place) {
    let store = place.open();
    let letters = |number| vec![(user("zhangsan"), item(number, "x"))];
    assert_eq!(store.commit_scan(scan(None, 5, letters(1)), at(T0)).await.unwrap(), Committed::Stored(1));
    for from in [None, Some(4), Some(6)] {
        assert_eq!(store.commit_scan(scan(from, 9, letters(2)), at(T0)).await.unwrap(), Committed::Stale, "{from:?}");
    }
    let store = {
        drop(store);
        place.open()
    };
    assert_eq!(store.marks(&account()).await.unwrap()[&inbox()], mark(5));
    assert_eq!(store.outbox().await.unwrap(), counts(1, 0, 0));
    assert_eq!(
        store.commit_scan(scan(Some(5), 6, letters(2)), at(T0)).await.unwrap(),
        Committed::Stored(1),
        "not lost"
    );
}

async fn a_look_without_news_is_no_reason_for_staleness(place: Place) {
    let store = place.open();
    store.commit_scan(scan(None, 5, Vec::new()), at(T0)).await.unwrap();
    let looked = mailbell::model::Mark { looked_at: Timestamp(99), ..mark(5) };
    store.touch(&account(), &inbox(), looked).await.unwrap();
    assert_eq!(store.marks(&account()).await.unwrap()[&inbox()], looked);
    assert_eq!(store.commit_scan(scan(Some(5), 6, Vec::new()), at(T0)).await.unwrap(), Committed::Stored(0));
}

async fn a_letter_is_stored_once_for_each_recipient(place: Place) {
    let store = place.open();
    let to = |name: &str| (user(name), item(1, "x"));
    let letters = vec![to("zhangsan"), to("zhangsan"), to("lisi"), to("party:1"), to("zhangsan")];
    assert_eq!(store.commit_scan(scan(None, 5, letters), at(T0)).await.unwrap(), Committed::Stored(3));
    let letters = vec![to("lisi"), to("tag:1")];
    assert_eq!(store.commit_scan(scan(Some(5), 6, letters), at(T0)).await.unwrap(), Committed::Stored(1));
    assert_eq!(store.outbox().await.unwrap(), counts(4, 0, 0));
    let claims = claim(&store, T0).await;
    assert_eq!(texts(&claims), ["lisi: x", "party:1: x", "tag:1: x", "zhangsan: x"]);
    for claim in claims {
        store.settle(claim.id, Next::Done.into(), at(T0)).await.unwrap();
    }
    drop(store);
    let store = place.open();
    assert_eq!(arrive(&store, T0, &[("zhangsan", 1, "x"), ("lisi", 1, "x")]).await, 0, "also when it was settled");
    assert_eq!(arrive(&store, T0, &[("user1", 1, "x"), ("user", 1, "x")]).await, 2, "names that begin alike");
}

async fn a_letter_is_remembered_for_thirty_days(place: Place) {
    let month = Duration::from_secs(30 * 86_400);
    let store = place.open();
    assert_eq!(arrive(&store, T0, &[("lisi", 1, "x")]).await, 1);
    store.prune(T0.plus(month)).await.unwrap();
    assert_eq!(arrive(&store, T0.plus(month), &[("lisi", 1, "x")]).await, 0, "not before");
    store.prune(T0.plus(month + Duration::from_secs(1))).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let store = place.open();
    assert_eq!(arrive(&store, T0.plus(month + Duration::from_secs(1)), &[("lisi", 1, "x")]).await, 1, "but after");
}

async fn marks_are_of_one_account(place: Place) {
    let store = place.open();
    let odd = mailbell::model::RawName::new(&[0, 255, b'/', 0]);
    store.commit_scan(scan(None, 5, Vec::new()), at(T0)).await.unwrap();
    let mut other = scan(None, 8, Vec::new());
    other.account = mailbell::model::AccountId::new("zhangsan@corp.example.org");
    store.commit_scan(other.clone(), at(T0)).await.unwrap();
    other.folder = odd.clone();
    store.commit_scan(other.clone(), at(T0)).await.unwrap();
    assert_eq!(store.marks(&account()).await.unwrap().into_iter().collect::<Vec<_>>(), [(inbox(), mark(5))]);
    let others = store.marks(&other.account).await.unwrap();
    assert_eq!((others.len(), others[&odd]), (2, mark(8)));
}

/// The steps of a small life; each letter goes to two recipients.
const STEPS: usize = 24;

/// So far apart that no gate closes.
fn steps_time(number: usize) -> Timestamp {
    after(number as u64 * 200)
}

async fn step(store: &Store, number: usize, settled: &mut BTreeSet<(Recipient, String)>) {
    let now = steps_time(number);
    match number % 3 {
        0 | 1 => {
            let marks = store.marks(&account()).await.unwrap();
            let from = marks.get(&inbox()).map(|mark| mark.next);
            let next = from.unwrap_or(1);
            let letter = item(u64::from(next), &next.to_string());
            let letters = vec![(user("zhangsan"), letter.clone()), (user("lisi"), letter)];
            let done = store.commit_scan(scan(from, next + 1, letters), at(now)).await.unwrap();
            assert_eq!(done, Committed::Stored(2));
        }
        _ => {
            let claims = store.claim(at(now), 3, each()).await.unwrap();
            for (place, claim) in claims.iter().enumerate() {
                match place {
                    0 => {
                        store.settle(claim.id, Next::Done.into(), at(now)).await.unwrap();
                        settled.insert((claim.recipients[0].clone(), String::from_utf8(claim.body.clone()).unwrap()));
                    }
                    1 => store.settle(claim.id, Next::Again(now).into(), at(now)).await.unwrap(),
                    _ => {} // its sender died
                }
            }
        }
    }
}

async fn a_mark_is_never_ahead_wherever_it_crashes(place: Place) {
    let mut settled = BTreeSet::new();
    let mut store = place.open();
    for number in 0..STEPS {
        step(&store, number, &mut settled).await;
        drop(store);
        store = place.open();
        let mark = store.marks(&account()).await.unwrap()[&inbox()];
        let mut there = settled.clone();
        // A look into the outbox is a claim; the next opening takes it back.
        let found =
            store.claim(at(steps_time(number).plus(Duration::from_secs(100))), super::ALL, each()).await.unwrap();
        for claim in found {
            let new = there.insert((claim.recipients[0].clone(), String::from_utf8(claim.body).unwrap()));
            assert!(new, "settled and yet there");
        }
        for uid in 1..mark.next {
            for to in [user("zhangsan"), user("lisi")] {
                let text = format!("{to}: {uid}");
                assert!(there.contains(&(to, text)), "after step {number} the mark {mark:?} is ahead of {uid}");
            }
        }
        assert_eq!(there.len(), 2 * (mark.next as usize - 1));
        drop(store);
        store = place.open();
    }
}
