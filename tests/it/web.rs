//! The administrator's console over real HTTP, on a store in memory, with a WeCom that a test plays.

mod bench;
mod browsers;
mod chromium;
mod guards;
mod office;
mod pages;
mod sessions;
mod sign_in;
