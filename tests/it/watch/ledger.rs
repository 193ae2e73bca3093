//! What watching tells the ledger: who is told of a letter and how loud, which letters nobody is told of and why, and how
//! long a sync waited.

use crate::support::desk::Watch;
use crate::support::mailbox::{Fault, Mailbox};
use crate::support::secs;
use mailbell::config::Subscription;
use mailbell::model::{Card, Fate, Recipient, Silence, Timestamp, Urgency};
use mailbell::state::Story;
use tokio::time::sleep;

fn user(name: &str) -> Recipient {
    Recipient::User(name.into())
}

fn subject(story: &Story) -> &str {
    let letter = &story.sighting.item.letter;
    if letter.readable { letter.subject.as_deref().unwrap() } else { "?" }
}

/// Subject, UID and reason of each letter that nobody is told of.
async fn silent(watch: &Watch) -> Vec<(String, u32, Silence)> {
    let stories = watch.stories().await;
    let silence = |story: &Story| match story.sighting.fate {
        Fate::Silent(why) => Some((subject(story).to_owned(), story.sighting.uid, why)),
        Fate::Announce(_) => None,
    };
    stories.iter().filter_map(silence).collect()
}

fn old(watch: &Watch) -> Timestamp {
    watch.clock.now().minus(secs(86_400))
}

