//! A header block cut into its fields, as bytes, and raw 8-bit text made UTF-8.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};

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

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
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

/// A raw value as UTF-8 on one line. 8-bit text without a label is UTF-8 if it is valid, else what the detector says,
/// with GB18030 for what it cannot tell.
pub(super) fn to_utf8(raw: &[u8]) -> String {
    let text = match std::str::from_utf8(raw) {
        Ok(text) => text.to_owned(),
        Err(_) => {
            let (decoded, broken) = encoding_rs::GB18030.decode_without_bom_handling(raw);
            if broken {
                let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
                detector.feed(raw, true);
                let guess = detector.guess(None, Utf8Detection::Allow);
                guess.decode_without_bom_handling(raw).0.into_owned()
            } else {
                decoded.into_owned()
            }
        }
    };
    text.replace(['\r', '\n'], "")
}
