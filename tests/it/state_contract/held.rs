//! Letters that are held for a recipient until a moment of their own, and letters that were muted.

use super::{ALL, Place, account, after, at, claim, counts, item, mark, on_both_backends, sighting, texts, user};
use mailbell::model::{Apart, Mute, MuteId, Muted, RawName, Recipient, Timestamp, Urgency};
use mailbell::rules::retry::Next;
use mailbell::state::{Ledger, Met, Scan, State, Store, WasTold, Why};
use std::time::Duration;

/// Stores a letter that is told apart to some of its recipients.
async fn put(store: &Store, number: u64, to: &[&str], apart: &[(&str, Apart)], seconds: u64) {
    let mut letter =
        sighting(to.iter().map(|name| user(name)).collect(), Urgency::Normal, item(number, &number.to_string()));
    letter.apart = apart.iter().map(|(name, apart)| (user(name), *apart)).collect();
    let scan = Scan {
        account: account(),
        folder: RawName::new(&number.to_be_bytes()),
        from: None,
        to: mark(2),
        letters: vec![letter],
        met: Met::default(),
        deferred: Duration::ZERO,
        catching_up: false,
    };
    store.commit_scan(scan, at(after(seconds))).await.unwrap();
}

async fn sent(store: &Store, seconds: u64) -> Vec<String> {
    let claims = claim(store, after(seconds)).await;
    for claim in &claims {
        store.settle(claim.id, Next::Done.into(), at(after(seconds))).await.unwrap();
    }
    texts(&claims)
}

fn later(seconds: u64) -> Apart {
    Apart::Later(after(seconds))
}

async fn what_was_quiet_comes_together_when_quiet_ends(place: Place) {
    let store = place.open();
    put(&store, 1, &["a", "b"], &[("a", later(3600))], 0).await;
    assert_eq!(sent(&store, 0).await, ["b: 1"]);
    put(&store, 2, &["a"], &[("a", later(3600))], 60).await;
    assert!(sent(&store, 3599).await.is_empty());
    assert_eq!(store.next_due(at(after(3599))).await.unwrap(), Some(after(3600)));
    assert_eq!(sent(&store, 3600).await, ["a: 1 + 2"]);
    assert_eq!(store.outbox().await.unwrap(), counts(0, 0, 0));
}

async fn each_is_held_for_its_own_time_and_holds_up_nothing(place: Place) {
    let store = place.open();
    put(&store, 1, &["a"], &[("a", later(7200))], 0).await;
    put(&store, 2, &["a"], &[("a", later(3600))], 1).await;
    put(&store, 3, &["a"], &[], 2).await;
    assert_eq!(sent(&store, 2).await, ["a: 3"], "what rings is not held up");
    assert_eq!(sent(&store, 3600).await, ["a: 2"]);
    assert!(sent(&store, 3601).await.is_empty());
    assert_eq!(store.next_due(at(after(3602))).await.unwrap(), Some(after(7200)));
    assert_eq!(sent(&store, 7200).await, ["a: 1"]);
}

async fn two_who_wait_for_the_same_get_one_message(place: Place) {
    let store = place.open();
    put(&store, 1, &["a", "b"], &[("a", later(60)), ("b", later(60))], 0).await;
    put(&store, 2, &["a", "b"], &[("a", later(60)), ("b", later(600))], 0).await;
    assert_eq!(sent(&store, 60).await.len(), 2, "their letters differ by then");
    assert_eq!(sent(&store, 600).await, ["b: 2"]);
}

async fn what_is_held_outlives_the_process(place: Place) {
    let store = place.open();
    put(&store, 1, &["a"], &[("a", later(3600))], 0).await;
    drop(store);
    let store = place.open();
    assert!(sent(&store, 1800).await.is_empty());
    assert_eq!(sent(&store, 3600).await, ["a: 1"]);
}

