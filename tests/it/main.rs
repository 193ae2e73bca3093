//! The integration tests, one module per room. They drive the binary or a public seam.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod config;
mod dovecot;
mod e2e;
mod house;
mod readme;
mod imap_wire;
mod sandbox;
mod support;
mod watch;
