//! What stays clear of the minutes in which WeCom delivers slowly.

use serde::{Deserialize, Serialize};

/// What is not sent in the minutes :00 and :30 of the hour (see `rules/busy.rs`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum BusyMinutes {
    /// Letters of urgency digest: they have waited anyway.
    #[default]
    Digests,
    /// All that is not urgent: it waits up to a minute.
    All,
    /// Nothing.
    Off,
}

impl BusyMinutes {
    /// All of them, the default first.
    pub const ALL: [Self; 3] = [Self::Digests, Self::All, Self::Off];

    /// As the config file writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Digests => "digests",
            Self::All => "all",
            Self::Off => "off",
        }
    }
}
