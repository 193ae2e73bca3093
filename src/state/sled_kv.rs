//! The backend of one node: sled 0.34, with the guards it needs (crates 5).
//!
//! - `flush` does not fsync on Linux, so a second handle on the log file does; so it is with the files in `blobs`, where
//!   sled puts items above 128 KiB.
//! - A half-written `snap.*.generating` blocks opening and a damaged `snap.*` too; both can be rebuilt from the log:
//!   the one is deleted, the other is moved aside and opening is tried once more.
//! - Opening can panic on a log cut short; that is caught.
//! - Its threads keep the directory's lock for a moment after the database is dropped; dropping waits for them.

use super::StateError;
use super::kv::{Batch, Kv, Nudge, Pairs};
use crate::unwind::caught;
use sled::transaction::TransactionError;
use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{DirBuilder, File, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A hint to sled, which keeps some multiple of it.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// How often sled writes by itself; acknowledged data never waits for it.
const FLUSH_EVERY_MS: u64 = 500;
/// How long sled's threads may take to let go of a dropped database.
const LET_GO: Duration = Duration::from_secs(5);
/// What must find room before the database is opened.
const PROBE_BYTES: usize = 1024 * 1024;
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// A sled database in a directory of its own; once it is dropped, the directory is free.
#[derive(Debug)]
pub struct SledKv {
    // Fields are dropped in this order: the database, then the wait for its lock.
    db: sled::Db,
    log: Log,
    path: PathBuf,
    /// The files of large items that are on the disk.
    blobs: HashSet<OsString>,
}

/// A second handle on the file that sled writes and locks.
#[derive(Debug)]
struct Log(File);

impl Drop for Log {
    /// Waits until nobody of this process holds the lock any more.
    fn drop(&mut self) {
        let begun = Instant::now();
        while matches!(self.0.try_lock(), Err(TryLockError::WouldBlock)) && begun.elapsed() < LET_GO {
            std::thread::sleep(LOOK_AGAIN);
        }
        // Closing alone would leave the lock to a child process that is just being started.
        let _ = self.0.unlock();
    }
}

impl SledKv {
    /// Opens or makes the database.
    ///
    /// # Errors
    /// In use by another process, not allowed, damaged beyond what can be rebuilt.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let directory = |e: std::io::Error| StateError::Directory { path: path.to_owned(), reason: e.to_string() };
        // Letters wait in there: a directory that is made here is for its user alone.
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(directory)?;
        // Before sled touches anything; who runs on it already knows.
        if !in_use(path)? {
            try_to_write(path)?;
        }
        // Only once the lock was ours: another process may be writing its snapshot just now.
        let mut db = open_db(path);
        if matches!(db, Err(StateError::Damaged { .. })) && remove_half_written(path).map_err(directory)? {
            db = open_db(path);
        }
        if matches!(db, Err(StateError::Damaged { .. })) && set_snapshots_aside(path) {
            db = open_db(path);
        }
        let db = db?;
        let log = Log(File::open(path.join("db")).map_err(directory)?);
        Ok(Self { db, log, path: path.to_owned(), blobs: HashSet::new() })
    }

    /// Large items stand in files of their own, which the log only names: they must be on the disk before it.
    fn sync_blobs(&mut self) -> std::io::Result<()> {
        let directory = self.path.join("blobs");
        let mut there = HashSet::new();
        let mut fresh = false;
        for entry in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if !self.blobs.contains(&name) {
                match File::open(entry.path()) {
                    Ok(file) => file.sync_all()?,
                    // Cleaned away meanwhile: nothing names it any more.
                    Err(error) if error.kind() == ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                }
                fresh = true;
            }
            there.insert(name);
        }
        self.blobs = there;
        if fresh { File::open(directory)?.sync_all() } else { Ok(()) }
    }

    /// What a call of sled's for reading came to. A page that is damaged gives an error, or a panic; reading may write
    /// (pages are split when they are come by), so a full disk is no damage.
    fn read<T>(&self, call: impl FnOnce() -> sled::Result<T>) -> Result<T, StateError> {
        let damaged = |reason: String| StateError::Damaged { path: self.path.clone(), reason };
        match caught(call) {
            Some(Ok(value)) => Ok(value),
            Some(Err(error @ sled::Error::Io(_))) => Err(StateError::Write(words(&error))),
            Some(Err(error)) => Err(damaged(words(&error))),
            None => Err(damaged("a page makes no sense".to_owned())),
        }
    }
}

/// What a call for writing came to.
fn write<T>(call: impl FnOnce() -> Result<T, String>) -> Result<T, StateError> {
    caught(call).unwrap_or_else(|| Err("sled has failed by a fault of its own".to_owned())).map_err(StateError::Write)
}

fn no_space() -> std::io::Error {
    rustix::io::Errno::NOSPC.into()
}

