//! An invitation that a mail brings (iTIP, RFC 5546).

use super::Timestamp;
use jiff::civil;
use serde::{Deserialize, Serialize};

/// What is told of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// What it wants.
    pub method: Method,
    /// When it begins.
    pub start: Option<Start>,
    /// Where, decoded and cleaned.
    pub place: Option<String>,
}

/// METHOD (RFC 5546 1.4), as far as people care.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// REQUEST, ADD, or PUBLISH: something is to take place.
    #[default]
    Request,
    /// CANCEL: it is not.
    Cancel,
    /// REPLY: somebody comes, or does not.
    Reply,
    /// COUNTER: somebody proposes another time.
    Counter,
    /// REFRESH, DECLINECOUNTER, or a word of a later time.
    Other,
}

/// When something begins (RFC 5545 3.3.4, 3.3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// A moment (wall clock).
    At(Timestamp),
    /// A whole day.
    Day(civil::Date),
    /// A time whose zone is not known.
    Local(civil::DateTime),
}
