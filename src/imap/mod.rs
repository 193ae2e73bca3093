//! The only folder that knows IMAP (async-imap, rustls). It knows no storage and no rule of the product.
//!
//! Two traits are its face: [`MailSource`] opens a session for an account, [`MailSession`] is one logged-in
//! connection. An error ends the session; there is no repair in the middle. Access tokens come through a third,
//! [`Bearer`], so that HTTP stays outside.
//!
//! Promises: mailboxes are opened with EXAMINE and read with PEEK, so no flag changes; every command and every wait
//! ends in time; only whole, bounded responses reach the parser.

mod certificate;
mod code;
mod dial;
mod error;
mod fetch;
mod folder_name;
mod frame;
mod frame_scan;
mod idle;
mod list;
mod list_status;
mod login;
mod login_trouble;
mod names;
mod notify;
mod raw_letter;
mod sasl;
mod search;
mod session;
mod special_use;
mod structure;
mod tls;
mod tls_stream;
mod wire;

pub use dial::{Dial, Stream, TcpDial};
pub use error::{ImapError, TlsTrouble};
pub use fetch::MOST_LETTERS;
pub use folder_name::{decode as decode_folder_name, encode as encode_folder_name};
pub use list::Listed;
pub use login_trouble::LoginTrouble;
pub use raw_letter::RawLetter;
pub use sasl::{AccessToken, Bearer, TokenTrouble};
pub use session::ImapSource;

use crate::config::Account;
use crate::model::{Look, RawName, Timestamp, Uid};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Which letters to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UidSet {
    /// `from..=to`.
    Range(Uid, Uid),
    /// From this UID to the end, for servers that give no UIDNEXT. Answers below `from` are left out.
    From(Uid),
    /// Exactly these, ascending.
    These(Vec<Uid>),
}

/// How much of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// UID, flags, INTERNALDATE and size.
    Brief,
    /// The same and the header fields that make a letter.
    Header,
    /// UID and the whole header alone, for servers that answer nothing to a list of fields.
    WholeHeader,
    /// UID and BODYSTRUCTURE: on some servers full of faults (imap-servers A.3), so never beside anything else.
    Structure,
}

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// The server announced letters in the open folder.
    Pushed,
    /// NOTIFY told of other folders only, see [`MailSession::take_told`], or was ended by the server.
    Told,
    /// The time was up.
    Quiet,
    /// We were asked to stop waiting.
    Asked,
}

/// What a server has of what matters to watching, asked after login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// IDLE (RFC 2177).
    pub idle: bool,
    /// NOTIFY (RFC 5465).
    pub notify: bool,
    /// LIST-STATUS (RFC 5819).
    pub list_status: bool,
}

/// Called whenever something of the server's is read, whatever becomes of it: the proof of life. It runs in the middle
/// of the reading and must be cheap.
pub type Heard = Arc<dyn Fn() + Send + Sync>;

/// Opens sessions.
pub trait MailSource: Send + Sync {
    /// Connects, protects the connection, logs in, says ID where the server knows it and asks its capabilities anew.
    ///
    /// # Errors
    /// Whatever goes wrong, told by what it means (see [`ImapError`]); no password is ever in it.
    fn connect<'a>(&'a self, account: &'a Account) -> BoxFuture<'a, Result<Box<dyn MailSession>, ImapError>>;
}

