//! NOTIFY: what is asked, what is told and when, refusals, ends; names in both spellings.

use super::session_with;
use crate::support::secs;
use crate::support::server::Peer;
use mailbell::imap::{Detail, ImapError, MailSession, UidSet, Wake};
use mailbell::model::{Look, RawName};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

const SET: &str = "NOTIFY SET STATUS (selected-delayed (MessageNew MessageExpunge)) (mailboxes (";
const EVENTS: &str = ") (MessageNew MessageExpunge))";

fn names(all: &[&str]) -> Vec<RawName> {
    all.iter().map(|name| RawName::new(name.as_bytes())).collect()
}

fn look(uid_validity: Option<u32>, uid_next: u32, exists: u32) -> Look {
    Look { uid_validity, uid_next: Some(uid_next), exists: Some(exists), mailbox_id: None }
}

/// A session with the INBOX open and NOTIFY on for it, `a` and `b`.
async fn notified() -> (Box<dyn MailSession>, Peer) {
    let (mut session, mut peer) = session_with("IDLE NOTIFY").await;
    let folders = names(&["INBOX", "a", "b"]);
    let part = async {
        peer.answer("EXAMINE \"INBOX\"", "* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 10] x\r\n").await;
        let baseline =
            "* STATUS b (MESSAGES 1 UIDNEXT 5 UIDVALIDITY 8)\r\n* STATUS a (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 7)\r\n";
        peer.answer(&format!("{SET}\"INBOX\" \"a\" \"b\"{EVENTS}"), baseline).await;
    };
    let client = async {
        session.examine(&folders[0]).await.unwrap();
        session.notify(&folders).await.unwrap()
    };
    let baseline = tokio::join!(client, part).0;
    let expected = [(folders[1].clone(), look(Some(7), 1, 0)), (folders[2].clone(), look(Some(8), 5, 1))];
    assert_eq!(baseline, expected);
    assert!(session.take_told().is_empty());
    (session, peer)
}

/// Waits in IDLE for a server that does this after `+`; the end, and after how long.
async fn idle(
    session: &mut dyn MailSession,
    peer: &mut Peer,
    server: impl AsyncFnOnce(&mut Peer),
) -> (Result<Wake, ImapError>, std::time::Duration) {
    let (began, asked) = (Instant::now(), Notify::new());
    let part = async {
        peer.expect("IDLE").await;
        peer.send("+ idling\r\n").await;
        server(peer).await;
        peer.expect_raw(b"DONE").await;
        peer.send("{tag} OK Idle completed\r\n").await;
    };
    let client = async {
        let woken = session.idle(began + secs(240), &asked).await;
        (woken, began.elapsed())
    };
    tokio::join!(client, part).0
}

