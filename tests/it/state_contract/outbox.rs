//! Alerts for several recipients, urgency, and what is refused in parts: each recipient's outcome on its own.

use super::{
    ALL, Place, T0, account, after, at, claim, counts, item, mark, on_both_backends, sighting, texts, together, user,
};
use mailbell::model::{AlertId, BusyMinutes, Now, RawName, Timestamp, Urgency};
use mailbell::rules::line::Line;
use mailbell::rules::retry::Next;
use mailbell::state::{Claim, Ledger, Limits, Met, Scan, Settled, State, Store};
use std::time::Duration;

on_both_backends!(
    equal_letters_of_several_go_out_as_one,
    who_waits_for_something_else_is_told_alone,
    each_recipients_outcome_is_settled_on_its_own,
    what_is_refused_is_halved,
    letters_of_a_refused_digest_are_told_apart,
    a_refused_form_is_made_plain_once,
    urgent_letters_go_first_and_pass_a_full_gate,
    digests_wait_for_their_time,
    a_flood_waits_for_its_like,
    the_days_quota_is_kept_over_restarts,
    busy_minutes_hold_what_nobody_waits_for,
    a_recipient_who_is_not_reached_is_left_alone,
    one_who_is_not_reached_holds_up_nobody_else,
    the_rest_of_the_channel_outlives_the_process,
    a_dead_alert_comes_back_when_a_person_says_so,
    a_person_drops_what_nobody_wants,
    an_old_lost_answer_is_marked,
);

const HOUR: u64 = 3600;

/// Letters for all of these, each in a folder of its own.
async fn arrive(store: &Store, now: Timestamp, to: &[&str], urgency: Urgency, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let to = to.iter().map(|name| user(name)).collect();
        put(store, now, vec![sighting(to, urgency, item(number, &number.to_string()))], false).await;
    }
}

async fn put(store: &Store, now: Timestamp, letters: Vec<mailbell::model::Sighting>, catching_up: bool) {
    let name = format!("{:?}", letters.first().map(|letter| letter.item.letter.id));
    let scan = Scan {
        account: account(),
        folder: RawName::new(name.as_bytes()),
        from: None,
        to: mark(2),
        letters,
        met: Met::default(),
        deferred: Duration::ZERO,
        catching_up,
    };
    store.commit_scan(scan, at(now)).await.unwrap();
}

async fn settle(store: &Store, claim: &Claim, next: Next, now: Timestamp) {
    let settled = Settled { next, answer: "said".to_owned(), unsure: false, strange: false };
    store.settle(claim.id, settled, at(now)).await.unwrap();
}

async fn equal_letters_of_several_go_out_as_one(place: Place) {
    let store = place.open();
    arrive(&store, T0, &["a", "b", "party:1", "tag:2"], Urgency::Normal, 1..3).await;
    drop(store);
    let store = place.open();
    let claims = claim(&store, T0).await;
    let mut told = claims[0].recipients.clone();
    told.sort();
    assert_eq!((claims.len(), claims[0].letters), (1, 2));
    assert_eq!(told, [user("a"), user("b"), user("party:1"), user("tag:2")]);
    assert_eq!(store.outbox().await.unwrap(), counts(0, 1, 0));
    settle(&store, &claims[0], Next::Done, T0).await;
    assert_eq!(store.outbox().await.unwrap(), counts(0, 0, 0));
    assert_eq!(store.usage(at(T0)).await.unwrap().today, 4, "each of them counts");
}

async fn who_waits_for_something_else_is_told_alone(place: Place) {
    let store = place.open();
    arrive(&store, T0, &["a", "b", "c"], Urgency::Normal, 1..2).await;
    arrive(&store, T0, &["b"], Urgency::Normal, 2..3).await;
    assert_eq!(texts(&claim(&store, T0).await), ["a|c: 1", "b: 1 + 2"]);
}

