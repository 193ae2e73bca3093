//! What happens to one is no matter of the others: alerts of which parts fare differently, and tries that came to nothing.

use super::{ALL, Place, T0, account, after, at, claim, counts, item, mark, on_both_backends, sighting, texts, user};
use mailbell::model::{AlertId, RawName, Timestamp, Urgency};
use mailbell::rules::retry::Next;
use mailbell::state::{AlertState, Ledger, Limits, Met, Report, Scan, Settled, State, Store};
use std::sync::Arc;
use std::time::Duration;

on_both_backends!(
    one_who_is_left_alone_holds_up_nobody_of_a_group,
    a_lost_answer_is_no_reason_to_count_again,
    letters_of_a_refused_digest_go_to_all_of_a_group,
    what_is_made_anew_after_a_lost_answer_is_marked,
    a_dead_part_can_be_sent_after_thirty_days,
    a_dead_alert_of_another_app_is_made_anew,
    a_half_that_was_never_tried_is_not_dead,
    one_who_gets_nothing_any_more_is_forgotten,
    what_was_long_on_its_way_counts_from_its_end,
    what_may_have_been_taken_stays_one_when_all_of_a_group_are_refused,
    who_is_reached_again_gets_all_that_waited_for_them_alone,
    a_letter_that_cannot_be_shown_stops_no_other,
);

const DAY: u64 = 86_400;

async fn arrive(store: &Store, now: Timestamp, to: &[&str], numbers: std::ops::Range<u64>) {
    for number in numbers {
        let to = to.iter().map(|name| user(name)).collect();
        let scan = Scan {
            account: account(),
            folder: RawName::new(&number.to_be_bytes()),
            from: None,
            to: mark(2),
            letters: vec![sighting(to, Urgency::Normal, item(number, &number.to_string()))],
            met: Met::default(),
            deferred: Duration::ZERO,
            catching_up: false,
        };
        store.commit_scan(scan, at(now)).await.unwrap();
    }
}

async fn settle(store: &Store, id: AlertId, next: Next, now: Timestamp) {
    let settled = Settled { next, answer: "said".to_owned(), unsure: false, strange: false };
    store.settle(id, settled, at(now)).await.unwrap();
}

/// The answer was lost.
async fn lost(store: &Store, id: AlertId, now: Timestamp) {
    store.settle(id, Next::Again(now).into(), at(now)).await.unwrap();
}

fn gone(name: &str) -> Next {
    Next::Partly(vec![(user(name), format!("{name} is gone"))])
}

async fn report(store: &Store, now: Timestamp, to: &[&str], text: &str) {
    let to = to.iter().map(|name| user(name)).collect();
    store.report(Report { troubles: Vec::new(), alerts: vec![(to, text.to_owned())] }, at(now)).await.unwrap();
}

async fn one_who_is_left_alone_holds_up_nobody_of_a_group(place: Place) {
    let store = place.open();
    report(&store, T0, &["a", "b"], "one").await;
    let claims = claim(&store, T0).await;
    settle(&store, claims[0].id, gone("b"), T0).await;
    report(&store, after(1), &["a", "b"], "two").await;
    let mut told = texts(&claim(&store, after(1)).await);
    told.extend(texts(&claim(&store, after(1)).await));
    assert_eq!(told, ["a: two"], "at once");
    drop(store);
    let store = place.open();
    assert_eq!(texts(&claim(&store, after(60)).await), ["a: two", "b: two"], "the one when it is tried again");
    // What WeCom may have taken stays as it is, for all of them.
    report(&store, after(70), &["c", "d"], "three").await;
    let claims = claim(&store, after(70)).await;
    assert_eq!(texts(&claims), ["c|d: three"]);
    report(&store, after(70), &["d"], "four").await;
    let four = claim(&store, after(70)).await;
    lost(&store, claims[0].id, after(71)).await;
    settle(&store, four[0].id, Next::Dead("gone".to_owned()), after(71)).await;
    assert_eq!(texts(&claim(&store, after(72)).await), ["c|d: three"]);
}

