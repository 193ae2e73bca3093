//! Encoded words (RFC 2047) as they are really written: split inside characters, cut, glued, folded, in quotes, under
//! labels that are not true; and the 8-bit text between them.

use super::charset::Charset;
use super::guess::{self, Hint};
use encoding_rs::ISO_2022_JP;
use memchr::memmem;
use std::ops::Range;

/// No charset has a longer name than this.
const MAX_LABEL: usize = 60;
/// More words of a header need not be looked at to know which charsets it names.
const MOST_NAMED: usize = 8;
/// More words of a header are not looked at for that.
const MOST_LOOKED_AT: usize = 32;

/// A part of a field, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// What was written as it is: commas, quotes and brackets in it have a meaning.
    Plain(String),
    /// What was encoded: it is text and nothing else.
    Encoded(String),
}

/// One encoded word.
#[derive(Clone, Copy, Debug)]
struct Word<'a> {
    charset: Charset,
    base64: bool,
    text: &'a [u8],
}

#[derive(Clone, Copy, Debug)]
enum Token<'a> {
    Raw(&'a [u8]),
    Word(Word<'a>),
}

/// The text of an unstructured field.
pub(super) fn text(raw: &[u8], hint: Hint<'_>) -> String {
    pieces(raw, hint)
        .into_iter()
        .map(|piece| match piece {
            Piece::Plain(text) | Piece::Encoded(text) => text,
        })
        .collect()
}

/// The parts of a field in their order. White space between two encoded words is none (RFC 2047 6.2).
pub(super) fn pieces(raw: &[u8], hint: Hint<'_>) -> Vec<Piece> {
    let mut found = Vec::new();
    let mut words: Vec<Word<'_>> = Vec::new();
    let mut tokens = tokens(raw).into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            Token::Word(word) => words.push(word),
            Token::Raw(raw) => {
                let between = !words.is_empty() && matches!(tokens.peek(), Some(Token::Word(_)));
                if between && raw.trim_ascii().is_empty() {
                    continue;
                }
                found.extend(decoded(&mut words, hint));
                found.push(Piece::Plain(plain(raw, hint)));
            }
        }
    }
    found.extend(decoded(&mut words, hint));
    found
}

/// The East Asian charsets of the words in a header: they tell what 8-bit text beside them may be.
pub(super) fn named(block: &[u8]) -> Vec<&'static encoding_rs::Encoding> {
    let mut found = Vec::new();
    for at in memmem::find_iter(block, b"=?").take(MOST_LOOKED_AT) {
        let rest = block.get(at + 2..).unwrap_or_default();
        let label = rest.iter().take(MAX_LABEL).position(|b| *b == b'?').and_then(|end| rest.get(..end));
        found.extend(label.and_then(|label| Charset::of(label).east_asian()));
        if found.len() >= MOST_NAMED {
            break;
        }
    }
    found
}

/// 8-bit or plain text between words. A line break that folds the field is none.
fn plain(raw: &[u8], hint: Hint<'_>) -> String {
    let unfolded: Vec<u8> = raw.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    match unfolded.is_ascii() && !unfolded.contains(&0x1b) {
        true => String::from_utf8(unfolded).unwrap_or_default(),
        false => guess::text(&unfolded, hint),
    }
}

fn tokens(raw: &[u8]) -> Vec<Token<'_>> {
    let (mut found, mut begin) = (Vec::new(), 0);
    for (word, range) in placed(raw) {
        found.extend(raw.get(begin..range.start).filter(|before| !before.is_empty()).map(Token::Raw));
        found.push(Token::Word(word));
        begin = range.end;
    }
    found.extend(raw.get(begin..).filter(|rest| !rest.is_empty()).map(Token::Raw));
    found
}

/// Where the encoded words of a field stand.
pub(super) fn places(raw: &[u8]) -> impl Iterator<Item = Range<usize>> {
    placed(raw).map(|(_, range)| range)
}

fn placed(raw: &[u8]) -> impl Iterator<Item = (Word<'_>, Range<usize>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            at += memmem::find(raw.get(at..)?, b"=?")?;
            match raw.get(at..).and_then(word) {
                Some((word, length)) => {
                    let range = at..at + length;
                    at = range.end;
                    return Some((word, range));
                }
                None => at += 2,
            }
        }
    })
}

