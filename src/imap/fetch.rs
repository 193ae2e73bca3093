//! FETCH: what is asked for and what is made of the answers.

use super::error::ImapError;
use super::raw_letter::RawLetter;
use super::wire::{Event, Wire};
use super::{Detail, UidSet};
use crate::model::Uid;
use std::collections::BTreeMap;

/// One fetch brings no more letters than these, whatever the server says: some megabytes in memory.
pub const MOST_LETTERS: usize = 20_000;

/// The fields that make a letter, in one section only: Yahoo fails a FETCH with two of them (imap-servers D.1).
const FIELDS: &str = "DATE FROM SENDER REPLY-TO TO CC SUBJECT MESSAGE-ID IN-REPLY-TO REFERENCES LIST-ID CONTENT-TYPE \
                      AUTO-SUBMITTED RETURN-PATH PRECEDENCE IMPORTANCE X-PRIORITY PRIORITY AUTHENTICATION-RESULTS CONTENT-CLASS";

/// Fetches `set` of the open folder. Lines without a UID or about others are news of flags and left out.
pub(super) async fn fetch(wire: &mut Wire, set: &UidSet, detail: Detail) -> Result<Vec<RawLetter>, ImapError> {
    let mut found: BTreeMap<Uid, RawLetter> = BTreeMap::new();
    match detail {
        Detail::Brief => {
            // What cannot be read in one line (`INTERNALDATE NIL`, a size as 9.3e+06: imap-servers A.3) is asked for less,
            // for who takes this list as whole would never look at the letter again.
            let mut refused = None;
            for items in ["(UID FLAGS INTERNALDATE RFC822.SIZE)", "(UID FLAGS)", "(UID)"] {
                let before = wire.dropped();
                match ask(wire, set, items, &mut found).await {
                    // One broken letter makes some servers refuse the whole list (imap-servers A.3, Exchange).
                    Err(error) if error.is_answer() => refused = Some(error),
                    answered => {
                        answered?;
                        refused = None;
                        if wire.dropped() == before {
                            break;
                        }
                    }
                }
            }
            if let Some(error) = refused {
                return Err(error);
            }
        }
        Detail::Header => {
            let items = format!("(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS ({FIELDS})])");
            ask(wire, set, &items, &mut found).await?;
        }
        // Nothing beside the header: it may be what could not be read.
        Detail::WholeHeader => ask(wire, set, "(UID BODY.PEEK[HEADER])", &mut found).await?,
        Detail::Structure => ask(wire, set, "(UID BODYSTRUCTURE)", &mut found).await?,
    }
    Ok(found.into_values().collect())
}

/// The first bytes of one part of a letter, as they lie on the server. `None`: there is no such letter or part, or it was
/// not told.
pub(super) async fn part(wire: &mut Wire, uid: Uid, section: &str, most: u32) -> Result<Option<Vec<u8>>, ImapError> {
    let mut found: BTreeMap<Uid, RawLetter> = BTreeMap::new();
    let items = format!("(UID BODY.PEEK[{section}]<0.{most}>)");
    ask(wire, &UidSet::These(vec![uid]), &items, &mut found).await?;
    // The parser gives every section in the same place.
    Ok(found.remove(&uid).and_then(|letter| letter.header))
}

/// One FETCH; what it says is added to `found`.
async fn ask(
    wire: &mut Wire,
    set: &UidSet,
    items: &str,
    found: &mut BTreeMap<Uid, RawLetter>,
) -> Result<(), ImapError> {
    let uids = match set {
        UidSet::Range(from, to) => format!("{from}:{to}"),
        UidSet::From(from) => format!("{from}:*"),
        UidSet::These(list) => compact(list),
    };
    let asked = |uid: Uid| match set {
        UidSet::Range(from, to) => (*from..=*to).contains(&uid),
        UidSet::From(from) => uid >= *from,
        UidSet::These(list) => list.binary_search(&uid).is_ok(),
    };
    let mut sink = |event: Event| {
        let Event::Fetch(letter) = event else { return };
        let Some(uid) = letter.uid.filter(|uid| asked(*uid)) else { return };
        let known = found.entry(uid).or_default();
        known.merge(letter);
        known.uid = Some(uid);
        if found.len() > MOST_LETTERS {
            match set {
                UidSet::From(_) => found.pop_first(),
                UidSet::Range(..) | UidSet::These(_) => found.pop_last(),
            };
        }
    };
    wire.run("UID FETCH", format!("{uids} {items}").as_bytes(), &mut sink).await?;
    Ok(())
}

/// An ascending UID set as short as it can be written: QQ refuses others (imap-servers A.3).
fn compact(uids: &[Uid]) -> String {
    let mut parts: Vec<(Uid, Uid)> = Vec::new();
    for uid in uids {
        match parts.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*uid) => *last = *uid,
            _ => parts.push((*uid, *uid)),
        }
    }
    let parts: Vec<_> =
        parts.into_iter().map(|(a, b)| if a == b { a.to_string() } else { format!("{a}:{b}") }).collect();
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_short_and_ascending() {
        assert_eq!(compact(&[1, 2, 3, 7, 9, 10]), "1:3,7,9:10");
        assert_eq!(compact(&[u32::MAX]), "4294967295");
        assert_eq!(compact(&[]), "");
    }
}
