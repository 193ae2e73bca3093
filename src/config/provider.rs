//! Providers: the built-in ones (`config/providers.toml`), `[provider.NAME]` sections, and which server an account
//! is to reach.

use super::net;
use super::reader::{Choice, Reader};
use super::reading::{quoted, say};
use super::used::{MinTls, Provider, Server, Tls};
use super::words::nearest;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;
use url::Url;

/// A provider of `config/providers.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BuiltIn {
    host: Option<String>,
    #[serde(default)]
    own_host: bool,
    port: u16,
    tls: TlsWord,
    webmail: Option<PageUrl>,
    #[serde(default)]
    later: bool,
    #[serde(default)]
    domain: BTreeMap<String, Front>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TlsWord {
    Implicit,
    Starttls,
}

/// What one of a provider's domains has of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Front {
    host: Option<String>,
    webmail: Option<PageUrl>,
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

/// That the file can be read is held by a test.
static BUILT_IN: LazyLock<BTreeMap<String, BuiltIn>> =
    LazyLock::new(|| toml::from_str(include_str!("../../config/providers.toml")).unwrap_or_default());

/// The keys that tell of a server, in an account or in a `[provider.NAME]` section.
const SERVER_KEYS: [&str; 7] = ["host", "port", "tls", "min_tls", "ca_file", "auth", "webmail"];

/// What was said of a server; `None` = not said.
#[derive(Clone, Debug, Default)]
struct Told {
    host: Option<String>,
    port: Option<u16>,
    tls: Option<Tls>,
    min_tls: Option<MinTls>,
    ca_file: Option<PathBuf>,
    webmail: Option<Url>,
}

impl Told {
    fn read(r: &Reader<'_>) -> Self {
        let tls: [Choice<Tls>; 3] =
            [("implicit", Some(Tls::Implicit)), ("starttls", Some(Tls::Starttls)), ("none", Some(Tls::None))];
        let min_tls: [Choice<MinTls>; 2] = [("1.2", Some(MinTls::V12)), ("1.3", Some(MinTls::V13))];
        r.choice("auth", &[("login", Some(())), ("plain", None), ("xoauth2", None), ("oauthbearer", None)]);
        Self {
            host: net::host(r, "host"),
            port: r.number_in("port", 1..=65535).and_then(|n| u16::try_from(n).ok()),
            tls: r.choice("tls", &tls),
            min_tls: r.choice("min_tls", &min_tls),
            ca_file: ca_file(r),
            webmail: net::page(r, "webmail"),
        }
    }

    /// What is said here, and `base` for what is not. Another `tls` brings its own port.
    fn over(self, base: Self) -> Self {
        let port = if self.tls.is_some() { self.port } else { self.port.or(base.port) };
        Self {
            host: self.host.or(base.host),
            port,
            tls: self.tls.or(base.tls),
            min_tls: self.min_tls.or(base.min_tls),
            ca_file: self.ca_file.or(base.ca_file),
            webmail: self.webmail.or(base.webmail),
        }
    }

    /// The server, with the defaults. `tls = "none"` is refused outside of the machine itself.
    fn server(self, r: &Reader<'_>) -> Option<Server> {
        let host = self.host?;
        let tls = self.tls.unwrap_or(Tls::Implicit);
        if tls == Tls::None && !net::is_loopback(&host) {
            let key = if r.has("tls") { "tls" } else { "host" };
            let shown = quoted(&host);
            r.wrong(
                key,
                say(
                    format!("\"none\" would send the password unprotected to {shown}; only 127.0.0.1, ::1 and localhost may go without; write tls = \"implicit\" or \"starttls\""),
                    format!("\"none\" 会把密码不加密地发往 {shown}；只有 127.0.0.1、::1 和 localhost 可以不加密；请写 tls = \"implicit\" 或 \"starttls\""),
                ),
            );
            return None;
        }
        let usual = match tls {
            Tls::Implicit => 993,
            Tls::Starttls | Tls::None => 143,
        };
        Some(Server {
            host,
            port: self.port.unwrap_or(usual),
            tls,
            min_tls: self.min_tls.unwrap_or(MinTls::V12),
            ca_file: self.ca_file,
            webmail: self.webmail,
        })
    }
}