#[tokio::test(start_paused = true)]
async fn a_folders_subscription_decides_who_is_told_and_how_loud() {
    let (mut watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX", "合同", "静"]));
    let both = vec![user("lisi"), Recipient::Party(12)];
    watch.account.subscriptions = vec![
        Subscription {
            recipients: Some(both.clone()),
            urgency: Urgency::Urgent,
            card: Some(Card::TemplateCard),
            ..Subscription::to(&["合同"])
        },
        Subscription { urgency: Urgency::Silent, ..Subscription::to(&["静"]) },
        Subscription { urgency: Urgency::Digest, ..Subscription::to(&["*"]) },
    ];
    let story = async {
        sleep(secs(5)).await;
        for folder in ["INBOX", "合同", "静"] {
            mailbox.arrive(folder, folder, watch.clock.now());
        }
        sleep(secs(301)).await;
        let mut stories = watch.stories().await;
        stories.sort_by_key(|story| story.sighting.subscription);
        let told = |story: &Story| {
            let s = &story.sighting;
            (subject(story).to_owned(), s.uid, s.subscription, s.urgency, s.fate.clone())
        };
        let expected = [
            ("合同".to_owned(), 1, 1, Urgency::Urgent, Fate::Announce(both)),
            ("静".to_owned(), 1, 2, Urgency::Silent, Fate::Silent(Silence::Asked)),
            ("INBOX".to_owned(), 1, 3, Urgency::Digest, Fate::Announce(vec![user("zhangsan")])),
        ];
        assert_eq!(stories.iter().map(told).collect::<Vec<_>>(), expected);
        let cards: Vec<_> = stories.iter().map(|story| story.sighting.item.card).collect();
        assert_eq!(cards, [Some(Card::TemplateCard), None, None]);
    };
    watch.during(mailbox.clone(), story).await;
}

#[tokio::test(start_paused = true)]
async fn old_and_read_letters_are_in_the_ledger_and_announced_to_nobody() {
    for wanted in [false, true] {
        let (mut watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
        watch.imap.alert_seen = wanted;
        let story = async {
            sleep(secs(5)).await;
            // One push.
            mailbox.change("INBOX", |c| c.next = 40);
            mailbox.office().idle_is_deaf = true;
            mailbox.arrive("INBOX", "imported", old(&watch));
            mailbox.arrive("INBOX", "read", watch.clock.now());
            mailbox.change("INBOX", |c| c.letters[1].seen = true);
            mailbox.arrive("INBOX", "new", watch.clock.now());
            mailbox.arrive("INBOX", "imported too", old(&watch));
            mailbox.office().idle_is_deaf = false;
            mailbox.ring();
            sleep(secs(5)).await;
            let mut expected = vec![("imported".to_owned(), 40, Silence::Old)];
            if !wanted {
                expected.push(("read".to_owned(), 41, Silence::Seen));
            }
            expected.push(("imported too".to_owned(), 43, Silence::Old));
            assert_eq!(silent(&watch).await, expected);
            assert_eq!(watch.subjects().await.len(), 1 + usize::from(wanted));
            // The mark has passed all of them.
            mailbox.cut();
            sleep(secs(700)).await;
            assert_eq!(watch.stories().await.len(), 4);
            let asked: Vec<_> = mailbox.office().said.iter().map(|(_, said)| said.clone()).collect();
            let headers: Vec<_> = asked.iter().filter(|said| said.contains("Header")).collect();
            assert_eq!(headers.len(), 2, "the announced first, then the others: {headers:?}");
            assert!(
                headers[0].contains("42") && !headers[0].contains("43") && headers[1].contains("43"),
                "{headers:?}"
            );
        };
        watch.during(mailbox.clone(), story).await;
    }
}

/// Ten thousand letters of long ago, and a new one among them.
#[tokio::test(start_paused = true)]
async fn an_import_costs_a_hundred_headers_and_no_more_room() {
    let (watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
    let story = async {
        sleep(secs(5)).await;
        mailbox.office().idle_is_deaf = true;
        for n in 0..10_000_u64 {
            mailbox.arrive("INBOX", &format!("imported {n}"), old(&watch).minus(secs(86_400 + n)));
            if n == 5000 {
                mailbox.arrive("INBOX", "new", watch.clock.now());
            }
        }
        mailbox.office().idle_is_deaf = false;
        mailbox.ring();
        sleep(secs(5)).await;
        assert_eq!(watch.subjects().await, ["new"]);
        let silent = silent(&watch).await;
        assert_eq!(silent.len(), 100);
        let newest = |n: u32| (format!("imported {n}"), n + 1, Silence::Old);
        assert_eq!((&silent[0], &silent[99]), (&newest(0), &newest(99)), "those received last");
        assert_eq!(mailbox.count("FETCH Header"), 2);
        sleep(secs(700)).await;
        assert_eq!(mailbox.count("FETCH Header"), 2);
    };
    watch.during(mailbox.clone(), story).await;
}

/// It costs one session and its own header, once; the announced letters are stored before.
#[tokio::test(start_paused = true)]
async fn a_poisoned_silent_letter_costs_nobody_anything() {
    for alone in [true, false] {
        let (watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
        let story = async {
            sleep(secs(5)).await;
            mailbox.office().idle_is_deaf = true;
            mailbox.arrive_with("INBOX", "poison", old(&watch), Fault::Kills);
            if !alone {
                mailbox.arrive("INBOX", "new", watch.clock.now());
            }
            mailbox.office().idle_is_deaf = false;
            mailbox.ring();
            sleep(secs(2)).await;
            assert_eq!(watch.subjects().await.len(), usize::from(!alone));
            assert_eq!(silent(&watch).await, [("?".to_owned(), 1, Silence::Old)]);
            sleep(secs(1200)).await;
            assert_eq!(mailbox.office().connects.len(), 2, "alone: {alone}");
            assert_eq!(watch.stories().await.len(), 1 + usize::from(!alone));
        };
        watch.during(mailbox.clone(), story).await;
    }
}

/// Where the session ends before their turn, they are noted as far as they are known, once.
#[tokio::test(start_paused = true)]
async fn silent_letters_that_the_mark_has_passed_are_not_forgotten() {
    let (watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
    let story = async {
        sleep(secs(5)).await;
        mailbox.office().idle_is_deaf = true;
        for n in 0..250 {
            let fault = if n == 240 { Fault::Kills } else { Fault::None };
            mailbox.arrive_with("INBOX", &format!("new {n}"), watch.clock.now(), fault);
            if n % 100 == 50 {
                mailbox.arrive("INBOX", &format!("old {n}"), old(&watch));
            }
        }
        mailbox.office().idle_is_deaf = false;
        mailbox.ring();
        sleep(secs(600)).await;
        assert_eq!(watch.subjects().await.len(), 250);
        let silent: Vec<_> = silent(&watch).await.into_iter().map(|(subject, uid, _)| (subject, uid)).collect();
        let expected = [("?".to_owned(), 52), ("?".to_owned(), 153), ("old 250".to_owned(), 254)];
        assert_eq!(silent[..2], expected[..2]);
        assert_eq!(watch.stories().await.len(), 250 + 2);
    };
    watch.during(mailbox.clone(), story).await;
}

/// A server without UIDNEXT shows them in each window; the ledger has them once, and no UID that means nothing.
#[tokio::test(start_paused = true)]
async fn without_uidnext_a_letter_that_was_read_is_noted_once() {
    let (watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
    mailbox.change("INBOX", |c| c.tells_next = false);
    mailbox.arrive("INBOX", "there", watch.clock.now().minus(secs(600)));
    let story = async {
        sleep(secs(5)).await;
        mailbox.arrive("INBOX", "read", watch.clock.now());
        mailbox.change("INBOX", |c| c.letters[1].seen = true);
        sleep(secs(700)).await;
        mailbox.arrive("INBOX", "new", watch.clock.now());
        mailbox.cut();
        sleep(secs(700)).await;
        mailbox.cut();
        sleep(secs(30)).await;
        assert_eq!(silent(&watch).await, [("read".to_owned(), 0, Silence::Seen)]);
        assert_eq!(watch.subjects().await, ["new"]);
        assert_eq!(watch.stories().await.len(), 2, "each once, however often it is found");
    };
    watch.during(mailbox.clone(), story).await;
}

/// What was announced, and read then, is not called silent because the folder is numbered anew.
#[tokio::test(start_paused = true)]
async fn a_new_numbering_calls_nothing_old_or_read_that_was_known() {
    let (watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
    mailbox.arrive("INBOX", "long there", old(&watch));
    let story = async {
        sleep(secs(5)).await;
        mailbox.arrive("INBOX", "announced", watch.clock.now());
        sleep(secs(600)).await;
        assert_eq!(watch.subjects().await, ["announced"]);
        mailbox.office().idle_is_deaf = true;
        mailbox.arrive("INBOX", "read in the gap", watch.clock.now());
        mailbox.change("INBOX", |c| {
            c.uid_validity = Some(8);
            c.letters[1].seen = true;
            c.letters[2].seen = true;
        });
        mailbox.cut();
        sleep(secs(30)).await;
        assert_eq!(silent(&watch).await, [("read in the gap".to_owned(), 3, Silence::Seen)]);
    };
    watch.during(mailbox.clone(), story).await;
}

#[tokio::test(start_paused = true)]
async fn how_long_a_sync_waited_for_its_permit_is_told() {
    let (mut watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
    watch.allowance.free = 3;
    let story = async {
        sleep(secs(400)).await;
        for n in 0..8 {
            mailbox.arrive("INBOX", &n.to_string(), watch.clock.now());
            sleep(secs(10)).await;
        }
        sleep(secs(300)).await;
        let stories = watch.stories().await;
        assert_eq!(stories.len(), 8);
        assert_eq!(stories[0].deferred_ms, 0);
        let waited: Vec<_> = stories.iter().map(|story| story.deferred_ms).collect();
        assert!(waited.iter().any(|ms| *ms > 20_000), "{waited:?}");
        assert!(stories.iter().all(|story| story.deferred_ms <= story.took_ms), "{waited:?}");
        // The settling of a second is a wait, too.
        let long = stories.iter().filter(|story| story.took_ms > 2000);
        assert!(long.clone().count() > 0 && long.clone().all(|story| story.took_ms - story.deferred_ms < 2000));
    };
    watch.during(mailbox.clone(), story).await;
}
