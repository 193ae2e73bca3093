//! Servers that say too much, or never come to an end: what is kept stays small, and our own time counts.

use super::{connect, session};
use crate::support::server::{Peer, PipeDial};
use crate::support::{account, imap, secs};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use mailbell::config::Server;
use mailbell::imap::{Detail, Dial, ImapError, ImapSource, MailSession, MailSource, Stream, UidSet, Wake};
use mailbell::model::{RawName, Timestamp};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, advance, sleep, timeout};

/// What a flood is made of: half of what is read at one time.
const LINE_BYTES: usize = 2000;
const AT: Timestamp = Timestamp(1_420_361_615_000);

/// A stream that, once told so, has always more to say, as a socket that is filled faster than it is read.
#[derive(Debug)]
struct Flood {
    inner: Box<dyn Stream>,
    on: Arc<AtomicBool>,
}

impl AsyncRead for Flood {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.on.load(Ordering::Relaxed) {
            return Pin::new(&mut self.inner).poll_read(cx, buf);
        }
        // As sockets do: after some reads the task's turn is over.
        ready!(pin!(tokio::task::coop::consume_budget()).poll(cx));
        while buf.remaining() >= LINE_BYTES {
            buf.put_slice(format!("* OK {:<1$}\r\n", "still here", LINE_BYTES - 7).as_bytes());
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Flood {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Dials pipes that can be flooded.
#[derive(Clone, Debug, Default)]
struct FloodDial {
    pipes: PipeDial,
    on: Arc<AtomicBool>,
}

impl Dial for FloodDial {
    fn dial<'a>(&'a self, server: &'a Server) -> BoxFuture<'a, Result<Box<dyn Stream>, ImapError>> {
        async move {
            let inner = self.pipes.dial(server).await?;
            Ok(Box::new(Flood { inner, on: self.on.clone() }) as Box<dyn Stream>)
        }
        .boxed()
    }

    fn protect<'a>(
        &'a self,
        stream: Box<dyn Stream>,
        server: &'a Server,
    ) -> BoxFuture<'a, Result<Box<dyn Stream>, ImapError>> {
        self.pipes.protect(stream, server)
    }
}

/// A session whose server begins to flood when it is told to.
async fn floodable() -> (Box<dyn MailSession>, Peer, Arc<AtomicBool>) {
    let dial = FloodDial::default();
    let source = ImapSource::new(Arc::new(dial.clone()), imap());
    let part = async {
        let mut peer = dial.pipes.accept().await;
        peer.log_in("IDLE").await;
        peer
    };
    let owner = account();
    let (session, peer) = tokio::join!(source.connect(&owner), part);
    (session.unwrap(), peer, dial.on)
}

/// What comes of something while the flood goes on, and how long it took. A flood leaves no time that could pass by itself.
async fn in_time<T>(what: impl Future<Output = T>) -> (T, std::time::Duration) {
    let began = Instant::now();
    tokio::select! {
        biased;
        done = what => (done, began.elapsed()),
        () = async {
            while began.elapsed() < secs(3600) {
                advance(secs(5)).await;
            }
        } => panic!("an hour of flood did not end it"),
    }
}

/// IDLE ends when its time is up, or when somebody asks, also while the server never stops talking.
#[tokio::test(start_paused = true)]
async fn a_flood_in_idle_does_not_talk_us_out_of_our_time() {
    for somebody_asks in [false, true] {
        let (mut session, mut peer, on) = floodable().await;
        let asked = Arc::new(Notify::new());
        let until = Instant::now() + secs(240);
        let bell = asked.clone();
        // A task of its own: who floods has no part in the turns of who is flooded.
        let server = tokio::spawn(async move {
            peer.expect("IDLE").await;
            peer.send("+ idling\r\n").await;
            sleep(secs(5)).await;
            on.store(true, Ordering::Relaxed);
            peer.send("* OK and now\r\n").await;
            if somebody_asks {
                sleep(secs(10)).await;
                bell.notify_one();
            }
            peer.expect_raw(b"DONE").await;
            on.store(false, Ordering::Relaxed);
            peer.send("{tag} OK\r\n").await;
        });
        let (woken, took) = in_time(session.idle(until, &asked)).await;
        server.await.unwrap();
        match somebody_asks {
            true => assert!(woken == Ok(Wake::Asked) && took < secs(60), "{woken:?} {took:?}"),
            false => assert!(woken == Ok(Wake::Quiet) && took < secs(260), "{woken:?} {took:?}"),
        }
    }
}

/// A command whose answer never ends is given up in the end, and DONE within seconds.
#[tokio::test(start_paused = true)]
async fn a_flood_in_place_of_an_answer_ends_the_session() {
    let (mut session, _peer, on) = floodable().await;
    on.store(true, Ordering::Relaxed);
    let (done, took) = in_time(session.noop()).await;
    assert!(matches!(done, Err(ImapError::Timeout { step: "NOOP", .. })), "{done:?}");
    assert!(took >= secs(500) && took < secs(700), "{took:?}");
}

/// Letters of a whole range, however many the server tells of: the first of them, and the caller goes on behind.
#[tokio::test(start_paused = true)]
async fn a_fetch_brings_no_more_than_fits() {
    let many = 120_000;
    let (mut session, mut peer) = session().await;
    let mut ask = async |set: UidSet| {
        let part = async {
            peer.expect_start("UID FETCH ").await;
            for hundred in 0..many / 100 {
                let line = |n: u32| format!("* {n} FETCH (UID {n} FLAGS ())\r\n");
                peer.send(&(1..=100).map(|n| line(hundred * 100 + n)).collect::<String>()).await;
            }
            peer.send("{tag} OK\r\n").await;
        };
        let letters = tokio::join!(session.fetch(&set, Detail::Brief), part).0.unwrap();
        let uids: Vec<_> = letters.iter().filter_map(|letter| letter.uid).collect();
        assert_eq!(uids.len(), mailbell::imap::MOST_LETTERS, "{set:?}");
        assert!(uids.windows(2).all(|pair| pair[0] + 1 == pair[1]), "no gap");
        (uids[0], *uids.last().unwrap())
    };
    let most = u32::try_from(mailbell::imap::MOST_LETTERS).unwrap();
    assert_eq!(ask(UidSet::Range(1, 4_000_000)).await, (1, most));
    assert_eq!(ask(UidSet::From(1)).await, (many - most + 1, many), "the newest, where nobody knows the last");
}

/// One letter's header, however long: what is kept of it is bounded, and the letter is there.
#[tokio::test(start_paused = true)]
async fn a_huge_header_is_cut() {
    let (mut session, mut peer) = session().await;
    let header = format!("Subject: 很长\r\nTo: {}\r\n\r\n", "a@corp.example,\r\n ".repeat(50_000));
    let part = async {
        peer.expect_start("UID FETCH ").await;
        peer.send(&format!("* 1 FETCH (UID 4 BODY[HEADER] {{{}}}\r\n{header})\r\n", header.len())).await;
        peer.send("{tag} OK\r\n").await;
    };
    let one = UidSet::These(vec![4]);
    let letters = tokio::join!(session.fetch(&one, Detail::Header), part).0.unwrap();
    let kept = letters[0].header.as_deref().unwrap();
    assert!(kept.len() <= 256 * 1024 && kept.starts_with("Subject: 很长".as_bytes()), "{}", kept.len());
}

/// A session with a folder open that has so many letters.
async fn session_of(exists: u32) -> (Box<dyn MailSession>, Peer) {
    let (mut session, mut peer) = session().await;
    let inbox = RawName::new(b"INBOX");
    let lines = format!("* {exists} EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 5000000] x\r\n");
    tokio::join!(session.examine(&inbox), peer.answer("EXAMINE \"INBOX\"", &lines)).0.unwrap();
    (session, peer)
}

/// The answer to one SEARCH is one line: a million UIDs would be eight megabytes. In a large folder it is asked for in
/// pieces, from the top, so that a letter that leaves meanwhile hides no other.
#[tokio::test(start_paused = true)]
async fn a_large_folder_is_searched_in_pieces() {
    let (mut session, mut peer) = session_of(120_001).await;
    let part = async {
        let mut exists = 120_001;
        for place in ["70002:120001", "20002:70001", "1:20001"] {
            peer.expect(&format!("UID SEARCH {place} SINCE 3-Jan-2015")).await;
            let (from, to) = place.split_once(':').unwrap();
            let (from, to): (u32, u32) = (from.parse().unwrap(), to.parse().unwrap());
            // Ten left before each piece but the first: what is there has moved down.
            let gone = 120_001 - exists;
            let uids: String = (from + gone..=to.min(exists) + gone).map(|n| format!(" {}", n + 1_000_000)).collect();
            assert!(uids.len() < 512 * 1024);
            peer.send(&format!("* SEARCH{uids}\r\n{}{{tag}} OK\r\n", "* 1 EXPUNGE\r\n".repeat(10))).await;
            exists -= 10;
        }
    };
    let found = tokio::join!(session.search_since(AT), part).0.unwrap();
    // What left before its piece was asked for is not told, what stayed is.
    assert_eq!((found.first(), found.last()), (Some(&1_000_021), Some(&1_120_001)));
    assert_eq!(found.len(), 120_001 - 20);
}

#[tokio::test(start_paused = true)]
async fn a_search_answer_without_end_ends_the_session() {
    let (mut session, mut peer) = session_of(3).await;
    let part = async {
        peer.expect_start("UID SEARCH ").await;
        let uids: String = (1..=10_000).map(|n| format!(" {n}")).collect();
        for _ in 0..1_000 {
            peer.send(&format!("* SEARCH{uids}\r\n")).await;
            if peer.expect_closed().now_or_never().is_some() {
                return;
            }
        }
        panic!("ten million UIDs of a folder of three letters were taken");
    };
    let client = async {
        let found = session.search_since(AT).await;
        drop(session);
        found
    };
    let found = tokio::join!(client, part).0;
    assert!(matches!(found, Err(ImapError::Protocol(_))), "{found:?}");
}

/// A server that answers each step of the login at the last moment, and never quite: the login ends, for others wait for
/// its place.
#[tokio::test(start_paused = true)]
async fn a_login_that_goes_on_and_on_is_given_up() {
    let began = Instant::now();
    let (connected, _peer) = connect(&account(), async |peer: &mut Peer| {
        peer.send("* OK [CAPABILITY IMAP4rev1] ready\r\n").await;
        peer.expect_start("LOGIN ").await;
        let drips = async {
            loop {
                sleep(secs(50)).await;
                peer.send("* OK one moment\r\n").await;
            }
        };
        let _ = timeout(secs(1000), drips).await;
    })
    .await;
    let error = connected.err().unwrap();
    assert!(matches!(error, ImapError::Timeout { step: "the login", limit } if limit == secs(120)), "{error:?}");
    assert_eq!(began.elapsed(), secs(1000), "the script's own end; the login ended before");
}
