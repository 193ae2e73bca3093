//! Decisions. Pure: values in, a named answer out; the time is an argument.

pub mod acquaintance;
pub mod backoff;
pub mod budget;
pub mod busy;
pub mod filter;
pub mod governor;
pub mod hours;
pub mod leavers;
pub mod life;
pub mod line;
pub mod lookups;
pub mod pattern;
pub mod quota;
pub mod retry;
pub mod scan;
pub mod sign_in;
pub mod workdays;
