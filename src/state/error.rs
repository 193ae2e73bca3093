//! What can go wrong with the store, told so that a person can mend it.

use std::path::PathBuf;

/// Why the store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// Another process has it open.
    #[error("{0}: another mailbell is running on this store; stop it first, or give this one another [state] path")]
    InUse(PathBuf),
    /// The directory cannot be made, read or written.
    #[error("{path}: {reason}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// What is stored cannot be read.
    #[error(
        "{path}: the store is damaged ({reason}); restore the directory from a backup, or move it away to begin anew: mail that is there by then is not announced"
    )]
    Damaged {
        /// The directory.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// Written by a newer mailbell.
    #[error("the store has format {found}, this mailbell knows {known}: use the newer mailbell that wrote it")]
    Newer {
        /// Its format.
        found: u8,
        /// The newest format known.
        known: u8,
    },
    /// A write failed; nothing of it is to be relied on.
    #[error("the store cannot be written: {0}")]
    Write(String),
    /// A stored record cannot be understood.
    #[error("the store holds a record that cannot be read: {0}")]
    Record(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}
