//! A small LMTP client (RFC 2033): hands one message to the private Dovecot for one recipient.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::TcpStream;

/// How long the whole conversation may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The longest reply taken: a server that sends more is not one to talk to.
const MAX_REPLY: u64 = 64 * 1024;

/// A message that the server has taken.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// When the final 250 was read.
    pub at: Instant,
    /// The text of that reply.
    pub reply: String,
}

/// Why a message was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum LmtpError {
    /// An address with characters that would break the conversation.
    #[error("{0:?} is not a mail address")]
    Address(String),
    /// The server cannot be reached, or the connection broke.
    #[error("LMTP server {addr}: {source}")]
    Connection {
        /// The server.
        addr: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// It took too long.
    #[error("LMTP server {0}: no answer within 60 s")]
    Timeout(SocketAddr),
    /// The server said no, or something that is no reply.
    #[error("LMTP server {addr} answered {command} with: {reply}")]
    Refused {
        /// The server.
        addr: SocketAddr,
        /// What was asked.
        command: &'static str,
        /// Its whole answer.
        reply: String,
    },
}

/// Delivers a message. Line ends are made CRLF and lines that begin with a dot are stuffed; nothing else is changed. An
/// empty `mail_from` is the null sender.
///
/// # Errors
/// When it was not delivered, or when that is unknown because the connection broke before the final answer.
pub async fn deliver(addr: SocketAddr, mail_from: &str, rcpt: &str, message: &[u8]) -> Result<Accepted, LmtpError> {
    for address in [mail_from, rcpt] {
        if address.chars().any(|c| c.is_control() || c.is_whitespace() || "<>".contains(c)) {
            return Err(LmtpError::Address(address.to_owned()));
        }
    }
    if rcpt.is_empty() {
        return Err(LmtpError::Address(String::new()));
    }
    let talk = async {
        let connected = TcpStream::connect(addr).await;
        let stream = connected.map_err(|source| LmtpError::Connection { addr, source })?;
        // the conversation is one of short lines
        let _ = stream.set_nodelay(true);
        Talk { addr, stream: BufStream::new(stream) }.deliver(mail_from, rcpt, message).await
    };
    tokio::time::timeout(TIMEOUT, talk).await.unwrap_or(Err(LmtpError::Timeout(addr)))
}

struct Talk {
    addr: SocketAddr,
    stream: BufStream<TcpStream>,
}

impl Talk {
    async fn deliver(mut self, mail_from: &str, rcpt: &str, message: &[u8]) -> Result<Accepted, LmtpError> {
        self.expect("the connection", '2').await?;
        self.ask("LHLO", b"LHLO localhost\r\n", '2').await?;
        self.ask("MAIL FROM", format!("MAIL FROM:<{mail_from}>\r\n").as_bytes(), '2').await?;
        self.ask("RCPT TO", format!("RCPT TO:<{rcpt}>\r\n").as_bytes(), '2').await?;
        self.ask("DATA", b"DATA\r\n", '3').await?;
        let reply = self.ask("the message", &stuffed(message), '2').await?;
        let at = Instant::now();
        // it is delivered: what becomes of the farewell does not matter
        let _ = self.stream.write_all(b"QUIT\r\n").await;
        let _ = self.stream.flush().await;
        Ok(Accepted { at, reply })
    }

    async fn ask(&mut self, command: &'static str, bytes: &[u8], class: char) -> Result<String, LmtpError> {
        let addr = self.addr;
        let sent = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|source| LmtpError::Connection { addr, source })?;
        self.expect(command, class).await
    }

    /// Reads a reply of one or several lines, whose code begins with this digit.
    async fn expect(&mut self, command: &'static str, class: char) -> Result<String, LmtpError> {
        let addr = self.addr;
        let mut reply = String::new();
        let mut limited = (&mut self.stream).take(MAX_REPLY);
        loop {
            let mut line = Vec::new();
            let read = limited.read_until(b'\n', &mut line).await;
            read.map_err(|source| LmtpError::Connection { addr, source })?;
            if !line.ends_with(b"\n") {
                let source = std::io::ErrorKind::UnexpectedEof.into();
                return Err(LmtpError::Connection { addr, source });
            }
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end();
            if !reply.is_empty() {
                reply.push('\n');
            }
            reply.push_str(line);
            // "250-more to come", "250 the last"
            if !matches!(line.as_bytes(), [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'-', ..]) {
                break;
            }
        }
        if reply.starts_with(class) { Ok(reply) } else { Err(LmtpError::Refused { addr, command, reply }) }
    }
}

