//! The built-in providers (`config/providers.toml`, compiled in): what is known of them, as data.

use super::duration;
use super::used::{Auth, Provider, Tls};
use crate::model::Lang;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;
use url::Url;

/// A provider of `config/providers.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    #[serde(skip)]
    name: String,
    title: Words,
    source: String,
    pub(super) host: Option<String>,
    #[serde(default)]
    pub(super) own_host: bool,
    pub(super) port: u16,
    tls: TlsWord,
    webmail: Option<PageUrl>,
    #[serde(default)]
    pub(super) domain: BTreeMap<String, Front>,
    auth: Option<AuthWord>,
    renew: Option<Span>,
    #[serde(default)]
    region: Vec<Region>,
    member: Steps,
    admin: Steps,
    #[serde(default)]
    oauth: Steps,
    #[serde(default)]
    master: Steps,
    #[serde(default)]
    note: Vec<Note>,
}

/// A few words in both languages.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    en: String,
    zh: String,
}

/// What to do, in this order, in both languages.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Steps {
    pub en: Vec<String>,
    pub zh: Vec<String>,
}

impl Steps {
    pub fn of(&self, lang: Lang) -> &[String] {
        match lang {
            Lang::En => &self.en,
            Lang::ZhCn => &self.zh,
        }
    }
}

/// Another entry of a provider.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    host: String,
    en: String,
    zh: String,
    source: String,
}

impl Region {
    /// The host.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// For whom it is.
    pub fn whose(&self, lang: Lang) -> &str {
        lang.pick(&self.zh, &self.en)
    }

    /// Where this is from, and when it was looked at.
    pub fn source(&self) -> &str {
        &self.source
    }
}

/// When a note helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum At {
    Login,
    Watch,
}

/// Something worth knowing of a provider.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    at: At,
    en: String,
    zh: String,
    source: String,
}

impl Note {
    /// Whether it helps where a login is refused; else it tells what to expect of an account that is watched.
    pub fn is_of_login(&self) -> bool {
        self.at == At::Login
    }

    /// What it says.
    pub fn text(&self, lang: Lang) -> &str {
        lang.pick(&self.zh, &self.en)
    }

    /// Where this is from, and when it was looked at.
    pub fn source(&self) -> &str {
        &self.source
    }
}

/// Who has to do something, and to what end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The member, to get the password that mailbell needs.
    Member,
    /// The mail administrator, to open IMAP.
    Admin,
    /// The administrator, so that tokens are given and taken.
    Oauth,
    /// The administrator, so that a master user may log in for others.
    Master,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TlsWord {
    Implicit,
    Starttls,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum AuthWord {
    Login,
    Plain,
    Xoauth2,
    Oauthbearer,
}

/// What one of a provider's domains has of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Front {
    pub host: Option<String>,
    webmail: Option<PageUrl>,
}

impl Front {
    pub fn webmail(&self) -> Option<Url> {
        self.webmail.clone().map(|url| url.0)
    }
}

/// A URL in `config/providers.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
struct PageUrl(Url);

impl TryFrom<String> for PageUrl {
    type Error = url::ParseError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Url::parse(&text).map(Self)
    }
}

/// A duration in `config/providers.toml`, written as in the config file.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
struct Span(Duration);

impl TryFrom<String> for Span {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        duration::parse(&text).map(Self).ok_or("no duration")
    }
}

impl Known {
    /// Its name, as `provider` says it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What people call it.
    pub fn title(&self, lang: Lang) -> &str {
        lang.pick(&self.title.zh, &self.title.en)
    }

    /// Where its host and its steps are from, and when they were looked at.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Its other entries.
    pub fn regions(&self) -> &[Region] {
        &self.region
    }

    /// What else is worth knowing.
    pub fn notes(&self) -> &[Note] {
        &self.note
    }

