//! NOTIFY, IDLE and polling: which is chosen, what each brings at once, and what is done about servers that do not keep
//! their word. On paused time, with a mailbox in memory.

use crate::support::desk::Watch;
use crate::support::mailbox::Mailbox;
use crate::support::secs;
use mailbell::config::{Mode, Subscription};
use mailbell::health::{AccountHealth, Reason, WatchMode};
use mailbell::imap::{ImapError, LoginTrouble};
use tokio::time::{Instant, sleep, timeout};

pub const FIVE: [&str; 5] = ["INBOX", "合同", "报销", "招聘", "通知"];

pub fn now_of(watch: &Watch) -> AccountHealth {
    watch.health.accounts().remove(&watch.account.id).unwrap()
}

/// Waits until so many letters are stored; how long that took.
pub async fn stored(watch: &Watch, letters: usize) -> std::time::Duration {
    let began = Instant::now();
    let come = async {
        while watch.state.stored.lock().unwrap().len() < letters {
            sleep(secs(1) / 20).await;
        }
    };
    timeout(secs(3600), come).await.unwrap();
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn notify_tells_of_five_folders_over_one_connection() {
    let mailbox = Mailbox::new(&FIVE);
    mailbox.office().notify = true;
    let watch = Watch::of(&FIVE);
    watch
        .during(mailbox.clone(), async {
            sleep(secs(10)).await;
            assert_eq!(now_of(&watch).mode, Some(WatchMode::Notify));
            for (at, folder) in FIVE.iter().enumerate() {
                sleep(secs(30)).await;
                mailbox.arrive(folder, folder, watch.clock.now());
                assert!(stored(&watch, at + 1).await < secs(2), "{folder}");
            }
            assert_eq!(watch.subjects().await, FIVE);
            let health = now_of(&watch);
            assert_eq!((mailbox.alive(), health.connections), (1, 1));
            assert!(health.folders.iter().all(|folder| folder.pushed), "{health:?}");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn letters_that_leave_other_folders_cost_no_sync() {
    let mailbox = Mailbox::new(&FIVE);
    mailbox.office().notify = true;
    let watch = Watch::of(&FIVE);
    watch
        .during(mailbox.clone(), async {
            for folder in FIVE {
                mailbox.arrive(folder, folder, watch.clock.now());
            }
            sleep(secs(20)).await;
            let before = watch.state.syncs();
            for folder in FIVE {
                mailbox.change(folder, |cabinet| {
                    cabinet.letters.clear();
                    cabinet.touch();
                });
                mailbox.ring();
                sleep(secs(2)).await;
            }
            assert_eq!(watch.state.syncs() - before, 1, "the main folder alone cannot tell");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn notify_that_is_refused_or_ended_gives_way_to_idle() {
    let refused = ImapError::No { command: "NOTIFY", text: "[NOTIFICATIONOVERFLOW] too many".to_owned() };
    for refusal in [Some(refused), None] {
        let mailbox = Mailbox::new(&FIVE);
        mailbox.office().notify = true;
        mailbox.office().refuses_notify = refusal.clone();
        let watch = Watch::of(&FIVE);
        watch
            .during(mailbox.clone(), async {
                sleep(secs(10)).await;
                if refusal.is_none() {
                    assert_eq!(now_of(&watch).mode, Some(WatchMode::Notify));
                    mailbox.overflow();
                    mailbox.ring();
                    sleep(secs(5)).await;
                }
                let health = now_of(&watch);
                assert_eq!(health.mode, Some(WatchMode::Idle), "{health:?}");
                let wanted = refusal.as_ref().map_or(Reason::NotifyEnded, |no| Reason::Said(format!("NOTIFY: {no}")));
                assert_eq!(health.why, Some(wanted));
                mailbox.arrive("INBOX", "pushed", watch.clock.now());
                assert!(stored(&watch, 1).await < secs(2));
                mailbox.arrive("合同", "swept", watch.clock.now());
                assert!(stored(&watch, 2).await <= secs(300));
            })
            .await;
        assert_eq!(mailbox.office().connects.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn realtime_folders_have_connections_of_their_own_where_there_is_no_notify() {
    let mailbox = Mailbox::new(&FIVE);
    let mut watch = Watch::of(&FIVE);
    let realtime = |name: &str, realtime| Subscription { realtime: Some(realtime), ..Subscription::to(&[name]) };
    watch.account.subscriptions =
        vec![Subscription::to(&["INBOX"]), realtime("报销", true), realtime("招聘", true), Subscription::to(&["*"])];
    watch.connections = 2;
    watch
        .during(mailbox.clone(), async {
            sleep(secs(20)).await;
            assert_eq!(mailbox.idling(), ["INBOX", "报销"], "INBOX and the first that is marked; two connections");
            assert_eq!(now_of(&watch).connections, 2);
            mailbox.arrive("报销", "own connection", watch.clock.now());
            assert!(stored(&watch, 1).await < secs(3));
            sleep(secs(60)).await;
            mailbox.arrive("INBOX", "main", watch.clock.now());
            assert!(stored(&watch, 2).await < secs(3));
            sleep(secs(60)).await;
            mailbox.arrive("招聘", "sweep", watch.clock.now());
            assert!(stored(&watch, 3).await <= secs(300));
            mailbox.cut();
            sleep(secs(30)).await;
            assert_eq!(mailbox.idling(), ["INBOX", "报销"]);
            mailbox.arrive("报销", "after a cut", watch.clock.now());
            assert!(stored(&watch, 4).await < secs(3));
            assert_eq!(watch.subjects().await, ["own connection", "main", "sweep", "after a cut"]);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn who_has_too_many_connections_gets_fewer() {
    let mailbox = Mailbox::new(&["INBOX", "合同"]);
    mailbox.office().most_sessions = Some(1);
    let mut watch = Watch::of(&["INBOX", "合同"]);
    watch.account.subscriptions = vec![Subscription { realtime: Some(true), ..Subscription::to(&["*"]) }];
    watch.connections = 2;
    watch
        .during(mailbox.clone(), async {
            sleep(secs(1200)).await;
            assert_eq!(mailbox.idling(), ["INBOX"]);
            assert!(mailbox.office().connects.len() <= 3, "{:?}", mailbox.office().connects);
            mailbox.arrive("合同", "by the sweep", watch.clock.now());
            assert!(stored(&watch, 1).await <= secs(300));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_has_idle_but_does_not_push_is_found_out_and_polled() {
    let mailbox = Mailbox::new(&["INBOX"]);
    mailbox.office().idle_is_deaf = true;
    let watch = Watch::new();
    watch
        .during(mailbox.clone(), async {
            sleep(secs(10)).await;
            for at in 1..=4 {
                mailbox.arrive("INBOX", &format!("letter {at}"), watch.clock.now());
                assert!(stored(&watch, at).await <= secs(300), "{at}");
                sleep(secs(600)).await;
            }
            let health = now_of(&watch);
            assert_eq!(health.mode, Some(WatchMode::Poll), "{health:?}");
            assert_eq!(health.why, Some(Reason::IdleMisses));
            let idles = mailbox.count("IDLE");
            sleep(secs(3600)).await;
            mailbox.cut();
            sleep(secs(600)).await;
            assert_eq!(mailbox.count("IDLE"), idles, "remembered, over a reconnect too");
            sleep(secs(24 * 3600)).await;
            mailbox.cut();
            sleep(secs(600)).await;
            assert!(mailbox.count("IDLE") > idles, "after a day it may show again what it can");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_misses_now_and_then_is_believed() {
    let mailbox = Mailbox::new(&["INBOX"]);
    let watch = Watch::new();
    watch
        .during(mailbox.clone(), async {
            sleep(secs(10)).await;
            for at in 0..6 {
                let deaf = at % 3 != 0;
                mailbox.office().idle_is_deaf = deaf;
                mailbox.arrive("INBOX", &format!("letter {at}"), watch.clock.now());
                assert!(stored(&watch, at + 1).await <= secs(300));
                sleep(secs(300)).await;
            }
            assert_eq!(now_of(&watch).mode, Some(WatchMode::Idle));
        })
        .await;
}

/// Cyrus leaves out folders of a special use (`event_exclude_specialuse`).
#[tokio::test(start_paused = true)]
async fn folders_that_notify_forgets_are_swept_and_with_the_last_of_them_it_is_given_up() {
    let mailbox = Mailbox::new(&FIVE);
    mailbox.office().notify = true;
    let watch = Watch::of(&FIVE);
    watch
        .during(mailbox.clone(), async {
            sleep(secs(10)).await;
            let mut stored_so_far = 0;
            for (forgotten, folder) in FIVE[1..].iter().enumerate() {
                assert_eq!(now_of(&watch).mode, Some(WatchMode::Notify), "{forgotten} forgotten");
                mailbox.change(folder, |cabinet| cabinet.unnoticed = true);
                for at in 1..=3 {
                    stored_so_far += 1;
                    mailbox.arrive(folder, &format!("{folder} {at}"), watch.clock.now());
                    assert!(stored(&watch, stored_so_far).await <= secs(300), "{folder} {at}");
                    sleep(secs(300)).await;
                }
                let told = now_of(&watch).folders.iter().filter(|f| f.pushed).count();
                assert_eq!(told, if forgotten == 3 { 1 } else { 4 - forgotten });
                if let Some(next) = FIVE.get(forgotten + 2) {
                    stored_so_far += 1;
                    mailbox.arrive(next, &format!("{next} told"), watch.clock.now());
                    assert!(stored(&watch, stored_so_far).await <= secs(3), "the others are told of at once");
                }
            }
            assert_eq!(now_of(&watch).mode, Some(WatchMode::Idle));
        })
        .await;
}

/// Dovecot 2.3 takes names that it then tells nothing of, neither at the beginning nor later.
#[tokio::test(start_paused = true)]
async fn a_folder_that_notify_never_knew_is_swept_and_the_others_go_on() {
    let mailbox = Mailbox::new(&FIVE);
    mailbox.office().notify = true;
    mailbox.change("合同", |cabinet| cabinet.unnoticed = true);
    let watch = Watch::of(&FIVE);
    watch
        .during(mailbox.clone(), async {
            sleep(secs(10)).await;
            for at in 1..=5 {
                mailbox.arrive("合同", &format!("letter {at}"), watch.clock.now());
                assert!(stored(&watch, at).await <= secs(300), "{at}");
                sleep(secs(300)).await;
            }
            let health = now_of(&watch);
            assert_eq!(health.mode, Some(WatchMode::Notify), "{health:?}");
            let untold: Vec<_> = health.folders.iter().filter(|f| !f.pushed).map(|f| f.shown.to_string()).collect();
            assert_eq!(untold, ["合同"]);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn one_command_looks_at_all_folders_where_the_server_has_it() {
    for refusal in [None, Some(ImapError::Bad { command: "LIST", text: "unknown".to_owned() })] {
        let mailbox = Mailbox::new(&FIVE);
        mailbox.office().list_status = true;
        mailbox.office().refuses_list_status = refusal.clone();
        mailbox.change("招聘", |cabinet| cabinet.left_out = true);
        let watch = Watch::of(&FIVE);
        watch
            .during(mailbox.clone(), async {
                sleep(secs(10)).await;
                mailbox.office().said.clear();
                for folder in ["合同", "招聘"] {
                    mailbox.arrive(folder, folder, watch.clock.now());
                }
                stored(&watch, 2).await;
                match refusal {
                    None => assert_eq!(mailbox.count("STATUS "), 1, "the one that the answer leaves out"),
                    Some(_) => assert_eq!(mailbox.count("STATUS "), 4),
                }
                assert_eq!(mailbox.count("LIST-STATUS"), usize::from(refusal.is_none()));
            })
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn polling_and_the_mode_that_was_asked_for() {
    for (mode, wanted) in
        [(Mode::Poll, WatchMode::Poll), (Mode::Idle, WatchMode::Idle), (Mode::Notify, WatchMode::Notify)]
    {
        let mailbox = Mailbox::new(&["INBOX"]);
        mailbox.office().notify = true;
        let mut watch = Watch::new();
        watch.account.mode = mode;
        watch
            .during(mailbox.clone(), async {
                sleep(secs(10)).await;
                assert_eq!(now_of(&watch).mode, Some(wanted));
                mailbox.arrive("INBOX", "letter", watch.clock.now());
                let limit = if mode == Mode::Poll { secs(300) } else { secs(2) };
                assert!(stored(&watch, 1).await <= limit);
            })
            .await;
    }
}

/// imap-servers A.3: NOOP does not count for NetEase's idle timer, so the folder is opened anew.
#[tokio::test(start_paused = true)]
async fn where_noop_is_no_activity_the_folder_is_opened_anew() {
    let mailbox = Mailbox::new(&["INBOX"]);
    mailbox.office().idle = false;
    let mut watch = Watch::new();
    watch.account.provider.renew = Some(secs(55));
    watch
        .during(mailbox.clone(), async {
            sleep(secs(10)).await;
            mailbox.office().said.clear();
            sleep(secs(240)).await;
            assert!(mailbox.count("EXAMINE") >= 4, "{:?}", mailbox.office().said);
            assert_eq!(mailbox.count("NOOP"), 0);
            mailbox.arrive("INBOX", "letter", watch.clock.now());
            assert!(stored(&watch, 1).await <= secs(60));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn what_the_server_wants_a_person_to_see_is_kept() {
    let mailbox = Mailbox::new(&["INBOX"]);
    let watch = Watch::new();
    watch
        .during(mailbox.clone(), async {
            sleep(secs(10)).await;
            mailbox.office().server_alerts.push("the server goes down at noon".to_owned());
            sleep(secs(300)).await;
            assert_eq!(now_of(&watch).server_alert.as_deref(), Some("the server goes down at noon"));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_tried_again_soon_once_and_then_rarely() {
    let cases = [("[AUTHENTICATIONFAILED] no", 2), ("Login fail. Account is abnormal, or busy", 3)];
    for (text, sure_at) in cases {
        let mailbox = Mailbox::new(&["INBOX"]);
        let trouble = LoginTrouble::of(text);
        mailbox.office().refuses = Some(ImapError::Login { trouble, text: text.to_owned() });
        let watch = Watch::new();
        watch
            .during(mailbox.clone(), async {
                let mut tries = 0;
                let mut sure = 0;
                for _ in 0..7200 {
                    sleep(secs(1)).await;
                    tries = mailbox.office().connects.len();
                    if sure == 0 && now_of(&watch).refusal_is_sure {
                        sure = tries;
                    }
                }
                assert_eq!((tries, sure), (4, sure_at), "{text}");
                mailbox.office().refuses = None;
                sleep(secs(5 * 3600)).await;
                let health = now_of(&watch);
                assert!(!health.refusal_is_sure && health.mode.is_some(), "{health:?}");
            })
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_all_folders_are_looked_at() {
    let mailbox = Mailbox::new(&["INBOX", "合同"]);
    let watch = Watch::of(&["INBOX", "合同"]);
    watch
        .during(mailbox.clone(), async {
            sleep(secs(400)).await;
            mailbox.office().refuses = Some(ImapError::Lost("outage".to_owned()));
            mailbox.cut();
            sleep(secs(120)).await;
            mailbox.arrive("合同", "meanwhile", watch.clock.now());
            mailbox.office().refuses = None;
            let began = watch.clock.now();
            while mailbox.alive() == 0 {
                sleep(secs(1)).await;
            }
            stored(&watch, 1).await;
            let took = watch.clock.now().since(began);
            // Half a minute of it is the pause before the next try.
            assert!(took < secs(130), "{took:?}");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_comes_under_notify_is_told_of_too() {
    let mailbox = Mailbox::new(&["INBOX", "项目-甲"]);
    mailbox.office().notify = true;
    let watch = Watch::of(&["INBOX", "项目*"]);
    watch
        .during(mailbox.clone(), async {
            sleep(secs(30)).await;
            let fresh = mailbox.office().folders["项目-甲"].clone();
            mailbox.office().folders.insert("项目-乙".to_owned(), fresh);
            sleep(secs(700)).await;
            assert_eq!((mailbox.alive(), mailbox.count("NOTIFY")), (1, 2), "asked anew on a new connection");
            assert_eq!(mailbox.office().connects.len(), 2);
            mailbox.arrive("项目-乙", "in the new one", watch.clock.now());
            assert!(stored(&watch, 1).await <= secs(3));
        })
        .await;
}
