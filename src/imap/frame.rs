//! The framing adapter between TLS and async-imap.
//!
//! async-imap closes a session on the first line that it cannot parse, allocates what a literal announces, and some
//! lines make its parser panic or overflow the stack. This adapter hands on only whole responses that parse, within
//! limits; what does not parse is dropped and counted, a status line that does not parse is made plain, and LIST and
//! STATUS lines are kept aside as bytes, because their names must survive unchanged (RFC 3501 5.1.3).
//!
//! It also gathers writes until the flush: one command is one TLS record.

use super::Heard;
use super::code::{self, Alerts, Code, text_of};
use super::frame_scan::{Scanner, depth, is_status_line, status_word};
use crate::unwind::caught;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// Deeper nesting is never asked for; the parser recurses, and in a debug build 60 levels end the process.
const MAX_DEPTH: usize = 32;
/// Commands are short; more than this is handed on before the flush.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;
/// Read from the stream at one time.
const READ_BYTES: usize = 4096;
/// Why a stream is not given back.
pub(super) const EARLY: &str = "the server sent data between STARTTLS and the TLS handshake";
/// What async-imap is given in place of a line that was kept aside, so that its reader sees life.
const STAND_IN: &[u8] = b"* OK kept\r\n";

/// What status lines said that the parser does not hand on.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Texts for the administrator.
    pub(super) alerts: Alerts,
    /// The server has ended NOTIFY.
    pub(super) notify_over: bool,
    /// The last MAILBOXID, digested.
    pub(super) mailbox_id: Option<u64>,
}

/// See the module's text.
pub(super) struct Framed<S> {
    inner: S,
    scanner: Scanner,
    /// Bytes of a response that is not whole yet.
    pending: Vec<u8>,
    /// Whole responses ready for async-imap.
    out: VecDeque<Vec<u8>>,
    write: Vec<u8>,
    kept: Vec<Vec<u8>>,
    news: News,
    heard: Option<Heard>,
    heard_at: Instant,
    dropped: u32,
    last_dropped: String,
    failed: Option<String>,
}

impl<S> Framed<S> {
    /// Wraps a stream.
    pub(super) fn new(inner: S) -> Self {
        Self {
            inner,
            scanner: Scanner::default(),
            pending: Vec::new(),
            out: VecDeque::new(),
            write: Vec::new(),
            kept: Vec::new(),
            news: News::default(),
            heard: None,
            heard_at: Instant::now(),
            dropped: 0,
            last_dropped: String::new(),
            failed: None,
        }
    }

    /// The stream, if no byte of the server's waits in here (STARTTLS: bytes sent in the clear before the
    /// handshake must not be taken for answers after it, RFC 3501 6.2.1).
    pub(super) fn into_inner(self) -> Result<S, String> {
        if self.pending.is_empty() && self.out.is_empty() { Ok(self.inner) } else { Err(EARLY.to_owned()) }
    }

    /// The LIST and STATUS lines since the last call: no more than those of one read from the stream, if it is called
    /// after each response.
    pub(super) fn take_kept(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.kept)
    }

    /// What status lines said beside their words.
    pub(super) fn news(&mut self) -> &mut News {
        &mut self.news
    }

    /// From now on `heard` is called whenever bytes of the server's come, whatever becomes of them.
    pub(super) fn on_heard(&mut self, heard: Heard) {
        self.heard = Some(heard);
    }

    /// How long ago the last of them came.
    pub(super) fn silent_for(&self) -> Duration {
        self.heard_at.elapsed()
    }

    /// How many lines were dropped so far because they do not parse.
    pub(super) fn dropped(&self) -> u32 {
        self.dropped
    }

    /// The beginning of the last dropped line, printable ASCII only.
    pub(super) fn last_dropped(&self) -> &str {
        &self.last_dropped
    }

    /// Takes in bytes from the stream: whole responses go to `out`.
    fn feed(&mut self, bytes: &[u8]) {
        self.heard_at = Instant::now();
        if let Some(heard) = &self.heard {
            heard();
        }
        self.pending.extend_from_slice(bytes);
        loop {
            match self.scanner.next(&self.pending) {
                Ok(Some(range)) => {
                    let rest = self.pending.split_off(range.end);
                    let response = std::mem::replace(&mut self.pending, rest);
                    self.take(&response);
                }
                Ok(None) => break,
                Err(too_much) => {
                    self.failed = Some(too_much.to_string());
                    self.pending = Vec::new();
                    return;
                }
            }
        }
        if self.pending.is_empty() {
            self.pending = Vec::new();
        }
    }

    fn take(&mut self, response: &[u8]) {
        let response = with_crlf(response);
        if response.as_slice() == b"\r\n" {
            return;
        }
        if is_kept(&response) {
            self.kept.push(response);
            self.out.push_back(STAND_IN.to_vec());
            return;
        }
        if starts_with(&response, b"* ENABLED") {
            // The parser takes it for a list of capabilities.
            self.out.push_back(STAND_IN.to_vec());
            return;
        }
        match code::read(&response) {
            Some(Code::Alert(text)) => self.news.alerts.push(text),
            Some(Code::NotifyOver) => self.news.notify_over = true,
            Some(Code::MailboxId(id)) => self.news.mailbox_id = Some(id),
            None => {}
        }
        match acceptable(response) {
            Ok(bytes) => self.out.push_back(bytes),
            Err(bytes) => {
                self.dropped = self.dropped.saturating_add(1);
                self.last_dropped = bytes
                    .iter()
                    .take(80)
                    .map(|b| if (b' '..=b'~').contains(b) { char::from(*b) } else { '.' })
                    .collect();
            }
        }
    }
}

