//! Sheets of accounts: files of mistakes, files as programs write them, and what is written is read again.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod bad;
mod programs;
mod round_trip;

use mailbell::sheet::{self, Sheet};

/// What stands wherever a test file holds a password.
const SECRET: &str = "hunter2";

/// The rows of a file in which nothing is to be told of.
fn clean(bytes: &[u8]) -> Sheet {
    let sheet = sheet::read(bytes);
    assert!(sheet.problems.is_empty() && sheet.warnings.is_empty(), "{:?} {:?}", sheet.problems, sheet.warnings);
    sheet
}
