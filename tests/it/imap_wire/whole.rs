//! A whole session with every command, against a server that closes, falls silent or says something odd at each of its
//! lines in turn.

use crate::support::server::{Peer, PipeDial};
use crate::support::{account, imap, secs};
use mailbell::imap::{Detail, ImapError, ImapSource, MailSource, UidSet};
use mailbell::model::{RawName, Timestamp};
use std::fmt::Debug;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

/// What the server does at one of its lines, counted from 0.
#[derive(Clone, Debug, Default)]
pub struct Twist {
    pub at: usize,
    pub kind: Kind,
}

#[derive(Clone, Debug, Default)]
pub enum Kind {
    #[default]
    Nothing,
    /// Each byte goes out alone.
    Trickle,
    /// Closes in place of the line.
    Close,
    /// Closes in the middle of it.
    CloseInside,
    /// Says nothing any more.
    Silence,
    /// Says nothing any more in the middle of it.
    SilenceInside,
    /// Says this before it.
    Say(Vec<u8>),
}

/// What came of a session: the results of its steps, and how it ended if that was before the last one.
#[derive(Debug)]
pub struct Told {
    pub steps: Vec<(&'static str, String)>,
    pub end: Option<ImapError>,
    /// How many lines the server said.
    pub lines: usize,
    pub took: std::time::Duration,
}

/// The server's lines upon a command; the last one completes it.
fn lines(command: &str) -> Vec<String> {
    let untagged: &[&str] = match command {
        c if c.starts_with("CAPABILITY") => &["* CAPABILITY IMAP4rev1 ID IDLE NOTIFY LIST-STATUS NAMESPACE OBJECTID"],
        c if c.starts_with("ID ") => &["* ID (\"name\" \"Coremail\")"],
        c if c.starts_with("NAMESPACE") => &["* NAMESPACE ((\"\" \"/\")) NIL NIL"],
        "LIST \"\" \"*\"" => {
            &["* LIST () \"/\" INBOX", "* LIST (\\Junk) \"/\" {1}\r\na", "* LIST () \"/\" \"&mHl27g-\""]
        }
        c if c.starts_with("LIST ") => {
            &["* LIST () \"/\" a", "* STATUS a (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 3 MAILBOXID (F1))"]
        }
        c if c.starts_with("EXAMINE ") => &[
            "* FLAGS (\\Seen)",
            "* 3 EXISTS",
            "* OK [UIDVALIDITY 7] 好",
            "* OK [UIDNEXT 10] x",
            "* OK [MAILBOXID (F0)] x",
        ],
        c if c.starts_with("NOTIFY ") => &["* STATUS a (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 3)"],
        c if c.starts_with("STATUS ") => &["* STATUS a (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 3 MAILBOXID (F1))"],
        c if c.starts_with("UID SEARCH ") => &["* SEARCH 4 9"],
        c if c.starts_with("UID FETCH ") && c.contains("BODY.PEEK") => &[
            "* 1 FETCH (UID 4 FLAGS () BODY[HEADER] {6}\r\na: b\r\n)",
            "* 3 FETCH (UID 9 BODY[HEADER] {6}\r\nc: d\r\n)",
        ],
        c if c.starts_with("UID FETCH ") => &["* 1 FETCH (UID 4 FLAGS (\\Seen))", "* 3 FETCH (UID 9 FLAGS ())"],
        "IDLE" => return vec!["+ idling\r\n".to_owned(), "* STATUS a (MESSAGES 2 UIDNEXT 3)\r\n".to_owned()],
        "LOGOUT" => &["* BYE bye"],
        _ => &[],
    };
    let mut lines: Vec<_> = untagged.iter().map(|line| format!("{line}\r\n")).collect();
    lines.push("{tag} OK done\r\n".to_owned());
    lines
}

/// Plays the server; answers how many lines it said.
async fn serve(dial: &PipeDial, twist: &Twist, said: &mut usize) {
    let mut peer = dial.accept().await;
    if matches!(twist.kind, Kind::Trickle) {
        peer.trickle();
    }
    let mut waiting = vec!["* OK [CAPABILITY IMAP4rev1 ID] ready\r\n".to_owned()];
    loop {
        for line in waiting.drain(..) {
            if !say(&mut peer, &line, twist, *said).await {
                return;
            }
            *said += 1;
        }
        let Some(command) = peer.command().await else { return };
        waiting = lines(&command);
    }
}

/// Says one line in the twisted way; whether the session goes on.
async fn say(peer: &mut Peer, line: &str, twist: &Twist, number: usize) -> bool {
    let half: String = line.replace("{tag}", peer.tag()).chars().take(line.chars().count() / 2).collect();
    if number == twist.at {
        match &twist.kind {
            Kind::Nothing | Kind::Trickle => {}
            Kind::Close => return false,
            Kind::CloseInside => {
                peer.send(&half).await;
                return false;
            }
            Kind::Silence => std::future::pending().await,
            Kind::SilenceInside => {
                peer.send(&half).await;
                std::future::pending().await
            }
            Kind::Say(bytes) => peer.send_bytes(bytes).await,
        }
    }
    peer.send(line).await;
    true
}

/// One whole session.
pub async fn live(twist: Twist) -> Told {
    let dial = PipeDial::default();
    let source = ImapSource::new(Arc::new(dial.clone()), imap());
    let (mut steps, mut lines, began) = (Vec::new(), 0, Instant::now());
    let (account, at) = (account(), twist.at);
    let end = {
        let served = async {
            serve(&dial, &twist, &mut lines).await;
            std::future::pending().await
        };
        tokio::select! {
            end = timeout(secs(86_400), client(&source, &account, &mut steps)) => end,
            () = served => unreachable!(),
        }
    };
    let Ok(end) = end else { panic!("no end within a day, twisted at line {at} ({:?}): {steps:?}", twist.kind) };
    Told { steps, end: end.err(), lines, took: began.elapsed() }
}

async fn client(
    source: &ImapSource,
    account: &mailbell::config::Account,
    steps: &mut Vec<(&'static str, String)>,
) -> Result<(), ImapError> {
    /// Notes a result; an answer of the server's is one, everything else ends the session.
    fn note<T: Debug>(
        steps: &mut Vec<(&'static str, String)>,
        step: &'static str,
        result: Result<T, ImapError>,
    ) -> Result<(), ImapError> {
        match result {
            Err(error) if !error.is_answer() => Err(error),
            told => {
                steps.push((step, format!("{told:?}")));
                Ok(())
            }
        }
    }
    let mut session = source.connect(account).await?;
    let folders: Vec<_> = [&b"INBOX"[..], b"a"].iter().map(|name| RawName::new(name)).collect();
    let asked = Notify::new();
    note(steps, "folders", session.folders().await)?;
    note(steps, "list_status", session.list_status(&folders[1..]).await)?;
    note(steps, "examine", session.examine(&folders[0]).await)?;
    note(steps, "notify", session.notify(&folders).await)?;
    note(steps, "fetch", session.fetch(&UidSet::From(4), Detail::Brief).await)?;
    note(steps, "fetch header", session.fetch(&UidSet::These(vec![4, 9]), Detail::Header).await)?;
    note(steps, "search", session.search_since(Timestamp(1_770_000_000_000)).await)?;
    note(steps, "status", session.status(&folders[1]).await)?;
    let until = Instant::now() + secs(240);
    note(steps, "idle", session.idle(until, &asked).await)?;
    note(steps, "told", Ok(session.take_told()))?;
    note(steps, "noop", session.noop().await)?;
    session.logout().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_session_one_byte_at_a_time_is_the_same() {
    let whole = live(Twist::default()).await;
    assert_eq!((whole.end.clone(), whole.steps.len()), (None, 11), "{whole:?}");
    assert!(whole.steps.iter().all(|(_, told)| told.starts_with("Ok(")), "{whole:?}");
    let idle = whole.steps.iter().find(|(step, _)| *step == "idle").unwrap();
    assert_eq!(idle.1, "Ok(Told)");
    let slow = live(Twist { at: 0, kind: Kind::Trickle }).await;
    assert_eq!((slow.end, slow.steps), (None, whole.steps));
}

#[tokio::test(start_paused = true)]
async fn a_close_at_any_line_is_an_end_and_never_half_an_answer() {
    let whole = live(Twist::default()).await;
    // Of the last command, LOGOUT, nothing is expected any more.
    for at in 0..whole.lines - 2 {
        for kind in [Kind::Close, Kind::CloseInside] {
            let told = live(Twist { at, kind: kind.clone() }).await;
            assert!(matches!(told.end, Some(ImapError::Lost(_))), "line {at}, {kind:?}: {told:?}");
            assert_eq!(told.steps, whole.steps[..told.steps.len()], "line {at}, {kind:?}");
            assert!(told.took < secs(1), "line {at}, {kind:?}: {:?}", told.took);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn silence_at_any_line_ends_in_time() {
    let whole = live(Twist::default()).await;
    for at in 0..whole.lines - 2 {
        for kind in [Kind::Silence, Kind::SilenceInside] {
            let told = live(Twist { at, kind: kind.clone() }).await;
            assert!(matches!(told.end, Some(ImapError::Timeout { .. })), "line {at}, {kind:?}: {told:?}");
            assert_eq!(told.steps, whole.steps[..told.steps.len()], "line {at}, {kind:?}");
            assert!(told.took <= secs(240 + 15), "line {at}, {kind:?}: {:?}", told.took);
        }
    }
}
