//! Fields with parameters: Content-Type and Content-Disposition (RFC 2045 5.1, RFC 2183), with what is really found in
//! them: RFC 2231, encoded words in quotes, 8-bit names, several of these at once.

use super::charset::Charset;
use super::guess::{self, Hint};
use super::words;
use crate::model::Parameters;
use percent_encoding::percent_decode;

/// The value of a field in lower case, and its parameters.
pub(super) fn split(raw: &[u8]) -> (String, Parameters) {
    let end = raw.iter().position(|b| *b == b';').unwrap_or(raw.len());
    let (value, mut rest) = raw.split_at(end);
    let value = value.split(|b| *b == b'(').next().unwrap_or_default();
    let value: String = String::from_utf8_lossy(value).split_whitespace().collect::<String>().to_lowercase();
    let mut list = Parameters::new();
    while let Some((_, more)) = rest.split_first() {
        let Some(equals) = more.iter().position(|b| matches!(b, b'=' | b';')) else { break };
        let (name, after) = more.split_at(equals);
        if after.first() == Some(&b';') {
            rest = after;
            continue;
        }
        let (value, after) = one(after.get(1..).unwrap_or_default().trim_ascii_start());
        list.push((String::from_utf8_lossy(name.trim_ascii()).to_lowercase(), value));
        rest = after.iter().position(|b| *b == b';').and_then(|at| after.get(at..)).unwrap_or_default();
    }
    (value, list)
}

/// One value, without its quotes, and what follows it.
fn one(raw: &[u8]) -> (Vec<u8>, &[u8]) {
    let Some(quoted) = raw.strip_prefix(b"\"") else {
        let end = raw.iter().position(|b| *b == b';').unwrap_or(raw.len());
        let (value, after) = raw.split_at(end);
        return (value.trim_ascii().to_vec(), after);
    };
    // The second byte of a GBK, Big5 or Shift_JIS character may look like a backslash.
    let in_pairs = std::str::from_utf8(quoted).is_err();
    let (mut value, mut rest) = (Vec::new(), quoted);
    loop {
        rest = match rest {
            [] => return (value, rest),
            [b'"', after @ ..] => return (value, after),
            [b'\\', escaped @ (b'"' | b'\\'), after @ ..] => {
                value.push(*escaped);
                after
            }
            [lead @ 0x81..=0xfe, trail @ (0x40..=0x7e | 0x80..=0xfe), after @ ..] if in_pairs => {
                value.extend([*lead, *trail]);
                after
            }
            [first, after @ ..] => {
                value.push(*first);
                after
            }
        };
    }
}

/// A parameter's text: `name*` and its continuations (RFC 2231) before a plain `name`.
pub(super) fn text(list: &Parameters, name: &str, hint: Hint<'_>) -> Option<String> {
    extended(list, name, hint).or_else(|| {
        let (_, raw) = list.iter().rev().find(|(other, _)| other == name)?;
        let plain = words::text(raw, hint);
        // Percent signs and a charset where there should be none: written by who knew half of RFC 2231.
        let half = plain.is_ascii() && plain.matches('\'').count() >= 2 && plain.contains('%');
        Some(if half { encoded(raw, hint) } else { plain })
    })
}

fn extended(list: &Parameters, name: &str, hint: Hint<'_>) -> Option<String> {
    let mut pieces: Vec<(u32, bool, &[u8])> = Vec::new();
    for (key, value) in list {
        let Some(rest) = key.strip_prefix(name).and_then(|rest| rest.strip_prefix('*')) else { continue };
        if rest.is_empty() {
            return Some(encoded(value, hint));
        }
        let (number, percent) = rest.strip_suffix('*').map_or((rest, false), |number| (number, true));
        if let Ok(number) = number.parse() {
            pieces.push((number, percent, value));
        }
    }
    pieces.sort_by_key(|(number, ..)| *number);
    pieces.dedup_by_key(|(number, ..)| *number);
    let (_, first_is_percent, first) = *pieces.first()?;
    if !pieces.iter().any(|(_, percent, _)| *percent) {
        let all: Vec<u8> = pieces.iter().flat_map(|(.., value)| value.iter().copied()).collect();
        return Some(words::text(&all, hint));
    }
    let (charset, first) = if first_is_percent { labelled(first) } else { (Charset::Unknown, first) };
    let mut bytes = Vec::new();
    for (at, (_, percent, value)) in pieces.iter().enumerate() {
        let value = if at == 0 { first } else { value };
        bytes.extend(if *percent { unescaped(value) } else { value.to_vec() });
    }
    Some(charset.text(&bytes, hint))
}

/// `charset'language'text` with percent escapes.
fn encoded(value: &[u8], hint: Hint<'_>) -> String {
    let (charset, text) = labelled(value);
    match charset {
        Charset::Unknown => guess::text(&unescaped(text), hint),
        known => known.text(&unescaped(text), hint),
    }
}

fn labelled(value: &[u8]) -> (Charset, &[u8]) {
    let mut parts = value.splitn(3, |b| *b == b'\'');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(label), Some(_), Some(text)) => (Charset::of(label), text),
        _ => (Charset::Unknown, value),
    }
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    percent_decode(text).collect()
}