/// sled's errors in words for people.
fn words(error: &sled::Error) -> String {
    match error {
        // Its own errors quote the system's as the compiler would write them.
        sled::Error::Io(error) if error.kind() == ErrorKind::StorageFull => no_space().to_string(),
        sled::Error::Io(error) => error.to_string(),
        // The place it tells is written as the compiler would write it, and helps nobody.
        sled::Error::Corruption { .. } => "its log holds bytes that are not those written".to_owned(),
        other => other.to_string(),
    }
}

/// Whether another process has the database in a directory open; without touching it. A directory without a database
/// is free.
///
/// # Errors
/// The database cannot be read.
pub(super) fn in_use(path: &Path) -> Result<bool, StateError> {
    let failed = |e: std::io::Error| StateError::Directory { path: path.to_owned(), reason: e.to_string() };
    let log = match File::open(path.join("db")) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        opened => opened.map_err(failed)?,
    };
    match log.try_lock() {
        Ok(()) => log.unlock().map_err(failed).map(|()| false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Writes a file of two of sled's segments, with a sync, and removes it: opening needs some room.
fn try_to_write(path: &Path) -> Result<(), StateError> {
    let file = path.join("write-test");
    let written = File::create(&file).and_then(|mut file| {
        file.write_all(&[0; PROBE_BYTES])?;
        file.sync_all()
    });
    // It may exist though writing failed.
    let removed = std::fs::remove_file(&file);
    written.and(removed).map_err(|error| match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StateError::Write(error.to_string()),
        _ => StateError::Directory { path: path.to_owned(), reason: error.to_string() },
    })
}

fn open_db(path: &Path) -> Result<sled::Db, StateError> {
    let config = sled::Config::new().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(Some(FLUSH_EVERY_MS));
    let damaged = |reason: String| StateError::Damaged { path: path.to_owned(), reason };
    match caught(|| config.open()) {
        Some(Ok(db)) => Ok(db),
        Some(Err(sled::Error::Io(error))) if is_lock(&error) => Err(StateError::InUse(path.to_owned())),
        Some(Err(sled::Error::Io(error))) => {
            Err(StateError::Directory { path: path.to_owned(), reason: error.to_string() })
        }
        Some(Err(error)) => Err(damaged(words(&error))),
        None => Err(damaged("the log is cut short".to_owned())),
    }
}

/// sled tells of a held lock by an error of its own making that quotes the system's.
fn is_lock(error: &std::io::Error) -> bool {
    let text = error.to_string();
    error.kind() == std::io::ErrorKind::WouldBlock || text.contains("WouldBlock") || text.contains("acquire lock")
}

fn snapshots(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let named = |p: &PathBuf| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("snap."));
    entries.map(|e| e.path()).filter(named).collect()
}

/// Removes what a dying process left; whether there was any.
fn remove_half_written(path: &Path) -> std::io::Result<bool> {
    let mut removed = false;
    for file in snapshots(path) {
        if file.extension().is_some_and(|e| e == "generating") {
            std::fs::remove_file(file)?;
            removed = true;
        }
    }
    Ok(removed)
}

/// Moves the snapshots aside; whether there were any.
fn set_snapshots_aside(path: &Path) -> bool {
    let mut moved = false;
    for file in snapshots(path) {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        moved |= std::fs::rename(&file, path.join(format!("damaged.{name}"))).is_ok();
    }
    moved
}

