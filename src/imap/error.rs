//! What can go wrong with a server, told by what the caller should do about it.

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
    #[error("the certificate is signed by an authority that is not known here")]
    UnknownCa,
    /// Too old.
    #[error("the certificate has expired{0}")]
    Expired(String),
    /// Too young.
    #[error("the certificate is not valid yet")]
    NotYetValid,
    /// For another name.
    #[error("the certificate is for another name ({0})")]
    WrongName(String),
    /// No version or cipher in common.
    #[error("no TLS version or cipher in common: {0}")]
    NoCommonVersion(String),
    /// The server speaks no TLS here, or something else.
    #[error("{0}")]
    Other(String),
}

/// Why a login was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginTrouble {
    /// Wrong name or password, or IMAP not opened: trying again soon is useless and may lock the account.
    #[error("refused")]
    Refused,
    /// Out of order for now.
    #[error("not possible just now")]
    Temporary,
    /// Too many connections.
    #[error("too many connections")]
    TooMany,
    /// The server takes no password on this connection (LOGINDISABLED, RFC 3501 6.2.3).
    #[error("not offered")]
    Disabled,
}

impl ImapError {
    /// Whether the session can go on: a NO or BAD to one command is that command's alone.
    pub fn is_answer(&self) -> bool {
        matches!(self, Self::No { .. } | Self::Bad { .. })
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

impl LoginTrouble {
    /// What a tagged NO or BAD to LOGIN means, by its response code (RFC 5530) or, where servers send only words, by
    /// these (imap-servers A.1, A.3, B.6). Unknown words count as refused: trying on and on is what locks accounts.
    pub(super) fn of(text: &str) -> Self {
        let text = text.to_ascii_uppercase();
        let has = |words: &[&str]| words.iter().any(|w| text.contains(w));
        if has(&["[AUTHENTICATIONFAILED]", "[AUTHORIZATIONFAILED]", "[EXPIRED]", "[CONTACTADMIN]", "[PRIVACYREQUIRED]"])
        {
            // Whatever the words behind it say ("too many failed attempts").
            Self::Refused
        } else if has(&["[LIMIT]", "TOO MANY", "MAXIMUM NUMBER OF CONNECTIONS", "NOT CONNECTED"]) {
            Self::TooMany
        } else if has(&["[UNAVAILABLE]", "[INUSE]", "[SERVERBUG]", "SYSTEMBUSY", "TEMPORARY", "THROTTLED", "TRY AGAIN"])
        {
            Self::Temporary
        } else {
            Self::Refused
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login_answers_by_their_words() {
        let cases = [
            ("[AUTHENTICATIONFAILED] Authentication failed.", LoginTrouble::Refused),
            ("ERR.LOGIN.REQCODE", LoginTrouble::Refused),
            ("ERR.LOGIN.SYSTEMBUSY", LoginTrouble::Temporary),
            ("[UNAVAILABLE] Temporary authentication failure.", LoginTrouble::Temporary),
            ("[UNAVAILABLE] Maximum number of connections from user+IP exceeded", LoginTrouble::TooMany),
            ("[LIMIT] Maximum number", LoginTrouble::TooMany),
            ("[ALERT] Too many simultaneous connections. (Failure)", LoginTrouble::TooMany),
            ("Request is throttled. Suggested Backoff Time: 100 milliseconds", LoginTrouble::Temporary),
        ];
        for (text, expected) in cases {
            assert_eq!(LoginTrouble::of(text), expected, "{text}");
        }
    }
}
