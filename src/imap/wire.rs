//! The command runner: one tagged command at a time, read to its own completion.
//!
//! async-imap's typed calls answer `Ok` to NO, BAD and a closed connection (crates 2), so they are not used: commands
//! are written here, its `Client` reads and parses the responses. Each has a client of its own, for a client keeps 4 KiB
//! to read into, and most connections do nothing most of the time.

use super::error::ImapError;
use super::frame::{EARLY, Framed};
use super::notify::Told;
use super::raw_letter::RawLetter;
use super::{Heard, Stream};
use crate::model::Look;
use async_imap::Client;
use async_imap::imap_proto::{Capability, MailboxDatum, Response, ResponseCode, Status};
use futures_util::FutureExt;
use std::future::poll_fn;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout, timeout_at};

/// Time-outs of a command that goes on and on: each response must come within one, all of them within so many.
const MOST_TIMEOUTS: u32 = 10;
/// After a BYE the server closes (RFC 3501 7.1.5); some repeat it until we do (imap-servers A.3). So long the completion
/// of the command is still waited for.
const AFTER_BYE: Duration = Duration::from_secs(2);

/// LIST and STATUS lines kept for one command, in bytes: some 100,000 folders.
const MAX_KEPT_BYTES: usize = 16 * 1024 * 1024;

/// The word of a status response (RFC 3501 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Ok,
    No,
    Bad,
    PreAuth,
    Bye,
}

impl Word {
    fn of(status: &Status) -> Self {
        match status {
            Status::Ok => Self::Ok,
            Status::No => Self::No,
            Status::Bad => Self::Bad,
            Status::PreAuth => Self::PreAuth,
            Status::Bye => Self::Bye,
        }
    }
}

/// One response, as far as anybody here cares.
#[derive(Debug)]
pub(super) enum Event {
    /// A tagged completion.
    Done { tag: String, status: Word, text: String },
    /// `+`
    Continue,
    /// `* OK`, `* NO`, `* BAD`, `* PREAUTH`
    Status(Word),
    /// `* BYE`
    Bye(String),
    /// `* n EXISTS`
    Exists(u32),
    /// `* n EXPUNGE`
    Expunge,
    /// `* n FETCH`
    Fetch(RawLetter),
    /// `* SEARCH`
    Search(Vec<u32>),
    /// `* CAPABILITY`
    Capabilities(Vec<String>),
    /// UIDNEXT or UIDVALIDITY of the folder being opened.
    Code(Look),
    /// Something else.
    Other,
}

/// A connection with its runner.
pub(super) struct Wire {
    framed: Framed<Box<dyn Stream>>,
    command_timeout: Duration,
    serial: u32,
    /// EXISTS of the open folder, kept up by every response whenever it comes (RFC 3501 7).
    pub(super) exists: Option<u32>,
    /// Whether EXISTS rose since the last look: letters came.
    grown: bool,
    /// The first BYE, and when it came.
    bye: Option<(String, Instant)>,
    /// When the present command is given up, however much the server says.
    give_up_at: Instant,
    /// What stood behind the last `+` (RFC 3501 7.5).
    pub(super) continuation: String,
    /// LIST and STATUS lines of the present command, if it wants them.
    kept: Option<Vec<Vec<u8>>>,
    kept_bytes: usize,
    /// What NOTIFY told.
    pub(super) told: Told,
}

impl Wire {
    pub(super) fn new(stream: Box<dyn Stream>, command_timeout: Duration) -> Self {
        Self {
            framed: Framed::new(stream),
            command_timeout,
            serial: 0,
            exists: None,
            grown: false,
            bye: None,
            give_up_at: Instant::now() + command_timeout * MOST_TIMEOUTS,
            continuation: String::new(),
            kept: None,
            kept_bytes: 0,
            told: Told::default(),
        }
    }

