//! The words of the domain (design: "Words") as plain values: no async, no I/O, no wire formats.

mod alert;
mod folder;
mod id;
mod letter;
mod mark;
mod secret;
mod time;
mod trouble;

pub use alert::{AlertId, AlertKind, Item};
pub use folder::{Folder, RawName};
pub use id::{AccountId, LetterId, Owner, Recipient, RecipientError, Uid, UidValidity};
pub use letter::{Letter, Sender};
pub use mark::{Look, Mark};
pub use secret::Secret;
pub use time::{Lang, Timestamp};
pub use trouble::{Told, Trouble};
