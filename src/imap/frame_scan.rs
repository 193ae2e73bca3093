//! Cutting a byte stream into whole IMAP responses (lines with their literals, RFC 3501 4.3), within limits. Pure.

use std::ops::Range;

/// A line without its literals. The longest we ask for is a SEARCH answer: 100,000 UIDs are below it.
pub(super) const MAX_LINE_BYTES: usize = 1024 * 1024;
/// One literal: a header block. RFC 5322 sets no limit; servers cut far below this.
pub(super) const MAX_LITERAL_BYTES: usize = 1024 * 1024;
/// A whole response with all its literals.
pub(super) const MAX_RESPONSE_BYTES: usize = 3 * 1024 * 1024;

/// Why a stream cannot be read on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TooMuch {
    /// A line without end.
    #[error("the server sent a line of more than {MAX_LINE_BYTES} bytes")]
    Line,
    /// A literal that is announced too large; nothing was allocated for it.
    #[error("the server announced a literal of {0} bytes (at most {MAX_LITERAL_BYTES} are taken)")]
    Literal(u64),
    /// All of one response together.
    #[error("the server sent a response of more than {MAX_RESPONSE_BYTES} bytes")]
    Response,
}

/// Where we are inside the response that begins at the buffer's start.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    /// Bytes of the buffer that were looked at.
    at: usize,
    /// Where the current line (segment between literals) begins.
    line_start: usize,
    /// Bytes of a literal still to come.
    literal_left: usize,
    /// Whether literals may occur: not in status responses, whose text may end in braces.
    no_literals: Option<bool>,
}

impl Scanner {
    /// Looks for the end of the first response in `buffer`. `Ok(Some(range))` is the whole response with its line
    /// end; the scanner is then ready for the next one, which must begin at the start of the next buffer.
    pub(super) fn next(&mut self, buffer: &[u8]) -> Result<Option<Range<usize>>, TooMuch> {
        loop {
            if self.literal_left > 0 {
                let take = self.literal_left.min(buffer.len().saturating_sub(self.at));
                self.at += take;
                self.literal_left -= take;
                if self.literal_left > 0 {
                    return Ok(None);
                }
                self.line_start = self.at;
            }
            let rest = buffer.get(self.at..).unwrap_or_default();
            let Some(offset) = rest.iter().position(|b| *b == b'\n') else {
                self.at = buffer.len();
                if self.at - self.line_start > MAX_LINE_BYTES {
                    return Err(TooMuch::Line);
                }
                return Ok(None);
            };
            self.at += offset + 1;
            let line = buffer.get(self.line_start..self.at).unwrap_or_default();
            if line.len() > MAX_LINE_BYTES {
                return Err(TooMuch::Line);
            }
            let no_literals = *self.no_literals.get_or_insert_with(|| is_status_line(line));
            match (no_literals, announced_literal(line)) {
                (false, Some(size)) => {
                    let size_bytes = usize::try_from(size).unwrap_or(usize::MAX);
                    if size_bytes > MAX_LITERAL_BYTES {
                        return Err(TooMuch::Literal(size));
                    }
                    if self.at + size_bytes > MAX_RESPONSE_BYTES {
                        return Err(TooMuch::Response);
                    }
                    self.literal_left = size_bytes;
                    self.line_start = self.at;
                }
                _ => {
                    let end = self.at;
                    *self = Self::default();
                    return Ok(Some(0..end));
                }
            }
        }
    }
}

/// Whether a line is a continuation, a tagged completion or an untagged OK, NO, BAD, BYE or PREAUTH.
pub(super) fn is_status_line(line: &[u8]) -> bool {
    match line.first() {
        Some(b'+') => true,
        Some(b'*') => status_word(line).is_some(),
        _ => true,
    }
}

/// The status word of a line and the number of bytes up to its end, for `* OK`, `A1 NO` and their like.
pub(super) fn status_word(line: &[u8]) -> Option<usize> {
    let tag_end = line.iter().position(|b| *b == b' ')?;
    let rest = line.get(tag_end + 1..)?;
    let word_len = rest.iter().position(|b| !b.is_ascii_alphabetic()).unwrap_or(rest.len());
    let word = rest.get(..word_len)?;
    let known = [&b"OK"[..], b"NO", b"BAD", b"BYE", b"PREAUTH"];
    known.iter().any(|k| word.eq_ignore_ascii_case(k)).then_some(tag_end + 1 + word_len)
}

