//! The integration tests, one module per room. They drive the binary or a public seam.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod audit;
mod bench_check;
mod config;
mod control;
mod corpus;
mod deliver;
mod dovecot;
mod dovecot_auth;
mod e2e;
mod encoded;
mod fair;
mod house;
mod imap_wire;
mod life;
mod oauth;
mod packaging;
mod readme;
mod rival;
mod sandbox;
mod sheet;
mod simulation;
mod state_contract;
mod support;
mod support_deliver;
mod vault;
mod watch;
mod web;
mod wecom_wire;