/// The word that begins here, and its length.
fn word(rest: &[u8]) -> Option<(Word<'_>, usize)> {
    let body = rest.get(2..)?;
    let label_end = body.iter().take(MAX_LABEL).position(|b| *b == b'?')?;
    let (label, body) = (body.get(..label_end)?, body.get(label_end + 1..)?);
    if label.iter().any(|b| !(b.is_ascii_graphic() || *b == b' ') || matches!(b, b'=' | b'<' | b'>' | b'@')) {
        return None;
    }
    let base64 = match body {
        [b'b' | b'B', b'?', ..] => true,
        [b'q' | b'Q', b'?', ..] => false,
        _ => return None,
    };
    let body = body.get(2..)?;
    let charset = Charset::of(label);
    let begin = label_end + 5;
    if let Some(end) = end_of(body, base64) {
        return Some((Word { charset, base64, text: body.get(..end)? }, begin + end + 2));
    }
    // Its end was cut off, with the field or by whoever wrote it: what is there can be read.
    let body = body.get(..next_word(body).unwrap_or(body.len()))?;
    let cut = match base64 {
        true => body.iter().take_while(|b| is_base64(**b) || matches!(b, b'\r' | b'\n' | b' ' | b'\t')).count(),
        false => body.iter().take_while(|b| b.is_ascii_graphic() && **b != b'?').count(),
    };
    let text = body.get(..cut)?.trim_ascii_end();
    let is_sure = charset != Charset::Unknown && !text.is_empty();
    // Half of its end may be there.
    let half = usize::from(body.get(text.len()) == Some(&b'?'));
    is_sure.then(|| (Word { charset, base64, text }, begin + text.len() + half))
}

/// Where the text of a word ends. `?=` may also be a question mark that should have been encoded, before `=XX`.
fn end_of(body: &[u8], base64: bool) -> Option<usize> {
    let body = body.get(..next_word(body).unwrap_or(body.len()))?;
    let mut ends = body.windows(2).enumerate().filter(|(_, two)| *two == b"?=").map(|(at, _)| at).peekable();
    while let Some(at) = ends.next() {
        let is_code = matches!(body.get(at + 2..at + 4), Some([a, b]) if is_code_digit(*a) && is_code_digit(*b));
        if base64 || !is_code || ends.peek().is_none() {
            return Some(at);
        }
    }
    None
}

/// Where another word begins.
fn next_word(body: &[u8]) -> Option<usize> {
    body.windows(3).position(|three| matches!(three, [b'=', b'?', c] if *c != b'='))
}

fn is_code_digit(b: u8) -> bool {
    b.is_ascii_digit() || matches!(b, b'A'..=b'F')
}

/// Decodes words that stand side by side: those of one charset together, for they may be split inside a character.
fn decoded(words: &mut Vec<Word<'_>>, hint: Hint<'_>) -> Option<Piece> {
    if words.is_empty() {
        return None;
    }
    let text = words.chunk_by(|a, b| a.charset == b.charset).map(|group| together(group, hint)).collect();
    words.clear();
    Some(Piece::Encoded(text))
}