async fn the_ledger_says_what_is_held_and_what_was_muted(place: Place) {
    let store = place.open();
    put(&store, 1, &["a", "b"], &[("a", later(3600)), ("b", Apart::Muted(after(7200)))], 0).await;
    assert!(sent(&store, 10).await.is_empty());
    let why = Why { account: Some(account()), since: None, from: None, subject: None, most: ALL };
    let told = |stories: Vec<mailbell::state::Story>, who: &str| {
        stories[0].tellings.iter().find(|telling| telling.recipient == user(who)).unwrap().what.clone()
    };
    let stories = store.why(why.clone()).await.unwrap();
    assert_eq!(told(stories.clone(), "a"), WasTold::Held { until: after(3600) });
    assert_eq!(told(stories, "b"), WasTold::Muted { until: after(7200) });
    assert_eq!(sent(&store, 3600).await, ["a: 1"]);
    assert!(matches!(told(store.why(why).await.unwrap(), "a"), WasTold::Alert { .. }));
    // What was muted is not known: in another folder it may be told.
    let mut again = sighting(vec![user("b")], Urgency::Normal, item(1, "1"));
    again.uid = 5;
    let scan = Scan {
        account: account(),
        folder: RawName::new(b"other"),
        from: None,
        to: mark(6),
        letters: vec![again],
        met: Met::default(),
        deferred: Duration::ZERO,
        catching_up: false,
    };
    store.commit_scan(scan, at(after(4000))).await.unwrap();
    assert_eq!(sent(&store, 4000).await, ["b: 1"]);
}

/// Where UIDs mean nothing, a letter that was muted is in the ledger all the same.
async fn what_was_muted_is_in_the_ledger_without_a_uid(place: Place) {
    let store = place.open();
    let mut letter = sighting(vec![user("a")], Urgency::Normal, item(1, "1"));
    (letter.uid, letter.apart) = (0, vec![(user("a"), Apart::Muted(after(60)))]);
    let scan = Scan {
        account: account(),
        folder: RawName::new(b"INBOX"),
        from: None,
        to: mark(2),
        letters: vec![letter],
        met: Met::default(),
        deferred: Duration::ZERO,
        catching_up: false,
    };
    store.commit_scan(scan, at(after(0))).await.unwrap();
    let why = Why { account: Some(account()), since: None, from: None, subject: None, most: ALL };
    let stories = store.why(why).await.unwrap();
    assert_eq!(stories[0].tellings[0].what, WasTold::Muted { until: after(60) });
}

fn mute(who: &str, what: Muted, since: u64, until: u64) -> Mute {
    Mute { user: user(who), what, since: after(since), until: after(until) }
}

async fn mutes(store: &Store, seconds: u64) -> Vec<(MuteId, Recipient, Timestamp)> {
    let list = store.mutes(after(seconds)).await.unwrap();
    list.into_iter().map(|(id, mute)| (id, mute.user, mute.until)).collect()
}

async fn mutes_last_until_their_end_or_are_ended(place: Place) {
    let store = place.open();
    let list = Muted::List("dev".to_owned());
    let first = store.mute(mute("a", list.clone(), 0, 100)).await.unwrap();
    let second = store.mute(mute("b", list.clone(), 0, 200)).await.unwrap();
    assert_eq!(mutes(&store, 1).await, [(first, user("a"), after(100)), (second, user("b"), after(200))]);
    let longer = store.mute(mute("a", list, 2, 300)).await.unwrap();
    assert_eq!(mutes(&store, 3).await, [(second, user("b"), after(200)), (longer, user("a"), after(300))]);
    drop(store);
    let store = place.open();
    assert_eq!(mutes(&store, 250).await, [(longer, user("a"), after(300))], "the other is over");
    let all = store.mute(mute("a", Muted::All, 251, 400)).await.unwrap();
    assert!(store.unmute(&user("b"), Some(vec![longer]), after(252)).await.unwrap().is_empty(), "it is not theirs");
    assert_eq!(store.unmute(&user("a"), Some(vec![longer]), after(252)).await.unwrap(), [longer]);
    assert_eq!(store.unmute(&user("a"), None, after(252)).await.unwrap(), [all]);
    assert!(mutes(&store, 253).await.is_empty());
}

on_both_backends!(
    what_was_quiet_comes_together_when_quiet_ends,
    each_is_held_for_its_own_time_and_holds_up_nothing,
    two_who_wait_for_the_same_get_one_message,
    what_is_held_outlives_the_process,
    the_ledger_says_what_is_held_and_what_was_muted,
    what_was_muted_is_in_the_ledger_without_a_uid,
    mutes_last_until_their_end_or_are_ended,
);
