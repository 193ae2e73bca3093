//! Header bytes to letter. The only folder that knows mail-parser. It never fails and never panics outward: what
//! cannot be read becomes a letter that says so.

mod address;
mod charset;
mod clean;
mod escape;
mod fields;
mod guess;
mod invitation;
mod mailbox;
mod mime;
mod origin;
mod params;
mod parts;
mod plausible;
mod words;
mod zone;

pub use clean::clean;
pub use invitation::is_one as is_invitation;
pub use mime::{header_of, parts_of};

use crate::model::{AccountId, Letter, LetterId, Locale, Parameters, Part, Timestamp, Uid, UidValidity};
use crate::unwind::caught;
use fields::Fields;
use guess::Hint;
use sha2::{Digest, Sha256};

/// A header block above this is read only so far; the parser needs a millisecond for it (crates 4).
const MAX_HEADER_BYTES: usize = 64 * 1024;

/// Fields of which each mail has one; where all are missing, it is no header that one could read.
const USUAL: [&str; 8] = ["from", "subject", "date", "message-id", "received", "to", "sender", "return-path"];

/// Subjects, names and addresses are kept so far; nobody sees more of them in WeCom (2,048 bytes for a whole message).
const MAX_TEXT_CHARS: usize = 500;

/// What is known of a mail before its header is read.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    /// The account it was found in.
    pub account: &'a AccountId,
    /// Its folder's UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// Its UID; 0 where the server's UIDs cannot be relied on.
    pub uid: Uid,
    /// INTERNALDATE, or the time of finding it where the server gives none.
    pub time: Timestamp,
    /// Its size in bytes.
    pub size: u64,
    /// Whether it was read.
    pub seen: bool,
    /// What 8-bit text without a label is taken for where it could be several things.
    pub locale: Locale,
    /// The servers whose Authentication-Results are believed.
    pub trusted: &'a [String],
    /// Whether the names of those whom it is written to matter, or their addresses alone.
    pub names: bool,
    /// What its parts are said to be; empty where nobody asked.
    pub parts: &'a [Part],
    /// Its header block; `None` where it could not be had.
    pub header: Option<&'a [u8]>,
}

/// Reads a header.
pub fn letter(source: &Source<'_>) -> Letter {
    let header = source.header.unwrap_or_default();
    let header = fields::with_lines(header.get(..MAX_HEADER_BYTES).unwrap_or(header));
    let fields = Fields::split(&header);
    let mut letter = Letter {
        id: identity(source, &fields),
        time: source.time,
        size: source.size,
        seen: source.seen,
        readable: USUAL.iter().any(|name| fields.first(name).is_some()),
        ..Letter::default()
    };
    let hint = Hint { block: &header, parts: source.parts, locale: source.locale };
    if caught(|| read(source, &fields, hint, &mut letter)).is_none() {
        letter.readable = false;
    }
    letter
}

fn read(source: &Source<'_>, fields: &Fields<'_>, hint: Hint<'_>, letter: &mut Letter) {
    letter.from = address::sender(fields, hint);
    letter.subject = fields.first("subject").map(|raw| short(&words::text(raw, hint))).filter(|s| !s.is_empty());
    let people = |name: &str| match fields.first(name) {
        None => Vec::new(),
        Some(raw) if source.names => address::people(raw, hint),
        Some(raw) => address::addresses(raw),
    };
    (letter.to, letter.cc) = (people("to"), people("cc"));
    (letter.list_id, letter.priority, letter.thread) =
        (origin::list_id(fields), origin::priority(fields), origin::thread(fields));
    letter.dated = origin::dated(fields, source.time);
    letter.reply_to = origin::reply_to(fields, &letter.from, hint);
    letter.verdict = origin::verdict(fields, &letter.from, source.trusted);
    let (mime, parameters) = params::split(fields.first("content-type").unwrap_or_default());
    (letter.attachments, letter.attachment_count) = parts::attachments(source.parts, hint);
    letter.invitation = invitation::read(source.parts, hint);
    letter.attachment = mime == "multipart/mixed" || !letter.attachments.is_empty();
    let detail =
        |list: &Parameters| params::text(list, "smime-type", hint).or_else(|| params::text(list, "report-type", hint));
    let within = source.parts.iter().flat_map(|part| part.within.iter().map(|mime| (mime.as_str(), None)));
    let of_parts = source.parts.iter().map(|part| (part.mime.as_str(), detail(&part.parameters))).chain(within);
    let mut kinds = parts::kinds(std::iter::once((mime.as_str(), detail(&parameters))).chain(of_parts));
    kinds.extend(origin::kinds(fields, &letter.from));
    letter.kinds = kinds.into_iter().collect();
}

/// Sameness (design: "Promises", 2), over the raw fields with their white space folded: servers fold anew.
fn identity(source: &Source<'_>, fields: &Fields<'_>) -> LetterId {
    let mut digest = Sha256::new();
    let mut add = |bytes: &[u8]| {
        digest.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(bytes);
    };
    let message_id = fields.first("message-id").map(squeezed).unwrap_or_default();
    for name in ["from", "date", "subject"] {
        add(&fields.first(name).map(squeezed).unwrap_or_default());
    }
    add(&message_id);
    if message_id.is_empty() {
        add(source.account.0.as_bytes());
        add(&source.time.0.to_be_bytes());
        add(&source.uid_validity.to_be_bytes());
        add(&source.uid.to_be_bytes());
        if source.uid == 0 {
            // No UID to tell them apart: the size may.
            add(&source.size.to_be_bytes());
        }
    }
    let mut id = [0; 16];
    for (to, from) in id.iter_mut().zip(digest.finalize()) {
        *to = from;
    }
    LetterId(id)
}

fn squeezed(raw: &[u8]) -> Vec<u8> {
    let words = raw.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(&b' ')
}

/// Clean text, not too long.
fn short(text: &str) -> String {
    cut(&clean(text))
}

/// Text that is clean, not too long.
fn cut(text: &str) -> String {
    let end = text.char_indices().nth(MAX_TEXT_CHARS).map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or(text).trim_end().to_owned()
}

/// When a server received a mail, as the topmost of its Received fields tells; else its Date.
pub fn received_at(header: &[u8]) -> Option<Timestamp> {
    let header = fields::with_lines(header);
    let fields = Fields::split(&header);
    let received = fields.first("received").and_then(|raw| raw.rsplit(|b| *b == b';').next());
    received.and_then(origin::date).or_else(|| origin::date(fields.first("date")?))
}

/// Whether a mail with this header may have parts worth asking for: attachments, an invitation.
pub fn has_parts(header: &[u8]) -> bool {
    let fields = Fields::split(header.get(..MAX_HEADER_BYTES).unwrap_or(header));
    let (mime, _) = params::split(fields.first("content-type").unwrap_or_default());
    let other = ["", "text/plain", "text/html", "multipart/alternative", "multipart/related"];
    !other.contains(&mime.as_str()) || origin::is_calendar(&fields)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
