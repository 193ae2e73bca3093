//! The form of an alert for one letter.

use serde::{Deserialize, Serialize};

/// The form of an alert for one letter (wecom-api 3.3 to 3.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Card {
    /// A title, a few lines and a button; seen in WeChat's plug-in (微信插件), too.
    #[default]
    Textcard,
    /// A card of named rows, which can be loud.
    TemplateCard,
    /// Lines with a little colour.
    Markdown,
    /// Words alone; what everybody can see.
    Text,
}

impl Card {
    /// All of them, the usual one first.
    pub const ALL: [Self; 4] = [Self::Textcard, Self::TemplateCard, Self::Markdown, Self::Text];

    /// As the config file writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Textcard => "textcard",
            Self::TemplateCard => "template_card",
            Self::Markdown => "markdown",
            Self::Text => "text",
        }
    }

    /// The form of this word, exactly as [`Self::word`] writes it.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|card| card.word() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for card in Card::ALL {
            assert_eq!(Card::parse(card.word()), Some(card));
            assert_eq!(serde_json::to_string(&card).unwrap(), format!("\"{}\"", card.word()));
        }
        assert_eq!((Card::parse("Text"), Card::parse("news"), Card::parse("")), (None, None, None));
        assert_eq!(Card::default(), Card::Textcard);
    }
}