impl Kv for SledKv {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        self.read(|| Ok(self.db.get(key)?.map(|value| value.to_vec())))
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, most: usize) -> Result<Pairs, StateError> {
        let from = after.map_or_else(|| prefix.to_vec(), |key| [key, &[0]].concat());
        self.read(|| {
            let mut found = Vec::new();
            for pair in self.db.range(from..).take(most) {
                let (key, value) = pair?;
                if !key.starts_with(prefix) {
                    break;
                }
                found.push((key.to_vec(), value.to_vec()));
            }
            Ok(found)
        })
    }

    fn apply(&mut self, batch: Batch) -> Result<(), StateError> {
        let mut changes = sled::Batch::default();
        for (key, value) in batch.0 {
            match value {
                Some(value) => changes.insert(key, value),
                None => changes.remove(key),
            }
        }
        // One tree holds everything, so one transaction on it is all or nothing.
        let done = caught(|| self.db.transaction(|tree| Ok(tree.apply_batch(&changes)?)));
        match done {
            Some(Ok(())) => Ok(()),
            Some(Err(TransactionError::Storage(error))) => self.read(|| Err(error)),
            Some(Err(TransactionError::Abort(()))) => write(|| Err("the transaction was aborted".to_owned())),
            None => write(|| Err("sled has failed by a fault of its own".to_owned())),
        }
    }

    fn sync(&mut self) -> Result<(), StateError> {
        write(|| self.db.flush().map_err(|error| words(&error)))?;
        write(|| self.sync_blobs().map_err(|error| error.to_string()))?;
        write(|| self.log.0.sync_all().map_err(|error| error.to_string()))
    }

    /// A flush may sleep on though the write that it waits for has failed: sled tells the sleepers only when somebody
    /// else flushes.
    fn nudge(&self) -> Option<Nudge> {
        let (db, busy) = (self.db.clone(), Arc::new(AtomicBool::new(false)));
        Some(Arc::new(move || {
            if busy.swap(true, Ordering::SeqCst) {
                return;
            }
            let (db, busy) = (db.clone(), busy.clone());
            let flush = move || {
                let _ = caught(|| db.flush());
                busy.store(false, Ordering::SeqCst);
            };
            // Without a thread there is no nudge this time.
            let _ = std::thread::Builder::new().name("store-nudge".to_owned()).spawn(flush);
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(kv: &mut SledKv, key: &[u8], value: &[u8]) {
        let mut batch = Batch::default();
        batch.put(key.to_vec(), value.to_vec());
        kv.apply(batch).unwrap();
        kv.sync().unwrap();
    }

    #[test]
    fn a_second_opening_says_who_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let _first = SledKv::open(dir.path()).unwrap();
        assert_eq!(SledKv::open(dir.path()).unwrap_err(), StateError::InUse(dir.path().to_owned()));
    }

    #[test]
    fn a_new_directory_is_for_its_user_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let _kv = SledKv::open(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }

    /// A large item is in a file that the log only names. Whether it was synced cannot be seen from here; that each such
    /// file is known after a sync can.
    #[test]
    fn the_files_of_large_items_are_synced_too() {
        let dir = tempfile::tempdir().unwrap();
        let mut kv = SledKv::open(dir.path()).unwrap();
        put(&mut kv, b"small", b"x");
        assert!(kv.blobs.is_empty());
        put(&mut kv, b"large", &[7; 300_000]);
        let files: HashSet<_> =
            std::fs::read_dir(dir.path().join("blobs")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(!files.is_empty() && files.is_subset(&kv.blobs));
    }

    #[test]
    fn leftover_and_damaged_snapshots_cost_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut kv = SledKv::open(dir.path()).unwrap();
        for i in 0..500_u32 {
            put(&mut kv, &i.to_be_bytes(), &[7; 100]);
        }
        drop(kv);
        // Opening and closing once more makes a snapshot; then one is damaged and one half-written.
        drop(SledKv::open(dir.path()).unwrap());
        std::fs::write(dir.path().join("snap.0000000000000001.generating"), b"half").unwrap();
        for file in snapshots(dir.path()) {
            std::fs::write(file, b"damaged").unwrap();
        }
        let kv = SledKv::open(dir.path()).unwrap();
        assert_eq!(kv.scan(&[], None, 1000).unwrap().len(), 500);
        let kept = std::fs::read_dir(dir.path()).unwrap().flatten();
        assert!(kept.map(|e| e.file_name()).any(|n| n.to_string_lossy().starts_with("damaged.snap.")));
    }

    #[test]
    fn an_opening_in_vain_touches_nothing_of_the_one_that_runs() {
        let dir = tempfile::tempdir().unwrap();
        let _first = SledKv::open(dir.path()).unwrap();
        let snapshot = dir.path().join("snap.0000000000000001.generating");
        std::fs::write(&snapshot, b"being written").unwrap();
        assert_eq!(SledKv::open(dir.path()).unwrap_err(), StateError::InUse(dir.path().to_owned()));
        assert!(snapshot.exists());
    }

    #[test]
    fn a_half_written_snapshot_alone_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        put(&mut SledKv::open(dir.path()).unwrap(), b"key", b"value");
        let snapshot = dir.path().join("snap.0000000000000001.generating");
        std::fs::write(&snapshot, b"half").unwrap();
        let kv = SledKv::open(dir.path()).unwrap();
        assert_eq!(kv.get(b"key").unwrap().as_deref(), Some(&b"value"[..]));
        drop(kv);
        std::fs::write(&snapshot, b"").unwrap();
        assert_eq!(SledKv::open(dir.path()).unwrap().get(b"key").unwrap().as_deref(), Some(&b"value"[..]));
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = SledKv::open(&file.path().join("state")).unwrap_err();
        assert!(matches!(error, StateError::Directory { .. }), "{error}");
    }

    #[test]
    fn scans_stay_within_their_prefix() {
        let dir = tempfile::tempdir().unwrap();
        let mut kv = SledKv::open(dir.path()).unwrap();
        for key in [&b"a1"[..], b"a2", b"a3", b"b1"] {
            put(&mut kv, key, b"x");
        }
        let keys = |pairs: Vec<(Vec<u8>, Vec<u8>)>| pairs.into_iter().map(|(k, _)| k).collect::<Vec<_>>();
        assert_eq!(keys(kv.scan(b"a", None, 10).unwrap()), [b"a1", b"a2", b"a3"]);
        assert_eq!(keys(kv.scan(b"a", Some(b"a1"), 1).unwrap()), [b"a2"]);
        assert_eq!(kv.get(b"b1").unwrap().as_deref(), Some(&b"x"[..]));
    }
}
