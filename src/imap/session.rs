//! A logged-in connection over the command runner.

use super::dial::Dial;
use super::error::ImapError;
use super::login::{self, Capabilities, LOGOUT_TIMEOUT, Opened, has};
use super::wire::{Event, Wire, argument};
use super::{Bearer, Detail, Heard, Listed, MailSession, MailSource, Offer, RawLetter, UidSet, Wake};
use super::{fetch, idle, list, list_status, notify, search, special_use};
use crate::config::{Account, Imap, Mode};
use crate::model::{Look, RawName, Timestamp, Uid};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tracing::debug;

/// Opens sessions over a [`Dial`].
pub struct ImapSource {
    dial: Arc<dyn Dial>,
    imap: Imap,
    bearer: Option<Arc<dyn Bearer>>,
}

impl ImapSource {
    /// A source with the time-outs of `imap`.
    pub fn new(dial: Arc<dyn Dial>, imap: Imap) -> Self {
        Self { dial, imap, bearer: None }
    }

    /// The same with access tokens for the accounts that log in with them; without, these cannot.
    #[must_use]
    pub fn with_bearer(self, bearer: Arc<dyn Bearer>) -> Self {
        Self { bearer: Some(bearer), ..self }
    }
}

impl MailSource for ImapSource {
    fn connect<'a>(&'a self, account: &'a Account) -> BoxFuture<'a, Result<Box<dyn MailSession>, ImapError>> {
        Box::pin(async move {
            let Opened { wire, capabilities, expires_at } =
                login::open(&*self.dial, account, &self.imap, self.bearer.as_deref()).await?;
            let has = Has::of(&capabilities);
            let session = Session { wire, has, mode: account.mode, expires_at, open: None, no_uses: false };
            Ok(Box::new(session) as Box<dyn MailSession>)
        })
    }
}

/// What matters here of a server's capabilities: few bytes, for they are kept as long as the session.
#[derive(Clone, Copy, Debug)]
struct Has {
    idle: bool,
    notify: bool,
    list_status: bool,
    list_extended: bool,
    special_use: bool,
    namespace: bool,
    /// Folders have a MAILBOXID (RFC 8474); else none is believed.
    object_id: bool,
}

impl Has {
    fn of(capabilities: &Capabilities) -> Self {
        let has = |name| has(capabilities, name);
        Self {
            idle: has("IDLE"),
            notify: has("NOTIFY"),
            list_status: has("LIST-STATUS"),
            list_extended: has("LIST-EXTENDED"),
            special_use: has("SPECIAL-USE"),
            namespace: has("NAMESPACE"),
            object_id: has("OBJECTID"),
        }
    }
}

struct Session {
    wire: Wire,
    has: Has,
    mode: Mode,
    /// When the access token ends that it was opened with.
    expires_at: Option<Instant>,
    open: Option<RawName>,
    /// The server was asked for special uses and told none.
    no_uses: bool,
}

impl Session {
    /// The personal namespace's prefix, where the server tells it (RFC 2342).
    async fn personal_prefix(&mut self) -> Result<Option<Vec<u8>>, ImapError> {
        if !self.has.namespace {
            return Ok(None);
        }
        match self.list("NAMESPACE", b"").await {
            Err(error) if !error.is_answer() => Err(error),
            lines => Ok(lines.unwrap_or_default().iter().find_map(|line| list::personal_prefix(line))),
        }
    }

    /// Runs a command for its LIST and NAMESPACE lines; STATUS lines among them are NOTIFY's.
    async fn list(&mut self, name: &'static str, rest: &[u8]) -> Result<Vec<Vec<u8>>, ImapError> {
        let lines = self.wire.run_listing(name, &[rest.to_vec()]).await?;
        lines.iter().for_each(|line| self.wire.told.line(line));
        Ok(lines)
    }

    /// All mailboxes. Servers that have special uses may keep them for those who ask (RFC 6154 section 2).
    async fn list_all(&mut self) -> Result<Vec<Listed>, ImapError> {
        let lines = self.list("LIST", b"\"\" \"*\"").await?;
        let listed: Vec<_> = lines.iter().filter_map(|line| list::list_line(line)).collect();
        let can_ask = self.has.special_use && self.has.list_extended;
        if special_use::are_told(&listed) || !can_ask || self.no_uses {
            return Ok(listed);
        }
        let told = match self.list("LIST", b"\"\" \"*\" RETURN (SPECIAL-USE)").await {
            Err(error) if error.is_answer() => Vec::new(),
            lines => lines?.iter().filter_map(|line| list::list_line(line)).collect(),
        };
        self.no_uses = !special_use::are_told(&told);
        Ok(if self.no_uses { listed } else { told })
    }

