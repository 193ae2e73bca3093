//! The exports that the service writes by itself: where they are, how many are kept, and which one to go on from.
//!
//! They stand beside the store, not in it: a damaged store is moved away.

use super::export::verify;
use crate::model::Timestamp;
use std::ffi::OsString;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// How the names of the exports begin, and how they end.
const BEGIN: &str = "mailbell-";
const END: &str = ".jsonl";
/// Those that a person asked for: they are not counted.
const WHOLE: &str = "-whole";

/// The directory of the exports of the store in a directory: `state.exports` beside `state`.
pub fn directory(store: &Path) -> PathBuf {
    let mut name = store.file_name().map(OsString::from).unwrap_or_default();
    name.push(".exports");
    store.with_file_name(name)
}

/// The file for an export that is written at `wall`; its directory is made if it is not there.
///
/// # Errors
/// The directory cannot be made.
pub fn file(store: &Path, wall: Timestamp, whole: bool) -> std::io::Result<PathBuf> {
    let directory = directory(store);
    DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
    let at = jiff::Timestamp::from_millisecond(wall.0).unwrap_or_default().strftime("%Y%m%dT%H%M%S%.3fZ");
    Ok(directory.join(format!("{BEGIN}{at}{}{END}", if whole { WHOLE } else { "" })))
}

/// The exports of a store, the oldest first.
pub fn list(store: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory(store)).into_iter().flatten().flatten();
    let is_export = |name: &str| name.starts_with(BEGIN) && name.ends_with(END);
    let named = |path: &PathBuf| path.file_name().is_some_and(|name| is_export(&name.to_string_lossy()));
    let mut found: Vec<_> = entries.map(|entry| entry.path()).filter(named).collect();
    found.sort();
    found
}

/// Removes the oldest but `kept` of those that were written by the clock, and what a dying process left; what is just being written is locked.
///
/// # Errors
/// One cannot be removed.
pub fn rotate(store: &Path, kept: usize) -> std::io::Result<()> {
    let by_clock = |path: &&PathBuf| !path.to_string_lossy().ends_with(&format!("{WHOLE}{END}"));
    let all = list(store);
    let mine: Vec<_> = all.iter().filter(by_clock).collect();
    for old in mine.iter().take(mine.len().saturating_sub(kept.max(1))) {
        std::fs::remove_file(old)?;
    }
    for entry in std::fs::read_dir(directory(store))?.flatten() {
        let left = entry.path();
        if left.extension().is_some_and(|e| e == "unfinished") && File::open(&left)?.try_lock().is_ok() {
            std::fs::remove_file(left)?;
        }
    }
    Ok(())
}

/// The newest export that is whole, if there is one.
pub fn newest(store: &Path) -> Option<PathBuf> {
    list(store).into_iter().rev().find(|file| verify(file).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exports_are_counted_by_age_and_those_of_people_are_left() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("state");
        for second in 0..6 {
            let name = file(&store, Timestamp(second * 1000), second == 1).unwrap();
            std::fs::write(name, "x").unwrap();
        }
        std::fs::write(directory(&store).join("mailbell-x.unfinished"), "x").unwrap();
        rotate(&store, 2).unwrap();
        let names: Vec<_> =
            list(&store).iter().map(|file| file.file_name().unwrap().to_string_lossy().into_owned()).collect();
        let expected = ["19700101T000001.000Z-whole", "19700101T000004.000Z", "19700101T000005.000Z"];
        assert_eq!(names, expected.map(|name| format!("mailbell-{name}.jsonl")));
        assert_eq!(std::fs::read_dir(directory(&store)).unwrap().count(), 3);
        assert_eq!(newest(&store), None, "none of them is whole");
    }
}
