//! The binary between a real Dovecot and the sandbox: what a user sees.

mod advice;
mod alerts;
mod away;
mod checks;
mod crash;
mod cyrus;
mod doctor;
mod durable;
mod faults;
mod folders;
mod headers;
mod logins;
mod mail;
mod measure;
mod metrics;
mod modes;
mod registry;
mod restore;
mod rival;
mod service;
mod status;
mod subscriptions;
mod systemd;
mod why;
mod world;
mod worst;
