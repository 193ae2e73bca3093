//! What is announced, and what is not.

use crate::support::desk::Watch;
use crate::support::mailbox::{Cabinet, Fault, Mailbox, header};
use crate::support::secs;
use mailbell::config::Subscription;
use mailbell::imap::Detail;
use mailbell::model::Timestamp;
use tokio::time::sleep;

/// An hour, give or take what a worker needs to begin.
const HOUR: std::time::Duration = secs(3600);

#[tokio::test(start_paused = true)]
async fn first_sight_announces_nothing_and_then_all() {
    let (watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
    for n in 0..500 {
        mailbox.arrive("INBOX", &format!("old {n}"), watch.clock.now());
    }
    let story = async {
        sleep(secs(5)).await;
        assert!(watch.subjects().await.is_empty());
        for id in ["one", "two", "three"] {
            mailbox.arrive("INBOX", id, watch.clock.now());
        }
        sleep(secs(5)).await;
        assert_eq!(watch.subjects().await, ["one", "two", "three"]);
        sleep(secs(60)).await;
        let news = mailbox.arrive("INBOX", "four", watch.clock.now());
        let before = watch.clock.now();
        sleep(secs(1)).await;
        let items = watch.news().await;
        assert_eq!((items.len(), items[0].told_at, news), (1, before, 504));
        sleep(secs(1000)).await;
        assert!(watch.subjects().await.is_empty());
    };
    watch.during(mailbox.clone(), story).await;
}

#[tokio::test(start_paused = true)]
async fn what_came_while_nobody_watched_is_announced_once() {
    let (watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
    watch.during(mailbox.clone(), sleep(secs(5))).await;
    mailbox.arrive("INBOX", "meanwhile", watch.clock.now());
    sleep(HOUR * 30).await;
    watch.during(mailbox.clone(), sleep(secs(15))).await;
    assert_eq!(watch.subjects().await, ["meanwhile"]);
    watch.during(mailbox.clone(), sleep(secs(1000))).await;
    assert!(watch.subjects().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn mail_read_elsewhere_is_announced_only_if_wanted() {
    for wanted in [false, true] {
        let (mut watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
        watch.imap.alert_seen = wanted;
        let story = async {
            sleep(secs(5)).await;
            mailbox.arrive("INBOX", "unread", watch.clock.now());
            mailbox.arrive("INBOX", "read", watch.clock.now());
            mailbox.change("INBOX", |c| c.letters[1].seen = true);
            sleep(secs(5)).await;
            assert_eq!(watch.subjects().await.len(), 1 + usize::from(wanted));
        };
        watch.during(mailbox.clone(), story).await;
    }
}

#[tokio::test(start_paused = true)]
async fn old_mail_that_is_put_there_is_not_news() {
    let (watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
    let story = async {
        sleep(secs(5)).await;
        let now = watch.clock.now();
        for n in 0..300 {
            mailbox.arrive("INBOX", &format!("imported {n}"), now.minus(HOUR * 24 * (n + 1)));
        }
        mailbox.arrive("INBOX", "new", now);
        mailbox.arrive("INBOX", "a little late", now.minus(secs(3000)));
        mailbox.arrive("INBOX", "a clock ahead", now.plus(HOUR * 24));
        sleep(secs(20)).await;
        assert_eq!(watch.subjects().await, ["new", "a little late", "a clock ahead"]);
        assert_eq!(mailbox.office().folders["INBOX"].letters.len(), 303);
    };
    watch.during(mailbox.clone(), story).await;
}

/// The server numbers the folder anew; what came in between is announced, what was announced before is not.
#[tokio::test(start_paused = true)]
async fn a_new_uidvalidity_costs_no_letter_and_repeats_none() {
    for tells_next in [true, false] {
        let (watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
        mailbox.change("INBOX", |c| c.tells_next = tells_next);
        mailbox.arrive("INBOX", "old", watch.clock.now().minus(HOUR * 48));
        let story = async {
            sleep(secs(5)).await;
            mailbox.arrive("INBOX", "known", watch.clock.now());
            sleep(secs(5)).await;
            assert_eq!(watch.subjects().await, ["known"]);
            mailbox.arrive_with("INBOX", "gap", watch.clock.now(), Fault::Hidden);
            mailbox.change("INBOX", |c| {
                c.uid_validity = Some(8);
                for (n, mail) in c.letters.iter_mut().enumerate() {
                    mail.uid = n as u32 + 1;
                    mail.fault = Fault::None;
                }
                c.next = 4;
            });
            mailbox.cut();
            sleep(secs(15)).await;
            assert_eq!(watch.subjects().await, ["gap"], "UIDNEXT {tells_next}");
            mailbox.arrive("INBOX", "after", watch.clock.now());
            sleep(secs(10)).await;
            assert_eq!(watch.subjects().await, ["after"]);
            sleep(secs(1000)).await;
            assert!(watch.subjects().await.is_empty());
        };
        watch.during(mailbox.clone(), story).await;
    }
}

/// Courier under EXAMINE: no UIDNEXT, a UID is given to another letter when its first is gone, and UIDVALIDITY is the
/// time of day (tried with Courier-IMAP 5.0.13, 2026-11).
#[tokio::test(start_paused = true)]
async fn where_uids_mean_nothing_sameness_decides() {
    let (watch, mailbox) = (Watch::of(&["*"]), Mailbox::new(&["INBOX", "Other"]));
    for folder in ["INBOX", "Other"] {
        mailbox.change(folder, |c| c.tells_next = false);
        mailbox.arrive(folder, &format!("there in {folder}"), watch.clock.now());
    }
    let story = async {
        sleep(secs(5)).await;
        mailbox.arrive("INBOX", "one", watch.clock.now());
        sleep(secs(5)).await;
        for (n, id) in ["two", "three", "four"].into_iter().enumerate() {
            mailbox.change("INBOX", |c| {
                c.letters.retain(|mail| mail.uid == 1);
                c.next = 2;
                c.uid_validity = Some(100 + n as u32);
            });
            mailbox.arrive("INBOX", id, watch.clock.now());
            sleep(secs(5)).await;
        }
        mailbox.arrive("Other", "five", watch.clock.now());
        sleep(secs(301)).await;
        assert_eq!(watch.subjects().await, ["one", "two", "three", "four", "five"]);
        // The same UID, second and size.
        let second = watch.clock.now();
        for id in ["alike-a", "alike-b"] {
            mailbox.change("INBOX", |c| {
                c.letters.retain(|mail| mail.uid == 1);
                c.next = 2;
            });
            mailbox.arrive("INBOX", id, second);
            sleep(secs(5)).await;
        }
        assert_eq!(watch.subjects().await, ["alike-a", "alike-b"]);
        let permits = watch.state.syncs();
        sleep(secs(3600)).await;
        assert!(watch.subjects().await.is_empty());
        let syncs = watch.state.syncs() - permits;
        assert!((11..=14).contains(&syncs), "only sweeps without news: {syncs}");
    };
    watch.during(mailbox.clone(), story).await;
}

/// What was there at binding is not news either when the folder is numbered anew within the hour.
#[tokio::test(start_paused = true)]
async fn what_was_there_at_binding_never_becomes_news() {
    let (mut watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX", "Other"]));
    watch.account.subscriptions = vec![Subscription::to(&["INBOX", "Other"])];
    mailbox.arrive("INBOX", "fresh but there", watch.clock.now());
    let story = async {
        sleep(secs(5)).await;
        mailbox.change("INBOX", |c| c.uid_validity = Some(8));
        mailbox.cut();
        sleep(secs(1000)).await;
        assert!(watch.subjects().await.is_empty());
        mailbox.arrive("INBOX", "after", watch.clock.now());
        sleep(secs(10)).await;
        assert_eq!(watch.subjects().await, ["after"]);
    };
    watch.during(mailbox.clone(), story).await;
}

#[tokio::test(start_paused = true)]
async fn a_uidnext_that_goes_down_is_a_new_numbering() {
    let (watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
    for n in 0..20 {
        mailbox.arrive("INBOX", &format!("old {n}"), watch.clock.now().minus(HOUR * 48));
    }
    let story = async {
        sleep(secs(5)).await;
        mailbox.change("INBOX", |c| {
            c.letters.drain(..19);
            c.letters[0].uid = 1;
            c.next = 2;
        });
        mailbox.arrive("INBOX", "new", watch.clock.now());
        sleep(secs(10)).await;
        assert_eq!(watch.subjects().await, ["new"]);
        mailbox.arrive("INBOX", "after", watch.clock.now());
        sleep(secs(10)).await;
        assert_eq!(watch.subjects().await, ["after"]);
    };
    watch.during(mailbox.clone(), story).await;
}

#[tokio::test(start_paused = true)]
async fn a_uidvalidity_of_nothing_is_no_change() {
    let (watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
    mailbox.change("INBOX", |c| c.uid_validity = None);
    let story = async {
        sleep(secs(5)).await;
        for (n, value) in [None, Some(5), None, Some(5)].into_iter().enumerate() {
            mailbox.change("INBOX", |c| c.uid_validity = value);
            mailbox.arrive("INBOX", &n.to_string(), watch.clock.now());
            sleep(secs(5)).await;
            assert_eq!(watch.subjects().await, [n.to_string()]);
        }
        assert_eq!(mailbox.count("SEARCH"), 0);
    };
    watch.during(mailbox.clone(), story).await;
}

/// NetEase: no UIDNEXT, no IDLE, large sparse UIDs (imap-servers A.3).
#[tokio::test(start_paused = true)]
async fn a_server_without_uidnext_and_idle() {
    let (watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
    mailbox.change("INBOX", |c| {
        c.tells_next = false;
        c.next = 1_392_611_444;
    });
    mailbox.office().idle = false;
    mailbox.arrive("INBOX", "old", watch.clock.now());
    let story = async {
        sleep(secs(5)).await;
        mailbox.arrive("INBOX", "new", watch.clock.now());
        mailbox.change("INBOX", |c| c.next += 1_000_000);
        mailbox.arrive("INBOX", "newer", watch.clock.now());
        sleep(secs(305)).await;
        assert_eq!(watch.subjects().await, ["new", "newer"]);
        let before = watch.state.syncs();
        sleep(HOUR).await;
        let syncs = watch.state.syncs() - before;
        assert!((12..=15).contains(&syncs), "{syncs} syncs in an hour without news");
    };
    watch.during(mailbox.clone(), story).await;
}

#[tokio::test(start_paused = true)]
async fn an_empty_folder_without_uidnext() {
    let (watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
    mailbox.change("INBOX", |c| c.tells_next = false);
    let story = async {
        sleep(secs(5)).await;
        mailbox.arrive("INBOX", "first", watch.clock.now());
        sleep(secs(5)).await;
        assert_eq!(watch.subjects().await, ["first"]);
    };
    watch.during(mailbox.clone(), story).await;
}

/// Two folders at a server without UIDNEXT: only opening tells, and a sweep is a sweep.
#[tokio::test(start_paused = true)]
async fn folders_without_uidnext_do_not_eat_the_budget() {
    let (watch, mailbox) = (Watch::of(&["*"]), Mailbox::new(&["INBOX", "a", "b"]));
    for folder in ["INBOX", "a", "b"] {
        mailbox.change(folder, |c| c.tells_next = false);
        mailbox.arrive(folder, "old", watch.clock.now());
    }
    let story = async {
        sleep(secs(5)).await;
        mailbox.arrive("b", "new", watch.clock.now());
        sleep(HOUR).await;
        assert_eq!(watch.subjects().await, ["new"]);
        assert!(watch.state.syncs() <= 17, "{} syncs in an hour", watch.state.syncs());
    };
    watch.during(mailbox.clone(), story).await;
}

#[tokio::test(start_paused = true)]
async fn a_second_folder_is_read_by_sweep_and_with_pushes() {
    let (watch, mailbox) = (Watch::of(&["INBOX", "项目"]), Mailbox::new(&["INBOX", "&mHl27g-", "other"]));
    let story = async {
        sleep(secs(5)).await;
        mailbox.arrive("&mHl27g-", "by sweep", watch.clock.now());
        mailbox.arrive("other", "not watched", watch.clock.now());
        sleep(secs(301)).await;
        let items = watch.news().await;
        assert_eq!(items.len(), 1);
        assert_eq!((&*items[0].folder, items[0].letter.subject.as_deref()), ("项目", Some("by sweep")));
        mailbox.change("&mHl27g-", |c| c.next += 7);
        mailbox.arrive("&mHl27g-", "with a push", watch.clock.now());
        mailbox.arrive("INBOX", "push", watch.clock.now());
        sleep(secs(2)).await;
        let mut subjects = watch.subjects().await;
        subjects.sort();
        assert_eq!(subjects, ["push", "with a push"]);
        assert_eq!(mailbox.count("EXAMINE other") + mailbox.count("STATUS other"), 0);
    };
    watch.during(mailbox.clone(), story).await;
}

#[tokio::test(start_paused = true)]
async fn one_letter_in_two_folders_is_announced_once() {
    let (watch, mailbox) = (Watch::of(&["INBOX", "a"]), Mailbox::new(&["INBOX", "a"]));
    let story = async {
        sleep(secs(5)).await;
        mailbox.arrive("a", "twin", watch.clock.now());
        mailbox.arrive("INBOX", "twin", watch.clock.now());
        sleep(secs(700)).await;
        assert_eq!(watch.subjects().await, ["twin"]);
    };
    watch.during(mailbox.clone(), story).await;
}

/// UIDNEXT rises before the letter can be seen: no busy loop, and no letter forgotten.
#[tokio::test(start_paused = true)]
async fn a_letter_that_is_announced_before_it_is_there() {
    for folder in ["INBOX", "a"] {
        let (watch, mailbox) = (Watch::of(&["INBOX", "a"]), Mailbox::new(&["INBOX", "a"]));
        let story = async {
            sleep(secs(5)).await;
            mailbox.arrive_with(folder, "late", watch.clock.now(), Fault::Hidden);
            sleep(secs(1200)).await;
            assert!(watch.subjects().await.is_empty());
            let syncs = watch.state.syncs();
            assert!(syncs <= 8, "{syncs} syncs in 20 minutes");
            mailbox.change(folder, |c| c.letters[0].fault = Fault::None);
            sleep(secs(301)).await;
            assert_eq!(watch.subjects().await, ["late"], "in {folder}");
        };
        watch.during(mailbox.clone(), story).await;
    }
}

/// The same, and the push comes only with the letter itself.
#[tokio::test(start_paused = true)]
async fn a_late_letter_comes_with_its_push() {
    let (watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
    let story = async {
        sleep(secs(5)).await;
        mailbox.arrive_with("INBOX", "late", watch.clock.now(), Fault::Hidden);
        sleep(secs(5)).await;
        mailbox.change("INBOX", |c| {
            c.letters[0].fault = Fault::None;
            c.touch();
        });
        mailbox.ring();
        sleep(secs(5)).await;
        assert_eq!(watch.subjects().await, ["late"]);
    };
    watch.during(mailbox.clone(), story).await;
}

#[tokio::test(start_paused = true)]
async fn letters_that_are_gone_again_leave_no_gap() {
    let (watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
    let story = async {
        sleep(secs(5)).await;
        mailbox.change("INBOX", |c| c.next += 400_000);
        mailbox.arrive("INBOX", "far", watch.clock.now());
        mailbox.change("INBOX", |c| c.next += 3);
        sleep(secs(5)).await;
        assert_eq!(watch.subjects().await, ["far"]);
        mailbox.arrive("INBOX", "next", watch.clock.now());
        sleep(secs(5)).await;
        assert_eq!(watch.subjects().await, ["next"]);
        assert!(mailbox.count(&format!("FETCH {:?}", Detail::Brief)) < 12);
    };
    watch.during(mailbox.clone(), story).await;
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_appears_later_is_bound_then() {
    let (watch, mailbox) = (Watch::of(&["INBOX", "项目*"]), Mailbox::new(&["INBOX"]));
    let story = async {
        sleep(secs(5)).await;
        let mut cabinet = Cabinet::default();
        cabinet.next = 9;
        mailbox.office().folders.insert("&mHl27g-".to_owned(), cabinet);
        sleep(secs(301)).await;
        mailbox.arrive("&mHl27g-", "there", watch.clock.now());
        sleep(secs(301)).await;
        assert_eq!(watch.subjects().await, ["there"]);
    };
    watch.during(mailbox.clone(), story).await;
}

#[tokio::test(start_paused = true)]
async fn many_at_once_are_read_in_batches() {
    let (watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
    let story = async {
        sleep(secs(5)).await;
        mailbox.change("INBOX", |c| {
            for n in 0..2500 {
                let date = Timestamp(1_770_000_000_000);
                let header = header(&format!("m{n}"));
                c.letters.push(crate::support::mailbox::Mail {
                    uid: 10 + n,
                    date,
                    seen: false,
                    header,
                    fault: Fault::None,
                });
            }
            c.next = 3000;
            c.touch();
        });
        mailbox.ring();
        sleep(secs(15)).await;
        assert_eq!(watch.subjects().await.len(), 2500);
        assert_eq!(mailbox.count("FETCH Header"), 25);
    };
    watch.during(mailbox.clone(), story).await;
}

#[tokio::test(start_paused = true)]
async fn somebody_who_asks_is_looked_for_now() {
    let (watch, mailbox) = (Watch::of(&["INBOX", "a"]), Mailbox::new(&["INBOX", "a"]));
    let story = async {
        sleep(secs(30)).await;
        mailbox.arrive("a", "waiting", watch.clock.now());
        sleep(secs(30)).await;
        assert!(watch.subjects().await.is_empty());
        watch.seat.look_now();
        watch.seat.look_now();
        sleep(secs(1)).await;
        assert_eq!(watch.subjects().await, ["waiting"]);
    };
    watch.during(mailbox.clone(), story).await;
}
