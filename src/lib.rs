//! mailbell (邮铃) watches IMAP mailboxes and rings people in WeCom (企业微信) when mail arrives.
//!
//! Two loops with a store between them, and no direct call from one to the other:
//!
//! ```text
//!   watch    wait -> permit -> look -> read headers -> parse -> recipients -> commit
//!                                                                               |
//!                                                           state: mark + outbox (one step)
//!                                                                               |
//!   deliver                          settle <- send <- compose <- claim <- wait until due
//! ```
//!
//! `model` holds the words, `rules` the decisions; each outside world has one folder: `imap`, `wecom`,
//! `state`. `app` wires it all. `ARCHITECTURE.md` is the map.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing))]

pub mod model;
pub mod clock;
pub mod tls;
pub mod rules;
pub mod config;
pub mod imap;
pub mod parse;
pub mod state;
pub mod wecom;
pub mod health;
pub mod deliver;
pub mod watch;
pub mod supervise;
pub mod web;
pub mod app;
pub mod telemetry;
pub mod sandbox;
pub mod cli;
pub mod demo;
