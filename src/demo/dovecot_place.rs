//! Where a private Dovecot lives: its ports, its directories, and the logins that can be written into its files.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::dovecot_find::{DovecotError, system};
use super::dovecot_process::Account;

/// The free ports of one Dovecot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    pub imap: u16,
    pub imaps: u16,
    pub lmtp: u16,
}

impl Ports {
    /// Three free ones below the range from which the system serves outgoing connections, so that a restart finds them
    /// free again.
    pub fn choose() -> Result<Ports, DovecotError> {
        let mut held = Vec::new();
        for _ in 0..1000 {
            if held.len() == 3 {
                break;
            }
            let port = rand::random_range(10_500..30_000);
            if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
                held.push((port, listener));
            }
        }
        match held.as_slice() {
            [(imap, _), (imaps, _), (lmtp, _)] => Ok(Ports { imap: *imap, imaps: *imaps, lmtp: *lmtp }),
            _ => Err(system("cannot find three free ports on 127.0.0.1")(std::io::ErrorKind::AddrInUse.into())),
        }
    }
}

/// Dovecot makes logins lower-case and files of them; ":" ends them in its password file.
pub(super) fn check_login(login: &str) -> Result<(), DovecotError> {
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-+@".contains(c);
    if !login.is_empty() && !login.starts_with('.') && login.chars().all(fine) {
        return Ok(());
    }
    Err(DovecotError::Login(login.to_owned()))
}

/// The directory for mail and files, and the one for sockets.
pub(super) fn directories(dir: &Path, account: &Account) -> Result<(TempDir, TempDir), DovecotError> {
    let make = |at: &Path, prefix: &str| {
        let made = tempfile::Builder::new().prefix(prefix).tempdir_in(at);
        let made = made.map_err(system(format!("cannot make a directory in {}", at.display())))?;
        account.give(made.path()).map_err(system(format!("cannot give away {}", made.path().display())))?;
        Ok::<_, DovecotError>(made)
    };
    let dir = std::path::absolute(dir).map_err(system(format!("cannot tell where {} is", dir.display())))?;
    let places = [dir, std::env::temp_dir(), PathBuf::from("/tmp")];
    let usable = |place: &&PathBuf| writable_in_conf(place) && (!account.switch || others_may_pass(place));
    // a socket's path has 107 bytes at most; Dovecot's longest name in this directory has about 40
    let short = |place: &&PathBuf| place.as_os_str().len() <= 40;
    let none = || {
        system("there is no directory that Dovecot's user can reach, not even /tmp")(
            std::io::ErrorKind::PermissionDenied.into(),
        )
    };
    let home = make(places.iter().find(usable).ok_or_else(none)?, "mailbell-dovecot-")?;
    let base = make(places.iter().skip(1).filter(short).find(usable).ok_or_else(none)?, "mb-")?;
    Ok((home, base))
}

/// Whether Dovecot's configuration takes this path without quotes, in both syntaxes.
fn writable_in_conf(path: &Path) -> bool {
    let fine = |b: &u8| b.is_ascii_alphanumeric() || b"/._-+@,=:".contains(b) || *b >= 0x80;
    path.as_os_str().as_encoded_bytes().iter().all(fine)
}

/// Whether a user without rights of their own may reach what lies in this directory.
fn others_may_pass(dir: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    let Ok(dir) = dir.canonicalize() else {
        return false;
    };
    dir.ancestors().all(|part| part.metadata().is_ok_and(|known| known.permissions().mode() & 0o001 != 0))
}
