//! What the parts of a mail say: its attachments, and of which kinds it is.

use super::guess::Hint;
use super::{clean, params};
use crate::model::{Attachment, Kind, Letter, Part};
use std::collections::BTreeSet;

/// A file's name is kept so far.
const NAME_CHARS: usize = 500;

/// The attachments among the parts of a mail: what is said to be one, and whatever has a name; but for pictures that
/// the text itself shows. The first of them, and how many there are.
pub(super) fn attachments(parts: &[Part], hint: Hint<'_>) -> (Vec<Attachment>, u32) {
    let mut all = parts.iter().filter_map(|part| attachment(part, hint));
    let first: Vec<_> = all.by_ref().take(Letter::ATTACHMENTS).collect();
    let count = u32::try_from(first.len() + all.count()).unwrap_or(u32::MAX);
    (first, count)
}

fn attachment(part: &Part, hint: Hint<'_>) -> Option<Attachment> {
    let name = params::text(&part.disposition_parameters, "filename", hint)
        .or_else(|| params::text(&part.parameters, "name", hint))
        .and_then(|name| base_name(&name));
    let is_attached = part.disposition.as_deref() == Some("attachment");
    let is_related = part.within.iter().any(|within| within == "multipart/related");
    let is_shown = part.has_id && is_related && part.mime.starts_with("image/") && !is_attached;
    let is_text = part.mime.starts_with("text/") && part.disposition.as_deref() == Some("inline");
    let is_file = is_attached || part.mime == "message/rfc822" || name.is_some() && !is_text;
    (is_file && !is_shown).then(|| Attachment { name, size: decoded_size(part) })
}

/// Without the path that some write before it, and that nobody should believe.
fn base_name(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = clean(last).chars().take(NAME_CHARS).collect();
    let name = name.trim().to_owned();
    (!name.is_empty() && name != "." && name != "..").then_some(name)
}

/// Base64 makes four of three, in lines of 76 with their ends.
fn decoded_size(part: &Part) -> u64 {
    match part.encoding.as_str() {
        "base64" => part.octets.saturating_sub(part.octets / 78 * 2).saturating_mul(3) / 4,
        _ => part.octets,
    }
}

/// The kinds that the types of a mail and of its parts tell.
pub(super) fn kinds<'a>(types: impl Iterator<Item = (&'a str, Option<String>)>) -> BTreeSet<Kind> {
    let mut found = BTreeSet::new();
    for (mime, detail) in types {
        let detail = detail.unwrap_or_default().to_lowercase();
        match mime {
            "text/calendar" | "application/ics" => found.insert(Kind::Calendar),
            "multipart/encrypted" => found.insert(Kind::Encrypted),
            "multipart/signed" => found.insert(Kind::Signed),
            "application/pkcs7-mime" | "application/x-pkcs7-mime" => match detail.as_str() {
                "signed-data" => found.insert(Kind::Signed),
                "certs-only" => false,
                _ => found.insert(Kind::Encrypted),
            },
            "multipart/report" if detail == "delivery-status" => found.insert(Kind::Bounce),
            _ => false,
        };
    }
    found
}
