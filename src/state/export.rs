//! Exports: the store as plain JSON lines, checksummed, the only trustworthy backup (crates 5).
//!
//! A first line says what it is, a last one how many lines stand between and their SHA-256. What is written while the
//! service works is read a slice at a time, in this order: what is remembered of letters, then, in one step, marks, outbox
//! and limits. So nothing that waits is missing: a letter that came in between is stored, or lies behind its mark.

use super::engine::Engine;
use super::kv::{Batch, Kv};
use super::line::Line;
use super::record::{STORE_VERSION, to_bytes};
use super::sled_kv::SledKv;
use super::store::Store;
use super::{StateError, keys};
use crate::model::{Timestamp, hex};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The form of exports.
const FORM: u32 = 1;
/// Records read in one step.
const AT_ONCE: usize = 2_000;
/// Records written in one batch at an import.
const BATCH: usize = 2_000;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The form of the export.
    pub mailbell_export: u32,
    /// The format of the store it was made of.
    pub store_format: u8,
    /// Who wrote it.
    pub version: String,
    /// When (wall clock).
    pub written_at: Timestamp,
    /// Whether the ledger of settled alerts is in it, and not only what is needed to go on.
    pub whole: bool,
}

/// The last line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Foot {
    lines: u64,
    sha256: String,
}

/// What an export or import came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The first line.
    pub head: Head,
    /// Lines between the first and the last one.
    pub lines: u64,
}

/// Why there is no export, or an export is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store.
    #[error(transparent)]
    State(#[from] StateError),
    /// The file cannot be read or written.
    #[error("{0}")]
    File(#[from] std::io::Error),
    /// It is none, or cut short, or changed.
    #[error("this is no whole export of mailbell: {0}; nothing was changed. Take an older one")]
    Broken(String),
    /// Written by a newer mailbell.
    #[error("this export is of a newer mailbell ({0}); nothing was changed. Use that one")]
    Newer(String),
}

/// Writes an export to a file, which is there whole and durable or not at all. `whole`: with the ledger; else only what is
/// needed to go on.
///
/// # Errors
/// The store cannot be read, or the file not be written.
pub async fn export(store: &Store, to: &Path, whole: bool, wall: Timestamp) -> Result<Summary, ExportError> {
    let head = Head {
        mailbell_export: FORM,
        store_format: STORE_VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        written_at: wall,
        whole,
    };
    let unfinished = to.with_extension("unfinished");
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    let mut sheet = Sheet { out: BufWriter::new(file), digest: Sha256::new(), lines: 0 };
    sheet.first(&head)?;
    let written = fill(store, &mut sheet, whole).await;
    let lines = match written.and_then(|()| sheet.last()) {
        Ok(lines) => lines,
        Err(error) => {
            let _ = std::fs::remove_file(&unfinished);
            return Err(error);
        }
    };
    std::fs::rename(&unfinished, to)?;
    if let Some(parent) = to.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        File::open(parent)?.sync_all()?;
    }
    Ok(Summary { head, lines })
}

async fn fill(store: &Store, sheet: &mut Sheet, whole: bool) -> Result<(), ExportError> {
    let mut behind: Vec<&'static [u8]> = vec![keys::BOUND, keys::REMEMBERED, keys::BODIES, keys::ASIDE];
    if whole {
        behind.extend([keys::SETTLED, keys::LETTERS]);
    }
    let mut last_letter = None;
    for prefix in behind {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let from = after.clone();
            let pairs = store.step(false, move |engine| engine.kv.scan(prefix, from.as_deref(), AT_ONCE)).await?;
            let Some((key, _)) = pairs.last() else { break };
            after = Some(key.clone());
            for (key, value) in &pairs {
                sheet.record(key, value)?;
            }
        }
        if prefix == keys::LETTERS {
            last_letter = after.as_deref().and_then(keys::number_of);
        }
    }
    let core = store.step(false, move |engine| engine.core(last_letter)).await?;
    for (key, value) in &core {
        sheet.record(key, value)?;
    }
    Ok(())
}

impl Engine {
    /// Marks, outbox and limits with the letters they need, as of one moment. `last_letter`: letters up to this one are
    /// written already; `None`: none is.
    fn core(&self, last_letter: Option<u64>) -> Result<super::kv::Pairs, StateError> {
        let mut found = Vec::new();
        let mut needed = BTreeSet::new();
        for prefix in [keys::WAITING, keys::ALERTS] {
            super::kv::all(&*self.kv, prefix, |pairs| {
                for (key, value) in &pairs {
                    match Line::of(key, value) {
                        Some(Line::Waiting { no, .. }) => drop(needed.insert(no)),
                        Some(Line::Alert { alert, .. }) => needed.extend(alert.letters),
                        _ => {}
                    }
                }
                found.extend(pairs);
                Ok(())
            })?;
        }
        for no in needed {
            if last_letter.is_none_or(|last| no.0 > last) {
                let key = keys::letter(no);
                found.extend(self.kv.get(&key)?.map(|value| (key, value)));
            }
        }
        let rest = [keys::MARKS, keys::BUDGETS, keys::GATES, keys::TROUBLES];
        for prefix in rest {
            super::kv::all(&*self.kv, prefix, |pairs| {
                found.extend(pairs);
                Ok(())
            })?;
        }
        for key in [keys::NUMBER, keys::ANCHOR, keys::BEAT, keys::LINE, keys::QUOTA] {
            found.extend(self.kv.get(key)?.map(|value| (key.to_vec(), value)));
        }
        Ok(found)
    }
}