async fn each_recipients_outcome_is_settled_on_its_own(place: Place) {
    let store = place.open();
    arrive(&store, T0, &["a", "b", "c"], Urgency::Normal, 1..2).await;
    let claims = claim(&store, T0).await;
    let gone = |name: &str| (user(name), format!("{name} is gone"));
    settle(&store, &claims[0], Next::Partly(vec![gone("b"), gone("c")]), T0).await;
    assert_eq!(store.outbox().await.unwrap(), counts(0, 0, 2));
    drop(store);
    let store = place.open();
    let mut dead: Vec<_> = store.alerts(None, ALL).await.unwrap();
    dead.sort_by_key(|alert| alert.recipients.clone());
    let shown: Vec<_> = dead.iter().map(|alert| (alert.recipients[0].to_string(), alert.answer.as_str())).collect();
    assert_eq!(shown, [("b".to_owned(), "b is gone"), ("c".to_owned(), "c is gone")]);
    let sent = store.alert(claims[0].id).await.unwrap().unwrap();
    assert_eq!((sent.recipients, sent.tries), (vec![user("a")], 1));
    // None of them was reached: the alert itself is dead.
    arrive(&store, T0, &["d", "e"], Urgency::Normal, 5..6).await;
    let claims = claim(&store, T0).await;
    settle(&store, &claims[0], Next::Partly(vec![gone("d"), gone("e")]), T0).await;
    assert_eq!(store.outbox().await.unwrap(), counts(0, 0, 4));
}

async fn what_is_refused_is_halved(place: Place) {
    let store = place.open();
    arrive(&store, T0, &["a", "b", "c"], Urgency::Normal, 1..2).await;
    let claims = claim(&store, T0).await;
    settle(&store, &claims[0], Next::Halve, T0).await;
    drop(store);
    let store = place.open();
    let claims = claim(&store, T0).await;
    let mut sizes: Vec<_> = claims.iter().map(|claim| (claim.recipients.len(), claim.letters, claim.tries)).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [(1, 1, 1), (2, 1, 1)]);
    assert_eq!(store.outbox().await.unwrap(), counts(0, 2, 0));
}

async fn letters_of_a_refused_digest_are_told_apart(place: Place) {
    let store = place.open();
    arrive(&store, T0, &["a"], Urgency::Normal, 1..4).await;
    let claims = claim(&store, T0).await;
    assert_eq!(texts(&claims), ["a: 1 + 2 + 3"]);
    settle(&store, &claims[0], Next::Halve, T0).await;
    arrive(&store, T0, &["a"], Urgency::Normal, 9..10).await;
    assert_eq!(texts(&claim(&store, T0).await), ["a: 1", "a: 2 + 3", "a: 9"], "what came later stays apart");
}

async fn a_refused_form_is_made_plain_once(place: Place) {
    let store = place.open();
    arrive(&store, T0, &["a"], Urgency::Normal, 1..2).await;
    let claims = claim(&store, T0).await;
    settle(&store, &claims[0], Next::Plain, T0).await;
    drop(store);
    let store = place.open();
    let again = claim(&store, T0).await;
    assert_eq!((texts(&again), again[0].id, again[0].plain), (vec!["a: 1 plain".to_owned()], claims[0].id, true));
}

async fn urgent_letters_go_first_and_pass_a_full_gate(place: Place) {
    let store = place.open();
    for number in 0..27 {
        arrive(&store, T0, &["a"], Urgency::Normal, number..number + 1).await;
        assert_eq!(claim(&store, T0).await.len(), 1);
    }
    arrive(&store, T0, &["a", "b"], Urgency::Normal, 90..91).await;
    arrive(&store, after(1), &["a"], Urgency::Urgent, 91..92).await;
    arrive(&store, after(1), &["b"], Urgency::Urgent, 92..93).await;
    let one = store.claim(at(after(2)), 1, together()).await.unwrap();
    assert!(["a: 91".to_owned(), "b: 92".to_owned()].contains(&texts(&one)[0]), "{:?}", texts(&one));
    let rest = texts(&claim(&store, after(2)).await);
    assert!(!rest.contains(&"a: 90".to_owned()) && rest.contains(&"b: 90".to_owned()), "{rest:?}");
    assert_eq!(texts(&claim(&store, after(63)).await), ["a: 90"]);
}

