//! Troubles that people were told of: noted in one step with the messages that tell them, over restarts.

use super::{Place, T0, account, after, at, claim, on_both_backends, texts, user};
use mailbell::model::{Timestamp, Told, Trouble};
use mailbell::rules::retry::Next;
use mailbell::state::{Report, State, Troubles};

on_both_backends!(what_was_told_is_known_after_a_restart, a_message_of_a_report_is_sent_like_any_other);

fn told(admin: bool) -> Told {
    Told { since: Timestamp(5), admin }
}

fn report(trouble: Trouble, told: Option<Told>, text: &str) -> Report {
    Report { troubles: vec![(account(), trouble, told)], alerts: vec![(vec![user("zhangsan")], text.to_owned())] }
}

async fn what_was_told_is_known_after_a_restart(place: Place) {
    let folder = Trouble::Folder("项目/甲".into());
    let store = place.open();
    store.report(report(Trouble::Blind, Some(told(false)), "blind"), at(T0)).await.unwrap();
    store.report(report(folder.clone(), Some(told(false)), "folder"), at(T0)).await.unwrap();
    drop(store);
    let store = place.open();
    let both = [((account(), Trouble::Blind), told(false)), ((account(), folder.clone()), told(false))];
    assert_eq!(store.troubles().await.unwrap(), Troubles::from(both.clone()));
    assert_eq!(texts(&claim(&store, T0).await), ["zhangsan: blind", "zhangsan: folder"]);
    store.report(report(Trouble::Blind, Some(told(true)), "admin"), at(after(1))).await.unwrap();
    store.report(report(folder, None, "over"), at(after(1))).await.unwrap();
    drop(store);
    let left = [((account(), Trouble::Blind), told(true))];
    assert_eq!(place.open().troubles().await.unwrap(), Troubles::from(left));
}

async fn a_message_of_a_report_is_sent_like_any_other(place: Place) {
    let store = place.open();
    store.report(report(Trouble::LoginRefused, Some(told(false)), "refused"), at(T0)).await.unwrap();
    let claims = claim(&store, T0).await;
    assert_eq!((texts(&claims), claims[0].tries, claims[0].told_at), (vec!["zhangsan: refused".to_owned()], 1, T0));
    store.settle(claims[0].id, Next::Again(after(60)).into(), at(T0)).await.unwrap();
    assert!(claim(&store, after(59)).await.is_empty());
    let again = claim(&store, after(60)).await;
    assert_eq!((again[0].id, again[0].tries), (claims[0].id, 2));
    store.settle(again[0].id, Next::Done.into(), at(after(60))).await.unwrap();
    drop(store);
    assert!(claim(&place.open(), after(999)).await.is_empty());
}
