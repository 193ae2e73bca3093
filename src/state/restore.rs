//! A store made of an export in the place of one that is there: of a damaged one when the service starts, or because a
//! person says so.
//!
//! The new one is made beside the old one, whole; then the old one is moved aside, never deleted, and the new one gets its
//! name. A process that dies in between leaves the old one, or the new one under a name that the next start knows.

use super::export::{ExportError, Summary, import};
use super::store::Store;
use super::{StateError, aside, exports};
use crate::model::Timestamp;
use std::fs::File;
use std::path::{Path, PathBuf};
use tracing::{error, info};

/// What was done with a damaged store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Where the damaged one is now.
    pub kept: PathBuf,
    /// The export that its successor was made of; `None`: there was none, and the store begins anew.
    pub from: Option<(PathBuf, Summary)>,
}

/// The name of a whole store that waits for its place.
fn made(store: &Path) -> PathBuf {
    let name = store.file_name().unwrap_or_default().to_string_lossy().into_owned();
    store.with_file_name(format!("{name}.restored"))
}

/// Makes a store of an export and puts it in the place of the one that is there, if there is one; answers where that is
/// now: under a name that ends with `what` it was and the time.
///
/// # Errors
/// See [`ExportError`]. If the export is refused, nothing was changed.
pub fn put_in_place(
    export: &Path,
    store: &Path,
    what: &str,
    wall: Timestamp,
) -> Result<(Summary, Option<PathBuf>), ExportError> {
    let made = made(store);
    if made.exists() {
        // Of a process that died before it moved the old one; there is nothing in it that is not in its export.
        std::fs::remove_dir_all(&made)?;
    }
    let summary = import(export, &made)?;
    let kept = match store.exists() {
        true => Some(aside::move_aside(store, what, wall)?),
        false => None,
    };
    take_place(&made, store)?;
    Ok((summary, kept))
}

fn take_place(made: &Path, store: &Path) -> std::io::Result<()> {
    std::fs::rename(made, store)?;
    match store.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// Before the service opens its store: brings a restoring to its end that a dead process had begun, and puts the newest
/// whole export in the place of a store that an earlier process found damaged; without one the store begins anew. `None`:
/// there is no damaged one.
///
/// # Errors
/// Somebody has it open, or it cannot be moved.
pub fn restore_damaged(store: &Path, wall: Timestamp) -> Result<Option<Restored>, StateError> {
    let failed = |e: std::io::Error| StateError::Directory { path: store.to_owned(), reason: e.to_string() };
    let made = made(store);
    if !store.exists() && made.exists() {
        take_place(&made, store).map_err(failed)?;
        info!("a store that was restored by a process that died has its place now");
    }
    if !aside::is_marked(store) {
        return Ok(None);
    }
    if Store::in_use(store)? {
        return Err(StateError::InUse(store.to_owned()));
    }
    if let Some(file) = exports::newest(store) {
        match put_in_place(&file, store, "damaged", wall) {
            Ok((summary, Some(kept))) => return Ok(Some(Restored { kept, from: Some((file, summary)) })),
            // It could not be made for another reason than the export: better told than begun anew.
            Err(ExportError::State(error)) => return Err(error),
            Err(ExportError::File(error)) => return Err(failed(error)),
            Ok((_, None)) | Err(_) => error!("the last export is of no use"),
        }
    }
    Ok(Some(Restored { kept: aside::move_aside(store, "damaged", wall)?, from: None }))
}
