//! One bad thing stops one thing: letters, folders and sessions that break.

use crate::support::desk::Watch;
use crate::support::mailbox::{Cabinet, Fault, Mailbox};
use crate::support::secs;
use mailbell::health::AccountState;
use std::time::Duration;
use tokio::time::sleep;

/// Five letters of which some have a fault; all must be announced, the bad ones as unreadable.
async fn among_others(faults: &[(usize, Fault)]) -> (Vec<String>, Mailbox) {
    let (watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
    let story = async {
        sleep(secs(5)).await;
        for n in 0..5 {
            let fault = faults.iter().find(|(at, _)| *at == n).map_or(Fault::None, |(_, fault)| *fault);
            mailbox.arrive_with("INBOX", &n.to_string(), watch.clock.now(), fault);
        }
        sleep(secs(600)).await;
        mailbox.arrive("INBOX", "after", watch.clock.now());
        sleep(secs(300)).await;
    };
    watch.during(mailbox.clone(), story).await;
    (watch.subjects().await, mailbox)
}

#[tokio::test(start_paused = true)]
async fn a_header_that_ends_the_session_is_announced_as_unreadable() {
    let (subjects, mailbox) = among_others(&[(2, Fault::Kills)]).await;
    assert_eq!(subjects, ["0", "1", "?", "3", "4", "after"]);
    let sessions = mailbox.office().connects.len();
    assert!((3..=5).contains(&sessions), "{sessions} sessions");
}

#[tokio::test(start_paused = true)]
async fn two_of_them_one_behind_the_other() {
    let (subjects, mailbox) = among_others(&[(2, Fault::Kills), (3, Fault::Kills)]).await;
    assert_eq!(subjects, ["0", "1", "?", "?", "4", "after"]);
    assert!(mailbox.office().connects.len() <= 7);
}

#[tokio::test(start_paused = true)]
async fn whatever_way_of_asking_ends_the_session() {
    for fault in [Fault::KillsWhole, Fault::RefusedThenKills] {
        let (subjects, mailbox) = among_others(&[(2, fault)]).await;
        assert_eq!(subjects, ["0", "1", "?", "3", "4", "after"], "{fault:?}");
        let sessions = mailbox.office().connects.len();
        assert!(sessions <= 6, "{fault:?}: {sessions} sessions");
    }
}

/// What fails in asking for attachments costs their names, never the letter, and it is not asked again.
#[tokio::test(start_paused = true)]
async fn parts_that_cannot_be_had_cost_their_names_alone() {
    for fault in [Fault::KillsParts, Fault::SilentParts] {
        let (subjects, mailbox) = among_others(&[(2, fault), (4, fault)]).await;
        assert_eq!(subjects, ["0", "1", "2", "3", "4", "after"], "{fault:?}");
        assert_eq!(mailbox.office().connects.len(), 2, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_letter_costs_its_header_only() {
    let (subjects, mailbox) = among_others(&[(1, Fault::Refused), (4, Fault::Refused)]).await;
    assert_eq!(subjects, ["0", "?", "2", "3", "?", "after"]);
    assert_eq!(mailbox.office().connects.len(), 1);
}

/// Headers that end the session must not hold up a folder that is read by date either.
#[tokio::test(start_paused = true)]
async fn bad_letters_in_a_folder_numbered_anew() {
    let (watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
    let story = async {
        sleep(secs(5)).await;
        for n in 0..5 {
            let fault = if n == 1 || n == 3 { Fault::Kills } else { Fault::None };
            mailbox.arrive_with("INBOX", &n.to_string(), watch.clock.now(), fault);
        }
        mailbox.change("INBOX", |c| c.uid_validity = Some(8));
        mailbox.cut();
        sleep(secs(900)).await;
        assert_eq!(watch.subjects().await, ["0", "?", "2", "?", "4"]);
        assert!(mailbox.office().connects.len() <= 9, "{} sessions", mailbox.office().connects.len());
    };
    watch.during(mailbox.clone(), story).await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_folder_is_parked_and_the_others_go_on() {
    let (watch, mailbox) = (Watch::of(&["*"]), Mailbox::new(&["INBOX", "a", "b"]));
    mailbox.change("a", |c| c.refused = true);
    let story = async {
        sleep(secs(5)).await;
        mailbox.arrive("b", "one", watch.clock.now());
        mailbox.arrive("INBOX", "two", watch.clock.now());
        sleep(secs(301)).await;
        let mut subjects = watch.subjects().await;
        subjects.sort();
        assert_eq!(subjects, ["one", "two"]);
        let tried = mailbox.count("STATUS a");
        sleep(secs(3600)).await;
        let tries = mailbox.count("STATUS a") - tried;
        assert!((2..=4).contains(&tries), "{tries} tries in an hour");
        mailbox.change("a", |c| c.refused = false);
        sleep(secs(1800)).await;
        mailbox.arrive("a", "back", watch.clock.now());
        sleep(secs(301)).await;
        assert_eq!(watch.subjects().await, ["back"]);
        assert_eq!(mailbox.office().connects.len(), 1);
    };
    watch.during(mailbox.clone(), story).await;
}

#[tokio::test(start_paused = true)]
async fn an_inbox_that_is_refused_does_not_hold_up_the_rest() {
    let (watch, mailbox) = (Watch::of(&["*"]), Mailbox::new(&["INBOX", "a"]));
    mailbox.change("INBOX", |c| c.refused = true);
    let story = async {
        sleep(secs(5)).await;
        assert_eq!(mailbox.count("EXAMINE INBOX"), 1, "asked once, not twice in a row");
        mailbox.arrive("a", "one", watch.clock.now());
        sleep(secs(301)).await;
        assert_eq!(watch.subjects().await, ["one"]);
        assert_eq!(mailbox.office().connects.len(), 1);
    };
    watch.during(mailbox.clone(), story).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_breaks_is_made_anew_without_a_letter_lost_or_repeated() {
    let (watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
    let story = async {
        sleep(secs(5)).await;
        let mut all = Vec::new();
        for n in 0..40 {
            sleep(secs(200)).await;
            mailbox.arrive("INBOX", &format!("{n}"), watch.clock.now());
            if n % 2 == 0 {
                mailbox.cut();
            }
            sleep(secs(150)).await;
            all.extend(watch.subjects().await);
        }
        assert_eq!(all, (0..40).map(|n| n.to_string()).collect::<Vec<_>>());
    };
    watch.during(mailbox.clone(), story).await;
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_is_shown() {
    let (watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
    let id = watch.account.id.clone();
    let state = || watch.health.accounts()[&id].clone();
    let story = async {
        sleep(secs(5)).await;
        assert_eq!((state().state, state().last_error), (AccountState::Watching, None));
        mailbox.office().refuses = Some(crate::watch::pace::refused());
        mailbox.cut();
        sleep(secs(5)).await;
        assert_eq!(state().state, AccountState::LoginRefused);
        assert!(state().last_error.unwrap().contains("no such user"));
        mailbox.office().refuses = None;
        sleep(Duration::from_secs(4 * 3600)).await;
        assert_eq!((state().state, state().last_error), (AccountState::Watching, None));
        mailbox.office().idle = false;
        mailbox.cut();
        sleep(secs(10)).await;
        assert_eq!(state().state, AccountState::Polling);
    };
    watch.during(mailbox.clone(), story).await;
}

/// Each push starts a sync and puts the sweep off; what only a sweep does must come all the same.
#[tokio::test(start_paused = true)]
async fn steady_pushes_do_not_put_off_what_only_a_sweep_finds() {
    let (watch, mailbox) = (Watch::of(&["*"]), Mailbox::new(&["INBOX", "a"]));
    mailbox.change("a", |c| c.refused = true);
    let story = async {
        sleep(secs(5)).await;
        mailbox.change("a", |c| c.refused = false);
        for n in 0..30 {
            mailbox.arrive("INBOX", &format!("push {n}"), watch.clock.now());
            sleep(secs(120)).await;
        }
        watch.subjects().await;
        mailbox.arrive("a", "back", watch.clock.now());
        mailbox.arrive("INBOX", "last push", watch.clock.now());
        sleep(secs(10)).await;
        let mut subjects = watch.subjects().await;
        subjects.sort();
        assert_eq!(subjects, ["back", "last push"]);
    };
    watch.during(mailbox.clone(), story).await;
}

/// Whichever folder it is, the open one included: it is no reason to end the session, and no secret.
#[tokio::test(start_paused = true)]
async fn a_folder_whose_letters_are_all_refused_does_not_hold_up_the_rest() {
    for bad in ["INBOX", "a"] {
        let (watch, mailbox) = (Watch::of(&["*"]), Mailbox::new(&["INBOX", "a", "b"]));
        let story = async {
            sleep(secs(30)).await;
            mailbox.change(bad, |c| c.unreadable = true);
            mailbox.arrive(bad, "late", watch.clock.now());
            sleep(secs(10)).await;
            mailbox.arrive("b", "in time", watch.clock.now());
            sleep(secs(301)).await;
            assert_eq!(watch.subjects().await, ["in time"], "{bad}");
            sleep(secs(1200)).await;
            let health = watch.health.accounts()[&watch.account.id].clone();
            let folder = health.folders.iter().find(|f| &*f.shown == bad).unwrap().clone();
            let stale_for = watch.clock.now().since(folder.fresh_at.unwrap());
            assert!(folder.refused.is_some() && stale_for > secs(1200), "{bad}: {stale_for:?} {folder:?}");
            assert!(watch.state.syncs() < 20, "{bad}: {} syncs", watch.state.syncs());
            mailbox.change(bad, |c| c.unreadable = false);
            sleep(secs(1600)).await;
            assert_eq!(watch.subjects().await, ["late"], "{bad}");
            let health = watch.health.accounts()[&watch.account.id].clone();
            assert!(health.folders.iter().all(|f| f.refused.is_none()), "{bad}: {health:?}");
            assert_eq!(mailbox.office().connects.len(), 1, "{bad}");
        };
        watch.during(mailbox.clone(), story).await;
    }
}

/// Neither do sessions that end again and again, with pushes in between.
#[tokio::test(start_paused = true)]
async fn short_sessions_do_not_put_off_what_only_a_sweep_finds() {
    // So many that a push is no reason to look at all of them.
    let names: Vec<String> = (0..40).map(|n| format!("f{n}")).chain(["INBOX".to_owned()]).collect();
    let mailbox = Mailbox::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let watch = Watch::of(&["*"]);
    let story = async {
        sleep(secs(30)).await;
        mailbox.arrive("f39", "found", watch.clock.now());
        for _ in 0..20 {
            for _ in 0..2 {
                sleep(secs(100)).await;
                mailbox.change("INBOX", Cabinet::touch);
                mailbox.ring();
            }
            sleep(secs(5)).await;
            mailbox.cut();
            sleep(secs(5)).await;
        }
        assert_eq!(watch.subjects().await, ["found"]);
    };
    watch.during(mailbox.clone(), story).await;
}