#[tokio::test(start_paused = true)]
async fn another_folders_news_end_idle_at_once() {
    let (mut session, mut peer) = notified().await;
    let woken = idle(&mut *session, &mut peer, async |peer: &mut Peer| {
        sleep(secs(30)).await;
        peer.send("* STATUS a (MESSAGES 1 UIDNEXT 2)\r\n* STATUS b (UIDNEXT 6 MESSAGES 2)\r\n").await;
    })
    .await;
    assert_eq!(woken, (Ok(Wake::Told), secs(30)));
    // Both came in one piece, and what was left out is as it was.
    let folders = names(&["a", "b"]);
    let expected = [(folders[0].clone(), look(Some(7), 2, 1)), (folders[1].clone(), look(Some(8), 6, 2))];
    assert_eq!(session.take_told(), expected);
    assert!(session.take_told().is_empty());
    let quiet = idle(&mut *session, &mut peer, async |_: &mut Peer| {}).await;
    assert_eq!(quiet, (Ok(Wake::Quiet), secs(240)), "what was taken is no news");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_news_ends_nothing() {
    let (mut session, mut peer) = notified().await;
    let noise = "* STATUS a (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 7 UNSEEN 0)\r\n* STATUS other (MESSAGES 9 UIDNEXT 99)\r\n\
                 * STATUS\r\n* STATUS b (\r\n* STATUS b ()\r\n* LIST () \"/\" a\r\n* 2 FETCH (UID 9 FLAGS (\\Seen))\r\n\
                 * LIST () \"/\" new (\"OLDNAME\" (\"a\"))\r\n* OK Still here\r\n";
    let woken = idle(&mut *session, &mut peer, async |peer: &mut Peer| peer.send(noise).await).await;
    assert_eq!(woken, (Ok(Wake::Quiet), secs(240)));
    assert!(session.take_told().is_empty());
    let woken = idle(&mut *session, &mut peer, async |peer: &mut Peer| {
        peer.send("* 4 EXISTS\r\n* 4 FETCH (UID 10 FLAGS ())\r\n").await;
    })
    .await;
    assert_eq!(woken.0, Ok(Wake::Pushed), "the open folder's news come as before");
    assert!(session.take_told().is_empty());
}

#[tokio::test(start_paused = true)]
async fn news_in_the_middle_of_other_commands_are_kept() {
    let (mut session, mut peer) = notified().await;
    let folders = names(&["a", "b"]);
    let part = async {
        peer.answer("NOOP", "* STATUS a (MESSAGES 1 UIDNEXT 2)\r\n").await;
        peer.expect_start("UID FETCH ").await;
        peer.send("* STATUS b (MESSAGES 2 UIDNEXT 6)\r\n* 1 FETCH (UID 4 BODY[HEADER] {3}\r\na:b)\r\n").await;
        peer.send("* 4 FETCH (UID 10 FLAGS ())\r\n* STATUS a (MESSAGES 2 UIDNEXT 3)\r\n{tag} OK\r\n").await;
        peer.expect_start("STATUS \"a\"").await;
        peer.send("* STATUS b (MESSAGES 3 UIDNEXT 7)\r\n* STATUS a (MESSAGES 3 UIDNEXT 4)\r\n{tag} OK\r\n").await;
        peer.expect_start("STATUS \"a\"").await;
        peer.send("* STATUS b (MESSAGES 4 UIDNEXT 8)\r\n{tag} NO just now\r\n").await;
        peer.answer("LIST \"\" \"*\"", "* STATUS b (MESSAGES 5 UIDNEXT 9)\r\n* LIST () \"/\" a\r\n").await;
        peer.answer("EXAMINE \"a\"", "* STATUS a (MESSAGES 4 UIDNEXT 5)\r\n* 4 EXISTS\r\n").await;
    };
    let client = async {
        session.noop().await.unwrap();
        let letters = session.fetch(&UidSet::These(vec![4]), Detail::Header).await.unwrap();
        assert_eq!(letters.len(), 1);
        assert_eq!(
            session.take_told(),
            [(folders[1].clone(), look(Some(8), 6, 2)), (folders[0].clone(), look(Some(7), 3, 2))]
        );
        let status = session.status(&folders[0]).await.unwrap();
        assert_eq!(status.uid_next, Some(4), "the answer to STATUS, beside another's news");
        assert_eq!(session.take_told(), [(folders[1].clone(), look(Some(8), 7, 3))]);
        assert!(session.status(&folders[0]).await.unwrap_err().is_answer());
        assert_eq!(session.folders().await.unwrap().len(), 1);
        session.examine(&folders[0]).await.unwrap();
    };
    tokio::join!(client, part);
    assert_eq!(session.take_told(), [(folders[1].clone(), look(Some(8), 9, 5))], "`a` is open now");
    // Waiting news need no IDLE.
    let asked = Notify::new();
    tokio::join!(session.noop(), peer.answer("NOOP", "* STATUS b (MESSAGES 9 UIDNEXT 10)\r\n")).0.unwrap();
    for _ in 0..2 {
        assert_eq!(session.idle(Instant::now() + secs(240), &asked).await, Ok(Wake::Told));
    }
    assert_eq!(session.take_told().len(), 1);
}

/// Where STATUS is answered with nothing, another folder's news are not taken for the answer.
#[tokio::test(start_paused = true)]
async fn anothers_news_are_no_answer() {
    let (mut session, mut peer) = notified().await;
    let part = async {
        peer.expect_start("STATUS \"a\"").await;
        peer.send("* STATUS b (MESSAGES 3 UIDNEXT 7)\r\n{tag} OK\r\n").await;
    };
    let folder = RawName::new(b"a");
    assert_eq!(tokio::join!(session.status(&folder), part).0.unwrap(), Look::default());
    assert_eq!(session.take_told(), [(RawName::new(b"b"), look(Some(8), 7, 3))]);
}

/// STATUS of the open folder says what EXISTS does: it wakes, and is told of no other folder.
#[tokio::test(start_paused = true)]
async fn the_open_folder_is_no_other() {
    let (mut session, mut peer) = notified().await;
    let woken = idle(&mut *session, &mut peer, async |peer: &mut Peer| {
        peer.send("* STATUS INBOX (MESSAGES 4 UIDNEXT 11)\r\n").await;
    })
    .await;
    assert_eq!(woken, (Ok(Wake::Told), secs(0)));
    assert!(session.take_told().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_an_answer() {
    let refusals = ["NO [NOTIFICATIONOVERFLOW] too much", "NO [BADEVENT (MessageNew)] x", "NO", "BAD unknown", "BAD"];
    for refusal in refusals {
        let (mut session, mut peer) = notified().await;
        let folders = names(&["INBOX", "a"]);
        let part = async {
            peer.expect_start("NOTIFY SET ").await;
            peer.send(&format!("* STATUS a (MESSAGES 2 UIDNEXT 3)\r\n{{tag}} {refusal}\r\n")).await;
            peer.answer("NOOP", "* STATUS a (MESSAGES 2 UIDNEXT 3)\r\n").await;
        };
        let client = async {
            assert!(session.notify(&folders).await.unwrap_err().is_answer(), "{refusal}");
            session.noop().await.unwrap();
        };
        tokio::join!(client, part);
        assert!(session.take_told().is_empty() && !session.notify_ended(), "{refusal}: it is off");
    }
}

#[tokio::test(start_paused = true)]
async fn more_than_a_hundred_folders_are_not_asked_for() {
    let (mut session, mut peer) = session_with("NOTIFY").await;
    let all: Vec<_> = (0..101).map(|n| RawName::new(format!("f{n}").as_bytes())).collect();
    let error = session.notify(&all).await.unwrap_err();
    assert!(matches!(&error, ImapError::No { command: "NOTIFY", text } if text.contains("101")), "{error:?}");
    let long: Vec<_> = (0..100).map(|n| RawName::new(format!("{}{n}", "x".repeat(90)).as_bytes())).collect();
    assert!(session.notify(&long).await.unwrap_err().is_answer());
    peer.expect_silence(secs(1)).await;
    let part = async {
        let line = peer.expect_start(SET).await;
        assert_eq!(line.matches("\"f").count(), 100);
        peer.send("{tag} OK\r\n").await;
    };
    assert!(tokio::join!(session.notify(&all[1..]), part).0.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_overflow_ends_it_and_idle() {
    let (mut session, mut peer) = notified().await;
    let woken = idle(&mut *session, &mut peer, async |peer: &mut Peer| {
        sleep(secs(9)).await;
        peer.send("* OK [NOTIFICATIONOVERFLOW] too many\r\n").await;
    })
    .await;
    assert_eq!(woken, (Ok(Wake::Told), secs(9)));
    assert!(session.notify_ended());
    let quiet = idle(&mut *session, &mut peer, async |_: &mut Peer| {}).await;
    assert_eq!(quiet.0, Ok(Wake::Quiet), "told once");
    // Set anew, it is on again.
    let folders = names(&["a"]);
    let command = format!("{SET}\"a\"{EVENTS}");
    let part = peer.answer(&command, "* STATUS a (MESSAGES 0 UIDNEXT 1)\r\n");
    tokio::join!(session.notify(&folders), part).0.unwrap();
    assert!(!session.notify_ended());
}

/// Dovecot 2.3 takes UTF-8 names here, and says OK to others without ever telling of them.
#[tokio::test(start_paused = true)]
async fn the_other_spelling_is_tried_where_none_is_understood() {
    let (mut session, mut peer) = session_with("NOTIFY").await;
    let folders = names(&["&mHl27g-", "a", "R&-D"]);
    let (raw, utf8) =
        (format!("{SET}\"&mHl27g-\" \"a\" \"R&-D\"{EVENTS}"), format!("{SET}\"项目\" \"a\" \"R&D\"{EVENTS}"));
    let a = "* STATUS a (MESSAGES 0 UIDNEXT 1)\r\n";
    let all = format!("{a}* STATUS {{6}}\r\n项目 (MESSAGES 2 UIDNEXT 3)\r\n* STATUS R&D (MESSAGES 0 UIDNEXT 1)\r\n");
    let part = async {
        // A second NOTIFY would harm Dovecot: with one name understood there is none.
        peer.answer(&utf8, &all.replace("* STATUS R&D", "* STATUS other")).await;
        peer.answer("NOOP", "* STATUS \"项目\" (MESSAGES 3 UIDNEXT 4)\r\n").await;
        // As RFC 5465 has it.
        peer.answer(&utf8, a).await;
        peer.answer(&raw, &all.replace("{6}\r\n项目", "&mHl27g-")).await;
        // Neither.
        peer.answer(&utf8, a).await;
        peer.answer(&raw, "").await;
        peer.answer(&utf8, a).await;
    };
    let client = async {
        let found = session.notify(&folders).await.unwrap();
        assert_eq!(found.iter().map(|(name, _)| name).collect::<Vec<_>>(), folders[..2].iter().collect::<Vec<_>>());
        session.noop().await.unwrap();
        assert_eq!(session.take_told(), [(folders[0].clone(), look(None, 4, 3))]);
        assert_eq!(session.notify(&folders).await.unwrap().len(), 3);
        assert_eq!(session.notify(&folders).await.unwrap().len(), 1);
    };
    tokio::join!(client, part);
}

#[tokio::test(start_paused = true)]
async fn a_refused_spelling_gives_way_to_the_other() {
    let (mut session, mut peer) = session_with("NOTIFY").await;
    let folders = names(&["&mHl27g-", "a"]);
    let raw = format!("{SET}\"&mHl27g-\" \"a\"{EVENTS}");
    let part = async {
        peer.expect_start(&format!("{SET}\"项目\" \"a\"")).await;
        peer.send("{tag} BAD 8-bit data\r\n").await;
        peer.answer(&raw, "* STATUS a (MESSAGES 0 UIDNEXT 1)\r\n").await;
        peer.answer("NOOP", "* STATUS a (MESSAGES 1 UIDNEXT 2)\r\n").await;
        for _ in 0..2 {
            peer.expect_start("NOTIFY").await;
            peer.send("{tag} NO [NOTIFICATIONOVERFLOW] no\r\n").await;
        }
    };
    let client = async {
        assert_eq!(session.notify(&folders).await.unwrap().len(), 1);
        session.noop().await.unwrap();
        assert_eq!(session.take_told(), [(folders[1].clone(), look(None, 2, 1))]);
        assert!(matches!(session.notify(&folders).await, Err(ImapError::No { command: "NOTIFY", .. })));
    };
    tokio::join!(client, part);
}

/// The open folder is never in the answer, so nothing is missing there.
#[tokio::test(start_paused = true)]
async fn the_open_folder_is_not_missed() {
    let (mut session, mut peer) = session_with("NOTIFY").await;
    let folders = names(&["&mHl27g-", "a"]);
    let part = async {
        peer.answer("EXAMINE \"&mHl27g-\"", "").await;
        peer.answer(&format!("{SET}\"项目\" \"a\"{EVENTS}"), "* STATUS a (MESSAGES 0 UIDNEXT 1)\r\n").await;
    };
    let client = async {
        session.examine(&folders[0]).await.unwrap();
        session.notify(&folders).await.unwrap();
    };
    tokio::join!(client, part);
}

#[tokio::test(start_paused = true)]
async fn a_name_in_other_bytes_is_a_literal() {
    let (mut session, mut peer) = session_with("NOTIFY").await;
    let folders = [RawName::new(b"\xcf\xee\xc4\xbf"), RawName::new(b"a")];
    let part = async {
        peer.answer(&format!("{SET}\"项目\" \"a\"{EVENTS}"), "* STATUS a (MESSAGES 0 UIDNEXT 1)\r\n").await;
        peer.expect(&format!("{SET}{{4}}")).await;
        peer.send("+ go on\r\n").await;
        peer.expect_raw(&[b"\xcf\xee\xc4\xbf \"a\"", EVENTS.as_bytes()].concat()).await;
        peer.send_bytes(b"* STATUS \xcf\xee\xc4\xbf (MESSAGES 0 UIDNEXT 1)\r\n").await;
        peer.send("* STATUS a (MESSAGES 0 UIDNEXT 1)\r\n{tag} OK\r\n").await;
    };
    assert_eq!(tokio::join!(session.notify(&folders), part).0.unwrap().len(), 2);
}

/// Lines for which nobody asked are never gathered: neither without NOTIFY nor of folders that it was not set for.
#[tokio::test(start_paused = true)]
async fn unasked_lines_take_no_memory() {
    let (mut session, mut peer) = session_with("NOTIFY IDLE").await;
    let flood: String = (0..2_000).map(|n| format!("* STATUS \"folder {n}\" (MESSAGES {n} UIDNEXT {n})\r\n")).collect();
    for _ in 0..100 {
        tokio::join!(session.noop(), peer.answer("NOOP", &flood)).0.unwrap();
    }
    assert!(session.take_told().is_empty());
    // Gathered for one command they have a limit.
    let part = async {
        peer.expect("LIST \"\" \"*\"").await;
        for _ in 0..300 {
            peer.send(&flood).await;
        }
    };
    let error = tokio::select! {
        listed = session.folders() => listed.unwrap_err(),
        () = part => panic!("no limit"),
    };
    assert!(matches!(error, ImapError::Protocol(_)), "{error:?}");
}
