//! Charsets of 7 bits that switch by escapes and that nobody else decodes: HZ (RFC 1843), ISO-2022-CN (RFC 1922),
//! ISO-2022-KR (RFC 1557) and UTF-7. Their double-byte characters are those of GB 2312 and KS X 1001 without the high bits.

use super::words;
use encoding_rs::{EUC_KR, Encoding, GB18030};
use std::borrow::Cow;

/// ISO-2022-CN or ISO-2022-KR, if the bytes say that they are one of them.
pub(super) fn text(bytes: &[u8]) -> Option<String> {
    let has = |escape: &[u8]| bytes.windows(escape.len()).any(|window| window == escape);
    let shifts = bytes.contains(&0x0e) || has(b"\x1bN");
    match () {
        () if shifts && (has(b"\x1b$)A") || has(b"\x1b$)G") || has(b"\x1b$)E")) => Some(iso2022(bytes)),
        () if shifts && has(b"\x1b$)C") => Some(iso2022(bytes)),
        () => None,
    }
}

/// ISO-2022-JP without the escapes that another follows at once: they switch to a set that nobody uses, and decoders take
/// them for an attack.
pub(super) fn without_idle(bytes: &[u8]) -> Cow<'_, [u8]> {
    let idle = |rest: &[u8]| match rest {
        [0x1b, b'$', b'(', _, 0x1b, ..] => 4,
        [0x1b, b'(' | b'$', _, 0x1b, ..] => 3,
        _ => 0,
    };
    if !bytes.windows(4).any(|four| matches!(four, [0x1b, _, _, 0x1b] | [_, b'(', _, 0x1b])) {
        return Cow::Borrowed(bytes);
    }
    let (mut out, mut rest) = (Vec::with_capacity(bytes.len()), bytes);
    while let Some((first, more)) = rest.split_first() {
        rest = match idle(rest) {
            0 => {
                out.push(*first);
                more
            }
            length => rest.get(length..).unwrap_or_default(),
        };
    }
    Cow::Owned(out)
}

/// What SO switches to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Set {
    Gb2312,
    KsX1001,
    /// CNS 11643 and others, whose tables are not here.
    Unknown,
}

/// ISO-2022-CN and ISO-2022-KR.
pub(super) fn iso2022(bytes: &[u8]) -> String {
    let (mut out, mut rest) = (String::new(), bytes);
    let (mut set, mut shifted) = (Set::Gb2312, false);
    while let Some((first, more)) = rest.split_first() {
        rest = more;
        match first {
            0x1b => match rest {
                [b'$', b')' | b'*' | b'+', which, more @ ..] => {
                    if rest.get(1) == Some(&b')') {
                        set = match which {
                            b'A' => Set::Gb2312,
                            b'C' => Set::KsX1001,
                            _ => Set::Unknown,
                        };
                    }
                    rest = more;
                }
                // One character of the second plane of CNS 11643.
                [b'N' | b'O', _, _, more @ ..] => {
                    out.push('\u{fffd}');
                    rest = more;
                }
                _ => {}
            },
            0x0e => shifted = true,
            0x0f => shifted = false,
            b'\r' | b'\n' => shifted = false,
            0x21..=0x7e if shifted => match rest.split_first() {
                Some((second, more)) => {
                    rest = more;
                    out.push_str(&pair(set, *first, *second));
                }
                None => out.push('\u{fffd}'),
            },
            _ => out.push(char::from(*first)),
        }
    }
    out
}

/// HZ: `~{` to `~}` holds GB 2312, `~~` is a tilde, and a tilde before a line end is nothing.
pub(super) fn hz(bytes: &[u8]) -> String {
    let (mut out, mut rest, mut chinese) = (String::new(), bytes, false);
    loop {
        rest = match rest {
            [] => return out,
            [b'~', b'{', more @ ..] => {
                chinese = true;
                more
            }
            [b'~', b'}', more @ ..] => {
                chinese = false;
                more
            }
            [b'~', b'~', more @ ..] if !chinese => {
                out.push('~');
                more
            }
            [b'~', b'\n', more @ ..] => more,
            [first @ 0x21..=0x7e, second, more @ ..] if chinese => {
                out.push_str(&pair(Set::Gb2312, *first, *second));
                more
            }
            [first, more @ ..] => {
                // GBK under a label of HZ is met, too.
                if !first.is_ascii() {
                    out.push_str(&GB18030.decode_without_bom_handling(rest).0);
                    return out;
                }
                out.push(char::from(*first));
                more
            }
        };
    }
}

/// UTF-7 (RFC 2152): `+` to `-` holds UTF-16 in base64, `+-` is a plus.
pub(super) fn utf7(bytes: &[u8]) -> String {
    let (mut out, mut rest) = (String::new(), bytes);
    while let Some((first, more)) = rest.split_first() {
        rest = more;
        if *first != b'+' {
            out.push(char::from(*first));
            continue;
        }
        let length = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')).count();
        let (digits, after) = rest.split_at(length);
        rest = after.strip_prefix(b"-").unwrap_or(after);
        if digits.is_empty() {
            out.push('+');
            continue;
        }
        let bytes = words::base64(digits);
        let units = bytes.chunks_exact(2).map(|two| two.iter().fold(0, |unit, b| unit << 8 | u16::from(*b)));
        out.extend(char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')));
    }
    out
}

fn pair(set: Set, first: u8, second: u8) -> String {
    let encoding: &'static Encoding = match set {
        Set::Gb2312 => GB18030,
        Set::KsX1001 => EUC_KR,
        Set::Unknown => return '\u{fffd}'.to_string(),
    };
    encoding.decode_without_bom_handling(&[first | 0x80, second | 0x80]).0.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_by_escapes() {
        assert_eq!(hz(b"Re: ~{;aRi~} ~~1"), "Re: 会议 ~1");
        assert_eq!(iso2022(b"\x1b$)A\x0e;aRi\x0f ok"), "会议 ok");
        assert_eq!(text(b"\x1b$)C\x0eH8@G\x0f"), Some("회의".to_owned()));
        assert_eq!(text(b"\x1b$)A\x0e;a"), Some("会".to_owned()));
        assert_eq!(iso2022(b"\x1b$)G\x0eABCD\x0f!"), "\u{fffd}\u{fffd}!");
        assert_eq!(text("会议".as_bytes()), None);
        assert_eq!(hz(b"~{;"), ";");
        assert_eq!(without_idle(b"\x1b$B21\x1b(B\x1b$B43\x1b(B").as_ref(), b"\x1b$B21\x1b$B43\x1b(B");
        assert_eq!(without_idle(b"\x1b$(D\x1b(B\x1b(J\x1b$B").as_ref(), b"\x1b$B");
    }
}
