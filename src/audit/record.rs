//! One line of the audit.

use super::files::Head;
use crate::model::{By, Deed, Done, Role, Timestamp, What, Who, hex};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What stands before a line's own hash. Inside JSON's strings a quotation mark has a backslash before it, so it cannot
/// come from a text.
const HASH: &str = ",\"hash\":\"";

/// One record, as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its number, from 1, without gaps.
    pub no: u64,
    /// When (RFC 3339, UTC).
    pub at: String,
    /// Who, and from where.
    #[serde(flatten)]
    pub by: By,
    /// What.
    pub what: What,
    /// Whom or what it concerns.
    #[serde(default)]
    pub whom: String,
    /// What came of it.
    pub result: Done,
    /// More.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub detail: BTreeMap<String, String>,
    /// The hash of the record before it.
    pub prev: String,
    /// SHA-256 of this line up to here.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hash: String,
}

impl Record {
    /// When (wall clock).
    pub fn at(&self) -> Timestamp {
        self.at.parse::<jiff::Timestamp>().map(|at| Timestamp(at.as_millisecond())).unwrap_or_default()
    }

    /// Who did it, in one word: a userid, `operator:root`, `token`, `mailbell`, `stranger`.
    pub fn who(&self) -> String {
        match &self.by.who {
            Who::Service => "mailbell".to_owned(),
            Who::Operator(name) => format!("operator:{name}"),
            Who::Member(userid, Role::Administrator) => userid.clone(),
            Who::Member(userid, role) => format!("{userid} ({})", role.word()),
            Who::Token => "token".to_owned(),
            Who::Stranger => "stranger".to_owned(),
        }
    }

    /// Why it was refused; `None`: it was done.
    pub fn refusal(&self) -> Option<&str> {
        match &self.result {
            Done::Ok => None,
            Done::Refused(why) => Some(why),
        }
    }
}

/// The line of what follows `head`, without its end.
pub(super) fn line(head: &Head, by: &By, deed: &Deed, at: Timestamp) -> std::io::Result<String> {
    let when = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
    let record = Record {
        no: head.no + 1,
        at: when.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        by: by.clone(),
        what: deed.what,
        whom: deed.whom.clone(),
        result: deed.result.clone(),
        detail: deed.detail.clone(),
        prev: head.hash.clone(),
        hash: String::new(),
    };
    let text = serde_json::to_string(&record)?;
    let body = text.strip_suffix('}').unwrap_or(&text);
    Ok(format!("{body}{HASH}{}\"}}", digest(body)))
}

fn digest(body: &str) -> String {
    hex(&Sha256::digest(body.as_bytes()))
}

/// The hash that a line says it has.
pub(super) fn hash_of(line: &str) -> Option<&str> {
    line.rsplit_once(HASH)?.1.strip_suffix("\"}")
}

/// Whether a line's hash is the one of its text.
pub(super) fn is_true(line: &str) -> bool {
    line.rsplit_once(HASH).is_some_and(|(body, _)| hash_of(line) == Some(digest(body).as_str()))
}

pub(super) fn parse(line: &str) -> Option<Record> {
    serde_json::from_str(line).ok()
}
