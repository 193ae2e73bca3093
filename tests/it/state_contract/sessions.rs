//! Sessions of the console: kept over a restart, over when unused, bounded, and in no export.

use super::{Place, T0, after, on_both_backends};
use mailbell::model::{Role, Timestamp, Who};
use mailbell::state::{Ledger, Session, SessionKey, Sessions, Store};

fn member(user: &str) -> Who {
    Who::Member(user.to_owned(), Role::Administrator)
}

async fn begin(store: &Store, token: &[u8], who: Who, began: Timestamp) {
    let session = Session { who, proof: vec![7], began, used: began, from: "192.0.2.1".to_owned() };
    store.begin_session(SessionKey::of(token), session).await.unwrap();
}

async fn who(store: &Store, token: &[u8], now: Timestamp) -> Option<Who> {
    store.session(SessionKey::of(token), now).await.unwrap().map(|session| session.who)
}

async fn a_session_outlives_the_process_and_ends_when_it_is_told(place: Place) {
    let store = place.open();
    begin(&store, b"one", member("wangwu"), T0).await;
    drop(store);
    let store = place.open();
    assert_eq!(who(&store, b"one", after(1)).await, Some(member("wangwu")));
    assert_eq!(who(&store, b"two", after(1)).await, None);
    store.end_session(SessionKey::of(b"one")).await.unwrap();
    assert_eq!(who(&store, b"one", after(1)).await, None);
    drop(store);
    assert_eq!(who(&place.open(), b"one", after(1)).await, None, "an end is durable");
}

async fn a_session_that_is_used_lasts_half_a_day(place: Place) {
    let store = place.open();
    begin(&store, b"one", Who::Token, T0).await;
    begin(&store, b"two", Who::Token, T0).await;
    for minutes in (0..720).step_by(29) {
        assert!(who(&store, b"one", after(minutes * 60)).await.is_some(), "{minutes}");
    }
    assert_eq!(who(&store, b"two", after(31 * 60)).await, None, "unused");
    assert_eq!(who(&store, b"one", after(12 * 3600 + 1)).await, None, "after 12 hours");
}

async fn the_oldest_of_very_many_gives_way(place: Place) {
    let store = place.open();
    begin(&store, b"lisi", member("lisi"), T0).await;
    for n in 0..25_u8 {
        begin(&store, &[n], member("wangwu"), after(u64::from(n))).await;
    }
    let mut kept = Vec::new();
    for n in 0..25_u8 {
        if who(&store, &[n], after(30)).await.is_some() {
            kept.push(n);
        }
    }
    assert_eq!(kept, (5..25).collect::<Vec<_>>());
    assert!(who(&store, b"lisi", after(30)).await.is_some(), "others keep theirs");
}

async fn no_export_holds_a_session(place: Place) {
    let store = place.open();
    begin(&store, b"one", member("wangwu"), T0).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("export");
    store.export(file.clone(), true, T0).await.unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    assert!(!text.contains("wangwu") && !text.contains("192.0.2.1"), "{text}");
}

on_both_backends!(
    a_session_outlives_the_process_and_ends_when_it_is_told,
    a_session_that_is_used_lasts_half_a_day,
    the_oldest_of_very_many_gives_way,
    no_export_holds_a_session,
);
