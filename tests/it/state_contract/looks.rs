//! Alerts that look otherwise to some recipients: each gets each letter once, in an alert of their own look.

use super::{
    ALL, Place, T0, account, after, arrive, at, body, claim, item, mark, on_both_backends, sighting, texts, user,
};
use mailbell::model::{AlertKind, RawName, Recipient, Timestamp, Urgency};
use mailbell::rules::retry::Next;
use mailbell::state::{
    AlertState, Claim, Compose, Content, Draft, Ledger, Limits, Met, Report, Scan, Shape, State, Store,
};
use std::sync::{Arc, Mutex};

on_both_backends!(
    everybody_gets_every_letter_once_in_their_own_look,
    what_there_was_no_room_for_keeps_its_look,
    a_look_is_made_again_for_its_own_recipients_alone,
    a_report_that_is_parted_is_told_to_each_once,
    all_persons_count_for_the_day,
    what_a_composer_forgets_is_not_lost,
);

/// Those whose names begin with an e get English; a message for each letter where `each`.
fn by_look(to: &[Recipient], content: Content<'_>, shape: Shape, each: bool) -> Vec<Draft> {
    let (english, others): (Vec<_>, Vec<_>) = to.iter().cloned().partition(|to| to.to_string().starts_with('e'));
    let mut drafts = Vec::new();
    for (lang, to) in [("en", english), ("zh", others)] {
        let draft = |kind, bytes: Vec<u8>, items| Draft {
            to: to.clone(),
            kind,
            body: [lang.as_bytes(), b" ", &bytes].concat(),
            items,
        };
        match content {
            _ if to.is_empty() => {}
            Content::Text(text) => {
                let names: Vec<_> = to.iter().map(ToString::to_string).collect();
                drafts.push(draft(AlertKind::Report, format!("{}: {text}", names.join("|")).into_bytes(), vec![]));
            }
            Content::Letters(items) if each => {
                let one = |at: usize| draft(AlertKind::Letter, body(&to, &items[at..=at], shape), vec![at]);
                drafts.extend((0..items.len()).map(one));
            }
            Content::Letters(items) => {
                drafts.push(draft(AlertKind::Digest, body(&to, items, shape), (0..items.len()).collect()));
            }
        }
    }
    drafts
}

fn looks(each: bool) -> Arc<Compose> {
    Arc::new(move |to, content, shape| by_look(to, content, shape, each))
}

async fn claim_by(store: &Store, now: Timestamp, most: usize, compose: Arc<Compose>) -> Vec<Claim> {
    store.claim(at(now), most, compose).await.unwrap()
}

/// One letter for all of these.
async fn arrive_for(store: &Store, now: Timestamp, to: &[&str], number: u64) {
    let to = to.iter().map(|name| user(name)).collect();
    let scan = Scan {
        account: account(),
        folder: RawName::new(&number.to_be_bytes()),
        from: None,
        to: mark(2),
        letters: vec![sighting(to, Urgency::Normal, item(number, &number.to_string()))],
        met: Met::default(),
        deferred: std::time::Duration::ZERO,
        catching_up: false,
    };
    store.commit_scan(scan, at(now)).await.unwrap();
}

async fn settle_all(store: &Store, claims: &[Claim], now: Timestamp) {
    for claim in claims {
        store.settle(claim.id, Next::Done.into(), at(now)).await.unwrap();
    }
}

async fn everybody_gets_every_letter_once_in_their_own_look(place: Place) {
    let store = place.open();
    let all = ["a", "e1", "b", "e2"];
    arrive_for(&store, T0, &all, 1).await;
    arrive_for(&store, T0, &all, 2).await;
    let claims = claim_by(&store, T0, ALL, looks(false)).await;
    assert_eq!(texts(&claims), ["en e1|e2: 1 + 2", "zh a|b: 1 + 2"]);
    for claim in &claims {
        let names: Vec<_> = claim.recipients.iter().map(ToString::to_string).collect();
        let told = String::from_utf8(claim.body.clone()).unwrap();
        assert!(told.contains(&format!(" {}: ", names.join("|"))), "{told} for {names:?}");
        assert_eq!(claim.letters, 2);
    }
    settle_all(&store, &claims, T0).await;
    arrive_for(&store, after(600), &all, 3).await;
    arrive_for(&store, after(600), &all, 4).await;
    let claims = claim_by(&store, after(600), ALL, looks(true)).await;
    assert_eq!(texts(&claims), ["en e1|e2: 3", "en e1|e2: 4", "zh a|b: 3", "zh a|b: 4"]);
    settle_all(&store, &claims, after(600)).await;
    assert!(claim_by(&store, after(7200), ALL, looks(false)).await.is_empty());
}

async fn what_there_was_no_room_for_keeps_its_look(place: Place) {
    let store = place.open();
    arrive_for(&store, T0, &["a", "e"], 1).await;
    let first = claim_by(&store, T0, 1, looks(false)).await;
    assert_eq!(first.len(), 1);
    settle_all(&store, &first, T0).await;
    drop(store);
    let store = place.open();
    store.begin_sending(at(after(1))).await.unwrap();
    let second = claim_by(&store, after(1), ALL, looks(false)).await;
    let mut told = texts(&first);
    told.extend(texts(&second));
    told.sort();
    assert_eq!(told, ["en e: 1", "zh a: 1"]);
    settle_all(&store, &second, after(1)).await;
}