    /// The stream below, for STARTTLS and for parking.
    ///
    /// # Errors
    /// The server has sent more than was asked for, or has closed.
    pub(super) fn into_stream(mut self) -> Result<Box<dyn Stream>, ImapError> {
        // What was read ahead would be lost without a word.
        match self.next().now_or_never() {
            None => self.framed.into_inner().map_err(ImapError::Protocol),
            Some(Ok(_)) => Err(ImapError::Protocol(EARLY.to_owned())),
            Some(Err(error)) => Err(error),
        }
    }

    /// How long ago the last byte came.
    pub(super) fn silent_for(&self) -> Duration {
        self.framed.silent_for()
    }

    /// From now on `heard` is called whenever something comes.
    pub(super) fn on_heard(&mut self, heard: Heard) {
        self.framed.on_heard(heard);
    }

    /// Texts for the administrator since the last call.
    pub(super) fn take_alerts(&mut self) -> Vec<String> {
        self.framed.news().alerts.take()
    }

    /// The MAILBOXID that was told since the last call.
    pub(super) fn take_mailbox_id(&mut self) -> Option<u64> {
        self.framed.news().mailbox_id.take()
    }

    /// How many lines could not be read so far.
    pub(super) fn dropped(&self) -> u32 {
        self.framed.dropped()
    }

    /// The beginning of the last of them.
    pub(super) fn last_dropped(&self) -> &str {
        self.framed.last_dropped()
    }

    /// Whether letters came to the open folder since the last call.
    pub(super) fn take_grown(&mut self) -> bool {
        std::mem::take(&mut self.grown)
    }

