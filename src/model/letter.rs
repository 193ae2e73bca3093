//! A letter: what is known of one mail, never its body.

use super::{Fingerprint, Invitation, LetterId, Timestamp};
use serde::{Deserialize, Serialize};

/// Who a letter says it is from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// The display name, decoded and cleaned.
    pub name: Option<String>,
    /// The address.
    pub address: Option<String>,
}

/// What is known of one mail. Texts are valid UTF-8 without control or direction characters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// What tells it from other letters.
    pub id: LetterId,
    /// The first From, or what stands in for it.
    pub from: Sender,
    /// The subject, decoded and cleaned; `None` where there is none.
    pub subject: Option<String>,
    /// Whom it is written to (To); at most [`Letter::PEOPLE`].
    pub to: Vec<Sender>,
    /// Who gets a copy (Cc); at most [`Letter::PEOPLE`].
    pub cc: Vec<Sender>,
    /// The mailing list (List-Id, RFC 2919), in lower case, without its description.
    pub list_id: Option<String>,
    /// How important its sender finds it.
    pub priority: Priority,
    /// The thread, by fingerprints of Message-IDs: its own, the first of all, then the nearest before it (References,
    /// In-Reply-To; RFC 5322 3.6.4); at most [`Letter::THREAD`].
    pub thread: Vec<Fingerprint>,
    /// INTERNALDATE: when the server received it (wall clock).
    pub time: Timestamp,
    /// RFC822.SIZE in bytes, 0 where the server gave none.
    pub size: u64,
    /// Whether the Content-Type hints at attachments (`multipart/mixed`).
    pub attachment: bool,
    /// Its attachments, where the server could tell of them; at most [`Letter::ATTACHMENTS`].
    pub attachments: Vec<Attachment>,
    /// How many attachments it has, those that are not kept among them.
    pub attachment_count: u32,
    /// What kind of mail it is, where it is not just a mail; in the order of [`Kind`], each once.
    pub kinds: Vec<Kind>,
    /// The Date field, where it is more than a day away from `time` (wall clock).
    pub dated: Option<Timestamp>,
    /// The address that answers go to, where it is another than the sender's.
    pub reply_to: Option<String>,
    /// What the receiving server found out about the sender, where its word is trusted.
    pub verdict: Option<Verdict>,
    /// The invitation that it brings, as far as it could be had.
    pub invitation: Option<Invitation>,
    /// Nobody has met the sender's address for so many days (30 at most, for that is how long it is remembered, and no
    /// more than its memory reaches back); `None`: they are known, or have no address.
    pub unmet_days: Option<u8>,
    /// The sender's name is a colleague's, the address is not one's own company's.
    pub borrowed_name: bool,
    /// Whether it carries \Seen.
    pub seen: bool,
    /// False where the header could not be read at all.
    pub readable: bool,
}

impl Letter {
    /// More attachments of one letter are not kept.
    pub const ATTACHMENTS: usize = 20;
    /// More people of one field are not kept.
    pub const PEOPLE: usize = 30;
    /// More Message-IDs of a thread are not kept.
    pub const THREAD: usize = 10;
}

/// A file in a mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its name without a path, decoded and cleaned.
    pub name: Option<String>,
    /// Bytes, decoded; nearly so where only the server's count is known.
    pub size: u64,
}

/// How important a sender finds a mail (Importance, RFC 2156; X-Priority; Priority).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Important.
    High,
    /// As most is.
    #[default]
    Normal,
    /// It can wait.
    Low,
}

impl Priority {
    /// All of them, the highest first.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    /// As the config file writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Calendar, Self::Encrypted, Self::Signed, Self::Bulk, Self::Auto, Self::Bounce];

    /// As the config file writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Calendar => "calendar",
            Self::Encrypted => "encrypted",
            Self::Signed => "signed",
            Self::Bulk => "bulk",
            Self::Auto => "auto",
            Self::Bounce => "bounce",
        }
    }
}

/// What a mail is beside a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It brings an invitation (iTIP, RFC 5546).
    Calendar,
    /// Its content is encrypted (S/MIME, OpenPGP).
    Encrypted,
    /// It is signed by its sender (S/MIME, OpenPGP); whether rightly is not looked at.
    Signed,
    /// To a list or to many: List-Id (RFC 2919) or Precedence.
    Bulk,
    /// Sent by a program (Auto-Submitted, RFC 3834).
    Auto,
    /// A report that another mail was not delivered (RFC 3464).
    Bounce,
}

/// What the receiving server says of the sender (Authentication-Results, RFC 8601).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// DMARC passed, or, without DMARC, a DKIM or SPF check for the sender's own domain.
    Pass,
    /// DMARC failed.
    Fail,
}
