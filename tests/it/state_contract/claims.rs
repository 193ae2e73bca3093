//! S4, S5, S8: one sender at a time, and the same body at every try.

use super::{
    ALL, Place, T0, after, arrive, at, claim, counts, each, item, on_both_backends, scan, sighting, texts, together,
    user,
};
use mailbell::model::{AlertId, Recipient, Urgency};
use mailbell::rules::retry::Next;
use mailbell::state::{Scan, State, Store};

on_both_backends!(
    a_claim_is_given_to_nobody_else,
    settling_needs_the_claim,
    a_dead_alert_is_kept_and_not_tried,
    claims_of_the_dead_are_void_and_their_bodies_stay,
    waiting_letters_merge_and_a_tried_alert_does_not,
    no_more_is_claimed_than_asked_for,
    equal_bodies_are_numbered_for_four_hours,
    a_body_is_remembered_from_its_last_try,
    the_recipients_of_claims_are_theirs,
    who_has_very_many_letters_lets_the_others_pass,
);

const HOUR: u64 = 3600;

async fn a_claim_is_given_to_nobody_else(place: Place) {
    let store = place.open();
    arrive(&store, T0, &[("zhangsan", 1, "x")]).await;
    let first = claim(&store, T0).await;
    assert_eq!((first.len(), first[0].tries, first[0].told_at), (1, 1, T0));
    assert_eq!(claim(&store, after(10 * HOUR)).await.len(), 0);
    assert_eq!(store.next_due(at(after(10 * HOUR))).await.unwrap(), None);

    store.settle(first[0].id, Next::Again(after(20)).into(), at(T0)).await.unwrap();
    assert_eq!(store.next_due(at(T0)).await.unwrap(), Some(after(20)));
    assert_eq!(claim(&store, after(19)).await.len(), 0);
    let again = claim(&store, after(20)).await;
    assert_eq!((again.len(), again[0].id, again[0].tries), (1, first[0].id, 2));
    assert_eq!(again[0].body, first[0].body);
    store.settle(again[0].id, Next::Done.into(), at(after(20))).await.unwrap();
    assert_eq!(store.outbox().await.unwrap(), counts(0, 0, 0));
    assert_eq!(claim(&store, after(HOUR)).await.len(), 0);
}

async fn settling_needs_the_claim(place: Place) {
    let store = place.open();
    arrive(&store, T0, &[("zhangsan", 1, "x")]).await;
    let id = claim(&store, T0).await[0].id;
    store.settle(id, Next::Again(after(5)).into(), at(T0)).await.unwrap();
    for next in [Next::Done, Next::Dead("refused".to_owned()), Next::Again(after(10 * HOUR))] {
        store.settle(id, next.into(), at(T0)).await.unwrap();
    }
    store.settle(AlertId(u64::MAX), Next::Done.into(), at(T0)).await.unwrap();
    assert_eq!(store.next_due(at(T0)).await.unwrap(), Some(after(5)));
    assert_eq!(claim(&store, after(5)).await.len(), 1);
    drop(store);
    let store = place.open();
    store.settle(id, Next::Done.into(), at(after(5))).await.unwrap();
    assert_eq!(store.outbox().await.unwrap(), counts(0, 1, 0), "the claim died with its process");
    assert_eq!(claim(&store, after(7)).await[0].tries, 3);
}

async fn a_dead_alert_is_kept_and_not_tried(place: Place) {
    let store = place.open();
    arrive(&store, T0, &[("zhangsan", 1, "x"), ("lisi", 1, "x")]).await;
    let claims = claim(&store, T0).await;
    store.settle(claims[0].id, Next::Dead("81013".to_owned()).into(), at(T0)).await.unwrap();
    store.settle(claims[1].id, Next::Done.into(), at(T0)).await.unwrap();
    assert_eq!(store.outbox().await.unwrap(), counts(0, 0, 1));
    assert_eq!((claim(&store, after(HOUR)).await.len(), store.next_due(at(T0)).await.unwrap()), (0, None));
    drop(store);
    let store = place.open();
    assert_eq!(store.outbox().await.unwrap(), counts(0, 0, 1));
    assert_eq!(claim(&store, after(HOUR)).await.len(), 0);
}