    /// The steps of this part as they stand in the file: `{webmail}` is to be filled in, which [`Provider::steps`] does.
    pub fn steps(&self, part: Part, lang: Lang) -> &[String] {
        match part {
            Part::Member => self.member.of(lang),
            Part::Admin => self.admin.of(lang),
            Part::Oauth => self.oauth.of(lang),
            Part::Master => self.master.of(lang),
        }
    }

    pub(super) fn tls(&self) -> Tls {
        match self.tls {
            TlsWord::Implicit => Tls::Implicit,
            TlsWord::Starttls => Tls::Starttls,
        }
    }

    pub(super) fn auth(&self) -> Option<Auth> {
        self.auth.map(|word| match word {
            AuthWord::Login => Auth::Login,
            AuthWord::Plain => Auth::Plain,
            AuthWord::Xoauth2 => Auth::Xoauth2,
            AuthWord::Oauthbearer => Auth::Oauthbearer,
        })
    }

    pub(super) fn webmail(&self) -> Option<Url> {
        self.webmail.clone().map(|url| url.0)
    }

    /// So often its servers want to be asked something, where `idle_renew` is too rarely for them.
    pub(super) fn renew(&self) -> Option<Duration> {
        self.renew.map(|span| span.0)
    }

    fn has_host(&self, host: &str) -> bool {
        let fronts = self.domain.values().filter_map(|front| front.host.as_deref());
        let regions = self.region.iter().map(|region| region.host.as_str());
        self.host.as_deref().into_iter().chain(fronts).chain(regions).any(|own| own.eq_ignore_ascii_case(host))
    }
}

fn parse(text: &str) -> Result<BTreeMap<String, Known>, toml::de::Error> {
    let mut all: BTreeMap<String, Known> = toml::from_str(text)?;
    for (name, known) in &mut all {
        known.name.clone_from(name);
    }
    Ok(all)
}

/// That the file can be read is held by a test.
static BUILT_IN: LazyLock<BTreeMap<String, Known>> =
    LazyLock::new(|| parse(include_str!("../../config/providers.toml")).unwrap_or_default());

/// All of them, by their names.
pub fn built_in_providers() -> &'static BTreeMap<String, Known> {
    &BUILT_IN
}

/// The built-in provider whose host this is.
pub(super) fn by_host(host: &str) -> Option<&'static Known> {
    BUILT_IN.values().find(|known| known.has_host(host))
}

/// The host of a built-in provider that a misspelt one most resembles, if any does; one that is spelt right is none.
pub fn nearest_host(host: &str) -> Option<&'static str> {
    if by_host(host).is_some() {
        return None;
    }
    let hosts = BUILT_IN.values().flat_map(|known| {
        let fronts = known.domain.values().filter_map(|front| front.host.as_deref());
        known.host.as_deref().into_iter().chain(fronts).chain(known.region.iter().map(Region::host))
    });
    let scored = hosts.map(|known| (strsim::jaro_winkler(known, host), known));
    // Every host begins with "imap.", so only much of the rest counts.
    scored.filter(|(score, _)| *score >= 0.95).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}