/// The size of the literal that a line announces at its end: `{n}`, `{n+}` or `~{n}`.
fn announced_literal(line: &[u8]) -> Option<u64> {
    let line = line.strip_suffix(b"\n")?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = line.strip_suffix(b"}")?;
    let line = line.strip_suffix(b"+").unwrap_or(line);
    let digits = line.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let (before, number) = line.split_at(line.len() - digits);
    if digits == 0 || before.last() != Some(&b'{') {
        return None;
    }
    Some(std::str::from_utf8(number).ok()?.parse().unwrap_or(u64::MAX))
}

/// How deep parentheses nest in a response, outside quoted strings and literals.
pub(super) fn depth(response: &[u8]) -> usize {
    let (mut deepest, mut level) = (0_usize, 0_usize);
    let (mut quoted, mut escaped) = (false, false);
    let mut at = 0;
    let mut line_start = 0;
    while let Some(byte) = response.get(at) {
        at += 1;
        match byte {
            b'\n' => {
                let line = response.get(line_start..at).unwrap_or_default();
                if let Some(size) = announced_literal(line) {
                    at = at.saturating_add(usize::try_from(size).unwrap_or(usize::MAX));
                }
                line_start = at;
                (quoted, escaped) = (false, false);
            }
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'(' if !quoted => {
                level += 1;
                deepest = deepest.max(level);
            }
            b')' if !quoted => level = level.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(bytes: &[u8], step: usize) -> Result<Vec<Vec<u8>>, TooMuch> {
        let (mut scanner, mut buffer, mut found) = (Scanner::default(), Vec::new(), Vec::new());
        for chunk in bytes.chunks(step) {
            buffer.extend_from_slice(chunk);
            while let Some(range) = scanner.next(&buffer)? {
                found.push(buffer.drain(range).collect());
            }
        }
        Ok(found)
    }

    #[test]
    fn literals_belong_to_their_response() {
        let text = b"* 1 FETCH (BODY[] {5}\r\na\r\nb\n UID 7)\r\n* OK done {3}\r\nM1 OK x\r\n";
        for step in [1, 2, 3, 7, 100] {
            let found = cut(text, step).unwrap();
            assert_eq!(found.len(), 3, "step {step}");
            assert_eq!(found[0], b"* 1 FETCH (BODY[] {5}\r\na\r\nb\n UID 7)\r\n");
        }
    }

    #[test]
    fn limits_hold_before_anything_is_allocated() {
        assert_eq!(cut(b"* 1 FETCH (BODY[] {2147483648}\r\n", 9), Err(TooMuch::Literal(2_147_483_648)));
        let huge = b"* 1 FETCH (BODY[] {99999999999999999999999}\r\n";
        assert_eq!(cut(huge, 99), Err(TooMuch::Literal(u64::MAX)));
        let endless = vec![b'x'; MAX_LINE_BYTES + 2];
        assert_eq!(cut(&endless, 4096), Err(TooMuch::Line));
        let mut many = b"* 1 FETCH (".to_vec();
        for _ in 0..4 {
            many.extend_from_slice(b"X {1048576}\r\n");
            many.extend(std::iter::repeat_n(b'a', 1_048_576));
        }
        assert_eq!(cut(&many, 65536), Err(TooMuch::Response));
    }

    #[test]
    fn depth_ignores_quoted_text_and_literals() {
        assert_eq!(depth(b"* X (a (b \"((((\" {4}\r\n(((( c))\r\n"), 2);
        assert_eq!(depth(&b"(".repeat(100_000)), 100_000);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_steps_do_not_matter(bytes in proptest::collection::vec(any::<u8>(), 0..400), step in 1_usize..50) {
            let whole = cut(&bytes, bytes.len().max(1));
            let stepped = cut(&bytes, step);
            prop_assert_eq!(&whole, &stepped);
            if let Ok(found) = whole {
                let joined = found.concat();
                prop_assert_eq!(&joined[..], &bytes[..joined.len()]);
            }
        }
    }
}