fn together(group: &[Word<'_>], hint: Hint<'_>) -> String {
    let Some(charset) = group.first().map(|word| word.charset) else { return String::new() };
    if charset == Charset::Known(ISO_2022_JP) || charset == Charset::Utf7 {
        return one_by_one(charset, group, hint);
    }
    let apart: Vec<u8> = group.iter().flat_map(|word| word.bytes()).collect();
    let (before_last, lengths) = (group.len() - 1, group.iter().map(Word::digits));
    let cut = |length: &Option<usize>| length.is_some_and(|length| length % 4 != 0);
    if !group.iter().all(|word| word.base64) || !lengths.clone().take(before_last).any(|length| cut(&length)) {
        return charset.text(&apart, hint);
    }
    // Cut between the digits, or without their padding?
    let digits: Vec<u8> = group.iter().flat_map(|word| word.text.iter().copied()).collect();
    let joined = base64(&digits);
    let impossible = lengths.clone().any(|length| length.is_some_and(|length| length % 4 == 1));
    let (one, other) = (charset.text(&joined, hint), charset.text(&apart, hint));
    let lost = |text: &str| text.chars().filter(|c| *c == '\u{fffd}').count();
    let is_even = digits.iter().filter(|b| is_base64(**b)).count() % 4 == 0;
    match lost(&one).cmp(&lost(&other)) {
        _ if impossible => one,
        std::cmp::Ordering::Less => one,
        std::cmp::Ordering::Equal if is_even => one,
        _ => other,
    }
}

/// A word of a charset with states begins anew, unless the one before it ended in the middle.
fn one_by_one(charset: Charset, group: &[Word<'_>], hint: Hint<'_>) -> String {
    let (mut text, mut open, mut in_the_middle) = (String::new(), Vec::new(), false);
    for word in group {
        // An escape may be cut apart, too.
        let news = open.len().saturating_sub(2);
        open.extend(word.bytes());
        let last = open.get(news..).unwrap_or_default().windows(3).rfind(|three| three.starts_with(b"\x1b"));
        if let Some([_, kind, _]) = last {
            in_the_middle = *kind == b'$' && charset != Charset::Utf7;
        }
        if !in_the_middle {
            text.push_str(&charset.text(&std::mem::take(&mut open), hint));
        }
    }
    if !open.is_empty() {
        text.push_str(&charset.text(&open, hint));
    }
    text
}

impl Word<'_> {
    fn bytes(&self) -> Vec<u8> {
        if self.base64 { base64(self.text) } else { quoted(self.text) }
    }

    /// How many digits of base64; `None` for a word that is padded, or that is not of that kind.
    fn digits(&self) -> Option<usize> {
        let is_open = self.base64 && !self.text.contains(&b'=');
        is_open.then(|| self.text.iter().filter(|b| is_base64(**b)).count())
    }
}

fn is_base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'-' | b'_')
}

/// Base64 with whatever stands between its digits left out, and with or without padding.
pub(super) fn base64(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut bits, mut count) = (0_u32, 0_u32);
    let mut flush = |bits: &mut u32, count: &mut u32| {
        let bytes = (*bits << (6 * (4 - (*count).min(4)))).to_be_bytes();
        let whole = match *count {
            4 => 3,
            3 => 2,
            2 => 1,
            _ => 0,
        };
        out.extend(bytes.iter().skip(1).take(whole));
        (*bits, *count) = (0, 0);
    };
    for b in text {
        let digit = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => {
                flush(&mut bits, &mut count);
                continue;
            }
            _ => continue,
        };
        bits = bits << 6 | u32::from(digit);
        count += 1;
        if count == 4 {
            flush(&mut bits, &mut count);
        }
    }
    flush(&mut bits, &mut count);
    out
}

/// The Q encoding: `_` is a blank; a `=` that no two digits follow is itself. A fold between two codes is none, with the
/// blank that it needs and the `=` that some programs put before it: blanks are encoded there.
fn quoted(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let (mut rest, mut is_code) = (text, true);
    while let Some((first, more)) = rest.split_first() {
        if let Some(after) = folded(rest).filter(|_| is_code) {
            rest = after;
            continue;
        }
        rest = more;
        is_code = false;
        match (first, more) {
            (b'_', _) => out.push(b' '),
            (b'=', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(digit(*high) << 4 | digit(*low));
                (rest, is_code) = (after, true);
            }
            (b'\r' | b'\n', _) => {}
            _ => out.push(*first),
        }
    }
    out
}

/// What follows a fold, if that is a code.
fn folded(text: &[u8]) -> Option<&[u8]> {
    let fold = text.strip_prefix(b"=").unwrap_or(text);
    let after = fold.trim_ascii_start();
    let is_fold = matches!(fold, [b'\r', b'\n', ..] | [b'\n', ..]);
    let is_code = matches!(after, [b'=', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
    (is_fold && is_code).then_some(after)
}

/// The value of a hexadecimal digit.
fn digit(b: u8) -> u8 {
    char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok()).unwrap_or(0)
}
