//! Who a letter says it is from, and whom it is written to.

use super::guess::{self, Hint};
use super::mailbox::{Mailbox, mailboxes};
use super::{Fields, MAX_TEXT_CHARS, clean, cut, words};
use crate::model::{Letter, Sender};
use std::ops::Range;

/// The first From with an address, else Sender, else Return-Path (imap-servers E.3).
pub(super) fn sender(fields: &Fields<'_>, hint: Hint<'_>) -> Sender {
    let mut nameless = Sender::default();
    for name in ["from", "sender", "return-path"] {
        let Some(raw) = fields.first(name) else { continue };
        let found = first(raw, hint);
        // Who gives two addresses for one is believed no other field either.
        let is_doubtful = || found.name.as_deref().is_some_and(|name| name.matches('@').count() > 1);
        if found.address.is_none() && name == "from" && is_doubtful() {
            return found;
        }
        if found.address.is_some() {
            return Sender { name: found.name.or(nameless.name), address: found.address };
        }
        if nameless.name.is_none() {
            nameless.name = found.name;
        }
    }
    nameless
}

/// More bytes of a list of people are not read.
const LIST_BYTES: usize = 4096;

/// Whether an octet may stand in an address that nobody quoted (RFC 5322 3.2.3 `atext` and the dot, RFC 6531).
fn belongs(b: &&u8) -> bool {
    matches!(
        **b,
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | 0x80..=0xff | b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'/' | b'='
            | b'?' | b'^' | b'_' | b'`' | b'{'..=b'~'
    )
}

/// The addresses of a field, without looking at anything else: what stands around each `@`. Some people write to hundreds, and
/// few ask for their names.
pub(super) fn addresses(raw: &[u8]) -> Vec<Sender> {
    let raw = raw.get(..LIST_BYTES).unwrap_or(raw);
    let mut found = Vec::with_capacity(4);
    for at in memchr::memchr_iter(b'@', raw) {
        let (before, after) = (raw.get(..at).unwrap_or_default(), raw.get(at + 1..).unwrap_or_default());
        let local = before.iter().rev().take_while(belongs).count();
        let host = after.iter().take_while(belongs).count();
        // One that was cut off may look like another.
        if local == 0 || host == 0 || host == after.len() && raw.len() == LIST_BYTES {
            continue;
        }
        let text = String::from_utf8_lossy(raw.get(at - local..at + 1 + host).unwrap_or_default());
        found.push(Sender { name: None, address: Some(text.into_owned()) });
        if found.len() == Letter::PEOPLE {
            break;
        }
    }
    found
}

/// All people of a field that have an address.
pub(super) fn people(raw: &[u8], hint: Hint<'_>) -> Vec<Sender> {
    let raw = match raw.get(..LIST_BYTES) {
        // An address that was cut off may look like another.
        Some(part) if part.len() < raw.len() => part.rsplitn(2, |b| *b == b',').last().unwrap_or_default(),
        _ => raw,
    };
    senders(raw, Letter::PEOPLE, hint).into_iter().filter(|sender| sender.address.is_some()).collect()
}

/// The first of a list of addresses that has one; a comma in its name that nobody quoted does not part it.
pub(super) fn first(raw: &[u8], hint: Hint<'_>) -> Sender {
    senders(raw, 1, hint).into_iter().next().unwrap_or_default()
}

/// The first few of a list that have an address, or what names it has without any.
fn senders(raw: &[u8], most: usize, hint: Hint<'_>) -> Vec<Sender> {
    let octets = mailboxes(raw, raw, most);
    let Some(view) = as_text(raw) else { return decoded(&octets, most, hint) };
    // What is no address by octets may be one by characters, and its name is found better. But mail servers read octets:
    // where the two say different things, theirs is the one that was checked; with encoded words in it, nobody can say.
    let characters = mailboxes(raw, &view, most);
    let addresses = |list: &[Mailbox]| -> Vec<Vec<u8>> {
        list.iter().filter_map(|mailbox| mailbox.address.clone()).take(most).collect()
    };
    let by_octets = addresses(&octets);
    match by_octets.is_empty() || by_octets == addresses(&characters) {
        true => decoded(&characters, most, hint),
        false if memchr::memmem::find(raw, b"=?").is_none() => decoded(&octets, most, hint),
        false => {
            let whole: Vec<u8> = raw.iter().copied().filter(|b| *b != b'"').collect();
            decoded(&[Mailbox { name: vec![whole], is_doubtful: true, ..Mailbox::default() }], most, hint)
        }
    }
}