/// WeCom is away for hours: the day's quota is not used up by trying.
async fn a_lost_answer_is_no_reason_to_count_again(place: Place) {
    let store = place.open();
    store.govern(Limits { account_cap: Some(1), ..Limits::default() }, at(T0)).await.unwrap();
    let names: Vec<_> = (0..20).map(|n| format!("u{n}")).collect();
    arrive(&store, T0, &names.iter().map(String::as_str).collect::<Vec<_>>(), 1..2).await;
    for number in 0..30 {
        let claims = claim(&store, after(number * 60)).await;
        assert_eq!(claims.len(), 1, "try {number}");
        lost(&store, claims[0].id, after(number * 60 + 1)).await;
    }
    let claims = claim(&store, after(3600)).await;
    settle(&store, claims[0].id, Next::Done, after(3600)).await;
    assert_eq!(store.usage(at(after(3600))).await.unwrap().today, 40, "WeCom may have taken it before, too");
    arrive(&store, after(3601), &["a"], 2..3).await;
    assert_eq!(claim(&store, after(3601)).await.len(), 1);
}

/// What waits for midnight is not looked at before, though a refusal gave its share of the day back.
#[tokio::test]
async fn what_was_not_taken_makes_room_on_the_same_day() {
    let store = Place::memory().open();
    store.govern(Limits { account_cap: Some(1), ..Limits::default() }, at(T0)).await.unwrap();
    let names: Vec<_> = (0..196).map(|n| format!("u{n}")).collect();
    arrive(&store, T0, &names.iter().map(String::as_str).collect::<Vec<_>>(), 1..2).await;
    let claims = claim(&store, T0).await;
    arrive(&store, after(1), &["a"], 2..3).await;
    assert!(claim(&store, after(1)).await.is_empty(), "the day is full");
    for claim in &claims {
        settle(&store, claim.id, Next::Dead("no".to_owned()), after(2)).await;
    }
    let due = store.next_due(at(after(3))).await.unwrap().unwrap();
    assert!(due <= after(1200), "soon, not at midnight");
    assert_eq!(texts(&claim(&store, due).await), ["a: 2"]);
}

async fn letters_of_a_refused_digest_go_to_all_of_a_group(place: Place) {
    let store = place.open();
    arrive(&store, T0, &["a", "b", "c"], 1..4).await;
    let claims = claim(&store, T0).await;
    settle(&store, claims[0].id, Next::Fewer, T0).await;
    assert_eq!(texts(&claim(&store, T0).await), ["a|b|c: 1", "a|b|c: 2 + 3"]);
}

async fn what_is_made_anew_after_a_lost_answer_is_marked(place: Place) {
    for next in [Next::Halve, Next::Fewer, Next::Plain] {
        let store = place.open();
        let first = store.alerts(None, ALL).await.unwrap().len() as u64 * 10 + 1;
        arrive(&store, T0, &["a", "b"], first..first + 2).await;
        let id = claim(&store, T0).await[0].id;
        lost(&store, id, T0).await;
        assert_eq!(claim(&store, after(1)).await[0].id, id);
        settle(&store, id, next.clone(), after(1)).await;
        let again = claim(&store, after(1)).await;
        assert!(!again.is_empty());
        for claim in again {
            let alert = store.alert(claim.id).await.unwrap().unwrap();
            assert!(alert.maybe_twice, "{next:?}");
            settle(&store, claim.id, Next::Again(after(DAY)), after(1)).await;
        }
    }
    let store = place.open();
    arrive(&store, T0, &["z"], 900..901).await;
    let id = claim(&store, T0).await[0].id;
    lost(&store, id, T0).await;
    store.recall(Arc::new(|body: &[u8]| body.starts_with(b"z"))).await.unwrap();
    assert!(store.alert(id).await.unwrap().unwrap().maybe_twice, "by another app");
}

async fn a_dead_part_can_be_sent_after_thirty_days(place: Place) {
    let store = place.open();
    arrive(&store, T0, &["a", "b"], 1..2).await;
    let claims = claim(&store, T0).await;
    settle(&store, claims[0].id, gone("b"), T0).await;
    let later = after(31 * DAY);
    while store.prune(later).await.unwrap() {}
    assert_eq!(store.outbox().await.unwrap(), counts(0, 0, 1));
    assert_eq!(store.retry(None, at(later)).await.unwrap().len(), 1);
    assert_eq!(texts(&claim(&store, later).await), ["b: 1"]);
}