impl Provider {
    /// What is known of it: a built-in provider, also where a `[provider.NAME]` section of its name overrides parts, or
    /// where the config names its host only.
    pub fn known(&self) -> Option<&'static Known> {
        let named = self.name.as_deref().and_then(|name| BUILT_IN.get(name));
        named.or_else(|| by_host(&self.server.host))
    }

    /// What this part is to do there, step by step; empty where nothing is known.
    pub fn steps(&self, part: Part, lang: Lang) -> Vec<String> {
        let steps = self.known().map(|known| known.steps(part, lang)).unwrap_or_default();
        steps.iter().map(|step| self.filled(step, lang)).collect()
    }

    /// A step with `{webmail}` and `{regions}` filled in.
    pub(super) fn filled(&self, step: &str, lang: Lang) -> String {
        let webmail = self.server.webmail.as_ref().map(|url| url.as_str().trim_end_matches('/'));
        let step = match webmail {
            Some(webmail) => step.replace("{webmail}", webmail),
            None => step.replace(" {webmail}", ""),
        };
        if !step.contains("{regions}") {
            return step;
        }
        let known = self.known();
        let main = known.and_then(|known| known.host.as_deref()).map(|host| (host, ""));
        let regions = known.map(Known::regions).unwrap_or_default().iter().map(|r| (r.host(), r.whose(lang)));
        let others = main.into_iter().chain(regions).filter(|(host, _)| *host != self.server.host);
        let shown: Vec<_> = others
            .map(|(host, whose)| match (whose, lang) {
                ("", _) => host.to_owned(),
                (whose, Lang::En) => format!("{host} ({whose})"),
                (whose, Lang::ZhCn) => format!("{host}（{whose}）"),
            })
            .collect();
        step.replace("{regions}", &shown.join(lang.pick("、", ", ")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn the_built_in_providers_are_those_of_the_contract() {
        let names: Vec<_> = parse(include_str!("../../config/providers.toml")).unwrap().into_keys().collect();
        let mut wanted = [
            "exmail",
            "qq",
            "aliyun",
            "netease-qiye",
            "netease",
            "263",
            "coremail",
            "exchange-online",
            "exchange",
            "gmail",
            "dovecot",
            "cyrus",
        ];
        wanted.sort_unstable();
        assert_eq!(names, wanted);
    }

    #[test]
    fn each_has_a_host_or_says_that_sites_have_their_own() {
        for (name, known) in BUILT_IN.iter() {
            assert_ne!(known.host.is_some(), known.own_host, "{name}");
        }
    }

    #[test]
    fn each_has_advice_in_both_languages_and_says_where_it_is_from() {
        for (name, known) in BUILT_IN.iter() {
            assert!(known.source.ends_with("; 2026-11"), "{name}");
            assert!(!known.title.en.is_empty() && !known.title.zh.is_empty(), "{name}");
            for part in [Part::Member, Part::Admin, Part::Oauth, Part::Master] {
                let (en, zh) = (known.steps(part, Lang::En), known.steps(part, Lang::ZhCn));
                assert_eq!(en.len(), zh.len(), "{name} {part:?}");
                assert!(!en.is_empty() || matches!(part, Part::Oauth | Part::Master), "{name} {part:?}");
                for (en, zh) in en.iter().zip(zh) {
                    assert!(en.len() > 20 && !zh.is_ascii(), "{name}: {en} {zh}");
                    assert_eq!(en.contains('{'), zh.contains('{'), "{name}: {en}");
                }
            }
            for sourced in known.region.iter().map(Region::source).chain(known.note.iter().map(Note::source)) {
                assert!(sourced.ends_with("; 2026-11"), "{name}: {sourced}");
            }
        }
        assert!(!BUILT_IN["exchange-online"].oauth.en.is_empty() && !BUILT_IN["gmail"].oauth.en.is_empty());
        assert!(!BUILT_IN["dovecot"].master.en.is_empty() && !BUILT_IN["cyrus"].master.en.is_empty());
    }

    #[test]
    fn a_misspelt_host_is_recognised() {
        assert_eq!(nearest_host("imap.exmial.qq.com"), Some("imap.exmail.qq.com"));
        assert_eq!(nearest_host("imap.qiye.aliyum.com"), Some("imap.qiye.aliyun.com"));
        for other in ["imap.corp.example", "mail.corp.example", "no-such-host.invalid", "imap.example.com", ""] {
            assert_eq!(nearest_host(other), None, "{other}");
        }
        // Not to be told "did you mean" of what was written.
        for other in ["imap.exmail.qq.com", "IMAP.exmail.qq.com", "hwimap.exmail.qq.com"] {
            assert_eq!(nearest_host(other), None, "{other}");
        }
    }

    #[test]
    fn a_public_domain_belongs_to_one_provider() {
        let mut domains: Vec<_> = BUILT_IN.values().flat_map(|known| known.domain.keys()).collect();
        let all = domains.len();
        domains.sort_unstable();
        domains.dedup();
        assert_eq!(domains.len(), all);
    }
}
