//! After an outage: which letters came in it, and how they wait for each other.

use crate::support::desk::Watch;
use crate::support::mailbox::Mailbox;
use crate::support::secs;
use mailbell::health::Health;
use mailbell::imap::ImapError;
use mailbell::model::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// The subjects of letters stored so far and the outages they came in, in seconds before `now`.
async fn outages(watch: &Watch, now: Timestamp) -> BTreeMap<String, Option<(u64, u64)>> {
    let ago = |at: Timestamp| now.since(at).as_secs();
    let stories = watch.stories().await;
    let items = stories.into_iter().map(|story| story.sighting.item);
    items.map(|item| (item.letter.subject.unwrap(), item.away.map(|(from, to)| (ago(from), ago(to))))).collect()
}

fn unreachable() -> ImapError {
    ImapError::Connect { address: "imap.corp.example:993".to_owned(), reason: "refused".to_owned() }
}

/// The server was away for so long: its sessions end, and nobody can connect.
async fn out(mailbox: &Mailbox, for_so_long: Duration) {
    mailbox.office().refuses = Some(unreachable());
    mailbox.cut();
    sleep(for_so_long).await;
    mailbox.office().refuses = None;
}

#[tokio::test(start_paused = true)]
async fn letters_of_an_outage_carry_it_and_wait_for_each_other() {
    let (watch, mailbox) = (Watch::of(&["*"]), Mailbox::new(&["INBOX", "a"]));
    let story = async {
        sleep(secs(1000)).await;
        let outage = out(&mailbox, secs(1800));
        let letters = async {
            sleep(secs(600)).await;
            mailbox.arrive("INBOX", "one", watch.clock.now());
            sleep(secs(600)).await;
            mailbox.arrive("a", "two", watch.clock.now());
        };
        tokio::join!(outage, letters);
        let ended = watch.clock.now();
        while watch.state.stored.lock().unwrap().len() < 2 {
            sleep(secs(1)).await;
        }
        let told = outages(&watch, ended).await;
        for subject in ["one", "two"] {
            let (from, to) = told[subject].unwrap();
            assert!((1799..=1801).contains(&from) && to == 0, "{told:?}");
        }
        assert!(watch.subjects().await.is_empty(), "they wait for each other");
        sleep(secs(10)).await;
        assert_eq!(watch.subjects().await.len(), 2);
        // What comes then is not of the outage, and waits for nobody.
        for folder in ["INBOX", "a"] {
            mailbox.arrive(folder, &format!("later in {folder}"), watch.clock.now());
        }
        watch.seat.look_now();
        sleep(secs(3)).await;
        assert_eq!(watch.subjects().await.len(), 2);
        let told = outages(&watch, ended).await;
        assert_eq!((told["later in INBOX"], told["later in a"]), (None, None));
    };
    watch.during(mailbox.clone(), story).await;
}

