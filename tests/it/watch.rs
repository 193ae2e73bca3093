//! Cycles of one account's worker: what is announced, what a fault costs, how often anybody is asked.

mod arrive;
mod fault;
mod pace;
mod session;
