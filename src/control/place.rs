//! Where the socket is: made with the rights of its owner alone, also where its path is longer than a Unix socket's may
//! be (108 bytes, unix(7)); who died without removing it does not stand in the way.

use super::SOCKET;
use rustix::fs::{Mode, OFlags};
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs::Permissions;
use std::io::{Error, ErrorKind};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The longest path that fits, with its final NUL (unix(7)).
const MAX_PATH_BYTES: usize = 107;
/// Waiting connections.
const BACKLOG: i32 = 64;

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process listens there.
    #[error("{0}: another mailbell listens there already")]
    Alive(PathBuf),
    /// Something else has its name, or it cannot be told whether somebody listens.
    #[error("{path}: {reason}; remove it and start mailbell again")]
    InTheWay {
        /// The path.
        path: PathBuf,
        /// What is there.
        reason: String,
    },
    /// It cannot be made.
    #[error("{path}: {error}")]
    System {
        /// The path.
        path: PathBuf,
        /// The system's words.
        error: Error,
    },
}

/// A listening socket; the file is removed when it is dropped.
#[derive(Debug)]
pub struct Bound {
    pub(super) listener: tokio::net::UnixListener,
    path: PathBuf,
}

impl Drop for Bound {
    fn drop(&mut self) {
        // Somebody may have removed the directory before.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Listens in a state directory whose store this process holds. A socket that nobody listens on is replaced, in one
/// step; one that lives never.
///
/// # Errors
/// See [`BindError`]; a service can do without it.
pub fn bind(directory: &Path) -> Result<Bound, BindError> {
    let path = directory.join(SOCKET);
    let system = |error: Error| BindError::System { path: path.clone(), error };
    check_free(directory, &path)?;
    // Under another name until its rights are set: nobody can connect before it listens, and listening begins then.
    let fresh = format!("{SOCKET}.new");
    let fresh_path = directory.join(&fresh);
    match std::fs::remove_file(&fresh_path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(system(error)),
        _ => {}
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(system)?;
    let short = Short::new(directory, &fresh).map_err(system)?;
    socket.bind(&short.address).map_err(system)?;
    let listening = std::fs::set_permissions(&fresh_path, Permissions::from_mode(0o600))
        .and_then(|()| socket.set_nonblocking(true))
        .and_then(|()| socket.listen(BACKLOG))
        .and_then(|()| std::fs::rename(&fresh_path, &path))
        .and_then(|()| tokio::net::UnixListener::from_std(OwnedFd::from(socket).into()));
    match listening {
        Ok(listener) => Ok(Bound { listener, path }),
        Err(error) => {
            let _ = std::fs::remove_file(&fresh_path);
            Err(system(error))
        }
    }
}

fn check_free(directory: &Path, path: &Path) -> Result<(), BindError> {
    let in_the_way = |reason: String| BindError::InTheWay { path: path.to_owned(), reason };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(BindError::System { path: path.to_owned(), error }),
        Ok(found) if !found.file_type().is_socket() => return Err(in_the_way("it is no socket".to_owned())),
        Ok(_) => {}
    }
    match connect(directory) {
        Ok(_) => Err(BindError::Alive(path.to_owned())),
        // Whoever listens has more waiting than it takes.
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err(BindError::Alive(path.to_owned())),
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => Ok(()),
        Err(error) => Err(in_the_way(error.to_string())),
    }
}

/// Connects to the socket of a state directory, without ever waiting.
///
/// # Errors
/// The system's: `NotFound`, `ConnectionRefused` where nobody listens, `PermissionDenied`, `WouldBlock`.
pub(super) fn connect(directory: &Path) -> std::io::Result<std::os::unix::net::UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    let short = Short::new(directory, SOCKET)?;
    socket.connect(&short.address)?;
    Ok(OwnedFd::from(socket).into())
}

/// An address that fits, whatever the directory's path: a long one goes over an open handle of the directory.
struct Short {
    address: SockAddr,
    _directory: Option<OwnedFd>,
}

impl Short {
    fn new(directory: &Path, name: &str) -> std::io::Result<Self> {
        let whole = directory.join(name);
        if whole.as_os_str().len() <= MAX_PATH_BYTES {
            return Ok(Self { address: SockAddr::unix(whole)?, _directory: None });
        }
        let handle = rustix::fs::open(directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let over_handle = PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd()));
        if !over_handle.exists() {
            let said = format!("longer than {MAX_PATH_BYTES} bytes and no /proc; choose a shorter [state] path");
            return Err(Error::new(ErrorKind::InvalidFilename, said));
        }
        Ok(Self { address: SockAddr::unix(over_handle.join(name))?, _directory: Some(handle) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[tokio::test]
    async fn only_its_owner_may_use_it_and_the_directory_keeps_its_rights() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let bound = bind(dir.path()).unwrap();
        assert_eq!(mode(&dir.path().join(SOCKET)), 0o600);
        assert_eq!(mode(dir.path()), 0o755);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left");
        connect(dir.path()).unwrap();
        drop(bound);
        assert_eq!(connect(dir.path()).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn the_socket_of_a_dead_process_is_replaced_a_living_one_never() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(SOCKET);
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert_eq!(connect(dir.path()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        std::fs::write(dir.path().join("control.sock.new"), "").unwrap();
        let _bound = bind(dir.path()).unwrap();
        connect(dir.path()).unwrap();
        assert!(matches!(bind(dir.path()), Err(BindError::Alive(_))));
        connect(dir.path()).unwrap();
    }

    /// A service that is stuck takes nobody in; its socket is alive all the same.
    #[tokio::test]
    async fn a_socket_with_a_full_queue_is_alive() {
        let dir = tempfile::tempdir().unwrap();
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        socket.bind(&SockAddr::unix(dir.path().join(SOCKET)).unwrap()).unwrap();
        socket.listen(0).unwrap();
        let waiting: Vec<_> = (0..8).map(|_| connect(dir.path())).collect();
        assert!(waiting.iter().any(|c| c.as_ref().is_err_and(|e| e.kind() == ErrorKind::WouldBlock)));
        assert!(matches!(bind(dir.path()), Err(BindError::Alive(_))));
    }

    #[tokio::test]
    async fn a_file_with_its_name_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(SOCKET), "mine").unwrap();
        let told = bind(dir.path()).unwrap_err().to_string();
        assert!(told.contains("control.sock: it is no socket; remove it"), "{told}");
        assert_eq!(std::fs::read(dir.path().join(SOCKET)).unwrap(), b"mine");
    }

    #[tokio::test]
    async fn long_paths_are_no_obstacle() {
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("x".repeat(100)).join("y".repeat(100));
        std::fs::create_dir_all(&long).unwrap();
        let _bound = bind(&long).unwrap();
        assert_eq!(mode(&long.join(SOCKET)), 0o600);
        connect(&long).unwrap();
        assert!(matches!(bind(&long), Err(BindError::Alive(_))));
    }

    #[tokio::test]
    async fn a_directory_that_is_not_there_is_named() {
        let told = bind(Path::new("/nowhere/at/all")).unwrap_err().to_string();
        assert!(told.starts_with("/nowhere/at/all/control.sock: "), "{told}");
    }
}
