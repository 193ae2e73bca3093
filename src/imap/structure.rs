//! BODYSTRUCTURE (RFC 3501 7.4.2): the parts of a mail as the server describes them.

use crate::model::{Parameters, Part};
use async_imap::imap_proto::{BodyParams, BodyStructure, ContentEncoding};

/// More parts than these are no mail.
const MAX_PARTS: usize = 200;

/// The parts that hold no others.
pub(super) fn parts(body: &BodyStructure<'_>) -> Vec<Part> {
    let mut found = Vec::new();
    walk(body, &mut Vec::new(), &mut found);
    found
}

fn walk(body: &BodyStructure<'_>, within: &mut Vec<String>, found: &mut Vec<Part>) {
    if found.len() >= MAX_PARTS {
        return;
    }
    let (common, other) = match body {
        BodyStructure::Multipart { common, bodies, .. } => {
            within.push(format!("multipart/{}", common.ty.subtype.to_lowercase()));
            for body in bodies {
                walk(body, within, found);
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
    list.map(|(name, value)| (name.to_lowercase(), value.as_bytes().to_vec())).collect()
}
