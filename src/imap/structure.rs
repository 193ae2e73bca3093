//! BODYSTRUCTURE (RFC 3501 7.4.2): the parts of a mail as the server describes them.

use crate::model::{Parameters, Part};
use async_imap::imap_proto::{BodyParams, BodyStructure, ContentEncoding};
use percent_encoding::percent_decode;

/// More parts than these are no mail.
const MAX_PARTS: usize = 200;

/// The parts that hold no others.
pub(super) fn parts(body: &BodyStructure<'_>) -> Vec<Part> {
    let mut found = Vec::new();
    walk(body, "", &mut Vec::new(), &mut found);
    found
}

/// `section`: of the multipart itself; the only part of a mail that is none has the number 1 (RFC 3501 6.4.5).
fn walk(body: &BodyStructure<'_>, section: &str, within: &mut Vec<String>, found: &mut Vec<Part>) {
    if found.len() >= MAX_PARTS {
        return;
    }
    let (common, other) = match body {
        BodyStructure::Multipart { common, bodies, .. } => {
            within.push(format!("multipart/{}", common.ty.subtype.to_lowercase()));
            for (at, body) in bodies.iter().enumerate() {
                let dot = if section.is_empty() { "" } else { "." };
                walk(body, &format!("{section}{dot}{}", at + 1), within, found);
            }
            within.pop();
            return;
        }
        BodyStructure::Basic { common, other, .. }
        | BodyStructure::Text { common, other, .. }
        | BodyStructure::Message { common, other, .. } => (common, other),
    };
    let (disposition, disposition_parameters) = match &common.disposition {
        Some(disposition) => (Some(disposition.ty.to_lowercase()), parameters(&disposition.params)),
        None => (None, Parameters::new()),
    };
    found.push(Part {
        section: if section.is_empty() { "1".to_owned() } else { section.to_owned() },
        content: None,
        mime: format!("{}/{}", common.ty.ty, common.ty.subtype).to_lowercase(),
        parameters: parameters(&common.ty.params),
        disposition,
        disposition_parameters,
        has_id: other.id.is_some(),
        encoding: match &other.transfer_encoding {
            ContentEncoding::Base64 => "base64".to_owned(),
            ContentEncoding::QuotedPrintable => "quoted-printable".to_owned(),
            ContentEncoding::Other(name) => name.to_lowercase(),
            _ => "binary".to_owned(),
        },
        octets: u64::from(other.octets),
        within: within.clone(),
    });
}

fn parameters(list: &BodyParams<'_>) -> Parameters {
    let list = list.iter().flatten();
    list.map(|(name, value)| (name.to_lowercase(), undone(value.as_bytes()))).collect()
}

/// Dovecot 2.4 decodes RFC 2231 itself, but where a continuation splits a character it leaves all percent signs and drops
/// the charset. Percent signs that are UTF-8 characters of several bytes are that, whoever left them.
fn undone(value: &[u8]) -> Vec<u8> {
    let out: Vec<u8> = percent_decode(value).collect();
    let is_sure = value.is_ascii() && !value.contains(&b'\'') && !out.is_ascii() && std::str::from_utf8(&out).is_ok();
    if is_sure { out } else { value.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dovecot_leaves_half_done_is_done() {
        assert_eq!(undone(b"%E9%99%84%E4%BB%B6.zip"), "附件.zip".as_bytes());
        for left in ["100%25.txt", "%41%42.txt", "a%.txt", "%E9%99", "gbk''%B8%BD", "附件%E9%99%84"] {
            assert_eq!(undone(left.as_bytes()), left.as_bytes(), "{left}");
        }
    }
}