#[tokio::test(start_paused = true)]
async fn a_letter_after_a_short_reconnect_is_told_at_once() {
    let (watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
    let story = async {
        // Nothing was heard for minutes, and all was well until the server closed the session.
        sleep(secs(5)).await;
        for n in 0..20 {
            sleep(secs(221)).await;
            mailbox.cut();
            mailbox.office().idle_is_deaf = true;
            mailbox.arrive("INBOX", &n.to_string(), watch.clock.now());
            mailbox.office().idle_is_deaf = false;
            sleep(secs(5)).await;
            assert_eq!(watch.subjects().await, [n.to_string()]);
        }
        assert!(outages(&watch, watch.clock.now()).await.values().all(Option::is_none));
    };
    watch.during(mailbox.clone(), story).await;
}

/// A connection that fell silent may have told nothing for as long.
#[tokio::test(start_paused = true)]
async fn a_dead_connection_was_an_outage_from_its_last_answer_on() {
    let (watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
    let story = async {
        sleep(secs(1000)).await;
        mailbox.office().silent = true;
        sleep(secs(120)).await;
        mailbox.arrive("INBOX", "unheard", watch.clock.now());
        sleep(secs(480)).await;
        mailbox.office().silent = false;
        sleep(secs(30)).await;
        let told = outages(&watch, watch.clock.now()).await;
        let (from, to) = told["unheard"].unwrap();
        assert!((630..900).contains(&from) && to <= 30, "{told:?}");
    };
    watch.during(mailbox.clone(), story).await;
}

/// The service did not run: from its last heartbeat until now. So it is after a restore from an export as well, whose
/// heartbeat is that of its time.
#[tokio::test(start_paused = true)]
async fn a_stop_of_hours_is_an_outage_of_all_accounts() {
    let (mut watch, mailbox) = (Watch::of(&["*"]), Mailbox::new(&["INBOX", "a", "b"]));
    watch.during(mailbox.clone(), sleep(secs(700))).await;
    let stopped = watch.clock.now();
    sleep(secs(3600)).await;
    for n in 0..30 {
        mailbox.arrive("INBOX", &format!("i{n}"), watch.clock.now());
        mailbox.arrive("a", &format!("a{n}"), watch.clock.now());
        mailbox.arrive("b", &format!("b{n}"), watch.clock.now());
        sleep(secs(200)).await;
    }
    let began = watch.clock.now();
    (watch.health, watch.last_alive) = (Arc::new(Health::default()), Some(stopped));
    let story = async {
        sleep(secs(8)).await;
        let told = outages(&watch, began).await;
        assert_eq!(told.len(), 90);
        let gap = began.since(stopped).as_secs();
        assert!(told.values().all(|away| *away == Some((gap, 0))), "{gap}: {told:?}");
        assert!(watch.subjects().await.is_empty(), "nothing goes alone");
        sleep(secs(12)).await;
        assert_eq!(watch.subjects().await.len(), 90);
    };
    watch.during(mailbox.clone(), story).await;
}

/// The very first start, and a restart within a minute, are no outages.
#[tokio::test(start_paused = true)]
async fn a_quick_restart_is_no_outage() {
    let (mut watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
    watch.during(mailbox.clone(), sleep(secs(700))).await;
    let stopped = watch.clock.now();
    mailbox.arrive("INBOX", "meanwhile", watch.clock.now());
    sleep(secs(100)).await;
    (watch.health, watch.last_alive) = (Arc::new(Health::default()), Some(stopped));
    let story = async {
        sleep(secs(5)).await;
        assert_eq!(watch.subjects().await, ["meanwhile"]);
        assert_eq!(outages(&watch, stopped).await["meanwhile"], None);
    };
    watch.during(mailbox.clone(), story).await;
}

/// The service was begun anew, but did not reach the server before it was begun anew once more: its heartbeat says nothing
/// of this account, the folder's last look does.
#[tokio::test(start_paused = true)]
async fn a_heartbeat_without_a_look_shortens_no_outage() {
    let (mut watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
    watch.during(mailbox.clone(), sleep(secs(700))).await;
    let stopped = watch.clock.now();
    mailbox.arrive("INBOX", "meanwhile", watch.clock.now());
    sleep(secs(7200)).await;
    (watch.health, watch.last_alive) = (Arc::new(Health::default()), Some(watch.clock.now()));
    let story = async {
        sleep(secs(15)).await;
        assert_eq!(watch.subjects().await, ["meanwhile"]);
        let (from, _) = outages(&watch, stopped.plus(secs(7200))).await["meanwhile"].unwrap();
        assert!((7200..7600).contains(&from), "{from}");
    };
    watch.during(mailbox.clone(), story).await;
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_was_refused_was_away_alone() {
    let (watch, mailbox) = (Watch::of(&["*"]), Mailbox::new(&["INBOX", "a"]));
    let story = async {
        sleep(secs(1000)).await;
        mailbox.change("a", |c| c.refused = true);
        sleep(secs(2000)).await;
        mailbox.arrive("a", "refused", watch.clock.now());
        mailbox.change("a", |c| c.refused = false);
        sleep(secs(1700)).await;
        mailbox.arrive("INBOX", "beside", watch.clock.now());
        mailbox.arrive("a", "after", watch.clock.now());
        sleep(secs(310)).await;
        let told = outages(&watch, watch.clock.now()).await;
        let (from, to) = told["refused"].unwrap();
        assert!(from > to + 2000, "{told:?}");
        assert_eq!((told["beside"], told["after"]), (None, None));
    };
    watch.during(mailbox.clone(), story).await;
}

/// More than 60 at once wait for each other; 60 do not.
#[tokio::test(start_paused = true)]
async fn many_at_once_wait_for_each_other() {
    for (count, held) in [(60, false), (61, true)] {
        let (watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
        let story = async {
            sleep(secs(5)).await;
            mailbox.office().idle_is_deaf = true;
            for n in 0..count {
                mailbox.arrive("INBOX", &n.to_string(), watch.clock.now());
            }
            mailbox.office().idle_is_deaf = false;
            mailbox.ring();
            sleep(secs(3)).await;
            assert_eq!(watch.subjects().await.is_empty(), held);
            sleep(secs(10)).await;
            assert_eq!(watch.subjects().await.len(), if held { count } else { 0 });
        };
        watch.during(mailbox.clone(), story).await;
    }
}

#[tokio::test(start_paused = true)]
async fn letters_found_by_date_after_a_new_numbering_wait_for_each_other() {
    let (watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
    let story = async {
        sleep(secs(5)).await;
        mailbox.office().idle_is_deaf = true;
        mailbox.change("INBOX", |c| c.uid_validity = Some(8));
        mailbox.arrive("INBOX", "gap", watch.clock.now());
        mailbox.office().idle_is_deaf = false;
        mailbox.ring();
        sleep(secs(5)).await;
        assert_eq!(watch.state.stored.lock().unwrap().len(), 1);
        assert!(watch.subjects().await.is_empty());
        sleep(secs(10)).await;
        assert_eq!(watch.subjects().await, ["gap"]);
    };
    watch.during(mailbox.clone(), story).await;
}