/// A file of certificate authorities; that it can be read and holds a certificate is looked at.
fn ca_file(r: &Reader<'_>) -> Option<PathBuf> {
    let path = r.path("ca_file")?;
    let shown = path.display();
    let said = match std::fs::read(&path) {
        Ok(bytes) if bytes.windows(PEM.len()).any(|window| window == PEM) => return Some(path),
        Ok(_) => say(
            format!("the file {shown} holds no certificate in PEM form (\"-----BEGIN CERTIFICATE-----\")"),
            format!("文件 {shown} 中没有 PEM 格式的证书（\"-----BEGIN CERTIFICATE-----\"）"),
        ),
        Err(error) => {
            let (en, zh) = super::secret::io_words(&error);
            say(
                format!("cannot read the file {shown}: {en}; correct the path"),
                format!("无法读取文件 {shown}：{zh}；请改正路径"),
            )
        }
    };
    r.wrong("ca_file", said);
    None
}

const PEM: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// One provider that an account can name.
struct Entry {
    told: Told,
    domain: BTreeMap<String, Front>,
    later: bool,
    /// Something in its section is wrong and was told: what follows from that is not.
    doubtful: bool,
}

impl Entry {
    fn built_in(provider: &BuiltIn) -> Self {
        let told = Told {
            host: provider.host.clone(),
            port: Some(provider.port),
            tls: Some(match provider.tls {
                TlsWord::Implicit => Tls::Implicit,
                TlsWord::Starttls => Tls::Starttls,
            }),
            webmail: provider.webmail.clone().map(|url| url.0),
            ..Told::default()
        };
        Self { told, domain: provider.domain.clone(), later: provider.later, doubtful: false }
    }
}

/// All providers that an account can name.
pub(super) struct Providers(BTreeMap<String, Entry>);

