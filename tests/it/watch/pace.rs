//! How often anybody is asked: syncs, connections, logins.

use crate::support::desk::Watch;
use crate::support::mailbox::Mailbox;
use crate::support::secs;
use crate::support::server::PipeDial;
use mailbell::config::Subscription;
use mailbell::imap::{ImapError, ImapSource, LoginTrouble};
use mailbell::rules::backoff::Backoff;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3600);

/// A login that is refused.
pub fn refused() -> ImapError {
    ImapError::Login { trouble: LoginTrouble::Refused, text: "no such user".to_owned() }
}

/// The most that fell into any hour.
fn most_in_an_hour(times: &[Instant]) -> usize {
    let within = |end: &Instant| times.iter().filter(|t| *t <= end && end.duration_since(**t) < HOUR).count();
    times.iter().map(within).max().unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn a_storm_stays_within_the_budget_and_nobody_waits_long() {
    let (watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
    let mut arrived = Vec::new();
    let story = async {
        sleep(secs(5)).await;
        for n in 0..400 {
            arrived.push(Instant::now());
            mailbox.arrive("INBOX", &format!("{n}"), watch.clock.now());
            sleep(secs(10)).await;
        }
        sleep(secs(150)).await;
    };
    watch.during(mailbox.clone(), story).await;
    let syncs = watch.state.syncs.lock().unwrap().clone();
    assert!(most_in_an_hour(&syncs) <= 50, "{}", most_in_an_hour(&syncs));
    let stored = watch.state.stored.lock().unwrap().clone();
    assert_eq!(stored.len(), 400);
    for (at, item) in stored {
        let n: usize = item.letter.subject.unwrap().parse().unwrap();
        let waited = at.duration_since(arrived[n]);
        assert!(waited <= secs(150), "letter {n} waited {waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn quiet_accounts_are_swept_and_no_more() {
    for idle in [true, false] {
        let (watch, mailbox) = (Watch::of(&["*"]), Mailbox::new(&["INBOX", "a"]));
        mailbox.office().idle = idle;
        watch.during(mailbox.clone(), sleep(DAY)).await;
        // Every five minutes, up to a tenth sooner.
        let syncs = watch.state.syncs();
        assert!((285..=325).contains(&syncs), "{syncs} syncs in a day");
        assert_eq!(mailbox.office().connects.len(), 1);
    }
}

/// Accepts and drops, a hundred times: the delays double to five minutes, each between half and full.
#[tokio::test(start_paused = true)]
async fn a_server_that_accepts_and_drops_is_left_alone_more_and_more() {
    let watch = Watch::new();
    let dial = PipeDial::default();
    let source = ImapSource::new(Arc::new(dial.clone()), watch.imap);
    let story = async {
        for _ in 0..100 {
            drop(dial.accept().await);
        }
    };
    watch.during(source, story).await;
    let dials = dial.dials();
    assert_eq!(dials.len(), 100);
    let plan = Backoff { first: secs(1), most: secs(300) };
    for (n, pair) in dials.windows(2).enumerate() {
        let (waited, failures) = (pair[1].duration_since(pair[0]), n as u32 + 1);
        let (least, most) = (plan.delay(failures, 0.0), plan.delay(failures, 1.0) + secs(1));
        assert!((least..=most).contains(&waited), "after {failures} failures: {waited:?}");
    }
}

/// The same with a login each time: what ends young does not count as having lived.
#[tokio::test(start_paused = true)]
async fn sessions_that_die_young_come_back_slower() {
    let (watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
    mailbox.office().lives = Some(secs(20));
    watch.during(mailbox.clone(), sleep(HOUR * 2)).await;
    let connects = mailbox.office().connects.len();
    assert!((25..=60).contains(&connects), "{connects} logins in two hours");
}

#[tokio::test(start_paused = true)]
async fn sessions_that_lived_come_back_at_once() {
    let (watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
    mailbox.office().lives = Some(secs(120));
    watch.during(mailbox.clone(), sleep(HOUR * 2)).await;
    let connects = mailbox.office().connects.len();
    assert!((58..=62).contains(&connects), "{connects} logins in two hours");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_tried_a_few_times_a_day() {
    let (watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
    mailbox.office().refuses = Some(refused());
    watch.during(mailbox.clone(), sleep(DAY)).await;
    let logins = mailbox.office().connects.len();
    // 10, 20, 40, 80, 160 minutes, then every 4 hours, each between half and full.
    assert!((9..=18).contains(&logins), "{logins} logins in a day");
    assert_eq!(mailbox.count(""), 0);
}

/// The same where the server takes its time to say no: waiting is not having lived.
#[tokio::test(start_paused = true)]
async fn a_slow_refusal_is_tried_no_more_often() {
    let watch = Watch::new();
    let dial = PipeDial::default();
    let source = ImapSource::new(Arc::new(dial.clone()), watch.imap);
    let server = async {
        loop {
            let mut peer = dial.accept().await;
            peer.send("* OK hi\r\n").await;
            peer.expect("CAPABILITY").await;
            sleep(secs(40)).await;
            peer.send("* CAPABILITY IMAP4rev1\r\n{tag} OK\r\n").await;
            peer.expect_start("LOGIN").await;
            sleep(secs(40)).await;
            peer.send("{tag} NO [AUTHENTICATIONFAILED] no\r\n").await;
        }
    };
    let story = async {
        tokio::select! { () = server => {}, () = sleep(DAY) => {} }
    };
    watch.during(source, story).await;
    assert!((9..=18).contains(&dial.dials().len()), "{} logins in a day", dial.dials().len());
}

/// Exmail hung at a command after login (imap-servers A.3): a time-out is not having lived.
#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_after_login_is_left_alone_more_and_more() {
    let watch = Watch::new();
    let dial = PipeDial::default();
    let source = ImapSource::new(Arc::new(dial.clone()), watch.imap);
    let server = async {
        loop {
            let mut peer = dial.accept().await;
            peer.log_in("IDLE").await;
            peer.answer("EXAMINE \"INBOX\"", "* 1 EXISTS\r\n* OK [UIDNEXT 5] x\r\n* OK [UIDVALIDITY 5] x\r\n").await;
            peer.expect("EXAMINE \"INBOX\"").await;
            peer.expect_closed().await;
        }
    };
    let story = async {
        tokio::select! { () = server => {}, () = sleep(HOUR * 10) => {} }
    };
    watch.during(source, story).await;
    // About 8 until the delay is at its most, then one each 150 to 300 s and the minute of the time-out.
    assert!((95..=180).contains(&dial.dials().len()), "{} logins in ten hours", dial.dials().len());
}

#[tokio::test(start_paused = true)]
async fn too_many_connections_is_waited_out() {
    let (watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
    mailbox.office().refuses = Some(ImapError::Login { trouble: LoginTrouble::TooMany, text: String::new() });
    watch.during(mailbox.clone(), sleep(DAY)).await;
    let logins = mailbox.office().connects.len();
    // 30 s doubled to 15 minutes, each between half and full.
    assert!((96..=200).contains(&logins), "{logins} logins in a day");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_down_is_probed_every_ten_seconds() {
    let watch = Watch::new();
    let dial = PipeDial::default();
    dial.set_down(Some(ImapError::Connect { address: "x".to_owned(), reason: "refused".to_owned() }));
    let source = ImapSource::new(Arc::new(dial.clone()), watch.imap);
    let story = async {
        sleep(HOUR).await;
        let tries = dial.dials().len();
        assert!((355..=362).contains(&tries), "{tries} probes in an hour");
        dial.set_down(None);
        let began = Instant::now();
        let mut peer = dial.accept().await;
        assert!(began.elapsed() <= secs(10));
        peer.log_in("IDLE").await;
    };
    watch.during(source, story).await;
}

/// The same where packets are lost: one try lasts as long as `connect_timeout`, and what follows is no slower.
#[tokio::test(start_paused = true)]
async fn a_host_that_does_not_answer_is_probed_on_and_on() {
    let watch = Watch::new();
    let dial = PipeDial::default();
    dial.set_silent(true);
    let source = ImapSource::new(Arc::new(dial.clone()), watch.imap);
    let story = async {
        sleep(HOUR).await;
        let tries = dial.dials().len();
        assert!((175..=182).contains(&tries), "{tries} probes in an hour");
        dial.set_silent(false);
        let began = Instant::now();
        let mut peer = dial.accept().await;
        assert!(began.elapsed() <= secs(30), "{:?}", began.elapsed());
        peer.log_in("IDLE").await;
        // An outage is no fault of the account: what breaks now comes back at once.
        drop(peer);
        let broke = Instant::now();
        dial.accept().await;
        assert!(broke.elapsed() <= secs(2), "{:?}", broke.elapsed());
    };
    watch.during(source, story).await;
}

/// A server that ends each IDLE at once is asked at a walking pace.
#[tokio::test(start_paused = true)]
async fn an_idle_that_is_no_wait_is_no_busy_loop() {
    let (watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
    mailbox.office().ends_idle = true;
    let watching = mailbox.clone();
    let story = async {
        for n in 0..20 {
            sleep(secs(30)).await;
            mailbox.arrive("INBOX", &format!("{n}"), watch.clock.now());
            sleep(secs(30)).await;
            assert_eq!(watch.subjects().await, [n.to_string()]);
        }
    };
    watch.during(watching, story).await;
    let idles = mailbox.count("IDLE");
    assert!(idles <= 300, "{idles} times IDLE in 20 minutes");
}

/// A server that takes a token at the login and calls it expired right after, for ever.
#[tokio::test(start_paused = true)]
async fn a_token_that_is_never_good_enough_is_no_storm_of_logins() {
    let (watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX"]));
    mailbox.office().refuses = Some(ImapError::Bye("Session invalidated - AccessTokenExpired".to_owned()));
    watch.during(mailbox.clone(), sleep(HOUR)).await;
    let logins = mailbox.office().connects.len();
    assert!((12..=40).contains(&logins), "{logins} logins in an hour");
}

/// A folder's own connection that ends and comes back, with nothing new, is no reason for a sync.
#[tokio::test(start_paused = true)]
async fn connections_of_folders_that_come_and_go_do_not_eat_the_budget() {
    let mailbox = Mailbox::new(&["INBOX", "a"]);
    let mut watch = Watch::of(&["*"]);
    watch.account.subscriptions = vec![Subscription { realtime: Some(true), ..Subscription::to(&["*"]) }];
    let story = async {
        // The account's own session has begun, the folder's has not.
        sleep(Duration::from_millis(100)).await;
        mailbox.office().lives = Some(secs(70));
        sleep(HOUR).await;
        let (logins, syncs) = (mailbox.office().connects.len(), watch.state.syncs());
        assert!(logins > 40 && syncs < 20, "{logins} logins, {syncs} syncs");
    };
    watch.during(mailbox.clone(), story).await;
}
