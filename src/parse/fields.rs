//! A header block cut into its fields, as bytes.

use std::borrow::Cow;

/// The fields of a header block in their order. Lines without a colon are left out; bare LF is taken.
#[derive(Debug)]
pub(super) struct Fields<'a>(Vec<(&'a [u8], &'a [u8])>);

impl<'a> Fields<'a> {
    pub(super) fn split(mut block: &'a [u8]) -> Self {
        block = block.strip_prefix(b"\xef\xbb\xbf").unwrap_or(block).trim_ascii_start();
        let mut fields = Vec::new();
        while !block.is_empty() {
            let end = field_end(block);
            let (field, rest) = block.split_at(end);
            block = rest;
            if matches!(field, b"\r\n" | b"\n") {
                break;
            }
            if let Some(colon) = field.iter().position(|b| *b == b':') {
                let (name, value) = field.split_at(colon);
                fields.push((name.trim_ascii(), value.get(1..).unwrap_or_default().trim_ascii()));
            }
        }
        Self(fields)
    }

    /// The first field of a name: a second Subject or From is forbidden (RFC 5322 3.6), and mostly forged.
    pub(super) fn first(&self, name: &str) -> Option<&'a [u8]> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| *value)
    }

    /// All fields of a name, in their order.
    pub(super) fn all(&self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| *value)
    }
}

/// A block whose lines end as lines should: some old systems write CR alone.
pub(super) fn with_lines(block: &[u8]) -> Cow<'_, [u8]> {
    if block.contains(&b'\n') || !block.contains(&b'\r') {
        return Cow::Borrowed(block);
    }
    Cow::Owned(block.iter().map(|b| if *b == b'\r' { b'\n' } else { *b }).collect())
}

/// Where the first field ends: at the first line end that no blank or tab follows.
fn field_end(block: &[u8]) -> usize {
    let mut from = 0;
    while let Some(offset) = block.get(from..).and_then(|rest| rest.iter().position(|b| *b == b'\n')) {
        let end = from + offset + 1;
        let blank_line = matches!(block.get(..end), Some(b"\n" | b"\r\n"));
        if blank_line || !matches!(block.get(end), Some(b' ' | b'\t')) {
            return end;
        }
        from = end;
    }
    block.len()
}