/// A field where the octets of encoded words, of characters of two octets and of those between escapes (RFC 1468) have
/// no meaning; `None` if it has none of them, or none that would mean anything.
fn as_text(raw: &[u8]) -> Option<Vec<u8>> {
    let in_pairs = std::str::from_utf8(raw).is_err();
    let escapes = raw.contains(&0x1b);
    let is_sign = |b: &u8| matches!(b, b'"' | b'\\' | b'(' | b')' | b'<' | b'>' | b',' | b';' | b':' | b'@');
    let has_signs = |place: Range<usize>| raw.get(place).unwrap_or_default().iter().any(is_sign);
    if !in_pairs && !escapes && !words::places(raw).any(has_signs) {
        return None;
    }
    let mut view = raw.to_vec();
    let mut rest = if in_pairs { view.as_mut_slice() } else { &mut [] };
    loop {
        rest = match rest {
            [] => break,
            [lead @ 0x81..=0xfe, trail @ (0x40..=0x7e | 0x80..=0xfe), more @ ..] => {
                (*lead, *trail) = (b'x', b'x');
                more
            }
            [_, more @ ..] => more,
        };
    }
    let mut double = false;
    for (at, octet) in raw.iter().enumerate().filter(|_| escapes) {
        if *octet == 0x1b {
            double = raw.get(at + 1) == Some(&b'$');
        }
        if let Some(seen) = view.get_mut(at).filter(|_| double) {
            *seen = b'x';
        }
    }
    for place in words::places(raw) {
        view.get_mut(place).unwrap_or_default().fill(b'x');
    }
    Some(view)
}

fn decoded(list: &[Mailbox], most: usize, hint: Hint<'_>) -> Vec<Sender> {
    let (mut found, mut names): (Vec<Sender>, Vec<String>) = (Vec::new(), Vec::new());
    for mailbox in list {
        names.extend(name(mailbox, hint));
        if mailbox.is_doubtful && found.is_empty() {
            // Nor does whoever stands behind it.
            break;
        }
        let Some(address) = mailbox.address.as_deref().and_then(|raw| address(raw, hint)) else { continue };
        let name = Some(cut(&std::mem::take(&mut names).join(", "))).filter(|name| !name.is_empty());
        found.push(Sender { name, address: Some(address) });
        if found.len() == most {
            return found;
        }
    }
    if found.is_empty() && !names.is_empty() {
        found.push(Sender { name: Some(cut(&names.join(", "))), address: None });
    }
    found
}

fn name(mailbox: &Mailbox, hint: Hint<'_>) -> Option<String> {
    let text = |pieces: &[Vec<u8>]| clean(&pieces.iter().map(|piece| words::text(piece, hint)).collect::<String>());
    let name = text(&mailbox.name);
    let comments: Vec<_> =
        mailbox.comments.iter().map(|c| text(std::slice::from_ref(c))).filter(|c| !c.is_empty()).collect();
    let all = match (name.is_empty(), comments.is_empty()) {
        (_, true) => name,
        (true, false) => comments.join(" "),
        (false, false) => format!("{name} ({})", comments.join(" ")),
    };
    (!all.is_empty()).then_some(all)
}

/// An address as text. One that is too long is none: its end says whose it is. For the same reason nothing that cannot be
/// seen is taken out of its host without a trace.
fn address(raw: &[u8], hint: Hint<'_>) -> Option<String> {
    let decoded = guess::text(raw, hint);
    let (local, host) = decoded.rsplit_once('@')?;
    let shown = |c: char| match c.is_ascii() || c.is_whitespace() || !clean(c.encode_utf8(&mut [0; 4])).is_empty() {
        true => c,
        false => '\u{fffd}',
    };
    let host = clean(&host.chars().map(shown).collect::<String>());
    let mut text = format!("{}@{host}", clean(local));
    let (mut quoted, mut escaped) = (false, false);
    text.retain(|c| {
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        quoted || !c.is_whitespace()
    });
    (text.chars().count() <= MAX_TEXT_CHARS && is_one(&text)).then_some(text)
}

/// Whether a text is one address: one `@` outside quotes, with something on both sides, and nothing outside quotes that
/// parts addresses.
pub(super) fn is_one(text: &str) -> bool {
    let (mut quoted, mut escaped, mut ats) = (false, false, 0);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '@' if !quoted => ats += 1,
            '<' | '>' | ';' | ',' | '(' | ')' if !quoted => return false,
            _ if !quoted && c.is_whitespace() => return false,
            _ => {}
        }
    }
    !quoted && ats == 1 && !text.starts_with('@') && !text.ends_with('@')
}
