//! Exports: the store as plain JSON lines, checksummed, the only trustworthy backup (crates 5).
//!
//! A first line says what it is, a last one how many lines stand between and their SHA-256. What is written while the
//! service works is read a slice at a time, in this order: what is remembered of letters, then, in one step, marks, outbox
//! and limits. So nothing that waits is missing: a letter that came in between is stored, or lies behind its mark.

use super::engine::Engine;
use super::kv::{Batch, Kv, Pairs, all};
use super::line::Line;
use super::record::{AlertRecord, STORE_VERSION, from_bytes, to_bytes};
use super::sled_kv::SledKv;
use super::store::Store;
use super::{StateError, keys};
use crate::model::{Lang, LetterNo, Timestamp, hex};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use tokio::sync::mpsc;

/// The form of exports.
const FORM: u32 = 1;
/// Records read in one step.
const AT_ONCE: usize = 2_000;
/// Slices that may wait for the disk.
const SLICES: usize = 2;
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

/// Why there is no export, or an export is not taken. In English; [`ExportError::text`] has both languages.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store.
    #[error(transparent)]
    State(#[from] StateError),
    /// The file cannot be read or written.
    #[error("{0}")]
    File(#[from] std::io::Error),
    /// It is none, or cut short, or changed.
    #[error("{}", self.text(Lang::En))]
    Broken(Flaw),
    /// Written by a newer mailbell.
    #[error("{}", self.text(Lang::En))]
    Newer(String),
}

/// What is wrong with an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// There is nothing in it.
    Empty,
    /// Its first line is of another kind of file.
    Foreign,
    /// This line cannot be read.
    Line(u64),
    /// Its last line is not there.
    Cut,
    /// Its checksum is another.
    Changed,
}

impl ExportError {
    /// What happened and what to do next.
    pub fn text(&self, lang: Lang) -> String {
        let (zh, en) = match self {
            Self::State(error) => return error.text(lang),
            Self::File(error) => (
                format!("{error}；检查路径、权限和磁盘空间"),
                format!("{error}; check the path, its rights and the space on its disk"),
            ),
            Self::Newer(version) => (
                format!("这个导出由较新的 mailbell（{version}）写成，未作任何更改；请使用那个版本"),
                format!("this export is of a newer mailbell ({version}); nothing was changed. Use that one"),
            ),
            Self::Broken(flaw) => {
                let (zh, en) = match flaw {
                    Flaw::Empty => ("文件是空的".to_owned(), "it is empty".to_owned()),
                    Flaw::Foreign => ("第一行属于别的文件".to_owned(), "its first line is another file's".to_owned()),
                    Flaw::Line(at) => (format!("第 {at} 行无法理解"), format!("line {at} is not understood")),
                    Flaw::Cut => ("结尾不见了".to_owned(), "its end is missing".to_owned()),
                    Flaw::Changed => ("校验和不符".to_owned(), "its checksum is another".to_owned()),
                };
                (
                    format!("这不是完整的 mailbell 导出：{zh}；未作任何更改，请换用更早的导出"),
                    format!("this is no whole export of mailbell: {en}; nothing was changed. Take an older one"),
                )
            }
        };
        lang.pick(&zh, &en).to_owned()
    }
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
    let (slices, filled) = mpsc::channel(SLICES);
    let (first, file) = (head.clone(), to.to_owned());
    let written = tokio::task::spawn_blocking(move || write(&first, filled, &file));
    let read = read(store, &slices, whole).await;
    drop(slices);
    let written = written.await.map_err(|e| std::io::Error::other(e.to_string()))?;
    // What cannot be read is why there is no end.
    read?;
    Ok(Summary { head, lines: written? })
}

/// Hands over all that belongs into an export, a slice at a time, and says when that was all.
async fn read(store: &Store, slices: &mpsc::Sender<Slice>, whole: bool) -> Result<(), StateError> {
    let mut behind: Vec<&'static [u8]> = vec![
        keys::BOUND,
        keys::REMEMBERED,
        keys::BODIES,
        keys::ASIDE,
        keys::SENDERS,
        keys::COLLEAGUES,
        keys::MET_SINCE,
    ];
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
            // Nobody takes it: the writer says why.
            let _ = slices.send(Slice::Records(pairs)).await;
        }
        if prefix == keys::LETTERS {
            last_letter = after.as_deref().and_then(keys::number_of);
        }
    }
    let core = store.step(false, move |engine| engine.core(last_letter)).await?;
    let _ = slices.send(Slice::Records(core)).await;
    let _ = slices.send(Slice::End).await;
    Ok(())
}

