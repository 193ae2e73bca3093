//! Decisions. Pure: values in, a named answer out; the time is an argument.

pub mod backoff;
pub mod budget;
pub mod gate;
pub mod life;
pub mod pattern;
pub mod retry;
pub mod scan;
