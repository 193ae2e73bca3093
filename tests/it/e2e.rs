//! The binary between a real Dovecot and the sandbox: what a user sees.

mod checks;
mod crash;
mod cyrus;
mod mail;
mod measure;
mod service;
mod world;
