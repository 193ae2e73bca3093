//! A small disk of its own, which can be filled up.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A mounted tmpfs; unmounted at the end.
pub struct Tmpfs(TempDir);

impl Tmpfs {
    /// Mounts one of so many bytes. `None` where that is not allowed, after saying so.
    pub fn mount(bytes: u64) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={bytes},mode=700");
        let mut mount = Command::new("mount");
        let out = mount.args(["-t", "tmpfs", "-o", &size, "mailbell-test"]).arg(dir.path()).output().unwrap();
        if !out.status.success() {
            let why = String::from_utf8_lossy(&out.stderr).into_owned();
            eprintln!("NOT RUN: a full disk. A tmpfs cannot be mounted here (this test wants root): {why}");
            return None;
        }
        Some(Self(dir))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    /// Takes every byte that is left.
    pub fn fill(&self) {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(self.filler()).unwrap();
        for block in [&[0; 65_536][..], &[0; 4096], &[0]] {
            while file.write_all(block).is_ok() {}
        }
    }

    /// Gives it all back.
    pub fn free(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily: whoever still has a file open there is about to close it.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
