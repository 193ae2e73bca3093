//! What was not believed, or had no room, is tried again when its time is over. On paused time, with a mailbox in memory.

use super::modes::{FIVE, now_of, stored};
use crate::support::desk::Watch;
use crate::support::mailbox::Mailbox;
use crate::support::secs;
use mailbell::config::Subscription;
use mailbell::health::WatchMode;
use tokio::time::sleep;

fn logins(mailbox: &Mailbox) -> usize {
    mailbox.office().connects.len()
}

/// A day of distrust is a day, also where a connection lives for weeks; and so is an hour with fewer connections.
#[tokio::test(start_paused = true)]
async fn who_is_not_believed_is_tried_again_in_the_same_session() {
    let mailbox = Mailbox::new(&["INBOX"]);
    mailbox.office().idle_is_deaf = true;
    let watch = Watch::new();
    watch
        .during(mailbox.clone(), async {
            sleep(secs(10)).await;
            for at in 1..=3 {
                mailbox.arrive("INBOX", &format!("letter {at}"), watch.clock.now());
                sleep(secs(600)).await;
            }
            assert_eq!(now_of(&watch).mode, Some(WatchMode::Poll));
            mailbox.office().idle_is_deaf = false;
            sleep(secs(23 * 3600)).await;
            assert_eq!(now_of(&watch).mode, Some(WatchMode::Poll));
            sleep(secs(2 * 3600)).await;
            assert_eq!((now_of(&watch).mode, logins(&mailbox)), (Some(WatchMode::Idle), 1));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn notify_is_asked_again_after_its_day_on_a_connection_of_its_own() {
    let mailbox = Mailbox::new(&FIVE);
    mailbox.office().notify = true;
    let watch = Watch::of(&FIVE);
    watch
        .during(mailbox.clone(), async {
            sleep(secs(10)).await;
            mailbox.overflow();
            sleep(secs(23 * 3600)).await;
            assert_eq!((now_of(&watch).mode, logins(&mailbox)), (Some(WatchMode::Idle), 1));
            sleep(secs(2 * 3600)).await;
            assert_eq!((now_of(&watch).mode, logins(&mailbox)), (Some(WatchMode::Notify), 2));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn after_an_hour_with_fewer_connections_there_are_more_again() {
    let mailbox = Mailbox::new(&["INBOX", "合同"]);
    let mut watch = Watch::of(&["INBOX", "合同"]);
    watch.account.subscriptions = vec![Subscription { realtime: Some(true), ..Subscription::to(&["*"]) }];
    mailbox.office().most_sessions = Some(0);
    watch
        .during(mailbox.clone(), async {
            sleep(secs(10)).await;
            mailbox.office().most_sessions = None;
            sleep(secs(1800)).await;
            assert_eq!(mailbox.idling(), ["INBOX"]);
            sleep(secs(2400)).await;
            assert_eq!(mailbox.idling(), ["INBOX", "合同"]);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn notify_that_tells_of_no_other_folder_gives_way_to_connections_of_their_own() {
    let mailbox = Mailbox::new(&["INBOX", "合同", "报销"]);
    mailbox.office().notify = true;
    for folder in ["合同", "报销"] {
        mailbox.change(folder, |cabinet| cabinet.unnoticed = true);
    }
    let mut watch = Watch::of(&["INBOX", "合同", "报销"]);
    watch.account.subscriptions = vec![
        Subscription { realtime: Some(true), ..Subscription::to(&["INBOX", "合同"]) },
        Subscription::to(&["报销"]),
    ];
    watch
        .during(mailbox.clone(), async {
            sleep(secs(10)).await;
            assert_eq!(now_of(&watch).mode, Some(WatchMode::Idle), "{:?}", now_of(&watch).why);
            mailbox.arrive("合同", "at once", watch.clock.now());
            assert!(stored(&watch, 1).await < secs(3));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn folders_that_notify_forgot_are_told_of_when_it_is_tried_again() {
    let mailbox = Mailbox::new(&["INBOX", "合同"]);
    mailbox.office().notify = true;
    let watch = Watch::of(&["INBOX", "合同"]);
    watch
        .during(mailbox.clone(), async {
            sleep(secs(10)).await;
            mailbox.change("合同", |cabinet| cabinet.unnoticed = true);
            for at in 1..=3 {
                mailbox.arrive("合同", &format!("letter {at}"), watch.clock.now());
                sleep(secs(600)).await;
            }
            assert_eq!(now_of(&watch).mode, Some(WatchMode::Idle));
            mailbox.change("合同", |cabinet| cabinet.unnoticed = false);
            sleep(secs(25 * 3600)).await;
            let health = now_of(&watch);
            assert_eq!(health.mode, Some(WatchMode::Notify));
            assert!(health.folders.iter().all(|folder| folder.pushed), "{health:?}");
            mailbox.arrive("合同", "told again", watch.clock.now());
            assert!(stored(&watch, 4).await < secs(3));
        })
        .await;
}