    /// The next response, without a limit in time; for IDLE. Dropping it at any point loses nothing.
    pub(super) async fn next(&mut self) -> Result<Event, ImapError> {
        let event = match poll_fn(|cx| self.framed.poll_whole(cx)).await {
            Ok(true) => self.take()?,
            Ok(false) => return Err(self.ended(String::new())),
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                return Err(ImapError::Protocol(error.to_string()));
            }
            Err(error) => return Err(self.ended(error.to_string())),
        };
        self.sort_kept()?;
        match &event {
            Event::Exists(n) => {
                self.grown |= self.exists.is_none_or(|known| *n > known);
                self.exists = Some(*n);
            }
            Event::Expunge => self.exists = self.exists.map(|n| n.saturating_sub(1)),
            Event::Bye(text) if self.bye.is_none() => self.bye = Some((text.clone(), Instant::now())),
            _ => {}
        }
        Ok(event)
    }

    /// Has the response parsed that is there.
    fn take(&mut self) -> Result<Event, ImapError> {
        let mut client = Client::new(self.framed.whole());
        let Some(Ok(Some(response))) = client.read_response().now_or_never() else {
            return Err(ImapError::Protocol("a response of the server's could not be read".to_owned()));
        };
        if let Response::Continue(outcome) = response.parsed() {
            self.continuation = outcome.information.as_deref().unwrap_or_default().to_owned();
        }
        Ok(event(response.parsed()))
    }

    /// Hands the lines that were kept aside to the command that wants them, or else to NOTIFY.
    fn sort_kept(&mut self) -> Result<(), ImapError> {
        let over = std::mem::take(&mut self.framed.news().notify_over);
        let lines = self.framed.take_kept();
        match &mut self.kept {
            Some(kept) => {
                self.kept_bytes += lines.iter().map(Vec::len).sum::<usize>();
                if self.kept_bytes > MAX_KEPT_BYTES {
                    let text = format!("the server sent more than {MAX_KEPT_BYTES} bytes of folders");
                    return Err(ImapError::Protocol(text));
                }
                kept.extend(lines);
            }
            None => lines.iter().for_each(|line| self.told.line(line)),
        }
        if over {
            self.told.end();
        }
        Ok(())
    }

    fn ended(&mut self, reason: String) -> ImapError {
        match self.bye.take() {
            Some((text, _)) => ImapError::Bye(text),
            None => ImapError::Lost(reason),
        }
    }

    /// The next response within the command time-out, and the whole command within ten of them.
    pub(super) async fn next_in_time(&mut self, step: &'static str) -> Result<Event, ImapError> {
        let limit = self.command_timeout;
        let mut until = self.give_up_at.min(Instant::now() + limit);
        if let Some((_, came_at)) = &self.bye {
            until = until.min(*came_at + AFTER_BYE);
        }
        // A server that never stops talking is always ready to be heard, and no timer is looked at then.
        let heard = match Instant::now() < until {
            true => timeout_at(until, self.next()).await.ok(),
            false => None,
        };
        match heard {
            Some(event) => event,
            None => match self.bye.take() {
                Some((text, _)) => Err(ImapError::Bye(text)),
                None => Err(ImapError::Timeout { step, limit }),
            },
        }
    }

    /// Writes a tagged command (or its first part) and answers its tag. `rest` never reaches an error text.
    pub(super) async fn start(&mut self, name: &'static str, rest: &[u8]) -> Result<String, ImapError> {
        self.serial = self.serial.wrapping_add(1);
        let tag = format!("M{}", self.serial);
        let mut line = format!("{tag} {name}").into_bytes();
        if !rest.is_empty() {
            line.push(b' ');
            line.extend_from_slice(rest);
        }
        self.write_line(name, &line).await?;
        Ok(tag)
    }

    /// Writes one line as it is: the rest of a command after a literal, or `DONE`.
    pub(super) async fn write_line(&mut self, step: &'static str, line: &[u8]) -> Result<(), ImapError> {
        let limit = self.command_timeout;
        self.give_up_at = Instant::now() + limit * MOST_TIMEOUTS;
        let stream = &mut self.framed;
        let write = async {
            stream.write_all(line).await?;
            stream.write_all(b"\r\n").await?;
            stream.flush().await
        };
        match timeout(limit, write).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.ended(error.to_string())),
            Err(_) => Err(ImapError::Timeout { step, limit }),
        }
    }

    /// The present command is given up so soon.
    pub(super) fn give_up_in(&mut self, limit: Duration) {
        self.give_up_at = Instant::now() + limit;
    }

    /// Reads on to the completion of `tag`; everything before it goes to `sink`.
    ///
    /// # Errors
    /// `No` and `Bad` as the server's verdict on this command; all others end the session.
    pub(super) async fn finish(
        &mut self,
        name: &'static str,
        tag: &str,
        sink: &mut (dyn FnMut(Event) + Send),
    ) -> Result<String, ImapError> {
        loop {
            match self.next_in_time(name).await? {
                Event::Done { tag: done, status, text } if done == tag => return Self::verdict(name, status, text),
                // A completion that is not ours: an old one, or a server that answers untagged commands.
                Event::Done { .. } => {}
                other => sink(other),
            }
        }
    }

    /// What a completion says of its command: its words, or `No`, or `Bad`.
    pub(super) fn verdict(name: &'static str, status: Word, text: String) -> Result<String, ImapError> {
        match status {
            Word::Ok => Ok(text),
            Word::No => Err(ImapError::No { command: name, text }),
            _ => Err(ImapError::Bad { command: name, text }),
        }
    }

    /// Runs a command whose parts go as they are, each after the first upon the server's `+` (literals,
    /// RFC 3501 4.3).
    pub(super) async fn run_parts(
        &mut self,
        name: &'static str,
        parts: &[Vec<u8>],
        sink: &mut (dyn FnMut(Event) + Send),
    ) -> Result<String, ImapError> {
        let (first, rest) = parts.split_first().map_or((&[][..], &[][..]), |(f, r)| (f.as_slice(), r));
        let tag = self.start(name, first).await?;
        for part in rest {
            loop {
                match self.next_in_time(name).await? {
                    Event::Continue => break,
                    Event::Done { tag: done, status, text } if done == tag => {
                        return Err(match status {
                            Word::No => ImapError::No { command: name, text },
                            _ => ImapError::Bad { command: name, text },
                        });
                    }
                    other => sink(other),
                }
            }
            self.write_line(name, part).await?;
        }
        self.finish(name, &tag, sink).await
    }

    /// Runs a command for the LIST, STATUS and NAMESPACE lines that come with it. If it is refused, they are taken as
    /// told by NOTIFY.
    pub(super) async fn run_listing(
        &mut self,
        name: &'static str,
        parts: &[Vec<u8>],
    ) -> Result<Vec<Vec<u8>>, ImapError> {
        self.kept = Some(Vec::new());
        self.kept_bytes = 0;
        let done = self.run_parts(name, parts, &mut |_| {}).await;
        let lines = self.kept.take().unwrap_or_default();
        if let Err(error) = done {
            lines.iter().for_each(|line| self.told.line(line));
            return Err(error);
        }
        Ok(lines)
    }

    /// Runs a command of one line.
    pub(super) async fn run(
        &mut self,
        name: &'static str,
        rest: &[u8],
        sink: &mut (dyn FnMut(Event) + Send),
    ) -> Result<String, ImapError> {
        let tag = self.start(name, rest).await?;
        self.finish(name, &tag, sink).await
    }
}