async fn claims_of_the_dead_are_void_and_their_bodies_stay(place: Place) {
    let store = place.open();
    arrive(&store, T0, &[("zhangsan", 1, "会议"), ("zhangsan", 2, "b"), ("lisi", 3, "c")]).await;
    let first = claim(&store, T0).await;
    assert_eq!(texts(&first), ["lisi: c", "zhangsan: 会议 + b"]);
    let mut tries = 1;
    drop(store);
    let mut now = 0;
    for round in 1..8 {
        let store = place.open();
        // A message that kills its sender does not do so for ever without a pause.
        let due = store.next_due(at(after(now))).await.unwrap().unwrap();
        assert!(due > after(now) && due <= after(now + (1 << round).min(15)), "{due:?} after {now} s");
        now += 20;
        let again = claim(&store, after(now)).await;
        tries += 1;
        for claim in &again {
            let before = first.iter().find(|c| c.id == claim.id).unwrap();
            assert_eq!((&claim.body, &claim.recipients, claim.tries), (&before.body, &before.recipients, tries));
        }
        assert_eq!(again.len(), 2);
    }
}

async fn waiting_letters_merge_and_a_tried_alert_does_not(place: Place) {
    let store = place.open();
    arrive(&store, T0, &[("zhangsan", 1, "a")]).await;
    let first = claim(&store, T0).await;
    store.settle(first[0].id, Next::Again(after(5)).into(), at(T0)).await.unwrap();
    arrive(&store, after(1), &[("zhangsan", 2, "b")]).await;
    arrive(&store, after(2), &[("zhangsan", 3, "c"), ("lisi", 3, "c")]).await;
    drop(store);
    let store = place.open();
    assert_eq!(store.outbox().await.unwrap(), counts(3, 1, 0));
    let claims = claim(&store, after(5)).await;
    assert_eq!(texts(&claims), ["lisi: c", "zhangsan: a", "zhangsan: b + c"]);
    assert_eq!(claims.iter().map(|claim| claim.tries).max(), Some(2));
}

async fn no_more_is_claimed_than_asked_for(place: Place) {
    let store = place.open();
    arrive(&store, T0, &[("a", 1, "1"), ("a", 2, "2"), ("a", 3, "3"), ("b", 4, "4")]).await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        let claims = store.claim(at(T0), 1, each()).await.unwrap();
        assert_eq!(claims.len(), 1);
        seen.extend(texts(&claims));
    }
    seen.sort();
    assert_eq!(seen, ["a: 1", "a: 2", "a: 3", "b: 4"]);
    assert_eq!(store.claim(at(T0), 1, each()).await.unwrap().len(), 0);
    assert_eq!(store.claim(at(T0), 0, each()).await.unwrap().len(), 0);
}

async fn equal_bodies_are_numbered_for_four_hours(place: Place) {
    let store = place.open();
    let mut texts_seen = Vec::new();
    for (number, seconds) in [(1, 0), (2, 60), (3, 4 * HOUR)] {
        arrive(&store, after(seconds), &[("zhangsan", number, "x"), ("lisi", 100 + number, &number.to_string())]).await;
        let claims = claim(&store, after(seconds)).await;
        for claim in &claims {
            store.settle(claim.id, Next::Done.into(), at(after(seconds))).await.unwrap();
        }
        texts_seen.extend(texts(&claims).into_iter().filter(|text| text.starts_with("zhangsan")));
    }
    assert_eq!(texts_seen, ["zhangsan: x", "zhangsan: x #1", "zhangsan: x #2"]);
    drop(store);
    let store = place.open();
    arrive(&store, after(3 * HOUR), &[("zhangsan", 4, "x")]).await;
    assert_eq!(texts(&claim(&store, after(4 * HOUR + 60)).await), ["zhangsan: x #3"], "also by another process");
    store.prune(after(5 * HOUR)).await.unwrap();
    arrive(&store, after(9 * HOUR), &[("zhangsan", 5, "x")]).await;
    let later = store.claim(at(after(9 * HOUR)), 5, each()).await.unwrap();
    assert!(texts(&later).contains(&"zhangsan: x".to_owned()), "WeCom has forgotten it: {:?}", texts(&later));
}