/// A file that is being filled.
struct Sheet {
    out: BufWriter<File>,
    digest: Sha256,
    lines: u64,
}

impl Sheet {
    fn first(&mut self, head: &Head) -> Result<(), ExportError> {
        self.line(&serde_json::to_vec(head).map_err(std::io::Error::from)?)
    }

    fn record(&mut self, key: &[u8], value: &[u8]) -> Result<(), ExportError> {
        if let Some(line) = Line::of(key, value) {
            self.lines += 1;
            self.line(&serde_json::to_vec(&line).map_err(std::io::Error::from)?)?;
        }
        Ok(())
    }

    fn line(&mut self, text: &[u8]) -> Result<(), ExportError> {
        for part in [text, b"\n"] {
            self.digest.update(part);
            self.out.write_all(part)?;
        }
        Ok(())
    }

    fn last(&mut self) -> Result<u64, ExportError> {
        let foot = Foot { lines: self.lines, sha256: hex(&self.digest.clone().finalize()) };
        self.line(&serde_json::to_vec(&foot).map_err(std::io::Error::from)?)?;
        self.out.flush()?;
        self.out.get_ref().sync_all()?;
        Ok(self.lines)
    }
}

/// Reads an export to its end without taking anything of it over: whether it is whole and unchanged.
///
/// # Errors
/// See [`ExportError`].
pub fn verify(file: &Path) -> Result<Summary, ExportError> {
    each_line(file, |_| Ok(()))
}

/// Makes a store of an export, in a directory that is empty or does not exist yet. The export is verified first; the store
/// is there whole or not at all.
///
/// # Errors
/// See [`ExportError`].
pub fn import(file: &Path, directory: &Path) -> Result<Summary, ExportError> {
    verify(file)?;
    let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let growing = directory.with_file_name(format!("{name}.importing"));
    if growing.exists() {
        std::fs::remove_dir_all(&growing)?;
    }
    let made = fill_store(file, &growing);
    if made.is_err() {
        let _ = std::fs::remove_dir_all(&growing);
        return made;
    }
    if directory.exists() {
        // Only an empty one goes away.
        std::fs::remove_dir(directory)?;
    }
    std::fs::rename(&growing, directory)?;
    if let Some(parent) = directory.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        File::open(parent)?.sync_all()?;
    }
    made
}

fn fill_store(file: &Path, directory: &Path) -> Result<Summary, ExportError> {
    let mut kv = SledKv::open(directory)?;
    let mut batch = Batch::default();
    let mut beat = false;
    let summary = each_line(file, |line| {
        beat |= matches!(line, Line::Beat { .. });
        line.write(&mut batch)?;
        if batch.0.len() >= BATCH {
            kv.apply(std::mem::take(&mut batch))?;
        }
        Ok(())
    })?;
    if !beat {
        // What came since is of an outage.
        batch.put(keys::BEAT.to_vec(), to_bytes(&summary.head.written_at)?);
    }
    batch.put(keys::VERSION.to_vec(), vec![STORE_VERSION]);
    kv.apply(batch)?;
    kv.sync()?;
    Ok(summary)
}

/// Goes through the lines of an export; what it is is said by the first, and whether it is whole by the last.
fn each_line(file: &Path, mut each: impl FnMut(Line) -> Result<(), StateError>) -> Result<Summary, ExportError> {
    let broken = |reason: &str| ExportError::Broken(reason.to_owned());
    let mut lines = BufReader::new(File::open(file)?).split(b'\n');
    let first = lines.next().transpose()?.ok_or_else(|| broken("it is empty"))?;
    let head: Head = serde_json::from_slice(&first).map_err(|_| broken("its first line is another file's"))?;
    if head.mailbell_export > FORM || head.store_format > STORE_VERSION {
        return Err(ExportError::Newer(head.version));
    }
    let mut digest = Sha256::new();
    let (mut count, mut held) = (0, first);
    let mut text = lines.next().transpose()?;
    while let Some(next) = text {
        digest.update(&held);
        digest.update(b"\n");
        held = next;
        text = lines.next().transpose()?;
        if text.is_some() {
            count += 1;
            let line = serde_json::from_slice(&held).map_err(|e| broken(&format!("line {}: {e}", count + 1)))?;
            each(line)?;
        }
    }
    let foot: Foot = serde_json::from_slice(&held).map_err(|_| broken("its end is missing"))?;
    if foot.lines != count || foot.sha256 != hex(&digest.finalize()) {
        return Err(broken("its checksum is another"));
    }
    Ok(Summary { head, lines: count })
}
