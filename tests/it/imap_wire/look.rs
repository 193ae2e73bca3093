//! EXAMINE, STATUS, LIST and SEARCH.

use super::{session, session_with};
use crate::support::secs;
use crate::support::server::Peer;
use mailbell::imap::ImapError;
use mailbell::model::{Look, RawName, Timestamp};
use tokio::time::Instant;

const STATUS_ITEMS: &str = "(MESSAGES UIDNEXT UIDVALIDITY)";

fn look(
    uid_validity: impl Into<Option<u32>>,
    uid_next: impl Into<Option<u32>>,
    exists: impl Into<Option<u32>>,
) -> Look {
    Look { uid_validity: uid_validity.into(), uid_next: uid_next.into(), exists: exists.into(), mailbox_id: None }
}

async fn examined(untagged: &str) -> Look {
    let (mut session, mut peer) = session_with("IDLE").await;
    let inbox = RawName::new(b"INBOX");
    tokio::join!(session.examine(&inbox), peer.answer("EXAMINE \"INBOX\"", untagged)).0.unwrap()
}

#[tokio::test(start_paused = true)]
async fn examine_says_what_the_server_says() {
    let all = "* FLAGS (\\Answered \\Seen)\r\n* OK [PERMANENTFLAGS ()] none\r\n* 12 EXISTS\r\n* 2 RECENT\r\n\
               * OK [UNSEEN 3] x\r\n* OK [UIDVALIDITY 1392611444] x\r\n* OK [UIDNEXT 1400000000] x\r\n\
               * OK [HIGHESTMODSEQ 99]\r\n* OK [NOMODSEQ] x\r\n* OK [MAILBOXID (F1)] x\r\n* OK [X-ODD \"]\"] x\r\n";
    assert_eq!(examined(all).await, look(1_392_611_444, 1_400_000_000, 12));
    assert_eq!(examined("* 12 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n").await, look(1, None, 12));
    assert_eq!(examined("* 0 EXISTS\r\n* OK [UIDVALIDITY 0] x\r\n* OK [UIDNEXT 0] x\r\n").await, look(None, None, 0));
    assert_eq!(examined("").await, Look::default());
    let odd = "* NO disk 90% full\r\n* BAD nothing\r\n* XODD\r\n* 4 EXISTS\r\n* OK [UIDNEXT 4294967295] x\r\n\r\n";
    assert_eq!(examined(odd).await, look(None, u32::MAX, 4));
    let chinese = "* OK [ALERT]邮箱空间不足\r\n* OK [UIDNEXT 9]好\r\n* OK [UIDVALIDITY 3] 好\r\n* 1 EXISTS\n";
    assert_eq!(examined(chinese).await.exists, Some(1));
    assert_eq!(examined("* 5 EXISTS\r\n* 3 EXPUNGE\r\n* 6 EXISTS\r\n").await.exists, Some(6));
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_is_refused_costs_only_that() {
    let (mut session, mut peer) = session_with("IDLE").await;
    let folder = RawName::new(b"Old");
    let part = async {
        peer.expect("EXAMINE \"Old\"").await;
        peer.send("* 3 EXISTS\r\n{tag} NO Unsafe Login. Please contact kefu@188.com for help\r\n").await;
        peer.expect("EXAMINE \"Old\"").await;
        peer.send("{tag} BAD\r\n").await;
        peer.answer("EXAMINE \"Old\"", "* 1 EXISTS\r\n").await;
    };
    let client = async {
        let no = session.examine(&folder).await.unwrap_err();
        assert!(matches!(&no, ImapError::No { command: "EXAMINE", text } if text.contains("Unsafe Login")), "{no:?}");
        let bad = session.examine(&folder).await.unwrap_err();
        assert!(matches!(bad, ImapError::Bad { command: "EXAMINE", .. }) && bad.is_answer(), "{bad:?}");
        session.examine(&folder).await.unwrap()
    };
    assert_eq!(tokio::join!(client, part).0, look(None, None, 1));
}

#[tokio::test(start_paused = true)]
async fn names_reach_the_server_unchanged() {
    let quoted: [(&[u8], &str); 4] = [
        (b"a \"b\" \\c", r#"EXAMINE "a \"b\" \\c""#),
        (b"&mHl27g-/x", "EXAMINE \"&mHl27g-/x\""),
        (b"100% *", "EXAMINE \"100% *\""),
        (b"", "EXAMINE \"\""),
    ];
    let (mut session, mut peer) = session_with("IDLE").await;
    for (name, line) in quoted {
        let folder = RawName::new(name);
        tokio::join!(session.examine(&folder), peer.answer(line, "")).0.unwrap();
    }
    for name in [&b"\xcf\xee\xc4\xbf"[..], "项目".as_bytes(), b"a\tb", b"a\r\nM9 DELETE x"] {
        let folder = RawName::new(name);
        let part = async {
            peer.expect(&format!("EXAMINE {{{}}}", name.len())).await;
            peer.send("+ OK\r\n").await;
            for line in name.split(|b| *b == b'\n') {
                peer.expect_raw(line.strip_suffix(b"\r").unwrap_or(line)).await;
            }
            peer.send("{tag} OK done\r\n").await;
        };
        tokio::join!(session.examine(&folder), part).0.unwrap();
    }
    let folder = RawName::new(b"\xcf\xee");
    let part = async {
        peer.expect("STATUS {2}").await;
        peer.send("+ OK\r\n").await;
        peer.expect_raw(&[b"\xcf\xee ", STATUS_ITEMS.as_bytes()].concat()).await;
        peer.send_bytes(b"* STATUS \xcf\xee (MESSAGES 2)\r\n").await;
        peer.send("{tag} OK done\r\n").await;
    };
    assert_eq!(tokio::join!(session.status(&folder), part).0.unwrap(), look(None, None, 2));
}

async fn status_of(name: &[u8], untagged: &[u8]) -> Look {
    let (mut session, mut peer) = session().await;
    let folder = RawName::new(name);
    let part = async {
        peer.expect_start("STATUS ").await;
        peer.send_bytes(untagged).await;
        peer.send("{tag} OK done\r\n").await;
    };
    tokio::join!(session.status(&folder), part).0.unwrap()
}

#[tokio::test(start_paused = true)]
async fn status_is_known_by_its_name_in_other_forms_too() {
    let full = look(7, 12, 3);
    assert_eq!(status_of(b"inbox", b"* STATUS INBOX (MESSAGES 3 UIDNEXT 12 UIDVALIDITY 7)\r\n").await, full);
    let utf8 = "* STATUS \"项目\" (MESSAGES 3 UIDNEXT 12 UIDVALIDITY 7)\r\n";
    assert_eq!(status_of(b"&mHl27g-", utf8.as_bytes()).await, full);
    assert_eq!(status_of(b"a", b"* status {1}\r\na (messages 3 uidnext 12 uidvalidity 7) \r\n").await, full);
    let others = b"* STATUS b (UIDNEXT 99)\r\n* STATUS a (SIZE 4 MESSAGES 3 UIDNEXT 12 UIDVALIDITY 7)\r\n";
    assert_eq!(status_of(b"a", others).await, full);
    let unlike = b"* STATUS b (UIDNEXT 99)\r\n* STATUS c (UIDNEXT 98)\r\n";
    assert_eq!(status_of(b"a", unlike).await, Look::default());
    for nothing in [&b"* STATUS \"a\" ()\r\n"[..], b"", b"* STATUS\r\n", b"* STATUS a\r\n", b"* STATUS a (UIDNEXT\r\n"]
    {
        assert_eq!(status_of(b"a", nothing).await, Look::default(), "{}", String::from_utf8_lossy(nothing));
    }
    let lies = b"* STATUS a (MESSAGES 9.3e+06 UIDNEXT 0 UIDVALIDITY 99999999999 MAILBOXID (F1))\r\n";
    assert_eq!(status_of(b"a", lies).await, Look::default());
}

#[tokio::test(start_paused = true)]
async fn status_that_is_refused_is_an_answer() {
    let (mut session, mut peer) = session().await;
    let folder = RawName::new(b"a");
    let part = async {
        peer.expect(&format!("STATUS \"a\" {STATUS_ITEMS}")).await;
        peer.send("* 4 EXISTS\r\n{tag} BAD\r\n").await;
        peer.expect("NOOP").await;
        peer.send("{tag} OK\r\n").await;
    };
    let client = async {
        assert!(session.status(&folder).await.unwrap_err().is_answer());
        assert!(session.noop().await.unwrap(), "EXISTS during STATUS is news of the open folder");
    };
    tokio::join!(client, part);
}

async fn listed(lines: &[u8]) -> Vec<(Vec<u8>, Option<u8>, bool)> {
    let (mut session, mut peer) = session().await;
    let part = async {
        peer.expect("LIST \"\" \"*\"").await;
        peer.send_bytes(lines).await;
        peer.send("{tag} OK done\r\n").await;
    };
    let folders = tokio::join!(session.folders(), part).0.unwrap();
    folders.into_iter().map(|f| (f.raw.0.to_vec(), f.separator, f.can_open)).collect()
}

#[tokio::test(start_paused = true)]
async fn odd_list_lines() {
    let lines = b"* LIST (\\HasNoChildren) \"/\" INBOX\r\n\
        * LIST (\\NoSelect \\HasChildren) \"/\" \"&UXZO1mWHTvZZOQ-\"\r\n\
        * 3 EXISTS\r\n\
        * LIST\r\n\
        * LIST (\\Marked \"/\" x\r\n\
        * LIST () \"\\\\\" \"a\\\\b\"\r\n\
        * LIST () NIL {5}\r\na \"\r\n\r\n\
        * LSUB () \"/\" not-listed\r\n\
        * LIST () \"/\" \xd6\xd0\xce\xc4\r\n\
        * LIST () \"/\" \"x\" (\"OLDNAME\" (\"y\"))\r\n\
        * LIST () \"/\" Sent Messages\r\n\
        * LIST () \"/\" a b (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n\
        * XLIST () \"/\" z\r\n";
    let names: Vec<_> = listed(lines).await;
    let expected: Vec<(&[u8], Option<u8>, bool)> = vec![
        (b"INBOX", Some(b'/'), true),
        (b"&UXZO1mWHTvZZOQ-", Some(b'/'), false),
        (b"a\\b", Some(b'\\'), true),
        (b"a \"\r\n", None, true),
        (b"\xd6\xd0\xce\xc4", Some(b'/'), true),
        (b"x", Some(b'/'), true),
        (b"Sent Messages", Some(b'/'), true),
        (b"a b", Some(b'/'), true),
    ];
    let expected: Vec<_> = expected.into_iter().map(|(n, s, o)| (n.to_vec(), s, o)).collect();
    assert_eq!(names, expected);
    assert!(listed(b"").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_folders() {
    let lines: String = (0..10_000).map(|n| format!("* LIST (\\HasNoChildren) \"/\" \"dir/{n}\"\r\n")).collect();
    let names = listed(lines.as_bytes()).await;
    assert_eq!(names.len(), 10_000);
    assert_eq!(names[9_999].0, b"dir/9999");
}

#[tokio::test(start_paused = true)]
async fn search_goes_by_days_and_is_sorted() {
    let (mut session, mut peer) = session().await;
    let since = Timestamp(1_420_361_615_000);
    let part = peer.answer("UID SEARCH SINCE 3-Jan-2015", "* SEARCH 9 4\r\n* 7 EXISTS\r\n* SEARCH\r\n* SEARCH 4 2\r\n");
    assert_eq!(tokio::join!(session.search_since(since), part).0.unwrap(), [2, 4, 9]);
    let part = async {
        peer.expect_start("UID SEARCH ").await;
        peer.send("{tag} BAD UID SEARCH invalid argument\r\n").await;
    };
    assert!(tokio::join!(session.search_since(since), part).0.unwrap_err().is_answer());
}

#[tokio::test(start_paused = true)]
async fn a_search_answer_that_cannot_be_read_is_not_nothing() {
    let (mut session, mut peer) = session().await;
    let part = peer.answer("UID SEARCH SINCE 3-Jan-2015", "* ESEARCH (TAG \"x\") UID ALL 4,9\r\n");
    let found = tokio::join!(session.search_since(Timestamp(1_420_361_615_000)), part).0;
    assert!(found.as_ref().is_err_and(ImapError::is_answer), "{found:?}");
}

/// Which error a command ends with when the server does this in its place.
async fn examine_against(server: impl AsyncFnOnce(&mut Peer)) -> (ImapError, std::time::Duration) {
    let (mut session, mut peer) = session().await;
    let inbox = RawName::new(b"INBOX");
    let began = Instant::now();
    let part = async {
        peer.expect_start("EXAMINE ").await;
        server(&mut peer).await;
        peer
    };
    let (examined, _peer) = tokio::select! {
        both = async { tokio::join!(session.examine(&inbox), part) } => both,
    };
    (examined.unwrap_err(), began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn every_command_ends_in_time() {
    let inbox = RawName::new(b"INBOX");
    let (mut session, _peer) = session().await;
    let began = Instant::now();
    let error = session.examine(&inbox).await.unwrap_err();
    assert_eq!(error, ImapError::Timeout { step: "EXAMINE", limit: secs(60) });
    assert_eq!(began.elapsed(), secs(60));
    // Half a line, then nothing.
    let (error, took) = examine_against(async |peer: &mut Peer| peer.send("* 3 EXI").await).await;
    assert_eq!((error, took), (ImapError::Timeout { step: "EXAMINE", limit: secs(60) }, secs(60)));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_talks_on_and_on_is_given_up() {
    let (mut session, mut peer) = session().await;
    let inbox = RawName::new(b"INBOX");
    let began = Instant::now();
    let chatter = async {
        loop {
            peer.send("* OK Hang in there..\r\n").await;
            tokio::time::sleep(secs(20)).await;
        }
    };
    let error = tokio::select! {
        examined = session.examine(&inbox) => examined.unwrap_err(),
        () = chatter => unreachable!(),
        () = tokio::time::sleep(secs(86_400)) => panic!("a day"),
    };
    assert!(matches!(error, ImapError::Timeout { step: "EXAMINE", .. }), "{error:?}");
    assert_eq!(began.elapsed(), secs(600));
}

/// Yandex repeats untagged BYE until the client closes (imap-servers A.3).
#[tokio::test(start_paused = true)]
async fn bye_without_an_end_is_bye() {
    let (mut session, mut peer) = session().await;
    let inbox = RawName::new(b"INBOX");
    let began = Instant::now();
    let byes = async {
        loop {
            peer.send("* BYE Session expired\r\n").await;
            tokio::time::sleep(secs(1)).await;
        }
    };
    let error = tokio::select! {
        examined = session.examine(&inbox) => examined.unwrap_err(),
        () = byes => unreachable!(),
        () = tokio::time::sleep(secs(86_400)) => panic!("a day"),
    };
    assert_eq!(error, ImapError::Bye("Session expired".to_owned()));
    assert!(began.elapsed() <= secs(3));
}

#[tokio::test(start_paused = true)]
async fn logout_is_short_whatever_the_server_does() {
    let (session, mut peer) = session().await;
    tokio::join!(session.logout(), async {
        peer.expect("LOGOUT").await;
        peer.send("* BYE bye\r\n{tag} OK\r\n").await;
        peer.expect_closed().await;
    });
    let (session, _peer) = super::session().await;
    let began = Instant::now();
    session.logout().await;
    assert!(began.elapsed() <= secs(2));
}

/// Cyrus 3.6.1 and 3.10.2 tell any bytes as the MAILBOXID of a folder that is not open, others each time, so that the
/// folder would seem made anew at each look.
#[tokio::test(start_paused = true)]
async fn a_mailbox_id_is_believed_of_the_open_folder_alone() {
    let (mut session, mut peer) = session_with("IDLE OBJECTID LIST-STATUS").await;
    let (folder, other) = (RawName::new(b"a"), RawName::new(b"b"));
    let line = b"* STATUS a (MESSAGES 3 UIDNEXT 12 UIDVALIDITY 7 MAILBOXID (~\xcdR,\xf7U))\r\n";
    let part = async {
        peer.expect(&format!("STATUS \"a\" {STATUS_ITEMS}")).await;
        peer.send_bytes(line).await;
        peer.send("{tag} OK done\r\n").await;
        peer.expect(&format!("LIST \"\" (\"a\" \"b\") RETURN (STATUS {STATUS_ITEMS})")).await;
        peer.send_bytes(line).await;
        peer.send("{tag} OK done\r\n").await;
        peer.answer("EXAMINE \"a\"", "* 3 EXISTS\r\n* OK [UIDNEXT 12] x\r\n* OK [MAILBOXID (F1)] x\r\n").await;
    };
    let looks = async {
        let status = session.status(&folder).await.unwrap();
        let listed = session.list_status(&[folder.clone(), other]).await.unwrap();
        (status, listed, session.examine(&folder).await.unwrap())
    };
    let ((status, listed, examined), ()) = tokio::join!(looks, part);
    assert_eq!((status, listed), (look(7, 12, 3), vec![(folder, look(7, 12, 3))]));
    assert!(examined.mailbox_id.is_some());
}
