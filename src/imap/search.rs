//! SEARCH by date, in pieces where a folder is large.
//!
//! An answer is one line, and a line has its limit (`frame_scan.rs`). Where dates mean nothing (a folder that was restored
//! has the day of its restoring in every letter), the answer is as large as the folder: so a large one is asked about in
//! ranges of sequence numbers (RFC 3501 6.4.4), whose answers are bounded whatever the dates are. They go from the newest
//! down: a letter that leaves between two of them moves those above it down, and they are told twice, not left out.

use super::error::ImapError;
use super::raw_letter;
use super::wire::{Event, Wire};
use crate::model::{Timestamp, Uid};
use std::time::Duration;

/// Letters asked about with one command: their UIDs have at most 11 bytes each, together half of what a line may have.
const AT_ONCE: u32 = 50_000;

/// The UIDs of the open folder's letters with an INTERNALDATE on or after the day before `since`, ascending. Those that come
/// while it is asked may be missing.
///
/// # Errors
/// `No` and `Bad` where the server does not search, or what it answers cannot be read; all others end the session.
pub(super) async fn since(wire: &mut Wire, since: Timestamp) -> Result<Vec<Uid>, ImapError> {
    let (mut found, before) = (Vec::new(), wire.dropped());
    let criterion = format!("SINCE {}", day_before(since));
    let mut top = wire.exists.unwrap_or(0);
    if top <= AT_ONCE {
        piece(wire, &criterion, &mut found).await?;
    } else {
        while top > 0 {
            let from = top.saturating_sub(AT_ONCE - 1).max(1);
            piece(wire, &format!("{from}:{top} {criterion}"), &mut found).await?;
            // No letter is asked about that is not there: some servers refuse that.
            top = (from - 1).min(wire.exists.unwrap_or(0));
        }
    }
    if wire.dropped() > before {
        // Perhaps the answer (some give ESEARCH unasked): that is not "none".
        let text = format!("the answer cannot be read: {}", wire.last_dropped());
        return Err(ImapError::Bad { command: "UID SEARCH", text });
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// One SEARCH. A server that tells of more letters than it was asked about, several times over, is not listened to.
async fn piece(wire: &mut Wire, criteria: &str, found: &mut Vec<Uid>) -> Result<(), ImapError> {
    let most = found.len() + 4 * usize::try_from(AT_ONCE).unwrap_or(usize::MAX);
    let tag = wire.start("UID SEARCH", criteria.as_bytes()).await?;
    loop {
        match wire.next_in_time("UID SEARCH").await? {
            Event::Search(uids) => {
                found.extend(uids);
                if found.len() > most {
                    return Err(ImapError::Protocol("the server finds more letters than there are".to_owned()));
                }
            }
            Event::Done { tag: done, status, text } if done == tag => {
                return Wire::verdict("UID SEARCH", status, text).map(drop);
            }
            _ => {}
        }
    }
}

/// The day before a moment as SEARCH takes it (`1-Feb-1994`, RFC 3501 6.4.4). SINCE goes by days in the server's
/// time zone, so a day's margin is needed.
fn day_before(moment: Timestamp) -> String {
    let day = jiff::Timestamp::from_millisecond(moment.minus(Duration::from_secs(86_400)).0).unwrap_or_default();
    let date = day.to_zoned(jiff::tz::TimeZone::UTC).date();
    let month = usize::try_from(date.month() - 1).ok().and_then(|m| raw_letter::MONTHS.get(m)).unwrap_or(&"Jan");
    format!("{}-{}-{:04}", date.day(), month, date.year())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_goes_back_a_day() {
        assert_eq!(day_before(Timestamp(1_420_361_615_000)), "3-Jan-2015");
        assert_eq!(day_before(Timestamp(1_425_168_000_000)), "28-Feb-2015");
    }
}
