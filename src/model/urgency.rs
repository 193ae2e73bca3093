//! How loud a letter rings.

use serde::{Deserialize, Serialize};

/// How loud a letter rings, from the loudest on: what sorts first goes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Urgency {
    /// At once, and before all others where there is not room for all.
    Urgent,
    /// As soon as there is room.
    #[default]
    Normal,
    /// Gathered, and announced together now and then.
    Digest,
    /// Not announced at all.
    Silent,
}

impl Urgency {
    /// All of them, from the loudest on.
    pub const ALL: [Self; 4] = [Self::Urgent, Self::Normal, Self::Digest, Self::Silent];

    /// As the config file writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Urgent => "urgent",
            Self::Normal => "normal",
            Self::Digest => "digest",
            Self::Silent => "silent",
        }
    }

    /// The urgency of this word, exactly as [`Self::word`] writes it.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|urgency| urgency.word() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written_and_the_loudest_sorts_first() {
        for urgency in Urgency::ALL {
            assert_eq!(Urgency::parse(urgency.word()), Some(urgency));
        }
        assert_eq!((Urgency::parse("Urgent"), Urgency::parse("loud"), Urgency::parse("")), (None, None, None));
        assert!(Urgency::ALL.is_sorted() && Urgency::default() == Urgency::Normal);
    }
}
