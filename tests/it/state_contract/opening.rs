//! What opening a directory says when it cannot be done: one line that tells a person what to do.

use super::open_dir;
use mailbell::state::{StateError, Store};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn refusal(path: &Path) -> StateError {
    let error = Store::open(path).err().expect("must be refused");
    let text = error.to_string();
    assert!(!text.contains('\n') && text.len() < 300, "one line: {text}");
    error
}

#[test]
fn a_store_of_a_newer_version_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(open_dir(dir.path()));
    let db = sled::open(dir.path()).unwrap();
    db.insert(b"v", &[3]).unwrap();
    db.flush().unwrap();
    drop(db);
    // Until sled's threads have let go of it.
    std::fs::File::open(dir.path().join("db")).unwrap().lock().unwrap();
    let error = refusal(dir.path());
    assert_eq!(error, StateError::Newer { found: 3, known: 2 });
    assert_eq!(
        error.to_string(),
        "the store has format 3, this mailbell knows 2: use the newer mailbell that wrote it"
    );
    let db = sled::open(dir.path()).unwrap();
    assert_eq!(db.get(b"v").unwrap().unwrap(), &[3]);
}

#[test]
fn a_second_opening_says_that_it_is_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let first = open_dir(dir.path());
    for _ in 0..3 {
        let error = refusal(dir.path());
        assert_eq!(error, StateError::InUse(dir.path().to_owned()));
        assert!(error.to_string().contains("another mailbell is running on this store; stop it first"));
    }
    drop(first);
    drop(open_dir(dir.path()));
}

/// Several at once, so that sled's own threads have to wait for a processor.
#[test]
fn the_directory_is_free_when_the_store_is_gone() {
    let reopen = || {
        let dir = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for number in 0..40 {
            let store = open_dir(dir.path());
            runtime.block_on(super::arrive(&store, super::T0, &[("zhangsan", number, "x")]));
        }
    };
    std::thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(reopen))));
}

#[test]
fn a_file_in_place_of_the_directory_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for path in [file.path().to_owned(), file.path().join("state")] {
        let error = refusal(&path);
        assert!(matches!(&error, StateError::Directory { path: named, .. } if *named == path), "{error}");
        assert!(error.to_string().starts_with(&path.display().to_string()));
    }
    assert!(file.path().is_file());
}

/// A directory in which nobody can make a file, root included where rights do not bind it.
fn read_only(dir: &tempfile::TempDir) -> PathBuf {
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o555)).unwrap();
    let probe = dir.path().join("probe");
    match std::fs::File::create(&probe) {
        Err(_) => dir.path().to_owned(),
        Ok(_) => {
            std::fs::remove_file(probe).unwrap();
            PathBuf::from("/proc/self/net")
        }
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = read_only(&dir);
    let error = refusal(&path);
    assert!(matches!(&error, StateError::Directory { path: named, .. } if *named == path), "{error:?}");
}
