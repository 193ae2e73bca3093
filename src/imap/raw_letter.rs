//! What a server said of one message, read from the attributes of its FETCH lines.

use super::structure;
use crate::model::{Part, Timestamp, Uid};
use async_imap::imap_proto::AttributeValue;

/// Of a longer header block the beginning is kept: a hundred of them are in memory at one time. Lists of thousands of
/// recipients are below it.
const MOST_HEADER_BYTES: usize = 256 * 1024;

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
    /// The header block asked for, at most 256 KiB of it.
    pub header: Option<Vec<u8>>,
    /// Its parts, if they were asked for and the server's words made sense.
    pub parts: Vec<Part>,
}

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
                    letter.header = Some(data.get(..MOST_HEADER_BYTES).unwrap_or(data).to_vec());
                }
                AttributeValue::BodyStructure(body) => letter.parts = structure::parts(body),
                _ => {}
            }
        }
        letter
    }

    /// Takes over what `later` says: a server may tell of one message in several lines.
    pub(super) fn merge(&mut self, later: Self) {
        self.seen = later.seen.or(self.seen);
        self.internal_date = later.internal_date.or(self.internal_date);
        self.size = later.size.or(self.size);
        if later.header.is_some() {
            self.header = later.header;
        }
        if !later.parts.is_empty() {
            self.parts = later.parts;
        }
    }
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
