//! What a server says to people (ALERT), in any encoding, and that every word of it is a proof of life.

use super::{connect, session, session_with};
use crate::support::server::Peer;
use crate::support::{account, secs};
use mailbell::imap::{Detail, ImapError, UidSet};
use mailbell::model::RawName;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

fn gbk(text: &str) -> Vec<u8> {
    encoding_rs::GBK.encode(text).0.into_owned()
}

#[tokio::test(start_paused = true)]
async fn alerts_of_login_and_of_every_command() {
    let (session, mut peer) = connect(&account(), async |peer: &mut Peer| {
        peer.send("* OK [ALERT] Maintenance on Sunday\r\n").await;
        peer.answer("CAPABILITY", "* CAPABILITY IMAP4rev1\r\n").await;
        peer.expect_start("LOGIN ").await;
        peer.send("{tag} OK [ALERT] 密码即将过期\r\n").await;
        peer.answer("CAPABILITY", "* CAPABILITY IMAP4rev1\r\n* NO [WEBALERT https://x.example/y] Log in by web\r\n")
            .await;
    })
    .await;
    let mut session = session.unwrap();
    let expected = ["Maintenance on Sunday", "密码即将过期", "Log in by web https://x.example/y"];
    assert_eq!(session.take_server_alerts(), expected);
    assert!(session.take_server_alerts().is_empty());
    let inbox = RawName::new(b"INBOX");
    let part = async {
        peer.expect_start("EXAMINE ").await;
        peer.send_bytes(&[b"* OK [ALERT]", &gbk("空间不足")[..], b"\r\n"].concat()).await;
        peer.send("* BAD [ALERT] a\u{7}b\tc \u{1b}[31m\r\n{tag} NO [ALERT] no\r\n").await;
        for _ in 0..3 {
            peer.answer("NOOP", "* OK [ALERT] again and again\r\n").await;
        }
        peer.expect("NOOP").await;
        peer.send("* BYE [ALERT] going down\r\n").await;
        drop(peer);
    };
    let client = async {
        let error = session.examine(&inbox).await.unwrap_err();
        assert_eq!(error, ImapError::No { command: "EXAMINE", text: "no".to_owned() });
        for _ in 0..3 {
            session.noop().await.unwrap();
        }
        assert!(matches!(session.noop().await, Err(ImapError::Bye(_))));
    };
    tokio::join!(client, part);
    assert_eq!(session.take_server_alerts(), ["空间不足", "a b c [31m", "no", "again and again", "going down"]);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_alerts_takes_no_memory() {
    let (mut session, mut peer) = session().await;
    let flood: String = (0..5_000).map(|n| format!("* OK [ALERT] {n} {}\r\n", "长".repeat(500))).collect();
    tokio::join!(session.noop(), peer.answer("NOOP", &flood)).0.unwrap();
    let alerts = session.take_server_alerts();
    assert_eq!(alerts.len(), 10);
    assert!(alerts[9].starts_with("4999 ") && alerts.iter().all(|text| text.chars().count() == 300));
}

#[tokio::test(start_paused = true)]
async fn chinese_words_reach_the_error_in_both_encodings() {
    for (word, no) in [("NO", true), ("BAD", false)] {
        for text in ["登录频率过高".as_bytes().to_vec(), gbk("登录频率过高")] {
            let (mut session, mut peer) = session().await;
            let part = async {
                peer.expect("NOOP").await;
                let tag = peer.tag().to_owned();
                peer.send_bytes(&[format!("{tag} {word} ").as_bytes(), &text, b"\r\n"].concat()).await;
            };
            let error = tokio::join!(session.noop(), part).0.unwrap_err();
            let text = "登录频率过高".to_owned();
            let expected =
                if no { ImapError::No { command: "NOOP", text } } else { ImapError::Bad { command: "NOOP", text } };
            assert_eq!(error, expected);
        }
    }
    for text in ["会话已过期".as_bytes().to_vec(), gbk("会话已过期")] {
        let (mut session, mut peer) = session().await;
        let part = async move {
            peer.expect("NOOP").await;
            peer.send_bytes(&[b"* BYE ", &text[..], b"\r\n"].concat()).await;
        };
        assert_eq!(tokio::join!(session.noop(), part).0, Err(ImapError::Bye("会话已过期".to_owned())));
        let (mut session, mut peer) = super::session().await;
        let part = async {
            peer.expect("NOOP").await;
            let tag = peer.tag().to_owned();
            peer.send_bytes(
                &[b"* OK ", &gbk("好")[..], format!("\r\n{tag} OK ").as_bytes(), &gbk("完成"), b"\r\n"].concat(),
            )
            .await;
        };
        assert_eq!(tokio::join!(session.noop(), part).0, Ok(false));
    }
}

/// Called at every word, whatever becomes of it: also at lines that are kept aside, dropped or not whole yet.
#[tokio::test(start_paused = true)]
async fn every_word_is_heard() {
    let (mut session, mut peer) = session_with("IDLE NOTIFY").await;
    let count = Arc::new(AtomicU32::new(0));
    let heard = count.clone();
    session.on_heard(Arc::new(move || {
        heard.fetch_add(1, Ordering::Relaxed);
    }));
    let words = [
        "* OK Still here\r\n",
        "* LIST () \"/\" a\r\n",
        "* STATUS a (UIDNEXT 3)\r\n",
        "* XODD\r\n",
        "\r\n",
        "* 4 FETCH (UID 4 BODY[HEADER] {6}\r\na",
        ": b\r\n)\r\n",
    ];
    let asked = Notify::new();
    let part = async {
        peer.expect("IDLE").await;
        peer.send("+ idling\r\n").await;
        for (at, word) in words.iter().enumerate() {
            sleep(secs(10)).await;
            let before = count.load(Ordering::Relaxed);
            peer.send(word).await;
            sleep(secs(1)).await;
            assert!(count.load(Ordering::Relaxed) > before, "word {at}: {word:?}");
        }
        peer.expect_raw(b"DONE").await;
        peer.send("{tag} OK\r\n").await;
    };
    tokio::join!(session.idle(Instant::now() + secs(240), &asked), part).0.unwrap();
    let before = count.load(Ordering::Relaxed);
    let part = peer.answer("NOOP", "");
    tokio::join!(session.noop(), part).0.unwrap();
    assert_eq!(count.load(Ordering::Relaxed), before + 1);
    // Silence is not heard.
    sleep(secs(30)).await;
    assert!(session.fetch(&UidSet::From(1), Detail::Header).await.is_err());
    assert_eq!((count.load(Ordering::Relaxed), session.silent_for()), (before + 1, secs(90)));
}
