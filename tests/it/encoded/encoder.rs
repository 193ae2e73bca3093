//! An encoder of header fields (RFC 2047) that knows nothing of the reader, and takes the liberties that senders take:
//! it cuts words inside characters, names charsets in any case and puts words into quoted strings.

use super::alphabet::Charset;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use encoding_rs::{ISO_2022_JP, UTF_8};
use std::fmt::Write;

/// Where a text is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Subject,
    /// A display name of bare words.
    Name,
    /// A display name in quotes.
    Quoted,
}

/// How a word is written.
#[derive(Clone, Debug)]
pub(super) struct Style {
    /// So many bytes of text in it.
    pub(super) size: usize,
    /// B, or Q.
    pub(super) base64: bool,
    /// Which letters of the label are capitals; the lowest bit says it of the B or Q, too, the next of hexadecimal digits.
    pub(super) capitals: u64,
}

/// A part of a field.
#[derive(Clone, Debug)]
pub(super) enum Part {
    /// A text as words in a charset.
    Encoded { charset: &'static Charset, label: &'static str, text: String, styles: Vec<Style> },
    /// A plain word.
    Plain(String),
}

/// A field's value, and what it says.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) raw: String,
    pub(super) says: String,
}

/// Writes the parts with these blanks and folds between them, each used in its turn.
pub(super) fn written(parts: &[Part], blanks: &[&str], place: Place) -> Written {
    let mut blanks = blanks.iter().cycle();
    let mut out = Written { raw: String::new(), says: String::new() };
    let mut after_word = false;
    for part in parts {
        let (words, says, is_word) = match part {
            Part::Plain(word) => (vec![word.clone()], word.replace("\\\"", "\""), false),
            Part::Encoded { charset, label, text, styles } => {
                let text = allowed(text, place);
                (encoded(charset, label, &text, styles), text, true)
            }
        };
        // White space between two encoded words is none (RFC 2047, section 6.2).
        if words.is_empty() {
            continue;
        }
        let dropped = after_word && is_word;
        if !out.raw.is_empty() && !dropped {
            out.says.push(' ');
        }
        after_word = is_word;
        for word in words {
            if !out.raw.is_empty() {
                out.raw.push_str(blanks.next().unwrap());
            }
            out.raw.push_str(&word);
        }
        out.says.push_str(&says);
    }
    out
}

/// A name with an address or a domain in it may be taken for a forgery; that is another matter.
fn allowed(text: &str, place: Place) -> String {
    text.chars().filter(|c| place == Place::Subject || !matches!(c, '@' | '.')).collect()
}

/// A text as words.
fn encoded(charset: &Charset, label: &str, text: &str, styles: &[Style]) -> Vec<String> {
    let mut styles = styles.iter().cycle();
    pieces(charset, text, &mut styles.clone())
        .iter()
        .map(|(is_utf8, bytes)| word(if *is_utf8 { "utf-8" } else { label }, bytes, styles.next().unwrap()))
        .collect()
}

/// The text's bytes in pieces. A charset with states is cut between characters, and each piece begins and ends in
/// ASCII (RFC 2047, section 3). Bytes that are valid UTF-8 besides are written as such: of those a reader may believe
/// that the label is wrong.
fn pieces<'a>(charset: &Charset, text: &str, styles: &mut impl Iterator<Item = &'a Style>) -> Vec<(bool, Vec<u8>)> {
    if charset.encoding == ISO_2022_JP {
        let mut rest: Vec<char> = text.chars().collect();
        let mut found = Vec::new();
        while !rest.is_empty() {
            let size = styles.next().unwrap().size.div_ceil(2).min(rest.len());
            let piece: String = rest.drain(..size).collect();
            found.push((false, charset.encoding.encode(&piece).0.into_owned()));
        }
        return found;
    }
    let bytes = charset.encoding.encode(text).0;
    let is_utf8 = charset.encoding != UTF_8 && !text.is_ascii() && std::str::from_utf8(&bytes).is_ok();
    let mut rest = if is_utf8 { text.as_bytes() } else { &*bytes };
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(styles.next().unwrap().size.clamp(1, rest.len()));
        found.push((is_utf8, piece.to_vec()));
        rest = after;
    }
    found
}

fn word(label: &str, bytes: &[u8], style: &Style) -> String {
    let label = cased(label, style.capitals);
    let (name, content) = if style.base64 { ("b", STANDARD.encode(bytes)) } else { ("q", quoted(bytes, style)) };
    format!("=?{label}?{}?{content}?=", cased(name, style.capitals))
}

/// With capitals where the bits say so.
pub(super) fn cased(label: &str, capitals: u64) -> String {
    let capital = |at: usize| capitals >> (at % 64) & 1 == 1;
    label.chars().enumerate().map(|(at, c)| if capital(at) { c.to_ascii_uppercase() } else { c }).collect()
}

/// Q with no more plain characters than are allowed anywhere (RFC 2047, section 5, rule 3).
fn quoted(bytes: &[u8], style: &Style) -> String {
    let mut out = String::new();
    for byte in bytes {
        match byte {
            b' ' => out.push('_'),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'!' | b'*' | b'+' | b'-' | b'/' => out.push(char::from(*byte)),
            _ if style.capitals & 2 == 0 => write!(out, "={byte:02X}").unwrap(),
            _ => write!(out, "={byte:02x}").unwrap(),
        }
    }
    out
}
