//! Whether the audit is as it was written.

use super::files::{self, Head};
use super::{FIRST_LEFT, ROOT, record};
use crate::model::What;
use std::path::{Path, PathBuf};

/// What a whole audit is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many records there are.
    pub records: u64,
    /// The number of the first one; older ones were removed after their time.
    pub first: u64,
    /// When the first and the last one were written.
    pub span: Option<(String, String)>,
    /// The hash of the last one: what another machine's copy must end with.
    pub hash: String,
}

/// The first place where it is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}: {why}", .file.display())]
pub struct Broken {
    /// Which file.
    pub file: PathBuf,
    /// Which line, from 1; 0: the file as a whole.
    pub line: usize,
    /// What is wrong.
    pub why: String,
}

/// Reads all records and checks the chain from the first that is there to the head.
///
/// # Errors
/// The first place where it is broken.
pub fn verify(folder: &Path) -> Result<Verified, Broken> {
    let failed = |file: &Path, why: String| Broken { file: file.to_owned(), line: 0, why };
    let months = files::months(folder).map_err(|error| failed(folder, error.to_string()))?;
    let (mut head, mut first, mut span) = (Head::default(), 0, None::<(String, String)>);
    let (mut records, mut left) = (0, Vec::new());
    for month in months {
        let file = files::of_month(folder, &month);
        let bytes = std::fs::read(&file).map_err(|error| failed(&file, error.to_string()))?;
        let mut lines: Vec<_> = bytes.split(|b| *b == b'\n').collect();
        let tail = lines.pop().unwrap_or_default();
        for (at, bytes) in lines.into_iter().enumerate() {
            let broken = |why: &str| Broken { file: file.clone(), line: at + 1, why: why.to_owned() };
            let line = std::str::from_utf8(bytes).map_err(|_| broken("is not UTF-8: it was changed"))?;
            if !record::is_true(line) {
                return Err(broken("was changed: its hash is not the one of its text"));
            }
            let record = record::parse(line).ok_or_else(|| broken("is no record of an audit"))?;
            // Older ones may have been removed after their time, so the first that is there is believed.
            if records > 0 && record.prev != head.hash {
                return Err(broken("does not follow the record before it: records were taken out, inserted or moved"));
            }
            if records == 0 && record.no == 1 && record.prev != ROOT {
                return Err(broken("is the first record and names another before it"));
            }
            if records > 0 && record.no != head.no + 1 {
                return Err(broken("does not have the next number: records before it were lost"));
            }
            if records == 0 {
                first = record.no;
            }
            if record.what == What::AuditRotate {
                left.extend(record.detail.get(FIRST_LEFT).and_then(|no| no.parse::<u64>().ok()));
            }
            span = Some((span.map_or_else(|| record.at.clone(), |(from, _)| from), record.at.clone()));
            head = Head { no: record.no, hash: record.hash };
            records += 1;
        }
        if !tail.is_empty() {
            return Err(Broken { file, line: 0, why: "its last line has no end".to_owned() });
        }
    }
    let known = files::read_head(folder).map_err(|error| failed(folder, error.to_string()))?;
    if let Some(known) = known.as_ref().filter(|known| known.no == head.no && known.hash != head.hash) {
        return Err(failed(folder, format!("record {} is not the one that the head names", known.no)));
    }
    if first > 1 && !left.contains(&first) {
        return Err(failed(
            folder,
            format!("records 1 to {} are missing at the beginning, and no rotation tells of it", first - 1),
        ));
    }
    if let Some(known) = known.filter(|known| known.no > head.no) {
        let why = format!("records {} to {} are missing at the end", head.no + 1, known.no);
        return Err(failed(folder, why));
    }
    Ok(Verified { records, first, span, hash: head.hash })
}
