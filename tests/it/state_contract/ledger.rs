//! The ledger: what became of each letter, per recipient, and what people ask of it.

use super::{Place, T0, account, after, at, claim, inbox, item, mark, on_both_backends, scan, sighting, user};
use mailbell::model::{AccountId, AlertKind, Fate, Item, RawName, Sighting, Silence, Urgency};
use mailbell::rules::retry::Next;
use mailbell::state::{AlertState, Ledger, Scan, Settled, State, Store, Story, WasTold, Why};
use std::time::Duration;

on_both_backends!(
    what_became_of_a_letter_is_told_for_each_recipient,
    why_nobody_was_told_is_kept,
    the_ledger_is_asked_by_sender_subject_and_time,
    an_alert_that_was_taken_apart_tells_of_its_parts,
    a_large_account_is_looked_through_in_steps,
);

fn all() -> Why {
    Why { account: Some(account()), since: None, from: None, subject: None, most: 100 }
}

fn told(story: &Story, name: &str) -> WasTold {
    story.tellings.iter().find(|telling| telling.recipient == user(name)).unwrap().what.clone()
}

async fn put(store: &Store, folder: &str, letters: Vec<Sighting>, seconds: u64) {
    let folder = RawName::new(folder.as_bytes());
    let scan = Scan { folder, letters, deferred: Duration::from_secs(30), ..scan(None, 2, Vec::new()) };
    store.commit_scan(scan, at(after(seconds))).await.unwrap();
}

fn normal(to: &[&str], item: Item) -> Sighting {
    sighting(to.iter().map(|name| user(name)).collect(), Urgency::Normal, item)
}

async fn what_became_of_a_letter_is_told_for_each_recipient(place: Place) {
    let store = place.open();
    put(&store, "INBOX", vec![normal(&["a", "b"], item(1, "x"))], 5).await;
    let of_second = Item { folder: "项目".into(), ..item(1, "x") };
    put(&store, "other", vec![normal(&["a", "c"], of_second)], 6).await;
    let stories = store.why(all()).await.unwrap();
    assert_eq!((stories.len(), &*stories[0].sighting.item.folder), (2, "项目"), "the newest first");
    assert_eq!((stories[1].seen_at, stories[1].took_ms, stories[1].deferred_ms), (after(5), 5000, 30_000));
    assert_eq!(
        told(&stories[0], "a"),
        WasTold::Known {
            letter: Some(stories[1].no),
            account: Some(stories[1].sighting.item.account.clone()),
            folder: Some("INBOX".to_owned()),
            seen_at: Some(stories[1].seen_at),
        }
    );
    assert!(matches!(told(&stories[0], "c"), WasTold::Waits { until: None, parked: false }));
    let claims = claim(&store, after(7)).await;
    assert!(matches!(
        told(&store.why(all()).await.unwrap()[1], "b"),
        WasTold::Alert { state: AlertState::Sending, tries: 1, .. }
    ));
    for claim in &claims {
        let next = match claim.recipients.contains(&user("b")) {
            true => Next::Partly(vec![(user("b"), "60111 gone".to_owned())]),
            false => Next::Done,
        };
        let settled = Settled { next, answer: "0 ok".to_owned(), unsure: false, strange: false };
        store.settle(claim.id, settled, at(after(9))).await.unwrap();
    }
    drop(store);
    let store = place.open();
    let stories = store.why(all()).await.unwrap();
    let WasTold::Alert { state, kind, made_at, ended_at, answer, .. } = told(&stories[1], "a") else { panic!() };
    assert_eq!((state, kind, made_at, ended_at), (AlertState::Sent, AlertKind::Letter, after(7), Some(after(9))));
    assert_eq!(answer, "0 ok");
    let WasTold::Alert { state, answer, id, .. } = told(&stories[1], "b") else { panic!() };
    assert_eq!((state, answer.as_str()), (AlertState::Dead, "60111 gone"));
    store.discard(Some(vec![id]), at(after(10))).await.unwrap();
    let stories = store.why(all()).await.unwrap();
    assert!(matches!(told(&stories[1], "b"), WasTold::Alert { state: AlertState::Dropped, .. }));
}

