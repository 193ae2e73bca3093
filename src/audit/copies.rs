//! The second places of the audit, for an independent log server: a file that something ships, or syslog.

use std::fs::OpenOptions;
use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

/// A syslog server that does not take its lines in time is left until the next record.
const SYSLOG_LIMIT: Duration = Duration::from_secs(2);
/// Facility 13 (log audit), severity 5 (notice): RFC 5424 6.2.1.
const PRIORITY: u8 = 13 * 8 + 5;

/// Where records go besides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copies {
    /// A file; opened anew for each record, so that it can be rotated.
    pub file: Option<PathBuf>,
    /// A syslog server.
    pub syslog: Option<Syslog>,
}

/// How syslog is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Syslog {
    /// A datagram socket of the system, `/dev/log`.
    Local(PathBuf),
    /// RFC 5426.
    Udp(SocketAddr),
    /// RFC 6587, octet counting.
    Tcp(SocketAddr),
}

impl Copies {
    /// Gives the lines to all places.
    pub(super) fn give(&self, lines: &str) -> std::io::Result<()> {
        let to_file = self.file.as_ref().map_or(Ok(()), |path| {
            let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
            file.write_all(lines.as_bytes())
        });
        let to_syslog = self.syslog.as_ref().map_or(Ok(()), |syslog| syslog.give(lines));
        to_file.and(to_syslog)
    }
}

impl Syslog {
    fn give(&self, lines: &str) -> std::io::Result<()> {
        // RFC 5424 6: the time stands in the record itself.
        let messages = lines.lines().map(|line| format!("<{PRIORITY}>1 - - mailbell - audit - {line}"));
        match self {
            Self::Local(path) => {
                let socket = UnixDatagram::unbound()?;
                socket.connect(path)?;
                socket.set_write_timeout(Some(SYSLOG_LIMIT))?;
                messages.into_iter().try_for_each(|message| socket.send(message.as_bytes()).map(drop))
            }
            Self::Udp(to) => {
                let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = UdpSocket::bind(any)?;
                messages.into_iter().try_for_each(|message| socket.send_to(message.as_bytes(), to).map(drop))
            }
            Self::Tcp(to) => {
                let mut stream = TcpStream::connect_timeout(to, SYSLOG_LIMIT)?;
                stream.set_write_timeout(Some(SYSLOG_LIMIT))?;
                for message in messages {
                    stream.write_all(format!("{} {message}", message.len()).as_bytes())?;
                }
                stream.flush()
            }
        }
    }
}
