//! The audit: who did what to whom, when, from where, with what result. JSON lines that are only ever appended, a file
//! for each month (UTC), chained: each line holds the SHA-256 of the one before it and of itself, so nobody changes,
//! removes or inserts one unseen. Who can write the files can make the whole chain anew; against that stands the second
//! place (`copy_to`, `syslog`), which another machine keeps.
//!
//! Promises:
//! - **A1** What was noted is on the disk before [`Audit::note`] returns.
//! - **A2** [`verify`] finds any byte that was changed, any line that was taken out, and a tail that was cut off.
//! - **A3** Files are kept whole for the time that is set, and removed whole after it.

mod copies;
mod files;
mod record;
mod verify;

pub use copies::{Copies, Syslog};
pub use record::Record;
pub use verify::{Broken, Verified, verify};

use crate::model::{By, Deed, Timestamp, What};
use files::Head;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tracing::{error, warn};

/// What the first record of all follows.
pub(crate) const ROOT: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The number of the first record that a rotation leaves.
pub(crate) const FIRST_LEFT: &str = "first_left";

/// How long a second place is left alone after it failed.
const COPIES_REST: Duration = Duration::from_secs(60);

/// See the module's text. One process appends: the one that holds the store.
pub struct Audit {
    folder: PathBuf,
    inner: Mutex<Inner>,
}

struct Inner {
    head: Head,
    /// The newest month that there is a file of; a clock that was set back does not lead into an older one.
    newest: String,
    /// The month's file that is open.
    file: Option<(String, File)>,
    copies: Copies,
    /// Until then the second place is left alone, because it failed.
    copies_rest_until: Timestamp,
}

/// What was found wrong when the audit was opened; it is noted in it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Gap(String);

/// Which records are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Asked {
    /// From this time on (wall clock).
    pub from: Option<Timestamp>,
    /// Before this time (wall clock).
    pub to: Option<Timestamp>,
    /// Who did it, or whom it concerns: this text is in one of them, in any case.
    pub text: String,
    /// Only this.
    pub what: Option<What>,
    /// Older than the record of this number.
    pub before: Option<u64>,
}

impl Audit {
    /// Opens the audit in a folder, and makes it if it is not there. A last line that was not written to its end (the
    /// power went) is taken away; that, and a tail that is missing, is noted.
    ///
    /// # Errors
    /// The folder cannot be written, or what lies there is no audit.
    pub fn open(folder: &Path, copies: Copies, at: Timestamp) -> std::io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let (head, newest, gap) = files::last(folder)?;
        let inner = Inner { head, newest, file: None, copies, copies_rest_until: Timestamp::default() };
        let audit = Self { folder: folder.to_owned(), inner: Mutex::new(inner) };
        if let Some(Gap(why)) = gap {
            error!(%why, "the audit is not whole");
            audit.note(&By::service(), &[Deed::refused(What::AuditGap, "", why)], at)?;
        }
        Ok(audit)
    }

    /// Appends what was done, durably (A1).
    ///
    /// # Errors
    /// The files cannot be written. Nothing was noted then.
    pub fn note(&self, by: &By, deeds: &[Deed], at: Timestamp) -> std::io::Result<()> {
        if deeds.is_empty() {
            return Ok(());
        }
        let mut inner = self.lock();
        let inner = &mut *inner;
        let (mut text, mut head) = (String::new(), inner.head.clone());
        let month = files::month(at).max(inner.newest.clone());
        let file = inner.open_month(&self.folder, month)?;
        let before = file.metadata()?.len();
        for deed in deeds {
            let line = record::line(&head, by, deed, at)?;
            head = Head { no: head.no + 1, hash: record::hash_of(&line).unwrap_or_default().to_owned() };
            text.push_str(&line);
            text.push('\n');
        }
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_data());
        if let Err(failed) = written {
            // Half a line would spoil the next one.
            let _ = file.set_len(before);
            inner.file = None;
            return Err(failed);
        }
        inner.head = head;
        if let Err(reason) = files::write_head(&self.folder, &inner.head) {
            warn!(%reason, "the audit's head cannot be written; it is behind the files until the next record");
        }
        // Who does not take it in time does not hold up each record.
        if at < inner.copies_rest_until {
            return Ok(());
        }
        inner.copies_rest_until = Timestamp::default();
        if let Err(reason) = inner.copies.give(&text) {
            warn!(%reason, "the audit's second place cannot be written and is left alone for a minute; the audit itself goes on");
            inner.copies_rest_until = at.plus(COPIES_REST);
        }
        Ok(())
    }

    /// Removes the oldest file, if its month ended longer ago than `keep`, and notes it.
    ///
    /// # Errors
    /// As [`Audit::note`].
    pub fn rotate(&self, keep: Duration, at: Timestamp) -> std::io::Result<()> {
        // One at a time: a clock that is wrong for a day does not cost all.
        let Some(month) = files::ended_before(&self.folder, at.minus(keep))?.into_iter().next() else { return Ok(()) };
        let next = files::first_after(&self.folder, &month)?;
        // Noted first: a file that is gone without a word is what an audit must not have.
        let deed = Deed::done(What::AuditRotate, format!("{month}.jsonl")).with(FIRST_LEFT, next.to_string());
        self.note(&By::service(), &[deed], at)?;
        std::fs::remove_file(files::of_month(&self.folder, &month))
    }

    /// Sets the second places.
    pub fn copy_to(&self, copies: Copies) {
        let mut inner = self.lock();
        inner.copies = copies;
        inner.copies_rest_until = Timestamp::default();
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn open_month(&mut self, folder: &Path, month: String) -> std::io::Result<&mut File> {
        let stays = self.file.take().filter(|(open, _)| *open == month);
        let file = match stays {
            Some((_, file)) => file,
            None => {
                let path = files::of_month(folder, &month);
                let fresh = !path.exists();
                let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
                if fresh {
                    File::open(folder)?.sync_all()?;
                }
                file
            }
        };
        self.newest.clone_from(&month);
        Ok(&mut self.file.insert((month, file)).1)
    }
}

/// At most `most` records, the newest first. Lines that are no records are left out; [`verify`] tells of them.
///
/// # Errors
/// The files cannot be read.
pub fn read(folder: &Path, asked: &Asked, most: usize) -> std::io::Result<Vec<Record>> {
    let mut found = Vec::new();
    for month in files::months(folder)?.into_iter().rev() {
        if asked.to.is_some_and(|to| month > files::month(to)) {
            continue;
        }
        if asked.from.is_some_and(|from| month < files::month(from)) {
            break;
        }
        let text = std::fs::read_to_string(files::of_month(folder, &month))?;
        for line in text.lines().rev() {
            let Some(record) = record::parse(line).filter(|record| asked.fits(record)) else { continue };
            if found.len() == most {
                return Ok(found);
            }
            found.push(record);
        }
    }
    Ok(found)
}

impl Asked {
    fn fits(&self, record: &Record) -> bool {
        let text = self.text.to_lowercase();
        self.from.is_none_or(|from| record.at() >= from)
            && self.to.is_none_or(|to| record.at() < to)
            && self.before.is_none_or(|no| record.no < no)
            && self.what.is_none_or(|what| record.what == what)
            && (text.is_empty()
                || [&record.whom, &record.who()].iter().any(|there| there.to_lowercase().contains(&text)))
    }
}
