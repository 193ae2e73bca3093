//! IDLE: news, refusals, silence, ends.

use super::session;
use crate::support::secs;
use crate::support::server::Peer;
use mailbell::imap::{ImapError, Wake};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

/// How an IDLE of four minutes ends, and after how long, when the server does this upon the command.
async fn idle(server: impl AsyncFnOnce(&mut Peer)) -> (Result<Wake, ImapError>, Duration) {
    let (mut session, mut peer) = session().await;
    let began = Instant::now();
    let asked = Notify::new();
    let part = async {
        peer.expect("IDLE").await;
        server(&mut peer).await;
        peer
    };
    let client = async {
        let woken = session.idle(began + secs(240), &asked).await;
        (woken, began.elapsed())
    };
    tokio::join!(client, part).0
}

/// Takes DONE and completes IDLE.
async fn done(peer: &mut Peer) {
    peer.expect_raw(b"DONE").await;
    peer.send("{tag} OK Idle completed\r\n").await;
}

#[tokio::test(start_paused = true)]
async fn news_end_it_at_once() {
    let (woken, took) = idle(async |peer: &mut Peer| {
        peer.send("+ idling\r\n").await;
        sleep(secs(30)).await;
        peer.send("* 4 EXISTS\r\n").await;
        done(peer).await;
    })
    .await;
    assert_eq!((woken, took), (Ok(Wake::Pushed), secs(30)));
}