/// 2025-10-09T08:53:20Z plus 10 minutes of digests: the grid lies at :05, :15 ...
async fn digests_wait_for_their_time(place: Place) {
    let store = place.open();
    let limits = Limits { digest_every: Duration::from_secs(600), ..Limits::default() };
    store.govern(limits, at(T0)).await.unwrap();
    arrive(&store, T0, &["a"], Urgency::Digest, 1..3).await;
    arrive(&store, T0, &["a"], Urgency::Normal, 7..8).await;
    let claims = claim(&store, after(5)).await;
    assert_eq!(texts(&claims), ["a: 7"]);
    settle(&store, &claims[0], Next::Done, after(5)).await;
    let due = store.next_due(at(after(5))).await.unwrap().unwrap();
    assert_eq!(due.0.rem_euclid(600_000), 300_000);
    drop(store);
    let store = place.open();
    store.govern(limits, at(after(6))).await.unwrap();
    assert_eq!(store.next_due(at(after(6))).await.unwrap(), Some(due), "also in another process");
    assert!(claim(&store, Timestamp(due.0 - 1)).await.is_empty());
    assert_eq!(texts(&claim(&store, due).await), ["a: 1 + 2"]);
}

async fn a_flood_waits_for_its_like(place: Place) {
    let store = place.open();
    for second in 0..5 {
        let letter = sighting(vec![user("a")], Urgency::Normal, item(second, &second.to_string()));
        put(&store, after(second), vec![letter], true).await;
        assert!(claim(&store, after(second)).await.is_empty());
    }
    let urgent = sighting(vec![user("a")], Urgency::Urgent, item(9, "9"));
    put(&store, after(4), vec![urgent], true).await;
    assert_eq!(texts(&claim(&store, after(4)).await), ["a: 9"], "it waits for nobody");
    assert_eq!(texts(&claim(&store, after(14)).await), ["a: 0 + 1 + 2 + 3 + 4"]);
}

async fn the_days_quota_is_kept_over_restarts(place: Place) {
    let store = place.open();
    let limits = Limits { account_cap: Some(1), ..Limits::default() };
    store.govern(limits, at(T0)).await.unwrap();
    let all: Vec<_> = (0..195).map(|n| format!("u{n}")).collect();
    let names: Vec<_> = all.iter().map(String::as_str).collect();
    arrive(&store, T0, &names, Urgency::Normal, 1..2).await;
    let claims = claim(&store, T0).await;
    assert_eq!(claims.iter().map(|claim| claim.recipients.len()).sum::<usize>(), 195);
    for claim in &claims {
        settle(&store, claim, Next::Done, T0).await;
    }
    drop(store);
    let store = place.open();
    store.govern(limits, at(after(1))).await.unwrap();
    arrive(&store, after(1), &["a", "b", "c"], Urgency::Normal, 2..3).await;
    arrive(&store, after(1), &["d", "e"], Urgency::Urgent, 3..4).await;
    let now: Vec<_> = claim(&store, after(2)).await.iter().map(|claim| claim.recipients.len()).collect();
    assert_eq!(now, [2], "two percent are kept, most of them for urgent ones");
    let usage = store.usage(at(after(2))).await.unwrap();
    assert_eq!((usage.today, usage.quota), (197, Some(200)));
    let midnight = store.next_due(at(after(3))).await.unwrap().unwrap();
    assert_eq!((midnight.0 + 8 * 3_600_000).rem_euclid(86_400_000), 0, "of UTC+8");
    let next_day = claim(&store, midnight.plus(Duration::from_secs(61))).await;
    assert_eq!(next_day.iter().map(|claim| claim.recipients.len()).sum::<usize>(), 3);
}

