//! The installed Dovecot: where it is and which version, and what can be wrong with a private one.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::ca::CaError;

/// Why the private Dovecot does not run, or did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DovecotError {
    /// Not installed, or only a part of it.
    #[error("{0} was not found. Install Dovecot with: apt-get install dovecot-imapd dovecot-lmtpd")]
    Missing(String),
    /// It is there but its version could not be read.
    #[error("`{} --version` answered something else than a version: {answer:?}", .program.display())]
    Version {
        /// The program asked.
        program: PathBuf,
        /// What it said.
        answer: String,
    },
    /// A login that cannot be written into Dovecot's password file.
    #[error("{0:?} cannot be a login of the private Dovecot: use lower-case letters, digits, and . _ - + @")]
    Login(String),
    /// A file, a directory or a process could not be made.
    #[error("{what}: {source}")]
    System {
        /// What was tried, and on what.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The certificates could not be made.
    #[error(transparent)]
    Certificate(#[from] CaError),
    /// It ended, or did not accept connections in time.
    #[error("the private Dovecot {what}. The end of its log:\n{log}")]
    NotReady {
        /// What happened.
        what: String,
        /// The last lines of its log.
        log: String,
    },
    /// A doveadm command failed.
    #[error("doveadm {command} failed ({status}): {said}")]
    Doveadm {
        /// Its arguments.
        command: String,
        /// Its exit status.
        status: String,
        /// Its error output.
        said: String,
    },
}

pub(super) fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> DovecotError {
    let what = what.into();
    move |source| DovecotError::System { what, source }
}

/// The version of a Dovecot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// 2 of 2.3.19.
    pub major: u32,
    /// 3 of 2.3.19.
    pub minor: u32,
    /// 19 of 2.3.19.
    pub patch: u32,
}

impl Version {
    /// Reads `2.3.19.1 (9b53102964)` or `2.4.1-4 (7d8c0e5759)`.
    pub fn parse(text: &str) -> Option<Version> {
        let mut numbers = text.trim().split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse().ok());
        Some(Version { major: numbers.next()?, minor: numbers.next()?, patch: numbers.next().unwrap_or(0) })
    }

    /// Whether it reads the configuration syntax that came with 2.4.
    pub fn is_from_2_4(self) -> bool {
        (self.major, self.minor) >= (2, 4)
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// The installed Dovecot: its main program and its version.
///
/// # Errors
/// When it, or its IMAP or LMTP part, is not installed (the error says how to install it); when it tells no version.
pub fn find() -> Result<(PathBuf, Version), DovecotError> {
    let program = find_program("dovecot")?;
    // where Debian, the project itself and others put the parts
    let parts = ["/usr/lib/dovecot", "/usr/libexec/dovecot", "/usr/local/libexec/dovecot"].map(Path::new);
    if let Some(parts) = parts.iter().find(|parts| parts.join("anvil").exists()) {
        for part in ["imap", "imap-login", "lmtp"] {
            if !parts.join(part).exists() {
                return Err(DovecotError::Missing(format!("The part \"{part}\" of Dovecot")));
            }
        }
    }
    let output = Command::new(&program)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .map_err(system(format!("cannot run {}", program.display())))?;
    let answer = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match Version::parse(&answer) {
        Some(version) => Ok((program, version)),
        None => Err(DovecotError::Version { program, answer }),
    }
}

/// Looks in PATH and where system programs are: an ordinary user's PATH often lacks those.
pub(super) fn find_program(name: &str) -> Result<PathBuf, DovecotError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(usual)
        .map(|directory| directory.join(name))
        .find(|file| file.is_absolute() && file.is_file())
        .ok_or_else(|| DovecotError::Missing(format!("The program \"{name}\"")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn versions_are_read() {
        for (text, version, new) in [
            ("2.3.19.1 (9b53102964)", (2, 3, 19), false),
            ("2.4.1-4 (7d8c0e5759)", (2, 4, 1), true),
            ("3.0", (3, 0, 0), true),
        ] {
            let read = Version::parse(text).unwrap();
            assert_eq!((read.major, read.minor, read.patch), version);
            assert_eq!(read.is_from_2_4(), new);
        }
        assert!(Version::parse("sh: not found").is_none());
    }

    #[test]
    fn what_is_missing_can_be_installed() {
        let error = find_program("no-such-program").unwrap_err().to_string();
        assert_eq!(
            error,
            "The program \"no-such-program\" was not found. Install Dovecot with: apt-get install dovecot-imapd dovecot-lmtpd"
        );
    }
}
