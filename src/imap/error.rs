//! What can go wrong with a server, told by what the caller should do about it.

use super::login_trouble::{LoginTrouble, suggested_wait};
use std::time::Duration;

/// Why a step with a server failed. Texts of servers are kept as they came (they reach logs; they hold no password,
/// for only names of commands are quoted, never their arguments).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImapError {
    /// The host name could not be resolved.
    #[error("the host name {host} cannot be resolved: {reason}")]
    Resolve {
        /// The name.
        host: String,
        /// The resolver's words.
        reason: String,
    },
    /// No TCP connection.
    #[error("no connection to {address}: {reason}")]
    Connect {
        /// host:port.
        address: String,
        /// The system's words.
        reason: String,
    },
    /// TLS failed.
    #[error("TLS with {host}: {trouble}")]
    Tls {
        /// The host.
        host: String,
        /// What exactly.
        trouble: TlsTrouble,
    },
    /// A step did not end in time.
    #[error("no answer to {step} within {}s", .limit.as_secs_f32())]
    Timeout {
        /// Which step.
        step: &'static str,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The connection ended.
    #[error("the connection was closed{}", if .0.is_empty() { String::new() } else { format!(": {}", .0) })]
    Lost(String),
    /// The server said BYE (RFC 3501 7.1.5).
    #[error("the server closed the session: {0}")]
    Bye(String),
    /// The login was not taken.
    #[error("login: {trouble}: {text}")]
    Login {
        /// What kind.
        trouble: LoginTrouble,
        /// The server's words.
        text: String,
    },
    /// Tagged NO.
    #[error("{command} was refused: {text}")]
    No {
        /// The command's name.
        command: &'static str,
        /// The server's words.
        text: String,
    },
    /// Tagged BAD.
    #[error("{command} was not understood: {text}")]
    Bad {
        /// The command's name.
        command: &'static str,
        /// The server's words.
        text: String,
    },
    /// The server broke a limit or the protocol.
    #[error("{0}")]
    Protocol(String),
}

/// What TLS complained about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsTrouble {
    /// Signed by nobody we know.
    #[error(
        "the certificate is signed by an authority that is not known here{} (SHA-256 of the certificate: {fingerprint})",
        if .issuer.is_empty() { String::new() } else { format!(", {issuer}") }
    )]
    UnknownCa {
        /// Who signed what the server showed last, `CN=Corp CA, O=Corp`: whose certificate `ca_file` should hold. May be
        /// empty.
        issuer: String,
        /// Of the server's own certificate, `AB:CD:…`, for a comparison by a person.
        fingerprint: String,
    },
    /// The server shows an authority's certificate as its own, as a quickly made self-signed one mostly is. It is not
    /// accepted even if `ca_file` holds it.
    #[error("the server shows the certificate of an authority (CA:TRUE) as its own, which is not accepted")]
    CaAsServer,
    /// Too old; since when, `2021-01-01` or empty.
    #[error("the certificate has expired{}", if .0.is_empty() { String::new() } else { format!(" on {}", .0) })]
    Expired(String),
    /// Too young; valid from when, `2090-01-01` or empty.
    #[error("the certificate is not valid{} yet", if .0.is_empty() { String::new() } else { format!(" before {},", .0) })]
    NotYetValid(String),
    /// For other names: these.
    #[error("the certificate is for {}", if .0.is_empty() { "no host name at all".to_owned() } else { .0.join(", ") })]
    WrongName(Vec<String>),
    /// No version or cipher in common.
    #[error("no TLS version or cipher in common: {0}")]
    NoCommonVersion(String),
    /// The server speaks something else here.
    #[error("the server does not speak TLS on this port")]
    NoTls,
    /// Something else.
    #[error("{0}")]
    Other(String),
}

impl ImapError {
    /// Whether the session can go on: a NO or BAD to one command is that command's alone.
    pub fn is_answer(&self) -> bool {
        matches!(self, Self::No { .. } | Self::Bad { .. })
    }

    /// How long the server asks us to wait (a throttling hint of Exchange), at most 5 minutes.
    pub fn suggested_wait(&self) -> Option<Duration> {
        match self {
            Self::Login { text, .. } | Self::No { text, .. } | Self::Bad { text, .. } | Self::Bye(text) => {
                suggested_wait(text)
            }
            _ => None,
        }
    }

    /// Whether the session ended because its access token did, and the server says so: a new session with a new token
    /// is all that is needed. Some servers only close the connection then; see [`super::MailSession::expires_in`].
    pub fn is_token_expiry(&self) -> bool {
        match self {
            // Exchange Online (imap-servers A.3): "Session invalidated - AccessTokenExpired".
            Self::Bye(text) | Self::No { text, .. } | Self::Bad { text, .. } => {
                let text = text.to_ascii_uppercase();
                text.contains("ACCESSTOKENEXPIRED") || text.contains("TOKEN") && text.contains("EXPIRED")
            }
            _ => false,
        }
    }

    /// A short name for logs and metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Resolve { .. } => "resolve",
            Self::Connect { .. } => "connect",
            Self::Tls { .. } => "tls",
            Self::Timeout { .. } => "timeout",
            Self::Lost(_) => "lost",
            Self::Bye(_) => "bye",
            Self::Login { .. } => "login",
            Self::No { .. } => "no",
            Self::Bad { .. } => "bad",
            Self::Protocol(_) => "protocol",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_token_is_told_from_other_ends() {
        let bye = |text: &str| ImapError::Bye(text.to_owned());
        assert!(bye("Session invalidated - AccessTokenExpired").is_token_expiry());
        assert!(ImapError::No { command: "NOOP", text: "access token has expired".into() }.is_token_expiry());
        for other in [bye("Disconnected for inactivity."), bye("Session expired"), ImapError::Lost(String::new())] {
            assert!(!other.is_token_expiry(), "{other}");
        }
    }

    #[test]
    fn a_hint_to_wait_is_found_wherever_it_stands() {
        let text = "Request is throttled. Suggested Backoff Time: 250 milliseconds".to_owned();
        let errors = [
            ImapError::Login { trouble: LoginTrouble::Temporary, text: text.clone() },
            ImapError::Bad { command: "EXAMINE", text: text.clone() },
            ImapError::No { command: "EXAMINE", text: text.clone() },
            ImapError::Bye(text),
        ];
        for error in errors {
            assert_eq!(error.suggested_wait(), Some(Duration::from_millis(250)), "{error:?}");
        }
        assert_eq!(ImapError::Lost("Suggested Backoff Time: 250".into()).suggested_wait(), None);
    }
}
