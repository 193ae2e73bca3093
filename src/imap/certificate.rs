//! What a certificate says of itself, for error texts alone: verification is rustls's. Reads DER (X.690) as far as the
//! issuer's name (RFC 5280 4.1) and never fails: what cannot be read is left out.

use sha2::{Digest, Sha256};

/// Longer names are cut.
const MOST_CHARS: usize = 200;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT: u8 = 0x06;

/// Attributes that are shown, by the last byte of their identifier below 2.5.4 (RFC 5280 appendix A.1), in this order.
const SHOWN: [(u8, &str); 3] = [(3, "CN"), (11, "OU"), (10, "O")];

/// The SHA-256 fingerprint as other programs show it: `AB:CD:…`.
pub(super) fn fingerprint(certificate: &[u8]) -> String {
    let pairs: Vec<_> = Sha256::digest(certificate).iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

/// The issuer's name: `CN=Corp CA, O=Corp`.
pub(super) fn issuer(certificate: &[u8]) -> Option<String> {
    let (_, outer, _) = element(certificate)?;
    let (tag, body, _) = element(outer)?;
    if tag != SEQUENCE {
        return None;
    }
    let mut rest = body;
    // version [0] (may be missing), serial number, signature algorithm
    if rest.first() == Some(&0xA0) {
        rest = element(rest)?.2;
    }
    for _ in 0..2 {
        rest = element(rest)?.2;
    }
    name(element(rest)?.1)
}

/// A distinguished name: SEQUENCE OF SET OF SEQUENCE { type, value }.
fn name(mut sets: &[u8]) -> Option<String> {
    let mut found: Vec<(usize, String)> = Vec::new();
    while let Some((SET, mut set, after)) = element(sets) {
        while let Some((SEQUENCE, pair, next)) = element(set) {
            if let Some((OBJECT, &[0x55, 0x04, kind], value)) = element(pair)
                && let Some(at) = SHOWN.iter().position(|(shown, _)| *shown == kind)
                && let Some(text) = element(value).and_then(|(tag, bytes, _)| text(tag, bytes))
            {
                found.push((at, text));
            }
            set = next;
        }
        sets = after;
    }
    found.sort_by_key(|(at, _)| *at);
    let shown: Vec<_> =
        found.iter().filter_map(|(at, text)| SHOWN.get(*at).map(|(_, key)| format!("{key}={text}"))).collect();
    let text: String = shown.join(", ").chars().take(MOST_CHARS).collect();
    (!text.is_empty()).then_some(text)
}

/// One of the string types of a name.
fn text(tag: u8, bytes: &[u8]) -> Option<String> {
    let text = match tag {
        // UTF8String, PrintableString, IA5String
        0x0C | 0x13 | 0x16 => String::from_utf8_lossy(bytes).into_owned(),
        // TeletexString, in practice Latin-1
        0x14 => bytes.iter().map(|byte| char::from(*byte)).collect(),
        // BMPString
        0x1E => {
            let units = bytes.chunks_exact(2).filter_map(|pair| Some(u16::from_be_bytes(pair.try_into().ok()?)));
            char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
        _ => return None,
    };
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    (!text.is_empty()).then_some(text)
}

/// The first element: its tag, what is in it, what comes behind it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7F => (usize::from(*first), rest),
        // Long form; more than four bytes of length are no certificate.
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7F))?;
            (digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (inside, behind) = rest.split_at_checked(length)?;
    Some((*tag, inside, behind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let body = parts.concat();
        let mut out = vec![tag];
        match u8::try_from(body.len()) {
            Ok(short @ 0..=0x7F) => out.push(short),
            _ => out.extend([0x82, (body.len() >> 8) as u8, body.len() as u8]),
        }
        [out, body].concat()
    }

    fn attribute(kind: u8, tag: u8, value: &[u8]) -> Vec<u8> {
        der(SET, &[&der(SEQUENCE, &[&der(OBJECT, &[&[0x55, 0x04, kind]]), &der(tag, &[value])])])
    }

    fn certificate(version: bool, name: &[Vec<u8>]) -> Vec<u8> {
        let name: Vec<_> = name.iter().map(Vec::as_slice).collect();
        let version = if version { der(0xA0, &[&der(0x02, &[&[2]])]) } else { Vec::new() };
        let body =
            der(SEQUENCE, &[&version, &der(0x02, &[&[1; 20]]), &der(SEQUENCE, &[]), &der(SEQUENCE, &name), &[0; 300]]);
        der(SEQUENCE, &[&body, &[0; 70]])
    }

    #[test]
    fn names_in_every_kind_of_string() {
        let name = [
            attribute(6, 0x13, b"CN"),
            attribute(10, 0x0C, "某某公司".as_bytes()),
            attribute(3, 0x13, b"Corp\r\n CA"),
            attribute(11, 0x1E, &[0x90, 0xAE, 0x4E, 0xF6]),
        ];
        for version in [true, false] {
            assert_eq!(issuer(&certificate(version, &name)).as_deref(), Some("CN=Corp CA, OU=邮件, O=某某公司"));
        }
        assert_eq!(issuer(&certificate(true, &[attribute(3, 0x14, &[0xFC])])).as_deref(), Some("CN=ü"));
        assert_eq!(issuer(&certificate(true, &[])), None);
        let long = issuer(&certificate(
            true,
            &[attribute(3, 0x0C, "长".repeat(150).as_bytes()), attribute(10, 0x0C, "长".repeat(150).as_bytes())],
        ));
        assert_eq!(long.map(|name| name.chars().count()), Some(MOST_CHARS));
    }

    #[test]
    fn fingerprints_look_as_elsewhere() {
        assert!(fingerprint(b"").starts_with("E3:B0:C4:42:98:FC:1C:14:"));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0_usize..600) {
            drop(issuer(&bytes));
            let mut whole = certificate(true, &[attribute(3, 0x0C, b"Corp")]);
            whole.truncate(cut);
            drop(issuer(&whole));
        }
    }
}
