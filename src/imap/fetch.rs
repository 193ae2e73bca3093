//! FETCH: what is asked for and what is made of the answers.

use super::error::ImapError;
use super::wire::{Event, Wire};
use super::{Detail, UidSet};
use crate::model::{Timestamp, Uid};
use async_imap::imap_proto::AttributeValue;
use std::collections::BTreeMap;

/// What a server said of one message. `None` is "it did not say".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawLetter {
    /// UID.
    pub uid: Option<Uid>,
    /// Whether the flags hold \Seen.
    pub seen: Option<bool>,
    /// INTERNALDATE.
    pub internal_date: Option<Timestamp>,
    /// RFC822.SIZE in bytes.
    pub size: Option<u64>,
    /// The header block asked for.
    pub header: Option<Vec<u8>>,
}

/// The fields that make a letter, in one section only: Yahoo fails a FETCH with two of them (imap-servers D.1).
const FIELDS: &str = "DATE FROM SENDER REPLY-TO TO CC SUBJECT MESSAGE-ID IN-REPLY-TO REFERENCES LIST-ID CONTENT-TYPE \
                      AUTO-SUBMITTED RETURN-PATH";

impl RawLetter {
    pub(super) fn from_attributes(attributes: &[AttributeValue<'_>]) -> Self {
        let mut letter = Self::default();
        for attribute in attributes {
            match attribute {
                AttributeValue::Uid(uid) => letter.uid = Some(*uid),
                AttributeValue::Flags(flags) => {
                    letter.seen = Some(flags.iter().any(|f| f.eq_ignore_ascii_case("\\Seen")));
                }
                AttributeValue::InternalDate(text) => letter.internal_date = internal_date(text),
                AttributeValue::Rfc822Size(size) => letter.size = Some(u64::from(*size)),
                AttributeValue::BodySection { data: Some(data), .. } | AttributeValue::Rfc822Header(Some(data)) => {
                    letter.header = Some(data.to_vec());
                }
                _ => {}
            }
        }
        letter
    }

    /// Takes over what `later` says: a server may tell of one message in several lines.
    fn merge(&mut self, later: Self) {
        self.seen = later.seen.or(self.seen);
        self.internal_date = later.internal_date.or(self.internal_date);
        self.size = later.size.or(self.size);
        if later.header.is_some() {
            self.header = later.header;
        }
    }
}

/// Fetches `set` of the open folder. Lines without a UID or about others are news of flags and left out.
pub(super) async fn fetch(wire: &mut Wire, set: &UidSet, detail: Detail) -> Result<Vec<RawLetter>, ImapError> {
    let mut found: BTreeMap<Uid, RawLetter> = BTreeMap::new();
    match detail {
        Detail::Brief => {
            // What cannot be read in one line (`INTERNALDATE NIL`, a size as 9.3e+06: imap-servers A.3) is asked for less,
            // for who takes this list as whole would never look at the letter again.
            for items in ["(UID FLAGS INTERNALDATE RFC822.SIZE)", "(UID FLAGS)", "(UID)"] {
                let before = wire.dropped();
                ask(wire, set, items, &mut found).await?;
                if wire.dropped() == before {
                    break;
                }
            }
        }
        Detail::Header => {
            let items = format!("(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS ({FIELDS})])");
            ask(wire, set, &items, &mut found).await?;
        }
        // Nothing beside the header: it may be what could not be read.
        Detail::WholeHeader => ask(wire, set, "(UID BODY.PEEK[HEADER])", &mut found).await?,
    }
    Ok(found.into_values().collect())
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

/// Reads `17-Jul-1996 02:44:25 -0700` (RFC 3501 date-time); a one-digit day with or without a blank before it is
/// taken too (QQ, imap-servers A.3).
pub(super) fn internal_date(text: &str) -> Option<Timestamp> {
    let mut words = text.split_ascii_whitespace();
    let (date, time, zone) = (words.next()?, words.next()?, words.next().unwrap_or("+0000"));
    let mut date = date.split('-');
    let day: i8 = date.next()?.parse().ok()?;
    let month = date.next()?.to_ascii_lowercase();
    let month = MONTHS.iter().position(|m| m.eq_ignore_ascii_case(&month))?;
    let year: i16 = date.next()?.parse().ok()?;
    let mut time = time.split(':');
    let (hour, minute): (i8, i8) = (time.next()?.parse().ok()?, time.next()?.parse().ok()?);
    let second: i8 = time.next().unwrap_or("0").parse().ok()?;
    let zone_value: i32 = zone.parse().ok()?;
    let offset_seconds = (zone_value / 100 * 60 + zone_value % 100) * 60;
    let offset = jiff::tz::Offset::from_seconds(offset_seconds).ok()?;
    let month = i8::try_from(month + 1).ok()?;
    let civil = jiff::civil::DateTime::new(year, month, day, hour, minute, second.min(59), 0).ok()?;
    Some(Timestamp(offset.to_timestamp(civil).ok()?.as_millisecond()))
}

/// The months of IMAP dates.
pub(super) const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_short_and_ascending() {
        assert_eq!(compact(&[1, 2, 3, 7, 9, 10]), "1:3,7,9:10");
        assert_eq!(compact(&[u32::MAX]), "4294967295");
        assert_eq!(compact(&[]), "");
    }

    #[test]
    fn dates_as_servers_write_them() {
        let at = |text| internal_date(text).map(|t| t.0);
        assert_eq!(at("17-Jul-1996 02:44:25 -0700"), Some(837_596_665_000));
        assert_eq!(at(" 4-Jan-2015 16:53:35 +0800"), Some(1_420_361_615_000));
        assert_eq!(at("4-Jan-2015 16:53:35 +0800"), Some(1_420_361_615_000));
        for wrong in ["", "4-Foo-2015 16:53:35 +0800", "31-Feb-2015 00:00:00 +0000", "1-Jan-2015", "x-y-z a:b c"] {
            assert_eq!(at(wrong), None, "{wrong}");
        }
    }
}
