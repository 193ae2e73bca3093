//! The only folder that knows WeCom (企业微信): its HTTP, its codes, its forms. Source: `wecom-api.md`, pages named
//! as there (p90236 and so on).

mod client;
mod code;
mod encode;
mod http;
mod token;

pub use client::{Agent, Client, advice_for, advice_on};
pub use code::{Class, class_of};
pub use http::{Carrier, Raw};

use crate::model::Recipient;
use crate::rules::retry::Outcome;
use futures_util::future::BoxFuture;

/// What an alert shows. Texts have no control characters but `\n` where it is allowed, and fit their limits
/// in bytes, which fits both readings of the units (wecom-api 3.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// `text` (p90236): at most 2,048 bytes; `\n` and `<a href>` are markup.
    Text {
        /// The content.
        content: String,
    },
    /// `textcard` (p90236).
    Textcard {
        /// At most 128 bytes.
        title: String,
        /// At most 512 bytes; `<br>` and `<div class>` are markup.
        description: String,
        /// http or https, at most 2,048 bytes.
        url: String,
        /// At most 4 characters.
        button: String,
    },
}

/// Sends alerts.
pub trait Push: Send + Sync {
    /// The request body for a message to all of these: the exact bytes of every try of it.
    fn encode(&self, to: &[Recipient], message: &Message) -> Vec<u8>;
    /// Sends a body once (and once more with a new token, if the token was refused) and says what came of it. `to` is
    /// whom the body is for.
    fn send<'a>(&'a self, to: &'a [Recipient], body: &'a [u8]) -> BoxFuture<'a, Sent>;
}

/// What came of a send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// What it asks of us.
    pub outcome: Outcome,
    /// WeCom's words: errcode, errmsg, msgid.
    pub answer: String,
}

impl From<Outcome> for Sent {
    fn from(outcome: Outcome) -> Self {
        Self { answer: outcome.reason().to_owned(), outcome }
    }
}