/// Writes what comes; blocking. Without an end there is no file.
fn write(head: &Head, mut slices: mpsc::Receiver<Slice>, to: &Path) -> Result<u64, ExportError> {
    let unfinished = to.with_extension("unfinished");
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    // As long as it is being written it is not what a dead process left (`exports::rotate`). Where a file system has no
    // locks, that cannot be told.
    let _ = file.try_lock();
    let mut sheet = Sheet { out: BufWriter::new(file), digest: Sha256::new(), lines: 0 };
    let lines = match sheet.fill(head, &mut slices) {
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
    Ok(lines)
}

impl Engine {
    /// Marks, outbox and limits with the letters they need, as of one moment. `last_letter`: letters up to this one are
    /// written already; `None`: none is.
    fn core(&self, last_letter: Option<u64>) -> Result<Pairs, StateError> {
        let mut found = Vec::new();
        let mut needed = BTreeSet::new();
        for prefix in [keys::WAITING, keys::ALERTS] {
            all(&*self.kv, prefix, |pairs| {
                for (key, value) in &pairs {
                    if prefix == keys::WAITING {
                        needed.extend(keys::number_of(key).map(LetterNo));
                    } else if let Ok(alert) = from_bytes::<AlertRecord>(value) {
                        needed.extend(alert.letters);
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
        let rest = [keys::MARKS, keys::BUDGETS, keys::GATES, keys::TROUBLES, keys::MUTES, keys::REGISTRY];
        for prefix in rest {
            all(&*self.kv, prefix, |pairs| {
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

/// What goes from the store into a file.
enum Slice {
    Records(Pairs),
    End,
}

/// A file that is being filled.
struct Sheet {
    out: BufWriter<File>,
    digest: Sha256,
    lines: u64,
}

impl Sheet {
    fn fill(&mut self, head: &Head, slices: &mut mpsc::Receiver<Slice>) -> Result<u64, ExportError> {
        self.line(&serde_json::to_vec(head).map_err(std::io::Error::from)?)?;
        loop {
            match slices.blocking_recv() {
                Some(Slice::Records(pairs)) => {
                    for (key, value) in &pairs {
                        self.record(key, value)?;
                    }
                }
                Some(Slice::End) => return self.last(),
                // Whoever reads says why.
                None => return Err(ExportError::Broken(Flaw::Cut)),
            }
        }
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
    let broken = ExportError::Broken;
    let mut lines = BufReader::new(File::open(file)?).split(b'\n');
    let first = lines.next().transpose()?.ok_or_else(|| broken(Flaw::Empty))?;
    let head: Head = serde_json::from_slice(&first).map_err(|_| broken(Flaw::Foreign))?;
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
            let line = serde_json::from_slice(&held).map_err(|_| broken(Flaw::Line(count + 1)))?;
            each(line)?;
        }
    }
    let foot: Foot = serde_json::from_slice(&held).map_err(|_| broken(Flaw::Cut))?;
    if foot.lines != count || foot.sha256 != hex(&digest.finalize()) {
        return Err(broken(Flaw::Changed));
    }
    Ok(Summary { head, lines: count })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::exports;

    #[test]
    fn an_export_that_is_being_written_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("state");
        let to = exports::file(&store, Timestamp(0), true).unwrap();
        let head = Head {
            mailbell_export: FORM,
            store_format: STORE_VERSION,
            version: "0".to_owned(),
            written_at: Timestamp(0),
            whole: true,
        };
        let (slices, filled) = mpsc::channel(SLICES);
        let writer = std::thread::spawn({
            let to = to.clone();
            move || write(&head, filled, &to).map_err(|error| error.to_string())
        });
        // Both are taken once the file is there.
        for _ in 0..=SLICES {
            slices.blocking_send(Slice::Records(Pairs::new())).unwrap();
        }
        exports::rotate(&store, 1).unwrap();
        slices.blocking_send(Slice::End).unwrap();
        assert_eq!(writer.join().unwrap(), Ok(0));
        assert_eq!(verify(&to).unwrap().lines, 0);
    }
}
