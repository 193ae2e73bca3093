//! Cycles of one account's worker: what is announced, what a fault costs, how often anybody is asked.

mod arrive;
mod cut;
mod fault;
mod modes;
mod names;
mod pace;
mod quirks;
mod session;
mod trust;