/// WeCom compares with what it took, and that may be the last of many tries.
async fn a_body_is_remembered_from_its_last_try(place: Place) {
    let store = place.open();
    arrive(&store, T0, &[("zhangsan", 1, "x")]).await;
    let id = claim(&store, T0).await[0].id;
    store.settle(id, Next::Again(after(3 * HOUR)).into(), at(T0)).await.unwrap();
    assert_eq!(claim(&store, after(3 * HOUR)).await[0].id, id);
    store.settle(id, Next::Done.into(), at(after(3 * HOUR))).await.unwrap();
    store.prune(after(5 * HOUR)).await.unwrap();
    arrive(&store, after(5 * HOUR), &[("zhangsan", 2, "x")]).await;
    assert_eq!(texts(&claim(&store, after(5 * HOUR)).await), ["zhangsan: x #1"]);
}

async fn the_recipients_of_claims_are_theirs(place: Place) {
    let store = place.open();
    arrive(&store, T0, &[("party:12", 1, "x"), ("tag:12", 1, "x"), ("12", 1, "x"), ("1", 1, "x")]).await;
    drop(store);
    let store = place.open();
    let mut found: Vec<_> = claim(&store, T0).await.into_iter().map(|claim| claim.recipients[0].clone()).collect();
    found.sort();
    let user = |id: &str| Recipient::User(id.into());
    assert_eq!(found, [user("1"), user("12"), Recipient::Party(12), Recipient::Tag(12)]);
}

/// So many letters arrive for all of these.
async fn many(store: &Store, to: &[Recipient], letters: u64) {
    let letters = (0..letters).map(|n| sighting(to.to_vec(), Urgency::Normal, item(n, "x"))).collect();
    store.commit_scan(Scan { letters, ..scan(None, 2, Vec::new()) }, at(T0)).await.unwrap();
}

/// A round of claiming is one step of the store, for whose end all others wait.
async fn who_has_very_many_letters_lets_the_others_pass(place: Place) {
    let store = place.open();
    many(&store, &[user("zhangsan")], 6000).await;
    arrive(&store, after(1), &[("lisi", 9001, "y"), ("wangwu", 9002, "z")]).await;
    let claims = claim(&store, after(5)).await;
    assert_eq!((claims.len(), claims[0].letters), (1, 5000));
    assert_eq!(store.next_due(at(after(5))).await.unwrap(), Some(after(5)), "the rest is due");
    let claims = claim(&store, after(5)).await;
    let whose: Vec<_> = claims.iter().map(|claim| (claim.recipients[0].to_string(), claim.letters)).collect();
    let expected = [("lisi", 1), ("wangwu", 1), ("zhangsan", 1000)];
    assert_eq!(whose, expected.map(|(user, letters)| (user.to_owned(), letters)));
    assert!(claim(&store, after(5)).await.is_empty());
}

/// Very many recipients of very many letters are served some at a time, each once.
#[tokio::test]
async fn very_many_letters_for_very_many_are_taken_some_at_a_time() {
    let store = Place::memory().open();
    let members: Vec<_> = (0..30).map(|n| user(&format!("user{n}"))).collect();
    many(&store, &members, 2000).await;
    let mut served = Vec::new();
    for expected in [25, 5] {
        let claims = store.claim(at(after(60)), ALL, together()).await.unwrap();
        assert_eq!((claims.len(), claims[0].recipients.len()), (1, expected));
        served.extend(claims[0].recipients.iter().map(ToString::to_string));
    }
    served.sort();
    let mut all: Vec<_> = members.iter().map(ToString::to_string).collect();
    all.sort();
    assert_eq!(served, all);
    assert_eq!(store.outbox().await.unwrap().waiting, 0);
}
