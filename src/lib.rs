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
//! [`model`] holds the words, [`rules`] the decisions; each outside world has one folder: [`imap`], [`oauth`], [`wecom`],
//! [`state`]. [`app`] wires it all. `ARCHITECTURE.md` is the map.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing))]

pub mod advice;
pub mod app;
pub mod audit;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod deliver;
pub mod demo;
pub mod health;
pub mod imap;
pub mod metrics;
pub mod model;
pub mod oauth;
pub mod office;
pub mod parse;
pub mod people;
pub mod rules;
pub mod sandbox;
pub mod sheet;
pub mod state;
pub mod supervise;
pub mod systemd;
pub mod telemetry;
pub mod tls;
pub mod unwind;
pub(crate) mod upkeep;
pub mod vault;
pub mod watch;
pub mod web;
pub mod wecom;
