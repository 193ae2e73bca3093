//! LIST-STATUS: many folders in few round trips, and what servers leave out.

use super::{session, session_with};
use crate::support::server::Peer;
use mailbell::imap::{ImapError, MailSession};
use mailbell::model::{Look, RawName};
use std::collections::HashSet;
use std::time::Duration;

const RETURN: &str = "RETURN (STATUS (MESSAGES UIDNEXT UIDVALIDITY))";

fn names(all: &[&str]) -> Vec<RawName> {
    all.iter().map(|name| RawName::new(name.as_bytes())).collect()
}

async fn ask(folders: &[RawName], server: impl AsyncFnOnce(&mut Peer)) -> Result<Vec<(RawName, Look)>, ImapError> {
    let (mut session, mut peer) = session().await;
    tokio::join!(session.list_status(folders), server(&mut peer)).0
}

#[tokio::test(start_paused = true)]
async fn one_command_for_all() {
    let folders = names(&["a", "&mHl27g-", "b \"c\" \\", "gone", "inbox"]);
    let looks = ask(&folders, async |peer: &mut Peer| {
        peer.expect(&format!("LIST \"\" (\"a\" \"&mHl27g-\" \"b \\\"c\\\" \\\\\" \"gone\" \"inbox\") {RETURN}")).await;
        let lines = "* LIST () \"/\" a\r\n* STATUS a (MESSAGES 3 UIDNEXT 12 UIDVALIDITY 7)\r\n* 4 EXISTS\r\n\
                     * LIST () \"/\" \"&mHl27g-\"\r\n* STATUS \"项目\" (UIDNEXT 5 UIDVALIDITY 7)\r\n\
                     * LIST (\\NoSelect) \"/\" gone\r\n* STATUS {7}\r\nb \"c\" \\ (MESSAGES 0)\r\n\
                     * STATUS INBOX (MESSAGES 1 UIDNEXT 2)\r\n* STATUS other (MESSAGES 9)\r\n* STATUS a (UIDNEXT 13)\r\n";
        peer.send(lines).await;
        peer.send("{tag} OK done\r\n").await;
    })
    .await
    .unwrap();
    let look = |uid_validity, uid_next, exists| Look { uid_validity, uid_next, exists, mailbox_id: None };
    let expected = [
        (folders[0].clone(), look(Some(7), Some(13), Some(3))),
        (folders[1].clone(), look(Some(7), Some(5), None)),
        (folders[2].clone(), look(None, None, Some(0))),
        (folders[4].clone(), look(None, Some(2), Some(1))),
    ];
    assert_eq!(looks, expected);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_an_answer() {
    for refusal in ["NO", "BAD", "BAD Unknown argument", "NO [LIMIT] too many"] {
        let looks = ask(&names(&["a"]), async |peer: &mut Peer| {
            peer.expect_start("LIST ").await;
            peer.send(&format!("* STATUS a (UIDNEXT 3)\r\n{{tag}} {refusal}\r\n")).await;
        })
        .await;
        assert!(looks.as_ref().is_err_and(ImapError::is_answer), "{refusal}: {looks:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn names_that_are_no_patterns_are_not_asked() {
    let looks =
        ask(&[RawName::new(b"100%"), RawName::new(b"\xcf\xee"), RawName::new(b"*")], async |_: &mut Peer| {}).await;
    assert_eq!(looks, Ok(Vec::new()));
    let looks = ask(&names(&["%", "a"]), async |peer: &mut Peer| {
        peer.answer(&format!("LIST \"\" (\"a\") {RETURN}"), "* STATUS a (UIDNEXT 3)\r\n").await;
    })
    .await;
    assert_eq!(looks.unwrap().len(), 1);
    assert_eq!(ask(&[], async |_: &mut Peer| {}).await, Ok(Vec::new()));
}

/// 10,000 folders: found in LIST and looked at in batches of at most 8,000 bytes (RFC 2683 3.2.1.5), in seconds.
#[tokio::test(start_paused = true)]
async fn ten_thousand_folders() {
    let (mut session, mut peer) = session().await;
    let lines: String = (0..10_000).map(|n| format!("* LIST (\\HasNoChildren) \"/\" \"&mHl27g-/{n}\"\r\n")).collect();
    let begun = std::time::Instant::now();
    let listed = tokio::join!(session.folders(), peer.answer("LIST \"\" \"*\"", &lines)).0.unwrap();
    let folders: Vec<_> = listed.into_iter().map(|l| l.raw).collect();
    let server = async {
        let mut asked = HashSet::new();
        while asked.len() < 10_000 {
            let command = peer.command().await.unwrap();
            assert!(command.len() + peer.tag().len() + 3 <= 8000, "{} bytes", command.len());
            let patterns = command.strip_prefix("LIST \"\" (").unwrap().split(')').next().unwrap();
            let mut answer = String::new();
            for name in patterns.split(' ') {
                assert!(asked.insert(name.to_owned()), "{name} twice");
                answer.push_str(&format!(
                    "* LIST () \"/\" {name}\r\n* STATUS {name} (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 3)\r\n"
                ));
            }
            peer.send(&answer).await;
            peer.send("{tag} OK\r\n").await;
        }
    };
    let looks = tokio::join!(session.list_status(&folders), server).0.unwrap();
    assert_eq!(looks.len(), 10_000);
    assert!(looks.iter().all(|(_, look)| look.uid_next == Some(2)));
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_comes_later_is_not_mistaken() {
    let (mut session, mut peer) = session_with("LIST-STATUS NAMESPACE").await;
    let offer = session.offer();
    assert!(offer.list_status && !offer.notify && !offer.idle);
    let folders = names(&["a", "b"]);
    let part = async {
        peer.answer(
            &format!("LIST \"\" (\"a\" \"b\") {RETURN}"),
            "* STATUS a (UIDNEXT 3)\r\n* LIST () \"/\" ghost\r\n",
        )
        .await;
        peer.answer("NAMESPACE", "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n* LIST () \"/\" ghost\r\n").await;
        peer.answer("LIST \"\" \"*\"", "* STATUS b (UIDNEXT 9)\r\n* LIST () \"/\" a\r\n").await;
        peer.answer("NOOP", "* LIST () \"/\" ghost\r\n* STATUS b (UIDNEXT 9)\r\n").await;
        peer.answer(&format!("LIST \"\" (\"a\" \"b\") {RETURN}"), "").await;
    };
    let client = async {
        assert_eq!(session.list_status(&folders).await.unwrap().len(), 1);
        let listed = session.folders().await.unwrap();
        assert_eq!(listed.iter().map(|l| &l.raw).collect::<Vec<_>>(), [&folders[0]]);
        session.noop().await.unwrap();
        assert!(session.list_status(&folders).await.unwrap().is_empty());
        assert!(session.take_told().is_empty());
    };
    tokio::join!(client, part);
}

/// MAILBOXID is asked for where OBJECTID is announced, and known again from each source.
#[tokio::test(start_paused = true)]
async fn mailbox_ids() {
    let (mut session, mut peer) = session_with("LIST-STATUS OBJECTID").await;
    // Of folders that are not open Cyrus 3.6 tells any bytes: not asked for.
    let items = "(MESSAGES UIDNEXT UIDVALIDITY)";
    let folders = names(&["a", "b"]);
    let part = async {
        peer.answer("EXAMINE \"a\"", "* 1 EXISTS\r\n* OK [MAILBOXID (F-a)] Ok\r\n").await;
        peer.answer("EXAMINE \"b\"", "* 1 EXISTS\r\n").await;
        peer.answer(&format!("STATUS \"a\" {items}"), "* STATUS a (MESSAGES 1 MAILBOXID (F-a) UIDNEXT 2)\r\n").await;
        let lines = "* STATUS a (MAILBOXID (F-a))\r\n* STATUS b (MAILBOXID (F-b) UIDNEXT 4)\r\n";
        peer.answer(&format!("LIST \"\" (\"a\" \"b\") RETURN (STATUS {items})"), lines).await;
    };
    let client = async {
        let id = |look: &Look| look.mailbox_id;
        let opened = session.examine(&folders[0]).await.unwrap();
        assert!(id(&opened).is_some());
        assert_eq!(id(&session.examine(&folders[1]).await.unwrap()), None, "not the one of the folder before");
        let status = session.status(&folders[0]).await.unwrap();
        assert_eq!((id(&status), status.uid_next), (None, Some(2)));
        let looks = session.list_status(&folders).await.unwrap();
        assert_eq!((id(&looks[0].1), id(&looks[1].1), looks[1].1.uid_next), (None, None, Some(4)));
    };
    tokio::join!(client, part);
}

#[tokio::test(start_paused = true)]
async fn special_uses_are_asked_for_where_the_list_has_none() {
    let (mut session, mut peer): (Box<dyn MailSession>, _) = session_with("SPECIAL-USE LIST-EXTENDED").await;
    let plain = "* LIST () \"/\" INBOX\r\n* LIST () \"/\" Spam\r\n* LIST () \"/\" x\r\n";
    let extended = "LIST \"\" \"*\" RETURN (SPECIAL-USE)";
    let uses = |listed: Vec<mailbell::imap::Listed>| listed.into_iter().map(|l| l.uses.join(" ")).collect::<Vec<_>>();
    let part = async {
        peer.answer("LIST \"\" \"*\"", plain).await;
        peer.answer(extended, &plain.replace("() \"/\" x", "(\\Junk) \"/\" x")).await;
        peer.answer("LIST \"\" \"*\"", plain).await;
        peer.expect(extended).await;
        peer.send("{tag} BAD no\r\n").await;
        // Asked in vain, it is not asked again.
        peer.answer("LIST \"\" \"*\"", plain).await;
    };
    let client = async {
        assert_eq!(uses(session.folders().await.unwrap()), ["\\inbox", "", "\\junk"]);
        for _ in 0..2 {
            assert_eq!(uses(session.folders().await.unwrap()), ["\\inbox", "\\junk", ""]);
        }
    };
    tokio::join!(client, part);
}