/// One logged-in connection. After any error but `No` and `Bad` it must be dropped.
pub trait MailSession: Send {
    /// What the server has.
    fn offer(&self) -> Offer;
    /// From now on `heard` is called whenever something comes.
    fn on_heard(&mut self, heard: Heard);
    /// All mailboxes that can be opened, by LIST.
    fn folders(&mut self) -> BoxFuture<'_, Result<Vec<Listed>, ImapError>>;
    /// Opens a folder read-only.
    fn examine<'a>(&'a mut self, folder: &'a RawName) -> BoxFuture<'a, Result<Look, ImapError>>;
    /// Looks at a folder that is not open. Never to be called for the open one (RFC 3501 6.3.10).
    fn status<'a>(&'a mut self, folder: &'a RawName) -> BoxFuture<'a, Result<Look, ImapError>>;
    /// Looks at several folders, none of them the open one, with LIST-STATUS (RFC 5819). What the server left out is
    /// missing, and so are folders whose names cannot stand there (wildcards, 8-bit bytes): they need
    /// [`MailSession::status`].
    ///
    /// # Errors
    /// `No` and `Bad` also from servers that advertise it (imap-servers B.3).
    fn list_status<'a>(&'a mut self, folders: &'a [RawName]) -> BoxFuture<'a, Result<Vec<(RawName, Look)>, ImapError>>;
    /// Asks to be told of new letters in all these folders (NOTIFY SET, RFC 5465), the open one among them as the
    /// selected one. Answers what the server says of the others now; NOTIFY tells nothing of those that are missing there
    /// (the server does not know them, or not by this name). From then on
    /// [`MailSession::idle`] ends as well when one of the others changes, or when the server ends NOTIFY; what was told
    /// must then be taken with [`MailSession::take_told`].
    ///
    /// # Errors
    /// `No` and `Bad` where the server does not take it; `No` without asking for more than 100 folders (Dovecot takes no
    /// more) or for names too long for one command. NOTIFY is then off, also one set before.
    fn notify<'a>(&'a mut self, folders: &'a [RawName]) -> BoxFuture<'a, Result<Vec<(RawName, Look)>, ImapError>>;
    /// What NOTIFY told of other folders since the last call: each folder once, by the names that were given to
    /// [`MailSession::notify`], in the order of the last word about it, only if something is not as it was. What a word
    /// left out (Dovecot gives UIDVALIDITY only once) is as it was told before.
    fn take_told(&mut self) -> Vec<(RawName, Look)>;
    /// Whether the server has ended NOTIFY by itself (NOTIFICATIONOVERFLOW) since it was set.
    fn notify_ended(&self) -> bool;
    /// Texts that the server wants a person to see (`ALERT`, RFC 3501 7.1), since the login or the last call: each once,
    /// the newest ten, at most 300 characters each and none of them a control character. After an error too.
    fn take_server_alerts(&mut self) -> Vec<String>;
    /// Fetches letters of the open folder, ascending by UID, only those asked for, at most [`MOST_LETTERS`]: of more in a
    /// range those with the lowest UIDs, so that the next fetch goes on behind the last; of more from a UID on the newest.
    /// With [`Detail::Brief`] all (of these) that are there; with the others a letter whose answer could not be read is
    /// missing.
    fn fetch<'a>(&'a mut self, set: &'a UidSet, detail: Detail) -> BoxFuture<'a, Result<Vec<RawLetter>, ImapError>>;
    /// The first `most` bytes of one part of a letter in the open folder, still encoded. `section` is one that
    /// BODYSTRUCTURE told ([`crate::model::Part::section`]). `None` where the server gives nothing.
    fn part<'a>(
        &'a mut self,
        uid: Uid,
        section: &'a str,
        most: u32,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, ImapError>>;
    /// The UIDs of the open folder's letters with an INTERNALDATE on or after the day before `since`, ascending; letters
    /// that come meanwhile may be missing. Asked for in pieces where the folder is large.
    fn search_since(&mut self, since: Timestamp) -> BoxFuture<'_, Result<Vec<Uid>, ImapError>>;
    /// NOOP; answers whether letters came to the open folder since the last look.
    fn noop(&mut self) -> BoxFuture<'_, Result<bool, ImapError>>;
    /// IDLE until something is pushed, `until`, or `asked` is notified.
    fn idle<'a>(&'a mut self, until: Instant, asked: &'a Notify) -> BoxFuture<'a, Result<Wake, ImapError>>;
    /// How long ago the server's last byte came: the proof of life.
    fn silent_for(&self) -> Duration;
    /// How long the access token of this login still lives, where there is one and its source told. Servers end the
    /// session with it (imap-servers A.4), some without a word.
    fn expires_in(&self) -> Option<Duration> {
        None
    }
    /// Says LOGOUT and closes, within a second or two; errors do not matter any more.
    fn logout(self: Box<Self>) -> BoxFuture<'static, ()>;
}