/// Bytes as an argument in double quotes, or, where they do not fit into these, as a literal: then the command goes
/// on in a new part.
pub(super) fn argument(parts: &mut Vec<Vec<u8>>, bytes: &[u8]) {
    if parts.is_empty() {
        parts.push(Vec::new());
    }
    let Some(last) = parts.last_mut() else { return };
    if !last.is_empty() {
        last.push(b' ');
    }
    if bytes.iter().all(|b| (b' '..=b'~').contains(b)) {
        last.push(b'"');
        for byte in bytes {
            if matches!(byte, b'"' | b'\\') {
                last.push(b'\\');
            }
            last.push(*byte);
        }
        last.push(b'"');
    } else {
        last.extend_from_slice(format!("{{{}}}", bytes.len()).as_bytes());
        parts.push(bytes.to_vec());
    }
}

fn event(response: &Response<'_>) -> Event {
    let words = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().unwrap_or_default().to_owned();
    match response {
        Response::Done { tag, status, outcome } => {
            Event::Done { tag: tag.0.clone(), status: Word::of(status), text: words(&outcome.information) }
        }
        Response::Continue(_) => Event::Continue,
        Response::Data { status: Status::Bye, outcome } => Event::Bye(words(&outcome.information)),
        // Whatever its code says: that there is no login must not be lost.
        Response::Data { status: Status::PreAuth, .. } => Event::Status(Word::PreAuth),
        Response::Data { status, outcome } => match &outcome.code {
            Some(ResponseCode::UidNext(n)) => Event::Code(Look { uid_next: Some(*n), ..Look::default() }),
            Some(ResponseCode::UidValidity(n)) => Event::Code(Look { uid_validity: Some(*n), ..Look::default() }),
            Some(ResponseCode::Capabilities(list)) => Event::Capabilities(names(list)),
            _ => Event::Status(Word::of(status)),
        },
        Response::Capabilities(list) => Event::Capabilities(names(list)),
        Response::Expunge(_) => Event::Expunge,
        Response::Fetch(_, attributes) => Event::Fetch(RawLetter::from_attributes(attributes)),
        Response::MailboxData(MailboxDatum::Exists(n)) => Event::Exists(*n),
        Response::MailboxData(MailboxDatum::Search(uids)) => Event::Search(uids.clone()),
        _ => Event::Other,
    }
}

fn names(list: &[Capability<'_>]) -> Vec<String> {
    list.iter()
        .map(|c| match c {
            Capability::Imap4rev1 => "IMAP4REV1".to_owned(),
            Capability::Auth(name) => format!("AUTH={}", name.to_ascii_uppercase()),
            Capability::Atom(name) => name.to_ascii_uppercase(),
        })
        .collect()
}