    async fn look_by_examine(&mut self, folder: &RawName) -> Result<Look, ImapError> {
        self.wire.exists = None;
        self.open = None;
        let mut look = Look::default();
        let mut parts = Vec::new();
        argument(&mut parts, &folder.0);
        self.wire.take_mailbox_id();
        self.wire
            .run_parts("EXAMINE", &parts, &mut |event| {
                if let Event::Code(code) = event {
                    look.uid_next = code.uid_next.or(look.uid_next);
                    look.uid_validity = code.uid_validity.or(look.uid_validity);
                }
            })
            .await?;
        self.open = Some(folder.clone());
        look.uid_next = look.uid_next.filter(|n| *n > 0);
        look.uid_validity = look.uid_validity.filter(|n| *n > 0);
        look.exists = self.wire.exists;
        look.mailbox_id = self.wire.take_mailbox_id().filter(|_| self.has.object_id);
        self.wire.take_grown();
        Ok(look)
    }

    fn tell_dropped(&self, before: u32) {
        if self.wire.dropped() > before {
            debug!(line = self.wire.last_dropped(), "a line of the server could not be read and was left out");
        }
    }
}

impl MailSession for Session {
    fn offer(&self) -> Offer {
        Offer {
            // Or the config says to try.
            idle: self.has.idle || self.mode == Mode::Idle,
            notify: self.has.notify || self.mode == Mode::Notify,
            list_status: self.has.list_status,
        }
    }

    fn on_heard(&mut self, heard: Heard) {
        self.wire.on_heard(heard);
    }

    fn folders(&mut self) -> BoxFuture<'_, Result<Vec<Listed>, ImapError>> {
        Box::pin(async move {
            let personal = self.personal_prefix().await?;
            let mut listed = self.list_all().await?;
            for mailbox in &mut listed {
                mailbox.prefix = personal.as_ref().map(|prefix| list::prefix_of(&mailbox.raw.0, prefix));
            }
            special_use::guess(&mut listed);
            Ok(listed)
        })
    }

    fn examine<'a>(&'a mut self, folder: &'a RawName) -> BoxFuture<'a, Result<Look, ImapError>> {
        Box::pin(self.look_by_examine(folder))
    }

    fn status<'a>(&'a mut self, folder: &'a RawName) -> BoxFuture<'a, Result<Look, ImapError>> {
        Box::pin(list_status::status(&mut self.wire, folder))
    }

    fn list_status<'a>(&'a mut self, folders: &'a [RawName]) -> BoxFuture<'a, Result<Vec<(RawName, Look)>, ImapError>> {
        Box::pin(list_status::list_status(&mut self.wire, folders))
    }

    fn notify<'a>(&'a mut self, folders: &'a [RawName]) -> BoxFuture<'a, Result<Vec<(RawName, Look)>, ImapError>> {
        Box::pin(notify::notify(&mut self.wire, folders, self.open.as_ref()))
    }

    fn take_told(&mut self) -> Vec<(RawName, Look)> {
        let mut told = self.wire.told.take();
        // Of the open folder EXISTS tells; some servers may say it twice.
        told.retain(|(name, _)| Some(name) != self.open.as_ref());
        told
    }

    fn notify_ended(&self) -> bool {
        self.wire.told.has_ended()
    }

    fn take_server_alerts(&mut self) -> Vec<String> {
        self.wire.take_alerts()
    }

    fn fetch<'a>(&'a mut self, set: &'a UidSet, detail: Detail) -> BoxFuture<'a, Result<Vec<RawLetter>, ImapError>> {
        Box::pin(async move {
            let before = self.wire.dropped();
            let letters = fetch::fetch(&mut self.wire, set, detail).await;
            self.tell_dropped(before);
            letters
        })
    }

    fn part<'a>(
        &'a mut self,
        uid: Uid,
        section: &'a str,
        most: u32,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, ImapError>> {
        Box::pin(fetch::part(&mut self.wire, uid, section, most))
    }

    fn search_since(&mut self, since: Timestamp) -> BoxFuture<'_, Result<Vec<Uid>, ImapError>> {
        Box::pin(search::since(&mut self.wire, since))
    }

    fn noop(&mut self) -> BoxFuture<'_, Result<bool, ImapError>> {
        Box::pin(async move {
            self.wire.run("NOOP", b"", &mut |_| {}).await?;
            Ok(self.wire.take_grown())
        })
    }

    fn idle<'a>(&'a mut self, until: Instant, asked: &'a Notify) -> BoxFuture<'a, Result<Wake, ImapError>> {
        Box::pin(idle::idle(&mut self.wire, until, asked))
    }

    fn silent_for(&self) -> Duration {
        self.wire.silent_for()
    }

    fn expires_in(&self) -> Option<Duration> {
        self.expires_at.map(|at| at.saturating_duration_since(Instant::now()))
    }

    fn logout(mut self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let _ = timeout(LOGOUT_TIMEOUT, self.wire.run("LOGOUT", b"", &mut |_| {})).await;
        })
    }
}
