//! The server in memory does what its switches say, so that tests with it try what they mean to try.

use super::Mailbox;
use crate::support::{account, secs};
use mailbell::imap::{ImapError, MailSession, MailSource, Wake};
use mailbell::model::{RawName, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

async fn log_in(mailbox: &Mailbox) -> Box<dyn MailSession> {
    mailbox.connect(&account()).await.unwrap()
}

fn names(names: &[&str]) -> Vec<RawName> {
    names.iter().map(|name| RawName::new(name.as_bytes())).collect()
}

#[tokio::test(start_paused = true)]
async fn sessions_wait_each_for_their_own_folder() {
    let mailbox = Mailbox::new(&["INBOX", "a"]);
    let (mut one, mut two) = (log_in(&mailbox).await, log_in(&mailbox).await);
    one.examine(&names(&["INBOX"])[0]).await.unwrap();
    two.examine(&names(&["a"])[0]).await.unwrap();
    let (until, asked, begun) = (Instant::now() + secs(60), Notify::new(), Instant::now());
    let arrive = async {
        sleep(secs(10)).await;
        assert_eq!(mailbox.idling(), ["INBOX", "a"]);
        mailbox.arrive("a", "x", Timestamp(0));
        sleep(secs(1)).await;
        assert_eq!(mailbox.idling(), ["INBOX"]);
    };
    let timed = async |session: &mut Box<dyn MailSession>| (session.idle(until, &asked).await, begun.elapsed());
    let (first, second, ()) = tokio::join!(timed(&mut one), timed(&mut two), arrive);
    assert_eq!((first, second), ((Ok(Wake::Quiet), secs(60)), (Ok(Wake::Pushed), secs(10))));
    drop(one);
    assert_eq!(mailbox.alive(), 1);
}

#[tokio::test(start_paused = true)]
async fn notify_tells_of_the_others_and_ends_by_overflow() {
    let mailbox = Mailbox::new(&["INBOX", "a", "b"]);
    mailbox.office().notify = true;
    let mut session = log_in(&mailbox).await;
    assert!(session.offer().notify && !session.offer().list_status);
    session.examine(&names(&["INBOX"])[0]).await.unwrap();
    let baseline = session.notify(&names(&["INBOX", "a", "b"])).await.unwrap();
    assert_eq!(baseline.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), names(&["a", "b"]));
    mailbox.arrive("b", "x", Timestamp(0));
    mailbox.arrive("b", "y", Timestamp(0));
    let (until, asked) = (Instant::now() + secs(60), Notify::new());
    assert_eq!(session.idle(until, &asked).await, Ok(Wake::Told));
    let told = session.take_told();
    assert_eq!((told.len(), told[0].1.uid_next, told[0].1.uid_validity), (1, Some(3), Some(7)));
    assert_eq!(session.idle(until, &asked).await, Ok(Wake::Quiet));
    mailbox.overflow();
    assert!(!session.notify_ended());
    session.noop().await.unwrap();
    assert!(session.notify_ended());
    mailbox.arrive("b", "z", Timestamp(0));
    session.noop().await.unwrap();
    assert!(session.take_told().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_ends_by_time_outs_and_is_not_heard() {
    let mailbox = Mailbox::new(&["INBOX", "a"]);
    let mut session = log_in(&mailbox).await;
    let heard = Arc::new(AtomicU32::new(0));
    let count = heard.clone();
    session.on_heard(Arc::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
    }));
    let looks = session.list_status(&names(&["INBOX", "a"])).await.unwrap();
    assert_eq!((looks.len(), heard.load(Ordering::Relaxed)), (2, 1));
    mailbox.office().silent = true;
    assert!(matches!(session.noop().await, Err(ImapError::Timeout { .. })));
    assert_eq!((heard.load(Ordering::Relaxed), session.silent_for()), (1, secs(60)));
    assert!(matches!(mailbox.connect(&account()).await.err(), Some(ImapError::Timeout { step: "connecting", .. })));
    mailbox.office().silent = false;
    mailbox.office().most_sessions = Some(1);
    assert!(matches!(mailbox.connect(&account()).await.err(), Some(ImapError::Login { .. })));
}