async fn busy_minutes_hold_what_nobody_waits_for(place: Place) {
    let store = place.open();
    let limits = Limits { busy_minutes: BusyMinutes::Digests, ..Limits::default() };
    let noon = Timestamp(1_760_000_400_000); // 09:00:00Z
    store.govern(limits, at(noon)).await.unwrap();
    arrive(&store, noon, &["a"], Urgency::Normal, 0..61).await;
    arrive(&store, noon, &["b"], Urgency::Normal, 100..101).await;
    assert_eq!(texts(&claim(&store, noon).await), ["b: 100"], "a catch-up waits, a letter does not");
    let minute = noon.plus(Duration::from_secs(60));
    assert_eq!(store.next_due(at(noon)).await.unwrap(), Some(minute));
    assert_eq!(claim(&store, minute).await.len(), 1);
    store.govern(Limits { busy_minutes: BusyMinutes::All, ..limits }, at(noon)).await.unwrap();
    let half = noon.plus(Duration::from_secs(1800));
    arrive(&store, half, &["c"], Urgency::Normal, 200..201).await;
    arrive(&store, half, &["c"], Urgency::Urgent, 201..202).await;
    assert_eq!(texts(&claim(&store, half).await), ["c: 201"]);
}

async fn a_recipient_who_is_not_reached_is_left_alone(place: Place) {
    let store = place.open();
    let mut now = 0;
    let mut number = 0;
    for pause in [60, 120, 240, 480, 960, 1920, 3600, 3600] {
        number += 1;
        arrive(&store, after(now), &["a"], Urgency::Normal, number..number + 1).await;
        let claims = claim(&store, after(now)).await;
        settle(&store, &claims[0], Next::Dead("gone".to_owned()), after(now)).await;
        number += 1;
        arrive(&store, after(now), &["a"], Urgency::Urgent, number..number + 1).await;
        assert_eq!(store.usage(at(after(now))).await.unwrap().parked, 1);
        assert!(claim(&store, after(now + pause - 1)).await.is_empty(), "{pause}");
        now += pause;
        let claims = claim(&store, after(now)).await;
        assert_eq!(claims.len(), 1, "{pause}");
        // It goes on as it is until one is refused again, or gets through.
        settle(&store, &claims[0], Next::Again(after(now + 100_000)), after(now)).await;
    }
    number += 1;
    arrive(&store, after(now), &["a"], Urgency::Normal, number..number + 1).await;
    let claims = claim(&store, after(now)).await;
    settle(&store, &claims[0], Next::Done, after(now)).await;
    assert_eq!(store.usage(at(after(now))).await.unwrap().parked, 0);
}

async fn one_who_is_not_reached_holds_up_nobody_else(place: Place) {
    let store = place.open();
    // Tried, and the answer was lost, while one of them turns out not to be reached.
    arrive(&store, T0, &["a", "b"], Urgency::Normal, 1..2).await;
    let lost = claim(&store, T0).await;
    store.settle(lost[0].id, Next::Again(after(5)).into(), at(T0)).await.unwrap();
    arrive(&store, T0, &["b"], Urgency::Normal, 2..3).await;
    let refused = claim(&store, T0).await;
    settle(&store, &refused[0], Next::Dead("gone".to_owned()), T0).await;
    let claims = claim(&store, after(5)).await;
    assert_eq!(texts(&claims), ["a|b: 1"]);
    store.settle(claims[0].id, Next::Again(after(10)).into(), at(after(5))).await.unwrap();
    // Nobody is left whom it could reach: it waits with them.
    arrive(&store, after(6), &["a"], Urgency::Normal, 3..4).await;
    let refused = claim(&store, after(6)).await;
    settle(&store, &refused[0], Next::Dead("gone".to_owned()), after(6)).await;
    assert!(claim(&store, after(59)).await.is_empty());
    assert_eq!(texts(&claim(&store, after(60)).await), ["a|b: 1"]);
}

async fn the_rest_of_the_channel_outlives_the_process(place: Place) {
    let store = place.open();
    assert_eq!(store.begin_sending(at(T0)).await.unwrap(), Line::default());
    let line = Line { rests_until: Some(after(60)), firm: true, quota: 1, ..Line::default() };
    store.set_line(line.clone()).await.unwrap();
    store.beat(after(7)).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let store = place.open();
    assert_eq!(store.begin_sending(at(T0)).await.unwrap(), line);
    assert_eq!(store.last_beat().await.unwrap(), Some(after(7)));
}

