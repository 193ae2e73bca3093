//! A store whose pages cannot be read: marked by the process that found it, moved aside by the next one, never deleted.
//! And the note that a store was begun: a log whose first bytes are damaged looks like one that was never written.

use super::StateError;
use crate::model::Timestamp;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The file in a store's directory that says: do not open this.
const MARK: &str = "damaged-page";

/// Marks the store in a directory as damaged, durably, so that the next start does not open it.
pub(super) fn mark(path: &Path) -> std::io::Result<()> {
    let mut file = File::create(path.join(MARK))?;
    file.write_all(b"a page of this store cannot be read; mailbell moves this directory aside at its next start\n")?;
    file.sync_all()?;
    File::open(path)?.sync_all()
}

/// Whether the store in a directory was marked.
pub(super) fn is_marked(path: &Path) -> bool {
    path.join(MARK).exists()
}

/// The file that says that a store was written: if it is there and the store is empty, its log was lost.
const BEGUN: &str = "begun";

/// Notes, durably, that the store in a directory holds something from now on.
pub(super) fn note_begun(path: &Path) -> std::io::Result<()> {
    if was_begun(path) {
        return Ok(());
    }
    File::create(path.join(BEGUN))?.sync_all()?;
    File::open(path)?.sync_all()
}

/// Whether it did before.
pub(super) fn was_begun(path: &Path) -> bool {
    path.join(BEGUN).exists()
}

/// What opening such a store says.
pub(super) fn marked(path: &Path) -> StateError {
    StateError::Damaged { path: path.to_owned(), reason: "one of its pages cannot be read".to_owned() }
}

/// Moves a directory aside: to a name beside it that says `what` it was, and that nobody has. Answers where it is now.
pub(super) fn move_aside(path: &Path, what: &str, wall: Timestamp) -> Result<PathBuf, StateError> {
    let failed = |to: &Path, error: std::io::Error| StateError::Directory {
        path: path.to_owned(),
        reason: format!("it cannot be moved to {}: {error}; move it by hand", to.display()),
    };
    let to = free_name(path, what, wall);
    std::fs::rename(path, &to).map_err(|error| failed(&to, error))?;
    if let Some(parent) = path.parent() {
        // Without it the power could bring the old name back; then it is moved again.
        let _ = File::open(parent).and_then(|parent| parent.sync_all());
    }
    Ok(to)
}

/// `state.damaged-20261122T043000Z`, and a number behind it if that exists.
fn free_name(path: &Path, what: &str, wall: Timestamp) -> PathBuf {
    let at = jiff::Timestamp::from_millisecond(wall.0).unwrap_or_default().strftime("%Y%m%dT%H%M%SZ");
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut to = path.with_file_name(format!("{name}.{what}-{at}"));
    let mut number = 2;
    while to.exists() {
        to = path.with_file_name(format!("{name}.{what}-{at}-{number}"));
        number += 1;
    }
    to
}
