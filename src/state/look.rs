//! Whether a store could be opened, found out on a copy: opening writes, and who asks may be another user.

use super::store::Store;
use super::{StateError, aside};
use std::path::Path;

/// Larger stores are not copied for a look.
const MOST_BYTES: u64 = 512 * 1024 * 1024;

/// Opens a copy of the store in a directory that nobody has open. `Ok(false)`: it was not tried, because it is large or
/// there is no room for a copy.
///
/// # Errors
/// What opening it would say: damaged, newer.
pub fn could_be_opened(path: &Path) -> Result<bool, StateError> {
    if aside::is_marked(path) {
        return Err(aside::marked(path));
    }
    let size = std::fs::metadata(path.join("db")).map_or(0, |db| db.len());
    if size == 0 || size > MOST_BYTES {
        return Ok(false);
    }
    let Ok(copy) = tempfile::tempdir() else { return Ok(false) };
    if copy_files(path, copy.path()).is_err() {
        return Ok(false);
    }
    match Store::open(copy.path()) {
        Ok(_) => Ok(true),
        Err(StateError::Damaged { reason, .. }) => Err(StateError::Damaged { path: path.to_owned(), reason }),
        Err(StateError::Stuck { reason, .. }) => {
            let reason = reason.unwrap_or_else(|| "reading a page does not end".to_owned());
            Err(StateError::Damaged { path: path.to_owned(), reason })
        }
        Err(error @ (StateError::Newer { .. } | StateError::Record(_))) => Err(error),
        // The copy's troubles.
        Err(_) => Ok(false),
    }
}

/// The files of a directory, and of the directories in it.
fn copy_files(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (kind, to) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            std::fs::create_dir(&to)?;
            copy_files(&entry.path(), &to)?;
        } else if kind.is_file() {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
