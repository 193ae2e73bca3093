//! IDLE (RFC 2177), written once: refused, ended by the server, silent and lost are told apart, and every step ends
//! in time.

use super::Wake;
use super::error::ImapError;
use super::wire::{Event, Wire, Word};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};

/// How long the answer to DONE may take: a live server answers at once (imap-servers B.2).
const DONE_TIMEOUT: Duration = Duration::from_secs(15);

/// One IDLE, from the command to its completion. It ends at the first news of the folder, when NOTIFY tells of another
/// one or is ended by the server, at `until`, or when `asked` is notified.
///
/// # Errors
/// `No` or `Bad` if the server refuses IDLE; everything else ends the session.
pub(super) async fn idle(wire: &mut Wire, until: Instant, asked: &Notify) -> Result<Wake, ImapError> {
    if let Some(wake) = take_news(wire) {
        return Ok(wake);
    }
    let tag = wire.start("IDLE", b"").await?;
    // Until `+`: news may come before it (imap-servers B.2).
    loop {
        match wire.next_in_time("IDLE").await? {
            Event::Continue => break,
            Event::Done { tag: done, status, text } if done == tag => return ended(wire, status, text),
            _ => {}
        }
    }
    let wake = loop {
        if let Some(news) = take_news(wire) {
            break news;
        }
        // A server that never stops talking is always ready to be heard: it is not to talk us out of our time.
        if Instant::now() >= until {
            break Wake::Quiet;
        }
        tokio::select! {
            biased;
            () = asked.notified() => break Wake::Asked,
            event = wire.next() => match event? {
                Event::Done { tag: done, status, text } if done == tag => return ended(wire, status, text),
                Event::Bye(text) => return Err(ImapError::Bye(text)),
                _ => {}
            },
            () = sleep_until(until) => break Wake::Quiet,
        }
    };
    wire.write_line("DONE", b"DONE").await?;
    // Also where the server never stops talking, and this timer is not looked at.
    wire.give_up_in(DONE_TIMEOUT + Duration::from_secs(1));
    let finished = timeout(DONE_TIMEOUT, wire.finish("IDLE", &tag, &mut |_| {})).await;
    finished.map_err(|_| ImapError::Timeout { step: "DONE", limit: DONE_TIMEOUT })??;
    Ok(match (wake, take_news(wire)) {
        (Wake::Pushed, _) | (_, Some(Wake::Pushed)) => Wake::Pushed,
        (wake, news) => news.unwrap_or(wake),
    })
}

/// Whether letters came to the open folder, or NOTIFY has something to tell. The first is forgotten, the other stays
/// until it is taken.
fn take_news(wire: &mut Wire) -> Option<Wake> {
    match (wire.take_grown(), wire.told.is_news()) {
        (true, _) => Some(Wake::Pushed),
        (false, true) => Some(Wake::Told),
        (false, false) => None,
    }
}

/// The server ended IDLE by itself.
fn ended(wire: &mut Wire, status: Word, text: String) -> Result<Wake, ImapError> {
    match status {
        Word::Ok => Ok(take_news(wire).unwrap_or(Wake::Quiet)),
        Word::No => Err(ImapError::No { command: "IDLE", text }),
        _ => Err(ImapError::Bad { command: "IDLE", text }),
    }
}
