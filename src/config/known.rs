//! The built-in providers (`config/providers.toml`, compiled in): what is known of them, as data.

use super::duration;
use super::used::{Auth, Provider, Tls};
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
        self.host.as_deref().into_iter().chain(fronts).any(|own| own == host)
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

impl Provider {
    /// What is known of it: a built-in provider, also where a `[provider.NAME]` section of its name overrides parts, or
    /// where the config names its host only.
    pub fn known(&self) -> Option<&'static Known> {
        let named = self.name.as_deref().and_then(|name| BUILT_IN.get(name));
        named.or_else(|| by_host(&self.server.host))
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
    fn a_public_domain_belongs_to_one_provider() {
        let mut domains: Vec<_> = BUILT_IN.values().flat_map(|known| known.domain.keys()).collect();
        let all = domains.len();
        domains.sort_unstable();
        domains.dedup();
        assert_eq!(domains.len(), all);
    }
}
