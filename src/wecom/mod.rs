//! The only folder that knows WeCom (企业微信): its HTTP, its codes, its forms. Source: `wecom-api.md`, pages named
//! as there (p90236 and so on).

mod ask;
mod client;
mod code;
mod directory;
mod encode;
mod http;
mod login;
mod token;

pub use client::{Agent, Client, advice_for, advice_on, cause_of, egress_in};
pub use code::{Cause, Class, class_of};
pub use directory::{Contacts, Directory, Found, Mailbox, Named, Presence, SignedIn};
pub use http::{Carrier, Raw};
pub use login::{browser_login, domain_of, inside_login};

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
    /// `markdown` (p90236).
    Markdown {
        /// At most 2,048 bytes; headings, bold, links, code, quotes and `<font color>` are markup.
        content: String,
    },
    /// `template_card` of the type text_notice (p90236).
    Template(Box<Notice>),
}

/// A text_notice (wecom-api 3.6, 3.7). Lengths are in characters; nothing is markup. What is empty is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// Who speaks, above all else: at most 20.
    pub source: String,
    /// Whether that is red rather than grey.
    pub red: bool,
    /// At most 36.
    pub title: String,
    /// Below the title: at most 44.
    pub desc: String,
    /// Large, at most 14, and what it is, at most 22.
    pub emphasis: Option<(String, String)>,
    /// At most 160.
    pub sub_title: String,
    /// At most 6, each a name of at most 5 and a value of at most 30.
    pub rows: Vec<(String, String)>,
    /// http or https, at most 2,048 bytes.
    pub url: String,
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