async fn a_dead_alert_of_another_app_is_made_anew(place: Place) {
    let store = place.open();
    arrive(&store, T0, &["a"], 1..2).await;
    let id = claim(&store, T0).await[0].id;
    // A code that nobody knows: WeCom may have taken it.
    lost(&store, id, T0).await;
    assert_eq!(claim(&store, after(1)).await.len(), 1);
    settle(&store, id, Next::Dead("odd".to_owned()), after(1)).await;
    drop(store);
    let store = place.open();
    store.recall(Arc::new(|body: &[u8]| body == b"a: 1")).await.unwrap();
    assert_eq!(store.outbox().await.unwrap(), counts(0, 0, 1), "it is dead all the same");
    store.retry(None, at(after(2))).await.unwrap();
    assert_eq!(texts(&claim(&store, after(2)).await), ["a: 1 #1"]);
}

/// The step was stored and its acknowledgement failed: it is repeated for the first half, which has its number.
async fn a_half_that_was_never_tried_is_not_dead(place: Place) {
    let store = place.open();
    arrive(&store, T0, &["a"], 1..2).await;
    let id = claim(&store, T0).await[0].id;
    settle(&store, id, Next::Halve, T0).await;
    assert_eq!(store.outbox().await.unwrap(), counts(0, 1, 0));
    assert_eq!(claim(&store, T0).await.len(), 1);
}

/// A message may wait for a token or a connection after it was claimed: WeCom counts it when it comes.
async fn what_was_long_on_its_way_counts_from_its_end(place: Place) {
    for dies in [false, true] {
        let mut store = place.open();
        let who = if dies { "b" } else { "a" };
        let first = if dies { 100 } else { 1 };
        let mut claims = Vec::new();
        for number in first..first + 27 {
            arrive(&store, T0, &[who], number..number + 1).await;
            claims.extend(claim(&store, T0).await);
        }
        assert_eq!(claims.len(), 27);
        for claim in claims.iter().filter(|_| !dies) {
            settle(&store, claim.id, Next::Done, after(20)).await;
        }
        if dies {
            drop(store);
            store = place.open();
            store.begin_sending(at(after(20))).await.unwrap();
            let again = claim(&store, after(64)).await;
            assert!(again.is_empty(), "{again:?}");
            assert!(!claim(&store, after(84)).await.is_empty());
            continue;
        }
        arrive(&store, after(21), &[who], 90..91).await;
        assert!(claim(&store, after(64)).await.is_empty(), "they were there only 44 s ago");
        assert_eq!(texts(&claim(&store, after(84)).await), ["a: 90"]);
    }
}

/// The answer of the first try was lost: it may have been shown to both. Sent again, it is the same body for both, and
/// WeCom shows it once.
async fn what_may_have_been_taken_stays_one_when_all_of_a_group_are_refused(place: Place) {
    let store = place.open();
    arrive(&store, T0, &["a", "b"], 1..2).await;
    let id = claim(&store, T0).await[0].id;
    lost(&store, id, T0).await;
    let claims = claim(&store, after(1)).await;
    assert_eq!(texts(&claims), ["a|b: 1"]);
    let both = Next::Partly(vec![(user("a"), "gone".to_owned()), (user("b"), "gone".to_owned())]);
    settle(&store, id, both, after(1)).await;
    assert_eq!(store.outbox().await.unwrap(), counts(0, 0, 1));
    arrive(&store, after(2), &["a"], 2..3).await;
    assert!(claim(&store, after(2)).await.is_empty(), "they are left alone");
    store.retry(None, at(after(3))).await.unwrap();
    let again = texts(&claim(&store, after(3)).await);
    assert!(again.contains(&"a|b: 1".to_owned()), "{again:?}");
}

/// An alert for one who was left alone waits until then; but when another alert reaches them, it need not wait any more.
async fn who_is_reached_again_gets_all_that_waited_for_them_alone(place: Place) {
    let store = place.open();
    arrive(&store, T0, &["a", "b"], 1..2).await;
    let pair = claim(&store, T0).await[0].id;
    arrive(&store, T0, &["a"], 2..3).await;
    let last = claim(&store, T0).await[0].id;
    // Refused while another one is on its way to them, and one for both is to be tried again.
    arrive(&store, T0, &["a", "b"], 3..4).await;
    let again = claim(&store, T0).await[0].id;
    settle(&store, again, Next::Again(after(2)), T0).await;
    settle(&store, pair, gone("a"), after(1)).await;
    assert!(claim(&store, after(2)).await.is_empty(), "it is parted");
    assert_eq!(texts(&claim(&store, after(2)).await), ["b: 3"]);
    assert_eq!(claim(&store, after(3)).await.len(), 0);
    settle(&store, last, Next::Done, after(4)).await;
    assert_eq!(texts(&claim(&store, after(4)).await), ["a: 3"]);
}

