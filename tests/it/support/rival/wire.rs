//! HTTP/1.1 as far as the rival needs it, by hand: so that an answer can be lost at any place.

use super::office::{Answer, Call};
use std::io;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

const HEAD_BYTES: usize = 64 * 1024;
const BODY_BYTES: usize = 4 * 1024 * 1024;

/// How an answer goes out.
#[derive(Clone, Debug)]
pub enum Ending {
    Whole(Answer),
    /// Half of it, then a reset.
    Half(Answer),
    /// Nothing.
    Lost,
}

/// One connection of the client.
#[derive(Debug)]
pub struct Wire(BufReader<TcpStream>);

fn bad(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

impl Wire {
    pub fn new(stream: TcpStream) -> Self {
        let _ = stream.set_nodelay(true);
        Self(BufReader::new(stream))
    }

    /// The next request; `None`: the client has closed.
    ///
    /// # Errors
    /// When it is no HTTP/1.1 or the connection breaks.
    pub async fn read(&mut self) -> io::Result<Option<Call>> {
        let mut lines = Vec::new();
        let mut bytes = 0;
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).await? == 0 {
                return if lines.is_empty() { Ok(None) } else { Err(bad("the head breaks off")) };
            }
            bytes += line.len();
            match line.strip_suffix("\r\n") {
                Some("") => break,
                Some(line) if bytes < HEAD_BYTES => lines.push(line.to_owned()),
                _ => return Err(bad("a line without CR LF, or a head without an end")),
            }
        }
        let mut words = lines.first().map(String::as_str).unwrap_or_default().split(' ');
        let (Some(method), Some(target), Some("HTTP/1.1"), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(bad("no request line of HTTP/1.1"));
        };
        let header = |name: &str| {
            let values = lines.iter().skip(1).filter_map(|line| line.split_once(':'));
            values.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned()).next()
        };
        if header("transfer-encoding").is_some() {
            return Err(bad("a body in chunks"));
        }
        let length = header("content-length").map_or(Ok(0), |length| length.parse::<usize>());
        let length = length.ok().filter(|length| *length <= BODY_BYTES).ok_or_else(|| bad("no length of a body"))?;
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Ok(Some(Call {
            method: method.to_owned(),
            path: path.to_owned(),
            query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            authorized: header("authorization").is_some(),
            body,
        }))
    }

    /// Answers; whether the connection goes on.
    pub async fn write(&mut self, ending: Ending) -> io::Result<bool> {
        let (answer, share) = match ending {
            Ending::Whole(answer) => (answer, 1),
            Ending::Half(answer) => (answer, 2),
            Ending::Lost => return Ok(false),
        };
        let (status, kind, length) = (answer.status, answer.kind, answer.body.len());
        let head = format!("HTTP/1.1 {status} Word\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
        let body = answer.body.as_bytes();
        self.0.write_all(&[head.as_bytes(), &body[..length / share]].concat()).await?;
        self.0.flush().await?;
        if share > 1 {
            // The half is read first, or the reset would take it along.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            socket2::SockRef::from(self.0.get_ref()).set_linger(Some(std::time::Duration::ZERO))?;
        }
        Ok(share == 1)
    }
}