impl Providers {
    /// The built-in ones, and over them the `[provider.NAME]` sections.
    pub fn read(sections: &[(&str, Reader<'_>)]) -> Self {
        let mut all: BTreeMap<_, _> =
            BUILT_IN.iter().map(|(name, provider)| (name.clone(), Entry::built_in(provider))).collect();
        for (name, r) in sections {
            let base = all.remove(*name);
            let own_host = BUILT_IN.get(*name).is_some_and(|provider| provider.own_host);
            all.insert((*name).to_owned(), over(r, base, own_host));
        }
        Self(all)
    }

    fn names(&self) -> String {
        let available = self.0.iter().filter(|(_, entry)| !entry.later);
        let names: Vec<_> = available.map(|(name, _)| name.as_str()).collect();
        names.join(", ")
    }

    /// The server of this account; `None` if something is wrong, which is told.
    pub fn of_account(&self, r: &Reader<'_>, email: Option<&str>) -> Option<Provider> {
        let domain = email.and_then(|email| email.rsplit_once('@')).map(|(_, domain)| domain.to_lowercase());
        let own = Told::read(r);
        if r.has("provider") {
            let name = r.text("provider")?;
            let Some(entry) = self.0.get(name) else {
                self.unknown(r, name);
                return None;
            };
            return self.named(r, name, entry, own, domain.as_deref());
        }
        if SERVER_KEYS.iter().any(|key| r.has(key)) {
            if !r.has("host") {
                r.missing("host", Some(say("; or name a provider", "；或用 provider 指定服务商")));
            }
            return own.server(r).map(|server| Provider { name: None, server, renew: None });
        }
        let domain = domain?;
        let Some((name, entry)) = self.0.iter().find(|(_, entry)| entry.domain.contains_key(&domain)) else {
            let (names, shown) = (self.names(), quoted(&domain));
            r.missing(
                "provider",
                Some(say(
                    format!("; {shown} is not known to belong to one. There are: {names}. For another server write host = \"...\" instead"),
                    format!("；无法由 {shown} 判断服务商。可用：{names}。其他服务器请改写 host = \"...\""),
                )),
            );
            return None;
        };
        self.named(r, name, entry, own, Some(&domain))
    }

    fn unknown(&self, r: &Reader<'_>, name: &str) {
        let (names, shown) = (self.names(), quoted(name));
        let near = nearest(name, self.0.keys().map(String::as_str));
        let said = match near {
            Some(near) => say(
                format!("there is no provider {shown}; did you mean \"{near}\"?"),
                format!("没有服务商 {shown}；是否想写 \"{near}\"？"),
            ),
            None => say(
                format!(
                    "there is no provider {shown}; write one of: {names}; or a section [provider.NAME]; or host = \"...\" instead"
                ),
                format!("没有服务商 {shown}；请写以下之一：{names}；或写一节 [provider.NAME]；或改写 host = \"...\""),
            ),
        };
        r.wrong("provider", said);
    }

    fn named(&self, r: &Reader<'_>, name: &str, entry: &Entry, own: Told, domain: Option<&str>) -> Option<Provider> {
        if entry.doubtful {
            return None;
        }
        if entry.later {
            r.wrong(
                "provider",
                say(
                    format!("\"{name}\" is not available yet: it takes OAuth only; remove this account for now"),
                    format!("\"{name}\" 尚未支持：它只接受 OAuth；请先删去此账号"),
                ),
            );
            return None;
        }
        let told = match entry.told.host {
            Some(_) => fixed(r, name, entry, domain)?,
            None => at_own_host(r, name, entry, own),
        };
        let server = told.server(r)?;
        Some(Provider { name: Some(name.to_owned()), server, renew: None })
    }
}

/// The server of a provider that has one for everybody, or one for each of its domains.
fn fixed(r: &Reader<'_>, name: &str, entry: &Entry, domain: Option<&str>) -> Option<Told> {
    let extra: Vec<_> = SERVER_KEYS.into_iter().filter(|key| r.has(key)).collect();
    for key in &extra {
        r.wrong(
            key,
            say(
                format!("provider = \"{name}\" already says this; remove one of the two, or write [provider.{name}]"),
                format!("provider = \"{name}\" 已经包含此项；请删去其一，或写一节 [provider.{name}]"),
            ),
        );
    }
    if !extra.is_empty() {
        return None;
    }
    let mut told = entry.told.clone();
    if let Some(front) = domain.and_then(|domain| entry.domain.get(domain)) {
        told.host = front.host.clone().or(told.host);
        told.webmail = front.webmail.clone().map(|url| url.0).or(told.webmail);
    }
    Some(told)
}

/// The server of a provider whose sites each have a host of their own, which the account names.
fn at_own_host(r: &Reader<'_>, name: &str, entry: &Entry, own: Told) -> Told {
    if !r.has("host") {
        r.missing(
            "host",
            Some(say(
                format!("; \"{name}\" has no host of its own, every site has another"),
                format!("；\"{name}\" 没有统一的主机，各单位不同"),
            )),
        );
    }
    own.over(entry.told.clone())
}

/// A `[provider.NAME]` section over the built-in provider of its name.
fn over(r: &Reader<'_>, base: Option<Entry>, own_host: bool) -> Entry {
    let own = Told::read(r);
    let base =
        base.unwrap_or_else(|| Entry { told: Told::default(), domain: BTreeMap::new(), later: false, doubtful: false });
    let has_host = r.has("host");
    if !has_host && base.told.host.is_none() && !own_host {
        r.missing("host", None);
    }
    let doubtful = (has_host && own.host.is_none()) || (r.has("tls") && own.tls.is_none());
    // With another host, what the built-in one had for its domains and its readers means nothing.
    let (domain, webmail) = if has_host { (BTreeMap::new(), None) } else { (base.domain, base.told.webmail.clone()) };
    let told = own.over(Told { webmail, ..base.told });
    let refused = told.host.is_some() && told.clone().server(r).is_none();
    let doubtful = doubtful || refused || (told.host.is_none() && !own_host);
    Entry { told, domain, later: base.later && !has_host, doubtful }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn the_built_in_providers_are_those_of_the_contract() {
        let file: Result<BTreeMap<String, BuiltIn>, _> = toml::from_str(include_str!("../../config/providers.toml"));
        let names: Vec<_> = file.unwrap().into_keys().collect();
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
        for (name, provider) in BUILT_IN.iter() {
            assert_ne!(provider.host.is_some(), provider.own_host, "{name}");
        }
    }

    #[test]
    fn a_public_domain_belongs_to_one_provider() {
        let mut domains: Vec<_> = BUILT_IN.values().flat_map(|provider| provider.domain.keys()).collect();
        let all = domains.len();
        domains.sort_unstable();
        domains.dedup();
        assert_eq!(domains.len(), all);
    }
}
