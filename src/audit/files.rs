//! The audit's files: one for each month, and the head, which says how far the chain goes.

use super::{Gap, ROOT, record};
use crate::model::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const END: &str = ".jsonl";
const HEAD: &str = "head";

/// How far the chain goes: the number and the hash of its last record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) no: u64,
    pub(super) hash: String,
}

impl Default for Head {
    fn default() -> Self {
        Self { no: 0, hash: ROOT.to_owned() }
    }
}

/// The month of a time (UTC), `2026-11`.
pub(super) fn month(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
    at.strftime("%Y-%m").to_string()
}

pub(super) fn of_month(folder: &Path, month: &str) -> PathBuf {
    folder.join(format!("{month}{END}"))
}

/// The months that there are files of, the oldest first.
pub(super) fn months(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut found = Vec::new();
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(found),
        entries => entries?,
    };
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let month = name.strip_suffix(END).filter(|month| is_month(month));
        found.extend(month.map(str::to_owned));
    }
    found.sort();
    Ok(found)
}

fn is_month(text: &str) -> bool {
    let digits = |part: &str, most: usize| part.len() == most && part.bytes().all(|b| b.is_ascii_digit());
    text.split_once('-').is_some_and(|(year, month)| digits(year, 4) && digits(month, 2))
}

/// The months that had ended by this time; the newest file always stays.
pub(super) fn ended_before(folder: &Path, time: Timestamp) -> std::io::Result<Vec<String>> {
    let mut all = months(folder)?;
    all.pop();
    let limit = month(time);
    Ok(all.into_iter().filter(|month| *month < limit).collect())
}

/// The number of the first record behind a month.
pub(super) fn first_after(folder: &Path, month: &str) -> std::io::Result<u64> {
    for later in months(folder)?.into_iter().filter(|later| later.as_str() > month) {
        let text = std::fs::read_to_string(of_month(folder, &later))?;
        if let Some(first) = text.lines().next().and_then(record::parse) {
            return Ok(first.no);
        }
    }
    Ok(0)
}

pub(super) fn read_head(folder: &Path) -> std::io::Result<Option<Head>> {
    match std::fs::read(folder.join(HEAD)) {
        // The power went before it was on the disk.
        Ok(bytes) if bytes.is_empty() => Ok(None),
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|_| {
            std::io::Error::other(format!("{} is no head of an audit: it was changed", folder.join(HEAD).display()))
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Not synced: after a crash it may be behind the files, never ahead of them.
pub(super) fn write_head(folder: &Path, head: &Head) -> std::io::Result<()> {
    let growing = folder.join("head.new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&growing)?;
    file.write_all(&serde_json::to_vec(head)?)?;
    std::fs::rename(&growing, folder.join(HEAD))
}

/// Where the chain goes on, in which month or later, and what is wrong with its end. A line without an end is taken away.
pub(super) fn last(folder: &Path) -> std::io::Result<(Head, String, Option<Gap>)> {
    let (known, mut gap) = match read_head(folder) {
        Ok(known) => (known, None),
        Err(changed) => (None, Some(Gap(changed.to_string()))),
    };
    let mut found = None;
    let all = months(folder)?;
    let newest = all.last().cloned().unwrap_or_default();
    for month in all.into_iter().rev() {
        let path = of_month(folder, &month);
        let bytes = std::fs::read(&path)?;
        let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        if whole < bytes.len() {
            let torn = bytes.len() - whole;
            OpenOptions::new().write(true).open(&path)?.set_len(whole as u64)?;
            File::open(folder)?.sync_all()?;
            gap = Some(Gap(format!(
                "{month}{END}: the last line was not written to its end; {torn} bytes were taken away"
            )));
        }
        let text = String::from_utf8_lossy(bytes.get(..whole).unwrap_or_default()).into_owned();
        if let Some(line) = text.lines().next_back() {
            let broken = || {
                std::io::Error::other(format!(
                    "{}: the last line is no record of an audit; move the folder away to begin a new one",
                    path.display()
                ))
            };
            let record = record::parse(line).ok_or_else(broken)?;
            found = Some(Head { no: record.no, hash: record.hash });
            break;
        }
    }
    let found = found.unwrap_or_default();
    match known {
        Some(known) if known.no > found.no => {
            let why = format!("records {} to {} are missing at the end", found.no + 1, known.no);
            // Numbers are not given again, so the gap stays visible.
            Ok((Head { no: known.no, hash: found.hash }, newest, Some(Gap(why))))
        }
        _ => Ok((found, newest, gap)),
    }
}
