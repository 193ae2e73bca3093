//! A folder of a million letters: what is asked, said and stored goes by what is new in it, at its first sight and when it is
//! numbered anew.

use crate::support::desk::Watch;
use crate::support::huge::Huge;
use crate::support::secs;
use crate::support::server::PipeDial;
use mailbell::imap::ImapSource;
use mailbell::model::Recipient;
use std::sync::Arc;
use tokio::time::sleep;

const MILLION: u32 = 1_000_000;
/// Longer than any sweep takes to come.
const SWEEP: std::time::Duration = secs(301);

/// Watches the folder while `story` goes on.
async fn during(watch: &Watch, huge: &Huge, story: impl Future<Output = ()>) {
    let dial = PipeDial::default();
    let source = ImapSource::new(Arc::new(dial.clone()), watch.imap);
    tokio::select! {
        () = watch.during(source, story) => {}
        () = huge.serve(&dial) => unreachable!(),
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_read_goes_by_what_is_new() {
    let watch = Watch::new();
    let huge = Huge::of(MILLION, watch.clock.now());
    huge.change(|shape| shape.fresh = 3);
    during(&watch, &huge, async {
        sleep(secs(5)).await;
        // Three letters of the last hour, in a list and with their headers, and the answers to SEARCH.
        let sent = huge.take_sent();
        assert!((500..4000).contains(&sent), "{sent} bytes at the first sight");
        huge.arrive(2, watch.clock.now());
        sleep(secs(5)).await;
        assert_eq!(watch.subjects().await, ["letter1000001", "letter1000002"]);
        assert!(huge.take_sent() < 3000);
        // Numbered anew while it is watched: nothing that was known is told.
        huge.change(|shape| (shape.uid_validity, shape.shift) = (8, 3_000_000));
        huge.arrive(1, watch.clock.now());
        sleep(SWEEP).await;
        assert_eq!(watch.subjects().await, ["letter1000003"]);
        let sent = huge.take_sent();
        assert!((500..6000).contains(&sent), "{sent} bytes after it was numbered anew");
    })
    .await;
}

/// The same where the server refuses SEARCH: the whole list has to be read, a piece at a time.
#[tokio::test(start_paused = true)]
async fn without_search_it_is_read_in_pieces() {
    let watch = Watch::new();
    let huge = Huge::of(20_000, watch.clock.now());
    huge.change(|shape| (shape.fresh, shape.no_search) = (3, true));
    during(&watch, &huge, async {
        sleep(secs(5)).await;
        assert!(watch.subjects().await.is_empty());
        huge.change(|shape| (shape.uid_validity, shape.shift) = (8, 3_000_000));
        huge.arrive(1, watch.clock.now());
        sleep(SWEEP).await;
        assert_eq!(watch.subjects().await, ["letter20001"]);
    })
    .await;
    let said = huge.said.lock().unwrap();
    let lists = said.iter().filter(|command| command.contains("(UID FLAGS INTERNALDATE RFC822.SIZE)"));
    for list in lists {
        let set = list.split(' ').nth(2).unwrap();
        let (from, to) = set.split_once(':').unwrap_or((set, set));
        let (from, to): (u32, u32) = (from.parse().unwrap(), to.parse().unwrap());
        assert!(from < 3_000_000 || to - from < 50_000, "{list}");
    }
}

/// A folder that was restored: other UIDs, and each letter has the day of its restoring. They are stored some at a time; when
/// the connection ends in the middle, none is told twice and none is left out.
#[tokio::test(start_paused = true)]
async fn a_restored_folder_is_stored_some_at_a_time() {
    let watch = Watch::new();
    let huge = Huge::of(0, watch.clock.now());
    during(&watch, &huge, async {
        sleep(secs(5)).await;
        huge.arrive(2000, watch.clock.now());
        sleep(SWEEP).await;
        assert_eq!(watch.subjects().await.len(), 2000);
        watch.state.commits.lock().unwrap().clear();
        huge.change(|shape| (shape.uid_validity, shape.shift, shape.ends_after) = (8, 3_000_000, Some(12)));
        huge.arrive(100, watch.clock.now());
        sleep(SWEEP * 2).await;
        let mut expected: Vec<_> = (2001..=2100).map(|n| format!("letter{n}")).collect();
        let mut told = watch.subjects().await;
        expected.sort();
        told.sort();
        assert_eq!(told, expected);
        assert!(huge.said.lock().unwrap().iter().filter(|said| said.starts_with("LOGIN ")).count() == 2);
        let commits = watch.state.commits.lock().unwrap().clone();
        let (most, all) = (commits.iter().max().unwrap(), commits.iter().sum::<usize>());
        assert!(*most <= 500 && all >= 2100 + 500, "{commits:?}");
    })
    .await;
}

/// A letter is written once for each of its recipients: of letters for very many, few go into one step of the store.
#[tokio::test(start_paused = true)]
async fn letters_for_very_many_are_stored_a_few_at_a_time() {
    let mut watch = Watch::new();
    watch.account.recipients = (0..1000).map(|n| Recipient::User(format!("user{n}").into())).collect();
    let huge = Huge::of(0, watch.clock.now());
    during(&watch, &huge, async {
        sleep(secs(5)).await;
        for (validity, arrive) in [(7, 35), (8, 25)] {
            watch.state.commits.lock().unwrap().clear();
            huge.change(|shape| shape.uid_validity = validity);
            huge.arrive(arrive, watch.clock.now());
            sleep(SWEEP).await;
            let commits = watch.state.commits.lock().unwrap().clone();
            let (most, all) = (*commits.iter().max().unwrap(), commits.iter().sum::<usize>());
            // The second time all are found anew, and known.
            assert!(most <= 10 && all >= 35, "{commits:?}");
        }
    })
    .await;
}

/// All letters but a few leave at once, and the server says so of each: the next letter is told.
#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_letters_leave() {
    let watch = Watch::new();
    let dial = PipeDial::default();
    let source = ImapSource::new(Arc::new(dial.clone()), watch.imap);
    let story = async {
        let mut peer = dial.accept().await;
        peer.log_in("IDLE").await;
        let look = "* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 100001] x\r\n";
        loop {
            match peer.command().await.unwrap().as_str() {
                "IDLE" => break,
                "EXAMINE \"INBOX\"" => peer.send(&format!("* 100000 EXISTS\r\n{look}")).await,
                search => assert!(search.starts_with("UID SEARCH "), "{search}"),
            }
            peer.send("{tag} OK\r\n").await;
        }
        peer.send("+ idling\r\n").await;
        for _ in 0..1000 {
            peer.send(&"* 1 EXPUNGE\r\n".repeat(99)).await;
        }
        peer.send("* 1001 EXISTS\r\n").await;
        let examined = loop {
            match peer.command().await.unwrap().as_str() {
                // It waits for its permit.
                "IDLE" => peer.send("+ idling\r\n").await,
                "DONE" => peer.send("{tag} OK\r\n").await,
                other => break other.to_owned(),
            }
        };
        assert_eq!(examined, "EXAMINE \"INBOX\"");
        peer.send("* 1001 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 100002] x\r\n{tag} OK\r\n").await;
        peer.expect_start("UID FETCH 100001:100001").await;
    };
    watch.during(source, story).await;
}
