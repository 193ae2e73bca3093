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

/// One IDLE, from the command to its completion. It ends at the first news of the folder, at `until`, or when
/// `asked` is notified.
///
/// # Errors
/// `No` or `Bad` if the server refuses IDLE; everything else ends the session.
pub(super) async fn idle(wire: &mut Wire, until: Instant, asked: &Notify) -> Result<Wake, ImapError> {
    if wire.take_grown() {
        return Ok(Wake::Pushed);
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
        if wire.has_grown() {
            break Wake::Pushed;
        }
        tokio::select! {
            biased;
            event = wire.next() => match event? {
                Event::Done { tag: done, status, text } if done == tag => return ended(wire, status, text),
                Event::Bye(text) => return Err(ImapError::Bye(text)),
                _ => {}
            },
            () = asked.notified() => break Wake::Asked,
            () = sleep_until(until) => break Wake::Quiet,
        }
    };
    wire.write_line("DONE", b"DONE").await?;
    let finished = timeout(DONE_TIMEOUT, wire.finish("IDLE", &tag, &mut |_| {})).await;
    finished.map_err(|_| ImapError::Timeout { step: "DONE", limit: DONE_TIMEOUT })??;
    Ok(if wire.take_grown() { Wake::Pushed } else { wake })
}

/// The server ended IDLE by itself.
fn ended(wire: &mut Wire, status: Word, text: String) -> Result<Wake, ImapError> {
    match status {
        Word::Ok if wire.take_grown() => Ok(Wake::Pushed),
        Word::Ok => Ok(Wake::Quiet),
        Word::No => Err(ImapError::No { command: "IDLE", text }),
        _ => Err(ImapError::Bad { command: "IDLE", text }),
    }
}
