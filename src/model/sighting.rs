//! One letter found in one folder by one sync, and what is to become of it.

use super::{Item, Recipient, Timestamp, Uid, Urgency};
use serde::{Deserialize, Serialize};

/// See the module's text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// The letter and where it was found.
    pub item: Item,
    /// Its UID there; 0 where the server's cannot be relied on.
    pub uid: Uid,
    /// The place of its subscription in the config, from 1; 0 where none takes it.
    pub subscription: u16,
    /// How loud it is.
    pub urgency: Urgency,
    /// Who is told, or why nobody is.
    pub fate: Fate,
    /// Which of those are told otherwise than the urgency says.
    pub apart: Vec<(Recipient, Apart)>,
}

/// How one recipient is told of a letter otherwise than its urgency says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Apart {
    /// Not before this moment (wall clock), together with what came meanwhile: quiet hours, a vacation, or a time of day
    /// for digests.
    Later(Timestamp),
    /// Not at all: muted until this moment (wall clock).
    Muted(Timestamp),
}

/// Who is told of a letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fate {
    /// These, as far as they do not know it already.
    Announce(Vec<Recipient>),
    /// Nobody.
    Silent(Silence),
}

/// Why a letter is announced to nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Silence {
    /// Received more than an hour before the folder's last good look: imported, moved or restored (design: "Promises",
    /// 3).
    Old,
    /// Already read elsewhere.
    Seen,
    /// It was in this folder when the folder was bound, and has got a new UID.
    Bound,
    /// No subscription takes it, though some take its folder.
    Unmatched,
    /// Its subscription says `urgency = "silent"`.
    Asked,
}

impl Sighting {
    /// Who is to be told.
    pub fn recipients(&self) -> &[Recipient] {
        match &self.fate {
            Fate::Announce(recipients) => recipients,
            Fate::Silent(_) => &[],
        }
    }

    /// How this recipient is told, if otherwise than the urgency says.
    pub fn apart(&self, recipient: &Recipient) -> Option<Apart> {
        self.apart.iter().find(|(who, _)| who == recipient).map(|(_, apart)| *apart)
    }
}