/// An alert that has a number, as one that WeCom refused as it was: made anew, it is for its own recipients.
async fn a_look_is_made_again_for_its_own_recipients_alone(place: Place) {
    let store = place.open();
    arrive_for(&store, T0, &["a", "e", "b"], 1).await;
    let claims = claim_by(&store, T0, ALL, looks(false)).await;
    let zh = claims.iter().find(|claim| claim.body.starts_with(b"zh")).unwrap();
    let en = claims.iter().find(|claim| claim.body.starts_with(b"en")).unwrap();
    store.settle(zh.id, Next::Plain.into(), at(T0)).await.unwrap();
    store.settle(en.id, Next::Done.into(), at(T0)).await.unwrap();
    // Meanwhile they want different looks.
    let parted: Arc<Compose> = Arc::new(|to: &[Recipient], content: Content<'_>, shape: Shape| {
        to.iter().flat_map(|to| by_look(std::slice::from_ref(to), content, shape, false)).collect()
    });
    let again = claim_by(&store, after(1), ALL, parted).await;
    assert_eq!(texts(&again), ["zh a: 1 plain", "zh b: 1 plain"]);
    assert!(again.iter().any(|claim| claim.id == zh.id) && again.iter().all(|claim| claim.plain));
    settle_all(&store, &again, after(1)).await;
    let sent = store.alerts(Some(AlertState::Sent), ALL).await.unwrap();
    assert_eq!(sent.len(), 3);
}

async fn a_report_that_is_parted_is_told_to_each_once(place: Place) {
    let store = place.open();
    let to = vec![user("a"), user("e")];
    let report = Report { troubles: Vec::new(), alerts: vec![(to, "blind".to_owned())] };
    store.report(report, at(T0)).await.unwrap();
    let claims = claim_by(&store, T0, ALL, looks(false)).await;
    assert_eq!(texts(&claims), ["en e: blind", "zh a: blind"]);
    settle_all(&store, &claims, T0).await;
    assert_eq!(store.outbox().await.unwrap().open, 0);
}

async fn all_persons_count_for_the_day(place: Place) {
    let store = place.open();
    store.govern(Limits { account_cap: Some(1), ..Limits::default() }, at(T0)).await.unwrap();
    arrive_for(&store, T0, &["a", "e", "b"], 1).await;
    let claims = claim_by(&store, T0, ALL, looks(false)).await;
    assert_eq!(claims.len(), 2);
    assert_eq!(store.usage(at(T0)).await.unwrap().today, 3);
    settle_all(&store, &claims, T0).await;
    assert_eq!(store.usage(at(T0)).await.unwrap().today, 3);
}

/// A composer that leaves out a recipient or a letter, or tells one twice, is not believed; nothing is lost by it.
async fn what_a_composer_forgets_is_not_lost(place: Place) {
    let store = place.open();
    for number in 1..3 {
        arrive_for(&store, T0, &["a", "e"], number).await;
    }
    let spoilt = |spoil: fn(&mut Vec<Draft>)| -> Arc<Compose> {
        Arc::new(move |to, content, shape| {
            let mut drafts = by_look(to, content, shape, true);
            spoil(&mut drafts);
            drafts
        })
    };
    let spoils: [fn(&mut Vec<Draft>); 6] = [
        Vec::clear,
        |drafts| drafts.truncate(3),
        |drafts| drafts[0].to = vec![user("a")],
        |drafts| drafts[0].to.clear(),
        |drafts| drafts[0].to.push(user("stranger")),
        |drafts| drafts[0].items = vec![0, 7],
    ];
    for (at_, spoil) in spoils.into_iter().enumerate() {
        assert!(store.claim(at(after(1)), ALL, spoilt(spoil)).await.is_err(), "spoilt in way {at_}");
    }
    assert_eq!(store.outbox().await.unwrap().waiting, 4);
    let claims = claim(&store, after(2)).await;
    assert_eq!(texts(&claims), ["a|e: 1 + 2"]);
    // And a single one is told as ever.
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = seen.clone();
    let compose: Arc<Compose> = Arc::new(move |to, content, shape| {
        sink.lock().unwrap().push(shape.urgent);
        by_look(to, content, shape, false)
    });
    settle_all(&store, &claims, after(2)).await;
    arrive(&store, after(3), &[("a", 9, "x")]).await;
    assert_eq!(texts(&claim_by(&store, after(60), ALL, compose).await), ["zh a: x"]);
    assert_eq!(*seen.lock().unwrap(), [false]);
}

/// What is urgent is made as such, at the first time and at any later one.
#[tokio::test]
async fn urgent_letters_are_composed_as_urgent_ones() {
    let store = Place::memory().open();
    let scan = Scan {
        letters: vec![sighting(vec![user("a")], Urgency::Urgent, item(1, "fire"))],
        ..super::scan(None, 2, Vec::new())
    };
    store.commit_scan(scan, at(T0)).await.unwrap();
    let compose: Arc<Compose> = Arc::new(|to, content, shape| {
        let drafts = by_look(to, content, shape, false);
        let loud = if shape.urgent { " urgent" } else { "" };
        drafts.into_iter().map(|d| Draft { body: [&d.body, loud.as_bytes()].concat(), ..d }).collect()
    });
    let claims = claim_by(&store, T0, ALL, compose.clone()).await;
    assert_eq!(texts(&claims), ["zh a: fire urgent"]);
    store.settle(claims[0].id, Next::Plain.into(), at(T0)).await.unwrap();
    assert_eq!(texts(&claim_by(&store, after(1), ALL, compose).await), ["zh a: fire plain urgent"]);
}