async fn why_nobody_was_told_is_kept(place: Place) {
    let store = place.open();
    let silent = |number, silence| Sighting { fate: Fate::Silent(silence), ..normal(&[], item(number, "x")) };
    put(&store, "INBOX", vec![silent(1, Silence::Old), silent(2, Silence::Seen)], 0).await;
    let quiet = Sighting { urgency: Urgency::Silent, ..normal(&["a"], item(3, "x")) };
    put(&store, "quiet", vec![quiet], 1).await;
    store.remember(&account(), &inbox(), vec![item(4, "x").letter.id], T0).await.unwrap();
    let scan = Scan {
        letters: vec![normal(&["a"], item(4, "x"))],
        from: Some(mark(2)),
        to: mark(3),
        ..scan(None, 2, Vec::new())
    };
    store.commit_scan(scan, at(after(2))).await.unwrap();
    let stories = store.why(all()).await.unwrap();
    let fates: Vec<_> = stories.iter().rev().map(|story| story.sighting.fate.clone()).collect();
    assert_eq!(fates, [Silence::Old, Silence::Seen, Silence::Asked, Silence::Bound].map(Fate::Silent));
    assert_eq!(store.outbox().await.unwrap(), super::counts(0, 0, 0));
    // A silent one is no reason to keep silent elsewhere.
    put(&store, "loud", vec![normal(&["a"], item(3, "x"))], 3).await;
    assert_eq!(store.outbox().await.unwrap(), super::counts(1, 0, 0));
}

async fn the_ledger_is_asked_by_sender_subject_and_time(place: Place) {
    let store = place.open();
    for number in 0..30 {
        put(&store, &number.to_string(), vec![normal(&["a"], item(number, &format!("合同 {number}")))], number).await;
    }
    let subjects = |stories: Vec<Story>| {
        stories.into_iter().map(|story| story.sighting.item.letter.subject.unwrap()).collect::<Vec<_>>()
    };
    let ask = |why| store.why(why);
    assert_eq!(subjects(ask(Why { most: 2, ..all() }).await.unwrap()), ["合同 29", "合同 28"]);
    let since = Why { since: Some(after(28)), ..all() };
    assert_eq!(subjects(ask(since).await.unwrap()), ["合同 29", "合同 28"]);
    let subject = Why { subject: Some("同 17".to_owned()), ..all() };
    assert_eq!(subjects(ask(subject).await.unwrap()), ["合同 17"]);
    assert_eq!(ask(Why { from: Some("李四".to_owned()), ..all() }).await.unwrap().len(), 30);
    assert_eq!(ask(Why { from: Some("王五".to_owned()), ..all() }).await.unwrap().len(), 0);
    let other = Why { account: Some(AccountId::new("zhangsan@corp.examples")), ..all() };
    assert_eq!(ask(other).await.unwrap().len(), 0);
}

async fn an_alert_that_was_taken_apart_tells_of_its_parts(place: Place) {
    let store = place.open();
    put(&store, "INBOX", (1..4).map(|number| normal(&["a"], item(number, &number.to_string()))).collect(), 0).await;
    let first = claim(&store, T0).await;
    let halve = Settled { next: Next::Halve, answer: String::new(), unsure: false, strange: false };
    store.settle(first[0].id, halve, at(T0)).await.unwrap();
    for half in claim(&store, T0).await {
        let next = if half.letters == 1 { Next::Dead("forbidden".to_owned()) } else { Next::Done };
        store.settle(half.id, next.into(), at(T0)).await.unwrap();
    }
    let states: Vec<_> = store
        .why(all())
        .await
        .unwrap()
        .iter()
        .rev()
        .map(|story| match told(story, "a") {
            WasTold::Alert { state, letters, .. } => (state, letters),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(states, [(AlertState::Dead, 1), (AlertState::Sent, 2), (AlertState::Sent, 2)]);
}

/// Whoever asks the store for something else meanwhile is answered first.
async fn a_large_account_is_looked_through_in_steps(place: Place) {
    let store = place.open();
    let letters = (0..2300).map(|n| normal(&["a"], item(n, &format!("letter {n}")))).collect();
    put(&store, "INBOX", letters, 5).await;
    let ask = |subject: &str, most| Why { subject: Some(subject.to_owned()), most, ..all() };
    let (old, outbox) = (std::cell::Cell::new(None), std::cell::Cell::new(None));
    let order = std::cell::RefCell::new(Vec::new());
    tokio::join!(
        async {
            old.set(Some(store.why(ask("letter 7", 2000)).await.unwrap()));
            order.borrow_mut().push("why");
        },
        async {
            outbox.set(Some(store.outbox().await.unwrap()));
            order.borrow_mut().push("outbox");
        },
    );
    assert_eq!(outbox.take().unwrap().waiting, 2300);
    let found: Vec<_> =
        old.take().unwrap().into_iter().map(|story| story.sighting.item.letter.subject.unwrap()).collect();
    assert_eq!((found.len(), found[0].as_str(), found[110].as_str()), (111, "letter 799", "letter 7"));
    if matches!(place, Place::Sled(_)) {
        assert_eq!(order.take(), ["outbox", "why"]);
    }
    for most in [0, 1, 499, 500, 501, 2300] {
        let stories = store.why(ask("letter", most)).await.unwrap();
        assert_eq!(stories.len(), most);
        assert!(stories.windows(2).all(|pair| pair[0].no > pair[1].no), "the newest first");
    }
}
