//! What `mailbell demo` and the tests need around mailbell itself: a private Dovecot, an LMTP client, sample mails, and
//! the page of the demo.

pub mod ca;
pub mod compose;
pub mod dovecot;
mod dovecot_conf;
mod dovecot_find;
mod dovecot_place;
mod dovecot_process;
pub mod lmtp;
pub mod page;
pub mod run;
pub mod samples;
