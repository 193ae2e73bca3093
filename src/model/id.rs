//! Names of things: accounts, owners, recipients, letters.

use super::Lang;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A message's number in a folder (RFC 3501 2.3.1.1); never 0.
pub type Uid = u32;
/// The epoch of a folder's UIDs (RFC 3501 2.3.1.1). 0 means that the server gave none that can be used.
pub type UidValidity = u32;

/// One IMAP login, named by its mail address in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountId(pub Arc<str>);

impl AccountId {
    /// The account of this address; addresses that differ only in case name one account.
    pub fn new(email: &str) -> Self {
        Self(email.trim().to_lowercase().into())
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who has a sync budget: a user, or a shared account for itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// A WeCom member, by userid in lower case.
    User(Arc<str>),
    /// A shared account (公共邮箱).
    Shared(AccountId),
}

impl Owner {
    /// The key under which the budget is stored; never equal for two owners.
    pub fn key(&self) -> String {
        match self {
            Self::User(user) => format!("user:{user}"),
            Self::Shared(account) => format!("shared:{account}"),
        }
    }
}

/// Who is told: a member, a department or a tag of WeCom (p90236).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Recipient {
    /// A member by userid, in lower case (userids are case-insensitive, p90236).
    User(Arc<str>),
    /// A department (部门) by id.
    Party(u64),
    /// A tag (标签) by id.
    Tag(u64),
}

/// Why a text names no recipient.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text(Lang::En))]
pub struct RecipientError(pub String);

impl RecipientError {
    /// What was written and what to write instead.
    pub fn text(&self, lang: Lang) -> String {
        let said = lang.pick(
            "\"{}\" 不是接收人：请写成员的 userid（1 到 64 个字母、数字或 _ - @ .，以字母或数字开头）、party:部门编号 或 tag:标签编号",
            "\"{}\" is no recipient: write a userid (1 to 64 of a-z 0-9 _ - @ . with a letter or digit first), party:NUMBER or tag:NUMBER",
        );
        said.replace("{}", &self.0)
    }
}

impl Recipient {
    /// Reads `zhangsan`, `party:12` or `tag:3`. Userids: 1 to 64 bytes of letters, digits and `_-@.`,
    /// beginning with a letter or digit (p90195).
    pub fn parse(text: &str) -> Result<Self, RecipientError> {
        let wrong = || RecipientError(text.to_owned());
        if let Some(id) = text.strip_prefix("party:") {
            return id.parse().map(Self::Party).map_err(|_| wrong());
        }
        if let Some(id) = text.strip_prefix("tag:") {
            return id.parse().map(Self::Tag).map_err(|_| wrong());
        }
        let first_fits = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        let rest_fits = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-@.".contains(&b));
        if first_fits && rest_fits && text.len() <= 64 {
            return Ok(Self::User(text.to_ascii_lowercase().into()));
        }
        Err(wrong())
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => f.write_str(user),
            Self::Party(id) => write!(f, "party:{id}"),
            Self::Tag(id) => write!(f, "tag:{id}"),
        }
    }
}

/// What makes two sightings the same letter (design: "Promises", 2): a digest of Message-ID, From, Date and Subject,
/// or, without a Message-ID, also of account, INTERNALDATE, UIDVALIDITY and UID.
///
/// Serialised as hexadecimal digits where people may read it, as 16 bytes elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LetterId(#[serde(with = "digits")] pub [u8; 16]);

/// 16 bytes: hexadecimal digits where people may read them, as they are elsewhere.
pub(super) mod digits {
    use super::{hex, unhex};
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub fn serialize<S: Serializer>(bytes: &[u8; 16], serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => serializer.serialize_str(&hex(bytes)),
            false => bytes.serialize(serializer),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 16], D::Error> {
        if !deserializer.is_human_readable() {
            return Deserialize::deserialize(deserializer);
        }
        let bytes = unhex(&String::deserialize(deserializer)?).and_then(|bytes| bytes.try_into().ok());
        bytes.ok_or_else(|| Error::custom("32 hexadecimal digits are wanted"))
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |text, byte| format!("{text}{byte:02x}"))
}

/// The bytes that hexadecimal digits stand for.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte * 16 + digit)).collect())
}