#[tokio::test(start_paused = true)]
async fn news_before_the_plus_are_news() {
    for first in ["* 4 EXISTS\r\n+ idling\r\n", "* 4 EXISTS\r\n* 1 RECENT\r\n+\r\n", "* OK x\r\n* 4 EXISTS\r\n+ \r\n"] {
        let (woken, took) = idle(async |peer: &mut Peer| {
            peer.send(first).await;
            done(peer).await;
        })
        .await;
        assert_eq!((woken, took), (Ok(Wake::Pushed), Duration::ZERO), "{first}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_an_answer_at_once() {
    let cases = [
        ("{tag} NO not now\r\n", true),
        ("{tag} NO\r\n", true),
        ("{tag} BAD unknown\r\n", false),
        ("{tag} BAD\r\n", false),
    ];
    for (answer, no) in cases {
        let (woken, took) = idle(async |peer: &mut Peer| peer.send(answer).await).await;
        match woken {
            Err(ImapError::No { command: "IDLE", .. }) => assert!(no, "{answer}"),
            Err(ImapError::Bad { command: "IDLE", .. }) => assert!(!no, "{answer}"),
            other => panic!("{answer}: {other:?}"),
        }
        assert_eq!(took, Duration::ZERO);
        let (woken, _) = idle(async |peer: &mut Peer| peer.send(&format!("+ idling\r\n{answer}")).await).await;
        assert!(woken.as_ref().is_err_and(ImapError::is_answer), "{answer}: {woken:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn silence_before_the_plus_ends_in_time() {
    let (woken, took) = idle(async |_: &mut Peer| {}).await;
    assert_eq!((woken, took), (Err(ImapError::Timeout { step: "IDLE", limit: secs(60) }), secs(60)));
    let (woken, took) = idle(async |peer: &mut Peer| {
        for _ in 0..100 {
            peer.send("* OK Still here\r\n").await;
            sleep(secs(10)).await;
        }
    })
    .await;
    assert!(matches!(woken, Err(ImapError::Timeout { step: "IDLE", .. })), "{woken:?}");
    assert_eq!(took, secs(600));
}

#[tokio::test(start_paused = true)]
async fn ends_are_told_apart() {
    async fn ended(words: &'static str) -> Result<Wake, ImapError> {
        let (mut session, mut peer) = session().await;
        let asked = Notify::new();
        let part = async move {
            peer.expect("IDLE").await;
            peer.send(words).await;
        };
        tokio::join!(session.idle(Instant::now() + secs(240), &asked), part).0
    }
    for lost in ["", "+ idling\r\n", "+ idling\r\n* 4 EX"] {
        assert!(matches!(ended(lost).await, Err(ImapError::Lost(_))), "{lost}");
    }
    for bye in ["* BYE inactive\r\n", "+ idling\r\n* BYE inactive\r\n", "* BYE inactive\r\n+ idling\r\n"] {
        assert_eq!(ended(bye).await, Err(ImapError::Bye("inactive".to_owned())), "{bye}");
    }
    let (woken, took) = idle(async |peer: &mut Peer| peer.send("+ idling\r\n* BYE inactive\r\n").await).await;
    assert_eq!((woken, took), (Err(ImapError::Bye("inactive".to_owned())), Duration::ZERO), "without an end");
}

#[tokio::test(start_paused = true)]
async fn a_server_may_end_it_by_itself() {
    let (woken, took) = idle(async |peer: &mut Peer| {
        peer.send("+ idling\r\n").await;
        sleep(secs(20)).await;
        peer.send("{tag} OK Idle completed\r\n").await;
        peer.expect_silence(secs(300)).await;
    })
    .await;
    assert_eq!((woken, took), (Ok(Wake::Quiet), secs(20)));
    let (woken, _) = idle(async |peer: &mut Peer| peer.send("+\r\n* 9 EXISTS\r\n{tag} OK\r\n").await).await;
    assert!(matches!(woken, Ok(Wake::Pushed) | Err(ImapError::Timeout { .. })), "{woken:?}");
}

#[tokio::test(start_paused = true)]
async fn keep_alives_do_not_postpone_the_renewal() {
    let (woken, took) = idle(async |peer: &mut Peer| {
        peer.send("+ idling\r\n").await;
        for _ in 0..239 {
            sleep(secs(1)).await;
            peer.send("* OK Still here\r\n").await;
        }
        done(peer).await;
    })
    .await;
    assert_eq!((woken, took), (Ok(Wake::Quiet), secs(240)));
}

#[tokio::test(start_paused = true)]
async fn news_that_race_with_done_are_news() {
    let (woken, _) = idle(async |peer: &mut Peer| {
        peer.send("+ idling\r\n").await;
        peer.expect_raw(b"DONE").await;
        peer.send("* 4 EXISTS\r\n{tag} OK Idle completed\r\n").await;
    })
    .await;
    assert_eq!(woken, Ok(Wake::Pushed));
}

#[tokio::test(start_paused = true)]
async fn no_answer_to_done_ends_in_time() {
    let (woken, took) = idle(async |peer: &mut Peer| {
        peer.send("+ idling\r\n").await;
        peer.expect_raw(b"DONE").await;
    })
    .await;
    assert_eq!((woken, took), (Err(ImapError::Timeout { step: "DONE", limit: secs(15) }), secs(255)));
}

#[tokio::test(start_paused = true)]
async fn somebody_who_asks_ends_it() {
    let (mut session, mut peer) = session().await;
    let began = Instant::now();
    let asked = Notify::new();
    let part = async {
        peer.expect("IDLE").await;
        peer.send("+ idling\r\n").await;
        sleep(secs(5)).await;
        asked.notify_one();
        done(&mut peer).await;
        // Asked before it begins: then it is short.
        asked.notify_one();
        peer.expect("IDLE").await;
        peer.send("+ idling\r\n").await;
        done(&mut peer).await;
    };
    let client = async {
        assert_eq!(session.idle(began + secs(240), &asked).await, Ok(Wake::Asked));
        assert_eq!(began.elapsed(), secs(5));
        asked.notify_one();
        assert_eq!(session.idle(began + secs(240), &asked).await, Ok(Wake::Asked));
        assert_eq!(began.elapsed(), secs(5));
    };
    tokio::join!(client, part);
}

#[tokio::test(start_paused = true)]
async fn counts_tell_news_from_noise() {
    // A letter went and another came: the same count, and news.
    let (woken, took) = idle(async |peer: &mut Peer| {
        peer.send("+ idling\r\n* 2 EXPUNGE\r\n* 3 EXISTS\r\n").await;
        done(peer).await;
    })
    .await;
    assert_eq!((woken, took), (Ok(Wake::Pushed), Duration::ZERO));
    let noise = [
        "* 3 EXISTS\r\n* 3 EXISTS\r\n",
        "* 2 EXPUNGE\r\n* 2 EXISTS\r\n",
        "* 1 EXPUNGE\r\n* 1 EXPUNGE\r\n",
        "* 1 FETCH (FLAGS (\\Seen))\r\n",
        "* 3 RECENT\r\n",
    ];
    for noise in noise {
        let (woken, took) = idle(async |peer: &mut Peer| {
            peer.send(&format!("+ idling\r\n{noise}")).await;
            done(peer).await;
        })
        .await;
        assert_eq!((woken, took), (Ok(Wake::Quiet), secs(240)), "{noise}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_came_before_needs_no_idle() {
    let (mut session, mut peer) = session().await;
    let asked = Notify::new();
    let folder = mailbell::model::RawName::new(b"b");
    tokio::join!(session.status(&folder), peer.answer("STATUS \"b\" (MESSAGES UIDNEXT UIDVALIDITY)", "* 4 EXISTS\r\n"))
        .0
        .unwrap();
    let woken = session.idle(Instant::now() + secs(240), &asked).await;
    assert_eq!(woken, Ok(Wake::Pushed));
    peer.expect_silence(secs(1)).await;
}

/// The wait is dropped at each renewal, in whatever place of a line the server's words just are.
#[tokio::test(start_paused = true)]
async fn no_byte_is_lost_at_a_renewal() {
    let line = "* 4 EXISTS\r\n";
    for cut in 1..line.len() {
        let (before, after) = line.split_at(cut);
        let (woken, took) = idle(async |peer: &mut Peer| {
            peer.send("+ idling\r\n").await;
            peer.send(before).await;
            peer.expect_raw(b"DONE").await;
            peer.send(after).await;
            peer.send("{tag} OK Idle completed\r\n").await;
        })
        .await;
        assert_eq!((woken, took), (Ok(Wake::Pushed), secs(240)), "cut at {cut}");
    }
}

/// Dropped from outside in the middle of a line, the words are still whole for the next who reads.
#[tokio::test(start_paused = true)]
async fn no_byte_is_lost_when_the_wait_is_dropped() {
    let (mut session, mut peer) = session().await;
    let asked = Notify::new();
    let part = async {
        peer.expect("IDLE").await;
        peer.send("+ idling\r\n* 4 EXI").await;
        sleep(secs(10)).await;
        peer.send("STS\r\n").await;
        // A server that ends IDLE at the next command.
        peer.expect("NOOP").await;
        peer.send("{tag} OK\r\n").await;
    };
    let client = async {
        let dropped = tokio::time::timeout(secs(1), session.idle(Instant::now() + secs(240), &asked)).await;
        assert!(dropped.is_err());
        sleep(secs(20)).await;
        assert_eq!(session.noop().await, Ok(true));
    };
    tokio::join!(client, part);
}

#[tokio::test(start_paused = true)]
async fn proof_of_life_is_the_last_word() {
    let (mut session, mut peer) = session().await;
    let asked = Notify::new();
    let part = async {
        peer.expect("IDLE").await;
        peer.send("+ idling\r\n").await;
        sleep(secs(100)).await;
        peer.send("* OK Still here\r\n").await;
        peer.expect_raw(b"DONE").await;
        sleep(secs(3)).await;
        peer.send("{tag} OK\r\n").await;
    };
    tokio::join!(session.idle(Instant::now() + secs(240), &asked), part).0.unwrap();
    assert_eq!(session.silent_for(), Duration::ZERO);
    sleep(secs(9)).await;
    assert_eq!(session.silent_for(), secs(9));
}