/// The message as DATA wants it: CRLF line ends, dots stuffed, the lone dot at the end.
fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut data = Vec::with_capacity(message.len() + message.len() / 32 + 8);
    let body = message.strip_suffix(b"\n").unwrap_or(message);
    for line in body.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.first() == Some(&b'.') {
            data.push(b'.');
        }
        // a CR inside a line is a line end too, for some servers
        for (index, part) in line.split(|byte| *byte == b'\r').enumerate() {
            if index > 0 {
                data.extend_from_slice(b"\r\n");
                if part.first() == Some(&b'.') {
                    data.push(b'.');
                }
            }
            data.extend_from_slice(part);
        }
        data.extend_from_slice(b"\r\n");
    }
    data.extend_from_slice(b".\r\n");
    data
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
    use super::*;
    use tokio::net::TcpListener;

    #[test]
    fn line_ends_become_crlf_and_dots_are_stuffed() {
        for (message, data) in [
            ("a\nb\n", "a\r\nb\r\n.\r\n"),
            ("a\r\nb", "a\r\nb\r\n.\r\n"),
            (".\n..x\n", "..\r\n...x\r\n.\r\n"),
            ("a\r.b\r\n", "a\r\n..b\r\n.\r\n"),
            ("", "\r\n.\r\n"),
            ("a\n\n", "a\r\n\r\n.\r\n"),
        ] {
            assert_eq!(String::from_utf8(stuffed(message.as_bytes())).unwrap(), data, "{message:?}");
        }
    }

    /// A server that sends these replies, one after each line (or, after DATA, after the lone dot), and tells what it read.
    async fn scripted(replies: &'static [&'static str]) -> (SocketAddr, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufStream::new(stream);
            let mut seen = String::new();
            let mut data = false;
            for reply in replies {
                stream.write_all(reply.as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
                data = data || reply.starts_with('3');
                loop {
                    let before = seen.len();
                    if stream.read_line(&mut seen).await.unwrap_or(0) == 0 {
                        return seen;
                    }
                    if !data || &seen[before..] == ".\r\n" {
                        data = false;
                        break;
                    }
                }
            }
            seen
        });
        (addr, server)
    }

    #[tokio::test]
    async fn multi_line_replies_are_read_to_their_end() {
        let (addr, server) = scripted(&[
            "220-hello\r\n220 there\r\n",
            "250-localhost\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
            "250 ok\r\n",
            "250 ok\r\n",
            "354 go on\r\n",
            "250-2.0.0 one\r\n250 2.0.0 two\r\n",
        ])
        .await;
        let accepted = deliver(addr, "", "a@b", b"Subject: x\n\n.\n").await.unwrap();
        assert_eq!(accepted.reply, "250-2.0.0 one\n250 2.0.0 two");
        assert_eq!(
            server.await.unwrap(),
            "LHLO localhost\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\nSubject: x\r\n\r\n..\r\n.\r\nQUIT\r\n"
        );
    }

    #[tokio::test]
    async fn a_refusal_says_what_was_refused() {
        let (addr, _server) =
            scripted(&["220 hello\r\n", "250 ok\r\n", "250 ok\r\n", "550 5.1.1 <a@b> User doesn't exist\r\n"]).await;
        let error = deliver(addr, "c@d", "a@b", b"x").await.unwrap_err().to_string();
        assert!(error.contains("RCPT TO") && error.contains("550 5.1.1"), "{error}");
    }

    #[tokio::test]
    async fn a_closed_connection_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"220 hello\r\n250-half\r\n").await.unwrap();
            // what came is read first, so that closing is an end and no reset
            let _ = stream.read(&mut [0; 100]).await;
        };
        let (result, ()) = tokio::join!(deliver(addr, "c@d", "a@b", b"x"), server);
        assert!(matches!(result, Err(LmtpError::Connection { .. })), "{result:?}");
    }

    #[tokio::test]
    async fn addresses_cannot_smuggle_commands() {
        let addr = SocketAddr::from(([127, 0, 0, 1], 1));
        for bad in ["a@b>\r\nDATA", "a b@c", "<a@b>", ""] {
            assert!(matches!(deliver(addr, "", bad, b"").await, Err(LmtpError::Address(_))), "{bad:?}");
        }
    }
}
