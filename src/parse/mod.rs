//! Header bytes to letter. The only folder that knows mail-parser. It never fails and never panics outward: what
//! cannot be read becomes a letter that says so.

mod clean;
mod fields;

pub use clean::clean;

use crate::model::{AccountId, Letter, LetterId, Sender, Timestamp, Uid, UidValidity};
use crate::unwind::caught;
use fields::Fields;
use mail_parser::{Address, HeaderName, HeaderValue, MessageParser};
use sha2::{Digest, Sha256};

/// A header block above this is read only so far; the parser needs a millisecond for it (crates 4).
const MAX_HEADER_BYTES: usize = 64 * 1024;

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
    /// Its header block; `None` where it could not be had.
    pub header: Option<&'a [u8]>,
}

/// Reads a header.
pub fn letter(source: &Source<'_>) -> Letter {
    let header = source.header.unwrap_or_default();
    let header = header.get(..MAX_HEADER_BYTES).unwrap_or(header);
    let fields = Fields::split(header);
    let mut letter = Letter {
        id: identity(source, &fields),
        from: Sender::default(),
        subject: None,
        time: source.time,
        size: source.size,
        attachment: false,
        seen: source.seen,
        readable: !fields.is_empty(),
    };
    let read = caught(|| Parsed {
        from: sender(&fields),
        subject: fields.first("subject").map(text),
        attachment: is_mixed(&fields),
    });
    match read {
        Some(parsed) => {
            letter.from = parsed.from;
            letter.subject = parsed.subject.filter(|s| !s.is_empty());
            letter.attachment = parsed.attachment;
        }
        None => letter.readable = false,
    }
    letter
}

struct Parsed {
    from: Sender,
    subject: Option<String>,
    attachment: bool,
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

/// An unstructured field as clean text.
fn text(raw: &[u8]) -> String {
    let block = [b"Subject: ", fields::to_utf8(raw).as_bytes(), b"\r\n\r\n"].concat();
    let parsed = MessageParser::new().header_text(HeaderName::Subject).default_header_ignore().parse_headers(&block);
    let decoded = parsed.as_ref().and_then(|message| message.subject().map(str::to_owned));
    short(&decoded.unwrap_or_else(|| fields::to_utf8(raw)))
}

/// Clean text, not too long.
fn short(text: &str) -> String {
    clean(text).chars().take(MAX_TEXT_CHARS).collect::<String>().trim_end().to_owned()
}

/// The first From with an address, else Sender, else Return-Path (imap-servers E.3).
fn sender(fields: &Fields<'_>) -> Sender {
    let mut nameless = Sender::default();
    for name in ["from", "sender", "return-path"] {
        let Some(raw) = fields.first(name) else { continue };
        let found = address(raw);
        if found.address.is_some() {
            return Sender { name: found.name.or(nameless.name), address: found.address };
        }
        if nameless.name.is_none() {
            nameless.name = found.name;
        }
    }
    nameless
}

fn address(raw: &[u8]) -> Sender {
    let block = [b"From: ", fields::to_utf8(raw).as_bytes(), b"\r\n\r\n"].concat();
    let parsed = MessageParser::new().header_address(HeaderName::From).default_header_ignore().parse_headers(&block);
    let value = parsed.as_ref().and_then(|message| message.header(HeaderName::From));
    let Some(HeaderValue::Address(list)) = value else { return Sender::default() };
    let all: Vec<_> = match list {
        Address::List(list) => list.iter().collect(),
        Address::Group(groups) => groups.iter().flat_map(|group| group.addresses.iter()).collect(),
    };
    let best = all.iter().find(|a| a.address.as_ref().is_some_and(|a| !a.is_empty())).or(all.first());
    let tidy = |text: Option<&str>| text.map(short).filter(|t| !t.is_empty());
    Sender { name: best.and_then(|a| tidy(a.name.as_deref())), address: best.and_then(|a| tidy(a.address.as_deref())) }
}

/// `multipart/mixed` mostly has attachments: the cheap hint that needs no BODYSTRUCTURE (imap-servers D.1).
fn is_mixed(fields: &Fields<'_>) -> bool {
    fields.first("content-type").is_some_and(|raw| {
        let kind = raw.split(|b| *b == b';').next().unwrap_or_default();
        kind.trim_ascii().eq_ignore_ascii_case(b"multipart/mixed")
    })
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