/// A response with CR LF at its end whatever the server wrote.
fn with_crlf(response: &[u8]) -> Vec<u8> {
    let body = response.strip_suffix(b"\n").unwrap_or(response);
    let body = body.strip_suffix(b"\r").unwrap_or(body);
    let mut whole = body.to_vec();
    whole.extend_from_slice(b"\r\n");
    whole
}

fn is_kept(response: &[u8]) -> bool {
    [&b"* LIST "[..], b"* LSUB ", b"* STATUS ", b"* NAMESPACE "].iter().any(|word| starts_with(response, word))
}

fn starts_with(response: &[u8], word: &[u8]) -> bool {
    response.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// The response as async-imap can read it, or the response itself where there is no such form.
fn acceptable(response: Vec<u8>) -> Result<Vec<u8>, Vec<u8>> {
    if is_status_line(&response) {
        return plain_status(response);
    }
    if depth(&response) <= MAX_DEPTH && parses(&response) {
        return Ok(response);
    }
    let word = b"* CAPABILITY ";
    if starts_with(&response, word) {
        let words = String::from_utf8_lossy(response.get(word.len()..).unwrap_or_default()).into_owned();
        let words: Vec<_> = words.split_ascii_whitespace().filter(|w| w.is_ascii()).collect();
        let rewritten = format!("* CAPABILITY IMAP4rev1 {}\r\n", words.join(" ")).into_bytes();
        if parses(&rewritten) {
            return Ok(rewritten);
        }
    }
    Err(response)
}

/// A status line as it is if it parses; else with its text as UTF-8, then without its response code, then bare.
/// Servers in China write GBK into these texts (imap-servers T.7).
fn plain_status(response: Vec<u8>) -> Result<Vec<u8>, Vec<u8>> {
    let utf8 = std::str::from_utf8(&response).is_ok();
    if utf8 && parses(&response) {
        return Ok(response);
    }
    if response.first() == Some(&b'+') {
        return Ok(b"+ \r\n".to_vec());
    }
    let Some(word_end) = status_word(&response) else { return Err(response) };
    let (head, text) = response.split_at(word_end);
    let text = text_of(text);
    let text = text.trim();
    let without_code = text.replace('[', "(").replace(']', ")");
    for candidate in [text, without_code.as_str(), "."] {
        let mut line = head.to_vec();
        line.push(b' ');
        line.extend_from_slice(candidate.as_bytes());
        line.extend_from_slice(b"\r\n");
        if parses(&line) {
            return Ok(line);
        }
    }
    Err(response)
}

/// Whether async-imap's parser takes the whole response, without a panic.
fn parses(response: &[u8]) -> bool {
    let parse = || matches!(imap_proto::Response::parse(response), Ok((rest, _)) if rest.is_empty());
    caught(parse).unwrap_or(false)
}

impl<S> fmt::Debug for Framed<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Framed").field("dropped", &self.dropped).finish_non_exhaustive()
    }
}

impl<S: AsyncRead + Unpin> Framed<S> {
    /// Waits until a whole response is there (`true`) or the stream has ended. Dropping the wait loses nothing.
    ///
    /// # Errors
    /// The stream's own; `InvalidData` where the server sends more than is taken.
    pub(super) fn poll_whole(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            if !self.out.is_empty() {
                return Poll::Ready(Ok(true));
            }
            if let Some(reason) = &self.failed {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, reason.clone())));
            }
            let mut scratch = [0_u8; READ_BYTES];
            let mut read = ReadBuf::new(&mut scratch);
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(false));
            }
            self.feed(read.filled());
        }
    }

    /// The first whole response, as a stream of its own; it is gone then.
    pub(super) fn whole(&mut self) -> Whole {
        let response = self.out.pop_front().unwrap_or_default();
        if self.out.is_empty() {
            self.out = VecDeque::new();
        }
        Whole(io::Cursor::new(response))
    }
}

/// One response, as async-imap reads it.
#[derive(Debug)]
pub(super) struct Whole(io::Cursor<Vec<u8>>);

impl AsyncRead for Whole {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

/// Nothing is written to a response; async-imap asks for it.
impl AsyncWrite for Whole {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> Framed<S> {
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.write.is_empty() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.write))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.write.drain(..written);
        }
        self.write = Vec::new();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Framed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.write.len() >= WRITE_BUFFER_BYTES {
            ready!(self.poll_drain(cx))?;
        }
        self.write.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