/// Somebody who left the company.
async fn one_who_gets_nothing_any_more_is_forgotten(place: Place) {
    let store = place.open();
    arrive(&store, T0, &["a"], 1..2).await;
    let id = claim(&store, T0).await[0].id;
    settle(&store, id, Next::Dead("gone".to_owned()), T0).await;
    for (day, parked) in [(1, 1), (31, 0)] {
        while store.prune(after(day * DAY)).await.unwrap() {}
        assert_eq!(store.usage(at(after(day * DAY))).await.unwrap().parked, parked, "after {day} days");
    }
}

/// A fault of ours that one letter brings about.
async fn a_letter_that_cannot_be_shown_stops_no_other(place: Place) {
    let store = place.open();
    arrive(&store, T0, &["a"], 1..2).await;
    arrive(&store, T0, &["b"], 2..3).await;
    let compose: Arc<mailbell::state::Compose> = Arc::new(|to, content, shape| {
        assert!(shape.plain || to[0] != user("a"), "the fault");
        super::together()(to, content, shape)
    });
    let claims = store.claim(at(T0), ALL, compose).await.unwrap();
    assert_eq!(texts(&claims), ["a: 1 plain", "b: 2"]);
}

/// Alerts and letters are numbered together: between two that were settled there may be many numbers of something else.
#[tokio::test]
async fn settled_alerts_are_listed_newest_first_however_far_back_they_are() {
    let store = Place::memory().open();
    let mut settled = Vec::new();
    for (number, between) in [(1, 0), (2, 40), (3, 1500), (4, 6000)] {
        let to: Vec<_> = (0..between).map(|n| user(&format!("u{n}"))).collect();
        let waiting = to.iter().map(|to| (vec![to.clone()], "waits".to_owned())).collect();
        store.report(Report { troubles: Vec::new(), alerts: waiting }, at(T0)).await.unwrap();
        arrive(&store, T0, &["a"], number..number + 1).await;
        let claims = store.claim(at(T0), 10_000, super::together()).await.unwrap();
        for claim in claims {
            match claim.recipients == [user("a")] {
                true => {
                    settle(&store, claim.id, Next::Done, T0).await;
                    settled.insert(0, claim.id);
                }
                false => settle(&store, claim.id, Next::Again(after(DAY)), T0).await,
            }
        }
    }
    for most in [1, 3, 4, 100] {
        let found = store.alerts(Some(AlertState::Sent), most).await.unwrap();
        let ids: Vec<_> = found.iter().map(|view| view.id).collect();
        assert_eq!(ids, settled[..most.min(4)], "at most {most}");
    }
    assert!(store.alerts(Some(AlertState::Dropped), ALL).await.unwrap().is_empty());
}

/// Urgent letters come every two seconds for half an hour: each is told within 63 s, and what is not urgent at the end of
/// it all.
#[tokio::test]
async fn urgent_letters_without_end_do_not_silence_the_others() {
    let store = Place::memory().open();
    arrive(&store, T0, &["a"], 0..30).await;
    let mut told = None;
    for second in (2..1800).step_by(2) {
        let to = vec![user("a")];
        let scan = Scan {
            account: account(),
            folder: RawName::new(&u64::to_be_bytes(second + 10_000)),
            from: None,
            to: mark(2),
            letters: vec![sighting(to, Urgency::Urgent, item(second + 100, "urgent"))],
            met: Met::default(),
            deferred: Duration::ZERO,
            catching_up: false,
        };
        store.commit_scan(scan, at(after(second))).await.unwrap();
        if second == 600 {
            arrive(&store, after(600), &["a"], 90..91).await;
        }
        for claim in claim(&store, after(second)).await {
            if claim.body.ends_with(b": 90") {
                told.get_or_insert(second);
            }
            settle(&store, claim.id, Next::Done, after(second)).await;
        }
    }
    assert!(told.is_some_and(|second| second <= 668), "{told:?}");
}
