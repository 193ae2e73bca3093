//! What servers answer when they refuse (`config/answers.toml`, compiled in), and what to do about it, as data.

use super::known::Part;
use super::used::{Account, Credential, Provider};
use crate::model::Lang;
use serde::Deserialize;
use std::sync::LazyLock;

/// One answer of servers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    text: Vec<String>,
    #[serde(default)]
    of: Vec<String>,
    en: Vec<String>,
    zh: Vec<String>,
    #[serde(default)]
    then: Vec<Then>,
    source: String,
}

/// Which of the provider's steps follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Then {
    Member,
    Admin,
    Oauth,
    /// What proves this account's login.
    Login,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    answer: Vec<Answer>,
}

impl Answer {
    /// What it is known by: one of these stands in the server's words.
    pub fn texts(&self) -> &[String] {
        &self.text
    }

    /// The providers that it is for; empty: for all.
    pub fn providers(&self) -> &[String] {
        &self.of
    }

    /// What it means and what to do, as it stands in the file: [`Account::answer_to`] fills in what depends on the account.
    pub fn steps(&self, lang: Lang) -> &[String] {
        match lang {
            Lang::En => &self.en,
            Lang::ZhCn => &self.zh,
        }
    }

    /// Where this is from, and when it was looked at.
    pub fn source(&self) -> &str {
        &self.source
    }

    fn is_in(&self, words: &str) -> bool {
        self.text.iter().any(|text| words.contains(&text.to_lowercase()))
    }
}

fn parse(text: &str) -> Result<Vec<Answer>, toml::de::Error> {
    toml::from_str::<File>(text).map(|file| file.answer)
}

/// That the file can be read is held by a test.
static ANSWERS: LazyLock<Vec<Answer>> =
    LazyLock::new(|| parse(include_str!("../../config/answers.toml")).unwrap_or_default());

/// All that is known of what servers answer.
pub fn known_answers() -> &'static [Answer] {
    &ANSWERS
}

/// What a server's words mean for one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// What it means and what to do, step by step.
    pub steps: Vec<String>,
    /// Whose steps at the provider follow.
    pub then: Vec<Part>,
}

impl Account {
    /// What these words of its server mean, if they are known.
    pub fn answer_to(&self, words: &str, lang: Lang) -> Option<Meaning> {
        let answer = find(&self.provider, words)?;
        let steps = answer.steps(lang).iter().map(|step| self.provider.filled(step, lang)).collect();
        let then = answer.then.iter().map(|then| match then {
            Then::Member => Part::Member,
            Then::Admin => Part::Admin,
            Then::Oauth => Part::Oauth,
            Then::Login => self.proof(),
        });
        Some(Meaning { steps, then: then.collect() })
    }

    /// Whose steps lead to what proves this account's login.
    pub fn proof(&self) -> Part {
        match self.credential {
            Credential::Password(_) | Credential::Kept(_) => Part::Member,
            Credential::Master { .. } => Part::Master,
            Credential::Oauth(_) => Part::Oauth,
        }
    }
}

/// What is known of these words: of the provider's own answers first.
fn find(provider: &Provider, words: &str) -> Option<&'static Answer> {
    let words = words.to_lowercase();
    let name = provider.known().map(|known| known.name().to_owned()).unwrap_or_default();
    let own = ANSWERS.iter().find(|answer| answer.of.contains(&name) && answer.is_in(&words));
    own.or_else(|| ANSWERS.iter().find(|answer| answer.of.is_empty() && answer.is_in(&words)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
    use super::*;
    use crate::config::built_in_providers;

    #[test]
    fn every_answer_has_both_languages_and_a_source() {
        let answers = parse(include_str!("../../config/answers.toml")).unwrap();
        assert!(answers.len() >= 30);
        for answer in &answers {
            assert!(!answer.text.is_empty() && answer.text.iter().all(|text| text.len() >= 7), "{answer:?}");
            assert!(!answer.en.is_empty() && answer.en.len() == answer.zh.len(), "{:?}", answer.text);
            assert!(answer.source.ends_with("; 2026-11"), "{:?}", answer.text);
            assert!(answer.of.iter().all(|name| built_in_providers().contains_key(name)), "{:?}", answer.of);
        }
    }

    /// A text that is a part of an earlier one of the same provider would never be shown.
    #[test]
    fn every_text_leads_to_its_own_answer() {
        for (at, answer) in ANSWERS.iter().enumerate() {
            for text in &answer.text {
                let words = text.to_lowercase();
                let first = ANSWERS.iter().position(|other| other.of == answer.of && other.is_in(&words));
                assert_eq!(first, Some(at), "{text}");
            }
        }
    }
}
