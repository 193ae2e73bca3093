//! A whole mail, as it lies in a file: its header and its parts.

use super::fields::Fields;
use super::{invitation, params, words};
use crate::model::{Parameters, Part};
use crate::unwind::caught;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{MessageParser, MessagePart, PartType};
use memchr::memmem;

/// Parts that are looked at; a mail of more is no mail.
const MAX_PARTS: usize = 1000;

/// The header block of a mail, with the empty line that ends it.
pub fn header_of(mail: &[u8]) -> &[u8] {
    let blank = mail.iter().take_while(|b| b.is_ascii_whitespace()).count();
    let rest = mail.get(blank..).unwrap_or_default();
    let ends = [&b"\r\n\r\n"[..], b"\n\n", b"\r\r"];
    let found = ends.iter().filter_map(|end| Some(memmem::find(rest, end)? + end.len())).min();
    rest.get(..found.unwrap_or(rest.len())).unwrap_or(rest)
}

/// The parts of a mail that hold no others. Never fails: what cannot be taken apart has none.
pub fn parts_of(mail: &[u8]) -> Vec<Part> {
    caught(|| {
        let mut found = Vec::new();
        if let Some(message) = MessageParser::new().parse(mail) {
            walk(mail, &message.parts, 0, &mut Vec::new(), &mut found);
        }
        found
    })
    .unwrap_or_default()
}

fn walk(mail: &[u8], parts: &[MessagePart<'_>], at: usize, within: &mut Vec<String>, found: &mut Vec<Part>) {
    let Some(part) = parts.get(at).filter(|_| found.len() < MAX_PARTS && within.len() < 50) else { return };
    let slice = |from: u32, to: u32| mail.get(from as usize..to as usize).unwrap_or_default();
    let header = slice(part.offset_header, part.offset_body);
    let fields = Fields::split(header);
    let of = |name: &str| fields.first(name).map(params::split);
    let (mime, parameters) = of("content-type").unwrap_or_default();
    if let PartType::Multipart(children) = &part.body {
        within.push(mime);
        for child in children {
            walk(mail, parts, *child as usize, within, found);
        }
        within.pop();
        return;
    }
    let (disposition, disposition_parameters): (Option<String>, Parameters) = match of("content-disposition") {
        Some((value, list)) => (Some(value), list),
        None => (None, Parameters::new()),
    };
    let encoding = of("content-transfer-encoding").map(|(value, _)| value).unwrap_or_default();
    let body = slice(part.offset_body, part.offset_end);
    let octets = match encoding.as_str() {
        "base64" => words::base64(body).len(),
        "quoted-printable" => quoted_printable_decode(body).map_or(body.len(), |text| text.len()),
        _ => body.len(),
    };
    let is_calendar = invitation::is_one(&mime) && found.iter().all(|part| part.content.is_none());
    let content = match encoding.as_str() {
        _ if !is_calendar => None,
        "base64" => Some(words::base64(body)),
        "quoted-printable" => quoted_printable_decode(body),
        _ => Some(body.to_vec()),
    };
    found.push(Part {
        section: String::new(),
        content,
        mime: if mime.is_empty() { "text/plain".to_owned() } else { mime },
        parameters,
        disposition,
        disposition_parameters,
        has_id: fields.first("content-id").is_some(),
        // They are counted decoded.
        encoding: "binary".to_owned(),
        octets: octets as u64,
        within: within.clone(),
    });
}
