//! Which server an account is to reach, and how its login is said there: built-in providers and `[provider.NAME]`
//! sections.

use super::known::{self, Front, Known, built_in_providers};
use super::reader::Reader;
use super::reading::{quoted, say};
use super::secret;
use super::server::{SERVER_KEYS, Told};
use super::used::{Auth, Credential, Provider};
use super::words::nearest;
use std::collections::BTreeMap;
use std::time::Duration;

/// What an account's `provider`, or its own server, comes to.
pub(super) struct Found {
    /// The server.
    pub provider: Provider,
    /// How the login is said, where that was said.
    pub auth: Option<Auth>,
    /// The login of the master user who may log in for everybody there.
    pub master: Option<Credential>,
}

/// One provider that an account can name.
struct Entry {
    told: Told,
    domain: BTreeMap<String, Front>,
    renew: Option<Duration>,
    master: Option<Credential>,
    /// Something in its section is wrong and was told: what follows from that is not.
    doubtful: bool,
}

impl Entry {
    fn built_in(known: &Known) -> Self {
        Self {
            told: Told::built_in(known),
            domain: known.domain.clone(),
            renew: known.renew(),
            master: None,
            doubtful: false,
        }
    }

    fn empty() -> Self {
        Self { told: Told::default(), domain: BTreeMap::new(), renew: None, master: None, doubtful: false }
    }
}

/// All providers that an account can name.
pub(super) struct Providers {
    all: BTreeMap<String, Entry>,
    /// Whether any section speaks of a master user: then an account without a password may be meant for it.
    pub any_master: bool,
}

impl Providers {
    /// The built-in ones, and over them the `[provider.NAME]` sections.
    pub fn read(sections: &[(&str, Reader<'_>)]) -> Self {
        let built_in = built_in_providers();
        let mut all: BTreeMap<_, _> =
            built_in.iter().map(|(name, known)| (name.clone(), Entry::built_in(known))).collect();
        for (name, r) in sections {
            let base = all.remove(*name);
            let own_host = built_in.get(*name).is_some_and(|known| known.own_host);
            all.insert((*name).to_owned(), over(name, r, base, own_host));
        }
        let any_master = sections.iter().any(|(_, r)| MASTER_KEYS.iter().any(|key| r.has(key)));
        Self { all, any_master }
    }

    /// Their names.
    pub fn list(&self) -> Vec<String> {
        self.all.keys().cloned().collect()
    }

    fn names(&self) -> String {
        self.list().join(", ")
    }

    /// The server of this account, and how one logs in there; `None` if something is wrong, which is told.
    pub fn of_account(&self, r: &Reader<'_>, email: Option<&str>) -> Option<Found> {
        let domain = email.and_then(|email| email.rsplit_once('@')).map(|(_, domain)| domain.to_lowercase());
        let own = Told::read(r);
        if own.is_auth_doubtful(r) {
            return None;
        }
        if r.has("provider") {
            let name = r.text("provider")?;
            let Some(entry) = self.all.get(name) else {
                self.unknown(r, name);
                return None;
            };
            return named(r, name, entry, own, domain.as_deref());
        }
        if SERVER_KEYS.iter().any(|key| r.has(key)) {
            return on_its_own(r, own);
        }
        let domain = domain?;
        let Some((name, entry)) = self.all.iter().find(|(_, entry)| entry.domain.contains_key(&domain)) else {
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
        named(r, name, entry, own, Some(&domain))
    }

    fn unknown(&self, r: &Reader<'_>, name: &str) {
        let (names, shown) = (self.names(), quoted(name));
        let near = nearest(name, self.all.keys().map(String::as_str));
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
}

/// The server that the account names itself.
fn on_its_own(r: &Reader<'_>, own: Told) -> Option<Found> {
    if !r.has("host") {
        r.missing("host", Some(say("; or name a provider", "；或用 provider 指定服务商")));
    }
    let auth = own.auth;
    let server = own.server(r)?;
    let renew = known::by_host(&server.host).and_then(Known::renew);
    Some(Found { provider: Provider { name: None, server, renew }, auth, master: None })
}

fn named(r: &Reader<'_>, name: &str, entry: &Entry, own: Told, domain: Option<&str>) -> Option<Found> {
    if entry.doubtful {
        return None;
    }
    let auth = own.auth.or(entry.told.auth);
    let told = match entry.told.host {
        Some(_) => fixed(r, name, entry, domain)?,
        None => at_own_host(r, name, entry, own),
    };
    let server = told.server(r)?;
    let provider = Provider { name: Some(name.to_owned()), server, renew: entry.renew };
    Some(Found { provider, auth, master: entry.master.clone() })
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
        told.webmail = front.webmail().or(told.webmail);
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
fn over(name: &str, r: &Reader<'_>, base: Option<Entry>, own_host: bool) -> Entry {
    let own = Told::read(r);
    let base = base.unwrap_or_else(Entry::empty);
    let has_host = r.has("host");
    if !has_host && base.told.host.is_none() && !own_host {
        r.missing("host", None);
    }
    let doubtful = own.is_doubtful(r);
    // With another host, what the built-in one had for its domains means nothing; nor what it had for its readers, unless
    // the host is another entry of the same provider.
    let (mut below, mut domain) = (base.told, base.domain);
    if has_host {
        let entry = own.host.as_deref().and_then(known::by_host).is_some_and(|known| known.name() == name);
        below.webmail = below.webmail.filter(|_| entry);
        domain.clear();
    }
    let told = own.over(below);
    let refused = told.host.is_some() && told.clone().server(r).is_none();
    let master = master(r, told.auth);
    let renew = base.renew.or_else(|| told.host.as_deref().and_then(known::by_host).and_then(Known::renew));
    let doubtful = doubtful || refused || (told.host.is_none() && !own_host) || master.is_err();
    Entry { told, domain, renew, master: master.unwrap_or_default(), doubtful }
}

const MASTER_KEYS: [&str; 2] = ["master_user", "master_password"];

/// The master user of this server, if it has one; an error if that is wrong, which is told.
fn master(r: &Reader<'_>, auth: Option<Auth>) -> Result<Option<Credential>, ()> {
    if !MASTER_KEYS.iter().any(|key| r.has(key)) {
        return Ok(None);
    }
    for (key, other) in [("master_user", "master_password"), ("master_password", "master_user")] {
        if !r.has(key) {
            let hint = say(format!("; {other} means nothing alone"), format!("；只写 {other} 没有用"));
            r.missing(key, Some(hint));
        }
    }
    let user = r.text("master_user");
    let password = secret::read(r, "master_password");
    if matches!(auth, Some(Auth::Xoauth2 | Auth::Oauthbearer)) {
        let key = if r.has("master_user") { "master_user" } else { "master_password" };
        r.wrong(
            key,
            say(
                "a master user logs in with a password, but auth here takes tokens; remove master_user and master_password, or write auth = \"plain\" if this server knows a master user",
                "主用户用密码登录，而这里的 auth 只用令牌；请删去 master_user 和 master_password，如果服务器支持主用户，也可改写 auth = \"plain\"",
            ),
        );
        return Err(());
    }
    match (user, password) {
        (Some(user), Some(password)) => Ok(Some(Credential::Master { user: user.to_owned(), password })),
        _ => Err(()),
    }
}