async fn a_dead_alert_comes_back_when_a_person_says_so(place: Place) {
    let store = place.open();
    arrive(&store, T0, &["a"], Urgency::Normal, 1..2).await;
    let id = claim(&store, T0).await[0].id;
    let dead =
        Settled { next: Next::Dead("gone".to_owned()), answer: "gone".to_owned(), unsure: false, strange: false };
    store.settle(id, dead, at(T0)).await.unwrap();
    drop(store);
    let store = place.open();
    assert_eq!(store.retry(Some(vec![AlertId(77_777)]), at(after(1))).await.unwrap(), []);
    assert_eq!(store.retry(None, at(after(1))).await.unwrap(), [id]);
    assert_eq!(store.outbox().await.unwrap(), counts(0, 1, 0));
    let again = claim(&store, after(1)).await;
    assert_eq!((again[0].id, again[0].tries), (id, 2), "at once, though its recipient was left alone");
    settle(&store, &again[0], Next::Done, after(1)).await;
    assert_eq!(store.retry(Some(vec![id]), at(after(2))).await.unwrap(), [], "it is settled");
}

async fn a_person_drops_what_nobody_wants(place: Place) {
    let store = place.open();
    arrive(&store, T0, &["a"], Urgency::Normal, 1..2).await;
    arrive(&store, T0, &["b"], Urgency::Normal, 2..3).await;
    let claims = claim(&store, T0).await;
    assert_eq!(store.discard(Some(vec![claims[0].id]), at(T0)).await.unwrap(), [], "it is just being sent");
    settle(&store, &claims[0], Next::Dead("no".to_owned()), T0).await;
    settle(&store, &claims[1], Next::Again(after(HOUR)), T0).await;
    assert_eq!(store.discard(None, at(T0)).await.unwrap(), [claims[0].id], "the dead ones");
    assert_eq!(store.discard(Some(vec![claims[1].id]), at(T0)).await.unwrap(), [claims[1].id]);
    assert_eq!(store.outbox().await.unwrap(), counts(0, 0, 0));
    drop(store);
    let store = place.open();
    assert!(claim(&store, after(HOUR)).await.is_empty());
    assert!(store.alert(claims[1].id).await.unwrap().unwrap().ended_at.is_some(), "the ledger remembers");
}

/// WeCom's duplicate check forgets after 14,400 s: what is tried later may be seen twice.
async fn an_old_lost_answer_is_marked(place: Place) {
    let store = place.open();
    arrive(&store, T0, &["a"], Urgency::Normal, 1..2).await;
    arrive(&store, T0, &["b"], Urgency::Normal, 2..3).await;
    arrive(&store, T0, &["c"], Urgency::Normal, 3..4).await;
    let claims = claim(&store, T0).await;
    let of = |name: &str| claims.iter().find(|claim| claim.recipients == [user(name)]).unwrap();
    // a: refused for a limit, so not taken; b: the answer was lost; c: its sender dies.
    settle(&store, of("a"), Next::Again(after(5 * HOUR)), T0).await;
    store.settle(of("b").id, Next::Again(after(5 * HOUR)).into(), at(T0)).await.unwrap();
    drop(store);
    let store = place.open();
    let soon = claim(&store, after(3 * HOUR)).await;
    assert_eq!(soon.len(), 1);
    settle(&store, &soon[0], Next::Again(after(5 * HOUR)), after(3 * HOUR)).await;
    let late = claim(&store, after(5 * HOUR)).await;
    assert_eq!(late.len(), 3);
    for (name, twice) in [("a", false), ("b", true), ("c", true)] {
        let alert = store.alert(of(name).id).await.unwrap().unwrap();
        assert_eq!((alert.maybe_twice, alert.body.unwrap().into_bytes()), (twice, of(name).body.clone()), "{name}");
    }
    // The steady clock may stand still while the machine is off; the wall clock tells.
    arrive(&store, after(5 * HOUR), &["d"], Urgency::Normal, 4..5).await;
    let id = claim(&store, after(5 * HOUR)).await[0].id;
    drop(store);
    let store = place.open();
    let now = Now { steady: after(5 * HOUR + 60), wall: after(10 * HOUR) };
    assert_eq!(store.claim(now, ALL, together()).await.unwrap().len(), 4);
    assert!(store.alert(id).await.unwrap().unwrap().maybe_twice);
}
