//! Cycles of one account's worker: what is announced, what a fault costs, how often anybody is asked.

mod arrive;
mod away;
mod cut;
mod fault;
mod ledger;
mod made;
mod modes;
mod names;
mod pace;
mod quirks;
mod session;
mod trust;
