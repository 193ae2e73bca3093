//! The words of the domain (design: "Words") as plain values: no async, no I/O, no wire formats.

mod alert;
mod busy_minutes;
mod card;
mod fingerprint;
mod folder;
mod id;
mod invitation;
mod letter;
mod locale;
mod mark;
mod mute;
mod part;
mod secret;
mod sighting;
mod time;
mod trouble;
mod urgency;

pub use alert::{AlertId, AlertKind, Item, LetterNo};
pub use busy_minutes::BusyMinutes;
pub use card::Card;
pub use fingerprint::Fingerprint;
pub use folder::{Folder, RawName};
pub use id::{AccountId, LetterId, Owner, Recipient, RecipientError, Uid, UidValidity};
pub(crate) use id::{hex, unhex};
pub use invitation::{Invitation, Method, Start};
pub use letter::{Attachment, Kind, Letter, Priority, Sender, Verdict};
pub use locale::Locale;
pub use mark::{Look, Mark};
pub use mute::{Mute, MuteId, Muted};
pub use part::{Parameters, Part};
pub use secret::Secret;
pub use sighting::{Apart, Fate, Sighting, Silence};
pub use time::{Lang, Now, Timestamp};
pub use trouble::{Told, Trouble};
pub use urgency::Urgency;
