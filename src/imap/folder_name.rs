//! Modified UTF-7, the encoding of mailbox names (RFC 3501 5.1.3), and names for people.

use base64::Engine;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &IMAP_MUTF7,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The text of a raw name. Never fails: what is no modified UTF-7 is shown as it stands, 8-bit bytes as UTF-8 or,
/// failing that, as GB18030 (Chinese servers).
pub fn decode(raw: &[u8]) -> String {
    match std::str::from_utf8(raw) {
        Ok(text) if text.is_ascii() => decode_ascii(text).unwrap_or_else(|| text.to_owned()),
        Ok(text) => text.to_owned(),
        Err(_) => encoding_rs::GB18030.decode_without_bom_handling(raw).0.into_owned(),
    }
}

fn decode_ascii(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, shifted)) = rest.split_once('&') {
        out.push_str(plain);
        let (run, after) = shifted.split_once('-')?;
        if run.is_empty() {
            out.push('&');
        } else {
            let bytes = ENGINE.decode(run).ok()?;
            if bytes.len() % 2 != 0 {
                return None;
            }
            let units: Vec<u16> =
                bytes.chunks_exact(2).map(|c| c.iter().fold(0, |n, b| n << 8 | u16::from(*b))).collect();
            out.push_str(&String::from_utf16(&units).ok()?);
        }
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

/// The raw name of a text.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run: Vec<u8> = Vec::new();
    let flush = |run: &mut Vec<u8>, out: &mut String| {
        if !run.is_empty() {
            out.push('&');
            out.push_str(&ENGINE.encode(&run));
            out.push('-');
            run.clear();
        }
    };
    for c in text.chars() {
        if (' '..='~').contains(&c) {
            flush(&mut run, &mut out);
            out.push(c);
            if c == '&' {
                out.push('-');
            }
        } else {
            let mut units = [0_u16; 2];
            run.extend(c.encode_utf16(&mut units).iter().flat_map(|u| u.to_be_bytes()));
        }
    }
    flush(&mut run, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_seen_on_chinese_servers() {
        // imap-servers A.3 [TELNET163] [FILE-QQLIST]
        let seen = [
            ("&g0l6P3ux-", "草稿箱"),
            ("&XfJT0ZAB-", "已发送"),
            ("&V4NXPpCuTvY-", "垃圾邮件"),
            ("&UXZO1mWHTvZZOQ-", "其他文件夹"),
            ("a&-b", "a&b"),
            ("INBOX", "INBOX"),
        ];
        for (raw, text) in seen {
            assert_eq!(decode(raw.as_bytes()), text);
            assert_eq!(encode(text), raw);
        }
    }

    #[test]
    fn bad_names_are_shown_as_they_stand() {
        for bad in ["&!!-", "&&-", "&", "&g0l6", "&2AA-", "a&b"] {
            assert_eq!(decode(bad.as_bytes()), bad);
        }
        assert_eq!(decode("项目".as_bytes()), "项目");
        assert_eq!(decode(&encoding_rs::GBK.encode("项目").0), "项目");
    }

    proptest! {
        #[test]
        fn round_trip(text in ".{0,40}") {
            prop_assert_eq!(decode(encode(&text).as_bytes()), text);
        }

        #[test]
        fn any_bytes_decode(raw in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = decode(&raw);
        }
    }
}
